-- Learned bounds: what is usual, and what was to be expected of each number of a batch.
-- A profile is written once, when its batch closes, with all that history says about it: judging reads one row a column.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.shares_apart(present float8, counted jsonb, usual jsonb, presents float8[], counts jsonb[]) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
BEGIN
    RETURN (
        -- new, lost, largest change, half the sum of changes, growth, decline, noise of the sum; each against what it resembles most:
        -- what is usual, or one of up to three batches.
        WITH every AS MATERIALIZED (
            SELECT e.key, max(e.share) FILTER (WHERE e.of = 0) AS now, max(e.share) FILTER (WHERE e.of = 1) AS usual,
                   coalesce(max(e.share) FILTER (WHERE e.of = 0), 0) AS a, coalesce(max(e.share) FILTER (WHERE e.of = 1), 0) AS b,
                   CASE WHEN cardinality(presents) >= 1 THEN coalesce(max(e.share) FILTER (WHERE e.of = 2), 0) END AS c,
                   CASE WHEN cardinality(presents) >= 2 THEN coalesce(max(e.share) FILTER (WHERE e.of = 3), 0) END AS d,
                   CASE WHEN cardinality(presents) >= 3 THEN coalesce(max(e.share) FILTER (WHERE e.of = 4), 0) END AS f
            FROM (
                SELECT 0 AS of, j.key, j.value::float8 / present AS share FROM jsonb_each(counted) j
                UNION ALL SELECT 1, j.key, j.value::float8 FROM jsonb_each(usual) j
                UNION ALL SELECT 1 + r.i, j.key, j.value::float8 / r.present
                FROM unnest(presents, counts) WITH ORDINALITY AS r (present, counted, i) CROSS JOIN LATERAL jsonb_each(r.counted) j
            ) e
            GROUP BY e.key
        )
        SELECT ARRAY[
            coalesce(sum(e.now) FILTER (WHERE e.usual IS NULL), 0),
            coalesce(sum(e.usual) FILTER (WHERE e.now IS NULL AND e.usual * present >= 3), 0),
            least(max(abs(e.a - e.b)), max(abs(e.a - e.c)), max(abs(e.a - e.d)), max(abs(e.a - e.f))),
            least(sum(abs(e.a - e.b)), sum(abs(e.a - e.c)), sum(abs(e.a - e.d)), sum(abs(e.a - e.f))) / 2,
            -- As arc sine of the root: a rare value's share goes less far by chance than a common one's.
            greatest(max(asin(sqrt(least(e.a, 1))) - asin(sqrt(least(greatest(e.b, e.c, e.d, e.f), 1)))), 0),
            greatest(max(asin(sqrt(least(e.b, e.c, e.d, e.f, 1))) - asin(sqrt(least(e.a, 1)))), 0),
            0.4 * coalesce(sum(sqrt(e.usual * (1 - e.usual))) FILTER (WHERE e.usual < 1), 0) / sqrt(present)
        ]
        FROM every e
    );
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.shares_apart(float8, jsonb, jsonb, float8[], jsonb[]) IS 'How the shares of values differ from the usual ones and from those of batches that this one may be like.';

CREATE OR REPLACE FUNCTION pgslo_catalog.grids_apart(now float8[], reference float8[], OUT distribution float8, OUT moved float8)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
BEGIN
    WITH point AS MATERIALIZED (SELECT n.x, r.x AS y, n.i FROM unnest(now) WITH ORDINALITY AS n (x, i) JOIN unnest(reference) WITH ORDINALITY AS r (x, i) USING (i)),
    step AS MATERIALIZED (
        SELECT max(a) AS a, max(b) AS b, lag(max(a), 1, 0::bigint) OVER w AS a_below, lag(max(b), 1, 0::bigint) OVER w AS b_below
        FROM (
            SELECT u.v, sum(u.a) OVER (ORDER BY u.v) AS a, sum(u.b) OVER (ORDER BY u.v) AS b
            FROM (SELECT p.x AS v, 1 AS a, 0 AS b FROM point p UNION ALL SELECT p.y, 0, 1 FROM point p) u
        ) c
        GROUP BY c.v
        WINDOW w AS (ORDER BY c.v)
    )
    SELECT (SELECT least(max(abs(s.a - s.b)), max(abs(s.a_below - s.b_below))) / 41.0 FROM step s),
           -- avg() adds up squares as well, which may overflow.
           (SELECT sum(abs(p.x - p.y)) / count(*) FROM point p WHERE p.i BETWEEN 2 AND 40)
    INTO grids_apart.distribution, grids_apart.moved;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.grids_apart(float8[], float8[]) IS 'The largest distance of two distributions (Kolmogorov and Smirnov''s) and how far values moved (Wasserstein''s), from their quantiles.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mixed(usual jsonb, present float8, counted jsonb, weight float8) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_object_agg(m.key, m.share), '{}')
        FROM (
            SELECT e.key, sum(e.share)::float4 AS share
            FROM (
                SELECT j.key, (1 - weight) * j.value::float8 AS share FROM jsonb_each(usual) j
                UNION ALL SELECT j.key, weight * j.value::float8 / present FROM jsonb_each(counted) j
            ) e
            GROUP BY e.key
            HAVING sum(e.share) >= 1e-6
            ORDER BY sum(e.share) DESC LIMIT 1000
        ) m
    );
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mixed(jsonb, float8, jsonb, float8) IS 'Usual shares of values once one more batch is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Batches that are an hour apart follow the day, those that are a day apart the week.
    SELECT CASE WHEN g.gap BETWEEN 3000 AND 4200 THEN 86400 WHEN g.gap BETWEEN 77760 AND 95040 THEN 604800 END
    FROM (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least(d.gap, 1e12)::float8) AS gap
        FROM (
            SELECT lag(p.place) OVER (ORDER BY p.place DESC) - p.place AS gap
            FROM pgslo_catalog.profile p
            WHERE p.definition_id = phase_of.definition_id AND p.column_name = '*' AND p.place <= phase_of.place
            ORDER BY p.place DESC LIMIT 28
        ) d
    ) g
    WHERE phase_of.place > 100000000
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.phase_of(bigint, numeric) IS 'Seconds after which batches are alike again, by how far they are apart; NULL when no such period is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.on_side(surprise float8[], side integer, tolerated float8[]) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_variable
BEGIN
    RETURN (
        -- Rows (40) have a direction: a promotion does not excuse a day without half of them. What comes now and then comes both ways.
        SELECT array_agg(CASE WHEN n.i <> 40 OR n.x * side >= 0 THEN abs(n.x)
                              ELSE least(abs(n.x), 3 * greatest(coalesce(tolerated[n.i], 0), 2.5)) END ORDER BY n.i)
        FROM (SELECT coalesce(u.x, 0) AS x, u.i FROM unnest(surprise) WITH ORDINALITY AS u (x, i)) AS n);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.on_side(float8[], integer, float8[]) IS
    'How much surprise upwards (side 1) or downwards (-1) each surprise stands for, by what is tolerated there.';

CREATE OR REPLACE FUNCTION pgslo_catalog.widened(tolerated float8[], surprise float8[], side integer, is_young boolean) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
#variable_conflict use_variable
BEGIN
    RETURN (
        SELECT array_agg(greatest(
                   -- Shocks of a share fade by half in a month of days, what is ordinary in a year; means and rows vary far by nature.
                   CASE WHEN o.x >= 7.5 AND u.i IN (1, 2, 4, 5, 6, 11, 12, 13, 14, 15, 16, 27, 28, 29, 30, 31, 35, 36, 37, 39)
                        THEN greatest(7.5 * 0.9981, o.x * 0.977) ELSE o.x * 0.9981 END,
                   CASE WHEN is_young THEN u.x ELSE least(u.x, 3 * greatest(o.x, 2.5)) END) ORDER BY u.i)
        FROM unnest(pgslo_catalog.on_side(surprise, side, tolerated)) WITH ORDINALITY AS u (x, i)
        LEFT JOIN unnest(tolerated) WITH ORDINALITY AS m (x, i) USING (i)
        CROSS JOIN LATERAL (SELECT coalesce(m.x, 0) AS x) AS o);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.widened(float8[], float8[], integer, boolean) IS
    'How much surprise is tolerated after a batch, upwards (side 1) or downwards (-1); while little is known, all that happened.';

CREATE OR REPLACE FUNCTION pgslo_catalog.profile_batch(definition pgslo_catalog.definition, batch pgslo_catalog.batch, columns text[], sample text[], level smallint, present jsonb) RETURNS void
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
    former jsonb := pgslo_catalog.put_by((profile_batch.definition).definition_id, (profile_batch.batch).name);
BEGIN
    PERFORM pgslo_catalog.describe_batch(definition, batch, columns, sample, level, present);
    PERFORM pgslo_catalog.note_ages(definition, batch, former);
    IF pgslo_catalog.is_holiday(profile_batch.definition.holidays, profile_batch.batch.place) THEN
        UPDATE pgslo_catalog.profile p SET baseline = false WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name;
    END IF;
    phase := pgslo_catalog.phase_of(definition.definition_id, batch.place);
    -- What lasts is no fault any more: 5 missed batches in a row, or 3 of this batch's phase, are what later ones are compared with.
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

    FOR mine IN SELECT p.* FROM pgslo_catalog.profile p WHERE p.definition_id = profile_batch.definition.definition_id AND p.batch = profile_batch.batch.name LOOP
        SELECT p.* INTO before FROM pgslo_catalog.profile p
        WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place
        ORDER BY p.place DESC LIMIT 1;
        CONTINUE WHEN before.definition_id IS NULL;
        before := pgslo_catalog.as_first_seen(before, mine.stage, mine.age);

        -- What was usual before the last batch, and the last batch, make what is usual now.
        mine.usual := coalesce(before.usual, '{}');
        mine.usual_shapes := coalesce(before.usual_shapes, '{}');
        mine.usual_grid := before.usual_grid;
        mine.tolerated := before.tolerated;
        mine.tolerated_below := before.tolerated_below;
        mine.learned_from := before.learned_from;
        IF before.baseline THEN
            mine.learned_from := before.learned_from + 1;
            IF before.surprise IS NOT NULL THEN
                mine.tolerated := pgslo_catalog.widened(before.tolerated, before.surprise, 1, before.learned_from < 24);
                mine.tolerated_below := pgslo_catalog.widened(before.tolerated_below, before.surprise, -1, before.learned_from < 24);
            END IF;
            IF before.sampled > 0 AND before.column_name <> '*' THEN
                weight := greatest(1 / 7.0, 1.0 / mine.learned_from);
                mine.usual := pgslo_catalog.mixed(mine.usual, before.sampled, before.common, weight);
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
            -- What happened three times in the last 28 batches is tolerated, although nobody said that it was a false alarm.
            -- What lasts happened once.
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
            -- The last batch, and the last two of the same phase: one of these may have been a holiday.
            SELECT array_agg(o.sampled::float8), array_agg(o.common), array_agg(o.shapes), array_agg(o.batch)
            INTO presents, counts, patterns, alike
            FROM (
                (SELECT s.* FROM pgslo_catalog.profile p
                 CROSS JOIN LATERAL pgslo_catalog.as_first_seen(p, mine.stage, mine.age) AS s
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND p.place < mine.place AND s.baseline AND s.sampled > 0
                 ORDER BY p.place DESC LIMIT 1)
                UNION ALL
                (SELECT s.* FROM pgslo_catalog.profile p
                 CROSS JOIN LATERAL pgslo_catalog.as_first_seen(p, mine.stage, mine.age) AS s
                 WHERE p.definition_id = mine.definition_id AND p.column_name = mine.column_name AND s.baseline AND s.sampled > 0
                   AND p.place = ANY (ARRAY(SELECT mine.place - g.turn * phase FROM generate_series(1, 8) AS g (turn)))
                 ORDER BY p.place DESC LIMIT 2)
            ) o;
            IF presents IS NOT NULL THEN
                apart := pgslo_catalog.shares_apart(mine.sampled, mine.common, mine.usual, presents, counts);
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
    PERFORM pgslo_catalog.expect(definition.definition_id, batch.name, batch.place, phase);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.profile_batch(pgslo_catalog.definition, pgslo_catalog.batch, text[], text[], smallint, jsonb) IS 'Writes the profile of a batch, with all that history says about it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.compare_with_earlier(definition_id bigint, batch text, place numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
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
        WHERE c.definition_id = compare_with_earlier.definition_id AND c.batch = compare_with_earlier.batch AND c.column_name <> '*' AND c.sampled > 0 AND c.prefix IS NOT NULL
    ), theirs AS MATERIALIZED (
        SELECT o.column_name, o.batch, o.prefix || '{}'::integer[] AS prefix FROM pgslo_catalog.profile o
        WHERE o.definition_id = compare_with_earlier.definition_id AND o.batch IN (SELECT p.batch FROM paired p) AND o.prefix IS NOT NULL
    ), equal AS (
        SELECT c.column_name, avg((x.mine = x.other)::integer) FILTER (WHERE x.mine <> 0 OR x.other <> 0) AS share, count(*) FILTER (WHERE x.mine <> 0 OR x.other <> 0) AS compared
        FROM mine c
        JOIN theirs o USING (column_name)
        JOIN paired p USING (batch)
        CROSS JOIN LATERAL (SELECT c.prefix[i.mine] AS mine, o.prefix[i.other] AS other FROM unnest(p.mine, p.others) AS i (mine, other)) x
        GROUP BY c.column_name, p.batch
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
    )
    UPDATE pgslo_catalog.profile p
    SET summary[49] = coalesce(e.share, 0)
    FROM (SELECT q.column_name, max(q.share) FILTER (WHERE q.compared >= 8) AS share FROM equal q GROUP BY q.column_name) e
    WHERE p.definition_id = compare_with_earlier.definition_id AND p.batch = compare_with_earlier.batch AND p.column_name = e.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.compare_with_earlier(bigint, text, numeric) IS 'Notes how many values of a batch are those of an earlier one, entity by entity, and how many rows.';

CREATE OR REPLACE FUNCTION pgslo_catalog.expect(definition_id bigint, batch text, place numeric, phase numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- Six predictions: the median of 28 batches, the last one, the last two and the median of four of the same phase, the last with its trend.
    -- The closest counts: a batch that any of them foresaw is no surprise.
    WITH mine AS MATERIALIZED (
        SELECT p.column_name, p.summary, p.noise, p.sampled, p.rows, p.level, p.moves, p.stage, p.age FROM pgslo_catalog.profile p
        WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.learned_from >= 10
    ), past AS MATERIALIZED (
        SELECT m.column_name, h.place, h.summary, h.noise, h.sampled, h.rows, h.back, NULL::bigint AS turn, h.level = m.level AS alike
        FROM mine m
        CROSS JOIN LATERAL (
            -- A young batch is compared with what others were when they were as young.
            SELECT p.place, coalesce(f.summary, p.summary) AS summary, coalesce(f.noise, p.noise) AS noise, coalesce(f.sampled, p.sampled) AS sampled,
                   coalesce(f.rows, p.rows) AS rows, coalesce(f.level, p.level) AS level, row_number() OVER (ORDER BY p.place DESC) AS back
            FROM pgslo_catalog.profile p
            LEFT JOIN pgslo_catalog.first_profile f
                ON m.stage = 1 AND f.definition_id = p.definition_id AND f.column_name = p.column_name AND f.batch = p.batch AND f.age <= m.age
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.place < expect.place AND coalesce(f.baseline, p.baseline)
            ORDER BY p.place DESC LIMIT 28
        ) h
        UNION ALL
        SELECT m.column_name, NULL, h.summary, NULL, NULL, NULL, NULL, h.turn, NULL
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT coalesce(f.summary, p.summary) AS summary, row_number() OVER (ORDER BY p.place DESC) AS turn
            FROM pgslo_catalog.profile p
            LEFT JOIN pgslo_catalog.first_profile f
                ON m.stage = 1 AND f.definition_id = p.definition_id AND f.column_name = p.column_name AND f.batch = p.batch AND f.age <= m.age
            WHERE p.definition_id = expect.definition_id AND p.column_name = m.column_name AND coalesce(f.baseline, p.baseline)
              AND p.place = ANY (ARRAY(SELECT expect.place - g.turn * expect.phase FROM generate_series(1, 8) AS g (turn)))
            ORDER BY p.place DESC LIMIT 4
        ) h
    ), number AS MATERIALIZED (
        SELECT h.column_name, u.i, h.back, h.turn, u.noise, u.x AS share, CASE WHEN k.name IN ('null', 'duplicate') THEN h.rows ELSE h.sampled END AS counted,
               CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.x, 0), 1))) ELSE u.x END AS x
        FROM past h
        CROSS JOIN LATERAL unnest(h.summary, h.noise) WITH ORDINALITY AS u (x, noise, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        WHERE u.x IS NOT NULL
    ), trend AS MATERIALIZED (
        SELECT d.column_name, d.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY d.step) AS step
        FROM (SELECT n.column_name, n.i, n.x - lead(n.x) OVER (PARTITION BY n.column_name, n.i ORDER BY n.back) AS step FROM number n WHERE n.back <= 8) d
        GROUP BY d.column_name, d.i
    ), predicted AS MATERIALIZED (
        SELECT n.column_name, n.i, percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.back IS NOT NULL) AS median,
               max(n.x) FILTER (WHERE n.back = 1) AS last, max(n.x) FILTER (WHERE n.turn = 1) AS same, max(n.x) FILTER (WHERE n.turn = 2) AS same_before,
               CASE WHEN count(n.turn) = 4 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY n.x) FILTER (WHERE n.turn IS NOT NULL) END AS same_median,
               coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY n.noise) FILTER (WHERE n.noise IS NOT NULL), 0) AS noise,
               (sum(n.share * n.counted) + 0.5) / (sum(n.counted) + 1) AS pooled
        FROM number n
        GROUP BY n.column_name, n.i
    ), pair AS MATERIALIZED (
        -- What batches were at their first closing, and what became of them.
        SELECT m.column_name, u.i, f.baseline, a.first, a.last, u.noise,
               CASE WHEN k.kind IN ('share', 'rise', 'log', 'apart') THEN 0.02 ELSE 0 END AS least
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT s.batch, s.summary, s.baseline FROM pgslo_catalog.first_profile s
            WHERE s.definition_id = expect.definition_id AND s.column_name = m.column_name AND s.place < expect.place
            ORDER BY s.place DESC LIMIT 28
        ) f
        JOIN pgslo_catalog.profile p ON p.definition_id = expect.definition_id AND p.column_name = m.column_name AND p.batch = f.batch
        CROSS JOIN LATERAL unnest(f.summary, p.summary, p.noise) WITH ORDINALITY AS u (first, last, noise, i)
        JOIN pgslo_catalog.summary_kinds() k ON k.ordinal = u.i
        CROSS JOIN LATERAL (
            SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.first, 0), 1))) ELSE u.first END AS first,
                   CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(u.last, 0), 1))) ELSE u.last END AS last
        ) a
        WHERE m.stage > 0 AND (u.first IS NOT NULL OR u.last IS NOT NULL)
    ), own AS MATERIALIZED (
        SELECT q.column_name, q.i, min(q.first) FILTER (WHERE q.baseline) AS least, max(q.first) FILTER (WHERE q.baseline) AS most,
               avg((abs(q.first - q.last) > greatest(q.noise, q.least) OR (q.first IS NULL) <> (q.last IS NULL))::integer) >= 0.5 AS maturing
        FROM pair q GROUP BY q.column_name, q.i
    ), change AS MATERIALIZED (
        -- What is told by comparison changes with what is compared.
        SELECT o.column_name, o.i, o.least, o.most, coalesce(o.maturing, false) OR o.i > 40 AND w.maturing AS maturing
        FROM own o
        JOIN (SELECT n.column_name, bool_or(n.maturing) FILTER (WHERE n.i <= 40) AS maturing FROM own n GROUP BY n.column_name) w USING (column_name)
    ), gap AS MATERIALIZED (
        -- How many batches ago the last one was that is compared with: what grows has grown that often.
        SELECT l.column_name, l.pauses, 1 + (
                   SELECT count(*) FROM pgslo_catalog.profile q
                   WHERE q.definition_id = expect.definition_id AND q.column_name = l.column_name AND q.place < expect.place AND q.place > l.place
               ) AS batches
        FROM (
            -- And how long ago that is, by the time from batch to batch.
            SELECT d.column_name, max(d.place) AS place,
                   least(expect.place - max(d.place), 1e12)::float8 / greatest(percentile_cont(0.5) WITHIN GROUP (ORDER BY d.pause), 1e-6) AS pauses
            FROM (
                SELECT h.column_name, h.place, least(h.place - lead(h.place) OVER (PARTITION BY h.column_name ORDER BY h.back), 1e12)::float8 AS pause
                FROM past h WHERE h.back <= 8
            ) d
            GROUP BY d.column_name
        ) l
    ), before AS MATERIALIZED (
        -- What grows goes on from the batch before, though that one is not compared with: ids that jumped stay where they are.
        SELECT m.column_name, b.summary
        FROM mine m
        CROSS JOIN LATERAL (
            SELECT q.summary, q.baseline FROM pgslo_catalog.profile q
            WHERE q.definition_id = expect.definition_id AND q.column_name = m.column_name AND q.place < expect.place
            ORDER BY q.place DESC LIMIT 1
        ) b
        WHERE m.moves = 'grows' AND NOT b.baseline
    ), sampled_alike AS MATERIALIZED (
        SELECT h.column_name, avg(h.alike::integer) > 0.7 AS alike FROM past h GROUP BY h.column_name
    ), deviation AS MATERIALIZED (
        SELECT p.column_name, exp(p.median) AS typical FROM predicted p WHERE p.i = 19
    ), told AS (
        SELECT m.column_name, k.ordinal, k.kind, c.prediction, p.median, v.x, w.spread, f.size, m.summary[k.ordinal] AS share
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        JOIN predicted p ON p.column_name = m.column_name AND p.i = k.ordinal
        LEFT JOIN trend t ON t.column_name = m.column_name AND t.i = k.ordinal
        LEFT JOIN deviation d ON d.column_name = m.column_name
        LEFT JOIN gap g ON g.column_name = m.column_name
        LEFT JOIN before b ON b.column_name = m.column_name
        -- The step of a number that says where values lie, in a column that grows.
        CROSS JOIN LATERAL (SELECT CASE WHEN m.moves = 'grows' AND k.ordinal IN (17, 18, 20, 21, 22, 23, 24, 25, 26) THEN t.step END AS step) grown
        LEFT JOIN trend way ON way.column_name = m.column_name AND way.i = 17
        LEFT JOIN change y ON y.column_name = m.column_name AND y.i = k.ordinal AND y.maturing AND m.stage = 2
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind IN ('share', 'rise') THEN asin(sqrt(least(greatest(m.summary[k.ordinal], 0), 1))) ELSE m.summary[k.ordinal] END AS x) v
        CROSS JOIN LATERAL (
            SELECT r.prediction FROM (VALUES (p.median), (p.last), (p.same), (p.same_before), (p.same_median), (p.last + t.step),
                                               (p.last + t.step * g.batches), (p.last + grown.step * g.pauses),
                                               (b.summary[k.ordinal] + grown.step),
                                               -- Between the first closing and the last, anything between the two.
                                               (CASE WHEN y.maturing THEN least(greatest(v.x, least(y.least, p.median, p.last, p.same)),
                                                                                greatest(y.most, p.median, p.last, p.same)) END)) AS r (prediction)
            WHERE r.prediction IS NOT NULL
            ORDER BY CASE WHEN k.kind IN ('rise', 'apart') THEN greatest(v.x - r.prediction, 0) ELSE abs(v.x - r.prediction) END LIMIT 1
        ) c
        CROSS JOIN LATERAL (
            SELECT CASE
                -- The chance of the rows that were to be expected: few that came would excuse themselves.
                WHEN k.name = 'rows' THEN greatest(0.3 * coalesce(nullif(p.noise, 0), m.noise[40]), 0.02)
                -- Of a share that is near nothing, or near everything, chance moves less: a tenth of a row a batch at least is taken to be usual.
                WHEN k.kind IN ('share', 'rise') THEN greatest(0.02, greatest(p.noise, m.noise[k.ordinal])
                    * least(1, 2 * sqrt(greatest(0.1, least(p.pooled, 1 - p.pooled) * CASE WHEN k.name IN ('null', 'duplicate') THEN m.rows ELSE m.sampled END))))
                WHEN k.name = 'steps' THEN 1
                -- What grows by a step may grow by some.
                ELSE greatest(p.noise, m.noise[k.ordinal], abs(grown.step), CASE k.kind
                    WHEN 'length' THEN CASE WHEN k.name = 'decimals' THEN 0.02 ELSE 0.25 END
                    WHEN 'mean' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'quantile' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    WHEN 'extreme' THEN 0.02 * coalesce(d.typical, 0) + 1e-6 * abs(p.median) + 1e-9
                    ELSE 0.02 END)
                END AS spread
        ) w
        -- Shares: three rows and three percent at least, or it is not told.
        CROSS JOIN LATERAL (
            SELECT greatest(CASE WHEN k.name = 'duplicate' THEN 1.5 ELSE 2.5 END / greatest(
                -- Shares of numbers and of times are of those alone.
                CASE WHEN k.ordinal BETWEEN 27 AND 37 OR k.ordinal IN (54, 55) THEN m.rows * (1 - coalesce(m.summary[1], 0)) * greatest(m.summary[15], m.summary[16], 0)
                     ELSE m.rows END, 1), 0.025) AS size) f
        JOIN sampled_alike a ON a.column_name = m.column_name
        WHERE m.summary[k.ordinal] IS NOT NULL
          -- A number that moves with the batch is round now and then.
          AND (k.name NOT IN ('tens', 'hundreds') OR abs(coalesce(way.step, 0)) <= coalesce(d.typical, 0))
          -- What depends on the size of the sample compares with samples of the same part only.
          AND (a.alike OR k.ordinal <> ALL (ARRAY[3, 4, 5, 6, 8, 9, 10, 20, 26, 33, 34, 41, 43, 44, 45, 46, 47, 49, 52]))
    ), surprised AS MATERIALIZED (
        SELECT t.column_name, t.ordinal, t.prediction, t.spread,
               CASE
                   WHEN t.kind IN ('share', 'rise') AND abs(t.share - sin(least(greatest(t.prediction, 0), 1.5707963)) ^ 2) < t.size THEN 0
                   WHEN t.ordinal = 40 AND abs(t.x - t.prediction) < 0.18 THEN 0
                   WHEN t.kind IN ('rise', 'apart') THEN greatest(t.x - t.prediction, 0) / t.spread
                   ELSE (t.x - t.prediction) / t.spread
               END AS surprise
        FROM told t
    )
    UPDATE pgslo_catalog.profile p
    SET expected = a.expected, spread = a.spread, surprise = a.surprise, maturing = CASE WHEN p.stage > 0 THEN a.maturing END
    FROM (
        SELECT m.column_name, array_agg(s.prediction ORDER BY k.ordinal) AS expected, array_agg(s.spread ORDER BY k.ordinal) AS spread, array_agg(s.surprise ORDER BY k.ordinal) AS surprise,
               array_agg(coalesce(c.maturing, false) ORDER BY k.ordinal) AS maturing
        FROM mine m
        CROSS JOIN pgslo_catalog.summary_kinds() k
        LEFT JOIN change c ON c.column_name = m.column_name AND c.i = k.ordinal
        LEFT JOIN surprised s ON s.column_name = m.column_name AND s.ordinal = k.ordinal
        GROUP BY m.column_name
    ) a
    WHERE p.definition_id = expect.definition_id AND p.batch = expect.batch AND p.column_name = a.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.expect(bigint, text, numeric, numeric) IS 'Notes what history foresaw of each number of a batch, and how far off it is.';
