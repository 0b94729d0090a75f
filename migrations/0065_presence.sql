-- Columns of which a profile knows only whether there is a value say so.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.watched_column
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT watched_column_kind_is_known,
    ADD CONSTRAINT watched_column_kind_is_known CHECK (kind IN ('number', 'time', 'text', 'presence'));
