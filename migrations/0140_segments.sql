-- What each segment of a batch has, such as each tenant, is compared with earlier batches.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.segment_profile (
    rule_id bigint NOT NULL CONSTRAINT segment_profile_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    batch text NOT NULL,
    is_first boolean NOT NULL DEFAULT false,
    place numeric NOT NULL,
    per text[] NOT NULL,
    columns text[] NOT NULL,
    segments text[] NOT NULL,
    rows bigint[] NOT NULL,
    missing bigint[] NOT NULL,
    closings integer NOT NULL,
    odd jsonb NOT NULL DEFAULT '{}',
    deviating integer,
    said text,
    CONSTRAINT segment_profile_is_kept_once_a_batch PRIMARY KEY (rule_id, batch, is_first)
);
CREATE INDEX segment_profile_place_idx ON pgslo_catalog.segment_profile (rule_id, place);
COMMENT ON TABLE pgslo_catalog.segment_profile IS 'Rows and missing values of each segment, of the newest batches. Holds values of rows.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.is_first IS 'Whether it is what the batch was at its first closing, where that has changed since.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.place IS 'The order of the batch.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.per IS 'The columns that name segments.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.missing IS 'Of each segment, how many rows have no value in each of columns.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.closings IS 'How often the batch was closed; 0: it was read from the table later.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.odd IS
    'By segment, the columns that deviated, and an empty name for its rows: not what later batches are compared with.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.deviating IS 'How many segments deviate; NULL: that is not known.';
COMMENT ON COLUMN pgslo_catalog.segment_profile.said IS 'The same in words.';
