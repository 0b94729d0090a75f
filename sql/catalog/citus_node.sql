-- Which node of a Citus cluster the server is; only where the database has the extension.
SELECT coalesce((SELECT g.groupid > 0 FROM pg_catalog.pg_dist_local_group g), false) AS is_worker,
       coalesce((SELECT format('%s:%s', n.nodename, n.nodeport) FROM pg_catalog.pg_dist_node n
                 WHERE n.groupid = 0 AND n.noderole = 'primary'
                 ORDER BY n.nodename, n.nodeport LIMIT 1), '') AS coordinator,
       coalesce(current_setting('citus.enable_unsafe_triggers', true), 'off') = 'on' AS has_unsafe_triggers
