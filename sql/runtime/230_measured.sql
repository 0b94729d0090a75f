-- The value of a rule over a batch or the table.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.calls_strange_code(definition pgslo_catalog.definition) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN (
        SELECT s.called_by IS NOT NULL
        FROM pg_class c CROSS JOIN LATERAL pgslo_catalog.strange_code(c.oid, c.relowner) AS s
        WHERE c.oid = (calls_strange_code.definition).relation);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.calls_strange_code(pgslo_catalog.definition) IS
    'Return whether reading the table of a definition runs code of a role that has not the rights of the table''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_data(definition pgslo_catalog.definition) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest timestamptz;
    last_place numeric;
BEGIN
    IF (newest_data.definition).age_of IS NOT NULL THEN
        PERFORM pgslo_catalog.pin_table(newest_data.definition, (newest_data.definition).age_of);
        IF pgslo_catalog.calls_strange_code(newest_data.definition) THEN
            RETURN NULL;
        END IF;
        EXECUTE format('SELECT pgslo_gen.%I()', (newest_data.definition).age_of) INTO newest;
        RETURN newest;
    END IF;
    last_place := pgslo_catalog.last_place(newest_data.definition);
    -- When the newest batch was last written to: corrections of an old one make a table no fresher, and neither does one in
    -- the future or one without rows.
    RETURN (
        SELECT f.written_at FROM pgslo_catalog.fragment f
        WHERE f.definition_id = (newest_data.definition).definition_id AND f.operation NOT IN ('delete', 'truncate')
          AND f.place <= last_place AND NOT (f.operation IN ('merged', 'recounted') AND f.rows <= 0)
          -- Rows that were removed since count for nothing.
          AND 0 < (SELECT sum(g.rows) FROM pgslo_catalog.fragment g
                   WHERE g.definition_id = f.definition_id AND g.batch = f.batch AND g.fragment_id >= f.fragment_id)
        ORDER BY f.place DESC, f.fragment_id DESC LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_data(pgslo_catalog.definition) IS 'Return the time of a table''s newest data; NULL when it cannot be determined.';

CREATE OR REPLACE FUNCTION pgslo_catalog.age(definition pgslo_catalog.definition, OUT value float8, OUT said text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    newest timestamptz := pgslo_catalog.newest_data(age.definition);
    seconds float8;
BEGIN
    IF newest = '-infinity' THEN
        -- The rule says that a table without data misses it. Its age is that of the epoch: a value has to be finite.
        value := extract(epoch FROM clock_timestamp());
        said := format('the table has no data; the objective is an age of at most %s', pgslo_catalog.span_shown((age.definition).max_age));
        RETURN;
    END IF;
    seconds := extract(epoch FROM clock_timestamp() - newest);
    IF newest IS NULL THEN
        said := CASE WHEN (age.definition).age_of IS NOT NULL AND pgslo_catalog.calls_strange_code(age.definition)
            THEN 'reading the table would run code of another role'
            ELSE 'the table has no data whose age could be determined' END;
    ELSIF seconds < -300 THEN
        -- A clock that jumped, or a time of another zone: in any case it is not an age.
        said := format('the newest data is of %s UTC, which is still to come', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'));
    ELSE
        value := greatest(seconds, 0);
        said := format('the newest data is of %s UTC; the objective is an age of at most %s', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.span_shown((age.definition).max_age));
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.age(pgslo_catalog.definition) IS
    'Return the age of a table''s newest data in seconds, with a sentence; NULL when it cannot be determined.';

CREATE OR REPLACE FUNCTION pgslo_catalog.measured(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value float8,
    OUT rows bigint, OUT said text, OUT example text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    measure jsonb := (measured.rule).measure;
    form text := measure ->> 'form';
    low float8 := coalesce((measured.rule).warn_low, (measured.rule).reject_low);
    high float8 := coalesce((measured.rule).warn_high, (measured.rule).reject_high);
    found record;
    whole numeric;
    reference float8;
    looked_at bigint;
    failed bigint;
BEGIN
    rows := (measured.batch).rows;
    IF (measured.batch).place = '-Infinity' AND form NOT IN ('age', 'table_rows', 'table_share', 'query') THEN
        said := CASE (measured.batch).name
            WHEN 'unknown' THEN 'the batch of these rows cannot be determined: its expression raises an error'
            ELSE 'the batch of these rows cannot be determined: its expression has no value' END;
        RETURN;
    END IF;
    IF form NOT IN ('rows', 'age', 'failures', 'table_rows', 'table_share', 'query') AND rows <= 0 THEN
        said := 'the batch has no rows';
        RETURN;
    END IF;
    looked_at := pgslo_catalog.unmeasured(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('%s came or went while columns could not be measured', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    looked_at := pgslo_catalog.raising(measured.batch, measure);
    IF looked_at > 0 THEN
        said := format('the expression of the rule raises an error for %s', pgslo_catalog.rows_shown(looked_at));
        RETURN;
    END IF;
    CASE
        WHEN form IN ('rows', 'present', 'share', 'passing', 'statistic') THEN
            value := pgslo_catalog.statistic(measured.batch, measure);
            CASE form
                WHEN 'rows' THEN
                    said := CASE
                        WHEN value IS NULL THEN 'rows were removed that are older than the counts of pgslo'
                        ELSE format('%s; %s', pgslo_catalog.rows_shown(value::numeric), pgslo_catalog.wanted(low, high, 1, '')) END;
                WHEN 'statistic' THEN
                    said := CASE
                        WHEN value IS NULL THEN format('the %2$s of column "%1$s" cannot be determined: it has no values, or too many rows for a sample',
                                                       measure ->> 'column', measure ->> 'said')
                        ELSE format('the %s of %s is %s; %s', measure ->> 'said', pgslo_catalog.rows_shown(rows), pgslo_catalog.shown(value::numeric),
                                    pgslo_catalog.wanted(low, high, 1, '')) END;
                ELSE
                    whole := CASE WHEN measure ->> 'among' IS NULL THEN rows ELSE ((measured.batch).tallies ->> (measure ->> 'among'))::numeric END;
                    said := CASE
                        WHEN value IS NULL THEN 'the batch has no rows that it is about'
                        ELSE format('%s of %s %s; %s', pgslo_catalog.share_shown(value::numeric, 1), pgslo_catalog.rows_shown(whole),
                                    CASE form WHEN 'passing' THEN 'pass' ELSE 'are ' || coalesce(measure ->> 'said', 'not null') END,
                                    pgslo_catalog.wanted(low, high, 100, ' %')) END;
            END CASE;
        WHEN form = 'change' THEN
            -- avg() adds up squares as well, which may overflow.
            SELECT sum(s.value) / nullif(count(s.value), 0) AS mean, count(*) AS batches INTO found
            FROM pgslo_catalog.earlier(measured.batch, measure ->> 'relative_to') AS e
            CROSS JOIN LATERAL (SELECT pgslo_catalog.statistic(e, measure -> 'of') AS value) AS s;
            value := pgslo_catalog.statistic(measured.batch, measure -> 'of');
            reference := found.mean;
            IF value IS NULL THEN
                said := 'the batch has no value that could be compared';
            ELSIF reference IS NULL THEN
                value := NULL;
                said := 'no earlier batch exists to compare with';
            ELSE
                said := CASE WHEN measure ->> 'said' = 'rows' THEN pgslo_catalog.rows_shown(value::numeric)
                             ELSE format('the %s is %s', measure ->> 'said', pgslo_catalog.shown(value::numeric)) END
                    || format(' after %s in %s', pgslo_catalog.shown(reference::numeric),
                        CASE measure ->> 'relative_to' WHEN 'previous' THEN 'the previous batch' WHEN 'same weekday' THEN 'the batch of a week before'
                             ELSE format('the mean of the %s before', CASE found.batches WHEN 1 THEN 'batch' ELSE found.batches || ' batches' END) END);
                IF measure ->> 'ratio' = 'true' THEN
                    value := pgslo_catalog.quotient(value, reference);
                    said := said || '; ' || pgslo_catalog.wanted(low, high, 1, ' times as many');
                ELSIF measure ->> 'absolute' = 'true' THEN
                    value := value - reference;
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 1, ''), 'is ', 'is a change of ');
                ELSE
                    value := pgslo_catalog.quotient(value - reference, abs(reference));
                    said := said || '; ' || replace(pgslo_catalog.wanted(low, high, 100, ' %'), 'is ', 'is a change of ');
                END IF;
                IF value IS NULL THEN
                    said := said || ', and nothing is a share of zero';
                END IF;
            END IF;
        WHEN form = 'distance' THEN
            SELECT d.value, d.said INTO value, said FROM pgslo_catalog.distance(measured.definition, measured.batch, measure) AS d;
            IF value IS NOT NULL THEN
                said := said || '; ' || pgslo_catalog.wanted(low, high, 1, '');
            END IF;
        WHEN form = 'unchanged' THEN
            value := pgslo_catalog.unchanged(measured.batch, measure ->> 'column', high::integer + 1);
            said := CASE
                WHEN value IS NULL THEN format('no profile of column "%s" exists', measure ->> 'column')
                WHEN value > high THEN format('column "%s" has the same values in at least %s batches in a row; the objective is at most %s',
                                              measure ->> 'column', value + 1, high + 1)
                ELSE format('column "%s" has the same values in %s; the objective is at most %s', measure ->> 'column',
                            CASE value WHEN 0 THEN '1 batch' ELSE value + 1 || ' batches in a row' END, high + 1) END;
        WHEN form = 'batches' THEN
            value := 0;
            said := 'it came';
        WHEN form = 'age' THEN
            SELECT a.value, a.said INTO value, said FROM pgslo_catalog.age(measured.definition) AS a;
        WHEN form IN ('table_rows', 'table_share', 'query') THEN
            SELECT w.value, w.said INTO value, said FROM pgslo_catalog.measured_whole(measured.definition, (measured.batch).name, measure, low, high) AS w;
        WHEN form = 'segments' THEN
            SELECT s.value, s.said INTO value, said FROM pgslo_catalog.segments_found(measured.batch, measured.rule) AS s;
        WHEN form = 'failures' THEN
            PERFORM pgslo_catalog.pin_table(measured.definition, measure ->> 'function');
            EXECUTE format('SELECT f.rows, f.failed, f.example FROM pgslo_gen.%I($1) AS f', measure ->> 'function')
            INTO looked_at, failed, example USING (measured.batch).name;
            value := failed;
            IF looked_at = 0 AND rows > 0 THEN
                value := NULL;
                said := 'the table has no rows of this batch that it is about';
            ELSE
                said := format('%s %s; %s', pgslo_catalog.shown(failed), measure ->> CASE failed WHEN 1 THEN 'said_of_one' ELSE 'said' END,
                    pgslo_catalog.wanted(NULL, high, 1, ''));
            END IF;
            -- A key or another value of a row, which not everybody may see.
            example := CASE WHEN failed > 0 THEN example END;
        ELSE
            said := format('this version of the runtime does not know how to measure "%s"', form);
    END CASE;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.measured(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Return the value of a batch for a rule, with a sentence, and the first violation; NULL when it cannot be determined.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_age(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule;
    newest pgslo_catalog.batch;
    found record;
BEGIN
    IF (judge_age.definition).max_age IS NULL THEN
        RETURN;
    END IF;
    SELECT b.* INTO newest FROM pgslo_catalog.batch b
    WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL
      AND b.place <= pgslo_catalog.last_place(judge_age.definition)
      AND b.rows > 0
    ORDER BY b.place DESC LIMIT 1;
    IF newest.name IS NULL THEN
        SELECT b.* INTO newest FROM pgslo_catalog.batch b
        WHERE b.definition_id = (judge_age.definition).definition_id AND b.closed_at IS NOT NULL ORDER BY b.place DESC LIMIT 1;
    END IF;
    FOREACH rule IN ARRAY ARRAY(
        SELECT r FROM pgslo_catalog.rule r
        WHERE r.definition_id = (judge_age.definition).definition_id AND r.scope = 'table' AND r.retired_at IS NULL AND newest.name IS NOT NULL)
    LOOP
        found := pgslo_catalog.age(judge_age.definition);
        PERFORM pgslo_catalog.give_verdict(rule, newest,
                                           CASE WHEN found.value IS NULL THEN 'unknown' WHEN found.value > rule.warn_high THEN 'missed' ELSE 'met' END,
            found.value, NULL, rule.warn_high, NULL, found.said);
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_age(pgslo_catalog.definition) IS
    'Compare the age of a table''s newest data with its objective, under the name of the newest batch.';
