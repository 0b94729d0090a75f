-- The age of a batch: rows are completed, corrected and labelled after the first closing, so batches are compared at the same age.
-- Beside the profile of the last closing, that of the first is kept while the two differ.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.age_of(definition pgslo_catalog.definition, place numeric) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (age_of.definition).definition_id;
    -- One far in the future makes no other older.
    last_place numeric := pgslo_catalog.last_place(age_of.definition);
BEGIN
    -- Batches are closed while later ones that have begun are not added up yet.
    RETURN (
        SELECT count(*)
        FROM (
            SELECT FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.place > age_of.place AND b.place <= last_place AND b.rows > 0 LIMIT 1000
        ) AS known
    ) + (
        SELECT count(DISTINCT begun.batch)
        FROM (
            SELECT f.batch FROM pgslo_catalog.fragment f
            WHERE f.definition_id = id AND f.place > age_of.place AND f.place <= last_place
              AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate') LIMIT 1000
        ) AS begun
        WHERE NOT EXISTS (SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = begun.batch AND b.rows > 0)
    );
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.age_of(pgslo_catalog.definition, numeric) IS 'Return the number of batches that began after the one at this place.';

CREATE OR REPLACE FUNCTION pgslo_catalog.put_by(definition_id bigint, batch text) RETURNS jsonb
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH gone AS (
        DELETE FROM pgslo_catalog.profile p
        WHERE p.definition_id = put_by.definition_id AND p.batch = put_by.batch
        RETURNING p.*
    ), kept AS (
        -- The age of batches closed before ages were noted is not known.
        INSERT INTO pgslo_catalog.first_profile (
            definition_id, batch, place, column_name, age, content, rows, level, sampled, summary, noise, common, shapes, grid, surprise,
            tolerated, tolerated_below, usual, usual_shapes, usual_grid, learned_from, baseline)
        SELECT g.definition_id, g.batch, g.place, g.column_name, g.first_age, g.content, g.rows, g.level, g.sampled, g.summary, g.noise,
               g.common, g.shapes, g.grid, g.surprise, g.tolerated, g.tolerated_below, g.usual, g.usual_shapes, g.usual_grid,
               g.learned_from, g.baseline
        FROM gone g WHERE g.first_age IS NOT NULL
        ON CONFLICT ON CONSTRAINT first_profile_is_of_a_column_and_a_batch DO NOTHING
    )
    SELECT jsonb_object_agg(g.column_name, jsonb_build_object(
        'content', g.content, 'closing', coalesce(g.closing, 1), 'first_age', g.first_age, 'age', g.age))
    FROM gone g
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.put_by(bigint, text) IS
    'Remove the profiles of an earlier closing, keep the first ones, and return their age, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.note_ages(definition pgslo_catalog.definition, batch pgslo_catalog.batch, former jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (note_ages.definition).definition_id;
    mine text := (note_ages.batch).name;
    now_age integer := pgslo_catalog.age_of(note_ages.definition, (note_ages.batch).place);
BEGIN
    WITH told AS MATERIALIZED (
        SELECT q.column_name, note_ages.former -> q.column_name AS former,
               -- No sums in all their digits: those depend on the order of the rows.
               hash_record_extended(ROW(q.rows, q.present, q.sampled, q.common, q.shapes, q.grid, q.summary[3]::float4, q.summary[6]::float4,
                   q.summary[7]::float4, q.summary[11]::float4, q.summary[12]::float4, q.summary[14]::float4, q.summary[39]::float4), 0) AS content
        FROM pgslo_catalog.profile q WHERE q.definition_id = id AND q.batch = mine
    )
    UPDATE pgslo_catalog.profile p
    SET content = c.content,
        closing = CASE WHEN c.former IS NULL THEN 1 ELSE greatest((c.former ->> 'closing')::integer, 1) + 1 END,
        first_age = CASE WHEN c.former IS NULL THEN now_age ELSE (c.former ->> 'first_age')::integer END,
        age = CASE WHEN (c.former ->> 'content')::bigint = c.content THEN (c.former ->> 'age')::integer ELSE now_age END
    FROM told AS c
    WHERE p.definition_id = id AND p.batch = mine AND p.column_name = c.column_name;
    IF note_ages.former IS NOT NULL THEN
        DELETE FROM pgslo_catalog.first_profile f
        USING pgslo_catalog.profile p
        WHERE f.definition_id = id AND f.batch = mine
          AND p.definition_id = id AND p.batch = mine AND p.column_name = f.column_name AND p.content = f.content;
        DELETE FROM pgslo_catalog.first_profile f
        WHERE f.definition_id = id
          AND f.place < (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id ORDER BY b.place DESC OFFSET 64 LIMIT 1);
    END IF;
    IF NOT EXISTS (SELECT FROM pgslo_catalog.first_profile f WHERE f.definition_id = id) THEN
        RETURN;
    END IF;
    WITH young AS MATERIALIZED (
        SELECT m.column_name, h.seen,
               CASE
                   -- A column that was repaired now and then does not mature: half of its batches do, at least.
                   WHEN h.changed = 0 OR 2 * h.changed < h.seen THEN 0
                   WHEN m.closing = 1 AND now_age <= h.usual_age THEN 1
                   ELSE 2
               END AS stage
        FROM pgslo_catalog.profile m
        CROSS JOIN LATERAL (
            -- Of the last 28 batches, those that were seen when they were as young, and those that have changed since.
            SELECT u.usual_age, count(*) FILTER (WHERE r.first_age <= now_age)::integer AS seen,
                   count(f.batch) FILTER (
                       WHERE r.first_age <= now_age AND (r.age > now_age OR r.age = now_age AND now_age <= u.usual_age)) AS changed
            FROM (
                SELECT array_agg(q.batch) AS batches,
                       coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY q.first_age) FILTER (WHERE q.closing > 0), now_age) AS usual_age
                FROM (
                    SELECT w.batch, w.first_age, w.closing FROM pgslo_catalog.profile w
                    WHERE w.definition_id = id AND w.column_name = m.column_name AND w.place < m.place
                    ORDER BY w.place DESC LIMIT 28
                ) AS q
            ) AS u
            JOIN pgslo_catalog.profile r ON r.definition_id = id AND r.column_name = m.column_name AND r.batch = ANY (u.batches)
            LEFT JOIN pgslo_catalog.first_profile f ON f.definition_id = id AND f.column_name = r.column_name AND f.batch = r.batch
            GROUP BY u.usual_age
        ) AS h
        WHERE m.definition_id = id AND m.batch = mine
    )
    UPDATE pgslo_catalog.profile p
    SET stage = s.stage, seen = s.seen
    FROM young AS s
    WHERE p.definition_id = id AND p.batch = mine AND p.column_name = s.column_name AND s.stage > 0;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_ages(pgslo_catalog.definition, pgslo_catalog.batch, jsonb) IS
    'Note the age of a batch, and for each column whether batches of that age still change.';

CREATE OR REPLACE FUNCTION pgslo_catalog.as_first_seen(last pgslo_catalog.profile, stage integer, age integer) RETURNS pgslo_catalog.profile
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    seen pgslo_catalog.first_profile;
    result pgslo_catalog.profile := last;
BEGIN
    IF as_first_seen.stage = 1 THEN
        SELECT f.* INTO seen FROM pgslo_catalog.first_profile f
        WHERE f.definition_id = last.definition_id AND f.column_name = last.column_name AND f.batch = last.batch AND f.age <= as_first_seen.age;
        IF FOUND THEN
            result.rows := seen.rows;
            result.level := seen.level;
            result.sampled := seen.sampled;
            result.summary := seen.summary;
            result.noise := seen.noise;
            result.common := seen.common;
            result.shapes := seen.shapes;
            result.grid := seen.grid;
            result.surprise := seen.surprise;
            result.tolerated := seen.tolerated;
            result.tolerated_below := seen.tolerated_below;
            result.usual := seen.usual;
            result.usual_shapes := seen.usual_shapes;
            result.usual_grid := seen.usual_grid;
            result.learned_from := seen.learned_from;
            result.baseline := seen.baseline;
        END IF;
    END IF;
    RETURN result;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.as_first_seen(pgslo_catalog.profile, integer, integer) IS
    'Return a profile of the first closing, for a column that is compared with first closings (stage 1); else the current one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.take_lasting(definition_id bigint, place numeric, phase numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- As in profile_batch(): what 5 first closings in a row were, or 3 of this phase, is what first closings are compared with.
    UPDATE pgslo_catalog.first_profile f
    SET baseline = true
    FROM (
        SELECT q.column_name, array_agg(q.batch) AS batches
        FROM (
            SELECT true AS in_a_row, b.name
            FROM (
                SELECT b.name FROM pgslo_catalog.batch b
                WHERE b.definition_id = take_lasting.definition_id AND b.place < take_lasting.place ORDER BY b.place DESC LIMIT 5
            ) b
            UNION ALL
            SELECT false, b.name FROM pgslo_catalog.batch b
            WHERE b.definition_id = take_lasting.definition_id
              AND b.place IN (take_lasting.place - phase, take_lasting.place - 2 * phase, take_lasting.place - 3 * phase)
        ) l
        JOIN pgslo_catalog.profile q ON q.definition_id = take_lasting.definition_id AND q.batch = l.name
        LEFT JOIN pgslo_catalog.first_profile s ON s.definition_id = q.definition_id AND s.column_name = q.column_name AND s.batch = q.batch
        GROUP BY q.column_name, l.in_a_row
        HAVING count(*) = CASE WHEN l.in_a_row THEN 5 ELSE 3 END AND NOT bool_or(coalesce(s.baseline, q.baseline))
    ) a
    WHERE f.definition_id = take_lasting.definition_id AND f.column_name = a.column_name AND f.batch = ANY (a.batches) AND NOT f.baseline
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_lasting(bigint, numeric, numeric) IS
    'Take first closings that missed in a row into the baseline, as profiles of last closings are.';
