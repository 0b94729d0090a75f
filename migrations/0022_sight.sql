-- Whether pgslo itself compared the rows of a snapshot with its view.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.snapshot ADD COLUMN is_checked boolean;
COMMENT ON COLUMN pgslo_catalog.snapshot.is_checked IS
    'Whether pgslo read the rows itself, or found each of them in the view; false: they are those that the taker gave.';
