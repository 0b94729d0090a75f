-- Tables of other roles are read and written with the rights of their owners; released rows keep who changed what.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN reader text, ADD COLUMN writer text;
COMMENT ON COLUMN pgslo_catalog.definition.reader IS 'Function that runs a query with the rights of the table''s owner, as pgslo_gen names it; NULL where that is pgslo''s owner.';
COMMENT ON COLUMN pgslo_catalog.definition.writer IS 'Function that writes a released row with the rights of the table''s owner, as pgslo_gen names it.';

ALTER TABLE pgslo_catalog.quarantine ADD COLUMN old_key jsonb, ADD COLUMN changes jsonb;
COMMENT ON COLUMN pgslo_catalog.quarantine.old_key IS 'Key of the row that a quarantined UPDATE was to change, as it was before, by column name.';
COMMENT ON COLUMN pgslo_catalog.quarantine.changes IS 'Columns that were changed when the row was released, by decided_by.';

ALTER TABLE pgslo_catalog.applied ADD COLUMN table_owner text;
COMMENT ON COLUMN pgslo_catalog.applied.table_owner IS 'Owner of the table when the definition was applied.';

-- It takes the key of the row as it was before as well.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.record_quarantine(text, regclass, text, text, record, text[], text[]);
