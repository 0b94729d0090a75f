-- What write triggers call. None of these is executable by PUBLIC: nobody can forge a record.
-- Written in PL/pgSQL because it keeps its plans: PostgreSQL plans a function in SQL that has settings at every call.
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
COMMENT ON FUNCTION pgslo_catalog.is_missed(pgslo_catalog.rule, bigint, bigint) IS 'Whether a batch of so many rows, so many of them failing, misses the rule.';

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
    'Return whether rows of an unknown batch violate a rule, so that no later batch shows that they are gone.';

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
    INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, opened_by_tick)
    VALUES ((open_incident.rule).definition_id, (open_incident.rule).rule_id, open_incident.batch, open_incident.place, NOT is_locked)
    ON CONFLICT (definition_id, rule_id, opened_by_tick) WHERE over_at IS NULL DO NOTHING;
    RETURN true;
EXCEPTION WHEN serialization_failure THEN
    RETURN true;  -- Another transaction opened it after this one's snapshot was taken.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_incident(pgslo_catalog.rule, text, numeric, boolean) IS
    'Open an incident unless the rule has an open one, and return whether it has one now; never waits and never fails the write. tick() opens it also beside a transaction that opened one and has not ended.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_missed(rule pgslo_catalog.rule, batch text, place numeric, is_worse boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Nothing is locked and nothing is unique: no writer waits for another one. Of a false alarm, more of the same is none.
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
COMMENT ON FUNCTION pgslo_catalog.last_missed(pgslo_catalog.incident, pgslo_catalog.rule) IS 'Position of the newest batch that misses the rule since the incident opened.';

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
    -- Looks at this batch and later ones alone: what it costs must not grow with the time an incident is open.
    -- A batch in the future is not what later rows come to.
    IF NOT FOUND OR open.opened_place >= resolve_incident.place OR EXISTS (
        SELECT FROM pgslo_catalog.fragment f
        WHERE f.definition_id = open.definition_id AND f.place >= resolve_incident.place
        GROUP BY f.batch
        HAVING pgslo_catalog.is_missed(resolve_incident.rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> resolve_incident.rule.name)::bigint), 0)::bigint)
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
    'End the rule''s open incident if this batch is newer than every batch that missed it and not in the future, and return whether it did; never waits and never fails the write.';

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
COMMENT ON FUNCTION pgslo_catalog.known_place(bigint, text) IS 'Return where a batch of which something is recorded stands; NULL for a new one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.arrival(definition_id bigint, batch text) RETURNS numeric
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(
        pgslo_catalog.known_place(arrival.definition_id, arrival.batch), extract(epoch FROM clock_timestamp())::numeric);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.arrival(bigint, text) IS 'Where a batch stands whose key does not say so: when its first rows arrived.';

CREATE OR REPLACE FUNCTION pgslo_catalog.failing_of(ordinal integer, rules integer, failed bigint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(CASE WHEN n.ordinal = failing_of.ordinal THEN failing_of.failed ELSE 0 END ORDER BY n.ordinal)
    FROM generate_series(1, failing_of.rules) AS n (ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failing_of(integer, integer, bigint) IS 'Failing rows of one rule among several.';

CREATE OR REPLACE FUNCTION pgslo_catalog.failed(batches pgslo_catalog.measured[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF cardinality(failed.batches) = 1 THEN
        RETURN failed.batches[1].failed;
    END IF;
    RETURN (
        SELECT array_agg(n.failed ORDER BY n.ordinal)
        FROM (
            SELECT f.ordinal, sum(f.failed)::bigint AS failed
            FROM unnest(failed.batches) WITH ORDINALITY AS b
            CROSS JOIN LATERAL unnest(b.failed) WITH ORDINALITY AS f (failed, ordinal)
            -- One batch has each rule; of the others those with failing rows count, which are few.
            WHERE b.ordinality = 1 OR 0 < ANY (b.failed)
            GROUP BY f.ordinal
        ) AS n);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failed(pgslo_catalog.measured[]) IS 'Failing rows by rule, over all batches of a statement.';

CREATE OR REPLACE FUNCTION pgslo_catalog.merged(batches pgslo_catalog.measured[], rules integer) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH part AS (
        SELECT b.* FROM unnest(merged.batches) AS b
    ), failed AS (
        SELECT n.batch, array_agg(n.failed ORDER BY n.ordinal) AS failed
        FROM (
            SELECT p.batch, f.ordinal, sum(f.failed)::bigint AS failed
            FROM part p, unnest(p.failed || pgslo_catalog.failing_of(0, merged.rules, 0)) WITH ORDINALITY AS f (failed, ordinal)
            WHERE f.ordinal <= merged.rules
            GROUP BY p.batch, f.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, p.tallies, coalesce(f.failed, '{}'), NULL)::pgslo_catalog.measured)
    FROM (
        -- An empty array is the least of all: of what was counted of a batch, one entry says what it comes to.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.tallies) AS tallies
        FROM part GROUP BY part.batch
    ) p
    LEFT JOIN failed f ON f.batch = p.batch
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.merged(pgslo_catalog.measured[], integer) IS 'What was counted rule by rule, as one entry for each batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tally_slots(tallies text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT tally_slots.tallies || array_agg('raising ' || t.name ORDER BY t.ordinal)
    FROM unnest(tally_slots.tallies) WITH ORDINALITY AS t (name, ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tally_slots(text[]) IS
    'Return names of sums, followed by names of the number of rows for which each of them raises an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.summed(batches pgslo_catalog.measured[], slots integer) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH part AS (
        SELECT b.* FROM unnest(summed.batches) AS b
    ), total AS (
        SELECT n.batch, array_agg(n.total ORDER BY n.ordinal) AS tallies
        FROM (
            SELECT p.batch, t.ordinal, sum(t.value) AS total
            FROM part p
            CROSS JOIN LATERAL unnest(p.tallies || array_fill(NULL::numeric, ARRAY[summed.slots])) WITH ORDINALITY AS t (value, ordinal)
            WHERE t.ordinal <= summed.slots
            GROUP BY p.batch, t.ordinal
        ) n
        GROUP BY n.batch
    )
    SELECT array_agg(ROW(p.batch, p.place, p.rows, p.present, t.tallies, p.failed, s.sample)::pgslo_catalog.measured)
    FROM (
        -- An empty array is the least of all: one entry of a batch says what was counted in it.
        SELECT part.batch, min(part.place) AS place, sum(part.rows)::bigint AS rows, max(part.present) AS present, max(part.failed) AS failed
        FROM part GROUP BY part.batch
    ) p
    JOIN total t ON t.batch = p.batch
    LEFT JOIN LATERAL (SELECT part.sample FROM part WHERE part.batch = p.batch AND part.sample IS NOT NULL LIMIT 1) s ON true
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.summed(pgslo_catalog.measured[], integer) IS
    'Return what was counted row by row as one entry for each batch, with so many sums.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unsampled(batches pgslo_catalog.measured[]) RETURNS pgslo_catalog.measured[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(ROW(b.batch, b.place, b.rows, b.present, b.tallies || b.rows::numeric, b.failed, NULL)::pgslo_catalog.measured ORDER BY b.ordinal)
    FROM unnest(unsampled.batches) WITH ORDINALITY AS b (batch, place, rows, present, tallies, failed, sample, ordinal)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unsampled(pgslo_catalog.measured[]) IS 'Return batches with one more tally: their rows, none of which were sampled.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_at_once() RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 10000;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_at_once() IS 'The number of batches that one statement may write to and have each of them recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.bounded(definition text, batches pgslo_catalog.measured[]) RETURNS pgslo_catalog.measured[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    most integer := pgslo_catalog.batches_at_once();
    surplus pgslo_catalog.measured[];
    message text := format('a statement wrote to %s batches, and %s at most are recorded each by itself',
        cardinality(bounded.batches), most);
BEGIN
    -- The newest are recorded; of the others, how many rows failed. Those without an order arrived together: any of them.
    IF bounded.batches[1].place IS NOT NULL THEN
        bounded.batches := ARRAY(SELECT b FROM unnest(bounded.batches) AS b ORDER BY b.place DESC NULLS LAST, b.batch);
    END IF;
    surplus := bounded.batches[most + 1:];
    PERFORM pgslo_catalog.record_break(bounded.definition, NULL, '54000', message);
    PERFORM pgslo_catalog.warn_unjudged(bounded.definition, '{}', '54000', false);
    RETURN bounded.batches[:most]
        || ROW('unknown', '-Infinity', (SELECT sum(b.rows) FROM unnest(surplus) AS b), '{}', '{}',
               pgslo_catalog.failed(surplus), NULL)::pgslo_catalog.measured;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.bounded(text, pgslo_catalog.measured[]) IS
    'The newest batches of a statement that wrote to too many, and the others as one that is unknown; noted, and the writer is warned.';

CREATE OR REPLACE FUNCTION pgslo_catalog.append_fragments(
    definition_id bigint, operation text, sign integer, columns text[], tallies text[], rules text[],
    batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    way integer := CASE WHEN append_fragments.sign < 0 THEN -1 ELSE 1 END;
    level smallint := pgslo_catalog.level_of(append_fragments.mask);
    now numeric := extract(epoch FROM clock_timestamp());
    -- Of many batches without an order by one scan, because look-ups that are planned by old statistics may each be a scan.
    are_many boolean := append_fragments.batches[1].place IS NULL AND cardinality(append_fragments.batches) > 100;
    places jsonb := CASE WHEN are_many THEN (
        SELECT coalesce(jsonb_object_agg(k.batch, k.place), '{}')
        FROM (
            SELECT f.batch, min(f.place) AS place FROM pgslo_catalog.fragment f
            WHERE f.definition_id = append_fragments.definition_id GROUP BY f.batch) AS k) END;
BEGIN
    INSERT INTO pgslo_catalog.fragment
        (definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample)
    SELECT append_fragments.definition_id, b.batch,
           coalesce(b.place,
               CASE WHEN are_many THEN (places ->> b.batch)::numeric
                    ELSE pgslo_catalog.known_place(append_fragments.definition_id, b.batch) END,
               now + b.ordinality * 0.000001),
           append_fragments.sign * b.rows,
           CASE WHEN 0 < ANY (b.failed) THEN pgslo_catalog.signed(append_fragments.rules, b.failed, way) END,
           append_fragments.operation,
           pgslo_catalog.signed(append_fragments.columns, b.present, way),
           pgslo_catalog.signed(append_fragments.tallies, b.tallies, way),
           level, nullif(append_fragments.columns, '{}'), coalesce(s.sample, b.sample)
    FROM unnest(append_fragments.batches) WITH ORDINALITY AS b
    LEFT JOIN unnest(append_fragments.samples) AS s ON s.batch = b.batch;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.append_fragments(bigint, text, integer, text[], text[], text[], pgslo_catalog.measured[], pgslo_catalog.measured[], bigint) IS
    'Append what a statement added to its batches (sign 1; 0 when its rows are counted elsewhere) or removed (-1).';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_statement(
    definition text, operation text, rules text[], columns text[], tallies text[],
    batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint
) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_statement.definition);
    written record;
    batch pgslo_catalog.measured;
    unwritten pgslo_catalog.measured[] := '{}';
    -- Earlier batches cannot resolve an open incident.
    open_from numeric := (
        SELECT min(i.opened_place) FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.over_at IS NULL);
    judged record;
    has_failures boolean;
    is_missed boolean;
    missed text[] := '{}';
    -- Each incident that opens and resolves in one statement makes the next one dearer.
    resolved integer := 0;
    most constant integer := 100;
BEGIN
    IF cardinality(record_statement.batches) > 2000 THEN
        RAISE WARNING USING
            ERRCODE = '01000',
            MESSAGE = format('statement writes to %s batches of %s', cardinality(record_statement.batches), record_statement.definition),
            DETAIL = 'Each batch is added up and evaluated separately.',
            HINT = 'The batch key is nearly a row key if that is usual: have the owner name a coarser one in the definition, such as a date.',
            SCHEMA = split_part(record_statement.definition, '.', 1),
            TABLE = substr(record_statement.definition, strpos(record_statement.definition, '.') + 1);
    END IF;
    IF cardinality(record_statement.batches) > pgslo_catalog.batches_at_once() THEN
        record_statement.batches := pgslo_catalog.bounded(record_statement.definition, record_statement.batches);
        record_statement.samples := NULL;
        record_statement.mask := 0;
    END IF;
    -- Nearly every statement: no row fails, and nothing is open that a batch could resolve.
    IF open_from IS NULL AND NOT EXISTS (SELECT FROM unnest(record_statement.batches) AS b WHERE 0 < ANY (b.failed)) THEN
        PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
            record_statement.tallies, record_statement.rules, record_statement.batches, record_statement.samples,
            record_statement.mask);
        RETURN '{}';
    END IF;
    -- Batch by batch: one that is later in the same statement is later for its incidents as well.
    FOR written IN
        SELECT ROW(w.batch, w.place, w.rows, w.present, w.tallies, w.failed, w.sample)::pgslo_catalog.measured AS batch,
               lead(w.batch) OVER (ORDER BY w.place) IS NULL AS is_last
        FROM (
            SELECT b.batch, coalesce(b.place, pgslo_catalog.arrival(id, b.batch)) AS place, b.rows, b.present, b.tallies, b.failed, s.sample
            FROM unnest(record_statement.batches) AS b LEFT JOIN unnest(record_statement.samples) AS s ON s.batch = b.batch
        ) w
        ORDER BY w.place
    LOOP
        batch := written.batch;
        unwritten := unwritten || batch;
        -- Those that neither open nor resolve an incident are appended together.
        has_failures := 0 < ANY (batch.failed);
        CONTINUE WHEN NOT has_failures AND (open_from IS NULL OR batch.place <= open_from);
        PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
            record_statement.tallies, record_statement.rules, unwritten, NULL, record_statement.mask);
        unwritten := '{}';

        FOR judged IN
            SELECT r AS rule, r.name, n.failed, r.at_least IS NULL AND r.at_most IS NULL AS is_plain, i.opened_place
            FROM unnest(record_statement.rules, batch.failed) AS n (name, failed)
            JOIN pgslo_catalog.rule r ON r.definition_id = id AND r.name = n.name
            LEFT JOIN pgslo_catalog.incident i ON i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL
            WHERE n.failed > 0 OR i.opened_place < batch.place
            ORDER BY r.rule_id
        LOOP
            -- Rows of a plain rule that fail miss it at once; only for others, and to resolve, are sums looked up.
            is_missed := judged.failed > 0 AND (judged.is_plain OR pgslo_catalog.batch_is_missed(judged.rule, batch.batch));
            IF is_missed THEN
                missed := missed || judged.name;
                IF judged.opened_place IS NULL THEN
                    PERFORM pgslo_catalog.open_incident(judged.rule, batch.batch, batch.place);
                END IF;
                PERFORM pgslo_catalog.record_missed(judged.rule, batch.batch, batch.place);
            ELSIF judged.opened_place < batch.place
                -- Beyond a number, incidents of the statement stay open until its last batch.
                AND (resolved < most OR written.is_last)
                AND (judged.failed > 0 OR NOT pgslo_catalog.batch_is_missed(judged.rule, batch.batch)) THEN
                resolved := resolved + 1;
                PERFORM pgslo_catalog.resolve_incident(judged.rule, batch.batch, batch.place);
            END IF;
        END LOOP;
        open_from := (
            SELECT min(i.opened_place) FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.over_at IS NULL);
    END LOOP;
    PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
        record_statement.tallies, record_statement.rules, unwritten, NULL, record_statement.mask)
    WHERE cardinality(unwritten) > 0;
    RETURN missed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_statement(text, text, text[], text[], text[], pgslo_catalog.measured[], pgslo_catalog.measured[], bigint) IS 'Appends what a statement wrote, opens or resolves incidents, and returns the rules that its rows make their batches miss.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, row_key text, rules text[], shown text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_row.definition);
    known numeric := coalesce(record_row.place, pgslo_catalog.arrival(id, record_row.batch));
    rule pgslo_catalog.rule;
BEGIN
    -- No row is counted here: those that pass would be missing.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
    SELECT id, record_row.batch, known, 0, jsonb_object_agg(n.name, 1) FROM unnest(record_row.rules) AS n (name);

    PERFORM pgslo_catalog.record_sample(record_row.definition, n.rule, record_row.batch, record_row.row_key, n.shown)
    FROM unnest(record_row.rules, record_row.shown) AS n (rule, shown);

    FOR rule IN
        SELECT r.*
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.name = ANY (record_row.rules)
          AND NOT (
              EXISTS (
                  SELECT FROM pgslo_catalog.incident i
                  WHERE i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL)
              AND EXISTS (
                  SELECT FROM pgslo_catalog.missed_batch m
                  WHERE m.rule_id = r.rule_id AND m.batch = record_row.batch AND m.ended_at IS NULL))
        ORDER BY r.rule_id
    LOOP
        PERFORM pgslo_catalog.open_incident(rule, record_row.batch, known);
        PERFORM pgslo_catalog.record_missed(rule, record_row.batch, known);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_row(text, text, numeric, text, text[], text[]) IS 'Appends one failing row of a streamed table, records its batch as missed and opens incidents.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_sample(definition text, rule text, batch text, row_key text, shown text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.sample (rule_id, batch, row_key, shown)
    SELECT r.rule_id, record_sample.batch, left(record_sample.row_key, 1000), left(record_sample.shown, 1000)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = record_sample.definition AND r.name = record_sample.rule
      AND (SELECT count(*) FROM pgslo_catalog.sample s WHERE s.rule_id = r.rule_id AND s.batch = record_sample.batch) < r.samples
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_sample(text, text, text, text, text) IS 'Keeps the key of a failing row, up to a number per rule and batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_break(definition text, rule text, error_code text, error_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Conflicts, locks, a full disk: they pass, and the rule is as good as it was. What was lost with them is reported.
    IF pgslo_catalog.is_transient(record_break.error_code) THEN
        PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL),
            record_break.error_code, false);
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said)
    SELECT d.definition_id, r.rule_id, record_break.error_code, left(record_break.error_message, 1000),
           pgslo_catalog.error_said(coalesce(r.scope = 'row' AND r.kind <> 'references', true), record_break.error_code, record_break.error_message)
    FROM pgslo_catalog.definition d
    LEFT JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = record_break.rule
    WHERE d.name = record_break.definition AND (record_break.rule IS NULL OR r.rule_id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.definition_id = d.definition_id AND b.rule_id IS NOT DISTINCT FROM r.rule_id AND b.batch IS NULL AND b.pause_id IS NULL);
EXCEPTION WHEN OTHERS THEN
    -- Called where something failed already; the write must not fail for the note.
    PERFORM pgslo_catalog.warn_unjudged(record_break.definition, array_remove(ARRAY[record_break.rule], NULL), record_break.error_code, false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_break(text, text, text, text) IS 'Notes that a rule can no longer be judged, once; without a rule, that rows cannot be told apart into batches. Warns of an error of the moment.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_lost(
    definition text, rules text[], batches text[], places numeric[], error_code text, error_message text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    noted boolean := false;
BEGIN
    IF NOT pgslo_catalog.is_transient(record_lost.error_code) THEN
        PERFORM pgslo_catalog.record_break(record_lost.definition, NULL, record_lost.error_code, record_lost.error_message);
    ELSE
        BEGIN
            -- The next tick() counts the table's batches, and then judges these.
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
            SELECT d.definition_id, '', '-Infinity', 0, 'recount'
            FROM pgslo_catalog.definition d
            WHERE d.name = record_lost.definition AND d.writes = 'bulk' AND d.recount IS NOT NULL;
            noted := FOUND;
            PERFORM pgslo_catalog.mark_unjudged(record_lost.definition, record_lost.rules, record_lost.batches,
                record_lost.places, record_lost.error_code, record_lost.error_message);
        EXCEPTION
            WHEN serialization_failure THEN
                RAISE;
            WHEN OTHERS THEN
                noted := false;
        END;
    END IF;
    PERFORM pgslo_catalog.warn_unjudged(record_lost.definition, '{}', record_lost.error_code, noted);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_lost(text, text[], text[], numeric[], text, text) IS
    'Warn the writer that rows were stored without a record of them, and have them counted by the next tick() where it can.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, old_value, new_value)
    SELECT d.definition_id, record_repair.rule, record_repair.column_name, record_repair.row_key, record_repair.old_value, record_repair.new_value
    FROM pgslo_catalog.definition d WHERE d.name = record_repair.definition
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_repair(text, text, text, text, text, text) IS 'Keeps the value that a repair replaced.';

CREATE OR REPLACE FUNCTION pgslo_catalog.changed_columns(relation regclass, old_row record, new_row record) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    changed text[];
BEGIN
    -- Compared as they are stored: no operator, no text, no setting of the session.
    EXECUTE format('SELECT array_remove(ARRAY[%s], NULL)', (
        SELECT string_agg(
            format('CASE WHEN record_image_ne(ROW(($1).%1$I), ROW(($2).%1$I)) THEN %1$L::text END', a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute a
        WHERE a.attrelid = changed_columns.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''))
    INTO changed USING changed_columns.old_row, changed_columns.new_row;
    RETURN changed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.changed_columns(regclass, record, record)
    IS 'Return the columns of a table that an update changes, but for generated ones.';

CREATE OR REPLACE FUNCTION pgslo_catalog.must_be_stored(
    definition text, relation regclass, violated text[], old_row record, new_row record
) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    changed text[] := pgslo_catalog.changed_columns(must_be_stored.relation, must_be_stored.old_row, must_be_stored.new_row);
    -- Columns that a foreign key sets: SET NULL, SET DEFAULT, CASCADE.
    acted_on text[] := ARRAY(
        SELECT a.attname
        FROM pg_constraint k
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = must_be_stored.relation AND k.contype = 'f'
          AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('c', 'n', 'd')));
    -- A row that moves to another partition is inserted there, and would be kept out of that one.
    moves boolean := EXISTS (
        SELECT FROM pg_partition_ancestors(must_be_stored.relation) AS above (oid)
        JOIN pg_partitioned_table p ON p.partrelid = above.oid
        CROSS JOIN unnest(p.partattrs::smallint[]) AS k (attnum)
        LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum
        WHERE k.attnum = 0 OR a.attname = ANY (changed));
    refusing record;
BEGIN
    -- The row that is there violates those rules as well. A rule that names no column may be about any.
    IF NOT moves AND NOT EXISTS (
        SELECT FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = must_be_stored.definition AND r.name = ANY (must_be_stored.violated) AND (r.columns && changed OR r.columns = '{}')
    ) THEN
        RETURN true;
    END IF;
    IF pg_trigger_depth() < 2 OR NOT changed && acted_on THEN
        RETURN false;
    END IF;
    FOR refusing IN
        SELECT r.name, r.promise, coalesce(r.owner, d.owner, 'unknown') AS owner, c.name AS changed_column,
               c.name = ANY (acted_on) AS is_acted_on, n.nspname AS schema_name, t.relname AS table_name
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r USING (definition_id)
        CROSS JOIN unnest(changed) AS c (name)
        JOIN pg_class t ON t.oid = must_be_stored.relation
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE d.name = must_be_stored.definition AND r.name = ANY (must_be_stored.violated) AND c.name = ANY (r.columns)
        ORDER BY c.name = ANY (acted_on), r.rule_id, c.name
    LOOP
        IF NOT refusing.is_acted_on THEN
            RETURN false;  -- No foreign key changes that column.
        END IF;
        -- A foreign key and a trigger that imitates one look alike, and a row held back would point nowhere.
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('new row for %s violates rule "%s"', must_be_stored.definition, refusing.name),
            DETAIL = format('A foreign key, or a trigger, changes column "%s"; the rule wants: %s. Such an update cannot be quarantined.',
                refusing.changed_column, refusing.promise),
            HINT = format('Change or delete the row first, or ask the owner of the rule, %s.', refusing.owner),
            SCHEMA = refusing.schema_name,
            TABLE = refusing.table_name,
            COLUMN = refusing.changed_column,
            CONSTRAINT = refusing.name;
    END LOOP;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.must_be_stored(text, regclass, text[], record, record) IS
    'Return whether an update of a row that violates quarantine rules is stored all the same: it changes no column that they read. An error if it may be what a foreign key does.';

CREATE OR REPLACE FUNCTION pgslo_catalog.columns_of(relation regclass) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.attrelid::bigint) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    WHERE a.attrelid = columns_of.relation AND a.attnum > 0 AND NOT a.attisdropped
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.columns_of(regclass) IS 'Number and name of each column, in order, and the number of its table: a restored dump has others.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_quarantine(
    definition text, relation regclass, operation text, row_key text, row_image record,
    rules text[], shown text[], old_key text[], changed text[]
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The image must read back as it was, whatever the writer's session prints dates and numbers like.
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
AS $pgslo$
DECLARE
    by_column jsonb;
BEGIN
    BEGIN
        EXECUTE format('SELECT %s', (
            SELECT coalesce(
                string_agg(
                    format('jsonb_build_object(%L, %s)', a.attname, pgslo_catalog.jsonb_of(format('($1).%I', a.attname), a.atttypid)),
                    ' || ' ORDER BY a.attnum),
                '''{}''::jsonb')
            FROM pg_attribute a
            WHERE a.attrelid = record_quarantine.relation AND a.attnum > 0 AND NOT a.attisdropped))
        INTO by_column USING row_image;
    EXCEPTION WHEN OTHERS THEN
        by_column := NULL;  -- json may hold \u0000, which jsonb does not take
    END;
    INSERT INTO pgslo_catalog.quarantine (definition_id, relation, columns, operation, row_key, image, image_text, old_key, changed, reasons)
    SELECT d.definition_id, record_quarantine.relation, pgslo_catalog.columns_of(record_quarantine.relation), record_quarantine.operation, record_quarantine.row_key, by_column, concat(row_image),
           (SELECT jsonb_object_agg(k.name, k.value) FROM unnest(d.key_columns, record_quarantine.old_key) AS k (name, value) WHERE record_quarantine.old_key IS NOT NULL),
           record_quarantine.changed,
           (SELECT jsonb_agg(jsonb_build_object('rule', r.name, 'promise', r.promise, 'shown', n.shown) ORDER BY n.ordinal)
            FROM unnest(record_quarantine.rules, record_quarantine.shown) WITH ORDINALITY AS n (name, shown, ordinal)
            JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = n.name)
    FROM pgslo_catalog.definition d WHERE d.name = record_quarantine.definition;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_quarantine(text, regclass, text, text, record, text[], text[], text[], text[])
    IS 'Keep a row that is not stored in its table, whole, with every reason; changed: the columns that an UPDATE changes.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_replica() RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN current_setting('session_replication_role') = 'replica';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_replica() IS
    'Return whether a subscription, or a session of the replica role, writes: no error of a rule may end it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reject(definition text, schema_name text, table_name text, rule text, column_name text, promise text, shown text, row_key text, owner text, also text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A subscription would stop for good: the row is stored and counts as failing.
    IF pgslo_catalog.is_replica() THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('new row for %s violates rule "%s"', reject.definition, reject.rule),
        DETAIL = format('%s; the rule wants: %s. Key %s.%s', reject.shown, reject.promise, reject.row_key,
            CASE WHEN reject.also <> '{}' THEN format(' It also violates %s.', array_to_string(reject.also, ', ')) ELSE '' END),
        HINT = format('Write a row that keeps the rule, or ask its owner, %s.', reject.owner),
        SCHEMA = reject.schema_name,
        TABLE = reject.table_name,
        COLUMN = reject.column_name,
        CONSTRAINT = reject.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reject(text, text, text, text, text, text, text, text, text, text[]) IS 'Refuse a write as a check constraint does; return where session_replication_role is replica.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reject_schema(definition text, schema_name text, table_name text, rule text, difference text, owner text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.is_replica() THEN
        PERFORM pgslo_catalog.record_break(reject_schema.definition, reject_schema.rule, '23514', reject_schema.difference);
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('columns of %s violate rule "%s"', reject_schema.definition, reject_schema.rule),
        DETAIL = format('%s%s. No statement writes to the table until they fit again.', upper(left(reject_schema.difference, 1) COLLATE "C"), substr(reject_schema.difference, 2)),
        HINT = format('Change the table back, or its definition; the owner is %s.', reject_schema.owner),
        SCHEMA = reject_schema.schema_name,
        TABLE = reject_schema.table_name,
        CONSTRAINT = reject_schema.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reject_schema(text, text, text, text, text, text) IS 'Refuses every write while a table''s columns are not those of its definition.';

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_writer(definition text, schema_name text, table_name text, rules text[], owner text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    -- One warning a statement, also from a trigger that fires for every row. With a secret, or another function in the
    -- statement could set it and so silence the warning.
    statement text := md5(concat((SELECT s.value FROM pgslo_catalog.secret s), extract(epoch FROM statement_timestamp()), warn_writer.definition));
BEGIN
    IF statement = current_setting('pgslo.warned_writer', true) THEN
        RETURN;
    END IF;
    PERFORM set_config('pgslo.warned_writer', statement, true);
    RAISE WARNING USING
        ERRCODE = '01SL1',
        MESSAGE = format('rows written to %s violate %s', warn_writer.definition, array_to_string(warn_writer.rules, ', ')),
        DETAIL = 'The rows were stored; readers of the guarded view are warned.',
        HINT = format('SELECT * FROM pgslo.incident WHERE definition = %L; the owner is %s.', warn_writer.definition, warn_writer.owner),
        SCHEMA = warn_writer.schema_name,
        TABLE = warn_writer.table_name,
        CONSTRAINT = warn_writer.rules[1];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.warn_writer(text, text, text, text[], text) IS 'Tells the writer, at most once a statement and without values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.iso_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
AS $pgslo$
BEGIN
    -- Types of a lower number came with PostgreSQL, which is quicker to see.
    RETURN CASE
        WHEN pg_typeof(value)::oid < 16384 OR pgslo_catalog.is_plain(pg_typeof(value)) THEN to_jsonb(value) #>> '{}'
        WHEN num_nulls(value) = 0 THEN concat(value)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.iso_text(anyelement) IS 'The same text for the same value whatever the session''s settings.';

CREATE OR REPLACE FUNCTION pgslo_catalog.iso(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- No setting touches these, and setting and unsetting five costs more than the rest of a small write's record.
    name text := CASE
        WHEN pg_typeof(value) IN ('date'::regtype, 'timestamp'::regtype, 'text'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype)
        THEN to_jsonb(value) #>> '{}'
        ELSE pgslo_catalog.iso_text(value)
    END;
BEGIN
    -- An index over it takes 2,700 bytes.
    RETURN coalesce(CASE WHEN length(name) > 200 THEN left(name, 160) || '...' || md5(name) ELSE name END, 'NULL');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.iso(anyelement) IS 'A batch''s name: the same text for the same value whatever the session''s settings.';

-- Functions that run with the rights of a table's owner name its batches as well. A policy shows that role the salt of its
-- own tables alone.
CREATE OR REPLACE FUNCTION pgslo_catalog.salt(definition text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $pgslo$
DECLARE
    found text := (SELECT s.salt FROM pgslo_catalog.own_salt s WHERE s.definition = salt.definition);
BEGIN
    IF found IS NULL THEN
        -- Without it, all keys would have one name.
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot name batches of %s', salt.definition),
            DETAIL = 'It has no definition, or its table belongs to another role.';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.salt(text) IS 'Return what names of batches of a definition are hashed with.';

CREATE OR REPLACE FUNCTION pgslo_catalog.text_name(value text, salt text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        -- Most texts begin with no digit and no sign: three patterns take longer than the hash.
        WHEN ascii(text_name.value) BETWEEN 43 AND 57 AND (
            text_name.value ~ E'^[+-]?\\d{1,18}(\\.\\d{1,18})?$'
            OR text_name.value ~ E'^\\d{4}-\\d{2}(-\\d{2}([ T]\\d{2}(:?\\d{2}(:?\\d{2}(\\.\\d{1,6})?)?)?( ?(Z|[+-]\\d{2}(:?\\d{2})?))?)?)?$'
            OR text_name.value ~ E'^\\d{4}-?(W\\d{2}|Q\\d)$')
        THEN text_name.value
        ELSE 'text ' || left(encode(sha256(convert_to(text_name.salt || text_name.value, 'UTF8')), 'hex'), 32)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.text_name(text, text) IS 'Return the name of a batch whose key is a text: the key if it is a number, date or time, else a hash.';

CREATE OR REPLACE FUNCTION pgslo_catalog.key_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE WHEN pg_typeof(value) IN ('text'::regtype, 'character varying'::regtype) THEN value::text ELSE pgslo_catalog.iso_text(value) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.key_text(anyelement) IS 'Return a batch''s key as text: the same whatever the session''s settings.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hidden_name(value anyelement, salt text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(pgslo_catalog.text_name(pgslo_catalog.key_text(value), hidden_name.salt), 'NULL');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hidden_name(anyelement, text) IS 'Return the name of a batch whose key may be personal.';

CREATE OR REPLACE FUNCTION pgslo_catalog.shown_name(value anyelement, salt text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text := pgslo_catalog.key_text(value);
BEGIN
    IF name IS NULL THEN
        RETURN 'NULL';
    -- Names that stand for something else, or that another key's name may be.
    ELSIF name IN ('', '*', 'NULL', 'unknown') OR name ~ '^text [0-9a-f]{32}$' OR length(name) = 195 AND name ~ E'\\.\\.\\.[0-9a-f]{32}$' THEN
        RETURN pgslo_catalog.text_name(name, shown_name.salt);
    ELSIF length(name) > 200 THEN
        -- An index over it takes 2,700 bytes.
        RETURN concat(left(name, 160), '...', left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 32));
    END IF;
    RETURN name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shown_name(anyelement, text) IS 'Return the name of a batch whose definition has its keys shown.';

CREATE OR REPLACE FUNCTION pgslo_catalog.name_of(definition pgslo_catalog.definition, batch text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    hidden text := pgslo_catalog.text_name(name_of.batch, pgslo_catalog.salt((name_of.definition).name));
BEGIN
    RETURN CASE WHEN EXISTS (
        SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = (name_of.definition).definition_id AND f.batch = hidden
        UNION ALL
        SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = (name_of.definition).definition_id AND b.name = hidden
    ) THEN hidden ELSE name_of.batch END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.name_of(pgslo_catalog.definition, text) IS 'Return the name of a batch that is given by its name or by its key.';
