"""What HiveQL's functions and casts mean, in DuckDB's words.

`MACROS` are written where DuckDB's own function of that name, or what sqlglot makes of it, means something else.
`SAME` are those that mean the same as they are translated; the contract tests run them on a real server too. Whatever
is in neither is refused, with what `REFUSED` advises: a function that nobody looked at may differ in silence.
"""

from __future__ import annotations

__all__ = ["CASTS", "MACROS", "REFUSED", "REFUSED_MARK", "SAME"]

REFUSED_MARK = "not supported over files: "
"""What an error of a macro starts with, to be told from an error of the engine."""


def _error(text: str) -> str:
    return f"error('{REFUSED_MARK}{text}')"


_FLOATING = "typeof(x) IN ('DOUBLE', 'FLOAT')"
_INTEGER = "typeof(x) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')"
_NUMBER = f"({_FLOATING} OR {_INTEGER} OR typeof(x) LIKE 'DECIMAL%')"
_TIME = "typeof(x) LIKE 'TIMESTAMP%'"
_STAMP = "TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP)"


def _integer(name: str) -> str:
    """Hive cuts fractions off (DuckDB rounds), reads '1.7' as 1, and a timestamp as its seconds since 1970."""
    overflow = _error("a number is too large for the type that it is cast to, and Hive would wrap it around")
    return f"""coalesce(
        CASE
            WHEN {_FLOATING} THEN TRY_CAST(trunc(TRY_CAST(x AS DOUBLE)) AS {name})
            WHEN {_TIME} THEN TRY_CAST(floor(epoch({_STAMP})) AS {name})
            WHEN typeof(x) = 'VARCHAR' OR typeof(x) LIKE 'DECIMAL%' THEN TRY_CAST(regexp_extract(
                CAST(x AS VARCHAR), '^\\s*([+-]?\\d+)(\\.\\d*)?\\s*$', 1) AS {name})
            ELSE TRY_CAST(x AS {name})
        END,
        CASE WHEN x IS NOT NULL AND {_NUMBER} THEN {overflow} END)"""


# Type of Hive → the macro's body, for `CAST(x AS type)`. Hive gives NULL where a text cannot be read.
CASTS: dict[str, str] = {
    "tinyint": _integer("TINYINT"),
    "smallint": _integer("SMALLINT"),
    "int": _integer("INTEGER"),
    "bigint": _integer("BIGINT"),
    "double": f"CASE WHEN {_TIME} THEN epoch({_STAMP}) ELSE TRY_CAST(x AS DOUBLE) END",
    "float": f"CASE WHEN {_TIME} THEN TRY_CAST(epoch({_STAMP}) AS FLOAT) ELSE TRY_CAST(x AS FLOAT) END",
    "text": f"""CASE
        WHEN {_FLOATING} AND NOT (TRY_CAST(x AS DOUBLE) = 0
            OR (abs(TRY_CAST(x AS DOUBLE)) >= 1e-3 AND abs(TRY_CAST(x AS DOUBLE)) < 1e7))
            THEN {_error("very small and very large numbers are written in another way; write format_number(x, n)")}
        WHEN typeof(x) = 'BLOB' OR typeof(x) LIKE '%]' OR typeof(x) LIKE 'MAP%' OR typeof(x) LIKE 'STRUCT%'
            THEN {_error("a cast of binary or nested values to string")}
        ELSE CAST(x AS VARCHAR) END""",
    "boolean": f"""CASE WHEN typeof(x) = 'VARCHAR'
        THEN {_error("a cast of text to boolean, which the engines disagree on; write x = ''true''")}
        ELSE TRY_CAST(x AS BOOLEAN) END""",
    "date": "TRY_CAST(TRY_CAST(x AS TIMESTAMP) AS DATE)",
    "timestamp": f"""CASE WHEN {_NUMBER}
        THEN {_error("a cast of a number to timestamp, which is seconds or milliseconds; write from_unixtime(x)")}
        ELSE TRY_CAST(x AS TIMESTAMP) END""",
}

_DAY = "TRY_CAST(TRY_CAST({} AS TIMESTAMP) AS DATE)"

# Name → (parameters, body), one for each number of parameters.
MACROS: dict[str, tuple[tuple[str, str], ...]] = {
    "add_months": (("d, n", f"TRY_CAST({_DAY.format('d')} + to_months(CAST(n AS INTEGER)) AS DATE)"),),
    "ceil": (("x", "CAST(ceil(x) AS BIGINT)"),),
    "ceiling": (("x", "CAST(ceil(x) AS BIGINT)"),),
    "collect_list": (("x", "coalesce(list(x) FILTER (WHERE x IS NOT NULL), [])"),),
    "collect_set": (("x", "coalesce(list(DISTINCT x) FILTER (WHERE x IS NOT NULL), [])"),),
    "concat_ws": tuple(
        (
            ", ".join(["s", *names]),
            f"CASE WHEN s IS NOT NULL THEN concat_ws(s, {', '.join(f'hive_joined({name})' for name in names)}) END",
        )
        for names in ([f"x{i}" for i in range(count)] for count in range(1, 9))
    ),
    "date_add": (("d, n", f"{_DAY.format('d')} + CAST(n AS INTEGER)"),),
    "date_sub": (("d, n", f"{_DAY.format('d')} - CAST(n AS INTEGER)"),),
    "datediff": (("a, b", f"CAST({_DAY.format('a')} - {_DAY.format('b')} AS INTEGER)"),),
    "floor": (("x", "CAST(floor(x) AS BIGINT)"),),
    "isnotnull": (("x", "x IS NOT NULL"),),
    "isnull": (("x", "x IS NULL"),),
    "last_day": (("d", f"last_day({_DAY.format('d')})"),),
    "percentile": (("x, p", "quantile_cont(CAST(x AS DOUBLE), p)"),),
    "pmod": (("a, b", "((a % b) + b) % b"),),
    "sign": (("x", "CAST(sign(x) AS DOUBLE)"),),
    "size": (("x", "coalesce(CAST(len(x) AS INTEGER), -1)"),),
    "substr": (
        ("s, n", "substr(s, CAST(CASE WHEN n = 0 THEN 1 ELSE n END AS BIGINT))"),
        ("s, n, c", "substr(s, CAST(CASE WHEN n = 0 THEN 1 ELSE n END AS BIGINT), greatest(CAST(c AS BIGINT), 0))"),
    ),
    "to_date": (("x", _DAY.format("x")),),
    "trunc": (
        (
            "d, f",
            f"""CAST(CASE upper(f) WHEN 'YEAR' THEN date_trunc('year', {_DAY.format("d")})
                WHEN 'YYYY' THEN date_trunc('year', {_DAY.format("d")})
                WHEN 'YY' THEN date_trunc('year', {_DAY.format("d")})
                WHEN 'MONTH' THEN date_trunc('month', {_DAY.format("d")})
                WHEN 'MON' THEN date_trunc('month', {_DAY.format("d")})
                WHEN 'MM' THEN date_trunc('month', {_DAY.format("d")})
                ELSE {_error("this unit of trunc; it is YEAR or MONTH")} END AS DATE)""",
        ),
    ),
    "unix_timestamp": (("x", "CAST(trunc(epoch(TRY_CAST(x AS TIMESTAMP))) AS BIGINT)"),),
}
MACROS["substring"] = MACROS["substr"]

_SAME = """
abs acos array array_contains asin atan avg cbrt coalesce concat corr cos cosh count covar_pop
covar_samp cume_dist current_date current_timestamp date_format day dayofmonth decimal degrees dense_rank e exp explode
first_value from_unixtime hour if initcap instr lag last_value lcase lead length ln locate
log10 log2 lower lpad ltrim map map_keys map_values max md5 min minute month named_struct ntile nullif nvl percent_rank
pi posexplode pow power quarter radians rank regexp_extract regexp_replace repeat replace reverse round row_number
rpad rtrim second sin sinh sort_array sqrt std stddev stddev_pop stddev_samp struct sum tan tanh translate trim
ucase upper var_pop var_samp variance weekofyear year
"""
SAME = frozenset(_SAME.split())

_BY_HAND = "Hive and Spark disagree on NULLs here; write CASE WHEN … END"
_TEXT_ONLY = "write it with regexp_extract, or keep the value in a column of its own"
REFUSED: dict[str, str] = {
    "approx_count_distinct": "estimates differ between engines; write count(DISTINCT x)",
    "bround": "there is no half-even rounding; write round(x, n)",
    "dayofweek": "the engines number the days differently; write pmod(datediff(d, '1970-01-04'), 7) + 1",
    "from_utc_timestamp": "there are no time zones over files: times are UTC; add an INTERVAL",
    "to_utc_timestamp": "there are no time zones over files: times are UTC; add an INTERVAL",
    "get_json_object": _TEXT_ONLY,
    "json_tuple": _TEXT_ONLY,
    "greatest": _BY_HAND,
    "least": _BY_HAND,
    "grouping__id": "its numbers differ between versions of Hive; group in separate queries with UNION ALL",
    "hash": "each engine has its own; write md5(x)",
    "histogram_numeric": "estimates differ between engines; group by floor(x / width)",
    "inline": "write LATERAL VIEW explode(array(…))",
    "months_between": "the engines round it differently; write year(a) * 12 + month(a) and subtract",
    "ntile_approx": "estimates differ between engines; write percentile(x, p)",
    "percentile_approx": "estimates differ between engines; write percentile(x, p)",
    "approx_percentile": "estimates differ between engines; write percentile(x, p)",
    "rand": "no two engines draw the same numbers; write pmod(column, n) = 0 for a part of the rows",
    "reflect": "it runs Java's methods",
    "java_method": "it runs Java's methods",
    "split": "Java's regular expressions differ at the ends; write regexp_extract(x, …, n)",
    "stack": "write LATERAL VIEW explode(array(…)), or UNION ALL",
    "transform": "it runs a program on the server's machines",
    "map_entries": "write map_keys(m) and map_values(m)",
}

HELPERS: dict[str, tuple[str, str]] = {
    "hive_joined": (
        "x",
        f"CASE WHEN typeof(x) LIKE '%]' THEN {_error('concat_ws of an array; write the elements')} ELSE x END",
    ),
    "hive_item": (
        "x, i",
        f"CASE WHEN typeof(x) LIKE 'MAP%' THEN {_error('a map whose keys are not text, by [key]')} ELSE x[i] END",
    ),
}
