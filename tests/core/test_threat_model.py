"""The threat model names a test for every statement, each test exists, and no role is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/security.md"
ROLES = (
    "Anybody who may connect",
    "Reader",
    "Writer",
    "Writer without SELECT",
    "Owner of another schema or type",
    "Owner of a guarded table",
    "Author of a definition file",
    "Trainer",
    "Steward",
    "Operator",
    "Planner",
    "Auditor",
    "Installer",
    "Superuser",
)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def sections() -> dict[str, list[list[str]]]:
    """The lines of each role's table: can or cannot, what, tests."""
    found: dict[str, list[list[str]]] = {}
    part = PAGE.read_text(encoding="utf-8").split("\n## Roles\n")[1].split("\n## ")[0]
    for section in part.split("\n### ")[1:]:
        name, _, text = section.partition("\n")
        lines = [line for line in text.split("\n") if line.startswith("| ") and not line.startswith("| ---")]
        found[name] = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines[1:]]
    return found


@cache
def names_of_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_role_has_what_it_can_and_what_it_cannot():
    found = sections()
    assert tuple(found) == ROLES
    for role, lines in found.items():
        assert {line[0] for line in lines} == {"can", "cannot"}, role


@pytest.mark.parametrize("role", ROLES)
def test_every_cell_names_tests_that_exist(role):
    for line in sections()[role]:
        assert len(line) == 3, line
        assert all(line), line
        named = _TEST.findall(line[2])
        assert named, line
        for path, name in named:
            assert (ROOT / path).is_file(), path
            assert name in names_of_tests(path), f"{path}::{name}"


@pytest.mark.parametrize(("heading", "count"), [("The first attacks", 22), ("Attacks that never worked", 17)])
def test_each_attack_has_a_test(heading: str, count: int):
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.split("\n") if line.startswith("| ")][2:]
    assert len({attack for attack, _ in lines}) == len(lines) == count
    for attack, tests in lines:
        named = _TEST.findall(tests)
        assert named, attack
        for path, name in named:
            assert name in names_of_tests(path), f"{path}::{name}"


def test_it_is_linked():
    for page, link in (
        ("README.md", "docs/explanation/security.md"),
        ("README.md", "SECURITY.md"),
        ("docs/README.md", "explanation/security.md"),
        ("docs/README.md", "explanation/security-definer.md"),
        ("SECURITY.md", "docs/explanation/security.md"),
    ):
        assert f"]({link})" in (ROOT / page).read_text(encoding="utf-8"), (page, link)
