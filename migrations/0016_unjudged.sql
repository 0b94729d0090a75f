-- Rows that a rule could not judge when they were written, because a lock was not granted for example, are judged later.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule_break
    ADD COLUMN batch text,
    ADD COLUMN place numeric;
COMMENT ON COLUMN pgslo_catalog.rule_break.batch IS
    'The batch with rows that were not judged, which tick() judges from the table; NULL: the rule cannot be evaluated.';
COMMENT ON COLUMN pgslo_catalog.rule_break.place IS 'Place of that batch among the others.';

ALTER TABLE pgslo_catalog.definition ADD COLUMN judge text;
COMMENT ON COLUMN pgslo_catalog.definition.judge IS
    'Generated function that counts the rows of a batch that fail a rule; NULL where rows do not say their batch.';

-- It took the setting as an array, which fails on a text that is none.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.settle_together(text[]);
