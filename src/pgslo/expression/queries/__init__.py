"""Queries that authors write: restricted to what only reads, and which tables, columns and groups they are about."""
