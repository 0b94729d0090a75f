-- Errors and warnings for writers.
SET LOCAL search_path = pg_catalog, pg_temp;

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
