"""Values for which the condition of an assertion raises an error: no transaction passes by them, and no error shows them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

COUNT = "count: {{max: 1}}, where: {}, group_by: g"
#: By name: the condition, a value that it is true of, one that it raises an error for, and their type.
POISON = {
    "array of two dimensions": (
        '"array_position(v, 7) IS NOT NULL"',
        "'{7}'",
        "'{{7},{7}}'",
        "int[]",
    ),
    "months in date_bin": ('"date_bin(v, at, at) = at"', "'1 day'", "'1 month'", "interval"),
    "json with and without a zone": (
        "\"jsonb_path_exists(v, '$.a.datetime() < $.b.datetime()')\"",
        """'{"a": "2020-01-01", "b": "2021-01-01"}'""",
        """'{"a": "2020-01-01", "b": "2021-01-01 00:00:00+00"}'""",
        "jsonb",
    ),
    "no number": ('"v::integer > 5"', "'7'", "'seven'", "text"),
}


def define(
    world: Any,
    what: str,
    type_: str,
    *,
    writes: str = "bulk",
    extra: str = "",
    on_breach: str = "reject",
) -> None:
    world.run(
        "installer",
        f"""CREATE TABLE features.ex (id integer PRIMARY KEY, day date, g integer, at timestamptz DEFAULT '2026-01-01 00:00+00', kind integer, n integer, v {type_});
            CREATE INDEX ON features.ex (g);
            GRANT {extra or "ALL"} ON features.ex TO $writer""",
    )
    world.apply(
        f"""
        table: features.ex
        owner: sam
        key: [id]
        writes: {writes}
        batch: {{by: day}}
        watch: false
        readers: [$reader]
        assertions:
          - one: {{{what}, on_breach: {on_breach}}}
        """
    )


@pytest.mark.parametrize("name", POISON)
def test_a_value_that_cannot_be_judged_lets_no_breach_in(world: Any, name: str) -> None:
    condition, good, poison, type_ = POISON[name]
    define(world, COUNT.format(condition), type_)
    writer = world.session("writer")
    writer.execute(f"INSERT INTO features.ex (id, day, g, v) VALUES (1, '2026-01-01', 1, {good})")
    with pytest.raises(psycopg.errors.CheckViolation):
        writer.execute(f"INSERT INTO features.ex (id, day, g, v) VALUES (2, '2026-01-01', 1, {good})")
    with pytest.raises(psycopg.Error) as refused:
        writer.execute(
            f"INSERT INTO features.ex (id, day, g, v) VALUES (2, '2026-01-01', 1, {good}), (3, '2026-01-01', 1, {poison})"
        )
    assert refused.value.sqlstate is not None
    assert refused.value.sqlstate[:2] in {"0A", "22"}, refused.value
    assert world.run("superuser", "SELECT id FROM features.ex") == [(1,)]
    # Nothing is broken: the assertion goes on, and no reader is warned.
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    with pytest.raises(psycopg.errors.CheckViolation):
        writer.execute(
            f"INSERT INTO features.ex (id, day, g, v) VALUES (4, '2026-01-01', 2, {good}), (5, '2026-01-01', 2, {good})"
        )


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    "kind",
    [
        "adds_up_to: {column: n, total: 1}",
        "count: {max: 1}",
        "all_equal: n",
    ],
)
def test_no_error_shows_a_value_to_a_writer_without_select(world: Any, kind: str, writes: str) -> None:
    define(
        world,
        f'{kind}, where: "kind = 1 AND v::int > 5", group_by: g',
        "text",
        writes=writes,
        extra="UPDATE (kind, n)",
    )
    world.run(
        "installer",
        "INSERT INTO features.ex (id, day, g, kind, n, v) VALUES (1, '2026-01-01', 1, 0, 1, 'ssn 078-05-1120')",
    )
    writer = world.session("writer")
    with pytest.raises(psycopg.Error) as refused:
        writer.execute("UPDATE features.ex SET kind = 1")
    diag = refused.value.diag
    said = " ".join(
        filter(None, (diag.message_primary, diag.message_detail, diag.message_hint, diag.context))
    )
    assert "078-05" not in said, said
    assert "22P02" in said, said


def test_who_may_read_is_told_the_value(world: Any) -> None:
    define(world, COUNT.format('"v::int > 5"'), "text")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="seven"):
        world.run("superuser", "INSERT INTO features.ex (id, day, g, v) VALUES (1, '2026-01-01', 1, 'seven')")


def test_a_table_that_is_not_what_it_was_stops_no_write(world: Any) -> None:
    define(world, COUNT.format('"v::int > 5"'), "text")
    world.run("installer", "ALTER TABLE features.ex RENAME v TO w")
    world.run(
        "superuser",
        "INSERT INTO features.ex (id, day, g, w) VALUES (1, '2026-01-01', 1, '7'), (2, '2026-01-01', 1, '7')",
    )
    assert world.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break") == [("42703",)]


@pytest.mark.parametrize(
    ("condition", "is_noted"), [("v::int > 5", True), ("g / n > 1", True), ("v = ''a'' AND g > 1", False)]
)
def test_the_plan_notes_a_condition_of_an_index_that_can_fail(
    session: Any, condition: str, is_noted: bool
) -> None:
    session.run("CREATE TABLE features.ex (id integer PRIMARY KEY, g integer, n integer, v text)")
    made = session.plan(
        f"""
        table: features.ex
        owner: sam
        rules:
          - u: {{unique: [g], where: '{condition}', on_breach: reject}}
        """
    )
    assert any("shows values to the row's writer" in note for note in made.notes) == is_noted


def heard(world: Any, role: str, statement: str) -> list[str]:
    session = world.session(role)
    found: list[str] = []
    session.add_notice_handler(lambda said: found.append(said.sqlstate))
    session.execute(statement.encode())
    return found


@pytest.mark.parametrize(
    ("good", "poison", "name"),
    [("'7'", "'seven'", "no number"), ("'{7}'", "'{{7},{7}}'", "array of two dimensions")],
)
def test_a_row_that_raises_is_looked_at_again(world: Any, good: str, poison: str, name: str) -> None:
    """Other groups are judged meanwhile, and readers are warned no longer than the row is there."""
    define(world, COUNT.format(POISON[name][0]), POISON[name][3], on_breach="warn")
    insert = "INSERT INTO features.ex (id, day, g, v) VALUES "
    # A group that is broken, and then cannot be judged.
    world.run("writer", f"{insert} (1, '2026-01-01', 1, {good}), (2, '2026-01-01', 1, {good})")
    world.run("operator", "SELECT pgslo.tick()")
    assert heard(
        world, "writer", f"{insert} (3, '2026-01-01', 1, {poison}), (4, '2026-01-01', 2, {good})"
    ) == ["01SL2"]
    for _ in range(2):
        assert "01SL2" in heard(world, "reader", "SELECT v FROM guarded.ex")
        world.run("operator", "SELECT pgslo.tick()")
    # What is open does not end; another group opens.
    assert world.run("superuser", "SELECT count(*) FROM pgslo.incident WHERE over_at IS NULL") == [(1,)]
    world.run("writer", f"{insert} (5, '2026-01-01', 2, {good})")
    world.run("operator", "SELECT pgslo.tick()")
    assert world.run("steward", "SELECT group_shown FROM pgslo.broken_group") == [("(g) = (2)",)]
    # All groups at once are not known to be met either.
    assert (None,) in world.run("steward", "SELECT group_shown FROM pgslo.audit('features.ex')")
    assert world.run("steward", "SELECT group_shown FROM pgslo.broken_group") == [("(g) = (2)",)]
    world.run("writer", "DELETE FROM features.ex WHERE id IN (2, 3, 5)")
    world.run("operator", "SELECT pgslo.tick()")
    assert world.run("superuser", "SELECT error_code, batch FROM pgslo_catalog.rule_break") == []
    assert heard(world, "reader", "SELECT v FROM guarded.ex") == []
    assert world.run("superuser", "SELECT count(*) FROM pgslo.incident WHERE over_at IS NULL") == [(0,)]


@pytest.mark.parametrize("rows", ["(2, '2026-01-01', 1)", "(2, '2026-01-01', 1), (3, '2026-01-01', 2)"])
def test_no_writer_keeps_another_waiting_without_end(world: Any, rows: str) -> None:
    define(world, "count: {max: 5}, group_by: g", "text", extra="INSERT")
    holder, writer = world.session("writer"), world.session("writer")
    holder.execute("BEGIN")
    holder.execute("INSERT INTO features.ex (id, day, g) VALUES (1, '2026-01-01', 1)")
    holder.execute("SET CONSTRAINTS ALL IMMEDIATE")
    writer.execute("SET lock_timeout = '700ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable) as error:
        writer.execute(f"INSERT INTO features.ex (id, day, g) VALUES {rows}".encode())
    assert 'the turn to commit groups of assertion "one"' in str(error.value)
    # The role that logged in, as in pg_stat_activity.
    assert error.value.diag.message_detail == f"It is process {holder.info.backend_pid}, role postgres."
    holder.execute("COMMIT")
    writer.execute(f"INSERT INTO features.ex (id, day, g) VALUES {rows}".encode())
    assert writer.execute("SHOW lock_timeout").fetchone() == ("700ms",)
    # A turn that was given back by a rollback is free.
    holder.execute("BEGIN")
    holder.execute("INSERT INTO features.ex (id, day, g) VALUES (8, '2026-01-01', 1)")
    holder.execute("SET CONSTRAINTS ALL IMMEDIATE")
    holder.execute("ROLLBACK")
    writer.execute("INSERT INTO features.ex (id, day, g) VALUES (9, '2026-01-01', 1)")


def test_the_wait_ends_where_nobody_asked_for_it(world: Any) -> None:
    found = world.run("superuser", "SELECT proconfig FROM pg_proc WHERE proname = 'wait_for_guard'")
    assert "lock_timeout=1min" in found[0][0]
