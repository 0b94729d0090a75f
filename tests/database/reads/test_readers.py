"""A reader needs no right but on the guarded view, and sees only the rows that policies allow."""

import pytest
from guarded_example import DEFINITION, listen, make


def test_a_reader_needs_no_right_but_on_the_view(connection, connect, role):
    name = role("reader")
    make(connection, text=f"readers: [{name}]\n" + DEFINITION.strip())
    session = connect(name)
    notices = listen(session)
    assert session.execute("SELECT count(a) FROM guarded.example").fetchone() == (2,)
    assert notices == [("a_range", "01SL1")]
    with pytest.raises(Exception, match="read refused"):
        session.execute("SELECT a FROM guarded.example_strict")
    state = session.execute("SELECT _slo_status ->> 'state' FROM guarded.example_status").fetchone()
    assert state == ("missed",)
    for query in (
        "SELECT * FROM features.example",
        "SELECT * FROM pgslo_catalog.incident",
        "SELECT pgslo_catalog.problem('features.example', '{a}')",
        "SELECT * FROM pgslo.quarantine",
        "SELECT * FROM pgslo.sample",
        "SELECT * FROM pgslo.repair",
        "SELECT pgslo.tick()",
        "UPDATE guarded.example SET c = 'x'",
    ):
        with pytest.raises(Exception, match="permission denied"):
            session.execute(query)


POLICY = """
    ALTER TABLE features.example ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON features.example FOR SELECT USING (id = 1);
"""


def test_row_security_holds_in_guarded_views(connection, connect, role):
    if connection.info.server_version < 150000:
        pytest.skip("refused: tests/core/test_row_security.py")
    name = role("reader")
    extra = f"GRANT USAGE ON SCHEMA features TO {name}; GRANT SELECT ON features.example TO {name};"
    make(connection, POLICY + extra, f"readers: [{name}]\n" + DEFINITION.strip())
    session = connect(name)
    notices = listen(session)
    for view in ("example", "example_status", "calm"):
        assert session.execute(f"SELECT id FROM guarded.{view}").fetchall() == [(1,)]
    assert session.execute("SELECT a FROM guarded.example").fetchall() == [(1,)]
    assert ("a_range", "01SL1") in notices
    connection.execute("CREATE SCHEMA spy; CREATE TABLE spy.seen (id int)")
    connection.execute(f"GRANT ALL ON SCHEMA spy TO {name}; GRANT ALL ON spy.seen TO {name}")
    session.execute(
        """CREATE FUNCTION spy.leak(int) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
           $$ BEGIN INSERT INTO spy.seen VALUES ($1); RETURN true; END $$"""
    )
    assert session.execute("SELECT id FROM guarded.example WHERE spy.leak(id)").fetchall() == [(1,)]
    assert connection.execute("SELECT id FROM spy.seen").fetchall() == [(1,)]
