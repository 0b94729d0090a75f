-- Giving up a row that was kept out.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.discard(quarantine_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    UPDATE pgslo_catalog.quarantine q
    SET state = 'dropped', decided_at = clock_timestamp(), decided_by = pgslo_catalog.caller(), image = NULL, image_text = '',
        reasons = (SELECT jsonb_agg(reason - 'shown') FROM jsonb_array_elements(q.reasons) AS reason)
    WHERE q.quarantine_id = discard.quarantine_id AND q.state = 'held';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('row %s is not held in quarantine', discard.quarantine_id),
            HINT = 'SELECT * FROM pgslo.quarantine;';
    END IF;
    RETURN format('row %s discarded', discard.quarantine_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.discard(bigint) IS 'Discard a quarantined row: its values are erased; its key, the violated rules and the writer are kept.';
