-- Paused rules.
SELECT d.name AS definition, p.rule_name AS rule, p.paused_at, p.paused_by
FROM pgslo_catalog.pause p JOIN pgslo_catalog.definition d USING (definition_id)
WHERE p.resumed_at IS NULL
ORDER BY d.name, p.rule_name NULLS FIRST
