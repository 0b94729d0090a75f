-- Formats of text. NULL passes, as in every rule. Those that regular expressions can judge are written so that the
-- planner puts them in place of the call, which it does not do for functions with settings, nor for strict ones that
-- hold an AND: hence the qualified names, and no STRICT.
-- Counted repetitions, {0,61}, make an expression twenty times slower than a length tested beside it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_email(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~)
        E'^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9](-*[A-Za-z0-9])*(\\.[A-Za-z0-9](-*[A-Za-z0-9])*)+$'
       AND (pg_catalog.length(value) OPERATOR(pg_catalog.<) 66 OR value COLLATE pg_catalog."C" OPERATOR(pg_catalog.!~) E'^[^@]{65}|@(.*\\.)?[^.]{64}')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_email(text) IS
    'Whether the text is an e-mail address, as HTML''s input type reads it, with a dot in the domain and at most 64 characters before the @.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_uuid(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~~) '________-____-____-____-____________'
       AND value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+$'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_uuid(text) IS 'Whether the text is a UUID in its usual form with hyphens.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_url(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^https?://[^\\s/?#]+([/?#]\\S*)?$'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_url(text) IS 'Whether the text is an http or https address.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_hostname(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^[A-Za-z0-9](-*[A-Za-z0-9])*(\\.[A-Za-z0-9](-*[A-Za-z0-9])*)*$'
       AND pg_catalog.length(value) OPERATOR(pg_catalog.<) 254
       AND (pg_catalog.length(value) OPERATOR(pg_catalog.<) 64 OR value COLLATE pg_catalog."C" OPERATOR(pg_catalog.!~) '[^.]{64}')
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_hostname(text) IS 'Whether the text is a host name.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_slug(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[a-z0-9]+(-[a-z0-9]+)*$'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_slug(text) IS 'Whether the text is a slug: lower case letters, digits and single hyphens.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_e164(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) E'^\\+[1-9][0-9]+$' AND pg_catalog.length(value) OPERATOR(pg_catalog.>=) 8
        AND pg_catalog.length(value) OPERATOR(pg_catalog.<=) 16
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_e164(text) IS 'Whether the text is a telephone number as in E.164.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_base64(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pgslo$
    SELECT value COLLATE pg_catalog."C" OPERATOR(pg_catalog.~) '^[A-Za-z0-9+/]*={0,2}$'
        AND pg_catalog.length(value) OPERATOR(pg_catalog.%) 4 OPERATOR(pg_catalog.=) 0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_base64(text) IS 'Whether the text is base64 with padding.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_date(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
AS $pgslo$
BEGIN
    RETURN value ~ E'^\\d{4}-\\d{2}-\\d{2}$' AND value::date IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_date(text) IS 'Whether the text is a day of the calendar as YYYY-MM-DD.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_time(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN value ~ E'^\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?$' AND value::time IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_time(text) IS 'Whether the text is a time of day as HH:MM[:SS[.fraction]].';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_timestamp(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
AS $pgslo$
BEGIN
    RETURN value ~ E'^\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}(:?\\d{2})?)?$' AND value::timestamptz IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_timestamp(text) IS 'Whether the text is a date and time as in ISO 8601.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_json(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN value::json IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_json(text) IS 'Whether the text is JSON.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_ipv4(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN strpos(value, '/') = 0 AND family(value::inet) = 4;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_ipv4(text) IS 'Whether the text is one address of IP version 4.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_ipv6(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN strpos(value, '/') = 0 AND family(value::inet) = 6;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_ipv6(text) IS 'Whether the text is one address of IP version 6.';
