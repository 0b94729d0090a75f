-- The learned bounds of each column, in words.
SELECT l.column_name, l.batches, l.needed, l.state, l.usual FROM pgslo.learned(%(definition)s) AS l
