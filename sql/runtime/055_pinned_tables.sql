-- Tables that functions read by name: none is read that was replaced, or has another owner or type than at apply.
SET LOCAL search_path = pg_catalog, pg_temp;

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
COMMENT ON FUNCTION pgslo_catalog.pin_number(text, oid) IS
    'Refuse unless the table of that name has that number, and belongs to the role whose function looks rows up in it.';

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
COMMENT ON VIEW pgslo_catalog.moved_relation IS 'Relations that definitions read besides their own tables, and that were changed since apply.';

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
COMMENT ON FUNCTION pgslo_catalog.pin_others(pgslo_catalog.definition) IS
    'Lock the other relations that a definition reads, and refuse if one was changed since apply.';

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
    is_definer boolean;
    has_parts boolean;
    -- What the runtime asks itself, it asks of the table by its number, whatever its name is now.
    by_name boolean := coalesce(pin_table.function NOT IN ((pin_table.definition).reader, (pin_table.definition).writer), pin_table.function IS NOT NULL);
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND (NOT by_name OR n.nspname || '.' || c.relname = (pin_table.definition).name);
    IF FOUND THEN
        IF NOT (has_table_privilege(relation, 'SELECT')
                AND has_schema_privilege((SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation), 'USAGE')) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege',
                MESSAGE = format('role %I, who owns pgslo, may not read %s', current_user, qualified),
                DETAIL = 'pgslo locks the table while functions of its owner read it.',
                HINT = format('GRANT SELECT ON %s TO %I, and USAGE on its schema.', qualified, current_user);
        END IF;
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
    SELECT p.proowner, p.prosecdef INTO runs_as, is_definer FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proname = pin_table.function;
    IF coalesce(runs_as, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when its definition was applied', (pin_table.definition).name),
            DETAIL = format('It belongs to role %s; its functions would run with the rights of role %s.', pg_get_userbyid(owner),
                            coalesce(pg_get_userbyid(runs_as), current_user)),
            HINT = 'Run pgslo apply.';
    END IF;
    IF runs_as <> pgslo_catalog.keeper() THEN
        PERFORM pgslo_catalog.refuse_nameable(runs_as);
        IF NOT is_definer THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege',
                MESSAGE = format('function %I of %s was changed: it would run with the rights of its caller', pin_table.function, (pin_table.definition).name),
                HINT = 'Run pgslo apply.';
        END IF;
    END IF;
    PERFORM pgslo_catalog.check_types(pin_table.definition);
    IF by_name AND pin_table.function IS DISTINCT FROM (pin_table.definition).recount AND pin_table.function IS DISTINCT FROM (pin_table.definition).age_of THEN
        PERFORM pgslo_catalog.pin_others(pin_table.definition);
    END IF;
    IF has_parts THEN
        PERFORM pgslo_catalog.refuse_part(relation, owner);
    END IF;
    -- Transactions that write commit with assertions: see hold_parts(). Readers get no error about an age: see newest_data().
    IF coalesce(pin_table.function <> (pin_table.definition).age_of, true)
        AND NOT EXISTS (SELECT FROM pgslo_catalog.assertion a WHERE a.check_function = pin_table.function)
    THEN
        PERFORM pgslo_catalog.refuse_code(relation, owner);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.pin_table(pgslo_catalog.definition, text) IS
    'Hold a table by its name until the transaction ends, and refuse if it was replaced, belongs to another role than '
    'its functions, or has a column of a new type.';
