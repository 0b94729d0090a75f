-- Rows that fail the rules of unresolved incidents, batch by batch, oldest first.
SELECT f.incident_id, f.batch, f.rows, f.failed, f.failed_at_most
FROM (
    SELECT x.*, row_number() OVER (PARTITION BY x.incident_id ORDER BY x.place DESC, x.batch DESC) AS age
    FROM pgslo.incident_failures x
) f
WHERE f.age <= %(batches)s
ORDER BY f.incident_id, f.place, f.batch
