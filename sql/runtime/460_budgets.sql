-- Error budgets: how much of what an objective allows is left.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo_catalog.judged_batch AS
-- A batch belongs to the time it was first written; otherwise one that is judged again would count twice.
SELECT r.definition_id, w.rule_id, w.batch, w.written_at, w.is_missed AND NOT EXISTS (
    SELECT FROM pgslo_catalog.incident i
    WHERE i.rule_id = w.rule_id AND i.resolution = 'false_alarm'
      AND w.place BETWEEN i.opened_place AND i.over_place) AS is_missed
FROM (
    SELECT v.definition_id, v.rule_id, v.batch, v.place, coalesce(b.first_written_at, v.judged_at) AS written_at,
           v.verdict = 'missed' AS is_missed
    FROM pgslo_catalog.verdict v
    LEFT JOIN pgslo_catalog.batch b ON b.definition_id = v.definition_id AND b.name = v.batch
    WHERE v.verdict <> 'unknown'
    UNION ALL
    SELECT b.definition_id, r.rule_id, b.name, b.place, b.first_written_at,
           pgslo_catalog.is_missed(r, b.rows, coalesce((b.failures ->> r.name)::bigint, 0))
    FROM pgslo_catalog.batch b
    JOIN pgslo_catalog.rule r ON r.definition_id = b.definition_id AND r.scope = 'row'
    WHERE b.closed_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM pgslo_catalog.verdict v WHERE v.rule_id = r.rule_id AND v.batch = b.name)
      AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break k WHERE k.rule_id = r.rule_id)
) w
JOIN pgslo_catalog.rule r ON r.rule_id = w.rule_id AND r.definition_id = w.definition_id AND r.retired_at IS NULL;
COMMENT ON VIEW pgslo_catalog.judged_batch IS
    'Batches that met or missed each rule; batches that could not be evaluated do not count, nor do misses of a false alarm.';

CREATE OR REPLACE VIEW pgslo_catalog.open_span AS
SELECT i.rule_id, i.opened_at, coalesce(i.over_at, 'infinity') AS over_at
FROM pgslo_catalog.incident i
WHERE i.resolution IS DISTINCT FROM 'false_alarm';
COMMENT ON VIEW pgslo_catalog.open_span IS 'When incidents of each rule were open, without false alarms.';

CREATE OR REPLACE VIEW pgslo.budget WITH (security_barrier) AS
WITH wanted AS (
    SELECT d.definition_id, d.name AS definition, r.name AS rule, r.columns, ARRAY[r.rule_id] AS rules, d.budgeting,
           coalesce(r.target, d.target) AS target, coalesce(r.span, d.span, '28 days') AS span, d.registered_at, clock_timestamp() AS now
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.known_definition d USING (definition_id)
    WHERE r.retired_at IS NULL AND coalesce(r.target, d.target) IS NOT NULL
    UNION ALL
    SELECT d.definition_id, d.name, NULL, '{}',
           ARRAY(SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL), d.budgeting,
           d.target, coalesce(d.span, '28 days'), d.registered_at, clock_timestamp()
    FROM pgslo_catalog.known_definition d
    WHERE d.target IS NOT NULL
), counted AS (
    SELECT w.*, c.*
    FROM wanted w CROSS JOIN LATERAL (
        SELECT count(*)::numeric AS judged, count(*) FILTER (WHERE b.is_missed)::numeric AS missed,
               count(*) FILTER (WHERE b.written_at >= w.now - w.span / 10)::numeric AS lately_judged,
               count(*) FILTER (WHERE b.is_missed AND b.written_at >= w.now - w.span / 10)::numeric AS lately_missed
        FROM (
            SELECT j.batch, min(j.written_at) AS written_at, bool_or(j.is_missed) AS is_missed
            FROM pgslo_catalog.judged_batch j
            WHERE j.definition_id = w.definition_id AND j.written_at >= w.now - w.span AND j.rule_id = ANY (w.rules)
            GROUP BY j.batch
        ) b
    ) c
    WHERE w.budgeting = 'occurrences'
    UNION ALL
    SELECT w.*, t.*
    FROM wanted w
    CROSS JOIN LATERAL (
        -- Time counts from when there were data to be judged.
        SELECT least(min(b.first_written_at), w.now) AS began FROM pgslo_catalog.batch b WHERE b.definition_id = w.definition_id
    ) d
    CROSS JOIN LATERAL (
        SELECT max(e.judged) FILTER (WHERE NOT e.is_lately) AS judged, max(e.missed) FILTER (WHERE NOT e.is_lately) AS missed,
               max(e.judged) FILTER (WHERE e.is_lately) AS lately_judged, max(e.missed) FILTER (WHERE e.is_lately) AS lately_missed
        FROM (
            SELECT s.is_lately, coalesce(extract(epoch FROM w.now - s.since), 0) AS judged, (
                -- Two open at once count once.
                SELECT coalesce(extract(epoch FROM sum(upper(span) - lower(span))), 0)
                FROM (
                    SELECT range_agg(tstzrange(greatest(o.opened_at, s.since), least(o.over_at, w.now))) AS spans
                    FROM pgslo_catalog.open_span o
                    WHERE o.rule_id = ANY (w.rules) AND o.opened_at < w.now AND o.over_at > s.since
                ) AS o CROSS JOIN LATERAL unnest(o.spans) AS span) AS missed
            FROM (VALUES (false, greatest(d.began, w.now - w.span)), (true, greatest(d.began, w.now - w.span / 10)))
                AS s (is_lately, since)
        ) e
    ) t
    WHERE w.budgeting = 'time_slices'
)
SELECT c.definition, c.rule, c.columns, c.budgeting, c.target, c.span AS "window", c.judged, c.missed,
       CASE WHEN c.judged = 0 THEN 'unknown' WHEN c.missed > (1 - c.target) * c.judged THEN 'missed' ELSE 'met' END AS state,
       CASE WHEN c.judged > 0 THEN 1 - c.missed / c.judged END AS reached,
       r.remaining AS left_over, r.remaining_fraction AS left_fraction,
       CASE WHEN c.judged > 0 AND c.target < 1 THEN c.missed / c.judged / (1 - c.target) END AS burn_rate,
       r.recent_burn_rate AS burn_rate_lately, r.remaining, r.remaining_fraction, r.recent_burn_rate
FROM counted c CROSS JOIN LATERAL (
    SELECT CASE WHEN c.judged > 0 THEN (1 - c.target) * c.judged - c.missed END AS remaining,
           CASE WHEN c.judged = 0 THEN NULL
                WHEN c.target < 1 THEN 1 - c.missed / ((1 - c.target) * c.judged)
                WHEN c.missed = 0 THEN 1
                ELSE 0 END AS remaining_fraction,
           CASE WHEN c.lately_judged > 0 AND c.target < 1 THEN c.lately_missed / c.lately_judged / (1 - c.target) END AS recent_burn_rate
) r;
COMMENT ON VIEW pgslo.budget IS
    'Error budgets of objectives, by rule and, where rule is NULL, of the table: evaluated and missed batches in the window, the remaining '
    'budget, and its burn rate.';
