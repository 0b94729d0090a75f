"""A table with a rule of each mechanism, and what tries to break each of them: for tests of whether rules are in force."""

from __future__ import annotations

#: For roles ``{owner}``, ``{other}`` and ``{installer}``.
ROLES = """
GRANT USAGE, CREATE ON SCHEMA t TO {owner}, {other};
ALTER TABLE t.f OWNER TO {owner}; ALTER TABLE t.f1 OWNER TO {owner}; ALTER TABLE t.f2 OWNER TO {owner};
ALTER TABLE t.f3 OWNER TO {owner}; ALTER TABLE t.f4 OWNER TO {owner}; ALTER TABLE t.p OWNER TO {owner};
DO $$BEGIN EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO {installer}', pg_catalog.current_database()); END$$;
"""
TABLES = """
CREATE SCHEMA t;
CREATE TABLE t.p (id int PRIMARY KEY);
INSERT INTO t.p VALUES (1);
CREATE TABLE t.f (id int, day date, p int, n int, a int, b int, c int, d int, u int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE t.f1 PARTITION OF t.f FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE t.f2 PARTITION OF t.f FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE t.f3 (LIKE t.f INCLUDING ALL);
CREATE TABLE t.f4 (LIKE t.f INCLUDING ALL);
"""
DEFINITION = """\
table: t.f
owner: me
key: [id, day]
writes: {writes}
batch: {{by: day}}
watch: false
settle: 1 second
readers: [{reader}]
columns:
  p: [references: {{table: t.p, column: id, on_breach: reject}}]
  n: [not_null: {{on_breach: reject}}]
  a: [range: {{min: 0, max: 9, on_breach: reject}}]
  b: [range: {{min: 0, max: 9, on_breach: quarantine}}]
  c: [range: {{min: 0, max: 9, on_breach: flag}}]
  d: [range: {{min: 0, max: 9, on_breach: repair}}]
rules:
  - u_unique: {{unique: [u, day], on_breach: reject}}
"""
#: The rule of each column.
RULES = {
    "p": "p_references",
    "n": "n_not_null",
    "a": "a_range",
    "b": "b_range",
    "c": "c_range",
    "d": "d_range",
    "u": "u_unique",
}

#: Tries to break the rule of each column by each way of writing to the table and to each partition: ``passed()`` returns the
#: writes that let a bad row in, ``failed`` where the error has another reason. It keeps nothing.
TRY = """
CREATE FUNCTION pg_temp.try(place regclass, day date, col text, by text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    bad text := CASE col WHEN 'p' THEN '77' WHEN 'n' THEN 'NULL' WHEN 'u' THEN '-5' ELSE '99' END;
    -- The names of today: a2 for a.
    names jsonb := (SELECT jsonb_object_agg(left(t.attname, 1), t.attname) FROM pg_attribute t
                    WHERE t.attrelid = place AND t.attnum > 0 AND t.attname ~ '^[pnabcdu]2?$');
    columns text := (SELECT string_agg(quote_ident(n.value), ', ' ORDER BY n.key) FROM jsonb_each_text(names) n);
    good text := (SELECT string_agg(CASE WHEN n.key = 'u' THEN '%s' WHEN n.key = col AND by = 'INSERT' THEN bad ELSE '1' END, ', ' ORDER BY n.key)
                  FROM jsonb_each_text(names) n);
    kept text;
BEGIN
    IF col = 'u' THEN
        EXECUTE format('INSERT INTO %s (id, day, %s) VALUES (-1, %L, %s)', place, columns, day, format(good, '-5'));
    END IF;
    EXECUTE format('INSERT INTO %s (id, day, %s) VALUES (-2, %L, %s)', place, columns, day, format(good, CASE WHEN by = 'INSERT' THEN '-5' ELSE '-6' END));
    IF by = 'UPDATE' THEN
        EXECUTE format('UPDATE %s SET %I = %s WHERE id = -2', place, names ->> col, bad);
    END IF;
    IF col = 'c' THEN
        RETURN NOT EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.failures ? 'c_range' AND f.xid = pg_current_xact_id());
    END IF;
    EXECUTE format('SELECT coalesce(%I::text, ''NULL'') FROM %s WHERE id = -2', names ->> col, place) INTO kept;
    RETURN kept = bad;
END
$$;
CREATE FUNCTION pg_temp.passed() RETURNS TABLE (col text, how text, failed boolean) LANGUAGE plpgsql AS $$
DECLARE
    one record;
    whole regclass := (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 't'::regnamespace AND c.relname IN ('f', 'g') AND c.relkind = 'p');
BEGIN
    FOR one IN
        SELECT w.place, c.col, b.way, p.day
        FROM (VALUES ('t.f1'::regclass, date '2026-01-15'), ('t.f2', '2026-02-15'), ('t.f3', '2026-03-15'), ('t.f4', '2026-04-15')) AS p (part, day)
        JOIN pg_inherits i ON i.inhrelid = p.part AND i.inhparent = whole
        CROSS JOIN LATERAL (VALUES (p.part), (whole)) AS w (place)
        CROSS JOIN unnest('{p,n,a,b,c,d,u}'::text[]) AS c (col) CROSS JOIN (VALUES ('INSERT'), ('UPDATE')) AS b (way)
    LOOP
        BEGIN
            -- The error takes the write back.
            RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = pg_temp.try(one.place, one.day, one.col, one.way)::text;
        EXCEPTION
            WHEN SQLSTATE 'TS001' THEN
                IF SQLERRM = 'true' THEN
                    RETURN QUERY SELECT one.col, one.way || ' ' || one.place, false;
                END IF;
            WHEN integrity_constraint_violation THEN NULL;
            WHEN OTHERS THEN
                RETURN QUERY SELECT one.col, one.way || ' ' || one.place || ': ' || SQLERRM, true;
        END;
    END LOOP;
END
$$;
"""
