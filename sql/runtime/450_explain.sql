-- The readers of a column, the violations at the same time, and the facts of an incident.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo.reader WITH (security_barrier) AS
WITH RECURSIVE own AS (
    -- The table, and the views that pgslo made over it: their columns are called like the table's.
    SELECT d.definition_id, d.relation::oid AS oid FROM pgslo_catalog.definition d
    UNION
    SELECT d.definition_id, g.object_id
    FROM pgslo_catalog.generated g
    JOIN pgslo_catalog.definition d ON d.name = g.definition
    WHERE g.kind = 'view' AND g.is_ours
), edge AS (
    SELECT w.ev_class AS view, p.refobjid AS source, p.refobjsubid AS number
    FROM pg_depend p
    JOIN pg_rewrite w ON w.oid = p.objid
    WHERE p.classid = 'pg_rewrite'::regclass AND p.refclassid = 'pg_class'::regclass AND w.ev_class <> p.refobjid
), used AS (
    SELECT o.definition_id, e.view, a.attname::text AS column_name
    FROM own o
    JOIN edge e ON e.source = o.oid
    LEFT JOIN pg_attribute a ON a.attrelid = e.source AND a.attnum = e.number AND a.attnum > 0
    WHERE NOT EXISTS (SELECT FROM own x WHERE x.oid = e.view)
    UNION
    -- A view over such a view: PostgreSQL does not keep which of its columns is made of which, so it reads them all.
    SELECT u.definition_id, e.view, u.column_name
    FROM used u
    JOIN edge e ON e.source = u.view
)
SELECT d.name AS definition, 'task' AS kind, t.name, t.contact, t.reads AS columns, t.on_read, t.reads_from AS known_from,
       t.within AS "window", t.batches
FROM pgslo_catalog.task t JOIN pgslo_catalog.known_definition d USING (definition_id)
UNION ALL
SELECT d.name, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, format('%I.%I', n.nspname, c.relname), pg_get_userbyid(c.relowner)::text,
       coalesce(array_agg(u.column_name ORDER BY u.column_name) FILTER (WHERE u.column_name IS NOT NULL), '{}'), NULL, 'catalogue',
       NULL, NULL
FROM used u
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pg_class c ON c.oid = u.view AND c.relkind IN ('v', 'm')
JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY d.name, c.oid, c.relkind, n.nspname, c.relname, c.relowner;
COMMENT ON VIEW pgslo.reader IS 'Readers of a defined table and their columns: tasks, and views of others over the table or its guarded views.';

CREATE OR REPLACE VIEW pgslo.page AS
SELECT min(i.incident_id) AS page, i.definition, i.opened_batch AS batch,
       CASE WHEN bool_and(i.state = 'resolved') THEN 'resolved'
            WHEN bool_and(i.state <> 'open') THEN 'over'
            WHEN bool_and(i.muted_until > clock_timestamp()) FILTER (WHERE i.state = 'open') THEN 'muted'
            WHEN bool_and(i.acknowledged_at IS NOT NULL) FILTER (WHERE i.state = 'open') THEN 'acknowledged'
            ELSE 'open' END AS state,
       min(i.opened_at) AS opened_at,
       CASE WHEN count(*) FILTER (WHERE i.resolved_at IS NULL) = 0 THEN max(i.resolved_at) END AS resolved_at,
       array_agg(i.incident_id ORDER BY i.incident_id) AS incidents,
       array_agg(i.incident_id ORDER BY i.incident_id) FILTER (WHERE i.state = 'open') AS open_incidents,
       array_agg(i.rule ORDER BY i.incident_id) AS rules,
       ARRAY(SELECT DISTINCT c.name FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id), unnest(r.columns) AS c (name)
             WHERE d.name = i.definition AND r.name = ANY (array_agg(i.rule)) ORDER BY 1) AS columns,
       CASE WHEN bool_and(i.tier = 'suspect') THEN 'suspect' ELSE 'missed' END AS tier
FROM pgslo.incident i
GROUP BY i.definition, i.opened_batch;
COMMENT ON VIEW pgslo.page IS 'Incidents of a table that opened with the same batch: columns that broke together are one page.';

CREATE OR REPLACE VIEW pgslo.incident_event WITH (security_barrier) AS
SELECT e.incident_event_id, e.incident_id, d.name AS definition, r.name AS rule, e.event, e.happened_at, e.done_by, e.application, e.batch,
       e.muted_until, e.resolution, e.note
FROM pgslo_catalog.incident_event e
JOIN pgslo_catalog.incident i USING (incident_id)
JOIN pgslo_catalog.known_definition d USING (definition_id)
JOIN pgslo_catalog.rule r USING (rule_id);
COMMENT ON VIEW pgslo.incident_event IS 'The history of incidents: role, action and time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.utc(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT to_char(utc.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.utc(timestamptz) IS 'Format a time for messages.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_said(profile pgslo_catalog.profile) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Everybody may read it: no value of a row, and no median of so few rows that it would be one.
    SELECT concat_ws(', ',
        format('batch %s: %s rows', profile.batch, profile.rows),
        CASE WHEN profile.column_name <> '*' AND profile.rows > 0 THEN to_char(100.0 * profile.present / profile.rows, 'FM990.0') || ' % not null' END,
        -- Old profiles keep their summary alone: the fifth number is the share of the commonest value, the 23rd the median.
        CASE WHEN profile.column_name <> '*' AND profile.present > 0 AND profile.summary[5] IS NOT NULL THEN
            to_char(least(100.0, 100.0 * round((profile.summary[5] * profile.sampled)::numeric) * 2 ^ profile.level / profile.present), 'FM990.0')
                || ' % the commonest value' END,
        CASE WHEN profile.present >= 20 AND profile.summary[23] IS NOT NULL THEN 'median ' || round(profile.summary[23]::numeric, 4)::float8 END)
    WHERE profile.batch IS NOT NULL
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_said(pgslo_catalog.profile) IS 'Describe a column of a batch in a sentence without values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profiles_of(incident_id bigint)
RETURNS TABLE (column_name text, before pgslo_catalog.profile, after pgslo_catalog.profile)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT t.column_name, b.profile, t
    FROM pgslo_catalog.incident i
    JOIN pgslo_catalog.rule r USING (rule_id)
    JOIN pgslo_catalog.profile t ON t.definition_id = i.definition_id AND t.batch = i.opened_batch
        AND (t.column_name = ANY (r.columns) OR r.columns = '{}' AND t.column_name = '*')
    LEFT JOIN LATERAL (
        SELECT p AS profile FROM pgslo_catalog.profile p
        WHERE p.definition_id = i.definition_id AND p.column_name = t.column_name AND p.place < i.opened_place AND p.baseline
        ORDER BY p.place DESC LIMIT 1
    ) b ON true
    WHERE i.incident_id = profiles_of.incident_id
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profiles_of(bigint) IS 'Return profiles of an incident''s columns: of the last good batch, and of the first missed one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.changed_since_said(incident pgslo_catalog.incident, rule pgslo_catalog.rule) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Rules with a reference of their own are evaluated again: judge_later().
    SELECT format('%s of the 28 batches before it, the newest %s, since its verdict of %s, which rests on their earlier contents',
                  count(*), (array_agg(b.batch ORDER BY b.place DESC))[1], pgslo_catalog.utc(max(v.judged_at)))
    FROM pgslo_catalog.verdict v
    CROSS JOIN LATERAL (
        SELECT e.batch, e.place, e.judged_at FROM pgslo_catalog.verdict e
        WHERE e.rule_id = v.rule_id AND e.place < v.place ORDER BY e.place DESC LIMIT 28) AS b
    WHERE (changed_since_said.rule).kind = 'learned' AND v.rule_id = (changed_since_said.incident).rule_id
      AND v.batch = (changed_since_said.incident).opened_batch AND b.judged_at > v.judged_at
    HAVING count(*) > 0
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.changed_since_said(pgslo_catalog.incident, pgslo_catalog.rule) IS
    'Return how many batches that a learned bound rested on were evaluated after an incident''s first batch; NULL without one.';

CREATE OR REPLACE FUNCTION pgslo.explain(incident_id bigint) RETURNS TABLE (topic text, fact text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    WITH incident AS (
        SELECT i, i.*, d.name, d.relation, r, r.name AS rule_name, r.kind, r.columns, r.promise, r.on_breach, coalesce(r.owner, d.owner, 'unknown') AS owner,
               greatest(i.muted_until, r.muted_until) AS quiet_until
        FROM pgslo_catalog.incident i JOIN pgslo_catalog.definition d USING (definition_id) JOIN pgslo_catalog.rule r USING (rule_id)
        WHERE i.incident_id = explain.incident_id AND pgslo_catalog.may_know(d.name, pgslo_catalog.caller())
    ), first AS (
        SELECT f.writer, f.application, f.written_at
        FROM pgslo_catalog.fragment f JOIN incident n ON f.definition_id = n.definition_id AND f.place = n.opened_place AND f.failures ? n.rule_name
        ORDER BY f.fragment_id LIMIT 1
    ), reader AS (
        SELECT x.* FROM incident n JOIN pgslo.reader x ON x.definition = n.name AND (x.columns && n.columns OR n.columns = '{}')
    )
    SELECT fact.*
    FROM incident n
    LEFT JOIN first f ON true
    LEFT JOIN pgslo_catalog.batch b ON b.definition_id = n.definition_id AND b.name = n.opened_batch
    CROSS JOIN LATERAL (
        SELECT coalesce(n.writer, f.writer, b.writer) AS role, nullif(coalesce(n.application, f.application, b.application), '') AS application,
               coalesce(n.written_at, f.written_at, b.last_written_at) AS at
    ) w
    CROSS JOIN LATERAL (VALUES
        ('table', n.name),
        ('rule', format('%s (%s): %s', n.rule_name, n.kind, n.promise)),
        ('columns', nullif(array_to_string(n.columns, ', '), '')),
        ('owner', n.owner),
        ('tier', CASE WHEN n.is_suspect THEN 'suspect: no batch is twice beyond its learned bound, so no notification is sent' END),
        ('opened', format('%s, batch %s', pgslo_catalog.utc(n.opened_at), n.opened_batch)),
        ('first bad batch', (SELECT v.said FROM pgslo_catalog.verdict v
                             WHERE v.rule_id = n.rule_id AND v.batch = n.opened_batch AND pgslo_catalog.shows_figures(n.r, pgslo_catalog.caller()))),
        ('written by', format('%s%s, %s', w.role, ' with ' || w.application, pgslo_catalog.utc(w.at))),
        ('profile before', (SELECT string_agg(concat_ws(': ', nullif(p.column_name, '*'), pgslo_catalog.profile_said(p.before)), '; ' ORDER BY p.column_name)
                            FROM pgslo_catalog.profiles_of(n.incident_id) p
                            WHERE (p.before).batch IS NOT NULL
                              AND pgslo_catalog.may_see_figures(n.relation, array_remove(ARRAY[p.column_name], '*'), NULL, pgslo_catalog.caller()))),
        ('profile then', (SELECT string_agg(concat_ws(': ', nullif(p.column_name, '*'), pgslo_catalog.profile_said(p.after)), '; ' ORDER BY p.column_name)
                          FROM pgslo_catalog.profiles_of(n.incident_id) p
                          WHERE pgslo_catalog.may_see_figures(n.relation, array_remove(ARRAY[p.column_name], '*'), NULL, pgslo_catalog.caller()))),
        ('changed since', pgslo_catalog.changed_since_said(n.i, n.r)),
        ('newest missed batch', pgslo_catalog.newest_missed_said(n.i, n.r)),
        ('broke together', (SELECT string_agg(format('incident %s, %s', o.incident_id, q.name), '; ' ORDER BY o.incident_id)
                            FROM pgslo_catalog.incident o JOIN pgslo_catalog.rule q USING (rule_id)
                            WHERE o.definition_id = n.definition_id AND o.opened_batch = n.opened_batch AND o.incident_id <> n.incident_id)),
        ('tasks that read it', (
            SELECT string_agg(x.name || coalesce(' (' || nullif(concat_ws(', ', x.contact,
                       'last ' || pgslo_catalog.span_shown(x."window"),
                       CASE x.batches WHEN 'healthy' THEN 'healthy batches' END), '') || ')', ''), ', ' ORDER BY x.name)
            FROM reader x WHERE x.kind = 'task')),
        ('views that read it', (SELECT string_agg(format('%s (%s)', x.name, x.contact), ', ' ORDER BY x.name) FROM reader x WHERE x.kind <> 'task')),
        ('state', CASE WHEN n.over_at IS NULL THEN 'open'
                       WHEN n.resolved_at IS NULL
                           THEN format('over since %s, %s', pgslo_catalog.utc(n.over_at), coalesce(pgslo_catalog.stored_said(n.i), 'no missed batch is stored'))
                       ELSE format('resolved (%s) %s, batch %s', n.resolution, pgslo_catalog.utc(n.resolved_at), coalesce(n.over_batch, '-')) END),
        ('missed batches', (
            SELECT array_to_string(s.names[1:20], ', ') || CASE WHEN s.batches > 20 THEN format(' and %s more', s.batches - 20) ELSE '' END
            FROM pgslo_catalog.stored s WHERE n.resolved_at IS NULL AND s.rule_id = n.rule_id AND s.incident_id = n.incident_id)),
        ('acknowledged', format('%s by %s', pgslo_catalog.utc(n.acknowledged_at), n.acknowledged_by)),
        ('muted until', CASE WHEN n.resolved_at IS NULL AND n.quiet_until > clock_timestamp() THEN pgslo_catalog.utc(n.quiet_until) END),
        ('note', n.note),
        ('history', (SELECT string_agg(format('%s %s%s by %s%s', pgslo_catalog.utc(e.happened_at), e.event, ' (' || e.resolution || ')', e.done_by,
                            CASE e.event WHEN 'accepted' THEN format(': batches %s, %s', e.batch, e.note) ELSE '' END), '; ' ORDER BY e.incident_event_id)
                     FROM pgslo_catalog.incident_event e WHERE e.incident_id = n.incident_id))
    ) AS fact (topic, fact)
    WHERE fact.fact IS NOT NULL
      AND NOT (fact.topic = 'written by' AND w.role IS NULL)
      AND NOT (fact.topic = 'acknowledged' AND n.acknowledged_at IS NULL)
$pgslo$;
COMMENT ON FUNCTION pgslo.explain(bigint) IS
    'Return the facts of an incident: rule, start, writer of the first bad batch, profiles before and then, readers. Contains no values of the table.';

CREATE OR REPLACE FUNCTION pgslo.evidence(incident_id bigint) RETURNS TABLE (topic text, fact text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    (SELECT 'failing row', format('%s: %s', s.row_key, s.shown)
     FROM pgslo_catalog.incident i
     JOIN pgslo_catalog.sample s ON s.rule_id = i.rule_id
     WHERE i.incident_id = evidence.incident_id
       -- Of this incident alone, not of an earlier one of the rule.
       AND s.written_at >= coalesce((SELECT max(o.over_at) FROM pgslo_catalog.incident o
                                     WHERE o.rule_id = i.rule_id AND o.incident_id < i.incident_id), '-infinity')
       AND s.written_at <= coalesce(i.over_at, 'infinity')
     ORDER BY s.sample_id
     LIMIT 20)
    UNION ALL
    (SELECT format('first violation in batch %s', v.batch), v.example
     FROM pgslo_catalog.incident i
     JOIN pgslo_catalog.verdict v ON v.rule_id = i.rule_id AND v.place >= i.opened_place AND v.example IS NOT NULL
     WHERE i.incident_id = evidence.incident_id AND v.place <= coalesce(i.over_place, 'Infinity')
     ORDER BY v.place DESC
     LIMIT 20)
    UNION ALL
    SELECT format('value that moved most, %s', p.column_name), moved.said
    FROM pgslo_catalog.profiles_of(evidence.incident_id) p
    CROSS JOIN LATERAL (
        SELECT format('%s: %s %% before, %s %% then', m.value, to_char(m.before, 'FM990.0'), to_char(m.after, 'FM990.0')) AS said
        FROM (
            SELECT coalesce(x.key, y.key) AS value,
                   least(100, coalesce(x.value::numeric, 0) * 100 * 2 ^ (p.before).level / greatest((p.before).present, 1)) AS before,
                   least(100, coalesce(y.value::numeric, 0) * 100 * 2 ^ (p.after).level / greatest((p.after).present, 1)) AS after
            FROM jsonb_each_text((p.before).common) x FULL JOIN jsonb_each_text((p.after).common) y ON y.key = x.key
        ) m
        ORDER BY abs(m.after - m.before) DESC, m.value
        LIMIT 1
    ) moved
    -- Old profiles keep no values.
    WHERE (p.before).common IS NOT NULL AND (p.after).common IS NOT NULL
$pgslo$;
COMMENT ON FUNCTION pgslo.evidence(bigint) IS
    'Return failing rows of an incident and the value that moved most. Contains personal data: for the owner, and roles that the owner allows.';
