-- How many records of repairs are kept.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.bound_repairs() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    measured pgslo_catalog.repair_size;
    newest record;
    total bigint;
BEGIN
    SELECT s.* INTO measured FROM pgslo_catalog.repair_size s WHERE s.definition_id = NEW.definition_id;
    -- The newest record that this transaction sees knows the total until then: no record is summed, and no counter is shared.
    SELECT r.total, r.is_left_out INTO newest
    FROM pgslo_catalog.repair r
    WHERE r.definition_id = NEW.definition_id AND r.repair_id > coalesce(measured.up_to, 0)
    ORDER BY r.repair_id DESC
    LIMIT 1;
    -- The value is repaired all the same. To remove old records is left to tick(): a writer would wait for others that do it.
    IF newest.is_left_out THEN
        RETURN NULL;
    END IF;
    total := coalesce(newest.total, measured.bytes, 0);
    IF total >= (SELECT d.max_bytes FROM pgslo_catalog.definition d WHERE d.definition_id = NEW.definition_id) THEN
        NEW.is_left_out := true;
        NEW.row_key := '';
        NEW.old_value := NULL;
        NEW.new_value := NULL;
    END IF;
    NEW.bytes := pg_column_size(NEW);
    NEW.total := total + NEW.bytes;
    RETURN NEW;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.bound_repairs() IS 'Leave out a record of a repair that exceeds its definition''s bound, and note that.';

-- By its name after the triggers that cut texts and leave out what a publisher sends. Not for what a restore writes.
CREATE OR REPLACE TRIGGER within_bound BEFORE INSERT ON pgslo_catalog.repair
FOR EACH ROW WHEN (NEW.bytes IS NULL) EXECUTE FUNCTION pgslo_catalog.bound_repairs();
-- Also where session_replication_role is replica: a subscription writes there.
ALTER TABLE pgslo_catalog.repair ENABLE ALWAYS TRIGGER within_bound;

CREATE OR REPLACE FUNCTION pgslo_catalog.remove_old_repairs(definition pgslo_catalog.definition) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (remove_old_repairs.definition).definition_id;
    max_bytes bigint := (remove_old_repairs.definition).max_bytes;
    -- Room for the next ones.
    wanted bigint := max_bytes - max_bytes / 4;
    until timestamptz := clock_timestamp() + interval '1 second';
    size pgslo_catalog.repair_size;
    newest bigint := (
        SELECT r.repair_id FROM pgslo_catalog.repair r
        WHERE r.definition_id = (remove_old_repairs.definition).definition_id ORDER BY r.repair_id DESC LIMIT 1);
    is_whole boolean;
    new record;
    removed_bytes bigint := 0;
    removed_until timestamptz;
BEGIN
    SELECT s.* INTO size FROM pgslo_catalog.repair_size s WHERE s.definition_id = id;
    -- All of them once an hour, for transactions that were open then.
    is_whole := size.definition_id IS NULL OR newest IS NULL OR newest < size.up_to
        OR size.measured_at < clock_timestamp() - interval '1 hour';
    IF coalesce(newest, 0) = coalesce(size.up_to, 0) AND coalesce(size.bytes, 0) < max_bytes
        AND NOT (is_whole AND coalesce(size.bytes, 0) > 0)
    THEN
        RETURN false;
    END IF;
    SELECT coalesce(sum(coalesce(r.bytes, pg_column_size(r))), 0)::bigint AS bytes, coalesce(max(r.repair_id), 0) AS up_to,
           max(r.written_at) FILTER (WHERE r.is_left_out) AS left_out_at
    INTO new
    FROM pgslo_catalog.repair r
    WHERE r.definition_id = id AND r.repair_id > CASE WHEN is_whole THEN 0 ELSE size.up_to END;
    size.bytes := new.bytes + CASE WHEN is_whole THEN 0 ELSE size.bytes END;
    size.up_to := CASE WHEN is_whole THEN new.up_to ELSE greatest(new.up_to, size.up_to) END;
    size.left_out_at := greatest(size.left_out_at, new.left_out_at);
    IF size.bytes >= max_bytes THEN
        LOOP
            WITH oldest AS MATERIALIZED (
                SELECT r.repair_id, coalesce(r.bytes, pg_column_size(r)) AS bytes
                FROM pgslo_catalog.repair r
                WHERE r.definition_id = id AND r.repair_id <= size.up_to
                ORDER BY r.repair_id
                LIMIT 5000
                FOR UPDATE SKIP LOCKED
            ), too_much AS MATERIALIZED (
                SELECT o.repair_id, o.bytes, sum(o.bytes) OVER (ORDER BY o.repair_id) - o.bytes AS before FROM oldest o
            ), removed AS (
                DELETE FROM pgslo_catalog.repair r
                WHERE r.repair_id IN (SELECT t.repair_id FROM too_much t WHERE t.before < size.bytes - wanted)
                RETURNING r.repair_id, r.written_at
            )
            SELECT coalesce(sum(t.bytes), 0)::bigint, max(r.written_at) INTO removed_bytes, removed_until
            FROM removed r JOIN too_much t USING (repair_id);
            size.bytes := size.bytes - removed_bytes;
            size.removed_until := greatest(size.removed_until, removed_until);
            EXIT WHEN removed_bytes = 0 OR size.bytes <= wanted OR clock_timestamp() > until;
        END LOOP;
    END IF;
    INSERT INTO pgslo_catalog.repair_size AS s (definition_id, bytes, up_to, removed_until, left_out_at)
    VALUES (id, size.bytes, size.up_to, size.removed_until, size.left_out_at)
    ON CONFLICT ON CONSTRAINT repair_size_is_kept_once DO UPDATE
        SET bytes = excluded.bytes, up_to = excluded.up_to, removed_until = excluded.removed_until, left_out_at = excluded.left_out_at,
            measured_at = CASE WHEN is_whole THEN excluded.measured_at ELSE s.measured_at END;
    RETURN size.bytes >= max_bytes AND removed_bytes > 0;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.remove_old_repairs(pgslo_catalog.definition) IS
    'Remove the oldest records of repairs of a definition once they reach its bound, for about a second, and return whether more of them have to go.';

CREATE OR REPLACE VIEW pgslo.repair_size WITH (security_barrier) AS
SELECT d.name AS definition, coalesce(newest.total, s.bytes, 0) AS bytes, d.max_bytes, s.removed_until,
       greatest(s.left_out_at, newest.written_at) AS left_out_at
FROM pgslo_catalog.known_definition d
LEFT JOIN pgslo_catalog.repair_size s USING (definition_id)
LEFT JOIN LATERAL (
    SELECT r.total, CASE WHEN r.is_left_out THEN r.written_at END AS written_at
    FROM pgslo_catalog.repair r
    WHERE r.definition_id = d.definition_id AND r.repair_id > coalesce(s.up_to, 0)
    ORDER BY r.repair_id DESC
    LIMIT 1
) newest ON true;
COMMENT ON VIEW pgslo.repair_size IS
    'How much is kept of the repairs of each definition, and how much may be; until when older records were removed, '
    'and since when repairs were last not recorded.';
