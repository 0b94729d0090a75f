"""The pages of the rules show what really happens: each statement in them is run, each answer compared."""

import re
from pathlib import Path

import pglast
import psycopg
import pytest

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "reference" / "rules"
GOLDEN = ROOT / "tests" / "golden"
KINDS = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README")

OWN = {f"kinds/{path.name}": path.read_text() for path in (GOLDEN / "kinds").glob("*.sql")}

_YAML = re.compile(r"^```yaml\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^```(sql|text)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
#: What differs from run to run.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


@pytest.mark.parametrize("kind", KINDS)
def test_page_shows_what_happens(make_database, goldens, kind):
    page = PAGES / f"{kind}.md"
    text = page.read_text(encoding="utf-8")
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((GOLDEN / "given" / "tables.sql").read_bytes())
        for statement in pglast.split((GOLDEN / f"{kind}.sql").read_text(encoding="utf-8")):
            connection.execute(statement.encode(), prepare=False)
        goldens.check(page, _played(connection, text))


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_definitions(tables, kind):
    examples = _YAML.findall((PAGES / f"{kind}.md").read_text(encoding="utf-8"))
    assert examples
    for example in examples:
        tables.plan(f"table: features.user_stats\n{example}", kinds=OWN)


def test_page_shows_the_template_of_the_example():
    (template,) = re.findall(
        r"^```jinja\n(.*?)^```\n", (PAGES / "custom.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert template == OWN["kinds/iban.sql"]


def _played(connection, page):
    """The page with the answers that its statements get now."""
    said = []
    connection.add_notice_handler(lambda diagnostic: said.extend(_message(diagnostic)))
    answer = ""

    def play(fenced):
        nonlocal answer
        language, text = fenced.groups()
        if language == "text":
            return f"```text\n{answer}```\n"
        said.clear()
        for statement in pglast.split(text):
            said.extend(_run(connection, statement))
        answer = "".join(f"{_MOMENT.sub('2026-11-22 02:14 UTC', line)}\n" for line in said)
        return fenced.group()

    return _FENCED.sub(play, page)


def _run(connection, statement):
    try:
        cursor = connection.execute(statement.encode(), prepare=False)
    except psycopg.Error as error:
        return _message(error.diag)
    if cursor.description is None:
        return [] if statement.lstrip().upper().startswith(("CREATE", "ALTER")) else [cursor.statusmessage]
    return _table([column.name for column in cursor.description], cursor.fetchall())


def _message(diagnostic):
    parts = [(diagnostic.severity, diagnostic.message_primary)]
    parts += [("DETAIL", diagnostic.message_detail), ("HINT", diagnostic.message_hint)]
    return [f"{label}:  {text}" for label, text in parts if text]


def _table(names, rows):
    shown = [names, *[["" if value is None else str(value) for value in row] for row in rows]]
    widths = [max(len(row[place]) for row in shown) for place in range(len(names))]
    lines = [
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) for row in shown
    ]
    rule = "-+-".join("-" * width for width in widths)
    return [f" {lines[0]}".rstrip(), f"-{rule}-", *(f" {line}".rstrip() for line in lines[1:])]
