-- Values as text. The owner of a type may define casts of it, which "::text", "||" and to_jsonb() run,
-- whatever the search path.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.is_plain(type regtype) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH RECURSIVE below AS (
        SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = is_plain.type
        UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
    )
    SELECT n.nspname = 'pg_catalog' AND t.typowner = 10 AND t.typtype IN ('b', 'r', 'm')
    FROM below b
    JOIN pg_type t ON t.oid = b.oid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE b.typtype <> 'd'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_plain(regtype)
    IS 'Return whether a type, below its domains, is PostgreSQL''s own: only PostgreSQL''s casts convert its values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.text_of(value text, type regtype) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT CASE
        WHEN pgslo_catalog.is_plain(text_of.type) THEN format('%s::text', text_of.value)
        ELSE format('(CASE WHEN num_nulls(%1$s) = 0 THEN concat(%1$s) END)', text_of.value)
    END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.text_of(text, regtype)
    IS 'Return SQL for the text of a value, given as SQL: by the type''s output function where it is not PostgreSQL''s own.';

CREATE OR REPLACE FUNCTION pgslo_catalog.jsonb_of(value text, type regtype) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT format('to_jsonb(%s)', CASE
        WHEN pgslo_catalog.is_plain(jsonb_of.type) THEN jsonb_of.value
        ELSE pgslo_catalog.text_of(jsonb_of.value, jsonb_of.type)
    END)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.jsonb_of(text, regtype)
    IS 'Return SQL for a value as jsonb, given as SQL: as a string of its text where its type is not PostgreSQL''s own.';

CREATE OR REPLACE FUNCTION pgslo_catalog.parts_of(type regtype) RETURNS SETOF pg_type
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH RECURSIVE part AS (
        SELECT parts_of.type::oid AS oid
        UNION
        SELECT p.oid
        FROM part
        JOIN pg_type d ON d.oid = part.oid
        CROSS JOIN LATERAL (
            SELECT d.typbasetype WHERE d.typtype = 'd'
            UNION ALL SELECT d.typelem WHERE d.typcategory = 'A'
            UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = d.oid
            UNION ALL SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = d.oid
            UNION ALL SELECT f.atttypid FROM pg_attribute f
                      WHERE d.typtype = 'c' AND f.attrelid = d.typrelid AND f.attnum > 0 AND NOT f.attisdropped
        ) AS p (oid)
    )
    -- Types of a lower number came with PostgreSQL: only superusers define casts between them.
    SELECT d.* FROM part JOIN pg_type d ON d.oid = part.oid WHERE d.oid >= 16384
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.parts_of(regtype) IS 'Return a type and the types that it is made of, but for PostgreSQL''s own.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_stranger(role oid, relation regclass) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = is_stranger.role AND o.rolsuper)
        AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = is_stranger.relation AND c.relowner = is_stranger.role)
        AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' AND n.nspowner = is_stranger.role)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_stranger(oid, regclass) IS 'Return whether a role is neither a superuser nor the owner of the table or of pgslo.';

CREATE OR REPLACE FUNCTION pgslo_catalog.conversions_of(type regtype, relation regclass) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH part AS MATERIALIZED (
        SELECT p.oid, p.typowner FROM pgslo_catalog.parts_of(conversions_of.type) AS p
    )
    SELECT ARRAY(
        SELECT format('type %s of role "%s"', format_type(p.oid, NULL), pg_get_userbyid(p.typowner))
        FROM part p
        WHERE pgslo_catalog.is_stranger(p.typowner, conversions_of.relation)
        UNION
        SELECT format('cast (%s AS %s) by a function of role "%s"',
                      format_type(k.castsource, NULL), format_type(k.casttarget, NULL), pg_get_userbyid(f.proowner))
        FROM pg_cast k
        JOIN pg_proc f ON f.oid = k.castfunc
        WHERE k.castmethod = 'f' AND pgslo_catalog.is_stranger(f.proowner, conversions_of.relation)
          AND (k.castsource IN (SELECT p.oid FROM part p) OR k.casttarget IN (SELECT p.oid FROM part p))
        UNION
        SELECT format('constraint "%s" of domain %s', k.conname, format_type(p.oid, NULL))
        FROM part p
        JOIN pg_constraint k ON k.contypid = p.oid AND k.contype = 'c'
        WHERE pgslo_catalog.is_stranger(p.typowner, conversions_of.relation)
        ORDER BY 1)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.conversions_of(regtype, regclass)
    IS 'Return the types, casts and domain constraints of strangers that a value of a column may meet.';

CREATE OR REPLACE FUNCTION pgslo_catalog.checked_domain(relation regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT min(format('column "%s" is of domain %s of role "%s"', a.attname, format_type(p.oid, NULL), pg_get_userbyid(p.typowner)))
    FROM pg_attribute a
    CROSS JOIN LATERAL pgslo_catalog.parts_of(a.atttypid) AS p
    WHERE a.attrelid = checked_domain.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND pgslo_catalog.is_stranger(p.typowner, checked_domain.relation)
      -- It may get a constraint at any moment.
      AND (SELECT t.typtype FROM pg_type t WHERE t.oid = p.oid) = 'd'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.checked_domain(regclass)
    IS 'Return which column of a table has a domain of a stranger: its constraints run when values are read from text.';

CREATE OR REPLACE FUNCTION pgslo_catalog.new_type(relation regclass, known text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- By the numbers of the types: a type can be dropped and another one made under its name. A restored dump has other
    -- numbers, and nothing says whose types these are until the next apply.
    RETURN (
        SELECT format('column "%s" of %s has type %s since the last apply', a.attname, new_type.relation, format_type(a.atttypid, a.atttypmod))
        FROM pg_attribute a
        WHERE a.attrelid = new_type.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
          AND format('%s %s', a.attname, a.atttypid) <> ALL (new_type.known)
        ORDER BY a.attnum LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.new_type(regclass, text[])
    IS 'Return which column of a table has a type of a user that it did not have at apply.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_new_types(definition text, relation regclass, known text[]) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    difference text := pgslo_catalog.new_type(
        coalesce(pg_partition_root(has_new_types.relation), has_new_types.relation), has_new_types.known);
BEGIN
    IF difference IS NULL THEN
        RETURN false;
    END IF;
    PERFORM pgslo_catalog.record_break(has_new_types.definition, NULL, '42804', difference);
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_new_types(text, regclass, text[])
    IS 'Return whether a column has a type of a user that it did not have at apply, and record that rows can no longer be judged.';
