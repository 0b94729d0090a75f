-- Objects of other owners that depend on pgslo's own schemas, or are in them, and would be dropped with them.
WITH own AS (
    SELECT n.oid, n.nspname::text AS name, n.nspowner AS owner FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')
), part AS (
    SELECT 'pg_class'::regclass AS classid, c.oid FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace
    UNION ALL SELECT 'pg_proc'::regclass, p.oid FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
    UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_catalog.pg_type t JOIN own ON own.oid = t.typnamespace
    UNION ALL SELECT 'pg_namespace'::regclass, own.oid FROM own
), made AS (
    SELECT g.class_id, g.object_id FROM pgslo_catalog.generated g WHERE g.is_ours
), dependant AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid
    FROM pg_catalog.pg_depend d JOIN part ON part.classid = d.refclassid AND part.oid = d.refobjid
    WHERE d.deptype IN ('n', 'a') AND d.classid <> 'pg_default_acl'::regclass
      AND NOT EXISTS (SELECT FROM part p WHERE p.classid = d.classid AND p.oid = d.objid)
), stranger AS (
    -- Everything of pgslo's carries a comment, and its generated objects are known by their owner or the registry.
    SELECT 'pg_class'::regclass AS classid, c.oid AS objid, 0 AS objsubid, own.name, pg_catalog.obj_description(c.oid, 'pg_class') AS comment, c.relowner = own.owner AS is_of_owner
    FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace
    WHERE c.relkind NOT IN ('i', 'I', 't', 'c')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0)
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0, own.name, pg_catalog.obj_description(p.oid, 'pg_proc'), p.proowner = own.owner
    FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
)
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
FROM dependant d
LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
CROSS JOIN LATERAL pg_catalog.pg_identify_object_as_address(d.classid, d.objid, d.objsubid) AS a
WHERE NOT EXISTS (SELECT FROM own WHERE own.name = a.object_names[1])
  -- A partition's clone of a trigger goes with the trigger, which is looked at itself.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE d.classid = 'pg_trigger'::regclass AND g.oid = d.objid AND g.tgparentid <> 0)
  -- So does the copy that Citus makes for each shard, which has no comment.
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger g
      JOIN pg_catalog.pg_trigger whole ON whole.tgfoid = g.tgfoid AND starts_with(g.tgname::text, whole.tgname || '_')
      JOIN made m ON m.class_id = 'pg_trigger'::regclass AND m.object_id = whole.oid
      WHERE d.classid = 'pg_trigger'::regclass AND g.oid = d.objid)
  -- What pgslo generated outside its schemas, guarded views and triggers, goes before the runtime does.
  AND NOT EXISTS (SELECT FROM made m WHERE m.class_id = d.classid AND m.object_id = d.objid
                                          OR m.class_id = 'pg_class'::regclass AND m.object_id = w.ev_class)
UNION ALL
SELECT pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid)
FROM stranger s
WHERE CASE WHEN s.name = 'pgslo_gen' THEN NOT EXISTS (SELECT FROM made m WHERE m.class_id = s.classid AND m.object_id = s.objid)
           ELSE s.comment IS NULL OR NOT s.is_of_owner END
ORDER BY 1
