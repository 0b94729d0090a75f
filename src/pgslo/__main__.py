"""The command ``pgslo``, and ``python -m pgslo``: a sentence where the packages of the command line are missing."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

#: Modules of the packages that the extra ``cli`` installs beside psycopg.
_EXTRA = ("click", "jinja2", "pydantic", "rich", "sqlglot", "yaml")


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: Always; with code 1 where a package of the extra ``cli`` is missing.
    """
    # Nearly all that a command makes stays until it ends: the usual number of looks for garbage takes a tenth of its time.
    gc.set_threshold(50_000)
    # Verbs are imported when they are called, so that a missing package would show late.
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        sys.exit(f"pgslo: the command line needs {', '.join(missing)}; run: pip install 'pgslo[cli]'")
    from pgslo.cli import main as command

    command(prog_name="pgslo")


if __name__ == "__main__":
    main()
