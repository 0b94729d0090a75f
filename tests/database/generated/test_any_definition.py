"""Whatever a definition says: it is refused with a reason, or it can be carried out, run and taken back, and nothing else changes.

PGSLO_FUZZ_CASES asks for more definitions; `make fuzz` tries 5,000.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from pgslo import definition
from pgslo.database import planning
from pgslo.definition.rules import Definition
from pgslo.errors import PgsloError
from pgslo.plan import Plan, order_statements

Connection = psycopg.Connection[Any]
Strategy = st.SearchStrategy[Any]

CASES = max(30, int(os.environ.get("PGSLO_FUZZ_CASES", "0")))
TABLES = Path(__file__).parents[2] / "golden" / "given" / "tables.sql"
NUMBERS = ("age", "clicks", "score", "spend", "shop")
TEXTS = ("country", "plan", "email", "phone", "sku", "campaign")
TIMES = ("signed_up_at", "last_seen_at", "feature_date")
COLUMNS = (*NUMBERS, *TEXTS, *TIMES)
#: One row without a fault that a rule could see to, one of NULLs, one of extremes.
ROWS = """
INSERT INTO features.user_stats VALUES (1, '2026-11-24', 30, 5, 0.5, 9.5, 'us', 'pro', 'a@example.com', '+491234567', 1, 'AB-123', 'spring_1', '2026-11-01', '2026-11-02');
INSERT INTO features.user_stats (user_id, feature_date) VALUES (2, '2026-11-24');
INSERT INTO features.user_stats VALUES (3, '2026-11-25', -2147483648, 9223372036854775807, 'NaN', 9999999999.99, '', '''; --', E'\\\\', repeat('x', 5000), 0, '%s', '$pgslo$', 'infinity', '-infinity');
"""
#: Everything a definition could leave behind.
CATALOGUE = """
SELECT md5(string_agg(l.line, chr(10) ORDER BY l.line)) FROM (
    SELECT 'class ' || c.oid || c.relname || c.relkind::text || coalesce(c.relacl::text, '') || c.relhastriggers || c.relchecks FROM pg_class c WHERE c.relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'attribute ' || a.attrelid || a.attname || a.attnotnull || coalesce(a.attacl::text, '') FROM pg_attribute a WHERE a.attrelid >= 16384
    UNION ALL SELECT 'function ' || p.oid || p.proname || coalesce(p.proacl::text, '') || coalesce(p.prosrc, '') FROM pg_proc p WHERE p.oid >= 16384
    UNION ALL SELECT 'trigger ' || t.oid || t.tgname || t.tgrelid || t.tgenabled::text FROM pg_trigger t
    UNION ALL SELECT 'constraint ' || c.oid || c.conname || c.conrelid || c.convalidated FROM pg_constraint c
    UNION ALL SELECT 'schema ' || n.oid || n.nspname || coalesce(n.nspacl::text, '') FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp'
    UNION ALL SELECT 'comment ' || d.objoid || d.objsubid || d.description FROM pg_description d WHERE d.objoid >= 16384
    UNION ALL SELECT 'role ' || r.rolname || coalesce(r.rolconfig::text, '') FROM pg_roles r
    UNION ALL SELECT 'definition ' || d.name FROM pgslo_catalog.definition d
) AS l (line)
"""

pytestmark = pytest.mark.slow

HARMFUL = st.sampled_from(["'", '"', "$$", "; DROP TABLE features.user_stats; --", "{{ x }}", "%s", "%I", "\\", "/*", "數" * 70, "é", "a"])  # fmt: skip
WORDS = st.lists(HARMFUL, min_size=1, max_size=3).map(" ".join)
#: Conditions that fit, and some that do not.
FIT = st.sampled_from(
    [
        "plan = 'pro'", "shop = 1", "age > 0", "spend / clicks < 100", "age * age > 0", "country IN ('us', 'de')", "last_seen_at >= signed_up_at",
        "email IS NOT NULL", "lower(country) = country", "feature_date > DATE '2026-01-01'", "plan LIKE '%s'", "char_length(phone) < 20",
        "coalesce(score, 0) < 1", "CASE WHEN shop = 1 THEN sku IS NOT NULL ELSE true END", "plan = '{{ x }}'", "sku ~ '^[A-Z]+-'",
    ]
)  # fmt: skip
UNFIT = st.sampled_from(["no_such > 1", "random() > 0.5", "age + 1", "'", "true; SELECT 1", "plan = '$pgslo$'", "(SELECT true)", "age::regclass = 1", "1 = 1 --"])  # fmt: skip
ANYTHING = st.one_of(
    st.sampled_from([0, 1, -1, 0.5, 2, 1e300, 2**40, "abc", "", "2026-11-24", "infinity", True, None, [], {}, "1 day", "previous", "$pgslo$", "\u202e", "\n"]), UNFIT, WORDS
)  # fmt: skip
ANY_COLUMN: list[tuple[str, Any]] = [
    ("not_null", {}), ("completeness", {"min": 0.95, "reject_below": 0.01}), ("completeness", 0.9), ("unique", {}), ("unique", {"nulls": "same"}), ("completeness", {"of": "table", "min": 0.5}),
    ("statistic", {"of": "distinct", "min": 1}), ("statistic", {"of": "top_share", "max": 0.9}), ("statistic", {"of": "distinct_share", "max": 1}),
    ("freshness", {"max_unchanged": "3 batches"}), ("change", {"of": "distinct", "relative_to": "previous", "max": 0.5}),
]  # fmt: skip
OF_NUMBERS: list[tuple[str, Any]] = [
    ("range", {"min": 0}), ("range", {"min": 0, "max": 120}), ("range", {"max": 1000}), ("range", {"above": 0, "max": 9}), ("range", {"below": 1000}), ("accepted_values", {"values": [1, 5, 30]}), ("not_accepted_values", {"values": [-1, 999]}),
    ("statistic", {"of": "mean", "min": 0, "max": 60, "reject_above": 1e9}), ("statistic", {"of": "median", "max": 60}), ("statistic", {"of": "quantile", "quantile": 0.9, "max": 500}),
    ("statistic", {"of": "stddev", "max": 1000}), ("statistic", {"of": "zero_share", "max": 0.5}), ("change", {"of": "mean", "relative_to": "7 batches", "min": -0.2, "max": 0.2}),
    ("change", {"of": "median", "relative_to": "same weekday", "absolute": True, "max": 10}), ("drift", {"by": "psi", "relative_to": "28 batches", "max": 0.2}),
    ("drift", {"by": "ks", "relative_to": "previous", "max": 0.3}), ("skew", {"from": "features.user_stats.clicks", "by": "ks", "max": 0.3}),
    ("compare", {"operator": "<", "to": "user_id"}), ("no_gap", {"every": 1}), ("monotonic", {"order": "signed_up_at"}), ("monotonic", {"order": ["signed_up_at", "user_id"], "direction": "falling", "strictly": True}),
    ("repair", {"clip": [0, 100]}), ("repair", {"default": 1}), ("repair", {"round": 1}),
]  # fmt: skip
OF_TEXTS: list[tuple[str, Any]] = [
    ("not_blank", {}), ("length", {"min": 2, "max": 12}), ("length", {"max": 100}), ("pattern", {"matches": "^[a-z]{2}$"}), ("pattern", {"matches": "^(spring|autumn)_", "ignore_case": True}), ("pattern", {"matches": "(a*)*b"}),
    ("format", {"format": "email"}), ("format", {"format": "uuid"}), ("format", {"format": "json"}), ("format", {"format": "date"}), ("format", {"format": "e164"}),
    ("accepted_values", {"values": ["us", "de", "'", "%s"]}), ("not_accepted_values", {"values": ["", "n/a", "$$"]}), ("references", {"table": "dim.campaign", "column": "campaign"}),
    ("drift", {"by": "tv", "relative_to": "previous", "max": 0.2}), ("repair", {"trim": True, "lower": True, "map": {"usa": "us", "'": "x"}}), ("repair", {"default": "us"}), ("compare", {"operator": "<>", "to": "campaign"}),
]  # fmt: skip
OF_TIMES: list[tuple[str, Any]] = [
    ("range", {"min": "2000-01-01", "max": "2100-01-01"}), ("no_gap", {"every": "1 day"}), ("monotonic", {"order": "user_id"}), ("statistic", {"of": "distinct", "min": 1}),
]  # fmt: skip
OPTION = st.one_of(
    st.sampled_from(["warn", "flag", "quarantine", "reject"]).map(lambda action: ("on_breach", action)),
    FIT.map(lambda text: ("where", text)),
    WORDS.map(lambda text: ("description", text)),
    st.sampled_from([("at_least", 0.9), ("at_most", 10), ("enabled", False), ("enforce", False), ("samples", 0), ("opens_after", 3), ("tags", ["a", "it's"])]),
    st.tuples(st.sampled_from(["on_breach", "where", "at_least", "min", "max", "of", "by", "values", "expression", "no_such"]), ANYTHING),
)  # fmt: skip


def ruled(column: str) -> Strategy:
    """A rule of a column, mostly one that fits it."""
    kinds = OF_NUMBERS if column in NUMBERS else OF_TEXTS if column in TEXTS else OF_TIMES
    fitting = st.sampled_from(ANY_COLUMN + kinds)
    any_other = st.sampled_from(ANY_COLUMN + OF_NUMBERS + OF_TEXTS)
    stated = FIT.map(lambda text: ("expression", {"expression": text}))
    chosen = st.one_of(fitting, fitting, fitting, stated, any_other)
    # Most have one option or none.
    options = st.one_of(
        st.just([]), st.lists(OPTION, min_size=1, max_size=1), st.lists(OPTION, max_size=3)
    ).map(dict)
    return st.tuples(chosen, options).map(
        lambda both: {
            both[0][0]: both[0][1] if not isinstance(both[0][1], dict) else {**both[0][1], **both[1]}
        }
    )


def columns() -> Strategy:
    names = st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.lists(ruled(name), min_size=1, max_size=2) for name in chosen}
        )
    )


def numbered(parts: dict[str, Any]) -> dict[str, Any]:
    """Give each rule a name of its own, as an author does who writes two of a kind."""
    for name, listed in parts["columns"].items():
        for at, one in enumerate(listed):
            for parameters in one.values():
                if isinstance(parameters, dict):
                    parameters.setdefault("name", f"r_{name}_{at}")
    return parts


BATCHES = st.sampled_from([{"by": "feature_date"}, {"by": "feature_date"}, {"by": "country"}, {"by": "date_trunc('hour', last_seen_at)"}, {"by": "feature_date", "settle": "1 hour"}])  # fmt: skip
DEFINITIONS = st.fixed_dictionaries(
    {"columns": columns(), "batch": st.one_of(BATCHES, BATCHES, st.sampled_from(["statement", {"every": "1 day"}, {"by": "no_such"}]))},
    optional={
        "owner": WORDS,
        "description": WORDS,
        "writes": st.sampled_from(["bulk", "stream"]),
        "watch": st.booleans(),
        "enforce": st.booleans(),
        "holidays": st.sampled_from([["11-24", "2026-12-25"], "2026-11-25", ["02-30"], []]),
        "sensitivity": st.sampled_from([0.5, 1e9, 0]),
        "unwatched": st.sampled_from([["age", "country"], "feature_date", ["no_such"]]),
        "settle": st.sampled_from(["1 second", "2 weeks", 10]),
        "on_read": st.sampled_from(["warn", "refuse", "never"]),
        "freshness": st.sampled_from([{"max_age": "26 hours", "of": "last_seen_at"}, {"max_age": "-1 day"}]),
        "row_count": st.sampled_from([{"min": 1}, {"min": 1, "max": 1000, "reject_above": 5000}, {"min": -1}]),
        "schema": st.sampled_from([{"columns": ["age", "country"], "ordered": True}, {"columns": {"age": "any number", "plan": ["text", "any varchar"], "sku": "any"}, "on_breach": "reject"}, {"columns": {"age": "any thing"}}]),
        "rules": st.sampled_from([[{"u": {"unique": {"columns": ["email", "campaign"], "nulls": "same"}}}], [{"m": {"metric": {"query": "SELECT avg(u.age) FROM features.user_stats u", "min": 0}}}]]),
        "objective": st.just({"target": 0.99, "window": "28 days"}),
        "tasks": st.just({"churn": {"reads": ["age", "country"], "view": "features.for_churn"}}),
    },
).map(numbered)  # fmt: skip


@pytest.fixture
def tables(connection: Connection) -> Connection:
    connection.execute(TABLES.read_bytes())
    return connection


def test_a_definition_is_refused_or_runs(tables: Connection) -> None:
    before = tables.execute(CATALOGUE).fetchone()
    seen = {"refused": 0, "ran": 0}

    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(DEFINITIONS)
    @example({"columns": {"age": [{"range": {"min": 0}}]}, "owner": "'; --"})
    def attempt(parts: dict[str, Any]) -> None:
        text = json.dumps({"table": "features.user_stats", **parts}, ensure_ascii=False)  # JSON is YAML.
        note(text)
        try:
            loaded = definition.load(text, path="any.yml")
            plan = planning.plan_definitions(tables, [loaded])
        except PgsloError:
            seen["refused"] += 1
        else:
            seen["ran"] += 1
            run(tables, loaded, plan)
        assert tables.execute(CATALOGUE).fetchone() == before

    attempt()
    assert seen["refused"] > CASES // 20
    assert seen["ran"] > CASES // 10


def run(conn: Connection, loaded: Definition, plan: Plan) -> None:
    """Carry a plan out, write, read and judge, take it back; all of it in a transaction that is rolled back."""
    with conn.transaction(force_rollback=True):
        for text in executable(plan):
            conn.execute(text.encode(), prepare=False)
        for statement in ROWS.strip().split(";\n"):
            write(conn, statement.rstrip(";"))
        write(conn, "UPDATE features.user_stats SET age = age WHERE user_id < 3")
        write(conn, "DELETE FROM features.user_stats WHERE user_id = 2")
        conn.execute("SELECT pgslo.tick()")
        read(conn, loaded)
        broken = conn.execute("SELECT rule_id, error_message FROM pgslo_catalog.rule_break").fetchall()
        assert broken == []
        conn.execute("DELETE FROM pgslo_catalog.quarantine")
        for text in executable(planning.plan_removal(conn, [loaded.name])):
            conn.execute(text.encode(), prepare=False)


def read(conn: Connection, loaded: Definition) -> None:
    """Read all; readers may be refused where the definition says so, and nothing else may happen."""
    try:
        with conn.transaction():
            conn.execute("SELECT u::text FROM guarded.user_stats u").fetchall()
    except psycopg.DatabaseError as error:
        if (error.sqlstate, loaded.on_read) != ("SL001", "refuse"):
            raise


def write(conn: Connection, statement: str) -> None:
    """Write; a rule may refuse it, and nothing else may happen."""
    try:
        with conn.transaction():
            conn.execute(statement.encode(), prepare=False)
    except psycopg.errors.IntegrityError:
        pass


def executable(plan: Plan) -> Iterator[str]:
    """The statements of a plan but for an index that is built concurrently, which no transaction can take back."""
    alone = [step for step, statement in order_statements(plan) if statement.alone]
    for step, statement in order_statements(plan):
        if step not in alone:
            yield statement.script
