"""The map of the modules says of each what its own docstring says."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pgslo"
PAGE = ROOT / "docs" / "explanation" / "modules.md"
HEADER = """# Modules

A line for each module of `src/pgslo`, from its own docstring. [Architecture](architecture.md) explains how they work
together. `lint-imports` checks which may import which. `pytest tests/core/test_module_map.py --update-goldens` writes
this page.
"""


def _sentence(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert docstring, module
    return docstring.splitlines()[0].replace("``", "`").replace(":class:`", "`").replace("|", "\\|")


def _rows(folder: Path) -> list[str]:
    modules = sorted(one for one in folder.glob("*.py") if one.name not in ("__init__.py", "__main__.py"))
    return [f"| `{one.stem}` | {_sentence(one)} |" for one in modules]


def _map() -> str:
    folders = sorted(one.parent for one in SOURCE.rglob("__init__.py"))
    parts = [HEADER]
    for folder in folders:
        name = ".".join(("pgslo", *folder.relative_to(SOURCE).parts))
        rows = _rows(folder)
        parts.append(f"## {name}\n\n{_sentence(folder / '__init__.py')}\n")
        if rows:
            parts.append("\n".join(("| module | purpose |", "| --- | --- |", *rows)) + "\n")
    return "\n".join(parts)


def test_the_map_says_what_the_modules_say(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        PAGE.write_text(_map(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _map()


def test_a_folder_has_at_most_a_dozen_modules_and_a_module_at_most_400_lines() -> None:
    """With ``__init__.py``, in the tables of this page as in a listing."""
    modules = sorted(SOURCE.rglob("*.py"))
    folders = Counter(str(one.parent.relative_to(SOURCE)) for one in modules)
    assert {folder: number for folder, number in folders.items() if number > 12} == {}
    lines = {str(one.relative_to(SOURCE)): one.read_text(encoding="utf-8").count("\n") for one in modules}
    assert {module: number for module, number in lines.items() if number > 400} == {}
