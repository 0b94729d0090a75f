-- Snapshots that are not kept as they were taken.
SELECT s.name, s.definition,
       CASE WHEN c.oid IS NULL THEN 'its table was dropped'
            WHEN g.tgrelid IS NULL THEN 'the trigger that refuses changes was dropped'
            ELSE 'the trigger that refuses changes was switched off' END AS said
FROM pgslo_catalog.snapshot s
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_snapshot'
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'r'
LEFT JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid AND g.tgname = 'pgslo_refuse_change'
WHERE s.is_copy AND s.content_hash IS NOT NULL AND (g.tgenabled = 'A') IS NOT TRUE
ORDER BY s.name
