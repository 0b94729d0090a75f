-- Tables that definitions are about, as they are called now.
SELECT d.name AS definition, n.nspname::text AS table_schema, c.relname::text AS table_name
FROM pgslo_catalog.definition d
JOIN pg_catalog.pg_class c ON c.oid = d.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
