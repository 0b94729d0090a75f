-- A rule that could not be judged is not a rule that was met: rows to be judged later.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_unjudged(
    definition text, rules text[], error_code text, later boolean
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
BEGIN
    RAISE WARNING USING
        ERRCODE = '01SL2',
        MESSAGE = CASE WHEN warn_unjudged.rules = '{}'
            THEN format('rows written to %s were not recorded', warn_unjudged.definition)
            ELSE format('rows written to %s were not judged by %s', warn_unjudged.definition,
                        array_to_string(warn_unjudged.rules, ', '))
        END,
        DETAIL = format('The rows were stored. SQLSTATE %s.', warn_unjudged.error_code),
        HINT = CASE WHEN warn_unjudged.later
            THEN 'Readers are warned until pgslo.tick() has judged them.'
            ELSE 'SELECT * FROM pgslo.status;'
        END,
        SCHEMA = split_part(warn_unjudged.definition, '.', 1),
        TABLE = substr(warn_unjudged.definition, strpos(warn_unjudged.definition, '.') + 1),
        CONSTRAINT = coalesce(warn_unjudged.rules[1], '');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.warn_unjudged(text, text[], text, boolean) IS
    'Warn the writer that rows were stored without a verdict; without rules, that they were not recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mark_unjudged(
    definition text, rules text[], batches text[], places numeric[], error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Never left out because there is one already: that of another transaction says nothing of these rows.
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT d.definition_id, r.rule_id, mark_unjudged.error_code, left(mark_unjudged.error_message, 1000),
           pgslo_catalog.error_said(false, mark_unjudged.error_code, mark_unjudged.error_message),
           b.name, coalesce(b.place, pgslo_catalog.arrival(d.definition_id, b.name))
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = ANY (mark_unjudged.rules)
    CROSS JOIN (
        SELECT u.name, min(u.place) AS place
        FROM unnest(mark_unjudged.batches, mark_unjudged.places) AS u (name, place)
        GROUP BY u.name
    ) b
    WHERE d.name = mark_unjudged.definition;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mark_unjudged(text, text[], text[], numeric[], text, text) IS
    'Note that rows of these batches are not judged by these rules.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_unjudged(
    definition text, rules text[], batches text[], places numeric[], error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    noted boolean := true;
BEGIN
    -- Not of the value, or the row would fail: a rule that rejects must not be passed by a session whose stack is full.
    IF record_unjudged.error_code = '54001' AND NOT pgslo_catalog.is_replica() AND EXISTS (
        SELECT FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = record_unjudged.definition AND r.name = ANY (record_unjudged.rules) AND r.scope = 'row'
          AND (r.on_breach = 'reject' OR r.reject_low IS NOT NULL))
    THEN
        PERFORM pgslo_catalog.refuse_unrecorded(record_unjudged.definition, record_unjudged.error_code);
    END IF;
    BEGIN
        PERFORM pgslo_catalog.mark_unjudged(record_unjudged.definition, record_unjudged.rules, record_unjudged.batches,
            record_unjudged.places, record_unjudged.error_code, record_unjudged.error_message);
    EXCEPTION WHEN OTHERS THEN
        -- No role but this writer would know of the rows.
        IF pgslo_catalog.is_transient(SQLSTATE) THEN
            PERFORM pgslo_catalog.refuse_unrecorded(record_unjudged.definition, SQLSTATE);
        END IF;
        noted := false;
    END;
    PERFORM pgslo_catalog.warn_unjudged(record_unjudged.definition, record_unjudged.rules, record_unjudged.error_code,
        noted AND (SELECT d.judge IS NOT NULL FROM pgslo_catalog.definition d WHERE d.name = record_unjudged.definition));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_unjudged(text, text[], text[], numeric[], text, text) IS
    'Note that rows of these batches are not judged by these rules, and warn the writer; fail the write where an error of the moment prevents that note.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mark_taken(
    definition text, rules text[], batches text[], places numeric[], error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Rows written to a table whose columns differ from those of its rules record that.
    IF NOT pgslo_catalog.is_of_moved_schema(mark_taken.error_code) THEN
        PERFORM pgslo_catalog.mark_unjudged(mark_taken.definition,
            ARRAY(
                SELECT r.name FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
                WHERE d.name = mark_taken.definition AND r.name = ANY (mark_taken.rules)
                  AND r.on_breach IN ('warn', 'flag') AND r.retired_at IS NULL),
            mark_taken.batches, mark_taken.places, mark_taken.error_code, mark_taken.error_message);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mark_taken(text, text[], text[], numeric[], text, text) IS
    'Note that it is not known which of the rows that a statement removed from these batches failed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_failing(
    definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric, is_exact boolean,
    OUT rows bigint, OUT failed bigint, OUT recorded bigint, OUT is_judged boolean, OUT seen pg_snapshot
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- One who holds a lock on a table that rules look rows up in must not keep tick() waiting.
SET lock_timeout = '1s'
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.pin_table(count_failing.definition, (count_failing.definition).judge);
    PERFORM pgslo_catalog.forget_plans(TRUE);
    -- One statement, so one snapshot: the rows that it counts are those whose fragments and notes it sees.
    EXECUTE format(
        $query$
        WITH counted AS MATERIALIZED (
            SELECT c.rows, c.failed FROM pgslo_gen.%I($1, $2) AS c
        ), known AS MATERIALIZED (
            SELECT coalesce(sum(f.rows), 0)::bigint AS rows, coalesce(sum((f.failures ->> $2)::bigint), 0) AS failed
            FROM pgslo_catalog.fragment f WHERE f.definition_id = $3 AND f.batch = $1
        ), judged AS MATERIALIZED (
            -- Fewer rows than were recorded: the name of the batch does not find them.
            SELECT CASE WHEN $4 = 'bulk' OR $7 THEN c.failed ELSE greatest(c.failed, k.failed) END - k.failed AS more
            FROM counted c CROSS JOIN known k
            WHERE (c.rows >= k.rows OR $4 <> 'bulk' AND (c.rows > 0 OR $7))
              -- Rows whose batch could not be named are in no batch of that name.
              AND ($1 <> 'unknown' OR c.rows > 0)
        ), gone AS (
            DELETE FROM pgslo_catalog.rule_break b USING judged
            WHERE b.definition_id = $3 AND b.rule_id = $5 AND b.batch = $1
        ), written AS (
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT $3, $1, $6, 0, jsonb_build_object($2, j.more) FROM judged j WHERE j.more <> 0
        )
        SELECT c.rows, c.failed, k.rows, j.more IS NOT NULL, pg_current_snapshot()
        FROM counted c CROSS JOIN known k LEFT JOIN judged j ON true
        $query$, (count_failing.definition).judge)
    INTO rows, failed, recorded, is_judged, seen
    USING count_failing.batch, (count_failing.rule).name, (count_failing.definition).definition_id,
        (count_failing.definition).writes, (count_failing.rule).rule_id, count_failing.place, count_failing.is_exact;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_failing(pgslo_catalog.definition, pgslo_catalog.rule, text, numeric, boolean) IS
    'Count the rows of a batch that fail a rule from the table, and record the difference to the record. '
    'is_exact: also of a streamed table where they are fewer. is_judged: false if its rows are not found; rows is '
    'NULL if the table''s function does not know the rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_rows(
    definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, place numeric
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_judged boolean := (
        SELECT c.is_judged
        FROM pgslo_catalog.count_failing(judge_rows.definition, judge_rows.rule, judge_rows.batch, judge_rows.place, false) AS c);
BEGIN
    -- Missed batches did not end while it was not known which rows fail; those of an unknown batch may be of any.
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE is_judged AND m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.rule_id = (judge_rows.rule).rule_id AND judge_rows.batch IN (u.batch, 'unknown')
          AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED);
    IF is_judged AND pgslo_catalog.batch_is_missed(judge_rows.rule, judge_rows.batch) THEN
        PERFORM pgslo_catalog.open_incident(judge_rows.rule, judge_rows.batch, judge_rows.place, true);
        PERFORM pgslo_catalog.record_missed(judge_rows.rule, judge_rows.batch, judge_rows.place);
    END IF;
    RETURN coalesce(is_judged, false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_rows(pgslo_catalog.definition, pgslo_catalog.rule, text, numeric) IS
    'Judge a batch by a rule about rows, from the table, and open its incident; false if its rows are not found.';

CREATE OR REPLACE FUNCTION pgslo_catalog.note_overdrawn(definition_id bigint, batch text, parts bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Usually a batch has no such row. A row that fails when it is removed may have passed, or been unrecorded, when it was written.
    IF note_overdrawn.batch = 'unknown' OR NOT EXISTS (
        SELECT FROM pgslo_catalog.fragment f
        WHERE f.fragment_id = ANY (note_overdrawn.parts) AND f.failures IS NOT NULL
          AND EXISTS (SELECT FROM jsonb_each_text(f.failures) AS e WHERE e.value::bigint < 0))
    THEN
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT d.definition_id, r.rule_id, '55000', n.said, n.said, note_overdrawn.batch, s.place
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r USING (definition_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((f.failures ->> r.name)::bigint), 0)::bigint AS failed, sum(f.rows)::bigint AS rows, min(f.place) AS place,
               coalesce(bool_or((f.failures ->> r.name)::bigint < 0), false) AS is_taken
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (note_overdrawn.parts)
    ) AS s
    CROSS JOIN (SELECT 'failing rows were removed that may not have been recorded' AS said) AS n
    WHERE d.definition_id = note_overdrawn.definition_id AND d.judge IS NOT NULL
      AND r.scope = 'row' AND r.mechanism LIKE '% trigger' AND r.on_breach IN ('warn', 'flag') AND r.retired_at IS NULL
      -- One row that fails a rule without a share or a number is recorded when it is written, whatever the sum is.
      AND (s.failed < 0
           OR s.is_taken AND num_nonnulls(r.at_least, r.at_most) > 0 AND NOT pgslo_catalog.is_missed(r, s.rows, s.failed));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_overdrawn(bigint, text, bigint[]) IS
    'Have rules judge a batch from the table whose sum of failing rows, in these fragments, may be less than is stored.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_unjudged(
    definition pgslo_catalog.definition, until timestamptz
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (judge_unjudged.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(judge_unjudged.definition);
    rule_ids bigint[];
    batches text[];
    places numeric[];
    rule pgslo_catalog.rule;
BEGIN
    SELECT array_agg(w.rule_id), array_agg(w.batch), array_agg(w.place) INTO rule_ids, batches, places
    FROM (
        SELECT r.rule_id, b.batch, min(b.place) AS place
        FROM pgslo_catalog.rule_break b JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id
        WHERE b.definition_id = id AND b.batch IS NOT NULL AND r.retired_at IS NULL AND r.scope <> 'assertion'
          -- A batch for which an expression raises an error is evaluated again once its rows change.
          AND (r.scope = 'row' OR pgslo_catalog.is_transient(b.error_code))
          -- A batch that has to be counted is evaluated after that, as its rows are not known before.
          AND NOT EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = b.batch)
        GROUP BY r.rule_id, b.batch
        ORDER BY min(b.place) > last_place, min(b.place) DESC, min(b.rule_break_id)
    ) AS w;
    FOR n IN 1..coalesce(cardinality(batches), 0) LOOP
        EXIT WHEN clock_timestamp() > judge_unjudged.until;
        SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = rule_ids[n];
        IF rule.scope <> 'row' THEN
            DELETE FROM pgslo_catalog.rule_break b WHERE b.definition_id = id AND b.rule_id = rule.rule_id AND b.batch = batches[n];
            PERFORM pgslo_catalog.judge_batch(id, batches[n]);
            CONTINUE;
        END IF;
        CONTINUE WHEN (judge_unjudged.definition).judge IS NULL;
        BEGIN
            PERFORM pgslo_catalog.judge_rows(judge_unjudged.definition, rule, batches[n], places[n]);
        EXCEPTION WHEN OTHERS THEN
            -- The notes stay, and the next tick() tries again.
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.warn_unjudged((judge_unjudged.definition).name, ARRAY[rule.name], SQLSTATE, true);
                EXIT;
            END IF;
            PERFORM pgslo_catalog.record_break((judge_unjudged.definition).name, rule.name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_unjudged(pgslo_catalog.definition, timestamptz) IS
    'Evaluate rules for batches that are not judged yet, the newest first, those in the future last; the rest stays recorded for the next time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_unsampled(definition text, rule text, error_code text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
BEGIN
    RAISE WARNING USING
        ERRCODE = '01SL2',
        MESSAGE = format('failing rows of %s were counted, but not kept as samples of rule "%s"', warn_unsampled.definition, warn_unsampled.rule),
        DETAIL = format('SQLSTATE %s.', warn_unsampled.error_code),
        SCHEMA = split_part(warn_unsampled.definition, '.', 1),
        TABLE = substr(warn_unsampled.definition, strpos(warn_unsampled.definition, '.') + 1),
        CONSTRAINT = warn_unsampled.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.warn_unsampled(text, text, text) IS 'Warn the writer that no examples of failing rows were kept.';
