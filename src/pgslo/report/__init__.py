"""The report: what the views say, as one HTML file or a folder of them, without scripts, that needs nothing but itself."""

from pgslo.report.facts import Facts
from pgslo.report.page import pages, render

__all__ = ["Facts", "pages", "render"]
