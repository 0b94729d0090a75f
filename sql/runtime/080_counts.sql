-- What a statement's rows come to, by batch and rule.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.failing_of(ordinal integer, rules integer, failed bigint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(CASE WHEN n.ordinal = failing_of.ordinal THEN failing_of.failed ELSE 0 END ORDER BY n.ordinal)
    FROM generate_series(1, failing_of.rules) AS n (ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failing_of(integer, integer, bigint) IS 'Return the failing rows of one rule among several.';

CREATE OR REPLACE FUNCTION pgslo_catalog.failed(batches pgslo_catalog.measured[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF cardinality(failed.batches) = 1 THEN
        RETURN failed.batches[1].failed;
    END IF;
    RETURN (
        SELECT array_agg(n.failed ORDER BY n.ordinal)
        FROM (
            SELECT f.ordinal, sum(f.failed)::bigint AS failed
            FROM unnest(failed.batches) WITH ORDINALITY AS b
            CROSS JOIN LATERAL unnest(b.failed) WITH ORDINALITY AS f (failed, ordinal)
            -- One batch has each rule; of the others those with failing rows count, which are few.
            WHERE b.ordinality = 1 OR 0 < ANY (b.failed)
            GROUP BY f.ordinal
        ) AS n);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failed(pgslo_catalog.measured[]) IS 'Return failing rows by rule, over all batches of a statement.';

CREATE OR REPLACE FUNCTION pgslo_catalog.merged(batches pgslo_catalog.measured[], rules integer) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH part AS (
        SELECT b.* FROM unnest(merged.batches) AS b
    ), failed AS (
        SELECT n.batch, array_agg(n.failed ORDER BY n.ordinal) AS failed
        FROM (
            SELECT p.batch, f.ordinal, sum(f.failed)::bigint AS failed
            FROM part p, unnest(p.failed || pgslo_catalog.failing_of(0, merged.rules, 0)) WITH ORDINALITY AS f (failed, ordinal)
            WHERE f.ordinal <= merged.rules
            GROUP BY p.batch, f.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, p.tallies, coalesce(f.failed, '{}'), NULL)::pgslo_catalog.measured)
    FROM (
        -- An empty array is less than all others, so max() returns the one entry of a batch that has its sums.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.tallies) AS tallies
        FROM part GROUP BY part.batch
    ) p
    LEFT JOIN failed f ON f.batch = p.batch
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.merged(pgslo_catalog.measured[], integer) IS 'Return counts by rule as one entry for each batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tally_slots(tallies text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT tally_slots.tallies || array_agg('raising ' || t.name ORDER BY t.ordinal)
    FROM unnest(tally_slots.tallies) WITH ORDINALITY AS t (name, ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tally_slots(text[]) IS
    'Return names of sums, followed by names of the number of rows for which each of them raises an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summed(batches pgslo_catalog.measured[], slots integer) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH part AS (
        SELECT b.* FROM unnest(summed.batches) AS b
    ), total AS (
        SELECT n.batch, array_agg(n.total ORDER BY n.ordinal) AS tallies
        FROM (
            SELECT p.batch, t.ordinal, sum(t.value) AS total
            FROM part p
            CROSS JOIN LATERAL unnest(p.tallies || array_fill(NULL::numeric, ARRAY[summed.slots])) WITH ORDINALITY AS t (value, ordinal)
            WHERE t.ordinal <= summed.slots
            GROUP BY p.batch, t.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, t.tallies, p.failed, s.sample)::pgslo_catalog.measured)
    FROM (
        -- As above: max() returns the one entry of a batch that has its counts.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.failed) AS failed
        FROM part GROUP BY part.batch
    ) p
    JOIN total t ON t.batch = p.batch
    LEFT JOIN LATERAL (SELECT part.sample FROM part WHERE part.batch = p.batch AND part.sample IS NOT NULL LIMIT 1) s ON true
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summed(pgslo_catalog.measured[], integer) IS
    'Return counts by row as one entry for each batch, with a number of sums.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unsampled(batches pgslo_catalog.measured[], sign integer) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(ROW(b.batch, b.place, b.rows, b.present, b.tallies || unsampled.sign * b.rows::numeric, b.failed, NULL)::pgslo_catalog.measured
        ORDER BY b.ordinal)
    FROM unnest(unsampled.batches) WITH ORDINALITY AS b (batch, place, rows, present, tallies, failed, sample, ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unsampled(pgslo_catalog.measured[], integer) IS
    'Return batches with one more tally: their rows, none of which were sampled, with a sign.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_at_once() RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 10000;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_at_once() IS 'Return the number of batches that one statement may write to and have each of them recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.bounded(definition text, batches pgslo_catalog.measured[]) RETURNS pgslo_catalog.measured[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    most integer := pgslo_catalog.batches_at_once();
    surplus pgslo_catalog.measured[];
    message text := format('a statement wrote to %s batches, and %s at most are recorded one by one',
        cardinality(bounded.batches), most);
BEGIN
    -- The newest are recorded; of the others, how many rows failed. Those without an order arrived together: any of them.
    IF bounded.batches[1].place IS NOT NULL THEN
        bounded.batches := ARRAY(SELECT b FROM unnest(bounded.batches) AS b ORDER BY b.place DESC NULLS LAST, b.batch);
    END IF;
    surplus := bounded.batches[most + 1:];
    PERFORM pgslo_catalog.record_break(bounded.definition, NULL, '54000', message);
    PERFORM pgslo_catalog.warn_unjudged(bounded.definition, '{}', '54000', false);
    RETURN bounded.batches[:most]
        || ROW('unknown', '-Infinity', (SELECT sum(b.rows) FROM unnest(surplus) AS b), '{}', '{}',
               pgslo_catalog.failed(surplus), NULL)::pgslo_catalog.measured;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.bounded(text, pgslo_catalog.measured[]) IS
    'Return the newest batches of a statement that wrote to too many, and the others as one that is unknown; noted, and the writer is warned.';
