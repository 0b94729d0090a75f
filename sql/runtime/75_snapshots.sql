-- Snapshots. Rows are read by the caller, with the caller's rights, into a table of pgslo's; what is told of them is worked out there.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.keep_snapshots() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    keeper oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot');
BEGIN
    IF keeper IS NULL THEN
        -- Outside pgslo's other schemas: snapshots stay when pgslo goes, and what keeps their rows as they are stays with them.
        CREATE SCHEMA pgslo_snapshot;
        COMMENT ON SCHEMA pgslo_snapshot IS 'Snapshots that pgslo took: tables whose rows cannot be changed.';
        GRANT USAGE ON SCHEMA pgslo_snapshot TO PUBLIC;
        EXECUTE
            $text$
            CREATE FUNCTION pgslo_snapshot.refuse_change() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp
            AS $body$
            BEGIN
                RAISE EXCEPTION USING
                    ERRCODE = 'object_not_in_prerequisite_state',
                    MESSAGE = format('snapshot "%s" cannot be changed', TG_TABLE_NAME),
                    DETAIL = 'Its rows are kept as they were taken.',
                    HINT = 'Take another one; pgslo snapshot drop takes this one away.',
                    SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
            END
            $body$
            $text$;
        REVOKE ALL ON FUNCTION pgslo_snapshot.refuse_change() FROM PUBLIC;
        COMMENT ON FUNCTION pgslo_snapshot.refuse_change() IS 'Refuses to change a snapshot''s rows.';
    ELSIF keeper <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_schema',
            MESSAGE = 'schema pgslo_snapshot belongs to somebody else',
            DETAIL = format('Its owner is %s; snapshots are kept by %s.', keeper::regrole, current_user),
            HINT = 'Rename it, or give it to pgslo''s owner.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keep_snapshots() IS 'Makes the schema for snapshots, with the first one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_see(snapshot pgslo_catalog.snapshot, reader name) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT snapshot.taken_by = reader
        OR (SELECT pg_has_role(reader, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog')
        OR EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_namespace k ON k.nspname = 'pgslo_catalog'
            WHERE n.nspname = snapshot.source_schema AND c.relname = snapshot.source_name
              -- A view that took the name later is of a role that never applied.
              AND pg_has_role(c.relowner, k.nspowner, 'USAGE')
              AND has_schema_privilege(reader, n.oid, 'USAGE') AND has_table_privilege(reader, c.oid, 'SELECT')
              -- Where each reader sees rows of his own, it holds the taker's.
              AND NOT EXISTS (
                  SELECT FROM pg_rewrite w
                  JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = w.oid AND p.refclassid = 'pg_class'::regclass
                  JOIN pg_class t ON t.oid = p.refobjid
                  WHERE w.ev_class = c.oid AND t.relrowsecurity))
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_see(pgslo_catalog.snapshot, name) IS 'Whether somebody may know of a snapshot: who took it, who may read its view, and pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.snapshot_called(name text) RETURNS pgslo_catalog.snapshot
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.snapshot;
BEGIN
    SELECT s.* INTO found FROM pgslo_catalog.snapshot s WHERE s.name = snapshot_called.name;
    -- Who may not see it is told no more than who misspells it.
    IF found.snapshot_id IS NULL OR NOT pgslo_catalog.may_see(found, pgslo_catalog.caller()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no snapshot "%s"', snapshot_called.name),
            HINT = 'SELECT name FROM pgslo.snapshot;';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.snapshot_called(text) IS 'The snapshot of that name; an error where the caller may see none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.guarded_view(source_schema text, source_name text, OUT source regclass, OUT definition text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Of pgslo's and registered by apply: functions in the view of another role would run with the reader's rights.
    SELECT g.object_id, g.definition INTO source, definition
    FROM pgslo_catalog.generated g
    WHERE g.kind = 'view' AND g.is_ours AND g.is_listed AND g.names = ARRAY[guarded_view.source_schema, guarded_view.source_name];
    IF source IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%I.%I is no guarded view', guarded_view.source_schema, guarded_view.source_name),
            DETAIL = 'Snapshots are taken of what readers see.',
            HINT = 'Name a guarded view or the view of a task; pgslo status shows the tables.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.guarded_view(text, text) IS 'Return a view that apply made and registered, and its definition; an error where it is another.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_rereading(snapshot pgslo_catalog.snapshot) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    defined text;
BEGIN
    IF snapshot.condition IS NOT NULL AND snapshot.taken_by <> pgslo_catalog.caller() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied to read snapshot "%s" again', snapshot.name),
            DETAIL = format('Its condition was written by %s, and would run with the rights of %s.', snapshot.taken_by, pgslo_catalog.caller()),
            HINT = format('SET ROLE %I;', snapshot.taken_by);
    END IF;
    -- The view of that name may be another by now.
    SELECT v.definition INTO defined FROM pgslo_catalog.guarded_view(snapshot.source_schema, snapshot.source_name) AS v;
    PERFORM pgslo_catalog.check_types(d) FROM pgslo_catalog.definition d WHERE d.name = defined;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_rereading(pgslo_catalog.snapshot) IS 'Refuse to read a reference again with the rights of another role than its taker''s, or from a view that is not pgslo''s.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reading(snapshot pgslo_catalog.snapshot, places numeric[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format(E'SELECT %s FROM %I.%I AS r WHERE (\n%s\n)%s',
        (SELECT string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality) FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS c),
        snapshot.source_schema, snapshot.source_name, coalesce(snapshot.condition, 'true'),
        CASE
            WHEN reading.places IS NOT NULL
            THEN format(' AND (SELECT %s FROM (SELECT %s AS raw) AS b) = ANY (%L::numeric[])', snapshot.batch_place, snapshot.batch_by, reading.places)
            ELSE ''
        END)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reading(pgslo_catalog.snapshot, numeric[]) IS 'The query that reads a snapshot''s rows from its view, those of these batches alone where they are given.';

CREATE OR REPLACE FUNCTION pgslo_catalog.row_text(columns jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format('ROW(%s)::text', string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality))
    FROM jsonb_array_elements(row_text.columns) WITH ORDINALITY AS c
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.row_text(jsonb) IS 'A row as text, as SQL over row r.';

CREATE OR REPLACE FUNCTION pgslo_catalog.content_of(snapshot pgslo_catalog.snapshot, table_name text)
RETURNS TABLE (batch text, place numeric, rows bigint, sums numeric[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The same text for the same value, whoever asks and on every version of PostgreSQL.
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
    -- Sums do not depend on the order of rows, and unlike exclusive or they count a row that is there twice.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT %s, coalesce(%s, '-Infinity'), b.rows, b.sums
        FROM (
            SELECT h.raw, count(*) AS rows,
                   ARRAY[sum(('x' || substr(h.digest, 1, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 17, 16))::bit(64)::bigint),
                         sum(('x' || substr(h.digest, 33, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 49, 16))::bit(64)::bigint)] AS sums
            FROM (
                -- OFFSET keeps the digest from being worked out anew for each of its quarters.
                SELECT %s AS raw, encode(sha256(convert_to(%s, 'UTF8')), 'hex') AS digest FROM pgslo_snapshot.%I AS r OFFSET 0
            ) AS h
            GROUP BY h.raw
        ) AS b
        $query$,
        CASE WHEN snapshot.batch_by IS NULL THEN '''''::text' ELSE 'pgslo_catalog.iso(b.raw)' END,
        CASE WHEN snapshot.batch_by IS NULL THEN 'NULL::numeric' ELSE snapshot.batch_place END,
        coalesce(snapshot.batch_by, 'NULL::text'), pgslo_catalog.row_text(snapshot.columns), content_of.table_name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.content_of(pgslo_catalog.snapshot, text) IS 'The batches in a table of rows, with sums over what is in them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.content_hash(columns jsonb, rows bigint, sums numeric[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
-- %I quotes names by it.
SET quote_all_identifiers = off
AS $pgslo$
    SELECT encode(sha256(convert_to(concat_ws(E'\n', 'pgslo 1',
        (SELECT string_agg(format('%I %s', c.value ->> 'name', c.value ->> 'type'), E'\n' ORDER BY c.ordinality) FROM jsonb_array_elements(content_hash.columns) WITH ORDINALITY AS c),
        content_hash.rows, array_to_string(content_hash.sums, ' ')), 'UTF8')), 'hex')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.content_hash(jsonb, bigint, numeric[]) IS 'One hash for columns and rows in any order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_rows(snapshot pgslo_catalog.snapshot, table_name text, rows bigint) RETURNS SETOF pgslo_catalog.snapshot_column
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
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
            THEN (SELECT format('concat_ws(''|'', %s)', string_agg(format('r.%I', k.name), ', ' ORDER BY k.n)) FROM unnest(target.key_columns) WITH ORDINALITY AS k (name, n))
            ELSE pgslo_catalog.row_text(snapshot.columns)
        END)
    INTO sample USING mask;

    -- Under a name that no batch has, and gone before this transaction ends.
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
    JOIN (SELECT e.value ->> 'name' AS name, e.value ->> 'type' AS type, e.ordinality AS n FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS e) AS c ON c.name = p.column_name
    WHERE p.definition_id = target.definition_id AND p.batch = whole.name
    ORDER BY c.n;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = target.definition_id AND p.batch = whole.name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_rows(pgslo_catalog.snapshot, text, bigint) IS 'Each column of a table of rows in numbers, by what learned bounds go by.';

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

CREATE OR REPLACE FUNCTION pgslo_catalog.can_be_read(snapshot pgslo_catalog.snapshot) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    keeper oid := pgslo_catalog.keeper();
BEGIN
    -- Where policies show each reader other rows, only the reader can read them. Where a table, or a part of one, belongs to
    -- another role, its indexes and constraints would run code of that role.
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.definition d
        JOIN pg_namespace n ON n.nspname = snapshot.source_schema
        JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = snapshot.source_name
        WHERE d.name = snapshot.definition AND v.relowner = keeper AND has_schema_privilege(keeper, n.oid, 'USAGE')
          AND NOT EXISTS (
              WITH RECURSIVE part AS (
                  SELECT d.relation::oid AS oid
                  UNION
                  SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
              )
              SELECT FROM part LEFT JOIN pg_class t ON t.oid = part.oid
              WHERE t.oid IS NULL OR t.relowner <> keeper OR t.relrowsecurity OR t.relkind NOT IN ('r', 'p')));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.can_be_read(pgslo_catalog.snapshot) IS
    'Whether pgslo''s owner reads the same rows from a snapshot''s view as its taker, and runs no code of another role.';

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
BEGIN
    EXECUTE format('CREATE %s TABLE pgslo_snapshot.%I (%s)', CASE WHEN make_table.for_good THEN '' ELSE 'UNLOGGED' END, make_table.table_name,
        (SELECT string_agg(format('%I %s%s', c.value ->> 'name', c.value ->> 'type', coalesce(' COLLATE ' || (c.value ->> 'collation'), '')), ', ' ORDER BY c.ordinality)
         FROM jsonb_array_elements(make_table.columns) WITH ORDINALITY AS c));
    -- ANALYZE, also of autovacuum, runs functions of types with the rights of the table's owner, but for columns without statistics.
    FOREACH strange IN ARRAY ARRAY(
        SELECT c.name FROM pgslo_catalog.columns_with_code(to_regclass(format('pgslo_snapshot.%I', make_table.table_name))) AS c (name))
    LOOP
        EXECUTE format('ALTER TABLE pgslo_snapshot.%I ALTER COLUMN %I SET STATISTICS 0', make_table.table_name, strange);
    END LOOP;
    EXECUTE format('REVOKE ALL ON TABLE pgslo_snapshot.%I FROM PUBLIC', make_table.table_name);
    IF make_table.reader IS NOT NULL THEN
        EXECUTE format('GRANT INSERT ON TABLE pgslo_snapshot.%I TO %I', make_table.table_name, make_table.reader);
    END IF;
    INSERT INTO pgslo_catalog.snapshot_room (table_name) VALUES (make_table.table_name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.make_table(text, jsonb, boolean, name) IS 'A table that a reader, or where that is NULL pgslo alone, may fill, for as long as its transaction lasts.';

CREATE OR REPLACE FUNCTION pgslo.begin_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $pgslo$
DECLARE
    reader name := pgslo_catalog.caller();
    source regclass;
    defined text;
    target pgslo_catalog.definition;
    begun pgslo_catalog.snapshot;
    healthy numeric[];
    within interval;
    statement text;
BEGIN
    IF begin_snapshot.name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$' OR begin_snapshot.name = 'refuse_change' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_name',
            MESSAGE = format('"%s" is no name for a snapshot', begin_snapshot.name),
            HINT = 'A letter, then letters, digits, "_", "-" and ".", 63 at most.';
    END IF;
    SELECT v.source, v.definition INTO source, defined
    FROM pgslo_catalog.guarded_view(begin_snapshot.source_schema, begin_snapshot.source_name) AS v;
    SELECT d.* INTO STRICT target FROM pgslo_catalog.definition d WHERE d.name = defined;
    IF NOT has_table_privilege(reader, source, 'SELECT') OR NOT has_schema_privilege(reader, begin_snapshot.source_schema, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied for view %s', begin_snapshot.source_name);
    END IF;
    PERFORM pgslo_catalog.check_types(target);
    PERFORM pgslo_catalog.check_condition(begin_snapshot.condition);
    PERFORM pgslo_catalog.keep_snapshots();
    begun.columns := (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                   'collation', CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(n.nspname) || '.' || quote_ident(l.collname) END)) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
        WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped);
    BEGIN
        INSERT INTO pgslo_catalog.snapshot AS s (name, is_copy, definition, definition_fingerprint, source_schema, source_name, condition, columns, batch_by, batch_place, library_version, taken_by)
        VALUES (begin_snapshot.name, NOT begin_snapshot.as_reference, target.name, target.fingerprint, begin_snapshot.source_schema, begin_snapshot.source_name, begin_snapshot.condition,
                begun.columns, target.batch_by, target.batch_place, pgslo.version(), reader)
        RETURNING s.* INTO begun;
        begun.is_checked := pgslo_catalog.can_be_read(begun);
        PERFORM pgslo_catalog.make_table(begun.name, begun.columns, begun.is_copy,
            CASE WHEN NOT begun.is_checked OR begun.condition IS NOT NULL THEN reader END);
    EXCEPTION WHEN unique_violation OR duplicate_table THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('there is a snapshot "%s" already', begin_snapshot.name),
            HINT = 'Give this one another name, for example with the date in it.';
    END;
    -- A task's view may lack the column that says the batch.
    IF begun.batch_by IS NOT NULL THEN
        BEGIN
            EXECUTE format('SELECT FROM (SELECT %s AS raw FROM pgslo_snapshot.%I AS r LIMIT 0) AS b', target.batch_by, begun.name);
        EXCEPTION WHEN undefined_column THEN
            begun.batch_by := NULL;
        END;
    END IF;
    IF begun.batch_by IS NULL AND (begin_snapshot.as_reference OR begin_snapshot.healthy_only) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('rows of %I.%I do not say which batch they belong to', begun.source_schema, begun.source_name),
            DETAIL = CASE WHEN begin_snapshot.as_reference THEN 'A reference leaves out what comes later by its batch.' ELSE 'What was unhealthy cannot be left out.' END,
            HINT = 'The batch has to be a date, time or number of the row, and the view has to show it; else take a copy of all rows.';
    END IF;
    IF begin_snapshot.healthy_only THEN
        -- A task's view tells of batches as far back as the task looks.
        SELECT t.within INTO within FROM pgslo_catalog.task t
        WHERE t.definition_id = target.definition_id AND t.batches = 'all'
          AND parse_ident(t.view_name) = ARRAY[begun.source_schema, begun.source_name];
        healthy := ARRAY(
            SELECT h.place FROM pgslo_catalog.healthy(target, ARRAY(
                SELECT c ->> 'name' FROM jsonb_array_elements(begun.columns) AS c
                WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = c ->> 'name' AND a.attnum > 0 AND NOT a.attisdropped)),
                clock_timestamp(), within) AS h);
        begun.left_out := ARRAY(SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id AND b.place <> ALL (healthy) ORDER BY b.place);
    END IF;
    UPDATE pgslo_catalog.snapshot s
    SET batch_by = begun.batch_by, batch_place = CASE WHEN begun.batch_by IS NOT NULL THEN s.batch_place END, left_out = begun.left_out,
        is_checked = begun.is_checked
    WHERE s.snapshot_id = begun.snapshot_id;
    statement := format('INSERT INTO pgslo_snapshot.%I %s', begun.name, pgslo_catalog.reading(begun, healthy));
    IF begun.is_checked AND begun.condition IS NULL THEN
        -- Every word of it is pgslo's, and no other role may add rows.
        EXECUTE statement;
        RETURN 'SELECT';
    END IF;
    RETURN statement;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_snapshot(text, text, text, text, boolean, boolean) IS
    'Part of create_snapshot(): makes room, fills it where pgslo can, and says what the caller has to run.';

CREATE OR REPLACE FUNCTION pgslo.seal_snapshot(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    reader name := pgslo_catalog.caller();
    begun pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(seal_snapshot.name);
    target pgslo_catalog.definition;
    source record;
    known record;
    one text;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = begun.definition;
    IF begun.content_hash IS NOT NULL OR begun.taken_by <> reader OR target.definition_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('snapshot "%s" is not yours to seal', begun.name);
    END IF;
    EXECUTE format('REVOKE INSERT ON TABLE pgslo_snapshot.%I FROM %I', begun.name, reader);
    IF begun.is_checked AND begun.condition IS NOT NULL THEN
        -- A role that may fill the table may fill it with anything.
        begun.is_checked := pgslo_catalog.can_be_read(begun);
        IF begun.is_checked THEN
            PERFORM pgslo_catalog.check_rows(begun);
        END IF;
    END IF;
    DELETE FROM pgslo_catalog.snapshot_room r WHERE r.table_name = begun.name;
    INSERT INTO pgslo_catalog.snapshot_batch (snapshot_id, batch, place, rows, sums)
    SELECT begun.snapshot_id, c.batch, c.place, c.rows, c.sums FROM pgslo_catalog.content_of(begun, begun.name) AS c;
    SELECT * INTO known FROM pgslo_catalog.whole_of(begun.snapshot_id);
    INSERT INTO pgslo_catalog.snapshot_column SELECT * FROM pgslo_catalog.profile_rows(begun, begun.name, known.rows);
    UPDATE pgslo_catalog.snapshot s
    SET rows = known.rows, is_checked = begun.is_checked, content_hash = pgslo_catalog.content_hash(s.columns, known.rows, known.sums),
        (newest_batch, newest_place) = (SELECT b.batch, b.place FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = s.snapshot_id AND s.batch_by IS NOT NULL AND b.place <= pgslo_catalog.last_place(target) ORDER BY b.place DESC LIMIT 1),
        incidents = coalesce((
            SELECT jsonb_agg(jsonb_build_object('incident', i.incident_id, 'rule', r.name, 'columns', r.columns, 'since', i.opened_at, 'batch', i.opened_batch) ORDER BY i.incident_id)
            FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id)
            -- Batches of one that is over are left out of healthy rows.
            WHERE i.definition_id = target.definition_id AND i.resolved_at IS NULL AND (i.over_at IS NULL OR s.left_out IS NULL)
              AND (r.columns = '{}' OR r.columns && ARRAY(SELECT c ->> 'name' FROM jsonb_array_elements(s.columns) AS c))), '[]')
    WHERE s.snapshot_id = begun.snapshot_id
    RETURNING s.* INTO begun;
    IF NOT begun.is_copy THEN
        EXECUTE format('DROP TABLE pgslo_snapshot.%I', begun.name);
        RETURN;
    END IF;
    EXECUTE format('CREATE TRIGGER pgslo_refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgslo_snapshot.%I FOR EACH STATEMENT EXECUTE FUNCTION pgslo_snapshot.refuse_change()', begun.name);
    EXECUTE format('ALTER TABLE pgslo_snapshot.%I ENABLE ALWAYS TRIGGER pgslo_refuse_change', begun.name);
    -- What is told of it stays with it when pgslo goes.
    EXECUTE format('COMMENT ON TABLE pgslo_snapshot.%I IS %L', begun.name,
        format('Snapshot of %I.%I%s, taken by pgslo %s at %s UTC for %s: %s rows, content hash %s, definition %s.', begun.source_schema, begun.source_name,
            coalesce(format(' where %s', begun.condition), ''), begun.library_version, to_char(begun.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), begun.taken_by,
            begun.rows, begun.content_hash, begun.definition_fingerprint));
    SELECT c.relacl, c.relowner, n.oid AS schema, n.nspacl, t.relrowsecurity INTO source
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_class t
    WHERE n.nspname = begun.source_schema AND c.relname = begun.source_name AND t.oid = target.relation;
    -- Who may read the view may read what was in it; but where each reader sees rows of his own, it holds the taker's.
    FOR one IN
        SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END
        FROM (
            SELECT u.grantee
            FROM aclexplode(coalesce(source.relacl, acldefault('r', source.relowner))) AS a
            CROSS JOIN LATERAL (
                SELECT a.grantee WHERE a.grantee <> 0 AND has_schema_privilege(a.grantee, source.schema, 'USAGE')
                UNION ALL
                -- All may read the view who may use its schema.
                SELECT s.grantee FROM aclexplode(source.nspacl) AS s WHERE a.grantee = 0 AND s.privilege_type = 'USAGE'
            ) AS u
            WHERE a.privilege_type = 'SELECT' AND NOT source.relrowsecurity
            UNION ALL SELECT r.oid FROM pg_roles r WHERE r.rolname = reader
        ) AS g
    LOOP
        EXECUTE format('GRANT SELECT ON TABLE pgslo_snapshot.%I TO %s', begun.name, one);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.seal_snapshot(text) IS 'Part of create_snapshot(): works out what is told of the rows, and keeps them as they are.';

CREATE OR REPLACE FUNCTION pgslo_catalog.whole_of(snapshot_id bigint, OUT rows bigint, OUT sums numeric[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(sum(b.rows), 0)::bigint, ARRAY[coalesce(sum(b.sums[1]), 0), coalesce(sum(b.sums[2]), 0), coalesce(sum(b.sums[3]), 0), coalesce(sum(b.sums[4]), 0)]
    FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = whole_of.snapshot_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.whole_of(bigint) IS 'Rows and sums of all batches of a snapshot.';

CREATE OR REPLACE FUNCTION pgslo.check_own_rights(reader name) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF check_own_rights.reader <> pgslo_catalog.caller() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'snapshots are read with the rights of the session''s role alone',
            DETAIL = format('A function runs this with the rights of %s for %s.', check_own_rights.reader, pgslo_catalog.caller()),
            HINT = 'Call it outside of functions that are SECURITY DEFINER.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.check_own_rights(name) IS 'Part of create_snapshot() and verify_snapshot(): refuse to read rows with the rights of a function''s owner for its caller.';

CREATE OR REPLACE FUNCTION pgslo.create_snapshot(name text, source_schema text, source_name text, condition text DEFAULT NULL, as_reference boolean DEFAULT false, healthy_only boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
-- What the condition says about times must not depend on who asks.
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $pgslo$
BEGIN
    PERFORM pgslo.check_own_rights(current_user);
    EXECUTE pgslo.begin_snapshot(create_snapshot.name, create_snapshot.source_schema, create_snapshot.source_name, create_snapshot.condition, create_snapshot.as_reference, create_snapshot.healthy_only);
    PERFORM pgslo.seal_snapshot(create_snapshot.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.create_snapshot(text, text, text, text, boolean, boolean) IS 'Takes a snapshot of a guarded view with the caller''s rights: a copy of the rows in pgslo_snapshot, or a reference to read them again by.';

CREATE OR REPLACE FUNCTION pgslo.snapshot_query(name text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_query.name);
BEGIN
    IF known.is_copy THEN
        RETURN format('SELECT * FROM pgslo_snapshot.%I', known.name);
    END IF;
    PERFORM pgslo_catalog.check_rereading(known);
    RETURN pgslo_catalog.reading(known, ARRAY(SELECT b.place FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = known.snapshot_id ORDER BY b.place));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.snapshot_query(text) IS 'The query that reads a snapshot''s rows: of a copy as they are kept, of a reference from its view, those of its batches alone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.room_of(snapshot_id bigint) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT format('check of %s by %s', room_of.snapshot_id, pg_backend_pid()) $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.room_of(bigint) IS 'The table into which this session reads a reference again.';

CREATE OR REPLACE FUNCTION pgslo_catalog.leave_room(room text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- The schema may be another role's by now, and a table in it that role's.
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        EXECUTE format('DROP TABLE IF EXISTS pgslo_snapshot.%I', leave_room.room);
    END IF;
    DELETE FROM pgslo_catalog.snapshot_room r WHERE r.table_name = leave_room.room;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.leave_room(text) IS 'Drop a table into which a reference was read again.';

CREATE OR REPLACE FUNCTION pgslo.begin_check(name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(begin_check.name);
    room text := pgslo_catalog.room_of(known.snapshot_id);
BEGIN
    IF known.is_copy THEN
        RETURN NULL;
    END IF;
    PERFORM pgslo_catalog.check_rereading(known);
    PERFORM pgslo_catalog.keep_snapshots();
    PERFORM pgslo_catalog.leave_room(room);
    PERFORM pgslo_catalog.make_table(room, known.columns, false, pgslo_catalog.caller());
    RETURN format('INSERT INTO pgslo_snapshot.%I %s', room, pgslo.snapshot_query(known.name));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_check(text) IS 'Part of verify_snapshot(): what the caller has to run to read a reference again; NULL for a copy.';

CREATE OR REPLACE FUNCTION pgslo.end_check(name text) RETURNS TABLE (about text, was text, is_now text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(end_check.name);
    room text := CASE WHEN known.is_copy THEN known.name ELSE pgslo_catalog.room_of(known.snapshot_id) END;
    keeper regclass := (SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgslo_snapshot' AND c.relname = room AND c.relkind = 'r'
                        AND c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user));
    columns_now jsonb;
BEGIN
    IF known.content_hash IS NULL OR keeper IS NULL THEN
        RETURN QUERY SELECT 'table'::text, CASE WHEN known.content_hash IS NULL THEN 'not sealed' ELSE 'there' END, CASE WHEN keeper IS NULL THEN 'gone' ELSE 'there' END;
        IF NOT known.is_copy THEN
            PERFORM pgslo_catalog.leave_room(room);
        END IF;
        RETURN;
    END IF;
    columns_now := (
        SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = keeper AND a.attnum > 0 AND NOT a.attisdropped);
    IF columns_now <> (SELECT jsonb_agg(c.value - 'collation' ORDER BY c.ordinality) FROM jsonb_array_elements(known.columns) WITH ORDINALITY AS c) THEN
        RETURN QUERY
        SELECT 'columns'::text, (SELECT string_agg(format('%s %s', c ->> 'name', c ->> 'type'), ', ') FROM jsonb_array_elements(known.columns) AS c),
               (SELECT string_agg(format('%s %s', c ->> 'name', c ->> 'type'), ', ') FROM jsonb_array_elements(columns_now) AS c);
        IF NOT known.is_copy THEN
            PERFORM pgslo_catalog.leave_room(room);
        END IF;
        RETURN;
    END IF;
    RETURN QUERY
    WITH now AS MATERIALIZED (SELECT c.* FROM pgslo_catalog.content_of(known, room) AS c),
    total AS (
        SELECT coalesce(sum(n.rows), 0)::bigint AS rows, pgslo_catalog.content_hash(known.columns, coalesce(sum(n.rows), 0)::bigint,
                   ARRAY[coalesce(sum(n.sums[1]), 0), coalesce(sum(n.sums[2]), 0), coalesce(sum(n.sums[3]), 0), coalesce(sum(n.sums[4]), 0)]) AS hash
        FROM now n
    )
    SELECT 'content hash'::text, known.content_hash, t.hash FROM total t WHERE t.hash <> known.content_hash
    UNION ALL
    SELECT 'rows', known.rows::text, t.rows::text FROM total t WHERE t.rows <> known.rows
    UNION ALL
    (SELECT 'batch ' || coalesce(b.batch, n.batch),
            CASE WHEN b.batch IS NULL THEN 'none' ELSE format('%s rows', b.rows) END,
            CASE WHEN n.batch IS NULL THEN 'none' WHEN n.rows = b.rows THEN format('%s rows, others', n.rows) ELSE format('%s rows', n.rows) END
     FROM (SELECT * FROM pgslo_catalog.snapshot_batch w WHERE w.snapshot_id = known.snapshot_id) AS b
     FULL JOIN now n ON n.batch = b.batch
     WHERE coalesce(b.batch, n.batch) <> '' AND (b.rows IS DISTINCT FROM n.rows OR b.sums IS DISTINCT FROM n.sums)
     ORDER BY coalesce(b.place, n.place));
    IF known.is_copy THEN
        RETURN QUERY
        SELECT 'protection'::text, 'rows cannot be changed'::text, 'the trigger that refuses changes is gone or switched off'::text
        WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = keeper AND g.tgname = 'pgslo_refuse_change' AND g.tgenabled = 'A');
    ELSE
        PERFORM pgslo_catalog.leave_room(room);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.end_check(text) IS 'Part of verify_snapshot(): what differs from what was taken.';

CREATE OR REPLACE FUNCTION pgslo.verify_snapshot(name text) RETURNS TABLE (about text, was text, is_now text)
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $pgslo$
DECLARE
    statement text := pgslo.begin_check(verify_snapshot.name);
BEGIN
    IF statement IS NOT NULL THEN
        PERFORM pgslo.check_own_rights(current_user);
        EXECUTE statement;
    END IF;
    RETURN QUERY SELECT c.about, c.was, c.is_now FROM pgslo.end_check(verify_snapshot.name) AS c;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.verify_snapshot(text) IS 'What differs between a snapshot''s rows and what was written down of them; no row when nothing does.';

CREATE OR REPLACE FUNCTION pgslo.drop_snapshot(name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(drop_snapshot.name);
BEGIN
    IF NOT pg_has_role(pgslo_catalog.caller(), current_user, 'USAGE') AND NOT (
        EXISTS (SELECT FROM pg_roles r WHERE r.rolname = known.taken_by) AND pg_has_role(pgslo_catalog.caller(), known.taken_by, 'USAGE')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('snapshot "%s" is not yours to drop', known.name),
            DETAIL = format('It was taken by %s.', known.taken_by),
            HINT = format('Ask %s, or %s.', known.taken_by, current_user);
    END IF;
    PERFORM pgslo_catalog.leave_room(known.name);
    DELETE FROM pgslo_catalog.snapshot s WHERE s.snapshot_id = known.snapshot_id;
    -- With the last one goes what was made with the first.
    IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgslo_snapshot')
        AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        DROP FUNCTION IF EXISTS pgslo_snapshot.refuse_change();
        DROP SCHEMA pgslo_snapshot;
    END IF;
    RETURN format('snapshot %s dropped', known.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.drop_snapshot(text) IS 'Takes a snapshot away: for who took it, and for pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.columns_apart(one pgslo_catalog.snapshot_column, other pgslo_catalog.snapshot_column, OUT distance float8, OUT by_chance float8)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    size float8 := sqrt(1.0 / nullif(one.sampled, 0) + 1.0 / nullif(other.sampled, 0));
BEGIN
    IF one.grid IS NOT NULL AND other.grid IS NOT NULL THEN
        distance := pgslo_catalog.grid_distance('ks', one.grid, other.grid);
        -- Smirnov's bound for one false alarm in a thousand, and the steps of a grid of 40.
        by_chance := 1.95 * size + 0.025;
    ELSIF one.sampled > 0 AND other.sampled > 0 THEN
        SELECT sum(abs(v.p - v.q)) / 2 + abs(sum(v.p) - sum(v.q)) / 2, 0.4 * sum(sqrt((v.p + v.q) / 2 * (1 - (v.p + v.q) / 2))) * size + 1.5 * size
        INTO distance, by_chance
        FROM (
            -- What is not among the commonest is one value more.
            SELECT coalesce(a.value::float8, 0) / one.sampled AS p, coalesce(b.value::float8, 0) / other.sampled AS q
            FROM jsonb_each_text(one.common) AS a FULL JOIN jsonb_each_text(other.common) AS b ON a.key = b.key
        ) AS v;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.columns_apart(pgslo_catalog.snapshot_column, pgslo_catalog.snapshot_column) IS 'The largest gap between two distributions of numbers, or the share of rows whose value would have to change; and what chance alone does in samples of this size.';

CREATE OR REPLACE FUNCTION pgslo.snapshot_diff(one text, other text)
RETURNS TABLE (column_name text, change text, type_one text, type_other text, null_share_one float8, null_share_other float8,
               summary_one jsonb, summary_other jsonb, distance float8, by_chance float8, has_drifted boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    first pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.one);
    second pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.other);
BEGIN
    RETURN QUERY
    SELECT coalesce(b.column_name, a.column_name),
           CASE WHEN a.column_name IS NULL THEN 'added' WHEN b.column_name IS NULL THEN 'gone' WHEN a.column_type <> b.column_type THEN 'retyped' ELSE 'kept' END,
           a.column_type, b.column_type, (1 - a.present / nullif(first.rows, 0)::float8), (1 - b.present / nullif(second.rows, 0)::float8),
           a.summary, b.summary, d.distance, d.by_chance,
           coalesce(d.distance > d.by_chance, false)
               -- Two shares of null, by their normal approximation; three standard errors.
               OR abs(asin(sqrt(greatest(1 - a.present / nullif(first.rows, 0)::float8, 0))) - asin(sqrt(greatest(1 - b.present / nullif(second.rows, 0)::float8, 0))))
                  > 1.65 * sqrt(1.0 / nullif(first.rows, 0) + 1.0 / nullif(second.rows, 0))
    FROM (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = first.snapshot_id) AS a
    FULL JOIN (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = second.snapshot_id) AS b ON b.column_name = a.column_name
    LEFT JOIN LATERAL pgslo_catalog.columns_apart(a, b) AS d ON a.column_type = b.column_type
    ORDER BY coalesce(b.ordinal, a.ordinal), a.ordinal;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.snapshot_diff(text, text) IS 'Two snapshots column by column: their profiles, and how far their distributions are apart.';

CREATE OR REPLACE VIEW pgslo.snapshot WITH (security_barrier) AS
SELECT s.name, CASE WHEN s.is_copy THEN 'copy' ELSE 'reference' END AS form, s.definition, s.definition_fingerprint,
       format('%I.%I', s.source_schema, s.source_name) AS source, s.condition, s.columns, s.rows, s.content_hash,
       (SELECT count(*) FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = s.snapshot_id AND s.batch_by IS NOT NULL) AS batches, s.newest_batch,
       s.left_out IS NOT NULL AS healthy_only, coalesce(cardinality(s.left_out), 0) AS batches_left_out, s.incidents, s.library_version, s.taken_at, s.taken_by,
       CASE WHEN s.is_copy THEN format('pgslo_snapshot.%I', s.name) END AS table_name, s.is_checked
FROM pgslo_catalog.snapshot s
WHERE s.content_hash IS NOT NULL AND pgslo_catalog.may_see(s, current_user);
COMMENT ON VIEW pgslo.snapshot IS 'Snapshots of views that the reader may read.';
