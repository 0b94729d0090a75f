-- Which batches are due, and closing them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_loads(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_loads.definition).definition_id;
    emptied bigint := (SELECT max(f.fragment_id) FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'truncate');
    one jsonb;
    due record;
    merged pgslo_catalog.fragment;
    judged integer := 0;
    last_place numeric := pgslo_catalog.last_place(follow_loads.definition);
    until timestamptz;
    merging_until timestamptz;
    -- A few are closed in order, within a time limit: the history of one is used for the next.
    patient_until timestamptz := clock_timestamp() + interval '20 seconds';
    are_few boolean;
    half timestamptz;
    closed integer := 0;
    newest bigint;
    is_behind boolean := false;
BEGIN
    IF emptied IS NOT NULL THEN
        UPDATE pgslo_catalog.applied a
        SET rows_emptied = a.rows_emptied + (
            SELECT coalesce(sum(CASE f.operation WHEN 'truncate' THEN coalesce(f.rows_emptied, 0) ELSE f.rows END), 0)
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = id AND f.fragment_id <= emptied AND f.written_at >= a.applied_at
              AND f.operation <> 'recount' AND (f.rows > 0 OR f.operation = 'truncate' OR (follow_loads.definition).batch_is_of_row))
        WHERE a.definition_id = id;
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.fragment_id <= emptied;
        UPDATE pgslo_catalog.batch b SET rows = 0, present = '{}', tallies = '{}', failures = '{}' WHERE b.definition_id = id;
    END IF;
    IF (follow_loads.definition).recount IS NOT NULL THEN
        judged := judged + pgslo_catalog.recount_unknown(follow_loads.definition);
    END IF;
    -- After that, which has a limit of its own: however long it takes, something is added up. Half of the time is left to close batches.
    until := pgslo_catalog.follow_until(follow_loads.at_once);
    merging_until := CASE WHEN until < 'infinity' THEN until - (until - clock_timestamp()) / 2 ELSE until END;
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object('batch', u.batch, 'was_closed', coalesce(b.closed_at IS NOT NULL, false),
                                  'are_many', count(*) OVER () >= 4 * follow_loads.at_most::bigint,
                                  'are_few', count(*) OVER () <= follow_loads.at_most)
        FROM (
            SELECT f.batch, min(f.place) AS place
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
            GROUP BY f.batch
            -- Where more are due than are evaluated at a time, the newest come first, and the others have the next times: a flood of
-- batches, or a stop of hours, must not hide current writes. Batches in the future come last.
        ) u
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = id AND b.name = u.batch
        -- The oldest first, as far as all of them have a turn: each is compared with those before it.
        ORDER BY CASE WHEN count(*) OVER () > follow_loads.at_most THEN -u.place ELSE u.place END)
    LOOP
        SELECT d.* INTO due FROM jsonb_to_record(one) AS d (batch text, was_closed boolean, are_many boolean, are_few boolean);
        IF due.are_few THEN
            merging_until := greatest(merging_until, patient_until);
        END IF;
        is_behind := due.are_many OR clock_timestamp() > merging_until;
        -- One at least, whatever the time is.
        EXIT WHEN judged >= follow_loads.at_most OR clock_timestamp() > merging_until AND merged.batch IS NOT NULL;
        merged := pgslo_catalog.merge_batch(id, due.batch);
        -- Rows that came late or went: it is judged again.
        IF due.was_closed THEN
            PERFORM pgslo_catalog.judge_closed(follow_loads.definition, due.batch, merged.sample_columns, merged.sample, merged.level);
            judged := judged + 1;
        END IF;
    END LOOP;
    are_few := follow_loads.at_most >= (
        SELECT count(*) FROM (
            SELECT FROM pgslo_catalog.due_batches(follow_loads.definition, follow_loads.at_once) LIMIT follow_loads.at_most::bigint + 1) AS d);
    IF are_few THEN
        until := greatest(until, patient_until);
    END IF;
    -- In their order, because each is compared with those before it. Of many, at half of the time it goes on with as many of the newest.
    half := CASE WHEN until < 'infinity' THEN until - (until - clock_timestamp()) / 2 ELSE until END;
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object('name', w.name, 'back', row_number() OVER (ORDER BY w.place > last_place, w.place DESC))
        FROM (
            SELECT d.name, d.place
            FROM pgslo_catalog.due_batches(follow_loads.definition, follow_loads.at_once) AS d
            ORDER BY d.place > last_place, d.place DESC LIMIT greatest(follow_loads.at_most - judged, 0)
        ) w
        ORDER BY w.place)
    LOOP
        SELECT d.* INTO due FROM jsonb_to_record(one) AS d (name text, back bigint);
        IF newest IS NULL AND NOT are_few AND clock_timestamp() > half THEN
            newest := greatest(closed, 1);
        END IF;
        -- The newest of all has its turn, whatever the time is.
        IF due.back > newest OR due.back > 1 AND clock_timestamp() > until THEN
            is_behind := true;
            CONTINUE;
        END IF;
        SELECT f.* INTO merged FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.batch = due.name AND f.operation IN ('merged', 'recounted');
        PERFORM pgslo_catalog.judge_closed(follow_loads.definition, due.name, merged.sample_columns, merged.sample, merged.level);
        judged := judged + 1;
        closed := closed + 1;
    END LOOP;
    IF follow_loads.at_once IS NULL THEN
        -- Asked only where the time or the number was used up.
        is_behind := (is_behind OR judged >= follow_loads.at_most) AND (
            EXISTS (SELECT FROM pgslo_catalog.due_batches(follow_loads.definition, NULL))
            OR EXISTS (
                SELECT FROM pgslo_catalog.fragment f
                WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')));
    END IF;
    -- A sample is used until the batch is too old to be corrected.
    IF judged > 0 THEN
        UPDATE pgslo_catalog.fragment f SET sample = NULL
        WHERE f.definition_id = id AND f.operation = 'merged' AND f.sample IS NOT NULL
          -- By key, whatever is known of the tables: a join may read all batches for each fragment.
          AND (SELECT c.closed_at IS NOT NULL FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = f.batch)
          AND f.place < (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id ORDER BY b.place DESC OFFSET 14 LIMIT 1);
    END IF;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_loads(pgslo_catalog.definition, text, integer) IS
    'Sum the writes to a loaded table, and close and evaluate due batches, for about a second; a batch that is '
    'named, or all for *, at once. Return whether more is due.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_stream(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_stream.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(follow_stream.definition);
    until timestamptz;
    is_behind boolean := false;
    newest record;
    last record;
    known pgslo_catalog.batch;
    before pgslo_catalog.batch;
    counted pgslo_catalog.measured[];
    one pgslo_catalog.measured;
    mask bigint;
    judged integer := 0;
BEGIN
    last := pgslo_catalog.newest_batch(follow_stream.definition);
    IF last.place IS NULL OR last.place = '-Infinity' THEN
        RETURN false;  -- The table is empty, or no row says its batch.
    END IF;
    newest := last;
    IF last.place > last_place THEN
        newest := pgslo_catalog.newest_batch(follow_stream.definition, last_place);
        IF newest.place IS NULL OR newest.place = '-Infinity' THEN
            newest := last;  -- All of it lies in the future.
            last_place := 'Infinity';
        END IF;
    END IF;
    -- The last batch that is known is counted once more: rows may have come late.
    SELECT b.* INTO known FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.place > '-Infinity' AND b.place <= last_place ORDER BY b.place DESC LIMIT 1;
    -- While no later one begins, a batch closes when it has settled: to look more often than that would only cost.
    IF follow_stream.at_once IS NULL AND known.name = newest.name AND known.counted_at + (follow_stream.definition).settle > clock_timestamp() THEN
        RETURN false;
    END IF;
    mask := pgslo_catalog.sample_mask(known.rows);
    PERFORM pgslo_catalog.pin_table(follow_stream.definition, (follow_stream.definition).recount);
    EXECUTE format('SELECT pgslo_gen.%I($1, $2, $3)', (follow_stream.definition).recount)
    INTO counted USING coalesce(known.name, newest.name), last.name, mask;
    -- After the count, however long that took: one batch at least is judged.
    until := pgslo_catalog.follow_until(follow_stream.at_once);
    FOREACH one IN ARRAY ARRAY(SELECT c FROM unnest(counted) AS c ORDER BY c.place) LOOP
        is_behind := judged >= follow_stream.at_most OR clock_timestamp() > until;
        EXIT WHEN is_behind;
        SELECT b.* INTO before FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        PERFORM pgslo_catalog.take_count(follow_stream.definition, one, mask);
        -- The first batch that is seen may have begun before anybody looked, and the newest may go on.
        IF (known.name IS NOT NULL OR one.batch = follow_stream.at_once)
            AND (one.place < newest.place OR one.batch = follow_stream.at_once OR follow_stream.at_once = '*'
                 OR before.rows = one.rows AND pgslo_catalog.has_settled(follow_stream.definition, one.place, before.last_written_at))
            AND (before.closed_at IS NULL
                 OR (SELECT (b.rows, b.present, b.tallies) IS DISTINCT FROM (before.rows, before.present, before.tallies)
                     FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch))
        THEN
            PERFORM pgslo_catalog.judge_closed(follow_stream.definition, one.batch,
                pgslo_catalog.watched_columns(id),
                one.sample, pgslo_catalog.level_of(mask));
            judged := judged + 1;
        END IF;
    END LOOP;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_stream(pgslo_catalog.definition, text, integer) IS
    'Count the newest batches of a streamed table from the table itself, and close and evaluate due ones. Return whether more are due.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_behind boolean := false;
    began timestamptz := clock_timestamp();
BEGIN
    IF (follow.definition).writes = 'bulk' THEN
        is_behind := pgslo_catalog.follow_loads(follow.definition, follow.at_once, follow.at_most);
    ELSIF (follow.definition).recount IS NOT NULL AND (follow.definition).batch_by IS NOT NULL THEN
        is_behind := pgslo_catalog.follow_stream(follow.definition, follow.at_once, follow.at_most);
    END IF;
    PERFORM pgslo_catalog.judge_by_clock(follow.definition, follow.at_once, began);
    PERFORM pgslo_catalog.settle_pauses(follow.definition);
    PERFORM pgslo_catalog.judge_unjudged(follow.definition,
        CASE WHEN follow.at_once IS NULL THEN clock_timestamp() + interval '1 second' ELSE 'infinity' END);
    IF (follow.definition).pairs IS NOT NULL THEN
        BEGIN
            PERFORM pgslo_catalog.follow_pairs(follow.definition);
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            -- The verdicts of other rules are kept.
            PERFORM pgslo_catalog.record_break((follow.definition).name, r.name, SQLSTATE, SQLERRM)
            FROM pgslo_catalog.rule r
            WHERE r.definition_id = (follow.definition).definition_id AND r.kind = 'ml_metric' AND r.retired_at IS NULL;
        END;
    END IF;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow(pgslo_catalog.definition, text, integer) IS
    'Bring the batches of a definition up to date, evaluate at most this number for about a second, and return whether more are due.';

CREATE OR REPLACE FUNCTION pgslo.close_batch(definition text, batch text DEFAULT '*')
RETURNS TABLE (batch_name text, rule text, columns text[], verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    began timestamptz := clock_timestamp();
    session_before text[];
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = close_batch.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', close_batch.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    -- A role that knows the key may give that in place of the name.
    close_batch.batch := pgslo_catalog.name_of(target, close_batch.batch);
    PERFORM pgslo_catalog.wait_for_turn('tick');
    IF target.reader IS NOT NULL THEN
        session_before := pgslo_catalog.session_state(true);
    END IF;
    BEGIN
        PERFORM pgslo_catalog.follow_parts(target, 'infinity');
        PERFORM pgslo_catalog.follow(target, close_batch.batch, 2147483647);
        PERFORM pgslo_catalog.judge_expected(target);
        PERFORM pgslo_catalog.follow_missed(target);
        PERFORM pgslo_catalog.tell_nodes(target);
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        PERFORM pgslo_catalog.restore_session(session_before, true);
        -- What a conversion, a constraint or code of the table raises may hold a value of a row.
        IF SQLSTATE ~ '^(SL|40|42|5[3-8])' OR pgslo_catalog.may_see_values(pgslo_catalog.caller()) THEN
            RAISE;
        END IF;
        RAISE EXCEPTION USING
            ERRCODE = SQLSTATE,
            MESSAGE = format('could not evaluate batches of %s', target.name),
            DETAIL = format('%s.', pgslo_catalog.error_said(false, SQLSTATE, SQLERRM)),
            HINT = 'A steward sees the message of the error.';
    END;
    -- Functions that every read calls compare no locks.
    PERFORM pgslo_catalog.check_session(session_before, true, target.name, '00000');
    IF close_batch.batch <> '*' AND NOT EXISTS (SELECT FROM pgslo_catalog.batch b
                                                WHERE b.definition_id = target.definition_id AND b.name = close_batch.batch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no batch "%s"', target.name, close_batch.batch),
            DETAIL = coalesce('The newest is ' || (SELECT b.name FROM pgslo_catalog.batch b
                                                   WHERE b.definition_id = target.definition_id ORDER BY b.place DESC LIMIT 1) || '.',
                              'Nothing was written since the definition was applied.'),
            HINT = 'SELECT batch FROM pgslo.batch;';
    END IF;
    RETURN QUERY
    SELECT v.batch, r.name, r.columns, v.verdict, v.value, v.low, v.high, v.score, v.said
    FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
    WHERE v.definition_id = target.definition_id
      AND CASE WHEN close_batch.batch = '*' THEN v.judged_at >= began ELSE v.batch = close_batch.batch END
    -- First whether the batch came, then its contents.
    ORDER BY v.place, r.kind = 'learned' AND r.measure ? 'form' DESC, r.rule_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.close_batch(text, text) IS 'Close a batch, or all open ones, without waiting for the grace period, and return the verdicts.';
