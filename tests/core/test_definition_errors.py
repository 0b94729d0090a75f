"""All errors of a definition are reported at once, with location and hint."""

from __future__ import annotations

import pytest
from definitions import (
    HEAD,
    errors,
    load,
)

from pgslo import definition
from pgslo.errors import DefinitionErrors, Location

WRONG = [
    # The file
    ("a: 1", 1, 1, 'key "a" does not exist', "One of: table"),
    ("- a", 1, 1, "expected keys and values, not a list", "table: schema.name"),
    ("just text", 1, 1, "expected keys and values", "table: schema.name"),
    ("tabel: s.t", 1, 1, 'key "tabel" does not exist', 'did you mean "table"?'),
    ("owner: me", 1, 1, 'the file names no "table"', "table: schema.name"),
    ("table: t", 1, 8, '"t" has no schema', "public.t"),
    ("table: a.b.c", 1, 8, "has 3 parts, not 2", "schema.table"),
    ("table: my table.x", 1, 8, "has to be in double quotes", "My Schema"),
    ("table: s.", 1, 8, "is not a name", None),
    ("table: ÄRGER.t", 1, 8, "double quotes", None),
    ("table: [s, t]", 1, 8, "expected a table such as schema.table, not a list", None),
    ("table:", 1, 7, "expected a table such as schema.table, not nothing", None),
    (f"table: s.{'x' * 64}", 1, 8, "at most 63 bytes", None),
    (f"{HEAD}owner: 3", 2, 8, "expected an owner, not the number 3", '"3"'),
    (f"{HEAD}description: ' '", 2, 14, "a description may not be empty", None),
    (f"{HEAD}description: {'x' * 5000}", 2, 14, "at most 4,000", None),
    (f"{HEAD}key: []", 2, 6, "the list may not be empty", None),
    (f"{HEAD}key: [a, a]", 2, 10, 'the text "a" is listed twice', None),
    (f"{HEAD}key: [{'x' * 64}]", 2, 7, "at most 63 bytes", None),
    (f"{HEAD}key: ['a\u200bb']", 2, 7, "invisible character U+200B", None),
    (f"{HEAD}writes: batch", 2, 9, 'choice "batch" does not exist', "bulk"),
    (f"{HEAD}on_read: warning", 2, 10, "does not exist", 'did you mean "warn"?'),
    (f"{HEAD}guarded: pgslo_catalog", 2, 10, "cannot hold guarded views", None),
    (f"{HEAD}guarded: pg_x", 2, 10, "cannot hold guarded views", None),
    (f"{HEAD}guarded: s", 2, 10, "the name of the table itself", "another schema"),
    # Batches and tasks
    (f"{HEAD}batch: hourly", 2, 8, "expected keys and values", "every: 1 hour"),
    (f"{HEAD}batch: {{}}", 2, 8, 'a batch needs "by", "every" or both', None),
    (f"{HEAD}batch: {{evry: 1 hour}}", 2, 9, 'key "evry" does not exist', 'did you mean "every"?'),
    (f"{HEAD}batch: {{every: 1 month}}", 2, 16, "is not a duration", "30 days"),
    (f"{HEAD}batch: {{every: 1h}}", 2, 16, "is not a duration", "1 hour"),
    (f"{HEAD}batch: {{every: 0 hours}}", 2, 16, "is not between", None),
    (f"{HEAD}batch: {{every: 999999 weeks}}", 2, 16, "is not between", None),
    (f"{HEAD}batch: {{every: 3600}}", 2, 16, "is not a duration", None),
    (f"{HEAD}batch: {{by: count(*)}}", 2, 13, 'function "count"', None),
    (f"{HEAD}tasks: [a]", 2, 8, "expected keys and values, not a list", None),
    (f"{HEAD}tasks: {{a: }}", 2, 12, "expected keys and values, not nothing", None),
    (f"{HEAD}tasks: {{a: {{}}}}", 2, 9, 'task "a" needs "reads"', None),
    (f"{HEAD}tasks: {{a: {{reads: []}}}}", 2, 20, "may not be empty", None),
    (f"{HEAD}tasks: {{A b: {{reads: [x]}}}}", 2, 9, "cannot be the name of a task", "lower case"),
    (f"{HEAD}tasks: {{a: {{reads: [x], view: v}}}}", 2, 31, "has no schema", None),
    (
        f"{HEAD}tasks: {{a: {{reads: [x], read: [x]}}}}",
        2,
        25,
        'key "read" does not exist',
        'did you mean "reads"?',
    ),
    # Columns
    (f"{HEAD}columns: [a]", 2, 10, "expected keys and values, not a list", None),
    (f"{HEAD}columns: {{a: not_null}}", 2, 14, "expected a list of rules", "dash"),
    (f"{HEAD}columns: {{a: {{not_null: }}}}", 2, 14, "expected a list of rules, not a mapping", "dash"),
    (f"{HEAD}columns: {{'{'x' * 64}': []}}", 2, 11, "at most 63 bytes", None),
    # Rules under a column
    ("nul_null", 4, 7, 'kind "nul_null" does not exist', 'did you mean "not_null"?'),
    ("xyzzy: 1", 4, 7, 'kind "xyzzy" does not exist', "One of: not_null"),
    ("schema: {}", 4, 7, '"schema" is a key of the file', None),
    ("3", 4, 7, "expected a rule, not the number 3", None),
    ("[not_null]", 4, 7, "expected a rule, not a list", None),
    ("{}", 4, 7, "expected a rule, not a mapping", None),
    ("{not_null: , unique: }", 4, 20, "is beside the rule", "dash of its own"),
    ("range: {min: 0}\n      on_breach: reject", 5, 7, '"on_breach" is beside', "on_breach: …"),
    ("range", 4, 7, '"range" needs "min" or "max" or "above" or "below"', "range: {min: 0, max: 120}"),
    ("range: {}", 4, 14, '"range" needs "min" or "max"', None),
    ("range: {where: a > 0}", 4, 14, '"range" needs "min" or "max"', None),
    ("range: 5", 4, 14, "expected two bounds in brackets", "[0, 1]"),
    ("range: [1]", 4, 14, "expected two bounds in brackets", None),
    ("range: [null, null]", 4, 14, "at least one of the two bounds", None),
    ("range: {mn: 0}", 4, 15, '"range" has no "mn"', 'did you mean "min"?'),
    ("range: {min: 5, max: 1}", 4, 20, "the lower bound 5 is above the upper bound 1", None),
    ("range: [5, 1]", 4, 14, "the lower bound 5 is above the upper bound 1", None),
    ("range: {min: '2026-02-01', max: '2026-01-01'}", 4, 20, "is above the upper bound", None),
    ("range: {min: 0, max: '5'}", 4, 20, "one bound is a number and the other is text", None),
    ("range: {min: 0, above: 1}", 4, 30, '"min" and "above" bound the same side', "Keep one of the two."),
    ("range: {below: 0, max: 1}", 4, 22, '"max" and "below" bound the same side', "Keep one of the two."),
    ("range: {above: 1, below: 1}", 4, 22, "no value lies between 1 and 1", '"min" and "max" take it in'),
    ("range: {min: b, below: b}", 4, 20, "no value lies between b and b", None),
    ("range: {above: 1, max: 0.5}", 4, 22, "the lower bound 1 is above the upper bound 0.5", None),
    ("range: {above: 0, max: '5'}", 4, 22, "one bound is a number and the other is text", None),
    ("range: {above: .inf}", 4, 22, ".inf is not a bound", None),
    (
        "range: {min: 0, below: 9, on_breach: repair}",
        4,
        30,
        '"below" names no value that a repair could put in place',
        'Say the nearest value that passes with "max"',
    ),
    ("range: {min: .nan}", 4, 20, ".nan is not a bound", "Leave a bound out"),
    ("range: {min: .inf}", 4, 20, ".inf is not a bound", None),
    ("range: {min: NaN}", 4, 20, "NaN is not a bound", None),
    ("range: {min: -Infinity}", 4, 20, "-Infinity is not a bound", None),
    ("range: {min: true}", 4, 20, "expected a number, or text such as a date, not true", None),
    ("range: {min: ''}", 4, 20, "a bound may not be empty", None),
    ("range: {min: [0]}", 4, 20, "not a list", None),
    ("length: {min: -1}", 4, 21, "-1 is not between 0", None),
    ("length: {min: 1.5}", 4, 21, "expected a whole number", None),
    ("length: {min: 5, max: 1}", 4, 21, "the lower bound 5", None),
    ("accepted_values", 4, 7, '"accepted_values" needs "values"', None),
    ("accepted_values: []", 4, 24, "the list may not be empty", None),
    ("accepted_values: a", 4, 24, "expected a list", "[a]"),
    ("accepted_values: [a, null]", 4, 28, "null is not a value", "quotes"),
    ("accepted_values: [a, a]", 4, 28, "listed twice", None),
    ("accepted_values: [.nan]", 4, 25, "not a value to compare with", None),
    ("accepted_values: [[a]]", 4, 25, "expected a value, not a list", None),
    ("pattern: ''", 4, 16, "text may not be empty", None),
    ("pattern: 5", 4, 16, "expected text, not the number 5", '"5"'),
    ("pattern: {matches: a, ignore_case: yes}", 4, 42, "expected true or false", None),
    ("format: e-mail", 4, 15, 'format "e-mail" does not exist', 'did you mean "email"?'),
    ("format: xyzzy", 4, 15, "does not exist", "One of: email"),
    ("format", 4, 7, '"format" needs "format"', None),
    ("references: dim.country", 4, 19, "has 2 parts, not 3", "schema.table.column"),
    ("references: {table: dim.country}", 4, 19, '"references" needs "column"', None),
    ("references: {table: country, column: code}", 4, 27, "has no schema", None),
    ("compare: {operator: '>='}", 4, 16, '"compare" needs "to"', None),
    ("compare: {operator: '==', to: b}", 4, 27, 'operator "==" does not exist', 'did you mean "="?'),
    ("compare: {operator: '>=', to: a}", 4, 37, "compared with itself", None),
    ("compare: b", 4, 16, '"compare" cannot be followed by', None),
    ("expression: 'lower(a) = (select 1)'", 4, 32, "sub-queries", "references"),
    ("expression: ''", 4, 20, "the expression is empty", None),
    ("expression: [a]", 4, 19, "expected an expression, not a list", None),
    ("expression: |\n        a > 0\n        and lowr(a)", 6, 13, 'function "lowr"', 'did you mean "lower"?'),
    ("not_null: {where: 'a = 1;'}", 4, 31, "several statements", None),
    ("unique: [a, b]", 4, 15, '"unique" cannot be followed by a list', None),
    ("repair", 4, 7, '"repair" needs "trim" or', None),
    ("repair: {clip: [1, 0]}", 4, 22, "the lower bound 1", None),
    ("repair: {clip: 5}", 4, 22, "expected two bounds", None),
    ("repair: {default: .nan}", 4, 25, "not a value", None),
    ("repair: {default: null}", 4, 25, "null is not a value", None),
    ("repair: {map: {}}", 4, 21, "the mapping may not be empty", None),
    ("repair: {map: {1: 2}}", 4, 22, "a key has to be text", '"1"'),
    ("repair: {round: 99}", 4, 23, "99 is not between -10 and 15", None),
    ("repair: {trim: 1}", 4, 22, "expected true or false", None),
    ("repair: {trim: true, on_breach: reject}", 4, 39, "its action cannot be changed", None),
    ("repair: {trim: true, at_least: 0.5}", 4, 38, '"at_least" does not fit "repair"', None),
    # Options
    (
        'compare: {operator: ">", to: 3}',
        4,
        36,
        "expected a column, not the value 3",
        "by range or expression",
    ),
    ('compare: {operator: ">", to: true}', 4, 36, "not the value true", 'in quotes: "true"'),
    ("not_null: {on_breach: block}", 4, 29, 'action "block" does not exist', "reject"),
    ("not_null: {on_breach: repair}", 4, 29, "does not say how to repair", "repair: {default: 0}"),
    (
        "range: {min: 0, on_breach: reject, at_least: 0.9}",
        4,
        52,
        '"at_least" does not fit "on_breach: reject"',
        "Leave",
    ),
    ("range: {min: 0, on_breach: quarantine, at_most: 9}", 4, 55, '"at_most" does not fit', None),
    ("not_null: {at_least: 0.9, at_most: 9}", 4, 42, "in two ways", None),
    ("not_null: {at_least: 95}", 4, 28, "95 is not between 0 and 1", "0.95"),
    ("not_null: {at_least: -1}", 4, 28, "-1 is not between 0 and 1", None),
    ("not_null: {at_least: .nan}", 4, 28, "expected a fraction", None),
    ("not_null: {at_least: most}", 4, 28, "expected a fraction", None),
    ("not_null: {at_most: -1}", 4, 27, "-1 is not between", None),
    ("not_null: {at_most: 1.5}", 4, 27, "expected a whole number", None),
    ("not_null: {samples: 1001}", 4, 27, "1001 is not between 0 and 1000", None),
    ("not_null: {enabled: on}", 4, 27, 'expected true or false, not the text "on"', None),
    ("not_null: {tags: []}", 4, 24, "may not be empty", None),
    ("not_null: {name: A-b}", 4, 24, "cannot be the name of a rule", "lower case"),
    (f"not_null: {{name: {'a' * 51}}}", 4, 24, "cannot be the name of a rule", "50"),
    ("not_null: {onbreach: warn}", 4, 18, '"not_null" has no "onbreach"', 'did you mean "on_breach"?'),
    ("not_null: reject", 4, 17, "cannot be followed by", None),
    # Kinds of the organisation's own
    ("iban", 4, 7, '"iban" needs "countries"', "iban: {countries: …}"),
    ("iban: {countries: DE}", 4, 25, "expected a list", "[DE]"),
    ("iban: {country: [DE]}", 4, 14, '"iban" has no "country"', 'did you mean "countries"?'),
    ("iban: {countries: [DE], spaces: no}", 4, 39, "expected true or false", None),
    ("ibann: [DE]", 4, 7, 'kind "ibann" does not exist', 'did you mean "iban"?'),
]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"), WRONG, ids=lambda value: str(value)[:50]
)
def test_wrong(text: str, line: int, column: int, message: str, hint: str | None):
    if line >= 4:
        text = f"{HEAD}columns:\n  a:\n    - {text}\n"
    error = errors(text)[0]
    assert message in error.message
    assert (hint or "") in (error.hint or "")
    assert error.location == Location("slos/t.yml", line, column)
    assert not error.message.endswith(".")


ROW_WRONG = [
    (
        "{expresion: a > 0, on_breach: reject}",
        9,
        'kind "expresion" does not exist',
        'did you mean "expression"?',
    ),
    ("{unique: [a], range: [0, 1]}", 22, '"range" is neither a kind nor an option', "one kind"),
    (
        "{unique: [a], on_breech: reject}",
        22,
        '"on_breech" is neither a kind nor an option',
        'did you mean "on_breach"?',
    ),
    ("{unique: [a], expression: a > 0}", 22, 'rule "r" has two kinds', None),
    ("{on_breach: reject}", 5, 'rule "r" has no kind', "expression"),
    ("unique", 5, 'rule "r" says nothing', None),
    ("{range: {min: 0}}", 9, 'kind "range" is not allowed here', 'under "columns"'),
    ("{iban: [DE]}", 9, 'kind "iban" is not allowed here', 'under "columns"'),
    ("{completeness: 0.5}", 9, 'kind "completeness" is not allowed here', 'under "columns"'),
    ("{row_count: {relative_to: previous}}", 20, '"row_count" needs "min" or "max"', None),
    ("{row_count: {min: -1}}", 26, "less than no rows", None),
    ("{row_count: {min: 5, max: 3}}", 26, "the lower bound 5 is above the upper bound 3", None),
    ("{row_count: {min: 5}, reject_below: 3}", 44, "cannot reject a statement by this bound", "reject_above"),
    (
        "{row_count: {min: 5}, on_breach: reject}",
        41,
        "cannot reject a statement by this bound",
        "reject_above",
    ),
    ("{row_count: {min: 5}, on_breach: quarantine}", 41, "whole batches and cannot quarantine", None),
    ("{row_count: {min: 5}, warn_below: 3}", 42, '"min" and "warn_below" say the same', "Keep one"),
    ("{row_count: {min: 5}, at_least: 0.5}", 40, '"at_least" does not fit "row_count"', None),
    ("{row_count: {max: 5}, reject_above: 4}", 44, "below the bound 5 that is warned of", None),
    (
        "{change: {of: row_count, relative_to: tomorrow, min: 0}}",
        46,
        "expected earlier batches",
        "28 batches",
    ),
    ("{change: {of: mean, min: 0}}", 22, 'statistic "mean" does not exist', "row_count"),
    ("{no_overlap: {from: a}}", 21, '"no_overlap" needs "to"', None),
    ("{query: 'DELETE FROM a.b'}", 17, "has to begin with SELECT", None),
    ("{same_as: {table: a.b, on: []}}", 35, "may not be empty", None),
    ("{query: 'SELECT 1', where: a > 0}", 35, '"where" does not fit "query"', None),
    ("{unique: [a], reject_below: 1.5}", 36, "1.5 is not between 0 and 1", None),
    ("{unique: [a], at_least: 0.5, reject_below: 0.6}", 51, "reject_below 0.6 is above at_least 0.5", None),
    ("{unique: [a], on_breach: reject, reject_below: 0.6}", 55, "does not fit", "warn or flag"),
    ("{unique: [a], warn_below: 0.6}", 34, '"warn_below" does not fit "unique"', None),
    ("{unique: [a], window: 2 days}", 30, '"window" needs "target"', None),
    ("{unique: [a], target: 99}", 30, "99 is not between 0 and 1", "0.99"),
    ("{unique: [a], opens_after: 0}", 35, "expected a number of batches", "3 batches"),
    ("{unique: {columns: [a], on_breach: reject}}", 32, '"on_breach" belongs beside "unique"', None),
    ("{unique: [a], name: x}", 22, 'rule "r" has a name already', None),
    ("{unique: []}", 17, "may not be empty", None),
    ("{unique: [a, a]}", 21, "listed twice", None),
    (
        "{references: {columns: [a, b], table: s.t, to: [x]}}",
        55,
        '"columns" has 2 names and "to" has 1',
        None,
    ),
    ("{references: s.t.x}", 21, '"references" cannot be followed by', None),
    ("{compare: {left: a, operator: <, right: a}}", 48, "compared with itself", None),
    ("{compare: {left: a, right: b}}", 18, '"compare" needs "operator"', None),
    ("{expression: 'a >', on_breach: reject}", 24, "ends too early", None),
    ("{unique: [a], on_breach: repair}", 33, "does not say how to repair", None),
]


@pytest.mark.parametrize(("item", "column", "message", "hint"), ROW_WRONG)
def test_wrong_under_rules(item: str, column: int, message: str, hint: str | None):
    error = errors(f"{HEAD}rules:\n  - r: {item}\n")[0]
    assert message in error.message
    assert (hint or "") in (error.hint or "")
    assert error.location is not None
    # Counted from the start of the line, "  - r: " being seven characters.
    assert (error.location.line, error.location.column) == (3, column)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("rules: {r: {unique: [a]}}", 2, "expected a list of rules, not a mapping"),
        ("rules:\n  - R-1: {unique: [a]}", 3, "cannot be the name of a rule"),
        ("rules:\n  - r: {unique: [a]}\n  - r: {unique: [b]}", 4, 'name "r" is taken by the rule on line 3'),
        ("rules:\n  - r: {unique: [a]}\n  - s: {unique: [a]}", 4, "the same rule is stated on line 3"),
        ("columns: {a: [not_null, not_null]}", 2, "the same rule is stated"),
        ("rules:\n  - learned: {unique: [a]}", 3, 'name "learned" is kept for what pgslo learns'),
        ("rules:\n  - b_learned: {unique: [a]}", 3, 'name "b_learned" is kept for what pgslo learns'),
        ("columns: {a: [not_null: {name: a_learned}]}", 2, 'name "a_learned" is kept'),
        ("columns: {a: [unique]}\nrules:\n  - a_unique: {unique: [b]}", 4, 'name "a_unique" is taken'),
        ("columns: {a: [not_null: {name: x}], b: [unique: {name: x}]}", 2, 'name "x" is taken'),
        (
            "columns: {x_not: [accepted_values: [1]], x: [not_accepted_values: [1]]}",
            2,
            'name "x_not_accepted_values" is taken',
        ),
        ("schema: {columns: {a: int}, on_breach: quarantine}", 2, '"schema" cannot quarantine'),
        ("schema: {columns: {a: int}, where: a > 0}", 2, '"where" does not fit "schema"'),
        ("schema: {columns: {a: int}, at_least: 0.5}", 2, '"at_least" does not fit "schema"'),
        ("columns: {a: [completeness: {of: all, min: 0.5}]}", 2, 'object "all" does not exist'),
        (
            "columns: {a: [completeness: {of: table, min: 0.5, reject_below: 0.1}]}",
            2,
            '"completeness" cannot reject a statement by this bound',
        ),
        ("schema: {columns: {}}", 2, "the mapping may not be empty"),
        ("schema: {extra: forbid}", 2, '"schema" needs "columns"'),
        ("schema: {columns: {a: 'int; drop'}}", 2, "expected a type"),
        ("schema: {columns: {a: }}", 2, "expected a type such as integer or numeric(10,2), not nothing"),
        ("schema: {columns: a}", 2, "expected columns with their types, or a list of columns"),
        ("schema: {columns: []}", 2, "the list may not be empty"),
        ("schema: {columns: [a, a]}", 2, "is listed twice"),
        ("schema: {columns: {a: []}}", 2, "the list may not be empty"),
        (
            "schema: {columns: {a: [numeric(12,2)]}}",
            2,
            '"numeric(12" has a parenthesis without its other half',
        ),
        (
            "schema: {columns: {a: any numbr}}",
            2,
            '"any numbr" is neither a family of types, nor a type that has a length',
        ),
        ("schema: {columns: {a: any uuid}}", 2, '"any uuid" is neither a family of types'),
        ("schema: {columns: {a: 'any numeric(3)'}}", 2, '"any numeric(3)" is neither a family of types'),
        ("schema: {columns: {a: int}, ordered: yes please}", 2, "expected true or false"),
        ("schema: [a]", 2, "expected keys and values"),
        ("objective: {target: 99, window: 1 day}", 2, "99 is not between 0 and 1"),
        ("objective: {target: 0.9}", 2, '"objective" needs "window"'),
        ("objective: {target: 0.9, window: 1 month}", 2, "is not a duration"),
        ("objective: {target: .nan, window: 1 day}", 2, "expected a fraction"),
        ("objective: 0.99", 2, "expected keys and values"),
        ("freshness: {of: a}", 2, '"freshness" needs "max_age"'),
        ("freshness: {max_age: 0 hours}", 2, "is not between one second"),
        ("freshness: {max_age: 1 hour, on_breach: reject}", 2, "cannot reject"),
        ("sensitivity: 0", 2, "sensitivity has to be above zero"),
        ("holidays: []", 2, "the list may not be empty"),
        ("holidays: [12-24, 24.12.]", 2, '"24.12." is not a day'),
        ("holidays: 2026-02-29", 2, '"2026-02-29" is not a day'),
        ("holidays: [02-30]", 2, '"02-30" is not a day'),
        ("holidays: {a: b}", 2, "expected a list"),
        ("holidays: [12-24, 12-24]", 2, "is listed twice"),
        ("settle: 10", 2, "is not a duration"),
        ("watch: on", 2, "expected true or false"),
        ("columns: {a: [completeness: 95]}", 2, "95 is not between 0 and 1"),
        ("columns: {a: [completeness: {min: 0.5, reject_below: 1.5}]}", 2, "reject_below 1.5 is above"),
        ("columns: {a: [completeness: {max: 0.5, reject_above: 1.5}]}", 2, "1.5 is not between 0 and 1"),
        (
            "columns: {a: [completeness: {reject_below: 0.6, reject_above: 0.4}]}",
            2,
            "every statement would be refused",
        ),
        ("columns: {a: [freshness: 3 hours]}", 2, '"freshness" cannot be followed by'),
        ("columns: {a: [row_count: {min: 1}]}", 2, 'kind "row_count" is not allowed here'),
        ("columns: {a: [statistic: {of: quantile, max: 1}]}", 2, 'a quantile needs "quantile"'),
        ("columns: {a: [statistic: {of: mean, quantile: 0.5, max: 1}]}", 2, '"quantile" does not fit'),
        ("columns: {a: [statistic: {of: meen, max: 1}]}", 2, 'statistic "meen" does not exist'),
        ("columns: {a: [statistic: {of: median, reject_above: 1}]}", 2, "cannot reject a statement"),
        ("columns: {a: [statistic: {of: sum, reject_below: 1}]}", 2, "cannot reject a statement"),
        (
            "columns: {a: [drift: {relative_to: previous, trained_on: [a, b], max: 1}]}",
            2,
            "two things to compare",
        ),
        ("columns: {a: [drift: {trained_on: [a], max: 1}]}", 2, "the first and the last batch"),
        ("columns: {a: [drift: {max: -1}]}", 2, "never below zero"),
        ("columns: {a: [drift: {max: 1, on_breach: reject}]}", 2, "cannot reject a statement"),
        ("columns: {a: [drift: {max: 1, reject_above: 2}]}", 2, '"reject_above" does not fit "drift"'),
        ("columns: {a: [skew: {from: b.c, max: 1}]}", 2, "has 2 parts, not 3"),
        ("columns: {a: [no_gap: 0]}", 2, "0 is not between"),
    ],
)
def test_wrong_together(text: str, line: int, message: str):
    error = errors(f"{HEAD}{text}\n")[0]
    assert message in error.message
    assert error.location is not None
    assert error.location.line == line


def test_all_errors_of_a_file_in_its_order():
    found = errors("tabel: x\ntable: t\ncolumns:\n  a:\n    - nul\n    - range: {mn: 0, mx: 1}\nkey: []\n")
    assert [(error.location.line, error.location.column) for error in found if error.location] == [
        (1, 1),
        (2, 8),
        (5, 7),
        (6, 15),
        (6, 22),
        (7, 6),
    ]


def test_errors_read_as_lines_for_editors():
    with pytest.raises(DefinitionErrors) as caught:
        load(f"{HEAD}columns:\n  a: [nul_null]\n")
    assert (
        str(caught.value)
        == 'slos/t.yml:3:7: error: kind "nul_null" does not exist\nhint: did you mean "not_null"?'
    )


def test_several_files():
    files = {"b.yml": "table: s.t\n", "a.yml": "table: s.u\n"}
    assert [one.name for one in definition.load_all(files)] == ["s.t", "s.u"]
    with pytest.raises(DefinitionErrors) as caught:
        definition.load_all({**files, "c.yml": "table: S.T\n", "d.yml": "tabel: 1\n"})
    assert [(error.location.path, error.message) for error in caught.value.errors if error.location] == [
        ("c.yml", "table s.t has two definitions"),
        ("d.yml", 'key "tabel" does not exist'),
        ("d.yml", 'the file names no "table"'),
    ]
