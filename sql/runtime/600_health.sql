-- Which batches were healthy as of a time.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.unhealthy(definition_id bigint, columns text[], as_of timestamptz, within interval DEFAULT NULL)
RETURNS TABLE (
    incident_id bigint, rule text, columns_hit text[], batch text, place numeric, is_open boolean, is_of_former_key boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT DISTINCT ON (r.rule_id, m.batch) i.incident_id, r.name, r.columns, m.batch, m.place, coalesce(i.over_at IS NULL, true), m.is_of_former_key
    FROM pgslo_catalog.rule r
    JOIN pgslo_catalog.missed_batch m ON m.rule_id = r.rule_id
    LEFT JOIN pgslo_catalog.stored_batch s ON s.missed_id = m.missed_id
    LEFT JOIN pgslo_catalog.incident i ON i.incident_id = coalesce(m.incident_id, s.incident_id)
    WHERE r.definition_id = unhealthy.definition_id
      AND m.missed_at <= unhealthy.as_of AND (m.ended_at IS NULL OR m.ended_at > unhealthy.as_of)
      AND (unhealthy.columns IS NULL OR r.columns = '{}' OR r.columns && unhealthy.columns)
      AND (unhealthy.within IS NULL OR pgslo_catalog.is_within(m.place, unhealthy.within))
    ORDER BY r.rule_id, m.batch, m.missed_at
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unhealthy(bigint, text[], timestamptz, interval) IS
    'Return stored batches that missed a rule about some columns, as known at a time, or those within a time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.healthy(
    definition pgslo_catalog.definition, columns text[], as_of timestamptz, within interval DEFAULT NULL
)
RETURNS TABLE (batch text, place numeric, rows bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN QUERY
    WITH spoilt AS MATERIALIZED (
        SELECT u.* FROM pgslo_catalog.unhealthy((healthy.definition).definition_id, healthy.columns, healthy.as_of, healthy.within) AS u)
    SELECT b.name, b.place, b.rows
    FROM pgslo_catalog.batch b
    WHERE b.definition_id = (healthy.definition).definition_id AND b.closed_at <= healthy.as_of AND b.rows > 0
      AND b.place <= pgslo_catalog.last_place(healthy.definition)
      -- Rows of a batch of a former key may be in any.
      AND NOT EXISTS (SELECT FROM spoilt u WHERE u.batch = b.name OR u.is_of_former_key)
    ORDER BY b.place;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.healthy(pgslo_catalog.definition, text[], timestamptz, interval) IS
    'Return batches that were evaluated by a time and had no violation about these columns, as was known then, or older ones.';

CREATE OR REPLACE FUNCTION pgslo.healthy_batches(definition text, columns text[] DEFAULT NULL, as_of timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (batch text, place numeric, rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    unknown text;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = healthy_batches.definition;
    -- A role that may not know of it is shown the same as one that misspells it.
    IF NOT FOUND OR pgslo_catalog.may_know(target.name, pgslo_catalog.caller()) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', healthy_batches.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    SELECT min(c.name) INTO unknown FROM unnest(healthy_batches.columns) AS c (name)
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target.relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped);
    IF unknown IS NOT NULL THEN
        -- A misspelt column would have no incident, and every batch would be healthy.
        RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column "%s" of %s does not exist', unknown, target.name);
    END IF;
    RETURN QUERY SELECT h.* FROM pgslo_catalog.healthy(target, healthy_batches.columns, healthy_batches.as_of) AS h;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.healthy_batches(text, text[], timestamptz) IS
    'Return batches that were evaluated by a time, without a missed rule about these columns, or any, as known then.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unhealthy_said(definition_id bigint, columns text[], batches text[], passes_suspects boolean DEFAULT false)
RETURNS TABLE (name text, said text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- The newest batch of each rule, and how many others there are.
    SELECT w.names[1],
           format('%s of batch %s, which %s rule "%s", %s stored%s (incident %s, %s)',
               CASE WHEN w.rows[1] IS NULL THEN 'rows' ELSE pgslo_catalog.rows_shown(w.rows[1]) END,
               w.names[1], CASE WHEN w.is_suspect THEN 'is suspect by' ELSE 'misses' END, w.rule, CASE w.rows[1] WHEN 1 THEN 'is' ELSE 'are' END,
               CASE cardinality(w.names)
                   WHEN 1 THEN ''
                   WHEN 2 THEN ', and so is 1 more batch'
                   ELSE format(', and so are %s more batches', cardinality(w.names) - 1) END,
               w.incident_id, CASE WHEN w.is_open THEN 'open' ELSE 'over' END)
    FROM (
        SELECT u.rule, max(u.incident_id) AS incident_id, bool_or(u.is_open) AS is_open, bool_and(coalesce(i.is_suspect, false)) AS is_suspect,
               array_agg(u.batch ORDER BY u.place DESC, u.batch) AS names, array_agg(b.rows ORDER BY u.place DESC, u.batch) AS rows
        FROM pgslo_catalog.unhealthy(unhealthy_said.definition_id, unhealthy_said.columns, clock_timestamp()) AS u
        LEFT JOIN pgslo_catalog.batch b ON b.definition_id = unhealthy_said.definition_id AND b.name = u.batch
        LEFT JOIN pgslo_catalog.incident i ON i.incident_id = u.incident_id
        WHERE NOT (unhealthy_said.passes_suspects AND coalesce(i.is_suspect, false)) AND (u.columns_hit = '{}') = (unhealthy_said.columns = '{}')
          AND (unhealthy_said.batches IS NULL OR u.batch = ANY (unhealthy_said.batches) OR u.is_of_former_key)
        GROUP BY u.rule
    ) w
    ORDER BY w.rule
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unhealthy_said(bigint, text[], text[], boolean) IS
    'Return stored batches, of these or of all, that miss a rule about columns, or, without columns, about the whole table: one sentence a rule.';
