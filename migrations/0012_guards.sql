-- What guards ask of incidents at each read stands in the incident: looking through those that are open is all that it takes.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.incident
    ADD COLUMN definition text,
    ADD COLUMN about text[];
COMMENT ON COLUMN pgslo_catalog.incident.definition IS 'The name of its definition while it is open.';
COMMENT ON COLUMN pgslo_catalog.incident.about IS 'Columns whose readers are warned while it is open; * for a rule about the table as a whole.';

UPDATE pgslo_catalog.incident i
SET definition = d.name, about = CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
WHERE r.rule_id = i.rule_id AND i.resolved_at IS NULL;
