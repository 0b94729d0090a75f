"""The SQL reaches every kind of installation."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pgslo import assets

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["sql", "migrations"])
def test_checkout_has_them_at_the_top(name: str):
    assert assets.tree(name) == ROOT / name


def test_wheel_has_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "pgslo")
    monkeypatch.setattr(assets, "_CHECKOUT", tmp_path / "nowhere")
    for name in ("sql", "migrations"):
        original, shipped = ROOT / name, assets.tree(name)
        assert contents(shipped) == contents(original) != {}
    assert (tmp_path / "pgslo" / "py.typed").exists()


def test_says_when_they_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path)
    monkeypatch.setattr(assets, "_CHECKOUT", tmp_path)
    with pytest.raises(FileNotFoundError, match="without its sql/ folder"):
        assets.tree("sql")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
