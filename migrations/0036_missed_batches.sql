-- Missed batches: a batch that missed a rule stays missed until it is corrected, removed or accepted.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.missed_batch (
    missed_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT missed_batch_has_an_id PRIMARY KEY,
    -- A foreign key would have writers wait for a definition that is being renamed. Its rules refer to it.
    definition_id bigint NOT NULL,
    rule_id bigint NOT NULL CONSTRAINT missed_batch_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    incident_id bigint CONSTRAINT missed_batch_is_of_an_incident REFERENCES pgslo_catalog.incident ON DELETE SET NULL,
    definition text NOT NULL,
    about text[] NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    missed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_as text CONSTRAINT missed_batch_end_is_known
        CHECK (ended_as IN ('corrected', 'removed', 'accepted', 'false_alarm', 'retired')),
    ended_by text,
    reason text CONSTRAINT reason_is_at_most_4000_characters CHECK (length(reason) <= 4000),
    CONSTRAINT missed_batch_ends_as_something CHECK ((ended_at IS NULL) = (ended_as IS NULL))
);
-- Guards look here at every read: the index holds batches that are still missed, however long the history.
CREATE INDEX missed_batch_stored_idx ON pgslo_catalog.missed_batch (definition) WHERE ended_at IS NULL;
CREATE INDEX missed_batch_stored_rule_idx ON pgslo_catalog.missed_batch (rule_id, batch) WHERE ended_at IS NULL;
CREATE INDEX missed_batch_rule_idx ON pgslo_catalog.missed_batch (rule_id, batch);
CREATE INDEX missed_batch_incident_idx ON pgslo_catalog.missed_batch (incident_id);
COMMENT ON TABLE pgslo_catalog.missed_batch IS
    'Batches that missed a rule. Two writers at once may record one twice, as neither waits: tick() makes one of them.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.incident_id IS 'NULL until tick() sets it.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.definition IS 'The name of its definition.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.about IS
    'Columns whose readers are warned; * for a rule about the table as a whole.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.ended_as IS
    'Why it is not missed any more: rows corrected or removed, accepted or a false alarm, or the rule is retired.';

-- An incident is over when later batches meet its rule, and resolved when no batch of it is missed any more.
-- squawk-ignore renaming-column
ALTER TABLE pgslo_catalog.incident RENAME COLUMN resolved_batch TO over_batch;
-- squawk-ignore renaming-column
ALTER TABLE pgslo_catalog.incident RENAME COLUMN resolved_place TO over_place;
ALTER TABLE pgslo_catalog.incident ADD COLUMN over_at timestamptz;
UPDATE pgslo_catalog.incident i SET over_at = i.resolved_at WHERE i.resolved_at IS NOT NULL;
ALTER TABLE pgslo_catalog.incident
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT incident_resolution_is_known,
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT incident_is_resolved_with_a_resolution,
    ADD CONSTRAINT incident_resolution_is_known
        CHECK (resolution IN ('met', 'healed', 'removed', 'accepted', 'retired', 'real', 'false_alarm')),
    ADD CONSTRAINT incident_is_resolved_with_a_resolution
        CHECK (resolved_at IS NULL OR resolution IS NOT NULL AND over_at IS NOT NULL),
    -- A role may say that an incident is real while its batches are stored.
    ADD CONSTRAINT incident_has_no_resolution_while_open
        CHECK (resolution IS NULL OR resolved_at IS NOT NULL OR resolution = 'real' AND over_at IS NOT NULL);
COMMENT ON COLUMN pgslo_catalog.incident.over_at IS
    'When later batches met the rule, or a role said so; NULL while it is open.';
COMMENT ON COLUMN pgslo_catalog.incident.resolved_at IS 'When no batch of it was missed any more.';
COMMENT ON COLUMN pgslo_catalog.incident.definition IS 'The name of its definition until it is resolved.';
COMMENT ON COLUMN pgslo_catalog.incident.about IS
    'Columns whose readers are warned until it is resolved; * for a rule about the table as a whole.';
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX pgslo_catalog.incident_is_open_once;
CREATE UNIQUE INDEX incident_is_open_once ON pgslo_catalog.incident (definition_id, rule_id, opened_by_tick)
    WHERE over_at IS NULL;
CREATE INDEX incident_unresolved_idx ON pgslo_catalog.incident (definition_id, rule_id) WHERE resolved_at IS NULL;

ALTER TABLE pgslo_catalog.incident_event
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT incident_event_is_known,
    ADD CONSTRAINT incident_event_is_known CHECK (event IN
        ('opened', 'acknowledged', 'muted', 'unmuted', 'over', 'confirmed', 'accepted', 'resolved', 'reopened'));
ALTER TABLE pgslo_catalog.delivery
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT delivery_event_is_known,
    ADD CONSTRAINT delivery_event_is_known CHECK (event IN ('opened', 'repeated', 'over', 'resolved'));

-- Missed batches end one by one instead.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.heal_incidents();
-- It reads an old form of incidents, or returns one.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unhealthy(bigint, text[], timestamptz);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.column_readiness(pgslo_catalog.definition, text[], integer);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.tables_ready(text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_verdict(pgslo_catalog.rule, text, numeric, text, boolean);

-- Their columns are others now.
-- squawk-ignore ban-drop-view
DROP VIEW IF EXISTS pgslo.page, pgslo.incident, pgslo.budget, pgslo_catalog.open_span;
