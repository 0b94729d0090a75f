-- All objects that pgslo generated, with the fingerprint of their definition; and objects whose comment says that, though
-- neither their owner nor the registry does: the first hundred of these, because any role can make as many as it likes.
WITH RECURSIVE everything AS MATERIALIZED (
    SELECT g.kind, g.names, g.relation, g.on_relation, g.fingerprint, g.definition, g.class_id, g.object_id, g.owner, g.is_ours
    FROM pgslo_catalog.generated g
), ours AS MATERIALIZED (
    SELECT * FROM everything g WHERE g.is_ours
), forged AS (
    SELECT left(g.definition, 130) AS definition,
           CASE WHEN g.kind = 'view' AND c.relkind = 'm' THEN 'materialized view' ELSE replace(g.kind, '_', ' ') END AS kind,
           g.names, g.relation, coalesce(pg_catalog.pg_get_userbyid(r.relowner), g.owner)::text AS owner
    FROM everything g
    LEFT JOIN pg_catalog.pg_class c ON c.oid = g.object_id AND g.class_id = 'pg_class'::regclass
    LEFT JOIN pg_catalog.pg_class r ON r.oid = g.on_relation
    WHERE NOT g.is_ours
    ORDER BY g.definition, kind, g.names, g.relation
    LIMIT 100
), weaker AS (
    -- Triggers of which a clone on a partition fires less often than they do: each can be switched off alone.
    SELECT t.oid, c.tgenabled IN ('D', 'R') AS is_off
    FROM pg_catalog.pg_trigger c JOIN pg_catalog.pg_trigger t ON t.oid = c.tgparentid
    WHERE c.tgenabled IN ('D', 'R') OR c.tgenabled = 'O' AND t.tgenabled = 'A'
    UNION
    SELECT c.tgparentid, w.is_off FROM weaker w JOIN pg_catalog.pg_trigger c ON c.oid = w.oid WHERE c.tgparentid <> 0
), parts_of_keys AS (
    SELECT g.object_id AS key, g.object_id AS part FROM ours g WHERE g.kind = 'foreign_key'
    UNION ALL
    SELECT k.key, c.oid FROM parts_of_keys k JOIN pg_catalog.pg_constraint c ON c.conparentid = k.part
)
SELECT g.kind, g.names, g.relation, 'pgslo ' || g.fingerprint || ' ' || g.definition AS comment, p.prosrc AS body,
       coalesce(k.convalidated OR NOT e.is_enforced, i.indisvalid, true) AS validated,
       coalesce(t.tgenabled NOT IN ('D', 'R') AND NOT EXISTS (SELECT FROM weaker w WHERE w.oid = t.oid AND w.is_off),
                e.is_enforced AND NOT EXISTS (
                    SELECT FROM parts_of_keys k JOIN pg_catalog.pg_trigger x ON x.tgconstraint = k.part WHERE k.key = g.object_id AND x.tgenabled IN ('D', 'R')),
                true) AS enabled,
       CASE g.kind WHEN 'view' THEN ARRAY(
           -- Whatever keeps PostgreSQL from dropping it: what depends on it, on the type of its rows or on arrays of these.
           SELECT DISTINCT pg_catalog.pg_describe_object(s.class_id, s.object_id, s.part) || coalesce(' of role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.owner)), '')
           FROM pg_catalog.pg_class v
           JOIN pg_catalog.pg_type y ON y.oid = v.reltype
           JOIN pg_catalog.pg_depend d ON d.deptype = 'n' AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
                                                               OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray))
           LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
           CROSS JOIN LATERAL (SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END AS class_id,
                                      coalesce(w.ev_class, d.objid) AS object_id, CASE WHEN w.oid IS NULL THEN d.objsubid ELSE 0 END AS part) AS o
           CROSS JOIN LATERAL (SELECT o.*, CASE o.class_id
               WHEN 'pg_class'::regclass THEN (SELECT x.relowner FROM pg_catalog.pg_class x WHERE x.oid = o.object_id)
               WHEN 'pg_proc'::regclass THEN (SELECT x.proowner FROM pg_catalog.pg_proc x WHERE x.oid = o.object_id)
               WHEN 'pg_type'::regclass THEN (SELECT x.typowner FROM pg_catalog.pg_type x WHERE x.oid = o.object_id)
               WHEN 'pg_operator'::regclass THEN (SELECT x.oprowner FROM pg_catalog.pg_operator x WHERE x.oid = o.object_id)
               WHEN 'pg_policy'::regclass THEN (SELECT x.relowner FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class x ON x.oid = p.polrelid WHERE p.oid = o.object_id)
               WHEN 'pg_publication_rel'::regclass THEN (SELECT x.pubowner FROM pg_catalog.pg_publication_rel p JOIN pg_catalog.pg_publication x ON x.oid = p.prpubid WHERE p.oid = o.object_id)
           END AS owner) AS s
           WHERE v.oid = g.object_id AND w.ev_class IS DISTINCT FROM v.oid
             AND NOT EXISTS (SELECT FROM ours m WHERE m.kind = 'view' AND m.object_id = w.ev_class)
           ORDER BY 1)
       WHEN 'schema' THEN ARRAY(
           SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
           FROM pg_catalog.pg_depend d
           WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = g.object_id AND d.deptype = 'n'
             AND NOT EXISTS (SELECT FROM ours o WHERE o.class_id = d.classid AND o.object_id = d.objid)
           ORDER BY 1)
       ELSE '{}' END AS dependants,
       CASE WHEN k.contype = 'f' THEN ARRAY[s.nspname::text, r.relname::text] END AS refers_to,
       t.oid IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_trigger clone WHERE clone.tgparentid = t.oid) AS cloned,
       CASE WHEN g.kind IN ('function', 'table', 'view', 'schema') THEN g.owner::text ELSE '' END AS owner,
       coalesce(t.tgenabled = 'A' AND NOT EXISTS (SELECT FROM weaker w WHERE w.oid = t.oid), false) AS fires_always,
       true AS is_ours
FROM ours g
LEFT JOIN pg_catalog.pg_proc p ON g.kind = 'function' AND p.oid = g.object_id
LEFT JOIN pg_catalog.pg_trigger t ON g.kind = 'trigger' AND t.oid = g.object_id
LEFT JOIN pg_catalog.pg_index i ON g.kind = 'unique_index' AND i.indexrelid = g.object_id
LEFT JOIN pg_catalog.pg_constraint k ON g.kind IN ('foreign_key', 'exclusion') AND k.oid = g.object_id
-- PostgreSQL 18 and later.
LEFT JOIN LATERAL (SELECT coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true) AS is_enforced WHERE k.oid IS NOT NULL) e ON true
LEFT JOIN pg_catalog.pg_class r ON r.oid = k.confrelid LEFT JOIN pg_catalog.pg_namespace s ON s.oid = r.relnamespace
UNION ALL
SELECT 'not_null', ARRAY[u.column_name], ARRAY[n.nspname::text, c.relname::text], u.comment, NULL, true, true, '{}', NULL, false, '', false, true
FROM (
    SELECT s.relation, s.column_name, 'pgslo 0000000000000000 ' || d.name AS comment
    FROM pgslo_catalog.native_not_null s JOIN pgslo_catalog.definition d ON d.relation = s.relation
) u
JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attname = u.column_name AND a.attnotnull
    -- PostgreSQL 18 and later: one that is NOT VALID is made again.
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum AND NOT k.convalidated)
JOIN pg_catalog.pg_class c ON c.oid = u.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'not_null', ARRAY[a.attname::text], ARRAY[n.nspname::text, c.relname::text],
       'pgslo 0000000000000000 ' || d.name, NULL, false, true, '{}', NULL, false, '', false, true
FROM pgslo_catalog.definition d
JOIN pg_catalog.pg_constraint k ON k.conrelid = d.relation AND k.contype = 'c' AND k.conname ~ '^pgslo__' AND cardinality(k.conkey) = 1
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.relation AND a.attnum = k.conkey[1]
JOIN pg_catalog.pg_class c ON c.oid = d.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'registration', ARRAY[d.name], NULL, 'pgslo ' || d.fingerprint || ' ' || d.name, NULL, true,
       NOT EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.definition_id = d.definition_id AND b.pause_id IS NULL AND (b.batch IS NULL OR d.judge IS NULL)), '{}', NULL, false, '', false, true
FROM pgslo_catalog.definition d
UNION ALL
SELECT f.kind, f.names, f.relation, f.definition, NULL, true, true, '{}', NULL, false, f.owner, false, false FROM forged f
