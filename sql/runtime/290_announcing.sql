-- Warnings and errors in a reader's session, once for each cause.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.read_mode(on_read text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    wish text := nullif(current_setting('pgslo.on_read', true), '');
BEGIN
    IF wish NOT IN ('warn', 'insist', 'refuse', 'silent') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid value for parameter "pgslo.on_read": "%s"', wish),
            HINT = 'Available values: warn, insist, refuse, silent.';
    END IF;
    -- A pooled connection may keep the setting of another client, who must not silence this one: it counts where the
    -- view is silent anyway. Status views are silent, and insisting leaves them so: their column reports.
    RETURN CASE
        WHEN 'refuse' IN (read_mode.on_read, wish) THEN 'refuse'
        WHEN wish = 'warn' THEN 'warn'
        WHEN read_mode.on_read = 'silent' THEN 'silent'
        -- psql shows every warning above the result.
        WHEN 'insist' IN (read_mode.on_read, wish)
            AND coalesce(current_setting('pgslo.heard', true), '') <> 'on' AND current_setting('application_name') <> 'psql' THEN 'insist'
        ELSE 'warn'
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.read_mode(text) IS
    'Return the reaction to a read of bad rows in this session: warn, insist, refuse or silent. An error if pgslo.on_read has another value.';

CREATE OR REPLACE FUNCTION pgslo_catalog.was_reported(what text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- An open cursor is the one memory of its own that a session may change in a parallel plan and on a standby; a setting
    -- cannot be changed there. Its text holds the reported warnings. Name and marks are hashes with a secret: no other
    -- statement or function can take the name, or claim that it was reported.
    secret text := (SELECT s.value FROM pgslo_catalog.secret s);
    memory refcursor := 'pgslo_warned ' || md5(concat(secret, pg_backend_pid(), ' ', extract(epoch FROM transaction_timestamp())));
    statement text := extract(epoch FROM statement_timestamp())::text;
    said text[];
    key text := md5(format('%s %s %s', secret, statement, was_reported.what));
BEGIN
    SELECT string_to_array(split_part(c.statement, '''', 2), ' ') INTO said FROM pg_cursors c WHERE c.name = memory::text;
    IF said[1] = statement AND key = ANY (said) THEN
        RETURN true;
    END IF;
    IF said IS NOT NULL THEN
        CLOSE memory;
    END IF;
    OPEN memory FOR EXECUTE format('SELECT %L', array_to_string(CASE WHEN said[1] = statement THEN said ELSE ARRAY[statement] END || key, ' '));
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.was_reported(text) IS 'Whether this was reported in the statement that runs; it is from now on.';

CREATE OR REPLACE FUNCTION pgslo_catalog.say_problem(definition text, told pgslo_catalog.found_problem, mode text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
BEGIN
    -- A guarded view may be read through a view of another role, by one that may read neither: one bit, and whom to ask.
    IF pgslo_catalog.may_know(say_problem.definition, pgslo_catalog.caller()) IS NOT TRUE THEN
        told := ROW(told.code, NULL, NULL, format('data of %s is unhealthy', say_problem.definition),
            'This role may not see details, because it may read neither the table nor a guarded view of it.',
            format('Ask the owner, %s.', coalesce((SELECT d.owner FROM pgslo_catalog.definition d WHERE d.name = say_problem.definition), 'unknown')));
    END IF;
    IF say_problem.mode <> 'warn' THEN
        IF say_problem.mode = 'insist' THEN
            told.hint :=
                'Call pgslo.client.watch in Python, or SET pgslo.heard = ''on'' in a client that shows warnings. '
                'To read without this check, SET pgslo.on_read = ''warn''. ' || told.hint;
        END IF;
        RAISE EXCEPTION USING
            ERRCODE = 'SL001',
            MESSAGE = format('read refused: %s', told.message),
            DETAIL = told.detail,
            HINT = told.hint,
            SCHEMA = split_part(say_problem.definition, '.', 1),
            TABLE = substr(say_problem.definition, strpos(say_problem.definition, '.') + 1),
            COLUMN = coalesce(told.column_name, ''),
            CONSTRAINT = coalesce(told.rule, '');
    END IF;
    IF pgslo_catalog.was_reported(format('problem %s %s %s', say_problem.definition, told.rule, told.code)) THEN
        RETURN;
    END IF;
    RAISE WARNING USING
        ERRCODE = told.code,
        MESSAGE = told.message,
        DETAIL = told.detail,
        HINT = told.hint || CASE
            WHEN current_setting('pgslo.heard', true) = 'on' THEN ''
            ELSE E'\nPython shows this with pgslo.client.watch(); SET pgslo.on_read = ''refuse'' refuses such reads.' END,
        SCHEMA = split_part(say_problem.definition, '.', 1),
        TABLE = substr(say_problem.definition, strpos(say_problem.definition, '.') + 1),
        COLUMN = coalesce(told.column_name, ''),
        CONSTRAINT = coalesce(told.rule, '');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.say_problem(text, pgslo_catalog.found_problem, text) IS 'Warn, once a statement, or refuse the read.';

CREATE OR REPLACE FUNCTION pgslo.announce(definition text, columns text[], on_read text, within interval DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    mode text := pgslo_catalog.read_mode(announce.on_read);
BEGIN
    IF mode <> 'silent' THEN
        PERFORM pgslo_catalog.say_problem(announce.definition,
                                          ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
        FROM pgslo_catalog.problem(announce.definition, announce.columns, announce.within) AS p
        -- Of the table as a whole, guard() says the rest.
        WHERE p.by_row OR '*' <> ALL (announce.columns);
    END IF;
    RETURN 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.announce(text, text[], text, interval) IS
    'Return 1 with a WARNING, or raise an error: a guarded view calls it when these columns are read in a missed batch.';
