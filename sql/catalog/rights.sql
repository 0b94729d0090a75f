-- Whether the runtime is there, and what this role may do with it.
SELECT n.oid IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.relnamespace = c.oid AND r.relname = 'runtime') AS is_installed,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
       coalesce(has_schema_privilege(c.oid, 'USAGE') AND has_any_column_privilege(t.oid, 'SELECT'), false) AS may_plan,
       coalesce(has_table_privilege(q.oid, 'SELECT'), false) AS may_see_rows,
       -- As pgslo_catalog.may_know_all(): others see the tables that they may read.
       coalesce(pg_has_role(c.nspowner, 'USAGE'), false)
           OR EXISTS (SELECT FROM pg_catalog.pg_class s
                      WHERE (s.relnamespace = n.oid AND s.relname IN ('sample', 'delivery') OR s.relnamespace = c.oid AND s.relname = 'incident')
                        AND has_table_privilege(s.oid, 'SELECT')) AS may_know_all,
       coalesce(has_function_privilege(p.oid, 'EXECUTE'), false) AND current_setting('transaction_read_only') = 'off' AS may_tick,
       coalesce((SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE')) FROM pg_catalog.pg_proc f
                 WHERE f.pronamespace = n.oid AND f.proname IN ('subscribe', 'watch_deliveries', 'queue_delivery', 'begin_delivery', 'end_delivery')), false)
           AND coalesce((SELECT has_table_privilege(v.oid, 'SELECT') FROM pg_catalog.pg_class v WHERE v.relnamespace = n.oid AND v.relname = 'delivery'), false) AS may_deliver,
       coalesce((SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE')) FROM pg_catalog.pg_proc f
                 WHERE f.pronamespace = n.oid AND f.proname IN ('follow_task', 'watch_task', 'begin_run', 'see_run', 'end_run')), false) AS may_run,
       coalesce((SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE')) FROM pg_catalog.pg_proc f
                 WHERE f.pronamespace = n.oid AND f.proname = 'evidence'), false) AS may_see_evidence,
       quote_ident(current_user) AS role, current_database()::text AS database
FROM (SELECT 1) AS one
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo'
LEFT JOIN pg_catalog.pg_namespace c ON c.nspname = 'pgslo_catalog'
LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = c.oid AND t.relname = 'definition'
LEFT JOIN pg_catalog.pg_class q ON q.relnamespace = n.oid AND q.relname = 'quarantine'
LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'tick' AND p.pronargs = 0
