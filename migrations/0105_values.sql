-- What is inside of values has profiles of its own: the length of an array, a key of jsonb, a field.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.watched_column
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT watched_column_kind_is_known,
    ADD CONSTRAINT watched_column_kind_is_known CHECK (kind IN ('number', 'time', 'text', 'presence', 'parts', 'json'));

ALTER TABLE pgslo_catalog.profile ADD COLUMN base text;
COMMENT ON COLUMN pgslo_catalog.profile.base IS
    'The column that this is inside of, as bag is of bag.ctr; NULL for columns.';
CREATE INDEX profile_base_idx ON pgslo_catalog.profile (definition_id, base) WHERE base IS NOT NULL;
