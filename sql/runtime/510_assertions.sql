-- Assertions: noting what a statement touched, holding it when the transaction commits, and telling of what does not reject.
--
-- A check that looks at several rows is broken by two transactions that do not see each other (write skew). Here each
-- transaction, when it commits, first updates the guard rows of all groups it touched, in one order for all, and then
-- looks. READ COMMITTED looks after the wait and so sees what the other did; at the higher levels the update fails with
-- 40001 where the other's is not in the snapshot. Taken last and in order, guard rows are held for moments and never
-- in a circle.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.broken_groups(check_function text, keys text[], at_most integer)
RETURNS TABLE (group_key text, group_shown text, said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.pin_table(d, broken_groups.check_function)
    FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE a.check_function = broken_groups.check_function;
    RETURN QUERY EXECUTE format('SELECT b.group_key, b.group_shown, b.said FROM pgslo_gen.%I($1) AS b LIMIT $2', broken_groups.check_function)
    USING CASE WHEN '*' = ANY (broken_groups.keys) THEN NULL ELSE broken_groups.keys END, broken_groups.at_most;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.broken_groups(text, text[], integer) IS 'Return groups among these, or among all, that currently violate an assertion.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_of_moved_schema(error_code text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Only what PostgreSQL raises when it plans a query. Values raise other errors of these classes: an array of two
    -- dimensions 0A000, an invalid tsquery 42601, the name of a configuration that does not exist 42704. 42501 is
    -- about rights: rights can be restored, and until then no write bypasses the assertion.
    RETURN error_code IN ('3F000', '42702', '42703', '42725', '42803', '42804', '42809', '42846', '42883', '42P01', '42P10', '42P18', '42P22');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_of_moved_schema(text) IS 'Whether an error may say that a table is no longer what an expression was written for.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_see_groups(check_function text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN pgslo_catalog.may_see_values(pgslo_catalog.caller()) OR NOT EXISTS (
        SELECT FROM pgslo_catalog.assertion a
        JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        CROSS JOIN LATERAL (
            SELECT p.relation, p.columns FROM pgslo_catalog.assertion_dependency p WHERE p.rule_id = a.rule_id
            UNION ALL SELECT d.relation, d.key_columns
        ) AS w (relation, columns)
        WHERE a.check_function = may_see_groups.check_function AND pgslo_catalog.may_count(w.relation, w.columns) IS NOT TRUE);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_see_groups(text) IS 'Whether the caller may read all that an assertion reads, and the keys of its rows.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_broken(check_function text, group_shown text, said text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    held record;
    visible boolean := pgslo_catalog.may_see_groups(refuse_broken.check_function);
BEGIN
    SELECT r.name, r.promise, coalesce(r.owner, d.owner, 'unknown') AS owner, d.name AS definition
    INTO held
    FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE a.check_function = refuse_broken.check_function;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('transaction violates assertion "%s" of %s', held.name, held.definition),
        DETAIL = CASE WHEN NOT visible THEN format('The assertion expects: %s.', held.promise) ELSE format('%s%s. The assertion expects: %s.',
            CASE WHEN refuse_broken.group_shown IS NULL THEN '' ELSE format('Group %s: ', refuse_broken.group_shown) END,
            CASE WHEN refuse_broken.group_shown IS NULL THEN upper(left(refuse_broken.said, 1) COLLATE "C") || substr(refuse_broken.said, 2)
                 ELSE refuse_broken.said END, held.promise) END,
        HINT = format('Write what keeps it, in one transaction, or ask its owner, %s.', held.owner),
        SCHEMA = split_part(held.definition, '.', 1),
        TABLE = substr(held.definition, strpos(held.definition, '.') + 1),
        CONSTRAINT = held.name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_broken(text, text, text) IS 'Refuse a transaction as a check constraint does, naming the group.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_outdated(check_function text, error_code text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.is_of_moved_schema(is_outdated.error_code) THEN
        -- Over no group, it is an error of the tables, not of a row. A table that was replaced raises one as well.
        PERFORM pgslo_catalog.pin_table(d, is_outdated.check_function)
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE a.check_function = is_outdated.check_function;
        EXECUTE format('SELECT FROM pgslo_gen.%I($1)', is_outdated.check_function) USING '{}'::text[];
    END IF;
    RETURN false;
EXCEPTION WHEN OTHERS THEN
    RETURN pgslo_catalog.is_of_moved_schema(SQLSTATE);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_outdated(text, text) IS
    'Return whether an assertion raised an error because its tables were changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hold_unevaluated(check_function text, error_code text, error_message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    assertion record;
BEGIN
    SELECT r.name, d.name AS definition INTO assertion
    FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE a.check_function = hold_unevaluated.check_function;
    IF pgslo_catalog.is_outdated(hold_unevaluated.check_function, hold_unevaluated.error_code) THEN
        PERFORM pgslo_catalog.record_break(assertion.definition, assertion.name, hold_unevaluated.error_code, hold_unevaluated.error_message);
        RETURN;
    END IF;
    IF pgslo_catalog.may_see_groups(hold_unevaluated.check_function) THEN
        RAISE EXCEPTION USING
            ERRCODE = hold_unevaluated.error_code,
            MESSAGE = hold_unevaluated.error_message,
            DETAIL = format('Assertion "%s" of %s cannot be evaluated.', assertion.name, assertion.definition);
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = hold_unevaluated.error_code,
        MESSAGE = format('assertion "%s" of %s cannot be evaluated', assertion.name, assertion.definition),
        DETAIL = format('Its query raises: %s.', pgslo_catalog.error_said(false, hold_unevaluated.error_code, hold_unevaluated.error_message));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hold_unevaluated(text, text, text) IS
    'Refuse a transaction for which an assertion raised an error, showing values only to roles that may read them; '
    'allow and note it if the columns of the tables changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hold_assertion(check_function text, keys text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    broken_key text;
    broken_shown text;
    broken_said text;
    error_code text;
    error_message text;
BEGIN
    BEGIN
        PERFORM pgslo_catalog.pin_table(d, hold_assertion.check_function)
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE a.check_function = hold_assertion.check_function;
        EXECUTE format('SELECT b.group_key, b.group_shown, b.said FROM pgslo_gen.%I($1) AS b LIMIT 1', hold_assertion.check_function)
        INTO broken_key, broken_shown, broken_said
        USING CASE WHEN '*' = ANY (hold_assertion.keys) THEN NULL ELSE hold_assertion.keys END;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT;
        -- Conflicts, locks and cancels hold no value, and clients try again by their code.
        IF error_code ~ '^(40|53|55|57|58)' THEN
            RAISE;
        END IF;
        PERFORM pgslo_catalog.hold_unevaluated(hold_assertion.check_function, error_code, error_message);
        RETURN;
    END;
    IF broken_key IS NOT NULL THEN
        PERFORM pgslo_catalog.refuse_broken(hold_assertion.check_function, broken_shown, broken_said);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hold_assertion(text, text[]) IS
    'Refuse the transaction if one of these groups violates the assertion; allow it if the columns of the tables changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.observe_assertion(check_function text, keys text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    seen pgslo_catalog.assertion;
    rule pgslo_catalog.rule;
    about pgslo_catalog.definition;
    found integer;
BEGIN
    SELECT a.* INTO seen FROM pgslo_catalog.assertion a WHERE a.check_function = observe_assertion.check_function;
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = seen.rule_id;
    SELECT d.* INTO about FROM pgslo_catalog.definition d WHERE d.definition_id = rule.definition_id;
    INSERT INTO pgslo_catalog.broken_group (rule_id, group_key, group_shown, said)
    SELECT seen.rule_id, b.group_key, b.group_shown, b.said
    FROM pgslo_catalog.broken_groups(seen.check_function, observe_assertion.keys, 100) AS b;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found = 0 THEN
        RETURN;
    END IF;
    PERFORM pgslo_catalog.open_incident(rule, pgslo_catalog.day_of_check(), pgslo_catalog.place_of_check());
    PERFORM pgslo_catalog.warn_writer(about.name, ARRAY[rule.name]);
EXCEPTION
    WHEN serialization_failure THEN
        RAISE;  -- Under SERIALIZABLE alone, where writers try again: going on would lose the record.
    WHEN OTHERS THEN
        -- An observer: whatever happens, the write succeeds. Groups whose values raise an error are evaluated again by tick(), one by one.
        IF pgslo_catalog.is_of_row(SQLSTATE) AND NOT pgslo_catalog.is_outdated(seen.check_function, SQLSTATE) THEN
            PERFORM pgslo_catalog.record_unjudged(about.name, ARRAY[rule.name], ARRAY[pgslo_catalog.day_of_check()],
                ARRAY[pgslo_catalog.place_of_check()], SQLSTATE, SQLERRM);
        ELSE
            PERFORM pgslo_catalog.record_break(about.name, rule.name, SQLSTATE, SQLERRM);
        END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.observe_assertion(text, text[]) IS
    'Note groups among these that violate an assertion as this transaction sees them, open its incident and warn the writer; never fail the write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.day_of_check() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.day_of_check() IS 'Return the name under which verdicts about assertions are given: the day, in UTC.';

CREATE OR REPLACE FUNCTION pgslo_catalog.place_of_check() RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN extract(epoch FROM date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC'));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.place_of_check() IS 'Return the order of that day: seconds since 1970.';

CREATE OR REPLACE FUNCTION pgslo_catalog.touch(check_function text, keys text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (touch.check_function, touch.keys);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.touch(text, text[]) IS
    'Note groups that a statement touched of an assertion that does not reject: evaluated when the transaction commits, and by tick().';

CREATE OR REPLACE FUNCTION pgslo_catalog.touch_and_observe(check_function text, keys text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.touch(touch_and_observe.check_function, touch_and_observe.keys);
    PERFORM pgslo_catalog.observe_assertion(touch_and_observe.check_function, touch_and_observe.keys);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.touch_and_observe(text, text[]) IS
    'Note groups that a statement touched of an assertion that does not reject, and evaluate them at once.';

CREATE OR REPLACE FUNCTION pgslo_catalog.noted_functions(noted text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- One row is noted by where it is and what settles it, several by what settles them alone.
    IF starts_with(noted_functions.noted, '(') THEN
        RETURN ARRAY[substr(noted_functions.noted, strpos(noted_functions.noted, ')') + 1)];
    END IF;
    RETURN noted_functions.noted::text[];
EXCEPTION WHEN data_exception THEN
    RETURN '{}';  -- Anybody may set it to anything; every row is settled by its own trigger at the latest.
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.noted_functions(text) IS 'Return the functions that the setting pgslo.touched names; none if it cannot be read.';

CREATE OR REPLACE FUNCTION pgslo_catalog.also_touched(noted text, settle_function text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    functions text[] := pgslo_catalog.noted_functions(also_touched.noted);
BEGIN
    IF also_touched.settle_function = ANY (functions) THEN
        RETURN functions::text;
    END IF;
    RETURN (functions || also_touched.settle_function)::text;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.also_touched(text, text) IS 'Return the setting pgslo.touched after one more statement touched groups.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settle_together(noted text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text;
BEGIN
    -- Guard rows are taken in one order over all definitions. Anybody may have written the names.
    FOREACH name IN ARRAY ARRAY(
        SELECT DISTINCT a.settle_function COLLATE "C"
        FROM pgslo_catalog.assertion a
        WHERE a.settle_function = ANY (pgslo_catalog.noted_functions(settle_together.noted))
        ORDER BY 1)
    LOOP
        EXECUTE format('SELECT pgslo_gen.%I()', name);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settle_together(text) IS 'Check the touched groups of several definitions, in order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.observe_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    IF (SELECT a.deferred FROM pgslo_catalog.assertion a WHERE a.check_function = NEW.check_function) THEN
        PERFORM pgslo_catalog.observe_assertion(NEW.check_function, NEW.keys);
    END IF;
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.observe_touched() IS
    'Evaluate at COMMIT the groups that a statement touched of an assertion that does not reject. The row stays for tick(), which sees other transactions.';

CREATE OR REPLACE FUNCTION pgslo_catalog.touched_unknown(definition text, rule text, error_code text, error_message text) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF pgslo_catalog.is_of_moved_schema(touched_unknown.error_code) THEN
        PERFORM pgslo_catalog.record_break(touched_unknown.definition, touched_unknown.rule, touched_unknown.error_code, touched_unknown.error_message);
        RETURN NULL;
    END IF;
    RETURN ARRAY['*'];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.touched_unknown(text, text, text, text) IS
    'Return the groups that a statement touched when they could not be computed: all, or none if the table is not what the assertion was written for.';
