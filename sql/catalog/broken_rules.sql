-- Rules that can no longer be judged.
SELECT r.definition, r.rule, r.columns, r.owner, r.broken AS error
FROM pgslo.rule r
WHERE r.broken IS NOT NULL AND r.retired_at IS NULL
ORDER BY r.definition, r.rule
