-- State has an end: old profiles keep little, and what is older than a definition's history is removed.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition
    ADD COLUMN history_batches integer CONSTRAINT definition_keeps_enough_batches CHECK (history_batches >= 60),
    ADD COLUMN history_span interval;
COMMENT ON COLUMN pgslo_catalog.definition.history_batches IS
    'How many batches keep their profiles and verdicts; NULL: as many as usual, or history_span decides.';
COMMENT ON COLUMN pgslo_catalog.definition.history_span IS
    'How long after its last write a batch keeps its profile and verdicts; NULL: history_batches decides.';

-- Profiles that are still whole. noise is the first that an old one loses.
CREATE INDEX profile_whole_idx ON pgslo_catalog.profile (definition_id, place) WHERE noise IS NOT NULL;
COMMENT ON COLUMN pgslo_catalog.profile.noise IS
    'How far each number of summary goes by chance in a sample of this size; NULL: the profile is old and keeps little.';

CREATE TABLE pgslo_catalog.pruned (
    definition_id bigint NOT NULL CONSTRAINT pruned_is_noted_once PRIMARY KEY
        CONSTRAINT pruned_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    pruned_at timestamptz NOT NULL,
    is_behind boolean NOT NULL
);
COMMENT ON TABLE pgslo_catalog.pruned IS 'When tick() last looked for old state of a definition, and whether it left some.';

-- Rows that each closing or write replaces: a fifth of the table is too late where a table of state is large.
ALTER TABLE pgslo_catalog.profile SET (
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_threshold = 500, toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0);
ALTER TABLE pgslo_catalog.fragment SET (
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 500, autovacuum_analyze_scale_factor = 0.02,
    toast.autovacuum_vacuum_threshold = 500, toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0);
ALTER TABLE pgslo_catalog.batch SET (
    fillfactor = 80, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE pgslo_catalog.verdict SET (
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE pgslo_catalog.first_profile SET (
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
