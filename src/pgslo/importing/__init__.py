"""Checks of other tools, read from their files and written as definitions; every check that is found is accounted for."""

from pgslo.importing.options import Options, TableMap
from pgslo.importing.run import Imported, KeptByHand, convert

__all__ = ["Imported", "KeptByHand", "Options", "TableMap", "convert"]
