"""Looks at a table that pgslo need not know, for a definition to begin with: reads a sample and little more, and changes nothing."""

from pgslo.database.inspection.table import candidates, inspect

__all__ = ["candidates", "inspect"]
