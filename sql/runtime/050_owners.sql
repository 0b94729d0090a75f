-- Functions with the rights of a table's owner, and parts of a table that belong to another role.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.run_text(source text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A query in dollar quotes is run. Authors write none.
    SELECT regexp_replace(run_text.source, $re$\mE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*$re$, ' ', 'gi')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.run_text(text) IS 'Return the text of a generated function without constants, quoted names and comments.';

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
            SELECT p.oid, pgslo_catalog.run_text(p.prosrc) AS source FROM pg_proc p WHERE p.oid = admit_owner.function
            UNION
            -- These are not written by an author, and they run the text that they quote.
            SELECT p.oid, p.prosrc
            FROM reached r
            CROSS JOIN LATERAL regexp_matches(r.source, E'pgslo_catalog[.](\\w+)[(]', 'g') AS found (names)
            JOIN pg_proc p ON p.pronamespace = 'pgslo_catalog'::regnamespace AND p.proname = found.names[1] AND NOT p.prosecdef
        )
        SELECT r.oid FROM reached r WHERE r.oid <> admit_owner.function ORDER BY r.oid
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', called, owner);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.admit_owner(regprocedure) IS
    'Grant the owner of a generated function the functions of pgslo_catalog that it calls: none with rights of its own, no table.';

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

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_nameable(owner oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    keeper oid := pgslo_catalog.keeper();
    strange name;
BEGIN
    -- The owner of a function who can name it can have it run with the rights of its caller.
    IF refuse_nameable.owner = keeper OR NOT EXISTS (
        SELECT FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) AS x
        WHERE n.nspname = 'pgslo_gen' AND x.privilege_type = 'USAGE' AND x.grantee <> n.nspowner)
    THEN
        RETURN;
    END IF;
    SELECT r.rolname INTO strange
    FROM pg_roles r
    WHERE has_schema_privilege(r.oid, 'pgslo_gen', 'USAGE') AND pg_has_role(r.oid, refuse_nameable.owner, 'USAGE')
      AND pgslo_catalog.can_act_as(r.oid, keeper) IS NOT TRUE
    ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role %s has USAGE on schema pgslo_gen and the rights of role %s, who owns a table with a definition',
                             quote_ident(strange), quote_ident(pg_get_userbyid(refuse_nameable.owner))),
            DETAIL = 'It could change functions of pgslo that run with these rights.',
            HINT = 'REVOKE USAGE ON SCHEMA pgslo_gen, or run pgslo migrate.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_nameable(oid)
    IS 'Refuse if a role with the rights of this one, who owns generated functions, may use their schema.';

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
        PERFORM pgslo_catalog.refuse_nameable(to_regrole(quote_ident(give_function.owner)));
        PERFORM pgslo_catalog.admit_owner(given);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.give_function(text, name) IS 'Make the owner of a table the owner of a generated function that reads or writes it.';

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
    reader oid := coalesce(hold_parts.role, to_regrole(quote_ident(current_user))::oid);
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = hold_parts.relation AND (c.relhassubclass OR c.relkind = 'v');
    IF qualified IS NULL THEN
        PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
        IF hold_parts.role IS NOT NULL THEN
            PERFORM pgslo_catalog.refuse_code(hold_parts.relation, reader);
        END IF;
        RETURN;
    END IF;
    BEGIN
        -- None of its parts is given away before it is read.
        EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', qualified);
    EXCEPTION WHEN insufficient_privilege OR undefined_table OR invalid_schema_name OR wrong_object_type THEN
        NULL;  -- It is looked at all the same.
    END;
    PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
    PERFORM pgslo_catalog.refuse_part(hold_parts.relation, reader);
    -- In a write PostgreSQL runs it anyway: no write fails for what its owner lent to another role.
    IF hold_parts.role IS NOT NULL THEN
        PERFORM pgslo_catalog.refuse_code(hold_parts.relation, reader);
    END IF;
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
