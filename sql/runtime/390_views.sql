-- The state as people ask for it. Those that may hold personal data are readable by the owner alone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo_catalog.stored_batch AS
SELECT m.missed_id, m.definition_id, m.rule_id, m.batch, m.place, m.missed_at,
       -- One that no tick() has joined yet: the incident that was open then, else the last one.
       coalesce(m.incident_id, (
           SELECT i.incident_id FROM pgslo_catalog.incident i
           WHERE i.rule_id = m.rule_id
           ORDER BY coalesce(i.resolution IN ('false_alarm', 'retired'), false),
           i.opened_place <= m.place AND m.place < coalesce(i.over_place, 'Infinity') DESC,
                    i.over_at IS NULL DESC, i.opened_by_tick DESC, i.incident_id DESC
           LIMIT 1)) AS incident_id,
       coalesce(CASE WHEN d.writes = 'bulk' THEN (
           SELECT sum(f.rows)::bigint FROM pgslo_catalog.fragment f WHERE f.definition_id = m.definition_id AND f.batch = m.batch) END,
           b.rows) AS rows
FROM pgslo_catalog.missed_batch m
JOIN pgslo_catalog.definition d ON d.definition_id = m.definition_id
LEFT JOIN pgslo_catalog.batch b ON b.definition_id = m.definition_id AND b.name = m.batch
WHERE m.ended_at IS NULL;
COMMENT ON VIEW pgslo_catalog.stored_batch IS 'Batches that miss a rule, with their incident and their rows.';

CREATE OR REPLACE VIEW pgslo_catalog.stored AS
SELECT s.rule_id, s.incident_id, count(*) AS batches, CASE WHEN count(s.rows) = count(*) THEN sum(s.rows)::bigint END AS rows,
       array_agg(s.batch ORDER BY s.place, s.batch) AS names,
       format('%s missed %s%s still stored', to_char(count(*), 'FM999,999,999,990'),
           CASE count(*) WHEN 1 THEN 'batch' ELSE 'batches' END,
           CASE WHEN count(s.rows) < count(*) THEN ''
                WHEN sum(s.rows) = 1 THEN ' with 1 row'
                ELSE format(' with %s rows', to_char(sum(s.rows), 'FM999,999,999,999,990')) END
           || CASE count(*) WHEN 1 THEN ' is' ELSE ' are' END) AS said
FROM (
    -- Two writers at once may have recorded a batch twice.
    SELECT DISTINCT ON (b.rule_id, b.incident_id, b.batch) b.* FROM pgslo_catalog.stored_batch b
    ORDER BY b.rule_id, b.incident_id, b.batch, b.missed_id
) s
GROUP BY s.rule_id, s.incident_id;
COMMENT ON VIEW pgslo_catalog.stored IS 'Batches that miss a rule, by incident, and in words.';

-- A column whose name the documentation calls deprecated stays where it is: docs/reference/deprecated.md.
CREATE OR REPLACE VIEW pgslo.incident WITH (security_barrier) AS
SELECT i.incident_id, d.name AS definition, r.name AS rule, r.kind, r.columns, r.promise, r.on_breach,
       coalesce(r.owner, d.owner) AS owner, i.opened_at, i.opened_batch,
       CASE WHEN i.over_at IS NULL THEN 'open' WHEN i.resolved_at IS NULL THEN 'over' ELSE 'resolved' END AS state,
       i.over_at, i.over_batch, i.resolved_at, i.resolution,
       coalesce(s.batches, 0) AS missed_batches, s.rows AS missed_rows, s.said AS stored, s.names AS missed,
       (SELECT min(p.incident_id) FROM pgslo_catalog.incident p WHERE p.definition_id = i.definition_id AND p.opened_batch = i.opened_batch) AS page,
       i.acknowledged_at, i.acknowledged_by, greatest(i.muted_until, r.muted_until) AS muted_until, i.resolved_by, i.note,
       i.writer, i.application, i.written_at, r.scope, CASE WHEN i.is_suspect THEN 'suspect' ELSE 'missed' END AS tier,
       r.promise AS summary
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id)
LEFT JOIN LATERAL (
    SELECT w.* FROM pgslo_catalog.stored w WHERE i.resolved_at IS NULL AND w.rule_id = i.rule_id AND w.incident_id = i.incident_id
) s ON true
-- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
WHERE i.opened_by_tick OR i.over_at IS NOT NULL
   OR NOT EXISTS (SELECT FROM pgslo_catalog.incident k
                  WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id AND k.over_at IS NULL AND k.opened_by_tick);
COMMENT ON VIEW pgslo.incident IS
    'Runs of batches that missed a rule: open, over while missed batches are stored, or resolved. No notification is sent of those whose tier is suspect.';

CREATE OR REPLACE VIEW pgslo.rule WITH (security_barrier) AS
SELECT d.name AS definition, r.name AS rule, r.kind, r.columns, r.on_breach, r.mechanism, r.promise, coalesce(r.owner, d.owner) AS owner,
       r.description, r.tags, r.retired_at,
       (SELECT coalesce('not evaluated for batch ' || b.batch || ': ', '') || pgslo_catalog.break_said(b, current_user)
        FROM pgslo_catalog.rule_break b WHERE b.rule_id = r.rule_id ORDER BY b.batch IS NOT NULL, b.rule_break_id LIMIT 1) AS broken,
       r.muted_until, r.muted_at, r.muted_by, r.promise AS summary
FROM pgslo_catalog.rule r JOIN pgslo_catalog.known_definition d USING (definition_id);
COMMENT ON VIEW pgslo.rule IS 'Rules, how they are enforced, and whether they can be evaluated.';

CREATE OR REPLACE VIEW pgslo.batch WITH (security_barrier) AS
SELECT d.name AS definition, b.name AS batch, b.rows, b.first_written_at, b.last_written_at, b.writer, b.application, b.closed_at, b.revision
FROM pgslo_catalog.batch b JOIN pgslo_catalog.known_definition d USING (definition_id);
COMMENT ON VIEW pgslo.batch IS 'Batches as tick() last added them up.';

CREATE OR REPLACE VIEW pgslo.verdict WITH (security_barrier) AS
WITH readable AS MATERIALIZED (SELECT k.rule_id FROM pgslo_catalog.readable_rule k)
SELECT d.name AS definition, v.batch, r.name AS rule, r.kind, r.columns, v.verdict,
       CASE WHEN k.rule_id IS NOT NULL THEN v.value END AS value, CASE WHEN k.rule_id IS NOT NULL THEN v.low END AS low,
       CASE WHEN k.rule_id IS NOT NULL THEN v.high END AS high, CASE WHEN k.rule_id IS NOT NULL THEN v.score END AS score,
       CASE WHEN k.rule_id IS NOT NULL THEN v.said END AS said, v.judged_at,
       -- As pgslo_catalog.missed_from() says, which readers may not call.
       CASE WHEN k.rule_id IS NOT NULL AND v.verdict = 'missed' THEN
           CASE WHEN r.kind IN ('learned', 'by_segment') AND v.score < 2 THEN 'suspect' ELSE 'missed' END END AS tier,
       CASE WHEN k.rule_id IS NOT NULL THEN v.said END AS detail
FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.known_definition d ON d.definition_id = v.definition_id
LEFT JOIN readable k ON k.rule_id = v.rule_id;
COMMENT ON VIEW pgslo.verdict IS 'Whether each batch met each rule about batches; figures only for roles that may read the columns that are measured.';

CREATE OR REPLACE VIEW pgslo.status WITH (security_barrier) AS
SELECT d.name AS definition, d.owner, d.writes,
       (SELECT count(*) FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.kind <> 'learned') AS rules,
       (SELECT count(DISTINCT i.rule_id) FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.over_at IS NULL) AS open_incidents,
       (SELECT count(DISTINCT coalesce(b.rule_id, 0)) FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE b.definition_id = d.definition_id AND r.retired_at IS NULL) AS broken_rules,
       (SELECT count(*) FROM pgslo_catalog.quarantine q WHERE q.definition_id = d.definition_id AND q.state = 'held') AS quarantined_rows,
       CASE WHEN d.schema_wanted IS NOT NULL THEN pgslo_catalog.schema_difference(d.relation, d.schema_wanted) END AS schema_difference,
       (SELECT f.written_at FROM pgslo_catalog.fragment f
        WHERE f.definition_id = d.definition_id AND (d.place_is_number OR f.place <= extract(epoch FROM clock_timestamp()) + 32 * 86400)
        ORDER BY f.place DESC, f.fragment_id DESC LIMIT 1) AS last_recorded_at,
       (SELECT count(*) FROM (
            -- Due for longer than a tick() that runs every minute would leave them.
            SELECT f.batch FROM pgslo_catalog.fragment f
            WHERE f.definition_id = d.definition_id AND d.writes = 'bulk' AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
            GROUP BY f.batch HAVING max(f.written_at) < clock_timestamp() - interval '2 minutes'
            UNION
            SELECT b.name FROM pgslo_catalog.batch b
            WHERE b.definition_id = d.definition_id AND d.writes = 'bulk' AND b.closed_at IS NULL AND b.rows > 0
              AND b.last_written_at < clock_timestamp() - d.settle - interval '2 minutes'
              AND extract(epoch FROM clock_timestamp() - interval '2 minutes')
                  NOT BETWEEN b.place AND b.place + extract(epoch FROM coalesce(d.batch_every, '0') + d.settle)) AS w) AS waiting_batches,
       (SELECT min(p.paused_at) FROM pgslo_catalog.pause p WHERE p.definition_id = d.definition_id AND p.resumed_at IS NULL) AS paused_at,
       (SELECT count(*) FROM pgslo_catalog.incident i
        WHERE i.definition_id = d.definition_id AND i.over_at IS NOT NULL AND i.resolved_at IS NULL) AS over_incidents,
       (SELECT count(DISTINCT m.batch) FROM pgslo_catalog.missed_batch m WHERE m.definition = d.name AND m.ended_at IS NULL) AS missed_batches,
       (SELECT count(DISTINCT i.rule_id) FROM pgslo_catalog.incident i
        WHERE i.definition_id = d.definition_id AND i.over_at IS NULL AND i.is_suspect) AS suspect_incidents,
       o.name AS settling_batch, o.settles_at
FROM pgslo_catalog.known_definition d
LEFT JOIN LATERAL (
    -- As pgslo_catalog.has_settled() has it. An hour or a day of the clock that is under way is left out: it is open for as long as it lasts.
    SELECT b.name, greatest(b.last_written_at, to_timestamp((b.place + span.seconds)::float8)) + d.settle AS settles_at
    FROM pgslo_catalog.batch b
    CROSS JOIN LATERAL (SELECT extract(epoch FROM d.batch_every) AS seconds) span
    WHERE b.definition_id = d.definition_id AND b.closed_at IS NULL AND b.rows > 0
      AND coalesce(extract(epoch FROM clock_timestamp()) > b.place + span.seconds, true)
    ORDER BY b.last_written_at DESC, b.name
    LIMIT 1
) o ON true;
COMMENT ON VIEW pgslo.status IS 'One line for every defined table.';

CREATE OR REPLACE VIEW pgslo.quarantine AS
SELECT q.quarantine_id, d.name AS definition, q.row_key, q.operation, q.reasons, q.image, q.writer, q.application, q.written_at, q.state, q.decided_at,
       q.decided_by, q.changes, q.old_key
FROM pgslo_catalog.quarantine q JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.quarantine IS 'Rows kept out of their tables. May hold personal data.';

CREATE OR REPLACE VIEW pgslo.sample AS
SELECT d.name AS definition, r.name AS rule, s.batch, s.row_key, s.shown, s.written_at, s.shown AS excerpt
FROM pgslo_catalog.sample s JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d USING (definition_id);
COMMENT ON VIEW pgslo.sample IS 'Keys and values of some failing rows. May hold personal data.';

CREATE OR REPLACE VIEW pgslo.repair AS
SELECT r.repair_id, d.name AS definition, r.rule_name AS rule, r.column_name, r.row_key, r.old_value, r.new_value, r.writer, r.written_at
FROM pgslo_catalog.repair r JOIN pgslo_catalog.definition d USING (definition_id)
WHERE NOT r.is_left_out;
COMMENT ON VIEW pgslo.repair IS 'Repaired values, with the original ones. May hold personal data.';

CREATE OR REPLACE FUNCTION pgslo.version() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    SELECT r.version FROM pgslo_catalog.runtime r
$pgslo$;
COMMENT ON FUNCTION pgslo.version() IS 'Return the version of the library that installed this runtime.';
