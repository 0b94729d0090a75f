-- Batches that should be there and did not come: when batches come, as a rule says or as history has it, and which of them are missing.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.phase(form text, place numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    moment timestamp := to_timestamp(phase.place::float8) AT TIME ZONE 'UTC';
BEGIN
    RETURN CASE phase.form
        WHEN 'each' THEN ''
        WHEN 'time of day' THEN to_char(moment, 'HH24:MI')
        WHEN 'weekday' THEN to_char(moment, 'ID HH24:MI')
        WHEN 'day of month' THEN to_char(moment, 'DD')
        WHEN 'days to month end' THEN
            extract(day FROM date_trunc('month', moment) + interval '1 month' - date_trunc('day', moment))::text
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.phase(text, numeric) IS 'Return the phase of a batch at a place in one form of calendar.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learned_calendar(
    definition pgslo_catalog.definition, origin numeric, told integer, OUT step numeric, OUT form text, OUT phases jsonb
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    places numeric[];
    first bigint;
BEGIN
    -- Two months, or twelve weeks of more frequent batches.
    SELECT array_agg(w.place ORDER BY w.place) INTO places
    FROM (
        SELECT b.place, row_number() OVER (ORDER BY b.place DESC) AS back
        FROM pgslo_catalog.batch b
        WHERE b.definition_id = (learned_calendar.definition).definition_id AND b.place <= learned_calendar.origin
          -- A place outside the range of timestamps has no date.
          AND b.place > -100000000000 AND (b.closed_at IS NOT NULL OR b.rows > 0)
        ORDER BY b.place DESC LIMIT 3000
    ) w
    WHERE w.back <= 60 OR w.place > learned_calendar.origin - 84 * 86400;
    IF coalesce(cardinality(places), 0) < pgslo_catalog.least_batches() THEN
        RETURN;
    END IF;
    -- The largest step that they keep, give or take the hour by which clocks are put forward. Not a few: a writer can add any.
    SELECT s.step INTO step
    FROM unnest(ARRAY[1209600, 864000, 604800, 518400, 432000, 345600, 259200, 172800, 86400, 43200, 28800, 21600, 14400, 10800, 7200, 3600, 1800, 900,
                      600, 300, 60]) AS s (step)
    WHERE (SELECT (count(*) - count(DISTINCT k.n) FILTER (WHERE k.apart <= least(s.step / 4.0, 21600))) * 20 <= count(*)
           FROM (
               SELECT w.n, abs(w.place - learned_calendar.origin - w.n * s.step) AS apart
               FROM (SELECT p.place, round((p.place - learned_calendar.origin) / s.step) AS n FROM unnest(places) AS p (place)) w
           ) k)
    ORDER BY s.step DESC LIMIT 1;
    first := round((places[1] - learned_calendar.origin) / step);
    IF step IS NULL OR first < -20000 THEN
        step := NULL;
        RETURN;
    END IF;
    WITH slot AS MATERIALIZED (
        SELECT learned_calendar.origin + g.n * step AS place, c.n IS NOT NULL AS came,
               min(c.n) OVER (ORDER BY g.n DESC) AS next, (min(c.n) OVER (ORDER BY g.n DESC) - max(c.n) OVER (ORDER BY g.n)) * step AS gap
        FROM generate_series(first, 0) AS g (n)
        LEFT JOIN (
            SELECT DISTINCT k.n
            FROM (SELECT p.place, round((p.place - learned_calendar.origin) / step)::bigint AS n FROM unnest(places) AS p (place)) k
            WHERE abs(k.place - learned_calendar.origin - k.n * step) <= least(step / 4.0, 21600)
        ) c ON c.n = g.n
        WHERE NOT pgslo_catalog.is_holiday((learned_calendar.definition).holidays, learned_calendar.origin + g.n * step)
          -- That nothing came on a public holiday says nothing of other days.
          AND (c.n IS NOT NULL OR NOT pgslo_catalog.is_public_holiday(learned_calendar.origin + g.n * step))
    ), way (form, ordinal, longest) AS (
        SELECT w.* FROM (
            VALUES ('each', 1, 6 * step), ('time of day', 2, 2 * 86400), ('weekday', 3, 10 * 86400),
                   ('day of month', 4, 62 * 86400), ('days to month end', 5, 62 * 86400)) AS w (form, ordinal, longest)
        WHERE CASE w.form WHEN 'each' THEN true WHEN 'time of day' THEN step < 86400 WHEN 'weekday' THEN step <= 86400 ELSE step = 86400 END
    ), seen AS (
        -- While a table stood still, nothing says when its batches come. That it did is one thing that is odd.
        SELECT w.form, w.ordinal, pgslo_catalog.phase(w.form, s.place) AS phase, count(*) AS slots, count(*) FILTER (WHERE s.came) AS came
        FROM slot s JOIN way w ON s.came OR s.gap <= w.longest
        GROUP BY w.form, w.ordinal, 3
    ), stood AS (
        SELECT w.form, count(DISTINCT s.next) AS times FROM slot s JOIN way w ON s.gap > w.longest GROUP BY w.form
    )
    SELECT f.form, f.phases INTO form, phases
    FROM (
        SELECT s.form, s.ordinal,
               jsonb_object_agg(s.phase, jsonb_build_array(s.came, s.slots)) FILTER (WHERE 2 * s.came > s.slots) AS phases,
               sum(s.came) FILTER (WHERE 2 * s.came > s.slots) AS came, sum(s.slots) FILTER (WHERE 2 * s.came > s.slots) AS slots,
               coalesce(sum(s.came) FILTER (WHERE 2 * s.came <= s.slots), 0) AS extra,
               sum(s.slots - s.came) FILTER (WHERE 2 * s.came > s.slots) AS odd, min(s.slots) FILTER (WHERE 2 * s.came > s.slots) AS fewest
        FROM seen s GROUP BY s.form, s.ordinal
    ) f
    LEFT JOIN stood t USING (form)
    -- Regular, except for one in 42, and for reported ones: batches that are missing now and then are not expected. Additional batches,
-- on days on which most do not come, do not prevent that the others are expected; the form with the fewest of them fits best.
    WHERE f.came >= pgslo_catalog.least_batches() AND f.fewest >= 3 AND (f.odd + coalesce(t.times, 0) - learned_calendar.told) * 42 <= f.slots
    ORDER BY f.extra, f.ordinal LIMIT 1;
    IF form IS NULL THEN
        step := NULL;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learned_calendar(pgslo_catalog.definition, numeric, integer) IS
    'Return when the batches up to a place came: the step between them, a form of calendar, and its phases that have one, '
    'with how many came of how many; NULL where nothing regular is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.usual_delay(definition_id bigint, step numeric, up_to numeric) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT CASE
            -- One batch that was late once does not count, where there are enough others.
            WHEN count(*) >= 7 THEN (array_agg(l.delay ORDER BY l.delay DESC))[2] + least(usual_delay.step / 4, 86400)
            WHEN count(*) >= 3 THEN max(l.delay) + usual_delay.step END
        FROM (
            SELECT extract(epoch FROM w.first_written_at) - w.place AS delay
            FROM (
                SELECT b.place, b.first_written_at, lag(b.place) OVER o AS place_before, lag(b.first_written_at) OVER o AS written_before
                FROM (
                    SELECT c.* FROM pgslo_catalog.batch c
                    WHERE c.definition_id = usual_delay.definition_id AND c.place <= usual_delay.up_to AND c.place > '-Infinity' AND c.rows > 0
                    ORDER BY c.place DESC LIMIT 29
                ) b
                WINDOW o AS (ORDER BY b.place)
            ) w
            -- Those that were written as time went by, and not from history.
            WHERE extract(epoch FROM w.first_written_at - w.written_before) >= (w.place - w.place_before) / 2
        ) l);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.usual_delay(bigint, numeric, numeric) IS
    'Return the latest delay of a batch after its place in seconds, with a margin; NULL while it is not known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.usual_disorder(
    definition_id bigint, origin numeric, step numeric, form text, phases jsonb
) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce((
        WITH recent AS MATERIALIZED (
            SELECT b.place, b.first_written_at FROM pgslo_catalog.batch b
            WHERE b.definition_id = usual_disorder.definition_id AND b.place <= usual_disorder.origin AND b.place > '-Infinity' AND b.rows > 0
              -- Rows of other days than those that are known come at any time, and say nothing of the others.
              AND (usual_disorder.form IS NULL
                   OR usual_disorder.phases ? pgslo_catalog.phase(usual_disorder.form, b.place)
                      AND abs(b.place - usual_disorder.origin - round((b.place - usual_disorder.origin) / usual_disorder.step) * usual_disorder.step)
                          <= least(usual_disorder.step / 4, 21600))
            ORDER BY b.place DESC LIMIT 28
        )
        -- One batch that was late once does not count.
        SELECT (array_agg(o.later ORDER BY o.later DESC))[2]
        FROM (
            SELECT (SELECT count(*) FROM recent l WHERE l.place > r.place AND l.first_written_at < r.first_written_at) AS later FROM recent r
        ) o), 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.usual_disorder(bigint, numeric, numeric, text, jsonb) IS
    'Return the number of later expected batches that usually come before a batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.name_at(place numeric, step numeric, like_name text, is_number boolean) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    moment timestamp;
BEGIN
    IF name_at.is_number THEN
        RETURN trim_scale(name_at.place)::text;
    END IF;
    moment := to_timestamp(name_at.place::float8) AT TIME ZONE 'UTC';
    RETURN CASE
        WHEN name_at.like_name !~ 'T' OR name_at.step >= 86400 AND name_at.like_name !~ 'T00:00:00' THEN to_char(moment, 'YYYY-MM-DD')
        ELSE to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS') || coalesce(substring(name_at.like_name FROM E'[+-]\\d{2}:\\d{2}$'), '') END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.name_at(numeric, numeric, text, boolean) IS
    'Return the name of a batch at a place, in the format of its table; without a certain time of day, the date.';

CREATE OR REPLACE FUNCTION pgslo_catalog.calendar_said(form text, step numeric, place numeric, seen jsonb) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    moment timestamp := to_timestamp(calendar_said.place::float8) AT TIME ZONE 'UTC';
    at text := CASE WHEN calendar_said.step < 86400 THEN to_char(moment, '" at "HH24:MI') ELSE '' END;
    many text := CASE calendar_said.form
        WHEN 'each' THEN CASE calendar_said.step WHEN 604800 THEN 'weeks' WHEN 86400 THEN 'days' WHEN 3600 THEN 'hours' WHEN 60 THEN 'minutes'
            ELSE format('spans of %s', pgslo_catalog.span_shown(make_interval(secs => calendar_said.step::float8))) END
        WHEN 'time of day' THEN 'days' || at
        WHEN 'weekday' THEN trim(to_char(moment, 'Day')) || 's' || at
        WHEN 'day of month' THEN format('months on day %s', extract(day FROM moment))
        ELSE CASE pgslo_catalog.phase('days to month end', calendar_said.place) WHEN '1' THEN 'months on their last day'
             ELSE format('months %s days before their end', pgslo_catalog.phase('days to month end', calendar_said.place)::integer - 1) END END;
BEGIN
    RETURN format('%s of the last %s %s had one', calendar_said.seen ->> 0, calendar_said.seen ->> 1, many) WHERE calendar_said.form IS NOT NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.calendar_said(text, numeric, numeric, jsonb) IS
    'Return why a batch was expected at a place, in words; NULL where a rule states it.';
