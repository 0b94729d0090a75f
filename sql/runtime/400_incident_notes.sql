-- Changes of incidents, as they are noted, and names that guards look for.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.note_incident() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    what text := CASE
        WHEN TG_OP = 'INSERT' THEN 'opened'
        WHEN OLD.over_at IS NOT NULL AND NEW.over_at IS NULL THEN 'reopened'
        WHEN OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL THEN 'resolved'
        WHEN OLD.resolved_at IS NOT NULL AND NEW.resolved_at IS NULL OR OLD.over_at IS NULL AND NEW.over_at IS NOT NULL THEN 'over'
        WHEN OLD.is_suspect AND NOT NEW.is_suspect THEN 'raised'
        WHEN NEW.resolution = 'real' AND OLD.resolution IS NULL THEN 'confirmed'
        WHEN OLD.acknowledged_at IS DISTINCT FROM NEW.acknowledged_at AND NEW.acknowledged_at IS NOT NULL THEN 'acknowledged'
        WHEN OLD.muted_until IS DISTINCT FROM NEW.muted_until THEN CASE WHEN NEW.muted_until IS NULL THEN 'unmuted' ELSE 'muted' END
    END;
    noted bigint;
BEGIN
    -- One that opened before this transaction began comes out of a dump, which brings its history as well.
    IF what IS NULL OR (TG_OP = 'INSERT' AND NEW.opened_at < transaction_timestamp()) THEN
        RETURN NULL;
    END IF;
    INSERT INTO pgslo_catalog.incident_event AS e (incident_id, event, batch, muted_until, resolution, note)
    VALUES (NEW.incident_id, what,
            CASE WHEN what = 'opened' THEN NEW.opened_batch WHEN what IN ('over', 'resolved') THEN NEW.over_batch END,
            CASE what WHEN 'muted' THEN NEW.muted_until END,
            CASE WHEN what IN ('over', 'confirmed', 'resolved') THEN NEW.resolution END,
            CASE WHEN TG_OP = 'INSERT' OR OLD.note IS DISTINCT FROM NEW.note THEN NEW.note END)
    RETURNING e.incident_event_id INTO noted;
    -- Suspect batches warn readers; they wake no person.
    IF NOT NEW.is_suspect THEN
        INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    END IF;
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_incident() IS 'Write the history of an incident for every change; tick() reports it.';

CREATE OR REPLACE TRIGGER note_insert AFTER INSERT ON pgslo_catalog.incident
    FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();
CREATE OR REPLACE TRIGGER note_update AFTER UPDATE OF acknowledged_at, is_suspect, muted_until, over_at, resolution, resolved_at ON pgslo_catalog.incident
    FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();

CREATE OR REPLACE FUNCTION pgslo_catalog.tell_guards() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    SELECT d.name, CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END, pgslo_catalog.keeps_batches(r)
    INTO NEW.definition, NEW.about, NEW.is_of_batches
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.rule_id = NEW.rule_id;
    RETURN NEW;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_guards() IS 'Note in a new incident the readers that it concerns, for fast checks by guards.';

CREATE OR REPLACE FUNCTION pgslo_catalog.name_missed(definition_id bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Of all definitions, those that are new: a writer may have recorded one while another transaction renamed its definition.
    due bigint[] := CASE
        WHEN name_missed.definition_id IS NULL
            THEN ARRAY(SELECT m.missed_id FROM pgslo_catalog.missed_batch m WHERE m.ended_at IS NULL AND m.looked_at IS NULL)
        ELSE ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition_id = name_missed.definition_id AND m.ended_at IS NULL) END;
BEGIN
    UPDATE pgslo_catalog.missed_batch m SET definition = n.definition, about = n.about, concern = DEFAULT
    FROM (
        SELECT u.missed_id, d.name AS definition, CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END AS about
        FROM pgslo_catalog.missed_batch u
        JOIN pgslo_catalog.rule r USING (rule_id)
        JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE u.missed_id = ANY (due) AND u.ended_at IS NULL
          AND (u.definition <> d.name OR u.about <> CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END)
        FOR UPDATE OF u SKIP LOCKED
    ) n
    WHERE m.missed_id = n.missed_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.name_missed(bigint) IS
    'Record in batches that are missed whom they concern, of a definition or of all: guards look there.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tell_guards_anew() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    -- Setting it to its own value runs the trigger above again.
    UPDATE pgslo_catalog.incident i SET resolved_at = NULL
    WHERE i.resolved_at IS NULL AND i.definition_id = NEW.definition_id;
    PERFORM pgslo_catalog.name_missed(NEW.definition_id);
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_guards_anew() IS
    'Note in unresolved incidents and missed batches the readers that they concern, after a rule or a name has changed.';

CREATE OR REPLACE TRIGGER tell_guards BEFORE INSERT OR UPDATE OF over_at, resolved_at ON pgslo_catalog.incident
    FOR EACH ROW WHEN (NEW.resolved_at IS NULL) EXECUTE FUNCTION pgslo_catalog.tell_guards();
CREATE OR REPLACE TRIGGER tell_guards AFTER UPDATE OF columns, scope, measure ON pgslo_catalog.rule
    FOR EACH ROW WHEN (OLD.columns <> NEW.columns OR OLD.scope <> NEW.scope OR OLD.measure IS DISTINCT FROM NEW.measure)
    EXECUTE FUNCTION pgslo_catalog.tell_guards_anew();
CREATE OR REPLACE TRIGGER tell_guards AFTER UPDATE OF name ON pgslo_catalog.definition
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION pgslo_catalog.tell_guards_anew();
-- Also where session_replication_role is replica: a subscription writes there.
ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER note_insert;
ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER note_update;
ALTER TABLE pgslo_catalog.incident ENABLE ALWAYS TRIGGER tell_guards;
ALTER TABLE pgslo_catalog.rule ENABLE ALWAYS TRIGGER tell_guards;
ALTER TABLE pgslo_catalog.definition ENABLE ALWAYS TRIGGER tell_guards;
