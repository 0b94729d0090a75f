-- kind: at_least_per
-- description: One column is at least a share of another.
-- parameter: part column
-- parameter: whole column
-- parameter: share number
{{ part }} >= {{ whole }} * {{ share }}
