-- Rights on the runtime's objects that were not given on purpose: by default privileges, or by a restore that left the rights out.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.strange_rights()
RETURNS TABLE (grantee oid, role name, kind text, privilege text, object text, place text, grantor name, is_missing boolean, can_mend boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    keeper oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog');
    -- As can_act_as(), which is not for everybody.
    acts text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET, USAGE' END;
    places oid[] := ARRAY(SELECT n.oid FROM pg_namespace n WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen'));
BEGIN
    RETURN QUERY
    WITH listed AS MATERIALIZED (
        SELECT l.who, l.kind, l.privilege, l.object, l.class, l.id, l.part FROM pgslo_catalog.listed_rights() AS l
    ), granted_by_list AS MATERIALIZED (
        SELECT l.class, l.id, l.part, l.privilege, bool_or(l.who = 'public') AS is_public FROM listed l GROUP BY l.class, l.id, l.part, l.privilege
    ), of_others AS MATERIALIZED (
        -- A role that may create in the schema can put a trusted extension there.
        SELECT e.classid, e.objid FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
        WHERE e.deptype = 'e' AND e.refclassid = 'pg_extension'::regclass AND x.extname <> 'pgslo'
    ), all_things AS MATERIALIZED (
        -- Names are printed for the result alone: a check of every name against the search path takes longest here.
        -- Without an access control list, everybody may execute a function.
        SELECT 'function' AS kind, 'f'::"char" AS letter, p.pronamespace AS place, p.proowner AS owner,
               'pg_proc'::regclass::oid AS class, p.oid AS id, 0 AS part,
               coalesce(p.proacl, acldefault('f', p.proowner)) AS acl,
               NOT p.prosecdef AND p.prorettype <> 'trigger'::regtype AS is_plain,
               NOT p.prosecdef AND (SELECT y.typtype FROM pg_type y WHERE y.oid = p.proargtypes[0]) IS NOT DISTINCT FROM 'c' AS is_of_row
        FROM pg_proc p WHERE p.pronamespace = ANY (places)
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'relation' END, CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END::"char",
               c.relnamespace, c.relowner, 'pg_class'::regclass, c.oid, 0, c.relacl, false, false
        FROM pg_class c WHERE c.relnamespace = ANY (places) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'column', 'r', c.relnamespace, c.relowner, 'pg_class'::regclass, c.oid, a.attnum, a.attacl, false, false
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = ANY (places) AND a.attnum > 0 AND a.attacl IS NOT NULL
        UNION ALL
        SELECT 'schema', 'n', n.oid, n.nspowner, 'pg_namespace'::regclass, n.oid, 0, n.nspacl, false, false
        FROM pg_namespace n WHERE n.oid = ANY (places)
    ), things AS MATERIALIZED (
        SELECT a.* FROM all_things a WHERE NOT EXISTS (SELECT FROM of_others o WHERE o.classid = a.class AND o.objid = a.id)
    ), exploded AS MATERIALIZED (
        -- Hundreds of objects have a few lists.
        SELECT d.acl, g.grantee, g.privilege_type, g.grantor
        FROM (SELECT DISTINCT t.acl FROM things t WHERE t.acl IS NOT NULL) d CROSS JOIN LATERAL aclexplode(d.acl) AS g
    ), held AS MATERIALIZED (
        SELECT t.kind, t.letter, n.nspname, t.owner, t.class, t.id, t.part, t.is_plain, t.is_of_row,
               g.grantee, g.privilege_type AS privilege, g.grantor,
               g.grantee = 0 AND t.kind = 'schema' AND g.privilege_type = 'USAGE' AND n.nspname = 'pgslo' AS is_entry,
               coalesce(l.is_public, false) AS is_public, l.id IS NOT NULL AS is_listed
        FROM things t JOIN pg_namespace n ON n.oid = t.place JOIN exploded g ON g.acl = t.acl
        LEFT JOIN granted_by_list l ON l.class = t.class AND l.id = t.id AND l.part = t.part AND l.privilege = g.privilege_type
        WHERE g.grantee NOT IN (t.owner, keeper)
    ), others AS MATERIALIZED (
        -- But for those who have the rights of the owner anyway.
        SELECT h.* FROM held h
        WHERE NOT (h.is_public AND h.grantee = 0) AND NOT h.is_entry
          AND (h.grantee = 0 OR pg_has_role(h.grantee, h.owner, acts) IS NOT TRUE AND pg_has_role(h.grantee, keeper, acts) IS NOT TRUE)
    ), defaulted AS (
        SELECT DISTINCT d.defaclobjtype AS letter, g.grantee, g.privilege_type AS privilege
        FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS g
        WHERE g.grantee NOT IN (0, d.defaclrole)
          AND (d.defaclrole = keeper OR (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = d.defaclrole))
    ), by_default AS MATERIALIZED (
        -- Rights from default privileges are like granted ones. They cover all objects of a kind.
        SELECT d.letter, d.grantee, d.privilege,
               2 * count(*) FILTER (WHERE EXISTS (
                   SELECT FROM held h WHERE h.class = t.class AND h.id = t.id AND h.grantee = d.grantee AND h.privilege = d.privilege)) > count(*) AS gave_all
        FROM defaulted d JOIN things t USING (letter) JOIN pg_namespace n ON n.oid = t.place
        WHERE t.kind <> 'column' AND (n.nspname IN ('pgslo', 'pgslo_catalog') OR t.kind = 'schema' AND n.nspname = 'pgslo_gen')
          AND NOT EXISTS (SELECT FROM listed l WHERE l.class = t.class AND l.id = t.id)
        GROUP BY d.letter, d.grantee, d.privilege
    ), whole AS MATERIALIZED (
        -- Lists of `pgslo grants` of which such a role has every right: then they were granted.
        SELECT r.grantee, l.who
        FROM (SELECT DISTINCT b.grantee FROM by_default b) r CROSS JOIN listed l
        WHERE l.who <> 'public'
        GROUP BY r.grantee, l.who
        HAVING bool_and(EXISTS (
            SELECT FROM held h
            WHERE h.class = l.class AND h.id = l.id AND h.part IN (l.part, 0) AND h.privilege = l.privilege AND (h.grantee = r.grantee OR h.is_entry)))
    ), strange AS (
        SELECT o.*
        FROM others o LEFT JOIN by_default b ON b.letter = o.letter AND b.grantee = o.grantee AND b.privilege = o.privilege
        WHERE CASE
            -- Guarded views call it with a row, and it reads nothing.
            WHEN o.grantee = 0 THEN NOT (o.nspname = 'pgslo_gen' AND o.is_of_row)
            WHEN b.gave_all THEN true
            -- What functions of another owner call, and find.
            WHEN (o.kind = 'function' AND o.is_plain OR o.kind = 'schema' AND o.privilege = 'USAGE') AND o.nspname = 'pgslo_catalog'
                AND EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proowner = o.grantee) THEN false
            WHEN b.grantee IS NOT NULL THEN NOT EXISTS (
                SELECT FROM whole w JOIN listed l USING (who)
                WHERE w.grantee = o.grantee AND l.class = o.class AND l.id = o.id AND l.part = o.part AND l.privilege = o.privilege)
            -- What people call and read is the owner's to give.
            WHEN o.nspname = 'pgslo' THEN false
            ELSE NOT o.is_listed END
    ), found AS (
        SELECT s.grantee, s.kind, s.privilege, NULL AS object, s.class, s.id, s.part, s.owner,
               CASE WHEN s.grantor NOT IN (s.owner, keeper) THEN pg_get_userbyid(s.grantor) END AS grantor, false AS is_missing
        FROM strange s
        UNION ALL
        -- Without these no reader reads.
        SELECT 0::oid, l.kind, l.privilege, l.object, l.class, l.id, l.part, t.owner, NULL, true
        FROM listed l JOIN things t ON t.class = l.class AND t.id = l.id AND t.part = l.part
        WHERE l.who = 'public' AND l.kind = 'function'
          AND NOT EXISTS (SELECT FROM held h WHERE h.class = l.class AND h.id = l.id AND h.grantee = 0 AND h.privilege = l.privilege)
    )
    SELECT f.grantee, CASE WHEN f.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(f.grantee) END::name, f.kind, f.privilege, coalesce(f.object, o.object), o.put,
           f.grantor, f.is_missing, pg_has_role(keeper, f.owner, 'USAGE')
    FROM found f
    CROSS JOIN LATERAL (
        SELECT CASE f.kind WHEN 'function' THEN f.id::regprocedure::text WHEN 'schema' THEN quote_ident(n.nspname)
                   WHEN 'column' THEN format('%s.%I', f.id::regclass, a.attname) ELSE f.id::regclass::text END AS object,
               CASE f.kind WHEN 'function' THEN format('ON FUNCTION %s', f.id::regprocedure) WHEN 'schema' THEN format('ON SCHEMA %I', n.nspname)
                   WHEN 'column' THEN format('(%I) ON TABLE %s', a.attname, f.id::regclass) ELSE format('ON TABLE %s', f.id::regclass) END AS put
        FROM (VALUES (true)) AS v
        LEFT JOIN pg_namespace n ON f.kind = 'schema' AND n.oid = f.id
        LEFT JOIN pg_attribute a ON f.kind = 'column' AND a.attrelid = f.id AND a.attnum = f.part) AS o
    ORDER BY 2, 3, 5;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.strange_rights()
    IS 'Return rights on objects of the runtime that are not on a list, and missing rights of PUBLIC.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mend_rights() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one record;
    role text;
BEGIN
    FOR one IN SELECT s.* FROM pgslo_catalog.strange_rights() AS s WHERE s.can_mend LOOP
        role := CASE WHEN one.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(one.role) END;
        BEGIN
            IF one.is_missing THEN
                EXECUTE format('GRANT %s %s TO %s', one.privilege, one.place, role);
            ELSE
                EXECUTE format('REVOKE %s %s FROM %s CASCADE', one.privilege, one.place, role);
                IF one.grantor IS NOT NULL THEN
                    -- A role with the grant option gave it: revoking that right revokes the dependent ones.
                    EXECUTE format('REVOKE GRANT OPTION FOR %s %s FROM %I CASCADE', one.privilege, one.place, one.grantor);
                END IF;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING USING
                MESSAGE = format('%s of %s %s cannot be taken from %s', one.privilege, one.kind, one.object, role),
                HINT = 'Run pgslo migrate as the owner of pgslo.';
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mend_rights() IS 'Take the rights on objects of the runtime that no list gives, and give everybody those that are missing.';
