-- What a write to a table runs: tables that it reaches, code of other roles, policies and rights.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.trusted_roles() RETURNS oid[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(r.oid) FROM pg_roles r WHERE r.rolsuper OR r.oid = pgslo_catalog.keeper()
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.trusted_roles() IS 'Return the superusers and the owner of pgslo.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reached_tables(relation regclass, cascades boolean) RETURNS SETOF oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH RECURSIVE reached AS (
        SELECT reached_tables.relation::oid AS oid
        UNION
        SELECT n.oid
        FROM reached r
        CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = r.oid
            UNION ALL
            -- An update that moves a row to another partition deletes it from its own.
            SELECT k.conrelid FROM pg_constraint k
            WHERE reached_tables.cascades AND k.contype = 'f' AND k.confrelid = r.oid
              AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd'))
        ) AS n (oid)
    )
    SELECT r.oid FROM reached r
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reached_tables(regclass, boolean)
    IS 'Return a table, its partitions and, if asked for, the tables to which foreign keys cascade its updates.';

CREATE OR REPLACE FUNCTION pgslo_catalog.strange_expression(relations oid[], trusted oid[], events integer) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT min(format('%s calls code of role "%s"', c.called_by, pg_get_userbyid(c.owner)))
        FROM pgslo_catalog.called_code(strange_expression.relations, true, strange_expression.events) AS c
        WHERE c.owner <> ALL (strange_expression.trusted));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.strange_expression(oid[], oid[], integer)
    IS 'Return an index, a constraint, a default, statistics, a policy or a trigger that calls code of another role than these, in words, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.strange_code(relation regclass, cascades boolean, role oid) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    is_keeper boolean := strange_code.role = pgslo_catalog.keeper();
    trusted oid[] := pgslo_catalog.trusted_roles() || ARRAY(
        SELECT r.oid FROM pg_roles r WHERE NOT is_keeper AND pgslo_catalog.can_act_as(r.oid, strange_code.role));
    -- A cascade to a table of another role runs with the rights of that role. pgslo's owner may have rights that no such role gives away.
    reached oid[] := ARRAY(
        SELECT t.oid FROM pgslo_catalog.reached_tables(strange_code.relation, strange_code.cascades) AS t (oid)
        JOIN pg_class c ON c.oid = t.oid
        WHERE is_keeper OR c.relowner = ANY (trusted));
    -- INSERT; or INSERT, DELETE and UPDATE.
    events integer := CASE WHEN strange_code.cascades THEN 28 ELSE 4 END;
BEGIN
    RETURN (
        SELECT min(s.said)
        FROM (
            SELECT pgslo_catalog.checked_domain(r.oid) FROM unnest(reached) AS r (oid)
            UNION ALL
            SELECT format('table %s belongs to role "%s"', c.oid::regclass, pg_get_userbyid(c.relowner))
            FROM pg_class c
            WHERE c.oid = ANY (reached) AND c.relowner <> ALL (trusted)
            UNION ALL
            SELECT pgslo_catalog.strange_expression(reached, trusted, events)
            UNION ALL
            SELECT format('column "%s" of %s has range type %s with a function of role "%s"',
                          a.attname, a.attrelid::regclass, format_type(g.rngtypid, NULL), pg_get_userbyid(f.proowner))
            FROM pg_attribute a
            CROSS JOIN LATERAL pgslo_catalog.parts_of(a.atttypid) AS p
            JOIN pg_range g ON g.rngtypid = p.oid
            JOIN pg_proc f ON f.oid = g.rngsubdiff
            WHERE a.attrelid = ANY (reached) AND a.attnum > 0 AND NOT a.attisdropped AND f.proowner <> ALL (trusted)
        ) AS s (said));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.strange_code(regclass, boolean, oid)
    IS 'Return whose code would run with the rights of a role when it writes a row, in words, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unchecked_policy(
    relation regclass, written_to regclass, writer text, operation text, names text[]
) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH RECURSIVE family AS (
        SELECT unchecked_policy.relation::oid AS oid
        UNION
        SELECT f.oid FROM pg_partition_ancestors(unchecked_policy.written_to) AS f (oid)
        UNION
        SELECT unchecked_policy.written_to::oid
    ), above AS (
        SELECT f.oid FROM family f
        UNION
        SELECT v.oid
        FROM above a
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite w ON w.oid = d.objid
        JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
        -- Through other views their owner, and so any role with rights on the view, cannot write to the table.
        WHERE has_any_column_privilege(v.relowner, a.oid, 'INSERT, UPDATE')
    )
    SELECT min(s.said)
    FROM (
        SELECT format('row-level security of %s', c.oid::regclass)
        FROM family f JOIN pg_class c USING (oid)
        WHERE c.relrowsecurity
        UNION ALL
        SELECT format('the check option of view %s', a.oid::regclass)
        FROM above a JOIN pg_class v USING (oid)
        WHERE EXISTS (SELECT FROM unnest(v.reloptions) AS o (text) WHERE starts_with(o.text, 'check_option='))
        UNION ALL
        SELECT format('whether the row belongs to %s, because role %s has no %s on %s', c.oid::regclass,
                      quote_ident(unchecked_policy.writer), m.privilege, m.missing)
        FROM pg_class c
        LEFT JOIN pg_roles r ON r.rolname = unchecked_policy.writer
        JOIN pg_class w ON w.oid = unchecked_policy.relation
        CROSS JOIN LATERAL (
            SELECT 'USAGE' AS privilege, format('schema %I', n.nspname) AS missing
            FROM pg_namespace n
            WHERE n.oid = w.relnamespace AND NOT coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false)
            UNION ALL
            SELECT unchecked_policy.operation,
                   CASE WHEN has_any_column_privilege(r.oid, w.oid, unchecked_policy.operation)
                       THEN format('column %I of ', a.attname) ELSE '' END || w.oid::regclass
            FROM pg_attribute a
            WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND quote_ident(a.attname) = ANY (unchecked_policy.names)
              AND NOT coalesce(has_column_privilege(r.oid, w.oid, a.attnum, unchecked_policy.operation), false)
        ) AS m
        WHERE c.oid = unchecked_policy.written_to AND c.oid <> w.oid
    ) AS s (said)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unchecked_policy(regclass, regclass, text, text, text[])
    IS 'Return what PostgreSQL checks of a writer only after a row trigger kept the row, in words, or NULL.';

CREATE OR REPLACE FUNCTION pgslo_catalog.may_write(role name, relation regclass, names text[], operation text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT EXISTS (
        SELECT FROM pg_roles r
        WHERE r.rolname = may_write.role
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.reached_tables(may_write.relation, false) AS t (oid)
              JOIN pg_class c ON c.oid = t.oid
              WHERE c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
                AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')))
          AND NOT EXISTS (
              SELECT FROM pg_attribute a
              WHERE a.attrelid = may_write.relation AND a.attnum > 0 AND NOT a.attisdropped
                AND quote_ident(a.attname) = ANY (may_write.names)
                AND NOT has_column_privilege(r.oid, may_write.relation, a.attnum, may_write.operation)))
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.may_write(name, regclass, text[], text)
    IS 'Return whether a role may write any row to columns of a table: it has the privileges, and no policy applies to it.';
