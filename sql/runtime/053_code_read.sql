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

CREATE OR REPLACE FUNCTION pgslo_catalog.called_code(relations oid[], writes boolean) RETURNS TABLE (called_by text, owner oid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Volatile, so that it sees all that was committed since the statement of the session began.
    RETURN QUERY
    SELECT pg_describe_object(o.classid, o.objid, 0), w.owner
    FROM (
        -- A partition key.
        SELECT 'pg_class'::regclass, r.oid FROM unnest(called_code.relations) AS r (oid)
        UNION ALL
        SELECT 'pg_class'::regclass, i.indexrelid
        FROM pg_index i
        WHERE i.indrelid = ANY (called_code.relations)
          AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR 16384 <= ANY (i.indclass::oid[]))
        UNION ALL
        SELECT 'pg_constraint'::regclass, k.oid
        FROM pg_constraint k
        WHERE k.conrelid = ANY (called_code.relations) AND (called_code.writes OR k.contype = 'c')
        UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s WHERE s.stxrelid = ANY (called_code.relations)
        UNION ALL
        SELECT 'pg_policy'::regclass, p.oid
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE p.polrelid = ANY (called_code.relations)
          -- The owner of the table passes them otherwise.
          AND (called_code.writes OR c.relrowsecurity AND c.relforcerowsecurity)
        UNION ALL
        SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a WHERE called_code.writes AND a.adrelid = ANY (called_code.relations)
    ) AS o (classid, objid)
    -- One by one: none of these catalogues is read whole.
    CROSS JOIN LATERAL (
        SELECT d.refclassid, d.refobjid, d.objsubid
        FROM pg_depend d
        WHERE d.classid = o.classid AND d.objid = o.objid AND d.refobjid >= 16384
          -- Of a column of a table: before PostgreSQL 15, the objects that its generation expression depends on.
          AND (called_code.writes OR d.objsubid = 0)
        OFFSET 0
    ) AS d
    CROSS JOIN LATERAL (
        SELECT f.proowner FROM pg_proc f WHERE d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
        UNION ALL
        SELECT n.owner
        FROM pg_operator p LEFT JOIN pg_proc f ON f.oid = p.oprcode CROSS JOIN LATERAL (VALUES (p.oprowner), (f.proowner)) AS n (owner)
        WHERE d.refclassid = 'pg_operator'::regclass AND p.oid = d.refobjid
        UNION ALL
        SELECT f.proowner
        FROM pg_opclass c
        CROSS JOIN LATERAL (
            SELECT a.amproc::oid FROM pg_amproc a WHERE a.amprocfamily = c.opcfamily
            UNION ALL
            SELECT p.oprcode FROM pg_amop a JOIN pg_operator p ON p.oid = a.amopopr WHERE a.amopfamily = c.opcfamily
        ) AS n (called)
        JOIN pg_proc f ON f.oid = n.called
        WHERE d.refclassid = 'pg_opclass'::regclass AND c.oid = d.refobjid
        UNION ALL
        -- Its constraints may call functions.
        SELECT t.typowner FROM pg_type t
        WHERE d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid AND t.typtype = 'd' AND d.objsubid = 0
        OFFSET 0
    ) AS w (owner)
    WHERE w.owner IS NOT NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.called_code(oid[], boolean)
    IS 'Return the owners of functions that indexes, constraints, statistics and policies of tables call when the tables are read, or also written.';

CREATE OR REPLACE FUNCTION pgslo_catalog.refuse_code(relation oid, role oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    strange record;
BEGIN
    -- PostgreSQL runs it while it plans a query, whether the query needs it or not.
    SELECT c.called_by, c.owner INTO strange
    FROM pgslo_catalog.called_code(pgslo_catalog.read_with(refuse_code.relation), false) AS c
    WHERE c.owner NOT IN (refuse_code.role, pgslo_catalog.keeper())
      AND pgslo_catalog.can_act_as(c.owner, refuse_code.role) IS NOT TRUE
    ORDER BY 1, 2 LIMIT 1;
    IF FOUND THEN
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
