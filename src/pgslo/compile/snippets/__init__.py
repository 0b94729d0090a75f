"""Pieces of SQL that functions of all kinds are made of."""
