-- Rows that go to quarantine instead of the table.
SET LOCAL search_path = pg_catalog, pg_temp;

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
    -- The existing row violates those rules as well. A rule that names no column may be about any.
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
            DETAIL = format('A foreign key, or a trigger, changes column "%s"; expected: %s. Such an update cannot be quarantined.',
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
    'Return whether an update of a row that violates quarantine rules is stored all the same: it changes no column '
    'that they read. An error if it may be what a foreign key does.';

CREATE OR REPLACE FUNCTION pgslo_catalog.columns_of(relation regclass) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.attrelid::bigint) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    WHERE a.attrelid = columns_of.relation AND a.attnum > 0 AND NOT a.attisdropped
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.columns_of(regclass) IS
    'Return number and name of each column, in order, and the number of its table: a restored dump has others.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_quarantine(
    definition text, relation regclass, operation text, row_key text, old_row record, row_image record,
    rules text[], shown text[]
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The image must read back as it was, whatever the writer's session prints dates and numbers like.
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
SET lc_monetary = 'C'
AS $pgslo$
DECLARE
    by_column jsonb;
    old_key text[];
BEGIN
    IF record_quarantine.operation = 'UPDATE' THEN
        BEGIN
            EXECUTE format('SELECT ARRAY[%s]::text[]', (
                SELECT string_agg(format('pgslo_catalog.iso_text(($1).%I)', k.name), ', ' ORDER BY k.ordinal)
                FROM pgslo_catalog.definition d CROSS JOIN unnest(d.key_columns) WITH ORDINALITY AS k (name, ordinal)
                WHERE d.name = record_quarantine.definition))
            INTO old_key USING record_quarantine.old_row;
        EXCEPTION WHEN OTHERS THEN
            old_key := NULL;  -- A renamed key, for example.
        END;
    END IF;
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
    SELECT d.definition_id, record_quarantine.relation, pgslo_catalog.columns_of(record_quarantine.relation), record_quarantine.operation,
           record_quarantine.row_key, by_column, concat(row_image),
           (SELECT jsonb_object_agg(k.name, k.value) FROM unnest(d.key_columns, old_key) AS k (name, value) WHERE old_key IS NOT NULL),
           CASE WHEN record_quarantine.operation = 'UPDATE'
                THEN pgslo_catalog.changed_columns(record_quarantine.relation, record_quarantine.old_row, record_quarantine.row_image) END,
           (SELECT jsonb_agg(jsonb_build_object('rule', r.name, 'promise', r.promise, 'shown', n.shown) ORDER BY n.ordinal)
            FROM unnest(record_quarantine.rules, record_quarantine.shown) WITH ORDINALITY AS n (name, shown, ordinal)
            JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.name = n.name)
    FROM pgslo_catalog.definition d WHERE d.name = record_quarantine.definition;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_quarantine(text, regclass, text, text, record, record, text[], text[])
    IS 'Keep a row that is not stored in its table, whole, with every reason and the columns that an UPDATE changes.';
