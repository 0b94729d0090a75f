-- PUBLIC may execute only the functions that readers need and that only read: those on the list.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $pgslo$
DECLARE
    one record;
BEGIN
    -- Rights of schemas that no script ran on: they were restored without. What everybody may enter is entered again.
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_gen' AND n.nspacl IS NULL) THEN
        GRANT USAGE ON SCHEMA pgslo TO PUBLIC;
        REVOKE ALL ON SCHEMA pgslo_catalog, pgslo_gen FROM PUBLIC;
        IF to_regnamespace('pgslo_snapshot') IS NOT NULL THEN
            GRANT USAGE ON SCHEMA pgslo_snapshot TO PUBLIC;
            REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgslo_snapshot FROM PUBLIC;
        END IF;
    END IF;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgslo, pgslo_catalog FROM PUBLIC;
    FOR one IN SELECT l.* FROM pgslo_catalog.listed_rights() AS l WHERE l.who = 'public' LOOP
        EXECUTE format('GRANT %s ON %s %s TO PUBLIC', one.privilege,
                       CASE one.kind WHEN 'relation' THEN 'TABLE' WHEN 'function' THEN 'FUNCTION' END, one.object);
    END LOOP;
END
$pgslo$;

-- What default privileges gave, and what a restore without rights left open.
SELECT pgslo_catalog.mend_rights();

-- Functions that were made again have lost what owners of tables need.
SELECT pgslo_catalog.admit_owner(p.oid::regprocedure)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pgslo_gen' AND p.proowner <> n.nspowner AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
  AND pg_has_role(p.proowner, 'USAGE');
