-- What rules rest on that PostgreSQL enforces by itself, and rows that were recorded and emptied since the last apply.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule ADD COLUMN rests_on jsonb;
COMMENT ON COLUMN pgslo_catalog.rule.rests_on IS
    'Of a native rule: what has to be there, whoever made it, as kind (not_null, unique, foreign_key), columns, and table of a foreign key.';

ALTER TABLE pgslo_catalog.applied ADD COLUMN rows_emptied bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN pgslo_catalog.applied.rows_emptied IS 'Recorded rows, written since the last apply, that TRUNCATE removed: the statistics system still counts them.';

ALTER TABLE pgslo_catalog.fragment ADD COLUMN rows_emptied bigint;
COMMENT ON COLUMN pgslo_catalog.fragment.rows_emptied IS 'Of a TRUNCATE: recorded rows, written since the last apply, that it removed.';
