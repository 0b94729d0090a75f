-- Columns that decide which chunk of a hypertable keeps a row, by table; only where the database has TimescaleDB.
SELECT d.hypertable_schema::text AS schema_name, d.hypertable_name::text AS name,
       array_agg(d.column_name::text ORDER BY d.dimension_number) AS columns
FROM jsonb_array_elements(%(names)s::jsonb) AS w
JOIN timescaledb_information.dimensions d
     ON d.hypertable_schema = w ->> 0 AND d.hypertable_name = w ->> 1
GROUP BY d.hypertable_schema, d.hypertable_name
