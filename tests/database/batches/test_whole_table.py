"""Rules that read more than a batch are evaluated by the clock as well, and after DELETE and TRUNCATE."""

from __future__ import annotations

from typing import Any

import pytest

from pgslo import definition
from pgslo.errors import DefinitionErrors

HAS_ROWS = 'has_rows: {query: "SELECT 1 AS failed WHERE NOT ((SELECT count(*) FROM features.u) > 0)"}'
MANY_ROWS = "has_rows: {row_count: {of: table, min: 1}}"
TABLE = "table: features.u\nwrites: bulk\nwatch: false\nowner: sam\n"


def of_statements(rule: str) -> str:
    return f"{TABLE}batch: statement\nrules:\n  - {rule}"


def verdict(session: Any) -> tuple[str, str]:
    found = session.run(
        "SELECT verdict, said FROM pgslo.verdict WHERE rule = 'has_rows' ORDER BY judged_at DESC LIMIT 1"
    )
    return found.rows[0]


@pytest.mark.parametrize("rule", [HAS_ROWS, MANY_ROWS])
@pytest.mark.parametrize("empty", ["DELETE FROM features.u", "TRUNCATE features.u"])
@pytest.mark.parametrize("batch", ["statement", "{by: day}"])
def test_a_table_that_is_emptied(session, rule, empty, batch):
    session.run("CREATE TABLE features.u (id int PRIMARY KEY, day date)")
    session.guard(f"{TABLE}batch: {batch}\nrules:\n  - {rule}")
    session.run("INSERT INTO features.u VALUES (1, '2026-01-01'), (2, '2026-01-01')")
    assert session.close(definition="features.u")["has_rows"][0] == "met"
    session.run(empty)
    session.run("SELECT pgslo.tick()")
    assert verdict(session)[0] == "missed"
    assert session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == ["has_rows"]
    # It is over as soon as the table has rows again, whatever writes them.
    session.run(
        "SET session_replication_role = replica; INSERT INTO features.u VALUES (3, '2026-01-01'); RESET session_replication_role"
    )
    session.run("SELECT pgslo.tick()")
    assert verdict(session)[0] == "met"
    assert session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == []


def test_what_another_table_has_by_now(session):
    session.run(
        "CREATE TABLE features.u (id int PRIMARY KEY); CREATE TABLE features.other (id int PRIMARY KEY, a int)"
    )
    session.guard(
        of_statements('has_rows: {query: "SELECT o.id FROM features.other o WHERE o.a < 0"}')
        + "\n  - same: {same_as: {table: features.other, on: id}}"
    )
    session.run("INSERT INTO features.other VALUES (1, 1), (2, 1)")
    session.run("INSERT INTO features.u VALUES (1), (2)")
    assert {rule: found[0] for rule, found in session.close(definition="features.u").items()} == {
        "has_rows": "met",
        "same": "met",
    }
    session.run("UPDATE features.other SET a = -1 WHERE id = 1; DELETE FROM features.other WHERE id = 2")
    session.run("SELECT pgslo.tick()")
    assert sorted(session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL")) == [
        "has_rows",
        "same",
    ]
    session.run("UPDATE features.other SET a = 1; INSERT INTO features.other VALUES (2, 1)")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == []


def test_rows_of_the_whole_table(session):
    session.run("CREATE TABLE features.u (id int PRIMARY KEY, day date, plan text)")
    session.guard(
        TABLE
        + """batch: {by: day}
rules:
  - has_rows: {row_count: {of: table, min: 3, max: 1000}}
  - pro: {row_count: {of: table, min: 2}, where: "plan = 'pro'"}
"""
    )
    session.run("INSERT INTO features.u VALUES (1, '2026-01-01', 'pro'), (2, '2026-01-01', 'free')")
    found = session.close(definition="features.u")
    assert found["has_rows"][::2] == ("missed", "the table has 2 rows; the objective is between 3 and 1,000")
    assert found["pro"][::2] == ("missed", "the table has 1 row; the objective is at least 2")
    session.run("INSERT INTO features.u VALUES (3, '2026-01-02', 'pro')")
    found = session.close(definition="features.u")
    assert (found["has_rows"][0], found["pro"][0]) == ("met", "met")


@pytest.mark.parametrize("batch", ["statement", "{by: day}"])
@pytest.mark.parametrize("empty", ["DELETE FROM features.u", "TRUNCATE features.u"])
def test_values_of_the_whole_table(session, batch, empty):
    session.run("CREATE TABLE features.u (id int PRIMARY KEY, day date, plan text, a int)")
    session.guard(
        f"""{TABLE}batch: {batch}
columns:
  a:
    - completeness: {{of: table, min: 0.5, name: half}}
    - completeness: {{of: table, warn_below: 0.000001, name: any}}
    - completeness: {{of: table, max: 0, name: none, where: "plan = 'free'"}}
"""
    )
    session.run(
        "INSERT INTO features.u VALUES (1, '2026-01-01', 'pro', NULL), (2, '2026-01-01', 'free', NULL)"
    )
    found = session.close(definition="features.u")
    assert found["half"] == (
        "missed",
        0,
        "0 % of 2 rows of the table are not null; the objective is at least 50 %",
    )
    assert [found[name][0] for name in ("any", "none")] == ["missed", "met"]
    (notice, *_) = session.run("SELECT a FROM guarded.u").notices
    assert notice.message == 'column "a" of features.u misses rule "half"'
    # Rows of another batch count as well: it is not about the newest one.
    session.run("INSERT INTO features.u VALUES (3, '2026-01-02', 'pro', 1), (4, '2026-01-02', 'pro', 2)")
    found = session.close(definition="features.u")
    assert [found[name][0] for name in ("half", "any", "none")] == ["met", "met", "met"]
    # What is written behind the back of its triggers is seen by the clock.
    session.run(
        "SET session_replication_role = replica; UPDATE features.u SET a = NULL; RESET session_replication_role"
    )
    session.run("SELECT pgslo.tick()")
    assert set(session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL")) == {"half", "any"}
    session.run(empty)
    session.run("SELECT pgslo.tick()")
    assert (
        session.run(
            "SELECT DISTINCT ON (rule) verdict, said FROM pgslo.verdict ORDER BY rule, judged_at DESC"
        ).rows
        == (("unknown", "the table has no rows that it is about"),) * 3
    )
    assert session.broken() == {}


def test_a_slow_rule_takes_a_twentieth_of_the_time(session):
    session.run("CREATE TABLE features.u (id int PRIMARY KEY); CREATE TABLE features.other (id int)")
    session.run("INSERT INTO features.other SELECT generate_series(1, 2000)")
    slow = "SELECT a.id FROM features.other a, features.other b WHERE a.id + b.id < 0"
    session.guard(of_statements(f'has_rows: {{query: "{slow}"}}'))
    session.run("INSERT INTO features.u VALUES (1)")
    session.close(definition="features.u")
    session.run("SELECT pgslo.tick()")
    first = session.values("SELECT clocked_at FROM pgslo_catalog.rule WHERE name = 'has_rows'")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT clocked_at FROM pgslo_catalog.rule WHERE name = 'has_rows'") == first
    session.run("UPDATE pgslo_catalog.rule SET clocked_at = clocked_at - interval '1 hour'")
    session.run("SELECT pgslo.tick()")
    assert session.values(
        "SELECT clocked_at > now() - interval '1 minute' FROM pgslo_catalog.rule WHERE name = 'has_rows'"
    ) == [True]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("row_count: {of: table, min: -1}", "a table cannot have less than no rows"),
        ("row_count: {of: table, min: 1, relative_to: previous}", '"relative_to" compares batches'),
        ("row_count: {of: table, max: 9, reject_above: 10}", "cannot reject a statement by this bound"),
        ("row_count: {of: day, max: 9}", '"day"'),
    ],
)
def test_refused(rule, message):
    with pytest.raises(DefinitionErrors) as caught:
        definition.load(f"{TABLE}batch: statement\n{rule}\n", path="slos/u.yml")
    assert message in str(caught.value)
