-- What a profile says of a column, and how its numbers are read.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.least_batches() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 21 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.least_batches() IS 'Return the number of batches that are needed for bounds: three weeks of days.';

CREATE OR REPLACE FUNCTION pgslo_catalog.enough_batches() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 300 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.enough_batches() IS 'Return the number of batches after which bounds do not get narrower.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Dates reach farther than time stamps do.
    SELECT CASE
        WHEN holidays = '{}' OR abs(place) > 100000000000 THEN false
        ELSE (SELECT to_char(d.day, 'YYYY-MM-DD') = ANY (holidays) OR to_char(d.day, 'MM-DD') = ANY (holidays)
              FROM (SELECT to_timestamp(place::float8) AT TIME ZONE 'UTC' AS day) d)
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_holiday(text[], numeric) IS 'Whether a batch, by its place in seconds since 1970, is of one of these days in UTC.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summary_kinds(
    OUT ordinal integer, OUT name text, OUT kind text, OUT beyond float8, OUT words text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 56
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- kind: share; log; mean, quantile and extreme in the column's own unit; count of characters; rise: a share of which only
    -- more is news; apart: a distance, likewise. beyond: how many times its largest past surprise a summary goes by nature;
    -- NULL where it is kept but not judged: extremes of a batch are mostly noise.
    VALUES
    (1, 'null', 'share', 1.25, 'null'),
    (2, 'empty', 'share', 1.25, 'empty texts'),
    (3, 'distinct', 'log', 1.75, 'different values'),
    (4, 'distinct_ratio', 'share', 1.5, 'different values per row'),
    (5, 'top', 'share', 1.25, 'the commonest value'),
    (6, 'single', 'share', 1.5, 'values that occur once'),
    (7, 'length_mean', 'length', 3, 'mean length'),
    (8, 'length_min', 'length', NULL, 'shortest length'),
    (9, 'length_max', 'length', NULL, 'greatest length'),
    (10, 'at_length_max', 'share', NULL, 'texts of the greatest length'),
    (11, 'upper', 'share', 1.25, 'capital letters'),
    (12, 'digit', 'share', 1.25, 'digits'),
    (13, 'space', 'share', 1.25, 'spaces'),
    (14, 'punctuation', 'share', 1.25, 'other characters'),
    (15, 'number', 'share', 1.25, 'numbers'),
    (16, 'time', 'share', 1.25, 'times'),
    (17, 'mean', 'mean', 6, 'mean'),
    (18, 'log_mean', 'log', 1.25, 'order of magnitude'),
    (19, 'log_deviation', 'log', 1.75, 'spread of values'),
    (20, 'minimum', 'extreme', NULL, 'minimum'),
    (21, 'p05', 'quantile', 6, '5th percentile'),
    (22, 'p25', 'quantile', 6, '25th percentile'),
    (23, 'p50', 'quantile', 6, 'median'),
    (24, 'p75', 'quantile', 6, '75th percentile'),
    (25, 'p95', 'quantile', 6, '95th percentile'),
    (26, 'maximum', 'extreme', NULL, 'maximum'),
    (27, 'zero', 'share', 1.75, 'zeros'),
    (28, 'negative', 'share', 1.25, 'negative values'),
    (29, 'whole', 'share', 1.25, 'whole numbers'),
    (30, 'tens', 'share', 1.75, 'multiples of 10'),
    (31, 'hundreds', 'share', 1.75, 'multiples of 100'),
    (32, 'decimals', 'length', 1.1, 'mean decimals'),
    (33, 'at_maximum', 'rise', 1.5, 'values at the maximum'),
    (34, 'at_minimum', 'rise', 1.75, 'values at the minimum'),
    (35, 'midnight', 'share', 1.25, 'times at midnight'),
    (36, 'on_hour', 'share', 1.25, 'times at full hours'),
    (37, 'on_minute', 'share', 1.25, 'times at full minutes'),
    (38, 'hour', 'mean', 1.25, 'mean hour of the day'),
    (39, 'duplicate', 'share', 1.25, 'rows that occur twice'),
    (40, 'rows', 'log', 1.1, 'rows'),
    (41, 'new_value', 'rise', 2, 'values not seen before'),
    (42, 'new_shape', 'rise', 1.5, 'patterns not seen before'),
    (43, 'lost', 'rise', NULL, 'usual values that are missing'),
    (44, 'largest_change', 'apart', 1.5, 'largest change of a value''s share'),
    (45, 'mix', 'apart', 2, 'mix of values'),
    (46, 'grown', 'apart', 1.5, 'growth of one value'),
    (47, 'fallen', 'apart', 1.75, 'decline of one value'),
    (48, 'shape_mix', 'apart', 1.5, 'mix of patterns'),
    (49, 'stale', 'rise', 1.5, 'values equal to those of an earlier batch'),
    (50, 'distribution', 'apart', 2.25, 'distribution of values'),
    (51, 'moved', 'apart', 3, 'distance that values moved'),
    (52, 'outside', 'rise', NULL, 'values outside the usual range'),
    (53, 'steps', 'apart', 1.5, 'steps from what may follow'),
    (54, 'before_batch', 'rise', 1.5, 'times before their batch'),
    (55, 'after_batch', 'rise', 1.5, 'times after their batch'),
    (56, 'centroid', 'apart', 2, 'distance of the mean vector from the usual one')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summary_kinds() IS 'Return the numbers of a profile''s summary, and how each is judged.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summary_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT array_agg(k.name ORDER BY k.ordinal) FROM pgslo_catalog.summary_kinds() k $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summary_names() IS 'Return the names of the numbers in a profile''s summary, in order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.seconds_of(value text) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    part text[] := regexp_match(value COLLATE "C",
                                E'^([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                                || E'(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\\.[0-9]{1,6})?))?)?$');
BEGIN
    -- The month's first day plus days cannot fail, whatever the text is: 31 February is 3 March.
    RETURN extract(epoch FROM make_date(part[1]::integer, part[2]::integer, 1)) + 86400 * (part[3]::integer - 1)
         + 3600 * coalesce(part[4]::integer, 0) + 60 * coalesce(part[5]::integer, 0) + coalesce(part[6]::float8, 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.seconds_of(text) IS 'Return seconds since 1970 of a time in ISO form, read as UTC; NULL for another text.';

CREATE OR REPLACE FUNCTION pgslo_catalog.number_of(value text) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- At most 100 digits and an exponent of two are within the range of float8.
    IF length(number_of.value) <= 100 AND number_of.value !~ '[eE][+-]?[0-9]{3}' THEN
        RETURN number_of.value::float8;
    END IF;
    RETURN pgslo_catalog.float_of(number_of.value::numeric);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.number_of(text) IS
    'Return a decimal number with at most three digits of exponent; beyond 1e250 the bound, below 1e-250 zero. Never fails.';

CREATE OR REPLACE FUNCTION pgslo_catalog.at_place(grid float8[], place float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    x float8 := least(greatest(at_place.place, 0), 40);
    low float8 := at_place.grid[floor(x)::integer + 1];
BEGIN
    RETURN low + (x - floor(x)) * (at_place.grid[ceil(x)::integer + 1] - low);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.at_place(float8[], float8) IS 'Return the value at a place between 0 and 40 of a grid of quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.quantile_noise(grid float8[], place integer, present float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    share float8 := quantile_noise.place / 40.0;
    x float8 := 40 * sqrt(greatest(share * (1 - share), 0.02) / quantile_noise.present);
BEGIN
    RETURN (pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place + x)
        - pgslo_catalog.at_place(quantile_noise.grid, quantile_noise.place - x)) / 2;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.quantile_noise(float8[], integer, float8) IS 'Return the random variation of a quantile, estimated from the distribution.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hours_of(definition pgslo_catalog.definition, place numeric) RETURNS float8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF (hours_of.definition).batch_every IS NOT NULL THEN
        RETURN extract(epoch FROM (hours_of.definition).batch_every) / 3600;
    END IF;
    -- A date may represent a day, a week or a month: the usual time from one batch to the next decides.
    RETURN (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) / 3600
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = (hours_of.definition).definition_id AND p.column_name = '*' AND p.place < hours_of.place
            ORDER BY p.place DESC LIMIT 29
        ) d
        HAVING count(d.gap) >= 8);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hours_of(pgslo_catalog.definition, numeric) IS
    'Return the number of hours that a batch covers; NULL while that is not known.';
