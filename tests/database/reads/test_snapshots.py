"""Snapshots: the rows are kept, compared with the current ones, and hidden from roles that may not see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main
from pgslo.database import runtime

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLE = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id int, day date, age int, country text, paid numeric, seen timestamptz, PRIMARY KEY (id, day));
"""
STATS = """\
table: features.stats
owner: growth
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120}]
tasks:
  churn: {reads: [age, country], view: serving.churn}
"""


def load(
    connection: Connection, day: str, *, rows: int = 100, age: str = "20 + n % 40", first: int = 1
) -> None:
    connection.execute(
        f"""INSERT INTO features.stats SELECT n, '{day}', {age}, (ARRAY['us', 'de', 'fr'])[1 + n % 3], n / 7.0, '{day}'::timestamp AT TIME ZONE 'UTC' + n * interval '1 second'
            FROM generate_series({first}, {first + rows - 1}) AS n"""
    )


def rows(connection: Connection, query: str, *parameters: Any) -> list[Any]:
    return connection.execute(query.encode(), parameters or None).fetchall()


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    return rows(connection, query, *parameters)[0][0]


@pytest.fixture
def guarded(connection: Connection, apply: Callable[[str], Any]) -> Connection:
    connection.execute(TABLE)
    apply(STATS)
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        load(connection, day)
    rows(connection, "SELECT * FROM pgslo.close_batch('features.stats')")
    return connection


@pytest.fixture
def run(guarded: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    del guarded
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def take(connection: Connection, name: str, **wish: Any) -> None:
    wanted = {
        "condition": None,
        "as_reference": False,
        "healthy_only": False,
        "view": "stats",
        "schema": "guarded",
    } | wish
    connection.execute(
        "SELECT pgslo.create_snapshot(%s, %s, %s, %s, %s, %s)",
        (
            name,
            wanted["schema"],
            wanted["view"],
            wanted["condition"],
            wanted["as_reference"],
            wanted["healthy_only"],
        ),
    )


def verified(connection: Connection, name: str) -> list[Any]:
    return rows(connection, "SELECT * FROM pgslo.verify_snapshot(%s)", name)


def test_a_copy_holds_the_rows_and_says_what_they_were(guarded: Connection) -> None:
    take(guarded, "november")
    assert value(guarded, 'SELECT count(*) FROM pgslo_snapshot."november"') == 300
    (told,) = rows(
        guarded,
        "SELECT form, rows, batches, newest_batch, incidents, definition_fingerprint = (SELECT fingerprint FROM pgslo_catalog.definition) FROM pgslo.snapshot",
    )
    assert told == ("copy", 300, 3, "2026-11-03", [], True)
    profile = dict(rows(guarded, "SELECT column_name, summary FROM pgslo_catalog.snapshot_column"))
    assert list(profile) == ["id", "day", "age", "country", "paid", "seen"]
    assert profile["country"]["distinct_ratio"] == pytest.approx(3 / 300)
    assert profile["age"]["mean"] == value(guarded, "SELECT avg(age)::float8 FROM features.stats")
    assert value(guarded, "SELECT count(*) FROM pgslo_catalog.profile WHERE batch LIKE 'snapshot%'") == 0
    assert verified(guarded, "november") == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO pgslo_snapshot.november SELECT * FROM features.stats",
        "UPDATE pgslo_snapshot.november SET age = 1",
        "UPDATE pgslo_snapshot.november SET age = 1 WHERE false",
        "DELETE FROM pgslo_snapshot.november",
        "TRUNCATE pgslo_snapshot.november",
        "SET LOCAL session_replication_role = replica; DELETE FROM pgslo_snapshot.november",
    ],
)
def test_not_even_a_superuser_changes_its_rows(guarded: Connection, statement: str) -> None:
    take(guarded, "november")
    with (
        pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match='snapshot "november" cannot be changed'
        ),
        guarded.transaction(),
    ):
        guarded.execute(statement.encode(), prepare=False)
    assert verified(guarded, "november") == []


def test_who_switches_the_protection_off_is_found_out(guarded: Connection) -> None:
    take(guarded, "november")
    guarded.execute("ALTER TABLE pgslo_snapshot.november DISABLE TRIGGER ALL")
    guarded.execute("UPDATE pgslo_snapshot.november SET age = 0 WHERE id = 5 AND day = '2026-11-02'")
    guarded.execute("DELETE FROM pgslo_snapshot.november WHERE id = 7 AND day = '2026-11-03'")
    told = {about: (was, now) for about, was, now in verified(guarded, "november")}
    assert set(told) == {"content hash", "rows", "batch 2026-11-02", "batch 2026-11-03", "protection"}
    assert told["rows"] == ("300", "299")
    assert told["batch 2026-11-02"] == ("100 rows", "100 rows, others")
    assert told["batch 2026-11-03"] == ("100 rows", "99 rows")


def test_swapped_and_doubled_rows_do_not_cancel_out(guarded: Connection) -> None:
    take(guarded, "november", view="churn", schema="serving")
    guarded.execute("ALTER TABLE pgslo_snapshot.november DISABLE TRIGGER ALL")
    # Two rows that are the same twice: what exclusive or would not see.
    guarded.execute(
        "INSERT INTO pgslo_snapshot.november SELECT * FROM pgslo_snapshot.november WHERE id IN (1, 2)"
    )
    guarded.execute("DELETE FROM pgslo_snapshot.november WHERE id IN (3, 4)")
    assert "content hash" in {about for about, _, _ in verified(guarded, "november")}


def test_the_hash_is_the_same_in_any_order_and_session(
    guarded: Connection, connect: Callable[..., Connection]
) -> None:
    take(guarded, "one")
    guarded.execute("CREATE TABLE features.other AS SELECT * FROM features.stats")
    guarded.execute("TRUNCATE features.stats")
    guarded.execute("INSERT INTO features.stats SELECT * FROM features.other ORDER BY md5(id::text || day)")
    other = connect(
        datestyle="German, DMY",
        timezone="Asia/Kathmandu",
        extra_float_digits="-3",
        intervalstyle="iso_8601",
        search_path="features",
    )
    take(other, "two")
    assert value(guarded, "SELECT count(DISTINCT content_hash) FROM pgslo.snapshot") == 1
    guarded.execute("UPDATE features.stats SET paid = paid + 0.0000001 WHERE id = 1 AND day = '2026-11-01'")
    take(guarded, "three")
    assert value(guarded, "SELECT count(DISTINCT content_hash) FROM pgslo.snapshot") == 2


def test_the_hash_is_the_documented_one(guarded: Connection) -> None:
    """Worked out again in Python, so that it is the same on every version of PostgreSQL that this runs on."""
    import hashlib

    take(guarded, "two_rows", view="churn", schema="serving", condition="r.id <= 2 AND r.day = '2026-11-01'")
    texts = [row[0] for row in rows(guarded, "SELECT ROW(s.*)::text FROM pgslo_snapshot.two_rows s")]
    assert sorted(texts) == ["(1,2026-11-01,21,de)", "(2,2026-11-01,22,fr)"]
    sums = [0, 0, 0, 0]
    for text in texts:
        digest = hashlib.sha256(text.encode()).digest()
        for n in range(4):
            sums[n] += int.from_bytes(digest[8 * n : 8 * n + 8], "big", signed=True)
    lines = [
        "pgslo 1",
        "id integer",
        "day date",
        "age integer",
        "country text",
        "2",
        " ".join(map(str, sums)),
    ]
    assert (
        value(guarded, "SELECT content_hash FROM pgslo.snapshot")
        == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    )


def test_awkward_values_are_kept_and_hashed(connection: Connection, apply: Callable[[str], Any]) -> None:
    connection.execute(
        """CREATE SCHEMA features; CREATE TYPE features.mood AS ENUM ('ok', 'so, so');
           CREATE TABLE features."Odd ""One" (id int PRIMARY KEY, "a b" text COLLATE "C", j json, jb jsonb, f float8, x bytea, i interval, m features.mood, l text[], p point, n numeric)"""
    )
    apply('table: \'features."Odd ""One"\'\nwrites: bulk\ncolumns: {"a b": [not_null]}\n')
    connection.execute(
        r"""INSERT INTO features."Odd ""One" VALUES
            (1, E'a,"b\\\n', '{"a": "\u0000"}', '{"a": 1}', 'NaN', '\x00ff', '1 mon -3 days', 'so, so', '{a,NULL,"NULL"}', '(1,2)', 'NaN'),
            (2, '', 'null', 'null', '-Infinity', '', '0', 'ok', '{}', NULL, 1.10),
            (3, NULL, NULL, NULL, 1e-300, NULL, NULL, NULL, NULL, NULL, NULL)"""
    )
    take(connection, "odd", view='Odd "One')
    assert verified(connection, "odd") == []
    assert value(connection, "SELECT rows FROM pgslo.snapshot") == 3
    assert (
        value(
            connection,
            "SELECT collation_name FROM information_schema.columns WHERE table_name = 'odd' AND column_name = 'a b'",
        )
        == "C"
    )


def test_nothing_and_one_column_are_snapshots_too(guarded: Connection) -> None:
    take(guarded, "none", condition="false")
    assert rows(guarded, "SELECT rows, newest_batch FROM pgslo.snapshot") == [(0, None)]
    assert verified(guarded, "none") == []
    assert value(guarded, "SELECT count(*) FROM pgslo.snapshot_diff('none', 'none') WHERE has_drifted") == 0


def test_a_reference_keeps_no_rows_and_leaves_out_what_came_later(guarded: Connection) -> None:
    take(guarded, "november", as_reference=True, condition="r.age < 50")
    assert (
        rows(guarded, "SELECT relname FROM pg_class WHERE relnamespace = 'pgslo_snapshot'::regnamespace")
        == []
    )
    load(guarded, "2026-11-04")
    assert verified(guarded, "november") == []
    query = value(guarded, "SELECT pgslo.snapshot_query('november')")
    told = value(guarded, "SELECT rows FROM pgslo.snapshot")
    assert value(guarded, f"SELECT count(*) FROM ({query}) AS s") == told < 300
    # A row that comes late, and one that is mended.
    guarded.execute("INSERT INTO features.stats (id, day, age) VALUES (999, '2026-11-02', 7)")
    guarded.execute("UPDATE features.stats SET age = 21 WHERE id = 3 AND day = '2026-11-03'")
    told = {about: (was, now) for about, was, now in verified(guarded, "november")}
    assert set(told) == {"content hash", "rows", "batch 2026-11-02", "batch 2026-11-03"}
    assert told["batch 2026-11-03"][1].endswith(", others")
    assert (
        rows(guarded, "SELECT relname FROM pg_class WHERE relnamespace = 'pgslo_snapshot'::regnamespace")
        == []
    )


def test_a_reference_of_what_does_not_say_its_batch_is_refused(
    connection: Connection, apply: Callable[[str], Any]
) -> None:
    connection.execute("CREATE SCHEMA features; CREATE TABLE features.plain (id int PRIMARY KEY, age int)")
    apply("table: features.plain\nwrites: bulk\nbatch: statement\n")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="do not say which batch"):
        take(connection, "plain", view="plain", as_reference=True)
    assert value(connection, "SELECT count(*) FROM pgslo_catalog.snapshot") == 0


def test_what_was_unhealthy_is_left_out(guarded: Connection) -> None:
    load(guarded, "2026-11-04", age="999")
    load(guarded, "2026-11-05")
    rows(guarded, "SELECT * FROM pgslo.close_batch('features.stats')")
    take(guarded, "whole")
    take(guarded, "healthy", healthy_only=True)
    assert value(
        guarded, "SELECT array_agg(DISTINCT day::text ORDER BY day::text) FROM pgslo_snapshot.healthy"
    ) == ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-05"]
    assert rows(guarded, "SELECT name, healthy_only, batches_left_out FROM pgslo.snapshot ORDER BY 1") == [
        ("healthy", True, 1),
        ("whole", False, 0),
    ]


def test_open_incidents_are_written_down(guarded: Connection) -> None:
    load(guarded, "2026-11-04", age="999")
    take(guarded, "bad")
    (incident,) = value(guarded, "SELECT incidents FROM pgslo.snapshot")
    assert (incident["rule"], incident["columns"], incident["batch"]) == ("age_range", ["age"], "2026-11-04")
    take(guarded, "other", view="churn", schema="serving", condition="r.country = 'de'")
    assert (
        value(guarded, "SELECT jsonb_array_length(incidents) FROM pgslo.snapshot WHERE name = 'other'") == 1
    )


def test_drift_is_told_column_by_column(guarded: Connection) -> None:
    take(guarded, "before")
    guarded.execute(
        "UPDATE features.stats SET age = age + 25, country = CASE WHEN id % 2 = 0 THEN country END"
    )
    take(guarded, "after")
    told = {
        row[0]: row[1:]
        for row in rows(
            guarded,
            "SELECT column_name, change, has_drifted, null_share_one, null_share_other FROM pgslo.snapshot_diff('before', 'after')",
        )
    }
    assert {name for name, row in told.items() if row[1]} == {"age", "country"}
    assert told["country"][2:] == (0.0, 0.5)
    take(guarded, "few", view="churn", schema="serving")
    changes = dict(rows(guarded, "SELECT column_name, change FROM pgslo.snapshot_diff('before', 'few')"))
    assert changes["paid"] == "gone"
    assert changes["age"] == "kept"


def test_equal_populations_do_not_drift(guarded: Connection) -> None:
    guarded.execute("SELECT setseed(0.5)")
    for n, day in enumerate(
        ("2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04", "2026-12-05", "2026-12-06")
    ):
        guarded.execute(
            f"""INSERT INTO features.stats SELECT n, '{day}', (random() * 80)::int, chr(65 + (random() ^ 2 * 20)::int), (100 * random())::numeric(9, 2), now()
                FROM generate_series({1 + n * 1000}, {1000 + n * 1000}) n"""
        )
        take(guarded, f"s{n}", condition=f"r.day = '{day}'")
    drifted = [
        (n, m, row)
        for n in range(6)
        for m in range(n)
        for row in rows(
            guarded,
            f"SELECT column_name, distance, by_chance FROM pgslo.snapshot_diff('s{n}', 's{m}') WHERE has_drifted AND column_name IN ('age', 'country', 'paid')",
        )
    ]
    assert drifted == []


def test_one_name_one_snapshot(guarded: Connection) -> None:
    take(guarded, "november")
    with pytest.raises(psycopg.errors.DuplicateObject, match='snapshot "november" already exists'):
        take(guarded, "november", condition="false")
    for name in ("", "1", "a b", 'a"b', "x" * 64, "refuse_change"):
        with pytest.raises(psycopg.errors.InvalidName):
            take(guarded, name)
    assert value(guarded, "SELECT count(*) FROM pgslo.snapshot") == 1


def test_only_what_readers_see_is_taken(guarded: Connection) -> None:
    guarded.execute("CREATE VIEW features.own AS SELECT 1 AS one")
    for schema, view in (
        ("features", "stats"),
        ("features", "own"),
        ("pg_catalog", "pg_user"),
        ("nowhere", "at_all"),
    ):
        with pytest.raises(psycopg.Error) as caught:
            take(guarded, "x", schema=schema, view=view)
        assert caught.value.diag.sqlstate == "SL002"


def test_the_schema_comes_with_the_first_and_goes_with_the_last(guarded: Connection) -> None:
    has_schema = "SELECT to_regnamespace('pgslo_snapshot') IS NOT NULL"
    assert value(guarded, has_schema) is False
    take(guarded, "one")
    take(guarded, "two")
    guarded.execute("SELECT pgslo.drop_snapshot('one')")
    assert value(guarded, has_schema) is True
    guarded.execute("SELECT pgslo.drop_snapshot('two')")
    assert value(guarded, has_schema) is False
    assert value(guarded, "SELECT count(*) FROM pgslo_catalog.snapshot_batch") == 0


def test_somebody_elses_schema_is_left_alone(guarded: Connection, role: Callable[[str], str]) -> None:
    guarded.execute(f"CREATE SCHEMA pgslo_snapshot AUTHORIZATION {role('squatter')}")
    with pytest.raises(psycopg.errors.DuplicateSchema, match="belongs to another role"):
        take(guarded, "one")


# Who may


@pytest.fixture
def people(
    run: Run, guarded: Connection, role: Callable[[str], str], connect: Callable[..., Connection]
) -> dict[str, Connection]:
    names = {person: role(person) for person in ("trainer", "reader", "stranger")}
    for person in ("trainer", "reader"):
        guarded.execute(
            f"GRANT USAGE ON SCHEMA guarded TO {names[person]}; GRANT SELECT ON guarded.stats TO {names[person]}".encode(),
            prepare=False,
        )
    assert run("grants", "--execute", "trainer", names["trainer"]).exit_code == 0
    return {person: connect(name) for person, name in names.items()}


def test_a_trainer_takes_with_his_own_rights_and_readers_of_the_view_see_it(
    people: dict[str, Connection], guarded: Connection
) -> None:
    take(people["trainer"], "mine")
    for person in ("trainer", "reader"):
        assert value(people[person], "SELECT count(*) FROM pgslo_snapshot.mine") == 300
        assert value(people[person], "SELECT name FROM pgslo.snapshot") == "mine"
    assert rows(people["stranger"], "SELECT name FROM pgslo.snapshot") == []
    for statement in (
        "SELECT * FROM pgslo_snapshot.mine",
        "SELECT * FROM pgslo.snapshot_diff('mine', 'mine')",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject)):
            people["stranger"].execute(statement.encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        take(people["reader"], "his")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for view churn"):
        take(people["trainer"], "other", view="churn", schema="serving")
    # Not even by a condition.
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        take(people["trainer"], "sly", condition="true) UNION ALL SELECT * FROM features.stats WHERE (true")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        people["trainer"].execute("INSERT INTO pgslo_snapshot.mine SELECT * FROM guarded.stats")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        people["trainer"].execute("ALTER TABLE pgslo_snapshot.mine DISABLE TRIGGER ALL")
    assert verified(people["trainer"], "mine") == []
    take(guarded, "owners")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner of snapshot"):
        people["trainer"].execute("SELECT pgslo.drop_snapshot('owners')")
    people["trainer"].execute("SELECT pgslo.drop_snapshot('mine')")


def test_where_each_reader_has_rows_of_his_own_a_copy_is_its_takers(
    connection: Connection,
    apply: Callable[[str], Any],
    role: Callable[[str], str],
    connect: Callable[..., Connection],
) -> None:
    if connection.info.server_version < 150000:
        pytest.skip("row security needs PostgreSQL 15")
    one, other = role("one"), role("other")
    connection.execute(TABLE)
    connection.execute("ALTER TABLE features.stats ENABLE ROW LEVEL SECURITY")
    connection.execute(
        "CREATE POLICY own ON features.stats USING (country = CASE WHEN current_user LIKE 'one%%' THEN 'us' ELSE 'de' END)"
    )
    apply(STATS)
    load(connection, "2026-11-01", rows=30)
    for name in (one, other):
        connection.execute(
            f"GRANT USAGE ON SCHEMA features, guarded TO {name}; GRANT SELECT ON features.stats, guarded.stats TO {name}".encode(),
            prepare=False,
        )
        connection.execute(
            f"GRANT EXECUTE ON FUNCTION pgslo.create_snapshot(text, text, text, text, boolean, boolean), pgslo.begin_snapshot(text, text, text, text, boolean, boolean), pgslo.seal_snapshot(text) TO {name}".encode()
        )
    take(connect(one), "his")
    assert value(connect(one), "SELECT array_agg(DISTINCT country) FROM pgslo_snapshot.his") == ["us"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connect(other).execute("SELECT * FROM pgslo_snapshot.his")


# The command


def test_the_command_takes_lists_compares_verifies_and_drops(run: Run, guarded: Connection) -> None:
    result = run("snapshot", "create", "before", "--view", "guarded.stats", "--where", "country <> 'fr'")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert "before: 201 rows" in result.output
    assert "pgslo_snapshot.before" in result.output
    guarded.execute("UPDATE features.stats SET age = age + 25")
    assert run("snapshot", "create", "after", "--view", "guarded.stats", "--reference").exit_code == 0
    listed = run("snapshot", "list")
    assert [line.split()[0] for line in listed.output.splitlines()] == ["name", "after", "before"]
    diff = run("snapshot", "diff", "before", "after")
    assert diff.exit_code == 0
    assert (
        next(line for line in diff.output.splitlines() if line.startswith("age")).rstrip().endswith("drifted")
    )
    told = json.loads(run("snapshot", "diff", "before", "after", "--json").output)
    assert {column["column_name"] for column in told["columns"] if column["has_drifted"]} >= {"age"}
    assert run("snapshot", "verify", "before", "after").exit_code == 0
    assert run("snapshot", "query", "before").output == "SELECT * FROM pgslo_snapshot.before\n"
    guarded.execute("DELETE FROM features.stats WHERE id = 1 AND day = '2026-11-01'")
    result = run("snapshot", "verify", "before", "after")
    assert result.exit_code == 4
    assert "before: as it was taken" in result.output
    assert "after: batch 2026-11-01: was 100 rows, is 99 rows" in result.output
    assert run("snapshot", "drop", "before", "after", "--yes").output.splitlines() == [
        "snapshot before dropped",
        "snapshot after dropped",
    ]
    assert json.loads(run("snapshot", "list", "--json").output)["snapshots"] == []


@pytest.mark.parametrize(
    "where", ["(SELECT true)", "random() < 0.5", "age < now()", "true; DROP TABLE x", "nothing > 1"]
)
def test_a_condition_has_to_say_the_same_tomorrow(run: Run, where: str) -> None:
    result = run("snapshot", "create", "x", "--view", "guarded.stats", "--where", where)
    assert result.exit_code == 1, result.output
    assert "internal error" not in result.output


@pytest.mark.slow
def test_uninstall_leaves_the_rows_and_says_so(run: Run, guarded: Connection) -> None:
    take(guarded, "kept")
    take(guarded, "gone", as_reference=True)
    result = run("uninstall", "--all", "--yes")
    assert result.exit_code == 0, result.output
    assert "1 snapshot stays" in result.output
    assert "1 reference goes" in result.output
    assert value(guarded, "SELECT count(*) FROM pgslo_snapshot.kept") == 300
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        guarded.execute("DELETE FROM pgslo_snapshot.kept")
    assert "pgslo took" in value(guarded, "SELECT obj_description('pgslo_snapshot.kept'::regclass)")
    # And pgslo can come back.
    assert runtime.install(guarded)


@pytest.mark.slow
def test_drift_finds_a_snapshot_that_lost_its_table_or_its_protection(run: Run, guarded: Connection) -> None:
    take(guarded, "one")
    take(guarded, "two")
    take(guarded, "three")
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    assert run("drift").exit_code == 0, run("drift").output
    guarded.execute("DROP TABLE pgslo_snapshot.one")
    guarded.execute("ALTER TABLE pgslo_snapshot.two DISABLE TRIGGER pgslo_refuse_change")
    result = run("drift")
    assert result.exit_code == 3
    assert "snapshot one" in result.output
    assert "snapshot two" in result.output
    assert "snapshot three" not in result.output
