-- The registration of a definition, as apply sends it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.expecting_rules(document jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Only what has a date comes by a calendar.
    SELECT CASE WHEN document ->> 'batch_by' IS NULL OR coalesce((document ->> 'place_is_number')::boolean, false) THEN '[]' ELSE
        jsonb_build_array(jsonb_build_object(
            'name', 'learned_batches', 'kind', 'learned', 'columns', '[]'::jsonb, 'on_breach', 'warn', 'samples', 0, 'mechanism', 'at close',
            'promise', 'batches that come when they usually do', 'scope', 'batch',
            'measure', jsonb_build_object('from', 'learned', 'form', 'batches'), 'warn_high', 0,
            -- The next one that comes does not fill the hole.
            'met_before_resolve', 5)) END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.expecting_rules(jsonb) IS 'Return the rule that batches come as history has it, for a definition whose batches have dates.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learned_rules(watched jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT jsonb_agg(jsonb_build_object(
        'name', l.name, 'kind', 'learned', 'columns', l.columns, 'on_breach', 'warn', 'samples', 0, 'mechanism', 'at close',
        'promise', l.promise, 'scope', 'batch', 'measure', jsonb_build_object('from', 'learned')) ORDER BY l.ordinal NULLS LAST)
    FROM (
        SELECT (w.about ->> 'name') || '_learned' AS name, jsonb_build_array(w.about -> 'name') AS columns,
               (w.about ->> 'name') || ' as its history has it' AS promise, w.ordinal
        FROM jsonb_array_elements(learned_rules.watched) WITH ORDINALITY AS w (about, ordinal)
        -- Paths into a column's values are evaluated under the column's name.
        WHERE NOT w.about ? 'base'
        UNION ALL
        SELECT 'learned', '[]', 'rows as many, and as different, as the table''s history has them', NULL
    ) AS l
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learned_rules(jsonb) IS
    'Return the rules whose bounds are learned: one for each column that is watched, and one for the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.register(document jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint;
    former regclass := (SELECT d.relation FROM pgslo_catalog.definition d WHERE d.name = document ->> 'name');
    promised jsonb;
    is_recounted boolean;
    before pgslo_catalog.definition;
BEGIN
    IF document ? 'learns' THEN
        document := jsonb_set(document, '{rules}',
            pgslo_catalog.learned_rules(coalesce(document -> 'watched', '[]')) || pgslo_catalog.expecting_rules(document)
                || coalesce(document -> 'rules', '[]'));
    END IF;
    SELECT d.* INTO before FROM pgslo_catalog.definition d WHERE d.name = document ->> 'name';
    IF before.outbox <> coalesce(document ->> 'outbox', '') THEN
        PERFORM pgslo_catalog.drain_outbox('pgslo_gen.' || quote_ident(before.outbox));
    END IF;
    -- Not when pgslo is installed: a dump of an extension brings its own.
    INSERT INTO pgslo_catalog.secret DEFAULT VALUES ON CONFLICT DO NOTHING;
    INSERT INTO pgslo_catalog.definition AS d (name, relation, owner, description, key_columns, writes, batch_every,
        batch_by, batch_place, batch_name, batch_key, schema_wanted, on_read, fingerprint,
        settle, batch_is_of_row, recount, batch_column, sensitivity, holidays, tallies, max_age, age_of, target, span, budgeting, judge,
        place_is_number, reader, writer)
    VALUES (
        document ->> 'name', (document ->> 'relation')::regclass, document ->> 'owner', document ->> 'description',
        ARRAY(SELECT jsonb_array_elements_text(document -> 'key')), document ->> 'writes',
        (document ->> 'batch_every')::interval, document ->> 'batch_by', document ->> 'batch_place',
            document ->> 'batch_name', document ->> 'batch_key', nullif(document -> 'schema', 'null'),
            document ->> 'on_read', document ->> 'fingerprint',
        (document ->> 'settle')::interval, (document ->> 'batch_is_of_row')::boolean, document ->> 'recount', document ->> 'batch_column',
        (document ->> 'sensitivity')::float8, ARRAY(SELECT jsonb_array_elements_text(document -> 'holidays')),
        ARRAY(SELECT jsonb_array_elements_text(document -> 'tallies')), (document ->> 'max_age')::interval, document ->> 'age_of',
        (document ->> 'target')::numeric, (document ->> 'span')::interval,
        coalesce(document ->> 'budgeting', 'occurrences'), document ->> 'judge', coalesce((document ->> 'place_is_number')::boolean, false),
        document ->> 'reader', document ->> 'writer')
    ON CONFLICT (name) DO UPDATE SET
        relation = excluded.relation, owner = excluded.owner, description = excluded.description, key_columns = excluded.key_columns,
        writes = excluded.writes, batch_every = excluded.batch_every, batch_by = excluded.batch_by,
            batch_place = excluded.batch_place, batch_name = excluded.batch_name, batch_key = excluded.batch_key,
            schema_wanted = excluded.schema_wanted,
        on_read = excluded.on_read, fingerprint = excluded.fingerprint,
        settle = excluded.settle, batch_is_of_row = excluded.batch_is_of_row, recount = excluded.recount, batch_column = excluded.batch_column,
        sensitivity = excluded.sensitivity, holidays = excluded.holidays, tallies = excluded.tallies, max_age = excluded.max_age, age_of = excluded.age_of,
        target = excluded.target, span = excluded.span, budgeting = excluded.budgeting, judge = excluded.judge,
        place_is_number = excluded.place_is_number, reader = excluded.reader, writer = excluded.writer,
        registered_at = clock_timestamp(), registered_by = session_user
    RETURNING d.definition_id INTO id;
    UPDATE pgslo_catalog.definition d
    SET max_bytes = coalesce((document ->> 'max_bytes')::bigint, 1073741824),
        history_batches = (document ->> 'history_batches')::integer, history_span = (document ->> 'history_span')::interval,
        outbox = document ->> 'outbox', told = document ->> 'told',
        known_types = CASE WHEN document ? 'types' THEN ARRAY(SELECT jsonb_array_elements_text(document -> 'types')) END,
        readers = ARRAY(SELECT jsonb_array_elements_text(document -> 'readers'))
    WHERE d.definition_id = id;
    IF former <> (document ->> 'relation')::regclass THEN
        PERFORM pgslo_catalog.follow_table(id, former);
    END IF;

    SELECT jsonb_object_agg(r.name, r.promise) INTO promised
    FROM pgslo_catalog.rule r WHERE r.definition_id = id AND r.retired_at IS NULL;
    INSERT INTO pgslo_catalog.rule AS r (definition_id, name, kind, columns, on_breach, at_least, at_most, samples, mechanism, promise, owner,
        description, tags, scope, measure,
        warn_low, warn_high, reject_low, reject_high, target, span, missed_before_open, met_before_resolve, rests_on, about)
    SELECT id, w ->> 'name', w ->> 'kind', ARRAY(SELECT jsonb_array_elements_text(w -> 'columns')), w ->> 'on_breach',
           (w ->> 'at_least')::numeric, (w ->> 'at_most')::bigint, coalesce((w ->> 'samples')::bigint, 10), w ->> 'mechanism', w ->> 'promise',
           w ->> 'owner', w ->> 'description', ARRAY(SELECT jsonb_array_elements_text(w -> 'tags')), coalesce(w ->> 'scope', 'row'),
           nullif(w -> 'measure', 'null'),
           (w ->> 'warn_low')::float8, (w ->> 'warn_high')::float8, (w ->> 'reject_low')::float8, (w ->> 'reject_high')::float8,
           (w ->> 'target')::numeric, (w ->> 'span')::interval, coalesce((w ->> 'missed_before_open')::integer, 1),
               coalesce((w ->> 'met_before_resolve')::integer, 1), w -> 'rests_on', w ->> 'about'
    FROM jsonb_array_elements(document -> 'rules') AS w
    ON CONFLICT (definition_id, name) DO UPDATE SET
        kind = excluded.kind, columns = excluded.columns, on_breach = excluded.on_breach, at_least = excluded.at_least, at_most = excluded.at_most,
        samples = excluded.samples, mechanism = excluded.mechanism, promise = excluded.promise, owner = excluded.owner,
        description = excluded.description, tags = excluded.tags, scope = excluded.scope, measure = excluded.measure, warn_low = excluded.warn_low,
        warn_high = excluded.warn_high,
        reject_low = excluded.reject_low, reject_high = excluded.reject_high,
        target = excluded.target, span = excluded.span, missed_before_open = excluded.missed_before_open,
            met_before_resolve = excluded.met_before_resolve, rests_on = excluded.rests_on, about = excluded.about,
        retired_at = NULL;

    INSERT INTO pgslo_catalog.rule_lock (rule_id) SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = id
    ON CONFLICT ON CONSTRAINT rule_lock_is_of_one_rule DO NOTHING;
    UPDATE pgslo_catalog.rule r SET retired_at = clock_timestamp()
    WHERE r.definition_id = id AND r.retired_at IS NULL
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(document -> 'rules') AS w WHERE w ->> 'name' = r.name);
    UPDATE pgslo_catalog.incident i
    SET over_at = coalesce(i.over_at, clock_timestamp()), resolved_at = clock_timestamp(), resolution = coalesce(i.resolution, 'retired')
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = i.rule_id AND r.definition_id = id AND r.retired_at IS NOT NULL AND i.resolved_at IS NULL;
    UPDATE pgslo_catalog.missed_batch m SET ended_at = clock_timestamp(), ended_as = 'retired'
    WHERE m.ended_at IS NULL AND m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE u.definition_id = id AND u.ended_at IS NULL AND r.retired_at IS NOT NULL
        FOR UPDATE OF u SKIP LOCKED);
    -- Missed batches are evaluated again under the new definition, and batches written meanwhile are counted from the table.
    -- Batches that rules have still to judge are judged by tick(), if the table says which rows they have.
    DELETE FROM pgslo_catalog.rule_break b
    WHERE b.definition_id = id
      AND (b.pause_id IS NULL AND (b.batch IS NULL OR b.error_code = '22000' OR document ->> 'judge' IS NULL)
           OR EXISTS (SELECT FROM pgslo_catalog.rule r WHERE r.rule_id = b.rule_id AND r.retired_at IS NOT NULL));
    is_recounted := FOUND;
    -- A rule that was added again or changed determines again which of these batches miss it.
    UPDATE pgslo_catalog.missed_batch m SET ended_at = NULL, ended_as = NULL, incident_id = NULL, looked_at = NULL
    FROM pgslo_catalog.rule r
    WHERE r.rule_id = m.rule_id AND r.definition_id = id AND r.retired_at IS NULL AND NOT coalesce(promised ? r.name, false)
      AND m.ended_as = 'retired';
    INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
    SELECT DISTINCT id, r.rule_id, '55000', s.said, s.said, m.batch, m.place
    FROM pgslo_catalog.missed_batch m
    JOIN pgslo_catalog.rule r USING (rule_id)
    CROSS JOIN (SELECT 'the rule was changed' AS said) AS s
    WHERE r.definition_id = id AND r.retired_at IS NULL AND m.ended_at IS NULL
      AND promised ->> r.name IS DISTINCT FROM r.promise
      AND (r.scope = 'batch' OR document ->> 'judge' IS NOT NULL);
    IF before.batch_key <> document ->> 'batch_key' THEN
        PERFORM pgslo_catalog.change_key(id, before.place_is_number);
    ELSIF is_recounted AND document ->> 'recount' IS NOT NULL THEN
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
        SELECT DISTINCT id, f.batch, f.place, 0, 'recount'
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.tallies ?| ARRAY['unmeasured rows', 'unsampled rows'] AND f.place > '-Infinity';
    END IF;

    INSERT INTO pgslo_catalog.own_salt AS o (definition, relation, salt)
    SELECT d.name, d.relation, encode(sha256(convert_to(concat(s.value, ' ', d.definition_id), 'UTF8')), 'hex')
    FROM pgslo_catalog.definition d CROSS JOIN pgslo_catalog.secret s WHERE d.definition_id = id
    ON CONFLICT ON CONSTRAINT own_salt_is_kept_once DO UPDATE SET relation = excluded.relation, salt = excluded.salt;

    DELETE FROM pgslo_catalog.other_relation o WHERE o.definition_id = id;
    INSERT INTO pgslo_catalog.other_relation (definition_id, schema_name, name, number, kind, owner, is_replaceable, known_types)
    SELECT id, n.nspname, c.relname, c.oid, c.relkind, pg_get_userbyid(c.relowner), (w -> 2)::boolean,
           CASE WHEN (w -> 2)::boolean THEN ARRAY(
               SELECT format('%s %s', a.attname, a.atttypid) FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384) END
    FROM jsonb_array_elements(document -> 'reads') AS w
    JOIN pg_namespace n ON n.nspname = w ->> 0
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1;
    PERFORM pgslo_catalog.register_predictions(id, document);
    DELETE FROM pgslo_catalog.watched_column c WHERE c.definition_id = id;
    INSERT INTO pgslo_catalog.watched_column (definition_id, ordinal, column_name, kind, base)
    SELECT id, w.ordinal, w.watched ->> 'name', w.watched ->> 'kind', w.watched ->> 'base'
    FROM jsonb_array_elements(document -> 'watched') WITH ORDINALITY AS w (watched, ordinal);
    DELETE FROM pgslo_catalog.task t WHERE t.definition_id = id;
    INSERT INTO pgslo_catalog.task (definition_id, name, contact, reads, reads_from, view_name, on_read, gate, within, batches)
    SELECT id, t ->> 'name', t ->> 'contact', ARRAY(SELECT jsonb_array_elements_text(t -> 'reads')), coalesce(t ->> 'reads_from', 'definition'), t ->> 'view',
           t ->> 'on_read', nullif(t -> 'gate', 'null'),
           (t ->> 'within')::interval, coalesce(t ->> 'batches', 'all')
    FROM jsonb_array_elements(document -> 'tasks') AS t;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.register(jsonb) IS 'Register a definition or its newer form; removed rules are retired and keep their history.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_table(definition_id bigint, former regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = follow_table.definition_id;
    UPDATE pgslo_catalog.quarantine q SET relation = target.relation
    WHERE q.definition_id = target.definition_id AND q.relation = follow_table.former AND q.state = 'held';
    IF target.writes = 'bulk' THEN
        -- The records are about the former table: the next tick() counts each batch from this one.
        INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation) VALUES (target.definition_id, '', '-Infinity', 0, 'recount');
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_table(bigint, regclass) IS 'Connect a definition to the table that has its name now, in place of the former one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.forget(definition text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = forget.definition);
BEGIN
    -- Rows that writers refer to or wait for stay: the definition, its rules, open incidents, rows in quarantine.
    DELETE FROM pgslo_catalog.sample s WHERE s.rule_id IN (SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = id);
    DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
    DELETE FROM pgslo_catalog.verdict v WHERE v.definition_id = id;
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = id;
    DELETE FROM pgslo_catalog.first_profile p WHERE p.definition_id = id;
    DELETE FROM pgslo_catalog.batch b WHERE b.definition_id = id;
    DELETE FROM pgslo_catalog.missed_batch m
    USING pgslo_catalog.rule r
    WHERE m.rule_id = r.rule_id AND r.definition_id = id AND m.ended_at IS NOT NULL;
    DELETE FROM pgslo_catalog.incident i WHERE i.definition_id = id AND i.resolved_at IS NOT NULL;
    DELETE FROM pgslo_catalog.repair r WHERE r.definition_id = id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.forget(text) IS 'Delete a definition''s history, before unregister does the rest under table locks; no writer waits for it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unregister(definition text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = unregister.definition);
BEGIN
    DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id;
    DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id;
    PERFORM pgslo_catalog.forget_pairs(id);
    DELETE FROM pgslo_catalog.missed_look l WHERE l.definition_id = id;
    DELETE FROM pgslo_catalog.touched t WHERE t.check_function IN (
        SELECT a.check_function FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id) WHERE r.definition_id = id);
    DELETE FROM pgslo_catalog.definition d WHERE d.definition_id = id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unregister(text) IS 'Delete a definition with its history and its quarantine.';
