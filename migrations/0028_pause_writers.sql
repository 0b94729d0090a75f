-- A statement that began during a pause goes on with the functions of that time, and has no number until it stores a row.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.pause ADD COLUMN writers text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pgslo_catalog.pause.writers IS 'Virtual transactions that were writing to the table when the first tick after the pause saw it.';
