"""Why a check is changed, not mapped, held or learned: a closed list, each with its sentence in the documentation."""

from __future__ import annotations

#: By name: its meaning for a check. docs/reference/import.md has the same list, and a test compares them.
REASONS = {
    # changed
    "batch_not_table": "a share or a number is of a batch here, and of the table there",
    "boolean_values": "the words True and False are booleans here, and texts there",
    "ends_differ": "tools differ in the ends of the range",
    "estimated": "the number is estimated from a sample here",
    "fail_calc": "the source computes the number of failures in its own way",
    "format_differs": "the named format accepts other texts here than there",
    "judged_on_read": "the age is that of the last write, judged at each read, and unknown without one",
    "judged_on_write": "the condition depends on the clock, and a row is judged when it is written",
    "mapped_in_part": "a part of the check has no counterpart",
    "key_has_no_null": "a key column has no NULL, although the source does not require a value",
    "null_differs": "NULL passes here; there it passes or fails by the database",
    "null_in_values": "NULL is left out of the list: it passes on both sides",
    "objective_of_table": "the objective is of all rules of the table, and of one indicator there",
    "only_warns": "the rule here cannot have the action that was asked for",
    "schedule_lost": "the schedule of the source is lost",
    "second_bound_lost": "one of two bounds is lost",
    "type_of_engine": "a type of another engine is taken for the family of types here",
    # not mapped
    "contradiction": "two statements of the source exclude each other",
    "needs_jinja": "its text needs a macro or a variable that is not known here",
    "nested_column": "a field inside of a column is not a column here",
    "no_such_element": "it names an object that the source does not have",
    "no_table": "the table is not known",
    "no_word": "the language of definitions has no word for it",
    "not_a_table": "the relation is a view, or no relation at all",
    "pattern_dialect": "PostgreSQL reads the regular expression otherwise, or not at all",
    "not_sql": "the condition is in another language than SQL",
    "parameter": "a value is only known when the source runs",
    "private_test": "the project's own kind of test, whose SQL is not in the files",
    "refused": "the definition with it would not pass pgslo lint",
    "same_rule": "the definition has the same rule already, with another bound",
    "sql_refused": "pgslo does not accept the SQL",
    "text_only": "it is a text for people",
    "type_unknown": "PostgreSQL has no type of this name",
    "unclear": "the source does not say enough, or says it in a form that is not known",
    "unknown_check": "the tool has no check of this name that pgslo knows",
    "unknown_key": "the standard does not have this key",
    # held
    "enforced": "a constraint or an index of the table enforces it already",
    "stated_twice": "the contract states it once more, in pgslo's own words",
    "trivial": "true of every column of a table",
    # learned
    "learned_bounds": "bounds that are learned take its place",
}
