-- What guarded views call in a reader's session. Read-only: they also run on a standby and in parallel plans.
-- Written in PL/pgSQL because it keeps its plans: PostgreSQL plans a function in SQL that has settings at every call.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.schema_difference(relation regclass, wanted jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $pgslo$
    SELECT string_agg(difference.text, '; ' ORDER BY difference.text)
    FROM (
        SELECT CASE
                   WHEN a.attname IS NULL THEN format('column "%s" is missing', w.name)
                   ELSE format('column "%s" is %s, not %s', w.name, format_type(a.atttypid, a.atttypmod), w.type)
               END
        FROM jsonb_each_text(schema_difference.wanted -> 'columns') AS w (name, type)
        LEFT JOIN pg_attribute a ON a.attrelid = schema_difference.relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname IS NULL OR format_type(a.atttypid, a.atttypmod) <> w.type
        UNION ALL
        SELECT format('column "%s" is not in the definition', a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = schema_difference.relation AND a.attnum > 0 AND NOT a.attisdropped
          AND schema_difference.wanted ->> 'extra' = 'forbid' AND NOT (schema_difference.wanted -> 'columns') ? a.attname
    ) AS difference (text)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.schema_difference(regclass, jsonb) IS 'How a table''s columns differ from those wanted, in words; NULL when they do not.';

CREATE OR REPLACE FUNCTION pgslo_catalog.groups_said(groups bigint, is_whole boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        WHEN groups_said.is_whole THEN 'rows of the table break it'
        WHEN groups_said.groups = 0 THEN 'no group breaks it'
        WHEN groups_said.groups = 1 THEN '1 group breaks it'
        ELSE format('%s groups break it', pgslo_catalog.shown(groups_said.groups))
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.groups_said(bigint, boolean) IS 'Return how many groups violate an assertion, in words; is_whole for one without groups.';

CREATE OR REPLACE FUNCTION pgslo_catalog.missed_said(rule pgslo_catalog.rule, batch text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    said text;
    summed record;
BEGIN
    IF (missed_said.rule).scope <> 'row' THEN
        SELECT v.said INTO said FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (missed_said.rule).rule_id AND v.batch = missed_said.batch AND v.verdict = 'missed'
          AND pgslo_catalog.shows_figures(missed_said.rule, pgslo_catalog.caller());
        RETURN coalesce(said, format('the rule wants: %s', (missed_said.rule).promise));
    END IF;
    -- A reader waits for this sentence: a batch of very many statements may not make it long in coming.
    SELECT coalesce(sum(s.rows), 0)::bigint AS rows, coalesce(sum((s.failures ->> (missed_said.rule).name)::bigint), 0)::bigint AS failed,
           CASE WHEN count(*) > 5000 THEN 'at least ' ELSE '' END AS at_least
    INTO summed
    FROM (
        SELECT f.rows, f.failures FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (missed_said.rule).definition_id AND f.batch = missed_said.batch
        LIMIT 5001
    ) s;
    -- A row trigger sees the rows that fail, and not how many there are.
    RETURN format('%s%s; the rule wants: %s', summed.at_least,
        CASE WHEN summed.failed <= 0 THEN 'rows fail'
             WHEN summed.rows > 0 THEN format('%s of %s rows fail', summed.failed, summed.rows)
             WHEN summed.failed = 1 THEN '1 row fails'
             ELSE format('%s rows fail', summed.failed) END, (missed_said.rule).promise);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.missed_said(pgslo_catalog.rule, text) IS 'What a missed batch comes to in the eyes of a rule, in words, as the caller may know it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.broken_said(rule pgslo_catalog.rule) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    given record;
BEGIN
    IF (broken_said.rule).scope = 'assertion' THEN
        -- Which groups, only pgslo.broken_group shows: their keys are values of rows.
        SELECT count(DISTINCT b.group_key) AS groups, bool_and(b.group_shown IS NULL) AS is_whole INTO given
        FROM pgslo_catalog.broken_group b WHERE b.rule_id = (broken_said.rule).rule_id;
        RETURN format('%s; the rule wants: %s', pgslo_catalog.groups_said(given.groups, given.is_whole), (broken_said.rule).promise);
    END IF;
    SELECT v.batch INTO given FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (broken_said.rule).rule_id AND v.verdict = 'missed' ORDER BY v.place DESC LIMIT 1;
    RETURN pgslo_catalog.missed_said(broken_said.rule, given.batch);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.broken_said(pgslo_catalog.rule) IS 'What is wrong with the table as it is now in the eyes of a rule, in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_missed_said(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest text;
BEGIN
    IF NOT pgslo_catalog.keeps_batches(newest_missed_said.rule) THEN
        RETURN pgslo_catalog.broken_said(newest_missed_said.rule) || '.';
    END IF;
    SELECT m.batch INTO newest FROM pgslo_catalog.missed_batch m
    WHERE m.rule_id = (newest_missed_said.rule).rule_id AND m.place >= (newest_missed_said.incident).opened_place
      AND m.place < coalesce((newest_missed_said.incident).over_place, 'Infinity')
    ORDER BY m.place DESC LIMIT 1;
    RETURN format('Batch %s: %s.', newest, pgslo_catalog.missed_said(newest_missed_said.rule, newest)) WHERE newest IS NOT NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_missed_said(pgslo_catalog.incident, pgslo_catalog.rule) IS 'The newest missed batch of an incident, in a sentence.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_shown(batches bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE batches_shown.batches WHEN 1 THEN '1 batch' ELSE pgslo_catalog.shown(batches_shown.batches) || ' batches' END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_shown(bigint) IS 'Return a number of batches in words.';

CREATE OR REPLACE FUNCTION pgslo_catalog.problem(definition text, columns text[], within interval DEFAULT NULL)
RETURNS TABLE (code text, incident_id bigint, rule text, column_name text, message text, detail text, hint text, by_row boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    -- Batches that missed a rule and are stored, one line a rule.
    WITH stored AS (
        SELECT m.rule_id, max(m.incident_id) AS incident_id, count(DISTINCT m.batch) AS batches, min(m.missed_at) AS since,
               array_agg(m.batch ORDER BY m.place DESC, m.missed_id DESC) AS names,
               -- Nobody reads a row of a batch that has none, and only rules about their number miss one.
               bool_and(m.about <> '{*}' OR coalesce(b.rows > 0, true) OR NOT pgslo_catalog.misses_rows(k.measure)) AS by_row
        FROM pgslo_catalog.missed_batch m
        JOIN pgslo_catalog.rule k ON k.rule_id = m.rule_id
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = m.definition_id AND b.name = m.batch
        WHERE m.definition = problem.definition AND m.ended_at IS NULL AND m.about && problem.columns
          AND pgslo_catalog.is_within(m.place, problem.within)
        GROUP BY m.rule_id
    ), named AS (
        SELECT s.rule_id, s.batches, s.since, s.names, s.by_row, r AS rule, d.owner,
               i.incident_id, i.opened_at, coalesce(i.over_at IS NULL, true) AS is_open,
               (SELECT min(c.name) FROM unnest(r.columns) AS c (name) WHERE c.name = ANY (problem.columns)) AS column_name,
               CASE WHEN r.kind = 'learned' THEN (
                   SELECT min(o.rule_id) FROM stored o JOIN pgslo_catalog.rule k ON k.rule_id = o.rule_id
                   WHERE k.kind <> 'learned' AND k.columns && r.columns AND o.names && s.names) END AS told_by
        FROM stored s
        JOIN pgslo_catalog.rule r ON r.rule_id = s.rule_id AND r.retired_at IS NULL
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        LEFT JOIN LATERAL (
            -- A batch that a writer recorded is joined to its incident by tick().
            SELECT o.* FROM pgslo_catalog.incident o
            WHERE o.definition_id = r.definition_id AND o.rule_id = r.rule_id AND (o.incident_id = s.incident_id OR o.over_at IS NULL)
            ORDER BY o.over_at IS NULL DESC, o.opened_by_tick DESC, o.incident_id DESC LIMIT 1
        ) i ON true
        -- Nothing but the newest batch can be missing.
        WHERE s.by_row OR coalesce(i.over_at IS NULL, true)
    )
    SELECT '01SL1', n.incident_id, (n.rule).name, n.column_name,
           format('%s misses rule%s', CASE WHEN n.column_name IS NULL THEN problem.definition ELSE format('column "%s" of %s', n.column_name, problem.definition) END,
               format(CASE WHEN l.names IS NULL THEN ' "%s"' ELSE 's "%s" and %s' END, (n.rule).name, l.names)),
           format('Batch %s: %s. %s', n.names[1], pgslo_catalog.missed_said(n.rule, n.names[1]),
               CASE WHEN n.is_open
                    THEN format('Since %s UTC, %s.', to_char(coalesce(n.opened_at, n.since) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), pgslo_catalog.batches_shown(n.batches))
                    ELSE format('Later batches meet the rule; %s stored since %s UTC.',
                        CASE n.batches WHEN 1 THEN 'this one is' ELSE pgslo_catalog.batches_shown(n.batches) || ' that missed it are' END,
                        to_char(n.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) END),
           CASE WHEN n.incident_id IS NULL THEN format('The owner is %s.', coalesce((n.rule).owner, n.owner, 'unknown'))
                ELSE format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);', n.incident_id, coalesce((n.rule).owner, n.owner, 'unknown'), n.incident_id) END,
           n.by_row
    FROM named n
    LEFT JOIN LATERAL (SELECT string_agg(format('"%s"', (o.rule).name), ', ' ORDER BY o.rule_id) FROM named o WHERE o.told_by = n.rule_id) AS l (names) ON true
    WHERE n.told_by IS NULL
    UNION ALL
    -- Rules over the table as it is now.
    SELECT '01SL1', i.incident_id, r.name, touched.name,
           format('%s misses rule "%s"', touched.phrase, r.name),
           format('%s. Since %s UTC.', upper(left(s.said, 1) COLLATE "C") || substr(s.said, 2), to_char(i.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);', i.incident_id, coalesce(r.owner, d.owner, 'unknown'), i.incident_id),
           false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.incident i ON i.definition_id = d.definition_id AND i.over_at IS NULL
    JOIN pgslo_catalog.rule r ON r.rule_id = i.rule_id AND r.retired_at IS NULL AND r.scope <> 'table' AND NOT pgslo_catalog.keeps_batches(r)
    CROSS JOIN LATERAL (
        SELECT c.name, CASE WHEN c.name IS NULL THEN d.name ELSE format('column "%s" of %s', c.name, d.name) END AS phrase
        FROM (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS c (name)
        WHERE c.name IS NOT NULL OR (r.columns = '{}' AND '*' = ANY (problem.columns))
    ) touched
    CROSS JOIN LATERAL (SELECT pgslo_catalog.broken_said(r) AS said) AS s
    WHERE d.name = problem.definition
      -- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
      AND (i.opened_by_tick OR NOT EXISTS (
          SELECT FROM pgslo_catalog.incident k WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id AND k.over_at IS NULL AND k.opened_by_tick))
    UNION ALL
    -- How old the newest data is, as of now: nobody has to write or tick for a table to become stale.
    SELECT CASE WHEN a.value IS NULL THEN '01SL2' ELSE '01SL1' END, i.incident_id, r.name, NULL::text,
           CASE WHEN a.value IS NULL THEN format('freshness of %s cannot be told', d.name) ELSE format('%s misses rule "%s"', d.name, r.name) END,
           upper(left(a.said, 1) COLLATE "C") || substr(a.said, 2) || '.',
           format('%s %s.', CASE WHEN i.incident_id IS NULL THEN 'Tell the owner,' ELSE format('Incident %s, owner', i.incident_id) END, coalesce(r.owner, d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.scope = 'table' AND r.retired_at IS NULL
    LEFT JOIN LATERAL (
        SELECT o.incident_id FROM pgslo_catalog.incident o
        WHERE o.definition_id = d.definition_id AND o.rule_id = r.rule_id AND o.over_at IS NULL
        ORDER BY o.opened_by_tick DESC LIMIT 1
    ) i ON true
    CROSS JOIN LATERAL pgslo_catalog.age(d) AS a
    WHERE d.name = problem.definition AND d.max_age IS NOT NULL AND '*' = ANY (problem.columns) AND (a.value IS NULL OR a.value > r.warn_high)
    UNION ALL
    SELECT '01SL2', NULL, r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)),
           format('rule "%s" of %s can no longer be judged', r.name, d.name),
           format('%s. Since %s UTC.', pgslo_catalog.break_said(b, pgslo_catalog.caller()), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           CASE WHEN b.pause_id IS NULL
                THEN format('Tell the owner, %s: pgslo plan shows what changed.', coalesce(r.owner, d.owner, 'unknown'))
                ELSE format('SELECT * FROM pgslo.pause; the owner is %s.', coalesce(r.owner, d.owner, 'unknown')) END,
           false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
    JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id AND r.retired_at IS NULL
    WHERE d.name = problem.definition AND b.batch IS NULL AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
    UNION ALL
    SELECT '01SL2', NULL, u.name, u.column_name,
           format('rule "%s" of %s has not been evaluated for batch %s', u.name, problem.definition, u.batches[1]),
           format('%s since %s UTC, SQLSTATE %s.', CASE cardinality(u.batches) WHEN 1 THEN '1 batch' ELSE cardinality(u.batches) || ' batches' END,
                  to_char(u.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), u.error_code),
           format('SELECT pgslo.tick(); tries again. The owner is %s.', u.owner), u.column_name IS NOT NULL
    FROM (
        SELECT r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS column_name,
               coalesce(r.owner, d.owner, 'unknown') AS owner, min(k.since) AS since, min(k.error_code) AS error_code,
               array_agg(k.batch ORDER BY k.place DESC, k.batch) AS batches
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.retired_at IS NULL
        JOIN (
            SELECT b.definition_id, b.rule_id, b.batch, min(b.place) AS place, min(b.broke_at) AS since, min(b.error_code) AS error_code
            FROM pgslo_catalog.rule_break b WHERE b.batch IS NOT NULL AND pgslo_catalog.is_within(b.place, problem.within)
            GROUP BY b.definition_id, b.rule_id, b.batch
        ) k ON k.definition_id = d.definition_id AND k.rule_id = r.rule_id
        WHERE d.name = problem.definition AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
        GROUP BY r.rule_id, d.owner
    ) u
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL,
           format('batches of %s can no longer be told apart', d.name),
           format('%s. Since %s UTC.', pgslo_catalog.break_said(b, pgslo_catalog.caller()), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           format('Tell the owner, %s: pgslo plan shows what changed.', coalesce(d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id AND b.rule_id IS NULL
    WHERE d.name = problem.definition AND '*' = ANY (problem.columns)
    UNION ALL
    SELECT '01SL1', NULL, 'schema', NULL, format('%s misses rule "schema"', d.name), upper(left(s.difference, 1) COLLATE "C") || substr(s.difference, 2) || '.',
           format('Tell the owner, %s.', coalesce(d.owner, 'unknown')), false
    FROM pgslo_catalog.definition d
    CROSS JOIN LATERAL (SELECT pgslo_catalog.schema_difference(d.relation, d.schema_wanted)) AS s (difference)
    WHERE d.name = problem.definition AND d.schema_wanted IS NOT NULL AND '*' = ANY (problem.columns) AND s.difference IS NOT NULL
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL, format('%s has no definition', problem.definition), 'The guarded view outlived it.', 'pgslo plan shows how to mend it.', false
    WHERE NOT EXISTS (SELECT FROM pgslo_catalog.definition d WHERE d.name = problem.definition);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.problem(text, text[], interval) IS
    'What is wrong with these columns of a definition; ''*'' stands for the table as a whole. by_row: rows of the batches tell whom it concerns.';

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
    'What happens to a read of bad rows in this session: warn, insist, refuse or silent. An error if pgslo.on_read is another word.';

CREATE OR REPLACE FUNCTION pgslo_catalog.was_reported(what text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- An open cursor is the one memory of its own that a session may change in a parallel plan and on a standby; a setting
    -- may not be changed there. Its text holds what was reported. Name and marks are hashes with a secret: no other
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
    IF NOT pgslo_catalog.may_know(say_problem.definition, pgslo_catalog.caller()) THEN
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
COMMENT ON FUNCTION pgslo_catalog.say_problem(text, pgslo_catalog.found_problem, text) IS 'Warns, once a statement, or refuses the read.';

CREATE OR REPLACE FUNCTION pgslo.announce(definition text, columns text[], on_read text, within interval DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    mode text := pgslo_catalog.read_mode(announce.on_read);
BEGIN
    IF mode <> 'silent' THEN
        PERFORM pgslo_catalog.say_problem(announce.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
        FROM pgslo_catalog.problem(announce.definition, announce.columns, announce.within) AS p
        -- Of the table as a whole, guard() says the rest.
        WHERE p.by_row OR '*' <> ALL (announce.columns);
    END IF;
    RETURN 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.announce(text, text[], text, interval) IS
    'What a guarded view calls when a row of a missed batch is read in these columns: 1, with a WARNING, or an error.';

CREATE OR REPLACE FUNCTION pgslo.guard(definition text, columns text[], on_read text, planned text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    mode text;
BEGIN
    -- The way of nearly every read: nothing is wrong with the table as a whole, and the plan knows what is missed. Nearly all of
    -- a question's cost is starting its plan, so this is as small as can be.
    PERFORM FROM pgslo_catalog.missed_batch m
    WHERE m.definition = guard.definition AND m.ended_at IS NULL
      AND (guard.within IS NULL OR pgslo_catalog.is_within(m.place, guard.within))
      AND (pgslo_catalog.missed_name(m) NOT IN (SELECT k.name FROM unnest(guard.planned) AS k (name))
           -- Nobody reads a row of a batch that has none.
           OR m.about && guard.columns AND NOT EXISTS (
               SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = m.definition_id AND b.name = m.batch AND b.rows > 0))
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.over_at IS NULL AND i.definition = guard.definition AND NOT i.is_of_batches
    UNION ALL SELECT FROM pgslo_catalog.rule_break;
    IF NOT FOUND THEN
        PERFORM FROM pgslo_catalog.definition d
        WHERE d.name = guard.definition AND d.schema_wanted IS NULL
          AND (d.max_age IS NULL OR pgslo_catalog.newest_data(d) BETWEEN clock_timestamp() - d.max_age AND clock_timestamp());
        IF FOUND THEN
            RETURN true;
        END IF;
    END IF;
    mode := pgslo_catalog.read_mode(guard.on_read);
    IF mode = 'silent' THEN
        RETURN true;
    END IF;
    PERFORM pgslo_catalog.say_problem(guard.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
    FROM pgslo_catalog.problem(guard.definition, guard.columns, guard.within) AS p
    WHERE NOT p.by_row;
    -- Views of healthy rows leave out by a query what their plan does not know.
    IF guard.planned IS NOT NULL AND NOT pgslo_catalog.is_known(guard.definition, guard.within, guard.planned) THEN
        PERFORM pgslo_catalog.say_problem(
            guard.definition,
            ROW('01SL1', NULL, NULL,
                format('missed batches of %s are stored and may be among the rows read', guard.definition),
                concat_ws(' ', 'This statement was planned before they were judged.', pgslo_catalog.news_said(guard.definition, guard.planned)),
                'DISCARD PLANS, and reading again, tells whether the rows that you read are concerned.')::pgslo_catalog.found_problem,
            mode);
    END IF;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard(text, text[], text, text[], interval) IS
    'What a guarded view asks before it shows rows: true, with a WARNING when something is wrong with the table as a whole or the plan is too old to tell, or an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.news_said(definition text, planned text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT string_agg(n.said, '; ' ORDER BY n.said) || '.'
        FROM (
            SELECT DISTINCT format('%s: batch %s misses rule "%s"', CASE WHEN m.about = '{*}' THEN 'the table' ELSE 'column ' || array_to_string(m.about, ', ') END, m.batch, r.name)
            FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
            WHERE m.definition = news_said.definition AND m.ended_at IS NULL
              AND pgslo_catalog.missed_name(m) NOT IN (SELECT k.name FROM unnest(news_said.planned) AS k (name))
            LIMIT 5
        ) AS n (said));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.news_said(text, text[]) IS 'What is missed and not known to a plan, in words.';

-- Views of an earlier version, until the next apply: by columns, whatever the rows.
CREATE OR REPLACE FUNCTION pgslo.guard(definition text, columns text[], on_read text DEFAULT 'warn') RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    mode text := pgslo_catalog.read_mode(guard.on_read);
BEGIN
    IF mode <> 'silent' THEN
        PERFORM pgslo_catalog.say_problem(guard.definition, ROW(p.code, p.rule, p.column_name, p.message, p.detail, p.hint)::pgslo_catalog.found_problem, mode)
        FROM pgslo_catalog.problem(guard.definition, guard.columns) AS p;
    END IF;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard(text, text[], text) IS 'What guarded views of an earlier version ask before they show columns: true, with a WARNING when something is wrong with them, or an error.';

CREATE OR REPLACE FUNCTION pgslo.status_of(definition text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A status view may be read through a view of another role, by one that may know the state alone.
    SELECT jsonb_build_object(
        'state', CASE WHEN count(*) = 0 THEN 'met' WHEN bool_or(p.code = '01SL1') THEN 'missed' ELSE 'unknown' END,
        'problems', coalesce(jsonb_agg(jsonb_build_object(
            'code', p.code, 'incident', p.incident_id, 'rule', p.rule, 'column', p.column_name, 'message', p.message, 'detail', p.detail
        ) ORDER BY p.incident_id) FILTER (WHERE pgslo_catalog.may_know(status_of.definition, pgslo_catalog.caller())), '[]'))
    FROM pgslo_catalog.problem(status_of.definition, ARRAY(
        SELECT '*' UNION ALL SELECT DISTINCT c.name FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r USING (definition_id) CROSS JOIN unnest(r.columns) AS c (name) WHERE d.name = status_of.definition)) p
$pgslo$;
COMMENT ON FUNCTION pgslo.status_of(text) IS 'What is wrong with a table, as jsonb, for clients that drop warnings.';
