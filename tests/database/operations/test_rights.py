"""Rights: every object of pgslo's with every role, and the actions that each role can really do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main, root

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
Run = Callable[..., Result]

STATS = """\
table: features.stats
writes: bulk
columns:
  age:
    - range: {min: 0, max: 120, on_breach: quarantine}
    - range: {name: adult, min: 18}
"""
#: What everybody may call, and what is granted besides.
EVERYBODY = {
    "check_own_rights",
    "float_text",
    "guard",
    "guard_healthy",
    "guard_rows",
    "announce",
    "among",
    "announce_row",
    "hit",
    "is_current",
    "is_healthy",
    "planned",
    "planned_batches",
    "planned_fine",
    "planned_flags",
    "planned_null",
    "read",
    "read_any",
    "read_hit",
    "say_told",
    "told_by_rows",
    "unhealthy",
    "status_of",
    "explain",
    "version",
    "healthy_batches",
    "ready",
    "readiness",
    "snapshot_diff",
    "snapshot_query",
}
FUNCTIONS = {
    "stranger": set(),
    "auditor": set(),
    "planner": set(),
    "operator": {
        *(
            "tick",
            "close_batch",
            "pause",
            "resume",
            "accept_pause",
            "acknowledge",
            "mute",
            "mute_rule",
            "resolve",
        ),
        *("subscribe", "watch_deliveries", "queue_delivery", "begin_delivery", "end_delivery"),
        *("recount_pairs", "prunable", "prune"),
    },
    "steward": {"release", "discard", "evidence", "audit", "accept"},
    "trainer": {
        *(
            "create_snapshot",
            "begin_snapshot",
            "seal_snapshot",
            "verify_snapshot",
            "begin_check",
            "end_check",
        ),
        *("drop_snapshot", "follow_task", "watch_task", "begin_run", "see_run", "end_run", "tick"),
    },
}
#: Views of ``pgslo`` that may hold personal data; the others are for everybody, but for deliveries.
PERSONAL = {"quarantine", "sample", "repair", "broken_group"}
#: Tables of ``pgslo_catalog`` with values of users' tables, with sources of functions, or with what is under way.
CLOSED = {
    *(
        "quarantine",
        "sample",
        "repair",
        "profile",
        "pruned",
        "segment_profile",
        "first_profile",
        "watched_column",
        "watermark",
        "paused_function",
        "turn",
        "rule_lock",
        "session_lock",
        "snapshot_room",
    ),
    *(
        "pair_fragment",
        "pair_score",
        "unannounced",
        "recipient",
        "delivery",
        "touched",
        "broken_group",
        "assertion_guard",
        "snapshot_column",
        "secret",
        "quarantine_size",
        "repair_size",
        "given_up",
        "missed_look",
        "expected_look",
        "known_part",
        "due_count",
        "other_relation",
        "missed_batch",
    ),
}


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.stats (id integer PRIMARY KEY, age integer)"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    assert invoke("apply", "--yes").exit_code == 0
    connection.execute("INSERT INTO features.stats VALUES (1, 999), (2, 3)")
    return invoke


@pytest.fixture
def people(run: Run, role: Callable[[str], str]) -> dict[str, str]:
    """A role for each function, with the rights that ``pgslo grants`` gives."""
    made = {function: role(function) for function in FUNCTIONS}
    for function, name in made.items():
        if function != "stranger":
            result = run("grants", "--execute", function, name)
            assert result.exit_code == 0, result.output
    return made


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_matrix(connection: Connection, people: dict[str, str], function: str) -> None:
    name = people[function]
    may = {
        row[0]
        for row in connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'pgslo'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')",
            (name,),
        )
    }
    assert may == EVERYBODY | FUNCTIONS[function]
    views = {
        row[0]
        for row in connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'pgslo'::regnamespace AND relkind = 'v' AND NOT has_table_privilege(%s, oid, 'SELECT')",
            (name,),
        )
    }
    assert views == (set() if function == "operator" else {"delivery"}) | (
        set() if function == "steward" else PERSONAL
    )
    tables = {
        row[0]
        for row in connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'pgslo_catalog'::regnamespace AND relkind = 'r' AND NOT has_any_column_privilege(%s, oid, 'SELECT')",
            (name,),
        )
    }
    if function in ("auditor", "planner", "operator"):
        assert tables == CLOSED
    else:
        assert tables > CLOSED
        assert not connection.execute(
            "SELECT has_schema_privilege(%s, 'pgslo_catalog', 'USAGE')", (name,)
        ).fetchone()[0]  # type: ignore[index]
    for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
        granted = connection.execute(
            """SELECT c.oid::regclass::text FROM pg_class c
               WHERE c.relnamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace) AND c.relkind IN ('r', 'v')
                 AND has_table_privilege(%s, c.oid, %s)""",
            (name, privilege),
        ).fetchall()
        assert granted == [], privilege
    assert connection.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace IN ('pgslo_gen'::regnamespace) AND has_function_privilege(%s, oid, 'EXECUTE')", (name,)
    ).fetchall() == []  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_forging_and_deleting_records_is_refused(
    connect: Connect, people: dict[str, str], function: str
) -> None:
    session = connect(people[function])
    session.execute("CREATE TEMP TABLE mine (id int, age int)")
    for statement in (
        "INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows) VALUES (1, 'x', 0, 1)",
        "DELETE FROM pgslo_catalog.fragment",
        "UPDATE pgslo_catalog.incident SET resolved_at = now(), resolution = 'met'",
        "TRUNCATE pgslo_catalog.quarantine",
        "DELETE FROM pgslo_catalog.incident_event",
        "UPDATE pgslo_catalog.paused_function SET source = 'x'",
        "CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS pgslo_rows FOR EACH STATEMENT EXECUTE FUNCTION pgslo_gen.features__stats__measured()",
        "CREATE TABLE pgslo.mine (id int)",
        "CREATE FUNCTION pgslo_gen.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT pgslo_catalog.record_row('features.stats', 'x', 0, 'k', '{}', '{}')",
        "SELECT pgslo_catalog.silence('features__stats__measured')",
        # PostgreSQL asks for this right where a planner has it check an expression.
        *(() if function == "planner" else ("SELECT * FROM features.stats",)),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement)


def test_what_each_can_do(run: Run, connect: Connect, people: dict[str, str]) -> None:
    auditor, operator, steward = (connect(people[name]) for name in ("auditor", "operator", "steward"))
    (incident,) = auditor.execute("SELECT incident_id FROM pgslo.incident").fetchone() or ()
    for other in (auditor, steward):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT pgslo.pause()")
    for other in (auditor, operator):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT * FROM pgslo.quarantine")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT sample FROM pgslo_catalog.fragment")
    operator.execute("SELECT pgslo.acknowledge(%s)", (incident,))
    assert operator.execute("SELECT pgslo.pause('features.stats')").fetchall() == [("features.stats",)]
    assert operator.execute("SELECT pgslo.resume()").fetchall() == [("features.stats",)]
    assert steward.execute("SELECT row_key FROM pgslo.quarantine").fetchall() == [("(id) = (1)",)]
    steward.execute("SELECT pgslo.discard(1)")
    assert steward.execute("SELECT state FROM pgslo.quarantine").fetchall() == [("dropped",)]
    assert run("drift").exit_code == 0


def test_an_auditor_runs_drift_and_status(
    run: Run, connection: Connection, people: dict[str, str], dsn: str
) -> None:
    for function, drift in {
        "auditor": 0,
        "operator": 0,
        "steward": root.ERROR,
        "stranger": root.ERROR,
    }.items():
        connection.execute(f"ALTER ROLE {people[function]} LOGIN PASSWORD 'x'")
        own = psycopg.conninfo.make_conninfo(dsn, user=people[function], password="x")
        assert run("--dsn", own, "drift").exit_code == drift, run("--dsn", own, "drift").output
        seen = root.ERROR if function == "stranger" else root.BREACH
        assert run("--dsn", own, "status").exit_code == seen, function


def test_an_operator_watches(run: Run, connection: Connection, people: dict[str, str], dsn: str) -> None:
    Path("pgslo.toml").write_text('[notify.oncall]\nto = "json://127.0.0.1:1"\n', encoding="utf-8")
    for function in FUNCTIONS:
        connection.execute(f"ALTER ROLE {people[function]} LOGIN PASSWORD 'x'")
        own = psycopg.conninfo.make_conninfo(dsn, user=people[function], password="x")
        said = run("--dsn", own, "watch", "--once", "--tick").stderr
        assert ("may not deliver messages" in said) is (function != "operator"), said
        assert ("permission denied" in said) is False
    with psycopg.connect(dsn) as conn:
        recipients = conn.execute("SELECT DISTINCT recipient FROM pgslo.delivery").fetchall()
    assert recipients == [("oncall",)]


def test_grants_are_printed_for_names_that_need_quotes(run: Run) -> None:
    result = run("grants", "steward", 'o"brien; DROP ROLE x')
    assert result.exit_code == 0
    assert result.stdout.startswith('GRANT USAGE ON SCHEMA pgslo TO "o""brien; DROP ROLE x";\n')
    assert run("grants", "king", "me").exit_code == root.USAGE
    assert run("grants", "--execute", "steward", "nobody_of_that_name").exit_code == root.ERROR


def test_a_planner_plans_and_renders_and_changes_nothing(
    run: Run, people: dict[str, str], dsn: str, tmp_path: Path
) -> None:
    text = Path("slos/stats.yml").read_text(encoding="utf-8")
    Path("slos/stats.yml").write_text(text.replace("max: 120", "max: 110"), encoding="utf-8")
    plain = run("plan").stdout.partition("\n")[2]
    names = {name: people[name] for name in ("planner", "auditor")}
    planner, auditor = (
        psycopg.conninfo.make_conninfo(dsn, options=f"-c role={name}") for name in names.values()
    )
    # The state is another: who applies is a part of it.
    assert run("plan", "--dsn", planner).stdout.partition("\n")[2] == plain
    rendered = run("render", "--to", str(tmp_path / "review"), "--dsn", planner)
    assert rendered.exit_code == root.CHANGES, rendered.output
    refused = run("plan", "--dsn", auditor)
    assert refused.exit_code == root.ERROR
    assert "hint: pgslo grants planner ROLE prints what a role needs for pgslo plan\n" in refused.stderr
    assert run("apply", "--yes", "--dsn", planner).exit_code == root.ERROR
    assert run("plan").stdout.partition("\n")[2] == plain


def test_a_planner_needs_the_tables_that_rules_look_up(
    run: Run, connection: Connection, people: dict[str, str], dsn: str
) -> None:
    connection.execute("CREATE SCHEMA other; CREATE TABLE other.age (age integer PRIMARY KEY)")
    Path("slos/stats.yml").write_text(
        STATS + "    - references: {table: other.age, column: age}\n", encoding="utf-8"
    )
    planner = psycopg.conninfo.make_conninfo(dsn, options=f"-c role={people['planner']}")
    assert run("plan", "--dsn", planner).exit_code == root.ERROR
    assert run("grants", "--execute", "planner", people["planner"], "slos").exit_code == 0
    assert run("plan", "--dsn", planner).exit_code == root.CHANGES


def test_only_a_planner_is_given_tables(run: Run) -> None:
    assert run("grants", "auditor", "x", "slos").exit_code == root.USAGE


def test_suggest_needs_the_table_alone(
    run: Run, connection: Connection, people: dict[str, str], dsn: str
) -> None:
    stranger = psycopg.conninfo.make_conninfo(dsn, options=f"-c role={people['stranger']}")
    refused = run("suggest", "features.stats", "--dsn", stranger)
    assert (
        "error: permission denied for schema features\nhint: it needs USAGE on the table's schema"
        in refused.stderr
    )
    connection.execute(f"GRANT USAGE ON SCHEMA features TO {people['stranger']}")
    connection.execute(f"GRANT SELECT ON features.stats TO {people['stranger']}")
    assert run("suggest", "features.stats", "--dsn", stranger).stdout.startswith("# Written by pgslo suggest")
