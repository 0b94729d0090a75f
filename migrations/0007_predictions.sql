-- Predictions and labels: what was done to scores, and pairs of a prediction and its label as they are added up.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.definition ADD COLUMN pairs jsonb;
COMMENT ON COLUMN pgslo_catalog.definition.pairs IS 'How predictions and labels are paired and measured; NULL for a table without metrics.';

CREATE TABLE pgslo_catalog.post_processing (
    post_processing_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT post_processing_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT post_processing_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    version text NOT NULL,
    steps jsonb NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user
);
CREATE INDEX post_processing_definition_idx ON pgslo_catalog.post_processing (definition_id, post_processing_id);
COMMENT ON TABLE pgslo_catalog.post_processing IS 'Steps that made what was served, by the version that rows'' trails name; the newest is in force.';

CREATE TYPE pgslo_catalog.pair_image AS (
    side text, sign integer, key text[], batch text, place numeric, model text, segment text[],
    score float8, decided text, label text, moment timestamptz, defaulted boolean, abstained boolean
);
COMMENT ON TYPE pgslo_catalog.pair_image IS 'A row of predictions or of labels as far as metrics look at it: added (sign 1) or taken away (-1).';

CREATE TABLE pgslo_catalog.pair_fragment (
    pair_fragment_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pair_fragment_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL,
    images pgslo_catalog.pair_image[],
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX pair_fragment_definition_idx ON pgslo_catalog.pair_fragment (definition_id);
COMMENT ON TABLE pgslo_catalog.pair_fragment IS 'What one statement changed of predictions or labels, until tick() has added it up. May hold personal data.';
COMMENT ON COLUMN pgslo_catalog.pair_fragment.images IS 'NULL: rows changed in a way that no image tells, and everything is counted anew.';

CREATE TABLE pgslo_catalog.pair_cell (
    pair_cell_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pair_cell_has_an_id PRIMARY KEY,
    definition_id bigint NOT NULL CONSTRAINT pair_cell_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    batch text NOT NULL,
    model text NOT NULL,
    segment text[] NOT NULL,
    coarse boolean NOT NULL DEFAULT false,
    predictions numeric NOT NULL,
    defaulted numeric NOT NULL,
    abstained numeric NOT NULL,
    expecting numeric NOT NULL,
    expected numeric NOT NULL,
    expected_noise numeric NOT NULL,
    labelled numeric NOT NULL,
    delayed numeric NOT NULL,
    delay numeric NOT NULL,
    decided numeric NOT NULL,
    hits numeric NOT NULL,
    true_positive numeric NOT NULL,
    false_positive numeric NOT NULL,
    false_negative numeric NOT NULL,
    scored numeric NOT NULL,
    loss numeric NOT NULL,
    loss_squared numeric NOT NULL,
    brier numeric NOT NULL,
    brier_squared numeric NOT NULL,
    error numeric NOT NULL,
    error_squared numeric NOT NULL,
    error_fourth numeric NOT NULL,
    absolute numeric NOT NULL,
    relative numeric NOT NULL,
    relative_squared numeric NOT NULL,
    label_without_prediction numeric NOT NULL,
    two_labels numeric NOT NULL,
    label_before_prediction numeric NOT NULL,
    unknown_label numeric NOT NULL,
    unknown_class numeric NOT NULL,
    score_missing numeric NOT NULL,
    score_outside numeric NOT NULL,
    model_missing numeric NOT NULL,
    CONSTRAINT pair_cell_is_of_a_batch_a_model_and_a_segment UNIQUE (definition_id, batch, model, segment)
);
COMMENT ON TABLE pgslo_catalog.pair_cell IS 'Sums over predictions and their labels, by batch, model and segment; written by tick() alone. They are exact numbers: what is taken away leaves nothing behind.';
COMMENT ON COLUMN pgslo_catalog.pair_cell.batch IS 'The prediction''s; empty for labels that have none.';
COMMENT ON COLUMN pgslo_catalog.pair_cell.coarse IS 'Whether scores are kept to four digits, because more than 10,000 different ones came.';

CREATE TABLE pgslo_catalog.pair_score (
    pair_cell_id bigint NOT NULL,
    score float8 NOT NULL,
    positive bigint NOT NULL,
    negative bigint NOT NULL,
    CONSTRAINT pair_score_is_counted_once PRIMARY KEY (pair_cell_id, score)
);
COMMENT ON TABLE pgslo_catalog.pair_score IS 'Pairs by score: what AUC and calibration error are made of. No foreign key: looking the cell up for each score would double the cost of late labels.';

CREATE TABLE pgslo_catalog.pair_batch (
    definition_id bigint NOT NULL CONSTRAINT pair_batch_belongs_to_a_definition REFERENCES pgslo_catalog.definition ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    last_at timestamptz,
    early_due boolean NOT NULL DEFAULT true,
    late_due boolean NOT NULL DEFAULT true,
    CONSTRAINT pair_batch_is_known_once PRIMARY KEY (definition_id, batch)
);
CREATE INDEX pair_batch_place_idx ON pgslo_catalog.pair_batch (definition_id, place);
CREATE INDEX pair_batch_due_idx ON pgslo_catalog.pair_batch (definition_id) WHERE early_due OR late_due;
COMMENT ON TABLE pgslo_catalog.pair_batch IS 'Batches of predictions, and whether anything changed since their metrics were judged.';
COMMENT ON COLUMN pgslo_catalog.pair_batch.last_at IS 'Time of the newest prediction that was ever in it: labels are complete so long after as the definition says.';
