"""Every function that runs with its owner's rights has a line in the documentation, a fixed search path and few callers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/explanation/security-definer.md"
TEMPLATES = ROOT / "sql/templates"
DEFINITION = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  a:
    - range: {{min: 0, max: 100, on_breach: flag}}
    - range: {{min: 0, max: 1000, on_breach: quarantine}}
  b: [repair: {{default: 0}}]
assertions: [same: {{all_equal: b, group_by: day, on_breach: reject}}]
freshness: {{max_age: 1 day, of: day}}
"""


def lines(heading: str) -> dict[str, list[str]]:
    """The cells of each line of the table below a heading, by the name in its first cell."""
    part = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.split("\n")
        if line.startswith("| `")
    ]
    names = [row[0].strip("`") for row in rows]
    assert len(names) == len(set(names))
    return dict(zip(names, rows, strict=True))


FUNCTIONS = """
    SELECT p.oid::regprocedure::text, p.pronamespace::regnamespace || '.' || p.proname, p.proconfig, p.prosecdef,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                   WHERE x.grantee = 0 AND x.privilege_type = 'EXECUTE'),
           p.proowner::regrole::text
    FROM pg_proc p
    WHERE p.pronamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot')
"""


def test_every_function_of_the_runtime_has_a_line(world):
    found = {
        name: (config, is_public)
        for _, name, config, definer, is_public, _ in world.run("superuser", FUNCTIONS)
        if definer
    }
    known = lines("Functions of the runtime")
    assert sorted(found) == sorted(known)
    for name, (_, is_public) in found.items():
        assert is_public == ("everybody" in known[name][2]), f"{name}: who may call it"


def test_none_takes_or_gives_a_type_of_the_callers_choice(world):
    """PL/pgSQL checks a domain's constraints where it makes a parameter or a variable of it: as the function's owner."""
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int)")
    world.run("installer", "CREATE INDEX ON features.ex (day)")
    world.apply(DEFINITION.format(writes="bulk"))
    types = world.run(
        "superuser",
        """
        SELECT p.oid::regprocedure::text, t.oid::regtype::text
        FROM pg_proc p
        CROSS JOIN LATERAL unnest(
            coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.provariadic
            -- OUT parameters are the fields of a record.
            || CASE WHEN p.proallargtypes IS NULL OR p.prorettype <> 'record'::regtype THEN p.prorettype END) AS x (type)
        JOIN pg_type t ON t.oid = x.type
        LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typlen = -1
        WHERE p.pronamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot') AND p.prosecdef
          AND (coalesce(e.typtype, t.typtype) IN ('p', 'd') AND t.oid NOT IN ('void'::regtype, 'trigger'::regtype)
               OR t.typnamespace NOT IN ('pg_catalog'::regnamespace, 'pgslo_catalog'::regnamespace))
          -- Its callers, the functions of the runtime, name the columns that they expect.
          AND NOT (p.prorettype = 'record'::regtype AND p.pronamespace = 'pgslo_gen'::regnamespace)
        """,
    )
    assert types == []


def test_none_has_a_variable_of_the_type_of_a_parameter():
    """In the text: also of functions that the definition above does not generate."""
    paths = [
        *(ROOT / "sql/runtime").glob("*.sql"),
        *TEMPLATES.rglob("*.j2"),
        *(ROOT / "tests/golden").rglob("*.sql"),
    ]
    seen = 0
    for path in paths:
        for function in path.read_text(encoding="utf-8").split("CREATE OR REPLACE FUNCTION ")[1:]:
            head, *body = function.split("$pgslo$")
            if body and "SECURITY DEFINER" in head:
                seen += 1
                polymorphic = re.search(
                    r"%(row)?type\b|\bALIAS\b|\bany[a-z]+\b",
                    f"{head} {body[0].split('BEGIN')[0]}",
                    re.IGNORECASE,
                )
                assert not polymorphic, (path.name, function[:100])
    assert seen > 100


def test_every_template_has_a_line():
    found = {
        path.name.removesuffix(".sql.j2")
        if path.parent.name != "rules"
        else f"rules/{path.name.removesuffix('.sql.j2')}"
        for path in TEMPLATES.rglob("*.sql.j2")
        if "SECURITY DEFINER" in path.read_text(encoding="utf-8")
    }
    assert sorted(found) == sorted(lines("Generated functions"))


def test_no_cell_is_empty():
    for heading in ("Functions of the runtime", "Generated functions"):
        for name, cells in lines(heading).items():
            assert len(cells) == 4, name
            assert all(cells), name


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_each_has_a_fixed_search_path_and_generated_ones_have_no_callers(world, writes):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int)")
    world.run("installer", "CREATE INDEX ON features.ex (day)")
    world.apply(DEFINITION.format(writes=writes))
    generated = 0
    for signature, name, config, definer, is_public, owner in world.run("superuser", FUNCTIONS):
        if not definer:
            continue
        assert "search_path=pg_catalog, pg_temp" in config, signature
        assert owner == world.names["installer"], signature
        if name.startswith("pgslo_gen."):
            generated += 1
            assert not is_public, signature
    assert generated > 2


def test_generated_text_has_it_as_well():
    """Every golden: also of kinds that the definition above does not use."""
    seen = 0
    for path in (ROOT / "tests/golden").rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        for head in re.findall(r"CREATE OR REPLACE FUNCTION .*?AS \$pgslo\$", text, re.DOTALL):
            if "SECURITY DEFINER" in head:
                seen += 1
                assert "SET search_path = pg_catalog, pg_temp" in head, (path.name, head[:100])
    assert seen > 50
