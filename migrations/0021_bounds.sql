-- Bounds of what writers and operators can make pgslo keep.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition
    ADD COLUMN max_bytes bigint NOT NULL DEFAULT 1073741824,
    ADD CONSTRAINT definition_max_bytes_is_an_amount CHECK (max_bytes > 0);
COMMENT ON COLUMN pgslo_catalog.definition.max_bytes IS 'Bytes of rows that may wait in quarantine; a row beyond is rejected.';

ALTER TABLE pgslo_catalog.quarantine
    ADD COLUMN bytes bigint,
    ADD COLUMN total bigint;
COMMENT ON COLUMN pgslo_catalog.quarantine.bytes IS 'Bytes of the row''s image, before compression.';
COMMENT ON COLUMN pgslo_catalog.quarantine.total IS 'Bytes of the definition''s rows in quarantine as this row was written, as far as its transaction saw them.';

CREATE INDEX quarantine_decided_idx ON pgslo_catalog.quarantine (definition_id, decided_at) WHERE state <> 'held';

CREATE TABLE pgslo_catalog.quarantine_size (
    definition_id bigint CONSTRAINT quarantine_size_is_kept_once PRIMARY KEY
        CONSTRAINT quarantine_size_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    bytes bigint NOT NULL,
    up_to bigint NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgslo_catalog.quarantine_size IS 'Bytes of rows in quarantine, summed by tick() and by decisions about rows.';
COMMENT ON COLUMN pgslo_catalog.quarantine_size.up_to IS 'Number of the newest row that was summed.';

-- Texts of operators and trainers, who are told; texts of writers are cut (cut_texts), because their writes must not fail.
ALTER TABLE pgslo_catalog.incident ADD CONSTRAINT note_is_at_most_4000_characters CHECK (length(note) <= 4000);
ALTER TABLE pgslo_catalog.recipient ADD CONSTRAINT recipient_is_at_most_200_characters CHECK (length(recipient) <= 200);
ALTER TABLE pgslo_catalog.delivery
    ADD CONSTRAINT delivery_key_is_at_most_300_characters CHECK (length(delivery_key) <= 300),
    ADD CONSTRAINT delivery_recipient_is_at_most_200_characters CHECK (length(recipient) <= 200),
    ADD CONSTRAINT delivery_subject_is_at_most_1000_characters CHECK (length(subject) <= 1000),
    ADD CONSTRAINT delivery_body_is_at_most_50000_characters CHECK (length(body) <= 50000),
    ADD CONSTRAINT delivery_is_about_at_most_10000_incidents CHECK (cardinality(incidents) <= 10000);
ALTER TABLE pgslo_catalog.snapshot ADD CONSTRAINT condition_is_at_most_10000_characters CHECK (length(condition) <= 10000);
