-- The owner of the view of rules, and whether reading it runs code of the current role, of roles that it acts as, or of superusers alone.
SELECT pg_catalog.quote_ident(r.rolname), r.rolsuper OR r.rolname = current_user
    -- A superuser acts as every role, and trusts none of them.
    OR NOT me.rolsuper AND pg_catalog.pg_has_role(me.oid, r.oid, 'USAGE')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
WHERE n.nspname = 'pgslo' AND c.relname = 'rule'
