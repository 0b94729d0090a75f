-- Types by their numbers: name, category, and whether they are PostgreSQL's own.
SELECT t.oid::bigint AS number, pg_catalog.format_type(t.oid, NULL) AS type, t.typcategory::text AS category,
       n.nspname = 'pg_catalog' AND t.typowner = 10 AND t.typtype IN ('b', 'r', 'm') AS is_plain
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid::bigint = ANY (%(numbers)s::bigint[])
