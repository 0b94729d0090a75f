-- Taking a snapshot.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.begin_snapshot(
    name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
    healthy_names text[];
    within interval;
    statement text;
BEGIN
    IF begin_snapshot.name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$' OR begin_snapshot.name = 'refuse_change' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_name',
            MESSAGE = format('invalid snapshot name "%s"', begin_snapshot.name),
            HINT = 'A letter, then letters, digits, "_", "-" and ".", 63 at most.';
    END IF;
    SELECT v.source, v.definition INTO source, defined
    FROM pgslo_catalog.guarded_view(begin_snapshot.source_schema, begin_snapshot.source_name) AS v;
    SELECT d.* INTO STRICT target FROM pgslo_catalog.definition d WHERE d.name = defined;
    IF (has_table_privilege(reader, source, 'SELECT') AND has_schema_privilege(reader, begin_snapshot.source_schema, 'USAGE')) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied for view %s', begin_snapshot.source_name);
    END IF;
    IF EXISTS (
        SELECT FROM pg_class t CROSS JOIN pg_class v
        WHERE t.oid = target.relation AND t.relrowsecurity AND v.oid = source
          AND NOT coalesce('security_invoker=true' = ANY (v.reloptions), false))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('view %I.%I shows all rows of %s, which has row security', begin_snapshot.source_schema,
                             begin_snapshot.source_name, target.name),
            DETAIL = 'Row security was enabled after the last apply.',
            HINT = 'Run pgslo apply.';
    END IF;
    PERFORM pgslo_catalog.check_types(target);
    PERFORM pgslo_catalog.check_condition(begin_snapshot.condition);
    PERFORM pgslo_catalog.keep_snapshots();
    begun.columns := (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                   'collation', CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(n.nspname) || '.' || quote_ident(l.collname) END))
                       ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
        WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped);
    BEGIN
        INSERT INTO pgslo_catalog.snapshot AS s (name, is_copy, definition, definition_fingerprint, source_schema,
            source_name, condition, columns, batch_by, batch_place, batch_name, library_version, taken_by)
        VALUES (begin_snapshot.name, NOT begin_snapshot.as_reference, target.name, target.fingerprint, begin_snapshot.source_schema, begin_snapshot.source_name,
                begin_snapshot.condition,
                begun.columns, target.batch_by, target.batch_place, target.batch_name, pgslo.version(), reader)
        RETURNING s.* INTO begun;
        begun.is_checked := pgslo_catalog.can_be_read(begun);
        PERFORM pgslo_catalog.make_table(begun.name, begun.columns, begun.is_copy,
            CASE WHEN NOT begun.is_checked OR begun.condition IS NOT NULL THEN reader END);
    EXCEPTION WHEN unique_violation OR duplicate_table THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('snapshot "%s" already exists', begin_snapshot.name),
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
            DETAIL = CASE WHEN begin_snapshot.as_reference THEN 'A reference leaves out later rows by their batch.'
                          ELSE 'Unhealthy rows cannot be left out.' END,
            HINT = 'The batch has to be a date, time or number of the row, and the view has to show it; else take a copy of all rows.';
    END IF;
    IF begin_snapshot.healthy_only THEN
        -- A task's view has batches of the task's window.
        SELECT t.within INTO within FROM pgslo_catalog.task t
        WHERE t.definition_id = target.definition_id AND t.batches = 'all'
          AND parse_ident(t.view_name) = ARRAY[begun.source_schema, begun.source_name];
        SELECT coalesce(array_agg(h.place), '{}'), coalesce(array_agg(h.batch), '{}') INTO healthy, healthy_names
        FROM pgslo_catalog.healthy(target, ARRAY(
                SELECT c ->> 'name' FROM jsonb_array_elements(begun.columns) AS c
                WHERE EXISTS (SELECT FROM pg_attribute a
                              WHERE a.attrelid = target.relation AND a.attname = c ->> 'name' AND a.attnum > 0 AND NOT a.attisdropped)),
                clock_timestamp(), within) AS h;
        begun.left_out := ARRAY(
            SELECT b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = target.definition_id AND b.name <> ALL (healthy_names) ORDER BY b.place);
    END IF;
    UPDATE pgslo_catalog.snapshot s
    SET batch_by = begun.batch_by, batch_place = CASE WHEN begun.batch_by IS NOT NULL THEN s.batch_place END,
        batch_name = CASE WHEN begun.batch_by IS NOT NULL THEN s.batch_name END, left_out = begun.left_out,
        is_checked = begun.is_checked
    WHERE s.snapshot_id = begun.snapshot_id;
    statement := format('INSERT INTO pgslo_snapshot.%I %s', begun.name, pgslo_catalog.reading(begun, healthy, healthy_names));
    IF begun.is_checked AND begun.condition IS NULL THEN
        -- Every word of it is pgslo's, and no other role may add rows.
        EXECUTE statement;
        RETURN 'SELECT';
    END IF;
    RETURN statement;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_snapshot(text, text, text, text, boolean, boolean) IS
    'Part of create_snapshot(): create the table, fill it where pgslo can, and return the query that the caller has to run.';

CREATE OR REPLACE FUNCTION pgslo.seal_snapshot(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('must be owner of snapshot "%s"', begun.name);
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
        (newest_batch, newest_place) = (SELECT b.batch, b.place FROM pgslo_catalog.snapshot_batch b
                                        WHERE b.snapshot_id = s.snapshot_id AND s.batch_by IS NOT NULL AND b.place <= pgslo_catalog.last_place(target)
                                        ORDER BY b.place DESC LIMIT 1),
        incidents = coalesce((
            SELECT jsonb_agg(jsonb_build_object('incident', i.incident_id, 'rule', r.name, 'columns', r.columns, 'since', i.opened_at,
                                                'batch', i.opened_batch) ORDER BY i.incident_id)
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
    PERFORM pgslo_catalog.protect_snapshot(begun.name);
    -- Every role that may connect can read comments, of tables that it may not read as well: nothing of rows, conditions or roles is in them.
    EXECUTE format('COMMENT ON TABLE pgslo_snapshot.%I IS %L', begun.name,
        'A snapshot that pgslo took; pgslo.snapshot shows it to roles that may read its view.');
    SELECT c.relacl, c.relowner, n.oid AS schema, n.nspacl, t.relrowsecurity INTO source
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_class t
    WHERE n.nspname = begun.source_schema AND c.relname = begun.source_name AND t.oid = target.relation;
    -- Readers of the view may read its copy; but where row security selects rows by reader, the copy has the taker's.
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
COMMENT ON FUNCTION pgslo.seal_snapshot(text) IS 'Part of create_snapshot(): compute the record of the rows, and protect them from changes.';

CREATE OR REPLACE FUNCTION pgslo_catalog.whole_of(snapshot_id bigint, OUT rows bigint, OUT sums numeric[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(sum(b.rows), 0)::bigint,
           ARRAY[coalesce(sum(b.sums[1]), 0), coalesce(sum(b.sums[2]), 0), coalesce(sum(b.sums[3]), 0), coalesce(sum(b.sums[4]), 0)]
    FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = whole_of.snapshot_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.whole_of(bigint) IS 'Return rows and sums of all batches of a snapshot.';

CREATE OR REPLACE FUNCTION pgslo.check_own_rights(reader name) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
COMMENT ON FUNCTION pgslo.check_own_rights(name) IS
    'Part of create_snapshot() and verify_snapshot(): refuse to read rows with the rights of a function''s owner for its caller.';

CREATE OR REPLACE FUNCTION pgslo.create_snapshot(
    name text, source_schema text, source_name text, condition text DEFAULT NULL, as_reference boolean DEFAULT false,
    healthy_only boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
-- What the condition says about times must not depend on who asks.
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $pgslo$
BEGIN
    PERFORM pgslo.check_own_rights(current_user);
    EXECUTE pgslo.begin_snapshot(create_snapshot.name, create_snapshot.source_schema, create_snapshot.source_name, create_snapshot.condition,
                                 create_snapshot.as_reference, create_snapshot.healthy_only);
    PERFORM pgslo.seal_snapshot(create_snapshot.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.create_snapshot(text, text, text, text, boolean, boolean) IS
    'Take a snapshot of a guarded view with the caller''s rights: a copy of the rows in pgslo_snapshot, or a reference to read them again.';

CREATE OR REPLACE FUNCTION pgslo.snapshot_query(name text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_query.name);
BEGIN
    IF known.is_copy THEN
        RETURN format('SELECT * FROM pgslo_snapshot.%I', known.name);
    END IF;
    PERFORM pgslo_catalog.check_rereading(known);
    RETURN (
        SELECT pgslo_catalog.reading(known, coalesce(array_agg(b.place ORDER BY b.place, b.batch), '{}'),
                                     coalesce(array_agg(b.batch ORDER BY b.place, b.batch), '{}'))
        FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = known.snapshot_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.snapshot_query(text) IS
    'Return the query that reads a snapshot''s rows: of a copy as they are kept, of a reference from its view, those of its batches alone.';
