-- What a snapshot holds: hashes and profiles of its rows, the condition that chose them, and the table that keeps them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.content_of(snapshot pgslo_catalog.snapshot, table_name text)
RETURNS TABLE (batch text, place numeric, rows bigint, sums numeric[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The same text for the same value, for every role and on every version of PostgreSQL.
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET xmloption = 'content'
AS $pgslo$
BEGIN
    -- Sums do not depend on the order of rows, and unlike exclusive or, they count duplicate rows.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT %s, coalesce(%s, '-Infinity'), b.rows, b.sums
        FROM (
            SELECT h.raw, count(*) AS rows,
                   ARRAY[sum(('x' || substr(h.digest, 1, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 17, 16))::bit(64)::bigint),
                         sum(('x' || substr(h.digest, 33, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 49, 16))::bit(64)::bigint)] AS sums
            FROM (
                -- OFFSET prevents that the digest is computed again for each of its quarters.
                SELECT %s AS raw, encode(sha256(convert_to(%s, 'UTF8')), 'hex') AS digest FROM pgslo_snapshot.%I AS r OFFSET 0
            ) AS h
            GROUP BY h.raw
        ) AS b
        $query$,
        CASE WHEN snapshot.batch_by IS NULL THEN '''''::text' ELSE snapshot.batch_name END,
        CASE WHEN snapshot.batch_by IS NULL THEN 'NULL::numeric' ELSE snapshot.batch_place END,
        coalesce(snapshot.batch_by, 'NULL::text'), pgslo_catalog.row_text(snapshot.columns), content_of.table_name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.content_of(pgslo_catalog.snapshot, text) IS 'Return the batches in a table of rows, with sums over their rows.';

CREATE OR REPLACE FUNCTION pgslo_catalog.content_hash(columns jsonb, rows bigint, sums numeric[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
-- %I quotes names by it.
SET quote_all_identifiers = off
AS $pgslo$
    SELECT encode(sha256(convert_to(concat_ws(E'\n', 'pgslo 1',
        (SELECT string_agg(format('%I %s', c.value ->> 'name', c.value ->> 'type'), E'\n' ORDER BY c.ordinality)
         FROM jsonb_array_elements(content_hash.columns) WITH ORDINALITY AS c),
        content_hash.rows, array_to_string(content_hash.sums, ' ')), 'UTF8')), 'hex')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.content_hash(jsonb, bigint, numeric[]) IS 'Return one hash for columns and rows in any order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_rows(snapshot pgslo_catalog.snapshot, table_name text, rows bigint) RETURNS SETOF pgslo_catalog.snapshot_column
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET jit = off
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    whole pgslo_catalog.batch;
    names text[];
    present jsonb;
    sample text[];
    -- A larger part than of a batch: this is done once, and compared with others.
    mask bigint := pgslo_catalog.sample_mask(profile_rows.rows / 2);
    read record;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = snapshot.definition;
    SELECT array_agg(c.name ORDER BY c.n) AS names,
           string_agg(format('%L, count(r.%I)', c.name, c.name), ', ' ORDER BY c.n) AS counts,
           string_agg(CASE
               WHEN NOT pgslo_catalog.is_plain(c.type_of)
               THEN format('left(%s, 100)', pgslo_catalog.text_of(format('r.%I', c.name), c.type_of))
               WHEN w.kind = 'number' THEN format('r.%I::text', c.name)
               WHEN w.kind = 'time' THEN format('extract(epoch FROM r.%I)::text', c.name)
               WHEN c.type ~ '^(date|timestamp)' THEN format('to_char(r.%I, ''YYYY-MM-DD HH24:MI:SS'')', c.name)
               ELSE format('left(r.%I::text, 100)', c.name)
           END, ', ' ORDER BY c.n) AS cells
    INTO read
    FROM (
        SELECT e.value ->> 'name' AS name, e.value ->> 'type' AS type, e.ordinality AS n, a.atttypid::regtype AS type_of
        FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS e
        JOIN pg_namespace s ON s.nspname = 'pgslo_snapshot'
        JOIN pg_class t ON t.relnamespace = s.oid AND t.relname = profile_rows.table_name
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = e.value ->> 'name'
    ) AS c
    LEFT JOIN pgslo_catalog.watched_column w ON w.definition_id = target.definition_id AND w.column_name = c.name;
    names := read.names;
    EXECUTE format('SELECT jsonb_build_object(%s) FROM pgslo_snapshot.%I AS r', read.counts, profile_rows.table_name) INTO present;
    EXECUTE format(
        $query$
        SELECT array_agg(ARRAY[h.entity::text, %s])
        FROM pgslo_snapshot.%I AS r
        CROSS JOIN LATERAL (SELECT hashtextextended(%s COLLATE "C", 0) AS entity) AS h
        WHERE h.entity & $1 = 0
        $query$, read.cells, profile_rows.table_name,
        -- By the key where the view shows it, so that two snapshots sample the same entities.
        CASE
            WHEN target.key_columns <> '{}' AND target.key_columns <@ names
            THEN (SELECT format('concat_ws(''|'', %s)', string_agg(format('r.%I', k.name), ', ' ORDER BY k.n))
                  FROM unnest(target.key_columns) WITH ORDINALITY AS k (name, n))
            ELSE pgslo_catalog.row_text(snapshot.columns)
        END)
    INTO sample USING mask;

    -- Under a name that no batch has, and deleted before this transaction ends.
    whole.definition_id := target.definition_id;
    whole.name := format('snapshot %s', snapshot.snapshot_id);
    whole.place := 0;
    whole.rows := profile_rows.rows;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = target.definition_id AND p.batch = whole.name;
    PERFORM pgslo_catalog.describe_batch(target, whole, names, sample, pgslo_catalog.level_of(mask), present);
    RETURN QUERY
    SELECT snapshot.snapshot_id, c.n::integer, c.name, c.type, p.present, p.sampled,
           coalesce((SELECT jsonb_object_agg(k.name, p.summary[k.ordinal]) FROM pgslo_catalog.summary_kinds() k WHERE p.summary[k.ordinal] IS NOT NULL), '{}'),
           p.common, p.grid
    FROM pgslo_catalog.profile p
    JOIN (SELECT e.value ->> 'name' AS name, e.value ->> 'type' AS type, e.ordinality AS n
          FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS e) AS c ON c.name = p.column_name
    WHERE p.definition_id = target.definition_id AND p.batch = whole.name
    ORDER BY c.n;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = target.definition_id AND p.batch = whole.name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_rows(pgslo_catalog.snapshot, text, bigint) IS
    'Return the profile of each column of a table of rows, with the numbers of learned bounds.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_condition(condition text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one text;
    before text := '';
    depth integer := 0;
    wrong text;
BEGIN
    -- PostgreSQL's own tokens, the longest first: a string with escapes, another string, a quoted name, a word, the rest
    -- one by one. A quote or a backslash that is left over belongs to a string that does not end, or ends somewhere else
    -- with another standard_conforming_strings.
    FOR one IN
        SELECT m.token[1]
        FROM regexp_matches(check_condition.condition,
            E'([eE]''(?:[^''\\\\]|\\\\.|'''')*''|''[^''\\\\]*''|"[^"]*"|[^\\x01-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x7f]+|--|/\\*|.)',
            'g') AS m (token)
    LOOP
        CONTINUE WHEN one ~ E'^[ \t\n\r\f\v]$';
        depth := depth + CASE one WHEN '(' THEN 1 WHEN ')' THEN -1 ELSE 0 END;
        wrong := CASE
            WHEN depth < 0 THEN 'It closes a parenthesis that it does not open.'
            WHEN one IN ('--', '/*') THEN 'It holds a comment.'
            WHEN one IN (';', '$') THEN format('It holds %s outside of a string.', one)
            WHEN one IN ('''', '"', E'\\') THEN
                'It holds a string or a name that does not end, or a backslash in a string without E.'
            WHEN before <> '.' AND lower(one COLLATE "C") IN ('select', 'values', 'table', 'union', 'intersect', 'except')
                THEN 'It holds a query.'
        END;
        EXIT WHEN wrong IS NOT NULL;
        before := one;
    END LOOP;
    IF wrong IS NULL AND depth > 0 THEN
        wrong := 'It opens a parenthesis that it does not close.';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'invalid condition of a snapshot',
            DETAIL = wrong,
            HINT = 'Write one condition over the columns of the view.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_condition(text) IS
    'Refuse a condition that is not one expression: it is in parentheses in a query, and must not leave them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_rows(snapshot pgslo_catalog.snapshot) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The same text for the same value in both, and another one for another value.
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET xmloption = 'content'
AS $pgslo$
DECLARE
    is_foreign boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT %1$s FROM pgslo_snapshot.%2$I AS r EXCEPT ALL SELECT %1$s FROM %3$I.%4$I AS r)',
        pgslo_catalog.row_text(snapshot.columns), snapshot.name, snapshot.source_schema, snapshot.source_name)
    INTO is_foreign;
    IF is_foreign THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('snapshot "%s" has rows that are not in %I.%I', snapshot.name, snapshot.source_schema,
                             snapshot.source_name),
            DETAIL = 'They were not read from the view, or another transaction changed or removed them meanwhile.',
            HINT = 'Take it in a transaction of isolation level REPEATABLE READ.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_rows(pgslo_catalog.snapshot) IS
    'Refuse a snapshot that has rows which are not in its view.';

CREATE OR REPLACE FUNCTION pgslo_catalog.columns_with_code(relation regclass) RETURNS SETOF name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT a.attname
    FROM pg_attribute a
    WHERE a.attrelid = columns_with_code.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND EXISTS (
          SELECT FROM pgslo_catalog.parts_of(a.atttypid) AS p
          LEFT JOIN pg_range g ON g.rngtypid = p.oid
          LEFT JOIN pg_proc f ON f.oid IN (g.rngsubdiff, g.rngcanonical, p.typanalyze)
          WHERE p.typowner <> ALL (pgslo_catalog.trusted_roles()) OR f.proowner <> ALL (pgslo_catalog.trusted_roles()))
    ORDER BY a.attnum
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.columns_with_code(regclass) IS
    'Return the columns of types that are made of types or functions of other roles than superusers and pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.make_table(table_name text, columns jsonb, for_good boolean, reader name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    strange name;
    given name;
BEGIN
    EXECUTE format('CREATE %s TABLE pgslo_snapshot.%I (%s)', CASE WHEN make_table.for_good THEN '' ELSE 'UNLOGGED' END, make_table.table_name,
        (SELECT string_agg(format('%I %s%s', c.value ->> 'name', c.value ->> 'type', coalesce(' COLLATE ' || (c.value ->> 'collation'), '')),
                           ', ' ORDER BY c.ordinality)
         FROM jsonb_array_elements(make_table.columns) WITH ORDINALITY AS c));
    -- ANALYZE, also of autovacuum, runs functions of types with the rights of the table's owner, but for columns without statistics.
    FOREACH strange IN ARRAY ARRAY(
        SELECT c.name FROM pgslo_catalog.columns_with_code(to_regclass(format('pgslo_snapshot.%I', make_table.table_name))) AS c (name))
    LOOP
        EXECUTE format('ALTER TABLE pgslo_snapshot.%I ALTER COLUMN %I SET STATISTICS 0', make_table.table_name, strange);
    END LOOP;
    EXECUTE format('REVOKE ALL ON TABLE pgslo_snapshot.%I FROM PUBLIC', make_table.table_name);
    -- Default privileges of pgslo's owner are not about values of other tables.
    FOR given IN
        SELECT DISTINCT r.rolname
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS x JOIN pg_roles r ON r.oid = x.grantee
        WHERE c.oid = to_regclass(format('pgslo_snapshot.%I', make_table.table_name)) AND x.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE pgslo_snapshot.%I FROM %I', make_table.table_name, given);
    END LOOP;
    IF make_table.reader IS NOT NULL THEN
        EXECUTE format('GRANT INSERT ON TABLE pgslo_snapshot.%I TO %I', make_table.table_name, make_table.reader);
    END IF;
    INSERT INTO pgslo_catalog.snapshot_room (table_name) VALUES (make_table.table_name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.make_table(text, jsonb, boolean, name) IS
    'Create a table that a reader, or for NULL only pgslo, may fill during its transaction.';
