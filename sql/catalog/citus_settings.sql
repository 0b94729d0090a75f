-- Citus changes the shards of a table one after the other, or a second change of the same table in a transaction fails.
SELECT set_config('citus.multi_shard_modify_mode', 'sequential', true)
WHERE EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'citus')
