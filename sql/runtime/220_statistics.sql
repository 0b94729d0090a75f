-- Statistics of a batch, and how far its values are from earlier ones.
SET LOCAL search_path = pg_catalog, pg_temp;

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
COMMENT ON FUNCTION pgslo_catalog.profiled(bigint, text, text) IS 'Return the profile of a column in a batch.';

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
COMMENT ON FUNCTION pgslo_catalog.quantile(float8[], float8) IS 'Return a quantile, interpolated between those of a grid.';

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
        WHEN measure ->> 'form' IN ('age', 'batches', 'failures', 'segments', 'passing', 'table_rows', 'table_share', 'query')
            OR measure ->> 'form' = 'rows' AND NOT measure ? 'tally' THEN 0
        ELSE coalesce(((unmeasured.batch).tallies ->> 'unmeasured rows')::bigint, 0)
            -- Sums need no sample; distances, quantiles and the like are of sampled rows.
            + CASE
                WHEN pgslo_catalog.reads_profile(measure)
                THEN coalesce(((unmeasured.batch).tallies ->> 'unsampled rows')::bigint, 0)
                ELSE 0 END
        END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unmeasured(pgslo_catalog.batch, jsonb) IS
    'Return the number of rows added or removed while columns could not be measured, if a measure depends on it.';

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
                / nullif(CASE WHEN measure ->> 'among' IS NULL THEN (statistic.batch).rows
                              ELSE ((statistic.batch).tallies ->> (measure ->> 'among'))::numeric END, 0);
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
    -- A sample does not determine the number of distinct values; it does determine the share of the commonest one.
    RETURN CASE
        WHEN measure ->> 'of' = 'top_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'top')]
        WHEN profile.level > 0 THEN NULL
        WHEN measure ->> 'of' = 'distinct' THEN round(exp(profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct')]))
        WHEN measure ->> 'of' = 'distinct_share' THEN profile.summary[array_position(pgslo_catalog.summary_names(), 'distinct_ratio')]
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.statistic(pgslo_catalog.batch, jsonb) IS 'Return the value of a measure that needs one batch alone; NULL when it has none.';

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
COMMENT ON FUNCTION pgslo_catalog.earlier(pgslo_catalog.batch, text) IS
    'Return the closed batches that one is compared with: "previous", "same weekday" or "28 batches".';

CREATE OR REPLACE FUNCTION pgslo_catalog.distance(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, measure jsonb, OUT value float8, OUT said text
)
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
            SELECT (SELECT b.place FROM pgslo_catalog.batch b
                    WHERE b.definition_id = (distance.batch).definition_id AND b.name = pgslo_catalog.name_of(distance.definition, t.name))
            FROM jsonb_array_elements_text(measure -> 'trained_on') WITH ORDINALITY AS t (name, n) ORDER BY t.n);
        against := format('batches %s to %s', measure #>> '{trained_on,0}', measure #>> '{trained_on,1}');
        others := ARRAY(
            SELECT p FROM pgslo_catalog.profile p
            WHERE p.definition_id = (distance.batch).definition_id AND p.column_name = measure ->> 'column'
              AND p.place BETWEEN stretch[1] AND stretch[2] AND p.present > 0
            ORDER BY p.place);
    ELSE
        against := CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before'
                        ELSE 'the ' || (measure ->> 'relative_to') || ' before' END;
        others := ARRAY(
            SELECT p FROM pgslo_catalog.earlier(distance.batch, measure ->> 'relative_to') AS e
            JOIN pgslo_catalog.profile p ON p.definition_id = e.definition_id AND p.batch = e.name AND p.column_name = measure ->> 'column' AND p.present > 0);
    END IF;
    IF cardinality(others) = 0 THEN
        said := format('no profile of %s exists to compare with', against);
        RETURN;
    ELSIF coalesce(own.present, 0) = 0 THEN
        said := format('no row of the batch has a value in column "%s"', measure ->> 'column');
        RETURN;
    END IF;
    -- Values of a document are numbers or texts according to their content.
    IF coalesce((measure ->> 'ordered')::boolean, own.summary[15] > 0.5) THEN
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
COMMENT ON FUNCTION pgslo_catalog.distance(pgslo_catalog.definition, pgslo_catalog.batch, jsonb) IS
    'Return the distance of a column''s values from the compared ones, with a sentence.';

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
        RETURN false;  -- NULL is not a repeated value; completeness reports it.
    END IF;
    SELECT p.entities INTO ours FROM pgslo_catalog.profile p WHERE p.definition_id = one.definition_id AND p.batch = one.batch AND p.column_name = '*';
    SELECT p.entities INTO theirs FROM pgslo_catalog.profile p WHERE p.definition_id = other.definition_id AND p.batch = other.batch AND p.column_name = '*';
    -- Entity by entity, for those that are in both.
    SELECT count(*) AS common, count(*) FILTER (WHERE a.value = b.value) AS same INTO compared
    FROM (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(ours, one.prefix) AS u (entity, value) WHERE u.entity IS NOT NULL ORDER BY u.entity) AS a
    JOIN (SELECT DISTINCT ON (u.entity) u.entity, u.value FROM unnest(theirs, other.prefix) AS u (entity, value)
          WHERE u.entity IS NOT NULL ORDER BY u.entity) AS b ON a.entity = b.entity;
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
COMMENT ON FUNCTION pgslo_catalog.unchanged(pgslo_catalog.batch, text, integer) IS
    'Return the number of batches in a row, up to this one, that repeat a column''s values.';
