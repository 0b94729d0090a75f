-- Error budgets, by rule and, where rule is NULL, of the table as a whole.
SELECT b.definition, b.rule, b.columns, b.budgeting, b.target::float8, extract(epoch FROM b.window)::bigint AS window_seconds, b.judged::float8, b.missed::float8, b.state,
       b.reached::float8, b.left_over::float8, b.left_fraction::float8, b.burn_rate::float8, b.burn_rate_lately::float8
FROM pgslo.budget b
ORDER BY b.definition, b.rule NULLS FIRST
