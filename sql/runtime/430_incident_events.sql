-- What tick() does about incidents of concurrent writers, and about events.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.announce_events() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    number bigint;
BEGIN
    -- Usually none exists.
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.announce_events()
    IS 'Notify sessions that listen that incidents changed, and return how many events there were; never called inside a write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.join_incidents() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
        -- The one that tick() opened stays: people know it. The other became visible when its transaction was committed.
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
            muted_until = greatest(i.muted_until, (two.other).muted_until),
            is_suspect = i.is_suspect AND (two.other).is_suspect
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.join_incidents() IS
    'Join two open incidents of a rule, where tick() opened the second because the transaction that opened the first had not ended.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tend_incidents() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tend_incidents() IS 'End mutes and report incidents; called by tick() after the evaluation.';
