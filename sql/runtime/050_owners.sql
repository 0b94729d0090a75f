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

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_stale(relation oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RETURN;  -- Each statement sees all that is committed.
    END IF;
    -- The planner sees owners and indexes as they are now. Rows of the catalogue have another place once they were written again.
    IF EXISTS (
        SELECT
        FROM (
            SELECT refuse_stale.relation AS oid
            UNION SELECT t.relid FROM pg_partition_tree(refuse_stale.relation) AS t
            UNION SELECT t.oid FROM pgslo_catalog.reached_tables(refuse_stale.relation, false) AS t (oid)
        ) AS t
        LEFT JOIN pg_class c ON c.oid = t.oid
        WHERE c.oid IS NULL OR currtid2('pg_catalog.pg_class', c.ctid) <> c.ctid)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = format('%s, or a part of it, was changed since the transaction began', refuse_stale.relation::regclass),
            HINT = 'Try the transaction again.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_stale(oid)
    IS 'Refuse a transaction with one snapshot if a table, or a part of it, is not in the catalogue as that snapshot has it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.strange_part(relation oid, role oid, OUT part text, OUT whole text, OUT owner name, OUT whole_owner name)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Volatile, so that it sees all that was committed since the statement of the session began.
    WITH RECURSIVE reached AS (
        SELECT strange_part.relation AS oid, strange_part.relation AS whole
        UNION
        SELECT n.oid, n.whole
        FROM reached r
        CROSS JOIN LATERAL (
            SELECT i.inhrelid, r.whole FROM pg_inherits i WHERE i.inhparent = r.oid
            UNION ALL
            -- Relations that a view reads.
            SELECT d.refobjid, d.refobjid
            FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
            WHERE w.ev_class = r.oid AND w.ev_type = '1'
        ) AS n (oid, whole)
    )
    SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', m.nspname, w.relname), pg_get_userbyid(c.relowner), pg_get_userbyid(w.relowner)
    INTO part, whole, owner, whole_owner
    FROM reached r
    JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class w ON w.oid = r.whole JOIN pg_namespace m ON m.oid = w.relnamespace
    WHERE c.relowner NOT IN (w.relowner, strange_part.role)
      AND pgslo_catalog.can_act_as(c.relowner, w.relowner) IS NOT TRUE AND pgslo_catalog.can_act_as(c.relowner, strange_part.role) IS NOT TRUE
    ORDER BY 1 LIMIT 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.strange_part(oid, oid)
    IS 'Return a part of a table, or of one that a view reads, whose owner has neither the rights of the owner of the whole nor those of a role.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_part(relation oid, role oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    strange record;
BEGIN
    SELECT s.part, s.whole, s.owner, s.whole_owner INTO strange
    FROM pgslo_catalog.strange_part(refuse_part.relation, refuse_part.role) AS s;
    IF strange.part IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s, a part of %s, belongs to role %s', strange.part, strange.whole, quote_ident(strange.owner)),
            DETAIL = format('Functions that its indexes and constraints call would run with the rights of role %s.',
                quote_ident(pg_get_userbyid(refuse_part.role))),
            HINT = format('ALTER TABLE %s OWNER TO %I;', strange.part, strange.whole_owner);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_part(oid, oid)
    IS 'Refuse to read a table with a part whose owner has not the rights of a role, nor those of the owner of the whole.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hold_parts(relation regclass, role oid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    qualified text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = hold_parts.relation AND (c.relhassubclass OR c.relkind = 'v');
    IF qualified IS NULL THEN
        PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
        RETURN;
    END IF;
    BEGIN
        -- None of its parts is given away before it is read.
        EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', qualified);
    EXCEPTION WHEN insufficient_privilege OR undefined_table OR invalid_schema_name OR wrong_object_type THEN
        NULL;  -- It is looked at all the same.
    END;
    PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
    PERFORM pgslo_catalog.refuse_part(hold_parts.relation, coalesce(hold_parts.role, to_regrole(quote_ident(current_user))::oid));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hold_parts(regclass, oid)
    IS 'Lock the parts of a table until the transaction ends, and refuse if one belongs to a role without the rights of a role, by default the current one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_parts(relation regclass) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Immutable, so that the planner calls it each time that it plans a query, before it looks at parts and their indexes, and
    -- execution never does. A change of a table or a part, also of its owner, has PostgreSQL plan again.
    PERFORM pgslo_catalog.hold_parts(pin_parts.relation);
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_parts(regclass)
    IS 'Refuse to plan a query on a table if a part of it belongs to a role without the rights of the current one; true otherwise.';

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_number(name text, number oid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    owner name;
BEGIN
    -- The caller has locked what has the name now, so that it keeps its name, its kind and its owner.
    PERFORM pgslo_catalog.refuse_stale(pin_number.number);
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
    PERFORM pgslo_catalog.hold_parts(to_regclass(format('%I.%I', o.schema_name, o.name)), c.relowner)
    FROM pgslo_catalog.other_relation o
    CROSS JOIN LATERAL (SELECT w.relowner FROM pg_class w WHERE w.oid = (pin_others.definition).relation) AS c
    WHERE o.definition_id = (pin_others.definition).definition_id;
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
    PERFORM pgslo_catalog.refuse_stale(relation);
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
        PERFORM pgslo_catalog.refuse_part(relation, owner);
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
