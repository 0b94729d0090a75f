-- Rules that are in use and muted.
SELECT r.definition, r.rule, r.muted_until, r.muted_at, r.muted_by
FROM pgslo.rule r
WHERE r.retired_at IS NULL AND r.muted_until > pg_catalog.clock_timestamp()
ORDER BY r.definition, r.rule
