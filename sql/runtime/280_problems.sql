-- Problems of the rows that a reader reads, in words.
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
                   ELSE format('column "%s" is %s, not %s', w.name, format_type(a.atttypid, a.atttypmod),
                       coalesce(w.types ->> 'said', w.types #>> '{}'))
               END
        FROM jsonb_each(schema_difference.wanted -> 'columns') AS w (name, types)
        LEFT JOIN pg_attribute a ON a.attrelid = schema_difference.relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname IS NULL
           OR NOT CASE jsonb_typeof(w.types)
                  WHEN 'null' THEN true
                  WHEN 'string' THEN format_type(a.atttypid, a.atttypmod) = w.types #>> '{}'
                  ELSE w.types -> 'exact' ? format_type(a.atttypid, a.atttypmod) OR (
                      WITH RECURSIVE below AS (
                          SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
                          UNION ALL
                          SELECT t.oid, t.typtype, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
                      )
                      SELECT w.types -> 'any' ? format_type(b.oid, NULL)
                          OR w.types -> 'any' ? 'array' AND EXISTS (SELECT FROM pg_type e WHERE e.typarray = b.oid)
                      FROM below b WHERE b.typtype <> 'd')
              END
        UNION ALL
        SELECT format('column "%s" comes after column "%s"', pair.earlier, pair.name)
        FROM (
            SELECT o.name, a.attnum, lag(o.name) OVER (ORDER BY o.place) AS earlier, lag(a.attnum) OVER (ORDER BY o.place) AS number
            FROM jsonb_array_elements_text(schema_difference.wanted -> 'ordered') WITH ORDINALITY AS o (name, place)
            JOIN pg_attribute a ON a.attrelid = schema_difference.relation AND a.attname = o.name AND a.attnum > 0 AND NOT a.attisdropped
        ) AS pair
        WHERE pair.attnum < pair.number
        UNION ALL
        SELECT format('column "%s" is not in the definition', a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = schema_difference.relation AND a.attnum > 0 AND NOT a.attisdropped
          AND schema_difference.wanted ->> 'extra' = 'forbid' AND NOT (schema_difference.wanted -> 'columns') ? a.attname
    ) AS difference (text)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.schema_difference(regclass, jsonb) IS 'Return the difference of a table''s columns from the expected ones, or NULL.';

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

CREATE OR REPLACE FUNCTION pgslo_catalog.missed_said(rule pgslo_catalog.rule, batch text, reader name DEFAULT pgslo_catalog.caller()) RETURNS text
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
          AND pgslo_catalog.shows_figures(missed_said.rule, missed_said.reader);
        RETURN coalesce(said, format('expected: %s', (missed_said.rule).promise));
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
    RETURN format('%s%s; expected: %s', summed.at_least,
        CASE WHEN summed.failed <= 0 THEN 'rows fail'
             WHEN summed.rows > 0 THEN format('%s of %s rows fail', summed.failed, summed.rows)
             WHEN summed.failed = 1 THEN '1 row fails'
             ELSE format('%s rows fail', summed.failed) END, (missed_said.rule).promise);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.missed_said(pgslo_catalog.rule, text, name) IS
    'Return the value of a missed batch for a rule, in words, as a role may know it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.broken_said(rule pgslo_catalog.rule, reader name DEFAULT pgslo_catalog.caller()) RETURNS text
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
        RETURN format('%s; expected: %s', pgslo_catalog.groups_said(given.groups, given.is_whole), (broken_said.rule).promise);
    END IF;
    SELECT v.batch INTO given FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (broken_said.rule).rule_id AND v.verdict = 'missed' ORDER BY v.place DESC LIMIT 1;
    RETURN pgslo_catalog.missed_said(broken_said.rule, given.batch, broken_said.reader);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.broken_said(pgslo_catalog.rule, name) IS 'Return how the current table misses a rule, in words, as a role may know it.';

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
COMMENT ON FUNCTION pgslo_catalog.newest_missed_said(pgslo_catalog.incident, pgslo_catalog.rule) IS 'Return the newest missed batch, in a sentence.';

CREATE OR REPLACE FUNCTION pgslo_catalog.problem(
    definition text, columns text[], within interval DEFAULT NULL, reader name DEFAULT pgslo_catalog.caller()
)
RETURNS TABLE (code text, incident_id bigint, rule text, column_name text, message text, detail text, hint text, by_row boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    reach interval := pgslo_catalog.reach(problem.definition, problem.within);
    target pgslo_catalog.definition;
    is_whole boolean := '*' = ANY (problem.columns);
BEGIN
    -- A reader waits for this sentence. To start a plan takes longer than to check whether there is a problem.
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = problem.definition;
    IF NOT FOUND THEN
        RETURN QUERY SELECT '01SL2', NULL::bigint, NULL::text, NULL::text, format('%s has no definition', problem.definition),
            'The definition was removed, the view was not.', 'Run pgslo plan to fix it.', false;
        RETURN;
    END IF;
    -- Batches that missed a rule and are stored, one line a rule.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.definition = problem.definition AND m.ended_at IS NULL AND m.about && problem.columns;
    IF FOUND THEN
        RETURN QUERY
        WITH stored AS (
            SELECT m.rule_id, max(m.incident_id) AS incident_id, count(DISTINCT m.batch) AS batches, min(m.missed_at) AS since,
                   array_agg(m.batch ORDER BY m.place DESC, m.missed_id DESC) AS names,
                   -- No row of an empty batch is read, and only rules about the number of rows miss one.
                   bool_and(m.about <> '{*}' OR coalesce(b.rows > 0, k.measure ->> 'form' IS DISTINCT FROM 'batches')
                            OR NOT pgslo_catalog.misses_rows(k.measure)) AS by_row
            FROM pgslo_catalog.missed_batch m
            JOIN pgslo_catalog.rule k ON k.rule_id = m.rule_id
            LEFT JOIN pgslo_catalog.batch b ON b.definition_id = m.definition_id AND b.name = m.batch
            WHERE m.definition = problem.definition AND m.ended_at IS NULL AND m.about && problem.columns
              AND pgslo_catalog.is_within(m.place, reach)
            GROUP BY m.rule_id
        ), named AS (
            SELECT s.rule_id, s.batches, s.since, s.names, s.by_row, r AS rule, d.owner,
                   i.incident_id, i.opened_at, coalesce(i.over_at IS NULL, true) AS is_open, coalesce(i.is_suspect, false) AS is_suspect,
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
               format(CASE WHEN n.is_suspect THEN '%s is suspect by rule%s' ELSE '%s misses rule%s' END,
                   CASE WHEN n.column_name IS NULL THEN problem.definition ELSE format('column "%s" of %s', n.column_name, problem.definition) END,
                   format(CASE WHEN l.names IS NULL THEN ' "%s"' ELSE 's "%s" and %s' END, (n.rule).name, l.names)),
               format('Batch %s: %s. %s', n.names[1], pgslo_catalog.missed_said(n.rule, n.names[1], problem.reader),
                   CASE WHEN n.is_open
                        THEN format('Since %s UTC, %s.', to_char(coalesce(n.opened_at, n.since) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                                    pgslo_catalog.batches_shown(n.batches))
                        ELSE format('Later batches meet the rule; %s stored since %s UTC.',
                            CASE n.batches WHEN 1 THEN 'this one is' ELSE pgslo_catalog.batches_shown(n.batches) || ' that missed it are' END,
                            to_char(n.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) END),
               CASE WHEN n.incident_id IS NULL THEN format('The owner is %s.', coalesce((n.rule).owner, n.owner, 'unknown'))
                    ELSE format('Incident %s, owner %s. SELECT * FROM pgslo.explain(%s);',
                        n.incident_id, coalesce((n.rule).owner, n.owner, 'unknown'), n.incident_id) END,
               n.by_row
        FROM named n
        LEFT JOIN LATERAL (SELECT string_agg(format('"%s"', (o.rule).name), ', ' ORDER BY o.rule_id)
                           FROM named o WHERE o.told_by = n.rule_id) AS l (names) ON true
        WHERE n.told_by IS NULL;
    END IF;
    -- Rules over the table as it is now.
    PERFORM FROM pgslo_catalog.incident i WHERE i.definition = problem.definition AND i.over_at IS NULL AND NOT i.is_of_batches;
    IF FOUND THEN
        RETURN QUERY
        SELECT '01SL1', i.incident_id, r.name, touched.name,
               format('%s misses rule "%s"', touched.phrase, r.name),
               format('%s. Since %s UTC.', upper(left(s.said, 1) COLLATE "C") || substr(s.said, 2),
                      to_char(i.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
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
        CROSS JOIN LATERAL (SELECT pgslo_catalog.broken_said(r, problem.reader) AS said) AS s
        WHERE d.name = problem.definition
          -- Of two open incidents of a rule, the one that tick() opened: it joins the other to it.
          AND (i.opened_by_tick OR NOT EXISTS (
              SELECT FROM pgslo_catalog.incident k WHERE k.definition_id = i.definition_id AND k.rule_id = i.rule_id
                AND k.over_at IS NULL AND k.opened_by_tick));
    END IF;
    -- The age of the newest data, as of now: a table becomes stale without a write or a tick.
    IF is_whole AND target.max_age IS NOT NULL THEN
        RETURN QUERY
        SELECT CASE WHEN a.value IS NULL THEN '01SL2' ELSE '01SL1' END, i.incident_id, r.name, NULL::text,
               CASE WHEN a.value IS NULL THEN format('cannot determine the freshness of %s', d.name) ELSE format('%s misses rule "%s"', d.name, r.name) END,
               upper(left(a.said, 1) COLLATE "C") || substr(a.said, 2) || '.',
               format('%s %s.', CASE WHEN i.incident_id IS NULL THEN 'Contact the owner,' ELSE format('Incident %s, owner', i.incident_id) END,
                   coalesce(r.owner, d.owner, 'unknown')), false
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule r ON r.definition_id = d.definition_id AND r.scope = 'table' AND r.retired_at IS NULL
        LEFT JOIN LATERAL (
            SELECT o.incident_id FROM pgslo_catalog.incident o
            WHERE o.definition_id = d.definition_id AND o.rule_id = r.rule_id AND o.over_at IS NULL
            ORDER BY o.opened_by_tick DESC LIMIT 1
        ) i ON true
        CROSS JOIN LATERAL pgslo_catalog.age(d) AS a
        WHERE d.name = problem.definition AND d.max_age IS NOT NULL AND '*' = ANY (problem.columns) AND (a.value IS NULL OR a.value > r.warn_high);
    END IF;
    PERFORM FROM pgslo_catalog.rule_break b WHERE b.definition_id = target.definition_id;
    IF FOUND THEN
        RETURN QUERY
        SELECT '01SL2', NULL::bigint, r.name, (SELECT min(rc.name) FROM unnest(r.columns) AS rc (name) WHERE rc.name = ANY (problem.columns)),
               format('rule "%s" of %s can no longer be judged', r.name, d.name),
               format('%s. Since %s UTC.', pgslo_catalog.break_said(b, problem.reader), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
               CASE WHEN b.pause_id IS NULL
                    THEN format('Contact the owner, %s: pgslo plan shows the change.', coalesce(r.owner, d.owner, 'unknown'))
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
                FROM pgslo_catalog.rule_break b WHERE b.batch IS NOT NULL AND pgslo_catalog.is_within(b.place, reach)
                GROUP BY b.definition_id, b.rule_id, b.batch
            ) k ON k.definition_id = d.definition_id AND k.rule_id = r.rule_id
            WHERE d.name = problem.definition AND (r.columns && problem.columns OR r.columns = '{}' AND '*' = ANY (problem.columns))
            GROUP BY r.rule_id, d.owner
        ) u
        UNION ALL
        SELECT '01SL2', NULL, NULL, NULL,
               format('cannot determine the batch of rows in %s', d.name),
               format('%s. Since %s UTC.', pgslo_catalog.break_said(b, problem.reader), to_char(b.broke_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
               format('Contact the owner, %s: pgslo plan shows the change.', coalesce(d.owner, 'unknown')), false
        FROM pgslo_catalog.definition d
        JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id AND b.rule_id IS NULL
        WHERE d.name = problem.definition AND '*' = ANY (problem.columns);
    END IF;
    IF is_whole AND target.schema_wanted IS NOT NULL THEN
        RETURN QUERY
        SELECT '01SL1', NULL::bigint, 'schema', NULL::text, format('%s misses rule "schema"', d.name),
               upper(left(s.difference, 1) COLLATE "C") || substr(s.difference, 2) || '.',
               format('Contact the owner, %s.', coalesce(d.owner, 'unknown')), false
        FROM pgslo_catalog.definition d
        CROSS JOIN LATERAL (SELECT pgslo_catalog.schema_difference(d.relation, d.schema_wanted)) AS s (difference)
        WHERE d.name = problem.definition AND d.schema_wanted IS NOT NULL AND '*' = ANY (problem.columns) AND s.difference IS NOT NULL;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.problem(text, text[], interval, name) IS
    'Return problems of these columns, as a role may know them; ''*'' is the whole table. by_row: only readers of rows of the batches are concerned.';
