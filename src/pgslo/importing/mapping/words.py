"""Words of the language that some checks need: their kinds, or that the language has none. A new word is a line here."""

from __future__ import annotations

#: ``range`` with bounds that do not belong to it.
STRICT_LOW, STRICT_HIGH = "above", "below"
#: ``unique`` that takes two NULLs for equal.
NULLS_EQUAL = {"nulls": "same"}
#: The type of a column of ``schema`` that only has to exist.
ANY_TYPE = "any"
#: ``key`` of a table whose rows nothing distinguishes.
NO_KEY = "none"
#: ``row_count`` of the whole table.
ROWS_OF_TABLE = {"of": "table"}
#: ``completeness`` of the whole table.
VALUES_OF_TABLE = {"of": "table"}
