-- What a whole table comes to, or a query, whatever batch is asked for.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.measured_whole(
    definition pgslo_catalog.definition, batch text, measure jsonb, low float8, high float8, OUT value float8, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    counted bigint;
    failed bigint;
BEGIN
    PERFORM pgslo_catalog.pin_table(measured_whole.definition, measure ->> 'function');
    IF measure ->> 'form' = 'query' THEN
        EXECUTE format('SELECT f.value FROM pgslo_gen.%I($1) AS f', measure ->> 'function') INTO value USING measured_whole.batch;
        said := CASE
            WHEN value IS NULL THEN 'the query gives no value'
            ELSE format('the value is %s; %s', pgslo_catalog.shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
        RETURN;
    END IF;
    EXECUTE format('SELECT f.rows, f.failed FROM pgslo_gen.%I($1) AS f', measure ->> 'function') INTO counted, failed USING measured_whole.batch;
    IF measure ->> 'form' = 'table_rows' THEN
        value := counted;
        said := format('the table has %s; %s', pgslo_catalog.rows_shown(counted), pgslo_catalog.wanted(low, high, 1, ''));
    ELSIF counted = 0 THEN
        said := 'the table has no rows that it is about';
    ELSE
        value := (counted - failed)::float8 / counted;
        said := format('%s of %s of the table are %s; %s', pgslo_catalog.share_shown(value::numeric, 1), pgslo_catalog.rows_shown(counted),
            measure ->> 'said', pgslo_catalog.wanted(low, high, 100, ' %'));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measured_whole(pgslo_catalog.definition, text, jsonb, float8, float8)
    IS 'Return the value of a whole table for a rule, with a sentence; NULL when it cannot be determined.';
