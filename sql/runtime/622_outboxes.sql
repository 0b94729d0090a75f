-- What triggers note on the nodes of a cluster, and tick() reads on the coordinator. The first functions run on every node.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.reject_on_shard(
    definition text, rule text, failing bigint, promise text, owner text, about text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF reject_on_shard.failing = 0 THEN
        RETURN;
    END IF;
    -- As pgslo_catalog.reject(), which reads tables. Only a statement on one shard could identify the row.
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('new row for %s violates rule "%s"', reject_on_shard.definition, reject_on_shard.rule),
        DETAIL = format('%s of the statement on one shard; expected: %s.',
            CASE reject_on_shard.failing WHEN 1 THEN '1 row' ELSE reject_on_shard.failing || ' rows' END, reject_on_shard.promise),
        HINT = format('Correct the row, or contact the owner of the rule, %s.', reject_on_shard.owner),
        SCHEMA = split_part(reject_on_shard.definition, '.', 1),
        TABLE = substr(reject_on_shard.definition, strpos(reject_on_shard.definition, '.') + 1),
        COLUMN = reject_on_shard.about,
        CONSTRAINT = reject_on_shard.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reject_on_shard(text, text, bigint, text, text, text) IS
    'Refuse a statement on a shard if rows of it violate a rule. Reads no table, as no node but the coordinator has those of pgslo.';

CREATE OR REPLACE FUNCTION pgslo_catalog.row_text(value record) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
SET lc_monetary = 'C'
AS $pgslo$
BEGIN
    -- A row whose columns are all NULL is not NULL itself.
    RETURN CASE WHEN value IS NOT DISTINCT FROM NULL THEN NULL ELSE concat(value) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.row_text(record) IS 'Return a row as a text that reads back as it was, whatever the settings of the session.';

CREATE OR REPLACE FUNCTION pgslo_catalog.take_diverted(target pgslo_catalog.definition, told jsonb, writer text, noted_at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As the text was written: pgslo_catalog.row_text().
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
SET lc_monetary = 'C'
AS $pgslo$
DECLARE
    rules text[] := ARRAY(SELECT jsonb_array_elements_text(told -> 'rules'));
    shown text[] := ARRAY(SELECT jsonb_array_elements_text(told -> 'shown'));
BEGIN
    BEGIN
        PERFORM pgslo_catalog.pin_table(take_diverted.target, (take_diverted.target).recount);
        -- Text becomes a row by what reads its types; a column may have come since, of a type or a domain that calls functions of others.
        IF EXISTS (
            SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = (take_diverted.target).relation AND a.attnum > 0 AND NOT a.attisdropped AND t.typnamespace <> 'pg_catalog'::regnamespace)
        THEN
            RAISE datatype_mismatch;
        END IF;
        EXECUTE format('SELECT pgslo_catalog.record_quarantine($1, $2, $3, $4, $5::%1$s, $6::%1$s, $7, $8)', (take_diverted.target).relation)
        USING (take_diverted.target).name, (take_diverted.target).relation, told ->> 'operation', told ->> 'key',
            told ->> 'old', told ->> 'new', rules, shown;
    EXCEPTION WHEN OTHERS THEN
        IF pgslo_catalog.is_transient(SQLSTATE) THEN
            RAISE;
        END IF;
        -- The columns changed since, or are not PostgreSQL's own. The row is kept as text, with the columns that the table has now.
        INSERT INTO pgslo_catalog.quarantine (definition_id, relation, columns, operation, row_key, image_text, reasons)
        SELECT (take_diverted.target).definition_id, (take_diverted.target).relation,
               pgslo_catalog.columns_of((take_diverted.target).relation), told ->> 'operation', told ->> 'key', told ->> 'new',
               (SELECT jsonb_agg(jsonb_build_object('rule', n.name, 'promise', '', 'shown', n.shown) ORDER BY n.ordinal)
                FROM unnest(rules, shown) WITH ORDINALITY AS n (name, shown, ordinal));
    END;
    UPDATE pgslo_catalog.quarantine q SET writer = take_diverted.writer, written_at = take_diverted.noted_at
    WHERE q.quarantine_id = currval(pg_get_serial_sequence('pgslo_catalog.quarantine', 'quarantine_id'));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_diverted(pgslo_catalog.definition, jsonb, text, timestamptz) IS
    'Put a row into quarantine that a trigger diverted on a shard.';

CREATE OR REPLACE FUNCTION pgslo_catalog.take_note(target pgslo_catalog.definition, called text, told jsonb, writer text, noted_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF take_note.called = 'quarantine' THEN
        PERFORM pgslo_catalog.take_diverted(take_note.target, take_note.told, take_note.writer, take_note.noted_at);
    ELSIF take_note.called = 'repairs' THEN
        INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, old_value, new_value, writer, written_at)
        SELECT (take_note.target).definition_id, v.rule, v.column_name, take_note.told ->> 'key', v.old_value, v.new_value,
               take_note.writer, take_note.noted_at
        FROM jsonb_populate_recordset(NULL::pgslo_catalog.repaired_value, take_note.told -> 'values') AS v;
    ELSIF take_note.called = 'batches' THEN
        -- However often a batch was written to, it is counted once.
        INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
        SELECT (take_note.target).definition_id, b.name, b.place::numeric, false
        FROM jsonb_each_text(take_note.told) AS b (name, place)
        ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
    ELSIF take_note.called = 'emptied' THEN
        INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
        SELECT (take_note.target).definition_id, k.name, min(k.place), false
        FROM (
            SELECT b.name, b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = (take_note.target).definition_id AND b.rows <> 0
            UNION ALL
            SELECT f.batch, f.place FROM pgslo_catalog.fragment f
            WHERE f.definition_id = (take_note.target).definition_id AND f.batch <> ''
        ) AS k
        GROUP BY k.name
        ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_note(pgslo_catalog.definition, text, jsonb, text, timestamptz) IS
    'Take over one note of a trigger on a shard: batches to count, a row in quarantine, or repairs.';

CREATE OR REPLACE FUNCTION pgslo_catalog.drain_outbox(outbox text, until timestamptz DEFAULT 'infinity') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    noted regclass := to_regclass(drain_outbox.outbox);
    note_id uuid;
    called text;
    told jsonb;
    writer text;
    noted_at timestamptz;
    is_emptied boolean := false;
    ids uuid[];
    failed uuid[] := '{}';
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE to_regclass('pgslo_gen.' || quote_ident(d.outbox)) = noted;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Notes are removed in the transaction that takes them over, on every node or on none. The rows of a note are
    -- visible to what counts them later, as they were written by its transaction on its node.
    -- Row by row: a writer decides how many notes there are, and how large. Batches come first, as readers wait for them.
    FOR called, told, writer, noted_at IN EXECUTE format(
        $sql$DELETE FROM %s WHERE called IN ('batches', 'emptied') RETURNING called, told, writer, noted_at$sql$, noted)
    LOOP
        -- The table was emptied once or often: the same batches have to be counted.
        IF called = 'batches' OR NOT is_emptied THEN
            PERFORM pgslo_catalog.take_note(target, called, told, writer, noted_at);
        END IF;
        is_emptied := is_emptied OR called = 'emptied';
    END LOOP;
    LOOP
        ids := '{}';
        FOR note_id, called, told, writer, noted_at IN EXECUTE format(
            $sql$SELECT note_id, called, told, writer, noted_at FROM %s WHERE called IN ('quarantine', 'repairs') ORDER BY noted_at LIMIT 100$sql$, noted)
        LOOP
            BEGIN
                PERFORM pgslo_catalog.take_note(target, called, told, writer, noted_at);
                ids := ids || note_id;
            EXCEPTION WHEN OTHERS THEN
                IF pgslo_catalog.is_transient(SQLSTATE) THEN
                    RAISE;
                END IF;
                -- It stays where it is, and keeps no other one waiting.
                failed := failed || note_id;
                PERFORM pgslo_catalog.record_break(target.name, NULL, SQLSTATE, SQLERRM);
            END;
        END LOOP;
        EXIT WHEN ids = '{}' AND failed = '{}';
        EXECUTE format('DELETE FROM %s WHERE note_id = ANY ($1)', noted) USING ids;
        IF failed <> '{}' THEN
            EXECUTE format($sql$UPDATE %s SET called = 'failed ' || called WHERE note_id = ANY ($1)$sql$, noted) USING failed;
            failed := '{}';
        END IF;
        EXIT WHEN clock_timestamp() > drain_outbox.until;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.drain_outbox(text, timestamptz) IS
    'Take over what triggers noted on shards: batches to count, then rows in quarantine and repairs, the oldest first, until a time. '
    'No effect for a table without an outbox.';
