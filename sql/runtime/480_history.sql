-- The history of each column from batch to batch, in numbers that contain no value.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo.column_history WITH (security_barrier) AS
WITH readable AS MATERIALIZED (SELECT k.rule_id FROM pgslo_catalog.readable_rule k)
SELECT d.name AS definition, p.column_name, p.batch, p.place, b.last_written_at, p.rows, p.present, v.score, coalesce(v.is_missed, false) AS is_missed
FROM pgslo_catalog.profile p
JOIN pgslo_catalog.known_definition d USING (definition_id)
LEFT JOIN pgslo_catalog.batch b ON b.definition_id = p.definition_id AND b.name = p.batch
LEFT JOIN LATERAL (
    SELECT max(g.score) FILTER (WHERE r.kind = 'learned' AND r.rule_id IN (SELECT k.rule_id FROM readable k)) AS score,
           bool_or(g.verdict = 'missed') AS is_missed
    FROM pgslo_catalog.verdict g JOIN pgslo_catalog.rule r USING (rule_id)
    WHERE g.definition_id = p.definition_id AND g.place = p.place AND g.batch = p.batch
      AND (p.column_name = ANY (r.columns) OR r.columns = '{}' AND p.column_name = '*')
) v ON true
-- Columns alone: of paths into them, only missed bounds are reported.
WHERE p.base IS NULL;
COMMENT ON VIEW pgslo.column_history IS
    'Rows, values that are not null and drift score of each column in each batch; column * is the table as a whole. A score of 1 is at the bound.';

CREATE OR REPLACE VIEW pgslo.incident_quantiles WITH (security_barrier) AS
SELECT i.incident_id, d.name AS definition, t.column_name, b.batch AS batch_before, b.grid[2:40] AS quantiles_before, t.batch, t.grid[2:40] AS quantiles
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id)
JOIN pgslo_catalog.profile t ON t.definition_id = i.definition_id AND t.batch = i.opened_batch AND t.column_name = ANY (r.columns)
-- Times and durations are numbers of hours in a profile.
JOIN pg_attribute a ON a.attrelid = d.relation AND a.attname = t.column_name AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid AND y.typcategory = 'N'
CROSS JOIN LATERAL (
    SELECT p.batch, p.present, p.sampled, p.grid FROM pgslo_catalog.profile p
    WHERE p.definition_id = i.definition_id AND p.column_name = t.column_name AND p.place < i.opened_place AND p.baseline
    ORDER BY p.place DESC LIMIT 1
) b
-- Neither the least and the largest values nor quantiles of a few rows: these would be values of rows.
WHERE i.resolved_at IS NULL AND least(t.present, t.sampled, b.present, b.sampled) >= 40 AND t.grid IS NOT NULL AND b.grid IS NOT NULL
  AND i.rule_id IN (SELECT k.rule_id FROM pgslo_catalog.readable_rule k);
COMMENT ON VIEW pgslo.incident_quantiles IS
    'Numbers of the columns of an incident: quantiles from 2.5 to 97.5 % in the last batch that was fine and in the first that was not. For roles that '
    'may read the columns.';

CREATE OR REPLACE VIEW pgslo.incident_failures WITH (security_barrier) AS
SELECT i.incident_id, d.name AS definition, b.batch, b.place, b.rows, b.failed, 1 - r.at_least AS failed_at_most
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id)
CROSS JOIN LATERAL (
    SELECT f.batch, min(f.place) AS place, sum(f.rows)::bigint AS rows, coalesce(sum((f.failures ->> r.name)::bigint), 0)::bigint AS failed
    FROM pgslo_catalog.fragment f WHERE f.definition_id = i.definition_id
    GROUP BY f.batch
) b
-- A row trigger notes rows that fail, and not how many were written.
WHERE i.resolved_at IS NULL AND r.scope = 'row' AND b.rows > 0 AND b.failed BETWEEN 0 AND b.rows;
COMMENT ON VIEW pgslo.incident_failures IS
    'Rows of each batch, and how many of them fail the rule of an unresolved incident; of rules over rows, in tables whose rows are counted.';
