-- What each rule that is in use rests on, for roles that may see the state.
SELECT d.name AS definition, r.name AS rule, r.columns, r.on_breach, r.mechanism, r.rests_on
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
WHERE r.retired_at IS NULL AND r.kind <> 'learned'
ORDER BY d.name, r.rule_id
