-- How good the alerts of learned bounds are on a table: its own history is replayed with known faults put into it.
-- The function for new batches judges these as well; its writes are rolled back.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.twin_of(target pgslo_catalog.definition, sensitivity float8) RETURNS pgslo_catalog.definition
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    twin pgslo_catalog.definition := twin_of.target;
BEGIN
    twin.definition_id := nextval(pg_get_serial_sequence('pgslo_catalog.definition', 'definition_id'));
    twin.name := format('backtest of %s by %s', twin_of.target.name, pg_backend_pid());
    -- No table has this number: the column only has to be unique, and such numbers are not given to tables.
    twin.relation := (4294967295 - pg_backend_pid())::oid::regclass;
    twin.sensitivity := coalesce(twin_of.sensitivity, twin.sensitivity);
    INSERT INTO pgslo_catalog.definition OVERRIDING SYSTEM VALUE SELECT twin.*;
    INSERT INTO pgslo_catalog.watched_column (definition_id, ordinal, column_name, kind, base)
    SELECT twin.definition_id, w.ordinal, w.column_name, w.kind, w.base FROM pgslo_catalog.watched_column w
    WHERE w.definition_id = twin_of.target.definition_id;
    INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise)
    SELECT twin.definition_id, r.name, r.kind, r.columns, r.on_breach, 0, r.mechanism, r.promise
    FROM pgslo_catalog.rule r WHERE r.definition_id = twin_of.target.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL;
    RETURN twin;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.twin_of(pgslo_catalog.definition, float8) IS
    'Create a definition that learns like another one, without table and history; for a transaction that is rolled back.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settle_replayed(twin pgslo_catalog.definition, batch pgslo_catalog.batch, missed text[], feedback boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    false_alarm pgslo_catalog.incident;
BEGIN
    UPDATE pgslo_catalog.profile p SET baseline = false
    WHERE p.definition_id = settle_replayed.twin.definition_id AND p.batch = settle_replayed.batch.name
      AND coalesce(p.base, p.column_name) = ANY (settle_replayed.missed);
    IF settle_replayed.feedback THEN
        FOR false_alarm.rule_id IN
            SELECT r.rule_id FROM pgslo_catalog.rule r
            WHERE r.definition_id = settle_replayed.twin.definition_id AND r.kind = 'learned' AND coalesce(r.columns[1], '*') = ANY (settle_replayed.missed)
        LOOP
            false_alarm.definition_id := settle_replayed.twin.definition_id;
            false_alarm.opened_place := settle_replayed.batch.place;
            false_alarm.over_place := settle_replayed.batch.place;
            false_alarm.resolution := 'false_alarm';
            PERFORM pgslo_catalog.learn_from(false_alarm);
        END LOOP;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settle_replayed(pgslo_catalog.definition, pgslo_catalog.batch, text[], boolean) IS
    'Apply the answer to alarms about a batch without a fault: it leaves the baseline, or they are resolved as false.';

CREATE OR REPLACE FUNCTION pgslo.backtest(
    definition text, batches integer DEFAULT 120, seed bigint DEFAULT 1, faults text[] DEFAULT NULL,
    sensitivity float8 DEFAULT NULL, feedback boolean DEFAULT true
)
RETURNS TABLE (batch text, batch_rows bigint, column_name text, fault text, changed float8, verdict text, score float8, said text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = notice
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_history(backtest.definition);
    twin pgslo_catalog.definition;
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    wrong text[] := ARRAY(SELECT f.name FROM unnest(backtest.faults) AS f (name) EXCEPT SELECT k.name FROM pgslo_catalog.fault_kinds() k);
    names text[];
    counts bigint[];
    counted pgslo_catalog.measured[];
    one pgslo_catalog.measured;
    mine pgslo_catalog.batch;
    mask bigint;
    level smallint;
    present jsonb;
    whole pgslo_catalog.batch;
    earlier text[];
    kinds text[];
    chosen text[];
    partners integer[];
    table_faults text[];
    broken text[];
    missed text[];
    judged record;
    at integer := 0;
BEGIN
    IF cardinality(wrong) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('unrecognized fault "%s"', wrong[1]),
            HINT = (SELECT 'Faults are ' || string_agg(k.name, ', ' ORDER BY k.ordinal) || '.' FROM pgslo_catalog.fault_kinds() k);
    END IF;
    SELECT array_agg(n.name ORDER BY n.place), array_agg(n.rows ORDER BY n.place) INTO names, counts
    FROM pgslo_catalog.newest_batches(target, backtest.batches) AS n;
    SELECT array_agg(k.name ORDER BY k.ordinal) INTO table_faults
    FROM pgslo_catalog.fault_kinds() k WHERE 'table' = ANY (k.kinds) AND (backtest.faults IS NULL OR k.name = ANY (backtest.faults));
    BEGIN
        twin := pgslo_catalog.twin_of(target, backtest.sensitivity);
        FOR low IN 1..coalesce(cardinality(names), 0) BY 20 LOOP
            mask := pgslo_catalog.sample_mask((SELECT max(c.rows) FROM unnest(counts[low:low + 19]) AS c (rows)));
            level := pgslo_catalog.level_of(mask);
            PERFORM pgslo_catalog.pin_table(target, target.recount);
            EXECUTE format('SELECT pgslo_gen.%I($1, $2, $3)', target.recount)
            INTO counted USING names[low], names[least(low + 19, cardinality(names))], mask;
            FOR one IN SELECT c.* FROM unnest(counted) AS c WHERE c.batch = ANY (names) ORDER BY c.place LOOP
                at := at + 1;
                IF current_setting('pgslo.progress', true) = 'on' THEN
                    RAISE NOTICE 'batch % of %', at, cardinality(names);
                END IF;
                present := coalesce(pgslo_catalog.signed(columns, one.present, 1), '{}');
                INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, first_written_at, last_written_at, closed_at, revision)
                VALUES (twin.definition_id, one.batch, one.place, one.rows, present, clock_timestamp(), clock_timestamp(), clock_timestamp(), 1)
                RETURNING b.* INTO mine;

                BEGIN
                -- With faults: one in every column to which one applies, or one in the batch as a whole. Each column is judged separately.
                IF at > pgslo_catalog.least_batches() AND one.sample IS NOT NULL THEN
                    IF at % 4 = 0 AND table_faults IS NOT NULL THEN
                        chosen := ARRAY[table_faults[1 + at / 4 % cardinality(table_faults)]];
                        whole := mine;
                        SELECT r.broken, r.broken_rows INTO broken, whole.rows
                        FROM pgslo_catalog.break_rows(one.sample, chosen[1], one.rows, one.batch, backtest.seed) AS r;
                        PERFORM pgslo_catalog.profile_batch(twin, whole, columns, broken, level,
                            (SELECT jsonb_object_agg(p.key, round(p.value::numeric * whole.rows / greatest(one.rows, 1))) FROM jsonb_each_text(present) p));
                        FOR judged IN SELECT j.* FROM pgslo_catalog.judge_learned(twin.definition_id, one.batch, one.place) AS j WHERE j.column_name = '*' LOOP
                            backtest.batch := one.batch; batch_rows := one.rows; column_name := '*'; fault := chosen[1];
                            changed := abs(whole.rows - one.rows) / greatest(one.rows, 1)::float8;
                            verdict := judged.verdict; score := round(judged.score::numeric, 6); said := judged.said;
                            RETURN NEXT;
                        END LOOP;
                    ELSE
                        kinds := pgslo_catalog.kinds_of(twin.definition_id, columns, one.sample);
                        SELECT c.chosen, c.partners INTO chosen, partners FROM pgslo_catalog.choose_faults(kinds, backtest.faults, at, backtest.seed) AS c;
                        kinds := array_replace(kinds, 'code', 'number');
                        FOR judged IN
                            WITH made AS MATERIALIZED (
                                SELECT m.* FROM pgslo_catalog.break_columns(one.sample, earlier, kinds, chosen, partners, one.batch, backtest.seed) AS m
                            ), there AS (
                                SELECT (u.i - 1) % array_length(one.sample, 2) AS col, count(u.was)::numeric AS was, count(u.now)::numeric AS now
                                FROM made m CROSS JOIN LATERAL unnest(one.sample, m.broken) WITH ORDINALITY AS u (was, now, i) GROUP BY 1
                            ), taken AS MATERIALIZED (
                                SELECT pgslo_catalog.profile_batch(twin, mine, columns, m.broken, level, (
                                    SELECT jsonb_object_agg(c.name, round(least(
                                        CASE WHEN t.was > 0 THEN coalesce((present ->> c.name)::numeric, 0) * t.now / t.was ELSE t.now END, one.rows)))
                                    FROM unnest(columns) WITH ORDINALITY AS c (name, col) JOIN there t USING (col))) AS done, m.changed
                                FROM made m
                            )
                            SELECT t.changed FROM taken t
                        LOOP
                            -- The last digits depend on the order in which floats are added up, so the reported ones are rounded.
-- A fault that changed next to nothing cannot be seen, and does not count.
                            RETURN QUERY
                            SELECT one.batch, one.rows, j.column_name, chosen[c.col], judged.changed[c.col], v.verdict,
                                   CASE WHEN v.verdict <> 'left out' THEN round(j.score::numeric, 6)::float8 END,
                                   CASE WHEN v.verdict = 'left out' THEN 'entities do not recur: values of the batch before cannot be recognised'
                                        ELSE j.said END
                            FROM pgslo_catalog.judge_columns(twin.definition_id, one.batch, one.place, true) AS j
                            JOIN unnest(columns) WITH ORDINALITY AS c (name, col) ON c.name = j.column_name
                            CROSS JOIN LATERAL (SELECT CASE WHEN judged.changed[c.col] IS NULL THEN 'left out' ELSE j.verdict END AS verdict) v
                            WHERE chosen[c.col] IS NOT NULL AND coalesce(judged.changed[c.col], 1) >= greatest(0.05, 3.0 / greatest(one.rows, 1))
                            ORDER BY c.col;
                        END LOOP;
                    END IF;
                END IF;

                -- As it was; this is what later batches are compared with.
                DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = twin.definition_id AND p.batch = one.batch;
                PERFORM pgslo_catalog.profile_batch(twin, mine, columns, one.sample, level, present);
                missed := '{}';
                FOR judged IN SELECT j.* FROM pgslo_catalog.judge_learned(twin.definition_id, one.batch, one.place) AS j ORDER BY j.column_name COLLATE "C" LOOP
                    IF judged.verdict = 'missed' THEN
                        missed := missed || judged.column_name;
                    END IF;
                    IF at > pgslo_catalog.least_batches() THEN
                        backtest.batch := one.batch; batch_rows := one.rows; column_name := judged.column_name; fault := NULL; changed := NULL;
                        verdict := judged.verdict; score := round(judged.score::numeric, 6); said := judged.said;
                        RETURN NEXT;
                    END IF;
                END LOOP;
                PERFORM pgslo_catalog.settle_replayed(twin, mine, missed, backtest.feedback);
                earlier := one.sample;
                EXCEPTION WHEN OTHERS THEN
                    IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                        RAISE;
                    END IF;
                    -- The other batches are replayed. Its message may hold a value.
                    RAISE WARNING USING
                        ERRCODE = '01SL2',
                        MESSAGE = format('batch %s of %s could not be replayed', one.batch, target.name),
                        DETAIL = format('SQLSTATE %s.', SQLSTATE);
                END;
            END LOOP;
        END LOOP;
        -- Rows that are returned stay; all that was written goes.
        RAISE EXCEPTION USING ERRCODE = 'SL099', MESSAGE = 'the replay is undone';
    EXCEPTION WHEN SQLSTATE 'SL099' THEN
        RETURN;
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.backtest(text, integer, bigint, text[], float8, boolean) IS
    'Replay the newest batches of a table with known faults put in, and return how each column was evaluated with (fault) and without; changes nothing.';
