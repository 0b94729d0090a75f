-- Of these definitions, those whose table has rows that say their batch, none of which was counted yet.
SELECT d.name AS definition
FROM pgslo_catalog.definition d
WHERE d.name = ANY (%(definitions)s) AND d.recount IS NOT NULL AND d.batch_by IS NOT NULL
  AND EXISTS (SELECT FROM pgslo_catalog.watched_column w WHERE w.definition_id = d.definition_id)
  AND NOT EXISTS (SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = d.definition_id)
  AND EXISTS (
      SELECT FROM (SELECT d.relation::oid AS relid UNION ALL SELECT p.relid::oid FROM pg_catalog.pg_partition_tree(d.relation) p) r
      WHERE pg_catalog.pg_relation_size(r.relid) > 0)
ORDER BY d.name
