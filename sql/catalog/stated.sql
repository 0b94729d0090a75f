-- What each installed definition states, for comparing it with a file: as the runtime keeps it.
SELECT d.name AS definition,
       jsonb_build_object('owner', d.owner, 'description', d.description, 'key', d.key_columns, 'writes', d.writes, 'batch', d.batch_key,
           'on_read', d.on_read, 'sensitivity', d.sensitivity, 'readers', d.readers, 'max_bytes', d.max_bytes, 'holidays', d.holidays,
           'target', d.target) AS fields,
       (SELECT coalesce(jsonb_object_agg(r.name, jsonb_build_object('promise', r.promise, 'on_breach', r.on_breach, 'at_least', r.at_least,
                   'at_most', r.at_most, 'warn_low', r.warn_low, 'warn_high', r.warn_high, 'reject_low', r.reject_low,
                   'reject_high', r.reject_high, 'target', r.target, 'opens_after', r.missed_before_open,
                   'resolves_after', r.met_before_resolve, 'owner', r.owner, 'description', r.description, 'tags', r.tags,
                   'mechanism', r.mechanism)), '{}')
        FROM pgslo_catalog.rule r
        WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.kind <> 'learned') AS rules,
       (SELECT coalesce(jsonb_object_agg(t.name, jsonb_build_object('contact', t.contact, 'reads', t.reads, 'view', t.view_name,
                   'on_read', t.on_read, 'batches', t.batches)), '{}')
        FROM pgslo_catalog.task t
        WHERE t.definition_id = d.definition_id) AS tasks
FROM pgslo_catalog.definition d
ORDER BY d.name
