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
CREATE INDEX missed_batch_rule_idx ON pgslo_catalog.missed_batch (rule_id, batch);
CREATE INDEX missed_batch_incident_idx ON pgslo_catalog.missed_batch (incident_id);
COMMENT ON TABLE pgslo_catalog.missed_batch IS
    'Batches that missed a rule. Two writers at once may record one twice, because neither waits: tick() makes one of them.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.incident_id IS 'NULL until tick() sets it.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.definition IS 'The name of its definition.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.about IS
    'Columns whose readers are warned; * for a rule about the table as a whole.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.ended_as IS
    'Why it is not missed any more: its rows were corrected or removed, a role accepted it or called it a false alarm, the rule is retired.';
