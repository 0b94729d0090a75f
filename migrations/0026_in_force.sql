-- What rules rest on that PostgreSQL enforces by itself.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule ADD COLUMN rests_on jsonb;
COMMENT ON COLUMN pgslo_catalog.rule.rests_on IS
    'Of a native rule: what has to be there, whoever made it, as kind (not_null, unique, foreign_key), columns, and table of a foreign key.';
