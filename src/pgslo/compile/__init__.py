"""From a definition and the facts of a database to the objects that enforce it. Pure: the same input, the same bytes."""

from pgslo.compile.artifact import Artifact, Lock, Statement, drop, read_comment
from pgslo.compile.choice import Choice
from pgslo.compile.definition import Compiled, compile_definition
from pgslo.compile.part import Probe, Validation

__all__ = [
    "Artifact",
    "Choice",
    "Compiled",
    "Lock",
    "Probe",
    "Statement",
    "Validation",
    "compile_definition",
    "drop",
    "read_comment",
]
