-- Whether more missed batches are due is part of the answer.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.end_missed(pgslo_catalog.definition);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_missed(pgslo_catalog.definition);
