-- Which missed batches are new, and whether others are left to the next call, is part of the answer.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.due_missed(pgslo_catalog.definition);
