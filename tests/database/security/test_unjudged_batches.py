"""Rules that refuse batches refuse those that they cannot judge, and no error of a row stays once the row is deleted."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, n int, s text, v int[], iv interval, at timestamptz DEFAULT '2026-01-01 00:00+00');
GRANT {rights} ON features.ex TO $writer
"""
DEFINITION = """
table: features.ex
owner: sam
key: [id]
batch: {{by: {by}}}
watch: false
readers: [$reader]
columns:
  n: [{rule}]
"""
REFUSING = {
    "mean": "statistic: {{of: mean, max: 5, reject_above: 9, where: {}}}",
    "sum": "statistic: {{of: sum, max: 50, reject_above: 90, where: {}}}",
    "completeness": "completeness: {{min: 0.9, reject_below: 0.5, where: {}}}",
}
#: The condition, a value that it is true of, and one that it raises an error for.
CONDITIONS = {
    "s": ('"s::int > 0"', "'1'", "'secret'"),
    "v": ('"array_position(v, 7) IS NOT NULL"', "'{7}'", "'{{7},{8}}'"),
}
BINNED = "\"date_bin(iv, at, '2026-01-01 00:00+00'::timestamptz)\""


def define(world: Any, rule: str, *, by: str = "day", rights: str = "ALL") -> None:
    world.run("installer", TABLE.format(rights=rights))
    world.apply(DEFINITION.format(by=by, rule="{" + rule + "}"))


def heard(world: Any, role: str, statement: str) -> list[str]:
    session = world.session(role)
    found: list[str] = []
    session.add_notice_handler(lambda said: found.append(said.sqlstate))
    session.execute(statement.encode())
    return found


def refused(world: Any, statement: str) -> str:
    """The whole error of the writer."""
    with pytest.raises(psycopg.errors.CheckViolation) as error:
        world.run("writer", statement)
    diag = error.value.diag
    return "\n".join(
        filter(
            None,
            (
                diag.message_primary,
                diag.message_detail,
                diag.message_hint,
                diag.context,
                diag.constraint_name,
            ),
        )
    )


@pytest.mark.parametrize("column", CONDITIONS)
@pytest.mark.parametrize("form", REFUSING)
def test_a_row_that_raises_lets_no_batch_in(world: Any, form: str, column: str) -> None:
    condition, good, poison = CONDITIONS[column]
    define(world, REFUSING[form].format(condition))
    type_ = "int[]" if column == "v" else "text"
    bad = "NULL" if form == "completeness" else "1000"

    def load(n: str, first: str) -> str:
        return f"""INSERT INTO features.ex (id, day, n, {column})
                   SELECT i, '2026-01-01', {n}, CASE i WHEN 1 THEN {first} ELSE {good}::{type_} END FROM generate_series(1, 20) i"""

    assert "violates rule" in refused(world, load(bad, good))
    for n in (bad, "1"):
        said = refused(world, load(n, poison))
        assert "cannot be judged by rule" in said
        assert "secret" not in said
    world.run("writer", load("1", good))
    assert "cannot be judged by rule" in refused(
        world, f"UPDATE features.ex SET {column} = {poison} WHERE id = 2"
    )
    assert "violates rule" in refused(world, f"UPDATE features.ex SET n = {bad}")
    world.run("writer", "DELETE FROM features.ex WHERE id = 1")
    assert world.run("superuser", "SELECT count(*) FROM features.ex") == [(19,)]
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


@pytest.mark.parametrize(("renamed", "by"), [("s", "day"), ("iv", BINNED)])
def test_a_table_that_is_not_what_it_was_refuses_nothing(world: Any, renamed: str, by: str) -> None:
    define(world, REFUSING["mean"].format('"s::int > 0"'), by=by)
    world.run("installer", f"DROP VIEW guarded.ex; ALTER TABLE features.ex RENAME {renamed} TO w")
    world.run("writer", "INSERT INTO features.ex (id, day, n) VALUES (1, '2026-01-01', 1000)")
    assert world.run("superuser", "SELECT n FROM features.ex") == [(1000,)]
    # Also until the next tick(), which counts what was not measured.
    world.run("installer", f"ALTER TABLE features.ex RENAME w TO {renamed}")
    world.apply(DEFINITION.format(by=by, rule="{" + REFUSING["mean"].format('"s::int > 0"') + "}"))
    world.run("writer", "INSERT INTO features.ex (id, day, n, iv) VALUES (2, '2026-01-01', 1, '1 day')")


@pytest.mark.parametrize(
    "gone",
    ["DELETE FROM features.ex WHERE id = 1", "UPDATE features.ex SET iv = '1 day', v = '{7}', s = '1'"],
)
@pytest.mark.parametrize(
    ("row", "by", "rule"),
    [
        ("'1 month', '{7}', '1'", BINNED, "range: {max: 100, name: r}"),
        (
            "'1 day', '{{7},{8}}', '1'",
            "day",
            'statistic: {of: mean, max: 5, where: "array_position(v, 7) IS NOT NULL"}',
        ),
        ("'1 day', '{7}', 'x'", "day", 'statistic: {of: mean, max: 5, where: "s::int > 0"}'),
    ],
    ids=["batch", "array", "number"],
)
def test_a_row_that_raised_warns_nobody_once_it_is_gone(
    world: Any, row: str, by: str, rule: str, gone: str
) -> None:
    define(world, rule, by=by)
    world.run(
        "writer",
        f"INSERT INTO features.ex (id, day, n, iv, v, s) VALUES (1, '2026-01-01', 1, {row}), (2, '2026-01-01', 1, '1 day', '{{7}}', '1')",
    )
    world.run("superuser", "SELECT pgslo.close_batch('features.ex', NULL)")
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break WHERE batch IS NULL") == [
        (0,)
    ]
    world.run("writer", gone)
    world.run("operator", "SELECT pgslo.tick()")
    world.run("superuser", "SELECT pgslo.close_batch('features.ex', NULL)")
    world.run("operator", "SELECT pgslo.tick()")
    assert (
        world.run("superuser", "SELECT error_code, error_message, batch FROM pgslo_catalog.rule_break") == []
    )
    assert heard(world, "reader", "SELECT n FROM guarded.ex") == []
