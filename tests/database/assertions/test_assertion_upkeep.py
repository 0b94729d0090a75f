"""What gets past assertions or moves under them, how it is found, the kill switch, and the way out."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from weights import REJECT, WHOLE, errors, refused, text

from pgslo import definition
from pgslo.cli import main
from pgslo.database import installation, operations, planning


def test_replica_role_passes_and_the_audit_finds_it(conn, apply):
    apply(text())
    conn.execute("SET session_replication_role = replica")
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    conn.execute("RESET session_replication_role")
    assert conn.execute("SELECT assertion, group_shown FROM pgslo.audit('ml.weight')").fetchall() == [
        ("whole", "(portfolio) = (5)")
    ]
    assert conn.execute("SELECT rule FROM pgslo.incident WHERE over_at IS NULL").fetchall() == [("whole",)]
    conn.execute("UPDATE ml.weight SET weight = 1")
    assert conn.execute("SELECT * FROM pgslo.audit()").fetchall() == []
    assert conn.execute("SELECT rule FROM pgslo.incident WHERE over_at IS NULL").fetchall() == []


def test_a_renamed_table_lets_writes_live_and_drift_says_so(conn, apply, dsn, monkeypatch):
    monkeypatch.setenv("PGSLO_DSN", dsn)
    apply(text())
    conn.execute("ALTER TABLE ml.weight RENAME TO weights")
    conn.execute("INSERT INTO ml.weights VALUES (1, 1, 0.4)")
    found = CliRunner().invoke(main, ["drift"])
    assert found.exit_code == 3
    assert "its rules are kept all the same, but for assertions" in found.stdout
    conn.execute("UPDATE ml.weights SET weight = 1")  # else apply would show the broken group
    apply(text().replace("ml.weight", "ml.weights"))
    assert refused(conn, "UPDATE ml.weights SET weight = 0.5").constraint_name == "whole"


def test_a_renamed_column_lets_writes_live_and_is_told(conn, apply):
    apply(text())
    conn.execute("ALTER TABLE ml.weight RENAME weight TO share")
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    assert conn.execute("SELECT broken FROM pgslo.rule").fetchone()[0] is not None
    apply(text("whole: {adds_up_to: {column: share, total: 0.5}, group_by: portfolio, on_breach: reject}"))
    refused(conn, "UPDATE ml.weight SET share = 2")


# Operating


def test_pause_and_resume(conn, apply):
    stated = text()
    apply(stated)
    operations.pause(conn, "ml.weight")
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    conn.execute("DELETE FROM ml.weight")
    operations.resume(conn, "ml.weight")
    refused(conn, "INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    operations.pause_rule(conn, definition.load(stated, path="x.yml"), "whole")
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")


THERE = "known: {none_without: {table: ml.portfolio, on: portfolio}, on_breach: reject, deferred: true}"
ON_DELETE = "pgslo_800_assert_delete__ml__weight"
#: What somebody does, what is found, and what takes it back where apply does not.
MOVES = {
    "dropped": (f"DROP TRIGGER {ON_DELETE} ON ml.portfolio", ("missing", f"trigger {ON_DELETE} ON ml.portfolio"), ""),
    "disabled": (
        f"ALTER TABLE ml.portfolio DISABLE TRIGGER {ON_DELETE}",
        ("switched off", f"trigger {ON_DELETE} ON ml.portfolio"),
        "",
    ),
    "replica": (
        f"ALTER TABLE ml.portfolio ENABLE REPLICA TRIGGER {ON_DELETE}",
        ("switched off", f"trigger {ON_DELETE} ON ml.portfolio"),
        "",
    ),
    "settling": (
        "ALTER TABLE pgslo_gen.ml__weight__touched DISABLE TRIGGER ALL",
        ("switched off", "trigger pgslo_810_settle_insert ON pgslo_gen.ml__weight__touched"),
        "",
    ),
    "table renamed": (
        "ALTER TABLE ml.portfolio RENAME TO portfolios",
        ("table renamed", "table ml.portfolio"),
        "ALTER TABLE ml.portfolios RENAME TO portfolio",
    ),
    "column renamed": (
        "ALTER TABLE ml.portfolio RENAME portfolio TO p",
        ("column gone", "column portfolio of ml.portfolio"),
        "ALTER TABLE ml.portfolio RENAME p TO portfolio",
    ),
    "table dropped": ("DROP TABLE ml.portfolio", ("gone", "table ml.portfolio"), None),
}  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_drift_on_the_other_table_is_found(conn, dsn, apply, monkeypatch, tmp_path, move):
    """Before the next write, with the remedy, and as a change for scripts."""
    done, wanted, undo = MOVES[move]
    assert apply(text(THERE)) == ()
    assert operations.find_drift(conn) == ()
    conn.execute(done.encode())
    # A rule that is not in force for the same reason has a line of its own.
    (finding,) = (one for one in operations.find_drift(conn) if one.what != "not in force")
    assert (finding.what, finding.thing) == wanted
    assert ("pgslo.audit('ml.weight')" in finding.to_do) == (undo == "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    told = CliRunner().invoke(main, ["drift"])
    assert (told.exit_code, finding.to_do in told.stdout) == (3, True)
    if undo is None:
        assert "table ml.portfolio does not exist" in errors(conn, text(THERE))
        return
    if undo:
        conn.execute(undo.encode())
    apply(text(THERE))
    assert operations.find_drift(conn) == ()
    conn.execute("INSERT INTO ml.portfolio VALUES (5, 'five'); INSERT INTO ml.weight VALUES (1, 5, 1)")
    assert refused(conn, "DELETE FROM ml.portfolio").constraint_name == "known"


def test_uninstall_leaves_the_tables_as_they_were(conn, apply):
    before = state(conn)
    apply(
        text(
            WHOLE.format(options=REJECT),
            "known: {none_without: {table: ml.portfolio, on: portfolio}, on_breach: flag}",
            "one: {at_most_one: row, group_by: portfolio, on_breach: reject}",
        )
    )
    assert state(conn) != before
    removal = planning.plan_removal(conn, ["ml.weight"])
    installation.apply(conn, removal, lambda: planning.plan_removal(conn, ["ml.weight"]))
    assert state(conn) == before
    assert conn.execute(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace"
    ).fetchone() == (0,)
    for table in ("assertion", "assertion_guard", "assertion_dependency", "touched", "rule"):
        assert conn.execute(f"SELECT count(*) FROM pgslo_catalog.{table}".encode()).fetchone() == (0,), table


def state(conn):
    return conn.execute(
        "SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ('ml.weight'::regclass, 'ml.portfolio'::regclass)"
        " UNION ALL SELECT 'constraint', conname FROM pg_constraint WHERE conrelid IN ('ml.weight'::regclass, 'ml.portfolio'::regclass)"
        " UNION ALL SELECT 'index', indexrelid::regclass::text FROM pg_index WHERE indrelid IN ('ml.weight'::regclass, 'ml.portfolio'::regclass) ORDER BY 1, 2"
    ).fetchall()
