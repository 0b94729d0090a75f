-- Roles that may read these tables, or columns of them, by a grant, with the roles whose privileges each has: %(names)s is an
-- array of schema and name pairs, as jsonb. An empty role is PUBLIC. Left out are owners of the tables, and roles that can
-- read guarded views without a grant: superusers, members of pg_read_all_data, of the current role and of pgslo's owner.
WITH wanted AS (
    SELECT c.oid, n.oid AS schema, n.nspname AS schema_name, c.relname AS name, c.relowner, c.relacl, n.nspacl
    FROM jsonb_array_elements(%(names)s::jsonb) AS w
    JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 0
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1
), granted AS (
    SELECT w.oid, e.grantee FROM wanted w CROSS JOIN LATERAL pg_catalog.aclexplode(w.relacl) AS e WHERE e.privilege_type = 'SELECT'
    UNION
    SELECT w.oid, e.grantee
    FROM wanted w
    JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS e
    WHERE e.privilege_type = 'SELECT'
), reader AS (
    SELECT g.oid, g.grantee FROM granted g WHERE g.grantee <> 0
    UNION
    -- Objects granted to PUBLIC are read by roles that may use the schema.
    SELECT g.oid, e.grantee FROM granted g JOIN wanted w USING (oid) CROSS JOIN LATERAL pg_catalog.aclexplode(w.nspacl) AS e
    WHERE g.grantee = 0 AND e.privilege_type = 'USAGE'
)
SELECT w.schema_name::text, w.name::text, coalesce(r.rolname, '')::text AS role,
       ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles o WHERE pg_catalog.pg_has_role(r.oid, o.oid, 'USAGE')) AS acts_as
FROM wanted w
JOIN reader p USING (oid)
LEFT JOIN pg_catalog.pg_roles r ON r.oid = p.grantee
WHERE p.grantee = 0
   OR p.grantee <> w.relowner AND NOT r.rolsuper AND pg_catalog.has_schema_privilege(r.oid, w.schema, 'USAGE')
      AND NOT pg_catalog.pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') AND NOT pg_catalog.pg_has_role(r.oid, current_user, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog' AND pg_catalog.pg_has_role(r.oid, k.nspowner, 'USAGE'))
ORDER BY w.schema_name, w.name, r.rolname COLLATE "C" NULLS FIRST
