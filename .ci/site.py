"""Lets pages of the site link to files of the repository, as they do in the repository: MkDocs knows docs/ alone.

A page that is linked becomes a page of the site under repository/, another file a download. A folder has no page there, so that its
link becomes plain text.
"""

from __future__ import annotations

import os
import re
from itertools import count
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"^[ ]*(```|~~~).*?^[ ]*\1|`[^`\n]*`", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^][]|\[[^]]*\])*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def outside(source: Path, link: str) -> Path | None:
    """Return the file of the repository that a link in a file of it leads to, if it is not one of docs/."""
    target = (source.parent / link).resolve()
    return None if target.is_relative_to(ROOT / "docs") or not target.is_relative_to(ROOT) else target


def links(text: str) -> list[str]:
    """Return the paths that a page links to."""
    return [found["path"] for found in LINK.finditer(CODE.sub("code", text))]


def place(target: Path) -> str:
    """Return where the site has a file of the repository."""
    return str(Path("repository") / target.relative_to(ROOT))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that pages link to, and those that these link to."""
    waiting = [ROOT / "docs" / file.src_uri for file in files.documentation_pages()]
    while waiting:
        source = waiting.pop()
        for link in links(source.read_text(encoding="utf-8")):
            target = outside(source, link)
            if target is None or not target.is_file() or files.get_file_from_path(place(target)) is not None:
                continue
            level = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, place(target), abs_src_path=str(target), inclusion=level))
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the links of a page that lead out of docs/, or from there into it, as the site has them."""
    del config
    source = Path(page.file.abs_src_path or "")

    def written(found: re.Match[str]) -> str:
        target = (source.parent / found["path"]).resolve()
        if target.is_dir() and target.is_relative_to(ROOT):
            return found["text"]
        inside = target.is_relative_to(ROOT / "docs")
        name = str(target.relative_to(ROOT / "docs")) if inside else place(target)
        if files.get_file_from_path(name) is None:
            return found[0]
        near = os.path.relpath(name, Path(page.file.src_uri).parent)
        return f"[{found['text']}]({near}{found['anchor'] or ''})"

    code = [found[0] for found in CODE.finditer(markdown)]
    numbers = count()
    masked = CODE.sub(lambda _: f"\0{next(numbers)}\0", markdown)
    return re.sub(r"\0(\d+)\0", lambda found: code[int(found[1])], LINK.sub(written, masked))
