-- The owner of pgslo, where that is neither the current role nor a superuser.
SELECT pg_catalog.quote_ident(r.rolname) AS owner, pg_catalog.quote_ident(current_user) AS role
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
WHERE n.nspname = 'pgslo_catalog' AND r.rolname <> current_user AND NOT r.rolsuper
