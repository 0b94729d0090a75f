"""Bytes of a file to its text, within limits."""

from __future__ import annotations

from pgslo.importing.source.reader import UnreadableError

MAX_BYTES = 50_000_000


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8, with or without a mark of byte order, its lines ended by one character.

    Raises:
        UnreadableError: It is too large, or no text.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("the file is not UTF-8", data[: error.start].count(b"\n") + 1) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
