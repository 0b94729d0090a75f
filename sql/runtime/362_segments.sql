-- Segments of a batch, such as its tenants: rows and missing values of each, compared with earlier batches.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.most_segments() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 300 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.most_segments() IS 'Return the largest number of segments of a batch with which they are evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.stable_count(rows float8, excess float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- The variance of counts of mean m is m + excess * m ^ 2; that of this is about 1, whatever m is (Anscombe 1948).
    RETURN 2 / sqrt(stable_count.excess) * asinh(sqrt(stable_count.excess * (stable_count.rows + 0.375)));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.stable_count(float8, float8) IS 'Return a number of rows on a scale on which random variation is the same for all numbers.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segments_before(rule_id bigint, batch text)
RETURNS TABLE (back bigint, place numeric, closings integer, is_changed boolean, odd jsonb, columns text[], segments text[], rows bigint[],
    missing bigint[], first_segments text[], first_rows bigint[], first_missing bigint[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT row_number() OVER (ORDER BY p.place DESC), p.place, p.closings, f.batch IS NOT NULL, p.odd, p.columns, p.segments, p.rows,
           p.missing, coalesce(f.segments, p.segments), coalesce(f.rows, p.rows), coalesce(f.missing, p.missing)
    FROM (
        SELECT q.* FROM pgslo_catalog.segment_profile q
        JOIN pgslo_catalog.segment_profile m ON m.rule_id = q.rule_id AND m.batch = segments_before.batch AND NOT m.is_first
        WHERE q.rule_id = segments_before.rule_id AND NOT q.is_first AND q.place < m.place AND q.per = m.per AND q.segments <> '{}'
        ORDER BY q.place DESC LIMIT 63
    ) p
    LEFT JOIN pgslo_catalog.segment_profile f
        ON f.rule_id = segments_before.rule_id AND f.batch = p.batch AND f.is_first AND f.columns = p.columns
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segments_before(bigint, text) IS
    'Return the segments of the nine weeks, or as many batches, before one, each at its first closing and now.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segment_rows(rule_id bigint, batch text)
RETURNS TABLE (segment text, value float8, usual float8, low float8, high float8, score float8)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
-- How many segments there are is not known to the planner.
SET enable_nestloop = off
AS $pgslo$
    WITH mine AS MATERIALIZED (
        SELECT p.* FROM pgslo_catalog.segment_profile p
        WHERE p.rule_id = segment_rows.rule_id AND p.batch = segment_rows.batch AND NOT p.is_first
    ), past AS MATERIALIZED (
        SELECT b.* FROM pgslo_catalog.segments_before(segment_rows.rule_id, segment_rows.batch) AS b
    ), maturing AS MATERIALIZED (
        -- Where half of the batches got rows after their first closing, one that is closed first is compared with first closings.
        SELECT count(*) AS live, 2 * count(*) FILTER (WHERE w.first > 1.02 * w.last OR w.first < 0.98 * w.last) >= greatest(count(*), 1) AS is_maturing
        FROM (
            SELECT (SELECT sum(r) FROM unnest(p.first_rows) AS r) AS first, (SELECT sum(r) FROM unnest(p.rows) AS r) AS last
            FROM past p WHERE p.closings > 0 AND p.back <= 28
        ) w
    ), phase AS MATERIALIZED (
        -- Batches that are an hour apart follow the day, those that are a day apart the week.
        SELECT CASE WHEN g.gap BETWEEN 3000 AND 4200 THEN 86400 WHEN g.gap BETWEEN 77760 AND 95040 THEN 604800 END AS length
        FROM (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) AS gap
            FROM (SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap FROM past p WHERE p.back <= 28) d
        ) g
        CROSS JOIN mine m
        WHERE m.place > 100000000
    ), seen AS MATERIALIZED (
        SELECT p.back, u.segment, u.rows::float8 AS rows
        FROM past p CROSS JOIN maturing m
        CROSS JOIN LATERAL unnest(CASE WHEN m.is_maturing THEN p.first_segments ELSE p.segments END,
                                  CASE WHEN m.is_maturing THEN p.first_rows ELSE p.rows END) AS u (segment, rows)
        WHERE NOT m.is_maturing OR p.closings > 0
    ), known AS MATERIALIZED (
        -- Segments that have been there for three weeks, and in half of the last four.
        SELECT s.segment, max(s.back) AS since FROM seen s
        GROUP BY s.segment
        HAVING max(s.back) >= pgslo_catalog.least_batches() AND count(*) FILTER (WHERE s.back <= 28) >= least(max(s.back), 28) / 2.0
    ), counted AS MATERIALIZED (
        SELECT k.segment, p.back, p.place, coalesce(s.rows, 0) AS rows, coalesce(p.odd -> k.segment ? '', false) AS is_odd
        FROM known k CROSS JOIN maturing t JOIN past p ON p.back <= k.since AND (NOT t.is_maturing OR p.closings > 0)
        LEFT JOIN seen s ON s.segment = k.segment AND s.back = p.back
    ), lasting AS MATERIALIZED (
        -- What lasts for five batches becomes usual.
        SELECT c.segment, bool_and(c.is_odd) AS is_lasting FROM counted c WHERE c.back <= 5 GROUP BY c.segment
    ), fine AS MATERIALIZED (
        SELECT c.segment, c.place, c.rows, row_number() OVER (PARTITION BY c.segment ORDER BY c.back) AS turn,
               lead(c.rows) OVER (PARTITION BY c.segment ORDER BY c.back) AS before
        FROM counted c JOIN lasting l USING (segment) WHERE NOT c.is_odd OR l.is_lasting AND c.back <= 5
    ), usual AS MATERIALIZED (
        SELECT f.segment, percentile_cont(0.5) WITHIN GROUP (ORDER BY f.rows) AS median, avg(f.rows) AS mean, min(f.rows) AS low, max(f.rows) AS high,
               max(f.rows) FILTER (WHERE f.turn = 1) AS last
        FROM fine f WHERE f.turn <= 28 GROUP BY f.segment
    ), crowd AS MATERIALIZED (
        -- A day on which most segments have twice as many rows, or half, is one for the table's own rule.
        SELECT c.place, percentile_cont(0.5) WITHIN GROUP (ORDER BY c.rows / u.median) AS factor
        FROM (
            SELECT f.segment, f.place, f.rows FROM fine f WHERE f.turn <= 28
            UNION ALL
            SELECT k.segment, m.place, coalesce(n.rows, 0) FROM known k CROSS JOIN mine m
            LEFT JOIN unnest(m.segments, m.rows) AS n (segment, rows) USING (segment)
        ) c
        JOIN usual u USING (segment) WHERE u.median >= 5
        GROUP BY c.place HAVING count(*) >= 4
    ), off AS (
        SELECT f.segment, min(abs(2 * sqrt(f.rows + 0.375) - 2 * sqrt(r.prediction + 0.375))) AS off
        FROM fine f
        JOIN usual u USING (segment)
        LEFT JOIN phase h ON true
        LEFT JOIN fine a ON a.segment = f.segment AND a.place = f.place - h.length
        LEFT JOIN fine b ON b.segment = f.segment AND b.place = f.place - 2 * h.length
        LEFT JOIN crowd c ON c.place = f.place
        CROSS JOIN LATERAL (VALUES (u.median), (f.before), (a.rows), (b.rows), (u.median * c.factor)) AS r (prediction)
        WHERE f.turn <= 28
        GROUP BY f.segment, f.place
    ), wide AS MATERIALIZED (
        -- How far its days go, but for the oddest of them.
        SELECT o.segment, greatest((sum(o.off ^ 2) - max(o.off) ^ 2) / greatest(count(*) - 1, 1), 1) AS variance FROM off o GROUP BY o.segment
    ), now AS (
        SELECT k.segment, coalesce(n.rows, 0)::float8 AS rows, r.prediction, u.low, u.high,
               greatest((1.3 * w.variance - 1) / greatest(u.mean, 1), 0.0025) AS excess
        FROM known k
        CROSS JOIN mine m
        JOIN usual u USING (segment)
        JOIN wide w USING (segment)
        LEFT JOIN unnest(m.segments, m.rows) AS n (segment, rows) USING (segment)
        LEFT JOIN phase h ON true
        LEFT JOIN fine a ON a.segment = k.segment AND a.place = m.place - h.length
        LEFT JOIN fine b ON b.segment = k.segment AND b.place = m.place - 2 * h.length
        LEFT JOIN crowd c ON c.place = m.place
        CROSS JOIN LATERAL (
            SELECT v.prediction FROM (VALUES (u.median), (u.last), (a.rows), (b.rows), (u.median * c.factor)) AS v (prediction)
            WHERE v.prediction IS NOT NULL ORDER BY abs(sqrt(coalesce(n.rows, 0)) - sqrt(v.prediction)) LIMIT 1
        ) r
    )
    SELECT n.segment, n.rows, n.prediction, n.low, n.high,
           CASE
               -- A third fewer or half as many more, and five rows, or no report.
               WHEN abs(n.rows - n.prediction) < 5 OR n.rows BETWEEN n.prediction / 1.5 AND n.prediction * 1.5 THEN 0
               ELSE abs(pgslo_catalog.stable_count(n.rows, n.excess) - pgslo_catalog.stable_count(n.prediction, n.excess))
           END
    FROM now n CROSS JOIN maturing t CROSS JOIN mine m
    WHERE NOT t.is_maturing OR m.closings = 1 AND t.live >= pgslo_catalog.least_batches()
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segment_rows(bigint, text) IS
    'Return the rows of each known segment, with the predicted number, and the deviation in units of chance.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segment_values(rule_id bigint, batch text)
RETURNS TABLE (segment text, column_name text, value float8, low float8, high float8, score float8)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
-- How many segments there are is not known to the planner.
SET enable_nestloop = off
AS $pgslo$
    WITH mine AS MATERIALIZED (
        SELECT p.* FROM pgslo_catalog.segment_profile p
        WHERE p.rule_id = segment_values.rule_id AND p.batch = segment_values.batch AND NOT p.is_first
    ), past AS MATERIALIZED (
        SELECT b.* FROM pgslo_catalog.segments_before(segment_values.rule_id, segment_values.batch) AS b WHERE b.back <= 40
    ), place_of AS MATERIALIZED (
        SELECT p.back, p.closings, p.is_changed, p.odd, p.columns, v.is_first, s.segment, s.rows::float8 AS rows, s.i
        FROM past p
        CROSS JOIN LATERAL (
            SELECT false AS is_first, p.segments AS segments, p.rows AS rows
            UNION ALL SELECT true, p.first_segments, p.first_rows WHERE p.is_changed
        ) v
        CROSS JOIN LATERAL unnest(v.segments, v.rows) WITH ORDINALITY AS s (segment, rows, i)
    ), cell AS MATERIALIZED (
        SELECT c.back, c.is_first, h.segment, c.column_name, c.missing
        FROM (
            SELECT p.back, v.is_first, 1 + (u.i - 1) / cardinality(p.columns) AS i,
                   p.columns[1 + (u.i - 1) % cardinality(p.columns)] AS column_name, u.missing::float8 AS missing
            FROM past p
            CROSS JOIN LATERAL (
                SELECT false AS is_first, p.missing AS missing
                UNION ALL SELECT true, p.first_missing WHERE p.is_changed
            ) v
            CROSS JOIN LATERAL unnest(v.missing) WITH ORDINALITY AS u (missing, i)
            WHERE cardinality(p.columns) > 0 AND u.missing > 0
        ) c
        JOIN place_of h ON h.back = c.back AND h.is_first = c.is_first AND h.i = c.i
    ), ever AS MATERIALIZED (
        SELECT c.segment, c.column_name, sum(c.missing) AS missing FROM cell c WHERE NOT c.is_first GROUP BY c.segment, c.column_name
    ), there AS MATERIALIZED (
        SELECT h.segment, sum(h.rows) AS rows FROM place_of h WHERE NOT h.is_first GROUP BY h.segment
    ), asked AS MATERIALIZED (
        -- Only more missing values are news, and only where more are missing than all in all: most are done with here.
        SELECT n.segment, n.column_name, n.missing, n.rows
        FROM (
            SELECT s.segment, m.columns[1 + (u.i - 1) % cardinality(m.columns)] AS column_name, u.missing::float8 AS missing, s.rows::float8 AS rows
            FROM mine m
            CROSS JOIN LATERAL unnest(m.missing) WITH ORDINALITY AS u (missing, i)
            JOIN LATERAL unnest(m.segments, m.rows) WITH ORDINALITY AS s (segment, rows, i) ON s.i = 1 + (u.i - 1) / cardinality(m.columns)
            WHERE cardinality(m.columns) > 0 AND u.missing >= 3
        ) n
        JOIN there t ON t.segment = n.segment
        LEFT JOIN ever e ON e.segment = n.segment AND e.column_name = n.column_name
        WHERE 2 * sqrt(n.rows) * (asin(sqrt(n.missing / n.rows)) - asin(sqrt(least((coalesce(e.missing, 0) + 0.5) / (t.rows + 1), 1)))) > 2
    ), past_share AS MATERIALIZED (
        SELECT a.segment, a.column_name, h.back, h.closings, h.is_changed, h.is_first, h.rows, coalesce(c.missing, 0)::float8 AS missing,
               coalesce(h.odd -> h.segment ? a.column_name, false) AS is_odd
        FROM asked a
        JOIN place_of h ON h.segment = a.segment AND a.column_name = ANY (h.columns)
        LEFT JOIN cell c ON c.back = h.back AND c.is_first = h.is_first AND c.segment = a.segment AND c.column_name = a.column_name
    ), maturing AS MATERIALIZED (
        -- Values that come after the first closing are missing in each young batch.
        SELECT w.column_name, w.live, 2 * w.filled >= greatest(w.live, 1) AS is_maturing
        FROM (
            SELECT l.column_name, count(*) AS live, count(*) FILTER (WHERE l.first > l.last + 2) AS filled
            FROM (
                SELECT s.column_name, s.back, sum(s.missing) FILTER (WHERE s.is_first OR NOT s.is_changed) AS first,
                       sum(s.missing) FILTER (WHERE NOT s.is_first) AS last
                FROM past_share s WHERE s.closings > 0 AND s.back <= 28 GROUP BY s.column_name, s.back
            ) l
            GROUP BY l.column_name
        ) w
    ), compared AS MATERIALIZED (
        SELECT s.segment, s.column_name, s.back, s.is_odd, s.rows, s.missing,
               row_number() OVER (PARTITION BY s.segment, s.column_name, s.is_odd ORDER BY s.back) AS turn
        FROM (
            -- At a first closing as they were then; later whatever they were in between.
            SELECT DISTINCT ON (s.segment, s.column_name, s.back) s.*
            FROM past_share s LEFT JOIN maturing t USING (column_name)
            WHERE NOT coalesce(t.is_maturing, false) AND NOT s.is_first OR t.is_maturing AND s.closings > 0
            ORDER BY s.segment, s.column_name, s.back, s.is_first DESC
        ) s
    ), lasting AS MATERIALIZED (
        SELECT c.segment, c.column_name, max(c.back) AS since, count(*) AS batches,
               bool_and(c.is_odd) FILTER (WHERE c.back <= 5) AS is_lasting
        FROM compared c GROUP BY c.segment, c.column_name
    ), fine AS MATERIALIZED (
        SELECT c.segment, c.column_name, c.rows, c.missing, c.missing / greatest(c.rows, 1) AS share
        FROM compared c JOIN lasting l USING (segment, column_name)
        WHERE c.turn <= 28 AND (NOT c.is_odd OR l.is_lasting AND c.back <= 5)
    ), usual AS MATERIALIZED (
        SELECT f.segment, f.column_name, (sum(f.missing) + 0.5) / (sum(f.rows) + 1) AS pooled, min(f.share) AS low, max(f.share) AS high,
               -- What happened three times is tolerated.
               coalesce((array_agg(f.share ORDER BY f.share DESC))[3], 0) AS third
        FROM fine f GROUP BY f.segment, f.column_name
    ), wide AS MATERIALIZED (
        SELECT o.segment, o.column_name, greatest((sum(o.off ^ 2) - max(o.off) ^ 2) / greatest(count(*) - 1, 1), 1) AS variance
        FROM (
            SELECT f.segment, f.column_name, 2 * sqrt(f.rows) * (asin(sqrt(least(f.share, 1))) - asin(sqrt(least(u.pooled, 1)))) AS off
            FROM fine f JOIN usual u USING (segment, column_name)
        ) o GROUP BY o.segment, o.column_name
    )
    SELECT a.segment, a.column_name, x.share, u.low, u.high,
           CASE
               -- Three rows and five per cent, or no report.
               WHEN a.missing - y.base * a.rows < 3 OR x.share - y.base < 0.05 THEN 0
               ELSE 2 * sqrt(a.rows) * (asin(sqrt(least(x.share, 1))) - asin(sqrt(y.base))) / sqrt(w.variance)
           END
    FROM asked a
    CROSS JOIN mine m
    JOIN lasting l USING (segment, column_name)
    JOIN usual u USING (segment, column_name)
    JOIN wide w USING (segment, column_name)
    LEFT JOIN maturing t USING (column_name)
    CROSS JOIN LATERAL (SELECT a.missing / greatest(a.rows, 1) AS share) x
    CROSS JOIN LATERAL (SELECT least(greatest(u.pooled, u.third), 1) AS base) y
    WHERE l.since >= pgslo_catalog.least_batches() AND l.batches >= 10
      AND (NOT coalesce(t.is_maturing, false) OR t.live >= pgslo_catalog.least_batches())
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segment_values(bigint, text) IS
    'Return the share of missing values in each column of each segment that is known, where some are, and how far off it is in units of chance.';
