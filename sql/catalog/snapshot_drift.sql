-- Snapshots that are not kept as they were taken, and copies that a role may read which may not read their view any more.
SELECT s.name, s.definition,
       CASE WHEN c.oid IS NULL THEN 'its table was dropped'
            WHEN g.number < 2 THEN 'a trigger that refuses changes was dropped'
            ELSE 'a trigger that refuses changes was switched off' END AS said, NULL AS to_do
FROM pgslo_catalog.snapshot s
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_snapshot'
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'r'
CROSS JOIN LATERAL (
    SELECT count(*) AS number, count(*) FILTER (WHERE t.tgenabled = 'A') AS firing
    FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = c.oid AND t.tgname IN ('pgslo_refuse_change', 'pgslo_leave_out_change')
) AS g
WHERE s.is_copy AND s.content_hash IS NOT NULL AND g.firing < 2
UNION ALL
SELECT s.name, s.definition, pg_catalog.format('role %s may read this copy, and its view %I.%I no longer', o.role, s.source_schema, s.source_name),
       pg_catalog.format('REVOKE SELECT ON TABLE pgslo_snapshot.%I FROM %s', s.name, o.role)
FROM pgslo_catalog.snapshot s
JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_snapshot'
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'r'
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
CROSS JOIN LATERAL (SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END AS role) AS o
LEFT JOIN pg_catalog.pg_namespace m ON m.nspname = s.source_schema
LEFT JOIN pg_catalog.pg_class v ON v.relnamespace = m.oid AND v.relname = s.source_name AND v.relkind = 'v'
LEFT JOIN pgslo_catalog.definition d ON d.name = s.definition
WHERE s.is_copy AND x.privilege_type = 'SELECT' AND x.grantee <> c.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)
  -- The role that took it has read the rows, and may keep them.
  AND r.rolname IS DISTINCT FROM s.taken_by
  AND CASE
      -- Once the table is no longer guarded, such roles cannot be distinguished.
      WHEN d.definition_id IS NULL THEN false
      WHEN v.oid IS NULL AND x.grantee = 0 THEN true
      WHEN v.oid IS NULL THEN NOT pgslo_catalog.may_read(d.relation, r.rolname)
      WHEN x.grantee = 0 THEN NOT EXISTS (
          SELECT FROM pg_catalog.aclexplode(v.relacl) AS p WHERE p.grantee = 0 AND p.privilege_type = 'SELECT')
          OR NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.nspacl) AS p WHERE p.grantee = 0 AND p.privilege_type = 'USAGE')
      ELSE (pg_catalog.has_schema_privilege(r.oid, m.oid, 'USAGE') AND pg_catalog.has_table_privilege(r.oid, v.oid, 'SELECT')) IS NOT TRUE
  END
UNION ALL
SELECT s.name, s.definition, pg_catalog.format('role %s may read this copy of all rows, and %s has row security', o.role, d.relation::regclass),
       pg_catalog.format('REVOKE SELECT ON TABLE pgslo_snapshot.%I FROM %s', s.name, o.role)
FROM pgslo_catalog.snapshot s
JOIN pgslo_catalog.definition d ON d.name = s.definition
JOIN pg_catalog.pg_class t ON t.oid = d.relation AND t.relrowsecurity
JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_snapshot'
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'r'
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
CROSS JOIN LATERAL (SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END AS role) AS o
WHERE s.is_copy AND x.privilege_type = 'SELECT' AND x.grantee <> c.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)
  AND r.rolname IS DISTINCT FROM s.taken_by
ORDER BY 1, 3
