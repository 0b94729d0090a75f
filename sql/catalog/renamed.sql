-- Tables that have another name than their definition.
SELECT n.nspname::text AS schema_name, c.relname::text AS name, d.name AS definition
FROM pgslo_catalog.definition d
JOIN pg_catalog.pg_class c ON c.oid = d.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname <> d.name
