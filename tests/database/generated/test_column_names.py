"""Columns may have the names that generated SQL uses for its variables, parameters and aliases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgslo import definition, embedded
from pgslo.database import planning, runtime
from pgslo.plan import Plan, order_statements

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
TEMPLATES = sorted((ROOT / "sql/templates").rglob("*.j2"))
DEFINITIONS = sorted(path for path in GOLDEN.rglob("*.yml") if path.parent.name != "given")
OWN = {f"kinds/{path.name}": path.read_text(encoding="utf-8") for path in (GOLDEN / "kinds").glob("*.sql")}
TABLES = ("user_stats", "churn", "churn_score", "staff", "team")
#: An alias, a variable of a block, a parameter, a loop's variable.
NAMES = re.compile(
    r"\bAS (?:MATERIALIZED )?([a-z_]+)\b(?! \$)"
    r"|^ +([a-z_]+) (?:\{\{ type \}\}|record|text|bigint|boolean|numeric|integer|xid8|timestamptz|jsonb|pgslo_catalog\.\w+)(?:\[\])?(?: :=|;)"
    r"|(?:[(,]|INOUT|OUT|IN) ?([a-z_]+) (?:\{\{ table \}\}|text|bigint|boolean|numeric|jsonb)"
    r"|\bFOR ([a-z_]+) IN\b"
    r"|\b([a-z]{1,2})\.",
    re.MULTILINE,
)
NEVER = {"_slo_status", "trigger", "void", "boolean", "text", "pgslo", "plpgsql"}


def used_names() -> list[str]:
    """The names in templates and in the code that makes parts of them, that no table here has yet."""
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    found = {name for text in texts for groups in NAMES.findall(text) for name in groups if name}
    return sorted((found | {"new", "old", "tg_op", "excluded", "other", "target", "row"}) - NEVER)


def test_the_names_are_found():
    assert {
        "r",
        "p",
        "t",
        "mask",
        "first",
        "last",
        "batch",
        "rows",
        "failed",
        "shown",
        "row_key",
        "trail",
        "was",
        "b",
        "raw",
    } <= set(used_names())


def add_columns(conn: Connection) -> None:
    conn.execute((GOLDEN / "given/tables.sql").read_bytes())
    for table in TABLES:
        known = {
            name
            for (name,) in conn.execute(
                "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %s::regclass", (f"features.{table}",)
            )
        }
        added = ", ".join(f'ADD "{name}" integer' for name in used_names() if name not in known)
        conn.execute(f"ALTER TABLE features.{table} {added}".encode())


def plan_of(conn: Connection, path: Path) -> Plan:
    # So many columns as the tables have here are not watched in each segment, but for those that are named.
    named = json.dumps([name for name in used_names() if name not in ("country", "feature_date")][:100])
    text = path.read_text(encoding="utf-8").replace(
        "by_segment: [country]", f"by_segment: {{per: [country], columns: {named}}}"
    )
    loaded = definition.load(text, path=str(path), kinds=definition.load_kinds(OWN))
    return planning.plan_definitions(conn, [loaded])


def statements(plan: Plan) -> Iterator[str]:
    """The statements of a plan, also those outside of transactions."""
    for _, statement in order_statements(plan):
        yield statement.script.replace(" CONCURRENTLY", "")


@pytest.fixture(scope="module")
def checked(checker: embedded.Server) -> Iterator[Connection]:
    """A database with plpgsql_check, which reads branches that no row here reaches."""
    with psycopg.connect(checker.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE checked_names")
    with psycopg.connect(checker.dsn("checked_names"), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION plpgsql_check")
        runtime.install(conn)
        add_columns(conn)
        yield conn


CHECK = """
SELECT p.oid::regprocedure::text, c.lineno, c.message, c.query
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_trigger g ON g.tgfoid = p.oid AND NOT g.tgisinternal
CROSS JOIN LATERAL public.plpgsql_check_function_tb(
    p.oid, coalesce(g.tgrelid, 0)::regclass, fatal_errors => false,
    newtable => CASE WHEN g.tgname LIKE 'pgslo_800%' THEN 'pgslo_new'
        WHEN g.tgname LIKE 'pgslo_600%' THEN 'pgslo_rows' ELSE g.tgnewtable END,
    oldtable => CASE WHEN g.tgname LIKE 'pgslo_800%' THEN 'pgslo_old' ELSE g.tgoldtable END) c
WHERE l.lanname = 'plpgsql' AND p.pronamespace = 'pgslo_gen'::regnamespace AND c.level = 'error'
  AND (p.prorettype <> 'trigger'::regtype OR g.oid IS NOT NULL)
  -- Of a row that a function is given it knows no columns.
  AND 'record'::regtype <> ALL (p.proargtypes)
"""


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: str(path.relative_to(GOLDEN).with_suffix("")))
def test_every_function_can_be_planned(checked: Connection, path: Path) -> None:
    with checked.transaction(force_rollback=True):
        plan = plan_of(checked, path)
        for text in statements(plan):
            checked.execute(text.encode(), prepare=False)
        assert checked.execute(CHECK).fetchall() == []


ON_READ = """
table: features.churn_score
kind: predictions
watch: false
predictions: {score: score, class: churns, at: scored_at}
post_process:
  raw: given_raw
  trail: given_trail
  apply: on_read
  steps:
    - default: 0.1
    - clip: [0, 1]
    - override: {when: "is_staff", score: 0}
    - threshold: {at: 0.5, above: true, below: false}
    - top_k: {k: 100, per: [country], into: called}
"""
ROWS = """
INSERT INTO features.user_stats (user_id, feature_date, age, clicks, score, spend, country, plan, email, shop, sku)
VALUES (1, '2026-11-24', 30, 5, 0.5, 9.5, 'us', 'pro', 'a@example.com', 1, 'AB-123'), (2, '2026-11-25', 999, 5, 7, 9.5, 'xx', 'x', 'x', 2, 'x');
UPDATE features.user_stats SET age = 31 WHERE user_id = 1;
DELETE FROM features.user_stats WHERE user_id = 2;
INSERT INTO features.churn (user_id, feature_date, churned, known_at) VALUES (1, '2026-11-24', true, '2026-12-01');
INSERT INTO features.churn_score (user_id, scored_at, country, score) VALUES (1, '2026-11-24', 'us', 7), (2, '2026-11-24', 'us', 0.2);
UPDATE features.churn_score SET score = 0.4 WHERE user_id = 1;
INSERT INTO features.team (team, budget) VALUES ('a', 100);
INSERT INTO features.staff (id, name, team, salary) VALUES (1, 'Joe', 'a', 10);
UPDATE features.staff SET salary = 11;
SELECT pgslo.tick();
"""
VIEWS = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND c.relname !~ '_strict$' AND n.nspname IN ('guarded', 'serving') ORDER BY 1
"""


@pytest.fixture
def named(connection: Connection) -> Connection:
    add_columns(connection)
    return connection


#: Rules of them refuse statements, which streamed tables do not have.
BULK_ALONE = ("completeness", "row_count", "statistic")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    "path",
    [*DEFINITIONS, "on_read"],
    ids=lambda path: str(path.relative_to(GOLDEN).with_suffix("")) if isinstance(path, Path) else path,
)
def test_writes_reads_and_verdicts(named: Connection, path: Path | str, writes: str, tmp_path: Path) -> None:
    if writes == "stream" and isinstance(path, Path) and path.stem in BULK_ALONE:
        pytest.skip("its rules refuse statements")
    text = ON_READ if isinstance(path, str) else path.read_text(encoding="utf-8")
    file = tmp_path / "example.yml"
    file.write_text(text + ("" if "writes:" in text else f"writes: {writes}\n"), encoding="utf-8")
    with named.transaction(force_rollback=True):
        for statement in statements(plan_of(named, file)):
            named.execute(statement.encode(), prepare=False)
        for statement in ROWS.strip().split(";\n"):
            write(named, statement)
        views = [name for (name,) in named.execute(VIEWS).fetchall()]
        assert views
        for view in views:
            named.execute(f"SELECT * FROM {view}".encode()).fetchall()
        assert (
            named.execute("SELECT error_code, error_message FROM pgslo_catalog.rule_break").fetchall() == []
        )


def write(conn: Connection, statement: str) -> None:
    """Write; a rule may refuse it, and nothing else may happen."""
    try:
        with conn.transaction():
            conn.execute(statement.encode(), prepare=False)
    except psycopg.errors.IntegrityError:
        pass
