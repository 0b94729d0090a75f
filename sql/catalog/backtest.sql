-- How each column was judged when the table's history was replayed, with faults and without.
SELECT b.batch, b.batch_rows AS rows, b.column_name AS "column", b.fault, b.changed, b.verdict, b.score, b.said AS detail
FROM pgslo.backtest(%(definition)s, %(batches)s, %(seed)s, %(faults)s, %(sensitivity)s, %(feedback)s) AS b
