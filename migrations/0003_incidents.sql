-- The life of an incident: what people do about it, its history, and who was told of it.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule ADD COLUMN muted_until timestamptz;
COMMENT ON COLUMN pgslo_catalog.rule.muted_until IS 'Nobody is told of its incidents before.';

ALTER TABLE pgslo_catalog.task ADD COLUMN reads_from text NOT NULL DEFAULT 'definition'
    CONSTRAINT task_reads_are_from_somewhere CHECK (reads_from IN ('definition', 'sql'));
COMMENT ON COLUMN pgslo_catalog.task.reads_from IS 'Whether its author listed what it reads, or it was found in its SQL.';

-- What an incident of a rule would reopen is its last one.
CREATE INDEX incident_last_idx ON pgslo_catalog.incident (rule_id, incident_id);
CREATE INDEX incident_page_idx ON pgslo_catalog.incident (definition_id, opened_batch);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX pgslo_catalog.incident_rule_idx;

CREATE TABLE pgslo_catalog.incident_event (
    incident_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT incident_event_has_an_id PRIMARY KEY,
    incident_id bigint NOT NULL CONSTRAINT incident_event_belongs_to_an_incident REFERENCES pgslo_catalog.incident ON DELETE CASCADE,
    event text NOT NULL CONSTRAINT incident_event_is_known CHECK (event IN ('opened', 'acknowledged', 'muted', 'unmuted', 'resolved', 'reopened')),
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_by text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    application text NOT NULL DEFAULT current_setting('application_name'),
    batch text,
    muted_until timestamptz,
    resolution text,
    note text
);
CREATE INDEX incident_event_incident_idx ON pgslo_catalog.incident_event (incident_id);
COMMENT ON TABLE pgslo_catalog.incident_event IS 'What became of incidents: who did what when. Only ever appended to.';

CREATE TABLE pgslo_catalog.unannounced (
    incident_event_id bigint NOT NULL CONSTRAINT unannounced_is_noted_once PRIMARY KEY
        CONSTRAINT unannounced_is_an_event REFERENCES pgslo_catalog.incident_event ON DELETE CASCADE
);
COMMENT ON TABLE pgslo_catalog.unannounced IS 'Events that no NOTIFY told of yet: writers leave that to tick(), because NOTIFY makes commits wait for each other.';

CREATE TABLE pgslo_catalog.recipient (
    recipient text NOT NULL CONSTRAINT recipient_is_known_once PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgslo_catalog.recipient IS 'Routes that pgslo watch delivers to, and since when; what was over before is no news to them.';

CREATE TABLE pgslo_catalog.delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT delivery_has_an_id PRIMARY KEY,
    delivery_key text NOT NULL CONSTRAINT delivery_is_made_once UNIQUE,
    recipient text NOT NULL CONSTRAINT delivery_belongs_to_a_recipient REFERENCES pgslo_catalog.recipient ON DELETE CASCADE,
    page bigint NOT NULL,
    event text NOT NULL CONSTRAINT delivery_event_is_known CHECK (event IN ('opened', 'repeated', 'resolved')),
    incidents bigint[] NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts bigint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    error text
);
CREATE INDEX delivery_pending_idx ON pgslo_catalog.delivery (recipient, delivery_id) WHERE sent_at IS NULL;
CREATE INDEX delivery_page_idx ON pgslo_catalog.delivery (page);
COMMENT ON TABLE pgslo_catalog.delivery IS 'Messages about incidents, written down before they are sent.';
COMMENT ON COLUMN pgslo_catalog.delivery.attempts IS 'Counted before each attempt: more than 0 without sent_at means that it may have arrived.';
