-- Rules with their summaries, by table.
SELECT r.definition, r.rule, r.kind, r.columns, r.on_breach, r.summary, r.broken
FROM pgslo.rule r
WHERE r.retired_at IS NULL
ORDER BY r.definition, r.rule
