-- Each rule that is in use, for everybody who may read its table.
SELECT r.definition, r.rule, r.on_breach, r.mechanism
FROM pgslo.rule r
WHERE r.retired_at IS NULL AND r.kind <> 'learned'
ORDER BY r.definition, r.rule
