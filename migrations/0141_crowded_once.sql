-- Days with far more rows are looked up once a closing.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.expect(bigint, text, numeric, numeric);
