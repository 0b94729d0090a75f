"""Every link between the project's pages leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")})
#: Cells of tables that are longer than 160 characters, links apart, by page. These numbers may fall, and not rise.
LONG_CELLS = {
    "docs/explanation/architecture.md": 2,
    "docs/explanation/decisions/0008-guard-rows.md": 1,
    "docs/explanation/learned-bounds.md": 1,
    "docs/explanation/security.md": 88,
    "docs/how-to/beyond-one-machine.md": 1,
    "docs/how-to/start-from-a-table.md": 1,
    "docs/reference/assertions.md": 2,
    "docs/reference/cli.md": 14,
    "docs/reference/client.md": 1,
    "docs/reference/definition.md": 4,
    "docs/reference/errors.md": 4,
    "docs/reference/expressions.md": 5,
    "docs/reference/import.md": 1,
    "docs/reference/messages.md": 1,
    "docs/reference/predictions.md": 2,
    "docs/reference/rules/README.md": 2,
    "docs/reference/rules/freshness.md": 1,
    "docs/reference/rules/schema.md": 1,
}


def prose(page: Path) -> str:
    """Return the page without its code, where brackets are not links and # is not a heading."""
    text = re.sub(
        r"^ *(```|~~~).*?^ *\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*$", prose(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = (f"{slug}-{number}" for number in range(1, 100))
        found.add(slug if slug not in found else next(name for name in repeated if name not in found))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_are_those_of_the_site_too(page: Path):
    """The site takes a list or code as part of a list's item only if it is indented by four columns; the repository takes both."""
    inside, wrong = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        item = re.match(r"( *)(?:[-*]|\d+\.) ", line)
        fence = re.match(r"( *)```", line)
        indented = None if inside and not fence else item or fence
        inside ^= bool(fence)
        if indented and len(indented[1]) % 4:
            wrong.append(f"{number}: {line}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    links = re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(
        r"^\[[^]]+\]:\s*(\S+)", text, flags=re.MULTILINE
    )
    broken = []
    for link in links:
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue  # other people's pages are theirs to keep
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page: Path):
    """At most 120 characters, but for tables, and for lines that are one word or link."""
    lines = [line for line in prose(page).splitlines() if not line.lstrip().startswith("|")]
    assert [
        one for one in lines if len(one) > 120 and " " in re.sub(r"\[.*?\]\(.*?\)", "link", one.strip())
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_cells_are_short(page: Path):
    rows = [line for line in prose(page).splitlines() if line.lstrip().startswith("|")]
    cells = [re.sub(r"\]\([^)]*\)", "]", one).strip() for row in rows for one in re.split(r"(?<!\\)\|", row)]
    found = sum(len(one) > 160 for one in cells)
    assert found <= LONG_CELLS.get(page.relative_to(ROOT).as_posix(), 0), (
        "write shorter cells, or a list below"
    )
