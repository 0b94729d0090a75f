-- Missed batches that are stored: their incidents, and their end.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.end_missed(definition pgslo_catalog.definition, OUT due bigint[], OUT is_behind boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (end_missed.definition).definition_id;
    known text := (end_missed.definition).name;
    part bigint[];
    changed bigint[];
    are_left boolean;
    claimed bigint[] := '{}';
    claims text[] := '{}';
    unasked bigint[] := '{}';
    missed pgslo_catalog.missed_batch;
    one integer;
    asked record;
    is_ending boolean := false;
    until timestamptz;
BEGIN
    due := '{}';
    is_behind := false;
    -- Usually none exists.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.definition = known AND m.ended_at IS NULL) THEN
        RETURN;
    END IF;
    SELECT d.due, d.changed, d.are_left INTO due, changed, are_left FROM pgslo_catalog.due_missed(end_missed.definition) AS d;
    -- Of two that writers recorded at once, the first stays. Rows that another transaction has are left to the next time.
    DELETE FROM pgslo_catalog.missed_batch m
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.missed_id = ANY (due) AND u.ended_at IS NULL AND EXISTS (
            SELECT FROM pgslo_catalog.missed_batch k
            WHERE k.rule_id = u.rule_id AND k.batch = u.batch AND k.ended_at IS NULL AND k.missed_id < u.missed_id)
        FOR UPDATE SKIP LOCKED);
    -- In parts: PostgreSQL takes an array to be short, and would compare all with all.
    FOR n IN 0..(cardinality(due) - 1) / 200 LOOP
        part := due[n * 200 + 1:n * 200 + 200];
        WITH looked AS MATERIALIZED (
            SELECT m.missed_id, CASE
                WHEN r.retired_at IS NOT NULL THEN 'retired'
                -- Recorded by a writer that did not see yet that a role had called it one.
                WHEN EXISTS (
                    SELECT FROM pgslo_catalog.missed_batch k
                    WHERE k.rule_id = m.rule_id AND k.batch = m.batch AND k.ended_as = 'false_alarm' AND k.ended_at >= m.missed_at) THEN 'false_alarm'
                WHEN m.is_of_former_key THEN CASE
                    -- Once all rows were evaluated in the batches that they have now.
                    WHEN (end_missed.definition).recount IS NOT NULL AND (r.scope <> 'row' OR (end_missed.definition).judge IS NOT NULL)
                        AND NOT EXISTS (SELECT FROM pgslo_catalog.definition d WHERE d.definition_id = id AND d.is_rekeyed)
                        AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.rule_id = m.rule_id AND b.batch IS NOT NULL)
                        AND NOT EXISTS (SELECT FROM pgslo_catalog.pair_fragment p WHERE p.definition_id = id)
                    THEN 'emptied' END
                WHEN s.is_emptied AND NOT pgslo_catalog.misses_rows(r.measure) THEN 'emptied'
                -- Rows of an unknown batch may be others than those that fail.
                WHEN s.rows <= 0 AND NOT pgslo_catalog.misses_rows(r.measure) AND (m.batch <> 'unknown' OR s.failed <= 0) THEN 'removed'
                -- Rows that were not evaluated may still be bad.
                WHEN EXISTS (
                    SELECT FROM pgslo_catalog.rule_break b
                    WHERE b.rule_id = m.rule_id AND b.batch IN (m.batch, 'unknown')) THEN NULL
                WHEN r.scope = 'row' AND NOT pgslo_catalog.is_missed(r, s.rows, s.failed) THEN 'corrected'
                WHEN r.scope = 'batch' AND EXISTS (
                    SELECT FROM pgslo_catalog.verdict v
                    WHERE v.rule_id = m.rule_id AND v.batch = m.batch AND v.verdict = 'met') THEN 'met'
            END AS claim
            FROM pgslo_catalog.missed_batch m
            JOIN pgslo_catalog.rule r USING (rule_id)
            CROSS JOIN LATERAL (
                -- A row trigger sees rows that fail alone: how many a batch of a streamed table has, tick() counts.
                SELECT CASE WHEN (end_missed.definition).writes = 'bulk' THEN coalesce(sum(f.rows), max(t.rows), 0) ELSE max(t.rows) END::bigint AS rows,
                       coalesce(sum((f.failures ->> r.name)::bigint), 0)::bigint AS failed,
                       -- By TRUNCATE, or it was counted: nothing was recorded of it since.
                       coalesce((end_missed.definition).writes = 'bulk' AND max(t.rows) = 0
                           AND coalesce(bool_and(f.operation = 'recounted' AND f.rows = 0 AND f.failures IS NULL), true), false) AS is_emptied
                FROM (SELECT) AS one
                LEFT JOIN pgslo_catalog.batch t ON t.definition_id = id AND t.name = m.batch
                LEFT JOIN pgslo_catalog.fragment f ON f.definition_id = id AND f.batch = m.batch
            ) s
            WHERE m.missed_id = ANY (part) AND m.ended_at IS NULL
        ), told AS MATERIALIZED (
            SELECT k.missed_id, CASE
                WHEN k.claim = 'met' THEN 'corrected'
                WHEN k.claim = 'emptied' THEN 'removed'
                WHEN k.claim IN ('retired', 'false_alarm') THEN k.claim END AS ended_as
            FROM looked k
        ), ended AS (
            UPDATE pgslo_catalog.missed_batch m
            SET ended_at = CASE WHEN l.ended_as IS NOT NULL THEN clock_timestamp() END, ended_as = l.ended_as,
                seen_snapshot = CASE WHEN l.ended_as = 'removed' THEN pg_current_snapshot() END,
                -- Without its incident it is due again.
                looked_at = CASE WHEN m.incident_id IS NOT NULL OR l.ended_as IS NOT NULL THEN clock_timestamp() END
            FROM told l
            WHERE m.missed_id = l.missed_id AND m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u JOIN told w USING (missed_id)
                WHERE u.ended_at IS NULL AND (w.ended_as IS NOT NULL OR (u.looked_at IS NULL) = (u.incident_id IS NOT NULL))
                FOR UPDATE OF u SKIP LOCKED)
        )
        SELECT claimed || coalesce(array_agg(k.missed_id ORDER BY k.missed_id), '{}'),
               claims || coalesce(array_agg(k.claim ORDER BY k.missed_id), '{}')
        INTO claimed, claims
        FROM looked k WHERE k.claim IN ('removed', 'corrected');
    END LOOP;
    -- Sums are of recorded rows: rows from before pgslo are not in them, and rows that fail now may have passed.
    -- In any order: one that cannot be evaluated must not delay others for ever.
    until := clock_timestamp() + interval '1 second';  -- However long the look at sums took: some are asked about.
    FOREACH one IN ARRAY ARRAY(SELECT g.n FROM generate_series(1, cardinality(claimed)) AS g (n) ORDER BY random()) LOOP
        IF until IS NULL THEN
            unasked := unasked || claimed[one];
            CONTINUE;
        ELSIF clock_timestamp() > until THEN
            -- Only if another call goes further.
            is_behind := is_ending;
            until := NULL;
            unasked := unasked || claimed[one];
            CONTINUE;
        END IF;
        SELECT m.* INTO missed FROM pgslo_catalog.missed_batch m WHERE m.missed_id = claimed[one];
        BEGIN
            SELECT a.* INTO asked FROM pgslo_catalog.ask_table(end_missed.definition, missed, claims[one]) AS a;
            UPDATE pgslo_catalog.missed_batch m
            SET ended_at = clock_timestamp(), ended_as = asked.ended_as, seen_snapshot = asked.seen
            WHERE asked.ended_as IS NOT NULL AND m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u
                WHERE u.missed_id = missed.missed_id AND u.ended_at IS NULL
                FOR UPDATE SKIP LOCKED);
            is_ending := is_ending OR FOUND;
        EXCEPTION WHEN OTHERS THEN
            -- It stays missed, and the next tick() asks again.
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            unasked := unasked || claimed[one];
            IF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.say_left(known, SQLSTATE, SQLERRM);
                until := NULL;
            ELSE
                PERFORM pgslo_catalog.record_break(known, r.name, SQLSTATE, SQLERRM)
                FROM pgslo_catalog.rule r WHERE r.rule_id = missed.rule_id;
            END IF;
        END;
    END LOOP;
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.missed_id = ANY (unasked) AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED);
    -- Only if another call goes further.
    is_behind := is_behind OR are_left AND cardinality(changed) > (
        SELECT count(*) FROM pgslo_catalog.missed_batch m
        WHERE m.missed_id = ANY (changed) AND m.ended_at IS NULL AND m.looked_at IS NULL);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.end_missed(pgslo_catalog.definition) IS
    'End missed batches of a definition whose rows were corrected or removed, by what the table says, or whose rule '
    'is retired, and return which were looked at. is_behind: some are done, and others are left to the next call.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_missed(definition pgslo_catalog.definition) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_missed.definition).definition_id;
    settled record;
    due bigint[];
    is_behind boolean;
BEGIN
    PERFORM pgslo_catalog.join_missed(id);
    SELECT e.due, e.is_behind INTO due, is_behind FROM pgslo_catalog.end_missed(follow_missed.definition) AS e;
    FOR settled IN
        SELECT i.* FROM pgslo_catalog.incident i
        WHERE i.definition_id = id AND i.resolved_at IS NULL
          AND (i.over_at IS NOT NULL OR EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = i.incident_id))
          AND NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = i.incident_id AND m.ended_at IS NULL)
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.missed_batch m
              WHERE m.definition = (follow_missed.definition).name AND m.ended_at IS NULL AND m.looked_at IS NULL
                AND m.rule_id = i.rule_id AND m.incident_id IS NULL)
        ORDER BY i.incident_id
    LOOP
        PERFORM pgslo_catalog.end_incident(settled.incident_id, 'met', settled.opened_batch, settled.opened_place, NULL);
    END LOOP;
    -- Batches of it are bad again.
    UPDATE pgslo_catalog.incident i
    SET resolved_at = NULL, resolution = CASE WHEN i.resolution = 'real' THEN 'real' END
    WHERE i.incident_id IN (
        SELECT u.incident_id FROM pgslo_catalog.incident u
        WHERE u.definition_id = id AND u.resolved_at IS NOT NULL AND u.incident_id IN (
            SELECT m.incident_id FROM pgslo_catalog.missed_batch m WHERE m.missed_id = ANY (due) AND m.ended_at IS NULL)
        FOR NO KEY UPDATE SKIP LOCKED);
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_missed(pgslo_catalog.definition) IS
    'End missed batches of a definition that are good or deleted, resolve incidents without any, and return whether more are due.';
