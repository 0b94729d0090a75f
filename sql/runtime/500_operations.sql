-- The kill switch. Replacing a function locks no table and holds from the next statement of every session on.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.keep_functions(definition text) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.paused_function (function_name, definition_id, source)
    SELECT p.proname, d.definition_id, pg_get_functiondef(p.oid)
    FROM pg_proc p
    JOIN pgslo_catalog.generated g ON g.kind = 'function' AND g.object_id = p.oid AND g.is_ours
    JOIN pgslo_catalog.definition d ON d.name = g.definition
    WHERE p.prorettype = 'trigger'::regtype AND d.name = keep_functions.definition
    ON CONFLICT (function_name) DO NOTHING;
    RETURN QUERY
    SELECT k.function_name
    FROM pgslo_catalog.paused_function k JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = keep_functions.definition
    ORDER BY k.function_name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keep_functions(text) IS 'Store the trigger functions of a definition for the end of a pause, and return their names.';

CREATE OR REPLACE FUNCTION pgslo_catalog.silence(function_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION pgslo_gen.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
                   'SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS %L',
                   silence.function_name,
                   E'-- Paused by pgslo; pgslo resume restores the former body.\n'
                   'BEGIN\n    IF TG_OP = ''DELETE'' THEN\n        RETURN OLD;\n    END IF;\n    RETURN NEW;\nEND');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.silence(text) IS 'Replace a generated trigger function by one that allows every write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.begin_pause(definition text, rule text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    begun pgslo_catalog.pause;
BEGIN
    INSERT INTO pgslo_catalog.pause (definition_id, rule_name, paused_by, since)
    SELECT d.definition_id, begin_pause.rule, pgslo_catalog.caller(), pg_snapshot_xmin(pg_current_snapshot())
    FROM pgslo_catalog.definition d WHERE d.name = begin_pause.definition
    ON CONFLICT DO NOTHING
    RETURNING * INTO begun;
    -- Readers are warned as of any rule that is not in force, and no batch counts as met meanwhile.
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, pause_id)
    SELECT begun.definition_id, r.rule_id, '55000', s.said, s.said, begun.pause_id
    FROM pgslo_catalog.rule r
    CROSS JOIN (SELECT format('switched off by role %s', begun.paused_by) AS said) AS s
    WHERE r.definition_id = begun.definition_id AND r.retired_at IS NULL AND coalesce(r.name = begun.rule_name, true)
      AND (r.mechanism LIKE '% trigger' OR r.mechanism = 'at commit');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.begin_pause(text, text) IS
    'Record that a rule, or all of a table, is switched off, once; readers are warned from then on.';

CREATE OR REPLACE FUNCTION pgslo_catalog.written_since(definition pgslo_catalog.definition, since xid8)
RETURNS TABLE (batch text, place numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As the functions that write batches down evaluate an author's expression.
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET gin_fuzzy_search_limit = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_numeric = 'C'
SET lc_monetary = 'C'
SET lc_time = 'C'
SET transform_null_equals = off
-- An error rather than what policies show.
SET row_security = off
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := written_since.definition;
    is_known boolean := coalesce(written_since.since <= pg_snapshot_xmax(pg_current_snapshot()), false);
    question text;
BEGIN
    question := format('SELECT DISTINCT %s, %s FROM (SELECT %s AS raw FROM %s AS r WHERE %s) AS b',
        CASE WHEN target.batch_by IS NULL THEN 'NULL::text' ELSE target.batch_name END,
        CASE WHEN target.batch_by IS NULL THEN 'NULL::numeric' ELSE target.batch_place END,
        coalesce(target.batch_by, 'NULL::text'), target.relation,
        -- After a restore, the number of another cluster is meaningless: then every row counts.
        CASE WHEN is_known THEN format('age(r.xmin) <= age(%L::xid8::xid)', written_since.since) ELSE 'true' END);
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    IF target.reader IS NULL THEN
        RETURN QUERY EXECUTE question;
    ELSE
        RETURN QUERY EXECUTE format('SELECT n.name, n.place FROM pgslo_gen.%I($1) AS n (name text, place numeric)', target.reader)
        USING question;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.written_since(pgslo_catalog.definition, xid8) IS
    'Return the keys of batches with rows that transactions from this one on wrote; NULL where rows do not say their batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settle_pauses(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    followed pgslo_catalog.definition := settle_pauses.definition;
    due pgslo_catalog.pause;
    batches text[];
    places numeric[];
BEGIN
    FOREACH due IN ARRAY ARRAY(
        SELECT p FROM pgslo_catalog.pause p
        WHERE p.definition_id = followed.definition_id AND p.resumed_at IS NOT NULL AND p.settled_at IS NULL
        ORDER BY p.pause_id)
    LOOP
        IF due.until IS NULL THEN
            due.until := pg_current_xact_id();
            -- A statement that began during the pause goes on with the functions of that time. Until it stores its first
-- row, only its lock shows it.
            due.writers := ARRAY(
                SELECT DISTINCT l.virtualtransaction
                FROM pg_locks l
                WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock', 'ShareLock')
                  AND l.relation IN (SELECT t.oid FROM pgslo_catalog.reached_tables(followed.relation, false) AS t (oid)));
            UPDATE pgslo_catalog.pause p SET until = due.until, writers = due.writers WHERE p.pause_id = due.pause_id;
        END IF;
        -- Rows of a transaction that began during the pause and has not ended are not seen yet.
        CONTINUE WHEN pg_snapshot_xmin(pg_current_snapshot()) < due.until
            OR EXISTS (SELECT FROM pg_locks l WHERE l.virtualtransaction = ANY (due.writers));
        SELECT array_agg(w.batch), array_agg(w.place) INTO batches, places
        FROM pgslo_catalog.written_since(followed, due.since) AS w;
        IF batches IS NOT NULL AND followed.batch_by IS NOT NULL AND followed.judge IS NOT NULL THEN
            -- These rules judge the batches from the table, with what else could not be judged.
            INSERT INTO pgslo_catalog.rule_break
                (definition_id, rule_id, error_code, error_message, said, batch, place, pause_id)
            SELECT k.definition_id, k.rule_id, k.error_code, k.error_message, k.said,
                   pgslo_catalog.name_of(followed, coalesce(u.batch, 'unknown')),
                   coalesce(u.place, pgslo_catalog.arrival(followed.definition_id, u.batch), '-Infinity'), k.pause_id
            FROM pgslo_catalog.rule_break k
            JOIN pgslo_catalog.rule r ON r.rule_id = k.rule_id AND r.scope = 'row' AND r.on_breach IN ('warn', 'flag')
            CROSS JOIN unnest(batches, places) AS u (batch, place)
            WHERE k.pause_id = due.pause_id AND k.batch IS NULL;
        END IF;
        DELETE FROM pgslo_catalog.rule_break k
        WHERE k.pause_id = due.pause_id AND k.batch IS NULL
          AND (batches IS NULL OR EXISTS (
              SELECT FROM pgslo_catalog.rule_break o
              WHERE o.pause_id = k.pause_id AND o.rule_id = k.rule_id AND o.batch IS NOT NULL));
        UPDATE pgslo_catalog.pause p SET settled_at = clock_timestamp() WHERE p.pause_id = due.pause_id;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settle_pauses(pgslo_catalog.definition) IS
    'Find the batches written while rules were disabled, for the rules that evaluate them from the table.';

CREATE OR REPLACE FUNCTION pgslo.pause(definition text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT d.definition_id, d.name FROM pgslo_catalog.definition d
        WHERE pause.definition IS NULL OR d.name = pause.definition
        ORDER BY d.name
    LOOP
        PERFORM pgslo_catalog.begin_pause(wanted.name, NULL);
        PERFORM pgslo_catalog.silence(k.name) FROM pgslo_catalog.keep_functions(wanted.name) AS k (name);
        RETURN NEXT wanted.name;
    END LOOP;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('%s has no definition in this database', coalesce(pause.definition, 'no table'));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.pause(text) IS 'Disable every trigger rule of a table, or of all, without locking a table; constraints stay. Return the tables.';

CREATE OR REPLACE FUNCTION pgslo.resume(definition text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    wanted record;
    kept record;
BEGIN
    FOR wanted IN
        SELECT DISTINCT d.definition_id, d.name
        FROM pgslo_catalog.definition d JOIN pgslo_catalog.pause p USING (definition_id)
        WHERE p.resumed_at IS NULL AND (resume.definition IS NULL OR d.name = resume.definition)
        ORDER BY d.name
    LOOP
        FOR kept IN
            DELETE FROM pgslo_catalog.paused_function k WHERE k.definition_id = wanted.definition_id RETURNING k.function_name, k.source
        LOOP
            IF to_regprocedure(format('pgslo_gen.%I()', kept.function_name)) IS NOT NULL THEN
                EXECUTE kept.source;
            END IF;
        END LOOP;
        PERFORM pgslo_catalog.want_pairs_anew(wanted.name);
        UPDATE pgslo_catalog.rule_break k
        SET said = s.said, error_message = s.said
        FROM pgslo_catalog.pause p
        CROSS JOIN LATERAL (
            SELECT format('rows written between %s and %s UTC were not judged, it was switched off by role %s',
                          to_char(p.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                          to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), p.paused_by) AS said) AS s
        WHERE k.pause_id = p.pause_id AND p.definition_id = wanted.definition_id AND p.resumed_at IS NULL;
        UPDATE pgslo_catalog.pause p SET resumed_at = clock_timestamp(), resumed_by = pgslo_catalog.caller()
        WHERE p.definition_id = wanted.definition_id AND p.resumed_at IS NULL;
        -- The next tick() counts each batch from the table: nothing was recorded meanwhile.
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
        SELECT d.definition_id, '', '-Infinity', 0, 'recount'
        FROM pgslo_catalog.definition d
        WHERE d.definition_id = wanted.definition_id AND d.writes = 'bulk' AND d.recount IS NOT NULL;
        RETURN NEXT wanted.name;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.resume(text) IS 'Enable all paused rules of a table, or of all, again. Return the tables.';

CREATE OR REPLACE FUNCTION pgslo.accept_pause(definition text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    accepted bigint;
BEGIN
    WITH done AS (
        UPDATE pgslo_catalog.pause p SET accepted_at = clock_timestamp(), accepted_by = pgslo_catalog.caller()
        FROM pgslo_catalog.definition d
        WHERE d.definition_id = p.definition_id AND d.name = accept_pause.definition
          AND p.settled_at IS NOT NULL AND p.accepted_at IS NULL
          AND EXISTS (SELECT FROM pgslo_catalog.rule_break k WHERE k.pause_id = p.pause_id)
        RETURNING p.pause_id
    ), gone AS (
        DELETE FROM pgslo_catalog.rule_break k WHERE k.pause_id IN (SELECT o.pause_id FROM done o)
    )
    SELECT count(*) INTO accepted FROM done;
    RETURN accepted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.accept_pause(text) IS
    'Accept rows written during pauses of a table that no rule evaluated; return the number of pauses.';

CREATE OR REPLACE VIEW pgslo.pause WITH (security_barrier) AS
SELECT d.name AS definition, p.rule_name AS rule, p.paused_at, p.paused_by, p.resumed_at, p.resumed_by,
       CASE
           WHEN p.resumed_at IS NULL THEN 'not judged'
           WHEN p.settled_at IS NULL THEN 'waiting for tick'
           WHEN EXISTS (SELECT FROM pgslo_catalog.rule_break k WHERE k.pause_id = p.pause_id) THEN 'not judged'
           WHEN p.accepted_at IS NOT NULL THEN 'accepted'
           ELSE 'judged'
       END AS rows_written, p.accepted_at, p.accepted_by
FROM pgslo_catalog.pause p JOIN pgslo_catalog.known_definition d USING (definition_id);
COMMENT ON VIEW pgslo.pause IS 'When rules were paused, by which role, and how the rows written meanwhile were evaluated.';
