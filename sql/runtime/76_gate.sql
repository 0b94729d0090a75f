-- Which batches were healthy as of a time, whether a task may be trained, and the runs that follow healthy batches.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.unhealthy(definition_id bigint, columns text[], as_of timestamptz, within interval DEFAULT NULL)
RETURNS TABLE (incident_id bigint, rule text, columns_hit text[], batch text, place numeric, is_open boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT DISTINCT ON (r.rule_id, m.batch) i.incident_id, r.name, r.columns, m.batch, m.place, coalesce(i.over_at IS NULL, true)
    FROM pgslo_catalog.rule r
    JOIN pgslo_catalog.missed_batch m ON m.rule_id = r.rule_id
    LEFT JOIN pgslo_catalog.stored_batch s ON s.missed_id = m.missed_id
    LEFT JOIN pgslo_catalog.incident i ON i.incident_id = coalesce(m.incident_id, s.incident_id)
    WHERE r.definition_id = unhealthy.definition_id
      AND m.missed_at <= unhealthy.as_of AND (m.ended_at IS NULL OR m.ended_at > unhealthy.as_of)
      AND (unhealthy.columns IS NULL OR r.columns = '{}' OR r.columns && unhealthy.columns)
      AND (unhealthy.within IS NULL OR pgslo_catalog.is_within(m.place, unhealthy.within))
    ORDER BY r.rule_id, m.batch, m.missed_at
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unhealthy(bigint, text[], timestamptz, interval) IS
    'Stored batches that missed a rule about some columns, as was known at a time, or those within a time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.healthy(
    definition pgslo_catalog.definition, columns text[], as_of timestamptz, within interval DEFAULT NULL
)
RETURNS TABLE (batch text, place numeric, rows bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    WITH spoilt AS MATERIALIZED (
        SELECT u.* FROM pgslo_catalog.unhealthy((healthy.definition).definition_id, healthy.columns, healthy.as_of, healthy.within) AS u)
    SELECT b.name, b.place, b.rows
    FROM pgslo_catalog.batch b
    WHERE b.definition_id = (healthy.definition).definition_id AND b.closed_at <= healthy.as_of AND b.rows > 0
      AND b.place <= pgslo_catalog.last_place(healthy.definition)
      AND NOT EXISTS (SELECT FROM spoilt u WHERE u.batch = b.name)
    ORDER BY b.place;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.healthy(pgslo_catalog.definition, text[], timestamptz, interval) IS
    'Return batches that were evaluated by a time and had no violation about these columns, as was known then, or older ones.';

CREATE OR REPLACE FUNCTION pgslo.healthy_batches(definition text, columns text[] DEFAULT NULL, as_of timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (batch text, place numeric, rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    unknown text;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = healthy_batches.definition;
    -- A role that may not know of it is shown the same as one that misspells it.
    IF NOT FOUND OR NOT pgslo_catalog.may_know(target.name, pgslo_catalog.caller()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', healthy_batches.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    SELECT min(c.name) INTO unknown FROM unnest(healthy_batches.columns) AS c (name)
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped);
    IF unknown IS NOT NULL THEN
        -- A misspelt column would have no incident, and every batch would be healthy.
        RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column "%s" of %s does not exist', unknown, target.name);
    END IF;
    RETURN QUERY SELECT h.* FROM pgslo_catalog.healthy(target, healthy_batches.columns, healthy_batches.as_of) AS h;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.healthy_batches(text, text[], timestamptz) IS 'Batches that were judged by a time, and of which nothing was amiss with these columns, or any, as was known then.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unhealthy_said(definition_id bigint, columns text[], batches text[])
RETURNS TABLE (name text, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- The newest batch of each rule, and how many others there are.
    SELECT w.names[1],
           format('%s of batch %s, which misses rule "%s", %s stored%s (incident %s, %s)',
               CASE WHEN w.rows[1] IS NULL THEN 'rows' ELSE pgslo_catalog.rows_shown(w.rows[1]) END,
               w.names[1], w.rule, CASE w.rows[1] WHEN 1 THEN 'is' ELSE 'are' END,
               CASE cardinality(w.names)
                   WHEN 1 THEN ''
                   WHEN 2 THEN ', and so is 1 more batch'
                   ELSE format(', and so are %s more batches', cardinality(w.names) - 1) END,
               w.incident_id, CASE WHEN w.is_open THEN 'open' ELSE 'over' END)
    FROM (
        SELECT u.rule, max(u.incident_id) AS incident_id, bool_or(u.is_open) AS is_open,
               array_agg(u.batch ORDER BY u.place DESC, u.batch) AS names, array_agg(b.rows ORDER BY u.place DESC, u.batch) AS rows
        FROM pgslo_catalog.unhealthy(unhealthy_said.definition_id, unhealthy_said.columns, clock_timestamp()) AS u
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = unhealthy_said.definition_id AND b.name = u.batch
        WHERE (u.columns_hit = '{}') = (unhealthy_said.columns = '{}')
          AND (unhealthy_said.batches IS NULL OR u.batch = ANY (unhealthy_said.batches))
        GROUP BY u.rule
    ) w
    ORDER BY w.rule
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unhealthy_said(bigint, text[], text[]) IS
    'Stored batches, of these or of all, that miss a rule about columns, or, for no column, about the table as a whole: one sentence a rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.column_readiness(
    target pgslo_catalog.definition, reads text[], batches integer, is_whole boolean, within interval
)
RETURNS TABLE (about text, definition text, column_name text, batch text, is_ready boolean, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest record;
    one text;
    found_any boolean;
    problem record;
    judged text[];
BEGIN
    SELECT array_agg(b.name ORDER BY b.place) AS names, min(b.place) AS first_place, count(*) AS number INTO newest
    FROM (
        SELECT b.name, b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = target.definition_id AND b.closed_at IS NOT NULL AND b.rows > 0
          AND b.place <= pgslo_catalog.last_place(target)
        ORDER BY b.place DESC LIMIT column_readiness.batches
    ) AS b;
    -- The newest, as many as the gate wants, however old they are, and others as far back as the task looks.
    judged := CASE
        WHEN NOT column_readiness.is_whole THEN coalesce(newest.names, '{}')
        WHEN column_readiness.within IS NOT NULL THEN newest.names || ARRAY(
            SELECT DISTINCT u.batch
            FROM pgslo_catalog.unhealthy(target.definition_id, column_readiness.reads, clock_timestamp(), column_readiness.within) AS u)
    END;
    RETURN QUERY
    SELECT 'table'::text, target.name, NULL::text, NULL::text, false, p.said
    FROM (
        SELECT format('%s; %s', q.message, q.detail) AS said FROM pgslo_catalog.problem(target.name, ARRAY['*'], column_readiness.within) AS q
        WHERE q.code <> '01SL1' OR q.rule <> ALL (ARRAY(
            SELECT u.rule FROM pgslo_catalog.unhealthy(target.definition_id, '{}', clock_timestamp()) AS u))
        UNION ALL
        SELECT format('no batch of %s has been judged yet', target.name) WHERE newest.number = 0
        UNION ALL
        SELECT format('%s judged batches are wanted, there are %s', column_readiness.batches, newest.number) WHERE newest.number BETWEEN 1 AND column_readiness.batches - 1
        UNION ALL
        (SELECT format('batch %s has rows that were not judged yet; SELECT * FROM pgslo.close_batch(%L);', n.name, target.name)
         FROM (
             SELECT f.batch AS name, f.place FROM pgslo_catalog.fragment f
             WHERE f.definition_id = target.definition_id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
             UNION ALL
             SELECT b.name, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id AND b.closed_at IS NULL AND b.rows > 0
         ) AS n
         -- Of a streamed table a batch is always under way.
         WHERE target.writes = 'bulk' ORDER BY n.place DESC LIMIT 1)
        UNION ALL
        (SELECT format('%s switched off since %s UTC by %s', CASE WHEN u.rule_name IS NULL THEN 'every rule is' ELSE format('rule "%s" is', u.rule_name) END, to_char(u.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), u.paused_by)
         FROM pgslo_catalog.pause u WHERE u.definition_id = target.definition_id AND u.resumed_at IS NULL ORDER BY u.pause_id)
    ) AS p;
    FOREACH one IN ARRAY column_readiness.reads LOOP
        found_any := false;
        FOR problem IN
            SELECT NULL::text AS name, format('%s; %s', q.message, q.detail) AS said FROM pgslo_catalog.problem(target.name, ARRAY[one], column_readiness.within) AS q
            WHERE q.code <> '01SL1' OR q.rule <> ALL (ARRAY(
                SELECT u.rule FROM pgslo_catalog.unhealthy(target.definition_id, ARRAY[one], clock_timestamp()) AS u WHERE u.columns_hit <> '{}'))
            UNION ALL
            SELECT NULL, format('%s has no such column any more', target.name)
            WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = one AND a.attnum > 0 AND NOT a.attisdropped)
            UNION ALL
            SELECT u.name, u.said FROM pgslo_catalog.unhealthy_said(target.definition_id, ARRAY[one], judged) AS u
        LOOP
            found_any := true;
            about := 'column';
            definition := target.name;
            column_name := one;
            batch := problem.name;
            is_ready := false;
            said := problem.said;
            RETURN NEXT;
        END LOOP;
        IF NOT found_any AND newest.number > 0 THEN
            about := 'column';
            definition := target.name;
            column_name := one;
            batch := newest.names[newest.number];
            is_ready := true;
            said := CASE newest.number WHEN 1 THEN format('healthy in batch %s', batch) ELSE format('healthy in batches %s to %s', newest.names[1], batch) END;
            RETURN NEXT;
        END IF;
    END LOOP;
    -- The table as a whole.
    RETURN QUERY
    SELECT 'table'::text, target.name, NULL::text, u.name, false, u.said
    FROM pgslo_catalog.unhealthy_said(target.definition_id, '{}', judged) AS u
    UNION ALL
    SELECT 'table', target.name, NULL, NULL, true,
           format('%s before the last %s %s stored and %s not count', CASE o.number WHEN 1 THEN '1 missed batch' ELSE pgslo_catalog.shown(o.number) || ' missed batches' END,
               pgslo_catalog.span_shown(column_readiness.within),
               CASE o.number WHEN 1 THEN 'is' ELSE 'are' END, CASE o.number WHEN 1 THEN 'does' ELSE 'do' END)
    FROM (
        SELECT count(DISTINCT u.batch) AS number
        FROM pgslo_catalog.unhealthy(target.definition_id, column_readiness.reads, clock_timestamp()) AS u
        WHERE u.batch <> ALL (judged)
    ) AS o
    WHERE column_readiness.is_whole AND o.number > 0;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.column_readiness(pgslo_catalog.definition, text[], integer, boolean, interval) IS
    'Whether each column, and the table, is healthy now: is_whole, in all stored batches within a time, else in the newest.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wanted_snapshot(wanted jsonb) RETURNS pgslo_catalog.snapshot
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT s.* FROM pgslo_catalog.snapshot s
    WHERE s.content_hash IS NOT NULL
      AND CASE WHEN wanted ->> 'snapshot' LIKE '%*' THEN starts_with(s.name, rtrim(wanted ->> 'snapshot', '*')) ELSE s.name = wanted ->> 'snapshot' END
    ORDER BY s.taken_at DESC, s.snapshot_id DESC LIMIT 1
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wanted_snapshot(jsonb) IS 'The newest snapshot that a gate means.';

CREATE OR REPLACE FUNCTION pgslo_catalog.snapshot_readiness(task text, what text, wanted jsonb)
RETURNS TABLE (about text, definition text, column_name text, batch text, is_ready boolean, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    taken pgslo_catalog.snapshot := pgslo_catalog.wanted_snapshot(snapshot_readiness.wanted);
    reads text[];
    within interval;
    age interval := clock_timestamp() - taken.taken_at;
    spoilt record;
BEGIN
    about := snapshot_readiness.what;
    is_ready := false;
    IF taken.snapshot_id IS NULL THEN
        said := format('no snapshot "%s" was taken', wanted ->> 'snapshot');
        RETURN NEXT;
        RETURN;
    END IF;
    definition := taken.definition;
    batch := taken.newest_batch;
    SELECT t.reads, t.within INTO reads, within FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = snapshot_readiness.task AND d.name = taken.definition;
    IF reads IS NULL THEN
        said := format('snapshot "%s" is of %s, which the task does not read', taken.name, taken.definition);
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT min(c.name) AS name, count(*) AS number INTO spoilt FROM unnest(reads) AS c (name) WHERE NOT taken.columns @> jsonb_build_array(jsonb_build_object('name', c.name));
    IF spoilt.number > 0 THEN
        column_name := spoilt.name;
        said := format('snapshot "%s" has no column "%s"', taken.name, spoilt.name);
        RETURN NEXT;
        column_name := NULL;
    END IF;
    IF age > (wanted ->> 'max_age')::interval THEN
        said := format('snapshot "%s" was taken %s UTC; it may be at most %s old', taken.name, to_char(taken.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), pgslo_catalog.span_shown((wanted ->> 'max_age')::interval));
        RETURN NEXT;
    END IF;
    SELECT count(DISTINCT b.batch) AS number, min(b.batch) AS first, min(u.incident_id) AS incident INTO spoilt
    FROM pgslo_catalog.snapshot_batch b
    JOIN pgslo_catalog.definition d ON d.name = taken.definition
    CROSS JOIN LATERAL pgslo_catalog.unhealthy(d.definition_id, reads, clock_timestamp(), within) AS u
    WHERE b.snapshot_id = taken.snapshot_id AND taken.batch_by IS NOT NULL AND u.batch = b.batch;
    IF spoilt.number > 0 THEN
        batch := spoilt.first;
        said := format('snapshot "%s" holds %s, first %s (incident %s)', taken.name, CASE spoilt.number WHEN 1 THEN '1 unhealthy batch' ELSE spoilt.number || ' unhealthy batches' END, spoilt.first, spoilt.incident);
        RETURN NEXT;
    ELSIF taken.batch_by IS NULL AND taken.incidents <> '[]' THEN
        said := format('snapshot "%s" was taken while incident %s was open', taken.name, taken.incidents #>> '{0,incident}');
        RETURN NEXT;
    END IF;
    IF said IS NULL THEN
        is_ready := true;
        said := format('snapshot "%s": %s rows%s, taken %s UTC', taken.name, pgslo_catalog.shown(taken.rows), coalesce(' up to batch ' || taken.newest_batch, ''), to_char(taken.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'));
        RETURN NEXT;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.snapshot_readiness(text, text, jsonb) IS 'Whether the snapshot that a gate wants is there, fresh and sound.';

CREATE OR REPLACE FUNCTION pgslo_catalog.need_task(task text, reader name) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known bigint[] := ARRAY(
        SELECT d.definition_id FROM pgslo_catalog.definition d WHERE pgslo_catalog.may_know(d.name, need_task.reader));
BEGIN
    IF EXISTS (SELECT FROM pgslo_catalog.task t WHERE t.name = need_task.task)
        AND NOT EXISTS (SELECT FROM pgslo_catalog.task t WHERE t.name = need_task.task AND t.definition_id <> ALL (known)) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'undefined_object',
        MESSAGE = format('no definition has a task "%s"', need_task.task),
        HINT = coalesce(
            'Known are ' || (SELECT string_agg(DISTINCT t.name, ', ') FROM pgslo_catalog.task t WHERE t.definition_id = ANY (known)) || '.',
            'Write it under "tasks" in a definition, or ask for the right to read the tables that it reads.');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.need_task(text, name) IS 'Raise an error unless a role may know of every table that a task reads.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tables_ready(task text, is_whole boolean DEFAULT true)
RETURNS TABLE (about text, definition text, column_name text, batch text, is_ready boolean, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint;
    one record;
BEGIN
    FOREACH id IN ARRAY ARRAY(
        SELECT t.definition_id
        FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE t.name = tables_ready.task ORDER BY d.name)
    LOOP
        SELECT t.reads, t.within, coalesce((t.gate ->> 'batches')::integer, 1) AS batches, d,
               -- One that is trained on a snapshot reads the batches of that, and a view of healthy batches leaves the others out.
               tables_ready.is_whole AND t.batches = 'all' AND NOT coalesce(t.gate ? 'training', false) AS is_whole
        INTO one
        FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE t.name = tables_ready.task AND t.definition_id = id;
        RETURN QUERY SELECT r.* FROM pgslo_catalog.column_readiness(one.d, one.reads, one.batches, one.is_whole, one.within) AS r;
    END LOOP;
    IF NOT FOUND THEN
        PERFORM pgslo_catalog.need_task(tables_ready.task, pgslo_catalog.caller());
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tables_ready(text, boolean) IS 'Whether all that a task reads is healthy, in every table it reads.';

CREATE OR REPLACE FUNCTION pgslo.readiness(task text)
RETURNS TABLE (about text, definition text, column_name text, batch text, is_ready boolean, said text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    gate jsonb;
    training pgslo_catalog.snapshot;
    evaluation pgslo_catalog.snapshot;
BEGIN
    PERFORM pgslo_catalog.need_task(readiness.task, pgslo_catalog.caller());
    RETURN QUERY SELECT r.* FROM pgslo_catalog.tables_ready(readiness.task) AS r;
    FOR gate IN SELECT t.gate FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = readiness.task AND t.gate IS NOT NULL ORDER BY d.name LOOP
        IF gate ? 'training' THEN
            RETURN QUERY SELECT r.* FROM pgslo_catalog.snapshot_readiness(readiness.task, 'training', gate -> 'training') AS r;
            training := pgslo_catalog.wanted_snapshot(gate -> 'training');
        END IF;
        IF gate ? 'evaluation' THEN
            RETURN QUERY SELECT r.* FROM pgslo_catalog.snapshot_readiness(readiness.task, 'evaluation', gate -> 'evaluation') AS r;
            evaluation := pgslo_catalog.wanted_snapshot(gate -> 'evaluation');
        END IF;
        -- What it was trained on must not be newer than what it is tried on: by their newest batches, where both say them.
        about := 'evaluation';
        definition := evaluation.definition;
        column_name := NULL;
        batch := evaluation.newest_batch;
        is_ready := false;
        IF gate ? 'training' AND gate ? 'evaluation' THEN
            IF training.definition = evaluation.definition AND training.newest_place IS NOT NULL AND evaluation.newest_place IS NOT NULL THEN
                IF evaluation.newest_place < training.newest_place THEN
                    said := format('evaluation set "%s" ends with batch %s, before training set "%s" with %s', evaluation.name, evaluation.newest_batch, training.name, training.newest_batch);
                    RETURN NEXT;
                END IF;
            ELSIF evaluation.taken_at < training.taken_at THEN
                said := format('evaluation set "%s" was taken before training set "%s"', evaluation.name, training.name);
                RETURN NEXT;
            END IF;
        END IF;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.readiness(text) IS 'What a task needs before it is trained, point by point, and whether it is so: columns, tables, snapshots.';

CREATE OR REPLACE FUNCTION pgslo.ready(task text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT bool_and(r.is_ready) FROM pgslo.readiness(ready.task) AS r $pgslo$;
COMMENT ON FUNCTION pgslo.ready(text) IS 'Whether a task may be trained now; pgslo.readiness() gives the reasons.';

-- The runs of pgslo watch --on healthy-batch.

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
            SELECT FROM pg_class v JOIN pg_namespace o ON o.nspname = 'pgslo_catalog' AND o.nspowner = v.relowner
            WHERE v.relkind = 'v' AND substring(left(obj_description(v.oid, 'pg_class'), 4000) FROM E'(?:^|\n)pgslo [0-9a-f]{16} (.+)$') = d.name
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
    IF NOT pgslo_catalog.may_run(check_may_run.task, pgslo_catalog.caller()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for task "%s"', check_may_run.task),
            DETAIL = format('Role %s may not read what the task reads.', pgslo_catalog.caller()),
            HINT = 'Grant it SELECT on the guarded view or on the view of the task.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_may_run(text) IS 'An error if the caller may not read what a task reads.';

CREATE OR REPLACE FUNCTION pgslo.watch_task(task text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_may_run(watch_task.task);
    RETURN pgslo_catalog.hold_for_session('task ' || watch_task.task);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.watch_task(text) IS 'Be the one session that runs a task for its batches, until it ends: NULL, or the session that is, in words.';

CREATE OR REPLACE FUNCTION pgslo.follow_task(task text) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
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
COMMENT ON FUNCTION pgslo.follow_task(text) IS 'Begins to follow a task''s healthy batches; those that are there already are skipped. Says since when.';

CREATE OR REPLACE FUNCTION pgslo.begin_run(task text, host text, process_id bigint, OUT task_run_id bigint, OUT batch text, OUT attempt integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
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
        state = 'running', attempts = r.attempts + 1, host = excluded.host, process_id = excluded.process_id, started_at = excluded.started_at, seen_at = excluded.seen_at,
        started_by = excluded.started_by, ended_at = NULL, next_attempt_at = NULL, exit_code = NULL, output = NULL
    RETURNING r.task_run_id, r.attempts INTO task_run_id, attempt;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_run(text, text, bigint) IS 'The next healthy batch that a task was not run for, written down as running; NULL when there is none, one runs, or something the task reads is unhealthy now.';

CREATE OR REPLACE FUNCTION pgslo.see_run(task_run_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    UPDATE pgslo_catalog.task_run r SET seen_at = clock_timestamp()
    WHERE r.task_run_id = see_run.task_run_id AND r.state = 'running' AND r.started_by = pgslo_catalog.caller()
$pgslo$;
COMMENT ON FUNCTION pgslo.see_run(bigint) IS 'Says that a run is still under way.';

CREATE OR REPLACE FUNCTION pgslo.end_run(task_run_id bigint, exit_code integer, output text, retries integer, wait interval) RETURNS text
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    UPDATE pgslo_catalog.task_run r
    SET state = CASE WHEN end_run.exit_code = 0 THEN 'done' WHEN r.attempts > end_run.retries THEN 'failed' ELSE 'waiting' END,
        exit_code = end_run.exit_code, output = right(end_run.output, 4000), ended_at = clock_timestamp(),
        next_attempt_at = CASE WHEN end_run.exit_code IS DISTINCT FROM 0 AND r.attempts <= end_run.retries THEN clock_timestamp() + end_run.wait * 5 ^ least(r.attempts - 1, 6) END
    WHERE r.task_run_id = end_run.task_run_id AND r.state = 'running'
      -- The role that began it; once nothing was heard of it for long, whoever may run the task gives it up.
      AND (r.started_by = pgslo_catalog.caller() OR pgslo_catalog.is_owner(pgslo_catalog.caller())
           OR end_run.exit_code IS NULL AND r.seen_at < clock_timestamp() - interval '5 minutes' AND pgslo_catalog.may_run(r.task, pgslo_catalog.caller()))
    RETURNING r.state
$pgslo$;
COMMENT ON FUNCTION pgslo.end_run(bigint, integer, text, integer, interval) IS 'Writes down how a run ended, and when it is tried again; each wait is five times the one before.';

CREATE OR REPLACE VIEW pgslo.task_run WITH (security_barrier) AS
SELECT r.task_run_id, r.task, r.batch, r.state, r.attempts, r.exit_code, r.started_at, r.seen_at, r.ended_at, r.next_attempt_at, r.host, r.process_id, r.started_by
FROM pgslo_catalog.task_run r
WHERE r.started_by = current_user OR r.task IN (SELECT t.name FROM pgslo_catalog.task t JOIN pgslo_catalog.known_definition d USING (definition_id));
COMMENT ON VIEW pgslo.task_run IS 'What was run for which healthy batch, and what became of it.';
