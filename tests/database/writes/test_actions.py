"""Each action has its documented effect on each kind of statement, once, whatever the table looks like and however rows arrive.

A small model computes the effect of a statement, for comparison: rows stored, rows kept out, values repaired,
failures and rows counted, incidents, samples, and the writer's messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest

BAD = 999
ACTIONS = ("reject", "quarantine", "repair", "flag", "warn")
MODES = ("bulk", "stream")


@dataclass(frozen=True)
class Shape:
    """A table, and how a statement names it.

    Attributes:
        ddl: What makes it; its columns are id, part, v and w.
        target: What statements write to.
        written: The column that statements set for ``v`` to have a value.
    """

    ddl: str
    target: str = "features.example"
    written: str = "v"


SHAPES = {
    "plain": Shape(
        "CREATE TABLE features.example (id int, part int DEFAULT 1, v int, w int, PRIMARY KEY (id, part))"
    ),
    "partitioned": Shape(
        """CREATE TABLE features.example (id int, part int DEFAULT 1, v int, w int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
           CREATE TABLE features.example_1 PARTITION OF features.example FOR VALUES IN (1);
           CREATE TABLE features.example_2 (w int, v int, gone int, part int NOT NULL, id int NOT NULL);
           ALTER TABLE features.example_2 DROP COLUMN gone;
           ALTER TABLE features.example ATTACH PARTITION features.example_2 FOR VALUES IN (2)"""
    ),
    "partition": Shape(
        """CREATE TABLE features.example (id int, part int DEFAULT 1, v int, w int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
           CREATE TABLE features.example_1 PARTITION OF features.example FOR VALUES IN (1) PARTITION BY RANGE (id);
           CREATE TABLE features.example_1_low PARTITION OF features.example_1 FOR VALUES FROM (0) TO (1000000)""",
        target="features.example_1",
    ),
    "leaf": Shape(
        """CREATE TABLE features.example (id int, part int DEFAULT 1, v int, w int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
           CREATE TABLE features.example_1 PARTITION OF features.example FOR VALUES IN (1) PARTITION BY RANGE (id);
           CREATE TABLE features.example_1_low PARTITION OF features.example_1 FOR VALUES FROM (0) TO (1000000)""",
        target="features.example_1_low",
    ),
    "generated": Shape(
        """CREATE TABLE features.example (
               id int, part int DEFAULT 1, raw int, v int GENERATED ALWAYS AS (raw) STORED, w int, PRIMARY KEY (id, part))""",
        written="raw",
    ),
    "virtual": Shape(
        """CREATE TABLE features.example (
               id int, double int GENERATED ALWAYS AS (v * 2) VIRTUAL, part int DEFAULT 1, v int, w int, PRIMARY KEY (id, part))"""
    ),
    "domain": Shape(
        """CREATE DOMAIN features.small AS int CHECK (VALUE < 100000);
           CREATE DOMAIN features.smaller AS features.small;
           CREATE TABLE features.example (id int, part int DEFAULT 1, v features.smaller, w int, PRIMARY KEY (id, part))"""
    ),
}


@dataclass(frozen=True)
class Written:
    """A statement and its proposed rows.

    Attributes:
        text: The statement; ``$t`` is the table and ``$v`` the column to write; ``None``: COPY of the inserted rows.
        before: Existing rows, which no trigger saw.
        inserted: Rows it would insert, by id.
        conflicting: Rows it proposes to insert, which turn out to be updates.
        ignored: Rows it proposes to insert, which turn out to be nothing.
        updated: Rows it would update.
        removed: Rows it removes.
        returns: Ids that RETURNING would return.
    """

    text: str | None
    before: dict[int, int] = field(default_factory=dict)
    inserted: dict[int, int] = field(default_factory=dict)
    conflicting: dict[int, int] = field(default_factory=dict)
    ignored: dict[int, int] = field(default_factory=dict)
    updated: dict[int, int] = field(default_factory=dict)
    removed: tuple[int, ...] = ()
    returns: bool = False
    oldest: int = 14


def _values(rows: dict[int, int]) -> str:
    return ", ".join(f"({key}, {value})" for key, value in rows.items())


THREE = {1: 5, 2: BAD, 3: 7}
STATEMENTS = {
    "COPY": Written(None, inserted=THREE),
    "INSERT of one row": Written(f"INSERT INTO $t (id, $v) VALUES (1, {BAD})", inserted={1: BAD}),
    "INSERT of many rows": Written(f"INSERT INTO $t (id, $v) VALUES {_values(THREE)}", inserted=THREE),
    "INSERT of good rows": Written(
        "INSERT INTO $t (id, $v) VALUES (1, 5), (2, NULL)", inserted={1: 5, 2: None}
    ),
    "INSERT … SELECT": Written(
        f"INSERT INTO $t (id, $v) SELECT n, CASE WHEN n % 2 = 0 THEN {BAD} ELSE 1 END FROM generate_series(1, 20) AS n",
        inserted={n: BAD if n % 2 == 0 else 1 for n in range(1, 21)},
    ),
    "INSERT of no row": Written("INSERT INTO $t (id, $v) SELECT 1, 1 WHERE false"),
    "INSERT … ON CONFLICT DO UPDATE": Written(
        f"INSERT INTO $t (id, $v) VALUES (1, {BAD}), (2, 6), (3, {BAD}), (4, 8) ON CONFLICT (id, part) DO UPDATE SET $v = excluded.$v",
        before={1: 5, 4: 9},
        conflicting={1: BAD, 4: 8},
        inserted={2: 6, 3: BAD},
    ),
    "INSERT … ON CONFLICT DO NOTHING": Written(
        f"INSERT INTO $t (id, $v) VALUES (1, {BAD}), (2, 6) ON CONFLICT DO NOTHING",
        before={1: 5},
        ignored={1: BAD},
        inserted={2: 6},
    ),
    "INSERT … ON CONFLICT DO NOTHING of nothing": Written(
        f"INSERT INTO $t (id, $v) VALUES (1, {BAD}) ON CONFLICT DO NOTHING", before={1: 5}, ignored={1: BAD}
    ),
    "UPDATE": Written(
        f"UPDATE $t SET $v = CASE id WHEN 1 THEN {BAD} ELSE 6 END",
        before={1: 5, 2: 5, 3: 5},
        updated={1: BAD, 2: 6, 3: 6},
    ),
    "UPDATE of another column": Written(
        "UPDATE $t SET w = 1 WHERE id = 2", before={1: 5, 2: 6}, updated={2: 6}
    ),
    "UPDATE of no row": Written(f"UPDATE $t SET $v = {BAD} WHERE false", before={1: 5}),
    "MERGE": Written(
        f"""MERGE INTO $t AS t USING (VALUES (1, {BAD}), (2, 8), (3, {BAD}), (4, 9)) AS s (id, v) ON t.id = s.id AND t.part = 1
            WHEN MATCHED AND s.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET $v = s.v WHEN NOT MATCHED THEN INSERT (id, $v) VALUES (s.id, s.v)""",
        before={1: 5, 2: 5},
        inserted={3: BAD, 4: 9},
        updated={1: BAD},
        removed=(2,),
        oldest=15,
    ),
    "DELETE": Written("DELETE FROM $t WHERE id = 1", before={1: BAD, 2: 5}, removed=(1,)),
    "TRUNCATE": Written("TRUNCATE $t", before={1: BAD, 2: 5}, removed=(1, 2)),
    "WITH two INSERTs": Written(
        f"WITH first AS (INSERT INTO $t (id, $v) VALUES (1, {BAD})) INSERT INTO $t (id, $v) VALUES (2, 6)",
        inserted={1: BAD, 2: 6},
    ),
    "INSERT … RETURNING": Written(
        f"INSERT INTO $t (id, $v) VALUES {_values(THREE)} RETURNING id", inserted=THREE, returns=True
    ),
}


@dataclass
class Left:
    """What a statement leaves."""

    stored: dict[int, int | None]
    held: list[tuple[str, str]]
    mended: int
    failures: int
    rows: list[int]
    warnings: int
    refused: bool = False


def _expected(written: Written, action: str, mode: str) -> Left:
    def judged(rows: dict[int, int]) -> Iterator[int]:
        return (key for key, value in rows.items() if value == BAD)

    stored = {key: value for key, value in written.before.items() if key not in written.removed}
    firings = [len(written.inserted), len({**written.updated, **written.conflicting})]
    put = {**written.inserted, **written.updated, **written.conflicting}
    bad = list(judged(put))
    nothing = Left(dict(written.before), [], 0, 0, [], 0)
    match action:
        case "reject" if bad:
            nothing.refused = True
            return nothing
        case "quarantine":
            held = [
                *(
                    ("INSERT", str(key))
                    for key in judged({**written.inserted, **written.conflicting, **written.ignored})
                ),
                *(("UPDATE", str(key)) for key in judged(written.updated)),
            ]
            firings = [
                len([value for value in written.inserted.values() if value != BAD]),
                len([value for value in {**written.updated, **written.conflicting}.values() if value != BAD]),
            ]
            stored |= {key: value for key, value in put.items() if value != BAD}
            return Left(stored, sorted(held), 0, 0, _bulk(firings, mode), 0)
        case "repair":
            stored |= {key: 100 if value == BAD else value for key, value in put.items()}
            mended = len(bad) + len(list(judged(written.ignored)))
            return Left(stored, [], mended, 0, _bulk(firings, mode), 0)
    stored |= put
    rows = _bulk(firings, mode) if mode == "bulk" else [0] * len(bad)
    return Left(stored, [], 0, len(bad) * (action != "reject"), rows, int(action == "warn" and bool(bad)))


def _bulk(firings: list[int], mode: str) -> list[int]:
    """Rows of the fragments: of a bulk-loaded table one for each event that wrote rows."""
    return sorted(rows for rows in firings if rows) if mode == "bulk" else []


def _definition(action: str, mode: str) -> str:
    rule = "{clip: [0, 100]}" if action == "repair" else f"{{min: 0, max: 100, on_breach: {action}}}"
    return f"""
        table: features.example
        owner: sam
        writes: {mode}
        columns:
          v:
            - {"repair" if action == "repair" else "range"}: {rule}
          w:
            - range: {{min: 0, on_breach: flag}}
    """


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action", ACTIONS)
def test_action(session, subtests, action, mode, shape):
    if shape == "generated" and action in ("quarantine", "repair"):
        pytest.skip("refused: test_a_generated_column_can_be_neither_diverted_nor_mended")
    if shape == "virtual" and session.connection.info.server_version < 180000:
        pytest.skip("virtual columns came with PostgreSQL 18")
    table = SHAPES[shape]
    session.run(table.ddl)
    session.guard(_definition(action, mode))
    for name, written in STATEMENTS.items():
        if session.connection.info.server_version // 10000 < written.oldest:
            continue
        with subtests.test(statement=name), session.connection.transaction(force_rollback=True):
            _try(session, table, written, action, mode)


def _try(session, table, written, action, mode):
    if written.before:
        session.run("SET LOCAL session_replication_role = replica")
        session.run(f"INSERT INTO {table.target} (id, {table.written}) VALUES {_values(written.before)}")
        session.run("SET LOCAL session_replication_role = origin")
    expected = _expected(written, action, mode)
    notices: tuple[object, ...] = ()
    if expected.refused:
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            _run(session, table, written)
        said = refused.value.diag
        assert (said.schema_name, said.table_name) == ("features", "example")
        assert (said.column_name, said.constraint_name) == ("v", "v_range")
    else:
        outcome = _run(session, table, written)
        notices = outcome.notices
        if written.returns:
            assert [row[0] for row in outcome.rows] == [
                key for key in written.inserted if key in expected.stored
            ]
    stored = dict(session.run("SELECT id, v FROM features.example").rows)
    assert stored == expected.stored
    held = session.run("SELECT operation, row_key FROM pgslo.quarantine ORDER BY 1, 2").rows
    assert [(operation, key.split(" = (")[1].split(",")[0]) for operation, key in held] == expected.held
    assert len(session.repairs()) == expected.mended
    assert session.failures() == ({"v_range": expected.failures} if expected.failures else {})
    assert (
        sorted(
            session.values(
                "SELECT rows::int FROM pgslo_catalog.fragment WHERE operation IN ('judged', 'insert', 'update')"
            )
        )
        == expected.rows
    )
    assert session.incidents() == ({"v_range"} if expected.failures else set())
    assert len(session.values("SELECT 1 FROM pgslo.sample")) == min(expected.failures, 10)
    assert [notice.sqlstate for notice in notices] == ["01SL1"] * expected.warnings
    assert session.broken() == {}


def _run(session, table, written):
    if written.text is None:
        lines = [f"{key}\t{value}" for key, value in written.inserted.items()]
        return session.copy(f"{table.target} (id, {table.written})", lines)
    return session.run(written.text.replace("$t", table.target).replace("$v", table.written))


def test_a_generated_column_can_be_neither_diverted_nor_mended(session):
    session.run(SHAPES["generated"].ddl)
    (quarantine,) = session.errors(_definition("quarantine", "bulk"))
    assert 'column "v" is generated after the point where a row can be diverted' in quarantine
    (repair,) = session.errors(_definition("repair", "bulk"))
    assert 'column "v" is generated and cannot be repaired' in repair


def test_a_partition_key_cannot_be_mended(session):
    session.run(SHAPES["partition"].ddl)
    for column in ("part", "id"):
        (error,) = session.errors(
            f"table: features.example\ncolumns: {{{column}: [{{repair: {{default: 1}}}}]}}"
        )
        assert f'column "{column}" says which partition a row belongs to' in error


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_fails_several_rules_counts_once_for_each(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int, b int)")
    session.guard(
        f"""
        table: features.example
        writes: {mode}
        columns:
          a: [not_null, {{range: {{max: 10, on_breach: flag}}}}]
          b: [not_null, {{range: {{max: 10}}}}]
        """
    )
    outcome = session.run("INSERT INTO features.example VALUES (1, NULL, NULL), (2, 11, 11), (3, 1, 1)")
    assert session.failures() == {"a_not_null": 1, "a_range": 1, "b_not_null": 1, "b_range": 1}
    assert session.incidents() == {"a_not_null", "a_range", "b_not_null", "b_range"}
    (notice,) = outcome.notices
    assert notice.severity == "WARNING"
    samples = session.run("SELECT rule, row_key, shown FROM pgslo.sample ORDER BY 1").rows
    assert samples == (
        ("a_not_null", "(id) = (1)", "a = NULL"),
        ("a_range", "(id) = (2)", "a = 11"),
        ("b_not_null", "(id) = (1)", "b = NULL"),
        ("b_range", "(id) = (2)", "b = 11"),
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_is_kept_out_violates_nothing_else(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int, b int)")
    session.guard(
        f"""
        table: features.example
        writes: {mode}
        columns:
          a: [{{range: {{max: 10, on_breach: quarantine}}}}, {{range: {{max: 100, on_breach: reject, name: far}}}}]
          b: [not_null]
        """
    )
    outcome = session.run("INSERT INTO features.example VALUES (1, 1000, NULL), (2, 5, 5)")
    assert (outcome.count, outcome.notices) == (1, ())
    assert session.held() == [("(id) = (1)", ("a_range",))]
    assert session.failures() == {}


@pytest.mark.parametrize("mode", MODES)
def test_all_rules_that_reject_a_row_are_named(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int, b text)")
    session.guard(
        f"""
        table: features.example
        owner: sam
        writes: {mode}
        columns:
          a: [{{range: {{max: 10, on_breach: reject}}}}]
          b: [{{length: {{max: 2, on_breach: reject, owner: kim}}}}]
        """
    )
    error = session.refused("INSERT INTO features.example VALUES (7, 11, 'abc')")
    assert (error.sqlstate, error.rule, error.column) == ("23514", "a_range", "a")
    assert error.message == 'new row for features.example violates rule "a_range"'
    assert "a = 11" in error.detail
    assert "a of at most 10" in error.detail
    assert "Key (id) = (7)" in error.detail
    assert error.hint == "Correct the row, or contact the owner of the rule, sam."
    if mode == "stream":
        assert "It also violates b_length." in error.detail


@pytest.mark.parametrize("mode", MODES)
def test_samples_are_capped_for_each_rule_and_batch(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, day date, a int)")
    session.guard(
        f"""
        table: features.example
        writes: {mode}
        batch: {{by: day}}
        columns:
          a: [{{not_null: {{samples: 3}}}}, {{range: {{max: 1, samples: 0}}}}]
        """
    )
    for start in (0, 100):
        session.run(
            f"INSERT INTO features.example SELECT {start} + n, '2026-11-22'::date + n % 2, NULL FROM generate_series(1, 40) AS n"
        )
        session.run(
            f"INSERT INTO features.example SELECT {start} + 1000 + n, '2026-11-22', 2 FROM generate_series(1, 4) AS n"
        )
    assert session.failures() == {"a_not_null": 80, "a_range": 8}
    sampled = session.run("SELECT rule, batch, count(*) FROM pgslo.sample GROUP BY 1, 2 ORDER BY 2").rows
    assert max(count for _, _, count in sampled) == 3
    assert {rule for rule, _, _ in sampled} == {"a_not_null"}
    if mode == "stream":
        assert sampled == (("a_not_null", "2026-11-22", 3), ("a_not_null", "2026-11-23", 3))


@pytest.mark.parametrize(("mode", "rows"), [("bulk", 200_000), ("stream", 2_000)])
def test_one_statement_of_bad_rows_gives_one_short_warning_without_values(session, mode, rows):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, secret text)")
    session.guard(
        f"""
        table: features.example
        writes: {mode}
        columns:
          secret: [{{length: {{max: 3}}}}, {{pattern: {{matches: "^a"}}}}]
        """
    )
    outcome = session.run(
        f"INSERT INTO features.example SELECT n, 'hunter2 ' || n FROM generate_series(1, {rows}) AS n"
    )
    (warning,) = outcome.notices
    assert (warning.sqlstate, warning.severity) == ("01SL1", "WARNING")
    text = f"{warning.message}{warning.detail}{warning.hint}"
    assert len(text.encode()) < 1_000
    assert "hunter2" not in text
    assert session.failures() == {"secret_length": rows, "secret_pattern": rows}
    assert len(session.values("SELECT 1 FROM pgslo.sample")) == 20


@pytest.mark.parametrize("mode", MODES)
def test_each_statement_warns_for_itself(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int)")
    session.run("CREATE TABLE features.other (id int PRIMARY KEY, a int)")
    for table in ("example", "other"):
        session.guard(f"table: features.{table}\nwrites: {mode}\ncolumns: {{a: [not_null]}}")
    for key in range(3):
        assert session.run(f"INSERT INTO features.example VALUES ({key}, NULL)").warned == {"a_not_null"}
    both = session.run(
        "WITH one AS (INSERT INTO features.example VALUES (9, NULL)) INSERT INTO features.other VALUES (9, NULL)"
    )
    assert len(both.notices) == 2


def test_a_savepoint_takes_its_counts_with_it(session):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int)")
    session.guard(
        "table: features.example\nwrites: bulk\ncolumns: {a: [not_null, {range: {max: 5, on_breach: quarantine}}]}"
    )
    with session.connection.transaction(force_rollback=True):
        session.run("INSERT INTO features.example VALUES (1, NULL), (2, 9)")
        assert session.failures() == {"a_not_null": 1}
    assert session.failures() == {}
    assert session.incidents() == set()
    assert session.held() == []
    session.run("INSERT INTO features.example VALUES (1, NULL)")
    assert session.incidents() == {"a_not_null"}


@pytest.mark.parametrize("mode", MODES)
def test_other_triggers_of_the_table_are_reckoned_with(session, mode):
    """A BEFORE trigger that fires after ours changes rows and drops some: the stored rows are the judged ones."""
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int)")
    session.run(
        """CREATE FUNCTION features.later() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
               IF NEW.id % 10 = 0 THEN RETURN NULL; END IF;
               NEW.a := NEW.a + 100;
               RETURN NEW;
           END $$"""
    )
    session.run(
        "CREATE TRIGGER zzz BEFORE INSERT ON features.example FOR EACH ROW EXECUTE FUNCTION features.later()"
    )
    made = session.guard(
        f"""
        table: features.example
        writes: {mode}
        columns:
          a:
            - range: {{max: 50}}
            - range: {{max: 1000, on_breach: reject, name: far}}
            - range: {{min: 0, on_breach: quarantine, name: low}}
        """
    )
    assert [note for note in made.notes if "trigger zzz fires after pgslo's BEFORE ROW triggers" in note]
    session.run("INSERT INTO features.example SELECT n, 1 FROM generate_series(1, 20) AS n")
    assert session.failures() == {"a_range": 18}
    assert session.refused("INSERT INTO features.example VALUES (21, 950)").rule == "far"


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_moves_to_another_partition_is_judged_once(session, mode):
    session.run(SHAPES["partitioned"].ddl)
    session.guard(_definition("warn", mode))
    session.run(f"INSERT INTO features.example (id, part, v) VALUES (1, 1, {BAD})")
    session.run("UPDATE features.example SET part = 2")
    assert session.run("SELECT tableoid::regclass::text, v FROM features.example").rows == (
        ("features.example_2", BAD),
    )
    assert session.failures() == {"v_range": 2}


@pytest.mark.parametrize("mode", MODES)
def test_writes_through_a_view_and_by_other_triggers_are_seen(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int)")
    session.run("CREATE TABLE features.source (id int, a int)")
    session.guard(f"table: features.example\nwrites: {mode}\ncolumns: {{a: [not_null]}}")
    session.run("CREATE VIEW features.window AS SELECT * FROM features.example")
    session.run("INSERT INTO features.window VALUES (1, NULL)")
    session.run(
        """CREATE FUNCTION features.feed() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO features.example VALUES (NEW.id, NEW.a); RETURN NULL; END $$"""
    )
    session.run(
        "CREATE TRIGGER feed AFTER INSERT ON features.source FOR EACH ROW EXECUTE FUNCTION features.feed()"
    )
    session.run("INSERT INTO features.source VALUES (2, NULL), (3, 1)")
    assert session.failures() == {"a_not_null": 2}


def test_rows_that_no_rule_is_told_of(session):
    """What limits.md says: these get round triggers, and PostgreSQL's own constraints still hold."""
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, a int)")
    session.run("CREATE TABLE features.child () INHERITS (features.example)")
    made = session.guard(
        "table: features.example\nwrites: bulk\ncolumns: {a: [{range: {max: 5, on_breach: reject}}, {not_null: {on_breach: reject}}]}"
    )
    assert any("features.child" in note for note in made.notes)
    session.run("INSERT INTO features.child VALUES (1, 9)")
    session.run("SET LOCAL session_replication_role = replica")
    session.run("INSERT INTO features.example VALUES (2, 9)")
    assert session.refused("INSERT INTO features.example VALUES (3, NULL)").sqlstate == "23502"
    session.run("SET LOCAL session_replication_role = origin")
    session.run("ALTER TABLE features.example DISABLE TRIGGER USER")
    session.run("INSERT INTO features.example VALUES (4, 9)")
    assert session.refused("INSERT INTO features.example VALUES (5, NULL)").sqlstate == "23502"
    steps = session.plan(
        "table: features.example\nwrites: bulk\ncolumns: {a: [{range: {max: 5, on_breach: reject}}, {not_null: {on_breach: reject}}]}"
    ).steps
    assert {step.reason for step in steps} == {"the trigger was disabled"}
