-- One row in quarantine with its values, exact as text, and every reason.
SELECT q.quarantine_id, q.definition, q.row_key, q.operation, q.reasons, q.image::text AS image, q.writer, q.application, q.written_at, q.state, q.decided_at, q.decided_by,
       (SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each_text(q.image) AS v) AS shown,
       ARRAY(SELECT DISTINCT c.name
             FROM jsonb_array_elements(q.reasons) AS reason JOIN pgslo.rule r ON r.definition = q.definition AND r.rule = reason ->> 'rule', unnest(r.columns) AS c (name)) AS failing
FROM pgslo.quarantine q
WHERE q.quarantine_id = %(id)s
