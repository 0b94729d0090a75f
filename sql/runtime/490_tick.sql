-- The work of every minute. One table after the other, so that the cost or an error of one table does not affect others.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.resolve_met(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open record;
    missed_id bigint;
    last_place numeric := pgslo_catalog.last_place(resolve_met.definition);
    newest record;
BEGIN
    IF (resolve_met.definition).writes = 'bulk' THEN
        -- A bulk-loaded table's own writes resolve its incidents, except for those left to a writer who then rolled back.
        FOR open IN
            SELECT r AS rule, later.batch, later.place
            FROM pgslo_catalog.incident i
            JOIN pgslo_catalog.rule r USING (rule_id)
            CROSS JOIN LATERAL (
                -- Later writes are among the newest, or they are late and their batch is judged again automatically.
                SELECT f.batch, f.place
                FROM (
                    SELECT n.batch, n.place, n.written_at FROM pgslo_catalog.fragment n
                    WHERE n.definition_id = i.definition_id AND n.place > i.opened_place AND n.place <= last_place
                      AND n.rows > 0
                    ORDER BY n.place DESC LIMIT 100
                ) f
                WHERE f.written_at >= CASE
                        -- Notes from shards are counted together, before any of them opens an incident.
                        WHEN (resolve_met.definition).outbox IS NOT NULL THEN least(i.opened_at, (
                            SELECT max(o.written_at) FROM pgslo_catalog.fragment o
                            WHERE o.definition_id = i.definition_id AND o.batch = i.opened_batch) - interval '10 seconds')
                        ELSE i.opened_at END
                  AND NOT EXISTS (
                      SELECT FROM pgslo_catalog.rule_break b WHERE b.rule_id = i.rule_id AND b.batch = f.batch)
                ORDER BY f.place DESC LIMIT 1
            ) later
            WHERE i.definition_id = (resolve_met.definition).definition_id AND i.over_at IS NULL AND r.scope = 'row'
            ORDER BY i.incident_id
        LOOP
            PERFORM pgslo_catalog.resolve_incident(open.rule, open.batch, open.place, true);
        END LOOP;
        RETURN;
    END IF;
    -- A streamed table writes nothing down for rows that pass.
    FOREACH missed_id IN ARRAY ARRAY(
        SELECT i.incident_id
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.definition_id = (resolve_met.definition).definition_id AND i.over_at IS NULL AND r.scope = 'row'
        ORDER BY i.incident_id)
    LOOP
        SELECT i AS incident, r AS rule INTO open
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.incident_id = missed_id;
        IF newest IS NULL THEN
            newest := pgslo_catalog.newest_batch(resolve_met.definition);
            IF newest.place > last_place THEN
                newest := pgslo_catalog.newest_batch(resolve_met.definition, last_place);
            END IF;
        END IF;
        IF newest.place > pgslo_catalog.last_missed(open.incident, open.rule) THEN
            PERFORM pgslo_catalog.resolve_incident(open.rule, newest.name, newest.place, true);
        END IF;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.resolve_met(pgslo_catalog.definition) IS 'End incidents of rules about rows that later batches met.';

CREATE OR REPLACE FUNCTION pgslo_catalog.look_after(definition pgslo_catalog.definition, OUT is_done boolean, OUT is_behind boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text := (look_after.definition).name;
BEGIN
    is_done := true;
    is_behind := false;
    -- Each goes on when another one fails.
    FOR step IN 0..9 LOOP
        BEGIN
            CASE step
                WHEN 0 THEN PERFORM pgslo_catalog.follow_parts(look_after.definition, clock_timestamp() + interval '1 second');
                WHEN 1 THEN is_behind := pgslo_catalog.follow(look_after.definition, NULL, 50);
                -- While batches wait to be judged, the set of existing batches is not known.
                WHEN 2 THEN PERFORM pgslo_catalog.judge_expected(look_after.definition) WHERE NOT is_behind;
                WHEN 3 THEN PERFORM pgslo_catalog.judge_age(look_after.definition);
                WHEN 4 THEN PERFORM pgslo_catalog.resolve_met(look_after.definition);
                WHEN 5 THEN PERFORM pgslo_catalog.follow_assertions(look_after.definition);
                WHEN 6 THEN is_behind := pgslo_catalog.follow_missed(look_after.definition) OR is_behind;
                -- Once nothing waits: old state can.
                WHEN 7 THEN PERFORM pgslo_catalog.prune_due(look_after.definition) WHERE NOT is_behind;
                WHEN 8 THEN is_behind := pgslo_catalog.remove_old_repairs(look_after.definition) OR is_behind;
                WHEN 9 THEN PERFORM pgslo_catalog.tell_nodes(look_after.definition);
            END CASE;
        EXCEPTION
            WHEN query_canceled THEN
                PERFORM pgslo_catalog.say_left(name, SQLSTATE, SQLERRM);
                is_done := false;
                RETURN;
            WHEN OTHERS THEN
                PERFORM pgslo_catalog.say_left(name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.look_after(pgslo_catalog.definition) IS
    'Do the work of tick() for one table. is_done: neither statement_timeout nor a person ended it; is_behind: more batches are due.';

CREATE OR REPLACE FUNCTION pgslo.tick() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET gin_fuzzy_search_limit = 0
-- A lock on one table must not hold up the others; unevaluated rules are reported, and evaluated the next time.
SET lock_timeout = '2s'
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    id bigint;
    due record;
    is_tended boolean := false;
    is_done boolean;
    looked_after record;
    is_behind boolean := false;
    session_before text[];
    left_behind text;
    table_owner oid;
    began timestamptz;
    longest interval := '0';
    slowest_owner oid;
BEGIN
    IF NOT pgslo_catalog.try_turn('tick') THEN
        RAISE WARNING USING
            ERRCODE = '01SL2',
            MESSAGE = 'another session is running pgslo.tick(); nothing was done',
            DETAIL = format('The turn to judge batches has %s.', pgslo_catalog.turn_holder('tick')),
            HINT = 'It ends with that transaction. If that is idle, end it: SELECT pg_terminate_backend(<process>);';
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.join_incidents();
    PERFORM pgslo_catalog.name_missed();
    PERFORM pgslo_catalog.open_left_over();
    -- Code of owners of tables may be slow, by mistake or on purpose. The tables of pgslo's owner come first, and those that
    -- reached statement_timeout the last time come last: finished work is kept.
    -- By number: code of an owner could read the rows of a cursor, and take them from it.
    FOREACH id IN ARRAY ARRAY(
        SELECT d.definition_id
        FROM pgslo_catalog.definition d
        LEFT JOIN pg_class c ON c.oid = d.relation
        LEFT JOIN pgslo_catalog.given_up g USING (definition_id)
        CROSS JOIN LATERAL (
            SELECT d.reader IS NOT NULL OR EXISTS (
                SELECT FROM pgslo_catalog.other_relation r WHERE r.definition_id = d.definition_id AND r.is_replaceable)
        ) AS s (is_strange)
        ORDER BY g.given_up_at NULLS FIRST, s.is_strange, max(g.given_up_at) OVER (PARTITION BY c.relowner) NULLS FIRST,
                 c.relowner, d.definition_id)
    LOOP
        SELECT d AS definition, c.relowner, s.is_strange, g.given_up_at IS NOT NULL OR s.is_strange AS is_late INTO due
        FROM pgslo_catalog.definition d
        LEFT JOIN pg_class c ON c.oid = d.relation
        LEFT JOIN pgslo_catalog.given_up g USING (definition_id)
        CROSS JOIN LATERAL (
            SELECT d.reader IS NOT NULL OR EXISTS (
                SELECT FROM pgslo_catalog.other_relation r WHERE r.definition_id = d.definition_id AND r.is_replaceable)
        ) AS s (is_strange)
        WHERE d.definition_id = id;
        CONTINUE WHEN NOT FOUND;
        IF due.is_late AND NOT is_tended THEN
            PERFORM pgslo_catalog.measure_quarantines();
            PERFORM pgslo_catalog.tend_incidents();
            session_before := pgslo_catalog.session_state(true);
            is_tended := true;
        END IF;
        -- An owner's tables follow each other, and their time counts together.
        IF due.relowner IS DISTINCT FROM table_owner THEN
            table_owner := due.relowner;
            began := clock_timestamp();
        END IF;
        BEGIN
            looked_after := pgslo_catalog.look_after(due.definition);
            is_done := looked_after.is_done;
            is_behind := is_behind OR looked_after.is_behind;
            IF is_done THEN
                DELETE FROM pgslo_catalog.given_up g WHERE g.definition_id = (due.definition).definition_id;
            END IF;
            left_behind := pgslo_catalog.restore_session(session_before, true);
        EXCEPTION WHEN query_canceled THEN
            -- Code that took nearly all the time has the cancel strike where it is handled nowhere else.
            PERFORM pgslo_catalog.say_left((due.definition).name, SQLSTATE, SQLERRM);
            left_behind := pgslo_catalog.restore_session(session_before, true);
            is_done := false;
        END;
        BEGIN
            IF left_behind IS NOT NULL THEN
                PERFORM pgslo_catalog.say_left((due.definition).name, 'SL004',
                    format('code of %s changes the session that reads it', (due.definition).name));
            END IF;
        EXCEPTION WHEN query_canceled THEN
            is_done := false;
        END;
        IF due.is_strange AND clock_timestamp() - began > longest THEN
            longest := clock_timestamp() - began;
            slowest_owner := table_owner;
        END IF;
        IF NOT is_done THEN
            -- The table that was cancelled need not be of the owner whose code took the time.
            INSERT INTO pgslo_catalog.given_up AS g (definition_id)
            SELECT d.definition_id
            FROM pgslo_catalog.definition d LEFT JOIN pg_class c ON c.oid = d.relation
            WHERE CASE
                WHEN slowest_owner <> table_owner THEN c.relowner = slowest_owner AND d.reader IS NOT NULL
                ELSE d.definition_id = (due.definition).definition_id
            END
            ON CONFLICT ON CONSTRAINT given_up_is_kept_once DO UPDATE SET given_up_at = excluded.given_up_at;
            RETURN false;
        END IF;
    END LOOP;
    BEGIN
        PERFORM pgslo_catalog.measure_quarantines();
        PERFORM pgslo_catalog.tend_incidents();
    EXCEPTION WHEN query_canceled THEN
        IF NOT is_tended THEN
            RAISE;
        END IF;
    END;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.tick() IS
    'Close and judge batches that are due, up to 50 a table or for about a second where there are more, see for a second which '
    'of at most 600 missed batches of a table are good again, and return whether more are due: call it again then. Resolves incidents of streamed '
    'tables whose later batches met the rule, and opens and resolves what concurrent writers left to each other. Run it '
    'every minute, for example from pg_cron, with a statement_timeout.';
