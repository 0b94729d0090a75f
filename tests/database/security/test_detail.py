"""Case 8: the error of a rejected write shows a value only to a role that may read it, or that sent it in this INSERT."""

from __future__ import annotations

import psycopg
import pytest

SSN = "078-05-1120"
PII = """
table: features.pii
key: [id]
writes: {writes}
batch: {{by: d}}
rules: [small: {{expression: "a < 100 OR ssn IS NULL", on_breach: reject}}]
"""


def refused(world, part: str, text: str) -> psycopg.errors.Diagnostic:
    """The error with which a statement of a role is refused."""
    with pytest.raises(psycopg.Error) as failed:
        world.run(part, text)
    for value in vars(type(failed.value.diag)):
        if value.startswith("message"):
            # Whatever the field.
            assert "steal" not in str(getattr(failed.value.diag, value))
    return failed.value.diag


@pytest.fixture(params=["bulk", "stream"])
def pii(world, request):
    """A table whose rule rejects by two columns; only its owner has rights on it yet."""
    world.run(
        "installer",
        f"CREATE TABLE features.pii (id int PRIMARY KEY, d date, a int, ssn text); INSERT INTO features.pii VALUES (7, '2026-01-01', 1, '{SSN}')",
    )
    world.apply(PII.format(writes=request.param))
    return world


@pytest.mark.parametrize(
    ("granted", "detail"),
    [
        ("UPDATE (a)", "columns a, ssn (not shown); expected: {promise}. Key (id) (not shown)."),
        (
            "UPDATE (a), SELECT (a)",
            "a = 999 and column ssn (not shown); expected: {promise}. Key (id) (not shown).",
        ),
        ("UPDATE (a), SELECT (id)", "columns a, ssn (not shown); expected: {promise}. Key (id) = (7)."),
        ("UPDATE, SELECT", f"a = 999, ssn = {SSN}; expected: {{promise}}. Key (id) = (7)."),
        # INSERT is a right to send values, not to see those of existing rows.
        ("UPDATE, INSERT", "columns a, ssn (not shown); expected: {promise}. Key (id) (not shown)."),
    ],
)
def test_an_update_shows_columns_that_the_writer_may_read(pii, granted, detail):
    pii.run("installer", f"GRANT {granted} ON features.pii TO $writer")
    promise = pii.run("installer", "SELECT promise FROM pgslo.rule WHERE rule = 'small'")[0][0]
    diag = refused(pii, "writer", "UPDATE features.pii SET a = 999")
    assert (diag.sqlstate, diag.constraint_name) == ("23514", "small")
    assert diag.message_detail == detail.format(promise=promise)
    # The table's owner sees the row, as ever.
    assert SSN in str(refused(pii, "installer", "UPDATE features.pii SET a = 999").message_detail)


@pytest.mark.parametrize("security", ["ENABLE", "FORCE"])
def test_row_security_hides_values(pii, security):
    pii.run(
        "installer",
        "GRANT SELECT, UPDATE ON features.pii TO $writer; GRANT SELECT, UPDATE ON features.pii TO $steward",
    )
    pii.run(
        "installer",
        "ALTER TABLE features.pii ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON features.pii USING (true)",
    )
    if security == "FORCE":
        pii.run("installer", "ALTER TABLE features.pii FORCE ROW LEVEL SECURITY")
    shown = {
        part: SSN in str(refused(pii, part, "UPDATE features.pii SET a = 999").message_detail)
        for part in ("writer", "installer", "superuser")
    }
    assert shown == {"writer": False, "installer": security == "ENABLE", "superuser": True}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("", True),
        ("ALTER TABLE features.pii ALTER ssn SET DEFAULT 'x'", False),
        (
            """CREATE FUNCTION features.fill() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.ssn := 'steal'; RETURN NEW; END$$;
               CREATE TRIGGER fill BEFORE INSERT ON features.pii FOR EACH ROW EXECUTE FUNCTION features.fill()""",
            False,
        ),
    ],
)
def test_an_insert_shows_what_only_the_writer_can_have_sent(pii, change, shown):
    pii.run("installer", "GRANT INSERT ON features.pii TO $writer")
    if change:
        pii.run("installer", change)
    detail = str(
        refused(
            pii, "writer", "INSERT INTO features.pii VALUES (8, '2026-01-01', 999, '1-2-3')"
        ).message_detail
    )
    assert ("ssn = 1-2-3" in detail) is shown
    assert ("not shown" in detail) is not shown


def test_an_insert_by_columns_shows_those_alone(pii):
    pii.run(
        "installer",
        "ALTER TABLE features.pii ALTER ssn SET DEFAULT 'steal'; GRANT INSERT (id, d, a) ON features.pii TO $writer",
    )
    detail = refused(
        pii, "writer", "INSERT INTO features.pii (id, d, a) VALUES (8, '2026-01-01', 999)"
    ).message_detail
    assert detail.startswith("a = 999 and column ssn (not shown);")


def test_set_role_counts(pii):
    """The role that is set is asked for its rights, as PostgreSQL does."""
    pii.run(
        "superuser",
        "GRANT $writer TO $reader; GRANT UPDATE, SELECT ON features.pii TO $reader; GRANT UPDATE (a) ON features.pii TO $writer",
    )
    assert SSN in str(refused(pii, "reader", "UPDATE features.pii SET a = 999").message_detail)
    diag = refused(pii, "reader", "SET ROLE $writer; UPDATE features.pii SET a = 999")
    assert SSN not in str(diag.message_detail)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_the_error_of_a_condition_is_hidden(world, writes):
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, a int, v text); INSERT INTO features.t VALUES (7, 1, 'steal')",
    )
    world.apply(
        f"""
        table: features.t
        key: [id]
        writes: {writes}
        batch: {{by: id}}
        rules: [positive: {{expression: "(CASE WHEN a > 1 THEN v ELSE '5' END)::int > 0", on_breach: reject}}]
        """
    )
    world.run("installer", "GRANT UPDATE (a) ON features.t TO $writer")
    diag = refused(world, "writer", "UPDATE features.t SET a = 2")
    assert diag.message_detail.startswith(
        "its condition raises: invalid text representation, SQLSTATE 22P02;"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match='invalid input syntax for type integer: "steal"'):
        world.run("installer", "UPDATE features.t SET a = 2")


SAL = """
table: features.sal
batch: statement
key: [id]
assertions:
  - same: {all_equal: s, group_by: grp, on_breach: reject}
"""


@pytest.mark.parametrize(
    ("granted", "shown"),
    [
        ("INSERT", False),
        ("INSERT, SELECT (id, grp)", False),
        ("INSERT, SELECT (s)", False),
        ("INSERT, SELECT", True),
    ],
)
def test_an_assertion_shows_other_rows_to_who_may_read_them(world, granted, shown):
    world.run(
        "installer",
        "CREATE TABLE features.sal (id int PRIMARY KEY, grp text, s int); CREATE INDEX ON features.sal (grp); INSERT INTO features.sal VALUES (70, 'joe', 123456)",
    )
    world.apply(SAL)
    world.run("installer", f"GRANT {granted} ON features.sal TO $writer")
    diag = refused(world, "writer", "INSERT INTO features.sal VALUES (71, 'joe', 1)")
    assert diag.constraint_name == "same"
    assert "The assertion expects: " in diag.message_detail
    assert [one in diag.message_detail for one in ("123456", "(70)", "joe")] == [shown] * 3


def test_the_error_of_an_assertion_is_hidden(world):
    world.run(
        "installer",
        "CREATE TABLE features.sal (id int PRIMARY KEY, grp text, s text); CREATE INDEX ON features.sal (grp); INSERT INTO features.sal VALUES (70, 'joe', 'steal')",
    )
    world.run("installer", "GRANT INSERT ON features.sal TO $writer")
    world.run("installer", "TRUNCATE features.sal")
    world.apply(
        """
        table: features.sal
        batch: statement
        key: [id]
        assertions:
          - numbers: {sql: "SELECT grp FROM features.sal WHERE s::int > 5", on_breach: reject}
        """
    )
    world.run(
        "superuser",
        "SET session_replication_role = 'replica'; INSERT INTO features.sal VALUES (70, 'joe', 'steal')",
    )
    diag = refused(world, "writer", "INSERT INTO features.sal VALUES (71, 'ann', '1')")
    assert diag.sqlstate == "22P02"
    assert diag.message_primary == 'assertion "numbers" of features.sal cannot be evaluated'


@pytest.mark.parametrize(("granted", "shown"), [("INSERT", False), ("INSERT, SELECT", True)])
def test_a_refused_batch_shows_its_number_to_who_may_read_it(world, granted, shown):
    world.run("installer", "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int)")
    world.apply(
        """
        table: features.pay
        writes: bulk
        batch: {by: day}
        columns: {amount: [statistic: {of: mean, max: 10, reject_above: 20, name: m}]}
        """
    )
    world.run(
        "installer",
        f"INSERT INTO features.pay VALUES (1, '2026-01-01', 7); GRANT {granted} ON features.pay TO $writer",
    )
    diag = refused(world, "writer", "INSERT INTO features.pay VALUES (2, '2026-01-01', 1000)")
    assert diag.constraint_name == "m"
    assert ("503.5" in diag.message_detail) is shown


def test_samples_and_quarantine_keep_values_for_stewards(world):
    world.run(
        "installer",
        "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int, who text); GRANT INSERT ON features.pay TO $writer",
    )
    world.apply(
        """
        table: features.pay
        key: [id]
        writes: bulk
        batch: {by: day}
        columns:
          amount:
            - range: {min: 0, max: 5000, on_breach: quarantine, name: hard}
            - range: {min: 0, max: 4000, on_breach: flag, name: soft}
        """
    )
    world.run(
        "writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 6000, 'a'), (2, '2026-01-01', 4500, 'b')"
    )
    assert world.run("steward", "SELECT row_key, reasons -> 0 ->> 'shown' FROM pgslo.quarantine") == [
        ("(id) = (1)", "amount = 6000")
    ]
    assert world.run("steward", "SELECT row_key, shown FROM pgslo.sample") == [
        ("(id) = (2)", "amount = 4500")
    ]
