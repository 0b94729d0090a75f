"""Functions of schema pgslo_catalog that other roles may call reveal nothing that these roles may not know."""

from __future__ import annotations

import psycopg
import pytest

#: Every function of pgslo_catalog that PUBLIC may execute, and why it may. Views call them with the rights of whoever reads.
PUBLIC = {
    "break_said": "chooses between two texts of the row that it is given, by privileges that the catalogues show",
    "is_missed": "computes from its arguments",
    "may_know_all": "reads privileges that the catalogues show",
    "may_read": "reads privileges that the catalogues show",
    "may_see_figures": "reads privileges that the catalogues show",
    "listed_rights": "reads names that the catalogues show",
    "strange_rights": "reads privileges that the catalogues show",
    "may_see": "compares the row that it is given with privileges that the catalogues show",
    "may_see_values": "reads privileges that the catalogues show",
    "metric": "computes from the rows that it is given",
    "schema_difference": "reads columns that the catalogues show",
}
AUDITORS = {
    "conversions_of",
    "parts_of",
    "is_stranger",
    "native_fault",
    "foreign_key_fault",
    "column_numbers",
    "moved",
}

MINE = """
CREATE TABLE evil.tab (id int PRIMARY KEY, day date, amount int, grp text);
CREATE INDEX ON evil.tab (day);
"""
OF_MALLORY = """
table: evil.tab
key: [id]
writes: bulk
batch: {by: day}
objective: {target: 0.9, window: 1000 days}
columns: {amount: [range: {min: 0, max: 100, on_breach: quarantine}, monotonic: {order: id, at_most: 5}]}
assertions: [same: {all_equal: amount, group_by: day, on_breach: flag}]
"""
OF_OTHERS = """
table: features.pay
key: [id]
kind: predictions
writes: bulk
batch: {by: day}
objective: {target: 0.9, window: 1000 days}
predictions: {score: score, at: at}
labels: {table: features.label, on: [id], label: late, at: at, positive: true, maturity: 1 day}
columns: {amount: [range: {min: 0, max: 100, on_breach: flag, name: secret_rule}]}
readers: [$reader]
"""


@pytest.fixture
def owned(world):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", MINE)
    world.run(
        "installer",
        """CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int, score float8, at timestamptz);
           CREATE TABLE features.label (id int PRIMARY KEY, late boolean, at timestamptz);
           GRANT ALL ON features.pay, features.label TO $writer""",
    )
    world.apply(OF_MALLORY)
    world.apply(OF_OTHERS)
    world.run(
        "writer",
        """INSERT INTO features.pay SELECT n, '2026-01-01', n * 50, n / 10.0, '2026-01-01 00:00Z' FROM generate_series(1, 9) n;
           INSERT INTO features.label SELECT n, n > 4, '2026-01-02 00:00Z' FROM generate_series(1, 9) n""",
    )
    world.run("operator", "SELECT pgslo.close_batch('features.pay')")
    world.run("operator", "SELECT pgslo.tick()")
    return world


CALLABLE = """
SELECT n.nspname, p.proname, p.prosecdef FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot') AND has_function_privilege('{role}', p.oid, 'EXECUTE')
"""


def callable_by(world, part):
    return world.run("superuser", CALLABLE.format(role=world.names[part]))


def test_every_function_that_others_may_call_is_listed_with_a_reason(owned):
    for part in ("mallory", "reader", "writer", "trainer", "steward", "operator", "auditor"):
        for schema, name, runs_as_owner in callable_by(owned, part):
            assert schema == "pgslo_catalog" or (part == "mallory" and not name.startswith("features__")), (
                part,
                name,
            )
            if (
                schema == "pgslo_gen"
                or name in PUBLIC
                or (part in ("auditor", "operator") and name in AUDITORS)
            ):
                continue
            # What the functions of a table's owner call: it runs with the owner's rights.
            assert part == "mallory", (part, name)
            assert not runs_as_owner, (part, name)
    assert {name for _, name, _ in callable_by(owned, "reader")} == set(PUBLIC)


#: What mallory and the auditor called, each with arguments of their choice.
CALLS = (
    "SELECT * FROM pgslo_catalog.judged_batches(2, '-infinity')",
    "SELECT pgslo_catalog.missed_seconds(ARRAY(SELECT generate_series(1, 100)), '-infinity', 'infinity')",
    "SELECT * FROM pgslo_catalog.known_to('$installer')",
    "SELECT * FROM pgslo_catalog.metric(ARRAY(SELECT generate_series(1, 100)), 'accuracy', 0.95)",
    "TABLE pgslo_catalog.judged_batch",
    "TABLE pgslo_catalog.open_span",
    "TABLE pgslo_catalog.known_definition",
)


@pytest.mark.parametrize("part", ["mallory", "auditor"])
@pytest.mark.parametrize("call", CALLS)
def test_direct_calls_tell_nothing(owned, part, call):
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction)):
        owned.run(part, call)


def test_rows_that_the_caller_makes_up_tell_nothing(owned):
    assert owned.run("mallory", "SELECT * FROM pgslo_catalog.metric(NULL, NULL, 'accuracy', 0.95)") == [
        (None, None, None, None)
    ]
    made = 'json_populate_record(NULL::pgslo_catalog.rule_break, \'{"rule_break_id": 1, "rule_id": 1}\')'
    assert owned.run("mallory", f"SELECT pgslo_catalog.break_said({made}, '$installer')") == [(None,)]


VIEWS = ("budget", "ml_metric", "status", "rule", "batch", "verdict", "incident", "reader", "column_history")


def test_views_show_the_same_as_before(owned):
    for view in VIEWS:
        of = {
            part: {name for (name,) in owned.run(part, f"SELECT DISTINCT definition FROM pgslo.{view}")}
            for part in ("mallory", "reader", "auditor", "installer", "writer")
        }
        # Metrics are figures of columns, which an auditor may not read.
        assert of["auditor"] == (set() if view == "ml_metric" else of["installer"]), view
        assert of["mallory"] == of["installer"] - {"features.pay"}, view
        assert of["reader"] == of["installer"] - {"evil.tab"}, view
        assert of["writer"] == of["reader"], view
    assert owned.run(
        "reader", "SELECT rule, judged, missed, state FROM pgslo.budget WHERE rule = 'secret_rule'"
    ) == [("secret_rule", 1, 1, "missed")]
    assert owned.run(
        "reader", "SELECT round(value::numeric, 3), pairs FROM pgslo.ml_metric WHERE metric = 'auc'"
    ) == [(1, 9)]
