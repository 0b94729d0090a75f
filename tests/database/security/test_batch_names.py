"""Case 9: the name of a batch shows its key only where that is a date, time or number, or where the definition says so."""

from __future__ import annotations

import re

import psycopg
import pytest

HASH = re.compile(r"^text [0-9a-f]{32}$")
EMP = """
table: features.emp
owner: sam
key: [id]
writes: {writes}
batch: {{by: {by}{more}}}
columns:
  salary:
    - range: {{min: 0, max: 5000, on_breach: warn, name: cap}}
{rules}
readers: [$reader]
"""
MONO = "    - monotonic: {order: seq, name: mono}"


@pytest.fixture(params=["bulk", "stream"])
def writes(request):
    return request.param


def make(world, writes, key_type="text", more="", by="email", rules=""):
    """A guarded table with batches by a column of some type."""
    world.run(
        "installer",
        "CREATE TYPE features.mood AS ENUM ('joe@example.com', 'ok'); CREATE TYPE features.pair AS (a int, b text)",
    )
    world.run("installer", "GRANT USAGE ON TYPE features.mood, features.pair TO $writer")
    world.run(
        "installer",
        f"CREATE TABLE features.emp (id int PRIMARY KEY, email {key_type}, salary int, seq int); GRANT INSERT, UPDATE, DELETE, SELECT ON features.emp TO $writer",
    )
    if writes == "stream":
        rules = ""
    world.apply(EMP.format(writes=writes, by=by, more=more, rules=rules))


def everything(world) -> str:
    """All that readers of the table see of it, and all state but the rows of samples and quarantine."""
    shown = []
    for view in ("incident", "batch", "verdict", "page", "incident_event", "column_history", "status"):
        shown += world.run("reader", f"SELECT to_json(v)::text FROM pgslo.{view} AS v")
    shown += world.run(
        "reader",
        "SELECT e.topic || e.fact FROM pgslo.incident i CROSS JOIN pgslo.explain(i.incident_id) AS e",
    )
    shown += world.run("reader", "SELECT pgslo.status_of('features.emp')::text")
    for table in ("fragment", "batch", "incident", "incident_event", "verdict", "profile"):
        column = "name" if table == "batch" else "opened_batch" if table == "incident" else "batch"
        shown += world.run("superuser", f"SELECT {column} FROM pgslo_catalog.{table}")
    return "\n".join(str(row[0]) for row in shown)


def names(world) -> list[str]:
    return [
        name
        for (name,) in world.run(
            "superuser",
            "SELECT DISTINCT batch FROM pgslo_catalog.fragment WHERE batch NOT IN ('') ORDER BY 1",
        )
    ]


def test_a_text_is_hashed_everywhere(world, writes):
    make(world, writes, rules=MONO)
    with world.session("writer") as session:
        told: list[str] = []
        session.add_notice_handler(
            lambda one: told.append(f"{one.message_primary} {one.message_detail} {one.message_hint}")
        )
        session.execute(
            "INSERT INTO features.emp VALUES (1, 'joe@example.com', 9999, 1), (2, 'joe@example.com', 9998, 2)"
        )
    if writes == "bulk":
        closed = world.run(
            "operator",
            "SELECT batch_name, rule, verdict FROM pgslo.close_batch('features.emp', 'joe@example.com')",
        )
        assert ("mono", "missed") in [row[1:] for row in closed]
        assert all(HASH.match(row[0]) for row in closed)
        # By its name as well.
        assert world.run(
            "operator", f"SELECT count(*) > 0 FROM pgslo.close_batch('features.emp', '{closed[0][0]}')"
        ) == [(True,)]
    world.run("operator", "SELECT pgslo.tick()")
    with world.session("reader") as session:
        session.add_notice_handler(
            lambda one: told.append(f"{one.message_primary} {one.message_detail} {one.message_hint}")
        )
        session.execute("SELECT * FROM guarded.emp")
    assert len(told) >= 2
    text = everything(world) + "\n".join(told)
    assert "joe@" not in text
    (name,) = names(world)
    assert HASH.match(name)
    assert name in text


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("2026-01-01", True),
        ("2026-01-01T10:00:00Z", True),
        ("2026-01-01 10:00:00.5+02", True),
        ("2026-01", True),
        ("17", True),
        ("-1.50", True),
        ("078-05-1120", False),
        ("2026-01-01\nX-Header: joe", False),
        ("2026-01-01 joe", False),
        ("1e5", False),
        ("load 17", False),
        ("NULL", False),
        ("unknown", False),
        ("*", False),
        ("", False),
        ("text 0123456789abcdef0123456789abcdef", False),
    ],
)
def test_a_date_or_a_number_is_shown(world, key, shown):
    make(world, "bulk")
    with world.session("writer") as session:
        session.execute("INSERT INTO features.emp VALUES (1, %s, 1, 1)", (key,))
    (name,) = names(world)
    if shown:
        assert name == key
    else:
        assert HASH.match(name)
        assert name != key


@pytest.mark.parametrize(
    ("key_type", "value", "shown"),
    [
        ("uuid", "'12345678-1234-1234-1234-123456789abc'", True),
        ("boolean", "true", True),
        ("features.mood", "'joe@example.com'", False),
        ("text[]", "'{joe@example.com}'", False),
        ("jsonb", """'{"a": "joe@example.com"}'""", False),
        ("inet", "'10.0.0.7'", False),
        ("varchar(40)", "'joe@example.com'", False),
    ],
)
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_other_types(world, writes, key_type, value, shown):
    make(world, writes, key_type)
    world.run("writer", f"INSERT INTO features.emp VALUES (1, {value}, 9999, 1)")
    (name,) = names(world)
    assert bool(HASH.match(name)) is not shown


def test_two_keys_never_share_a_name(world):
    """With names shown as well: a key that is as another key's name would be."""
    long = "x" * 300
    for more in ("", ", show_names: true"):
        make(world, "bulk", more=more)
        keys = [None, "NULL", "unknown", "*", "", "2026-01-01", "a", "A", " a", long, long + "y"]
        for turn in range(2):
            if turn:
                # Names that exist become keys themselves.
                keys = list(dict.fromkeys([*keys, *names(world)]))
            with world.session("writer") as session:
                for key in keys:
                    session.execute(
                        "INSERT INTO features.emp SELECT count(*), %s, 1, 1 FROM features.emp", (key,)
                    )
        found = names(world)
        # The name of NULL is a key's as well, and that one has another name.
        assert len(found) == len(keys), sorted(found)
        world.run(
            "installer", "DROP TABLE features.emp CASCADE; DROP TYPE features.mood; DROP TYPE features.pair"
        )
        world.run("superuser", "SELECT pgslo_catalog.unregister('features.emp')")


def test_names_are_shown_where_the_definition_says_so(world):
    make(world, "bulk", more=", show_names: true")
    world.run("writer", "INSERT INTO features.emp VALUES (1, 'load 17', 9999, 1)")
    assert world.run("reader", "SELECT opened_batch FROM pgslo.incident WHERE rule = 'cap'") == [("load 17",)]


def test_one_key_has_one_name_on_all_paths(world):
    """Insert, update, delete, rows that came before pgslo and a recount from the table add up in one batch."""
    world.run(
        "installer",
        "CREATE TABLE features.emp (id int PRIMARY KEY, email text, salary int, seq int); GRANT ALL ON features.emp TO $writer",
    )
    world.run(
        "installer", "INSERT INTO features.emp SELECT n, 'joe@example.com', 1, n FROM generate_series(1, 5) n"
    )
    world.apply(EMP.format(writes="bulk", by="email", more="", rules=MONO))
    world.run("writer", "INSERT INTO features.emp VALUES (6, 'joe@example.com', 2, 6)")
    world.run("writer", "UPDATE features.emp SET salary = 3 WHERE id = 6")
    # More are taken away than are known: the batch is counted from the table.
    world.run("writer", "DELETE FROM features.emp WHERE id <= 3")
    world.run("operator", "SELECT * FROM pgslo.close_batch('features.emp', 'joe@example.com')")
    batches = world.run("auditor", "SELECT batch, rows FROM pgslo.batch")
    assert [rows for _, rows in batches] == [3]
    assert HASH.match(batches[0][0])
    assert world.run("reader", "SELECT said FROM pgslo.verdict WHERE rule = 'mono'")[0][0].startswith(
        "0 rows out of order"
    )


def test_a_salt_is_of_one_definition_and_nobody_reads_it(world):
    make(world, "bulk")
    world.run(
        "installer",
        "CREATE TABLE features.two (id int PRIMARY KEY, email text, salary int); GRANT INSERT ON features.two TO $writer",
    )
    world.apply(
        "table: features.two\nwrites: bulk\nbatch: {by: email}\ncolumns: {salary: [range: {min: 0, max: 9, on_breach: flag}]}\nreaders: [$reader]"
    )
    world.run(
        "writer",
        "INSERT INTO features.emp VALUES (1, 'joe@example.com', 1, 1); INSERT INTO features.two VALUES (1, 'joe@example.com', 1)",
    )
    assert len(names(world)) == 2
    for part in ("mallory", "reader", "writer", "auditor", "operator", "steward", "trainer"):
        for query in (
            "TABLE pgslo_catalog.secret",
            "SELECT pgslo_catalog.salt('features.emp')",
            "SELECT pgslo_catalog.hidden_name('joe@example.com'::text, 'x')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                world.run(part, query)
    generated = "".join(
        source
        for (source,) in world.run(
            "mallory", "SELECT prosrc FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace"
        )
    )
    (secret,) = world.run("installer", "SELECT value FROM pgslo_catalog.secret")[0]
    assert secret not in generated


def test_functions_of_the_tables_owner_name_batches_alike(world):
    """They run without rights on pgslo's tables, and show the owner the secret of this table's names, no other's."""
    world.run("superuser", "GRANT $mallory TO $installer; GRANT USAGE ON SCHEMA evil TO $writer, $reader")
    world.run(
        "mallory",
        "CREATE TABLE evil.emp (id int PRIMARY KEY, email text, salary int, seq int); GRANT ALL ON evil.emp TO $writer",
    )
    world.run(
        "mallory", "INSERT INTO evil.emp SELECT n, 'joe@example.com', 1, n FROM generate_series(1, 5) n"
    )
    world.apply(
        EMP.format(writes="bulk", by="email", more="", rules=MONO).replace("features.emp", "evil.emp")
    )
    world.run("writer", "INSERT INTO evil.emp VALUES (6, 'joe@example.com', 2, 6)")
    world.run("writer", "DELETE FROM evil.emp WHERE id <= 3")
    closed = world.run(
        "operator", "SELECT batch_name, rule, said FROM pgslo.close_batch('evil.emp', 'joe@example.com')"
    )
    assert {row[0] for row in closed} == set(names(world))
    assert ("mono", "0 rows out of order; the objective is at most 0") in [row[1:] for row in closed]
    assert [rows for (rows,) in world.run("auditor", "SELECT rows FROM pgslo.batch")] == [3]
    assert world.run("installer", "SELECT broken FROM pgslo.rule WHERE broken IS NOT NULL") == []
    # No role has a right on the schema but owners of guarded tables, and auditors.
    (own,) = world.run("mallory", "SELECT definition, salt FROM pgslo_catalog.own_salt")
    assert own == ("evil.emp", world.run("installer", "SELECT pgslo_catalog.salt('evil.emp')")[0][0])
    assert world.run("installer", "SELECT value FROM pgslo_catalog.secret")[0][0] not in own[1]
    assert world.run("auditor", "SELECT * FROM pgslo_catalog.own_salt") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("reader", "SELECT * FROM pgslo_catalog.own_salt")
