"""A function that belongs to pgslo's owner reads no table of a less trusted role, nor one with a part of such a role.

The owner of a table, or of a part of it, decides which code a read of it runs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgslo import definition
from pgslo.database import planning

GOLDEN = Path(__file__).parents[2] / "golden"
OWN = {f"kinds/{path.name}": path.read_text() for path in (GOLDEN / "kinds").glob("*.sql")}
PREDICTIONS = """
table: features.churn_score
kind: predictions
key: [user_id]
batch: {{by: scored_at, every: 1 day}}
predictions: {{score: score, class: churns, at: scored_at}}
labels: {{table: features.churn, on: [user_id], label: churned, at: known_at, positive: true, maturity: 1 day}}
post_process: {{apply: {apply}, raw: {raw}, trail: {trail}, steps: [{{default: {default}}}, {{clip: [0, 1]}}, {{threshold: 0.5}}, {{top_k: {{k: 3, per: [country], into: shown}}}}]}}
rules: [near: {{ml_metric: {{of: accuracy, min: 0.5}}}}]
"""
RULES = """
table: features.user_stats
key: [user_id, feature_date]
writes: {writes}
batch: {{by: feature_date}}
freshness: {{max_age: 30 days, of: last_seen_at}}
columns:
  age: [range: {{min: 0, on_breach: {action}}}]
  country: [references: {{table: dim.country, column: code, on_breach: {action}, name: known}}]
  email: [unique: {{on_breach: {action}, name: alone}}]
rules:
  - q: {{query: "SELECT t.user_id FROM features.user_stats t WHERE t.age > 500"}}
"""
#: Besides the goldens: other ways in which rows come, and what is done about one that fails.
MATRIX = {
    f"{action}, {writes}": RULES.format(action=action, writes=writes)
    for action in ("warn", "flag", "quarantine", "reject")
    for writes in ("bulk", "stream")
} | {
    "predictions on write": PREDICTIONS.format(
        apply="on_write", raw="raw_score", trail="trail", default="{last: [country], else: 0.2}"
    ),
    "predictions on read": PREDICTIONS.format(apply="on_read", raw="was", trail="steps", default="0.2"),
}
TEXTS = {str(path.relative_to(GOLDEN)): path.read_text() for path in sorted(GOLDEN.rglob("*.yml"))} | MATRIX
#: What is read in a text: a table after one of these words, or after a comma in a list of tables.
READS = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|USING|TABLE|ONLY)\s+(?:ONLY\s+)?((?:features|dim)\.\w+)|,\s*((?:features|dim)\.\w+) AS \w"
)


EXECUTED = re.compile(r"EXECUTE (\S+?)\(")
KNOWN = {f"pgslo_catalog.{name}" for name in ("counting", "counting_failures", "sampling", "showing")} | {
    "format"
}


def code(body: str) -> str:
    """A function's text without comments, and without constants if it executes no text."""
    body = re.sub(r"--[^\n]*", "", body)
    if "EXECUTE" in body:
        return body
    return re.sub(r"'(?:[^']|'')*'", "''", body)


@pytest.fixture
def strange(world):
    """The tables of the goldens, which belong to mallory."""
    given = (GOLDEN / "given/tables.sql").read_text().replace("CREATE SCHEMA features;", "")
    world.run("superuser", given)
    world.run(
        "superuser",
        """GRANT $mallory TO $installer; ALTER SCHEMA dim OWNER TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory;
           DO $$ DECLARE t regclass; BEGIN
             FOR t IN SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text IN ('features', 'dim') LOOP
               EXECUTE format('ALTER TABLE %s OWNER TO $mallory', t);
             END LOOP;
           END $$""",
    )
    return world


def functions(world, text):
    """Of each function that a plan makes its name, its code, and whether pgslo's owner keeps it."""
    session = world.session("installer")
    loaded = [definition.load(text, path="slos/example.yml", kinds=definition.load_kinds(OWN))]
    found = {}
    for step in planning.plan_definitions(session, loaded).steps:
        script = "\n".join(one.script for one in step.statements)
        for name, body in re.findall(
            r"CREATE OR REPLACE FUNCTION (pgslo_gen\.\S+?)\(.*?AS \$pgslo\$(.*?)\$pgslo\$", script, re.DOTALL
        ):
            found[name] = code(body), "give_function" not in script
    session.close()
    return found


def test_functions_of_pgslo_s_owner_read_no_table_of_another_role(strange):
    """Every golden, and what else there is: planning a query runs functions of indexes, checks and policies."""
    seen = given = 0
    read = []
    for kind, text in TEXTS.items():
        for name, (body, is_kept) in functions(strange, text).items():
            tables = [a or b for a, b in READS.findall(body)]
            given += not is_kept and bool(tables)
            if is_kept:
                seen += 1
                read += [(kind, name, table) for table in tables]
                # What is put together as it runs is made of conditions that stand in the text.
                assert set(EXECUTED.findall(body)) <= KNOWN, (kind, name)
    assert read == []
    assert seen > 100
    # The same look finds what functions of the tables' owner read.
    assert given > 50


#: Functions that the runtime calls after it has looked at the parts of all tables that they read (pin_table).
LOOKED_AT = re.compile(
    r"__(?:recount|newest|age_of|judge|pairs(?:_\w+)?|rule_\w+|rows_\w+|\w+__breaches|served|read_as_owner|write_as_owner)(?:__[0-9a-f]{8})?$"
)


def test_functions_that_writes_run_look_at_the_parts_of_each_table_that_they_read():
    """Every golden: the tables that a trigger reads are beside the condition that the planner evaluates first."""
    pinned = 0
    for path in sorted(GOLDEN.rglob("*.sql")):
        functions = re.findall(
            r"CREATE OR REPLACE FUNCTION pgslo_gen\.(\S+?)\(.*?AS \$pgslo\$(.*?)\$pgslo\$",
            path.read_text(),
            re.DOTALL,
        )
        for name, body in functions:
            tables = [a or b for a, b in READS.findall(code(body))]
            if LOOKED_AT.search(name):
                continue
            for table in set(tables):
                pins = body.count(f"pgslo_catalog.pin_parts('{table}')")
                held = f"pgslo_catalog.hold_parts('{table}')" in body
                assert held or pins >= tables.count(table), (path.name, name, table)
                pinned += pins
    assert pinned > 25
