-- Many batches: statistics of a moment at which few were known must not have a batch looked up by reading all of them.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.fragment ALTER COLUMN batch SET (n_distinct = -0.5);

-- tick() asks which batches lost more rows than are known.
CREATE INDEX batch_overdrawn_idx ON pgslo_catalog.batch (definition_id, name) WHERE rows < 0;

-- They return whether more batches are due.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo.tick();
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.look_after(pgslo_catalog.definition);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow(pgslo_catalog.definition, text, integer);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_loads(pgslo_catalog.definition, text, integer);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_stream(pgslo_catalog.definition, text, integer);
