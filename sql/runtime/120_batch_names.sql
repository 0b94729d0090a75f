-- What batches are called.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.iso_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
SET lc_monetary = 'C'
AS $pgslo$
BEGIN
    -- Types of a lower number came with PostgreSQL, which is quicker to see.
    RETURN CASE
        WHEN pg_typeof(value)::oid < 16384 OR pgslo_catalog.is_plain(pg_typeof(value)) THEN to_jsonb(value) #>> '{}'
        WHEN num_nulls(value) = 0 THEN concat(value)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.iso_text(anyelement) IS 'Return the same text for the same value whatever the session''s settings.';

CREATE OR REPLACE FUNCTION pgslo_catalog.iso(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- No setting touches these, and setting and unsetting five costs more than the rest of a small write's record.
    name text := CASE
        WHEN pg_typeof(value) IN ('date'::regtype, 'timestamp'::regtype, 'text'::regtype, 'smallint'::regtype, 'integer'::regtype,
                                  'bigint'::regtype, 'numeric'::regtype)
        THEN to_jsonb(value) #>> '{}'
        ELSE pgslo_catalog.iso_text(value)
    END;
BEGIN
    -- An index over it takes 2,700 bytes.
    RETURN coalesce(CASE WHEN length(name) > 200 THEN left(name, 160) || '...' || md5(name) ELSE name END, 'NULL');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.iso(anyelement) IS 'Return a batch''s name: the same text for the same value whatever the session''s settings.';

-- For everybody, as trainers read the batches of a snapshot with their own rights.
CREATE OR REPLACE FUNCTION pgslo.float_text(value double precision) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $pgslo$
BEGIN
    -- Zero has two texts, and is one value.
    RETURN CASE WHEN float_text.value = 0 THEN '0' ELSE float_text.value::text END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.float_text(double precision) IS 'Return the shortest text that reads back as the same value.';

CREATE OR REPLACE FUNCTION pgslo.float_text(value real) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $pgslo$
BEGIN
    -- Zero has two texts, and is one value.
    RETURN CASE WHEN float_text.value = 0 THEN '0' ELSE float_text.value::text END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.float_text(real) IS 'Return the shortest text that reads back as the same value.';

-- Functions that run with the rights of a table's owner name its batches as well. A policy shows that role the salt of its
-- own tables alone.
CREATE OR REPLACE FUNCTION pgslo_catalog.salt(definition text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $pgslo$
DECLARE
    found text := (SELECT s.salt FROM pgslo_catalog.own_salt s WHERE s.definition = salt.definition);
BEGIN
    IF found IS NULL THEN
        -- Without it, all keys would have one name.
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot name batches of %s', salt.definition),
            DETAIL = 'It has no definition, or its table belongs to another role.';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.salt(text) IS 'Return what names of batches of a definition are hashed with.';

CREATE OR REPLACE FUNCTION pgslo_catalog.text_name(value text, salt text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE
        -- Most texts begin with no digit and no sign: three patterns take longer than the hash.
        WHEN ascii(text_name.value) BETWEEN 43 AND 57 AND (
            text_name.value ~ E'^[+-]?\\d{1,18}(\\.\\d{1,18})?$'
            OR text_name.value ~ E'^\\d{4}-\\d{2}(-\\d{2}([ T]\\d{2}(:?\\d{2}(:?\\d{2}(\\.\\d{1,6})?)?)?( ?(Z|[+-]\\d{2}(:?\\d{2})?))?)?)?$'
            OR text_name.value ~ E'^\\d{4}-?(W\\d{2}|Q\\d)$')
        THEN text_name.value
        ELSE 'text ' || left(encode(sha256(convert_to(text_name.salt || text_name.value, 'UTF8')), 'hex'), 32)
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.text_name(text, text) IS
    'Return the name of a batch whose key is a text: the key if it is a number, date or time, else a hash.';

CREATE OR REPLACE FUNCTION pgslo_catalog.key_text(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE WHEN pg_typeof(value) IN ('text'::regtype, 'character varying'::regtype) THEN value::text ELSE pgslo_catalog.iso_text(value) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.key_text(anyelement) IS 'Return a batch''s key as text: the same whatever the session''s settings.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hidden_name(value anyelement, salt text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(pgslo_catalog.text_name(pgslo_catalog.key_text(value), hidden_name.salt), 'NULL');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hidden_name(anyelement, text) IS 'Return the name of a batch whose key may be personal.';

CREATE OR REPLACE FUNCTION pgslo_catalog.shown_name(value anyelement, salt text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text := pgslo_catalog.key_text(value);
BEGIN
    IF name IS NULL THEN
        RETURN 'NULL';
    -- Names with another meaning, or that another key's name may be.
    ELSIF name IN ('', '*', 'NULL', 'unknown') OR name ~ '^text [0-9a-f]{32}$' OR length(name) = 195 AND name ~ E'\\.\\.\\.[0-9a-f]{32}$' THEN
        RETURN pgslo_catalog.text_name(name, shown_name.salt);
    ELSIF length(name) > 200 THEN
        -- An index over it takes 2,700 bytes.
        RETURN concat(left(name, 160), '...', left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 32));
    END IF;
    RETURN name;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shown_name(anyelement, text) IS 'Return the name of a batch whose definition has its keys shown.';

CREATE OR REPLACE FUNCTION pgslo_catalog.name_of(definition pgslo_catalog.definition, batch text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    hidden text := pgslo_catalog.text_name(name_of.batch, pgslo_catalog.salt((name_of.definition).name));
BEGIN
    RETURN CASE WHEN EXISTS (
        SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = (name_of.definition).definition_id AND f.batch = hidden
        UNION ALL
        SELECT FROM pgslo_catalog.batch b WHERE b.definition_id = (name_of.definition).definition_id AND b.name = hidden
    ) THEN hidden ELSE name_of.batch END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.name_of(pgslo_catalog.definition, text) IS 'Return the name of a batch that is given by its name or by its key.';
