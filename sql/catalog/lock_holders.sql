-- Sessions whose transactions hold locks on these tables, the longest first. Of other people's an ordinary role sees no more than the number.
SELECT DISTINCT ON (a.xact_start, a.pid)
    pg_catalog.format('process %%s%%s, for %%s s', a.pid, coalesce(' (' || nullif(a.application_name, '') || ')', ''),
        coalesce(pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::numeric, 1)::text, '?')) AS holder
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND a.datname = pg_catalog.current_database()
  AND l.relation IN (SELECT pg_catalog.to_regclass(n.name)::oid FROM pg_catalog.unnest(%(tables)s::text[]) AS n (name))
ORDER BY a.xact_start, a.pid
LIMIT 3
