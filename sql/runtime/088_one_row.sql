-- Counts of a statement by name, and the record of a statement of one row: what nearly every small write runs.
SET LOCAL search_path = pg_catalog, pg_temp;

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
COMMENT ON FUNCTION pgslo_catalog.signed(text[], numeric[], integer) IS 'Return counts by name, negative if the sign is -1; zero counts are left out.';

CREATE OR REPLACE FUNCTION pgslo_catalog.signed(names text[], counts bigint[], sign integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    listed text := to_json(signed.names)::text;
    zeros integer[] := array_positions(signed.counts, 0);
BEGIN
    IF signed.names = '{}' THEN
        RETURN NULL;
    ELSIF strpos(listed, E'\\') > 0 OR array_position(signed.names, NULL) > 0 OR cardinality(signed.names) <> cardinality(signed.counts)
        OR (0 <= ALL (signed.counts)) IS NOT TRUE
    THEN
        RETURN pgslo_catalog.signed(signed.names, signed.counts::numeric[], signed.sign);
    END IF;
    -- As text, which is read in a third of the time that an aggregate takes. Without escapes, these three characters are between names alone.
    listed := replace(replace(substr(listed, 2, length(listed) - 2), '%', '%%'), '","',
        CASE WHEN signed.sign < 0 THEN '":-%s,"' ELSE '":%s,"' END);
    RETURN nullif(
        format('{' || listed || CASE WHEN signed.sign < 0 THEN ':-%s}' ELSE ':%s}' END, VARIADIC signed.counts)::jsonb
        - CASE WHEN zeros = '{}' THEN '{}' ELSE ARRAY(SELECT signed.names[z.place] FROM unnest(zeros) AS z (place)) END,
        '{}');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.signed(text[], bigint[], integer) IS
    'Return numbers of rows by name, negative if the sign is -1; zero counts are left out.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_one(state pgslo_catalog.statement, one pgslo_catalog.measured) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    way integer := CASE WHEN state.is_removed THEN -1 ELSE 1 END;
BEGIN
    IF one.present IS NULL AND one.sample IS NOT NULL THEN
        -- The first cell of a sample is the hash of its entity.
        one.present := ARRAY(
            SELECT num_nonnulls(c.cell) FROM unnest(one.sample) WITH ORDINALITY AS c (cell, place) WHERE c.place > 1 ORDER BY c.place);
    END IF;
    -- A later batch than that of an open incident may resolve it; where batches have no order, any may.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation, present, tallies, level, sample_columns, sample)
    SELECT d.definition_id, one.batch,
           coalesce(one.place, pgslo_catalog.known_place(d.definition_id, one.batch), extract(epoch FROM clock_timestamp())),
           way, CASE WHEN state.is_removed THEN 'delete' ELSE state.operation END,
           pgslo_catalog.signed(state.columns, one.present, way), pgslo_catalog.signed(state.tallies, one.tallies, way),
           0, nullif(state.columns, '{}'), one.sample
    FROM pgslo_catalog.definition d
    LEFT JOIN pgslo_catalog.incident i
        ON i.definition_id = d.definition_id AND i.over_at IS NULL AND (i.opened_place < one.place) IS NOT FALSE AND NOT state.is_removed
    WHERE d.name = state.definition AND i.incident_id IS NULL;
    IF FOUND AND state.refuses_batches AND (state.event = 'DELETE' OR NOT state.is_removed) THEN
        PERFORM pgslo_catalog.refuse_batch(state.definition, ARRAY[one.batch], NULL);
        RETURN true;
    END IF;
    RETURN FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_one(pgslo_catalog.statement, pgslo_catalog.measured) IS
    'Append the one row of a statement, which passes all rules, to its batch; false where the batch may resolve an incident.';
