-- Pauses stay on record, and what was written meanwhile is not taken for judged.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.pause
    ADD COLUMN since xid8,
    ADD COLUMN resumed_at timestamptz,
    ADD COLUMN resumed_by text,
    ADD COLUMN until xid8,
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN accepted_by text;
COMMENT ON TABLE pgslo_catalog.pause IS 'What is and was switched off for a while, by whom.';
COMMENT ON COLUMN pgslo_catalog.pause.since IS 'No earlier transaction wrote a row during the pause; NULL: not known.';
COMMENT ON COLUMN pgslo_catalog.pause.resumed_at IS 'NULL: it is switched off now.';
COMMENT ON COLUMN pgslo_catalog.pause.until IS 'No later transaction wrote a row during the pause.';
COMMENT ON COLUMN pgslo_catalog.pause.settled_at IS 'When tick() had found the batches that were written meanwhile.';
COMMENT ON COLUMN pgslo_catalog.pause.accepted_at IS 'When rows that no rule judged were accepted as they are.';
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX pgslo_catalog.pause_is_made_once;
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX pause_is_made_once ON pgslo_catalog.pause (definition_id, (coalesce(rule_name, '')))
WHERE resumed_at IS NULL;

ALTER TABLE pgslo_catalog.rule_break ADD COLUMN pause_id bigint;
COMMENT ON COLUMN pgslo_catalog.rule_break.pause_id IS 'The pause because of which rows were not judged; NULL: an error.';
