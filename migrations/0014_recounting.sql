-- Counting all batches is counting batches of which none is named.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.recount_all(pgslo_catalog.definition);
