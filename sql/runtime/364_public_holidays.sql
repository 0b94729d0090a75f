-- Public holidays of many countries. They are not holidays of a table, which its definition lists; but a batch that does
-- not come on one of them should not wake a person.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.easter(year integer) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    century integer := easter.year / 100;
    -- Butcher's rule, of the Gregorian calendar.
    moon integer := (19 * (easter.year % 19) + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    sunday integer := (32 + 2 * (century % 4) + 2 * (easter.year % 100 / 4) - moon - easter.year % 100 % 4) % 7;
    late integer := (easter.year % 19 + 11 * moon + 22 * sunday) / 451;
BEGIN
    RETURN make_date(easter.year, 3, 22) + moon + sunday - 7 * late;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.easter(integer) IS 'Return the date of Easter Sunday of a year.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_public_holiday(place numeric) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    day date;
BEGIN
    IF is_public_holiday.place IS NULL OR is_public_holiday.place NOT BETWEEN 0 AND 100000000000 THEN
        RETURN false;
    END IF;
    day := (to_timestamp(is_public_holiday.place::float8) AT TIME ZONE 'UTC')::date;
    RETURN EXISTS (
        -- New Year, Epiphany, Labour Day, Juneteenth, Independence Day, Assumption, All Saints, Armistice, Christmas; kept on a Friday or a
        -- Monday where they are on a weekend.
        SELECT FROM generate_series(day - 2, day + 1, '1 day') AS o (at)
        WHERE to_char(o.at, 'MM-DD') = ANY ('{01-01,01-06,05-01,06-19,07-04,08-15,11-01,11-11,12-24,12-25,12-26,12-31}')
          AND (o.at = day OR extract(isodow FROM o.at) = 6 AND day - o.at::date IN (-1, 2)
               OR extract(isodow FROM o.at) = 7 AND day - o.at::date IN (1, 2))
    )
    -- Good Friday, Easter Monday, Ascension, Whit Monday, Corpus Christi.
    OR day - pgslo_catalog.easter(extract(year FROM day)::integer) IN (-2, 1, 39, 50, 60)
    -- Mondays of January, February, May, August, September and October; Thanksgiving and the day after it.
    OR extract(isodow FROM day) = 1 AND (
        extract(month FROM day) IN (1, 2) AND extract(day FROM day) BETWEEN 15 AND 21
        OR extract(month FROM day) IN (5, 9) AND extract(day FROM day) <= 7
        OR extract(month FROM day) IN (5, 8) AND extract(day FROM day) >= 25
        OR extract(month FROM day) = 10 AND extract(day FROM day) BETWEEN 8 AND 14)
    OR extract(month FROM day) = 11 AND extract(isodow FROM day) = 4 AND extract(day FROM day) BETWEEN 22 AND 28
    OR extract(month FROM day) = 11 AND extract(isodow FROM day) = 5 AND extract(day FROM day) BETWEEN 23 AND 29;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_public_holiday(numeric) IS
    'Whether offices of many countries rest on the day of a batch, by its place in seconds since 1970, in UTC.';
