"""Assertions: what groups of rows have to be, the constraint that says it natively, or the check at COMMIT."""
