-- Snapshots of what readers saw, the gate of a task, and the runs that follow healthy batches.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.task ADD COLUMN gate jsonb;
COMMENT ON COLUMN pgslo_catalog.task.gate IS 'What has to hold before it is trained, besides its columns: batches, training, evaluation; NULL: its columns alone.';

CREATE TABLE pgslo_catalog.snapshot (
    snapshot_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT snapshot_has_an_id PRIMARY KEY,
    name text NOT NULL CONSTRAINT snapshot_name_is_unique UNIQUE,
    is_copy boolean NOT NULL,
    definition text NOT NULL,
    definition_fingerprint text NOT NULL,
    source_schema text NOT NULL,
    source_name text NOT NULL,
    condition text,
    left_out numeric[],
    columns jsonb NOT NULL,
    batch_by text,
    batch_place text,
    rows bigint,
    content_hash text,
    newest_batch text,
    newest_place numeric,
    incidents jsonb,
    library_version text,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_by text NOT NULL,
    CONSTRAINT snapshot_is_sealed_whole CHECK ((rows IS NULL) = (content_hash IS NULL))
);
COMMENT ON TABLE pgslo_catalog.snapshot IS 'What was read through a guarded view at a time: a copy of the rows, or how to read them again.';
COMMENT ON COLUMN pgslo_catalog.snapshot.is_copy IS 'Whether the rows are kept, in the schema pgslo_snapshot under this name; else they are read again when they are wanted.';
COMMENT ON COLUMN pgslo_catalog.snapshot.definition IS 'Name of the definition of the view; the snapshot outlives it.';
COMMENT ON COLUMN pgslo_catalog.snapshot.definition_fingerprint IS 'Which version of the definition was applied then.';
COMMENT ON COLUMN pgslo_catalog.snapshot.left_out IS 'Places of batches that were left out as unhealthy; NULL: none was looked for.';
COMMENT ON COLUMN pgslo_catalog.snapshot.columns IS 'Name and type of each column, in order.';
COMMENT ON COLUMN pgslo_catalog.snapshot.batch_by IS 'A row''s batch, as SQL over row r, where the view''s columns say it.';
COMMENT ON COLUMN pgslo_catalog.snapshot.batch_place IS 'Where a batch stands among the others, as SQL over b.raw.';
COMMENT ON COLUMN pgslo_catalog.snapshot.content_hash IS 'Of columns and rows in any order; NULL while it is being taken.';
COMMENT ON COLUMN pgslo_catalog.snapshot.incidents IS 'Incidents that were open then on columns of the view or on the table.';

CREATE TABLE pgslo_catalog.snapshot_batch (
    snapshot_id bigint NOT NULL CONSTRAINT snapshot_batch_belongs_to_a_snapshot REFERENCES pgslo_catalog.snapshot ON DELETE CASCADE,
    batch text NOT NULL,
    place numeric NOT NULL,
    rows bigint NOT NULL,
    sums numeric[] NOT NULL,
    CONSTRAINT snapshot_batch_is_in_it_once PRIMARY KEY (snapshot_id, batch)
);
COMMENT ON TABLE pgslo_catalog.snapshot_batch IS 'The batches that a snapshot has rows of; one without a name where rows do not say their batch.';
COMMENT ON COLUMN pgslo_catalog.snapshot_batch.sums IS 'Sums of the four quarters of the SHA-256 of each row: the same rows in any order have the same.';

CREATE TABLE pgslo_catalog.snapshot_column (
    snapshot_id bigint NOT NULL CONSTRAINT snapshot_column_belongs_to_a_snapshot REFERENCES pgslo_catalog.snapshot ON DELETE CASCADE,
    ordinal integer NOT NULL,
    column_name text NOT NULL,
    column_type text NOT NULL,
    present bigint NOT NULL,
    sampled integer NOT NULL,
    summary jsonb NOT NULL,
    common jsonb,
    grid float8[],
    CONSTRAINT snapshot_column_is_in_it_once PRIMARY KEY (snapshot_id, column_name)
);
COMMENT ON TABLE pgslo_catalog.snapshot_column IS 'Each column of a snapshot in numbers. May hold personal data: the commonest values are values.';
COMMENT ON COLUMN pgslo_catalog.snapshot_column.sampled IS 'Values of the sample that are not null: what common counts.';
COMMENT ON COLUMN pgslo_catalog.snapshot_column.summary IS 'Numbers by name, as pgslo_catalog.summary_kinds() has them; those that need a history are missing.';
COMMENT ON COLUMN pgslo_catalog.snapshot_column.grid IS 'Quantiles at 0, 1/40, ... 1, of numbers; of times in hours since 1970.';

CREATE TABLE pgslo_catalog.task_run (
    task_run_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_run_has_an_id PRIMARY KEY,
    task text NOT NULL,
    batch text NOT NULL,
    state text NOT NULL CONSTRAINT task_run_state_is_known CHECK (state IN ('skipped', 'running', 'waiting', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    host text,
    process_id bigint,
    started_at timestamptz,
    seen_at timestamptz,
    ended_at timestamptz,
    next_attempt_at timestamptz,
    exit_code integer,
    output text,
    started_by text,
    CONSTRAINT task_run_is_made_once_a_batch UNIQUE (task, batch)
);
COMMENT ON TABLE pgslo_catalog.task_run IS 'What pgslo watch --on healthy-batch ran, once for each batch of a task.';
COMMENT ON COLUMN pgslo_catalog.task_run.state IS 'skipped: the batch was there before anybody watched. waiting: it failed or was interrupted, and is tried again. failed: it is not tried again.';
COMMENT ON COLUMN pgslo_catalog.task_run.attempts IS 'Counted before each attempt: a run that was interrupted may have done its work.';
COMMENT ON COLUMN pgslo_catalog.task_run.seen_at IS 'When the watch last said that it is still running.';
COMMENT ON COLUMN pgslo_catalog.task_run.output IS 'The end of what the command printed.';
COMMENT ON COLUMN pgslo_catalog.task_run.exit_code IS 'Negative: the signal that ended it. NULL after an attempt: the watch ended before the command.';

CREATE TABLE pgslo_catalog.task_watch (
    task text NOT NULL CONSTRAINT task_is_watched_once PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgslo_catalog.task_watch IS 'Tasks whose healthy batches are followed, and since when.';
