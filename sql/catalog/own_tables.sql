-- The tables and views of pgslo, which an upgrade may lock.
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('pgslo', 'pgslo_catalog') AND c.relkind IN ('r', 'v')
ORDER BY 1
