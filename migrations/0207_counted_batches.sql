-- pgslo_catalog.count_batches() no longer gets the mask of its sample: it counts first where no large batch is known.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.count_batches(pgslo_catalog.definition, text, text, bigint, text[]);
