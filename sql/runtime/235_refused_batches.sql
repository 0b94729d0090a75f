-- Batches that are refused because a rule is violated, or cannot judge them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.batch_so_far(definition_id bigint, batch text) RETURNS pgslo_catalog.batch
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    summed pgslo_catalog.batch;
    emptied bigint := coalesce((SELECT max(f.fragment_id) FROM pgslo_catalog.fragment f
                                WHERE f.definition_id = batch_so_far.definition_id AND f.operation = 'truncate'), 0);
BEGIN
    SELECT batch_so_far.definition_id, batch_so_far.batch, min(f.place), coalesce(sum(f.rows), 0)::bigint,
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), pgslo_catalog.added_up(array_agg(f.failures))
    INTO summed.definition_id, summed.name, summed.place, summed.rows, summed.present, summed.tallies, summed.failures
    FROM pgslo_catalog.fragment f
    WHERE f.definition_id = batch_so_far.definition_id AND f.batch = batch_so_far.batch AND f.fragment_id > emptied;
    RETURN summed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batch_so_far(bigint, text) IS 'Return a batch with the changes of this transaction.';

CREATE OR REPLACE FUNCTION pgslo_catalog.why_unjudged(batch pgslo_catalog.batch, measure jsonb, unmeasured_by text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Rows that raise an error may be of any statement: they are known by number until they are corrected.
    IF pgslo_catalog.raising(why_unjudged.batch, why_unjudged.measure) > 0 THEN
        RETURN 'The expression of the rule raises an error for a row of the batch.';
    END IF;
    -- Batches that were not measured before are counted from the table by the next tick(), and refuse nothing until then.
    IF coalesce(pgslo_catalog.is_of_moved_schema(why_unjudged.unmeasured_by), true)
        OR why_unjudged.measure ->> 'form' IN ('age', 'table_rows', 'table_share') THEN
        RETURN NULL;
    END IF;
    RETURN CASE
        WHEN (why_unjudged.batch).name = 'unknown' AND (why_unjudged.batch).place = '-Infinity'
            THEN format('The expression of the batch raises SQLSTATE %s for a row of the statement.', why_unjudged.unmeasured_by)
        WHEN pgslo_catalog.unmeasured(why_unjudged.batch, why_unjudged.measure) > 0
            THEN format('A sum over the rows of the statement raises SQLSTATE %s.', why_unjudged.unmeasured_by)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.why_unjudged(pgslo_catalog.batch, jsonb, text) IS
    'Return why a rule cannot evaluate a batch that a statement writes, as a sentence without a value; NULL where there is '
    'nothing to judge, or where the table is no longer what the rules were written for.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_unjudged(definition pgslo_catalog.definition, rule pgslo_catalog.rule, batch text, why text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('batch %s of %s cannot be judged by rule "%s"', refuse_unjudged.batch, (refuse_unjudged.definition).name, (refuse_unjudged.rule).name),
        DETAIL = refuse_unjudged.why,
        HINT = format('The statement was undone. Write rows that can be judged, or ask the owner, %s.',
            coalesce((refuse_unjudged.rule).owner, (refuse_unjudged.definition).owner, 'unknown')),
        SCHEMA = split_part((refuse_unjudged.definition).name, '.', 1),
        TABLE = substr((refuse_unjudged.definition).name, strpos((refuse_unjudged.definition).name, '.') + 1),
        CONSTRAINT = (refuse_unjudged.rule).name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_unjudged(pgslo_catalog.definition, pgslo_catalog.rule, text, text) IS
    'Refuse a statement because a rule that refuses batches cannot judge one of its batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_batch(definition text, batches text[], unmeasured_by text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    rule pgslo_catalog.rule;
    one text;
    summed pgslo_catalog.batch;
    found record;
    why text;
BEGIN
    IF pgslo_catalog.is_replica() THEN
        RETURN;  -- A subscription would stop for good: the batch is judged when it closes.
    END IF;
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = refuse_batch.definition;
    IF cardinality(refuse_batch.batches) > pgslo_catalog.batches_at_once() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('statement writes to too many batches of %s', target.name),
            DETAIL = format('It writes to %s, and rules that refuse batches judge %s at once at most.',
                            cardinality(refuse_batch.batches), pgslo_catalog.batches_at_once()),
            HINT = 'Write fewer batches in one statement.',
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1);
    END IF;
    FOREACH one IN ARRAY ARRAY(SELECT DISTINCT b.name FROM unnest(refuse_batch.batches) AS b (name) WHERE b.name IS NOT NULL ORDER BY 1) LOOP
        summed := pgslo_catalog.batch_so_far(target.definition_id, one);
        CONTINUE WHEN summed.rows <= 0;
        -- Batches without an order, such as those of NULL, get no verdict, but their rows are known.
        IF summed.place = '-Infinity' AND one <> 'unknown' THEN
            summed.place := 0;
        END IF;
        FOREACH rule IN ARRAY ARRAY(
            SELECT r FROM pgslo_catalog.rule r
            WHERE r.definition_id = target.definition_id AND r.retired_at IS NULL AND (r.reject_low IS NOT NULL OR r.reject_high IS NOT NULL)
            ORDER BY r.rule_id)
        LOOP
            found := NULL;
            BEGIN
                rule.warn_low := rule.reject_low;
                rule.warn_high := rule.reject_high;
                SELECT m.* INTO found FROM pgslo_catalog.measured(target, summed, rule) AS m;
            EXCEPTION WHEN OTHERS THEN
                -- A table whose columns differ from those of the rule refuses nothing; the difference is reported when the batch is closed.
                CONTINUE WHEN pgslo_catalog.is_of_moved_schema(SQLSTATE);
                IF pgslo_catalog.is_transient(SQLSTATE) THEN
                    RAISE;
                END IF;
                PERFORM pgslo_catalog.refuse_unjudged(target, rule, one, format('Its query or condition raises SQLSTATE %s.', SQLSTATE));
            END;
            IF found.value IS NULL THEN
                why := pgslo_catalog.why_unjudged(summed, rule.measure, refuse_batch.unmeasured_by);
                IF why IS NOT NULL THEN
                    PERFORM pgslo_catalog.refuse_unjudged(target, rule, one, why);
                END IF;
            END IF;
            IF found.value < rule.reject_low OR found.value > rule.reject_high THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'check_violation',
                    MESSAGE = format('batch %s of %s violates rule "%s"', one, target.name, rule.name),
                    -- A writer who may not read the rows must not see a number over them.
                    DETAIL = CASE WHEN pgslo_catalog.may_count(target.relation, rule.columns)
                        THEN format('%s.', regexp_replace(upper(left(found.said, 1) COLLATE "C") || substr(found.said, 2), 'the objective is', 'expected:'))
                        ELSE format('Expected: %s.', rule.promise) END,
                    HINT = format('The statement was rolled back. Write rows that satisfy the rule, or contact its owner, %s.',
                                  coalesce(rule.owner, target.owner, 'unknown')),
                    SCHEMA = split_part(target.name, '.', 1),
                    TABLE = substr(target.name, strpos(target.name, '.') + 1),
                    COLUMN = coalesce(CASE WHEN rule.kind <> 'row_count' THEN rule.columns[1] END, ''),
                    CONSTRAINT = rule.name;
            END IF;
        END LOOP;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_batch(text, text[], text) IS
    'Refuse a statement after which a batch exceeds the bounds of its rules, or cannot be evaluated by them; '
    'unmeasured_by: the error for which the statement could not be measured.';
