-- Ages: a rule may say that a table without data misses it.
SET LOCAL search_path = pg_catalog, pg_temp;

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
        said := format('there is no data; the objective is an age of at most %s', pgslo_catalog.span_shown((age.definition).max_age));
        RETURN;
    END IF;
    seconds := extract(epoch FROM clock_timestamp() - newest);
    IF newest IS NULL THEN
        said := 'there is no data whose age could be told';
    ELSIF seconds < -300 THEN
        -- A clock that jumped, or a time of another zone: whatever it is, it tells no age.
        said := format('the newest data is of %s UTC, which is still to come', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'));
    ELSE
        value := greatest(seconds, 0);
        said := format('the newest data is of %s UTC; the objective is an age of at most %s', to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.span_shown((age.definition).max_age));
    END IF;
END
$pgslo$;
