-- Incidents, newest first: those that are not resolved, or all; what explain knows of each of them comes along as jsonb.
SELECT i.incident_id, i.page, i.definition, i.rule, i.kind, i.scope, i.columns, i.promise, i.on_breach, i.owner,
       i.opened_at, i.opened_batch, i.state, i.tier, i.over_at, i.over_batch, i.resolved_at, i.resolution, i.resolved_by,
       i.missed_batches, i.missed_rows, i.stored, i.missed,
       i.acknowledged_at, i.acknowledged_by, i.muted_until, i.note,
       (SELECT coalesce(jsonb_object_agg(e.topic, e.fact), '{}') FROM pgslo.explain(i.incident_id) e WHERE i.resolved_at IS NULL) AS facts
FROM pgslo.incident i
WHERE i.resolved_at IS NULL OR %(all)s
ORDER BY i.incident_id DESC
