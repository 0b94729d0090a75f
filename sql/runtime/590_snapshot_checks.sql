-- Comparing a snapshot with the current table, or with another one, and dropping it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.room_of(snapshot_id bigint) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT format('check of %s by %s', room_of.snapshot_id, pg_backend_pid()) $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.room_of(bigint) IS 'Return the table into which this session reads a reference again.';

CREATE OR REPLACE FUNCTION pgslo_catalog.leave_room(room text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- The schema may be another role's by now, and a table in it that role's.
    IF EXISTS (SELECT FROM pg_namespace n
               WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        EXECUTE format('DROP TABLE IF EXISTS pgslo_snapshot.%I', leave_room.room);
    END IF;
    DELETE FROM pgslo_catalog.snapshot_room r WHERE r.table_name = leave_room.room;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.leave_room(text) IS 'Drop a table into which a reference was read again.';

CREATE OR REPLACE FUNCTION pgslo.begin_check(name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
COMMENT ON FUNCTION pgslo.begin_check(text) IS
    'Part of verify_snapshot(): return the query that the caller has to run to read a reference again; NULL for a copy.';

CREATE OR REPLACE FUNCTION pgslo.end_check(name text) RETURNS TABLE (about text, was text, is_now text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET quote_all_identifiers = off
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(end_check.name);
    room text := CASE WHEN known.is_copy THEN known.name ELSE pgslo_catalog.room_of(known.snapshot_id) END;
    keeper regclass := (SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = 'pgslo_snapshot' AND c.relname = room AND c.relkind = 'r'
                        AND c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user));
    columns_now jsonb;
BEGIN
    IF known.content_hash IS NULL OR keeper IS NULL THEN
        RETURN QUERY SELECT 'table'::text, CASE WHEN known.content_hash IS NULL THEN 'not sealed' ELSE 'there' END,
            CASE WHEN keeper IS NULL THEN 'gone' ELSE 'there' END;
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
        SELECT 'protection'::text, 'rows cannot be changed'::text, 'the trigger that refuses changes was dropped or disabled'::text
        WHERE 2 > (SELECT count(*) FROM pg_trigger g
                   WHERE g.tgrelid = keeper AND g.tgname IN ('pgslo_refuse_change', 'pgslo_leave_out_change') AND g.tgenabled = 'A');
    ELSE
        PERFORM pgslo_catalog.leave_room(room);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.end_check(text) IS 'Part of verify_snapshot(): return differences from the taken rows.';

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
COMMENT ON FUNCTION pgslo.verify_snapshot(text) IS 'Return differences between a snapshot''s rows and their record; no row without any.';

CREATE OR REPLACE FUNCTION pgslo.drop_snapshot(name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(drop_snapshot.name);
BEGIN
    IF pg_has_role(pgslo_catalog.caller(), current_user, 'USAGE') IS NOT TRUE AND (
        EXISTS (SELECT FROM pg_roles r WHERE r.rolname = known.taken_by) AND pg_has_role(pgslo_catalog.caller(), known.taken_by, 'USAGE')) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of snapshot "%s"', known.name),
            DETAIL = format('It was taken by %s.', known.taken_by),
            HINT = format('Ask %s, or %s.', known.taken_by, current_user);
    END IF;
    PERFORM pgslo_catalog.leave_room(known.name);
    DELETE FROM pgslo_catalog.snapshot s WHERE s.snapshot_id = known.snapshot_id;
    -- The last one is dropped with the objects that were created with the first.
    IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgslo_snapshot')
        AND EXISTS (SELECT FROM pg_namespace n
                    WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        DROP FUNCTION IF EXISTS pgslo_snapshot.refuse_change();
        DROP FUNCTION IF EXISTS pgslo_snapshot.leave_out_change();
        DROP SCHEMA pgslo_snapshot;
    END IF;
    RETURN format('snapshot %s dropped', known.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.drop_snapshot(text) IS 'Drop a snapshot: for the role that took it, and for pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.columns_apart(
    one pgslo_catalog.snapshot_column, other pgslo_catalog.snapshot_column, OUT distance float8, OUT by_chance float8
)
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
            -- Values that are not among the commonest count as one value.
            SELECT coalesce(a.value::float8, 0) / one.sampled AS p, coalesce(b.value::float8, 0) / other.sampled AS q
            FROM jsonb_each_text(one.common) AS a FULL JOIN jsonb_each_text(other.common) AS b ON a.key = b.key
        ) AS v;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.columns_apart(pgslo_catalog.snapshot_column, pgslo_catalog.snapshot_column) IS
    'Return the largest gap between two distributions of numbers, or the share of rows whose value would have to change; and '
    'what chance alone does in samples of this size.';

CREATE OR REPLACE FUNCTION pgslo.snapshot_diff(one text, other text)
RETURNS TABLE (column_name text, change text, type_one text, type_other text, null_share_one float8, null_share_other float8,
               summary_one jsonb, summary_other jsonb, distance float8, by_chance float8, has_drifted boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    first pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.one);
    second pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.other);
BEGIN
    RETURN QUERY
    SELECT coalesce(b.column_name, a.column_name),
           CASE WHEN a.column_name IS NULL THEN 'added'
                WHEN b.column_name IS NULL THEN 'gone'
                WHEN a.column_type <> b.column_type THEN 'retyped' ELSE 'kept' END,
           a.column_type, b.column_type, (1 - a.present / nullif(first.rows, 0)::float8), (1 - b.present / nullif(second.rows, 0)::float8),
           a.summary, b.summary, d.distance, d.by_chance,
           coalesce(d.distance > d.by_chance, false)
               -- Two shares of null, by their normal approximation; three standard errors.
               OR abs(asin(sqrt(greatest(1 - a.present / nullif(first.rows, 0)::float8, 0)))
                      - asin(sqrt(greatest(1 - b.present / nullif(second.rows, 0)::float8, 0))))
                  > 1.65 * sqrt(1.0 / nullif(first.rows, 0) + 1.0 / nullif(second.rows, 0))
    FROM (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = first.snapshot_id) AS a
    FULL JOIN (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = second.snapshot_id) AS b ON b.column_name = a.column_name
    LEFT JOIN LATERAL pgslo_catalog.columns_apart(a, b) AS d ON a.column_type = b.column_type
    ORDER BY coalesce(b.ordinal, a.ordinal), a.ordinal;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.snapshot_diff(text, text) IS 'Return two snapshots column by column: their profiles, and the distance of their distributions.';

CREATE OR REPLACE VIEW pgslo.snapshot WITH (security_barrier) AS
SELECT s.name, CASE WHEN s.is_copy THEN 'copy' ELSE 'reference' END AS form, s.definition, s.definition_fingerprint,
       format('%I.%I', s.source_schema, s.source_name) AS source, s.condition, s.columns, s.rows, s.content_hash,
       (SELECT count(*) FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = s.snapshot_id AND s.batch_by IS NOT NULL) AS batches, s.newest_batch,
       s.left_out IS NOT NULL AS healthy_only, coalesce(cardinality(s.left_out), 0) AS batches_left_out, s.incidents, s.library_version, s.taken_at, s.taken_by,
       CASE WHEN s.is_copy THEN format('pgslo_snapshot.%I', s.name) END AS table_name, s.is_checked
FROM pgslo_catalog.snapshot s
WHERE s.content_hash IS NOT NULL AND pgslo_catalog.may_see(s, current_user);
COMMENT ON VIEW pgslo.snapshot IS 'Snapshots of views that the reader may read.';
