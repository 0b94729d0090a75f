-- Batches that may close: nothing was written to them for long enough, or a later one began.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE WHEN follow_until.at_once IS NULL THEN clock_timestamp() + interval '1 second' ELSE 'infinity' END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_until(text) IS
    'Return the time at which tick() continues with the next definition; a batch requested by name has no limit.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_settled(definition pgslo_catalog.definition, place numeric, last_written_at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    settle interval := (has_settled.definition).settle;
    span interval := (has_settled.definition).batch_every;
BEGIN
    -- An hour or a day of the clock is not over before its end, however long nothing came. One in the future is no such span.
    RETURN has_settled.last_written_at + settle < clock_timestamp()
        AND coalesce(extract(epoch FROM clock_timestamp()) NOT BETWEEN has_settled.place AND has_settled.place + extract(epoch FROM span + settle), true);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_settled(pgslo_catalog.definition, numeric, timestamptz) IS
    'Whether a batch is complete: its span is over, and nothing was written to it for as long as settle says.';

CREATE OR REPLACE FUNCTION pgslo_catalog.due_batches(definition pgslo_catalog.definition, at_once text)
RETURNS TABLE (name text, place numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.due_batches(pgslo_catalog.definition, text) IS
    'Return the open batches of a loaded table that are to be closed: a later one began, or they settled; also the one that is named, or all for *.';
