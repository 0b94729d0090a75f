-- Runs of a task that are under way, as far as anybody wrote down.
SELECT r.task_run_id, r.batch, r.attempts, r.host, r.process_id, r.seen_at < pg_catalog.clock_timestamp() - interval '5 minutes' AS is_silent
FROM pgslo.task_run r
WHERE r.task = %(task)s AND r.state = 'running'
