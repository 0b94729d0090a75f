-- What code of another role leaves in a session, although it was undone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.session_objects(with_locks boolean) RETURNS TABLE (identity text, removal text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A statement of the same name has another time, unless the same message of the client prepared it.
    RETURN QUERY
    SELECT concat_ws(E'\t', concat('prepared statement "', p.name, '"'), extract(epoch FROM p.prepare_time), p.from_sql,
               CASE WHEN p.prepare_time >= statement_timestamp() THEN concat(p.parameter_types, p.statement) END),
           format('DEALLOCATE PREPARE %I', p.name)
    FROM pg_prepared_statements p
    UNION ALL
    SELECT concat_ws(E'\t', format('advisory lock (%s, %s)', l.classid, l.objid), l.objsubid, l.mode),
           format('SELECT pg_advisory_unlock%s(%s)', CASE l.mode WHEN 'ShareLock' THEN '_shared' END,
               CASE l.objsubid
                   WHEN 1 THEN (l.classid::bigint << 32 | l.objid::bigint)::text
                   ELSE format('%s, %s', l.classid::bigint::bit(32)::integer, l.objid::bigint::bit(32)::integer)
               END)
    FROM pg_locks l
    WHERE session_objects.with_locks AND l.locktype = 'advisory' AND l.granted AND l.pid = pg_backend_pid();
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.session_objects(boolean)
    IS 'Return what a rollback leaves in a session: prepared statements and advisory locks, and what removes each.';

CREATE OR REPLACE FUNCTION pgslo_catalog.session_state(with_locks boolean) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(
        SELECT o.identity FROM pgslo_catalog.session_objects(session_state.with_locks) AS o
        ORDER BY o.identity COLLATE "C");
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.session_state(boolean)
    IS 'Return the prepared statements of the session and, if asked for, its advisory locks; for restore_session().';

CREATE OR REPLACE FUNCTION pgslo_catalog.restore_session(before text[], with_locks boolean) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Unlocking what the transaction holds, and not the session, warns.
SET client_min_messages = 'error'
AS $pgslo$
DECLARE
    found record;
    is_removed boolean;
    added text[] := '{}';
    lost text[];
BEGIN
    IF restore_session.before IS NULL
        OR pgslo_catalog.session_state(restore_session.with_locks) = restore_session.before
    THEN
        RETURN NULL;
    END IF;
    lost := ARRAY(
        SELECT b.identity FROM unnest(restore_session.before) AS b (identity)
        EXCEPT ALL
        SELECT o.identity FROM pgslo_catalog.session_objects(restore_session.with_locks) AS o);
    FOR found IN
        SELECT o.identity, o.removal FROM pgslo_catalog.session_objects(restore_session.with_locks) AS o
        WHERE o.identity <> ALL (restore_session.before)
    LOOP
        IF starts_with(found.removal, 'DEALLOCATE') THEN
            EXECUTE found.removal;
            added := array_append(added, split_part(found.identity, E'\t', 1));
            CONTINUE;
        END IF;
        -- As often as it was taken. A lock of the transaction ends with it.
        EXECUTE found.removal INTO is_removed;
        IF is_removed THEN
            added := array_append(added, split_part(found.identity, E'\t', 1));
        END IF;
        WHILE is_removed LOOP
            EXECUTE found.removal INTO is_removed;
        END LOOP;
    END LOOP;
    lost := ARRAY(SELECT split_part(l.identity, E'\t', 1) FROM unnest(lost) AS l (identity));
    RETURN CASE
        WHEN added = '{}' AND lost = '{}' THEN NULL
        WHEN lost = '{}' THEN format('Removed from the session: %s.', array_to_string(added[:10], ', '))
        WHEN added = '{}' THEN format('Lost: %s.', array_to_string(lost[:10], ', '))
        ELSE format('Removed from the session: %s. Lost: %s.',
                    array_to_string(added[:10], ', '), array_to_string(lost[:10], ', '))
    END;
EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
    -- One that cannot be listed, for example, because its text is too long: then none stays.
    EXECUTE 'DEALLOCATE ALL';
    RAISE;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.restore_session(text[], boolean)
    IS 'Remove what an earlier session_state(), if there is one, has not; return what differs, in words, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_session(
    before text[], with_locks boolean, relation text, error_code text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    difference text := pgslo_catalog.restore_session(check_session.before, check_session.with_locks);
BEGIN
    -- Handlers of OTHERS do not catch a failed assertion, which must not end what goes on to other tables. A cancel must.
    -- Nor may code of another role raise what these functions raise themselves when they are done.
    IF check_session.error_code IN ('P0004', 'SL000') OR difference IS NOT NULL AND check_session.error_code <> '57014' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL004',
            MESSAGE = format(CASE check_session.error_code
                WHEN 'P0004' THEN 'code of %s raises assert_failure'
                WHEN 'SL000' THEN 'code of %s raises SQLSTATE SL000'
                ELSE 'code of %s changes the session that reads it' END, check_session.relation),
            DETAIL = coalesce(difference, 'It changed no prepared statement and no lock.'),
            HINT = 'Ask the owner of the table what functions its indexes, constraints, policies and statistics call.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_session(text[], boolean, text, text)
    IS 'Restore the session after code of another role has run in it, and raise an error if that changed it.';
