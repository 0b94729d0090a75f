-- Known faults, as a backtest puts them into samples of batches.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.fault_kinds(OUT ordinal integer, OUT name text, OUT kinds text[], OUT words text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 11
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    VALUES
    (1, 'null_burst', ARRAY['number', 'time', 'text', 'presence'], '15 to 75 % of the values are missing'),
    (2, 'unit_change', ARRAY['number'], 'all values are in another unit: times 1000, 100, 1.609344, 0.3048, 0.01 or 0.001'),
    (3, 'stale', ARRAY['number', 'time', 'text'], 'all values are those of the batch before'),
    (4, 'frozen', ARRAY['number', 'time', 'text'], 'all values are the same one'),
    (5, 'swapped', ARRAY['number', 'time', 'text'], 'all values are those of another column'),
    (6, 'recoded', ARRAY['text', 'code'], 'all values are written in another way: capitals, numbers, codes that begin with 1'),
    (7, 'default_filled', ARRAY['number', 'time', 'text'], '15 to 75 % of the values are a default: 0, -1, 9999, an empty text, unknown, 1970'),
    (8, 'truncated', ARRAY['number', 'time', 'text'], 'texts are cut, numbers lose their decimals, times their hour'),
    (9, 'shifted', ARRAY['time'], 'all times are off by 1 to 12 hours, or a day'),
    (10, 'duplicates', ARRAY['table'], '15 to 75 % of the rows are there twice'),
    (11, 'volume', ARRAY['table'], '10 to 70 % of the rows are there, or 1.7 to 3 times as many')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.fault_kinds() IS 'Return the faults that a backtest puts into batches, and their subjects.';

CREATE OR REPLACE FUNCTION pgslo_catalog.chance(what text, seed bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT (hashtextextended(chance.what COLLATE "C", chance.seed) & 1048575) / 1048576.0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.chance(text, bigint) IS 'Return a number from 0 to 1 that is the same for the same text and seed, on every server.';

CREATE OR REPLACE FUNCTION pgslo_catalog.broken_value(fault text, kind text, value text, part float8, strength float8, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE broken_value.fault
        WHEN 'null_burst' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value END
        WHEN 'stale' THEN other
        WHEN 'swapped' THEN other
        WHEN 'frozen' THEN CASE WHEN value IS NOT NULL THEN other END
        WHEN 'unit_change' THEN CASE WHEN abs(value::numeric) > 1e250 THEN value
                                     ELSE round(value::numeric * (ARRAY[1000, 100, 1.609344, 0.3048, 0.01, 0.001])[1 + floor(6 * strength)::integer],
                                                least(coalesce(scale(value::numeric), 0) + 3, 1000))::text END
        WHEN 'default_filled' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value ELSE
            CASE kind WHEN 'number' THEN (ARRAY['0', '-1', '9999'])[1 + floor(3 * strength)::integer]
                      WHEN 'time' THEN '0.000000' ELSE (ARRAY['', 'unknown', 'N/A'])[1 + floor(3 * strength)::integer] END END
        WHEN 'recoded' THEN CASE
            WHEN kind <> 'text' THEN (value::numeric + 1)::text
            WHEN strength < 0.5 THEN CASE WHEN upper(value) <> value THEN upper(value) ELSE lower(value) END
            ELSE (100 + hashtextextended(value COLLATE "C", 0) & 511)::text END
        WHEN 'truncated' THEN CASE kind WHEN 'number' THEN trunc(value::numeric)::text
                                        WHEN 'time' THEN (86400 * floor(value::numeric / 86400))::text ELSE left(value, other::integer) END
        WHEN 'shifted' THEN (value::numeric + 3600 * (ARRAY[1, 2, -5, 8, 12, 24])[1 + floor(6 * strength)::integer])::text
        ELSE value
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.broken_value(text, text, text, float8, float8, text) IS
    'Return a value with a fault; other is the value in its place, or the length to which it is cut.';

CREATE OR REPLACE FUNCTION pgslo_catalog.break_columns(
    sample text[], earlier text[], kinds text[], faults text[], partners integer[], batch text, seed bigint,
    OUT broken text[], OUT changed float8[]
)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH cell AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(sample, 2))::integer AS row, ((u.i - 1) % array_length(sample, 2))::integer AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), line AS MATERIALIZED (
        SELECT c.row, max(c.value) FILTER (WHERE c.col = 0) AS entity,
               hashtextextended(string_agg(coalesce(c.value, '-'), '|' ORDER BY c.col) COLLATE "C", seed) AS hash
        FROM cell c GROUP BY c.row
    ), past AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(earlier, 2))::integer AS row, ((u.i - 1) % array_length(earlier, 2))::integer AS col, u.value
        FROM unnest(earlier) WITH ORDINALITY AS u (value, i)
    ), past_line AS MATERIALIZED (
        SELECT DISTINCT ON (p.value) p.value AS entity, p.row FROM past p WHERE p.col = 0 AND p.value IS NOT NULL ORDER BY p.value, p.row
    ), past_rows AS (
        SELECT greatest(coalesce(array_length(earlier, 1), 0), 1) AS n
    ), taken AS MATERIALIZED (
        -- The same entity's row of the batch before; without one, the row at the same position.
        SELECT l.row, coalesce(p.row, l.row % r.n) AS past_row FROM line l CROSS JOIN past_rows r LEFT JOIN past_line p USING (entity)
    ), again AS MATERIALIZED (
        -- Values of other entities look like any day's: eight that recur are the least that is compared.
        SELECT count(p.row) >= 8 AS is_seen FROM line l JOIN past_line p USING (entity)
    ), about AS MATERIALIZED (
        SELECT f.col::integer AS col, f.fault, kinds[f.col] AS kind, partners[f.col] AS partner, pgslo_catalog.chance(batch || '/' || f.col, seed) AS strength
        FROM unnest(faults) WITH ORDINALITY AS f (fault, col) WHERE f.fault IS NOT NULL
    ), fixed AS MATERIALIZED (
        SELECT a.col, (array_agg(c.value ORDER BY l.hash) FILTER (WHERE c.value IS NOT NULL))[1] AS frozen,
               greatest(1, floor(avg(length(c.value)) * (0.3 + 0.5 * a.strength)))::integer AS cut
        FROM about a JOIN cell c USING (col) JOIN line l USING (row)
        GROUP BY a.col, a.strength
    ), made AS MATERIALIZED (
        SELECT c.row, c.col, c.value, a.fault,
               CASE WHEN a.fault IS NULL THEN c.value ELSE
                   pgslo_catalog.broken_value(a.fault, a.kind, c.value, pgslo_catalog.chance(a.col::text, l.hash), a.strength,
                       CASE a.fault WHEN 'stale' THEN p.value WHEN 'swapped' THEN s.value WHEN 'frozen' THEN f.frozen
                            WHEN 'truncated' THEN f.cut::text END) END AS now
        FROM cell c
        JOIN line l USING (row)
        LEFT JOIN about a ON a.col = c.col
        LEFT JOIN fixed f ON f.col = a.col
        LEFT JOIN taken t ON t.row = c.row AND a.fault = 'stale'
        LEFT JOIN past p ON p.row = t.past_row AND p.col = c.col
        LEFT JOIN cell s ON s.row = c.row AND s.col = a.partner AND a.fault = 'swapped'
    )
    SELECT (SELECT array_agg(r.one ORDER BY r.row) FROM (SELECT m.row, array_agg(m.now ORDER BY m.col) AS one FROM made m GROUP BY m.row) r),
           (SELECT array_agg(d.share ORDER BY d.col) FROM (
                SELECT m.col, CASE WHEN a.is_seen OR bool_and(m.fault IS DISTINCT FROM 'stale')
                                       THEN avg((m.now IS DISTINCT FROM m.value)::integer)::float8 END AS share
                FROM made m CROSS JOIN again a WHERE m.col > 0 GROUP BY m.col, a.is_seen) d)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.break_columns(text[], text[], text[], text[], integer[], text, bigint) IS
    'Return a sample with a fault in each of some columns, and the share of changed values of each; NULL where no change is visible.';

CREATE OR REPLACE FUNCTION pgslo_catalog.break_rows(sample text[], fault text, rows bigint, batch text, seed bigint, OUT broken text[], OUT broken_rows bigint)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH line AS MATERIALIZED (
        SELECT r.one, r.i, pgslo_catalog.chance(array_to_string(r.one, '|', '-'), seed) AS part, pgslo_catalog.chance(batch || '/*', seed) AS strength
        FROM pgslo_catalog.sample_rows(sample) WITH ORDINALITY AS r (one, i)
    ), made AS (
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' OR l.strength >= 0.5 OR l.part < 0.1 + 1.2 * l.strength
        UNION ALL
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' AND l.part < 0.15 + 0.6 * l.strength
    )
    SELECT array_agg(m.one ORDER BY m.i),
           CASE WHEN fault = 'volume' AND s.strength >= 0.5 THEN rows * (1.7 + 2.6 * (s.strength - 0.5))
                ELSE rows * count(*)::float8 / greatest(array_length(sample, 1), 1) END::bigint
    FROM made m CROSS JOIN (SELECT pgslo_catalog.chance(batch || '/*', seed) AS strength) s
    GROUP BY s.strength
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.break_rows(text[], text, bigint, text, bigint) IS
    'Return a sample and a number of rows with a fault in the batch as a whole.';

CREATE OR REPLACE FUNCTION pgslo_catalog.kinds_of(definition_id bigint, columns text[], sample text[]) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- presence: of values that are not looked into; code: few whole numbers.
    SELECT array_agg(CASE
               WHEN s.longest = 0 OR w.kind IN ('parts', 'json') THEN 'presence'
               WHEN w.kind = 'number' AND s.whole AND s.different BETWEEN 2 AND 12 THEN 'code'
               ELSE w.kind END ORDER BY w.ordinal)
    FROM pgslo_catalog.watched_column w
    JOIN unnest(columns) WITH ORDINALITY AS c (name, col) ON c.name = w.column_name
    LEFT JOIN (
        SELECT (u.i - 1) % array_length(sample, 2) AS col, max(length(u.value)) AS longest, count(DISTINCT u.value) AS different,
               bool_and(u.value COLLATE "C" ~ '^-?[0-9]{1,9}$') AS whole
        FROM unnest(sample) WITH ORDINALITY AS u (value, i) GROUP BY 1
    ) s USING (col)
    WHERE w.definition_id = kinds_of.definition_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.kinds_of(bigint, text[], text[]) IS 'Return the kinds of a sample''s columns, as faults distinguish them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.choose_faults(kinds text[], faults text[], turn integer, seed bigint, OUT chosen text[], OUT partners integer[])
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH one AS (
        SELECT k.col::integer AS col, k.kind, CASE k.kind WHEN 'code' THEN 'number' ELSE k.kind END AS base FROM unnest(kinds) WITH ORDINALITY AS k (kind, col)
    ), other AS (
        -- The next column of the same kind, round and round.
        SELECT o.col, (SELECT p.col FROM one p WHERE p.base = o.base AND p.col <> o.col ORDER BY p.col < o.col, p.col LIMIT 1) AS partner FROM one o
    ), fit AS (
        SELECT o.col, q.partner,
               ARRAY(SELECT f.name FROM pgslo_catalog.fault_kinds() f
                     WHERE (o.kind = ANY (f.kinds) OR o.base = ANY (f.kinds)) AND (f.name <> 'swapped' OR q.partner IS NOT NULL)
                       AND (choose_faults.faults IS NULL OR f.name = ANY (choose_faults.faults))
                     ORDER BY f.ordinal) AS names
        FROM one o JOIN other q USING (col)
    )
    -- In turn, so that each is tried about as often; each column begins with another.
    SELECT array_agg(f.names[1 + mod(turn + floor(1000 * pgslo_catalog.chance('turn/' || f.col, seed))::integer,
                                     greatest(cardinality(f.names), 1))] ORDER BY f.col),
           array_agg(f.partner ORDER BY f.col)
    FROM fit f
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.choose_faults(text[], text[], integer, bigint) IS
    'Return a fault for each column in turn, NULL where none applies, and the column of the same kind to swap it with.';
