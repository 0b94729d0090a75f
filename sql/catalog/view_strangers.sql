-- Types, functions and operators that the query of a view names and whose owner is neither a superuser nor the role that
-- asks nor pgslo's owner: %(view)s is the name of the view, as SQL writes it. What PostgreSQL itself brings is not listed.
SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) AS object, o.rolname::text AS owner
FROM pg_catalog.pg_rewrite w
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
CROSS JOIN LATERAL (
    SELECT t.typowner FROM pg_catalog.pg_type t WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid
    UNION ALL
    SELECT p.proowner FROM pg_catalog.pg_proc p WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.refobjid
    UNION ALL
    SELECT p.oprowner FROM pg_catalog.pg_operator p WHERE d.refclassid = 'pg_catalog.pg_operator'::regclass AND p.oid = d.refobjid
) AS named (owner)
JOIN pg_catalog.pg_roles o ON o.oid = named.owner
WHERE w.ev_class = %(view)s::regclass AND NOT o.rolsuper AND o.rolname <> current_user
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgslo_catalog' AND n.nspowner = o.oid)
ORDER BY 1
