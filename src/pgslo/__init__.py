"""Service level objectives for ML data, enforced inside PostgreSQL.

The public modules are :mod:`pgslo.client` for readers, :mod:`pgslo.definition` and :mod:`pgslo.database` for programs
that plan and apply definitions themselves, :mod:`pgslo.embedded` for a private server, and :mod:`pgslo.errors`.
Nothing is imported here, so that the command line starts at once.
"""
