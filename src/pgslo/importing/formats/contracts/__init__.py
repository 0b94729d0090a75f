"""Readers of data contracts: the Open Data Contract Standard, and the Data Contract Specification."""
