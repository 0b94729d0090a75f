-- The newest batch of a table, determined from its rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.can_find_batches(definition pgslo_catalog.definition) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- 16 MB are read faster than anybody notices.
    RETURN 16 * 1024 * 1024 > (
        SELECT sum(pg_relation_size(p.number)) FROM pgslo_catalog.present_parts((can_find_batches.definition).relation) AS p
    ) OR EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = (can_find_batches.definition).relation AND i.indisvalid AND i.indpred IS NULL
          AND pg_get_indexdef(i.indexrelid, 1, true) IN (
              quote_ident((can_find_batches.definition).batch_column),
              regexp_replace((can_find_batches.definition).batch_by, E'^\\(r\\.(.*)\\)$', E'\\1')));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.can_find_batches(pgslo_catalog.definition) IS 'Whether a table''s batches can be looked up by an index, or it is small.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_batch(definition pgslo_catalog.definition, up_to numeric DEFAULT 'Infinity', OUT name text, OUT place numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As the functions that write batches down evaluate an author's expression.
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET gin_fuzzy_search_limit = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_numeric = 'C'
SET lc_monetary = 'C'
SET lc_time = 'C'
SET transform_null_equals = off
AS $pgslo$
DECLARE
    newest timestamptz;
    target pgslo_catalog.definition := newest_batch.definition;
    value text := CASE WHEN target.batch_column IS NULL THEN target.batch_by ELSE format('r.%I', target.batch_column) END;
    kind regtype;
    -- Infinite values have no place: one of them would hide all other batches.
    bound text := format(' WHERE (SELECT %s FROM (SELECT %s AS raw) AS b) > ''-Infinity''', target.batch_place, target.batch_by);
    question text;
BEGIN
    IF target.batch_by IS NULL THEN
        -- Batches of the clock: the newest that is over.
        newest := date_bin(target.batch_every, clock_timestamp() - target.batch_every, '2001-01-01 00:00:00+00');
        name := pgslo_catalog.iso(newest);
        place := extract(epoch FROM newest);
        RETURN;
    END IF;
    IF NOT pgslo_catalog.can_find_batches(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('batches of %s cannot be found without reading all of it; create an index on (%s)', target.name,
                             coalesce(quote_ident(target.batch_column), regexp_replace(target.batch_by, E'\\mr\\.', '', 'g')));
    END IF;
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    IF newest_batch.up_to < 'Infinity' THEN
        -- As its owner: a column may have got another type since apply, and the cast may be a function of that role.
        question := format('SELECT pg_typeof(%s) FROM (SELECT (NULL::%s).*) AS r', value, target.relation);
        IF target.reader IS NULL THEN
            EXECUTE question INTO kind;
        ELSE
            EXECUTE format('SELECT n.kind FROM pgslo_gen.%I($1) AS n (kind regtype)', target.reader) INTO kind USING question;
        END IF;
        -- The place of a date, or of a time stamp without a zone, is its epoch in UTC.
        bound := bound || format(CASE kind WHEN 'timestamptz'::regtype THEN ' AND %s <= to_timestamp(%s)'
                                      ELSE ' AND %s <= to_timestamp(%s) AT TIME ZONE ''UTC''' END,
                                 value, newest_batch.up_to::float8);
    END IF;
    IF target.batch_column IS NOT NULL THEN
        -- The newest value first, by the index, and then the batch that it lies in.
        question := format('SELECT %s, %s, NULL::bigint FROM (SELECT %s AS raw FROM (SELECT max(r.%I) AS %I FROM %s AS r%s) AS r) AS b',
                           target.batch_name, target.batch_place, target.batch_by, target.batch_column, target.batch_column, target.relation, bound);
    ELSE
        question := format('SELECT %s, %s, NULL::bigint FROM (SELECT max(%s) AS raw FROM %s AS r%s) AS b', target.batch_name,
            target.batch_place, target.batch_by, target.relation, bound);
    END IF;
    SELECT a.batch, a.place INTO name, place
    FROM unnest(pgslo_catalog.asked_batches(target, question)) AS a
    WHERE a.place <= newest_batch.up_to
    ORDER BY a.place DESC LIMIT 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_batch(pgslo_catalog.definition, numeric) IS
    'Return the newest batch of a streamed table, or the newest of those up to a place.';
