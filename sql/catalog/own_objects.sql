-- Objects of the runtime that belong to another role than its schemas.
WITH own AS (
    SELECT n.oid, k.nspowner AS keeper
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_namespace k ON k.nspname = 'pgslo_catalog'
    WHERE n.nspname IN ('pgslo', 'pgslo_catalog')
), thing AS (
    SELECT p.proowner AS owner, 'function ' || p.oid::regprocedure AS object, 'pg_catalog.pg_proc'::regclass AS class, p.oid
    FROM own o JOIN pg_catalog.pg_proc p ON p.pronamespace = o.oid WHERE p.proowner <> o.keeper
    UNION ALL
    SELECT c.relowner, 'relation ' || c.oid::regclass, 'pg_catalog.pg_class'::regclass, c.oid
    FROM own o JOIN pg_catalog.pg_class c ON c.relnamespace = o.oid
    WHERE c.relowner <> o.keeper AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT n.nspowner, 'schema ' || pg_catalog.quote_ident(n.nspname), 'pg_catalog.pg_namespace'::regclass, n.oid
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_namespace k ON k.nspname = 'pgslo_catalog' AND k.nspowner <> n.nspowner
    JOIN pg_catalog.pg_roles w ON w.oid = n.nspowner AND w.rolsuper
    -- Only its owner, here a superuser, writes the comment of a schema.
    WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') ~ '^pgslo [0-9a-f]{16} '
)
SELECT r.rolname::text AS role, count(*)::integer AS number, min(t.object) AS object,
       -- Nothing of a role without the rights of pgslo's owner is taken over: it would run with these.
       r.rolsuper OR pg_catalog.pg_has_role(r.oid, k.nspowner, 'USAGE') AS is_trusted,
       pg_catalog.pg_has_role(r.oid, 'USAGE') AS can_give
FROM thing t JOIN pg_catalog.pg_roles r ON r.oid = t.owner JOIN pg_catalog.pg_namespace k ON k.nspname = 'pgslo_catalog'
-- Those of another extension are not pgslo's.
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid
    WHERE e.classid = t.class AND e.objid = t.oid AND e.deptype = 'e' AND e.refclassid = 'pg_catalog.pg_extension'::regclass AND x.extname <> 'pgslo')
GROUP BY r.oid, r.rolname, r.rolsuper, k.nspowner ORDER BY 1
