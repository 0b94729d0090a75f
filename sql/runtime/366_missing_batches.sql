-- Telling that an expected batch did not come, and that it came after all.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_in_table(definition pgslo_catalog.definition, batch text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
DECLARE
    rows bigint;
BEGIN
    -- Rows may have come while no trigger fired: by a subscription, or while rules were switched off.
    IF (is_in_table.definition).recount IS NULL OR NOT pgslo_catalog.can_find_batches(is_in_table.definition) THEN
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.pin_table(is_in_table.definition, (is_in_table.definition).recount);
    EXECUTE format('SELECT sum(c.rows) FROM unnest(pgslo_gen.%I($1, $1, $2)) AS c WHERE c.batch = $1', (is_in_table.definition).recount)
    INTO rows USING is_in_table.batch, (1::bigint << 40) - 1;
    RETURN coalesce(rows > 0, false);
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE = 'SL004' OR pgslo_catalog.is_transient(SQLSTATE) THEN
        RAISE;
    END IF;
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_in_table(pgslo_catalog.definition, text) IS
    'Whether rows of a batch are in the table of which nothing is recorded; false where looking would read all of it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_expected(definition pgslo_catalog.definition, measure jsonb, form text, phases jsonb, place numeric) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF (is_expected.definition).place_is_number THEN
        RETURN true;
    END IF;
    RETURN CASE
        WHEN is_expected.form IS NOT NULL THEN is_expected.phases ? pgslo_catalog.phase(is_expected.form, is_expected.place)
        ELSE coalesce(measure -> 'on' @> to_jsonb(trim(to_char(to_timestamp(is_expected.place::float8) AT TIME ZONE 'UTC', 'day'))), true)
    END AND NOT pgslo_catalog.is_holiday((is_expected.definition).holidays, is_expected.place);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_expected(pgslo_catalog.definition, jsonb, text, jsonb, numeric) IS
    'Whether a batch is expected at a place: by the phases of a learned calendar, or on the weekdays of a rule; never on a holiday.';

CREATE OR REPLACE FUNCTION pgslo_catalog.heal_expected(rule pgslo_catalog.rule, slack numeric) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    came pgslo_catalog.batch;
BEGIN
    -- One that has come under its own name has its verdict since it was closed; another may be called by the time of its load.
    FOR came.name, came.place IN
        SELECT m.batch, m.place
        FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.definition d ON d.name = m.definition
        WHERE d.definition_id = (heal_expected.rule).definition_id AND m.rule_id = (heal_expected.rule).rule_id AND m.ended_at IS NULL
          AND EXISTS (
              SELECT FROM pgslo_catalog.batch b
              WHERE b.definition_id = d.definition_id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.name <> m.batch
                AND b.place BETWEEN m.place - heal_expected.slack AND m.place + heal_expected.slack)
        ORDER BY m.place
    LOOP
        came.definition_id := (heal_expected.rule).definition_id;
        PERFORM pgslo_catalog.give_verdict(heal_expected.rule, came, 'met', 0, NULL, 0, NULL, 'it came');
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.heal_expected(pgslo_catalog.rule, numeric) IS
    'Resolve reports of batches that came after all, close enough to their expected time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tell_missing(rule pgslo_catalog.rule, names text[], places numeric[], reason text, is_suspect boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    absent pgslo_catalog.batch;
    last integer := cardinality(tell_missing.names);
BEGIN
    absent.definition_id := (tell_missing.rule).definition_id;
    absent.name := tell_missing.names[last];
    absent.place := tell_missing.places[last];
    absent.rows := 0;
    PERFORM pgslo_catalog.give_verdict(tell_missing.rule, absent, 'missed', last, NULL, 0, CASE WHEN tell_missing.is_suspect THEN 1 END,
        concat(format('expected batches %s: none came', array_to_string(tell_missing.names, ', ')), '; ' || tell_missing.reason,
            CASE WHEN tell_missing.is_suspect THEN '; it is a public holiday in many countries' END));
    IF last < (tell_missing.rule).missed_before_open THEN
        RETURN;
    END IF;
    -- A later batch has usually come and met the rule; other rules open no incident for an older batch.
    PERFORM pgslo_catalog.open_incident(tell_missing.rule, tell_missing.names[1], tell_missing.places[1], true);
    FOR n IN 1..last LOOP
        PERFORM pgslo_catalog.record_missed(tell_missing.rule, tell_missing.names[n], tell_missing.places[n], false);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_missing(pgslo_catalog.rule, text[], numeric[], text, boolean) IS
    'Report the last of some expected batches in a row that did not come, under its own name.';

CREATE OR REPLACE FUNCTION pgslo_catalog.look_for_expected(definition pgslo_catalog.definition, rule pgslo_catalog.rule) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (look_for_expected.definition).definition_id;
    measure jsonb := (look_for_expected.rule).measure;
    is_number boolean := (look_for_expected.definition).place_is_number;
    last_place numeric := pgslo_catalog.last_place(look_for_expected.definition);
    now numeric := extract(epoch FROM clock_timestamp());
    look pgslo_catalog.expected_look;
    was_known boolean;
    newest pgslo_catalog.batch;
    origin pgslo_catalog.batch;
    calendar record;
    delay numeric;
    up_to numeric;
    moment numeric;
    name text;
    names text[] := '{}';
    places numeric[] := '{}';
BEGIN
    SELECT b.* INTO newest FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= last_place AND b.place > '-Infinity'
    ORDER BY b.place DESC LIMIT 1;
    SELECT l.* INTO look FROM pgslo_catalog.expected_look l WHERE l.rule_id = (look_for_expected.rule).rule_id;
    IF newest.name IS NULL THEN
        RETURN;
    END IF;
    IF look.rule_id IS NOT NULL THEN
        PERFORM pgslo_catalog.heal_expected(look_for_expected.rule, look.slack);
    END IF;
    IF look.basis IS DISTINCT FROM concat(measure, ' ', (look_for_expected.definition).batch_key) THEN
        -- Missing batches from before the rule are history.
        look := ROW((look_for_expected.rule).rule_id, concat(measure, ' ', (look_for_expected.definition).batch_key), newest.place, NULL, 0, 'infinity', false);
    ELSIF look.newest = newest.place AND look.due_at > clock_timestamp() THEN
        RETURN;
    END IF;
    SELECT b.* INTO origin FROM pgslo_catalog.batch b
    WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= look.seen AND b.place > '-Infinity'
    ORDER BY b.place DESC LIMIT 1;
    IF measure ->> 'from' = 'learned' THEN
        SELECT c.* INTO calendar FROM pgslo_catalog.learned_calendar(look_for_expected.definition, origin.place, CASE WHEN EXISTS (
            SELECT FROM pgslo_catalog.verdict v
            WHERE v.rule_id = look.rule_id AND v.verdict = 'missed' AND v.place > origin.place - 84 * 86400) THEN 1 ELSE 0 END) AS c;
    ELSE
        SELECT (measure ->> 'step')::numeric AS step, NULL::text AS form, NULL::jsonb AS phases INTO calendar;
    END IF;
    was_known := look.is_known;
    look.newest := newest.place;
    look.due_at := 'infinity';
    look.is_known := calendar.step IS NOT NULL AND origin.place IS NOT NULL;
    IF NOT look.is_known THEN
        look.seen := newest.place;
        IF was_known THEN
            -- Nothing is reported from here on, and the owner should know that.
            PERFORM pgslo_catalog.give_verdict(look_for_expected.rule, newest, 'unknown', NULL, NULL, NULL, NULL,
                'batches do not come regularly any more: one that does not come is not reported');
        END IF;
    ELSE
        look.slack := CASE WHEN is_number THEN 0 ELSE least(calendar.step / 4, 21600) END;
        delay := CASE WHEN NOT is_number THEN
            coalesce((measure ->> 'max_delay')::numeric, pgslo_catalog.usual_delay(id, calendar.step, origin.place)) END;
        -- As many later batches as usual may come first.
        up_to := greatest(look.seen, now - delay, (
            SELECT b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.rows > 0 AND b.place <= newest.place
            ORDER BY b.place DESC OFFSET pgslo_catalog.usual_disorder(id, origin.place, calendar.step, calendar.form, calendar.phases) LIMIT 1));
        FOR n IN 1..20000 LOOP
            moment := origin.place + n * calendar.step;
            EXIT WHEN moment > up_to AND (delay IS NULL OR cardinality(names) >= pgslo_catalog.stops_after());
            CONTINUE WHEN NOT pgslo_catalog.is_expected(look_for_expected.definition, measure, calendar.form, calendar.phases, moment);
            IF EXISTS (
                SELECT FROM pgslo_catalog.batch b
                WHERE b.definition_id = id AND b.place BETWEEN moment - look.slack AND moment + look.slack AND (b.rows > 0 OR b.closed_at IS NOT NULL)
            ) THEN
                names := '{}';
                places := '{}';
                CONTINUE;
            END IF;
            IF moment > up_to THEN
                look.due_at := to_timestamp((moment + delay)::float8);
                EXIT;
            END IF;
            name := pgslo_catalog.name_at(moment, calendar.step, origin.name, is_number);
            -- A batch that no longer comes is not expected any more, and freshness reports that.
            CONTINUE WHEN cardinality(names) >= pgslo_catalog.stops_after();
            IF moment > look.seen AND pgslo_catalog.is_in_table(look_for_expected.definition, name) THEN
                INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation) VALUES (id, name, moment, 0, 'recount');
                CONTINUE;
            END IF;
            names := names || name;
            places := places || moment;
            IF moment > look.seen THEN
                PERFORM pgslo_catalog.tell_missing(look_for_expected.rule, names, places,
                    pgslo_catalog.calendar_said(calendar.form, calendar.step, moment, calendar.phases -> pgslo_catalog.phase(calendar.form, moment)),
                    -- Where there is a day of rest each week, others rest as well.
                    calendar.form IS NOT DISTINCT FROM 'weekday' AND (SELECT count(*) FROM jsonb_object_keys(calendar.phases)) < 7
                        AND pgslo_catalog.is_public_holiday(moment));
            END IF;
        END LOOP;
        look.seen := up_to;
    END IF;
    INSERT INTO pgslo_catalog.expected_look SELECT look.*
    ON CONFLICT ON CONSTRAINT expected_look_is_of_one_rule DO UPDATE SET
        basis = excluded.basis, seen = excluded.seen, newest = excluded.newest, slack = excluded.slack, due_at = excluded.due_at, is_known = excluded.is_known;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.look_for_expected(pgslo_catalog.definition, pgslo_catalog.rule) IS
    'Report expected batches that did not come since the last check, and record when the next one is too late.';

CREATE OR REPLACE FUNCTION pgslo_catalog.stops_after() RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 5;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.stops_after() IS 'Return the number of expected batches in a row that are reported as missing; a longer absence is usual.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_expected(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule;
BEGIN
    -- Without a key, each statement is a batch. While rules are disabled, batches are not recorded.
    IF (judge_expected.definition).batch_by IS NULL OR EXISTS (
        SELECT FROM pgslo_catalog.pause p WHERE p.definition_id = (judge_expected.definition).definition_id AND p.resumed_at IS NULL)
    THEN
        RETURN;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = (judge_expected.definition).definition_id AND r.retired_at IS NULL AND r.measure ->> 'form' = 'batches'
        ORDER BY r.rule_id)
    LOOP
        BEGIN
            PERFORM pgslo_catalog.look_for_expected(judge_expected.definition, rule);
        EXCEPTION WHEN OTHERS THEN
            -- Closing a batch, or learning from it, continues.
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            PERFORM pgslo_catalog.record_break((judge_expected.definition).name, rule.name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_expected(pgslo_catalog.definition) IS
    'Compare existing batches with expected ones, by the rules about that.';
