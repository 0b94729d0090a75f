-- Whether the columns of a batch are within their learned bounds, in words, and the answers of people.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_columns(definition_id bigint, batch text, place numeric, alone boolean)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $pgslo$
    WITH mine AS (
        -- The first weeks know little, and the first months not all: bounds are wider until there are enough batches.
        SELECT p.column_name, p.rows, p.sampled, p.learned_from, p.moves, p.surprise, p.tolerated, p.tolerated_below, p.expected, p.spread, p.summary,
               p.stage, p.seen, p.maturing,
               pgslo_catalog.is_holiday(d.holidays, p.place) AS holiday, coalesce(d.sensitivity, 1) AS sensitivity,
               -- Whole numbers and multiples of ten or a hundred have steps, in a column that has more than one of these.
               CASE WHEN p.expected[29] >= 0.99 AND p.summary[29] >= 0.99 THEN CASE
                   WHEN p.expected[31] >= 0.99 AND p.summary[31] >= 0.99 AND g.largest >= 100 THEN 100
                   WHEN p.expected[30] >= 0.99 AND p.summary[30] >= 0.99 AND g.largest >= 10 THEN 10 ELSE 1 END
                   ELSE 0 END::float8 AS step,
               p.expected[28] = 0 AND p.summary[28] = 0 AS is_positive,
               1.35 * greatest(1, pgslo_catalog.enough_batches()::numeric / greatest(p.learned_from, 1))::float8 ^ (1 / 3.0::float8)
                   / coalesce(d.sensitivity, 1) AS wide
        FROM pgslo_catalog.profile p
        JOIN pgslo_catalog.definition d ON d.definition_id = p.definition_id
        CROSS JOIN LATERAL (SELECT greatest(abs(p.usual_grid[42]), abs(p.usual_grid[43])) AS largest) g
        WHERE p.definition_id = judge_columns.definition_id AND p.batch = judge_columns.batch
          -- An old profile has no bounds any more: the verdict stays.
          AND p.noise IS NOT NULL
    ), scored AS MATERIALIZED (
        SELECT m.column_name, k.ordinal, k.name, k.kind, m.summary[k.ordinal] AS value, m.expected[k.ordinal] AS expected,
               a.reach_below, a.reach_above, s.step, m.is_positive,
               CASE
                   -- As far as a step goes, a quantile is within its bounds.
                   WHEN k.kind = 'quantile' AND m.step > 0 AND abs(m.summary[k.ordinal] - m.expected[k.ordinal]) <= m.step THEN 0
                   WHEN k.kind = 'quantile' THEN greatest(m.surprise[k.ordinal] / a.reach_above, - m.surprise[k.ordinal] / a.reach_below) * m.spread[k.ordinal]
                   -- An order of magnitude is that of a value.
                   WHEN k.name = 'log_mean' AND abs(exp(least(m.summary[k.ordinal], 300)) - exp(least(m.expected[k.ordinal], 300))) <= m.step THEN 0
                   ELSE greatest(m.surprise[k.ordinal] / b.above, - m.surprise[k.ordinal] / b.below) / r.room END AS score, m.holiday,
               CASE WHEN m.column_name <> '*' THEN k.words
                    WHEN k.name = 'single' THEN 'rows that occur once'
                    WHEN k.name = 'stale' THEN 'rows that an earlier batch has' ELSE k.words END AS words,
               -- What another day changes: which values there are and how they are spread; not whether there are any, how they are written, how many rows.
               m.column_name <> '*' AND k.name = ANY (ARRAY[
                   'distinct', 'distinct_ratio', 'top', 'single', 'length_mean', 'mean', 'log_mean', 'log_deviation',
                   'p05', 'p25', 'p50', 'p75', 'p95', 'zero', 'tens', 'hundreds',
                   'at_maximum', 'at_minimum', 'hour', 'new_value', 'largest_change', 'mix', 'grown', 'fallen', 'distribution', 'moved']) AS of_the_day
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        -- What a rise of the rows has taught does not excuse a fall.
        CROSS JOIN LATERAL (
            -- Of rows: however wide the days are, a fifth and five times as many are news, or a bit more than ever and than chance does.
            -- However narrow they are, a quarter less or a third more is what people are notified of.
            SELECT min(CASE WHEN k.name = 'rows' THEN least(greatest(t.bound, t.least), t.most) ELSE l.bound END) FILTER (WHERE t.side = -1) AS below,
                   min(CASE WHEN k.name = 'rows' THEN least(greatest(t.bound, t.least), t.most) ELSE l.bound END) FILTER (WHERE t.side = 1) AS above
            FROM (
                SELECT v.side, v.room, greatest(ln(5) / m.spread[k.ordinal], 1.2 * coalesce(v.tolerated, 0), 5 / 0.3) / m.sensitivity AS most,
                       0.14 / m.spread[k.ordinal] / m.sensitivity AS least, m.wide * CASE
                    WHEN v.tolerated >= 1 THEN k.beyond * greatest(v.tolerated, 2.5)
                    -- A mean that stood still for two months is not left to chance, as that of times on the hour: there an hour's shift is less
                    -- than chance would do.
                    WHEN k.kind = 'mean' AND m.learned_from >= 60 AND m.moves IS DISTINCT FROM 'grows'
                        THEN least(greatest(3 * coalesce(v.tolerated, 0), 0.4), 2.5)
                    ELSE 2.5 END AS bound
                FROM (VALUES (-1, m.tolerated_below[k.ordinal], m.expected[k.ordinal]),
                             (1, m.tolerated[k.ordinal], 1.5707963 - m.expected[k.ordinal])) AS v (side, tolerated, room)
            ) t
            -- Where a share is next to 0 or 1, no shock makes the other end of the scale usual; a recurring one does.
            CROSS JOIN LATERAL (
                SELECT CASE
                    WHEN k.kind <> 'share' OR t.room < 1.25 OR t.bound * m.spread[k.ordinal] <= 0.8 * t.room THEN t.bound
                    -- Of a few values chance alone makes all or none.
                    WHEN CASE WHEN k.name IN ('null', 'duplicate') THEN m.rows ELSE m.sampled END < 10 THEN t.bound
                    WHEN 3 <= (
                        SELECT count(*)
                        FROM (
                            SELECT p.summary[k.ordinal] AS share FROM pgslo_catalog.profile p
                            WHERE p.definition_id = judge_columns.definition_id AND p.column_name = m.column_name AND p.place < judge_columns.place
                            ORDER BY p.place DESC LIMIT 56
                        ) h
                        WHERE CASE t.side WHEN 1 THEN h.share > 0.9 ELSE h.share < 0.1 END) THEN t.bound
                    ELSE 0.8 * t.room / m.spread[k.ordinal] END AS bound
            ) l
        ) b
        -- On a holiday half as many rows are not reported, nor are twice as many.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN m.holiday AND k.name = 'rows' THEN greatest(ln(2) / (least(b.below, b.above) * m.spread[k.ordinal]), 1) ELSE 1 END AS room) r
        -- No quantile of whole numbers goes less far than a step.
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind = 'quantile' OR k.name = 'log_mean' THEN m.step ELSE 0 END AS step) s
        CROSS JOIN LATERAL (
            SELECT greatest(b.below * m.spread[k.ordinal] * r.room, q.step) AS reach_below,
                   greatest(b.above * m.spread[k.ordinal] * r.room, q.step) AS reach_above
            FROM (SELECT CASE WHEN k.kind = 'quantile' THEN s.step ELSE 0 END AS step) q) a
        WHERE m.learned_from >= pgslo_catalog.least_batches() AND k.beyond IS NOT NULL AND m.surprise[k.ordinal] IS NOT NULL
          -- A handful of rows suffices for their number, for a missing column, and for unreadable values.
          -- Numbers and times are judged where they are some: not one text that looks like a number.
          AND (k.ordinal NOT BETWEEN 17 AND 38 AND k.ordinal NOT BETWEEN 50 AND 55
               OR m.sampled * greatest(m.summary[15], m.summary[16], 0) >= greatest(10, 0.05 * m.sampled))
          -- One of a few values may be round, as version 20 is, and then many rows are.
          AND (k.name NOT IN ('tens', 'hundreds') OR greatest(m.summary[3], m.expected[3]) >= ln(10))
          -- Of a column with one value in each batch: whether there is one, how far it went, and how it is written.
          AND (m.moves = 'one value' OR k.name <> 'steps')
          AND (m.moves IS DISTINCT FROM 'one value' OR k.name = ANY (ARRAY['null', 'empty', 'distinct', 'distinct_ratio', 'top', 'single',
               'number', 'time', 'new_shape', 'stale', 'steps']) OR k.name = 'whole' AND m.surprise[k.ordinal] < 0)
          -- Numbers that change after the first closing are compared with first closings once there are enough. While they change, the
-- values of the batch match neither the first closing nor the last.
          AND NOT coalesce(
              (k.ordinal IN (3, 4, 5, 6, 19) OR k.ordinal > 40 OR m.stage = 1 AND m.maturing[k.ordinal])
              AND (m.stage = 2 OR m.stage = 1 AND m.seen < pgslo_catalog.least_batches()), false)
          AND (m.rows >= 10 OR k.name IN ('rows', 'number', 'time') OR k.name = 'null' AND m.summary[k.ordinal] = 1)
    ), day AS MATERIALIZED (
        -- On a holiday, and where many columns have moved, it was another day: then this has to be twice as far off.
        SELECT CASE WHEN bool_or(s.holiday) OR NOT alone
                            AND count(DISTINCT s.column_name) FILTER (WHERE s.of_the_day AND s.score >= 0.75)
                                >= greatest(4, count(DISTINCT s.column_name) / 5.0)
                        THEN 2 ELSE 1 END AS times
        FROM scored s
    ), worst AS (
        SELECT DISTINCT ON (s.column_name) s.column_name, s.name, s.kind, s.words, s.value, s.expected, s.step, s.is_positive, s.of_the_day,
               s.reach_below * f.times AS reach_below, s.reach_above * f.times AS reach_above, s.score / f.times AS score
        FROM scored s
        CROSS JOIN day d
        CROSS JOIN LATERAL (SELECT CASE WHEN s.of_the_day THEN d.times ELSE 1 END AS times) f
        ORDER BY s.column_name, s.score / f.times DESC, s.ordinal
    ), bound AS (
        SELECT w.*,
               CASE WHEN w.kind IN ('rise', 'apart') THEN NULL WHEN w.kind = 'share' THEN sin(greatest(w.expected - w.reach_below, 0)) ^ 2
                    WHEN w.name = 'log_mean' THEN greatest(least(exp(greatest(w.expected - w.reach_below, -300)), exp(least(w.expected, 300)) - w.step), 0)
                    WHEN w.kind = 'log' THEN exp(greatest(w.expected - w.reach_below, -300))
                    -- No year is before the first one, and no length below nothing.
                    WHEN w.is_positive AND w.kind IN ('mean', 'quantile') OR w.kind = 'length' OR w.name = 'hour' THEN greatest(w.expected - w.reach_below, 0)
                    ELSE w.expected - w.reach_below END AS least,
               CASE WHEN w.kind IN ('share', 'rise') THEN sin(least(w.expected + w.reach_above, 1.5707963)) ^ 2
                    WHEN w.name = 'log_mean' THEN greatest(exp(least(w.expected + w.reach_above, 300)), exp(least(w.expected, 300)) + w.step)
                    WHEN w.kind = 'log' THEN exp(least(w.expected + w.reach_above, 300))
                    WHEN w.name = 'hour' THEN least(w.expected + w.reach_above, 24) ELSE w.expected + w.reach_above END AS most,
               CASE WHEN w.kind = 'log' THEN exp(least(w.value, 300)) ELSE w.value END AS shown
        FROM worst w
    )
    SELECT m.column_name,
           CASE WHEN b.score IS NULL THEN 'unknown' WHEN b.score >= 1 THEN 'missed' ELSE 'met' END,
           b.shown, b.least, b.most, b.score,
           CASE
               WHEN b.score IS NULL AND m.stage > 0 AND m.learned_from >= pgslo_catalog.least_batches() THEN z.young
               WHEN b.score IS NULL THEN format('%s known, %s are needed', CASE m.learned_from WHEN 1 THEN '1 batch' ELSE m.learned_from || ' batches' END,
                                                pgslo_catalog.least_batches())
               -- The plain fact first, where there is one: a distance says nothing to who knows the column.
               ELSE concat(
                   pgslo_catalog.learned_said(b.name, b.words, b.kind, b.shown, b.least, b.most, b.step, CASE
                       WHEN pgslo_catalog.amount(m.summary[23], 'quantile') <> y.usual
                           THEN format('median %s %s, usually %s', m.column_name, pgslo_catalog.amount(m.summary[23], 'quantile'), y.usual) END,
                       concat(
                           CASE WHEN m.holiday THEN ' on a holiday' END,
                           CASE
                               WHEN m.stage = 1 AND m.seen < pgslo_catalog.least_batches() THEN format(' (%s)', z.young)
                               WHEN m.stage = 1 THEN ' at its first closing'
                               WHEN m.stage = 2 THEN ' while it is still maturing' END)),
                   -- Effects of missing rows, or of too many, are reported with them.
                   CASE WHEN b.score >= 1 AND b.of_the_day AND t.score BETWEEN 0.5 AND 1 THEN
                       '; ' || pgslo_catalog.learned_said(t.name, t.words, t.kind, t.shown, t.least, t.most, 0, NULL, NULL) END)
           END
    FROM mine m
    LEFT JOIN bound b USING (column_name)
    LEFT JOIN bound t ON t.column_name = '*' AND t.name = 'rows' AND m.column_name <> '*'
    CROSS JOIN LATERAL (
        SELECT CASE
            -- Of numbers; the quantiles of times are hours from where their batch begins.
            WHEN m.summary[27] IS NULL THEN NULL
            WHEN b.name = 'steps' THEN pgslo_catalog.amount(m.expected[23], 'quantile')
            WHEN b.name IN ('moved', 'distribution', 'log_mean', 'log_deviation') THEN (
                SELECT pgslo_catalog.span_of(m.summary[23], min(h.median), max(h.median), 'quantile', 0, 3)
                FROM (SELECT q.summary[23] AS median FROM pgslo_catalog.profile q
                      WHERE q.definition_id = judge_columns.definition_id AND q.column_name = m.column_name AND q.place < judge_columns.place AND q.baseline
                      ORDER BY q.place DESC LIMIT 28) h)
            END AS usual
    ) y
    CROSS JOIN LATERAL (
        SELECT concat('the batch is still maturing',
            CASE WHEN m.stage = 1 THEN format('; %s of %s first closings are known', m.seen, pgslo_catalog.least_batches()) END) AS young
    ) z
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_columns(bigint, text, numeric, boolean) IS
    'Evaluate each column of a batch by the bounds from its history, alone or together with the others; column * is the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Paths into a column's values are evaluated under the column's name: the largest deviation counts.
    SELECT DISTINCT ON (b.name) b.name, j.verdict, j.value, j.low, j.high, j.score,
           CASE WHEN b.name = j.column_name THEN j.said ELSE pgslo_catalog.path_said(p, j.said, j.value, j.low, j.high) END
    FROM pgslo_catalog.judge_columns(judge_learned.definition_id, judge_learned.batch, judge_learned.place, false) AS j
    JOIN pgslo_catalog.profile p ON p.definition_id = judge_learned.definition_id AND p.batch = judge_learned.batch AND p.column_name = j.column_name
    CROSS JOIN LATERAL (SELECT coalesce(p.base, j.column_name) AS name) b
    ORDER BY b.name, j.verdict <> 'missed',
             p.base IS NOT NULL OR j.verdict = 'met' OR j.verdict = 'missed' AND j.said NOT LIKE 'null: %',
             coalesce(j.score, 0) DESC, j.column_name COLLATE "C"
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_learned(bigint, text, numeric) IS
    'Evaluate each column of a batch, and the paths into its values, by the bounds from its history; column * is the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- An alarm about the first closing may be answered when the batch has matured.
    UPDATE pgslo_catalog.first_profile f
    SET baseline = true,
        tolerated = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                     FROM unnest(pgslo_catalog.on_side(f.surprise, 1, f.tolerated)) WITH ORDINALITY AS u (x, i)
                     LEFT JOIN unnest(f.tolerated) WITH ORDINALITY AS m (x, i) USING (i)),
        tolerated_below = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                           FROM unnest(pgslo_catalog.on_side(f.surprise, -1, f.tolerated_below)) WITH ORDINALITY AS u (x, i)
                           LEFT JOIN unnest(f.tolerated_below) WITH ORDINALITY AS m (x, i) USING (i))
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = learn_from.incident.rule_id AND r.kind = 'learned' AND learn_from.incident.resolution = 'false_alarm'
      AND f.definition_id = learn_from.incident.definition_id AND (f.column_name = coalesce(r.columns[1], '*') OR f.column_name = ANY (
          SELECT q.column_name FROM pgslo_catalog.profile q WHERE q.definition_id = f.definition_id AND q.base = r.columns[1])) AND NOT f.baseline
      AND f.place >= learn_from.incident.opened_place AND f.place <= coalesce(learn_from.incident.over_place, 'Infinity');
    -- A false alarm becomes part of the baseline, and a deviation of its size and direction is tolerated from now on.
    UPDATE pgslo_catalog.profile p
    SET baseline = true,
        tolerated = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                     FROM unnest(pgslo_catalog.on_side(p.surprise, 1, p.tolerated)) WITH ORDINALITY AS u (x, i)
                     LEFT JOIN unnest(p.tolerated) WITH ORDINALITY AS m (x, i) USING (i)),
        tolerated_below = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                           FROM unnest(pgslo_catalog.on_side(p.surprise, -1, p.tolerated_below)) WITH ORDINALITY AS u (x, i)
                           LEFT JOIN unnest(p.tolerated_below) WITH ORDINALITY AS m (x, i) USING (i))
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = learn_from.incident.rule_id AND r.kind = 'learned' AND NOT coalesce(r.measure ? 'form', false)
      AND learn_from.incident.resolution = 'false_alarm'
      AND p.definition_id = learn_from.incident.definition_id AND coalesce(p.base, p.column_name) = coalesce(r.columns[1], '*') AND NOT p.baseline
      AND p.place >= learn_from.incident.opened_place AND p.place <= coalesce(learn_from.incident.over_place, 'Infinity');
    UPDATE pgslo_catalog.segment_profile p
    SET odd = '{}'
    WHERE p.rule_id = learn_from.incident.rule_id AND learn_from.incident.resolution = 'false_alarm'
      AND p.place >= learn_from.incident.opened_place AND p.place <= coalesce(learn_from.incident.over_place, 'Infinity')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learn_from(pgslo_catalog.incident) IS 'Widen learned bounds after an incident that was resolved as a false alarm.';

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
COMMENT ON VIEW pgslo.measured_precision IS 'How often a rule''s incidents were real, of those that were resolved as real or as false alarm.';
