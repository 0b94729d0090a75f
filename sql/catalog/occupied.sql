-- Relations that have the names of views to come and are not pgslo's: %(names)s is an array of schema and name pairs, as jsonb.
SELECT n.nspname::text AS schema_name, c.relname::text AS name, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM jsonb_array_elements(%(names)s::jsonb) AS w
JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 0
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1
ORDER BY 1, 2
