"""``pgslo suggest``: its definitions pass lint, plan and apply, and have rules that a person would keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner, Result

from pgslo import database
from pgslo.cli import main
from pgslo.database import catalog_reader
from pgslo.database.inspection import columns
from pgslo.database.inspection.questions import Questions
from pgslo.sql import Sql

TABLES = """
CREATE SCHEMA shop;
CREATE SCHEMA "My Schema";
CREATE TABLE shop.country (code text PRIMARY KEY);
INSERT INTO shop.country VALUES ('us'), ('de'), ('fr'), ('es');
CREATE TABLE shop.customers (id bigint PRIMARY KEY);
INSERT INTO shop.customers SELECT generate_series(1, 100);
CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint REFERENCES shop.customers, country_code text, status text, amount numeric(10, 2),
    discount_pct real, email text, lat double precision, session text, note text, temperature integer, seq bigint, created_at timestamptz NOT NULL, seldom text, born date
);
INSERT INTO shop.orders (customer_id, country_code, status, amount, discount_pct, email, lat, session, note, temperature, seq, created_at, seldom, born)
SELECT 1 + n % 100, (ARRAY['us', 'de', 'fr'])[1 + n % 3], (ARRAY['new', 'paid', 'paid', 'no'])[1 + n % 4], (n * 7919 % 10007) / 100.0, n % 100, 'u' || n || '@example.org',
       n % 180 - 89.5, md5(n::text)::uuid::text, CASE WHEN n % 400 = 0 THEN repeat('long ', 100000) ELSE 'note ' || n END, 20 + n % 9, n * 3,
       date_trunc('day', now()) - interval '40 days' + n * interval '15 minutes', CASE WHEN n % 10 = 0 THEN 'x' END, DATE '1980-01-01' + n % 5000
FROM generate_series(1, 3840) AS n;
CREATE INDEX ON shop.orders (created_at);
CREATE TABLE "My Schema"."We""ird Tàble" ("User Id" integer, "select" date, "naïve ""q"" col" text, "true" text, "2020" numeric);
INSERT INTO "My Schema"."We""ird Tàble"
SELECT n, DATE '2026-01-01' + n % 30, (ARRAY['a: b', '#c', 'it''s "q"'])[1 + n % 3], (ARRAY['true', 'null', '12:30'])[1 + n % 3], n % 7 FROM generate_series(1, 1500) AS n;
CREATE TABLE shop.empty (a integer, b text, at timestamptz);
CREATE TABLE shop.one (only_col text);
INSERT INTO shop.one SELECT 'v' || n FROM generate_series(1, 500) AS n;
CREATE TABLE shop.parts (id integer, ds date, value float8, status text, PRIMARY KEY (id, ds)) PARTITION BY RANGE (ds);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.parts_2 PARTITION OF shop.parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO shop.parts SELECT n, d, n * 1.5, (ARRAY['on', 'off'])[1 + n % 2] FROM generate_series(1, 50) AS n, generate_series(DATE '2026-01-01', '2026-02-20', '1 day') AS d;
CREATE TABLE shop.growing (day date, id int, model text, month text, tenant text, plan text, PRIMARY KEY (day, id));
INSERT INTO shop.growing
SELECT d, i, 'm' || (1 + k / 14), to_char(d, 'YYYY-MM'), 't' || (i % (3 + k / 10)), (ARRAY['free', 'pro', 'team'])[1 + i % 3]
FROM generate_series(0, 59) AS k, LATERAL (SELECT DATE '2026-01-01' + k AS d) AS x, generate_series(1, 200) AS i;
CREATE VIEW shop.seen AS SELECT o.id, p.value FROM shop.orders AS o JOIN shop.parts AS p USING (id);
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
CREATE TABLE shop.types (a shop.positive, b shop.mood, c point, d integer[], e bytea, f interval, g tsvector, h money, i uuid, j inet, k time, l timestamp, m boolean, n "char", o name,
    p xml, q int4range, r float8, s bit(3), t json, u timestamp GENERATED ALWAYS AS (l) STORED);
INSERT INTO shop.types (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, q, r, s, t)
SELECT n, 'ok', '(1,2)', '{1}', '\\x00', '1 day', 'a', '1', '00000000-0000-0000-0000-000000000000', '10.0.0.1', '10:00', TIMESTAMP '2026-01-01' + n * interval '1 hour', n % 2 = 0,
       'a', 'b', '[1,2)', CASE WHEN n % 2 = 0 THEN 'NaN' ELSE 'Infinity' END::float8, B'101', '{}'
FROM generate_series(1, 400) AS n;
"""
WEIRD = '"My Schema"."We""ird Tàble"'
EVERY = ("shop.orders", WEIRD, "shop.empty", "shop.one", "shop.parts", "shop.types", "shop.country")

Run = Callable[..., Result]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line beside tables that pgslo does not know."""
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    return invoke


def suggested(run: Run, table: str) -> tuple[str, dict[str, Any]]:
    result = run("suggest", table)
    assert result.exit_code == 0, result.output
    return result.stdout, yaml.load(result.stdout, yaml.BaseLoader)


@pytest.mark.slow
def test_what_is_written_passes_lint_plan_and_apply_and_is_the_same_each_time(run: Run):
    for number, table in enumerate(EVERY):
        path = f"slos/{number}.yml"
        written = run("suggest", table, "--output", path)
        assert written.exit_code == 0, f"{table}: {written.output}"
        assert run("lint", path).exit_code == 0, table
        planned = run("plan", path)
        assert planned.exit_code == 3, f"{table}: {planned.output}"
        assert run("suggest", table).stdout == Path(path).read_text(encoding="utf-8"), table
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert run("plan").exit_code == 0


def test_rules_are_few_and_have_a_reason_besides_what_was(run: Run):
    text, written = suggested(run, "shop.orders")
    columns = {
        name: {kind for rule in rules for kind in (rule if isinstance(rule, dict) else {rule: None})}
        for name, rules in written["columns"].items()
    }
    assert written["batch"] == {"by": "created_at", "every": "1 day"}
    assert written["freshness"] == {"max_age": "54 hours", "of": "created_at"}
    assert columns["country_code"] == {"references"}
    assert columns["status"] == {"accepted_values"}
    assert columns["email"] == {"format"}
    assert columns["session"] == {"format"}
    assert columns["seq"] == {"monotonic"}
    assert "seldom" not in columns, "what is often NULL is left to learned bounds"
    assert "temperature" not in columns, "no bound that merely was the least or the largest"
    assert "born" not in columns
    (together,) = written["rules"]
    assert together["complete"]["expression"].startswith("num_nulls(customer_id, country_code, status, ")
    rules = {
        (name, kind): rule[kind]
        for name, listed in written["columns"].items()
        for rule in listed
        for kind in rule
    }
    assert rules["amount", "range"] == {"min": "0"}
    assert rules["discount_pct", "range"] == {"min": "0", "max": "100"}
    assert rules["lat", "range"] == {"min": "-90", "max": "90"}
    assert rules["country_code", "references"] == {"table": "shop.country", "column": "code"}
    assert set(rules["status", "accepted_values"]["values"]) == {"new", "paid", "no"}
    assert "100.06" not in text, "the largest amount is nobody's bound"
    assert float(together["complete"]["at_least"]) < 1, "what was never NULL is not promised for ever"


def test_each_rule_has_its_evidence(run: Run):
    text, _ = suggested(run, "shop.orders")
    assert "columns each: no NULL in 3,840 rows: at least 99.8" in text
    assert "Wilson" in text
    assert "Good-Turing" in text
    assert "no foreign key says so" in text
    assert "(customer_id) to shop.customers" in text, (
        "what foreign keys keep already is said, not promised twice"
    )
    assert "NOT NULL by the table itself, so no rule: created_at" in text


def test_quoted_names_and_values_are_kept(run: Run):
    _, written = suggested(run, WEIRD)
    assert written["table"] == WEIRD
    assert written["key"] == ["User Id"]
    rules = written["columns"]['naïve "q" col']
    assert set(rules[1]["accepted_values"]["values"]) == {"a: b", "#c", 'it\'s "q"'}
    assert "range" not in str(written["columns"]["User Id"]), "an identifier is not an amount"


def test_a_set_with_values_that_occur_once_is_open(run: Run, connection: psycopg.Connection[Any]):
    connection.execute("UPDATE shop.orders SET status = 'odd' WHERE id = 17")
    _, written = suggested(run, "shop.orders")
    assert "status" not in written["columns"]


def test_stale_tables_get_no_freshness_that_is_missed_at_once(run: Run):
    text, written = suggested(run, "shop.parts")
    assert "freshness" not in written
    assert "# freshness: {max_age: 54 hours}" in text
    assert "would be missed at once" in text


def test_large_tables_are_sampled_the_same_way_each_time(run: Run, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE shop.large (id bigint PRIMARY KEY, day date, kind text)")
    connection.execute(
        "INSERT INTO shop.large SELECT n, DATE '2026-01-01' + (n / 2000)::integer, (ARRAY['a', 'b'])[1 + n % 2] FROM generate_series(1, 100000) AS n"
    )
    connection.execute("ANALYZE shop.large")
    first = run("suggest", "shop.large", "--sample", "5000")
    assert first.exit_code == 0, first.output
    assert "a sample of" in first.stdout
    assert "of about 100,000 rows" in first.stdout
    assert "accepted_values: {values: [" in first.stdout
    assert run("suggest", "shop.large", "--sample", "5000").stdout == first.stdout


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ("shop.seen", "shop.seen is a view", "shop.orders, shop.parts"),
        ("shop.parts_1", "shop.parts_1 is a partition of shop.parts", "suggest for shop.parts"),
        ("shop.nothing", "shop.nothing does not exist", "schema"),
        ("shop.country_pkey", "shop.country_pkey is an index", "tables"),
        ("pg_catalog.pg_class", "is a table of the system", "your own"),
    ],
)
def test_what_is_no_table_is_refused_with_a_hint(run: Run, table: str, message: str, hint: str):
    result = run("suggest", table)
    assert result.exit_code == 1
    assert message in result.stderr
    assert hint in result.stderr


def test_files_are_not_overwritten(run: Run):
    Path("mine.yml").write_text("# mine\n", encoding="utf-8")
    result = run("suggest", "shop.orders", "-o", "mine.yml")
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert Path("mine.yml").read_text(encoding="utf-8") == "# mine\n"


def test_whoever_may_not_read_is_told_so(run: Run, connection: psycopg.Connection[Any], dsn: str):
    connection.execute(
        "DROP ROLE IF EXISTS suggest_stranger; CREATE ROLE suggest_stranger LOGIN; GRANT USAGE ON SCHEMA shop TO suggest_stranger"
    )
    try:
        result = run(
            "suggest",
            "shop.orders",
            "--dsn",
            psycopg.conninfo.make_conninfo(dsn, options="-c role=suggest_stranger"),
        )
        assert result.exit_code == 1
        assert "permission denied" in result.stderr
    finally:
        connection.execute("DROP OWNED BY suggest_stranger; DROP ROLE suggest_stranger")


#: A type of an extension, as citext: it looks like text, and its operators are its own.
WORDS = """
CREATE TYPE public.word;
CREATE FUNCTION public.word_in(cstring) RETURNS public.word LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION public.word_out(public.word) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE public.word (INPUT = public.word_in, OUTPUT = public.word_out, LIKE = text, CATEGORY = 'S');
CREATE CAST (text AS public.word) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TABLE shop.words (id bigint PRIMARY KEY, ds date NOT NULL, country public.word, status text);
INSERT INTO shop.words SELECT n, DATE '2026-01-01' + n / 200, (ARRAY['us', 'de', 'fr'])[1 + n % 3], (ARRAY['new', 'paid'])[1 + n % 2] FROM generate_series(1, 5000) AS n;
"""


def test_a_column_of_a_type_of_an_extension(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(WORDS)
    _, found = suggested(run, "shop.words")
    assert "accepted_values" in str(found["columns"]["status"])
    assert [list(rule) for rule in found["columns"]["country"]] == [["completeness"]]
    assert run("suggest", "shop.words", "-o", "slos/words.yml").exit_code == 0
    assert run("plan", "slos/words.yml").exit_code == 3


def test_a_rule_that_does_not_fit_is_left_out(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    """Also where the error is at the column, and not at the rule."""
    connection.execute(WORDS)
    kind = columns._kind
    monkeypatch.setattr(columns, "_kind", lambda column: "text" if column.name == "country" else kind(column))
    text, found = suggested(run, "shop.words")
    assert "accepted_values" in str(found["columns"]["status"])
    assert [list(rule) for rule in found["columns"]["country"]] == [["completeness"]]
    assert '# Left out: column "country" has type public.word' in text


def test_a_set_that_grows_is_not_closed(run: Run):
    """Each day has its month, its model of a fortnight, and a tenant more every ten days; the plans stay."""
    text, written = suggested(run, "shop.growing")
    closed = {
        name
        for name, listed in written["columns"].items()
        if any("accepted_values" in rule for rule in listed)
    }
    assert closed == {"plan"}
    assert "none once, all of them in the first 1 of 60 batches" in text


LOADS = """
CREATE TABLE shop.hourly (at timestamptz NOT NULL, id bigint, ms integer) PARTITION BY RANGE (at);
CREATE TABLE shop.hourly_1 PARTITION OF shop.hourly FOR VALUES FROM ('2026-03-01Z') TO ('2026-03-04Z');
CREATE TABLE shop.hourly_2 PARTITION OF shop.hourly DEFAULT;
CREATE TABLE shop.nightly (at timestamptz NOT NULL, id bigint, ms integer);
CREATE TABLE shop.stamped (loaded_at timestamptz NOT NULL, id bigint, ms integer);
INSERT INTO shop.nightly SELECT DATE '2026-03-01' + d + random() * interval '1 day', i, i FROM generate_series(0, 19) AS d, generate_series(1, 300) AS i;
INSERT INTO shop.stamped SELECT TIMESTAMPTZ '2026-03-01 00:05Z' + h * interval '1 hour', i, i FROM generate_series(0, 480) AS h, generate_series(1, 12) AS i;
"""


def test_a_table_that_is_loaded_by_the_hour_has_batches_of_an_hour(
    run: Run, connection: psycopg.Connection[Any]
):
    connection.execute(LOADS)
    for hour in range(6 * 24):
        connection.execute(
            "INSERT INTO shop.hourly SELECT TIMESTAMPTZ '2026-03-01Z' + (%s + random()) * interval '1 hour', i, i FROM generate_series(1, 12) AS i",
            (hour,),
        )
    text, written = suggested(run, "shop.hourly")
    assert written["batch"] == {"by": "at", "every": "1 hour"}
    assert "cut into hours: 24 transactions a day wrote the rows, 12 rows in the middle" in text
    assert suggested(run, "shop.stamped")[1]["batch"] == {"by": "loaded_at", "every": "1 hour"}
    assert suggested(run, "shop.nightly")[1]["batch"] == {"by": "at", "every": "1 day"}
    # Round the clock until now: rows do not wait for the night.
    connection.execute(
        "UPDATE shop.nightly SET at = at + (now() - (SELECT max(n.at) FROM shop.nightly AS n)) - interval '1 minute'"
    )
    text, written = suggested(run, "shop.nightly")
    assert written["batch"] == {"by": "at", "every": "1 hour"}
    assert "rows come round the clock, the newest 1 minutes ago" in text
    connection.execute("UPDATE shop.nightly SET at = at - interval '3 hours'")
    assert suggested(run, "shop.nightly")[1]["batch"] == {"by": "at", "every": "1 day"}


FLAT = """
CREATE TABLE shop.flat (id integer, ds date, returns integer, refund numeric, balance numeric, rare integer, country text,
    a text, b text, c text, d integer, e integer, "F f" text, PRIMARY KEY (id, ds));
INSERT INTO shop.flat
SELECT n, d, CASE WHEN n % 9 = 0 THEN 1 + n % 3 ELSE 0 END, CASE WHEN n % 7 = 0 THEN 2.5 * n ELSE 0 END,
       CASE WHEN n % 6 = 0 THEN -1.5 WHEN n % 5 = 0 THEN 4 ELSE 0 END, CASE WHEN n = 1 AND d < DATE '2026-01-20' THEN 1 ELSE 0 END,
       CASE WHEN (n * 7 + extract(day FROM d)::integer * 13) % 31 > 0 THEN 'de' END, 'x' || n, 'y' || n, 'z' || n, n, -n, 'w' || n
FROM generate_series(DATE '2026-01-01', '2026-02-20', '1 day') AS d, LATERAL generate_series(1, 100 + extract(day FROM d)::integer % 7) AS n;
"""


def test_a_count_that_is_mostly_zero_is_not_negative(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(FLAT)
    text, written = suggested(run, "shop.flat")
    for name in ("returns", "refund"):
        assert {"range": {"min": "0"}} in written["columns"][name], name
    assert "of them 0; the largest is not a bound" in text
    assert "range" not in str(written["columns"].get("balance")), "it was negative"
    assert "range" not in str(written["columns"].get("rare")), "a handful of ones tells nothing"


def test_steady_volume_has_a_bound_that_growth_does_not_break(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(FLAT)
    text, written = suggested(run, "shop.flat")
    assert written["row_count"] == {"relative_to": "28 batches", "min": "0.7", "max": "1.4"}
    assert "51 batches of 100 to 106 rows, 103 in the middle; they differ by 2 %" in text
    connection.execute("DELETE FROM shop.flat WHERE extract(isodow FROM ds) >= 6 AND id > 50")
    text, written = suggested(run, "shop.flat")
    assert "row_count" not in written
    assert "differs too much for one that is written" in text


def test_a_share_that_flutters_opens_no_incident_each_time(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(FLAT)
    text, written = suggested(run, "shop.flat")
    (rule,) = [one for one in written["columns"]["country"] if "completeness" in one]
    assert rule["completeness"].items() >= {"opens_after": "2", "resolves_after": "3"}.items()
    assert "differs from batch to batch" in " ".join(text.replace("#", "").split())
    assert text.count("opens_after") == 1, "what was never NULL does not flutter"


def test_what_many_columns_have_in_common_is_said_once(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(FLAT)
    text, written = suggested(run, "shop.flat")
    (rule,) = written["rules"]
    assert rule["complete"] == {
        "expression": 'num_nulls(returns, refund, balance, rare, a, b, c, d, e, "F f") = 0',
        "at_least": "0.98",
    }
    assert "of 10 columns each: no NULL in" in text
    assert text.count("completeness: {min") == 1
    assert "a" not in written["columns"]
    assert run("suggest", "shop.flat", "-o", "slos/flat.yml").exit_code == 0
    assert run("apply", "--yes").exit_code == 0
    # One batch with a column that is empty misses it.
    connection.execute(
        "INSERT INTO shop.flat (id, ds, a) SELECT n, DATE '2026-02-21', 'x' FROM generate_series(1, 100) AS n"
    )
    opened = connection.execute(
        "SELECT rule FROM pgslo.incident WHERE opened_batch = '2026-02-21'"
    ).fetchall()
    assert ("complete",) in opened


def test_without_batches_nothing_is_left_to_learned_bounds(run: Run, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE shop.plain (id integer PRIMARY KEY, name text, valid_to date)")
    connection.execute(
        "INSERT INTO shop.plain SELECT n, 'n' || n, CASE WHEN n % 4 > 0 THEN DATE '2026-01-01' + n END FROM generate_series(1, 400) AS n"
    )
    text, _ = suggested(run, "shop.plain")
    assert "Without a batch no bounds are learned" in text
    assert "Often NULL, so no rule (share with a value): valid_to 75 %." in text
    assert "left to learned bounds" not in text


@pytest.mark.usefixtures("run")
def test_a_question_that_a_table_does_not_support_remains_open(dsn: str):
    with database.connect(dsn) as conn:
        relation = catalog_reader.read_relation(conn, ("shop", "empty"))
        questions = Questions(conn, relation, rows=0, sample=100)
        assert questions.ask(Sql("SELECT count(*) FROM shop.empty FOR UPDATE")) == []


def test_columns_of_which_only_presence_is_learned_are_named(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(
        "CREATE TABLE shop.events (day date, id int, payload jsonb, tags text[], words circle, name text, PRIMARY KEY (day, id))"
    )
    connection.execute(
        "INSERT INTO shop.events SELECT DATE '2026-01-01' + k, i, '{}', '{}', '<(0,0),1>', 'n' || i FROM generate_series(0, 29) AS k, generate_series(1, 50) AS i"
    )
    text, _ = suggested(run, "shop.events")
    words = " ".join(line.removeprefix("#").strip() for line in text.splitlines())
    assert "Learned bounds watch the parts of the values: payload, tags." in words, text
    assert "Learned bounds watch only whether there is a value: words." in words, text
    text, _ = suggested(run, "shop.parts")
    assert "only whether there is a value" not in text


def test_a_value_that_no_definition_may_hold_stops_nothing(run: Run, connection: psycopg.Connection[Any]):
    connection.execute(
        """
        CREATE TABLE shop.quoted (id integer PRIMARY KEY, status text, other text);
        INSERT INTO shop.quoted
        SELECT n, (ARRAY['a', 'b', '$pg' || 'slo$'])[1 + n % 3], (ARRAY['on', 'off'])[1 + n % 2] FROM generate_series(1, 1500) AS n;
        """
    )
    text, written = suggested(run, "shop.quoted")
    assert "accepted_values" not in str(written["columns"].get("status", [])), text
    assert "accepted_values" in str(written["columns"]["other"]), text


def test_a_name_that_no_function_may_hold_is_told_with_its_table(
    run: Run, connection: psycopg.Connection[Any]
):
    connection.execute('CREATE TABLE shop.named (id integer PRIMARY KEY, "a$pgslo$" text)')
    result = run("suggest", "shop.named")
    assert result.exit_code == 1
    assert "shop.named cannot be guarded" in result.stderr
