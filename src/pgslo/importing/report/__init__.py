"""The outcome of each check: for people, as JSON with a schema, and as SARIF for the review of code."""

from pgslo.importing.report.document import json_schema, report
from pgslo.importing.report.human import last_line, lines
from pgslo.importing.report.sarif import sarif

__all__ = ["json_schema", "last_line", "lines", "report", "sarif"]
