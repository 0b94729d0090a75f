-- Whether a task may be trained now, and why not.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.column_readiness(
    target pgslo_catalog.definition, reads text[], batches integer, is_whole boolean, within interval, passes_suspects boolean DEFAULT false
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
    suspects bigint[] := CASE WHEN column_readiness.passes_suspects THEN ARRAY(
        SELECT i.incident_id FROM pgslo_catalog.incident i
        WHERE i.definition_id = target.definition_id AND i.resolved_at IS NULL AND i.is_suspect) ELSE '{}' END;
BEGIN
    SELECT array_agg(b.name ORDER BY b.place) AS names, min(b.place) AS first_place, count(*) AS number INTO newest
    FROM (
        SELECT b.name, b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = target.definition_id AND b.closed_at IS NOT NULL AND b.rows > 0
          AND b.place <= pgslo_catalog.last_place(target)
        ORDER BY b.place DESC LIMIT column_readiness.batches
    ) AS b;
    -- The newest, as many as the gate needs, however old they are, and others as far back as the task reads.
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
        WHERE coalesce(q.incident_id <> ALL (suspects), true) AND (q.code <> '01SL1' OR q.rule <> ALL (ARRAY(
            SELECT u.rule FROM pgslo_catalog.unhealthy(target.definition_id, '{}', clock_timestamp()) AS u)))
        UNION ALL
        SELECT format('no batch of %s has been judged yet', target.name) WHERE newest.number = 0
        UNION ALL
        SELECT format('%s judged batches are wanted, there are %s', column_readiness.batches, newest.number)
        WHERE newest.number BETWEEN 1 AND column_readiness.batches - 1
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
        (SELECT format('%s switched off since %s UTC by %s', CASE WHEN u.rule_name IS NULL THEN 'every rule is' ELSE format('rule "%s" is', u.rule_name) END,
                       to_char(u.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), u.paused_by)
         FROM pgslo_catalog.pause u WHERE u.definition_id = target.definition_id AND u.resumed_at IS NULL ORDER BY u.pause_id)
    ) AS p;
    FOREACH one IN ARRAY column_readiness.reads LOOP
        found_any := false;
        FOR problem IN
            SELECT NULL::text AS name, format('%s; %s', q.message, q.detail) AS said
            FROM pgslo_catalog.problem(target.name, ARRAY[one], column_readiness.within) AS q
            WHERE coalesce(q.incident_id <> ALL (suspects), true) AND (q.code <> '01SL1' OR q.rule <> ALL (ARRAY(
                SELECT u.rule FROM pgslo_catalog.unhealthy(target.definition_id, ARRAY[one], clock_timestamp()) AS u WHERE u.columns_hit <> '{}')))
            UNION ALL
            SELECT NULL, format('%s has no such column any more', target.name)
            WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = one AND a.attnum > 0 AND NOT a.attisdropped)
            UNION ALL
            SELECT u.name, u.said FROM pgslo_catalog.unhealthy_said(target.definition_id, ARRAY[one], judged, column_readiness.passes_suspects) AS u
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
    FROM pgslo_catalog.unhealthy_said(target.definition_id, '{}', judged, column_readiness.passes_suspects) AS u
    UNION ALL
    SELECT 'table', target.name, NULL, NULL, true,
           format('%s before the last %s %s stored and %s not count',
                  CASE o.number WHEN 1 THEN '1 missed batch' ELSE pgslo_catalog.shown(o.number) || ' missed batches' END,
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
COMMENT ON FUNCTION pgslo_catalog.column_readiness(pgslo_catalog.definition, text[], integer, boolean, interval, boolean) IS
    'Whether each column, and the table, is healthy now: is_whole, in all stored batches within a time, else in the newest.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wanted_snapshot(task text, wanted jsonb) RETURNS pgslo_catalog.snapshot
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.snapshot;
BEGIN
    SELECT s.* INTO found FROM pgslo_catalog.snapshot s
    WHERE s.content_hash IS NOT NULL
      -- Any trainer may take one of this name, of any view: it must neither stop the gate of others nor reveal a table that they may not see.
      AND s.definition IN (SELECT d.name FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = wanted_snapshot.task)
      AND CASE WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.taken_by) THEN pgslo_catalog.may_run(wanted_snapshot.task, s.taken_by) ELSE true END
      AND CASE WHEN wanted ->> 'snapshot' LIKE '%*' THEN starts_with(s.name, rtrim(wanted ->> 'snapshot', '*')) ELSE s.name = wanted ->> 'snapshot' END
    ORDER BY s.taken_at DESC, s.snapshot_id DESC LIMIT 1;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wanted_snapshot(text, jsonb) IS
    'Return the newest snapshot that a gate means: of a table that its task reads, by a role that may run the task.';

CREATE OR REPLACE FUNCTION pgslo_catalog.snapshot_readiness(task text, what text, wanted jsonb)
RETURNS TABLE (about text, definition text, column_name text, batch text, is_ready boolean, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    taken pgslo_catalog.snapshot := pgslo_catalog.wanted_snapshot(snapshot_readiness.task, snapshot_readiness.wanted);
    reads text[];
    within interval;
    passes_suspects boolean;
    age interval := clock_timestamp() - taken.taken_at;
    spoilt record;
BEGIN
    about := snapshot_readiness.what;
    is_ready := false;
    IF taken.snapshot_id IS NULL THEN
        said := format('no snapshot "%s" was taken', wanted ->> 'snapshot');
        IF EXISTS (SELECT FROM pgslo_catalog.snapshot s
                   WHERE s.name = wanted ->> 'snapshot' AND s.content_hash IS NOT NULL AND pgslo_catalog.may_see(s, pgslo_catalog.caller())) THEN
            said := format('snapshot "%s" is not of a table that the task reads, or its taker may not run the task', wanted ->> 'snapshot');
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    definition := taken.definition;
    batch := taken.newest_batch;
    SELECT t.reads, t.within, coalesce(t.gate ->> 'suspects' = 'pass', false) INTO reads, within, passes_suspects
    FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = snapshot_readiness.task AND d.name = taken.definition;
    SELECT min(c.name) AS name, count(*) AS number INTO spoilt FROM unnest(reads) AS c (name)
    WHERE NOT taken.columns @> jsonb_build_array(jsonb_build_object('name', c.name));
    IF spoilt.number > 0 THEN
        column_name := spoilt.name;
        said := format('snapshot "%s" has no column "%s"', taken.name, spoilt.name);
        RETURN NEXT;
        column_name := NULL;
    END IF;
    IF age > (wanted ->> 'max_age')::interval THEN
        said := format('snapshot "%s" was taken %s UTC; it may be at most %s old', taken.name, to_char(taken.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                       pgslo_catalog.span_shown((wanted ->> 'max_age')::interval));
        RETURN NEXT;
    END IF;
    IF taken.is_checked IS NOT TRUE AND taken.taken_by <> pgslo_catalog.caller() THEN
        said := format('rows of snapshot "%s" are those that %s gave: pgslo could not compare them with the view', taken.name, taken.taken_by);
        RETURN NEXT;
    END IF;
    IF taken.rows = 0 THEN
        said := format('snapshot "%s" has no rows', taken.name);
        RETURN NEXT;
    END IF;
    SELECT count(DISTINCT b.batch) AS number, min(b.batch) AS first, min(u.incident_id) AS incident INTO spoilt
    FROM pgslo_catalog.snapshot_batch b
    JOIN pgslo_catalog.definition d ON d.name = taken.definition
    CROSS JOIN LATERAL pgslo_catalog.unhealthy(d.definition_id, reads, clock_timestamp(), within) AS u
    WHERE b.snapshot_id = taken.snapshot_id AND taken.batch_by IS NOT NULL AND (u.batch = b.batch OR u.is_of_former_key)
      AND NOT (passes_suspects AND EXISTS (SELECT FROM pgslo_catalog.incident i WHERE i.incident_id = u.incident_id AND i.is_suspect));
    IF spoilt.number > 0 THEN
        batch := spoilt.first;
        said := format('snapshot "%s" holds %s, first %s (incident %s)', taken.name,
                       CASE spoilt.number WHEN 1 THEN '1 unhealthy batch' ELSE spoilt.number || ' unhealthy batches' END, spoilt.first, spoilt.incident);
        RETURN NEXT;
    ELSIF taken.batch_by IS NULL AND taken.incidents <> '[]' THEN
        said := format('snapshot "%s" was taken while incident %s was open', taken.name, taken.incidents #>> '{0,incident}');
        RETURN NEXT;
    END IF;
    IF said IS NULL THEN
        is_ready := true;
        said := format('snapshot "%s": %s%s%s, taken %s UTC%s', taken.name, pgslo_catalog.rows_shown(taken.rows),
            coalesce(' up to batch ' || taken.newest_batch, ''), CASE WHEN taken.condition IS NOT NULL THEN ' with a condition' ELSE '' END,
            to_char(taken.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            CASE WHEN taken.taken_by <> pgslo_catalog.caller() THEN ' by ' || taken.taken_by ELSE '' END);
        RETURN NEXT;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.snapshot_readiness(text, text, jsonb) IS 'Return whether the snapshot that a gate requires exists, is fresh and unchanged.';

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
        SELECT t.reads, t.within, coalesce((t.gate ->> 'batches')::integer, 1) AS batches,
               coalesce(t.gate ->> 'suspects' = 'pass', false) AS passes_suspects, d,
               -- One that is trained on a snapshot reads the batches of that, and a view of healthy batches leaves the others out.
               tables_ready.is_whole AND t.batches = 'all' AND NOT coalesce(t.gate ? 'training', false) AS is_whole
        INTO one
        FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE t.name = tables_ready.task AND t.definition_id = id;
        RETURN QUERY SELECT r.* FROM pgslo_catalog.column_readiness(one.d, one.reads, one.batches, one.is_whole, one.within, one.passes_suspects) AS r;
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
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    gate jsonb;
    training pgslo_catalog.snapshot;
    evaluation pgslo_catalog.snapshot;
BEGIN
    PERFORM pgslo_catalog.need_task(readiness.task, pgslo_catalog.caller());
    RETURN QUERY SELECT r.* FROM pgslo_catalog.tables_ready(readiness.task) AS r;
    FOR gate IN SELECT t.gate FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE t.name = readiness.task AND t.gate IS NOT NULL ORDER BY d.name LOOP
        IF gate ? 'training' THEN
            RETURN QUERY SELECT r.* FROM pgslo_catalog.snapshot_readiness(readiness.task, 'training', gate -> 'training') AS r;
            training := pgslo_catalog.wanted_snapshot(readiness.task, gate -> 'training');
        END IF;
        IF gate ? 'evaluation' THEN
            RETURN QUERY SELECT r.* FROM pgslo_catalog.snapshot_readiness(readiness.task, 'evaluation', gate -> 'evaluation') AS r;
            evaluation := pgslo_catalog.wanted_snapshot(readiness.task, gate -> 'evaluation');
        END IF;
        -- The training data must not be newer than the evaluation data: by their newest batches, where both are known.
        about := 'evaluation';
        definition := evaluation.definition;
        column_name := NULL;
        batch := evaluation.newest_batch;
        is_ready := false;
        IF gate ? 'training' AND gate ? 'evaluation' THEN
            IF training.definition = evaluation.definition AND training.newest_place IS NOT NULL AND evaluation.newest_place IS NOT NULL THEN
                IF evaluation.newest_place < training.newest_place THEN
                    said := format('evaluation set "%s" ends with batch %s, before training set "%s" with %s', evaluation.name, evaluation.newest_batch,
                                   training.name, training.newest_batch);
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
COMMENT ON FUNCTION pgslo.readiness(text) IS 'Return the conditions for training a task, one by one, and whether they are met: columns, tables, snapshots.';

CREATE OR REPLACE FUNCTION pgslo.ready(task text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT bool_and(r.is_ready) FROM pgslo.readiness(ready.task) AS r $pgslo$;
COMMENT ON FUNCTION pgslo.ready(text) IS 'Whether a task may be trained now; pgslo.readiness() gives the reasons.';
