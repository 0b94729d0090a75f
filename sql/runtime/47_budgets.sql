-- Error budgets: how much of what an objective allows is left.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.judged_batches(definition_id bigint, since timestamptz)
RETURNS TABLE (rule_id bigint, batch text, written_at timestamptz, is_missed boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A batch belongs to the time it was first written, or one that is judged again would count anew.
    SELECT w.rule_id, w.batch, w.written_at, w.is_missed AND NOT EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.rule_id = w.rule_id AND i.resolution = 'false_alarm' AND w.place BETWEEN i.opened_place AND i.resolved_place)
    FROM (
        SELECT v.rule_id, v.batch, v.place, coalesce(b.first_written_at, v.judged_at) AS written_at, v.verdict = 'missed' AS is_missed
        FROM pgslo_catalog.verdict v
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = v.definition_id AND b.name = v.batch
        WHERE v.definition_id = judged_batches.definition_id AND v.verdict <> 'unknown'
        UNION ALL
        SELECT r.rule_id, b.name, b.place, b.first_written_at, pgslo_catalog.is_missed(r, b.rows, coalesce((b.failures ->> r.name)::bigint, 0))
        FROM pgslo_catalog.batch b
        JOIN pgslo_catalog.rule r ON r.definition_id = b.definition_id AND r.scope = 'row'
        WHERE b.definition_id = judged_batches.definition_id AND b.closed_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM pgslo_catalog.verdict v WHERE v.rule_id = r.rule_id AND v.batch = b.name)
          AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break k WHERE k.rule_id = r.rule_id)
    ) w
    JOIN pgslo_catalog.rule r ON r.rule_id = w.rule_id AND r.retired_at IS NULL
    WHERE w.written_at >= judged_batches.since
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judged_batches(bigint, timestamptz) IS 'Batches that met or missed each rule since a time; what could not be judged does not count, nor do misses in what was a false alarm.';

CREATE OR REPLACE FUNCTION pgslo_catalog.missed_seconds(rules bigint[], since timestamptz, now timestamptz) RETURNS numeric
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(extract(epoch FROM sum(upper(span) - lower(span))), 0)
    FROM (
        SELECT range_agg(tstzrange(greatest(i.opened_at, missed_seconds.since), least(coalesce(i.resolved_at, missed_seconds.now), missed_seconds.now))) AS spans
        FROM pgslo_catalog.incident i
        WHERE i.rule_id = ANY (missed_seconds.rules) AND i.resolution IS DISTINCT FROM 'false_alarm'
          AND i.opened_at < missed_seconds.now AND coalesce(i.resolved_at, missed_seconds.now) > missed_seconds.since
    ) open CROSS JOIN LATERAL unnest(open.spans) AS span
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.missed_seconds(bigint[], timestamptz, timestamptz) IS 'Seconds in which any of these rules had an open incident; two at once count once.';

CREATE OR REPLACE VIEW pgslo.budget WITH (security_barrier) AS
WITH wanted AS (
    SELECT d.definition_id, d.name AS definition, r.name AS rule, r.columns, ARRAY[r.rule_id] AS rules, d.budgeting,
           coalesce(r.target, d.target) AS target, coalesce(r.span, d.span, '28 days') AS span, d.registered_at, clock_timestamp() AS now
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.known_definition d USING (definition_id)
    WHERE r.retired_at IS NULL AND coalesce(r.target, d.target) IS NOT NULL
    UNION ALL
    SELECT d.definition_id, d.name, NULL, '{}', ARRAY(SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL), d.budgeting,
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
            FROM pgslo_catalog.judged_batches(w.definition_id, w.now - w.span) j
            WHERE j.rule_id = ANY (w.rules)
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
        SELECT coalesce(extract(epoch FROM w.now - greatest(d.began, w.now - w.span)), 0) AS judged,
               pgslo_catalog.missed_seconds(w.rules, greatest(d.began, w.now - w.span), w.now) AS missed,
               coalesce(extract(epoch FROM w.now - greatest(d.began, w.now - w.span / 10)), 0) AS lately_judged,
               pgslo_catalog.missed_seconds(w.rules, greatest(d.began, w.now - w.span / 10), w.now) AS lately_missed
    ) t
    WHERE w.budgeting = 'time_slices'
)
SELECT c.definition, c.rule, c.columns, c.budgeting, c.target, c.span AS "window", c.judged, c.missed,
       CASE WHEN c.judged = 0 THEN 'unknown' WHEN c.missed > (1 - c.target) * c.judged THEN 'missed' ELSE 'met' END AS state,
       CASE WHEN c.judged > 0 THEN 1 - c.missed / c.judged END AS reached,
       CASE WHEN c.judged > 0 THEN (1 - c.target) * c.judged - c.missed END AS left_over,
       CASE WHEN c.judged = 0 THEN NULL WHEN c.target < 1 THEN 1 - c.missed / ((1 - c.target) * c.judged) WHEN c.missed = 0 THEN 1 ELSE 0 END AS left_fraction,
       CASE WHEN c.judged > 0 AND c.target < 1 THEN c.missed / c.judged / (1 - c.target) END AS burn_rate,
       CASE WHEN c.lately_judged > 0 AND c.target < 1 THEN c.lately_missed / c.lately_judged / (1 - c.target) END AS burn_rate_lately
FROM counted c;
COMMENT ON VIEW pgslo.budget IS 'Error budgets of objectives, by rule and, where rule is NULL, of the table: what was judged and missed in the window, what is left, and how fast it goes.';
