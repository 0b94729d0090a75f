-- Roles, but superusers, whose functions a query over these tables can run: owners of the tables and of their parts. An empty name
-- represents a dropped table.
WITH RECURSIVE part AS (
    SELECT pg_catalog.to_regclass(w.name)::oid AS relation FROM unnest(%(tables)s::text[]) AS w (name)
    UNION
    SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.relation
)
SELECT DISTINCT coalesce(r.rolname, '')::text AS role, r.rolname = current_user AS is_own
FROM part p
LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relation
LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
WHERE r.rolsuper IS NOT TRUE
ORDER BY 1
