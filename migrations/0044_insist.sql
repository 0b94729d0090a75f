-- on_read: insist refuses sessions that have not stated that they show warnings.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT definition_on_read_is_known,
    -- Both tables are small, and only pgslo apply writes to them.
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT definition_on_read_is_known CHECK (on_read IN ('warn', 'insist', 'refuse', 'silent'));
ALTER TABLE pgslo_catalog.task
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT task_on_read_is_known,
    -- Both tables are small, and only pgslo apply writes to them.
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT task_on_read_is_known CHECK (on_read IN ('warn', 'insist', 'refuse', 'silent'));
