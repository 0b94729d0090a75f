-- Columns with one value in each batch are judged by where it went, and those that grow by how far.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.profile ADD COLUMN moves text;
COMMENT ON COLUMN pgslo_catalog.profile.moves IS
    'How the column moved with the batches before: "one value" in each of 21, "grows", or NULL.';
