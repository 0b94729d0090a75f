-- What guarded views ask while a statement is planned: which batches of the columns that it reads are missed.
--
-- The functions planned_* are marked IMMUTABLE although they read tables. That is what makes the planner replace each call
-- by its answer, so that a column which misses nothing is the bare column of the table, with its indexes and statistics.
-- A plan that is kept may therefore know less than is true by now. pgslo.guard() makes that safe: it gets the names of
-- all concerns that the plan knows, when the statement runs, and warns of any other.
-- None is STRICT: a NULL argument would be folded to NULL without a call. None is in SQL: it would be inlined, not folded.
--
-- The caller of a polymorphic function chooses the type, and PL/pgSQL checks the constraints of a domain where it makes a
-- parameter or a variable of one. So the functions that take any type run with the rights of the reader, and
-- pgslo.told_by_rows(), which runs with its owner's, takes the name of the type and returns texts.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.concern(definition text, columns text[], within interval)
RETURNS TABLE (name text, batch text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    reach interval;
BEGIN
    -- Nearly always nothing is wrong with any column of any table, and one question says so.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.definition = concern.definition AND m.ended_at IS NULL
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.definition = concern.definition AND i.over_at IS NULL
    UNION ALL SELECT FROM pgslo_catalog.rule_break;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    reach := pgslo_catalog.reach(concern.definition, concern.within);
    RETURN QUERY
    SELECT m.concern, CASE WHEN m.is_of_former_key THEN 'unknown' ELSE m.batch END
    FROM pgslo_catalog.missed_batch m
    WHERE m.definition = concern.definition AND m.ended_at IS NULL AND (concern.columns IS NULL OR m.about && concern.columns)
      AND (reach IS NULL OR pgslo_catalog.is_within(m.place, reach))
    UNION ALL
    SELECT format('break %s %s', b.rule_break_id, r.columns), b.batch
    FROM pgslo_catalog.definition d
    JOIN pgslo_catalog.rule_break b ON b.definition_id = d.definition_id
    JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id AND r.retired_at IS NULL AND r.columns <> '{}'
    WHERE d.name = concern.definition AND (concern.columns IS NULL OR r.columns && concern.columns)
      AND (b.batch IS NULL OR reach IS NULL OR pgslo_catalog.is_within(b.place, reach))
    UNION ALL
    -- Rules over the table as it is now: no batch is missed.
    SELECT format('incident %s %s', i.incident_id, i.about), NULL
    FROM pgslo_catalog.incident i
    JOIN pgslo_catalog.rule r ON r.rule_id = i.rule_id AND r.retired_at IS NULL AND r.columns <> '{}'
    WHERE i.definition = concern.definition AND i.over_at IS NULL AND NOT i.is_of_batches
      AND (concern.columns IS NULL OR i.about && concern.columns);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.concern(text, text[], interval) IS
    'Return warnings for readers of these columns, or of any if NULL; with the batch whose rows are concerned, NULL for all rows.';

CREATE OR REPLACE FUNCTION pgslo_catalog.concern_names(definition text, within interval) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    names text[] := ARRAY(
        SELECT c.name FROM pgslo_catalog.concern(concern_names.definition, NULL, concern_names.within) AS c ORDER BY c.name COLLATE "C");
BEGIN
    IF names = '{}' OR pgslo_catalog.may_know(concern_names.definition, pgslo_catalog.caller()) THEN
        RETURN names;
    END IF;
    -- A role that may not know how many there are can still see that nothing has changed.
    RETURN ARRAY['digest ' || md5(concat((SELECT s.value FROM pgslo_catalog.secret s), names::text))];
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.concern_names(text, interval) IS
    'Return the names of all concerns of a definition, as the caller may know them; one digest for a role that may read neither the table nor a guarded view.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_known(definition text, within interval, planned text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- By hash: there may be a thousand.
    RETURN NOT EXISTS (
        SELECT n.name FROM unnest(pgslo_catalog.concern_names(is_known.definition, is_known.within)) AS n (name)
        EXCEPT
        SELECT k.name FROM unnest(is_known.planned) AS k (name));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_known(text, interval, text[]) IS 'Whether a plan knows all that concerns readers of a definition now.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_told() RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 1000;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_told() IS
    'Return the number of missed batches of a column up to which rows are distinguished: each is a constant in every plan.';

CREATE OR REPLACE FUNCTION pgslo_catalog.are_keys(keys text[], kind regtype) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    months text := '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9])';
    clock text := 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?([+]00:00)?';
    plainest text := array_to_string(are_keys.keys, ',');
    moment text := format('^-?infinity$|^[0-9]{4}-(%s)(%s)?( BC)?$', months, clock);
BEGIN
    -- By their form, as iso() writes them: before PostgreSQL 18, no error can be caught in a parallel plan. Nearly always
    -- all of them are of the plainest one, and one look at all says so.
    IF cardinality(string_to_array(plainest, ',')) = cardinality(are_keys.keys) AND plainest || ',' ~ (CASE
        WHEN are_keys.kind IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
            THEN '^(?:2[0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:[01][1-9]|10|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31),)*$'
        WHEN are_keys.kind IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN '^(?:[0-9]{1,4},)*$' END)
    THEN
        RETURN true;
    END IF;
    RETURN NOT EXISTS (
        SELECT FROM unnest(are_keys.keys) AS k (key) CROSS JOIN (SELECT p.typlen FROM pg_type p WHERE p.oid = are_keys.kind) AS t
        WHERE NOT CASE
            WHEN are_keys.kind IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN
                CASE
                    WHEN k.key !~ moment THEN false
                    WHEN k.key LIKE '%infinity' THEN true
                    -- The year before 0001 is 0001 BC, and the first day that there is 4714-11-24 BC.
                    WHEN k.key < '0001' COLLATE "C" OR k.key LIKE '% BC' AND left(k.key, 10) COLLATE "C" > '4714' AND
                        (left(k.key, 4) COLLATE "C" > '4714' OR substr(k.key, 6, 5) COLLATE "C" < '11-24') THEN false
                    WHEN substr(k.key, 6, 5) <> '02-29' THEN true
                    ELSE (SELECT y.year % 4 = 0 AND y.year % 100 <> 0 OR y.year % 400 = 0
                          FROM (SELECT left(k.key, 4)::integer - (k.key LIKE '% BC')::integer) AS y (year))
                END
            WHEN are_keys.kind IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
                CASE WHEN k.key ~ '^-?[0-9]{1,19}$' THEN
                    k.key::numeric BETWEEN - 2::numeric ^ (8 * t.typlen - 1) AND 2::numeric ^ (8 * t.typlen - 1) - 1
                ELSE false END
            WHEN are_keys.kind = 'numeric'::regtype THEN k.key ~ '^(-?[0-9]+([.][0-9]+)?|NaN|-?Infinity)$'
            WHEN are_keys.kind = 'uuid'::regtype THEN k.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            ELSE true
        END);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.are_keys(text[], regtype) IS 'Whether each of these texts is a value of a type of a batch''s column.';

CREATE OR REPLACE FUNCTION pgslo.told_by_rows(
    definition text, columns text[], within interval, kind regtype, OUT keys text[], OUT has_null boolean, OUT is_any boolean, OUT is_untold boolean
)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $pgslo$
BEGIN
    SELECT coalesce(array_agg(DISTINCT c.batch COLLATE "C") FILTER (WHERE c.batch <> 'NULL'), '{}'), coalesce(bool_or(c.batch = 'NULL'), false),
           coalesce(bool_or(c.batch IS NULL), false),
           -- A hash, the beginning of a long key, rows whose batch is not known, and years so late that their batch may have no end.
           coalesce(bool_or(c.batch IN ('', 'unknown') OR length(c.batch) >= 190 OR c.batch LIKE 'text %' AND c.batch ~ '^text [0-9a-f]{32}$'
               OR strpos(c.batch, '-') > 5 AND c.batch ~ '^[0-9]{5,}-'), false)
    INTO keys, has_null, is_any, is_untold
    FROM pgslo_catalog.concern(told_by_rows.definition, told_by_rows.columns, told_by_rows.within) AS c;
    is_untold := is_untold
        OR coalesce(told_by_rows.kind <> ALL ('{date, timestamp, timestamptz, smallint, integer, bigint, numeric, text, uuid}'::regtype[]), true)
        -- A batch by another expression than today's may have no key of this type.
        OR keys <> '{}' AND NOT pgslo_catalog.are_keys(keys, told_by_rows.kind);
    -- Keys are written into the plan, which its role may have shown by EXPLAIN. That rows have none is one as well.
    IF (keys <> '{}' OR has_null) AND pgslo_catalog.may_know(told_by_rows.definition, pgslo_catalog.caller()) IS NOT TRUE THEN
        is_untold := true;
        has_null := false;
    END IF;
    is_any := is_any OR is_untold OR cardinality(keys) > pgslo_catalog.batches_told();
    IF is_untold THEN
        keys := '{}';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.told_by_rows(text, text[], interval, regtype) IS
    'Return keys of the batches that concern readers of these columns, as text; is_any if any row may be meant, is_untold if rows do not name their batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_within(place numeric, within interval) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN is_within.within IS NULL OR is_within.place = '-Infinity'
        OR is_within.place >= extract(epoch FROM clock_timestamp() - is_within.within);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_within(numeric, interval) IS 'Return whether a batch is within the window of a reader; any is, without a limit.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reach(definition text, within interval) RETURNS interval
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A role that may choose it finds the key of a missed batch by bisection.
    RETURN CASE
        WHEN reach.within IS NOT NULL AND pgslo_catalog.may_know(reach.definition, pgslo_catalog.caller()) THEN reach.within
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reach(text, interval) IS
    'Return how far the caller looks back: NULL, as without a limit, for a role that may not know the definition.';

CREATE OR REPLACE FUNCTION pgslo_catalog.keeps_batches(rule pgslo_catalog.rule) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (keeps_batches.rule).scope IN ('row', 'batch') AND NOT coalesce((keeps_batches.rule).measure ? 'by_clock', false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keeps_batches(pgslo_catalog.rule) IS
    'Whether a batch that misses the rule stays missed until it is corrected; else the rule is about the table as it is now.';

CREATE OR REPLACE FUNCTION pgslo.planned(definition text, within interval DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    RETURN pgslo_catalog.concern_names(planned.definition, planned.within);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.planned(text, interval) IS 'Return the names of all concerns of a definition when a statement is planned.';

CREATE OR REPLACE FUNCTION pgslo.planned_fine(definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    -- Each column that a statement reads asks: nearly always nothing is wrong with it, and one small question says so.
    PERFORM FROM pgslo_catalog.missed_batch m
    WHERE m.definition = planned_fine.definition AND m.ended_at IS NULL AND (planned_fine.columns IS NULL OR m.about && planned_fine.columns)
    UNION ALL SELECT FROM pgslo_catalog.incident i WHERE i.definition = planned_fine.definition AND i.over_at IS NULL AND NOT i.is_of_batches
    UNION ALL SELECT FROM pgslo_catalog.rule_break;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM pgslo_catalog.concern(planned_fine.definition, planned_fine.columns, planned_fine.within);
    RETURN NOT FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.planned_fine(text, text[], interval) IS 'Whether nothing concerns readers of these columns when a statement is planned.';

CREATE OR REPLACE FUNCTION pgslo.planned_flags(definition text, columns text[], within interval, kind anyelement) RETURNS boolean[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    told record := pgslo.told_by_rows(planned_flags.definition, planned_flags.columns, planned_flags.within, pg_typeof(planned_flags.kind));
BEGIN
    RETURN ARRAY[told.is_any, told.has_null];
END
$pgslo$;
COMMENT ON FUNCTION pgslo.planned_flags(text, text[], interval, anyelement) IS
    'Return whether any row may be of a missed batch, because rows do not name it, and whether rows without a batch are missed.';

CREATE OR REPLACE FUNCTION pgslo.planned_null(definition text, columns text[], within interval, kind anyelement) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- No type: no key is asked for.
    RETURN (pgslo.told_by_rows(planned_null.definition, planned_null.columns, planned_null.within, NULL)).has_null;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.planned_null(text, text[], interval, anyelement) IS 'Whether rows without a batch are missed.';

CREATE OR REPLACE FUNCTION pgslo.planned_batches(definition text, columns text[], within interval, kind anyelement) RETURNS anyarray
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $pgslo$
DECLARE
    answer ALIAS FOR $0;
BEGIN
    -- An assignment reads the texts by the type's input function.
    answer := (pgslo.told_by_rows(planned_batches.definition, planned_batches.columns, planned_batches.within, pg_typeof(kind))).keys;
    answer := ARRAY(SELECT u.key FROM unnest(answer) AS u (key) ORDER BY u.key);
    RETURN answer;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.planned_batches(text, text[], interval, anyelement) IS
    'Return missed batches of these columns, of the type of the batch''s column, the first one first.';

CREATE OR REPLACE FUNCTION pgslo_catalog.plan_reads_again() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    due text;
    command text;
BEGIN
    -- Usually the loop is empty.
    FOREACH due IN ARRAY ARRAY(
        SELECT DISTINCT m.definition FROM pgslo_catalog.missed_batch m WHERE m.ended_at IS NULL AND m.planned_at IS NULL)
    LOOP
        BEGIN
            -- Granting a privilege again changes nothing, and every session, also on a standby, plans its reads of the view again.
            -- Not in a writer's transaction: of two at once, one fails.
            FOREACH command IN ARRAY ARRAY(
                SELECT format('GRANT SELECT ON %s TO %I', c.oid::regclass, r.rolname)
                FROM pgslo_catalog.generated g
                JOIN pg_class c ON c.oid = g.object_id AND c.relkind = 'v'
                JOIN pg_roles r ON r.oid = c.relowner AND pg_has_role(r.oid, 'USAGE')
                WHERE g.kind = 'view' AND g.is_ours AND g.definition = due)
            LOOP
                EXECUTE command;
            END LOOP;
            UPDATE pgslo_catalog.missed_batch m SET planned_at = clock_timestamp()
            WHERE m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u
                WHERE u.definition = due AND u.ended_at IS NULL AND u.planned_at IS NULL
                FOR UPDATE SKIP LOCKED);
        EXCEPTION
            WHEN query_canceled THEN
                RAISE;
            WHEN internal_error OR undefined_table OR lock_not_available THEN
                NULL;  -- Another session alters the view at this moment, or drops it: the next tick() does it.
            WHEN OTHERS THEN
                RAISE WARNING USING
                    ERRCODE = '01SL2',
                    MESSAGE = format('sessions keep their plans of reads of %s', due),
                    DETAIL = format('SQLSTATE %s: %s.', SQLSTATE, SQLERRM),
                    HINT = 'Readers with prepared statements are warned of the table as a whole until pgslo.tick() can grant a privilege on its guarded views.';
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.plan_reads_again() IS 'Invalidate plans of guarded views after batches were missed.';
