"""For every kind: columns that do not exist, have odd names or types, or are generated."""

import json
import re

import pytest
import yaml

#: A rule of every kind over a column of text, as a definition says it; "bad" breaches all but two.
RULES = {
    "not_null": {},
    "not_blank": {},
    "range": {"min": "c"},
    "accepted_values": {"values": ["good", "fine"]},
    "not_accepted_values": {"values": ["bad"]},
    "length": {"min": 4},
    "pattern": {"matches": "^[f-g]"},
    "format": {"format": "date"},
    "expression": {"expression": "$column <> 'bad'"},
    "compare": {"operator": "<>", "to": "second"},
    "references": {"table": "features.word", "column": "word"},
    "unique": {},
    "repair": {"map": {"worse": "bad"}},
    "lowered": {"but": "bad"},
}
OWN = {
    "kinds/lowered.sql": (
        "-- kind: lowered\n-- description: Not that word.\n-- parameter: but text\nlower({{ value }}) <> {{ but }}"
    )
}
JUDGING = [kind for kind in RULES if kind not in ("not_null", "repair")]

NAMES = [
    "select",
    "user",
    "My Column",
    "größe",
    'a"b',
    "it's",
    "back\\slash",
    "100%s",
    "{{ x }}",
    "a.b",
    "a,b",
    " ",
    "$1",
    "$$",
    "x" * 63,
    "ü" * 31,
    "🙂",
    "İi",
    "--",
    "/*",
    # Names that the generated code uses itself
    *("r", "b", "n", "new", "other", "target", "pgslo_rows", "rules", "rule", "failed", "batches", "batch"),
    *("row_key", "shown", "notes", "warns", "sent", "raw", "name", "place", "value", "definition"),
]


def _rule(kind, column, **options):
    quoted = '"' + column.replace('"', '""') + '"'
    return {
        kind: {**json.loads(json.dumps(RULES[kind]).replace("$column", json.dumps(quoted)[1:-1])), **options}
    }


def _definition(columns, **options):
    return yaml.safe_dump(
        {"table": "features.example", "owner": "sam", **options, "columns": columns},
        sort_keys=False,
        allow_unicode=True,
        width=4000,
    )


@pytest.fixture
def example(session):
    session.run("CREATE TABLE features.word (word text PRIMARY KEY)")
    session.run("INSERT INTO features.word VALUES ('good'), ('fine')")
    return session


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_names(example, writes):
    columns = ", ".join(f"{_quoted(name)} text" for name in NAMES)
    example.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, second text, {columns})")
    for n, name in enumerate(NAMES):
        example.run(f"CREATE INDEX ON features.example ({_quoted(name)})")
        assert n < 100
    kinds = [kind for kind in RULES if kind not in ("repair", "format")]
    rules = {name: [_rule(kind, name, name=f"n{n}_{kind}") for kind in kinds] for n, name in enumerate(NAMES)}
    example.guard(_definition(rules, writes=writes), kinds=OWN)
    names = ", ".join(_quoted(name) for name in NAMES)

    def insert(id_, value):
        return example.run(
            f"INSERT INTO features.example (id, {names}) SELECT {id_}, {', '.join([value] * len(NAMES))}"
        )

    assert insert(1, "'good'").notices == ()
    assert (example.failures(), example.broken()) == ({}, {})
    (warning,) = insert(2, "'bad'").notices
    assert warning.sqlstate == "01SL1"
    assert example.broken() == {}
    without = {"not_null", "not_blank", "unique", "compare"}
    assert example.failures() == {
        f"n{n}_{k}": 1 for n in range(len(NAMES)) for k in kinds if k not in without
    }
    insert(3, "NULL")
    insert(4, "'good'")
    failures = example.failures()
    for n in range(len(NAMES)):
        assert failures[f"n{n}_not_null"] == 1
        assert failures[f"n{n}_unique"] == 1
    assert set(example.values("SELECT DISTINCT columns[1] FROM pgslo.incident")) == set(NAMES)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def test_a_name_with_the_body_quote_is_refused(example):
    example.run('CREATE TABLE features.example (id integer PRIMARY KEY, "a$pgslo$b" text)')
    with pytest.raises(Exception, match=r"may not contain \$pgslo\$"):
        example.guard(_definition({"a$pgslo$b": ["not_null"]}))


@pytest.mark.parametrize("kind", RULES)
def test_unknown_column(example, kind):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text, second text)")
    text = _definition({"firts": [_rule(kind, "firts")]})
    place = next(n for n, line in enumerate(text.splitlines(), 1) if "firts:" in line)
    assert example.errors(text, kinds=OWN)[0] == (
        f'slos/example.yml:{place}:3: error: column "firts" of features.example does not exist\n'
        'hint: did you mean "first"?'
    )


@pytest.mark.parametrize("kind", JUDGING)
def test_types_of_extensions(example, citext, kind):
    example.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, first {citext}, second text)")
    example.run("CREATE INDEX ON features.example (first)")
    errors = example.errors(_definition({"first": [_rule(kind, "first")]}), kinds=OWN)
    assert len(errors) == 1
    assert 'column "first" has type extensions.citext, whose operators are not PostgreSQL\'s own' in errors[0]
    assert "hint: judge it with not_null" in errors[0]


@pytest.mark.parametrize("kind", ["unique", "references"])
def test_types_of_extensions_are_native_constraints_business(example, citext, kind):
    example.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, first {citext}, second text)")
    example.run(f"ALTER TABLE features.word ALTER word TYPE {citext}")
    example.guard(_definition({"first": [_rule(kind, "first", on_breach="reject")]}))
    assert example.run("INSERT INTO features.example VALUES (1, 'Good')").count == 1
    values = "(2, 'GOOD')" if kind == "unique" else "(2, 'bad')"
    assert example.refused(f"INSERT INTO features.example VALUES {values}").sqlstate in ("23505", "23503")


@pytest.mark.parametrize("kind", RULES)
def test_virtual_columns(example, kind):
    if example.connection.info.server_version < 180000:
        pytest.skip("virtual columns came with PostgreSQL 18")
    example.run(
        """CREATE TABLE features.example (id integer PRIMARY KEY, source text, second text,
           first text GENERATED ALWAYS AS (source || 'd') VIRTUAL)"""
    )
    (error,) = example.errors(_definition({"first": [_rule(kind, "first")]}), kinds=OWN)
    assert 'column "first" is virtual: PostgreSQL has no value for it while a row is written' in error
    assert "hint: write the rule as an expression over the columns it is generated from" in error


#: Where else a definition names a column of which triggers read the value, as a part of one.
NAMED = {
    "batch": "batch: {by: v}",
    "key": "key: [v]",
    "where of a statistic": 'columns: {a: [statistic: {of: mean, where: "v < 0", max: 0}]}',
    "segments": "by_segment: [v]",
    "column of an assertion": "assertions: [one: {all_equal: v, group_by: g, on_breach: reject}]",
    "group of an assertion": "assertions: [one: {all_equal: a, group_by: v, on_breach: reject}]",
    "where of an assertion": 'assertions: [one: {count: {max: 1}, where: "v > 10", group_by: g, on_breach: reject}]',
    "sum of an assertion": "assertions: [one: {adds_up_to: {column: v, total: 20}, group_by: g, on_breach: reject}]",
    "query of an assertion": 'assertions: [one: {sql: "SELECT g FROM features.example GROUP BY g HAVING min(v) < 0", on_breach: reject}]',
    "key of two tables": "assertions: [one: {exists_for_each: {table: features.other, on: v}, on_breach: reject}]",
}


@pytest.mark.parametrize("place", NAMED)
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_virtual_columns_are_refused_wherever_triggers_read_them(example, place, writes):
    if example.connection.info.server_version < 180000:
        pytest.skip("virtual columns came with PostgreSQL 18")
    example.run(
        """CREATE TABLE features.example (id integer PRIMARY KEY, day date, g integer, a integer,
           v integer GENERATED ALWAYS AS (a * 2) VIRTUAL);
           CREATE INDEX ON features.example (g); CREATE TABLE features.other (v integer PRIMARY KEY)"""
    )
    parts = {"batch": "batch: {by: day}", "key": "key: [id]"}
    name = place if place in parts else "rest"
    text = "\n".join(
        ("table: features.example", f"writes: {writes}", *(parts | {name: NAMED[place]}).values())
    )
    errors = example.errors(text)
    assert len(errors) == 1, errors
    assert 'column "v" is virtual: PostgreSQL has no value for it while a row is written' in errors[0]
    assert re.match(r".*:\d+:\d+: error", errors[0])


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    "kind", [kind for kind in JUDGING if kind not in ("not_blank", "unique", "references")]
)
def test_stored_generated_columns(example, kind, writes):
    columns = ", ".join(
        f"{action} text GENERATED ALWAYS AS (s_{action} || 'd') STORED, s_{action} text"
        for action in ("reject", "flag", "warn")
    )
    example.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, second text, {columns})")
    rules = {a: [_rule(kind, a, on_breach=a, name=f"r_{a}")] for a in ("reject", "flag", "warn")}
    example.guard(_definition(rules, writes=writes), kinds=OWN)
    error = example.refused("INSERT INTO features.example (id, second, s_reject) VALUES (1, 'bad', 'ba')")
    assert (error.sqlstate, error.column) == ("23514", "reject")
    assert "reject = bad" in error.detail
    outcome = example.run(
        "INSERT INTO features.example (id, second, s_flag, s_warn) VALUES (1, 'bad', 'ba', 'ba')"
    )
    assert outcome.warned == {"r_warn"}
    assert example.failures() == {"r_flag": 1, "r_warn": 1}
    assert example.broken() == {}


@pytest.mark.parametrize("kind", RULES)
def test_stored_generated_columns_cannot_be_diverted_or_repaired(example, kind):
    example.run(
        """CREATE TABLE features.example (id integer PRIMARY KEY, source text, second text,
           first text GENERATED ALWAYS AS (source || 'd') STORED)"""
    )
    action = "repair" if kind == "repair" else "quarantine"
    (error,) = example.errors(_definition({"first": [_rule(kind, "first", on_breach=action)]}), kinds=OWN)
    assert "generated" in error
    assert "the columns it is generated from" in error


def test_the_same_column_is_missed_once(example):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text)")
    errors = example.errors(
        _definition({"firts": ["not_null", {"length": {"min": 1}}], "first": ["not_null"]})
    )
    assert len(errors) == 1


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_the_owner_of_a_rule_comes_before_that_of_the_table(example, writes):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text, second text)")
    rules = {
        "first": [{"length": {"min": 4, "on_breach": "reject", "owner": "kim"}}],
        "second": [{"length": {"min": 4, "on_breach": "reject"}}],
    }
    example.guard(_definition(rules, writes=writes))
    for column, owner in (("first", "kim"), ("second", "sam")):
        error = example.refused(f"INSERT INTO features.example (id, {column}) VALUES (1, 'bad')")
        assert error.hint == f"Correct the row, or contact the owner of the rule, {owner}."


def test_without_an_owner_the_hint_names_none(example):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text)")
    example.guard(
        "{table: features.example, columns: {first: [not_null: {on_breach: reject}, length: {min: 4, on_breach: reject}]}}"
    )
    assert example.refused("INSERT INTO features.example VALUES (1, 'bad')").hint == "Correct the row."


def test_a_rule_that_is_switched_off_makes_nothing(example):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text, second text)")
    rules = [_rule(kind, "first", enabled=False) for kind in RULES]
    plan = example.guard(_definition({"first": rules}), kinds=OWN)
    assert {step.kind for step in plan.steps} == {"schema", "registration", "view"}
    assert example.run("INSERT INTO features.example VALUES (1, 'bad', 'bad')").count == 1


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_quarantine_comes_before_reject(example, writes):
    example.run("CREATE TABLE features.example (id integer PRIMARY KEY, first text, second text)")
    rules = {
        "first": [{"length": {"min": 4, "on_breach": "reject"}}, {"not_null": {"on_breach": "reject"}}],
        "second": [{"length": {"min": 4, "on_breach": "quarantine"}}, {"repair": {"map": {"x": "good"}}}],
    }
    example.guard(_definition(rules, writes=writes))
    assert example.run("INSERT INTO features.example VALUES (1, 'bad', 'bad'), (2, NULL, 'bad')").count == 0
    (held, _) = example.values("SELECT quarantine_id FROM pgslo.quarantine ORDER BY quarantine_id")
    assert example.refused("INSERT INTO features.example VALUES (1, 'bad', 'x')").rule == "first_length"
    assert example.refused(f"SELECT pgslo.release({held})").sqlstate == "23514"
    example.run(f'SELECT pgslo.release({held}, \'{{"first": "good", "second": "x"}}\')')
    assert example.run("SELECT first, second FROM features.example").rows == (("good", "good"),)
