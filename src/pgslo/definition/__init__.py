"""What the author wrote: the text of a definition file to a :class:`Definition`, with every error's place."""

from pgslo.definition.editor_schema import json_schema
from pgslo.definition.rules import Definition
from pgslo.definition.syntax.custom_kinds import CustomKind, load_kinds
from pgslo.definition.syntax.parse import load, load_all

__all__ = ["CustomKind", "Definition", "json_schema", "load", "load_all", "load_kinds"]
