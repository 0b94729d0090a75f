-- Objects whose comment says that pgslo generated them, though neither their owner nor the registry does: the first hundred,
-- because any role can make as many as it likes.
SELECT left(g.definition, 130) AS definition, CASE WHEN g.kind = 'view' AND c.relkind = 'm' THEN 'materialized view' ELSE replace(g.kind, '_', ' ') END AS kind,
       g.names, g.relation, coalesce(pg_catalog.pg_get_userbyid(r.relowner), g.owner)::text AS owner
FROM pgslo_catalog.generated g
LEFT JOIN pg_catalog.pg_class c ON c.oid = g.object_id AND g.class_id = 'pg_class'::regclass
LEFT JOIN pg_catalog.pg_class r ON r.oid = g.on_relation
WHERE NOT g.is_ours
ORDER BY g.definition, kind, g.names, g.relation
LIMIT 100
