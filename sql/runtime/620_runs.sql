-- The runs of pgslo watch --on healthy-batch.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_owner(reader name) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT pg_has_role(is_owner.reader, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_owner(name) IS 'Whether a role has the rights of pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_run(task text, reader name) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT pgslo_catalog.is_owner(may_run.reader) OR bool_and(
        -- Its columns in the table, or a view that pgslo made over it.
        has_schema_privilege(may_run.reader, t.namespace, 'USAGE') AND (
            has_table_privilege(may_run.reader, d.relation, 'SELECT')
            OR NOT EXISTS (SELECT FROM unnest(k.reads) AS c (name) JOIN pg_attribute a ON a.attrelid = d.relation AND a.attname = c.name AND a.attnum > 0
                           WHERE NOT has_column_privilege(may_run.reader, d.relation, a.attnum, 'SELECT')))
        OR EXISTS (
            SELECT FROM pg_class v JOIN pg_namespace o ON o.nspname = 'pgslo_catalog'
            WHERE v.relkind = 'v' AND pg_has_role(v.relowner, o.nspowner, 'USAGE')
              AND substring(left(obj_description(v.oid, 'pg_class'), 4000) FROM E'(?:^|\n)pgslo [0-9a-f]{16} (.+)$') = d.name
              AND has_schema_privilege(may_run.reader, v.relnamespace, 'USAGE') AND has_table_privilege(may_run.reader, v.oid, 'SELECT')))
    FROM pgslo_catalog.task k
    JOIN pgslo_catalog.definition d USING (definition_id)
    JOIN LATERAL (SELECT c.relnamespace AS namespace FROM pg_class c WHERE c.oid = d.relation) t ON true
    WHERE k.name = may_run.task
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_run(text, name) IS 'Whether a role may read what a task reads, in each of its tables; NULL if there is no such task.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_may_run(task text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.may_run(check_may_run.task, pgslo_catalog.caller()) IS NOT TRUE THEN
        -- NULL where there is no such task: the error is that of a task that the caller may not run.
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for task "%s"', check_may_run.task),
            DETAIL = format('Role %s may not read what the task reads, or there is no such task.', pgslo_catalog.caller()),
            HINT = 'Grant it SELECT on the guarded view or on the view of the task.';
    END IF;
    -- pgslo's owner may run all, but none that there is not.
    PERFORM pgslo_catalog.need_task(check_may_run.task, pgslo_catalog.caller());
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_may_run(text) IS 'Raise an error if the caller may not read the columns of a task.';

CREATE OR REPLACE FUNCTION pgslo.watch_task(task text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_may_run(watch_task.task);
    RETURN pgslo_catalog.hold_for_session('task ' || watch_task.task);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.watch_task(text) IS
    'Become the one session that runs a task for its batches, until it ends: return NULL, or the current one, in words.';

CREATE OR REPLACE FUNCTION pgslo.follow_task(task text) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_may_run(follow_task.task);
    PERFORM pgslo_catalog.tables_ready(follow_task.task);  -- An error when there is no such task.
    INSERT INTO pgslo_catalog.task_watch (task) VALUES (follow_task.task) ON CONFLICT ON CONSTRAINT task_is_watched_once DO NOTHING;
    IF FOUND THEN
        -- Not by the clock: a batch whose close is not committed yet is still to come.
        INSERT INTO pgslo_catalog.task_run (task, batch, state)
        SELECT DISTINCT follow_task.task, b.name, 'skipped'
        FROM pgslo_catalog.task t JOIN pgslo_catalog.batch b USING (definition_id)
        WHERE t.name = follow_task.task AND b.closed_at IS NOT NULL
        ON CONFLICT ON CONSTRAINT task_run_is_made_once_a_batch DO NOTHING;
    END IF;
    RETURN (SELECT w.since FROM pgslo_catalog.task_watch w WHERE w.task = follow_task.task);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.follow_task(text) IS 'Begin to follow a task''s healthy batches; existing ones are skipped. Return since when.';

CREATE OR REPLACE FUNCTION pgslo.begin_run(task text, host text, process_id bigint, OUT task_run_id bigint, OUT batch text, OUT attempt integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET lock_timeout = '5s'
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_may_run(begin_run.task);
    -- Two at once would see the same batch. Where another session is at it, there is nothing to begin.
    INSERT INTO pgslo_catalog.task_watch (task)
    SELECT begin_run.task WHERE NOT EXISTS (SELECT FROM pgslo_catalog.task_watch w WHERE w.task = begin_run.task)
    ON CONFLICT ON CONSTRAINT task_is_watched_once DO NOTHING;
    PERFORM FROM pgslo_catalog.task_watch w WHERE w.task = begin_run.task FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('another session is beginning a run of task "%s"', begin_run.task),
            DETAIL = format('It is %s.', (SELECT pgslo_catalog.locked_by(w.xmax) FROM pgslo_catalog.task_watch w WHERE w.task = begin_run.task)),
            HINT = 'Try again once its transaction has ended.';
    END IF;
    IF EXISTS (SELECT FROM pgslo_catalog.task_run r WHERE r.task = begin_run.task AND r.state = 'running')
        OR NOT (SELECT bool_and(r.is_ready) FROM pgslo_catalog.tables_ready(begin_run.task, false) AS r) THEN
        RETURN;
    END IF;
    SELECT n.name INTO batch
    FROM (
        -- Of several tables, once each has the batch and it is healthy in each.
        SELECT h.batch AS name, max(h.place) AS place, count(*) AS tables
        FROM pgslo_catalog.task t
        JOIN pgslo_catalog.definition d USING (definition_id)
        CROSS JOIN LATERAL pgslo_catalog.healthy(d, t.reads, clock_timestamp()) AS h
        WHERE t.name = begin_run.task
        GROUP BY h.batch
    ) AS n
    LEFT JOIN pgslo_catalog.task_run r ON r.task = begin_run.task AND r.batch = n.name
    WHERE n.tables = (SELECT count(*) FROM pgslo_catalog.task t WHERE t.name = begin_run.task)
      AND (r.task_run_id IS NULL OR r.state = 'waiting' AND r.next_attempt_at <= clock_timestamp())
    ORDER BY n.place LIMIT 1;
    IF batch IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.task_run AS r (task, batch, state, attempts, host, process_id, started_at, seen_at, started_by)
    VALUES (begin_run.task, begin_run.batch, 'running', 1, begin_run.host, begin_run.process_id, clock_timestamp(), clock_timestamp(), pgslo_catalog.caller())
    ON CONFLICT ON CONSTRAINT task_run_is_made_once_a_batch DO UPDATE SET
        state = 'running', attempts = r.attempts + 1, host = excluded.host, process_id = excluded.process_id, started_at = excluded.started_at,
        seen_at = excluded.seen_at,
        started_by = excluded.started_by, ended_at = NULL, next_attempt_at = NULL, exit_code = NULL, output = NULL
    RETURNING r.task_run_id, r.attempts INTO task_run_id, attempt;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_run(text, text, bigint) IS
    'Return the next healthy batch without a run of the task, recorded as running; NULL without one, or if one runs, '
    'or something the task reads is unhealthy now.';

CREATE OR REPLACE FUNCTION pgslo.see_run(task_run_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    UPDATE pgslo_catalog.task_run r SET seen_at = clock_timestamp()
    WHERE r.task_run_id = see_run.task_run_id AND r.state = 'running' AND r.started_by = pgslo_catalog.caller()
$pgslo$;
COMMENT ON FUNCTION pgslo.see_run(bigint) IS 'Record that a run is still under way.';

CREATE OR REPLACE FUNCTION pgslo.end_run(task_run_id bigint, exit_code integer, output text, retries integer, wait interval) RETURNS text
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    UPDATE pgslo_catalog.task_run r
    SET state = CASE WHEN end_run.exit_code = 0 THEN 'done' WHEN r.attempts > end_run.retries THEN 'failed' ELSE 'waiting' END,
        exit_code = end_run.exit_code, output = right(end_run.output, 4000), ended_at = clock_timestamp(),
        next_attempt_at = CASE WHEN end_run.exit_code IS DISTINCT FROM 0 AND r.attempts <= end_run.retries
                                   THEN clock_timestamp() + end_run.wait * 5 ^ least(r.attempts - 1, 6) END
    WHERE r.task_run_id = end_run.task_run_id AND r.state = 'running'
      -- The role that began it; without a sign of life for long, any role that may run the task ends it.
      AND (r.started_by = pgslo_catalog.caller() OR pgslo_catalog.is_owner(pgslo_catalog.caller())
           OR end_run.exit_code IS NULL AND r.seen_at < clock_timestamp() - interval '5 minutes' AND pgslo_catalog.may_run(r.task, pgslo_catalog.caller()))
    RETURNING r.state
$pgslo$;
COMMENT ON FUNCTION pgslo.end_run(bigint, integer, text, integer, interval) IS
    'Record how a run ended, and when it is tried again; each wait is five times the one before.';

CREATE OR REPLACE VIEW pgslo.task_run WITH (security_barrier) AS
SELECT r.task_run_id, r.task, r.batch, r.state, r.attempts, r.exit_code, r.started_at, r.seen_at, r.ended_at, r.next_attempt_at, r.host,
       r.process_id, r.started_by
FROM pgslo_catalog.task_run r
WHERE r.started_by = current_user OR r.task IN (SELECT t.name FROM pgslo_catalog.task t JOIN pgslo_catalog.known_definition d USING (definition_id));
COMMENT ON VIEW pgslo.task_run IS 'Runs of tasks for healthy batches, and their results.';
