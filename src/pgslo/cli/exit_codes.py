"""What commands end with."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with.

    Attributes:
        OK: The command succeeded, and nothing needs attention.
        ERROR: It could not do it.
        USAGE: The command line is wrong.
        CHANGES: There is something to apply.
        BREACH: An objective is missed, or rules are not in force.
        INTERRUPTED: What shells give a program that was ended with Ctrl-C.
    """

    OK = 0
    ERROR = 1
    USAGE = 2
    CHANGES = 3
    BREACH = 4
    INTERRUPTED = 130


OK, ERROR, USAGE, CHANGES, BREACH, INTERRUPTED = ExitCode
