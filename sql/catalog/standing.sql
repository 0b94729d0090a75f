-- What each rule that is in use rests on, for roles that may see the state.
SELECT d.name AS definition, r.name AS rule, r.columns, r.on_breach, r.mechanism, r.rests_on,
    -- From PostgreSQL 15 on a MERGE moves rows to other partitions past triggers on statements.
    c.relkind IS NOT DISTINCT FROM 'p' AND pg_catalog.current_setting('server_version_num')::int >= 150000
        AND (r.mechanism = 'at commit' OR d.writes = 'bulk' AND r.mechanism IN ('statement trigger', 'at close')) AS is_passed_by_merge, r.rule_id AS place
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id) LEFT JOIN pg_catalog.pg_class c ON c.oid = d.relation
WHERE r.retired_at IS NULL AND r.kind <> 'learned'
UNION ALL
-- Bounds that are learned of a table are in force together: each column has a rule of its own, under the name of the column.
SELECT d.name, 'learned bounds', '{}'::text[], 'warn', 'at close', NULL::jsonb,
    (SELECT c.relkind FROM pg_catalog.pg_class c WHERE c.oid = d.relation) IS NOT DISTINCT FROM 'p'
        AND pg_catalog.current_setting('server_version_num')::int >= 150000 AND d.writes = 'bulk', NULL
FROM pgslo_catalog.definition d
WHERE EXISTS (SELECT FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.kind = 'learned')
ORDER BY definition, place
