"""Values as they are written into HiveQL: HiveServer2 knows no bound parameters, so they are part of the text."""

from __future__ import annotations

import datetime as dt
import decimal
import math

from datavore_widgets.protocol.sql import SqlQuery, Value, replace_parameters

__all__ = ["bind", "literal"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.,")


def bind(query: SqlQuery) -> str:
    """The text of a query with its parameters written in.

    Examples
    --------
    >>> bind(SqlQuery("SELECT * FROM fleet WHERE id = :id -- :id", (("id", 7),)))
    'SELECT * FROM fleet WHERE id = 7 -- :id'
    """
    values = dict(query.parameters)
    return replace_parameters(query.text, values, lambda name: literal(values[name]))


def literal(value: Value) -> str:
    r"""A value as a literal that Hive and Spark read alike.

    In text everything but ASCII letters, digits and `_ . ,` is written as `\uXXXX`, code units of UTF-16: nothing is
    left that could end the literal, begin a comment or name a variable (`${…}`) that the server would fill in.

    Examples
    --------
    >>> literal("l'eau")
    "'l\\u0027eau'"
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value == -(2**63):  # its digits alone are no bigint
            return "(-9223372036854775807 - 1)"
        return str(value) if value >= 0 else f"({value})"  # brackets: a minus before it would begin a comment
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            word = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            return f"cast('{word}' as double)"
        return f"cast('{value!r}' as double)"
    if isinstance(value, decimal.Decimal):
        exponent = int(value.as_tuple().exponent)
        scale = max(0, -exponent)
        precision = max(len(value.as_tuple().digits) + max(0, exponent), scale, 1)
        return f"cast('{value:f}' as decimal({precision},{scale}))"
    if isinstance(value, bytes):
        return f"unhex('{value.hex()}')"
    if isinstance(value, dt.datetime):
        return f"cast('{value.isoformat(' ', 'microseconds').zfill(26)}' as timestamp)"
    if isinstance(value, dt.date):
        return f"cast('{value.isoformat()}' as date)"
    return "'" + "".join(letter if letter in _PLAIN else _escaped(letter) for letter in value) + "'"


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
