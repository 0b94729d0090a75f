"""Operators and functions in a schema of the installer's search path, where others may create, are never used.

On PostgreSQL 14, and in databases that came from there, that schema is public.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pgslo import database
from pgslo.cli import main

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a:
    - range: {min: 0, max: 100, on_breach: quarantine}
    - unique: {on_breach: reject}
readers: [$reader]
"""

#: Arguments that fit better than those of PostgreSQL's own: text and name where generated code compares them, and so on.
TRAPS = """
CREATE TABLE evil.loot (who text, what text);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT ALL ON evil.loot TO PUBLIC;
CREATE FUNCTION public.same(name, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (CURRENT_USER, '='); RETURN $1 OPERATOR(pg_catalog.=) $2::name; END$$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.same);
CREATE FUNCTION public.concatenated(name, text) RETURNS text LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (CURRENT_USER, '||'); RETURN pg_catalog.concat($1, $2); END$$;
CREATE OPERATOR public.|| (LEFTARG = name, RIGHTARG = text, FUNCTION = public.concatenated);
CREATE FUNCTION public.format_type(oid, int2) RETURNS text LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (CURRENT_USER, 'format_type'); RETURN 'text'; END$$;
"""


@pytest.fixture
def trapped(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world in which everybody may create in public, and mallory did."""
    world.run("superuser", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    world.run("mallory", TRAPS)
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.ex TO $writer",
    )

    @contextlib.contextmanager
    def connect(dsn: str | None, **_trusted: Any) -> Any:
        del dsn
        with database.errors(), world.session("installer") as session:
            yield session

    monkeypatch.setattr(database, "connect", connect)
    return world


def test_the_library_calls_no_function_of_public(trapped: Any) -> None:
    trapped.apply(DEFINITION)
    trapped.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 1), (2, '2026-01-01', 999)")
    for arguments in (
        ["status"], ["drift"], ["incidents"], ["quarantine", "list"], ["learn", "features.ex"], ["suggest", "features.ex"],
        ["snapshot", "list"], ["backtest", "features.ex", "--batches", "3"], ["uninstall", "features.ex", "--drop-quarantine", "--yes"],
    ):  # fmt: skip
        result = CliRunner().invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert "does not exist" not in result.output, arguments
        assert "not unique" not in result.output, arguments
    assert trapped.run("superuser", "SELECT who, what FROM evil.loot") == []


RENDERED = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a: [unique: {on_breach: reject, where: "b = 'x'"}]
  b: [expression: {expression: "b = 'x' OR b <> ''", on_breach: reject}]
"""
BENT = """
CREATE FUNCTION public.bent(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.bent);
CREATE OPERATOR public.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.bent);
"""
USES = """
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d
WHERE d.refclassid = 'pg_operator'::regclass AND d.refobjid IN (SELECT o.oid FROM pg_operator o WHERE o.oprname IN ('=', '<>') AND o.oprnamespace = 'public'::regnamespace)
   OR d.refclassid = 'pg_proc'::regclass AND d.refobjid = 'public.bent(text, text)'::regprocedure AND d.classid <> 'pg_operator'::regclass
"""


@pytest.mark.parametrize("layout", ["plain", "revert"])
def test_a_rendered_plan_finds_the_same_operators_in_every_session(
    trapped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    trapped.run("mallory", BENT)
    trapped.run("superuser", "ALTER TABLE features.ex ADD b text")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("slos").mkdir()
    tmp_path.joinpath("slos/ex.yml").write_text(RENDERED, encoding="utf-8")
    assert CliRunner().invoke(main, ["render", "--to", "made"]).exit_code == 3
    session = trapped.session("installer")
    # What ~/.psqlrc, ALTER ROLE … SET or an earlier migration left.
    session.execute("SET search_path = public, pg_catalog")
    scripts = ["pgslo.up.sql", *(["pgslo.down.sql"] if layout == "revert" else [])]
    for script in scripts:
        for statement in split(tmp_path.joinpath("made", script).read_text(encoding="utf-8")):
            session.execute(statement.encode(), prepare=False)
    assert trapped.run("superuser", USES) == []
    assert session.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)


def split(script: str) -> list[str]:
    """The parts that psql sends: the transaction, then the rest."""
    together, _, after = script.partition("\nCOMMIT;\n")
    parts = [
        part
        for part in re.split(r"\n\n(?=-- )", after)
        if re.sub(r"^--.*$", "", part, flags=re.MULTILINE).strip()
    ]
    return [f"{together}\nCOMMIT;", *parts]


#: Commands as a superuser types them, each with what it needs.
COMMANDS = (
    ["status"], ["status", "--rules"], ["drift"], ["plan"], ["apply", "--yes"], ["migrate"], ["metrics"], ["report", "-o", "r.html"],
    ["incidents", "list"], ["learn", "features.ex"], ["suggest", "features.ex"], ["backtest", "features.ex", "--batches", "3"], ["tick"],
    ["snapshot", "list"], ["quarantine", "list"], ["prune", "--dry-run"], ["uninstall", "features.ex", "--yes", "--drop-quarantine"],
)  # fmt: skip
#: Equality of exactly the types that catalogues have.
EXACT = """
CREATE FUNCTION public.same({0}, {0}) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (CURRENT_USER, '{0}'); RETURN $1 OPERATOR(pg_catalog.=) $2; END$$;
CREATE OPERATOR public.= (LEFTARG = {0}, RIGHTARG = {0}, FUNCTION = public.same);
"""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_path_that_names_a_stranger_s_schema_first(
    world: Any, world_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """The owner of a database may set such a path for every session in it, that of a superuser as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", world_dsn)
    world.run("superuser", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.ex TO $writer",
    )
    world.apply(DEFINITION)
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 1), (2, '2026-01-01', 999)")
    (tmp_path / "slos").mkdir()
    text = world.sql(DEFINITION).replace("max: 100", "max: 90")
    (tmp_path / "slos" / "ex.yml").write_text(text, encoding="utf-8")
    world.run("mallory", TRAPS)
    for kind in ("name", "oid", "text", "int", "bigint", '"char"', "boolean", "timestamptz", "smallint"):
        world.run("mallory", EXACT.format(kind))
    name = world.admin.info.dbname
    world.run("superuser", f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    result = CliRunner().invoke(main, command)
    world.run("superuser", f"ALTER DATABASE {name} RESET search_path")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert world.run("superuser", "SELECT DISTINCT who, what FROM evil.loot") == [], result.output
