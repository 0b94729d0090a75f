"""A definition to begin with, worked out of what a table holds: facts in, commented text out."""

from pgslo.suggest.facts import BatchSeen, ColumnSeen, Facts, ReferenceSeen
from pgslo.suggest.propose import Batching, Line, Proposal, choose_batch, propose
from pgslo.suggest.text import as_text, without

__all__ = [
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
