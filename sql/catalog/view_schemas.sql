-- Owners of schemas of guarded views, and other roles that may create there: %(wanted)s names for each its definition, its builder (the role that owns
-- the views; NULL: the current role), and the schema and name of the guarded table.
WITH wanted AS (
    SELECT w ->> 'definition' AS definition, w ->> 'schema' AS schema, coalesce(w ->> 'builder', current_user) AS builder,
           w ->> 'table_schema' AS table_schema, w ->> 'table_name' AS table_name
    FROM jsonb_array_elements(%(wanted)s::jsonb) AS w
), found AS (
    SELECT w.definition, w.schema, n.oid, n.nspacl, b.oid AS builder, b.rolsuper AS is_super,
           -- The owner of the database takes the place of the role that a database's own schemas belong to.
           CASE WHEN o.rolname = 'pg_database_owner' THEN d.datdba ELSE n.nspowner END AS owner, n.nspowner,
           (SELECT c.relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
            WHERE s.nspname = w.table_schema AND c.relname = w.table_name) AS table_owner
    FROM wanted w
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
    JOIN pg_catalog.pg_database d ON d.datname = current_database()
    LEFT JOIN pg_catalog.pg_roles b ON b.rolname = w.builder
), judged AS (
    SELECT f.*, ARRAY[f.builder, f.table_owner, (SELECT k.nspowner FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog')] AS trusted
    FROM found f
)
SELECT DISTINCT j.definition, j.schema, pg_catalog.pg_get_userbyid(j.owner)::text AS owner,
       coalesce(j.owner = ANY (j.trusted), false)
           OR (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = j.owner)
           -- A superuser is a member of every role, which says nothing about the owner.
           OR (j.builder IS NOT NULL AND NOT j.is_super AND pg_catalog.pg_has_role(j.builder, j.owner, 'USAGE')) AS is_trusted,
       ARRAY(SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
             FROM pg_catalog.aclexplode(j.nspacl) AS a
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
             WHERE a.privilege_type = 'CREATE' AND a.grantee <> j.owner AND a.grantee <> j.nspowner
               AND (a.grantee = ANY (j.trusted)) IS NOT TRUE AND r.rolsuper IS NOT TRUE
             ORDER BY 1) AS creators
FROM judged j
ORDER BY 1, 2
