-- How each defined table is, for everybody who may use the schema pgslo.
SELECT s.definition, s.owner, s.writes, s.rules, s.open_incidents, s.broken_rules, s.quarantined_rows, s.schema_difference, s.last_recorded_at, s.waiting_batches
FROM pgslo.status s
ORDER BY s.definition
