-- How much a writer can make pgslo keep.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.measure_quarantine(definition_id bigint) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.quarantine_size AS s (definition_id, bytes, up_to)
    SELECT measure_quarantine.definition_id, coalesce(sum(q.bytes), 0), coalesce(max(q.quarantine_id), 0)
    FROM pgslo_catalog.quarantine q
    WHERE q.definition_id = measure_quarantine.definition_id AND q.state = 'held'
    ON CONFLICT ON CONSTRAINT quarantine_size_is_kept_once
    DO UPDATE SET bytes = excluded.bytes, up_to = excluded.up_to, measured_at = clock_timestamp()
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measure_quarantine(bigint) IS 'Sum the bytes of a definition''s rows in quarantine.';

CREATE OR REPLACE FUNCTION pgslo_catalog.measure_quarantines() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measure_quarantines() IS 'Sum the bytes in quarantine of each definition that has new rows there.';

CREATE OR REPLACE FUNCTION pgslo_catalog.bound_quarantine() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
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
    -- A subscription would stop for good. Rows diverted on a shard have nowhere else to go, and no trigger brings them here.
    -- drift reports a quarantine beyond its bound.
    IF NEW.total > target.max_bytes AND NOT pgslo_catalog.is_replica() AND pg_trigger_depth() > 1 THEN
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.bound_quarantine() IS 'Reject a row that exceeds its definition''s quarantine, and cut its texts.';

-- Not for rows that a restore writes: they have their size.
CREATE OR REPLACE TRIGGER bound_quarantine BEFORE INSERT ON pgslo_catalog.quarantine
FOR EACH ROW WHEN (NEW.bytes IS NULL) EXECUTE FUNCTION pgslo_catalog.bound_quarantine();

CREATE OR REPLACE FUNCTION pgslo_catalog.cut_texts() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.cut_texts() IS 'Cut texts of a new row that exceed pgslo''s limits.';

CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.repair
FOR EACH ROW WHEN (length(NEW.row_key) > 1000 OR length(NEW.old_value) > 8000 OR length(NEW.new_value) > 8000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('row_key', '1000', 'old_value', '8000', 'new_value', '8000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.sample
FOR EACH ROW WHEN (length(NEW.row_key) > 1000 OR length(NEW.shown) > 1000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('row_key', '1000', 'shown', '1000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.rule_break
FOR EACH ROW WHEN (length(NEW.error_message) > 1000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('error_message', '1000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.verdict
FOR EACH ROW WHEN (length(NEW.said) > 2000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('said', '2000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.broken_group
FOR EACH ROW WHEN (length(NEW.group_shown) > 1000 OR length(NEW.said) > 2000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('group_shown', '1000', 'said', '2000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.delivery
FOR EACH ROW WHEN (length(NEW.error) > 1000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('error', '1000');
CREATE OR REPLACE TRIGGER cut_texts BEFORE INSERT OR UPDATE ON pgslo_catalog.task_run
FOR EACH ROW WHEN (length(NEW.host) > 255 OR length(NEW.output) > 10000)
EXECUTE FUNCTION pgslo_catalog.cut_texts('host', '255', 'output', '10000');
-- Also where session_replication_role is replica: a subscription writes there.
ALTER TABLE pgslo_catalog.quarantine ENABLE ALWAYS TRIGGER bound_quarantine;
ALTER TABLE pgslo_catalog.repair ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.sample ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.rule_break ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.verdict ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.broken_group ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.delivery ENABLE ALWAYS TRIGGER cut_texts;
ALTER TABLE pgslo_catalog.task_run ENABLE ALWAYS TRIGGER cut_texts;

CREATE OR REPLACE VIEW pgslo.quarantine_size WITH (security_barrier) AS
SELECT d.name AS definition, coalesce(newest.total, s.bytes, 0) AS bytes, d.max_bytes,
       coalesce(newest.total, s.bytes, 0)::numeric / d.max_bytes AS fraction
FROM pgslo_catalog.known_definition d
LEFT JOIN pgslo_catalog.quarantine_size s USING (definition_id)
LEFT JOIN LATERAL (
    SELECT q.total
    FROM pgslo_catalog.quarantine q
    WHERE q.definition_id = d.definition_id AND q.state = 'held' AND q.quarantine_id > coalesce(s.up_to, 0)
    ORDER BY q.quarantine_id DESC
    LIMIT 1
) newest ON true;
COMMENT ON VIEW pgslo.quarantine_size IS 'How much waits in quarantine of each definition, and how much may.';
