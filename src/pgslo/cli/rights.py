"""Which right a command needs: the hint of an error that says that it is missing."""

from __future__ import annotations

#: The function of ``pgslo grants`` that may run a command.
_FUNCTIONS = {
    **dict.fromkeys(("plan", "render"), "planner"),
    **dict.fromkeys(("status", "drift", "explain", "metrics", "report", "export"), "auditor"),
    **dict.fromkeys(("incidents", "pause", "prune", "resume", "tick", "watch"), "operator"),
    "quarantine": "steward",
    **dict.fromkeys(("gate", "snapshot"), "trainer"),
}
_OWNERS = "run it as the table's owner, or as a role that may create schemas and triggers"
#: Of commands that no function of ``pgslo grants`` may run.
_HINTS = {
    "suggest": "it needs USAGE on the table's schema and SELECT on the table, and nothing more",
    **dict.fromkeys(("learn", "backtest"), "run it as the owner of the schema pgslo"),
    "grants": "run the statements as the owner of the schema pgslo",
    "migrate": "run it as the owner of the schema pgslo; at first, as a role that may create schemas",
    "uninstall": "run it as the role that applied: it owns the schema pgslo and the tables",
}


def missing(verb: str) -> str:
    """Return what a role that may not run a command needs."""
    if verb in _FUNCTIONS:
        return f"pgslo grants {_FUNCTIONS[verb]} ROLE prints what a role needs for pgslo {verb}"
    return _HINTS.get(verb, _OWNERS)
