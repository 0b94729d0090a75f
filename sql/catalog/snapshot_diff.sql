-- Two snapshots column by column.
SELECT d.column_name, d.change, d.type_one, d.type_other, d.null_share_one, d.null_share_other, d.summary_one, d.summary_other, d.distance, d.by_chance, d.has_drifted
FROM pgslo.snapshot_diff(%(one)s, %(other)s) AS d
