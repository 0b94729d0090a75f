-- What a definition names inside of a column's values is watched as columns are, and counted by an expression.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.watched_column ADD COLUMN base text;
COMMENT ON COLUMN pgslo_catalog.watched_column.base IS
    'The column that this path leads into, as bag is of bag.ctr; NULL for columns.';

ALTER TYPE pgslo_catalog.statement ADD ATTRIBUTE presents text[];

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.counting(text, text[], text[], text[], text);
