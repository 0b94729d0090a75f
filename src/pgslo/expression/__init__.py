"""Row conditions that authors write: parsed, restricted to what a row rule may do, and qualified; and their queries."""

from pgslo.expression.clock import needs_clock
from pgslo.expression.gate import Expression, parse
from pgslo.expression.queries.derivation import Source, derive, tables_read
from pgslo.expression.queries.groups import Facts, UnderivableError
from pgslo.expression.queries.lineage import columns_read
from pgslo.expression.queries.query import Query, parse_query

__all__ = [
    "Expression",
    "Facts",
    "Query",
    "Source",
    "UnderivableError",
    "columns_read",
    "derive",
    "needs_clock",
    "parse",
    "parse_query",
    "tables_read",
]
