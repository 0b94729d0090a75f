-- The decisions of people about incidents.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.open_one(incident_id bigint) RETURNS pgslo_catalog.incident
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO found FROM pgslo_catalog.incident i WHERE i.incident_id = open_one.incident_id FOR NO KEY UPDATE;
    IF found.incident_id IS NULL OR found.resolved_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = CASE WHEN found.incident_id IS NULL THEN format('incident %s does not exist', open_one.incident_id)
                           ELSE format('incident %s is resolved already', open_one.incident_id) END,
            DETAIL = CASE WHEN found.incident_id IS NULL THEN 'No incident has that number.'
                          ELSE format('It was resolved (%s) at %s UTC%s.', found.resolution,
                                      to_char(found.resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(' by ' || found.resolved_by, '')) END,
            HINT = 'SELECT * FROM pgslo.incident WHERE resolved_at IS NULL;';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_one(bigint) IS 'Return an incident that is open or over, locked; raise an error if it is resolved, or does not exist.';

CREATE OR REPLACE FUNCTION pgslo.acknowledge(incident_id bigint, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(acknowledge.incident_id);
BEGIN
    UPDATE pgslo_catalog.incident i
    SET acknowledged_at = clock_timestamp(), acknowledged_by = coalesce(nullif(current_setting('role'), 'none'), session_user),
        note = coalesce(acknowledge.note, i.note)
    WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('incident %s acknowledged', known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.acknowledge(bigint, text) IS 'Acknowledge an incident: no further notification is sent. For operators.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_mute(until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF check_mute.until <= clock_timestamp() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is over', coalesce(to_char(nullif(check_mute.until, '-infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC'), '-infinity')),
            HINT = 'Give a time to come, for example now() + interval ''2 days'', or NULL to end a mute.';
    END IF;
    IF check_mute.until > clock_timestamp() + interval '1 year' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a mute ends within a year',
            HINT = 'Give an earlier time, for example now() + interval ''2 days''; a rule that you do not need can be removed from its definition.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_mute(timestamptz) IS 'Refuse a mute that would be over before it begins, or would last for more than a year.';

CREATE OR REPLACE FUNCTION pgslo.mute(incident_id bigint, until timestamptz, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(mute.incident_id);
BEGIN
    PERFORM pgslo_catalog.check_mute(mute.until);
    UPDATE pgslo_catalog.incident i SET muted_until = mute.until, note = coalesce(mute.note, i.note) WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format(CASE WHEN mute.until IS NULL THEN 'incident %s is heard again' ELSE 'incident %s muted' END, known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.mute(bigint, timestamptz, text) IS
    'Mute notifications of an incident until a time; NULL ends that. Readers are still warned. For operators.';

CREATE OR REPLACE FUNCTION pgslo.mute_rule(definition text, rule text, until timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_mute(mute_rule.until);
    UPDATE pgslo_catalog.rule r
    SET muted_until = mute_rule.until, muted_at = clock_timestamp(), muted_by = pgslo_catalog.caller()
    FROM pgslo_catalog.definition d
    WHERE d.definition_id = r.definition_id AND d.name = mute_rule.definition AND r.name = mute_rule.rule AND r.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no rule "%s"', mute_rule.definition, mute_rule.rule),
            HINT = format('SELECT rule FROM pgslo.rule WHERE definition = %L;', mute_rule.definition);
    END IF;
    RETURN format(CASE WHEN mute_rule.until IS NULL THEN 'rule %s of %s is heard again' ELSE 'rule %s of %s muted' END, mute_rule.rule, mute_rule.definition);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.mute_rule(text, text, timestamptz) IS
    'Mute notifications of a rule''s incidents until a time; NULL ends that. Readers are still warned. For operators.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_known(incident pgslo_catalog.incident, OUT batch text, OUT place numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (newest_known.incident).definition_id;
    last_place numeric := pgslo_catalog.last_place(id);
BEGIN
    -- A role has judged all up to it, and nothing that is still to come.
    SELECT w.batch, least(w.place, last_place) INTO newest_known.batch, newest_known.place
    FROM (
        SELECT b.name AS batch, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id
        UNION ALL SELECT f.batch, f.place FROM (SELECT f.batch, f.place FROM pgslo_catalog.fragment f
                                                WHERE f.definition_id = id AND f.place <= last_place ORDER BY f.place DESC LIMIT 1) f
        UNION ALL SELECT v.batch, v.place FROM pgslo_catalog.verdict v WHERE v.rule_id = (newest_known.incident).rule_id
        UNION ALL SELECT (newest_known.incident).opened_batch, (newest_known.incident).opened_place
    ) w
    ORDER BY w.place <= last_place DESC, w.place DESC
    LIMIT 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_known(pgslo_catalog.incident) IS 'Return the newest batch at the time when a role resolves an incident.';

CREATE OR REPLACE FUNCTION pgslo.resolve(incident_id bigint, resolution text, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    newest record;
BEGIN
    IF resolve.resolution IS NULL OR resolve.resolution NOT IN ('real', 'false_alarm') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('an incident is resolved as real or as false_alarm, not as %s', coalesce(resolve.resolution, 'NULL')),
            HINT = 'met and healed are for pgslo to say.';
    END IF;
    known := pgslo_catalog.open_one(resolve.incident_id);
    SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    IF resolve.resolution = 'false_alarm' THEN
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'false_alarm', ended_by = pgslo_catalog.caller(), reason = resolve.note
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL;
    END IF;
    PERFORM pgslo_catalog.end_incident(known.incident_id, resolve.resolution, newest.batch, newest.place, resolve.note);
    PERFORM pgslo_catalog.learn_from(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN (
        SELECT CASE
            WHEN i.resolved_at IS NULL THEN format('incident %s is real and over, %s', i.incident_id, pgslo_catalog.stored_said(i))
            ELSE format('incident %s resolved as %s', i.incident_id, CASE resolve.resolution WHEN 'real' THEN 'real' ELSE 'false alarm' END) END
        FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.resolve(bigint, text, text) IS
    'Resolve an incident, as real or as false_alarm; a real one is over while its missed batches are stored. It is '
    'reopened if the next batch misses as well. For operators.';

CREATE OR REPLACE FUNCTION pgslo.accept(incident_id bigint, reason text, batches text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    newest record;
    unknown text;
    accepted text[];
    noted bigint;
BEGIN
    IF coalesce(btrim(accept.reason), '') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'batches are accepted with a reason',
            DETAIL = 'Readers of these batches are not warned any more.',
            HINT = 'SELECT pgslo.accept(<incident>, ''<reason>'');';
    END IF;
    known := pgslo_catalog.open_one(accept.incident_id);
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    -- By name, or by key for a role that knows it.
    IF accept.batches IS NOT NULL THEN
        SELECT array_agg(pgslo_catalog.name_of(d, b.name)) INTO accept.batches
        FROM unnest(accept.batches) AS b (name) CROSS JOIN pgslo_catalog.definition d
        WHERE d.definition_id = known.definition_id AND b.name IS NOT NULL;
        accept.batches := coalesce(accept.batches, '{}');
    END IF;
    SELECT min(b.name) INTO unknown FROM unnest(accept.batches) AS b (name)
    WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND m.batch = b.name);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('batch "%s" is not a missed batch of incident %s', unknown, known.incident_id),
            HINT = format('SELECT missed FROM pgslo.incident WHERE incident_id = %s;', known.incident_id);
    END IF;
    -- Locked first: from here on no session sums their records without knowing of this transaction.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL FOR UPDATE;
    WITH ended AS (
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'accepted', ended_by = pgslo_catalog.caller(), reason = accept.reason,
            ended_xid = pg_current_xact_id(),
            -- What the steward could see. A transaction with one snapshot took that before the lock: what others wrote
            -- beside it is not seen.
            seen_snapshot = CASE current_setting('transaction_isolation')
                WHEN 'read committed' THEN pg_current_snapshot()
                ELSE format('%1$s:%1$s:', pg_snapshot_xmin(pg_current_snapshot()))::pg_snapshot END
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND (accept.batches IS NULL OR m.batch = ANY (accept.batches))
        RETURNING m.batch, m.place
    )
    SELECT array_agg(e.batch ORDER BY e.place, e.batch) INTO accepted FROM (SELECT DISTINCT w.batch, w.place FROM ended w) AS e;
    IF accepted IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('incident %s has no missed batches to accept', known.incident_id),
            DETAIL = 'Its rule is about the table as it is now, or no batch is named.',
            HINT = format('SELECT pgslo.resolve(%s, ''real'', ''<reason>'');', known.incident_id);
    END IF;
    INSERT INTO pgslo_catalog.incident_event AS e (incident_id, event, batch, note)
    VALUES (known.incident_id, 'accepted', left(array_to_string(accepted, ', '), 1000), accept.reason)
    RETURNING e.incident_event_id INTO noted;
    INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL) THEN
        SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
        PERFORM pgslo_catalog.end_incident(known.incident_id, 'accepted', newest.batch, newest.place, accept.reason);
    END IF;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('%s of incident %s accepted%s',
        CASE cardinality(accepted) WHEN 1 THEN '1 batch' ELSE cardinality(accepted) || ' batches' END, known.incident_id,
        coalesce('; ' || (SELECT pgslo_catalog.stored_said(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id), ''));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.accept(bigint, text, text[]) IS
    'Accept missed batches of an incident as they are, all or those named, with a reason: readers are not warned of them any more. For stewards.';
