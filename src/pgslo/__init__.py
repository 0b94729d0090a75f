"""Service level objectives for ML data, enforced inside PostgreSQL.

The public modules are :mod:`pgslo.client` for readers, :mod:`pgslo.definition` and :mod:`pgslo.database` for programs
that plan and apply definitions themselves, :mod:`pgslo.embedded` for a private server, and :mod:`pgslo.errors`.
Nothing is imported at the top, so that the command line starts at once.
"""

from __future__ import annotations


def load_ipython_extension(shell: object) -> None:
    """Show warnings about data above the results of a notebook's cells: ``%load_ext pgslo``."""
    from pgslo.client import notebook

    notebook.load(shell)


def unload_ipython_extension(_: object) -> None:
    """End that: ``%unload_ext pgslo``."""
    from pgslo.client import notebook

    notebook.unload()
