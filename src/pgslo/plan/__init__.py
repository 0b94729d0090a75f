"""Comparison of definitions with the database: the steps of a plan, drift since it was applied, rules in force. Pure."""

from pgslo.plan.steps import Plan, Step, make, order_statements, removal

__all__ = ["Plan", "Step", "make", "order_statements", "removal"]
