"""The command line: one module a verb group; it has all printing, and the one boundary where errors are shown."""

from pgslo.cli.root import main

__all__ = ["main"]
