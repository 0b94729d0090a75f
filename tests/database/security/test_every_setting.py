"""No setting that every role may change changes what a rule says: each is set to each hostile value, for every kind of rule."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import Any

import psycopg
import pytest
from nightly import NIGHTLY

from pgslo import definition
from pgslo.definition import rules

pytestmark = pytest.mark.slow

TABLES = """
CREATE TABLE features.country (code text PRIMARY KEY);
INSERT INTO features.country VALUES ('de'), ('fr');
CREATE TABLE features.tag (tags int[]);
CREATE INDEX ON features.tag USING gin (tags);
CREATE TABLE features.other (id int PRIMARY KEY, day date, n int);
CREATE TABLE features.ex (
    id int PRIMARY KEY, day date, n int, x float8, y float4, s text, e text, country text, tags int[], names text[],
    at timestamptz, until timestamptz, seen timestamp, took interval, d date, raw bytea, cash money, big numeric, doc jsonb,
    plan text, wide text, missing text);
CREATE INDEX ON features.ex USING gin (tags);
CREATE INDEX ON features.ex (day);
CREATE INDEX ON features.ex (plan);
CREATE INDEX ON features.ex (tags);
CREATE INDEX ON features.ex (d);
CREATE INDEX ON features.ex (country);
CREATE INDEX ON features.tag (tags);
CREATE TABLE features.pred (
    id int PRIMARY KEY, day date, score float8, late boolean, raw_score float8, trail text[], model text, at timestamptz);
CREATE TABLE features.label (id int PRIMARY KEY, late boolean, at timestamptz);
GRANT ALL ON ALL TABLES IN SCHEMA features TO $writer;
"""
OTHER = "{table: features.other, key: [id], writes: bulk, batch: {by: day}, columns: {n: [range: {min: 0, max: 9, on_breach: flag}]}}"
EX = """
table: features.ex
key: [id]
writes: WRITES
batch: {by: day}
schema: {columns: {id: integer, day: date}, on_breach: reject}
columns:
  n:
    - not_null: {on_breach: reject, name: n_null}
    - range: {min: 0, max: 100, on_breach: quarantine, name: n_range}
    - statistic: {of: sum, max: 100, where: "s::date = d", name: n_sum}
    - change: {of: mean, relative_to: previous, max: 1, name: n_change}
    - drift: {by: psi, relative_to: previous, max: 1, name: n_drift}
    - skew: {from: features.other.n, by: ks, max: 0.3, name: n_skew}
    - no_gap: {every: 1, name: n_gap}
    - monotonic: {order: id, name: n_order}
  x:
    - range: {min: 0, max: 1, on_breach: flag, name: x_range}
    - repair: {round: 3}
    - statistic: {of: median, max: 1, name: x_median}
    - drift: {by: tv, relative_to: previous, max: 1, name: x_drift}
  y:
    - statistic: {of: distinct, max: 9, name: y_distinct}
  s:
    - pattern: {matches: '^[0-9/ -]+$', on_breach: warn, name: s_pattern}
    - length: {max: 12, on_breach: flag, name: s_length}
    - not_blank: {on_breach: flag, name: s_blank}
    - completeness: {min: 0.5, where: "at::date = d", name: s_filled}
  e:
    - format: {format: email, on_breach: flag, name: e_format}
    - accepted_values: {values: [a@b.de, 'back\\\\slash'], on_breach: warn, name: e_values}
    - not_accepted_values: {values: [bad], on_breach: reject, name: e_bad}
  country:
    - references: {table: features.country, column: code, on_breach: flag, name: c_ref}
  plan:
    - unique: {on_breach: flag, where: "n < 50", name: p_unique}
    - repair: {trim: true, lower: true, map: {usa: us}}
  wide:
    - repair: {expression: "coalesce(wide, concat(x, '|', at, '|', took, '|', raw, '|', d))", name: w_repair}
  at:
    - freshness: {max_unchanged: 3 batches, name: at_fresh}
rules:
  - unique_tags: {unique: [tags], on_breach: flag, where: "n < 60"}
  - no_tag: {references: {columns: [tags], table: features.tag, to: [tags]}, on_breach: flag}
  - in_order: {compare: {left: at, operator: "<=", right: until}, on_breach: reject}
  - dated: {expression: "s::date = d", on_breach: flag}
  - zoned: {expression: "at::date = d", on_breach: reject}
  - local_time: {expression: "at >= seen", on_breach: flag}
  - named_zone: {expression: "s IS NULL OR '2026-01-01 02:00 EST'::timestamptz = '2026-01-01 07:00+00'", on_breach: reject}
  - printed: {expression: "x::text <> '0.456'", on_breach: flag}
  - printed_raw: {expression: "raw::text <> '\\\\x00ff'", on_breach: flag}
  - spent: {expression: "took::text = '1 day 02:00:00'", on_breach: flag}
  - formatted: {expression: "to_char(big, 'FM999G999D99') = '1,234.5' OR to_char(big, 'FM999G999D99') = '12345'", on_breach: flag}
  - monthly: {expression: "to_char(d, 'TMMonth') <> 'Januar'", on_breach: reject}
  - nulls: {expression: "names <> '{NULL,x}'", on_breach: flag}
  - null_equals: {expression: "(missing = NULL) IS NULL", on_breach: reject}
  - backslash: {expression: "s <> '\\\\'", on_breach: reject}
  - document: {expression: "doc ->> 'a' = '1'", on_breach: flag}
  - spans: {no_overlap: {from: at, to: until, per: country}}
  - rows: {row_count: {max: 5}}
  - segments: {by_segment: {per: [country, d], columns: [tags]}}
  - counted: {metric: {query: "SELECT count(*) FROM features.ex", min: 0}}
  - found: {query: "SELECT id FROM features.ex WHERE tags @> ARRAY[1]", on_breach: flag}
  - twin: {same_as: {table: features.other, on: [id]}, at_most: 0}
assertions:
  - one_plan: {at_most_one: row, where: "n = 77", group_by: country, on_breach: reject}
  - few: {count: {max: 1}, where: "n = 78 AND at::date = d", group_by: country, on_breach: reject}
  - same_took: {all_equal: took, group_by: d, on_breach: flag}
"""
PRED = """
table: features.pred
kind: predictions
key: [id]
batch: {by: day}
predictions: {score: score, class: late, model: model, at: at}
labels: {table: features.label, on: [id], label: late, at: at, positive: true, maturity: 1 day}
post_process:
  raw: raw_score
  trail: trail
  steps:
    - default: 0.2
    - clip: [0, 1]
    - threshold: {at: 0.5, above: true, below: false}
rules:
  - is_right: {ml_metric: {of: accuracy, min: 0.9}}
"""
#: Statements before those that are compared: the batch of the day before, and a label.
BEFORE = """
INSERT INTO features.other SELECT n, '2026-01-01', 5 FROM generate_series(1, 5) n;
INSERT INTO features.tag VALUES (ARRAY[1, 2]), (ARRAY[9]);
INSERT INTO features.ex (id, day, n, x, s, d, e, tags) SELECT 1000 + n, '2026-01-01', n, n, '2026-01-01', '2026-01-01', 'a@b.de', ARRAY[1, 2]
FROM generate_series(1, 9) n;
INSERT INTO features.pred (id, day, score, model, at) VALUES (9, '2026-01-01', 0.9, 'm', '2026-01-01 00:00+00');
INSERT INTO features.label VALUES (9, true, '2026-01-01 00:00+00');
"""
_GOOD = {
    "day": "'2026-01-02'",
    "n": "10",
    "x": "0.5",
    "y": "0.25",
    "s": "'2026-01-02'",
    "e": "'a@b.de'",
    "country": "'de'",
    "tags": "ARRAY[1, 2]",
    "names": "ARRAY['y']",
    "at": "'2026-01-02 00:00+00'",
    "until": "'2026-01-02 01:00+00'",
    "seen": "'2026-01-01 00:00'",
    "took": "'1 day 02:00:00'",
    "d": "'2026-01-02'",
    "raw": "decode('01', 'hex')",
    "cash": "5::money",
    "big": "1234.5",
    "doc": """'{"a": 1}'""",
    "plan": "NULL",
    "missing": "'m'",
}


def _row(number: int, **values: str) -> str:
    return f"({number}, {', '.join((_GOOD | values).values())})"


def _insert(*rows: str) -> str:
    return f"INSERT INTO features.ex (id, {', '.join(_GOOD)}) VALUES {', '.join(rows)}"


STATEMENTS = (
    _insert(_row(1), _row(2, x="0.1234567890123456", y="0.12345678", n="12")),
    # What is flagged, by one rule each.
    _insert(_row(10, x="5"), _row(11, s="'x'"), _row(12, s="'2026-01-02    '"), _row(13, e="'none'")),
    _insert(
        _row(14, e="'other@b.de'"), _row(15, country="'xx'"), _row(16, plan="'p1'"), _row(17, plan="' P1 '")
    ),
    _insert(
        _row(18, tags="ARRAY[7]"),
        _row(19, s="'02/01/2026'"),
        _row(20, s="'01-02-26'"),
        _row(21, seen="'2026-01-02 05:00'"),
    ),
    _insert(
        _row(22, x="0.456"),
        _row(23, raw="decode('00ff', 'hex')"),
        _row(24, took="'26:00:00'"),
        _row(25, big="12345.5"),
    ),
    _insert(
        _row(26, names="ARRAY[NULL, 'x']"),
        _row(27, doc="'{\"a\": 2}'"),
        _row(28, plan="'usa'"),
        _row(29, s="NULL", e="NULL"),
    ),
    # What is quarantined.
    _insert(_row(30, n="500"), _row(31, n="-1")),
    # What is refused.
    _insert(_row(40, n="NULL")),
    _insert(_row(41, e="'bad'")),
    _insert(_row(42, until="'2026-01-01 23:00+00'")),
    _insert(_row(43, at="'2026-01-01 20:00+00'")),
    _insert(_row(44, e="NULL", s="chr(92)")),
    _insert(_row(45, n="77"), _row(46, n="77")),
    _insert(_row(48, n="78"), _row(49, n="78")) + "; SET CONSTRAINTS ALL IMMEDIATE",
    _insert(_row(47, d="'2026-01-03'")),
    "UPDATE features.ex SET x = 7, s = '03/04/2026', tags = ARRAY[1, 2] WHERE id = 2",
    "DELETE FROM features.ex WHERE id = 11",
    "INSERT INTO features.pred (id, day, score, model, at) VALUES (1, '2026-01-02', 0.1234567890123456, 'm', '2026-01-02 00:00+00')",
    "INSERT INTO features.pred (id, day, model, at) VALUES (2, '2026-01-02', 'm', '2026-01-02 00:00+00')",
    "UPDATE features.pred SET score = 7.0000000000000009 WHERE id = 1",
    "INSERT INTO features.label VALUES (1, true, '2026-01-02 00:00+00'), (2, true, '2026-01-02 00:00+00')",
    "SET CONSTRAINTS ALL IMMEDIATE",
)
#: What refuses a statement, in their order.
REFUSED = ["23502", "e_bad", "in_order", "zoned", "backslash", "pgslo__ex__one_plan", "few", "zoned"]
FLAGGED = {
    *(
        "x_range",
        "s_pattern",
        "s_length",
        "e_format",
        "e_values",
        "c_ref",
        "p_unique",
        "unique_tags",
        "no_tag",
    ),
    *("dated", "local_time", "printed", "printed_raw", "spent", "formatted", "nulls", "document"),
}
STORED = (
    "SELECT t::text FROM features.ex t ORDER BY id",
    "SELECT t::text FROM features.pred t ORDER BY id",
    "SELECT image_text, row_key, reasons::text FROM pgslo_catalog.quarantine ORDER BY quarantine_id",
    """SELECT d.name, f.batch, f.place, f.rows, f.failures, f.operation, f.present, f.tallies, f.level, f.sample
       FROM pgslo_catalog.fragment f JOIN pgslo_catalog.definition d USING (definition_id) ORDER BY fragment_id""",
    "SELECT rule, opened_batch FROM pgslo.incident WHERE resolved_at IS NULL ORDER BY 1, 2",
    """SELECT r.name, s.batch, s.row_key, s.shown FROM pgslo_catalog.sample s JOIN pgslo_catalog.rule r USING (rule_id)
       ORDER BY sample_id""",
    """SELECT r.name, b.batch, b.error_code FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id)
       ORDER BY 1, 2, 3""",
    "SELECT row_key, old_value, new_value FROM pgslo_catalog.repair ORDER BY repair_id",
    "SELECT images::text FROM pgslo_catalog.pair_fragment ORDER BY pair_fragment_id",
)
VERDICTS = """
SELECT d.name, r.name, v.batch, v.verdict, v.value, v.said
FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = v.definition_id
ORDER BY 1, 2, 3
"""

#: Values of settings that are texts. Of the others, every value that is listed, or the least and the largest.
TEXTS = {
    "DateStyle": ["SQL, DMY", "German, DMY", "Postgres, YMD", "ISO, DMY"],
    "TimeZone": ["Etc/GMT-14", "Etc/GMT+12", "Europe/Berlin"],
    "timezone_abbreviations": ["Australia", "India"],
    "application_name": ["x" * 60],
    "client_encoding": ["LATIN1", "SQL_ASCII"],
    "createrole_self_grant": ["set, inherit"],
    "default_table_access_method": [],
    "default_tablespace": [],
    "temp_tablespaces": [],
    "default_text_search_config": ["pg_catalog.simple"],
    "lc_monetary": ["C.UTF-8", "de_DE.UTF-8"],
    "lc_numeric": ["C.UTF-8", "de_DE.UTF-8"],
    "lc_time": ["C.UTF-8", "de_DE.UTF-8"],
    "local_preload_libraries": [],
    "plpgsql.extra_errors": ["all"],
    "plpgsql.extra_warnings": ["all"],
    "restrict_nonsystem_relation_kind": ["view", "foreign-table", "view, foreign-table"],
    "role": [],
    "search_path": ["", "evil, pg_catalog", "features, pgslo_catalog"],
    "session_authorization": [],
    "event_source": [],
    "ssl_renegotiation_limit": [],
}


#: Settings that decide what a text, a comparison or an index says, and who reads what. The others are about costs.
_MEANING = (
    "style|zone|bytea|float|^lc_|array_nulls|null_equals|gin_|xml|search|row_security|restrict|plpgsql|client_enc"
    "|standard_|quote|backslash|isolation|read_only"
)


def hostile(admin: psycopg.Connection[Any], *, costs: bool) -> list[tuple[str, str]]:
    """Every setting that a role without rights may change, with each of its values that may be hostile.

    Args:
        admin: A session of a superuser.
        costs: Also those that change what a query costs.
    """
    found = []
    listed = admin.execute(
        """SELECT name, setting, vartype, min_val, max_val, enumvals FROM pg_settings
           WHERE context = 'user' AND name NOT LIKE 'debug_print%' ORDER BY name"""
    ).fetchall()
    for name, setting, kind, least, largest, values in listed:
        if not costs and not re.search(_MEANING, name, re.IGNORECASE):
            continue
        match kind:
            case "bool":
                found += [(name, value) for value in ("on", "off") if value != setting]
            case "enum":
                found += [(name, value) for value in values if value != setting]
            case "string":
                found += [(name, value) for value in TEXTS[name]]
            case _:
                found += [(name, value) for value in (least, largest) if value != setting]
    return found


@pytest.fixture
def everything(world):
    world.run("installer", TABLES)
    return world


def _written(world, setting: tuple[str, str] | None) -> tuple[list[Any], list[Any]]:
    """The result of each statement (NULL, or an error), and the stored rows; nothing of it is committed."""
    session = world.session("writer")
    try:
        if setting:
            try:
                session.execute("SELECT set_config(%s, %s, false)", setting)
            except psycopg.Error:
                return [], []
        try:
            session.execute("BEGIN")
        except psycopg.Error:
            return [], []  # A session that ended itself.
        came: list[Any] = []
        for statement in STATEMENTS:
            try:
                with session.transaction():
                    session.execute(statement.encode(), prepare=False)
                came.append(None)
            except psycopg.Error as error:
                came.append((error.sqlstate, error.diag.constraint_name))
        stored: list[Any] = []
        if not session.broken and session.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
            session.execute("RESET ALL")
            session.execute("RESET SESSION AUTHORIZATION")
            session.execute("SET datestyle = 'ISO, MDY'; SET timezone = 'UTC'; SET client_encoding = 'UTF8'")
            stored = [session.execute(one.encode()).fetchall() for one in STORED]
    finally:
        session.close()
    return came, stored


def _evaluated(world, setting: tuple[str, str] | None) -> list[Any]:
    """The verdicts after batches were closed in an operator's session; nothing of it is committed."""
    session = world.session("operator")
    try:
        if setting:
            session.execute("SELECT set_config(%s, %s, false)", setting)
        session.execute("BEGIN")
        for name in ("other", "ex", "pred"):
            session.execute(f"SELECT pgslo.close_batch('features.{name}')".encode())
        session.execute("RESET ALL")
        session.execute("RESET SESSION AUTHORIZATION")
        session.execute("SET datestyle = 'ISO, MDY'; SET timezone = 'UTC'; SET client_encoding = 'UTF8'")
        return session.execute(VERDICTS.encode()).fetchall()
    except psycopg.Error:
        return []  # Nothing is evaluated, and the operator gets an error.
    finally:
        session.close()


PARTS = 3


@pytest.mark.parametrize(
    ("writes", "part", "parts"), [*(("bulk", part, PARTS) for part in range(PARTS)), ("stream", 0, 1)]
)
def test_no_setting_of_a_writer_changes_what_is_stored_or_refused(everything, writes, part, parts):
    world = everything
    world.apply(OTHER)
    world.apply(EX.replace("WRITES", writes))
    world.apply(PRED)
    world.run("writer", BEFORE)
    came, stored = _written(world, None)
    refused = [(n, error) for n, error in enumerate(came) if error]
    assert [name or code for _, (code, name) in refused] == REFUSED
    flagged = {name for batch in stored[3] for name in batch[4] or ()}
    assert flagged ^ FLAGGED == set()
    changed, tried = [], 0
    # By day every third one of them.
    step = parts if NIGHTLY else 3 * parts
    for setting in hostile(world.admin, costs=writes == "bulk")[part::step]:
        found, kept = _written(world, setting)
        if not found:
            continue
        tried += 1
        if any(error is None for error, of_all in zip(found, came, strict=True) if of_all):
            changed.append((setting, "accepted", found))
        elif found == came and kept != stored:
            changed.append((setting, "stored", _differences(stored, kept)))
    assert changed == [], "\n".join(map(str, changed))
    assert tried > 5


def test_no_setting_of_an_operator_changes_a_verdict(everything):
    world = everything
    world.apply(OTHER)
    world.apply(EX.replace("WRITES", "bulk"))
    world.apply(PRED)
    world.run("writer", BEFORE)
    session = world.session("writer")
    for statement in STATEMENTS[:-1]:
        with contextlib.suppress(psycopg.Error):
            session.execute(statement.encode(), prepare=False)
    verdicts = _evaluated(world, None)
    assert {verdict for _, _, _, verdict, _, _ in verdicts} == {"met", "missed", "unknown"}
    assert len(verdicts) > 40
    changed = []
    for setting in hostile(world.admin, costs=False)[:: 1 if NIGHTLY else 3]:
        found = _evaluated(world, setting)
        if found and found != verdicts:
            changed.append((setting, _differences([verdicts], [found])))
    assert changed == [], "\n".join(map(str, changed))


def _differences(one: list[Any], other: list[Any]) -> list[Any]:
    return [
        (a, b)
        for before, after in zip(one, other, strict=True)
        for a, b in itertools.zip_longest(before, after)
        if a != b
    ]


def test_the_definition_has_every_kind_of_rule():
    made = definition.load(EX.replace("WRITES", "bulk"), path="slos/ex.yml", kinds={})
    kinds = {rule.kind for one in (made,) for rule in one.rules}
    assert kinds | {"ml_metric"} >= set(rules.BUILT_IN)
