"""Row conditions that authors write: parsed, restricted to what a row rule may do, and qualified; and their queries."""

from pgslo.expression.gate import Expression, parse
from pgslo.expression.lineage import columns_read
from pgslo.expression.query import Query, parse_query

__all__ = ["Expression", "Query", "columns_read", "parse", "parse_query"]
