-- Prunes a portion of a table's state.
SELECT p.* FROM pgslo.prune(%(definition)s, %(at_most)s) AS p
