"""A definition to begin with, worked out of what a table holds: facts in, commented text out."""

from pgslo.suggest.batching import choose_batch
from pgslo.suggest.facts import Arrivals, BatchSeen, ColumnSeen, Facts, ReferenceSeen
from pgslo.suggest.proposal import Batching, Line, Proposal
from pgslo.suggest.propose import propose
from pgslo.suggest.rules import CLOSED
from pgslo.suggest.text import as_text, without

__all__ = [
    "CLOSED",
    "Arrivals",
    "BatchSeen",
    "Batching",
    "ColumnSeen",
    "Facts",
    "Line",
    "Proposal",
    "ReferenceSeen",
    "as_text",
    "choose_batch",
    "propose",
    "without",
]
