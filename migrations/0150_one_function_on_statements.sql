-- One trigger function judges and counts the rows that a statement writes and those that it removes.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-column
ALTER TYPE pgslo_catalog.statement DROP ATTRIBUTE rows;
-- squawk-ignore ban-drop-column
ALTER TYPE pgslo_catalog.statement DROP ATTRIBUTE sample;
ALTER TYPE pgslo_catalog.statement ADD ATTRIBUTE is_removed boolean;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.after_written(pgslo_catalog.statement);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.after_removed(pgslo_catalog.statement);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.counting(text, text[], text[], text[], text[], text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unsampled(pgslo_catalog.measured[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.record_measured(text, text, integer, text[], text[], text[], pgslo_catalog.measured[], bigint);
