-- Unique columns of tables that the role may read: possible targets of a reference.
SELECT n.nspname AS schema_name, c.relname AS name, a.attname AS "column", pg_catalog.format_type(a.atttypid, NULL) AS type
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgslo_catalog', 'pgslo_gen', 'pgslo')
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
ORDER BY 1, 2, 3
