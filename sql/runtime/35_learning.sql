-- Learned bounds: each column of a batch in numbers, what was to be expected of them, and whether they are far from it.
-- A profile is written once, when its batch closes, with all that history says about it: judging reads one row a column.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.summary_kinds(
    OUT ordinal integer, OUT name text, OUT kind text, OUT beyond float8, OUT words text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 52
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- kind: share; log; mean, quantile and extreme in the column's own unit; count of characters; rise: a share of which only
    -- more is news; apart: a distance, likewise. beyond: how many times its largest past surprise a summary goes by nature;
    -- NULL where it is kept but not judged: extremes of a batch are mostly noise.
    VALUES
    (1, 'null', 'share', 1.25, 'null'),
    (2, 'empty', 'share', 1.25, 'empty texts'),
    (3, 'distinct', 'log', 1.75, 'different values'),
    (4, 'distinct_ratio', 'share', 1.5, 'different values per row'),
    (5, 'top', 'share', 1.5, 'the commonest value'),
    (6, 'single', 'share', 1.5, 'values that occur once'),
    (7, 'length_mean', 'length', 3, 'mean length'),
    (8, 'length_min', 'length', NULL, 'shortest length'),
    (9, 'length_max', 'length', NULL, 'greatest length'),
    (10, 'at_length_max', 'share', NULL, 'texts of the greatest length'),
    (11, 'upper', 'share', 1.25, 'capital letters'),
    (12, 'digit', 'share', 1.25, 'digits'),
    (13, 'space', 'share', 1.25, 'spaces'),
    (14, 'punctuation', 'share', 1.25, 'other characters'),
    (15, 'number', 'share', 1.25, 'numbers'),
    (16, 'time', 'share', 1.25, 'times'),
    (17, 'mean', 'mean', 6, 'mean'),
    (18, 'log_mean', 'log', 1.25, 'order of magnitude'),
    (19, 'log_deviation', 'log', 1.5, 'spread of values'),
    (20, 'minimum', 'extreme', NULL, 'minimum'),
    (21, 'p05', 'quantile', 6, '5th percentile'),
    (22, 'p25', 'quantile', 6, '25th percentile'),
    (23, 'p50', 'quantile', 6, 'median'),
    (24, 'p75', 'quantile', 6, '75th percentile'),
    (25, 'p95', 'quantile', 6, '95th percentile'),
    (26, 'maximum', 'extreme', NULL, 'maximum'),
    (27, 'zero', 'share', 1.75, 'zeros'),
    (28, 'negative', 'share', 1.25, 'negative values'),
    (29, 'whole', 'share', 1.25, 'whole numbers'),
    (30, 'tens', 'share', 2.25, 'multiples of 10'),
    (31, 'hundreds', 'share', 1.75, 'multiples of 100'),
    (32, 'decimals', 'length', 1.25, 'mean decimals'),
    (33, 'at_maximum', 'share', 1.5, 'values at the maximum'),
    (34, 'at_minimum', 'share', 1.25, 'values at the minimum'),
    (35, 'midnight', 'share', 1.25, 'times at midnight'),
    (36, 'on_hour', 'share', 1.25, 'times at full hours'),
    (37, 'on_minute', 'share', 1.25, 'times at full minutes'),
    (38, 'hour', 'mean', 1.25, 'mean hour of the day'),
    (39, 'duplicate', 'share', 1.25, 'rows that occur twice'),
    (40, 'rows', 'log', 1.25, 'rows'),
    (41, 'new_value', 'rise', 2, 'values not seen before'),
    (42, 'new_shape', 'rise', 2, 'patterns not seen before'),
    (43, 'lost', 'rise', NULL, 'usual values that are missing'),
    (44, 'largest_change', 'apart', 1.5, 'largest change of a value''s share'),
    (45, 'mix', 'apart', 2, 'mix of values'),
    (46, 'grown', 'apart', 1.5, 'growth of one value'),
    (47, 'fallen', 'apart', 1.75, 'decline of one value'),
    (48, 'shape_mix', 'apart', 1.5, 'mix of patterns'),
    (49, 'stale', 'rise', 1.75, 'values equal to those of an earlier batch'),
    (50, 'distribution', 'apart', 2.25, 'distribution of values'),
    (51, 'moved', 'apart', 3.5, 'distance that values moved'),
    (52, 'outside', 'rise', NULL, 'values outside the usual range')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summary_kinds() IS 'The numbers of a profile''s summary, and how each is judged.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summary_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT array_agg(k.name ORDER BY k.ordinal) FROM pgslo_catalog.summary_kinds() k $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summary_names() IS 'Names of the numbers in a profile''s summary, in order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.seconds_of(value text) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    part text[] := regexp_match(value COLLATE "C", '^([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,6})?))?)?$');
BEGIN
    -- The month's first day plus days cannot fail, whatever the text is: 31 February is 3 March.
    RETURN extract(epoch FROM make_date(part[1]::integer, part[2]::integer, 1)) + 86400 * (part[3]::integer - 1)
         + 3600 * coalesce(part[4]::integer, 0) + 60 * coalesce(part[5]::integer, 0) + coalesce(part[6]::float8, 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.seconds_of(text) IS 'Seconds since 1970 of a time in ISO form, read as UTC; NULL when it is none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.shares_apart(present float8, counted jsonb, usual jsonb, last_present float8, last_counted jsonb, phase_present float8, phase_counted jsonb) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- new, lost, largest change, half the sum of changes, growth, decline, noise of the sum; each against what it resembles most.
    WITH every AS MATERIALIZED (
        SELECT e.key, max(e.share) FILTER (WHERE e.of = 0) AS now, max(e.share) FILTER (WHERE e.of = 1) AS usual,
               coalesce(max(e.share) FILTER (WHERE e.of = 0), 0) AS a, coalesce(max(e.share) FILTER (WHERE e.of = 1), 0) AS b,
               coalesce(max(e.share) FILTER (WHERE e.of = 2), 0) AS c, coalesce(max(e.share) FILTER (WHERE e.of = 3), 0) AS d
        FROM (
            SELECT 0 AS of, j.key, j.value::float8 / present AS share FROM jsonb_each(counted) j
            UNION ALL SELECT 1, j.key, j.value::float8 FROM jsonb_each(usual) j
            UNION ALL SELECT 2, j.key, j.value::float8 / last_present FROM jsonb_each(last_counted) j
            UNION ALL SELECT 3, j.key, j.value::float8 / phase_present FROM jsonb_each(phase_counted) j
        ) e
        GROUP BY e.key
    )
    SELECT ARRAY[
        coalesce(sum(e.now) FILTER (WHERE e.usual IS NULL), 0),
        coalesce(sum(e.usual) FILTER (WHERE e.now IS NULL AND e.usual * present >= 3), 0),
        least(max(abs(e.a - e.b)), max(abs(e.a - e.c)), CASE WHEN phase_counted IS NOT NULL THEN max(abs(e.a - e.d)) END),
        least(sum(abs(e.a - e.b)), sum(abs(e.a - e.c)), CASE WHEN phase_counted IS NOT NULL THEN sum(abs(e.a - e.d)) END) / 2,
        greatest(max(e.now - greatest(e.b, e.c, CASE WHEN phase_counted IS NOT NULL THEN e.d END)), 0),
        greatest(max(least(e.b, e.c, CASE WHEN phase_counted IS NOT NULL THEN e.d END) - e.a), 0),
        0.4 * coalesce(sum(sqrt(e.usual * (1 - e.usual))) FILTER (WHERE e.usual < 1), 0) / sqrt(present)
    ]
    FROM every e
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shares_apart(float8, jsonb, jsonb, float8, jsonb, float8, jsonb) IS 'How the shares of values differ from the usual ones, the last batch and the last one of the same phase.';

CREATE OR REPLACE FUNCTION pgslo_catalog.grids_apart(now float8[], reference float8[], OUT distribution float8, OUT moved float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH point AS MATERIALIZED (SELECT n.x, r.x AS y, n.i FROM unnest(now) WITH ORDINALITY AS n (x, i) JOIN unnest(reference) WITH ORDINALITY AS r (x, i) USING (i)),
    step AS MATERIALIZED (
        SELECT max(a) AS a, max(b) AS b, lag(max(a), 1, 0::bigint) OVER w AS a_below, lag(max(b), 1, 0::bigint) OVER w AS b_below
        FROM (
            SELECT u.v, sum(u.a) OVER (ORDER BY u.v) AS a, sum(u.b) OVER (ORDER BY u.v) AS b
            FROM (SELECT p.x AS v, 1 AS a, 0 AS b FROM point p UNION ALL SELECT p.y, 0, 1 FROM point p) u
        ) c
        GROUP BY c.v
        WINDOW w AS (ORDER BY c.v)
    )
    SELECT (SELECT least(max(abs(s.a - s.b)), max(abs(s.a_below - s.b_below))) / 41.0 FROM step s),
           (SELECT avg(abs(p.x - p.y)) FROM point p WHERE p.i BETWEEN 2 AND 40)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.grids_apart(float8[], float8[]) IS 'The largest distance of two distributions (Kolmogorov and Smirnov''s) and how far values moved (Wasserstein''s), from their quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mixed(usual jsonb, present float8, counted jsonb, weight float8) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mixed(jsonb, float8, jsonb, float8) IS 'Usual shares of values once one more batch is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.at_place(grid float8[], place float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT grid[floor(p.x)::integer + 1] + (p.x - floor(p.x)) * (grid[ceil(p.x)::integer + 1] - grid[floor(p.x)::integer + 1])
    FROM (SELECT least(greatest(place, 0), 40) AS x) p
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.at_place(float8[], float8) IS 'The value at a place between 0 and 40 of a grid of quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.quantile_noise(grid float8[], place integer, present float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT (pgslo_catalog.at_place(grid, place + r.x) - pgslo_catalog.at_place(grid, place - r.x)) / 2
    FROM (SELECT 40 * sqrt(greatest(place / 40.0 * (1 - place / 40.0), 0.02) / present)::float8 AS x) r
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.quantile_noise(float8[], integer, float8) IS 'How far a quantile goes by chance, read off the distribution itself.';

CREATE OR REPLACE FUNCTION pgslo_catalog.describe_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, level, sampled, summary, noise, common, shapes, grid, prefix, entities)
    WITH cell AS MATERIALIZED (
        SELECT (u.i - 1) / array_length(sample, 2) AS row, (u.i - 1) % array_length(sample, 2) AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), watched AS MATERIALIZED (
        SELECT c.col, c.name, c.name = ANY (definition.key_columns) AS is_key,
               (SELECT w.kind FROM pgslo_catalog.watched_column w WHERE w.definition_id = definition.definition_id AND w.column_name = c.name) AS kind
        FROM unnest(columns) WITH ORDINALITY AS c (name, col)
    ), counted AS MATERIALIZED (
        SELECT c.col, c.value, count(*) AS n FROM cell c WHERE c.col > 0 AND c.value IS NOT NULL GROUP BY c.col, c.value
    ), known AS MATERIALIZED (
        SELECT c.col, c.value, c.n, v.number,
               CASE WHEN v.number IS NULL THEN CASE WHEN w.kind = 'time' THEN CASE WHEN v.is_number THEN c.value::float8 END ELSE pgslo_catalog.seconds_of(c.value) END END AS seconds,
               length(c.value) AS length, length(c.value) - length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '')) AS upper,
               length(c.value) - length(translate(c.value, '0123456789', '')) AS digit, length(c.value) - length(replace(c.value, ' ', '')) AS space,
               length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ', '')) AS punctuation,
               CASE WHEN c.value !~ '[eE]' THEN length(split_part(c.value, '.', 2)) ELSE 0 END AS decimals,
               regexp_replace(regexp_replace(regexp_replace(left(c.value, 24) COLLATE "C", '[a-z]+', 'a', 'g'), '[A-Z]+', 'A', 'g'), '[0-9]+', '9', 'g') AS shape
        FROM counted c
        JOIN watched w USING (col)
        CROSS JOIN LATERAL (SELECT c.value COLLATE "C" ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$' AS is_number) n
        CROSS JOIN LATERAL (SELECT CASE WHEN n.is_number AND w.kind IS DISTINCT FROM 'time' THEN c.value::float8 END AS number, n.is_number) v
    ), text_of AS MATERIALIZED (
        SELECT k.col, sum(k.n)::float8 AS present, count(*)::float8 AS distinct, max(k.n)::float8 AS top, count(*) FILTER (WHERE k.n = 1)::float8 AS single,
               coalesce(sum(k.n) FILTER (WHERE k.value = ''), 0)::float8 AS empty, sum(k.n * k.length)::float8 AS characters, sum(k.n * k.length * k.length)::float8 AS length2,
               min(k.length)::float8 AS length_min, max(k.length)::float8 AS length_max, sum(k.n * k.upper)::float8 AS upper, sum(k.n * k.digit)::float8 AS digit,
               sum(k.n * k.space)::float8 AS space, sum(k.n * k.punctuation)::float8 AS punctuation,
               coalesce(sum(k.n) FILTER (WHERE k.number IS NOT NULL), 0)::float8 AS numbers, coalesce(sum(k.n) FILTER (WHERE k.seconds IS NOT NULL), 0)::float8 AS times
        FROM known k GROUP BY k.col
    ), valued AS MATERIALIZED (
        SELECT k.col, k.n, k.decimals, t.numbers >= t.times AS is_number, round(k.seconds) AS seconds,
               CASE WHEN t.numbers >= t.times THEN k.number ELSE (k.seconds - batch.place::float8) / 3600 END AS x
        FROM known k JOIN text_of t USING (col) WHERE CASE WHEN t.numbers >= t.times THEN k.number ELSE k.seconds END IS NOT NULL
    ), number_of AS MATERIALIZED (
        SELECT v.col, bool_or(v.is_number) AS is_number, count(*)::float8 AS m, avg(v.x) AS mean, stddev_pop(v.x) AS deviation,
               percentile_cont(ARRAY[0, .025, .05, .075, .1, .125, .15, .175, .2, .225, .25, .275, .3, .325, .35, .375, .4, .425, .45, .475, .5, .525, .55, .575, .6, .625,
                                     .65, .675, .7, .725, .75, .775, .8, .825, .85, .875, .9, .925, .95, .975, 1]::float8[]) WITHIN GROUP (ORDER BY v.x) AS grid,
               avg(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_mean, stddev_pop(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_deviation, count(*) FILTER (WHERE v.x <> 0)::float8 AS not_zero,
               avg(v.decimals)::float8 AS decimals, stddev_pop(v.decimals)::float8 AS decimals_deviation,
               avg((v.x = 0)::integer)::float8 AS zero, avg((v.x < 0)::integer)::float8 AS negative, avg((v.x = round(v.x))::integer)::float8 AS whole,
               avg((v.x / 10 = round(v.x / 10))::integer)::float8 AS tens, avg((v.x / 100 = round(v.x / 100))::integer)::float8 AS hundreds,
               avg((v.seconds / 86400 = floor(v.seconds / 86400))::integer)::float8 AS midnight, avg((v.seconds / 3600 = floor(v.seconds / 3600))::integer)::float8 AS on_hour,
               avg((v.seconds / 60 = floor(v.seconds / 60))::integer)::float8 AS on_minute,
               avg((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour, stddev_pop((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour_deviation
        FROM valued v CROSS JOIN generate_series(1, v.n)
        GROUP BY v.col
    ), edge_of AS (
        SELECT v.col, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[41]), 0) / n.m AS at_maximum, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[1]), 0) / n.m AS at_minimum
        FROM valued v JOIN number_of n USING (col) GROUP BY v.col, n.m, n.grid
    ), long_of AS (
        SELECT k.col, sum(k.n) / t.present AS at_length_max FROM known k JOIN text_of t USING (col) WHERE k.length = t.length_max GROUP BY k.col, t.present
    ), common_of AS (
        SELECT c.col, jsonb_object_agg(c.value, c.n) AS common
        FROM (SELECT k.col, k.value, k.n, row_number() OVER (PARTITION BY k.col ORDER BY k.n DESC, k.value COLLATE "C") AS place FROM known k) c WHERE c.place <= 200 GROUP BY c.col
    ), shape_of AS (
        SELECT s.col, jsonb_object_agg(s.shape, s.n) AS shapes
        FROM (SELECT k.col, k.shape, sum(k.n) AS n, row_number() OVER (PARTITION BY k.col ORDER BY sum(k.n) DESC, k.shape COLLATE "C") AS place FROM known k GROUP BY k.col, k.shape) s
        WHERE s.place <= 50 GROUP BY s.col
    ), entity AS MATERIALIZED (
        SELECT e.row, e.entity, row_number() OVER (ORDER BY e.entity) AS place
        FROM (SELECT DISTINCT ON (c.value::bigint >> 32) c.row, (c.value::bigint >> 32)::integer AS entity FROM cell c WHERE c.col = 0 AND c.value IS NOT NULL ORDER BY c.value::bigint >> 32, c.row) e
        ORDER BY e.entity LIMIT 256
    ), prefix_of AS (
        SELECT c.col, array_agg(CASE WHEN c.value IS NULL THEN 0 ELSE hashtext(c.value) END ORDER BY e.place) AS prefix FROM entity e JOIN cell c USING (row) WHERE c.col > 0 GROUP BY c.col
    ), size AS (
        SELECT greatest(batch.rows, 0)::float8 AS rows, coalesce(array_length(sample, 1), 0)::float8 AS sampled
    ), told AS (
        SELECT count(*)::float8 AS rows, count(DISTINCT r.told)::float8 AS different
        FROM (SELECT string_agg(coalesce(quote_literal(c.value), 'NULL'), ',' ORDER BY c.col) AS told FROM cell c JOIN watched w USING (col) WHERE NOT w.is_key GROUP BY c.row) r
    )
    SELECT definition.definition_id, batch.name, batch.place, w.name, batch.rows,
           coalesce((describe_batch.present ->> w.name)::bigint, t.present::bigint, 0), describe_batch.level, coalesce(t.present, 0)::integer,
           ARRAY[
               CASE WHEN s.rows > 0 THEN least(greatest(1 - coalesce((describe_batch.present ->> w.name)::float8, t.present, 0) / s.rows, 0), 1) END,
               t.empty / t.present, ln(t.distinct), t.distinct / t.present, t.top / t.present, t.single / t.present,
               t.characters / t.present, t.length_min, t.length_max, g.at_length_max,
               t.upper / greatest(t.characters, 1), t.digit / greatest(t.characters, 1), t.space / greatest(t.characters, 1), t.punctuation / greatest(t.characters, 1),
               t.numbers / t.present, t.times / t.present,
               n.mean, CASE WHEN n.is_number THEN n.log_mean END, CASE WHEN n.deviation > 0 THEN ln(n.deviation) END,
               n.grid[1], n.grid[3], n.grid[11], n.grid[21], n.grid[31], n.grid[39], n.grid[41],
               CASE WHEN n.is_number THEN n.zero END, CASE WHEN n.is_number THEN n.negative END, CASE WHEN n.is_number THEN n.whole END,
               CASE WHEN n.is_number THEN n.tens END, CASE WHEN n.is_number THEN n.hundreds END, CASE WHEN n.is_number THEN n.decimals END, e.at_maximum, e.at_minimum,
               CASE WHEN NOT n.is_number THEN n.midnight END, CASE WHEN NOT n.is_number THEN n.on_hour END, CASE WHEN NOT n.is_number THEN n.on_minute END, CASE WHEN NOT n.is_number THEN n.hour END,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
           ]::float8[],
           ARRAY[
               0.5 / sqrt(greatest(s.rows, 1)), h.share, 2 * h.share, h.share, h.share, h.share,
               sqrt(greatest(t.length2 / t.present - (t.characters / t.present) ^ 2, 0) / t.present), NULL, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share,
               n.deviation / sqrt(n.m), n.log_deviation / sqrt(n.not_zero), 1 / sqrt(2 * n.m),
               pgslo_catalog.quantile_noise(n.grid, 0, n.m), pgslo_catalog.quantile_noise(n.grid, 2, n.m), pgslo_catalog.quantile_noise(n.grid, 10, n.m), pgslo_catalog.quantile_noise(n.grid, 20, n.m),
               pgslo_catalog.quantile_noise(n.grid, 30, n.m), pgslo_catalog.quantile_noise(n.grid, 38, n.m), pgslo_catalog.quantile_noise(n.grid, 40, n.m),
               h.share, h.share, h.share, h.share, h.share, n.decimals_deviation / sqrt(n.m), h.share, h.share, h.share, h.share, h.share, n.hour_deviation / sqrt(n.m),
               NULL, NULL, h.share, h.share, h.share, h.share, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share
           ]::float8[],
           coalesce(c.common, '{}'), coalesce(p.shapes, '{}'), CASE WHEN n.m > 0 THEN n.grid END, x.prefix, NULL::integer[]
    FROM watched w
    CROSS JOIN size s
    LEFT JOIN text_of t USING (col)
    LEFT JOIN number_of n USING (col)
    LEFT JOIN edge_of e USING (col)
    LEFT JOIN long_of g USING (col)
    LEFT JOIN common_of c USING (col)
    LEFT JOIN shape_of p USING (col)
    LEFT JOIN prefix_of x USING (col)
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(t.present) AS share) h
    UNION ALL
    SELECT definition.definition_id, batch.name, batch.place, '*', batch.rows, batch.rows, describe_batch.level, s.sampled::integer,
           array_fill(NULL::float8, ARRAY[38]) || ARRAY[(t.rows - t.different) / greatest(t.rows, 1), ln(greatest(s.rows, 0.1))] || array_fill(NULL::float8, ARRAY[12]),
           array_fill(NULL::float8, ARRAY[38]) || ARRAY[0.5 / sqrt(greatest(t.rows, 1)), 1 / sqrt(greatest(s.rows, 1))] || array_fill(NULL::float8, ARRAY[12]),
           '{}', '{}', NULL, NULL, (SELECT array_agg(e.entity ORDER BY e.place) FROM entity e)
    FROM size s CROSS JOIN told t
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.describe_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS 'Writes each column of a batch in numbers, from a sample of its rows.';

CREATE OR REPLACE FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Batches that are an hour apart follow the day, those that are a day apart the week.
    SELECT CASE WHEN g.gap BETWEEN 3000 AND 4200 THEN 86400 WHEN g.gap BETWEEN 77760 AND 95040 THEN 604800 END
    FROM (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (d.gap)::float8) AS gap
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = phase_of.definition_id AND p.column_name = '*' AND p.place <= phase_of.place
            ORDER BY p.place DESC LIMIT 28
        ) d
    ) g
    WHERE phase_of.place > 100000000
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.phase_of(bigint, numeric) IS 'Seconds after which batches are alike again, by how far they are apart; NULL when no such period is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $pgslo$
DECLARE
    phase numeric;
    mine pgslo_catalog.profile;
    before pgslo_catalog.profile;
    last pgslo_catalog.profile;
    same pgslo_catalog.profile;
    weight float8;
    apart float8[];
    shapes float8[];
    grid float8[];
    one record;
    scale float8;
BEGIN
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name;
    PERFORM pgslo_catalog.describe_batch(definition, batch, columns, sample, level, present);
    -- What lasts is no fault any more: after 7 missed batches in a row they are what later ones are compared with.
    UPDATE pgslo_catalog.profile p
    SET baseline = true
    FROM (
        SELECT l.column_name, array_agg(l.batch) AS batches
        FROM (
            SELECT q.column_name, q.batch, q.baseline, row_number() OVER (PARTITION BY q.column_name ORDER BY q.place DESC) AS back
            FROM pgslo_catalog.profile q
            WHERE q.definition_id = profile_batch.definition.definition_id AND q.place < profile_batch.batch.place
              AND q.batch IN (
                  SELECT b.name FROM pgslo_catalog.batch b
                  WHERE b.definition_id = profile_batch.definition.definition_id AND b.place < profile_batch.batch.place ORDER BY b.place DESC LIMIT 7)
        ) l
        GROUP BY l.column_name
        HAVING count(*) = 7 AND NOT bool_or(l.baseline)
    ) a
    WHERE p.definition_id = profile_batch.definition.definition_id AND p.column_name = a.column_name AND p.batch = ANY (a.batches);
    phase := pgslo_catalog.phase_of(definition.definition_id, batch.place);

    FOR mine IN SELECT p.* FROM pgslo_catalog.profile p WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name LOOP
        SELECT p.* INTO before FROM pgslo_catalog.profile p
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place
        ORDER BY p.place DESC LIMIT 1;
        CONTINUE WHEN before.definition_id IS NULL;

        -- What was usual before the last batch, and the last batch, make what is usual now.
        mine.usual := coalesce(before.usual, '{}');
        mine.usual_shapes := coalesce(before.usual_shapes, '{}');
        mine.usual_grid := before.usual_grid;
        mine.tolerated := before.tolerated;
        mine.learned_from := before.learned_from;
        IF before.baseline THEN
            mine.learned_from := before.learned_from + 1;
            IF before.surprise IS NOT NULL THEN
                SELECT array_agg(greatest(
                           coalesce(m.x, 0) * 0.9981,
                           CASE WHEN before.learned_from < 24 THEN coalesce(u.x, 0) ELSE least(coalesce(u.x, 0), 3 * greatest(coalesce(m.x, 0), 2.5)) END) ORDER BY u.i)
                INTO mine.tolerated
                FROM unnest(before.surprise) WITH ORDINALITY AS u (x, i)
                LEFT JOIN unnest(before.tolerated) WITH ORDINALITY AS m (x, i) USING (i);
            END IF;
            IF before.sampled > 0 AND before.column_name <> '*' THEN
                weight := greatest(1 / 7.0, 1.0 / mine.learned_from);
                mine.usual := pgslo_catalog.mixed(mine.usual, before.sampled, before.common, weight);
                mine.usual_shapes := pgslo_catalog.mixed(mine.usual_shapes, before.sampled, before.shapes, weight);
                IF before.grid IS NOT NULL THEN
                    IF mine.usual_grid IS NULL THEN
                        mine.usual_grid := before.grid || before.grid[1] || before.grid[41];
                    ELSE
                        SELECT array_agg((1 - weight) * o.x + weight * n.x ORDER BY o.i) INTO grid
                        FROM unnest(mine.usual_grid[1:41]) WITH ORDINALITY AS o (x, i) JOIN unnest(before.grid) WITH ORDINALITY AS n (x, i) USING (i);
                        mine.usual_grid := grid
                            || least(before.grid[1], mine.usual_grid[42] + 0.02 * (grid[1] - mine.usual_grid[42]))
                            || greatest(before.grid[41], mine.usual_grid[43] - 0.02 * (mine.usual_grid[43] - grid[41]));
                    END IF;
                END IF;
            END IF;
        END IF;

        IF mine.sampled > 0 AND mine.column_name <> '*' AND mine.learned_from > 0 THEN
            SELECT p.* INTO last FROM pgslo_catalog.profile p
            WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place AND p.baseline AND p.sampled > 0
            ORDER BY p.place DESC LIMIT 1;
            SELECT p.* INTO same FROM pgslo_catalog.profile p
            WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place = mine.place - phase AND p.baseline AND p.sampled > 0;
            IF last.definition_id IS NOT NULL THEN
                apart := pgslo_catalog.shares_apart(mine.sampled, mine.common, mine.usual, last.sampled, last.common, same.sampled, same.common);
                shapes := pgslo_catalog.shares_apart(mine.sampled, mine.shapes, mine.usual_shapes, last.sampled, last.shapes, same.sampled, same.shapes);
                mine.summary[41] := apart[1];
                mine.summary[42] := shapes[1];
                mine.summary[43] := apart[2];
                mine.summary[44] := apart[3];
                mine.summary[45] := apart[4];
                mine.summary[46] := apart[5];
                mine.summary[47] := apart[6];
                mine.summary[48] := shapes[4];
                mine.noise[45] := apart[7];
                IF mine.grid IS NOT NULL AND mine.usual_grid IS NOT NULL THEN
                    scale := coalesce(nullif(mine.usual_grid[39] - mine.usual_grid[3], 0), nullif(greatest(abs(mine.usual_grid[1]), abs(mine.usual_grid[41])), 0), 1);
                    SELECT min(d.distribution) AS distribution, least(min(d.moved) / scale, 1e6) AS moved INTO one
                    FROM (VALUES (mine.usual_grid[1:41]), (last.grid), (same.grid)) AS r (grid) CROSS JOIN LATERAL pgslo_catalog.grids_apart(mine.grid, r.grid) d
                    WHERE r.grid IS NOT NULL;
                    mine.summary[50] := one.distribution;
                    mine.summary[51] := one.moved;
                    mine.summary[52] := (SELECT avg((g.x < mine.usual_grid[42] OR g.x > mine.usual_grid[43])::integer) FROM unnest(mine.grid) AS g (x));
                END IF;
            END IF;
        END IF;
        UPDATE pgslo_catalog.profile p
        SET summary = mine.summary, noise = mine.noise, usual = mine.usual, usual_shapes = mine.usual_shapes, usual_grid = mine.usual_grid,
            tolerated = mine.tolerated, learned_from = mine.learned_from
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.batch = mine.batch;
    END LOOP;
    PERFORM pgslo_catalog.compare_with_earlier(definition.definition_id, batch.name, batch.place);
    PERFORM pgslo_catalog.expect(definition.definition_id, batch.name, batch.place, phase);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS 'Writes the profile of a batch, with all that history says about it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Row by row: the largest share of values equal to those of the same entities in one of the last 14 batches.
    WITH whole AS MATERIALIZED (
        SELECT p.batch, p.entities FROM pgslo_catalog.profile p
        WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.place < compare_with_earlier.place
        ORDER BY p.place DESC LIMIT 14
    ), paired AS MATERIALIZED (
        -- Positions of common entities, once a batch.
        SELECT w.batch, array_agg(m.i::integer ORDER BY m.i) AS mine, array_agg(o.i::integer ORDER BY m.i) AS others
        FROM whole w
        CROSS JOIN LATERAL unnest(w.entities) WITH ORDINALITY AS o (entity, i)
        JOIN (
            SELECT e.entity, e.i FROM pgslo_catalog.profile p CROSS JOIN LATERAL unnest(p.entities) WITH ORDINALITY AS e (entity, i)
            WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.batch = compare_with_earlier.batch
        ) m USING (entity)
        GROUP BY w.batch
    ), mine AS MATERIALIZED (
        -- With nothing added to it an array is whole in memory; else it would be read from its TOAST table again for each of its elements.
        SELECT p.column_name, p.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile p
        WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch = compare_with_earlier.batch AND p.sampled > 0 AND p.prefix IS NOT NULL
    ), theirs AS MATERIALIZED (
        SELECT p.column_name, p.batch, p.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile p
        WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch IN (SELECT w.batch FROM whole w) AND p.prefix IS NOT NULL
    ), equal AS (
        SELECT c.column_name, avg((c.prefix[x.mine] = o.prefix[x.others])::integer) FILTER (WHERE c.prefix[x.mine] <> 0 OR o.prefix[x.others] <> 0) AS share,
               count(*) FILTER (WHERE c.prefix[x.mine] <> 0 OR o.prefix[x.others] <> 0) AS compared
        FROM mine c
        CROSS JOIN paired p
        JOIN theirs o ON o.column_name = c.column_name AND o.batch = p.batch
        CROSS JOIN LATERAL unnest(p.mine, p.others) AS x (mine, others)
        GROUP BY c.column_name, p.batch
    )
    UPDATE pgslo_catalog.profile p
    SET summary[49] = coalesce(e.share, 0)
    FROM (SELECT q.column_name, max(q.share) FILTER (WHERE q.compared >= 8) AS share FROM equal q GROUP BY q.column_name) e
    WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch = compare_with_earlier.batch AND p.column_name = e.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.compare_with_earlier(bigint, text, numeric) IS 'Notes how many values of a batch are those of an earlier one, entity by entity.';

CREATE OR REPLACE FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Five predictions: the median of 28 batches, the last one, the last and the median of four of the same phase, the last with its trend.
    -- The closest counts: a batch that any of them foresaw is no surprise.
    WITH mine AS MATERIALIZED (
        SELECT p.column_name, p.summary, p.noise, p.sampled, p.rows, p.level FROM pgslo_catalog.profile p
        WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.learned_from >= 10
    ), past AS MATERIALIZED (
        SELECT m.column_name, h.summary, h.noise, h.back, NULL::integer AS turn, h.level = m.level AS alike
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT p.summary, p.noise, p.level, row_number() OVER (ORDER BY p.place DESC) AS back FROM pgslo_catalog.profile p
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.place < expect.place AND p.baseline
            ORDER BY p.place DESC LIMIT 28
        ) h
        UNION ALL
        SELECT m.column_name, p.summary, NULL, NULL, t.turn, NULL
        FROM mine m
        CROSS JOIN generate_series(1, 4) AS t (turn)
        JOIN pgslo_catalog.profile p ON p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.place = expect.place - t.turn * expect.phase
             AND p.place BETWEEN expect.place - 4 * expect.phase AND expect.place AND p.baseline
    ), number AS MATERIALIZED (
        SELECT h.column_name, u.i, h.back, h.turn, h.noise[u.i] AS noise,
               CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.x, 0), 1))) ELSE u.x END AS x
        FROM past h
        CROSS JOIN LATERAL unnest(h.summary) WITH ORDINALITY AS u (x, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        WHERE u.x IS NOT NULL
    ), trend AS MATERIALIZED (
        SELECT d.column_name, d.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY d.step) AS step
        FROM (SELECT n.column_name, n.i, n.x - lead(n.x) OVER (PARTITION BY n.column_name, n.i ORDER BY n.back) AS step FROM number n WHERE n.back <= 8) d
        GROUP BY d.column_name, d.i
    ), predicted AS MATERIALIZED (
        SELECT n.column_name, n.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.back IS NOT NULL) AS median,
               max(n.x) FILTER (WHERE n.back = 1) AS last, max(n.x) FILTER (WHERE n.turn = 1) AS same,
               CASE WHEN count(n.turn) = 4 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.turn IS NOT NULL) END AS same_median,
               coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY n.noise) FILTER (WHERE n.noise IS NOT NULL), 0) AS noise
        FROM number n
        GROUP BY n.column_name, n.i
    ), sampled_alike AS MATERIALIZED (
        SELECT h.column_name, avg(h.alike::integer) > 0.7 AS alike FROM past h GROUP BY h.column_name
    ), deviation AS MATERIALIZED (
        SELECT p.column_name, exp(p.median) AS typical FROM predicted p WHERE p.i = 19
    ), told AS (
        SELECT m.column_name, k.ordinal, k.kind, c.prediction, p.median, v.x, w.spread, f.size, m.summary[k.ordinal] AS share
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        JOIN predicted p ON p.column_name = m.column_name AND p.i = k.ordinal
        LEFT JOIN trend t ON t.column_name = m.column_name AND t.i = k.ordinal
        LEFT JOIN deviation d ON d.column_name = m.column_name
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(m.summary[k.ordinal], 0), 1))) ELSE m.summary[k.ordinal] END AS x) v
        CROSS JOIN LATERAL (
            SELECT r.prediction FROM (VALUES (p.median), (p.last), (p.same), (p.same_median), (p.last + t.step)) AS r (prediction)
            WHERE r.prediction IS NOT NULL
            ORDER BY CASE WHEN k.kind IN ('rise', 'apart') THEN greatest(v.x - r.prediction, 0) ELSE abs(v.x - r.prediction) END LIMIT 1
        ) c
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN k.name = 'rows' THEN greatest(0.3 * m.noise[40], 0.02)
                ELSE greatest(p.noise, m.noise[k.ordinal], CASE k.kind
                    WHEN 'length' THEN CASE WHEN k.name = 'decimals' THEN 0.02 ELSE 0.25 END
                    WHEN 'mean' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'quantile' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'extreme' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    ELSE 0.02 END)
                END AS spread
        ) w
        -- Shares: three rows and three percent at least, or it is not told.
        CROSS JOIN LATERAL (SELECT greatest(CASE WHEN k.name = 'duplicate' THEN 1.5 ELSE 2.5 END / greatest(m.rows, 1), 0.025) AS size) f
        JOIN sampled_alike a ON a.column_name = m.column_name
        WHERE m.summary[k.ordinal] IS NOT NULL
          -- What depends on the size of the sample compares with samples of the same part only.
          AND (a.alike OR k.ordinal <> ALL (ARRAY[3, 4, 5, 6, 8, 9, 10, 20, 26, 33, 34, 41, 43, 44, 45, 46, 47, 49, 52]))
    ), surprised AS MATERIALIZED (
        SELECT t.column_name, t.ordinal, t.prediction, t.spread,
               CASE
                   WHEN t.kind IN ('share', 'rise') AND abs(t.share - sin(least(greatest(t.prediction, 0), 1.5707963)) ^ 2) < t.size THEN 0
                   WHEN t.ordinal = 40 AND abs(t.x - t.prediction) < 0.18 THEN 0
                   WHEN t.kind IN ('rise', 'apart') THEN greatest(t.x - t.prediction, 0) / t.spread
                   ELSE abs(t.x - t.prediction) / t.spread
               END AS surprise
        FROM told t
    )
    UPDATE pgslo_catalog.profile p
    SET expected = a.expected, spread = a.spread, surprise = a.surprise
    FROM (
        SELECT m.column_name, array_agg(s.prediction ORDER BY k.ordinal) AS expected, array_agg(s.spread ORDER BY k.ordinal) AS spread, array_agg(s.surprise ORDER BY k.ordinal) AS surprise
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        LEFT JOIN surprised s ON s.column_name = m.column_name AND s.ordinal = k.ordinal
        GROUP BY m.column_name
    ) a
    WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.column_name = a.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.expect(bigint, text, numeric, numeric) IS 'Notes what history foresaw of each number of a batch, and how far off it is.';

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

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $pgslo$
    WITH mine AS (
        -- The first weeks know little: bounds are wider until there are 60 batches.
        SELECT p.column_name, p.learned_from, p.surprise, p.tolerated, p.expected, p.spread, p.summary, p.place,
               1.6 * sqrt(greatest(1, 60.0 / greatest(p.learned_from, 1))) / coalesce(d.sensitivity, 1) AS wide
        FROM pgslo_catalog.profile p
        JOIN pgslo_catalog.definition d ON d.definition_id = p.definition_id
        WHERE p.definition_id = judge_learned.definition_id AND p.batch = judge_learned.batch
    ), worst AS (
        SELECT DISTINCT ON (m.column_name) m.column_name, k.name, k.kind, k.words, m.summary[k.ordinal] AS value, m.expected[k.ordinal] AS expected,
               b.bound * m.spread[k.ordinal] AS reach, m.surprise[k.ordinal] / b.bound AS score
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        CROSS JOIN LATERAL (
            SELECT m.wide * CASE WHEN m.tolerated[k.ordinal] >= 1 THEN k.beyond * greatest(m.tolerated[k.ordinal], 2.5) ELSE 2.5 END AS bound
        ) b
        WHERE m.learned_from >= 21 AND k.beyond IS NOT NULL AND m.surprise[k.ordinal] IS NOT NULL
        ORDER BY m.column_name, m.surprise[k.ordinal] / b.bound DESC, k.ordinal
    ), bound AS (
        SELECT w.*,
               CASE WHEN w.kind IN ('rise', 'apart') THEN NULL WHEN w.kind = 'share' THEN sin(greatest(w.expected - w.reach, 0)) ^ 2
                    WHEN w.name IN ('rows', 'distinct', 'log_mean', 'log_deviation') THEN exp(greatest(w.expected - w.reach, -300)) ELSE w.expected - w.reach END AS least,
               CASE WHEN w.kind IN ('share', 'rise') THEN sin(least(w.expected + w.reach, 1.5707963)) ^ 2
                    WHEN w.kind = 'log' THEN exp(least(w.expected + w.reach, 300)) ELSE w.expected + w.reach END AS most,
               CASE WHEN w.kind = 'log' THEN exp(least(w.value, 300)) ELSE w.value END AS shown
        FROM worst w
    )
    SELECT m.column_name,
           CASE WHEN b.score IS NULL THEN 'unknown' WHEN b.score >= 1 THEN 'missed' ELSE 'met' END,
           b.shown, b.least, b.most, b.score,
           CASE
               WHEN b.score IS NULL THEN format('%s batches known, 21 are needed', m.learned_from)
               ELSE format('%s: %s; %s expected', b.words, pgslo_catalog.amount(b.shown, b.kind),
                   CASE WHEN b.least IS NULL THEN 'at most ' || pgslo_catalog.amount(b.most, b.kind)
                        WHEN pgslo_catalog.amount(b.least, b.kind) = pgslo_catalog.amount(b.most, b.kind) THEN pgslo_catalog.amount(b.least, b.kind)
                        ELSE pgslo_catalog.amount(b.least, b.kind) || ' to ' || pgslo_catalog.amount(b.most, b.kind) END)
           END
    FROM mine m
    LEFT JOIN bound b USING (column_name)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_learned(bigint, text, numeric) IS 'Judges each column of a batch by what its history foresaw; column * is the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A false alarm belongs to what is compared with, and as much surprise is tolerated from now on.
    UPDATE pgslo_catalog.profile p
    SET baseline = true,
        tolerated = (SELECT array_agg(greatest(coalesce(m.x, 0), coalesce(u.x, 0)) ORDER BY u.i)
                     FROM unnest(p.surprise) WITH ORDINALITY AS u (x, i) LEFT JOIN unnest(p.tolerated) WITH ORDINALITY AS m (x, i) USING (i))
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = learn_from.incident.rule_id AND r.kind = 'learned' AND learn_from.incident.resolution = 'false_alarm'
      AND p.definition_id = learn_from.incident.definition_id AND p.column_name = coalesce(r.columns[1], '*') AND NOT p.baseline
      AND p.place >= learn_from.incident.opened_place AND p.place <= coalesce(learn_from.incident.resolved_place, 'Infinity')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learn_from(pgslo_catalog.incident) IS 'Widens learned bounds after an incident that was resolved as a false alarm.';

CREATE OR REPLACE VIEW pgslo.measured_precision AS
SELECT d.name AS definition, r.name AS rule, r.columns,
       count(*) FILTER (WHERE i.resolution = 'real') AS real,
       count(*) FILTER (WHERE i.resolution = 'false_alarm') AS false_alarms,
       round(count(*) FILTER (WHERE i.resolution = 'real')::numeric / count(*), 3) AS precision
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.rule r USING (rule_id)
JOIN pgslo_catalog.definition d ON d.definition_id = i.definition_id
WHERE i.resolution IN ('real', 'false_alarm')
GROUP BY d.name, r.name, r.columns;
COMMENT ON VIEW pgslo.measured_precision IS 'How often a rule''s incidents were real, of those that somebody resolved as real or as false alarm.';
