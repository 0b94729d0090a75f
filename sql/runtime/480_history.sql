-- What became of each column from batch to batch, in numbers that hold no value.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo.column_history WITH (security_barrier) AS
WITH readable AS MATERIALIZED (SELECT k.rule_id FROM pgslo_catalog.readable_rule k)
SELECT d.name AS definition, p.column_name, p.batch, p.place, b.last_written_at, p.rows, p.present, v.score, coalesce(v.is_missed, false) AS is_missed
FROM pgslo_catalog.profile p
JOIN pgslo_catalog.known_definition d USING (definition_id)
LEFT JOIN pgslo_catalog.batch b ON b.definition_id = p.definition_id AND b.name = p.batch
LEFT JOIN LATERAL (
    SELECT max(g.score) FILTER (WHERE r.kind = 'learned' AND r.rule_id IN (SELECT k.rule_id FROM readable k)) AS score, bool_or(g.verdict = 'missed') AS is_missed
    FROM pgslo_catalog.verdict g JOIN pgslo_catalog.rule r USING (rule_id)
    WHERE g.definition_id = p.definition_id AND g.place = p.place AND g.batch = p.batch
      AND (p.column_name = ANY (r.columns) OR r.columns = '{}' AND p.column_name = '*')
) v ON true
-- Of columns alone: of what is inside of them, only what missed is told.
WHERE p.base IS NULL;
COMMENT ON VIEW pgslo.column_history IS
    'Rows, values that are not null and drift score of each column in each batch; column * is the table as a whole. A score of 1 is at the bound.';
