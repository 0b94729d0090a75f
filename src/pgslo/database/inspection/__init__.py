"""Reads a sample of a table that may have no definition, for a first one. It changes nothing."""

from pgslo.database.inspection.table import candidates, inspect

__all__ = ["candidates", "inspect"]
