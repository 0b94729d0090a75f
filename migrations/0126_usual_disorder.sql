-- What batches of odd days say about order is left out: the function that replaces this one knows the calendar.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.usual_disorder(bigint, numeric);
