-- The life of an incident: history, what verdicts and people do to it, and telling of it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.note_incident() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    what text := CASE
        WHEN TG_OP = 'INSERT' THEN 'opened'
        WHEN OLD.over_at IS NOT NULL AND NEW.over_at IS NULL THEN 'reopened'
        WHEN OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL THEN 'resolved'
        WHEN OLD.resolved_at IS NOT NULL AND NEW.resolved_at IS NULL OR OLD.over_at IS NULL AND NEW.over_at IS NOT NULL THEN 'over'
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
    INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_incident() IS 'Writes the history of an incident, whoever changes it, and leaves it to tick() to tell of it.';

CREATE OR REPLACE TRIGGER note_insert AFTER INSERT ON pgslo_catalog.incident
    FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();
CREATE OR REPLACE TRIGGER note_update AFTER UPDATE OF acknowledged_at, muted_until, over_at, resolution, resolved_at ON pgslo_catalog.incident
    FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.note_incident();

CREATE OR REPLACE FUNCTION pgslo_catalog.tell_guards() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    SELECT d.name, CASE WHEN r.columns = '{}' THEN ARRAY['*'] ELSE r.columns END, pgslo_catalog.keeps_batches(r)
    INTO NEW.definition, NEW.about, NEW.is_of_batches
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE r.rule_id = NEW.rule_id;
    RETURN NEW;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_guards() IS 'Notes in an incident that opens whom it concerns, for guards to see at a glance.';

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
    UPDATE pgslo_catalog.missed_batch m SET definition = n.definition, about = n.about
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
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Setting it to what it is has the trigger above look again.
    UPDATE pgslo_catalog.incident i SET resolved_at = NULL
    WHERE i.resolved_at IS NULL AND i.definition_id = NEW.definition_id;
    PERFORM pgslo_catalog.name_missed(NEW.definition_id);
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tell_guards_anew() IS
    'Notes in incidents that are not resolved and in missed batches whom they concern once a rule or a name has changed.';

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

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_verdict(rule pgslo_catalog.rule, batch text, place numeric, verdict text, is_tick boolean DEFAULT true, is_worse boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    open pgslo_catalog.incident;
    first record;
    missed bigint;
    last_missed numeric;
    met bigint;
    last_place numeric;
BEGIN
    SELECT i.* INTO open
    FROM pgslo_catalog.incident i
    WHERE i.definition_id = (follow_verdict.rule).definition_id AND i.rule_id = (follow_verdict.rule).rule_id AND i.over_at IS NULL;

    -- One that was missed before, and was corrected or accepted since.
    IF follow_verdict.verdict = 'missed' AND (
        follow_verdict.place >= open.opened_place OR EXISTS (
            SELECT FROM pgslo_catalog.missed_batch m
            WHERE m.rule_id = (follow_verdict.rule).rule_id AND m.batch = follow_verdict.batch AND m.ended_as <> 'retired')
    ) THEN
        PERFORM pgslo_catalog.record_missed(follow_verdict.rule, follow_verdict.batch, follow_verdict.place, follow_verdict.is_worse);
    ELSIF follow_verdict.verdict = 'met' THEN
        UPDATE pgslo_catalog.missed_batch m SET ended_at = clock_timestamp(), ended_as = 'corrected'
        WHERE m.missed_id IN (
            SELECT u.missed_id FROM pgslo_catalog.missed_batch u
            WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.batch = follow_verdict.batch AND u.ended_at IS NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
    IF follow_verdict.verdict = 'missed' AND open.incident_id IS NULL THEN
        last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
        -- The newest run of missed batches; those that could not be judged neither add to it nor end it. An old batch that is
        -- judged again is history: rows that are cleared away must not wake anybody. Batches in the future are not newer than one that is not.
        SELECT count(*) AS run, (array_agg(w.batch ORDER BY w.place, w.verdict_id))[1] AS batch, min(w.place) AS place
        INTO first
        FROM (
            SELECT v.* FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.verdict <> 'unknown'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place DESC, v.verdict_id DESC
            LIMIT (follow_verdict.rule).missed_before_open
        ) w
        WHERE w.verdict = 'missed';
        IF first.run >= (follow_verdict.rule).missed_before_open THEN
            PERFORM pgslo_catalog.open_incident(follow_verdict.rule, first.batch, first.place, follow_verdict.is_tick);
            PERFORM pgslo_catalog.record_missed(follow_verdict.rule, v.batch, v.place, false)
            FROM pgslo_catalog.verdict v
            WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= first.place AND v.verdict = 'missed'
              AND (v.place <= last_place OR follow_verdict.place > last_place)
            ORDER BY v.place, v.verdict_id;
            -- Not the one who runs tick(), but who wrote what opened it.
            UPDATE pgslo_catalog.incident i
            SET writer = b.writer, application = b.application, written_at = b.last_written_at
            FROM pgslo_catalog.batch b
            WHERE i.incident_id IN (
                SELECT u.incident_id FROM pgslo_catalog.incident u
                WHERE u.rule_id = (follow_verdict.rule).rule_id AND u.over_at IS NULL
                FOR NO KEY UPDATE SKIP LOCKED)
              AND b.definition_id = i.definition_id AND b.name = i.opened_batch;
        END IF;
        RETURN;
    END IF;

    IF follow_verdict.verdict <> 'met' OR open.incident_id IS NULL OR follow_verdict.place < open.opened_place THEN
        RETURN;
    END IF;
    SELECT count(*), max(v.place) INTO missed, last_missed
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place >= open.opened_place AND v.verdict = 'missed';
    -- Every batch that missed was corrected, if what became of the first one is still known.
    IF missed = 0 AND EXISTS (
        SELECT FROM pgslo_catalog.verdict v
        WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.batch = open.opened_batch AND v.verdict = 'met'
    ) THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'healed', follow_verdict.batch, follow_verdict.place, NULL);
        RETURN;
    END IF;
    last_place := pgslo_catalog.last_place((follow_verdict.rule).definition_id);
    IF follow_verdict.place > last_place THEN
        RETURN;
    END IF;
    SELECT count(*) INTO met
    FROM pgslo_catalog.verdict v
    WHERE v.rule_id = (follow_verdict.rule).rule_id AND v.place > coalesce(last_missed, open.opened_place) AND v.place <= last_place AND v.verdict = 'met';
    IF met >= (follow_verdict.rule).met_before_resolve THEN
        PERFORM pgslo_catalog.end_incident(open.incident_id, 'met', follow_verdict.batch, follow_verdict.place, NULL);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_verdict(pgslo_catalog.rule, text, numeric, text, boolean, boolean) IS
    'Open or end the incident of a rule over batches after a batch was evaluated; the verdict is recorded already. is_worse: it is another than before.';

CREATE OR REPLACE FUNCTION pgslo_catalog.resolution_of(incident_id bigint) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT CASE
            WHEN bool_or(m.ended_as = 'accepted') THEN 'accepted'
            WHEN bool_or(m.ended_as = 'corrected') THEN 'healed'
            WHEN bool_or(m.ended_as = 'removed') THEN 'removed'
            WHEN bool_or(m.ended_as = 'false_alarm') THEN 'false_alarm'
            WHEN bool_or(m.ended_as = 'retired') THEN 'retired'
            ELSE 'met' END
        FROM pgslo_catalog.missed_batch m WHERE m.incident_id = resolution_of.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.resolution_of(bigint) IS 'How an incident is resolved whose batches are not missed any more.';

CREATE OR REPLACE FUNCTION pgslo_catalog.end_incident(incident_id bigint, resolution text, batch text, place numeric, note text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    is_stored boolean;
    is_decided boolean := end_incident.resolution IN ('real', 'false_alarm', 'accepted');
BEGIN
    -- Never waits for a session that has it: that one may be idle in its transaction.
    SELECT u.* INTO known FROM pgslo_catalog.incident u
    WHERE u.incident_id = end_incident.incident_id AND u.resolved_at IS NULL
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    is_stored := EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = known.rule_id AND m.ended_at IS NULL
          -- Those that tick() has not joined to an incident yet are of the last one.
          AND (m.incident_id = known.incident_id OR m.incident_id IS NULL AND known.over_at IS NULL));
    -- It was so already.
    IF is_stored AND known.over_at IS NOT NULL AND (known.resolution IS NOT NULL OR end_incident.resolution <> 'real') THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = coalesce(known.over_at, clock_timestamp()),
        over_batch = CASE WHEN known.over_at IS NULL THEN end_incident.batch ELSE known.over_batch END,
        over_place = CASE WHEN known.over_at IS NULL THEN end_incident.place ELSE known.over_place END,
        resolved_at = CASE WHEN NOT is_stored THEN clock_timestamp() END,
        resolution = CASE
            -- What a role said of it stays.
            WHEN known.resolution = 'real' AND NOT is_decided OR end_incident.resolution = 'real' THEN 'real'
            WHEN is_stored THEN NULL
            WHEN end_incident.resolution = 'met' THEN pgslo_catalog.resolution_of(known.incident_id)
            ELSE end_incident.resolution END,
        resolved_by = CASE WHEN is_decided THEN coalesce(nullif(current_setting('role'), 'none'), session_user) ELSE i.resolved_by END,
        note = coalesce(end_incident.note, i.note)
    WHERE i.incident_id = known.incident_id;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.end_incident(bigint, text, text, numeric, text) IS
    'End an incident that no other transaction has, and return whether it did: it is resolved, or over while missed batches of it are stored.';

CREATE OR REPLACE FUNCTION pgslo_catalog.reopen_incident(rule pgslo_catalog.rule, batch text, place numeric, opened_by_tick boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    last pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO last FROM pgslo_catalog.incident i WHERE i.rule_id = (reopen_incident.rule).rule_id ORDER BY i.incident_id DESC LIMIT 1;
    IF last.resolution IS NULL OR last.resolution NOT IN ('real', 'false_alarm', 'accepted') THEN
        RETURN false;
    END IF;
    -- After a false alarm more of the same is none either.
    IF EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m
        WHERE m.rule_id = last.rule_id AND m.batch = reopen_incident.batch AND m.ended_as = 'false_alarm'
    ) THEN
        RETURN true;
    ELSIF reopen_incident.place <= last.over_place THEN
        IF last.resolution = 'false_alarm' THEN
            RETURN false;  -- Another batch, which that was not about.
        END IF;
    ELSIF EXISTS (
        -- A batch in between was fine: this is another story.
        SELECT FROM pgslo_catalog.batch b
        WHERE b.definition_id = last.definition_id AND b.place > last.over_place AND b.place < reopen_incident.place
    ) THEN
        RETURN false;
    END IF;
    UPDATE pgslo_catalog.incident i
    SET over_at = NULL, over_batch = NULL, over_place = NULL, resolved_at = NULL, resolution = NULL, resolved_by = NULL,
        acknowledged_at = NULL, acknowledged_by = NULL, opened_by_tick = reopen_incident.opened_by_tick
    WHERE i.incident_id = (SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.incident_id = last.incident_id FOR NO KEY UPDATE SKIP LOCKED);
    -- Another transaction is reopening it and may not commit: that is no reason not to open one.
    RETURN FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.reopen_incident(pgslo_catalog.rule, text, numeric, boolean) IS 'Takes up again what a person resolved, when the next batch misses as well; true when no other incident has to be opened.';

CREATE OR REPLACE FUNCTION pgslo_catalog.misses_rows(measure jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN coalesce(measure ->> 'form' = 'rows' OR measure ->> 'form' = 'change' AND measure #>> '{of,form}' = 'rows', false);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.misses_rows(jsonb) IS 'Whether a measure is about how many rows a batch has: one without rows may miss it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.stored_said(incident pgslo_catalog.incident) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT s.said FROM pgslo_catalog.stored s
        WHERE s.rule_id = (stored_said.incident).rule_id AND s.incident_id = (stored_said.incident).incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.stored_said(pgslo_catalog.incident) IS 'Return how many missed batches of an incident are stored, in words; NULL if there are none.';

CREATE OR REPLACE FUNCTION pgslo_catalog.join_missed(definition_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Writers leave that out: a foreign key would have them wait for a session that has the incident.
    UPDATE pgslo_catalog.missed_batch m SET incident_id = j.incident_id
    FROM (
        SELECT u.missed_id, s.incident_id
        FROM pgslo_catalog.stored_batch s
        JOIN pgslo_catalog.missed_batch u USING (missed_id)
        JOIN pgslo_catalog.incident i ON i.incident_id = s.incident_id
        -- By name, for which there is an index that grows with no history.
        WHERE u.definition = (SELECT d.name FROM pgslo_catalog.definition d WHERE d.definition_id = join_missed.definition_id)
          AND u.incident_id IS NULL AND u.ended_at IS NULL AND u.looked_at IS NULL
        FOR NO KEY UPDATE OF u SKIP LOCKED
        FOR KEY SHARE OF i SKIP LOCKED
    ) j
    WHERE m.missed_id = j.missed_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.join_missed(bigint) IS 'Record the incidents of missed batches that writers recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.look_again() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        JOIN changed c ON c.definition_id = u.definition_id AND c.name = u.batch
        WHERE u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE OF u SKIP LOCKED);
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.look_again() IS 'Have tick() look at missed batches whose rows were counted again.';

CREATE OR REPLACE TRIGGER look_insert AFTER INSERT ON pgslo_catalog.batch
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();
CREATE OR REPLACE TRIGGER look_update AFTER UPDATE ON pgslo_catalog.batch
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();
-- Also where session_replication_role is replica: a subscription writes there.
ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_insert;
ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_update;

CREATE OR REPLACE FUNCTION pgslo_catalog.looks_in_turn() RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 200;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.looks_in_turn() IS
    'The number of missed batches of a definition that tick() looks at besides those that changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.due_missed(definition pgslo_catalog.definition) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known text := (due_missed.definition).name;
    look pgslo_catalog.missed_look;
    due bigint[];
    in_turn bigint[];
    last bigint;
BEGIN
    SELECT l.* INTO look FROM pgslo_catalog.missed_look l WHERE l.definition_id = (due_missed.definition).definition_id;
    -- A rule may be retired, or be another one.
    IF look.fingerprint IS DISTINCT FROM (due_missed.definition).fingerprint THEN
        PERFORM pgslo_catalog.name_missed((due_missed.definition).definition_id);
        due := ARRAY(SELECT m.missed_id FROM pgslo_catalog.missed_batch m WHERE m.definition = known AND m.ended_at IS NULL);
        last := 0;
    ELSE
        -- A change that went by unseen, because another transaction had the row, is found in turn.
        in_turn := ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition = known AND m.ended_at IS NULL AND m.missed_id > look.after
            ORDER BY m.missed_id LIMIT pgslo_catalog.looks_in_turn());
        due := in_turn || ARRAY(
            SELECT m.missed_id FROM pgslo_catalog.missed_batch m
            WHERE m.definition = known AND m.ended_at IS NULL AND m.looked_at IS NULL AND m.missed_id <> ALL (in_turn));
        last := CASE WHEN cardinality(in_turn) < pgslo_catalog.looks_in_turn() THEN 0
                     ELSE coalesce(in_turn[cardinality(in_turn)], 0) END;
    END IF;
    IF look.definition_id IS NULL OR look.after <> last OR look.fingerprint <> (due_missed.definition).fingerprint THEN
        INSERT INTO pgslo_catalog.missed_look AS l (definition_id, fingerprint, after)
        VALUES ((due_missed.definition).definition_id, (due_missed.definition).fingerprint, last)
        ON CONFLICT ON CONSTRAINT missed_look_is_of_one_definition DO UPDATE
            SET fingerprint = excluded.fingerprint, after = excluded.after;
    END IF;
    RETURN due;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.due_missed(pgslo_catalog.definition) IS
    'Return numbers of stored missed batches to look at: new and changed ones, the next ones in turn, and all once the definition changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_unknown(definition pgslo_catalog.definition, rule pgslo_catalog.rule) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
DECLARE
    counted bigint;
BEGIN
    PERFORM pgslo_catalog.pin_table(count_unknown.definition, (count_unknown.definition).recount);
    -- Which of them fail, nothing tells: all of them may.
    EXECUTE format(
        $query$
        WITH counted AS MATERIALIZED (
            SELECT coalesce(sum(c.rows), 0)::bigint AS rows FROM unnest(pgslo_gen.%I(NULL, NULL, $1)) AS c WHERE c.batch = 'unknown'
        ), known AS MATERIALIZED (
            SELECT coalesce(sum(f.rows), 0) AS rows, coalesce(sum((f.failures ->> $2)::bigint), 0) AS failed
            FROM pgslo_catalog.fragment f WHERE f.definition_id = $3 AND f.batch = 'unknown'
        ), written AS (
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT $3, 'unknown', '-Infinity', c.rows - k.rows, jsonb_build_object($2, c.rows - k.failed)
            FROM counted c CROSS JOIN known k WHERE c.rows > 0
        )
        SELECT c.rows FROM counted c
        $query$, (count_unknown.definition).recount)
    INTO counted
    -- A sample of next to no rows, as none is needed.
    USING (1::bigint << 40) - 1, (count_unknown.rule).name, (count_unknown.definition).definition_id;
    RETURN counted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_unknown(pgslo_catalog.definition, pgslo_catalog.rule) IS
    'Count the rows of an unknown batch from the whole table, and record that they fail a rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.ask_table(
    definition pgslo_catalog.definition, missed pgslo_catalog.missed_batch, claim text, OUT ended_as text, OUT seen pg_snapshot
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := ask_table.definition;
    batch text := (ask_table.missed).batch;
    rule pgslo_catalog.rule;
    found record;
BEGIN
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = (ask_table.missed).rule_id;
    IF rule.scope = 'row' AND target.judge IS NOT NULL AND batch <> 'unknown' THEN
        SELECT c.* INTO found FROM pgslo_catalog.count_failing(target, rule, batch, (ask_table.missed).place, true) AS c;
        IF found.rows IS NOT NULL THEN
            seen := found.seen;
            ended_as := CASE
                WHEN NOT found.is_judged THEN NULL
                WHEN found.rows = 0 THEN 'removed'
                WHEN NOT pgslo_catalog.is_missed(rule, found.rows, found.failed) THEN 'corrected'
            END;
            IF ended_as IS NULL AND target.recount IS NOT NULL AND target.batch_by IS NOT NULL
                AND (target.writes = 'bulk' AND found.rows <> found.recorded
                     OR target.writes = 'stream' AND ask_table.claim = 'removed')
            THEN
                -- The next tick() counts all of it anew: what is recorded of its rows is not what is stored.
                INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
                VALUES (target.definition_id, batch, (ask_table.missed).place, false)
                ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
            END IF;
            RETURN;
        END IF;
    END IF;
    -- No row says whether it fails the rule.
    IF ask_table.claim <> 'removed' THEN
        RETURN;
    END IF;
    seen := pg_current_snapshot();
    IF target.recount IS NULL OR target.batch_by IS NULL THEN
        RETURN;
    ELSIF batch = 'unknown' THEN
        ended_as := CASE WHEN pgslo_catalog.count_unknown(target, rule) = 0 THEN 'removed' END;
    ELSE
        PERFORM pgslo_catalog.recount_batches(target, ARRAY[batch], true);
        ended_as := CASE WHEN NOT EXISTS (
            SELECT FROM pgslo_catalog.batch b
            WHERE b.definition_id = target.definition_id AND b.name = (ask_table.missed).batch AND b.rows <> 0) THEN 'removed' END;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.ask_table(pgslo_catalog.definition, pgslo_catalog.missed_batch, text) IS
    'Return how a missed batch ends by what is stored in the table, and the snapshot that told so; NULL if it is missed still, or nothing can tell. claim: what sums say of it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.end_missed(definition pgslo_catalog.definition) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (end_missed.definition).definition_id;
    known text := (end_missed.definition).name;
    due bigint[];
    part bigint[];
    claimed bigint[] := '{}';
    claims text[] := '{}';
    unasked bigint[] := '{}';
    missed pgslo_catalog.missed_batch;
    one integer;
    asked record;
    until timestamptz := clock_timestamp() + interval '1 second';
BEGIN
    -- Nearly always there are none.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.definition = known AND m.ended_at IS NULL) THEN
        RETURN '{}';
    END IF;
    due := pgslo_catalog.due_missed(end_missed.definition);
    -- Of two that writers recorded at once, the first stays. Rows that another transaction has are left to the next time.
    DELETE FROM pgslo_catalog.missed_batch m
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.missed_id = ANY (due) AND u.ended_at IS NULL AND EXISTS (
            SELECT FROM pgslo_catalog.missed_batch k
            WHERE k.rule_id = u.rule_id AND k.batch = u.batch AND k.ended_at IS NULL AND k.missed_id < u.missed_id)
        FOR UPDATE SKIP LOCKED);
    -- In parts: PostgreSQL takes an array to be short, and would compare all with all.
    FOR n IN 0..(cardinality(due) - 1) / 200 LOOP
        part := due[n * 200 + 1:n * 200 + 200];
        WITH looked AS MATERIALIZED (
            SELECT m.missed_id, CASE
                WHEN r.retired_at IS NOT NULL THEN 'retired'
                -- Recorded by a writer that did not see yet that a role had called it one.
                WHEN EXISTS (
                    SELECT FROM pgslo_catalog.missed_batch k
                    WHERE k.rule_id = m.rule_id AND k.batch = m.batch AND k.ended_as = 'false_alarm' AND k.ended_at >= m.missed_at) THEN 'false_alarm'
                WHEN s.is_emptied AND NOT pgslo_catalog.misses_rows(r.measure) THEN 'emptied'
                -- Rows of an unknown batch may be others than those that fail.
                WHEN s.rows <= 0 AND NOT pgslo_catalog.misses_rows(r.measure) AND (m.batch <> 'unknown' OR s.failed <= 0) THEN 'removed'
                -- Rows that were not evaluated may still be bad.
                WHEN EXISTS (
                    SELECT FROM pgslo_catalog.rule_break b
                    WHERE b.rule_id = m.rule_id AND b.batch IN (m.batch, 'unknown')) THEN NULL
                WHEN r.scope = 'row' AND NOT pgslo_catalog.is_missed(r, s.rows, s.failed) THEN 'corrected'
                WHEN r.scope = 'batch' AND EXISTS (
                    SELECT FROM pgslo_catalog.verdict v
                    WHERE v.rule_id = m.rule_id AND v.batch = m.batch AND v.verdict = 'met') THEN 'met'
            END AS claim
            FROM pgslo_catalog.missed_batch m
            JOIN pgslo_catalog.rule r USING (rule_id)
            CROSS JOIN LATERAL (
                -- A row trigger sees rows that fail alone: how many a batch of a streamed table has, tick() counts.
                SELECT CASE WHEN (end_missed.definition).writes = 'bulk' THEN coalesce(sum(f.rows), max(t.rows), 0) ELSE max(t.rows) END::bigint AS rows,
                       coalesce(sum((f.failures ->> r.name)::bigint), 0)::bigint AS failed,
                       -- By TRUNCATE, or it was counted: nothing was recorded of it since.
                       coalesce((end_missed.definition).writes = 'bulk' AND max(t.rows) = 0
                           AND coalesce(bool_and(f.operation = 'recounted' AND f.rows = 0 AND f.failures IS NULL), true), false) AS is_emptied
                FROM (SELECT) AS one
                LEFT JOIN pgslo_catalog.batch t ON t.definition_id = id AND t.name = m.batch
                LEFT JOIN pgslo_catalog.fragment f ON f.definition_id = id AND f.batch = m.batch
            ) s
            WHERE m.missed_id = ANY (part) AND m.ended_at IS NULL
        ), told AS MATERIALIZED (
            SELECT k.missed_id, CASE
                WHEN k.claim = 'met' THEN 'corrected'
                WHEN k.claim = 'emptied' THEN 'removed'
                WHEN k.claim IN ('retired', 'false_alarm') THEN k.claim END AS ended_as
            FROM looked k
        ), ended AS (
            UPDATE pgslo_catalog.missed_batch m
            SET ended_at = CASE WHEN l.ended_as IS NOT NULL THEN clock_timestamp() END, ended_as = l.ended_as,
                seen_snapshot = CASE WHEN l.ended_as = 'removed' THEN pg_current_snapshot() END,
                -- Without its incident it is due again.
                looked_at = CASE WHEN m.incident_id IS NOT NULL OR l.ended_as IS NOT NULL THEN clock_timestamp() END
            FROM told l
            WHERE m.missed_id = l.missed_id AND m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u JOIN told w USING (missed_id)
                WHERE u.ended_at IS NULL AND (w.ended_as IS NOT NULL OR (u.looked_at IS NULL) = (u.incident_id IS NOT NULL))
                FOR UPDATE OF u SKIP LOCKED)
        )
        SELECT claimed || coalesce(array_agg(k.missed_id ORDER BY k.missed_id), '{}'),
               claims || coalesce(array_agg(k.claim ORDER BY k.missed_id), '{}')
        INTO claimed, claims
        FROM looked k WHERE k.claim IN ('removed', 'corrected');
    END LOOP;
    -- Sums are of what was recorded: rows from before pgslo are not in them, and rows that fail now may have passed.
    -- In any order: one that cannot be asked keeps no other one waiting for ever.
    FOREACH one IN ARRAY ARRAY(SELECT g.n FROM generate_series(1, cardinality(claimed)) AS g (n) ORDER BY random()) LOOP
        IF until IS NULL THEN
            unasked := unasked || claimed[one];
            CONTINUE;
        END IF;
        SELECT m.* INTO missed FROM pgslo_catalog.missed_batch m WHERE m.missed_id = claimed[one];
        BEGIN
            SELECT a.* INTO asked FROM pgslo_catalog.ask_table(end_missed.definition, missed, claims[one]) AS a;
            UPDATE pgslo_catalog.missed_batch m
            SET ended_at = clock_timestamp(), ended_as = asked.ended_as, seen_snapshot = asked.seen
            WHERE asked.ended_as IS NOT NULL AND m.missed_id IN (
                SELECT u.missed_id FROM pgslo_catalog.missed_batch u
                WHERE u.missed_id = missed.missed_id AND u.ended_at IS NULL
                FOR UPDATE SKIP LOCKED);
        EXCEPTION WHEN OTHERS THEN
            -- It stays missed, and the next tick() asks again.
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            unasked := unasked || claimed[one];
            IF pgslo_catalog.is_transient(SQLSTATE) THEN
                PERFORM pgslo_catalog.say_left(known, SQLSTATE, SQLERRM);
                until := NULL;
            ELSE
                PERFORM pgslo_catalog.record_break(known, r.name, SQLSTATE, SQLERRM)
                FROM pgslo_catalog.rule r WHERE r.rule_id = missed.rule_id;
            END IF;
        END;
        IF clock_timestamp() > until THEN
            until := NULL;
        END IF;
    END LOOP;
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        WHERE u.missed_id = ANY (unasked) AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED);
    RETURN due;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.end_missed(pgslo_catalog.definition) IS
    'End missed batches of a definition whose rows were corrected or removed, by what the table says, or whose rule is retired, and return which were looked at.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_missed(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_missed.definition).definition_id;
    settled record;
    due bigint[];
BEGIN
    PERFORM pgslo_catalog.join_missed(id);
    due := pgslo_catalog.end_missed(follow_missed.definition);
    FOR settled IN
        SELECT i.* FROM pgslo_catalog.incident i
        WHERE i.definition_id = id AND i.resolved_at IS NULL
          AND (i.over_at IS NOT NULL OR EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = i.incident_id))
          AND NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = i.incident_id AND m.ended_at IS NULL)
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.missed_batch m
              WHERE m.definition = (follow_missed.definition).name AND m.ended_at IS NULL AND m.looked_at IS NULL
                AND m.rule_id = i.rule_id AND m.incident_id IS NULL)
        ORDER BY i.incident_id
    LOOP
        PERFORM pgslo_catalog.end_incident(settled.incident_id, 'met', settled.opened_batch, settled.opened_place, NULL);
    END LOOP;
    -- Batches of it are bad again.
    UPDATE pgslo_catalog.incident i
    SET resolved_at = NULL, resolution = CASE WHEN i.resolution = 'real' THEN 'real' END
    WHERE i.incident_id IN (
        SELECT u.incident_id FROM pgslo_catalog.incident u
        WHERE u.definition_id = id AND u.resolved_at IS NOT NULL AND u.incident_id IN (
            SELECT m.incident_id FROM pgslo_catalog.missed_batch m WHERE m.missed_id = ANY (due) AND m.ended_at IS NULL)
        FOR NO KEY UPDATE SKIP LOCKED);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_missed(pgslo_catalog.definition) IS
    'End missed batches of a definition that are good or gone, and resolve incidents that have none any more.';

CREATE OR REPLACE FUNCTION pgslo_catalog.announce_events() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    number bigint;
BEGIN
    -- Nearly always there are none.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.unannounced u) THEN
        RETURN 0;
    END IF;
    -- Any role can fill the queue. A transaction that notifies fails at COMMIT once it is full.
    IF pg_notification_queue_usage() > 0.5 THEN
        RAISE WARNING USING
            MESSAGE = 'sessions that listen are not notified of changes of incidents',
            DETAIL = format('The notification queue of the server is %s %% full.', round(100 * pg_notification_queue_usage()::numeric)),
            HINT = 'End the session that listens and has the oldest open transaction: the server''s log names it. '
                   'pgslo watch sends messages all the same.';
        RETURN 0;
    END IF;
    DELETE FROM pgslo_catalog.unannounced u
    WHERE u.incident_event_id IN (
        SELECT w.incident_event_id FROM pgslo_catalog.unannounced w ORDER BY w.incident_event_id FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS number = ROW_COUNT;
    IF number > 0 THEN
        -- Any role can listen: it learns that an incident changed, and no more.
        PERFORM pg_notify('pgslo_incident_v1', '{"version": 1}');
    END IF;
    RETURN number;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.announce_events()
    IS 'Notify sessions that listen that incidents changed, and return how many events there were; never called inside a write.';

CREATE OR REPLACE FUNCTION pgslo_catalog.join_incidents() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    two record;
    before pgslo_catalog.incident_event;
BEGIN
    FOR two IN
        SELECT k AS kept, o AS other
        FROM pgslo_catalog.incident k
        JOIN pgslo_catalog.incident o ON o.rule_id = k.rule_id AND o.over_at IS NULL AND NOT o.opened_by_tick
        WHERE k.over_at IS NULL AND k.opened_by_tick
        ORDER BY k.incident_id
        FOR UPDATE OF k, o SKIP LOCKED
    LOOP
        -- The one that tick() opened stays: people know it. The other came to light once its transaction was committed.
        UPDATE pgslo_catalog.incident i
        SET opened_at = least((two.kept).opened_at, (two.other).opened_at),
            (opened_batch, opened_place, writer, application, written_at) = (
                SELECT e.opened_batch, e.opened_place, e.writer, e.application, e.written_at
                FROM (VALUES ((two.kept).opened_batch, (two.kept).opened_place, (two.kept).writer, (two.kept).application, (two.kept).written_at, 1),
                             ((two.other).opened_batch, (two.other).opened_place, (two.other).writer, (two.other).application, (two.other).written_at, 2))
                     AS e (opened_batch, opened_place, writer, application, written_at, turn)
                ORDER BY e.opened_place, e.turn LIMIT 1),
            acknowledged_at = coalesce(i.acknowledged_at, (two.other).acknowledged_at),
            acknowledged_by = coalesce(i.acknowledged_by, (two.other).acknowledged_by),
            muted_until = greatest(i.muted_until, (two.other).muted_until)
        WHERE i.incident_id = (two.kept).incident_id;
        SELECT e.* INTO before FROM pgslo_catalog.incident_event e
        WHERE e.incident_id = (two.other).incident_id AND e.event IN ('over', 'resolved')
        ORDER BY e.incident_event_id DESC LIMIT 1;
        UPDATE pgslo_catalog.missed_batch m SET incident_id = (two.kept).incident_id
        WHERE m.incident_id = (two.other).incident_id AND (before.happened_at IS NULL OR m.missed_at > before.happened_at);
        IF before.incident_event_id IS NULL THEN
            DELETE FROM pgslo_catalog.incident i WHERE i.incident_id = (two.other).incident_id;
            CONTINUE;
        END IF;
        -- One that a person had resolved, and that was reopened beside tick(): as it was before, with its history.
        UPDATE pgslo_catalog.incident i
        SET over_at = before.happened_at, resolved_at = CASE before.event WHEN 'resolved' THEN before.happened_at END,
            resolution = before.resolution, over_batch = before.batch, resolved_by = before.done_by,
            over_place = coalesce((SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = i.definition_id AND b.name = before.batch), i.opened_place)
        WHERE i.incident_id = (two.other).incident_id;
        DELETE FROM pgslo_catalog.incident_event e
        WHERE e.incident_id = (two.other).incident_id AND e.incident_event_id > before.incident_event_id AND e.event IN ('reopened', 'over', 'resolved');
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.join_incidents() IS
    'Make one of two open incidents of a rule, where tick() opened the second because the transaction that opened the first had not ended.';

CREATE OR REPLACE FUNCTION pgslo_catalog.tend_incidents() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Those that another transaction has are left to the next time.
    UPDATE pgslo_catalog.incident i SET muted_until = NULL
    WHERE i.incident_id IN (
        SELECT u.incident_id FROM pgslo_catalog.incident u WHERE u.resolved_at IS NULL AND u.muted_until <= clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE pgslo_catalog.rule r SET muted_until = NULL
    WHERE r.rule_id IN (SELECT u.rule_id FROM pgslo_catalog.rule u WHERE u.muted_until <= clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED);
    PERFORM pgslo_catalog.plan_reads_again();
    PERFORM pgslo_catalog.announce_events();
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.tend_incidents() IS 'What tick() does for incidents after it has judged: ends mutes, tells.';

-- What people do.

CREATE OR REPLACE FUNCTION pgslo_catalog.open_one(incident_id bigint) RETURNS pgslo_catalog.incident
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.incident;
BEGIN
    SELECT i.* INTO found FROM pgslo_catalog.incident i WHERE i.incident_id = open_one.incident_id FOR NO KEY UPDATE;
    IF found.incident_id IS NULL OR found.resolved_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = CASE WHEN found.incident_id IS NULL THEN format('incident %s does not exist', open_one.incident_id)
                           ELSE format('incident %s is resolved already', open_one.incident_id) END,
            DETAIL = CASE WHEN found.incident_id IS NULL THEN 'No incident has that number.'
                          ELSE format('It was resolved (%s) at %s UTC%s.', found.resolution, to_char(found.resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(' by ' || found.resolved_by, '')) END,
            HINT = 'SELECT * FROM pgslo.incident WHERE resolved_at IS NULL;';
    END IF;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.open_one(bigint) IS 'An incident that is open or over, locked; an error if it is resolved, or there is none.';

CREATE OR REPLACE FUNCTION pgslo.acknowledge(incident_id bigint, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(acknowledge.incident_id);
BEGIN
    UPDATE pgslo_catalog.incident i
    SET acknowledged_at = clock_timestamp(), acknowledged_by = coalesce(nullif(current_setting('role'), 'none'), session_user), note = coalesce(acknowledge.note, i.note)
    WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('incident %s acknowledged', known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.acknowledge(bigint, text) IS 'Says that somebody looks after an incident: it is not told again. For operators.';

CREATE OR REPLACE FUNCTION pgslo_catalog.check_mute(until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF check_mute.until <= clock_timestamp() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is over', coalesce(to_char(nullif(check_mute.until, '-infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC'), '-infinity')),
            HINT = 'Give a time to come, for example now() + interval ''2 days'', or NULL to end a mute.';
    END IF;
    IF check_mute.until > clock_timestamp() + interval '1 year' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a mute ends within a year',
            HINT = 'Give an earlier time, for example now() + interval ''2 days''; a rule that you do not need can be removed from its definition.';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.check_mute(timestamptz) IS 'Refuse a mute that would be over before it begins, or would last for more than a year.';

CREATE OR REPLACE FUNCTION pgslo.mute(incident_id bigint, until timestamptz, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident := pgslo_catalog.open_one(mute.incident_id);
BEGIN
    PERFORM pgslo_catalog.check_mute(mute.until);
    UPDATE pgslo_catalog.incident i SET muted_until = mute.until, note = coalesce(mute.note, i.note) WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN format(CASE WHEN mute.until IS NULL THEN 'incident %s is heard again' ELSE 'incident %s muted' END, known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.mute(bigint, timestamptz, text) IS 'Keeps an incident from being told until a time; NULL ends that. Readers are warned all the same. For operators.';

CREATE OR REPLACE FUNCTION pgslo.mute_rule(definition text, rule text, until timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    PERFORM pgslo_catalog.check_mute(mute_rule.until);
    UPDATE pgslo_catalog.rule r
    SET muted_until = mute_rule.until, muted_at = clock_timestamp(), muted_by = pgslo_catalog.caller()
    FROM pgslo_catalog.definition d
    WHERE d.definition_id = r.definition_id AND d.name = mute_rule.definition AND r.name = mute_rule.rule AND r.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s has no rule "%s"', mute_rule.definition, mute_rule.rule),
            HINT = format('SELECT rule FROM pgslo.rule WHERE definition = %L;', mute_rule.definition);
    END IF;
    RETURN format(CASE WHEN mute_rule.until IS NULL THEN 'rule %s of %s is heard again' ELSE 'rule %s of %s muted' END, mute_rule.rule, mute_rule.definition);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.mute_rule(text, text, timestamptz) IS 'Keeps incidents of a rule from being told until a time; NULL ends that. Readers are warned all the same. For operators.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_known(incident pgslo_catalog.incident, OUT batch text, OUT place numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (newest_known.incident).definition_id;
    last_place numeric := pgslo_catalog.last_place(id);
BEGIN
    -- A role has judged all up to it, and nothing that is still to come.
    SELECT w.batch, least(w.place, last_place) INTO newest_known.batch, newest_known.place
    FROM (
        SELECT b.name AS batch, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id
        UNION ALL SELECT f.batch, f.place FROM (SELECT f.batch, f.place FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.place <= last_place ORDER BY f.place DESC LIMIT 1) f
        UNION ALL SELECT v.batch, v.place FROM pgslo_catalog.verdict v WHERE v.rule_id = (newest_known.incident).rule_id
        UNION ALL SELECT (newest_known.incident).opened_batch, (newest_known.incident).opened_place
    ) w
    ORDER BY w.place <= last_place DESC, w.place DESC
    LIMIT 1;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_known(pgslo_catalog.incident) IS 'The newest batch that was there when a role ends an incident.';

CREATE OR REPLACE FUNCTION pgslo.resolve(incident_id bigint, resolution text, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    newest record;
BEGIN
    IF resolve.resolution IS NULL OR resolve.resolution NOT IN ('real', 'false_alarm') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('an incident is resolved as real or as false_alarm, not as %s', coalesce(resolve.resolution, 'NULL')),
            HINT = 'met and healed are for pgslo to say.';
    END IF;
    known := pgslo_catalog.open_one(resolve.incident_id);
    SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    IF resolve.resolution = 'false_alarm' THEN
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'false_alarm', ended_by = pgslo_catalog.caller(), reason = resolve.note
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL;
    END IF;
    PERFORM pgslo_catalog.end_incident(known.incident_id, resolve.resolution, newest.batch, newest.place, resolve.note);
    PERFORM pgslo_catalog.learn_from(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id;
    PERFORM pgslo_catalog.announce_events();
    RETURN (
        SELECT CASE
            WHEN i.resolved_at IS NULL THEN format('incident %s is real and over, %s', i.incident_id, pgslo_catalog.stored_said(i))
            ELSE format('incident %s resolved as %s', i.incident_id, CASE resolve.resolution WHEN 'real' THEN 'real' ELSE 'false alarm' END) END
        FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.resolve(bigint, text, text) IS
    'Ends an incident, as real or as false_alarm; a real one is over while its missed batches are stored. It is reopened if the next batch misses as well. For operators.';

CREATE OR REPLACE FUNCTION pgslo.accept(incident_id bigint, reason text, batches text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known pgslo_catalog.incident;
    newest record;
    unknown text;
    accepted text[];
    noted bigint;
BEGIN
    IF coalesce(btrim(accept.reason), '') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'batches are accepted with a reason',
            DETAIL = 'Readers of these batches are not warned any more.',
            HINT = 'SELECT pgslo.accept(<incident>, ''<reason>'');';
    END IF;
    known := pgslo_catalog.open_one(accept.incident_id);
    PERFORM pgslo_catalog.join_missed(known.definition_id);
    -- By name, or by key for whoever knows it.
    IF accept.batches IS NOT NULL THEN
        SELECT array_agg(pgslo_catalog.name_of(d, b.name)) INTO accept.batches
        FROM unnest(accept.batches) AS b (name) CROSS JOIN pgslo_catalog.definition d
        WHERE d.definition_id = known.definition_id AND b.name IS NOT NULL;
        accept.batches := coalesce(accept.batches, '{}');
    END IF;
    SELECT min(b.name) INTO unknown FROM unnest(accept.batches) AS b (name)
    WHERE NOT EXISTS (
        SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND m.batch = b.name);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('batch "%s" is not a missed batch of incident %s', unknown, known.incident_id),
            HINT = format('SELECT missed FROM pgslo.incident WHERE incident_id = %s;', known.incident_id);
    END IF;
    -- Locked first: from here on nobody adds up what was recorded of them without knowing of this transaction.
    PERFORM FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL FOR UPDATE;
    WITH ended AS (
        UPDATE pgslo_catalog.missed_batch m
        SET ended_at = clock_timestamp(), ended_as = 'accepted', ended_by = pgslo_catalog.caller(), reason = accept.reason,
            ended_xid = pg_current_xact_id(),
            -- What the steward could see. A transaction with one snapshot took that before the lock: what others wrote
            -- beside it is not seen.
            seen_snapshot = CASE current_setting('transaction_isolation')
                WHEN 'read committed' THEN pg_current_snapshot()
                ELSE format('%1$s:%1$s:', pg_snapshot_xmin(pg_current_snapshot()))::pg_snapshot END
        WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL AND (accept.batches IS NULL OR m.batch = ANY (accept.batches))
        RETURNING m.batch, m.place
    )
    SELECT array_agg(e.batch ORDER BY e.place, e.batch) INTO accepted FROM (SELECT DISTINCT w.batch, w.place FROM ended w) AS e;
    IF accepted IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('incident %s has no missed batches to accept', known.incident_id),
            DETAIL = 'Its rule is about the table as it is now, or no batch is named.',
            HINT = format('SELECT pgslo.resolve(%s, ''real'', ''<reason>'');', known.incident_id);
    END IF;
    INSERT INTO pgslo_catalog.incident_event AS e (incident_id, event, batch, note)
    VALUES (known.incident_id, 'accepted', left(array_to_string(accepted, ', '), 1000), accept.reason)
    RETURNING e.incident_event_id INTO noted;
    INSERT INTO pgslo_catalog.unannounced (incident_event_id) VALUES (noted);
    IF NOT EXISTS (SELECT FROM pgslo_catalog.missed_batch m WHERE m.incident_id = known.incident_id AND m.ended_at IS NULL) THEN
        SELECT n.* INTO newest FROM pgslo_catalog.newest_known(known) AS n;
        PERFORM pgslo_catalog.end_incident(known.incident_id, 'accepted', newest.batch, newest.place, accept.reason);
    END IF;
    PERFORM pgslo_catalog.announce_events();
    RETURN format('%s of incident %s accepted%s',
        CASE cardinality(accepted) WHEN 1 THEN '1 batch' ELSE cardinality(accepted) || ' batches' END, known.incident_id,
        coalesce('; ' || (SELECT pgslo_catalog.stored_said(i) FROM pgslo_catalog.incident i WHERE i.incident_id = known.incident_id), ''));
END
$pgslo$;
COMMENT ON FUNCTION pgslo.accept(bigint, text, text[]) IS
    'Accept missed batches of an incident as they are, all or those named, with a reason: readers are not warned of them any more. For stewards.';
