-- What refuses batches is told the error for which a statement could not be measured.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.refuse_batch(text, text[]);
