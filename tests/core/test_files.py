"""Files are written whole or not at all, and never through a link of another user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pgslo.cli.files import put


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    folder = tmp_path / "slos"
    folder.mkdir()
    (folder / "a.yml").symlink_to(victim)
    (folder / ".a.yml.new").symlink_to(victim)
    put(folder / "a.yml", "text")
    assert (folder / "a.yml").read_text() == "text"
    assert not (folder / "a.yml").is_symlink()
    assert victim.read_text() == "mine"
    assert sorted(one.name for one in folder.iterdir()) == [".a.yml.new", "a.yml"]


def test_no_folder_below_the_given_one_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tables").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        put(tmp_path / "site" / "tables" / "t.html", "text", below=tmp_path / "site")
    assert list((tmp_path / "victim").iterdir()) == []
    # The folder that was asked for may be one.
    (tmp_path / "link").symlink_to(tmp_path / "site")
    put(tmp_path / "link" / "new" / "t.html", "text", below=tmp_path / "link")
    assert (tmp_path / "site" / "new" / "t.html").read_text() == "text"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_folders_are_made_and_rights_are_those_of_new_files(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        put(tmp_path / "a" / "b" / "c.txt", "ä")
    finally:
        os.umask(old)
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "ä".encode()
    assert (tmp_path / "a" / "b" / "c.txt").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        put(path, "new \ud800")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_below_dev_as_everywhere(tmp_path: Path) -> None:
    """/dev/shm is a folder that all users share; only links to what the process has open are followed."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("there is no /dev/shm")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    with tempfile.TemporaryDirectory(dir=shared) as name:
        (Path(name) / "a.html").symlink_to(victim)
        (Path(name) / "tables").symlink_to(tmp_path)
        put(Path(name) / "a.html", "text", below=Path(name))
        assert (Path(name) / "a.html").read_text() == "text"
        assert not (Path(name) / "a.html").is_symlink()
        with pytest.raises(OSError, match="symbolic link"):
            put(Path(name) / "tables" / "b.html", "text", below=Path(name))
    assert [one.name for one in tmp_path.iterdir()] == ["victim.txt"]
    assert victim.read_text() == "mine"
    with (tmp_path / "opened").open("wb") as opened:
        put(Path(f"/dev/fd/{opened.fileno()}"), "text")
    assert (tmp_path / "opened").read_text() == "text"
    put(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()
