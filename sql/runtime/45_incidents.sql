-- The life of an incident.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_verdict(rule pgslo_catalog.rule, batch text, place numeric, verdict text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open pgslo_catalog.incident;
    is_opening boolean;
    is_resolving boolean;
BEGIN
    SELECT i.* INTO open FROM pgslo_catalog.incident i
    WHERE i.definition_id = (follow_verdict.rule).definition_id AND i.rule_id = (follow_verdict.rule).rule_id AND i.resolved_at IS NULL;
    IF follow_verdict.verdict = 'missed' AND open IS NULL THEN
        -- Only what is newest opens one: an old batch that is judged again is history.
        SELECT count(*) >= (follow_verdict.rule).missed_before_open AND bool_and(v.verdict = 'missed') INTO is_opening
        FROM (
            SELECT w.verdict FROM pgslo_catalog.verdict w
            WHERE w.rule_id = (follow_verdict.rule).rule_id AND w.verdict <> 'unknown'
            ORDER BY w.place DESC, w.verdict_id DESC LIMIT (follow_verdict.rule).missed_before_open
        ) v;
        IF is_opening THEN
            INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, writer, application, written_at)
            SELECT b.definition_id, (follow_verdict.rule).rule_id, b.name, b.place, b.writer, b.application, b.last_written_at
            FROM pgslo_catalog.batch b
            WHERE b.definition_id = (follow_verdict.rule).definition_id AND b.name = follow_verdict.batch
            ON CONFLICT (definition_id, rule_id) WHERE resolved_at IS NULL DO NOTHING;
        END IF;
    ELSIF follow_verdict.verdict = 'met' AND open IS NOT NULL THEN
        -- No batch since the one that opened it misses the rule any more, or enough newer ones meet it.
        SELECT NOT bool_or(v.verdict = 'missed') INTO is_resolving
        FROM (
            SELECT w.verdict FROM pgslo_catalog.verdict w
            WHERE w.rule_id = open.rule_id AND w.place >= open.opened_place AND w.verdict <> 'unknown'
            ORDER BY w.place DESC LIMIT CASE WHEN follow_verdict.place > open.opened_place THEN (follow_verdict.rule).met_before_resolve END
        ) v;
        IF is_resolving THEN
            UPDATE pgslo_catalog.incident i
            SET resolved_at = clock_timestamp(), resolved_batch = follow_verdict.batch, resolved_place = follow_verdict.place,
                resolution = CASE WHEN follow_verdict.place > open.opened_place THEN 'met' ELSE 'healed' END
            WHERE i.incident_id = open.incident_id;
        END IF;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_verdict(pgslo_catalog.rule, text, numeric, text) IS 'Opens or resolves the incident of a rule over batches after a verdict.';
