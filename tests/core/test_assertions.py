"""Assertions as authors write them, and changes that can violate a query, found from its text."""

from __future__ import annotations

import jsonschema
import pytest

from pgslo import definition
from pgslo.definition.rules.kinds import assertions as forms
from pgslo.definition.syntax.forms import ASSERTION_FORMS
from pgslo.errors import DefinitionErrors, Location
from pgslo.expression import Facts, UnderivableError, derive, needs_clock, parse_query, tables_read

HEAD = "table: hr.staff\nassertions:\n"
VALIDATOR = jsonschema.Draft202012Validator(definition.json_schema())


def load(text):
    return definition.load(HEAD + text, path="slos/staff.yml").assertions


def errors(text):
    with pytest.raises(DefinitionErrors) as caught:
        load(text)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize("name", ASSERTION_FORMS)
def test_the_example_of_each_form_is_right(name):
    form = ASSERTION_FORMS[name]
    more = ", group_by: team" if name == "at_most_one" else ""
    (one,) = load(f"  - it: {{{form.example}{more}}}\n")
    assert type(one) is forms.ASSERTIONS[name]
    assert (one.name, one.on_breach, one.validated, one.enabled) == ("it", "warn", True, True)


def test_two_where_are_about_two_tables():
    (one,) = load(
        '  - it: {exists_for_each: {table: app.users, on: {user_id: id}, where: active}, where: "day > 3"}\n'
    )
    assert (one.among.text, one.where.text, one.on) == ("active", "day > 3", (("user_id", "id"),))


def test_forms_know_when_they_are_usually_held():
    late, early = load("  - a: {all_equal: x}\n  - b: {at_most_one: row, group_by: x}\n")
    assert (late.is_deferred, early.is_deferred) == (True, False)


WRONG = [
    ("  - it: {all_equals: x}", "3:10", 'form "all_equals" does not exist', 'did you mean "all_equal"?'),
    ("  - it: {all_equal: x, colour: red}", "3:24", '"colour" is neither a form nor an option', ""),
    ("  - it: {all_equal: x, at_most_one: row}", "3:24", 'assertion "it" has two forms', "Write two assertions."),
    ("  - it: {where: x}", "3:5", 'assertion "it" has no form', "One of: all_equal"),
    ("  - it: 3", "3:5", 'assertion "it" says nothing', "For example"),
    ("  it: {all_equal: x}", "3:3", "expected a list of assertions, not a mapping", "For example"),
    ("  - it: {all_equal: x, on_breach: quarantine}", "3:35", "cannot quarantine one of them", "warn, flag or reject"),
    ("  - it: {at_most_one: row}", "3:5", "the table could have no more than one row", '"where"'),
    ("  - it: {at_most_one: rows, group_by: x}", "3:23", 'thing "rows" does not exist', 'did you mean "row"?'),
    ("  - it: {count: {min: 3, max: 1}}", "3:23", "the lower bound 3 is above the upper bound 1", ""),
    ("  - it: {count: {min: 0}}", "3:23", "a count of at least 0 always holds", ""),
    ("  - it: {adds_up_to: {column: x}}", "3:22", '"adds_up_to" needs "total"', "For example adds_up_to"),
    ("  - it: {adds_up_to: {column: x, total: 1, tolerance: -1}}", "3:55", "a tolerance may not be negative", ""),
    ("  - it: {none_without: {table: a.b, on: x}, group_by: x}", "3:55", '"group_by" does not fit "none_without"', ""),
    ("  - it: {all_equal: x, check_on: [a.b]}", "3:34", '"check_on" does not fit "all_equal"', ""),
    ('  - it: {sql: "SELECT 1", where: x}', "3:34", '"where" does not fit "sql"', ""),
    ('  - it: {all_equal: x, where: "d = current_date"}', "3:31", '"current_date" is not allowed in an assertion', "Compare with a column"),
    ("  - it: {no_overlap: {from: a, to: a}}", "3:36", "a span needs two columns", ""),
    ("  - it: {all_equal: x}\n  - it: {all_equal: y}", "4:5", 'name "it" is taken by the rule on line 3', ""),
    ('  - it: {sql: "DELETE FROM a.b"}', "3:16", "a query has to begin with SELECT or WITH", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message", "hint"), WRONG)
def test_what_is_wrong_is_told_with_its_place(text, place, message, hint):
    found = errors(text + "\n")
    assert found[0].startswith(f"slos/staff.yml:{place}: error: "), found
    assert message in found[0]
    assert hint in found[0]


def test_editors_are_told_the_same():
    right = {
        "table": "hr.staff",
        "assertions": [{"it": {"all_equal": "x", "group_by": ["a"], "on_breach": "reject"}}],
    }
    VALIDATOR.validate(right)
    for wrong in (
        {"it": {"all_equal": "x", "at_most_one": "row"}},
        {"it": {"all_equal": "x", "on_breach": "repair"}},
        {"it": {"none_without": {"table": "a.b", "on": "x"}, "group_by": "x"}},
        {"it": {"group_by": "x"}},
    ):
        assert not VALIDATOR.is_valid({"table": "hr.staff", "assertions": [wrong]}), wrong


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a < now()", "now"),
        ("d = CURRENT_DATE", "CURRENT_DATE"),
        ("d > 'today'", "'today'"),
        ("age(d) > interval '1 day'", "age"),
        ("age(d, e) > interval '1 day'", None),
        ("now = 3 AND age > 2", None),
        ("note = 'now or never'", None),
    ],
)
def test_what_the_clock_says_is_found(text, word):
    assert needs_clock(text) == word


# Derivation

A, B = ("m", "a"), ("m", "b")
FACTS = {
    A: Facts(("id", "k", "v", "n"), frozenset({"id", "k"})),
    B: Facts(("id", "k", "w"), frozenset({"id", "k"})),
}
ALL = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
MORE, LESS = ("INSERT", "UPDATE"), ("UPDATE", "DELETE", "TRUNCATE")


def of(text, group_by=()):
    found = derive(parse_query(text, location=Location("x", 1, 1)), FACTS, group_by=group_by)
    return {one.table: (one.columns, one.events, one.keys) for one in found}


DERIVED = [
    ("SELECT x.c FROM m.a AS x (a, b, c, d) WHERE x.c > 3", {A: (("id", "k", "v", "n"), MORE)}),
    ("SELECT a.id FROM m.a a WHERE a.v > 3", {A: (("id", "v"), MORE)}),
    ("SELECT 1 FROM m.a", {A: ((), ("INSERT",))}),
    ("SELECT a.id FROM m.a a JOIN m.b b ON b.k = a.k", {A: (("id", "k"), MORE), B: (("id", "k"), MORE)}),
    ("SELECT a.id FROM m.a a LEFT JOIN m.b b ON b.k = a.k WHERE b.k IS NULL", {A: (("id", "k"), MORE), B: (("id", "k"), ALL)}),
    ("SELECT a.id FROM m.a a WHERE NOT EXISTS (SELECT 1 FROM m.b b WHERE b.k = a.k)", {B: (("id", "k"), LESS)}),
    ("SELECT a.id FROM m.a a WHERE NOT (a.v > 1 OR EXISTS (SELECT 1 FROM m.b b WHERE b.k = a.k))", {B: (("id", "k"), LESS)}),
    ("SELECT a.id FROM m.a a WHERE a.k IN (SELECT b.k FROM m.b b)", {B: (("id", "k"), MORE)}),
    ("SELECT a.id FROM m.a a WHERE a.k NOT IN (SELECT b.k FROM m.b b)", {B: (("id", "k"), LESS)}),
    ("SELECT a.id FROM m.a a WHERE a.v > (SELECT max(b.w) FROM m.b b)", {B: (("id", "w"), ALL)}),
    ("SELECT a.k FROM m.a a EXCEPT SELECT b.k FROM m.b b", {A: (("k",), MORE), B: (("k",), LESS)}),
    ("SELECT a.k FROM m.a a UNION SELECT b.k FROM m.b b", {A: (("k",), MORE), B: (("k",), MORE)}),
    ("SELECT a.k FROM m.a a GROUP BY a.k HAVING count(*) > 1", {A: (("k",), ALL)}),
    ("WITH w AS (SELECT a.k FROM m.a a) SELECT w.k FROM w", {A: (("k",), ALL)}),
    ("SELECT a.id FROM m.a a FULL JOIN m.b b ON b.k = a.k", {A: (("id", "k"), ALL)}),
    ("SELECT a.id FROM m.a a WHERE EXISTS (SELECT 1 FROM m.b b WHERE b.k = a.k) = false", {B: (("id", "k"), ALL)}),
    ("SELECT a.id FROM m.a a LIMIT 1", {A: (("id",), ALL)}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), DERIVED)
def test_columns_and_events(text, wanted):
    found = of(text)
    for table, (columns, events) in wanted.items():
        # Columns without a table may be of either: more are told, never fewer.
        assert set(columns) & set(found[table][0]) == {c for c in columns if c in found[table][0]}
        assert found[table][1] == events, table


GROUPED = [
    ("SELECT a.k, sum(a.v) FROM m.a a GROUP BY a.k HAVING sum(a.v) > 1", {A: (("k",),)}),
    ("SELECT a.k FROM m.a a JOIN m.b b ON b.k = a.k WHERE a.v > b.w", {A: (("k",),), B: (("k",),)}),
    ("SELECT a.k AS k FROM m.a a JOIN m.b b USING (k)", {A: (("k",),), B: (("k",),)}),
    ("SELECT a.k FROM m.a a LEFT JOIN m.b b ON b.id = a.k WHERE b.id IS NULL", {A: (("k",),), B: (("id",),)}),
    ("SELECT a.k FROM m.a a WHERE a.v > (SELECT sum(b.w) FROM m.b b WHERE b.k = a.k)", {B: (("k",),)}),
    ("SELECT a.k FROM m.a a, m.a c WHERE c.id = a.k AND c.v <> a.v", {A: (("k",), ("id",))}),
    ("SELECT a.k FROM m.a a WHERE a.k IN (SELECT b.k FROM m.b b)", {B: (("k",),)}),
]


@pytest.mark.parametrize(("text", "wanted"), GROUPED)
def test_groups(text, wanted):
    found = of(text, ("k",))
    assert {table: found[table][2] for table in wanted} == wanted


UNDERIVABLE = [
    ("SELECT x.k FROM m.a AS x (k, id) WHERE x.id > 3", "gives columns other names"),
    ("SELECT a.n AS k FROM m.a a", "may be NULL"),
    ("SELECT a.v + 1 AS k FROM m.a a", "is not a column of one of its tables"),
    ("SELECT a.v FROM m.a a", 'its result has no column "k"'),
    ("SELECT a.k FROM m.a a, m.b b WHERE a.v > b.w", "no column of m.b has to be equal"),
    ("SELECT b.k FROM m.a a LEFT JOIN m.b b ON b.k = a.k", "comes from the optional side of a LEFT JOIN"),
    (
        "SELECT a.k FROM m.a a GROUP BY a.k, a.v HAVING count(*) > (SELECT count(*) FROM m.b b)",
        "no column of m.b",
    ),
    ("SELECT a.k, count(*) OVER () FROM m.a a", "window functions"),
    ("SELECT a.k FROM m.a a UNION SELECT b.k FROM m.b b", "made of several queries"),
    ("SELECT a.k FROM m.a a LIMIT 3", "it has LIMIT"),
    ("SELECT a.k FROM m.a a WHERE a.k NOT IN (SELECT b.k FROM m.b b)", "no column of m.b"),
    # What a condition of one subquery says of two outer tables holds only where it is true.
    (
        "SELECT a.k FROM m.a a, m.b b WHERE NOT EXISTS (SELECT 1 FROM m.a c WHERE c.k = a.k AND c.k = b.k)",
        "no column of m.b",
    ),
    ("SELECT a.k FROM m.a a CROSS JOIN m.b b LEFT JOIN m.a c ON c.k = a.k AND c.k = b.k", "no column of m.b"),
]


@pytest.mark.parametrize(("text", "reason"), UNDERIVABLE)
def test_groups_that_cannot_be_told(text, reason):
    with pytest.raises(UnderivableError, match=reason):
        of(text, ("k",))


def test_names_are_folded_as_postgresql_does():
    query = parse_query('SELECT x.id FROM M.A x, "Odd"."T" y WHERE y.id = x.id', location=Location("x", 1, 1))
    assert tables_read(query) == (("m", "a"), ("Odd", "T"))
