"""Two sessions, every order of their steps, every pair of isolation levels: committed rows satisfy the assertion.

The specs are in ``tests/isolation``; ``PGSLO_ISOLATION=all`` runs every order, ``--update-goldens`` with it writes what
came out.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from pathlib import Path

import psycopg
import pytest

from isolation import LEVELS, Order, Spec, Stage, shown
from pgslo import definition
from pgslo.database import installation, planning

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[2]
SPECS = {path.stem: path for path in sorted((TESTS / "isolation").glob("*.yml"))}
PAIRS = tuple(itertools.product(LEVELS, repeat=2))
RUNS_ALL = os.environ.get("PGSLO_ISOLATION") == "all"

TABLES = """
CREATE EXTENSION btree_gist;
CREATE SCHEMA ml;
CREATE TABLE ml.here (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, g int NOT NULL, v int DEFAULT 0, t int DEFAULT 0, e int, active boolean DEFAULT false);
CREATE INDEX ON ml.here (g);
CREATE TABLE ml.there (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, g int NOT NULL, v int DEFAULT 0);
CREATE INDEX ON ml.there (g);
CREATE TABLE ml.parent (g int PRIMARY KEY);
CREATE VIEW ml.both_tables AS SELECT g FROM ml.here UNION ALL SELECT g FROM ml.there;
"""


def guard(conn: psycopg.Connection, spec: Spec) -> None:
    conn.execute(TABLES.encode())
    text = f"table: ml.here\nowner: sam\nwatch: false\nassertions:\n  - it: {spec.assertion}, on_breach: reject}}\n"
    loaded = [definition.load(text, path=f"{spec.name}.yml")]

    def plan():
        return planning.plan_definitions(conn, loaded)

    made = plan()
    ((_, (choice,)),) = made.choices
    assert (choice.mechanism == "native") == spec.native, choice.reason
    assert installation.apply(conn, made, plan) == ()


def expected(name: str) -> dict[tuple[str, str], str]:
    """The expected outcome, by pair of levels and order."""
    found = {}
    pair = outcome = ""
    for line in (TESTS / "isolation" / "expected" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            found[pair, line.strip()] = outcome
        elif line.startswith("  "):
            outcome = line.strip()
        elif line:
            pair = line
    return found


def write_down(name: str, outcomes: dict[tuple[str, str], str]) -> None:
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (pair, order), outcome in outcomes.items():
        grouped[pair][outcome].append(order)
    lines = []
    for pair, by_outcome in grouped.items():
        lines.append(pair)
        for outcome in sorted(by_outcome):
            lines += [f"  {outcome}", *(f"    {order}" for order in by_outcome[outcome])]
    path = TESTS / "isolation" / "expected" / f"{name}.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_no_order_commits_a_breach(make_database, name, pytestconfig):
    spec = Spec.read(SPECS[name])
    orders: list[Order] = list(spec.orders() if RUNS_ALL else spec.closest())
    assert orders
    outcomes: dict[tuple[str, str], str] = {}
    with make_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            guard(conn, spec)
        stage = Stage(dsn, spec)
        try:
            for pair in PAIRS:
                for order in orders:
                    outcome, breaches = stage.run(order, pair)
                    key = ("a {}, b {}".format(*pair), shown(order))
                    outcomes[key] = outcome
                    assert breaches == [], key
                    assert "commits" in outcome, key
                    assert spec.native or "40P01" not in outcome, key
        finally:
            stage.close()
    if pytestconfig.getoption("--update-goldens") and RUNS_ALL:
        write_down(name, outcomes)
    known = expected(name)
    assert outcomes == {key: known.get(key) for key in outcomes}


def test_every_expected_outcome_has_a_spec():
    assert {path.stem for path in (TESTS / "isolation" / "expected").glob("*.txt")} == set(SPECS)
