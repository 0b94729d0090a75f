-- The kill switch. Replacing a function locks no table and holds from the next statement of every session on.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.keep_functions(definition text) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.paused_function (function_name, definition_id, source)
    SELECT p.proname, d.definition_id, pg_get_functiondef(p.oid)
    FROM pg_proc p
    JOIN pgslo_catalog.generated g ON g.kind = 'function' AND g.object_id = p.oid AND g.is_ours
    JOIN pgslo_catalog.definition d ON d.name = g.definition
    WHERE p.prorettype = 'trigger'::regtype AND d.name = keep_functions.definition
    ON CONFLICT (function_name) DO NOTHING;
    RETURN QUERY
    SELECT k.function_name
    FROM pgslo_catalog.paused_function k JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = keep_functions.definition
    ORDER BY k.function_name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keep_functions(text) IS 'Keeps the trigger functions of a definition as they are without a pause, and names them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.silence(function_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION pgslo_gen.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
                   silence.function_name,
                   E'-- Paused by pgslo; pgslo resume puts what was here back.\nBEGIN\n    IF TG_OP = ''DELETE'' THEN\n        RETURN OLD;\n    END IF;\n    RETURN NEW;\nEND');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.silence(text) IS 'Replaces a generated trigger function by one that lets everything pass.';

CREATE OR REPLACE FUNCTION pgslo.pause(definition text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT d.definition_id, d.name FROM pgslo_catalog.definition d
        WHERE pause.definition IS NULL OR d.name = pause.definition
        ORDER BY d.name
    LOOP
        INSERT INTO pgslo_catalog.pause (definition_id) VALUES (wanted.definition_id) ON CONFLICT DO NOTHING;
        PERFORM pgslo_catalog.silence(k.name) FROM pgslo_catalog.keep_functions(wanted.name) AS k (name);
        RETURN NEXT wanted.name;
    END LOOP;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('%s has no definition in this database', coalesce(pause.definition, 'no table'));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.pause(text) IS 'Switches every trigger rule of a table, or of all, off without locking a table; constraints stay. Names the tables.';

CREATE OR REPLACE FUNCTION pgslo.resume(definition text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    wanted record;
    kept record;
BEGIN
    FOR wanted IN
        SELECT DISTINCT d.definition_id, d.name
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.pause p USING (definition_id)
        WHERE resume.definition IS NULL OR d.name = resume.definition
        ORDER BY d.name
    LOOP
        FOR kept IN
            DELETE FROM pgslo_catalog.paused_function k WHERE k.definition_id = wanted.definition_id RETURNING k.function_name, k.source
        LOOP
            IF to_regprocedure(format('pgslo_gen.%I()', kept.function_name)) IS NOT NULL THEN
                EXECUTE kept.source;
            END IF;
        END LOOP;
        PERFORM pgslo_catalog.want_pairs_anew(wanted.name);
        DELETE FROM pgslo_catalog.pause p WHERE p.definition_id = wanted.definition_id;
        RETURN NEXT wanted.name;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.resume(text) IS 'Switches everything that was paused of a table, or of all, on again. Names the tables.';
