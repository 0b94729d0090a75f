"""Functions in the partition key of a guarded table run with the rights of no role that applies, operates or uninstalls pgslo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.database.security.test_owners import SPY, ran

from pgslo.cli import main
from pgslo.errors import DefinitionErrors

World = Any
KEY = "LIST ((id % 2 + evil.spy(0)))"
PLAIN = "LIST ((id % 2))"
#: A function that PostgreSQL finds by an operator.
BY_OPERATOR = """
CREATE FUNCTION evil.sum(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.spy(1); RETURN $1 OPERATOR(pg_catalog.+) $2; END$$;
CREATE OPERATOR evil.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.sum);
"""
TABLE = """
CREATE TABLE evil.tab (id int, day date, a int) PARTITION BY {key};
CREATE TABLE evil.p0 PARTITION OF evil.tab FOR VALUES IN (0);
CREATE TABLE evil.p1 PARTITION OF evil.tab FOR VALUES IN (1);
CREATE INDEX ON evil.tab (day);
INSERT INTO evil.tab SELECT n, '2026-01-01', n FROM generate_series(1, 50) n;
GRANT SELECT, INSERT, UPDATE ON evil.tab TO $writer, $installer;
"""
DEFINITION = """
table: evil.tab
key: none
writes: {writes}
batch: {{by: day}}
columns: {{a: [range: {{min: 0, max: 100, on_breach: flag}}]}}
"""
#: A definition of another table that makes a trigger on this one.
LOOKS = """
table: features.own
key: [id]
writes: bulk
assertions: [none: {none_without: {table: evil.tab, on: {id: id}}, on_breach: flag}]
"""


def forget(world: World) -> None:
    world.run("superuser", "SELECT setval('evil.as_other', 1, false), setval('evil.as_mallory', 1, false)")


def as_other(world: World) -> bool:
    return bool(ran(world)[1])


@pytest.fixture
def spied(world: World) -> World:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", SPY + BY_OPERATOR)
    return world


@pytest.mark.parametrize("by", ["installer", "superuser"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("key", [KEY, "LIST ((id % 2 OPERATOR(evil.+) 0))"])
def test_apply_refuses_a_key_that_calls_code_of_another_role(
    spied: World, key: str, writes: str, by: str
) -> None:
    spied.run("mallory", TABLE.format(key=key))
    forget(spied)
    with pytest.raises(DefinitionErrors) as refused:
        spied.apply(DEFINITION.format(writes=writes), by=by)
    assert "a partition key of evil.tab calls" in str(refused.value)
    assert spied.names["mallory"] in str(refused.value)
    assert not as_other(spied)


@pytest.mark.parametrize("place", ["below", "above", "of another table"])
def test_so_it_does_of_parts_and_of_other_tables(spied: World, place: str) -> None:
    if place == "below":
        text = DEFINITION.format(writes="bulk")
        spied.run("mallory", TABLE.format(key=PLAIN))
        spied.run("mallory", f"CREATE TABLE evil.p2 PARTITION OF evil.tab DEFAULT PARTITION BY {KEY}")
    elif place == "above":
        text = LOOKS
        spied.run("installer", "CREATE TABLE features.own (id int PRIMARY KEY)")
        spied.run("mallory", f"CREATE TABLE evil.whole (id int, day date, a int) PARTITION BY {KEY}")
        spied.run(
            "mallory", TABLE.format(key=PLAIN).replace("(id int, day date, a int)", "(LIKE evil.whole)")
        )
        spied.run("mallory", "ALTER TABLE evil.whole ATTACH PARTITION evil.tab DEFAULT")
    else:
        text = LOOKS
        spied.run("mallory", TABLE.format(key=KEY))
        spied.run("installer", "CREATE TABLE features.own (id int PRIMARY KEY)")
    forget(spied)
    with pytest.raises(DefinitionErrors) as refused:
        spied.apply(text)
    assert "a partition key of evil.tab calls" in str(refused.value)
    assert not as_other(spied)


COMMANDS = (
    ("status", "--rules"),
    ("drift",),
    ("plan",),
    ("learn", "evil.tab"),
    ("pause", "evil.tab"),
    ("resume", "evil.tab"),
    ("backtest", "evil.tab"),
    ("metrics",),
    ("tick",),
    ("report", "-o", "report.html"),
    ("uninstall", "evil.tab", "--yes"),
)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_part_that_came_later_runs_nothing_as_who_operates(
    spied: World, world_dsn: str, writes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spied.run("mallory", TABLE.format(key=PLAIN))
    spied.apply(DEFINITION.format(writes=writes), by="superuser")
    # Of a streamed table, whoever makes a partition needs EXECUTE on the function of the trigger.
    spied.run("superuser", f"CREATE TABLE evil.p2 PARTITION OF evil.tab DEFAULT PARTITION BY {KEY}")
    spied.run("superuser", "ALTER TABLE evil.p2 OWNER TO $mallory")
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "tab.yml").write_text(DEFINITION.format(writes=writes))
    (tmp_path / "pgslo.toml").write_text('definitions = "slos"\n')
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        forget(spied)
        result = CliRunner().invoke(main, ["--dsn", world_dsn, *command])
        assert not as_other(spied), f"{command}: {result.output}"
        assert result.exit_code != 2, result.output
