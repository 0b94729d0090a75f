-- Roles whose code the command line would run: owners of pgslo's schemas and of the objects in them, without the current role, superusers
-- and roles that the current one acts as. A superuser acts as every role, and trusts none of them.
WITH own AS (
    SELECT n.oid, n.nspowner AS owner, n.nspname = 'pgslo_gen' AS is_generated
    FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')
), owned AS (
    SELECT o.owner FROM own o
    UNION SELECT c.relowner FROM own o JOIN pg_catalog.pg_class c ON c.relnamespace = o.oid WHERE NOT o.is_generated
    -- Generated functions that are called run with the rights of their owner, who may be that of a table.
    UNION SELECT p.proowner FROM own o JOIN pg_catalog.pg_proc p ON p.pronamespace = o.oid WHERE NOT o.is_generated
    UNION SELECT t.typowner FROM own o JOIN pg_catalog.pg_type t ON t.typnamespace = o.oid WHERE NOT o.is_generated
    UNION SELECT r.oprowner FROM own o JOIN pg_catalog.pg_operator r ON r.oprnamespace = o.oid
)
SELECT r.rolname::text AS role, me.rolname::text AS "user", me.rolsuper AS is_superuser
FROM owned o
JOIN pg_catalog.pg_roles r ON r.oid = o.owner
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
WHERE NOT r.rolsuper AND r.oid <> me.oid AND (me.rolsuper OR NOT pg_catalog.pg_has_role(me.oid, r.oid, 'USAGE'))
ORDER BY 1
