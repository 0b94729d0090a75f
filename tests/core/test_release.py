"""What PyPI shows of a release."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def metadata(folder: Path) -> Message:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def targets(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))


def test_a_release_has_the_links_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGSLO_REPOSITORY", "https://example.org/team/pgslo/")
    found = metadata(tmp_path)
    urls = dict(line.split(", ", 1) for line in found.get_all("Project-URL", []))
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= urls.keys()
    links = targets(str(found.get_payload()))
    assert len(links) > 5
    assert [link for link in links if not link.startswith("https://")] == []
    for link in [*links, *urls.values()]:
        path = re.match(r"https://example\.org/team/pgslo/(?:blob|raw)/v[^/]+/([^#]*)", link)
        assert path is None or (ROOT / path[1]).exists(), link


def test_a_checkout_needs_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PGSLO_REPOSITORY", raising=False)
    found = metadata(tmp_path)
    assert found.get_all("Project-URL") is None
    assert str(found.get_payload()).strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()


def test_a_version_has_its_section_in_the_changelog():
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert headings[0] == "Unreleased"
    assert version[1] in headings or len(headings) == 1, "a release renames Unreleased"
