-- Tables that tick() could not look after in its time.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.given_up (
    definition_id bigint CONSTRAINT given_up_is_kept_once PRIMARY KEY
        CONSTRAINT given_up_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    given_up_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgslo_catalog.given_up IS 'Definitions during which tick() was cancelled, by statement_timeout or by a person: they come last until it gets through.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_assertions();
