"""Clients that .ci/clients installed, each in an environment of its own."""

import os
from pathlib import Path

import pytest

_KEPT = "/var/cache" if os.getuid() == 0 else os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
_FOLDER = Path(os.environ.get("PGSLO_CACHE") or Path(_KEPT) / "pgslo")


def python(name: str) -> Path:
    """The interpreter that has a client."""
    return _FOLDER / name / "bin/python"


def needs(name: str) -> pytest.MarkDecorator:
    """The mark of tests that are left out where a client is not installed."""
    is_there = (_FOLDER / name / "ready").is_file()
    return pytest.mark.skipif(not is_there, reason=f"{name} is not installed: run .ci/clients {name}")
