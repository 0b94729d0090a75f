-- Incidents, newest first: open ones, or all; what explain knows of each comes along as jsonb.
SELECT i.incident_id, i.definition, i.rule, i.kind, i.columns, i.promise, i.on_breach, i.owner,
       i.opened_at, i.opened_batch, i.resolved_at, i.resolved_batch, i.resolution,
       (SELECT coalesce(jsonb_object_agg(e.topic, e.fact), '{}') FROM pgslo.explain(i.incident_id) e WHERE i.resolved_at IS NULL) AS facts
FROM pgslo.incident i
WHERE i.resolved_at IS NULL OR %(all)s
ORDER BY i.incident_id DESC
