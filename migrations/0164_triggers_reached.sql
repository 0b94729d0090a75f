-- Code that triggers call is looked for as that of other objects is.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.strange_code(regclass, boolean);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.strange_expression(oid[], oid[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.called_code(oid[], boolean);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.called_by(oid, boolean);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.code_of(oid, boolean);
