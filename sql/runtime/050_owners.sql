-- Tables that belong to another role than pgslo: what reads or writes them runs with the rights of that role.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.admit_owner(function regprocedure) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    owner name := (SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid = admit_owner.function);
    called regprocedure;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA pgslo_catalog TO %I', owner);
    FOR called IN
        WITH RECURSIVE reached AS (
            SELECT p.oid, p.prosrc FROM pg_proc p WHERE p.oid = admit_owner.function
            UNION
            SELECT p.oid, p.prosrc
            FROM reached r
            CROSS JOIN LATERAL regexp_matches(r.prosrc, E'pgslo_catalog[.](\\w+)[(]', 'g') AS found (names)
            JOIN pg_proc p ON p.pronamespace = 'pgslo_catalog'::regnamespace AND p.proname = found.names[1] AND NOT p.prosecdef
        )
        SELECT r.oid FROM reached r WHERE r.oid <> admit_owner.function ORDER BY r.oid
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', called, owner);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.admit_owner(regprocedure) IS 'Grant the owner of a generated function what it calls in pgslo_catalog: functions without rights of their own, no table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.give_function(function text, owner name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    given regprocedure := give_function.function::regprocedure;
    may_create boolean := has_schema_privilege(give_function.owner, 'pgslo_gen', 'CREATE');
    runtime_owner name := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog');
BEGIN
    -- A new owner needs CREATE on the schema for this moment, and no other session sees it. Without USAGE it cannot name the function.
    IF NOT may_create THEN
        EXECUTE format('GRANT CREATE ON SCHEMA pgslo_gen TO %I', give_function.owner);
    END IF;
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', given, give_function.owner);
    IF NOT may_create THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA pgslo_gen FROM %I', give_function.owner);
    END IF;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I, %I', given, current_user, runtime_owner);
    IF give_function.owner <> runtime_owner THEN
        PERFORM pgslo_catalog.admit_owner(given);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.give_function(text, name) IS 'Make the owner of a table the owner of a generated function that reads or writes it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_number(name text, number oid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    owner name;
BEGIN
    -- The caller has locked what has the name now, so that it keeps its name, its kind and its owner.
    SELECT pg_get_userbyid(c.relowner) INTO owner
    FROM pg_class c
    WHERE c.oid = pin_number.number AND c.oid = to_regclass(pin_number.name) AND c.relkind IN ('r', 'p');
    IF owner IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not the table that rows were looked up in when the definition was applied', pin_number.name),
            DETAIL = 'It was dropped, renamed or replaced; nothing is read by its name.',
            HINT = 'Run pgslo apply.';
    ELSIF owner <> current_user THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when the definition was applied', pin_number.name),
            DETAIL = format('It belongs to role %s; it would be looked up with the rights of role %s.', owner, current_user),
            HINT = 'Run pgslo apply.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_number(text, oid) IS 'Refuse unless the table of that name has that number, and belongs to the role whose function looks rows up in it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.moved(other pgslo_catalog.other_relation, OUT is_gone boolean, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    present record;
BEGIN
    SELECT c.oid, c.relkind, pg_get_userbyid(c.relowner) AS owner INTO present
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = (moved.other).schema_name AND c.relname = (moved.other).name;
    is_gone := NOT FOUND;
    said := CASE
        WHEN is_gone THEN 'was dropped or renamed'
        WHEN present.relkind <> (moved.other).kind OR (moved.other).is_replaceable AND present.oid <> (moved.other).number
            THEN 'was replaced by another relation'
        WHEN present.owner <> (moved.other).owner
            THEN format('belongs to role %s now, and belonged to role %s', present.owner, (moved.other).owner)
        WHEN (moved.other).known_types IS NOT NULL AND EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = present.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
              AND format('%s %s', a.attname, a.atttypid) <> ALL ((moved.other).known_types))
            THEN 'has a column of a type that it did not have at apply'
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.moved(pgslo_catalog.other_relation)
    IS 'Return what differs between a relation that a definition reads besides its own table and the same at apply; NULL if nothing.';

CREATE OR REPLACE VIEW pgslo_catalog.moved_relation AS
SELECT o.definition_id, o.schema_name, o.name, m.is_gone, m.said
FROM pgslo_catalog.other_relation o CROSS JOIN LATERAL pgslo_catalog.moved(o) AS m
WHERE m.said IS NOT NULL;
COMMENT ON VIEW pgslo_catalog.moved_relation IS 'Relations that definitions read besides their own tables, and that are not what they were at apply.';

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_others(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT format('%I.%I', o.schema_name, o.name) AS qualified
        FROM pgslo_catalog.other_relation o
        WHERE o.definition_id = (pin_others.definition).definition_id AND o.kind IN ('r', 'p', 'v') AND o.is_replaceable
        ORDER BY o.schema_name, o.name
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', one.qualified);
        EXCEPTION WHEN insufficient_privilege OR undefined_table OR invalid_schema_name OR wrong_object_type THEN
            NULL;  -- It is looked at all the same.
        END;
    END LOOP;
    -- No view: a session may refuse them.
    SELECT o.schema_name, o.name, m.is_gone, m.said INTO one
    FROM pgslo_catalog.other_relation o CROSS JOIN LATERAL pgslo_catalog.moved(o) AS m
    WHERE o.definition_id = (pin_others.definition).definition_id AND m.said IS NOT NULL
    ORDER BY o.schema_name, o.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN one.is_gone THEN 'undefined_table' ELSE 'wrong_object_type' END,
            MESSAGE = format('%I.%I %s', one.schema_name, one.name, one.said),
            DETAIL = format('The definition of %s reads it; nothing is read by its name.', (pin_others.definition).name),
            HINT = 'Run pgslo apply.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_others(pgslo_catalog.definition) IS 'Hold the other relations that a definition reads, and refuse if one is not what it was at apply.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_types(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    difference text;
BEGIN
    IF (check_types.definition).known_types IS NULL THEN
        RETURN;  -- The table belongs to the owner of pgslo.
    END IF;
    difference := pgslo_catalog.new_type((check_types.definition).relation, (check_types.definition).known_types);
    IF difference IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'datatype_mismatch',
            MESSAGE = difference,
            DETAIL = format('Casts and operators of the type may be functions of another role; %s is not read.', (check_types.definition).name),
            HINT = 'Run pgslo apply.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_types(pgslo_catalog.definition)
    IS 'Refuse to read a table of another role that has a column of a type that it did not have at apply.';

CREATE OR REPLACE FUNCTION pgslo_catalog.can_act_as(role oid, other oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- From PostgreSQL 16 on, a member may have neither the rights of the other role nor SET ROLE.
    RETURN pg_has_role(can_act_as.role, can_act_as.other,
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET, USAGE' END);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.can_act_as(oid, oid) IS 'Return whether a role has the rights of another one, or can set its role to it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_table(definition pgslo_catalog.definition, function text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    relation regclass := (pin_table.definition).relation;
    qualified text;
    owner oid;
    runs_as oid;
    has_parts boolean;
    part record;
    -- What the runtime asks itself, it asks of the table by its number, whatever its name is now.
    by_name boolean := coalesce(pin_table.function NOT IN ((pin_table.definition).reader, (pin_table.definition).writer), pin_table.function IS NOT NULL);
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND (NOT by_name OR n.nspname || '.' || c.relname = (pin_table.definition).name);
    IF FOUND THEN
        -- It keeps its name, its place and its owner until the transaction ends. The lock is taken by name, so the name is checked after it.
        EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', qualified);
    END IF;
    IF qualified IS NULL OR to_regclass(qualified) IS DISTINCT FROM relation THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not the table that its definition was applied to', (pin_table.definition).name),
            DETAIL = 'The table was dropped, renamed or replaced; nothing is read by its name.',
            HINT = 'Run pgslo plan.';
    END IF;
    SELECT c.relowner, c.relhassubclass INTO owner, has_parts FROM pg_class c WHERE c.oid = relation;
    SELECT p.proowner INTO runs_as FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proname = pin_table.function;
    IF coalesce(runs_as, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when its definition was applied', (pin_table.definition).name),
            DETAIL = format('It belongs to role %s; its functions would run with the rights of role %s.', pg_get_userbyid(owner), coalesce(pg_get_userbyid(runs_as), current_user)),
            HINT = 'Run pgslo apply.';
    END IF;
    PERFORM pgslo_catalog.check_types(pin_table.definition);
    IF by_name AND pin_table.function IS DISTINCT FROM (pin_table.definition).recount AND pin_table.function IS DISTINCT FROM (pin_table.definition).age_of THEN
        PERFORM pgslo_catalog.pin_others(pin_table.definition);
    END IF;
    IF has_parts THEN
        SELECT format('%I.%I', n.nspname, c.relname) AS name, quote_ident(pg_get_userbyid(c.relowner)) AS owner INTO part
        FROM pgslo_catalog.reached_tables(relation, false) AS t (oid) JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT pgslo_catalog.can_act_as(c.relowner, owner)
        ORDER BY 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege',
                MESSAGE = format('%s, a part of %s, belongs to role %s', part.name, (pin_table.definition).name, part.owner),
                DETAIL = format('Functions that its indexes and constraints call would run with the rights of role %s.', quote_ident(pg_get_userbyid(owner))),
                HINT = format('ALTER TABLE %s OWNER TO %I;', part.name, pg_get_userbyid(owner));
        END IF;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_table(pgslo_catalog.definition, text) IS 'Hold a table by its name until the transaction ends, and refuse if it was replaced, belongs to another role than its functions, or has a column of a new type.';

-- What code of another role leaves in a session, although it was undone.

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
