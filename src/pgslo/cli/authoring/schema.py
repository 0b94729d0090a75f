"""``pgslo schema``: what editors need to complete and check definition files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pgslo import notify
from pgslo.cli import project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.definition import json_schema
from pgslo.display import json_text

#: What ``webhooks.document`` makes.
WEBHOOK = Path(notify.__file__).parent / "webhook.schema.json"


@click.command()
@click.option(
    "--of",
    "what",
    type=click.Choice(["definition", "webhook"]),
    default="definition",
    show_default=True,
    help="The documents that it describes.",
)
@session_options
@pass_session
def schema(session: Session, *, what: str) -> None:
    """Print the JSON Schema of definition files, for editors.

    With --of webhook that of what pgslo watch sends to routes in JSON.

    The project's own kinds are part of it. Save it, and name it on the first line of a definition:
    # yaml-language-server: $schema=pgslo.schema.json
    """
    if what == "webhook":
        click.echo(WEBHOOK.read_text(encoding="utf-8"), nl=False)
        return
    kinds = project.load_own_kinds(session.configuration)
    click.echo(json_text(json.dumps(json_schema(kinds), indent=2, ensure_ascii=False)))
