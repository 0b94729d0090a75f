-- The roles that a definition names as readers: what other roles may read was granted by hand, and stays.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN readers text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pgslo_catalog.definition.readers IS 'Roles to which the last apply granted the guarded views.';
