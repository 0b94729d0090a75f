-- Signatures of runtime functions that changed.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.is_referential(regclass, record, record);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.changes_others(text, regclass, text[], record, record);
