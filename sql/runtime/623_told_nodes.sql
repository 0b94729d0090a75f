-- Warnings for readers of a distributed table: its guarded views are read on nodes that have only one table of pgslo's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.say_told(
    definition text, on_read text, code text, rule text, column_name text, message text, detail text, hint text
) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
-- Behind a pooler another client's SET client_min_messages would silence this one.
SET client_min_messages = 'warning'
AS $pgslo$
DECLARE
    wish text := nullif(current_setting('pgslo.on_read', true), '');
    -- Each shard asks. One that another node asks for knows no statement: there a warning is not repeated for a second.
    statement numeric := CASE
        WHEN current_setting('application_name') LIKE 'citus_internal%' THEN trunc(extract(epoch FROM clock_timestamp()))
        ELSE extract(epoch FROM statement_timestamp()) END;
    said text := md5(concat_ws(' ', say_told.definition, say_told.code, say_told.rule, say_told.message));
    before text[] := string_to_array(current_setting('pgslo.told', true), ' ');
BEGIN
    IF say_told.on_read = 'silent' AND wish IS NULL THEN
        RETURN true;
    END IF;
    IF 'refuse' IN (say_told.on_read, wish) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL001',
            MESSAGE = format('read refused: %s', say_told.message),
            DETAIL = coalesce(say_told.detail, ''),
            HINT = coalesce(say_told.hint, ''),
            SCHEMA = split_part(say_told.definition, '.', 1),
            TABLE = substr(say_told.definition, strpos(say_told.definition, '.') + 1),
            COLUMN = coalesce(say_told.column_name, ''),
            CONSTRAINT = coalesce(say_told.rule, '');
    END IF;
    IF before[1] = statement::text AND said = ANY (before) THEN
        RETURN true;
    END IF;
    PERFORM set_config('pgslo.told', array_to_string(
        CASE WHEN before[1] = statement::text THEN before ELSE ARRAY[statement::text] END || said, ' '), false);
    RAISE WARNING USING
        ERRCODE = say_told.code,
        MESSAGE = say_told.message,
        DETAIL = coalesce(say_told.detail, ''),
        HINT = coalesce(say_told.hint, ''),
        SCHEMA = split_part(say_told.definition, '.', 1),
        TABLE = substr(say_told.definition, strpos(say_told.definition, '.') + 1),
        COLUMN = coalesce(say_told.column_name, ''),
        CONSTRAINT = coalesce(say_told.rule, '');
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.say_told(text, text, text, text, text, text, text, text) IS
    'Report a problem of the rows that a guarded view of a distributed table reads: true, with a WARNING, or an error. Reads no table.';

CREATE OR REPLACE FUNCTION pgslo.say_told(definition text, on_read text, about text[], lines jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT bool_or(pgslo.say_told(say_told.definition, say_told.on_read, l.one ->> 'code', l.one ->> 'rule', l.one ->> 'column_name',
                                      l.one ->> 'message', l.one ->> 'detail', l.one ->> 'hint'))
        FROM jsonb_array_elements(say_told.lines) AS l (one)
        WHERE l.one ->> 'about' = ANY (say_told.about));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.say_told(text, text, text[], jsonb) IS
    'Report what these lines of the table of warnings say about columns: true, with WARNINGs, or an error; NULL if nothing. Reads no table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tell_nodes(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := tell_nodes.definition;
    told regclass := to_regclass('pgslo.' || quote_ident(target.told));
    kind regtype := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = told AND a.attname = 'batch');
    -- Every reader gets the same warnings, whatever the role that runs this may see.
    nobody CONSTANT name := NULL;
    now timestamptz := clock_timestamp();
    wanted jsonb;
    is_known boolean;
BEGIN
    IF told IS NULL THEN
        RETURN;
    END IF;
    WITH about AS (
        SELECT '*' AS name
        UNION
        SELECT c.name FROM pgslo_catalog.rule r CROSS JOIN unnest(r.columns) AS c (name)
        WHERE r.definition_id = target.definition_id AND r.retired_at IS NULL
    ), problem AS MATERIALIZED (
        SELECT a.name, p.code, p.rule, p.column_name, p.message, p.detail, p.hint, p.by_row
        FROM about a CROSS JOIN LATERAL pgslo_catalog.problem(target.name, ARRAY[a.name], NULL, nobody) AS p
    ), concerned AS (
        -- Rows of the batches, or all rows where no key finds them, or there are too many.
        SELECT a.name, CASE WHEN pgslo_catalog.are_keys(ARRAY[c.batch], kind) AND c.number <= pgslo_catalog.batches_told() THEN c.batch END AS batch
        FROM about a
        CROSS JOIN LATERAL (
            SELECT n.batch, count(*) OVER () AS number FROM pgslo_catalog.concern(target.name, ARRAY[a.name], NULL) AS n GROUP BY n.batch
        ) AS c
    ), line AS (
        SELECT p.name AS about, c.batch, p.code, p.rule, p.column_name, p.message, p.detail, p.hint, true AS is_by_row
        FROM problem p JOIN concerned c USING (name) WHERE p.by_row
        UNION
        SELECT p.name, NULL, p.code, p.rule, p.column_name, p.message, p.detail, p.hint, false FROM problem p WHERE NOT p.by_row
        UNION ALL
        SELECT '', NULL, NULL, NULL, NULL, pgslo_catalog.status_of(target.name, true, nobody)::text, NULL, NULL, false
    )
    SELECT jsonb_agg(to_jsonb(l) || '{"after": "-infinity"}') INTO wanted FROM line AS l;
    EXECUTE format(
        'SELECT (SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text) FROM %1$s AS t WHERE t.after = ''-infinity'')
                IS NOT DISTINCT FROM
                (SELECT jsonb_agg(to_jsonb(w) ORDER BY to_jsonb(w)::text) FROM jsonb_populate_recordset(NULL::%1$s, $1) AS w)
            AND EXISTS (SELECT FROM %1$s AS t WHERE t.after BETWEEN $2 AND $3)', told)
    INTO is_known USING wanted, now + interval '50 minutes', now + interval '1 hour';
    -- Nearly always nothing changed: a write goes to every node.
    IF is_known THEN
        RETURN;
    END IF;
    -- If no tick() writes here any more, readers have to know: the last line warns of it from an hour after it was written.
    wanted := wanted || jsonb_build_object(
        'about', '*', 'code', '01SL2', 'message', format('cannot determine the state of %s', target.name),
        'detail', format('No pgslo.tick() has written the warnings for readers since %s UTC.', to_char(now AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
        'hint', format('Run pgslo.tick() on the coordinator every minute; pgslo status shows what fails. The owner is %s.', coalesce(target.owner, 'unknown')),
        'is_by_row', false, 'after', now + interval '1 hour');
    EXECUTE format('DELETE FROM %s', told);
    EXECUTE format('INSERT INTO %1$s SELECT w.* FROM jsonb_populate_recordset(NULL::%1$s, $1) AS w', told) USING wanted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_nodes(pgslo_catalog.definition) IS
    'Write the warnings for readers of a distributed table to the table that every node has; no effect for other tables, or if it is current.';
