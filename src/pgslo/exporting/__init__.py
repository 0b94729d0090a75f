"""Definitions as files of other tools; every rule is exported, or listed with the reason why it is not."""

from pgslo.exporting.model import Entry, Exported
from pgslo.exporting.report import json_schema, last_line, lines, report
from pgslo.exporting.run import FORMATS, export

__all__ = ["FORMATS", "Entry", "Exported", "export", "json_schema", "last_line", "lines", "report"]
