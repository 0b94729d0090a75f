-- How good the alerts of learned bounds are on a table: its own history is replayed with known faults put into it.
-- The judge is the one that judges new batches; what it writes meanwhile is undone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.fault_kinds(OUT ordinal integer, OUT name text, OUT kinds text[], OUT words text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 11
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    VALUES
    (1, 'null_burst', ARRAY['number', 'time', 'text', 'presence'], '15 to 75 % of the values are missing'),
    (2, 'unit_change', ARRAY['number'], 'all values are in another unit: times 1000, 100, 1.609344, 0.3048, 0.01 or 0.001'),
    (3, 'stale', ARRAY['number', 'time', 'text'], 'all values are those of the batch before'),
    (4, 'frozen', ARRAY['number', 'time', 'text'], 'all values are the same one'),
    (5, 'swapped', ARRAY['number', 'time', 'text'], 'all values are those of another column'),
    (6, 'recoded', ARRAY['text', 'code'], 'all values are written in another way: capitals, numbers, codes that begin with 1'),
    (7, 'default_filled', ARRAY['number', 'time', 'text'], '15 to 75 % of the values are a default: 0, -1, 9999, an empty text, unknown, 1970'),
    (8, 'truncated', ARRAY['number', 'time', 'text'], 'texts are cut, numbers lose their decimals, times their hour'),
    (9, 'shifted', ARRAY['time'], 'all times are off by 1 to 12 hours, or a day'),
    (10, 'duplicates', ARRAY['table'], '15 to 75 % of the rows are there twice'),
    (11, 'volume', ARRAY['table'], '10 to 70 % of the rows are there, or 1.7 to 3 times as many')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.fault_kinds() IS 'The faults that a backtest puts into batches, and what they are about.';

CREATE OR REPLACE FUNCTION pgslo_catalog.chance(what text, seed bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT (hashtextextended(chance.what COLLATE "C", chance.seed) & 1048575) / 1048576.0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.chance(text, bigint) IS 'A number from 0 to 1 that is the same for the same text and seed, on every server.';

CREATE OR REPLACE FUNCTION pgslo_catalog.broken_value(fault text, kind text, value text, part float8, strength float8, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE broken_value.fault
        WHEN 'null_burst' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value END
        WHEN 'stale' THEN other
        WHEN 'swapped' THEN other
        WHEN 'frozen' THEN CASE WHEN value IS NOT NULL THEN other END
        WHEN 'unit_change' THEN CASE WHEN abs(value::numeric) > 1e250 THEN value ELSE round(value::numeric * (ARRAY[1000, 100, 1.609344, 0.3048, 0.01, 0.001])[1 + floor(6 * strength)::integer], least(coalesce(scale(value::numeric), 0) + 3, 1000))::text END
        WHEN 'default_filled' THEN CASE WHEN part >= 0.15 + 0.6 * strength THEN value ELSE
            CASE kind WHEN 'number' THEN (ARRAY['0', '-1', '9999'])[1 + floor(3 * strength)::integer]
                      WHEN 'time' THEN '0.000000' ELSE (ARRAY['', 'unknown', 'N/A'])[1 + floor(3 * strength)::integer] END END
        WHEN 'recoded' THEN CASE
            WHEN kind <> 'text' THEN (value::numeric + 1)::text
            WHEN strength < 0.5 THEN CASE WHEN upper(value) <> value THEN upper(value) ELSE lower(value) END
            ELSE (100 + hashtextextended(value COLLATE "C", 0) & 511)::text END
        WHEN 'truncated' THEN CASE kind WHEN 'number' THEN trunc(value::numeric)::text
                                        WHEN 'time' THEN (86400 * floor(value::numeric / 86400))::text ELSE left(value, other::integer) END
        WHEN 'shifted' THEN (value::numeric + 3600 * (ARRAY[1, 2, -5, 8, 12, 24])[1 + floor(6 * strength)::integer])::text
        ELSE value
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.broken_value(text, text, text, float8, float8, text) IS 'A value as a fault leaves it; other is the value that takes its place, or the length to which it is cut.';

CREATE OR REPLACE FUNCTION pgslo_catalog.break_columns(sample text[], earlier text[], kinds text[], faults text[], partners integer[], batch text, seed bigint, OUT broken text[], OUT changed float8[])
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH cell AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(sample, 2))::integer AS row, ((u.i - 1) % array_length(sample, 2))::integer AS col, u.value
        FROM unnest(sample) WITH ORDINALITY AS u (value, i)
    ), line AS MATERIALIZED (
        SELECT c.row, max(c.value) FILTER (WHERE c.col = 0) AS entity,
               hashtextextended(string_agg(coalesce(c.value, '-'), '|' ORDER BY c.col) COLLATE "C", seed) AS hash
        FROM cell c GROUP BY c.row
    ), past AS MATERIALIZED (
        SELECT ((u.i - 1) / array_length(earlier, 2))::integer AS row, ((u.i - 1) % array_length(earlier, 2))::integer AS col, u.value
        FROM unnest(earlier) WITH ORDINALITY AS u (value, i)
    ), past_line AS MATERIALIZED (
        SELECT DISTINCT ON (p.value) p.value AS entity, p.row FROM past p WHERE p.col = 0 AND p.value IS NOT NULL ORDER BY p.value, p.row
    ), past_rows AS (
        SELECT greatest(coalesce(array_length(earlier, 1), 0), 1) AS n
    ), taken AS MATERIALIZED (
        -- The same entity's row of the batch before; where there is none, the row in the same place.
        SELECT l.row, coalesce(p.row, l.row % r.n) AS past_row FROM line l CROSS JOIN past_rows r LEFT JOIN past_line p USING (entity)
    ), again AS MATERIALIZED (
        -- Values of other entities look like any day's: eight that recur are the least that is compared.
        SELECT count(p.row) >= 8 AS is_seen FROM line l JOIN past_line p USING (entity)
    ), about AS MATERIALIZED (
        SELECT f.col::integer AS col, f.fault, kinds[f.col] AS kind, partners[f.col] AS partner, pgslo_catalog.chance(batch || '/' || f.col, seed) AS strength
        FROM unnest(faults) WITH ORDINALITY AS f (fault, col) WHERE f.fault IS NOT NULL
    ), fixed AS MATERIALIZED (
        SELECT a.col, (array_agg(c.value ORDER BY l.hash) FILTER (WHERE c.value IS NOT NULL))[1] AS frozen,
               greatest(1, floor(avg(length(c.value)) * (0.3 + 0.5 * a.strength)))::integer AS cut
        FROM about a JOIN cell c USING (col) JOIN line l USING (row)
        GROUP BY a.col, a.strength
    ), made AS MATERIALIZED (
        SELECT c.row, c.col, c.value, a.fault,
               CASE WHEN a.fault IS NULL THEN c.value ELSE
                   pgslo_catalog.broken_value(a.fault, a.kind, c.value, pgslo_catalog.chance(a.col::text, l.hash), a.strength,
                       CASE a.fault WHEN 'stale' THEN p.value WHEN 'swapped' THEN s.value WHEN 'frozen' THEN f.frozen WHEN 'truncated' THEN f.cut::text END) END AS now
        FROM cell c
        JOIN line l USING (row)
        LEFT JOIN about a ON a.col = c.col
        LEFT JOIN fixed f ON f.col = a.col
        LEFT JOIN taken t ON t.row = c.row AND a.fault = 'stale'
        LEFT JOIN past p ON p.row = t.past_row AND p.col = c.col
        LEFT JOIN cell s ON s.row = c.row AND s.col = a.partner AND a.fault = 'swapped'
    )
    SELECT (SELECT array_agg(r.one ORDER BY r.row) FROM (SELECT m.row, array_agg(m.now ORDER BY m.col) AS one FROM made m GROUP BY m.row) r),
           (SELECT array_agg(d.share ORDER BY d.col) FROM (
                SELECT m.col, CASE WHEN a.is_seen OR bool_and(m.fault IS DISTINCT FROM 'stale') THEN avg((m.now IS DISTINCT FROM m.value)::integer)::float8 END AS share
                FROM made m CROSS JOIN again a WHERE m.col > 0 GROUP BY m.col, a.is_seen) d)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.break_columns(text[], text[], text[], text[], integer[], text, bigint) IS
    'A sample with a fault in each of some columns, and the share of the values of each that it changed; NULL where nothing of that can be seen.';

CREATE OR REPLACE FUNCTION pgslo_catalog.break_rows(sample text[], fault text, rows bigint, batch text, seed bigint, OUT broken text[], OUT broken_rows bigint)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH line AS MATERIALIZED (
        SELECT r.one, r.i, pgslo_catalog.chance(array_to_string(r.one, '|', '-'), seed) AS part, pgslo_catalog.chance(batch || '/*', seed) AS strength
        FROM pgslo_catalog.sample_rows(sample) WITH ORDINALITY AS r (one, i)
    ), made AS (
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' OR l.strength >= 0.5 OR l.part < 0.1 + 1.2 * l.strength
        UNION ALL
        SELECT l.one, l.i FROM line l WHERE fault = 'duplicates' AND l.part < 0.15 + 0.6 * l.strength
    )
    SELECT array_agg(m.one ORDER BY m.i),
           CASE WHEN fault = 'volume' AND s.strength >= 0.5 THEN rows * (1.7 + 2.6 * (s.strength - 0.5))
                ELSE rows * count(*)::float8 / greatest(array_length(sample, 1), 1) END::bigint
    FROM made m CROSS JOIN (SELECT pgslo_catalog.chance(batch || '/*', seed) AS strength) s
    GROUP BY s.strength
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.break_rows(text[], text, bigint, text, bigint) IS 'A sample and a number of rows with a fault in the batch as a whole.';

CREATE OR REPLACE FUNCTION pgslo_catalog.kinds_of(definition_id bigint, columns text[], sample text[]) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- presence: of values that are not looked into; code: few whole numbers.
    SELECT array_agg(CASE
               WHEN s.longest = 0 THEN 'presence'
               WHEN w.kind = 'number' AND s.whole AND s.different BETWEEN 2 AND 12 THEN 'code'
               ELSE w.kind END ORDER BY w.ordinal)
    FROM pgslo_catalog.watched_column w
    JOIN unnest(columns) WITH ORDINALITY AS c (name, col) ON c.name = w.column_name
    LEFT JOIN (
        SELECT (u.i - 1) % array_length(sample, 2) AS col, max(length(u.value)) AS longest, count(DISTINCT u.value) AS different,
               bool_and(u.value COLLATE "C" ~ '^-?[0-9]{1,9}$') AS whole
        FROM unnest(sample) WITH ORDINALITY AS u (value, i) GROUP BY 1
    ) s USING (col)
    WHERE w.definition_id = kinds_of.definition_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.kinds_of(bigint, text[], text[]) IS 'What the columns of a sample hold, as far as faults go by it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.choose_faults(kinds text[], faults text[], turn integer, seed bigint, OUT chosen text[], OUT partners integer[])
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH one AS (
        SELECT k.col::integer AS col, k.kind, CASE k.kind WHEN 'code' THEN 'number' ELSE k.kind END AS base FROM unnest(kinds) WITH ORDINALITY AS k (kind, col)
    ), other AS (
        -- The next column of the same kind, round and round.
        SELECT o.col, (SELECT p.col FROM one p WHERE p.base = o.base AND p.col <> o.col ORDER BY p.col < o.col, p.col LIMIT 1) AS partner FROM one o
    ), fit AS (
        SELECT o.col, q.partner,
               ARRAY(SELECT f.name FROM pgslo_catalog.fault_kinds() f
                     WHERE (o.kind = ANY (f.kinds) OR o.base = ANY (f.kinds)) AND (f.name <> 'swapped' OR q.partner IS NOT NULL)
                       AND (choose_faults.faults IS NULL OR f.name = ANY (choose_faults.faults))
                     ORDER BY f.ordinal) AS names
        FROM one o JOIN other q USING (col)
    )
    -- In turn, so that each is tried about as often; each column begins with another.
    SELECT array_agg(f.names[1 + mod(turn + floor(1000 * pgslo_catalog.chance('turn/' || f.col, seed))::integer, greatest(cardinality(f.names), 1))] ORDER BY f.col),
           array_agg(f.partner ORDER BY f.col)
    FROM fit f
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.choose_faults(text[], text[], integer, bigint) IS 'A fault for each column in its turn, NULL where none fits, and the column of the same kind that it would be swapped with.';

CREATE OR REPLACE FUNCTION pgslo_catalog.twin_of(target pgslo_catalog.definition, sensitivity float8) RETURNS pgslo_catalog.definition
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    twin pgslo_catalog.definition := twin_of.target;
BEGIN
    twin.definition_id := nextval(pg_get_serial_sequence('pgslo_catalog.definition', 'definition_id'));
    twin.name := format('backtest of %s by %s', twin_of.target.name, pg_backend_pid());
    -- No table stands behind it: the column only has to be unique, and such numbers are not given to tables.
    twin.relation := (4294967295 - pg_backend_pid())::oid::regclass;
    twin.sensitivity := coalesce(twin_of.sensitivity, twin.sensitivity);
    INSERT INTO pgslo_catalog.definition OVERRIDING SYSTEM VALUE SELECT twin.*;
    INSERT INTO pgslo_catalog.watched_column (definition_id, ordinal, column_name, kind)
    SELECT twin.definition_id, w.ordinal, w.column_name, w.kind FROM pgslo_catalog.watched_column w WHERE w.definition_id = twin_of.target.definition_id;
    INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise)
    SELECT twin.definition_id, r.name, r.kind, r.columns, r.on_breach, 0, r.mechanism, r.promise
    FROM pgslo_catalog.rule r WHERE r.definition_id = twin_of.target.definition_id AND r.kind = 'learned' AND NOT r.measure ? 'form' AND r.retired_at IS NULL;
    RETURN twin;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.twin_of(pgslo_catalog.definition, float8) IS 'A definition that learns as another does, without a table and with no history; for a transaction that is undone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settle_replayed(twin pgslo_catalog.definition, batch pgslo_catalog.batch, missed text[], feedback boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    false_alarm pgslo_catalog.incident;
BEGIN
    UPDATE pgslo_catalog.profile p SET baseline = false
    WHERE p.definition_id = settle_replayed.twin.definition_id AND p.batch = settle_replayed.batch.name AND p.column_name = ANY (settle_replayed.missed);
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
COMMENT ON FUNCTION pgslo_catalog.settle_replayed(pgslo_catalog.definition, pgslo_catalog.batch, text[], boolean) IS 'What becomes of the alarms about a batch without a fault: it leaves the baseline, or they are told to be false.';

CREATE OR REPLACE FUNCTION pgslo.backtest(definition text, batches integer DEFAULT 120, seed bigint DEFAULT 1, faults text[] DEFAULT NULL, sensitivity float8 DEFAULT NULL, feedback boolean DEFAULT true)
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
            MESSAGE = format('there is no fault "%s"', wrong[1]),
            HINT = (SELECT 'Faults are ' || string_agg(k.name, ', ' ORDER BY k.ordinal) || '.' FROM pgslo_catalog.fault_kinds() k);
    END IF;
    SELECT array_agg(n.name ORDER BY n.place), array_agg(n.rows ORDER BY n.place) INTO names, counts FROM pgslo_catalog.newest_batches(target, backtest.batches) AS n;
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
                -- With faults: one in every column that one fits, or one in the batch as a whole. Columns are judged each by itself.
                IF at > pgslo_catalog.least_batches() AND one.sample IS NOT NULL THEN
                    IF at % 4 = 0 AND table_faults IS NOT NULL THEN
                        chosen := ARRAY[table_faults[1 + at / 4 % cardinality(table_faults)]];
                        whole := mine;
                        SELECT r.broken, r.broken_rows INTO broken, whole.rows FROM pgslo_catalog.break_rows(one.sample, chosen[1], one.rows, one.batch, backtest.seed) AS r;
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
                                    SELECT jsonb_object_agg(c.name, round(least(CASE WHEN t.was > 0 THEN coalesce((present ->> c.name)::numeric, 0) * t.now / t.was ELSE t.now END, one.rows)))
                                    FROM unnest(columns) WITH ORDINALITY AS c (name, col) JOIN there t USING (col))) AS done, m.changed
                                FROM made m
                            )
                            SELECT t.changed FROM taken t
                        LOOP
                            -- The last digits depend on the order in which floats are added up: what is told is rounded.
                            -- Nobody could see a fault that changed next to nothing: it is none.
                            RETURN QUERY
                            SELECT one.batch, one.rows, j.column_name, chosen[c.col], judged.changed[c.col], v.verdict,
                                   CASE WHEN v.verdict <> 'left out' THEN round(j.score::numeric, 6)::float8 END,
                                   CASE WHEN v.verdict = 'left out' THEN 'entities do not recur: nobody sees that these are values of the batch before' ELSE j.said END
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
COMMENT ON FUNCTION pgslo.backtest(text, integer, bigint, text[], float8, boolean) IS 'Replays the newest batches of a table with known faults put in, and tells how each column was judged with (fault) and without; changes nothing.';
