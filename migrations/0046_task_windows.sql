-- How far back a task looks, for its gate and its snapshots as well as for its view.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.task
    ADD COLUMN within interval,
    ADD COLUMN batches text NOT NULL DEFAULT 'all'
        CONSTRAINT task_batches_are_known CHECK (batches IN ('all', 'healthy'));
COMMENT ON COLUMN pgslo_catalog.task.within IS 'How far back it looks: older batches do not concern it; NULL: all that are stored.';
COMMENT ON COLUMN pgslo_catalog.task.batches IS 'healthy: its view leaves out batches that miss a rule about its columns.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unhealthy(bigint, text[], timestamptz);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.healthy(pgslo_catalog.definition, text[], timestamptz);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unhealthy_said(bigint, text[], text[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.column_readiness(pgslo_catalog.definition, text[], integer, boolean);
