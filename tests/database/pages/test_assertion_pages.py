"""The examples of the how-to about assertions do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pglast
import psycopg
import pytest

from pgslo import definition
from pgslo.definition.rules.kinds.assertions import ASSERTIONS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/hold-several-rows.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
EXAMPLES = {title: body for title, body in SECTIONS.items() if "```yaml" in body}


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_does_what_the_page_says(connection, apply, title):
    blocks = re.findall(r"```(\w+)\n(.*?)```", EXAMPLES[title], re.DOTALL)
    assert [language for language, _ in blocks] == ["sql", "yaml", "sql", "sql", "text"]
    tables, stated, keeping, breaking, told = (text for _, text in blocks)
    connection.execute(tables.encode())
    apply(stated)
    for statement in pglast.split(keeping):
        connection.execute(statement.encode())
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute(breaking.encode())
    said = caught.value.diag
    assert (
        f"ERROR:  {said.message_primary}\nDETAIL:  {said.message_detail}\nHINT:  {said.message_hint}\n"
        == told
    )


def test_the_promised_examples_are_there():
    assert len(EXAMPLES) == 5
    forms = {type(one) for body in EXAMPLES.values() for one in _definition(body).assertions}
    assert len(forms) == 5


def _definition(body):
    return definition.load(re.search(r"```yaml\n(.*?)```", body, re.DOTALL).group(1), path="x.yml")


def test_every_form_has_its_template_golden_and_section():
    page = (ROOT / "docs/reference/assertions.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) == set(ASSERTIONS)
    for folder, suffix in (
        ("sql/templates/assertions", ".sql.j2"),
        ("tests/golden/assertions", ".sql"),
        ("tests/golden/assertions", ".yml"),
    ):
        assert {path.name.removesuffix(suffix) for path in (ROOT / folder).glob(f"*{suffix}")} == set(
            ASSERTIONS
        )
