"""The words a row condition may use: functions, types, operators and key words, each named.

Whatever is not here is refused. Every function is PostgreSQL's own (``pg_catalog``), returns one value and is
immutable, or stable only because it reads the session's time zone or the transaction's time. Functions whose
cost or size is not bounded by their arguments (``repeat``, ``lpad``, ``format``, ``factorial``) are left out.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_GROUPS: dict[str, frozenset[str]] = {
    "choice": _words("coalesce greatest least nullif num_nonnulls num_nulls"),
    "text": _words(
        """
        ascii bit_length btrim char_length character_length chr concat concat_ws initcap left length lower ltrim
        octet_length overlay position regexp_count regexp_instr regexp_like regexp_match regexp_replace
        regexp_substr replace reverse right rtrim split_part starts_with string_to_array strpos substr substring
        to_hex to_number translate trim upper
        """
    ),
    "numbers": _words(
        """
        abs acos asin atan atan2 bit_count cbrt ceil ceiling cos cosh degrees div exp floor gcd lcm ln log log10
        min_scale mod pi power radians round scale sign sin sinh sqrt tan tanh trim_scale trunc width_bucket
        """
    ),
    "dates and times": _words(
        """
        age current_date current_timestamp date_bin date_part date_trunc extract isfinite justify_days
        justify_hours justify_interval make_date make_time make_timestamp make_timestamptz now to_char to_date
        to_timestamp
        """
    ),
    "JSON": _words(
        """
        json_array_length json_extract_path json_extract_path_text json_typeof jsonb_array_length
        jsonb_extract_path jsonb_extract_path_text jsonb_path_exists jsonb_typeof
        """
    ),
    "arrays": _words(
        """
        array_append array_cat array_length array_lower array_ndims array_position array_positions array_prepend
        array_remove array_replace array_to_string array_upper cardinality
        """
    ),
    "ranges": _words(
        """
        daterange int4range int8range isempty lower_inc lower_inf numrange tsrange tstzrange upper_inc upper_inf
        """
    ),
    "bytes and hashes": _words(
        """
        convert_from convert_to decode encode get_byte md5 sha224 sha256 sha384 sha512
        """
    ),
    "network addresses": _words("family host masklen"),
}

FUNCTIONS = frozenset(name for group in FUNCTION_GROUPS.values() for name in group)

#: Functions that are written without parentheses.
VALUE_FUNCTIONS = frozenset({"current_date", "current_timestamp"})

#: Known and refused: the message can say why.
AGGREGATES = _words(
    """
    any_value array_agg avg bit_and bit_or bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank
    every first_value json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead max min mode
    nth_value ntile percent_rank percentile_cont percentile_disc range_agg rank regr_slope row_number stddev
    stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg
    """
)
CHANGING = _words(
    """
    clock_timestamp currval gen_random_uuid lastval nextval pg_sleep random random_normal setseed setval
    statement_timestamp timeofday transaction_timestamp uuid_generate_v4 uuidv4 uuidv7
    """
)
SET_RETURNING = _words(
    """
    generate_series generate_subscripts json_array_elements json_array_elements_text json_each json_each_text
    json_object_keys jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys
    regexp_matches regexp_split_to_table string_to_table unnest
    """
)

#: Types a value may be cast to, in one word; two-word spellings are recognised by the parser.
TYPES = _words(
    """
    bigint bool boolean bpchar bytea char character cidr date daterange dec decimal float float4 float8 inet int
    int2 int4 int4range int8 int8range integer interval json jsonb macaddr numeric numrange real smallint text
    time timestamp timestamptz timetz tsrange tstzrange uuid varchar
    """
)
#: First word of a type to the words that may follow it.
TYPE_TAILS: dict[str, tuple[tuple[str, ...], ...]] = {
    "double": (("precision",),),
    "character": (("varying",),),
    "time": (("with", "time", "zone"), ("without", "time", "zone")),
    "timestamp": (("with", "time", "zone"), ("without", "time", "zone")),
}

OPERATORS = _words(
    """
    = <> != < <= > >= + - * / % ^ || ~ ~* !~ !~* -> ->> #> #>> @> <@ && ? ?| ?& & | # << >>
    """
)
#: Operators that may be before an operand.
PREFIX_OPERATORS = frozenset({"+", "-", "~"})

#: Functions that take no argument; every other one needs at least one.
WITHOUT_ARGUMENTS = frozenset({"now", "pi"})

FIELDS = _words(
    """
    century day decade dow doy epoch hour isodow isoyear julian microseconds millennium milliseconds minute month
    quarter second timezone timezone_hour timezone_minute week year
    """
)
INTERVAL_UNITS = frozenset({"year", "month", "day", "hour", "minute", "second"})

#: Key words of PostgreSQL that can nevertheless name a column without quotes.
COLUMN_KEYWORDS = frozenset(
    {"interval", "json", "none", "out", "position", "precision", "time", "timestamp", "xml"}
)

SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})

SUBQUERY_WORDS = frozenset({"select", "with", "table", "exists", "values"})
WINDOW_WORDS = frozenset({"over", "filter", "within"})
#: Words that can never be meant, not even as a column without quotes.
NEVER = SUBQUERY_WORDS - {"values"} | {"collate", "over"}
