-- Incidents as verdicts open, end and reopen them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_verdict(
    rule pgslo_catalog.rule, batch text, place numeric, verdict text, is_tick boolean DEFAULT true,
    is_worse boolean DEFAULT true
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open pgslo_catalog.incident;
    first record;
    missed bigint;
    last_missed numeric;
    met bigint;
    last_place numeric;
BEGIN
    SELECT i.* INTO open
    FROM pgslo_catalog.incident i
    WHERE i.definition_id = (follow_verdict.rule).definition_id AND i.rule_id = (follow_verdict.rule).rule_id AND i.over_at IS NULL;

    IF follow_verdict.verdict = 'missed' AND open.is_suspect AND follow_verdict.place >= open.opened_place
        AND NOT pgslo_catalog.is_suspect(follow_verdict.rule, follow_verdict.batch)
    THEN
        -- Now people are notified. It stays so until it is resolved, whatever the next batches are like.
        UPDATE pgslo_catalog.incident i SET is_suspect = false
        WHERE i.incident_id IN (
            SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.incident_id = open.incident_id FOR NO KEY UPDATE SKIP LOCKED);
    END IF;
    -- One that was missed before, and was corrected or accepted since.
    IF follow_verdict.verdict = 'missed' AND (
        follow_verdict.place >= open.opened_place OR EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = (follow_verdict.rule).rule_id AND m.batch = follow_verdict.batch AND m.ended_as <> 'retired')
    ) THEN
        PERFORM pgslo_catalog.record_missed(follow_verdict.rule, follow_verdict.batch, follow_verdict.place, follow_verdict.is_worse);
    ELSIF follow_verdict.verdict = 'met' THEN
        UPDATE pgslo_catalog.missed_batch m SET ended_at = clock_timestamp(), ended_as = 'corrected'
        WHERE m.missed_id IN (
            SELECT u.missed_id FROM pgslo_catalog.missed_batch u
            WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.batch = follow_verdict.batch AND u.ended_at IS NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
    IF follow_verdict.verdict = 'missed' AND open.incident_id IS NULL THEN
        last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
        -- The newest run of missed batches; those that could not be judged neither add to it nor end it. An old batch that is
        -- judged again is history: rows that are cleared away must not wake anybody. Batches in the future are not newer than one that is not.
        SELECT count(*) AS run, (array_agg(w.batch ORDER BY w.place, w.verdict_id))[1] AS batch, min(w.place) AS place
        INTO first
        FROM (
            SELECT v.* FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.verdict <> 'unknown'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place DESC, v.verdict_id DESC
            LIMIT (follow_verdict.rule).missed_before_open
        ) w
        WHERE w.verdict = 'missed';
        IF first.run >= (follow_verdict.rule).missed_before_open THEN
            PERFORM pgslo_catalog.open_incident(follow_verdict.rule, first.batch, first.place, follow_verdict.is_tick);
            PERFORM pgslo_catalog.record_missed(follow_verdict.rule, v.batch, v.place, false)
            FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= first.place AND v.verdict = 'missed'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place, v.verdict_id;
            -- Not the one who runs tick(), but who wrote what opened it.
            UPDATE pgslo_catalog.incident i
            SET writer = b.writer, application = b.application, written_at = b.last_written_at
            FROM pgslo_catalog.batch b
            WHERE i.incident_id IN (
                SELECT u.incident_id FROM pgslo_catalog.incident u
                WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.over_at IS NULL
                FOR NO KEY UPDATE SKIP LOCKED)
              AND b.definition_id = i.definition_id AND b.name = i.opened_batch;
        END IF;
        RETURN;
    END IF;

    IF follow_verdict.verdict <> 'met' OR open.incident_id IS NULL OR follow_verdict.place < open.opened_place THEN
        RETURN;
    END IF;
    SELECT count(*), max(v.place) INTO missed, last_missed
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= open.opened_place AND v.verdict = 'missed';
    -- Every missed batch was corrected, if the last verdict of the first one is still known.
    IF missed = 0 AND EXISTS (
        SELECT FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.batch = open.opened_batch AND v.verdict = 'met'
    ) THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'healed', follow_verdict.batch, follow_verdict.place, NULL);
        RETURN;
    END IF;
    last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
    IF follow_verdict.place > last_place THEN
        RETURN;
    END IF;
    SELECT count(*) INTO met
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place > coalesce(last_missed, open.opened_place) AND v.place <= last_place AND v.verdict = 'met';
    IF met >= (follow_verdict.rule).met_before_resolve THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'met', follow_verdict.batch, follow_verdict.place, NULL);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_verdict(pgslo_catalog.rule, text, numeric, text, boolean, boolean) IS
    'Open or end the incident of a rule over batches after a batch was evaluated; the verdict is recorded already. is_worse: it is another than before.';

CREATE OR REPLACE FUNCTION pgslo_catalog.resolution_of(incident_id bigint) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT CASE
            WHEN bool_or(m.ended_as = 'accepted') THEN 'accepted'
            WHEN bool_or(m.ended_as = 'corrected') THEN 'healed'
            WHEN bool_or(m.ended_as = 'removed') THEN 'removed'
            WHEN bool_or(m.ended_as = 'false_alarm') THEN 'false_alarm'
            WHEN bool_or(m.ended_as = 'retired') THEN 'retired'
            ELSE 'met' END
        FROM pgslo_catalog.missed_batch m WHERE m.incident_id = resolution_of.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.resolution_of(bigint) IS 'Return the resolution of an incident whose batches are no longer missed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.end_incident(incident_id bigint, resolution text, batch text, place numeric, note text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    is_stored boolean;
    is_decided boolean := end_incident.resolution IN ('real', 'false_alarm', 'accepted');
BEGIN
    -- Never waits for a session that has it: that one may be idle in its transaction.
    SELECT u.* INTO known FROM pgslo_catalog.incident u
    WHERE u.incident_id = end_incident.incident_id AND u.resolved_at IS NULL
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    is_stored := EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = known.rule_id AND m.ended_at IS NULL
          -- Those that tick() has not joined to an incident yet are of the last one.
          AND (m.incident_id = known.incident_id OR m.incident_id IS NULL AND known.over_at IS NULL));
    -- It was so already.
    IF is_stored AND known.over_at IS NOT NULL AND (known.resolution IS NOT NULL OR end_incident.resolution <> 'real') THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = coalesce(known.over_at, clock_timestamp()),
        over_batch = CASE WHEN known.over_at IS NULL THEN end_incident.batch ELSE known.over_batch END,
        over_place = CASE WHEN known.over_at IS NULL THEN end_incident.place ELSE known.over_place END,
        resolved_at = CASE WHEN NOT is_stored THEN clock_timestamp() END,
        resolution = CASE
            -- The decision of a role is kept.
            WHEN known.resolution = 'real' AND NOT is_decided OR end_incident.resolution = 'real' THEN 'real'
            WHEN is_stored THEN NULL
            WHEN end_incident.resolution = 'met' THEN pgslo_catalog.resolution_of(known.incident_id)
            ELSE end_incident.resolution END,
        resolved_by = CASE WHEN is_decided THEN coalesce(nullif(current_setting('role'), 'none'), session_user) ELSE i.resolved_by END,
        note = coalesce(end_incident.note, i.note)
    WHERE i.incident_id = known.incident_id;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.end_incident(bigint, text, text, numeric, text) IS
    'End an incident that no other transaction has, and return whether it did: it is resolved, or over while missed batches of it are stored.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reopen_incident(
    rule pgslo_catalog.rule, batch text, place numeric, opened_by_tick boolean DEFAULT false
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    last pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO last FROM pgslo_catalog.incident i WHERE i.rule_id = (reopen_incident.rule).rule_id ORDER BY i.incident_id DESC LIMIT 1;
    IF last.resolution IS NULL OR last.resolution NOT IN ('real', 'false_alarm', 'accepted') THEN
        RETURN false;
    END IF;
    -- After a false alarm, more of the same is a false alarm.
    IF EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = last.rule_id AND m.batch = reopen_incident.batch AND m.ended_as = 'false_alarm'
    ) THEN
        RETURN true;
    ELSIF reopen_incident.place <= last.over_place THEN
        IF last.resolution = 'false_alarm' THEN
            RETURN false;  -- Another batch, which that was not about.
        END IF;
    ELSIF EXISTS (
        -- A batch in between was fine: this is another story.
        SELECT FROM pgslo_catalog.batch b
        WHERE b.definition_id = last.definition_id AND b.place > last.over_place AND b.place < reopen_incident.place
    ) THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = NULL, over_batch = NULL, over_place = NULL, resolved_at = NULL, resolution = NULL, resolved_by = NULL,
        acknowledged_at = NULL, acknowledged_by = NULL, opened_by_tick = reopen_incident.opened_by_tick,
        is_suspect = pgslo_catalog.is_suspect(reopen_incident.rule, reopen_incident.batch)
    WHERE i.incident_id = (SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.incident_id = last.incident_id FOR NO KEY UPDATE SKIP LOCKED);
    -- Another transaction is reopening it and may not commit, so a new one is opened nevertheless.
    RETURN FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reopen_incident(pgslo_catalog.rule, text, numeric, boolean) IS
    'Reopen an incident that a person resolved, when the next batch misses as well; true when no other one has to be opened.';

CREATE OR REPLACE FUNCTION pgslo_catalog.misses_rows(measure jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(measure ->> 'form' IN ('rows', 'batches') OR measure ->> 'form' = 'change' AND measure #>> '{of,form}' = 'rows', false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.misses_rows(jsonb) IS 'Whether a measure is about how many rows a batch has: one without rows may miss it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.stored_said(incident pgslo_catalog.incident) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT s.said FROM pgslo_catalog.stored s
        WHERE s.rule_id = (stored_said.incident).rule_id AND s.incident_id = (stored_said.incident).incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.stored_said(pgslo_catalog.incident) IS
    'Return how many missed batches of an incident are stored, in words, or NULL.';
