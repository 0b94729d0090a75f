-- Batches, their profiles and verdicts: what is measured over many rows, where 0001 knew rows that fail.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition
    ADD COLUMN settle interval NOT NULL DEFAULT '10 minutes',
    ADD COLUMN batch_is_of_row boolean NOT NULL DEFAULT false,
    ADD COLUMN recount text,
    ADD COLUMN batch_column name,
    ADD COLUMN max_age interval CONSTRAINT definition_max_age_is_positive CHECK (max_age > '0'),
    ADD COLUMN age_of text,
    ADD COLUMN tallies text[] NOT NULL DEFAULT '{}',
    ADD COLUMN target numeric CONSTRAINT definition_target_is_a_fraction CHECK (target BETWEEN 0 AND 1),
    ADD COLUMN span interval CONSTRAINT definition_span_is_positive CHECK (span > '0'),
    ADD COLUMN budgeting text NOT NULL DEFAULT 'occurrences' CONSTRAINT definition_budgeting_is_known CHECK (budgeting IN ('occurrences', 'time_slices')),
    ADD COLUMN sensitivity float8 NOT NULL DEFAULT 1 CONSTRAINT definition_sensitivity_is_positive CHECK (sensitivity > 0);
COMMENT ON COLUMN pgslo_catalog.definition.settle IS 'A batch is closed when nothing was written to it for so long, or when a later one begins.';
COMMENT ON COLUMN pgslo_catalog.definition.batch_is_of_row IS 'Whether a row says which batch it belongs to, so that what UPDATE and DELETE take away is taken from that batch.';
COMMENT ON COLUMN pgslo_catalog.definition.recount IS 'Function that counts batches from the table itself, as pgslo_gen names it; NULL where the table cannot be asked.';
COMMENT ON COLUMN pgslo_catalog.definition.batch_column IS 'The column that tells the batch, where it is a plain column; an index that begins with it finds the newest batch.';
COMMENT ON COLUMN pgslo_catalog.definition.max_age IS 'Freshness: how old the newest data may be.';
COMMENT ON COLUMN pgslo_catalog.definition.age_of IS 'Function that tells the time of the newest data, as pgslo_gen names it; NULL: when it was last written to.';
COMMENT ON COLUMN pgslo_catalog.definition.tallies IS 'Names of what rules over a batch add up, in the order in which it is counted.';
COMMENT ON COLUMN pgslo_catalog.definition.target IS 'Objective: share of batches, or of the time, in which a rule is to be met; 0-1.';
COMMENT ON COLUMN pgslo_catalog.definition.span IS 'Window of the objective.';
COMMENT ON COLUMN pgslo_catalog.definition.sensitivity IS 'How much a learned bound is widened; 1 is the default, 2 tells of half as small deviations, 0.5 of twice as large ones.';

ALTER TABLE pgslo_catalog.rule
    ADD COLUMN scope text NOT NULL DEFAULT 'row' CONSTRAINT rule_scope_is_known CHECK (scope IN ('row', 'batch', 'table')),
    ADD COLUMN measure jsonb,
    ADD COLUMN warn_low float8,
    ADD COLUMN warn_high float8,
    ADD COLUMN reject_low float8,
    ADD COLUMN reject_high float8,
    ADD COLUMN target numeric CONSTRAINT rule_target_is_a_fraction CHECK (target BETWEEN 0 AND 1),
    ADD COLUMN span interval CONSTRAINT rule_span_is_positive CHECK (span > '0'),
    ADD COLUMN missed_before_open integer NOT NULL DEFAULT 1 CONSTRAINT rule_opens_after_some_batch CHECK (missed_before_open >= 1),
    ADD COLUMN met_before_resolve integer NOT NULL DEFAULT 1 CONSTRAINT rule_resolves_after_some_batch CHECK (met_before_resolve >= 1),
    ADD CONSTRAINT rule_over_a_batch_has_a_measure CHECK (scope = 'row' OR measure IS NOT NULL);
COMMENT ON COLUMN pgslo_catalog.rule.scope IS 'Whether it is about each row, about each batch, or about the table as it stands.';
COMMENT ON COLUMN pgslo_catalog.rule.measure IS 'How its value is measured.';
COMMENT ON COLUMN pgslo_catalog.rule.warn_low IS 'Smallest value that meets it; NULL: none.';
COMMENT ON COLUMN pgslo_catalog.rule.reject_low IS 'Smallest value at which the statement is let through; NULL: none.';
COMMENT ON COLUMN pgslo_catalog.rule.missed_before_open IS 'Batches in a row that have to miss it before an incident opens.';
COMMENT ON COLUMN pgslo_catalog.rule.met_before_resolve IS 'Batches in a row that have to meet it before the incident resolves.';

ALTER TABLE pgslo_catalog.incident
    ADD COLUMN writer text,
    ADD COLUMN application text,
    ADD COLUMN written_at timestamptz,
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text,
    ADD COLUMN muted_until timestamptz,
    ADD COLUMN resolved_by text,
    ADD COLUMN note text;
COMMENT ON COLUMN pgslo_catalog.incident.writer IS 'Who wrote what opened it, for example the role of the nightly job.';

ALTER TABLE pgslo_catalog.fragment
    ADD COLUMN operation text NOT NULL DEFAULT 'judged' CONSTRAINT fragment_operation_is_known
        CHECK (operation IN ('judged', 'insert', 'update', 'delete', 'truncate', 'recount', 'merged', 'recounted')),
    ADD COLUMN present jsonb,
    ADD COLUMN tallies jsonb,
    ADD COLUMN level smallint,
    ADD COLUMN sample_columns text[],
    ADD COLUMN sample text[];
COMMENT ON COLUMN pgslo_catalog.fragment.operation IS 'judged: by the trigger that judges rows. insert, update, delete: what a statement added or took away. truncate: everything before it is void. recount: the batch has to be counted from the table. merged, recounted: several as one.';
COMMENT ON COLUMN pgslo_catalog.fragment.present IS 'Values that are not null, by column; negative where they were taken away.';
COMMENT ON COLUMN pgslo_catalog.fragment.tallies IS 'What rules over a batch add up, by name.';
COMMENT ON COLUMN pgslo_catalog.fragment.level IS 'The sample holds rows whose entity''s hash is divisible by 2 to this power.';
COMMENT ON COLUMN pgslo_catalog.fragment.sample_columns IS 'Columns of the sample, after the hash.';
COMMENT ON COLUMN pgslo_catalog.fragment.sample IS 'Rows as text, each its entity''s hash and its values. May hold personal data.';
CREATE INDEX fragment_unmerged_idx ON pgslo_catalog.fragment (definition_id, batch) WHERE operation NOT IN ('merged', 'recounted');
CREATE INDEX fragment_truncate_idx ON pgslo_catalog.fragment (definition_id, fragment_id) WHERE operation = 'truncate';

CREATE TABLE pgslo_catalog.watched_column (
    definition_id bigint NOT NULL CONSTRAINT watched_column_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    ordinal integer NOT NULL,
    column_name text NOT NULL,
    kind text NOT NULL CONSTRAINT watched_column_kind_is_known CHECK (kind IN ('number', 'time', 'text')),
    CONSTRAINT watched_column_is_watched_once PRIMARY KEY (definition_id, column_name)
);
COMMENT ON TABLE pgslo_catalog.watched_column IS 'Columns whose profile is kept, and how their values read.';

CREATE TABLE pgslo_catalog.batch (
    batch_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT batch_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT batch_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    name text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    present jsonb NOT NULL DEFAULT '{}',
    tallies jsonb NOT NULL DEFAULT '{}',
    failures jsonb NOT NULL DEFAULT '{}',
    first_written_at timestamptz NOT NULL,
    last_written_at timestamptz NOT NULL,
    writer text,
    application text,
    counted_at timestamptz,
    closed_at timestamptz,
    revision integer NOT NULL DEFAULT 0,
    CONSTRAINT batch_name_is_unique_in_its_definition UNIQUE (definition_id, name)
);
CREATE INDEX batch_place_idx ON pgslo_catalog.batch (definition_id, place);
CREATE INDEX batch_open_idx ON pgslo_catalog.batch (definition_id) WHERE closed_at IS NULL;
COMMENT ON TABLE pgslo_catalog.batch IS 'Batches as tick() last added them up; written by tick() alone.';
COMMENT ON COLUMN pgslo_catalog.batch.rows IS 'Rows that are in it; below zero when rows were taken away that came before pgslo.';
COMMENT ON COLUMN pgslo_catalog.batch.counted_at IS 'When it was last counted from the table; NULL where what statements record is added up.';
COMMENT ON COLUMN pgslo_catalog.batch.revision IS 'How often it was judged: once when it closed, and again whenever rows came late or went.';

CREATE TABLE pgslo_catalog.profile (
    definition_id bigint NOT NULL CONSTRAINT profile_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    column_name text NOT NULL,
    rows bigint NOT NULL,
    present bigint NOT NULL,
    level smallint NOT NULL DEFAULT 0,
    summary float8[],
    common jsonb,
    shapes jsonb,
    grid float8[],
    prefix integer[],
    entities integer[],
    sampled integer NOT NULL DEFAULT 0,
    noise float8[],
    expected float8[],
    spread float8[],
    surprise float8[],
    tolerated float8[],
    usual jsonb,
    usual_shapes jsonb,
    usual_grid float8[],
    learned_from integer NOT NULL DEFAULT 0,
    baseline boolean NOT NULL DEFAULT true,
    CONSTRAINT profile_is_of_a_column_and_a_batch PRIMARY KEY (definition_id, column_name, batch)
);
CREATE INDEX profile_place_idx ON pgslo_catalog.profile (definition_id, column_name, place);
CREATE INDEX profile_batch_idx ON pgslo_catalog.profile (definition_id, batch);
COMMENT ON TABLE pgslo_catalog.profile IS 'Each column of a batch in numbers; column * is the table as a whole. May hold personal data: the commonest values are values.';
COMMENT ON COLUMN pgslo_catalog.profile.summary IS 'Numbers in the order of pgslo_catalog.summary_names().';
COMMENT ON COLUMN pgslo_catalog.profile.common IS 'The commonest values, with the rows of the sample that have them.';
COMMENT ON COLUMN pgslo_catalog.profile.shapes IS 'The commonest patterns of texts, with the rows of the sample that have them.';
COMMENT ON COLUMN pgslo_catalog.profile.grid IS 'Quantiles at 0, 1/40, ... 1, of numbers; of times in hours since the batch''s own.';
COMMENT ON COLUMN pgslo_catalog.profile.prefix IS 'Hashes of the values of some rows, in order of their entities: two batches compare row by row.';
COMMENT ON COLUMN pgslo_catalog.profile.entities IS 'For *: the entities that the hashes of the columns belong to.';
COMMENT ON COLUMN pgslo_catalog.profile.sampled IS 'Values of the sample that are not null: what common and shapes count.';
COMMENT ON COLUMN pgslo_catalog.profile.noise IS 'How far each number of summary goes by chance in a sample of this size.';
COMMENT ON COLUMN pgslo_catalog.profile.expected IS 'For each number of summary, the prediction that came closest; shares as arc sine of the root.';
COMMENT ON COLUMN pgslo_catalog.profile.spread IS 'The unit in which surprise is told.';
COMMENT ON COLUMN pgslo_catalog.profile.surprise IS 'How far each number of summary is from what was expected, in units of spread.';
COMMENT ON COLUMN pgslo_catalog.profile.tolerated IS 'The largest surprise of each number before this batch; a shock counts in part, and fades.';
COMMENT ON COLUMN pgslo_catalog.profile.usual IS 'Shares of the commonest values before this batch, the latest batches counting most. May hold personal data.';
COMMENT ON COLUMN pgslo_catalog.profile.usual_shapes IS 'The same of the patterns of texts.';
COMMENT ON COLUMN pgslo_catalog.profile.usual_grid IS 'The mean grid before this batch, then the lowest and the highest value.';
COMMENT ON COLUMN pgslo_catalog.profile.learned_from IS 'Batches before this one that it was compared with.';
COMMENT ON COLUMN pgslo_catalog.profile.baseline IS 'Whether later batches are compared with it; false for a batch that missed.';

CREATE TABLE pgslo_catalog.verdict (
    verdict_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT verdict_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT verdict_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    rule_id bigint NOT NULL CONSTRAINT verdict_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    verdict text NOT NULL CONSTRAINT verdict_is_known CHECK (verdict IN ('met', 'missed', 'unknown')),
    value float8,
    low float8,
    high float8,
    score float8,
    said text NOT NULL,
    judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT verdict_is_given_once_a_batch UNIQUE (rule_id, batch)
);
CREATE INDEX verdict_place_idx ON pgslo_catalog.verdict (rule_id, place);
CREATE INDEX verdict_definition_idx ON pgslo_catalog.verdict (definition_id, place);
COMMENT ON TABLE pgslo_catalog.verdict IS 'Whether a batch met a rule; a batch that is judged again has its verdict replaced.';
COMMENT ON COLUMN pgslo_catalog.verdict.score IS 'How far from what is expected: 1 is at the bound, more is beyond it.';
COMMENT ON COLUMN pgslo_catalog.verdict.said IS 'The verdict in a sentence, without its full stop.';

CREATE TYPE pgslo_catalog.measured AS (batch text, place numeric, rows bigint, present bigint[], tallies numeric[], failed bigint[], sample text[]);
COMMENT ON TYPE pgslo_catalog.measured IS 'What was counted in one batch: rows, values that are not null by column, tallies by name, failing rows by rule, and a sample.';
