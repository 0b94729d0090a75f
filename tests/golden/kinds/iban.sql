-- kind: iban
-- description: The text is an IBAN of one of some countries, written without blanks.
-- parameter: countries list of text
-- parameter: longest integer default 34
{{ value }} ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'
AND left({{ value }}, 2) IN {{ countries }}
AND length({{ value }}) <= {{ longest }}
