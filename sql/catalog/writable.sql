-- Whether a new transaction of this session can change the database, and which kind of setting says that it cannot.
SELECT pg_catalog.pg_is_in_recovery() AS is_standby,
       current_setting('transaction_read_only')::boolean AS is_read_only,
       (SELECT s.source FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only') AS source
