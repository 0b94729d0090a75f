"""Files of other tools as nodes that know their place: YAML 1.1 as these tools read it, and JSON."""

from pgslo.importing.source.nodes import Mapping, Node, Scalar, Sequence, plain
from pgslo.importing.source.reader import UnreadableError, read
from pgslo.importing.source.text import MAX_BYTES, decode

__all__ = [
    "MAX_BYTES",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "UnreadableError",
    "decode",
    "plain",
    "read",
]
