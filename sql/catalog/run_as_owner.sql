-- As pgslo's owner, so that new objects belong to it. Code of the owner that the script reaches must not get the rights
-- of the session back: a function with the owner's rights may not set the role, as a session after SET ROLE may.
DO $pgslo_as_owner$
DECLARE
    owner name;
    script text;
    before text;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    owner := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog');
    script := $pgslo_script$$pgslo_script$;
    IF owner IS NULL OR owner = current_user THEN
        EXECUTE script;
    ELSIF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) OR has_database_privilege(owner, current_database(), 'TEMPORARY') THEN
        CREATE OR REPLACE FUNCTION pg_temp.pgslo_run(script text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
            AS $run$ BEGIN EXECUTE script; SET CONSTRAINTS ALL IMMEDIATE; END $run$;
        EXECUTE format('ALTER FUNCTION pg_temp.pgslo_run(text) OWNER TO %I', owner);
        PERFORM pg_temp.pgslo_run(script);
        DROP FUNCTION IF EXISTS pg_temp.pgslo_run(text);
    ELSE
        before := current_setting('role');
        PERFORM set_config('role', owner, true);
        EXECUTE script;
        PERFORM set_config('role', before, true);
    END IF;
END
$pgslo_as_owner$
