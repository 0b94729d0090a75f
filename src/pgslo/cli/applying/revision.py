"""A plan as a revision of Alembic: one Python file that holds every statement as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgslo.display import one_line

_QUOTES = ('"""', "'''")

_REVISION = '''\
"""pgslo plan {state}, written by pgslo render.

{facts}
"""

from alembic import context, op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = None
depends_on = None

# In Alembic's transaction: all of it or nothing.
TOGETHER = {together}

# One by one, each outside of it; they fail where existing rows break a rule.
ALONE = [{alone}]

# Takes it back, as far as that goes without touching a row.
REVERT = {revert}


def run(script: str) -> None:
    """Run SQL unchanged: nothing in it is a parameter. The driver has to take several statements at once."""
    if context.is_offline_mode():
        op.get_context().impl.static_output(script)
    else:
        op.get_bind().exec_driver_sql(script, execution_options={{"no_parameters": True}})


def upgrade() -> None:
    run(TOGETHER)
    for script in ALONE:
        with op.get_context().autocommit_block():
            run(script)


def downgrade() -> None:
    run(REVERT)
'''


@dataclass(frozen=True)
class Scripts:
    """What a plan runs, and what takes it back.

    Attributes:
        together: For one transaction, without its BEGIN and COMMIT.
        alone: Each outside any transaction; it may hold one of its own.
        revert: For one transaction, without its BEGIN and COMMIT.
    """

    together: str
    alone: tuple[str, ...]
    revert: str


def revision(scripts: Scripts, facts: Sequence[str], *, state: str, number: str, after: str | None) -> str:
    """The text of the file.

    Args:
        scripts: The SQL.
        facts: What its reader should know first: sources, locks.
        state: The plan's state.
        number: The revision's identifier.
        after: The revision it follows; ``None`` for the first.
    """
    alone = "".join(f"\n    {_text(script)}," for script in scripts.alone)
    return _REVISION.format(
        state=state,
        facts="\n".join(one_line(fact).replace("\\", "/").replace('"', "'") for fact in facts),
        revision=number,
        down_revision=after,
        together=_text(scripts.together),
        alone=f"{alone}\n" if alone else "",
        revert=_text(scripts.revert),
    )


def _text(script: str) -> str:
    """A script as Python text that reads as SQL: raw, between three quotes, where that is possible."""
    script = script.strip("\n") + "\n"
    for quotes in _QUOTES:
        if quotes not in script and not script.startswith(quotes[0]):
            return f"r{quotes}\n{script}{quotes}"
    return repr(script)
