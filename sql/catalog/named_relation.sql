-- The relation with a given name: schema and name as in the catalogue, its kind, and its size with its partitions.
SELECT n.nspname AS schema_name, c.relname AS name, c.relkind AS kind,
       (SELECT sum(pg_catalog.pg_relation_size(p.relid))::bigint FROM (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t UNION SELECT c.oid) AS p (relid)
        JOIN pg_catalog.pg_class k ON k.oid = p.relid AND k.relkind IN ('r', 'm', 't')) AS bytes,
       (SELECT sum(k.reltuples)::float8 FROM (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t UNION SELECT c.oid) AS p (relid)
        JOIN pg_catalog.pg_class k ON k.oid = p.relid AND k.relkind = 'r' AND k.reltuples >= 0) AS rows,
       ARRAY(SELECT DISTINCT pg_catalog.format('%%I.%%I', bn.nspname, b.relname)
             FROM pg_catalog.pg_rewrite w
             JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
             JOIN pg_catalog.pg_class b ON b.oid = d.refobjid AND b.relkind IN ('r', 'p')
             JOIN pg_catalog.pg_namespace bn ON bn.oid = b.relnamespace
             WHERE w.ev_class = c.oid AND c.relkind IN ('v', 'm') ORDER BY 1) AS reads
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %(relation)s::oid
