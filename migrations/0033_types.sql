-- Types that columns of tables of other roles had at apply, for functions that read such tables without a trigger.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN known_types text[];
COMMENT ON COLUMN pgslo_catalog.definition.known_types IS
    'Name and type number of each column with a type of a user at apply; NULL for a table of the owner of pgslo.';
ALTER TABLE pgslo_catalog.other_relation ADD COLUMN known_types text[];
COMMENT ON COLUMN pgslo_catalog.other_relation.known_types IS
    'Name and type number of each column with a type of a user at apply; NULL where the relation is not replaceable.';

-- A table: a session may refuse views of users (restrict_nonsystem_relation_kind), and triggers run in that session.
-- squawk-ignore ban-drop-view
DROP VIEW IF EXISTS pgslo_catalog.own_salt;
CREATE TABLE pgslo_catalog.own_salt (
    definition text CONSTRAINT own_salt_is_kept_once PRIMARY KEY
        CONSTRAINT own_salt_belongs_to_a_definition REFERENCES pgslo_catalog.definition (name) ON UPDATE CASCADE ON DELETE CASCADE,
    relation regclass NOT NULL,
    salt text NOT NULL
);
COMMENT ON TABLE pgslo_catalog.own_salt IS
    'Salt of the names of batches by definition. A row is visible to the owner of the table and to the owner of pgslo.';
ALTER TABLE pgslo_catalog.own_salt ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_salt_is_of_the_owner ON pgslo_catalog.own_salt FOR SELECT USING (
    pg_has_role((SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'), 'USAGE')
    OR pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = relation), 'USAGE'));
INSERT INTO pgslo_catalog.own_salt (definition, relation, salt)
SELECT d.name, d.relation, encode(sha256(convert_to(concat(s.value, ' ', d.definition_id), 'UTF8')), 'hex')
FROM pgslo_catalog.definition d CROSS JOIN pgslo_catalog.secret s;
