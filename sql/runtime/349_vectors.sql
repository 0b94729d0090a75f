-- Vectors of a batch beside those of earlier ones: the same entities' last ones, and the mean.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.vector_at(places text) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT string_to_array(places, ',')::float8[] $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.vector_at(text) IS 'Return the elements of a vector that a sample has.';

CREATE OR REPLACE FUNCTION pgslo_catalog.cosine(a float8[], b float8[]) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Beside the largest element of each: so no square overflows or vanishes.
    SELECT CASE WHEN count(*) > 0 THEN least(greatest(sum(p.x * p.y) / sqrt(sum(p.x ^ 2) * sum(p.y ^ 2)), -1), 1) END
    FROM (SELECT max(abs(u.x)) AS x, max(abs(u.y)) AS y FROM unnest(cosine.a, cosine.b) AS u (x, y)) m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN abs(u.x) >= 1e-60 * m.x THEN u.x / m.x ELSE 0 END AS x, CASE WHEN abs(u.y) >= 1e-60 * m.y THEN u.y / m.y ELSE 0 END AS y
        FROM unnest(cosine.a, cosine.b) AS u (x, y)
    ) p
    WHERE m.x BETWEEN 1e-200 AND 1e200 AND m.y BETWEEN 1e-200 AND 1e200
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.cosine(float8[], float8[]) IS 'Return the cosine of the angle between two vectors; NULL where one has no direction.';

CREATE OR REPLACE FUNCTION pgslo_catalog.vectors_before(definition_id bigint, place numeric, columns text[],
    OUT name text, OUT entity integer, OUT vector real[])
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT c.name, e.entity, v.vectors[16 * (e.i - 1) + 1 : 16 * e.i]
    FROM unnest(vectors_before.columns) AS c (name)
    CROSS JOIN LATERAL (
        -- Appending nothing takes an array out of where long values are kept, once and not at every element.
        SELECT p.batch, p.vectors || '{}'::real[] AS vectors FROM pgslo_catalog.profile p
        WHERE p.definition_id = vectors_before.definition_id AND p.column_name = c.name AND p.place < vectors_before.place
          AND p.vectors IS NOT NULL AND p.baseline
        ORDER BY p.place DESC LIMIT 1
    ) v
    JOIN pgslo_catalog.profile w ON w.definition_id = vectors_before.definition_id AND w.batch = v.batch AND w.column_name = '*'
    CROSS JOIN LATERAL unnest(w.entities) WITH ORDINALITY AS e (entity, i)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.vectors_before(bigint, numeric, text[]) IS 'Return vectors of sampled entities in the last batch that counts.';

CREATE OR REPLACE FUNCTION pgslo_catalog.keep_vectors(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[]
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
DECLARE
    id bigint := (keep_vectors.definition).definition_id;
    mine text := (keep_vectors.batch).name;
    own_place numeric := (keep_vectors.batch).place;
    one record;
    usual_mean float8[];
BEGIN
    FOR one IN
        WITH base AS (
            SELECT c.name, c.col FROM unnest(keep_vectors.columns) WITH ORDINALITY AS c (name, col)
            JOIN pgslo_catalog.watched_column w ON w.definition_id = id AND w.column_name = c.name AND w.kind = 'parts'
        ), cell AS MATERIALIZED (
            SELECT (u.i - 1) / array_length(keep_vectors.sample, 2) AS row, (u.i - 1) % array_length(keep_vectors.sample, 2) AS col, u.value
            FROM unnest(keep_vectors.sample) WITH ORDINALITY AS u (value, i)
            WHERE EXISTS (SELECT FROM base)
        ), vector AS MATERIALIZED (
            SELECT b.name, c.row, pgslo_catalog.vector_at(c.value::jsonb ->> 'at') AS x
            FROM cell c JOIN base b USING (col) WHERE c.value LIKE '{%"at": %'
        ), entity AS MATERIALIZED (
            -- As describe_batch() has them.
            SELECT DISTINCT ON (c.value::bigint >> 32) c.row, (c.value::bigint >> 32)::integer AS entity
            FROM cell c WHERE c.col = 0 AND c.value IS NOT NULL ORDER BY c.value::bigint >> 32, c.row
        ), place_of AS MATERIALIZED (
            SELECT e.row, row_number() OVER (ORDER BY e.entity) AS place FROM (SELECT n.* FROM entity n ORDER BY n.entity LIMIT 256) e
        ), kept AS (
            SELECT n.name, array_agg(
                       CASE WHEN abs(v.x[g.i]) < 1e30 THEN CASE WHEN abs(v.x[g.i]) > 1e-30 THEN v.x[g.i] ELSE 0 END END::real
                       ORDER BY p.place, g.i) AS vectors
            FROM (SELECT DISTINCT v.name FROM vector v) n
            CROSS JOIN place_of p CROSS JOIN generate_series(1, 16) AS g (i)
            LEFT JOIN vector v ON v.name = n.name AND v.row = p.row
            GROUP BY n.name
        ), middle AS (
            SELECT m.name, array_agg(m.x ORDER BY m.i) AS mean
            FROM (
                SELECT v.name, u.i, avg(u.x) AS x FROM vector v CROSS JOIN LATERAL unnest(v.x) WITH ORDINALITY AS u (x, i)
                WHERE abs(u.x) < 1e30 GROUP BY v.name, u.i
            ) m
            GROUP BY m.name
        )
        SELECT k.name, k.vectors, m.mean FROM kept k LEFT JOIN middle m USING (name)
    LOOP
        SELECT array_agg(a.x ORDER BY a.i) INTO usual_mean
        FROM (
            SELECT u.i, avg(u.x) AS x
            FROM (
                SELECT p.mean_vector FROM pgslo_catalog.profile p
                WHERE p.definition_id = id AND p.column_name = one.name AND p.place < own_place
                  AND p.baseline AND p.mean_vector IS NOT NULL
                ORDER BY p.place DESC LIMIT 28
            ) h
            CROSS JOIN LATERAL unnest(h.mean_vector) WITH ORDINALITY AS u (x, i)
            GROUP BY u.i
        ) a;
        UPDATE pgslo_catalog.profile p
        SET vectors = one.vectors, mean_vector = one.mean, summary[56] = 1 - pgslo_catalog.cosine(one.mean, usual_mean)
        WHERE p.definition_id = id AND p.batch = mine AND p.column_name = one.name;
        -- Three batches, since late rows come, and the last that counts.
        UPDATE pgslo_catalog.profile p SET vectors = NULL
        WHERE p.definition_id = id AND p.column_name = one.name AND p.vectors IS NOT NULL
          AND p.place < (
              SELECT min(l.place) FROM (
                  SELECT q.place FROM pgslo_catalog.profile q
                  WHERE q.definition_id = id AND q.column_name = one.name ORDER BY q.place DESC LIMIT 3) l)
          AND p.place < (
              SELECT max(q.place) FROM pgslo_catalog.profile q
              WHERE q.definition_id = id AND q.column_name = one.name AND q.vectors IS NOT NULL AND q.baseline AND q.place < own_place);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keep_vectors(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[]) IS
    'Store the mean vector of a batch, its distance from the baseline, and the vectors of sampled entities for the next batch.';
