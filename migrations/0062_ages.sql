-- Batches are compared at the same age: beside the profile of its last closing, that of its first is kept while they differ.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.profile
    ADD COLUMN content bigint,
    ADD COLUMN closing integer,
    ADD COLUMN first_age integer,
    ADD COLUMN age integer,
    ADD COLUMN stage smallint,
    ADD COLUMN seen integer,
    ADD COLUMN maturing boolean[];
COMMENT ON COLUMN pgslo_catalog.profile.content IS 'Hash of what was described; another one when the column has changed.';
COMMENT ON COLUMN pgslo_catalog.profile.closing IS 'Which closing of its batch this profile is of; 0 when it was learned from rows that were there.';
COMMENT ON COLUMN pgslo_catalog.profile.first_age IS 'How many later batches there were when the first profile was taken.';
COMMENT ON COLUMN pgslo_catalog.profile.age IS 'How many later batches there were when the column was last seen to change.';
COMMENT ON COLUMN pgslo_catalog.profile.stage IS
    '0: compared with batches as they are in the end; 1: with first closings; 2: between these.';
COMMENT ON COLUMN pgslo_catalog.profile.seen IS 'For stages 1 and 2, of how many of the last 28 batches the first closing is known.';
COMMENT ON COLUMN pgslo_catalog.profile.maturing IS 'For stages 1 and 2, which numbers of summary change after the first closing.';

CREATE TABLE pgslo_catalog.first_profile (
    definition_id bigint NOT NULL CONSTRAINT first_profile_belongs_to_a_definition
        REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    column_name text NOT NULL,
    age integer NOT NULL,
    content bigint,
    rows bigint NOT NULL,
    level smallint NOT NULL,
    sampled integer NOT NULL,
    summary float8[],
    noise float8[],
    common jsonb,
    shapes jsonb,
    grid float8[],
    surprise float8[],
    tolerated float8[],
    tolerated_below float8[],
    usual jsonb,
    usual_shapes jsonb,
    usual_grid float8[],
    learned_from integer NOT NULL,
    baseline boolean NOT NULL,
    CONSTRAINT first_profile_is_of_a_column_and_a_batch PRIMARY KEY (definition_id, column_name, batch)
);
CREATE INDEX first_profile_place_idx ON pgslo_catalog.first_profile (definition_id, place);
COMMENT ON TABLE pgslo_catalog.first_profile IS
    'The profile of a batch''s first closing, of columns that were changed since; of the last 64 batches. May hold personal data.';
