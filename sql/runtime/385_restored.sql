-- After a restore into a cluster that has counted fewer transactions: numbers of the old cluster are ahead of all of the new one.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.full_number(number xid, newest xid8) RETURNS xid8
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    turn constant bigint := 4294967296;
    last bigint := full_number.newest::text::bigint;
    found bigint := last / turn * turn + full_number.number::text::bigint;
BEGIN
    RETURN (CASE WHEN found > last AND found >= turn THEN found - turn ELSE found END)::text::xid8;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.full_number(xid, xid8) IS 'Return the number of a transaction that is not after the newest, with its epoch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.renumber_restored() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    me xid8 := pg_current_xact_id();
    -- The first number that no transaction of this cluster has yet.
    newest xid8 := pg_snapshot_xmax(pg_current_snapshot());
    first constant xid8 := '3';
BEGIN
    -- Rows that an acceptance had seen before the dump count as the oldest, and all others as written now: a second report
-- is better than a missing one.
    UPDATE pgslo_catalog.fragment f
    SET xid = CASE WHEN EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.definition_id = f.definition_id AND m.batch = f.batch AND NOT pg_visible_in_snapshot(f.xid, m.seen_snapshot)
        ) OR f.batch = 'unknown' AND EXISTS (
            SELECT FROM pgslo_catalog.incident i JOIN pgslo_catalog.incident_event e USING (incident_id)
            WHERE i.definition_id = f.definition_id AND NOT pg_visible_in_snapshot(f.xid, e.seen_snapshot)
        ) THEN me ELSE first END
    WHERE f.xid > newest;
    UPDATE pgslo_catalog.verdict v
    SET xid = CASE WHEN EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = v.rule_id AND m.batch = v.batch AND NOT pg_visible_in_snapshot(v.xid, m.seen_snapshot)
        ) THEN me ELSE first END
    WHERE v.xid > newest;
    -- Acceptances have seen all rows that existed when they were restored, and nothing later.
    UPDATE pgslo_catalog.missed_batch m
    SET seen_snapshot = format('%1$s:%1$s:', pgslo_catalog.full_number(m.xmin, newest))::pg_snapshot
    WHERE pg_snapshot_xmax(m.seen_snapshot) > newest;
    UPDATE pgslo_catalog.missed_batch m SET ended_xid = first WHERE m.ended_xid > newest;
    UPDATE pgslo_catalog.incident_event e
    SET seen_snapshot = format('%1$s:%1$s:', pgslo_catalog.full_number(e.xmin, newest))::pg_snapshot
    WHERE pg_snapshot_xmax(e.seen_snapshot) > newest;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.renumber_restored() IS
    'Renumber restored records of a cluster that had counted further, with numbers that this one has passed.';
