-- The facts about an incident, topic by topic.
SELECT e.topic, e.fact FROM pgslo.explain(%(id)s) WITH ORDINALITY AS e (topic, fact, place) ORDER BY e.place
