-- Days that are not like others, so that what is learned of the others is not held against them.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition
    ADD COLUMN holidays text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pgslo_catalog.definition.holidays IS 'Days that are not like others, as 2026-11-26 or, each year, 12-25.';
