-- What monitoring collects, as one list: docs/reference/monitoring.md has the names.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A definition has one series each, or one for each of its rules or columns: no label comes from a row, a batch or a writer.
CREATE OR REPLACE VIEW pgslo.metric WITH (security_barrier) AS
WITH known AS MATERIALIZED (
    SELECT d.* FROM pgslo_catalog.known_definition d
), readable AS MATERIALIZED (
    SELECT k.rule_id FROM pgslo_catalog.readable_rule k
), newest AS MATERIALIZED (
    SELECT k.definition_id, k.relation, k.name AS definition, b.*
    FROM known k CROSS JOIN LATERAL (
        SELECT c.name AS batch, c.place, c.rows FROM pgslo_catalog.batch c
        -- A date far ahead would stay the newest.
        WHERE c.definition_id = k.definition_id AND c.closed_at IS NOT NULL
          AND (k.place_is_number OR c.place <= extract(epoch FROM clock_timestamp()) + 32 * 86400)
        ORDER BY c.place DESC LIMIT 1
    ) b
), budgets AS MATERIALIZED (
    SELECT b.definition, coalesce(b.rule, '') AS rule, b.remaining_fraction, b.burn_rate, b.recent_burn_rate FROM pgslo.budget b
), states AS MATERIALIZED (
    SELECT s.definition, s.broken_rules, s.quarantined_rows, s.last_recorded_at, s.waiting_batches, s.paused_at, s.missed_batches
    FROM pgslo.status s
)
SELECT m.name, m.labels, m.value
FROM (
    SELECT 'pgslo_table_info' AS name, jsonb_build_object('table', k.name, 'owner', coalesce(k.owner, '')) AS labels, 1::float8 AS value
    FROM known k
    UNION ALL
    SELECT 'pgslo_incidents_open',
           jsonb_build_object('table', k.name, 'rule', r.name, 'owner', coalesce(r.owner, k.owner, ''), 'severity', s.severity), count(i.incident_id)::float8
    FROM known k
    JOIN pgslo_catalog.rule r ON r.definition_id = k.definition_id AND r.retired_at IS NULL
    CROSS JOIN (VALUES ('missed'), ('suspect')) AS s (severity)
    LEFT JOIN pgslo_catalog.incident i
        ON i.rule_id = r.rule_id AND i.over_at IS NULL AND CASE WHEN i.is_suspect THEN 'suspect' ELSE 'missed' END = s.severity
    GROUP BY k.name, k.owner, r.rule_id, r.name, r.kind, r.owner, s.severity
    -- A learned rule is not declared: it is listed while it is missed. Of others those by segment may be suspect.
    HAVING count(i.incident_id) > 0 OR r.kind <> 'learned' AND s.severity = 'missed'
    UNION ALL
    SELECT 'pgslo_batch_rows', jsonb_build_object('table', n.definition), n.rows FROM newest n
    UNION ALL
    SELECT 'pgslo_column_not_null_ratio', jsonb_build_object('table', n.definition, 'column', p.column_name), p.present::float8 / p.rows
    FROM newest n JOIN pgslo_catalog.profile p ON p.definition_id = n.definition_id AND p.batch = n.batch
    -- A share of a column is a figure of it, as a verdict is.
    WHERE p.column_name <> '*' AND p.base IS NULL AND p.rows > 0 AND pgslo_catalog.may_see_figures(n.relation, ARRAY[p.column_name], NULL, current_user)
    UNION ALL
    SELECT 'pgslo_drift_score', jsonb_build_object('table', n.definition, 'column', c.name), max(v.score)
    FROM newest n
    JOIN pgslo_catalog.verdict v ON v.definition_id = n.definition_id AND v.place = n.place AND v.batch = n.batch AND v.score IS NOT NULL
    JOIN pgslo_catalog.rule r ON r.rule_id = v.rule_id AND r.kind = 'learned' AND r.retired_at IS NULL
    JOIN readable d ON d.rule_id = r.rule_id
    CROSS JOIN LATERAL unnest(CASE r.columns WHEN '{}' THEN '{*}' ELSE r.columns END) AS c (name)
    GROUP BY n.definition, c.name
    UNION ALL
    SELECT 'pgslo_budget_remaining_ratio', jsonb_build_object('table', b.definition, 'rule', b.rule), b.remaining_fraction FROM budgets b
    UNION ALL
    SELECT 'pgslo_burn_rate', jsonb_build_object('table', b.definition, 'rule', b.rule, 'window', w.name), w.value
    FROM budgets b CROSS JOIN LATERAL (VALUES ('whole', b.burn_rate), ('recent', b.recent_burn_rate)) AS w (name, value)
    UNION ALL
    SELECT s.name, jsonb_build_object('table', t.definition), s.value
    FROM states t CROSS JOIN LATERAL (VALUES
        ('pgslo_freshness_seconds', extract(epoch FROM clock_timestamp() - t.last_recorded_at)::float8),
        ('pgslo_batches_missed', t.missed_batches), ('pgslo_batches_waiting', t.waiting_batches),
        ('pgslo_quarantine_rows', t.quarantined_rows), ('pgslo_rules_broken', t.broken_rules),
        ('pgslo_paused', (t.paused_at IS NOT NULL)::int)
    ) AS s (name, value)
    UNION ALL
    SELECT 'pgslo_quarantine_fill_ratio', jsonb_build_object('table', q.definition), q.fraction FROM pgslo.quarantine_size q
    UNION ALL
    SELECT s.name, jsonb_build_object('table', z.definition), s.value
    FROM pgslo.repair_size z CROSS JOIN LATERAL (VALUES
        ('pgslo_repairs_fill_ratio', z.bytes::float8 / nullif(z.max_bytes, 0)),
        ('pgslo_repairs_left_out_timestamp_seconds', coalesce(extract(epoch FROM z.left_out_at), 0)::float8)
    ) AS s (name, value)
    UNION ALL
    SELECT 'pgslo_last_tick_timestamp_seconds', '{}', extract(epoch FROM w.looked_at)::float8
    FROM pgslo_catalog.watermark w WHERE w.consumer = 'tick' AND EXISTS (SELECT FROM known)
    UNION ALL
    -- Messages belong to the roles that send them: others see their number, through a role that may know of every table.
    SELECT 'pgslo_deliveries_failed', '{}', (SELECT count(*) FROM pgslo_catalog.delivery d WHERE d.sent_at IS NULL AND d.error IS NOT NULL)
    WHERE (SELECT pgslo_catalog.may_know_all(current_user))
) AS m
WHERE m.value IS NOT NULL;
COMMENT ON VIEW pgslo.metric IS 'What monitoring collects of the tables that the reader may know of: a name, labels that definitions bound, and a number.';
