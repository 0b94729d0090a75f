"""What is wanted against what is there: the steps of a plan, what moved since it was applied, what is in force. Pure."""

from pgslo.plan.steps import Plan, Step, make, order_statements, removal

__all__ = ["Plan", "Step", "make", "order_statements", "removal"]
