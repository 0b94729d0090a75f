"""What the author wrote: the text of a definition file to a :class:`Definition`, with every error's place."""

from pgslo.definition.editors import json_schema
from pgslo.definition.kinds import CustomKind, load_kinds
from pgslo.definition.parse import load, load_all
from pgslo.definition.rules import Definition

__all__ = ["CustomKind", "Definition", "json_schema", "load", "load_all", "load_kinds"]
