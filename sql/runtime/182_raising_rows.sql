-- Rows for which the expression of the batch raises an error: they are of the batch "unknown", and the others are found all the same.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_raising(definition pgslo_catalog.definition, counted pgslo_catalog.measured[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    rows bigint := (SELECT c.rows FROM unnest(warn_raising.counted) AS c WHERE c.batch = 'unknown');
BEGIN
    IF rows > 0 THEN
        RAISE WARNING USING
            ERRCODE = '01SL2',
            MESSAGE = format('cannot determine the batch of %s in %s', pgslo_catalog.rows_shown(rows), (warn_raising.definition).name),
            DETAIL = 'The expression of the batch raises an error. They are counted as batch "unknown", which no rule about batches evaluates.',
            HINT = 'Correct or delete these rows.',
            SCHEMA = split_part((warn_raising.definition).name, '.', 1),
            TABLE = substr((warn_raising.definition).name, strpos((warn_raising.definition).name, '.') + 1);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.warn_raising(pgslo_catalog.definition, pgslo_catalog.measured[]) IS
    'Warn of rows whose batch is unknown because its expression raises an error for them.';

CREATE OR REPLACE FUNCTION pgslo_catalog.asked_batches(definition pgslo_catalog.definition, question text) RETURNS pgslo_catalog.measured[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := asked_batches.definition;
    counted pgslo_catalog.measured[];
BEGIN
    BEGIN
        EXECUTE format(
            'SELECT array_agg(ROW(n.name, n.place, n.rows, ''{}'', ''{}'', ''{}'', NULL)::pgslo_catalog.measured) FROM %s',
            CASE WHEN target.reader IS NULL THEN format('(%s) AS n (name, place, rows)', asked_batches.question)
                 ELSE format('pgslo_gen.%I($1) AS n (name text, place numeric, rows bigint)', target.reader) END)
        INTO counted USING asked_batches.question;
    EXCEPTION WHEN OTHERS THEN
        IF target.recount IS NULL OR NOT pgslo_catalog.is_of_row(SQLSTATE) THEN
            RAISE;
        END IF;
        -- The function that counts the table leaves rows out that raise an error. No row is sampled.
        PERFORM pgslo_catalog.pin_table(target, target.recount);
        EXECUTE format('SELECT pgslo_gen.%I(NULL, NULL, 9223372036854775807)', target.recount) INTO counted;
        PERFORM pgslo_catalog.warn_raising(target, counted);
    END;
    RETURN counted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.asked_batches(pgslo_catalog.definition, text) IS
    'Return the answer of a query for names, order and rows of batches; all batches of the table if a row raises an error in it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_unknown_rows(definition_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = has_unknown_rows.definition_id AND b.batch = 'unknown' AND b.pause_id IS NULL
          -- For rules about batches they stay so, wherever the rows are counted.
          AND b.error_code <> '22000');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_unknown_rows(bigint) IS 'Return whether rows were not judged whose batch is unknown.';
