-- Columns that move with the batch: those with one value in each batch, and numbers that grow from batch to batch.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.parts_of_day(place float8, OUT part text, OUT x float8) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 16
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT p.part, p.x::float8
    -- A place that is not a current time may exceed the range of timestamps.
    FROM (SELECT to_timestamp(CASE WHEN place BETWEEN 100000000 AND 100000000000 THEN place END) AT TIME ZONE 'UTC' AS at) d
    CROSS JOIN LATERAL (
        SELECT extract(year FROM d.at) AS year, extract(month FROM d.at) AS month, extract(day FROM d.at) AS day,
               extract(isoyear FROM d.at) AS isoyear, extract(week FROM d.at) AS week,
               extract(day FROM date_trunc('month', d.at) + interval '1 month - 1 day') AS days
    ) e
    CROSS JOIN LATERAL (VALUES
        ('year', e.year), ('isoyear', e.isoyear), ('month', e.month), ('week', e.week), ('day', e.day),
        ('quarter', extract(quarter FROM d.at)), ('weekday', extract(dow FROM d.at)), ('isoweekday', extract(isodow FROM d.at)),
        ('day of the year', extract(doy FROM d.at)), ('hour', extract(hour FROM d.at)), ('days to come', e.days - e.day),
        ('days left', e.days - e.day + 1), ('month of all', 100 * e.year + e.month), ('week of all', 100 * e.isoyear + e.week),
        ('day of all', 10000 * e.year + 100 * e.month + e.day), ('days since 1970', floor(extract(epoch FROM d.at) / 86400))
    ) AS p (part, x)
    WHERE place BETWEEN 100000000 AND 100000000000
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.parts_of_day(float8) IS
    'Return the calendar fields of a batch''s time, from its place in seconds since 1970, as numbers; in UTC.';

CREATE OR REPLACE FUNCTION pgslo_catalog.one_value_before(mine pgslo_catalog.profile) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT count(*) = pgslo_catalog.least_batches() AND bool_and(h.summary[3] = 0)
    FROM (
        SELECT p.summary FROM pgslo_catalog.profile p
        WHERE p.definition_id = (one_value_before.mine).definition_id AND p.column_name = (one_value_before.mine).column_name
          AND p.place < (one_value_before.mine).place AND p.baseline AND p.sampled > 0
        ORDER BY p.place DESC LIMIT pgslo_catalog.least_batches()
    ) h
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.one_value_before(pgslo_catalog.profile) IS
    'Whether a column had one value in each of the last 21 batches that count.';

CREATE OR REPLACE FUNCTION pgslo_catalog.grows(mine pgslo_catalog.profile) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Nine of ten steps of the median go one way; chance does that once in some two thousand columns.
    SELECT count(*) >= 10 AND greatest(count(*) FILTER (WHERE s.step > 0), count(*) FILTER (WHERE s.step < 0)) >= 0.9 * count(*)
    FROM (
        SELECT h.median - lead(h.median) OVER (ORDER BY h.place DESC) AS step
        FROM (
            SELECT p.place, p.summary[23] AS median FROM pgslo_catalog.profile p
            WHERE p.definition_id = (grows.mine).definition_id AND p.column_name = (grows.mine).column_name
              AND p.place < (grows.mine).place AND p.baseline AND p.summary[27] IS NOT NULL
            ORDER BY p.place DESC LIMIT pgslo_catalog.least_batches()
        ) h
    ) s
    WHERE s.step IS NOT NULL
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.grows(pgslo_catalog.profile) IS
    'Whether the numbers of a column grow, or shrink, from batch to batch, as growing ids and running totals do.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_next_text(mine pgslo_catalog.profile) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    value text := (SELECT k.key FROM jsonb_object_keys((is_next_text.mine).common) AS k (key) LIMIT 1);
    earlier text[] := ARRAY(SELECT k.key FROM jsonb_object_keys((is_next_text.mine).usual) AS k (key));
BEGIN
    -- What never changed and is another word now, not another number of a version or a month, is news.
    RETURN value IS NULL OR cardinality(earlier) <> 1
        OR translate(value, '0123456789', '') = translate(earlier[1], '0123456789', '')
        OR abs((is_next_text.mine).place) BETWEEN 100000000 AND 100000000000
           AND lower(value COLLATE "C") IN (
               SELECT lower(to_char(d.at, f.form) COLLATE "C")
               FROM (SELECT to_timestamp(CASE WHEN abs((is_next_text.mine).place) <= 100000000000
                                                  THEN (is_next_text.mine).place::float8 END) AT TIME ZONE 'UTC' AS at) d
               CROSS JOIN (VALUES ('FMmonth'), ('mon'), ('FMday'), ('dy')) AS f (form));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_next_text(pgslo_catalog.profile) IS
    'Whether the text that all rows of a batch have may follow the earlier ones: they changed before, or only digits differ.';

CREATE OR REPLACE FUNCTION pgslo_catalog.numbers_in(usual jsonb) RETURNS SETOF float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT pgslo_catalog.number_of(k.key) FROM jsonb_object_keys(usual) AS k (key)
    WHERE k.key COLLATE "C" ~ E'^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.numbers_in(jsonb) IS 'Return the usual values of a column that are numbers.';

CREATE OR REPLACE FUNCTION pgslo_catalog.least_gap(usual jsonb) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT min(g.gap) FROM (SELECT n.x - lag(n.x) OVER (ORDER BY n.x) AS gap FROM pgslo_catalog.numbers_in(usual) AS n (x)) g WHERE g.gap > 0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.least_gap(jsonb) IS 'Return the least difference of usual values that are numbers.';

CREATE OR REPLACE FUNCTION pgslo_catalog.steps_away(mine pgslo_catalog.profile) RETURNS float8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    now float8 := (steps_away.mine).grid[21];
    is_time boolean := (steps_away.mine).summary[27] IS NULL;
    -- Times are kept as hours from the place of their batch.
    -- Of lengths and the like nothing but the same is usual; keys of documents may be numbers of versions.
    is_part boolean := (steps_away.mine).base IS NOT NULL AND EXISTS (
        SELECT FROM pgslo_catalog.watched_column w
        WHERE w.definition_id = (steps_away.mine).definition_id AND w.column_name = (steps_away.mine).base AND w.kind = 'parts');
    own float8 := CASE WHEN is_time THEN least(greatest((steps_away.mine).place, -1e12), 1e12)::float8 / 3600 ELSE 0 END;
    past float8[];
    places float8[];
    counts boolean[];
    last integer;
    trend float8;
    step float8;
    away float8;
BEGIN
    SELECT array_agg(h.x ORDER BY h.place DESC), array_agg(h.place::float8 ORDER BY h.place DESC), array_agg(h.baseline ORDER BY h.place DESC)
    INTO past, places, counts
    FROM (
        SELECT p.grid[21] + CASE WHEN is_time THEN least(greatest(p.place, -1e12), 1e12)::float8 / 3600 ELSE 0 END AS x,
               least(greatest(p.place, -1e12), 1e12) AS place, p.baseline
        FROM pgslo_catalog.profile p
        WHERE p.definition_id = (steps_away.mine).definition_id AND p.column_name = (steps_away.mine).column_name
          AND p.place < (steps_away.mine).place AND p.grid IS NOT NULL
        ORDER BY p.place DESC LIMIT 28
    ) h;
    last := array_position(counts, true);
    IF now IS NULL OR last IS NULL THEN
        RETURN NULL;
    END IF;
    now := now + own;
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s.step),
           coalesce(
               -- A value that usually stays the same may have made one great step, from December to January.
               CASE WHEN percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(s.step)) = 0 THEN pgslo_catalog.least_gap((steps_away.mine).usual) END,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(s.step)) FILTER (WHERE s.step <> 0),
               -- It stood still: the next whole number, a day, or a twentieth more.
               CASE WHEN is_time THEN 24
                    WHEN now = round(now) AND past[last] = round(past[last]) THEN CASE WHEN is_part THEN 0.05 ELSE 1 END
                    ELSE 0.05 * abs(past[last]) END)
    INTO trend, step
    FROM (
        SELECT b.x - lead(b.x) OVER (ORDER BY b.i) AS step
        FROM unnest(past, counts) WITH ORDINALITY AS b (x, is_counted, i) WHERE b.is_counted
    ) s
    WHERE s.step IS NOT NULL;
    -- The last value that counts, as far on as batches passed since; any value of late; and what follows the batch before, if each moves.
    away := least(
        abs(now - past[last] - coalesce(trend, 0) * last),
        (SELECT min(abs(now - b.x)) FROM unnest(past, counts) AS b (x, is_counted) WHERE b.is_counted),
        CASE WHEN trend <> 0 THEN abs(now - past[1] - trend) END);
    IF away > step THEN
        away := least(away, (
            SELECT min(abs(now - n.x)) FROM pgslo_catalog.numbers_in((steps_away.mine).usual) AS n (x) WHERE NOT is_time));
    END IF;
    IF away > step THEN
        away := least(away, (
            -- A part of the calendar that all of these batches had begins again: December is followed by 1. Days may begin elsewhere.
            SELECT min(abs(now - n.x))
            FROM unnest(ARRAY[0, -86400, 86400]) AS o (seconds)
            CROSS JOIN LATERAL pgslo_catalog.parts_of_day((steps_away.mine).place::float8 + o.seconds) AS n
            WHERE NOT is_time AND NOT EXISTS (
                SELECT FROM unnest(past, places, counts) AS b (x, place, is_counted)
                CROSS JOIN LATERAL pgslo_catalog.parts_of_day(b.place + o.seconds) AS d
                WHERE b.is_counted AND d.part = n.part AND d.x <> b.x)));
    END IF;
    -- A quotient may overflow.
    RETURN CASE WHEN away <= 1e-6 * step THEN 0 WHEN away >= 1e6 * step THEN 1e6 ELSE away / step END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.steps_away(pgslo_catalog.profile) IS
    'Return the distance of a batch''s single value from possible successors of the earlier ones, in its usual steps.';

CREATE OR REPLACE FUNCTION pgslo_catalog.leaves_its_set(mine pgslo_catalog.profile) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A column that went to and fro among a few values, such as a flag of workdays, and has another one now.
    SELECT NOT (leaves_its_set.mine).usual ?| ARRAY(SELECT jsonb_object_keys((leaves_its_set.mine).common))
       AND count(*) FILTER (WHERE h.is_other) >= 3 * greatest((SELECT count(*) FROM jsonb_object_keys((leaves_its_set.mine).usual)), 2)
    FROM (
        SELECT b.value <> lag(b.value) OVER (ORDER BY b.place DESC) AS is_other
        FROM (
            SELECT p.place, (SELECT k.key FROM jsonb_object_keys(p.common) AS k (key) LIMIT 1) AS value FROM pgslo_catalog.profile p
            WHERE p.definition_id = (leaves_its_set.mine).definition_id AND p.column_name = (leaves_its_set.mine).column_name
              AND p.place < (leaves_its_set.mine).place AND p.baseline AND p.sampled > 0
            ORDER BY p.place DESC LIMIT 28
        ) b
    ) h
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.leaves_its_set(pgslo_catalog.profile) IS
    'Whether a column that had each of a few values often has one now that it never had.';

CREATE OR REPLACE FUNCTION pgslo_catalog.moving(mine pgslo_catalog.profile) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.one_value_before(moving.mine) THEN
        RETURN CASE
            WHEN (moving.mine).summary[16] > 0.5 THEN
                -- A date that always was as far from its batch says which day it is.
                (SELECT CASE WHEN count(DISTINCT h.x) > 1 THEN 'one value' END
                 FROM (SELECT p.grid[21] AS x FROM pgslo_catalog.profile p
                       WHERE p.definition_id = (moving.mine).definition_id AND p.column_name = (moving.mine).column_name
                         AND p.place < (moving.mine).place AND p.baseline AND p.grid IS NOT NULL
                       ORDER BY p.place DESC LIMIT pgslo_catalog.least_batches()) h)
            WHEN pgslo_catalog.leaves_its_set(moving.mine) THEN NULL
            WHEN (moving.mine).summary[15] > 0.5 OR pgslo_catalog.is_next_text(moving.mine) THEN 'one value'
        END;
    END IF;
    RETURN CASE WHEN (moving.mine).summary[27] IS NOT NULL AND pgslo_catalog.grows(moving.mine) THEN 'grows' END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.moving(pgslo_catalog.profile) IS
    'Return how a column moves with the batch: "one value" in each, "grows", or NULL.';
