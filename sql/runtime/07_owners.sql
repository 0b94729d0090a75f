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

CREATE OR REPLACE FUNCTION pgslo_catalog.pin_table(definition pgslo_catalog.definition, function text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    relation regclass := (pin_table.definition).relation;
    qualified text;
    owner oid;
    runs_as oid;
    -- What the runtime asks itself, it asks of the table by its number, whatever its name is now.
    by_name boolean := coalesce(pin_table.function NOT IN ((pin_table.definition).reader, (pin_table.definition).writer), pin_table.function IS NOT NULL);
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname), c.relowner INTO qualified, owner
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
    SELECT p.proowner INTO runs_as FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proname = pin_table.function;
    IF coalesce(runs_as, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when its definition was applied', (pin_table.definition).name),
            DETAIL = format('It belongs to role %s; its functions would run with the rights of role %s.', pg_get_userbyid(owner), coalesce(pg_get_userbyid(runs_as), current_user)),
            HINT = 'Run pgslo apply.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_table(pgslo_catalog.definition, text) IS 'Hold a table by its name until the transaction ends, and refuse if it was replaced, or belongs to another role than its functions.';
