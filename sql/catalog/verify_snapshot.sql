-- Differences between a snapshot's rows and their recorded properties.
SELECT v.about, v.was, v.is_now FROM pgslo.verify_snapshot(%(name)s) AS v
