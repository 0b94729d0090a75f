-- Subscriptions to tables of pgslo's own.
SELECT pg_catalog.quote_ident(s.subname) AS subscription, pg_catalog.string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text) AS tables
FROM pg_catalog.pg_subscription_rel r
JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot')
GROUP BY s.subname
ORDER BY 1
