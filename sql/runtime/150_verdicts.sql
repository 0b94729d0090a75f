-- Verdicts of rules over a batch, or over the table by the clock.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_rule(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text := (judge_rule.definition).name;
    judged pgslo_catalog.batch := judge_rule.batch;
    held pgslo_catalog.rule := judge_rule.rule;
    found record;
    verdict text;
BEGIN
    DELETE FROM pgslo_catalog.rule_break b WHERE b.rule_id = held.rule_id AND b.batch = judged.name AND b.pause_id IS NULL;
    BEGIN
        IF held.measure ->> 'form' = 'segments' AND judged.rows > 0 AND judged.place > '-Infinity' THEN
            PERFORM pgslo_catalog.judge_segments(judge_rule.definition, judged, held);
        END IF;
        SELECT m.* INTO found FROM pgslo_catalog.measured(judge_rule.definition, judged, held) AS m;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'SL004' THEN
            RAISE;
        ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
            PERFORM pgslo_catalog.record_unjudged(name, ARRAY[held.name], ARRAY[judged.name], ARRAY[judged.place], SQLSTATE, SQLERRM);
            SELECT NULL::float8 AS value, NULL::bigint AS rows, 'it has not been judged yet' AS said, NULL::text AS example INTO found;
        ELSE
            PERFORM pgslo_catalog.record_break(name, held.name, SQLSTATE, SQLERRM);
            SELECT NULL::float8 AS value, NULL::bigint AS rows,
                   format('it can no longer be judged: %s', pgslo_catalog.error_said(false, SQLSTATE, SQLERRM)) AS said, SQLERRM AS example
            INTO found;
        END IF;
    END;
    IF found.value IS NULL AND judged.rows > 0
        AND (judged.name = 'unknown' AND judged.place = '-Infinity' OR pgslo_catalog.raising(judged, held.measure) > 0
             OR held.measure ->> 'form' = 'segments' AND pgslo_catalog.has_new_crowd(judged, held))
    THEN
        PERFORM pgslo_catalog.record_raising(name, held, judged, found.said);
    END IF;
    verdict := CASE
        WHEN found.value IS NULL OR found.value = 'NaN' THEN 'unknown'
        WHEN found.value < held.warn_low OR found.value > held.warn_high OR found.value < held.reject_low OR found.value > held.reject_high THEN 'missed'
        ELSE 'met'
    END;
    PERFORM pgslo_catalog.give_verdict(held, judged, verdict, found.value, coalesce(held.warn_low, held.reject_low),
        coalesce(held.warn_high, held.reject_high), pgslo_catalog.segments_score(judged, held), found.said, example => found.example);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_rule(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule)
    IS 'Evaluate a batch by one rule, and open or resolve its incident.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_by_clock(definition pgslo_catalog.definition, at_once text, since timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (judge_by_clock.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(judge_by_clock.definition);
    newest pgslo_catalog.batch;
    due pgslo_catalog.rule;
    began timestamptz;
BEGIN
    FOREACH due IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.retired_at IS NULL AND r.measure ->> 'by_clock' = 'true'
          -- A slow one takes a twentieth of the time at most.
          AND (judge_by_clock.at_once IS NOT NULL OR r.took IS NULL OR r.took < '100ms' OR r.clocked_at + 20 * r.took < clock_timestamp())
        ORDER BY r.rule_id)
    LOOP
        IF newest.name IS NULL THEN
            SELECT b.* INTO newest FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.place <= last_place
            ORDER BY b.rows > 0 DESC, b.place DESC LIMIT 1;
            EXIT WHEN newest.name IS NULL;
        END IF;
        -- A batch without rows says nothing about its rows, but a table without rows does.
        CONTINUE WHEN newest.rows <= 0 AND due.kind = 'same_as';
        CONTINUE WHEN EXISTS (
            SELECT FROM pgslo_catalog.verdict v
            WHERE v.rule_id = due.rule_id AND v.batch = newest.name AND v.judged_at >= judge_by_clock.since AND v.said <> 'the batch was emptied');
        began := clock_timestamp();
        PERFORM pgslo_catalog.judge_rule(judge_by_clock.definition, newest, due);
        UPDATE pgslo_catalog.rule r SET clocked_at = clock_timestamp(), took = clock_timestamp() - began WHERE r.rule_id = due.rule_id;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_by_clock(pgslo_catalog.definition, text, timestamptz)
    IS 'Evaluate rules that read more than a batch, under the name of the newest, unless they were evaluated since.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_batch(definition_id bigint, batch text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    judged pgslo_catalog.batch;
    rule pgslo_catalog.rule;
    found record;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = judge_batch.definition_id;
    SELECT b.* INTO judged FROM pgslo_catalog.batch b WHERE b.definition_id = judge_batch.definition_id AND b.name = judge_batch.batch;
    IF judged.name IS NULL THEN
        RETURN;  -- One that was expected and did not come.
    END IF;
    IF judged.rows <= 0 AND judged.revision > 1 THEN
        -- Old rows that are deleted are not reported.
        UPDATE pgslo_catalog.verdict v SET verdict = 'unknown', said = 'the batch was emptied', example = NULL, judged_at = clock_timestamp()
        WHERE v.definition_id = judge_batch.definition_id AND v.batch = judge_batch.batch;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = judge_batch.definition_id AND b.batch = judge_batch.batch AND b.error_code = '22000';
        RETURN;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = judge_batch.definition_id AND r.scope NOT IN ('row', 'assertion') AND r.kind <> 'ml_metric' AND r.retired_at IS NULL
          -- Of learned rules that about coming at all, where it is known when batches come, or was.
          AND (r.kind <> 'learned' OR EXISTS (
              SELECT FROM pgslo_catalog.expected_look l
              WHERE l.rule_id = r.rule_id AND (l.is_known OR EXISTS (
                  SELECT FROM pgslo_catalog.incident i WHERE i.definition_id = r.definition_id AND i.rule_id = r.rule_id AND i.resolved_at IS NULL))))
        ORDER BY r.rule_id)
    LOOP
        PERFORM pgslo_catalog.judge_rule(target, judged, rule);
    END LOOP;
    FOR found IN
        SELECT r AS rule, j.*
        FROM pgslo_catalog.judge_learned(judge_batch.definition_id, judged.name, judged.place) AS j
        JOIN pgslo_catalog.rule r ON r.definition_id = judge_batch.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL
             AND r.columns = CASE WHEN j.column_name = '*' THEN '{}' ELSE ARRAY[j.column_name] END
        ORDER BY r.rule_id
    LOOP
        PERFORM pgslo_catalog.give_verdict(found.rule, judged, found.verdict, found.value, found.low, found.high, found.score, found.said);
    END LOOP;
    -- What missed is not what later batches are compared with, and neither is a holiday.
    UPDATE pgslo_catalog.profile p
    SET baseline = seen.fine
    FROM (
        SELECT q.column_name,
               NOT pgslo_catalog.is_holiday(target.holidays, judged.place) AND NOT EXISTS (
                   SELECT FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
                   WHERE v.definition_id = judge_batch.definition_id AND v.batch = judge_batch.batch AND v.place = judged.place AND v.verdict = 'missed'
                     AND (coalesce(q.base, q.column_name) = ANY (r.columns) OR q.column_name = '*' AND r.columns = '{}')) AS fine
        FROM pgslo_catalog.profile q WHERE q.definition_id = judge_batch.definition_id AND q.batch = judge_batch.batch
    ) AS seen
    WHERE p.definition_id = judge_batch.definition_id AND p.batch = judge_batch.batch AND p.column_name = seen.column_name AND p.baseline <> seen.fine;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_batch(bigint, text) IS 'Evaluate a batch by every rule about batches, and open or resolve their incidents.';

CREATE OR REPLACE FUNCTION pgslo_catalog.give_verdict(
    rule pgslo_catalog.rule, batch pgslo_catalog.batch, verdict text, value float8, low float8, high float8,
    score float8, said text, is_tick boolean DEFAULT true, example text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_future boolean := (give_verdict.batch).place > pgslo_catalog.last_place((give_verdict.rule).definition_id);
    before pgslo_catalog.verdict;
BEGIN
    SELECT v.* INTO before FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (give_verdict.rule).rule_id AND v.batch = (give_verdict.batch).name;
    INSERT INTO pgslo_catalog.verdict AS v (definition_id, rule_id, batch, place, verdict, value, low, high, score, said, example)
    VALUES ((give_verdict.rule).definition_id, (give_verdict.rule).rule_id, (give_verdict.batch).name, (give_verdict.batch).place,
            give_verdict.verdict, give_verdict.value, give_verdict.low, give_verdict.high, give_verdict.score,
            coalesce(give_verdict.said, give_verdict.verdict) || CASE WHEN is_future THEN '; the batch lies in the future' ELSE '' END,
            give_verdict.example)
    ON CONFLICT ON CONSTRAINT verdict_is_given_once_a_batch DO UPDATE SET
        place = excluded.place, verdict = excluded.verdict, value = excluded.value, low = excluded.low, high = excluded.high,
        score = excluded.score, said = excluded.said, example = excluded.example, judged_at = excluded.judged_at,
        xid = CASE WHEN (v.verdict, v.value) IS DISTINCT FROM (excluded.verdict, excluded.value) THEN excluded.xid ELSE v.xid END;
    PERFORM pgslo_catalog.follow_verdict(give_verdict.rule, (give_verdict.batch).name, (give_verdict.batch).place, give_verdict.verdict, give_verdict.is_tick,
        (before.verdict, before.value) IS DISTINCT FROM (give_verdict.verdict, give_verdict.value));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.give_verdict(pgslo_catalog.rule, pgslo_catalog.batch, text, float8, float8, float8, float8, text, boolean, text) IS
    'Store a verdict, in place of an earlier one on the same batch, and update its incident.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_unprofiled(
    batch pgslo_catalog.batch, error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (record_unprofiled.batch).definition_id;
BEGIN
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = id AND p.batch = (record_unprofiled.batch).name;
    DELETE FROM pgslo_catalog.first_profile f WHERE f.definition_id = id AND f.batch = (record_unprofiled.batch).name;
    -- As where rows could not be sampled: nothing is compared with this batch. Until its rows are counted again.
    UPDATE pgslo_catalog.batch b SET tallies = b.tallies || jsonb_build_object('unsampled rows', greatest(b.rows, 1))
    WHERE b.definition_id = id AND b.name = (record_unprofiled.batch).name;
    PERFORM pgslo_catalog.record_break(d.name, r.name, record_unprofiled.error_code, record_unprofiled.error_message)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.definition_id = id AND r.retired_at IS NULL
      AND (r.kind = 'learned' AND r.columns = '{}' AND NOT r.measure ? 'form' OR pgslo_catalog.reads_profile(r.measure));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_unprofiled(pgslo_catalog.batch, text, text) IS
    'Record that a batch has no profile because of an error, and that rules which read it cannot be evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_later(definition pgslo_catalog.definition, batch pgslo_catalog.batch) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rules pgslo_catalog.rule[];
    later pgslo_catalog.batch[];
BEGIN
    -- No query stays open: evaluating a rule reads tables of others.
    SELECT array_agg(f.rule ORDER BY (f.later).place, (f.rule).rule_id), array_agg(f.later ORDER BY (f.later).place, (f.rule).rule_id)
    INTO rules, later
    FROM (
        SELECT r AS rule, l.later
        FROM pgslo_catalog.rule r
        CROSS JOIN LATERAL (SELECT coalesce(r.measure ->> 'relative_to', r.measure #>> '{of,relative_to}') AS against) AS m
        CROSS JOIN LATERAL (
            SELECT n AS later FROM pgslo_catalog.batch n
            WHERE n.definition_id = (judge_later.batch).definition_id AND n.closed_at IS NOT NULL AND n.rows > 0
              AND n.place > (judge_later.batch).place AND n.place < 'Infinity'
              AND (m.against <> 'same weekday'
                   OR n.place BETWEEN (judge_later.batch).place + 604800 - 3600 AND (judge_later.batch).place + 604800 + 3600)
            ORDER BY n.place
            -- Of a mean of many batches, one changes little.
            LIMIT CASE WHEN m.against ~ '^[0-9]+ batches$' THEN least(split_part(m.against, ' ', 1)::numeric, 28)::integer ELSE 1 END) AS l
        WHERE r.definition_id = (judge_later.batch).definition_id AND r.retired_at IS NULL AND r.scope NOT IN ('row', 'assertion')
          AND (m.against IN ('previous', 'same weekday') OR m.against ~ '^[0-9]+ batches$')
          AND EXISTS (SELECT FROM pgslo_catalog.verdict v WHERE v.rule_id = r.rule_id AND v.batch = (l.later).name)
    ) f;
    FOR n IN 1 .. coalesce(cardinality(rules), 0) LOOP
        PERFORM pgslo_catalog.judge_rule(judge_later.definition, later[n], rules[n]);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_later(pgslo_catalog.definition, pgslo_catalog.batch) IS
    'Evaluate batches again that were compared with an older one, which was closed after them or changed since.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_closed(
    definition pgslo_catalog.definition, batch text, columns text[], sample text[], level smallint
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    closed pgslo_catalog.batch;
    unprofiled text;
BEGIN
    UPDATE pgslo_catalog.batch b
    SET closed_at = coalesce(b.closed_at, clock_timestamp()), revision = b.revision + 1
    WHERE b.definition_id = (judge_closed.definition).definition_id AND b.name = judge_closed.batch
    RETURNING b.* INTO closed;
    IF closed.tallies ?| ARRAY['unmeasured rows', 'unsampled rows'] THEN
        -- Its profile cannot be determined, and nothing may be compared with it.
        DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = closed.definition_id AND p.batch = closed.name;
        DELETE FROM pgslo_catalog.first_profile f WHERE f.definition_id = closed.definition_id AND f.batch = closed.name;
    -- Nothing is measured where nothing is learned and no rule is about batches.
    ELSIF judge_closed.columns <> '{}' THEN
        -- Whatever is in the sample, the rules that do not read the profile have their verdicts.
        BEGIN
            PERFORM pgslo_catalog.profile_batch(
                judge_closed.definition, closed, judge_closed.columns, judge_closed.sample, judge_closed.level, closed.present);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                RAISE;  -- Of the moment: the batch stays open for the next tick().
            END IF;
            unprofiled := SQLSTATE;
            PERFORM pgslo_catalog.record_unprofiled(closed, SQLSTATE, SQLERRM);
        END;
    END IF;
    PERFORM pgslo_catalog.judge_batch(closed.definition_id, closed.name);
    IF unprofiled IS NOT NULL THEN
        PERFORM pgslo_catalog.give_verdict(r, closed, 'unknown', NULL, NULL, NULL, NULL,
            format('it can no longer be judged: %s', pgslo_catalog.error_said(false, unprofiled, NULL)))
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = closed.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL
        ORDER BY r.rule_id;
    END IF;
    PERFORM pgslo_catalog.judge_later(judge_closed.definition, closed);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_closed(pgslo_catalog.definition, text, text[], text[], smallint) IS
    'Close a batch: store its profile, and evaluate it.';
