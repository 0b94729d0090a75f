-- Schemas and state. Created without IF NOT EXISTS, so that nobody can have prepared objects in them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA pgslo;
COMMENT ON SCHEMA pgslo IS 'pgslo''s interface: functions and views, additive only.';
CREATE SCHEMA pgslo_catalog;
COMMENT ON SCHEMA pgslo_catalog IS 'pgslo''s state: tables that only pgslo''s functions read and write.';
CREATE SCHEMA pgslo_gen;
COMMENT ON SCHEMA pgslo_gen IS 'Functions generated from definitions; may be dropped and planned anew.';
REVOKE ALL ON SCHEMA pgslo, pgslo_catalog, pgslo_gen FROM PUBLIC;
GRANT USAGE ON SCHEMA pgslo TO PUBLIC;

CREATE TABLE pgslo_catalog.migration (
    name text NOT NULL CONSTRAINT migration_runs_once PRIMARY KEY,
    sha256 text NOT NULL,
    library_version text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE pgslo_catalog.migration IS 'Migrations of the runtime that ran here, each once.';

CREATE TABLE pgslo_catalog.runtime (
    version text NOT NULL,
    sha256 text NOT NULL,
    sole boolean NOT NULL DEFAULT true CONSTRAINT runtime_has_one_row PRIMARY KEY CONSTRAINT runtime_is_the_only_one CHECK (sole)
);
COMMENT ON TABLE pgslo_catalog.runtime IS 'What of the stateless runtime (functions and views) is installed.';

CREATE TABLE pgslo_catalog.definition (
    definition_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT definition_has_an_id PRIMARY KEY,
    name text NOT NULL CONSTRAINT definition_name_is_unique UNIQUE,
    relation regclass NOT NULL CONSTRAINT relation_has_one_definition UNIQUE,
    owner text,
    description text,
    key_columns text[] NOT NULL,
    writes text NOT NULL CONSTRAINT definition_writes_are_known CHECK (writes IN ('bulk', 'stream')),
    batch_every interval,
    batch_by text,
    batch_place text,
    schema_wanted jsonb,
    on_read text NOT NULL CONSTRAINT definition_on_read_is_known CHECK (on_read IN ('warn', 'refuse', 'silent')),
    fingerprint text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    registered_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE pgslo_catalog.definition IS 'A table that has promises.';
COMMENT ON COLUMN pgslo_catalog.definition.batch_by IS 'A row''s batch, as SQL over row r, where its value says which batch is later.';
COMMENT ON COLUMN pgslo_catalog.definition.batch_place IS 'Where a batch stands among the others, as SQL over b.raw.';
COMMENT ON COLUMN pgslo_catalog.definition.name IS 'Schema and table when it was defined; generated code knows the definition by it, also after a rename.';

CREATE TABLE pgslo_catalog.rule (
    rule_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rule_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT rule_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    name text NOT NULL,
    kind text NOT NULL,
    columns text[] NOT NULL,
    on_breach text NOT NULL CONSTRAINT rule_on_breach_is_known CHECK (on_breach IN ('warn', 'flag', 'quarantine', 'repair', 'reject')),
    at_least numeric CONSTRAINT rule_at_least_is_a_fraction CHECK (at_least BETWEEN 0 AND 1),
    samples bigint NOT NULL,
    at_most bigint CONSTRAINT rule_at_most_is_a_count CHECK (at_most >= 0),
    mechanism text NOT NULL,
    promise text NOT NULL,
    owner text,
    description text,
    tags text[] NOT NULL DEFAULT '{}',
    retired_at timestamptz,
    CONSTRAINT rule_name_is_unique_in_its_definition UNIQUE (definition_id, name)
);
COMMENT ON TABLE pgslo_catalog.rule IS 'What a definition promises; a retired rule keeps its history.';

CREATE TABLE pgslo_catalog.task (
    task_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT task_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    name text NOT NULL,
    contact text,
    reads text[] NOT NULL,
    view_name text,
    on_read text NOT NULL CONSTRAINT task_on_read_is_known CHECK (on_read IN ('warn', 'refuse', 'silent')),
    CONSTRAINT task_name_is_unique_in_its_definition UNIQUE (definition_id, name)
);
COMMENT ON TABLE pgslo_catalog.task IS 'Who reads which columns of a defined table.';

CREATE TABLE pgslo_catalog.rule_break (
    rule_break_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rule_break_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT rule_break_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    rule_id bigint CONSTRAINT rule_break_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    error_code text NOT NULL,
    error_message text NOT NULL,
    broke_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rule_break_rule_idx ON pgslo_catalog.rule_break (rule_id);
CREATE INDEX rule_break_definition_idx ON pgslo_catalog.rule_break (definition_id);
COMMENT ON TABLE pgslo_catalog.rule_break IS 'Rules that can no longer be judged, for example after a column was renamed; writes went on.';
COMMENT ON COLUMN pgslo_catalog.rule_break.rule_id IS 'NULL: not a rule, but rows cannot be told apart into batches any more.';

CREATE TABLE pgslo_catalog.fragment (
    fragment_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT fragment_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL,
    batch text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    failures jsonb,
    writer text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    application text NOT NULL DEFAULT current_setting('application_name'),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX fragment_batch_idx ON pgslo_catalog.fragment (definition_id, batch);
CREATE INDEX fragment_place_idx ON pgslo_catalog.fragment (definition_id, place);
CREATE INDEX fragment_failing_idx ON pgslo_catalog.fragment (xid) WHERE failures IS NOT NULL;
CREATE INDEX fragment_failing_place_idx ON pgslo_catalog.fragment (definition_id, place) WHERE failures IS NOT NULL;
COMMENT ON TABLE pgslo_catalog.fragment IS 'What one statement added to a batch. Only ever appended to: a shared counter would serialise and deadlock writers.';
COMMENT ON COLUMN pgslo_catalog.fragment.batch IS 'The batch''s key as text; a long one ends in a digest.';
COMMENT ON COLUMN pgslo_catalog.fragment.place IS 'Where the batch stands among the others: seconds since 1970 for times, the value itself for numbers, else when its first rows arrived; -Infinity when it cannot be told.';
COMMENT ON COLUMN pgslo_catalog.fragment.rows IS 'Rows as the statement left them, inserted or updated; 0 where a row trigger noted a failing row, which is all it sees.';
COMMENT ON COLUMN pgslo_catalog.fragment.failures IS 'Failing rows by rule name; NULL when every row passed.';

CREATE TABLE pgslo_catalog.sample (
    sample_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT sample_has_an_id PRIMARY KEY,
    rule_id bigint NOT NULL CONSTRAINT sample_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    batch text NOT NULL,
    row_key text NOT NULL,
    shown text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sample_rule_idx ON pgslo_catalog.sample (rule_id, batch);
COMMENT ON TABLE pgslo_catalog.sample IS 'Keys and values of some failing rows, capped per rule and batch. May hold personal data.';

CREATE TABLE pgslo_catalog.incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT incident_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT incident_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    rule_id bigint NOT NULL CONSTRAINT incident_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_batch text NOT NULL,
    opened_place numeric NOT NULL,
    resolved_at timestamptz,
    resolved_batch text,
    resolved_place numeric,
    resolution text CONSTRAINT incident_resolution_is_known CHECK (resolution IN ('met', 'healed', 'retired', 'real', 'false_alarm')),
    CONSTRAINT incident_is_resolved_with_a_resolution CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
-- Guards look here at every read: the index holds open incidents only, however long the history.
CREATE UNIQUE INDEX incident_is_open_once ON pgslo_catalog.incident (definition_id, rule_id) WHERE resolved_at IS NULL;
CREATE INDEX incident_rule_idx ON pgslo_catalog.incident (rule_id);
COMMENT ON TABLE pgslo_catalog.incident IS 'Runs of missed batches of one rule.';

CREATE TABLE pgslo_catalog.watermark (
    consumer text NOT NULL CONSTRAINT watermark_has_one_consumer PRIMARY KEY,
    seen xid8 NOT NULL
);
COMMENT ON TABLE pgslo_catalog.watermark IS 'Transactions below this one ended before the consumer last looked: sequence order is not commit order.';

CREATE TABLE pgslo_catalog.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT quarantine_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT quarantine_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    operation text NOT NULL CONSTRAINT quarantine_operation_is_known CHECK (operation IN ('INSERT', 'UPDATE')),
    row_key text NOT NULL,
    image jsonb,
    image_text text NOT NULL,
    relation regclass NOT NULL,
    columns jsonb NOT NULL,
    reasons jsonb NOT NULL,
    writer text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    application text NOT NULL DEFAULT current_setting('application_name'),
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'held' CONSTRAINT quarantine_state_is_known CHECK (state IN ('held', 'released', 'dropped')),
    decided_at timestamptz,
    decided_by text,
    CONSTRAINT quarantine_is_decided_once_it_is_not_held CHECK ((state = 'held') = (decided_at IS NULL))
);
CREATE INDEX quarantine_held_idx ON pgslo_catalog.quarantine (definition_id, quarantine_id) WHERE state = 'held';
COMMENT ON TABLE pgslo_catalog.quarantine IS 'Rows kept out of their table, whole, with every reason. May hold personal data.';
COMMENT ON COLUMN pgslo_catalog.quarantine.image IS 'The row by column name, or NULL when a value has no form in jsonb.';
COMMENT ON COLUMN pgslo_catalog.quarantine.image_text IS 'The row in PostgreSQL''s own text form, exact for every type while the table keeps its columns, whatever they are called.';
COMMENT ON COLUMN pgslo_catalog.quarantine.columns IS 'Number and name of each column of the relation as the row was written, in order.';

CREATE TABLE pgslo_catalog.repair (
    repair_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT repair_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT repair_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    rule_name text NOT NULL,
    column_name text NOT NULL,
    row_key text NOT NULL,
    old_value text,
    new_value text,
    writer text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX repair_definition_idx ON pgslo_catalog.repair (definition_id, repair_id);
COMMENT ON TABLE pgslo_catalog.repair IS 'Values that a repair replaced, with what they were. May hold personal data.';

CREATE TABLE pgslo_catalog.native_not_null (
    relation regclass NOT NULL,
    column_name text NOT NULL,
    CONSTRAINT native_not_null_is_set_once PRIMARY KEY (relation, column_name)
);
COMMENT ON TABLE pgslo_catalog.native_not_null IS 'Columns that pgslo made NOT NULL, and makes nullable again when the rule goes.';
