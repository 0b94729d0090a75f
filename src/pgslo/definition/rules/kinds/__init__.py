"""Kinds of rules and of assertions, one class each, in modules by their subject."""
