-- Profiles: each column of a batch in numbers, told from a sample of its rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.least_batches() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 21 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.least_batches() IS 'How many batches have to be known before bounds are told: three weeks of days.';

CREATE OR REPLACE FUNCTION pgslo_catalog.enough_batches() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 300 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.enough_batches() IS 'How many batches have to be known before bounds are no wider than they stay.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Dates reach farther than time stamps do.
    SELECT CASE
        WHEN holidays = '{}' OR abs(place) > 100000000000 THEN false
        ELSE (SELECT to_char(d.day, 'YYYY-MM-DD') = ANY (holidays) OR to_char(d.day, 'MM-DD') = ANY (holidays)
              FROM (SELECT to_timestamp(place::float8) AT TIME ZONE 'UTC' AS day) d)
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_holiday(text[], numeric) IS 'Whether a batch, by its place in seconds since 1970, is of one of these days in UTC.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summary_kinds(
    OUT ordinal integer, OUT name text, OUT kind text, OUT beyond float8, OUT words text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 55
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
    (5, 'top', 'share', 1.25, 'the commonest value'),
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
    (19, 'log_deviation', 'log', 1.75, 'spread of values'),
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
    (30, 'tens', 'share', 1.75, 'multiples of 10'),
    (31, 'hundreds', 'share', 1.75, 'multiples of 100'),
    (32, 'decimals', 'length', 1.1, 'mean decimals'),
    (33, 'at_maximum', 'rise', 1.5, 'values at the maximum'),
    (34, 'at_minimum', 'rise', 1.75, 'values at the minimum'),
    (35, 'midnight', 'share', 1.25, 'times at midnight'),
    (36, 'on_hour', 'share', 1.25, 'times at full hours'),
    (37, 'on_minute', 'share', 1.25, 'times at full minutes'),
    (38, 'hour', 'mean', 1.25, 'mean hour of the day'),
    (39, 'duplicate', 'share', 1.25, 'rows that occur twice'),
    (40, 'rows', 'log', 1.1, 'rows'),
    (41, 'new_value', 'rise', 2, 'values not seen before'),
    (42, 'new_shape', 'rise', 1.5, 'patterns not seen before'),
    (43, 'lost', 'rise', NULL, 'usual values that are missing'),
    (44, 'largest_change', 'apart', 1.5, 'largest change of a value''s share'),
    (45, 'mix', 'apart', 2, 'mix of values'),
    (46, 'grown', 'apart', 1.5, 'growth of one value'),
    (47, 'fallen', 'apart', 1.75, 'decline of one value'),
    (48, 'shape_mix', 'apart', 1.5, 'mix of patterns'),
    (49, 'stale', 'rise', 1.5, 'values equal to those of an earlier batch'),
    (50, 'distribution', 'apart', 2.25, 'distribution of values'),
    (51, 'moved', 'apart', 3, 'distance that values moved'),
    (52, 'outside', 'rise', NULL, 'values outside the usual range'),
    (53, 'steps', 'apart', 1.5, 'steps from what may follow'),
    (54, 'before_batch', 'rise', 1.5, 'times before their batch'),
    (55, 'after_batch', 'rise', 1.5, 'times after their batch')
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
    part text[] := regexp_match(value COLLATE "C", E'^([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\\.[0-9]{1,6})?))?)?$');
BEGIN
    -- The month's first day plus days cannot fail, whatever the text is: 31 February is 3 March.
    RETURN extract(epoch FROM make_date(part[1]::integer, part[2]::integer, 1)) + 86400 * (part[3]::integer - 1)
         + 3600 * coalesce(part[4]::integer, 0) + 60 * coalesce(part[5]::integer, 0) + coalesce(part[6]::float8, 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.seconds_of(text) IS 'Seconds since 1970 of a time in ISO form, read as UTC; NULL when it is none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.number_of(value text) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- At most 100 digits and an exponent of two are within the range of float8.
    IF length(number_of.value) <= 100 AND number_of.value !~ '[eE][+-]?[0-9]{3}' THEN
        RETURN number_of.value::float8;
    END IF;
    RETURN pgslo_catalog.float_of(number_of.value::numeric);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.number_of(text) IS
    'Return a decimal number with at most three digits of exponent; beyond 1e250 the bound, below 1e-250 zero. Never fails.';

CREATE OR REPLACE FUNCTION pgslo_catalog.at_place(grid float8[], place float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    x float8 := least(greatest(at_place.place, 0), 40);
    low float8 := at_place.grid[floor(x)::integer + 1];
BEGIN
    RETURN low + (x - floor(x)) * (at_place.grid[ceil(x)::integer + 1] - low);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.at_place(float8[], float8) IS 'The value at a place between 0 and 40 of a grid of quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.quantile_noise(grid float8[], place integer, present float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    share float8 := quantile_noise.place / 40.0;
    x float8 := 40 * sqrt(greatest(share * (1 - share), 0.02) / quantile_noise.present);
BEGIN
    RETURN (pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place + x)
        - pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place - x)) / 2;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.quantile_noise(float8[], integer, float8) IS 'How far a quantile goes by chance, read off the distribution itself.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hours_of(definition pgslo_catalog.definition, place numeric) RETURNS float8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF (hours_of.definition).batch_every IS NOT NULL THEN
        RETURN extract(epoch FROM (hours_of.definition).batch_every) / 3600;
    END IF;
    -- Dates do not say whether they stand for a day, a week or a month: the usual time from one batch to the next does.
    RETURN (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) / 3600
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = (hours_of.definition).definition_id AND p.column_name = '*' AND p.place < hours_of.place
            ORDER BY p.place DESC LIMIT 29
        ) d
        HAVING count(d.gap) >= 8);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hours_of(pgslo_catalog.definition, numeric) IS 'How many hours a batch stands for; NULL while that is not known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.describe_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, level, sampled, summary, noise, common, shapes, grid, prefix, entities)
    WITH cell AS MATERIALIZED (
        SELECT (u.i - 1) / array_length(sample, 2) AS row, (u.i - 1) % array_length(sample, 2) AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), watched AS MATERIALIZED (
        SELECT c.col, c.name, c.name = ANY (definition.key_columns) AS is_key, k.kind, k.kind IS DISTINCT FROM 'presence' AS is_told
        FROM unnest(columns) WITH ORDINALITY AS c (name, col)
        CROSS JOIN LATERAL (
            SELECT (SELECT w.kind FROM pgslo_catalog.watched_column w WHERE w.definition_id = definition.definition_id AND w.column_name = c.name) AS kind
        ) k
    ), counted AS MATERIALIZED (
        SELECT c.col, c.value, count(*) AS n FROM cell c WHERE c.col > 0 AND c.value IS NOT NULL GROUP BY c.col, c.value
    ), known AS MATERIALIZED (
        SELECT c.col, c.value, c.n, v.number,
               CASE WHEN v.number IS NULL THEN CASE WHEN w.kind = 'time' THEN CASE WHEN v.is_number THEN pgslo_catalog.number_of(c.value) END ELSE pgslo_catalog.seconds_of(c.value) END END AS seconds,
               length(c.value) AS length, length(c.value) - length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '')) AS upper,
               length(c.value) - length(translate(c.value, '0123456789', '')) AS digit, length(c.value) - length(replace(c.value, ' ', '')) AS space,
               length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ', '')) AS punctuation,
               CASE WHEN c.value !~ '[eE]' THEN length(split_part(c.value, '.', 2)) ELSE 0 END AS decimals,
               regexp_replace(regexp_replace(regexp_replace(left(c.value, 24) COLLATE "C", '[a-z]+', 'a', 'g'), '[A-Z]+', 'A', 'g'), '[0-9]+', '9', 'g') AS shape
        FROM counted c
        JOIN watched w USING (col)
        CROSS JOIN LATERAL (SELECT c.value COLLATE "C" ~ E'^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$' AS is_number) n
        CROSS JOIN LATERAL (SELECT CASE WHEN n.is_number AND w.kind IS DISTINCT FROM 'time' THEN pgslo_catalog.number_of(c.value) END AS number, n.is_number) v
    ), text_of AS MATERIALIZED (
        SELECT k.col, sum(k.n)::float8 AS present, count(*)::float8 AS distinct, max(k.n)::float8 AS top, count(*) FILTER (WHERE k.n = 1)::float8 AS single,
               coalesce(sum(k.n) FILTER (WHERE k.value = ''), 0)::float8 AS empty, sum(k.n * k.length)::float8 AS characters, sum(k.n * k.length * k.length)::float8 AS length2,
               min(k.length)::float8 AS length_min, max(k.length)::float8 AS length_max, sum(k.n * k.upper)::float8 AS upper, sum(k.n * k.digit)::float8 AS digit,
               sum(k.n * k.space)::float8 AS space, sum(k.n * k.punctuation)::float8 AS punctuation,
               coalesce(sum(k.n) FILTER (WHERE k.number IS NOT NULL), 0)::float8 AS numbers, coalesce(sum(k.n) FILTER (WHERE k.seconds IS NOT NULL), 0)::float8 AS times
        FROM known k GROUP BY k.col
    ), valued AS MATERIALIZED (
        SELECT k.col, k.n, k.decimals, t.numbers >= t.times AS is_number, round(k.seconds) AS seconds, v.x,
               -- Squares and quotients of these do not overflow.
               CASE WHEN abs(v.x) < 1e-100 THEN 0 ELSE least(greatest(v.x, -1e100), 1e100) END AS near
        FROM known k
        JOIN text_of t USING (col)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN t.numbers >= t.times THEN k.number
                        ELSE (k.seconds - least(greatest(batch.place, -1e12), 1e12)::float8) / 3600 END AS x
        ) v
        WHERE v.x IS NOT NULL
    ), span AS MATERIALIZED (
        SELECT pgslo_catalog.hours_of(definition, batch.place) AS hours
    ), number_of AS MATERIALIZED (
        SELECT v.col, bool_or(v.is_number) AS is_number, count(*)::float8 AS m, avg(v.near) AS mean, stddev_pop(v.near) AS deviation,
               percentile_cont(ARRAY[0, .025, .05, .075, .1, .125, .15, .175, .2, .225, .25, .275, .3, .325, .35, .375, .4, .425, .45, .475, .5, .525, .55, .575, .6, .625,
                                     .65, .675, .7, .725, .75, .775, .8, .825, .85, .875, .9, .925, .95, .975, 1]::float8[]) WITHIN GROUP (ORDER BY v.x) AS grid,
               avg(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_mean, stddev_pop(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_deviation, count(*) FILTER (WHERE v.x <> 0)::float8 AS not_zero,
               avg(v.decimals)::float8 AS decimals, stddev_pop(v.decimals)::float8 AS decimals_deviation,
               avg((v.x = 0)::integer)::float8 AS zero, avg((v.x < 0)::integer)::float8 AS negative, avg((v.x >= s.hours)::integer)::float8 AS after, avg((v.x = round(v.x))::integer)::float8 AS whole,
               avg((v.x / 10 = round(v.x / 10))::integer)::float8 AS tens, avg((v.x / 100 = round(v.x / 100))::integer)::float8 AS hundreds,
               avg((v.seconds / 86400 = floor(v.seconds / 86400))::integer)::float8 AS midnight, avg((v.seconds / 3600 = floor(v.seconds / 3600))::integer)::float8 AS on_hour,
               avg((v.seconds / 60 = floor(v.seconds / 60))::integer)::float8 AS on_minute,
               avg((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour, stddev_pop((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour_deviation
        FROM valued v CROSS JOIN span s CROSS JOIN generate_series(1, v.n)
        GROUP BY v.col
    ), edge_of AS (
        SELECT v.col, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[41]), 0) / n.m AS at_maximum, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[1]), 0) / n.m AS at_minimum
        FROM valued v JOIN number_of n USING (col) GROUP BY v.col, n.m, n.grid
    ), long_of AS (
        SELECT k.col, sum(k.n) / t.present AS at_length_max FROM known k JOIN text_of t USING (col) WHERE k.length = t.length_max GROUP BY k.col, t.present
    ), common_of AS (
        SELECT c.col, jsonb_object_agg(left(c.value, 100), c.n) AS common
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
    ), different_row AS MATERIALIZED (
        SELECT count(*) AS n, hashtext(r.told) AS hash
        FROM (
            -- What the job itself writes, such as the number of a load or its time, is the same in all rows, and new in a copy.
            SELECT string_agg(CASE WHEN t.distinct = 1 AND t.present = z.sampled THEN '' ELSE coalesce(quote_literal(c.value), 'NULL') END, ',' ORDER BY c.col) AS told
            FROM cell c JOIN watched w USING (col) LEFT JOIN text_of t USING (col) CROSS JOIN size z
            WHERE NOT w.is_key AND w.is_told GROUP BY c.row
        ) r
        GROUP BY r.told
    ), told AS (
        SELECT coalesce(sum(d.n), 0)::float8 AS rows, count(*)::float8 AS different, count(*) FILTER (WHERE d.n = 1)::float8 AS once FROM different_row d
    ), told_prefix AS (
        -- The rows of least hash are the same ones in every batch that has them.
        SELECT array_agg(d.hash ORDER BY d.hash) AS prefix FROM (SELECT DISTINCT r.hash FROM different_row r ORDER BY r.hash LIMIT 256) d
    )
    SELECT definition.definition_id, batch.name, batch.place, w.name, batch.rows,
           coalesce((describe_batch.present ->> w.name)::bigint, t.present::bigint, 0), describe_batch.level, coalesce(t.present, 0)::integer,
           ARRAY[
               CASE WHEN s.rows > 0 THEN least(greatest(1 - coalesce((describe_batch.present ->> w.name)::float8, t.present, 0) / s.rows, 0), 1) END,
               v.empty / v.present, ln(v.distinct), v.distinct / v.present, v.top / v.present, v.single / v.present,
               v.characters / v.present, v.length_min, v.length_max, g.at_length_max,
               v.upper / greatest(v.characters, 1), v.digit / greatest(v.characters, 1), v.space / greatest(v.characters, 1), v.punctuation / greatest(v.characters, 1),
               v.numbers / v.present, v.times / v.present,
               n.mean, CASE WHEN n.is_number THEN n.log_mean END, CASE WHEN n.deviation > 0 THEN ln(n.deviation) END,
               q.near[1], q.near[3], q.near[11], q.near[21], q.near[31], q.near[39], q.near[41],
               CASE WHEN n.is_number THEN n.zero END, CASE WHEN n.is_number THEN n.negative END, CASE WHEN n.is_number THEN n.whole END,
               CASE WHEN n.is_number THEN n.tens END, CASE WHEN n.is_number THEN n.hundreds END, CASE WHEN n.is_number THEN n.decimals END,
               CASE WHEN n.deviation > 0 THEN e.at_maximum END, CASE WHEN n.deviation > 0 THEN e.at_minimum END,
               CASE WHEN NOT n.is_number THEN n.midnight END, CASE WHEN NOT n.is_number THEN n.on_hour END, CASE WHEN NOT n.is_number THEN n.on_minute END, CASE WHEN NOT n.is_number THEN n.hour END,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               CASE WHEN NOT n.is_number AND batch.place > 100000000 THEN n.negative END, CASE WHEN NOT n.is_number AND batch.place > 100000000 THEN n.after END
           ]::float8[],
           ARRAY[
               0.5 / sqrt(greatest(s.rows, 1)), h.share, 2 * h.share, h.share, h.share, h.share,
               sqrt(greatest(t.length2 / t.present - (t.characters / t.present) ^ 2, 0) / t.present), NULL, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share,
               -- Few values that are equal have noise as well.
               n.deviation / sqrt(n.m), greatest(n.log_deviation, 0.25) / sqrt(nullif(n.not_zero, 0)), 1 / sqrt(2 * n.m),
               pgslo_catalog.quantile_noise(q.near, 0, n.m), pgslo_catalog.quantile_noise(q.near, 2, n.m), pgslo_catalog.quantile_noise(q.near, 10, n.m), pgslo_catalog.quantile_noise(q.near, 20, n.m),
               pgslo_catalog.quantile_noise(q.near, 30, n.m), pgslo_catalog.quantile_noise(q.near, 38, n.m), pgslo_catalog.quantile_noise(q.near, 40, n.m),
               j.share, j.share, j.share, j.share, j.share, n.decimals_deviation / sqrt(n.m), j.share, j.share, j.share, j.share, j.share, n.hour_deviation / sqrt(n.m),
               NULL, NULL, h.share, h.share, h.share, h.share, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share, NULL, j.share, j.share
           ]::float8[],
           coalesce(c.common, '{}'), coalesce(p.shapes, '{}'), CASE WHEN n.m > 0 THEN n.grid END, x.prefix, NULL::integer[]
    FROM watched w
    CROSS JOIN size s
    LEFT JOIN text_of t USING (col)
    LEFT JOIN number_of n USING (col)
    LEFT JOIN edge_of e USING (col)
    -- Of values that are not in the sample nothing is told but whether there is one.
    LEFT JOIN text_of v ON v.col = w.col AND w.is_told
    LEFT JOIN long_of g ON g.col = w.col AND w.is_told
    LEFT JOIN common_of c ON c.col = w.col AND w.is_told
    LEFT JOIN shape_of p ON p.col = w.col AND w.is_told
    LEFT JOIN prefix_of x ON x.col = w.col AND w.is_told
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(t.present) AS share) h
    -- Of numbers and times chance goes by how many of them there are, not by all values.
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(n.m) AS share) j
    CROSS JOIN LATERAL (
        SELECT array_agg(CASE WHEN abs(g.x) < 1e-100 THEN 0 ELSE least(greatest(g.x, -1e100), 1e100) END ORDER BY g.i) AS near
        FROM unnest(n.grid) WITH ORDINALITY AS g (x, i)
    ) q
    UNION ALL
    SELECT definition.definition_id, batch.name, batch.place, '*', batch.rows, batch.rows, describe_batch.level, s.sampled::integer,
           array_fill(NULL::float8, ARRAY[5]) || t.once / nullif(t.rows, 0) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[(t.rows - t.different) / nullif(t.rows, 0), ln(greatest(s.rows, 0.1))] || array_fill(NULL::float8, ARRAY[12]),
           array_fill(NULL::float8, ARRAY[5]) || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[0.5 / sqrt(greatest(t.rows, 1)), 1 / sqrt(greatest(s.rows, 1))] || array_fill(NULL::float8, ARRAY[8])
               || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[3]),
           '{}', '{}', NULL, d.prefix, (SELECT array_agg(e.entity ORDER BY e.place) FROM entity e)
    FROM size s CROSS JOIN told t CROSS JOIN told_prefix d
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.describe_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS 'Writes each column of a batch in numbers, from a sample of its rows.';
