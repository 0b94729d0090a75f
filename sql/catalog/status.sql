-- How each defined table is, for everybody who may use the schema pgslo.
SELECT s.definition, q.bytes AS quarantine_bytes, q.max_bytes AS quarantine_max_bytes, q.fraction::float8 AS quarantine_fraction,
     s.owner, s.writes, s.rules, s.open_incidents, s.suspect_incidents, s.over_incidents, s.missed_batches, s.broken_rules, s.quarantined_rows, s.schema_difference, s.last_recorded_at, s.waiting_batches,
     s.settling_batch, s.settles_at,
     -- Later it is of no use.
     CASE WHEN z.left_out_at > pg_catalog.clock_timestamp() - interval '7 days' THEN z.left_out_at END AS repairs_left_out_at
FROM pgslo.status s JOIN pgslo.quarantine_size q USING (definition) JOIN pgslo.repair_size z USING (definition)
ORDER BY s.definition
