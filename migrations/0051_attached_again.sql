-- A part that was detached, written to and attached again between two looks is told from one that stayed.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.known_part ADD COLUMN link text;
COMMENT ON COLUMN pgslo_catalog.known_part.link IS
    'Transactions that made it, and the parts above it, parts of the defined table; NULL until tick() has looked once.';

-- It returns more columns.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.present_parts(regclass);
