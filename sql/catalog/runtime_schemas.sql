-- Owners of the schemas that the runtime consists of.
SELECT n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner FROM pg_catalog.pg_namespace n
WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')
