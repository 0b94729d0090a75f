-- Parts of a value, as JSON text in a sample, by name: for example the length of an array, or the keys of a document.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.norm_said(norm float8) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- The last digits are those of rounding: vectors of norm 1 have the same one.
    RETURN CASE WHEN norm BETWEEN 0.001 AND 1e12 THEN trim_scale(round(norm::numeric, 6))::text ELSE norm::text END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.norm_said(float8) IS 'Format a norm for a sample.';

CREATE OR REPLACE FUNCTION pgslo_catalog.number_parts(numbers float8[], is_deep boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    n integer := cardinality(numbers);
    low integer := array_lower(numbers, 1);
    missing integer;
    x float8;
    squares float8 := 0;
    norm text;
    places text;
BEGIN
    IF n = 0 THEN
        RETURN '{"length": "0"}';
    ELSIF array_ndims(numbers) > 1 THEN
        -- As a text: several dimensions have several lengths.
        RETURN format('{"length": "%s"}', (
            SELECT string_agg(array_length(numbers, d.d)::text, 'x' ORDER BY d.d) FROM generate_series(1, array_ndims(numbers)) AS d (d)));
    END IF;
    -- Sixteen elements represent all of them where vectors are compared: reading more would cost more than the sample is worth.
    places := array_to_string(ARRAY[
        numbers[low], numbers[low + n / 16], numbers[low + n * 2 / 16], numbers[low + n * 3 / 16],
        numbers[low + n * 4 / 16], numbers[low + n * 5 / 16], numbers[low + n * 6 / 16], numbers[low + n * 7 / 16],
        numbers[low + n * 8 / 16], numbers[low + n * 9 / 16], numbers[low + n * 10 / 16], numbers[low + n * 11 / 16],
        numbers[low + n * 12 / 16], numbers[low + n * 13 / 16], numbers[low + n * 14 / 16], numbers[low + n * 15 / 16]], ',', 'NaN');
    IF n > 100 AND NOT is_deep THEN
        RETURN format('{"length": "%s", "at": "%s"}', n, places);
    END IF;
    missing := cardinality(array_positions(numbers, NULL)) + cardinality(array_positions(numbers, 'NaN'));
    IF missing = 0 THEN
        BEGIN
            FOREACH x IN ARRAY numbers LOOP
                squares := squares + x * x;
            END LOOP;
            norm := pgslo_catalog.norm_said(sqrt(squares));
        EXCEPTION WHEN numeric_value_out_of_range THEN
            norm := 'out of range';  -- A square that float8 cannot hold.
        END;
    END IF;
    RETURN format('{"length": "%s", "missing": "%s", "zeros": "%s", "norm": %s, "at": "%s"}', n, missing / n::float8,
        cardinality(array_positions(numbers, 0)) / n::float8, coalesce('"' || norm || '"', 'null'), places);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.number_parts(float8[], boolean) IS
    'Return the recorded parts of an array of numbers or a vector: its length, norm, share of zeros and of elements that are NULL or NaN, and '
    'some elements. Of a long one that is not deep, only the length and these.';

CREATE OR REPLACE FUNCTION pgslo_catalog.numeric_parts(numbers numeric[], is_deep boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        -- Unnesting would lose dimensions.
        WHEN array_ndims(numbers) > 1 THEN pgslo_catalog.number_parts(array_fill(0::float8, ARRAY(
            SELECT array_length(numbers, d.d) FROM generate_series(1, array_ndims(numbers)) AS d (d) ORDER BY d.d)), is_deep)
        ELSE pgslo_catalog.number_parts(ARRAY(
            SELECT pgslo_catalog.float_of(u.x) FROM unnest(numbers) WITH ORDINALITY AS u (x, i) ORDER BY u.i), is_deep)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.numeric_parts(numeric[], boolean) IS 'Return number_parts() of numbers that float8 may not hold.';

CREATE OR REPLACE FUNCTION pgslo_catalog.vector_parts(elements real[], norm float8) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    n integer := cardinality(elements);
BEGIN
    RETURN format('{"length": "%s", "zeros": "%s", "norm": "%s", "at": "%s"}', n,
        cardinality(array_positions(elements, 0)) / n::float8, pgslo_catalog.norm_said(norm),
        array_to_string(ARRAY[
            elements[1], elements[1 + n / 16], elements[1 + n * 2 / 16], elements[1 + n * 3 / 16],
            elements[1 + n * 4 / 16], elements[1 + n * 5 / 16], elements[1 + n * 6 / 16], elements[1 + n * 7 / 16],
            elements[1 + n * 8 / 16], elements[1 + n * 9 / 16], elements[1 + n * 10 / 16], elements[1 + n * 11 / 16],
            elements[1 + n * 12 / 16], elements[1 + n * 13 / 16], elements[1 + n * 14 / 16], elements[1 + n * 15 / 16]], ','));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.vector_parts(real[], float8) IS
    'Return number_parts() of a type of pgvector, which has no NULL and no NaN in it, and knows its norm.';

CREATE OR REPLACE FUNCTION pgslo_catalog.short_number(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        -- A float8 keeps what a profile needs of it, within its range. Zeros at either end take no room, and are digits of the text.
        WHEN value > '1e300' THEN '9e307'
        WHEN value < '-1e300' THEN '-9e307'
        WHEN pg_column_size(value) <= 100 AND scale(value::numeric) <= 100 THEN value
        WHEN value BETWEEN '-1e-300' AND '1e-300' THEN '0'
        ELSE to_jsonb(value::float8) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.short_number(jsonb) IS 'Return a number of a document, with few digits if it has many.';

CREATE OR REPLACE FUNCTION pgslo_catalog.json_parts(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    said text;
BEGIN
    IF jsonb_typeof(value) <> 'object' THEN
        RETURN '{}';
    -- As it is in memory, not compressed. A number of a hundred thousand digits may take a few bytes there.
    ELSIF pg_column_size(value) < 4000 AND pg_column_size(value || '{}') < 4000
        AND NOT jsonb_path_exists(value, '$.** ? (@ > 1e300 || @ < -1e300)')
    THEN
        said := value::text;
        -- Its parts are read when the batch is closed. Taking it apart costs the writer much more than a larger sample, without long texts.
        IF length(said) <= 600 OR length(said) <= 2000 AND NOT jsonb_path_exists(value, '$.** ? (@ like_regex "^.{101}" flag "s")') THEN
            RETURN said;
        END IF;
    END IF;
    RETURN coalesce((
        SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value)
                   WHEN 'object' THEN '{}'::jsonb WHEN 'array' THEN '[]'::jsonb
                   WHEN 'string' THEN to_jsonb(left(e.value #>> '{}', 100))
                   WHEN 'number' THEN pgslo_catalog.short_number(e.value) ELSE e.value END)::text
        FROM (SELECT k.key, k.value FROM jsonb_each(value) AS k WHERE length(k.key) <= 100 LIMIT 100) AS e), '{}');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.json_parts(jsonb) IS
    'Return a document for a sample: unchanged if it is short, with short texts; else its first hundred keys with the beginnings of their values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.json_text_parts(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN pgslo_catalog.json_parts(value::jsonb);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN '{}';  -- Type json takes numbers and texts that jsonb does not.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.json_text_parts(text) IS 'Return json_parts() of a document of type json.';

CREATE OR REPLACE FUNCTION pgslo_catalog.path_name(base text, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT base || '.' || CASE WHEN key COLLATE "C" ~ '^[A-Za-z0-9_-]+$' THEN key ELSE '"' || replace(key, '"', '""') || '"' END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.path_name(text, text) IS 'Return the name of a path into a column''s values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.part_text(value jsonb, is_json boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE jsonb_typeof(value)
        WHEN 'object' THEN '{}'
        WHEN 'array' THEN '[]'
        -- Quotes distinguish a text from a number.
        WHEN 'string' THEN (
            SELECT CASE WHEN is_json AND (
                            s.said IN ('true', 'false', '{}', '[]')
                            OR s.said COLLATE "C" ~ E'^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$') THEN '"' || s.said || '"'
                        ELSE left(s.said, 100) END
            FROM (SELECT value #>> '{}' AS said) s)
        ELSE value #>> '{}'
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.part_text(jsonb, boolean) IS 'Return the value at a path, in the format in which a sample has values of columns.';

CREATE OR REPLACE FUNCTION pgslo_catalog.with_parts(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch,
    INOUT columns text[], INOUT sample text[], INOUT present jsonb
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
DECLARE
    id bigint := (with_parts.definition).definition_id;
    wide integer := array_length(with_parts.sample, 2);
    found record;
BEGIN
    IF with_parts.sample IS NULL OR NOT EXISTS (
        SELECT FROM pgslo_catalog.watched_column w
        WHERE w.definition_id = id AND w.kind IN ('parts', 'json') AND w.column_name = ANY (with_parts.columns))
    THEN
        RETURN;
    END IF;
    WITH cell AS MATERIALIZED (
        SELECT (u.i - 1) / wide AS row, (u.i - 1) % wide AS col, u.value
        FROM unnest(with_parts.sample) WITH ORDINALITY AS u (value, i)
    ), base AS MATERIALIZED (
        SELECT c.col, c.name, w.kind = 'json' AS is_json
        FROM unnest(with_parts.columns) WITH ORDINALITY AS c (name, col)
        JOIN pgslo_catalog.watched_column w ON w.definition_id = id AND w.column_name = c.name AND w.kind IN ('parts', 'json')
    ), document AS MATERIALIZED (
        -- Values sampled before their parts were read have an empty text.
        SELECT c.row, c.col, b.name, b.is_json, CASE WHEN left(c.value, 1) = '{' THEN c.value::jsonb END AS value
        FROM cell c JOIN base b USING (col) WHERE c.value IS NOT NULL
    ), entity AS MATERIALIZED (
        SELECT c.row, (c.value::bigint >> 32)::integer AS entity FROM cell c WHERE c.col = 0 AND c.value IS NOT NULL
    ), last AS MATERIALIZED (
        -- Of one row each: joined with the documents of all rows first, they are millions.
        SELECT e.row, l.name, l.vector
        FROM pgslo_catalog.vectors_before(id, (with_parts.batch).place, ARRAY(SELECT b.name FROM base b WHERE NOT b.is_json)) AS l
        JOIN entity e USING (entity)
        WHERE pgslo_catalog.cosine(l.vector, l.vector) IS NOT NULL
    ), part AS MATERIALIZED (
        SELECT d.row, d.col, d.name, pgslo_catalog.path_name(d.name, e.key) AS path, pgslo_catalog.part_text(e.value, d.is_json) AS value
        FROM document d CROSS JOIN LATERAL jsonb_each(d.value) AS e
        WHERE d.is_json OR e.key <> 'at'
        UNION ALL
        -- How far a vector is from the same entity's last one, as one less the cosine.
        SELECT d.row, d.col, d.name, pgslo_catalog.path_name(d.name, 'turned'), trim_scale(round(1 - v.cosine::numeric, 6))::text
        FROM document d
        JOIN last l ON l.row = d.row AND l.name = d.name
        CROSS JOIN LATERAL (SELECT pgslo_catalog.cosine(pgslo_catalog.vector_at(d.value ->> 'at'), l.vector) AS cosine) v
        WHERE d.value ? 'at'
    ), counted AS MATERIALIZED (
        SELECT p.col, p.name, p.path, count(*) AS had, count(p.value) AS present FROM part p GROUP BY p.col, p.name, p.path
    ), size AS MATERIALIZED (
        SELECT d.col, d.name, d.is_json, count(*) AS rows FROM document d WHERE d.value IS NOT NULL GROUP BY d.col, d.name, d.is_json
    ), known AS MATERIALIZED (
        -- A key that no longer occurs is missed for four weeks of days.
        SELECT DISTINCT p.base AS name, p.column_name AS path FROM pgslo_catalog.profile p
        WHERE p.definition_id = id AND p.base = ANY (SELECT s.name FROM size s) AND p.present > 0
          AND p.place < (with_parts.batch).place
          AND p.place >= (SELECT min(l.place) FROM (
              SELECT b.place FROM pgslo_catalog.batch b
              WHERE b.definition_id = id AND b.place < (with_parts.batch).place ORDER BY b.place DESC LIMIT 28) l)
    ), path AS MATERIALIZED (
        SELECT q.name, q.path, row_number() OVER (ORDER BY q.col, q.path COLLATE "C") AS place, q.present,
               -- Of the norm and the like, those that were measured; of keys, all documents.
               CASE WHEN q.is_json THEN q.rows ELSE q.had END AS rows
        FROM (
            SELECT s.col, s.name, s.is_json, s.rows, coalesce(c.path, k.path) AS path, coalesce(c.had, 0) AS had, coalesce(c.present, 0) AS present,
                   row_number() OVER (PARTITION BY s.col ORDER BY k.path IS NULL, c.had DESC NULLS LAST, coalesce(c.path, k.path) COLLATE "C") AS turn
            FROM counted c FULL JOIN known k ON k.name = c.name AND k.path = c.path
            JOIN size s ON s.name = coalesce(c.name, k.name)
            WHERE k.path IS NOT NULL OR c.had >= greatest(s.rows / 10.0, 3) OR NOT s.is_json
        ) q
        WHERE q.turn <= 30 AND q.path <> ALL (with_parts.columns)
    ), extra AS MATERIALIZED (
        SELECT r.row, array_agg(p.value ORDER BY h.place) AS cells
        FROM (SELECT DISTINCT c.row FROM cell c) r
        CROSS JOIN path h
        LEFT JOIN part p ON p.row = r.row AND p.path = h.path AND p.name = h.name
        GROUP BY r.row
    )
    SELECT (SELECT array_agg(o.own || e.cells ORDER BY o.row)
            FROM (
                SELECT c.row, array_agg(CASE WHEN b.col IS NULL THEN c.value WHEN c.value IS NOT NULL THEN '' END ORDER BY c.col) AS own
                FROM cell c LEFT JOIN base b USING (col) GROUP BY c.row
            ) o JOIN extra e USING (row)) AS sample,
           (SELECT array_agg(p.path ORDER BY p.place) FROM path p) AS paths,
           (SELECT jsonb_object_agg(p.path, jsonb_build_object('of', p.name, 'rows', p.rows, 'present', p.present)) FROM path p) AS present
    INTO found;
    IF found.paths IS NOT NULL THEN
        with_parts.columns := with_parts.columns || found.paths;
        with_parts.sample := found.sample;
        with_parts.present := with_parts.present || found.present;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.with_parts(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], jsonb) IS
    'Return a sample with columns for the parts of its values: those of the type, and of documents up to 30 keys that a tenth of the '
    'rows have, or had.';
