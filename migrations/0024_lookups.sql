-- Relations that definitions read besides their own tables, as they were at apply.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.is_referential(regclass, record, record);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.changes_others(text, regclass, text[], record, record);

CREATE TABLE pgslo_catalog.other_relation (
    definition_id bigint NOT NULL
        CONSTRAINT other_relation_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    schema_name name NOT NULL,
    name name NOT NULL,
    -- A name in a dump: after a restore it is the relation of that name.
    number regclass NOT NULL,
    kind text NOT NULL,
    owner name NOT NULL,
    is_replaceable boolean NOT NULL,
    CONSTRAINT other_relation_is_listed_once PRIMARY KEY (definition_id, schema_name, name)
);
COMMENT ON TABLE pgslo_catalog.other_relation IS 'Relations that definitions read besides their own tables, as they were at apply.';
COMMENT ON COLUMN pgslo_catalog.other_relation.is_replaceable IS 'Whether another role owns it, or its schema, and could put another relation in its place.';

-- The turn of installers; the others come when they are first taken.
INSERT INTO pgslo_catalog.session_lock (name) VALUES ('install');
