-- What guarded views make of a row: whether it is of a missed batch, and a column that says so when it is read.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Is this row of a missed batch? SQL without settings and sub-selects, which the planner puts in place of the call, and only
-- for columns that are read and miss something. One for each type of a batch's column; views cast other integers to bigint,
-- and uuid to text. RETURN, not a string: its names are looked up when it is made, not in the reader's session. An OR, not
-- a CASE, so that parts that are FALSE at planning time are removed.
-- hit() asks for the missed batches, in two queries, and among() compares: each use of an argument there would ask again.
-- The first and the last batch spare most rows the search among all; of texts, to compare them takes longer.

CREATE OR REPLACE FUNCTION pgslo.among(batch date, keys date[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch >= keys[1] AND batch <= keys[array_upper(keys, 1)] AND batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(date, date[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch date, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(batch, pgslo.planned_batches(definition, columns, within, NULL::date), pgslo.planned_flags(definition, columns, within, NULL::date));
COMMENT ON FUNCTION pgslo.hit(date, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(batch timestamp, keys timestamp[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch >= keys[1] AND batch <= keys[array_upper(keys, 1)] AND batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(timestamp, timestamp[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch timestamp, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(
    batch, pgslo.planned_batches(definition, columns, within, NULL::timestamp),
    pgslo.planned_flags(definition, columns, within, NULL::timestamp));
COMMENT ON FUNCTION pgslo.hit(timestamp, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(batch timestamptz, keys timestamptz[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch >= keys[1] AND batch <= keys[array_upper(keys, 1)] AND batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(timestamptz, timestamptz[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch timestamptz, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(
    batch, pgslo.planned_batches(definition, columns, within, NULL::timestamptz),
    pgslo.planned_flags(definition, columns, within, NULL::timestamptz));
COMMENT ON FUNCTION pgslo.hit(timestamptz, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(batch bigint, keys bigint[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch >= keys[1] AND batch <= keys[array_upper(keys, 1)] AND batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(bigint, bigint[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch bigint, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(batch, pgslo.planned_batches(definition, columns, within, NULL::bigint), pgslo.planned_flags(definition, columns, within, NULL::bigint));
COMMENT ON FUNCTION pgslo.hit(bigint, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(batch numeric, keys numeric[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch >= keys[1] AND batch <= keys[array_upper(keys, 1)] AND batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(numeric, numeric[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch numeric, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(batch, pgslo.planned_batches(definition, columns, within, NULL::numeric), pgslo.planned_flags(definition, columns, within, NULL::numeric));
COMMENT ON FUNCTION pgslo.hit(numeric, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(batch text, keys text[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1] OR batch = ANY (keys) OR batch IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(text, text[], boolean[]) IS 'Whether a batch is one of these, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(batch text, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(batch, pgslo.planned_batches(definition, columns, within, NULL::text), pgslo.planned_flags(definition, columns, within, NULL::text));
COMMENT ON FUNCTION pgslo.hit(text, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

-- Batches that cut a time into intervals. The batch at infinity begins and ends there, hence <= and not <.

CREATE OR REPLACE FUNCTION pgslo.among(moment date, every interval, keys timestamp[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1]
    OR moment >= least(keys[1]::date, '294276-12-31') AND moment <= keys[array_upper(keys, 1)]::date + every + interval '1 day'
       -- Dates later than any time stamp are of the batch at infinity.
       AND date_bin(every, (CASE WHEN moment > '294276-12-31' THEN 'infinity' ELSE moment END)::timestamp, '2001-01-01 00:00:00+00') = ANY (keys)
    OR moment IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(date, interval, timestamp[], boolean[]) IS 'Whether a moment is in one of these batches, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(moment date, every interval, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(
    moment, every, pgslo.planned_batches(definition, columns, within, NULL::timestamp),
    pgslo.planned_flags(definition, columns, within, NULL::timestamp));
COMMENT ON FUNCTION pgslo.hit(date, interval, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(moment timestamp, every interval, keys timestamp[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1]
    OR moment >= keys[1] AND moment <= keys[array_upper(keys, 1)] + every
       AND date_bin(every, moment, '2001-01-01 00:00:00+00') = ANY (keys)
    OR moment IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(timestamp, interval, timestamp[], boolean[]) IS 'Whether a moment is in one of these batches, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(moment timestamp, every interval, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(
    moment, every, pgslo.planned_batches(definition, columns, within, NULL::timestamp),
    pgslo.planned_flags(definition, columns, within, NULL::timestamp));
COMMENT ON FUNCTION pgslo.hit(timestamp, interval, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

CREATE OR REPLACE FUNCTION pgslo.among(moment timestamptz, every interval, keys timestamptz[], flags boolean[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN flags[1]
    OR moment >= keys[1] AND moment <= keys[array_upper(keys, 1)] + every
       AND date_bin(every, moment, '2001-01-01 00:00:00+00') = ANY (keys)
    OR moment IS NULL AND flags[2];
COMMENT ON FUNCTION pgslo.among(timestamptz, interval, timestamptz[], boolean[]) IS 'Whether a moment is in one of these batches, or may be.';

CREATE OR REPLACE FUNCTION pgslo.hit(moment timestamptz, every interval, definition text, columns text[], within interval DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pgslo.among(
    moment, every, pgslo.planned_batches(definition, columns, within, NULL::timestamptz),
    pgslo.planned_flags(definition, columns, within, NULL::timestamptz));
COMMENT ON FUNCTION pgslo.hit(timestamptz, interval, text, text[], interval) IS 'Whether a row is of a missed batch of these columns, or may be.';

-- The same for tables of a hundred columns or more: one call a column in the text of the view, because each sub-select in it
-- costs 1 to 2 us when a statement is planned, whether the column is read or not. The planner puts the text of these
-- functions in place of the call. They take any type, so their bodies are strings, which are parsed in the reader's session:
-- no operator in them, and every name with its schema. Each missed row that is read costs about 3 us.

CREATE OR REPLACE FUNCTION pgslo.announce_row(definition text, columns text[], on_read text, within interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 10
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    IF NOT pgslo_catalog.was_reported(format('row %s %s %s %s', announce_row.definition, announce_row.columns, announce_row.on_read, announce_row.within)) THEN
        PERFORM pgslo.announce(announce_row.definition, announce_row.columns, announce_row.on_read, announce_row.within);
    END IF;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.announce_row(text, text[], text, interval) IS 'Return true after pgslo.announce(), for each row of a missed batch.';

CREATE OR REPLACE FUNCTION pgslo.read_any(value anyelement, definition text, columns text[], on_read text, within interval DEFAULT NULL) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value
                WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_any(anyelement, text, text[], text, interval) IS 'Return a column of a guarded view whose rows do not name their batch.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(value anyelement, batch date, definition text, columns text[], on_read text, within interval) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, date, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch date, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, date, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(value anyelement, batch timestamp, definition text, columns text[], on_read text, within interval) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, timestamp, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch timestamp, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamp, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(
    value anyelement, batch timestamptz, definition text, columns text[], on_read text, within interval
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, timestamptz, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch timestamptz, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamptz, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(value anyelement, batch bigint, definition text, columns text[], on_read text, within interval) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, bigint, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch bigint, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, bigint, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(value anyelement, batch numeric, definition text, columns text[], on_read text, within interval) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, numeric, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch numeric, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, numeric, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(value anyelement, batch text, definition text, columns text[], on_read text, within interval) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(batch, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, text, text, text[], text, interval) IS 'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, batch text, definition text, columns text[], on_read text, within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value ELSE pgslo.read_hit(value, batch, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, text, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(
    value anyelement, moment date, every interval, definition text, columns text[], on_read text, within interval
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, date, interval, text, text[], text, interval) IS
    'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, moment date, every interval, definition text, columns text[], on_read text,
    within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value
                ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, date, interval, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(
    value anyelement, moment timestamp, every interval, definition text, columns text[], on_read text, within interval
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, timestamp, interval, text, text[], text, interval) IS
    'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, moment timestamp, every interval, definition text, columns text[], on_read text,
    within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value
                ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamp, interval, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';

CREATE OR REPLACE FUNCTION pgslo.read_hit(
    value anyelement, moment timestamptz, every interval, definition text, columns text[], on_read text, within interval
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.hit(moment, every, definition, columns, within)
                THEN CASE WHEN pgslo.announce_row(definition, columns, on_read, within) THEN value ELSE value END ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_hit(anyelement, timestamptz, interval, text, text[], text, interval) IS
    'Return the value of a guarded view''s column that misses a rule.';

CREATE OR REPLACE FUNCTION pgslo.read(
    value anyelement, moment timestamptz, every interval, definition text, columns text[], on_read text,
    within interval DEFAULT NULL
) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(definition, columns, within) THEN value
                ELSE pgslo.read_hit(value, moment, every, definition, columns, on_read, within) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamptz, interval, text, text[], text, interval) IS 'Return the value of a guarded view''s column.';
