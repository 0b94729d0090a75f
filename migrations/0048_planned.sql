-- What readers are told by their rows: no function that runs with its owner's rights takes a type of the caller's choice.
SET LOCAL search_path = pg_catalog, pg_temp;

-- No view calls them.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.edge_of(text[], text, anyelement), pgslo_catalog.told_by_rows(text, text[], interval, regtype);
