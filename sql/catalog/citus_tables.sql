-- Tables that Citus manages, of those that %(names)s lists as schema and name pairs.
-- Only where the database has the extension.
SELECT n.nspname::text AS schema_name, c.relname::text AS name,
       CASE WHEN p.partmethod <> 'n' THEN 'distributed'
            WHEN p.repmodel = 't' THEN 'reference'
            -- Distributed by its schema: on one node, with the other tables of the schema.
            WHEN p.colocationid <> 0 THEN 'distributed'
            ELSE 'managed' END AS kind,
       coalesce(CASE WHEN p.partmethod <> 'n'
                     THEN pg_catalog.column_to_column_name(p.logicalrelid, p.partkey) END, '') AS "column",
       p.colocationid AS colocation
FROM jsonb_array_elements(%(names)s::jsonb) AS w
JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 0
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1
JOIN pg_catalog.pg_dist_partition p ON p.logicalrelid = c.oid
