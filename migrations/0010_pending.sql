-- What a transaction touched of assertions that reject waits in a table for each definition; here stay those that do not.
SET LOCAL search_path = pg_catalog, pg_temp;

DROP TRIGGER settle ON pgslo_catalog.touched;
DROP TRIGGER observe ON pgslo_catalog.touched;
-- squawk-ignore ban-drop-function
DROP FUNCTION pgslo_catalog.settle_touched();
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.touch(text, boolean, text[], integer[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.touch_and_check(text, boolean, text[], integer[]);
DELETE FROM pgslo_catalog.touched WHERE enforced;
ALTER TABLE pgslo_catalog.touched
    -- squawk-ignore ban-drop-column
    DROP COLUMN enforced,
    -- squawk-ignore ban-drop-column
    DROP COLUMN buckets;
COMMENT ON TABLE pgslo_catalog.touched IS 'Groups that statements touched of assertions that do not reject, for tick().';
CREATE CONSTRAINT TRIGGER observe AFTER INSERT ON pgslo_catalog.touched
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.observe_touched();

ALTER TABLE pgslo_catalog.assertion ADD COLUMN settle_function text;
COMMENT ON COLUMN pgslo_catalog.assertion.settle_function IS 'What holds everything that a transaction touched of its definition; NULL: nothing is held at COMMIT.';
