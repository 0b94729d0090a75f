-- The session that holds the advisory lock of installers.
SELECT pg_catalog.format('process %%s%%s%%s', l.pid, ', role ' || pg_catalog.quote_ident(a.usename), ', ' || pg_catalog.quote_literal(nullif(a.application_name, ''))) AS holder
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.classid = (%(key)s::bigint >> 32 & 4294967295)::oid AND l.objid = (%(key)s::bigint & 4294967295)::oid
LIMIT 1
