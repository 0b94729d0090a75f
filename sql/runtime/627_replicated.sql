-- Rows of a publisher do not come into pgslo's own tables: a publication of all tables would have them replaced.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.leave_out_replicated() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- What triggers of a guarded table write, for a row of a publisher, is written at a greater depth.
    IF pg_trigger_depth() = 1 AND EXISTS (SELECT FROM pg_stat_get_subscription(NULL) AS s WHERE s.pid = pg_backend_pid()) THEN
        IF TG_OP = 'TRUNCATE' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'feature_not_supported',
                MESSAGE = format('%s.%s is a table of pgslo and takes no changes of a publisher', TG_TABLE_SCHEMA, TG_TABLE_NAME),
                HINT = 'Publish the tables that are wanted, not all tables nor schemas of pgslo.';
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.leave_out_replicated() IS 'Leave out a row that a subscription brings to a table of pgslo''s own.';

-- Tables of migrations to come have it as well.
DO $pgslo$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'pgslo_catalog'::regnamespace AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
          AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'leave_out_replicated_all')
        ORDER BY c.relname
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER leave_out_replicated BEFORE INSERT OR UPDATE OR DELETE ON %1$s FOR EACH ROW
             WHEN (current_setting(''session_replication_role'') = ''replica'') EXECUTE FUNCTION pgslo_catalog.leave_out_replicated();
             CREATE OR REPLACE TRIGGER leave_out_replicated_all BEFORE TRUNCATE ON %1$s FOR EACH STATEMENT
             WHEN (current_setting(''session_replication_role'') = ''replica'') EXECUTE FUNCTION pgslo_catalog.leave_out_replicated();
             ALTER TABLE %1$s ENABLE ALWAYS TRIGGER leave_out_replicated;
             ALTER TABLE %1$s ENABLE ALWAYS TRIGGER leave_out_replicated_all', relation);
    END LOOP;
END
$pgslo$;

-- Of snapshots that were taken before there was such a trigger.
DO $pgslo$
BEGIN
    PERFORM pgslo_catalog.protect_snapshot(c.relname)
    FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid AND g.tgname = 'pgslo_refuse_change'
    WHERE c.relnamespace = to_regnamespace('pgslo_snapshot') AND c.relkind = 'r'
      AND c.relowner = (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog')
      AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = c.oid AND o.tgname = 'pgslo_leave_out_change');
END
$pgslo$;
