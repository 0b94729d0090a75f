-- What write triggers call. None of these is executable by PUBLIC: nobody can forge a record.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_missed(rule pgslo_catalog.rule, rows bigint, failed bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE
        WHEN rule.at_most IS NOT NULL THEN failed > rule.at_most
        WHEN rule.at_least IS NOT NULL THEN rows > 0 AND (rows - failed)::numeric / rows < rule.at_least
        ELSE failed > 0
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_missed(pgslo_catalog.rule, bigint, bigint) IS 'Whether a batch of so many rows, so many of them failing, misses the rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.open_incident(rule pgslo_catalog.rule, batch text, place numeric) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Never waits for another writer: who does not get the lock leaves the incident to the one who has it.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('pgslo incident', (open_incident.rule).rule_id)) THEN
        RETURN;
    END IF;
    -- Looked up first because an insert that conflicts uses a number up all the same.
    IF EXISTS (
        SELECT FROM pgslo_catalog.incident i
        WHERE i.definition_id = (open_incident.rule).definition_id AND i.rule_id = (open_incident.rule).rule_id AND i.resolved_at IS NULL
    ) THEN
        RETURN;
    END IF;
    INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place)
    VALUES ((open_incident.rule).definition_id, (open_incident.rule).rule_id, open_incident.batch, open_incident.place)
    ON CONFLICT (definition_id, rule_id) WHERE resolved_at IS NULL DO NOTHING;
EXCEPTION WHEN serialization_failure THEN
    NULL;  -- Somebody opened it after this transaction's snapshot was taken.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_incident(pgslo_catalog.rule, text, numeric) IS 'Opens an incident unless the rule has an open one; never waits and never fails the write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.last_missed(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(max(batch.place), incident.opened_place)
    FROM (
        SELECT f.place
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = incident.definition_id AND f.place >= incident.opened_place
        GROUP BY f.batch, f.place
        HAVING pgslo_catalog.is_missed(rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint)
    ) batch
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.last_missed(pgslo_catalog.incident, pgslo_catalog.rule) IS 'Position of the newest batch that misses the rule since the incident opened.';

CREATE OR REPLACE FUNCTION pgslo_catalog.resolve_incident(rule pgslo_catalog.rule, batch text, place numeric) RETURNS void
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
      AND i.resolved_at IS NULL;
    IF NOT FOUND OR pgslo_catalog.last_missed(open, resolve_incident.rule) >= resolve_incident.place THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('pgslo incident', (resolve_incident.rule).rule_id)) THEN
        RETURN;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET resolved_at = clock_timestamp(), resolved_batch = resolve_incident.batch, resolution = 'met'
    FROM (
        SELECT u.incident_id FROM pgslo_catalog.incident u
        WHERE u.incident_id = open.incident_id AND u.resolved_at IS NULL
        FOR UPDATE SKIP LOCKED
    ) mine
    WHERE i.incident_id = mine.incident_id;
EXCEPTION WHEN serialization_failure THEN
    NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.resolve_incident(pgslo_catalog.rule, text, numeric) IS 'Resolves the rule''s open incident if this batch is newer than every batch that missed it; never waits and never fails the write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_statement(definition text, rules text[], batches pgslo_catalog.counted[]) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_statement.definition);
    concerned text[];
    missed text[] := '{}';
    rule pgslo_catalog.rule;
    batch record;
BEGIN
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
    SELECT id, b.batch, b.place, b.rows,
           (SELECT jsonb_object_agg(n.name, n.failed)
            FROM unnest(record_statement.rules, b.failed) AS n (name, failed) WHERE n.failed > 0)
    FROM unnest(record_statement.batches) b;

    concerned := ARRAY(
        SELECT n.name
        FROM unnest(record_statement.batches) b, unnest(record_statement.rules, b.failed) AS n (name, failed)
        WHERE n.failed > 0
        UNION
        SELECT r.name
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.definition_id = id AND i.resolved_at IS NULL
    );
    FOR rule IN
        SELECT r.* FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.name = ANY (concerned) AND r.name = ANY (record_statement.rules)
        ORDER BY r.rule_id
    LOOP
        FOR batch IN
            SELECT b.batch, b.place,
                   pgslo_catalog.is_missed(rule, sum(f.rows)::bigint, coalesce(sum((f.failures ->> rule.name)::bigint), 0)::bigint) AS missed
            FROM unnest(record_statement.batches) b
            JOIN pgslo_catalog.fragment f ON f.definition_id = id AND f.place = b.place AND f.batch = b.batch
            WHERE b.rows > 0
            GROUP BY b.batch, b.place
            ORDER BY b.place
        LOOP
            IF batch.missed THEN
                missed := missed || rule.name;
                PERFORM pgslo_catalog.open_incident(rule, batch.batch, batch.place);
            ELSE
                PERFORM pgslo_catalog.resolve_incident(rule, batch.batch, batch.place);
            END IF;
        END LOOP;
    END LOOP;
    RETURN missed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_statement(text, text[], pgslo_catalog.counted[]) IS 'Appends what a statement wrote, opens or resolves incidents, and returns the rules that its batches miss.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_row(definition text, batch text, place numeric, rules text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule;
BEGIN
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
    SELECT d.definition_id, record_row.batch, record_row.place, 1,
           (SELECT jsonb_object_agg(n.name, 1) FROM unnest(record_row.rules) AS n (name))
    FROM pgslo_catalog.definition d WHERE d.name = record_row.definition;

    FOR rule IN
        SELECT r.*
        FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE d.name = record_row.definition AND r.name = ANY (record_row.rules)
          AND NOT EXISTS (SELECT FROM pgslo_catalog.incident i WHERE i.definition_id = d.definition_id AND i.rule_id = r.rule_id AND i.resolved_at IS NULL)
        ORDER BY r.rule_id
    LOOP
        PERFORM pgslo_catalog.open_incident(rule, record_row.batch, record_row.place);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_row(text, text, numeric, text[]) IS 'Appends one failing row of a streamed table and opens incidents.';

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
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message)
    SELECT r.definition_id, r.rule_id, record_break.error_code, left(record_break.error_message, 1000)
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = record_break.definition AND r.name = record_break.rule
      AND NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.rule_id = r.rule_id);
EXCEPTION WHEN OTHERS THEN
    NULL;  -- Called where something failed already; the write must not fail for the note.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_break(text, text, text, text) IS 'Notes that a rule can no longer be judged, once.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_repair(definition text, rule text, column_name text, row_key text, old_value text, new_value text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, old_value, new_value)
    SELECT d.definition_id, record_repair.rule, record_repair.column_name, record_repair.row_key, record_repair.old_value, record_repair.new_value
    FROM pgslo_catalog.definition d WHERE d.name = record_repair.definition
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_repair(text, text, text, text, text, text) IS 'Keeps the value that a repair replaced.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_quarantine(definition text, relation regclass, operation text, row_key text, row_image record, rules text[], shown text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The image must read back as it was, whatever the writer's session prints dates and numbers like.
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
AS $pgslo$
DECLARE
    by_column jsonb;
BEGIN
    BEGIN
        by_column := to_jsonb(row_image);
    EXCEPTION WHEN OTHERS THEN
        by_column := NULL;  -- json may hold \u0000, which jsonb does not take
    END;
    INSERT INTO pgslo_catalog.quarantine (definition_id, relation, operation, row_key, image, image_text, reasons)
    SELECT d.definition_id, record_quarantine.relation, record_quarantine.operation, record_quarantine.row_key, by_column, row_image::text,
           (SELECT jsonb_agg(jsonb_build_object('rule', r.name, 'promise', r.promise, 'shown', n.shown) ORDER BY n.ordinal)
            FROM unnest(record_quarantine.rules, record_quarantine.shown) WITH ORDINALITY AS n (name, shown, ordinal)
            JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = n.name)
    FROM pgslo_catalog.definition d WHERE d.name = record_quarantine.definition;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_quarantine(text, regclass, text, text, record, text[], text[]) IS 'Keeps a row that is not let into its table, whole, with every reason.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reject(definition text, schema_name text, table_name text, rule text, column_name text, promise text, shown text, row_key text, owner text, also text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
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
COMMENT ON FUNCTION pgslo_catalog.reject(text, text, text, text, text, text, text, text, text, text[]) IS 'Refuses a write as a check constraint does, so that every driver raises its integrity error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_writer(definition text, schema_name text, table_name text, rules text[], owner text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- One warning a statement, also from a trigger that fires for every row.
    statement text := format('%s %s', extract(epoch FROM statement_timestamp()), warn_writer.definition);
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

CREATE OR REPLACE FUNCTION pgslo_catalog.iso(value anyelement) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $pgslo$
    SELECT coalesce(to_jsonb(iso.value) #>> '{}', 'NULL')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.iso(anyelement) IS 'A batch''s name: the same text for the same value whatever the session''s time zone and date style.';
