"""``pgslo schema``: what editors need to complete and check definition files."""

from __future__ import annotations

import json

import click

from pgslo.cli import project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.definition import json_schema
from pgslo.display import json_text


@click.command()
@session_options
@pass_session
def schema(session: Session) -> None:
    """Print the JSON Schema of definition files, for editors.

    The project's own kinds are part of it. Save it, and name it on the first line of a definition:
    # yaml-language-server: $schema=pgslo.schema.json
    """
    kinds = project.load_own_kinds(session.configuration)
    click.echo(json_text(json.dumps(json_schema(kinds), indent=2, ensure_ascii=False)))
