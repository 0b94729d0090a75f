-- What triggers on rows do with a row that does not pass all rules at once, that a repair changed, or where all rows go.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.after_row_error(
    definition text, rule text, refuses boolean, raised text, message text,
    INOUT step text, INOUT is_planned_again boolean, INOUT shown text,
    OUT row_key text, OUT error_code text, OUT error_message text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF NOT after_row_error.is_planned_again AND (after_row_error.raised = '42804'
        OR after_row_error.raised LIKE '42%' AND after_row_error.step <> 'show')
    THEN
        -- By plans from before ALTER TABLE, perhaps.
        PERFORM pgslo_catalog.forget_plans(after_row_error.raised = '42804' AND after_row_error.refuses IS NOT FALSE);
        step := 'judge';
        shown := NULL;
        is_planned_again := true;
    ELSIF after_row_error.step = 'show' THEN
        row_key := 'of the row';
        step := NULL;
    ELSIF after_row_error.step = 'judge' AND pgslo_catalog.is_of_value(after_row_error.raised) THEN
        shown := pgslo_catalog.error_excerpt(after_row_error.definition, after_row_error.rule, after_row_error.raised, after_row_error.message);
        step := 'plan';  -- An error again if it is not the row, but the table that does not fit.
    ELSIF after_row_error.refuses IS NULL OR pgslo_catalog.must_raise(after_row_error.raised, after_row_error.refuses) THEN
        step := 'raise';
    ELSE
        shown := NULL;
        error_code := after_row_error.raised;
        error_message := after_row_error.message;
        step := NULL;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.after_row_error(text, text, boolean, text, text, text, boolean, text) IS
    'Return what to do after a rule raised an error for a row: judge it again, plan its condition alone, raise the error, or nothing.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_quarantined(
    definition text, relation oid, operation text, old_row record, new_row record, judged pgslo_catalog.judged_row[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one pgslo_catalog.judged_row;
    failing pgslo_catalog.judged_row[] := '{}';
BEGIN
    FOREACH one IN ARRAY is_quarantined.judged LOOP
        IF one.error_code IS NULL THEN
            failing := failing || one;
        ELSE
            -- A renamed column, for example.
            PERFORM pgslo_catalog.record_break(is_quarantined.definition, one.rule, one.error_code, one.error_message);
        END IF;
    END LOOP;
    IF failing = '{}' THEN
        RETURN false;
    END IF;
    IF is_quarantined.operation = 'UPDATE' AND pgslo_catalog.must_be_stored(is_quarantined.definition,
        is_quarantined.relation::regclass, ARRAY(SELECT f.rule FROM unnest(failing) AS f), is_quarantined.old_row, is_quarantined.new_row)
    THEN
        RETURN false;  -- It changes no column that a violated rule reads.
    END IF;
    PERFORM pgslo_catalog.record_quarantine(is_quarantined.definition, is_quarantined.relation::regclass, is_quarantined.operation,
        failing[1].row_key, is_quarantined.old_row, is_quarantined.new_row,
        ARRAY(SELECT f.rule FROM unnest(failing) WITH ORDINALITY AS f ORDER BY f.ordinality),
        ARRAY(SELECT f.shown FROM unnest(failing) WITH ORDINALITY AS f ORDER BY f.ordinality));
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_quarantined(text, oid, text, record, record, pgslo_catalog.judged_row[]) IS
    'Keep a row that violates rules in quarantine, and return whether it is not stored in its table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.stored_rows(
    definition text, rejecting text[], judged pgslo_catalog.judged_row[]
) RETURNS pgslo_catalog.judged_row[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one pgslo_catalog.judged_row;
    kept pgslo_catalog.judged_row[] := '{}';
    refused pgslo_catalog.judged_row[] := '{}';
BEGIN
    FOREACH one IN ARRAY stored_rows.judged LOOP
        IF one.error_code IS NULL AND one.rule = ANY (stored_rows.rejecting) THEN
            refused := refused || one;
        ELSIF one.error_code IS NOT NULL AND NOT pgslo_catalog.is_transient(one.error_code) THEN
            -- A renamed column, for example.
            PERFORM pgslo_catalog.record_break(stored_rows.definition, one.rule, one.error_code, one.error_message);
            CONTINUE;
        END IF;
        kept := kept || one;
    END LOOP;
    IF refused <> '{}' THEN
        -- It returns where session_replication_role is replica.
        PERFORM pgslo_catalog.reject(stored_rows.definition,
            ARRAY(SELECT f.rule FROM unnest(refused) WITH ORDINALITY AS f ORDER BY f.ordinality),
            1, refused[1].shown, refused[1].row_key);
    END IF;
    RETURN kept;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.stored_rows(text, text[], pgslo_catalog.judged_row[]) IS
    'Refuse a row that violates a rule that rejects; return what remains to be recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_stored(
    definition text, batch text, place numeric, judged pgslo_catalog.judged_row[]
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one pgslo_catalog.judged_row;
    failing text[] := '{}';
    shown text[] := '{}';
    row_key text;
    rules_unjudged text[] := '{}';
    unjudged pgslo_catalog.judged_row;
BEGIN
    FOREACH one IN ARRAY record_stored.judged LOOP
        IF one.error_code IS NULL THEN
            failing := failing || one.rule;
            shown := shown || one.shown;
            -- The key of a rule that rejects is for the writer, and may lack values; it comes first.
            row_key := one.row_key;
        ELSE
            rules_unjudged := rules_unjudged || one.rule;
            unjudged := one;
        END IF;
    END LOOP;
    -- From here on an observer: whatever happens, the write succeeds.
    IF rules_unjudged <> '{}' THEN
        PERFORM pgslo_catalog.record_unjudged(record_stored.definition, rules_unjudged,
            ARRAY[record_stored.batch], ARRAY[record_stored.place], unjudged.error_code, unjudged.error_message);
    END IF;
    IF failing = '{}' THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM pgslo_catalog.record_row(record_stored.definition, record_stored.batch, record_stored.place, row_key, failing, shown);
    EXCEPTION
        WHEN serialization_failure THEN
            RAISE;  -- Under SERIALIZABLE alone, where writers try again: going on would lose the record.
        WHEN OTHERS THEN
            PERFORM pgslo_catalog.record_lost(record_stored.definition, failing, ARRAY[record_stored.batch],
                ARRAY[record_stored.place], SQLSTATE, SQLERRM);
    END;
    PERFORM pgslo_catalog.warn_writer(record_stored.definition, failing);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_stored(text, text, numeric, pgslo_catalog.judged_row[]) IS
    'Record a row that was stored although it violates rules, or could not be judged by them, and warn the writer.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_repairs(
    definition text, repaired pgslo_catalog.repaired_value[], row_key text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one pgslo_catalog.repaired_value;
BEGIN
    FOREACH one IN ARRAY record_repairs.repaired LOOP
        BEGIN
            PERFORM pgslo_catalog.record_repair(record_repairs.definition, one.rule, one.column_name, record_repairs.row_key,
                one.old_value, one.new_value);
        EXCEPTION WHEN OTHERS THEN
            -- The repaired value is stored even if it cannot be recorded.
            IF pgslo_catalog.must_raise(SQLSTATE, true) THEN
                RAISE;
            END IF;
            PERFORM pgslo_catalog.record_break(record_repairs.definition, one.rule, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_repairs(text, pgslo_catalog.repaired_value[], text) IS
    'Keep the values of a row that repairs replaced.';

CREATE OR REPLACE FUNCTION pgslo_catalog.failed_repairs(
    definition text, failed text[], rule text, repaired pgslo_catalog.repaired_value[], error_code text, error_message text
) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF failed_repairs.error_code = '42804' AND ('' = ANY (failed_repairs.failed)) IS NOT TRUE THEN
        PERFORM pgslo_catalog.forget_plans(true);  -- Those from before ALTER TABLE.
        RETURN failed_repairs.failed || ''::text;
    END IF;
    IF failed_repairs.rule IS NULL THEN
        -- All values are repaired, and cannot be recorded, because of a renamed key, for example.
        PERFORM pgslo_catalog.record_break(failed_repairs.definition, r.rule, failed_repairs.error_code, failed_repairs.error_message)
        FROM unnest(failed_repairs.repaired) AS r;
        RETURN NULL;
    END IF;
    -- If the column cannot hold the result, the rule itself is valid.
    IF failed_repairs.error_code <> '22003' THEN
        PERFORM pgslo_catalog.record_break(failed_repairs.definition, failed_repairs.rule, failed_repairs.error_code, failed_repairs.error_message);
    END IF;
    RETURN failed_repairs.failed || failed_repairs.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failed_repairs(text, text[], text, pgslo_catalog.repaired_value[], text, text) IS
    'Note that a repair raised an error, and return those to leave out from now on; '''' once plans were forgotten; NULL where the row is stored as it is.';

CREATE OR REPLACE FUNCTION pgslo_catalog.observe_truncate(definition text, relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.record_truncate(observe_truncate.definition, observe_truncate.relation);
EXCEPTION
    WHEN serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN
        -- An observer: whatever happens in it, the statement succeeds.
        PERFORM pgslo_catalog.record_lost(observe_truncate.definition, '{}', '{}', '{}', SQLSTATE, SQLERRM);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.observe_truncate(text, regclass) IS 'Note that a table was emptied, or a part of it, or that this cannot be noted.';
