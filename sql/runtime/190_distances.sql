-- How far one distribution is from another: PSI, Jensen-Shannon, total variation, Kolmogorov-Smirnov, by quantiles or by value.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.float_of(value numeric) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- numeric reaches farther than float8, in both directions; sums and quotients of a few of these do not overflow.
    RETURN CASE
        WHEN abs(float_of.value) < 1e-250 THEN 0
        WHEN abs(float_of.value) > 1e250 AND float_of.value <> 'NaN' THEN sign(float_of.value) * 1e250
        ELSE float_of.value
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.float_of(numeric) IS
    'Return a number as float8: beyond 1e250 the bound, below 1e-250 zero. Never fails.';

CREATE OR REPLACE FUNCTION pgslo_catalog.quotient(part float8, whole float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        WHEN quotient.whole = 0 THEN NULL
        WHEN abs(quotient.part) BETWEEN 1e-100 AND 1e100 AND abs(quotient.whole) BETWEEN 1e-100 AND 1e100
            THEN quotient.part / quotient.whole
        ELSE pgslo_catalog.float_of(quotient.part::numeric / quotient.whole::numeric)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.quotient(float8, float8) IS
    'Return a quotient within the bounds of float_of(); NULL if the divisor is 0.';

CREATE OR REPLACE FUNCTION pgslo_catalog.share_below(grid float8[], value float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    steps integer := cardinality(share_below.grid) - 1;
    last integer;
BEGIN
    SELECT max(g.n) INTO last FROM unnest(share_below.grid) WITH ORDINALITY AS g (v, n) WHERE g.v <= share_below.value;
    RETURN CASE
        WHEN last IS NULL THEN 0
        WHEN last > steps THEN 1
        -- A quotient of so different numbers would underflow.
        WHEN share_below.value - grid[last] < 1e-16 * (grid[last + 1] - grid[last]) THEN (last - 1)::float8 / steps
        ELSE (last - 1 + (share_below.value - grid[last]) / (grid[last + 1] - grid[last])) / steps
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.share_below(float8[], float8) IS 'Return the share of values up to this one, by a grid of quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.distance_of(by text, one float8[], other float8[]) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT CASE distance_of.by
            -- A share of nothing would be infinitely far from any other.
            WHEN 'psi' THEN sum((greatest(s.p, 1e-4) - greatest(s.q, 1e-4)) * ln(greatest(s.p, 1e-4) / greatest(s.q, 1e-4)))
            WHEN 'js' THEN sum(CASE WHEN s.p > 0 THEN s.p * ln(2 * s.p / (s.p + s.q)) ELSE 0 END
                               + CASE WHEN s.q > 0 THEN s.q * ln(2 * s.q / (s.p + s.q)) ELSE 0 END) / (2 * ln(2::float8))
            ELSE sum(abs(s.p - s.q)) / 2
        END
        FROM unnest(distance_of.one, distance_of.other) AS s (p, q));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.distance_of(text, float8[], float8[]) IS
    'Return the distance between two lists of shares: psi, js (0 to 1) or tv (total variation, 0 to 1).';

CREATE OR REPLACE FUNCTION pgslo_catalog.grid_distance(by text, one float8[], other float8[]) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    edges float8[];
BEGIN
    IF grid_distance.by = 'ks' THEN
        RETURN (
            SELECT max(abs(pgslo_catalog.share_below(grid_distance.one, e.v) - pgslo_catalog.share_below(grid_distance.other, e.v)))
            FROM unnest(grid_distance.one || grid_distance.other) AS e (v));
    END IF;
    -- Between the deciles of the other batch; where many values are the same, there are fewer.
    edges := ARRAY(SELECT DISTINCT grid_distance.other[1 + 4 * n] FROM generate_series(1, 9) AS n ORDER BY 1);
    RETURN (
        SELECT pgslo_catalog.distance_of(grid_distance.by, array_agg(s.p), array_agg(s.q))
        FROM (
            SELECT coalesce(lead(c.one) OVER (ORDER BY c.n), 1) - c.one AS p, coalesce(lead(c.other) OVER (ORDER BY c.n), 1) - c.other AS q
            FROM (
                SELECT 0 AS n, 0::float8 AS one, 0::float8 AS other
                UNION ALL
                SELECT e.n, pgslo_catalog.share_below(grid_distance.one, e.v), pgslo_catalog.share_below(grid_distance.other, e.v)
                FROM unnest(edges) WITH ORDINALITY AS e (v, n)
            ) AS c
        ) AS s);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.grid_distance(text, float8[], float8[]) IS 'Return the distance between two distributions, given as quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.common_distance(by text, one jsonb, other jsonb) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT pgslo_catalog.distance_of(common_distance.by, array_agg(s.p), array_agg(s.q))
        FROM (
            SELECT coalesce(a.value::float8 / sum(a.value::float8) OVER (), 0) AS p, coalesce(b.value::float8 / sum(b.value::float8) OVER (), 0) AS q
            FROM jsonb_each_text(common_distance.one) AS a FULL JOIN jsonb_each_text(common_distance.other) AS b ON a.key = b.key
        ) AS s);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.common_distance(text, jsonb, jsonb) IS 'Return the distance between two distributions, given as rows by value.';
