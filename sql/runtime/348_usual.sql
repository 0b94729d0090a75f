-- The deviation of a batch from the baseline, and the baseline after it: arithmetic of learned bounds, without a table.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.shares_apart(present float8, counted jsonb, usual jsonb, presents float8[], counts jsonb[]) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
BEGIN
    RETURN (
        -- new, lost, largest change, half the sum of changes, growth, decline, noise of the sum; each against the most similar one of
        -- the baseline and up to three batches.
        WITH every AS MATERIALIZED (
            SELECT e.key, max(e.share) FILTER (WHERE e.of = 0) AS now, max(e.share) FILTER (WHERE e.of = 1) AS usual,
                   coalesce(max(e.share) FILTER (WHERE e.of = 0), 0) AS a, coalesce(max(e.share) FILTER (WHERE e.of = 1), 0) AS b,
                   CASE WHEN cardinality(presents) >= 1 THEN coalesce(max(e.share) FILTER (WHERE e.of = 2), 0) END AS c,
                   CASE WHEN cardinality(presents) >= 2 THEN coalesce(max(e.share) FILTER (WHERE e.of = 3), 0) END AS d,
                   CASE WHEN cardinality(presents) >= 3 THEN coalesce(max(e.share) FILTER (WHERE e.of = 4), 0) END AS f
            FROM (
                SELECT 0 AS of, j.key, j.value::float8 / present AS share FROM jsonb_each(counted) j
                UNION ALL SELECT 1, j.key, j.value::float8 FROM jsonb_each(usual) j
                UNION ALL SELECT 1 + r.i, j.key, j.value::float8 / r.present
                FROM unnest(presents, counts) WITH ORDINALITY AS r (present, counted, i) CROSS JOIN LATERAL jsonb_each(r.counted) j
            ) e
            GROUP BY e.key
        )
        SELECT ARRAY[
            coalesce(sum(e.now) FILTER (WHERE e.usual IS NULL), 0),
            coalesce(sum(e.usual) FILTER (WHERE e.now IS NULL AND e.usual * present >= 3), 0),
            least(max(abs(e.a - e.b)), max(abs(e.a - e.c)), max(abs(e.a - e.d)), max(abs(e.a - e.f))),
            least(sum(abs(e.a - e.b)), sum(abs(e.a - e.c)), sum(abs(e.a - e.d)), sum(abs(e.a - e.f))) / 2,
            -- As arc sine of the root: a rare value's share goes less far by chance than a common one's.
            greatest(max(asin(sqrt(least(e.a, 1))) - asin(sqrt(least(greatest(e.b, e.c, e.d, e.f), 1)))), 0),
            greatest(max(asin(sqrt(least(e.b, e.c, e.d, e.f, 1))) - asin(sqrt(least(e.a, 1)))), 0),
            0.4 * coalesce(sum(sqrt(e.usual * (1 - e.usual))) FILTER (WHERE e.usual < 1), 0) / sqrt(present)
        ]
        FROM every e
    );
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shares_apart(float8, jsonb, jsonb, float8[], jsonb[]) IS
    'Return the differences of shares of values from the baseline and from similar batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.grids_apart(now float8[], reference float8[], OUT distribution float8, OUT moved float8)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    a integer := 1;
    b integer := 1;
    v float8;
    apart integer := 0;
BEGIN
    -- Both are sorted: at each value, the number of quantiles of either up to there.
    WHILE a <= 41 AND b <= 41 LOOP
        v := least(now[a], reference[b]);
        EXIT WHEN v IS NULL;
        WHILE a <= 41 AND now[a] <= v LOOP
            a := a + 1;
        END LOOP;
        WHILE b <= 41 AND reference[b] <= v LOOP
            b := b + 1;
        END LOOP;
        apart := greatest(apart, abs(a - b));
    END LOOP;
    distribution := apart / 41.0;
    moved := 0;
    FOR i IN 2 .. 40 LOOP
        moved := moved + abs(now[i] - reference[i]);
    END LOOP;
    moved := moved / 39;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.grids_apart(float8[], float8[]) IS
    'Return the largest distance of two distributions (Kolmogorov and Smirnov''s) and how far values moved (Wasserstein''s), from their quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mixed(usual jsonb, present float8, counted jsonb, weight float8) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_object_agg(m.key, m.share), '{}')
        FROM (
            SELECT e.key, sum(e.share)::float4 AS share
            FROM (
                SELECT j.key, (1 - weight) * j.value::float8 AS share FROM jsonb_each(usual) j
                UNION ALL SELECT j.key, weight * j.value::float8 / present FROM jsonb_each(counted) j
            ) e
            GROUP BY e.key
            HAVING sum(e.share) >= 1e-6
            ORDER BY sum(e.share) DESC LIMIT 1000
        ) m
    );
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mixed(jsonb, float8, jsonb, float8) IS 'Return the baseline of shares of values after one more batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Batches that are an hour apart follow the day, those that are a day apart the week.
    SELECT CASE WHEN g.gap BETWEEN 3000 AND 4200 THEN 86400 WHEN g.gap BETWEEN 77760 AND 95040 THEN 604800 END
    FROM (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) AS gap
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = phase_of.definition_id AND p.column_name = '*' AND p.place <= phase_of.place
            ORDER BY p.place DESC LIMIT 28
        ) d
    ) g
    WHERE phase_of.place > 100000000
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.phase_of(bigint, numeric) IS
    'Return the period in seconds after which batches are alike again, from their distance; NULL without any.';

CREATE OR REPLACE FUNCTION pgslo_catalog.on_side(surprise float8[], side integer, tolerated float8[]) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_variable
BEGIN
    RETURN (
        -- Rows (40) have a direction: a promotion does not excuse a day without half of them, however often one comes. A little it does:
        -- days that differ do so both ways.
        SELECT array_agg(CASE WHEN n.i <> 40 OR n.x * side >= 0 THEN abs(n.x)
                              ELSE least(abs(n.x), greatest(coalesce(tolerated[n.i], 0), 5)) END ORDER BY n.i)
        FROM (SELECT coalesce(u.x, 0) AS x, u.i FROM unnest(surprise) WITH ORDINALITY AS u (x, i)) AS n);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.on_side(float8[], integer, float8[]) IS
    'Return the size of each deviation as it counts upwards (side 1) or downwards (-1); rows of the other side count up to their tolerance.';

CREATE OR REPLACE FUNCTION pgslo_catalog.widened(tolerated float8[], surprise float8[], side integer, is_young boolean) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_variable
BEGIN
    RETURN (
        SELECT array_agg(greatest(
                   -- Tolerance after shocks of a share halves in a month of days, the ordinary one in a year; means and rows vary far by nature.
                   CASE WHEN o.x >= 7.5 AND u.i IN (1, 2, 4, 5, 6, 11, 12, 13, 14, 15, 16, 27, 28, 29, 30, 31, 35, 36, 37, 39)
                        THEN greatest(7.5 * 0.9981, o.x * 0.977) ELSE o.x * 0.9981 END,
                   CASE WHEN is_young THEN u.x ELSE least(u.x, 3 * greatest(o.x, 2.5)) END) ORDER BY u.i)
        FROM unnest(pgslo_catalog.on_side(surprise, side, tolerated)) WITH ORDINALITY AS u (x, i)
        LEFT JOIN unnest(tolerated) WITH ORDINALITY AS m (x, i) USING (i)
        CROSS JOIN LATERAL (SELECT coalesce(m.x, 0) AS x) AS o);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.widened(float8[], float8[], integer, boolean) IS
    'Return the tolerated deviation after a batch, upwards (side 1) or downwards (-1); with little history, the largest one.';
