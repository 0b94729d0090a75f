-- Pruning: tick() removes records older than a definition's history, in portions.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.history_from(definition pgslo_catalog.definition) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (history_from.definition).definition_id;
    last_place numeric := pgslo_catalog.last_place(history_from.definition);
BEGIN
    IF (history_from.definition).history_span IS NOT NULL THEN
        RETURN coalesce((
            SELECT b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.last_written_at >= clock_timestamp() - (history_from.definition).history_span
            ORDER BY b.place LIMIT 1), 'Infinity');
    END IF;
    RETURN (
        SELECT b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = id AND b.place <= last_place
        ORDER BY b.place DESC OFFSET coalesce((history_from.definition).history_batches, 10000) - 1 LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.history_from(pgslo_catalog.definition) IS
    'Return the place from which on batches keep their profiles and verdicts; NULL while all do.';

CREATE OR REPLACE FUNCTION pgslo_catalog.past_verdicts(definition pgslo_catalog.definition, history_from numeric) RETURNS TABLE (verdict_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH spans AS MATERIALIZED (
        SELECT max(greatest(r.span, (past_verdicts.definition).span, interval '28 days')) AS longest
        FROM pgslo_catalog.rule r WHERE r.definition_id = (past_verdicts.definition).definition_id AND r.retired_at IS NULL
    ), needed AS MATERIALIZED (
        -- What an open incident began with and went on with, and the batch that opened any.
        SELECT i.rule_id, i.opened_batch, CASE WHEN i.resolved_at IS NULL THEN i.opened_place END AS since
        FROM pgslo_catalog.incident i WHERE i.definition_id = (past_verdicts.definition).definition_id
    )
    SELECT v.verdict_id
    FROM pgslo_catalog.verdict v
    WHERE v.definition_id = (past_verdicts.definition).definition_id AND v.place < past_verdicts.history_from
      -- Budgets count them.
      AND coalesce((
          SELECT b.first_written_at FROM pgslo_catalog.batch b WHERE b.definition_id = v.definition_id AND b.name = v.batch
      ), v.judged_at) < clock_timestamp() - coalesce((SELECT s.longest FROM spans s), interval '28 days')
      AND NOT EXISTS (SELECT FROM needed n WHERE n.rule_id = v.rule_id AND (n.opened_batch = v.batch OR n.since <= v.place))
      AND NOT EXISTS (
          SELECT FROM pgslo_catalog.missed_batch m WHERE m.rule_id = v.rule_id AND m.batch = v.batch AND m.ended_at IS NULL)
      -- When batches come is learned from those that did not.
      AND NOT (v.verdict = 'missed' AND EXISTS (
          SELECT FROM pgslo_catalog.rule r WHERE r.rule_id = v.rule_id AND r.measure ->> 'form' = 'batches'))
    ORDER BY v.place
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.past_verdicts(pgslo_catalog.definition, numeric) IS
    'Return verdicts on batches before a place that no budget, incident or missed batch needs, oldest first.';

CREATE OR REPLACE FUNCTION pgslo_catalog.past_batches(definition pgslo_catalog.definition, history_from numeric) RETURNS TABLE (batch text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT p.batch
    FROM pgslo_catalog.profile p
    WHERE p.definition_id = (past_batches.definition).definition_id AND p.column_name = '*' AND p.place < past_batches.history_from
      -- With a profile that is still whole, others are compared.
      AND NOT EXISTS (
          SELECT FROM pgslo_catalog.profile q WHERE q.definition_id = p.definition_id AND q.batch = p.batch AND q.noise IS NOT NULL)
    ORDER BY p.place
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.past_batches(pgslo_catalog.definition, numeric) IS
    'Return batches before a place whose profiles are not used for comparisons, oldest first.';

CREATE OR REPLACE FUNCTION pgslo_catalog.prune_definition(
    definition pgslo_catalog.definition, at_most integer, OUT thinned integer, OUT profiles integer, OUT verdicts integer
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (prune_definition.definition).definition_id;
    whole_from numeric := pgslo_catalog.whole_from(prune_definition.definition);
    history_from numeric := pgslo_catalog.history_from(prune_definition.definition);
    past text[];
BEGIN
    thinned := pgslo_catalog.thin_profiles(prune_definition.definition, whole_from, prune_definition.at_most);
    profiles := 0;
    verdicts := 0;
    IF whole_from IS NULL OR history_from IS NULL THEN
        RETURN;
    END IF;
    history_from := least(whole_from, history_from);
    past := ARRAY(
        SELECT b.batch FROM pgslo_catalog.past_batches(prune_definition.definition, history_from) AS b
        LIMIT greatest(1, prune_definition.at_most / (1 + cardinality(pgslo_catalog.watched_columns(id)))));
    DELETE FROM pgslo_catalog.first_profile f WHERE f.definition_id = id AND f.batch = ANY (past);
    DELETE FROM pgslo_catalog.profile p WHERE p.definition_id = id AND p.batch = ANY (past);
    GET DIAGNOSTICS profiles = ROW_COUNT;
    DELETE FROM pgslo_catalog.verdict v
    WHERE v.verdict_id = ANY (ARRAY(
        SELECT o.verdict_id FROM pgslo_catalog.past_verdicts(prune_definition.definition, history_from) AS o LIMIT prune_definition.at_most));
    GET DIAGNOSTICS verdicts = ROW_COUNT;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.prune_definition(pgslo_catalog.definition, integer) IS
    'Thin old profiles of a definition, and remove profiles and verdicts that are older than its history: about this number of each.';

CREATE OR REPLACE FUNCTION pgslo_catalog.prune_due(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (prune_due.definition).definition_id;
    -- A tenth of a second or so.
    at_most constant integer := 1000;
    removed record;
BEGIN
    IF EXISTS (
        SELECT FROM pgslo_catalog.pruned u
        WHERE u.definition_id = id AND NOT u.is_behind AND u.pruned_at > clock_timestamp() - interval '10 minutes')
    THEN
        RETURN;
    END IF;
    removed := pgslo_catalog.prune_definition(prune_due.definition, at_most);
    INSERT INTO pgslo_catalog.pruned AS u (definition_id, pruned_at, is_behind)
    VALUES (id, clock_timestamp(), greatest(removed.thinned, removed.verdicts) >= at_most OR removed.profiles > 0)
    ON CONFLICT ON CONSTRAINT pruned_is_noted_once DO UPDATE SET pruned_at = excluded.pruned_at, is_behind = excluded.is_behind;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.prune_due(pgslo_catalog.definition) IS
    'Prune a portion of a definition''s state, if the last look left some or is ten minutes old.';

CREATE OR REPLACE FUNCTION pgslo_catalog.need_definition(name text) RETURNS pgslo_catalog.definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = need_definition.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', need_definition.name),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    RETURN target;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.need_definition(text) IS 'Return a definition by its name; an error if it does not exist.';

CREATE OR REPLACE FUNCTION pgslo.prune(definition text, at_most integer DEFAULT 5000)
RETURNS TABLE (thinned_profiles integer, removed_profiles integer, removed_verdicts integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_definition(prune.definition);
BEGIN
    -- tick() writes profiles.
    PERFORM pgslo_catalog.wait_for_turn('tick');
    PERFORM pgslo_catalog.remove_old_repairs(target);
    RETURN QUERY SELECT p.thinned, p.profiles, p.verdicts FROM pgslo_catalog.prune_definition(target, greatest(prune.at_most, 1)) AS p;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.prune(text, integer) IS
    'Thin old profiles of a table and remove profiles and verdicts older than its history, about this number of each. '
    'Call it until all counts are zero; tick() does the same in small portions.';

CREATE OR REPLACE FUNCTION pgslo.prunable(definition text)
RETURNS TABLE (thinned_profiles bigint, removed_profiles bigint, removed_verdicts bigint, whole_from text, history_from text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_definition(prunable.definition);
    id bigint := target.definition_id;
    whole numeric := pgslo_catalog.whole_from(target);
    kept numeric := least(whole, pgslo_catalog.history_from(target));
BEGIN
    IF pgslo_catalog.history_from(target) IS NULL THEN
        kept := NULL;
    END IF;
    thinned_profiles := (SELECT count(*) FROM pgslo_catalog.old_profiles(target, whole) AS o);
    -- With those of batches that are thin by then.
    removed_profiles := (
        SELECT count(*) FROM pgslo_catalog.profile p
        WHERE p.definition_id = id AND p.place < kept AND p.batch NOT IN (
            SELECT q.batch FROM pgslo_catalog.profile q
            WHERE q.definition_id = id AND q.place < kept AND q.noise IS NOT NULL
              AND (q.column_name, q.batch) NOT IN (SELECT o.column_name, o.batch FROM pgslo_catalog.old_profiles(target, whole) AS o)));
    removed_verdicts := (SELECT count(*) FROM pgslo_catalog.past_verdicts(target, kept) AS v WHERE kept IS NOT NULL);
    whole_from := (SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.place >= whole ORDER BY b.place LIMIT 1);
    history_from := (SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.place >= kept ORDER BY b.place LIMIT 1);
    RETURN NEXT;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.prunable(text) IS
    'Return the effect of pgslo.prune() on a table''s state, and the first batches with whole profiles, and with any.';
