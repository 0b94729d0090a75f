-- Errors of conditions by kind: of the moment, of a value, of a row, of the table.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_transient(error_code text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- 54001 is about the calls that the session is in the middle of; a pattern would need more stack.
    RETURN left(is_transient.error_code, 2) IN ('40', '53', '55', '57', '58') OR is_transient.error_code = '54001';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_transient(text) IS
    'Whether an error is of the moment: a conflict, a lock, memory, a full disk, a cancelled statement, a stack that is full.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_of_value(error_code text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- 42501 is about rights. 42804 is a plan of this session for a column that has another type now.
    -- 42809, 42P01 and 3F000 are of a table that rows are looked up in and that was replaced or dropped.
    -- 54001 in a condition is of the value as well: of JSON with brackets a hundred thousand deep, for example.
    RETURN is_of_value.error_code = '54001'
        OR NOT pgslo_catalog.is_transient(is_of_value.error_code)
           AND is_of_value.error_code NOT IN ('42501', '42804', '42809', '42P01', '3F000');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_of_value(text) IS
    'Whether the row for which a condition raises such an error fails the rule, once the condition is known to fit the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_of_row(error_code text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Values raise errors of many classes: besides 22, 0A000 for an array of two dimensions, 42601 for a text that is no
    -- path, 42704 for a configuration that does not exist, 54000 for a text that is too long. 42501 is about rights.
    RETURN NOT pgslo_catalog.is_transient(is_of_row.error_code)
        AND NOT pgslo_catalog.is_of_moved_schema(is_of_row.error_code)
        AND is_of_row.error_code <> '42501' AND is_of_row.error_code !~ '^(XX|SL)';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_of_row(text) IS
    'Whether a sum or the batch of a row raises such an error because of a value, every time and in every session.';

CREATE OR REPLACE FUNCTION pgslo_catalog.must_raise(error_code text, refuses boolean) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- After 40001 the transaction cannot commit: its writer tries again. Nearly every 54001 is of the value.
    RETURN must_raise.error_code = '40001'
        OR must_raise.refuses AND pgslo_catalog.is_transient(must_raise.error_code) AND must_raise.error_code <> '54001';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.must_raise(text, boolean) IS
    'Whether the writer gets an error because a rule, one that refuses rows or not, could not be judged.';

CREATE OR REPLACE FUNCTION pgslo_catalog.forget_plans(refuses boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- PL/pgSQL keeps the types that fields of a record had when a condition was planned. After ALTER TABLE the condition
    -- raises 42804 until the session ends, and no other command makes PostgreSQL plan it again.
    DISCARD PLANS;
EXCEPTION WHEN insufficient_privilege THEN
    -- PostgreSQL refreshes materialized views as a restricted operation, and a subscription may apply changes as one.
    -- The worker of a subscription begins again after an error, and then has no plans.
    IF forget_plans.refuses THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'cannot evaluate rules in this session: a column was changed since it planned them',
            DETAIL = 'PostgreSQL does not let a security-restricted operation discard plans.',
            HINT = 'Try again in a new session.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.forget_plans(boolean) IS
    'Have this session plan its conditions again, with the types that columns have now; refuses: raise an error if it cannot.';
