-- The rows that each defined table holds or was given, and those that were recorded.
SELECT d.name AS definition, size.bytes AS quarantine_bytes, size.max_bytes AS quarantine_max_bytes,
    -- Later it is of no use.
    CASE WHEN kept.left_out_at > pg_catalog.clock_timestamp() - interval '7 days' THEN kept.left_out_at END AS repairs_left_out_at,
    a.rows_written AS rows_written_then,
    -- After a crash all statistics start again, those of the whole server as well.
    (SELECT max(r.stats_reset) FROM (
         SELECT b.stats_reset FROM pg_catalog.pg_stat_database b WHERE b.datname = current_database()
         UNION ALL SELECT w.stats_reset FROM pg_catalog.pg_stat_bgwriter w) r
     WHERE r.stats_reset > a.applied_at) AS statistics_reset_at,
    -- A standby has statistics of its own, which count no write.
    (SELECT (sum(CASE WHEN d.batch_is_of_row AND d.writes = 'bulk' THEN s.n_tup_ins - s.n_tup_del ELSE s.n_tup_ins + s.n_tup_upd END)
             FILTER (WHERE NOT pg_catalog.pg_is_in_recovery()))::bigint
     FROM (SELECT c.oid AS relid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(CASE WHEN c.relkind = 'p' THEN c.oid END) p) r
     JOIN pg_catalog.pg_stat_user_tables s ON s.relid = r.relid) AS rows_written_now,
    a.rows_emptied
        + (SELECT coalesce(sum(CASE f.operation WHEN 'truncate' THEN coalesce(f.rows_emptied, 0) ELSE f.rows END), 0)::bigint
           FROM pgslo_catalog.fragment f
           WHERE f.definition_id = d.definition_id AND f.operation <> 'recount' AND f.written_at >= a.applied_at
             AND (f.rows > 0 OR f.operation = 'truncate' OR d.batch_is_of_row AND d.writes = 'bulk')) AS rows_recorded,
    -- A session reports its writes after at most ten seconds, so these may be counted after the apply.
    (SELECT coalesce(sum(f.rows), 0)::bigint
     FROM pgslo_catalog.fragment f
     WHERE f.definition_id = d.definition_id AND f.operation NOT IN ('truncate', 'recount') AND f.rows > 0
       AND f.written_at < a.applied_at AND f.written_at >= a.applied_at - interval '10 seconds') AS rows_just_before,
    (SELECT max(f.place) FROM pgslo_catalog.fragment f WHERE f.definition_id = d.definition_id AND f.place < 'Infinity') AS newest_recorded,
    d.batch_by, d.batch_place,
    -- Only by an index is the newest batch found without reading the table.
    EXISTS (SELECT FROM pg_catalog.pg_index i
            WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
              AND d.batch_by = '(r.' || pg_catalog.pg_get_indexdef(i.indexrelid, 1, true) || ')') AS batch_has_index
FROM pgslo_catalog.definition d
JOIN pgslo.quarantine_size size ON size.definition = d.name
JOIN pgslo.repair_size kept ON kept.definition = d.name
LEFT JOIN pg_catalog.pg_class c ON c.oid = d.relation
LEFT JOIN pgslo_catalog.applied a USING (definition_id)
ORDER BY d.name
