-- Learned bounds in words: values and bounds as people read them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.amount_in(value float8, kind text, digits integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    exact numeric;
BEGIN
    IF amount_in.value IS NULL THEN
        RETURN 'none';
    ELSIF amount_in.kind IN ('share', 'rise') THEN
        RETURN trim_scale(round((100 * least(greatest(amount_in.value, 0), 1))::numeric, amount_in.digits - 2))::text || ' %';
    ELSIF abs(amount_in.value) >= 1e15 OR amount_in.value = 0 THEN
        RETURN amount_in.value::text;
    END IF;
    exact := trim_scale(round(amount_in.value::numeric, greatest(0, amount_in.digits - 1 - floor(log(abs(amount_in.value)))::integer)));
    IF abs(exact) < 10000 THEN
        RETURN exact::text;  -- A year has no comma.
    END IF;
    RETURN CASE WHEN exact < 0 THEN '-' ELSE '' END || to_char(trunc(abs(exact)), 'FM999,999,999,999,999,990')
        || coalesce(substring(exact::text COLLATE "C" FROM '[.][0-9]+$'), '');
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.amount_in(float8, text, integer) IS 'Return a number of a summary for display, with a number of digits; shares as per cent.';

CREATE OR REPLACE FUNCTION pgslo_catalog.amount(value float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$ SELECT pgslo_catalog.amount_in(value, kind, 3) $pgslo$;
COMMENT ON FUNCTION pgslo_catalog.amount(float8, text) IS 'Format a number of a summary: three digits, shares as per cent.';

CREATE OR REPLACE FUNCTION pgslo_catalog.span_of(value float8, low float8, high float8, kind text, step float8, digits integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    first float8 := span_of.low;
    last float8 := span_of.high;
    first_text text;
    last_text text;
BEGIN
    -- Of values that have steps, those that are within.
    IF span_of.step > 0 AND ceil(first / span_of.step) <= floor(last / span_of.step) THEN
        first := ceil(first / span_of.step) * span_of.step;
        last := floor(last / span_of.step) * span_of.step;
    END IF;
    -- Beside the value, next to nothing is nothing.
    IF span_of.kind NOT IN ('share', 'rise', 'log') THEN
        first := CASE WHEN abs(first) < 1e-4 * abs(span_of.value) THEN 0 ELSE first END;
        last := CASE WHEN abs(last) < 1e-4 * abs(span_of.value) THEN 0 ELSE last END;
    END IF;
    IF span_of.kind = 'share' AND first <= 0 AND last >= 1 THEN
        RETURN NULL;
    END IF;
    -- Minus zero is zero.
    first_text := pgslo_catalog.amount_in(first + 0.0::float8, span_of.kind, span_of.digits);
    last_text := pgslo_catalog.amount_in(last + 0.0::float8, span_of.kind, span_of.digits);
    RETURN CASE
        WHEN first IS NULL THEN 'at most ' || last_text
        WHEN first_text = last_text THEN first_text
        ELSE first_text || ' to ' || last_text
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.span_of(float8, float8, float8, text, float8, integer) IS
    'Return the range between two bounds, in words; NULL where they exclude nothing.';

CREATE OR REPLACE FUNCTION pgslo_catalog.learned_said(
    name text, words text, kind text, value float8, low float8, high float8, step float8, fact text, condition text
) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    digits integer := 3;
    now text := pgslo_catalog.amount_in(learned_said.value, learned_said.kind, 3);
    within text;
    said text;
BEGIN
    -- The fewest digits that distinguish a value from the bound that it misses.
    WHILE digits < 15
          AND (learned_said.value > learned_said.high AND now = pgslo_catalog.amount_in(learned_said.high, learned_said.kind, digits)
               OR learned_said.value < learned_said.low AND now = pgslo_catalog.amount_in(learned_said.low, learned_said.kind, digits)) LOOP
        digits := digits + 1;
        now := pgslo_catalog.amount_in(learned_said.value, learned_said.kind, digits);
    END LOOP;
    within := pgslo_catalog.span_of(learned_said.value, learned_said.low, learned_said.high, learned_said.kind, learned_said.step, digits);
    said := CASE learned_said.name
        WHEN 'moved' THEN format('distribution moved by %s', now)
        WHEN 'steps' THEN format('%s steps from what may follow', now)
        ELSE format('%s: %s', learned_said.words, now) END || coalesce('; ' || within || ' expected', '') || coalesce(learned_said.condition, '');
    RETURN CASE WHEN learned_said.fact IS NULL THEN said ELSE format('%s (%s)', learned_said.fact, said) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.learned_said(text, text, text, float8, float8, float8, float8, text, text) IS
    'Return a number of a batch and its expected range, in words; the plain fact first, if one is given.';

CREATE OR REPLACE FUNCTION pgslo_catalog.path_said(
    part pgslo_catalog.profile, said text, value float8, low float8, high float8
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    name text := part.column_name;
BEGIN
    IF value BETWEEN coalesce(low, '-Infinity') AND coalesce(high, 'Infinity') IS NOT FALSE THEN
        RETURN format('%s: %s', name, said);
    ELSIF said LIKE 'null: %' AND value > high THEN
        RETURN format('%s: missing in %s of rows; at most %s expected', name,
            pgslo_catalog.amount(value, 'share'), pgslo_catalog.amount(high, 'share'));
    ELSIF said LIKE 'numbers: %' AND value < low THEN
        RETURN format('%s: no number in %s of rows that have it; at most %s expected', name,
            pgslo_catalog.amount(1 - value, 'share'), pgslo_catalog.amount(1 - low, 'share'));
    END IF;
    -- The plain fact first.
    RETURN CASE
        WHEN name = part.base || '.missing' AND part.sampled > 0 THEN format('%s: an element is NULL or NaN in %s of values (%s)', part.base,
            pgslo_catalog.amount(1 - coalesce((part.common ->> '0')::float8, 0) / part.sampled, 'share'), said)
        WHEN name = part.base || '.norm' AND part.summary[27] > sin(least(part.expected[27], 1.5)) ^ 2 + 0.03 THEN
            format('%s: norm 0 in %s of values (%s)', part.base, pgslo_catalog.amount(part.summary[27], 'share'), said)
        WHEN name = part.base || '.turned' AND part.summary[25] > part.expected[25] THEN
            format('%s: the vectors turned: cosine to the same entities'' last ones %s, of the worst twentieth at most %s; %s and %s expected (%s)', part.base,
                round(1 - part.summary[23]::numeric, 2), round(1 - part.summary[25]::numeric, 2),
                round(1 - part.expected[23]::numeric, 2), round(1 - part.expected[25]::numeric, 2), said)
        -- The number of steps is omitted where it is meaningless.
        ELSE format('%s: %s', name, regexp_replace(said, ' [(][^()]* steps from what may follow[^()]*[)]', '')) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.path_said(pgslo_catalog.profile, text, float8, float8, float8) IS
    'Return the sentence about a part of a column''s values, with its name.';
