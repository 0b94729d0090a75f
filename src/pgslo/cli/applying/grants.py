"""``pgslo grants``: the least rights for people who look after guarded tables."""

from __future__ import annotations

from dataclasses import dataclass

import click

from pgslo import sql
from pgslo.cli import output
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.sql import Sql

#: What each function of people needs; an operator sees all that an auditor sees.
_TEMPLATES = {
    "auditor": ("grants_auditor",),
    "operator": ("grants_auditor", "grants_operator"),
    "steward": ("grants_steward",),
    "trainer": ("grants_trainer",),
}


@dataclass(frozen=True)
class _Role:
    role: Sql


@click.command()
@click.argument("function", type=click.Choice(list(_TEMPLATES)))
@click.argument("role")
@click.option("--execute", is_flag=True, help="Run the statements instead of printing them alone.")
@session_options
@pass_session
def grants(session: Session, function: str, role: str, *, execute: bool) -> None:
    """Print the least rights for an auditor, an operator, a steward or a trainer.

    An auditor sees the state, but no value of a table. An operator also acknowledges, mutes and resolves incidents, pauses and resumes rules, and watches. A steward sees rows in quarantine, samples and repairs, which may hold personal data, and releases or drops rows. A trainer takes snapshots of views that it may read, and runs pgslo watch --on healthy-batch. Readers and
    writers need nothing of this.
    """
    texts = statements(function, role)
    if execute:
        with session.connect(writes=True) as conn:
            rights_on(conn)
            with conn.transaction():
                for text in texts:
                    conn.execute(text.encode())
    for text in texts:
        output.script(f"{text};\n")


def statements(function: str, role: str) -> list[str]:
    """Return the GRANT statements that give ``role`` what a function of people needs, without semicolons at their ends."""
    context = _Role(sql.identifier(role))
    return [sql.render(template, context).text for template in _TEMPLATES[function]]
