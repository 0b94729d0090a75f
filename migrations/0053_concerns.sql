-- Guards tell by one value what a plan knows of a missed batch, and call no function for each.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore adding-field-with-default
ALTER TABLE pgslo_catalog.missed_batch ADD COLUMN concern text NOT NULL DEFAULT gen_random_uuid()::text;
COMMENT ON COLUMN pgslo_catalog.missed_batch.concern IS
    'What plans know it by: another value whenever readers are told something else. At random, so that nobody guesses it.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.missed_name(pgslo_catalog.missed_batch);
