-- How rules over a batch get the value that their bounds are held against. What is here only reads.
--
-- rule.measure says how, by its "form":
--   rows        rows of the batch; with "tally", those that it adds up
--   present     share of rows with a value in "column"
--   share       tally "good" by tally "among", or by all rows; "said" is what is true of those rows
--   passing     share of rows that pass the rule over rows named "rule"
--   statistic   "of" a "column": from tallies "count", "sum" and "squares", or from the profile ("quantile")
--   change      of another measure, "of", from earlier batches ("relative_to"), as a share of them, their "ratio", or "absolute"
--   distance    "by" psi, js, tv or ks between profiles of "column", by quantiles if "ordered", else by value: earlier batches ("relative_to"), those of a stretch
--               ("trained_on"), or column "to" of the definition "with"
--   unchanged   batches in a row whose values of "column" are those of the one before
--   age         seconds since the newest data
--   failures    what the generated "function" counts; "said" is what it counts, "said_of_one" a single one
--   table_rows  rows of the whole table, which the generated "function" counts
--
-- Rules with "by_clock" read more than the batch: tick() evaluates them again without a write.
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
COMMENT ON FUNCTION pgslo_catalog.shown(numeric) IS 'A number for people: thousands apart, and no more digits than say something.';

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
COMMENT ON FUNCTION pgslo_catalog.span_shown(interval) IS 'A span in the largest unit that measures it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.bound_shown(value float8, factor numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Fifteen digits, as the summary of the rule has them: promises.py, number().
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
COMMENT ON FUNCTION pgslo_catalog.wanted(float8, float8, numeric, text) IS 'Two bounds in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_shown(part numeric, whole numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Never rounded to what it is not: 99.99 % of ten thousand rows are not all of them.
    RETURN CASE
        WHEN part = whole THEN '100 %'
        WHEN part > 0.999 * whole OR part < 0.001 * whole AND part > 0 THEN trim_scale(round(100 * part / whole, 4))::text || ' %'
        ELSE trim_scale(round(100 * part / whole, 1))::text || ' %'
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_shown(numeric, numeric) IS 'A share in percent, for people.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profiled(definition_id bigint, batch text, column_name text) RETURNS pgslo_catalog.profile
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.profile;
BEGIN
    SELECT p.* INTO found FROM pgslo_catalog.profile p
    WHERE p.definition_id = profiled.definition_id AND p.column_name = profiled.column_name AND p.batch = profiled.batch;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profiled(bigint, text, text) IS 'The profile of a column in a batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.quantile(grid float8[], share float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    place float8 := quantile.share * (cardinality(quantile.grid) - 1);
    before integer := floor(place)::integer + 1;
BEGIN
    RETURN CASE
        WHEN before >= cardinality(quantile.grid) THEN quantile.grid[cardinality(quantile.grid)]
        ELSE quantile.grid[before] + (place - before + 1) * (quantile.grid[before + 1] - quantile.grid[before])
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.quantile(float8[], float8) IS 'A quantile, between those of a grid on a straight line.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reads_profile(measure jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE measure ->> 'form'
        WHEN 'change' THEN pgslo_catalog.reads_profile(measure -> 'of')
        WHEN 'statistic' THEN measure ->> 'of' NOT IN ('sum', 'mean', 'zero_share', 'negative_share', 'stddev')
        ELSE coalesce(measure ->> 'form' IN ('distance', 'unchanged'), false)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reads_profile(jsonb) IS 'Return whether a measure is read from the profile of a batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unmeasured(batch pgslo_catalog.batch, measure jsonb) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        WHEN measure ->> 'form' = 'change' THEN pgslo_catalog.unmeasured(unmeasured.batch, measure -> 'of')
        WHEN measure ->> 'form' IN ('age', 'failures', 'passing', 'table_rows') OR measure ->> 'form' = 'rows' AND NOT measure ? 'tally' THEN 0
        ELSE coalesce(((unmeasured.batch).tallies ->> 'unmeasured rows')::bigint, 0)
            -- Sums need no sample; distances, quantiles and the like are of sampled rows.
            + CASE
                WHEN pgslo_catalog.reads_profile(measure)
                THEN coalesce(((unmeasured.batch).tallies ->> 'unsampled rows')::bigint, 0)
                ELSE 0 END
        END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unmeasured(pgslo_catalog.batch, jsonb) IS 'How many rows came or went while columns could not be measured, if that makes a difference to a measure.';

CREATE OR REPLACE FUNCTION pgslo_catalog.raising(batch pgslo_catalog.batch, measure jsonb) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    whole jsonb := CASE WHEN measure ->> 'form' = 'change' THEN measure -> 'of' ELSE measure END;
BEGIN
    RETURN coalesce((
        SELECT max(abs(((raising.batch).tallies ->> ('raising ' || (whole ->> n.name)))::numeric))
        FROM unnest(ARRAY['tally', 'good', 'among', 'count', 'sum', 'squares']) AS n (name)), 0);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.raising(pgslo_catalog.batch, jsonb) IS
    'Return the number of rows for which the sums of a measure raise an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.statistic(batch pgslo_catalog.batch, measure jsonb) RETURNS float8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    counted numeric := coalesce(((statistic.batch).tallies ->> (measure ->> 'count'))::numeric, 0);
    summed numeric := coalesce(((statistic.batch).tallies ->> (measure ->> 'sum'))::numeric, 0);
    squares numeric;
    profile pgslo_catalog.profile;
BEGIN
    IF (statistic.batch).rows <= 0 THEN
        RETURN CASE WHEN measure ->> 'form' = 'rows' AND (statistic.batch).rows = 0 THEN 0 END;
    ELSIF pgslo_catalog.unmeasured(statistic.batch, statistic.measure) > 0
        OR pgslo_catalog.raising(statistic.batch, statistic.measure) > 0
    THEN
        RETURN NULL;
    END IF;
    CASE measure ->> 'form'
        WHEN 'rows' THEN
            RETURN CASE
                WHEN measure ? 'tally' THEN coalesce(((statistic.batch).tallies ->> (measure ->> 'tally'))::numeric, 0)
                ELSE (statistic.batch).rows END;
        WHEN 'present' THEN
            RETURN coalesce(((statistic.batch).present ->> (measure ->> 'column'))::numeric, 0) / (statistic.batch).rows;
        WHEN 'share' THEN
            RETURN coalesce(((statistic.batch).tallies ->> (measure ->> 'good'))::numeric, 0)
                / nullif(CASE WHEN measure ->> 'among' IS NULL THEN (statistic.batch).rows ELSE ((statistic.batch).tallies ->> (measure ->> 'among'))::numeric END, 0);
        WHEN 'passing' THEN
            RETURN 1 - coalesce(((statistic.batch).failures ->> (measure ->> 'rule'))::numeric, 0) / (statistic.batch).rows;
        WHEN 'statistic' THEN
            NULL;
        ELSE
            RETURN NULL;
    END CASE;
    CASE measure ->> 'of'
        WHEN 'sum' THEN
            RETURN CASE WHEN counted > 0 THEN pgslo_catalog.float_of(summed) END;
        WHEN 'mean', 'zero_share', 'negative_share' THEN
            RETURN pgslo_catalog.float_of(summed / nullif(counted, 0));
        WHEN 'stddev' THEN
            squares := coalesce(((statistic.batch).tallies ->> (measure ->> 'squares'))::numeric, 0);
            RETURN CASE
                WHEN counted > 1
                THEN pgslo_catalog.float_of(sqrt(greatest(0, (squares - summed * summed / counted) / (counted - 1))))
            END;
        ELSE
            profile := pgslo_catalog.profiled((statistic.batch).definition_id, (statistic.batch).name, measure ->> 'column');
    END CASE;
    IF measure ->> 'quantile' IS NOT NULL THEN
        RETURN pgslo_catalog.quantile(profile.grid, (measure ->> 'quantile')::float8);
    END IF;
    -- How many values differ cannot be told from some of the rows; how many rows have the commonest one can.
    RETURN CASE
        WHEN measure ->> 'of' = 'top_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'top')]
        WHEN profile.level > 0 THEN NULL
        WHEN measure ->> 'of' = 'distinct' THEN round(exp(profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct')]))
        WHEN measure ->> 'of' = 'distinct_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct_ratio')]
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.statistic(pgslo_catalog.batch, jsonb) IS 'The value of a measure that needs one batch alone; NULL when it has none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.earlier(batch pgslo_catalog.batch, relative_to text) RETURNS SETOF pgslo_catalog.batch
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF earlier.relative_to = 'same weekday' THEN
        -- Batches of a day, or of an hour, a week apart; a clock that is put forward or back may move them by an hour.
        RETURN QUERY
        SELECT b.* FROM pgslo_catalog.batch b
        WHERE b.definition_id = (earlier.batch).definition_id AND b.closed_at IS NOT NULL AND b.rows > 0
          AND b.place BETWEEN (earlier.batch).place - 604800 - 3600 AND (earlier.batch).place - 604800 + 3600
        ORDER BY abs(b.place - (earlier.batch).place + 604800) LIMIT 1;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT b.* FROM pgslo_catalog.batch b
    WHERE b.definition_id = (earlier.batch).definition_id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place < (earlier.batch).place
    ORDER BY b.place DESC
    LIMIT CASE WHEN earlier.relative_to = 'previous' THEN 1 ELSE split_part(earlier.relative_to, ' ', 1)::integer END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.earlier(pgslo_catalog.batch, text) IS 'The closed batches that one is compared with: "previous", "same weekday" or "28 batches".';

CREATE OR REPLACE FUNCTION pgslo_catalog.distance(definition pgslo_catalog.definition, batch pgslo_catalog.batch, measure jsonb, OUT value float8, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    own pgslo_catalog.profile := pgslo_catalog.profiled((distance.batch).definition_id, (distance.batch).name, measure ->> 'column');
    others pgslo_catalog.profile[];
    other_definition bigint;
    stretch numeric[];
    against text;
    grid float8[];
    common jsonb;
BEGIN
    IF measure ? 'with' THEN
        other_definition := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = measure ->> 'with');
        against := format('column "%s" of %s', measure ->> 'to', measure ->> 'with');
        IF other_definition IS NULL THEN
            said := format('%s has no definition, so nothing is known of its columns', measure ->> 'with');
            RETURN;
        END IF;
        -- The batch of the same name where there is one, else the newest.
        others := ARRAY(
            SELECT p FROM pgslo_catalog.profile p JOIN pgslo_catalog.batch b ON b.definition_id = p.definition_id AND b.name = p.batch
            WHERE p.definition_id = other_definition AND p.column_name = measure ->> 'to' AND b.closed_at IS NOT NULL AND b.rows > 0
              AND (p.batch = (distance.batch).name OR p.place <= pgslo_catalog.last_place(other_definition))
            ORDER BY p.batch = (distance.batch).name DESC, p.place DESC LIMIT 1);
    ELSIF measure ? 'trained_on' THEN
        stretch := ARRAY(
            SELECT (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = (distance.batch).definition_id AND b.name = pgslo_catalog.name_of(distance.definition, t.name))
            FROM jsonb_array_elements_text(measure -> 'trained_on') WITH ORDINALITY AS t (name, n) ORDER BY t.n);
        against := format('batches %s to %s', measure #>> '{trained_on,0}', measure #>> '{trained_on,1}');
        others := ARRAY(
            SELECT p FROM pgslo_catalog.profile p
            WHERE p.definition_id = (distance.batch).definition_id AND p.column_name = measure ->> 'column' AND p.place BETWEEN stretch[1] AND stretch[2] AND p.present > 0
            ORDER BY p.place);
    ELSE
        against := CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before' ELSE 'the ' || (measure ->> 'relative_to') || ' before' END;
        others := ARRAY(
            SELECT p FROM pgslo_catalog.earlier(distance.batch, measure ->> 'relative_to') AS e
            JOIN pgslo_catalog.profile p ON p.definition_id = e.definition_id AND p.batch = e.name AND p.column_name = measure ->> 'column' AND p.present > 0);
    END IF;
    IF cardinality(others) = 0 THEN
        said := format('there is no profile of %s to compare with', against);
        RETURN;
    ELSIF coalesce(own.present, 0) = 0 THEN
        said := format('no row of the batch has a value in column "%s"', measure ->> 'column');
        RETURN;
    END IF;
    IF (measure -> 'ordered')::boolean THEN
        -- Quantile by quantile, the mean of the batches it is compared with.
        grid := ARRAY(
            -- avg() adds up squares as well, which may overflow.
            SELECT sum(g.v) / count(g.v) FROM unnest(others) AS o CROSS JOIN LATERAL unnest(o.grid) WITH ORDINALITY AS g (v, n) GROUP BY g.n ORDER BY g.n);
        value := pgslo_catalog.grid_distance(measure ->> 'by', own.grid, grid);
    ELSE
        common := (
            SELECT jsonb_object_agg(c.key, c.share)
            FROM (
                SELECT v.key, sum(v.value::float8 / (SELECT sum(w.value::float8) FROM jsonb_each_text(o.common) AS w)) AS share
                FROM unnest(others) AS o CROSS JOIN LATERAL jsonb_each_text(o.common) AS v
                GROUP BY v.key
            ) AS c);
        value := pgslo_catalog.common_distance(measure ->> 'by', own.common, common);
    END IF;
    said := CASE
        WHEN value IS NULL THEN format('column "%s" of the batch and %s cannot be compared', measure ->> 'column', against)
        ELSE format('%s to %s is %s', upper((measure ->> 'by') COLLATE "C"), against, pgslo_catalog.shown(value::numeric)) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.distance(pgslo_catalog.definition, pgslo_catalog.batch, jsonb) IS 'How far a column''s values are from those they are compared with, with a sentence.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_unchanged(one pgslo_catalog.profile, other pgslo_catalog.profile) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    ours integer[];
    theirs integer[];
    compared record;
BEGIN
    IF one.present = 0 OR other.present = 0 THEN
        RETURN false;  -- Nothing is no value that could be repeated; completeness tells of it.
    END IF;
    SELECT p.entities INTO ours FROM pgslo_catalog.profile p WHERE p.definition_id = one.definition_id AND p.batch = one.batch AND p.column_name = '*';
    SELECT p.entities INTO theirs FROM pgslo_catalog.profile p WHERE p.definition_id = other.definition_id AND p.batch = other.batch AND p.column_name = '*';
    -- Entity by entity, for those that are in both.
    SELECT count(*) AS common, count(*) FILTER (WHERE a.value = b.value) AS same INTO compared
    FROM (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(ours, one.prefix) AS u (entity, value) WHERE u.entity IS NOT NULL ORDER BY u.entity) AS a
    JOIN (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(theirs, other.prefix) AS u (entity, value) WHERE u.entity IS NOT NULL ORDER BY u.entity) AS b ON a.entity = b.entity;
    IF compared.common > 0 THEN
        RETURN compared.same = compared.common;
    END IF;
    RETURN one.common = other.common;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_unchanged(pgslo_catalog.profile, pgslo_catalog.profile) IS 'Whether a column has the same values in two batches.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unchanged(batch pgslo_catalog.batch, column_name text, at_most integer) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    later pgslo_catalog.profile := pgslo_catalog.profiled((unchanged.batch).definition_id, (unchanged.batch).name, unchanged.column_name);
    before pgslo_catalog.profile;
    repeated integer := 0;
BEGIN
    IF later.present IS NULL OR later.common IS NULL AND later.prefix IS NULL THEN
        RETURN NULL;
    END IF;
    FOR before IN
        SELECT p.* FROM pgslo_catalog.earlier(unchanged.batch, unchanged.at_most || ' batches') AS e
        JOIN pgslo_catalog.profile p ON p.definition_id = e.definition_id AND p.batch = e.name AND p.column_name = unchanged.column_name
        ORDER BY p.place DESC
    LOOP
        EXIT WHEN NOT coalesce(pgslo_catalog.is_unchanged(later, before), false);
        repeated := repeated + 1;
        later := before;
    END LOOP;
    RETURN repeated;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unchanged(pgslo_catalog.batch, text, integer) IS 'How many batches in a row, up to this one, repeat a column''s values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_data(definition pgslo_catalog.definition) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest timestamptz;
    last_place numeric;
BEGIN
    IF (newest_data.definition).age_of IS NOT NULL THEN
        PERFORM pgslo_catalog.pin_table(newest_data.definition, (newest_data.definition).age_of);
        EXECUTE format('SELECT pgslo_gen.%I()', (newest_data.definition).age_of) INTO newest;
        RETURN newest;
    END IF;
    last_place := pgslo_catalog.last_place(newest_data.definition);
    -- When the newest batch was last written to: an old one that is mended makes a table no fresher, and neither does one in
    -- the future or one without rows.
    RETURN (
        SELECT f.written_at FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (newest_data.definition).definition_id AND f.operation NOT IN ('delete', 'truncate')
          AND f.place <= last_place AND NOT (f.operation IN ('merged', 'recounted') AND f.rows <= 0)
        ORDER BY f.place DESC, f.fragment_id DESC LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_data(pgslo_catalog.definition) IS 'How new a table''s data is; NULL when that cannot be told.';

CREATE OR REPLACE FUNCTION pgslo_catalog.age(definition pgslo_catalog.definition, OUT value float8, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest timestamptz := pgslo_catalog.newest_data(age.definition);
    seconds float8 := extract(epoch FROM clock_timestamp() - newest);
BEGIN
    IF newest IS NULL THEN
        said := 'there is no data whose age could be told';
    ELSIF seconds < -300 THEN
        -- A clock that jumped, or a time of another zone: whatever it is, it tells no age.
        said := format('the newest data is of %s UTC, which is still to come', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'));
    ELSE
        value := greatest(seconds, 0);
        said := format('the newest data is of %s UTC; the objective is an age of at most %s', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.span_shown((age.definition).max_age));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.age(pgslo_catalog.definition) IS 'The age of a table''s newest data in seconds, with a sentence; NULL when it cannot be told.';

CREATE OR REPLACE FUNCTION pgslo_catalog.measured(definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value float8, OUT rows bigint, OUT said text, OUT example text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    measure jsonb := (measured.rule).measure;
    form text := measure ->> 'form';
    low float8 := coalesce((measured.rule).warn_low, (measured.rule).reject_low);
    high float8 := coalesce((measured.rule).warn_high, (measured.rule).reject_high);
    found record;
    whole numeric;
    reference float8;
    looked_at bigint;
    failed bigint;
BEGIN
    rows := (measured.batch).rows;
    IF (measured.batch).place = '-Infinity' AND form NOT IN ('age', 'table_rows') THEN
        said := 'the batch of these rows cannot be told: its expression has no value';
        RETURN;
    END IF;
    IF form NOT IN ('rows', 'age', 'failures', 'table_rows') AND rows <= 0 THEN
        said := 'the batch has no rows';
        RETURN;
    END IF;
    looked_at := pgslo_catalog.unmeasured(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('%s came or went while columns could not be measured', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    looked_at := pgslo_catalog.raising(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('the expression of the rule raises an error for %s', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    CASE
        WHEN form IN ('rows', 'present', 'share', 'passing', 'statistic') THEN
            value := pgslo_catalog.statistic(measured.batch, measure);
            CASE form
                WHEN 'rows' THEN
                    said := CASE
                        WHEN value IS NULL THEN 'rows were taken away that came before pgslo counted them'
                        ELSE format('%s; %s', pgslo_catalog.rows_shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
                WHEN 'statistic' THEN
                    said := CASE
                        WHEN value IS NULL THEN format('the %2$s of column "%1$s" cannot be told: it has no values, or too many rows for a sample to say', measure ->> 'column', measure ->> 'said')
                        ELSE format('the %s of %s is %s; %s', measure ->> 'said', pgslo_catalog.rows_shown(rows), pgslo_catalog.shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
                ELSE
                    whole := CASE WHEN measure ->> 'among' IS NULL THEN rows ELSE ((measured.batch).tallies ->> (measure ->> 'among'))::numeric END;
                    said := CASE
                        WHEN value IS NULL THEN 'the batch has no rows that it is about'
                        ELSE format('%s of %s %s; %s', pgslo_catalog.share_shown(value::numeric, 1), pgslo_catalog.rows_shown(whole),
                                    CASE form WHEN 'passing' THEN 'pass' ELSE 'are ' || coalesce(measure ->> 'said', 'not null') END, pgslo_catalog.wanted(low, high, 100, ' %')) END;
            END CASE;
        WHEN form = 'change' THEN
            -- avg() adds up squares as well, which may overflow.
            SELECT sum(s.value) / nullif(count(s.value), 0) AS mean, count(*) AS batches INTO found
            FROM pgslo_catalog.earlier(measured.batch, measure ->> 'relative_to') AS e
            CROSS JOIN LATERAL (SELECT pgslo_catalog.statistic(e, measure -> 'of') AS value) AS s;
            value := pgslo_catalog.statistic(measured.batch, measure -> 'of');
            reference := found.mean;
            IF value IS NULL THEN
                said := 'the batch has no value that could be compared';
            ELSIF reference IS NULL THEN
                value := NULL;
                said := 'there is no earlier batch to compare with';
            ELSE
                said := CASE WHEN measure ->> 'said' = 'rows' THEN pgslo_catalog.rows_shown(value::numeric)
                             ELSE format('the %s is %s', measure ->> 'said', pgslo_catalog.shown(value::numeric)) END
                    || format(' after %s in %s', pgslo_catalog.shown(reference::numeric),
                        CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before'
                             ELSE format('the mean of the %s before', CASE found.batches WHEN 1 THEN 'batch' ELSE found.batches || ' batches' END) END);
                IF measure ->> 'ratio' = 'true' THEN
                    value := pgslo_catalog.quotient(value, reference);
                    said := said || '; ' || pgslo_catalog.wanted(low, high, 1, ' times as many');
                ELSIF measure ->> 'absolute' = 'true' THEN
                    value := value - reference;
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 1, ''), 'is ', 'is a change of ');
                ELSE
                    value := pgslo_catalog.quotient(value - reference, abs(reference));
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 100, ' %'), 'is ', 'is a change of ');
                END IF;
                IF value IS NULL THEN
                    said := said || ', and nothing is a share of zero';
                END IF;
            END IF;
        WHEN form = 'distance' THEN
            SELECT d.value, d.said INTO value, said FROM pgslo_catalog.distance(measured.definition, measured.batch, measure) AS d;
            IF value IS NOT NULL THEN
                said := said || '; ' || pgslo_catalog.wanted(low, high, 1, '');
            END IF;
        WHEN form = 'unchanged' THEN
            value := pgslo_catalog.unchanged(measured.batch, measure ->> 'column', high::integer + 1);
            said := CASE
                WHEN value IS NULL THEN format('there is no profile of column "%s"', measure ->> 'column')
                WHEN value > high THEN format('column "%s" has the same values in at least %s batches in a row; the objective is at most %s', measure ->> 'column', value + 1, high + 1)
                ELSE format('column "%s" has the same values in %s; the objective is at most %s', measure ->> 'column', CASE value WHEN 0 THEN '1 batch' ELSE value + 1 || ' batches in a row' END, high + 1) END;
        WHEN form = 'age' THEN
            SELECT a.value, a.said INTO value, said FROM pgslo_catalog.age(measured.definition) AS a;
        WHEN form = 'table_rows' THEN
            PERFORM pgslo_catalog.pin_table(measured.definition, measure ->> 'function');
            EXECUTE format('SELECT f.rows FROM pgslo_gen.%I($1) AS f', measure ->> 'function') INTO value USING (measured.batch).name;
            said := format('the table has %s; %s', pgslo_catalog.rows_shown(value::numeric),
                pgslo_catalog.wanted(low, high, 1, ''));
        WHEN form = 'failures' THEN
            PERFORM pgslo_catalog.pin_table(measured.definition, measure ->> 'function');
            EXECUTE format('SELECT f.rows, f.failed, f.example FROM pgslo_gen.%I($1) AS f', measure ->> 'function')
            INTO looked_at, failed, example USING (measured.batch).name;
            value := failed;
            IF looked_at = 0 AND rows > 0 THEN
                value := NULL;
                said := 'the table has no rows of this batch that it is about';
            ELSE
                said := format('%s %s; %s', pgslo_catalog.shown(failed), measure ->> CASE failed WHEN 1 THEN 'said_of_one' ELSE 'said' END,
                    pgslo_catalog.wanted(NULL, high, 1, ''));
            END IF;
            -- A key or another value of a row, which not everybody may see.
            example := CASE WHEN failed > 0 THEN example END;
        ELSE
            said := format('this version of the runtime does not know how to measure "%s"', form);
    END CASE;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measured(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule) IS 'What a batch comes to in the eyes of a rule, with a sentence, and the first violation; NULL when it cannot be told.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_age(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule;
    newest pgslo_catalog.batch;
    found record;
BEGIN
    IF (judge_age.definition).max_age IS NULL THEN
        RETURN;
    END IF;
    SELECT b.* INTO newest FROM pgslo_catalog.batch b
    WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL
      AND b.place <= pgslo_catalog.last_place(judge_age.definition)
      AND b.rows > 0
    ORDER BY b.place DESC LIMIT 1;
    IF newest.name IS NULL THEN
        SELECT b.* INTO newest FROM pgslo_catalog.batch b
        WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL ORDER BY b.place DESC LIMIT 1;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = (judge_age.definition).definition_id AND r.scope = 'table' AND r.retired_at IS NULL AND newest.name IS NOT NULL)
    LOOP
        found := pgslo_catalog.age(judge_age.definition);
        PERFORM pgslo_catalog.give_verdict(rule, newest, CASE WHEN found.value IS NULL THEN 'unknown' WHEN found.value > rule.warn_high THEN 'missed' ELSE 'met' END,
            found.value, NULL, rule.warn_high, NULL, found.said);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_age(pgslo_catalog.definition) IS 'Holds the age of a table''s newest data against its objective, under the name of the newest batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batch_so_far(definition_id bigint, batch text) RETURNS pgslo_catalog.batch
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    summed pgslo_catalog.batch;
    emptied bigint := coalesce((SELECT max(f.fragment_id) FROM pgslo_catalog.fragment f WHERE f.definition_id = batch_so_far.definition_id AND f.operation = 'truncate'), 0);
BEGIN
    SELECT batch_so_far.definition_id, batch_so_far.batch, min(f.place), coalesce(sum(f.rows), 0)::bigint,
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), pgslo_catalog.added_up(array_agg(f.failures))
    INTO summed.definition_id, summed.name, summed.place, summed.rows, summed.present, summed.tallies, summed.failures
    FROM pgslo_catalog.fragment f
    WHERE f.definition_id = batch_so_far.definition_id AND f.batch = batch_so_far.batch AND f.fragment_id > emptied;
    RETURN summed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batch_so_far(bigint, text) IS 'A batch as it stands within this transaction.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_batch(definition text, batches text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    rule pgslo_catalog.rule;
    one text;
    summed pgslo_catalog.batch;
    found record;
BEGIN
    IF pgslo_catalog.is_replica() THEN
        RETURN;  -- A subscription would stop for good: the batch is judged when it closes.
    END IF;
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = refuse_batch.definition;
    IF cardinality(refuse_batch.batches) > pgslo_catalog.batches_at_once() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('statement writes to too many batches of %s', target.name),
            DETAIL = format('It writes to %s, and rules that refuse batches judge %s at once at most.',
                            cardinality(refuse_batch.batches), pgslo_catalog.batches_at_once()),
            HINT = 'Write fewer batches in one statement.',
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1);
    END IF;
    FOREACH one IN ARRAY ARRAY(SELECT DISTINCT b.name FROM unnest(refuse_batch.batches) AS b (name) WHERE b.name IS NOT NULL ORDER BY 1) LOOP
        summed := pgslo_catalog.batch_so_far(target.definition_id, one);
        CONTINUE WHEN summed.rows <= 0;
        FOREACH rule IN ARRAY ARRAY(
            SELECT r FROM pgslo_catalog.rule r
            WHERE r.definition_id = target.definition_id AND r.retired_at IS NULL AND (r.reject_low IS NOT NULL OR r.reject_high IS NOT NULL)
            ORDER BY r.rule_id)
        LOOP
            found := NULL;
            BEGIN
                rule.warn_low := rule.reject_low;
                rule.warn_high := rule.reject_high;
                SELECT m.* INTO found FROM pgslo_catalog.measured(target, summed, rule) AS m;
            EXCEPTION WHEN OTHERS THEN
                -- A table that is not what the rule was written for refuses nothing; it is told when the batch is closed.
                CONTINUE WHEN pgslo_catalog.is_of_moved_schema(SQLSTATE);
                IF pgslo_catalog.is_transient(SQLSTATE) THEN
                    RAISE;
                END IF;
                RAISE EXCEPTION USING
                    ERRCODE = 'check_violation',
                    MESSAGE = format('batch %s of %s cannot be judged by rule "%s"', one, target.name, rule.name),
                    DETAIL = format('Its query or condition raises SQLSTATE %s.', SQLSTATE),
                    HINT = format('The statement was undone. Ask the owner, %s.', coalesce(rule.owner, target.owner, 'unknown')),
                    SCHEMA = split_part(target.name, '.', 1),
                    TABLE = substr(target.name, strpos(target.name, '.') + 1),
                    CONSTRAINT = rule.name;
            END;
            IF found.value < rule.reject_low OR found.value > rule.reject_high THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'check_violation',
                    MESSAGE = format('batch %s of %s violates rule "%s"', one, target.name, rule.name),
                    -- A number over rows that the writer may not read is no number for the writer.
                    DETAIL = CASE WHEN pgslo_catalog.may_count(target.relation, rule.columns)
                        THEN format('%s.', regexp_replace(upper(left(found.said, 1) COLLATE "C") || substr(found.said, 2), 'the objective is', 'what is let through is'))
                        ELSE format('The rule wants: %s.', rule.promise) END,
                    HINT = format('The statement was undone. Ask the owner, %s, or write what keeps the rule.', coalesce(rule.owner, target.owner, 'unknown')),
                    SCHEMA = split_part(target.name, '.', 1),
                    TABLE = substr(target.name, strpos(target.name, '.') + 1),
                    COLUMN = coalesce(CASE WHEN rule.kind <> 'row_count' THEN rule.columns[1] END, ''),
                    CONSTRAINT = rule.name;
            END IF;
        END LOOP;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_batch(text, text[]) IS 'Refuses a statement after which a batch is beyond what its rules let through.';
