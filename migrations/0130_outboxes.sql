-- Tables that Citus distributes: triggers of their shards note what tick() reads on the coordinator.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN outbox text, ADD COLUMN told text;
COMMENT ON COLUMN pgslo_catalog.definition.outbox IS
    'Table in which triggers of shards note what tick() reads, as pgslo_gen names it; NULL where the table is on one node.';
COMMENT ON COLUMN pgslo_catalog.definition.told IS
    'Table on every node with what readers of its guarded views are told, as pgslo_gen names it; NULL where the table is on one node.';
