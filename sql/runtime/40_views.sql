-- The state as people ask for it. Those that may hold personal data are readable by the owner alone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo.incident AS
SELECT i.incident_id, d.name AS definition, r.name AS rule, r.kind, r.columns, r.promise, r.on_breach,
       coalesce(r.owner, d.owner) AS owner, i.opened_at, i.opened_batch, i.resolved_at, i.resolved_batch, i.resolution
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id);
COMMENT ON VIEW pgslo.incident IS 'Runs of batches that missed a rule, open and resolved.';

CREATE OR REPLACE VIEW pgslo.rule AS
SELECT d.name AS definition, r.name AS rule, r.kind, r.columns, r.on_breach, r.mechanism, r.promise, coalesce(r.owner, d.owner) AS owner,
       r.description, r.tags, r.retired_at,
       (SELECT b.error_message FROM pgslo_catalog.rule_break b WHERE b.rule_id = r.rule_id) AS broken
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.rule IS 'What is promised, how it is enforced, and whether it can be judged.';

CREATE OR REPLACE VIEW pgslo.status AS
SELECT d.name AS definition, d.owner, d.writes,
       (SELECT count(*) FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL) AS rules,
       (SELECT count(*) FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.resolved_at IS NULL) AS open_incidents,
       (SELECT count(*) FROM pgslo_catalog.rule_break b JOIN pgslo_catalog.rule r USING (rule_id) WHERE b.definition_id = d.definition_id AND r.retired_at IS NULL) AS broken_rules,
       (SELECT count(*) FROM pgslo_catalog.quarantine q WHERE q.definition_id = d.definition_id AND q.state = 'held') AS quarantined_rows,
       CASE WHEN d.schema_wanted IS NOT NULL THEN pgslo_catalog.schema_difference(d.relation, d.schema_wanted) END AS schema_difference,
       (SELECT f.written_at FROM pgslo_catalog.fragment f WHERE f.definition_id = d.definition_id ORDER BY f.place DESC, f.fragment_id DESC LIMIT 1) AS last_recorded_at
FROM pgslo_catalog.definition d;
COMMENT ON VIEW pgslo.status IS 'One line for every defined table.';

CREATE OR REPLACE VIEW pgslo.quarantine AS
SELECT q.quarantine_id, d.name AS definition, q.row_key, q.operation, q.reasons, q.image, q.writer, q.application, q.written_at, q.state, q.decided_at, q.decided_by
FROM pgslo_catalog.quarantine q JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.quarantine IS 'Rows kept out of their tables. May hold personal data.';

CREATE OR REPLACE VIEW pgslo.sample AS
SELECT d.name AS definition, r.name AS rule, s.batch, s.row_key, s.shown, s.written_at
FROM pgslo_catalog.sample s JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.sample IS 'Keys and values of some failing rows. May hold personal data.';

CREATE OR REPLACE VIEW pgslo.repair AS
SELECT r.repair_id, d.name AS definition, r.rule_name AS rule, r.column_name, r.row_key, r.old_value, r.new_value, r.writer, r.written_at
FROM pgslo_catalog.repair r JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.repair IS 'Values that were repaired, with what they were. May hold personal data.';

CREATE OR REPLACE FUNCTION pgslo.tick() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open record;
    newest numeric;
BEGIN
    -- A bulk-loaded table's own writes resolve its incidents; a streamed table writes nothing down for rows that pass.
    FOR open IN
        SELECT i, r, d.name, d.relation, d.batch_by, d.batch_every
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.definition d USING (definition_id) JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.resolved_at IS NULL AND d.writes = 'stream'
    LOOP
        IF open.batch_by IS NULL THEN
            -- Batches of the clock: the newest that is over.
            newest := extract(epoch FROM date_bin(open.batch_every, clock_timestamp() - open.batch_every, timestamptz '2001-01-01 00:00:00+00'));
        ELSE
            EXECUTE format('SELECT max(%s) FROM %s AS r', open.batch_by, open.relation) INTO newest;
        END IF;
        IF newest > pgslo_catalog.last_missed(open.i, open.r) THEN
            PERFORM pgslo_catalog.resolve_incident(open.r, 'place ' || newest, newest);
        END IF;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.tick() IS 'Resolves incidents of streamed tables whose later batches met the rule. Run it every minute, for example from pg_cron.';

CREATE OR REPLACE FUNCTION pgslo.version() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT r.version FROM pgslo_catalog.runtime r
$pgslo$;
COMMENT ON FUNCTION pgslo.version() IS 'Version of the library that installed this runtime.';
