-- Rows in quarantine that nobody has decided about, by definition.
SELECT d.name, count(*) FROM pgslo_catalog.quarantine q JOIN pgslo_catalog.definition d USING (definition_id) WHERE q.state = 'held' GROUP BY d.name
