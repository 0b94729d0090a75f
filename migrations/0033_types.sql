-- Types that columns of tables of other roles had at apply, for functions that read such tables without a trigger.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN known_types text[];
COMMENT ON COLUMN pgslo_catalog.definition.known_types IS
    'Name and type number of each column with a type of a user at apply; NULL for a table of the owner of pgslo.';
