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

CREATE OR REPLACE FUNCTION pgslo_catalog.missed_batch(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_plain boolean := rule.at_least IS NULL AND rule.at_most IS NULL;
    below numeric := coalesce(incident.over_place, 'Infinity');
    batch record;
    summed record;
    newest text;
    batches integer := 0;
    given record;
BEGIN
    IF rule.scope = 'assertion' THEN
        SELECT count(DISTINCT b.group_key) AS groups, bool_and(b.group_shown IS NULL) AS is_whole INTO given
        FROM pgslo_catalog.broken_group b WHERE b.rule_id = rule.rule_id;
        -- Which groups, only pgslo.broken_group shows: their keys are values of rows.
        RETURN format('%s; the rule wants: %s. Since %s UTC.', pgslo_catalog.groups_said(given.groups, given.is_whole),
            rule.promise, to_char(incident.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))
        WHERE given.groups > 0;
    END IF;
    IF rule.scope <> 'row' THEN
        SELECT v.batch, v.said,
               (SELECT count(*) FROM (
                    SELECT FROM pgslo_catalog.verdict w
                    WHERE w.rule_id = rule.rule_id AND w.verdict = 'missed' AND w.place >= incident.opened_place AND w.place < below LIMIT 101) AS m) AS missed
        INTO given
        FROM pgslo_catalog.verdict v
        WHERE v.rule_id = rule.rule_id AND v.verdict = 'missed' AND v.place >= incident.opened_place AND v.place < below
        ORDER BY v.place DESC LIMIT 1;
        RETURN format('Batch %s: %s. Since %s UTC, %s.', given.batch,
            CASE WHEN pgslo_catalog.shows_figures(rule, pgslo_catalog.caller()) THEN given.said ELSE format('the rule wants: %s', rule.promise) END,
            to_char(incident.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            CASE given.missed WHEN 1 THEN '1 batch' WHEN 101 THEN 'more than 100 batches' ELSE given.missed || ' batches' END)
        WHERE given.batch IS NOT NULL;
    END IF;
    -- From the newest failing batch back, each found by its index. A reader waits for this sentence: neither a long
    -- incident nor a batch of very many statements may make it long in coming.
    FOR looked IN 1..10 LOOP
        SELECT f.batch AS name, f.place INTO batch
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = incident.definition_id AND f.place >= incident.opened_place AND f.place < below
          AND f.failures IS NOT NULL AND f.failures ? rule.name
        ORDER BY f.place DESC
        LIMIT 1;
        EXIT WHEN NOT FOUND;
        below := batch.place;
        IF newest IS NOT NULL AND is_plain THEN
            batches := batches + 1;
            CONTINUE;
        END IF;
        SELECT coalesce(sum(s.rows), 0)::bigint AS rows, coalesce(sum((s.failures ->> rule.name)::bigint), 0)::bigint AS failed,
               CASE WHEN count(*) > 5000 THEN 'at least ' ELSE '' END AS at_least
        INTO summed
        FROM (
            SELECT f.rows, f.failures FROM pgslo_catalog.fragment f
            WHERE f.definition_id = incident.definition_id AND f.batch = batch.name
            LIMIT 5001
        ) s;
        CONTINUE WHEN NOT pgslo_catalog.is_missed(rule, summed.rows, summed.failed);
        batches := batches + 1;
        -- A row trigger sees the rows that fail, and not how many there are.
        newest := coalesce(newest, format('Batch %s: %s%s', batch.name, summed.at_least,
            CASE WHEN summed.rows > 0 THEN format('%s of %s rows fail', summed.failed, summed.rows)
                 WHEN summed.failed = 1 THEN '1 row fails'
                 ELSE format('%s rows fail', summed.failed) END));
    END LOOP;
    RETURN format('%s; the rule wants: %s. Since %s UTC, %s%s.', newest, rule.promise,
        to_char(incident.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
        CASE WHEN batch IS NULL THEN '' ELSE 'at least ' END,
        CASE batches WHEN 1 THEN '1 batch' ELSE batches || ' batches' END)
    WHERE newest IS NOT NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.missed_batch(pgslo_catalog.incident, pgslo_catalog.rule) IS 'The newest missed batch of an incident, in a sentence.';

CREATE OR REPLACE FUNCTION pgslo_catalog.problem(definition text, columns text[])
RETURNS TABLE (code text, incident_id bigint, rule text, column_name text, message text, detail text, hint text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    SELECT '01SL1', i.incident_id, r.name, touched.name,
           format('%s misses rule "%s"', touched.phrase, r.name),
           coalesce(pgslo_catalog.missed_batch(i, r), format('The rule wants: %s.', r.promise)),
           format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);', i.incident_id, coalesce(r.owner, d.owner, 'unknown'), i.incident_id)
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.incident i ON i.definition_id = d.definition_id AND i.resolved_at IS NULL
    JOIN pgslo_catalog.rule r ON r.rule_id = i.rule_id AND r.retired_at IS NULL
    CROSS JOIN LATERAL (
        SELECT c.name, CASE WHEN c.name IS NULL THEN d.name ELSE format('column "%s" of %s', c.name, d.name) END AS phrase
        FROM (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS c (name)
        WHERE c.name IS NOT NULL OR (r.columns = '{}' AND '*' = ANY (problem.columns))
    ) touched
    WHERE d.name = problem.definition AND r.scope <> 'table'
      -- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
      AND (i.opened_by_tick OR NOT EXISTS (
          SELECT FROM pgslo_catalog.incident k WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id AND k.resolved_at IS NULL AND k.opened_by_tick))
    UNION ALL
    -- How old the newest data is, as of now: nobody has to write or tick for a table to become stale.
    SELECT CASE WHEN a.value IS NULL THEN '01SL2' ELSE '01SL1' END, i.incident_id, r.name, NULL::text,
           CASE WHEN a.value IS NULL THEN format('freshness of %s cannot be told', d.name) ELSE format('%s misses rule "%s"', d.name, r.name) END,
           upper(left(a.said, 1) COLLATE "C") || substr(a.said, 2) || '.',
           format('%s %s.', CASE WHEN i.incident_id IS NULL THEN 'Tell the owner,' ELSE format('Incident %s, owner', i.incident_id) END, coalesce(r.owner, d.owner, 'unknown'))
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.scope = 'table' AND r.retired_at IS NULL
    LEFT JOIN LATERAL (
        SELECT o.incident_id FROM pgslo_catalog.incident o
        WHERE o.definition_id = d.definition_id AND o.rule_id = r.rule_id AND o.resolved_at IS NULL
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
                ELSE format('SELECT * FROM pgslo.pause; the owner is %s.', coalesce(r.owner, d.owner, 'unknown')) END
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
    JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id AND r.retired_at IS NULL
    WHERE d.name = problem.definition AND b.batch IS NULL AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
    UNION ALL
    SELECT '01SL2', NULL, u.name, u.column_name,
           format('rule "%s" of %s has not been evaluated for batch %s', u.name, problem.definition, u.batches[1]),
           format('%s since %s UTC, SQLSTATE %s.', CASE cardinality(u.batches) WHEN 1 THEN '1 batch' ELSE cardinality(u.batches) || ' batches' END,
                  to_char(u.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), u.error_code),
           format('SELECT pgslo.tick(); tries again. The owner is %s.', u.owner)
    FROM (
        SELECT r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)) AS column_name,
               coalesce(r.owner, d.owner, 'unknown') AS owner, min(k.since) AS since, min(k.error_code) AS error_code,
               array_agg(k.batch ORDER BY k.place DESC, k.batch) AS batches
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.retired_at IS NULL
        JOIN (
            SELECT b.definition_id, b.rule_id, b.batch, min(b.place) AS place, min(b.broke_at) AS since, min(b.error_code) AS error_code
            FROM pgslo_catalog.rule_break b WHERE b.batch IS NOT NULL GROUP BY b.definition_id, b.rule_id, b.batch
        ) k ON k.definition_id = d.definition_id AND k.rule_id = r.rule_id
        WHERE d.name = problem.definition AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
        GROUP BY r.rule_id, d.owner
    ) u
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL,
           format('batches of %s can no longer be told apart', d.name),
           format('%s. Since %s UTC.', pgslo_catalog.break_said(b, pgslo_catalog.caller()), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
           format('Tell the owner, %s: pgslo plan shows what changed.', coalesce(d.owner, 'unknown'))
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id AND b.rule_id IS NULL
    WHERE d.name = problem.definition AND '*' = ANY (problem.columns)
    UNION ALL
    SELECT '01SL1', NULL, 'schema', NULL, format('%s misses rule "schema"', d.name), upper(left(s.difference, 1) COLLATE "C") || substr(s.difference, 2) || '.',
           format('Tell the owner, %s.', coalesce(d.owner, 'unknown'))
    FROM pgslo_catalog.definition d
    CROSS JOIN LATERAL (SELECT pgslo_catalog.schema_difference(d.relation, d.schema_wanted)) AS s (difference)
    WHERE d.name = problem.definition AND d.schema_wanted IS NOT NULL AND '*' = ANY (problem.columns) AND s.difference IS NOT NULL
    UNION ALL
    SELECT '01SL2', NULL, NULL, NULL, format('%s has no definition', problem.definition), 'The guarded view outlived it.', 'pgslo plan shows how to mend it.'
    WHERE NOT EXISTS (SELECT FROM pgslo_catalog.definition d WHERE d.name = problem.definition);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.problem(text, text[]) IS 'What is wrong with these columns of a definition now; ''*'' stands for the table as a whole.';

CREATE OR REPLACE FUNCTION pgslo_catalog.announce(definition text, columns text[], on_read text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    wish text := nullif(current_setting('pgslo.on_read', true), '');
    -- What happens in this session: warn, insist, refuse or silent.
    mode text;
    found record;
    -- A guarded view may be read through a view of another role, by one that may read neither.
    is_known boolean;
    -- Reported already in this statement. An open cursor is the one memory of its own that a session may change in a
    -- parallel plan and on a standby; a setting may not be changed there. Its text holds what was reported. Name and
    -- marks are hashes with a secret: no other statement or function can take the name, or claim that it was reported.
    secret text;
    memory refcursor;
    statement text := extract(epoch FROM statement_timestamp())::text;
    said text[];
    fresh text[] := '{}';
    key text;
    remembered text;
BEGIN
    IF wish NOT IN ('warn', 'insist', 'refuse', 'silent') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid value for parameter "pgslo.on_read": "%s"', wish),
            HINT = 'Available values: warn, insist, refuse, silent.';
    END IF;
    -- A pooled connection may keep the setting of another client, who must not silence this one: it counts where the
    -- view is silent anyway. Status views are silent, and insisting leaves them so: their column reports.
    mode := CASE
        WHEN 'refuse' IN (announce.on_read, wish) THEN 'refuse'
        WHEN wish = 'warn' THEN 'warn'
        WHEN announce.on_read = 'silent' THEN 'silent'
        WHEN 'insist' IN (announce.on_read, wish) THEN 'insist'
        ELSE 'warn'
    END;
    IF mode = 'silent' THEN
        RETURN true;
    END IF;
    -- psql shows every warning above the result.
    IF mode = 'insist' AND (current_setting('pgslo.heard', true) = 'on' OR current_setting('application_name') = 'psql') THEN
        mode := 'warn';
    END IF;
    secret := (SELECT s.value FROM pgslo_catalog.secret s);
    memory := 'pgslo_warned ' || md5(concat(secret, pg_backend_pid(), ' ', extract(epoch FROM transaction_timestamp())));
    SELECT string_to_array(split_part(c.statement, '''', 2), ' ') INTO said FROM pg_cursors c WHERE c.name = memory::text;
    IF said[1] = statement THEN
        fresh := said[2:];
    END IF;
    FOR found IN SELECT p.* FROM pgslo_catalog.problem(announce.definition, announce.columns) p LOOP
        is_known := coalesce(is_known, pgslo_catalog.may_know(announce.definition, pgslo_catalog.caller()));
        IF NOT is_known THEN
            -- One bit, and whom to ask.
            found.rule := NULL;
            found.column_name := NULL;
            found.message := format('data of %s is unhealthy', announce.definition);
            found.detail := 'This role may not see details, because it may read neither the table nor a guarded view of it.';
            found.hint := format('Ask the owner, %s.', coalesce((SELECT d.owner FROM pgslo_catalog.definition d WHERE d.name = announce.definition), 'unknown'));
        END IF;
        IF mode <> 'warn' THEN
            IF mode = 'insist' THEN
                found.hint :=
                    'Call pgslo.client.watch in Python, or SET pgslo.heard = ''on'' in a client that shows warnings. '
                    'To read without this check, SET pgslo.on_read = ''warn''. ' || found.hint;
            END IF;
            RAISE EXCEPTION USING
                ERRCODE = 'SL001',
                MESSAGE = format('read refused: %s', found.message),
                DETAIL = found.detail,
                HINT = found.hint,
                SCHEMA = split_part(announce.definition, '.', 1),
                TABLE = substr(announce.definition, strpos(announce.definition, '.') + 1),
                COLUMN = coalesce(found.column_name, ''),
                CONSTRAINT = coalesce(found.rule, '');
        END IF;
        key := md5(format('%s %s %s %s %s', secret, statement, announce.definition, found.rule, found.code));
        CONTINUE WHEN key = ANY (fresh);
        fresh := fresh || key;
        RAISE WARNING USING
            ERRCODE = found.code,
            MESSAGE = found.message,
            DETAIL = found.detail,
            HINT = found.hint,
            SCHEMA = split_part(announce.definition, '.', 1),
            TABLE = substr(announce.definition, strpos(announce.definition, '.') + 1),
            COLUMN = coalesce(found.column_name, ''),
            CONSTRAINT = coalesce(found.rule, '');
    END LOOP;
    IF fresh <> '{}' AND (said IS NULL OR said <> statement || fresh) THEN
        IF said IS NOT NULL THEN
            CLOSE memory;
        END IF;
        remembered := format('SELECT %L', array_to_string(statement || fresh, ' '));
        OPEN memory FOR EXECUTE remembered;
    END IF;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.announce(text, text[], text) IS 'Warns, once an incident and statement, or refuses the read.';

CREATE OR REPLACE FUNCTION pgslo.guard(definition text, columns text[], on_read text DEFAULT 'warn') RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- The way of nearly every read: nothing is wrong with these columns. Nearly all of a question's cost is starting its
    -- plan, so this is as small as can be.
    PERFORM FROM pgslo_catalog.incident i WHERE i.resolved_at IS NULL AND i.definition = guard.definition AND i.about && guard.columns
    UNION ALL SELECT FROM pgslo_catalog.rule_break;
    IF FOUND THEN
        -- Rules that broke are few, and may be another table's.
        PERFORM FROM pgslo_catalog.incident i WHERE i.resolved_at IS NULL AND i.definition = guard.definition AND i.about && guard.columns
        UNION ALL
        SELECT FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
        LEFT JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id
        WHERE d.name = guard.definition AND (r.columns && guard.columns OR coalesce(r.columns, '{}') = '{}' AND '*' = ANY (guard.columns));
    END IF;
    IF NOT FOUND THEN
        -- What concerns the table as a whole is looked at in the one call that asks for it.
        IF '*' <> ALL (guard.columns) THEN
            RETURN true;
        END IF;
        PERFORM FROM pgslo_catalog.definition d
        WHERE d.name = guard.definition AND d.schema_wanted IS NULL
          AND (d.max_age IS NULL OR pgslo_catalog.newest_data(d) BETWEEN clock_timestamp() - d.max_age AND clock_timestamp());
        IF FOUND THEN
            RETURN true;
        END IF;
    END IF;
    RETURN pgslo_catalog.announce(guard.definition, guard.columns, guard.on_read);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard(text, text[], text) IS 'What a guarded view asks before it shows columns: true, with a WARNING when something is wrong with them, or an error.';

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
