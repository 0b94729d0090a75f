-- Decisions since a given time, and incidents that a transaction left to be opened.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.news(since xid8, parts bigint[])
RETURNS TABLE (rule pgslo_catalog.rule, batch text, place numeric, is_plain boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
               -- The role that ended it has seen these rows.
               OR m.ended_at IS NOT NULL AND NOT s.is_stored AND pg_visible_in_snapshot(f.xid, m.seen_snapshot)))
    GROUP BY r.rule_id, f.batch
    ORDER BY min(f.place);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.news(xid8, bigint[]) IS
    'Return batches with failing rows without a recorded missed batch, of transactions since one, or in some '
    'fragments. is_plain: such rows violate the rule, whatever else was written.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_news(parts bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    missed record;
BEGIN
    FOR missed IN SELECT n.* FROM pgslo_catalog.news(NULL, record_news.parts) AS n LOOP
        CONTINUE WHEN NOT (missed.is_plain OR pgslo_catalog.batch_is_missed(missed.rule, missed.batch));
        PERFORM pgslo_catalog.open_incident(missed.rule, missed.batch, missed.place, true);
        PERFORM pgslo_catalog.record_missed(missed.rule, missed.batch, missed.place);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_news(bigint[]) IS
    'Record misses of fragments before they are summed, after which their transactions are not known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_being_accepted(definition_id bigint, batch text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    stored bigint[] := ARRAY(
        SELECT m.missed_id FROM pgslo_catalog.rule r JOIN pgslo_catalog.missed_batch m USING (rule_id)
        WHERE r.definition_id = is_being_accepted.definition_id AND m.batch = is_being_accepted.batch AND m.ended_at IS NULL);
BEGIN
    -- A lock until this transaction ends: a role that accepts the batch later sees the rows written here.
    RETURN stored <> '{}' AND cardinality(stored) > (
        SELECT count(*) FROM (
            SELECT FROM pgslo_catalog.missed_batch m WHERE m.missed_id = ANY (stored) FOR SHARE SKIP LOCKED) AS l);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_being_accepted(bigint, text) IS
    'Return whether another transaction has a missed batch; lock it otherwise.';

CREATE OR REPLACE FUNCTION pgslo_catalog.open_left_over() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
    IF is_restored THEN
        PERFORM pgslo_catalog.renumber_restored();
    END IF;
    IF is_restored OR since IS NULL THEN
        since := '0';
    END IF;
    FOR missed IN
        SELECT n.*, true AS is_of_rows FROM pgslo_catalog.news(since, NULL) AS n
        UNION ALL
        -- A batch was judged again while its former state was being accepted.
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
            PERFORM pgslo_catalog.say_left((SELECT d.name FROM pgslo_catalog.definition d
                                            WHERE d.definition_id = (missed.rule).definition_id), SQLSTATE, SQLERRM);
            all_done := false;
        END;
    END LOOP;
    IF all_done THEN
        INSERT INTO pgslo_catalog.watermark AS w (consumer, seen, looked_at) VALUES ('tick', horizon, clock_timestamp())
        ON CONFLICT (consumer) DO UPDATE SET seen = excluded.seen, looked_at = excluded.looked_at;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_left_over() IS
    'Open the incidents of committed rows that have none: a writer left them to another one, which rolled back or has '
    'not ended, or they were committed while a steward accepted their batch.';
