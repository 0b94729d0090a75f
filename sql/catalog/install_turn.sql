-- Whether the turn of installers is a row of pgslo, which other roles cannot lock; it is not before the first installation.
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS has_turns
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pgslo_catalog' AND p.proname = 'free_for_session'
