"""The page of the command line has every command once, in the order and in the words of the help."""

from __future__ import annotations

import re
from pathlib import Path

from pgslo.cli.root import _VERBS, main

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def test_the_table_is_the_help() -> None:
    table = re.findall(r"^\| \[`([a-z]+)`\]\(#\1\) \| (.*) \|$", PAGE, re.MULTILINE)
    assert table == [
        (verb, f"{line[:1].lower()}{line[1:].rstrip('.')}") for verb, (_, line) in _VERBS.items()
    ]


def test_the_sections_are_in_that_order() -> None:
    sections = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert sections == ["Everywhere", *_VERBS]


def test_json_is_one_option_everywhere() -> None:
    """What prints a document for programs does so with ``--json``; a format of that name is the same."""
    for verb in _VERBS:
        command = main.get_command(None, verb)  # type: ignore[arg-type]
        assert command is not None
        for one in (command, *getattr(command, "commands", {}).values()):
            options = {name: option for option in one.params for name in option.opts}
            if "--format" in options:
                choices = getattr(options["--format"].type, "choices", ())
                assert ("json" in choices) == ("--json" in options), (verb, one.name)
            if "--json" in options:
                assert options["--json"].help.startswith(("Print one JSON document", "The same as")), verb  # type: ignore[attr-defined]
