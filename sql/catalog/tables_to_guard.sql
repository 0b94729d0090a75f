-- Tables that could be guarded and that this role may read, largest first: with a key or a time, and not a part of another one.
SELECT n.nspname AS schema_name, c.relname AS name,
       pg_catalog.pg_total_relation_size(c.oid) AS bytes, greatest(c.reltuples, 0)::float8 AS rows
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgslo', 'pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot')
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
  -- One name in any schema, or all.
  AND (%(name)s::text IS NULL OR c.relname = %(name)s::text)
  AND (%(name)s::text IS NOT NULL OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
       OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND a.atttypid IN ('pg_catalog.date'::regtype, 'pg_catalog.timestamp'::regtype, 'pg_catalog.timestamptz'::regtype)))
ORDER BY c.reltuples DESC, n.nspname, c.relname
