-- What a rise has taught does not excuse a fall: tolerances have a side.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.profile ADD COLUMN tolerated_below float8[];
UPDATE pgslo_catalog.profile p SET tolerated_below = p.tolerated WHERE p.tolerated IS NOT NULL;
COMMENT ON COLUMN pgslo_catalog.profile.tolerated IS
    'The largest surprise of each number upwards before this batch; a shock counts in part, and fades.';
COMMENT ON COLUMN pgslo_catalog.profile.tolerated_below IS 'The same downwards.';
