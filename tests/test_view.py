"""The shared state reads every spelling and refuses the rest by name."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from traitlets import TraitError

from datavore_widgets.errors import InvalidValue, UnknownKeyword
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.queries import Condition
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse
from datavore_widgets.widgets.view import View

BOX = BBox(-60, 3, -22, 27)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("bbox", [-60, 3, -22, 27], BOX),
        ("bbox", "[-60, 3, -22, 27]", BOX),
        ("bbox", np.array([-60.0, 3, -22, 27]), BOX),
        ("bbox", None, None),
        ("bbox", "global", BBox(-180, -90, 180, 90)),
        ("bbox", (170, -10, -170, 10), BBox(170, -10, -170, 10)),
        ("point", "-27.42,19.97", Point(-27.42, 19.97)),
        ("point", (200, 5), Point(200, 5)),
        ("date", "20120815", Date("20120815")),
        ("date", "2012-08-15T12:00Z", Date("20120815120000")),
        ("date", dt.datetime(2012, 8, 15, 12), Date("20120815120000")),
        ("date", np.datetime64("2012-08-15T12:00"), Date("20120815120000")),
        ("datelaps", "19500917, 21000917", WHOLE_LAPSE),
        ("datelaps", [2000, 2010], Lapse(Date("2000"), Date("2010"))),
        ("groupby", "yyyy-MM", "yyyy-MM"),
        ("groupby", None, None),
        ("aggregate", "std", "std"),
        ("filters", {}, ()),
        ("filters", None, None),
        ("window", "86400", 86400.0),
        ("running", "86400", 86400.0),
        ("overlap", "mean", "mean"),
        ("lapse", "2010,2012", Lapse(Date("2010"), Date("2012"))),
        ("filters", {"depth": 0.5}, (Condition("depth", (0.5,)),)),
        ("cmap", "balance_r", "balance_r"),
        ("vmin", "12.5", 12.5),
        ("vmax", np.float32(2), 2.0),
        ("basemap", "ocean", "ocean"),
    ],
)
def test_spellings_are_read(name: str, given: Any, kept: Any) -> None:
    assert getattr(View(**{name: given}), name) == kept


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("bbox", "1,2,3", "four numbers"),
        ("bbox", [0, 0, 0, 10], "width"),
        ("bbox", [0, 100, 10, 110], "between -90 and 90"),
        ("point", [1, 2, 3, 4], "a point is"),
        ("date", "yesterday", "YYYYMMDD"),
        ("date", "20121315", "month"),
        ("datelaps", "2010,2000", "after its end"),
        ("groupby", "monthly", "yyyy-MM"),
        ("aggregate", "mean", "avg"),
        ("filters", "nonsense", "JSON"),
        ("cmap", "viridus", "viridis"),
        ("cmap", 3, "a name"),
        ("vmin", math.nan, "finite"),
        ("vmax", math.inf, "finite"),
        ("vmin", True, "a finite number"),
        ("vmax", "hot", "a finite number"),
        ("window", -1, "from 0 on"),
        ("running", -1, "from 0 on"),
        ("overlap", "first", "latest"),
        ("lapse", "2012", "two dates"),
        ("basemap", "mars", "coast"),
    ],
)
def test_the_rest_is_refused_by_name(name: str, given: Any, says: str) -> None:
    view = View()
    before = getattr(view, name)
    with pytest.raises(InvalidValue, match=says) as caught:
        setattr(view, name, given)
    assert isinstance(caught.value, TraitError)
    assert getattr(view, name) == before


def test_an_unknown_keyword_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownKeyword, match="bbox"):
        View(bbx=[0, 0, 1, 1])
    with pytest.raises(UnknownKeyword, match="varname"):
        View().set(varnam="sst")


def test_limits_are_in_order_whichever_comes_first() -> None:
    view = View(vmin=0, vmax=10)
    with pytest.raises(InvalidValue, match="below"):
        view.vmin = 11
    view.set(vmin=20, vmax=30)
    assert (view.vmin, view.vmax) == (20, 30)
    with pytest.raises(InvalidValue):
        view.set(vmin=50, vmax=40)
    assert (view.vmin, view.vmax) == (20, 30)


def test_set_tells_once_when_all_is_set() -> None:
    view = View()
    seen: list[tuple[Any, Any]] = []
    view.observe(lambda _change: seen.append((view.vmin, view.vmax)), ["vmin", "vmax"])
    view.set(vmin=1, vmax=2)
    assert set(seen) == {(1, 2)}


def test_an_equal_value_in_another_spelling_tells_nobody() -> None:
    view = View(bbox=[-60, 3, -22, 27])
    seen: list[Any] = []
    view.observe(seen.append, "bbox")
    view.bbox = "-60,3,-22,27"
    assert seen == []


def test_yes_and_no_are_read_as_links_and_the_wire_spell_them() -> None:
    assert [View(trend=word).trend for word in (True, "True", "true", "False", "false")] == [True] * 3 + [False] * 2
    with pytest.raises(InvalidValue, match="True or False"):
        View(trend="yes")
