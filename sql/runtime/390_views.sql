-- The state as people ask for it. Those that may hold personal data are readable by the owner alone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo_catalog.stored_batch AS
SELECT m.missed_id, m.definition_id, m.rule_id, m.batch, m.place, m.missed_at,
       -- One that no tick() has joined yet: the incident that was open then, else the last one.
       coalesce(m.incident_id, (
           SELECT i.incident_id FROM pgslo_catalog.incident i
           WHERE i.rule_id = m.rule_id
           ORDER BY coalesce(i.resolution IN ('false_alarm', 'retired'), false), i.opened_place <= m.place AND m.place < coalesce(i.over_place, 'Infinity') DESC,
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

CREATE OR REPLACE VIEW pgslo.incident WITH (security_barrier) AS
SELECT i.incident_id, d.name AS definition, r.name AS rule, r.kind, r.columns, r.promise, r.on_breach,
       coalesce(r.owner, d.owner) AS owner, i.opened_at, i.opened_batch,
       CASE WHEN i.over_at IS NULL THEN 'open' WHEN i.resolved_at IS NULL THEN 'over' ELSE 'resolved' END AS state,
       i.over_at, i.over_batch, i.resolved_at, i.resolution,
       coalesce(s.batches, 0) AS missed_batches, s.rows AS missed_rows, s.said AS stored, s.names AS missed,
       (SELECT min(p.incident_id) FROM pgslo_catalog.incident p WHERE p.definition_id = i.definition_id AND p.opened_batch = i.opened_batch) AS page,
       i.acknowledged_at, i.acknowledged_by, greatest(i.muted_until, r.muted_until) AS muted_until, i.resolved_by, i.note,
       i.writer, i.application, i.written_at, r.scope, CASE WHEN i.is_suspect THEN 'suspect' ELSE 'missed' END AS tier
FROM pgslo_catalog.incident i
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id)
LEFT JOIN LATERAL (
    SELECT w.* FROM pgslo_catalog.stored w WHERE i.resolved_at IS NULL AND w.rule_id = i.rule_id AND w.incident_id = i.incident_id
) s ON true
-- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
WHERE i.opened_by_tick OR i.over_at IS NOT NULL
   OR NOT EXISTS (SELECT FROM pgslo_catalog.incident k WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id AND k.over_at IS NULL AND k.opened_by_tick);
COMMENT ON VIEW pgslo.incident IS 'Runs of batches that missed a rule: open, over while missed batches are stored, or resolved. Of those whose tier is suspect, nobody is notified.';

CREATE OR REPLACE VIEW pgslo.rule WITH (security_barrier) AS
SELECT d.name AS definition, r.name AS rule, r.kind, r.columns, r.on_breach, r.mechanism, r.promise, coalesce(r.owner, d.owner) AS owner,
       r.description, r.tags, r.retired_at,
       (SELECT coalesce('not evaluated for batch ' || b.batch || ': ', '') || pgslo_catalog.break_said(b, current_user)
        FROM pgslo_catalog.rule_break b WHERE b.rule_id = r.rule_id ORDER BY b.batch IS NOT NULL, b.rule_break_id LIMIT 1) AS broken,
       r.muted_until, r.muted_at, r.muted_by
FROM pgslo_catalog.rule r JOIN pgslo_catalog.known_definition d USING (definition_id);
COMMENT ON VIEW pgslo.rule IS 'What is promised, how it is enforced, and whether it can be judged.';

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
       CASE WHEN k.rule_id IS NOT NULL AND v.verdict = 'missed' THEN CASE WHEN r.kind = 'learned' AND v.score < 2 THEN 'suspect' ELSE 'missed' END END AS tier
FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.known_definition d ON d.definition_id = v.definition_id
LEFT JOIN readable k ON k.rule_id = v.rule_id;
COMMENT ON VIEW pgslo.verdict IS 'Whether each batch met each rule about batches; figures only for roles that may read the columns that are measured.';

CREATE OR REPLACE VIEW pgslo.status WITH (security_barrier) AS
SELECT d.name AS definition, d.owner, d.writes,
       (SELECT count(*) FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.kind <> 'learned') AS rules,
       (SELECT count(DISTINCT i.rule_id) FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.over_at IS NULL) AS open_incidents,
       (SELECT count(DISTINCT coalesce(b.rule_id, 0)) FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id) WHERE b.definition_id = d.definition_id AND r.retired_at IS NULL) AS broken_rules,
       (SELECT count(*) FROM pgslo_catalog.quarantine q WHERE q.definition_id = d.definition_id AND q.state = 'held') AS quarantined_rows,
       CASE WHEN d.schema_wanted IS NOT NULL THEN pgslo_catalog.schema_difference(d.relation, d.schema_wanted) END AS schema_difference,
       (SELECT f.written_at FROM pgslo_catalog.fragment f WHERE f.definition_id = d.definition_id AND (d.place_is_number OR f.place <= extract(epoch FROM clock_timestamp()) + 32 * 86400)
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
       (SELECT count(*) FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.over_at IS NOT NULL AND i.resolved_at IS NULL) AS over_incidents,
       (SELECT count(DISTINCT m.batch) FROM pgslo_catalog.missed_batch m WHERE m.definition = d.name AND m.ended_at IS NULL) AS missed_batches,
       (SELECT count(DISTINCT i.rule_id) FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.over_at IS NULL AND i.is_suspect) AS suspect_incidents
FROM pgslo_catalog.known_definition d;
COMMENT ON VIEW pgslo.status IS 'One line for every defined table.';

CREATE OR REPLACE VIEW pgslo.quarantine AS
SELECT q.quarantine_id, d.name AS definition, q.row_key, q.operation, q.reasons, q.image, q.writer, q.application, q.written_at, q.state, q.decided_at, q.decided_by, q.changes, q.old_key
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
               -- Whoever ended it has seen these rows.
               OR m.ended_at IS NOT NULL AND NOT s.is_stored AND pg_visible_in_snapshot(f.xid, m.seen_snapshot)))
    GROUP BY r.rule_id, f.batch
    ORDER BY min(f.place);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.news(xid8, bigint[]) IS
    'Return batches with failing rows that no missed batch stands for, of transactions since one, or in some fragments. is_plain: such rows violate the rule, whatever else was written.';

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
    'Record what is missed by fragments before they are added up, after which nobody knows which transactions wrote them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_being_accepted(definition_id bigint, batch text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
        INSERT INTO pgslo_catalog.watermark AS w (consumer, seen, looked_at) VALUES ('tick', horizon, clock_timestamp())
        ON CONFLICT (consumer) DO UPDATE SET seen = excluded.seen, looked_at = excluded.looked_at;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_left_over() IS
    'Open the incidents of committed rows that have none: a writer left them to another one, which rolled back or has not ended, or they were committed while a steward accepted their batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.can_find_batches(definition pgslo_catalog.definition) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.can_find_batches(pgslo_catalog.definition) IS 'Whether a table''s batches can be looked up by an index, or it is small.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_batch(definition pgslo_catalog.definition, up_to numeric DEFAULT 'Infinity', OUT name text, OUT place numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As the functions that write batches down evaluate an author's expression.
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET gin_fuzzy_search_limit = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_numeric = 'C'
SET lc_monetary = 'C'
SET lc_time = 'C'
SET transform_null_equals = off
AS $pgslo$
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
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_batch(pgslo_catalog.definition, numeric) IS 'The newest batch of a streamed table, or the newest of those up to a place.';

CREATE OR REPLACE FUNCTION pgslo.version() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    SELECT r.version FROM pgslo_catalog.runtime r
$pgslo$;
COMMENT ON FUNCTION pgslo.version() IS 'Version of the library that installed this runtime.';
