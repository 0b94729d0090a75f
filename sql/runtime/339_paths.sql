-- What paths of a definition name inside of a value, where PostgreSQL has no function for it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.norm_of(numbers float8[]) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    x float8;
    squares float8 := 0;
BEGIN
    FOREACH x IN ARRAY numbers LOOP
        squares := squares + x * x;
    END LOOP;
    -- With a NULL element, the norm is undefined.
    RETURN coalesce(sqrt(squares), 'NaN');
EXCEPTION WHEN numeric_value_out_of_range THEN
    RETURN 'Infinity';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.norm_of(float8[]) IS
    'Return the Euclidean norm of all elements: 0 of none, NaN with one that is NULL or NaN, infinity where float8 cannot hold it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.norm_of_numerics(numbers numeric[]) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    x numeric;
    squares float8 := 0;
BEGIN
    FOREACH x IN ARRAY numbers LOOP
        squares := squares + pgslo_catalog.float_of(x) ^ 2;
    END LOOP;
    RETURN coalesce(sqrt(squares), 'NaN');
EXCEPTION WHEN numeric_value_out_of_range THEN
    RETURN 'Infinity';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.norm_of_numerics(numeric[]) IS 'Return norm_of() of numbers that float8 may not hold.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_null(elements anyarray) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF array_ndims(elements) = 1 THEN
        RETURN (cardinality(array_positions(elements, NULL)))::float8 / cardinality(elements);
    END IF;
    -- Without elements, the share is undefined.
    RETURN (SELECT count(*) FILTER (WHERE u.x IS NULL)::float8 / nullif(count(*), 0) FROM unnest(elements) AS u (x));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_null(anyarray) IS
    'Return the share of elements that are NULL; NULL of no element.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_missing(elements anyarray) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF array_ndims(elements) = 1 THEN
        RETURN (cardinality(array_positions(elements, NULL)) + cardinality(array_positions(elements, 'NaN')))::float8 / cardinality(elements);
    END IF;
    -- Without elements, the share is undefined.
    RETURN (SELECT count(*) FILTER (WHERE u.x IS NULL OR u.x = 'NaN')::float8 / nullif(count(*), 0) FROM unnest(elements) AS u (x));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_missing(anyarray) IS
    'Return the share of elements that are NULL or NaN, of an array of real, double precision or numeric; NULL of no element.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_of_zeros(elements anyarray) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF array_ndims(elements) = 1 THEN
        RETURN (cardinality(array_positions(elements, 0)))::float8 / cardinality(elements);
    END IF;
    -- Without elements, the share is undefined.
    RETURN (SELECT count(*) FILTER (WHERE u.x = 0)::float8 / nullif(count(*), 0) FROM unnest(elements) AS u (x));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_of_zeros(anyarray) IS
    'Return the share of elements that are 0, of an array of numbers; NULL of no element.';

CREATE OR REPLACE FUNCTION pgslo_catalog.number_in_json(value json) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    said text := value #>> '{}';
BEGIN
    RETURN CASE
        WHEN json_typeof(value) = 'null' THEN NULL
        -- Type json takes numbers that no type of PostgreSQL holds.
        WHEN json_typeof(value) <> 'number' OR length(said) > 1000 OR said ~ '[eE][+-]?[0-9]{4}' THEN 'NaN'
        ELSE pgslo_catalog.number_of(said)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.number_in_json(json) IS 'Return a number of a document; NaN for any other value but null.';
