-- How rules over a batch get the value that their bounds are held against.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.measured(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value float8, OUT rows bigint, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    there bigint;
BEGIN
    rows := (measured.batch).rows;
    CASE (measured.rule).measure ->> 'from'
        WHEN 'rows' THEN
            value := rows;
            said := format('%s rows; the objective is %s', rows, (measured.rule).promise);
        WHEN 'present' THEN
            IF rows > 0 THEN
                there := coalesce(((measured.batch).present ->> ((measured.rule).measure ->> 'column'))::bigint, 0);
                value := there::float8 / rows;
                said := format('%s %% of %s rows are not null; the objective is %s', round(100.0 * there / rows, 1), rows, (measured.rule).promise);
            ELSE
                said := 'the batch has no rows';
            END IF;
        ELSE
            said := format('the runtime does not know how to measure "%s"', (measured.rule).measure ->> 'from');
    END CASE;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measured(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule) IS 'What a batch comes to in the eyes of a rule, with a sentence; NULL when it cannot be told.';
