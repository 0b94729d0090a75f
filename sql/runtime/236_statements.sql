-- The next steps of a trigger function on a statement, and their effect. The function runs the queries, because only it sees the rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_mask(batches pgslo_catalog.measured[]) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF cardinality(sample_mask.batches) = 1 THEN
        RETURN pgslo_catalog.sample_mask(sample_mask.batches[1].rows);
    END IF;
    -- As of its largest batch. Of very many batches fewer rows each, so that a statement has no more than 200,000.
    RETURN pgslo_catalog.sample_mask((
        SELECT greatest(max(b.rows), sum(b.rows) / 100) FROM unnest(sample_mask.batches) AS b)::bigint);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_mask(pgslo_catalog.measured[]) IS 'Return the mask of sampled rows of a statement that wrote to these batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.must_stop(state pgslo_catalog.statement, error_code text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    CASE state.step
        WHEN 'one' THEN
            RETURN must_stop.error_code = '40001';  -- Any other error comes again where the rows are counted.
        WHEN 'rule' THEN
            RETURN NOT pgslo_catalog.is_of_value(must_stop.error_code)
                AND pgslo_catalog.must_raise(must_stop.error_code, state.rule <= state.refusing);
        WHEN 'fit', 'singly' THEN
            RETURN pgslo_catalog.must_raise(must_stop.error_code, state.rule <= state.refusing);
        WHEN 'rows' THEN
            RETURN must_stop.error_code = '40001' AND state.is_removed;
        WHEN 'unknown' THEN
            -- Rows that go are an observer's. Rows that come and cannot even be counted are not stored.
            RETURN must_stop.error_code = '40001' OR NOT state.is_removed;
        ELSE
            RETURN false;
    END CASE;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.must_stop(pgslo_catalog.statement, text) IS
    'Return whether the writer gets the error that a query raised, so that the statement is undone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_again(INOUT state pgslo_catalog.statement)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rows constant text := 'pgslo_rows AS r';
    number constant text := CASE WHEN state.is_removed THEN '-count(*)' ELSE 'count(*)' END;
BEGIN
    IF state.step = 'check' AND state.error_code IS NULL THEN
        state.step := 'apart';
        state.query := pgslo_catalog.counting(
            format('%s CROSS JOIN LATERAL (SELECT %s(r.*, %L) OFFSET 0) AS s (sums)', rows, state.sums_of, state.is_removed),
            state.batch_of, state.columns, state.presents,
            -- Twice as many: the sums, and the rows for which each of them raises an error.
            ARRAY(SELECT format('sum(s.sums[%s])', n) FROM generate_series(1, 2 * cardinality(state.sums)) AS n ORDER BY n));
    ELSIF state.step = 'count' THEN
        state.step := 'plain';
        state.query := pgslo_catalog.counting(rows, state.batch_of, state.columns, state.presents, state.sums);
    ELSIF state.step = 'plain' AND state.sums_of IS NOT NULL THEN
        -- Over no row, it is an error of the table, not of a row.
        state.step := 'check';
        state.query := format('SELECT NULL::pgslo_catalog.measured[], NULL::text[]
            FROM (SELECT ARRAY[%s]::numeric[] FROM %s WHERE FALSE) AS s', array_to_string(state.sums, ', '), rows);
    ELSE
        -- What cannot be counted by column can still be counted; the batch is known not to have been measured whole.
        state.columns := '{}';
        state.tallies := ARRAY['unmeasured rows'];
        IF state.step = 'rows' THEN
            -- The batch of one of them raises an error. Where they go, it was there before, and may go.
            state.step := 'unknown';
            state.batch_of := pgslo_catalog.unknown_batch();
            state.unmeasured_by := CASE WHEN NOT state.is_removed THEN state.error_code END;
            PERFORM pgslo_catalog.record_unmeasured(state.definition, NULL, state.error_code, state.error_message);
        ELSE
            state.step := 'rows';
            state.unmeasured_by := state.error_code;
            PERFORM pgslo_catalog.record_unmeasured(state.definition, 'learned', state.error_code, state.error_message)
            WHERE NOT state.is_removed;
        END IF;
        state.query := pgslo_catalog.counting(rows, state.batch_of, '{}', NULL, ARRAY[number]);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_again(pgslo_catalog.statement) IS
    'Have the rows of a statement counted in another way, as one raised an error: without rules, sum by sum, rows alone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_singly(INOUT state pgslo_catalog.statement)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF state.rule > 0 THEN
        IF state.error_code IS NULL AND state.step = 'fit' THEN
            -- A row for which the condition raises an error fails: row by row, which takes longer.
            state.step := 'singly';
            state.passes[state.rule] := pgslo_catalog.passing_singly(state.failing, state.rules[state.rule], state.event);
            state.query := pgslo_catalog.counting_failures(
                state.passes[state.rule], state.batch_of, state.rule, cardinality(state.rules));
            RETURN;
        ELSIF state.error_code IS NULL THEN
            state.batches := state.batches || state.counted;
        ELSIF state.step = 'rule' AND pgslo_catalog.is_of_value(state.error_code) THEN
            -- Over no row, it is an error of the table, not of a row.
            state.step := 'fit';
            state.query := format('SELECT NULL::pgslo_catalog.measured[], NULL::text[] FROM pgslo_rows AS r WHERE FALSE AND %s',
                state.passes[state.rule]);
            RETURN;
        ELSIF pgslo_catalog.is_transient(state.error_code) THEN
            state.unjudged := state.unjudged || state.rules[state.rule];
            state.unjudged_code := state.error_code;
            state.unjudged_message := state.error_message;
        ELSE
            PERFORM pgslo_catalog.record_break(state.definition, state.rules[state.rule], state.error_code, state.error_message);
        END IF;
    END IF;
    IF state.rule < cardinality(state.rules) THEN
        state.step := 'rule';
        state.rule := state.rule + 1;
        state.query := pgslo_catalog.counting_failures(
            state.passes[state.rule], state.batch_of, state.rule, cardinality(state.rules));
    ELSE
        state.step := 'counted';
        state.rule := 0;
        state.batches := CASE WHEN state.rules = '{}' THEN state.batches
            ELSE pgslo_catalog.merged(state.batches, cardinality(state.rules)) END;
        state.failed := coalesce(pgslo_catalog.failed(state.batches), '{}');
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_singly(pgslo_catalog.statement) IS
    'Have rules evaluated one by one, so that one that cannot be evaluated does not prevent the others from being so.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_written(INOUT state pgslo_catalog.statement)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- From here on an observer: whatever happens, the write succeeds.
    BEGIN
        IF state.step = 'sample' AND state.error_code IS NOT NULL THEN
            -- What the batches look like is then known of their other rows alone, which is as good as nothing.
            state.samples := NULL;
            state.tallies := state.tallies || 'unsampled rows'::text;
            state.batches := pgslo_catalog.unsampled(state.batches, 1);
            PERFORM pgslo_catalog.record_unmeasured(state.definition, 'learned', state.error_code, state.error_message);
        END IF;
        state.missed := pgslo_catalog.record_statement(state.definition, state.operation, state.rules, state.columns,
            state.tallies, state.batches, state.samples, state.mask);
    EXCEPTION
        WHEN serialization_failure THEN
            RAISE;  -- Under SERIALIZABLE alone, where writers try again: going on would lose the record.
        WHEN OTHERS THEN
            PERFORM pgslo_catalog.record_lost(state.definition, state.rules[state.rejecting + 1:],
                pgslo_catalog.names_of(state.batches), pgslo_catalog.places_of(state.batches), SQLSTATE, SQLERRM);
    END;
    IF state.unjudged <> '{}' THEN
        PERFORM pgslo_catalog.record_unjudged(state.definition, state.unjudged,
            pgslo_catalog.names_of(state.batches), pgslo_catalog.places_of(state.batches),
            state.unjudged_code, state.unjudged_message);
    END IF;
    IF state.refuses_batches THEN
        PERFORM pgslo_catalog.refuse_batch(state.definition, pgslo_catalog.names_of(state.batches), state.unmeasured_by);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_written(pgslo_catalog.statement) IS
    'Record what a statement wrote, and refuse it where a rule refuses its batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_removed(INOUT state pgslo_catalog.statement)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- An observer: whatever happens in it, the write succeeds.
    BEGIN
        IF state.step = 'count' THEN
            state.first_code := state.error_code;
            state.first_message := state.error_message;
        END IF;
        IF state.error_code IS NOT NULL AND (state.step = 'unknown' OR state.step = 'rows' AND pgslo_catalog.is_transient(state.error_code)) THEN
            PERFORM pgslo_catalog.record_lost(state.definition, '{}', '{}', '{}', state.error_code, state.error_message);
        ELSIF state.step = 'check' OR state.error_code IS NOT NULL AND state.step <> 'sample' THEN
            state := pgslo_catalog.count_again(state);
            RETURN;
        ELSE
            IF state.step IN ('plain', 'apart', 'rows', 'unknown') THEN
                state.batches := state.counted;
                state.tallies := CASE WHEN state.step = 'apart' THEN pgslo_catalog.tally_slots(state.tallies) ELSE state.tallies END;
                -- It is not known which of them failed.
                PERFORM pgslo_catalog.mark_taken(state.definition, state.rules, pgslo_catalog.names_of(state.batches),
                    pgslo_catalog.places_of(state.batches), state.first_code, state.first_message);
            END IF;
            IF state.is_sampled AND state.samples IS NULL AND state.step IN ('count', 'plain', 'apart') AND state.batches IS NOT NULL THEN
                state.step := 'sample';
                RETURN;
            ELSIF state.step = 'sample' AND state.error_code IS NOT NULL THEN
                -- The sample of their batches still has them, so that nothing may be compared with it.
                state.samples := NULL;
                state.tallies := state.tallies || 'unsampled rows'::text;
                state.batches := pgslo_catalog.unsampled(state.batches, -1);
            END IF;
            PERFORM pgslo_catalog.record_measured(state.definition, 'delete', -1, state.columns, state.tallies, state.rules,
                state.batches, state.samples, state.mask);
        END IF;
    EXCEPTION
        WHEN serialization_failure THEN
            RAISE;  -- Under SERIALIZABLE alone, where writers try again: going on would lose the record.
        WHEN OTHERS THEN
            PERFORM pgslo_catalog.record_lost(state.definition, '{}', '{}', '{}', SQLSTATE, SQLERRM);
    END;
    -- After an UPDATE, the rows it wrote are still to be counted.
    IF state.refuses_batches AND state.event = 'DELETE' THEN
        PERFORM pgslo_catalog.refuse_batch(state.definition, pgslo_catalog.names_of(state.batches), state.unmeasured_by);
    END IF;
    state.step := NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_removed(pgslo_catalog.statement) IS
    'Record what a query over the rows that a statement removed returned or raised, and name the next one, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.next_step(INOUT state pgslo_catalog.statement)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF state.step = 'one' THEN
        state.step := 'count';  -- Several rows, or one that fails.
        RETURN;
    ELSIF state.is_removed THEN
        state := pgslo_catalog.record_removed(state);
        RETURN;
    ELSIF state.step = 'count' AND state.error_code IS NULL THEN
        IF state.batches IS NULL THEN
            state.step := NULL;  -- A statement may write no row.
            RETURN;
        END IF;
        state.failed := coalesce(pgslo_catalog.failed(state.batches), '{}');
    ELSIF state.failed IS NULL THEN
        IF state.rule = 0 THEN
            IF state.error_code IS NOT NULL OR state.step = 'check' THEN
                state := pgslo_catalog.count_again(state);
                RETURN;
            END IF;
            state.batches := state.counted;
            state.tallies := CASE WHEN state.step = 'apart' THEN pgslo_catalog.tally_slots(state.tallies) ELSE state.tallies END;
        END IF;
        state := pgslo_catalog.judge_singly(state);
        IF state.failed IS NULL THEN
            RETURN;
        END IF;
    ELSIF state.step = 'show' THEN
        PERFORM pgslo_catalog.reject(state.definition, ARRAY[state.rules[state.rule]], state.failed[state.rule],
            CASE WHEN state.error_code IS NULL THEN state.shown[1] END, CASE WHEN state.error_code IS NULL THEN state.shown[2] END);
    ELSIF state.step = 'example' AND state.error_code IS NOT NULL THEN
        -- It is recorded that rows failed; which ones is not.
        PERFORM pgslo_catalog.warn_unsampled(state.definition, state.rules[state.rule], state.error_code);
    END IF;

    IF state.step <> 'example' THEN
        FOR n IN state.rule + 1 .. state.rejecting LOOP
            IF state.failed[n] > 0 THEN
                state.step := 'show';
                state.rule := n;
                state.query := pgslo_catalog.showing(state.failing, state.rules[n], state.event, state.passes[n]);
                RETURN;
            END IF;
        END LOOP;
        IF state.is_sampled AND state.samples IS NULL AND state.step <> 'sample' AND cardinality(state.batches) <= pgslo_catalog.batches_at_once() THEN
            state.step := 'sample';
            RETURN;
        END IF;
        state := pgslo_catalog.record_written(state);
        state.step := 'example';
        state.rule := state.rejecting;
    END IF;
    FOR n IN state.rule + 1 .. cardinality(state.rules) LOOP
        IF state.failed[n] > 0 AND NOT pgslo_catalog.has_samples(state.definition, state.rules[n], state.batches) THEN
            state.rule := n;
            state.query := pgslo_catalog.sampling(state.definition, state.failing, state.rules[n], state.event, state.passes[n],
                state.batch_of, state.failed[n]);
            RETURN;
        END IF;
    END LOOP;
    IF state.missed <> '{}' THEN
        -- Fewer failures than a rule allows are not reported to the writer; nor are those of other writers.
        PERFORM pgslo_catalog.warn_writer(state.definition, ARRAY(
            SELECT w.name FROM unnest(state.rules, state.failed) AS w (name, failed)
            WHERE w.failed > 0 AND w.name = ANY (state.missed)));
    END IF;
    state.step := NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.next_step(pgslo_catalog.statement) IS
    'Judge and record what a query over the rows of a statement returned or raised, and name the next one, or NULL.';
