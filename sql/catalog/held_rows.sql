-- Rows in quarantine without a decision, by definition.
SELECT d.name, count(*) FROM pgslo_catalog.quarantine q JOIN pgslo_catalog.definition d USING (definition_id) WHERE q.state = 'held' GROUP BY d.name
