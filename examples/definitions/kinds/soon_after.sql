-- kind: soon_after
-- description: The time is not before another column's, and at most so many days after it.
-- parameter: other column
-- parameter: days integer default 30
{{ value }} >= {{ other }} AND {{ value }} < {{ other }} + {{ days }} * interval '1 day'
