-- What operators need: how the database was left by the last apply, and what is switched off for now.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.applied (
    definition_id bigint NOT NULL CONSTRAINT applied_holds_the_last_apply PRIMARY KEY CONSTRAINT applied_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    table_name text NOT NULL,
    columns jsonb NOT NULL,
    objects jsonb NOT NULL,
    rows_written bigint,
    library_version text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE pgslo_catalog.applied IS 'How the last apply left a table and what was generated for it: drift is the difference.';
COMMENT ON COLUMN pgslo_catalog.applied.table_name IS 'Schema and name that the table had.';
COMMENT ON COLUMN pgslo_catalog.applied.columns IS 'Number, name and type of each column.';
COMMENT ON COLUMN pgslo_catalog.applied.objects IS 'What was generated: kind, name, fingerprint, digest of a function''s body.';
COMMENT ON COLUMN pgslo_catalog.applied.rows_written IS 'Rows inserted and updated so far, as the statistics system counted them.';

CREATE TABLE pgslo_catalog.pause (
    pause_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pause_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT pause_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    rule_name text,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    paused_by text NOT NULL DEFAULT session_user
);
CREATE UNIQUE INDEX pause_is_made_once ON pgslo_catalog.pause (definition_id, (coalesce(rule_name, '')));
COMMENT ON TABLE pgslo_catalog.pause IS 'What is switched off for now.';
COMMENT ON COLUMN pgslo_catalog.pause.rule_name IS 'NULL: every rule of the table.';

CREATE TABLE pgslo_catalog.paused_function (
    function_name text NOT NULL CONSTRAINT paused_function_is_kept_once PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT paused_function_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    source text NOT NULL
);
CREATE INDEX paused_function_definition_idx ON pgslo_catalog.paused_function (definition_id);
COMMENT ON TABLE pgslo_catalog.paused_function IS 'Generated functions as they are without a pause; resume puts them back.';
