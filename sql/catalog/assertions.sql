-- Installed assertions, each with the fingerprint of its definition.
SELECT 'assertion' AS kind, ARRAY[d.name, r.name] AS names, NULL::text[] AS relation, 'pgslo ' || a.fingerprint || ' ' || d.name AS comment,
       NULL AS body, a.validated_at IS NOT NULL OR NOT a.wants_validation AS validated, true AS enabled,
       '{}'::text[] AS dependants, NULL::text[] AS refers_to, false AS cloned, '' AS owner, false AS fires_always, true AS is_ours
FROM pgslo_catalog.assertion a
JOIN pgslo_catalog.rule r USING (rule_id)
JOIN pgslo_catalog.definition d USING (definition_id)
