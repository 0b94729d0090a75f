-- Numbers, spans and bounds in messages.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.shown(value numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF shown.value IN ('NaN', 'Infinity', '-Infinity') OR abs(shown.value) >= 1e15 THEN
        RETURN shown.value::float8::text;
    ELSIF shown.value = trunc(shown.value) THEN
        RETURN to_char(shown.value, 'FM999,999,999,999,990');
    ELSIF abs(shown.value) >= 100 THEN
        RETURN rtrim(rtrim(to_char(shown.value, 'FM999,999,999,999,990.99'), '0'), '.');
    END IF;
    RETURN trim_scale(round(shown.value, 4 - least(0, floor(log(abs(shown.value))))::integer))::text;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shown(numeric) IS 'Format a number for display, with thousands separators.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_shown(batches bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE batches_shown.batches WHEN 1 THEN '1 batch' ELSE pgslo_catalog.shown(batches_shown.batches) || ' batches' END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_shown(bigint) IS 'Return a number of batches in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.span_shown(span interval) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    seconds bigint := extract(epoch FROM span_shown.span);
BEGIN
    RETURN (
        SELECT format('%s %s%s', seconds / u.length, u.name, CASE WHEN seconds = u.length THEN '' ELSE 's' END)
        FROM (VALUES (86400, 'day'), (3600, 'hour'), (60, 'minute'), (1, 'second')) AS u (length, name)
        WHERE seconds % u.length = 0
        ORDER BY u.length DESC LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.span_shown(interval) IS 'Format a duration in its largest unit.';

CREATE OR REPLACE FUNCTION pgslo_catalog.bound_shown(value float8, factor numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Fifteen digits, as in the summary of the rule: number() in wording.py.
    exact numeric := trim_scale(bound_shown.value::numeric * bound_shown.factor);
BEGIN
    IF exact <> 0 AND (abs(exact) >= 1e15 OR abs(exact) < 1e-15) THEN
        RETURN regexp_replace(btrim(to_char(exact, '9.99999999999999EEEE')) COLLATE "C", '[.]?0+e', 'e');
    END IF;
    RETURN CASE WHEN exact < 0 THEN '-' ELSE '' END
        || to_char(trunc(abs(exact)), 'FM999,999,999,999,990')
        || coalesce(substring(exact::text COLLATE "C" FROM '[.][0-9]+$'), '');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.bound_shown(float8, numeric) IS 'Return a bound as its author wrote it, with thousands separators, multiplied by a factor.';

CREATE OR REPLACE FUNCTION pgslo_catalog.rows_shown(rows numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE rows_shown.rows WHEN 1 THEN '1 row' ELSE pgslo_catalog.shown(rows_shown.rows) || ' rows' END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.rows_shown(numeric) IS 'Return a number of rows in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wanted(low float8, high float8, factor numeric, unit text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    least_text text := pgslo_catalog.bound_shown(wanted.low, wanted.factor) || wanted.unit;
    most_text text := pgslo_catalog.bound_shown(wanted.high, wanted.factor) || wanted.unit;
BEGIN
    RETURN 'the objective is ' || CASE
        WHEN least_text IS NULL THEN 'at most ' || most_text
        WHEN most_text IS NULL THEN 'at least ' || least_text
        WHEN least_text = most_text THEN least_text
        ELSE 'between ' || least_text || ' and ' || most_text
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wanted(float8, float8, numeric, text) IS 'Return two bounds in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_shown(part numeric, whole numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Never rounded to 0 or 100 %: 99.99 % of ten thousand rows are not all of them.
    RETURN CASE
        WHEN part = whole THEN '100 %'
        WHEN part > 0.999 * whole OR part < 0.001 * whole AND part > 0 THEN trim_scale(round(100 * part / whole, 4))::text || ' %'
        ELSE trim_scale(round(100 * part / whole, 1))::text || ' %'
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_shown(numeric, numeric) IS 'Format a share in percent, for display.';
