-- Whose turn it is. Advisory locks have keys that every role may compute and hold, so correctness depends on none of them:
-- a turn is a locked row of a table of pgslo, which other roles cannot lock.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.caller() RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT coalesce(nullif(current_setting('role'), 'none')::name, session_user) $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.caller() IS 'Return the role that asks, also inside a function that runs with its owner''s rights.';

CREATE OR REPLACE FUNCTION pgslo_catalog.session_of(process_id integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Of sessions of other roles an ordinary role sees the process and the role.
    SELECT format('process %s%s%s%s', session_of.process_id,
        ', role ' || quote_ident(a.usename),
        ', ' || quote_literal(left(regexp_replace(nullif(a.application_name, ''), '[^ -~]', '?', 'g'), 60)),
        ', in a transaction since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')
    FROM (SELECT 1) AS one LEFT JOIN pg_stat_activity a ON a.pid = session_of.process_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.session_of(integer) IS 'Return a session in words: its process, and its row in the catalogue.';

CREATE OR REPLACE FUNCTION pgslo_catalog.locked_by(locker xid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(
        (SELECT pgslo_catalog.session_of(l.pid) FROM pg_locks l
         WHERE l.locktype = 'transactionid' AND l.transactionid = locked_by.locker AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL LIMIT 1),
        (SELECT format('prepared transaction %s of role %s, since %s UTC', quote_literal(p.gid), quote_ident(p.owner),
                       to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
         FROM pg_prepared_xacts p WHERE p.transaction = locked_by.locker),
        'a session that the catalogue does not show')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.locked_by(xid) IS 'Return the transaction that locked a row last, in words; its number is the row''s xmax.';

CREATE OR REPLACE FUNCTION pgslo_catalog.turn_holder(name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT pgslo_catalog.locked_by(t.xmax) FROM pgslo_catalog.turn t WHERE t.name = turn_holder.name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.turn_holder(text) IS 'Return the session or the prepared transaction that has a turn, in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_to_be_prepared() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    proof text := gen_random_uuid()::text;
    writer xid;
BEGIN
    IF current_setting('max_prepared_transactions') = '0' THEN
        RETURN;
    END IF;
    -- PREPARE TRANSACTION refuses a transaction that notifies: a prepared one has no session, and its locks stay over a restart.
    IF pg_notification_queue_usage() <= 0.5 THEN
        PERFORM pg_notify('pgslo_turn', '');
        RETURN;
    END IF;
    -- Any role can fill the queue. PREPARE TRANSACTION refuses an exported snapshot as well, which no subtransaction can export:
    -- that has another number than its transaction.
    INSERT INTO pgslo_catalog.turn (name) VALUES (proof) RETURNING xmin INTO writer;
    DELETE FROM pgslo_catalog.turn t WHERE t.name = proof;
    IF writer = pg_current_xact_id()::xid THEN
        PERFORM pg_export_snapshot();
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_to_be_prepared() IS
    'Have PREPARE TRANSACTION refuse the current transaction, which locks rows that other sessions need.';

CREATE OR REPLACE FUNCTION pgslo_catalog.try_turn(name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A dump of the schema alone restores a table without its rows.
    INSERT INTO pgslo_catalog.turn (name)
    SELECT try_turn.name WHERE NOT EXISTS (SELECT FROM pgslo_catalog.turn t WHERE t.name = try_turn.name)
    ON CONFLICT ON CONSTRAINT turn_has_a_name DO NOTHING;
    PERFORM FROM pgslo_catalog.turn t WHERE t.name = try_turn.name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.refuse_to_be_prepared();
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.try_turn(text) IS 'Take a turn until the transaction ends; false, without a wait, if another transaction has it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wait_for_turn(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wait_for_turn(text) IS
    'Take a turn until the transaction ends, after a wait of at most lock_timeout, or a minute; an error names who has it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hold_for_session(name text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
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
                         WHERE k.relation = 'pgslo_catalog.session_lock'::regclass AND k.mode = 'RowExclusiveLock'
                           AND k.pid <> pg_backend_pid() LIMIT 1), 'another session');
    END;
    SELECT l.* INTO held FROM pgslo_catalog.session_lock l WHERE l.name = hold_for_session.name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN coalesce((SELECT pgslo_catalog.locked_by(l.xmax) FROM pgslo_catalog.session_lock l WHERE l.name = hold_for_session.name), 'another session');
    END IF;
    PERFORM pgslo_catalog.refuse_to_be_prepared();
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hold_for_session(text) IS
    'Take a lock until the session ends: NULL, or the session that holds it, in words, without a wait. It is free '
    'again once the holder has ended, however it ended.';

CREATE OR REPLACE FUNCTION pgslo_catalog.free_for_session(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    drawn bigint := (SELECT l.key FROM pgslo_catalog.session_lock l WHERE l.name = free_for_session.name AND l.process_id = pg_backend_pid());
BEGIN
    UPDATE pgslo_catalog.session_lock l SET process_id = NULL, session_role = NULL, key = NULL, held_since = NULL
    WHERE l.name = free_for_session.name AND l.process_id = pg_backend_pid();
    IF drawn IS NOT NULL THEN
        PERFORM pg_advisory_unlock(drawn);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.free_for_session(text) IS 'Release a lock that hold_for_session() took for this session.';

CREATE OR REPLACE FUNCTION pgslo_catalog.say_left(definition text, error_code text, error_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.say_left(text, text, text) IS
    'Warn the role that runs tick() that a definition is left to the next run, or record why it cannot be evaluated.';

-- Which batches lie in the future.

CREATE OR REPLACE FUNCTION pgslo_catalog.last_place(definition pgslo_catalog.definition) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    now numeric := extract(epoch FROM clock_timestamp());
    step numeric;
BEGIN
    IF (last_place.definition).place_is_number THEN
        RETURN 'Infinity';
    END IF;
    -- One batch ahead of the clock is ordinary: another time zone, a month named by its last day. Past batches give the step.
    SELECT max(b.place) - min(b.place) INTO step
    FROM (
        SELECT c.place FROM pgslo_catalog.batch c
        WHERE c.definition_id = (last_place.definition).definition_id AND c.place <= now AND c.place > '-Infinity' AND c.rows > 0
        ORDER BY c.place DESC LIMIT 2
    ) AS b;
    RETURN now + greatest(86400, extract(epoch FROM (last_place.definition).batch_every), least(coalesce(step, 0), 366 * 86400));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.last_place(pgslo_catalog.definition) IS
    'Return the last place that a batch may have now: the clock and one batch, or a day; a batch beyond it lies in the '
    'future. Infinity where places are not times.';

CREATE OR REPLACE FUNCTION pgslo_catalog.last_place(definition_id bigint) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = last_place.definition_id;
    RETURN pgslo_catalog.last_place(target);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.last_place(bigint) IS 'Return the same by the number of the definition.';
