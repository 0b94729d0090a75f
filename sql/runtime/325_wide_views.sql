-- The same with one constant: the definition, on_read, and the columns, as an array. PostgreSQL
-- copies the expressions of all columns of a view several times when a statement is planned, whichever of them are read.
-- Not for a reader with a window: an interval in a text would not be a constant.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.read_any(value anyelement, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                WHEN pgslo.announce_row(about[1], about[3:], about[2]) THEN value ELSE value END
$pgslo$;
COMMENT ON FUNCTION pgslo.read_any(anyelement, text[]) IS
    'Return a column of a guarded view whose rows do not name their batch. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch date, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, date, text[]) IS 'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch timestamp, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamp, text[]) IS 'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch timestamptz, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamptz, text[]) IS
    'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch bigint, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, bigint, text[]) IS 'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch numeric, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, numeric, text[]) IS 'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, batch text, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, batch, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, text, text[]) IS 'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, moment date, every interval, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, moment, every, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, date, interval, text[]) IS
    'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, moment timestamp, every interval, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, moment, every, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamp, interval, text[]) IS
    'Return the value of a guarded view''s column. about: definition, on_read, columns.';

CREATE OR REPLACE FUNCTION pgslo.read(value anyelement, moment timestamptz, every interval, about text[]) RETURNS anyelement
LANGUAGE sql STABLE PARALLEL SAFE
AS $pgslo$
    SELECT CASE WHEN pgslo.planned_fine(about[1], about[3:]) THEN value
                ELSE pgslo.read_hit(value, moment, every, about[1], about[3:], about[2], NULL) END
$pgslo$;
COMMENT ON FUNCTION pgslo.read(anyelement, timestamptz, interval, text[]) IS
    'Return the value of a guarded view''s column. about: definition, on_read, columns.';
