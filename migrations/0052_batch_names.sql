-- Names of batches come from one expression of the definition, in writes, counts and snapshots alike; and batches may get
-- another key.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN batch_name text;
COMMENT ON COLUMN pgslo_catalog.definition.batch_name IS 'The name of a batch, as SQL over b.raw; NULL where batch_by is.';
UPDATE pgslo_catalog.definition d
SET batch_name = CASE WHEN d.batch_place LIKE '%::numeric%' THEN 'pgslo_catalog.iso(trim_scale(b.raw::numeric))' ELSE 'pgslo_catalog.iso(b.raw)' END
WHERE d.batch_by IS NOT NULL;

ALTER TABLE pgslo_catalog.snapshot ADD COLUMN batch_name text;
COMMENT ON COLUMN pgslo_catalog.snapshot.batch_name IS 'The name of a batch when it was taken, as SQL over b.raw.';
UPDATE pgslo_catalog.snapshot s SET batch_name = 'pgslo_catalog.iso(b.raw)' WHERE s.batch_by IS NOT NULL;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.reading(pgslo_catalog.snapshot, numeric[]);

ALTER TABLE pgslo_catalog.definition
    ADD COLUMN batch_key text,
    ADD COLUMN is_rekeyed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.definition.batch_key IS 'What the batches are by, and how they are named: if it changes, rows are in other batches.';
COMMENT ON COLUMN pgslo_catalog.definition.is_rekeyed IS 'Whether tick() has still to evaluate the rows in the batches of a new key.';
ALTER TABLE pgslo_catalog.missed_batch ADD COLUMN is_of_former_key boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.missed_batch.is_of_former_key IS
    'Whether it is a batch of a former key of the definition: any row may be of it.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unhealthy(bigint, text[], timestamptz, interval);
