"""Observers fail no write and count right, whatever columns are called, whatever they hold, whatever is asked of them.

Seeded random cases; PGSLO_FUZZ_CASES asks for more of them, PGSLO_FUZZ_SEED for others.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import psycopg
import pytest

from pgslo import definition
from pgslo.database import installation, planning
from pgslo.errors import DefinitionErrors

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("PGSLO_FUZZ_CASES", "250"))
SEED = os.environ.get("PGSLO_FUZZ_SEED", "38")
COLUMNS = 5
TABLES = 10
BLOCKS = max(1, CASES // (COLUMNS * TABLES))

NAMES = (
    "Select", "user", "table", 'a"b', "a'b", "semi;x", "--", "/*", "*/", "$$", "back\\s", " sp ", "%I", "%s", "{{x}}",
    "a.b", "UPPER", "upper", "x" * 63, "数据", "數" * 21, "é", "e\u0301", "😀", "a:b", "#x", "[1]", "null", "true", "1",
    "failed", "batches", "r", "b", "n", "i", "rows", "row_key", "pgslo_new", "pgslo_rows", "new", "old", "NEW", "tg_op", "tg_relid", "notes", "shown",
    "warns", "missed", "rules", "example", "passes", "batch_name", "batch_place", "rejects", "sent", "old_value", "raw", "violated",
    "value", "count", "raised_key", "sqlerrm", "sqlstate", "found", "ctid_", "pg_catalog", "array_agg", "text",
)  # fmt: skip

LONG = "lang " * 3000
NUMBERS = {
    "int2": ("0", "1", "-1", "50", "101", "32767", "-32768", None),
    "int4": ("0", "1", "-1", "50", "101", "2147483647", "-2147483648", None),
    "int8": ("0", "1", "-1", "50", "101", "9223372036854775807", "-9223372036854775808", None),
    "numeric": ("0", "1", "0.1", "-0.1", "101", "NaN", "Infinity", "-Infinity", "1e1000", "-1e-1000", None),
    "numeric(6,2)": ("0", "1", "0.1", "101", "9999.99", "NaN", None),
    "real": ("0", "-0", "1", "50.5", "101", "NaN", "Infinity", "-Infinity", "3.4e38", "1e-45", None),
    "float8": ("0", "-0", "1", "50.5", "101", "NaN", "Infinity", "-Infinity", "1e308", "5e-324", None),
    "features.positive": ("0", "1", "50", "101", "2147483647", None),
}
OTHERS = {
    "text": ("", " ", "a", "b", "aé", "e\u0301", "\u202e", "'; drop table x; --", "\\", "%s", "$$", "$pgslo$", LONG, None),
    "varchar(9)": ("", "a", "abcdefghi", "😀", "a@b.co", None),
    "char(5)": ("", "a", "abcde", "é", None),
    "bool": ("t", "f", None),
    "date": ("infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "5874897-12-31", "2026-02-28", None),
    "timestamp": ("infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59", "2026-03-29 02:30:00", None),
    "timestamptz": ("infinity", "-infinity", "4713-01-02 00:00:00+00 BC", "2026-03-29 02:30:00+01", None),
    "interval": ("1 mon", "30 days", "-178000000 years", "178000000 years", "0", None),
    "time": ("00:00", "24:00", "12:30:00.000001", None),
    "timetz": ("00:00+15", "24:00-15", None),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000", None),
    "json": ('{"a":"\\u0000"}', "{}", "null", None),
    "jsonb": ('{"a": 1}', "null", '"x"', "[]", None),
    "xml": ("<a/>", "text", None),
    "point": ("(1,2)", "(NaN,NaN)", "(Infinity,0)", None),
    "bytea": ("\\x00ff", "\\x", None),
    "int4[]": ("{}", "{1,NULL}", "{{1,2},{3,4}}", "[5:6]={1,2}", None),
    "text[]": ("{}", '{a,"b c",NULL}', None),
    "features.mood": ("sad", "ok", "it's", None),
    "features.pair": ("(1,a)", "(,)", None),
    "inet": ("::1", "10.0.0.0/8", None),
    "bit(3)": ("101", "000", None),
    "tsvector": ("a:1 b:2", "", None),
    "int4range": ("empty", "[1,)", "(,)", None),
    "money": ("92233720368547758.07", "-1", "0", None),
    "features.short": ("", "a", "abc", None),
}  # fmt: skip
TYPES: dict[str, tuple[str | None, ...]] = {**NUMBERS, **OTHERS}
LARGEST = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}

Fails = Callable[[str | None], bool]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(value):
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


@dataclass
class Rule:
    """A rule of a column.

    Attributes:
        name: Its name.
        kind: ``not_null``, ``range`` ….
        parameters: As written in the definition.
        on_breach: The action; repair for a repair.
        fails: Whether a value fails, when that is simple to compute.
    """

    name: str
    kind: str
    parameters: dict[str, object]
    on_breach: str
    fails: Fails | None

    def written(self):
        action = {} if self.kind == "repair" else {"on_breach": self.on_breach}
        return json.dumps({self.kind: {**self.parameters, "name": self.name, **action}}, ensure_ascii=False)


@dataclass
class Column:
    name: str
    type: str
    rules: list[Rule] = field(default_factory=list)

    @property
    def repaired(self):
        return any(rule.kind == "repair" for rule in self.rules)


class Case:
    """A table with a definition, and rows for it."""

    def __init__(self, seed, *, xml):
        self.seed = seed
        self.random = random.Random(seed)
        key, table, *names = self.random.sample(NAMES, COLUMNS + 2)
        self.key = key
        self.table = f"features.{quoted(table)}"
        self.writes = self.random.choice(("bulk", "stream"))
        self.columns = [Column(name, self.random.choice(list(TYPES))) for name in names]
        for at, column in enumerate(self.columns):
            for number in range(self.random.randint(1, 3)):
                column.rules.append(self._rule(f"r_{at}_{number}", column))
        self.batch = self.random.choice(self.columns).name if self.random.random() < 0.25 else None
        self.rows = {
            number: tuple(
                self.random.choice(TYPES[column.type]) if xml or column.type != "xml" else None
                for column in self.columns
            )
            for number in range(1, self.random.randint(3, 12))
        }

    def __repr__(self):
        return f"seed {self.seed}: {self.create()}\n{self.definition()}\n{self.rows!r:.2000}"

    def create(self):
        columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in self.columns)
        return f"CREATE TABLE {self.table} ({quoted(self.key)} bigint PRIMARY KEY, {columns})"

    def definition(self):
        lines = [
            f"table: {json.dumps(self.table, ensure_ascii=False)}",
            "owner: sam",
            f"writes: {self.writes}",
        ]
        if self.batch is not None:
            lines.append(f"batch: {{by: {json.dumps(quoted(self.batch), ensure_ascii=False)}}}")
        lines.append("columns:")
        for column in self.columns:
            if column.rules:
                lines.append(f"  {json.dumps(column.name, ensure_ascii=False)}:")
                lines += [f"    - {rule.written()}" for rule in column.rules]
        return "\n".join(lines) + "\n"

    @property
    def rules(self):
        return [rule for column in self.columns for rule in column.rules]

    def drop(self, line):
        """Leave out a line of the definition; return its number of rules."""
        if line.startswith("batch:"):
            self.batch = None
        before = len(self.rules)
        for column in self.columns:
            if line == f"  {json.dumps(column.name, ensure_ascii=False)}:":
                column.rules = []
            column.rules = [rule for rule in column.rules if f'"name": "{rule.name}"' not in line]
        return before - len(self.rules)

    def _rule(self, name, column):
        on_breach = self.random.choice(("warn", "flag", "quarantine"))
        kinds = [self._not_null, self._stated, self._text, self._range, self._repair, self._accepted]
        if column.type in NUMBERS:
            kinds += [self._number, self._number]
        if column.type in LARGEST:
            kinds += [self._raising, self._raising]
        kind, parameters, fails = self.random.choice(kinds)(column)
        return Rule(name, kind, parameters, "repair" if kind == "repair" else on_breach, fails)

    def _not_null(self, column):
        del column
        return "not_null", {}, lambda value: value is None

    def _number(self, column):
        del column
        low, high = self.random.choice(((0, 100), (0, None), (None, 100)))

        def fails(value):
            if value is None:
                return False
            number = Decimal(value)
            if not number.is_finite():
                return True
            return (low is not None and number < low) or (high is not None and number > high)

        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
        return "range", bounds, fails

    def _raising(self, column):
        name, largest = quoted(column.name), LARGEST[column.type]
        if self.random.random() < 0.5:
            return (
                "expression",
                {"sql": f"{name} * {name} > 0"},
                lambda value: value is not None and not 0 < int(value) ** 2 <= largest,
            )
        return "expression", {"sql": f"1 / {name} >= 0"}, lambda value: value in ("0", "-1")

    def _stated(self, column):
        name = quoted(column.name)
        if self.random.random() < 0.3:
            return "expression", {"sql": f"{name} IS NOT NULL"}, lambda value: value is None
        text = self.random.choice(
            (
                f"{name}::text <> ''",
                f"length({name}::text) < 5",
                f"{name}::text::int > 0",
                f"{name}::text::date > '2000-01-01'::date",
                f"{name}::text::jsonb ->> 'a' = 'x'",
                f"{name} > {name}",
                f"{name} * {name} > 0",
                f"{name} - '1 day'::interval < {name}",
                f"{name}[1] > 0",
                f"upper({name}::text) ~ '^[A-Z]*$'",
                f"{name} ->> 'a' = 'x'",
                f"exp({name}) > 0",
            )
        )
        return "expression", {"sql": text}, None

    def _text(self, column):
        del column
        kind, parameters = self.random.choice(
            (
                ("not_blank", {}),
                ("length", {"min": 1, "max": 4}),
                ("pattern", {"matches": "^(a|é)+$"}),
                ("pattern", {"matches": "(a*)*b"}),
                ("format", {"format": "email"}),
                ("format", {"format": "json"}),
                ("format", {"format": "iban"}),
            )
        )
        return kind, parameters, None

    def _range(self, column):
        if column.type in NUMBERS:
            return self._number(column)
        bounds = self.random.choice(
            (("b", "y"), ("2000-01-01", "2030-01-01"), ("2000-01-01 00:00:00+00", "infinity"), ("00:00", "12:00"), ("1 day", "1 year"))
        )  # fmt: skip
        return "range", dict(zip(("min", "max"), bounds, strict=True)), None

    def _accepted(self, column):
        values = [value for value in TYPES[column.type] if value is not None and len(value) < 50][:3]
        if column.type in NUMBERS:
            return "accepted_values", {"values": [0, 1, 50]}, None
        return "accepted_values", {"values": values}, None

    def _repair(self, column):
        text = self.random.choice(("a", "2026-01-01", "ok", "1 day", "{}"))
        number = column.type in NUMBERS
        steps = self.random.choice(
            (
                {"default": 1 if number else text},
                {"clip": [0, 100] if number else ["b", "y"]},
                {"round": 0},
                {"trim": True, "lower": True},
                {"expression": f"{quoted(column.name)} * 2"},
                {"expression": f"1 / {quoted(column.name)}"},
                {"expression": "repeat('x', 100)"},
                {"map": {1: 2} if number else {text: None}},
            )
        )
        return "repair", steps, None


def plan(connection, case):
    loaded = [definition.load(case.definition(), path="slos/example.yml")]
    return planning.plan_definitions(connection, loaded)


def guard(connection, case):
    """Carry out what the compiler takes of the definition, and count the rules that it does not take."""
    refused = 0
    while case.rules:
        try:
            made = plan(connection, case)
        except DefinitionErrors as exc:
            lines = case.definition().splitlines()
            refused += sum(case.drop(lines[error.location.line - 1]) for error in exc.errors)
            if case.definition().splitlines() == lines:
                raise AssertionError(f"{[str(error) for error in exc.errors]}; {case!r}") from exc
        else:
            assert installation.apply(connection, made, lambda: plan(connection, case)) == (), case
            break
    return refused


def write(connection, case):
    names = ", ".join(quoted(name) for name in (case.key, *(column.name for column in case.columns)))
    if case.random.random() < 0.5:
        with connection.cursor().copy(f"COPY {case.table} ({names}) FROM STDIN".encode()) as stream:
            for key, values in case.rows.items():
                stream.write_row((str(key), *values))
        return
    rows = [f"({key}, {', '.join(map(literal, values))})" for key, values in case.rows.items()]
    size = case.random.choice((1, len(rows)))
    cuts = [*range(0, len(rows), size), len(rows)]
    for start, end in pairwise(cuts):
        text = f"INSERT INTO {case.table} ({names}) VALUES {', '.join(rows[start:end])}"
        connection.execute(text.encode(), prepare=False)


def judge(connection, case):
    """Compare the stored, quarantined and counted rows with the result of simple rules on the sent values."""
    stored = {
        row[0]
        for row in connection.execute(f"SELECT {quoted(case.key)} FROM {case.table}".encode(), prepare=False)
    }
    held = connection.execute("SELECT count(*) FROM pgslo_catalog.quarantine").fetchone()[0]
    assert stored <= set(case.rows), case
    assert len(stored) + held == len(case.rows), f"stored {len(stored)}, held {held}; {case!r}"

    failures = dict(
        connection.execute(
            "SELECT f.key, sum(f.value::bigint)::int FROM pgslo_catalog.fragment, jsonb_each_text(failures) f GROUP BY 1"
        ).fetchall()
    )
    broken = dict(
        connection.execute("SELECT rule, broken FROM pgslo.rule WHERE broken IS NOT NULL").fetchall()
    )
    diverted: set[int] = set()
    all_simple = True
    judged = 0
    for at, column in enumerate(case.columns):
        for rule in column.rules:
            if rule.on_breach == "quarantine":
                all_simple = all_simple and rule.fails is not None and not column.repaired
            if rule.fails is None or column.repaired:
                continue
            assert rule.name not in broken, f"{rule.name}: {broken[rule.name]}; {case!r}"
            failing = {key for key, values in case.rows.items() if rule.fails(values[at])}
            judged += 1
            if rule.on_breach == "quarantine":
                diverted |= failing
            else:
                assert failures.get(rule.name, 0) == len(failing & stored), f"{rule.name}; {case!r}"
    assert not diverted & stored, case
    if all_simple:
        assert stored == set(case.rows) - diverted, case
    if case.writes == "bulk" and any(rule.on_breach in ("warn", "flag") for rule in case.rules):
        rows = connection.execute("SELECT sum(rows) FROM pgslo_catalog.fragment").fetchone()[0] or 0
        assert rows == len(stored), case
    return judged


SETTINGS = (
    "SET datestyle = 'German, DMY'", "SET intervalstyle = 'iso_8601'", "SET bytea_output = 'escape'", "SET extra_float_digits = -5",
    "SET search_path = ''", "SET timezone = 'Asia/Kathmandu'", "SET default_transaction_isolation = 'repeatable read'",
    "SET plpgsql.variable_conflict = 'use_variable'", "SET quote_all_identifiers = on", "SET xmloption = 'document'",
)  # fmt: skip


@pytest.mark.parametrize("block", range(BLOCKS))
def test_observers_fail_no_write_and_count_right(make_database, block):
    judged = refused = 0
    with (
        make_database() as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
        psycopg.connect(dsn, autocommit=True) as writer,
    ):
        connection.execute("""
            CREATE SCHEMA features;
            CREATE DOMAIN features.positive AS int CHECK (VALUE >= 0);
            CREATE DOMAIN features.short AS text CHECK (length(VALUE) < 5);
            CREATE TYPE features.mood AS ENUM ('sad', 'ok', 'it''s');
            CREATE TYPE features.pair AS (a int, b text);
        """)
        xml = (
            connection.execute(
                "SELECT count(*) FROM pg_config WHERE setting LIKE '%--with-libxml%'"
            ).fetchone()[0]
            > 0
        )
        for number in range(TABLES):
            case = Case(f"{SEED}/{block}/{number}", xml=xml)
            connection.execute(case.create().encode(), prepare=False)
            refused += guard(connection, case)
            writer.execute("RESET ALL")
            if case.random.random() < 0.5:
                setting = case.random.choice(SETTINGS)
                if not ("xmloption" in setting and any(column.type == "xml" for column in case.columns)):
                    writer.execute(setting)
            try:
                write(writer, case)
                judged += judge(connection, case)
                writer.execute(
                    f"UPDATE {case.table} SET {quoted(case.key)} = {quoted(case.key)}".encode(), prepare=False
                )
            except psycopg.Error as exc:
                raise AssertionError(f"{exc}; {case!r}") from exc
            connection.execute(f"DROP TABLE {case.table} CASCADE".encode(), prepare=False)
            connection.execute("SELECT pgslo_catalog.unregister(name) FROM pgslo_catalog.definition")
            connection.execute("TRUNCATE pgslo_catalog.quarantine, pgslo_catalog.fragment")
    assert judged > 0
    assert refused < COLUMNS * TABLES * 2
