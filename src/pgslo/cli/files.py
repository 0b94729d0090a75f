"""Files that are written whole or not at all, in folders that others may have filled."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from pathlib import Path

#: Links of the system to what a process has open, which are followed.
_STREAM = re.compile(r"/dev/(?:stdout|stderr|fd/\d+)")


def put(path: Path, text: str, *, below: Path | None = None) -> None:
    """Write a file so that who reads it meanwhile gets the old one or the new one; folders are made.

    A symbolic link at its place, which a repository may bring, is replaced and not followed. The file has a name that no other role
    can know until it is whole.

    Args:
        path: The file; a device or a pipe is written to.
        text: Its contents.
        below: The folder that was asked for, below which no folder may be a symbolic link.

    Raises:
        OSError: The file cannot be written.
    """
    if _STREAM.fullmatch(str(path)):
        path.write_text(text, encoding="utf-8")
        return
    if below is not None:
        refuse_links(path, below)
    if _is_device(path):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), "w", encoding="utf-8") as file:
            file.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.new")
    try:
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _is_device(path: Path) -> bool:
    """Whether a path is a device, a pipe or a socket itself, and no link to one."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))


def refuse_links(path: Path, below: Path) -> None:
    """Refuse a file if a folder between it and another folder is a symbolic link.

    Raises:
        OSError: One is.
    """
    for folder in path.parents:
        if folder == below:
            break
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "a folder of it is a symbolic link", str(path))
