-- Whether a batch misses a rule over rows, and the incidents of that.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_missed(rule pgslo_catalog.rule, rows bigint, failed bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        WHEN rule.at_most IS NOT NULL THEN failed > rule.at_most
        WHEN rule.at_least IS NOT NULL THEN rows > 0 AND (rows - failed)::numeric / rows < rule.at_least
        ELSE failed > 0
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_missed(pgslo_catalog.rule, bigint, bigint) IS
    'Return whether a batch with these numbers of rows and of failing rows misses the rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batch_is_missed(rule pgslo_catalog.rule, batch text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT pgslo_catalog.is_missed(batch_is_missed.rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint)
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = rule.definition_id AND f.batch = batch_is_missed.batch);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batch_is_missed(pgslo_catalog.rule, text) IS 'Whether a batch as written so far misses the rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unknown_is_missed(rule pgslo_catalog.rule) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce((
        SELECT pgslo_catalog.is_missed(unknown_is_missed.rule, sum(f.rows)::bigint,
                                       coalesce(sum((f.failures ->> (unknown_is_missed.rule).name)::bigint), 0)::bigint)
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (unknown_is_missed.rule).definition_id AND f.batch = 'unknown'
          -- A person has resolved what that session could see.
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.incident i JOIN pgslo_catalog.incident_event e USING (incident_id)
              WHERE i.definition_id = (unknown_is_missed.rule).definition_id AND i.rule_id = (unknown_is_missed.rule).rule_id
                AND (e.event IN ('over', 'confirmed', 'resolved') AND e.resolution IN ('real', 'false_alarm') OR e.event = 'accepted')
                AND pg_visible_in_snapshot(f.xid, e.seen_snapshot))), false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unknown_is_missed(pgslo_catalog.rule) IS
    'Return whether rows of an unknown batch violate a rule, so that no later batch proves their removal.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_open_incident(rule pgslo_catalog.rule) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.definition_id = (has_open_incident.rule).definition_id AND i.rule_id = (has_open_incident.rule).rule_id
          AND i.over_at IS NULL);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_open_incident(pgslo_catalog.rule) IS 'Whether a rule has an open incident, as this transaction sees it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_known_missed(rule pgslo_catalog.rule, batch text, place numeric) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.definition_id = (is_known_missed.rule).definition_id AND i.rule_id = (is_known_missed.rule).rule_id
          AND i.resolved_at IS NULL AND i.over_place > is_known_missed.place
    ) AND EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = (is_known_missed.rule).rule_id AND m.batch = is_known_missed.batch AND m.ended_at IS NULL);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_known_missed(pgslo_catalog.rule, text, numeric) IS
    'Whether a batch is a missed batch of an incident that is over: more of its rows open no other incident.';

CREATE OR REPLACE FUNCTION pgslo_catalog.missed_from() RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 2;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.missed_from() IS
    'Return the multiple of a learned bound from which people are notified; from the bound on, a batch is suspect.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_suspect(rule pgslo_catalog.rule, batch text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Batches of rules with a bound of their own are missed or not.
    IF (is_suspect.rule).kind NOT IN ('learned', 'by_segment') THEN
        RETURN false;
    END IF;
    RETURN coalesce((
        SELECT v.score < pgslo_catalog.missed_from() FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (is_suspect.rule).rule_id AND v.batch = is_suspect.batch AND v.verdict = 'missed'), false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_suspect(pgslo_catalog.rule, text) IS
    'Whether a batch misses a learned bound by less than what people are notified of; its verdict is recorded already.';

CREATE OR REPLACE FUNCTION pgslo_catalog.open_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_locked boolean;
BEGIN
    -- Looked up first because an insert that conflicts uses a number up all the same.
    IF pgslo_catalog.has_open_incident(open_incident.rule)
        OR pgslo_catalog.is_known_missed(open_incident.rule, open_incident.batch, open_incident.place) THEN
        RETURN true;
    END IF;
    -- Never waits: a writer that does not get the row leaves the incident to the one that has it, and to tick().
    -- tick() does not depend on that transaction, which may never commit.
    PERFORM FROM pgslo_catalog.rule_lock l WHERE l.rule_id = (open_incident.rule).rule_id FOR UPDATE SKIP LOCKED;
    is_locked := FOUND;
    IF NOT is_locked AND NOT open_incident.is_tick THEN
        RETURN false;
    END IF;
    -- Committed before the row was free.
    IF pgslo_catalog.has_open_incident(open_incident.rule) THEN
        RETURN true;
    END IF;
    IF pgslo_catalog.reopen_incident(open_incident.rule, open_incident.batch, open_incident.place, NOT is_locked) THEN
        RETURN true;
    END IF;
    INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, opened_by_tick, is_suspect)
    VALUES ((open_incident.rule).definition_id, (open_incident.rule).rule_id, open_incident.batch, open_incident.place, NOT is_locked,
            pgslo_catalog.is_suspect(open_incident.rule, open_incident.batch))
    ON CONFLICT (definition_id, rule_id, opened_by_tick) WHERE over_at IS NULL DO NOTHING;
    RETURN true;
EXCEPTION WHEN serialization_failure THEN
    RETURN true;  -- Another transaction opened it after this one's snapshot was taken.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_incident(pgslo_catalog.rule, text, numeric, boolean) IS
    'Open an incident unless the rule has an open one, and return whether it has one now; never waits and never fails '
    'the write. tick() opens it also beside a transaction that opened one and has not ended.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_missed(rule pgslo_catalog.rule, batch text, place numeric, is_worse boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- No lock and no unique key: writers do not wait for each other. After a false alarm, more of the same is a false alarm.
    INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, definition, about, batch, place)
    SELECT d.definition_id, (record_missed.rule).rule_id, d.name,
           CASE WHEN (record_missed.rule).columns = '{}' THEN ARRAY['*'] ELSE (record_missed.rule).columns END,
           record_missed.batch, record_missed.place
    FROM pgslo_catalog.definition d
    WHERE d.definition_id = (record_missed.rule).definition_id
      -- The others are about the table as it is now.
      AND (record_missed.rule).scope IN ('row', 'batch') AND NOT coalesce((record_missed.rule).measure ? 'by_clock', false)
      AND NOT EXISTS (
          SELECT FROM pgslo_catalog.missed_batch m
          WHERE m.rule_id = (record_missed.rule).rule_id AND m.batch = record_missed.batch
            AND (m.ended_at IS NULL OR m.ended_as = 'false_alarm' OR m.ended_as = 'accepted' AND NOT record_missed.is_worse));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_missed(pgslo_catalog.rule, text, numeric, boolean) IS
    'Record that a batch misses a rule, unless that is recorded; one that was accepted only if it is worse. Never waits and never fails the write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.last_missed(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT coalesce(max(batch.place), incident.opened_place)
        FROM (
            SELECT min(f.place) AS place
            FROM pgslo_catalog.fragment f
            WHERE f.definition_id = incident.definition_id AND f.place >= incident.opened_place
            GROUP BY f.batch
            HAVING pgslo_catalog.is_missed(rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint)
            UNION ALL
            -- Whatever sums say, until tick() has asked the table.
            SELECT max(m.place) FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = rule.rule_id AND m.ended_at IS NULL AND m.place >= incident.opened_place
        ) batch);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.last_missed(pgslo_catalog.incident, pgslo_catalog.rule) IS
    'Return the position of the newest batch that misses the rule since the incident opened.';

CREATE OR REPLACE FUNCTION pgslo_catalog.resolve_incident(rule pgslo_catalog.rule, batch text, place numeric, is_tick boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO open
    FROM pgslo_catalog.incident i
    WHERE i.definition_id = (resolve_incident.rule).definition_id
      AND i.rule_id = (resolve_incident.rule).rule_id
      AND i.over_at IS NULL;
    -- Reads this batch and later ones alone: the cost must not grow with the age of an incident.
    -- A batch in the future is not the order of later rows.
    IF NOT FOUND OR open.opened_place >= resolve_incident.place OR EXISTS (
        SELECT FROM pgslo_catalog.fragment f
        WHERE f.definition_id = open.definition_id AND f.place >= resolve_incident.place
        GROUP BY f.batch
        HAVING pgslo_catalog.is_missed(resolve_incident.rule, sum(f.rows)::bigint,
                                       coalesce(sum((f.failures ->> resolve_incident.rule.name)::bigint), 0)::bigint)
    ) OR EXISTS (
        -- Whatever sums say, until tick() has asked the table.
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = open.rule_id AND m.ended_at IS NULL AND m.place >= resolve_incident.place
          AND m.batch <> resolve_incident.batch
    ) OR resolve_incident.place > pgslo_catalog.last_place(open.definition_id)
        OR pgslo_catalog.unknown_is_missed(resolve_incident.rule)
    THEN
        RETURN false;
    END IF;
    PERFORM FROM pgslo_catalog.rule_lock l WHERE l.rule_id = open.rule_id FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND NOT resolve_incident.is_tick THEN
        RETURN false;
    END IF;
    RETURN pgslo_catalog.end_incident(open.incident_id, 'met', resolve_incident.batch, resolve_incident.place, NULL);
EXCEPTION WHEN serialization_failure THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.resolve_incident(pgslo_catalog.rule, text, numeric, boolean) IS
    'End the rule''s open incident if this batch is newer than every batch that missed it and not in the future, and '
    'return whether it did; never waits and never fails the write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.known_place(definition_id bigint, batch text) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT min(k.place)
        -- OFFSET 0: by the batch. The least by the index on places may be the last of all fragments.
        FROM (
            SELECT f.place FROM pgslo_catalog.fragment f
            WHERE f.definition_id = known_place.definition_id AND f.batch = known_place.batch OFFSET 0) AS k);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.known_place(bigint, text) IS 'Return the order of a recorded batch; NULL for a new one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.arrival(definition_id bigint, batch text) RETURNS numeric
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(
        pgslo_catalog.known_place(arrival.definition_id, arrival.batch), extract(epoch FROM clock_timestamp())::numeric);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.arrival(bigint, text) IS 'Return the order of a batch whose key has none: the time when its first rows arrived.';
