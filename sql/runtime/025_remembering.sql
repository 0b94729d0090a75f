-- The state of a definition and of its generated objects after an apply, which drift compares with.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo_catalog.left_behind AS
SELECT g.kind, g.names, g.relation, g.fingerprint, g.definition, p.prosrc AS body,
       CASE WHEN g.kind IN ('function', 'table', 'view', 'schema') THEN g.owner::text ELSE '' END AS owner,
       coalesce(t.tgenabled = 'A', false) AS fires_always
FROM pgslo_catalog.generated g
LEFT JOIN pg_proc p ON g.kind = 'function' AND p.oid = g.object_id
LEFT JOIN pg_trigger t ON g.kind = 'trigger' AND t.oid = g.object_id
WHERE g.is_ours
UNION ALL
SELECT 'not_null', ARRAY[s.column_name], ARRAY[n.nspname::text, c.relname::text], '0000000000000000', d.name, NULL, '', false
FROM pgslo_catalog.native_not_null s
JOIN pgslo_catalog.definition d ON d.relation = s.relation
JOIN pg_attribute a ON a.attrelid = s.relation AND a.attname = s.column_name AND a.attnotnull
JOIN pg_class c ON c.oid = s.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
-- A check that is not validated yet: NOT NULL is set after that.
SELECT 'not_null', ARRAY[a.attname::text], ARRAY[n.nspname::text, c.relname::text], '0000000000000000', d.name, NULL, '', false
FROM pgslo_catalog.definition d
JOIN pg_constraint k ON k.conrelid = d.relation AND k.contype = 'c' AND k.conname ~ '^pgslo__' AND cardinality(k.conkey) = 1
JOIN pg_attribute a ON a.attrelid = d.relation AND a.attnum = k.conkey[1]
JOIN pg_class c ON c.oid = d.relation
JOIN pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW pgslo_catalog.left_behind IS 'Existing objects of each definition, with the fingerprint of their source.';

CREATE OR REPLACE FUNCTION pgslo_catalog.remember(definitions text[], library_version text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Default privileges granted others rights on the new objects.
    PERFORM pgslo_catalog.mend_rights();
    INSERT INTO pgslo_catalog.applied
        (definition_id, table_name, columns, objects, rows_written, library_version, table_owner)
    SELECT d.definition_id, n.nspname || '.' || c.relname,
           (SELECT jsonb_agg(jsonb_build_object('table', t.attrelid::bigint, 'number', t.attnum, 'name', t.attname,
                'type', format_type(t.atttypid, t.atttypmod),
                'conversions', pgslo_catalog.conversions_of(t.atttypid, t.attrelid)) ORDER BY t.attnum)
            FROM pg_attribute t WHERE t.attrelid = d.relation AND t.attnum > 0 AND NOT t.attisdropped),
           (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', o.kind, 'names', o.names, 'relation', o.relation,
                'fingerprint', o.fingerprint, 'body', md5(o.body), 'owner', o.owner, 'fires_always', o.fires_always,
                'of_partition', EXISTS (
                    SELECT FROM pg_class x JOIN pg_namespace s ON s.oid = x.relnamespace
                    WHERE s.nspname = o.relation[1] AND x.relname = o.relation[2] AND x.relispartition))
                ORDER BY o.kind, o.names, o.relation), '[]')
            FROM pgslo_catalog.left_behind o
            WHERE o.definition = d.name),
           -- Where removed rows are recorded as well, the remaining ones of the written rows.
           (SELECT sum(CASE WHEN d.batch_is_of_row AND d.writes = 'bulk' THEN s.n_tup_ins - s.n_tup_del
                            ELSE s.n_tup_ins + s.n_tup_upd END)::bigint
            FROM (SELECT d.relation::oid AS relid
                  UNION SELECT p.relid FROM pg_partition_tree(CASE WHEN c.relkind = 'p' THEN d.relation END) p) r
            JOIN pg_stat_user_tables s ON s.relid = r.relid),
           remember.library_version, pg_get_userbyid(c.relowner)
    FROM pgslo_catalog.definition d
    JOIN pg_class c ON c.oid = d.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE d.name = ANY (remember.definitions)
    ON CONFLICT ON CONSTRAINT applied_holds_the_last_apply DO UPDATE SET
        table_name = excluded.table_name, columns = excluded.columns, objects = excluded.objects,
        rows_written = excluded.rows_written, rows_emptied = 0, library_version = excluded.library_version,
        table_owner = excluded.table_owner, applied_at = excluded.applied_at, applied_by = excluded.applied_by;
    PERFORM pgslo_catalog.note_parts(d.definition_id) FROM pgslo_catalog.definition d WHERE d.name = ANY (remember.definitions);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.remember(text[], text) IS 'Record the state of these definitions, which drift is compared with.';
