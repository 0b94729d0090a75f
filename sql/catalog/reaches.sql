-- What the owner of a defined table may do with other relations: %(pairs)s is an array of arrays, as jsonb: schema and
-- name of the table, schema and name of the other relation.
SELECT w ->> 0 AS schema_name, w ->> 1 AS name, w ->> 2 AS other_schema, w ->> 3 AS other_name,
       pg_catalog.pg_get_userbyid(t.relowner)::text AS reader, c.relkind::text AS kind, o.rolname::text AS owner,
       c.relowner = t.relowner OR o.rolsuper AS is_trusted,
       pg_catalog.has_schema_privilege(t.relowner, n.oid, 'USAGE')
           AND pg_catalog.has_any_column_privilege(t.relowner, c.oid, 'SELECT') AS may_read,
       pg_catalog.has_schema_privilege(t.relowner, n.oid, 'USAGE')
           AND pg_catalog.has_any_column_privilege(t.relowner, c.oid, 'REFERENCES') AS may_refer,
       pg_catalog.pg_has_role(c.relowner, g.needed)
           OR coalesce((SELECT pg_catalog.pg_has_role(k.nspowner, c.relowner, g.needed)
                        FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog'), false) AS may_act
FROM jsonb_array_elements(%(pairs)s::jsonb) AS w
JOIN pg_catalog.pg_namespace s ON s.nspname = w ->> 0
JOIN pg_catalog.pg_class t ON t.relnamespace = s.oid AND t.relname = w ->> 1
JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 2
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 3
JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
-- ALTER FUNCTION ... OWNER TO needs SET ROLE, which from PostgreSQL 16 on not every member has.
CROSS JOIN (
    SELECT CASE WHEN pg_catalog.current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
) AS g (needed)
