"""Row conditions that authors write: parsed, restricted to what a row rule may do, and qualified."""

from pgslo.expression.gate import Expression, parse

__all__ = ["Expression", "parse"]
