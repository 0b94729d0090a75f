"""No cast, domain constraint or operator that another role defines runs with the rights of pgslo's owner.

The owner of a type may define casts of it, at any time. PostgreSQL looks for casts in all schemas, whatever the search
path, so that conversions in SECURITY DEFINER functions must use output functions alone.
"""

import itertools

import psycopg
import pytest
from types_of_mallory import TABLES, TYPES

from pgslo import database
from pgslo.database import inspection, operations
from pgslo.suggest import as_text, choose_batch, propose

#: What her casts make of a value.
TARGETS = {
    "text": "'ok'",
    "varchar": "'ok'",
    "json": "'1'",
    "jsonb": "'1'",
    "numeric": "1",
    "int4": "1",
    "float8": "1",
    "timestamptz": "now()",
    "date": "'2026-01-01'",
    "bool": "true",
}
#: How casts are declared, and which of them there are: several implicit ones make calls ambiguous, one alone runs.
DECLARED = [
    ("", tuple(TARGETS)),
    ("AS ASSIGNMENT", tuple(TARGETS)),
    ("AS IMPLICIT", ("text",)),
    ("AS IMPLICIT", ("numeric",)),
    ("AS IMPLICIT", ("bool",)),
    ("AS IMPLICIT", ("timestamptz",)),
]


def casts(declared, targets):
    """Mallory's casts of all her types, and of text to them; each notes as whom it ran."""
    made = []
    numbers = itertools.count()
    sources = {type_ for type_, _ in TYPES.values()} | {"evil.mood", "evil.span[]", "evil.ints[]"}
    for source, target in itertools.product(sorted(sources), targets):
        if source in {"evil.word", "evil.dom"}:
            continue  # PostgreSQL ignores casts of a domain
        name = f"evil.f{next(numbers)}"
        made.append(
            f"""
            CREATE FUNCTION {name}({source}) RETURNS {target} LANGUAGE plpgsql AS $$BEGIN
                INSERT INTO evil.loot VALUES (current_user, '{source} as {target}'); RETURN {TARGETS[target]}; END$$;
            CREATE CAST ({source} AS {target}) WITH FUNCTION {name}({source}) {declared};
            """
        )
    for type_, value in (("evil.mood", "ok"), ("evil.pair", "(1,ok)"), ("evil.span", "[ok,sad)")):
        name = f"evil.f{next(numbers)}"
        made.append(
            f"""
            CREATE FUNCTION {name}(text) RETURNS {type_} LANGUAGE plpgsql AS $$BEGIN
                INSERT INTO evil.loot VALUES (current_user, 'text as {type_}'); RETURN '{value}'::{type_}; END$$;
            CREATE CAST (text AS {type_}) WITH FUNCTION {name}(text) {declared};
            """
        )
    return "\n".join(made)


def loot(world):
    return world.admin.execute("SELECT DISTINCT who, what FROM evil.loot ORDER BY 1, 2").fetchall()


def row(number, n=5, *, day="2026-01-01", **values):
    """A row as SQL, every value as a literal that its type reads."""
    given = {name: value for name, (_, value) in TYPES.items()} | values
    return f"({number}, '{day}', {n}, {', '.join(repr(value) for value in given.values())})"


@pytest.fixture(
    params=DECLARED,
    ids=lambda one: f"{one[0].split(' ')[-1].lower() or 'explicit'}_{len(one[1])}_{one[1][0]}",
)
def guarded(world, request):
    """A table with a column of each of mallory's types, guarded, whose types got casts afterwards."""
    world.run("mallory", TABLES)
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in TYPES.items())
    world.run(
        "installer",
        f"""
        CREATE TABLE features.people (id int, day date, n int, {columns}, PRIMARY KEY (id, mood, dom));
        CREATE TABLE features.moods (id int PRIMARY KEY, day date, mood evil.mood, n int);
        CREATE INDEX ON features.people (mood); CREATE INDEX ON features.people (n, day);
        GRANT ALL ON features.people, features.moods TO $writer;
        """,
    )
    world.apply(PEOPLE)
    world.apply(MOODS)
    world.run("mallory", casts(*request.param))
    return world


PEOPLE = """
table: features.people
key: [id, mood, dom]
writes: bulk
batch: {by: day}
columns:
  n:
    - range: {min: 0, max: 100, on_breach: quarantine}
    - range: {min: 0, max: 9, on_breach: flag, name: soft}
    - repair: {clip: [0, 200]}
  mood:
    - accepted_values: {values: [ok], on_breach: flag, name: mood_ok}
    - not_accepted_values: {values: [sad], on_breach: warn, name: mood_not_sad}
    - range: {min: ok, max: ok, on_breach: flag, name: mood_range}
    - completeness: {min: 0.9}
  dom:
    - accepted_values: {values: [ok], on_breach: flag, name: dom_ok}
  moods: [not_null: {on_breach: flag}]
  pair: [not_null: {on_breach: quarantine}]
  span: [not_null: {on_breach: flag}]
rules:
  - twice: {unique: [n, day], on_breach: warn}
assertions:
  - one_mood: {all_equal: mood, group_by: id, on_breach: warn}
  - one_of_each: {at_most_one: row, group_by: [id, mood, dom], on_breach: reject, deferred: true}
readers: [$reader, $trainer]
tasks: {t1: {contact: "#x", reads: [n, mood], view: serving.t1}}
"""
MOODS = """
table: features.moods
writes: bulk
batch: {by: mood, show_names: true}
columns: {n: [range: {min: 0, max: 9, on_breach: reject}]}
readers: [$reader, $trainer]
"""


def test_case_1_as_given(world):
    world.run("superuser", "CREATE SCHEMA f; GRANT USAGE ON SCHEMA f TO $writer")
    world.run(
        "mallory",
        """
        CREATE TYPE evil.mood AS ENUM ('ok', 'sad');  CREATE TABLE evil.loot (who text, what text);  GRANT ALL ON evil.loot TO PUBLIC;
        GRANT USAGE ON SCHEMA evil TO PUBLIC;
        CREATE FUNCTION evil.tx(evil.mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.loot
          SELECT current_user, left(rolpassword, 14) FROM pg_authid LIMIT 1; RETURN 'ok'; END$$;
        CREATE CAST (evil.mood AS text) WITH FUNCTION evil.tx(evil.mood);
        """,
    )
    world.run(
        "superuser",
        "CREATE TABLE f.people (id int PRIMARY KEY, d date, n int, mood evil.mood); GRANT INSERT ON f.people TO $writer",
    )
    world.apply(
        "{table: f.people, writes: bulk, batch: {by: d}, columns: {n: [range: {min: 0, max: 9, on_breach: flag}]}}",
        by="superuser",
    )
    world.run("writer", "INSERT INTO f.people VALUES (1, '2026-01-01', 1, 'ok')")
    assert loot(world) == []


def test_no_cast_runs_in_the_life_of_a_table(guarded):
    _write(guarded)
    assert loot(guarded) == []
    _read_and_report(guarded)
    assert loot(guarded) == []
    _take_snapshots(guarded)
    assert loot(guarded) == []
    _release(guarded)
    assert loot(guarded) == []


def _write(world):
    good = ", ".join(row(n) for n in range(1, 6))
    world.run("writer", f"INSERT INTO features.people VALUES {good}")
    world.run("writer", f"INSERT INTO features.people VALUES {row(6, 50, mood='sad')}")
    world.run("writer", f"INSERT INTO features.people VALUES {row(7, 500)}")  # quarantined
    session = world.session("writer")
    with session.cursor() as cursor, cursor.copy(b"COPY features.people FROM STDIN") as copy:
        values = [value for _, value in TYPES.values()]
        copy.write_row((8, "2026-01-02", 4, *values))
        copy.write_row((9, "2026-01-02", 400, *values))
    world.run("writer", "UPDATE features.people SET n = 60 WHERE id = 1")
    world.run("writer", "UPDATE features.people SET mood = 'sad', dom = 'sad' WHERE id = 2")
    world.run(
        "writer",
        f"INSERT INTO features.people VALUES {row(3)} ON CONFLICT (id, mood, dom) DO UPDATE SET n = 7",
    )
    world.run("writer", "DELETE FROM features.people WHERE id = 5")
    world.run(
        "writer", "INSERT INTO features.moods VALUES (1, '2026-01-01', 'ok', 1), (2, '2026-01-01', 'sad', 1)"
    )
    world.run("writer", "UPDATE features.moods SET n = 2; DELETE FROM features.moods WHERE id = 2")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", "INSERT INTO features.moods VALUES (3, '2026-01-01', 'ok', 99)")
    assert loot(world) == []
    # The rules are kept all the same, where no cast makes PostgreSQL refuse to choose an operator.
    failing = dict(
        world.admin.execute(
            "SELECT rule, count(*) FROM pgslo.incident WHERE definition = 'features.people' GROUP BY 1"
        ).fetchall()
    )
    assert {"soft", "mood_ok", "mood_not_sad", "mood_range", "dom_ok"} <= set(failing)
    held = world.admin.execute(
        "SELECT row_key, image ->> 'mood', image ->> 'pair' FROM pgslo.quarantine ORDER BY 1"
    ).fetchall()
    assert held == [
        ("(id, mood, dom) = (7, ok, ok)", "ok", "(1,ok)"),
        ("(id, mood, dom) = (9, ok, ok)", "ok", "(1,ok)"),
    ]
    world.run("installer", "SELECT pgslo.tick()")
    names = world.admin.execute(
        "SELECT DISTINCT batch FROM pgslo.batch WHERE definition = 'features.moods' ORDER BY 1"
    ).fetchall()
    assert names == [("ok",), ("sad",)]


def _read_and_report(world):
    for day in range(1, 10):
        rows = ", ".join(row(100 * day + n, n, day=f"2026-01-{day:02}") for n in range(1, 8))
        world.run("writer", f"INSERT INTO features.people VALUES {rows}")
    world.run(
        "writer",
        "INSERT INTO features.moods VALUES (11, '2026-01-01', 'ok', 1), (12, '2026-01-01', 'sad', 1)",
    )
    world.run(
        "installer",
        "SELECT pgslo.tick(); SELECT pgslo.close_batch('features.people', '2026-01-09'); SELECT pgslo.tick()",
    )
    world.run("installer", "SELECT pgslo.close_batch('features.moods', 'ok'); SELECT pgslo.tick()")
    world.run(
        "installer",
        "SELECT count(*) FROM pgslo.history('features.people'); SELECT pgslo.audit('features.people')",
    )
    world.run(
        "reader",
        "SELECT count(*), max(n) FROM guarded.people; SELECT id, mood FROM guarded.people_status; SELECT * FROM serving.t1",
    )
    session = world.session("installer")
    operations.find_drift(session)
    facts = inspection.inspect(session, "features.people", sample=1000)
    text = as_text(facts, propose(facts, choose_batch(facts)))
    assert "features.people" in text
    for query, parameters in (
        ("status", None),
        ("rule_summaries", None),
        ("column_history", {"batches": 10}),
    ):
        assert database.fetch(session, query, parameters)


def _take_snapshots(world):
    world.run("writer", f"INSERT INTO features.people VALUES {', '.join(row(n) for n in range(5001, 5009))}")
    world.run("installer", "SELECT pgslo.tick()")
    world.run("trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 'people')")
    world.run(
        "writer", f"INSERT INTO features.people VALUES {', '.join(row(n, 6) for n in range(5011, 5019))}"
    )
    world.run("trainer", "SELECT pgslo.create_snapshot('s2', 'guarded', 'people', NULL, true)")
    assert world.run("trainer", "SELECT * FROM pgslo.verify_snapshot('s1')") == []
    assert world.run("trainer", "SELECT * FROM pgslo.verify_snapshot('s2')") == []
    world.run("trainer", "SELECT count(*) FROM pgslo.snapshot_diff('s1', 's2')")


def _release(world):
    world.run("writer", f"INSERT INTO features.people VALUES {row(7007, 500)}")
    (number,) = world.run("steward", "SELECT max(quarantine_id) FROM pgslo.quarantine")[0]
    # A domain of a stranger may get a constraint at any moment, which would run with the rights of pgslo's owner.
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row") as refused:
        world.run("steward", f"SELECT pgslo.release({number}, '{{\"n\": 5}}')")
    assert 'column "dom" is of domain evil.dom' in str(refused.value.diag.message_detail)
    world.run("steward", f"SELECT pgslo.discard({number})")
    assert world.run("installer", "SELECT n FROM features.people WHERE id = 7007") == []


def test_a_domain_check_does_not_run_with_other_rights(world):
    world.run("mallory", TABLES)
    checked = "CREATE OR REPLACE FUNCTION evil.checked(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN {} RETURN true; END$$"
    world.run("mallory", checked.format(""))
    world.run("mallory", "ALTER DOMAIN evil.word ADD CONSTRAINT c CHECK (evil.checked(VALUE))")
    world.run(
        "installer",
        """
        CREATE TABLE features.ex (id int PRIMARY KEY, day date, n int, word evil.word, words evil.word[]);
        GRANT ALL ON features.ex TO $writer
        """,
    )
    world.apply(
        """
        table: features.ex
        writes: bulk
        batch: {by: day}
        columns:
          n: [range: {min: 0, max: 9, on_breach: quarantine}, repair: {default: 1}]
          word: [accepted_values: {values: [abc], on_breach: flag, name: words}]
        readers: [$trainer]
        """
    )
    world.run("mallory", checked.format("INSERT INTO evil.loot VALUES (current_user, 'domain');"))
    world.run(
        "writer",
        """
        INSERT INTO features.ex VALUES (1, '2026-01-01', NULL, 'abc', '{x}'), (2, '2026-01-01', 99, 'b', '{x}');
        UPDATE features.ex SET n = NULL WHERE id = 1
        """,
    )
    world.run("installer", "SELECT pgslo.tick()")
    world.run(
        "trainer",
        "SELECT pgslo.create_snapshot('s1', 'guarded', 'ex'); SELECT * FROM pgslo.verify_snapshot('s1')",
    )
    (number,) = world.run("steward", "SELECT quarantine_id FROM pgslo.quarantine")[0]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row"):
        world.run("steward", f"SELECT pgslo.release({number}, '{{\"n\": 5}}')")
    assert {who for who, _ in loot(world)} == {
        world.names["writer"]
    }  # who wrote the value: PostgreSQL's own check


def test_casts_of_a_table_s_row_type_do_not_run_with_other_rights(world):
    """The owner of a table owns its row type; the applying role is a member of the owner."""
    world.run("superuser", "GRANT $mallory TO $installer; GRANT USAGE ON SCHEMA features, evil TO PUBLIC")
    world.run(
        "mallory",
        """
        CREATE TABLE evil.loot (who text, what text);  GRANT ALL ON evil.loot TO PUBLIC;
        CREATE TABLE evil.tab (id int PRIMARY KEY, day date, n int);  GRANT ALL ON evil.tab TO $writer;
        """,
    )
    world.apply(
        """
        table: evil.tab
        writes: bulk
        batch: {by: day}
        columns: {n: [range: {min: 0, max: 9, on_breach: quarantine}]}
        """
    )
    back = """
        CREATE FUNCTION evil.back(text) RETURNS evil.tab LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO evil.loot VALUES (current_user, 'text'); RETURN ROW(1, NULL, 1)::evil.tab; END$$;
        CREATE CAST (text AS evil.tab) WITH FUNCTION evil.back(text)
    """
    made = [back]
    for n, (target, value) in enumerate((("text", "''"), ("json", "'1'"), ("jsonb", "'1'"))):
        made.append(
            f"CREATE FUNCTION evil.r{n}(evil.tab) RETURNS {target} LANGUAGE plpgsql AS $$BEGIN"
            f" INSERT INTO evil.loot VALUES (current_user, '{target}'); RETURN {value}; END$$;"
            f" CREATE CAST (evil.tab AS {target}) WITH FUNCTION evil.r{n}(evil.tab)"
        )
    world.run("mallory", "; ".join(made))
    world.run("writer", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 5), (2, '2026-01-01', 500)")
    world.run("installer", "SELECT pgslo.tick()")
    (number,) = world.run("steward", "SELECT quarantine_id FROM pgslo.quarantine")[0]
    world.run("steward", f"SELECT pgslo.release({number}, '{{\"n\": 5}}')")
    assert world.run("mallory", "SELECT id, n FROM evil.tab ORDER BY 1") == [(1, 5), (2, 5)]
    assert world.names["installer"] not in {who for who, _ in loot(world)}


@pytest.mark.parametrize(
    ("declared", "targets"), [("", tuple(TARGETS)), ("AS IMPLICIT", ("text",)), ("AS IMPLICIT", ("numeric",))]
)
def test_predictions_labels_and_two_tables_run_no_cast(world, declared, targets):
    world.run("mallory", TABLES)
    world.run(
        "installer",
        """
        CREATE TABLE features.pred (id int, mood evil.mood, dom evil.dom, day date, at timestamptz, score float8, PRIMARY KEY (mood, dom, id));
        CREATE TABLE features.label (id int, mood evil.mood, dom evil.dom, at timestamptz, label boolean, PRIMARY KEY (mood, dom, id));
        CREATE TABLE features.other (id int PRIMARY KEY, mood evil.mood, dom evil.dom);
        CREATE TABLE features.same (id int PRIMARY KEY, mood evil.mood, dom evil.dom);
        GRANT ALL ON features.pred, features.label, features.other, features.same TO $writer;
        """,
    )
    world.apply(
        """
        table: features.pred
        kind: predictions
        writes: bulk
        batch: {by: day}
        key: [mood, dom, id]
        predictions: {score: score, at: at}
        labels: {table: features.label, on: [mood, dom, id], label: label, at: at, positive: true, maturity: 1 hour, segments: [mood]}
        rules:
          - auc: {ml_metric: {of: accuracy, min: 0.1}}
        """
    )
    world.apply(
        """
        table: features.same
        batch: statement
        assertions:
          - alike: {same_as: {table: features.other, on: id, columns: [mood, dom]}}
          - there: {exists_for_each: {table: features.other, on: id}}
        """
    )
    world.run("mallory", casts(declared, targets))
    world.run(
        "writer",
        "INSERT INTO features.pred VALUES (1, 'ok', 'ok', '2026-01-01', '2026-01-01 00:00+00', 0.9), (2, 'sad', 'ok', '2026-01-01', '2026-01-01 00:00+00', 0.2)",
    )
    world.run(
        "writer",
        "INSERT INTO features.label VALUES (1, 'ok', 'ok', '2026-01-02 00:00+00', true), (2, 'sad', 'ok', '2026-01-02 00:00+00', true)",
    )
    world.run("installer", "SELECT pgslo.tick(); SELECT pgslo.tick()")
    world.run(
        "writer",
        "UPDATE features.label SET label = false WHERE id = 2; UPDATE features.pred SET score = 0.3 WHERE id = 1; DELETE FROM features.label WHERE id = 1",
    )
    world.run("installer", "SELECT pgslo.tick(); SELECT pgslo.tick()")
    world.run(
        "writer",
        "INSERT INTO features.other VALUES (1, 'ok', 'ok'); INSERT INTO features.same VALUES (1, 'sad', 'sad')",
    )
    world.run("installer", "SELECT pgslo.audit('features.same'); SELECT pgslo.tick()")
    assert loot(world) == []
    assert world.admin.execute("SELECT count(*) FROM pgslo_catalog.rule_break").fetchone() == (0,)
    assert ("alike",) in world.admin.execute("SELECT rule FROM pgslo.incident").fetchall()
