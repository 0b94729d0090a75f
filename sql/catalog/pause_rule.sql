-- Notes that one rule of a definition is switched off for now.
INSERT INTO pgslo_catalog.pause (definition_id, rule_name)
SELECT d.definition_id, %(rule)s FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
ON CONFLICT DO NOTHING
