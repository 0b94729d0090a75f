-- Which roles may know of a table, and which may see values of its rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.keeper() RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog' $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.keeper() IS 'Return the role that owns pgslo.';

-- Views call the next three with the rights of the reader, so they name no object of pgslo, and read
-- catalogues that every role may read.

CREATE OR REPLACE FUNCTION pgslo_catalog.may_see_values(reader name) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_see_values.reader
          AND EXISTS (
              SELECT FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
              WHERE n.nspname = 'pgslo_catalog' AND pg_has_role(r.oid, n.nspowner, 'USAGE')
                 OR n.nspname = 'pgslo' AND c.relname = 'sample' AND has_table_privilege(r.oid, c.oid, 'SELECT')));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_see_values(name) IS
    'Whether a role may see values of rows of every table: stewards, and members of pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_know_all(reader name) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Stewards read samples, auditors and operators the state itself; roles that deliver messages read those.
    RETURN EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_know_all.reader
          AND EXISTS (
              SELECT FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
              WHERE n.nspname = 'pgslo_catalog' AND pg_has_role(r.oid, n.nspowner, 'USAGE')
                 OR (n.nspname, c.relname) IN (('pgslo', 'sample'), ('pgslo', 'delivery'), ('pgslo_catalog', 'incident'))
                    AND has_table_privilege(r.oid, c.oid, 'SELECT')));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_know_all(name) IS
    'Whether a role may know of every table: auditors, operators, stewards, and members of pgslo''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_read(relation oid, reader name) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        JOIN pg_class t ON t.oid = may_read.relation
        WHERE r.rolname = may_read.reader
          AND (has_schema_privilege(r.oid, t.relnamespace, 'USAGE') AND has_any_column_privilege(r.oid, t.oid, 'SELECT')
               OR EXISTS (
                   SELECT FROM pg_depend p
                   JOIN pg_rewrite w ON w.oid = p.objid
                   JOIN pg_class v ON v.oid = w.ev_class
                   WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.classid = 'pg_rewrite'::regclass
                     -- A view of another owner, whatever its comment, is not a guarded one. Members of pgslo's owner may apply.
                     AND v.relkind = 'v'
                     AND (v.relowner = t.relowner
                          OR pg_has_role(v.relowner, (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'), 'USAGE'))
                     AND left(obj_description(v.oid, 'pg_class'), 4000) ~ E'(^|\n)pgslo [0-9a-f]{16} '
                     AND has_schema_privilege(r.oid, v.relnamespace, 'USAGE')
                     AND has_any_column_privilege(r.oid, v.oid, 'SELECT'))));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_read(oid, name) IS
    'Whether a role may read a table or one of its guarded views.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_read_columns(relation oid, columns text[], reader name, only_views boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_roles r
        JOIN pg_class t ON t.oid = may_read_columns.relation
        CROSS JOIN LATERAL (
            SELECT t.oid, t.relnamespace WHERE NOT may_read_columns.only_views
            UNION ALL
            -- Guarded views, as in may_read(): their columns are called like the table's.
            SELECT v.oid, v.relnamespace
            FROM pg_depend p
            JOIN pg_rewrite w ON w.oid = p.objid
            JOIN pg_class v ON v.oid = w.ev_class
            WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.classid = 'pg_rewrite'::regclass AND v.relkind = 'v'
              AND (v.relowner = t.relowner
                   OR pg_has_role(v.relowner, (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'), 'USAGE'))
              AND left(obj_description(v.oid, 'pg_class'), 4000) ~ E'(^|\n)pgslo [0-9a-f]{16} '
              -- Those of a distributed table read its shards with the rights of the reader.
              AND NOT EXISTS (
                  SELECT FROM pg_depend d JOIN pg_class k ON k.oid = d.refobjid
                  JOIN pg_namespace n ON n.oid = k.relnamespace AND n.nspname = 'pgslo'
                  WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
                    AND starts_with(k.relname, 'told__'))
        ) AS s
        WHERE r.rolname = may_read_columns.reader
          -- Row security may hide rows that are measured.
          AND (NOT t.relrowsecurity OR r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity)
          AND has_schema_privilege(r.oid, s.relnamespace, 'USAGE') AND has_any_column_privilege(r.oid, s.oid, 'SELECT')
          AND NOT EXISTS (
              SELECT FROM unnest(may_read_columns.columns) AS c (name)
              LEFT JOIN pg_attribute a ON a.attrelid = s.oid AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
              WHERE NOT coalesce(has_column_privilege(r.oid, s.oid, a.attnum, 'SELECT'), false)));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_read_columns(oid, text[], name, boolean) IS
    'Whether a role may read all of these columns of every row in a table or in one of its guarded views; only_views for the views alone.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_see_figures(relation oid, columns text[], pairs jsonb, reader name) RETURNS boolean
-- A view calls it with the rights of the reader, and it calls others by name. It reads PostgreSQL's catalogues alone.
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    needed text[] := may_see_figures.columns;
    label jsonb := may_see_figures.pairs -> 'label';
BEGIN
    IF pgslo_catalog.may_see_values(may_see_figures.reader) THEN
        RETURN true;
    ELSIF needed = '{}' AND may_see_figures.pairs IS NULL THEN
        -- How many rows there are, and how many fail.
        RETURN pgslo_catalog.may_know_all(may_see_figures.reader) OR pgslo_catalog.may_read(may_see_figures.relation, may_see_figures.reader);
    ELSIF may_see_figures.pairs IS NULL THEN
        RETURN pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader);
    ELSIF jsonb_typeof(may_see_figures.pairs -> 'columns') IS DISTINCT FROM 'array' THEN
        RETURN false;
    END IF;
    needed := needed || ARRAY(SELECT jsonb_array_elements_text(may_see_figures.pairs -> 'columns'));
    -- Readers of the guarded view see how good predictions are. Any other role must be able to read labels as well.
    RETURN pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader, true)
        OR pgslo_catalog.may_read_columns(may_see_figures.relation, needed, may_see_figures.reader)
           AND (coalesce(label, 'null') = 'null' OR EXISTS (
               SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
               WHERE n.nspname = label ->> 0 AND t.relname = label ->> 1
                 AND pgslo_catalog.may_read_columns(t.oid, ARRAY[label ->> 2], may_see_figures.reader)));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_see_figures(oid, text[], jsonb, name) IS
    'Return whether a role may see statistics of these columns of a table, and of its pairs of a prediction and a label unless those are NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_know(definition_name text, reader name) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Readers ask this most.
    RETURN EXISTS (
        SELECT FROM pgslo_catalog.definition d WHERE d.name = may_know.definition_name AND pgslo_catalog.may_read(d.relation, may_know.reader)
    ) OR pgslo_catalog.may_know_all(may_know.reader);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_know(text, name) IS 'Return whether a role may know of a definition, its rules and its state.';

-- Views for everybody join this one in place of the table. They are security barriers, as it is, because a condition of the
-- reader's own must not see rows before this one has left them out. Asked once per query.
CREATE OR REPLACE VIEW pgslo_catalog.known_definition WITH (security_barrier) AS
SELECT d.* FROM pgslo_catalog.definition d
WHERE d.definition_id = ANY (ARRAY(
    SELECT k.definition_id FROM pgslo_catalog.definition k
    WHERE (SELECT pgslo_catalog.may_know_all(current_user)) OR pgslo_catalog.may_read(k.relation, current_user)));
COMMENT ON VIEW pgslo_catalog.known_definition IS 'Definitions that the reader may know of.';

-- Views that show figures ask this one once per query, and show none of other rules.
CREATE OR REPLACE VIEW pgslo_catalog.readable_rule WITH (security_barrier) AS
SELECT r.rule_id
FROM pgslo_catalog.rule r JOIN pgslo_catalog.known_definition d USING (definition_id)
WHERE (SELECT pgslo_catalog.may_see_values(current_user))
   -- A mean of rows that a condition selects reveals values of the columns of that condition as well.
   OR pgslo_catalog.may_see_figures(d.relation, r.columns || ARRAY(SELECT jsonb_array_elements_text(r.measure -> 'where')),
                                    CASE WHEN r.kind = 'ml_metric' THEN coalesce(d.pairs, '{}') WHEN r.measure ? 'of_others' THEN '{}' END, current_user);
COMMENT ON VIEW pgslo_catalog.readable_rule IS 'Rules whose figures the reader may see, because they may read the columns that are measured.';

CREATE OR REPLACE FUNCTION pgslo_catalog.shows_figures(rule pgslo_catalog.rule, reader name) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT pgslo_catalog.may_see_figures(
            d.relation, (shows_figures.rule).columns || ARRAY(SELECT jsonb_array_elements_text((shows_figures.rule).measure -> 'where')),
            CASE WHEN (shows_figures.rule).kind = 'ml_metric' THEN coalesce(d.pairs, '{}')
                 WHEN (shows_figures.rule).measure ? 'of_others' THEN '{}' END, shows_figures.reader)
        FROM pgslo_catalog.definition d WHERE d.definition_id = (shows_figures.rule).definition_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shows_figures(pgslo_catalog.rule, name) IS
    'Whether a role may see what a rule measured: pgslo_catalog.readable_rule for functions that run with their owner''s rights.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_count(relation oid, columns text[]) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF may_count.columns = '{}' THEN
        RETURN pgslo_catalog.readable(may_count.relation,
                                      ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = may_count.relation AND a.attnum > 0)) <> '{}';
    END IF;
    RETURN pgslo_catalog.readable(may_count.relation, may_count.columns) @> may_count.columns;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_count(oid, text[]) IS
    'Whether the caller may read these columns of every row of a table, or any column where none is named.';
