-- Definitions whose table name belongs to another table now: it was re-created, or swapped in.
SELECT d.name AS definition
FROM pgslo_catalog.definition d
WHERE EXISTS (
    SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = d.name AND c.relkind IN ('r', 'p') AND c.oid <> d.relation)
