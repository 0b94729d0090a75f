-- What is told of batches that did not come says whether it was a public holiday.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.tell_missing(pgslo_catalog.rule, text[], numeric[], text);
