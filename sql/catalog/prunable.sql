-- What pruning would do to a table's state.
SELECT p.* FROM pgslo.prunable(%(definition)s) AS p
