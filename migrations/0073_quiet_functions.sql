-- Any role can have the server print the plans of all statements, with values as constants: no function that runs with its
-- owner's rights sends them to the client.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER FUNCTION pgslo_catalog.require_end() SET client_min_messages = 'warning';
