-- Writing a row from quarantine: the rights with which code runs, and its effects on the steward's session.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.leftovers() RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT ARRAY(
        SELECT format('temporary relation "%s" (%s)', c.relname, c.oid)
        FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('temporary type "%s" (%s)', t.typname, t.oid)
        FROM pg_type t WHERE t.typnamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('temporary function "%s" (%s)', p.proname, p.oid)
        FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema()
        UNION ALL
        SELECT format('cursor "%s" (%s)', c.name, extract(epoch FROM c.creation_time)) FROM pg_cursors c
        UNION ALL
        SELECT format('setting %s = %s', s.name, current_setting(s.name, true))
        FROM (VALUES ('pgslo.on_read'), ('pgslo.heard')) AS s (name)
        ORDER BY 1)
    || pgslo_catalog.settings()
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.leftovers()
    IS 'Return what a trigger can leave in a session and a rollback takes back: temporary objects, cursors, settings.';

CREATE OR REPLACE FUNCTION pgslo_catalog.rows_written(tables oid[]) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT sum(pg_stat_get_xact_tuples_inserted(t.oid) + pg_stat_get_xact_tuples_updated(t.oid)
               + pg_stat_get_xact_tuples_deleted(t.oid))
    FROM unnest(rows_written.tables) AS t (oid)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.rows_written(oid[]) IS 'Return how many rows of tables this transaction wrote.';

CREATE OR REPLACE FUNCTION pgslo_catalog.deferring(relation regclass)
RETURNS TABLE (said text, written bigint, checked bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    trusted oid[] := pgslo_catalog.trusted_roles();
    family oid[] := ARRAY(SELECT t.oid FROM pgslo_catalog.reached_tables(deferring.relation, false) AS t (oid));
BEGIN
    -- settling() checks the constraints of the table for the one row.
    RETURN QUERY
    SELECT format('trigger "%s" on %s', g.tgname, g.tgrelid::regclass),
           pgslo_catalog.rows_written(CASE WHEN w.is_settled THEN family ELSE ARRAY[c.oid] END),
           w.is_settled::integer::bigint
    FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid
    JOIN pg_proc p ON p.oid = g.tgfoid
    LEFT JOIN pg_class o ON o.oid = g.tgconstrrelid
    CROSS JOIN LATERAL (
        SELECT c.oid = ANY (family) AND c.relowner <> ALL (trusted) AND p.pronamespace = 'pg_catalog'::regnamespace
            AND (starts_with(p.proname, 'RI_FKey_') OR p.proname = 'unique_key_recheck')
    ) AS w (is_settled)
    WHERE g.tgdeferrable AND g.tgenabled <> 'D'
      AND (c.relowner <> ALL (trusted) OR p.proowner <> ALL (trusted) OR o.relowner <> ALL (trusted));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.deferring(regclass)
    IS 'Return deferrable triggers of other roles, or on or about their tables, and the rows that were written and checked.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settling(relation regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format('SET CONSTRAINTS %s IMMEDIATE', string_agg(DISTINCT format('%I.%I', n.nspname, k.conname), ', '))
    FROM pgslo_catalog.reached_tables(settling.relation, false) AS t (oid)
    JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgdeferrable
    JOIN pg_constraint k ON k.oid = g.tgconstraint AND k.contype <> 't'
    JOIN pg_namespace n ON n.oid = k.connamespace
    HAVING count(*) > 0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settling(regclass)
    IS 'Return the statement that checks deferred constraints of a table, NULL if it has none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_cursors(target pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    relation regclass := (check_cursors.target).relation;
    id bigint := (check_cursors.target).definition_id;
    cursor_name text;
BEGIN
    -- Every function in a session can read the cursors of the session, and a rollback does not move them back. The releasing
-- statement itself, and the note of warnings of a guarded read, cannot be read by a function.
    SELECT min(c.name) INTO cursor_name FROM pg_cursors c
    WHERE c.name <> '' AND NOT starts_with(c.name, 'pgslo_warned ') AND c.statement IS DISTINCT FROM current_query();
    IF cursor_name IS NULL
        OR (check_cursors.target).writer IS NULL
        AND NOT EXISTS (SELECT FROM pgslo_catalog.other_relation o WHERE o.definition_id = id AND o.is_replaceable)
        AND NOT EXISTS (
            SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
            WHERE k.contype = 'f' AND c.relowner <> ALL (pgslo_catalog.trusted_roles())
              AND k.conrelid IN (SELECT t.oid FROM pgslo_catalog.reached_tables(relation, false) AS t (oid)))
    THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'SL004',
        MESSAGE = format('cannot release a row of %s while cursor "%s" is open', (check_cursors.target).name, cursor_name),
        DETAIL = 'The release runs code of another role, which could read the rows of the cursor.',
        HINT = 'Close it, or release outside of the loop: collect the numbers of the rows in an array, then use FOREACH.';
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_cursors(pgslo_catalog.definition)
    IS 'Raise an error if the session has an open cursor and the release of a row runs code of another role.';

CREATE OR REPLACE FUNCTION pgslo_catalog.write_released(target pgslo_catalog.definition, change text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    relation regclass := (write_released.target).relation;
    writer text := (write_released.target).writer;
    written bigint;
    session_before text[] := pgslo_catalog.session_state(true);
    leftovers_before text[];
    deferring_before jsonb;
    path_after text;
    difference text;
BEGIN
    -- Two blocks, as in functions that read the table: a timeout strikes once, perhaps while the handler runs.
    BEGIN
    BEGIN
        -- Inside, where the numbers of written rows are those of this subtransaction and of the ones around it.
        SELECT coalesce(jsonb_object_agg(w.said, w.written), '{}') INTO deferring_before
        FROM pgslo_catalog.deferring(relation) AS w;
        leftovers_before := pgslo_catalog.leftovers();
        IF writer IS NULL THEN
            EXECUTE change;
            GET DIAGNOSTICS written = ROW_COUNT;
        ELSE
            EXECUTE format('SELECT pgslo_gen.%I($1, $2)', writer)
            INTO written USING change, pgslo_catalog.settling(relation);
        END IF;
        -- A trigger, or code that a foreign key runs of the owner of the other table, may have left another search_path, by
        -- which nothing may be looked up.
        path_after := pg_catalog.current_setting('search_path');
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        difference := CASE
            WHEN path_after <> 'pg_catalog, pg_temp' THEN 'search_path'
            WHEN leftovers_before <> pgslo_catalog.leftovers() THEN (
                SELECT min(coalesce(l.said, b.said))
                FROM unnest(pgslo_catalog.leftovers()) AS l (said)
                FULL JOIN unnest(leftovers_before) AS b (said) ON b.said = l.said
                WHERE l.said IS NULL OR b.said IS NULL)
        END;
        IF difference IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'SL004',
                MESSAGE = format('a trigger of %s, or of a table that a foreign key relates to it, changes the session', (write_released.target).name),
                DETAIL = format('It changes: %s.', difference);
        END IF;
        PERFORM pgslo_catalog.check_session(session_before, true, (write_released.target).name, '00000');
        SELECT min(w.said) INTO difference
        FROM pgslo_catalog.deferring(relation) AS w
        WHERE w.written > coalesce((deferring_before ->> w.said)::bigint, 0) + w.checked
           OR NOT current_setting('track_counts')::boolean;
        IF difference IS NOT NULL THEN
            -- Before PostgreSQL 18 as the role that ends the transaction, and always after the checks of this function.
            RAISE EXCEPTION USING
                ERRCODE = 'SL004',
                MESSAGE = format('a deferrable trigger of another role would run after the write to %s',
                    (write_released.target).name),
                DETAIL = format('It is %s, which may be deferred until the transaction ends.', difference);
        END IF;
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        PERFORM pgslo_catalog.check_session(session_before, true, (write_released.target).name, SQLSTATE);
        RAISE;
    END;
    EXCEPTION WHEN query_canceled THEN
        PERFORM pgslo_catalog.restore_session(session_before, true);
        RAISE;
    END;
    RETURN written;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.write_released(pgslo_catalog.definition, text)
    IS 'Write a row with the rights of the owner of its table, and refuse what code of that owner leaves in the session.';
