-- What differs between a snapshot's rows and what was written down of them.
SELECT v.about, v.was, v.is_now FROM pgslo.verify_snapshot(%(name)s) AS v
