-- The rights on the runtime's objects: those of every role, and those of a function in `pgslo grants`. Everything else is the owner's alone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.listed_rights()
RETURNS TABLE (who text, kind text, privilege text, object text, class oid, id oid, part integer)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    WITH listed (who, kind, privilege, place, names) AS (VALUES
        ('public', 'function', 'EXECUTE', 'pgslo.', ARRAY[
            'guard(text, text[], text)', 'status_of(text)', 'explain(bigint)', 'version()', 'guard(text, text[], text, text[], interval)',
            'announce(text, text[], text, interval)', 'guard_healthy(text, text[], text, text[], anyelement)',
            'unhealthy(text, text[], anyelement)', 'is_current(text, text[])', 'guard_rows(text, text[], text, text[], regtype)',
            'told_by_rows(text, text[], interval, regtype)', 'planned(text, interval)', 'planned_fine(text, text[], interval)',
            'planned_flags(text, text[], interval, anyelement)', 'planned_null(text, text[], interval, anyelement)',
            'planned_batches(text, text[], interval, anyelement)', 'among(date, date[], boolean[])', 'among(timestamp, timestamp[], boolean[])',
            'among(timestamptz, timestamptz[], boolean[])', 'among(bigint, bigint[], boolean[])', 'among(numeric, numeric[], boolean[])',
            'among(text, text[], boolean[])', 'among(date, interval, timestamp[], boolean[])',
            'among(timestamp, interval, timestamp[], boolean[])', 'among(timestamptz, interval, timestamptz[], boolean[])',
            'is_healthy(date, date[], boolean)', 'is_healthy(timestamp, timestamp[], boolean)', 'is_healthy(timestamptz, timestamptz[], boolean)',
            'is_healthy(smallint, smallint[], boolean)', 'is_healthy(integer, integer[], boolean)', 'is_healthy(bigint, bigint[], boolean)',
            'is_healthy(numeric, numeric[], boolean)', 'is_healthy(text, text[], boolean)', 'is_healthy(uuid, uuid[], boolean)',
            'announce_row(text, text[], text, interval)', 'read_any(anyelement, text, text[], text, interval)',
            'read_any(anyelement, text[])', 'read(anyelement, date, text[])', 'read(anyelement, timestamp, text[])',
            'read(anyelement, timestamptz, text[])', 'read(anyelement, bigint, text[])', 'read(anyelement, numeric, text[])',
            'read(anyelement, text, text[])', 'read(anyelement, date, interval, text[])',
            'read(anyelement, timestamp, interval, text[])', 'read(anyelement, timestamptz, interval, text[])',
            'read(anyelement, date, text, text[], text, interval)', 'read(anyelement, timestamp, text, text[], text, interval)',
            'read(anyelement, timestamptz, text, text[], text, interval)', 'read(anyelement, bigint, text, text[], text, interval)',
            'read(anyelement, numeric, text, text[], text, interval)', 'read(anyelement, text, text, text[], text, interval)',
            'read(anyelement, date, interval, text, text[], text, interval)',
            'read(anyelement, timestamp, interval, text, text[], text, interval)',
            'read(anyelement, timestamptz, interval, text, text[], text, interval)', 'read_hit(anyelement, date, text, text[], text, interval)',
            'read_hit(anyelement, timestamp, text, text[], text, interval)', 'read_hit(anyelement, timestamptz, text, text[], text, interval)',
            'read_hit(anyelement, bigint, text, text[], text, interval)', 'read_hit(anyelement, numeric, text, text[], text, interval)',
            'read_hit(anyelement, text, text, text[], text, interval)', 'read_hit(anyelement, date, interval, text, text[], text, interval)',
            'read_hit(anyelement, timestamp, interval, text, text[], text, interval)',
            'read_hit(anyelement, timestamptz, interval, text, text[], text, interval)', 'hit(date, text, text[], interval)',
            'hit(timestamp, text, text[], interval)', 'hit(timestamptz, text, text[], interval)', 'hit(bigint, text, text[], interval)',
            'hit(numeric, text, text[], interval)', 'hit(text, text, text[], interval)', 'hit(date, interval, text, text[], interval)',
            'hit(timestamp, interval, text, text[], interval)', 'hit(timestamptz, interval, text, text[], interval)',
            'healthy_batches(text, text[], timestamptz)', 'readiness(text)', 'ready(text)', 'snapshot_diff(text, text)', 'snapshot_query(text)',
            'say_told(text, text, text, text, text, text, text, text)', 'say_told(text, text, text[], jsonb)',
            'check_own_rights(name)', 'float_text(double precision)', 'float_text(real)']),
        ('public', 'function', 'EXECUTE', 'pgslo_catalog.', ARRAY[
            'schema_difference(regclass, jsonb)', 'may_see_values(name)', 'may_know_all(name)', 'may_read(oid, name)',
            'may_see_figures(oid, text[], jsonb, name)', 'break_said(pgslo_catalog.rule_break, name)',
            'is_missed(pgslo_catalog.rule, bigint, bigint)', 'metric(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], text, float8)',
            'may_see(pgslo_catalog.snapshot, name)', 'listed_rights()', 'strange_rights()']),
        ('public', 'relation', 'SELECT', 'pgslo.', ARRAY[
            'snapshot', 'task_run', 'pause', 'quarantine_size', 'repair_size', 'incident', 'rule', 'status', 'batch', 'verdict', 'page', 'reader',
            'incident_event', 'budget', 'measured_precision', 'column_history', 'incident_quantiles', 'incident_failures', 'assertion',
            'assertion_dependency', 'metric', 'ml_metric',
            'prediction_problem', 'post_processing']),
        ('public', 'relation', 'SELECT', 'pgslo_catalog.', ARRAY[
            'own_salt']),
        ('auditor', 'schema', 'USAGE', '', ARRAY[
            'pgslo', 'pgslo_catalog']),
        ('auditor', 'relation', 'SELECT', 'pgslo_catalog.', ARRAY[
            'migration', 'runtime', 'definition', 'rule', 'task', 'incident', 'incident_event', 'native_not_null', 'applied', 'generated',
            'pause', 'moved_relation', 'post_processing', 'pair_batch', 'assertion', 'assertion_dependency', 'snapshot', 'task_watch']),
        ('auditor', 'function', 'EXECUTE', 'pgslo_catalog.', ARRAY[
            'conversions_of(regtype, regclass)', 'parts_of(regtype)', 'is_stranger(oid, regclass)', 'native_fault(regclass, jsonb)',
            'foreign_key_fault(regclass, jsonb)', 'column_numbers(regclass, text[])', 'moved(pgslo_catalog.other_relation)']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.fragment.', ARRAY[
            'fragment_id', 'definition_id', 'batch', 'place', 'rows', 'operation', 'writer', 'application', 'written_at', 'rows_emptied']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.pair_cell.', ARRAY[
            'pair_cell_id', 'definition_id', 'batch', 'coarse', 'predictions', 'defaulted', 'abstained', 'labelled', 'label_without_prediction',
            'two_labels', 'label_before_prediction', 'unknown_label', 'unknown_class', 'score_missing', 'score_outside', 'model_missing']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.rule_break.', ARRAY[
            'rule_break_id', 'definition_id', 'rule_id', 'error_code', 'said', 'broke_at', 'batch', 'place', 'pause_id']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.batch.', ARRAY[
            'batch_id', 'definition_id', 'name', 'place', 'rows', 'failures', 'first_written_at', 'last_written_at', 'writer', 'application',
            'counted_at', 'closed_at', 'revision']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.snapshot_batch.', ARRAY[
            'snapshot_id', 'batch', 'place', 'rows']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.verdict.', ARRAY[
            'verdict_id', 'definition_id', 'rule_id', 'batch', 'place', 'verdict', 'judged_at']),
        ('auditor', 'column', 'SELECT', 'pgslo_catalog.task_run.', ARRAY[
            'task_run_id', 'task', 'batch', 'state', 'attempts', 'exit_code', 'started_at', 'ended_at', 'next_attempt_at', 'started_by']),
        ('operator', 'function', 'EXECUTE', 'pgslo.', ARRAY[
            'tick()', 'close_batch(text, text)', 'pause(text)', 'resume(text)', 'accept_pause(text)', 'acknowledge(bigint, text)',
            'mute(bigint, timestamptz, text)', 'mute_rule(text, text, timestamptz)', 'resolve(bigint, text, text)', 'subscribe(text)',
            'watch_deliveries()', 'queue_delivery(text, text, bigint, text, bigint[], text, text)', 'begin_delivery(bigint)',
            'end_delivery(bigint, text)', 'recount_pairs(text)', 'prune(text, integer)', 'prunable(text)']),
        ('operator', 'relation', 'SELECT', 'pgslo.', ARRAY[
            'delivery']),
        ('steward', 'schema', 'USAGE', '', ARRAY[
            'pgslo']),
        ('steward', 'relation', 'SELECT', 'pgslo.', ARRAY[
            'quarantine', 'sample', 'repair', 'broken_group']),
        ('steward', 'function', 'EXECUTE', 'pgslo.', ARRAY[
            'release(bigint, jsonb, text[])', 'discard(bigint)', 'evidence(bigint)', 'audit(text)', 'accept(bigint, text, text[])']),
        ('trainer', 'schema', 'USAGE', '', ARRAY[
            'pgslo']),
        ('trainer', 'function', 'EXECUTE', 'pgslo.', ARRAY[
            'create_snapshot(text, text, text, text, boolean, boolean)', 'begin_snapshot(text, text, text, text, boolean, boolean)',
            'seal_snapshot(text)', 'verify_snapshot(text)', 'begin_check(text)', 'end_check(text)', 'drop_snapshot(text)', 'follow_task(text)',
            'watch_task(text)', 'begin_run(text, text, bigint)', 'see_run(bigint)', 'end_run(bigint, integer, text, integer, interval)', 'tick()'])
    ), each AS (
        SELECT l.who, l.kind, l.privilege, l.place || n.name AS object, n.name, to_regclass(rtrim(l.place, '.')) AS whole
        FROM listed l CROSS JOIN LATERAL unnest(l.names) AS n (name)
    )
    SELECT e.who, e.kind, e.privilege, e.object,
           (CASE e.kind WHEN 'function' THEN 'pg_proc' WHEN 'schema' THEN 'pg_namespace' ELSE 'pg_class' END)::regclass::oid,
           CASE e.kind WHEN 'function' THEN to_regprocedure(e.object)::oid WHEN 'schema' THEN to_regnamespace(e.object)::oid
               WHEN 'column' THEN e.whole::oid ELSE to_regclass(e.object)::oid END,
           CASE WHEN e.kind = 'column' THEN
               (SELECT a.attnum::integer FROM pg_attribute a WHERE a.attrelid = e.whole AND a.attname = e.name) ELSE 0 END
    FROM each e;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.listed_rights()
    IS 'Return the rights that everybody has on objects of the runtime, and those that pgslo grants gives to an auditor, operator, steward and trainer.';
