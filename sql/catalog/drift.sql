-- Each defined table at its last apply, and now: %(made)s is an array of pgslo's triggers and views, as jsonb; %(types)s says
-- whether code of the columns' types is looked up, which no rule in force depends on.
WITH stated AS MATERIALIZED (
    SELECT m.kind, m.schema, m.relation, m.name, m.definition
    FROM jsonb_to_recordset(%(made)s::jsonb) AS m (kind text, schema text, relation text, name text, definition text)
), made AS MATERIALIZED (
    SELECT g.oid AS object_id, g.tgname AS name, g.tgrelid AS on_relation, g.tgfoid AS function_id, g.tgtype AS fires, m.definition
    FROM stated m
    JOIN pg_catalog.pg_namespace s ON s.nspname = m.schema
    JOIN pg_catalog.pg_class x ON x.relnamespace = s.oid AND x.relname = m.relation
    JOIN pg_catalog.pg_trigger g ON g.tgrelid = x.oid AND g.tgname = m.name
    WHERE m.kind = 'trigger'
), seen_through AS MATERIALIZED (
    SELECT v.oid AS view_id, v.relowner AS owner, m.definition, v.relnamespace AS schema_id, s.nspname AS schema
    FROM stated m
    JOIN pg_catalog.pg_namespace s ON s.nspname = m.schema
    JOIN pg_catalog.pg_class v ON v.relnamespace = s.oid AND v.relname = m.name
    -- One that was replaced and is kept for others has no readers.
    WHERE m.kind = 'view' AND v.relname !~ '^pgslo_aside_'
), of_whole AS MATERIALIZED (
    -- Statement triggers of partitioned tables, which each partition needs as well.
    SELECT m.definition, w.oid AS table_id, g.tgname AS name, g.tgfoid AS function_id, g.tgtype AS fires
    FROM made m
    JOIN pg_catalog.pg_trigger g ON g.oid = m.object_id AND g.tgtype & 1 = 0
    JOIN pg_catalog.pg_class w ON w.oid = g.tgrelid AND w.relkind = 'p' AND NOT w.relispartition
    WHERE g.tgname ~ '^pgslo_'
), off AS MATERIALIZED (
    -- Row triggers are cloned to partitions, and each clone can be disabled separately.
    SELECT g.oid AS object_id, g.tgrelid AS table_id, g.tgname AS name
    FROM pg_catalog.pg_trigger g
    JOIN pg_catalog.pg_proc f ON f.oid = g.tgfoid AND f.pronamespace = 'pgslo_gen'::regnamespace
    LEFT JOIN pg_catalog.pg_trigger parent ON parent.oid = g.tgparentid
    WHERE (g.tgenabled IN ('D', 'R') OR g.tgenabled <> 'A' AND parent.tgenabled = 'A') AND g.tgname ~ '^pgslo_'
), left_it AS (
    SELECT DISTINCT w.definition_id, o.stood -> 'relation' AS relation, x.oid AS table_id
    FROM pgslo_catalog.applied w CROSS JOIN jsonb_array_elements(w.objects) AS o (stood)
    JOIN pg_catalog.pg_namespace s ON s.nspname = o.stood #>> '{relation,0}'
    JOIN pg_catalog.pg_class x ON x.relnamespace = s.oid AND x.relname = o.stood #>> '{relation,1}' AND NOT x.relispartition
    WHERE o.stood ->> 'of_partition' = 'true'
)
SELECT d.name AS definition, d.writes, n.nspname || '.' || c.relname AS table_name,
    a.table_name AS applied_name, a.table_owner AS applied_owner,
    pg_catalog.pg_get_userbyid(c.relowner)::text AS table_owner, a.applied_at, a.columns AS applied_columns, a.objects AS applied_objects,
    (SELECT jsonb_agg(jsonb_build_object('table', t.attrelid::bigint, 'number', t.attnum, 'name', t.attname,
                                         'type', pg_catalog.format_type(t.atttypid, t.atttypmod))
                      || CASE WHEN %(types)s THEN jsonb_build_object('conversions', pgslo_catalog.conversions_of(t.atttypid, t.attrelid)) ELSE '{}' END
                      ORDER BY t.attnum)
     FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) AS columns,
    ARRAY(SELECT DISTINCT k.name FROM pgslo_catalog.rule r, unnest(r.columns) AS k (name)
          WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.mechanism NOT IN ('native', 'on read')
          UNION SELECT unnest(d.key_columns) ORDER BY 1) AS used_columns,
    ARRAY(SELECT DISTINCT coalesce(r.name, 'batch') || ': ' || b.said
          FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id)
          WHERE b.definition_id = d.definition_id AND r.retired_at IS NULL AND b.batch IS NULL AND b.pause_id IS NULL ORDER BY 1) AS broken,
    -- Guarded views whose owner may not read the table: their readers cannot read them.
    (SELECT coalesce(jsonb_agg(jsonb_build_array(v.view_id::regclass::text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(v.owner)))
                               ORDER BY v.view_id::regclass::text), '[]')
     FROM seen_through v
     WHERE v.definition = d.name
       -- USAGE of the schema is checked where a name is looked up, and a view needs none.
       AND NOT pg_catalog.has_table_privilege(v.owner, c.oid, 'SELECT')) AS blind_views,
    -- Rights of the definition's readers that were revoked: the role, the object, and the missing right.
    (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(pg_catalog.quote_ident(o.rolname), w.thing, w.privilege)), '[]')
     FROM seen_through v
     CROSS JOIN unnest(d.readers) AS k (name) JOIN pg_catalog.pg_roles o ON o.rolname = k.name
     CROSS JOIN LATERAL (
         SELECT 'view ' || v.view_id::regclass::text, 'SELECT ON ' || v.view_id::regclass::text
         WHERE NOT pg_catalog.has_table_privilege(o.oid, v.view_id, 'SELECT')
         UNION ALL
         SELECT 'schema ' || pg_catalog.quote_ident(v.schema), 'USAGE ON SCHEMA ' || pg_catalog.quote_ident(v.schema)
         WHERE NOT pg_catalog.has_schema_privilege(o.oid, v.schema_id, 'USAGE')) AS w (thing, privilege)
     WHERE v.definition = d.name) AS shut_out,
    -- Guarded views that show each reader all rows, although row security chooses them.
    (SELECT coalesce(jsonb_agg(v.view_id::regclass::text ORDER BY v.view_id::regclass::text), '[]')
     FROM seen_through v JOIN pg_catalog.pg_class w ON w.oid = v.view_id
     WHERE v.definition = d.name AND c.relrowsecurity
       AND NOT coalesce('security_invoker=true' = ANY (w.reloptions), false)) AS open_views,
    -- Whether rows in quarantine can be written to the table: with the rights of pgslo's owner, or of the table's own.
    d.writer IS NOT NULL OR c.oid IS NULL
        OR NOT EXISTS (SELECT FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.on_breach = 'quarantine')
        OR (SELECT pg_catalog.has_table_privilege(k.nspowner, c.oid, 'INSERT') AND pg_catalog.has_table_privilege(k.nspowner, c.oid, 'UPDATE')
            FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog') AS can_release,
    (SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(k.nspowner)) FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog') AS keeper,
    -- Whether pgslo's owner may lock the table of another role, which functions of that role then read.
    d.reader IS NULL OR c.oid IS NULL
        OR (SELECT pg_catalog.has_table_privilege(k.nspowner, c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(k.nspowner, c.relnamespace, 'USAGE')
            FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog') AS can_lock,
    CASE WHEN c.oid IS NOT NULL THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) END AS quoted_name,
    -- What PostgreSQL has to enforce for a rule, and does not.
    (SELECT coalesce(jsonb_agg(jsonb_build_array(r.name, f.said, f.to_do, r.rests_on -> 'object') ORDER BY r.rule_id), '[]')
     FROM pgslo_catalog.rule r CROSS JOIN LATERAL pgslo_catalog.native_fault(c.oid, r.rests_on) AS f
     WHERE c.oid IS NOT NULL AND r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.rests_on IS NOT NULL AND f.said IS NOT NULL) AS faults,
    EXISTS (SELECT FROM pgslo_catalog.rule r WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.scope = 'assertion' AND r.mechanism <> 'native') AS asserts,
    -- Statement triggers of the whole table, or of the table of its labels, that a partition lacks.
    (SELECT coalesce(jsonb_agg(jsonb_build_array(p.relid::regclass::text, g.name) ORDER BY p.relid::regclass::text, g.name), '[]')
     FROM of_whole g
     CROSS JOIN LATERAL pg_catalog.pg_partition_tree(g.table_id) p
     JOIN pg_catalog.pg_class x ON x.oid = p.relid
     WHERE g.definition = d.name AND p.relid <> g.table_id AND x.relkind IN ('r', 'p')
       -- One that was renamed there is reported as such.
       AND NOT EXISTS (SELECT FROM made own
                       WHERE own.on_relation = p.relid
                         AND (own.name = g.name OR own.name !~ '^pgslo_' AND (own.function_id, own.fires) = (g.function_id, g.fires)))) AS unarmed,
    -- Tables that a trigger of it stood on and that are not there under their names, and those that assertions depend on besides its own.
    (SELECT coalesce(jsonb_agg(DISTINCT o.stood -> 'relation'), '[]') FROM jsonb_array_elements(a.objects) AS o (stood)
     WHERE o.stood ->> 'kind' = 'trigger'
       -- Not to_regclass(): it fails for a role without USAGE on the schema.
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace s ON s.oid = x.relnamespace
                       WHERE s.nspname = o.stood #>> '{relation,0}' AND x.relname = o.stood #>> '{relation,1}')) AS lost_tables,
    -- Former partitions, those that are independent tables now, and of these the ones with pgslo's triggers.
    (SELECT coalesce(jsonb_agg(DISTINCT o.stood -> 'relation'), '[]') FROM jsonb_array_elements(a.objects) AS o (stood)
     WHERE o.stood ->> 'of_partition' = 'true') AS applied_partitions,
    (SELECT coalesce(jsonb_agg(l.relation ORDER BY l.table_id), '[]') FROM left_it l WHERE l.definition_id = d.definition_id) AS left_partitions,
    (SELECT coalesce(jsonb_agg(DISTINCT g.on_relation::regclass::text), '[]')
     FROM left_it l JOIN made g ON g.on_relation = l.table_id AND g.definition = d.name
     WHERE l.definition_id = d.definition_id) AS detached,
    (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(s.nspname, o.relname)), '[]')
     FROM pgslo_catalog.assertion_dependency p JOIN pgslo_catalog.rule r USING (rule_id)
     JOIN pg_catalog.pg_class o ON o.oid = p.relation JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
     WHERE r.definition_id = d.definition_id AND p.relation IS DISTINCT FROM d.relation) AS other_tables,
    (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(p.relation::regclass::text, k.name)), '[]')
     FROM pgslo_catalog.assertion_dependency p JOIN pgslo_catalog.rule r USING (rule_id)
     JOIN pg_catalog.pg_class o ON o.oid = p.relation CROSS JOIN LATERAL unnest(p.columns) AS k (name)
     WHERE r.definition_id = d.definition_id AND p.relation IS DISTINCT FROM d.relation
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = p.relation AND t.attname = k.name AND t.attnum > 0 AND NOT t.attisdropped)) AS lost_columns,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(m.schema_name || '.' || m.name, m.said) ORDER BY m.schema_name, m.name), '[]')
     FROM pgslo_catalog.moved_relation m WHERE m.definition_id = d.definition_id) AS moved_relations,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(g.table_id::regclass::text, g.name) ORDER BY g.table_id::regclass::text, g.name), '[]')
     FROM off g
     WHERE g.table_id NOT IN (SELECT l.table_id FROM left_it l WHERE l.definition_id = d.definition_id)
       AND (EXISTS (SELECT FROM made m WHERE m.object_id = g.object_id AND m.definition = d.name)
            OR g.table_id IN (SELECT c.oid UNION ALL
                              SELECT p.relid::oid FROM pg_catalog.pg_partition_tree(CASE WHEN c.relkind = 'p' THEN c.oid END) p))) AS switched_off,
    ARRAY(SELECT s.srrelid::regclass::text
          FROM pg_catalog.pg_subscription_rel s
          WHERE s.srrelid = c.oid OR s.srrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(CASE WHEN c.relkind = 'p' THEN c.oid END) p) ORDER BY 1) AS subscribed,
    ARRAY(SELECT coalesce('role ' || o.rolname, 'every role') || coalesce(' in database ' || b.datname, '')
          FROM pg_catalog.pg_db_role_setting s
          LEFT JOIN pg_catalog.pg_roles o ON o.oid = s.setrole LEFT JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase
          WHERE 'session_replication_role=replica' = ANY (s.setconfig) AND (s.setdatabase = 0 OR b.datname = current_database()) ORDER BY 1) AS replica_roles,
    EXISTS (
        SELECT FROM pgslo_catalog.rule r
        WHERE r.definition_id = d.definition_id AND r.retired_at IS NULL AND r.mechanism = 'statement trigger') AS records_rows,
    (SELECT s.waiting_batches FROM pgslo.status s WHERE s.definition = d.name) AS waiting_batches
FROM pgslo_catalog.definition d
LEFT JOIN pg_catalog.pg_class c ON c.oid = d.relation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pgslo_catalog.applied a USING (definition_id)
ORDER BY d.name
