-- Whose code PostgreSQL runs when it reads a table: what indexes, constraints, statistics and policies call.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.read_with(relation oid) RETURNS oid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE reached AS (
            SELECT read_with.relation AS oid
            UNION
            SELECT n.oid
            FROM reached r
            CROSS JOIN LATERAL (
                SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = r.oid
                UNION ALL
                SELECT d.refobjid
                FROM pg_rewrite w
                JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
                WHERE w.ev_class = r.oid AND w.ev_type = '1'
            ) AS n (oid)
        )
        SELECT r.oid FROM reached r);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.read_with(oid) IS 'Return a relation, its parts, and the relations that a view reads.';

CREATE OR REPLACE FUNCTION pgslo_catalog.code_of(relation oid, writes boolean, events integer) RETURNS TABLE (classid oid, objid oid)
LANGUAGE plpgsql ROWS 10
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    -- A partition key; a row of a partition has to fit those of all tables above it.
    SELECT 'pg_class'::regclass::oid, code_of.relation
    UNION ALL
    SELECT 'pg_class'::regclass, a.relid::oid FROM pg_partition_ancestors(code_of.relation) AS a WHERE a.relid <> code_of.relation
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid
    FROM pg_index i
    WHERE i.indrelid = code_of.relation
      AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR 16384 <= ANY (i.indclass::oid[]))
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid
    FROM pg_constraint k
    WHERE k.conrelid = code_of.relation AND (code_of.writes OR k.contype = 'c')
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s WHERE s.stxrelid = code_of.relation
    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE p.polrelid = code_of.relation
      -- The owner of the table passes them otherwise.
      AND (code_of.writes OR c.relrowsecurity AND c.relforcerowsecurity)
    UNION ALL
    SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a WHERE code_of.writes AND a.adrelid = code_of.relation
    UNION ALL
    SELECT 'pg_trigger'::regclass, g.oid
    FROM pg_trigger g
    WHERE code_of.writes AND g.tgrelid = code_of.relation AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & code_of.events <> 0
    UNION ALL
    -- The query of a view, or the actions of a rule in place of a write or besides it.
    SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w WHERE w.ev_class = code_of.relation AND (code_of.writes OR w.ev_type = '1');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.code_of(oid, boolean, integer) IS
    'Return the indexes, constraints, statistics, policies and rules of a relation, which call code when it is read, or also '
    'when it is written to, then with triggers. events: those of pg_trigger.tgtype.';

CREATE OR REPLACE FUNCTION pgslo_catalog.called_by(relation oid, writes boolean, events integer)
RETURNS TABLE (by_class oid, by_id oid, classid oid, objid oid)
LANGUAGE plpgsql ROWS 10
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    SELECT o.classid, o.objid, d.refclassid, d.refobjid
    FROM pgslo_catalog.code_of(called_by.relation, called_by.writes, called_by.events) AS o
    CROSS JOIN LATERAL (
        SELECT d.refclassid, d.refobjid
        FROM pg_depend d
        WHERE d.classid = o.classid AND d.objid = o.objid AND d.refobjid >= 16384
          -- Of a column of a table: before PostgreSQL 15, the objects that its generation expression depends on.
          AND (called_by.writes OR d.objsubid = 0)
          -- Objects on a relation depend on it.
          AND (d.refclassid <> 'pg_class'::regclass OR o.classid = 'pg_rewrite'::regclass
               OR o.classid = 'pg_policy'::regclass AND d.refobjid <> called_by.relation)
        OFFSET 0
    ) AS d;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.called_by(oid, boolean, integer)
    IS 'Return the objects that indexes, constraints, statistics, policies, rules and triggers of a relation use, and by which of these.';

CREATE OR REPLACE FUNCTION pgslo_catalog.called_code(relations oid[], writes boolean, events integer DEFAULT 28) RETURNS TABLE (called_by text, owner oid)
LANGUAGE plpgsql ROWS 10
SET search_path = pg_catalog, pg_temp
-- The planner expects very many rows of a recursive query, and has room made for them; there are a few.
SET jit = off
SET work_mem = '64kB'
AS $pgslo$
BEGIN
    -- Volatile, so that it sees all that was committed since the statement of the session began.
    -- One by one: none of these catalogues is read whole.
    RETURN QUERY
    WITH RECURSIVE reached AS (
        SELECT o.by_class, o.by_id, o.classid, o.objid
        FROM unnest(called_code.relations) AS r (oid)
        CROSS JOIN LATERAL pgslo_catalog.called_by(r.oid, called_code.writes, called_code.events) AS o
        UNION
        -- Code calls other code: a domain has constraints, a body of SQL has functions and views, an aggregate its function.
        SELECT r.by_class, r.by_id, n.classid, n.objid
        FROM reached r
        CROSS JOIN LATERAL (
            SELECT d.refclassid, d.refobjid
            FROM pg_depend d
            WHERE d.classid = r.classid AND d.objid = r.objid AND d.refobjid >= 16384 AND r.classid <> 'pg_class'::regclass
              AND (d.refclassid <> 'pg_class'::regclass OR r.classid IN ('pg_proc'::regclass, 'pg_rewrite'::regclass))
            UNION ALL
            SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE r.classid = 'pg_type'::regclass AND k.contypid = r.objid
            UNION ALL
            -- Fields of a composite type.
            SELECT 'pg_type'::regclass, a.atttypid
            FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
            WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND t.typrelid <> 0
              AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
            UNION ALL
            SELECT 'pg_proc'::regclass, m.called
            FROM pg_opclass c
            CROSS JOIN LATERAL (
                SELECT a.amproc::oid FROM pg_amproc a WHERE a.amprocfamily = c.opcfamily
                UNION ALL
                SELECT p.oprcode FROM pg_amop a JOIN pg_operator p ON p.oid = a.amopopr WHERE a.amopfamily = c.opcfamily
            ) AS m (called)
            WHERE r.classid = 'pg_opclass'::regclass AND c.oid = r.objid AND m.called >= 16384
            UNION ALL
            -- Of a relation that code reads or writes to. Those that were asked about come with their parts.
            SELECT o.classid, o.objid
            FROM pgslo_catalog.called_by(r.objid, called_code.writes, 28) AS o
            WHERE r.classid = 'pg_class'::regclass AND r.objid <> ALL (called_code.relations)
            UNION ALL
            SELECT 'pg_class'::regclass, i.inhrelid FROM pg_inherits i WHERE r.classid = 'pg_class'::regclass AND i.inhparent = r.objid
            UNION ALL
            SELECT 'pg_class'::regclass, k.conrelid
            FROM pg_constraint k
            WHERE called_code.writes AND r.classid = 'pg_class'::regclass AND k.contype = 'f' AND k.confrelid = r.objid
              AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd'))
            UNION ALL
            -- Of a table that a rule writes to.
            SELECT 'pg_trigger'::regclass, g.oid
            FROM pg_trigger g
            WHERE called_code.writes AND r.classid = 'pg_class'::regclass AND g.tgrelid = r.objid AND NOT g.tgisinternal AND g.tgenabled <> 'D'
            OFFSET 0
        ) AS n (classid, objid)
    )
    SELECT pg_describe_object(r.by_class, r.by_id, 0), w.owner
    FROM reached r
    CROSS JOIN LATERAL (
        SELECT f.proowner FROM pg_proc f WHERE r.classid = 'pg_proc'::regclass AND f.oid = r.objid
        UNION ALL
        SELECT p.oprowner FROM pg_operator p WHERE r.classid = 'pg_operator'::regclass AND p.oid = r.objid
        UNION ALL
        -- It may get another constraint at any moment.
        SELECT t.typowner FROM pg_type t WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND t.typtype = 'd'
        UNION ALL
        -- It may get an index at any moment. Those that were asked about are locked.
        SELECT c.relowner FROM pg_class c
        WHERE r.classid = 'pg_class'::regclass AND c.oid = r.objid AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
          AND c.oid <> ALL (called_code.relations)
        OFFSET 0
    ) AS w (owner);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.called_code(oid[], boolean, integer) IS
    'Return whose code indexes, constraints, statistics, policies and rules of relations call when they are read, or also when '
    'they are written to, then with their triggers. events: those of pg_trigger.tgtype.';

CREATE OR REPLACE FUNCTION pgslo_catalog.strange_code(relation oid, role oid, OUT called_by text, OUT owner oid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- PostgreSQL runs it while it plans a query, whether the query needs it or not.
    SELECT c.called_by, c.owner INTO strange_code.called_by, strange_code.owner
    FROM pgslo_catalog.called_code(pgslo_catalog.read_with(strange_code.relation), false) AS c
    WHERE c.owner NOT IN (strange_code.role, pgslo_catalog.keeper())
      AND pgslo_catalog.can_act_as(c.owner, strange_code.role) IS NOT TRUE
    ORDER BY 1, 2 LIMIT 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.strange_code(oid, oid) IS
    'Return what of a table calls code of a role that has not the rights of this one when it is read, and that role; NULL if nothing does.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_code(relation oid, role oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    strange record;
BEGIN
    SELECT s.* INTO strange FROM pgslo_catalog.strange_code(refuse_code.relation, refuse_code.role) AS s;
    IF strange.called_by IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s calls code of role %s', strange.called_by, quote_ident(pg_get_userbyid(strange.owner))),
            DETAIL = format('It would run with the rights of role %s.', quote_ident(pg_get_userbyid(refuse_code.role))),
            HINT = format('Have the function belong to role %s, or to a superuser.', quote_ident(pg_get_userbyid(refuse_code.role)));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.refuse_code(oid, oid)
    IS 'Refuse to read a table if an index, a constraint or statistics of it, or of a part, call code of a role that has not the rights of this one.';
