-- From what statements wrote to batches, their profiles and verdicts. Writers append fragments; tick() alone adds them up.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_mask(rows bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- 2 to the power of the level, less one: about 2,000 of the rows have an entity whose hash has none of its bits.
    RETURN CASE WHEN sample_mask.rows > 2000 THEN (1::bigint << ceil(ln(sample_mask.rows / 2000.0) / ln(2))::integer) - 1 ELSE 0 END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_mask(bigint) IS 'Which rows of a statement are sampled: those whose entity''s hash has none of these bits.';

CREATE OR REPLACE FUNCTION pgslo_catalog.level_of(mask bigint) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE WHEN level_of.mask = 0 THEN 0 ELSE round(ln(level_of.mask + 1) / ln(2)) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.level_of(bigint) IS 'The number of bits of a mask.';

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_rows(sample text[]) RETURNS SETOF text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one text[];
BEGIN
    -- Slice by slice in one pass; indexing would begin anew for each row.
    IF sample_rows.sample IS NOT NULL THEN
        FOREACH one SLICE 1 IN ARRAY sample_rows.sample LOOP
            RETURN NEXT one;
        END LOOP;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_rows(text[]) IS 'The rows of a sample.';

CREATE OR REPLACE FUNCTION pgslo_catalog.signed(names text[], counts numeric[], sign integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Called for each statement: a plan that is kept, and none at all where there is nothing to count.
    IF signed.names = '{}' THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT jsonb_object_agg(n.name, n.counted * signed.sign)
        FROM unnest(signed.names, signed.counts) AS n (name, counted)
        WHERE n.name IS NOT NULL AND n.counted <> 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.signed(text[], numeric[], integer) IS 'Counts by name, taken away if the sign is -1; those that are zero are left out.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_measured(definition text, operation text, sign integer, columns text[], tallies text[], rules text[], counted pgslo_catalog.measured[], mask bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_measured.definition);
BEGIN
    PERFORM pgslo_catalog.append_fragments(id, record_measured.operation, record_measured.sign, record_measured.columns,
        record_measured.tallies, record_measured.rules, record_measured.counted, NULL, record_measured.mask);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_measured(text, text, integer, text[], text[], text[], pgslo_catalog.measured[], bigint) IS 'Appends what a statement added to its batches (sign 1; 0 when its rows are counted elsewhere) or took away (-1).';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_truncate(definition text, relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    note bigint;
    emptied bigint;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = record_truncate.definition;
    IF record_truncate.relation <> target.relation AND EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = record_truncate.relation::oid
    ) THEN
        RETURN;  -- tick() finds its new file.
    END IF;
    -- Nobody else writes to the table meanwhile, so fragments with lower numbers are of earlier writes, all of them.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
    VALUES (target.definition_id, '', '-Infinity', 0, CASE WHEN record_truncate.relation = target.relation THEN 'truncate' ELSE 'recount' END)
    RETURNING fragment_id INTO note;
    IF record_truncate.relation = target.relation THEN
        -- Those that tick() is at just now are left to it.
        WITH gone AS (
            DELETE FROM pgslo_catalog.fragment f
            WHERE f.fragment_id IN (
                SELECT g.fragment_id FROM pgslo_catalog.fragment g
                WHERE g.definition_id = target.definition_id AND g.operation <> 'truncate'
                FOR UPDATE SKIP LOCKED)
            RETURNING f.*
        )
        SELECT sum(g.rows) INTO emptied
        FROM gone g JOIN pgslo_catalog.applied a USING (definition_id)
        WHERE g.written_at >= a.applied_at AND g.operation <> 'recount' AND (g.rows > 0 OR target.batch_is_of_row);
        -- The statistics system goes on counting them, and drift compares with it.
        UPDATE pgslo_catalog.fragment f SET rows_emptied = emptied WHERE f.fragment_id = note AND emptied <> 0;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.rule_break_id IN (
            SELECT k.rule_break_id FROM pgslo_catalog.rule_break k
            WHERE k.definition_id = target.definition_id AND k.batch IS NOT NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_truncate(text, regclass) IS 'Notes that a table was emptied, or a part of it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.added_up(parts jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(jsonb_object_agg(s.key, s.total), '{}')
    FROM (
        SELECT e.key, sum(e.value::numeric) AS total
        FROM unnest(added_up.parts) AS p (part) CROSS JOIN LATERAL jsonb_each_text(p.part) AS e
        GROUP BY e.key
        HAVING sum(e.value::numeric) <> 0
    ) s
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.added_up(jsonb[]) IS 'Counts by name, added up.';

CREATE OR REPLACE FUNCTION pgslo_catalog.merge_batch(definition_id bigint, batch text) RETURNS pgslo_catalog.fragment
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    merged pgslo_catalog.fragment;
    -- By number from here on: what is committed meanwhile waits for the next time.
    parts bigint[] := ARRAY(SELECT f.fragment_id FROM pgslo_catalog.fragment f WHERE f.definition_id = merge_batch.definition_id AND f.batch = merge_batch.batch);
    began timestamptz;
    takes boolean;
    samples bigint;
    mask bigint;
    sampled bigint;
BEGIN
    IF parts = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM pgslo_catalog.record_news(parts);
    PERFORM pgslo_catalog.note_overdrawn(merge_batch.definition_id, merge_batch.batch, parts);
    -- Whoever accepts the batch just now has not seen all of it.
    SELECT CASE WHEN count(*) > 0 AND NOT pgslo_catalog.is_being_accepted(merge_batch.definition_id, merge_batch.batch)
                THEN (array_agg(f.xid ORDER BY f.xid DESC))[1] ELSE pg_current_xact_id() END
    INTO merged.xid
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.failures IS NOT NULL;
    SELECT max(f.fragment_id), min(f.place), sum(f.rows), nullif(pgslo_catalog.added_up(array_agg(f.failures)), '{}'),
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), max(f.level),
           max(f.written_at), min(f.written_at), bool_or(f.operation = 'delete'), count(f.sample)
    INTO merged.fragment_id, merged.place, merged.rows, merged.failures, merged.present, merged.tallies, merged.level,
         merged.written_at, began, takes, samples
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    SELECT f.writer, f.application INTO merged.writer, merged.application
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = merged.fragment_id;
    SELECT f.sample_columns INTO merged.sample_columns
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample_columns IS NOT NULL ORDER BY f.fragment_id DESC LIMIT 1;
    merged.definition_id := merge_batch.definition_id;
    merged.batch := merge_batch.batch;

    -- Rows that were sampled and not taken away again, at the coarsest level of all: exactly those that are there.
    mask := (1::bigint << coalesce(merged.level, 0)::integer) - 1;
    IF takes THEN
        SELECT array_agg(s.one), count(*) INTO merged.sample, sampled
        FROM (
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation <> 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
            EXCEPT ALL
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation = 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
        ) s;
    ELSIF samples = 1 THEN
        SELECT f.sample, array_length(f.sample, 1) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample IS NOT NULL;
    ELSE
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
        WHERE f.fragment_id = ANY (parts) AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0;
    END IF;
    DELETE FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    WHILE sampled > 4000 AND merged.level < 62 LOOP
        merged.level := merged.level + 1;
        mask := (1::bigint << merged.level::integer) - 1;
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.sample_rows(merged.sample) AS r (one) WHERE r.one[1]::bigint & mask = 0;
    END LOOP;

    -- It keeps the number of the newest it is made of: a TRUNCATE that is not committed yet must not make it newer.
    INSERT INTO pgslo_catalog.fragment (fragment_id, definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample, writer, application, written_at, xid)
    OVERRIDING SYSTEM VALUE
    VALUES (merged.fragment_id, merged.definition_id, merged.batch, merged.place, merged.rows, merged.failures, 'merged', merged.present, merged.tallies,
            merged.level, merged.sample_columns, merged.sample, merged.writer, merged.application, merged.written_at, merged.xid);

    INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, tallies, failures, first_written_at, last_written_at, writer, application)
    VALUES (merged.definition_id, merged.batch, merged.place, merged.rows, merged.present, merged.tallies, coalesce(merged.failures, '{}'),
            began, merged.written_at, merged.writer, merged.application)
    ON CONFLICT ON CONSTRAINT batch_name_is_unique_in_its_definition DO UPDATE SET
        place = excluded.place, rows = excluded.rows, present = excluded.present, tallies = excluded.tallies, failures = excluded.failures,
        last_written_at = excluded.last_written_at, writer = excluded.writer, application = excluded.application;
    RETURN merged;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.merge_batch(bigint, text) IS 'Makes the fragments of a batch into one, and writes down what the batch comes to.';

CREATE OR REPLACE FUNCTION pgslo_catalog.watched_columns(definition_id bigint) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(SELECT w.column_name FROM pgslo_catalog.watched_column w WHERE w.definition_id = watched_columns.definition_id ORDER BY w.ordinal);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.watched_columns(bigint) IS 'Columns whose profile is kept, in the order in which samples have them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_raising(
    definition text, rule pgslo_catalog.rule, batch pgslo_catalog.batch, said text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Every read looks at these notes, and who writes rows decides how many batches there are.
    IF 100 > (SELECT count(*) FROM pgslo_catalog.rule_break b
              WHERE b.rule_id = (record_raising.rule).rule_id AND b.error_code = '22000')
    THEN
        PERFORM pgslo_catalog.mark_unjudged(record_raising.definition, ARRAY[(record_raising.rule).name],
            ARRAY[(record_raising.batch).name], ARRAY[(record_raising.batch).place], '22000', record_raising.said);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_raising(text, pgslo_catalog.rule, pgslo_catalog.batch, text) IS
    'Have readers warned that a rule has no value for a batch, because its expression raises an error for a row.';

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
    IF found.value IS NULL AND judged.rows > 0 AND pgslo_catalog.raising(judged, held.measure) > 0 THEN
        PERFORM pgslo_catalog.record_raising(name, held, judged, found.said);
    END IF;
    verdict := CASE
        WHEN found.value IS NULL OR found.value = 'NaN' THEN 'unknown'
        WHEN found.value < held.warn_low OR found.value > held.warn_high OR found.value < held.reject_low OR found.value > held.reject_high THEN 'missed'
        ELSE 'met'
    END;
    PERFORM pgslo_catalog.give_verdict(held, judged, verdict, found.value, coalesce(held.warn_low, held.reject_low),
        coalesce(held.warn_high, held.reject_high), NULL, found.said, example => found.example);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_rule(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule)
    IS 'Judges a batch by one rule, and opens or resolves its incident.';

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
    IS 'Judges rules that read more than a batch, under the name of the newest, unless they were judged since.';

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
    IF judged.rows <= 0 AND judged.revision > 1 THEN
        -- Rows that are deleted because they are old are no news.
        UPDATE pgslo_catalog.verdict v SET verdict = 'unknown', said = 'the batch was emptied', example = NULL, judged_at = clock_timestamp()
        WHERE v.definition_id = judge_batch.definition_id AND v.batch = judge_batch.batch;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = judge_batch.definition_id AND b.batch = judge_batch.batch AND b.error_code = '22000';
        RETURN;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = judge_batch.definition_id AND r.scope NOT IN ('row', 'assertion') AND r.kind NOT IN ('learned', 'ml_metric') AND r.retired_at IS NULL
        ORDER BY r.rule_id)
    LOOP
        PERFORM pgslo_catalog.judge_rule(target, judged, rule);
    END LOOP;
    FOR found IN
        SELECT r AS rule, j.*
        FROM pgslo_catalog.judge_learned(judge_batch.definition_id, judged.name, judged.place) AS j
        JOIN pgslo_catalog.rule r ON r.definition_id = judge_batch.definition_id AND r.kind = 'learned' AND r.retired_at IS NULL
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
                     AND (q.column_name = ANY (r.columns) OR q.column_name = '*' AND r.columns = '{}')) AS fine
        FROM pgslo_catalog.profile q WHERE q.definition_id = judge_batch.definition_id AND q.batch = judge_batch.batch
    ) AS seen
    WHERE p.definition_id = judge_batch.definition_id AND p.batch = judge_batch.batch AND p.column_name = seen.column_name AND p.baseline <> seen.fine;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_batch(bigint, text) IS 'Judges a batch by every rule about batches, and opens or resolves their incidents.';

CREATE OR REPLACE FUNCTION pgslo_catalog.give_verdict(rule pgslo_catalog.rule, batch pgslo_catalog.batch, verdict text, value float8, low float8, high float8, score float8, said text, is_tick boolean DEFAULT true, example text DEFAULT NULL) RETURNS void
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
COMMENT ON FUNCTION pgslo_catalog.give_verdict(pgslo_catalog.rule, pgslo_catalog.batch, text, float8, float8, float8, float8, text, boolean, text) IS 'Writes a verdict down, in place of an earlier one on the same batch, and lets its incident follow.';

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
    -- As where rows could not be sampled: nothing is compared with this batch. Until its rows are counted again.
    UPDATE pgslo_catalog.batch b SET tallies = b.tallies || jsonb_build_object('unsampled rows', greatest(b.rows, 1))
    WHERE b.definition_id = id AND b.name = (record_unprofiled.batch).name;
    PERFORM pgslo_catalog.record_break(d.name, r.name, record_unprofiled.error_code, record_unprofiled.error_message)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.definition_id = id AND r.retired_at IS NULL
      AND (r.kind = 'learned' AND r.columns = '{}' OR pgslo_catalog.reads_profile(r.measure));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_unprofiled(pgslo_catalog.batch, text, text) IS
    'Record that a batch has no profile because of an error, and that rules which read it cannot be evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_closed(definition pgslo_catalog.definition, batch text, columns text[], sample text[], level smallint) RETURNS void
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
        -- What it looked like is not known, and nothing may be compared with it.
        DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = closed.definition_id AND p.batch = closed.name;
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
        WHERE r.definition_id = closed.definition_id AND r.kind = 'learned' AND r.retired_at IS NULL
        ORDER BY r.rule_id;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_closed(pgslo_catalog.definition, text, text[], text[], smallint) IS 'Closes a batch: its profile is taken, and it is judged.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE WHEN follow_until.at_once IS NULL THEN clock_timestamp() + interval '1 second' ELSE 'infinity' END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_until(text) IS 'When tick() goes on to the next definition; a batch that is asked for by name is judged however long that takes.';

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
           OR b.last_written_at + (due_batches.definition).settle < clock_timestamp());
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.due_batches(pgslo_catalog.definition, text) IS
    'Return the open batches of a loaded table that are to be closed: a later one began, or they settled; also the one that is named, or all for *.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_loads(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_loads.definition).definition_id;
    emptied bigint := (SELECT max(f.fragment_id) FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'truncate');
    one jsonb;
    due record;
    merged pgslo_catalog.fragment;
    judged integer := 0;
    last_place numeric := pgslo_catalog.last_place(follow_loads.definition);
    until timestamptz;
    merging_until timestamptz;
    -- A few are done in their order, however long that takes within reason: what is learned of one is used for the next.
    patient_until timestamptz := clock_timestamp() + interval '20 seconds';
    are_few boolean;
    half timestamptz;
    closed integer := 0;
    newest bigint;
    is_behind boolean := false;
BEGIN
    IF emptied IS NOT NULL THEN
        UPDATE pgslo_catalog.applied a
        SET rows_emptied = a.rows_emptied + (
            SELECT coalesce(sum(CASE f.operation WHEN 'truncate' THEN coalesce(f.rows_emptied, 0) ELSE f.rows END), 0)
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = id AND f.fragment_id <= emptied AND f.written_at >= a.applied_at
              AND f.operation <> 'recount' AND (f.rows > 0 OR f.operation = 'truncate' OR (follow_loads.definition).batch_is_of_row))
        WHERE a.definition_id = id;
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.fragment_id <= emptied;
        UPDATE pgslo_catalog.batch b SET rows = 0, present = '{}', tallies = '{}', failures = '{}' WHERE b.definition_id = id;
    END IF;
    IF (follow_loads.definition).recount IS NOT NULL THEN
        judged := judged + pgslo_catalog.recount_unknown(follow_loads.definition);
    END IF;
    -- After that, which has a limit of its own: however long it takes, something is added up. Half of the time is left to close batches.
    until := pgslo_catalog.follow_until(follow_loads.at_once);
    merging_until := CASE WHEN until < 'infinity' THEN until - (until - clock_timestamp()) / 2 ELSE until END;
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object('batch', u.batch, 'was_closed', coalesce(b.closed_at IS NOT NULL, false),
                                  'are_many', count(*) OVER () >= 4 * follow_loads.at_most::bigint,
                                  'are_few', count(*) OVER () <= follow_loads.at_most)
        FROM (
            SELECT f.batch, min(f.place) AS place
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
            GROUP BY f.batch
            -- Where more are due than are judged at a time, the newest come first, and the others have the next times: a flood of
            -- batches, or a stop of hours, must not hide what is written now. Batches in the future come last of all.
            ORDER BY min(f.place) > last_place, min(f.place) DESC LIMIT 4 * follow_loads.at_most::bigint
        ) u
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = id AND b.name = u.batch
        -- The oldest first, as far as all of them have a turn: each is compared with those before it.
        ORDER BY CASE WHEN count(*) OVER () > follow_loads.at_most THEN -u.place ELSE u.place END)
    LOOP
        SELECT d.* INTO due FROM jsonb_to_record(one) AS d (batch text, was_closed boolean, are_many boolean, are_few boolean);
        IF due.are_few THEN
            merging_until := greatest(merging_until, patient_until);
        END IF;
        is_behind := due.are_many OR clock_timestamp() > merging_until;
        -- One at least, whatever the time is.
        EXIT WHEN judged >= follow_loads.at_most OR clock_timestamp() > merging_until AND merged.batch IS NOT NULL;
        merged := pgslo_catalog.merge_batch(id, due.batch);
        -- Rows that came late or went: it is judged again.
        IF due.was_closed THEN
            PERFORM pgslo_catalog.judge_closed(follow_loads.definition, due.batch, merged.sample_columns, merged.sample, merged.level);
            judged := judged + 1;
        END IF;
    END LOOP;
    are_few := follow_loads.at_most >= (
        SELECT count(*) FROM (
            SELECT FROM pgslo_catalog.due_batches(follow_loads.definition, follow_loads.at_once) LIMIT follow_loads.at_most::bigint + 1) AS d);
    IF are_few THEN
        until := greatest(until, patient_until);
    END IF;
    -- In their order, because each is compared with those before it. Of many, at half of the time it goes on with as many of the newest.
    half := CASE WHEN until < 'infinity' THEN until - (until - clock_timestamp()) / 2 ELSE until END;
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object('name', w.name, 'back', row_number() OVER (ORDER BY w.place > last_place, w.place DESC))
        FROM (
            SELECT d.name, d.place
            FROM pgslo_catalog.due_batches(follow_loads.definition, follow_loads.at_once) AS d
            ORDER BY d.place > last_place, d.place DESC LIMIT greatest(follow_loads.at_most - judged, 0)
        ) w
        ORDER BY w.place)
    LOOP
        SELECT d.* INTO due FROM jsonb_to_record(one) AS d (name text, back bigint);
        IF newest IS NULL AND NOT are_few AND clock_timestamp() > half THEN
            newest := greatest(closed, 1);
        END IF;
        -- The newest of all has its turn, whatever the time is.
        IF due.back > newest OR due.back > 1 AND clock_timestamp() > until THEN
            is_behind := true;
            CONTINUE;
        END IF;
        SELECT f.* INTO merged FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.batch = due.name AND f.operation IN ('merged', 'recounted');
        PERFORM pgslo_catalog.judge_closed(follow_loads.definition, due.name, merged.sample_columns, merged.sample, merged.level);
        judged := judged + 1;
        closed := closed + 1;
    END LOOP;
    IF follow_loads.at_once IS NULL THEN
        -- Asked only where the time or the number was used up.
        is_behind := (is_behind OR judged >= follow_loads.at_most) AND (
            EXISTS (SELECT FROM pgslo_catalog.due_batches(follow_loads.definition, NULL))
            OR EXISTS (
                SELECT FROM pgslo_catalog.fragment f
                WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')));
    END IF;
    -- What is sampled serves until a batch is old enough not to be corrected any more.
    IF judged > 0 THEN
        UPDATE pgslo_catalog.fragment f SET sample = NULL
        WHERE f.definition_id = id AND f.operation = 'merged' AND f.sample IS NOT NULL
          -- By key, whatever is known of the tables: a join may read all batches for each fragment.
          AND (SELECT c.closed_at IS NOT NULL FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = f.batch)
          AND f.place < (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id ORDER BY b.place DESC OFFSET 14 LIMIT 1);
    END IF;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_loads(pgslo_catalog.definition, text, integer) IS 'Add up what was written to a loaded table, and close and judge what is due, for about a second; a batch that is named, or all for *, at once. Return whether more is due.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_stream(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_stream.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(follow_stream.definition);
    until timestamptz;
    is_behind boolean := false;
    newest record;
    last record;
    known pgslo_catalog.batch;
    before pgslo_catalog.batch;
    counted pgslo_catalog.measured[];
    one pgslo_catalog.measured;
    mask bigint;
    judged integer := 0;
BEGIN
    last := pgslo_catalog.newest_batch(follow_stream.definition);
    IF last.place IS NULL OR last.place = '-Infinity' THEN
        RETURN false;  -- The table is empty, or no row says its batch.
    END IF;
    newest := last;
    IF last.place > last_place THEN
        newest := pgslo_catalog.newest_batch(follow_stream.definition, last_place);
        IF newest.place IS NULL OR newest.place = '-Infinity' THEN
            newest := last;  -- All of it lies in the future.
            last_place := 'Infinity';
        END IF;
    END IF;
    -- The last batch that is known is counted once more: rows may have come late.
    SELECT b.* INTO known FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.place > '-Infinity' AND b.place <= last_place ORDER BY b.place DESC LIMIT 1;
    -- While no later one begins, a batch closes when it has settled: to look more often than that would only cost.
    IF follow_stream.at_once IS NULL AND known.name = newest.name AND known.counted_at + (follow_stream.definition).settle > clock_timestamp() THEN
        RETURN false;
    END IF;
    mask := pgslo_catalog.sample_mask(known.rows);
    PERFORM pgslo_catalog.pin_table(follow_stream.definition, (follow_stream.definition).recount);
    EXECUTE format('SELECT pgslo_gen.%I($1, $2, $3)', (follow_stream.definition).recount)
    INTO counted USING coalesce(known.name, newest.name), last.name, mask;
    -- After the count, however long that took: one batch at least is judged.
    until := pgslo_catalog.follow_until(follow_stream.at_once);
    FOREACH one IN ARRAY ARRAY(SELECT c FROM unnest(counted) AS c ORDER BY c.place) LOOP
        is_behind := judged >= follow_stream.at_most OR clock_timestamp() > until;
        EXIT WHEN is_behind;
        SELECT b.* INTO before FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        PERFORM pgslo_catalog.take_count(follow_stream.definition, one, mask);
        -- The first batch that is seen may have begun before anybody looked, and the newest may go on.
        IF (known.name IS NOT NULL OR one.batch = follow_stream.at_once)
            AND (one.place < newest.place OR one.batch = follow_stream.at_once OR follow_stream.at_once = '*'
                 OR before.rows = one.rows AND before.last_written_at + (follow_stream.definition).settle < clock_timestamp())
            AND (before.closed_at IS NULL
                 OR (SELECT (b.rows, b.present, b.tallies) IS DISTINCT FROM (before.rows, before.present, before.tallies)
                     FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch))
        THEN
            PERFORM pgslo_catalog.judge_closed(follow_stream.definition, one.batch,
                pgslo_catalog.watched_columns(id),
                one.sample, pgslo_catalog.level_of(mask));
            judged := judged + 1;
        END IF;
    END LOOP;
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_stream(pgslo_catalog.definition, text, integer) IS 'Count the newest batches of a streamed table from the table itself, and close and judge what is due. Return whether more is due.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow(definition pgslo_catalog.definition, at_once text, at_most integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_behind boolean := false;
    began timestamptz := clock_timestamp();
BEGIN
    IF (follow.definition).writes = 'bulk' THEN
        is_behind := pgslo_catalog.follow_loads(follow.definition, follow.at_once, follow.at_most);
    ELSIF (follow.definition).recount IS NOT NULL AND (follow.definition).batch_by IS NOT NULL THEN
        is_behind := pgslo_catalog.follow_stream(follow.definition, follow.at_once, follow.at_most);
    END IF;
    PERFORM pgslo_catalog.judge_by_clock(follow.definition, follow.at_once, began);
    PERFORM pgslo_catalog.settle_pauses(follow.definition);
    PERFORM pgslo_catalog.judge_unjudged(follow.definition,
        CASE WHEN follow.at_once IS NULL THEN clock_timestamp() + interval '1 second' ELSE 'infinity' END);
    PERFORM pgslo_catalog.follow_pairs(follow.definition);
    RETURN is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow(pgslo_catalog.definition, text, integer) IS 'Bring the batches of a definition up to date, judging at most so many for about a second, and return whether more are due.';

CREATE OR REPLACE FUNCTION pgslo.close_batch(definition text, batch text DEFAULT '*')
RETURNS TABLE (batch_name text, rule text, columns text[], verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    began timestamptz := clock_timestamp();
    session_before text[];
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = close_batch.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', close_batch.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    -- Whoever knows the key may give that in place of the name.
    close_batch.batch := pgslo_catalog.name_of(target, close_batch.batch);
    PERFORM pgslo_catalog.wait_for_turn('tick');
    IF target.reader IS NOT NULL THEN
        session_before := pgslo_catalog.session_state(true);
    END IF;
    BEGIN
        PERFORM pgslo_catalog.follow_parts(target, 'infinity');
        PERFORM pgslo_catalog.follow(target, close_batch.batch, 2147483647);
        PERFORM pgslo_catalog.follow_missed(target);
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        PERFORM pgslo_catalog.restore_session(session_before, true);
        -- What a conversion, a constraint or code of the table raises may hold a value of a row.
        IF SQLSTATE ~ '^(SL|40|42|5[3-8])' OR pgslo_catalog.may_see_values(pgslo_catalog.caller()) THEN
            RAISE;
        END IF;
        RAISE EXCEPTION USING
            ERRCODE = SQLSTATE,
            MESSAGE = format('could not evaluate batches of %s', target.name),
            DETAIL = format('%s.', pgslo_catalog.error_said(false, SQLSTATE, SQLERRM)),
            HINT = 'A steward sees the message of the error.';
    END;
    -- Functions that every read calls compare no locks.
    PERFORM pgslo_catalog.check_session(session_before, true, target.name, '00000');
    IF close_batch.batch <> '*' AND NOT EXISTS (SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id AND b.name = close_batch.batch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no batch "%s"', target.name, close_batch.batch),
            DETAIL = coalesce('The newest is ' || (SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id ORDER BY b.place DESC LIMIT 1) || '.', 'Nothing was written since the definition was applied.'),
            HINT = 'SELECT batch FROM pgslo.batch;';
    END IF;
    RETURN QUERY
    SELECT v.batch, r.name, r.columns, v.verdict, v.value, v.low, v.high, v.score, v.said
    FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
    WHERE v.definition_id = target.definition_id
      AND CASE WHEN close_batch.batch = '*' THEN v.judged_at >= began ELSE v.batch = close_batch.batch END
    ORDER BY v.place, r.rule_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.close_batch(text, text) IS 'Closes a batch, or all that are open, without waiting for them to settle, and returns the verdicts.';
