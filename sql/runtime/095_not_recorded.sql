-- What a write leaves behind where it cannot be recorded, measured or judged.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_unrecorded(definition text, error_code text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A subscription would stop for good: the row is stored, and its batch is unknown. An error that passes is tried again there.
    IF pgslo_catalog.is_replica()
        AND (refuse_unrecorded.error_code = '54001' OR NOT pgslo_catalog.is_transient(refuse_unrecorded.error_code))
    THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = refuse_unrecorded.error_code,
        MESSAGE = format('rows written to %s cannot be recorded', refuse_unrecorded.definition),
        DETAIL = format('Their record raises: %s.', pgslo_catalog.error_said(false, refuse_unrecorded.error_code, NULL)),
        HINT = CASE WHEN refuse_unrecorded.error_code = '54001'
            THEN 'The statement was undone. Run it in fewer functions that call each other.'
            ELSE 'The statement was undone. Try again.' END,
        SCHEMA = split_part(refuse_unrecorded.definition, '.', 1),
        TABLE = substr(refuse_unrecorded.definition, strpos(refuse_unrecorded.definition, '.') + 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_unrecorded(text, text) IS
    'Refuse a write that could not be recorded at all, which only the writer would know.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_break(definition text, rule text, error_code text, error_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A session whose stack is full stores no row that it keeps from being judged, assigned to a batch or repaired.
    IF record_break.error_code = '54001' AND pg_trigger_depth() > 0 THEN
        PERFORM pgslo_catalog.refuse_unrecorded(record_break.definition, record_break.error_code);
    END IF;
    -- Conflicts, locks, a full disk: they pass, and the rule stays valid. The rows lost with them are reported.
    IF pgslo_catalog.is_transient(record_break.error_code) THEN
        PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL),
            record_break.error_code, false);
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said)
    SELECT d.definition_id, r.rule_id, record_break.error_code, left(record_break.error_message, 1000),
           pgslo_catalog.error_said(coalesce(r.scope = 'row' AND r.kind <> 'references', true), record_break.error_code, record_break.error_message)
    FROM pgslo_catalog.definition d
    LEFT JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = record_break.rule
    WHERE d.name = record_break.definition AND (record_break.rule IS NULL OR r.rule_id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b
                      WHERE b.definition_id = d.definition_id AND b.rule_id IS NOT DISTINCT FROM r.rule_id AND b.batch IS NULL AND b.pause_id IS NULL);
EXCEPTION WHEN OTHERS THEN
    -- Called after a failure; the write does not fail for the note, unless nothing else would record it.
    IF pgslo_catalog.is_transient(SQLSTATE) THEN
        RAISE;
    END IF;
    PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL), record_break.error_code, false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_break(text, text, text, text) IS
    'Record once that a rule can no longer be evaluated; without a rule, that the batch of rows cannot be determined. Warn of a temporary error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_unmeasured(definition text, rule text, error_code text, error_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A value that a sum or a batch cannot be made of is a fault of its row, not of the table.
    IF NOT pgslo_catalog.is_of_row(record_unmeasured.error_code) THEN
        PERFORM pgslo_catalog.record_break(record_unmeasured.definition, record_unmeasured.rule,
            record_unmeasured.error_code, record_unmeasured.error_message);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_unmeasured(text, text, text, text) IS
    'Note that rows cannot be measured or, without a rule, assigned to batches, unless a value raised the error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_lost(
    definition text, rules text[], batches text[], places numeric[], error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.definition;
    noted boolean := false;
    is_counted boolean;
BEGIN
    SELECT d.* INTO known FROM pgslo_catalog.definition d WHERE d.name = record_lost.definition;
    -- Sums that lack these rows would let the batch pass.
    IF NOT pgslo_catalog.is_replica() AND EXISTS (
        SELECT FROM pgslo_catalog.rule r
        WHERE r.definition_id = known.definition_id AND r.retired_at IS NULL AND num_nonnulls(r.reject_low, r.reject_high) > 0)
    THEN
        PERFORM pgslo_catalog.refuse_unrecorded(known.name, record_lost.error_code);
    END IF;
    -- PostgreSQL 14 says 2201B of a pattern that has no stack left.
    IF NOT (pgslo_catalog.is_transient(record_lost.error_code) OR record_lost.error_code = '2201B') THEN
        PERFORM pgslo_catalog.record_break(known.name, NULL, record_lost.error_code, record_lost.error_message);
    ELSE
        is_counted := known.writes = 'bulk' AND known.recount IS NOT NULL;
        IF record_lost.error_code = '54001' AND NOT is_counted AND ('{}' IN (record_lost.rules, record_lost.batches)) IS NOT FALSE THEN
            PERFORM pgslo_catalog.refuse_unrecorded(known.name, record_lost.error_code);
        END IF;
        BEGIN
            IF is_counted THEN
                -- The next tick() counts the table's batches, and then judges these.
                INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
                VALUES (known.definition_id, '', '-Infinity', 0, 'recount');
            END IF;
            PERFORM pgslo_catalog.mark_unjudged(known.name, record_lost.rules, record_lost.batches,
                record_lost.places, record_lost.error_code, record_lost.error_message);
            noted := is_counted OR known.judge IS NOT NULL AND '{}' NOT IN (record_lost.rules, record_lost.batches);
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.refuse_unrecorded(known.name, SQLSTATE);
            END IF;
        END;
    END IF;
    PERFORM pgslo_catalog.warn_unjudged(record_lost.definition, '{}', record_lost.error_code, noted);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_lost(text, text[], text[], numeric[], text, text) IS
    'Warn the writer that rows were stored without a record of them, and have them counted by the next tick() where '
    'it can; fail the write where that cannot be noted, or where rules refuse batches.';
