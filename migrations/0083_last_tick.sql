-- Monitoring asks when batches were looked after last.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.watermark ADD COLUMN looked_at timestamptz;
COMMENT ON COLUMN pgslo_catalog.watermark.looked_at IS 'When the consumer looked last, and was told of no error.';
