CREATE SCHEMA pgslo;

COMMENT ON SCHEMA pgslo IS 'pgslo''s interface: functions and views, additive only.';

CREATE SCHEMA pgslo_catalog;

COMMENT ON SCHEMA pgslo_catalog IS 'pgslo''s state: tables that only pgslo''s functions read and write.';

CREATE SCHEMA pgslo_gen;

COMMENT ON SCHEMA pgslo_gen IS 'Functions generated from definitions; may be dropped and planned anew.';

CREATE TYPE pgslo_catalog.found_problem AS (
	code text,
	rule text,
	column_name text,
	message text,
	detail text,
	hint text
);

COMMENT ON TYPE pgslo_catalog.found_problem IS 'What a reader is told.';

CREATE TYPE pgslo_catalog.measured AS (
	batch text,
	place numeric,
	rows bigint,
	present bigint[],
	tallies numeric[],
	failed bigint[],
	sample text[]
);

COMMENT ON TYPE pgslo_catalog.measured IS 'What was counted in one batch: rows, values that are not null by column, tallies by name, failing rows by rule, and a sample.';

CREATE TYPE pgslo_catalog.pair_image AS (
	side text,
	sign integer,
	key text[],
	batch text,
	place numeric,
	model text,
	segment text[],
	score double precision,
	decided text,
	label text,
	moment timestamp with time zone,
	defaulted boolean,
	abstained boolean
);

COMMENT ON TYPE pgslo_catalog.pair_image IS 'A row of predictions or of labels as far as metrics look at it: added (sign 1) or taken away (-1).';

CREATE FUNCTION pgslo.accept(incident_id bigint, reason text, batches text[] DEFAULT NULL::text[]) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    known pgslo_catalog.incident;
    newest record;
    unknown text;
    accepted text[];
    noted bigint;
BEGIN
    IF coalesce(btrim(accept.reason), '') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'batches are accepted with a reason',
            DETAIL = 'Readers of these batches are not warned any more.',
            HINT = 'SELECT pgslo.accept(<incident>, ''<reason>'');';
    END IF;
    known := pgslo_catalog.open_one(accept.incident_id);
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    -- By name, or by key for whoever knows it.
    IF accept.batches IS NOT NULL THEN
        SELECT array_agg(pgslo_catalog.name_of(d, b.name)) INTO accept.batches
        FROM unnest(accept.batches) AS b (name) CROSS JOIN pgslo_catalog.definition d
        WHERE d.definition_id = known.definition_id AND b.name IS NOT NULL;
        accept.batches := coalesce(accept.batches, '{}');
    END IF;
    SELECT min(b.name) INTO unknown FROM unnest(accept.batches) AS b (name)
    WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND m.batch = b.name);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('batch "%s" is not a missed batch of incident %s', unknown, known.incident_id),
            HINT = format('SELECT missed FROM pgslo.incident WHERE incident_id = %s;', known.incident_id);
    END IF;
    -- Locked first: from here on nobody adds up what was recorded of them without knowing of this transaction.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL FOR UPDATE;
    WITH ended AS (
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'accepted', ended_by = pgslo_catalog.caller(), reason = accept.reason,
            ended_xid = pg_current_xact_id(),
            -- What the steward could see. A transaction with one snapshot took that before the lock: what others wrote
            -- beside it is not seen.
            seen_snapshot = CASE current_setting('transaction_isolation')
                WHEN 'read committed' THEN pg_current_snapshot()
                ELSE format('%1$s:%1$s:', pg_snapshot_xmin(pg_current_snapshot()))::pg_snapshot END
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND (accept.batches IS NULL OR m.batch = ANY (accept.batches))
        RETURNING m.batch, m.place
    )
    SELECT array_agg(e.batch ORDER BY e.place, e.batch) INTO accepted FROM (SELECT DISTINCT w.batch, w.place FROM ended w) AS e;
    IF accepted IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('incident %s has no missed batches to accept', known.incident_id),
            DETAIL = 'Its rule is about the table as it is now, or no batch is named.',
            HINT = format('SELECT pgslo.resolve(%s, ''real'', ''<reason>'');', known.incident_id);
    END IF;
    INSERT INTO pgslo_catalog.incident_event AS e (incident_id, event, batch, note)
    VALUES (known.incident_id, 'accepted', left(array_to_string(accepted, ', '), 1000), accept.reason)
    RETURNING e.incident_event_id INTO noted;
    INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL) THEN
        SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
        PERFORM pgslo_catalog.end_incident(known.incident_id, 'accepted', newest.batch, newest.place, accept.reason);
    END IF;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('%s of incident %s accepted%s',
        CASE cardinality(accepted) WHEN 1 THEN '1 batch' ELSE cardinality(accepted) || ' batches' END, known.incident_id,
        coalesce('; ' || (SELECT pgslo_catalog.stored_said(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id), ''));
END
$_$;

COMMENT ON FUNCTION pgslo.accept(incident_id bigint, reason text, batches text[]) IS 'Accept missed batches of an incident as they are, all or those named, with a reason: readers are not warned of them any more. For stewards.';

CREATE FUNCTION pgslo.accept_pause(definition text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    accepted bigint;
BEGIN
    WITH done AS (
        UPDATE pgslo_catalog.pause p SET accepted_at = clock_timestamp(), accepted_by = pgslo_catalog.caller()
        FROM pgslo_catalog.definition d
        WHERE d.definition_id = p.definition_id AND d.name = accept_pause.definition
          AND p.settled_at IS NOT NULL AND p.accepted_at IS NULL
          AND EXISTS (SELECT FROM pgslo_catalog.rule_break k WHERE k.pause_id = p.pause_id)
        RETURNING p.pause_id
    ), gone AS (
        DELETE FROM pgslo_catalog.rule_break k WHERE k.pause_id IN (SELECT o.pause_id FROM done o)
    )
    SELECT count(*) INTO accepted FROM done;
    RETURN accepted;
END
$$;

COMMENT ON FUNCTION pgslo.accept_pause(definition text) IS 'Accept rows that were written during pauses of a table and that no rule judged; returns the number of pauses.';

CREATE FUNCTION pgslo.acknowledge(incident_id bigint, note text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(acknowledge.incident_id);
BEGIN
    UPDATE pgslo_catalog.incident i
    SET acknowledged_at = clock_timestamp(), acknowledged_by = coalesce(nullif(current_setting('role'), 'none'), session_user), note = coalesce(acknowledge.note, i.note)
    WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('incident %s acknowledged', known.incident_id);
END
$$;

COMMENT ON FUNCTION pgslo.acknowledge(incident_id bigint, note text) IS 'Says that somebody looks after an incident: it is not told again. For operators.';

CREATE FUNCTION pgslo.announce(definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS integer
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    mode text := pgslo_catalog.read_mode(announce.on_read);
BEGIN
    IF mode <> 'silent' THEN
        PERFORM pgslo_catalog.say_problem(announce.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
        FROM pgslo_catalog.problem(announce.definition, announce.columns, announce.within) AS p
        -- Of the table as a whole, guard() says the rest.
        WHERE p.by_row OR '*' <> ALL (announce.columns);
    END IF;
    RETURN 1;
END
$$;

COMMENT ON FUNCTION pgslo.announce(definition text, columns text[], on_read text, within interval) IS 'What a guarded view calls when a row of a missed batch is read in these columns: 1, with a WARNING, or an error.';

CREATE FUNCTION pgslo.announce_row(definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NOT pgslo_catalog.was_reported(format('row %s %s %s %s', announce_row.definition, announce_row.columns, announce_row.on_read, announce_row.within)) THEN
        PERFORM pgslo.announce(announce_row.definition, announce_row.columns, announce_row.on_read, announce_row.within);
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo.announce_row(definition text, columns text[], on_read text, within interval) IS 'As pgslo.announce(), for each row of a missed batch: true.';

CREATE FUNCTION pgslo.audit(definition text DEFAULT NULL::text) RETURNS TABLE(definition_name text, assertion text, group_shown text, said text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint;
    one record;
BEGIN
    FOREACH id IN ARRAY ARRAY(
        SELECT r.rule_id
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE r.retired_at IS NULL AND (audit.definition IS NULL OR d.name = audit.definition)
        ORDER BY d.name, r.rule_id)
    LOOP
        SELECT r.rule_id, r.name AS assertion, d.name AS definition INTO one
        FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE r.rule_id = id;
        IF pgslo_catalog.judge_assertion(one.rule_id, NULL) IS NULL THEN
            RETURN QUERY SELECT one.definition, one.assertion, NULL::text, 'it can no longer be judged'::text;
        END IF;
        RETURN QUERY
        SELECT one.definition, one.assertion, b.group_shown, b.said
        FROM pgslo_catalog.broken_group b WHERE b.rule_id = one.rule_id ORDER BY b.broken_group_id;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo.audit(definition text) IS 'Holds every group of a table''s assertions, or of all, to them: also what came in past the triggers. Reads whole tables. For stewards: it shows values.';

CREATE FUNCTION pgslo.backtest(definition text, batches integer DEFAULT 120, seed bigint DEFAULT 1, faults text[] DEFAULT NULL::text[], sensitivity double precision DEFAULT NULL::double precision, feedback boolean DEFAULT true) RETURNS TABLE(batch text, batch_rows bigint, column_name text, fault text, changed double precision, verdict text, score double precision, said text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_fuzzy_search_limit TO '0'
    AS $_$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_history(backtest.definition);
    twin pgslo_catalog.definition;
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    wrong text[] := ARRAY(SELECT f.name FROM unnest(backtest.faults) AS f (name) EXCEPT SELECT k.name FROM pgslo_catalog.fault_kinds() k);
    names text[];
    counts bigint[];
    counted pgslo_catalog.measured[];
    one pgslo_catalog.measured;
    mine pgslo_catalog.batch;
    mask bigint;
    level smallint;
    present jsonb;
    whole pgslo_catalog.batch;
    earlier text[];
    kinds text[];
    chosen text[];
    partners integer[];
    table_faults text[];
    broken text[];
    missed text[];
    judged record;
    at integer := 0;
BEGIN
    IF cardinality(wrong) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no fault "%s"', wrong[1]),
            HINT = (SELECT 'Faults are ' || string_agg(k.name, ', ' ORDER BY k.ordinal) || '.' FROM pgslo_catalog.fault_kinds() k);
    END IF;
    SELECT array_agg(n.name ORDER BY n.place), array_agg(n.rows ORDER BY n.place) INTO names, counts FROM pgslo_catalog.newest_batches(target, backtest.batches) AS n;
    SELECT array_agg(k.name ORDER BY k.ordinal) INTO table_faults
    FROM pgslo_catalog.fault_kinds() k WHERE 'table' = ANY (k.kinds) AND (backtest.faults IS NULL OR k.name = ANY (backtest.faults));
    BEGIN
        twin := pgslo_catalog.twin_of(target, backtest.sensitivity);
        FOR low IN 1..coalesce(cardinality(names), 0) BY 20 LOOP
            mask := pgslo_catalog.sample_mask((SELECT max(c.rows) FROM unnest(counts[low:low + 19]) AS c (rows)));
            level := pgslo_catalog.level_of(mask);
            PERFORM pgslo_catalog.pin_table(target, target.recount);
            EXECUTE format('SELECT pgslo_gen.%I($1, $2, $3)', target.recount)
            INTO counted USING names[low], names[least(low + 19, cardinality(names))], mask;
            FOR one IN SELECT c.* FROM unnest(counted) AS c WHERE c.batch = ANY (names) ORDER BY c.place LOOP
                at := at + 1;
                IF current_setting('pgslo.progress', true) = 'on' THEN
                    RAISE NOTICE 'batch % of %', at, cardinality(names);
                END IF;
                present := coalesce(pgslo_catalog.signed(columns, one.present, 1), '{}');
                INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, first_written_at, last_written_at, closed_at, revision)
                VALUES (twin.definition_id, one.batch, one.place, one.rows, present, clock_timestamp(), clock_timestamp(), clock_timestamp(), 1)
                RETURNING b.* INTO mine;

                BEGIN
                -- With faults: one in every column that one fits, or one in the batch as a whole. Columns are judged each by itself.
                IF at > pgslo_catalog.least_batches() AND one.sample IS NOT NULL THEN
                    IF at % 4 = 0 AND table_faults IS NOT NULL THEN
                        chosen := ARRAY[table_faults[1 + at / 4 % cardinality(table_faults)]];
                        whole := mine;
                        SELECT r.broken, r.broken_rows INTO broken, whole.rows FROM pgslo_catalog.break_rows(one.sample, chosen[1], one.rows, one.batch, backtest.seed) AS r;
                        PERFORM pgslo_catalog.profile_batch(twin, whole, columns, broken, level,
                            (SELECT jsonb_object_agg(p.key, round(p.value::numeric * whole.rows / greatest(one.rows, 1))) FROM jsonb_each_text(present) p));
                        FOR judged IN SELECT j.* FROM pgslo_catalog.judge_learned(twin.definition_id, one.batch, one.place) AS j WHERE j.column_name = '*' LOOP
                            backtest.batch := one.batch; batch_rows := one.rows; column_name := '*'; fault := chosen[1];
                            changed := abs(whole.rows - one.rows) / greatest(one.rows, 1)::float8;
                            verdict := judged.verdict; score := round(judged.score::numeric, 6); said := judged.said;
                            RETURN NEXT;
                        END LOOP;
                    ELSE
                        kinds := pgslo_catalog.kinds_of(twin.definition_id, columns, one.sample);
                        SELECT c.chosen, c.partners INTO chosen, partners FROM pgslo_catalog.choose_faults(kinds, backtest.faults, at, backtest.seed) AS c;
                        kinds := array_replace(kinds, 'code', 'number');
                        FOR judged IN
                            WITH made AS MATERIALIZED (
                                SELECT m.* FROM pgslo_catalog.break_columns(one.sample, earlier, kinds, chosen, partners, one.batch, backtest.seed) AS m
                            ), there AS (
                                SELECT (u.i - 1) % array_length(one.sample, 2) AS col, count(u.was)::numeric AS was, count(u.now)::numeric AS now
                                FROM made m CROSS JOIN LATERAL unnest(one.sample, m.broken) WITH ORDINALITY AS u (was, now, i) GROUP BY 1
                            ), taken AS MATERIALIZED (
                                SELECT pgslo_catalog.profile_batch(twin, mine, columns, m.broken, level, (
                                    SELECT jsonb_object_agg(c.name, round(least(CASE WHEN t.was > 0 THEN coalesce((present ->> c.name)::numeric, 0) * t.now / t.was ELSE t.now END, one.rows)))
                                    FROM unnest(columns) WITH ORDINALITY AS c (name, col) JOIN there t USING (col))) AS done, m.changed
                                FROM made m
                            )
                            SELECT t.changed FROM taken t
                        LOOP
                            -- The last digits depend on the order in which floats are added up: what is told is rounded.
                            -- Nobody could see a fault that changed next to nothing: it is none.
                            RETURN QUERY
                            SELECT one.batch, one.rows, j.column_name, chosen[c.col], judged.changed[c.col], j.verdict, round(j.score::numeric, 6)::float8, j.said
                            FROM pgslo_catalog.judge_columns(twin.definition_id, one.batch, one.place, true) AS j
                            JOIN unnest(columns) WITH ORDINALITY AS c (name, col) ON c.name = j.column_name
                            WHERE chosen[c.col] IS NOT NULL AND judged.changed[c.col] >= greatest(0.05, 3.0 / greatest(one.rows, 1))
                            ORDER BY c.col;
                        END LOOP;
                    END IF;
                END IF;

                -- As it was; this is what later batches are compared with.
                PERFORM pgslo_catalog.profile_batch(twin, mine, columns, one.sample, level, present);
                missed := '{}';
                FOR judged IN SELECT j.* FROM pgslo_catalog.judge_learned(twin.definition_id, one.batch, one.place) AS j ORDER BY j.column_name COLLATE "C" LOOP
                    IF judged.verdict = 'missed' THEN
                        missed := missed || judged.column_name;
                    END IF;
                    IF at > pgslo_catalog.least_batches() THEN
                        backtest.batch := one.batch; batch_rows := one.rows; column_name := judged.column_name; fault := NULL; changed := NULL;
                        verdict := judged.verdict; score := round(judged.score::numeric, 6); said := judged.said;
                        RETURN NEXT;
                    END IF;
                END LOOP;
                PERFORM pgslo_catalog.settle_replayed(twin, mine, missed, backtest.feedback);
                earlier := one.sample;
                EXCEPTION WHEN OTHERS THEN
                    IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                        RAISE;
                    END IF;
                    -- The other batches are replayed. Its message may hold a value.
                    RAISE WARNING USING
                        ERRCODE = '01SL2',
                        MESSAGE = format('batch %s of %s could not be replayed', one.batch, target.name),
                        DETAIL = format('SQLSTATE %s.', SQLSTATE);
                END;
            END LOOP;
        END LOOP;
        -- Rows that are returned stay; all that was written goes.
        RAISE EXCEPTION USING ERRCODE = 'SL099', MESSAGE = 'the replay is undone';
    EXCEPTION WHEN SQLSTATE 'SL099' THEN
        RETURN;
    END;
END
$_$;

COMMENT ON FUNCTION pgslo.backtest(definition text, batches integer, seed bigint, faults text[], sensitivity double precision, feedback boolean) IS 'Replays the newest batches of a table with known faults put in, and tells how each column was judged with (fault) and without; changes nothing.';

CREATE FUNCTION pgslo.begin_check(name text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(begin_check.name);
    room text := pgslo_catalog.room_of(known.snapshot_id);
BEGIN
    IF known.is_copy THEN
        RETURN NULL;
    END IF;
    PERFORM pgslo_catalog.check_rereading(known);
    PERFORM pgslo_catalog.keep_snapshots();
    PERFORM pgslo_catalog.leave_room(room);
    PERFORM pgslo_catalog.make_table(room, known.columns, false, pgslo_catalog.caller());
    RETURN format('INSERT INTO pgslo_snapshot.%I %s', room, pgslo.snapshot_query(known.name));
END
$$;

COMMENT ON FUNCTION pgslo.begin_check(name text) IS 'Part of verify_snapshot(): what the caller has to run to read a reference again; NULL for a copy.';

CREATE FUNCTION pgslo.begin_delivery(delivery_id bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    UPDATE pgslo_catalog.delivery d
    SET attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + least(interval '1 hour', interval '5 seconds' * 2 ^ least(d.attempts, 20))
    WHERE d.delivery_id = begin_delivery.delivery_id AND d.sent_at IS NULL AND d.sender = pgslo_catalog.caller()
    RETURNING d.attempts
$$;

COMMENT ON FUNCTION pgslo.begin_delivery(delivery_id bigint) IS 'Note that a message is about to be sent; NULL if it was sent already, or another role queued it.';

CREATE FUNCTION pgslo.begin_run(task text, host text, process_id bigint, OUT task_run_id bigint, OUT batch text, OUT attempt integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    AS $$
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
$$;

COMMENT ON FUNCTION pgslo.begin_run(task text, host text, process_id bigint, OUT task_run_id bigint, OUT batch text, OUT attempt integer) IS 'The next healthy batch that a task was not run for, written down as running; NULL when there is none, one runs, or something the task reads is unhealthy now.';

CREATE FUNCTION pgslo.begin_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    SET "DateStyle" TO 'ISO, YMD'
    SET "TimeZone" TO 'UTC'
    AS $_$
DECLARE
    reader name := pgslo_catalog.caller();
    source regclass;
    defined text;
    target pgslo_catalog.definition;
    begun pgslo_catalog.snapshot;
    healthy numeric[];
    healthy_names text[];
    within interval;
    statement text;
BEGIN
    IF begin_snapshot.name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$' OR begin_snapshot.name = 'refuse_change' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_name',
            MESSAGE = format('"%s" is no name for a snapshot', begin_snapshot.name),
            HINT = 'A letter, then letters, digits, "_", "-" and ".", 63 at most.';
    END IF;
    SELECT v.source, v.definition INTO source, defined
    FROM pgslo_catalog.guarded_view(begin_snapshot.source_schema, begin_snapshot.source_name) AS v;
    SELECT d.* INTO STRICT target FROM pgslo_catalog.definition d WHERE d.name = defined;
    IF (has_table_privilege(reader, source, 'SELECT') AND has_schema_privilege(reader, begin_snapshot.source_schema, 'USAGE')) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied for view %s', begin_snapshot.source_name);
    END IF;
    PERFORM pgslo_catalog.check_types(target);
    PERFORM pgslo_catalog.check_condition(begin_snapshot.condition);
    PERFORM pgslo_catalog.keep_snapshots();
    begun.columns := (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                   'collation', CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(n.nspname) || '.' || quote_ident(l.collname) END)) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
        WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped);
    BEGIN
        INSERT INTO pgslo_catalog.snapshot AS s (name, is_copy, definition, definition_fingerprint, source_schema,
            source_name, condition, columns, batch_by, batch_place, batch_name, library_version, taken_by)
        VALUES (begin_snapshot.name, NOT begin_snapshot.as_reference, target.name, target.fingerprint, begin_snapshot.source_schema, begin_snapshot.source_name, begin_snapshot.condition,
                begun.columns, target.batch_by, target.batch_place, target.batch_name, pgslo.version(), reader)
        RETURNING s.* INTO begun;
        begun.is_checked := pgslo_catalog.can_be_read(begun);
        PERFORM pgslo_catalog.make_table(begun.name, begun.columns, begun.is_copy,
            CASE WHEN NOT begun.is_checked OR begun.condition IS NOT NULL THEN reader END);
    EXCEPTION WHEN unique_violation OR duplicate_table THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('there is a snapshot "%s" already', begin_snapshot.name),
            HINT = 'Give this one another name, for example with the date in it.';
    END;
    -- A task's view may lack the column that says the batch.
    IF begun.batch_by IS NOT NULL THEN
        BEGIN
            EXECUTE format('SELECT FROM (SELECT %s AS raw FROM pgslo_snapshot.%I AS r LIMIT 0) AS b', target.batch_by, begun.name);
        EXCEPTION WHEN undefined_column THEN
            begun.batch_by := NULL;
        END;
    END IF;
    IF begun.batch_by IS NULL AND (begin_snapshot.as_reference OR begin_snapshot.healthy_only) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('rows of %I.%I do not say which batch they belong to', begun.source_schema, begun.source_name),
            DETAIL = CASE WHEN begin_snapshot.as_reference THEN 'A reference leaves out what comes later by its batch.' ELSE 'What was unhealthy cannot be left out.' END,
            HINT = 'The batch has to be a date, time or number of the row, and the view has to show it; else take a copy of all rows.';
    END IF;
    IF begin_snapshot.healthy_only THEN
        -- A task's view tells of batches as far back as the task looks.
        SELECT t.within INTO within FROM pgslo_catalog.task t
        WHERE t.definition_id = target.definition_id AND t.batches = 'all'
          AND parse_ident(t.view_name) = ARRAY[begun.source_schema, begun.source_name];
        SELECT coalesce(array_agg(h.place), '{}'), coalesce(array_agg(h.batch), '{}') INTO healthy, healthy_names
        FROM pgslo_catalog.healthy(target, ARRAY(
                SELECT c ->> 'name' FROM jsonb_array_elements(begun.columns) AS c
                WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = c ->> 'name' AND a.attnum > 0 AND NOT a.attisdropped)),
                clock_timestamp(), within) AS h;
        begun.left_out := ARRAY(
            SELECT b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = target.definition_id AND b.name <> ALL (healthy_names) ORDER BY b.place);
    END IF;
    UPDATE pgslo_catalog.snapshot s
    SET batch_by = begun.batch_by, batch_place = CASE WHEN begun.batch_by IS NOT NULL THEN s.batch_place END,
        batch_name = CASE WHEN begun.batch_by IS NOT NULL THEN s.batch_name END, left_out = begun.left_out,
        is_checked = begun.is_checked
    WHERE s.snapshot_id = begun.snapshot_id;
    statement := format('INSERT INTO pgslo_snapshot.%I %s', begun.name, pgslo_catalog.reading(begun, healthy, healthy_names));
    IF begun.is_checked AND begun.condition IS NULL THEN
        -- Every word of it is pgslo's, and no other role may add rows.
        EXECUTE statement;
        RETURN 'SELECT';
    END IF;
    RETURN statement;
END
$_$;

COMMENT ON FUNCTION pgslo.begin_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) IS 'Part of create_snapshot(): makes room, fills it where pgslo can, and says what the caller has to run.';

CREATE FUNCTION pgslo.check_own_rights(reader name) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF check_own_rights.reader <> pgslo_catalog.caller() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'snapshots are read with the rights of the session''s role alone',
            DETAIL = format('A function runs this with the rights of %s for %s.', check_own_rights.reader, pgslo_catalog.caller()),
            HINT = 'Call it outside of functions that are SECURITY DEFINER.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo.check_own_rights(reader name) IS 'Part of create_snapshot() and verify_snapshot(): refuse to read rows with the rights of a function''s owner for its caller.';

CREATE FUNCTION pgslo.close_batch(definition text, batch text DEFAULT '*'::text) RETURNS TABLE(batch_name text, rule text, columns text[], verdict text, value double precision, low double precision, high double precision, score double precision, said text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_fuzzy_search_limit TO '0'
    AS $$
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
    -- Whoever knows the key may give that in place of the name.
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
    IF close_batch.batch <> '*' AND NOT EXISTS (SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id AND b.name = close_batch.batch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no batch "%s"', target.name, close_batch.batch),
            DETAIL = coalesce('The newest is ' || (SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id ORDER BY b.place DESC LIMIT 1) || '.', 'Nothing was written since the definition was applied.'),
            HINT = 'SELECT batch FROM pgslo.batch;';
    END IF;
    RETURN QUERY
    SELECT v.batch, r.name, r.columns, v.verdict, v.value, v.low, v.high, v.score, v.said
    FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
    WHERE v.definition_id = target.definition_id
      AND CASE WHEN close_batch.batch = '*' THEN v.judged_at >= began ELSE v.batch = close_batch.batch END
    ORDER BY v.place, r.rule_id;
END
$$;

COMMENT ON FUNCTION pgslo.close_batch(definition text, batch text) IS 'Closes a batch, or all that are open, without waiting for them to settle, and returns the verdicts.';

CREATE FUNCTION pgslo.create_snapshot(name text, source_schema text, source_name text, condition text DEFAULT NULL::text, as_reference boolean DEFAULT false, healthy_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "TimeZone" TO 'UTC'
    AS $$
BEGIN
    PERFORM pgslo.check_own_rights(current_user);
    EXECUTE pgslo.begin_snapshot(create_snapshot.name, create_snapshot.source_schema, create_snapshot.source_name, create_snapshot.condition, create_snapshot.as_reference, create_snapshot.healthy_only);
    PERFORM pgslo.seal_snapshot(create_snapshot.name);
END
$$;

COMMENT ON FUNCTION pgslo.create_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) IS 'Takes a snapshot of a guarded view with the caller''s rights: a copy of the rows in pgslo_snapshot, or a reference to read them again by.';

CREATE FUNCTION pgslo.discard(quarantine_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE pgslo_catalog.quarantine q
    SET state = 'dropped', decided_at = clock_timestamp(), decided_by = pgslo_catalog.caller(), image = NULL, image_text = '',
        reasons = (SELECT jsonb_agg(reason - 'shown') FROM jsonb_array_elements(q.reasons) AS reason)
    WHERE q.quarantine_id = discard.quarantine_id AND q.state = 'held';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('row %s is not held in quarantine', discard.quarantine_id),
            HINT = 'SELECT * FROM pgslo.quarantine;';
    END IF;
    RETURN format('row %s discarded', discard.quarantine_id);
END
$$;

COMMENT ON FUNCTION pgslo.discard(quarantine_id bigint) IS 'Gives a quarantined row up: its values are erased; its key, the rules it violated and who wrote it stay.';

CREATE FUNCTION pgslo.drop_snapshot(name text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(drop_snapshot.name);
BEGIN
    IF pg_has_role(pgslo_catalog.caller(), current_user, 'USAGE') IS NOT TRUE AND (
        EXISTS (SELECT FROM pg_roles r WHERE r.rolname = known.taken_by) AND pg_has_role(pgslo_catalog.caller(), known.taken_by, 'USAGE')) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('snapshot "%s" is not yours to drop', known.name),
            DETAIL = format('It was taken by %s.', known.taken_by),
            HINT = format('Ask %s, or %s.', known.taken_by, current_user);
    END IF;
    PERFORM pgslo_catalog.leave_room(known.name);
    DELETE FROM pgslo_catalog.snapshot s WHERE s.snapshot_id = known.snapshot_id;
    -- With the last one goes what was made with the first.
    IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgslo_snapshot')
        AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        DROP FUNCTION IF EXISTS pgslo_snapshot.refuse_change();
        DROP SCHEMA pgslo_snapshot;
    END IF;
    RETURN format('snapshot %s dropped', known.name);
END
$$;

COMMENT ON FUNCTION pgslo.drop_snapshot(name text) IS 'Takes a snapshot away: for who took it, and for pgslo''s owner.';

CREATE FUNCTION pgslo.end_check(name text) RETURNS TABLE(about text, was text, is_now text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    AS $$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(end_check.name);
    room text := CASE WHEN known.is_copy THEN known.name ELSE pgslo_catalog.room_of(known.snapshot_id) END;
    keeper regclass := (SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgslo_snapshot' AND c.relname = room AND c.relkind = 'r'
                        AND c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user));
    columns_now jsonb;
BEGIN
    IF known.content_hash IS NULL OR keeper IS NULL THEN
        RETURN QUERY SELECT 'table'::text, CASE WHEN known.content_hash IS NULL THEN 'not sealed' ELSE 'there' END, CASE WHEN keeper IS NULL THEN 'gone' ELSE 'there' END;
        IF NOT known.is_copy THEN
            PERFORM pgslo_catalog.leave_room(room);
        END IF;
        RETURN;
    END IF;
    columns_now := (
        SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = keeper AND a.attnum > 0 AND NOT a.attisdropped);
    IF columns_now <> (SELECT jsonb_agg(c.value - 'collation' ORDER BY c.ordinality) FROM jsonb_array_elements(known.columns) WITH ORDINALITY AS c) THEN
        RETURN QUERY
        SELECT 'columns'::text, (SELECT string_agg(format('%s %s', c ->> 'name', c ->> 'type'), ', ') FROM jsonb_array_elements(known.columns) AS c),
               (SELECT string_agg(format('%s %s', c ->> 'name', c ->> 'type'), ', ') FROM jsonb_array_elements(columns_now) AS c);
        IF NOT known.is_copy THEN
            PERFORM pgslo_catalog.leave_room(room);
        END IF;
        RETURN;
    END IF;
    RETURN QUERY
    WITH now AS MATERIALIZED (SELECT c.* FROM pgslo_catalog.content_of(known, room) AS c),
    total AS (
        SELECT coalesce(sum(n.rows), 0)::bigint AS rows, pgslo_catalog.content_hash(known.columns, coalesce(sum(n.rows), 0)::bigint,
                   ARRAY[coalesce(sum(n.sums[1]), 0), coalesce(sum(n.sums[2]), 0), coalesce(sum(n.sums[3]), 0), coalesce(sum(n.sums[4]), 0)]) AS hash
        FROM now n
    )
    SELECT 'content hash'::text, known.content_hash, t.hash FROM total t WHERE t.hash <> known.content_hash
    UNION ALL
    SELECT 'rows', known.rows::text, t.rows::text FROM total t WHERE t.rows <> known.rows
    UNION ALL
    (SELECT 'batch ' || coalesce(b.batch, n.batch),
            CASE WHEN b.batch IS NULL THEN 'none' ELSE format('%s rows', b.rows) END,
            CASE WHEN n.batch IS NULL THEN 'none' WHEN n.rows = b.rows THEN format('%s rows, others', n.rows) ELSE format('%s rows', n.rows) END
     FROM (SELECT * FROM pgslo_catalog.snapshot_batch w WHERE w.snapshot_id = known.snapshot_id) AS b
     FULL JOIN now n ON n.batch = b.batch
     WHERE coalesce(b.batch, n.batch) <> '' AND (b.rows IS DISTINCT FROM n.rows OR b.sums IS DISTINCT FROM n.sums)
     ORDER BY coalesce(b.place, n.place));
    IF known.is_copy THEN
        RETURN QUERY
        SELECT 'protection'::text, 'rows cannot be changed'::text, 'the trigger that refuses changes is gone or switched off'::text
        WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = keeper AND g.tgname = 'pgslo_refuse_change' AND g.tgenabled = 'A');
    ELSE
        PERFORM pgslo_catalog.leave_room(room);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo.end_check(name text) IS 'Part of verify_snapshot(): what differs from what was taken.';

CREATE FUNCTION pgslo.end_delivery(delivery_id bigint, error text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    UPDATE pgslo_catalog.delivery d
    SET sent_at = CASE WHEN end_delivery.error IS NULL THEN clock_timestamp() END, error = left(end_delivery.error, 1000)
    WHERE d.delivery_id = end_delivery.delivery_id AND d.sent_at IS NULL AND d.sender = pgslo_catalog.caller()
$$;

COMMENT ON FUNCTION pgslo.end_delivery(delivery_id bigint, error text) IS 'Note that a message was sent, or why not; of a message that another role queued, nothing.';

CREATE FUNCTION pgslo.end_run(task_run_id bigint, exit_code integer, output text, retries integer, wait interval) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    UPDATE pgslo_catalog.task_run r
    SET state = CASE WHEN end_run.exit_code = 0 THEN 'done' WHEN r.attempts > end_run.retries THEN 'failed' ELSE 'waiting' END,
        exit_code = end_run.exit_code, output = right(end_run.output, 4000), ended_at = clock_timestamp(),
        next_attempt_at = CASE WHEN end_run.exit_code IS DISTINCT FROM 0 AND r.attempts <= end_run.retries THEN clock_timestamp() + end_run.wait * 5 ^ least(r.attempts - 1, 6) END
    WHERE r.task_run_id = end_run.task_run_id AND r.state = 'running'
      -- The role that began it; once nothing was heard of it for long, whoever may run the task gives it up.
      AND (r.started_by = pgslo_catalog.caller() OR pgslo_catalog.is_owner(pgslo_catalog.caller())
           OR end_run.exit_code IS NULL AND r.seen_at < clock_timestamp() - interval '5 minutes' AND pgslo_catalog.may_run(r.task, pgslo_catalog.caller()))
    RETURNING r.state
$$;

COMMENT ON FUNCTION pgslo.end_run(task_run_id bigint, exit_code integer, output text, retries integer, wait interval) IS 'Writes down how a run ended, and when it is tried again; each wait is five times the one before.';

CREATE FUNCTION pgslo.evidence(incident_id bigint) RETURNS TABLE(topic text, fact text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    (SELECT 'failing row', format('%s: %s', s.row_key, s.shown)
     FROM pgslo_catalog.incident i
     JOIN pgslo_catalog.sample s ON s.rule_id = i.rule_id
     WHERE i.incident_id = evidence.incident_id
       -- Of this incident alone, not of an earlier one of the rule.
       AND s.written_at >= coalesce((SELECT max(o.over_at) FROM pgslo_catalog.incident o WHERE o.rule_id = i.rule_id AND o.incident_id < i.incident_id), '-infinity')
       AND s.written_at <= coalesce(i.over_at, 'infinity')
     ORDER BY s.sample_id
     LIMIT 20)
    UNION ALL
    (SELECT format('first violation in batch %s', v.batch), v.example
     FROM pgslo_catalog.incident i
     JOIN pgslo_catalog.verdict v ON v.rule_id = i.rule_id AND v.place >= i.opened_place AND v.example IS NOT NULL
     WHERE i.incident_id = evidence.incident_id AND v.place <= coalesce(i.over_place, 'Infinity')
     ORDER BY v.place DESC
     LIMIT 20)
    UNION ALL
    SELECT format('value that moved most, %s', p.column_name), moved.said
    FROM pgslo_catalog.profiles_of(evidence.incident_id) p
    CROSS JOIN LATERAL (
        SELECT format('%s: %s %% before, %s %% then', m.value, to_char(m.before, 'FM990.0'), to_char(m.after, 'FM990.0')) AS said
        FROM (
            SELECT coalesce(x.key, y.key) AS value,
                   least(100, coalesce(x.value::numeric, 0) * 100 * 2 ^ (p.before).level / greatest((p.before).present, 1)) AS before,
                   least(100, coalesce(y.value::numeric, 0) * 100 * 2 ^ (p.after).level / greatest((p.after).present, 1)) AS after
            FROM jsonb_each_text((p.before).common) x FULL JOIN jsonb_each_text((p.after).common) y ON y.key = x.key
        ) m
        ORDER BY abs(m.after - m.before) DESC, m.value
        LIMIT 1
    ) moved
    WHERE (p.before).batch IS NOT NULL
$$;

COMMENT ON FUNCTION pgslo.evidence(incident_id bigint) IS 'Failing rows of an incident and the value that moved most. Holds personal data: for the owner, and whom he allows.';

CREATE FUNCTION pgslo.explain(incident_id bigint) RETURNS TABLE(topic text, fact text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH incident AS (
        SELECT i, i.*, d.name, d.relation, r, r.name AS rule_name, r.kind, r.columns, r.promise, r.on_breach, coalesce(r.owner, d.owner, 'unknown') AS owner,
               greatest(i.muted_until, r.muted_until) AS quiet_until
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.definition d USING (definition_id) JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.incident_id = explain.incident_id AND pgslo_catalog.may_know(d.name, pgslo_catalog.caller())
    ), first AS (
        SELECT f.writer, f.application, f.written_at FROM pgslo_catalog.fragment f JOIN incident n ON f.definition_id = n.definition_id AND f.place = n.opened_place AND f.failures ? n.rule_name
        ORDER BY f.fragment_id LIMIT 1
    ), reader AS (
        SELECT x.* FROM incident n JOIN pgslo.reader x ON x.definition = n.name AND (x.columns && n.columns OR n.columns = '{}')
    )
    SELECT fact.*
    FROM incident n
    LEFT JOIN first f ON true
    LEFT JOIN pgslo_catalog.batch b ON b.definition_id = n.definition_id AND b.name = n.opened_batch
    CROSS JOIN LATERAL (
        SELECT coalesce(n.writer, f.writer, b.writer) AS role, nullif(coalesce(n.application, f.application, b.application), '') AS application,
               coalesce(n.written_at, f.written_at, b.last_written_at) AS at
    ) w
    CROSS JOIN LATERAL (VALUES
        ('table', n.name),
        ('rule', format('%s (%s): %s', n.rule_name, n.kind, n.promise)),
        ('columns', nullif(array_to_string(n.columns, ', '), '')),
        ('owner', n.owner),
        ('opened', format('%s, batch %s', pgslo_catalog.utc(n.opened_at), n.opened_batch)),
        ('first bad batch', (SELECT v.said FROM pgslo_catalog.verdict v
                             WHERE v.rule_id = n.rule_id AND v.batch = n.opened_batch AND pgslo_catalog.shows_figures(n.r, pgslo_catalog.caller()))),
        ('written by', format('%s%s, %s', w.role, ' with ' || w.application, pgslo_catalog.utc(w.at))),
        ('profile before', (SELECT string_agg(concat_ws(': ', nullif(p.column_name, '*'), pgslo_catalog.profile_said(p.before)), '; ' ORDER BY p.column_name)
                            FROM pgslo_catalog.profiles_of(n.incident_id) p
                            WHERE (p.before).batch IS NOT NULL AND pgslo_catalog.may_see_figures(n.relation, array_remove(ARRAY[p.column_name], '*'), NULL, pgslo_catalog.caller()))),
        ('profile then', (SELECT string_agg(concat_ws(': ', nullif(p.column_name, '*'), pgslo_catalog.profile_said(p.after)), '; ' ORDER BY p.column_name)
                          FROM pgslo_catalog.profiles_of(n.incident_id) p
                          WHERE pgslo_catalog.may_see_figures(n.relation, array_remove(ARRAY[p.column_name], '*'), NULL, pgslo_catalog.caller()))),
        ('newest missed batch', pgslo_catalog.newest_missed_said(n.i, n.r)),
        ('broke together', (SELECT string_agg(format('incident %s, %s', o.incident_id, q.name), '; ' ORDER BY o.incident_id)
                            FROM pgslo_catalog.incident o JOIN pgslo_catalog.rule q USING (rule_id)
                            WHERE o.definition_id = n.definition_id AND o.opened_batch = n.opened_batch AND o.incident_id <> n.incident_id)),
        ('tasks that read it', (
            SELECT string_agg(x.name || coalesce(' (' || nullif(concat_ws(', ', x.contact,
                       'last ' || pgslo_catalog.span_shown(x."window"),
                       CASE x.batches WHEN 'healthy' THEN 'healthy batches' END), '') || ')', ''), ', ' ORDER BY x.name)
            FROM reader x WHERE x.kind = 'task')),
        ('views that read it', (SELECT string_agg(format('%s (%s)', x.name, x.contact), ', ' ORDER BY x.name) FROM reader x WHERE x.kind <> 'task')),
        ('state', CASE WHEN n.over_at IS NULL THEN 'open'
                       WHEN n.resolved_at IS NULL THEN format('over since %s, %s', pgslo_catalog.utc(n.over_at), coalesce(pgslo_catalog.stored_said(n.i), 'no missed batch is stored'))
                       ELSE format('resolved (%s) %s, batch %s', n.resolution, pgslo_catalog.utc(n.resolved_at), coalesce(n.over_batch, '-')) END),
        ('missed batches', (
            SELECT array_to_string(s.names[1:20], ', ') || CASE WHEN s.batches > 20 THEN format(' and %s more', s.batches - 20) ELSE '' END
            FROM pgslo_catalog.stored s WHERE n.resolved_at IS NULL AND s.rule_id = n.rule_id AND s.incident_id = n.incident_id)),
        ('acknowledged', format('%s by %s', pgslo_catalog.utc(n.acknowledged_at), n.acknowledged_by)),
        ('muted until', CASE WHEN n.resolved_at IS NULL AND n.quiet_until > clock_timestamp() THEN pgslo_catalog.utc(n.quiet_until) END),
        ('note', n.note),
        ('history', (SELECT string_agg(format('%s %s%s by %s%s', pgslo_catalog.utc(e.happened_at), e.event, ' (' || e.resolution || ')', e.done_by,
                            CASE e.event WHEN 'accepted' THEN format(': batches %s, %s', e.batch, e.note) ELSE '' END), '; ' ORDER BY e.incident_event_id)
                     FROM pgslo_catalog.incident_event e WHERE e.incident_id = n.incident_id))
    ) AS fact (topic, fact)
    WHERE fact.fact IS NOT NULL
      AND NOT (fact.topic = 'written by' AND w.role IS NULL)
      AND NOT (fact.topic = 'acknowledged' AND n.acknowledged_at IS NULL)
$$;

COMMENT ON FUNCTION pgslo.explain(incident_id bigint) IS 'An incident in facts: what, since when, who wrote the first bad batch, before and then, who reads it. Holds no values of the table.';

CREATE FUNCTION pgslo.float_text(value real) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
BEGIN
    -- Zero has two texts, and is one value.
    RETURN CASE WHEN float_text.value = 0 THEN '0' ELSE float_text.value::text END;
END
$$;

COMMENT ON FUNCTION pgslo.float_text(value real) IS 'Return the shortest text that reads back as the same value.';

CREATE FUNCTION pgslo.float_text(value double precision) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
BEGIN
    -- Zero has two texts, and is one value.
    RETURN CASE WHEN float_text.value = 0 THEN '0' ELSE float_text.value::text END;
END
$$;

COMMENT ON FUNCTION pgslo.float_text(value double precision) IS 'Return the shortest text that reads back as the same value.';

CREATE FUNCTION pgslo.follow_task(task text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;

COMMENT ON FUNCTION pgslo.follow_task(task text) IS 'Begins to follow a task''s healthy batches; those that are there already are skipped. Says since when.';

CREATE FUNCTION pgslo.guard(definition text, columns text[], on_read text DEFAULT 'warn'::text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    mode text := pgslo_catalog.read_mode(guard.on_read);
BEGIN
    IF mode <> 'silent' THEN
        PERFORM pgslo_catalog.say_problem(guard.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
        FROM pgslo_catalog.problem(guard.definition, guard.columns) AS p;
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo.guard(definition text, columns text[], on_read text) IS 'What guarded views of an earlier version ask before they show columns: true, with a WARNING when something is wrong with them, or an error.';

CREATE FUNCTION pgslo.guard(definition text, columns text[], on_read text, planned text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    mode text;
BEGIN
    -- The way of nearly every read: nothing is wrong with the table as a whole, and the plan knows what is missed. Nearly all of
    -- a question's cost is starting its plan, so this is one, and as small as can be.
    PERFORM FROM pgslo_catalog.missed_batch m
    WHERE m.definition = guard.definition AND m.ended_at IS NULL
      AND (guard.within IS NULL OR pgslo_catalog.is_within(m.place, guard.within))
      AND (m.concern NOT IN (SELECT k.name FROM unnest(guard.planned) AS k (name))
           -- Nobody reads a row of a batch that has none.
           OR m.about && guard.columns AND NOT EXISTS (
               SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = m.definition_id AND b.name = m.batch AND b.rows > 0))
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.over_at IS NULL AND i.definition = guard.definition AND NOT i.is_of_batches
    UNION ALL SELECT FROM pgslo_catalog.rule_break
    UNION ALL SELECT WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.definition d
        WHERE d.name = guard.definition AND d.schema_wanted IS NULL
          AND (d.max_age IS NULL OR pgslo_catalog.newest_data(d) BETWEEN clock_timestamp() - d.max_age AND clock_timestamp())
          -- A role that may not know of the table calls this as well, with times that it guesses.
          AND (guard.within IS NULL
               OR NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.definition = guard.definition AND m.ended_at IS NULL)
               OR pgslo_catalog.may_know(guard.definition, pgslo_catalog.caller())));
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    mode := pgslo_catalog.read_mode(guard.on_read);
    IF mode = 'silent' THEN
        RETURN true;
    END IF;
    PERFORM pgslo_catalog.say_problem(guard.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
    FROM pgslo_catalog.problem(guard.definition, guard.columns, guard.within) AS p
    WHERE NOT p.by_row;
    -- Views of healthy rows leave out by a query what their plan does not know.
    IF guard.planned IS NOT NULL AND NOT pgslo_catalog.is_known(guard.definition, guard.within, guard.planned) THEN
        PERFORM pgslo_catalog.say_problem(
            guard.definition,
            ROW('01SL1', NULL, NULL,
                format('missed batches of %s are stored and may be among the rows read', guard.definition),
                concat_ws(' ', 'This statement was planned before they were judged.', pgslo_catalog.news_said(guard.definition, guard.planned)),
                'DISCARD PLANS, and reading again, tells whether the rows that you read are concerned.')::pgslo_catalog.found_problem,
            mode);
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo.guard(definition text, columns text[], on_read text, planned text[], within interval) IS 'What a guarded view asks before it shows rows: true, with a WARNING when something is wrong with the table as a whole or the plan is too old to tell, or an error.';

CREATE FUNCTION pgslo.guard_healthy(definition text, columns text[], on_read text, planned text[], kind anyelement) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pgslo.guard_rows(guard_healthy.definition, guard_healthy.columns, guard_healthy.on_read, guard_healthy.planned, pg_typeof(guard_healthy.kind));
END
$$;

COMMENT ON FUNCTION pgslo.guard_healthy(definition text, columns text[], on_read text, planned text[], kind anyelement) IS 'pgslo.guard_rows() for the type of the batch''s column.';

CREATE FUNCTION pgslo.guard_rows(definition text, columns text[], on_read text, planned text[], kind regtype) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    told record := pgslo.told_by_rows(guard_rows.definition, guard_rows.columns, NULL, guard_rows.kind);
    is_known boolean;
BEGIN
    -- What concerns all rows; how old the plan is does not matter here.
    PERFORM pgslo.guard(guard_rows.definition, coalesce(guard_rows.columns, '{*}'), guard_rows.on_read, NULL::text[]);
    -- Nothing is missed.
    IF NOT told.is_untold AND (NOT told.has_null OR pgslo.is_current(guard_rows.definition, guard_rows.planned))
        OR pgslo_catalog.concern_names(guard_rows.definition, NULL) = '{}' THEN
        RETURN true;
    END IF;
    is_known := pgslo_catalog.may_know(guard_rows.definition, pgslo_catalog.caller());
    RAISE EXCEPTION USING
        ERRCODE = 'SL001',
        MESSAGE = format('read refused: healthy rows of %s cannot be told from others', guard_rows.definition),
        DETAIL = CASE
            WHEN NOT is_known THEN 'This role may read neither the table nor a guarded view of it.'
            WHEN told.is_untold THEN 'A batch that misses a rule is known by a hash, or is not known.'
            ELSE 'This statement was planned before rows without a batch were missed.' END,
        HINT = CASE
            WHEN NOT is_known THEN 'Grant it SELECT on the view.'
            WHEN told.is_untold THEN 'SELECT * FROM pgslo.incident shows the batch; mend or accept it.'
            ELSE 'DISCARD PLANS, and read again.' END,
        SCHEMA = split_part(guard_rows.definition, '.', 1),
        TABLE = substr(guard_rows.definition, strpos(guard_rows.definition, '.') + 1);
END
$$;

COMMENT ON FUNCTION pgslo.guard_rows(definition text, columns text[], on_read text, planned text[], kind regtype) IS 'What a view of healthy rows asks before it shows rows: true, with a WARNING for what is wrong with the table as a whole, or an error if rows cannot be told apart.';

CREATE FUNCTION pgslo.healthy_batches(definition text, columns text[] DEFAULT NULL::text[], as_of timestamp with time zone DEFAULT clock_timestamp()) RETURNS TABLE(batch text, place numeric, rows bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    unknown text;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = healthy_batches.definition;
    -- A role that may not know of it is shown the same as one that misspells it.
    IF NOT FOUND OR pgslo_catalog.may_know(target.name, pgslo_catalog.caller()) IS NOT TRUE THEN
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
$$;

COMMENT ON FUNCTION pgslo.healthy_batches(definition text, columns text[], as_of timestamp with time zone) IS 'Batches that were judged by a time, and of which nothing was amiss with these columns, or any, as was known then.';

CREATE FUNCTION pgslo.history(definition text, batches integer DEFAULT 400) RETURNS TABLE(batch text, rows bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'off'
    AS $$
    SELECT n.name, n.rows
    FROM pgslo_catalog.newest_batches(pgslo_catalog.need_history(history.definition), history.batches) AS n
    ORDER BY n.place
$$;

COMMENT ON FUNCTION pgslo.history(definition text, batches integer) IS 'The newest batches that are in the table itself, and their rows, oldest first.';

CREATE FUNCTION pgslo.planned_any(definition text, columns text[], within interval, kind anyelement) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (pgslo.told_by_rows(planned_any.definition, planned_any.columns, planned_any.within, pg_typeof(planned_any.kind))).is_any;
END
$$;

COMMENT ON FUNCTION pgslo.planned_any(definition text, columns text[], within interval, kind anyelement) IS 'Whether any row may be of a missed batch, because rows do not tell.';

CREATE FUNCTION pgslo.planned_batches(definition text, columns text[], within interval, kind anyelement) RETURNS anyarray
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    AS $_$
DECLARE
    answer ALIAS FOR $0;
BEGIN
    answer := (pgslo.told_by_rows(planned_batches.definition, planned_batches.columns, planned_batches.within, pg_typeof(kind))).keys;
    RETURN answer;
END
$_$;

COMMENT ON FUNCTION pgslo.planned_batches(definition text, columns text[], within interval, kind anyelement) IS 'Missed batches of these columns, of the type of the batch''s column.';

CREATE FUNCTION pgslo.planned_edge(definition text, columns text[], within interval, edge text, kind anyelement) RETURNS anyelement
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    AS $$
DECLARE
    key text;
    value kind%TYPE;
    found kind%TYPE;
BEGIN
    FOREACH key IN ARRAY (pgslo.told_by_rows(planned_edge.definition, planned_edge.columns, planned_edge.within, pg_typeof(kind))).keys LOOP
        -- An assignment reads the text by the type's input function.
        value := key;
        IF found IS NULL OR planned_edge.edge = 'first' AND value < found OR planned_edge.edge <> 'first' AND value > found THEN
            found := value;
        END IF;
    END LOOP;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo.planned_edge(definition text, columns text[], within interval, edge text, kind anyelement) IS 'The first or last missed batch of these columns: two comparisons spare most rows the search among all.';

CREATE FUNCTION pgslo.planned_null(definition text, columns text[], within interval, kind anyelement) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- No type: no key is asked for.
    RETURN (pgslo.told_by_rows(planned_null.definition, planned_null.columns, planned_null.within, NULL)).has_null;
END
$$;

COMMENT ON FUNCTION pgslo.planned_null(definition text, columns text[], within interval, kind anyelement) IS 'Whether rows without a batch are missed.';

CREATE FUNCTION pgslo.hit(batch date, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::date) OR ((batch >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::date)) AND (batch <= pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::date)) AND (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::date)))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::date)));

COMMENT ON FUNCTION pgslo.hit(batch date, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(batch bigint, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::bigint) OR ((batch >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::bigint)) AND (batch <= pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::bigint)) AND (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::bigint)))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::bigint)));

COMMENT ON FUNCTION pgslo.hit(batch bigint, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(batch numeric, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::numeric) OR ((batch >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::numeric)) AND (batch <= pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::numeric)) AND (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::numeric)))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::numeric)));

COMMENT ON FUNCTION pgslo.hit(batch numeric, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(batch text, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::text) OR (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::text))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::text)));

COMMENT ON FUNCTION pgslo.hit(batch text, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(batch timestamp without time zone, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::timestamp without time zone) OR ((batch >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::timestamp without time zone)) AND (batch <= pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::timestamp without time zone)) AND (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::timestamp without time zone)))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::timestamp without time zone)));

COMMENT ON FUNCTION pgslo.hit(batch timestamp without time zone, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(batch timestamp with time zone, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::timestamp with time zone) OR ((batch >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::timestamp with time zone)) AND (batch <= pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::timestamp with time zone)) AND (batch = ANY (pgslo.planned_batches(definition, columns, within, NULL::timestamp with time zone)))) OR ((batch IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::timestamp with time zone)));

COMMENT ON FUNCTION pgslo.hit(batch timestamp with time zone, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(moment date, every interval, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::date) OR ((moment >= LEAST(pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::date), '294276-12-31'::date)) AND (moment <= ((pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::date) + every) + '1 day'::interval)) AND (date_bin(every, (CASE WHEN (moment > '294276-12-31'::date) THEN 'infinity'::date ELSE moment END)::timestamp without time zone, '2001-01-01 00:00:00'::timestamp without time zone) = ANY (pgslo.planned_batches(definition, columns, within, NULL::timestamp without time zone)))) OR ((moment IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::date)));

COMMENT ON FUNCTION pgslo.hit(moment date, every interval, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(moment timestamp without time zone, every interval, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::timestamp without time zone) OR ((moment >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::timestamp without time zone)) AND (moment <= (pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::timestamp without time zone) + every)) AND (date_bin(every, moment, '2001-01-01 00:00:00'::timestamp without time zone) = ANY (pgslo.planned_batches(definition, columns, within, NULL::timestamp without time zone)))) OR ((moment IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::timestamp without time zone)));

COMMENT ON FUNCTION pgslo.hit(moment timestamp without time zone, every interval, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.hit(moment timestamp with time zone, every interval, definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (pgslo.planned_any(definition, columns, within, NULL::timestamp with time zone) OR ((moment >= pgslo.planned_edge(definition, columns, within, 'first'::text, NULL::timestamp with time zone)) AND (moment <= (pgslo.planned_edge(definition, columns, within, 'last'::text, NULL::timestamp with time zone) + every)) AND (date_bin(every, moment, '2001-01-01 00:00:00+00'::timestamp with time zone) = ANY (pgslo.planned_batches(definition, columns, within, NULL::timestamp with time zone)))) OR ((moment IS NULL) AND pgslo.planned_null(definition, columns, within, NULL::timestamp with time zone)));

COMMENT ON FUNCTION pgslo.hit(moment timestamp with time zone, every interval, definition text, columns text[], within interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE FUNCTION pgslo.is_current(definition text, planned text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pgslo_catalog.is_known(is_current.definition, NULL, is_current.planned);
END
$$;

COMMENT ON FUNCTION pgslo.is_current(definition text, planned text[]) IS 'Whether a plan knows all that concerns readers of a definition now.';

CREATE FUNCTION pgslo.learn(definition text, batches integer DEFAULT 400) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_fuzzy_search_limit TO '0'
    AS $$
DECLARE
    names text[];
    counts bigint[];
    learned integer := 0;
BEGIN
    SELECT array_agg(h.batch), array_agg(h.rows) INTO names, counts FROM pgslo.history(learn.definition, learn.batches) AS h;
    -- A few batches at a time, and so a few scans where no index helps, and never all samples in memory.
    FOR low IN 1..coalesce(cardinality(names), 0) BY 20 LOOP
        learned := learned + pgslo.learn_batches(learn.definition, names[low:low + 19], (SELECT max(c.rows) FROM unnest(counts[low:low + 19]) AS c (rows)));
    END LOOP;
    RETURN learned;
END
$$;

COMMENT ON FUNCTION pgslo.learn(definition text, batches integer) IS 'Takes the profiles of the newest batches that are in the table, so that bounds need not wait for new ones; opens no incident.';

CREATE FUNCTION pgslo.learn_batches(definition text, batches text[], largest bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_fuzzy_search_limit TO '0'
    AS $$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_history(learn_batches.definition);
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    mask bigint := pgslo_catalog.sample_mask(learn_batches.largest);
    one pgslo_catalog.measured;
    taken pgslo_catalog.batch;
    learned integer := 0;
BEGIN
    IF learn_batches.batches[1] IS NULL THEN
        RETURN 0;  -- Without a name, all of the table would be counted.
    END IF;
    -- Beside tick(), which would count the same batches; writers and readers do not wait for it.
    PERFORM pgslo_catalog.wait_for_turn('tick');
    FOR one IN
        SELECT c.*
        FROM unnest(pgslo_catalog.replace_counts(target, learn_batches.batches[1],
            learn_batches.batches[cardinality(learn_batches.batches)], mask, learn_batches.batches, false)) AS c
        ORDER BY c.place
    LOOP
        PERFORM pgslo_catalog.take_count(target, one, mask);
        UPDATE pgslo_catalog.batch b SET closed_at = coalesce(b.closed_at, clock_timestamp()), revision = greatest(b.revision, 1)
        WHERE b.definition_id = target.definition_id AND b.name = one.batch
        RETURNING b.* INTO taken;
        BEGIN
            PERFORM pgslo_catalog.profile_batch(target, taken, columns, one.sample, pgslo_catalog.level_of(mask), taken.present);
            learned := learned + 1;
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                RAISE;
            END IF;
            -- The other batches are learned from.
            PERFORM pgslo_catalog.record_unprofiled(taken, SQLSTATE, SQLERRM);
        END;
    END LOOP;
    -- What is missing in history is no news.
    DELETE FROM pgslo_catalog.expected_look l
    WHERE l.rule_id IN (SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = target.definition_id);
    PERFORM pgslo_catalog.judge_expected(target);
    RETURN learned;
END
$$;

COMMENT ON FUNCTION pgslo.learn_batches(definition text, batches text[], largest bigint) IS 'Takes the profiles of some batches that follow each other, oldest first; the largest has so many rows. Opens no incident.';

CREATE FUNCTION pgslo.learned(definition text) RETURNS TABLE(column_name text, batches integer, needed integer, state text, usual text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH target AS (
        SELECT d.* FROM pgslo_catalog.definition d WHERE d.name = learned.definition
    ), watched AS (
        SELECT w.column_name, w.kind, w.ordinal FROM pgslo_catalog.watched_column w JOIN target USING (definition_id)
        UNION ALL
        SELECT '*', 'table', -1 FROM target
    ), newest AS MATERIALIZED (
        SELECT w.column_name, w.kind, w.ordinal, p.batches, p.sampled
        FROM watched w
        LEFT JOIN LATERAL (
            SELECT q.learned_from + q.baseline::integer AS batches, q.sampled FROM pgslo_catalog.profile q JOIN target USING (definition_id)
            WHERE q.column_name = w.column_name ORDER BY q.place DESC LIMIT 1
        ) p ON true
    ), range AS MATERIALIZED (
        SELECT n.column_name, k.name, k.kind, k.words, min(x.value) AS low, max(x.value) AS high
        FROM newest n
        CROSS JOIN LATERAL (
            SELECT q.summary FROM pgslo_catalog.profile q JOIN target USING (definition_id)
            WHERE q.column_name = n.column_name AND q.baseline ORDER BY q.place DESC LIMIT 28
        ) h
        JOIN pgslo_catalog.summary_kinds() k ON k.name = ANY (CASE n.kind
            WHEN 'table' THEN ARRAY['rows', 'duplicate'] WHEN 'number' THEN ARRAY['null', 'p05', 'p50', 'p95']
            WHEN 'time' THEN ARRAY['null', 'hour'] ELSE ARRAY['null', 'distinct', 'top', 'length_mean'] END)
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind = 'log' THEN exp(h.summary[k.ordinal]) ELSE h.summary[k.ordinal] END AS value) x
        WHERE x.value IS NOT NULL
        GROUP BY n.column_name, k.ordinal, k.name, k.kind, k.words
    ), told AS (
        SELECT r.column_name,
               string_agg(format('%s %s', r.words, CASE
                   WHEN pgslo_catalog.amount(r.low, r.kind) = pgslo_catalog.amount(r.high, r.kind) THEN pgslo_catalog.amount(r.low, r.kind)
                   ELSE pgslo_catalog.amount(r.low, r.kind) || ' to ' || pgslo_catalog.amount(r.high, r.kind) END), ', ' ORDER BY k.ordinal) AS usual
        FROM range r JOIN pgslo_catalog.summary_kinds() k USING (name)
        GROUP BY r.column_name
    )
    SELECT n.column_name, coalesce(n.batches, 0), greatest(pgslo_catalog.least_batches() - coalesce(n.batches, 0), 0),
           CASE
               WHEN n.batches IS NULL THEN 'unknown: no batch of it was seen yet'
               WHEN n.batches < pgslo_catalog.least_batches() THEN format('unknown: %s of %s batches are known', n.batches, pgslo_catalog.least_batches())
               WHEN n.sampled = 0 THEN 'unknown: its newest batch has no value'
               WHEN n.batches < pgslo_catalog.enough_batches() THEN format('known, with wider bounds until there are %s batches (%s so far)', pgslo_catalog.enough_batches(), n.batches)
               ELSE 'known'
           END,
           t.usual
    FROM newest n LEFT JOIN told t USING (column_name)
    ORDER BY n.ordinal, n.column_name
$$;

COMMENT ON FUNCTION pgslo.learned(definition text) IS 'What is learned of each column in words, from how many batches, and how many more are needed; column * is the table.';

CREATE FUNCTION pgslo.mute(incident_id bigint, until timestamp with time zone, note text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(mute.incident_id);
BEGIN
    PERFORM pgslo_catalog.check_mute(mute.until);
    UPDATE pgslo_catalog.incident i SET muted_until = mute.until, note = coalesce(mute.note, i.note) WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format(CASE WHEN mute.until IS NULL THEN 'incident %s is heard again' ELSE 'incident %s muted' END, known.incident_id);
END
$$;

COMMENT ON FUNCTION pgslo.mute(incident_id bigint, until timestamp with time zone, note text) IS 'Keeps an incident from being told until a time; NULL ends that. Readers are warned all the same. For operators.';

CREATE FUNCTION pgslo.mute_rule(definition text, rule text, until timestamp with time zone) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM pgslo_catalog.check_mute(mute_rule.until);
    UPDATE pgslo_catalog.rule r
    SET muted_until = mute_rule.until, muted_at = clock_timestamp(), muted_by = pgslo_catalog.caller()
    FROM pgslo_catalog.definition d
    WHERE d.definition_id = r.definition_id AND d.name = mute_rule.definition AND r.name = mute_rule.rule AND r.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no rule "%s"', mute_rule.definition, mute_rule.rule),
            HINT = format('SELECT rule FROM pgslo.rule WHERE definition = %L;', mute_rule.definition);
    END IF;
    RETURN format(CASE WHEN mute_rule.until IS NULL THEN 'rule %s of %s is heard again' ELSE 'rule %s of %s muted' END, mute_rule.rule, mute_rule.definition);
END
$$;

COMMENT ON FUNCTION pgslo.mute_rule(definition text, rule text, until timestamp with time zone) IS 'Keeps incidents of a rule from being told until a time; NULL ends that. Readers are warned all the same. For operators.';

CREATE FUNCTION pgslo.pause(definition text DEFAULT NULL::text) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT d.definition_id, d.name FROM pgslo_catalog.definition d
        WHERE pause.definition IS NULL OR d.name = pause.definition
        ORDER BY d.name
    LOOP
        PERFORM pgslo_catalog.begin_pause(wanted.name, NULL);
        PERFORM pgslo_catalog.silence(k.name) FROM pgslo_catalog.keep_functions(wanted.name) AS k (name);
        RETURN NEXT wanted.name;
    END LOOP;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('%s has no definition in this database', coalesce(pause.definition, 'no table'));
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo.pause(definition text) IS 'Switches every trigger rule of a table, or of all, off without locking a table; constraints stay. Names the tables.';

CREATE FUNCTION pgslo.planned(definition text, within interval DEFAULT NULL::interval) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pgslo_catalog.concern_names(planned.definition, planned.within);
END
$$;

COMMENT ON FUNCTION pgslo.planned(definition text, within interval) IS 'Names of all concerns of a definition when a statement is planned.';

CREATE FUNCTION pgslo.planned_fine(definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM FROM pgslo_catalog.concern(planned_fine.definition, planned_fine.columns, planned_fine.within);
    RETURN NOT FOUND;
END
$$;

COMMENT ON FUNCTION pgslo.planned_fine(definition text, columns text[], within interval) IS 'Whether nothing concerns readers of these columns when a statement is planned.';

CREATE FUNCTION pgslo.queue_delivery(delivery_key text, recipient text, page bigint, event text, incidents bigint[], subject text, body text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pgslo.incident i WHERE i.page = queue_delivery.page AND i.incident_id = ANY (queue_delivery.incidents)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('page %s does not exist', queue_delivery.page),
            DETAIL = 'A message is about incidents that exist, on one page.',
            HINT = 'SELECT page, incident_id FROM pgslo.incident;';
    END IF;
    INSERT INTO pgslo_catalog.delivery (sender, delivery_key, recipient, page, event, incidents, subject, body)
    VALUES (pgslo_catalog.caller(), queue_delivery.delivery_key, queue_delivery.recipient, queue_delivery.page, queue_delivery.event, queue_delivery.incidents, queue_delivery.subject, queue_delivery.body)
    ON CONFLICT ON CONSTRAINT delivery_is_made_once DO NOTHING;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION pgslo.queue_delivery(delivery_key text, recipient text, page bigint, event text, incidents bigint[], subject text, body text) IS 'Write a message down to be sent by the caller, once a key and caller, and return whether it is new.';

CREATE FUNCTION pgslo.read(value anyelement, batch date, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch date, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, batch bigint, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch bigint, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, batch numeric, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch numeric, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, batch text, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch text, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, batch timestamp without time zone, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch timestamp without time zone, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, batch timestamp with time zone, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, batch timestamp with time zone, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, moment date, every interval, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, moment date, every interval, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, moment timestamp without time zone, every interval, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, moment timestamp without time zone, every interval, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read(value anyelement, moment timestamp with time zone, every interval, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$$;

COMMENT ON FUNCTION pgslo.read(value anyelement, moment timestamp with time zone, every interval, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view.';

CREATE FUNCTION pgslo.read_any(value anyelement, definition text, columns text[], on_read text, within interval DEFAULT NULL::interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value
                WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_any(value anyelement, definition text, columns text[], on_read text, within interval) IS 'A column of a guarded view whose rows do not tell their batch.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch date, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch date, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch bigint, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch bigint, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch numeric, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch numeric, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch text, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch text, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch timestamp without time zone, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch timestamp without time zone, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, batch timestamp with time zone, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, batch timestamp with time zone, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, moment date, every interval, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, moment date, every interval, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, moment timestamp without time zone, every interval, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, moment timestamp without time zone, every interval, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.read_hit(value anyelement, moment timestamp with time zone, every interval, definition text, columns text[], on_read text, within interval) RETURNS anyelement
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$$;

COMMENT ON FUNCTION pgslo.read_hit(value anyelement, moment timestamp with time zone, every interval, definition text, columns text[], on_read text, within interval) IS 'A column that misses a rule, of a guarded view.';

CREATE FUNCTION pgslo.readiness(task text) RETURNS TABLE(about text, definition text, column_name text, batch text, is_ready boolean, said text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
            training := pgslo_catalog.wanted_snapshot(readiness.task, gate -> 'training');
        END IF;
        IF gate ? 'evaluation' THEN
            RETURN QUERY SELECT r.* FROM pgslo_catalog.snapshot_readiness(readiness.task, 'evaluation', gate -> 'evaluation') AS r;
            evaluation := pgslo_catalog.wanted_snapshot(readiness.task, gate -> 'evaluation');
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
$$;

COMMENT ON FUNCTION pgslo.readiness(task text) IS 'What a task needs before it is trained, point by point, and whether it is so: columns, tables, snapshots.';

CREATE FUNCTION pgslo.ready(task text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT bool_and(r.is_ready) FROM pgslo.readiness(ready.task) AS r $$;

COMMENT ON FUNCTION pgslo.ready(task text) IS 'Whether a task may be trained now; pgslo.readiness() gives the reasons.';

CREATE FUNCTION pgslo.recount_pairs(definition text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    completed bigint;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = recount_pairs.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', recount_pairs.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    ELSIF target.pairs IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('nothing is measured of the predictions of %s', target.name),
            HINT = 'Say it in the definition: kind: predictions, with labels or a rule of the kind ml_metric.';
    END IF;
    PERFORM pgslo_catalog.wait_for_turn('tick');
    PERFORM pgslo_catalog.want_pairs_anew(target.name);
    completed := pgslo_catalog.complete_pairs(target);
    PERFORM pgslo_catalog.follow_pairs(target);
    RETURN completed;
END
$$;

COMMENT ON FUNCTION pgslo.recount_pairs(definition text) IS 'Counts all pairs of predictions and labels anew from the tables, for writes that no trigger saw, and judges what changed; returns the predictions.';

CREATE FUNCTION pgslo.release(quarantine_id bigint, changes jsonb DEFAULT '{}'::jsonb, as_update text[] DEFAULT NULL::text[]) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '3'
    SET lc_monetary TO 'C'
    SET array_nulls TO 'on'
    AS $_$
DECLARE
    held pgslo_catalog.quarantine;
    target pgslo_catalog.definition;
    columns_then jsonb;
    columns_now jsonb;
    names text[];
    known text[];
    -- Names of columns now by their names then, but for those that were dropped.
    called jsonb;
    -- The columns that an UPDATE changed, by their names now.
    changed text[];
    renamed jsonb;
    unknown text;
    source text;
    written bigint;
    again pgslo_catalog.quarantine;
    newest bigint := coalesce((SELECT max(q.quarantine_id) FROM pgslo_catalog.quarantine q), 0);
    is_update boolean;
    -- An upsert is kept before PostgreSQL looks for the row with its key.
    is_upsert boolean := release.as_update IS NOT NULL;
    key_column text;
    old_key text;
    change text;
    said text;
    about text;
    constraint_name text;
    -- Names of the key's columns now: one may have been renamed since the definition was applied.
    key_names text[];
BEGIN
    SELECT q.* INTO held FROM pgslo_catalog.quarantine q WHERE q.quarantine_id = release.quarantine_id FOR UPDATE;
    IF NOT FOUND OR held.state <> 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('row %s is not held in quarantine', release.quarantine_id),
            DETAIL = CASE WHEN held.state IS NULL THEN 'There is no such row.' ELSE format('It was %s at %s by %s.', held.state, held.decided_at, held.decided_by) END,
            HINT = 'SELECT * FROM pgslo.quarantine;';
    END IF;
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = held.definition_id;
    is_upsert := is_upsert AND held.operation = 'INSERT';
    is_update := held.operation = 'UPDATE' OR is_upsert;
    PERFORM pgslo_catalog.pin_table(target, coalesce(target.writer, target.reader));
    PERFORM pgslo_catalog.check_cursors(target);
    key_names := ARRAY(
        SELECT coalesce(a.attname, k.name)
        FROM unnest(target.key_columns, pgslo_catalog.column_numbers(target.relation, target.key_columns)) WITH ORDINALITY AS k (name, number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = target.relation AND a.attnum = k.number
        ORDER BY k.place);

    SELECT min(k.name) INTO unknown
    FROM jsonb_object_keys(release.changes) AS k (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '');
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('column "%s" of %s does not exist or is generated', unknown, target.name);
    END IF;

    SELECT min(n.name) INTO unknown
    FROM unnest(release.as_update) AS n (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
          AND a.attname <> ALL (key_names));
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('column "%s" of %s cannot be updated', unknown, target.name),
            DETAIL = 'It does not exist, is generated, or belongs to the key.';
    END IF;
    unknown := NULL;
    -- With the rights of its owner, if that is another role.
    IF target.writer IS NULL THEN
        -- So that nobody adds a trigger between this look and the write.
        EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target.relation);
        unknown := pgslo_catalog.strange_code(target.relation, is_update);
    END IF;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('In %s, %s; its code would run with the rights of pgslo''s owner.', target.name, unknown),
            HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; '
                          'write it by hand and discard this one.', release.quarantine_id);
    END IF;
    IF is_update AND held.old_key IS NULL AND NOT is_upsert THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('cannot determine the row of %s that row %s updates', target.name, release.quarantine_id),
            DETAIL = 'A key column was renamed or dropped, and the definition was not applied again, before the row was written.',
            HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.', release.quarantine_id);
    END IF;
    -- The key says which row is written. Who releases decides about the held row, not about another one.
    SELECT k.name INTO key_column FROM unnest(key_names) WITH ORDINALITY AS k (name, ordinal) WHERE release.changes ? k.name ORDER BY k.ordinal LIMIT 1;
    IF key_column IS NOT NULL AND (is_update OR NOT has_table_privilege(pgslo_catalog.caller(), target.relation, 'INSERT')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot change key column "%s" of a row in quarantine', key_column),
            DETAIL = CASE WHEN is_update THEN 'The row is an update of the row with its key.'
                          ELSE format('Only roles with INSERT on %s may give the row another key.', target.name) END,
            HINT = 'Release it with its key, or discard it: pgslo.discard(id).',
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1),
            COLUMN = key_column;
    END IF;

    columns_now := pgslo_catalog.columns_of(held.relation);
    columns_then := held.columns;
    IF columns_then #> '{0,2}' <> columns_now #> '{0,2}' THEN
        -- It came out of a dump, or its table was made anew, which numbers tables and columns anew: only names say which is which.
        SELECT jsonb_agg(jsonb_build_array(n.said -> 0, w.said -> 1) ORDER BY w.ordinal), min(w.said ->> 1) FILTER (WHERE n.said IS NULL)
        INTO columns_then, unknown
        FROM jsonb_array_elements(held.columns) WITH ORDINALITY AS w (said, ordinal)
        LEFT JOIN jsonb_array_elements(columns_now) AS n (said) ON n.said -> 1 = w.said -> 1;
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('row %s does not fit %s any more', release.quarantine_id, target.name),
                DETAIL = format('The table was restored from a dump or made anew, and has no column "%s" any more; what became of it cannot be told.', unknown),
                HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.', release.quarantine_id);
        END IF;
    END IF;

    -- Numbers are those of the relation that the row was written to, which may be a partition.
    SELECT jsonb_object_agg(w.said ->> 1, coalesce(a.attname, w.said ->> 1)) INTO called
    FROM jsonb_array_elements(columns_then) AS w (said)
    LEFT JOIN pg_attribute a ON a.attrelid = held.relation AND a.attnum = (w.said ->> 0)::smallint
    WHERE a.attisdropped IS NOT TRUE;

    -- The text form is exact, and read by place; it fits as long as the columns are the same, by whatever names.
    known := ARRAY(SELECT c ->> 1 FROM jsonb_array_elements(columns_now) AS c);
    IF jsonb_path_query_array(columns_then, '$[*][0]') = jsonb_path_query_array(columns_now, '$[*][0]') THEN
        BEGIN
            -- A literal, which the row type reads itself: casts of text to it may be its owner's.
            change := format('SELECT %L::%s IS NULL', held.image_text, held.relation);
            IF target.reader IS NULL THEN
                EXECUTE change;
            ELSE
                EXECUTE format('SELECT FROM pgslo_gen.%I($1) AS n (is_null boolean)', target.reader) USING change;
            END IF;
            source := format('jsonb_populate_record(%L::%s, %L::jsonb)', held.image_text, held.relation, release.changes);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            source := NULL;  -- A column's type changed, and does not read the old text.
        END;
    END IF;
    IF source IS NULL THEN
        IF held.image IS NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('row %s does not fit %s any more', release.quarantine_id, target.name),
                DETAIL = 'The table''s columns changed since, and the row holds a value that can only be read by place.',
                HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.', release.quarantine_id);
        END IF;
        SELECT array_agg(c.name_now), jsonb_object_agg(c.name_now, held.image -> c.name_then)
        INTO known, renamed
        FROM jsonb_each_text(called) AS c (name_then, name_now);
        source := format('jsonb_populate_record(NULL::%s, %L::jsonb)', target.relation, renamed || release.changes);
    END IF;

    changed := ARRAY(SELECT called ->> c.name FROM unnest(held.changed) AS c (name));
    names := ARRAY(
        SELECT quote_ident(a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND (NOT is_update OR a.attidentity <> 'a')
          AND (a.attname = ANY (known) OR release.changes ? a.attname)
          -- Others may have changed the row since, with rights that neither the writer nor the steward has.
          AND (NOT is_update OR is_upsert OR a.attname = ANY (changed) OR release.changes ? a.attname)
          AND (NOT is_upsert OR a.attname <> ALL (key_names) AND (release.as_update = '{}' OR a.attname = ANY (release.as_update)))
        ORDER BY a.attnum);
    IF names = '{}' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('row %s changes no column of %s that can be updated', release.quarantine_id, target.name),
            HINT = 'Discard it: pgslo.discard(id).';
    END IF;
    -- An upsert takes UPDATE on what it sets. Who releases an INSERT as one must not gain that by it.
    SELECT min(n.name) INTO unknown
    FROM pg_attribute a
    JOIN unnest(names) AS n (name) ON n.name = quote_ident(a.attname)
    WHERE is_upsert AND a.attrelid = target.relation AND a.attnum > 0
      AND NOT coalesce(has_column_privilege((SELECT r.oid FROM pg_roles r WHERE r.rolname = held.writer), target.relation, a.attnum, 'UPDATE'), false)
      AND NOT has_column_privilege(pgslo_catalog.caller(), target.relation, a.attnum, 'UPDATE');
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s as an update of column %s', release.quarantine_id, unknown),
            DETAIL = format('Neither its writer, role %s, nor role %s has UPDATE on it.', quote_ident(held.writer), quote_ident(pgslo_catalog.caller())),
            HINT = 'Name the columns that the writer updates.';
    END IF;

    -- Before the write, whose errors say which keys there are.
    change := CASE WHEN is_update THEN 'UPDATE' ELSE 'INSERT' END;
    unknown := pgslo_catalog.unchecked_policy(target.relation, held.relation, held.writer, held.operation, names);
    IF unknown IS NOT NULL AND pgslo_catalog.may_write(pgslo_catalog.caller(), target.relation, names, change) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('PostgreSQL did not check %s: the row was quarantined before.', unknown),
            HINT = format('A role with %s on %s to which no policy applies can release it. Or discard it: pgslo.discard(%s).',
                          change, target.name, release.quarantine_id),
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1);
    END IF;

    IF is_upsert THEN
        SELECT string_agg(CASE WHEN pgslo_catalog.is_plain(a.atttypid) THEN format('t.%1$I = r.%1$I', a.attname)
                               ELSE format('%s = %s', pgslo_catalog.text_of(format('t.%I', a.attname), a.atttypid), pgslo_catalog.text_of(format('r.%I', a.attname), a.atttypid)) END, ' AND ')
        INTO old_key
        FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = ANY (key_names) AND a.attnum > 0 AND NOT a.attisdropped;
    ELSIF is_update THEN
        -- The row with the key that it had before: the image may hold another one, and so may the changes.
        -- Which operator compares values of a type that is not PostgreSQL's own, casts decide.
        SELECT CASE WHEN count(*) = count(a.attname) THEN string_agg(format('%s = %L',
                   CASE WHEN pgslo_catalog.is_plain(a.atttypid) THEN format('t.%I', a.attname) ELSE pgslo_catalog.text_of(format('t.%I', a.attname), a.atttypid) END,
                   held.old_key ->> k.name), ' AND ' ORDER BY k.name) FILTER (WHERE a.attname IS NOT NULL) END INTO old_key
        FROM jsonb_object_keys(held.old_key) AS k (name)
        LEFT JOIN pg_attribute a ON a.attrelid = target.relation AND a.attname = called ->> k.name AND a.attnum > 0 AND NOT a.attisdropped;
    END IF;
    IF is_update THEN
        change := format(
            'UPDATE %s AS t SET (%s) = ROW(%s) FROM %s AS r WHERE %s',
            target.relation,
            array_to_string(names, ', '),
            (SELECT string_agg('r.' || n.name, ', ' ORDER BY n.ordinal) FROM unnest(names) WITH ORDINALITY AS n (name, ordinal)),
            source,
            coalesce(old_key, 'false'));
    ELSE
        change := format(
            'INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s AS r',
            target.relation,
            array_to_string(names, ', '),
            (SELECT string_agg('r.' || n.name, ', ' ORDER BY n.ordinal) FROM unnest(names) WITH ORDINALITY AS n (name, ordinal)),
            source);
    END IF;
    BEGIN
        written := pgslo_catalog.write_released(target, change);
    EXCEPTION
    WHEN unique_violation THEN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, about = PG_EXCEPTION_DETAIL, constraint_name = CONSTRAINT_NAME;
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = said,
            DETAIL = about,
            HINT = CASE WHEN is_update THEN '' ELSE format('To update the row that is there, as ON CONFLICT DO UPDATE would: pgslo.release(%s, as_update => ''{column}'').', release.quarantine_id) END,
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1),
            CONSTRAINT = constraint_name;
    WHEN SQLSTATE 'SL004' THEN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, about = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('%s: %s', said, about),
            HINT = format('Write the row as role %s, and discard this one.',
                          (SELECT quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class c WHERE c.oid = target.relation));
    END;

    IF written <> 1 THEN
        SELECT q.* INTO again FROM pgslo_catalog.quarantine q WHERE q.quarantine_id > newest AND q.definition_id = held.definition_id ORDER BY q.quarantine_id DESC LIMIT 1;
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('row %s still cannot be written to %s', release.quarantine_id, target.name),
            DETAIL = coalesce(
                (SELECT string_agg(format('%s; rule "%s" wants: %s', reason ->> 'shown', reason ->> 'rule', reason ->> 'promise'), '; ') FROM jsonb_array_elements(again.reasons) reason) || '.',
                CASE WHEN is_upsert THEN format('The row with key %s is not there to be updated.', held.row_key) END,
                format('The row with key %s is not there to be updated.', (SELECT format('(%s) = (%s)', string_agg(k.name, ', ' ORDER BY k.ordinal), string_agg(held.old_key ->> k.name, ', ' ORDER BY k.ordinal)) FROM unnest(target.key_columns) WITH ORDINALITY AS k (name, ordinal)))),
            HINT = 'Repair it on the way: pgslo.release(id, ''{"column": value}''), or discard it: pgslo.discard(id).';
    END IF;
    UPDATE pgslo_catalog.quarantine q
    SET state = 'released', decided_at = clock_timestamp(), decided_by = pgslo_catalog.caller(), changes = nullif(release.changes, '{}')
    WHERE q.quarantine_id = release.quarantine_id;
    RETURN format('row %s written to %s', release.quarantine_id, target.name);
END
$_$;

COMMENT ON FUNCTION pgslo.release(quarantine_id bigint, changes jsonb, as_update text[]) IS 'Writes a quarantined row to its table, with changes if given; every rule judges it again. as_update: columns to set in the row that has its key, {} for all.';

CREATE FUNCTION pgslo.resolve(incident_id bigint, resolution text, note text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.incident;
    newest record;
BEGIN
    IF resolve.resolution IS NULL OR resolve.resolution NOT IN ('real', 'false_alarm') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('an incident is resolved as real or as false_alarm, not as %s', coalesce(resolve.resolution, 'NULL')),
            HINT = 'met and healed are for pgslo to say.';
    END IF;
    known := pgslo_catalog.open_one(resolve.incident_id);
    SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    IF resolve.resolution = 'false_alarm' THEN
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'false_alarm', ended_by = pgslo_catalog.caller(), reason = resolve.note
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL;
    END IF;
    PERFORM pgslo_catalog.end_incident(known.incident_id, resolve.resolution, newest.batch, newest.place, resolve.note);
    PERFORM pgslo_catalog.learn_from(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN (
        SELECT CASE
            WHEN i.resolved_at IS NULL THEN format('incident %s is real and over, %s', i.incident_id, pgslo_catalog.stored_said(i))
            ELSE format('incident %s resolved as %s', i.incident_id, CASE resolve.resolution WHEN 'real' THEN 'real' ELSE 'false alarm' END) END
        FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id);
END
$$;

COMMENT ON FUNCTION pgslo.resolve(incident_id bigint, resolution text, note text) IS 'Ends an incident, as real or as false_alarm; a real one is over while its missed batches are stored. It is reopened if the next batch misses as well. For operators.';

CREATE FUNCTION pgslo.resume(definition text DEFAULT NULL::text) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    wanted record;
    kept record;
BEGIN
    FOR wanted IN
        SELECT DISTINCT d.definition_id, d.name
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.pause p USING (definition_id)
        WHERE p.resumed_at IS NULL AND (resume.definition IS NULL OR d.name = resume.definition)
        ORDER BY d.name
    LOOP
        FOR kept IN
            DELETE FROM pgslo_catalog.paused_function k WHERE k.definition_id = wanted.definition_id RETURNING k.function_name, k.source
        LOOP
            IF to_regprocedure(format('pgslo_gen.%I()', kept.function_name)) IS NOT NULL THEN
                EXECUTE kept.source;
            END IF;
        END LOOP;
        PERFORM pgslo_catalog.want_pairs_anew(wanted.name);
        UPDATE pgslo_catalog.rule_break k
        SET said = s.said, error_message = s.said
        FROM pgslo_catalog.pause p
        CROSS JOIN LATERAL (
            SELECT format('rows written between %s and %s UTC were not judged, it was switched off by role %s',
                          to_char(p.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                          to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), p.paused_by) AS said) AS s
        WHERE k.pause_id = p.pause_id AND p.definition_id = wanted.definition_id AND p.resumed_at IS NULL;
        UPDATE pgslo_catalog.pause p SET resumed_at = clock_timestamp(), resumed_by = pgslo_catalog.caller()
        WHERE p.definition_id = wanted.definition_id AND p.resumed_at IS NULL;
        -- The next tick() counts each batch from the table: nothing was recorded meanwhile.
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
        SELECT d.definition_id, '', '-Infinity', 0, 'recount'
        FROM pgslo_catalog.definition d
        WHERE d.definition_id = wanted.definition_id AND d.writes = 'bulk' AND d.recount IS NOT NULL;
        RETURN NEXT wanted.name;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo.resume(definition text) IS 'Switches everything that was paused of a table, or of all, on again. Names the tables.';

CREATE FUNCTION pgslo.seal_snapshot(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    reader name := pgslo_catalog.caller();
    begun pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(seal_snapshot.name);
    target pgslo_catalog.definition;
    source record;
    known record;
    one text;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = begun.definition;
    IF begun.content_hash IS NOT NULL OR begun.taken_by <> reader OR target.definition_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('snapshot "%s" is not yours to seal', begun.name);
    END IF;
    EXECUTE format('REVOKE INSERT ON TABLE pgslo_snapshot.%I FROM %I', begun.name, reader);
    IF begun.is_checked AND begun.condition IS NOT NULL THEN
        -- A role that may fill the table may fill it with anything.
        begun.is_checked := pgslo_catalog.can_be_read(begun);
        IF begun.is_checked THEN
            PERFORM pgslo_catalog.check_rows(begun);
        END IF;
    END IF;
    DELETE FROM pgslo_catalog.snapshot_room r WHERE r.table_name = begun.name;
    INSERT INTO pgslo_catalog.snapshot_batch (snapshot_id, batch, place, rows, sums)
    SELECT begun.snapshot_id, c.batch, c.place, c.rows, c.sums FROM pgslo_catalog.content_of(begun, begun.name) AS c;
    SELECT * INTO known FROM pgslo_catalog.whole_of(begun.snapshot_id);
    INSERT INTO pgslo_catalog.snapshot_column SELECT * FROM pgslo_catalog.profile_rows(begun, begun.name, known.rows);
    UPDATE pgslo_catalog.snapshot s
    SET rows = known.rows, is_checked = begun.is_checked, content_hash = pgslo_catalog.content_hash(s.columns, known.rows, known.sums),
        (newest_batch, newest_place) = (SELECT b.batch, b.place FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = s.snapshot_id AND s.batch_by IS NOT NULL AND b.place <= pgslo_catalog.last_place(target) ORDER BY b.place DESC LIMIT 1),
        incidents = coalesce((
            SELECT jsonb_agg(jsonb_build_object('incident', i.incident_id, 'rule', r.name, 'columns', r.columns, 'since', i.opened_at, 'batch', i.opened_batch) ORDER BY i.incident_id)
            FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id)
            -- Batches of one that is over are left out of healthy rows.
            WHERE i.definition_id = target.definition_id AND i.resolved_at IS NULL AND (i.over_at IS NULL OR s.left_out IS NULL)
              AND (r.columns = '{}' OR r.columns && ARRAY(SELECT c ->> 'name' FROM jsonb_array_elements(s.columns) AS c))), '[]')
    WHERE s.snapshot_id = begun.snapshot_id
    RETURNING s.* INTO begun;
    IF NOT begun.is_copy THEN
        EXECUTE format('DROP TABLE pgslo_snapshot.%I', begun.name);
        RETURN;
    END IF;
    EXECUTE format('CREATE TRIGGER pgslo_refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgslo_snapshot.%I FOR EACH STATEMENT EXECUTE FUNCTION pgslo_snapshot.refuse_change()', begun.name);
    EXECUTE format('ALTER TABLE pgslo_snapshot.%I ENABLE ALWAYS TRIGGER pgslo_refuse_change', begun.name);
    -- Every role that may connect can read comments, of tables that it may not read as well: nothing of rows, conditions or roles is in them.
    EXECUTE format('COMMENT ON TABLE pgslo_snapshot.%I IS %L', begun.name,
        'A snapshot that pgslo took; pgslo.snapshot tells of it to roles that may read its view.');
    SELECT c.relacl, c.relowner, n.oid AS schema, n.nspacl, t.relrowsecurity INTO source
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_class t
    WHERE n.nspname = begun.source_schema AND c.relname = begun.source_name AND t.oid = target.relation;
    -- Who may read the view may read what was in it; but where each reader sees rows of his own, it holds the taker's.
    FOR one IN
        SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END
        FROM (
            SELECT u.grantee
            FROM aclexplode(coalesce(source.relacl, acldefault('r', source.relowner))) AS a
            CROSS JOIN LATERAL (
                SELECT a.grantee WHERE a.grantee <> 0 AND has_schema_privilege(a.grantee, source.schema, 'USAGE')
                UNION ALL
                -- All may read the view who may use its schema.
                SELECT s.grantee FROM aclexplode(source.nspacl) AS s WHERE a.grantee = 0 AND s.privilege_type = 'USAGE'
            ) AS u
            WHERE a.privilege_type = 'SELECT' AND NOT source.relrowsecurity
            UNION ALL SELECT r.oid FROM pg_roles r WHERE r.rolname = reader
        ) AS g
    LOOP
        EXECUTE format('GRANT SELECT ON TABLE pgslo_snapshot.%I TO %s', begun.name, one);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo.seal_snapshot(name text) IS 'Part of create_snapshot(): works out what is told of the rows, and keeps them as they are.';

CREATE FUNCTION pgslo.see_run(task_run_id bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    UPDATE pgslo_catalog.task_run r SET seen_at = clock_timestamp()
    WHERE r.task_run_id = see_run.task_run_id AND r.state = 'running' AND r.started_by = pgslo_catalog.caller()
$$;

COMMENT ON FUNCTION pgslo.see_run(task_run_id bigint) IS 'Says that a run is still under way.';

CREATE FUNCTION pgslo.snapshot_diff(one text, other text) RETURNS TABLE(column_name text, change text, type_one text, type_other text, null_share_one double precision, null_share_other double precision, summary_one jsonb, summary_other jsonb, distance double precision, by_chance double precision, has_drifted boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    first pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.one);
    second pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_diff.other);
BEGIN
    RETURN QUERY
    SELECT coalesce(b.column_name, a.column_name),
           CASE WHEN a.column_name IS NULL THEN 'added' WHEN b.column_name IS NULL THEN 'gone' WHEN a.column_type <> b.column_type THEN 'retyped' ELSE 'kept' END,
           a.column_type, b.column_type, (1 - a.present / nullif(first.rows, 0)::float8), (1 - b.present / nullif(second.rows, 0)::float8),
           a.summary, b.summary, d.distance, d.by_chance,
           coalesce(d.distance > d.by_chance, false)
               -- Two shares of null, by their normal approximation; three standard errors.
               OR abs(asin(sqrt(greatest(1 - a.present / nullif(first.rows, 0)::float8, 0))) - asin(sqrt(greatest(1 - b.present / nullif(second.rows, 0)::float8, 0))))
                  > 1.65 * sqrt(1.0 / nullif(first.rows, 0) + 1.0 / nullif(second.rows, 0))
    FROM (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = first.snapshot_id) AS a
    FULL JOIN (SELECT * FROM pgslo_catalog.snapshot_column c WHERE c.snapshot_id = second.snapshot_id) AS b ON b.column_name = a.column_name
    LEFT JOIN LATERAL pgslo_catalog.columns_apart(a, b) AS d ON a.column_type = b.column_type
    ORDER BY coalesce(b.ordinal, a.ordinal), a.ordinal;
END
$$;

COMMENT ON FUNCTION pgslo.snapshot_diff(one text, other text) IS 'Two snapshots column by column: their profiles, and how far their distributions are apart.';

CREATE FUNCTION pgslo.snapshot_query(name text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.snapshot := pgslo_catalog.snapshot_called(snapshot_query.name);
BEGIN
    IF known.is_copy THEN
        RETURN format('SELECT * FROM pgslo_snapshot.%I', known.name);
    END IF;
    PERFORM pgslo_catalog.check_rereading(known);
    RETURN (
        SELECT pgslo_catalog.reading(known, coalesce(array_agg(b.place ORDER BY b.place, b.batch), '{}'),
                                     coalesce(array_agg(b.batch ORDER BY b.place, b.batch), '{}'))
        FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = known.snapshot_id);
END
$$;

COMMENT ON FUNCTION pgslo.snapshot_query(name text) IS 'The query that reads a snapshot''s rows: of a copy as they are kept, of a reference from its view, those of its batches alone.';

CREATE FUNCTION pgslo.status_of(definition text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- A status view may be read through a view of another role, by one that may know the state alone.
    SELECT jsonb_build_object(
        'state', CASE WHEN count(*) = 0 THEN 'met' WHEN bool_or(p.code = '01SL1') THEN 'missed' ELSE 'unknown' END,
        'problems', coalesce(jsonb_agg(jsonb_build_object(
            'code', p.code, 'incident', p.incident_id, 'rule', p.rule, 'column', p.column_name, 'message', p.message, 'detail', p.detail
        ) ORDER BY p.incident_id) FILTER (WHERE pgslo_catalog.may_know(status_of.definition, pgslo_catalog.caller())), '[]'))
    FROM pgslo_catalog.problem(status_of.definition, ARRAY(
        SELECT '*' UNION ALL SELECT DISTINCT c.name FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r USING (definition_id) CROSS JOIN unnest(r.columns) AS c (name) WHERE d.name = status_of.definition)) p
$$;

COMMENT ON FUNCTION pgslo.status_of(definition text) IS 'What is wrong with a table, as jsonb, for clients that drop warnings.';

CREATE FUNCTION pgslo.subscribe(recipient text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO pgslo_catalog.recipient (recipient) VALUES (subscribe.recipient) ON CONFLICT ON CONSTRAINT recipient_is_known_once DO NOTHING;
    RETURN (SELECT r.since FROM pgslo_catalog.recipient r WHERE r.recipient = subscribe.recipient);
END
$$;

COMMENT ON FUNCTION pgslo.subscribe(recipient text) IS 'Makes a recipient known, and says since when it is; what was over before is no news to it.';

CREATE FUNCTION pgslo.tick() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_fuzzy_search_limit TO '0'
    SET lock_timeout TO '2s'
    SET client_min_messages TO 'warning'
    AS $$
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
    -- took until statement_timeout the last time come last: what was done by then is kept.
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
$$;

COMMENT ON FUNCTION pgslo.tick() IS 'Close and judge batches that are due, up to 50 a table or for about a second where there are more, and return whether more are due: call it again then. Resolves incidents of streamed tables whose later batches met the rule, and opens and resolves what concurrent writers left to each other. Run it every minute, for example from pg_cron, with a statement_timeout.';

CREATE FUNCTION pgslo.told_by_rows(definition text, columns text[], within interval, kind regtype, OUT keys text[], OUT has_null boolean, OUT is_any boolean, OUT is_untold boolean) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    AS $_$
BEGIN
    SELECT coalesce(array_agg(DISTINCT c.batch) FILTER (WHERE c.batch <> 'NULL'), '{}'), coalesce(bool_or(c.batch = 'NULL'), false),
           coalesce(bool_or(c.batch IS NULL), false),
           -- A hash, the beginning of a long key, rows whose batch is not known, and years so late that their batch may have no end.
           coalesce(bool_or(c.batch IN ('', 'unknown') OR length(c.batch) >= 190 OR c.batch ~ '^text [0-9a-f]{32}$|^[0-9]{5,}-'), false)
    INTO keys, has_null, is_any, is_untold
    FROM pgslo_catalog.concern(told_by_rows.definition, told_by_rows.columns, told_by_rows.within) AS c;
    is_untold := is_untold
        OR coalesce(told_by_rows.kind <> ALL ('{date, timestamp, timestamptz, smallint, integer, bigint, numeric, text, uuid}'::regtype[]), true)
        -- A batch by another expression than today's may have no key of this type.
        OR keys <> '{}' AND NOT pgslo_catalog.are_keys(keys, told_by_rows.kind);
    -- Keys are written into the plan, which its role may have shown by EXPLAIN. That rows have none is one as well.
    IF (keys <> '{}' OR has_null) AND pgslo_catalog.may_know(told_by_rows.definition, pgslo_catalog.caller()) IS NOT TRUE THEN
        is_untold := true;
        has_null := false;
    END IF;
    is_any := is_any OR is_untold OR cardinality(keys) > pgslo_catalog.batches_told();
    IF is_untold THEN
        keys := '{}';
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo.told_by_rows(definition text, columns text[], within interval, kind regtype, OUT keys text[], OUT has_null boolean, OUT is_any boolean, OUT is_untold boolean) IS 'Keys of the batches that concern readers of these columns, as text; is_any if any row may be meant, is_untold if rows do not tell their batch.';

CREATE FUNCTION pgslo.unhealthy(definition text, columns text[], kind anyelement) RETURNS SETOF anyelement
    LANGUAGE plpgsql STABLE ROWS 5 PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN QUERY SELECT u.key FROM unnest(pgslo.planned_batches(unhealthy.definition, unhealthy.columns, NULL, unhealthy.kind)) AS u (key);
END
$$;

COMMENT ON FUNCTION pgslo.unhealthy(definition text, columns text[], kind anyelement) IS 'Batches that miss a rule over these columns, or over any if NULL, now, of the type of the batch''s column.';

CREATE FUNCTION pgslo.verify_snapshot(name text) RETURNS TABLE(about text, was text, is_now text)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    statement text := pgslo.begin_check(verify_snapshot.name);
BEGIN
    IF statement IS NOT NULL THEN
        PERFORM pgslo.check_own_rights(current_user);
        EXECUTE statement;
    END IF;
    RETURN QUERY SELECT c.about, c.was, c.is_now FROM pgslo.end_check(verify_snapshot.name) AS c;
END
$$;

COMMENT ON FUNCTION pgslo.verify_snapshot(name text) IS 'What differs between a snapshot''s rows and what was written down of them; no row when nothing does.';

CREATE FUNCTION pgslo.version() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT r.version FROM pgslo_catalog.runtime r
$$;

COMMENT ON FUNCTION pgslo.version() IS 'Version of the library that installed this runtime.';

CREATE FUNCTION pgslo.watch_deliveries() RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT pgslo_catalog.hold_for_session('deliveries of ' || pgslo_catalog.caller()) $$;

COMMENT ON FUNCTION pgslo.watch_deliveries() IS 'Be the one session of this role that delivers messages, until it ends: NULL, or the session that is, in words.';

CREATE FUNCTION pgslo.watch_task(task text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM pgslo_catalog.check_may_run(watch_task.task);
    RETURN pgslo_catalog.hold_for_session('task ' || watch_task.task);
END
$$;

COMMENT ON FUNCTION pgslo.watch_task(task text) IS 'Be the one session that runs a task for its batches, until it ends: NULL, or the session that is, in words.';

CREATE FUNCTION pgslo_catalog.added_up(parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(jsonb_object_agg(s.key, s.total), '{}')
    FROM (
        SELECT e.key, sum(e.value::numeric) AS total
        FROM unnest(added_up.parts) AS p (part) CROSS JOIN LATERAL jsonb_each_text(p.part) AS e
        GROUP BY e.key
        HAVING sum(e.value::numeric) <> 0
    ) s
$$;

COMMENT ON FUNCTION pgslo_catalog.added_up(parts jsonb[]) IS 'Counts by name, added up.';

CREATE FUNCTION pgslo_catalog.admit_owner(function regprocedure) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    owner name := (SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid = admit_owner.function);
    called regprocedure;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA pgslo_catalog TO %I', owner);
    FOR called IN
        WITH RECURSIVE reached AS (
            SELECT p.oid, p.prosrc FROM pg_proc p WHERE p.oid = admit_owner.function
            UNION
            SELECT p.oid, p.prosrc
            FROM reached r
            CROSS JOIN LATERAL regexp_matches(r.prosrc, E'pgslo_catalog[.](\\w+)[(]', 'g') AS found (names)
            JOIN pg_proc p ON p.pronamespace = 'pgslo_catalog'::regnamespace AND p.proname = found.names[1] AND NOT p.prosecdef
        )
        SELECT r.oid FROM reached r WHERE r.oid <> admit_owner.function ORDER BY r.oid
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', called, owner);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.admit_owner(function regprocedure) IS 'Grant the owner of a generated function what it calls in pgslo_catalog: functions without rights of their own, no table.';

CREATE TABLE pgslo_catalog.definition (
    definition_id bigint NOT NULL,
    name text NOT NULL,
    relation regclass NOT NULL,
    owner text,
    description text,
    key_columns text[] NOT NULL,
    writes text NOT NULL,
    batch_every interval,
    batch_by text,
    batch_place text,
    schema_wanted jsonb,
    on_read text NOT NULL,
    fingerprint text NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    registered_by text DEFAULT SESSION_USER NOT NULL,
    settle interval DEFAULT '00:10:00'::interval NOT NULL,
    batch_is_of_row boolean DEFAULT false NOT NULL,
    recount text,
    batch_column name,
    max_age interval,
    age_of text,
    tallies text[] DEFAULT '{}'::text[] NOT NULL,
    target numeric,
    span interval,
    budgeting text DEFAULT 'occurrences'::text NOT NULL,
    sensitivity double precision DEFAULT 1 NOT NULL,
    pairs jsonb,
    holidays text[] DEFAULT '{}'::text[] NOT NULL,
    judge text,
    place_is_number boolean DEFAULT false NOT NULL,
    reader text,
    writer text,
    max_bytes bigint DEFAULT 1073741824 NOT NULL,
    known_types text[],
    readers text[] DEFAULT '{}'::text[] NOT NULL,
    batch_name text,
    batch_key text,
    is_rekeyed boolean DEFAULT false NOT NULL,
    CONSTRAINT definition_budgeting_is_known CHECK ((budgeting = ANY (ARRAY['occurrences'::text, 'time_slices'::text]))),
    CONSTRAINT definition_max_age_is_positive CHECK ((max_age > '00:00:00'::interval)),
    CONSTRAINT definition_max_bytes_is_an_amount CHECK ((max_bytes > 0)),
    CONSTRAINT definition_on_read_is_known CHECK ((on_read = ANY (ARRAY['warn'::text, 'insist'::text, 'refuse'::text, 'silent'::text]))),
    CONSTRAINT definition_sensitivity_is_positive CHECK ((sensitivity > (0)::double precision)),
    CONSTRAINT definition_span_is_positive CHECK ((span > '00:00:00'::interval)),
    CONSTRAINT definition_target_is_a_fraction CHECK (((target >= (0)::numeric) AND (target <= (1)::numeric))),
    CONSTRAINT definition_writes_are_known CHECK ((writes = ANY (ARRAY['bulk'::text, 'stream'::text])))
);

COMMENT ON TABLE pgslo_catalog.definition IS 'A table that has promises.';

COMMENT ON COLUMN pgslo_catalog.definition.name IS 'Schema and table when it was defined; generated code knows the definition by it, also after a rename.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_by IS 'A row''s batch, as SQL over row r, where its value says which batch is later.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_place IS 'Where a batch stands among the others, as SQL over b.raw.';

COMMENT ON COLUMN pgslo_catalog.definition.settle IS 'A batch is closed when nothing was written to it for so long, or when a later one begins.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_is_of_row IS 'Whether a row says which batch it belongs to, so that what UPDATE and DELETE take away is taken from that batch.';

COMMENT ON COLUMN pgslo_catalog.definition.recount IS 'Function that counts batches from the table itself, as pgslo_gen names it; NULL where the table cannot be asked.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_column IS 'The column that tells the batch, where it is a plain column; an index that begins with it finds the newest batch.';

COMMENT ON COLUMN pgslo_catalog.definition.max_age IS 'Freshness: how old the newest data may be.';

COMMENT ON COLUMN pgslo_catalog.definition.age_of IS 'Function that tells the time of the newest data, as pgslo_gen names it; NULL: when it was last written to.';

COMMENT ON COLUMN pgslo_catalog.definition.tallies IS 'Names of what rules over a batch add up, in the order in which it is counted.';

COMMENT ON COLUMN pgslo_catalog.definition.target IS 'Objective: share of batches, or of the time, in which a rule is to be met; 0-1.';

COMMENT ON COLUMN pgslo_catalog.definition.span IS 'Window of the objective.';

COMMENT ON COLUMN pgslo_catalog.definition.sensitivity IS 'How much a learned bound is widened; 1 is the default, 2 tells of half as small deviations, 0.5 of twice as large ones.';

COMMENT ON COLUMN pgslo_catalog.definition.pairs IS 'How predictions and labels are paired and measured; NULL for a table without metrics.';

COMMENT ON COLUMN pgslo_catalog.definition.holidays IS 'Days that are not like others, as 2026-11-26 or, each year, 12-25.';

COMMENT ON COLUMN pgslo_catalog.definition.judge IS 'Generated function that counts the rows of a batch that fail a rule; NULL where rows do not say their batch.';

COMMENT ON COLUMN pgslo_catalog.definition.place_is_number IS 'Whether the place of a batch is a number or a time of day: none lies in the future.';

COMMENT ON COLUMN pgslo_catalog.definition.reader IS 'Function that runs a query with the rights of the table''s owner, as pgslo_gen names it; NULL where that is pgslo''s owner.';

COMMENT ON COLUMN pgslo_catalog.definition.writer IS 'Function that writes a released row with the rights of the table''s owner, as pgslo_gen names it.';

COMMENT ON COLUMN pgslo_catalog.definition.max_bytes IS 'Bytes of rows that may wait in quarantine; a row beyond is rejected.';

COMMENT ON COLUMN pgslo_catalog.definition.known_types IS 'Name and type number of each column with a type of a user at apply; NULL for a table of the owner of pgslo.';

COMMENT ON COLUMN pgslo_catalog.definition.readers IS 'Roles to which the last apply granted the guarded views.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_name IS 'The name of a batch, as SQL over b.raw; NULL where batch_by is.';

COMMENT ON COLUMN pgslo_catalog.definition.batch_key IS 'What the batches are by, and how they are named: if it changes, rows are in other batches.';

COMMENT ON COLUMN pgslo_catalog.definition.is_rekeyed IS 'Whether tick() has still to evaluate the rows in the batches of a new key.';

CREATE FUNCTION pgslo_catalog.age(definition pgslo_catalog.definition, OUT value double precision, OUT said text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    newest timestamptz := pgslo_catalog.newest_data(age.definition);
    seconds float8 := extract(epoch FROM clock_timestamp() - newest);
BEGIN
    IF newest IS NULL THEN
        said := 'there is no data whose age could be told';
    ELSIF seconds < -300 THEN
        -- A clock that jumped, or a time of another zone: whatever it is, it tells no age.
        said := format('the newest data is of %s UTC, which is still to come', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'));
    ELSE
        value := greatest(seconds, 0);
        said := format('the newest data is of %s UTC; the objective is an age of at most %s', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.span_shown((age.definition).max_age));
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.age(definition pgslo_catalog.definition, OUT value double precision, OUT said text) IS 'The age of a table''s newest data in seconds, with a sentence; NULL when it cannot be told.';

CREATE FUNCTION pgslo_catalog.also_touched(noted text, settle_function text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    functions text[] := pgslo_catalog.noted_functions(also_touched.noted);
BEGIN
    IF also_touched.settle_function = ANY (functions) THEN
        RETURN functions::text;
    END IF;
    RETURN (functions || also_touched.settle_function)::text;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.also_touched(noted text, settle_function text) IS 'What the setting pgslo.touched says after one more statement touched groups.';

CREATE FUNCTION pgslo_catalog.amount(value double precision, kind text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT CASE
        WHEN value IS NULL THEN 'none'
        WHEN kind IN ('share', 'rise') THEN format('%s %%', trim_scale(round((100 * least(greatest(value, 0), 1))::numeric, 1)))
        WHEN abs(value) >= 1e15 OR value = 0 THEN value::text
        ELSE trim_scale(round(value::numeric, greatest(0, 2 - floor(log(abs(value)))::integer)))::text
    END
$$;

COMMENT ON FUNCTION pgslo_catalog.amount(value double precision, kind text) IS 'A number of a summary as people read it: three digits, shares as per cent.';

CREATE FUNCTION pgslo_catalog.announce_events() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    number bigint;
BEGIN
    -- Nearly always there are none.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.unannounced u) THEN
        RETURN 0;
    END IF;
    -- Any role can fill the queue. A transaction that notifies fails at COMMIT once it is full.
    IF pg_notification_queue_usage() > 0.5 THEN
        RAISE WARNING USING
            MESSAGE = 'sessions that listen are not notified of changes of incidents',
            DETAIL = format('The notification queue of the server is %s %% full.', round(100 * pg_notification_queue_usage()::numeric)),
            HINT = 'End the session that listens and has the oldest open transaction: the server''s log names it. '
                   'pgslo watch sends messages all the same.';
        RETURN 0;
    END IF;
    DELETE FROM pgslo_catalog.unannounced u
    WHERE u.incident_event_id IN (
        SELECT w.incident_event_id FROM pgslo_catalog.unannounced w ORDER BY w.incident_event_id FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS number = ROW_COUNT;
    IF number > 0 THEN
        -- Any role can listen: it learns that an incident changed, and no more.
        PERFORM pg_notify('pgslo_incident_v1', '{"version": 1}');
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.announce_events() IS 'Notify sessions that listen that incidents changed, and return how many events there were; never called inside a write.';

CREATE FUNCTION pgslo_catalog.append_fragments(definition_id bigint, operation text, sign integer, columns text[], tallies text[], rules text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    way integer := CASE WHEN append_fragments.sign < 0 THEN -1 ELSE 1 END;
    level smallint := pgslo_catalog.level_of(append_fragments.mask);
    now numeric := extract(epoch FROM clock_timestamp());
    -- Of many batches without an order by one scan, because look-ups that are planned by old statistics may each be a scan.
    are_many boolean := append_fragments.batches[1].place IS NULL AND cardinality(append_fragments.batches) > 100;
    places jsonb := CASE WHEN are_many THEN (
        SELECT coalesce(jsonb_object_agg(k.batch, k.place), '{}')
        FROM (
            SELECT f.batch, min(f.place) AS place FROM pgslo_catalog.fragment f
            WHERE f.definition_id = append_fragments.definition_id GROUP BY f.batch) AS k) END;
BEGIN
    INSERT INTO pgslo_catalog.fragment
        (definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample)
    SELECT append_fragments.definition_id, b.batch,
           coalesce(b.place,
               CASE WHEN are_many THEN (places ->> b.batch)::numeric
                    ELSE pgslo_catalog.known_place(append_fragments.definition_id, b.batch) END,
               now + b.ordinality * 0.000001),
           append_fragments.sign * b.rows,
           CASE WHEN 0 < ANY (b.failed) THEN pgslo_catalog.signed(append_fragments.rules, b.failed, way) END,
           append_fragments.operation,
           pgslo_catalog.signed(append_fragments.columns, b.present, way),
           pgslo_catalog.signed(append_fragments.tallies, b.tallies, way),
           level, nullif(append_fragments.columns, '{}'), coalesce(s.sample, b.sample)
    FROM unnest(append_fragments.batches) WITH ORDINALITY AS b
    LEFT JOIN unnest(append_fragments.samples) AS s ON s.batch = b.batch;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.append_fragments(definition_id bigint, operation text, sign integer, columns text[], tallies text[], rules text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) IS 'Append what a statement added to its batches (sign 1; 0 when its rows are counted elsewhere) or removed (-1).';

CREATE FUNCTION pgslo_catalog.are_keys(keys text[], kind regtype) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    months text := '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9])';
    clock text := 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?([+]00:00)?';
    moment text := format('^-?infinity$|^[0-9]{4}-(%s)(%s)?( BC)?$', months, clock);
BEGIN
    -- By their form, as iso() writes them: before PostgreSQL 18, no error can be caught in a parallel plan.
    RETURN NOT EXISTS (
        SELECT FROM unnest(are_keys.keys) AS k (key) CROSS JOIN (SELECT p.typlen FROM pg_type p WHERE p.oid = are_keys.kind) AS t
        WHERE NOT CASE
            WHEN are_keys.kind IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN
                CASE
                    WHEN k.key !~ moment THEN false
                    WHEN k.key LIKE '%infinity' THEN true
                    -- The year before 0001 is 0001 BC, and the first day that there is 4714-11-24 BC.
                    WHEN k.key < '0001' COLLATE "C" OR k.key LIKE '% BC' AND left(k.key, 10) COLLATE "C" > '4714' AND
                        (left(k.key, 4) COLLATE "C" > '4714' OR substr(k.key, 6, 5) COLLATE "C" < '11-24') THEN false
                    WHEN substr(k.key, 6, 5) <> '02-29' THEN true
                    ELSE (SELECT y.year % 4 = 0 AND y.year % 100 <> 0 OR y.year % 400 = 0
                          FROM (SELECT left(k.key, 4)::integer - (k.key LIKE '% BC')::integer) AS y (year))
                END
            WHEN are_keys.kind IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
                CASE WHEN k.key ~ '^-?[0-9]{1,19}$' THEN
                    k.key::numeric BETWEEN - 2::numeric ^ (8 * t.typlen - 1) AND 2::numeric ^ (8 * t.typlen - 1) - 1
                ELSE false END
            WHEN are_keys.kind = 'numeric'::regtype THEN k.key ~ '^(-?[0-9]+([.][0-9]+)?|NaN|-?Infinity)$'
            WHEN are_keys.kind = 'uuid'::regtype THEN k.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            ELSE true
        END);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.are_keys(keys text[], kind regtype) IS 'Whether each of these texts is a value of a type of a batch''s column.';

CREATE FUNCTION pgslo_catalog.arrival(definition_id bigint, batch text) RETURNS numeric
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN coalesce(
        pgslo_catalog.known_place(arrival.definition_id, arrival.batch), extract(epoch FROM clock_timestamp())::numeric);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.arrival(definition_id bigint, batch text) IS 'Where a batch stands whose key does not say so: when its first rows arrived.';

CREATE TABLE pgslo_catalog.missed_batch (
    missed_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    incident_id bigint,
    definition text NOT NULL,
    about text[] NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    missed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    ended_as text,
    ended_by text,
    reason text,
    planned_at timestamp with time zone,
    looked_at timestamp with time zone,
    seen_snapshot pg_snapshot,
    ended_xid xid8,
    is_of_former_key boolean DEFAULT false NOT NULL,
    concern text DEFAULT (gen_random_uuid())::text NOT NULL,
    CONSTRAINT missed_batch_end_is_known CHECK ((ended_as = ANY (ARRAY['corrected'::text, 'removed'::text, 'accepted'::text, 'false_alarm'::text, 'retired'::text]))),
    CONSTRAINT missed_batch_ends_as_something CHECK (((ended_at IS NULL) = (ended_as IS NULL))),
    CONSTRAINT reason_is_at_most_4000_characters CHECK ((length(reason) <= 4000))
);

COMMENT ON TABLE pgslo_catalog.missed_batch IS 'Batches that missed a rule. Two writers at once may record one twice, as neither waits: tick() makes one of them.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.incident_id IS 'NULL until tick() sets it.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.definition IS 'The name of its definition.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.about IS 'Columns whose readers are warned; * for a rule about the table as a whole.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.ended_as IS 'Why it is not missed any more: rows corrected or removed, accepted or a false alarm, or the rule is retired.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.planned_at IS 'When tick() had sessions plan their reads anew; NULL: plans may be older than the row.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.looked_at IS 'When tick() looked whether it is missed still; NULL: it is new or has changed, and is looked at next.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.seen_snapshot IS 'What the steward that accepted it, or the look at the table that ended it, could see; failing rows that it does not show are news.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.ended_xid IS 'The transaction that accepted it.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.is_of_former_key IS 'Whether it is a batch of a former key of the definition: any row may be of it.';

COMMENT ON COLUMN pgslo_catalog.missed_batch.concern IS 'What plans know it by: another value whenever readers are told something else. At random, so that nobody guesses it.';

CREATE FUNCTION pgslo_catalog.ask_table(definition pgslo_catalog.definition, missed pgslo_catalog.missed_batch, claim text, OUT ended_as text, OUT seen pg_snapshot) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
DECLARE
    target pgslo_catalog.definition := ask_table.definition;
    batch text := (ask_table.missed).batch;
    rule pgslo_catalog.rule;
    counted record;
BEGIN
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = (ask_table.missed).rule_id;
    IF rule.scope = 'row' AND target.judge IS NOT NULL AND batch <> 'unknown' THEN
        SELECT c.* INTO counted FROM pgslo_catalog.count_failing(target, rule, batch, (ask_table.missed).place, true) AS c;
        IF counted.rows IS NOT NULL THEN
            seen := counted.seen;
            ended_as := CASE
                WHEN NOT counted.is_judged THEN NULL
                WHEN counted.rows = 0 THEN 'removed'
                WHEN NOT pgslo_catalog.is_missed(rule, counted.rows, counted.failed) THEN 'corrected'
            END;
            IF ended_as IS NULL AND target.recount IS NOT NULL AND target.batch_by IS NOT NULL
                AND (target.writes = 'bulk' AND counted.rows <> counted.recorded
                     OR target.writes = 'stream' AND ask_table.claim = 'removed')
            THEN
                -- The next tick() counts all of it anew: what is recorded of its rows is not what is stored.
                INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
                VALUES (target.definition_id, batch, (ask_table.missed).place, false)
                ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
            END IF;
            RETURN;
        END IF;
    END IF;
    -- No row says whether it fails the rule.
    IF ask_table.claim <> 'removed' THEN
        RETURN;
    END IF;
    seen := pg_current_snapshot();
    IF target.recount IS NULL OR target.batch_by IS NULL THEN
        RETURN;
    ELSIF batch = 'unknown' THEN
        ended_as := CASE WHEN pgslo_catalog.count_unknown(target, rule) = 0 THEN 'removed' END;
    ELSE
        PERFORM pgslo_catalog.recount_batches(target, ARRAY[batch], true);
        ended_as := CASE WHEN NOT EXISTS (
            SELECT FROM pgslo_catalog.batch b
            WHERE b.definition_id = target.definition_id AND b.name = (ask_table.missed).batch AND b.rows <> 0) THEN 'removed' END;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.ask_table(definition pgslo_catalog.definition, missed pgslo_catalog.missed_batch, claim text, OUT ended_as text, OUT seen pg_snapshot) IS 'Return how a missed batch ends by what is stored in the table, and the snapshot that told so; NULL if it is missed still, or nothing can tell. claim: what sums say of it.';

CREATE TABLE pgslo_catalog.rule (
    rule_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    columns text[] NOT NULL,
    on_breach text NOT NULL,
    at_least numeric,
    samples bigint NOT NULL,
    at_most bigint,
    mechanism text NOT NULL,
    promise text NOT NULL,
    owner text,
    description text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    retired_at timestamp with time zone,
    scope text DEFAULT 'row'::text NOT NULL,
    measure jsonb,
    warn_low double precision,
    warn_high double precision,
    reject_low double precision,
    reject_high double precision,
    target numeric,
    span interval,
    missed_before_open integer DEFAULT 1 NOT NULL,
    met_before_resolve integer DEFAULT 1 NOT NULL,
    muted_until timestamp with time zone,
    rests_on jsonb,
    clocked_at timestamp with time zone,
    took interval,
    muted_at timestamp with time zone,
    muted_by text,
    about text,
    CONSTRAINT rule_at_least_is_a_fraction CHECK (((at_least >= (0)::numeric) AND (at_least <= (1)::numeric))),
    CONSTRAINT rule_at_most_is_a_count CHECK ((at_most >= 0)),
    CONSTRAINT rule_on_breach_is_known CHECK ((on_breach = ANY (ARRAY['warn'::text, 'flag'::text, 'quarantine'::text, 'repair'::text, 'reject'::text]))),
    CONSTRAINT rule_opens_after_some_batch CHECK ((missed_before_open >= 1)),
    CONSTRAINT rule_over_a_batch_has_a_measure CHECK (((scope = 'row'::text) OR (measure IS NOT NULL))),
    CONSTRAINT rule_resolves_after_some_batch CHECK ((met_before_resolve >= 1)),
    CONSTRAINT rule_scope_is_known CHECK ((scope = ANY (ARRAY['row'::text, 'batch'::text, 'table'::text, 'assertion'::text]))),
    CONSTRAINT rule_span_is_positive CHECK ((span > '00:00:00'::interval)),
    CONSTRAINT rule_target_is_a_fraction CHECK (((target >= (0)::numeric) AND (target <= (1)::numeric)))
);

COMMENT ON TABLE pgslo_catalog.rule IS 'What a definition promises; a retired rule keeps its history.';

COMMENT ON COLUMN pgslo_catalog.rule.scope IS 'Whether it is about each row, about each batch, about the table as it stands, or about several rows together.';

COMMENT ON COLUMN pgslo_catalog.rule.measure IS 'How its value is measured.';

COMMENT ON COLUMN pgslo_catalog.rule.warn_low IS 'Smallest value that meets it; NULL: none.';

COMMENT ON COLUMN pgslo_catalog.rule.reject_low IS 'Smallest value at which the statement is let through; NULL: none.';

COMMENT ON COLUMN pgslo_catalog.rule.missed_before_open IS 'Batches in a row that have to miss it before an incident opens.';

COMMENT ON COLUMN pgslo_catalog.rule.met_before_resolve IS 'Batches in a row that have to meet it before the incident resolves.';

COMMENT ON COLUMN pgslo_catalog.rule.muted_until IS 'Nobody is told of its incidents before.';

COMMENT ON COLUMN pgslo_catalog.rule.rests_on IS 'Of a native rule: what has to be there, whoever made it, as kind (not_null, unique, foreign_key), columns, and table of a foreign key.';

COMMENT ON COLUMN pgslo_catalog.rule.clocked_at IS 'When tick() last evaluated a rule that reads more than a batch.';

COMMENT ON COLUMN pgslo_catalog.rule.took IS 'How long that took: from 0.1 seconds on, the next time is 20 times as long after it.';

COMMENT ON COLUMN pgslo_catalog.rule.muted_at IS 'When a role last muted the rule, or ended a mute.';

COMMENT ON COLUMN pgslo_catalog.rule.muted_by IS 'The role that did so.';

COMMENT ON COLUMN pgslo_catalog.rule.about IS 'The column that a rule which rejects rows stands under, for its error; NULL where it is about several.';

CREATE FUNCTION pgslo_catalog.assertion_rule(definition text, assertion text) RETURNS pgslo_catalog.rule
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found pgslo_catalog.rule;
BEGIN
    SELECT r.* INTO found
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE d.name = assertion_rule.definition AND r.name = assertion_rule.assertion;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.assertion_rule(definition text, assertion text) IS 'The rule of an assertion.';

CREATE FUNCTION pgslo_catalog.at_place(grid double precision[], place double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    x float8 := least(greatest(at_place.place, 0), 40);
    low float8 := at_place.grid[floor(x)::integer + 1];
BEGIN
    RETURN low + (x - floor(x)) * (at_place.grid[ceil(x)::integer + 1] - low);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.at_place(grid double precision[], place double precision) IS 'The value at a place between 0 and 40 of a grid of quantiles.';

CREATE TABLE pgslo_catalog.pair_cell (
    pair_cell_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    model text NOT NULL,
    segment text[] NOT NULL,
    coarse boolean DEFAULT false NOT NULL,
    predictions numeric NOT NULL,
    defaulted numeric NOT NULL,
    abstained numeric NOT NULL,
    expecting numeric NOT NULL,
    expected numeric NOT NULL,
    expected_noise numeric NOT NULL,
    labelled numeric NOT NULL,
    delayed numeric NOT NULL,
    delay numeric NOT NULL,
    decided numeric NOT NULL,
    hits numeric NOT NULL,
    true_positive numeric NOT NULL,
    false_positive numeric NOT NULL,
    false_negative numeric NOT NULL,
    scored numeric NOT NULL,
    loss numeric NOT NULL,
    loss_squared numeric NOT NULL,
    brier numeric NOT NULL,
    brier_squared numeric NOT NULL,
    error numeric NOT NULL,
    error_squared numeric NOT NULL,
    error_fourth numeric NOT NULL,
    absolute numeric NOT NULL,
    relative numeric NOT NULL,
    relative_squared numeric NOT NULL,
    label_without_prediction numeric NOT NULL,
    two_labels numeric NOT NULL,
    label_before_prediction numeric NOT NULL,
    unknown_label numeric NOT NULL,
    unknown_class numeric NOT NULL,
    score_missing numeric NOT NULL,
    score_outside numeric NOT NULL,
    model_missing numeric NOT NULL
);

COMMENT ON TABLE pgslo_catalog.pair_cell IS 'Sums over predictions and their labels, by batch, model and segment; written by tick() alone. They are exact numbers: what is taken away leaves nothing behind.';

COMMENT ON COLUMN pgslo_catalog.pair_cell.batch IS 'The prediction''s; empty for labels that have none.';

COMMENT ON COLUMN pgslo_catalog.pair_cell.coarse IS 'Whether scores are kept to four digits, because more than 10,000 different ones came.';

CREATE TABLE pgslo_catalog.pair_score (
    pair_cell_id bigint NOT NULL,
    score double precision NOT NULL,
    positive bigint NOT NULL,
    negative bigint NOT NULL
);

COMMENT ON TABLE pgslo_catalog.pair_score IS 'Pairs by score: what AUC and calibration error are made of. No foreign key: looking the cell up for each score would double the cost of late labels.';

CREATE FUNCTION pgslo_catalog.auc(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], confidence double precision, OUT value double precision, OUT low double precision, OUT high double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found record;
    blurred float8;
    positives float8;
    negatives float8;
    half float8;
    fewest float8;
BEGIN
    SELECT sum(s.positive) AS positives, sum(s.negative) AS negatives, sum(s.positive * (s.below + s.negative / 2.0)) AS won,
           sum(CASE WHEN s.coarse THEN s.positive * s.negative / 2.0 ELSE 0 END) AS tied
    INTO found
    FROM (
        SELECT g.*, sum(g.negative) OVER (ORDER BY g.score) - g.negative AS below
        FROM (
            SELECT p.score, sum(p.positive) AS positive, sum(p.negative) AS negative, bool_or(c.coarse) AS coarse
            FROM unnest(auc.scores) AS p JOIN unnest(auc.cells) AS c USING (pair_cell_id)
            GROUP BY p.score
        ) AS g
    ) AS s;
    positives := found.positives;
    negatives := found.negatives;
    IF positives > 0 AND negatives > 0 THEN
        value := (found.won / (found.positives * found.negatives))::float8;
        blurred := (found.tied / (found.positives * found.negatives))::float8;
        half := pgslo_catalog.normal_quantile(0.5 + auc.confidence / 2)
            * sqrt(greatest(0, value * (1 - value) + (positives - 1) * (value / (2 - value) - value * value)
            + (negatives - 1) * (2 * value * value / (1 + value) - value * value)) / (positives * negatives));
        low := value - half;
        high := value + half;
        fewest := least(positives, negatives);
        IF fewest < 10 THEN
            -- The normal distribution does not hold with so few.
            low := least(low, pgslo_catalog.hoeffding_bound(value, fewest, auc.confidence, false));
            high := greatest(high, pgslo_catalog.hoeffding_bound(value, fewest, auc.confidence, true));
        END IF;
        low := greatest(0, low - blurred);
        high := least(1, high + blurred);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.auc(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], confidence double precision, OUT value double precision, OUT low double precision, OUT high double precision) IS 'Area under the ROC curve: the share of pairs of a positive and a negative that are in order, ties counting half. Interval: Hanley and McNeil, Radiology 143 (1982) 29-36; with fewer than ten positives or negatives, no narrower than Hoeffding''s for a mean of as many (section 5b); where scores are kept to four digits it is wider by half of the ties.';

CREATE FUNCTION pgslo_catalog.await_labels(rule pgslo_catalog.rule, batch text, place numeric, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    judged pgslo_catalog.batch;
    found record;
BEGIN
    judged.definition_id := (await_labels.rule).definition_id;
    judged.name := await_labels.batch;
    judged.place := await_labels.place;
    SELECT coalesce(sum(c.labelled), 0) AS labelled, coalesce(sum(c.predictions), 0) AS predictions INTO found
    FROM pgslo_catalog.pair_cell c WHERE c.definition_id = judged.definition_id AND c.batch = await_labels.batch;
    PERFORM pgslo_catalog.give_verdict(await_labels.rule, judged, 'unknown', NULL, (await_labels.rule).warn_low, (await_labels.rule).warn_high, NULL,
        format('labels are complete at %s UTC; %s of %s predictions have one by now', to_char(await_labels.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.shown(found.labelled), pgslo_catalog.shown(found.predictions)));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.await_labels(rule pgslo_catalog.rule, batch text, place numeric, until timestamp with time zone) IS 'Says of a batch that its labels are still to come.';

CREATE FUNCTION pgslo_catalog.batch_is_missed(rule pgslo_catalog.rule, batch text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT pgslo_catalog.is_missed(batch_is_missed.rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint)
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = rule.definition_id AND f.batch = batch_is_missed.batch);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.batch_is_missed(rule pgslo_catalog.rule, batch text) IS 'Whether a batch as written so far misses the rule.';

CREATE TABLE pgslo_catalog.batch (
    batch_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    name text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    present jsonb DEFAULT '{}'::jsonb NOT NULL,
    tallies jsonb DEFAULT '{}'::jsonb NOT NULL,
    failures jsonb DEFAULT '{}'::jsonb NOT NULL,
    first_written_at timestamp with time zone NOT NULL,
    last_written_at timestamp with time zone NOT NULL,
    writer text,
    application text,
    counted_at timestamp with time zone,
    closed_at timestamp with time zone,
    revision integer DEFAULT 0 NOT NULL
);

COMMENT ON TABLE pgslo_catalog.batch IS 'Batches as tick() last added them up; written by tick() alone.';

COMMENT ON COLUMN pgslo_catalog.batch.rows IS 'Rows that are in it; below zero when rows were taken away that came before pgslo.';

COMMENT ON COLUMN pgslo_catalog.batch.counted_at IS 'When it was last counted from the table; NULL where what statements record is added up.';

COMMENT ON COLUMN pgslo_catalog.batch.revision IS 'How often it was judged: once when it closed, and again whenever rows came late or went.';

CREATE FUNCTION pgslo_catalog.batch_so_far(definition_id bigint, batch text) RETURNS pgslo_catalog.batch
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    summed pgslo_catalog.batch;
    emptied bigint := coalesce((SELECT max(f.fragment_id) FROM pgslo_catalog.fragment f WHERE f.definition_id = batch_so_far.definition_id AND f.operation = 'truncate'), 0);
BEGIN
    SELECT batch_so_far.definition_id, batch_so_far.batch, min(f.place), coalesce(sum(f.rows), 0)::bigint,
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), pgslo_catalog.added_up(array_agg(f.failures))
    INTO summed.definition_id, summed.name, summed.place, summed.rows, summed.present, summed.tallies, summed.failures
    FROM pgslo_catalog.fragment f
    WHERE f.definition_id = batch_so_far.definition_id AND f.batch = batch_so_far.batch AND f.fragment_id > emptied;
    RETURN summed;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.batch_so_far(definition_id bigint, batch text) IS 'A batch as it stands within this transaction.';

CREATE FUNCTION pgslo_catalog.batches_at_once() RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN 10000;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.batches_at_once() IS 'The number of batches that one statement may write to and have each of them recorded.';

CREATE FUNCTION pgslo_catalog.batches_in_part(definition pgslo_catalog.definition, part oid) RETURNS TABLE(batch text, place numeric, rows bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET timezone_abbreviations TO 'Default'
    SET array_nulls TO 'on'
    SET gin_fuzzy_search_limit TO '0'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET lc_numeric TO 'C'
    SET lc_monetary TO 'C'
    SET lc_time TO 'C'
    SET transform_null_equals TO 'off'
    SET row_security TO 'off'
    AS $_$
DECLARE
    target pgslo_catalog.definition := batches_in_part.definition;
    name text;
    question text;
BEGIN
    -- It locks the parts as well, so that none of them is renamed or given away from here on.
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    SELECT format('%I.%I', n.nspname, c.relname) INTO name
    FROM pgslo_catalog.present_parts(target.relation) AS p
    JOIN pg_class c ON c.oid = p.number JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.number = batches_in_part.part;
    IF name IS NULL THEN
        RETURN;  -- It left meanwhile, which the next tick() finds.
    END IF;
    question := format(
        'SELECT %s, %s, b.rows FROM (SELECT %s AS raw, count(*) AS rows FROM ONLY %s AS r GROUP BY 1) AS b',
        target.batch_name, target.batch_place, target.batch_by, name);
    IF target.reader IS NULL THEN
        RETURN QUERY EXECUTE question;
    ELSE
        RETURN QUERY EXECUTE format(
            'SELECT n.name, n.place, n.rows FROM pgslo_gen.%I($1) AS n (name text, place numeric, rows bigint)', target.reader)
        USING question;
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.batches_in_part(definition pgslo_catalog.definition, part oid) IS 'Return the batches of the rows in a partition or child, read with the rights of the table''s owner.';

CREATE FUNCTION pgslo_catalog.batches_shown(batches bigint) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE batches_shown.batches WHEN 1 THEN '1 batch' ELSE pgslo_catalog.shown(batches_shown.batches) || ' batches' END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.batches_shown(batches bigint) IS 'Return a number of batches in words.';

CREATE FUNCTION pgslo_catalog.batches_told() RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN 1000;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.batches_told() IS 'The number of missed batches of a column up to which rows are told apart: each is a constant in every plan.';

CREATE FUNCTION pgslo_catalog.begin_pause(definition text, rule text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    begun pgslo_catalog.pause;
BEGIN
    INSERT INTO pgslo_catalog.pause (definition_id, rule_name, paused_by, since)
    SELECT d.definition_id, begin_pause.rule, pgslo_catalog.caller(), pg_snapshot_xmin(pg_current_snapshot())
    FROM pgslo_catalog.definition d WHERE d.name = begin_pause.definition
    ON CONFLICT DO NOTHING
    RETURNING * INTO begun;
    -- Readers are warned as of any rule that is not in force, and no batch counts as met meanwhile.
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, pause_id)
    SELECT begun.definition_id, r.rule_id, '55000', s.said, s.said, begun.pause_id
    FROM pgslo_catalog.rule r
    CROSS JOIN (SELECT format('switched off by role %s', begun.paused_by) AS said) AS s
    WHERE r.definition_id = begun.definition_id AND r.retired_at IS NULL AND coalesce(r.name = begun.rule_name, true)
      AND (r.mechanism LIKE '% trigger' OR r.mechanism = 'at commit');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.begin_pause(definition text, rule text) IS 'Record that a rule, or all of a table, is switched off, once; readers are warned from then on.';

CREATE FUNCTION pgslo_catalog.blur_scores(cells bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    large bigint;
BEGIN
    FOR large IN
        SELECT c.pair_cell_id FROM pgslo_catalog.pair_cell c
        WHERE c.pair_cell_id = ANY (blur_scores.cells) AND NOT c.coarse AND c.scored > 10000
          AND (SELECT count(*) FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = c.pair_cell_id) > 10000
    LOOP
        UPDATE pgslo_catalog.pair_cell c SET coarse = true WHERE c.pair_cell_id = large;
        WITH fine AS (
            DELETE FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = large AND s.score <> round(s.score::numeric, 4)::float8 RETURNING s.score, s.positive, s.negative
        )
        INSERT INTO pgslo_catalog.pair_score AS s (pair_cell_id, score, positive, negative)
        SELECT large, round(f.score::numeric, 4)::float8, sum(f.positive), sum(f.negative) FROM fine f GROUP BY 2
        ON CONFLICT ON CONSTRAINT pair_score_is_counted_once DO UPDATE SET positive = s.positive + excluded.positive, negative = s.negative + excluded.negative;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.blur_scores(cells bigint[]) IS 'Keeps scores to four digits where there are more than 10,000 different ones.';

CREATE FUNCTION pgslo_catalog.bound_quarantine() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    measured pgslo_catalog.quarantine_size;
BEGIN
    NEW.row_key := left(NEW.row_key, 1000);
    NEW.reasons := (
        SELECT jsonb_agg(CASE
            WHEN length(r.reason ->> 'shown') > 1000 THEN jsonb_set(r.reason, '{shown}', to_jsonb(left(r.reason ->> 'shown', 997) || '...'))
            ELSE r.reason
        END ORDER BY r.ordinal)
        FROM jsonb_array_elements(NEW.reasons) WITH ORDINALITY AS r (reason, ordinal));
    NEW.bytes := octet_length(NEW.image_text) + coalesce(pg_column_size(NEW.image), 0);

    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = NEW.definition_id;
    SELECT s.* INTO measured FROM pgslo_catalog.quarantine_size s WHERE s.definition_id = NEW.definition_id;
    -- The newest row that this transaction sees knows the total until then: no row is summed, and no counter is shared.
    NEW.total := NEW.bytes + coalesce(
        (SELECT q.total
         FROM pgslo_catalog.quarantine q
         WHERE q.definition_id = NEW.definition_id AND q.state = 'held' AND q.quarantine_id > coalesce(measured.up_to, 0)
         ORDER BY q.quarantine_id DESC
         LIMIT 1),
        measured.bytes, 0);
    -- A subscription would stop for good; drift reports a quarantine beyond its bound.
    IF NEW.total > target.max_bytes AND NOT pgslo_catalog.is_replica() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'configuration_limit_exceeded',
            MESSAGE = format('quarantine of %s is full', target.name),
            DETAIL = format('A row violates rule "%s" and cannot be quarantined: %s of rows would wait, and at most %s may.',
                            NEW.reasons #>> '{0,rule}', pg_size_pretty(NEW.total), pg_size_pretty(target.max_bytes)),
            HINT = format('Write rows that satisfy the rule, or ask %s to release or discard rows in quarantine.',
                          coalesce('the owner, ' || target.owner || ',', 'the owner')),
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = split_part(target.name, '.', 2),
            CONSTRAINT = NEW.reasons #>> '{0,rule}';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.bound_quarantine() IS 'Rejects a row that its definition''s quarantine has no room for, and cuts its texts.';

CREATE FUNCTION pgslo_catalog.bound_shown(value double precision, factor numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    -- Fifteen digits, as the summary of the rule has them: promises.py, number().
    exact numeric := trim_scale(bound_shown.value::numeric * bound_shown.factor);
BEGIN
    IF exact <> 0 AND (abs(exact) >= 1e15 OR abs(exact) < 1e-15) THEN
        RETURN regexp_replace(btrim(to_char(exact, '9.99999999999999EEEE')) COLLATE "C", '[.]?0+e', 'e');
    END IF;
    RETURN CASE WHEN exact < 0 THEN '-' ELSE '' END
        || to_char(trunc(abs(exact)), 'FM999,999,999,999,990')
        || coalesce(substring(exact::text COLLATE "C" FROM '[.][0-9]+$'), '');
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.bound_shown(value double precision, factor numeric) IS 'Return a bound as its author wrote it, with thousands separators, multiplied by a factor.';

CREATE FUNCTION pgslo_catalog.bounded(definition text, batches pgslo_catalog.measured[]) RETURNS pgslo_catalog.measured[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    most integer := pgslo_catalog.batches_at_once();
    surplus pgslo_catalog.measured[];
    message text := format('a statement wrote to %s batches, and %s at most are recorded each by itself',
        cardinality(bounded.batches), most);
BEGIN
    -- The newest are recorded; of the others, how many rows failed. Those without an order arrived together: any of them.
    IF bounded.batches[1].place IS NOT NULL THEN
        bounded.batches := ARRAY(SELECT b FROM unnest(bounded.batches) AS b ORDER BY b.place DESC NULLS LAST, b.batch);
    END IF;
    surplus := bounded.batches[most + 1:];
    PERFORM pgslo_catalog.record_break(bounded.definition, NULL, '54000', message);
    PERFORM pgslo_catalog.warn_unjudged(bounded.definition, '{}', '54000', false);
    RETURN bounded.batches[:most]
        || ROW('unknown', '-Infinity', (SELECT sum(b.rows) FROM unnest(surplus) AS b), '{}', '{}',
               pgslo_catalog.failed(surplus), NULL)::pgslo_catalog.measured;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.bounded(definition text, batches pgslo_catalog.measured[]) IS 'The newest batches of a statement that wrote to too many, and the others as one that is unknown; noted, and the writer is warned.';

CREATE FUNCTION pgslo_catalog.break_columns(sample text[], earlier text[], kinds text[], faults text[], partners integer[], batch text, seed bigint, OUT broken text[], OUT changed double precision[]) RETURNS record
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH cell AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(sample, 2))::integer AS row, ((u.i - 1) % array_length(sample, 2))::integer AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), line AS MATERIALIZED (
        SELECT c.row, max(c.value) FILTER (WHERE c.col = 0) AS entity,
               hashtextextended(string_agg(coalesce(c.value, '-'), '|' ORDER BY c.col) COLLATE "C", seed) AS hash
        FROM cell c GROUP BY c.row
    ), past AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(earlier, 2))::integer AS row, ((u.i - 1) % array_length(earlier, 2))::integer AS col, u.value
        FROM unnest(earlier) WITH ORDINALITY AS u (value, i)
    ), past_line AS MATERIALIZED (
        SELECT DISTINCT ON (p.value) p.value AS entity, p.row FROM past p WHERE p.col = 0 AND p.value IS NOT NULL ORDER BY p.value, p.row
    ), past_rows AS (
        SELECT greatest(coalesce(array_length(earlier, 1), 0), 1) AS n
    ), taken AS MATERIALIZED (
        -- The same entity's row of the batch before; where there is none, the row in the same place.
        SELECT l.row, coalesce(p.row, l.row % r.n) AS past_row FROM line l CROSS JOIN past_rows r LEFT JOIN past_line p USING (entity)
    ), about AS MATERIALIZED (
        SELECT f.col::integer AS col, f.fault, kinds[f.col] AS kind, partners[f.col] AS partner, pgslo_catalog.chance(batch || '/' || f.col, seed) AS strength
        FROM unnest(faults) WITH ORDINALITY AS f (fault, col) WHERE f.fault IS NOT NULL
    ), fixed AS MATERIALIZED (
        SELECT a.col, (array_agg(c.value ORDER BY l.hash) FILTER (WHERE c.value IS NOT NULL))[1] AS frozen,
               greatest(1, floor(avg(length(c.value)) * (0.3 + 0.5 * a.strength)))::integer AS cut
        FROM about a JOIN cell c USING (col) JOIN line l USING (row)
        GROUP BY a.col, a.strength
    ), made AS MATERIALIZED (
        SELECT c.row, c.col, c.value, a.fault,
               CASE WHEN a.fault IS NULL THEN c.value ELSE
                   pgslo_catalog.broken_value(a.fault, a.kind, c.value, pgslo_catalog.chance(a.col::text, l.hash), a.strength,
                       CASE a.fault WHEN 'stale' THEN p.value WHEN 'swapped' THEN s.value WHEN 'frozen' THEN f.frozen WHEN 'truncated' THEN f.cut::text END) END AS now
        FROM cell c
        JOIN line l USING (row)
        LEFT JOIN about a ON a.col = c.col
        LEFT JOIN fixed f ON f.col = a.col
        LEFT JOIN taken t ON t.row = c.row AND a.fault = 'stale'
        LEFT JOIN past p ON p.row = t.past_row AND p.col = c.col
        LEFT JOIN cell s ON s.row = c.row AND s.col = a.partner AND a.fault = 'swapped'
    )
    SELECT (SELECT array_agg(r.one ORDER BY r.row) FROM (SELECT m.row, array_agg(m.now ORDER BY m.col) AS one FROM made m GROUP BY m.row) r),
           (SELECT array_agg(d.share ORDER BY d.col) FROM (
                SELECT m.col, avg((m.now IS DISTINCT FROM m.value)::integer)::float8 AS share FROM made m WHERE m.col > 0 GROUP BY m.col) d)
$$;

COMMENT ON FUNCTION pgslo_catalog.break_columns(sample text[], earlier text[], kinds text[], faults text[], partners integer[], batch text, seed bigint, OUT broken text[], OUT changed double precision[]) IS 'A sample with a fault in each of some columns, and the share of the values of each that it changed.';

CREATE FUNCTION pgslo_catalog.break_rows(sample text[], fault text, rows bigint, batch text, seed bigint, OUT broken text[], OUT broken_rows bigint) RETURNS record
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH line AS MATERIALIZED (
        SELECT r.one, r.i, pgslo_catalog.chance(array_to_string(r.one, '|', '-'), seed) AS part, pgslo_catalog.chance(batch || '/*', seed) AS strength
        FROM pgslo_catalog.sample_rows(sample) WITH ORDINALITY AS r (one, i)
    ), made AS (
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' OR l.strength >= 0.5 OR l.part < 0.1 + 1.2 * l.strength
        UNION ALL
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' AND l.part < 0.15 + 0.6 * l.strength
    )
    SELECT array_agg(m.one ORDER BY m.i),
           CASE WHEN fault = 'volume' AND s.strength >= 0.5 THEN rows * (1.7 + 2.6 * (s.strength - 0.5))
                ELSE rows * count(*)::float8 / greatest(array_length(sample, 1), 1) END::bigint
    FROM made m CROSS JOIN (SELECT pgslo_catalog.chance(batch || '/*', seed) AS strength) s
    GROUP BY s.strength
$$;

COMMENT ON FUNCTION pgslo_catalog.break_rows(sample text[], fault text, rows bigint, batch text, seed bigint, OUT broken text[], OUT broken_rows bigint) IS 'A sample and a number of rows with a fault in the batch as a whole.';

CREATE TABLE pgslo_catalog.rule_break (
    rule_break_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_id bigint,
    error_code text NOT NULL,
    error_message text NOT NULL,
    broke_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    batch text,
    place numeric,
    said text DEFAULT ''::text NOT NULL,
    pause_id bigint
);

COMMENT ON TABLE pgslo_catalog.rule_break IS 'Rules that can no longer be judged, for example after a column was renamed; writes went on.';

COMMENT ON COLUMN pgslo_catalog.rule_break.rule_id IS 'NULL: not a rule, but rows cannot be told apart into batches any more.';

COMMENT ON COLUMN pgslo_catalog.rule_break.error_message IS 'The message as it was raised, which may hold a value of a row: for stewards.';

COMMENT ON COLUMN pgslo_catalog.rule_break.batch IS 'The batch with rows that were not judged, which tick() judges from the table; NULL: the rule cannot be evaluated.';

COMMENT ON COLUMN pgslo_catalog.rule_break.place IS 'Place of that batch among the others.';

COMMENT ON COLUMN pgslo_catalog.rule_break.said IS 'The error without a value of a row: for everybody who may know of the table.';

COMMENT ON COLUMN pgslo_catalog.rule_break.pause_id IS 'The pause because of which rows were not judged; NULL: an error.';

CREATE FUNCTION pgslo_catalog.break_said(broken pgslo_catalog.rule_break, reader name) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Both texts are those of the row that is given: it tells nothing to a role that cannot read the row itself.
    RETURN CASE WHEN pgslo_catalog.may_see_values(break_said.reader) THEN (break_said.broken).error_message ELSE (break_said.broken).said END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.break_said(broken pgslo_catalog.rule_break, reader name) IS 'Return why a rule cannot be evaluated, with the message as it was raised for roles that may see values.';

CREATE FUNCTION pgslo_catalog.broken_groups(check_function text, keys text[], at_most integer) RETURNS TABLE(group_key text, group_shown text, said text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    PERFORM pgslo_catalog.pin_table(d, broken_groups.check_function)
    FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE a.check_function = broken_groups.check_function;
    RETURN QUERY EXECUTE format('SELECT b.group_key, b.group_shown, b.said FROM pgslo_gen.%I($1) AS b LIMIT $2', broken_groups.check_function)
    USING CASE WHEN '*' = ANY (broken_groups.keys) THEN NULL ELSE broken_groups.keys END, broken_groups.at_most;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.broken_groups(check_function text, keys text[], at_most integer) IS 'Groups among these, or among all, that break an assertion now.';

CREATE FUNCTION pgslo_catalog.broken_said(rule pgslo_catalog.rule) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    given record;
BEGIN
    IF (broken_said.rule).scope = 'assertion' THEN
        -- Which groups, only pgslo.broken_group shows: their keys are values of rows.
        SELECT count(DISTINCT b.group_key) AS groups, bool_and(b.group_shown IS NULL) AS is_whole INTO given
        FROM pgslo_catalog.broken_group b WHERE b.rule_id = (broken_said.rule).rule_id;
        RETURN format('%s; the rule wants: %s', pgslo_catalog.groups_said(given.groups, given.is_whole), (broken_said.rule).promise);
    END IF;
    SELECT v.batch INTO given FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (broken_said.rule).rule_id AND v.verdict = 'missed' ORDER BY v.place DESC LIMIT 1;
    RETURN pgslo_catalog.missed_said(broken_said.rule, given.batch);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.broken_said(rule pgslo_catalog.rule) IS 'What is wrong with the table as it is now in the eyes of a rule, in words.';

CREATE FUNCTION pgslo_catalog.broken_value(fault text, kind text, value text, part double precision, strength double precision, other text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT CASE broken_value.fault
        WHEN 'null_burst' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value END
        WHEN 'stale' THEN other
        WHEN 'swapped' THEN other
        WHEN 'frozen' THEN CASE WHEN value IS NOT NULL THEN other END
        WHEN 'unit_change' THEN CASE WHEN abs(value::numeric) > 1e250 THEN value ELSE round(value::numeric * (ARRAY[1000, 100, 1.609344, 0.3048, 0.01, 0.001])[1 + floor(6 * strength)::integer], least(coalesce(scale(value::numeric), 0) + 3, 1000))::text END
        WHEN 'default_filled' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value ELSE
            CASE kind WHEN 'number' THEN (ARRAY['0', '-1', '9999'])[1 + floor(3 * strength)::integer]
                      WHEN 'time' THEN '0.000000' ELSE (ARRAY['', 'unknown', 'N/A'])[1 + floor(3 * strength)::integer] END END
        WHEN 'recoded' THEN CASE
            WHEN kind <> 'text' THEN (value::numeric + 1)::text
            WHEN strength < 0.5 THEN CASE WHEN upper(value) <> value THEN upper(value) ELSE lower(value) END
            ELSE (100 + hashtextextended(value COLLATE "C", 0) & 511)::text END
        WHEN 'truncated' THEN CASE kind WHEN 'number' THEN trunc(value::numeric)::text
                                        WHEN 'time' THEN (86400 * floor(value::numeric / 86400))::text ELSE left(value, other::integer) END
        WHEN 'shifted' THEN (value::numeric + 3600 * (ARRAY[1, 2, -5, 8, 12, 24])[1 + floor(6 * strength)::integer])::text
        ELSE value
    END
$$;

COMMENT ON FUNCTION pgslo_catalog.broken_value(fault text, kind text, value text, part double precision, strength double precision, other text) IS 'A value as a fault leaves it; other is the value that takes its place, or the length to which it is cut.';

CREATE FUNCTION pgslo_catalog.calendar_said(form text, step numeric, place numeric, seen jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    moment timestamp := to_timestamp(calendar_said.place::float8) AT TIME ZONE 'UTC';
    at text := CASE WHEN calendar_said.step < 86400 THEN to_char(moment, '" at "HH24:MI') ELSE '' END;
    many text := CASE calendar_said.form
        WHEN 'each' THEN CASE calendar_said.step WHEN 604800 THEN 'weeks' WHEN 86400 THEN 'days' WHEN 3600 THEN 'hours' WHEN 60 THEN 'minutes'
            ELSE format('spans of %s', pgslo_catalog.span_shown(make_interval(secs => calendar_said.step::float8))) END
        WHEN 'time of day' THEN 'days' || at
        WHEN 'weekday' THEN trim(to_char(moment, 'Day')) || 's' || at
        WHEN 'day of month' THEN format('months on day %s', extract(day FROM moment))
        ELSE CASE pgslo_catalog.phase('days to month end', calendar_said.place) WHEN '1' THEN 'months on their last day'
             ELSE format('months %s days before their end', pgslo_catalog.phase('days to month end', calendar_said.place)::integer - 1) END END;
BEGIN
    RETURN format('%s of the last %s %s had one', calendar_said.seen ->> 0, calendar_said.seen ->> 1, many) WHERE calendar_said.form IS NOT NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.calendar_said(form text, step numeric, place numeric, seen jsonb) IS 'Why a batch was expected at a place, in words; NULL where a rule says so.';

CREATE FUNCTION pgslo_catalog.calibration_error(scores pgslo_catalog.pair_score[], z double precision, OUT value double precision, OUT low double precision, OUT high double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    SELECT sum(b.n * abs(b.gap)) / sum(b.n), sum(b.n * greatest(0, abs(b.gap) - b.half)) / sum(b.n), least(1, sum(b.n * (abs(b.gap) + b.half)) / sum(b.n))
    INTO value, low, high
    FROM (
        SELECT g.n, g.positive / g.n - g.score / g.n AS gap,
               calibration_error.z * sqrt(greatest(0, g.score / g.n * (1 - g.score / g.n) / g.n)) AS half
        FROM (
            SELECT sum(p.positive + p.negative)::float8 AS n, sum(p.positive)::float8 AS positive, sum(p.score * (p.positive + p.negative)) AS score
            FROM unnest(calibration_error.scores) AS p
            GROUP BY least(floor(p.score * 10), 9)
            HAVING sum(p.positive + p.negative) > 0
        ) AS g
    ) AS b;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.calibration_error(scores pgslo_catalog.pair_score[], z double precision, OUT value double precision, OUT low double precision, OUT high double precision) IS 'Expected calibration error over ten bins of equal width. Interval: what each bin''s gap is by chance if it is calibrated, taken off and added.';

CREATE FUNCTION pgslo_catalog.caller() RETURNS name
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT coalesce(nullif(current_setting('role'), 'none')::name, session_user) $$;

COMMENT ON FUNCTION pgslo_catalog.caller() IS 'Return the role that asks, also inside a function that runs with its owner''s rights.';

CREATE FUNCTION pgslo_catalog.can_act_as(role oid, other oid) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- From PostgreSQL 16 on, a member may have neither the rights of the other role nor SET ROLE.
    RETURN pg_has_role(can_act_as.role, can_act_as.other,
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET, USAGE' END);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.can_act_as(role oid, other oid) IS 'Return whether a role has the rights of another one, or can set its role to it.';

CREATE TABLE pgslo_catalog.snapshot (
    snapshot_id bigint NOT NULL,
    name text NOT NULL,
    is_copy boolean NOT NULL,
    definition text NOT NULL,
    definition_fingerprint text NOT NULL,
    source_schema text NOT NULL,
    source_name text NOT NULL,
    condition text,
    left_out numeric[],
    columns jsonb NOT NULL,
    batch_by text,
    batch_place text,
    rows bigint,
    content_hash text,
    newest_batch text,
    newest_place numeric,
    incidents jsonb,
    library_version text,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    taken_by text NOT NULL,
    is_checked boolean,
    batch_name text,
    CONSTRAINT condition_is_at_most_10000_characters CHECK ((length(condition) <= 10000)),
    CONSTRAINT snapshot_is_sealed_whole CHECK (((rows IS NULL) = (content_hash IS NULL)))
);

COMMENT ON TABLE pgslo_catalog.snapshot IS 'What was read through a guarded view at a time: a copy of the rows, or how to read them again.';

COMMENT ON COLUMN pgslo_catalog.snapshot.is_copy IS 'Whether the rows are kept, in the schema pgslo_snapshot under this name; else they are read again when they are wanted.';

COMMENT ON COLUMN pgslo_catalog.snapshot.definition IS 'Name of the definition of the view; the snapshot outlives it.';

COMMENT ON COLUMN pgslo_catalog.snapshot.definition_fingerprint IS 'Which version of the definition was applied then.';

COMMENT ON COLUMN pgslo_catalog.snapshot.left_out IS 'Places of batches that were left out as unhealthy; NULL: none was looked for.';

COMMENT ON COLUMN pgslo_catalog.snapshot.columns IS 'Name and type of each column, in order.';

COMMENT ON COLUMN pgslo_catalog.snapshot.batch_by IS 'A row''s batch, as SQL over row r, where the view''s columns say it.';

COMMENT ON COLUMN pgslo_catalog.snapshot.batch_place IS 'Where a batch stands among the others, as SQL over b.raw.';

COMMENT ON COLUMN pgslo_catalog.snapshot.content_hash IS 'Of columns and rows in any order; NULL while it is being taken.';

COMMENT ON COLUMN pgslo_catalog.snapshot.incidents IS 'Incidents that were open then on columns of the view or on the table.';

COMMENT ON COLUMN pgslo_catalog.snapshot.is_checked IS 'Whether pgslo read the rows itself, or found each of them in the view; false: they are those that the taker gave.';

COMMENT ON COLUMN pgslo_catalog.snapshot.batch_name IS 'The name of a batch when it was taken, as SQL over b.raw.';

CREATE FUNCTION pgslo_catalog.can_be_read(snapshot pgslo_catalog.snapshot) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    keeper oid := pgslo_catalog.keeper();
BEGIN
    -- Where policies show each reader other rows, only the reader can read them. Where a table, or a part of one, belongs to
    -- another role, its indexes and constraints would run code of that role.
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.definition d
        JOIN pg_namespace n ON n.nspname = snapshot.source_schema
        JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = snapshot.source_name
        WHERE d.name = snapshot.definition AND v.relowner = keeper AND has_schema_privilege(keeper, n.oid, 'USAGE')
          AND NOT EXISTS (
              WITH RECURSIVE part AS (
                  SELECT d.relation::oid AS oid
                  UNION
                  SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
              )
              SELECT FROM part LEFT JOIN pg_class t ON t.oid = part.oid
              WHERE t.oid IS NULL OR t.relowner <> keeper OR t.relrowsecurity OR t.relkind NOT IN ('r', 'p')));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.can_be_read(snapshot pgslo_catalog.snapshot) IS 'Whether pgslo''s owner reads the same rows from a snapshot''s view as its taker, and runs no code of another role.';

CREATE FUNCTION pgslo_catalog.can_find_batches(definition pgslo_catalog.definition) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    -- 16 MB are read faster than anybody notices.
    RETURN 16 * 1024 * 1024 > (
        SELECT sum(pg_relation_size(p.number)) FROM pgslo_catalog.present_parts((can_find_batches.definition).relation) AS p
    ) OR EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = (can_find_batches.definition).relation AND i.indisvalid AND i.indpred IS NULL
          AND pg_get_indexdef(i.indexrelid, 1, true) IN (
              quote_ident((can_find_batches.definition).batch_column),
              regexp_replace((can_find_batches.definition).batch_by, E'^\\(r\\.(.*)\\)$', E'\\1')));
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.can_find_batches(definition pgslo_catalog.definition) IS 'Whether a table''s batches can be looked up by an index, or it is small.';

CREATE FUNCTION pgslo_catalog.cell_text(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- An index over models and segments takes 2,700 bytes.
    RETURN CASE WHEN octet_length(cell_text.value) > 200 THEN concat(left(cell_text.value, 30), '...', md5(cell_text.value)) ELSE cell_text.value END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.cell_text(value text) IS 'Return a model or a segment; of a long one, its beginning and a hash.';

CREATE FUNCTION pgslo_catalog.chance(what text, seed bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT (hashtextextended(chance.what COLLATE "C", chance.seed) & 1048575) / 1048576.0
$$;

COMMENT ON FUNCTION pgslo_catalog.chance(what text, seed bigint) IS 'A number from 0 to 1 that is the same for the same text and seed, on every server.';

CREATE FUNCTION pgslo_catalog.change_key(definition_id bigint, was_number boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = change_key.definition_id;
    PERFORM pgslo_catalog.join_missed(target.definition_id);
    -- A batch of the new key may have the same name.
    UPDATE pgslo_catalog.missed_batch m
    SET is_of_former_key = true, concern = DEFAULT, batch = concat(left(m.batch, 160), ' (former key)'), looked_at = NULL, planned_at = NULL,
        place = CASE WHEN change_key.was_number THEN '-Infinity' ELSE m.place END
    WHERE m.definition_id = target.definition_id AND NOT m.is_of_former_key;
    -- Pairs are counted anew.
    DELETE FROM pgslo_catalog.pair_batch b WHERE b.definition_id = target.definition_id;
    UPDATE pgslo_catalog.definition d SET is_rekeyed = true WHERE d.definition_id = target.definition_id AND d.recount IS NOT NULL;
    IF target.recount IS NOT NULL AND target.judge IS NOT NULL THEN
        -- Readers are warned until tick() has evaluated the rows again.
        PERFORM pgslo_catalog.mark_unjudged(target.name,
            ARRAY(
                SELECT r.name FROM pgslo_catalog.rule r
                WHERE r.definition_id = target.definition_id AND r.scope = 'row' AND r.on_breach IN ('warn', 'flag')
                  AND r.mechanism LIKE '% trigger' AND r.retired_at IS NULL),
            ARRAY['unknown'], ARRAY['-Infinity'::numeric], '55000', 'batches have another key');
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.change_key(definition_id bigint, was_number boolean) IS 'Keep what is missed by a former key of the batches for readers, and have tick() evaluate all rows in batches of the new one. was_number: places of the former one are no times.';

CREATE FUNCTION pgslo_catalog.changed_columns(relation regclass, old_row record, new_row record) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    changed text[];
BEGIN
    -- Compared as they are stored: no operator, no text, no setting of the session.
    EXECUTE format('SELECT array_remove(ARRAY[%s], NULL)', (
        SELECT string_agg(
            format('CASE WHEN record_image_ne(ROW(($1).%1$I), ROW(($2).%1$I)) THEN %1$L::text END', a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute a
        WHERE a.attrelid = changed_columns.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''))
    INTO changed USING changed_columns.old_row, changed_columns.new_row;
    RETURN changed;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.changed_columns(relation regclass, old_row record, new_row record) IS 'Return the columns of a table that an update changes, but for generated ones.';

CREATE FUNCTION pgslo_catalog.check_condition(condition text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    one text;
    before text := '';
    depth integer := 0;
    wrong text;
BEGIN
    -- PostgreSQL's own tokens, the longest first: a string with escapes, another string, a quoted name, a word, the rest
    -- one by one. A quote or a backslash that is left over belongs to a string that does not end, or ends somewhere else
    -- with another standard_conforming_strings.
    FOR one IN
        SELECT m.token[1]
        FROM regexp_matches(check_condition.condition,
            E'([eE]''(?:[^''\\\\]|\\\\.|'''')*''|''[^''\\\\]*''|"[^"]*"|[^\\x01-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x7f]+|--|/\\*|.)',
            'g') AS m (token)
    LOOP
        CONTINUE WHEN one ~ E'^[ \t\n\r\f\v]$';
        depth := depth + CASE one WHEN '(' THEN 1 WHEN ')' THEN -1 ELSE 0 END;
        wrong := CASE
            WHEN depth < 0 THEN 'It closes a parenthesis that it does not open.'
            WHEN one IN ('--', '/*') THEN 'It holds a comment.'
            WHEN one IN (';', '$') THEN format('It holds %s outside of a string.', one)
            WHEN one IN ('''', '"', E'\\') THEN
                'It holds a string or a name that does not end, or a backslash in a string without E.'
            WHEN before <> '.' AND lower(one COLLATE "C") IN ('select', 'values', 'table', 'union', 'intersect', 'except')
                THEN 'It holds a query.'
        END;
        EXIT WHEN wrong IS NOT NULL;
        before := one;
    END LOOP;
    IF wrong IS NULL AND depth > 0 THEN
        wrong := 'It opens a parenthesis that it does not close.';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'invalid condition of a snapshot',
            DETAIL = wrong,
            HINT = 'Write one condition over the columns of the view.';
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.check_condition(condition text) IS 'Refuse a condition that is not one expression: it is in parentheses in a query, and must not leave them.';

CREATE FUNCTION pgslo_catalog.check_cursors(target pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    relation regclass := (check_cursors.target).relation;
    id bigint := (check_cursors.target).definition_id;
    cursor_name text;
BEGIN
    -- Every function in a session can read the cursors of the session, and a rollback does not move them back. The statement
    -- that releases, and the note of warnings that a guarded read leaves, are none that a function can read.
    SELECT min(c.name) INTO cursor_name FROM pg_cursors c
    WHERE c.name <> '' AND NOT starts_with(c.name, 'pgslo_warned ') AND c.statement IS DISTINCT FROM current_query();
    IF cursor_name IS NULL
        OR (check_cursors.target).writer IS NULL
        AND NOT EXISTS (SELECT FROM pgslo_catalog.other_relation o WHERE o.definition_id = id AND o.is_replaceable)
        AND NOT EXISTS (
            SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
            WHERE k.contype = 'f' AND c.relowner <> ALL (pgslo_catalog.trusted_roles())
              AND k.conrelid IN (SELECT t.oid FROM pgslo_catalog.reached_tables(relation, false) AS t (oid)))
    THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'SL004',
        MESSAGE = format('cannot release a row of %s while cursor "%s" is open', (check_cursors.target).name, cursor_name),
        DETAIL = 'The release runs code of another role, which could read the rows of the cursor.',
        HINT = 'Close it, or release outside of the loop: collect the numbers of the rows in an array, then use FOREACH.';
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_cursors(target pgslo_catalog.definition) IS 'Raise an error if the session has an open cursor and the release of a row runs code of another role.';

CREATE FUNCTION pgslo_catalog.check_may_run(task text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF pgslo_catalog.may_run(check_may_run.task, pgslo_catalog.caller()) IS NOT TRUE THEN
        -- NULL where there is no such task: it is told like one that the caller may not run.
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for task "%s"', check_may_run.task),
            DETAIL = format('Role %s may not read what the task reads, or there is no such task.', pgslo_catalog.caller()),
            HINT = 'Grant it SELECT on the guarded view or on the view of the task.';
    END IF;
    -- pgslo's owner may run all, but none that there is not.
    PERFORM pgslo_catalog.need_task(check_may_run.task, pgslo_catalog.caller());
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_may_run(task text) IS 'An error if the caller may not read what a task reads.';

CREATE FUNCTION pgslo_catalog.check_mute(until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF check_mute.until <= clock_timestamp() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is over', coalesce(to_char(nullif(check_mute.until, '-infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC'), '-infinity')),
            HINT = 'Give a time to come, for example now() + interval ''2 days'', or NULL to end a mute.';
    END IF;
    IF check_mute.until > clock_timestamp() + interval '1 year' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a mute ends within a year',
            HINT = 'Give an earlier time, for example now() + interval ''2 days''; a rule that you do not need can be removed from its definition.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_mute(until timestamp with time zone) IS 'Refuse a mute that would be over before it begins, or would last for more than a year.';

CREATE FUNCTION pgslo_catalog.check_rereading(snapshot pgslo_catalog.snapshot) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    defined text;
BEGIN
    IF snapshot.condition IS NOT NULL AND snapshot.taken_by <> pgslo_catalog.caller() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied to read snapshot "%s" again', snapshot.name),
            DETAIL = format('Its condition was written by %s, and would run with the rights of %s.', snapshot.taken_by, pgslo_catalog.caller()),
            HINT = format('SET ROLE %I;', snapshot.taken_by);
    END IF;
    -- The view of that name may be another by now.
    SELECT v.definition INTO defined FROM pgslo_catalog.guarded_view(snapshot.source_schema, snapshot.source_name) AS v;
    PERFORM pgslo_catalog.check_types(d) FROM pgslo_catalog.definition d WHERE d.name = defined;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_rereading(snapshot pgslo_catalog.snapshot) IS 'Refuse to read a reference again with the rights of another role than its taker''s, or from a view that is not pgslo''s.';

CREATE FUNCTION pgslo_catalog.check_rows(snapshot pgslo_catalog.snapshot) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "TimeZone" TO 'UTC'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET xmloption TO 'content'
    AS $_$
DECLARE
    is_foreign boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT %1$s FROM pgslo_snapshot.%2$I AS r EXCEPT ALL SELECT %1$s FROM %3$I.%4$I AS r)',
        pgslo_catalog.row_text(snapshot.columns), snapshot.name, snapshot.source_schema, snapshot.source_name)
    INTO is_foreign;
    IF is_foreign THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('snapshot "%s" has rows that are not in %I.%I', snapshot.name, snapshot.source_schema,
                             snapshot.source_name),
            DETAIL = 'They were not read from the view, or another transaction changed or removed them meanwhile.',
            HINT = 'Take it in a transaction of isolation level REPEATABLE READ.';
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.check_rows(snapshot pgslo_catalog.snapshot) IS 'Refuse a snapshot that has rows which are not in its view.';

CREATE FUNCTION pgslo_catalog.check_session(before text[], with_locks boolean, relation text, error_code text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    difference text := pgslo_catalog.restore_session(check_session.before, check_session.with_locks);
BEGIN
    -- Handlers of OTHERS do not catch a failed assertion, which must not end what goes on to other tables. A cancel must.
    -- Nor may code of another role raise what these functions raise themselves when they are done.
    IF check_session.error_code IN ('P0004', 'SL000') OR difference IS NOT NULL AND check_session.error_code <> '57014' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL004',
            MESSAGE = format(CASE check_session.error_code
                WHEN 'P0004' THEN 'code of %s raises assert_failure'
                WHEN 'SL000' THEN 'code of %s raises SQLSTATE SL000'
                ELSE 'code of %s changes the session that reads it' END, check_session.relation),
            DETAIL = coalesce(difference, 'It changed no prepared statement and no lock.'),
            HINT = 'Ask the owner of the table what functions its indexes, constraints, policies and statistics call.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_session(before text[], with_locks boolean, relation text, error_code text) IS 'Restore the session after code of another role has run in it, and raise an error if that changed it.';

CREATE FUNCTION pgslo_catalog.check_types(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    difference text;
BEGIN
    IF (check_types.definition).known_types IS NULL THEN
        RETURN;  -- The table belongs to the owner of pgslo.
    END IF;
    difference := pgslo_catalog.new_type((check_types.definition).relation, (check_types.definition).known_types);
    IF difference IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'datatype_mismatch',
            MESSAGE = difference,
            DETAIL = format('Casts and operators of the type may be functions of another role; %s is not read.', (check_types.definition).name),
            HINT = 'Run pgslo apply.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.check_types(definition pgslo_catalog.definition) IS 'Refuse to read a table of another role that has a column of a type that it did not have at apply.';

CREATE FUNCTION pgslo_catalog.checked_domain(relation regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT min(format('column "%s" is of domain %s of role "%s"', a.attname, format_type(p.oid, NULL), pg_get_userbyid(p.typowner)))
    FROM pg_attribute a
    CROSS JOIN LATERAL pgslo_catalog.parts_of(a.atttypid) AS p
    WHERE a.attrelid = checked_domain.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND pgslo_catalog.is_stranger(p.typowner, checked_domain.relation)
      -- It may get a constraint at any moment.
      AND (SELECT t.typtype FROM pg_type t WHERE t.oid = p.oid) = 'd'
$$;

COMMENT ON FUNCTION pgslo_catalog.checked_domain(relation regclass) IS 'Return which column of a table has a domain of a stranger: its constraints run when values are read from text.';

CREATE FUNCTION pgslo_catalog.choose_faults(kinds text[], faults text[], turn integer, seed bigint, OUT chosen text[], OUT partners integer[]) RETURNS record
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH one AS (
        SELECT k.col::integer AS col, k.kind, CASE k.kind WHEN 'code' THEN 'number' ELSE k.kind END AS base FROM unnest(kinds) WITH ORDINALITY AS k (kind, col)
    ), other AS (
        -- The next column of the same kind, round and round.
        SELECT o.col, (SELECT p.col FROM one p WHERE p.base = o.base AND p.col <> o.col ORDER BY p.col < o.col, p.col LIMIT 1) AS partner FROM one o
    ), fit AS (
        SELECT o.col, q.partner,
               ARRAY(SELECT f.name FROM pgslo_catalog.fault_kinds() f
                     WHERE (o.kind = ANY (f.kinds) OR o.base = ANY (f.kinds)) AND (f.name <> 'swapped' OR q.partner IS NOT NULL)
                       AND (choose_faults.faults IS NULL OR f.name = ANY (choose_faults.faults))
                     ORDER BY f.ordinal) AS names
        FROM one o JOIN other q USING (col)
    )
    -- In turn, so that each is tried about as often; each column begins with another.
    SELECT array_agg(f.names[1 + mod(turn + floor(1000 * pgslo_catalog.chance('turn/' || f.col, seed))::integer, greatest(cardinality(f.names), 1))] ORDER BY f.col),
           array_agg(f.partner ORDER BY f.col)
    FROM fit f
$$;

COMMENT ON FUNCTION pgslo_catalog.choose_faults(kinds text[], faults text[], turn integer, seed bigint, OUT chosen text[], OUT partners integer[]) IS 'A fault for each column in its turn, NULL where none fits, and the column of the same kind that it would be swapped with.';

CREATE FUNCTION pgslo_catalog.column_numbers(relation regclass, names text[]) RETURNS smallint[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- A column that was renamed since the last apply keeps its number.
    SELECT array_agg(coalesce(a.attnum, known.number) ORDER BY n.place)
    FROM unnest(column_numbers.names) WITH ORDINALITY AS n (name, place)
    LEFT JOIN pg_attribute a ON a.attrelid = column_numbers.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN LATERAL (
        SELECT (c.said ->> 'number')::smallint AS number
        FROM pgslo_catalog.applied p
        JOIN pgslo_catalog.definition d USING (definition_id)
        CROSS JOIN jsonb_array_elements(p.columns) AS c (said)
        WHERE d.relation = column_numbers.relation AND (c.said ->> 'table')::bigint = d.relation::oid::bigint AND c.said ->> 'name' = n.name
        LIMIT 1
    ) AS known ON a.attnum IS NULL
$$;

COMMENT ON FUNCTION pgslo_catalog.column_numbers(relation regclass, names text[]) IS 'Numbers of columns by the names that a definition gives them; NULL for one that is not known.';

CREATE FUNCTION pgslo_catalog.column_readiness(target pgslo_catalog.definition, reads text[], batches integer, is_whole boolean, within interval) RETURNS TABLE(about text, definition text, column_name text, batch text, is_ready boolean, said text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;

COMMENT ON FUNCTION pgslo_catalog.column_readiness(target pgslo_catalog.definition, reads text[], batches integer, is_whole boolean, within interval) IS 'Whether each column, and the table, is healthy now: is_whole, in all stored batches within a time, else in the newest.';

CREATE TABLE pgslo_catalog.snapshot_column (
    snapshot_id bigint NOT NULL,
    ordinal integer NOT NULL,
    column_name text NOT NULL,
    column_type text NOT NULL,
    present bigint NOT NULL,
    sampled integer NOT NULL,
    summary jsonb NOT NULL,
    common jsonb,
    grid double precision[]
);

COMMENT ON TABLE pgslo_catalog.snapshot_column IS 'Each column of a snapshot in numbers. May hold personal data: the commonest values are values.';

COMMENT ON COLUMN pgslo_catalog.snapshot_column.sampled IS 'Values of the sample that are not null: what common counts.';

COMMENT ON COLUMN pgslo_catalog.snapshot_column.summary IS 'Numbers by name, as pgslo_catalog.summary_kinds() has them; those that need a history are missing.';

COMMENT ON COLUMN pgslo_catalog.snapshot_column.grid IS 'Quantiles at 0, 1/40, ... 1, of numbers; of times in hours since 1970.';

CREATE FUNCTION pgslo_catalog.columns_apart(one pgslo_catalog.snapshot_column, other pgslo_catalog.snapshot_column, OUT distance double precision, OUT by_chance double precision) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    size float8 := sqrt(1.0 / nullif(one.sampled, 0) + 1.0 / nullif(other.sampled, 0));
BEGIN
    IF one.grid IS NOT NULL AND other.grid IS NOT NULL THEN
        distance := pgslo_catalog.grid_distance('ks', one.grid, other.grid);
        -- Smirnov's bound for one false alarm in a thousand, and the steps of a grid of 40.
        by_chance := 1.95 * size + 0.025;
    ELSIF one.sampled > 0 AND other.sampled > 0 THEN
        SELECT sum(abs(v.p - v.q)) / 2 + abs(sum(v.p) - sum(v.q)) / 2, 0.4 * sum(sqrt((v.p + v.q) / 2 * (1 - (v.p + v.q) / 2))) * size + 1.5 * size
        INTO distance, by_chance
        FROM (
            -- What is not among the commonest is one value more.
            SELECT coalesce(a.value::float8, 0) / one.sampled AS p, coalesce(b.value::float8, 0) / other.sampled AS q
            FROM jsonb_each_text(one.common) AS a FULL JOIN jsonb_each_text(other.common) AS b ON a.key = b.key
        ) AS v;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.columns_apart(one pgslo_catalog.snapshot_column, other pgslo_catalog.snapshot_column, OUT distance double precision, OUT by_chance double precision) IS 'The largest gap between two distributions of numbers, or the share of rows whose value would have to change; and what chance alone does in samples of this size.';

CREATE FUNCTION pgslo_catalog.columns_of(relation regclass) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.attrelid::bigint) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    WHERE a.attrelid = columns_of.relation AND a.attnum > 0 AND NOT a.attisdropped
$$;

COMMENT ON FUNCTION pgslo_catalog.columns_of(relation regclass) IS 'Number and name of each column, in order, and the number of its table: a restored dump has others.';

CREATE FUNCTION pgslo_catalog.columns_with_code(relation regclass) RETURNS SETOF name
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT a.attname
    FROM pg_attribute a
    WHERE a.attrelid = columns_with_code.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND EXISTS (
          SELECT FROM pgslo_catalog.parts_of(a.atttypid) AS p
          LEFT JOIN pg_range g ON g.rngtypid = p.oid
          LEFT JOIN pg_proc f ON f.oid IN (g.rngsubdiff, g.rngcanonical, p.typanalyze)
          WHERE p.typowner <> ALL (pgslo_catalog.trusted_roles()) OR f.proowner <> ALL (pgslo_catalog.trusted_roles()))
    ORDER BY a.attnum
$$;

COMMENT ON FUNCTION pgslo_catalog.columns_with_code(relation regclass) IS 'Return the columns of types that are made of types or functions of other roles than superusers and pgslo''s owner.';

CREATE FUNCTION pgslo_catalog.common_distance(by text, one jsonb, other jsonb) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT pgslo_catalog.distance_of(common_distance.by, array_agg(s.p), array_agg(s.q))
        FROM (
            SELECT coalesce(a.value::float8 / sum(a.value::float8) OVER (), 0) AS p, coalesce(b.value::float8 / sum(b.value::float8) OVER (), 0) AS q
            FROM jsonb_each_text(common_distance.one) AS a FULL JOIN jsonb_each_text(common_distance.other) AS b ON a.key = b.key
        ) AS s);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.common_distance(by text, one jsonb, other jsonb) IS 'How far a distribution, as rows by value, is from another.';

CREATE FUNCTION pgslo_catalog.compare_parts(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition := compare_parts.definition;
    id bigint := target.definition_id;
    one jsonb;
    changed record;
    is_due boolean := false;
BEGIN
    -- Those that were recorded before it was.
    UPDATE pgslo_catalog.known_part k SET link = p.link
    FROM pgslo_catalog.present_parts(target.relation) AS p
    WHERE k.definition_id = id AND k.number = p.number AND k.link IS NULL;
    -- A part that was detached and attached again is one that is gone, and then a new one.
    -- An array, because code of the table's owner, which reading a part may call, could fetch from the query of a loop.
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object(
                   'number', number, 'is_gone', p.number IS NULL, 'file', p.file, 'link', p.link, 'places', k.places,
                   'has_rows', coalesce(k.is_newly_armed, true) AND (c.relkind = 'f' OR pg_relation_size(c.oid) > 0),
                   -- After TRUNCATE of the whole table, its parts are empty but for what was recorded since.
                   'is_rewritten', k.file <> p.file AND NOT EXISTS (
                       SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'truncate'))
        FROM (SELECT w.* FROM pgslo_catalog.known_part w WHERE w.definition_id = id) AS k
        FULL JOIN pgslo_catalog.present_parts(target.relation) AS p USING (number, link)
        LEFT JOIN pg_class c ON c.oid = p.number
        WHERE k.file IS DISTINCT FROM p.file OR k.is_newly_armed
        ORDER BY number, p.number IS NOT NULL)
    LOOP
        SELECT c.* INTO changed
        FROM jsonb_to_record(one)
            AS c (number bigint, is_gone boolean, file bigint, link text, places numrange, has_rows boolean, is_rewritten boolean);
        IF changed.places IS NULL THEN
            changed.places := pgslo_catalog.part_places(target, changed.number);
        END IF;
        IF target.batch_by IS NULL THEN
            is_due := is_due OR changed.is_gone OR changed.is_rewritten OR changed.has_rows;
        ELSE
            INSERT INTO pgslo_catalog.due_count AS c (definition_id, batch, place, is_emptied)
            SELECT id, b.batch, b.place, NOT changed.is_gone
            FROM pgslo_catalog.known_batches(id, changed.places) AS b
            WHERE changed.is_gone OR changed.is_rewritten
            ON CONFLICT ON CONSTRAINT due_count_is_due_once DO UPDATE SET is_emptied = c.is_emptied OR excluded.is_emptied;
            IF changed.has_rows THEN
                INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
                SELECT id, b.batch, b.place, false
                FROM pgslo_catalog.unrecorded_batches(target, changed.number, changed.places) AS b
                ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
            END IF;
        END IF;
        IF changed.is_gone THEN
            DELETE FROM pgslo_catalog.known_part k WHERE k.definition_id = id AND k.number = changed.number;
        ELSE
            INSERT INTO pgslo_catalog.known_part (definition_id, number, file, is_armed, places, link)
            VALUES (id, changed.number, changed.file, pgslo_catalog.is_armed(target.relation, changed.number), changed.places, changed.link)
            ON CONFLICT ON CONSTRAINT known_part_is_known_once DO UPDATE SET file = excluded.file, is_newly_armed = false;
        END IF;
    END LOOP;
    IF FOUND THEN
        -- Only a scan of the whole table finds rows of batches without an order. Readers are warned until it is done.
        PERFORM pgslo_catalog.mark_unjudged(target.name, r.rules, u.batches, u.places, '55000', 'rows came or left without a trigger')
        FROM (
            SELECT array_agg(c.batch), array_agg(c.place) FROM pgslo_catalog.due_count c
            WHERE c.definition_id = id AND c.place = '-Infinity'
        ) AS u (batches, places)
        CROSS JOIN (
            SELECT array_agg(w.name) FROM pgslo_catalog.rule w
            WHERE w.definition_id = id AND w.scope = 'row' AND w.on_breach IN ('warn', 'flag')
              AND w.mechanism LIKE '% trigger' AND w.retired_at IS NULL
        ) AS r (rules);
    END IF;
    IF is_due AND target.writes = 'bulk' THEN
        -- Batches without an order, which only a scan of the whole table finds.
        PERFORM pgslo_catalog.recount_batches(target, NULL, true);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.compare_parts(definition pgslo_catalog.definition) IS 'Compare the partitions and children of a table with those seen last, and record the batches that have to be counted.';

CREATE FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Row by row: the largest share of values equal to those of the same entities in one of the last 14 batches.
    WITH whole AS MATERIALIZED (
        SELECT p.batch, p.entities, p.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile p
        WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.place < compare_with_earlier.place
        ORDER BY p.place DESC LIMIT 14
    ), paired AS MATERIALIZED (
        -- Positions of common entities, once a batch.
        SELECT w.batch, array_agg(m.i::integer ORDER BY m.i) AS mine, array_agg(o.i::integer ORDER BY m.i) AS others
        FROM whole w
        CROSS JOIN LATERAL unnest(w.entities) WITH ORDINALITY AS o (entity, i)
        JOIN (
            SELECT e.entity, e.i FROM pgslo_catalog.profile p CROSS JOIN LATERAL unnest(p.entities) WITH ORDINALITY AS e (entity, i)
            WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.batch = compare_with_earlier.batch
        ) m USING (entity)
        GROUP BY w.batch
    ), mine AS MATERIALIZED (
        -- Appending nothing takes an array out of where long values are kept, once and not at every element.
        SELECT c.column_name, c.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile c
        WHERE c.definition_id = compare_with_earlier.definition_id AND c.batch = compare_with_earlier.batch AND c.column_name <> '*' AND c.sampled > 0 AND c.prefix IS NOT NULL
    ), theirs AS MATERIALIZED (
        SELECT o.column_name, o.batch, o.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile o
        WHERE o.definition_id = compare_with_earlier.definition_id AND o.batch IN (SELECT p.batch FROM paired p) AND o.prefix IS NOT NULL
    ), equal AS (
        SELECT c.column_name, avg((x.mine = x.other)::integer) FILTER (WHERE x.mine <> 0 OR x.other <> 0) AS share, count(*) FILTER (WHERE x.mine <> 0 OR x.other <> 0) AS compared
        FROM mine c
        JOIN theirs o USING (column_name)
        JOIN paired p USING (batch)
        CROSS JOIN LATERAL (SELECT c.prefix[i.mine] AS mine, o.prefix[i.other] AS other FROM unnest(p.mine, p.others) AS i (mine, other)) x
        GROUP BY c.column_name, p.batch
        UNION ALL
        -- Whole rows, whatever their key is now: of 256 different ones of least hash, as far as both batches have them.
        SELECT '*', r.share, r.compared
        FROM whole w
        JOIN pgslo_catalog.profile c ON c.definition_id = compare_with_earlier.definition_id AND c.batch = compare_with_earlier.batch AND c.column_name = '*'
        CROSS JOIN LATERAL (
            SELECT avg((o.hash IS NOT NULL)::integer) AS share, count(*) AS compared
            FROM unnest(c.prefix) AS m (hash) LEFT JOIN unnest(w.prefix) AS o (hash) USING (hash)
            WHERE cardinality(w.prefix) < 256 OR m.hash <= w.prefix[256]
        ) r
        WHERE cardinality(w.prefix) > 0
    )
    UPDATE pgslo_catalog.profile p
    SET summary[49] = coalesce(e.share, 0)
    FROM (SELECT q.column_name, max(q.share) FILTER (WHERE q.compared >= 8) AS share FROM equal q GROUP BY q.column_name) e
    WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch = compare_with_earlier.batch AND p.column_name = e.column_name
$$;

COMMENT ON FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) IS 'Notes how many values of a batch are those of an earlier one, entity by entity, and how many rows.';

CREATE FUNCTION pgslo_catalog.complete_pairs(definition pgslo_catalog.definition) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    SET work_mem TO '64MB'
    AS $_$
DECLARE
    id bigint := (complete_pairs.definition).definition_id;
    how jsonb := (complete_pairs.definition).pairs;
    anew boolean;
    classes text[];
    completed bigint;
    touched bigint[];
BEGIN
    anew := EXISTS (SELECT FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id AND f.images IS NULL);
    IF NOT anew AND NOT EXISTS (SELECT FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id) THEN
        RETURN 0;
    END IF;
    IF anew THEN
        PERFORM set_config('enable_seqscan', 'on', true);
        PERFORM pgslo_catalog.forget_pairs(id);
        UPDATE pgslo_catalog.pair_batch b SET early_due = true, late_due = true WHERE b.definition_id = id;
    END IF;
    IF jsonb_typeof(how -> 'classes') = 'array' THEN
        classes := ARRAY(SELECT jsonb_array_elements_text(how -> 'classes'));
    END IF;
    PERFORM pgslo_catalog.pin_table(complete_pairs.definition, how ->> 'function');
    EXECUTE format(
        $query$
        WITH taken AS (
            DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = $1 AND ($2 OR f.images IS NOT NULL) RETURNING f.images
        ), changed AS MATERIALIZED (
            SELECT i.* FROM taken t CROSS JOIN LATERAL unnest(t.images) AS i WHERE NOT $2
        ), now AS MATERIALIZED (
            SELECT n.* FROM pgslo_gen.%I(CASE WHEN NOT $2 THEN ARRAY(SELECT c::pgslo_catalog.pair_image FROM changed c) END) AS n
        ), bag AS MATERIALIZED (
            -- Rows of now (state 1), and of when it was looked last (state -1), each as often as it was there.
            SELECT s.state, s.side, s.key, s.batch, s.place, s.model, s.segment, s.score, s.decided, s.label, s.moment, s.defaulted, s.abstained, sum(s.n) AS n
            FROM (
                SELECT 1 AS state, 1 AS n, o.* FROM now o
                UNION ALL SELECT -1, 1, o.* FROM now o WHERE NOT $2
                UNION ALL SELECT -1, -c.sign, c.* FROM changed c
            ) AS s
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
            HAVING sum(s.n) <> 0
        ), truth AS MATERIALIZED (
            -- Of two labels the newer one counts.
            SELECT DISTINCT ON (b.state, b.key) b.state, b.key, b.label, b.score, b.moment, sum(b.n) OVER (PARTITION BY b.state, b.key) AS labels
            FROM bag b WHERE b.side = 'label'
            ORDER BY b.state, b.key, b.moment DESC NULLS LAST, b.label DESC NULLS LAST, b.score DESC NULLS LAST
        ), pair AS (
            SELECT p.state * p.n AS n, p.batch, p.place, coalesce(pgslo_catalog.cell_text(p.model), '') AS model,
                   ARRAY(SELECT pgslo_catalog.cell_text(e.value) FROM unnest(p.segment) WITH ORDINALITY AS e (value, n) ORDER BY e.n) AS segment,
                   p.score, p.decided, p.moment, p.defaulted, p.abstained,
                   p.model IS NULL AND $3 ->> 'has_model' = 'true' AS model_missing, t.labels, t.label, t.score AS number,
                   -- Before PostgreSQL 17 infinite times have no difference, and later an infinite one, which no sum loses again.
                   CASE WHEN isfinite(t.moment) AND isfinite(p.moment) THEN extract(epoch FROM t.moment - p.moment)::numeric END AS delay,
                   (t.moment < p.moment) IS TRUE AS is_late,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN p.score > '-Infinity' AND p.score < 'Infinity' ELSE p.score BETWEEN 0 AND 1 END IS TRUE AS valid,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN t.score > '-Infinity' AND t.score < 'Infinity'
                        ELSE t.label IS NOT NULL AND ($4 IS NULL OR t.label = ANY ($4)) END IS TRUE AS known
            FROM bag p LEFT JOIN truth t ON t.state = p.state AND t.key = p.key
            WHERE p.side = 'prediction'
        ), told AS (
            SELECT p.*, p.known AND NOT p.is_late AS used, p.label = $3 ->> 'positive' AS positive,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN false WHEN $3 ->> 'has_class' = 'true' THEN p.decided IS NOT NULL AND ($4 IS NULL OR p.decided = ANY ($4))
                        ELSE p.valid END AS says,
                   CASE WHEN $3 ->> 'has_class' = 'true' THEN p.decided = $3 ->> 'positive' ELSE p.score >= ($3 ->> 'threshold')::float8 END AS said_positive,
                   least(greatest(p.score, 2.220446049250313e-16), 1 - 2.220446049250313e-16) AS clipped,
                   -- The fourth power of a difference, summed, is a float8 still.
                   least(greatest(p.score, -1e70), 1e70) AS bounded, least(greatest(p.number, -1e70), 1e70) AS bounded_number
            FROM pair p
        ), one AS MATERIALIZED (
            SELECT t.*,
                   CASE WHEN $3 ->> 'has_class' = 'true' THEN t.decided = t.label ELSE t.said_positive = t.positive END AS hit,
                   CASE WHEN NOT t.valid OR t.abstained OR $3 ->> 'regression' = 'true' THEN NULL
                        WHEN $3 ->> 'has_class' = 'true' AND $3 ->> 'positive' IS NULL THEN t.score
                        WHEN $3 ->> 'has_class' = 'true' AND t.decided IS NOT NULL THEN CASE WHEN t.said_positive THEN t.score ELSE 1 - t.score END
                        ELSE greatest(t.score, 1 - t.score) END::numeric AS confidence,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'regression' = 'true' THEN (t.bounded - t.bounded_number)::numeric END AS error,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'regression' = 'true' THEN (abs(t.bounded - t.bounded_number) / greatest(abs(t.bounded_number), 2.220446049250313e-16))::numeric END AS relative,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'positive' IS NOT NULL THEN (-ln(CASE WHEN t.positive THEN t.clipped ELSE 1 - t.clipped END))::numeric END AS loss,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'positive' IS NOT NULL THEN ((t.score - CASE WHEN t.positive THEN 1 ELSE 0 END) ^ 2)::numeric END AS brier
            FROM told t
        ), summed AS (
            SELECT o.batch, min(o.place) AS place,
                   -- A clock that is ahead is ordinary. Labels of a day that never comes are not waited for.
                   max(least(o.moment, clock_timestamp())) FILTER (WHERE o.moment < clock_timestamp() + interval '1 day') AS last_at, o.model, o.segment,
                   sum(o.n) AS predictions,
                   coalesce(sum(o.n) FILTER (WHERE o.defaulted), 0) AS defaulted,
                   coalesce(sum(o.n) FILTER (WHERE o.abstained), 0) AS abstained,
                   coalesce(sum(o.n) FILTER (WHERE o.confidence IS NOT NULL), 0) AS expecting,
                   coalesce(sum(o.n * o.confidence), 0) AS expected,
                   coalesce(sum(o.n * o.confidence * (1 - o.confidence)), 0) AS expected_noise,
                   coalesce(sum(o.n) FILTER (WHERE o.used), 0) AS labelled,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.delay IS NOT NULL), 0) AS delayed,
                   coalesce(sum(o.n * o.delay) FILTER (WHERE o.used), 0) AS delay,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says), 0) AS decided,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.hit), 0) AS hits,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.said_positive AND o.positive), 0) AS true_positive,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.said_positive AND NOT o.positive), 0) AS false_positive,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND NOT o.said_positive AND o.positive), 0) AS false_negative,
                   coalesce(sum(o.n) FILTER (WHERE coalesce(o.loss, o.error) IS NOT NULL), 0) AS scored,
                   coalesce(sum(o.n * o.loss), 0) AS loss,
                   coalesce(sum(o.n * o.loss * o.loss), 0) AS loss_squared,
                   coalesce(sum(o.n * o.brier), 0) AS brier,
                   coalesce(sum(o.n * o.brier * o.brier), 0) AS brier_squared,
                   coalesce(sum(o.n * o.error), 0) AS error,
                   coalesce(sum(o.n * o.error * o.error), 0) AS error_squared,
                   coalesce(sum(o.n * o.error * o.error * o.error * o.error), 0) AS error_fourth,
                   coalesce(sum(o.n * abs(o.error)), 0) AS absolute,
                   coalesce(sum(o.n * o.relative), 0) AS relative,
                   coalesce(sum(o.n * o.relative * o.relative), 0) AS relative_squared,
                   0::numeric AS label_without_prediction,
                   coalesce(sum(o.n) FILTER (WHERE o.labels > 1), 0) AS two_labels,
                   coalesce(sum(o.n) FILTER (WHERE o.known AND o.is_late), 0) AS label_before_prediction,
                   coalesce(sum(o.n) FILTER (WHERE o.labels IS NOT NULL AND NOT o.known), 0) AS unknown_label,
                   coalesce(sum(o.n) FILTER (WHERE $3 ->> 'has_class' = 'true' AND o.decided IS NOT NULL AND o.decided <> ALL ($4)), 0) AS unknown_class,
                   coalesce(sum(o.n) FILTER (WHERE o.score IS NULL OR o.score = 'NaN'), 0) AS score_missing,
                   coalesce(sum(o.n) FILTER (WHERE NOT o.valid AND o.score <> 'NaN'), 0) AS score_outside,
                   coalesce(sum(o.n) FILTER (WHERE o.model_missing), 0) AS model_missing
            FROM one o
            GROUP BY o.batch, o.model, o.segment
            UNION ALL
            SELECT '', '-Infinity', NULL, '', '{}', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(t.state * t.labels), 0, 0, 0, 0, 0, 0, 0
            FROM truth t
            WHERE NOT EXISTS (SELECT FROM bag p WHERE p.side = 'prediction' AND p.state = t.state AND p.key = t.key)
            HAVING sum(t.state * t.labels) <> 0
        ), cell AS (
            INSERT INTO pgslo_catalog.pair_cell AS c (definition_id, batch, model, segment, predictions, defaulted, abstained, expecting, expected, expected_noise, labelled, delayed, delay,
                decided, hits, true_positive, false_positive, false_negative, scored, loss, loss_squared, brier, brier_squared, error, error_squared, error_fourth, absolute, relative, relative_squared,
                label_without_prediction, two_labels, label_before_prediction, unknown_label, unknown_class, score_missing, score_outside, model_missing)
            SELECT $1, s.batch, s.model, s.segment, s.predictions, s.defaulted, s.abstained, s.expecting, s.expected, s.expected_noise, s.labelled, s.delayed, s.delay,
                s.decided, s.hits, s.true_positive, s.false_positive, s.false_negative, s.scored, s.loss, s.loss_squared, s.brier, s.brier_squared, s.error, s.error_squared, s.error_fourth, s.absolute, s.relative, s.relative_squared,
                s.label_without_prediction, s.two_labels, s.label_before_prediction, s.unknown_label, s.unknown_class, s.score_missing, s.score_outside, s.model_missing
            FROM summed s
            ON CONFLICT ON CONSTRAINT pair_cell_is_of_a_batch_a_model_and_a_segment DO UPDATE SET
                predictions = c.predictions + excluded.predictions, defaulted = c.defaulted + excluded.defaulted, abstained = c.abstained + excluded.abstained,
                expecting = c.expecting + excluded.expecting, expected = c.expected + excluded.expected, expected_noise = c.expected_noise + excluded.expected_noise,
                labelled = c.labelled + excluded.labelled, delayed = c.delayed + excluded.delayed, delay = c.delay + excluded.delay,
                decided = c.decided + excluded.decided, hits = c.hits + excluded.hits, true_positive = c.true_positive + excluded.true_positive,
                false_positive = c.false_positive + excluded.false_positive, false_negative = c.false_negative + excluded.false_negative,
                scored = c.scored + excluded.scored, loss = c.loss + excluded.loss, loss_squared = c.loss_squared + excluded.loss_squared,
                brier = c.brier + excluded.brier, brier_squared = c.brier_squared + excluded.brier_squared, error = c.error + excluded.error,
                error_squared = c.error_squared + excluded.error_squared, error_fourth = c.error_fourth + excluded.error_fourth, absolute = c.absolute + excluded.absolute,
                relative = c.relative + excluded.relative, relative_squared = c.relative_squared + excluded.relative_squared,
                label_without_prediction = c.label_without_prediction + excluded.label_without_prediction, two_labels = c.two_labels + excluded.two_labels,
                label_before_prediction = c.label_before_prediction + excluded.label_before_prediction, unknown_label = c.unknown_label + excluded.unknown_label,
                unknown_class = c.unknown_class + excluded.unknown_class, score_missing = c.score_missing + excluded.score_missing,
                score_outside = c.score_outside + excluded.score_outside, model_missing = c.model_missing + excluded.model_missing
            RETURNING c.pair_cell_id, c.batch, c.model, c.segment, c.coarse
        ), counted AS (
            INSERT INTO pgslo_catalog.pair_score AS s (pair_cell_id, score, positive, negative)
            SELECT c.pair_cell_id, CASE WHEN c.coarse THEN round(o.score::numeric, 4)::float8 ELSE o.score END, coalesce(sum(o.n) FILTER (WHERE o.positive), 0), coalesce(sum(o.n) FILTER (WHERE NOT o.positive), 0)
            FROM one o JOIN cell c ON c.batch = o.batch AND c.model = o.model AND c.segment = o.segment
            WHERE o.loss IS NOT NULL
            GROUP BY 1, 2
            HAVING sum(o.n) FILTER (WHERE o.positive) <> 0 OR sum(o.n) FILTER (WHERE NOT o.positive) <> 0
            ON CONFLICT ON CONSTRAINT pair_score_is_counted_once DO UPDATE SET positive = s.positive + excluded.positive, negative = s.negative + excluded.negative
        ), due AS (
            INSERT INTO pgslo_catalog.pair_batch AS b (definition_id, batch, place, last_at)
            SELECT $1, s.batch, coalesce(min(s.place), pgslo_catalog.arrival($1, s.batch)), max(s.last_at)
            FROM summed s WHERE s.batch <> '' GROUP BY s.batch
            ON CONFLICT ON CONSTRAINT pair_batch_is_known_once DO UPDATE SET last_at = greatest(b.last_at, excluded.last_at), early_due = true, late_due = true
        )
        SELECT (SELECT count(*) FROM one), ARRAY(SELECT c.pair_cell_id FROM cell c)
        $query$, how ->> 'function')
    INTO completed, touched
    USING id, anew, how, classes;
    DELETE FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (touched) AND s.positive = 0 AND s.negative = 0;
    PERFORM pgslo_catalog.blur_scores(touched);
    RETURN completed;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.complete_pairs(definition pgslo_catalog.definition) IS 'Adds to the sums what the pairs of changed rows come to now, less what they came to before.';

CREATE FUNCTION pgslo_catalog.concern(definition text, columns text[], within interval) RETURNS TABLE(name text, batch text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    reach interval;
BEGIN
    -- Nearly always nothing is wrong with any column of any table, and one question says so.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.definition = concern.definition AND m.ended_at IS NULL
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.definition = concern.definition AND i.over_at IS NULL
    UNION ALL SELECT FROM pgslo_catalog.rule_break;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    reach := pgslo_catalog.reach(concern.definition, concern.within);
    RETURN QUERY
    SELECT m.concern, CASE WHEN m.is_of_former_key THEN 'unknown' ELSE m.batch END
    FROM pgslo_catalog.missed_batch m
    WHERE m.definition = concern.definition AND m.ended_at IS NULL AND (concern.columns IS NULL OR m.about && concern.columns)
      AND (reach IS NULL OR pgslo_catalog.is_within(m.place, reach))
    UNION ALL
    SELECT format('break %s %s', b.rule_break_id, r.columns), b.batch
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
    JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id AND r.retired_at IS NULL AND r.columns <> '{}'
    WHERE d.name = concern.definition AND (concern.columns IS NULL OR r.columns && concern.columns)
      AND (b.batch IS NULL OR reach IS NULL OR pgslo_catalog.is_within(b.place, reach))
    UNION ALL
    -- Rules over the table as it is now: no batch is missed.
    SELECT format('incident %s %s', i.incident_id, i.about), NULL
    FROM pgslo_catalog.incident i
    JOIN pgslo_catalog.rule r ON r.rule_id = i.rule_id AND r.retired_at IS NULL AND r.columns <> '{}'
    WHERE i.definition = concern.definition AND i.over_at IS NULL AND NOT i.is_of_batches
      AND (concern.columns IS NULL OR i.about && concern.columns);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.concern(definition text, columns text[], within interval) IS 'What readers of these columns are told, or of any if NULL; with the batch whose rows it is about, NULL for all rows.';

CREATE FUNCTION pgslo_catalog.concern_names(definition text, within interval) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    names text[] := ARRAY(
        SELECT c.name FROM pgslo_catalog.concern(concern_names.definition, NULL, concern_names.within) AS c ORDER BY c.name COLLATE "C");
BEGIN
    IF names = '{}' OR pgslo_catalog.may_know(concern_names.definition, pgslo_catalog.caller()) THEN
        RETURN names;
    END IF;
    -- A role that may not know how many there are can still see that nothing has changed.
    RETURN ARRAY['digest ' || md5(concat((SELECT s.value FROM pgslo_catalog.secret s), names::text))];
END
$$;

COMMENT ON FUNCTION pgslo_catalog.concern_names(definition text, within interval) IS 'Names of all concerns of a definition, as the caller may know them; one digest for a role that may read neither the table nor a guarded view.';

CREATE FUNCTION pgslo_catalog.content_hash(columns jsonb, rows bigint, sums numeric[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    AS $$
    SELECT encode(sha256(convert_to(concat_ws(E'\n', 'pgslo 1',
        (SELECT string_agg(format('%I %s', c.value ->> 'name', c.value ->> 'type'), E'\n' ORDER BY c.ordinality) FROM jsonb_array_elements(content_hash.columns) WITH ORDINALITY AS c),
        content_hash.rows, array_to_string(content_hash.sums, ' ')), 'UTF8')), 'hex')
$$;

COMMENT ON FUNCTION pgslo_catalog.content_hash(columns jsonb, rows bigint, sums numeric[]) IS 'One hash for columns and rows in any order.';

CREATE FUNCTION pgslo_catalog.content_of(snapshot pgslo_catalog.snapshot, table_name text) RETURNS TABLE(batch text, place numeric, rows bigint, sums numeric[])
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET "TimeZone" TO 'UTC'
    SET timezone_abbreviations TO 'Default'
    SET array_nulls TO 'on'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET xmloption TO 'content'
    AS $_$
BEGIN
    -- Sums do not depend on the order of rows, and unlike exclusive or they count a row that is there twice.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT %s, coalesce(%s, '-Infinity'), b.rows, b.sums
        FROM (
            SELECT h.raw, count(*) AS rows,
                   ARRAY[sum(('x' || substr(h.digest, 1, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 17, 16))::bit(64)::bigint),
                         sum(('x' || substr(h.digest, 33, 16))::bit(64)::bigint), sum(('x' || substr(h.digest, 49, 16))::bit(64)::bigint)] AS sums
            FROM (
                -- OFFSET keeps the digest from being worked out anew for each of its quarters.
                SELECT %s AS raw, encode(sha256(convert_to(%s, 'UTF8')), 'hex') AS digest FROM pgslo_snapshot.%I AS r OFFSET 0
            ) AS h
            GROUP BY h.raw
        ) AS b
        $query$,
        CASE WHEN snapshot.batch_by IS NULL THEN '''''::text' ELSE snapshot.batch_name END,
        CASE WHEN snapshot.batch_by IS NULL THEN 'NULL::numeric' ELSE snapshot.batch_place END,
        coalesce(snapshot.batch_by, 'NULL::text'), pgslo_catalog.row_text(snapshot.columns), content_of.table_name);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.content_of(snapshot pgslo_catalog.snapshot, table_name text) IS 'The batches in a table of rows, with sums over what is in them.';

CREATE FUNCTION pgslo_catalog.conversions_of(type regtype, relation regclass) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH part AS MATERIALIZED (
        SELECT p.oid, p.typowner FROM pgslo_catalog.parts_of(conversions_of.type) AS p
    )
    SELECT ARRAY(
        SELECT format('type %s of role "%s"', format_type(p.oid, NULL), pg_get_userbyid(p.typowner))
        FROM part p
        WHERE pgslo_catalog.is_stranger(p.typowner, conversions_of.relation)
        UNION
        SELECT format('cast (%s AS %s) by a function of role "%s"',
                      format_type(k.castsource, NULL), format_type(k.casttarget, NULL), pg_get_userbyid(f.proowner))
        FROM pg_cast k
        JOIN pg_proc f ON f.oid = k.castfunc
        WHERE k.castmethod = 'f' AND pgslo_catalog.is_stranger(f.proowner, conversions_of.relation)
          AND (k.castsource IN (SELECT p.oid FROM part p) OR k.casttarget IN (SELECT p.oid FROM part p))
        UNION
        SELECT format('constraint "%s" of domain %s', k.conname, format_type(p.oid, NULL))
        FROM part p
        JOIN pg_constraint k ON k.contypid = p.oid AND k.contype = 'c'
        WHERE pgslo_catalog.is_stranger(p.typowner, conversions_of.relation)
        ORDER BY 1)
$$;

COMMENT ON FUNCTION pgslo_catalog.conversions_of(type regtype, relation regclass) IS 'Return the types, casts and domain constraints of strangers that a value of a column may meet.';

CREATE FUNCTION pgslo_catalog.count_batches(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition := count_batches.definition;
    id bigint := target.definition_id;
    emptied text[] := ARRAY(
        SELECT c.batch FROM pgslo_catalog.due_count c
        WHERE c.definition_id = id AND c.batch = ANY (count_batches.batches) AND c.is_emptied);
    recorded bigint := pgslo_catalog.recorded_rows(id, emptied);
BEGIN
    PERFORM pgslo_catalog.take_counts(
        target,
        pgslo_catalog.replace_counts(
            target, count_batches.first, count_batches.last, count_batches.mask, count_batches.batches, true),
        count_batches.mask);
    recorded := recorded - pgslo_catalog.recorded_rows(id, emptied);
    UPDATE pgslo_catalog.applied a SET rows_emptied = a.rows_emptied + recorded
    WHERE a.definition_id = id AND recorded > 0;
    DELETE FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = ANY (count_batches.batches);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.count_batches(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[]) IS 'Count batches that are due in a range of the table; in the whole table without one.';

CREATE FUNCTION pgslo_catalog.count_due(definition pgslo_catalog.definition, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition := count_due.definition;
    id bigint := target.definition_id;
    size numeric := (SELECT sum(pg_relation_size(p.number)) FROM pgslo_catalog.present_parts(target.relation) AS p);
    -- One scan of a small table takes no time, and without an index several would take longer than one.
    in_one boolean := size < 16 * 1024 * 1024 OR NOT pgslo_catalog.can_find_batches(target) AND NOT EXISTS (
        SELECT FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = target.relation AND a.attname = target.batch_column);
    at_most integer := CASE WHEN in_one THEN 1000 ELSE 1 END;
    last_place numeric := pgslo_catalog.last_place(target);
    newest numeric;
    below numeric;
    batches text[];
    has_counted boolean := false;
    mask bigint := pgslo_catalog.sample_mask((SELECT max(b.rows) FROM pgslo_catalog.batch b WHERE b.definition_id = id));
BEGIN
    LOOP
        -- Those in the future come last: however many they are, those of today do not wait for them.
        newest := coalesce(
            (SELECT max(c.place) FROM pgslo_catalog.due_count c
             WHERE c.definition_id = id AND c.place > '-Infinity' AND c.place <= last_place),
            (SELECT max(c.place) FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.place > '-Infinity'));
        EXIT WHEN newest IS NULL;
        -- The newest, and those before it up to one that need not be counted.
        below := CASE WHEN NOT in_one THEN (
            SELECT max(b.place) FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.rows > 0 AND b.place < newest
              AND NOT EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = b.name)) END;
        SELECT array_agg(w.batch ORDER BY w.place) INTO batches
        FROM (
            SELECT c.batch, c.place FROM pgslo_catalog.due_count c
            WHERE c.definition_id = id AND c.place > coalesce(below, '-Infinity') AND c.place <= newest
            ORDER BY c.place DESC LIMIT at_most
        ) AS w;
        PERFORM pgslo_catalog.count_batches(target, batches[1], batches[cardinality(batches)], mask, batches);
        has_counted := true;
        EXIT WHEN clock_timestamp() > count_due.until;
        at_most := CASE WHEN in_one THEN at_most ELSE least(2 * at_most, 64) END;
    END LOOP;
    IF NOT has_counted THEN
        -- By itself, so that a timeout that strikes the scan of the whole table undoes nothing else.
        batches := ARRAY(SELECT c.batch FROM pgslo_catalog.due_count c WHERE c.definition_id = id);
        PERFORM pgslo_catalog.count_batches(target, NULL, NULL, mask, batches);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.count_due(definition pgslo_catalog.definition, until timestamp with time zone) IS 'Count batches that are due from the table, the newest first, until a time; the others are left for the next time.';

CREATE FUNCTION pgslo_catalog.count_failing(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric, is_exact boolean, OUT rows bigint, OUT failed bigint, OUT recorded bigint, OUT is_judged boolean, OUT seen pg_snapshot) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $_$
BEGIN
    PERFORM pgslo_catalog.pin_table(count_failing.definition, (count_failing.definition).judge);
    PERFORM pgslo_catalog.forget_plans(TRUE);
    -- One statement, so one snapshot: the rows that it counts are those whose fragments and notes it sees.
    EXECUTE format(
        $query$
        WITH counted AS MATERIALIZED (
            SELECT c.rows, c.failed FROM pgslo_gen.%I($1, $2) AS c
        ), known AS MATERIALIZED (
            SELECT coalesce(sum(f.rows), 0)::bigint AS rows, coalesce(sum((f.failures ->> $2)::bigint), 0) AS failed
            FROM pgslo_catalog.fragment f WHERE f.definition_id = $3 AND f.batch = $1
        ), judged AS MATERIALIZED (
            -- Fewer rows than were recorded: the name of the batch does not find them.
            SELECT CASE WHEN $4 = 'bulk' OR $7 THEN c.failed ELSE greatest(c.failed, k.failed) END - k.failed AS more
            FROM counted c CROSS JOIN known k
            WHERE (c.rows >= k.rows OR $4 <> 'bulk' AND (c.rows > 0 OR $7))
              -- Rows whose batch could not be named are in no batch of that name.
              AND ($1 <> 'unknown' OR c.rows > 0)
        ), gone AS (
            DELETE FROM pgslo_catalog.rule_break b USING judged
            WHERE b.definition_id = $3 AND b.rule_id = $5 AND b.batch = $1
        ), written AS (
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT $3, $1, $6, 0, jsonb_build_object($2, j.more) FROM judged j WHERE j.more <> 0
        )
        SELECT c.rows, c.failed, k.rows, j.more IS NOT NULL, pg_current_snapshot()
        FROM counted c CROSS JOIN known k LEFT JOIN judged j ON true
        $query$, (count_failing.definition).judge)
    INTO rows, failed, recorded, is_judged, seen
    USING count_failing.batch, (count_failing.rule).name, (count_failing.definition).definition_id,
        (count_failing.definition).writes, (count_failing.rule).rule_id, count_failing.place, count_failing.is_exact;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.count_failing(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric, is_exact boolean, OUT rows bigint, OUT failed bigint, OUT recorded bigint, OUT is_judged boolean, OUT seen pg_snapshot) IS 'Count the rows of a batch that fail a rule from the table, and record the difference to what is recorded. is_exact: also of a streamed table where they are fewer. is_judged: false if its rows are not found; rows is NULL if the table''s function does not know the rule.';

CREATE FUNCTION pgslo_catalog.count_unknown(definition pgslo_catalog.definition, rule pgslo_catalog.rule) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $_$
DECLARE
    counted bigint;
BEGIN
    PERFORM pgslo_catalog.pin_table(count_unknown.definition, (count_unknown.definition).recount);
    -- Which of them fail, nothing tells: all of them may.
    EXECUTE format(
        $query$
        WITH counted AS MATERIALIZED (
            SELECT coalesce(sum(c.rows), 0)::bigint AS rows FROM unnest(pgslo_gen.%I(NULL, NULL, $1)) AS c WHERE c.batch = 'unknown'
        ), known AS MATERIALIZED (
            SELECT coalesce(sum(f.rows), 0) AS rows, coalesce(sum((f.failures ->> $2)::bigint), 0) AS failed
            FROM pgslo_catalog.fragment f WHERE f.definition_id = $3 AND f.batch = 'unknown'
        ), written AS (
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT $3, 'unknown', '-Infinity', c.rows - k.rows, jsonb_build_object($2, c.rows - k.failed)
            FROM counted c CROSS JOIN known k WHERE c.rows > 0
        )
        SELECT c.rows FROM counted c
        $query$, (count_unknown.definition).recount)
    INTO counted
    -- A sample of next to no rows, as none is needed.
    USING (1::bigint << 40) - 1, (count_unknown.rule).name, (count_unknown.definition).definition_id;
    RETURN counted;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.count_unknown(definition pgslo_catalog.definition, rule pgslo_catalog.rule) IS 'Count the rows of an unknown batch from the whole table, and record that they fail a rule.';

CREATE FUNCTION pgslo_catalog.counting(rows text, batch_of text[], columns text[], sums text[], sample text DEFAULT 'NULL'::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN format('SELECT array_agg(ROW(%s, %s, b.rows, b.present, b.tallies, ''{}'', b.sample)::pgslo_catalog.measured)
        FROM (
            SELECT %s AS raw, count(*) AS rows, ARRAY[%s]::bigint[] AS present, ARRAY[%s]::numeric[] AS tallies,
                   (%s)::text[] AS sample
            FROM %I AS r
            GROUP BY 1
        ) AS b',
        counting.batch_of[2], counting.batch_of[3], counting.batch_of[1],
        (SELECT string_agg(format('count(r.%I)', c.name), ', ' ORDER BY c.ordinal)
         FROM unnest(counting.columns) WITH ORDINALITY AS c (name, ordinal)),
        array_to_string(counting.sums, ', '), counting.sample, counting.rows);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.counting(rows text, batch_of text[], columns text[], sums text[], sample text) IS 'Return the query that counts rows by batch, with the values that are not NULL in each column, and sums; $1 is the mask of the sample.';

CREATE FUNCTION pgslo_catalog.counting_failures(passes text, batch_of text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN format('SELECT array_agg(ROW(%s, %s, 0, ''{}'', ''{}'', pgslo_catalog.failing_of($1, $2, b.failed), NULL)::pgslo_catalog.measured)
        FROM (SELECT %s AS raw, count(*) AS failed FROM pgslo_new AS r WHERE NOT %s GROUP BY 1) AS b',
        counting_failures.batch_of[2], counting_failures.batch_of[3], counting_failures.batch_of[1], counting_failures.passes);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.counting_failures(passes text, batch_of text[]) IS 'Return the query for the rows that do not pass, by batch, as those of rule $1 of $2 rules.';

CREATE FUNCTION pgslo_catalog.cut_texts() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    whole jsonb := to_jsonb(NEW);
    cut jsonb := '{}';
BEGIN
    -- Arguments: a column, its longest text in characters, and so on.
    FOR n IN 0 .. TG_NARGS - 2 BY 2 LOOP
        IF length(whole ->> TG_ARGV[n]) > TG_ARGV[n + 1]::integer THEN
            cut := cut || jsonb_build_object(TG_ARGV[n], left(whole ->> TG_ARGV[n], TG_ARGV[n + 1]::integer - 3) || '...');
        END IF;
    END LOOP;
    RETURN jsonb_populate_record(NEW, cut);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.cut_texts() IS 'Cuts texts of a new row that are longer than pgslo keeps them.';

CREATE FUNCTION pgslo_catalog.day_of_check() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.day_of_check() IS 'The name under which verdicts about assertions are given: the day, in UTC.';

CREATE FUNCTION pgslo_catalog.declare_assertion(document jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(document ->> 'definition', document ->> 'assertion');
BEGIN
    INSERT INTO pgslo_catalog.assertion AS a (rule_id, check_function, settle_function, enforced, deferred, native, wants_validation, validated_at, fingerprint)
    VALUES (rule.rule_id, document ->> 'function', document ->> 'settle', (document ->> 'enforced')::boolean, (document ->> 'deferred')::boolean, (document ->> 'native')::boolean,
            (document ->> 'validated')::boolean AND NOT (document ->> 'native')::boolean,
            CASE WHEN (document ->> 'native')::boolean THEN clock_timestamp() END, document ->> 'fingerprint')
    ON CONFLICT (rule_id) DO UPDATE SET
        check_function = excluded.check_function, settle_function = excluded.settle_function, enforced = excluded.enforced, deferred = excluded.deferred, native = excluded.native,
        wants_validation = excluded.wants_validation, validated_at = excluded.validated_at, fingerprint = excluded.fingerprint;
    DELETE FROM pgslo_catalog.assertion_dependency p WHERE p.rule_id = rule.rule_id;
    INSERT INTO pgslo_catalog.assertion_dependency (rule_id, relation, columns, events)
    SELECT rule.rule_id, (w ->> 'relation')::regclass, ARRAY(SELECT jsonb_array_elements_text(w -> 'columns')), ARRAY(SELECT jsonb_array_elements_text(w -> 'events'))
    FROM jsonb_array_elements(document -> 'dependencies') AS w;
    -- Rows that are there stay: a transaction may hold one.
    INSERT INTO pgslo_catalog.assertion_guard (check_function, bucket)
    SELECT document ->> 'function', n FROM generate_series(0, (document ->> 'buckets')::integer - 1) AS n
    ON CONFLICT ON CONSTRAINT assertion_guard_is_there_once DO NOTHING;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.declare_assertion(document jsonb) IS 'Takes an assertion in, or its newer form: what it depends on, and the guard rows of its groups.';

CREATE FUNCTION pgslo_catalog.deferring(relation regclass) RETURNS TABLE(said text, written bigint, checked bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    trusted oid[] := pgslo_catalog.trusted_roles();
    family oid[] := ARRAY(SELECT t.oid FROM pgslo_catalog.reached_tables(deferring.relation, false) AS t (oid));
BEGIN
    -- settling() checks the constraints of the table for the one row.
    RETURN QUERY
    SELECT format('trigger "%s" on %s', g.tgname, g.tgrelid::regclass),
           pgslo_catalog.rows_written(CASE WHEN w.is_settled THEN family ELSE ARRAY[c.oid] END),
           w.is_settled::integer::bigint
    FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid
    JOIN pg_proc p ON p.oid = g.tgfoid
    LEFT JOIN pg_class o ON o.oid = g.tgconstrrelid
    CROSS JOIN LATERAL (
        SELECT c.oid = ANY (family) AND c.relowner <> ALL (trusted) AND p.pronamespace = 'pg_catalog'::regnamespace
            AND (starts_with(p.proname, 'RI_FKey_') OR p.proname = 'unique_key_recheck')
    ) AS w (is_settled)
    WHERE g.tgdeferrable AND g.tgenabled <> 'D'
      AND (c.relowner <> ALL (trusted) OR p.proowner <> ALL (trusted) OR o.relowner <> ALL (trusted));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.deferring(relation regclass) IS 'Return deferrable triggers of other roles, or on or about their tables, and the rows that were written and checked.';

CREATE FUNCTION pgslo_catalog.describe_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, level, sampled, summary, noise, common, shapes, grid, prefix, entities)
    WITH cell AS MATERIALIZED (
        SELECT (u.i - 1) / array_length(sample, 2) AS row, (u.i - 1) % array_length(sample, 2) AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), watched AS MATERIALIZED (
        SELECT c.col, c.name, c.name = ANY (definition.key_columns) AS is_key,
               (SELECT w.kind FROM pgslo_catalog.watched_column w WHERE w.definition_id = definition.definition_id AND w.column_name = c.name) AS kind
        FROM unnest(columns) WITH ORDINALITY AS c (name, col)
    ), counted AS MATERIALIZED (
        SELECT c.col, c.value, count(*) AS n FROM cell c WHERE c.col > 0 AND c.value IS NOT NULL GROUP BY c.col, c.value
    ), known AS MATERIALIZED (
        SELECT c.col, c.value, c.n, v.number,
               CASE WHEN v.number IS NULL THEN CASE WHEN w.kind = 'time' THEN CASE WHEN v.is_number THEN pgslo_catalog.number_of(c.value) END ELSE pgslo_catalog.seconds_of(c.value) END END AS seconds,
               length(c.value) AS length, length(c.value) - length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '')) AS upper,
               length(c.value) - length(translate(c.value, '0123456789', '')) AS digit, length(c.value) - length(replace(c.value, ' ', '')) AS space,
               length(translate(c.value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ', '')) AS punctuation,
               CASE WHEN c.value !~ '[eE]' THEN length(split_part(c.value, '.', 2)) ELSE 0 END AS decimals,
               regexp_replace(regexp_replace(regexp_replace(left(c.value, 24) COLLATE "C", '[a-z]+', 'a', 'g'), '[A-Z]+', 'A', 'g'), '[0-9]+', '9', 'g') AS shape
        FROM counted c
        JOIN watched w USING (col)
        CROSS JOIN LATERAL (SELECT c.value COLLATE "C" ~ E'^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$' AS is_number) n
        CROSS JOIN LATERAL (SELECT CASE WHEN n.is_number AND w.kind IS DISTINCT FROM 'time' THEN pgslo_catalog.number_of(c.value) END AS number, n.is_number) v
    ), text_of AS MATERIALIZED (
        SELECT k.col, sum(k.n)::float8 AS present, count(*)::float8 AS distinct, max(k.n)::float8 AS top, count(*) FILTER (WHERE k.n = 1)::float8 AS single,
               coalesce(sum(k.n) FILTER (WHERE k.value = ''), 0)::float8 AS empty, sum(k.n * k.length)::float8 AS characters, sum(k.n * k.length * k.length)::float8 AS length2,
               min(k.length)::float8 AS length_min, max(k.length)::float8 AS length_max, sum(k.n * k.upper)::float8 AS upper, sum(k.n * k.digit)::float8 AS digit,
               sum(k.n * k.space)::float8 AS space, sum(k.n * k.punctuation)::float8 AS punctuation,
               coalesce(sum(k.n) FILTER (WHERE k.number IS NOT NULL), 0)::float8 AS numbers, coalesce(sum(k.n) FILTER (WHERE k.seconds IS NOT NULL), 0)::float8 AS times
        FROM known k GROUP BY k.col
    ), valued AS MATERIALIZED (
        SELECT k.col, k.n, k.decimals, t.numbers >= t.times AS is_number, round(k.seconds) AS seconds, v.x,
               -- Squares and quotients of these do not overflow.
               CASE WHEN abs(v.x) < 1e-100 THEN 0 ELSE least(greatest(v.x, -1e100), 1e100) END AS near
        FROM known k
        JOIN text_of t USING (col)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN t.numbers >= t.times THEN k.number
                        ELSE (k.seconds - least(greatest(batch.place, -1e12), 1e12)::float8) / 3600 END AS x
        ) v
        WHERE v.x IS NOT NULL
    ), number_of AS MATERIALIZED (
        SELECT v.col, bool_or(v.is_number) AS is_number, count(*)::float8 AS m, avg(v.near) AS mean, stddev_pop(v.near) AS deviation,
               percentile_cont(ARRAY[0, .025, .05, .075, .1, .125, .15, .175, .2, .225, .25, .275, .3, .325, .35, .375, .4, .425, .45, .475, .5, .525, .55, .575, .6, .625,
                                     .65, .675, .7, .725, .75, .775, .8, .825, .85, .875, .9, .925, .95, .975, 1]::float8[]) WITHIN GROUP (ORDER BY v.x) AS grid,
               avg(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_mean, stddev_pop(ln(abs(v.x))) FILTER (WHERE v.x <> 0) AS log_deviation, count(*) FILTER (WHERE v.x <> 0)::float8 AS not_zero,
               avg(v.decimals)::float8 AS decimals, stddev_pop(v.decimals)::float8 AS decimals_deviation,
               avg((v.x = 0)::integer)::float8 AS zero, avg((v.x < 0)::integer)::float8 AS negative, avg((v.x = round(v.x))::integer)::float8 AS whole,
               avg((v.x / 10 = round(v.x / 10))::integer)::float8 AS tens, avg((v.x / 100 = round(v.x / 100))::integer)::float8 AS hundreds,
               avg((v.seconds / 86400 = floor(v.seconds / 86400))::integer)::float8 AS midnight, avg((v.seconds / 3600 = floor(v.seconds / 3600))::integer)::float8 AS on_hour,
               avg((v.seconds / 60 = floor(v.seconds / 60))::integer)::float8 AS on_minute,
               avg((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour, stddev_pop((v.seconds - 86400 * floor(v.seconds / 86400)) / 3600) AS hour_deviation
        FROM valued v CROSS JOIN generate_series(1, v.n)
        GROUP BY v.col
    ), edge_of AS (
        SELECT v.col, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[41]), 0) / n.m AS at_maximum, coalesce(sum(v.n) FILTER (WHERE v.x = n.grid[1]), 0) / n.m AS at_minimum
        FROM valued v JOIN number_of n USING (col) GROUP BY v.col, n.m, n.grid
    ), long_of AS (
        SELECT k.col, sum(k.n) / t.present AS at_length_max FROM known k JOIN text_of t USING (col) WHERE k.length = t.length_max GROUP BY k.col, t.present
    ), common_of AS (
        SELECT c.col, jsonb_object_agg(left(c.value, 100), c.n) AS common
        FROM (SELECT k.col, k.value, k.n, row_number() OVER (PARTITION BY k.col ORDER BY k.n DESC, k.value COLLATE "C") AS place FROM known k) c WHERE c.place <= 200 GROUP BY c.col
    ), shape_of AS (
        SELECT s.col, jsonb_object_agg(s.shape, s.n) AS shapes
        FROM (SELECT k.col, k.shape, sum(k.n) AS n, row_number() OVER (PARTITION BY k.col ORDER BY sum(k.n) DESC, k.shape COLLATE "C") AS place FROM known k GROUP BY k.col, k.shape) s
        WHERE s.place <= 50 GROUP BY s.col
    ), entity AS MATERIALIZED (
        SELECT e.row, e.entity, row_number() OVER (ORDER BY e.entity) AS place
        FROM (SELECT DISTINCT ON (c.value::bigint >> 32) c.row, (c.value::bigint >> 32)::integer AS entity FROM cell c WHERE c.col = 0 AND c.value IS NOT NULL ORDER BY c.value::bigint >> 32, c.row) e
        ORDER BY e.entity LIMIT 256
    ), prefix_of AS (
        SELECT c.col, array_agg(CASE WHEN c.value IS NULL THEN 0 ELSE hashtext(c.value) END ORDER BY e.place) AS prefix FROM entity e JOIN cell c USING (row) WHERE c.col > 0 GROUP BY c.col
    ), size AS (
        SELECT greatest(batch.rows, 0)::float8 AS rows, coalesce(array_length(sample, 1), 0)::float8 AS sampled
    ), different_row AS MATERIALIZED (
        SELECT count(*) AS n, hashtext(r.told) AS hash
        FROM (SELECT string_agg(coalesce(quote_literal(c.value), 'NULL'), ',' ORDER BY c.col) AS told FROM cell c JOIN watched w USING (col) WHERE NOT w.is_key GROUP BY c.row) r
        GROUP BY r.told
    ), told AS (
        SELECT coalesce(sum(d.n), 0)::float8 AS rows, count(*)::float8 AS different, count(*) FILTER (WHERE d.n = 1)::float8 AS once FROM different_row d
    ), told_prefix AS (
        -- The rows of least hash are the same ones in every batch that has them.
        SELECT array_agg(d.hash ORDER BY d.hash) AS prefix FROM (SELECT DISTINCT r.hash FROM different_row r ORDER BY r.hash LIMIT 256) d
    )
    SELECT definition.definition_id, batch.name, batch.place, w.name, batch.rows,
           coalesce((describe_batch.present ->> w.name)::bigint, t.present::bigint, 0), describe_batch.level, coalesce(t.present, 0)::integer,
           ARRAY[
               CASE WHEN s.rows > 0 THEN least(greatest(1 - coalesce((describe_batch.present ->> w.name)::float8, t.present, 0) / s.rows, 0), 1) END,
               t.empty / t.present, ln(t.distinct), t.distinct / t.present, t.top / t.present, t.single / t.present,
               t.characters / t.present, t.length_min, t.length_max, g.at_length_max,
               t.upper / greatest(t.characters, 1), t.digit / greatest(t.characters, 1), t.space / greatest(t.characters, 1), t.punctuation / greatest(t.characters, 1),
               t.numbers / t.present, t.times / t.present,
               n.mean, CASE WHEN n.is_number THEN n.log_mean END, CASE WHEN n.deviation > 0 THEN ln(n.deviation) END,
               q.near[1], q.near[3], q.near[11], q.near[21], q.near[31], q.near[39], q.near[41],
               CASE WHEN n.is_number THEN n.zero END, CASE WHEN n.is_number THEN n.negative END, CASE WHEN n.is_number THEN n.whole END,
               CASE WHEN n.is_number THEN n.tens END, CASE WHEN n.is_number THEN n.hundreds END, CASE WHEN n.is_number THEN n.decimals END,
               CASE WHEN n.deviation > 0 THEN e.at_maximum END, CASE WHEN n.deviation > 0 THEN e.at_minimum END,
               CASE WHEN NOT n.is_number THEN n.midnight END, CASE WHEN NOT n.is_number THEN n.on_hour END, CASE WHEN NOT n.is_number THEN n.on_minute END, CASE WHEN NOT n.is_number THEN n.hour END,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
           ]::float8[],
           ARRAY[
               0.5 / sqrt(greatest(s.rows, 1)), h.share, 2 * h.share, h.share, h.share, h.share,
               sqrt(greatest(t.length2 / t.present - (t.characters / t.present) ^ 2, 0) / t.present), NULL, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share,
               -- Few values that are equal have noise as well.
               n.deviation / sqrt(n.m), greatest(n.log_deviation, 0.25) / sqrt(nullif(n.not_zero, 0)), 1 / sqrt(2 * n.m),
               pgslo_catalog.quantile_noise(q.near, 0, n.m), pgslo_catalog.quantile_noise(q.near, 2, n.m), pgslo_catalog.quantile_noise(q.near, 10, n.m), pgslo_catalog.quantile_noise(q.near, 20, n.m),
               pgslo_catalog.quantile_noise(q.near, 30, n.m), pgslo_catalog.quantile_noise(q.near, 38, n.m), pgslo_catalog.quantile_noise(q.near, 40, n.m),
               j.share, j.share, j.share, j.share, j.share, n.decimals_deviation / sqrt(n.m), j.share, j.share, j.share, j.share, j.share, n.hour_deviation / sqrt(n.m),
               NULL, NULL, h.share, h.share, h.share, h.share, NULL, h.share, h.share, h.share, h.share, h.share, h.share, h.share
           ]::float8[],
           coalesce(c.common, '{}'), coalesce(p.shapes, '{}'), CASE WHEN n.m > 0 THEN n.grid END, x.prefix, NULL::integer[]
    FROM watched w
    CROSS JOIN size s
    LEFT JOIN text_of t USING (col)
    LEFT JOIN number_of n USING (col)
    LEFT JOIN edge_of e USING (col)
    LEFT JOIN long_of g USING (col)
    LEFT JOIN common_of c USING (col)
    LEFT JOIN shape_of p USING (col)
    LEFT JOIN prefix_of x USING (col)
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(t.present) AS share) h
    -- Of numbers and times chance goes by how many of them there are, not by all values.
    CROSS JOIN LATERAL (SELECT 0.5 / sqrt(n.m) AS share) j
    CROSS JOIN LATERAL (
        SELECT array_agg(CASE WHEN abs(g.x) < 1e-100 THEN 0 ELSE least(greatest(g.x, -1e100), 1e100) END ORDER BY g.i) AS near
        FROM unnest(n.grid) WITH ORDINALITY AS g (x, i)
    ) q
    UNION ALL
    SELECT definition.definition_id, batch.name, batch.place, '*', batch.rows, batch.rows, describe_batch.level, s.sampled::integer,
           array_fill(NULL::float8, ARRAY[5]) || t.once / nullif(t.rows, 0) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[(t.rows - t.different) / nullif(t.rows, 0), ln(greatest(s.rows, 0.1))] || array_fill(NULL::float8, ARRAY[12]),
           array_fill(NULL::float8, ARRAY[5]) || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[32])
               || ARRAY[0.5 / sqrt(greatest(t.rows, 1)), 1 / sqrt(greatest(s.rows, 1))] || array_fill(NULL::float8, ARRAY[8])
               || 0.5 / sqrt(greatest(t.rows, 1)) || array_fill(NULL::float8, ARRAY[3]),
           '{}', '{}', NULL, d.prefix, (SELECT array_agg(e.entity ORDER BY e.place) FROM entity e)
    FROM size s CROSS JOIN told t CROSS JOIN told_prefix d
$_$;

COMMENT ON FUNCTION pgslo_catalog.describe_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) IS 'Writes each column of a batch in numbers, from a sample of its rows.';

CREATE FUNCTION pgslo_catalog.distance(definition pgslo_catalog.definition, batch pgslo_catalog.batch, measure jsonb, OUT value double precision, OUT said text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    own pgslo_catalog.profile := pgslo_catalog.profiled((distance.batch).definition_id, (distance.batch).name, measure ->> 'column');
    others pgslo_catalog.profile[];
    other_definition bigint;
    stretch numeric[];
    against text;
    grid float8[];
    common jsonb;
BEGIN
    IF measure ? 'with' THEN
        other_definition := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = measure ->> 'with');
        against := format('column "%s" of %s', measure ->> 'to', measure ->> 'with');
        IF other_definition IS NULL THEN
            said := format('%s has no definition, so nothing is known of its columns', measure ->> 'with');
            RETURN;
        END IF;
        -- The batch of the same name where there is one, else the newest.
        others := ARRAY(
            SELECT p FROM pgslo_catalog.profile p JOIN pgslo_catalog.batch b ON b.definition_id = p.definition_id AND b.name = p.batch
            WHERE p.definition_id = other_definition AND p.column_name = measure ->> 'to' AND b.closed_at IS NOT NULL AND b.rows > 0
              AND (p.batch = (distance.batch).name OR p.place <= pgslo_catalog.last_place(other_definition))
            ORDER BY p.batch = (distance.batch).name DESC, p.place DESC LIMIT 1);
    ELSIF measure ? 'trained_on' THEN
        stretch := ARRAY(
            SELECT (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = (distance.batch).definition_id AND b.name = pgslo_catalog.name_of(distance.definition, t.name))
            FROM jsonb_array_elements_text(measure -> 'trained_on') WITH ORDINALITY AS t (name, n) ORDER BY t.n);
        against := format('batches %s to %s', measure #>> '{trained_on,0}', measure #>> '{trained_on,1}');
        others := ARRAY(
            SELECT p FROM pgslo_catalog.profile p
            WHERE p.definition_id = (distance.batch).definition_id AND p.column_name = measure ->> 'column' AND p.place BETWEEN stretch[1] AND stretch[2] AND p.present > 0
            ORDER BY p.place);
    ELSE
        against := CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before' ELSE 'the ' || (measure ->> 'relative_to') || ' before' END;
        others := ARRAY(
            SELECT p FROM pgslo_catalog.earlier(distance.batch, measure ->> 'relative_to') AS e
            JOIN pgslo_catalog.profile p ON p.definition_id = e.definition_id AND p.batch = e.name AND p.column_name = measure ->> 'column' AND p.present > 0);
    END IF;
    IF cardinality(others) = 0 THEN
        said := format('there is no profile of %s to compare with', against);
        RETURN;
    ELSIF coalesce(own.present, 0) = 0 THEN
        said := format('no row of the batch has a value in column "%s"', measure ->> 'column');
        RETURN;
    END IF;
    IF (measure -> 'ordered')::boolean THEN
        -- Quantile by quantile, the mean of the batches it is compared with.
        grid := ARRAY(
            -- avg() adds up squares as well, which may overflow.
            SELECT sum(g.v) / count(g.v) FROM unnest(others) AS o CROSS JOIN LATERAL unnest(o.grid) WITH ORDINALITY AS g (v, n) GROUP BY g.n ORDER BY g.n);
        value := pgslo_catalog.grid_distance(measure ->> 'by', own.grid, grid);
    ELSE
        common := (
            SELECT jsonb_object_agg(c.key, c.share)
            FROM (
                SELECT v.key, sum(v.value::float8 / (SELECT sum(w.value::float8) FROM jsonb_each_text(o.common) AS w)) AS share
                FROM unnest(others) AS o CROSS JOIN LATERAL jsonb_each_text(o.common) AS v
                GROUP BY v.key
            ) AS c);
        value := pgslo_catalog.common_distance(measure ->> 'by', own.common, common);
    END IF;
    said := CASE
        WHEN value IS NULL THEN format('column "%s" of the batch and %s cannot be compared', measure ->> 'column', against)
        ELSE format('%s to %s is %s', upper((measure ->> 'by') COLLATE "C"), against, pgslo_catalog.shown(value::numeric)) END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.distance(definition pgslo_catalog.definition, batch pgslo_catalog.batch, measure jsonb, OUT value double precision, OUT said text) IS 'How far a column''s values are from those they are compared with, with a sentence.';

CREATE FUNCTION pgslo_catalog.distance_of(by text, one double precision[], other double precision[]) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT CASE distance_of.by
            -- A share of nothing would be infinitely far from any other.
            WHEN 'psi' THEN sum((greatest(s.p, 1e-4) - greatest(s.q, 1e-4)) * ln(greatest(s.p, 1e-4) / greatest(s.q, 1e-4)))
            WHEN 'js' THEN sum(CASE WHEN s.p > 0 THEN s.p * ln(2 * s.p / (s.p + s.q)) ELSE 0 END + CASE WHEN s.q > 0 THEN s.q * ln(2 * s.q / (s.p + s.q)) ELSE 0 END) / (2 * ln(2::float8))
            ELSE sum(abs(s.p - s.q)) / 2
        END
        FROM unnest(distance_of.one, distance_of.other) AS s (p, q));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.distance_of(by text, one double precision[], other double precision[]) IS 'How far two lists of shares are apart: psi, js (0 to 1) or tv (total variation, 0 to 1).';

CREATE FUNCTION pgslo_catalog.drop_view(view_schema text, view_name text, definition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    source oid;
    columns text;
    role text;
    mark text;
BEGIN
    SELECT c.oid, substring(left(obj_description(c.oid, 'pg_class'), 4000) FROM E'(?:^|\n)(pgslo [0-9a-f]{16} .+)$') INTO STRICT source, mark
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = drop_view.view_schema AND c.relname = drop_view.view_name AND c.relkind = 'v';
    BEGIN
        EXECUTE format('DROP VIEW %I.%I', drop_view.view_schema, drop_view.view_name);
        RETURN;
    EXCEPTION WHEN dependent_objects_still_exist THEN
        NULL;
    END;
    -- Any reader may make an object that depends on it, also in pg_temp: it must keep neither a rule nor the end of a right away.
    FOREACH role IN ARRAY ARRAY(
        SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
        FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT e.grantee FROM aclexplode(c.relacl) AS e
            UNION ALL
            SELECT e.grantee FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS e WHERE a.attrelid = c.oid) AS x
        WHERE c.oid = source AND x.grantee <> c.relowner)
    LOOP
        EXECUTE format('REVOKE ALL ON %I.%I FROM %s CASCADE', drop_view.view_schema, drop_view.view_name, role);
    END LOOP;
    SELECT string_agg(format('CAST(NULL AS %s)%s AS %I', format_type(a.atttypid, a.atttypmod),
               CASE WHEN l.oid IS NOT NULL THEN format(' COLLATE %I.%I', n.nspname, l.collname) ELSE '' END, a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
    BEGIN
        -- It depends on neither the table nor pgslo any more, and whoever reads it with rights of its own is told why: no boolean reads so.
        EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT %s WHERE concat(%L)::boolean', drop_view.view_schema, drop_view.view_name, columns,
            format('pgslo replaced the view %I.%I; this one is what was there before, kept because other objects depend on it', drop_view.view_schema, drop_view.view_name));
    EXCEPTION
        WHEN lock_not_available THEN
            RAISE;
        WHEN invalid_table_definition OR insufficient_privilege OR not_null_violation OR check_violation THEN
            -- A type of another role may not allow it. It stays as it is, and nobody may read it.
            NULL;
    END;
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', drop_view.view_schema, drop_view.view_name,
        E'A guarded view that was replaced. Nobody may read it; it is kept because other objects depend on it, and the apply after these are gone drops it.\n'
        || coalesce(mark, 'pgslo 0000000000000000 ' || drop_view.definition));
    EXECUTE format('ALTER VIEW %I.%I RENAME TO %I', drop_view.view_schema, drop_view.view_name, 'pgslo_aside_' || source);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.drop_view(view_schema text, view_name text, definition text) IS 'Drop a guarded view; where other objects depend on it, take it from everybody, empty it and rename it out of the way. Runs with the rights of the role that applies.';

CREATE FUNCTION pgslo_catalog.due_batches(definition pgslo_catalog.definition, at_once text) RETURNS TABLE(name text, place numeric)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (due_batches.definition).definition_id;
    -- One in the future says nothing about the one that is under way.
    newest numeric := (
        SELECT b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = id AND b.place <= pgslo_catalog.last_place(due_batches.definition) AND b.rows > 0
        ORDER BY b.place DESC LIMIT 1);
BEGIN
    RETURN QUERY
    SELECT b.name, b.place
    FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.closed_at IS NULL AND b.rows > 0
      AND (b.name = due_batches.at_once OR due_batches.at_once = '*' OR b.place < newest
           OR pgslo_catalog.has_settled(due_batches.definition, b.place, b.last_written_at));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.due_batches(definition pgslo_catalog.definition, at_once text) IS 'Return the open batches of a loaded table that are to be closed: a later one began, or they settled; also the one that is named, or all for *.';

CREATE FUNCTION pgslo_catalog.due_missed(definition pgslo_catalog.definition) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known text := (due_missed.definition).name;
    look pgslo_catalog.missed_look;
    due bigint[];
    in_turn bigint[];
    last bigint;
BEGIN
    SELECT l.* INTO look FROM pgslo_catalog.missed_look l WHERE l.definition_id = (due_missed.definition).definition_id;
    -- A rule may be retired, or be another one.
    IF look.fingerprint IS DISTINCT FROM (due_missed.definition).fingerprint THEN
        PERFORM pgslo_catalog.name_missed((due_missed.definition).definition_id);
        due := ARRAY(SELECT m.missed_id FROM pgslo_catalog.missed_batch m WHERE m.definition = known AND m.ended_at IS NULL);
        last := 0;
    ELSE
        -- A change that went by unseen, because another transaction had the row, is found in turn.
        in_turn := ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition = known AND m.ended_at IS NULL AND m.missed_id > look.after
            ORDER BY m.missed_id LIMIT pgslo_catalog.looks_in_turn());
        due := in_turn || ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition = known AND m.ended_at IS NULL AND m.looked_at IS NULL AND m.missed_id <> ALL (in_turn));
        last := CASE WHEN cardinality(in_turn) < pgslo_catalog.looks_in_turn() THEN 0
                     ELSE coalesce(in_turn[cardinality(in_turn)], 0) END;
    END IF;
    IF look.definition_id IS NULL OR look.after <> last OR look.fingerprint <> (due_missed.definition).fingerprint THEN
        INSERT INTO pgslo_catalog.missed_look AS l (definition_id, fingerprint, after)
        VALUES ((due_missed.definition).definition_id, (due_missed.definition).fingerprint, last)
        ON CONFLICT ON CONSTRAINT missed_look_is_of_one_definition DO UPDATE
            SET fingerprint = excluded.fingerprint, after = excluded.after;
    END IF;
    RETURN due;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.due_missed(definition pgslo_catalog.definition) IS 'Return numbers of stored missed batches to look at: new and changed ones, the next ones in turn, and all once the definition changed.';

CREATE FUNCTION pgslo_catalog.earlier(batch pgslo_catalog.batch, relative_to text) RETURNS SETOF pgslo_catalog.batch
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF earlier.relative_to = 'same weekday' THEN
        -- Batches of a day, or of an hour, a week apart; a clock that is put forward or back may move them by an hour.
        RETURN QUERY
        SELECT b.* FROM pgslo_catalog.batch b
        WHERE b.definition_id = (earlier.batch).definition_id AND b.closed_at IS NOT NULL AND b.rows > 0
          AND b.place BETWEEN (earlier.batch).place - 604800 - 3600 AND (earlier.batch).place - 604800 + 3600
        ORDER BY abs(b.place - (earlier.batch).place + 604800) LIMIT 1;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT b.* FROM pgslo_catalog.batch b
    WHERE b.definition_id = (earlier.batch).definition_id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place < (earlier.batch).place
    ORDER BY b.place DESC
    LIMIT CASE WHEN earlier.relative_to = 'previous' THEN 1 ELSE split_part(earlier.relative_to, ' ', 1)::integer END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.earlier(batch pgslo_catalog.batch, relative_to text) IS 'The closed batches that one is compared with: "previous", "same weekday" or "28 batches".';

CREATE FUNCTION pgslo_catalog.end_incident(incident_id bigint, resolution text, batch text, place numeric, note text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.incident;
    is_stored boolean;
    is_decided boolean := end_incident.resolution IN ('real', 'false_alarm', 'accepted');
BEGIN
    -- Never waits for a session that has it: that one may be idle in its transaction.
    SELECT u.* INTO known FROM pgslo_catalog.incident u
    WHERE u.incident_id = end_incident.incident_id AND u.resolved_at IS NULL
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    is_stored := EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = known.rule_id AND m.ended_at IS NULL
          -- Those that tick() has not joined to an incident yet are of the last one.
          AND (m.incident_id = known.incident_id OR m.incident_id IS NULL AND known.over_at IS NULL));
    -- It was so already.
    IF is_stored AND known.over_at IS NOT NULL AND (known.resolution IS NOT NULL OR end_incident.resolution <> 'real') THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = coalesce(known.over_at, clock_timestamp()),
        over_batch = CASE WHEN known.over_at IS NULL THEN end_incident.batch ELSE known.over_batch END,
        over_place = CASE WHEN known.over_at IS NULL THEN end_incident.place ELSE known.over_place END,
        resolved_at = CASE WHEN NOT is_stored THEN clock_timestamp() END,
        resolution = CASE
            -- What a role said of it stays.
            WHEN known.resolution = 'real' AND NOT is_decided OR end_incident.resolution = 'real' THEN 'real'
            WHEN is_stored THEN NULL
            WHEN end_incident.resolution = 'met' THEN pgslo_catalog.resolution_of(known.incident_id)
            ELSE end_incident.resolution END,
        resolved_by = CASE WHEN is_decided THEN coalesce(nullif(current_setting('role'), 'none'), session_user) ELSE i.resolved_by END,
        note = coalesce(end_incident.note, i.note)
    WHERE i.incident_id = known.incident_id;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.end_incident(incident_id bigint, resolution text, batch text, place numeric, note text) IS 'End an incident that no other transaction has, and return whether it did: it is resolved, or over while missed batches of it are stored.';

CREATE FUNCTION pgslo_catalog.end_missed(definition pgslo_catalog.definition) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (end_missed.definition).definition_id;
    known text := (end_missed.definition).name;
    due bigint[];
    part bigint[];
    claimed bigint[] := '{}';
    claims text[] := '{}';
    unasked bigint[] := '{}';
    missed pgslo_catalog.missed_batch;
    one integer;
    asked record;
    until timestamptz := clock_timestamp() + interval '1 second';
BEGIN
    -- Nearly always there are none.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.definition = known AND m.ended_at IS NULL) THEN
        RETURN '{}';
    END IF;
    due := pgslo_catalog.due_missed(end_missed.definition);
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
    -- Sums are of what was recorded: rows from before pgslo are not in them, and rows that fail now may have passed.
    -- In any order: one that cannot be asked keeps no other one waiting for ever.
    FOREACH one IN ARRAY ARRAY(SELECT g.n FROM generate_series(1, cardinality(claimed)) AS g (n) ORDER BY random()) LOOP
        IF until IS NULL THEN
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
        IF clock_timestamp() > until THEN
            until := NULL;
        END IF;
    END LOOP;
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.missed_id = ANY (unasked) AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED);
    RETURN due;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.end_missed(definition pgslo_catalog.definition) IS 'End missed batches of a definition whose rows were corrected or removed, by what the table says, or whose rule is retired, and return which were looked at.';

CREATE FUNCTION pgslo_catalog.enough_batches() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT 300 $$;

COMMENT ON FUNCTION pgslo_catalog.enough_batches() IS 'How many batches have to be known before bounds are no wider than they stay.';

CREATE FUNCTION pgslo_catalog.error_excerpt(definition text, rule text, error_code text, error_message text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- Samples are for stewards; an error is for the writer, who may lack the right to read.
    columns text[] := (
        SELECT CASE WHEN r.on_breach = 'reject' THEN r.columns ELSE '{}' END
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = error_excerpt.definition AND r.name = error_excerpt.rule);
BEGIN
    RETURN format('its condition raises: %s', CASE
        WHEN columns = '{}' OR pgslo_catalog.visible(error_excerpt.definition, NULL, columns) @> columns THEN error_excerpt.error_message
        ELSE pgslo_catalog.error_said(true, error_excerpt.error_code, error_excerpt.error_message) END);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.error_excerpt(definition text, rule text, error_code text, error_message text) IS 'Return the error that a row raised in a rule: for the writer, where the rule rejects rows, without a message that may hold what must not be seen.';

CREATE FUNCTION pgslo_catalog.error_said(is_gated boolean, error_code text, error_message text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Of a gated condition these name a column or a type. Any other message, or one of code of the author's or of another
    -- role, may hold a value.
    IF error_said.is_gated AND error_said.error_code IN ('42703', '42804') THEN
        RETURN left(error_said.error_message, 1000);
    END IF;
    RETURN format('%s, SQLSTATE %s', CASE
        WHEN error_said.error_code = '22003' THEN 'numeric value out of range'
        WHEN error_said.error_code IN ('22007', '22008') THEN 'invalid date or time'
        WHEN error_said.error_code = '22012' THEN 'division by zero'
        WHEN error_said.error_code = '22023' THEN 'invalid parameter value'
        WHEN error_said.error_code = '22P02' THEN 'invalid text representation'
        WHEN error_said.error_code = '25006' THEN 'cannot write in a read-only transaction'
        WHEN error_said.error_code = '2201B' THEN 'invalid regular expression'
        WHEN error_said.error_code = '42501' THEN 'permission denied'
        WHEN error_said.error_code = 'SL004' THEN 'code of the table changes the session that reads it'
        WHEN error_said.error_code = '42703' THEN 'undefined column'
        WHEN error_said.error_code = '42704' THEN 'undefined object'
        WHEN error_said.error_code = '42804' THEN 'datatype mismatch'
        WHEN error_said.error_code = '42883' THEN 'undefined function or operator'
        WHEN error_said.error_code = '42P01' THEN 'undefined table'
        WHEN error_said.error_code LIKE '22%' THEN 'data exception'
        WHEN error_said.error_code LIKE '23%' THEN 'integrity constraint violation'
        WHEN error_said.error_code LIKE '42%' THEN 'syntax error or access rule violation'
        WHEN error_said.error_code LIKE '53%' THEN 'insufficient resources'
        WHEN error_said.error_code LIKE '54%' THEN 'program limit exceeded'
        WHEN error_said.error_code LIKE '55%' THEN 'object not in prerequisite state'
        WHEN error_said.error_code LIKE '57%' THEN 'operator intervention'
        WHEN error_said.error_code LIKE 'P0%' THEN 'error raised by a function'
        ELSE 'error'
    END, error_said.error_code);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.error_said(is_gated boolean, error_code text, error_message text) IS 'Return an error of a rule without a value of a row; is_gated where only a gated condition over a row can have raised it.';

CREATE FUNCTION pgslo_catalog.excerpt(definition text, operation text, columns text[], cells text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    visible text[] := pgslo_catalog.visible(excerpt.definition, excerpt.operation, excerpt.columns);
BEGIN
    RETURN (
        SELECT concat_ws(' and ',
            string_agg(format('%s = %s', c.name, coalesce(c.cell, 'NULL')), ', ' ORDER BY c.ordinal) FILTER (WHERE c.name = ANY (visible)),
            CASE count(*) FILTER (WHERE c.name <> ALL (visible)) WHEN 0 THEN NULL WHEN 1 THEN 'column ' ELSE 'columns ' END
                || string_agg(c.name, ', ' ORDER BY c.ordinal) FILTER (WHERE c.name <> ALL (visible)) || ' (not shown)')
        FROM unnest(excerpt.columns, excerpt.cells) WITH ORDINALITY AS c (name, cell, ordinal));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.excerpt(definition text, operation text, columns text[], cells text[]) IS 'Return the columns of a failing row for the writer: values where the writer may see them, else names alone.';

CREATE FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Six predictions: the median of 28 batches, the last one, the last two and the median of four of the same phase, the last with its trend.
    -- The closest counts: a batch that any of them foresaw is no surprise.
    WITH mine AS MATERIALIZED (
        SELECT p.column_name, p.summary, p.noise, p.sampled, p.rows, p.level FROM pgslo_catalog.profile p
        WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.learned_from >= 10
    ), past AS MATERIALIZED (
        SELECT m.column_name, h.summary, h.noise, h.sampled, h.rows, h.back, NULL::bigint AS turn, h.level = m.level AS alike
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT p.summary, p.noise, p.sampled, p.rows, p.level, row_number() OVER (ORDER BY p.place DESC) AS back FROM pgslo_catalog.profile p
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.place < expect.place AND p.baseline
            ORDER BY p.place DESC LIMIT 28
        ) h
        UNION ALL
        SELECT m.column_name, h.summary, NULL, NULL, NULL, NULL, h.turn, NULL
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT p.summary, row_number() OVER (ORDER BY p.place DESC) AS turn FROM pgslo_catalog.profile p
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.baseline
              AND p.place = ANY (ARRAY(SELECT expect.place - g.turn * expect.phase FROM generate_series(1, 8) AS g (turn)))
            ORDER BY p.place DESC LIMIT 4
        ) h
    ), number AS MATERIALIZED (
        SELECT h.column_name, u.i, h.back, h.turn, u.noise, u.x AS share, CASE WHEN k.name IN ('null', 'duplicate') THEN h.rows ELSE h.sampled END AS counted,
               CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.x, 0), 1))) ELSE u.x END AS x
        FROM past h
        CROSS JOIN LATERAL unnest(h.summary, h.noise) WITH ORDINALITY AS u (x, noise, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        WHERE u.x IS NOT NULL
    ), trend AS MATERIALIZED (
        SELECT d.column_name, d.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY d.step) AS step
        FROM (SELECT n.column_name, n.i, n.x - lead(n.x) OVER (PARTITION BY n.column_name, n.i ORDER BY n.back) AS step FROM number n WHERE n.back <= 8) d
        GROUP BY d.column_name, d.i
    ), predicted AS MATERIALIZED (
        SELECT n.column_name, n.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.back IS NOT NULL) AS median,
               max(n.x) FILTER (WHERE n.back = 1) AS last, max(n.x) FILTER (WHERE n.turn = 1) AS same, max(n.x) FILTER (WHERE n.turn = 2) AS same_before,
               CASE WHEN count(n.turn) = 4 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.turn IS NOT NULL) END AS same_median,
               coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY n.noise) FILTER (WHERE n.noise IS NOT NULL), 0) AS noise,
               (sum(n.share * n.counted) + 0.5) / (sum(n.counted) + 1) AS pooled
        FROM number n
        GROUP BY n.column_name, n.i
    ), gap AS MATERIALIZED (
        -- How many batches ago the last one was that is compared with: what grows has grown that often.
        SELECT m.column_name, 1 + (
                   SELECT count(*) FROM pgslo_catalog.profile q
                   WHERE q.definition_id = expect.definition_id AND q.column_name = m.column_name AND q.place < expect.place
                     AND q.place > (
                         SELECT max(r.place) FROM pgslo_catalog.profile r
                         WHERE r.definition_id = expect.definition_id AND r.column_name = m.column_name AND r.place < expect.place AND r.baseline)
               ) AS batches
        FROM mine m
    ), sampled_alike AS MATERIALIZED (
        SELECT h.column_name, avg(h.alike::integer) > 0.7 AS alike FROM past h GROUP BY h.column_name
    ), deviation AS MATERIALIZED (
        SELECT p.column_name, exp(p.median) AS typical FROM predicted p WHERE p.i = 19
    ), told AS (
        SELECT m.column_name, k.ordinal, k.kind, c.prediction, p.median, v.x, w.spread, f.size, m.summary[k.ordinal] AS share
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        JOIN predicted p ON p.column_name = m.column_name AND p.i = k.ordinal
        LEFT JOIN trend t ON t.column_name = m.column_name AND t.i = k.ordinal
        LEFT JOIN deviation d ON d.column_name = m.column_name
        LEFT JOIN gap g ON g.column_name = m.column_name
        LEFT JOIN trend way ON way.column_name = m.column_name AND way.i = 17
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(m.summary[k.ordinal], 0), 1))) ELSE m.summary[k.ordinal] END AS x) v
        CROSS JOIN LATERAL (
            SELECT r.prediction FROM (VALUES (p.median), (p.last), (p.same), (p.same_before), (p.same_median), (p.last + t.step),
                                               (p.last + t.step * g.batches)) AS r (prediction)
            WHERE r.prediction IS NOT NULL
            ORDER BY CASE WHEN k.kind IN ('rise', 'apart') THEN greatest(v.x - r.prediction, 0) ELSE abs(v.x - r.prediction) END LIMIT 1
        ) c
        CROSS JOIN LATERAL (
            SELECT CASE
                -- The chance of the rows that were to be expected: few that came would excuse themselves.
                WHEN k.name = 'rows' THEN greatest(0.3 * coalesce(nullif(p.noise, 0), m.noise[40]), 0.02)
                -- Of a share that is near nothing, or near everything, chance moves less: a tenth of a row a batch at least is taken to be usual.
                WHEN k.kind IN ('share', 'rise') THEN greatest(0.02, greatest(p.noise, m.noise[k.ordinal])
                    * least(1, 2 * sqrt(greatest(0.1, least(p.pooled, 1 - p.pooled) * CASE WHEN k.name IN ('null', 'duplicate') THEN m.rows ELSE m.sampled END))))
                ELSE greatest(p.noise, m.noise[k.ordinal], CASE k.kind
                    WHEN 'length' THEN CASE WHEN k.name = 'decimals' THEN 0.02 ELSE 0.25 END
                    WHEN 'mean' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'quantile' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'extreme' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    ELSE 0.02 END)
                END AS spread
        ) w
        -- Shares: three rows and three percent at least, or it is not told.
        CROSS JOIN LATERAL (
            SELECT greatest(CASE WHEN k.name = 'duplicate' THEN 1.5 ELSE 2.5 END / greatest(
                -- Shares of numbers and of times are of those alone.
                CASE WHEN k.ordinal BETWEEN 27 AND 37 THEN m.rows * (1 - coalesce(m.summary[1], 0)) * greatest(m.summary[15], m.summary[16], 0)
                     ELSE m.rows END, 1), 0.025) AS size) f
        JOIN sampled_alike a ON a.column_name = m.column_name
        WHERE m.summary[k.ordinal] IS NOT NULL
          -- A number that moves with the batch is round now and then.
          AND (k.name NOT IN ('tens', 'hundreds') OR abs(coalesce(way.step, 0)) <= coalesce(d.typical, 0))
          -- What depends on the size of the sample compares with samples of the same part only.
          AND (a.alike OR k.ordinal <> ALL (ARRAY[3, 4, 5, 6, 8, 9, 10, 20, 26, 33, 34, 41, 43, 44, 45, 46, 47, 49, 52]))
    ), surprised AS MATERIALIZED (
        SELECT t.column_name, t.ordinal, t.prediction, t.spread,
               CASE
                   WHEN t.kind IN ('share', 'rise') AND abs(t.share - sin(least(greatest(t.prediction, 0), 1.5707963)) ^ 2) < t.size THEN 0
                   WHEN t.ordinal = 40 AND abs(t.x - t.prediction) < 0.18 THEN 0
                   WHEN t.kind IN ('rise', 'apart') THEN greatest(t.x - t.prediction, 0) / t.spread
                   ELSE (t.x - t.prediction) / t.spread
               END AS surprise
        FROM told t
    )
    UPDATE pgslo_catalog.profile p
    SET expected = a.expected, spread = a.spread, surprise = a.surprise
    FROM (
        SELECT m.column_name, array_agg(s.prediction ORDER BY k.ordinal) AS expected, array_agg(s.spread ORDER BY k.ordinal) AS spread, array_agg(s.surprise ORDER BY k.ordinal) AS surprise
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        LEFT JOIN surprised s ON s.column_name = m.column_name AND s.ordinal = k.ordinal
        GROUP BY m.column_name
    ) a
    WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.column_name = a.column_name
$$;

COMMENT ON FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric) IS 'Notes what history foresaw of each number of a batch, and how far off it is.';

CREATE FUNCTION pgslo_catalog.expecting_rules(document jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Only what has a date comes by a calendar.
    SELECT CASE WHEN document ->> 'batch_by' IS NULL OR coalesce((document ->> 'place_is_number')::boolean, false) THEN '[]' ELSE
        jsonb_build_array(jsonb_build_object(
            'name', 'learned_batches', 'kind', 'learned', 'columns', '[]'::jsonb, 'on_breach', 'warn', 'samples', 0, 'mechanism', 'at close',
            'promise', 'batches that come when they usually do', 'scope', 'batch',
            'measure', jsonb_build_object('from', 'learned', 'form', 'batches'), 'warn_high', 0,
            -- The next one that comes does not fill the hole.
            'met_before_resolve', 5)) END
$$;

COMMENT ON FUNCTION pgslo_catalog.expecting_rules(document jsonb) IS 'Return the rule that batches come as history has it, for a definition whose batches have dates.';

CREATE FUNCTION pgslo_catalog.failed(batches pgslo_catalog.measured[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF cardinality(failed.batches) = 1 THEN
        RETURN failed.batches[1].failed;
    END IF;
    RETURN (
        SELECT array_agg(n.failed ORDER BY n.ordinal)
        FROM (
            SELECT f.ordinal, sum(f.failed)::bigint AS failed
            FROM unnest(failed.batches) WITH ORDINALITY AS b
            CROSS JOIN LATERAL unnest(b.failed) WITH ORDINALITY AS f (failed, ordinal)
            -- One batch has each rule; of the others those with failing rows count, which are few.
            WHERE b.ordinality = 1 OR 0 < ANY (b.failed)
            GROUP BY f.ordinal
        ) AS n);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.failed(batches pgslo_catalog.measured[]) IS 'Failing rows by rule, over all batches of a statement.';

CREATE FUNCTION pgslo_catalog.failing_of(ordinal integer, rules integer, failed bigint) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT array_agg(CASE WHEN n.ordinal = failing_of.ordinal THEN failing_of.failed ELSE 0 END ORDER BY n.ordinal)
    FROM generate_series(1, failing_of.rules) AS n (ordinal)
$$;

COMMENT ON FUNCTION pgslo_catalog.failing_of(ordinal integer, rules integer, failed bigint) IS 'Failing rows of one rule among several.';

CREATE FUNCTION pgslo_catalog.fault_kinds(OUT ordinal integer, OUT name text, OUT kinds text[], OUT words text) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE ROWS 11 PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    VALUES
    (1, 'null_burst', ARRAY['number', 'time', 'text', 'presence'], '15 to 75 % of the values are missing'),
    (2, 'unit_change', ARRAY['number'], 'all values are in another unit: times 1000, 100, 1.609344, 0.3048, 0.01 or 0.001'),
    (3, 'stale', ARRAY['number', 'time', 'text'], 'all values are those of the batch before'),
    (4, 'frozen', ARRAY['number', 'time', 'text'], 'all values are the same one'),
    (5, 'swapped', ARRAY['number', 'time', 'text'], 'all values are those of another column'),
    (6, 'recoded', ARRAY['text', 'code'], 'all values are written in another way: capitals, numbers, codes that begin with 1'),
    (7, 'default_filled', ARRAY['number', 'time', 'text'], '15 to 75 % of the values are a default: 0, -1, 9999, an empty text, unknown, 1970'),
    (8, 'truncated', ARRAY['number', 'time', 'text'], 'texts are cut, numbers lose their decimals, times their hour'),
    (9, 'shifted', ARRAY['time'], 'all times are off by 1 to 12 hours, or a day'),
    (10, 'duplicates', ARRAY['table'], '15 to 75 % of the rows are there twice'),
    (11, 'volume', ARRAY['table'], '10 to 70 % of the rows are there, or 1.7 to 3 times as many')
$$;

COMMENT ON FUNCTION pgslo_catalog.fault_kinds(OUT ordinal integer, OUT name text, OUT kinds text[], OUT words text) IS 'The faults that a backtest puts into batches, and what they are about.';

CREATE FUNCTION pgslo_catalog.float_of(value numeric) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- numeric reaches farther than float8, in both directions; sums and quotients of a few of these do not overflow.
    RETURN CASE
        WHEN abs(float_of.value) < 1e-250 THEN 0
        WHEN abs(float_of.value) > 1e250 AND float_of.value <> 'NaN' THEN sign(float_of.value) * 1e250
        ELSE float_of.value
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.float_of(value numeric) IS 'Return a number as float8: beyond 1e250 the bound, below 1e-250 zero. Never fails.';

CREATE FUNCTION pgslo_catalog.follow(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    -- Nearly always there are none.
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
$$;

COMMENT ON FUNCTION pgslo_catalog.follow(definition pgslo_catalog.definition, at_once text, at_most integer) IS 'Bring the batches of a definition up to date, judging at most so many for about a second, and return whether more are due.';

CREATE FUNCTION pgslo_catalog.follow_assertions(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    noted pgslo_catalog.touched[];
    id bigint;
    touched record;
BEGIN
    WITH taken AS (
        DELETE FROM pgslo_catalog.touched t
        WHERE t.touched_id IN (
            SELECT w.touched_id
            FROM pgslo_catalog.touched w
            WHERE w.check_function IN (
                SELECT a.check_function FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id)
                WHERE r.definition_id = (follow_assertions.definition).definition_id)
            ORDER BY w.touched_id LIMIT 10000 FOR UPDATE SKIP LOCKED)
        RETURNING t AS row
    )
    SELECT array_agg(t.row) INTO noted FROM taken t;
    FOREACH id IN ARRAY ARRAY(
        SELECT DISTINCT a.rule_id
        FROM unnest(noted) AS t JOIN pgslo_catalog.assertion a ON a.check_function = t.check_function
        WHERE t.keys <> '{}'
        ORDER BY a.rule_id)
    LOOP
        SELECT a.check_function, array_agg(DISTINCT k.key) AS keys INTO touched
        FROM unnest(noted) AS t CROSS JOIN LATERAL unnest(t.keys) AS k (key)
        JOIN pgslo_catalog.assertion a ON a.check_function = t.check_function
        WHERE a.rule_id = id
        GROUP BY a.check_function;
        BEGIN
            PERFORM pgslo_catalog.judge_assertion(id, touched.keys, true);
        EXCEPTION WHEN OTHERS THEN
            -- Noted again for the next time.
            INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (touched.check_function, touched.keys);
            PERFORM pgslo_catalog.say_left((follow_assertions.definition).name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_assertions(definition pgslo_catalog.definition) IS 'What tick() does for assertions that do not reject: judges what finished transactions touched.';

CREATE FUNCTION pgslo_catalog.follow_key(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition := follow_key.definition;
    id bigint := target.definition_id;
    -- Counting is no write: the data are as old as they were.
    written_at timestamptz := greatest(
        (SELECT max(f.written_at) FROM pgslo_catalog.fragment f WHERE f.definition_id = id),
        (SELECT max(b.last_written_at) FROM pgslo_catalog.batch b WHERE b.definition_id = id));
BEGIN
    BEGIN
        DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id;
        DELETE FROM pgslo_catalog.due_count c WHERE c.definition_id = id;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = id AND b.batch <> 'unknown' AND b.pause_id IS NULL;
        -- What was recorded of batches of the former key is no news.
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
        PERFORM pgslo_catalog.recount_batches(target, NULL, true);
        UPDATE pgslo_catalog.fragment f SET written_at = k.value
        FROM (SELECT written_at AS value) AS k
        WHERE f.definition_id = id AND f.operation = 'recounted' AND f.written_at > k.value;
        DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.rows = 0;
        UPDATE pgslo_catalog.batch b SET first_written_at = k.value, last_written_at = k.value
        FROM (SELECT written_at AS value) AS k
        WHERE b.definition_id = id AND b.last_written_at > k.value;
        -- Rules about batches: the newest batch may go on, and is evaluated when it is closed.
        INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
        SELECT id, r.rule_id, '55000', s.said, s.said, b.name, b.place
        FROM pgslo_catalog.rule r
        JOIN pgslo_catalog.batch b ON b.definition_id = id AND b.rows > 0
            AND b.place < (SELECT max(o.place) FROM pgslo_catalog.batch o WHERE o.definition_id = id)
        CROSS JOIN (SELECT 'batches have another key' AS said) AS s
        WHERE r.definition_id = id AND r.scope = 'batch' AND r.kind NOT IN ('learned', 'ml_metric') AND r.retired_at IS NULL
          AND EXISTS (
              SELECT FROM pgslo_catalog.missed_batch m WHERE m.rule_id = r.rule_id AND m.is_of_former_key AND m.ended_at IS NULL);
        UPDATE pgslo_catalog.definition d SET is_rekeyed = false WHERE d.definition_id = id;
    EXCEPTION WHEN OTHERS THEN
        IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
            RAISE;
        END IF;
        -- All stay as they are, and readers are warned.
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_key(definition pgslo_catalog.definition) IS 'Count all rows of a definition in the batches of its new key, and have its rules evaluate them.';

CREATE FUNCTION pgslo_catalog.follow_loads(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    -- A few are done in their order, however long that takes within reason: what is learned of one is used for the next.
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
            -- Where more are due than are judged at a time, the newest come first, and the others have the next times: a flood of
            -- batches, or a stop of hours, must not hide what is written now. Batches in the future come last of all.
            ORDER BY min(f.place) > last_place, min(f.place) DESC LIMIT 4 * follow_loads.at_most::bigint
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
    -- What is sampled serves until a batch is old enough not to be corrected any more.
    IF judged > 0 THEN
        UPDATE pgslo_catalog.fragment f SET sample = NULL
        WHERE f.definition_id = id AND f.operation = 'merged' AND f.sample IS NOT NULL
          -- By key, whatever is known of the tables: a join may read all batches for each fragment.
          AND (SELECT c.closed_at IS NOT NULL FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = f.batch)
          AND f.place < (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id ORDER BY b.place DESC OFFSET 14 LIMIT 1);
    END IF;
    RETURN is_behind;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_loads(definition pgslo_catalog.definition, at_once text, at_most integer) IS 'Add up what was written to a loaded table, and close and judge what is due, for about a second; a batch that is named, or all for *, at once. Return whether more is due.';

CREATE FUNCTION pgslo_catalog.follow_missed(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (follow_missed.definition).definition_id;
    settled record;
    due bigint[];
BEGIN
    PERFORM pgslo_catalog.join_missed(id);
    due := pgslo_catalog.end_missed(follow_missed.definition);
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
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_missed(definition pgslo_catalog.definition) IS 'End missed batches of a definition that are good or gone, and resolve incidents that have none any more.';

CREATE FUNCTION pgslo_catalog.follow_pairs(definition pgslo_catalog.definition) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (follow_pairs.definition).definition_id;
    how jsonb := (follow_pairs.definition).pairs;
    maturity interval := (how ->> 'maturity')::interval;
    rule pgslo_catalog.rule;
    due record;
    is_early boolean;
    given integer := 0;
BEGIN
    IF how IS NULL OR how = 'null' THEN
        RETURN 0;
    END IF;
    PERFORM pgslo_catalog.complete_pairs(follow_pairs.definition);
    FOR rule IN
        SELECT r.* FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.kind = 'ml_metric' AND r.retired_at IS NULL
        ORDER BY r.rule_id
    LOOP
        is_early := rule.measure ->> 'early' = 'true';
        FOR due IN
            -- What changed, and later batches whose windows reach back to it.
            SELECT DISTINCT f.batch, f.place, f.mature, f.last_at
            FROM pgslo_catalog.pair_batch d
            CROSS JOIN LATERAL (
                SELECT b.batch, b.place, c.last_at, coalesce(c.last_at + maturity < clock_timestamp(), true) AS mature
                FROM pgslo_catalog.pair_batch b
                CROSS JOIN LATERAL (SELECT pgslo_catalog.last_prediction(b)) AS c (last_at)
                WHERE b.definition_id = id AND b.place >= d.place
                ORDER BY b.place LIMIT (rule.measure ->> 'over')::integer
            ) AS f
            WHERE d.definition_id = id AND (d.early_due OR NOT is_early AND d.late_due AND coalesce(pgslo_catalog.last_prediction(d) + maturity < clock_timestamp(), true))
              AND NOT EXISTS (SELECT FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = f.batch AND c.closed_at IS NULL)
            ORDER BY f.place
        LOOP
            IF is_early OR due.mature THEN
                PERFORM pgslo_catalog.judge_metric(rule, due.batch, due.place);
            ELSE
                PERFORM pgslo_catalog.await_labels(rule, due.batch, due.place, due.last_at + maturity);
            END IF;
            given := given + 1;
        END LOOP;
    END LOOP;
    UPDATE pgslo_catalog.pair_batch b
    SET early_due = false, late_due = b.late_due AND NOT coalesce(pgslo_catalog.last_prediction(b) + maturity < clock_timestamp(), true)
    WHERE b.definition_id = id
      AND (b.early_due OR b.late_due AND coalesce(pgslo_catalog.last_prediction(b) + maturity < clock_timestamp(), true))
      AND NOT EXISTS (SELECT FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = b.batch AND c.closed_at IS NULL);
    RETURN given;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_pairs(definition pgslo_catalog.definition) IS 'Completes pairs, and judges the metrics of batches that changed and are closed, or whose labels are due.';

CREATE FUNCTION pgslo_catalog.follow_parts(definition pgslo_catalog.definition, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition := follow_parts.definition;
BEGIN
    IF target.recount IS NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = target.relation::oid
    ) THEN
        PERFORM pgslo_catalog.note_parts(target.definition_id);
        RETURN;
    END IF;
    PERFORM pgslo_catalog.compare_parts(target);
    IF target.is_rekeyed THEN
        PERFORM pgslo_catalog.follow_key(target);
    END IF;
    IF EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = target.definition_id) THEN
        PERFORM pgslo_catalog.count_due(target, follow_parts.until);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_parts(definition pgslo_catalog.definition, until timestamp with time zone) IS 'Count the batches of rows that came or left with a partition or a child of a table.';

CREATE FUNCTION pgslo_catalog.follow_stream(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
    SELECT b.* INTO known FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.place > '-Infinity' AND b.place <= last_place ORDER BY b.place DESC LIMIT 1;
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
$_$;

COMMENT ON FUNCTION pgslo_catalog.follow_stream(definition pgslo_catalog.definition, at_once text, at_most integer) IS 'Count the newest batches of a streamed table from the table itself, and close and judge what is due. Return whether more is due.';

CREATE FUNCTION pgslo_catalog.follow_table(definition_id bigint, former regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = follow_table.definition_id;
    UPDATE pgslo_catalog.quarantine q SET relation = target.relation
    WHERE q.definition_id = target.definition_id AND q.relation = follow_table.former AND q.state = 'held';
    IF target.writes = 'bulk' THEN
        -- What was recorded is about the former table: the next tick() counts each batch from this one.
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation) VALUES (target.definition_id, '', '-Infinity', 0, 'recount');
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_table(definition_id bigint, former regclass) IS 'Carries a definition on with the table that has its name now, in place of the former one.';

CREATE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT CASE WHEN follow_until.at_once IS NULL THEN clock_timestamp() + interval '1 second' ELSE 'infinity' END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_until(at_once text) IS 'When tick() goes on to the next definition; a batch that is asked for by name is judged however long that takes.';

CREATE FUNCTION pgslo_catalog.follow_verdict(rule pgslo_catalog.rule, batch text, place numeric, verdict text, is_tick boolean DEFAULT true, is_worse boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    open pgslo_catalog.incident;
    first record;
    missed bigint;
    last_missed numeric;
    met bigint;
    last_place numeric;
BEGIN
    SELECT i.* INTO open
    FROM pgslo_catalog.incident i
    WHERE i.definition_id = (follow_verdict.rule).definition_id AND i.rule_id = (follow_verdict.rule).rule_id AND i.over_at IS NULL;

    -- One that was missed before, and was corrected or accepted since.
    IF follow_verdict.verdict = 'missed' AND (
        follow_verdict.place >= open.opened_place OR EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = (follow_verdict.rule).rule_id AND m.batch = follow_verdict.batch AND m.ended_as <> 'retired')
    ) THEN
        PERFORM pgslo_catalog.record_missed(follow_verdict.rule, follow_verdict.batch, follow_verdict.place, follow_verdict.is_worse);
    ELSIF follow_verdict.verdict = 'met' THEN
        UPDATE pgslo_catalog.missed_batch m SET ended_at = clock_timestamp(), ended_as = 'corrected'
        WHERE m.missed_id IN (
            SELECT u.missed_id FROM pgslo_catalog.missed_batch u
            WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.batch = follow_verdict.batch AND u.ended_at IS NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
    IF follow_verdict.verdict = 'missed' AND open.incident_id IS NULL THEN
        last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
        -- The newest run of missed batches; those that could not be judged neither add to it nor end it. An old batch that is
        -- judged again is history: rows that are cleared away must not wake anybody. Batches in the future are not newer than one that is not.
        SELECT count(*) AS run, (array_agg(w.batch ORDER BY w.place, w.verdict_id))[1] AS batch, min(w.place) AS place
        INTO first
        FROM (
            SELECT v.* FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.verdict <> 'unknown'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place DESC, v.verdict_id DESC
            LIMIT (follow_verdict.rule).missed_before_open
        ) w
        WHERE w.verdict = 'missed';
        IF first.run >= (follow_verdict.rule).missed_before_open THEN
            PERFORM pgslo_catalog.open_incident(follow_verdict.rule, first.batch, first.place, follow_verdict.is_tick);
            PERFORM pgslo_catalog.record_missed(follow_verdict.rule, v.batch, v.place, false)
            FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= first.place AND v.verdict = 'missed'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place, v.verdict_id;
            -- Not the one who runs tick(), but who wrote what opened it.
            UPDATE pgslo_catalog.incident i
            SET writer = b.writer, application = b.application, written_at = b.last_written_at
            FROM pgslo_catalog.batch b
            WHERE i.incident_id IN (
                SELECT u.incident_id FROM pgslo_catalog.incident u
                WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.over_at IS NULL
                FOR NO KEY UPDATE SKIP LOCKED)
              AND b.definition_id = i.definition_id AND b.name = i.opened_batch;
        END IF;
        RETURN;
    END IF;

    IF follow_verdict.verdict <> 'met' OR open.incident_id IS NULL OR follow_verdict.place < open.opened_place THEN
        RETURN;
    END IF;
    SELECT count(*), max(v.place) INTO missed, last_missed
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= open.opened_place AND v.verdict = 'missed';
    -- Every batch that missed was corrected, if what became of the first one is still known.
    IF missed = 0 AND EXISTS (
        SELECT FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.batch = open.opened_batch AND v.verdict = 'met'
    ) THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'healed', follow_verdict.batch, follow_verdict.place, NULL);
        RETURN;
    END IF;
    last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
    IF follow_verdict.place > last_place THEN
        RETURN;
    END IF;
    SELECT count(*) INTO met
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place > coalesce(last_missed, open.opened_place) AND v.place <= last_place AND v.verdict = 'met';
    IF met >= (follow_verdict.rule).met_before_resolve THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'met', follow_verdict.batch, follow_verdict.place, NULL);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.follow_verdict(rule pgslo_catalog.rule, batch text, place numeric, verdict text, is_tick boolean, is_worse boolean) IS 'Open or end the incident of a rule over batches after a batch was evaluated; the verdict is recorded already. is_worse: it is another than before.';

CREATE FUNCTION pgslo_catalog.foreign_key_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    numbers smallint[] := pgslo_catalog.column_numbers(foreign_key_fault.relation, ARRAY(SELECT jsonb_array_elements_text(rests_on -> 'columns')));
    -- Not by to_regclass(), which refuses whoever may not use the schema.
    target oid := (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = rests_on #>> '{table,0}' AND c.relname = rests_on #>> '{table,1}');
    key record;
BEGIN
    FOR key IN
        WITH RECURSIVE whole AS (
            SELECT k.oid AS root, k.oid FROM pg_constraint k
            WHERE k.conrelid = foreign_key_fault.relation AND k.contype = 'f' AND k.conkey = numbers
              -- A key follows its table when that is renamed.
              AND (target IS NULL OR k.confrelid = target)
            UNION ALL
            SELECT w.root, part.oid FROM whole w JOIN pg_constraint part ON part.conparentid = w.oid
        )
        SELECT quote_ident(k.conname) AS name,
               -- PostgreSQL 18 and later.
               bool_and(coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)) AS is_enforced,
               (SELECT min(g.tgrelid::regclass::text) FROM whole w JOIN pg_trigger g ON g.tgconstraint = w.oid
                WHERE w.root = k.oid AND g.tgenabled NOT IN ('O', 'A')) AS switched_off
        FROM whole w JOIN pg_constraint k ON k.oid = w.root
        GROUP BY k.oid, k.conname
        ORDER BY k.conname
    LOOP
        IF key.is_enforced AND key.switched_off IS NULL THEN
            said := NULL;
            to_do := NULL;
            RETURN;
        END IF;
        said := CASE WHEN key.is_enforced THEN format('triggers of foreign key %s on %s are disabled', key.name, key.switched_off)
                     ELSE format('foreign key %s is NOT ENFORCED', key.name) END;
        to_do := CASE WHEN key.is_enforced THEN format('ALTER TABLE %s ENABLE TRIGGER ALL, as a superuser', key.switched_off)
                      ELSE format('ALTER TABLE %s ALTER CONSTRAINT %s ENFORCED, or pgslo apply', foreign_key_fault.relation, key.name) END;
    END LOOP;
    IF said IS NULL THEN
        said := format('there is no foreign key on (%s) that references %I.%I',
            (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place) FROM jsonb_array_elements_text(rests_on -> 'columns') WITH ORDINALITY AS c (name, place)),
            rests_on #>> '{table,0}', rests_on #>> '{table,1}');
        to_do := 'pgslo apply creates one';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.foreign_key_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) IS 'Why no foreign key holds what a rule wants, and what to do; NULL where one does.';

CREATE FUNCTION pgslo_catalog.forget(definition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = forget.definition);
BEGIN
    -- Rows that writers refer to or wait for stay: the definition, its rules, open incidents, rows in quarantine.
    DELETE FROM pgslo_catalog.sample s WHERE s.rule_id IN (SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = id);
    DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
    DELETE FROM pgslo_catalog.verdict v WHERE v.definition_id = id;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = id;
    DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id;
    DELETE FROM pgslo_catalog.missed_batch m
    USING pgslo_catalog.rule r
    WHERE m.rule_id = r.rule_id AND r.definition_id = id AND m.ended_at IS NOT NULL;
    DELETE FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.resolved_at IS NOT NULL;
    DELETE FROM pgslo_catalog.repair r WHERE r.definition_id = id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.forget(definition text) IS 'Forgets a definition''s history, before unregister does the rest under table locks; no writer waits for it.';

CREATE FUNCTION pgslo_catalog.forget_assertion(definition text, assertion text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(forget_assertion.definition, forget_assertion.assertion);
BEGIN
    DELETE FROM pgslo_catalog.touched t USING pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id AND t.check_function = a.check_function;
    DELETE FROM pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.forget_assertion(definition text, assertion text) IS 'Forgets how an assertion is checked; its verdicts and incidents stay with its rule.';

CREATE FUNCTION pgslo_catalog.forget_pairs(definition_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM pgslo_catalog.pair_score s USING pgslo_catalog.pair_cell c
    WHERE c.definition_id = forget_pairs.definition_id AND s.pair_cell_id = c.pair_cell_id;
    DELETE FROM pgslo_catalog.pair_cell c WHERE c.definition_id = forget_pairs.definition_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.forget_pairs(definition_id bigint) IS 'Forgets the sums over the pairs of a definition.';

CREATE FUNCTION pgslo_catalog.forget_plans(refuses boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- PL/pgSQL keeps the types that fields of a record had when a condition was planned. After ALTER TABLE the condition
    -- raises 42804 until the session ends, and no other command makes PostgreSQL plan it again.
    DISCARD PLANS;
EXCEPTION WHEN insufficient_privilege THEN
    -- PostgreSQL refreshes materialized views as a restricted operation, and a subscription may apply changes as one.
    -- The worker of a subscription begins again after an error, and then has no plans.
    IF forget_plans.refuses THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'cannot evaluate rules in this session: a column was changed since it planned them',
            DETAIL = 'PostgreSQL does not let a security-restricted operation discard plans.',
            HINT = 'Try again in a new session.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.forget_plans(refuses boolean) IS 'Have this session plan its conditions again, with the types that columns have now; refuses: raise an error if it cannot.';

CREATE FUNCTION pgslo_catalog.free_for_session(name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    drawn bigint := (SELECT l.key FROM pgslo_catalog.session_lock l WHERE l.name = free_for_session.name AND l.process_id = pg_backend_pid());
BEGIN
    UPDATE pgslo_catalog.session_lock l SET process_id = NULL, session_role = NULL, key = NULL, held_since = NULL
    WHERE l.name = free_for_session.name AND l.process_id = pg_backend_pid();
    IF drawn IS NOT NULL THEN
        PERFORM pg_advisory_unlock(drawn);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.free_for_session(name text) IS 'Let go of a lock that hold_for_session() took for this session.';

CREATE FUNCTION pgslo_catalog.give_function(function text, owner name) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    given regprocedure := give_function.function::regprocedure;
    may_create boolean := has_schema_privilege(give_function.owner, 'pgslo_gen', 'CREATE');
    runtime_owner name := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog');
BEGIN
    -- A new owner needs CREATE on the schema for this moment, and no other session sees it. Without USAGE it cannot name the function.
    IF NOT may_create THEN
        EXECUTE format('GRANT CREATE ON SCHEMA pgslo_gen TO %I', give_function.owner);
    END IF;
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', given, give_function.owner);
    IF NOT may_create THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA pgslo_gen FROM %I', give_function.owner);
    END IF;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I, %I', given, current_user, runtime_owner);
    IF give_function.owner <> runtime_owner THEN
        PERFORM pgslo_catalog.admit_owner(given);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.give_function(function text, owner name) IS 'Make the owner of a table the owner of a generated function that reads or writes it.';

CREATE FUNCTION pgslo_catalog.give_verdict(rule pgslo_catalog.rule, batch pgslo_catalog.batch, verdict text, value double precision, low double precision, high double precision, score double precision, said text, is_tick boolean DEFAULT true, example text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    is_future boolean := (give_verdict.batch).place > pgslo_catalog.last_place((give_verdict.rule).definition_id);
    before pgslo_catalog.verdict;
BEGIN
    SELECT v.* INTO before FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (give_verdict.rule).rule_id AND v.batch = (give_verdict.batch).name;
    INSERT INTO pgslo_catalog.verdict AS v (definition_id, rule_id, batch, place, verdict, value, low, high, score, said, example)
    VALUES ((give_verdict.rule).definition_id, (give_verdict.rule).rule_id, (give_verdict.batch).name, (give_verdict.batch).place,
            give_verdict.verdict, give_verdict.value, give_verdict.low, give_verdict.high, give_verdict.score,
            coalesce(give_verdict.said, give_verdict.verdict) || CASE WHEN is_future THEN '; the batch lies in the future' ELSE '' END,
            give_verdict.example)
    ON CONFLICT ON CONSTRAINT verdict_is_given_once_a_batch DO UPDATE SET
        place = excluded.place, verdict = excluded.verdict, value = excluded.value, low = excluded.low, high = excluded.high,
        score = excluded.score, said = excluded.said, example = excluded.example, judged_at = excluded.judged_at,
        xid = CASE WHEN (v.verdict, v.value) IS DISTINCT FROM (excluded.verdict, excluded.value) THEN excluded.xid ELSE v.xid END;
    PERFORM pgslo_catalog.follow_verdict(give_verdict.rule, (give_verdict.batch).name, (give_verdict.batch).place, give_verdict.verdict, give_verdict.is_tick,
        (before.verdict, before.value) IS DISTINCT FROM (give_verdict.verdict, give_verdict.value));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.give_verdict(rule pgslo_catalog.rule, batch pgslo_catalog.batch, verdict text, value double precision, low double precision, high double precision, score double precision, said text, is_tick boolean, example text) IS 'Writes a verdict down, in place of an earlier one on the same batch, and lets its incident follow.';

CREATE FUNCTION pgslo_catalog.grid_distance(by text, one double precision[], other double precision[]) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    edges float8[];
BEGIN
    IF grid_distance.by = 'ks' THEN
        RETURN (
            SELECT max(abs(pgslo_catalog.share_below(grid_distance.one, e.v) - pgslo_catalog.share_below(grid_distance.other, e.v)))
            FROM unnest(grid_distance.one || grid_distance.other) AS e (v));
    END IF;
    -- Between the deciles of what it is compared with; where many values are the same, there are fewer.
    edges := ARRAY(SELECT DISTINCT grid_distance.other[1 + 4 * n] FROM generate_series(1, 9) AS n ORDER BY 1);
    RETURN (
        SELECT pgslo_catalog.distance_of(grid_distance.by, array_agg(s.p), array_agg(s.q))
        FROM (
            SELECT coalesce(lead(c.one) OVER (ORDER BY c.n), 1) - c.one AS p, coalesce(lead(c.other) OVER (ORDER BY c.n), 1) - c.other AS q
            FROM (
                SELECT 0 AS n, 0::float8 AS one, 0::float8 AS other
                UNION ALL
                SELECT e.n, pgslo_catalog.share_below(grid_distance.one, e.v), pgslo_catalog.share_below(grid_distance.other, e.v)
                FROM unnest(edges) WITH ORDINALITY AS e (v, n)
            ) AS c
        ) AS s);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.grid_distance(by text, one double precision[], other double precision[]) IS 'How far a distribution, as quantiles, is from another.';

CREATE FUNCTION pgslo_catalog.grids_apart(now double precision[], reference double precision[], OUT distribution double precision, OUT moved double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    WITH point AS MATERIALIZED (SELECT n.x, r.x AS y, n.i FROM unnest(now) WITH ORDINALITY AS n (x, i) JOIN unnest(reference) WITH ORDINALITY AS r (x, i) USING (i)),
    step AS MATERIALIZED (
        SELECT max(a) AS a, max(b) AS b, lag(max(a), 1, 0::bigint) OVER w AS a_below, lag(max(b), 1, 0::bigint) OVER w AS b_below
        FROM (
            SELECT u.v, sum(u.a) OVER (ORDER BY u.v) AS a, sum(u.b) OVER (ORDER BY u.v) AS b
            FROM (SELECT p.x AS v, 1 AS a, 0 AS b FROM point p UNION ALL SELECT p.y, 0, 1 FROM point p) u
        ) c
        GROUP BY c.v
        WINDOW w AS (ORDER BY c.v)
    )
    SELECT (SELECT least(max(abs(s.a - s.b)), max(abs(s.a_below - s.b_below))) / 41.0 FROM step s),
           -- avg() adds up squares as well, which may overflow.
           (SELECT sum(abs(p.x - p.y)) / count(*) FROM point p WHERE p.i BETWEEN 2 AND 40)
    INTO grids_apart.distribution, grids_apart.moved;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.grids_apart(now double precision[], reference double precision[], OUT distribution double precision, OUT moved double precision) IS 'The largest distance of two distributions (Kolmogorov and Smirnov''s) and how far values moved (Wasserstein''s), from their quantiles.';

CREATE FUNCTION pgslo_catalog.groups_said(groups bigint, is_whole boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE
        WHEN groups_said.is_whole THEN 'rows of the table break it'
        WHEN groups_said.groups = 0 THEN 'no group breaks it'
        WHEN groups_said.groups = 1 THEN '1 group breaks it'
        ELSE format('%s groups break it', pgslo_catalog.shown(groups_said.groups))
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.groups_said(groups bigint, is_whole boolean) IS 'Return how many groups violate an assertion, in words; is_whole for one without groups.';

CREATE FUNCTION pgslo_catalog.guarded_view(source_schema text, source_name text, OUT source regclass, OUT definition text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Of pgslo's and registered by apply: functions in the view of another role would run with the reader's rights.
    SELECT g.object_id, g.definition INTO source, definition
    FROM pgslo_catalog.generated g
    WHERE g.kind = 'view' AND g.is_ours AND g.is_listed AND g.names = ARRAY[guarded_view.source_schema, guarded_view.source_name];
    IF source IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%I.%I is no guarded view', guarded_view.source_schema, guarded_view.source_name),
            DETAIL = 'Snapshots are taken of what readers see.',
            HINT = 'Name a guarded view or the view of a task; pgslo status shows the tables.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.guarded_view(source_schema text, source_name text, OUT source regclass, OUT definition text) IS 'Return a view that apply made and registered, and its definition; an error where it is another.';

CREATE FUNCTION pgslo_catalog.has_new_types(definition text, relation regclass, known text[]) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    difference text := pgslo_catalog.new_type(
        coalesce(pg_partition_root(has_new_types.relation), has_new_types.relation), has_new_types.known);
BEGIN
    IF difference IS NULL THEN
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.record_break(has_new_types.definition, NULL, '42804', difference);
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.has_new_types(definition text, relation regclass, known text[]) IS 'Return whether a column has a type of a user that it did not have at apply, and record that rows can no longer be judged.';

CREATE FUNCTION pgslo_catalog.has_open_incident(rule pgslo_catalog.rule) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.definition_id = (has_open_incident.rule).definition_id AND i.rule_id = (has_open_incident.rule).rule_id
          AND i.over_at IS NULL);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.has_open_incident(rule pgslo_catalog.rule) IS 'Whether a rule has an open incident, as this transaction sees it.';

CREATE FUNCTION pgslo_catalog.has_settled(definition pgslo_catalog.definition, place numeric, last_written_at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    settle interval := (has_settled.definition).settle;
    span interval := (has_settled.definition).batch_every;
BEGIN
    -- An hour or a day of the clock is not over before its end, however long nothing came. One in the future is no such span.
    RETURN has_settled.last_written_at + settle < clock_timestamp()
        AND coalesce(extract(epoch FROM clock_timestamp()) NOT BETWEEN has_settled.place AND has_settled.place + extract(epoch FROM span + settle), true);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.has_settled(definition pgslo_catalog.definition, place numeric, last_written_at timestamp with time zone) IS 'Whether a batch is complete: its span is over, and nothing was written to it for as long as settle says.';

CREATE FUNCTION pgslo_catalog.has_unknown_rows(definition_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = has_unknown_rows.definition_id AND b.batch = 'unknown' AND b.pause_id IS NULL);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.has_unknown_rows(definition_id bigint) IS 'Return whether rows were not judged whose batch is unknown.';

CREATE FUNCTION pgslo_catalog.heal_expected(rule pgslo_catalog.rule, slack numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    came pgslo_catalog.batch;
BEGIN
    -- One that has come under its own name has its verdict since it was closed; another may be called by the time of its load.
    FOR came.name, came.place IN
        SELECT m.batch, m.place
        FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.definition d ON d.name = m.definition
        WHERE d.definition_id = (heal_expected.rule).definition_id AND m.rule_id = (heal_expected.rule).rule_id AND m.ended_at IS NULL
          AND EXISTS (
              SELECT FROM pgslo_catalog.batch b
              WHERE b.definition_id = d.definition_id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.name <> m.batch
                AND b.place BETWEEN m.place - heal_expected.slack AND m.place + heal_expected.slack)
        ORDER BY m.place
    LOOP
        came.definition_id := (heal_expected.rule).definition_id;
        PERFORM pgslo_catalog.give_verdict(heal_expected.rule, came, 'met', 0, NULL, 0, NULL, 'it came');
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.heal_expected(rule pgslo_catalog.rule, slack numeric) IS 'End what was told of batches that came after all, close enough to where they were expected.';

CREATE FUNCTION pgslo_catalog.healthy(definition pgslo_catalog.definition, columns text[], as_of timestamp with time zone, within interval DEFAULT NULL::interval) RETURNS TABLE(batch text, place numeric, rows bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN QUERY
    WITH spoilt AS MATERIALIZED (
        SELECT u.* FROM pgslo_catalog.unhealthy((healthy.definition).definition_id, healthy.columns, healthy.as_of, healthy.within) AS u)
    SELECT b.name, b.place, b.rows
    FROM pgslo_catalog.batch b
    WHERE b.definition_id = (healthy.definition).definition_id AND b.closed_at <= healthy.as_of AND b.rows > 0
      AND b.place <= pgslo_catalog.last_place(healthy.definition)
      -- Rows of a batch of a former key may be in any.
      AND NOT EXISTS (SELECT FROM spoilt u WHERE u.batch = b.name OR u.is_of_former_key)
    ORDER BY b.place;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.healthy(definition pgslo_catalog.definition, columns text[], as_of timestamp with time zone, within interval) IS 'Return batches that were evaluated by a time and had no violation about these columns, as was known then, or older ones.';

CREATE FUNCTION pgslo_catalog.hidden_name(value anyelement, salt text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN coalesce(pgslo_catalog.text_name(pgslo_catalog.key_text(value), hidden_name.salt), 'NULL');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.hidden_name(value anyelement, salt text) IS 'Return the name of a batch whose key may be personal.';

CREATE FUNCTION pgslo_catalog.hoeffding_bound(mean double precision, n double precision, confidence double precision, is_upper boolean) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- The divergence of two Bernoulli distributions that chance explains.
    most float8 := ln(2 / (1 - least(hoeffding_bound.confidence, 1 - 1e-12))) / hoeffding_bound.n;
    near float8 := hoeffding_bound.mean;
    far float8 := CASE WHEN hoeffding_bound.is_upper THEN 1 ELSE 0 END;
    middle float8;
BEGIN
    FOR step IN 1..60 LOOP
        middle := (near + far) / 2;
        EXIT WHEN middle IN (0, 1);
        IF (CASE WHEN mean > 0 THEN mean * ln(mean / middle) ELSE 0 END
            + CASE WHEN mean < 1 THEN (1 - mean) * ln((1 - mean) / (1 - middle)) ELSE 0 END) <= most THEN
            near := middle;
        ELSE
            far := middle;
        END IF;
    END LOOP;
    RETURN near;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.hoeffding_bound(mean double precision, n double precision, confidence double precision, is_upper boolean) IS 'A bound of the mean of values between 0 and 1, whatever their distribution: Hoeffding, Probability inequalities, JASA 58 (1963) 13-30, theorem 1.';

CREATE FUNCTION pgslo_catalog.hold_assertion(check_function text, keys text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    broken_key text;
    broken_shown text;
    broken_said text;
    error_code text;
    error_message text;
BEGIN
    BEGIN
        PERFORM pgslo_catalog.pin_table(d, hold_assertion.check_function)
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE a.check_function = hold_assertion.check_function;
        EXECUTE format('SELECT b.group_key, b.group_shown, b.said FROM pgslo_gen.%I($1) AS b LIMIT 1', hold_assertion.check_function)
        INTO broken_key, broken_shown, broken_said
        USING CASE WHEN '*' = ANY (hold_assertion.keys) THEN NULL ELSE hold_assertion.keys END;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT;
        IF NOT pgslo_catalog.is_of_moved_schema(error_code) THEN
            -- Conflicts, locks and cancels hold no value, and clients try again by their code.
            IF error_code ~ '^(40|53|55|57|58)' OR pgslo_catalog.may_see_groups(hold_assertion.check_function) THEN
                RAISE;
            END IF;
            RAISE EXCEPTION USING
                ERRCODE = error_code,
                MESSAGE = (SELECT format('assertion "%s" of %s cannot be evaluated', r.name, d.name)
                           FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
                           WHERE a.check_function = hold_assertion.check_function),
                DETAIL = format('Its query raises: %s.', pgslo_catalog.error_said(false, error_code, error_message));
        END IF;
        PERFORM pgslo_catalog.record_break(d.name, r.name, error_code, error_message)
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE a.check_function = hold_assertion.check_function;
        RETURN;
    END;
    IF broken_key IS NOT NULL THEN
        PERFORM pgslo_catalog.refuse_broken(hold_assertion.check_function, broken_shown, broken_said);
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.hold_assertion(check_function text, keys text[]) IS 'Refuses the transaction if one of these groups breaks the assertion; lets it live if the tables are no longer what the assertion was written for.';

CREATE FUNCTION pgslo_catalog.hold_for_session(name text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
DECLARE
    held pgslo_catalog.session_lock;
    drawn bigint;
BEGIN
    BEGIN
        INSERT INTO pgslo_catalog.session_lock (name)
        SELECT hold_for_session.name WHERE NOT EXISTS (SELECT FROM pgslo_catalog.session_lock l WHERE l.name = hold_for_session.name)
        ON CONFLICT ON CONSTRAINT session_lock_has_a_name DO NOTHING;
    EXCEPTION WHEN lock_not_available THEN
        -- The first that ever takes it has not ended its transaction.
        RETURN coalesce((SELECT pgslo_catalog.session_of(k.pid) FROM pg_locks k
                         WHERE k.relation = 'pgslo_catalog.session_lock'::regclass AND k.mode = 'RowExclusiveLock' AND k.pid <> pg_backend_pid() LIMIT 1), 'another session');
    END;
    SELECT l.* INTO held FROM pgslo_catalog.session_lock l WHERE l.name = hold_for_session.name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN coalesce((SELECT pgslo_catalog.locked_by(l.xmax) FROM pgslo_catalog.session_lock l WHERE l.name = hold_for_session.name), 'another session');
    END IF;
    -- The key alone proves nothing: once it is held, every role may read it in pg_locks. The process and its role are those that took it.
    IF EXISTS (
        SELECT FROM pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
        WHERE k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock' AND k.objsubid = 1
          AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND k.classid = (held.key >> 32 & 4294967295)::oid AND k.objid = (held.key & 4294967295)::oid
          AND k.pid = held.process_id AND a.usesysid::bigint = held.session_role
    ) THEN
        RETURN CASE WHEN held.process_id <> pg_backend_pid() THEN pgslo_catalog.session_of(held.process_id) END;
    END IF;
    -- Random, so that no other role can hold it beforehand.
    drawn := ('x' || left(translate(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint;
    IF NOT pg_try_advisory_lock(drawn) THEN
        RETURN 'another session';
    END IF;
    UPDATE pgslo_catalog.session_lock l
    SET process_id = pg_backend_pid(), session_role = (SELECT a.usesysid::bigint FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()),
        key = drawn, held_since = clock_timestamp()
    WHERE l.name = hold_for_session.name;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.hold_for_session(name text) IS 'Take a lock until the session ends: NULL, or the session that holds it, in words, without a wait. It is free again once the holder has ended, however it ended.';

CREATE FUNCTION pgslo_catalog.hold_parts(relation regclass, role oid DEFAULT NULL::oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    qualified text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = hold_parts.relation AND (c.relhassubclass OR c.relkind = 'v');
    IF qualified IS NULL THEN
        PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
        RETURN;
    END IF;
    BEGIN
        -- None of its parts is given away before it is read.
        EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', qualified);
    EXCEPTION WHEN insufficient_privilege OR undefined_table OR invalid_schema_name OR wrong_object_type THEN
        NULL;  -- It is looked at all the same.
    END;
    PERFORM pgslo_catalog.refuse_stale(hold_parts.relation);
    PERFORM pgslo_catalog.refuse_part(hold_parts.relation, coalesce(hold_parts.role, to_regrole(quote_ident(current_user))::oid));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.hold_parts(relation regclass, role oid) IS 'Lock the parts of a table until the transaction ends, and refuse if one belongs to a role without the rights of a role, by default the current one.';

CREATE FUNCTION pgslo_catalog.is_armed(relation regclass, part oid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT NOT EXISTS (
        SELECT FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid
        WHERE g.tgrelid = is_armed.relation AND g.tgtype & 1 = 0 AND f.pronamespace = 'pgslo_gen'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = is_armed.part AND o.tgname = g.tgname AND o.tgfoid = g.tgfoid))
$$;

COMMENT ON FUNCTION pgslo_catalog.is_armed(relation regclass, part oid) IS 'Return whether a part has each statement trigger that pgslo made on the whole table.';

CREATE FUNCTION pgslo_catalog.is_base64(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[A-Za-z0-9+/]*={0,2}$' AND pg_catalog.length(value) OPERATOR(pg_catalog.%) 4 OPERATOR(pg_catalog.=) 0
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_base64(value text) IS 'Whether the text is base64 with padding.';

CREATE FUNCTION pgslo_catalog.is_being_accepted(definition_id bigint, batch text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    stored bigint[] := ARRAY(
        SELECT m.missed_id FROM pgslo_catalog.rule r JOIN pgslo_catalog.missed_batch m USING (rule_id)
        WHERE r.definition_id = is_being_accepted.definition_id AND m.batch = is_being_accepted.batch AND m.ended_at IS NULL);
BEGIN
    -- A lock until this transaction ends: whoever accepts it later sees what is written here.
    RETURN stored <> '{}' AND cardinality(stored) > (
        SELECT count(*) FROM (
            SELECT FROM pgslo_catalog.missed_batch m WHERE m.missed_id = ANY (stored) FOR SHARE SKIP LOCKED) AS l);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_being_accepted(definition_id bigint, batch text) IS 'Return whether another transaction has a missed batch; lock it otherwise.';

CREATE FUNCTION pgslo_catalog.is_date(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    AS $_$
BEGIN
    RETURN value ~ E'^\\d{4}-\\d{2}-\\d{2}$' AND value::date IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_date(value text) IS 'Whether the text is a day of the calendar as YYYY-MM-DD.';

CREATE FUNCTION pgslo_catalog.is_e164(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^\\+[1-9][0-9]+$' AND pg_catalog.length(value) OPERATOR(pg_catalog.>=) 8 AND pg_catalog.length(value) OPERATOR(pg_catalog.<=) 16
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_e164(value text) IS 'Whether the text is a telephone number as in E.164.';

CREATE FUNCTION pgslo_catalog.is_email(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9](-*[A-Za-z0-9])*(\\.[A-Za-z0-9](-*[A-Za-z0-9])*)+$'
       AND (pg_catalog.length(value) OPERATOR(pg_catalog.<) 66 OR value COLLATE pg_catalog."C" OPERATOR(pg_catalog.!~) E'^[^@]{65}|@(.*\\.)?[^.]{64}')
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_email(value text) IS 'Whether the text is an e-mail address, as HTML''s input type reads it, with a dot in the domain and at most 64 characters before the @.';

CREATE FUNCTION pgslo_catalog.is_expected(definition pgslo_catalog.definition, measure jsonb, form text, phases jsonb, place numeric) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF (is_expected.definition).place_is_number THEN
        RETURN true;
    END IF;
    RETURN CASE
        WHEN is_expected.form IS NOT NULL THEN is_expected.phases ? pgslo_catalog.phase(is_expected.form, is_expected.place)
        ELSE coalesce(measure -> 'on' @> to_jsonb(trim(to_char(to_timestamp(is_expected.place::float8) AT TIME ZONE 'UTC', 'day'))), true)
    END AND NOT pgslo_catalog.is_holiday((is_expected.definition).holidays, is_expected.place);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_expected(definition pgslo_catalog.definition, measure jsonb, form text, phases jsonb, place numeric) IS 'Whether a batch is expected at a place: by the phases of a learned calendar, or on the weekdays of a rule; never on a holiday.';

CREATE FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Dates reach farther than time stamps do.
    SELECT CASE
        WHEN holidays = '{}' OR abs(place) > 100000000000 THEN false
        ELSE (SELECT to_char(d.day, 'YYYY-MM-DD') = ANY (holidays) OR to_char(d.day, 'MM-DD') = ANY (holidays)
              FROM (SELECT to_timestamp(place::float8) AT TIME ZONE 'UTC' AS day) d)
    END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) IS 'Whether a batch, by its place in seconds since 1970, is of one of these days in UTC.';

CREATE FUNCTION pgslo_catalog.is_hostname(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^[A-Za-z0-9](-*[A-Za-z0-9])*(\\.[A-Za-z0-9](-*[A-Za-z0-9])*)*$'
       AND pg_catalog.length(value) OPERATOR(pg_catalog.<) 254
       AND (pg_catalog.length(value) OPERATOR(pg_catalog.<) 64 OR value COLLATE pg_catalog."C" OPERATOR(pg_catalog.!~) '[^.]{64}')
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_hostname(value text) IS 'Whether the text is a host name.';

CREATE FUNCTION pgslo_catalog.is_in_table(definition pgslo_catalog.definition, batch text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $_$
DECLARE
    rows bigint;
BEGIN
    -- Rows may have come while no trigger fired: by a subscription, or while rules were switched off.
    IF (is_in_table.definition).recount IS NULL OR NOT pgslo_catalog.can_find_batches(is_in_table.definition) THEN
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.pin_table(is_in_table.definition, (is_in_table.definition).recount);
    EXECUTE format('SELECT sum(c.rows) FROM unnest(pgslo_gen.%I($1, $1, $2)) AS c WHERE c.batch = $1', (is_in_table.definition).recount)
    INTO rows USING is_in_table.batch, (1::bigint << 40) - 1;
    RETURN coalesce(rows > 0, false);
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE = 'SL004' OR pgslo_catalog.is_transient(SQLSTATE) THEN
        RAISE;
    END IF;
    RETURN false;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_in_table(definition pgslo_catalog.definition, batch text) IS 'Whether rows of a batch are in the table of which nothing is recorded; false where looking would read all of it.';

CREATE FUNCTION pgslo_catalog.is_ipv4(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN strpos(value, '/') = 0 AND family(value::inet) = 4;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_ipv4(value text) IS 'Whether the text is one address of IP version 4.';

CREATE FUNCTION pgslo_catalog.is_ipv6(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN strpos(value, '/') = 0 AND family(value::inet) = 6;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_ipv6(value text) IS 'Whether the text is one address of IP version 6.';

CREATE FUNCTION pgslo_catalog.is_json(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN value::json IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_json(value text) IS 'Whether the text is JSON.';

CREATE FUNCTION pgslo_catalog.is_known(definition text, within interval, planned text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- By hash: there may be a thousand.
    RETURN NOT EXISTS (
        SELECT n.name FROM unnest(pgslo_catalog.concern_names(is_known.definition, is_known.within)) AS n (name)
        EXCEPT
        SELECT k.name FROM unnest(is_known.planned) AS k (name));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_known(definition text, within interval, planned text[]) IS 'Whether a plan knows all that concerns readers of a definition now.';

CREATE FUNCTION pgslo_catalog.is_known_missed(rule pgslo_catalog.rule, batch text, place numeric) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.definition_id = (is_known_missed.rule).definition_id AND i.rule_id = (is_known_missed.rule).rule_id
          AND i.resolved_at IS NULL AND i.over_place > is_known_missed.place
    ) AND EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = (is_known_missed.rule).rule_id AND m.batch = is_known_missed.batch AND m.ended_at IS NULL);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_known_missed(rule pgslo_catalog.rule, batch text, place numeric) IS 'Whether a batch is a missed batch of an incident that is over: more of its rows open no other incident.';

CREATE FUNCTION pgslo_catalog.is_missed(rule pgslo_catalog.rule, rows bigint, failed bigint) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE
        WHEN rule.at_most IS NOT NULL THEN failed > rule.at_most
        WHEN rule.at_least IS NOT NULL THEN rows > 0 AND (rows - failed)::numeric / rows < rule.at_least
        ELSE failed > 0
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_missed(rule pgslo_catalog.rule, rows bigint, failed bigint) IS 'Whether a batch of so many rows, so many of them failing, misses the rule.';

CREATE FUNCTION pgslo_catalog.is_movable(relation oid) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- To triggers on rows, and to those on statements where MERGE moves it, such a row is inserted.
    -- Whatever rights the caller has: a view or a function may update with those of its owner.
    RETURN (SELECT count(*) FILTER (WHERE p.isleaf) > 1 FROM pg_partition_tree(pg_partition_root(is_movable.relation)) AS p);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_movable(relation oid) IS 'Whether an UPDATE may move rows of a table from one partition to another: a trigger takes that for an INSERT.';

CREATE FUNCTION pgslo_catalog.is_of_moved_schema(error_code text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- 42501 is about rights: they come back, and until then nobody gets around the assertion.
    RETURN error_code ~ '^(42|3F|0A)' AND error_code <> '42501';
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_of_moved_schema(error_code text) IS 'Whether an error says that a table is no longer what an assertion was written for.';

CREATE FUNCTION pgslo_catalog.is_of_value(error_code text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- 42501 is about rights. 42804 is a plan of this session for a column that has another type now.
    -- 42809, 42P01 and 3F000 are of a table that rows are looked up in and that was replaced or dropped.
    -- 54001 in a condition is of the value as well: of JSON with brackets a hundred thousand deep, for example.
    RETURN is_of_value.error_code = '54001'
        OR NOT pgslo_catalog.is_transient(is_of_value.error_code)
           AND is_of_value.error_code NOT IN ('42501', '42804', '42809', '42P01', '3F000');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_of_value(error_code text) IS 'Whether the row for which a condition raises such an error fails the rule, once the condition is known to fit the table.';

CREATE FUNCTION pgslo_catalog.is_owner(reader name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT pg_has_role(is_owner.reader, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' $$;

COMMENT ON FUNCTION pgslo_catalog.is_owner(reader name) IS 'Whether a role has the rights of pgslo''s owner.';

CREATE FUNCTION pgslo_catalog.is_plain(type regtype) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE below AS (
        SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = is_plain.type
        UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
    )
    SELECT n.nspname = 'pg_catalog' AND t.typowner = 10 AND t.typtype IN ('b', 'r', 'm')
    FROM below b
    JOIN pg_type t ON t.oid = b.oid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE b.typtype <> 'd'
$$;

COMMENT ON FUNCTION pgslo_catalog.is_plain(type regtype) IS 'Return whether a type, below its domains, is PostgreSQL''s own: only PostgreSQL''s casts convert its values.';

CREATE FUNCTION pgslo_catalog.is_replica() RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN current_setting('session_replication_role') = 'replica';
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_replica() IS 'Return whether a subscription, or a session of the replica role, writes: no error of a rule may end it.';

CREATE FUNCTION pgslo_catalog.is_slug(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[a-z0-9]+(-[a-z0-9]+)*$'
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_slug(value text) IS 'Whether the text is a slug: lower case letters, digits and single hyphens.';

CREATE FUNCTION pgslo_catalog.is_stranger(role oid, relation regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = is_stranger.role AND o.rolsuper)
        AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = is_stranger.relation AND c.relowner = is_stranger.role)
        AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' AND n.nspowner = is_stranger.role)
$$;

COMMENT ON FUNCTION pgslo_catalog.is_stranger(role oid, relation regclass) IS 'Return whether a role is neither a superuser nor the owner of the table or of pgslo.';

CREATE FUNCTION pgslo_catalog.is_time(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN value ~ E'^\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?$' AND value::time IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_time(value text) IS 'Whether the text is a time of day as HH:MM[:SS[.fraction]].';

CREATE FUNCTION pgslo_catalog.is_timestamp(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    AS $_$
BEGIN
    RETURN value ~ E'^\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}(:?\\d{2})?)?$' AND value::timestamptz IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_timestamp(value text) IS 'Whether the text is a date and time as in ISO 8601.';

CREATE FUNCTION pgslo_catalog.is_transient(error_code text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- 54001 is about the calls that the session is in the middle of; a pattern would need more stack.
    RETURN left(is_transient.error_code, 2) IN ('40', '53', '55', '57', '58') OR is_transient.error_code = '54001';
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_transient(error_code text) IS 'Whether an error is of the moment: a conflict, a lock, memory, a full disk, a cancelled statement, a stack that is full.';

CREATE TABLE pgslo_catalog.profile (
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    column_name text NOT NULL,
    rows bigint NOT NULL,
    present bigint NOT NULL,
    level smallint DEFAULT 0 NOT NULL,
    summary double precision[],
    common jsonb,
    shapes jsonb,
    grid double precision[],
    prefix integer[],
    entities integer[],
    sampled integer DEFAULT 0 NOT NULL,
    noise double precision[],
    expected double precision[],
    spread double precision[],
    surprise double precision[],
    tolerated double precision[],
    usual jsonb,
    usual_shapes jsonb,
    usual_grid double precision[],
    learned_from integer DEFAULT 0 NOT NULL,
    baseline boolean DEFAULT true NOT NULL,
    tolerated_below double precision[]
);

COMMENT ON TABLE pgslo_catalog.profile IS 'Each column of a batch in numbers; column * is the table as a whole. May hold personal data: the commonest values are values.';

COMMENT ON COLUMN pgslo_catalog.profile.summary IS 'Numbers in the order of pgslo_catalog.summary_names().';

COMMENT ON COLUMN pgslo_catalog.profile.common IS 'The commonest values, with the rows of the sample that have them.';

COMMENT ON COLUMN pgslo_catalog.profile.shapes IS 'The commonest patterns of texts, with the rows of the sample that have them.';

COMMENT ON COLUMN pgslo_catalog.profile.grid IS 'Quantiles at 0, 1/40, ... 1, of numbers; of times in hours since the batch''s own.';

COMMENT ON COLUMN pgslo_catalog.profile.prefix IS 'Hashes of the values of some rows, in order of their entities: two batches compare row by row.';

COMMENT ON COLUMN pgslo_catalog.profile.entities IS 'For *: the entities that the hashes of the columns belong to.';

COMMENT ON COLUMN pgslo_catalog.profile.sampled IS 'Values of the sample that are not null: what common and shapes count.';

COMMENT ON COLUMN pgslo_catalog.profile.noise IS 'How far each number of summary goes by chance in a sample of this size.';

COMMENT ON COLUMN pgslo_catalog.profile.expected IS 'For each number of summary, the prediction that came closest; shares as arc sine of the root.';

COMMENT ON COLUMN pgslo_catalog.profile.spread IS 'The unit in which surprise is told.';

COMMENT ON COLUMN pgslo_catalog.profile.surprise IS 'How far each number of summary is from what was expected, in units of spread.';

COMMENT ON COLUMN pgslo_catalog.profile.tolerated IS 'The largest surprise of each number upwards before this batch; a shock counts in part, and fades.';

COMMENT ON COLUMN pgslo_catalog.profile.usual IS 'Shares of the commonest values before this batch, the latest batches counting most. May hold personal data.';

COMMENT ON COLUMN pgslo_catalog.profile.usual_shapes IS 'The same of the patterns of texts.';

COMMENT ON COLUMN pgslo_catalog.profile.usual_grid IS 'The mean grid before this batch, then the lowest and the highest value.';

COMMENT ON COLUMN pgslo_catalog.profile.learned_from IS 'Batches before this one that it was compared with.';

COMMENT ON COLUMN pgslo_catalog.profile.baseline IS 'Whether later batches are compared with it; false for a batch that missed.';

COMMENT ON COLUMN pgslo_catalog.profile.tolerated_below IS 'The same downwards.';

CREATE FUNCTION pgslo_catalog.is_unchanged(one pgslo_catalog.profile, other pgslo_catalog.profile) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    ours integer[];
    theirs integer[];
    compared record;
BEGIN
    IF one.present = 0 OR other.present = 0 THEN
        RETURN false;  -- Nothing is no value that could be repeated; completeness tells of it.
    END IF;
    SELECT p.entities INTO ours FROM pgslo_catalog.profile p WHERE p.definition_id = one.definition_id AND p.batch = one.batch AND p.column_name = '*';
    SELECT p.entities INTO theirs FROM pgslo_catalog.profile p WHERE p.definition_id = other.definition_id AND p.batch = other.batch AND p.column_name = '*';
    -- Entity by entity, for those that are in both.
    SELECT count(*) AS common, count(*) FILTER (WHERE a.value = b.value) AS same INTO compared
    FROM (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(ours, one.prefix) AS u (entity, value) WHERE u.entity IS NOT NULL ORDER BY u.entity) AS a
    JOIN (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(theirs, other.prefix) AS u (entity, value) WHERE u.entity IS NOT NULL ORDER BY u.entity) AS b ON a.entity = b.entity;
    IF compared.common > 0 THEN
        RETURN compared.same = compared.common;
    END IF;
    RETURN one.common = other.common;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_unchanged(one pgslo_catalog.profile, other pgslo_catalog.profile) IS 'Whether a column has the same values in two batches.';

CREATE FUNCTION pgslo_catalog.is_url(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^https?://[^\\s/?#]+([/?#]\\S*)?$'
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_url(value text) IS 'Whether the text is an http or https address.';

CREATE FUNCTION pgslo_catalog.is_uuid(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~~) '________-____-____-____-____________'
       AND value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+$'
$_$;

COMMENT ON FUNCTION pgslo_catalog.is_uuid(value text) IS 'Whether the text is a UUID in its usual form with hyphens.';

CREATE FUNCTION pgslo_catalog.is_within(place numeric, within interval) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN is_within.within IS NULL OR is_within.place = '-Infinity'
        OR is_within.place >= extract(epoch FROM clock_timestamp() - is_within.within);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.is_within(place numeric, within interval) IS 'Whether a batch is no older than a reader looks back; any is, without a limit.';

CREATE FUNCTION pgslo_catalog.iso(value anyelement) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- No setting touches these, and setting and unsetting five costs more than the rest of a small write's record.
    name text := CASE
        WHEN pg_typeof(value) IN ('date'::regtype, 'timestamp'::regtype, 'text'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype)
        THEN to_jsonb(value) #>> '{}'
        ELSE pgslo_catalog.iso_text(value)
    END;
BEGIN
    -- An index over it takes 2,700 bytes.
    RETURN coalesce(CASE WHEN length(name) > 200 THEN left(name, 160) || '...' || md5(name) ELSE name END, 'NULL');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.iso(value anyelement) IS 'A batch''s name: the same text for the same value whatever the session''s settings.';

CREATE FUNCTION pgslo_catalog.iso_text(value anyelement) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '3'
    SET lc_monetary TO 'C'
    AS $$
BEGIN
    -- Types of a lower number came with PostgreSQL, which is quicker to see.
    RETURN CASE
        WHEN pg_typeof(value)::oid < 16384 OR pgslo_catalog.is_plain(pg_typeof(value)) THEN to_jsonb(value) #>> '{}'
        WHEN num_nulls(value) = 0 THEN concat(value)
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.iso_text(value anyelement) IS 'The same text for the same value whatever the session''s settings.';

CREATE FUNCTION pgslo_catalog.join_incidents() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    two record;
    before pgslo_catalog.incident_event;
BEGIN
    FOR two IN
        SELECT k AS kept, o AS other
        FROM pgslo_catalog.incident k
        JOIN pgslo_catalog.incident o ON o.rule_id = k.rule_id AND o.over_at IS NULL AND NOT o.opened_by_tick
        WHERE k.over_at IS NULL AND k.opened_by_tick
        ORDER BY k.incident_id
        FOR UPDATE OF k, o SKIP LOCKED
    LOOP
        -- The one that tick() opened stays: people know it. The other came to light once its transaction was committed.
        UPDATE pgslo_catalog.incident i
        SET opened_at = least((two.kept).opened_at, (two.other).opened_at),
            (opened_batch, opened_place, writer, application, written_at) = (
                SELECT e.opened_batch, e.opened_place, e.writer, e.application, e.written_at
                FROM (VALUES ((two.kept).opened_batch, (two.kept).opened_place, (two.kept).writer, (two.kept).application, (two.kept).written_at, 1),
                             ((two.other).opened_batch, (two.other).opened_place, (two.other).writer, (two.other).application, (two.other).written_at, 2))
                     AS e (opened_batch, opened_place, writer, application, written_at, turn)
                ORDER BY e.opened_place, e.turn LIMIT 1),
            acknowledged_at = coalesce(i.acknowledged_at, (two.other).acknowledged_at),
            acknowledged_by = coalesce(i.acknowledged_by, (two.other).acknowledged_by),
            muted_until = greatest(i.muted_until, (two.other).muted_until)
        WHERE i.incident_id = (two.kept).incident_id;
        SELECT e.* INTO before FROM pgslo_catalog.incident_event e
        WHERE e.incident_id = (two.other).incident_id AND e.event IN ('over', 'resolved')
        ORDER BY e.incident_event_id DESC LIMIT 1;
        UPDATE pgslo_catalog.missed_batch m SET incident_id = (two.kept).incident_id
        WHERE m.incident_id = (two.other).incident_id AND (before.happened_at IS NULL OR m.missed_at > before.happened_at);
        IF before.incident_event_id IS NULL THEN
            DELETE FROM pgslo_catalog.incident i WHERE i.incident_id = (two.other).incident_id;
            CONTINUE;
        END IF;
        -- One that a person had resolved, and that was reopened beside tick(): as it was before, with its history.
        UPDATE pgslo_catalog.incident i
        SET over_at = before.happened_at, resolved_at = CASE before.event WHEN 'resolved' THEN before.happened_at END,
            resolution = before.resolution, over_batch = before.batch, resolved_by = before.done_by,
            over_place = coalesce((SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = i.definition_id AND b.name = before.batch), i.opened_place)
        WHERE i.incident_id = (two.other).incident_id;
        DELETE FROM pgslo_catalog.incident_event e
        WHERE e.incident_id = (two.other).incident_id AND e.incident_event_id > before.incident_event_id AND e.event IN ('reopened', 'over', 'resolved');
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.join_incidents() IS 'Make one of two open incidents of a rule, where tick() opened the second because the transaction that opened the first had not ended.';

CREATE FUNCTION pgslo_catalog.join_missed(definition_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Writers leave that out: a foreign key would have them wait for a session that has the incident.
    UPDATE pgslo_catalog.missed_batch m SET incident_id = j.incident_id
    FROM (
        SELECT u.missed_id, s.incident_id
        FROM pgslo_catalog.stored_batch s
        JOIN pgslo_catalog.missed_batch u USING (missed_id)
        JOIN pgslo_catalog.incident i ON i.incident_id = s.incident_id
        -- By name, for which there is an index that grows with no history.
        WHERE u.definition = (SELECT d.name FROM pgslo_catalog.definition d WHERE d.definition_id = join_missed.definition_id)
          AND u.incident_id IS NULL AND u.ended_at IS NULL AND u.looked_at IS NULL
        FOR NO KEY UPDATE OF u SKIP LOCKED
        FOR KEY SHARE OF i SKIP LOCKED
    ) j
    WHERE m.missed_id = j.missed_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.join_missed(definition_id bigint) IS 'Record the incidents of missed batches that writers recorded.';

CREATE FUNCTION pgslo_catalog.jsonb_of(value text, type regtype) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT format('to_jsonb(%s)', CASE
        WHEN pgslo_catalog.is_plain(jsonb_of.type) THEN jsonb_of.value
        ELSE pgslo_catalog.text_of(jsonb_of.value, jsonb_of.type)
    END)
$$;

COMMENT ON FUNCTION pgslo_catalog.jsonb_of(value text, type regtype) IS 'Return SQL for a value as jsonb, given as SQL: as a string of its text where its type is not PostgreSQL''s own.';

CREATE FUNCTION pgslo_catalog.judge_age(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rule pgslo_catalog.rule;
    newest pgslo_catalog.batch;
    found record;
BEGIN
    IF (judge_age.definition).max_age IS NULL THEN
        RETURN;
    END IF;
    SELECT b.* INTO newest FROM pgslo_catalog.batch b
    WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL
      AND b.place <= pgslo_catalog.last_place(judge_age.definition)
      AND b.rows > 0
    ORDER BY b.place DESC LIMIT 1;
    IF newest.name IS NULL THEN
        SELECT b.* INTO newest FROM pgslo_catalog.batch b
        WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL ORDER BY b.place DESC LIMIT 1;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = (judge_age.definition).definition_id AND r.scope = 'table' AND r.retired_at IS NULL AND newest.name IS NOT NULL)
    LOOP
        found := pgslo_catalog.age(judge_age.definition);
        PERFORM pgslo_catalog.give_verdict(rule, newest, CASE WHEN found.value IS NULL THEN 'unknown' WHEN found.value > rule.warn_high THEN 'missed' ELSE 'met' END,
            found.value, NULL, rule.warn_high, NULL, found.said);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_age(definition pgslo_catalog.definition) IS 'Holds the age of a table''s newest data against its objective, under the name of the newest batch.';

CREATE FUNCTION pgslo_catalog.judge_assertion(rule_id bigint, keys text[], is_tick boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    judged pgslo_catalog.assertion;
    rule pgslo_catalog.rule;
    about pgslo_catalog.definition;
    day pgslo_catalog.batch;
    first record;
    broken bigint;
    looked_at text[];
BEGIN
    SELECT a.* INTO judged FROM pgslo_catalog.assertion a WHERE a.rule_id = judge_assertion.rule_id;
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = judge_assertion.rule_id;
    SELECT d.* INTO about FROM pgslo_catalog.definition d WHERE d.definition_id = rule.definition_id;
    -- What is known to be broken is looked at again: nobody says so when it is mended by accident.
    looked_at := CASE
        WHEN judge_assertion.keys IS NULL OR '*' = ANY (judge_assertion.keys) THEN ARRAY['*']
        ELSE ARRAY(SELECT k.key FROM unnest(judge_assertion.keys) AS k (key) UNION SELECT b.group_key FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id)
    END;
    BEGIN
        DELETE FROM pgslo_catalog.rule_break b WHERE b.rule_id = judge_assertion.rule_id AND b.batch IS NOT NULL;
        DELETE FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id;
        INSERT INTO pgslo_catalog.broken_group (rule_id, group_key, group_shown, said)
        SELECT judge_assertion.rule_id, b.group_key, b.group_shown, b.said
        FROM pgslo_catalog.broken_groups(judged.check_function, looked_at, 10000) AS b;
        GET DIAGNOSTICS broken = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'SL004' THEN
            RAISE;
        ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
            -- What was touched is noted again, for the next tick().
            INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (judged.check_function, looked_at);
            PERFORM pgslo_catalog.record_unjudged(about.name, ARRAY[rule.name], ARRAY[pgslo_catalog.day_of_check()],
                ARRAY[pgslo_catalog.place_of_check()], SQLSTATE, SQLERRM);
        ELSE
            PERFORM pgslo_catalog.record_break(about.name, rule.name, SQLSTATE, SQLERRM);
        END IF;
        RETURN NULL;
    END;
    SELECT b.* INTO first FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id ORDER BY b.broken_group_id LIMIT 1;
    day.definition_id := about.definition_id;
    day.name := pgslo_catalog.day_of_check();
    day.place := pgslo_catalog.place_of_check();
    -- Given when something is wrong, and when it no longer is; a promise that is kept all the time is no news.
    IF broken > 0 OR EXISTS (SELECT FROM pgslo_catalog.incident i WHERE i.rule_id = judge_assertion.rule_id AND i.over_at IS NULL)
        OR EXISTS (SELECT FROM pgslo_catalog.verdict v WHERE v.rule_id = judge_assertion.rule_id AND v.batch = day.name) THEN
        PERFORM pgslo_catalog.give_verdict(rule, day, CASE WHEN broken > 0 THEN 'missed' ELSE 'met' END, broken::float8, NULL, 0, NULL,
            pgslo_catalog.groups_said(broken, broken > 0 AND first.group_shown IS NULL), judge_assertion.is_tick, first.group_shown);
    END IF;
    RETURN broken;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_assertion(rule_id bigint, keys text[], is_tick boolean) IS 'Looks at groups, and again at those known to be broken, as everybody sees them; gives the day''s verdict, which the incident follows. NULL when it cannot be judged.';

CREATE FUNCTION pgslo_catalog.judge_batch(definition_id bigint, batch text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    judged pgslo_catalog.batch;
    rule pgslo_catalog.rule;
    found record;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = judge_batch.definition_id;
    SELECT b.* INTO judged FROM pgslo_catalog.batch b WHERE b.definition_id = judge_batch.definition_id AND b.name = judge_batch.batch;
    IF judged.name IS NULL THEN
        RETURN;  -- One that was expected and did not come.
    END IF;
    IF judged.rows <= 0 AND judged.revision > 1 THEN
        -- Rows that are deleted because they are old are no news.
        UPDATE pgslo_catalog.verdict v SET verdict = 'unknown', said = 'the batch was emptied', example = NULL, judged_at = clock_timestamp()
        WHERE v.definition_id = judge_batch.definition_id AND v.batch = judge_batch.batch;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = judge_batch.definition_id AND b.batch = judge_batch.batch AND b.error_code = '22000';
        RETURN;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = judge_batch.definition_id AND r.scope NOT IN ('row', 'assertion') AND r.kind <> 'ml_metric' AND r.retired_at IS NULL
          -- Of learned rules that about coming at all, where it is known when batches come, or was.
          AND (r.kind <> 'learned' OR EXISTS (
              SELECT FROM pgslo_catalog.expected_look l
              WHERE l.rule_id = r.rule_id AND (l.is_known OR EXISTS (
                  SELECT FROM pgslo_catalog.incident i WHERE i.definition_id = r.definition_id AND i.rule_id = r.rule_id AND i.resolved_at IS NULL))))
        ORDER BY r.rule_id)
    LOOP
        PERFORM pgslo_catalog.judge_rule(target, judged, rule);
    END LOOP;
    FOR found IN
        SELECT r AS rule, j.*
        FROM pgslo_catalog.judge_learned(judge_batch.definition_id, judged.name, judged.place) AS j
        JOIN pgslo_catalog.rule r ON r.definition_id = judge_batch.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL
             AND r.columns = CASE WHEN j.column_name = '*' THEN '{}' ELSE ARRAY[j.column_name] END
        ORDER BY r.rule_id
    LOOP
        PERFORM pgslo_catalog.give_verdict(found.rule, judged, found.verdict, found.value, found.low, found.high, found.score, found.said);
    END LOOP;
    -- What missed is not what later batches are compared with, and neither is a holiday.
    UPDATE pgslo_catalog.profile p
    SET baseline = seen.fine
    FROM (
        SELECT q.column_name,
               NOT pgslo_catalog.is_holiday(target.holidays, judged.place) AND NOT EXISTS (
                   SELECT FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
                   WHERE v.definition_id = judge_batch.definition_id AND v.batch = judge_batch.batch AND v.place = judged.place AND v.verdict = 'missed'
                     AND (q.column_name = ANY (r.columns) OR q.column_name = '*' AND r.columns = '{}')) AS fine
        FROM pgslo_catalog.profile q WHERE q.definition_id = judge_batch.definition_id AND q.batch = judge_batch.batch
    ) AS seen
    WHERE p.definition_id = judge_batch.definition_id AND p.batch = judge_batch.batch AND p.column_name = seen.column_name AND p.baseline <> seen.fine;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_batch(definition_id bigint, batch text) IS 'Judges a batch by every rule about batches, and opens or resolves their incidents.';

CREATE FUNCTION pgslo_catalog.judge_by_clock(definition pgslo_catalog.definition, at_once text, since timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (judge_by_clock.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(judge_by_clock.definition);
    newest pgslo_catalog.batch;
    due pgslo_catalog.rule;
    began timestamptz;
BEGIN
    FOREACH due IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.retired_at IS NULL AND r.measure ->> 'by_clock' = 'true'
          -- A slow one takes a twentieth of the time at most.
          AND (judge_by_clock.at_once IS NOT NULL OR r.took IS NULL OR r.took < '100ms' OR r.clocked_at + 20 * r.took < clock_timestamp())
        ORDER BY r.rule_id)
    LOOP
        IF newest.name IS NULL THEN
            SELECT b.* INTO newest FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.place <= last_place
            ORDER BY b.rows > 0 DESC, b.place DESC LIMIT 1;
            EXIT WHEN newest.name IS NULL;
        END IF;
        -- A batch without rows says nothing about its rows, but a table without rows does.
        CONTINUE WHEN newest.rows <= 0 AND due.kind = 'same_as';
        CONTINUE WHEN EXISTS (
            SELECT FROM pgslo_catalog.verdict v
            WHERE v.rule_id = due.rule_id AND v.batch = newest.name AND v.judged_at >= judge_by_clock.since AND v.said <> 'the batch was emptied');
        began := clock_timestamp();
        PERFORM pgslo_catalog.judge_rule(judge_by_clock.definition, newest, due);
        UPDATE pgslo_catalog.rule r SET clocked_at = clock_timestamp(), took = clock_timestamp() - began WHERE r.rule_id = due.rule_id;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_by_clock(definition pgslo_catalog.definition, at_once text, since timestamp with time zone) IS 'Judges rules that read more than a batch, under the name of the newest, unless they were judged since.';

CREATE FUNCTION pgslo_catalog.judge_closed(definition pgslo_catalog.definition, batch text, columns text[], sample text[], level smallint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    closed pgslo_catalog.batch;
    unprofiled text;
BEGIN
    UPDATE pgslo_catalog.batch b
    SET closed_at = coalesce(b.closed_at, clock_timestamp()), revision = b.revision + 1
    WHERE b.definition_id = (judge_closed.definition).definition_id AND b.name = judge_closed.batch
    RETURNING b.* INTO closed;
    IF closed.tallies ?| ARRAY['unmeasured rows', 'unsampled rows'] THEN
        -- What it looked like is not known, and nothing may be compared with it.
        DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = closed.definition_id AND p.batch = closed.name;
    -- Nothing is measured where nothing is learned and no rule is about batches.
    ELSIF judge_closed.columns <> '{}' THEN
        -- Whatever is in the sample, the rules that do not read the profile have their verdicts.
        BEGIN
            PERFORM pgslo_catalog.profile_batch(
                judge_closed.definition, closed, judge_closed.columns, judge_closed.sample, judge_closed.level, closed.present);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                RAISE;  -- Of the moment: the batch stays open for the next tick().
            END IF;
            unprofiled := SQLSTATE;
            PERFORM pgslo_catalog.record_unprofiled(closed, SQLSTATE, SQLERRM);
        END;
    END IF;
    PERFORM pgslo_catalog.judge_batch(closed.definition_id, closed.name);
    IF unprofiled IS NOT NULL THEN
        PERFORM pgslo_catalog.give_verdict(r, closed, 'unknown', NULL, NULL, NULL, NULL,
            format('it can no longer be judged: %s', pgslo_catalog.error_said(false, unprofiled, NULL)))
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = closed.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL
        ORDER BY r.rule_id;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_closed(definition pgslo_catalog.definition, batch text, columns text[], sample text[], level smallint) IS 'Closes a batch: its profile is taken, and it is judged.';

CREATE FUNCTION pgslo_catalog.judge_columns(definition_id bigint, batch text, place numeric, alone boolean) RETURNS TABLE(column_name text, verdict text, value double precision, low double precision, high double precision, score double precision, said text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
    WITH mine AS (
        -- The first weeks know little, and the first months not all: bounds are wider until there are enough batches.
        SELECT p.column_name, p.rows, p.sampled, p.learned_from, p.surprise, p.tolerated, p.tolerated_below, p.expected, p.spread, p.summary,
               pgslo_catalog.is_holiday(d.holidays, p.place) AS holiday,
               1.35 * greatest(1, pgslo_catalog.enough_batches()::numeric / greatest(p.learned_from, 1))::float8 ^ (1 / 3.0::float8) / coalesce(d.sensitivity, 1) AS wide
        FROM pgslo_catalog.profile p
        JOIN pgslo_catalog.definition d ON d.definition_id = p.definition_id
        WHERE p.definition_id = judge_columns.definition_id AND p.batch = judge_columns.batch
    ), scored AS MATERIALIZED (
        SELECT m.column_name, k.ordinal, k.name, k.kind, m.summary[k.ordinal] AS value, m.expected[k.ordinal] AS expected,
               b.below * m.spread[k.ordinal] * r.room AS reach_below, b.above * m.spread[k.ordinal] * r.room AS reach_above,
               greatest(m.surprise[k.ordinal] / b.above, - m.surprise[k.ordinal] / b.below) / r.room AS score, m.holiday,
               CASE WHEN m.column_name <> '*' THEN k.words WHEN k.name = 'single' THEN 'rows that occur once' WHEN k.name = 'stale' THEN 'rows that an earlier batch has' ELSE k.words END AS words,
               -- What another day changes: which values there are and how they are spread; not whether there are any, how they are written, how many rows.
               m.column_name <> '*' AND k.name = ANY (ARRAY['distinct', 'distinct_ratio', 'top', 'single', 'length_mean', 'mean', 'log_mean', 'log_deviation', 'p05', 'p25', 'p50', 'p75', 'p95', 'zero', 'tens', 'hundreds',
                   'at_maximum', 'at_minimum', 'hour', 'new_value', 'largest_change', 'mix', 'grown', 'fallen', 'distribution', 'moved']) AS of_the_day
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        -- What a rise of the rows has taught does not excuse a fall.
        CROSS JOIN LATERAL (
            SELECT min(t.bound) FILTER (WHERE t.side = -1) AS below, min(t.bound) FILTER (WHERE t.side = 1) AS above
            FROM (
                SELECT v.side, m.wide * CASE
                    WHEN v.tolerated >= 1 THEN k.beyond * greatest(v.tolerated, 2.5)
                    -- A mean that stood still for two months is not left to chance, as that of times on the hour: there an hour's shift is less than chance would do.
                    WHEN k.kind = 'mean' AND m.learned_from >= 60 THEN least(greatest(3 * coalesce(v.tolerated, 0), 0.4), 2.5)
                    ELSE 2.5 END AS bound
                FROM (VALUES (-1, m.tolerated_below[k.ordinal]), (1, m.tolerated[k.ordinal])) AS v (side, tolerated)
            ) t
        ) b
        -- On a holiday half as many rows are no news, nor are twice as many.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN m.holiday AND k.name = 'rows' THEN greatest(ln(2) / (least(b.below, b.above) * m.spread[k.ordinal]), 1) ELSE 1 END AS room) r
        WHERE m.learned_from >= pgslo_catalog.least_batches() AND k.beyond IS NOT NULL AND m.surprise[k.ordinal] IS NOT NULL
          -- A handful of rows tells how many there are, that a column is gone, and what cannot be read.
          -- Numbers and times are judged where they are some: not one text that looks like a number.
          AND (k.ordinal NOT BETWEEN 17 AND 38 AND k.ordinal < 50
               OR m.sampled * greatest(m.summary[15], m.summary[16], 0) >= greatest(10, 0.05 * m.sampled))
          AND (m.rows >= 10 OR k.name IN ('rows', 'number', 'time') OR k.name = 'null' AND m.summary[k.ordinal] = 1)
    ), day AS MATERIALIZED (
        -- On a holiday, and where many columns have moved, it was another day: then this has to be twice as far off.
        SELECT CASE WHEN bool_or(s.holiday) OR NOT alone AND count(DISTINCT s.column_name) FILTER (WHERE s.of_the_day AND s.score >= 0.75) >= greatest(4, count(DISTINCT s.column_name) / 5.0) THEN 2 ELSE 1 END AS times
        FROM scored s
    ), worst AS (
        SELECT DISTINCT ON (s.column_name) s.column_name, s.name, s.kind, s.words, s.value, s.expected,
               s.reach_below * f.times AS reach_below, s.reach_above * f.times AS reach_above, s.score / f.times AS score
        FROM scored s
        CROSS JOIN day d
        CROSS JOIN LATERAL (SELECT CASE WHEN s.of_the_day THEN d.times ELSE 1 END AS times) f
        ORDER BY s.column_name, s.score / f.times DESC, s.ordinal
    ), bound AS (
        SELECT w.*,
               CASE WHEN w.kind IN ('rise', 'apart') THEN NULL WHEN w.kind = 'share' THEN sin(greatest(w.expected - w.reach_below, 0)) ^ 2
                    WHEN w.name IN ('rows', 'distinct', 'log_mean', 'log_deviation') THEN exp(greatest(w.expected - w.reach_below, -300)) ELSE w.expected - w.reach_below END AS least,
               CASE WHEN w.kind IN ('share', 'rise') THEN sin(least(w.expected + w.reach_above, 1.5707963)) ^ 2
                    WHEN w.kind = 'log' THEN exp(least(w.expected + w.reach_above, 300)) ELSE w.expected + w.reach_above END AS most,
               CASE WHEN w.kind = 'log' THEN exp(least(w.value, 300)) ELSE w.value END AS shown
        FROM worst w
    )
    SELECT m.column_name,
           CASE WHEN b.score IS NULL THEN 'unknown' WHEN b.score >= 1 THEN 'missed' ELSE 'met' END,
           b.shown, b.least, b.most, b.score,
           CASE
               WHEN b.score IS NULL THEN format('%s known, %s are needed', CASE m.learned_from WHEN 1 THEN '1 batch' ELSE m.learned_from || ' batches' END, pgslo_catalog.least_batches())
               -- The plain fact first, where there is one: a distance says nothing to who knows the column.
               ELSE format(CASE WHEN f.usual IS NULL THEN '%s%s%s: %s; %s expected%s' ELSE 'median %s, usually %s (%s: %s; %s expected%s)' END,
                   f.now, f.usual, b.words, pgslo_catalog.amount(b.shown, b.kind),
                   CASE WHEN b.shown > b.most AND pgslo_catalog.amount(b.shown, b.kind) = pgslo_catalog.amount(b.most, b.kind) THEN
                            'less than ' || pgslo_catalog.amount(b.most, b.kind)
                        WHEN b.least IS NULL THEN 'at most ' || pgslo_catalog.amount(b.most, b.kind)
                        WHEN pgslo_catalog.amount(b.least, b.kind) = pgslo_catalog.amount(b.most, b.kind) THEN pgslo_catalog.amount(b.least, b.kind)
                        ELSE pgslo_catalog.amount(b.least, b.kind) || ' to ' || pgslo_catalog.amount(b.most, b.kind) END,
                   CASE WHEN m.holiday THEN ' on a holiday' END)
           END
    FROM mine m
    LEFT JOIN bound b USING (column_name)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.is_other THEN d.now END AS now, CASE WHEN d.is_other THEN d.usual END AS usual
        FROM (
            SELECT pgslo_catalog.amount(m.summary[23], 'quantile') AS now, pgslo_catalog.amount(m.expected[23], 'quantile') AS usual,
                   -- Of numbers; the quantiles of times are hours from where their batch begins.
                   b.name IN ('moved', 'distribution', 'log_mean', 'log_deviation') AND m.summary[27] IS NOT NULL AND m.summary[23] IS NOT NULL
                   AND m.expected[23] IS NOT NULL
                   AND pgslo_catalog.amount(m.summary[23], 'quantile') <> pgslo_catalog.amount(m.expected[23], 'quantile') AS is_other
        ) d
    ) f
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_columns(definition_id bigint, batch text, place numeric, alone boolean) IS 'Judges each column of a batch by what its history foresaw, alone or in the light of the others; column * is the table.';

CREATE FUNCTION pgslo_catalog.judge_expected(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rule pgslo_catalog.rule;
BEGIN
    -- Without a key, each statement is a batch. While rules are switched off, batches go by unseen.
    IF (judge_expected.definition).batch_by IS NULL OR EXISTS (
        SELECT FROM pgslo_catalog.pause p WHERE p.definition_id = (judge_expected.definition).definition_id AND p.resumed_at IS NULL)
    THEN
        RETURN;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = (judge_expected.definition).definition_id AND r.retired_at IS NULL AND r.measure ->> 'form' = 'batches'
        ORDER BY r.rule_id)
    LOOP
        PERFORM pgslo_catalog.look_for_expected(judge_expected.definition, rule);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_expected(definition pgslo_catalog.definition) IS 'Hold the batches that came against those that were expected, by the rules about that.';

CREATE FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric) RETURNS TABLE(column_name text, verdict text, value double precision, low double precision, high double precision, score double precision, said text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT j.* FROM pgslo_catalog.judge_columns(judge_learned.definition_id, judge_learned.batch, judge_learned.place, false) AS j
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric) IS 'Judges each column of a batch by what its history foresaw; column * is the table.';

CREATE FUNCTION pgslo_catalog.judge_metric(rule pgslo_catalog.rule, batch text, place numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    measure jsonb := (judge_metric.rule).measure;
    places integer[] := ARRAY(SELECT p::integer FROM jsonb_array_elements_text(measure -> 'places') AS p);
    judged pgslo_catalog.batch;
    worst record;
    unit text := CASE measure ->> 'of' WHEN 'label_delay' THEN ' hours' ELSE '' END;
    confidence float8 := (measure ->> 'confidence')::float8;
    said text;
BEGIN
    SELECT b.* INTO judged FROM pgslo_catalog.batch b WHERE b.definition_id = (judge_metric.rule).definition_id AND b.name = judge_metric.batch;
    judged.definition_id := (judge_metric.rule).definition_id;
    judged.name := judge_metric.batch;
    judged.place := judge_metric.place;
    WITH included AS (
        SELECT b.batch FROM pgslo_catalog.pair_batch b
        WHERE b.definition_id = judged.definition_id AND b.place <= judge_metric.place
        ORDER BY b.place DESC LIMIT (measure ->> 'over')::integer
    ), grouped AS (
        SELECT array_agg(c) AS cells, array_agg(c.pair_cell_id) AS numbers, g.values
        FROM pgslo_catalog.pair_cell c
        CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT CASE WHEN p.place = 0 THEN c.model ELSE c.segment[p.place] END FROM unnest(places) WITH ORDINALITY AS p (place, n) ORDER BY p.n) AS values
        ) AS g
        WHERE c.definition_id = judged.definition_id AND c.batch IN (SELECT i.batch FROM included i)
        GROUP BY g.values
    ), measured AS (
        -- The more groups there are, the more of them would be beyond the bound by chance: Bonferroni.
        SELECT g.values, m.*, m.high < (judge_metric.rule).warn_low OR m.low > (judge_metric.rule).warn_high AS missed
        FROM grouped g
        CROSS JOIN LATERAL pgslo_catalog.metric(
            g.cells,
            CASE WHEN measure ->> 'of' IN ('auc', 'calibration_error')
                 THEN ARRAY(SELECT s FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (g.numbers)) END,
            measure ->> 'of', 1 - (1 - confidence) / (SELECT count(*) FROM grouped)) AS m
        WHERE m.value IS NOT NULL
    )
    SELECT m.*, count(*) OVER () AS groups, count(*) FILTER (WHERE m.missed) OVER () AS misses
    INTO worst
    FROM measured m
    ORDER BY coalesce(m.missed, false) DESC, greatest((judge_metric.rule).warn_low - m.value, m.value - (judge_metric.rule).warn_high) DESC NULLS LAST, m.values
    LIMIT 1;
    IF worst.value IS NULL THEN
        PERFORM pgslo_catalog.give_verdict(judge_metric.rule, judged, 'unknown', NULL, (judge_metric.rule).warn_low, (judge_metric.rule).warn_high, NULL,
            (SELECT pgslo_catalog.metric_lacks(array_agg(c),
                        ARRAY(SELECT s FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (array_agg(c.pair_cell_id))),
                        measure ->> 'of', (SELECT d.pairs ->> 'positive' FROM pgslo_catalog.definition d WHERE d.definition_id = judged.definition_id))
             FROM pgslo_catalog.pair_cell c
             WHERE c.definition_id = judged.definition_id AND c.batch IN (
                 SELECT b.batch FROM pgslo_catalog.pair_batch b
                 WHERE b.definition_id = judged.definition_id AND b.place <= judge_metric.place
                 ORDER BY b.place DESC LIMIT (measure ->> 'over')::integer)));
        RETURN;
    END IF;
    said := CASE WHEN places = '{}' THEN '' ELSE (
            SELECT string_agg(format('%s %s', n.name, coalesce(nullif(n.value, ''), 'missing')), ', ' ORDER BY n.place)
            FROM unnest(ARRAY(SELECT jsonb_array_elements_text(measure -> 'per')), worst.values) WITH ORDINALITY AS n (name, value, place)) || ': ' END
        || format('%s is %s%s', replace(measure ->> 'of', '_', ' '), pgslo_catalog.shown(worst.value::numeric), unit)
        || CASE WHEN worst.low = worst.high THEN '' WHEN worst.low = '-Infinity' THEN ', too few to say more'
                ELSE format(', %s to %s by chance', pgslo_catalog.shown(worst.low::numeric), pgslo_catalog.shown(worst.high::numeric)) END
        || format(', of %s %s', pgslo_catalog.shown(worst.pairs), CASE WHEN measure ->> 'early' = 'true' OR measure ->> 'of' = 'label_coverage' THEN 'predictions' ELSE 'pairs' END)
        || CASE WHEN (measure ->> 'over')::integer > 1 THEN format(' in %s batches', measure ->> 'over') ELSE '' END
        || '; ' || pgslo_catalog.wanted((judge_metric.rule).warn_low, (judge_metric.rule).warn_high, 1, unit)
        || CASE WHEN worst.misses > 1 THEN format('; %s of %s groups miss it', worst.misses, worst.groups) ELSE '' END;
    PERFORM pgslo_catalog.give_verdict(judge_metric.rule, judged, CASE WHEN worst.missed THEN 'missed' ELSE 'met' END, worst.value,
        (judge_metric.rule).warn_low, (judge_metric.rule).warn_high, NULL, said);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_metric(rule pgslo_catalog.rule, batch text, place numeric) IS 'Holds a metric of a batch, or of some that end with it, against its objective: missed when its whole interval is beyond the bound.';

CREATE FUNCTION pgslo_catalog.judge_rows(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    is_judged boolean := (
        SELECT c.is_judged
        FROM pgslo_catalog.count_failing(judge_rows.definition, judge_rows.rule, judge_rows.batch, judge_rows.place, false) AS c);
BEGIN
    -- Missed batches did not end while it was not known which rows fail; those of an unknown batch may be of any.
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE is_judged AND m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.rule_id = (judge_rows.rule).rule_id AND judge_rows.batch IN (u.batch, 'unknown')
          AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED);
    IF is_judged AND pgslo_catalog.batch_is_missed(judge_rows.rule, judge_rows.batch) THEN
        PERFORM pgslo_catalog.open_incident(judge_rows.rule, judge_rows.batch, judge_rows.place, true);
        PERFORM pgslo_catalog.record_missed(judge_rows.rule, judge_rows.batch, judge_rows.place);
    END IF;
    RETURN coalesce(is_judged, false);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_rows(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric) IS 'Judge a batch by a rule about rows, from the table, and open its incident; false if its rows are not found.';

CREATE FUNCTION pgslo_catalog.judge_rule(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    name text := (judge_rule.definition).name;
    judged pgslo_catalog.batch := judge_rule.batch;
    held pgslo_catalog.rule := judge_rule.rule;
    found record;
    verdict text;
BEGIN
    DELETE FROM pgslo_catalog.rule_break b WHERE b.rule_id = held.rule_id AND b.batch = judged.name AND b.pause_id IS NULL;
    BEGIN
        SELECT m.* INTO found FROM pgslo_catalog.measured(judge_rule.definition, judged, held) AS m;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'SL004' THEN
            RAISE;
        ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
            PERFORM pgslo_catalog.record_unjudged(name, ARRAY[held.name], ARRAY[judged.name], ARRAY[judged.place], SQLSTATE, SQLERRM);
            SELECT NULL::float8 AS value, NULL::bigint AS rows, 'it has not been judged yet' AS said, NULL::text AS example INTO found;
        ELSE
            PERFORM pgslo_catalog.record_break(name, held.name, SQLSTATE, SQLERRM);
            SELECT NULL::float8 AS value, NULL::bigint AS rows,
                   format('it can no longer be judged: %s', pgslo_catalog.error_said(false, SQLSTATE, SQLERRM)) AS said, SQLERRM AS example
            INTO found;
        END IF;
    END;
    IF found.value IS NULL AND judged.rows > 0 AND pgslo_catalog.raising(judged, held.measure) > 0 THEN
        PERFORM pgslo_catalog.record_raising(name, held, judged, found.said);
    END IF;
    verdict := CASE
        WHEN found.value IS NULL OR found.value = 'NaN' THEN 'unknown'
        WHEN found.value < held.warn_low OR found.value > held.warn_high OR found.value < held.reject_low OR found.value > held.reject_high THEN 'missed'
        ELSE 'met'
    END;
    PERFORM pgslo_catalog.give_verdict(held, judged, verdict, found.value, coalesce(held.warn_low, held.reject_low),
        coalesce(held.warn_high, held.reject_high), NULL, found.said, example => found.example);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_rule(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule) IS 'Judges a batch by one rule, and opens or resolves its incident.';

CREATE FUNCTION pgslo_catalog.judge_unjudged(definition pgslo_catalog.definition, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (judge_unjudged.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(judge_unjudged.definition);
    rule_ids bigint[];
    batches text[];
    places numeric[];
    rule pgslo_catalog.rule;
BEGIN
    SELECT array_agg(w.rule_id), array_agg(w.batch), array_agg(w.place) INTO rule_ids, batches, places
    FROM (
        SELECT r.rule_id, b.batch, min(b.place) AS place
        FROM pgslo_catalog.rule_break b JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id
        WHERE b.definition_id = id AND b.batch IS NOT NULL AND r.retired_at IS NULL AND r.scope <> 'assertion'
          -- A batch for which an expression raises an error is evaluated again once its rows change.
          AND (r.scope = 'row' OR pgslo_catalog.is_transient(b.error_code))
          -- A batch that has to be counted is evaluated after that, as its rows are not known before.
          AND NOT EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = b.batch)
        GROUP BY r.rule_id, b.batch
        ORDER BY min(b.place) > last_place, min(b.place) DESC, min(b.rule_break_id)
    ) AS w;
    FOR n IN 1..coalesce(cardinality(batches), 0) LOOP
        EXIT WHEN clock_timestamp() > judge_unjudged.until;
        SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = rule_ids[n];
        IF rule.scope <> 'row' THEN
            DELETE FROM pgslo_catalog.rule_break b WHERE b.definition_id = id AND b.rule_id = rule.rule_id AND b.batch = batches[n];
            PERFORM pgslo_catalog.judge_batch(id, batches[n]);
            CONTINUE;
        END IF;
        CONTINUE WHEN (judge_unjudged.definition).judge IS NULL;
        BEGIN
            PERFORM pgslo_catalog.judge_rows(judge_unjudged.definition, rule, batches[n], places[n]);
        EXCEPTION WHEN OTHERS THEN
            -- The notes stay, and the next tick() tries again.
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.warn_unjudged((judge_unjudged.definition).name, ARRAY[rule.name], SQLSTATE, true);
                EXIT;
            END IF;
            PERFORM pgslo_catalog.record_break((judge_unjudged.definition).name, rule.name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.judge_unjudged(definition pgslo_catalog.definition, until timestamp with time zone) IS 'Evaluate rules for batches that are not judged yet, the newest first, those in the future last; the rest stays recorded for the next time.';

CREATE FUNCTION pgslo_catalog.keep_functions(definition text) RETURNS SETOF text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO pgslo_catalog.paused_function (function_name, definition_id, source)
    SELECT p.proname, d.definition_id, pg_get_functiondef(p.oid)
    FROM pg_proc p
    JOIN pgslo_catalog.generated g ON g.kind = 'function' AND g.object_id = p.oid AND g.is_ours
    JOIN pgslo_catalog.definition d ON d.name = g.definition
    WHERE p.prorettype = 'trigger'::regtype AND d.name = keep_functions.definition
    ON CONFLICT (function_name) DO NOTHING;
    RETURN QUERY
    SELECT k.function_name
    FROM pgslo_catalog.paused_function k JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = keep_functions.definition
    ORDER BY k.function_name;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.keep_functions(definition text) IS 'Keeps the trigger functions of a definition as they are without a pause, and names them.';

CREATE FUNCTION pgslo_catalog.keep_snapshots() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    keeper oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot');
BEGIN
    IF keeper IS NULL THEN
        -- Outside pgslo's other schemas: snapshots stay when pgslo goes, and what keeps their rows as they are stays with them.
        CREATE SCHEMA pgslo_snapshot;
        COMMENT ON SCHEMA pgslo_snapshot IS 'Snapshots that pgslo took: tables whose rows cannot be changed.';
        GRANT USAGE ON SCHEMA pgslo_snapshot TO PUBLIC;
        EXECUTE
            $text$
            CREATE FUNCTION pgslo_snapshot.refuse_change() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp
            AS $body$
            BEGIN
                RAISE EXCEPTION USING
                    ERRCODE = 'object_not_in_prerequisite_state',
                    MESSAGE = format('snapshot "%s" cannot be changed', TG_TABLE_NAME),
                    DETAIL = 'Its rows are kept as they were taken.',
                    HINT = 'Take another one; pgslo snapshot drop takes this one away.',
                    SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
            END
            $body$
            $text$;
        REVOKE ALL ON FUNCTION pgslo_snapshot.refuse_change() FROM PUBLIC;
        COMMENT ON FUNCTION pgslo_snapshot.refuse_change() IS 'Refuses to change a snapshot''s rows.';
    ELSIF keeper <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_schema',
            MESSAGE = 'schema pgslo_snapshot belongs to somebody else',
            DETAIL = format('Its owner is %s; snapshots are kept by %s.', keeper::regrole, current_user),
            HINT = 'Rename it, or give it to pgslo''s owner.';
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.keep_snapshots() IS 'Makes the schema for snapshots, with the first one.';

CREATE FUNCTION pgslo_catalog.keeper() RETURNS oid
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' $$;

COMMENT ON FUNCTION pgslo_catalog.keeper() IS 'Return the role that owns pgslo.';

CREATE FUNCTION pgslo_catalog.keeps_batches(rule pgslo_catalog.rule) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (keeps_batches.rule).scope IN ('row', 'batch') AND NOT coalesce((keeps_batches.rule).measure ? 'by_clock', false);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.keeps_batches(rule pgslo_catalog.rule) IS 'Whether a batch that misses the rule stays missed until it is corrected; else the rule is about the table as it is now.';

CREATE FUNCTION pgslo_catalog.kept_text(value anyelement) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    AS $$
BEGIN
    RETURN CASE WHEN num_nulls(value) = 0 THEN concat(value) END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.kept_text(value anyelement) IS 'Return a value as people read it, whatever the session prints such values like; a time in the time zone of the session.';

CREATE FUNCTION pgslo_catalog.key_excerpt(definition text, operation text, columns text[], cells text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF pgslo_catalog.visible(key_excerpt.definition, key_excerpt.operation, key_excerpt.columns) @> key_excerpt.columns THEN
        RETURN format('(%s) = (%s)', array_to_string(key_excerpt.columns, ', '), array_to_string(key_excerpt.cells, ', ', 'NULL'));
    END IF;
    RETURN format('(%s) (not shown)', array_to_string(key_excerpt.columns, ', '));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.key_excerpt(definition text, operation text, columns text[], cells text[]) IS 'Return the key of a failing row for the writer, without values if one of them must not be seen.';

CREATE FUNCTION pgslo_catalog.key_text(value anyelement) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE WHEN pg_typeof(value) IN ('text'::regtype, 'character varying'::regtype) THEN value::text ELSE pgslo_catalog.iso_text(value) END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.key_text(value anyelement) IS 'Return a batch''s key as text: the same whatever the session''s settings.';

CREATE FUNCTION pgslo_catalog.kinds_of(definition_id bigint, columns text[], sample text[]) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    -- presence: of values that are not looked into; code: few whole numbers.
    SELECT array_agg(CASE
               WHEN s.longest = 0 THEN 'presence'
               WHEN w.kind = 'number' AND s.whole AND s.different BETWEEN 2 AND 12 THEN 'code'
               ELSE w.kind END ORDER BY w.ordinal)
    FROM pgslo_catalog.watched_column w
    JOIN unnest(columns) WITH ORDINALITY AS c (name, col) ON c.name = w.column_name
    LEFT JOIN (
        SELECT (u.i - 1) % array_length(sample, 2) AS col, max(length(u.value)) AS longest, count(DISTINCT u.value) AS different,
               bool_and(u.value COLLATE "C" ~ '^-?[0-9]{1,9}$') AS whole
        FROM unnest(sample) WITH ORDINALITY AS u (value, i) GROUP BY 1
    ) s USING (col)
    WHERE w.definition_id = kinds_of.definition_id
$_$;

COMMENT ON FUNCTION pgslo_catalog.kinds_of(definition_id bigint, columns text[], sample text[]) IS 'What the columns of a sample hold, as far as faults go by it.';

CREATE FUNCTION pgslo_catalog.known_batches(definition_id bigint, places numrange) RETURNS TABLE(batch text, place numeric)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT k.name, min(k.place)
    FROM (
        SELECT b.name, b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = known_batches.definition_id AND b.rows <> 0
        UNION ALL
        SELECT f.batch, f.place FROM pgslo_catalog.fragment f
        WHERE f.definition_id = known_batches.definition_id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
    ) AS k (name, place)
    -- Constraints are satisfied by NULL, and bounds by infinite dates, the order of which is below any other.
    WHERE k.place <@ known_batches.places OR k.place = '-Infinity'
    GROUP BY k.name
$$;

COMMENT ON FUNCTION pgslo_catalog.known_batches(definition_id bigint, places numrange) IS 'Return the batches of an order in which rows are recorded, and those without an order.';

CREATE FUNCTION pgslo_catalog.known_place(definition_id bigint, batch text) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT min(k.place)
        -- OFFSET 0: by the batch. The least by the index on places may be the last of all fragments.
        FROM (
            SELECT f.place FROM pgslo_catalog.fragment f
            WHERE f.definition_id = known_place.definition_id AND f.batch = known_place.batch OFFSET 0) AS k);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.known_place(definition_id bigint, batch text) IS 'Return where a batch of which something is recorded stands; NULL for a new one.';

CREATE TABLE pgslo_catalog.incident (
    incident_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    opened_batch text NOT NULL,
    opened_place numeric NOT NULL,
    resolved_at timestamp with time zone,
    over_batch text,
    over_place numeric,
    resolution text,
    writer text,
    application text,
    written_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    muted_until timestamp with time zone,
    resolved_by text,
    note text,
    definition text,
    about text[],
    opened_by_tick boolean DEFAULT false NOT NULL,
    over_at timestamp with time zone,
    is_of_batches boolean DEFAULT false NOT NULL,
    CONSTRAINT incident_has_no_resolution_while_open CHECK (((resolution IS NULL) OR (resolved_at IS NOT NULL) OR ((resolution = 'real'::text) AND (over_at IS NOT NULL)))),
    CONSTRAINT incident_is_resolved_with_a_resolution CHECK (((resolved_at IS NULL) OR ((resolution IS NOT NULL) AND (over_at IS NOT NULL)))),
    CONSTRAINT incident_resolution_is_known CHECK ((resolution = ANY (ARRAY['met'::text, 'healed'::text, 'removed'::text, 'accepted'::text, 'retired'::text, 'real'::text, 'false_alarm'::text]))),
    CONSTRAINT note_is_at_most_4000_characters CHECK ((length(note) <= 4000))
);

COMMENT ON TABLE pgslo_catalog.incident IS 'Runs of missed batches of one rule.';

COMMENT ON COLUMN pgslo_catalog.incident.resolved_at IS 'When no batch of it was missed any more.';

COMMENT ON COLUMN pgslo_catalog.incident.writer IS 'Who wrote what opened it, for example the role of the nightly job.';

COMMENT ON COLUMN pgslo_catalog.incident.definition IS 'The name of its definition until it is resolved.';

COMMENT ON COLUMN pgslo_catalog.incident.about IS 'Columns whose readers are warned until it is resolved; * for a rule about the table as a whole.';

COMMENT ON COLUMN pgslo_catalog.incident.opened_by_tick IS 'Whether tick() opened it while a transaction that had not ended held the lock of the rule; that one may have opened another.';

COMMENT ON COLUMN pgslo_catalog.incident.over_at IS 'When later batches met the rule, or a role said so; NULL while it is open.';

COMMENT ON COLUMN pgslo_catalog.incident.is_of_batches IS 'Whether its missed batches are recorded one by one, and their rows tell whom it concerns: guards leave it to them.';

CREATE FUNCTION pgslo_catalog.last_missed(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT coalesce(max(batch.place), incident.opened_place)
        FROM (
            SELECT min(f.place) AS place
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = incident.definition_id AND f.place >= incident.opened_place
            GROUP BY f.batch
            HAVING pgslo_catalog.is_missed(rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint)
            UNION ALL
            -- Whatever sums say, until tick() has asked the table.
            SELECT max(m.place) FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = rule.rule_id AND m.ended_at IS NULL AND m.place >= incident.opened_place
        ) batch);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.last_missed(incident pgslo_catalog.incident, rule pgslo_catalog.rule) IS 'Position of the newest batch that misses the rule since the incident opened.';

CREATE FUNCTION pgslo_catalog.last_place(definition_id bigint) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = last_place.definition_id;
    RETURN pgslo_catalog.last_place(target);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.last_place(definition_id bigint) IS 'The same by the number of the definition.';

CREATE FUNCTION pgslo_catalog.last_place(definition pgslo_catalog.definition) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    now numeric := extract(epoch FROM clock_timestamp());
    step numeric;
BEGIN
    IF (last_place.definition).place_is_number THEN
        RETURN 'Infinity';
    END IF;
    -- One batch ahead of the clock is ordinary: another time zone, a month named by its last day. What one batch is, those that are over tell.
    SELECT max(b.place) - min(b.place) INTO step
    FROM (
        SELECT c.place FROM pgslo_catalog.batch c
        WHERE c.definition_id = (last_place.definition).definition_id AND c.place <= now AND c.place > '-Infinity' AND c.rows > 0
        ORDER BY c.place DESC LIMIT 2
    ) AS b;
    RETURN now + greatest(86400, extract(epoch FROM (last_place.definition).batch_every), least(coalesce(step, 0), 366 * 86400));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.last_place(definition pgslo_catalog.definition) IS 'The last place that a batch may have now: the clock and one batch, or a day; a batch beyond it lies in the future. Infinity where places are no times.';

CREATE TABLE pgslo_catalog.pair_batch (
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    last_at timestamp with time zone,
    early_due boolean DEFAULT true NOT NULL,
    late_due boolean DEFAULT true NOT NULL
);

COMMENT ON TABLE pgslo_catalog.pair_batch IS 'Batches of predictions, and whether anything changed since their metrics were judged.';

COMMENT ON COLUMN pgslo_catalog.pair_batch.last_at IS 'Time of the newest prediction that was ever in it: labels are complete so long after as the definition says.';

CREATE FUNCTION pgslo_catalog.last_prediction(batch pgslo_catalog.pair_batch) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- A prediction that comes after the batch was closed delays nothing: with one now and then, no metric would ever be evaluated.
    RETURN least((last_prediction.batch).last_at, (
        SELECT c.closed_at FROM pgslo_catalog.batch c
        WHERE c.definition_id = (last_prediction.batch).definition_id AND c.name = (last_prediction.batch).batch));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.last_prediction(batch pgslo_catalog.pair_batch) IS 'Return the time from which on labels of a batch are waited for: of its newest prediction, but not after it was closed.';

CREATE FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- A false alarm belongs to what is compared with, and as much surprise is tolerated from now on, in its direction.
    UPDATE pgslo_catalog.profile p
    SET baseline = true,
        tolerated = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                     FROM unnest(pgslo_catalog.on_side(p.surprise, 1, p.tolerated)) WITH ORDINALITY AS u (x, i)
                     LEFT JOIN unnest(p.tolerated) WITH ORDINALITY AS m (x, i) USING (i)),
        tolerated_below = (SELECT array_agg(greatest(coalesce(m.x, 0), u.x) ORDER BY u.i)
                           FROM unnest(pgslo_catalog.on_side(p.surprise, -1, p.tolerated_below)) WITH ORDINALITY AS u (x, i)
                           LEFT JOIN unnest(p.tolerated_below) WITH ORDINALITY AS m (x, i) USING (i))
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = learn_from.incident.rule_id AND r.kind = 'learned' AND NOT coalesce(r.measure ? 'form', false) AND learn_from.incident.resolution = 'false_alarm'
      AND p.definition_id = learn_from.incident.definition_id AND p.column_name = coalesce(r.columns[1], '*') AND NOT p.baseline
      AND p.place >= learn_from.incident.opened_place AND p.place <= coalesce(learn_from.incident.over_place, 'Infinity')
$$;

COMMENT ON FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) IS 'Widens learned bounds after an incident that was resolved as a false alarm.';

CREATE FUNCTION pgslo_catalog.learned_calendar(definition pgslo_catalog.definition, origin numeric, told integer, OUT step numeric, OUT form text, OUT phases jsonb) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    places numeric[];
    first bigint;
BEGIN
    -- Two months, or twelve weeks of what comes more often.
    SELECT array_agg(w.place ORDER BY w.place) INTO places
    FROM (
        SELECT b.place, row_number() OVER (ORDER BY b.place DESC) AS back
        FROM pgslo_catalog.batch b
        WHERE b.definition_id = (learned_calendar.definition).definition_id AND b.place <= learned_calendar.origin
          -- What has no date that a time stamp can hold is none.
          AND b.place > -100000000000 AND (b.closed_at IS NOT NULL OR b.rows > 0)
        ORDER BY b.place DESC LIMIT 3000
    ) w
    WHERE w.back <= 60 OR w.place > learned_calendar.origin - 84 * 86400;
    IF coalesce(cardinality(places), 0) < pgslo_catalog.least_batches() THEN
        RETURN;
    END IF;
    -- The largest step that all of them keep, give or take the hour by which clocks are put forward.
    SELECT s.step INTO step
    FROM unnest(ARRAY[1209600, 864000, 604800, 518400, 432000, 345600, 259200, 172800, 86400, 43200, 28800, 21600, 14400, 10800, 7200, 3600, 1800, 900, 600, 300, 60]) AS s (step)
    WHERE (SELECT bool_and(abs(p.place - learned_calendar.origin - round((p.place - learned_calendar.origin) / s.step) * s.step) <= least(s.step / 4.0, 21600))
              AND count(DISTINCT round((p.place - learned_calendar.origin) / s.step)) = count(*)
           FROM unnest(places) AS p (place))
    ORDER BY s.step DESC LIMIT 1;
    first := round((places[1] - learned_calendar.origin) / step);
    IF step IS NULL OR first < -20000 THEN
        step := NULL;
        RETURN;
    END IF;
    WITH slot AS MATERIALIZED (
        SELECT learned_calendar.origin + g.n * step AS place, c.n IS NOT NULL AS came,
               min(c.n) OVER (ORDER BY g.n DESC) AS next, (min(c.n) OVER (ORDER BY g.n DESC) - max(c.n) OVER (ORDER BY g.n)) * step AS gap
        FROM generate_series(first, 0) AS g (n)
        LEFT JOIN (SELECT round((p.place - learned_calendar.origin) / step)::bigint AS n FROM unnest(places) AS p (place)) c ON c.n = g.n
        WHERE NOT pgslo_catalog.is_holiday((learned_calendar.definition).holidays, learned_calendar.origin + g.n * step)
    ), way (form, ordinal, longest) AS (
        SELECT w.* FROM (
            VALUES ('each', 1, 6 * step), ('time of day', 2, 2 * 86400), ('weekday', 3, 10 * 86400),
                   ('day of month', 4, 62 * 86400), ('days to month end', 5, 62 * 86400)) AS w (form, ordinal, longest)
        WHERE CASE w.form WHEN 'each' THEN true WHEN 'time of day' THEN step < 86400 WHEN 'weekday' THEN step <= 86400 ELSE step = 86400 END
    ), seen AS (
        -- While a table stood still, nothing says when its batches come. That it did is one thing that is odd.
        SELECT w.form, w.ordinal, pgslo_catalog.phase(w.form, s.place) AS phase, count(*) AS slots, count(*) FILTER (WHERE s.came) AS came
        FROM slot s JOIN way w ON s.came OR s.gap <= w.longest
        GROUP BY w.form, w.ordinal, 3
    ), stood AS (
        SELECT w.form, count(DISTINCT s.next) AS times FROM slot s JOIN way w ON s.gap > w.longest GROUP BY w.form
    )
    SELECT f.form, f.phases INTO form, phases
    FROM (
        SELECT s.form, s.ordinal,
               jsonb_object_agg(s.phase, jsonb_build_array(s.came, s.slots)) FILTER (WHERE 2 * s.came > s.slots) AS phases,
               sum(s.came) FILTER (WHERE 2 * s.came > s.slots) AS came, sum(s.slots) FILTER (WHERE 2 * s.came > s.slots) AS slots,
               sum(least(s.came, s.slots - s.came)) AS odd, min(s.slots) FILTER (WHERE 2 * s.came > s.slots) AS fewest
        FROM seen s GROUP BY s.form, s.ordinal
    ) f
    LEFT JOIN stood t USING (form)
    -- Regular, but for one in 42, and for one that was told: what is missing now and then is not expected.
    WHERE f.came >= pgslo_catalog.least_batches() AND f.fewest >= 3 AND (f.odd + coalesce(t.times, 0) - learned_calendar.told) * 42 <= f.slots
    ORDER BY f.ordinal LIMIT 1;
    IF form IS NULL THEN
        step := NULL;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.learned_calendar(definition pgslo_catalog.definition, origin numeric, told integer, OUT step numeric, OUT form text, OUT phases jsonb) IS 'When the batches up to a place came: the step between them, a form of calendar, and its phases that have one, with how many came of how many; NULL where nothing regular is known.';

CREATE FUNCTION pgslo_catalog.learned_rules(watched jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT jsonb_agg(jsonb_build_object(
        'name', l.name, 'kind', 'learned', 'columns', l.columns, 'on_breach', 'warn', 'samples', 0, 'mechanism', 'at close',
        'promise', l.promise, 'scope', 'batch', 'measure', jsonb_build_object('from', 'learned')) ORDER BY l.ordinal NULLS LAST)
    FROM (
        SELECT (w.about ->> 'name') || '_learned' AS name, jsonb_build_array(w.about -> 'name') AS columns,
               (w.about ->> 'name') || ' as its history has it' AS promise, w.ordinal
        FROM jsonb_array_elements(learned_rules.watched) WITH ORDINALITY AS w (about, ordinal)
        UNION ALL
        SELECT 'learned', '[]', 'rows as many, and as different, as the table''s history has them', NULL
    ) AS l
$$;

COMMENT ON FUNCTION pgslo_catalog.learned_rules(watched jsonb) IS 'Return the rules whose bounds are learned: one for each column that is watched, and one for the table.';

CREATE FUNCTION pgslo_catalog.least_batches() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT 21 $$;

COMMENT ON FUNCTION pgslo_catalog.least_batches() IS 'How many batches have to be known before bounds are told: three weeks of days.';

CREATE FUNCTION pgslo_catalog.leave_room(room text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- The schema may be another role's by now, and a table in it that role's.
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_snapshot' AND n.nspowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        EXECUTE format('DROP TABLE IF EXISTS pgslo_snapshot.%I', leave_room.room);
    END IF;
    DELETE FROM pgslo_catalog.snapshot_room r WHERE r.table_name = leave_room.room;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.leave_room(room text) IS 'Drop a table into which a reference was read again.';

CREATE FUNCTION pgslo_catalog.leftovers() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT ARRAY(
        SELECT format('temporary relation "%s" (%s)', c.relname, c.oid)
        FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('temporary type "%s" (%s)', t.typname, t.oid)
        FROM pg_type t WHERE t.typnamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('temporary function "%s" (%s)', p.proname, p.oid)
        FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('cursor "%s" (%s)', c.name, extract(epoch FROM c.creation_time)) FROM pg_cursors c
        UNION ALL
        SELECT format('setting %s = %s', s.name, current_setting(s.name, true))
        FROM (VALUES ('pgslo.on_read'), ('pgslo.heard')) AS s (name)
        ORDER BY 1)
    || pgslo_catalog.settings()
$$;

COMMENT ON FUNCTION pgslo_catalog.leftovers() IS 'Return what a trigger can leave in a session and a rollback takes back: temporary objects, cursors, settings.';

CREATE FUNCTION pgslo_catalog.level_of(mask bigint) RETURNS smallint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE WHEN level_of.mask = 0 THEN 0 ELSE round(ln(level_of.mask + 1) / ln(2)) END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.level_of(mask bigint) IS 'The number of bits of a mask.';

CREATE FUNCTION pgslo_catalog.locked_by(locker xid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(
        (SELECT pgslo_catalog.session_of(l.pid) FROM pg_locks l
         WHERE l.locktype = 'transactionid' AND l.transactionid = locked_by.locker AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL LIMIT 1),
        (SELECT format('prepared transaction %s of role %s, since %s UTC', quote_literal(p.gid), quote_ident(p.owner), to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
         FROM pg_prepared_xacts p WHERE p.transaction = locked_by.locker),
        'a session that the catalogue does not show')
$$;

COMMENT ON FUNCTION pgslo_catalog.locked_by(locker xid) IS 'The transaction that locked a row last, in words; its number is the row''s xmax.';

CREATE FUNCTION pgslo_catalog.look_after(definition pgslo_catalog.definition, OUT is_done boolean, OUT is_behind boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    name text := (look_after.definition).name;
BEGIN
    is_done := true;
    is_behind := false;
    -- Each goes on when another one fails.
    FOR step IN 0..6 LOOP
        BEGIN
            CASE step
                WHEN 0 THEN PERFORM pgslo_catalog.follow_parts(look_after.definition, clock_timestamp() + interval '1 second');
                WHEN 1 THEN is_behind := pgslo_catalog.follow(look_after.definition, NULL, 50);
                -- While batches wait to be judged, nobody knows which came.
                WHEN 2 THEN PERFORM pgslo_catalog.judge_expected(look_after.definition) WHERE NOT is_behind;
                WHEN 3 THEN PERFORM pgslo_catalog.judge_age(look_after.definition);
                WHEN 4 THEN PERFORM pgslo_catalog.resolve_met(look_after.definition);
                WHEN 5 THEN PERFORM pgslo_catalog.follow_assertions(look_after.definition);
                WHEN 6 THEN PERFORM pgslo_catalog.follow_missed(look_after.definition);
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
$$;

COMMENT ON FUNCTION pgslo_catalog.look_after(definition pgslo_catalog.definition, OUT is_done boolean, OUT is_behind boolean) IS 'Do for one table what tick() does. is_done: neither statement_timeout nor a person ended it; is_behind: more batches are due.';

CREATE FUNCTION pgslo_catalog.look_again() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        JOIN changed c ON c.definition_id = u.definition_id AND c.name = u.batch
        WHERE u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE OF u SKIP LOCKED);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.look_again() IS 'Have tick() look at missed batches whose rows were counted again.';

CREATE FUNCTION pgslo_catalog.look_for_expected(definition pgslo_catalog.definition, rule pgslo_catalog.rule) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (look_for_expected.definition).definition_id;
    measure jsonb := (look_for_expected.rule).measure;
    is_number boolean := (look_for_expected.definition).place_is_number;
    last_place numeric := pgslo_catalog.last_place(look_for_expected.definition);
    now numeric := extract(epoch FROM clock_timestamp());
    look pgslo_catalog.expected_look;
    newest pgslo_catalog.batch;
    origin pgslo_catalog.batch;
    calendar record;
    delay numeric;
    up_to numeric;
    moment numeric;
    name text;
    names text[] := '{}';
    places numeric[] := '{}';
BEGIN
    SELECT b.* INTO newest FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= last_place AND b.place > '-Infinity'
    ORDER BY b.place DESC LIMIT 1;
    SELECT l.* INTO look FROM pgslo_catalog.expected_look l WHERE l.rule_id = (look_for_expected.rule).rule_id;
    IF newest.name IS NULL THEN
        RETURN;
    END IF;
    IF look.rule_id IS NOT NULL THEN
        PERFORM pgslo_catalog.heal_expected(look_for_expected.rule, look.slack);
    END IF;
    IF look.basis IS DISTINCT FROM concat(measure, ' ', (look_for_expected.definition).batch_key) THEN
        -- What is missing in what was there before is history.
        look := ROW((look_for_expected.rule).rule_id, concat(measure, ' ', (look_for_expected.definition).batch_key), newest.place, NULL, 0, 'infinity', false);
    ELSIF look.newest = newest.place AND look.due_at > clock_timestamp() THEN
        RETURN;
    END IF;
    SELECT b.* INTO origin FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= look.seen AND b.place > '-Infinity'
    ORDER BY b.place DESC LIMIT 1;
    IF measure ->> 'from' = 'learned' THEN
        SELECT c.* INTO calendar FROM pgslo_catalog.learned_calendar(look_for_expected.definition, origin.place, CASE WHEN EXISTS (
            SELECT FROM pgslo_catalog.verdict v
            WHERE v.rule_id = look.rule_id AND v.verdict = 'missed' AND v.place > origin.place - 84 * 86400) THEN 1 ELSE 0 END) AS c;
    ELSE
        SELECT (measure ->> 'step')::numeric AS step, NULL::text AS form, NULL::jsonb AS phases INTO calendar;
    END IF;
    look.newest := newest.place;
    look.due_at := 'infinity';
    look.is_known := calendar.step IS NOT NULL AND origin.place IS NOT NULL;
    IF NOT look.is_known THEN
        look.seen := newest.place;
    ELSE
        look.slack := CASE WHEN is_number THEN 0 ELSE least(calendar.step / 4, 21600) END;
        delay := CASE WHEN NOT is_number THEN
            coalesce((measure ->> 'max_delay')::numeric, pgslo_catalog.usual_delay(id, calendar.step, origin.place)) END;
        -- As many later batches as usual may come first.
        up_to := greatest(look.seen, now - delay, (
            SELECT b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= newest.place
            ORDER BY b.place DESC OFFSET pgslo_catalog.usual_disorder(id, origin.place) LIMIT 1));
        FOR n IN 1..20000 LOOP
            moment := origin.place + n * calendar.step;
            EXIT WHEN moment > up_to AND (delay IS NULL OR cardinality(names) >= pgslo_catalog.stops_after());
            CONTINUE WHEN NOT pgslo_catalog.is_expected(look_for_expected.definition, measure, calendar.form, calendar.phases, moment);
            IF EXISTS (
                SELECT FROM pgslo_catalog.batch b
                WHERE b.definition_id = id AND b.place BETWEEN moment - look.slack AND moment + look.slack AND (b.rows > 0 OR b.closed_at IS NOT NULL)
            ) THEN
                names := '{}';
                places := '{}';
                CONTINUE;
            END IF;
            IF moment > up_to THEN
                look.due_at := to_timestamp((moment + delay)::float8);
                EXIT;
            END IF;
            name := pgslo_catalog.name_at(moment, calendar.step, origin.name, is_number);
            -- What does not come any more stops being expected, and freshness tells of that.
            CONTINUE WHEN cardinality(names) >= pgslo_catalog.stops_after();
            IF moment > look.seen AND pgslo_catalog.is_in_table(look_for_expected.definition, name) THEN
                INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation) VALUES (id, name, moment, 0, 'recount');
                CONTINUE;
            END IF;
            names := names || name;
            places := places || moment;
            IF moment > look.seen THEN
                PERFORM pgslo_catalog.tell_missing(look_for_expected.rule, names, places,
                    pgslo_catalog.calendar_said(calendar.form, calendar.step, moment, calendar.phases -> pgslo_catalog.phase(calendar.form, moment)));
            END IF;
        END LOOP;
        look.seen := up_to;
    END IF;
    INSERT INTO pgslo_catalog.expected_look SELECT look.*
    ON CONFLICT ON CONSTRAINT expected_look_is_of_one_rule DO UPDATE SET
        basis = excluded.basis, seen = excluded.seen, newest = excluded.newest, slack = excluded.slack, due_at = excluded.due_at, is_known = excluded.is_known;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.look_for_expected(definition pgslo_catalog.definition, rule pgslo_catalog.rule) IS 'Tell which batches did not come though they were expected, since the last look, and note when the next one is too late.';

CREATE FUNCTION pgslo_catalog.looks_in_turn() RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN 200;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.looks_in_turn() IS 'The number of missed batches of a definition that tick() looks at besides those that changed.';

CREATE FUNCTION pgslo_catalog.make_table(table_name text, columns jsonb, for_good boolean, reader name) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    strange name;
BEGIN
    EXECUTE format('CREATE %s TABLE pgslo_snapshot.%I (%s)', CASE WHEN make_table.for_good THEN '' ELSE 'UNLOGGED' END, make_table.table_name,
        (SELECT string_agg(format('%I %s%s', c.value ->> 'name', c.value ->> 'type', coalesce(' COLLATE ' || (c.value ->> 'collation'), '')), ', ' ORDER BY c.ordinality)
         FROM jsonb_array_elements(make_table.columns) WITH ORDINALITY AS c));
    -- ANALYZE, also of autovacuum, runs functions of types with the rights of the table's owner, but for columns without statistics.
    FOREACH strange IN ARRAY ARRAY(
        SELECT c.name FROM pgslo_catalog.columns_with_code(to_regclass(format('pgslo_snapshot.%I', make_table.table_name))) AS c (name))
    LOOP
        EXECUTE format('ALTER TABLE pgslo_snapshot.%I ALTER COLUMN %I SET STATISTICS 0', make_table.table_name, strange);
    END LOOP;
    EXECUTE format('REVOKE ALL ON TABLE pgslo_snapshot.%I FROM PUBLIC', make_table.table_name);
    IF make_table.reader IS NOT NULL THEN
        EXECUTE format('GRANT INSERT ON TABLE pgslo_snapshot.%I TO %I', make_table.table_name, make_table.reader);
    END IF;
    INSERT INTO pgslo_catalog.snapshot_room (table_name) VALUES (make_table.table_name);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.make_table(table_name text, columns jsonb, for_good boolean, reader name) IS 'A table that a reader, or where that is NULL pgslo alone, may fill, for as long as its transaction lasts.';

CREATE FUNCTION pgslo_catalog.mark_taken(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Of a table that is not what its rules were written for, what is written says so.
    IF mark_taken.error_code !~ '^(42|3F|0A)' THEN
        PERFORM pgslo_catalog.mark_unjudged(mark_taken.definition,
            ARRAY(
                SELECT r.name FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
                WHERE d.name = mark_taken.definition AND r.name = ANY (mark_taken.rules)
                  AND r.on_breach IN ('warn', 'flag') AND r.retired_at IS NULL),
            mark_taken.batches, mark_taken.places, mark_taken.error_code, mark_taken.error_message);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.mark_taken(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) IS 'Note that it is not known which of the rows that a statement removed from these batches failed.';

CREATE FUNCTION pgslo_catalog.mark_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Never left out because there is one already: that of another transaction says nothing of these rows.
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT d.definition_id, r.rule_id, mark_unjudged.error_code, left(mark_unjudged.error_message, 1000),
           pgslo_catalog.error_said(false, mark_unjudged.error_code, mark_unjudged.error_message),
           b.name, coalesce(b.place, pgslo_catalog.arrival(d.definition_id, b.name))
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = ANY (mark_unjudged.rules)
    CROSS JOIN (
        SELECT u.name, min(u.place) AS place
        FROM unnest(mark_unjudged.batches, mark_unjudged.places) AS u (name, place)
        GROUP BY u.name
    ) b
    WHERE d.name = mark_unjudged.definition;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.mark_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) IS 'Note that rows of these batches are not judged by these rules.';

CREATE FUNCTION pgslo_catalog.may_count(relation oid, columns text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF may_count.columns = '{}' THEN
        RETURN pgslo_catalog.readable(may_count.relation, ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = may_count.relation AND a.attnum > 0)) <> '{}';
    END IF;
    RETURN pgslo_catalog.readable(may_count.relation, may_count.columns) @> may_count.columns;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_count(relation oid, columns text[]) IS 'Whether the caller may read these columns of every row of a table, or any column where none is named.';

CREATE FUNCTION pgslo_catalog.may_know(definition_name text, reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Readers ask this most.
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.definition d WHERE d.name = may_know.definition_name AND pgslo_catalog.may_read(d.relation, may_know.reader)
    ) OR pgslo_catalog.may_know_all(may_know.reader);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_know(definition_name text, reader name) IS 'Whether a role may know of a definition: of what it promises, and how it is.';

CREATE FUNCTION pgslo_catalog.may_know_all(reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Stewards read samples, auditors and operators the state itself; whoever delivers messages reads those.
    RETURN EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_know_all.reader
          AND EXISTS (
              SELECT FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
              WHERE n.nspname = 'pgslo_catalog' AND pg_has_role(r.oid, n.nspowner, 'USAGE')
                 OR (n.nspname, c.relname) IN (('pgslo', 'sample'), ('pgslo', 'delivery'), ('pgslo_catalog', 'incident'))
                    AND has_table_privilege(r.oid, c.oid, 'SELECT')));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_know_all(reader name) IS 'Whether a role may know of every table: auditors, operators, stewards, and members of pgslo''s owner.';

CREATE FUNCTION pgslo_catalog.may_read(relation oid, reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        JOIN pg_class t ON t.oid = may_read.relation
        WHERE r.rolname = may_read.reader
          AND (has_schema_privilege(r.oid, t.relnamespace, 'USAGE') AND has_any_column_privilege(r.oid, t.oid, 'SELECT')
               OR EXISTS (
                   SELECT FROM pg_depend p
                   JOIN pg_rewrite w ON w.oid = p.objid
                   JOIN pg_class v ON v.oid = w.ev_class
                   WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.classid = 'pg_rewrite'::regclass
                     -- A view of another owner, whatever its comment, is not a guarded one.
                     AND v.relkind = 'v'
                     AND (v.relowner = t.relowner
                          OR v.relowner = (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'))
                     AND left(obj_description(v.oid, 'pg_class'), 4000) ~ E'(^|\n)pgslo [0-9a-f]{16} '
                     AND has_schema_privilege(r.oid, v.relnamespace, 'USAGE')
                     AND has_any_column_privilege(r.oid, v.oid, 'SELECT'))));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_read(relation oid, reader name) IS 'Whether a role may read a table or one of its guarded views.';

CREATE FUNCTION pgslo_catalog.may_read_columns(relation oid, columns text[], reader name, only_views boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        JOIN pg_class t ON t.oid = may_read_columns.relation
        CROSS JOIN LATERAL (
            SELECT t.oid, t.relnamespace WHERE NOT may_read_columns.only_views
            UNION ALL
            -- Guarded views, as in may_read(): their columns are called like the table's.
            SELECT v.oid, v.relnamespace
            FROM pg_depend p
            JOIN pg_rewrite w ON w.oid = p.objid
            JOIN pg_class v ON v.oid = w.ev_class
            WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.classid = 'pg_rewrite'::regclass AND v.relkind = 'v'
              AND (v.relowner = t.relowner
                   OR v.relowner = (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'))
              AND left(obj_description(v.oid, 'pg_class'), 4000) ~ E'(^|\n)pgslo [0-9a-f]{16} '
        ) AS s
        WHERE r.rolname = may_read_columns.reader
          -- Row security may hide rows that are measured.
          AND (NOT t.relrowsecurity OR r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity)
          AND has_schema_privilege(r.oid, s.relnamespace, 'USAGE') AND has_any_column_privilege(r.oid, s.oid, 'SELECT')
          AND NOT EXISTS (
              SELECT FROM unnest(may_read_columns.columns) AS c (name)
              LEFT JOIN pg_attribute a ON a.attrelid = s.oid AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
              WHERE NOT coalesce(has_column_privilege(r.oid, s.oid, a.attnum, 'SELECT'), false)));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_read_columns(relation oid, columns text[], reader name, only_views boolean) IS 'Whether a role may read all of these columns of every row in a table or in one of its guarded views; only_views for the views alone.';

CREATE FUNCTION pgslo_catalog.may_run(task text, reader name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

COMMENT ON FUNCTION pgslo_catalog.may_run(task text, reader name) IS 'Whether a role may read what a task reads, in each of its tables; NULL if there is no such task.';

CREATE FUNCTION pgslo_catalog.may_see(snapshot pgslo_catalog.snapshot, reader name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT snapshot.taken_by = reader
        OR (SELECT pg_has_role(reader, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog')
        OR EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_namespace k ON k.nspname = 'pgslo_catalog'
            WHERE n.nspname = snapshot.source_schema AND c.relname = snapshot.source_name
              -- A view that took the name later is of a role that never applied.
              AND pg_has_role(c.relowner, k.nspowner, 'USAGE')
              AND has_schema_privilege(reader, n.oid, 'USAGE') AND has_table_privilege(reader, c.oid, 'SELECT')
              -- Where each reader sees rows of his own, it holds the taker's.
              AND NOT EXISTS (
                  SELECT FROM pg_rewrite w
                  JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = w.oid AND p.refclassid = 'pg_class'::regclass
                  JOIN pg_class t ON t.oid = p.refobjid
                  WHERE w.ev_class = c.oid AND t.relrowsecurity))
$$;

COMMENT ON FUNCTION pgslo_catalog.may_see(snapshot pgslo_catalog.snapshot, reader name) IS 'Whether somebody may know of a snapshot: who took it, who may read its view, and pgslo''s owner.';

CREATE FUNCTION pgslo_catalog.may_see_figures(relation oid, columns text[], pairs jsonb, reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    needed text[] := may_see_figures.columns;
    label jsonb := may_see_figures.pairs -> 'label';
BEGIN
    IF pgslo_catalog.may_see_values(may_see_figures.reader) THEN
        RETURN true;
    ELSIF needed = '{}' AND may_see_figures.pairs IS NULL THEN
        -- How many rows there are, and how many fail.
        RETURN pgslo_catalog.may_know_all(may_see_figures.reader) OR pgslo_catalog.may_read(may_see_figures.relation, may_see_figures.reader);
    ELSIF may_see_figures.pairs IS NULL THEN
        RETURN pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader);
    ELSIF jsonb_typeof(may_see_figures.pairs -> 'columns') IS DISTINCT FROM 'array' THEN
        RETURN false;
    END IF;
    needed := needed || ARRAY(SELECT jsonb_array_elements_text(may_see_figures.pairs -> 'columns'));
    -- A reader of the guarded view is told how good predictions are. Anybody else has to be able to read labels as well.
    RETURN pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader, true)
        OR pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader)
           AND (coalesce(label, 'null') = 'null' OR EXISTS (
               SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
               WHERE n.nspname = label ->> 0 AND t.relname = label ->> 1
                 AND pgslo_catalog.may_read_columns(t.oid, ARRAY[label ->> 2], may_see_figures.reader)));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_see_figures(relation oid, columns text[], pairs jsonb, reader name) IS 'Whether a role may see what is measured of these columns of a table, and of its pairs of a prediction and a label unless those are NULL.';

CREATE FUNCTION pgslo_catalog.may_see_groups(check_function text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pgslo_catalog.may_see_values(pgslo_catalog.caller()) OR NOT EXISTS (
        SELECT FROM pgslo_catalog.assertion a
        JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        CROSS JOIN LATERAL (
            SELECT p.relation, p.columns FROM pgslo_catalog.assertion_dependency p WHERE p.rule_id = a.rule_id
            UNION ALL SELECT d.relation, d.key_columns
        ) AS w (relation, columns)
        WHERE a.check_function = may_see_groups.check_function AND pgslo_catalog.may_count(w.relation, w.columns) IS NOT TRUE);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_see_groups(check_function text) IS 'Whether the caller may read all that an assertion reads, and the keys of its rows.';

CREATE FUNCTION pgslo_catalog.may_see_values(reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_see_values.reader
          AND EXISTS (
              SELECT FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
              WHERE n.nspname = 'pgslo_catalog' AND pg_has_role(r.oid, n.nspowner, 'USAGE')
                 OR n.nspname = 'pgslo' AND c.relname = 'sample' AND has_table_privilege(r.oid, c.oid, 'SELECT')));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.may_see_values(reader name) IS 'Whether a role may see values of rows of every table: stewards, and members of pgslo''s owner.';

CREATE FUNCTION pgslo_catalog.may_write(role name, relation regclass, names text[], operation text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_write.role
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.reached_tables(may_write.relation, false) AS t (oid)
              JOIN pg_class c ON c.oid = t.oid
              WHERE c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
                AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')))
          AND NOT EXISTS (
              SELECT FROM pg_attribute a
              WHERE a.attrelid = may_write.relation AND a.attnum > 0 AND NOT a.attisdropped
                AND quote_ident(a.attname) = ANY (may_write.names)
                AND NOT has_column_privilege(r.oid, may_write.relation, a.attnum, may_write.operation)))
$$;

COMMENT ON FUNCTION pgslo_catalog.may_write(role name, relation regclass, names text[], operation text) IS 'Return whether a role may write any row to columns of a table: it has the privileges, and no policy applies to it.';

CREATE FUNCTION pgslo_catalog.mean_interval(summed numeric, squares numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    half float8;
BEGIN
    IF whole < 2 THEN
        low := '-Infinity';
        high := 'Infinity';
        RETURN;
    END IF;
    half := z * sqrt(greatest((squares - summed * summed / whole) / (whole - 1) / whole, 0)::float8);
    low := (summed / whole)::float8 - half;
    high := (summed / whole)::float8 + half;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.mean_interval(summed numeric, squares numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) IS 'Interval of a mean by the central limit theorem; endless below two values.';

CREATE FUNCTION pgslo_catalog.measure_quarantine(definition_id bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    INSERT INTO pgslo_catalog.quarantine_size AS s (definition_id, bytes, up_to)
    SELECT measure_quarantine.definition_id, coalesce(sum(q.bytes), 0), coalesce(max(q.quarantine_id), 0)
    FROM pgslo_catalog.quarantine q
    WHERE q.definition_id = measure_quarantine.definition_id AND q.state = 'held'
    ON CONFLICT ON CONSTRAINT quarantine_size_is_kept_once
    DO UPDATE SET bytes = excluded.bytes, up_to = excluded.up_to, measured_at = clock_timestamp()
$$;

COMMENT ON FUNCTION pgslo_catalog.measure_quarantine(definition_id bigint) IS 'Sums the bytes of a definition''s rows in quarantine.';

CREATE FUNCTION pgslo_catalog.measure_quarantines() RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT pgslo_catalog.measure_quarantine(d.definition_id)
    FROM pgslo_catalog.definition d
    LEFT JOIN pgslo_catalog.quarantine_size s USING (definition_id)
    LEFT JOIN LATERAL (
        SELECT q.quarantine_id
        FROM pgslo_catalog.quarantine q
        WHERE q.definition_id = d.definition_id AND q.state = 'held'
        ORDER BY q.quarantine_id DESC
        LIMIT 1
    ) newest ON true
    -- Nothing to sum where no row came and none was decided about. An hour for transactions that were open then.
    WHERE coalesce(newest.quarantine_id, 0) <> coalesce(s.up_to, 0)
       OR s.bytes > 0 AND s.measured_at < clock_timestamp() - interval '1 hour'
       OR EXISTS (
           SELECT FROM pgslo_catalog.quarantine q
           WHERE q.definition_id = d.definition_id AND q.state <> 'held'
             AND q.decided_at > s.measured_at - interval '1 hour')
$$;

COMMENT ON FUNCTION pgslo_catalog.measure_quarantines() IS 'Sums the bytes in quarantine of each definition that has new rows there.';

CREATE FUNCTION pgslo_catalog.measured(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value double precision, OUT rows bigint, OUT said text, OUT example text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    measure jsonb := (measured.rule).measure;
    form text := measure ->> 'form';
    low float8 := coalesce((measured.rule).warn_low, (measured.rule).reject_low);
    high float8 := coalesce((measured.rule).warn_high, (measured.rule).reject_high);
    found record;
    whole numeric;
    reference float8;
    looked_at bigint;
    failed bigint;
BEGIN
    rows := (measured.batch).rows;
    IF (measured.batch).place = '-Infinity' AND form NOT IN ('age', 'table_rows') THEN
        said := 'the batch of these rows cannot be told: its expression has no value';
        RETURN;
    END IF;
    IF form NOT IN ('rows', 'age', 'failures', 'table_rows') AND rows <= 0 THEN
        said := 'the batch has no rows';
        RETURN;
    END IF;
    looked_at := pgslo_catalog.unmeasured(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('%s came or went while columns could not be measured', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    looked_at := pgslo_catalog.raising(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('the expression of the rule raises an error for %s', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    CASE
        WHEN form IN ('rows', 'present', 'share', 'passing', 'statistic') THEN
            value := pgslo_catalog.statistic(measured.batch, measure);
            CASE form
                WHEN 'rows' THEN
                    said := CASE
                        WHEN value IS NULL THEN 'rows were taken away that came before pgslo counted them'
                        ELSE format('%s; %s', pgslo_catalog.rows_shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
                WHEN 'statistic' THEN
                    said := CASE
                        WHEN value IS NULL THEN format('the %2$s of column "%1$s" cannot be told: it has no values, or too many rows for a sample to say', measure ->> 'column', measure ->> 'said')
                        ELSE format('the %s of %s is %s; %s', measure ->> 'said', pgslo_catalog.rows_shown(rows), pgslo_catalog.shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
                ELSE
                    whole := CASE WHEN measure ->> 'among' IS NULL THEN rows ELSE ((measured.batch).tallies ->> (measure ->> 'among'))::numeric END;
                    said := CASE
                        WHEN value IS NULL THEN 'the batch has no rows that it is about'
                        ELSE format('%s of %s %s; %s', pgslo_catalog.share_shown(value::numeric, 1), pgslo_catalog.rows_shown(whole),
                                    CASE form WHEN 'passing' THEN 'pass' ELSE 'are ' || coalesce(measure ->> 'said', 'not null') END, pgslo_catalog.wanted(low, high, 100, ' %')) END;
            END CASE;
        WHEN form = 'change' THEN
            -- avg() adds up squares as well, which may overflow.
            SELECT sum(s.value) / nullif(count(s.value), 0) AS mean, count(*) AS batches INTO found
            FROM pgslo_catalog.earlier(measured.batch, measure ->> 'relative_to') AS e
            CROSS JOIN LATERAL (SELECT pgslo_catalog.statistic(e, measure -> 'of') AS value) AS s;
            value := pgslo_catalog.statistic(measured.batch, measure -> 'of');
            reference := found.mean;
            IF value IS NULL THEN
                said := 'the batch has no value that could be compared';
            ELSIF reference IS NULL THEN
                value := NULL;
                said := 'there is no earlier batch to compare with';
            ELSE
                said := CASE WHEN measure ->> 'said' = 'rows' THEN pgslo_catalog.rows_shown(value::numeric)
                             ELSE format('the %s is %s', measure ->> 'said', pgslo_catalog.shown(value::numeric)) END
                    || format(' after %s in %s', pgslo_catalog.shown(reference::numeric),
                        CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before'
                             ELSE format('the mean of the %s before', CASE found.batches WHEN 1 THEN 'batch' ELSE found.batches || ' batches' END) END);
                IF measure ->> 'ratio' = 'true' THEN
                    value := pgslo_catalog.quotient(value, reference);
                    said := said || '; ' || pgslo_catalog.wanted(low, high, 1, ' times as many');
                ELSIF measure ->> 'absolute' = 'true' THEN
                    value := value - reference;
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 1, ''), 'is ', 'is a change of ');
                ELSE
                    value := pgslo_catalog.quotient(value - reference, abs(reference));
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 100, ' %'), 'is ', 'is a change of ');
                END IF;
                IF value IS NULL THEN
                    said := said || ', and nothing is a share of zero';
                END IF;
            END IF;
        WHEN form = 'distance' THEN
            SELECT d.value, d.said INTO value, said FROM pgslo_catalog.distance(measured.definition, measured.batch, measure) AS d;
            IF value IS NOT NULL THEN
                said := said || '; ' || pgslo_catalog.wanted(low, high, 1, '');
            END IF;
        WHEN form = 'unchanged' THEN
            value := pgslo_catalog.unchanged(measured.batch, measure ->> 'column', high::integer + 1);
            said := CASE
                WHEN value IS NULL THEN format('there is no profile of column "%s"', measure ->> 'column')
                WHEN value > high THEN format('column "%s" has the same values in at least %s batches in a row; the objective is at most %s', measure ->> 'column', value + 1, high + 1)
                ELSE format('column "%s" has the same values in %s; the objective is at most %s', measure ->> 'column', CASE value WHEN 0 THEN '1 batch' ELSE value + 1 || ' batches in a row' END, high + 1) END;
        WHEN form = 'batches' THEN
            value := 0;
            said := 'it came';
        WHEN form = 'age' THEN
            SELECT a.value, a.said INTO value, said FROM pgslo_catalog.age(measured.definition) AS a;
        WHEN form = 'table_rows' THEN
            PERFORM pgslo_catalog.pin_table(measured.definition, measure ->> 'function');
            EXECUTE format('SELECT f.rows FROM pgslo_gen.%I($1) AS f', measure ->> 'function') INTO value USING (measured.batch).name;
            said := format('the table has %s; %s', pgslo_catalog.rows_shown(value::numeric),
                pgslo_catalog.wanted(low, high, 1, ''));
        WHEN form = 'failures' THEN
            PERFORM pgslo_catalog.pin_table(measured.definition, measure ->> 'function');
            EXECUTE format('SELECT f.rows, f.failed, f.example FROM pgslo_gen.%I($1) AS f', measure ->> 'function')
            INTO looked_at, failed, example USING (measured.batch).name;
            value := failed;
            IF looked_at = 0 AND rows > 0 THEN
                value := NULL;
                said := 'the table has no rows of this batch that it is about';
            ELSE
                said := format('%s %s; %s', pgslo_catalog.shown(failed), measure ->> CASE failed WHEN 1 THEN 'said_of_one' ELSE 'said' END,
                    pgslo_catalog.wanted(NULL, high, 1, ''));
            END IF;
            -- A key or another value of a row, which not everybody may see.
            example := CASE WHEN failed > 0 THEN example END;
        ELSE
            said := format('this version of the runtime does not know how to measure "%s"', form);
    END CASE;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.measured(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value double precision, OUT rows bigint, OUT said text, OUT example text) IS 'What a batch comes to in the eyes of a rule, with a sentence, and the first violation; NULL when it cannot be told.';

CREATE TABLE pgslo_catalog.fragment (
    fragment_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    failures jsonb,
    writer text DEFAULT COALESCE(NULLIF(current_setting('role'::text), 'none'::text), (SESSION_USER)::text) NOT NULL,
    application text DEFAULT current_setting('application_name'::text) NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    operation text DEFAULT 'judged'::text NOT NULL,
    present jsonb,
    tallies jsonb,
    level smallint,
    sample_columns text[],
    sample text[],
    rows_emptied bigint,
    CONSTRAINT fragment_operation_is_known CHECK ((operation = ANY (ARRAY['judged'::text, 'insert'::text, 'update'::text, 'delete'::text, 'truncate'::text, 'recount'::text, 'merged'::text, 'recounted'::text])))
);
ALTER TABLE ONLY pgslo_catalog.fragment ALTER COLUMN batch SET (n_distinct=-0.5);

COMMENT ON TABLE pgslo_catalog.fragment IS 'What one statement added to a batch. Only ever appended to: a shared counter would serialise and deadlock writers.';

COMMENT ON COLUMN pgslo_catalog.fragment.batch IS 'The batch''s key as text; a long one ends in a digest.';

COMMENT ON COLUMN pgslo_catalog.fragment.place IS 'Where the batch stands among the others: seconds since 1970 for times, the value itself for numbers, else when its first rows arrived; -Infinity when it cannot be told.';

COMMENT ON COLUMN pgslo_catalog.fragment.rows IS 'Rows as the statement left them, inserted or updated; 0 where a row trigger noted a failing row, which is all it sees.';

COMMENT ON COLUMN pgslo_catalog.fragment.failures IS 'Failing rows by rule name; NULL when every row passed.';

COMMENT ON COLUMN pgslo_catalog.fragment.operation IS 'judged: by the trigger that judges rows. insert, update, delete: what a statement added or took away. truncate: everything before it is void. recount: the batch has to be counted from the table. merged, recounted: several as one.';

COMMENT ON COLUMN pgslo_catalog.fragment.present IS 'Values that are not null, by column; negative where they were taken away.';

COMMENT ON COLUMN pgslo_catalog.fragment.tallies IS 'What rules over a batch add up, by name.';

COMMENT ON COLUMN pgslo_catalog.fragment.level IS 'The sample holds rows whose entity''s hash is divisible by 2 to this power.';

COMMENT ON COLUMN pgslo_catalog.fragment.sample_columns IS 'Columns of the sample, after the hash.';

COMMENT ON COLUMN pgslo_catalog.fragment.sample IS 'Rows as text, each its entity''s hash and its values. May hold personal data.';

COMMENT ON COLUMN pgslo_catalog.fragment.rows_emptied IS 'Of a TRUNCATE: recorded rows, written since the last apply, that it removed.';

CREATE FUNCTION pgslo_catalog.merge_batch(definition_id bigint, batch text) RETURNS pgslo_catalog.fragment
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    merged pgslo_catalog.fragment;
    -- By number from here on: what is committed meanwhile waits for the next time.
    parts bigint[] := ARRAY(SELECT f.fragment_id FROM pgslo_catalog.fragment f WHERE f.definition_id = merge_batch.definition_id AND f.batch = merge_batch.batch);
    began timestamptz;
    takes boolean;
    samples bigint;
    mask bigint;
    sampled bigint;
BEGIN
    IF parts = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM pgslo_catalog.record_news(parts);
    PERFORM pgslo_catalog.note_overdrawn(merge_batch.definition_id, merge_batch.batch, parts);
    -- Whoever accepts the batch just now has not seen all of it.
    SELECT CASE WHEN count(*) > 0 AND NOT pgslo_catalog.is_being_accepted(merge_batch.definition_id, merge_batch.batch)
                THEN (array_agg(f.xid ORDER BY f.xid DESC))[1] ELSE pg_current_xact_id() END
    INTO merged.xid
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.failures IS NOT NULL;
    SELECT max(f.fragment_id), min(f.place), sum(f.rows), nullif(pgslo_catalog.added_up(array_agg(f.failures)), '{}'),
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), max(f.level),
           max(f.written_at), min(f.written_at), bool_or(f.operation = 'delete'), count(f.sample)
    INTO merged.fragment_id, merged.place, merged.rows, merged.failures, merged.present, merged.tallies, merged.level,
         merged.written_at, began, takes, samples
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    SELECT f.writer, f.application INTO merged.writer, merged.application
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = merged.fragment_id;
    SELECT f.sample_columns INTO merged.sample_columns
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample_columns IS NOT NULL ORDER BY f.fragment_id DESC LIMIT 1;
    merged.definition_id := merge_batch.definition_id;
    merged.batch := merge_batch.batch;

    -- Rows that were sampled and not taken away again, at the coarsest level of all: exactly those that are there.
    mask := (1::bigint << coalesce(merged.level, 0)::integer) - 1;
    IF takes THEN
        SELECT array_agg(s.one), count(*) INTO merged.sample, sampled
        FROM (
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation <> 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
            EXCEPT ALL
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation = 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
        ) s;
    ELSIF samples = 1 THEN
        SELECT f.sample, array_length(f.sample, 1) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample IS NOT NULL;
    ELSE
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
        WHERE f.fragment_id = ANY (parts) AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0;
    END IF;
    DELETE FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    WHILE sampled > 4000 AND merged.level < 62 LOOP
        merged.level := merged.level + 1;
        mask := (1::bigint << merged.level::integer) - 1;
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.sample_rows(merged.sample) AS r (one) WHERE r.one[1]::bigint & mask = 0;
    END LOOP;

    -- It keeps the number of the newest it is made of: a TRUNCATE that is not committed yet must not make it newer.
    INSERT INTO pgslo_catalog.fragment (fragment_id, definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample, writer, application, written_at, xid)
    OVERRIDING SYSTEM VALUE
    VALUES (merged.fragment_id, merged.definition_id, merged.batch, merged.place, merged.rows, merged.failures, 'merged', merged.present, merged.tallies,
            merged.level, merged.sample_columns, merged.sample, merged.writer, merged.application, merged.written_at, merged.xid);

    INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, tallies, failures, first_written_at, last_written_at, writer, application)
    VALUES (merged.definition_id, merged.batch, merged.place, merged.rows, merged.present, merged.tallies, coalesce(merged.failures, '{}'),
            began, merged.written_at, merged.writer, merged.application)
    ON CONFLICT ON CONSTRAINT batch_name_is_unique_in_its_definition DO UPDATE SET
        place = excluded.place, rows = excluded.rows, present = excluded.present, tallies = excluded.tallies, failures = excluded.failures,
        last_written_at = excluded.last_written_at, writer = excluded.writer, application = excluded.application;
    RETURN merged;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.merge_batch(definition_id bigint, batch text) IS 'Makes the fragments of a batch into one, and writes down what the batch comes to.';

CREATE FUNCTION pgslo_catalog.merged(batches pgslo_catalog.measured[], rules integer) RETURNS pgslo_catalog.measured[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH part AS (
        SELECT b.* FROM unnest(merged.batches) AS b
    ), failed AS (
        SELECT n.batch, array_agg(n.failed ORDER BY n.ordinal) AS failed
        FROM (
            SELECT p.batch, f.ordinal, sum(f.failed)::bigint AS failed
            FROM part p, unnest(p.failed || pgslo_catalog.failing_of(0, merged.rules, 0)) WITH ORDINALITY AS f (failed, ordinal)
            WHERE f.ordinal <= merged.rules
            GROUP BY p.batch, f.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, p.tallies, coalesce(f.failed, '{}'), NULL)::pgslo_catalog.measured)
    FROM (
        -- An empty array is the least of all: of what was counted of a batch, one entry says what it comes to.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.tallies) AS tallies
        FROM part GROUP BY part.batch
    ) p
    LEFT JOIN failed f ON f.batch = p.batch
$$;

COMMENT ON FUNCTION pgslo_catalog.merged(batches pgslo_catalog.measured[], rules integer) IS 'What was counted rule by rule, as one entry for each batch.';

CREATE FUNCTION pgslo_catalog.metric(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, confidence double precision, OUT value double precision, OUT low double precision, OUT high double precision, OUT pairs bigint) RETURNS record
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    z float8 := pgslo_catalog.normal_quantile(0.5 + metric.confidence / 2);
    s record;
BEGIN
    SELECT sum(c.predictions) AS predictions, sum(c.defaulted) AS defaulted, sum(c.abstained) AS abstained, sum(c.expecting) AS expecting,
           sum(c.expected) AS expected, sum(c.expected_noise) AS expected_noise, sum(c.labelled) AS labelled, sum(c.delayed) AS delayed, sum(c.delay) AS delay,
           sum(c.decided) AS decided, sum(c.hits) AS hits, sum(c.true_positive) AS tp, sum(c.false_positive) AS fp, sum(c.false_negative) AS fn,
           sum(c.scored) AS scored, sum(c.loss) AS loss, sum(c.loss_squared) AS loss_squared, sum(c.brier) AS brier, sum(c.brier_squared) AS brier_squared,
           sum(c.error) AS error, sum(c.error_squared) AS error_squared, sum(c.error_fourth) AS error_fourth, sum(c.absolute) AS absolute,
           sum(c.relative) AS relative, sum(c.relative_squared) AS relative_squared
    INTO s
    FROM unnest(metric.cells) AS c;
    CASE
        WHEN metric.of IN ('label_coverage', 'default_share', 'abstain_share') THEN
            pairs := s.predictions;
            value := CASE metric.of WHEN 'label_coverage' THEN s.labelled WHEN 'default_share' THEN s.defaulted ELSE s.abstained END / nullif(s.predictions, 0);
            -- All rows are counted; nothing is inferred from some of them.
            low := value;
            high := value;
        WHEN metric.of = 'label_delay' THEN
            pairs := s.delayed;
            value := s.delay / nullif(s.delayed, 0) / 3600;
            low := value;
            high := value;
        WHEN metric.of = 'expected_accuracy' THEN
            pairs := s.expecting;
            value := s.expected / nullif(s.expecting, 0);
            low := value - z * sqrt(greatest(s.expected_noise, 0)::float8) / nullif(s.expecting, 0);
            high := value + z * sqrt(greatest(s.expected_noise, 0)::float8) / nullif(s.expecting, 0);
        WHEN metric.of = 'accuracy' THEN
            pairs := s.decided;
            value := s.hits / nullif(s.decided, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.hits, s.decided, z) AS w;
        WHEN metric.of = 'precision' THEN
            pairs := s.tp + s.fp;
            value := s.tp / nullif(s.tp + s.fp, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fp, z) AS w;
        WHEN metric.of = 'recall' THEN
            pairs := s.tp + s.fn;
            value := s.tp / nullif(s.tp + s.fn, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fn, z) AS w;
        WHEN metric.of = 'f1' THEN
            -- A rising function of the share of true positives among all that are not true negatives: 2 j / (1 + j).
            pairs := s.tp + s.fp + s.fn;
            value := 2 * s.tp / nullif(2 * s.tp + s.fp + s.fn, 0);
            SELECT 2 * w.low / (1 + w.low), 2 * w.high / (1 + w.high) INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fp + s.fn, z) AS w;
        WHEN metric.of = 'auc' THEN
            pairs := s.scored;
            SELECT a.value, a.low, a.high INTO value, low, high FROM pgslo_catalog.auc(metric.cells, metric.scores, metric.confidence) AS a;
        WHEN metric.of = 'calibration_error' THEN
            pairs := s.scored;
            SELECT a.value, a.low, a.high INTO value, low, high FROM pgslo_catalog.calibration_error(metric.scores, z) AS a;
        WHEN metric.of = 'log_loss' THEN
            pairs := s.scored;
            value := s.loss / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.loss, s.loss_squared, s.scored, z) AS m;
        WHEN metric.of = 'brier' THEN
            pairs := s.scored;
            value := s.brier / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), least(m.high, 1) INTO low, high FROM pgslo_catalog.mean_interval(s.brier, s.brier_squared, s.scored, z) AS m;
        WHEN metric.of = 'mae' THEN
            pairs := s.scored;
            value := s.absolute / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.absolute, s.error_squared, s.scored, z) AS m;
        WHEN metric.of = 'rmse' THEN
            pairs := s.scored;
            value := sqrt(greatest(s.error_squared, 0)::float8 / nullif(s.scored, 0)::float8);
            SELECT sqrt(greatest(m.low, 0)), sqrt(m.high) INTO low, high FROM pgslo_catalog.mean_interval(s.error_squared, s.error_fourth, s.scored, z) AS m;
        WHEN metric.of = 'mape' THEN
            pairs := s.scored;
            value := s.relative / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.relative, s.relative_squared, s.scored, z) AS m;
        WHEN metric.of = 'bias' THEN
            pairs := s.scored;
            value := s.error / nullif(s.scored, 0);
            SELECT m.low, m.high INTO low, high FROM pgslo_catalog.mean_interval(s.error, s.error_squared, s.scored, z) AS m;
    END CASE;
    IF value IS NULL THEN
        low := NULL;
        high := NULL;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.metric(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, confidence double precision, OUT value double precision, OUT low double precision, OUT high double precision, OUT pairs bigint) IS 'A metric of the pairs of some cells together, and its interval; NULL where there are none.';

CREATE FUNCTION pgslo_catalog.metric_lacks(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, positive text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    s record;
    positives bigint;
    negatives bigint;
    none text;
BEGIN
    SELECT sum(c.predictions) AS predictions, sum(c.labelled) AS labelled, sum(c.decided) AS decided, sum(c.scored) AS scored,
           sum(c.true_positive + c.false_negative) AS positive
    INTO s
    FROM unnest(metric_lacks.cells) AS c;
    SELECT sum(p.positive), sum(p.negative) INTO positives, negatives FROM unnest(metric_lacks.scores) AS p;
    none := CASE metric_lacks.positive
        WHEN 'true' THEN 'all %s labels are false'
        WHEN 'false' THEN 'all %s labels are true'
        ELSE format('none of the %%s labels is %s', replace(metric_lacks.positive, '%', '%%')) END;
    RETURN CASE
        WHEN metric_lacks.of IN ('default_share', 'abstain_share', 'expected_accuracy', 'label_coverage') THEN
            'the batch has no predictions that it is about'
        WHEN coalesce(s.labelled, 0) = 0 THEN 'no prediction of the batch has a label'
        WHEN metric_lacks.of IN ('accuracy', 'precision', 'recall', 'f1') AND s.decided = 0 THEN
            'no prediction of the batch with a label has a class'
        WHEN metric_lacks.of = 'precision' THEN format('no prediction of the class %s', metric_lacks.positive)
        WHEN metric_lacks.of = 'recall' THEN format(none, s.decided) || ': recall needs others'
        WHEN metric_lacks.of = 'f1' THEN format(none, s.decided) || ', and so are all predictions'
        WHEN metric_lacks.of = 'auc' AND negatives > 0 THEN format(none, negatives) || ': AUC needs both classes'
        WHEN metric_lacks.of = 'auc' AND positives > 0 THEN
            format('all %s labels are %s: AUC needs both classes', positives, metric_lacks.positive)
        WHEN s.scored = 0 THEN 'no prediction of the batch with a label has a score'
        ELSE 'no prediction of the batch has a label that it could be measured by'
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.metric_lacks(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, positive text) IS 'Why a metric has no value, in words.';

CREATE FUNCTION pgslo_catalog.missed_said(rule pgslo_catalog.rule, batch text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    said text;
    summed record;
BEGIN
    IF (missed_said.rule).scope <> 'row' THEN
        SELECT v.said INTO said FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (missed_said.rule).rule_id AND v.batch = missed_said.batch AND v.verdict = 'missed'
          AND pgslo_catalog.shows_figures(missed_said.rule, pgslo_catalog.caller());
        RETURN coalesce(said, format('the rule wants: %s', (missed_said.rule).promise));
    END IF;
    -- A reader waits for this sentence: a batch of very many statements may not make it long in coming.
    SELECT coalesce(sum(s.rows), 0)::bigint AS rows, coalesce(sum((s.failures ->> (missed_said.rule).name)::bigint), 0)::bigint AS failed,
           CASE WHEN count(*) > 5000 THEN 'at least ' ELSE '' END AS at_least
    INTO summed
    FROM (
        SELECT f.rows, f.failures FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (missed_said.rule).definition_id AND f.batch = missed_said.batch
        LIMIT 5001
    ) s;
    -- A row trigger sees the rows that fail, and not how many there are.
    RETURN format('%s%s; the rule wants: %s', summed.at_least,
        CASE WHEN summed.failed <= 0 THEN 'rows fail'
             WHEN summed.rows > 0 THEN format('%s of %s rows fail', summed.failed, summed.rows)
             WHEN summed.failed = 1 THEN '1 row fails'
             ELSE format('%s rows fail', summed.failed) END, (missed_said.rule).promise);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.missed_said(rule pgslo_catalog.rule, batch text) IS 'What a missed batch comes to in the eyes of a rule, in words, as the caller may know it.';

CREATE FUNCTION pgslo_catalog.misses_rows(measure jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN coalesce(measure ->> 'form' IN ('rows', 'batches') OR measure ->> 'form' = 'change' AND measure #>> '{of,form}' = 'rows', false);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.misses_rows(measure jsonb) IS 'Whether a measure is about how many rows a batch has: one without rows may miss it.';

CREATE FUNCTION pgslo_catalog.mixed(usual jsonb, present double precision, counted jsonb, weight double precision) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_object_agg(m.key, m.share), '{}')
        FROM (
            SELECT e.key, sum(e.share)::float4 AS share
            FROM (
                SELECT j.key, (1 - weight) * j.value::float8 AS share FROM jsonb_each(usual) j
                UNION ALL SELECT j.key, weight * j.value::float8 / present FROM jsonb_each(counted) j
            ) e
            GROUP BY e.key
            HAVING sum(e.share) >= 1e-6
            ORDER BY sum(e.share) DESC LIMIT 1000
        ) m
    );
END
$$;

COMMENT ON FUNCTION pgslo_catalog.mixed(usual jsonb, present double precision, counted jsonb, weight double precision) IS 'Usual shares of values once one more batch is known.';

CREATE TABLE pgslo_catalog.other_relation (
    definition_id bigint NOT NULL,
    schema_name name NOT NULL,
    name name NOT NULL,
    number regclass NOT NULL,
    kind text NOT NULL,
    owner name NOT NULL,
    is_replaceable boolean NOT NULL,
    known_types text[]
);

COMMENT ON TABLE pgslo_catalog.other_relation IS 'Relations that definitions read besides their own tables, as they were at apply.';

COMMENT ON COLUMN pgslo_catalog.other_relation.is_replaceable IS 'Whether another role owns it, or its schema, and could put another relation in its place.';

COMMENT ON COLUMN pgslo_catalog.other_relation.known_types IS 'Name and type number of each column with a type of a user at apply; NULL where the relation is not replaceable.';

CREATE FUNCTION pgslo_catalog.moved(other pgslo_catalog.other_relation, OUT is_gone boolean, OUT said text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    present record;
BEGIN
    SELECT c.oid, c.relkind, pg_get_userbyid(c.relowner) AS owner INTO present
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = (moved.other).schema_name AND c.relname = (moved.other).name;
    is_gone := NOT FOUND;
    said := CASE
        WHEN is_gone THEN 'was dropped or renamed'
        WHEN present.relkind <> (moved.other).kind OR (moved.other).is_replaceable AND present.oid <> (moved.other).number
            THEN 'was replaced by another relation'
        WHEN present.owner <> (moved.other).owner
            THEN format('belongs to role %s now, and belonged to role %s', present.owner, (moved.other).owner)
        WHEN (moved.other).known_types IS NOT NULL AND EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = present.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
              AND format('%s %s', a.attname, a.atttypid) <> ALL ((moved.other).known_types))
            THEN 'has a column of a type that it did not have at apply'
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.moved(other pgslo_catalog.other_relation, OUT is_gone boolean, OUT said text) IS 'Return what differs between a relation that a definition reads besides its own table and the same at apply; NULL if nothing.';

CREATE FUNCTION pgslo_catalog.must_be_stored(definition text, relation regclass, violated text[], old_row record, new_row record) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    changed text[] := pgslo_catalog.changed_columns(must_be_stored.relation, must_be_stored.old_row, must_be_stored.new_row);
    -- Columns that a foreign key sets: SET NULL, SET DEFAULT, CASCADE.
    acted_on text[] := ARRAY(
        SELECT a.attname
        FROM pg_constraint k
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = must_be_stored.relation AND k.contype = 'f'
          AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('c', 'n', 'd')));
    -- A row that moves to another partition is inserted there, and would be kept out of that one.
    moves boolean := EXISTS (
        SELECT FROM pg_partition_ancestors(must_be_stored.relation) AS above (oid)
        JOIN pg_partitioned_table p ON p.partrelid = above.oid
        CROSS JOIN unnest(p.partattrs::smallint[]) AS k (attnum)
        LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum
        WHERE k.attnum = 0 OR a.attname = ANY (changed));
    refusing record;
BEGIN
    -- The row that is there violates those rules as well. A rule that names no column may be about any.
    IF NOT moves AND NOT EXISTS (
        SELECT FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = must_be_stored.definition AND r.name = ANY (must_be_stored.violated) AND (r.columns && changed OR r.columns = '{}')
    ) THEN
        RETURN true;
    END IF;
    IF pg_trigger_depth() < 2 OR NOT changed && acted_on THEN
        RETURN false;
    END IF;
    FOR refusing IN
        SELECT r.name, r.promise, coalesce(r.owner, d.owner, 'unknown') AS owner, c.name AS changed_column,
               c.name = ANY (acted_on) AS is_acted_on, n.nspname AS schema_name, t.relname AS table_name
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r USING (definition_id)
        CROSS JOIN unnest(changed) AS c (name)
        JOIN pg_class t ON t.oid = must_be_stored.relation
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE d.name = must_be_stored.definition AND r.name = ANY (must_be_stored.violated) AND c.name = ANY (r.columns)
        ORDER BY c.name = ANY (acted_on), r.rule_id, c.name
    LOOP
        IF NOT refusing.is_acted_on THEN
            RETURN false;  -- No foreign key changes that column.
        END IF;
        -- A foreign key and a trigger that imitates one look alike, and a row held back would point nowhere.
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('new row for %s violates rule "%s"', must_be_stored.definition, refusing.name),
            DETAIL = format('A foreign key, or a trigger, changes column "%s"; the rule wants: %s. Such an update cannot be quarantined.',
                refusing.changed_column, refusing.promise),
            HINT = format('Change or delete the row first, or ask the owner of the rule, %s.', refusing.owner),
            SCHEMA = refusing.schema_name,
            TABLE = refusing.table_name,
            COLUMN = refusing.changed_column,
            CONSTRAINT = refusing.name;
    END LOOP;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.must_be_stored(definition text, relation regclass, violated text[], old_row record, new_row record) IS 'Return whether an update of a row that violates quarantine rules is stored all the same: it changes no column that they read. An error if it may be what a foreign key does.';

CREATE FUNCTION pgslo_catalog.must_raise(error_code text, refuses boolean) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- After 40001 the transaction cannot commit: its writer tries again. Nearly every 54001 is of the value.
    RETURN must_raise.error_code = '40001'
        OR must_raise.refuses AND pgslo_catalog.is_transient(must_raise.error_code) AND must_raise.error_code <> '54001';
END
$$;

COMMENT ON FUNCTION pgslo_catalog.must_raise(error_code text, refuses boolean) IS 'Whether the writer gets an error because a rule, one that refuses rows or not, could not be judged.';

CREATE FUNCTION pgslo_catalog.name_at(place numeric, step numeric, like_name text, is_number boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    moment timestamp;
BEGIN
    IF name_at.is_number THEN
        RETURN trim_scale(name_at.place)::text;
    END IF;
    moment := to_timestamp(name_at.place::float8) AT TIME ZONE 'UTC';
    RETURN CASE
        WHEN name_at.like_name !~ 'T' OR name_at.step >= 86400 AND name_at.like_name !~ 'T00:00:00' THEN to_char(moment, 'YYYY-MM-DD')
        ELSE to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS') || coalesce(substring(name_at.like_name FROM E'[+-]\\d{2}:\\d{2}$'), '') END;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.name_at(place numeric, step numeric, like_name text, is_number boolean) IS 'What a batch at a place is called, as others of its table are; one that is loaded at no certain time of a day, by the day.';

CREATE FUNCTION pgslo_catalog.name_missed(definition_id bigint DEFAULT NULL::bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- Of all definitions, those that are new: a writer may have recorded one while another transaction renamed its definition.
    due bigint[] := CASE
        WHEN name_missed.definition_id IS NULL
            THEN ARRAY(SELECT m.missed_id FROM pgslo_catalog.missed_batch m WHERE m.ended_at IS NULL AND m.looked_at IS NULL)
        ELSE ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition_id = name_missed.definition_id AND m.ended_at IS NULL) END;
BEGIN
    UPDATE pgslo_catalog.missed_batch m SET definition = n.definition, about = n.about, concern = DEFAULT
    FROM (
        SELECT u.missed_id, d.name AS definition, CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END AS about
        FROM pgslo_catalog.missed_batch u
        JOIN pgslo_catalog.rule r USING (rule_id)
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE u.missed_id = ANY (due) AND u.ended_at IS NULL
          AND (u.definition <> d.name OR u.about <> CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END)
        FOR UPDATE OF u SKIP LOCKED
    ) n
    WHERE m.missed_id = n.missed_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.name_missed(definition_id bigint) IS 'Record in batches that are missed whom they concern, of a definition or of all: guards look there.';

CREATE FUNCTION pgslo_catalog.name_of(definition pgslo_catalog.definition, batch text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    hidden text := pgslo_catalog.text_name(name_of.batch, pgslo_catalog.salt((name_of.definition).name));
BEGIN
    RETURN CASE WHEN EXISTS (
        SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = (name_of.definition).definition_id AND f.batch = hidden
        UNION ALL
        SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = (name_of.definition).definition_id AND b.name = hidden
    ) THEN hidden ELSE name_of.batch END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.name_of(definition pgslo_catalog.definition, batch text) IS 'Return the name of a batch that is given by its name or by its key.';

CREATE FUNCTION pgslo_catalog.names_of(batches pgslo_catalog.measured[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(SELECT b.batch FROM unnest(names_of.batches) WITH ORDINALITY AS b ORDER BY b.ordinality);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.names_of(batches pgslo_catalog.measured[]) IS 'Return the names of batches.';

CREATE FUNCTION pgslo_catalog.native_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    names text[] := ARRAY(SELECT jsonb_array_elements_text(rests_on -> 'columns'));
    numbers smallint[] := pgslo_catalog.column_numbers(native_fault.relation, names);
BEGIN
    IF array_position(numbers, NULL) IS NOT NULL THEN
        said := format('column %I does not exist', names[array_position(numbers, NULL)]);
        to_do := 'take the rule out of the definition, then pgslo apply';
    ELSIF rests_on ->> 'kind' = 'not_null' THEN
        SELECT format('column %I accepts NULL', a.attname), 'pgslo apply makes it NOT NULL' INTO said, to_do
        FROM pg_attribute a WHERE a.attrelid = native_fault.relation AND a.attnum = numbers[1] AND NOT a.attnotnull
          -- The check that stands in for it holds every row that is written.
          AND NOT EXISTS (
              SELECT FROM pg_constraint k
              WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND pg_get_expr(k.conbin, k.conrelid) = format('(%I IS NOT NULL)', a.attname)
                -- PostgreSQL 18 and later.
                AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true));
    ELSIF rests_on ->> 'kind' = 'unique' THEN
        IF NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = native_fault.relation AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
              AND i.indpred IS NULL AND i.indexprs IS NULL
              AND (SELECT array_agg(k.number ORDER BY k.number) FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place) WHERE k.place <= i.indnkeyatts)
                = (SELECT array_agg(n.number ORDER BY n.number) FROM unnest(numbers) AS n (number))
        ) THEN
            said := format('there is no valid unique index on (%s)', (SELECT string_agg(quote_ident(n.name), ', ' ORDER BY n.place) FROM unnest(names) WITH ORDINALITY AS n (name, place)));
            to_do := 'pgslo apply creates one';
        END IF;
    ELSE
        SELECT f.said, f.to_do INTO said, to_do FROM pgslo_catalog.foreign_key_fault(native_fault.relation, native_fault.rests_on) AS f;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.native_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) IS 'Why PostgreSQL does not enforce a rule that rests on NOT NULL, a unique index or a foreign key, and what to do; NULL where it does.';

CREATE FUNCTION pgslo_catalog.need_history(definition text) RETURNS pgslo_catalog.definition
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = need_history.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', need_history.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    IF NOT EXISTS (SELECT FROM pgslo_catalog.watched_column w WHERE w.definition_id = target.definition_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no column of %s is watched', target.name),
            DETAIL = 'Its definition says so, and has no rule about batches either; nothing is measured.',
            HINT = 'Leave watch: false out of the definition.';
    ELSIF target.recount IS NULL OR target.batch_by IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('rows of %s do not say which batch they belong to', target.name),
            DETAIL = 'Nothing can be learned from the rows that are there; profiles are taken of what is written from now on.',
            HINT = 'Say it in the definition: batch: {by: <a date, time or number>}.';
    END IF;
    RETURN target;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.need_history(definition text) IS 'A definition whose rows say which batch they belong to; an error tells what is missing.';

CREATE FUNCTION pgslo_catalog.need_task(task text, reader name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;

COMMENT ON FUNCTION pgslo_catalog.need_task(task text, reader name) IS 'Raise an error unless a role may know of every table that a task reads.';

CREATE FUNCTION pgslo_catalog.new_type(relation regclass, known text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- By the numbers of the types: a type can be dropped and another one made under its name. A restored dump has other
    -- numbers, and nothing says whose types these are until the next apply.
    RETURN (
        SELECT format('column "%s" of %s has type %s since the last apply', a.attname, new_type.relation, format_type(a.atttypid, a.atttypmod))
        FROM pg_attribute a
        WHERE a.attrelid = new_type.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
          AND format('%s %s', a.attname, a.atttypid) <> ALL (new_type.known)
        ORDER BY a.attnum LIMIT 1);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.new_type(relation regclass, known text[]) IS 'Return which column of a table has a type of a user that it did not have at apply.';

CREATE FUNCTION pgslo_catalog.newest_batch(definition pgslo_catalog.definition, up_to numeric DEFAULT 'Infinity'::numeric, OUT name text, OUT place numeric) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET timezone_abbreviations TO 'Default'
    SET array_nulls TO 'on'
    SET gin_fuzzy_search_limit TO '0'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET lc_numeric TO 'C'
    SET lc_monetary TO 'C'
    SET lc_time TO 'C'
    SET transform_null_equals TO 'off'
    AS $_$
DECLARE
    newest timestamptz;
    target pgslo_catalog.definition := newest_batch.definition;
    value text := CASE WHEN target.batch_column IS NULL THEN target.batch_by ELSE format('r.%I', target.batch_column) END;
    kind regtype;
    -- Infinite values have no place: one of them would hide all other batches.
    bound text := format(' WHERE (SELECT %s FROM (SELECT %s AS raw) AS b) > ''-Infinity''', target.batch_place, target.batch_by);
    question text;
BEGIN
    IF target.batch_by IS NULL THEN
        -- Batches of the clock: the newest that is over.
        newest := date_bin(target.batch_every, clock_timestamp() - target.batch_every, '2001-01-01 00:00:00+00');
        name := pgslo_catalog.iso(newest);
        place := extract(epoch FROM newest);
        RETURN;
    END IF;
    IF NOT pgslo_catalog.can_find_batches(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('batches of %s cannot be found without reading all of it; create an index on (%s)', target.name,
                             coalesce(quote_ident(target.batch_column), regexp_replace(target.batch_by, E'\\mr\\.', '', 'g')));
    END IF;
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    IF newest_batch.up_to < 'Infinity' THEN
        -- As its owner: a column may have got another type since apply, and the cast may be a function of that role.
        question := format('SELECT pg_typeof(%s) FROM (SELECT (NULL::%s).*) AS r', value, target.relation);
        IF target.reader IS NULL THEN
            EXECUTE question INTO kind;
        ELSE
            EXECUTE format('SELECT n.kind FROM pgslo_gen.%I($1) AS n (kind regtype)', target.reader) INTO kind USING question;
        END IF;
        -- The place of a date, or of a time stamp without a zone, is its epoch in UTC.
        bound := bound || format(CASE kind WHEN 'timestamptz'::regtype THEN ' AND %s <= to_timestamp(%s)' ELSE ' AND %s <= to_timestamp(%s) AT TIME ZONE ''UTC''' END,
                                 value, newest_batch.up_to::float8);
    END IF;
    IF target.batch_column IS NOT NULL THEN
        -- The newest value first, by the index, and then the batch that it lies in.
        question := format('SELECT %s, %s FROM (SELECT %s AS raw FROM (SELECT max(r.%I) AS %I FROM %s AS r%s) AS r) AS b',
                           target.batch_name, target.batch_place, target.batch_by, target.batch_column, target.batch_column, target.relation, bound);
    ELSE
        question := format('SELECT %s, %s FROM (SELECT max(%s) AS raw FROM %s AS r%s) AS b', target.batch_name,
            target.batch_place, target.batch_by, target.relation, bound);
    END IF;
    IF target.reader IS NULL THEN
        EXECUTE question INTO name, place;
    ELSE
        EXECUTE format('SELECT n.name, n.place FROM pgslo_gen.%I($1) AS n (name text, place numeric)', target.reader) INTO name, place USING question;
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.newest_batch(definition pgslo_catalog.definition, up_to numeric, OUT name text, OUT place numeric) IS 'The newest batch of a streamed table, or the newest of those up to a place.';

CREATE FUNCTION pgslo_catalog.newest_batches(definition pgslo_catalog.definition, batches integer) RETURNS TABLE(name text, place numeric, rows bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    key text := (newest_batches.definition).batch_by;
    -- The clock's batches are cut from a value that an index may hold, while none holds what it is cut to.
    cut text := (regexp_match(key, E'^date_bin\\(''[^'']*'', (.+), ''2001-01-01 00:00:00\\+00''\\)$'))[1];
    value text := coalesce(cut, key);
    question text;
BEGIN
    IF EXISTS (
        SELECT FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am m ON m.oid = c.relam
        WHERE i.indrelid = (newest_batches.definition).relation AND i.indpred IS NULL AND i.indisvalid AND m.amname = 'btree'
          AND value = '(r.' || pg_get_indexdef(i.indexrelid, 1, true) || ')'
    ) THEN
        -- From batch to batch by the index: what is older is never read.
        question := format(
            'WITH RECURSIVE step AS (
                 SELECT (SELECT max(%1$s) FROM %2$s AS r) AS newest
                 UNION ALL
                 SELECT (SELECT max(%1$s) FROM %2$s AS r WHERE %1$s < %3$s) FROM step s WHERE s.newest IS NOT NULL
             ), found AS MATERIALIZED (
                 SELECT s.newest, %3$s AS raw FROM step s WHERE s.newest IS NOT NULL LIMIT %5$s
             )
             SELECT %6$s, %4$s, (SELECT count(*) FROM %2$s AS r WHERE %1$s >= b.raw AND %1$s <= b.newest)
             FROM found AS b WHERE %4$s > ''-Infinity''',
            value, (newest_batches.definition).relation, CASE WHEN cut IS NULL THEN 's.newest' ELSE replace(key, cut, 's.newest') END,
            (newest_batches.definition).batch_place, quote_nullable(newest_batches.batches), (newest_batches.definition).batch_name);
    ELSE
        question := format(
            'SELECT %s, %s AS place, b.rows FROM (SELECT %s AS raw, count(*) AS rows FROM %s AS r GROUP BY 1) AS b
             WHERE b.raw IS NOT NULL AND %2$s > ''-Infinity'' ORDER BY 2 DESC LIMIT %5$s',
            (newest_batches.definition).batch_name, (newest_batches.definition).batch_place, key,
                (newest_batches.definition).relation, quote_nullable(newest_batches.batches));
    END IF;
    PERFORM pgslo_catalog.pin_table(newest_batches.definition, (newest_batches.definition).reader);
    IF (newest_batches.definition).reader IS NULL THEN
        RETURN QUERY EXECUTE question;
    ELSE
        RETURN QUERY EXECUTE format('SELECT n.name, n.place, n.rows FROM pgslo_gen.%I($1) AS n (name text, place numeric, rows bigint)', (newest_batches.definition).reader) USING question;
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.newest_batches(definition pgslo_catalog.definition, batches integer) IS 'The newest batches that are in a table and their rows, newest first; by index where there is one, else in one scan.';

CREATE FUNCTION pgslo_catalog.newest_data(definition pgslo_catalog.definition) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    newest timestamptz;
    last_place numeric;
BEGIN
    IF (newest_data.definition).age_of IS NOT NULL THEN
        PERFORM pgslo_catalog.pin_table(newest_data.definition, (newest_data.definition).age_of);
        EXECUTE format('SELECT pgslo_gen.%I()', (newest_data.definition).age_of) INTO newest;
        RETURN newest;
    END IF;
    last_place := pgslo_catalog.last_place(newest_data.definition);
    -- When the newest batch was last written to: an old one that is mended makes a table no fresher, and neither does one in
    -- the future or one without rows.
    RETURN (
        SELECT f.written_at FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (newest_data.definition).definition_id AND f.operation NOT IN ('delete', 'truncate')
          AND f.place <= last_place AND NOT (f.operation IN ('merged', 'recounted') AND f.rows <= 0)
        ORDER BY f.place DESC, f.fragment_id DESC LIMIT 1);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.newest_data(definition pgslo_catalog.definition) IS 'How new a table''s data is; NULL when that cannot be told.';

CREATE FUNCTION pgslo_catalog.newest_known(incident pgslo_catalog.incident, OUT batch text, OUT place numeric) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (newest_known.incident).definition_id;
    last_place numeric := pgslo_catalog.last_place(id);
BEGIN
    -- A role has judged all up to it, and nothing that is still to come.
    SELECT w.batch, least(w.place, last_place) INTO newest_known.batch, newest_known.place
    FROM (
        SELECT b.name AS batch, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id
        UNION ALL SELECT f.batch, f.place FROM (SELECT f.batch, f.place FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.place <= last_place ORDER BY f.place DESC LIMIT 1) f
        UNION ALL SELECT v.batch, v.place FROM pgslo_catalog.verdict v WHERE v.rule_id = (newest_known.incident).rule_id
        UNION ALL SELECT (newest_known.incident).opened_batch, (newest_known.incident).opened_place
    ) w
    ORDER BY w.place <= last_place DESC, w.place DESC
    LIMIT 1;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.newest_known(incident pgslo_catalog.incident, OUT batch text, OUT place numeric) IS 'The newest batch that was there when a role ends an incident.';

CREATE FUNCTION pgslo_catalog.newest_missed_said(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    newest text;
BEGIN
    IF NOT pgslo_catalog.keeps_batches(newest_missed_said.rule) THEN
        RETURN pgslo_catalog.broken_said(newest_missed_said.rule) || '.';
    END IF;
    SELECT m.batch INTO newest FROM pgslo_catalog.missed_batch m
    WHERE m.rule_id = (newest_missed_said.rule).rule_id AND m.place >= (newest_missed_said.incident).opened_place
      AND m.place < coalesce((newest_missed_said.incident).over_place, 'Infinity')
    ORDER BY m.place DESC LIMIT 1;
    RETURN format('Batch %s: %s.', newest, pgslo_catalog.missed_said(newest_missed_said.rule, newest)) WHERE newest IS NOT NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.newest_missed_said(incident pgslo_catalog.incident, rule pgslo_catalog.rule) IS 'The newest missed batch of an incident, in a sentence.';

CREATE FUNCTION pgslo_catalog.news(since xid8, parts bigint[]) RETURNS TABLE(rule pgslo_catalog.rule, batch text, place numeric, is_plain boolean)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN QUERY
    SELECT r, f.batch, min(f.place),
           r.at_least IS NULL AND r.at_most IS NULL AND NOT bool_or(s.is_stored)
    FROM (
        -- Up to now, though the watermark moves no further than the oldest transaction that is still open somewhere.
        SELECT g.* FROM pgslo_catalog.fragment g WHERE g.failures IS NOT NULL AND g.xid >= news.since
        UNION ALL
        -- Written before the watermark, while a batch was being accepted.
        SELECT g.* FROM pgslo_catalog.fragment g
        WHERE g.failures IS NOT NULL AND g.xid < news.since AND (g.definition_id, g.batch) IN (
            SELECT m.definition_id, m.batch FROM pgslo_catalog.missed_batch m WHERE m.ended_xid >= news.since)
        UNION ALL
        SELECT g.* FROM pgslo_catalog.fragment g WHERE g.failures IS NOT NULL AND g.fragment_id = ANY (news.parts)
    ) AS f
    JOIN pgslo_catalog.rule r ON r.definition_id = f.definition_id AND (f.failures ->> r.name)::bigint > 0 AND r.retired_at IS NULL
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = r.rule_id AND m.batch = f.batch AND m.ended_at IS NULL)
    ) AS s (is_stored)
    WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = r.rule_id AND m.batch = f.batch
          AND (m.ended_at IS NULL AND m.incident_id IS NOT NULL OR m.ended_as = 'false_alarm'
               -- Whoever ended it has seen these rows.
               OR m.ended_at IS NOT NULL AND NOT s.is_stored AND pg_visible_in_snapshot(f.xid, m.seen_snapshot)))
    GROUP BY r.rule_id, f.batch
    ORDER BY min(f.place);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.news(since xid8, parts bigint[]) IS 'Return batches with failing rows that no missed batch stands for, of transactions since one, or in some fragments. is_plain: such rows violate the rule, whatever else was written.';

CREATE FUNCTION pgslo_catalog.news_said(definition text, planned text[]) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT string_agg(n.said, '; ' ORDER BY n.said) || '.'
        FROM (
            SELECT DISTINCT format('%s: batch %s misses rule "%s"', CASE WHEN m.about = '{*}' THEN 'the table' ELSE 'column ' || array_to_string(m.about, ', ') END, m.batch, r.name)
            FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
            WHERE m.definition = news_said.definition AND m.ended_at IS NULL
              AND m.concern NOT IN (SELECT k.name FROM unnest(news_said.planned) AS k (name))
            LIMIT 5
        ) AS n (said));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.news_said(definition text, planned text[]) IS 'What is missed and not known to a plan, in words.';

CREATE FUNCTION pgslo_catalog.normal_quantile(share double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    z float8 := 0;
    term float8;
    summed float8;
    step float8;
BEGIN
    -- Newton's method from the left of the root, where the distribution function is concave; its series is exact to the
    -- last digits for the z that shares below 1 - 1e-12 have.
    FOR n IN 1..60 LOOP
        term := z;
        summed := z;
        FOR k IN 1..200 LOOP
            term := term * z * z / (2 * k + 1);
            summed := summed + term;
            EXIT WHEN term < 1e-18 * summed OR term = 0;
        END LOOP;
        step := (least(share, 1 - 1e-12) - 0.5) * sqrt(2 * pi()) * exp(z * z / 2) - summed;
        z := z + step;
        EXIT WHEN abs(step) < 1e-12;
    END LOOP;
    RETURN z;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.normal_quantile(share double precision) IS 'The standard normal deviate with so large a share below it, from 0.5 on.';

CREATE FUNCTION pgslo_catalog.note_incident() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    what text := CASE
        WHEN TG_OP = 'INSERT' THEN 'opened'
        WHEN OLD.over_at IS NOT NULL AND NEW.over_at IS NULL THEN 'reopened'
        WHEN OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL THEN 'resolved'
        WHEN OLD.resolved_at IS NOT NULL AND NEW.resolved_at IS NULL OR OLD.over_at IS NULL AND NEW.over_at IS NOT NULL THEN 'over'
        WHEN NEW.resolution = 'real' AND OLD.resolution IS NULL THEN 'confirmed'
        WHEN OLD.acknowledged_at IS DISTINCT FROM NEW.acknowledged_at AND NEW.acknowledged_at IS NOT NULL THEN 'acknowledged'
        WHEN OLD.muted_until IS DISTINCT FROM NEW.muted_until THEN CASE WHEN NEW.muted_until IS NULL THEN 'unmuted' ELSE 'muted' END
    END;
    noted bigint;
BEGIN
    -- One that opened before this transaction began comes out of a dump, which brings its history as well.
    IF what IS NULL OR (TG_OP = 'INSERT' AND NEW.opened_at < transaction_timestamp()) THEN
        RETURN NULL;
    END IF;
    INSERT INTO pgslo_catalog.incident_event AS e (incident_id, event, batch, muted_until, resolution, note)
    VALUES (NEW.incident_id, what,
            CASE WHEN what = 'opened' THEN NEW.opened_batch WHEN what IN ('over', 'resolved') THEN NEW.over_batch END,
            CASE what WHEN 'muted' THEN NEW.muted_until END,
            CASE WHEN what IN ('over', 'confirmed', 'resolved') THEN NEW.resolution END,
            CASE WHEN TG_OP = 'INSERT' OR OLD.note IS DISTINCT FROM NEW.note THEN NEW.note END)
    RETURNING e.incident_event_id INTO noted;
    INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.note_incident() IS 'Writes the history of an incident, whoever changes it, and leaves it to tick() to tell of it.';

CREATE FUNCTION pgslo_catalog.note_overdrawn(definition_id bigint, batch text, parts bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Nearly always there are none. A row that fails when it is removed may have passed, or been unseen, when it was written.
    IF note_overdrawn.batch = 'unknown' OR NOT EXISTS (
        SELECT FROM pgslo_catalog.fragment f
        WHERE f.fragment_id = ANY (note_overdrawn.parts) AND f.failures IS NOT NULL
          AND EXISTS (SELECT FROM jsonb_each_text(f.failures) AS e WHERE e.value::bigint < 0))
    THEN
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT d.definition_id, r.rule_id, '55000', n.said, n.said, note_overdrawn.batch, s.place
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r USING (definition_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((f.failures ->> r.name)::bigint), 0)::bigint AS failed, sum(f.rows)::bigint AS rows, min(f.place) AS place,
               coalesce(bool_or((f.failures ->> r.name)::bigint < 0), false) AS is_taken
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (note_overdrawn.parts)
    ) AS s
    CROSS JOIN (SELECT 'failing rows were removed that may not have been recorded' AS said) AS n
    WHERE d.definition_id = note_overdrawn.definition_id AND d.judge IS NOT NULL
      AND r.scope = 'row' AND r.mechanism LIKE '% trigger' AND r.on_breach IN ('warn', 'flag') AND r.retired_at IS NULL
      -- One row that fails a rule without a share or a number is recorded when it is written, whatever the sum is.
      AND (s.failed < 0
           OR s.is_taken AND num_nonnulls(r.at_least, r.at_most) > 0 AND NOT pgslo_catalog.is_missed(r, s.rows, s.failed));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.note_overdrawn(definition_id bigint, batch text, parts bigint[]) IS 'Have rules judge a batch from the table whose sum of failing rows, in these fragments, may be less than is stored.';

CREATE FUNCTION pgslo_catalog.note_parts(definition_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = note_parts.definition_id;
    IF EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = target.relation::oid
    ) THEN
        -- tick() counts what came and left. The definition may have other batches now.
        UPDATE pgslo_catalog.known_part k
        SET places = pgslo_catalog.part_places(target, k.number), is_armed = a.is_armed,
            is_newly_armed = k.is_newly_armed OR a.is_armed AND NOT k.is_armed
        FROM pgslo_catalog.present_parts(target.relation) AS p
        CROSS JOIN LATERAL pgslo_catalog.is_armed(target.relation, p.number) AS a (is_armed)
        WHERE k.definition_id = target.definition_id AND k.number = p.number;
        RETURN;
    END IF;
    -- Nothing was recorded, or of another table: after a restore all tables have other numbers.
    DELETE FROM pgslo_catalog.known_part k WHERE k.definition_id = target.definition_id;
    INSERT INTO pgslo_catalog.known_part (definition_id, number, file, is_armed, places, link)
    SELECT target.definition_id, p.number, p.file, pgslo_catalog.is_armed(target.relation, p.number),
           pgslo_catalog.part_places(target, p.number), p.link
    FROM pgslo_catalog.present_parts(target.relation) AS p
    ON CONFLICT ON CONSTRAINT known_part_is_known_once DO NOTHING;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.note_parts(definition_id bigint) IS 'Record the partitions and children of a table, unless they are recorded.';

CREATE FUNCTION pgslo_catalog.noted_functions(noted text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- One row is noted by where it is and what settles it, several by what settles them alone.
    IF starts_with(noted_functions.noted, '(') THEN
        RETURN ARRAY[substr(noted_functions.noted, strpos(noted_functions.noted, ')') + 1)];
    END IF;
    RETURN noted_functions.noted::text[];
EXCEPTION WHEN data_exception THEN
    RETURN '{}';  -- Anybody may set it to anything; every row is settled by its own trigger at the latest.
END
$$;

COMMENT ON FUNCTION pgslo_catalog.noted_functions(noted text) IS 'The functions that the setting pgslo.touched names; none if it cannot be read.';

CREATE FUNCTION pgslo_catalog.number_of(value text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- At most 100 digits and an exponent of two are within the range of float8.
    IF length(number_of.value) <= 100 AND number_of.value !~ '[eE][+-]?[0-9]{3}' THEN
        RETURN number_of.value::float8;
    END IF;
    RETURN pgslo_catalog.float_of(number_of.value::numeric);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.number_of(value text) IS 'Return a decimal number with at most three digits of exponent; beyond 1e250 the bound, below 1e-250 zero. Never fails.';

CREATE FUNCTION pgslo_catalog.observe_assertion(check_function text, keys text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    seen pgslo_catalog.assertion;
    rule pgslo_catalog.rule;
    about pgslo_catalog.definition;
    found integer;
BEGIN
    SELECT a.* INTO seen FROM pgslo_catalog.assertion a WHERE a.check_function = observe_assertion.check_function;
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = seen.rule_id;
    SELECT d.* INTO about FROM pgslo_catalog.definition d WHERE d.definition_id = rule.definition_id;
    INSERT INTO pgslo_catalog.broken_group (rule_id, group_key, group_shown, said)
    SELECT seen.rule_id, b.group_key, b.group_shown, b.said
    FROM pgslo_catalog.broken_groups(seen.check_function, observe_assertion.keys, 100) AS b;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found = 0 THEN
        RETURN;
    END IF;
    PERFORM pgslo_catalog.open_incident(rule, pgslo_catalog.day_of_check(), pgslo_catalog.place_of_check());
    PERFORM pgslo_catalog.warn_writer(about.name, ARRAY[rule.name]);
EXCEPTION
    WHEN serialization_failure THEN
        RAISE;  -- Under SERIALIZABLE alone, where writers try again: going on would lose what is recorded.
    WHEN OTHERS THEN
        -- An observer: whatever happens, the write lives.
        PERFORM pgslo_catalog.record_break(about.name, rule.name, SQLSTATE, SQLERRM);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.observe_assertion(check_function text, keys text[]) IS 'Notes groups among these that break an assertion as this transaction sees them, opens its incident and warns the writer; never fails the write.';

CREATE FUNCTION pgslo_catalog.observe_touched() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF (SELECT a.deferred FROM pgslo_catalog.assertion a WHERE a.check_function = NEW.check_function) THEN
        PERFORM pgslo_catalog.observe_assertion(NEW.check_function, NEW.keys);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.observe_touched() IS 'When a transaction commits: looks at what a statement touched of an assertion that does not reject. The row stays for tick(), which sees what others did.';

CREATE FUNCTION pgslo_catalog.on_side(surprise double precision[], side integer, tolerated double precision[]) RETURNS double precision[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
BEGIN
    RETURN (
        -- Rows (40) have a direction: a promotion does not excuse a day without half of them. What comes now and then comes both ways.
        SELECT array_agg(CASE WHEN n.i <> 40 OR n.x * side >= 0 THEN abs(n.x)
                              ELSE least(abs(n.x), 3 * greatest(coalesce(tolerated[n.i], 0), 2.5)) END ORDER BY n.i)
        FROM (SELECT coalesce(u.x, 0) AS x, u.i FROM unnest(surprise) WITH ORDINALITY AS u (x, i)) AS n);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.on_side(surprise double precision[], side integer, tolerated double precision[]) IS 'How much surprise upwards (side 1) or downwards (-1) each surprise stands for, by what is tolerated there.';

CREATE FUNCTION pgslo_catalog.open_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    is_locked boolean;
BEGIN
    -- Looked up first because an insert that conflicts uses a number up all the same.
    IF pgslo_catalog.has_open_incident(open_incident.rule)
        OR pgslo_catalog.is_known_missed(open_incident.rule, open_incident.batch, open_incident.place) THEN
        RETURN true;
    END IF;
    -- Never waits: a writer that does not get the row leaves the incident to the one that has it, and to tick().
    -- tick() does not depend on that transaction, which may never commit.
    PERFORM FROM pgslo_catalog.rule_lock l WHERE l.rule_id = (open_incident.rule).rule_id FOR UPDATE SKIP LOCKED;
    is_locked := FOUND;
    IF NOT is_locked AND NOT open_incident.is_tick THEN
        RETURN false;
    END IF;
    -- Committed before the row was free.
    IF pgslo_catalog.has_open_incident(open_incident.rule) THEN
        RETURN true;
    END IF;
    IF pgslo_catalog.reopen_incident(open_incident.rule, open_incident.batch, open_incident.place, NOT is_locked) THEN
        RETURN true;
    END IF;
    INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, opened_by_tick)
    VALUES ((open_incident.rule).definition_id, (open_incident.rule).rule_id, open_incident.batch, open_incident.place, NOT is_locked)
    ON CONFLICT (definition_id, rule_id, opened_by_tick) WHERE over_at IS NULL DO NOTHING;
    RETURN true;
EXCEPTION WHEN serialization_failure THEN
    RETURN true;  -- Another transaction opened it after this one's snapshot was taken.
END
$$;

COMMENT ON FUNCTION pgslo_catalog.open_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean) IS 'Open an incident unless the rule has an open one, and return whether it has one now; never waits and never fails the write. tick() opens it also beside a transaction that opened one and has not ended.';

CREATE FUNCTION pgslo_catalog.open_left_over() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
    since xid8;
    is_restored boolean;
    missed record;
    all_done boolean := true;
BEGIN
    -- None is ahead of the transaction that wrote it, unless that was a restore: then it is the number of a cluster that had counted further.
    SELECT w.seen, w.seen > horizon OR (w.seen::text::bigint - w.xmin::text::bigint) & 4294967295 BETWEEN 1 AND 2147483647 INTO since, is_restored
    FROM pgslo_catalog.watermark w WHERE w.consumer = 'tick';
    IF is_restored OR since IS NULL THEN
        since := '0';
    END IF;
    FOR missed IN
        SELECT n.*, true AS is_of_rows FROM pgslo_catalog.news(since, NULL) AS n
        UNION ALL
        -- A batch was judged again while it was being accepted for what it was before.
        SELECT r, v.batch, v.place, true, false
        FROM pgslo_catalog.missed_batch m
        JOIN pgslo_catalog.verdict v ON v.rule_id = m.rule_id AND v.batch = m.batch AND v.verdict = 'missed'
        JOIN pgslo_catalog.rule r ON r.rule_id = m.rule_id AND r.scope = 'batch' AND r.retired_at IS NULL
        WHERE m.ended_xid >= since AND NOT pg_visible_in_snapshot(v.xid, m.seen_snapshot)
    LOOP
        CONTINUE WHEN NOT (missed.is_plain OR pgslo_catalog.batch_is_missed(missed.rule, missed.batch));
        BEGIN
            IF missed.is_of_rows THEN
                all_done := pgslo_catalog.open_incident(missed.rule, missed.batch, missed.place, true) AND all_done;
            END IF;
            PERFORM pgslo_catalog.record_missed(missed.rule, missed.batch, missed.place);
        EXCEPTION WHEN OTHERS THEN
            PERFORM pgslo_catalog.say_left((SELECT d.name FROM pgslo_catalog.definition d WHERE d.definition_id = (missed.rule).definition_id), SQLSTATE, SQLERRM);
            all_done := false;
        END;
    END LOOP;
    IF all_done THEN
        INSERT INTO pgslo_catalog.watermark AS w (consumer, seen) VALUES ('tick', horizon)
        ON CONFLICT (consumer) DO UPDATE SET seen = excluded.seen;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.open_left_over() IS 'Open the incidents of committed rows that have none: a writer left them to another one, which rolled back or has not ended, or they were committed while a steward accepted their batch.';

CREATE FUNCTION pgslo_catalog.open_one(incident_id bigint) RETURNS pgslo_catalog.incident
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO found FROM pgslo_catalog.incident i WHERE i.incident_id = open_one.incident_id FOR NO KEY UPDATE;
    IF found.incident_id IS NULL OR found.resolved_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = CASE WHEN found.incident_id IS NULL THEN format('incident %s does not exist', open_one.incident_id)
                           ELSE format('incident %s is resolved already', open_one.incident_id) END,
            DETAIL = CASE WHEN found.incident_id IS NULL THEN 'No incident has that number.'
                          ELSE format('It was resolved (%s) at %s UTC%s.', found.resolution, to_char(found.resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(' by ' || found.resolved_by, '')) END,
            HINT = 'SELECT * FROM pgslo.incident WHERE resolved_at IS NULL;';
    END IF;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.open_one(incident_id bigint) IS 'An incident that is open or over, locked; an error if it is resolved, or there is none.';

CREATE FUNCTION pgslo_catalog.opened(context text, seal text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    nonce text := split_part(opened.seal, ' ', 1);
    bits text := split_part(opened.seal, ' ', 2);
    secret text;
    block bit(256);
    hex text := '';
BEGIN
    -- Any role may have written it.
    IF opened.seal IS NULL OR length(bits) % 256 <> 0 OR opened.seal !~ '^[0-9.]+-[0-9]+ [01]+$' THEN
        RETURN NULL;
    END IF;
    SELECT s.value INTO secret FROM pgslo_catalog.secret s;
    FOR n IN 0..length(bits) / 256 - 1 LOOP
        block := ('x' || encode(sha256(convert_to(concat_ws(' ', secret, nonce, n, opened.context), 'SQL_ASCII')), 'hex'))::bit(256)
            # substr(bits, 1 + n * 256, 256)::bit(256);
        hex := concat(hex,
            lpad(to_hex(substring(block FROM 1 FOR 64)::bigint), 16, '0'), lpad(to_hex(substring(block FROM 65 FOR 64)::bigint), 16, '0'),
            lpad(to_hex(substring(block FROM 129 FOR 64)::bigint), 16, '0'), lpad(to_hex(substring(block FROM 193 FOR 64)::bigint), 16, '0'));
    END LOOP;
    IF right(hex, 16) <> '2020202020202020' THEN
        RETURN NULL;
    END IF;
    RETURN rtrim(convert_from(decode(hex, 'hex'), 'SQL_ASCII'));
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.opened(context text, seal text) IS 'Return the text that was sealed as pgslo_catalog.sealed() does it, with this context; NULL for any other text.';

CREATE FUNCTION pgslo_catalog.overdrawn(definition_id bigint) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- Only of these more can have been taken away than is known.
    suspects text[] := ARRAY(
        SELECT g.batch FROM pgslo_catalog.fragment g
        WHERE g.definition_id = overdrawn.definition_id AND g.operation NOT IN ('merged', 'recounted') AND g.rows < 0
        UNION
        SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = overdrawn.definition_id AND b.rows < 0);
BEGIN
    -- Nearly always.
    IF suspects = '{}' THEN
        RETURN '{}';
    END IF;
    -- Whoever takes a row away has seen it committed, so what was recorded of it has a lower number.
    RETURN ARRAY(
        SELECT s.batch
        FROM (
            SELECT k.batch, k.place, k.is_new, k.rows, sum(k.rows) OVER (PARTITION BY k.batch ORDER BY k.fragment_id) AS known
            FROM (
                -- Few by key, many in one scan: each look-up may be a scan if statistics are old.
                SELECT f.batch, f.place, f.rows, f.fragment_id, f.operation NOT IN ('merged', 'recounted') AS is_new
                FROM unnest(suspects) AS w (batch)
                CROSS JOIN LATERAL (
                    SELECT g.* FROM pgslo_catalog.fragment g
                    WHERE g.definition_id = overdrawn.definition_id AND g.batch = w.batch OFFSET 0
                ) f
                WHERE cardinality(suspects) <= 100
                UNION ALL
                SELECT f.batch, f.place, f.rows, f.fragment_id, f.operation NOT IN ('merged', 'recounted')
                FROM pgslo_catalog.fragment f
                WHERE f.definition_id = overdrawn.definition_id AND cardinality(suspects) > 100
            ) k
        ) s
        GROUP BY s.batch
        -- One that seems to be emptied may have rows from before pgslo.
        HAVING (min(s.known) < 0 OR sum(s.rows) <= 0) AND min(s.place) > '-Infinity' AND max(s.place) < 'Infinity' AND bool_or(s.is_new));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.overdrawn(definition_id bigint) IS 'Return batches that lost all the rows that are known, or more: some were there before pgslo, or came unseen.';

CREATE FUNCTION pgslo_catalog.part_places(definition pgslo_catalog.definition, part oid) RETURNS numrange
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET timezone_abbreviations TO 'Default'
    SET array_nulls TO 'on'
    SET gin_fuzzy_search_limit TO '0'
    SET "DateStyle" TO 'ISO, YMD'
    AS $_$
DECLARE
    target pgslo_catalog.definition := part_places.definition;
    -- Types of PostgreSQL's own, so that no conversion of another role runs.
    literal text := E'(''[^''\\\\]+''::(?:date|timestamp without time zone|timestamp with time zone|smallint|integer|bigint|numeric)|[0-9.]+)';
    -- A term in parentheses, with at most two levels of others inside. Those in constants and names do not count.
    flat text := E'[^()''"]|''[^'']*''|"[^"]*"';
    term text := format(E'\\((?:%1$s|\\((?:%1$s|\\((?:%1$s)*\\))*\\))*\\)', flat);
    bound text[];
    cut numeric;
    uncut numeric;
    places numrange := '(,)';
BEGIN
    IF target.batch_column IS NULL OR target.batch_by IS NULL THEN
        RETURN places;
    END IF;
    FOR bound IN
        SELECT regexp_match(one.found[1], format(E'^\\((.+) (>=|>|=|<=|<) %s\\)$', literal))
        FROM (
            SELECT pg_get_partition_constraintdef(part_places.part)
            UNION ALL
            SELECT pg_get_expr(k.conbin, k.conrelid) FROM pg_constraint k
            WHERE k.conrelid = part_places.part AND k.contype = 'c' AND k.convalidated
        ) AS condition (text)
        -- Each term of a conjunction is true of each row. In any other condition, a comparison may not be.
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN condition.text ~ format(E'^\\(%1$s( AND %1$s)+\\)$', term)
                    THEN substr(condition.text, 2, length(condition.text) - 2)
                WHEN condition.text ~ format('^%s$', term) THEN condition.text
            END
        ) AS conjunction (text)
        CROSS JOIN LATERAL regexp_matches(conjunction.text, term, 'g') AS one (found)
    LOOP
        CONTINUE WHEN bound IS NULL OR bound[1] <> quote_ident(target.batch_column) OR bound[3] LIKE '%infinity%';
        EXECUTE format(
            'SELECT %1$s, (SELECT %1$s FROM (SELECT r.%2$I AS raw) AS b) FROM (SELECT %3$s AS %2$I) AS r, LATERAL (SELECT %4$s AS raw) AS b',
            target.batch_place, target.batch_column, bound[3], target.batch_by)
        INTO cut, uncut;
        CONTINUE WHEN cut = '-Infinity';  -- The bound is later than any time stamp.
        places := places * CASE
            WHEN bound[2] IN ('>=', '>') THEN numrange(cut, NULL)
            WHEN bound[2] = '<' THEN numrange(NULL, cut, CASE WHEN cut = uncut THEN '()' ELSE '(]' END)
            WHEN bound[2] = '<=' THEN numrange(NULL, cut, '(]')
            ELSE numrange(cut, cut, '[]')
        END;
    END LOOP;
    RETURN places;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.part_places(definition pgslo_catalog.definition, part oid) IS 'Return the order of the batches that partition bounds and CHECK constraints of a part allow; all where these are not about the batch.';

CREATE FUNCTION pgslo_catalog.parts_of(type regtype) RETURNS SETOF pg_type
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE part AS (
        SELECT parts_of.type::oid AS oid
        UNION
        SELECT p.oid
        FROM part
        JOIN pg_type d ON d.oid = part.oid
        CROSS JOIN LATERAL (
            SELECT d.typbasetype WHERE d.typtype = 'd'
            UNION ALL SELECT d.typelem WHERE d.typcategory = 'A'
            UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = d.oid
            UNION ALL SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = d.oid
            UNION ALL SELECT f.atttypid FROM pg_attribute f
                      WHERE d.typtype = 'c' AND f.attrelid = d.typrelid AND f.attnum > 0 AND NOT f.attisdropped
        ) AS p (oid)
    )
    -- Types of a lower number came with PostgreSQL: only superusers define casts between them.
    SELECT d.* FROM part JOIN pg_type d ON d.oid = part.oid WHERE d.oid >= 16384
$$;

COMMENT ON FUNCTION pgslo_catalog.parts_of(type regtype) IS 'Return a type and the types that it is made of, but for PostgreSQL''s own.';

CREATE FUNCTION pgslo_catalog.passing_singly(failure text, rule text, operation text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN format('((%s(r.*, %L, %L)).shown IS NULL)', passing_singly.failure, passing_singly.rule, passing_singly.operation);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.passing_singly(failure text, rule text, operation text) IS 'Return the condition under which a row passes by a call of its own, so that a row that raises an error fails.';

CREATE FUNCTION pgslo_catalog.phase(form text, place numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    moment timestamp := to_timestamp(phase.place::float8) AT TIME ZONE 'UTC';
BEGIN
    RETURN CASE phase.form
        WHEN 'each' THEN ''
        WHEN 'time of day' THEN to_char(moment, 'HH24:MI')
        WHEN 'weekday' THEN to_char(moment, 'ID HH24:MI')
        WHEN 'day of month' THEN to_char(moment, 'DD')
        WHEN 'days to month end' THEN
            extract(day FROM date_trunc('month', moment) + interval '1 month' - date_trunc('day', moment))::text
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.phase(form text, place numeric) IS 'What batches at a place have in common with others, in one way to see a calendar.';

CREATE FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) RETURNS numeric
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Batches that are an hour apart follow the day, those that are a day apart the week.
    SELECT CASE WHEN g.gap BETWEEN 3000 AND 4200 THEN 86400 WHEN g.gap BETWEEN 77760 AND 95040 THEN 604800 END
    FROM (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) AS gap
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = phase_of.definition_id AND p.column_name = '*' AND p.place <= phase_of.place
            ORDER BY p.place DESC LIMIT 28
        ) d
    ) g
    WHERE phase_of.place > 100000000
$$;

COMMENT ON FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) IS 'Seconds after which batches are alike again, by how far they are apart; NULL when no such period is known.';

CREATE FUNCTION pgslo_catalog.pin_number(name text, number oid) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    owner name;
BEGIN
    -- The caller has locked what has the name now, so that it keeps its name, its kind and its owner.
    PERFORM pgslo_catalog.refuse_stale(pin_number.number);
    SELECT pg_get_userbyid(c.relowner) INTO owner
    FROM pg_class c
    WHERE c.oid = pin_number.number AND c.oid = to_regclass(pin_number.name) AND c.relkind IN ('r', 'p');
    IF owner IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not the table that rows were looked up in when the definition was applied', pin_number.name),
            DETAIL = 'It was dropped, renamed or replaced; nothing is read by its name.',
            HINT = 'Run pgslo apply.';
    ELSIF owner <> current_user THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when the definition was applied', pin_number.name),
            DETAIL = format('It belongs to role %s; it would be looked up with the rights of role %s.', owner, current_user),
            HINT = 'Run pgslo apply.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.pin_number(name text, number oid) IS 'Refuse unless the table of that name has that number, and belongs to the role whose function looks rows up in it.';

CREATE FUNCTION pgslo_catalog.pin_others(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT format('%I.%I', o.schema_name, o.name) AS qualified
        FROM pgslo_catalog.other_relation o
        WHERE o.definition_id = (pin_others.definition).definition_id AND o.kind IN ('r', 'p', 'v') AND o.is_replaceable
        ORDER BY o.schema_name, o.name
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', one.qualified);
        EXCEPTION WHEN insufficient_privilege OR undefined_table OR invalid_schema_name OR wrong_object_type THEN
            NULL;  -- It is looked at all the same.
        END;
    END LOOP;
    -- No view: a session may refuse them.
    SELECT o.schema_name, o.name, m.is_gone, m.said INTO one
    FROM pgslo_catalog.other_relation o CROSS JOIN LATERAL pgslo_catalog.moved(o) AS m
    WHERE o.definition_id = (pin_others.definition).definition_id AND m.said IS NOT NULL
    ORDER BY o.schema_name, o.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN one.is_gone THEN 'undefined_table' ELSE 'wrong_object_type' END,
            MESSAGE = format('%I.%I %s', one.schema_name, one.name, one.said),
            DETAIL = format('The definition of %s reads it; nothing is read by its name.', (pin_others.definition).name),
            HINT = 'Run pgslo apply.';
    END IF;
    PERFORM pgslo_catalog.hold_parts(to_regclass(format('%I.%I', o.schema_name, o.name)), c.relowner)
    FROM pgslo_catalog.other_relation o
    CROSS JOIN LATERAL (SELECT w.relowner FROM pg_class w WHERE w.oid = (pin_others.definition).relation) AS c
    WHERE o.definition_id = (pin_others.definition).definition_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.pin_others(definition pgslo_catalog.definition) IS 'Hold the other relations that a definition reads, and refuse if one is not what it was at apply.';

CREATE FUNCTION pgslo_catalog.pin_parts(relation regclass) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Immutable, so that the planner calls it each time that it plans a query, before it looks at parts and their indexes, and
    -- execution never does. A change of a table or a part, also of its owner, has PostgreSQL plan again.
    PERFORM pgslo_catalog.hold_parts(pin_parts.relation);
    RETURN true;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.pin_parts(relation regclass) IS 'Refuse to plan a query on a table if a part of it belongs to a role without the rights of the current one; true otherwise.';

CREATE FUNCTION pgslo_catalog.pin_table(definition pgslo_catalog.definition, function text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    relation regclass := (pin_table.definition).relation;
    qualified text;
    owner oid;
    runs_as oid;
    has_parts boolean;
    -- What the runtime asks itself, it asks of the table by its number, whatever its name is now.
    by_name boolean := coalesce(pin_table.function NOT IN ((pin_table.definition).reader, (pin_table.definition).writer), pin_table.function IS NOT NULL);
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) INTO qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND (NOT by_name OR n.nspname || '.' || c.relname = (pin_table.definition).name);
    IF FOUND THEN
        -- It keeps its name, its place and its owner until the transaction ends. The lock is taken by name, so the name is checked after it.
        EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', qualified);
    END IF;
    IF qualified IS NULL OR to_regclass(qualified) IS DISTINCT FROM relation THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not the table that its definition was applied to', (pin_table.definition).name),
            DETAIL = 'The table was dropped, renamed or replaced; nothing is read by its name.',
            HINT = 'Run pgslo plan.';
    END IF;
    PERFORM pgslo_catalog.refuse_stale(relation);
    SELECT c.relowner, c.relhassubclass INTO owner, has_parts FROM pg_class c WHERE c.oid = relation;
    SELECT p.proowner INTO runs_as FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proname = pin_table.function;
    IF coalesce(runs_as, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s belongs to another role than when its definition was applied', (pin_table.definition).name),
            DETAIL = format('It belongs to role %s; its functions would run with the rights of role %s.', pg_get_userbyid(owner), coalesce(pg_get_userbyid(runs_as), current_user)),
            HINT = 'Run pgslo apply.';
    END IF;
    PERFORM pgslo_catalog.check_types(pin_table.definition);
    IF by_name AND pin_table.function IS DISTINCT FROM (pin_table.definition).recount AND pin_table.function IS DISTINCT FROM (pin_table.definition).age_of THEN
        PERFORM pgslo_catalog.pin_others(pin_table.definition);
    END IF;
    IF has_parts THEN
        PERFORM pgslo_catalog.refuse_part(relation, owner);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.pin_table(definition pgslo_catalog.definition, function text) IS 'Hold a table by its name until the transaction ends, and refuse if it was replaced, belongs to another role than its functions, or has a column of a new type.';

CREATE FUNCTION pgslo_catalog.place_of_check() RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN extract(epoch FROM date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC'));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.place_of_check() IS 'Where that day stands among the others: seconds since 1970.';

CREATE FUNCTION pgslo_catalog.places_of(batches pgslo_catalog.measured[]) RETURNS numeric[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(SELECT b.place FROM unnest(places_of.batches) WITH ORDINALITY AS b ORDER BY b.ordinality);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.places_of(batches pgslo_catalog.measured[]) IS 'Return the places of batches, in the order of their names.';

CREATE FUNCTION pgslo_catalog.plan_reads_again() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    due text;
    command text;
BEGIN
    -- Nearly always there are none.
    FOREACH due IN ARRAY ARRAY(
        SELECT DISTINCT m.definition FROM pgslo_catalog.missed_batch m WHERE m.ended_at IS NULL AND m.planned_at IS NULL)
    LOOP
        BEGIN
            -- Granting a privilege again changes nothing, and every session, also on a standby, plans its reads of the view again.
            -- Not in a writer's transaction: of two at once, one fails.
            FOREACH command IN ARRAY ARRAY(
                SELECT format('GRANT SELECT ON %s TO %I', c.oid::regclass, r.rolname)
                FROM pgslo_catalog.generated g
                JOIN pg_class c ON c.oid = g.object_id AND c.relkind = 'v'
                JOIN pg_roles r ON r.oid = c.relowner AND pg_has_role(r.oid, 'USAGE')
                WHERE g.kind = 'view' AND g.is_ours AND g.definition = due)
            LOOP
                EXECUTE command;
            END LOOP;
            UPDATE pgslo_catalog.missed_batch m SET planned_at = clock_timestamp()
            WHERE m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u
                WHERE u.definition = due AND u.ended_at IS NULL AND u.planned_at IS NULL
                FOR UPDATE SKIP LOCKED);
        EXCEPTION
            WHEN query_canceled THEN
                RAISE;
            WHEN internal_error OR undefined_table OR lock_not_available THEN
                NULL;  -- Another session alters the view at this moment, or drops it: the next tick() does it.
            WHEN OTHERS THEN
                RAISE WARNING USING
                    ERRCODE = '01SL2',
                    MESSAGE = format('sessions keep their plans of reads of %s', due),
                    DETAIL = format('SQLSTATE %s: %s.', SQLSTATE, SQLERRM),
                    HINT = 'Readers with prepared statements are warned of the table as a whole until pgslo.tick() can grant a privilege on its guarded views.';
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.plan_reads_again() IS 'Have sessions plan their reads of guarded views again after batches were missed.';

CREATE FUNCTION pgslo_catalog.present_parts(relation regclass) RETURNS TABLE(number oid, file oid, link text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE part AS (
        SELECT present_parts.relation::oid AS oid, '' AS link
        UNION
        -- ATTACH writes the row again: the part may have been written to before, while it belonged to no table.
        SELECT i.inhrelid, concat(p.link, ' ', i.xmin) FROM part p JOIN pg_inherits i ON i.inhparent = p.oid WHERE NOT i.inhdetachpending
    )
    SELECT c.oid, CASE WHEN c.oid = present_parts.relation THEN 0 ELSE c.relfilenode END, string_agg(p.link, ',' ORDER BY p.link COLLATE "C")
    FROM part p JOIN pg_class c ON c.oid = p.oid
    WHERE c.relkind IN ('r', 'f') OR c.oid = present_parts.relation
    GROUP BY c.oid, c.relfilenode
$$;

COMMENT ON FUNCTION pgslo_catalog.present_parts(relation regclass) IS 'Return a table and the partitions and children with rows of it, the number of their files, and by which transactions they became parts.';

CREATE FUNCTION pgslo_catalog.problem(definition text, columns text[], within interval DEFAULT NULL::interval) RETURNS TABLE(code text, incident_id bigint, rule text, column_name text, message text, detail text, hint text, by_row boolean)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    reach interval := pgslo_catalog.reach(problem.definition, problem.within);
BEGIN
    RETURN QUERY
    -- Batches that missed a rule and are stored, one line a rule.
    WITH stored AS (
        SELECT m.rule_id, max(m.incident_id) AS incident_id, count(DISTINCT m.batch) AS batches, min(m.missed_at) AS since,
               array_agg(m.batch ORDER BY m.place DESC, m.missed_id DESC) AS names,
               -- Nobody reads a row of a batch that has none, and only rules about their number miss one.
               bool_and(m.about <> '{*}' OR coalesce(b.rows > 0, k.measure ->> 'form' IS DISTINCT FROM 'batches') OR NOT pgslo_catalog.misses_rows(k.measure)) AS by_row
        FROM pgslo_catalog.missed_batch m
        JOIN pgslo_catalog.rule k ON k.rule_id = m.rule_id
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = m.definition_id AND b.name = m.batch
        WHERE m.definition = problem.definition AND m.ended_at IS NULL AND m.about && problem.columns
          AND pgslo_catalog.is_within(m.place, reach)
        GROUP BY m.rule_id
    ), named AS (
        SELECT s.rule_id, s.batches, s.since, s.names, s.by_row, r AS rule, d.owner,
               i.incident_id, i.opened_at, coalesce(i.over_at IS NULL, true) AS is_open,
               (SELECT min(c.name) FROM unnest(r.columns) AS c (name) WHERE c.name = ANY (problem.columns)) AS column_name,
               CASE WHEN r.kind = 'learned' THEN (
                   SELECT min(o.rule_id) FROM stored o JOIN pgslo_catalog.rule k ON k.rule_id = o.rule_id
                   WHERE k.kind <> 'learned' AND k.columns && r.columns AND o.names && s.names) END AS told_by
        FROM stored s
        JOIN pgslo_catalog.rule r ON r.rule_id = s.rule_id AND r.retired_at IS NULL
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        LEFT JOIN LATERAL (
            -- A batch that a writer recorded is joined to its incident by tick().
            SELECT o.* FROM pgslo_catalog.incident o
            WHERE o.definition_id = r.definition_id AND o.rule_id = r.rule_id AND (o.incident_id = s.incident_id OR o.over_at IS NULL)
            ORDER BY o.over_at IS NULL DESC, o.opened_by_tick DESC, o.incident_id DESC LIMIT 1
        ) i ON true
        -- Nothing but the newest batch can be missing.
        WHERE s.by_row OR coalesce(i.over_at IS NULL, true)
    )
    SELECT '01SL1', n.incident_id, (n.rule).name, n.column_name,
           format('%s misses rule%s', CASE WHEN n.column_name IS NULL THEN problem.definition ELSE format('column "%s" of %s', n.column_name, problem.definition) END,
               format(CASE WHEN l.names IS NULL THEN ' "%s"' ELSE 's "%s" and %s' END, (n.rule).name, l.names)),
           format('Batch %s: %s. %s', n.names[1], pgslo_catalog.missed_said(n.rule, n.names[1]),
               CASE WHEN n.is_open
                    THEN format('Since %s UTC, %s.', to_char(coalesce(n.opened_at, n.since) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), pgslo_catalog.batches_shown(n.batches))
                    ELSE format('Later batches meet the rule; %s stored since %s UTC.',
                        CASE n.batches WHEN 1 THEN 'this one is' ELSE pgslo_catalog.batches_shown(n.batches) || ' that missed it are' END,
                        to_char(n.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) END),
           CASE WHEN n.incident_id IS NULL THEN format('The owner is %s.', coalesce((n.rule).owner, n.owner, 'unknown'))
                ELSE format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);', n.incident_id, coalesce((n.rule).owner, n.owner, 'unknown'), n.incident_id) END,
           n.by_row
    FROM named n
    LEFT JOIN LATERAL (SELECT string_agg(format('"%s"', (o.rule).name), ', ' ORDER BY o.rule_id) FROM named o WHERE o.told_by = n.rule_id) AS l (names) ON true
    WHERE n.told_by IS NULL
    UNION ALL
    -- Rules over the table as it is now.
    SELECT '01SL1', i.incident_id, r.name, touched.name,
           format('%s misses rule "%s"', touched.phrase, r.name),
           format('%s. Since %s UTC.', upper(left(s.said, 1) COLLATE "C") || substr(s.said, 2), to_char(i.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);', i.incident_id, coalesce(r.owner, d.owner, 'unknown'), i.incident_id),
           false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.incident i ON i.definition_id = d.definition_id AND i.over_at IS NULL
    JOIN pgslo_catalog.rule r ON r.rule_id = i.rule_id AND r.retired_at IS NULL AND r.scope <> 'table' AND NOT pgslo_catalog.keeps_batches(r)
    CROSS JOIN LATERAL (
        SELECT c.name, CASE WHEN c.name IS NULL THEN d.name ELSE format('column "%s" of %s', c.name, d.name) END AS phrase
        FROM (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS c (name)
        WHERE c.name IS NOT NULL OR (r.columns = '{}' AND '*' = ANY (problem.columns))
    ) touched
    CROSS JOIN LATERAL (SELECT pgslo_catalog.broken_said(r) AS said) AS s
    WHERE d.name = problem.definition
      -- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
      AND (i.opened_by_tick OR NOT EXISTS (
          SELECT FROM pgslo_catalog.incident k WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id AND k.over_at IS NULL AND k.opened_by_tick))
    UNION ALL
    -- How old the newest data is, as of now: nobody has to write or tick for a table to become stale.
    SELECT CASE WHEN a.value IS NULL THEN '01SL2' ELSE '01SL1' END, i.incident_id, r.name, NULL::text,
           CASE WHEN a.value IS NULL THEN format('freshness of %s cannot be told', d.name) ELSE format('%s misses rule "%s"', d.name, r.name) END,
           upper(left(a.said, 1) COLLATE "C") || substr(a.said, 2) || '.',
           format('%s %s.', CASE WHEN i.incident_id IS NULL THEN 'Tell the owner,' ELSE format('Incident %s, owner', i.incident_id) END, coalesce(r.owner, d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.scope = 'table' AND r.retired_at IS NULL
    LEFT JOIN LATERAL (
        SELECT o.incident_id FROM pgslo_catalog.incident o
        WHERE o.definition_id = d.definition_id AND o.rule_id = r.rule_id AND o.over_at IS NULL
        ORDER BY o.opened_by_tick DESC LIMIT 1
    ) i ON true
    CROSS JOIN LATERAL pgslo_catalog.age(d) AS a
    WHERE d.name = problem.definition AND d.max_age IS NOT NULL AND '*' = ANY (problem.columns) AND (a.value IS NULL OR a.value > r.warn_high)
    UNION ALL
    SELECT '01SL2', NULL, r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)),
           format('rule "%s" of %s can no longer be judged', r.name, d.name),
           format('%s. Since %s UTC.', pgslo_catalog.break_said(b, pgslo_catalog.caller()), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           CASE WHEN b.pause_id IS NULL
                THEN format('Tell the owner, %s: pgslo plan shows what changed.', coalesce(r.owner, d.owner, 'unknown'))
                ELSE format('SELECT * FROM pgslo.pause; the owner is %s.', coalesce(r.owner, d.owner, 'unknown')) END,
           false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
    JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id AND r.retired_at IS NULL
    WHERE d.name = problem.definition AND b.batch IS NULL AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
    UNION ALL
    SELECT '01SL2', NULL, u.name, u.column_name,
           format('rule "%s" of %s has not been evaluated for batch %s', u.name, problem.definition, u.batches[1]),
           format('%s since %s UTC, SQLSTATE %s.', CASE cardinality(u.batches) WHEN 1 THEN '1 batch' ELSE cardinality(u.batches) || ' batches' END,
                  to_char(u.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), u.error_code),
           format('SELECT pgslo.tick(); tries again. The owner is %s.', u.owner), u.column_name IS NOT NULL
    FROM (
        SELECT r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS column_name,
               coalesce(r.owner, d.owner, 'unknown') AS owner, min(k.since) AS since, min(k.error_code) AS error_code,
               array_agg(k.batch ORDER BY k.place DESC, k.batch) AS batches
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.retired_at IS NULL
        JOIN (
            SELECT b.definition_id, b.rule_id, b.batch, min(b.place) AS place, min(b.broke_at) AS since, min(b.error_code) AS error_code
            FROM pgslo_catalog.rule_break b WHERE b.batch IS NOT NULL AND pgslo_catalog.is_within(b.place, reach)
            GROUP BY b.definition_id, b.rule_id, b.batch
        ) k ON k.definition_id = d.definition_id AND k.rule_id = r.rule_id
        WHERE d.name = problem.definition AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
        GROUP BY r.rule_id, d.owner
    ) u
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL,
           format('batches of %s can no longer be told apart', d.name),
           format('%s. Since %s UTC.', pgslo_catalog.break_said(b, pgslo_catalog.caller()), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           format('Tell the owner, %s: pgslo plan shows what changed.', coalesce(d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id AND b.rule_id IS NULL
    WHERE d.name = problem.definition AND '*' = ANY (problem.columns)
    UNION ALL
    SELECT '01SL1', NULL, 'schema', NULL, format('%s misses rule "schema"', d.name), upper(left(s.difference, 1) COLLATE "C") || substr(s.difference, 2) || '.',
           format('Tell the owner, %s.', coalesce(d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    CROSS JOIN LATERAL (SELECT pgslo_catalog.schema_difference(d.relation, d.schema_wanted)) AS s (difference)
    WHERE d.name = problem.definition AND d.schema_wanted IS NOT NULL AND '*' = ANY (problem.columns) AND s.difference IS NOT NULL
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL, format('%s has no definition', problem.definition), 'The guarded view outlived it.', 'pgslo plan shows how to mend it.', false
    WHERE NOT EXISTS (SELECT FROM pgslo_catalog.definition d WHERE d.name = problem.definition);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.problem(definition text, columns text[], within interval) IS 'What is wrong with these columns of a definition; ''*'' stands for the table as a whole. by_row: rows of the batches tell whom it concerns.';

CREATE FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
DECLARE
    phase numeric;
    mine pgslo_catalog.profile;
    before pgslo_catalog.profile;
    presents float8[];
    counts jsonb[];
    patterns jsonb[];
    alike text[];
    weight float8;
    apart float8[];
    shapes float8[];
    grid float8[];
    one record;
    scale float8;
BEGIN
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name;
    PERFORM pgslo_catalog.describe_batch(definition, batch, columns, sample, level, present);
    IF pgslo_catalog.is_holiday(profile_batch.definition.holidays, profile_batch.batch.place) THEN
        UPDATE pgslo_catalog.profile p SET baseline = false WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name;
    END IF;
    phase := pgslo_catalog.phase_of(definition.definition_id, batch.place);
    -- What lasts is no fault any more: 5 missed batches in a row, or 3 of this batch's phase, are what later ones are compared with.
    -- Without the latter, each Monday would miss after a Monday that was a holiday, and never be learned.
    UPDATE pgslo_catalog.profile p
    SET baseline = true
    FROM (
        SELECT q.column_name, array_agg(q.batch) AS batches
        FROM (
            SELECT true AS in_a_row, b.name
            FROM (
                SELECT b.name FROM pgslo_catalog.batch b
                WHERE b.definition_id = profile_batch.definition.definition_id AND b.place < profile_batch.batch.place ORDER BY b.place DESC LIMIT 5
            ) b
            UNION ALL
            SELECT false, b.name FROM pgslo_catalog.batch b
            WHERE b.definition_id = profile_batch.definition.definition_id
              AND b.place IN (profile_batch.batch.place - phase, profile_batch.batch.place - 2 * phase, profile_batch.batch.place - 3 * phase)
        ) l
        JOIN pgslo_catalog.profile q ON q.definition_id = profile_batch.definition.definition_id AND q.batch = l.name
        GROUP BY q.column_name, l.in_a_row
        HAVING count(*) = CASE WHEN l.in_a_row THEN 5 ELSE 3 END AND NOT bool_or(q.baseline)
    ) a
    WHERE p.definition_id = profile_batch.definition.definition_id AND p.column_name = a.column_name AND p.batch = ANY (a.batches) AND NOT p.baseline;

    FOR mine IN SELECT p.* FROM pgslo_catalog.profile p WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name LOOP
        SELECT p.* INTO before FROM pgslo_catalog.profile p
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place
        ORDER BY p.place DESC LIMIT 1;
        CONTINUE WHEN before.definition_id IS NULL;

        -- What was usual before the last batch, and the last batch, make what is usual now.
        mine.usual := coalesce(before.usual, '{}');
        mine.usual_shapes := coalesce(before.usual_shapes, '{}');
        mine.usual_grid := before.usual_grid;
        mine.tolerated := before.tolerated;
        mine.tolerated_below := before.tolerated_below;
        mine.learned_from := before.learned_from;
        IF before.baseline THEN
            mine.learned_from := before.learned_from + 1;
            IF before.surprise IS NOT NULL THEN
                mine.tolerated := pgslo_catalog.widened(before.tolerated, before.surprise, 1, before.learned_from < 24);
                mine.tolerated_below := pgslo_catalog.widened(before.tolerated_below, before.surprise, -1, before.learned_from < 24);
            END IF;
            IF before.sampled > 0 AND before.column_name <> '*' THEN
                weight := greatest(1 / 7.0, 1.0 / mine.learned_from);
                mine.usual := pgslo_catalog.mixed(mine.usual, before.sampled, before.common, weight);
                mine.usual_shapes := pgslo_catalog.mixed(mine.usual_shapes, before.sampled, before.shapes, weight);
                IF before.grid IS NOT NULL THEN
                    IF mine.usual_grid IS NULL THEN
                        mine.usual_grid := before.grid || before.grid[1] || before.grid[41];
                    ELSE
                        SELECT array_agg((1 - weight) * o.x + weight * n.x ORDER BY o.i) INTO grid
                        FROM unnest(mine.usual_grid[1:41]) WITH ORDINALITY AS o (x, i) JOIN unnest(before.grid) WITH ORDINALITY AS n (x, i) USING (i);
                        mine.usual_grid := grid
                            || least(before.grid[1], mine.usual_grid[42] + 0.02 * (grid[1] - mine.usual_grid[42]))
                            || greatest(before.grid[41], mine.usual_grid[43] - 0.02 * (mine.usual_grid[43] - grid[41]));
                    END IF;
                END IF;
            END IF;
        END IF;

        IF NOT before.baseline AND before.surprise IS NOT NULL THEN
            -- What happened three times in the last 28 batches is tolerated, although nobody said that it was a false alarm.
            -- What lasts happened once.
            SELECT array_agg(greatest(coalesce(a.x, 0), t.above) ORDER BY t.i), array_agg(greatest(coalesce(b.x, 0), t.below) ORDER BY t.i)
            INTO mine.tolerated, mine.tolerated_below
            FROM (
                SELECT u.i, coalesce((array_agg(u.above ORDER BY u.above DESC))[3], 0) AS above,
                       coalesce((array_agg(u.below ORDER BY u.below DESC))[3], 0) AS below
                FROM (
                    SELECT r.surprise, NOT r.baseline AND lag(r.baseline, 1, true) OVER (ORDER BY r.place) AS is_new
                    FROM pgslo_catalog.profile r
                    WHERE r.definition_id = mine.definition_id AND r.column_name = mine.column_name AND r.place < mine.place
                    ORDER BY r.place DESC LIMIT 28
                ) r
                CROSS JOIN LATERAL unnest(
                    pgslo_catalog.on_side(r.surprise, 1, before.tolerated),
                    pgslo_catalog.on_side(r.surprise, -1, before.tolerated_below)) WITH ORDINALITY AS u (above, below, i)
                WHERE r.is_new
                GROUP BY u.i
            ) t
            LEFT JOIN unnest(before.tolerated) WITH ORDINALITY AS a (x, i) USING (i)
            LEFT JOIN unnest(before.tolerated_below) WITH ORDINALITY AS b (x, i) USING (i);
        END IF;

        IF mine.sampled > 0 AND mine.column_name <> '*' AND mine.learned_from > 0 THEN
            -- The last batch, and the last two of the same phase: one of these may have been a holiday.
            SELECT array_agg(o.sampled::float8), array_agg(o.common), array_agg(o.shapes), array_agg(o.batch)
            INTO presents, counts, patterns, alike
            FROM (
                (SELECT p.* FROM pgslo_catalog.profile p
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place AND p.baseline AND p.sampled > 0
                 ORDER BY p.place DESC LIMIT 1)
                UNION ALL
                (SELECT p.* FROM pgslo_catalog.profile p
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.baseline AND p.sampled > 0
                   AND p.place = ANY (ARRAY(SELECT mine.place - g.turn * phase FROM generate_series(1, 8) AS g (turn)))
                 ORDER BY p.place DESC LIMIT 2)
            ) o;
            IF presents IS NOT NULL THEN
                apart := pgslo_catalog.shares_apart(mine.sampled, mine.common, mine.usual, presents, counts);
                shapes := pgslo_catalog.shares_apart(mine.sampled, mine.shapes, mine.usual_shapes, presents, patterns);
                mine.summary[41] := apart[1];
                mine.summary[42] := shapes[1];
                mine.summary[43] := apart[2];
                mine.summary[44] := apart[3];
                mine.summary[45] := apart[4];
                mine.summary[46] := apart[5];
                mine.summary[47] := apart[6];
                mine.summary[48] := shapes[4];
                mine.noise[45] := apart[7];
                IF mine.grid IS NOT NULL AND mine.usual_grid IS NOT NULL THEN
                    -- An average that fades is never exactly zero: a tenth of the range that was seen at least.
                    scale := coalesce(
                        nullif(greatest(mine.usual_grid[39] - mine.usual_grid[3], (mine.usual_grid[43] - mine.usual_grid[42]) / 10), 0),
                        nullif(greatest(abs(mine.usual_grid[1]), abs(mine.usual_grid[41])), 0), 1);
                    SELECT min(d.distribution) AS distribution,
                           CASE WHEN min(d.moved) >= 1e6 * scale THEN 1e6 WHEN min(d.moved) < 1e-6 * scale THEN 0
                                ELSE min(d.moved) / scale END AS moved
                    INTO one
                    FROM (
                        SELECT mine.usual_grid[1:41] AS grid
                        UNION ALL
                        SELECT p.grid FROM pgslo_catalog.profile p
                        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.batch = ANY (alike) AND p.grid IS NOT NULL
                    ) r
                    CROSS JOIN LATERAL pgslo_catalog.grids_apart(mine.grid, r.grid) d;
                    mine.summary[50] := one.distribution;
                    mine.summary[51] := one.moved;
                    mine.summary[52] := (SELECT avg((g.x < mine.usual_grid[42] OR g.x > mine.usual_grid[43])::integer) FROM unnest(mine.grid) AS g (x));
                END IF;
            END IF;
        END IF;
        UPDATE pgslo_catalog.profile p
        SET summary = mine.summary, noise = mine.noise, usual = mine.usual, usual_shapes = mine.usual_shapes, usual_grid = mine.usual_grid,
            tolerated = mine.tolerated, tolerated_below = mine.tolerated_below, learned_from = mine.learned_from
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.batch = mine.batch;
    END LOOP;
    PERFORM pgslo_catalog.compare_with_earlier(definition.definition_id, batch.name, batch.place);
    PERFORM pgslo_catalog.expect(definition.definition_id, batch.name, batch.place, phase);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) IS 'Writes the profile of a batch, with all that history says about it.';

CREATE FUNCTION pgslo_catalog.profile_rows(snapshot pgslo_catalog.snapshot, table_name text, rows bigint) RETURNS SETOF pgslo_catalog.snapshot_column
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET jit TO 'off'
    AS $_$
DECLARE
    target pgslo_catalog.definition;
    whole pgslo_catalog.batch;
    names text[];
    present jsonb;
    sample text[];
    -- A larger part than of a batch: this is done once, and compared with others.
    mask bigint := pgslo_catalog.sample_mask(profile_rows.rows / 2);
    read record;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = snapshot.definition;
    SELECT array_agg(c.name ORDER BY c.n) AS names,
           string_agg(format('%L, count(r.%I)', c.name, c.name), ', ' ORDER BY c.n) AS counts,
           string_agg(CASE
               WHEN NOT pgslo_catalog.is_plain(c.type_of)
               THEN format('left(%s, 100)', pgslo_catalog.text_of(format('r.%I', c.name), c.type_of))
               WHEN w.kind = 'number' THEN format('r.%I::text', c.name)
               WHEN w.kind = 'time' THEN format('extract(epoch FROM r.%I)::text', c.name)
               WHEN c.type ~ '^(date|timestamp)' THEN format('to_char(r.%I, ''YYYY-MM-DD HH24:MI:SS'')', c.name)
               ELSE format('left(r.%I::text, 100)', c.name)
           END, ', ' ORDER BY c.n) AS cells
    INTO read
    FROM (
        SELECT e.value ->> 'name' AS name, e.value ->> 'type' AS type, e.ordinality AS n, a.atttypid::regtype AS type_of
        FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS e
        JOIN pg_namespace s ON s.nspname = 'pgslo_snapshot'
        JOIN pg_class t ON t.relnamespace = s.oid AND t.relname = profile_rows.table_name
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = e.value ->> 'name'
    ) AS c
    LEFT JOIN pgslo_catalog.watched_column w ON w.definition_id = target.definition_id AND w.column_name = c.name;
    names := read.names;
    EXECUTE format('SELECT jsonb_build_object(%s) FROM pgslo_snapshot.%I AS r', read.counts, profile_rows.table_name) INTO present;
    EXECUTE format(
        $query$
        SELECT array_agg(ARRAY[h.entity::text, %s])
        FROM pgslo_snapshot.%I AS r
        CROSS JOIN LATERAL (SELECT hashtextextended(%s COLLATE "C", 0) AS entity) AS h
        WHERE h.entity & $1 = 0
        $query$, read.cells, profile_rows.table_name,
        -- By the key where the view shows it, so that two snapshots sample the same entities.
        CASE
            WHEN target.key_columns <> '{}' AND target.key_columns <@ names
            THEN (SELECT format('concat_ws(''|'', %s)', string_agg(format('r.%I', k.name), ', ' ORDER BY k.n)) FROM unnest(target.key_columns) WITH ORDINALITY AS k (name, n))
            ELSE pgslo_catalog.row_text(snapshot.columns)
        END)
    INTO sample USING mask;

    -- Under a name that no batch has, and gone before this transaction ends.
    whole.definition_id := target.definition_id;
    whole.name := format('snapshot %s', snapshot.snapshot_id);
    whole.place := 0;
    whole.rows := profile_rows.rows;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = target.definition_id AND p.batch = whole.name;
    PERFORM pgslo_catalog.describe_batch(target, whole, names, sample, pgslo_catalog.level_of(mask), present);
    RETURN QUERY
    SELECT snapshot.snapshot_id, c.n::integer, c.name, c.type, p.present, p.sampled,
           coalesce((SELECT jsonb_object_agg(k.name, p.summary[k.ordinal]) FROM pgslo_catalog.summary_kinds() k WHERE p.summary[k.ordinal] IS NOT NULL), '{}'),
           p.common, p.grid
    FROM pgslo_catalog.profile p
    JOIN (SELECT e.value ->> 'name' AS name, e.value ->> 'type' AS type, e.ordinality AS n FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS e) AS c ON c.name = p.column_name
    WHERE p.definition_id = target.definition_id AND p.batch = whole.name
    ORDER BY c.n;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = target.definition_id AND p.batch = whole.name;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.profile_rows(snapshot pgslo_catalog.snapshot, table_name text, rows bigint) IS 'Each column of a table of rows in numbers, by what learned bounds go by.';

CREATE FUNCTION pgslo_catalog.profile_said(profile pgslo_catalog.profile) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Everybody may read it: no value of a row, and no median of so few rows that it would be one.
    SELECT concat_ws(', ',
        format('batch %s: %s rows', profile.batch, profile.rows),
        CASE WHEN profile.column_name <> '*' AND profile.rows > 0 THEN to_char(100.0 * profile.present / profile.rows, 'FM990.0') || ' % not null' END,
        CASE WHEN profile.column_name <> '*' AND profile.present > 0 AND profile.common <> '{}' THEN
            to_char(least(100.0, 100.0 * (SELECT max(c.value::numeric) FROM jsonb_each_text(profile.common) c) * 2 ^ profile.level / profile.present), 'FM990.0') || ' % the commonest value' END,
        CASE WHEN profile.present >= 20 AND profile.grid[21] IS NOT NULL THEN 'median ' || round(profile.grid[21]::numeric, 4)::float8 END)
    WHERE profile.batch IS NOT NULL
$$;

COMMENT ON FUNCTION pgslo_catalog.profile_said(profile pgslo_catalog.profile) IS 'A column of a batch in a sentence without values.';

CREATE FUNCTION pgslo_catalog.profiled(definition_id bigint, batch text, column_name text) RETURNS pgslo_catalog.profile
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found pgslo_catalog.profile;
BEGIN
    SELECT p.* INTO found FROM pgslo_catalog.profile p
    WHERE p.definition_id = profiled.definition_id AND p.column_name = profiled.column_name AND p.batch = profiled.batch;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.profiled(definition_id bigint, batch text, column_name text) IS 'The profile of a column in a batch.';

CREATE FUNCTION pgslo_catalog.profiles_of(incident_id bigint) RETURNS TABLE(column_name text, before pgslo_catalog.profile, after pgslo_catalog.profile)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT t.column_name, b.profile, t
    FROM pgslo_catalog.incident i
    JOIN pgslo_catalog.rule r USING (rule_id)
    JOIN pgslo_catalog.profile t ON t.definition_id = i.definition_id AND t.batch = i.opened_batch
        AND (t.column_name = ANY (r.columns) OR r.columns = '{}' AND t.column_name = '*')
    LEFT JOIN LATERAL (
        SELECT p AS profile FROM pgslo_catalog.profile p
        WHERE p.definition_id = i.definition_id AND p.column_name = t.column_name AND p.place < i.opened_place AND p.baseline
        ORDER BY p.place DESC LIMIT 1
    ) b ON true
    WHERE i.incident_id = profiles_of.incident_id
$$;

COMMENT ON FUNCTION pgslo_catalog.profiles_of(incident_id bigint) IS 'Profiles of an incident''s columns: of the last batch that was fine, and of the first that was not.';

CREATE FUNCTION pgslo_catalog.quantile(grid double precision[], share double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    place float8 := quantile.share * (cardinality(quantile.grid) - 1);
    before integer := floor(place)::integer + 1;
BEGIN
    RETURN CASE
        WHEN before >= cardinality(quantile.grid) THEN quantile.grid[cardinality(quantile.grid)]
        ELSE quantile.grid[before] + (place - before + 1) * (quantile.grid[before + 1] - quantile.grid[before])
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.quantile(grid double precision[], share double precision) IS 'A quantile, between those of a grid on a straight line.';

CREATE FUNCTION pgslo_catalog.quantile_noise(grid double precision[], place integer, present double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    share float8 := quantile_noise.place / 40.0;
    x float8 := 40 * sqrt(greatest(share * (1 - share), 0.02) / quantile_noise.present);
BEGIN
    RETURN (pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place + x)
        - pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place - x)) / 2;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.quantile_noise(grid double precision[], place integer, present double precision) IS 'How far a quantile goes by chance, read off the distribution itself.';

CREATE FUNCTION pgslo_catalog.quotient(part double precision, whole double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE
        WHEN quotient.whole = 0 THEN NULL
        WHEN abs(quotient.part) BETWEEN 1e-100 AND 1e100 AND abs(quotient.whole) BETWEEN 1e-100 AND 1e100
            THEN quotient.part / quotient.whole
        ELSE pgslo_catalog.float_of(quotient.part::numeric / quotient.whole::numeric)
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.quotient(part double precision, whole double precision) IS 'Return a quotient within the bounds of float_of(); NULL if the divisor is 0.';

CREATE FUNCTION pgslo_catalog.raising(batch pgslo_catalog.batch, measure jsonb) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    whole jsonb := CASE WHEN measure ->> 'form' = 'change' THEN measure -> 'of' ELSE measure END;
BEGIN
    RETURN coalesce((
        SELECT max(abs(((raising.batch).tallies ->> ('raising ' || (whole ->> n.name)))::numeric))
        FROM unnest(ARRAY['tally', 'good', 'among', 'count', 'sum', 'squares']) AS n (name)), 0);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.raising(batch pgslo_catalog.batch, measure jsonb) IS 'Return the number of rows for which the sums of a measure raise an error.';

CREATE FUNCTION pgslo_catalog.reach(definition text, within interval) RETURNS interval
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Whoever may choose it finds the key of a missed batch by halving.
    RETURN CASE
        WHEN reach.within IS NOT NULL AND pgslo_catalog.may_know(reach.definition, pgslo_catalog.caller()) THEN reach.within
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.reach(definition text, within interval) IS 'Return how far the caller looks back: NULL, as without a limit, for a role that may not know the definition.';

CREATE FUNCTION pgslo_catalog.reached_tables(relation regclass, cascades boolean) RETURNS SETOF oid
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE reached AS (
        SELECT reached_tables.relation::oid AS oid
        UNION
        SELECT n.oid
        FROM reached r
        CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = r.oid
            UNION ALL
            -- An update that moves a row to another partition deletes it from its own.
            SELECT k.conrelid FROM pg_constraint k
            WHERE reached_tables.cascades AND k.contype = 'f' AND k.confrelid = r.oid
              AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd'))
        ) AS n (oid)
    )
    SELECT r.oid FROM reached r
$$;

COMMENT ON FUNCTION pgslo_catalog.reached_tables(relation regclass, cascades boolean) IS 'Return a table, its partitions and, if asked for, the tables to which foreign keys cascade its updates.';

CREATE FUNCTION pgslo_catalog.read_mode(on_read text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    wish text := nullif(current_setting('pgslo.on_read', true), '');
BEGIN
    IF wish NOT IN ('warn', 'insist', 'refuse', 'silent') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid value for parameter "pgslo.on_read": "%s"', wish),
            HINT = 'Available values: warn, insist, refuse, silent.';
    END IF;
    -- A pooled connection may keep the setting of another client, who must not silence this one: it counts where the
    -- view is silent anyway. Status views are silent, and insisting leaves them so: their column reports.
    RETURN CASE
        WHEN 'refuse' IN (read_mode.on_read, wish) THEN 'refuse'
        WHEN wish = 'warn' THEN 'warn'
        WHEN read_mode.on_read = 'silent' THEN 'silent'
        -- psql shows every warning above the result.
        WHEN 'insist' IN (read_mode.on_read, wish)
            AND coalesce(current_setting('pgslo.heard', true), '') <> 'on' AND current_setting('application_name') <> 'psql' THEN 'insist'
        ELSE 'warn'
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.read_mode(on_read text) IS 'What happens to a read of bad rows in this session: warn, insist, refuse or silent. An error if pgslo.on_read is another word.';

CREATE FUNCTION pgslo_catalog.readable(relation oid, columns text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(
        SELECT a.attname::text
        FROM pg_class t
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = ANY (readable.columns) AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_roles r ON r.rolname = pgslo_catalog.caller()
        WHERE t.oid = readable.relation
          AND has_schema_privilege(r.oid, t.relnamespace, 'USAGE') AND has_column_privilege(r.oid, t.oid, a.attnum, 'SELECT')
          -- Row security may hide the row, or the others of its group.
          AND (NOT t.relrowsecurity OR r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.readable(relation oid, columns text[]) IS 'Return those of a table''s columns that the caller may read in every row.';

CREATE FUNCTION pgslo_catalog.reading(snapshot pgslo_catalog.snapshot, places numeric[], names text[]) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    SELECT format(E'SELECT %s FROM %I.%I AS r WHERE (\n%s\n)%s',
        (SELECT string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality) FROM jsonb_array_elements(snapshot.columns) WITH ORDINALITY AS c),
        snapshot.source_schema, snapshot.source_name, coalesce(snapshot.condition, 'true'),
        CASE
            WHEN reading.places IS NOT NULL
            -- NULL, NaN and infinite values have one place, and each a text of its own, which no setting changes.
            THEN format(
                ' AND (SELECT CASE WHEN %1$s > ''-Infinity'' THEN %1$s = ANY (%3$L::numeric[]) ELSE coalesce(b.raw::text, ''NULL'') = ANY (%4$L::text[]) END'
                ' FROM (SELECT %2$s AS raw) AS b)',
                snapshot.batch_place, snapshot.batch_by, array_remove(reading.places, '-Infinity'),
                ARRAY(SELECT n.name FROM unnest(reading.names, reading.places) AS n (name, place) WHERE n.place = '-Infinity'))
            ELSE ''
        END)
$_$;

COMMENT ON FUNCTION pgslo_catalog.reading(snapshot pgslo_catalog.snapshot, places numeric[], names text[]) IS 'The query that reads a snapshot''s rows from its view, those of these batches alone where their places and names are given.';

CREATE FUNCTION pgslo_catalog.reads_profile(measure jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE measure ->> 'form'
        WHEN 'change' THEN pgslo_catalog.reads_profile(measure -> 'of')
        WHEN 'statistic' THEN measure ->> 'of' NOT IN ('sum', 'mean', 'zero_share', 'negative_share', 'stddev')
        ELSE coalesce(measure ->> 'form' IN ('distance', 'unchanged'), false)
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.reads_profile(measure jsonb) IS 'Return whether a measure is read from the profile of a batch.';

CREATE FUNCTION pgslo_catalog.record_break(definition text, rule text, error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- A session whose stack is full stores no row that it keeps from being judged, assigned to a batch or repaired.
    IF record_break.error_code = '54001' AND pg_trigger_depth() > 0 THEN
        PERFORM pgslo_catalog.refuse_unrecorded(record_break.definition, record_break.error_code);
    END IF;
    -- Conflicts, locks, a full disk: they pass, and the rule is as good as it was. What was lost with them is reported.
    IF pgslo_catalog.is_transient(record_break.error_code) THEN
        PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL),
            record_break.error_code, false);
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said)
    SELECT d.definition_id, r.rule_id, record_break.error_code, left(record_break.error_message, 1000),
           pgslo_catalog.error_said(coalesce(r.scope = 'row' AND r.kind <> 'references', true), record_break.error_code, record_break.error_message)
    FROM pgslo_catalog.definition d
    LEFT JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = record_break.rule
    WHERE d.name = record_break.definition AND (record_break.rule IS NULL OR r.rule_id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.definition_id = d.definition_id AND b.rule_id IS NOT DISTINCT FROM r.rule_id AND b.batch IS NULL AND b.pause_id IS NULL);
EXCEPTION WHEN OTHERS THEN
    -- Called where something failed already; the write does not fail for the note, unless nobody else would know.
    IF pgslo_catalog.is_transient(SQLSTATE) THEN
        RAISE;
    END IF;
    PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL), record_break.error_code, false);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_break(definition text, rule text, error_code text, error_message text) IS 'Notes that a rule can no longer be judged, once; without a rule, that rows cannot be told apart into batches. Warns of an error of the moment.';

CREATE FUNCTION pgslo_catalog.record_lost(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known pgslo_catalog.definition;
    noted boolean := false;
    is_counted boolean;
BEGIN
    SELECT d.* INTO known FROM pgslo_catalog.definition d WHERE d.name = record_lost.definition;
    -- Sums that lack these rows would let the batch pass.
    IF NOT pgslo_catalog.is_replica() AND EXISTS (
        SELECT FROM pgslo_catalog.rule r
        WHERE r.definition_id = known.definition_id AND r.retired_at IS NULL AND num_nonnulls(r.reject_low, r.reject_high) > 0)
    THEN
        PERFORM pgslo_catalog.refuse_unrecorded(known.name, record_lost.error_code);
    END IF;
    -- PostgreSQL 14 says 2201B of a pattern that has no stack left.
    IF NOT (pgslo_catalog.is_transient(record_lost.error_code) OR record_lost.error_code = '2201B') THEN
        PERFORM pgslo_catalog.record_break(known.name, NULL, record_lost.error_code, record_lost.error_message);
    ELSE
        is_counted := known.writes = 'bulk' AND known.recount IS NOT NULL;
        IF record_lost.error_code = '54001' AND NOT is_counted AND ('{}' IN (record_lost.rules, record_lost.batches)) IS NOT FALSE THEN
            PERFORM pgslo_catalog.refuse_unrecorded(known.name, record_lost.error_code);
        END IF;
        BEGIN
            IF is_counted THEN
                -- The next tick() counts the table's batches, and then judges these.
                INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
                VALUES (known.definition_id, '', '-Infinity', 0, 'recount');
            END IF;
            PERFORM pgslo_catalog.mark_unjudged(known.name, record_lost.rules, record_lost.batches,
                record_lost.places, record_lost.error_code, record_lost.error_message);
            noted := is_counted OR known.judge IS NOT NULL AND '{}' NOT IN (record_lost.rules, record_lost.batches);
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.refuse_unrecorded(known.name, SQLSTATE);
            END IF;
        END;
    END IF;
    PERFORM pgslo_catalog.warn_unjudged(record_lost.definition, '{}', record_lost.error_code, noted);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_lost(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) IS 'Warn the writer that rows were stored without a record of them, and have them counted by the next tick() where it can; fail the write where that cannot be noted, or where rules refuse batches.';

CREATE FUNCTION pgslo_catalog.record_measured(definition text, operation text, sign integer, columns text[], tallies text[], rules text[], counted pgslo_catalog.measured[], mask bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_measured.definition);
BEGIN
    PERFORM pgslo_catalog.append_fragments(id, record_measured.operation, record_measured.sign, record_measured.columns,
        record_measured.tallies, record_measured.rules, record_measured.counted, NULL, record_measured.mask);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_measured(definition text, operation text, sign integer, columns text[], tallies text[], rules text[], counted pgslo_catalog.measured[], mask bigint) IS 'Appends what a statement added to its batches (sign 1; 0 when its rows are counted elsewhere) or took away (-1).';

CREATE FUNCTION pgslo_catalog.record_missed(rule pgslo_catalog.rule, batch text, place numeric, is_worse boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Nothing is locked and nothing is unique: no writer waits for another one. Of a false alarm, more of the same is none.
    INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, definition, about, batch, place)
    SELECT d.definition_id, (record_missed.rule).rule_id, d.name,
           CASE WHEN (record_missed.rule).columns = '{}' THEN ARRAY['*'] ELSE (record_missed.rule).columns END,
           record_missed.batch, record_missed.place
    FROM pgslo_catalog.definition d
    WHERE d.definition_id = (record_missed.rule).definition_id
      -- The others are about the table as it is now.
      AND (record_missed.rule).scope IN ('row', 'batch') AND NOT coalesce((record_missed.rule).measure ? 'by_clock', false)
      AND NOT EXISTS (
          SELECT FROM pgslo_catalog.missed_batch m
          WHERE m.rule_id = (record_missed.rule).rule_id AND m.batch = record_missed.batch
            AND (m.ended_at IS NULL OR m.ended_as = 'false_alarm' OR m.ended_as = 'accepted' AND NOT record_missed.is_worse));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_missed(rule pgslo_catalog.rule, batch text, place numeric, is_worse boolean) IS 'Record that a batch misses a rule, unless that is recorded; one that was accepted only if it is worse. Never waits and never fails the write.';

CREATE FUNCTION pgslo_catalog.record_news(parts bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    missed record;
BEGIN
    FOR missed IN SELECT n.* FROM pgslo_catalog.news(NULL, record_news.parts) AS n LOOP
        CONTINUE WHEN NOT (missed.is_plain OR pgslo_catalog.batch_is_missed(missed.rule, missed.batch));
        PERFORM pgslo_catalog.open_incident(missed.rule, missed.batch, missed.place, true);
        PERFORM pgslo_catalog.record_missed(missed.rule, missed.batch, missed.place);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_news(parts bigint[]) IS 'Record what is missed by fragments before they are added up, after which nobody knows which transactions wrote them.';

CREATE FUNCTION pgslo_catalog.record_quarantine(definition text, relation regclass, operation text, row_key text, old_row record, row_image record, rules text[], shown text[], old_key text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '3'
    SET lc_monetary TO 'C'
    AS $_$
DECLARE
    by_column jsonb;
BEGIN
    BEGIN
        EXECUTE format('SELECT %s', (
            SELECT coalesce(
                string_agg(
                    format('jsonb_build_object(%L, %s)', a.attname, pgslo_catalog.jsonb_of(format('($1).%I', a.attname), a.atttypid)),
                    ' || ' ORDER BY a.attnum),
                '''{}''::jsonb')
            FROM pg_attribute a
            WHERE a.attrelid = record_quarantine.relation AND a.attnum > 0 AND NOT a.attisdropped))
        INTO by_column USING row_image;
    EXCEPTION WHEN OTHERS THEN
        by_column := NULL;  -- json may hold \u0000, which jsonb does not take
    END;
    INSERT INTO pgslo_catalog.quarantine (definition_id, relation, columns, operation, row_key, image, image_text, old_key, changed, reasons)
    SELECT d.definition_id, record_quarantine.relation, pgslo_catalog.columns_of(record_quarantine.relation), record_quarantine.operation, record_quarantine.row_key, by_column, concat(row_image),
           (SELECT jsonb_object_agg(k.name, k.value) FROM unnest(d.key_columns, record_quarantine.old_key) AS k (name, value) WHERE record_quarantine.old_key IS NOT NULL),
           CASE WHEN record_quarantine.operation = 'UPDATE'
                THEN pgslo_catalog.changed_columns(record_quarantine.relation, record_quarantine.old_row, record_quarantine.row_image) END,
           (SELECT jsonb_agg(jsonb_build_object('rule', r.name, 'promise', r.promise, 'shown', n.shown) ORDER BY n.ordinal)
            FROM unnest(record_quarantine.rules, record_quarantine.shown) WITH ORDINALITY AS n (name, shown, ordinal)
            JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = n.name)
    FROM pgslo_catalog.definition d WHERE d.name = record_quarantine.definition;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.record_quarantine(definition text, relation regclass, operation text, row_key text, old_row record, row_image record, rules text[], shown text[], old_key text[]) IS 'Keep a row that is not stored in its table, whole, with every reason and the columns that an UPDATE changes.';

CREATE FUNCTION pgslo_catalog.record_raising(definition text, rule pgslo_catalog.rule, batch pgslo_catalog.batch, said text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Every read looks at these notes, and who writes rows decides how many batches there are.
    IF 100 > (SELECT count(*) FROM pgslo_catalog.rule_break b
              WHERE b.rule_id = (record_raising.rule).rule_id AND b.error_code = '22000')
    THEN
        PERFORM pgslo_catalog.mark_unjudged(record_raising.definition, ARRAY[(record_raising.rule).name],
            ARRAY[(record_raising.batch).name], ARRAY[(record_raising.batch).place], '22000', record_raising.said);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_raising(definition text, rule pgslo_catalog.rule, batch pgslo_catalog.batch, said text) IS 'Have readers warned that a rule has no value for a batch, because its expression raises an error for a row.';

CREATE FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, old_value, new_value)
    SELECT d.definition_id, record_repair.rule, record_repair.column_name, record_repair.row_key, record_repair.old_value, record_repair.new_value
    FROM pgslo_catalog.definition d WHERE d.name = record_repair.definition
$$;

COMMENT ON FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) IS 'Keeps the value that a repair replaced.';

CREATE FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, row_key text, rules text[], shown text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_row.definition);
    known numeric := coalesce(record_row.place, pgslo_catalog.arrival(id, record_row.batch));
    rule pgslo_catalog.rule;
BEGIN
    -- No row is counted here: those that pass would be missing.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
    SELECT id, record_row.batch, known, 0, jsonb_object_agg(n.name, 1) FROM unnest(record_row.rules) AS n (name);

    PERFORM pgslo_catalog.record_sample(record_row.definition, n.rule, record_row.batch, record_row.row_key, n.shown)
    FROM unnest(record_row.rules, record_row.shown) AS n (rule, shown);

    FOR rule IN
        SELECT r.*
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.name = ANY (record_row.rules)
          AND NOT (
              EXISTS (
                  SELECT FROM pgslo_catalog.incident i
                  WHERE i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL)
              AND EXISTS (
                  SELECT FROM pgslo_catalog.missed_batch m
                  WHERE m.rule_id = r.rule_id AND m.batch = record_row.batch AND m.ended_at IS NULL))
        ORDER BY r.rule_id
    LOOP
        PERFORM pgslo_catalog.open_incident(rule, record_row.batch, known);
        PERFORM pgslo_catalog.record_missed(rule, record_row.batch, known);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, row_key text, rules text[], shown text[]) IS 'Appends one failing row of a streamed table, records its batch as missed and opens incidents.';

CREATE FUNCTION pgslo_catalog.record_sample(definition text, rule text, batch text, row_key text, shown text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    INSERT INTO pgslo_catalog.sample (rule_id, batch, row_key, shown)
    SELECT r.rule_id, record_sample.batch, left(record_sample.row_key, 1000), left(record_sample.shown, 1000)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = record_sample.definition AND r.name = record_sample.rule
      AND (SELECT count(*) FROM pgslo_catalog.sample s WHERE s.rule_id = r.rule_id AND s.batch = record_sample.batch) < r.samples
$$;

COMMENT ON FUNCTION pgslo_catalog.record_sample(definition text, rule text, batch text, row_key text, shown text) IS 'Keeps the key of a failing row, up to a number per rule and batch.';

CREATE FUNCTION pgslo_catalog.record_statement(definition text, operation text, rules text[], columns text[], tallies text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_statement.definition);
    written record;
    batch pgslo_catalog.measured;
    unwritten pgslo_catalog.measured[] := '{}';
    -- Earlier batches cannot resolve an open incident.
    open_from numeric := (
        SELECT min(i.opened_place) FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.over_at IS NULL);
    judged record;
    has_failures boolean;
    is_missed boolean;
    missed text[] := '{}';
    -- Each incident that opens and resolves in one statement makes the next one dearer.
    resolved integer := 0;
    most constant integer := 100;
BEGIN
    IF cardinality(record_statement.batches) > 2000 THEN
        RAISE WARNING USING
            ERRCODE = '01000',
            MESSAGE = format('statement writes to %s batches of %s', cardinality(record_statement.batches), record_statement.definition),
            DETAIL = 'Each batch is added up and evaluated separately.',
            HINT = 'The batch key is nearly a row key if that is usual: have the owner name a coarser one in the definition, such as a date.',
            SCHEMA = split_part(record_statement.definition, '.', 1),
            TABLE = substr(record_statement.definition, strpos(record_statement.definition, '.') + 1);
    END IF;
    IF cardinality(record_statement.batches) > pgslo_catalog.batches_at_once() THEN
        record_statement.batches := pgslo_catalog.bounded(record_statement.definition, record_statement.batches);
        record_statement.samples := NULL;
        record_statement.mask := 0;
    END IF;
    -- Nearly every statement: no row fails, and nothing is open that a batch could resolve.
    IF open_from IS NULL AND NOT EXISTS (SELECT FROM unnest(record_statement.batches) AS b WHERE 0 < ANY (b.failed)) THEN
        PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
            record_statement.tallies, record_statement.rules, record_statement.batches, record_statement.samples,
            record_statement.mask);
        RETURN '{}';
    END IF;
    -- Batch by batch: one that is later in the same statement is later for its incidents as well.
    FOR written IN
        SELECT ROW(w.batch, w.place, w.rows, w.present, w.tallies, w.failed, w.sample)::pgslo_catalog.measured AS batch,
               lead(w.batch) OVER (ORDER BY w.place) IS NULL AS is_last
        FROM (
            SELECT b.batch, coalesce(b.place, pgslo_catalog.arrival(id, b.batch)) AS place, b.rows, b.present, b.tallies, b.failed, s.sample
            FROM unnest(record_statement.batches) AS b LEFT JOIN unnest(record_statement.samples) AS s ON s.batch = b.batch
        ) w
        ORDER BY w.place
    LOOP
        batch := written.batch;
        unwritten := unwritten || batch;
        -- Those that neither open nor resolve an incident are appended together.
        has_failures := 0 < ANY (batch.failed);
        CONTINUE WHEN NOT has_failures AND (open_from IS NULL OR batch.place <= open_from);
        PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
            record_statement.tallies, record_statement.rules, unwritten, NULL, record_statement.mask);
        unwritten := '{}';

        FOR judged IN
            SELECT r AS rule, r.name, n.failed, r.at_least IS NULL AND r.at_most IS NULL AS is_plain, i.opened_place
            FROM unnest(record_statement.rules, batch.failed) AS n (name, failed)
            JOIN pgslo_catalog.rule r ON r.definition_id = id AND r.name = n.name
            LEFT JOIN pgslo_catalog.incident i ON i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL
            WHERE n.failed > 0 OR i.opened_place < batch.place
            ORDER BY r.rule_id
        LOOP
            -- Rows of a plain rule that fail miss it at once; only for others, and to resolve, are sums looked up.
            is_missed := judged.failed > 0 AND (judged.is_plain OR pgslo_catalog.batch_is_missed(judged.rule, batch.batch));
            IF is_missed THEN
                missed := missed || judged.name;
                IF judged.opened_place IS NULL THEN
                    PERFORM pgslo_catalog.open_incident(judged.rule, batch.batch, batch.place);
                END IF;
                PERFORM pgslo_catalog.record_missed(judged.rule, batch.batch, batch.place);
            ELSIF judged.opened_place < batch.place
                -- Beyond a number, incidents of the statement stay open until its last batch.
                AND (resolved < most OR written.is_last)
                AND (judged.failed > 0 OR NOT pgslo_catalog.batch_is_missed(judged.rule, batch.batch)) THEN
                resolved := resolved + 1;
                PERFORM pgslo_catalog.resolve_incident(judged.rule, batch.batch, batch.place);
            END IF;
        END LOOP;
        open_from := (
            SELECT min(i.opened_place) FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.over_at IS NULL);
    END LOOP;
    PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
        record_statement.tallies, record_statement.rules, unwritten, NULL, record_statement.mask)
    WHERE cardinality(unwritten) > 0;
    RETURN missed;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_statement(definition text, operation text, rules text[], columns text[], tallies text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) IS 'Appends what a statement wrote, opens or resolves incidents, and returns the rules that its rows make their batches miss.';

CREATE FUNCTION pgslo_catalog.record_truncate(definition text, relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    note bigint;
    emptied bigint;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = record_truncate.definition;
    IF record_truncate.relation <> target.relation AND EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = record_truncate.relation::oid
    ) THEN
        RETURN;  -- tick() finds its new file.
    END IF;
    -- Nobody else writes to the table meanwhile, so fragments with lower numbers are of earlier writes, all of them.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
    VALUES (target.definition_id, '', '-Infinity', 0, CASE WHEN record_truncate.relation = target.relation THEN 'truncate' ELSE 'recount' END)
    RETURNING fragment_id INTO note;
    IF record_truncate.relation = target.relation THEN
        -- Those that tick() is at just now are left to it.
        WITH gone AS (
            DELETE FROM pgslo_catalog.fragment f
            WHERE f.fragment_id IN (
                SELECT g.fragment_id FROM pgslo_catalog.fragment g
                WHERE g.definition_id = target.definition_id AND g.operation <> 'truncate'
                FOR UPDATE SKIP LOCKED)
            RETURNING f.*
        )
        SELECT sum(g.rows) INTO emptied
        FROM gone g JOIN pgslo_catalog.applied a USING (definition_id)
        WHERE g.written_at >= a.applied_at AND g.operation <> 'recount' AND (g.rows > 0 OR target.batch_is_of_row);
        -- The statistics system goes on counting them, and drift compares with it.
        UPDATE pgslo_catalog.fragment f SET rows_emptied = emptied WHERE f.fragment_id = note AND emptied <> 0;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.rule_break_id IN (
            SELECT k.rule_break_id FROM pgslo_catalog.rule_break k
            WHERE k.definition_id = target.definition_id AND k.batch IS NOT NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_truncate(definition text, relation regclass) IS 'Notes that a table was emptied, or a part of it.';

CREATE FUNCTION pgslo_catalog.record_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    noted boolean := true;
BEGIN
    -- Not of the value, or the row would fail: a rule that rejects must not be passed by a session whose stack is full.
    IF record_unjudged.error_code = '54001' AND NOT pgslo_catalog.is_replica() AND EXISTS (
        SELECT FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = record_unjudged.definition AND r.name = ANY (record_unjudged.rules) AND r.scope = 'row'
          AND (r.on_breach = 'reject' OR r.reject_low IS NOT NULL))
    THEN
        PERFORM pgslo_catalog.refuse_unrecorded(record_unjudged.definition, record_unjudged.error_code);
    END IF;
    BEGIN
        PERFORM pgslo_catalog.mark_unjudged(record_unjudged.definition, record_unjudged.rules, record_unjudged.batches,
            record_unjudged.places, record_unjudged.error_code, record_unjudged.error_message);
    EXCEPTION WHEN OTHERS THEN
        -- Nobody but this writer would know of the rows.
        IF pgslo_catalog.is_transient(SQLSTATE) THEN
            PERFORM pgslo_catalog.refuse_unrecorded(record_unjudged.definition, SQLSTATE);
        END IF;
        noted := false;
    END;
    PERFORM pgslo_catalog.warn_unjudged(record_unjudged.definition, record_unjudged.rules, record_unjudged.error_code,
        noted AND (SELECT d.judge IS NOT NULL FROM pgslo_catalog.definition d WHERE d.name = record_unjudged.definition));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) IS 'Note that rows of these batches are not judged by these rules, and warn the writer; fail the write where an error of the moment prevents that note.';

CREATE FUNCTION pgslo_catalog.record_unmeasured(definition text, rule text, error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- A value that a sum or a batch cannot be made of is a fault of its row, not of the table.
    IF record_unmeasured.error_code NOT LIKE '22%' THEN
        PERFORM pgslo_catalog.record_break(record_unmeasured.definition, record_unmeasured.rule,
            record_unmeasured.error_code, record_unmeasured.error_message);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_unmeasured(definition text, rule text, error_code text, error_message text) IS 'Note that rows cannot be measured or, without a rule, assigned to batches, unless a value raised the error.';

CREATE FUNCTION pgslo_catalog.record_unprofiled(batch pgslo_catalog.batch, error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (record_unprofiled.batch).definition_id;
BEGIN
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = id AND p.batch = (record_unprofiled.batch).name;
    -- As where rows could not be sampled: nothing is compared with this batch. Until its rows are counted again.
    UPDATE pgslo_catalog.batch b SET tallies = b.tallies || jsonb_build_object('unsampled rows', greatest(b.rows, 1))
    WHERE b.definition_id = id AND b.name = (record_unprofiled.batch).name;
    PERFORM pgslo_catalog.record_break(d.name, r.name, record_unprofiled.error_code, record_unprofiled.error_message)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.definition_id = id AND r.retired_at IS NULL
      AND (r.kind = 'learned' AND r.columns = '{}' AND NOT r.measure ? 'form' OR pgslo_catalog.reads_profile(r.measure));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.record_unprofiled(batch pgslo_catalog.batch, error_code text, error_message text) IS 'Record that a batch has no profile because of an error, and that rules which read it cannot be evaluated.';

CREATE FUNCTION pgslo_catalog.recorded_rows(definition_id bigint, batches text[]) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(sum(f.rows), 0)::bigint
    FROM pgslo_catalog.fragment f JOIN pgslo_catalog.applied a USING (definition_id)
    WHERE f.definition_id = recorded_rows.definition_id AND f.batch = ANY (recorded_rows.batches)
      AND f.written_at >= a.applied_at
$$;

COMMENT ON FUNCTION pgslo_catalog.recorded_rows(definition_id bigint, batches text[]) IS 'Return the rows of batches that were recorded since the last apply, as drift compares them with statistics.';

CREATE FUNCTION pgslo_catalog.recount_batches(definition pgslo_catalog.definition, batches text[], judges boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (recount_batches.definition).definition_id;
    mask bigint := pgslo_catalog.sample_mask((SELECT max(b.rows) FROM pgslo_catalog.batch b WHERE b.definition_id = id));
    -- One by itself, by an index if there is one; several in one scan. No range of keys finds a batch without an order.
    single text := CASE WHEN cardinality(recount_batches.batches) = 1 AND coalesce(
        pgslo_catalog.known_place(id, recount_batches.batches[1]),
        (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = recount_batches.batches[1])) > '-Infinity'
        THEN recount_batches.batches[1] END;
BEGIN
    PERFORM pgslo_catalog.take_counts(recount_batches.definition,
        pgslo_catalog.replace_counts(recount_batches.definition, single, single, mask, recount_batches.batches, recount_batches.judges),
        mask);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.recount_batches(definition pgslo_catalog.definition, batches text[], judges boolean) IS 'Count batches from the table, all if none are named, and evaluate those again whose counts changed.';

CREATE FUNCTION pgslo_catalog.recount_unknown(definition pgslo_catalog.definition) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (recount_unknown.definition).definition_id;
    overdrawn text[];
    due text;
    counted integer := 0;
    until timestamptz := clock_timestamp() + interval '1 second';
BEGIN
    -- Nearly always there is nothing new. What comes below, planned for many, would read what was recorded of all batches to find that.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted')) THEN
        RETURN 0;
    END IF;
    IF EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch = '') THEN
        -- A partition was emptied, or another table took the name: what is in each batch, the table alone can tell.
        -- Where rows of an unknown batch were not judged, all rows are.
        PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, NULL, pgslo_catalog.has_unknown_rows(id));
    ELSIF pgslo_catalog.has_unknown_rows(id) THEN
        BEGIN
            PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, NULL, true);
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            -- They stay unjudged, and readers are warned.
        END;
    END IF;
    overdrawn := pgslo_catalog.overdrawn(id);
    IF overdrawn <> '{}' THEN
        BEGIN
            IF cardinality(overdrawn) > 3 THEN
                -- Each that has something to be added up comes to what the one scan says of it.
                overdrawn := ARRAY(SELECT DISTINCT f.batch FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate'));
                PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, overdrawn);
            ELSE
                FOREACH due IN ARRAY overdrawn LOOP
                    PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, ARRAY[due]);
                END LOOP;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            -- A column is gone, which is told at writes, or policies hide rows: what was recorded is added up, as it was before.
        END;
    END IF;
    FOREACH due IN ARRAY ARRAY(
        SELECT f.batch FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch <> ''
        ORDER BY f.place DESC)
    LOOP
        EXIT WHEN clock_timestamp() > until;
        -- Columns could not be measured for a while, and can be again. A big table without an index is not read for that: what is not known stays so.
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch = due;
        IF pgslo_catalog.can_find_batches(recount_unknown.definition) THEN
            PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, ARRAY[due]);
            counted := counted + 1;
        END IF;
    END LOOP;
    RETURN counted;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.recount_unknown(definition pgslo_catalog.definition) IS 'Counts those batches of a loaded table from the table that cannot be told by what was recorded; returns how many were judged for it.';

CREATE FUNCTION pgslo_catalog.refuse_batch(definition text, batches text[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    target pgslo_catalog.definition;
    rule pgslo_catalog.rule;
    one text;
    summed pgslo_catalog.batch;
    found record;
BEGIN
    IF pgslo_catalog.is_replica() THEN
        RETURN;  -- A subscription would stop for good: the batch is judged when it closes.
    END IF;
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = refuse_batch.definition;
    IF cardinality(refuse_batch.batches) > pgslo_catalog.batches_at_once() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('statement writes to too many batches of %s', target.name),
            DETAIL = format('It writes to %s, and rules that refuse batches judge %s at once at most.',
                            cardinality(refuse_batch.batches), pgslo_catalog.batches_at_once()),
            HINT = 'Write fewer batches in one statement.',
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1);
    END IF;
    FOREACH one IN ARRAY ARRAY(SELECT DISTINCT b.name FROM unnest(refuse_batch.batches) AS b (name) WHERE b.name IS NOT NULL ORDER BY 1) LOOP
        summed := pgslo_catalog.batch_so_far(target.definition_id, one);
        CONTINUE WHEN summed.rows <= 0;
        FOREACH rule IN ARRAY ARRAY(
            SELECT r FROM pgslo_catalog.rule r
            WHERE r.definition_id = target.definition_id AND r.retired_at IS NULL AND (r.reject_low IS NOT NULL OR r.reject_high IS NOT NULL)
            ORDER BY r.rule_id)
        LOOP
            found := NULL;
            BEGIN
                rule.warn_low := rule.reject_low;
                rule.warn_high := rule.reject_high;
                SELECT m.* INTO found FROM pgslo_catalog.measured(target, summed, rule) AS m;
            EXCEPTION WHEN OTHERS THEN
                -- A table that is not what the rule was written for refuses nothing; it is told when the batch is closed.
                CONTINUE WHEN pgslo_catalog.is_of_moved_schema(SQLSTATE);
                IF pgslo_catalog.is_transient(SQLSTATE) THEN
                    RAISE;
                END IF;
                RAISE EXCEPTION USING
                    ERRCODE = 'check_violation',
                    MESSAGE = format('batch %s of %s cannot be judged by rule "%s"', one, target.name, rule.name),
                    DETAIL = format('Its query or condition raises SQLSTATE %s.', SQLSTATE),
                    HINT = format('The statement was undone. Ask the owner, %s.', coalesce(rule.owner, target.owner, 'unknown')),
                    SCHEMA = split_part(target.name, '.', 1),
                    TABLE = substr(target.name, strpos(target.name, '.') + 1),
                    CONSTRAINT = rule.name;
            END;
            IF found.value < rule.reject_low OR found.value > rule.reject_high THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'check_violation',
                    MESSAGE = format('batch %s of %s violates rule "%s"', one, target.name, rule.name),
                    -- A number over rows that the writer may not read is no number for the writer.
                    DETAIL = CASE WHEN pgslo_catalog.may_count(target.relation, rule.columns)
                        THEN format('%s.', regexp_replace(upper(left(found.said, 1) COLLATE "C") || substr(found.said, 2), 'the objective is', 'what is let through is'))
                        ELSE format('The rule wants: %s.', rule.promise) END,
                    HINT = format('The statement was undone. Ask the owner, %s, or write what keeps the rule.', coalesce(rule.owner, target.owner, 'unknown')),
                    SCHEMA = split_part(target.name, '.', 1),
                    TABLE = substr(target.name, strpos(target.name, '.') + 1),
                    COLUMN = coalesce(CASE WHEN rule.kind <> 'row_count' THEN rule.columns[1] END, ''),
                    CONSTRAINT = rule.name;
            END IF;
        END LOOP;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.refuse_batch(definition text, batches text[]) IS 'Refuses a statement after which a batch is beyond what its rules let through.';

CREATE FUNCTION pgslo_catalog.refuse_broken(check_function text, group_shown text, said text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    held record;
    visible boolean := pgslo_catalog.may_see_groups(refuse_broken.check_function);
BEGIN
    SELECT r.name, r.promise, coalesce(r.owner, d.owner, 'unknown') AS owner, d.name AS definition
    INTO held
    FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE a.check_function = refuse_broken.check_function;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('transaction violates assertion "%s" of %s', held.name, held.definition),
        DETAIL = CASE WHEN NOT visible THEN format('The assertion wants: %s.', held.promise) ELSE format('%s%s. The assertion wants: %s.',
            CASE WHEN refuse_broken.group_shown IS NULL THEN '' ELSE format('Group %s: ', refuse_broken.group_shown) END,
            CASE WHEN refuse_broken.group_shown IS NULL THEN upper(left(refuse_broken.said, 1) COLLATE "C") || substr(refuse_broken.said, 2) ELSE refuse_broken.said END, held.promise) END,
        HINT = format('Write what keeps it, in one transaction, or ask its owner, %s.', held.owner),
        SCHEMA = split_part(held.definition, '.', 1),
        TABLE = substr(held.definition, strpos(held.definition, '.') + 1),
        CONSTRAINT = held.name;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.refuse_broken(check_function text, group_shown text, said text) IS 'Refuses a transaction as a check constraint does, naming the group.';

CREATE FUNCTION pgslo_catalog.refuse_part(relation oid, role oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    strange record;
BEGIN
    SELECT s.part, s.whole, s.owner, s.whole_owner INTO strange
    FROM pgslo_catalog.strange_part(refuse_part.relation, refuse_part.role) AS s;
    IF strange.part IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s, a part of %s, belongs to role %s', strange.part, strange.whole, quote_ident(strange.owner)),
            DETAIL = format('Functions that its indexes and constraints call would run with the rights of role %s.',
                quote_ident(pg_get_userbyid(refuse_part.role))),
            HINT = format('ALTER TABLE %s OWNER TO %I;', strange.part, strange.whole_owner);
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.refuse_part(relation oid, role oid) IS 'Refuse to read a table with a part whose owner has not the rights of a role, nor those of the owner of the whole.';

CREATE FUNCTION pgslo_catalog.refuse_stale(relation oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RETURN;  -- Each statement sees all that is committed.
    END IF;
    -- The planner sees owners and indexes as they are now. Rows of the catalogue have another place once they were written again.
    IF EXISTS (
        SELECT
        FROM (
            SELECT refuse_stale.relation AS oid
            UNION SELECT t.relid FROM pg_partition_tree(refuse_stale.relation) AS t
            UNION SELECT t.oid FROM pgslo_catalog.reached_tables(refuse_stale.relation, false) AS t (oid)
        ) AS t
        LEFT JOIN pg_class c ON c.oid = t.oid
        WHERE c.oid IS NULL OR currtid2('pg_catalog.pg_class', c.ctid) <> c.ctid)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = format('%s, or a part of it, was changed since the transaction began', refuse_stale.relation::regclass),
            HINT = 'Try the transaction again.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.refuse_stale(relation oid) IS 'Refuse a transaction with one snapshot if a table, or a part of it, is not in the catalogue as that snapshot has it.';

CREATE FUNCTION pgslo_catalog.refuse_unrecorded(definition text, error_code text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = refuse_unrecorded.error_code,
        MESSAGE = format('rows written to %s cannot be recorded', refuse_unrecorded.definition),
        DETAIL = format('What is recorded of them raises: %s.', pgslo_catalog.error_said(false, refuse_unrecorded.error_code, NULL)),
        HINT = CASE WHEN refuse_unrecorded.error_code = '54001'
            THEN 'The statement was undone. Run it in fewer functions that call each other.'
            ELSE 'The statement was undone. Try again.' END,
        SCHEMA = split_part(refuse_unrecorded.definition, '.', 1),
        TABLE = substr(refuse_unrecorded.definition, strpos(refuse_unrecorded.definition, '.') + 1);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.refuse_unrecorded(definition text, error_code text) IS 'Refuse a write of which nothing could be recorded, so that nobody but the writer would know.';

CREATE FUNCTION pgslo_catalog.register(document jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint;
    former regclass := (SELECT d.relation FROM pgslo_catalog.definition d WHERE d.name = document ->> 'name');
    promised jsonb;
    is_recounted boolean;
    before pgslo_catalog.definition;
BEGIN
    IF document ? 'learns' THEN
        document := jsonb_set(document, '{rules}',
            pgslo_catalog.learned_rules(coalesce(document -> 'watched', '[]')) || pgslo_catalog.expecting_rules(document) || coalesce(document -> 'rules', '[]'));
    END IF;
    SELECT d.* INTO before FROM pgslo_catalog.definition d WHERE d.name = document ->> 'name';
    -- Not when pgslo is installed: a dump of an extension brings its own.
    INSERT INTO pgslo_catalog.secret DEFAULT VALUES ON CONFLICT DO NOTHING;
    INSERT INTO pgslo_catalog.definition AS d (name, relation, owner, description, key_columns, writes, batch_every,
        batch_by, batch_place, batch_name, batch_key, schema_wanted, on_read, fingerprint,
        settle, batch_is_of_row, recount, batch_column, sensitivity, holidays, tallies, max_age, age_of, target, span, budgeting, judge, place_is_number, reader, writer)
    VALUES (
        document ->> 'name', (document ->> 'relation')::regclass, document ->> 'owner', document ->> 'description',
        ARRAY(SELECT jsonb_array_elements_text(document -> 'key')), document ->> 'writes',
        (document ->> 'batch_every')::interval, document ->> 'batch_by', document ->> 'batch_place',
            document ->> 'batch_name', document ->> 'batch_key', nullif(document -> 'schema', 'null'),
            document ->> 'on_read', document ->> 'fingerprint',
        (document ->> 'settle')::interval, (document ->> 'batch_is_of_row')::boolean, document ->> 'recount', document ->> 'batch_column', (document ->> 'sensitivity')::float8, ARRAY(SELECT jsonb_array_elements_text(document -> 'holidays')),
        ARRAY(SELECT jsonb_array_elements_text(document -> 'tallies')), (document ->> 'max_age')::interval, document ->> 'age_of', (document ->> 'target')::numeric, (document ->> 'span')::interval,
        coalesce(document ->> 'budgeting', 'occurrences'), document ->> 'judge', coalesce((document ->> 'place_is_number')::boolean, false), document ->> 'reader', document ->> 'writer')
    ON CONFLICT (name) DO UPDATE SET
        relation = excluded.relation, owner = excluded.owner, description = excluded.description, key_columns = excluded.key_columns,
        writes = excluded.writes, batch_every = excluded.batch_every, batch_by = excluded.batch_by,
            batch_place = excluded.batch_place, batch_name = excluded.batch_name, batch_key = excluded.batch_key,
            schema_wanted = excluded.schema_wanted,
        on_read = excluded.on_read, fingerprint = excluded.fingerprint,
        settle = excluded.settle, batch_is_of_row = excluded.batch_is_of_row, recount = excluded.recount, batch_column = excluded.batch_column, sensitivity = excluded.sensitivity, holidays = excluded.holidays,
        tallies = excluded.tallies, max_age = excluded.max_age, age_of = excluded.age_of, target = excluded.target, span = excluded.span, budgeting = excluded.budgeting, judge = excluded.judge, place_is_number = excluded.place_is_number, reader = excluded.reader, writer = excluded.writer, registered_at = clock_timestamp(), registered_by = session_user
    RETURNING d.definition_id INTO id;
    UPDATE pgslo_catalog.definition d
    SET max_bytes = coalesce((document ->> 'max_bytes')::bigint, 1073741824),
        known_types = CASE WHEN document ? 'types' THEN ARRAY(SELECT jsonb_array_elements_text(document -> 'types')) END,
        readers = ARRAY(SELECT jsonb_array_elements_text(document -> 'readers'))
    WHERE d.definition_id = id;
    IF former <> (document ->> 'relation')::regclass THEN
        PERFORM pgslo_catalog.follow_table(id, former);
    END IF;

    SELECT jsonb_object_agg(r.name, r.promise) INTO promised
    FROM pgslo_catalog.rule r WHERE r.definition_id = id AND r.retired_at IS NULL;
    INSERT INTO pgslo_catalog.rule AS r (definition_id, name, kind, columns, on_breach, at_least, at_most, samples, mechanism, promise, owner, description, tags, scope, measure,
        warn_low, warn_high, reject_low, reject_high, target, span, missed_before_open, met_before_resolve, rests_on, about)
    SELECT id, w ->> 'name', w ->> 'kind', ARRAY(SELECT jsonb_array_elements_text(w -> 'columns')), w ->> 'on_breach',
           (w ->> 'at_least')::numeric, (w ->> 'at_most')::bigint, coalesce((w ->> 'samples')::bigint, 10), w ->> 'mechanism', w ->> 'promise',
           w ->> 'owner', w ->> 'description', ARRAY(SELECT jsonb_array_elements_text(w -> 'tags')), coalesce(w ->> 'scope', 'row'), nullif(w -> 'measure', 'null'),
           (w ->> 'warn_low')::float8, (w ->> 'warn_high')::float8, (w ->> 'reject_low')::float8, (w ->> 'reject_high')::float8,
           (w ->> 'target')::numeric, (w ->> 'span')::interval, coalesce((w ->> 'missed_before_open')::integer, 1),
               coalesce((w ->> 'met_before_resolve')::integer, 1), w -> 'rests_on', w ->> 'about'
    FROM jsonb_array_elements(document -> 'rules') AS w
    ON CONFLICT (definition_id, name) DO UPDATE SET
        kind = excluded.kind, columns = excluded.columns, on_breach = excluded.on_breach, at_least = excluded.at_least, at_most = excluded.at_most,
        samples = excluded.samples, mechanism = excluded.mechanism, promise = excluded.promise, owner = excluded.owner,
        description = excluded.description, tags = excluded.tags, scope = excluded.scope, measure = excluded.measure, warn_low = excluded.warn_low, warn_high = excluded.warn_high,
        reject_low = excluded.reject_low, reject_high = excluded.reject_high,
        target = excluded.target, span = excluded.span, missed_before_open = excluded.missed_before_open,
            met_before_resolve = excluded.met_before_resolve, rests_on = excluded.rests_on, about = excluded.about,
        retired_at = NULL;

    INSERT INTO pgslo_catalog.rule_lock (rule_id) SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = id
    ON CONFLICT ON CONSTRAINT rule_lock_is_of_one_rule DO NOTHING;
    UPDATE pgslo_catalog.rule r SET retired_at = clock_timestamp()
    WHERE r.definition_id = id AND r.retired_at IS NULL
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(document -> 'rules') AS w WHERE w ->> 'name' = r.name);
    UPDATE pgslo_catalog.incident i
    SET over_at = coalesce(i.over_at, clock_timestamp()), resolved_at = clock_timestamp(), resolution = coalesce(i.resolution, 'retired')
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = i.rule_id AND r.definition_id = id AND r.retired_at IS NOT NULL AND i.resolved_at IS NULL;
    UPDATE pgslo_catalog.missed_batch m SET ended_at = clock_timestamp(), ended_as = 'retired'
    WHERE m.ended_at IS NULL AND m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE u.definition_id = id AND u.ended_at IS NULL AND r.retired_at IS NOT NULL
        FOR UPDATE OF u SKIP LOCKED);
    -- What was broken is judged anew under the new definition, and batches that were written meanwhile are counted from the table.
    -- Batches that rules have still to judge are judged by tick(), if the table says which rows they have.
    DELETE FROM pgslo_catalog.rule_break b
    WHERE b.definition_id = id
      AND (b.pause_id IS NULL AND (b.batch IS NULL OR b.error_code = '22000' OR document ->> 'judge' IS NULL)
           OR EXISTS (SELECT FROM pgslo_catalog.rule r WHERE r.rule_id = b.rule_id AND r.retired_at IS NOT NULL));
    is_recounted := FOUND;
    -- A rule that came back, or that is another now, says anew which of these batches miss it.
    UPDATE pgslo_catalog.missed_batch m SET ended_at = NULL, ended_as = NULL, incident_id = NULL, looked_at = NULL
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = m.rule_id AND r.definition_id = id AND r.retired_at IS NULL AND NOT coalesce(promised ? r.name, false)
      AND m.ended_as = 'retired';
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT DISTINCT id, r.rule_id, '55000', s.said, s.said, m.batch, m.place
    FROM pgslo_catalog.missed_batch m
    JOIN pgslo_catalog.rule r USING (rule_id)
    CROSS JOIN (SELECT 'the rule was changed' AS said) AS s
    WHERE r.definition_id = id AND r.retired_at IS NULL AND m.ended_at IS NULL
      AND promised ->> r.name IS DISTINCT FROM r.promise
      AND (r.scope = 'batch' OR document ->> 'judge' IS NOT NULL);
    IF before.batch_key <> document ->> 'batch_key' THEN
        PERFORM pgslo_catalog.change_key(id, before.place_is_number);
    ELSIF is_recounted AND document ->> 'recount' IS NOT NULL THEN
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
        SELECT DISTINCT id, f.batch, f.place, 0, 'recount'
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.tallies ?| ARRAY['unmeasured rows', 'unsampled rows'] AND f.place > '-Infinity';
    END IF;

    INSERT INTO pgslo_catalog.own_salt AS o (definition, relation, salt)
    SELECT d.name, d.relation, encode(sha256(convert_to(concat(s.value, ' ', d.definition_id), 'UTF8')), 'hex')
    FROM pgslo_catalog.definition d CROSS JOIN pgslo_catalog.secret s WHERE d.definition_id = id
    ON CONFLICT ON CONSTRAINT own_salt_is_kept_once DO UPDATE SET relation = excluded.relation, salt = excluded.salt;

    DELETE FROM pgslo_catalog.other_relation o WHERE o.definition_id = id;
    INSERT INTO pgslo_catalog.other_relation (definition_id, schema_name, name, number, kind, owner, is_replaceable, known_types)
    SELECT id, n.nspname, c.relname, c.oid, c.relkind, pg_get_userbyid(c.relowner), (w -> 2)::boolean,
           CASE WHEN (w -> 2)::boolean THEN ARRAY(
               SELECT format('%s %s', a.attname, a.atttypid) FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384) END
    FROM jsonb_array_elements(document -> 'reads') AS w
    JOIN pg_namespace n ON n.nspname = w ->> 0
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1;
    PERFORM pgslo_catalog.register_predictions(id, document);
    DELETE FROM pgslo_catalog.watched_column c WHERE c.definition_id = id;
    INSERT INTO pgslo_catalog.watched_column (definition_id, ordinal, column_name, kind)
    SELECT id, w.ordinal, w.watched ->> 'name', w.watched ->> 'kind'
    FROM jsonb_array_elements(document -> 'watched') WITH ORDINALITY AS w (watched, ordinal);
    DELETE FROM pgslo_catalog.task t WHERE t.definition_id = id;
    INSERT INTO pgslo_catalog.task (definition_id, name, contact, reads, reads_from, view_name, on_read, gate, within, batches)
    SELECT id, t ->> 'name', t ->> 'contact', ARRAY(SELECT jsonb_array_elements_text(t -> 'reads')), coalesce(t ->> 'reads_from', 'definition'), t ->> 'view', t ->> 'on_read', nullif(t -> 'gate', 'null'),
           (t ->> 'within')::interval, coalesce(t ->> 'batches', 'all')
    FROM jsonb_array_elements(document -> 'tasks') AS t;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.register(document jsonb) IS 'Takes a definition in, or its newer form; rules that are gone are retired and keep their history.';

CREATE FUNCTION pgslo_catalog.register_predictions(definition_id bigint, document jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    wanted jsonb := nullif(document -> 'pairs', 'null');
    steps jsonb := document -> 'post_processing';
    known pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO known FROM pgslo_catalog.definition d WHERE d.definition_id = register_predictions.definition_id;
    UPDATE pgslo_catalog.definition d SET pairs = wanted WHERE d.definition_id = register_predictions.definition_id;
    IF wanted IS NULL THEN
        DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = register_predictions.definition_id;
        PERFORM pgslo_catalog.forget_pairs(register_predictions.definition_id);
        DELETE FROM pgslo_catalog.pair_batch b WHERE b.definition_id = register_predictions.definition_id;
    ELSIF wanted - 'maturity' IS DISTINCT FROM known.pairs - 'maturity' OR known.is_rekeyed THEN
        PERFORM pgslo_catalog.want_pairs_anew(known.name);
    END IF;
    -- Rules may be new: what was judged is judged by them as well.
    UPDATE pgslo_catalog.pair_batch b SET early_due = true, late_due = true WHERE b.definition_id = register_predictions.definition_id;
    IF steps IS NOT NULL AND steps ->> 'version' IS DISTINCT FROM (
        SELECT p.version FROM pgslo_catalog.post_processing p WHERE p.definition_id = register_predictions.definition_id ORDER BY p.post_processing_id DESC LIMIT 1
    ) THEN
        INSERT INTO pgslo_catalog.post_processing (definition_id, version, steps)
        VALUES (register_predictions.definition_id, steps ->> 'version', steps -> 'steps');
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.register_predictions(definition_id bigint, document jsonb) IS 'Takes in what a definition says of predictions; when pairs are made in another way, they are counted anew.';

CREATE FUNCTION pgslo_catalog.reject(definition text, rules text[], failed bigint, shown text, row_key text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    violated record;
BEGIN
    -- A subscription would stop for good: the row is stored and counts as failing.
    IF pgslo_catalog.is_replica() THEN
        RETURN;
    END IF;
    SELECT r.promise, r.about, coalesce(r.owner, d.owner) AS owner, n.nspname AS schema_name, t.relname AS table_name
    INTO violated
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r USING (definition_id)
    LEFT JOIN pg_class t ON t.oid = d.relation
    LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE d.name = reject.definition AND r.name = reject.rules[1];
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('new row for %s violates rule "%s"', reject.definition, reject.rules[1]),
        DETAIL = format('%s%s; the rule wants: %s. Key %s.%s',
            CASE WHEN reject.failed > 1 THEN format('%s rows of the statement violate it, for example one with ', reject.failed) END,
            coalesce(reject.shown, 'a row that cannot be shown'), violated.promise, coalesce(reject.row_key, 'of the row'),
            CASE WHEN reject.rules[2:] <> '{}' THEN format(' It also violates %s.', array_to_string(reject.rules[2:], ', ')) END),
        HINT = format('Write a row that keeps the rule, or ask its owner, %s.', coalesce(violated.owner, 'unknown')),
        SCHEMA = coalesce(violated.schema_name, ''),
        TABLE = coalesce(violated.table_name, ''),
        COLUMN = coalesce(violated.about, ''),
        CONSTRAINT = reject.rules[1];
END
$$;

COMMENT ON FUNCTION pgslo_catalog.reject(definition text, rules text[], failed bigint, shown text, row_key text) IS 'Refuse a write as a check constraint does, for the first of these rules; return where session_replication_role is replica.';

CREATE FUNCTION pgslo_catalog.reject_schema(definition text, schema_name text, table_name text, rule text, difference text, owner text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF pgslo_catalog.is_replica() THEN
        PERFORM pgslo_catalog.record_break(reject_schema.definition, reject_schema.rule, '23514', reject_schema.difference);
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('columns of %s violate rule "%s"', reject_schema.definition, reject_schema.rule),
        DETAIL = format('%s%s. No statement writes to the table until they fit again.', upper(left(reject_schema.difference, 1) COLLATE "C"), substr(reject_schema.difference, 2)),
        HINT = format('Change the table back, or its definition; the owner is %s.', reject_schema.owner),
        SCHEMA = reject_schema.schema_name,
        TABLE = reject_schema.table_name,
        CONSTRAINT = reject_schema.rule;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.reject_schema(definition text, schema_name text, table_name text, rule text, difference text, owner text) IS 'Refuses every write while a table''s columns are not those of its definition.';

CREATE FUNCTION pgslo_catalog.reopen_incident(rule pgslo_catalog.rule, batch text, place numeric, opened_by_tick boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    last pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO last FROM pgslo_catalog.incident i WHERE i.rule_id = (reopen_incident.rule).rule_id ORDER BY i.incident_id DESC LIMIT 1;
    IF last.resolution IS NULL OR last.resolution NOT IN ('real', 'false_alarm', 'accepted') THEN
        RETURN false;
    END IF;
    -- After a false alarm more of the same is none either.
    IF EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = last.rule_id AND m.batch = reopen_incident.batch AND m.ended_as = 'false_alarm'
    ) THEN
        RETURN true;
    ELSIF reopen_incident.place <= last.over_place THEN
        IF last.resolution = 'false_alarm' THEN
            RETURN false;  -- Another batch, which that was not about.
        END IF;
    ELSIF EXISTS (
        -- A batch in between was fine: this is another story.
        SELECT FROM pgslo_catalog.batch b
        WHERE b.definition_id = last.definition_id AND b.place > last.over_place AND b.place < reopen_incident.place
    ) THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = NULL, over_batch = NULL, over_place = NULL, resolved_at = NULL, resolution = NULL, resolved_by = NULL,
        acknowledged_at = NULL, acknowledged_by = NULL, opened_by_tick = reopen_incident.opened_by_tick
    WHERE i.incident_id = (SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.incident_id = last.incident_id FOR NO KEY UPDATE SKIP LOCKED);
    -- Another transaction is reopening it and may not commit: that is no reason not to open one.
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.reopen_incident(rule pgslo_catalog.rule, batch text, place numeric, opened_by_tick boolean) IS 'Takes up again what a person resolved, when the next batch misses as well; true when no other incident has to be opened.';

CREATE FUNCTION pgslo_catalog.replace_counts(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[], judges boolean) RETURNS pgslo_catalog.measured[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    target pgslo_catalog.definition := replace_counts.definition;
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    counted pgslo_catalog.measured[];
    seen pg_snapshot;
    -- Rows of an unknown batch were not judged: they may be in any, also in one with as many rows as before.
    has_unknown boolean := replace_counts.judges AND target.judge IS NOT NULL AND replace_counts.batches IS NULL
        AND replace_counts.first IS NULL AND pgslo_catalog.has_unknown_rows(target.definition_id);
BEGIN
    PERFORM pgslo_catalog.pin_table(target, target.recount);
    seen := pg_current_snapshot();
    PERFORM pgslo_catalog.record_news(ARRAY(
        SELECT f.fragment_id FROM pgslo_catalog.fragment f
        WHERE f.definition_id = target.definition_id AND f.failures IS NOT NULL
          AND (replace_counts.batches IS NULL OR f.batch = ANY (replace_counts.batches))));
    -- One statement, so one snapshot: what it counts in the table is what the fragments it removes stood for.
    EXECUTE format(
        $query$
        WITH known AS MATERIALIZED (
            SELECT k.batch, min(k.place) AS place
            FROM (
                SELECT b.name AS batch, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = $4 AND b.rows <> 0
                UNION ALL
                SELECT f.batch, f.place FROM pgslo_catalog.fragment f
                WHERE f.definition_id = $4 AND f.operation NOT IN ('recount', 'truncate')
                  AND (f.rows <> 0 OR f.failures IS NOT NULL)
            ) AS k
            -- No scan of a range finds the rows of a batch without an order, and none those of an unknown batch.
            WHERE $8 IS NULL OR k.batch = ANY ($8) AND (k.place > '-Infinity' OR $1 IS NULL AND k.batch <> 'unknown')
            GROUP BY k.batch
        ), present AS MATERIALIZED (
            SELECT c.* FROM unnest(pgslo_gen.%I($1, $2, $3)) AS c WHERE $8 IS NULL OR c.batch = ANY ($8)
        ), counted AS MATERIALIZED (
            SELECT p.* FROM present p
            UNION ALL
            SELECT k.batch, k.place, 0, '{}', '{}', '{}', NULL FROM known k
            WHERE ($8 IS NULL OR $9) AND NOT EXISTS (SELECT FROM present p WHERE p.batch = k.batch)
        ), gone AS (
            DELETE FROM pgslo_catalog.fragment f
            WHERE ($6 = 'bulk' OR $9 AND $10) AND f.definition_id = $4
              AND ($1 IS NULL AND $8 IS NULL OR f.batch IN (SELECT c.batch FROM counted c))
            RETURNING f.batch, f.rows, f.failures, f.written_at, f.xid
        ), kept AS (
            SELECT g.batch, sum(g.rows) AS rows, nullif(pgslo_catalog.added_up(array_agg(g.failures)), '{}') AS failures,
                   sum(g.rows) FILTER (WHERE g.rows > 0) AS rows_added, max(g.written_at) AS written_at,
                   -- Whoever accepts a batch that is missed may not have seen all of it.
                   CASE WHEN bool_and(pg_visible_in_snapshot(g.xid, $12)) AND NOT EXISTS (
                       SELECT FROM pgslo_catalog.rule r JOIN pgslo_catalog.missed_batch m USING (rule_id)
                       WHERE r.definition_id = $4 AND m.batch = g.batch AND m.ended_at IS NULL)
                   THEN (array_agg(g.xid ORDER BY g.failures IS NULL, g.xid DESC))[1] END AS xid,
                   nullif(pgslo_catalog.added_up(array_agg(g.failures) FILTER (WHERE g.rows > 0)), '{}') AS failures_added
            FROM gone g GROUP BY g.batch
        ), written AS (
            INSERT INTO pgslo_catalog.fragment
                (definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample, written_at, xid)
            SELECT $4, c.batch, coalesce(c.place, pgslo_catalog.arrival($4, c.batch)), c.rows,
                   -- Failing rows are the same where the rows are as many as before, and known where all of them were written since.
                   -- Otherwise those that are known count until the rule is evaluated again.
                   CASE WHEN NOT j.is_due AND c.rows > 0 THEN
                       CASE c.rows WHEN k.rows_added THEN k.failures_added ELSE k.failures END END,
                   'recounted', coalesce(pgslo_catalog.signed($5, c.present, 1), '{}'),
                   coalesce(pgslo_catalog.signed($7, c.tallies, 1), '{}'), pgslo_catalog.level_of($3), $5, c.sample,
                   -- A batch that only lost rows is not newer for that.
                   CASE WHEN c.rows <= k.rows THEN k.written_at ELSE clock_timestamp() END,
                   coalesce(k.xid, pg_current_xact_id())
            FROM counted c
            LEFT JOIN kept k ON k.batch = c.batch
            CROSS JOIN LATERAL (SELECT $9 AND $10 AND ($11 OR $8 IS NOT NULL OR c.rows IS DISTINCT FROM k.rows) AS is_due) AS j
            WHERE $6 = 'bulk' OR $9 AND $10
            RETURNING batch, place, rows
        ), settled AS (
            DELETE FROM pgslo_catalog.rule_break b
            WHERE $9 AND b.definition_id = $4
              AND (b.batch IN (SELECT w.batch FROM written w WHERE w.rows = 0) OR $11 AND b.batch = 'unknown' AND b.pause_id IS NULL)
        ), due AS (
            INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
            SELECT $4, r.rule_id, '55000', m.said, m.said, w.batch, w.place
            FROM written w
            JOIN pgslo_catalog.rule r ON r.definition_id = $4 AND r.scope = 'row'
                AND r.mechanism LIKE '%% trigger' AND r.retired_at IS NULL
                AND (r.on_breach IN ('warn', 'flag')
                     -- Rows of a subscription are not rejected, but flagged.
                     OR r.on_breach = 'reject' AND EXISTS (
                         SELECT FROM kept k WHERE k.batch = w.batch AND k.failures ? r.name))
            CROSS JOIN (SELECT 'rows came or left without a trigger' AS said) AS m
            WHERE $10 AND w.rows > 0
              AND ($9 AND ($11 OR $8 IS NOT NULL OR w.rows IS DISTINCT FROM (SELECT k.rows FROM kept k WHERE k.batch = w.batch))
                   OR EXISTS (
                       SELECT FROM kept k
                       WHERE k.batch = w.batch AND k.failures ? r.name AND w.rows <> k.rows AND w.rows IS DISTINCT FROM k.rows_added))
        )
        SELECT array_agg(c::pgslo_catalog.measured ORDER BY c.place) FROM counted c
        $query$, target.recount)
    INTO counted
    USING replace_counts.first, replace_counts.last, replace_counts.mask, target.definition_id, columns, target.writes,
        pgslo_catalog.tally_slots(target.tallies), replace_counts.batches, replace_counts.judges, target.judge IS NOT NULL,
        has_unknown, seen;
    RETURN counted;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.replace_counts(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[], judges boolean) IS 'Count batches from the table in place of what writers recorded of them; with judges, rules evaluate their rows again.';

CREATE FUNCTION pgslo_catalog.require_end() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pgslo_catalog.snapshot_room r WHERE r.table_name = NEW.table_name) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('snapshot table "%s" is not complete', NEW.table_name),
            DETAIL = 'A transaction that begins a snapshot seals it, and one that begins a check ends it.',
            HINT = 'Call pgslo.create_snapshot() or pgslo.verify_snapshot(), which do both.';
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.require_end() IS 'Refuse to commit a table of rows that a reader may still fill.';

CREATE FUNCTION pgslo_catalog.resolution_of(incident_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT CASE
            WHEN bool_or(m.ended_as = 'accepted') THEN 'accepted'
            WHEN bool_or(m.ended_as = 'corrected') THEN 'healed'
            WHEN bool_or(m.ended_as = 'removed') THEN 'removed'
            WHEN bool_or(m.ended_as = 'false_alarm') THEN 'false_alarm'
            WHEN bool_or(m.ended_as = 'retired') THEN 'retired'
            ELSE 'met' END
        FROM pgslo_catalog.missed_batch m WHERE m.incident_id = resolution_of.incident_id);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.resolution_of(incident_id bigint) IS 'How an incident is resolved whose batches are not missed any more.';

CREATE FUNCTION pgslo_catalog.resolve_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    open pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO open
    FROM pgslo_catalog.incident i
    WHERE i.definition_id = (resolve_incident.rule).definition_id
      AND i.rule_id = (resolve_incident.rule).rule_id
      AND i.over_at IS NULL;
    -- Looks at this batch and later ones alone: what it costs must not grow with the time an incident is open.
    -- A batch in the future is not what later rows come to.
    IF NOT FOUND OR open.opened_place >= resolve_incident.place OR EXISTS (
        SELECT FROM pgslo_catalog.fragment f
        WHERE f.definition_id = open.definition_id AND f.place >= resolve_incident.place
        GROUP BY f.batch
        HAVING pgslo_catalog.is_missed(resolve_incident.rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> resolve_incident.rule.name)::bigint), 0)::bigint)
    ) OR EXISTS (
        -- Whatever sums say, until tick() has asked the table.
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = open.rule_id AND m.ended_at IS NULL AND m.place >= resolve_incident.place
          AND m.batch <> resolve_incident.batch
    ) OR resolve_incident.place > pgslo_catalog.last_place(open.definition_id)
        OR pgslo_catalog.unknown_is_missed(resolve_incident.rule)
    THEN
        RETURN false;
    END IF;
    PERFORM FROM pgslo_catalog.rule_lock l WHERE l.rule_id = open.rule_id FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND NOT resolve_incident.is_tick THEN
        RETURN false;
    END IF;
    RETURN pgslo_catalog.end_incident(open.incident_id, 'met', resolve_incident.batch, resolve_incident.place, NULL);
EXCEPTION WHEN serialization_failure THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.resolve_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean) IS 'End the rule''s open incident if this batch is newer than every batch that missed it and not in the future, and return whether it did; never waits and never fails the write.';

CREATE FUNCTION pgslo_catalog.resolve_met(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    open record;
    missed_id bigint;
    last_place numeric := pgslo_catalog.last_place(resolve_met.definition);
    newest record;
BEGIN
    IF (resolve_met.definition).writes = 'bulk' THEN
        -- A bulk-loaded table's own writes resolve its incidents, but for what they left to a writer who then rolled back.
        FOR open IN
            SELECT r AS rule, later.batch, later.place
            FROM pgslo_catalog.incident i
            JOIN pgslo_catalog.rule r USING (rule_id)
            CROSS JOIN LATERAL (
                -- What was written since stands among the newest, or it is late and its batch is judged again by itself.
                SELECT f.batch, f.place
                FROM (
                    SELECT n.batch, n.place, n.written_at FROM pgslo_catalog.fragment n
                    WHERE n.definition_id = i.definition_id AND n.place > i.opened_place AND n.place <= last_place
                      AND n.rows > 0
                    ORDER BY n.place DESC LIMIT 100
                ) f
                WHERE f.written_at >= i.opened_at
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
$$;

COMMENT ON FUNCTION pgslo_catalog.resolve_met(definition pgslo_catalog.definition) IS 'End incidents of rules about rows that later batches met.';

CREATE FUNCTION pgslo_catalog.restore_session(before text[], with_locks boolean) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    AS $$
DECLARE
    found record;
    is_removed boolean;
    added text[] := '{}';
    lost text[];
BEGIN
    IF restore_session.before IS NULL
        OR pgslo_catalog.session_state(restore_session.with_locks) = restore_session.before
    THEN
        RETURN NULL;
    END IF;
    lost := ARRAY(
        SELECT b.identity FROM unnest(restore_session.before) AS b (identity)
        EXCEPT ALL
        SELECT o.identity FROM pgslo_catalog.session_objects(restore_session.with_locks) AS o);
    FOR found IN
        SELECT o.identity, o.removal FROM pgslo_catalog.session_objects(restore_session.with_locks) AS o
        WHERE o.identity <> ALL (restore_session.before)
    LOOP
        IF starts_with(found.removal, 'DEALLOCATE') THEN
            EXECUTE found.removal;
            added := array_append(added, split_part(found.identity, E'\t', 1));
            CONTINUE;
        END IF;
        -- As often as it was taken. A lock of the transaction ends with it.
        EXECUTE found.removal INTO is_removed;
        IF is_removed THEN
            added := array_append(added, split_part(found.identity, E'\t', 1));
        END IF;
        WHILE is_removed LOOP
            EXECUTE found.removal INTO is_removed;
        END LOOP;
    END LOOP;
    lost := ARRAY(SELECT split_part(l.identity, E'\t', 1) FROM unnest(lost) AS l (identity));
    RETURN CASE
        WHEN added = '{}' AND lost = '{}' THEN NULL
        WHEN lost = '{}' THEN format('Removed from the session: %s.', array_to_string(added[:10], ', '))
        WHEN added = '{}' THEN format('Lost: %s.', array_to_string(lost[:10], ', '))
        ELSE format('Removed from the session: %s. Lost: %s.',
                    array_to_string(added[:10], ', '), array_to_string(lost[:10], ', '))
    END;
EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
    -- One that cannot be listed, for example, because its text is too long: then none stays.
    EXECUTE 'DEALLOCATE ALL';
    RAISE;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.restore_session(before text[], with_locks boolean) IS 'Remove what an earlier session_state(), if there is one, has not; return what differs, in words, or NULL.';

CREATE FUNCTION pgslo_catalog.room_of(snapshot_id bigint) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT format('check of %s by %s', room_of.snapshot_id, pg_backend_pid()) $$;

COMMENT ON FUNCTION pgslo_catalog.room_of(snapshot_id bigint) IS 'The table into which this session reads a reference again.';

CREATE FUNCTION pgslo_catalog.row_text(columns jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT format('ROW(%s)::text', string_agg(format('r.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality))
    FROM jsonb_array_elements(row_text.columns) WITH ORDINALITY AS c
$$;

COMMENT ON FUNCTION pgslo_catalog.row_text(columns jsonb) IS 'A row as text, as SQL over row r.';

CREATE FUNCTION pgslo_catalog.rows_shown(rows numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE rows_shown.rows WHEN 1 THEN '1 row' ELSE pgslo_catalog.shown(rows_shown.rows) || ' rows' END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.rows_shown(rows numeric) IS 'Return a number of rows in words.';

CREATE FUNCTION pgslo_catalog.rows_written(tables oid[]) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT sum(pg_stat_get_xact_tuples_inserted(t.oid) + pg_stat_get_xact_tuples_updated(t.oid)
               + pg_stat_get_xact_tuples_deleted(t.oid))
    FROM unnest(rows_written.tables) AS t (oid)
$$;

COMMENT ON FUNCTION pgslo_catalog.rows_written(tables oid[]) IS 'Return how many rows of tables this transaction wrote.';

CREATE FUNCTION pgslo_catalog.salt(definition text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    AS $$
DECLARE
    found text := (SELECT s.salt FROM pgslo_catalog.own_salt s WHERE s.definition = salt.definition);
BEGIN
    IF found IS NULL THEN
        -- Without it, all keys would have one name.
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot name batches of %s', salt.definition),
            DETAIL = 'It has no definition, or its table belongs to another role.';
    END IF;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.salt(definition text) IS 'Return what names of batches of a definition are hashed with.';

CREATE FUNCTION pgslo_catalog.sample_mask(rows bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- 2 to the power of the level, less one: about 2,000 of the rows have an entity whose hash has none of its bits.
    RETURN CASE WHEN sample_mask.rows > 2000 THEN (1::bigint << ceil(ln(sample_mask.rows / 2000.0) / ln(2))::integer) - 1 ELSE 0 END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.sample_mask(rows bigint) IS 'Which rows of a statement are sampled: those whose entity''s hash has none of these bits.';

CREATE FUNCTION pgslo_catalog.sample_rows(sample text[]) RETURNS SETOF text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    one text[];
BEGIN
    -- Slice by slice in one pass; indexing would begin anew for each row.
    IF sample_rows.sample IS NOT NULL THEN
        FOREACH one SLICE 1 IN ARRAY sample_rows.sample LOOP
            RETURN NEXT one;
        END LOOP;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.sample_rows(sample text[]) IS 'The rows of a sample.';

CREATE FUNCTION pgslo_catalog.sampling(definition text, failure text, rule text, passes text, batch_of text[], failed bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN format('SELECT pgslo_catalog.record_sample(%L, $1, %s, b.row_key, b.shown)
        FROM (
            SELECT %s AS raw, f.row_key, f.shown
            FROM pgslo_new AS r CROSS JOIN LATERAL %s(r.*, $1, $2) AS f
            WHERE NOT %s LIMIT %s
        ) AS b',
        sampling.definition, sampling.batch_of[2], sampling.batch_of[1], sampling.failure, sampling.passes,
        -- No row is evaluated after the last that is needed.
        (SELECT least(r.samples, sampling.failed) FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
         WHERE d.name = sampling.definition AND r.name = sampling.rule));
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.sampling(definition text, failure text, rule text, passes text, batch_of text[], failed bigint) IS 'Return the statement that keeps some of the rows that violate rule $1 in operation $2, each with its batch.';

CREATE FUNCTION pgslo_catalog.say_left(definition text, error_code text, error_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Any other error stays, and is recorded.
    IF pgslo_catalog.is_transient(say_left.error_code) THEN
        RAISE WARNING USING
            ERRCODE = '01SL2',
            MESSAGE = format('pgslo.tick() could not judge batches of %s', say_left.definition),
            DETAIL = format('SQLSTATE %s: %s.', say_left.error_code, say_left.error_message),
            HINT = CASE say_left.error_code
                WHEN '57014' THEN 'They come last the next time. Look for slow functions in constraints and indexes of the table, or raise statement_timeout.'
                ELSE 'They are judged the next time.'
            END;
        RETURN;
    END IF;
    IF say_left.error_code = 'SL004' THEN
        RAISE WARNING USING
            ERRCODE = '01SL2',
            MESSAGE = format('pgslo.tick() could not judge batches of %s: %s', say_left.definition, say_left.error_message),
            DETAIL = 'Prepared statements and locks that it left in this session were removed.',
            HINT = 'Ask the owner of the table what functions its indexes, constraints, policies and statistics call.';
    END IF;
    PERFORM pgslo_catalog.record_break(say_left.definition, NULL, say_left.error_code, say_left.error_message);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.say_left(definition text, error_code text, error_message text) IS 'Warn whoever runs tick() that it left a definition to the next time, or record why it cannot be judged.';

CREATE FUNCTION pgslo_catalog.say_problem(definition text, told pgslo_catalog.found_problem, mode text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    AS $$
BEGIN
    -- A guarded view may be read through a view of another role, by one that may read neither: one bit, and whom to ask.
    IF pgslo_catalog.may_know(say_problem.definition, pgslo_catalog.caller()) IS NOT TRUE THEN
        told := ROW(told.code, NULL, NULL, format('data of %s is unhealthy', say_problem.definition),
            'This role may not see details, because it may read neither the table nor a guarded view of it.',
            format('Ask the owner, %s.', coalesce((SELECT d.owner FROM pgslo_catalog.definition d WHERE d.name = say_problem.definition), 'unknown')));
    END IF;
    IF say_problem.mode <> 'warn' THEN
        IF say_problem.mode = 'insist' THEN
            told.hint :=
                'Call pgslo.client.watch in Python, or SET pgslo.heard = ''on'' in a client that shows warnings. '
                'To read without this check, SET pgslo.on_read = ''warn''. ' || told.hint;
        END IF;
        RAISE EXCEPTION USING
            ERRCODE = 'SL001',
            MESSAGE = format('read refused: %s', told.message),
            DETAIL = told.detail,
            HINT = told.hint,
            SCHEMA = split_part(say_problem.definition, '.', 1),
            TABLE = substr(say_problem.definition, strpos(say_problem.definition, '.') + 1),
            COLUMN = coalesce(told.column_name, ''),
            CONSTRAINT = coalesce(told.rule, '');
    END IF;
    IF pgslo_catalog.was_reported(format('problem %s %s %s', say_problem.definition, told.rule, told.code)) THEN
        RETURN;
    END IF;
    RAISE WARNING USING
        ERRCODE = told.code,
        MESSAGE = told.message,
        DETAIL = told.detail,
        HINT = told.hint || CASE
            WHEN current_setting('pgslo.heard', true) = 'on' THEN ''
            ELSE E'\nPython shows this with pgslo.client.watch(); SET pgslo.on_read = ''refuse'' refuses such reads.' END,
        SCHEMA = split_part(say_problem.definition, '.', 1),
        TABLE = substr(say_problem.definition, strpos(say_problem.definition, '.') + 1),
        COLUMN = coalesce(told.column_name, ''),
        CONSTRAINT = coalesce(told.rule, '');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.say_problem(definition text, told pgslo_catalog.found_problem, mode text) IS 'Warns, once a statement, or refuses the read.';

CREATE FUNCTION pgslo_catalog.schema_difference(relation regclass, wanted jsonb) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    AS $$
    SELECT string_agg(difference.text, '; ' ORDER BY difference.text)
    FROM (
        SELECT CASE
                   WHEN a.attname IS NULL THEN format('column "%s" is missing', w.name)
                   ELSE format('column "%s" is %s, not %s', w.name, format_type(a.atttypid, a.atttypmod), w.type)
               END
        FROM jsonb_each_text(schema_difference.wanted -> 'columns') AS w (name, type)
        LEFT JOIN pg_attribute a ON a.attrelid = schema_difference.relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname IS NULL OR format_type(a.atttypid, a.atttypmod) <> w.type
        UNION ALL
        SELECT format('column "%s" is not in the definition', a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = schema_difference.relation AND a.attnum > 0 AND NOT a.attisdropped
          AND schema_difference.wanted ->> 'extra' = 'forbid' AND NOT (schema_difference.wanted -> 'columns') ? a.attname
    ) AS difference (text)
$$;

COMMENT ON FUNCTION pgslo_catalog.schema_difference(relation regclass, wanted jsonb) IS 'How a table''s columns differ from those wanted, in words; NULL when they do not.';

CREATE FUNCTION pgslo_catalog.sealed(context text, value text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- No two values are sealed with one key: else two texts with the same context would show how they differ.
    nonce text := concat(extract(epoch FROM clock_timestamp()), '-', pg_backend_pid());
    -- Eight spaces or more at the end show whether it was opened with its own key.
    plain bytea := convert_to(rpad(sealed.value, (length(sealed.value) + 39) / 32 * 32), 'SQL_ASCII');
    secret text;
    bits text := '';
BEGIN
    SELECT s.value INTO secret FROM pgslo_catalog.secret s;
    FOR n IN 0..length(plain) / 32 - 1 LOOP
        bits := concat(bits, ('x' || encode(sha256(convert_to(concat_ws(' ', secret, nonce, n, sealed.context), 'SQL_ASCII')), 'hex'))::bit(256)
            # ('x' || encode(substr(plain, 1 + n * 32, 32), 'hex'))::bit(256));
    END LOOP;
    RETURN concat(nonce, ' ', bits);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.sealed(context text, value text) IS 'Return an ASCII text as only pgslo reads it, and only with the same context: XOR with hashes of pgslo''s secret.';

CREATE FUNCTION pgslo_catalog.seconds_of(value text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    part text[] := regexp_match(value COLLATE "C", E'^([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\\.[0-9]{1,6})?))?)?$');
BEGIN
    -- The month's first day plus days cannot fail, whatever the text is: 31 February is 3 March.
    RETURN extract(epoch FROM make_date(part[1]::integer, part[2]::integer, 1)) + 86400 * (part[3]::integer - 1)
         + 3600 * coalesce(part[4]::integer, 0) + 60 * coalesce(part[5]::integer, 0) + coalesce(part[6]::float8, 0);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.seconds_of(value text) IS 'Seconds since 1970 of a time in ISO form, read as UTC; NULL when it is none.';

CREATE FUNCTION pgslo_catalog.sent(relation oid, columns text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- A row may be written by way of any partitioned table above.
    family oid[] := ARRAY(
        SELECT p.relid::oid FROM pg_partition_tree(coalesce(pg_partition_root(sent.relation), sent.relation)) AS p
        UNION SELECT sent.relation);
BEGIN
    -- A trigger on rows of somebody else's may have filled in what the writer did not send.
    IF pgslo_catalog.is_movable(sent.relation) OR EXISTS (
        SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE g.tgrelid = ANY (family) AND NOT g.tgisinternal AND g.tgtype & 7 = 7 AND NOT (n.nspname = 'pgslo_gen' AND n.nspowner = pgslo_catalog.keeper())
    ) THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT c.name
        FROM unnest(sent.columns) AS c (name)
        JOIN pg_roles r ON r.rolname = pgslo_catalog.caller()
        WHERE pg_trigger_depth() <= 1
          AND has_column_privilege(r.oid, sent.relation, c.name, 'INSERT')
          AND NOT EXISTS (
              SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
              WHERE a.attrelid = ANY (family) AND a.attname = c.name
                AND (a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' OR y.typdefault IS NOT NULL)));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.sent(relation oid, columns text[]) IS 'Return those of a table''s columns whose values in a new row only the writer can have given.';

CREATE FUNCTION pgslo_catalog.session_objects(with_locks boolean) RETURNS TABLE(identity text, removal text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- A statement of the same name has another time, unless the same message of the client prepared it.
    RETURN QUERY
    SELECT concat_ws(E'\t', concat('prepared statement "', p.name, '"'), extract(epoch FROM p.prepare_time), p.from_sql,
               CASE WHEN p.prepare_time >= statement_timestamp() THEN concat(p.parameter_types, p.statement) END),
           format('DEALLOCATE PREPARE %I', p.name)
    FROM pg_prepared_statements p
    UNION ALL
    SELECT concat_ws(E'\t', format('advisory lock (%s, %s)', l.classid, l.objid), l.objsubid, l.mode),
           format('SELECT pg_advisory_unlock%s(%s)', CASE l.mode WHEN 'ShareLock' THEN '_shared' END,
               CASE l.objsubid
                   WHEN 1 THEN (l.classid::bigint << 32 | l.objid::bigint)::text
                   ELSE format('%s, %s', l.classid::bigint::bit(32)::integer, l.objid::bigint::bit(32)::integer)
               END)
    FROM pg_locks l
    WHERE session_objects.with_locks AND l.locktype = 'advisory' AND l.granted AND l.pid = pg_backend_pid();
END
$$;

COMMENT ON FUNCTION pgslo_catalog.session_objects(with_locks boolean) IS 'Return what a rollback leaves in a session: prepared statements and advisory locks, and what removes each.';

CREATE FUNCTION pgslo_catalog.session_of(process_id integer) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- Of sessions of other roles an ordinary role sees the process and the role.
    SELECT format('process %s%s%s%s', session_of.process_id,
        ', role ' || quote_ident(a.usename),
        ', ' || quote_literal(left(regexp_replace(nullif(a.application_name, ''), '[^ -~]', '?', 'g'), 60)),
        ', in a transaction since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')
    FROM (SELECT 1) AS one LEFT JOIN pg_stat_activity a ON a.pid = session_of.process_id
$$;

COMMENT ON FUNCTION pgslo_catalog.session_of(process_id integer) IS 'A session in words: its process, and what the catalogue shows of it.';

CREATE FUNCTION pgslo_catalog.session_state(with_locks boolean) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(
        SELECT o.identity FROM pgslo_catalog.session_objects(session_state.with_locks) AS o
        ORDER BY o.identity COLLATE "C");
END
$$;

COMMENT ON FUNCTION pgslo_catalog.session_state(with_locks boolean) IS 'Return the prepared statements of the session and, if asked for, its advisory locks; for restore_session().';

CREATE FUNCTION pgslo_catalog.settings() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT array_agg(s.name || '=' || coalesce(s.setting, '') ORDER BY s.name) FROM pg_catalog.pg_settings s
$$;

COMMENT ON FUNCTION pgslo_catalog.settings() IS 'Every setting of the session.';

CREATE FUNCTION pgslo_catalog.settle_pauses(definition pgslo_catalog.definition) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    followed pgslo_catalog.definition := settle_pauses.definition;
    due pgslo_catalog.pause;
    batches text[];
    places numeric[];
BEGIN
    FOREACH due IN ARRAY ARRAY(
        SELECT p FROM pgslo_catalog.pause p
        WHERE p.definition_id = followed.definition_id AND p.resumed_at IS NOT NULL AND p.settled_at IS NULL
        ORDER BY p.pause_id)
    LOOP
        IF due.until IS NULL THEN
            due.until := pg_current_xact_id();
            -- A statement that began during the pause goes on with the functions of that time. Until it stores its first
            -- row, nothing but its lock tells of it.
            due.writers := ARRAY(
                SELECT DISTINCT l.virtualtransaction
                FROM pg_locks l
                WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock', 'ShareLock')
                  AND l.relation IN (SELECT t.oid FROM pgslo_catalog.reached_tables(followed.relation, false) AS t (oid)));
            UPDATE pgslo_catalog.pause p SET until = due.until, writers = due.writers WHERE p.pause_id = due.pause_id;
        END IF;
        -- Rows of a transaction that began during the pause and has not ended are not seen yet.
        CONTINUE WHEN pg_snapshot_xmin(pg_current_snapshot()) < due.until
            OR EXISTS (SELECT FROM pg_locks l WHERE l.virtualtransaction = ANY (due.writers));
        SELECT array_agg(w.batch), array_agg(w.place) INTO batches, places
        FROM pgslo_catalog.written_since(followed, due.since) AS w;
        IF batches IS NOT NULL AND followed.batch_by IS NOT NULL AND followed.judge IS NOT NULL THEN
            -- These rules judge the batches from the table, with what else could not be judged.
            INSERT INTO pgslo_catalog.rule_break
                (definition_id, rule_id, error_code, error_message, said, batch, place, pause_id)
            SELECT k.definition_id, k.rule_id, k.error_code, k.error_message, k.said,
                   pgslo_catalog.name_of(followed, coalesce(u.batch, 'unknown')),
                   coalesce(u.place, pgslo_catalog.arrival(followed.definition_id, u.batch), '-Infinity'), k.pause_id
            FROM pgslo_catalog.rule_break k
            JOIN pgslo_catalog.rule r ON r.rule_id = k.rule_id AND r.scope = 'row' AND r.on_breach IN ('warn', 'flag')
            CROSS JOIN unnest(batches, places) AS u (batch, place)
            WHERE k.pause_id = due.pause_id AND k.batch IS NULL;
        END IF;
        DELETE FROM pgslo_catalog.rule_break k
        WHERE k.pause_id = due.pause_id AND k.batch IS NULL
          AND (batches IS NULL OR EXISTS (
              SELECT FROM pgslo_catalog.rule_break o
              WHERE o.pause_id = k.pause_id AND o.rule_id = k.rule_id AND o.batch IS NOT NULL));
        UPDATE pgslo_catalog.pause p SET settled_at = clock_timestamp() WHERE p.pause_id = due.pause_id;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.settle_pauses(definition pgslo_catalog.definition) IS 'Find the batches that were written while rules were switched off, for the rules that judge them from the table.';

CREATE FUNCTION pgslo_catalog.settle_replayed(twin pgslo_catalog.definition, batch pgslo_catalog.batch, missed text[], feedback boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    false_alarm pgslo_catalog.incident;
BEGIN
    UPDATE pgslo_catalog.profile p SET baseline = false
    WHERE p.definition_id = settle_replayed.twin.definition_id AND p.batch = settle_replayed.batch.name AND p.column_name = ANY (settle_replayed.missed);
    IF settle_replayed.feedback THEN
        FOR false_alarm.rule_id IN
            SELECT r.rule_id FROM pgslo_catalog.rule r
            WHERE r.definition_id = settle_replayed.twin.definition_id AND r.kind = 'learned' AND coalesce(r.columns[1], '*') = ANY (settle_replayed.missed)
        LOOP
            false_alarm.definition_id := settle_replayed.twin.definition_id;
            false_alarm.opened_place := settle_replayed.batch.place;
            false_alarm.over_place := settle_replayed.batch.place;
            false_alarm.resolution := 'false_alarm';
            PERFORM pgslo_catalog.learn_from(false_alarm);
        END LOOP;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.settle_replayed(twin pgslo_catalog.definition, batch pgslo_catalog.batch, missed text[], feedback boolean) IS 'What becomes of the alarms about a batch without a fault: it leaves the baseline, or they are told to be false.';

CREATE FUNCTION pgslo_catalog.settle_together(noted text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    name text;
BEGIN
    -- Guard rows are taken in one order over all definitions. Anybody may have written the names.
    FOREACH name IN ARRAY ARRAY(
        SELECT DISTINCT a.settle_function COLLATE "C"
        FROM pgslo_catalog.assertion a
        WHERE a.settle_function = ANY (pgslo_catalog.noted_functions(settle_together.noted))
        ORDER BY 1)
    LOOP
        EXECUTE format('SELECT pgslo_gen.%I()', name);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.settle_together(noted text) IS 'Settles what a transaction touched of several definitions, in order.';

CREATE FUNCTION pgslo_catalog.settling(relation regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT format('SET CONSTRAINTS %s IMMEDIATE', string_agg(DISTINCT format('%I.%I', n.nspname, k.conname), ', '))
    FROM pgslo_catalog.reached_tables(settling.relation, false) AS t (oid)
    JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgdeferrable
    JOIN pg_constraint k ON k.oid = g.tgconstraint AND k.contype <> 't'
    JOIN pg_namespace n ON n.oid = k.connamespace
    HAVING count(*) > 0
$$;

COMMENT ON FUNCTION pgslo_catalog.settling(relation regclass) IS 'Return the statement that checks deferred constraints of a table, NULL if it has none.';

CREATE FUNCTION pgslo_catalog.share_below(grid double precision[], value double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    steps integer := cardinality(share_below.grid) - 1;
    last integer;
BEGIN
    SELECT max(g.n) INTO last FROM unnest(share_below.grid) WITH ORDINALITY AS g (v, n) WHERE g.v <= share_below.value;
    RETURN CASE
        WHEN last IS NULL THEN 0
        WHEN last > steps THEN 1
        -- A quotient of so different numbers would underflow.
        WHEN share_below.value - grid[last] < 1e-16 * (grid[last + 1] - grid[last]) THEN (last - 1)::float8 / steps
        ELSE (last - 1 + (share_below.value - grid[last]) / (grid[last + 1] - grid[last])) / steps
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.share_below(grid double precision[], value double precision) IS 'The share of values up to this one, by a grid of quantiles.';

CREATE FUNCTION pgslo_catalog.share_shown(part numeric, whole numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Never rounded to what it is not: 99.99 % of ten thousand rows are not all of them.
    RETURN CASE
        WHEN part = whole THEN '100 %'
        WHEN part > 0.999 * whole OR part < 0.001 * whole AND part > 0 THEN trim_scale(round(100 * part / whole, 4))::text || ' %'
        ELSE trim_scale(round(100 * part / whole, 1))::text || ' %'
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.share_shown(part numeric, whole numeric) IS 'A share in percent, for people.';

CREATE FUNCTION pgslo_catalog.shares_apart(present double precision, counted jsonb, usual jsonb, presents double precision[], counts jsonb[]) RETURNS double precision[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        -- new, lost, largest change, half the sum of changes, growth, decline, noise of the sum; each against what it resembles most:
        -- what is usual, or one of up to three batches.
        WITH every AS MATERIALIZED (
            SELECT e.key, max(e.share) FILTER (WHERE e.of = 0) AS now, max(e.share) FILTER (WHERE e.of = 1) AS usual,
                   coalesce(max(e.share) FILTER (WHERE e.of = 0), 0) AS a, coalesce(max(e.share) FILTER (WHERE e.of = 1), 0) AS b,
                   CASE WHEN cardinality(presents) >= 1 THEN coalesce(max(e.share) FILTER (WHERE e.of = 2), 0) END AS c,
                   CASE WHEN cardinality(presents) >= 2 THEN coalesce(max(e.share) FILTER (WHERE e.of = 3), 0) END AS d,
                   CASE WHEN cardinality(presents) >= 3 THEN coalesce(max(e.share) FILTER (WHERE e.of = 4), 0) END AS f
            FROM (
                SELECT 0 AS of, j.key, j.value::float8 / present AS share FROM jsonb_each(counted) j
                UNION ALL SELECT 1, j.key, j.value::float8 FROM jsonb_each(usual) j
                UNION ALL SELECT 1 + r.i, j.key, j.value::float8 / r.present
                FROM unnest(presents, counts) WITH ORDINALITY AS r (present, counted, i) CROSS JOIN LATERAL jsonb_each(r.counted) j
            ) e
            GROUP BY e.key
        )
        SELECT ARRAY[
            coalesce(sum(e.now) FILTER (WHERE e.usual IS NULL), 0),
            coalesce(sum(e.usual) FILTER (WHERE e.now IS NULL AND e.usual * present >= 3), 0),
            least(max(abs(e.a - e.b)), max(abs(e.a - e.c)), max(abs(e.a - e.d)), max(abs(e.a - e.f))),
            least(sum(abs(e.a - e.b)), sum(abs(e.a - e.c)), sum(abs(e.a - e.d)), sum(abs(e.a - e.f))) / 2,
            -- As arc sine of the root: a rare value's share goes less far by chance than a common one's.
            greatest(max(asin(sqrt(least(e.a, 1))) - asin(sqrt(least(greatest(e.b, e.c, e.d, e.f), 1)))), 0),
            greatest(max(asin(sqrt(least(e.b, e.c, e.d, e.f, 1))) - asin(sqrt(least(e.a, 1)))), 0),
            0.4 * coalesce(sum(sqrt(e.usual * (1 - e.usual))) FILTER (WHERE e.usual < 1), 0) / sqrt(present)
        ]
        FROM every e
    );
END
$$;

COMMENT ON FUNCTION pgslo_catalog.shares_apart(present double precision, counted jsonb, usual jsonb, presents double precision[], counts jsonb[]) IS 'How the shares of values differ from the usual ones and from those of batches that this one may be like.';

CREATE FUNCTION pgslo_catalog.showing(failure text, passes text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN format('SELECT f.shown, f.row_key FROM pgslo_new AS r CROSS JOIN LATERAL %s(r.*, $1, $2) AS f WHERE NOT %s LIMIT 1',
        showing.failure, showing.passes);
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.showing(failure text, passes text) IS 'Return the query for one row that violates rule $1 in operation $2: the values to show, and its key.';

CREATE FUNCTION pgslo_catalog.shown(value numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF shown.value IN ('NaN', 'Infinity', '-Infinity') OR abs(shown.value) >= 1e15 THEN
        RETURN shown.value::float8::text;
    ELSIF shown.value = trunc(shown.value) THEN
        RETURN to_char(shown.value, 'FM999,999,999,999,990');
    ELSIF abs(shown.value) >= 100 THEN
        RETURN rtrim(rtrim(to_char(shown.value, 'FM999,999,999,999,990.99'), '0'), '.');
    END IF;
    RETURN trim_scale(round(shown.value, 4 - least(0, floor(log(abs(shown.value))))::integer))::text;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.shown(value numeric) IS 'A number for people: thousands apart, and no more digits than say something.';

CREATE FUNCTION pgslo_catalog.shown_name(value anyelement, salt text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    name text := pgslo_catalog.key_text(value);
BEGIN
    IF name IS NULL THEN
        RETURN 'NULL';
    -- Names that stand for something else, or that another key's name may be.
    ELSIF name IN ('', '*', 'NULL', 'unknown') OR name ~ '^text [0-9a-f]{32}$' OR length(name) = 195 AND name ~ E'\\.\\.\\.[0-9a-f]{32}$' THEN
        RETURN pgslo_catalog.text_name(name, shown_name.salt);
    ELSIF length(name) > 200 THEN
        -- An index over it takes 2,700 bytes.
        RETURN concat(left(name, 160), '...', left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 32));
    END IF;
    RETURN name;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.shown_name(value anyelement, salt text) IS 'Return the name of a batch whose definition has its keys shown.';

CREATE FUNCTION pgslo_catalog.shows_figures(rule pgslo_catalog.rule, reader name) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT pgslo_catalog.may_see_figures(
            d.relation, (shows_figures.rule).columns || ARRAY(SELECT jsonb_array_elements_text((shows_figures.rule).measure -> 'where')),
            CASE WHEN (shows_figures.rule).kind = 'ml_metric' THEN coalesce(d.pairs, '{}') END, shows_figures.reader)
        FROM pgslo_catalog.definition d WHERE d.definition_id = (shows_figures.rule).definition_id);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.shows_figures(rule pgslo_catalog.rule, reader name) IS 'Whether a role may see what a rule measured: pgslo_catalog.readable_rule for functions that run with their owner''s rights.';

CREATE FUNCTION pgslo_catalog.signed(names text[], counts numeric[], sign integer) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Called for each statement: a plan that is kept, and none at all where there is nothing to count.
    IF signed.names = '{}' THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT jsonb_object_agg(n.name, n.counted * signed.sign)
        FROM unnest(signed.names, signed.counts) AS n (name, counted)
        WHERE n.name IS NOT NULL AND n.counted <> 0);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.signed(names text[], counts numeric[], sign integer) IS 'Counts by name, taken away if the sign is -1; those that are zero are left out.';

CREATE FUNCTION pgslo_catalog.silence(function_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION pgslo_gen.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
                   silence.function_name,
                   E'-- Paused by pgslo; pgslo resume puts what was here back.\nBEGIN\n    IF TG_OP = ''DELETE'' THEN\n        RETURN OLD;\n    END IF;\n    RETURN NEW;\nEND');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.silence(function_name text) IS 'Replaces a generated trigger function by one that lets everything pass.';

CREATE FUNCTION pgslo_catalog.snapshot_called(name text) RETURNS pgslo_catalog.snapshot
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found pgslo_catalog.snapshot;
BEGIN
    SELECT s.* INTO found FROM pgslo_catalog.snapshot s WHERE s.name = snapshot_called.name;
    -- Who may not see it is told no more than who misspells it.
    IF found.snapshot_id IS NULL OR pgslo_catalog.may_see(found, pgslo_catalog.caller()) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no snapshot "%s"', snapshot_called.name),
            HINT = 'SELECT name FROM pgslo.snapshot;';
    END IF;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.snapshot_called(name text) IS 'The snapshot of that name; an error where the caller may see none.';

CREATE FUNCTION pgslo_catalog.snapshot_readiness(task text, what text, wanted jsonb) RETURNS TABLE(about text, definition text, column_name text, batch text, is_ready boolean, said text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    taken pgslo_catalog.snapshot := pgslo_catalog.wanted_snapshot(snapshot_readiness.task, snapshot_readiness.wanted);
    reads text[];
    within interval;
    age interval := clock_timestamp() - taken.taken_at;
    spoilt record;
BEGIN
    about := snapshot_readiness.what;
    is_ready := false;
    IF taken.snapshot_id IS NULL THEN
        said := format('no snapshot "%s" was taken', wanted ->> 'snapshot');
        IF EXISTS (SELECT FROM pgslo_catalog.snapshot s WHERE s.name = wanted ->> 'snapshot' AND s.content_hash IS NOT NULL AND pgslo_catalog.may_see(s, pgslo_catalog.caller())) THEN
            said := format('snapshot "%s" is not of a table that the task reads, or its taker may not run the task', wanted ->> 'snapshot');
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    definition := taken.definition;
    batch := taken.newest_batch;
    SELECT t.reads, t.within INTO reads, within FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = snapshot_readiness.task AND d.name = taken.definition;
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
    WHERE b.snapshot_id = taken.snapshot_id AND taken.batch_by IS NOT NULL AND (u.batch = b.batch OR u.is_of_former_key);
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
        said := format('snapshot "%s": %s%s%s, taken %s UTC%s', taken.name, pgslo_catalog.rows_shown(taken.rows),
            coalesce(' up to batch ' || taken.newest_batch, ''), CASE WHEN taken.condition IS NOT NULL THEN ' with a condition' ELSE '' END,
            to_char(taken.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            CASE WHEN taken.taken_by <> pgslo_catalog.caller() THEN ' by ' || taken.taken_by ELSE '' END);
        RETURN NEXT;
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.snapshot_readiness(task text, what text, wanted jsonb) IS 'Whether the snapshot that a gate wants is there, fresh and sound.';

CREATE FUNCTION pgslo_catalog.span_shown(span interval) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    seconds bigint := extract(epoch FROM span_shown.span);
BEGIN
    RETURN (
        SELECT format('%s %s%s', seconds / u.length, u.name, CASE WHEN seconds = u.length THEN '' ELSE 's' END)
        FROM (VALUES (86400, 'day'), (3600, 'hour'), (60, 'minute'), (1, 'second')) AS u (length, name)
        WHERE seconds % u.length = 0
        ORDER BY u.length DESC LIMIT 1);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.span_shown(span interval) IS 'A span in the largest unit that measures it.';

CREATE FUNCTION pgslo_catalog.statistic(batch pgslo_catalog.batch, measure jsonb) RETURNS double precision
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    counted numeric := coalesce(((statistic.batch).tallies ->> (measure ->> 'count'))::numeric, 0);
    summed numeric := coalesce(((statistic.batch).tallies ->> (measure ->> 'sum'))::numeric, 0);
    squares numeric;
    profile pgslo_catalog.profile;
BEGIN
    IF (statistic.batch).rows <= 0 THEN
        RETURN CASE WHEN measure ->> 'form' = 'rows' AND (statistic.batch).rows = 0 THEN 0 END;
    ELSIF pgslo_catalog.unmeasured(statistic.batch, statistic.measure) > 0
        OR pgslo_catalog.raising(statistic.batch, statistic.measure) > 0
    THEN
        RETURN NULL;
    END IF;
    CASE measure ->> 'form'
        WHEN 'rows' THEN
            RETURN CASE
                WHEN measure ? 'tally' THEN coalesce(((statistic.batch).tallies ->> (measure ->> 'tally'))::numeric, 0)
                ELSE (statistic.batch).rows END;
        WHEN 'present' THEN
            RETURN coalesce(((statistic.batch).present ->> (measure ->> 'column'))::numeric, 0) / (statistic.batch).rows;
        WHEN 'share' THEN
            RETURN coalesce(((statistic.batch).tallies ->> (measure ->> 'good'))::numeric, 0)
                / nullif(CASE WHEN measure ->> 'among' IS NULL THEN (statistic.batch).rows ELSE ((statistic.batch).tallies ->> (measure ->> 'among'))::numeric END, 0);
        WHEN 'passing' THEN
            RETURN 1 - coalesce(((statistic.batch).failures ->> (measure ->> 'rule'))::numeric, 0) / (statistic.batch).rows;
        WHEN 'statistic' THEN
            NULL;
        ELSE
            RETURN NULL;
    END CASE;
    CASE measure ->> 'of'
        WHEN 'sum' THEN
            RETURN CASE WHEN counted > 0 THEN pgslo_catalog.float_of(summed) END;
        WHEN 'mean', 'zero_share', 'negative_share' THEN
            RETURN pgslo_catalog.float_of(summed / nullif(counted, 0));
        WHEN 'stddev' THEN
            squares := coalesce(((statistic.batch).tallies ->> (measure ->> 'squares'))::numeric, 0);
            RETURN CASE
                WHEN counted > 1
                THEN pgslo_catalog.float_of(sqrt(greatest(0, (squares - summed * summed / counted) / (counted - 1))))
            END;
        ELSE
            profile := pgslo_catalog.profiled((statistic.batch).definition_id, (statistic.batch).name, measure ->> 'column');
    END CASE;
    IF measure ->> 'quantile' IS NOT NULL THEN
        RETURN pgslo_catalog.quantile(profile.grid, (measure ->> 'quantile')::float8);
    END IF;
    -- How many values differ cannot be told from some of the rows; how many rows have the commonest one can.
    RETURN CASE
        WHEN measure ->> 'of' = 'top_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'top')]
        WHEN profile.level > 0 THEN NULL
        WHEN measure ->> 'of' = 'distinct' THEN round(exp(profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct')]))
        WHEN measure ->> 'of' = 'distinct_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct_ratio')]
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.statistic(batch pgslo_catalog.batch, measure jsonb) IS 'The value of a measure that needs one batch alone; NULL when it has none.';

CREATE FUNCTION pgslo_catalog.stops_after() RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN 5;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.stops_after() IS 'How many expected batches in a row are missed by not coming; what lasts longer is usual.';

CREATE FUNCTION pgslo_catalog.stored_said(incident pgslo_catalog.incident) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT s.said FROM pgslo_catalog.stored s
        WHERE s.rule_id = (stored_said.incident).rule_id AND s.incident_id = (stored_said.incident).incident_id);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.stored_said(incident pgslo_catalog.incident) IS 'Return how many missed batches of an incident are stored, in words; NULL if there are none.';

CREATE FUNCTION pgslo_catalog.strange_code(relation regclass, cascades boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    trusted oid[] := pgslo_catalog.trusted_roles();
    reached oid[] := ARRAY(
        SELECT t.oid FROM pgslo_catalog.reached_tables(strange_code.relation, strange_code.cascades) AS t (oid));
BEGIN
    RETURN (
        SELECT min(s.said)
        FROM (
            SELECT pgslo_catalog.checked_domain(r.oid) FROM unnest(reached) AS r (oid)
            UNION ALL
            SELECT format('table %s belongs to role "%s"', c.oid::regclass, pg_get_userbyid(c.relowner))
            FROM pg_class c
            WHERE c.oid = ANY (reached) AND c.relowner <> ALL (trusted)
            UNION ALL
            SELECT format('trigger "%s" on %s calls code of role "%s"',
                          g.tgname, g.tgrelid::regclass, pg_get_userbyid(w.owner))
            FROM pg_trigger g
            CROSS JOIN LATERAL (
                SELECT p.proowner FROM pg_proc p WHERE p.oid = g.tgfoid
                -- Its WHEN condition.
                UNION ALL
                SELECT coalesce(f.proowner, o.oprowner, t.typowner)
                FROM pg_depend d
                LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
                LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
                LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
                WHERE d.classid = 'pg_trigger'::regclass AND d.objid = g.oid AND d.refobjid >= 16384
            ) AS w (owner)
            WHERE g.tgrelid = ANY (reached) AND g.tgenabled <> 'D' AND w.owner <> ALL (trusted)
              -- Of INSERT; or of INSERT, DELETE and UPDATE.
              AND g.tgtype & CASE WHEN strange_code.cascades THEN 28 ELSE 4 END <> 0
            UNION ALL
            SELECT format('column "%s" of %s has range type %s with a function of role "%s"',
                          a.attname, a.attrelid::regclass, format_type(g.rngtypid, NULL), pg_get_userbyid(f.proowner))
            FROM pg_attribute a
            CROSS JOIN LATERAL pgslo_catalog.parts_of(a.atttypid) AS p
            JOIN pg_range g ON g.rngtypid = p.oid
            JOIN pg_proc f ON f.oid = g.rngsubdiff
            WHERE a.attrelid = ANY (reached) AND a.attnum > 0 AND NOT a.attisdropped AND f.proowner <> ALL (trusted)
        ) AS s (said));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.strange_code(relation regclass, cascades boolean) IS 'Return whose code would run with the rights of pgslo''s owner when a row is written, in words, or NULL.';

CREATE FUNCTION pgslo_catalog.strange_part(relation oid, role oid, OUT part text, OUT whole text, OUT owner name, OUT whole_owner name) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Volatile, so that it sees all that was committed since the statement of the session began.
    WITH RECURSIVE reached AS (
        SELECT strange_part.relation AS oid, strange_part.relation AS whole
        UNION
        SELECT n.oid, n.whole
        FROM reached r
        CROSS JOIN LATERAL (
            SELECT i.inhrelid, r.whole FROM pg_inherits i WHERE i.inhparent = r.oid
            UNION ALL
            -- Relations that a view reads.
            SELECT d.refobjid, d.refobjid
            FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
            WHERE w.ev_class = r.oid AND w.ev_type = '1'
        ) AS n (oid, whole)
    )
    SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', m.nspname, w.relname), pg_get_userbyid(c.relowner), pg_get_userbyid(w.relowner)
    INTO part, whole, owner, whole_owner
    FROM reached r
    JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class w ON w.oid = r.whole JOIN pg_namespace m ON m.oid = w.relnamespace
    WHERE c.relowner NOT IN (w.relowner, strange_part.role)
      AND pgslo_catalog.can_act_as(c.relowner, w.relowner) IS NOT TRUE AND pgslo_catalog.can_act_as(c.relowner, strange_part.role) IS NOT TRUE
    ORDER BY 1 LIMIT 1;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.strange_part(relation oid, role oid, OUT part text, OUT whole text, OUT owner name, OUT whole_owner name) IS 'Return a part of a table, or of one that a view reads, whose owner has neither the rights of the owner of the whole nor those of a role.';

CREATE FUNCTION pgslo_catalog.summary_kinds(OUT ordinal integer, OUT name text, OUT kind text, OUT beyond double precision, OUT words text) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE ROWS 52 PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- kind: share; log; mean, quantile and extreme in the column's own unit; count of characters; rise: a share of which only
    -- more is news; apart: a distance, likewise. beyond: how many times its largest past surprise a summary goes by nature;
    -- NULL where it is kept but not judged: extremes of a batch are mostly noise.
    VALUES
    (1, 'null', 'share', 1.25, 'null'),
    (2, 'empty', 'share', 1.25, 'empty texts'),
    (3, 'distinct', 'log', 1.75, 'different values'),
    (4, 'distinct_ratio', 'share', 1.5, 'different values per row'),
    (5, 'top', 'share', 1.25, 'the commonest value'),
    (6, 'single', 'share', 1.5, 'values that occur once'),
    (7, 'length_mean', 'length', 3, 'mean length'),
    (8, 'length_min', 'length', NULL, 'shortest length'),
    (9, 'length_max', 'length', NULL, 'greatest length'),
    (10, 'at_length_max', 'share', NULL, 'texts of the greatest length'),
    (11, 'upper', 'share', 1.25, 'capital letters'),
    (12, 'digit', 'share', 1.25, 'digits'),
    (13, 'space', 'share', 1.25, 'spaces'),
    (14, 'punctuation', 'share', 1.25, 'other characters'),
    (15, 'number', 'share', 1.25, 'numbers'),
    (16, 'time', 'share', 1.25, 'times'),
    (17, 'mean', 'mean', 6, 'mean'),
    (18, 'log_mean', 'log', 1.25, 'order of magnitude'),
    (19, 'log_deviation', 'log', 1.75, 'spread of values'),
    (20, 'minimum', 'extreme', NULL, 'minimum'),
    (21, 'p05', 'quantile', 6, '5th percentile'),
    (22, 'p25', 'quantile', 6, '25th percentile'),
    (23, 'p50', 'quantile', 6, 'median'),
    (24, 'p75', 'quantile', 6, '75th percentile'),
    (25, 'p95', 'quantile', 6, '95th percentile'),
    (26, 'maximum', 'extreme', NULL, 'maximum'),
    (27, 'zero', 'share', 1.75, 'zeros'),
    (28, 'negative', 'share', 1.25, 'negative values'),
    (29, 'whole', 'share', 1.25, 'whole numbers'),
    (30, 'tens', 'share', 1.75, 'multiples of 10'),
    (31, 'hundreds', 'share', 1.75, 'multiples of 100'),
    (32, 'decimals', 'length', 1.1, 'mean decimals'),
    (33, 'at_maximum', 'rise', 1.5, 'values at the maximum'),
    (34, 'at_minimum', 'rise', 1.75, 'values at the minimum'),
    (35, 'midnight', 'share', 1.25, 'times at midnight'),
    (36, 'on_hour', 'share', 1.25, 'times at full hours'),
    (37, 'on_minute', 'share', 1.25, 'times at full minutes'),
    (38, 'hour', 'mean', 1.25, 'mean hour of the day'),
    (39, 'duplicate', 'share', 1.25, 'rows that occur twice'),
    (40, 'rows', 'log', 1.1, 'rows'),
    (41, 'new_value', 'rise', 2, 'values not seen before'),
    (42, 'new_shape', 'rise', 1.5, 'patterns not seen before'),
    (43, 'lost', 'rise', NULL, 'usual values that are missing'),
    (44, 'largest_change', 'apart', 1.5, 'largest change of a value''s share'),
    (45, 'mix', 'apart', 2, 'mix of values'),
    (46, 'grown', 'apart', 1.5, 'growth of one value'),
    (47, 'fallen', 'apart', 1.75, 'decline of one value'),
    (48, 'shape_mix', 'apart', 1.5, 'mix of patterns'),
    (49, 'stale', 'rise', 1.5, 'values equal to those of an earlier batch'),
    (50, 'distribution', 'apart', 2.25, 'distribution of values'),
    (51, 'moved', 'apart', 3, 'distance that values moved'),
    (52, 'outside', 'rise', NULL, 'values outside the usual range')
$$;

COMMENT ON FUNCTION pgslo_catalog.summary_kinds(OUT ordinal integer, OUT name text, OUT kind text, OUT beyond double precision, OUT words text) IS 'The numbers of a profile''s summary, and how each is judged.';

CREATE FUNCTION pgslo_catalog.summary_names() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT array_agg(k.name ORDER BY k.ordinal) FROM pgslo_catalog.summary_kinds() k $$;

COMMENT ON FUNCTION pgslo_catalog.summary_names() IS 'Names of the numbers in a profile''s summary, in order.';

CREATE FUNCTION pgslo_catalog.summed(batches pgslo_catalog.measured[], slots integer) RETURNS pgslo_catalog.measured[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH part AS (
        SELECT b.* FROM unnest(summed.batches) AS b
    ), total AS (
        SELECT n.batch, array_agg(n.total ORDER BY n.ordinal) AS tallies
        FROM (
            SELECT p.batch, t.ordinal, sum(t.value) AS total
            FROM part p
            CROSS JOIN LATERAL unnest(p.tallies || array_fill(NULL::numeric, ARRAY[summed.slots])) WITH ORDINALITY AS t (value, ordinal)
            WHERE t.ordinal <= summed.slots
            GROUP BY p.batch, t.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, t.tallies, p.failed, s.sample)::pgslo_catalog.measured)
    FROM (
        -- An empty array is the least of all: one entry of a batch says what was counted in it.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.failed) AS failed
        FROM part GROUP BY part.batch
    ) p
    JOIN total t ON t.batch = p.batch
    LEFT JOIN LATERAL (SELECT part.sample FROM part WHERE part.batch = p.batch AND part.sample IS NOT NULL LIMIT 1) s ON true
$$;

COMMENT ON FUNCTION pgslo_catalog.summed(batches pgslo_catalog.measured[], slots integer) IS 'Return what was counted row by row as one entry for each batch, with so many sums.';

CREATE FUNCTION pgslo_catalog.tables_ready(task text, is_whole boolean DEFAULT true) RETURNS TABLE(about text, definition text, column_name text, batch text, is_ready boolean, said text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;

COMMENT ON FUNCTION pgslo_catalog.tables_ready(task text, is_whole boolean) IS 'Whether all that a task reads is healthy, in every table it reads.';

CREATE FUNCTION pgslo_catalog.take_count(definition pgslo_catalog.definition, counted pgslo_catalog.measured, mask bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    columns text[] := pgslo_catalog.watched_columns((take_count.definition).definition_id);
    place numeric := coalesce((counted).place, pgslo_catalog.arrival((take_count.definition).definition_id, (counted).batch));
BEGIN
    INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, tallies, first_written_at, last_written_at, counted_at)
    VALUES ((take_count.definition).definition_id, (counted).batch, place, (counted).rows, coalesce(pgslo_catalog.signed(columns, (counted).present, 1), '{}'),
            coalesce(pgslo_catalog.signed(pgslo_catalog.tally_slots((take_count.definition).tallies), (counted).tallies, 1), '{}'), clock_timestamp(), clock_timestamp(), clock_timestamp())
    ON CONFLICT ON CONSTRAINT batch_name_is_unique_in_its_definition DO UPDATE SET
        rows = excluded.rows, present = excluded.present, tallies = excluded.tallies, counted_at = excluded.counted_at,
        last_written_at = CASE WHEN b.rows = excluded.rows THEN b.last_written_at ELSE excluded.last_written_at END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.take_count(definition pgslo_catalog.definition, counted pgslo_catalog.measured, mask bigint) IS 'Writes down what a batch comes to, as counted from the table.';

CREATE FUNCTION pgslo_catalog.take_counts(definition pgslo_catalog.definition, counted pgslo_catalog.measured[], mask bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (take_counts.definition).definition_id;
    one pgslo_catalog.measured;
    before pgslo_catalog.batch;
    after pgslo_catalog.batch;
BEGIN
    FOREACH one IN ARRAY ARRAY(SELECT c FROM unnest(take_counts.counted) AS c ORDER BY c.place) LOOP
        SELECT b.* INTO before FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        PERFORM pgslo_catalog.take_count(take_counts.definition, one, take_counts.mask);
        UPDATE pgslo_catalog.batch b SET failures = coalesce(f.failures, '{}')
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.batch = one.batch AND f.operation = 'recounted'
          AND b.definition_id = id AND b.name = one.batch;
        SELECT b.* INTO after FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        IF (before.rows, before.present, before.tallies) IS DISTINCT FROM (after.rows, after.present, after.tallies)
            AND (before.closed_at IS NOT NULL
                 -- Of a streamed table, only batches that are newer than any known one are closed later.
                 OR (take_counts.definition).writes = 'stream' AND one.rows > 0 AND EXISTS (
                     SELECT FROM pgslo_catalog.batch b
                     WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.place > after.place))
        THEN
            PERFORM pgslo_catalog.judge_closed(take_counts.definition, one.batch,
                pgslo_catalog.watched_columns(id), one.sample, pgslo_catalog.level_of(take_counts.mask));
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.take_counts(definition pgslo_catalog.definition, counted pgslo_catalog.measured[], mask bigint) IS 'Record the counts of batches, and evaluate closed batches whose counts changed, and those that no later count would close.';

CREATE FUNCTION pgslo_catalog.take_turn(check_function text, bucket integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE pgslo_catalog.assertion_guard g SET turns = g.turns + 1 WHERE g.check_function = take_turn.check_function AND g.bucket = take_turn.bucket;
    -- READ COMMITTED sees what is there: an assertion that was taken out since the statement holds nobody. At the higher
    -- levels it may as well be too new to be seen, and going on would get around it.
    IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = 'could not serialize access due to an assertion that changed since the transaction began',
            DETAIL = format('Its check is pgslo_gen.%I.', take_turn.check_function),
            HINT = 'The transaction might succeed if retried.';
    END IF;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.take_turn(check_function text, bucket integer) IS 'Waits until no other transaction that touched such a group is committing, and keeps others waiting until this one is done.';

CREATE FUNCTION pgslo_catalog.tally_slots(tallies text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT tally_slots.tallies || array_agg('raising ' || t.name ORDER BY t.ordinal)
    FROM unnest(tally_slots.tallies) WITH ORDINALITY AS t (name, ordinal)
$$;

COMMENT ON FUNCTION pgslo_catalog.tally_slots(tallies text[]) IS 'Return names of sums, followed by names of the number of rows for which each of them raises an error.';

CREATE FUNCTION pgslo_catalog.tell_guards() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    SELECT d.name, CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END, pgslo_catalog.keeps_batches(r)
    INTO NEW.definition, NEW.about, NEW.is_of_batches
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.rule_id = NEW.rule_id;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.tell_guards() IS 'Notes in an incident that opens whom it concerns, for guards to see at a glance.';

CREATE FUNCTION pgslo_catalog.tell_guards_anew() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Setting it to what it is has the trigger above look again.
    UPDATE pgslo_catalog.incident i SET resolved_at = NULL
    WHERE i.resolved_at IS NULL AND i.definition_id = NEW.definition_id;
    PERFORM pgslo_catalog.name_missed(NEW.definition_id);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.tell_guards_anew() IS 'Notes in incidents that are not resolved and in missed batches whom they concern once a rule or a name has changed.';

CREATE FUNCTION pgslo_catalog.tell_missing(rule pgslo_catalog.rule, names text[], places numeric[], reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    absent pgslo_catalog.batch;
    last integer := cardinality(tell_missing.names);
BEGIN
    absent.definition_id := (tell_missing.rule).definition_id;
    absent.name := tell_missing.names[last];
    absent.place := tell_missing.places[last];
    absent.rows := 0;
    PERFORM pgslo_catalog.give_verdict(tell_missing.rule, absent, 'missed', last, NULL, 0, NULL,
        format('expected batches %s: none came%s', array_to_string(tell_missing.names, ', '), coalesce('; ' || tell_missing.reason, '')));
    IF last < (tell_missing.rule).missed_before_open THEN
        RETURN;
    END IF;
    -- A later batch has come in most cases, and met the rule: of other rules, nobody would be told of an older batch.
    PERFORM pgslo_catalog.open_incident(tell_missing.rule, tell_missing.names[1], tell_missing.places[1], true);
    FOR n IN 1..last LOOP
        PERFORM pgslo_catalog.record_missed(tell_missing.rule, tell_missing.names[n], tell_missing.places[n], false);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.tell_missing(rule pgslo_catalog.rule, names text[], places numeric[], reason text) IS 'Tell of the last of some expected batches in a row that did not come, under its own name.';

CREATE FUNCTION pgslo_catalog.tend_incidents() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Those that another transaction has are left to the next time.
    UPDATE pgslo_catalog.incident i SET muted_until = NULL
    WHERE i.incident_id IN (
        SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.resolved_at IS NULL AND u.muted_until <= clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE pgslo_catalog.rule r SET muted_until = NULL
    WHERE r.rule_id IN (SELECT u.rule_id FROM pgslo_catalog.rule u WHERE u.muted_until <= clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED);
    PERFORM pgslo_catalog.plan_reads_again();
    PERFORM pgslo_catalog.announce_events();
END
$$;

COMMENT ON FUNCTION pgslo_catalog.tend_incidents() IS 'What tick() does for incidents after it has judged: ends mutes, tells.';

CREATE FUNCTION pgslo_catalog.text_name(value text, salt text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN CASE
        -- Most texts begin with no digit and no sign: three patterns take longer than the hash.
        WHEN ascii(text_name.value) BETWEEN 43 AND 57 AND (
            text_name.value ~ E'^[+-]?\\d{1,18}(\\.\\d{1,18})?$'
            OR text_name.value ~ E'^\\d{4}-\\d{2}(-\\d{2}([ T]\\d{2}(:?\\d{2}(:?\\d{2}(\\.\\d{1,6})?)?)?( ?(Z|[+-]\\d{2}(:?\\d{2})?))?)?)?$'
            OR text_name.value ~ E'^\\d{4}-?(W\\d{2}|Q\\d)$')
        THEN text_name.value
        ELSE 'text ' || left(encode(sha256(convert_to(text_name.salt || text_name.value, 'UTF8')), 'hex'), 32)
    END;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.text_name(value text, salt text) IS 'Return the name of a batch whose key is a text: the key if it is a number, date or time, else a hash.';

CREATE FUNCTION pgslo_catalog.text_of(value text, type regtype) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    SELECT CASE
        WHEN pgslo_catalog.is_plain(text_of.type) THEN format('%s::text', text_of.value)
        ELSE format('(CASE WHEN num_nulls(%1$s) = 0 THEN concat(%1$s) END)', text_of.value)
    END
$_$;

COMMENT ON FUNCTION pgslo_catalog.text_of(value text, type regtype) IS 'Return SQL for the text of a value, given as SQL: by the type''s output function where it is not PostgreSQL''s own.';

CREATE FUNCTION pgslo_catalog.touch(check_function text, keys text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (touch.check_function, touch.keys);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.touch(check_function text, keys text[]) IS 'Notes groups that a statement touched of an assertion that does not reject: looked at when the transaction commits, and by tick().';

CREATE FUNCTION pgslo_catalog.touch_and_observe(check_function text, keys text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM pgslo_catalog.touch(touch_and_observe.check_function, touch_and_observe.keys);
    PERFORM pgslo_catalog.observe_assertion(touch_and_observe.check_function, touch_and_observe.keys);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.touch_and_observe(check_function text, keys text[]) IS 'Notes groups that a statement touched of an assertion that does not reject, and looks at them at once.';

CREATE FUNCTION pgslo_catalog.touched_unknown(definition text, rule text, error_code text, error_message text) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF pgslo_catalog.is_of_moved_schema(touched_unknown.error_code) THEN
        PERFORM pgslo_catalog.record_break(touched_unknown.definition, touched_unknown.rule, touched_unknown.error_code, touched_unknown.error_message);
        RETURN NULL;
    END IF;
    RETURN ARRAY['*'];
END
$$;

COMMENT ON FUNCTION pgslo_catalog.touched_unknown(definition text, rule text, error_code text, error_message text) IS 'The groups that a statement touched when they could not be computed: all, or none if the table is not what the assertion was written for.';

CREATE FUNCTION pgslo_catalog.trusted_roles() RETURNS oid[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT array_agg(r.oid) FROM pg_roles r WHERE r.rolsuper OR r.oid = pgslo_catalog.keeper()
$$;

COMMENT ON FUNCTION pgslo_catalog.trusted_roles() IS 'Return the superusers and the owner of pgslo.';

CREATE FUNCTION pgslo_catalog.try_turn(name text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- A dump of the schema alone restores a table without its rows.
    INSERT INTO pgslo_catalog.turn (name)
    SELECT try_turn.name WHERE NOT EXISTS (SELECT FROM pgslo_catalog.turn t WHERE t.name = try_turn.name)
    ON CONFLICT ON CONSTRAINT turn_has_a_name DO NOTHING;
    PERFORM FROM pgslo_catalog.turn t WHERE t.name = try_turn.name FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.try_turn(name text) IS 'Take a turn until the transaction ends; false, without a wait, if another transaction has it.';

CREATE FUNCTION pgslo_catalog.turn_holder(name text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT pgslo_catalog.locked_by(t.xmax) FROM pgslo_catalog.turn t WHERE t.name = turn_holder.name
$$;

COMMENT ON FUNCTION pgslo_catalog.turn_holder(name text) IS 'The session or the prepared transaction that has a turn, in words.';

CREATE FUNCTION pgslo_catalog.twin_of(target pgslo_catalog.definition, sensitivity double precision) RETURNS pgslo_catalog.definition
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    twin pgslo_catalog.definition := twin_of.target;
BEGIN
    twin.definition_id := nextval(pg_get_serial_sequence('pgslo_catalog.definition', 'definition_id'));
    twin.name := format('backtest of %s by %s', twin_of.target.name, pg_backend_pid());
    -- No table stands behind it: the column only has to be unique, and such numbers are not given to tables.
    twin.relation := (4294967295 - pg_backend_pid())::oid::regclass;
    twin.sensitivity := coalesce(twin_of.sensitivity, twin.sensitivity);
    INSERT INTO pgslo_catalog.definition OVERRIDING SYSTEM VALUE SELECT twin.*;
    INSERT INTO pgslo_catalog.watched_column (definition_id, ordinal, column_name, kind)
    SELECT twin.definition_id, w.ordinal, w.column_name, w.kind FROM pgslo_catalog.watched_column w WHERE w.definition_id = twin_of.target.definition_id;
    INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise)
    SELECT twin.definition_id, r.name, r.kind, r.columns, r.on_breach, 0, r.mechanism, r.promise
    FROM pgslo_catalog.rule r WHERE r.definition_id = twin_of.target.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL;
    RETURN twin;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.twin_of(target pgslo_catalog.definition, sensitivity double precision) IS 'A definition that learns as another does, without a table and with no history; for a transaction that is undone.';

CREATE FUNCTION pgslo_catalog.unchanged(batch pgslo_catalog.batch, column_name text, at_most integer) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    later pgslo_catalog.profile := pgslo_catalog.profiled((unchanged.batch).definition_id, (unchanged.batch).name, unchanged.column_name);
    before pgslo_catalog.profile;
    repeated integer := 0;
BEGIN
    IF later.present IS NULL OR later.common IS NULL AND later.prefix IS NULL THEN
        RETURN NULL;
    END IF;
    FOR before IN
        SELECT p.* FROM pgslo_catalog.earlier(unchanged.batch, unchanged.at_most || ' batches') AS e
        JOIN pgslo_catalog.profile p ON p.definition_id = e.definition_id AND p.batch = e.name AND p.column_name = unchanged.column_name
        ORDER BY p.place DESC
    LOOP
        EXIT WHEN NOT coalesce(pgslo_catalog.is_unchanged(later, before), false);
        repeated := repeated + 1;
        later := before;
    END LOOP;
    RETURN repeated;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.unchanged(batch pgslo_catalog.batch, column_name text, at_most integer) IS 'How many batches in a row, up to this one, repeat a column''s values.';

CREATE FUNCTION pgslo_catalog.unchecked_policy(relation regclass, written_to regclass, writer text, operation text, names text[]) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE family AS (
        SELECT unchecked_policy.relation::oid AS oid
        UNION
        SELECT f.oid FROM pg_partition_ancestors(unchecked_policy.written_to) AS f (oid)
        UNION
        SELECT unchecked_policy.written_to::oid
    ), above AS (
        SELECT f.oid FROM family f
        UNION
        SELECT v.oid
        FROM above a
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite w ON w.oid = d.objid
        JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
        -- Through other views their owner, and so whoever may write to the view, cannot write to the table.
        WHERE has_any_column_privilege(v.relowner, a.oid, 'INSERT, UPDATE')
    )
    SELECT min(s.said)
    FROM (
        SELECT format('row-level security of %s', c.oid::regclass)
        FROM family f JOIN pg_class c USING (oid)
        WHERE c.relrowsecurity
        UNION ALL
        SELECT format('the check option of view %s', a.oid::regclass)
        FROM above a JOIN pg_class v USING (oid)
        WHERE EXISTS (SELECT FROM unnest(v.reloptions) AS o (text) WHERE starts_with(o.text, 'check_option='))
        UNION ALL
        SELECT format('whether the row belongs to %s, because role %s has no %s on %s', c.oid::regclass,
                      quote_ident(unchecked_policy.writer), m.privilege, m.missing)
        FROM pg_class c
        LEFT JOIN pg_roles r ON r.rolname = unchecked_policy.writer
        JOIN pg_class w ON w.oid = unchecked_policy.relation
        CROSS JOIN LATERAL (
            SELECT 'USAGE' AS privilege, format('schema %I', n.nspname) AS missing
            FROM pg_namespace n
            WHERE n.oid = w.relnamespace AND NOT coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false)
            UNION ALL
            SELECT unchecked_policy.operation,
                   CASE WHEN has_any_column_privilege(r.oid, w.oid, unchecked_policy.operation)
                       THEN format('column %I of ', a.attname) ELSE '' END || w.oid::regclass
            FROM pg_attribute a
            WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND quote_ident(a.attname) = ANY (unchecked_policy.names)
              AND NOT coalesce(has_column_privilege(r.oid, w.oid, a.attnum, unchecked_policy.operation), false)
        ) AS m
        WHERE c.oid = unchecked_policy.written_to AND c.oid <> w.oid
    ) AS s (said)
$$;

COMMENT ON FUNCTION pgslo_catalog.unchecked_policy(relation regclass, written_to regclass, writer text, operation text, names text[]) IS 'Return what PostgreSQL checks of a writer only after a row trigger kept the row, in words, or NULL.';

CREATE FUNCTION pgslo_catalog.unhealthy(definition_id bigint, columns text[], as_of timestamp with time zone, within interval DEFAULT NULL::interval) RETURNS TABLE(incident_id bigint, rule text, columns_hit text[], batch text, place numeric, is_open boolean, is_of_former_key boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT DISTINCT ON (r.rule_id, m.batch) i.incident_id, r.name, r.columns, m.batch, m.place, coalesce(i.over_at IS NULL, true), m.is_of_former_key
    FROM pgslo_catalog.rule r
    JOIN pgslo_catalog.missed_batch m ON m.rule_id = r.rule_id
    LEFT JOIN pgslo_catalog.stored_batch s ON s.missed_id = m.missed_id
    LEFT JOIN pgslo_catalog.incident i ON i.incident_id = coalesce(m.incident_id, s.incident_id)
    WHERE r.definition_id = unhealthy.definition_id
      AND m.missed_at <= unhealthy.as_of AND (m.ended_at IS NULL OR m.ended_at > unhealthy.as_of)
      AND (unhealthy.columns IS NULL OR r.columns = '{}' OR r.columns && unhealthy.columns)
      AND (unhealthy.within IS NULL OR pgslo_catalog.is_within(m.place, unhealthy.within))
    ORDER BY r.rule_id, m.batch, m.missed_at
$$;

COMMENT ON FUNCTION pgslo_catalog.unhealthy(definition_id bigint, columns text[], as_of timestamp with time zone, within interval) IS 'Stored batches that missed a rule about some columns, as was known at a time, or those within a time.';

CREATE FUNCTION pgslo_catalog.unhealthy_said(definition_id bigint, columns text[], batches text[]) RETURNS TABLE(name text, said text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
          AND (unhealthy_said.batches IS NULL OR u.batch = ANY (unhealthy_said.batches) OR u.is_of_former_key)
        GROUP BY u.rule
    ) w
    ORDER BY w.rule
$$;

COMMENT ON FUNCTION pgslo_catalog.unhealthy_said(definition_id bigint, columns text[], batches text[]) IS 'Stored batches, of these or of all, that miss a rule about columns, or, for no column, about the table as a whole: one sentence a rule.';

CREATE FUNCTION pgslo_catalog.unknown_batch() RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    RETURN ARRAY[$$'unknown'::text$$, 'b.raw', $$'-Infinity'::numeric$$];
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.unknown_batch() IS 'Return expressions by which every row is of the batch "unknown".';

CREATE FUNCTION pgslo_catalog.unknown_is_missed(rule pgslo_catalog.rule) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN coalesce((
        SELECT pgslo_catalog.is_missed(unknown_is_missed.rule, sum(f.rows)::bigint,
                                       coalesce(sum((f.failures ->> (unknown_is_missed.rule).name)::bigint), 0)::bigint)
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (unknown_is_missed.rule).definition_id AND f.batch = 'unknown'
          -- A person has resolved what that session could see.
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.incident i JOIN pgslo_catalog.incident_event e USING (incident_id)
              WHERE i.definition_id = (unknown_is_missed.rule).definition_id AND i.rule_id = (unknown_is_missed.rule).rule_id
                AND (e.event IN ('over', 'confirmed', 'resolved') AND e.resolution IN ('real', 'false_alarm') OR e.event = 'accepted')
                AND pg_visible_in_snapshot(f.xid, e.seen_snapshot))), false);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.unknown_is_missed(rule pgslo_catalog.rule) IS 'Return whether rows of an unknown batch violate a rule, so that no later batch shows that they are gone.';

CREATE FUNCTION pgslo_catalog.unmeasured(batch pgslo_catalog.batch, measure jsonb) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE
        WHEN measure ->> 'form' = 'change' THEN pgslo_catalog.unmeasured(unmeasured.batch, measure -> 'of')
        WHEN measure ->> 'form' IN ('age', 'batches', 'failures', 'passing', 'table_rows') OR measure ->> 'form' = 'rows' AND NOT measure ? 'tally' THEN 0
        ELSE coalesce(((unmeasured.batch).tallies ->> 'unmeasured rows')::bigint, 0)
            -- Sums need no sample; distances, quantiles and the like are of sampled rows.
            + CASE
                WHEN pgslo_catalog.reads_profile(measure)
                THEN coalesce(((unmeasured.batch).tallies ->> 'unsampled rows')::bigint, 0)
                ELSE 0 END
        END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.unmeasured(batch pgslo_catalog.batch, measure jsonb) IS 'How many rows came or went while columns could not be measured, if that makes a difference to a measure.';

CREATE FUNCTION pgslo_catalog.unrecorded_batches(definition pgslo_catalog.definition, part oid, places numrange) RETURNS TABLE(batch text, place numeric)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (unrecorded_batches.definition).definition_id;
BEGIN
    RETURN QUERY
    SELECT n.batch, n.place
    FROM pgslo_catalog.batches_in_part(unrecorded_batches.definition, unrecorded_batches.part) AS n
    -- All rows of the batch are in this part and were recorded: it was made and written to through the table.
    -- Any part may have rows of a batch without an order.
    WHERE NOT ((unrecorded_batches.definition).writes = 'bulk' AND n.place > '-Infinity' AND n.rows = (
                  SELECT coalesce(sum(f.rows), 0) FROM pgslo_catalog.fragment f
                  WHERE f.definition_id = id AND f.batch = n.batch)
               AND NOT EXISTS (
                  SELECT FROM pgslo_catalog.present_parts((unrecorded_batches.definition).relation) AS p
                  LEFT JOIN pgslo_catalog.known_part k ON k.definition_id = id AND k.number = p.number
                  WHERE p.number <> unrecorded_batches.part AND n.place <@ coalesce(k.places, '(,)')
                    AND pg_relation_size(p.number) > 0));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.unrecorded_batches(definition pgslo_catalog.definition, part oid, places numrange) IS 'Return the batches of a partition or child whose rows may not be recorded.';

CREATE FUNCTION pgslo_catalog.unregister(definition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = unregister.definition);
BEGIN
    DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
    DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id;
    PERFORM pgslo_catalog.forget_pairs(id);
    DELETE FROM pgslo_catalog.missed_look l WHERE l.definition_id = id;
    DELETE FROM pgslo_catalog.touched t WHERE t.check_function IN (SELECT a.check_function FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) WHERE r.definition_id = id);
    DELETE FROM pgslo_catalog.definition d WHERE d.definition_id = id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.unregister(definition text) IS 'Forgets a definition with its history and its quarantine.';

CREATE FUNCTION pgslo_catalog.unsampled(batches pgslo_catalog.measured[]) RETURNS pgslo_catalog.measured[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT array_agg(ROW(b.batch, b.place, b.rows, b.present, b.tallies || b.rows::numeric, b.failed, NULL)::pgslo_catalog.measured ORDER BY b.ordinal)
    FROM unnest(unsampled.batches) WITH ORDINALITY AS b (batch, place, rows, present, tallies, failed, sample, ordinal)
$$;

COMMENT ON FUNCTION pgslo_catalog.unsampled(batches pgslo_catalog.measured[]) IS 'Return batches with one more tally: their rows, none of which were sampled.';

CREATE FUNCTION pgslo_catalog.usual_delay(definition_id bigint, step numeric, up_to numeric) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT CASE
            -- One that was late once tells nothing of the others, where there are enough.
            WHEN count(*) >= 7 THEN (array_agg(l.delay ORDER BY l.delay DESC))[2] + least(usual_delay.step / 4, 86400)
            WHEN count(*) >= 3 THEN max(l.delay) + usual_delay.step END
        FROM (
            SELECT extract(epoch FROM w.first_written_at) - w.place AS delay
            FROM (
                SELECT b.place, b.first_written_at, lag(b.place) OVER o AS place_before, lag(b.first_written_at) OVER o AS written_before
                FROM (
                    SELECT c.* FROM pgslo_catalog.batch c
                    WHERE c.definition_id = usual_delay.definition_id AND c.place <= usual_delay.up_to AND c.place > '-Infinity' AND c.rows > 0
                    ORDER BY c.place DESC LIMIT 29
                ) b
                WINDOW o AS (ORDER BY b.place)
            ) w
            -- Those that were written as time went by, and not from history.
            WHERE extract(epoch FROM w.first_written_at - w.written_before) >= (w.place - w.place_before) / 2
        ) l);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.usual_delay(definition_id bigint, step numeric, up_to numeric) IS 'How many seconds after its place a batch has come at the latest, with some to spare; NULL while that is not known.';

CREATE FUNCTION pgslo_catalog.usual_disorder(definition_id bigint, up_to numeric) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN coalesce((
        WITH recent AS MATERIALIZED (
            SELECT b.place, b.first_written_at FROM pgslo_catalog.batch b
            WHERE b.definition_id = usual_disorder.definition_id AND b.place <= usual_disorder.up_to AND b.place > '-Infinity' AND b.rows > 0
            ORDER BY b.place DESC LIMIT 28
        )
        -- One that was late once tells nothing of the others.
        SELECT (array_agg(o.later ORDER BY o.later DESC))[2]
        FROM (
            SELECT (SELECT count(*) FROM recent l WHERE l.place > r.place AND l.first_written_at < r.first_written_at) AS later FROM recent r
        ) o), 0);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.usual_disorder(definition_id bigint, up_to numeric) IS 'How many later batches usually come before a batch does.';

CREATE FUNCTION pgslo_catalog.utc(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT to_char(utc.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
$$;

COMMENT ON FUNCTION pgslo_catalog.utc(moment timestamp with time zone) IS 'A moment as messages write it.';

CREATE FUNCTION pgslo_catalog.validate_assertion(definition text, assertion text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(validate_assertion.definition, validate_assertion.assertion);
BEGIN
    IF rule.on_breach = 'reject' THEN
        PERFORM pgslo_catalog.hold_assertion(a.check_function, ARRAY['*']) FROM pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id;
    ELSE
        PERFORM pgslo_catalog.judge_assertion(rule.rule_id, NULL);
    END IF;
    UPDATE pgslo_catalog.assertion a SET validated_at = clock_timestamp() WHERE a.rule_id = rule.rule_id;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.validate_assertion(definition text, assertion text) IS 'Holds what is there to an assertion: an error if it rejects, else an incident.';

CREATE FUNCTION pgslo_catalog.visible(definition text, operation text, columns text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    relation oid := (SELECT d.relation FROM pgslo_catalog.definition d WHERE d.name = visible.definition);
BEGIN
    RETURN pgslo_catalog.readable(relation, visible.columns)
        || CASE WHEN visible.operation = 'INSERT' THEN pgslo_catalog.sent(relation, visible.columns) ELSE '{}' END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.visible(definition text, operation text, columns text[]) IS 'Return the columns whose values the error of a rejected row may show to the caller.';

CREATE FUNCTION pgslo_catalog.wait_for_turn(name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- Never without a limit: a session may be idle in its transaction for hours.
    patience integer := (SELECT coalesce(nullif(s.setting::integer, 0), 60000) FROM pg_settings s WHERE s.name = 'lock_timeout');
    since timestamptz := clock_timestamp();
BEGIN
    -- Asked again and again, in no subtransaction: pg_locks shows who has a turn only by the number of the transaction itself.
    WHILE NOT pgslo_catalog.try_turn(wait_for_turn.name) LOOP
        IF clock_timestamp() > since + patience * interval '1 millisecond' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'lock_not_available',
                MESSAGE = 'could not get the turn to judge batches: another session has it',
                DETAIL = format('It is %s. pgslo.tick(), close_batch(), learn() and recount_pairs() take turns, which last until a transaction ends.',
                    pgslo_catalog.turn_holder(wait_for_turn.name)),
                HINT = 'Try again once its transaction has ended.';
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.wait_for_turn(name text) IS 'Take a turn until the transaction ends, after a wait of at most lock_timeout, or a minute; an error names who has it.';

CREATE FUNCTION pgslo_catalog.want_pairs_anew(definition text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO pgslo_catalog.pair_fragment (definition_id)
    SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = want_pairs_anew.definition AND d.pairs IS NOT NULL;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.want_pairs_anew(definition text) IS 'Has tick() count the pairs of a definition anew, after changes that no image tells.';

CREATE FUNCTION pgslo_catalog.wanted(low double precision, high double precision, factor numeric, unit text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    least_text text := pgslo_catalog.bound_shown(wanted.low, wanted.factor) || wanted.unit;
    most_text text := pgslo_catalog.bound_shown(wanted.high, wanted.factor) || wanted.unit;
BEGIN
    RETURN 'the objective is ' || CASE
        WHEN least_text IS NULL THEN 'at most ' || most_text
        WHEN most_text IS NULL THEN 'at least ' || least_text
        WHEN least_text = most_text THEN least_text
        ELSE 'between ' || least_text || ' and ' || most_text
    END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.wanted(low double precision, high double precision, factor numeric, unit text) IS 'Two bounds in words.';

CREATE FUNCTION pgslo_catalog.wanted_snapshot(task text, wanted jsonb) RETURNS pgslo_catalog.snapshot
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    found pgslo_catalog.snapshot;
BEGIN
    SELECT s.* INTO found FROM pgslo_catalog.snapshot s
    WHERE s.content_hash IS NOT NULL
      -- Any trainer may take one of this name, of any view: it must neither stop the gate of others nor tell them of a table that they may not see.
      AND s.definition IN (SELECT d.name FROM pgslo_catalog.task t JOIN pgslo_catalog.definition d USING (definition_id) WHERE t.name = wanted_snapshot.task)
      AND CASE WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.taken_by) THEN pgslo_catalog.may_run(wanted_snapshot.task, s.taken_by) ELSE true END
      AND CASE WHEN wanted ->> 'snapshot' LIKE '%*' THEN starts_with(s.name, rtrim(wanted ->> 'snapshot', '*')) ELSE s.name = wanted ->> 'snapshot' END
    ORDER BY s.taken_at DESC, s.snapshot_id DESC LIMIT 1;
    RETURN found;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.wanted_snapshot(task text, wanted jsonb) IS 'The newest snapshot that a gate means: of a table that its task reads, by a role that may run the task.';

CREATE FUNCTION pgslo_catalog.warn_unjudged(definition text, rules text[], error_code text, later boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    AS $$
BEGIN
    RAISE WARNING USING
        ERRCODE = '01SL2',
        MESSAGE = CASE WHEN warn_unjudged.rules = '{}'
            THEN format('rows written to %s were not recorded', warn_unjudged.definition)
            ELSE format('rows written to %s were not judged by %s', warn_unjudged.definition,
                        array_to_string(warn_unjudged.rules, ', '))
        END,
        DETAIL = format('The rows were stored. SQLSTATE %s.', warn_unjudged.error_code),
        HINT = CASE WHEN warn_unjudged.later
            THEN 'Readers are warned until pgslo.tick() has judged them.'
            ELSE 'SELECT * FROM pgslo.status;'
        END,
        SCHEMA = split_part(warn_unjudged.definition, '.', 1),
        TABLE = substr(warn_unjudged.definition, strpos(warn_unjudged.definition, '.') + 1),
        CONSTRAINT = coalesce(warn_unjudged.rules[1], '');
END
$$;

COMMENT ON FUNCTION pgslo_catalog.warn_unjudged(definition text, rules text[], error_code text, later boolean) IS 'Warn the writer that rows were stored without a verdict; without rules, that they were not recorded.';

CREATE FUNCTION pgslo_catalog.warn_unsampled(definition text, rule text, error_code text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    AS $$
BEGIN
    RAISE WARNING USING
        ERRCODE = '01SL2',
        MESSAGE = format('failing rows of %s were counted, but not kept as samples of rule "%s"', warn_unsampled.definition, warn_unsampled.rule),
        DETAIL = format('SQLSTATE %s.', warn_unsampled.error_code),
        SCHEMA = split_part(warn_unsampled.definition, '.', 1),
        TABLE = substr(warn_unsampled.definition, strpos(warn_unsampled.definition, '.') + 1),
        CONSTRAINT = warn_unsampled.rule;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.warn_unsampled(definition text, rule text, error_code text) IS 'Warn the writer that no examples of failing rows were kept.';

CREATE FUNCTION pgslo_catalog.warn_writer(definition text, rules text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    AS $$
DECLARE
    -- One warning a statement, also from a trigger that fires for every row. With a secret, or another function in the
    -- statement could set it and so silence the warning.
    statement text := md5(concat((SELECT s.value FROM pgslo_catalog.secret s), extract(epoch FROM statement_timestamp()), warn_writer.definition));
    violated text[];
    owner text;
BEGIN
    SELECT array_agg(r.name ORDER BY u.ordinal), (array_agg(coalesce(r.owner, d.owner) ORDER BY u.ordinal))[1] INTO violated, owner
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r USING (definition_id)
    JOIN unnest(warn_writer.rules) WITH ORDINALITY AS u (name, ordinal) ON u.name = r.name
    WHERE d.name = warn_writer.definition AND r.on_breach = 'warn';
    IF violated IS NULL OR statement = current_setting('pgslo.warned_writer', true) THEN
        RETURN;
    END IF;
    PERFORM set_config('pgslo.warned_writer', statement, true);
    RAISE WARNING USING
        ERRCODE = '01SL1',
        MESSAGE = format('rows written to %s violate %s', warn_writer.definition, array_to_string(violated, ', ')),
        DETAIL = 'The rows were stored; readers of the guarded view are warned.',
        HINT = format('SELECT * FROM pgslo.incident WHERE definition = %L; the owner is %s.', warn_writer.definition, coalesce(owner, 'unknown')),
        SCHEMA = split_part(warn_writer.definition, '.', 1),
        TABLE = substr(warn_writer.definition, strpos(warn_writer.definition, '.') + 1),
        CONSTRAINT = violated[1];
END
$$;

COMMENT ON FUNCTION pgslo_catalog.warn_writer(definition text, rules text[]) IS 'Warn the writer, at most once a statement and without values, of those rules that warn.';

CREATE FUNCTION pgslo_catalog.was_reported(what text) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    -- An open cursor is the one memory of its own that a session may change in a parallel plan and on a standby; a setting
    -- may not be changed there. Its text holds what was reported. Name and marks are hashes with a secret: no other
    -- statement or function can take the name, or claim that it was reported.
    secret text := (SELECT s.value FROM pgslo_catalog.secret s);
    memory refcursor := 'pgslo_warned ' || md5(concat(secret, pg_backend_pid(), ' ', extract(epoch FROM transaction_timestamp())));
    statement text := extract(epoch FROM statement_timestamp())::text;
    said text[];
    key text := md5(format('%s %s %s', secret, statement, was_reported.what));
BEGIN
    SELECT string_to_array(split_part(c.statement, '''', 2), ' ') INTO said FROM pg_cursors c WHERE c.name = memory::text;
    IF said[1] = statement AND key = ANY (said) THEN
        RETURN true;
    END IF;
    IF said IS NOT NULL THEN
        CLOSE memory;
    END IF;
    OPEN memory FOR EXECUTE format('SELECT %L', array_to_string(CASE WHEN said[1] = statement THEN said ELSE ARRAY[statement] END || key, ' '));
    RETURN false;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.was_reported(what text) IS 'Whether this was reported in the statement that runs; it is from now on.';

CREATE FUNCTION pgslo_catalog.watched_columns(definition_id bigint) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(SELECT w.column_name FROM pgslo_catalog.watched_column w WHERE w.definition_id = watched_columns.definition_id ORDER BY w.ordinal);
END
$$;

COMMENT ON FUNCTION pgslo_catalog.watched_columns(definition_id bigint) IS 'Columns whose profile is kept, in the order in which samples have them.';

CREATE FUNCTION pgslo_catalog.whole_of(snapshot_id bigint, OUT rows bigint, OUT sums numeric[]) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(sum(b.rows), 0)::bigint, ARRAY[coalesce(sum(b.sums[1]), 0), coalesce(sum(b.sums[2]), 0), coalesce(sum(b.sums[3]), 0), coalesce(sum(b.sums[4]), 0)]
    FROM pgslo_catalog.snapshot_batch b WHERE b.snapshot_id = whole_of.snapshot_id
$$;

COMMENT ON FUNCTION pgslo_catalog.whole_of(snapshot_id bigint, OUT rows bigint, OUT sums numeric[]) IS 'Rows and sums of all batches of a snapshot.';

CREATE FUNCTION pgslo_catalog.widened(tolerated double precision[], surprise double precision[], side integer, is_young boolean) RETURNS double precision[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
BEGIN
    RETURN (
        SELECT array_agg(greatest(
                   coalesce(m.x, 0) * 0.9981,
                   CASE WHEN is_young THEN u.x ELSE least(u.x, 3 * greatest(coalesce(m.x, 0), 2.5)) END) ORDER BY u.i)
        FROM unnest(pgslo_catalog.on_side(surprise, side, tolerated)) WITH ORDINALITY AS u (x, i)
        LEFT JOIN unnest(tolerated) WITH ORDINALITY AS m (x, i) USING (i));
END
$$;

COMMENT ON FUNCTION pgslo_catalog.widened(tolerated double precision[], surprise double precision[], side integer, is_young boolean) IS 'How much surprise is tolerated after a batch, upwards (side 1) or downwards (-1); while little is known, all that happened.';

CREATE FUNCTION pgslo_catalog.wilson(good numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    n float8 := nullif(wilson.whole, 0);
    p float8 := wilson.good / nullif(wilson.whole, 0);
    middle float8 := (p + z * z / (2 * n)) / (1 + z * z / n);
    half float8 := z / (1 + z * z / n) * sqrt(greatest(p * (1 - p) / n + z * z / (4 * n * n), 0));
BEGIN
    -- At the ends of the scale these are exact, whatever rounding leaves.
    low := CASE WHEN wilson.good = 0 THEN 0 ELSE greatest(middle - half, 0) END;
    high := CASE WHEN wilson.good = wilson.whole THEN 1 ELSE least(middle + half, 1) END;
END
$$;

COMMENT ON FUNCTION pgslo_catalog.wilson(good numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) IS 'Interval of a share: Wilson, Probable inference, JASA 22 (1927) 209-212.';

CREATE FUNCTION pgslo_catalog.write_released(target pgslo_catalog.definition, change text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    relation regclass := (write_released.target).relation;
    writer text := (write_released.target).writer;
    written bigint;
    session_before text[] := pgslo_catalog.session_state(true);
    leftovers_before text[];
    deferring_before jsonb;
    path_after text;
    difference text;
BEGIN
    -- Two blocks, as in functions that read the table: a timeout strikes once, perhaps while the handler runs.
    BEGIN
    BEGIN
        -- Inside, where the numbers of written rows are those of this subtransaction and of the ones around it.
        SELECT coalesce(jsonb_object_agg(w.said, w.written), '{}') INTO deferring_before
        FROM pgslo_catalog.deferring(relation) AS w;
        leftovers_before := pgslo_catalog.leftovers();
        IF writer IS NULL THEN
            EXECUTE change;
            GET DIAGNOSTICS written = ROW_COUNT;
        ELSE
            EXECUTE format('SELECT pgslo_gen.%I($1, $2)', writer)
            INTO written USING change, pgslo_catalog.settling(relation);
        END IF;
        -- A trigger, or code that a foreign key runs of the owner of the other table, may have left another search_path, by
        -- which nothing may be looked up.
        path_after := pg_catalog.current_setting('search_path');
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        difference := CASE
            WHEN path_after <> 'pg_catalog, pg_temp' THEN 'search_path'
            WHEN leftovers_before <> pgslo_catalog.leftovers() THEN (
                SELECT min(coalesce(l.said, b.said))
                FROM unnest(pgslo_catalog.leftovers()) AS l (said)
                FULL JOIN unnest(leftovers_before) AS b (said) ON b.said = l.said
                WHERE l.said IS NULL OR b.said IS NULL)
        END;
        IF difference IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'SL004',
                MESSAGE = format('a trigger of %s, or of a table that a foreign key relates to it, changes the session', (write_released.target).name),
                DETAIL = format('It changes: %s.', difference);
        END IF;
        PERFORM pgslo_catalog.check_session(session_before, true, (write_released.target).name, '00000');
        SELECT min(w.said) INTO difference
        FROM pgslo_catalog.deferring(relation) AS w
        WHERE w.written > coalesce((deferring_before ->> w.said)::bigint, 0) + w.checked
           OR NOT current_setting('track_counts')::boolean;
        IF difference IS NOT NULL THEN
            -- Before PostgreSQL 18 as the role that ends the transaction, and always after what is checked here.
            RAISE EXCEPTION USING
                ERRCODE = 'SL004',
                MESSAGE = format('a deferrable trigger of another role would run after the write to %s',
                    (write_released.target).name),
                DETAIL = format('It is %s, which may be deferred until the transaction ends.', difference);
        END IF;
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        PERFORM pgslo_catalog.check_session(session_before, true, (write_released.target).name, SQLSTATE);
        RAISE;
    END;
    EXCEPTION WHEN query_canceled THEN
        PERFORM pgslo_catalog.restore_session(session_before, true);
        RAISE;
    END;
    RETURN written;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.write_released(target pgslo_catalog.definition, change text) IS 'Write a row with the rights of the owner of its table, and refuse what code of that owner leaves in the session.';

CREATE FUNCTION pgslo_catalog.written_since(definition pgslo_catalog.definition, since xid8) RETURNS TABLE(batch text, place numeric)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET timezone_abbreviations TO 'Default'
    SET array_nulls TO 'on'
    SET gin_fuzzy_search_limit TO '0'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET lc_numeric TO 'C'
    SET lc_monetary TO 'C'
    SET lc_time TO 'C'
    SET transform_null_equals TO 'off'
    SET row_security TO 'off'
    AS $_$
DECLARE
    target pgslo_catalog.definition := written_since.definition;
    is_known boolean := coalesce(written_since.since <= pg_snapshot_xmax(pg_current_snapshot()), false);
    question text;
BEGIN
    question := format('SELECT DISTINCT %s, %s FROM (SELECT %s AS raw FROM %s AS r WHERE %s) AS b',
        CASE WHEN target.batch_by IS NULL THEN 'NULL::text' ELSE target.batch_name END,
        CASE WHEN target.batch_by IS NULL THEN 'NULL::numeric' ELSE target.batch_place END,
        coalesce(target.batch_by, 'NULL::text'), target.relation,
        -- The number of another cluster, after a restore, tells nothing: then every row counts.
        CASE WHEN is_known THEN format('age(r.xmin) <= age(%L::xid8::xid)', written_since.since) ELSE 'true' END);
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    IF target.reader IS NULL THEN
        RETURN QUERY EXECUTE question;
    ELSE
        RETURN QUERY EXECUTE format('SELECT n.name, n.place FROM pgslo_gen.%I($1) AS n (name text, place numeric)', target.reader)
        USING question;
    END IF;
END
$_$;

COMMENT ON FUNCTION pgslo_catalog.written_since(definition pgslo_catalog.definition, since xid8) IS 'Return the keys of batches with rows that transactions from this one on wrote; NULL where rows do not say their batch.';

CREATE TABLE pgslo_catalog.assertion (
    rule_id bigint NOT NULL,
    check_function text NOT NULL,
    enforced boolean NOT NULL,
    deferred boolean NOT NULL,
    native boolean NOT NULL,
    validated_at timestamp with time zone,
    wants_validation boolean NOT NULL,
    fingerprint text NOT NULL,
    settle_function text
);

COMMENT ON TABLE pgslo_catalog.assertion IS 'How an assertion is checked, and since when the rows that were there are known to keep it.';

COMMENT ON COLUMN pgslo_catalog.assertion.enforced IS 'Whether a transaction that breaks it is refused by its check, and not by a constraint.';

COMMENT ON COLUMN pgslo_catalog.assertion.settle_function IS 'What holds everything that a transaction touched of its definition; NULL: nothing is held at COMMIT.';

CREATE VIEW pgslo_catalog.known_definition WITH (security_barrier='true') AS
 SELECT definition_id,
    name,
    relation,
    owner,
    description,
    key_columns,
    writes,
    batch_every,
    batch_by,
    batch_place,
    schema_wanted,
    on_read,
    fingerprint,
    registered_at,
    registered_by,
    settle,
    batch_is_of_row,
    recount,
    batch_column,
    max_age,
    age_of,
    tallies,
    target,
    span,
    budgeting,
    sensitivity,
    pairs,
    holidays,
    judge,
    place_is_number,
    reader,
    writer,
    max_bytes,
    known_types,
    readers,
    batch_name,
    batch_key,
    is_rekeyed
   FROM pgslo_catalog.definition d
  WHERE (definition_id = ANY (ARRAY( SELECT k.definition_id
           FROM pgslo_catalog.definition k
          WHERE (( SELECT pgslo_catalog.may_know_all(CURRENT_USER) AS may_know_all) OR pgslo_catalog.may_read((k.relation)::oid, CURRENT_USER)))));

COMMENT ON VIEW pgslo_catalog.known_definition IS 'Definitions that the reader may know of.';

CREATE VIEW pgslo.assertion WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    r.name AS assertion,
    r.kind AS form,
    r.on_breach,
    r.mechanism,
    r.promise,
    COALESCE(r.owner, d.owner) AS owner,
    a.deferred,
    a.validated_at,
    a.wants_validation
   FROM ((pgslo_catalog.assertion a
     JOIN pgslo_catalog.rule r ON ((r.rule_id = a.rule_id)))
     JOIN pgslo_catalog.known_definition d ON ((d.definition_id = r.definition_id)));

COMMENT ON VIEW pgslo.assertion IS 'Promises about several rows or tables: how they are held, and since when the rows that were there are known to keep them.';

CREATE TABLE pgslo_catalog.assertion_dependency (
    rule_id bigint NOT NULL,
    relation regclass NOT NULL,
    columns text[] NOT NULL,
    events text[] NOT NULL
);

COMMENT ON TABLE pgslo_catalog.assertion_dependency IS 'What can break an assertion: statements on a table, and columns whose values matter.';

CREATE VIEW pgslo.assertion_dependency WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    r.name AS assertion,
    (p.relation)::text AS relation,
    p.events,
    p.columns
   FROM ((pgslo_catalog.assertion_dependency p
     JOIN pgslo_catalog.rule r ON ((r.rule_id = p.rule_id)))
     JOIN pgslo_catalog.known_definition d ON ((d.definition_id = r.definition_id)));

COMMENT ON VIEW pgslo.assertion_dependency IS 'What can break each assertion: statements on a table, and, for UPDATE, columns whose values matter.';

CREATE VIEW pgslo.batch WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    b.name AS batch,
    b.rows,
    b.first_written_at,
    b.last_written_at,
    b.writer,
    b.application,
    b.closed_at,
    b.revision
   FROM (pgslo_catalog.batch b
     JOIN pgslo_catalog.known_definition d USING (definition_id));

COMMENT ON VIEW pgslo.batch IS 'Batches as tick() last added them up.';

CREATE TABLE pgslo_catalog.broken_group (
    broken_group_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    group_key text NOT NULL,
    group_shown text,
    said text NOT NULL,
    found_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.broken_group IS 'Groups that break an assertion, as writers and tick() found them. Only ever appended to by writers. May hold personal data.';

CREATE VIEW pgslo.broken_group AS
 SELECT d.name AS definition,
    r.name AS assertion,
    b.group_shown,
    b.said,
    min(b.found_at) AS found_at
   FROM ((pgslo_catalog.broken_group b
     JOIN pgslo_catalog.rule r ON ((r.rule_id = b.rule_id)))
     JOIN pgslo_catalog.definition d ON ((d.definition_id = r.definition_id)))
  GROUP BY d.name, r.name, b.group_key, b.group_shown, b.said;

COMMENT ON VIEW pgslo.broken_group IS 'Groups that break an assertion, as far as is known. May hold personal data.';

CREATE TABLE pgslo_catalog.verdict (
    verdict_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    verdict text NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    score double precision,
    said text NOT NULL,
    judged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    example text,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT verdict_is_known CHECK ((verdict = ANY (ARRAY['met'::text, 'missed'::text, 'unknown'::text])))
);

COMMENT ON TABLE pgslo_catalog.verdict IS 'Whether a batch met a rule; a batch that is judged again has its verdict replaced.';

COMMENT ON COLUMN pgslo_catalog.verdict.score IS 'How far from what is expected: 1 is at the bound, more is beyond it.';

COMMENT ON COLUMN pgslo_catalog.verdict.said IS 'The verdict in a sentence, without its full stop.';

COMMENT ON COLUMN pgslo_catalog.verdict.example IS 'The first violation or the error message, which hold values of rows: for stewards.';

COMMENT ON COLUMN pgslo_catalog.verdict.xid IS 'The transaction that gave this verdict and value.';

CREATE VIEW pgslo_catalog.judged_batch AS
 SELECT r.definition_id,
    w.rule_id,
    w.batch,
    w.written_at,
    (w.is_missed AND (NOT (EXISTS ( SELECT
           FROM pgslo_catalog.incident i
          WHERE ((i.rule_id = w.rule_id) AND (i.resolution = 'false_alarm'::text) AND ((w.place >= i.opened_place) AND (w.place <= i.over_place))))))) AS is_missed
   FROM (( SELECT v.definition_id,
            v.rule_id,
            v.batch,
            v.place,
            COALESCE(b.first_written_at, v.judged_at) AS written_at,
            (v.verdict = 'missed'::text) AS is_missed
           FROM (pgslo_catalog.verdict v
             LEFT JOIN pgslo_catalog.batch b ON (((b.definition_id = v.definition_id) AND (b.name = v.batch))))
          WHERE (v.verdict <> 'unknown'::text)
        UNION ALL
         SELECT b.definition_id,
            r_1.rule_id,
            b.name,
            b.place,
            b.first_written_at,
            pgslo_catalog.is_missed(r_1.*, b.rows, COALESCE(((b.failures ->> r_1.name))::bigint, (0)::bigint)) AS is_missed
           FROM (pgslo_catalog.batch b
             JOIN pgslo_catalog.rule r_1 ON (((r_1.definition_id = b.definition_id) AND (r_1.scope = 'row'::text))))
          WHERE ((b.closed_at IS NOT NULL) AND (NOT (EXISTS ( SELECT
                   FROM pgslo_catalog.verdict v
                  WHERE ((v.rule_id = r_1.rule_id) AND (v.batch = b.name))))) AND (NOT (EXISTS ( SELECT
                   FROM pgslo_catalog.rule_break k
                  WHERE (k.rule_id = r_1.rule_id)))))) w
     JOIN pgslo_catalog.rule r ON (((r.rule_id = w.rule_id) AND (r.definition_id = w.definition_id) AND (r.retired_at IS NULL))));

COMMENT ON VIEW pgslo_catalog.judged_batch IS 'Batches that met or missed each rule; what could not be judged does not count, nor do misses in what was a false alarm.';

CREATE VIEW pgslo_catalog.open_span AS
 SELECT rule_id,
    opened_at,
    COALESCE(over_at, 'infinity'::timestamp with time zone) AS over_at
   FROM pgslo_catalog.incident i
  WHERE (resolution IS DISTINCT FROM 'false_alarm'::text);

COMMENT ON VIEW pgslo_catalog.open_span IS 'When incidents of each rule were open, without false alarms.';

CREATE VIEW pgslo.budget WITH (security_barrier='true') AS
 WITH wanted AS (
         SELECT d.definition_id,
            d.name AS definition,
            r.name AS rule,
            r.columns,
            ARRAY[r.rule_id] AS rules,
            d.budgeting,
            COALESCE(r.target, d.target) AS target,
            COALESCE(r.span, d.span, '28 days'::interval) AS span,
            d.registered_at,
            clock_timestamp() AS now
           FROM (pgslo_catalog.rule r
             JOIN pgslo_catalog.known_definition d USING (definition_id))
          WHERE ((r.retired_at IS NULL) AND (COALESCE(r.target, d.target) IS NOT NULL))
        UNION ALL
         SELECT d.definition_id,
            d.name,
            NULL::text,
            '{}'::text[],
            ARRAY( SELECT r.rule_id
                   FROM pgslo_catalog.rule r
                  WHERE ((r.definition_id = d.definition_id) AND (r.retired_at IS NULL))) AS "array",
            d.budgeting,
            d.target,
            COALESCE(d.span, '28 days'::interval) AS "coalesce",
            d.registered_at,
            clock_timestamp() AS clock_timestamp
           FROM pgslo_catalog.known_definition d
          WHERE (d.target IS NOT NULL)
        ), counted AS (
         SELECT w.definition_id,
            w.definition,
            w.rule,
            w.columns,
            w.rules,
            w.budgeting,
            w.target,
            w.span,
            w.registered_at,
            w.now,
            c_1.judged,
            c_1.missed,
            c_1.lately_judged,
            c_1.lately_missed
           FROM (wanted w
             CROSS JOIN LATERAL ( SELECT (count(*))::numeric AS judged,
                    (count(*) FILTER (WHERE b.is_missed))::numeric AS missed,
                    (count(*) FILTER (WHERE (b.written_at >= (w.now - (w.span / (10)::double precision)))))::numeric AS lately_judged,
                    (count(*) FILTER (WHERE (b.is_missed AND (b.written_at >= (w.now - (w.span / (10)::double precision))))))::numeric AS lately_missed
                   FROM ( SELECT j.batch,
                            min(j.written_at) AS written_at,
                            bool_or(j.is_missed) AS is_missed
                           FROM pgslo_catalog.judged_batch j
                          WHERE ((j.definition_id = w.definition_id) AND (j.written_at >= (w.now - w.span)) AND (j.rule_id = ANY (w.rules)))
                          GROUP BY j.batch) b) c_1)
          WHERE (w.budgeting = 'occurrences'::text)
        UNION ALL
         SELECT w.definition_id,
            w.definition,
            w.rule,
            w.columns,
            w.rules,
            w.budgeting,
            w.target,
            w.span,
            w.registered_at,
            w.now,
            t.judged,
            t.missed,
            t.lately_judged,
            t.lately_missed
           FROM ((wanted w
             CROSS JOIN LATERAL ( SELECT LEAST(min(b.first_written_at), w.now) AS began
                   FROM pgslo_catalog.batch b
                  WHERE (b.definition_id = w.definition_id)) d)
             CROSS JOIN LATERAL ( SELECT max(e.judged) FILTER (WHERE (NOT e.is_lately)) AS judged,
                    max(e.missed) FILTER (WHERE (NOT e.is_lately)) AS missed,
                    max(e.judged) FILTER (WHERE e.is_lately) AS lately_judged,
                    max(e.missed) FILTER (WHERE e.is_lately) AS lately_missed
                   FROM ( SELECT s.is_lately,
                            COALESCE(EXTRACT(epoch FROM (w.now - s.since)), (0)::numeric) AS judged,
                            ( SELECT COALESCE(EXTRACT(epoch FROM sum((upper(span.span) - lower(span.span)))), (0)::numeric) AS "coalesce"
                                   FROM (( SELECT range_agg(tstzrange(GREATEST(o_1.opened_at, s.since), LEAST(o_1.over_at, w.now))) AS spans
   FROM pgslo_catalog.open_span o_1
  WHERE ((o_1.rule_id = ANY (w.rules)) AND (o_1.opened_at < w.now) AND (o_1.over_at > s.since))) o
                                     CROSS JOIN LATERAL unnest(o.spans) span(span))) AS missed
                           FROM ( VALUES (false,GREATEST(d.began, (w.now - w.span))), (true,GREATEST(d.began, (w.now - (w.span / (10)::double precision))))) s(is_lately, since)) e) t)
          WHERE (w.budgeting = 'time_slices'::text)
        )
 SELECT definition,
    rule,
    columns,
    budgeting,
    target,
    span AS "window",
    judged,
    missed,
        CASE
            WHEN (judged = (0)::numeric) THEN 'unknown'::text
            WHEN (missed > (((1)::numeric - target) * judged)) THEN 'missed'::text
            ELSE 'met'::text
        END AS state,
        CASE
            WHEN (judged > (0)::numeric) THEN ((1)::numeric - (missed / judged))
            ELSE NULL::numeric
        END AS reached,
        CASE
            WHEN (judged > (0)::numeric) THEN ((((1)::numeric - target) * judged) - missed)
            ELSE NULL::numeric
        END AS left_over,
        CASE
            WHEN (judged = (0)::numeric) THEN NULL::numeric
            WHEN (target < (1)::numeric) THEN ((1)::numeric - (missed / (((1)::numeric - target) * judged)))
            WHEN (missed = (0)::numeric) THEN (1)::numeric
            ELSE (0)::numeric
        END AS left_fraction,
        CASE
            WHEN ((judged > (0)::numeric) AND (target < (1)::numeric)) THEN ((missed / judged) / ((1)::numeric - target))
            ELSE NULL::numeric
        END AS burn_rate,
        CASE
            WHEN ((lately_judged > (0)::numeric) AND (target < (1)::numeric)) THEN ((lately_missed / lately_judged) / ((1)::numeric - target))
            ELSE NULL::numeric
        END AS burn_rate_lately
   FROM counted c;

COMMENT ON VIEW pgslo.budget IS 'Error budgets of objectives, by rule and, where rule is NULL, of the table: what was judged and missed in the window, what is left, and how fast it goes.';

CREATE VIEW pgslo_catalog.readable_rule WITH (security_barrier='true') AS
 SELECT r.rule_id
   FROM (pgslo_catalog.rule r
     JOIN pgslo_catalog.known_definition d USING (definition_id))
  WHERE (( SELECT pgslo_catalog.may_see_values(CURRENT_USER) AS may_see_values) OR pgslo_catalog.may_see_figures((d.relation)::oid, (r.columns || ARRAY( SELECT jsonb_array_elements_text((r.measure -> 'where'::text)) AS jsonb_array_elements_text)),
        CASE
            WHEN (r.kind = 'ml_metric'::text) THEN COALESCE(d.pairs, '{}'::jsonb)
            ELSE NULL::jsonb
        END, CURRENT_USER));

COMMENT ON VIEW pgslo_catalog.readable_rule IS 'Rules whose figures the reader may see, because they may read the columns that are measured.';

CREATE VIEW pgslo.column_history WITH (security_barrier='true') AS
 WITH readable AS MATERIALIZED (
         SELECT k.rule_id
           FROM pgslo_catalog.readable_rule k
        )
 SELECT d.name AS definition,
    p.column_name,
    p.batch,
    p.place,
    b.last_written_at,
    p.rows,
    p.present,
    v.score,
    COALESCE(v.is_missed, false) AS is_missed
   FROM (((pgslo_catalog.profile p
     JOIN pgslo_catalog.known_definition d USING (definition_id))
     LEFT JOIN pgslo_catalog.batch b ON (((b.definition_id = p.definition_id) AND (b.name = p.batch))))
     LEFT JOIN LATERAL ( SELECT max(g.score) FILTER (WHERE ((r.kind = 'learned'::text) AND (r.rule_id IN ( SELECT k.rule_id
                   FROM readable k)))) AS score,
            bool_or((g.verdict = 'missed'::text)) AS is_missed
           FROM (pgslo_catalog.verdict g
             JOIN pgslo_catalog.rule r USING (rule_id))
          WHERE ((g.definition_id = p.definition_id) AND (g.place = p.place) AND (g.batch = p.batch) AND ((p.column_name = ANY (r.columns)) OR ((r.columns = '{}'::text[]) AND (p.column_name = '*'::text))))) v ON (true));

COMMENT ON VIEW pgslo.column_history IS 'Rows, values that are not null and drift score of each column in each batch; column * is the table as a whole. A score of 1 is at the bound.';

CREATE TABLE pgslo_catalog.delivery (
    delivery_id bigint NOT NULL,
    delivery_key text NOT NULL,
    recipient text NOT NULL,
    page bigint NOT NULL,
    event text NOT NULL,
    incidents bigint[] NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    queued_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts bigint DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    error text,
    sender text DEFAULT ''::text NOT NULL,
    CONSTRAINT delivery_body_is_at_most_50000_characters CHECK ((length(body) <= 50000)),
    CONSTRAINT delivery_event_is_known CHECK ((event = ANY (ARRAY['opened'::text, 'repeated'::text, 'over'::text, 'resolved'::text]))),
    CONSTRAINT delivery_is_about_at_most_10000_incidents CHECK ((cardinality(incidents) <= 10000)),
    CONSTRAINT delivery_key_is_at_most_300_characters CHECK ((length(delivery_key) <= 300)),
    CONSTRAINT delivery_recipient_is_at_most_200_characters CHECK ((length(recipient) <= 200)),
    CONSTRAINT delivery_subject_is_at_most_1000_characters CHECK ((length(subject) <= 1000))
);

COMMENT ON TABLE pgslo_catalog.delivery IS 'Messages about incidents, written down before they are sent.';

COMMENT ON COLUMN pgslo_catalog.delivery.attempts IS 'Counted before each attempt: more than 0 without sent_at means that it may have arrived.';

COMMENT ON COLUMN pgslo_catalog.delivery.sender IS 'The role that queued it, which alone sends it: a key of another role holds back no message.';

CREATE VIEW pgslo.delivery AS
 SELECT delivery_id,
    delivery_key,
    recipient,
    page,
    event,
    incidents,
    subject,
    body,
    queued_at,
    attempts,
    next_attempt_at,
    sent_at,
    error,
    sender
   FROM pgslo_catalog.delivery d;

COMMENT ON VIEW pgslo.delivery IS 'Messages about incidents, sent and still to be sent.';

CREATE VIEW pgslo_catalog.stored_batch AS
 SELECT m.missed_id,
    m.definition_id,
    m.rule_id,
    m.batch,
    m.place,
    m.missed_at,
    COALESCE(m.incident_id, ( SELECT i.incident_id
           FROM pgslo_catalog.incident i
          WHERE (i.rule_id = m.rule_id)
          ORDER BY COALESCE((i.resolution = ANY (ARRAY['false_alarm'::text, 'retired'::text])), false), ((i.opened_place <= m.place) AND (m.place < COALESCE(i.over_place, 'Infinity'::numeric))) DESC, (i.over_at IS NULL) DESC, i.opened_by_tick DESC, i.incident_id DESC
         LIMIT 1)) AS incident_id,
    COALESCE(
        CASE
            WHEN (d.writes = 'bulk'::text) THEN ( SELECT (sum(f.rows))::bigint AS sum
               FROM pgslo_catalog.fragment f
              WHERE ((f.definition_id = m.definition_id) AND (f.batch = m.batch)))
            ELSE NULL::bigint
        END, b.rows) AS rows
   FROM ((pgslo_catalog.missed_batch m
     JOIN pgslo_catalog.definition d ON ((d.definition_id = m.definition_id)))
     LEFT JOIN pgslo_catalog.batch b ON (((b.definition_id = m.definition_id) AND (b.name = m.batch))))
  WHERE (m.ended_at IS NULL);

COMMENT ON VIEW pgslo_catalog.stored_batch IS 'Batches that miss a rule, with their incident and their rows.';

CREATE VIEW pgslo_catalog.stored AS
 SELECT rule_id,
    incident_id,
    count(*) AS batches,
        CASE
            WHEN (count(rows) = count(*)) THEN (sum(rows))::bigint
            ELSE NULL::bigint
        END AS rows,
    array_agg(batch ORDER BY place, batch) AS names,
    format('%s missed %s%s still stored'::text, to_char(count(*), 'FM999,999,999,990'::text),
        CASE count(*)
            WHEN 1 THEN 'batch'::text
            ELSE 'batches'::text
        END, (
        CASE
            WHEN (count(rows) < count(*)) THEN ''::text
            WHEN (sum(rows) = (1)::numeric) THEN ' with 1 row'::text
            ELSE format(' with %s rows'::text, to_char(sum(rows), 'FM999,999,999,999,990'::text))
        END ||
        CASE count(*)
            WHEN 1 THEN ' is'::text
            ELSE ' are'::text
        END)) AS said
   FROM ( SELECT DISTINCT ON (b.rule_id, b.incident_id, b.batch) b.missed_id,
            b.definition_id,
            b.rule_id,
            b.batch,
            b.place,
            b.missed_at,
            b.incident_id,
            b.rows
           FROM pgslo_catalog.stored_batch b
          ORDER BY b.rule_id, b.incident_id, b.batch, b.missed_id) s
  GROUP BY rule_id, incident_id;

COMMENT ON VIEW pgslo_catalog.stored IS 'Batches that miss a rule, by incident, and in words.';

CREATE VIEW pgslo.incident WITH (security_barrier='true') AS
 SELECT i.incident_id,
    d.name AS definition,
    r.name AS rule,
    r.kind,
    r.columns,
    r.promise,
    r.on_breach,
    COALESCE(r.owner, d.owner) AS owner,
    i.opened_at,
    i.opened_batch,
        CASE
            WHEN (i.over_at IS NULL) THEN 'open'::text
            WHEN (i.resolved_at IS NULL) THEN 'over'::text
            ELSE 'resolved'::text
        END AS state,
    i.over_at,
    i.over_batch,
    i.resolved_at,
    i.resolution,
    COALESCE(s.batches, (0)::bigint) AS missed_batches,
    s.rows AS missed_rows,
    s.said AS stored,
    s.names AS missed,
    ( SELECT min(p.incident_id) AS min
           FROM pgslo_catalog.incident p
          WHERE ((p.definition_id = i.definition_id) AND (p.opened_batch = i.opened_batch))) AS page,
    i.acknowledged_at,
    i.acknowledged_by,
    GREATEST(i.muted_until, r.muted_until) AS muted_until,
    i.resolved_by,
    i.note,
    i.writer,
    i.application,
    i.written_at,
    r.scope
   FROM (((pgslo_catalog.incident i
     JOIN pgslo_catalog.known_definition d USING (definition_id))
     JOIN pgslo_catalog.rule r USING (rule_id))
     LEFT JOIN LATERAL ( SELECT w.rule_id,
            w.incident_id,
            w.batches,
            w.rows,
            w.names,
            w.said
           FROM pgslo_catalog.stored w
          WHERE ((i.resolved_at IS NULL) AND (w.rule_id = i.rule_id) AND (w.incident_id = i.incident_id))) s ON (true))
  WHERE (i.opened_by_tick OR (i.over_at IS NOT NULL) OR (NOT (EXISTS ( SELECT
           FROM pgslo_catalog.incident k
          WHERE ((k.definition_id = i.definition_id) AND (k.rule_id = i.rule_id) AND (k.over_at IS NULL) AND k.opened_by_tick)))));

COMMENT ON VIEW pgslo.incident IS 'Runs of batches that missed a rule: open, over while missed batches are stored, or resolved.';

CREATE TABLE pgslo_catalog.incident_event (
    incident_event_id bigint NOT NULL,
    incident_id bigint NOT NULL,
    event text NOT NULL,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    done_by text DEFAULT COALESCE(NULLIF(current_setting('role'::text), 'none'::text), (SESSION_USER)::text) NOT NULL,
    application text DEFAULT current_setting('application_name'::text) NOT NULL,
    batch text,
    muted_until timestamp with time zone,
    resolution text,
    note text,
    seen_snapshot pg_snapshot DEFAULT pg_current_snapshot(),
    CONSTRAINT incident_event_is_known CHECK ((event = ANY (ARRAY['opened'::text, 'acknowledged'::text, 'muted'::text, 'unmuted'::text, 'over'::text, 'confirmed'::text, 'accepted'::text, 'resolved'::text, 'reopened'::text])))
);

COMMENT ON TABLE pgslo_catalog.incident_event IS 'What became of incidents: who did what when. Only ever appended to.';

COMMENT ON COLUMN pgslo_catalog.incident_event.seen_snapshot IS 'What the session that did it could see.';

CREATE VIEW pgslo.incident_event WITH (security_barrier='true') AS
 SELECT e.incident_event_id,
    e.incident_id,
    d.name AS definition,
    r.name AS rule,
    e.event,
    e.happened_at,
    e.done_by,
    e.application,
    e.batch,
    e.muted_until,
    e.resolution,
    e.note
   FROM (((pgslo_catalog.incident_event e
     JOIN pgslo_catalog.incident i USING (incident_id))
     JOIN pgslo_catalog.known_definition d USING (definition_id))
     JOIN pgslo_catalog.rule r USING (rule_id));

COMMENT ON VIEW pgslo.incident_event IS 'The history of incidents: who did what when.';

CREATE VIEW pgslo.measured_precision WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    r.name AS rule,
    r.columns,
    count(*) FILTER (WHERE (i.resolution = 'real'::text)) AS "real",
    count(*) FILTER (WHERE (i.resolution = 'false_alarm'::text)) AS false_alarms,
    round(((count(*) FILTER (WHERE (i.resolution = 'real'::text)))::numeric / (count(*))::numeric), 3) AS "precision"
   FROM ((pgslo_catalog.incident i
     JOIN pgslo_catalog.rule r USING (rule_id))
     JOIN pgslo_catalog.known_definition d ON ((d.definition_id = i.definition_id)))
  WHERE (i.resolution = ANY (ARRAY['real'::text, 'false_alarm'::text]))
  GROUP BY d.name, r.name, r.columns;

COMMENT ON VIEW pgslo.measured_precision IS 'How often a rule''s incidents were real, of those that somebody resolved as real or as false alarm.';

CREATE VIEW pgslo.ml_metric WITH (security_barrier='true') AS
 WITH readable AS MATERIALIZED (
         SELECT k.definition_id,
            k.name,
            k.relation,
            k.owner,
            k.description,
            k.key_columns,
            k.writes,
            k.batch_every,
            k.batch_by,
            k.batch_place,
            k.schema_wanted,
            k.on_read,
            k.fingerprint,
            k.registered_at,
            k.registered_by,
            k.settle,
            k.batch_is_of_row,
            k.recount,
            k.batch_column,
            k.max_age,
            k.age_of,
            k.tallies,
            k.target,
            k.span,
            k.budgeting,
            k.sensitivity,
            k.pairs,
            k.holidays,
            k.judge,
            k.place_is_number,
            k.reader,
            k.writer,
            k.max_bytes,
            k.known_types,
            k.readers,
            k.batch_name,
            k.batch_key,
            k.is_rekeyed
           FROM pgslo_catalog.known_definition k
          WHERE ((k.pairs IS NOT NULL) AND pgslo_catalog.may_see_figures((k.relation)::oid, '{}'::text[], k.pairs, CURRENT_USER))
        )
 SELECT d.name AS definition,
    c.batch,
    c.model,
    c.segment,
    m.name AS metric,
    v.value,
    v.low,
    v.high,
    v.pairs
   FROM (((pgslo_catalog.pair_cell c
     JOIN readable d USING (definition_id))
     CROSS JOIN unnest(ARRAY['accuracy'::text, 'precision'::text, 'recall'::text, 'f1'::text, 'auc'::text, 'log_loss'::text, 'brier'::text, 'calibration_error'::text, 'mae'::text, 'rmse'::text, 'mape'::text, 'bias'::text, 'label_coverage'::text, 'label_delay'::text, 'default_share'::text, 'abstain_share'::text, 'expected_accuracy'::text]) m(name))
     CROSS JOIN LATERAL pgslo_catalog.metric(ARRAY[c.*],
        CASE
            WHEN (m.name = ANY (ARRAY['auc'::text, 'calibration_error'::text])) THEN ARRAY( SELECT s.*::pgslo_catalog.pair_score AS s
               FROM pgslo_catalog.pair_score s
              WHERE (s.pair_cell_id = c.pair_cell_id))
            ELSE NULL::pgslo_catalog.pair_score[]
        END, m.name, (0.95)::double precision) v(value, low, high, pairs))
  WHERE ((v.value IS NOT NULL) AND
        CASE
            WHEN (m.name = ANY (ARRAY['mae'::text, 'rmse'::text, 'mape'::text, 'bias'::text])) THEN ((d.pairs ->> 'regression'::text) = 'true'::text)
            WHEN (m.name = ANY (ARRAY['label_coverage'::text, 'label_delay'::text])) THEN ((d.pairs ->> 'labelled'::text) = 'true'::text)
            WHEN (m.name = ANY (ARRAY['default_share'::text, 'abstain_share'::text])) THEN true
            ELSE ((d.pairs ->> 'regression'::text) = 'false'::text)
        END);

COMMENT ON VIEW pgslo.ml_metric IS 'Every metric of every batch, model and segment, with its 95 % interval, as tick() last added pairs up; for roles that may read what is measured.';

CREATE VIEW pgslo.page AS
 SELECT min(incident_id) AS page,
    definition,
    opened_batch AS batch,
        CASE
            WHEN bool_and((state = 'resolved'::text)) THEN 'resolved'::text
            WHEN bool_and((state <> 'open'::text)) THEN 'over'::text
            WHEN bool_and((muted_until > clock_timestamp())) FILTER (WHERE (state = 'open'::text)) THEN 'muted'::text
            WHEN bool_and((acknowledged_at IS NOT NULL)) FILTER (WHERE (state = 'open'::text)) THEN 'acknowledged'::text
            ELSE 'open'::text
        END AS state,
    min(opened_at) AS opened_at,
        CASE
            WHEN (count(*) FILTER (WHERE (resolved_at IS NULL)) = 0) THEN max(resolved_at)
            ELSE NULL::timestamp with time zone
        END AS resolved_at,
    array_agg(incident_id ORDER BY incident_id) AS incidents,
    array_agg(incident_id ORDER BY incident_id) FILTER (WHERE (state = 'open'::text)) AS open_incidents,
    array_agg(rule ORDER BY incident_id) AS rules,
    ARRAY( SELECT DISTINCT c.name
           FROM (pgslo_catalog.rule r
             JOIN pgslo_catalog.definition d USING (definition_id)),
            LATERAL unnest(r.columns) c(name)
          WHERE ((d.name = i.definition) AND (r.name = ANY (array_agg(i.rule))))
          ORDER BY c.name) AS columns
   FROM pgslo.incident i
  GROUP BY definition, opened_batch;

COMMENT ON VIEW pgslo.page IS 'Incidents of a table that opened with the same batch: columns that broke together are one page.';

CREATE TABLE pgslo_catalog.pause (
    pause_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_name text,
    paused_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    paused_by text DEFAULT SESSION_USER NOT NULL,
    since xid8,
    resumed_at timestamp with time zone,
    resumed_by text,
    until xid8,
    settled_at timestamp with time zone,
    accepted_at timestamp with time zone,
    accepted_by text,
    writers text[] DEFAULT '{}'::text[] NOT NULL
);

COMMENT ON TABLE pgslo_catalog.pause IS 'What is and was switched off for a while, by whom.';

COMMENT ON COLUMN pgslo_catalog.pause.rule_name IS 'NULL: every rule of the table.';

COMMENT ON COLUMN pgslo_catalog.pause.since IS 'No earlier transaction wrote a row during the pause; NULL: not known.';

COMMENT ON COLUMN pgslo_catalog.pause.resumed_at IS 'NULL: it is switched off now.';

COMMENT ON COLUMN pgslo_catalog.pause.until IS 'No later transaction wrote a row during the pause.';

COMMENT ON COLUMN pgslo_catalog.pause.settled_at IS 'When tick() had found the batches that were written meanwhile.';

COMMENT ON COLUMN pgslo_catalog.pause.accepted_at IS 'When rows that no rule judged were accepted as they are.';

COMMENT ON COLUMN pgslo_catalog.pause.writers IS 'Virtual transactions that were writing to the table when the first tick after the pause saw it.';

CREATE VIEW pgslo.pause WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    p.rule_name AS rule,
    p.paused_at,
    p.paused_by,
    p.resumed_at,
    p.resumed_by,
        CASE
            WHEN (p.resumed_at IS NULL) THEN 'not judged'::text
            WHEN (p.settled_at IS NULL) THEN 'waiting for tick'::text
            WHEN (EXISTS ( SELECT
               FROM pgslo_catalog.rule_break k
              WHERE (k.pause_id = p.pause_id))) THEN 'not judged'::text
            WHEN (p.accepted_at IS NOT NULL) THEN 'accepted'::text
            ELSE 'judged'::text
        END AS rows_written,
    p.accepted_at,
    p.accepted_by
   FROM (pgslo_catalog.pause p
     JOIN pgslo_catalog.known_definition d USING (definition_id));

COMMENT ON VIEW pgslo.pause IS 'When rules were switched off, by whom, and what became of the rows that were written meanwhile.';

CREATE TABLE pgslo_catalog.post_processing (
    post_processing_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    version text NOT NULL,
    steps jsonb NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL
);

COMMENT ON TABLE pgslo_catalog.post_processing IS 'Steps that made what was served, by the version that rows'' trails name; the newest is in force.';

CREATE VIEW pgslo.post_processing WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    p.version,
    p.steps,
    p.applied_at,
    p.applied_by
   FROM (pgslo_catalog.post_processing p
     JOIN pgslo_catalog.known_definition d USING (definition_id));

COMMENT ON VIEW pgslo.post_processing IS 'The steps behind each version that rows'' trails name; the newest is in force.';

CREATE VIEW pgslo.prediction_problem WITH (security_barrier='true') AS
 WITH known AS MATERIALIZED (
         SELECT k.definition_id,
            k.name,
            pgslo_catalog.may_see_figures((k.relation)::oid, '{}'::text[], k.pairs, CURRENT_USER) AS is_readable
           FROM pgslo_catalog.known_definition k
          WHERE (k.pairs IS NOT NULL)
        )
 SELECT d.name AS definition,
    c.batch,
        CASE
            WHEN d.is_readable THEN c.model
            ELSE NULL::text
        END AS model,
        CASE
            WHEN d.is_readable THEN c.segment
            ELSE NULL::text[]
        END AS segment,
    p.problem,
    (p.rows)::bigint AS rows
   FROM ((pgslo_catalog.pair_cell c
     JOIN known d USING (definition_id))
     CROSS JOIN LATERAL ( VALUES ('label_without_prediction'::text,c.label_without_prediction), ('two_labels'::text,c.two_labels), ('label_before_prediction'::text,c.label_before_prediction), ('unknown_label'::text,c.unknown_label), ('unknown_class'::text,c.unknown_class), ('score_missing'::text,c.score_missing), ('score_outside'::text,c.score_outside), ('model_missing'::text,c.model_missing)) p(problem, rows))
  WHERE (p.rows <> (0)::numeric);

COMMENT ON VIEW pgslo.prediction_problem IS 'Predictions and labels that cannot be measured as they are, counted; the rows stay where they are.';

CREATE TABLE pgslo_catalog.quarantine (
    quarantine_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    operation text NOT NULL,
    row_key text NOT NULL,
    image jsonb,
    image_text text NOT NULL,
    relation regclass NOT NULL,
    columns jsonb NOT NULL,
    reasons jsonb NOT NULL,
    writer text DEFAULT COALESCE(NULLIF(current_setting('role'::text), 'none'::text), (SESSION_USER)::text) NOT NULL,
    application text DEFAULT current_setting('application_name'::text) NOT NULL,
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state text DEFAULT 'held'::text NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    old_key jsonb,
    changes jsonb,
    bytes bigint,
    total bigint,
    changed text[],
    CONSTRAINT quarantine_is_decided_once_it_is_not_held CHECK (((state = 'held'::text) = (decided_at IS NULL))),
    CONSTRAINT quarantine_operation_is_known CHECK ((operation = ANY (ARRAY['INSERT'::text, 'UPDATE'::text]))),
    CONSTRAINT quarantine_state_is_known CHECK ((state = ANY (ARRAY['held'::text, 'released'::text, 'dropped'::text])))
);

COMMENT ON TABLE pgslo_catalog.quarantine IS 'Rows kept out of their table, whole, with every reason. May hold personal data.';

COMMENT ON COLUMN pgslo_catalog.quarantine.image IS 'The row by column name, or NULL when a value has no form in jsonb.';

COMMENT ON COLUMN pgslo_catalog.quarantine.image_text IS 'The row in PostgreSQL''s own text form, exact for every type while the table keeps its columns, whatever they are called.';

COMMENT ON COLUMN pgslo_catalog.quarantine.columns IS 'Number and name of each column of the relation as the row was written, in order.';

COMMENT ON COLUMN pgslo_catalog.quarantine.old_key IS 'Key of the row that a quarantined UPDATE was to change, as it was before, by column name.';

COMMENT ON COLUMN pgslo_catalog.quarantine.changes IS 'Columns that were changed when the row was released, by decided_by.';

COMMENT ON COLUMN pgslo_catalog.quarantine.bytes IS 'Bytes of the row''s image, before compression.';

COMMENT ON COLUMN pgslo_catalog.quarantine.total IS 'Bytes of the definition''s rows in quarantine as this row was written, as far as its transaction saw them.';

COMMENT ON COLUMN pgslo_catalog.quarantine.changed IS 'Columns that a quarantined UPDATE changes, as they were named then.';

CREATE VIEW pgslo.quarantine AS
 SELECT q.quarantine_id,
    d.name AS definition,
    q.row_key,
    q.operation,
    q.reasons,
    q.image,
    q.writer,
    q.application,
    q.written_at,
    q.state,
    q.decided_at,
    q.decided_by,
    q.changes,
    q.old_key
   FROM (pgslo_catalog.quarantine q
     JOIN pgslo_catalog.definition d USING (definition_id));

COMMENT ON VIEW pgslo.quarantine IS 'Rows kept out of their tables. May hold personal data.';

CREATE TABLE pgslo_catalog.quarantine_size (
    definition_id bigint NOT NULL,
    bytes bigint NOT NULL,
    up_to bigint NOT NULL,
    measured_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.quarantine_size IS 'Bytes of rows in quarantine, summed by tick() and by decisions about rows.';

COMMENT ON COLUMN pgslo_catalog.quarantine_size.up_to IS 'Number of the newest row that was summed.';

CREATE VIEW pgslo.quarantine_size WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    COALESCE(newest.total, s.bytes, (0)::bigint) AS bytes,
    d.max_bytes,
    ((COALESCE(newest.total, s.bytes, (0)::bigint))::numeric / (d.max_bytes)::numeric) AS fraction
   FROM ((pgslo_catalog.known_definition d
     LEFT JOIN pgslo_catalog.quarantine_size s USING (definition_id))
     LEFT JOIN LATERAL ( SELECT q.total
           FROM pgslo_catalog.quarantine q
          WHERE ((q.definition_id = d.definition_id) AND (q.state = 'held'::text) AND (q.quarantine_id > COALESCE(s.up_to, (0)::bigint)))
          ORDER BY q.quarantine_id DESC
         LIMIT 1) newest ON (true));

COMMENT ON VIEW pgslo.quarantine_size IS 'How much waits in quarantine of each definition, and how much may.';

CREATE TABLE pgslo_catalog.applied (
    definition_id bigint NOT NULL,
    table_name text NOT NULL,
    columns jsonb NOT NULL,
    objects jsonb NOT NULL,
    rows_written bigint,
    library_version text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL,
    table_owner text,
    rows_emptied bigint DEFAULT 0 NOT NULL
);

COMMENT ON TABLE pgslo_catalog.applied IS 'How the last apply left a table and what was generated for it: drift is the difference.';

COMMENT ON COLUMN pgslo_catalog.applied.table_name IS 'Schema and name that the table had.';

COMMENT ON COLUMN pgslo_catalog.applied.columns IS 'Number, name and type of each column.';

COMMENT ON COLUMN pgslo_catalog.applied.objects IS 'What was generated: kind, name, fingerprint, digest of a function''s body.';

COMMENT ON COLUMN pgslo_catalog.applied.rows_written IS 'Rows inserted and updated so far, as the statistics system counted them.';

COMMENT ON COLUMN pgslo_catalog.applied.table_owner IS 'Owner of the table when the definition was applied.';

COMMENT ON COLUMN pgslo_catalog.applied.rows_emptied IS 'Recorded rows, written since the last apply, that TRUNCATE removed: the statistics system still counts them.';

CREATE VIEW pgslo_catalog.generated AS
 WITH trusted AS (
         SELECT n_1.nspowner AS role
           FROM pg_namespace n_1
          WHERE (n_1.nspname = 'pgslo_catalog'::name)
        UNION
         SELECT r.oid
           FROM (pg_roles r
             JOIN pg_namespace n_1 ON ((n_1.nspname = 'pgslo_catalog'::name)))
          WHERE ((r.rolname = CURRENT_USER) AND pg_has_role(r.oid, n_1.nspowner, 'USAGE'::text))
        ), listed AS (
         SELECT DISTINCT ON ((o.value -> 'kind'::text), (o.value -> 'names'::text), (o.value -> 'relation'::text)) d.name AS definition,
            (o.value ->> 'kind'::text) AS kind,
            (o.value -> 'names'::text) AS names,
            (o.value -> 'relation'::text) AS relation,
            (o.value ->> 'owner'::text) AS owner
           FROM ((pgslo_catalog.applied a
             JOIN pgslo_catalog.definition d USING (definition_id))
             CROSS JOIN LATERAL jsonb_array_elements(a.objects) o(value))
          ORDER BY (o.value -> 'kind'::text), (o.value -> 'names'::text), (o.value -> 'relation'::text), a.applied_at DESC
        ), commented AS (
         SELECT e.classoid,
            e.objoid,
            substr(m.mark, 7, 16) AS fingerprint,
            substr(m.mark, 24) AS definition
           FROM (pg_description e
             CROSS JOIN LATERAL ( SELECT "substring"("left"(e.description, 4000), '(?:^|
)(pgslo [0-9a-f]{16} .+)$'::text) AS mark) m)
          WHERE ((e.objsubid = 0) AND (e.description ~~ '%pgslo %'::text) AND (m.mark IS NOT NULL))
        ), candidate AS (
         SELECT m.classoid,
            m.objoid,
            m.fingerprint,
            m.definition,
            'function'::text AS kind,
            p.pronamespace AS schema,
            p.proname AS name,
            NULL::oid AS on_relation,
            p.proowner AS owner,
            (p.pronamespace = g.oid) AS is_in_place
           FROM ((commented m
             JOIN pg_proc p ON ((p.oid = m.objoid)))
             LEFT JOIN pg_namespace g ON ((g.nspname = 'pgslo_gen'::name)))
          WHERE (m.classoid = ('pg_proc'::regclass)::oid)
        UNION ALL
         SELECT m.classoid,
            m.objoid,
            m.fingerprint,
            m.definition,
                CASE
                    WHEN (c.relkind = ANY (ARRAY['v'::"char", 'm'::"char"])) THEN 'view'::text
                    ELSE 'table'::text
                END AS "case",
            c.relnamespace,
            c.relname,
            NULL::oid,
            c.relowner,
            ((c.relkind = 'v'::"char") OR ((c.relkind = 'r'::"char") AND (c.relnamespace = g.oid)))
           FROM ((commented m
             JOIN pg_class c ON ((c.oid = m.objoid)))
             LEFT JOIN pg_namespace g ON ((g.nspname = 'pgslo_gen'::name)))
          WHERE ((m.classoid = ('pg_class'::regclass)::oid) AND (c.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'f'::"char", 'v'::"char", 'm'::"char"])))
        UNION ALL
         SELECT 'pg_class'::regclass AS regclass,
            x.oid,
            COALESCE(m.fingerprint, '0000000000000000'::text) AS "coalesce",
            COALESCE(m.definition, d.name) AS "coalesce",
            'unique_index'::text,
            x.relnamespace,
            x.relname,
            i.indrelid,
            x.relowner,
            starts_with((x.relname)::text, 'pgslo__'::text) AS starts_with
           FROM (((pg_index i
             JOIN pg_class x ON ((x.oid = i.indexrelid)))
             LEFT JOIN commented m ON (((m.classoid = ('pg_class'::regclass)::oid) AND (m.objoid = x.oid))))
             LEFT JOIN pgslo_catalog.definition d ON ((((d.relation)::oid = i.indrelid) AND starts_with((x.relname)::text, 'pgslo__'::text))))
          WHERE (((m.objoid IS NOT NULL) OR (d.name IS NOT NULL)) AND (NOT (EXISTS ( SELECT
                   FROM pg_constraint k
                  WHERE ((k.conindid = x.oid) AND (k.contype = 'x'::"char"))))))
        UNION ALL
         SELECT m.classoid,
            m.objoid,
            m.fingerprint,
            m.definition,
            'trigger'::text,
            NULL::oid,
            t.tgname,
            t.tgrelid,
            p.proowner,
            ((p.pronamespace = g.oid) AND (NOT t.tgisinternal) AND (t.tgparentid = (0)::oid) AND starts_with((t.tgname)::text, 'pgslo_'::text))
           FROM (((commented m
             JOIN pg_trigger t ON ((t.oid = m.objoid)))
             JOIN pg_proc p ON ((p.oid = t.tgfoid)))
             LEFT JOIN pg_namespace g ON ((g.nspname = 'pgslo_gen'::name)))
          WHERE (m.classoid = ('pg_trigger'::regclass)::oid)
        UNION ALL
         SELECT m.classoid,
            m.objoid,
            m.fingerprint,
            m.definition,
                CASE k.contype
                    WHEN 'f'::"char" THEN 'foreign_key'::text
                    WHEN 'x'::"char" THEN 'exclusion'::text
                    ELSE 'constraint'::text
                END AS "case",
            NULL::oid,
            k.conname,
            k.conrelid,
            c.relowner,
            ((k.contype = ANY (ARRAY['f'::"char", 'x'::"char"])) AND (k.conparentid = (0)::oid))
           FROM ((commented m
             JOIN pg_constraint k ON ((k.oid = m.objoid)))
             JOIN pg_class c ON ((c.oid = k.conrelid)))
          WHERE (m.classoid = ('pg_constraint'::regclass)::oid)
        UNION ALL
         SELECT m.classoid,
            m.objoid,
            m.fingerprint,
            m.definition,
            'schema'::text,
            NULL::oid,
            n_1.nspname,
            NULL::oid,
            n_1.nspowner,
            true
           FROM (commented m
             JOIN pg_namespace n_1 ON ((n_1.oid = m.objoid)))
          WHERE (m.classoid = ('pg_namespace'::regclass)::oid)
        UNION ALL
         SELECT 'pg_class'::regclass AS regclass,
            c.oid,
            '0000000000000000'::text,
            l_1.definition,
            'view'::text,
            c.relnamespace,
            c.relname,
            NULL::oid,
            c.relowner,
            true
           FROM ((listed l_1
             JOIN pg_namespace s ON ((s.nspname = (l_1.names ->> 0))))
             JOIN pg_class c ON (((c.relnamespace = s.oid) AND (c.relname = (l_1.names ->> 1)) AND (c.relkind = 'v'::"char"))))
          WHERE ((l_1.kind = 'view'::text) AND (l_1.owner = pg_get_userbyid(c.relowner)) AND (NOT (EXISTS ( SELECT
                   FROM commented m
                  WHERE ((m.classoid = ('pg_class'::regclass)::oid) AND (m.objoid = c.oid))))) AND (EXISTS ( SELECT
                   FROM (((pg_rewrite w_1
                     JOIN pg_depend d ON (((d.classid = ('pg_rewrite'::regclass)::oid) AND (d.objid = w_1.oid) AND (d.refclassid = ('pg_proc'::regclass)::oid))))
                     JOIN pg_proc p ON (((p.oid = d.refobjid) AND (p.proname = ANY (ARRAY['guard'::name, 'guard_healthy'::name])))))
                     JOIN pg_namespace g ON (((g.oid = p.pronamespace) AND (g.nspname = 'pgslo'::name))))
                  WHERE (w_1.ev_class = c.oid))))
        ), named AS (
         SELECT c.classoid,
            c.objoid,
            c.fingerprint,
            c.definition,
            c.kind,
            c.schema,
            c.name,
            c.on_relation,
            c.owner,
            c.is_in_place,
                CASE
                    WHEN ((c.kind = ANY (ARRAY['view'::text, 'unique_index'::text])) OR ((c.schema IS NOT NULL) AND (NOT c.is_in_place))) THEN ARRAY[(n_1.nspname)::text, (c.name)::text]
                    ELSE ARRAY[(c.name)::text]
                END AS names,
                CASE
                    WHEN (o.oid IS NOT NULL) THEN ARRAY[(s.nspname)::text, (o.relname)::text]
                    ELSE NULL::text[]
                END AS relation,
            COALESCE(o.relowner, c.owner) AS commenter
           FROM (((candidate c
             LEFT JOIN pg_namespace n_1 ON ((n_1.oid = c.schema)))
             LEFT JOIN pg_class o ON ((o.oid = c.on_relation)))
             LEFT JOIN pg_namespace s ON ((s.oid = o.relnamespace)))
        )
 SELECT n.classoid AS class_id,
    n.objoid AS object_id,
    n.kind,
    n.names,
    n.relation,
    n.on_relation,
    n.fingerprint,
        CASE
            WHEN (n.commenter IN ( SELECT t.role
               FROM trusted t)) THEN n.definition
            ELSE COALESCE(l.definition, n.definition)
        END AS definition,
    pg_get_userbyid(n.owner) AS owner,
    (n.is_in_place AND
        CASE n.kind
            WHEN 'function'::text THEN true
            WHEN 'table'::text THEN true
            WHEN 'view'::text THEN (w.is_trusted OR COALESCE((l.owner = pg_get_userbyid(n.owner)), false))
            WHEN 'schema'::text THEN w.is_trusted
            WHEN 'trigger'::text THEN (w.is_trusted OR w.is_about)
            ELSE (w.is_about OR (w.is_trusted AND (array_to_string(n.relation, '.'::text) = n.definition)))
        END) AS is_ours,
    (l.definition IS NOT NULL) AS is_listed
   FROM ((named n
     LEFT JOIN listed l ON (((l.kind = n.kind) AND (l.names = to_jsonb(n.names)) AND (l.relation = COALESCE(to_jsonb(n.relation), 'null'::jsonb)))))
     CROSS JOIN LATERAL ( SELECT (n.owner IN ( SELECT t.role
                   FROM trusted t)) AS is_trusted,
            ((l.definition IS NOT NULL) OR (EXISTS ( SELECT
                   FROM pgslo_catalog.definition d
                  WHERE (((d.relation)::oid = n.on_relation) AND (d.name = n.definition))))) AS is_about) w);

COMMENT ON VIEW pgslo_catalog.generated IS 'Objects whose comment says that pgslo generated them, for which definition, and whether that is so (is_ours).';

CREATE TABLE pgslo_catalog.task (
    task_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    name text NOT NULL,
    contact text,
    reads text[] NOT NULL,
    view_name text,
    on_read text NOT NULL,
    reads_from text DEFAULT 'definition'::text NOT NULL,
    gate jsonb,
    within interval,
    batches text DEFAULT 'all'::text NOT NULL,
    CONSTRAINT task_batches_are_known CHECK ((batches = ANY (ARRAY['all'::text, 'healthy'::text]))),
    CONSTRAINT task_on_read_is_known CHECK ((on_read = ANY (ARRAY['warn'::text, 'insist'::text, 'refuse'::text, 'silent'::text]))),
    CONSTRAINT task_reads_are_from_somewhere CHECK ((reads_from = ANY (ARRAY['definition'::text, 'sql'::text])))
);

COMMENT ON TABLE pgslo_catalog.task IS 'Who reads which columns of a defined table.';

COMMENT ON COLUMN pgslo_catalog.task.reads_from IS 'Whether its author listed what it reads, or it was found in its SQL.';

COMMENT ON COLUMN pgslo_catalog.task.gate IS 'What has to hold before it is trained, besides its columns: batches, training, evaluation; NULL: its columns alone.';

COMMENT ON COLUMN pgslo_catalog.task.within IS 'How far back it looks: older batches do not concern it; NULL: all that are stored.';

COMMENT ON COLUMN pgslo_catalog.task.batches IS 'healthy: its view leaves out batches that miss a rule about its columns.';

CREATE VIEW pgslo.reader WITH (security_barrier='true') AS
 WITH RECURSIVE own AS (
         SELECT d.definition_id,
            (d.relation)::oid AS oid
           FROM pgslo_catalog.definition d
        UNION
         SELECT d.definition_id,
            g.object_id
           FROM (pgslo_catalog.generated g
             JOIN pgslo_catalog.definition d ON ((d.name = g.definition)))
          WHERE ((g.kind = 'view'::text) AND g.is_ours)
        ), edge AS (
         SELECT w.ev_class AS view,
            p.refobjid AS source,
            p.refobjsubid AS number
           FROM (pg_depend p
             JOIN pg_rewrite w ON ((w.oid = p.objid)))
          WHERE ((p.classid = ('pg_rewrite'::regclass)::oid) AND (p.refclassid = ('pg_class'::regclass)::oid) AND (w.ev_class <> p.refobjid))
        ), used AS (
         SELECT o.definition_id,
            e.view,
            (a.attname)::text AS column_name
           FROM ((own o
             JOIN edge e ON ((e.source = o.oid)))
             LEFT JOIN pg_attribute a ON (((a.attrelid = e.source) AND (a.attnum = e.number) AND (a.attnum > 0))))
          WHERE (NOT (EXISTS ( SELECT
                   FROM own x
                  WHERE (x.oid = e.view))))
        UNION
         SELECT u.definition_id,
            e.view,
            u.column_name
           FROM (used u
             JOIN edge e ON ((e.source = u.view)))
        )
 SELECT d.name AS definition,
    'task'::text AS kind,
    t.name,
    t.contact,
    t.reads AS columns,
    t.on_read,
    t.reads_from AS known_from,
    t.within AS "window",
    t.batches
   FROM (pgslo_catalog.task t
     JOIN pgslo_catalog.known_definition d USING (definition_id))
UNION ALL
 SELECT d.name AS definition,
        CASE c.relkind
            WHEN 'm'::"char" THEN 'materialized view'::text
            ELSE 'view'::text
        END AS kind,
    format('%I.%I'::text, n.nspname, c.relname) AS name,
    (pg_get_userbyid(c.relowner))::text AS contact,
    COALESCE(array_agg(u.column_name ORDER BY u.column_name) FILTER (WHERE (u.column_name IS NOT NULL)), '{}'::text[]) AS columns,
    NULL::text AS on_read,
    'catalogue'::text AS known_from,
    NULL::interval AS "window",
    NULL::text AS batches
   FROM (((used u
     JOIN pgslo_catalog.known_definition d USING (definition_id))
     JOIN pg_class c ON (((c.oid = u.view) AND (c.relkind = ANY (ARRAY['v'::"char", 'm'::"char"])))))
     JOIN pg_namespace n ON ((n.oid = c.relnamespace)))
  GROUP BY d.name, c.oid, c.relkind, n.nspname, c.relname, c.relowner;

COMMENT ON VIEW pgslo.reader IS 'Who reads which columns of a defined table: tasks, and views of others over the table or its guarded views.';

CREATE TABLE pgslo_catalog.repair (
    repair_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    rule_name text NOT NULL,
    column_name text NOT NULL,
    row_key text NOT NULL,
    old_value text,
    new_value text,
    writer text DEFAULT COALESCE(NULLIF(current_setting('role'::text), 'none'::text), (SESSION_USER)::text) NOT NULL,
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.repair IS 'Values that a repair replaced, with what they were. May hold personal data.';

CREATE VIEW pgslo.repair AS
 SELECT r.repair_id,
    d.name AS definition,
    r.rule_name AS rule,
    r.column_name,
    r.row_key,
    r.old_value,
    r.new_value,
    r.writer,
    r.written_at
   FROM (pgslo_catalog.repair r
     JOIN pgslo_catalog.definition d USING (definition_id));

COMMENT ON VIEW pgslo.repair IS 'Values that were repaired, with what they were. May hold personal data.';

CREATE VIEW pgslo.rule WITH (security_barrier='true') AS
 SELECT d.name AS definition,
    r.name AS rule,
    r.kind,
    r.columns,
    r.on_breach,
    r.mechanism,
    r.promise,
    COALESCE(r.owner, d.owner) AS owner,
    r.description,
    r.tags,
    r.retired_at,
    ( SELECT (COALESCE((('not evaluated for batch '::text || b.batch) || ': '::text), ''::text) || pgslo_catalog.break_said(b.*, CURRENT_USER))
           FROM pgslo_catalog.rule_break b
          WHERE (b.rule_id = r.rule_id)
          ORDER BY (b.batch IS NOT NULL), b.rule_break_id
         LIMIT 1) AS broken,
    r.muted_until,
    r.muted_at,
    r.muted_by
   FROM (pgslo_catalog.rule r
     JOIN pgslo_catalog.known_definition d USING (definition_id));

COMMENT ON VIEW pgslo.rule IS 'What is promised, how it is enforced, and whether it can be judged.';

CREATE TABLE pgslo_catalog.sample (
    sample_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    batch text NOT NULL,
    row_key text NOT NULL,
    shown text NOT NULL,
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.sample IS 'Keys and values of some failing rows, capped per rule and batch. May hold personal data.';

CREATE VIEW pgslo.sample AS
 SELECT d.name AS definition,
    r.name AS rule,
    s.batch,
    s.row_key,
    s.shown,
    s.written_at
   FROM ((pgslo_catalog.sample s
     JOIN pgslo_catalog.rule r USING (rule_id))
     JOIN pgslo_catalog.definition d USING (definition_id));

COMMENT ON VIEW pgslo.sample IS 'Keys and values of some failing rows. May hold personal data.';

CREATE TABLE pgslo_catalog.snapshot_batch (
    snapshot_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    sums numeric[] NOT NULL
);

COMMENT ON TABLE pgslo_catalog.snapshot_batch IS 'The batches that a snapshot has rows of; one without a name where rows do not say their batch.';

COMMENT ON COLUMN pgslo_catalog.snapshot_batch.sums IS 'Sums of the four quarters of the SHA-256 of each row: the same rows in any order have the same.';

CREATE VIEW pgslo.snapshot WITH (security_barrier='true') AS
 SELECT name,
        CASE
            WHEN is_copy THEN 'copy'::text
            ELSE 'reference'::text
        END AS form,
    definition,
    definition_fingerprint,
    format('%I.%I'::text, source_schema, source_name) AS source,
    condition,
    columns,
    rows,
    content_hash,
    ( SELECT count(*) AS count
           FROM pgslo_catalog.snapshot_batch b
          WHERE ((b.snapshot_id = s.snapshot_id) AND (s.batch_by IS NOT NULL))) AS batches,
    newest_batch,
    (left_out IS NOT NULL) AS healthy_only,
    COALESCE(cardinality(left_out), 0) AS batches_left_out,
    incidents,
    library_version,
    taken_at,
    taken_by,
        CASE
            WHEN is_copy THEN format('pgslo_snapshot.%I'::text, name)
            ELSE NULL::text
        END AS table_name,
    is_checked
   FROM pgslo_catalog.snapshot s
  WHERE ((content_hash IS NOT NULL) AND pgslo_catalog.may_see(s.*, CURRENT_USER));

COMMENT ON VIEW pgslo.snapshot IS 'Snapshots of views that the reader may read.';

CREATE VIEW pgslo.status WITH (security_barrier='true') AS
 SELECT name AS definition,
    owner,
    writes,
    ( SELECT count(*) AS count
           FROM pgslo_catalog.rule r
          WHERE ((r.definition_id = d.definition_id) AND (r.retired_at IS NULL) AND (r.kind <> 'learned'::text))) AS rules,
    ( SELECT count(DISTINCT i.rule_id) AS count
           FROM pgslo_catalog.incident i
          WHERE ((i.definition_id = d.definition_id) AND (i.over_at IS NULL))) AS open_incidents,
    ( SELECT count(DISTINCT COALESCE(b.rule_id, (0)::bigint)) AS count
           FROM (pgslo_catalog.rule_break b
             LEFT JOIN pgslo_catalog.rule r USING (rule_id))
          WHERE ((b.definition_id = d.definition_id) AND (r.retired_at IS NULL))) AS broken_rules,
    ( SELECT count(*) AS count
           FROM pgslo_catalog.quarantine q
          WHERE ((q.definition_id = d.definition_id) AND (q.state = 'held'::text))) AS quarantined_rows,
        CASE
            WHEN (schema_wanted IS NOT NULL) THEN pgslo_catalog.schema_difference(relation, schema_wanted)
            ELSE NULL::text
        END AS schema_difference,
    ( SELECT f.written_at
           FROM pgslo_catalog.fragment f
          WHERE ((f.definition_id = d.definition_id) AND (d.place_is_number OR (f.place <= (EXTRACT(epoch FROM clock_timestamp()) + ((32 * 86400))::numeric))))
          ORDER BY f.place DESC, f.fragment_id DESC
         LIMIT 1) AS last_recorded_at,
    ( SELECT count(*) AS count
           FROM ( SELECT f.batch
                   FROM pgslo_catalog.fragment f
                  WHERE ((f.definition_id = d.definition_id) AND (d.writes = 'bulk'::text) AND (f.operation <> ALL (ARRAY['merged'::text, 'recounted'::text, 'recount'::text, 'truncate'::text])))
                  GROUP BY f.batch
                 HAVING (max(f.written_at) < (clock_timestamp() - '00:02:00'::interval))
                UNION
                 SELECT b.name
                   FROM pgslo_catalog.batch b
                  WHERE ((b.definition_id = d.definition_id) AND (d.writes = 'bulk'::text) AND (b.closed_at IS NULL) AND (b.rows > 0) AND (b.last_written_at < ((clock_timestamp() - d.settle) - '00:02:00'::interval)) AND ((EXTRACT(epoch FROM (clock_timestamp() - '00:02:00'::interval)) < b.place) OR (EXTRACT(epoch FROM (clock_timestamp() - '00:02:00'::interval)) > (b.place + EXTRACT(epoch FROM (COALESCE(d.batch_every, '00:00:00'::interval) + d.settle))))))) w) AS waiting_batches,
    ( SELECT min(p.paused_at) AS min
           FROM pgslo_catalog.pause p
          WHERE ((p.definition_id = d.definition_id) AND (p.resumed_at IS NULL))) AS paused_at,
    ( SELECT count(*) AS count
           FROM pgslo_catalog.incident i
          WHERE ((i.definition_id = d.definition_id) AND (i.over_at IS NOT NULL) AND (i.resolved_at IS NULL))) AS over_incidents,
    ( SELECT count(DISTINCT m.batch) AS count
           FROM pgslo_catalog.missed_batch m
          WHERE ((m.definition = d.name) AND (m.ended_at IS NULL))) AS missed_batches
   FROM pgslo_catalog.known_definition d;

COMMENT ON VIEW pgslo.status IS 'One line for every defined table.';

CREATE TABLE pgslo_catalog.task_run (
    task_run_id bigint NOT NULL,
    task text NOT NULL,
    batch text NOT NULL,
    state text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    host text,
    process_id bigint,
    started_at timestamp with time zone,
    seen_at timestamp with time zone,
    ended_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    exit_code integer,
    output text,
    started_by text,
    CONSTRAINT task_run_state_is_known CHECK ((state = ANY (ARRAY['skipped'::text, 'running'::text, 'waiting'::text, 'done'::text, 'failed'::text])))
);

COMMENT ON TABLE pgslo_catalog.task_run IS 'What pgslo watch --on healthy-batch ran, once for each batch of a task.';

COMMENT ON COLUMN pgslo_catalog.task_run.state IS 'skipped: the batch was there before anybody watched. waiting: it failed or was interrupted, and is tried again. failed: it is not tried again.';

COMMENT ON COLUMN pgslo_catalog.task_run.attempts IS 'Counted before each attempt: a run that was interrupted may have done its work.';

COMMENT ON COLUMN pgslo_catalog.task_run.seen_at IS 'When the watch last said that it is still running.';

COMMENT ON COLUMN pgslo_catalog.task_run.exit_code IS 'Negative: the signal that ended it. NULL after an attempt: the watch ended before the command.';

COMMENT ON COLUMN pgslo_catalog.task_run.output IS 'The end of what the command printed.';

CREATE VIEW pgslo.task_run WITH (security_barrier='true') AS
 SELECT task_run_id,
    task,
    batch,
    state,
    attempts,
    exit_code,
    started_at,
    seen_at,
    ended_at,
    next_attempt_at,
    host,
    process_id,
    started_by
   FROM pgslo_catalog.task_run r
  WHERE ((started_by = CURRENT_USER) OR (task IN ( SELECT t.name
           FROM (pgslo_catalog.task t
             JOIN pgslo_catalog.known_definition d USING (definition_id)))));

COMMENT ON VIEW pgslo.task_run IS 'What was run for which healthy batch, and what became of it.';

CREATE VIEW pgslo.verdict WITH (security_barrier='true') AS
 WITH readable AS MATERIALIZED (
         SELECT k_1.rule_id
           FROM pgslo_catalog.readable_rule k_1
        )
 SELECT d.name AS definition,
    v.batch,
    r.name AS rule,
    r.kind,
    r.columns,
    v.verdict,
        CASE
            WHEN (k.rule_id IS NOT NULL) THEN v.value
            ELSE NULL::double precision
        END AS value,
        CASE
            WHEN (k.rule_id IS NOT NULL) THEN v.low
            ELSE NULL::double precision
        END AS low,
        CASE
            WHEN (k.rule_id IS NOT NULL) THEN v.high
            ELSE NULL::double precision
        END AS high,
        CASE
            WHEN (k.rule_id IS NOT NULL) THEN v.score
            ELSE NULL::double precision
        END AS score,
        CASE
            WHEN (k.rule_id IS NOT NULL) THEN v.said
            ELSE NULL::text
        END AS said,
    v.judged_at
   FROM (((pgslo_catalog.verdict v
     JOIN pgslo_catalog.rule r USING (rule_id))
     JOIN pgslo_catalog.known_definition d ON ((d.definition_id = v.definition_id)))
     LEFT JOIN readable k ON ((k.rule_id = v.rule_id)));

COMMENT ON VIEW pgslo.verdict IS 'Whether each batch met each rule about batches; figures only for roles that may read the columns that are measured.';

CREATE TABLE pgslo_catalog.assertion_guard (
    check_function text NOT NULL,
    bucket integer NOT NULL,
    turns bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='20');

COMMENT ON TABLE pgslo_catalog.assertion_guard IS 'Groups share these rows by their hash; a transaction updates those of its groups, in order, before it checks them.';

ALTER TABLE pgslo_catalog.batch ALTER COLUMN batch_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.batch_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.broken_group ALTER COLUMN broken_group_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.broken_group_broken_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.definition ALTER COLUMN definition_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.definition_definition_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.delivery ALTER COLUMN delivery_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.delivery_delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.due_count (
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    is_emptied boolean NOT NULL
);

COMMENT ON TABLE pgslo_catalog.due_count IS 'Batches that tick() has to count from the table, because rows came or left without a trigger.';

COMMENT ON COLUMN pgslo_catalog.due_count.is_emptied IS 'Whether TRUNCATE removed rows of it, which the statistics system still counts.';

CREATE TABLE pgslo_catalog.expected_look (
    rule_id bigint NOT NULL,
    basis text NOT NULL,
    seen numeric NOT NULL,
    newest numeric NOT NULL,
    slack numeric DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    is_known boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE pgslo_catalog.expected_look IS 'How far tick() has looked for batches that did not come, for each rule about that.';

COMMENT ON COLUMN pgslo_catalog.expected_look.basis IS 'What the rule expected then, and how batches were named: if that is another, it begins anew.';

COMMENT ON COLUMN pgslo_catalog.expected_look.seen IS 'The place up to which it was told which batches are missing.';

COMMENT ON COLUMN pgslo_catalog.expected_look.newest IS 'The place of the newest closed batch at the last look.';

COMMENT ON COLUMN pgslo_catalog.expected_look.slack IS 'How far from where it was expected a batch may stand.';

COMMENT ON COLUMN pgslo_catalog.expected_look.due_at IS 'When the next batch is too late, if none is written before.';

COMMENT ON COLUMN pgslo_catalog.expected_look.is_known IS 'Whether it is known when batches come.';

ALTER TABLE pgslo_catalog.fragment ALTER COLUMN fragment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.fragment_fragment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.given_up (
    definition_id bigint NOT NULL,
    given_up_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.given_up IS 'Definitions during which tick() was cancelled, by statement_timeout or by a person: they come last until it gets through.';

ALTER TABLE pgslo_catalog.incident_event ALTER COLUMN incident_event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.incident_event_incident_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.incident ALTER COLUMN incident_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.incident_incident_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.known_part (
    definition_id bigint NOT NULL,
    number bigint NOT NULL,
    file bigint NOT NULL,
    is_armed boolean NOT NULL,
    is_newly_armed boolean DEFAULT false NOT NULL,
    places numrange NOT NULL,
    link text
);

COMMENT ON TABLE pgslo_catalog.known_part IS 'Partitions and children of a defined table, and that table, as tick() or the first apply saw them last.';

COMMENT ON COLUMN pgslo_catalog.known_part.number IS 'Its OID. No regclass, because a dump must load without it, and no oid, because pg_upgrade must; after a restore, all parts are recorded again.';

COMMENT ON COLUMN pgslo_catalog.known_part.file IS 'Its relfilenode, which TRUNCATE changes; 0 for the defined table.';

COMMENT ON COLUMN pgslo_catalog.known_part.is_armed IS 'Whether it has each statement trigger that the defined table has.';

COMMENT ON COLUMN pgslo_catalog.known_part.is_newly_armed IS 'Whether apply gave it these triggers after tick() saw it: rows of the time before are not recorded.';

COMMENT ON COLUMN pgslo_catalog.known_part.places IS 'Order of the batches that its partition bounds, or CHECK constraints, allow.';

COMMENT ON COLUMN pgslo_catalog.known_part.link IS 'Transactions that made it, and the parts above it, parts of the defined table; NULL until tick() has looked once.';

CREATE TABLE pgslo_catalog.migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    library_version text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL
);

COMMENT ON TABLE pgslo_catalog.migration IS 'Migrations of the runtime that ran here, each once.';

ALTER TABLE pgslo_catalog.missed_batch ALTER COLUMN missed_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.missed_batch_missed_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.missed_look (
    definition_id bigint NOT NULL,
    fingerprint text NOT NULL,
    after bigint NOT NULL
);

COMMENT ON TABLE pgslo_catalog.missed_look IS 'How far tick() has looked through the missed batches of a definition.';

COMMENT ON COLUMN pgslo_catalog.missed_look.fingerprint IS 'Of the definition then: once it is another, all are looked at.';

COMMENT ON COLUMN pgslo_catalog.missed_look.after IS 'The number after which the next ones are looked at, in turn.';

CREATE VIEW pgslo_catalog.moved_relation AS
 SELECT o.definition_id,
    o.schema_name,
    o.name,
    m.is_gone,
    m.said
   FROM (pgslo_catalog.other_relation o
     CROSS JOIN LATERAL pgslo_catalog.moved(o.*) m(is_gone, said))
  WHERE (m.said IS NOT NULL);

COMMENT ON VIEW pgslo_catalog.moved_relation IS 'Relations that definitions read besides their own tables, and that are not what they were at apply.';

CREATE TABLE pgslo_catalog.native_not_null (
    relation regclass NOT NULL,
    column_name text NOT NULL
);

COMMENT ON TABLE pgslo_catalog.native_not_null IS 'Columns that pgslo made NOT NULL, and makes nullable again when the rule goes.';

CREATE TABLE pgslo_catalog.own_salt (
    definition text NOT NULL,
    relation regclass NOT NULL,
    salt text NOT NULL
);

COMMENT ON TABLE pgslo_catalog.own_salt IS 'Salt of the names of batches by definition. A row is visible to the owner of the table and to the owner of pgslo.';

ALTER TABLE pgslo_catalog.pair_cell ALTER COLUMN pair_cell_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.pair_cell_pair_cell_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.pair_fragment (
    pair_fragment_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    images pgslo_catalog.pair_image[],
    written_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.pair_fragment IS 'What one statement changed of predictions or labels, until tick() has added it up. May hold personal data.';

COMMENT ON COLUMN pgslo_catalog.pair_fragment.images IS 'NULL: rows changed in a way that no image tells, and everything is counted anew.';

ALTER TABLE pgslo_catalog.pair_fragment ALTER COLUMN pair_fragment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.pair_fragment_pair_fragment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.pause ALTER COLUMN pause_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.pause_pause_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.paused_function (
    function_name text NOT NULL,
    definition_id bigint NOT NULL,
    source text NOT NULL
);

COMMENT ON TABLE pgslo_catalog.paused_function IS 'Generated functions as they are without a pause; resume puts them back.';

ALTER TABLE pgslo_catalog.post_processing ALTER COLUMN post_processing_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.post_processing_post_processing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.quarantine ALTER COLUMN quarantine_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.quarantine_quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.recipient (
    recipient text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT recipient_is_at_most_200_characters CHECK ((length(recipient) <= 200))
);

COMMENT ON TABLE pgslo_catalog.recipient IS 'Routes that pgslo watch delivers to, and since when; what was over before is no news to them.';

ALTER TABLE pgslo_catalog.repair ALTER COLUMN repair_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.repair_repair_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.rule_break ALTER COLUMN rule_break_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.rule_break_rule_break_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.rule_lock (
    rule_id bigint NOT NULL
);

COMMENT ON TABLE pgslo_catalog.rule_lock IS 'Rows to lock, never updated: a writer that opens or resolves an incident of the rule locks its row.';

ALTER TABLE pgslo_catalog.rule ALTER COLUMN rule_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.rule_rule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.runtime (
    version text NOT NULL,
    sha256 text NOT NULL,
    sole boolean DEFAULT true NOT NULL,
    CONSTRAINT runtime_is_the_only_one CHECK (sole)
);

COMMENT ON TABLE pgslo_catalog.runtime IS 'What of the stateless runtime (functions and views) is installed.';

ALTER TABLE pgslo_catalog.sample ALTER COLUMN sample_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.sample_sample_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.secret (
    value text DEFAULT concat(gen_random_uuid(), gen_random_uuid()) NOT NULL,
    sole boolean DEFAULT true NOT NULL,
    CONSTRAINT secret_is_the_only_one CHECK (sole)
);

COMMENT ON TABLE pgslo_catalog.secret IS 'Random text of this installation, readable by its owner alone.';

CREATE TABLE pgslo_catalog.session_lock (
    name text NOT NULL,
    process_id integer,
    session_role bigint,
    key bigint,
    held_since timestamp with time zone
);

COMMENT ON TABLE pgslo_catalog.session_lock IS 'Locks that a session holds until it ends.';

COMMENT ON COLUMN pgslo_catalog.session_lock.key IS 'A random key of an advisory lock: it is held while process_id holds it.';

CREATE TABLE pgslo_catalog.snapshot_room (
    table_name text NOT NULL
);

COMMENT ON TABLE pgslo_catalog.snapshot_room IS 'Tables that a reader may fill now: none is left when a transaction commits.';

ALTER TABLE pgslo_catalog.snapshot ALTER COLUMN snapshot_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.snapshot_snapshot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.task_run ALTER COLUMN task_run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.task_run_task_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgslo_catalog.task ALTER COLUMN task_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.task_task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.task_watch (
    task text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE pgslo_catalog.task_watch IS 'Tasks whose healthy batches are followed, and since when.';

CREATE TABLE pgslo_catalog.touched (
    touched_id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    check_function text NOT NULL,
    keys text[] NOT NULL
);

COMMENT ON TABLE pgslo_catalog.touched IS 'Groups that statements touched of assertions that do not reject, for tick().';

COMMENT ON COLUMN pgslo_catalog.touched.keys IS 'Values of a group as a JSON array each; * stands for every group.';

ALTER TABLE pgslo_catalog.touched ALTER COLUMN touched_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.touched_touched_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.turn (
    name text NOT NULL
);

COMMENT ON TABLE pgslo_catalog.turn IS 'Rows to lock, never updated: one session at a time has the turn, until its transaction ends.';

CREATE TABLE pgslo_catalog.unannounced (
    incident_event_id bigint NOT NULL
);

COMMENT ON TABLE pgslo_catalog.unannounced IS 'Events that no NOTIFY told of yet: writers leave that to tick(), because NOTIFY makes commits wait for each other.';

ALTER TABLE pgslo_catalog.verdict ALTER COLUMN verdict_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgslo_catalog.verdict_verdict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgslo_catalog.watched_column (
    definition_id bigint NOT NULL,
    ordinal integer NOT NULL,
    column_name text NOT NULL,
    kind text NOT NULL,
    CONSTRAINT watched_column_kind_is_known CHECK ((kind = ANY (ARRAY['number'::text, 'time'::text, 'text'::text])))
);

COMMENT ON TABLE pgslo_catalog.watched_column IS 'Columns whose profile is kept, and how their values read.';

CREATE TABLE pgslo_catalog.watermark (
    consumer text NOT NULL,
    seen xid8 NOT NULL
);

COMMENT ON TABLE pgslo_catalog.watermark IS 'Transactions below this one ended before the consumer last looked: sequence order is not commit order.';

ALTER TABLE ONLY pgslo_catalog.applied
    ADD CONSTRAINT applied_holds_the_last_apply PRIMARY KEY (definition_id);

ALTER TABLE ONLY pgslo_catalog.assertion_dependency
    ADD CONSTRAINT assertion_depends_on_a_table_once PRIMARY KEY (rule_id, relation);

ALTER TABLE ONLY pgslo_catalog.assertion_guard
    ADD CONSTRAINT assertion_guard_is_there_once PRIMARY KEY (check_function, bucket);

ALTER TABLE ONLY pgslo_catalog.assertion
    ADD CONSTRAINT assertion_has_a_check_of_its_own UNIQUE (check_function);

ALTER TABLE ONLY pgslo_catalog.assertion
    ADD CONSTRAINT assertion_has_one_rule PRIMARY KEY (rule_id);

ALTER TABLE ONLY pgslo_catalog.batch
    ADD CONSTRAINT batch_has_an_id PRIMARY KEY (batch_id);

ALTER TABLE ONLY pgslo_catalog.batch
    ADD CONSTRAINT batch_name_is_unique_in_its_definition UNIQUE (definition_id, name);

ALTER TABLE ONLY pgslo_catalog.broken_group
    ADD CONSTRAINT broken_group_has_an_id PRIMARY KEY (broken_group_id);

ALTER TABLE ONLY pgslo_catalog.definition
    ADD CONSTRAINT definition_has_an_id PRIMARY KEY (definition_id);

ALTER TABLE ONLY pgslo_catalog.definition
    ADD CONSTRAINT definition_name_is_unique UNIQUE (name);

ALTER TABLE ONLY pgslo_catalog.delivery
    ADD CONSTRAINT delivery_has_an_id PRIMARY KEY (delivery_id);

ALTER TABLE ONLY pgslo_catalog.delivery
    ADD CONSTRAINT delivery_is_made_once UNIQUE (sender, delivery_key);

ALTER TABLE ONLY pgslo_catalog.due_count
    ADD CONSTRAINT due_count_is_due_once PRIMARY KEY (definition_id, batch);

ALTER TABLE ONLY pgslo_catalog.expected_look
    ADD CONSTRAINT expected_look_is_of_one_rule PRIMARY KEY (rule_id);

ALTER TABLE ONLY pgslo_catalog.fragment
    ADD CONSTRAINT fragment_has_an_id PRIMARY KEY (fragment_id);

ALTER TABLE ONLY pgslo_catalog.given_up
    ADD CONSTRAINT given_up_is_kept_once PRIMARY KEY (definition_id);

ALTER TABLE ONLY pgslo_catalog.incident_event
    ADD CONSTRAINT incident_event_has_an_id PRIMARY KEY (incident_event_id);

ALTER TABLE ONLY pgslo_catalog.incident
    ADD CONSTRAINT incident_has_an_id PRIMARY KEY (incident_id);

ALTER TABLE ONLY pgslo_catalog.known_part
    ADD CONSTRAINT known_part_is_known_once PRIMARY KEY (definition_id, number);

ALTER TABLE ONLY pgslo_catalog.migration
    ADD CONSTRAINT migration_runs_once PRIMARY KEY (name);

ALTER TABLE ONLY pgslo_catalog.missed_batch
    ADD CONSTRAINT missed_batch_has_an_id PRIMARY KEY (missed_id);

ALTER TABLE ONLY pgslo_catalog.missed_look
    ADD CONSTRAINT missed_look_is_of_one_definition PRIMARY KEY (definition_id);

ALTER TABLE ONLY pgslo_catalog.native_not_null
    ADD CONSTRAINT native_not_null_is_set_once PRIMARY KEY (relation, column_name);

ALTER TABLE ONLY pgslo_catalog.other_relation
    ADD CONSTRAINT other_relation_is_listed_once PRIMARY KEY (definition_id, schema_name, name);

ALTER TABLE ONLY pgslo_catalog.own_salt
    ADD CONSTRAINT own_salt_is_kept_once PRIMARY KEY (definition);

ALTER TABLE ONLY pgslo_catalog.pair_batch
    ADD CONSTRAINT pair_batch_is_known_once PRIMARY KEY (definition_id, batch);

ALTER TABLE ONLY pgslo_catalog.pair_cell
    ADD CONSTRAINT pair_cell_has_an_id PRIMARY KEY (pair_cell_id);

ALTER TABLE ONLY pgslo_catalog.pair_cell
    ADD CONSTRAINT pair_cell_is_of_a_batch_a_model_and_a_segment UNIQUE (definition_id, batch, model, segment);

ALTER TABLE ONLY pgslo_catalog.pair_fragment
    ADD CONSTRAINT pair_fragment_has_an_id PRIMARY KEY (pair_fragment_id);

ALTER TABLE ONLY pgslo_catalog.pair_score
    ADD CONSTRAINT pair_score_is_counted_once PRIMARY KEY (pair_cell_id, score);

ALTER TABLE ONLY pgslo_catalog.pause
    ADD CONSTRAINT pause_has_an_id PRIMARY KEY (pause_id);

ALTER TABLE ONLY pgslo_catalog.paused_function
    ADD CONSTRAINT paused_function_is_kept_once PRIMARY KEY (function_name);

ALTER TABLE ONLY pgslo_catalog.post_processing
    ADD CONSTRAINT post_processing_has_an_id PRIMARY KEY (post_processing_id);

ALTER TABLE ONLY pgslo_catalog.profile
    ADD CONSTRAINT profile_is_of_a_column_and_a_batch PRIMARY KEY (definition_id, column_name, batch);

ALTER TABLE ONLY pgslo_catalog.quarantine
    ADD CONSTRAINT quarantine_has_an_id PRIMARY KEY (quarantine_id);

ALTER TABLE ONLY pgslo_catalog.quarantine_size
    ADD CONSTRAINT quarantine_size_is_kept_once PRIMARY KEY (definition_id);

ALTER TABLE ONLY pgslo_catalog.recipient
    ADD CONSTRAINT recipient_is_known_once PRIMARY KEY (recipient);

ALTER TABLE ONLY pgslo_catalog.definition
    ADD CONSTRAINT relation_has_one_definition UNIQUE (relation);

ALTER TABLE ONLY pgslo_catalog.repair
    ADD CONSTRAINT repair_has_an_id PRIMARY KEY (repair_id);

ALTER TABLE ONLY pgslo_catalog.rule_break
    ADD CONSTRAINT rule_break_has_an_id PRIMARY KEY (rule_break_id);

ALTER TABLE ONLY pgslo_catalog.rule
    ADD CONSTRAINT rule_has_an_id PRIMARY KEY (rule_id);

ALTER TABLE ONLY pgslo_catalog.rule_lock
    ADD CONSTRAINT rule_lock_is_of_one_rule PRIMARY KEY (rule_id);

ALTER TABLE ONLY pgslo_catalog.rule
    ADD CONSTRAINT rule_name_is_unique_in_its_definition UNIQUE (definition_id, name);

ALTER TABLE ONLY pgslo_catalog.runtime
    ADD CONSTRAINT runtime_has_one_row PRIMARY KEY (sole);

ALTER TABLE ONLY pgslo_catalog.sample
    ADD CONSTRAINT sample_has_an_id PRIMARY KEY (sample_id);

ALTER TABLE ONLY pgslo_catalog.secret
    ADD CONSTRAINT secret_has_one_row PRIMARY KEY (sole);

ALTER TABLE ONLY pgslo_catalog.session_lock
    ADD CONSTRAINT session_lock_has_a_name PRIMARY KEY (name);

ALTER TABLE ONLY pgslo_catalog.snapshot_batch
    ADD CONSTRAINT snapshot_batch_is_in_it_once PRIMARY KEY (snapshot_id, batch);

ALTER TABLE ONLY pgslo_catalog.snapshot_column
    ADD CONSTRAINT snapshot_column_is_in_it_once PRIMARY KEY (snapshot_id, column_name);

ALTER TABLE ONLY pgslo_catalog.snapshot
    ADD CONSTRAINT snapshot_has_an_id PRIMARY KEY (snapshot_id);

ALTER TABLE ONLY pgslo_catalog.snapshot
    ADD CONSTRAINT snapshot_name_is_unique UNIQUE (name);

ALTER TABLE ONLY pgslo_catalog.snapshot_room
    ADD CONSTRAINT snapshot_room_is_one_table PRIMARY KEY (table_name);

ALTER TABLE ONLY pgslo_catalog.task
    ADD CONSTRAINT task_has_an_id PRIMARY KEY (task_id);

ALTER TABLE ONLY pgslo_catalog.task_watch
    ADD CONSTRAINT task_is_watched_once PRIMARY KEY (task);

ALTER TABLE ONLY pgslo_catalog.task
    ADD CONSTRAINT task_name_is_unique_in_its_definition UNIQUE (definition_id, name);

ALTER TABLE ONLY pgslo_catalog.task_run
    ADD CONSTRAINT task_run_has_an_id PRIMARY KEY (task_run_id);

ALTER TABLE ONLY pgslo_catalog.task_run
    ADD CONSTRAINT task_run_is_made_once_a_batch UNIQUE (task, batch);

ALTER TABLE ONLY pgslo_catalog.touched
    ADD CONSTRAINT touched_has_an_id PRIMARY KEY (touched_id);

ALTER TABLE ONLY pgslo_catalog.turn
    ADD CONSTRAINT turn_has_a_name PRIMARY KEY (name);

ALTER TABLE ONLY pgslo_catalog.unannounced
    ADD CONSTRAINT unannounced_is_noted_once PRIMARY KEY (incident_event_id);

ALTER TABLE ONLY pgslo_catalog.verdict
    ADD CONSTRAINT verdict_has_an_id PRIMARY KEY (verdict_id);

ALTER TABLE ONLY pgslo_catalog.verdict
    ADD CONSTRAINT verdict_is_given_once_a_batch UNIQUE (rule_id, batch);

ALTER TABLE ONLY pgslo_catalog.watched_column
    ADD CONSTRAINT watched_column_is_watched_once PRIMARY KEY (definition_id, column_name);

ALTER TABLE ONLY pgslo_catalog.watermark
    ADD CONSTRAINT watermark_has_one_consumer PRIMARY KEY (consumer);

CREATE INDEX batch_open_idx ON pgslo_catalog.batch USING btree (definition_id) WHERE (closed_at IS NULL);

CREATE INDEX batch_overdrawn_idx ON pgslo_catalog.batch USING btree (definition_id, name) WHERE (rows < 0);

CREATE INDEX batch_place_idx ON pgslo_catalog.batch USING btree (definition_id, place);

CREATE INDEX broken_group_idx ON pgslo_catalog.broken_group USING btree (rule_id, group_key);

CREATE INDEX delivery_page_idx ON pgslo_catalog.delivery USING btree (page);

CREATE INDEX delivery_pending_idx ON pgslo_catalog.delivery USING btree (recipient, delivery_id) WHERE (sent_at IS NULL);

CREATE INDEX due_count_by_place ON pgslo_catalog.due_count USING btree (definition_id, place);

CREATE INDEX fragment_batch_idx ON pgslo_catalog.fragment USING btree (definition_id, batch);

CREATE INDEX fragment_failing_idx ON pgslo_catalog.fragment USING btree (xid) WHERE (failures IS NOT NULL);

CREATE INDEX fragment_failing_place_idx ON pgslo_catalog.fragment USING btree (definition_id, place) WHERE (failures IS NOT NULL);

CREATE INDEX fragment_place_idx ON pgslo_catalog.fragment USING btree (definition_id, place);

CREATE INDEX fragment_truncate_idx ON pgslo_catalog.fragment USING btree (definition_id, fragment_id) WHERE (operation = 'truncate'::text);

CREATE INDEX fragment_unmerged_idx ON pgslo_catalog.fragment USING btree (definition_id, batch) WHERE (operation <> ALL (ARRAY['merged'::text, 'recounted'::text]));

CREATE INDEX incident_event_incident_idx ON pgslo_catalog.incident_event USING btree (incident_id);

CREATE UNIQUE INDEX incident_is_open_once ON pgslo_catalog.incident USING btree (definition_id, rule_id, opened_by_tick) WHERE (over_at IS NULL);

CREATE INDEX incident_last_idx ON pgslo_catalog.incident USING btree (rule_id, incident_id);

CREATE INDEX incident_page_idx ON pgslo_catalog.incident USING btree (definition_id, opened_batch);

CREATE INDEX incident_unresolved_idx ON pgslo_catalog.incident USING btree (definition_id, rule_id) WHERE (resolved_at IS NULL);

CREATE INDEX missed_batch_batch_idx ON pgslo_catalog.missed_batch USING btree (definition_id, batch) WHERE (ended_at IS NULL);

CREATE INDEX missed_batch_due_idx ON pgslo_catalog.missed_batch USING btree (definition) WHERE ((ended_at IS NULL) AND (looked_at IS NULL));

CREATE INDEX missed_batch_ended_idx ON pgslo_catalog.missed_batch USING btree (ended_xid) WHERE (ended_xid IS NOT NULL);

CREATE INDEX missed_batch_incident_idx ON pgslo_catalog.missed_batch USING btree (incident_id);

CREATE INDEX missed_batch_place_idx ON pgslo_catalog.missed_batch USING btree (rule_id, place) WHERE (ended_at IS NULL);

CREATE INDEX missed_batch_rule_idx ON pgslo_catalog.missed_batch USING btree (rule_id, batch);

CREATE INDEX missed_batch_stored_rule_idx ON pgslo_catalog.missed_batch USING btree (rule_id, batch) WHERE (ended_at IS NULL);

CREATE INDEX missed_batch_turn_idx ON pgslo_catalog.missed_batch USING btree (definition, missed_id) WHERE (ended_at IS NULL);

CREATE INDEX missed_batch_unended_idx ON pgslo_catalog.missed_batch USING btree (incident_id) WHERE (ended_at IS NULL);

CREATE INDEX missed_batch_unplanned_idx ON pgslo_catalog.missed_batch USING btree (definition) WHERE ((ended_at IS NULL) AND (planned_at IS NULL));

CREATE INDEX pair_batch_due_idx ON pgslo_catalog.pair_batch USING btree (definition_id) WHERE (early_due OR late_due);

CREATE INDEX pair_batch_place_idx ON pgslo_catalog.pair_batch USING btree (definition_id, place);

CREATE INDEX pair_fragment_definition_idx ON pgslo_catalog.pair_fragment USING btree (definition_id);

CREATE UNIQUE INDEX pause_is_made_once ON pgslo_catalog.pause USING btree (definition_id, COALESCE(rule_name, ''::text)) WHERE (resumed_at IS NULL);

CREATE INDEX paused_function_definition_idx ON pgslo_catalog.paused_function USING btree (definition_id);

CREATE INDEX post_processing_definition_idx ON pgslo_catalog.post_processing USING btree (definition_id, post_processing_id);

CREATE INDEX profile_batch_idx ON pgslo_catalog.profile USING btree (definition_id, batch);

CREATE INDEX profile_place_idx ON pgslo_catalog.profile USING btree (definition_id, column_name, place);

CREATE INDEX quarantine_decided_idx ON pgslo_catalog.quarantine USING btree (definition_id, decided_at) WHERE (state <> 'held'::text);

CREATE INDEX quarantine_held_idx ON pgslo_catalog.quarantine USING btree (definition_id, quarantine_id) WHERE (state = 'held'::text);

CREATE INDEX repair_definition_idx ON pgslo_catalog.repair USING btree (definition_id, repair_id);

CREATE INDEX rule_break_definition_idx ON pgslo_catalog.rule_break USING btree (definition_id);

CREATE INDEX rule_break_rule_idx ON pgslo_catalog.rule_break USING btree (rule_id);

CREATE INDEX sample_rule_idx ON pgslo_catalog.sample USING btree (rule_id, batch);

CREATE INDEX verdict_definition_idx ON pgslo_catalog.verdict USING btree (definition_id, place);

CREATE INDEX verdict_place_idx ON pgslo_catalog.verdict USING btree (rule_id, place);

CREATE TRIGGER bound_quarantine BEFORE INSERT ON pgslo_catalog.quarantine FOR EACH ROW WHEN ((new.bytes IS NULL)) EXECUTE FUNCTION pgslo_catalog.bound_quarantine();

ALTER TABLE pgslo_catalog.quarantine ENABLE ALWAYS TRIGGER bound_quarantine;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.broken_group FOR EACH ROW WHEN (((length(new.group_shown) > 1000) OR (length(new.said) > 2000))) EXECUTE FUNCTION pgslo_catalog.cut_texts('group_shown', '1000', 'said', '2000');

ALTER TABLE pgslo_catalog.broken_group ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.delivery FOR EACH ROW WHEN ((length(new.error) > 1000)) EXECUTE FUNCTION pgslo_catalog.cut_texts('error', '1000');

ALTER TABLE pgslo_catalog.delivery ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.repair FOR EACH ROW WHEN (((length(new.row_key) > 1000) OR (length(new.old_value) > 8000) OR (length(new.new_value) > 8000))) EXECUTE FUNCTION pgslo_catalog.cut_texts('row_key', '1000', 'old_value', '8000', 'new_value', '8000');

ALTER TABLE pgslo_catalog.repair ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.rule_break FOR EACH ROW WHEN ((length(new.error_message) > 1000)) EXECUTE FUNCTION pgslo_catalog.cut_texts('error_message', '1000');

ALTER TABLE pgslo_catalog.rule_break ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.sample FOR EACH ROW WHEN (((length(new.row_key) > 1000) OR (length(new.shown) > 1000))) EXECUTE FUNCTION pgslo_catalog.cut_texts('row_key', '1000', 'shown', '1000');

ALTER TABLE pgslo_catalog.sample ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.task_run FOR EACH ROW WHEN (((length(new.host) > 255) OR (length(new.output) > 10000))) EXECUTE FUNCTION pgslo_catalog.cut_texts('host', '255', 'output', '10000');

ALTER TABLE pgslo_catalog.task_run ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.verdict FOR EACH ROW WHEN ((length(new.said) > 2000)) EXECUTE FUNCTION pgslo_catalog.cut_texts('said', '2000');

ALTER TABLE pgslo_catalog.verdict ENABLE ALWAYS TRIGGER cut_texts;

CREATE TRIGGER look_insert AFTER INSERT ON pgslo_catalog.batch REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();

ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_insert;

CREATE TRIGGER look_update AFTER UPDATE ON pgslo_catalog.batch REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();

ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_update;

CREATE TRIGGER note_insert AFTER INSERT ON pgslo_catalog.incident FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();

ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER note_insert;

CREATE TRIGGER note_update AFTER UPDATE OF acknowledged_at, muted_until, over_at, resolution, resolved_at ON pgslo_catalog.incident FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();

ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER note_update;

CREATE CONSTRAINT TRIGGER observe AFTER INSERT ON pgslo_catalog.touched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.observe_touched();

CREATE CONSTRAINT TRIGGER require_end AFTER INSERT ON pgslo_catalog.snapshot_room DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.require_end();

CREATE TRIGGER tell_guards AFTER UPDATE OF name ON pgslo_catalog.definition FOR EACH ROW WHEN ((old.name <> new.name)) EXECUTE FUNCTION pgslo_catalog.tell_guards_anew();

ALTER TABLE pgslo_catalog.definition ENABLE ALWAYS TRIGGER tell_guards;

CREATE TRIGGER tell_guards BEFORE INSERT OR UPDATE OF over_at, resolved_at ON pgslo_catalog.incident FOR EACH ROW WHEN ((new.resolved_at IS NULL)) EXECUTE FUNCTION pgslo_catalog.tell_guards();

ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER tell_guards;

CREATE TRIGGER tell_guards AFTER UPDATE OF columns, scope, measure ON pgslo_catalog.rule FOR EACH ROW WHEN (((old.columns <> new.columns) OR (old.scope <> new.scope) OR (old.measure IS DISTINCT FROM new.measure))) EXECUTE FUNCTION pgslo_catalog.tell_guards_anew();

ALTER TABLE pgslo_catalog.rule ENABLE ALWAYS TRIGGER tell_guards;

ALTER TABLE ONLY pgslo_catalog.applied
    ADD CONSTRAINT applied_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.assertion
    ADD CONSTRAINT assertion_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.assertion_dependency
    ADD CONSTRAINT assertion_dependency_belongs_to_an_assertion FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.assertion(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.assertion_guard
    ADD CONSTRAINT assertion_guard_belongs_to_an_assertion FOREIGN KEY (check_function) REFERENCES pgslo_catalog.assertion(check_function) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.batch
    ADD CONSTRAINT batch_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.broken_group
    ADD CONSTRAINT broken_group_belongs_to_an_assertion FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.assertion(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.delivery
    ADD CONSTRAINT delivery_belongs_to_a_recipient FOREIGN KEY (recipient) REFERENCES pgslo_catalog.recipient(recipient) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.due_count
    ADD CONSTRAINT due_count_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.expected_look
    ADD CONSTRAINT expected_look_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.given_up
    ADD CONSTRAINT given_up_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.incident
    ADD CONSTRAINT incident_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.incident
    ADD CONSTRAINT incident_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.incident_event
    ADD CONSTRAINT incident_event_belongs_to_an_incident FOREIGN KEY (incident_id) REFERENCES pgslo_catalog.incident(incident_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.known_part
    ADD CONSTRAINT known_part_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.missed_batch
    ADD CONSTRAINT missed_batch_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.missed_batch
    ADD CONSTRAINT missed_batch_is_of_an_incident FOREIGN KEY (incident_id) REFERENCES pgslo_catalog.incident(incident_id) ON DELETE SET NULL;

ALTER TABLE ONLY pgslo_catalog.other_relation
    ADD CONSTRAINT other_relation_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.own_salt
    ADD CONSTRAINT own_salt_belongs_to_a_definition FOREIGN KEY (definition) REFERENCES pgslo_catalog.definition(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.pair_batch
    ADD CONSTRAINT pair_batch_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.pair_cell
    ADD CONSTRAINT pair_cell_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.pause
    ADD CONSTRAINT pause_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.paused_function
    ADD CONSTRAINT paused_function_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.post_processing
    ADD CONSTRAINT post_processing_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.profile
    ADD CONSTRAINT profile_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.quarantine
    ADD CONSTRAINT quarantine_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.quarantine_size
    ADD CONSTRAINT quarantine_size_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.repair
    ADD CONSTRAINT repair_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.rule
    ADD CONSTRAINT rule_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.rule_break
    ADD CONSTRAINT rule_break_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.rule_break
    ADD CONSTRAINT rule_break_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.rule_lock
    ADD CONSTRAINT rule_lock_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.sample
    ADD CONSTRAINT sample_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.snapshot_batch
    ADD CONSTRAINT snapshot_batch_belongs_to_a_snapshot FOREIGN KEY (snapshot_id) REFERENCES pgslo_catalog.snapshot(snapshot_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.snapshot_column
    ADD CONSTRAINT snapshot_column_belongs_to_a_snapshot FOREIGN KEY (snapshot_id) REFERENCES pgslo_catalog.snapshot(snapshot_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.task
    ADD CONSTRAINT task_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.unannounced
    ADD CONSTRAINT unannounced_is_an_event FOREIGN KEY (incident_event_id) REFERENCES pgslo_catalog.incident_event(incident_event_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.verdict
    ADD CONSTRAINT verdict_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.verdict
    ADD CONSTRAINT verdict_belongs_to_a_rule FOREIGN KEY (rule_id) REFERENCES pgslo_catalog.rule(rule_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgslo_catalog.watched_column
    ADD CONSTRAINT watched_column_belongs_to_a_definition FOREIGN KEY (definition_id) REFERENCES pgslo_catalog.definition(definition_id) ON DELETE CASCADE;

ALTER TABLE pgslo_catalog.own_salt ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_salt_is_of_the_owner ON pgslo_catalog.own_salt FOR SELECT USING ((pg_has_role(( SELECT n.nspowner
   FROM pg_namespace n
  WHERE (n.nspname = 'pgslo_catalog'::name)), 'USAGE'::text) OR pg_has_role(( SELECT c.relowner
   FROM pg_class c
  WHERE (c.oid = (own_salt.relation)::oid)), 'USAGE'::text)));

GRANT USAGE ON SCHEMA pgslo TO PUBLIC;

REVOKE ALL ON FUNCTION pgslo.accept(incident_id bigint, reason text, batches text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.accept_pause(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.acknowledge(incident_id bigint, note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.audit(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.backtest(definition text, batches integer, seed bigint, faults text[], sensitivity double precision, feedback boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.begin_check(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.begin_delivery(delivery_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.begin_run(task text, host text, process_id bigint, OUT task_run_id bigint, OUT batch text, OUT attempt integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.begin_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.close_batch(definition text, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.create_snapshot(name text, source_schema text, source_name text, condition text, as_reference boolean, healthy_only boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.discard(quarantine_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.drop_snapshot(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.end_check(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.end_delivery(delivery_id bigint, error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.end_run(task_run_id bigint, exit_code integer, output text, retries integer, wait interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.evidence(incident_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.follow_task(task text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.history(definition text, batches integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.learn(definition text, batches integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.learn_batches(definition text, batches text[], largest bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.learned(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.mute(incident_id bigint, until timestamp with time zone, note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.mute_rule(definition text, rule text, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.pause(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.queue_delivery(delivery_key text, recipient text, page bigint, event text, incidents bigint[], subject text, body text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.recount_pairs(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.release(quarantine_id bigint, changes jsonb, as_update text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.resolve(incident_id bigint, resolution text, note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.resume(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.seal_snapshot(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.see_run(task_run_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.subscribe(recipient text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.tick() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.verify_snapshot(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.watch_deliveries() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo.watch_task(task text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.added_up(parts jsonb[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.admit_owner(function regprocedure) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.age(definition pgslo_catalog.definition, OUT value double precision, OUT said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.also_touched(noted text, settle_function text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.amount(value double precision, kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.announce_events() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.append_fragments(definition_id bigint, operation text, sign integer, columns text[], tallies text[], rules text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.are_keys(keys text[], kind regtype) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.arrival(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.ask_table(definition pgslo_catalog.definition, missed pgslo_catalog.missed_batch, claim text, OUT ended_as text, OUT seen pg_snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.assertion_rule(definition text, assertion text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.at_place(grid double precision[], place double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.auc(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], confidence double precision, OUT value double precision, OUT low double precision, OUT high double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.await_labels(rule pgslo_catalog.rule, batch text, place numeric, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batch_is_missed(rule pgslo_catalog.rule, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batch_so_far(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batches_at_once() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batches_in_part(definition pgslo_catalog.definition, part oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batches_shown(batches bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.batches_told() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.begin_pause(definition text, rule text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.blur_scores(cells bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.bound_quarantine() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.bound_shown(value double precision, factor numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.bounded(definition text, batches pgslo_catalog.measured[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.break_columns(sample text[], earlier text[], kinds text[], faults text[], partners integer[], batch text, seed bigint, OUT broken text[], OUT changed double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.break_rows(sample text[], fault text, rows bigint, batch text, seed bigint, OUT broken text[], OUT broken_rows bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.broken_groups(check_function text, keys text[], at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.broken_said(rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.broken_value(fault text, kind text, value text, part double precision, strength double precision, other text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.calendar_said(form text, step numeric, place numeric, seen jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.calibration_error(scores pgslo_catalog.pair_score[], z double precision, OUT value double precision, OUT low double precision, OUT high double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.caller() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.can_act_as(role oid, other oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.can_be_read(snapshot pgslo_catalog.snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.can_find_batches(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.cell_text(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.chance(what text, seed bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.change_key(definition_id bigint, was_number boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.changed_columns(relation regclass, old_row record, new_row record) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_condition(condition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_cursors(target pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_may_run(task text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_mute(until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_rereading(snapshot pgslo_catalog.snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_rows(snapshot pgslo_catalog.snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_session(before text[], with_locks boolean, relation text, error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.check_types(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.checked_domain(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.choose_faults(kinds text[], faults text[], turn integer, seed bigint, OUT chosen text[], OUT partners integer[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.column_numbers(relation regclass, names text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.column_readiness(target pgslo_catalog.definition, reads text[], batches integer, is_whole boolean, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.columns_apart(one pgslo_catalog.snapshot_column, other pgslo_catalog.snapshot_column, OUT distance double precision, OUT by_chance double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.columns_of(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.columns_with_code(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.common_distance(by text, one jsonb, other jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.compare_parts(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.complete_pairs(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.concern(definition text, columns text[], within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.concern_names(definition text, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.content_hash(columns jsonb, rows bigint, sums numeric[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.content_of(snapshot pgslo_catalog.snapshot, table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.conversions_of(type regtype, relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.count_batches(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.count_due(definition pgslo_catalog.definition, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.count_failing(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric, is_exact boolean, OUT rows bigint, OUT failed bigint, OUT recorded bigint, OUT is_judged boolean, OUT seen pg_snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.count_unknown(definition pgslo_catalog.definition, rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.counting(rows text, batch_of text[], columns text[], sums text[], sample text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.counting_failures(passes text, batch_of text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.cut_texts() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.day_of_check() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.declare_assertion(document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.deferring(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.describe_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.distance(definition pgslo_catalog.definition, batch pgslo_catalog.batch, measure jsonb, OUT value double precision, OUT said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.distance_of(by text, one double precision[], other double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.drop_view(view_schema text, view_name text, definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.due_batches(definition pgslo_catalog.definition, at_once text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.due_missed(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.earlier(batch pgslo_catalog.batch, relative_to text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.end_incident(incident_id bigint, resolution text, batch text, place numeric, note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.end_missed(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.enough_batches() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.error_excerpt(definition text, rule text, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.error_said(is_gated boolean, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.excerpt(definition text, operation text, columns text[], cells text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.expecting_rules(document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.failed(batches pgslo_catalog.measured[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.failing_of(ordinal integer, rules integer, failed bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.fault_kinds(OUT ordinal integer, OUT name text, OUT kinds text[], OUT words text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.float_of(value numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow(definition pgslo_catalog.definition, at_once text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_assertions(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_key(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_loads(definition pgslo_catalog.definition, at_once text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_missed(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_pairs(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_parts(definition pgslo_catalog.definition, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_stream(definition pgslo_catalog.definition, at_once text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_table(definition_id bigint, former regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_until(at_once text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.follow_verdict(rule pgslo_catalog.rule, batch text, place numeric, verdict text, is_tick boolean, is_worse boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.foreign_key_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.forget(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.forget_assertion(definition text, assertion text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.forget_pairs(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.forget_plans(refuses boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.free_for_session(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.give_function(function text, owner name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.give_verdict(rule pgslo_catalog.rule, batch pgslo_catalog.batch, verdict text, value double precision, low double precision, high double precision, score double precision, said text, is_tick boolean, example text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.grid_distance(by text, one double precision[], other double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.grids_apart(now double precision[], reference double precision[], OUT distribution double precision, OUT moved double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.groups_said(groups bigint, is_whole boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.guarded_view(source_schema text, source_name text, OUT source regclass, OUT definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.has_new_types(definition text, relation regclass, known text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.has_open_incident(rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.has_settled(definition pgslo_catalog.definition, place numeric, last_written_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.has_unknown_rows(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.heal_expected(rule pgslo_catalog.rule, slack numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.healthy(definition pgslo_catalog.definition, columns text[], as_of timestamp with time zone, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.hidden_name(value anyelement, salt text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.hoeffding_bound(mean double precision, n double precision, confidence double precision, is_upper boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.hold_assertion(check_function text, keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.hold_for_session(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.hold_parts(relation regclass, role oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_armed(relation regclass, part oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_base64(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_being_accepted(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_date(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_e164(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_email(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_expected(definition pgslo_catalog.definition, measure jsonb, form text, phases jsonb, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_hostname(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_in_table(definition pgslo_catalog.definition, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_ipv4(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_ipv6(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_json(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_known(definition text, within interval, planned text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_known_missed(rule pgslo_catalog.rule, batch text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_movable(relation oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_of_moved_schema(error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_of_value(error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_owner(reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_plain(type regtype) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_replica() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_slug(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_stranger(role oid, relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_time(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_timestamp(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_transient(error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_unchanged(one pgslo_catalog.profile, other pgslo_catalog.profile) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_url(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_uuid(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.is_within(place numeric, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.iso(value anyelement) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.iso_text(value anyelement) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.join_incidents() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.join_missed(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.jsonb_of(value text, type regtype) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_age(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_assertion(rule_id bigint, keys text[], is_tick boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_batch(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_by_clock(definition pgslo_catalog.definition, at_once text, since timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_closed(definition pgslo_catalog.definition, batch text, columns text[], sample text[], level smallint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_columns(definition_id bigint, batch text, place numeric, alone boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_expected(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_metric(rule pgslo_catalog.rule, batch text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_rows(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_rule(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.judge_unjudged(definition pgslo_catalog.definition, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.keep_functions(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.keep_snapshots() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.keeper() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.keeps_batches(rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.kept_text(value anyelement) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.key_excerpt(definition text, operation text, columns text[], cells text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.key_text(value anyelement) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.kinds_of(definition_id bigint, columns text[], sample text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.known_batches(definition_id bigint, places numrange) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.known_place(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.last_missed(incident pgslo_catalog.incident, rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.last_place(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.last_place(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.last_prediction(batch pgslo_catalog.pair_batch) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.learn_from(incident pgslo_catalog.incident) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.learned_calendar(definition pgslo_catalog.definition, origin numeric, told integer, OUT step numeric, OUT form text, OUT phases jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.learned_rules(watched jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.least_batches() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.leave_room(room text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.leftovers() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.level_of(mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.locked_by(locker xid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.look_after(definition pgslo_catalog.definition, OUT is_done boolean, OUT is_behind boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.look_again() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.look_for_expected(definition pgslo_catalog.definition, rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.looks_in_turn() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.make_table(table_name text, columns jsonb, for_good boolean, reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.mark_taken(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.mark_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_count(relation oid, columns text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_know(definition_name text, reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_read_columns(relation oid, columns text[], reader name, only_views boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_run(task text, reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_see_groups(check_function text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.may_write(role name, relation regclass, names text[], operation text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.mean_interval(summed numeric, squares numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.measure_quarantine(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.measure_quarantines() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.measured(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value double precision, OUT rows bigint, OUT said text, OUT example text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.merge_batch(definition_id bigint, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.merged(batches pgslo_catalog.measured[], rules integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.metric_lacks(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, positive text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.missed_said(rule pgslo_catalog.rule, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.misses_rows(measure jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.mixed(usual jsonb, present double precision, counted jsonb, weight double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.moved(other pgslo_catalog.other_relation, OUT is_gone boolean, OUT said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.must_be_stored(definition text, relation regclass, violated text[], old_row record, new_row record) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.must_raise(error_code text, refuses boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.name_at(place numeric, step numeric, like_name text, is_number boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.name_missed(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.name_of(definition pgslo_catalog.definition, batch text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.names_of(batches pgslo_catalog.measured[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.native_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.need_history(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.need_task(task text, reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.new_type(relation regclass, known text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.newest_batch(definition pgslo_catalog.definition, up_to numeric, OUT name text, OUT place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.newest_batches(definition pgslo_catalog.definition, batches integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.newest_data(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.newest_known(incident pgslo_catalog.incident, OUT batch text, OUT place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.newest_missed_said(incident pgslo_catalog.incident, rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.news(since xid8, parts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.news_said(definition text, planned text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.normal_quantile(share double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.note_incident() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.note_overdrawn(definition_id bigint, batch text, parts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.note_parts(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.noted_functions(noted text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.number_of(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.observe_assertion(check_function text, keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.observe_touched() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.on_side(surprise double precision[], side integer, tolerated double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.open_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.open_left_over() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.open_one(incident_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.opened(context text, seal text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.overdrawn(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.part_places(definition pgslo_catalog.definition, part oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.parts_of(type regtype) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.passing_singly(failure text, rule text, operation text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.phase(form text, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.pin_number(name text, number oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.pin_others(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.pin_parts(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.pin_table(definition pgslo_catalog.definition, function text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.place_of_check() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.places_of(batches pgslo_catalog.measured[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.plan_reads_again() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.present_parts(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.problem(definition text, columns text[], within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.profile_rows(snapshot pgslo_catalog.snapshot, table_name text, rows bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.profile_said(profile pgslo_catalog.profile) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.profiled(definition_id bigint, batch text, column_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.profiles_of(incident_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.quantile(grid double precision[], share double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.quantile_noise(grid double precision[], place integer, present double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.quotient(part double precision, whole double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.raising(batch pgslo_catalog.batch, measure jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reach(definition text, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reached_tables(relation regclass, cascades boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.read_mode(on_read text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.readable(relation oid, columns text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reading(snapshot pgslo_catalog.snapshot, places numeric[], names text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reads_profile(measure jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_break(definition text, rule text, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_lost(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_measured(definition text, operation text, sign integer, columns text[], tallies text[], rules text[], counted pgslo_catalog.measured[], mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_missed(rule pgslo_catalog.rule, batch text, place numeric, is_worse boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_news(parts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_quarantine(definition text, relation regclass, operation text, row_key text, old_row record, row_image record, rules text[], shown text[], old_key text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_raising(definition text, rule pgslo_catalog.rule, batch pgslo_catalog.batch, said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, row_key text, rules text[], shown text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_sample(definition text, rule text, batch text, row_key text, shown text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_statement(definition text, operation text, rules text[], columns text[], tallies text[], batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_truncate(definition text, relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_unjudged(definition text, rules text[], batches text[], places numeric[], error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_unmeasured(definition text, rule text, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.record_unprofiled(batch pgslo_catalog.batch, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.recorded_rows(definition_id bigint, batches text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.recount_batches(definition pgslo_catalog.definition, batches text[], judges boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.recount_unknown(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.refuse_batch(definition text, batches text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.refuse_broken(check_function text, group_shown text, said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.refuse_part(relation oid, role oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.refuse_stale(relation oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.refuse_unrecorded(definition text, error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.register(document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.register_predictions(definition_id bigint, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reject(definition text, rules text[], failed bigint, shown text, row_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reject_schema(definition text, schema_name text, table_name text, rule text, difference text, owner text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.reopen_incident(rule pgslo_catalog.rule, batch text, place numeric, opened_by_tick boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.replace_counts(definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[], judges boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.require_end() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.resolution_of(incident_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.resolve_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.resolve_met(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.restore_session(before text[], with_locks boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.room_of(snapshot_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.row_text(columns jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.rows_shown(rows numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.rows_written(tables oid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.salt(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.sample_mask(rows bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.sample_rows(sample text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.sampling(definition text, failure text, rule text, passes text, batch_of text[], failed bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.say_left(definition text, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.say_problem(definition text, told pgslo_catalog.found_problem, mode text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.sealed(context text, value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.seconds_of(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.sent(relation oid, columns text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.session_objects(with_locks boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.session_of(process_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.session_state(with_locks boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.settings() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.settle_pauses(definition pgslo_catalog.definition) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.settle_replayed(twin pgslo_catalog.definition, batch pgslo_catalog.batch, missed text[], feedback boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.settle_together(noted text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.settling(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.share_below(grid double precision[], value double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.share_shown(part numeric, whole numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.shares_apart(present double precision, counted jsonb, usual jsonb, presents double precision[], counts jsonb[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.showing(failure text, passes text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.shown(value numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.shown_name(value anyelement, salt text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.shows_figures(rule pgslo_catalog.rule, reader name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.signed(names text[], counts numeric[], sign integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.silence(function_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.snapshot_called(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.snapshot_readiness(task text, what text, wanted jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.span_shown(span interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.statistic(batch pgslo_catalog.batch, measure jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.stops_after() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.stored_said(incident pgslo_catalog.incident) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.strange_code(relation regclass, cascades boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.strange_part(relation oid, role oid, OUT part text, OUT whole text, OUT owner name, OUT whole_owner name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.summary_kinds(OUT ordinal integer, OUT name text, OUT kind text, OUT beyond double precision, OUT words text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.summary_names() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.summed(batches pgslo_catalog.measured[], slots integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tables_ready(task text, is_whole boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.take_count(definition pgslo_catalog.definition, counted pgslo_catalog.measured, mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.take_counts(definition pgslo_catalog.definition, counted pgslo_catalog.measured[], mask bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.take_turn(check_function text, bucket integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tally_slots(tallies text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tell_guards() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tell_guards_anew() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tell_missing(rule pgslo_catalog.rule, names text[], places numeric[], reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.tend_incidents() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.text_name(value text, salt text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.text_of(value text, type regtype) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.touch(check_function text, keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.touch_and_observe(check_function text, keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.touched_unknown(definition text, rule text, error_code text, error_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.trusted_roles() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.try_turn(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.turn_holder(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.twin_of(target pgslo_catalog.definition, sensitivity double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unchanged(batch pgslo_catalog.batch, column_name text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unchecked_policy(relation regclass, written_to regclass, writer text, operation text, names text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unhealthy(definition_id bigint, columns text[], as_of timestamp with time zone, within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unhealthy_said(definition_id bigint, columns text[], batches text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unknown_batch() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unknown_is_missed(rule pgslo_catalog.rule) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unmeasured(batch pgslo_catalog.batch, measure jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unrecorded_batches(definition pgslo_catalog.definition, part oid, places numrange) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unregister(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.unsampled(batches pgslo_catalog.measured[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.usual_delay(definition_id bigint, step numeric, up_to numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.usual_disorder(definition_id bigint, up_to numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.utc(moment timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.validate_assertion(definition text, assertion text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.visible(definition text, operation text, columns text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.wait_for_turn(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.want_pairs_anew(definition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.wanted(low double precision, high double precision, factor numeric, unit text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.wanted_snapshot(task text, wanted jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.warn_unjudged(definition text, rules text[], error_code text, later boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.warn_unsampled(definition text, rule text, error_code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.warn_writer(definition text, rules text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.was_reported(what text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.watched_columns(definition_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.whole_of(snapshot_id bigint, OUT rows bigint, OUT sums numeric[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.widened(tolerated double precision[], surprise double precision[], side integer, is_young boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.wilson(good numeric, whole numeric, z double precision, OUT low double precision, OUT high double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.write_released(target pgslo_catalog.definition, change text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgslo_catalog.written_since(definition pgslo_catalog.definition, since xid8) FROM PUBLIC;

GRANT SELECT ON TABLE pgslo.assertion TO PUBLIC;

GRANT SELECT ON TABLE pgslo.assertion_dependency TO PUBLIC;

GRANT SELECT ON TABLE pgslo.batch TO PUBLIC;

GRANT SELECT ON TABLE pgslo.budget TO PUBLIC;

GRANT SELECT ON TABLE pgslo.column_history TO PUBLIC;

GRANT SELECT ON TABLE pgslo.incident TO PUBLIC;

GRANT SELECT ON TABLE pgslo.incident_event TO PUBLIC;

GRANT SELECT ON TABLE pgslo.measured_precision TO PUBLIC;

GRANT SELECT ON TABLE pgslo.ml_metric TO PUBLIC;

GRANT SELECT ON TABLE pgslo.page TO PUBLIC;

GRANT SELECT ON TABLE pgslo.pause TO PUBLIC;

GRANT SELECT ON TABLE pgslo.post_processing TO PUBLIC;

GRANT SELECT ON TABLE pgslo.prediction_problem TO PUBLIC;

GRANT SELECT ON TABLE pgslo.quarantine_size TO PUBLIC;

GRANT SELECT ON TABLE pgslo.reader TO PUBLIC;

GRANT SELECT ON TABLE pgslo.rule TO PUBLIC;

GRANT SELECT ON TABLE pgslo.snapshot TO PUBLIC;

GRANT SELECT ON TABLE pgslo.status TO PUBLIC;

GRANT SELECT ON TABLE pgslo.task_run TO PUBLIC;

GRANT SELECT ON TABLE pgslo.verdict TO PUBLIC;

GRANT SELECT ON TABLE pgslo_catalog.own_salt TO PUBLIC;
