-- Types as SQL writes them, in their order.
SELECT pg_catalog.format_type(t.number, NULL) AS name FROM unnest(%(types)s::oid[]) WITH ORDINALITY AS t (number, place) ORDER BY t.place
