-- What is kept of an incident's rows and values.
SELECT e.topic, e.fact FROM pgslo.evidence(%(id)s) WITH ORDINALITY AS e (topic, fact, place) ORDER BY e.place
