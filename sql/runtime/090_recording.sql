-- What triggers write down of a statement or a row.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.with_samples(batches pgslo_catalog.measured[], samples pgslo_catalog.measured[])
RETURNS pgslo_catalog.measured[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF with_samples.samples IS NULL THEN
        RETURN with_samples.batches;
    ELSIF cardinality(with_samples.batches) = 1 THEN
        -- Nearly every statement: no join.
        IF with_samples.samples[1].batch = with_samples.batches[1].batch THEN
            with_samples.batches[1].sample := with_samples.samples[1].sample;
        END IF;
        RETURN with_samples.batches;
    END IF;
    RETURN ARRAY(
        SELECT ROW(b.batch, b.place, b.rows, b.present, b.tallies, b.failed, coalesce(s.sample, b.sample))::pgslo_catalog.measured
        FROM unnest(with_samples.batches) WITH ORDINALITY AS b
        LEFT JOIN unnest(with_samples.samples) AS s ON s.batch = b.batch
        ORDER BY b.ordinality);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.with_samples(pgslo_catalog.measured[], pgslo_catalog.measured[]) IS 'Return batches, each with its sample.';

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
           level, nullif(append_fragments.columns, '{}'), b.sample
    FROM unnest(pgslo_catalog.with_samples(append_fragments.batches, append_fragments.samples)) WITH ORDINALITY AS b;
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
    batch pgslo_catalog.measured;
    remaining integer;
    unwritten pgslo_catalog.measured[] := '{}';
    -- Earlier batches cannot resolve an open incident.
    open_from numeric := (
        SELECT min(i.opened_place) FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.over_at IS NULL);
    judged record;
    failing text[];
    resolvable bigint[];
    is_missed boolean;
    missed text[] := '{}';
    -- Each incident that opens and resolves in one statement makes the next one dearer.
    resolved integer := 0;
    most constant integer := 100;
BEGIN
    -- A statement that wrote no row has none.
    IF coalesce(cardinality(record_statement.batches), 0) = 0 THEN
        RETURN '{}';
    END IF;
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
    record_statement.batches := pgslo_catalog.with_samples(record_statement.batches, record_statement.samples);
    remaining := cardinality(record_statement.batches);
    IF remaining > 1 THEN
        record_statement.batches := ARRAY(
            SELECT ROW(w.batch, w.place, w.rows, w.present, w.tallies, w.failed, w.sample)::pgslo_catalog.measured
            FROM (
                SELECT b.batch, coalesce(b.place, pgslo_catalog.arrival(id, b.batch)) AS place, b.rows, b.present, b.tallies, b.failed, b.sample
                FROM unnest(record_statement.batches) AS b
            ) w
            ORDER BY w.place);
    ELSIF record_statement.batches[1].place IS NULL THEN
        record_statement.batches[1].place := pgslo_catalog.arrival(id, record_statement.batches[1].batch);
    END IF;
    -- Batch by batch: one that is later in the same statement is later for its incidents as well.
    FOREACH batch IN ARRAY record_statement.batches LOOP
        remaining := remaining - 1;
        unwritten := unwritten || batch;
        failing := ARRAY(
            SELECT n.name FROM unnest(record_statement.rules, batch.failed) AS n (name, failed) WHERE n.failed > 0);
        -- Those that neither open nor resolve an incident are appended together.
        CONTINUE WHEN failing = '{}' AND (open_from IS NULL OR batch.place <= open_from);
        PERFORM pgslo_catalog.append_fragments(id, record_statement.operation, 1, record_statement.columns,
            record_statement.tallies, record_statement.rules, unwritten, NULL, record_statement.mask);
        unwritten := '{}';

        resolvable := '{}';
        IF batch.place > open_from THEN
            resolvable := ARRAY(
                SELECT i.rule_id FROM pgslo_catalog.incident i
                WHERE i.definition_id = id AND i.over_at IS NULL AND i.opened_place < batch.place);
        END IF;
        FOR judged IN
            SELECT r AS rule, r.name, r.name = ANY (failing) AS has_failures, r.at_least IS NULL AND r.at_most IS NULL AS is_plain,
                   i.opened_place,
                   EXISTS (
                       SELECT FROM pgslo_catalog.missed_batch m
                       WHERE m.rule_id = r.rule_id AND m.batch = batch.batch AND m.ended_at IS NULL) AS is_recorded
            FROM pgslo_catalog.rule r
            LEFT JOIN pgslo_catalog.incident i ON i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL
            WHERE r.definition_id = id AND r.name = ANY (record_statement.rules)
              AND (r.name = ANY (failing) OR r.rule_id = ANY (resolvable))
            ORDER BY r.rule_id
        LOOP
            -- Rows of a plain rule that fail miss it at once; only for others, and to resolve, are sums looked up.
            is_missed := judged.has_failures AND (judged.is_plain OR pgslo_catalog.batch_is_missed(judged.rule, batch.batch));
            IF is_missed THEN
                missed := missed || judged.name;
                IF judged.opened_place IS NULL THEN
                    PERFORM pgslo_catalog.open_incident(judged.rule, batch.batch, batch.place);
                END IF;
                IF NOT judged.is_recorded THEN
                    PERFORM pgslo_catalog.record_missed(judged.rule, batch.batch, batch.place);
                END IF;
            ELSIF judged.opened_place < batch.place
                -- Beyond a number, incidents of the statement stay open until its last batch.
                AND (resolved < most OR remaining = 0)
                AND (judged.has_failures OR NOT pgslo_catalog.batch_is_missed(judged.rule, batch.batch)) THEN
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
COMMENT ON FUNCTION pgslo_catalog.record_statement(text, text, text[], text[], text[], pgslo_catalog.measured[], pgslo_catalog.measured[], bigint) IS
    'Append the records of a statement, open or resolve incidents, and return the rules that its batches miss.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, row_key text, rules text[], shown text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_row.definition);
    known numeric := coalesce(record_row.place, pgslo_catalog.arrival(id, record_row.batch));
    failures jsonb := jsonb_build_object(record_row.rules[1], 1);
    violated record;
BEGIN
    IF cardinality(record_row.rules) > 1 THEN
        failures := (SELECT jsonb_object_agg(n.name, 1) FROM unnest(record_row.rules) AS n (name));
    END IF;
    -- No row is counted here: those that pass would be missing.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
    VALUES (id, record_row.batch, known, 0, failures);

    FOR violated IN
        SELECT r AS rule, r.name,
               (SELECT count(*) FROM pgslo_catalog.sample s WHERE s.rule_id = r.rule_id AND s.batch = record_row.batch) < r.samples AS is_sampled,
               EXISTS (
                   SELECT FROM pgslo_catalog.incident i
                   WHERE i.definition_id = id AND i.rule_id = r.rule_id AND i.over_at IS NULL)
               AND EXISTS (
                   SELECT FROM pgslo_catalog.missed_batch m
                   WHERE m.rule_id = r.rule_id AND m.batch = record_row.batch AND m.ended_at IS NULL) AS is_recorded
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.name = ANY (record_row.rules)
        ORDER BY r.rule_id
    LOOP
        IF violated.is_sampled THEN
            PERFORM pgslo_catalog.record_sample(record_row.definition, violated.name, record_row.batch, record_row.row_key,
                record_row.shown[array_position(record_row.rules, violated.name)]);
        END IF;
        IF NOT violated.is_recorded THEN
            PERFORM pgslo_catalog.open_incident(violated.rule, record_row.batch, known);
            PERFORM pgslo_catalog.record_missed(violated.rule, record_row.batch, known);
        END IF;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_row(text, text, numeric, text, text[], text[]) IS
    'Append one failing row of a streamed table, record its batch as missed and open incidents.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_sample(definition text, rule text, batch text, row_key text, shown text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.sample (rule_id, batch, row_key, shown)
    SELECT r.rule_id, record_sample.batch, left(record_sample.row_key, 1000), left(record_sample.shown, 1000)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = record_sample.definition AND r.name = record_sample.rule
      AND (SELECT count(*) FROM pgslo_catalog.sample s WHERE s.rule_id = r.rule_id AND s.batch = record_sample.batch) < r.samples;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_sample(text, text, text, text, text) IS 'Store the key of a failing row, up to a number per rule and batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_samples(definition text, rule text, batches pgslo_catalog.measured[]) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN cardinality(has_samples.batches) = 1 AND (
        SELECT (SELECT count(*) FROM pgslo_catalog.sample s WHERE s.rule_id = r.rule_id AND s.batch = has_samples.batches[1].batch) >= r.samples
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = has_samples.definition AND r.name = has_samples.rule);
EXCEPTION WHEN OTHERS THEN
    -- The write does not fail for samples; what stores them reports what cannot be stored.
    IF pgslo_catalog.must_raise(SQLSTATE, false) THEN
        RAISE;
    END IF;
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_samples(text, text, pgslo_catalog.measured[]) IS
    'Return whether the only one of these batches has as many failing rows of a rule as are kept.';

CREATE OR REPLACE FUNCTION pgslo_catalog.kept_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
AS $pgslo$
BEGIN
    RETURN CASE WHEN num_nulls(value) = 0 THEN concat(value) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.kept_text(anyelement) IS
    'Return a value as people read it, whatever the session prints such values like; a time in the time zone of the session.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, old_value, new_value)
    SELECT d.definition_id, record_repair.rule, record_repair.column_name, record_repair.row_key, record_repair.old_value, record_repair.new_value
    FROM pgslo_catalog.definition d WHERE d.name = record_repair.definition
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_repair(text, text, text, text, text, text) IS 'Store the value that a repair replaced.';
