-- What whoever ended a missed batch could see: rows that were committed later are news.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.missed_batch
    ADD COLUMN seen_snapshot pg_snapshot,
    ADD COLUMN ended_xid xid8;
COMMENT ON COLUMN pgslo_catalog.missed_batch.seen_snapshot IS
    'What the steward that accepted it, or the look at the table that ended it, could see; failing rows that it does not show are news.';
COMMENT ON COLUMN pgslo_catalog.missed_batch.ended_xid IS 'The transaction that accepted it.';
CREATE INDEX missed_batch_ended_idx ON pgslo_catalog.missed_batch (ended_xid) WHERE ended_xid IS NOT NULL;
-- Writers ask whether a later batch is missed.
CREATE INDEX missed_batch_place_idx ON pgslo_catalog.missed_batch (rule_id, place) WHERE ended_at IS NULL;

ALTER TABLE pgslo_catalog.incident_event ADD COLUMN seen_snapshot pg_snapshot DEFAULT pg_current_snapshot();
COMMENT ON COLUMN pgslo_catalog.incident_event.seen_snapshot IS 'What the session that did it could see.';

ALTER TABLE pgslo_catalog.verdict ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
COMMENT ON COLUMN pgslo_catalog.verdict.xid IS 'The transaction that gave this verdict and value.';
