-- What the error of a condition, and of a rejected write, shows to whom.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.error_said(is_gated boolean, error_code text, error_message text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Of a gated condition these name a column or a type. Any other message, or one of code of the author's or of another
    -- role, may hold a value.
    IF error_said.is_gated AND error_said.error_code IN ('42703', '42804') THEN
        RETURN left(error_said.error_message, 1000);
    END IF;
    RETURN format('%s, SQLSTATE %s', CASE
        WHEN error_said.error_code = '22003' THEN 'numeric value out of range'
        WHEN error_said.error_code IN ('22007', '22008') THEN 'invalid date or time'
        WHEN error_said.error_code = '22012' THEN 'division by zero'
        WHEN error_said.error_code = '22023' THEN 'invalid parameter value'
        WHEN error_said.error_code = '22P02' THEN 'invalid text representation'
        WHEN error_said.error_code = '25006' THEN 'cannot write in a read-only transaction'
        WHEN error_said.error_code = '2201B' THEN 'invalid regular expression'
        WHEN error_said.error_code = '42501' THEN 'permission denied'
        WHEN error_said.error_code = 'SL004' THEN 'code of the table changes the session that reads it'
        WHEN error_said.error_code = '42703' THEN 'undefined column'
        WHEN error_said.error_code = '42704' THEN 'undefined object'
        WHEN error_said.error_code = '42804' THEN 'datatype mismatch'
        WHEN error_said.error_code = '42883' THEN 'undefined function or operator'
        WHEN error_said.error_code = '42P01' THEN 'undefined table'
        WHEN error_said.error_code LIKE '22%' THEN 'data exception'
        WHEN error_said.error_code LIKE '23%' THEN 'integrity constraint violation'
        WHEN error_said.error_code LIKE '42%' THEN 'syntax error or access rule violation'
        WHEN error_said.error_code LIKE '53%' THEN 'insufficient resources'
        WHEN error_said.error_code LIKE '54%' THEN 'program limit exceeded'
        WHEN error_said.error_code LIKE '55%' THEN 'object not in prerequisite state'
        WHEN error_said.error_code LIKE '57%' THEN 'operator intervention'
        WHEN error_said.error_code LIKE 'P0%' THEN 'error raised by a function'
        ELSE 'error'
    END, error_said.error_code);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.error_said(boolean, text, text) IS
    'Return an error of a rule without a value of a row; is_gated where only a gated condition over a row can have raised it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.break_said(broken pgslo_catalog.rule_break, reader name) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    -- Both texts are about the given row: a role that cannot read the row itself learns nothing from them.
    RETURN CASE WHEN pgslo_catalog.may_see_values(break_said.reader) THEN (break_said.broken).error_message ELSE (break_said.broken).said END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.break_said(pgslo_catalog.rule_break, name) IS
    'Return why a rule cannot be evaluated, with the message as it was raised for roles that may see values.';

-- What the error of a rejected write shows to the writer. Called when a write fails, never on the path of a good row.

CREATE OR REPLACE FUNCTION pgslo_catalog.readable(relation oid, columns text[]) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(
        SELECT a.attname::text
        FROM pg_class t
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = ANY (readable.columns) AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_roles r ON r.rolname = pgslo_catalog.caller()
        WHERE t.oid = readable.relation
          AND has_schema_privilege(r.oid, t.relnamespace, 'USAGE') AND has_column_privilege(r.oid, t.oid, a.attnum, 'SELECT')
          -- Row security may hide the row, or the others of its group.
          AND (NOT t.relrowsecurity OR r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.readable(oid, text[]) IS 'Return those of a table''s columns that the caller may read in every row.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_movable(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- To triggers on rows, and to those on statements where MERGE moves it, such a row is inserted.
    -- Whatever rights the caller has: a view or a function may update with those of its owner.
    RETURN (SELECT count(*) FILTER (WHERE p.isleaf) > 1 FROM pg_partition_tree(pg_partition_root(is_movable.relation)) AS p);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_movable(oid) IS
    'Whether an UPDATE may move rows of a table from one partition to another: a trigger takes that for an INSERT.';

CREATE OR REPLACE FUNCTION pgslo_catalog.sent(relation oid, columns text[]) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- A row may be written by way of any partitioned table above.
    family oid[] := ARRAY(
        SELECT p.relid::oid FROM pg_partition_tree(coalesce(pg_partition_root(sent.relation), sent.relation)) AS p
        UNION SELECT sent.relation);
BEGIN
    -- A trigger of another role may have filled in values that the writer did not send.
    IF pgslo_catalog.is_movable(sent.relation) OR EXISTS (
        SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE g.tgrelid = ANY (family) AND NOT g.tgisinternal AND g.tgtype & 7 = 7 AND NOT (n.nspname = 'pgslo_gen' AND n.nspowner = pgslo_catalog.keeper())
    ) THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT c.name
        FROM unnest(sent.columns) AS c (name)
        JOIN pg_roles r ON r.rolname = pgslo_catalog.caller()
        WHERE pg_trigger_depth() <= 1
          AND has_column_privilege(r.oid, sent.relation, c.name, 'INSERT')
          AND NOT EXISTS (
              SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
              WHERE a.attrelid = ANY (family) AND a.attname = c.name
                AND (a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' OR y.typdefault IS NOT NULL)));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sent(oid, text[]) IS 'Return those of a table''s columns whose values in a new row only the writer can have given.';

CREATE OR REPLACE FUNCTION pgslo_catalog.visible(definition text, operation text, columns text[]) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    relation oid := (SELECT d.relation FROM pgslo_catalog.definition d WHERE d.name = visible.definition);
BEGIN
    RETURN pgslo_catalog.readable(relation, visible.columns)
        || CASE WHEN visible.operation = 'INSERT' THEN pgslo_catalog.sent(relation, visible.columns) ELSE '{}' END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.visible(text, text, text[]) IS 'Return the columns whose values the error of a rejected row may show to the caller.';

CREATE OR REPLACE FUNCTION pgslo_catalog.excerpt(definition text, operation text, columns text[], cells text[], labels text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    visible text[] := pgslo_catalog.visible(excerpt.definition, excerpt.operation, excerpt.columns);
BEGIN
    RETURN (
        SELECT concat_ws(' and ',
            string_agg(format('%s = %s', c.label, coalesce(c.cell, 'NULL')), ', ' ORDER BY c.ordinal) FILTER (WHERE c.name = ANY (visible)),
            CASE count(*) FILTER (WHERE c.name <> ALL (visible)) WHEN 0 THEN NULL WHEN 1 THEN 'column ' ELSE 'columns ' END
                || string_agg(c.label, ', ' ORDER BY c.ordinal) FILTER (WHERE c.name <> ALL (visible)) || ' (not shown)')
        FROM unnest(excerpt.columns, excerpt.cells, excerpt.labels) WITH ORDINALITY AS c (name, cell, label, ordinal));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.excerpt(text, text, text[], text[], text[]) IS
    'Return the columns of a failing row for the writer: values where the writer may see them, else names alone. '
    'A path into a column''s values has a label of its own.';

CREATE OR REPLACE FUNCTION pgslo_catalog.excerpt(definition text, operation text, columns text[], cells text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN pgslo_catalog.excerpt(excerpt.definition, excerpt.operation, excerpt.columns, excerpt.cells, excerpt.columns);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.excerpt(text, text, text[], text[]) IS
    'Return the columns of a failing row for the writer: values where the writer may see them, else names alone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.key_excerpt(definition text, operation text, columns text[], cells text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.visible(key_excerpt.definition, key_excerpt.operation, key_excerpt.columns) @> key_excerpt.columns THEN
        RETURN format('(%s) = (%s)', array_to_string(key_excerpt.columns, ', '), array_to_string(key_excerpt.cells, ', ', 'NULL'));
    END IF;
    RETURN format('(%s) (not shown)', array_to_string(key_excerpt.columns, ', '));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.key_excerpt(text, text, text[], text[]) IS
    'Return the key of a failing row for the writer, without values if one of them must not be seen.';

CREATE OR REPLACE FUNCTION pgslo_catalog.failing_key(
    definition text, operation text, is_for_writer boolean, columns text[], cells text[]
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF failing_key.is_for_writer THEN
        RETURN pgslo_catalog.key_excerpt(failing_key.definition, failing_key.operation, failing_key.columns, failing_key.cells);
    END IF;
    RETURN format('(%s) = (%s)', array_to_string(failing_key.columns, ', '), array_to_string(failing_key.cells, ', ', ''));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.failing_key(text, text, boolean, text[], text[]) IS
    'Return the key of a failing row: for stewards, or for the writer, who may not see every value.';

CREATE OR REPLACE FUNCTION pgslo_catalog.error_excerpt(definition text, rule text, error_code text, error_message text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Samples are for stewards; an error is for the writer, who may lack the right to read.
    columns text[] := (
        SELECT CASE WHEN r.on_breach = 'reject' THEN r.columns ELSE '{}' END
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id)
        WHERE d.name = error_excerpt.definition AND r.name = error_excerpt.rule);
BEGIN
    RETURN format('its condition raises: %s', CASE
        WHEN columns = '{}' OR pgslo_catalog.visible(error_excerpt.definition, NULL, columns) @> columns THEN error_excerpt.error_message
        ELSE pgslo_catalog.error_said(true, error_excerpt.error_code, error_excerpt.error_message) END);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.error_excerpt(text, text, text, text) IS
    'Return the error that a row raised in a rule: for the writer, where the rule rejects rows, without a message that may hold what must not be seen.';
