-- What a task needs before it is trained, point by point.
SELECT r.about, r.definition, r.column_name, r.batch, r.is_ready, r.said FROM pgslo.readiness(%(task)s) AS r
