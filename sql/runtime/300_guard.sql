-- What guarded views call once for each statement.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_quiet(definition text, columns text[], planned text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- By comparing all with all, which is quick for a few: a plan knows of none, nearly always.
    IF coalesce(cardinality(is_quiet.planned), 1000) > 100 THEN
        RETURN false;
    END IF;
    -- Nearly all of a question's cost is starting its plan, so this is one, and as small as can be.
    PERFORM FROM pgslo_catalog.missed_batch m
    WHERE m.definition = is_quiet.definition AND m.ended_at IS NULL AND (m.concern <> ALL (is_quiet.planned) OR m.about && is_quiet.columns)
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.over_at IS NULL AND i.definition = is_quiet.definition AND NOT i.is_of_batches
    UNION ALL SELECT FROM pgslo_catalog.rule_break
    UNION ALL SELECT WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.definition d
        WHERE d.name = is_quiet.definition AND d.schema_wanted IS NULL
          AND (d.max_age IS NULL OR pgslo_catalog.newest_data(d) BETWEEN clock_timestamp() - d.max_age AND clock_timestamp()));
    RETURN NOT FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_quiet(text, text[], text[]) IS
    'Return whether a table as a whole misses nothing, and a plan knows all missed batches; false where that takes longer to determine.';

CREATE OR REPLACE FUNCTION pgslo.guard(definition text, columns text[], on_read text, planned text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    mode text;
BEGIN
    -- The fast path of reads.
    IF pgslo_catalog.is_quiet(guard.definition, guard.columns, guard.planned) THEN
        RETURN true;
    END IF;
    -- Something is missed. By hash: there may be a thousand.
    PERFORM FROM pgslo_catalog.missed_batch m
    WHERE m.definition = guard.definition AND m.ended_at IS NULL
      AND (guard.within IS NULL OR pgslo_catalog.is_within(m.place, guard.within))
      AND (m.concern NOT IN (SELECT k.name FROM unnest(guard.planned) AS k (name))
           -- No row of an empty batch is read.
           OR m.about && guard.columns AND NOT EXISTS (
               SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = m.definition_id AND b.name = m.batch AND b.rows > 0))
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.over_at IS NULL AND i.definition = guard.definition AND NOT i.is_of_batches
    UNION ALL SELECT FROM pgslo_catalog.rule_break
    UNION ALL SELECT WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.definition d
        WHERE d.name = guard.definition AND d.schema_wanted IS NULL
          AND (d.max_age IS NULL OR pgslo_catalog.newest_data(d) BETWEEN clock_timestamp() - d.max_age AND clock_timestamp())
          -- A role that may not know of the table calls this as well, with times that it guesses.
          AND (guard.within IS NULL
               OR NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.definition = guard.definition AND m.ended_at IS NULL)
               OR pgslo_catalog.may_know(guard.definition, pgslo_catalog.caller())));
    IF NOT FOUND THEN
        RETURN true;
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
                'Run DISCARD PLANS and read again to see whether the rows that you read are concerned.')::pgslo_catalog.found_problem,
            mode);
    END IF;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard(text, text[], text, text[], interval) IS
    'Return true for a guarded view before it shows rows, with a WARNING for problems of the whole table or newer than '
    'the plan, or raise an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.news_said(definition text, planned text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT string_agg(n.said, '; ' ORDER BY n.said) || '.'
        FROM (
            SELECT DISTINCT format('%s: batch %s misses rule "%s"',
                                   CASE WHEN m.about = '{*}' THEN 'the table' ELSE 'column ' || array_to_string(m.about, ', ') END, m.batch, r.name)
            FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
            WHERE m.definition = news_said.definition AND m.ended_at IS NULL
              AND m.concern NOT IN (SELECT k.name FROM unnest(news_said.planned) AS k (name))
            LIMIT 5
        ) AS n (said));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.news_said(text, text[]) IS 'Return misses that a plan does not know, in words.';

-- Views of an earlier version, until the next apply: by columns, whatever the rows.
CREATE OR REPLACE FUNCTION pgslo.guard(definition text, columns text[], on_read text DEFAULT 'warn') RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
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
COMMENT ON FUNCTION pgslo.guard(text, text[], text) IS
    'Return true for guarded views of an earlier version before they show columns, with a WARNING for problems, or raise an error.';

CREATE OR REPLACE FUNCTION pgslo_catalog.status_of(definition text, is_known boolean, reader name) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'state', CASE WHEN count(*) = 0 THEN 'met' WHEN bool_or(p.code = '01SL1' AND NOT coalesce(i.is_suspect, false)) THEN 'missed'
                WHEN bool_or(p.code = '01SL1') THEN 'suspect' ELSE 'unknown' END,
            'problems', coalesce(jsonb_agg(jsonb_build_object(
                'code', p.code, 'incident', p.incident_id, 'rule', p.rule, 'column', p.column_name, 'message', p.message, 'detail', p.detail
            ) ORDER BY p.incident_id) FILTER (WHERE status_of.is_known), '[]'))
        FROM pgslo_catalog.problem(status_of.definition, ARRAY(
            SELECT '*' UNION ALL SELECT DISTINCT c.name FROM pgslo_catalog.definition d
            JOIN pgslo_catalog.rule r USING (definition_id) CROSS JOIN unnest(r.columns) AS c (name) WHERE d.name = status_of.definition),
            NULL, status_of.reader) p
        LEFT JOIN pgslo_catalog.incident i ON i.incident_id = p.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.status_of(text, boolean, name) IS
    'Return the state of a table, and its problems if they may be known, as a role may know them.';

CREATE OR REPLACE FUNCTION pgslo.status_of(definition text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    -- A status view may be read through a view of another role, by one that may know the state alone.
    SELECT pgslo_catalog.status_of(
        status_of.definition, pgslo_catalog.may_know(status_of.definition, pgslo_catalog.caller()), pgslo_catalog.caller())
$pgslo$;
COMMENT ON FUNCTION pgslo.status_of(text) IS 'Return the problems of a table, as jsonb, for clients that drop warnings.';
