-- Stored snapshots: their visibility, and how they are read again. Rows are read by the caller, with the caller's rights.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.keep_snapshots() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    keeper oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot');
BEGIN
    IF keeper IS NULL THEN
        -- Other transactions that take a snapshot wait for this one.
        PERFORM pgslo_catalog.refuse_to_be_prepared();
        -- Outside pgslo's other schemas: snapshots stay when pgslo goes, and what keeps their rows as they are stays with them.
        CREATE SCHEMA pgslo_snapshot;
        COMMENT ON SCHEMA pgslo_snapshot IS 'Snapshots that pgslo took: tables whose rows cannot be changed.';
        GRANT USAGE ON SCHEMA pgslo_snapshot TO PUBLIC;
        EXECUTE
            $text$
            CREATE FUNCTION pgslo_snapshot.refuse_change() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
        COMMENT ON FUNCTION pgslo_snapshot.refuse_change() IS 'Refuse changes of a snapshot''s rows.';
    ELSIF keeper <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_schema',
            MESSAGE = 'schema pgslo_snapshot belongs to another role',
            DETAIL = format('Its owner is %s; snapshots are kept by %s.', keeper::regrole, current_user),
            HINT = 'Rename it, or give it to pgslo''s owner.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keep_snapshots() IS 'Create the schema for snapshots, with the first one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.protect_snapshot(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- %I quotes names by it.
SET quote_all_identifiers = off
AS $pgslo$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = to_regnamespace('pgslo_snapshot') AND p.proname = 'leave_out_change') THEN
        EXECUTE
            $text$
            CREATE FUNCTION pgslo_snapshot.leave_out_change() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
            AS 'BEGIN RETURN NULL; END'
            $text$;
        REVOKE ALL ON FUNCTION pgslo_snapshot.leave_out_change() FROM PUBLIC;
        COMMENT ON FUNCTION pgslo_snapshot.leave_out_change() IS 'Leave out changes of a snapshot''s rows that a subscription brings.';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER pgslo_refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgslo_snapshot.%1$I
         FOR EACH STATEMENT EXECUTE FUNCTION pgslo_snapshot.refuse_change();
         CREATE OR REPLACE TRIGGER pgslo_leave_out_change BEFORE INSERT OR UPDATE OR DELETE ON pgslo_snapshot.%1$I
         FOR EACH ROW EXECUTE FUNCTION pgslo_snapshot.leave_out_change();
         ALTER TABLE pgslo_snapshot.%1$I ENABLE ALWAYS TRIGGER pgslo_refuse_change;
         ALTER TABLE pgslo_snapshot.%1$I ENABLE ALWAYS TRIGGER pgslo_leave_out_change', protect_snapshot.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.protect_snapshot(text) IS
    'Have statements that change a snapshot refused. A subscription runs no statements: changes of its rows are left out.';

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
              -- Where each reader sees other rows, it holds the taker's.
              AND NOT EXISTS (
                  SELECT FROM pg_rewrite w
                  JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = w.oid AND p.refclassid = 'pg_class'::regclass
                  JOIN pg_class t ON t.oid = p.refobjid
                  WHERE w.ev_class = c.oid AND t.relrowsecurity))
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_see(pgslo_catalog.snapshot, name) IS
    'Return whether a role may know of a snapshot: its taker, readers of its view, and pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.snapshot_called(name text) RETURNS pgslo_catalog.snapshot
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.snapshot;
BEGIN
    SELECT s.* INTO found FROM pgslo_catalog.snapshot s WHERE s.name = snapshot_called.name;
    -- A role that may not see it gets the same error as for a misspelled name.
    IF found.snapshot_id IS NULL OR pgslo_catalog.may_see(found, pgslo_catalog.caller()) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('snapshot "%s" does not exist', snapshot_called.name),
            HINT = 'SELECT name FROM pgslo.snapshot;';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.snapshot_called(text) IS 'Return the snapshot of that name; an error where the caller may see none.';

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
            MESSAGE = format('%I.%I is not a guarded view', guarded_view.source_schema, guarded_view.source_name),
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
COMMENT ON FUNCTION pgslo_catalog.check_rereading(pgslo_catalog.snapshot) IS
    'Refuse to read a reference again with the rights of another role than its taker''s, or from a view that is not pgslo''s.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reading(snapshot pgslo_catalog.snapshot, places numeric[], names text[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format(E'SELECT %s FROM %I.%I AS r WHERE (\n%s\n)%s',
        (SELECT string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality) FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS c),
        snapshot.source_schema, snapshot.source_name, coalesce(snapshot.condition, 'true'),
        CASE
            WHEN reading.places IS NOT NULL
            -- NULL, NaN and infinite values have one place, and each a text of its own, which no setting changes.
            THEN format(
                ' AND (SELECT CASE WHEN %1$s > ''-Infinity'' THEN %1$s = ANY (%3$L::numeric[]) ELSE coalesce(b.raw::text, ''NULL'') = ANY (%4$L::text[]) END'
                ' FROM (SELECT %2$s AS raw) AS b)',
                snapshot.batch_place, snapshot.batch_by, array_remove(reading.places, '-Infinity'),
                ARRAY(SELECT n.name FROM unnest(reading.names, reading.places) AS n (name, place) WHERE n.place = '-Infinity'))
            ELSE ''
        END)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reading(pgslo_catalog.snapshot, numeric[], text[]) IS
    'Return the query that reads a snapshot''s rows from its view, those of these batches alone where their places and names are given.';

CREATE OR REPLACE FUNCTION pgslo_catalog.row_text(columns jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format('ROW(%s)::text', string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality))
    FROM jsonb_array_elements(row_text.columns) WITH ORDINALITY AS c
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.row_text(jsonb) IS 'Return the SQL of a row r as text.';

CREATE OR REPLACE FUNCTION pgslo_catalog.can_be_read(snapshot pgslo_catalog.snapshot) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- %I quotes names by it.
SET quote_all_identifiers = off
AS $pgslo$
DECLARE
    keeper oid := pgslo_catalog.keeper();
    source oid;
BEGIN
    -- Where policies show each reader other rows, only the reader can read them. Where a table, or a part of one, belongs to
    -- another role, its indexes and constraints would run code of that role.
    SELECT v.oid INTO source
    FROM pgslo_catalog.definition d
    JOIN pg_namespace n ON n.nspname = snapshot.source_schema
    JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = snapshot.source_name
    WHERE d.name = snapshot.definition AND pg_has_role(v.relowner, keeper, 'USAGE') AND has_schema_privilege(keeper, n.oid, 'USAGE')
      AND has_table_privilege(keeper, v.oid, 'SELECT')
      AND NOT EXISTS (
          WITH RECURSIVE part AS (
              SELECT d.relation::oid AS oid
              UNION
              SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
          )
          SELECT FROM part LEFT JOIN pg_class t ON t.oid = part.oid
          WHERE t.oid IS NULL OR t.relowner <> keeper OR t.relrowsecurity OR t.relkind NOT IN ('r', 'p'));
    IF source IS NULL THEN
        RETURN false;
    END IF;
    -- Of the table and its parts as well: none of them is replaced until the transaction ends.
    EXECUTE format('LOCK TABLE %I.%I IN ACCESS SHARE MODE', snapshot.source_schema, snapshot.source_name);
    RETURN NOT EXISTS (
        SELECT FROM pgslo_catalog.called_code(pgslo_catalog.read_with(source), false) AS c
        WHERE c.owner <> keeper AND pgslo_catalog.can_act_as(c.owner, keeper) IS NOT TRUE);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.can_be_read(pgslo_catalog.snapshot) IS
    'Whether pgslo''s owner reads the same rows from a snapshot''s view as its taker, and runs no code of another role.';
