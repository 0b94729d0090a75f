-- The turns of transactions that touched one group of an assertion: guard rows, which are taken when they commit.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.guard_holder(check_function text, bucket integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- About a session of another role, writers see no more than PostgreSQL shows to every role.
    SELECT coalesce(
        (SELECT format('process %s, role %s', l.pid, coalesce(quote_ident(a.usename), 'unknown'))
         FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'transactionid' AND l.transactionid = g.xmax AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL LIMIT 1),
        (SELECT format('prepared transaction %s of role %s', quote_literal(p.gid), quote_ident(p.owner)) FROM pg_prepared_xacts p WHERE p.transaction = g.xmax),
        'a session that the catalogue does not show')
    FROM pgslo_catalog.assertion_guard g WHERE g.check_function = guard_holder.check_function AND g.bucket = guard_holder.bucket
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.guard_holder(text, integer) IS 'Return the session or the prepared transaction that has a guard row, in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wait_for_guard(check_function text, bucket integer, patience text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1min'
AS $pgslo$
DECLARE
    about record;
BEGIN
    -- Never without a limit: SET CONSTRAINTS, or PREPARE TRANSACTION, keeps guard rows of a transaction that does nothing. That
    -- of a statement is over when a transaction commits.
    PERFORM set_config('lock_timeout', wait_for_guard.patience, true) WHERE wait_for_guard.patience <> '0';
    BEGIN
        PERFORM FROM pgslo_catalog.assertion_guard g
        WHERE g.check_function = wait_for_guard.check_function AND g.bucket = wait_for_guard.bucket FOR NO KEY UPDATE;
    EXCEPTION WHEN lock_not_available THEN
        SELECT r.name, d.name AS definition INTO about
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE a.check_function = wait_for_guard.check_function;
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('could not get the turn to commit groups of assertion "%s" of %s: another transaction has it', about.name, about.definition),
            DETAIL = format('It is %s.', pgslo_catalog.guard_holder(wait_for_guard.check_function, wait_for_guard.bucket)),
            HINT = 'Try again once it has ended. A transaction keeps the turn after SET CONSTRAINTS ... IMMEDIATE and PREPARE TRANSACTION.',
            SCHEMA = split_part(about.definition, '.', 1),
            TABLE = substr(about.definition, strpos(about.definition, '.') + 1),
            CONSTRAINT = about.name;
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wait_for_guard(text, integer, text) IS
    'Wait for a guard row, for lock_timeout or a minute, and lock it; an error names who has it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.take_turn(check_function text, bucket integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Usually no session has it. A row with an xmax may be that of a transaction that will not end soon.
    UPDATE pgslo_catalog.assertion_guard g SET turns = g.turns + 1
    WHERE g.check_function = take_turn.check_function AND g.bucket = take_turn.bucket AND g.xmax = 0;
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM pgslo_catalog.wait_for_guard(take_turn.check_function, take_turn.bucket, current_setting('lock_timeout'));
    UPDATE pgslo_catalog.assertion_guard g SET turns = g.turns + 1 WHERE g.check_function = take_turn.check_function AND g.bucket = take_turn.bucket;
    -- READ COMMITTED sees the current rows: an assertion that was removed since the statement began stops no write. At the higher
    -- levels it may as well be too new to be seen, and going on would get around it.
    IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = 'could not serialize access due to an assertion that changed since the transaction began',
            DETAIL = format('Its check is pgslo_gen.%I.', take_turn.check_function),
            HINT = 'The transaction might succeed if retried.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_turn(text, integer) IS
    'Wait until no other transaction that touched such a group is committing, with a timeout, and block others until this one ends.';
