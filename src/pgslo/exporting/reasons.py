"""Why a rule is changed or not expressible in another format: a closed list, each with its sentence in the documentation."""

from __future__ import annotations

#: By name: its meaning for a rule. docs/reference/export.md has the same list, and a test compares them.
REASONS = {
    # changed
    "table_not_batch": "a share or a number is of the whole table there, and of a batch here",
    "null_differs": "tools differ in the treatment of NULL",
    "infinity_passes": "NaN or infinity may pass there, and never here",
    "in_part": "a part of the rule has no counterpart",
    "dialect": "the tool reads the pattern or the format in its own way",
    "judged_when_run": "the tool looks when it runs, and not at each read",
    # not expressible
    "no_word": "the format has no check of this kind",
    "where": "the format has no condition for the rows that a check is about",
    "of_batches": "the format knows no batches",
    "type_unknown": "the format needs the column's type, and the definition does not state it",
    "inside": "the format has no name for parts of a value",
    "off": "the rule is disabled",
    "no_objective": "neither the rule nor the file has an objective",
}
