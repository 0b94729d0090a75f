-- Columns that a release writes, and batches that tick() has to count.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unchecked_policy(regclass, regclass, text, text);

-- tick() takes the newest of the batches that it has to count, of which there may be millions.
CREATE INDEX due_count_by_place ON pgslo_catalog.due_count (definition_id, place);
