-- kind: iban
-- description: The text is an IBAN of one of the given countries.
-- parameter: countries list of text
-- parameter: spaces boolean default false
{{ value }} ~ '^[A-Z]{2}[0-9]{2} ?([A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}$'
AND ({{ spaces }} OR position(' ' in {{ value }}) = 0)
AND left({{ value }}, 2) IN {{ countries }}
