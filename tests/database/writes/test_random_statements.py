"""What a statement leaves, against a plain oracle: a twin of the table without pgslo, whose rows are judged one by one.

Random definitions, rows and statements, with conditions that raise errors, columns that change their type or their
name. Seeded: PGSLO_FUZZ_SEED asks for other cases.
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from nightly import NIGHTLY

from pgslo import definition
from pgslo.database import installation, planning

Connection = psycopg.Connection[Any]

SEED = os.environ.get("PGSLO_FUZZ_SEED", "17")
RUNS = 200 if NIGHTLY else 6
STATEMENTS = 14

COLUMNS = ("id", "day", "a", "b", "s")
#: Conditions, with the columns that they read. Most of them raise an error for some row.
CONDITIONS = {
    "100 / a >= 1": "a",
    "100 / a >= b": "ab",
    "a < b": "ab",
    "s::int > 0": "s",
    "b IN (1, 2, 3)": "b",
    "length(s) < 3": "s",
    "sqrt(b::float8) < 2": "b",
    "day < '2026-01-04'::date": "",
    "a + b < 1000": "ab",
    "s ~ '^[0-9]*$'": "s",
    "substring(s FROM 1 FOR a::int) <> 'x'": "as",
}
NUMBERS = (0, 1, 2, 3, 50, -1, 2147483647, None)
TEXTS = ("", "1", "2", "17", "x", "xyz", "0", None)
DAYS = (*(f"2026-01-0{day}" for day in range(1, 6)), None)
#: How many rows of a batch that violate a rule are kept.
KEPT = 10


@dataclass(frozen=True)
class Rule:
    name: str
    condition: str
    on_breach: str

    @property
    def reads(self) -> set[str]:
        return set(CONDITIONS[self.condition]) | ({"day"} if "day" in self.condition else set())


@dataclass
class Case:
    """A definition, its table and its twin."""

    random: random.Random
    writes: str
    watch: bool
    rules: list[Rule]
    names: dict[str, str] = field(default_factory=lambda: {name: name for name in COLUMNS})

    @classmethod
    def make(cls, seed: str) -> Case:
        chance = random.Random(seed)
        chosen = chance.sample(sorted(CONDITIONS), chance.randint(2, 5))
        weights = {"warn": 4, "flag": 3, "quarantine": 2, "reject": 1}
        actions = chance.choices([*weights], [*weights.values()], k=len(chosen))
        rules = [
            Rule(f"rule_{number}", condition, action)
            for number, (condition, action) in enumerate(zip(chosen, actions, strict=True))
        ]
        return cls(chance, chance.choice(("bulk", "bulk", "stream")), chance.random() < 0.5, rules)

    def definition(self) -> str:
        lines = [
            "table: w.t",
            "owner: sam",
            f"writes: {self.writes}",
            f"watch: {str(self.watch).lower()}",
            "batch: {by: day}",
            "rules:",
        ]
        lines += [
            f'  - {rule.name}: {{expression: "{rule.condition}", on_breach: {rule.on_breach}}}'
            for rule in self.rules
        ]
        return "\n".join(lines) + "\n"

    def judged(self) -> list[Rule]:
        """Rules about rows as they were stored, in the order in which they are reported."""
        stored = [rule for rule in self.rules if rule.on_breach != "quarantine"]
        return sorted(stored, key=lambda rule: rule.on_breach != "reject")

    def is_broken(self, rule: Rule) -> bool:
        return any(self.names[column] != column for column in rule.reads)

    def values(self, number: int) -> tuple[Any, ...]:
        choose = self.random.choice
        return (number, choose(DAYS), choose(NUMBERS), choose(NUMBERS), choose(TEXTS))

    def rows(self, *, low: int, high: int) -> list[tuple[Any, ...]]:
        numbers = self.random.sample(range(low, high), self.random.randint(1, 6))
        return [self.values(number) for number in numbers]


def literal(value: Any) -> str:
    return "NULL" if value is None else psycopg.sql.Literal(value).as_string(None)


def listed(rows: list[tuple[Any, ...]]) -> str:
    typed = "(NULL::int, NULL::date, NULL::int, NULL::int, NULL::text)"
    return ", ".join(
        [
            typed,
            *(
                f"({row[0]}, {literal(row[1])}, {literal(row[2])}, {literal(row[3])}, {literal(row[4])})"
                for row in rows
            ),
        ]
    )


def statement(case: Case, version: int) -> tuple[str, list[tuple[Any, ...]]]:
    """A statement in which ``{table}`` is the table, and the rows of a COPY."""
    name = case.names
    fresh, known = case.rows(low=100 * case.random.randint(1, 9), high=1000), case.rows(low=1, high=20)
    changed = case.random.choice(("a", "b", "s"))
    value = literal(case.random.choice(TEXTS if changed == "s" else NUMBERS))
    source = f"(SELECT * FROM (VALUES {listed(known)}) AS v (id, day, a, b, s) WHERE id IS NOT NULL)"
    forms = {
        "insert": f"INSERT INTO {{table}} SELECT * FROM (VALUES {listed(known)}) AS v (id) WHERE id IS NOT NULL",
        "copy": "COPY {table} FROM STDIN",
        "update": f"UPDATE {{table}} SET {name[changed]} = {value} WHERE id % 3 = {case.random.randint(0, 2)}",
        "move": f"UPDATE {{table}} SET day = {literal(case.random.choice(DAYS))} WHERE id % 4 = 1",
        "delete": f"DELETE FROM {{table}} WHERE id % 5 = {case.random.randint(0, 4)}",
        "nothing": f"INSERT INTO {{table}} SELECT * FROM {source} AS v ON CONFLICT DO NOTHING",
        "upsert": f"INSERT INTO {{table}} AS t SELECT * FROM {source} AS v ON CONFLICT (id) DO UPDATE SET"
        f" {name['a']} = EXCLUDED.{name['a']}, {name['s']} = EXCLUDED.{name['s']}, day = EXCLUDED.day",
        "empty": "UPDATE {table} SET day = day WHERE false",
    }
    if version >= 150000:
        forms["merge"] = (
            f"MERGE INTO {{table}} AS t USING {source} AS v ON t.id = v.id"
            f" WHEN MATCHED AND v.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET {name['b']} = v.b"
            " WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.day, v.a, v.b, v.s)"
        )
    form = case.random.choice(sorted(forms))
    return forms[form], fresh if form == "copy" else []


TWIN = """
CREATE SCHEMA w;
CREATE TABLE w.t (id int PRIMARY KEY, day date, a int, b int, s text);
CREATE TABLE w.twin (LIKE w.t INCLUDING ALL);
CREATE TABLE w.written (step serial, sign int, seen jsonb);
CREATE TABLE w.held (id int, operation text, rules text[]);
CREATE FUNCTION w.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO w.written (sign, seen) SELECT TG_ARGV[0]::int, coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM seen AS r;
    RETURN NULL;
END $$;
CREATE TRIGGER a_removed AFTER UPDATE ON w.twin REFERENCING OLD TABLE AS seen
FOR EACH STATEMENT EXECUTE FUNCTION w.note('-1');
CREATE TRIGGER a_removed_too AFTER DELETE ON w.twin REFERENCING OLD TABLE AS seen
FOR EACH STATEMENT EXECUTE FUNCTION w.note('-1');
CREATE TRIGGER b_written AFTER UPDATE ON w.twin REFERENCING NEW TABLE AS seen
FOR EACH STATEMENT EXECUTE FUNCTION w.note('1');
CREATE TRIGGER b_written_too AFTER INSERT ON w.twin REFERENCING NEW TABLE AS seen
FOR EACH STATEMENT EXECUTE FUNCTION w.note('1');
"""

#: Keeps a row out that a rule does not accept; an UPDATE, unless it leaves alone what the violated rules read.
HOLD = """
CREATE OR REPLACE FUNCTION w.hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    violated text[] := '{{}}';  reads text[] := '{{}}';  changed text[] := '{{}}';
BEGIN
    {judged}
    IF TG_OP = 'UPDATE' THEN
        changed := ARRAY(SELECT n.key FROM jsonb_each(to_jsonb(NEW)) AS n
            WHERE n.value IS DISTINCT FROM to_jsonb(OLD) -> n.key);
    END IF;
    IF violated = '{{}}' OR TG_OP = 'UPDATE' AND NOT reads && changed THEN RETURN NEW; END IF;
    INSERT INTO w.held VALUES (NEW.id, TG_OP, violated);
    RETURN NULL;
END $$;
CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON w.twin FOR EACH ROW EXECUTE FUNCTION w.hold();
"""
HOLD_ONE = """
    DECLARE passes boolean := true;
    BEGIN
        BEGIN
            EXECUTE 'SELECT ' || {condition} || ' FROM (SELECT ($1).*) AS r' INTO passes USING NEW;
        EXCEPTION WHEN data_exception THEN passes := false; WHEN undefined_column THEN passes := true;
        END;
        IF NOT passes THEN violated := violated || {name}::text;  reads := reads || {reads}::text[]; END IF;
    END;
"""


def hold(case: Case) -> str:
    quote = psycopg.sql.Literal
    judged = (
        HOLD_ONE.format(
            condition=quote(f"({rule.condition})").as_string(None),
            name=quote(rule.name).as_string(None),
            reads=quote(sorted(rule.reads)).as_string(None),
        )
        for rule in case.rules
        if rule.on_breach == "quarantine"
    )
    return HOLD.format(judged="".join(judged))


def fails(twin: Connection, rule: Rule, row: dict[str, Any]) -> tuple[bool, str]:
    """Whether a row violates a rule, and the error if its condition raises one."""
    try:
        with twin.transaction():
            text = f"SELECT ({rule.condition}) FROM jsonb_populate_record(NULL::w.twin, %s) AS r"
            found = twin.execute(text.encode(), (psycopg.types.json.Jsonb(row),)).fetchone()
    except psycopg.DataError as error:
        return True, str(error.diag.message_primary)
    assert found is not None
    return found[0] is False, ""


@dataclass
class Known:
    """The expected records."""

    rows: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: dict[tuple[str, str], list[tuple[str, set[str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    first_missed: dict[str, str] = field(default_factory=dict)
    #: Batches from which rows were taken that could not be judged.
    inexact: set[str] = field(default_factory=set)


@dataclass
class Outcome:
    """What the oracle makes of a statement: the rule that rejects it and for how many rows, or the rules of its warning."""

    rejected: tuple[str, int] | None = None
    #: Of a stream, one of several: rows that are updated are not told from new ones by the order in which they came.
    warned: list[list[str]] = field(default_factory=list)


def foresee(case: Case, twin: Connection, known: Known) -> Outcome:
    """Judge what the statement wrote to the twin."""
    outcome = Outcome()
    groups = twin.execute("SELECT sign, seen FROM w.written ORDER BY step").fetchall()
    for sign, seen in groups:
        failing: dict[str, list[tuple[str, dict[str, Any], str]]] = defaultdict(list)
        # What is watched is every column, and cannot be counted if one has another name.
        raised = case.watch and case.names["b"] != "b"
        for row in seen:
            batch = row["day"] or "NULL"
            if case.writes == "bulk" and (case.watch or case.judged()):
                known.rows[batch] += sign
            for rule in case.judged():
                if case.is_broken(rule):
                    raised = True
                    continue
                is_failing, error = fails(twin, rule, row)
                raised = raised or bool(error)
                if is_failing:
                    failing[rule.name].append((batch, row, error))
        if sign < 0:
            if case.writes == "bulk" and raised:
                known.inexact |= {row["day"] or "NULL" for row in seen}
            elif case.writes == "bulk":
                for name, found in failing.items():
                    for batch, _, _ in found:
                        known.failures[name, batch] -= 1
            continue
        for rule in case.judged():
            found = failing[rule.name]
            if found and rule.on_breach == "reject":
                outcome.rejected = outcome.rejected or (rule.name, len(found))
                return outcome
            for batch, row, error in found:
                known.failures[rule.name, batch] += 1
                shown = (
                    {f"its condition raises: {error}"}
                    if error
                    else {
                        f"{column} = {'NULL' if row[column] is None else row[column]}"
                        for column in rule.reads
                    }
                )
                known.samples[rule.name, batch].append((f"(id) = ({row['id']})", shown))
            if found and rule.name not in known.first_missed:
                batches = [batch for batch, _, _ in found]
                # The first row of a stream; of a statement the first batch, and NULL comes before every day.
                known.first_missed[rule.name] = (
                    batches[0] if case.writes == "stream" else "NULL" if "NULL" in batches else min(batches)
                )
        warning = [rule.name for rule in case.judged() if rule.on_breach == "warn"]
        if case.writes == "stream":
            # Each row is judged by itself, and only the first says so to the writer.
            of_rows = (
                [name for name in warning if any(row is one for _, one, _ in failing[name])] for row in seen
            )
            outcome.warned += filter(None, of_rows)
        elif not outcome.warned and any(failing[name] for name in warning):
            outcome.warned = [[name for name in warning if failing[name]]]
    return outcome


def run(conn: Connection, text: str, table: str, rows: list[tuple[Any, ...]]) -> psycopg.Error | None:
    try:
        with conn.transaction():
            if rows:
                with conn.cursor().copy(text.format(table=table).encode()) as stream:
                    for row in rows:
                        stream.write_row(row)
            else:
                conn.execute(text.format(table=table).encode(), prepare=False)
    except psycopg.Error as error:
        return error
    return None


def contents(conn: Connection, table: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT * FROM {table} ORDER BY id".encode(), prepare=False).fetchall()


def compare(conn: Connection, case: Case, known: Known) -> None:
    """Compare the records with the expected ones."""
    assert contents(conn, "w.t") == contents(conn, "w.twin")
    held = "SELECT row_key, operation, ARRAY(SELECT x ->> 'rule' FROM jsonb_array_elements(reasons) AS x) FROM pgslo_catalog.quarantine ORDER BY 1, 2, 3"
    twins = "SELECT format('(id) = (%s)', id), operation, rules FROM w.held ORDER BY 1, 2, 3"
    assert conn.execute(held.encode()).fetchall() == conn.execute(twins.encode()).fetchall()
    rows = dict(
        conn.execute("SELECT batch, sum(rows)::int FROM pgslo_catalog.fragment GROUP BY 1").fetchall()
    )
    assert {batch: n for batch, n in rows.items() if n} == {batch: n for batch, n in known.rows.items() if n}
    failures = {
        (rule, batch): n
        for rule, batch, n in conn.execute(
            "SELECT x.key, f.batch, sum(x.value::int)::int FROM pgslo_catalog.fragment f, jsonb_each_text(f.failures) x GROUP BY 1, 2"
        ).fetchall()
        if n and batch not in known.inexact
    }
    assert failures == {
        place: n for place, n in known.failures.items() if n and place[1] not in known.inexact
    }
    samples: dict[tuple[str, str], list[tuple[str, set[str]]]] = defaultdict(list)
    for rule, batch, key, shown in conn.execute(
        "SELECT r.name, s.batch, s.row_key, s.shown FROM pgslo_catalog.sample s JOIN pgslo_catalog.rule r USING (rule_id)"
    ).fetchall():
        parts = {shown} if shown.startswith("its condition raises") else set(shown.split(", "))
        samples[rule, batch].append((key, parts))
    for place in {*samples, *known.samples}:
        missing = list(known.samples[place])
        for sample in samples[place]:
            assert sample in missing, (place, sample, missing)
            missing.remove(sample)
        assert len(samples[place]) == min(KEPT, len(known.samples[place])), place
    opened = dict(
        conn.execute(
            "SELECT DISTINCT ON (r.name) r.name, i.opened_batch FROM pgslo_catalog.incident i"
            " JOIN pgslo_catalog.rule r USING (rule_id) ORDER BY r.name, i.incident_id"
        ).fetchall()
    )
    assert opened == known.first_missed
    broken = {
        name for (name,) in conn.execute("SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL").fetchall()
    }
    # Those of which it is not known what was taken are judged again by tick(); what is learned reads every column.
    may_be = {rule.name for rule in case.rules if case.is_broken(rule)} | {"learned"}
    assert broken <= (may_be | {rule.name for rule in case.judged()} if known.inexact else may_be)


def alter(conn: Connection, case: Case) -> None:
    """Give a column another type or another name."""
    conn.execute("DROP SCHEMA IF EXISTS guarded CASCADE")
    change = "ALTER a TYPE bigint"
    if case.random.random() < 0.5 and case.names["b"] == "b":
        change = "RENAME b TO renamed"
        case.names["b"] = "renamed"
    for table in ("w.t", "w.twin"):
        conn.execute(f"ALTER TABLE {table} {change}".encode())


@pytest.mark.parametrize("number", range(RUNS))
def test_statements_leave_what_a_plain_oracle_expects(connection: Connection, number: int) -> None:
    case = Case.make(f"{SEED}/{number}")
    connection.execute(TWIN.encode())
    connection.execute(hold(case).encode())
    stated = case.definition()
    loaded = [definition.load(stated, path="slos/t.yml")]
    made = planning.plan_definitions(connection, loaded)
    assert installation.apply(connection, made, lambda: planning.plan_definitions(connection, loaded)) == ()
    notices: list[tuple[str | None, str | None]] = []
    connection.add_notice_handler(lambda said: notices.append((said.sqlstate, said.message_primary)))

    known, told = Known(), [stated]
    for _ in range(STATEMENTS):
        if case.random.random() < 0.08:
            alter(connection, case)
            told.append("altered")
        text, rows = statement(case, connection.info.server_version)
        told.append(f"{text} {rows}")
        context = "\n".join(told)
        expected = Outcome()
        with connection.transaction() as attempt:
            connection.execute("TRUNCATE w.written")
            refused = run(connection, text, "w.twin", rows)
            if refused is None:
                after = copy.deepcopy(known)
                expected = foresee(case, connection, after)
                if expected.rejected is not None:
                    raise psycopg.Rollback(attempt)
                known = after
        notices.clear()
        error = run(connection, text, "w.t", rows)
        warned = [message for state, message in notices if state == "01SL1"]
        if refused is not None:
            assert error is not None, context
            assert error.sqlstate == refused.sqlstate, context
        elif expected.rejected is not None:
            assert error is not None, context
            assert (error.sqlstate, error.diag.constraint_name) == ("23514", expected.rejected[0]), context
            count = f"{expected.rejected[1]} rows of the statement violate it"
            is_counted = case.writes == "bulk" and expected.rejected[1] > 1
            assert (count in str(error.diag.message_detail)) == is_counted, context
        else:
            assert error is None, (error, context)
            told_of = [f"rows written to w.t violate {', '.join(names)}" for names in expected.warned]
            assert (warned[0] in told_of and len(warned) == 1) if told_of else warned == [], (
                warned,
                told_of,
                context,
            )
        try:
            compare(connection, case, known)
        except AssertionError as found:
            raise AssertionError(f"{found}\n{context}") from found
