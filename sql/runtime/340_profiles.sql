-- Profiles: numbers about each column of a batch, computed from a sample of its rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.describe_batch(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint,
    present jsonb
) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.profile (
        definition_id, batch, place, column_name, base, rows, present, level, sampled, summary, noise, common, shapes, grid, prefix, entities)
    WITH cell AS MATERIALIZED (
        SELECT (u.i - 1) / array_length(sample, 2) AS row, (u.i - 1) % array_length(sample, 2) AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), watched AS MATERIALIZED (
        SELECT c.col, c.name, c.name = ANY (definition.key_columns) AS is_key, k.kind, coalesce(k.kind NOT IN ('presence', 'parts', 'json'), true) AS is_told,
               -- For paths into values, only the sample has the number of rows with a value.
               coalesce(k.base, b.part ->> 'of') AS base, coalesce((b.part ->> 'rows')::bigint, batch.rows) AS rows,
               coalesce(b.part ->> 'present', describe_batch.present ->> c.name)::bigint AS present
        FROM unnest(columns) WITH ORDINALITY AS c (name, col)
        CROSS JOIN LATERAL (
            SELECT max(w.kind) AS kind, max(w.base) AS base
            FROM pgslo_catalog.watched_column w WHERE w.definition_id = definition.definition_id AND w.column_name = c.name
        ) k
        CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(describe_batch.present -> c.name) WHEN 'object' THEN describe_batch.present -> c.name END AS part) b
    ), counted AS MATERIALIZED (
        SELECT c.col, c.value, count(*) AS n FROM cell c WHERE c.col > 0 AND c.value IS NOT NULL GROUP BY c.col, c.value
    ), known AS MATERIALIZED (
        -- Numbers like 12, -12, 1.5 and -1.5 are recognized without a regular expression. OFFSET 0: each step runs once.
        SELECT r.col, r.value, r.n, r.number,
               CASE
                   WHEN r.number IS NOT NULL THEN NULL
                   WHEN r.kind = 'time' THEN CASE WHEN r.is_number THEN pgslo_catalog.number_of(r.value) END
                   -- As all times in ISO form begin.
                   WHEN left(r.value, 1) IN ('1', '2') THEN pgslo_catalog.seconds_of(r.value)
               END AS seconds,
               r.length, CASE WHEN r.is_plain THEN 0 ELSE r.length - length(translate(r.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '')) END AS upper,
               r.length - CASE WHEN r.is_plain THEN r.signs ELSE length(r.rest) END AS digit,
               CASE WHEN r.is_plain THEN 0 ELSE r.length - length(replace(r.value, ' ', '')) END AS space,
               CASE WHEN r.is_plain THEN r.signs
                    ELSE length(translate(r.rest, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ', '')) END AS punctuation,
               CASE WHEN r.is_plain THEN CASE WHEN r.dot > 0 THEN r.length - r.dot ELSE 0 END
                    WHEN r.value !~ '[eE]' THEN length(split_part(r.value, '.', 2)) ELSE 0 END AS decimals,
               CASE WHEN r.is_plain AND r.length <= 24 THEN
                        CASE WHEN r.dot = 0 THEN CASE r.signs WHEN 0 THEN '9' ELSE '-9' END
                             WHEN r.dot = r.signs THEN CASE r.signs WHEN 1 THEN '.9' ELSE '-.9' END
                             WHEN r.dot = r.length THEN CASE r.signs WHEN 1 THEN '9.' ELSE '-9.' END
                             ELSE CASE r.signs WHEN 1 THEN '9.9' ELSE '-9.9' END END
                    ELSE regexp_replace(regexp_replace(regexp_replace(left(r.value, 24) COLLATE "C", '[a-z]+', 'a', 'g'), '[A-Z]+', 'A', 'g'),
                                        '[0-9]+', '9', 'g') END AS shape
        FROM (
            SELECT n.*, CASE WHEN n.kind IS DISTINCT FROM 'time' THEN
                                 CASE WHEN n.is_plain AND n.length <= 100 THEN n.value::float8
                                      WHEN n.is_number THEN pgslo_catalog.number_of(n.value) END END AS number
            FROM (
                -- Of plain ones the place of the point, and how many characters are not digits.
                SELECT p.*, CASE WHEN p.is_plain AND p.rest IN ('.', '-.') THEN strpos(p.value, '.') ELSE 0 END AS dot, octet_length(p.rest) AS signs,
                       p.is_plain OR p.value COLLATE "C" ~ E'^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$' AS is_number
                FROM (
                    SELECT l.*, CASE WHEN l.rest IN ('', '.') THEN l.length > length(l.rest)
                                     WHEN l.rest IN ('-', '-.') THEN l.length > length(l.rest) AND left(l.value, 1) = '-'
                                     ELSE false END AS is_plain
                    FROM (
                        SELECT c.col, c.value, c.n, w.kind, length(c.value) AS length, translate(c.value, '0123456789', '') AS rest
                        FROM counted c JOIN watched w USING (col) OFFSET 0
                    ) l OFFSET 0
                ) p OFFSET 0
            ) n OFFSET 0
        ) r
    ), text_of AS MATERIALIZED (
        SELECT k.col, sum(k.n)::float8 AS present, count(*)::float8 AS distinct, max(k.n)::float8 AS top, count(*) FILTER (WHERE k.n = 1)::float8 AS single,
               coalesce(sum(k.n) FILTER (WHERE k.value = ''), 0)::float8 AS empty, sum(k.n * k.length)::float8 AS characters,
               sum(k.n * k.length * k.length)::float8 AS length2,
               min(k.length)::float8 AS length_min, max(k.length)::float8 AS length_max, sum(k.n * k.upper)::float8 AS upper,
               sum(k.n * k.digit)::float8 AS digit,
               sum(k.n * k.space)::float8 AS space, sum(k.n * k.punctuation)::float8 AS punctuation,
               coalesce(sum(k.n) FILTER (WHERE k.number IS NOT NULL), 0)::float8 AS numbers,
               coalesce(sum(k.n) FILTER (WHERE k.seconds IS NOT NULL), 0)::float8 AS times
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
               percentile_cont(ARRAY[0, .025, .05, .075, .1, .125, .15, .175, .2, .225, .25, .275, .3, .325, .35, .375, .4, .425, .45, .475, .5,
                                     .525, .55, .575, .6, .625, .65, .675, .7, .725, .75, .775, .8, .825, .85, .875, .9, .925, .95, .975, 1]::float8[])
                   WITHIN GROUP (ORDER BY v.x) AS grid,
               avg(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_mean, stddev_pop(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_deviation,
               count(*) FILTER (WHERE v.x <> 0)::float8 AS not_zero,
               avg(v.decimals)::float8 AS decimals, stddev_pop(v.decimals)::float8 AS decimals_deviation,
               avg((v.x = 0)::integer)::float8 AS zero, avg((v.x < 0)::integer)::float8 AS negative, avg((v.x >= s.hours)::integer)::float8 AS after,
               avg((v.x = round(v.x))::integer)::float8 AS whole,
               avg((v.x / 10 = round(v.x / 10))::integer)::float8 AS tens, avg((v.x / 100 = round(v.x / 100))::integer)::float8 AS hundreds,
               avg((v.seconds / 86400 = floor(v.seconds / 86400))::integer)::float8 AS midnight,
               avg((v.seconds / 3600 = floor(v.seconds / 3600))::integer)::float8 AS on_hour,
               avg((v.seconds / 60 = floor(v.seconds / 60))::integer)::float8 AS on_minute,
               avg((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour,
               stddev_pop((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour_deviation
        FROM (SELECT u.col, u.is_number, u.x, u.near, u.seconds, u.decimals, generate_series(1, u.n) FROM valued u) v CROSS JOIN span s
        GROUP BY v.col
    ), edge_of AS (
        SELECT v.col, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[41]), 0) / n.m AS at_maximum,
               coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[1]), 0) / n.m AS at_minimum
        FROM valued v JOIN number_of n USING (col) GROUP BY v.col, n.m, n.grid
    ), long_of AS (
        SELECT k.col, sum(k.n) / t.present AS at_length_max FROM known k JOIN text_of t USING (col) WHERE k.length = t.length_max GROUP BY k.col, t.present
    ), common_of AS (
        SELECT c.col, jsonb_object_agg(left(c.value, 100), c.n) AS common
        FROM (SELECT k.col, k.value, k.n, row_number() OVER (PARTITION BY k.col ORDER BY k.n DESC, k.value COLLATE "C") AS place FROM known k) c
        WHERE c.place <= 200 GROUP BY c.col
    ), shape_of AS (
        SELECT s.col, jsonb_object_agg(s.shape, s.n) AS shapes
        FROM (SELECT k.col, k.shape, sum(k.n) AS n, row_number() OVER (PARTITION BY k.col ORDER BY sum(k.n) DESC, k.shape COLLATE "C") AS place
              FROM known k GROUP BY k.col, k.shape) s
        WHERE s.place <= 50 GROUP BY s.col
    ), entity AS MATERIALIZED (
        SELECT e.row, e.entity, row_number() OVER (ORDER BY e.entity) AS place
        FROM (SELECT DISTINCT ON (c.value::bigint >> 32) c.row, (c.value::bigint >> 32)::integer AS entity FROM cell c
              WHERE c.col = 0 AND c.value IS NOT NULL ORDER BY c.value::bigint >> 32, c.row) e
        ORDER BY e.entity LIMIT 256
    ), prefix_of AS (
        -- OFFSET 0: hashes are sorted, and not the values.
        SELECT h.col, array_agg(h.hash ORDER BY h.place) AS prefix
        FROM (
            SELECT c.col, e.place, CASE WHEN c.value IS NULL THEN 0 ELSE hashtext(c.value) END AS hash
            FROM entity e JOIN cell c USING (row) WHERE c.col > 0 OFFSET 0
        ) h
        GROUP BY h.col
    ), size AS (
        SELECT greatest(batch.rows, 0)::float8 AS rows, coalesce(array_length(sample, 1), 0)::float8 AS sampled
    ), different_row AS MATERIALIZED (
        SELECT count(*) AS n, hashtext(r.told) AS hash
        FROM (
            -- What the job itself writes, such as the number of a load or its time, is the same in all rows, and new in a copy.
            SELECT string_agg(CASE WHEN t.distinct = 1 AND t.present = z.sampled THEN '' ELSE coalesce(quote_literal(c.value), 'NULL') END,
                              ',' ORDER BY c.col) AS told
            FROM cell c JOIN watched w USING (col) LEFT JOIN text_of t USING (col) CROSS JOIN size z
            WHERE NOT w.is_key AND w.is_told AND w.base IS NULL GROUP BY c.row
        ) r
        GROUP BY r.told
    ), told AS (
        SELECT coalesce(sum(d.n), 0)::float8 AS rows, count(*)::float8 AS different, count(*) FILTER (WHERE d.n = 1)::float8 AS once FROM different_row d
    ), told_prefix AS (
        -- The rows of least hash are the same ones in every batch that has them.
        SELECT array_agg(d.hash ORDER BY d.hash) AS prefix FROM (SELECT DISTINCT r.hash FROM different_row r ORDER BY r.hash LIMIT 256) d
    )
    SELECT definition.definition_id, batch.name, batch.place, w.name, w.base, w.rows,
           coalesce(w.present, t.present::bigint, 0), describe_batch.level, coalesce(t.present, 0)::integer,
           ARRAY[
               CASE WHEN w.rows > 0 THEN least(greatest(1 - coalesce(w.present, t.present, 0)::float8 / w.rows, 0), 1) END,
               v.empty / v.present, ln(v.distinct), v.distinct / v.present, v.top / v.present, v.single / v.present,
               v.characters / v.present, v.length_min, v.length_max, g.at_length_max,
               v.upper / greatest(v.characters, 1), v.digit / greatest(v.characters, 1), v.space / greatest(v.characters, 1),
               v.punctuation / greatest(v.characters, 1),
               v.numbers / v.present, v.times / v.present,
               n.mean, CASE WHEN n.is_number THEN n.log_mean END, CASE WHEN n.deviation > 0 THEN ln(n.deviation) END,
               q.near[1], q.near[3], q.near[11], q.near[21], q.near[31], q.near[39], q.near[41],
               CASE WHEN n.is_number THEN n.zero END, CASE WHEN n.is_number THEN n.negative END, CASE WHEN n.is_number THEN n.whole END,
               CASE WHEN n.is_number THEN n.tens END, CASE WHEN n.is_number THEN n.hundreds END, CASE WHEN n.is_number THEN n.decimals END,
               CASE WHEN n.deviation > 0 THEN e.at_maximum END, CASE WHEN n.deviation > 0 THEN e.at_minimum END,
               CASE WHEN NOT n.is_number THEN n.midnight END, CASE WHEN NOT n.is_number THEN n.on_hour END, CASE WHEN NOT n.is_number THEN n.on_minute END,
               CASE WHEN NOT n.is_number THEN n.hour END,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               CASE WHEN NOT n.is_number AND batch.place > 100000000 THEN n.negative END, CASE WHEN NOT n.is_number AND batch.place > 100000000 THEN n.after END
           ]::float8[],
           ARRAY[
               0.5 / sqrt(greatest(w.rows, 1)), h.share, 2 * h.share, h.share, h.share, h.share,
               sqrt(greatest(t.length2 / t.present - (t.characters / t.present) ^ 2, 0) / t.present), NULL, NULL, h.share, h.share, h.share, h.share,
               h.share, h.share, h.share,
               -- Few values that are equal have noise as well.
               n.deviation / sqrt(n.m), greatest(n.log_deviation, 0.25) / sqrt(nullif(n.not_zero, 0)), 1 / sqrt(2 * n.m),
               pgslo_catalog.quantile_noise(q.near, 0, n.m), pgslo_catalog.quantile_noise(q.near, 2, n.m), pgslo_catalog.quantile_noise(q.near, 10, n.m),
               pgslo_catalog.quantile_noise(q.near, 20, n.m),
               pgslo_catalog.quantile_noise(q.near, 30, n.m), pgslo_catalog.quantile_noise(q.near, 38, n.m), pgslo_catalog.quantile_noise(q.near, 40, n.m),
               j.share, j.share, j.share, j.share, j.share, n.decimals_deviation / sqrt(n.m), j.share, j.share,
               i.share, i.share, i.share, n.hour_deviation / sqrt(n.m),
               NULL, NULL, h.share, h.share, h.share, h.share, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share, NULL, j.share, j.share
           ]::float8[],
           coalesce(c.common, '{}'), coalesce(p.shapes, '{}'), CASE WHEN n.m > 0 THEN n.grid END, x.prefix, NULL::integer[]
    FROM watched w
    CROSS JOIN size s
    LEFT JOIN text_of t USING (col)
    LEFT JOIN number_of n USING (col)
    LEFT JOIN edge_of e USING (col)
    -- For values that are not sampled, only their presence is recorded.
    LEFT JOIN text_of v ON v.col = w.col AND w.is_told
    LEFT JOIN long_of g ON g.col = w.col AND w.is_told
    LEFT JOIN common_of c ON c.col = w.col AND w.is_told
    LEFT JOIN shape_of p ON p.col = w.col AND w.is_told
    LEFT JOIN prefix_of x ON x.col = w.col AND w.is_told
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(t.present) AS share) h
    -- Of numbers and times chance goes by how many of them there are, not by all values.
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(n.m) AS share) j
    -- The times of a few loads are round by chance, however many rows have them.
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(least(n.m, t.distinct)) AS share) i
    CROSS JOIN LATERAL (
        SELECT array_agg(CASE WHEN abs(g.x) < 1e-100 THEN 0 ELSE least(greatest(g.x, -1e100), 1e100) END ORDER BY g.i) AS near
        FROM unnest(n.grid) WITH ORDINALITY AS g (x, i)
    ) q
    UNION ALL
    SELECT definition.definition_id, batch.name, batch.place, '*', NULL, batch.rows, batch.rows, describe_batch.level, s.sampled::integer,
           array_fill(NULL::float8, ARRAY[5]) || t.once / nullif(t.rows, 0) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[(t.rows - t.different) / nullif(t.rows, 0), ln(greatest(s.rows, 0.1))] || array_fill(NULL::float8, ARRAY[12]),
           array_fill(NULL::float8, ARRAY[5]) || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[0.5 / sqrt(greatest(t.rows, 1)), 1 / sqrt(greatest(s.rows, 1))] || array_fill(NULL::float8, ARRAY[8])
               || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[3]),
           '{}', '{}', NULL, d.prefix, (SELECT array_agg(e.entity ORDER BY e.place) FROM entity e)
    FROM size s CROSS JOIN told t CROSS JOIN told_prefix d
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.describe_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS
    'Store the profile of each column of a batch, from a sample of its rows.';
