-- What views of healthy rows call: they leave out rows of missed batches. Functions that take any type run with the rights
-- of the reader, as in 310_planned.sql.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.unhealthy(definition text, columns text[], kind anyelement) RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY SELECT u.key FROM unnest(pgslo.planned_batches(unhealthy.definition, unhealthy.columns, NULL, unhealthy.kind)) AS u (key);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.unhealthy(text, text[], anyelement) IS
    'Return batches that currently miss a rule over these columns, or over any if NULL, of the type of the batch''s column.';

-- Inlined, as pgslo.hit(). Two comparisons cost half of a search in an array, and PostgreSQL estimates both.

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch date, keys date[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(date, date[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch timestamp, keys timestamp[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(timestamp, timestamp[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch timestamptz, keys timestamptz[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(timestamptz, timestamptz[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch smallint, keys smallint[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(smallint, smallint[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch integer, keys integer[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(integer, integer[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch bigint, keys bigint[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(bigint, bigint[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch numeric, keys numeric[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(numeric, numeric[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch text, keys text[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(text, text[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_healthy(batch uuid, keys uuid[], has_null boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE cardinality(keys) WHEN 0 THEN true WHEN 1 THEN batch IS DISTINCT FROM keys[1]
            WHEN 2 THEN batch IS DISTINCT FROM keys[1] AND batch IS DISTINCT FROM keys[2] ELSE (batch = ANY (keys)) IS NOT TRUE END
       AND (NOT has_null OR batch IS NOT NULL);
COMMENT ON FUNCTION pgslo.is_healthy(uuid, uuid[], boolean) IS 'Return whether a batch is not one of these.';

CREATE OR REPLACE FUNCTION pgslo.is_current(definition text, planned text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    RETURN pgslo_catalog.is_known(is_current.definition, NULL, is_current.planned);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.is_current(text, text[]) IS 'Whether a plan knows all that concerns readers of a definition now.';

CREATE OR REPLACE FUNCTION pgslo.guard_rows(definition text, columns text[], on_read text, planned text[], kind regtype) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    told record;
    is_known boolean;
BEGIN
    -- Nearly always nothing is missed, and nothing was when the statement was planned.
    IF guard_rows.planned = '{}' AND pgslo_catalog.is_quiet(guard_rows.definition, coalesce(guard_rows.columns, '{*}'), '{}') THEN
        RETURN true;
    END IF;
    told := pgslo.told_by_rows(guard_rows.definition, guard_rows.columns, NULL, guard_rows.kind);
    -- What concerns all rows; how old the plan is does not matter here.
    PERFORM pgslo.guard(guard_rows.definition, coalesce(guard_rows.columns, '{*}'), guard_rows.on_read, NULL::text[]);
    -- Nothing is missed.
    IF NOT told.is_untold AND (NOT told.has_null OR pgslo.is_current(guard_rows.definition, guard_rows.planned))
        OR pgslo_catalog.concern_names(guard_rows.definition, NULL) = '{}' THEN
        RETURN true;
    END IF;
    is_known := pgslo_catalog.may_know(guard_rows.definition, pgslo_catalog.caller());
    RAISE EXCEPTION USING
        ERRCODE = 'SL001',
        MESSAGE = format('read refused: cannot determine the healthy rows of %s', guard_rows.definition),
        DETAIL = CASE
            WHEN NOT is_known THEN 'This role may read neither the table nor a guarded view of it.'
            WHEN told.is_untold THEN 'A batch that misses a rule is known by a hash, or is not known.'
            ELSE 'This statement was planned before rows without a batch were missed.' END,
        HINT = CASE
            WHEN NOT is_known THEN 'Grant it SELECT on the view.'
            WHEN told.is_untold THEN 'SELECT * FROM pgslo.incident shows the batch; correct or accept it.'
            ELSE 'DISCARD PLANS, and read again.' END,
        SCHEMA = split_part(guard_rows.definition, '.', 1),
        TABLE = substr(guard_rows.definition, strpos(guard_rows.definition, '.') + 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard_rows(text, text[], text, text[], regtype) IS
    'Called by a view of healthy rows before it shows rows: return true, with a WARNING for problems of the table as '
    'a whole, or raise an error if rows cannot be distinguished.';

CREATE OR REPLACE FUNCTION pgslo.guard_healthy(definition text, columns text[], on_read text, planned text[], kind anyelement) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN pgslo.guard_rows(guard_healthy.definition, guard_healthy.columns, guard_healthy.on_read, guard_healthy.planned, pg_typeof(guard_healthy.kind));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.guard_healthy(text, text[], text, text[], anyelement) IS 'Run pgslo.guard_rows() for the type of the batch''s column.';
