-- Takes the profiles of some batches that follow each other.
SELECT pgslo.learn_batches(%(definition)s, %(batches)s, %(largest)s) AS learned
