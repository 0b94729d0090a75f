-- Old profiles: those that nothing is compared with any more keep little.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.whole_batches() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT 60 $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.whole_batches() IS
    'Return the number of newest batches with whole profiles: twice as many as learned bounds compare with.';

CREATE OR REPLACE FUNCTION pgslo_catalog.whole_from(definition pgslo_catalog.definition) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (whole_from.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(whole_from.definition);
    -- A rule about repeated values compares as many batches with each other.
    batches integer := greatest(pgslo_catalog.whole_batches(), (
        SELECT max(r.warn_high)::integer + 2 FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.retired_at IS NULL AND r.measure ->> 'form' = 'unchanged'));
    newest numeric;
    oldest numeric;
BEGIN
    SELECT min(n.place), max(n.place) INTO oldest, newest
    FROM (
        SELECT b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = id AND b.place <= last_place AND b.closed_at IS NOT NULL AND b.rows > 0
        ORDER BY b.place DESC LIMIT batches
    ) AS n
    HAVING count(*) = batches;
    -- Learned bounds also compare with up to eight batches of the same phase, and rules with the batch of a week before.
    RETURN least(oldest, newest - 8 * pgslo_catalog.phase_of(id, newest), newest - CASE WHEN EXISTS (
        SELECT FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.retired_at IS NULL AND 'same weekday' IN (r.measure ->> 'relative_to', r.measure #>> '{of,relative_to}')
    ) THEN 604800 + 3600 END);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.whole_from(pgslo_catalog.definition) IS
    'Return the place from which on batches keep whole profiles; NULL while all do.';

CREATE OR REPLACE FUNCTION pgslo_catalog.compared_columns(definition pgslo_catalog.definition) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- However old a batch is: one that is named, or of which another table has a batch of the same name.
    RETURN ARRAY(
        SELECT w.measure ->> 'column'
        FROM pgslo_catalog.rule r
        CROSS JOIN LATERAL (SELECT CASE WHEN r.measure ->> 'form' = 'change' THEN r.measure -> 'of' ELSE r.measure END AS measure) AS w
        WHERE r.definition_id = (compared_columns.definition).definition_id AND r.retired_at IS NULL
          AND (w.measure ->> 'form' = 'distance' OR r.measure ->> 'form' = 'change' AND w.measure ->> 'quantile' IS NOT NULL)
        UNION
        SELECT r.measure ->> 'to' FROM pgslo_catalog.rule r
        WHERE r.retired_at IS NULL AND r.measure ->> 'form' = 'distance' AND r.measure ->> 'with' = (compared_columns.definition).name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.compared_columns(pgslo_catalog.definition) IS
    'Return the columns whose distributions rules compare over any time: their old profiles keep quantiles and values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.old_profiles(definition pgslo_catalog.definition, whole_from numeric)
RETURNS TABLE (column_name text, batch text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH newest AS MATERIALIZED (
        SELECT b.place, b.rows, row_number() OVER (ORDER BY b.place DESC) AS back
        FROM pgslo_catalog.batch b
        WHERE b.definition_id = (old_profiles.definition).definition_id AND b.rows > 0
          AND b.place <= pgslo_catalog.last_place(old_profiles.definition)
        ORDER BY b.place DESC LIMIT 90
    ), crowded AS MATERIALIZED (
        -- A day with far more rows than others is compared with the last ones like it, of 90 batches.
        SELECT min(n.place) AS since, 1.2 * percentile_cont(0.5) WITHIN GROUP (ORDER BY n.rows) FILTER (WHERE n.back <= 28) AS rows FROM newest n
    )
    SELECT p.column_name, p.batch
    FROM pgslo_catalog.profile p CROSS JOIN crowded c
    WHERE p.definition_id = (old_profiles.definition).definition_id AND p.place < old_profiles.whole_from AND p.noise IS NOT NULL
      AND NOT (p.place >= c.since AND p.rows > c.rows)
      -- Where many batches missed, those that are compared with lie further back.
      AND EXISTS (
          SELECT FROM pgslo_catalog.profile q
          WHERE q.definition_id = p.definition_id AND q.column_name = p.column_name AND q.place > p.place AND q.baseline
            AND (q.sampled > 0 OR p.sampled = 0)
          ORDER BY q.place OFFSET 27 LIMIT 1)
    ORDER BY p.place
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.old_profiles(pgslo_catalog.definition, numeric) IS
    'Return whole profiles before a place that are not used for comparisons, oldest first.';

CREATE OR REPLACE FUNCTION pgslo_catalog.thin_profiles(definition pgslo_catalog.definition, whole_from numeric, at_most integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    compared text[];
    thinned integer;
BEGIN
    IF thin_profiles.whole_from IS NULL OR NOT EXISTS (
        SELECT FROM pgslo_catalog.profile p
        WHERE p.definition_id = (thin_profiles.definition).definition_id AND p.place < thin_profiles.whole_from AND p.noise IS NOT NULL)
    THEN
        RETURN 0;
    END IF;
    compared := pgslo_catalog.compared_columns(thin_profiles.definition);
    WITH old AS MATERIALIZED (
        SELECT o.column_name, o.batch, o.column_name = ANY (compared) AS is_compared
        FROM pgslo_catalog.old_profiles(thin_profiles.definition, thin_profiles.whole_from) AS o
        LIMIT thin_profiles.at_most
    )
    UPDATE pgslo_catalog.profile p
    SET noise = NULL, expected = NULL, spread = NULL, surprise = NULL, tolerated = NULL, tolerated_below = NULL, maturing = NULL,
        usual = NULL, usual_shapes = NULL, usual_grid = NULL, shapes = NULL, prefix = NULL, entities = NULL,
        common = CASE WHEN o.is_compared THEN p.common END, grid = CASE WHEN o.is_compared THEN p.grid END
    FROM old o
    WHERE p.definition_id = (thin_profiles.definition).definition_id AND p.column_name = o.column_name AND p.batch = o.batch;
    GET DIAGNOSTICS thinned = ROW_COUNT;
    RETURN thinned;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.thin_profiles(pgslo_catalog.definition, numeric, integer) IS
    'Take from old profiles what only newer ones are compared by. Return how many.';
