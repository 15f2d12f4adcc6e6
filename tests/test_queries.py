from __future__ import annotations

import pytest

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import (
    Canvas,
    Condition,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    parse_filters,
)
from datavore_widgets.protocol.times import Date


def test_equal_questions_are_one_key() -> None:
    def ask(west: float) -> MapQuery:
        source = Source("sst", "analysed_sst", Date("2012"), filters=parse_filters({"depth": 0.5, "quality": [4, 5]}))
        return MapQuery(source, Canvas(BBox(west, 0, 20, 10)), Style("viridis"))

    assert ask(10) == ask(10.0)
    assert hash(ask(10)) == hash(ask(10.0))
    assert ask(10) != ask(11)


@pytest.mark.parametrize("none", [None, {}, "{}", "null", "", ()])
def test_no_filter_has_many_spellings(none: object) -> None:
    assert parse_filters(none) == ()


def test_filters_are_values_or_a_range() -> None:
    assert parse_filters('{"wind_speed": {"max": 15}, "depth": 0.5}') == (
        Condition("depth", (0.5,)),
        Condition("wind_speed", (), None, 15.0),
    )
    assert parse_filters({"quality_level": [4, 5]}) == (Condition("quality_level", (4.0, 5.0)),)


@pytest.mark.parametrize(
    "wrong", ["depth=3", [1], {"depth": {"most": 3}}, {"depth": []}, {"depth": {}}, {"d": float("inf")}]
)
def test_wrong_filters_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidValue):
        parse_filters(wrong)


def test_wrong_values_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(InvalidValue, match=r"allowed: avg, max, min, count, std") as caught:
        SeriesQuery("a", "b", GLOBAL, aggregate="average")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidValue, match="did you mean 'yyyy-MM'"):
        SeriesQuery("a", "b", GLOBAL, groupby="yyyy-mm")
    with pytest.raises(InvalidValue, match="below vmax"):
        Style(vmin=3, vmax=3)
    with pytest.raises(InvalidValue, match="area"):
        Canvas(BBox(0, 0, 0, 10))
    with pytest.raises(InvalidValue, match="mercator"):
        Canvas(GLOBAL, projection="mercato")
    with pytest.raises(InvalidValue, match="from 0 on"):
        Source("a", "b", None, nearest=-1)
    with pytest.raises(InvalidValue, match="pixels"):
        Canvas(GLOBAL, resolution=0)
