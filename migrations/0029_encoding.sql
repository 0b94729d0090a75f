-- Excerpts of values are cut by characters, which PostgreSQL does not know in a database without an encoding.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $refuse$
BEGIN
    IF getdatabaseencoding() = 'SQL_ASCII' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'a database with encoding SQL_ASCII is not supported',
            DETAIL = 'PostgreSQL counts bytes there: an excerpt of a value could end inside a character and could not be read.',
            HINT = 'Create a database with ENCODING ''UTF8'', and restore a dump of this one there.';
    END IF;
END
$refuse$;
