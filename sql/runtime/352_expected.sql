-- Learned bounds: the prediction for each number of a batch, and the deviation from it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.crowded_before(definition_id bigint, place numeric, phase numeric) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Promotions, turns of a quarter: days that recur by another calendar than the week's. Only days with more rows than others: those with
    -- fewer may lack some.
    WITH earlier AS MATERIALIZED (
        SELECT p.batch, p.place, p.rows, p.baseline, row_number() OVER (ORDER BY p.place DESC) AS back FROM pgslo_catalog.profile p
        WHERE p.definition_id = crowded_before.definition_id AND p.column_name = '*' AND p.place < crowded_before.place
        ORDER BY p.place DESC LIMIT 90
    ), many AS (
        -- More than is usual, and than is usual of the weekday.
        SELECT 1.4 * greatest(
            (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e.rows) FROM earlier e WHERE e.back <= 28 AND e.baseline),
            (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e.rows) FROM earlier e
             WHERE e.baseline AND e.place IN (SELECT crowded_before.place - g.turn * crowded_before.phase FROM generate_series(1, 4) AS g (turn)))) AS rows
    ), crowded AS (
        SELECT e.batch, e.back, e.baseline, lag(e.back, 1, 0::bigint) OVER (ORDER BY e.back) < e.back - 1 OR e.back = 1 AS is_apart
        FROM earlier e CROSS JOIN many m WHERE e.rows > m.rows
    )
    -- Those that were not marked as usual count from the second time on.
    SELECT array_agg(c.batch ORDER BY c.back) FILTER (WHERE c.back <= 90 AND (c.baseline OR c.times >= 2))
    FROM (SELECT d.*, count(*) FILTER (WHERE d.is_apart) OVER () AS times FROM crowded d) c
    WHERE (SELECT p.rows FROM pgslo_catalog.profile p
           WHERE p.definition_id = crowded_before.definition_id AND p.column_name = '*' AND p.place = crowded_before.place LIMIT 1)
        > (SELECT m.rows FROM many m)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.crowded_before(bigint, numeric, numeric) IS
    'Return, for a batch with far more rows than usual, the earlier ones with far more rows, newest first; NULL without any.';

CREATE OR REPLACE FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric, crowded text[]) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
-- The planner expects one row of each sub-query, whatever statistics there are: there is one for each number of each column.
SET enable_nestloop = off
AS $pgslo$
    -- Six predictions: the median of 28 batches, the last one, the last two and the median of four of the same phase, the last with its trend.
    -- The closest counts: a batch that any of them predicted is not a deviation.
    WITH mine AS MATERIALIZED (
        SELECT p.column_name, p.summary, p.noise, p.sampled, p.rows, p.level, p.moves, p.stage, p.age FROM pgslo_catalog.profile p
        WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.learned_from >= 10
    ), past AS MATERIALIZED (
        SELECT m.column_name, h.place, h.summary, h.noise, h.sampled, h.rows, h.back, NULL::bigint AS turn, h.level = m.level AS alike
        FROM mine m
        CROSS JOIN LATERAL (
            -- A young batch is compared with what others were when they were as young.
            SELECT p.place, coalesce(f.summary, p.summary) AS summary, coalesce(f.noise, p.noise) AS noise, coalesce(f.sampled, p.sampled) AS sampled,
                   coalesce(f.rows, p.rows) AS rows, coalesce(f.level, p.level) AS level, row_number() OVER (ORDER BY p.place DESC) AS back
            FROM pgslo_catalog.profile p
            LEFT JOIN pgslo_catalog.first_profile f
                ON m.stage = 1 AND f.definition_id = p.definition_id AND f.column_name = p.column_name AND f.batch = p.batch AND f.age <= m.age
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.place < expect.place AND coalesce(f.baseline, p.baseline)
            ORDER BY p.place DESC LIMIT 28
        ) h
        UNION ALL
        SELECT m.column_name, NULL, h.summary, NULL, NULL, NULL, NULL, h.turn, NULL
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT coalesce(f.summary, p.summary) AS summary, row_number() OVER (ORDER BY p.place DESC) AS turn
            FROM pgslo_catalog.profile p
            LEFT JOIN pgslo_catalog.first_profile f
                ON m.stage = 1 AND f.definition_id = p.definition_id AND f.column_name = p.column_name AND f.batch = p.batch AND f.age <= m.age
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND coalesce(f.baseline, p.baseline)
              AND p.place = ANY (ARRAY(SELECT expect.place - g.turn * expect.phase FROM generate_series(1, 8) AS g (turn)))
            ORDER BY p.place DESC LIMIT 4
        ) h
    ), number AS MATERIALIZED (
        SELECT h.column_name, u.i, h.back, h.turn, u.noise, u.x AS share, CASE WHEN k.name IN ('null', 'duplicate') THEN h.rows ELSE h.sampled END AS counted,
               CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.x, 0), 1))) ELSE u.x END AS x
        FROM past h
        CROSS JOIN LATERAL unnest(h.summary, h.noise) WITH ORDINALITY AS u (x, noise, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        WHERE u.x IS NOT NULL
    ), trend AS MATERIALIZED (
        SELECT d.column_name, d.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY d.step) AS step
        FROM (SELECT n.column_name, n.i, n.x - lead(n.x) OVER (PARTITION BY n.column_name, n.i ORDER BY n.back) AS step FROM number n WHERE n.back <= 8) d
        GROUP BY d.column_name, d.i
    ), predicted AS MATERIALIZED (
        SELECT n.column_name, n.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.back IS NOT NULL) AS median,
               max(n.x) FILTER (WHERE n.back = 1) AS last, max(n.x) FILTER (WHERE n.turn = 1) AS same, max(n.x) FILTER (WHERE n.turn = 2) AS same_before,
               CASE WHEN count(n.turn) = 4 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.turn IS NOT NULL) END AS same_median,
               coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY n.noise) FILTER (WHERE n.noise IS NOT NULL), 0) AS noise,
               (sum(n.share * n.counted) + 0.5) / (sum(n.counted) + 1) AS pooled
        FROM number n
        GROUP BY n.column_name, n.i
    ), pair AS MATERIALIZED (
        -- Batches at their first closing, and at their last one.
        SELECT m.column_name, u.i, f.baseline, a.first, a.last, u.noise,
               CASE WHEN k.kind IN ('share', 'rise', 'log', 'apart') THEN 0.02 ELSE 0 END AS least
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT s.batch, s.summary, s.baseline FROM pgslo_catalog.first_profile s
            WHERE s.definition_id = expect.definition_id AND s.column_name = m.column_name AND s.place < expect.place
            ORDER BY s.place DESC LIMIT 28
        ) f
        JOIN pgslo_catalog.profile p ON p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.batch = f.batch
        CROSS JOIN LATERAL unnest(f.summary, p.summary, p.noise) WITH ORDINALITY AS u (first, last, noise, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        CROSS JOIN LATERAL (
            SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.first, 0), 1))) ELSE u.first END AS first,
                   CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.last, 0), 1))) ELSE u.last END AS last
        ) a
        WHERE m.stage > 0 AND (u.first IS NOT NULL OR u.last IS NOT NULL)
    ), own AS MATERIALIZED (
        SELECT q.column_name, q.i, min(q.first) FILTER (WHERE q.baseline) AS least, max(q.first) FILTER (WHERE q.baseline) AS most,
               avg((abs(q.first - q.last) > greatest(q.noise, q.least) OR (q.first IS NULL) <> (q.last IS NULL))::integer) >= 0.5 AS maturing
        FROM pair q GROUP BY q.column_name, q.i
    ), change AS MATERIALIZED (
        -- Numbers from a comparison change with the compared batches.
        SELECT o.column_name, o.i, o.least, o.most, coalesce(o.maturing, false) OR o.i > 40 AND w.maturing AS maturing
        FROM own o
        JOIN (SELECT n.column_name, bool_or(n.maturing) FILTER (WHERE n.i <= 40) AS maturing FROM own n GROUP BY n.column_name) w USING (column_name)
    ), gap AS MATERIALIZED (
        -- How many batches ago the last one was that is compared with: what grows has grown that often.
        SELECT l.column_name, l.pauses, 1 + (
                   SELECT count(*) FROM pgslo_catalog.profile q
                   WHERE q.definition_id = expect.definition_id AND q.column_name = l.column_name AND q.place < expect.place AND q.place > l.place
               ) AS batches
        FROM (
            -- And how long ago that is, by the time from batch to batch.
            SELECT d.column_name, max(d.place) AS place,
                   least(expect.place - max(d.place), 1e12)::float8 / greatest(percentile_cont(0.5) WITHIN GROUP (ORDER BY d.pause), 1e-6) AS pauses
            FROM (
                SELECT h.column_name, h.place, least(h.place - lead(h.place) OVER (PARTITION BY h.column_name ORDER BY h.back), 1e12)::float8 AS pause
                FROM past h WHERE h.back <= 8
            ) d
            GROUP BY d.column_name
        ) l
    ), before AS MATERIALIZED (
        -- What grows goes on from the batch before, though that one is not compared with: ids that jumped stay where they are.
        SELECT m.column_name, b.summary
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT q.summary, q.baseline FROM pgslo_catalog.profile q
            WHERE q.definition_id = expect.definition_id AND q.column_name = m.column_name AND q.place < expect.place
            ORDER BY q.place DESC LIMIT 1
        ) b
        WHERE m.moves = 'grows' AND NOT b.baseline
    ), crowded AS MATERIALIZED (
        -- Days on which as much more came, whether or not they missed: rows as then, all else as on the one that it is most like.
        SELECT h.column_name, h.i, CASE WHEN h.i = 40 THEN least(greatest(h.now, min(h.x)), max(h.x))
                                        ELSE (array_agg(h.x ORDER BY abs(h.now - h.x)))[1] END AS x
        FROM (
            SELECT m.column_name, u.i, CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.x, 0), 1))) ELSE u.x END AS x,
                   CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(m.summary[u.i], 0), 1))) ELSE m.summary[u.i] END AS now
            FROM unnest((expect.crowded)[1:8]) AS c (batch)
            CROSS JOIN mine m
            JOIN pgslo_catalog.profile p ON p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.batch = c.batch
            LEFT JOIN pgslo_catalog.first_profile f
                ON m.stage = 1 AND f.definition_id = p.definition_id AND f.column_name = p.column_name AND f.batch = p.batch AND f.age <= m.age
            CROSS JOIN LATERAL unnest(coalesce(f.summary, p.summary)) WITH ORDINALITY AS u (x, i)
            JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
            WHERE u.x IS NOT NULL
        ) h
        GROUP BY h.column_name, h.i, h.now
    ), sampled_alike AS MATERIALIZED (
        SELECT h.column_name, avg(h.alike::integer) > 0.7 AS alike FROM past h GROUP BY h.column_name
    ), deviation AS MATERIALIZED (
        SELECT p.column_name, exp(p.median) AS typical FROM predicted p WHERE p.i = 19
    ), told AS (
        SELECT m.column_name, k.ordinal, k.kind, c.prediction, p.median, v.x, z.spread, f.size, m.summary[k.ordinal] AS share
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        JOIN predicted p ON p.column_name = m.column_name AND p.i = k.ordinal
        LEFT JOIN trend t ON t.column_name = m.column_name AND t.i = k.ordinal
        LEFT JOIN deviation d ON d.column_name = m.column_name
        LEFT JOIN gap g ON g.column_name = m.column_name
        LEFT JOIN before b ON b.column_name = m.column_name
        -- The step of a number that says where values lie, in a column that grows.
        CROSS JOIN LATERAL (SELECT CASE WHEN m.moves = 'grows' AND k.ordinal IN (17, 18, 20, 21, 22, 23, 24, 25, 26) THEN t.step END AS step) grown
        LEFT JOIN trend way ON way.column_name = m.column_name AND way.i = 17
        LEFT JOIN change y ON y.column_name = m.column_name AND y.i = k.ordinal AND y.maturing AND m.stage = 2
        LEFT JOIN crowded w ON w.column_name = m.column_name AND w.i = k.ordinal
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(m.summary[k.ordinal], 0), 1)))
                                        ELSE m.summary[k.ordinal] END AS x) v
        CROSS JOIN LATERAL (
            SELECT r.prediction FROM (VALUES (p.median), (p.last), (p.same), (p.same_before), (p.same_median), (p.last + t.step),
                                               (p.last + t.step * g.batches), (p.last + grown.step * g.pauses),
                                               (b.summary[k.ordinal] + grown.step), (w.x),
                                               -- Between the first closing and the last, anything between the two; anything at all, if
                                               -- there was nothing at the first closing.
                                               (CASE WHEN y.maturing AND y.least IS NULL THEN v.x
                                                     WHEN y.maturing THEN least(greatest(v.x, least(y.least, p.median, p.last, p.same)),
                                                                                greatest(y.most, p.median, p.last, p.same)) END)) AS r (prediction)
            WHERE r.prediction IS NOT NULL
            ORDER BY CASE WHEN k.kind IN ('rise', 'apart') THEN greatest(v.x - r.prediction, 0) ELSE abs(v.x - r.prediction) END LIMIT 1
        ) c
        CROSS JOIN LATERAL (
            SELECT CASE
                -- The chance of the rows that were to be expected: few that came would excuse themselves.
                WHEN k.name = 'rows' THEN greatest(0.3 * coalesce(nullif(p.noise, 0), m.noise[40]), 0.02)
                -- Of a share that is near nothing, or near everything, chance moves less: a tenth of a row a batch at least is taken to be usual.
                WHEN k.kind IN ('share', 'rise') THEN greatest(0.02, greatest(p.noise, m.noise[k.ordinal])
                    * least(1, 2 * sqrt(greatest(0.1, least(p.pooled, 1 - p.pooled)
                                                        * CASE WHEN k.name IN ('null', 'duplicate') THEN m.rows ELSE m.sampled END))))
                WHEN k.name = 'steps' THEN 1
                -- What grows by a step may grow by some.
                -- Times of loads differ by seconds: none is judged finer than ten, in hours.
                ELSE greatest(p.noise, m.noise[k.ordinal], abs(grown.step),
                    CASE WHEN m.summary[27] IS NULL AND k.kind IN ('mean', 'quantile') THEN 0.0028 END, CASE k.kind
                    WHEN 'length' THEN CASE WHEN k.name = 'decimals' THEN 0.02 ELSE 0.25 END
                    WHEN 'mean' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'quantile' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'extreme' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    ELSE 0.02 END)
                END AS spread
        ) z
        -- Shares: three rows and three percent at least, or no report.
        CROSS JOIN LATERAL (
            SELECT greatest(CASE WHEN k.name = 'duplicate' THEN 1.5 ELSE 2.5 END / greatest(
                -- Shares of numbers and of times are of those alone.
                CASE WHEN k.ordinal BETWEEN 27 AND 37 OR k.ordinal IN (54, 55)
                         THEN m.rows * (1 - coalesce(m.summary[1], 0)) * greatest(m.summary[15], m.summary[16], 0)
                     ELSE m.rows END, 1), 0.025) AS size) f
        JOIN sampled_alike a ON a.column_name = m.column_name
        WHERE m.summary[k.ordinal] IS NOT NULL
          -- A number that moves with the batch is round now and then.
          AND (k.name NOT IN ('tens', 'hundreds') OR abs(coalesce(way.step, 0)) <= coalesce(d.typical, 0))
          -- What depends on the size of the sample compares with samples of the same part only.
          AND (a.alike OR k.ordinal <> ALL (ARRAY[3, 4, 5, 6, 8, 9, 10, 20, 26, 33, 34, 41, 43, 44, 45, 46, 47, 49, 52, 56]))
    ), surprised AS MATERIALIZED (
        SELECT t.column_name, t.ordinal, t.prediction, t.spread,
               CASE
                   WHEN t.kind IN ('share', 'rise') AND abs(t.share - sin(least(greatest(t.prediction, 0), 1.5707963)) ^ 2) < t.size THEN 0
                   WHEN t.ordinal = 40 AND abs(t.x - t.prediction) < 0.18 THEN 0
                   WHEN t.kind IN ('rise', 'apart') THEN greatest(t.x - t.prediction, 0) / t.spread
                   ELSE (t.x - t.prediction) / t.spread
               END AS surprise
        FROM told t
    ), noted AS MATERIALIZED (
        SELECT m.column_name, array_agg(s.prediction ORDER BY k.ordinal) AS expected, array_agg(s.spread ORDER BY k.ordinal) AS spread,
               array_agg(s.surprise ORDER BY k.ordinal) AS surprise,
               array_agg(coalesce(c.maturing, false) ORDER BY k.ordinal) AS maturing
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        LEFT JOIN change c ON c.column_name = m.column_name AND c.i = k.ordinal
        LEFT JOIN surprised s ON s.column_name = m.column_name AND s.ordinal = k.ordinal
        GROUP BY m.column_name
    )
    UPDATE pgslo_catalog.profile p
    SET expected = a.expected, spread = a.spread, surprise = a.surprise, maturing = CASE WHEN p.stage > 0 THEN a.maturing END
    FROM noted a
    WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.column_name = a.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.expect(bigint, text, numeric, numeric, text[]) IS
    'Note the prediction of each number of a batch, and its deviation; for a crowded day, earlier such days count as well.';
