-- The session's statement_timeout in milliseconds; 0: none.
SELECT s.setting::integer AS milliseconds FROM pg_catalog.pg_settings s WHERE s.name = 'statement_timeout'
