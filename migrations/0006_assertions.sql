-- Assertions: promises about several rows or several tables, and what a transaction has touched of them.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT rule_scope_is_known,
    -- A table of rules is small, and nobody writes to it but pgslo apply.
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT rule_scope_is_known CHECK (scope IN ('row', 'batch', 'table', 'assertion'));
COMMENT ON COLUMN pgslo_catalog.rule.scope IS 'Whether it is about each row, about each batch, about the table as it stands, or about several rows together.';

CREATE TABLE pgslo_catalog.assertion (
    rule_id bigint NOT NULL CONSTRAINT assertion_has_one_rule PRIMARY KEY
        CONSTRAINT assertion_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    check_function text NOT NULL CONSTRAINT assertion_has_a_check_of_its_own UNIQUE,
    enforced boolean NOT NULL,
    deferred boolean NOT NULL,
    native boolean NOT NULL,
    validated_at timestamptz,
    wants_validation boolean NOT NULL,
    fingerprint text NOT NULL
);
COMMENT ON TABLE pgslo_catalog.assertion IS 'How an assertion is checked, and since when the rows that were there are known to keep it.';
COMMENT ON COLUMN pgslo_catalog.assertion.enforced IS 'Whether a transaction that breaks it is refused by its check, and not by a constraint.';

CREATE TABLE pgslo_catalog.assertion_dependency (
    rule_id bigint NOT NULL CONSTRAINT assertion_dependency_belongs_to_an_assertion REFERENCES pgslo_catalog.assertion ON DELETE CASCADE,
    relation regclass NOT NULL,
    columns text[] NOT NULL,
    events text[] NOT NULL,
    CONSTRAINT assertion_depends_on_a_table_once PRIMARY KEY (rule_id, relation)
);
COMMENT ON TABLE pgslo_catalog.assertion_dependency IS 'What can break an assertion: statements on a table, and columns whose values matter.';

-- Who commits first for a group is decided by updating its row here: under REPEATABLE READ as well, which a lock alone is not.
CREATE TABLE pgslo_catalog.assertion_guard (
    check_function text NOT NULL CONSTRAINT assertion_guard_belongs_to_an_assertion
        REFERENCES pgslo_catalog.assertion (check_function) ON UPDATE CASCADE ON DELETE CASCADE,
    bucket integer NOT NULL,
    turns bigint NOT NULL DEFAULT 0,
    CONSTRAINT assertion_guard_is_there_once PRIMARY KEY (check_function, bucket)
) WITH (fillfactor = 20);
COMMENT ON TABLE pgslo_catalog.assertion_guard IS 'Groups share these rows by their hash; a transaction updates those of its groups, in order, before it checks them.';

CREATE TABLE pgslo_catalog.touched (
    touched_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT touched_has_an_id PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    check_function text NOT NULL,
    enforced boolean NOT NULL,
    keys text[] NOT NULL,
    buckets integer[] NOT NULL
);
CREATE INDEX touched_enforced_idx ON pgslo_catalog.touched (xid) WHERE enforced;
COMMENT ON TABLE pgslo_catalog.touched IS 'Groups that statements touched: checked and forgotten when their transaction commits; those of assertions that do not reject are left to tick().';
COMMENT ON COLUMN pgslo_catalog.touched.keys IS 'Values of a group as a JSON array each; * stands for every group.';

CREATE TABLE pgslo_catalog.broken_group (
    broken_group_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT broken_group_has_an_id PRIMARY KEY,
    rule_id bigint NOT NULL CONSTRAINT broken_group_belongs_to_an_assertion REFERENCES pgslo_catalog.assertion ON DELETE CASCADE,
    group_key text NOT NULL,
    group_shown text,
    said text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX broken_group_idx ON pgslo_catalog.broken_group (rule_id, group_key);
COMMENT ON TABLE pgslo_catalog.broken_group IS 'Groups that break an assertion, as writers and tick() found them. Only ever appended to by writers. May hold personal data.';

-- The runtime's scripts replace these functions; a constraint trigger cannot be made by CREATE OR REPLACE.
CREATE FUNCTION pgslo_catalog.settle_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    RETURN NULL;
END
$body$;
CREATE FUNCTION pgslo_catalog.observe_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION pgslo_catalog.settle_touched(), pgslo_catalog.observe_touched() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON pgslo_catalog.touched
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.enforced) EXECUTE FUNCTION pgslo_catalog.settle_touched();
CREATE CONSTRAINT TRIGGER observe AFTER INSERT ON pgslo_catalog.touched
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.enforced) EXECUTE FUNCTION pgslo_catalog.observe_touched();
