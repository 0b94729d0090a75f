-- Learned bounds: the baseline of a column, kept with the profile of each batch.
-- A profile is written once, when its batch closes, with all that history says about it: judging reads one row a column.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_batch(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint,
    present jsonb
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $pgslo$
DECLARE
    phase numeric;
    mine pgslo_catalog.profile;
    before pgslo_catalog.profile;
    presents float8[];
    counts jsonb[];
    patterns jsonb[];
    alike text[];
    weight float8;
    apart float8[];
    shapes float8[];
    grid float8[];
    one record;
    scale float8;
    crowded text[];
    turns numeric[];
    known jsonb;
    thinned record;
    share float8;
    is_unique boolean;
    former jsonb := pgslo_catalog.put_by((profile_batch.definition).definition_id, (profile_batch.batch).name);
BEGIN
    SELECT w.within, w.at_level INTO thinned FROM pgslo_catalog.sample_within(definition.definition_id, sample, level) AS w;
    PERFORM pgslo_catalog.describe_batch(definition, batch, w.columns, w.sample, thinned.at_level, w.present)
    FROM pgslo_catalog.with_parts(definition, batch, columns, thinned.within, present) AS w;
    PERFORM pgslo_catalog.keep_vectors(definition, batch, columns, thinned.within);
    PERFORM pgslo_catalog.note_ages(definition, batch, former);
    IF pgslo_catalog.is_holiday(profile_batch.definition.holidays, profile_batch.batch.place) THEN
        UPDATE pgslo_catalog.profile p SET baseline = false
        WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name;
    END IF;
    phase := pgslo_catalog.phase_of(definition.definition_id, batch.place);
    -- A lasting change is not a fault: 5 missed batches in a row, or 3 of this batch's phase, are the baseline of later ones.
    -- Without the latter, each Monday would miss after a Monday that was a holiday, and never be learned.
    UPDATE pgslo_catalog.profile p
    SET baseline = true
    FROM (
        SELECT q.column_name, array_agg(q.batch) AS batches
        FROM (
            SELECT true AS in_a_row, b.name
            FROM (
                SELECT b.name FROM pgslo_catalog.batch b
                WHERE b.definition_id = profile_batch.definition.definition_id AND b.place < profile_batch.batch.place ORDER BY b.place DESC LIMIT 5
            ) b
            UNION ALL
            SELECT false, b.name FROM pgslo_catalog.batch b
            WHERE b.definition_id = profile_batch.definition.definition_id
              AND b.place IN (profile_batch.batch.place - phase, profile_batch.batch.place - 2 * phase, profile_batch.batch.place - 3 * phase)
        ) l
        JOIN pgslo_catalog.profile q ON q.definition_id = profile_batch.definition.definition_id AND q.batch = l.name
        GROUP BY q.column_name, l.in_a_row
        HAVING count(*) = CASE WHEN l.in_a_row THEN 5 ELSE 3 END AND NOT bool_or(q.baseline)
    ) a
    WHERE p.definition_id = profile_batch.definition.definition_id AND p.column_name = a.column_name AND p.batch = ANY (a.batches) AND NOT p.baseline;
    PERFORM pgslo_catalog.take_lasting(definition.definition_id, batch.place, phase);
    crowded := pgslo_catalog.crowded_before(definition.definition_id, batch.place, phase);
    turns := CASE WHEN crowded IS NULL THEN ARRAY(SELECT batch.place - g.turn * phase FROM generate_series(1, 8) AS g (turn))
        ELSE ARRAY(SELECT b.place FROM pgslo_catalog.batch b
                   WHERE b.definition_id = profile_batch.definition.definition_id AND b.name = ANY (crowded[1:2])) END;

    FOR mine IN SELECT p.* FROM pgslo_catalog.profile p
        WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name LOOP
        SELECT p.* INTO before FROM pgslo_catalog.profile p
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place
        ORDER BY p.place DESC LIMIT 1;
        CONTINUE WHEN before.definition_id IS NULL;
        IF before.noise IS NULL THEN
            -- The baseline at the time of so old a batch is not kept any more: that of the oldest batch after it is the closest.
            mine.learned_from := before.learned_from + before.baseline::integer;
            SELECT p.* INTO before FROM pgslo_catalog.profile p
            WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place > mine.place AND p.noise IS NOT NULL
            ORDER BY p.place LIMIT 1;
            CONTINUE WHEN before.definition_id IS NULL;
            before.learned_from := mine.learned_from;
            before.baseline := false;
            before.surprise := NULL;
        ELSE
            before := pgslo_catalog.as_first_seen(before, mine.stage, mine.age);
        END IF;

        -- The baseline is that before the last batch, and the last batch.
        mine.usual := coalesce(before.usual, '{}');
        mine.usual_shapes := coalesce(before.usual_shapes, '{}');
        mine.usual_grid := before.usual_grid;
        mine.tolerated := before.tolerated;
        mine.tolerated_below := before.tolerated_below;
        mine.learned_from := before.learned_from;
        -- Values that occur once, and not in the batch before: none of them is usual, and each is as new as any.
        is_unique := mine.sampled >= 50 AND before.sampled >= 50 AND round(mine.summary[5] * mine.sampled) = 1
            AND round(before.summary[5] * before.sampled) = 1
            AND NOT mine.common ?| ARRAY(SELECT jsonb_object_keys(before.common)) AND NOT mine.common ?| ARRAY(SELECT jsonb_object_keys(mine.usual));
        IF is_unique THEN
            mine.usual := '{}';
        END IF;
        IF before.baseline THEN
            mine.learned_from := before.learned_from + 1;
            IF before.surprise IS NOT NULL THEN
                mine.tolerated := pgslo_catalog.widened(before.tolerated, before.surprise, 1, before.learned_from < 24);
                mine.tolerated_below := pgslo_catalog.widened(before.tolerated_below, before.surprise, -1, before.learned_from < 24);
            END IF;
            IF before.sampled > 0 AND before.column_name <> '*' THEN
                weight := greatest(1 / 7.0, 1.0 / mine.learned_from);
                IF is_unique IS NOT TRUE THEN
                    mine.usual := pgslo_catalog.mixed(mine.usual, before.sampled, before.common, weight);
                END IF;
                mine.usual_shapes := pgslo_catalog.mixed(mine.usual_shapes, before.sampled, before.shapes, weight);
                IF before.grid IS NOT NULL THEN
                    IF mine.usual_grid IS NULL THEN
                        mine.usual_grid := before.grid || before.grid[1] || before.grid[41];
                    ELSE
                        SELECT array_agg((1 - weight) * o.x + weight * n.x ORDER BY o.i) INTO grid
                        FROM unnest(mine.usual_grid[1:41]) WITH ORDINALITY AS o (x, i) JOIN unnest(before.grid) WITH ORDINALITY AS n (x, i) USING (i);
                        mine.usual_grid := grid
                            || least(before.grid[1], mine.usual_grid[42] + 0.02 * (grid[1] - mine.usual_grid[42]))
                            || greatest(before.grid[41], mine.usual_grid[43] - 0.02 * (mine.usual_grid[43] - grid[41]));
                    END IF;
                END IF;
            END IF;
        END IF;

        IF NOT before.baseline AND before.surprise IS NOT NULL THEN
            -- Deviations that occurred three times in the last 28 batches are tolerated, although they were not marked as false alarms.
            -- A lasting one counts once.
            SELECT array_agg(greatest(coalesce(a.x, 0), t.above) ORDER BY t.i), array_agg(greatest(coalesce(b.x, 0), t.below) ORDER BY t.i)
            INTO mine.tolerated, mine.tolerated_below
            FROM (
                SELECT u.i, coalesce((array_agg(u.above ORDER BY u.above DESC))[3], 0) AS above,
                       coalesce((array_agg(u.below ORDER BY u.below DESC))[3], 0) AS below
                FROM (
                    SELECT s.surprise, NOT s.baseline AND lag(s.baseline, 1, true) OVER (ORDER BY s.place) AS is_new
                    FROM (
                        SELECT l AS last FROM pgslo_catalog.profile l
                        WHERE l.definition_id = mine.definition_id AND l.column_name = mine.column_name AND l.place < mine.place
                        ORDER BY l.place DESC LIMIT 28
                    ) AS h
                    CROSS JOIN LATERAL pgslo_catalog.as_first_seen(h.last, mine.stage, mine.age) AS s
                ) r
                CROSS JOIN LATERAL unnest(
                    pgslo_catalog.on_side(r.surprise, 1, before.tolerated),
                    pgslo_catalog.on_side(r.surprise, -1, before.tolerated_below)) WITH ORDINALITY AS u (above, below, i)
                WHERE r.is_new
                GROUP BY u.i
            ) t
            LEFT JOIN unnest(before.tolerated) WITH ORDINALITY AS a (x, i) USING (i)
            LEFT JOIN unnest(before.tolerated_below) WITH ORDINALITY AS b (x, i) USING (i);
        END IF;

        IF mine.column_name <> '*' THEN
            mine.moves := pgslo_catalog.moving(mine);
            IF mine.moves = 'one value' OR mine.summary[3] = 0 THEN
                mine.summary[53] := pgslo_catalog.steps_away(mine);
            END IF;
        END IF;

        IF mine.sampled > 0 AND mine.common <> '{}' AND mine.column_name <> '*' AND mine.learned_from > 0 THEN
            -- The last batch, and the last two of the same phase: one of these may have been a holiday. Of a day with far more rows
            -- than others, the last two such days.
            SELECT array_agg(o.sampled::float8), array_agg(o.common), array_agg(o.shapes), array_agg(o.batch)
            INTO presents, counts, patterns, alike
            FROM (
                (SELECT s.* FROM pgslo_catalog.profile p
                 CROSS JOIN LATERAL pgslo_catalog.as_first_seen(p, mine.stage, mine.age) AS s
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place AND s.baseline AND s.sampled > 0
                   AND s.common IS NOT NULL
                 ORDER BY p.place DESC LIMIT 1)
                UNION ALL
                (SELECT s.* FROM pgslo_catalog.profile p
                 CROSS JOIN LATERAL pgslo_catalog.as_first_seen(p, mine.stage, mine.age) AS s
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND s.sampled > 0
                   AND s.common IS NOT NULL
                   AND (crowded IS NOT NULL OR s.baseline) AND p.place = ANY (turns)
                 ORDER BY p.place DESC LIMIT 2)
            ) o;
            IF presents IS NOT NULL THEN
                IF is_unique THEN
                    -- The result of shares_apart() where no value is in two batches: 200 values at most are kept of each.
                    share := least(mine.sampled, 200)::float8 / mine.sampled;
                    apart := ARRAY[share, 0, 1.0 / mine.sampled, share, asin(sqrt(1.0 / mine.sampled)), 0, 0.65 * share];
                ELSE
                    -- A value that grows slowly, such as a new release, is reported once and not again while it grows.
                    known := mine.usual;
                    IF NOT before.baseline AND before.summary[41] < 0.05 THEN
                        known := (SELECT coalesce(jsonb_object_agg(j.key, 0), '{}') FROM jsonb_object_keys(before.common) AS j (key)) || known;
                    END IF;
                    apart := pgslo_catalog.shares_apart(mine.sampled, mine.common, known, presents, counts);
                END IF;
                shapes := pgslo_catalog.shares_apart(mine.sampled, mine.shapes, mine.usual_shapes, presents, patterns);
                mine.summary[41] := apart[1];
                mine.summary[42] := shapes[1];
                mine.summary[43] := apart[2];
                mine.summary[44] := apart[3];
                mine.summary[45] := apart[4];
                mine.summary[46] := apart[5];
                mine.summary[47] := apart[6];
                mine.summary[48] := shapes[4];
                mine.noise[45] := apart[7];
                IF mine.grid IS NOT NULL AND mine.usual_grid IS NOT NULL THEN
                    -- An average that fades is never exactly zero: a tenth of the range that was seen at least.
                    scale := coalesce(
                        nullif(greatest(mine.usual_grid[39] - mine.usual_grid[3], (mine.usual_grid[43] - mine.usual_grid[42]) / 10), 0),
                        nullif(greatest(abs(mine.usual_grid[1]), abs(mine.usual_grid[41])), 0), 1);
                    IF mine.summary[27] IS NULL THEN
                        -- Of times, which are in hours, a minute at least.
                        scale := greatest(scale, 1 / 60.0);
                    END IF;
                    SELECT min(d.distribution) AS distribution,
                           CASE WHEN min(d.moved) >= 1e6 * scale THEN 1e6 WHEN min(d.moved) < 1e-6 * scale THEN 0
                                ELSE min(d.moved) / scale END AS moved
                    INTO one
                    FROM (
                        SELECT mine.usual_grid[1:41] AS grid
                        UNION ALL
                        SELECT s.grid FROM pgslo_catalog.profile p
                        CROSS JOIN LATERAL pgslo_catalog.as_first_seen(p, mine.stage, mine.age) AS s
                        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.batch = ANY (alike) AND s.grid IS NOT NULL
                    ) r
                    CROSS JOIN LATERAL pgslo_catalog.grids_apart(mine.grid, CASE
                        -- How far numbers that grow have grown is a matter of their mean: here, whether they lie as ever.
                        WHEN mine.moves = 'grows' THEN
                            ARRAY(SELECT g.x - r.grid[21] + mine.grid[21] FROM unnest(r.grid) WITH ORDINALITY AS g (x, i) ORDER BY g.i)
                        ELSE r.grid END) d;
                    mine.summary[50] := one.distribution;
                    mine.summary[51] := one.moved;
                    mine.summary[52] := (SELECT avg((g.x < mine.usual_grid[42] OR g.x > mine.usual_grid[43])::integer) FROM unnest(mine.grid) AS g (x));
                END IF;
            END IF;
        END IF;
        UPDATE pgslo_catalog.profile p
        SET summary = mine.summary, noise = mine.noise, usual = mine.usual, usual_shapes = mine.usual_shapes, usual_grid = mine.usual_grid,
            tolerated = mine.tolerated, tolerated_below = mine.tolerated_below, learned_from = mine.learned_from, moves = mine.moves
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.batch = mine.batch;
    END LOOP;
    PERFORM pgslo_catalog.compare_with_earlier(definition.definition_id, batch.name, batch.place);
    PERFORM pgslo_catalog.expect(definition.definition_id, batch.name, batch.place, phase, crowded);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS
    'Store the profile of a batch, with its comparison with history.';

CREATE OR REPLACE FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $pgslo$
    -- Row by row: the largest share of values equal to those of the same entities in one of the last 14 batches.
    WITH whole AS MATERIALIZED (
        SELECT p.batch, p.entities, p.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile p
        WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.place < compare_with_earlier.place
        ORDER BY p.place DESC LIMIT 14
    ), paired AS MATERIALIZED (
        -- Positions of common entities, once a batch.
        SELECT w.batch, array_agg(m.i::integer ORDER BY m.i) AS mine, array_agg(o.i::integer ORDER BY m.i) AS others
        FROM whole w
        CROSS JOIN LATERAL unnest(w.entities) WITH ORDINALITY AS o (entity, i)
        JOIN (
            SELECT e.entity, e.i FROM pgslo_catalog.profile p CROSS JOIN LATERAL unnest(p.entities) WITH ORDINALITY AS e (entity, i)
            WHERE p.definition_id = compare_with_earlier.definition_id AND p.column_name = '*' AND p.batch = compare_with_earlier.batch
        ) m USING (entity)
        GROUP BY w.batch
    ), mine AS MATERIALIZED (
        -- Appending nothing takes an array out of where long values are kept, once and not at every element.
        SELECT c.column_name, c.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile c
        WHERE c.definition_id = compare_with_earlier.definition_id AND c.batch = compare_with_earlier.batch AND c.column_name <> '*'
          AND c.sampled > 0 AND c.prefix IS NOT NULL
    ), theirs AS MATERIALIZED (
        SELECT o.column_name, o.batch, o.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile o
        WHERE o.definition_id = compare_with_earlier.definition_id AND o.batch IN (SELECT p.batch FROM paired p) AND o.prefix IS NOT NULL
    ), equal AS (
        SELECT c.column_name, r.share, r.compared
        FROM mine c
        JOIN theirs o USING (column_name)
        JOIN paired p USING (batch)
        CROSS JOIN LATERAL (
            SELECT avg((x.mine = x.other)::integer) AS share, count(*) AS compared
            FROM (SELECT c.prefix[i.mine] AS mine, o.prefix[i.other] AS other FROM unnest(p.mine, p.others) AS i (mine, other)) x
            WHERE x.mine <> 0 OR x.other <> 0
        ) r
        UNION ALL
        -- Whole rows, whatever their key is now: of 256 different ones of least hash, as far as both batches have them.
        SELECT '*', r.share, r.compared
        FROM whole w
        JOIN pgslo_catalog.profile c ON c.definition_id = compare_with_earlier.definition_id AND c.batch = compare_with_earlier.batch AND c.column_name = '*'
        CROSS JOIN LATERAL (
            SELECT avg((o.hash IS NOT NULL)::integer) AS share, count(*) AS compared
            FROM unnest(c.prefix) AS m (hash) LEFT JOIN unnest(w.prefix) AS o (hash) USING (hash)
            WHERE cardinality(w.prefix) < 256 OR m.hash <= w.prefix[256]
        ) r
        WHERE cardinality(w.prefix) > 0
    ), best AS MATERIALIZED (
        -- Once: the planner, which expects one row of profile, would compare all columns again for each.
        SELECT q.column_name, max(q.share) FILTER (WHERE q.compared >= 8) AS share FROM equal q GROUP BY q.column_name
    )
    UPDATE pgslo_catalog.profile p
    SET summary[49] = coalesce(e.share, 0)
    FROM best e
    WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch = compare_with_earlier.batch AND p.column_name = e.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.compare_with_earlier(bigint, text, numeric) IS
    'Note the number of values of a batch that equal those of an earlier one, entity by entity, and of rows.';
