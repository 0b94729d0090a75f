-- Partitions and inheritance children as tick() saw them last: rows come and go with them, and no trigger fires.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.known_part (
    definition_id bigint NOT NULL
        CONSTRAINT known_part_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    number bigint NOT NULL,
    file bigint NOT NULL,
    is_armed boolean NOT NULL,
    is_newly_armed boolean NOT NULL DEFAULT false,
    places numrange NOT NULL,
    CONSTRAINT known_part_is_known_once PRIMARY KEY (definition_id, number)
);
COMMENT ON TABLE pgslo_catalog.known_part IS
    'Partitions and children of a defined table, and that table, as tick() or the first apply saw them last.';
COMMENT ON COLUMN pgslo_catalog.known_part.number IS
    'Its OID. No regclass, because a dump must load without it, and no oid, because pg_upgrade must; after a restore, all parts are recorded again.';
COMMENT ON COLUMN pgslo_catalog.known_part.file IS 'Its relfilenode, which TRUNCATE changes; 0 for the defined table.';
COMMENT ON COLUMN pgslo_catalog.known_part.is_armed IS 'Whether it has each statement trigger that the defined table has.';
COMMENT ON COLUMN pgslo_catalog.known_part.is_newly_armed IS
    'Whether apply gave it these triggers after tick() saw it: rows of the time before are not recorded.';
COMMENT ON COLUMN pgslo_catalog.known_part.places IS
    'Order of the batches that its partition bounds, or CHECK constraints, allow.';

CREATE TABLE pgslo_catalog.due_count (
    definition_id bigint NOT NULL
        CONSTRAINT due_count_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    is_emptied boolean NOT NULL,
    CONSTRAINT due_count_is_due_once PRIMARY KEY (definition_id, batch)
);
COMMENT ON TABLE pgslo_catalog.due_count IS
    'Batches that tick() has to count from the table, because rows came or left without a trigger.';
COMMENT ON COLUMN pgslo_catalog.due_count.is_emptied IS
    'Whether TRUNCATE removed rows of it, which the statistics system still counts.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.replace_counts(pgslo_catalog.definition, text, text, bigint);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.judge_unjudged(pgslo_catalog.definition);
