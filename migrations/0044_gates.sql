-- The columns that a release writes.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unchecked_policy(regclass, regclass, text, text);
