"""Queries of a source: rewritten as rules about rows where they only count, else kept as queries with their tables qualified."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgslo.importing.mapping import limits, rules
from pgslo.importing.mapping.limits import Limits
from pgslo.importing.model import Outcome, TableName, UnmappableError

_COUNT = re.compile(
    r"\s*SELECT\s+COUNT\s*\(\s*(?:\*|1)\s*\)(?:\s+AS\s+\w+)?\s+FROM\s+(?P<table>[\w.\"]+)(?:\s+WHERE\s+(?P<where>.+?))?\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_EXTREME = re.compile(
    r"\s*SELECT\s+(?P<of>MIN|MAX)\s*\(\s*(?P<column>\w+)\s*\)(?:\s+AS\s+\w+)?\s+FROM\s+(?P<table>[\w.\"]+)\s*;?\s*\Z",
    re.IGNORECASE,
)
_OTHER_CLAUSE = re.compile(
    r"\b(GROUP\s+BY|ORDER\s+BY|HAVING|LIMIT|UNION|INTERSECT|EXCEPT|JOIN)\b", re.IGNORECASE
)


def qualified(sql: str, tables: Mapping[str, TableName]) -> str:
    """Return a query whose tables have their schemas.

    Args:
        sql: The query.
        tables: Tables by the names that the source gives them.
    """

    def known(match: re.Match[str]) -> str:
        found = tables.get(match[2].strip('"')) or tables.get(match[2].strip('"').lower())
        return f"{match[1]}{found.text}" if found is not None else match[0]

    return re.sub(r'(\b(?:FROM|JOIN)\s+)("[^"]+"|[A-Za-z_]\w*)(?![\w."(])', known, sql, flags=re.IGNORECASE)


def number(sql: str, wanted: Limits, own: TableName | None, tables: Mapping[str, TableName]) -> Outcome:
    """Return a check that the one number of a query has to be within limits."""
    if own is None:
        raise UnmappableError("no_table")
    statement = qualified(sql, tables)
    counted = _COUNT.match(statement)
    if counted and counted["table"].replace('"', "") == own.text.replace('"', ""):
        where = counted["where"]
        if where is None:
            return limits.rows(wanted, own)
        if wanted.is_zero and not _OTHER_CLAUSE.search(where):
            return rules.expression(f"NOT ({where})")
    extreme = _EXTREME.match(statement)
    if extreme and extreme["table"].replace('"', "") == own.text.replace('"', "") and not wanted.outside:
        lowest = extreme["of"].lower() == "min"
        side, other = (wanted.low, wanted.high) if lowest else (wanted.high, wanted.low)
        if side is not None and other is None:
            name = extreme["column"].lower()
            ends = (side, None) if lowest else (None, side)
            return rules.bounds(name, *ends, strict=(wanted.above, wanted.below))
    return limits.of_query(statement, wanted)
