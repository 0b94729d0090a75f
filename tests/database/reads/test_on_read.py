"""What a read of missed rows does is what the definition, the view or the reader asks for: a warning, an error, a column."""

import pytest
from guarded_example import DEFINITION, TABLE, heard, simple, tick


@pytest.mark.parametrize("view", ["example", "example_strict", "example_status", "churn", "needs_b"])
@pytest.mark.parametrize("wish", ["warn", "refuse", "silent", "", None])
def test_what_a_reader_asks_for(reader, view, wish):
    if wish is not None:
        reader.run(f"SET LOCAL pgslo.on_read = '{wish}'")
    column = "b" if view == "needs_b" else "a"
    query = f"SELECT {column} FROM guarded.{view} LIMIT 1"
    if view in ("example_strict", "needs_b") or wish == "refuse":
        error = reader.refused(query)
        assert error.sqlstate == "SL001"
        assert error.message.startswith(f'read refused: column "{column}" of features.example misses rule')
        assert (error.schema, error.table, error.column, error.rule) == (
            "features",
            "example",
            column,
            f"{column}_range",
        )
        assert "pgslo.explain" in error.hint
    else:
        # Silence is for the definition to choose: a pooled connection may keep another client's setting.
        silent = view == "example_status" and wish != "warn"
        assert simple(reader, query) == ([] if silent else [column])


def test_a_misspelt_wish_is_an_error(reader):
    reader.run("SET LOCAL pgslo.on_read = 'refused'")
    error = reader.refused("SELECT a FROM guarded.example")
    assert (error.sqlstate, error.message) == (
        "22023",
        'invalid value for parameter "pgslo.on_read": "refused"',
    )
    assert error.hint == "Available values: warn, insist, refuse, silent."


@pytest.mark.parametrize("on_read", ["warn", "refuse", "silent"])
def test_on_read_of_the_definition(session, on_read):
    session.run(f"CREATE TABLE features.example ({TABLE})")
    session.guard(f"on_read: {on_read}\n" + DEFINITION.strip().split("tasks:", maxsplit=1)[0])
    session.run("INSERT INTO features.example VALUES (0, '2026-11-22', 999999, 0, 'c', 0, 0)")
    assert simple(session, "SELECT b FROM guarded.example") == []
    if on_read == "refuse":
        session.run("SET LOCAL pgslo.on_read = 'silent'")
        for view in ("example", "example_strict", "example_status"):
            assert session.refused(f"SELECT a FROM guarded.{view}").sqlstate == "SL001"
        return
    assert simple(session, "SELECT a FROM guarded.example") == ([] if on_read == "silent" else ["a"])
    session.run("SET LOCAL pgslo.on_read = 'warn'")
    assert simple(session, "SELECT a FROM guarded.example") == ["a"]


def test_strict_views_refuse_only_for_columns_that_are_read(reader):
    assert simple(reader, "SELECT id, c, e FROM guarded.example_strict WHERE id = 1") == []
    assert reader.refused("SELECT count(b) FROM guarded.example_strict").column == "b"


def test_status_views_say_it_in_a_column(reader):
    outcome = reader.run("SELECT a, _slo_status FROM guarded.example_status WHERE id = 7")
    ((value, status),) = outcome.rows
    assert heard(outcome) == []
    assert value == 7
    assert status["state"] == "missed"
    assert sorted(problem["column"] for problem in status["problems"]) == ["a", "b"]
    assert {problem["code"] for problem in status["problems"]} == {"01SL1"}
    reader.run("DELETE FROM features.example WHERE id = 0")
    tick(reader)
    assert reader.values("SELECT _slo_status FROM guarded.example_status LIMIT 1") == [
        {"state": "met", "problems": []}
    ]


def test_settings_of_another_client_of_a_pool_do_not_silence_a_warning(reader):
    reader.run("SET LOCAL client_min_messages = error")
    assert simple(reader, "SELECT a FROM guarded.example LIMIT 1") == ["a"]
    reader.run("SET LOCAL search_path = ''")
    reader.run("SET LOCAL datestyle = 'SQL, DMY'")
    assert simple(reader, "SELECT a FROM guarded.example LIMIT 1") == ["a"]


def test_a_later_good_batch_does_not_end_the_warning(reader):
    reader.run("INSERT INTO features.example VALUES (-1, '2026-11-23', 1, 1, 'c', 1, 1)")
    assert simple(reader, "SELECT a FROM guarded.example WHERE id = 1") == ["a"]
    assert simple(reader, "SELECT * FROM guarded.example WHERE id = -1") == []
    reader.run("DELETE FROM features.example WHERE id = 0")
    tick(reader)
    assert simple(reader, "SELECT * FROM guarded.example") == []


def test_a_flagged_rule_warns_readers_too(session):
    session.run(f"CREATE TABLE features.example ({TABLE})")
    session.guard(DEFINITION.replace("max: 100000", "max: 100000, on_breach: flag"))
    outcome = session.run("INSERT INTO features.example VALUES (0, '2026-11-22', 999999, 0, 'c', 0, 0)")
    assert outcome.notices == ()
    assert simple(session, "SELECT a FROM guarded.example") == ["a"]


def test_a_view_that_outlived_its_definition_says_so(reader):
    reader.run("DELETE FROM pgslo_catalog.definition")
    notices = reader.run("SELECT c FROM guarded.example LIMIT 1").notices
    assert [(notice.sqlstate, notice.message) for notice in notices] == [
        ("01SL2", "features.example has no definition")
    ]
    assert reader.refused("SELECT c FROM guarded.example_strict").sqlstate == "SL001"
