-- Vectors of a batch are compared with earlier ones.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.profile
    ADD COLUMN vectors real[],
    ADD COLUMN mean_vector float8[];
COMMENT ON COLUMN pgslo_catalog.profile.vectors IS
    'Of a column of vectors, 16 elements for each of the entities of *, one after the other; of the last batches alone.';
COMMENT ON COLUMN pgslo_catalog.profile.mean_vector IS 'The mean of 16 elements over all sampled vectors.';
