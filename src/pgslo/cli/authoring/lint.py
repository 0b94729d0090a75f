"""``pgslo lint``: definition files alone, for people, editors and CI systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pgslo.cli import output, project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.definition import Definition
from pgslo.display import one_line
from pgslo.errors import DefinitionErrors, Location, PgsloError

#: Definitions that are named in a note.
_LISTED = 3


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json", "github", "sarif", "junit"]),
    default="human",
    show_default=True,
    help="How errors are written; all but human go to stdout.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@session_options
@pass_session
def lint(session: Session, paths: tuple[Path, ...], form: str) -> int:
    """Check definition files; needs no database.

    PATHS are files and folders; without any, all definitions of the project are checked. Tables and columns are
    looked at by pgslo plan.
    """
    if form == "human":
        found = project.load(session.configuration, paths)
        rules = sum(len(one.rules) + len(one.assertions) for one in found.definitions)
        definitions = output.counted(len(found.definitions), "definition")
        output.say(f"{definitions} with {output.counted(rules, 'rule')}: no errors")
        _tell(found.definitions)
        return 0
    files = [str(output.shown_path(path)) for path in project.find_files(session.configuration, paths)]
    errors: tuple[PgsloError, ...] = ()
    try:
        _tell(project.load(session.configuration, paths).definitions)
    except DefinitionErrors as exc:
        errors = exc.errors
    except PgsloError as exc:
        if exc.location is None:
            raise
        errors = (exc,)
    _REPORTS[form](files, errors)
    return 1 if errors else 0


def _tell(definitions: Sequence[Definition]) -> None:
    """Say what plan asks of the tables, and lint cannot know."""
    keyless = [one.name for one in definitions if not one.key and not one.keyless]
    if not keyless:
        return
    listed = ", ".join(keyless[:_LISTED]) + (" …" if len(keyless) > _LISTED else "")
    names = "names" if len(keyless) == 1 else "name"
    output.message(
        f"{output.counted(len(keyless), 'definition')} {names} no key, so plan expects a primary key: {listed}; "
        "otherwise write key: [column, …], or key: none where no columns identify a row"
    )


def _place(error: PgsloError) -> Location:
    return error.location or Location("", 1, 1)


def _words(error: PgsloError) -> str:
    """The error and its remedy, without the location."""
    facts = (error.message, error.detail and f"detail: {error.detail}", error.hint and f"hint: {error.hint}")
    return "\n".join(output.indented(fact) for fact in facts if fact)


def _json(files: Sequence[str], errors: Sequence[PgsloError]) -> None:
    found = [
        {
            "path": _place(error).path,
            "line": _place(error).line,
            "column": _place(error).column,
            "message": error.message,
            "detail": error.detail,
            "hint": error.hint,
        }
        for error in errors
    ]
    output.document(files=list(files), errors=found)


def _github(_files: Sequence[str], errors: Sequence[PgsloError]) -> None:
    """Workflow commands, which GitHub shows beside the line."""
    for error in errors:
        place = _place(error)
        click.echo(
            f"::error file={_escape_property(one_line(place.path))},line={place.line},col={place.column},title=pgslo"
            f"::{_escape_data(_words(error))}"
        )


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(_files: Sequence[str], errors: Sequence[PgsloError]) -> None:
    """SARIF 2.1.0, which code scanning services take."""
    from importlib import metadata  # takes a while, and only this form needs it
    from urllib.parse import quote

    def result(error: PgsloError) -> dict[str, Any]:
        place = _place(error)
        region = {"startLine": place.line, "startColumn": place.column}
        where = {
            "artifactLocation": {"uri": quote(Path(place.path).as_posix())},
            "region": region,
        }
        return {
            "ruleId": "definition",
            "level": "error",
            "message": {"text": _words(error)},
            "locations": [{"physicalLocation": where}],
        }

    rule = {
        "id": "definition",
        "shortDescription": {"text": "A definition says something that pgslo does not understand or allow."},
    }
    driver = {"name": "pgslo", "version": metadata.version("pgslo"), "rules": [rule]}
    # SARIF's own version takes the place of ours.
    output.document(
        **{"$schema": "https://json.schemastore.org/sarif-2.1.0.json"},
        version="2.1.0",
        runs=[
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [result(error) for error in errors],
            }
        ],
    )


def _junit(files: Sequence[str], errors: Sequence[PgsloError]) -> None:
    """JUnit XML: a test case for each file, a failure for each error."""
    from xml.sax.saxutils import quoteattr  # only this form needs it

    places = list(dict.fromkeys((*files, *(_place(error).path for error in errors))))
    failing = {_place(error).path for error in errors}

    def xml(text: str) -> str:
        return quoteattr(text, {"\n": "&#10;"})

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites><testsuite name="pgslo lint" tests="{len(places)}" failures="{len(failing)}" errors="0">',
    ]
    for path in places:
        lines.append(
            f'<testcase classname="pgslo.lint" name={xml(one_line(path))} file={xml(one_line(path))}>'
        )
        # A test case holds one failure in the JUnit schema that most readers keep to.
        own = [
            f"{one_line(str(_place(error)))}: {_words(error)}"
            for error in errors
            if _place(error).path == path
        ]
        if own:
            lines.append(f'<failure type="definition" message={xml(own[0])}>')
            lines += [*(_escape_text(one) for one in own), "</failure>"]
        lines.append("</testcase>")
    lines.append("</testsuite></testsuites>")
    click.echo("\n".join(lines))


def _escape_text(text: str) -> str:
    from xml.sax.saxutils import escape

    return escape(text)


_REPORTS: dict[str, Callable[[Sequence[str], Sequence[PgsloError]], None]] = {
    "json": _json,
    "github": _github,
    "sarif": _sarif,
    "junit": _junit,
}
