"""Every kind of rule by every mechanism: without an object that it rests on, no rule is called in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgslo.database import installation, operations

GOLDEN = Path(__file__).parents[2] / "golden"
OWN = {f"kinds/{path.name}": path.read_text() for path in (GOLDEN / "kinds").glob("*.sql")}

#: Definitions of what no golden has.
OTHERS = {
    "exclusion": """
        table: features.staff
        owner: people
        watch: false
        assertions:
          - one_job_at_a_time: {no_overlap: {from: since, to: until}, on_breach: reject}
    """,
    "not null": """
        table: features.user_stats
        owner: growth
        watch: false
        columns:
          age: [not_null: {on_breach: reject}]
    """,
    "on read": """
        table: features.user_stats
        owner: growth
        watch: false
        schema: {columns: {user_id: bigint}, on_breach: warn}
    """,
    "learned": """
        table: features.user_stats
        owner: growth
        batch: {by: feature_date}
    """,
    "streamed": """
        table: features.user_stats
        owner: growth
        writes: stream
        watch: false
        batch: {by: feature_date}
        freshness: {max_age: 1 day, of: last_seen_at}
        columns:
          age: [range: {min: 0, on_breach: reject}, range: {max: 9, on_breach: quarantine}, completeness: {min: 0.5}]
          score: [repair: {clip: [0, 1]}]
    """,
}
KINDS = [
    *OTHERS,
    *sorted(str(path.relative_to(GOLDEN).with_suffix("")) for path in GOLDEN.rglob("*.yml")),
]
#: How an object in the words of ``status`` is taken away: queries that return the statement for each of these objects.
_AWAY = {
    "trigger ": """
        SELECT format('DROP TRIGGER %%I ON %%s', g.tgname, g.tgrelid::regclass) FROM pg_trigger g
        WHERE g.tgname = %(name)s::text AND g.tgparentid = 0
        UNION ALL
        SELECT format('ALTER TABLE %%s DISABLE TRIGGER %%I', g.tgrelid::regclass, g.tgname) FROM pg_trigger g
        WHERE g.tgname = %(name)s::text AND g.tgparentid = 0
        UNION ALL
        SELECT format('ALTER TABLE %%s ENABLE REPLICA TRIGGER %%I', g.tgrelid::regclass, g.tgname) FROM pg_trigger g
        WHERE g.tgname = %(name)s::text AND g.tgparentid = 0
        UNION ALL
        SELECT DISTINCT format('DROP FUNCTION %%s CASCADE', g.tgfoid::regprocedure) FROM pg_trigger g
        WHERE g.tgname = %(name)s::text AND g.tgparentid = 0""",
    "unique index ": "SELECT format('DROP INDEX %%s', %(name)s::text)",
    "exclusion constraint ": """
        SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', k.conrelid::regclass, k.conname) FROM pg_constraint k
        WHERE k.conname = %(name)s::text""",
    "a unique index on ": """
        SELECT format('DROP INDEX %%s', i.indexrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indisunique AND starts_with(c.relname, 'pgslo__')
          AND %(name)s::text = (SELECT format('(%%s)', string_agg(a.attname, ', ' ORDER BY k.place))
                          FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
                          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number)""",
    "a foreign key on ": """
        SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', k.conrelid::regclass, k.conname) FROM pg_constraint k
        WHERE k.contype = 'f' AND starts_with(k.conname, 'pgslo__')
        UNION ALL
        SELECT format('ALTER TABLE %%s DISABLE TRIGGER ALL', k.conrelid::regclass) FROM pg_constraint k
        WHERE k.contype = 'f' AND starts_with(k.conname, 'pgslo__')""",
    "NOT NULL of column ": """
        SELECT format('ALTER TABLE %%s ALTER %%I DROP NOT NULL', s.relation, s.column_name) FROM pgslo_catalog.native_not_null s
        WHERE s.column_name = %(name)s::text""",
    "relation ": """
        SELECT format('ALTER TABLE %%s RENAME TO elsewhere', %(name)s::text)
        UNION ALL
        SELECT format('DROP TABLE %%s CASCADE', %(name)s::text)""",
    "view ": "SELECT format('DROP VIEW %%s CASCADE', %(name)s::text)",
    "pgslo.tick(), which closes batches": """
        SELECT 'INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation, written_at)'
               ' SELECT definition_id, ''2026-01-01'', 1, 1, ''judged'', now() - interval ''3 minutes'' FROM pgslo_catalog.definition'""",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_is_in_force_without_what_it_rests_on(tables, kind):
    text = OTHERS.get(kind) or (GOLDEN / f"{kind}.yml").read_text()
    made = tables.guard(text, kinds=OWN)
    connection = tables.connection
    connection.execute(installation.remembering([made.choices[0][0]]).text.encode())
    connection.execute("SET LOCAL client_min_messages = error")
    _, standings = operations.examine(connection)
    if kind == "on read":
        assert [one.mechanism for one in standings] == ["on read"]
    for one in standings:
        assert (one.in_force, one.why) == ("yes", ()), one
        assert one.rests_on, f"{one.rule} rests on something"
    stated = {one.rule for one in standings}
    assert stated >= {choice.rule.name for _, choices in made.choices for choice in choices}
    things = dict.fromkeys(thing for one in standings for thing in one.rests_on)
    for thing in things:
        ways = statements(connection, thing)
        if thing == "pgslo.tick(), which closes batches" and "streamed" in kind:
            continue  # Batches of a streamed table are read from it when tick() runs.
        assert ways, f"{thing} can be taken away"
        for way in ways:
            with connection.transaction(force_rollback=True):
                connection.execute(way.encode())
                findings, now = operations.examine(connection)
            resting = [one.rule for one in standings if thing in one.rests_on]
            called = [one.rule for one in now if one.rule in resting and one.in_force == "yes"]
            assert called == [], f"{called} after {way}: {findings}"
            assert all(one.why for one in now if one.in_force != "yes"), way
    without_functions(connection)


def statements(connection, thing):
    start = next(start for start in _AWAY if thing.startswith(start))
    found = connection.execute(_AWAY[start].encode(), {"name": thing.removeprefix(start)}).fetchall()
    return [statement for (statement,) in found]


def without_functions(connection):
    """A rule that a trigger carries is not called in force when the body of each generated function was changed."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "UPDATE pg_proc SET prosrc = prosrc || ' ' WHERE pronamespace = 'pgslo_gen'::regnamespace"
        )
        _, now = operations.examine(connection)
    for one in now:
        assert one.in_force != "yes" or one.mechanism in ("native", "on read"), one
