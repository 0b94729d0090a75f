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

CREATE OR REPLACE FUNCTION pgslo_catalog.reject(definition text, rules text[], failed bigint, shown text, row_key text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    violated record;
BEGIN
    -- A subscription would stop for good: the row is stored and counts as failing.
    IF pgslo_catalog.is_replica() THEN
        RETURN;
    END IF;
    SELECT r.promise, r.about, coalesce(r.owner, d.owner) AS owner, n.nspname AS schema_name, t.relname AS table_name
    INTO violated
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r USING (definition_id)
    LEFT JOIN pg_class t ON t.oid = d.relation
    LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE d.name = reject.definition AND r.name = reject.rules[1];
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('new row for %s violates rule "%s"', reject.definition, reject.rules[1]),
        DETAIL = format('%s%s; expected: %s. Key %s.%s',
            CASE WHEN reject.failed > 1 THEN format('%s rows of the statement violate it, for example one with ', reject.failed) END,
            coalesce(reject.shown, 'a row that cannot be shown'), violated.promise, coalesce(reject.row_key, 'of the row'),
            CASE WHEN reject.rules[2:] <> '{}' THEN format(' It also violates %s.', array_to_string(reject.rules[2:], ', ')) END),
        HINT = format('Correct the row%s.', ', or contact the owner of the rule, ' || violated.owner),
        SCHEMA = coalesce(violated.schema_name, ''),
        TABLE = coalesce(violated.table_name, ''),
        COLUMN = coalesce(violated.about, ''),
        CONSTRAINT = reject.rules[1];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reject(text, text[], bigint, text, text) IS
    'Refuse a write as a check constraint does, for the first of these rules; return where session_replication_role is replica.';

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
        DETAIL = format('%s%s. No statement writes to the table until they fit again.', upper(left(reject_schema.difference, 1) COLLATE "C"),
                        substr(reject_schema.difference, 2)),
        HINT = format('Change the table back, or its definition; the owner is %s.', reject_schema.owner),
        SCHEMA = reject_schema.schema_name,
        TABLE = reject_schema.table_name,
        CONSTRAINT = reject_schema.rule;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reject_schema(text, text, text, text, text, text) IS
    'Refuse every write while a table''s columns are not those of its definition.';

CREATE OR REPLACE FUNCTION pgslo_catalog.warn_writer(definition text, rules text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    -- One warning a statement, also from a trigger that fires for every row. With a secret, or another function in the
    -- statement could set it and so silence the warning.
    statement text := md5(concat((SELECT s.value FROM pgslo_catalog.secret s), extract(epoch FROM statement_timestamp()), warn_writer.definition));
    violated text[];
    owner text;
BEGIN
    IF statement = current_setting('pgslo.warned_writer', true) THEN
        RETURN;
    END IF;
    IF cardinality(warn_writer.rules) = 1 THEN
        -- Nearly every row that fails: nothing to put in order.
        SELECT ARRAY[r.name], coalesce(r.owner, d.owner) INTO violated, owner
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = warn_writer.definition AND r.name = warn_writer.rules[1] AND r.on_breach = 'warn';
    ELSE
        SELECT array_agg(r.name ORDER BY u.ordinal), (array_agg(coalesce(r.owner, d.owner) ORDER BY u.ordinal))[1] INTO violated, owner
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r USING (definition_id)
        JOIN unnest(warn_writer.rules) WITH ORDINALITY AS u (name, ordinal) ON u.name = r.name
        WHERE d.name = warn_writer.definition AND r.on_breach = 'warn';
    END IF;
    IF violated IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('pgslo.warned_writer', statement, true);
    RAISE WARNING USING
        ERRCODE = '01SL1',
        MESSAGE = format('rows written to %s violate %s', warn_writer.definition, array_to_string(violated, ', ')),
        DETAIL = 'The rows were stored; readers of the guarded view are warned.',
        HINT = format('SELECT * FROM pgslo.incident WHERE definition = %L; the owner is %s.', warn_writer.definition, coalesce(owner, 'unknown')),
        SCHEMA = split_part(warn_writer.definition, '.', 1),
        TABLE = substr(warn_writer.definition, strpos(warn_writer.definition, '.') + 1),
        CONSTRAINT = violated[1];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.warn_writer(text, text[]) IS
    'Warn the writer, at most once a statement and without values, of those rules that warn.';
