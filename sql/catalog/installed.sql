-- Everything pgslo generated, known by the fingerprint in its comment.
SELECT 'function' AS kind, ARRAY[p.proname::text] AS names, NULL::text[] AS relation,
       pg_catalog.obj_description(p.oid, 'pg_proc') AS comment, p.prosrc AS body, true AS validated, true AS enabled, '{}'::text[] AS dependants, NULL::text[] AS refers_to, false AS cloned
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pgslo_gen'::regnamespace
UNION ALL
SELECT 'table', ARRAY[c.relname::text], NULL, pg_catalog.obj_description(c.oid, 'pg_class'), NULL, true, true, '{}', NULL, false
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pgslo_gen'::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'trigger', ARRAY[g.tgname::text], ARRAY[n.nspname::text, c.relname::text],
       pg_catalog.obj_description(g.oid, 'pg_trigger'), NULL, true, g.tgenabled NOT IN ('D', 'R'), '{}', NULL, EXISTS (SELECT FROM pg_catalog.pg_trigger clone WHERE clone.tgparentid = g.oid)
FROM pg_catalog.pg_trigger g
JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgname ~ '^pgslo_'
UNION ALL
SELECT 'view', ARRAY[n.nspname::text, c.relname::text], NULL,
       e.description, NULL, true, true,
       ARRAY(SELECT DISTINCT dependant.oid::regclass::text
             FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
             JOIN pg_catalog.pg_class dependant ON dependant.oid = w.ev_class
             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_rewrite'::regclass AND w.ev_class <> c.oid
             ORDER BY 1), NULL, false
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_description e ON e.objoid = c.oid AND e.classoid = 'pg_class'::regclass AND e.objsubid = 0 AND e.description ~ '^pgslo '
WHERE c.relkind = 'v'
UNION ALL
SELECT 'schema', ARRAY[n.nspname::text], NULL, pg_catalog.obj_description(n.oid, 'pg_namespace'), NULL, true, true, '{}', NULL, false
FROM pg_catalog.pg_namespace n
UNION ALL
SELECT 'foreign_key', ARRAY[k.conname::text], ARRAY[n.nspname::text, c.relname::text],
       pg_catalog.obj_description(k.oid, 'pg_constraint'), NULL, k.convalidated, true, '{}', ARRAY[o.nspname::text, t.relname::text], false
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = k.confrelid JOIN pg_catalog.pg_namespace o ON o.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0
UNION ALL
SELECT 'exclusion', ARRAY[k.conname::text], ARRAY[n.nspname::text, c.relname::text],
       pg_catalog.obj_description(k.oid, 'pg_constraint'), NULL, true, true, '{}', NULL, false
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'x'
UNION ALL
SELECT 'unique_index', ARRAY[n.nspname::text, x.relname::text], ARRAY[n.nspname::text, c.relname::text],
       -- One without a comment was left behind: rows that are there stopped its building, or apply was cut off right after it.
       coalesce(pg_catalog.obj_description(x.oid, 'pg_class'), 'pgslo 0000000000000000 ' || d.name),
       NULL, i.indisvalid, true, '{}', NULL, false
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pgslo_catalog.definition d ON d.relation = i.indrelid
WHERE x.relname ~ '^pgslo__'
  -- That of an exclusion constraint comes and goes with it.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.oid AND k.contype = 'x')
UNION ALL
SELECT 'not_null', ARRAY[u.column_name], ARRAY[n.nspname::text, c.relname::text], u.comment, NULL, true, true, '{}', NULL, false
FROM (
    SELECT s.relation, s.column_name, 'pgslo 0000000000000000 ' || d.name AS comment
    FROM pgslo_catalog.native_not_null s JOIN pgslo_catalog.definition d ON d.relation = s.relation
) u
JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attname = u.column_name AND a.attnotnull
JOIN pg_catalog.pg_class c ON c.oid = u.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'not_null', ARRAY[a.attname::text], ARRAY[n.nspname::text, c.relname::text],
       'pgslo 0000000000000000 ' || d.name, NULL, false, true, '{}', NULL, false
FROM pgslo_catalog.definition d
JOIN pg_catalog.pg_constraint k ON k.conrelid = d.relation AND k.contype = 'c' AND k.conname ~ '^pgslo__' AND cardinality(k.conkey) = 1
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.relation AND a.attnum = k.conkey[1]
JOIN pg_catalog.pg_class c ON c.oid = d.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'registration', ARRAY[d.name], NULL, 'pgslo ' || d.fingerprint || ' ' || d.name, NULL, true,
       NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.definition_id = d.definition_id AND (b.batch IS NULL OR d.judge IS NULL)), '{}', NULL, false
FROM pgslo_catalog.definition d
