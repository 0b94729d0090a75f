"""The report: what the views say, as one HTML file without scripts that needs nothing but itself."""

from pgslo.report.page import Facts, render

__all__ = ["Facts", "render"]
