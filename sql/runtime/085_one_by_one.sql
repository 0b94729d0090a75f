-- Queries over the rows of a statement, for triggers that evaluate rules one by one: `r` is a row, pgslo_rows the table of them.
SET LOCAL search_path = pg_catalog, pg_temp;

-- batch_of is how to find the batch of a row: expressions for its key over r, and for its name and its place over b.raw.
CREATE OR REPLACE FUNCTION pgslo_catalog.unknown_batch() RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY[$$'unknown'::text$$, 'b.raw', $$'-Infinity'::numeric$$];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unknown_batch() IS 'Return expressions by which every row is of the batch "unknown".';

-- Each query returns counts and texts.
CREATE OR REPLACE FUNCTION pgslo_catalog.counting(rows text, batch_of text[], columns text[], presents text[], sums text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN format('SELECT array_agg(ROW(%s, %s, b.rows, b.present, b.tallies, ''{}'', NULL)::pgslo_catalog.measured), NULL::text[]
        FROM (
            SELECT %s AS raw, count(*) AS rows, ARRAY[%s]::bigint[] AS present, ARRAY[%s]::numeric[] AS tallies
            FROM %s
            GROUP BY 1
        ) AS b',
        counting.batch_of[2], counting.batch_of[3], counting.batch_of[1],
        -- A path into a value is not a column.
        coalesce(array_to_string(counting.presents, ', '),
                 (SELECT string_agg(format('count(r.%I)', c.name), ', ' ORDER BY c.ordinal)
                  FROM unnest(counting.columns) WITH ORDINALITY AS c (name, ordinal))),
        array_to_string(counting.sums, ', '), counting.rows);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.counting(text, text[], text[], text[], text[]) IS
    'Return the query that counts rows by batch, with the values that are not NULL in each column, and sums.';

CREATE OR REPLACE FUNCTION pgslo_catalog.counting_failures(passes text, batch_of text[], ordinal integer, rules integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN format('SELECT array_agg(ROW(%s, %s, 0, ''{}'', ''{}'', pgslo_catalog.failing_of(%s, %s, b.failed), NULL)::pgslo_catalog.measured),
            NULL::text[]
        FROM (SELECT %s AS raw, count(*) AS failed FROM pgslo_rows AS r WHERE NOT %s GROUP BY 1) AS b',
        counting_failures.batch_of[2], counting_failures.batch_of[3], counting_failures.ordinal, counting_failures.rules,
        counting_failures.batch_of[1], counting_failures.passes);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.counting_failures(text, text[], integer, integer) IS
    'Return the query for the rows that do not pass, by batch, as those of one of a number of rules.';

CREATE OR REPLACE FUNCTION pgslo_catalog.passing_singly(failure text, rule text, operation text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN format('((%s(r.*, %L, %L)).shown IS NULL)', passing_singly.failure, passing_singly.rule, passing_singly.operation);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.passing_singly(text, text, text) IS
    'Return the condition under which a row passes by a call of its own, so that a row that raises an error fails.';

CREATE OR REPLACE FUNCTION pgslo_catalog.showing(failure text, rule text, operation text, passes text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN format('SELECT NULL::pgslo_catalog.measured[], ARRAY[f.shown, f.row_key]
        FROM pgslo_rows AS r CROSS JOIN LATERAL %s(r.*, %L, %L) AS f WHERE NOT %s LIMIT 1',
        showing.failure, showing.rule, showing.operation, showing.passes);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.showing(text, text, text, text) IS
    'Return the query for one row that violates a rule in an operation: the values to show, and its key.';

CREATE OR REPLACE FUNCTION pgslo_catalog.sampling(
    definition text, failure text, rule text, operation text, passes text, batch_of text[], failed bigint
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN format('SELECT NULL::pgslo_catalog.measured[], ARRAY[count(pgslo_catalog.record_sample(%L, %L, %s, b.row_key, b.shown))::text]
        FROM (
            SELECT %s AS raw, f.row_key, f.shown
            FROM pgslo_rows AS r CROSS JOIN LATERAL %s(r.*, %L, %L) AS f
            WHERE NOT %s LIMIT %s
        ) AS b',
        sampling.definition, sampling.rule, sampling.batch_of[2], sampling.batch_of[1], sampling.failure, sampling.rule,
        sampling.operation, sampling.passes,
        -- No row is evaluated after the last that is needed.
        (SELECT least(r.samples, sampling.failed) FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
         WHERE d.name = sampling.definition AND r.name = sampling.rule));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sampling(text, text, text, text, text, text[], bigint) IS
    'Return the statement that keeps some of the rows that violate a rule in an operation, each with its batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.names_of(batches pgslo_catalog.measured[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(SELECT b.batch FROM unnest(names_of.batches) WITH ORDINALITY AS b ORDER BY b.ordinality);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.names_of(pgslo_catalog.measured[]) IS 'Return the names of batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.places_of(batches pgslo_catalog.measured[]) RETURNS numeric[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(SELECT b.place FROM unnest(places_of.batches) WITH ORDINALITY AS b ORDER BY b.ordinality);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.places_of(pgslo_catalog.measured[]) IS 'Return the places of batches, in the order of their names.';
