"""``pgslo grants``: the least rights for people who look after guarded tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from pgslo import sql
from pgslo.catalog import Name
from pgslo.cli import output, project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.sql import Sql

#: What each function of people needs; an operator and a planner see all that an auditor sees.
_TEMPLATES = {
    "auditor": ("grants_auditor",),
    "planner": ("grants_auditor", "grants_planner"),
    "operator": ("grants_auditor", "grants_operator"),
    "steward": ("grants_steward",),
    "trainer": ("grants_trainer",),
}


@dataclass(frozen=True)
class _Role:
    role: Sql
    schemas: Sql
    tables: Sql


@click.command()
@click.argument("function", type=click.Choice(list(_TEMPLATES)))
@click.argument("role")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--execute", is_flag=True, help="Run the statements instead of printing them alone.")
@session_options
@pass_session
def grants(session: Session, function: str, role: str, paths: tuple[Path, ...], *, execute: bool) -> None:
    """Print the least rights for an auditor, a planner, an operator, a steward or a trainer.

    An auditor sees the state, but no value of a table. A planner also runs plan and render: it may read the tables of the definitions in PATHS, or of all definitions of the project. An operator also acknowledges, mutes and resolves incidents, pauses and resumes rules, and watches. A steward sees rows in quarantine, samples and repairs, which may hold personal data, and releases or drops rows. A trainer takes snapshots of views that it may read, and runs pgslo watch --on healthy-batch. Readers and
    writers need nothing of this.
    """
    if paths and function != "planner":
        raise click.UsageError("only a planner needs rights on the tables of definitions; leave PATHS out")
    read = _tables(session, paths) if function == "planner" else ()
    texts = statements(function, role, read)
    if execute:
        with session.connect(writes=True) as conn:
            rights_on(conn)
            with conn.transaction():
                for text in texts:
                    conn.execute(text.encode())
    for text in texts:
        output.script(f"{text};\n")


def _tables(session: Session, paths: tuple[Path, ...]) -> tuple[Name, ...]:
    """Return the tables that definitions are about, or look rows up in."""
    found: set[Name] = set()
    for one in project.load(session.configuration, paths).definitions:
        found.add((one.schema_name, one.table_name))
        if one.labels is not None:
            found.add((one.labels.schema_name, one.labels.table_name))
        for rule in (*one.rules, *one.assertions):
            found.update(rule.tables)
    return tuple(sorted(found))


def statements(function: str, role: str, tables: Sequence[Name] = ()) -> list[str]:
    """Return the GRANT statements that give ``role`` what a function of people needs, without semicolons at their ends.

    Args:
        function: Of people: a key of ``_TEMPLATES``.
        role: The role.
        tables: What a planner reads.
    """
    schemas = dict.fromkeys(schema for schema, _ in tables)
    context = _Role(
        sql.identifier(role),
        schemas=sql.join(", ", map(sql.identifier, schemas)),
        tables=sql.join(", ", (sql.identifier(*table) for table in tables)),
    )
    return [sql.render(template, context).text for template in _TEMPLATES[function]]
