"""Parameters: what goes in comes out again, and cannot be anything but a value."""

from __future__ import annotations

import datetime as dt
import math
import string
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datavore_widgets.client.frames import rows
from datavore_widgets.client.hive import HiveService
from datavore_widgets.client.literals import bind, literal
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.sql import SqlQuery, SqlService, parse_parameters
from datavore_widgets.service.tables import TableService

NASTY = [
    "",
    "'",
    '"',
    "\\",
    "\\'",
    "'; DROP TABLE obs; --",
    "*/ DROP TABLE obs /*",
    "-- x\n",
    "${hiveconf:x}",
    "${env:HOME}",
    ":name",
    "%(name)s",
    "`",
    "a\nb\r\tc",
    "\\u0027",
    "\\n",
    "l'eau d'Yeu 🐟 é",
    "\u2028\x00\x7f",
    "100%_",
]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    st.text("'\"\\-/*;:${}`u0027\n ", max_size=20),
    st.binary(max_size=20),
    st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)),
    st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4),
)


def _same(back: Any, value: Any) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return isinstance(back, float) and math.isnan(back)
    if isinstance(value, bool) or value is None:
        return back is value
    return bool(back == value)


def _round_trip(service: SqlService, given_values: list[Any]) -> None:
    named = {f"p{i}": value for i, value in enumerate(given_values)}
    asked = ", ".join(f":{name} AS {name}" for name in named)
    # Literals and comments that only look like parameters stay what they are.
    query = f"SELECT {asked}, ':p0' AS a, \"it's :p0\" AS b /* :p1 ' */ -- :p2 ' \n"
    (row,) = [row for part in rows(service.answer(SqlQuery(query, parse_parameters(named)))) for row in part]
    for back, value in zip(row, given_values, strict=False):
        assert _same(back, value), (back, value)
    assert row[-2:] == (":p0", "it's :p0")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(values, min_size=3, max_size=25))
def test_round_trip_on_the_server(hive: HiveService, given_values: list[Any]) -> None:
    _round_trip(hive, given_values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(values, min_size=3, max_size=25))
def test_round_trip_over_files(files: TableService, given_values: list[Any]) -> None:
    _round_trip(files, given_values)


def test_nasty_texts(hive: HiveService, files: TableService) -> None:
    _round_trip(hive, NASTY)
    _round_trip(files, NASTY)


def test_as_conditions(hive: HiveService, files: TableService) -> None:
    query = (
        "SELECT id FROM obs WHERE (name = :name OR x -:low > 1000) AND t > :since AND flag = :flag ORDER BY id LIMIT :n"
    )
    given_values = {"name": "l'eau", "low": -1, "since": dt.datetime(1999, 1, 1), "flag": False, "n": 5}
    for service in (hive, files):
        found = [row for part in rows(service.answer(SqlQuery(query, parse_parameters(given_values)))) for row in part]
        assert found == [(5,)]


@given(st.text(max_size=60))
def test_a_literal_holds_nothing_that_ends_it(text: str) -> None:
    try:
        parse_parameters({"x": text})
    except InvalidValue:
        return  # half a character
    written = literal(text)
    assert written[0] == written[-1] == "'"
    assert set(written[1:-1]) <= set(string.ascii_letters + string.digits + " _.,\\")


@pytest.mark.parametrize(
    ("text", "given_values", "what"),
    [
        ("SELECT :a", {}, "unknown parameter 'a'"),
        ("SELECT :low", {"lov": 1}, "did you mean 'lov'"),
        ("SELECT 1", {"a": 1}, "has no :a"),
        ("SELECT ':a'", {"a": 1}, "has no :a"),
        ("SELECT `:a`", {"a": 1}, "has no :a"),
        ("SELECT 1 -- :a", {"a": 1}, "has no :a"),
        ("SELECT 'x :a", {"a": 1}, "has no end"),
        ("SELECT 1 /* :a", {"a": 1}, "has no end"),
        ("SELECT r'\\' || :a || '", {"a": 1}, "raw literal"),
        ("SELECT :a /* /* */ :a */", {"a": 1}, "comment inside a comment"),
    ],
)
def test_wrong_use(text: str, given_values: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidValue, match=what):
        bind(SqlQuery(text, parse_parameters(given_values)))


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, object(), 2**63, Decimal("NaN"), Decimal(10) ** 40, "\ud800", 1j, pd.Timestamp(1)]
)
def test_no_other_values(value: Any) -> None:
    with pytest.raises(InvalidValue, match="parameter 'x'"):
        parse_parameters({"x": value})


@pytest.mark.parametrize("name", ["a b", "1", "", "a;", "é", "a" * 200, None])
def test_names_by_pattern(name: Any) -> None:
    with pytest.raises(InvalidValue, match="name of a parameter"):
        parse_parameters({name: 1})


def _other_spellings() -> Iterator[tuple[Any, Any]]:
    yield np.int64(5), 5
    yield np.float32(0.5), 0.5
    yield np.bool_(True), True
    yield np.datetime64("2012-01-01T00:00:00.5"), dt.datetime(2012, 1, 1, 0, 0, 0, 500000)
    yield np.datetime64("NaT"), None
    yield pd.NaT, None
    yield pd.Timestamp("2012-01-01"), dt.datetime(2012, 1, 1)
    yield dt.datetime(2012, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), dt.datetime(2012, 1, 1)
    yield np.str_("x"), "x"


@pytest.mark.parametrize(("given_value", "kept"), list(_other_spellings()))
def test_other_spellings(given_value: Any, kept: Any) -> None:
    assert parse_parameters({"x": given_value}) == (("x", kept),)
    assert type(parse_parameters({"x": given_value})[0][1]) is type(kept)
