-- Let go of the advisory lock of installers, if this session holds it: it takes the turn instead once pgslo is installed.
SELECT pg_catalog.pg_advisory_unlock(%(key)s)
FROM pg_catalog.pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = pg_catalog.pg_backend_pid()
  AND l.classid = (%(key)s::bigint >> 32)::pg_catalog.oid AND l.objid = (%(key)s::bigint & 4294967295)::pg_catalog.oid
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
