-- The stored rows and values of an incident.
SELECT e.topic, e.fact FROM pgslo.evidence(%(id)s) WITH ORDINALITY AS e (topic, fact, place) ORDER BY e.place
