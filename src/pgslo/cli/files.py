"""Files that are written whole or not at all, in folders that others may have filled."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path


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
    if Path("/dev") in path.parents or (path.exists() and not path.is_symlink() and not path.is_file()):
        path.write_text(text, encoding="utf-8")  # A device or a pipe, such as /dev/stdout.
        return
    if below is not None:
        refuse_links(path, below)
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
