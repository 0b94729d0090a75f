-- How far back a task looks, for its gate and its snapshots as well as for its view; and what tick() looks at.
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

-- tick() looks at missed batches that changed, and at a few of the others.
ALTER TABLE pgslo_catalog.missed_batch ADD COLUMN looked_at timestamptz;
COMMENT ON COLUMN pgslo_catalog.missed_batch.looked_at IS
    'When tick() looked whether it is missed still; NULL: it is new or has changed, and is looked at next.';
CREATE TABLE pgslo_catalog.missed_look (
    definition_id bigint CONSTRAINT missed_look_is_of_one_definition PRIMARY KEY,
    fingerprint text NOT NULL,
    after bigint NOT NULL
);
COMMENT ON TABLE pgslo_catalog.missed_look IS 'How far tick() has looked through the missed batches of a definition.';
COMMENT ON COLUMN pgslo_catalog.missed_look.fingerprint IS 'Of the definition then: once it is another, all are looked at.';
COMMENT ON COLUMN pgslo_catalog.missed_look.after IS 'The number after which the next ones are looked at, in turn.';
CREATE INDEX missed_batch_due_idx ON pgslo_catalog.missed_batch (definition) WHERE ended_at IS NULL AND looked_at IS NULL;
CREATE INDEX missed_batch_unplanned_idx ON pgslo_catalog.missed_batch (definition) WHERE ended_at IS NULL AND planned_at IS NULL;
CREATE INDEX missed_batch_turn_idx ON pgslo_catalog.missed_batch (definition, missed_id) WHERE ended_at IS NULL;
CREATE INDEX missed_batch_batch_idx ON pgslo_catalog.missed_batch (definition_id, batch) WHERE ended_at IS NULL;
CREATE INDEX missed_batch_unended_idx ON pgslo_catalog.missed_batch (incident_id) WHERE ended_at IS NULL;
-- The one by turn does as well.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX pgslo_catalog.missed_batch_stored_idx;
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.end_missed(pgslo_catalog.definition);
