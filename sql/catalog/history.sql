-- The newest batches that are in a table, oldest first.
SELECT h.batch, h.rows FROM pgslo.history(%(definition)s, %(batches)s) AS h
