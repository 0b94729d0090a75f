-- How numbers of an incident's columns were distributed before and then; nothing for roles that may not read the columns.
SELECT q.incident_id, q.column_name, q.batch_before, q.quantiles_before, q.batch, q.quantiles
FROM pgslo.incident_quantiles q
ORDER BY q.incident_id, q.column_name
