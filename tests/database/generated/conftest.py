"""A server for the tests that have generated code read by plpgsql_check."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgslo import embedded

EXTENSIONS = sorted(Path("/usr/share/postgresql").glob("*/extension/plpgsql_check.control"))


@pytest.fixture(scope="session")
def checker() -> Iterator[embedded.Server]:
    """A server with plpgsql_check: Debian's packages bring it, the embedded server has no extensions of others."""
    if not EXTENSIONS:
        pytest.skip("plpgsql_check is not installed (Debian: postgresql-NN-plpgsql-check)")
    major = EXTENSIONS[-1].parents[1].name
    with contextlib.ExitStack() as running:
        # Only while it starts: other tests of this process use the server of the session, which may start later.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGSLO_PG_BIN", f"/usr/lib/postgresql/{major}/bin")
            server = running.enter_context(embedded.serve(settings={"fsync": "off"}))
        yield server
