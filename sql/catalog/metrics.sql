-- What monitoring collects; the order is the same at each look.
SELECT m.name, m.labels, m.value FROM pgslo.metric m ORDER BY m.name, m.labels
