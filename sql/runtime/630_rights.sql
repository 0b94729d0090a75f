-- Nothing is executable by PUBLIC but what readers need, and that only reads.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Default privileges of the role that installs are for objects of its own. When the runtime is new, nobody was granted anything else.
DO $pgslo$
DECLARE
    is_new boolean := NOT EXISTS (SELECT FROM pgslo_catalog.runtime);
    given record;
BEGIN
    FOR given IN
        SELECT DISTINCT k.kind, k.name, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS role
        FROM (
            SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relacl AS acl,
                   c.relowner AS owner, c.relnamespace = 'pgslo_catalog'::regnamespace AS is_state
            FROM pg_class c
            WHERE c.relnamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace, 'pgslo_gen'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            UNION ALL
            SELECT 'FUNCTION', p.oid::regprocedure::text, p.proacl, p.proowner, false
            FROM pg_proc p WHERE p.pronamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace)
            UNION ALL
            SELECT 'SCHEMA', quote_ident(n.nspname), n.nspacl, n.nspowner, false
            FROM pg_namespace n WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')
        ) AS k
        CROSS JOIN LATERAL aclexplode(k.acl) AS x
        WHERE x.grantee <> k.owner AND (is_new OR k.is_state) AND (x.grantee <> 0 OR k.kind IN ('TABLE', 'SEQUENCE'))
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %s', given.kind, given.name, given.role);
    END LOOP;
END
$pgslo$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgslo, pgslo_catalog FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgslo.guard(text, text[], text), pgslo.status_of(text), pgslo.explain(bigint), pgslo.version() TO PUBLIC;
-- What guarded views call, with the rights of whoever reads.
GRANT EXECUTE ON FUNCTION pgslo.guard(text, text[], text, text[], interval), pgslo.announce(text, text[], text, interval),
    pgslo.guard_healthy(text, text[], text, text[], anyelement), pgslo.unhealthy(text, text[], anyelement), pgslo.is_current(text, text[]),
    pgslo.guard_rows(text, text[], text, text[], regtype), pgslo.told_by_rows(text, text[], interval, regtype),
    pgslo.planned(text, interval), pgslo.planned_fine(text, text[], interval), pgslo.planned_flags(text, text[], interval, anyelement),
    pgslo.planned_null(text, text[], interval, anyelement), pgslo.planned_batches(text, text[], interval, anyelement),
    pgslo.among(date, date[], boolean[]), pgslo.among(timestamp, timestamp[], boolean[]), pgslo.among(timestamptz, timestamptz[], boolean[]),
    pgslo.among(bigint, bigint[], boolean[]), pgslo.among(numeric, numeric[], boolean[]), pgslo.among(text, text[], boolean[]),
    pgslo.among(date, interval, timestamp[], boolean[]), pgslo.among(timestamp, interval, timestamp[], boolean[]),
    pgslo.among(timestamptz, interval, timestamptz[], boolean[]),
    pgslo.is_healthy(date, date[], boolean), pgslo.is_healthy(timestamp, timestamp[], boolean),
    pgslo.is_healthy(timestamptz, timestamptz[], boolean), pgslo.is_healthy(smallint, smallint[], boolean),
    pgslo.is_healthy(integer, integer[], boolean), pgslo.is_healthy(bigint, bigint[], boolean),
    pgslo.is_healthy(numeric, numeric[], boolean), pgslo.is_healthy(text, text[], boolean), pgslo.is_healthy(uuid, uuid[], boolean),
    pgslo.announce_row(text, text[], text, interval), pgslo.read_any(anyelement, text, text[], text, interval),
    pgslo.read(anyelement, date, text, text[], text, interval),
    pgslo.read(anyelement, timestamp, text, text[], text, interval),
    pgslo.read(anyelement, timestamptz, text, text[], text, interval),
    pgslo.read(anyelement, bigint, text, text[], text, interval),
    pgslo.read(anyelement, numeric, text, text[], text, interval),
    pgslo.read(anyelement, text, text, text[], text, interval),
    pgslo.read(anyelement, date, interval, text, text[], text, interval),
    pgslo.read(anyelement, timestamp, interval, text, text[], text, interval),
    pgslo.read(anyelement, timestamptz, interval, text, text[], text, interval),
    pgslo.read_hit(anyelement, date, text, text[], text, interval),
    pgslo.read_hit(anyelement, timestamp, text, text[], text, interval),
    pgslo.read_hit(anyelement, timestamptz, text, text[], text, interval),
    pgslo.read_hit(anyelement, bigint, text, text[], text, interval),
    pgslo.read_hit(anyelement, numeric, text, text[], text, interval),
    pgslo.read_hit(anyelement, text, text, text[], text, interval),
    pgslo.read_hit(anyelement, date, interval, text, text[], text, interval),
    pgslo.read_hit(anyelement, timestamp, interval, text, text[], text, interval),
    pgslo.read_hit(anyelement, timestamptz, interval, text, text[], text, interval),
    pgslo.hit(date, text, text[], interval), pgslo.hit(timestamp, text, text[], interval), pgslo.hit(timestamptz, text, text[], interval),
    pgslo.hit(bigint, text, text[], interval),
    pgslo.hit(numeric, text, text[], interval), pgslo.hit(text, text, text[], interval),
    pgslo.hit(date, interval, text, text[], interval), pgslo.hit(timestamp, interval, text, text[], interval),
    pgslo.hit(timestamptz, interval, text, text[], interval) TO PUBLIC;
GRANT EXECUTE ON FUNCTION pgslo_catalog.schema_difference(regclass, jsonb) TO PUBLIC;
GRANT EXECUTE ON FUNCTION pgslo.healthy_batches(text, text[], timestamptz), pgslo.readiness(text), pgslo.ready(text),
    pgslo.snapshot_diff(text, text), pgslo.snapshot_query(text), pgslo.check_own_rights(name) TO PUBLIC;
GRANT EXECUTE ON FUNCTION pgslo.float_text(double precision), pgslo.float_text(real) TO PUBLIC;
-- Views call these with the rights of whoever reads. They compute from their arguments and from PostgreSQL's catalogues alone.
GRANT EXECUTE ON FUNCTION pgslo_catalog.may_see_values(name), pgslo_catalog.may_know_all(name), pgslo_catalog.may_read(oid, name),
    pgslo_catalog.may_see_figures(oid, text[], jsonb, name),
    pgslo_catalog.break_said(pgslo_catalog.rule_break, name), pgslo_catalog.is_missed(pgslo_catalog.rule, bigint, bigint),
    pgslo_catalog.metric(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], text, float8) TO PUBLIC;
GRANT EXECUTE ON FUNCTION pgslo_catalog.may_see(pgslo_catalog.snapshot, name) TO PUBLIC;
GRANT SELECT ON pgslo.snapshot, pgslo.task_run, pgslo_catalog.own_salt TO PUBLIC;
GRANT SELECT ON pgslo.pause, pgslo.quarantine_size, pgslo.incident, pgslo.rule, pgslo.status, pgslo.batch,
    pgslo.verdict, pgslo.page, pgslo.reader, pgslo.incident_event, pgslo.budget, pgslo.measured_precision,
    pgslo.column_history, pgslo.assertion, pgslo.assertion_dependency, pgslo.metric TO PUBLIC;
GRANT SELECT ON pgslo.ml_metric, pgslo.prediction_problem, pgslo.post_processing TO PUBLIC;

-- A restore without privileges gives everybody EXECUTE.
DO $pgslo$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proacl IS NULL AND pg_has_role(p.proowner, 'USAGE')
          -- What guarded views call with a row is everybody's: it reads nothing.
          AND (SELECT t.typtype FROM pg_type t WHERE t.oid = p.proargtypes[0]) IS DISTINCT FROM 'c'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END
$pgslo$;

-- Functions that were made again have lost what owners of tables need.
SELECT pgslo_catalog.admit_owner(p.oid::regprocedure)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pgslo_gen' AND p.proowner <> n.nspowner AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
  AND pg_has_role(p.proowner, 'USAGE');
