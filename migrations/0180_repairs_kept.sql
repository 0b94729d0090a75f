-- Records of repairs have a bound for each definition.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.repair
    ADD COLUMN bytes bigint,
    ADD COLUMN total bigint,
    ADD COLUMN is_left_out boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.repair.bytes IS 'Bytes of the record; NULL for those from before there was a bound.';
COMMENT ON COLUMN pgslo_catalog.repair.total IS 'Bytes of the definition''s records as this one was written, as far as its transaction saw them.';
COMMENT ON COLUMN pgslo_catalog.repair.is_left_out IS 'The bound was reached: from this value on, none is recorded until tick() has removed old records.';

CREATE TABLE pgslo_catalog.repair_size (
    definition_id bigint CONSTRAINT repair_size_is_kept_once PRIMARY KEY
        CONSTRAINT repair_size_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    bytes bigint NOT NULL,
    up_to bigint NOT NULL,
    removed_until timestamptz,
    left_out_at timestamptz,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgslo_catalog.repair_size IS 'Bytes of records of repairs, summed by tick().';
COMMENT ON COLUMN pgslo_catalog.repair_size.up_to IS 'Number of the newest record that was summed.';
COMMENT ON COLUMN pgslo_catalog.repair_size.removed_until IS 'When the newest of the records was written that were removed to make room.';
COMMENT ON COLUMN pgslo_catalog.repair_size.left_out_at IS 'Since when repairs were last not recorded; the next tick() made room.';
COMMENT ON COLUMN pgslo_catalog.repair_size.measured_at IS 'When all records were summed; since then, new ones are added.';
COMMENT ON COLUMN pgslo_catalog.definition.max_bytes IS
    'Bytes of rows that may wait in quarantine; a row beyond is rejected. As many bytes of records of repairs are kept, the newest.';
