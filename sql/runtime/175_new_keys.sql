-- Definitions whose batches get another key: their rows are in other batches from then on.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.change_key(definition_id bigint, was_number boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = change_key.definition_id;
    PERFORM pgslo_catalog.join_missed(target.definition_id);
    -- A batch of the new key may have the same name.
    UPDATE pgslo_catalog.missed_batch m
    SET is_of_former_key = true, concern = DEFAULT, batch = concat(left(m.batch, 160), ' (former key)'), looked_at = NULL, planned_at = NULL,
        place = CASE WHEN change_key.was_number THEN '-Infinity' ELSE m.place END
    WHERE m.definition_id = target.definition_id AND NOT m.is_of_former_key;
    -- Pairs are counted again.
    DELETE FROM pgslo_catalog.pair_batch b WHERE b.definition_id = target.definition_id;
    UPDATE pgslo_catalog.definition d SET is_rekeyed = true WHERE d.definition_id = target.definition_id AND d.recount IS NOT NULL;
    IF target.recount IS NOT NULL AND target.judge IS NOT NULL THEN
        -- Readers are warned until tick() has evaluated the rows again.
        PERFORM pgslo_catalog.mark_unjudged(target.name,
            ARRAY(
                SELECT r.name FROM pgslo_catalog.rule r
                WHERE r.definition_id = target.definition_id AND r.scope = 'row' AND r.on_breach IN ('warn', 'flag')
                  AND r.mechanism LIKE '% trigger' AND r.retired_at IS NULL),
            ARRAY['unknown'], ARRAY['-Infinity'::numeric], '55000', 'batches have another key');
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.change_key(bigint, boolean) IS
    'Keep misses under a former key of the batches for readers, and have tick() evaluate all rows in batches of '
    'the new one. was_number: places of the former one are not times.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_key(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := follow_key.definition;
    id bigint := target.definition_id;
    -- Counting is not a write: the data are as old as they were.
    written_at timestamptz := greatest(
        (SELECT max(f.written_at) FROM pgslo_catalog.fragment f WHERE f.definition_id = id),
        (SELECT max(b.last_written_at) FROM pgslo_catalog.batch b WHERE b.definition_id = id));
BEGIN
    BEGIN
        DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id;
        DELETE FROM pgslo_catalog.due_count c WHERE c.definition_id = id;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.definition_id = id AND b.batch <> 'unknown' AND b.pause_id IS NULL;
        -- Records about batches of the former key are obsolete.
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
        PERFORM pgslo_catalog.recount_batches(target, NULL, true);
        UPDATE pgslo_catalog.fragment f SET written_at = k.value
        FROM (SELECT written_at AS value) AS k
        WHERE f.definition_id = id AND f.operation = 'recounted' AND f.written_at > k.value;
        DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.rows = 0;
        UPDATE pgslo_catalog.batch b SET first_written_at = k.value, last_written_at = k.value
        FROM (SELECT written_at AS value) AS k
        WHERE b.definition_id = id AND b.last_written_at > k.value;
        -- Rules about batches: the newest batch may go on, and is evaluated when it is closed.
        INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
        SELECT id, r.rule_id, '55000', s.said, s.said, b.name, b.place
        FROM pgslo_catalog.rule r
        JOIN pgslo_catalog.batch b ON b.definition_id = id AND b.rows > 0
            AND b.place < (SELECT max(o.place) FROM pgslo_catalog.batch o WHERE o.definition_id = id)
        CROSS JOIN (SELECT 'batches have another key' AS said) AS s
        WHERE r.definition_id = id AND r.scope = 'batch' AND r.kind NOT IN ('learned', 'ml_metric') AND r.retired_at IS NULL
          AND EXISTS (
              SELECT FROM pgslo_catalog.missed_batch m WHERE m.rule_id = r.rule_id AND m.is_of_former_key AND m.ended_at IS NULL);
        UPDATE pgslo_catalog.definition d SET is_rekeyed = false WHERE d.definition_id = id;
    EXCEPTION WHEN OTHERS THEN
        IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
            RAISE;
        END IF;
        -- All stay as they are, and readers are warned.
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_key(pgslo_catalog.definition) IS
    'Count all rows of a definition in the batches of its new key, and have its rules evaluate them.';
