-- What triggers write down of a statement or a row.
SET LOCAL search_path = pg_catalog, pg_temp;

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
COMMENT ON FUNCTION pgslo_catalog.record_statement(text, text, text[], text[], text[], pgslo_catalog.measured[], pgslo_catalog.measured[], bigint) IS
    'Append the records of a statement, open or resolve incidents, and return the rules that its batches miss.';

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
COMMENT ON FUNCTION pgslo_catalog.record_row(text, text, numeric, text, text[], text[]) IS
    'Append one failing row of a streamed table, record its batch as missed and open incidents.';

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
COMMENT ON FUNCTION pgslo_catalog.record_sample(text, text, text, text, text) IS 'Store the key of a failing row, up to a number per rule and batch.';

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
