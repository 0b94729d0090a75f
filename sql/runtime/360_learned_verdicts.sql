-- Whether the columns of a batch are within what is learned of them, in words, and what people say of it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.amount(value float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE
        WHEN value IS NULL THEN 'none'
        WHEN kind IN ('share', 'rise') THEN format('%s %%', trim_scale(round((100 * least(greatest(value, 0), 1))::numeric, 1)))
        WHEN abs(value) >= 1e15 OR value = 0 THEN value::text
        ELSE trim_scale(round(value::numeric, greatest(0, 2 - floor(log(abs(value)))::integer)))::text
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.amount(float8, text) IS 'A number of a summary as people read it: three digits, shares as per cent.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_columns(definition_id bigint, batch text, place numeric, alone boolean)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $pgslo$
    WITH mine AS (
        -- The first weeks know little, and the first months not all: bounds are wider until there are enough batches.
        SELECT p.column_name, p.rows, p.sampled, p.learned_from, p.moves, p.surprise, p.tolerated, p.tolerated_below, p.expected, p.spread, p.summary,
               pgslo_catalog.is_holiday(d.holidays, p.place) AS holiday,
               1.35 * greatest(1, pgslo_catalog.enough_batches()::numeric / greatest(p.learned_from, 1))::float8 ^ (1 / 3.0::float8) / coalesce(d.sensitivity, 1) AS wide
        FROM pgslo_catalog.profile p
        JOIN pgslo_catalog.definition d ON d.definition_id = p.definition_id
        WHERE p.definition_id = judge_columns.definition_id AND p.batch = judge_columns.batch
    ), scored AS MATERIALIZED (
        SELECT m.column_name, k.ordinal, k.name, k.kind, m.summary[k.ordinal] AS value, m.expected[k.ordinal] AS expected,
               b.below * m.spread[k.ordinal] * r.room AS reach_below, b.above * m.spread[k.ordinal] * r.room AS reach_above,
               greatest(m.surprise[k.ordinal] / b.above, - m.surprise[k.ordinal] / b.below) / r.room AS score, m.holiday,
               CASE WHEN m.column_name <> '*' THEN k.words WHEN k.name = 'single' THEN 'rows that occur once' WHEN k.name = 'stale' THEN 'rows that an earlier batch has' ELSE k.words END AS words,
               -- What another day changes: which values there are and how they are spread; not whether there are any, how they are written, how many rows.
               m.column_name <> '*' AND k.name = ANY (ARRAY['distinct', 'distinct_ratio', 'top', 'single', 'length_mean', 'mean', 'log_mean', 'log_deviation', 'p05', 'p25', 'p50', 'p75', 'p95', 'zero', 'tens', 'hundreds',
                   'at_maximum', 'at_minimum', 'hour', 'new_value', 'largest_change', 'mix', 'grown', 'fallen', 'distribution', 'moved']) AS of_the_day
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        -- What a rise of the rows has taught does not excuse a fall.
        CROSS JOIN LATERAL (
            SELECT min(t.bound) FILTER (WHERE t.side = -1) AS below, min(t.bound) FILTER (WHERE t.side = 1) AS above
            FROM (
                SELECT v.side, m.wide * CASE
                    WHEN v.tolerated >= 1 THEN k.beyond * greatest(v.tolerated, 2.5)
                    -- A mean that stood still for two months is not left to chance, as that of times on the hour: there an hour's shift is less than chance would do.
                    WHEN k.kind = 'mean' AND m.learned_from >= 60 AND m.moves IS DISTINCT FROM 'grows' THEN least(greatest(3 * coalesce(v.tolerated, 0), 0.4), 2.5)
                    ELSE 2.5 END AS bound
                FROM (VALUES (-1, m.tolerated_below[k.ordinal]), (1, m.tolerated[k.ordinal])) AS v (side, tolerated)
            ) t
        ) b
        -- On a holiday half as many rows are no news, nor are twice as many.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN m.holiday AND k.name = 'rows' THEN greatest(ln(2) / (least(b.below, b.above) * m.spread[k.ordinal]), 1) ELSE 1 END AS room) r
        WHERE m.learned_from >= pgslo_catalog.least_batches() AND k.beyond IS NOT NULL AND m.surprise[k.ordinal] IS NOT NULL
          -- A handful of rows tells how many there are, that a column is gone, and what cannot be read.
          -- Numbers and times are judged where they are some: not one text that looks like a number.
          AND (k.ordinal NOT BETWEEN 17 AND 38 AND k.ordinal NOT BETWEEN 50 AND 53
               OR m.sampled * greatest(m.summary[15], m.summary[16], 0) >= greatest(10, 0.05 * m.sampled))
          -- Of a column with one value in each batch: whether there is one, how far it went, and how it is written.
          AND (m.moves = 'one value' OR k.name <> 'steps')
          AND (m.moves IS DISTINCT FROM 'one value' OR k.name = ANY (ARRAY['null', 'empty', 'distinct', 'distinct_ratio', 'top', 'single',
               'number', 'time', 'new_shape', 'stale', 'steps']) OR k.name = 'whole' AND m.surprise[k.ordinal] < 0)
          AND (m.rows >= 10 OR k.name IN ('rows', 'number', 'time') OR k.name = 'null' AND m.summary[k.ordinal] = 1)
    ), day AS MATERIALIZED (
        -- On a holiday, and where many columns have moved, it was another day: then this has to be twice as far off.
        SELECT CASE WHEN bool_or(s.holiday) OR NOT alone AND count(DISTINCT s.column_name) FILTER (WHERE s.of_the_day AND s.score >= 0.75) >= greatest(4, count(DISTINCT s.column_name) / 5.0) THEN 2 ELSE 1 END AS times
        FROM scored s
    ), worst AS (
        SELECT DISTINCT ON (s.column_name) s.column_name, s.name, s.kind, s.words, s.value, s.expected,
               s.reach_below * f.times AS reach_below, s.reach_above * f.times AS reach_above, s.score / f.times AS score
        FROM scored s
        CROSS JOIN day d
        CROSS JOIN LATERAL (SELECT CASE WHEN s.of_the_day THEN d.times ELSE 1 END AS times) f
        ORDER BY s.column_name, s.score / f.times DESC, s.ordinal
    ), bound AS (
        SELECT w.*,
               CASE WHEN w.kind IN ('rise', 'apart') THEN NULL WHEN w.kind = 'share' THEN sin(greatest(w.expected - w.reach_below, 0)) ^ 2
                    WHEN w.name IN ('rows', 'distinct', 'log_mean', 'log_deviation') THEN exp(greatest(w.expected - w.reach_below, -300)) ELSE w.expected - w.reach_below END AS least,
               CASE WHEN w.kind IN ('share', 'rise') THEN sin(least(w.expected + w.reach_above, 1.5707963)) ^ 2
                    WHEN w.kind = 'log' THEN exp(least(w.expected + w.reach_above, 300)) ELSE w.expected + w.reach_above END AS most,
               CASE WHEN w.kind = 'log' THEN exp(least(w.value, 300)) ELSE w.value END AS shown
        FROM worst w
    )
    SELECT m.column_name,
           CASE WHEN b.score IS NULL THEN 'unknown' WHEN b.score >= 1 THEN 'missed' ELSE 'met' END,
           b.shown, b.least, b.most, b.score,
           CASE
               WHEN b.score IS NULL THEN format('%s known, %s are needed', CASE m.learned_from WHEN 1 THEN '1 batch' ELSE m.learned_from || ' batches' END, pgslo_catalog.least_batches())
               -- The plain fact first, where there is one: a distance says nothing to who knows the column.
               ELSE format(CASE WHEN f.usual IS NULL THEN '%s%s%s: %s; %s expected%s' ELSE 'median %s, usually %s (%s: %s; %s expected%s)' END,
                   f.now, f.usual, b.words, pgslo_catalog.amount(b.shown, b.kind),
                   CASE WHEN b.shown > b.most AND pgslo_catalog.amount(b.shown, b.kind) = pgslo_catalog.amount(b.most, b.kind) THEN
                            'less than ' || pgslo_catalog.amount(b.most, b.kind)
                        WHEN b.least IS NULL THEN 'at most ' || pgslo_catalog.amount(b.most, b.kind)
                        WHEN pgslo_catalog.amount(b.least, b.kind) = pgslo_catalog.amount(b.most, b.kind) THEN pgslo_catalog.amount(b.least, b.kind)
                        ELSE pgslo_catalog.amount(b.least, b.kind) || ' to ' || pgslo_catalog.amount(b.most, b.kind) END,
                   CASE WHEN m.holiday THEN ' on a holiday' END)
           END
    FROM mine m
    LEFT JOIN bound b USING (column_name)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.is_other THEN d.now END AS now, CASE WHEN d.is_other THEN d.usual END AS usual
        FROM (
            SELECT pgslo_catalog.amount(m.summary[23], 'quantile') AS now, pgslo_catalog.amount(m.expected[23], 'quantile') AS usual,
                   -- Of numbers; the quantiles of times are hours from where their batch begins.
                   b.name IN ('moved', 'distribution', 'log_mean', 'log_deviation', 'steps') AND m.summary[27] IS NOT NULL AND m.summary[23] IS NOT NULL
                   AND m.expected[23] IS NOT NULL
                   AND pgslo_catalog.amount(m.summary[23], 'quantile') <> pgslo_catalog.amount(m.expected[23], 'quantile') AS is_other
        ) d
    ) f
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_columns(bigint, text, numeric, boolean) IS 'Judges each column of a batch by what its history foresaw, alone or in the light of the others; column * is the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT j.* FROM pgslo_catalog.judge_columns(judge_learned.definition_id, judge_learned.batch, judge_learned.place, false) AS j
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_learned(bigint, text, numeric) IS 'Judges each column of a batch by what its history foresaw; column * is the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A false alarm belongs to what is compared with, and as much surprise is tolerated from now on, in its direction.
    UPDATE pgslo_catalog.profile p
    SET baseline = true,
        tolerated = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                     FROM unnest(pgslo_catalog.on_side(p.surprise, 1, p.tolerated)) WITH ORDINALITY AS u (x, i)
                     LEFT JOIN unnest(p.tolerated) WITH ORDINALITY AS m (x, i) USING (i)),
        tolerated_below = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                           FROM unnest(pgslo_catalog.on_side(p.surprise, -1, p.tolerated_below)) WITH ORDINALITY AS u (x, i)
                           LEFT JOIN unnest(p.tolerated_below) WITH ORDINALITY AS m (x, i) USING (i))
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = learn_from.incident.rule_id AND r.kind = 'learned' AND learn_from.incident.resolution = 'false_alarm'
      AND p.definition_id = learn_from.incident.definition_id AND p.column_name = coalesce(r.columns[1], '*') AND NOT p.baseline
      AND p.place >= learn_from.incident.opened_place AND p.place <= coalesce(learn_from.incident.over_place, 'Infinity')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learn_from(pgslo_catalog.incident) IS 'Widens learned bounds after an incident that was resolved as a false alarm.';

CREATE OR REPLACE VIEW pgslo.measured_precision WITH (security_barrier) AS
SELECT d.name AS definition, r.name AS rule, r.columns,
       count(*) FILTER (WHERE i.resolution = 'real') AS real,
       count(*) FILTER (WHERE i.resolution = 'false_alarm') AS false_alarms,
       round(count(*) FILTER (WHERE i.resolution = 'real')::numeric / count(*), 3) AS precision
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.rule r USING (rule_id)
JOIN pgslo_catalog.known_definition d ON d.definition_id = i.definition_id
WHERE i.resolution IN ('real', 'false_alarm')
GROUP BY d.name, r.name, r.columns;
COMMENT ON VIEW pgslo.measured_precision IS 'How often a rule''s incidents were real, of those that somebody resolved as real or as false alarm.';
