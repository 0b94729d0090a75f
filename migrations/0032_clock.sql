-- Rules that read more than a batch are evaluated by the clock as well.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule ADD COLUMN clocked_at timestamptz, ADD COLUMN took interval;
COMMENT ON COLUMN pgslo_catalog.rule.clocked_at IS 'When tick() last evaluated a rule that reads more than a batch.';
COMMENT ON COLUMN pgslo_catalog.rule.took IS 'How long that took: from 0.1 seconds on, the next time is 20 times as long after it.';
