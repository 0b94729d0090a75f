-- Comments of each guarded view, privileges of other roles on it, and the readers that its installed definition names.
-- A grant is kept if the view's owner made it, and that owner is the current role, pgslo's owner or a superuser.
SELECT g.names, d.readers,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = v.oid AND a.attnum > 0 ORDER BY a.attnum) AS columns,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = v.oid AND a.attnum > 0 AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_attribute t
                 WHERE t.attrelid = d.relation AND t.attname = a.attname AND NOT t.attisdropped
                   AND (t.atttypid, t.atttypmod, t.attcollation) = (a.atttypid, a.atttypmod, a.attcollation))) AS retyped,
       -- Copies of its rows whose owner is the current role, or one whose rights it has, by the roles that may read them.
       (SELECT coalesce(jsonb_object_agg(c.role, c.names), '{}')
        FROM (SELECT r.rolname AS role, jsonb_agg(t.relname ORDER BY t.relname) AS names
              FROM pgslo_catalog.snapshot s
              JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_snapshot'
              JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = s.name AND t.relkind = 'r'
              CROSS JOIN LATERAL pg_catalog.aclexplode(t.relacl) AS x
              JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
              WHERE s.is_copy AND g.names = ARRAY[s.source_schema, s.source_name] AND x.privilege_type = 'SELECT' AND x.grantee <> t.relowner
                AND pg_catalog.pg_has_role(t.relowner, 'USAGE')
              GROUP BY r.rolname) AS c) AS copies,
       coalesce(pg_catalog.obj_description(v.oid, 'pg_class'), '') AS comment,
       (SELECT coalesce(jsonb_object_agg(a.attname, e.description), '{}')
        FROM pg_catalog.pg_description e
        JOIN pg_catalog.pg_attribute a ON a.attrelid = e.objoid AND a.attnum = e.objsubid
        WHERE e.classoid = 'pg_class'::regclass AND e.objoid = v.oid AND e.objsubid > 0) AS column_comments,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'role', coalesce(r.rolname, ''), 'privilege', x.privilege_type, 'column', coalesce(x.attname, ''), 'is_grantable', x.is_grantable,
                   'is_kept', x.grantor = v.relowner AND (o.rolsuper OR o.rolname = current_user OR o.oid = k.nspowner),
                   'grantor', pg_catalog.pg_get_userbyid(x.grantor)) ORDER BY x.grantee, x.attnum, x.privilege_type, x.grantor), '[]')
        FROM (SELECT NULL::name AS attname, 0::smallint AS attnum, e.* FROM pg_catalog.aclexplode(v.relacl) AS e
              UNION ALL
              SELECT a.attname, a.attnum, e.* FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS e
              WHERE a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped) AS x
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE x.grantee <> v.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)) AS grants,
       -- A new view has the default privileges of the role that creates it.
       (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('role', coalesce(r.rolname, ''), 'privilege', e.privilege_type)), '[]')
        FROM pg_catalog.pg_default_acl b
        CROSS JOIN LATERAL pg_catalog.aclexplode(b.defaclacl) AS e
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = e.grantee
        WHERE b.defaclrole = (SELECT s.oid FROM pg_catalog.pg_roles s WHERE s.rolname = current_user) AND b.defaclobjtype = 'r' AND b.defaclnamespace IN (0, v.relnamespace)
          AND e.grantee <> b.defaclrole AND (e.grantee = 0 OR r.oid IS NOT NULL)
          AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(v.relacl) AS x WHERE x.grantee = e.grantee AND x.privilege_type = e.privilege_type)) AS missing
FROM pgslo_catalog.generated g
JOIN pgslo_catalog.definition d ON d.name = g.definition
JOIN pg_catalog.pg_class v ON v.oid = g.object_id
JOIN pg_catalog.pg_roles o ON o.oid = v.relowner
JOIN pg_catalog.pg_namespace k ON k.nspname = 'pgslo_catalog'
WHERE g.kind = 'view' AND g.is_ours
