"""The widgets over a real service: what they ask, what they show, what they refuse."""

from __future__ import annotations

import asyncio
import csv
import io
import math
import re
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fields
import ipywidgets
import numpy as np
import pytest
import xarray as xr
from PIL import Image
from traitlets import TraitError

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets import explore
from datavore_widgets.errors import InvalidValue, UnknownKeyword, UnknownName, Unreadable
from datavore_widgets.protocol.answers import Catalog, Series, VariableInfo
from datavore_widgets.protocol.colormap import Norm
from datavore_widgets.protocol.geometry import (
    GLOBAL,
    MERCATOR_LIMIT,
    BBox,
    latitude_from_mercator,
    mercator_from_latitude,
)
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import longitude
from datavore_widgets.protocol.queries import Condition, DataQuery, MapQuery, SeriesQuery
from datavore_widgets.protocol.times import Date
from datavore_widgets.service import tiles
from datavore_widgets.service.index import Variable
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.area_fields import AreaFields
from datavore_widgets.widgets.color_bar import ColorBar, bar
from datavore_widgets.widgets.colormap_picker import ColormapPicker
from datavore_widgets.widgets.curves import Curve, curve_of
from datavore_widgets.widgets.date_slider import DateSlider
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.index_picker import IndexPicker
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.plot import TimePlot
from datavore_widgets.widgets.point_readout import PointReadout
from datavore_widgets.widgets.saving import series_csv, series_netcdf
from datavore_widgets.widgets.series_picker import SeriesPicker
from datavore_widgets.widgets.text import number
from datavore_widgets.widgets.ticks import ticks, time_ticks
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.truth_line import TruthLine
from datavore_widgets.widgets.units import Scale, pretty, scale_of
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame, fit

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


class Watched:
    """A service that writes down what it is asked, and can be held up or made to fail."""

    def __init__(self, spec: Any) -> None:
        self.service = LocalService(spec)
        self.asked: list[Any] = []
        self.open = threading.Event()
        self.open.set()
        self.trouble: Exception | None = None

    def answer(self, query: Any, job: Any = None) -> Any:
        self.asked.append(query)
        if isinstance(query, MapQuery | SeriesQuery | DataQuery):
            assert self.open.wait(20)
            if self.trouble is not None:
                raise self.trouble
        return self.service.answer(query, job)

    def of(self, kind: type) -> list[Any]:
        return [query for query in self.asked if isinstance(query, kind)]


@pytest.fixture
def sea() -> Iterator[Watched]:
    watched = Watched(fields.field(times=40))
    yield watched
    watched.service.close()


def spoken(widget: Any, seen: set[int] | None = None) -> Iterator[str]:
    """The markup of every HTML widget below a widget."""
    seen = set() if seen is None else seen
    if id(widget) in seen:
        return
    seen.add(id(widget))
    if isinstance(widget, ipywidgets.HTML):
        yield widget.value
    for name in widget.keys:
        value = getattr(widget, name, None)
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        for part in held:
            if isinstance(part, ipywidgets.Widget):
                yield from spoken(part, seen)


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def lay_out(widget: DatavoreMap, west: float, south: float, east: float, north: float, size: Any = (900, 450)) -> None:
    """What the browser tells when the map is on the page."""
    state = {"west": west, "south": south, "east": east, "north": north}
    pixels = {"left": 0.0, "top": 0.0, "right": float(size[0]), "bottom": float(size[1])}
    widget.map.set_state({**pixels, **state})


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


# Pictures


def test_a_drag_over_forty_dates_ends_on_the_last_with_few_renders(sea: Watched) -> None:
    async def drag() -> None:
        view = View(date="20120115")
        shown = DatavoreMap(sea, view)
        slider = DateSlider(sea, view)
        await until(lambda: shown.pump.is_idle)
        sea.open.clear()
        before = shown.pump.started
        for position in range(40):
            slider.bar.set_state({"position": position})
            if position in (13, 26):
                await asyncio.sleep(0)
        await until(lambda: shown.pump.started > before)
        sea.open.set()
        await until(lambda: shown.pump.is_idle)
        assert shown.pump.started - before <= 3
        image = shown.desk.picture.image
        assert image.time.date == shown.desk.scene.stamp(39).date == view.date
        assert slider.bar.shown == 39

    asyncio.run(drag())


def test_the_kernel_is_not_held_up_by_a_slow_service(sea: Watched) -> None:
    async def slow() -> None:
        shown = DatavoreMap(sea)
        await until(lambda: shown.pump.is_idle)
        sea.open.clear()
        shown.view.vmin, ticks_seen = 5, 0
        for _ in range(20):
            await asyncio.sleep(0)
            ticks_seen += 1
        assert ticks_seen == 20
        assert not shown.pump.is_idle
        await until(lambda: "dv-is-busy" in shown._dom_classes)
        sea.open.set()
        await until(lambda: shown.pump.is_idle)
        assert "dv-is-busy" not in shown._dom_classes

    asyncio.run(slow())


def test_a_picture_is_one_message(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, -90, -45, 90, 45)
    shown.film._heard(None, {"hello": True}, [])
    sent: list[Any] = []
    for widget in (shown.overlay, shown.film):
        widget.comm.send = lambda data=None, **_: sent.append(data)  # what leaves for the browser
    lay_out(shown, -80, -45, 100, 45)
    assert len(sent) == 1
    assert sent[0]["content"]["show"]


def test_the_picture_lies_where_the_answer_says_and_is_asked_at_the_view_s_resolution(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, -45, -30, 45, 30, (900, 600))
    canvas = sea.of(MapQuery)[-1].canvas
    assert canvas.projection == "mercator"
    assert canvas.bbox.width == pytest.approx(90 * 1.16)
    assert canvas.resolution == pytest.approx(900 * 1.16, abs=1)
    (south, west), (north, east) = shown.film.shown.bounds
    assert (west, east) == pytest.approx((canvas.bbox.west, canvas.bbox.east))
    assert (south, north) == pytest.approx((canvas.bbox.south, canvas.bbox.north))
    assert max(Image.open(io.BytesIO(shown.film.shown.image.png)).size) == canvas.resolution


@pytest.mark.parametrize("turn", [-360, 0, 360, 720])
def test_panned_around_the_world_the_picture_is_still_in_view(sea: Watched, turn: int) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, -180, -60, 180, 60)
    lay_out(shown, 100 + turn, -30, 240 + turn, 30)
    (_, west), (_, east) = shown.film.shown.bounds
    assert west < 100 + turn < 240 + turn < east
    assert shown.view.viewport == BBox(100, -30, 240, 30)


def test_a_view_beyond_the_pole_asks_nothing(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    count = len(sea.asked)
    lay_out(shown, 0, 86, 10, 89)
    assert len(sea.asked) == count


def test_an_error_keeps_the_last_picture_dimmed_until_the_next_success(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    good = shown.film.shown
    sea.trouble = Unreadable(f"the file {HOSTILE} is broken")
    shown.view.date = "20120215"
    assert shown.film.shown is good
    assert shown.overlay.opacity < 1
    assert "is broken" in shown._strip.value
    assert "<img" not in shown._strip.value
    sea.trouble = None
    shown.view.date = "20120315"
    assert shown.film.shown is not good
    assert shown.overlay.opacity == 1
    assert shown._strip.value == ""


def test_a_fault_that_is_none_of_ours_is_shown_too(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    sea.trouble = RuntimeError("a bolt from the blue")
    shown.view.vmin = 3
    assert "RuntimeError: a bolt from the blue" in shown._strip.value


def test_a_late_picture_of_another_variable_is_not_shown() -> None:
    both = fields.field().assign(other=lambda d: d["sst"] * 2)
    both["other"].attrs = {"long_name": "other", "units": "m"}
    service = Watched(both)

    async def change() -> None:
        shown = DatavoreMap(service, View(varname="sst"))
        await until(lambda: shown.pump.is_idle)
        service.open.clear()
        shown.view.date = "20120215"
        await until(lambda: len(service.of(MapQuery)) == 2)
        shown.view.varname = "other"
        await until(lambda: shown.desk.scene.variable.name == "other")
        titles: list[str] = []
        shown._title.observe(lambda c: titles.append(plain(c["new"])), "value")
        service.open.set()
        await until(lambda: shown.pump.is_idle)
        assert len(titles) == 1
        assert titles[0].startswith("Other m")

    asyncio.run(change())


def test_the_map_flies_only_if_nothing_of_the_data_is_in_view() -> None:
    service = LocalService({"world": fields.field(), "strip": fields.regional()})
    shown = DatavoreMap(service, View(index="world"))
    lay_out(shown, -180, -60, 180, 60)
    centre = tuple(shown.map.center)
    shown.view.index = "strip"
    assert tuple(shown.map.center) == centre
    lay_out(shown, -120, -40, -80, -20)
    shown.view.index = "world"
    assert tuple(shown.map.center) == centre
    shown.view.index = "strip"
    lat, lon = shown.map.center
    assert 30 < lat < 46
    assert 0 < lon < 36


@pytest.mark.parametrize("seen", [(125, -25, 165, -5), (91, 41, 99, 49)], ids=["without values", "one cell"])
def test_a_data_set_of_which_next_to_nothing_is_in_view_is_looked_at_as_a_whole(seen: tuple[float, ...]) -> None:
    service = LocalService({"world": fields.field(), "strip": fields.regional()})
    shown = DatavoreMap(service, View(index="strip"))
    lay_out(shown, *seen)
    shown.view.index = "world"
    assert tuple(shown.map.center) == (0, 0)
    # What a link says stays.
    lay_out(shown, 0, 30, 36, 46)
    shown.view.index = "strip"
    lay_out(shown, *seen)

    async def follow() -> None:
        shown.desk.turn_to({"index": "world", "viewport": "20,20,60,40"})
        await until(lambda: shown.is_idle and shown.desk.picture.scene is shown.desk.scene)

    asyncio.run(follow())
    assert shown.map.center[1] == 40


def test_a_box_drawn_over_the_antimeridian_is_one_box(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, 100, -40, 260, 40, (800, 400))
    shown._area.sheet._heard(None, {"box": [0.25, 0.25, 0.75, 0.75], "size": [800, 400]}, [])
    box = shown.view.bbox
    assert box is not None
    assert (box.west, box.east) == (140, -140)
    assert box.crosses_antimeridian
    assert box.south == pytest.approx(-box.north)
    longitudes = {lon for _, lon in shown._area.box.locations}
    assert longitudes == {140, 220}


@pytest.mark.parametrize(
    "forged",
    [{}, {"box": "x"}, {"box": [0, 0, 1]}, {"box": [0, 0, math.nan, 1]}, {"box": [-1, 0, 5, 1]}, "box", None],
)
def test_forged_boxes_are_ignored(sea: Watched, forged: Any) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, -90, -40, 90, 40)
    shown._area.sheet._heard(None, {"size": [900, 450], **forged} if isinstance(forged, dict) else forged, [])
    for size in (None, [900], [0, 450], [900, math.inf], ["900", "450"]):
        shown._area.sheet._heard(None, {"box": [0.1, 0.1, 0.9, 0.9], "size": size}, [])
    assert shown.view.bbox is None


def test_a_box_is_where_it_was_drawn_also_while_leaflet_has_not_told_the_new_size(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, -90, -60, 90, 75, (800, 600))
    before = shown._frame
    assert before is not None
    # A quarter of the width, half of the height: the middle stays, and so does the scale.
    shown._area.sheet._heard(None, {"box": [0.0, 0.0, 1.0, 1.0], "size": [200, 300]}, [])
    box = shown.view.bbox
    assert box is not None
    west, north = before.at(0.375, 0.25)
    east, south = before.at(0.625, 0.75)
    assert box.to_tuple() == pytest.approx((west, south, east, north), abs=0.1)


def test_a_box_may_reach_beyond_the_end_of_the_map(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    # 100 pixels of nothing above the map.
    high = float(mercator_from_latitude(MERCATOR_LIMIT)) + 100 * math.radians(360) / 1000
    lay_out(shown, -180, 0, 180, float(latitude_from_mercator(high)), (1000, 600))
    shown._area.sheet._heard(None, {"box": [0.4, 0.1, 0.6, 1.0], "size": [1000, 600]}, [])
    box = shown.view.bbox
    assert box is not None
    assert (box.south, box.north) == (0, pytest.approx(MERCATOR_LIMIT, abs=0.1))
    shown._area.sheet._heard(None, {"box": [0.4, 0.5, 0.6, 1.0], "size": [1000, 600]}, [])
    assert shown.view.bbox.north == pytest.approx(float(latitude_from_mercator(high / 2)), abs=0.1)


def test_a_click_is_a_point_but_not_while_drawing(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    lay_out(shown, 100, -40, 260, 40)
    shown._area.button.value = True
    shown._area.touched(type="click", coordinates=[5, 200])
    assert shown.view.point is None
    shown._area.button.value = False
    for forged in ({"type": "click"}, {"type": "click", "coordinates": [200, "x"]}, {"coordinates": [0, 0]}):
        shown._area.touched(**forged)
    assert shown.view.point is None
    shown._area.touched(type="click", coordinates=[5.0, 200.0])
    assert (shown.view.point.lon, shown.view.point.lat) == (-160, 5)
    assert shown._ring.location == [5, 200] or tuple(shown._ring.location) == (5, 200)


def test_only_the_chosen_base_map_is_on_the_map(sea: Watched) -> None:
    shown = DatavoreMap(sea)
    urls = lambda: [layer.url for layer in shown.map.layers if "url" in layer.keys and "{z}" in layer.url]  # noqa: E731
    assert urls() == []
    shown.view.basemap = "ocean"
    assert len(urls()) == 1
    shown.view.basemap = "streets"
    assert len(urls()) == 1
    assert "openstreetmap" in urls()[0]
    assert shown.overlay in shown.map.layers
    shown.view.basemap = "coast"
    assert urls() == []


# Frames


def test_the_request_is_at_most_a_turn_and_within_mercator() -> None:
    frame = Frame(-250, -89, 150, 89, 1000, 600)
    box, resolution, turn = frame.request()
    assert box.is_whole_turn
    assert -85.06 < box.south < box.north < 85.06
    assert resolution <= 2048
    assert box.west + turn == pytest.approx(frame.centre - 180)


def test_the_zoom_that_fits_shows_the_box_and_never_two_worlds() -> None:
    frame = Frame(-180, -60, 180, 60, 1000, 500)
    for box in (BBox(-10, 30, 40, 60), BBox(170, -20, -170, 20), BBox(-180, -90, 180, 90)):
        (_, lon), zoom = fit(box, frame)
        pixels = 256 * 2**zoom
        assert pixels >= frame.width
        if not box.is_whole_turn:
            assert box.width / 360 * pixels <= frame.width
            assert bool(box.contains_longitude(lon))


def test_what_mercator_blows_up_does_not_push_the_rest_out_of_view() -> None:
    frame = Frame(-172, -60, 172, 68, 980, 450)
    (lat, _), zoom = fit(BBox(-77.3, -89.4, 6.4, 0), frame)
    high, low = (float(mercator_from_latitude(v)) for v in (0, lat))
    assert (high - low) / (2 * np.pi) * 256 * 2**zoom < frame.height / 2, "the end at the equator is cut off"
    assert fit(BBox(-30, 70, 30, 89), frame)[0][0] > 78, "polar data are seen with their pole"
    assert fit(BBox(5, 50, 5, 50), frame)[1] < 10, "nothing but the place would be in view"


# Colours


@pytest.mark.parametrize(
    "limits", [(106_837.5, 122_150.6), (-1, 1), (4.67e-16, 4.05e-15), (97_998, 102_522.7), (-1.8, 29.3), (0.9, 1.1)]
)
@pytest.mark.parametrize("width", [400, 240])
def test_the_ticks_of_a_bar_do_not_touch(limits: tuple[float, float], width: int) -> None:
    markup = bar(Norm(*limits), Scale(""), "viridis", width=width)
    found = re.findall(r"class='dv-tick( dv-tick-\w+)?' style='left:([\d.]+)%'>([^<]+)<", markup)
    assert len(found) >= 2
    end = -np.inf
    for edge, left, text in found:
        size = 6 * len(text)
        start = float(left) / 100 * width - size * {" dv-tick-first": 0, "": 0.5, " dv-tick-last": 1}[edge]
        assert start > end + 4
        end = start + size
        assert -10 < start < end < width + 10


def test_what_has_no_colours_has_no_limits_either() -> None:
    service = LocalService({"soi": fields.index_series(), "sea": fields.field()})
    view = View(index="sea")
    picker, shown = ColormapPicker(service, view), ColorBar(service, view)
    assert "dv-hidden" not in picker._dom_classes
    view.set(index="soi", varname="soi")
    assert "dv-hidden" in picker._dom_classes
    assert shown._html.value == ""


def test_the_bar_is_drawn_with_what_the_picture_used(sea: Watched) -> None:
    view = View(vmin=10, vmax=30, cmap="viridis")
    shown = DatavoreMap(sea, view)
    colors = ColorBar(None, view)
    assert "data-cmap='viridis' data-vmin='10' data-vmax='30'" in colors._html.value
    assert "Sea surface temperature (°C)" in colors._html.value
    sea.trouble = Unreadable("gone")
    view.cmap = "balance"
    assert "data-cmap='viridis'" in colors._html.value  # the picture on the map is still the old one
    sea.trouble = None
    shown.pump.forget()
    view.vmin = 11
    assert "data-cmap='balance' data-vmin='11'" in colors._html.value


def test_auto_takes_percentiles_of_what_is_in_view_once(sea: Watched) -> None:
    view = View()
    shown = DatavoreMap(sea, view)
    picker = ColormapPicker(None, view)
    lay_out(shown, 10, 50, 60, 80)
    picker.auto.click()
    box = sea.of(DataQuery)[-1].bbox
    assert (box.west, box.east) == (10, 60)
    field = sea.service.answer(sea.of(DataQuery)[-1])
    low, high = np.nanpercentile(field.data, [2, 98])
    step = (high - low) / 100
    assert view.vmin == pytest.approx(low, abs=2 * step)
    assert view.vmax == pytest.approx(high, abs=2 * step)
    kept = (view.vmin, view.vmax)
    lay_out(shown, -60, -50, 60, 50)
    assert (view.vmin, view.vmax) == kept


def test_limits_go_with_the_variable_unless_locked() -> None:
    both = fields.field().assign(other=lambda d: d["sst"] * 2)
    both["other"].attrs = {"units": "m"}
    view = View(varname="sst", vmin=1, vmax=2, cmap="jet")
    picker = ColormapPicker(LocalService(both), view)
    view.varname = "other"
    assert (view.vmin, view.vmax, view.cmap) == (None, None, None)
    view.set(vmin=1, vmax=2, cmap="jet")
    picker.lock.value = True
    view.varname = "sst"
    assert (view.vmin, view.vmax, view.cmap) == (1, 2, "jet")


def test_limits_are_typed_as_they_are_shown() -> None:
    kelvin = fields.field(attrs={"units": "K"})
    kelvin["sst"] = (kelvin["sst"] + 273.15).assign_attrs(kelvin["sst"].attrs)
    view = View()
    DatavoreMap(LocalService(kelvin), view)
    picker = ColormapPicker(None, view)
    assert -10 < picker.low.value < picker.high.value < 50
    picker.low.value = 5.0
    assert view.vmin == pytest.approx(278.15)
    picker.low.value = 99.0
    assert "below" in picker.strip.value
    assert view.vmin == pytest.approx(278.15)


def test_forged_colours_are_refused(sea: Watched) -> None:
    picker = ColormapPicker(sea)
    before = picker.swatches.tables
    picker.swatches.set_state({"tables": {"x": "00"}, "advice": HOSTILE})
    assert picker.swatches.tables == before
    assert picker.swatches.advice != HOSTILE
    with pytest.raises(TraitError):
        picker.swatches.set_state({"chosen": HOSTILE})
    assert picker.view.cmap is None
    picker.swatches.set_state({"chosen": "balance_r"})
    assert picker.view.cmap == "balance_r"


# Dates


def test_the_slider_has_the_real_times_and_opens_on_the_last(sea: Watched) -> None:
    slider = DateSlider(sea)
    labels = np.frombuffer(slider.bar.labels, "<i8")
    assert labels[0] == 20120115000000000
    assert labels.size == 40
    assert slider.bar.position == 39
    slider.bar.set_state({"position": 1})
    assert slider.view.date == Date("20120215000000")
    assert slider.bar.shown == 1  # no map to wait for


def test_forged_positions_are_kept_inside_or_refused(sea: Watched) -> None:
    slider = DateSlider(sea)
    slider.bar.set_state({"position": 10**9})
    assert slider.bar.position == 39
    slider.bar.set_state({"position": -5})
    assert slider.bar.position == 0
    slider.bar.set_state({"labels": b"", "shown": 7, "note": HOSTILE})
    assert len(slider.bar.labels) == 320
    assert slider.bar.note == ""
    for forged in ("7", None, 1.5, True, [1]):
        with pytest.raises(TraitError):
            slider.bar.set_state({"position": forged})
    assert slider.bar.position == 0


def test_the_date_stays_if_it_exists_else_the_nearest_and_says_so() -> None:
    early, late = fields.field(times=6, start="2012-01"), fields.field(times=6, start="2012-04")
    view = View(index="early", date="2012-05-15")
    slider = DateSlider(LocalService({"early": early, "late": late}), view)
    view.index = "late"
    assert view.date == Date("20120515000000")
    assert slider.bar.note == ""
    view.index = "early"
    view.date = "2012-01-15"
    view.index = "late"
    assert view.date == Date("20120415000000")
    assert "2012-01-15" in slider.bar.note
    slider.bar.set_state({"position": 3})
    assert slider.bar.note == ""


def test_beside_a_lapse_the_date_is_not_taken_for_the_map_s(sea: Watched) -> None:
    view = View(lapse="2012,2013")
    slider = DateSlider(sea, view)
    assert slider.bar.note == "The map shows a lapse, not this date."
    slider.bar.set_state({"position": 3})
    assert view.lapse is None
    assert slider.bar.note == ""


def test_a_date_that_does_not_exist_shows_the_nearest_and_the_truth(sea: Watched) -> None:
    view = View()
    shown = DatavoreMap(sea, view)
    truth = TruthLine(None, view)
    view.date = "2012-03-20"
    assert shown.desk.picture.image.time.text == "2012-03-15 00:00 Z"
    assert plain(truth._html.value).startswith("2012-03-15 00:00 Z (asked: 2012-03-20 00:00 Z)")


def test_without_time_nothing_slides_and_the_picture_is_there() -> None:
    view = View()
    shown = DatavoreMap(LocalService(fields.no_time()), view)
    slider = DateSlider(None, view)
    assert slider.bar.labels == b""
    assert "no time axis" in shown._title.value
    slider.bar.set_state({"position": 3})
    assert view.date is None


def test_names_that_do_not_exist_are_refused_where_they_are_set(sea: Watched) -> None:
    view = View()
    DatavoreMap(sea, view)
    index = view.index
    with pytest.raises(InvalidValue, match="did you mean"):
        view.varname = "sts"
    with pytest.raises(InvalidValue, match="unknown index"):
        view.index = "nothing"
    assert (view.index, view.varname) == (index, "sst")
    with pytest.raises(UnknownName):
        DatavoreMap(sea, View(index="nothing"))


def test_a_further_dimension_has_a_drop_down() -> None:
    service = Watched(fields.with_depth())
    view = View()
    DatavoreMap(service, view)
    picker, truth = IndexPicker(None, view), TruthLine(None, view)
    assert "depth 0.5 m" in plain(truth._html.value)
    (depth,) = picker.dims.children
    assert [label for label, _ in depth.options] == ["0.5 m (default)", "10 m", "100 m"]
    depth.value = 2
    assert view.filters == (Condition("depth", (100.0,)),)
    assert service.of(MapQuery)[-1].source.filters == view.filters


# Series


def test_the_series_of_a_box_equals_xarray_s(sea: Watched) -> None:
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(sea, view)
    dataset = fields.field(times=40)
    cells = dataset["sst"].sel(lon=slice(20, 80), lat=slice(10, 60)).astype("f8")
    # The part of each cell that the box covers: half of the outer columns; on the sphere a strip counts by its sines.
    across = xr.ones_like(cells["lon"]).where((cells["lon"] > 20) & (cells["lon"] < 80), 0.5)
    up = np.sin(np.radians(cells["lat"] + 5)) - np.sin(np.radians(cells["lat"] - 5))
    inside = cells.weighted(across * up).mean(("lat", "lon"))
    assert chart.lines[0].values == pytest.approx(inside.values, rel=1e-6)
    assert chart.plot.marks[0].visible
    assert np.asarray(chart.plot.marks[0].y) == pytest.approx(inside.values, rel=1e-6)
    assert np.asarray(chart.plot.marks[0].x).dtype.kind == "M"
    view.aggregate = "avg"
    assert chart.lines[0].values == pytest.approx(cells.mean(("lat", "lon")).values, rel=1e-6)
    view.point = (30, 25)
    assert len(chart.lines) == 2
    assert "Draw" not in chart._empty.value


def test_group_and_aggregate_are_plain_words(sea: Watched) -> None:
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(sea, view)
    picker = SeriesPicker(None, view, chart)
    words = [label for label, _ in picker.groupby.options]
    assert words[:5] == ["Every time", "Daily series", "Monthly series", "Seasonal series", "Yearly series"]
    assert all(word.startswith("Climatology: ") for word in words[5:])
    picker.groupby.value = "yyyy"
    picker.aggregate.value = "count"
    query = sea.of(SeriesQuery)[-1]
    assert (query.groupby, query.aggregate) == ("yyyy", "count")
    assert "yearly series" in chart._head.value
    picker.groupby.value = ""
    assert view.groupby is None


def test_a_series_of_windows_that_move_on_is_chosen_among_the_times(sea: Watched) -> None:
    days = fields.field(times=40).assign_coords(
        time=np.datetime64("2012-01-01", "ns") + np.arange(40) * np.timedelta64(1, "D")
    )
    service = Watched(days)
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(service, view)
    picker = SeriesPicker(None, view, chart)
    running = [word for word, seconds in picker.groupby.options if isinstance(seconds, float)]
    assert running == []  # a mean by area has none
    view.aggregate = "avg"
    running = {word: seconds for word, seconds in picker.groupby.options if isinstance(seconds, float)}
    # Of daily values; neither of one day alone nor of more than all.
    assert list(running) == ["Running over 3 days", "Running over 7 days", "Running over 30 days"]
    plainly = chart.lines[0].values
    view.set(trend=True)
    picker.groupby.value = running["Running over 3 days"]
    assert (view.running, view.groupby, view.trend) == (3 * 86400, None, False)
    query = service.of(SeriesQuery)[-1]
    assert (query.window.seconds, query.window.overlap) == (3 * 86400, "mean")
    wanted = [np.mean(plainly[max(0, i - 2) : i + 1]) for i in range(40)]
    assert chart.lines[0].values == pytest.approx(wanted)
    assert "running over 3 days, 40 values" in chart._head.value
    assert "all of the 259200 s that end with each time" in chart._head.value
    assert picker.trend.disabled
    assert picker.anomaly.disabled
    rows = list(csv.DictReader(io.StringIO(series_csv(chart.told())[1].decode())))
    assert rows[0]["window_s"] == "259200.0"
    # Another length by hand is offered too; groups take its place, and what cannot have it says nothing of it.
    view.running = 5 * 86400
    assert picker.groupby.value == 5 * 86400
    picker.groupby.value = "yyyy-MM"
    assert (view.running, view.groupby) == (None, "yyyy-MM")
    assert not picker.anomaly.disabled
    view.set(groupby=None, running=86400 * 3, aggregate=None)
    assert service.of(SeriesQuery)[-1].window is None
    assert picker.groupby.value == ""
    assert not picker.trend.disabled


def test_one_time_and_directions_have_no_windows_that_move_on() -> None:
    for dataset, name in ((fields.one_time(), "sst"), (fields.wind(), "direction_of_u10_v10")):
        picker = SeriesPicker(LocalService(dataset), View(varname=name, aggregate="avg", running=86400 * 90))
        assert [seconds for _, seconds in picker.groupby.options if isinstance(seconds, float)] == []


def test_kept_series_of_another_kind_wait_until_they_share_the_axis_again(sea: Watched) -> None:
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(sea, view)
    chart.keep()
    view.bbox = [100, 10, 160, 60]
    for words in ({"groupby": "MM"}, {"anomaly": "MM"}, {"aggregate": "std"}):
        view.set(**words)
        assert len(chart.lines) == 1
        assert "1 kept series is of another kind" in chart._head.value
        view.set(groupby=None, anomaly=None, aggregate=None)
        assert len(chart.lines) == 2
        assert "of another kind" not in chart._head.value


def test_kept_series_stay_and_are_saved_together(sea: Watched) -> None:
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(sea, view)
    chart.keep()
    chart.keep()
    view.bbox = [100, 10, 160, 60]
    assert len(chart.lines) == 2
    name, data = series_csv(chart.told())
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert re.fullmatch(r"dataset_sst_series_2012-01-15_2015-04-15\.csv", name)
    assert len(rows) == 80
    assert rows[0]["time"] == "2012-01-15T00:00:00Z"
    assert float(rows[0]["sst"]) == chart.lines[0].values[0]
    assert [rows[i]["bbox_asked"] for i in (0, 40)] == ["100,10,160,60", "20,10,80,60"]
    assert {row["units"] for row in rows} == {"degree_Celsius"}
    name, data = series_netcdf(chart.told())
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        read = [xr.open_dataset(io.BytesIO(archive.read(one)), engine="scipy") for one in archive.namelist()]
    assert [one["sst"].values.tolist() for one in read] == [one.values.tolist() for one in chart.lines]
    chart.forget()
    assert len(chart.lines) == 1


def test_two_quantities_have_an_axis_each_and_a_third_waits() -> None:
    data = fields.field(times=40)
    data["sla"] = (data["sst"] / 1000).assign_attrs(units="m", long_name="Sea level")
    data["wind"] = (data["sst"] * 2).assign_attrs(units="m s-1", long_name="Wind speed")
    view = View(varname="sst", bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(LocalService(data), view)
    plot = chart.plot
    narrow = plot.figure.fig_margin["right"]
    assert not plot.figure.axes[2].visible
    chart.keep()
    view.varname = "sla"
    left, right = plot.figure.axes[1:]
    assert (left.label, right.label, right.visible) == ("m", "°C", True)
    assert [mark.scales["y"] for mark in plot.marks[:2]] == [left.scale, right.scale]
    assert left.scale.max < 1 < right.scale.min
    assert plot.figure.fig_margin["right"] > narrow
    assert plain(chart._head.value).count("right axis:") == 1
    chart.keep()
    view.varname = "wind"
    assert [line["units"] for line in plot.sheet.lines] == ["m s⁻¹", "m"]
    assert "1 kept series is of another kind" in chart._head.value
    chart.forget()
    assert not right.visible
    assert plot.marks[0].scales["y"] is left.scale


def test_a_box_without_data_says_so(sea: Watched) -> None:
    empty = fields.field(times=3)
    empty["sst"][:] = np.nan
    chart = TimeseriesChart(LocalService(empty), View(bbox=[0, 0, 40, 40]))
    assert plain(chart._empty.value) == "No valid data in this box at these times"
    assert not chart.plot.marks[0].visible


def test_a_click_on_the_chart_is_a_date(sea: Watched) -> None:
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(sea, view)
    millis = int(np.datetime64("2012-03-14", "ms").astype(int))
    chart._heard(None, {"millis": float(millis)}, [])
    assert view.date == Date("20120315000000")
    assert chart.plot.sheet.shown == np.datetime64("2012-03-15", "ms").astype(float)
    for forged in ({}, {"millis": "x"}, {"millis": 1e300}, {"millis": math.nan}, {"millis": True}, None):
        chart._heard(None, forged, [])
    assert view.date == Date("20120315000000")
    chart.plot.sheet.set_state({"lines": [{"name": HOSTILE}], "hint": HOSTILE})
    assert chart.plot.sheet.lines[0]["name"] != HOSTILE


def test_a_series_without_a_place_is_on_the_chart_at_once_and_asks_for_no_map() -> None:
    service = Watched({"soi": fields.index_series(), "sea": fields.field()})
    view = View(index="soi", varname="soi")
    chart, sheet = TimeseriesChart(service, view), DatavoreMap(service, view)
    (asked,) = service.of(SeriesQuery)
    assert asked.coord == GLOBAL
    assert np.array_equal(chart.lines[0].values, np.sin(np.arange(24.0)))
    assert chart.plot.sheet.lines[0]["name"] == "soi"
    assert not service.of(MapQuery)
    assert "without a place" in sheet._title.value
    assert "alert" not in sheet._strip.value


def test_thirty_days_in_february_are_on_the_chart() -> None:
    chart = TimeseriesChart(LocalService(fields.days_360()), View(bbox=[20, 10, 80, 60]))
    labels = np.frombuffer(chart.plot.sheet.lines[0]["labels"], "<i8") // 10**9
    assert labels.tolist() == [20000228, 20000229, 20000230, 20000301]


def series(values: Any, labels: Any = None) -> Series:
    array = np.asarray(values, float)
    months = np.arange(array.size)
    made = (2000 + months // 12) * 10**13 + (months % 12 + 1) * 10**11 + 10**9
    return Series(np.asarray(made if labels is None else labels, np.int64), array, np.isfinite(array).astype(int))


def test_gaps_are_gaps_and_lonely_points_are_seen() -> None:
    curve = curve_of(series([1, 2, np.nan, 4, np.nan, 6, 7]))
    assert np.isnan(curve.values[[2, 4]]).all()
    assert curve.alone.tolist() == [False, False, False, True, False, False, False]


def test_a_month_that_is_left_out_parts_the_line() -> None:
    labels = [20000101 * 10**9, 20000201 * 10**9, 20000501 * 10**9, 20000601 * 10**9]
    assert np.isnan(curve_of(series([1, 2, 3, 4], labels), groupby="yyyy-MM").values).tolist() == [0, 0, 1, 0, 0]
    assert not np.isnan(curve_of(series([1, 2, 3, 4], labels)).values).any()
    years = [20000101 * 10**9, 20010101 * 10**9]
    assert curve_of(series([1, 2], years), groupby="yyyy").values.size == 2


def test_a_long_series_is_thinned_but_keeps_extremes_and_gaps() -> None:
    rng = np.random.default_rng(7)
    days = np.datetime64("1900-01-01") + np.arange(40_000)
    text = np.char.replace(days.astype(str), "-", "")
    values = rng.normal(size=days.size)
    values[[500, 20_000]] = 50, -50
    values[10_000:10_005] = np.nan
    values[30_000:33_000] = np.nan
    curve = curve_of(series(values, text.astype(np.int64) * 10**9))
    assert curve.values.size <= 2010
    assert np.nanmax(curve.values) == 50
    assert np.nanmin(curve.values) == -50
    assert (np.diff(curve.labels) > 0).all()
    gaps = curve.labels[np.isnan(curve.values)] // 10**9
    assert gaps.tolist() == [int(text[10_000]), int(text[30_000])]


def test_cancel_lets_go_of_a_long_series(sea: Watched) -> None:
    async def long() -> None:
        chart = TimeseriesChart(sea)
        sea.open.clear()
        chart.view.bbox = [20, 10, 80, 60]
        await until(lambda: "dv-is-waiting" in chart._dom_classes)
        chart._stop.click()
        assert "dv-is-waiting" not in chart._dom_classes
        chart.view.bbox = [25, 10, 80, 60]
        await until(lambda: chart.desk.status.startswith("reading"))
        chart.view.bbox = None
        assert chart.desk.status == "ready"
        sea.open.set()
        await asyncio.sleep(0.05)
        assert chart.lines == []
        chart.view.bbox = [30, 10, 80, 60]
        await until(lambda: len(chart.lines) == 1)

    asyncio.run(long())


def test_a_long_series_is_drawn_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields.field(times=60).to_netcdf(tmp_path / "sea.nc", engine="h5netcdf")
    monkeypatch.setattr(tiles, "READ_BYTES", 1)
    monkeypatch.setattr(Job, "every", 0.0)
    read, go = Variable.read, threading.Event()

    def held(variable: Any, steps: Any, *where: Any) -> Any:
        assert not isinstance(steps, slice) or steps.start < 24 or go.wait(20)
        return read(variable, steps, *where)

    monkeypatch.setattr(Variable, "read", held)

    async def long() -> None:
        with LocalService(tmp_path / "sea.nc", laps=tmp_path / "nowhere") as service:
            chart = TimeseriesChart(service)
            chart.view.bbox = [20, 10, 80, 60]
            await until(lambda: bool(chart.lines) and len(chart.lines[0].values) == 24)
            # The axis is that of all the times that are asked for.
            span = chart.plot.sheet.first, chart.plot.sheet.last
            assert "incomplete: more is being read" in plain(chart._head.value)
            await until(lambda: "dv-is-waiting" in chart._dom_classes)
            assert chart._reads.value.startswith("Reads 8.4 kB in 60 chunks")
            # What is not whole is neither kept nor saved.
            chart.keep()
            assert chart.told() == []
            go.set()
            await until(lambda: len(chart.lines[0].values) == 60 and chart.is_idle)
            assert len(chart.lines) == 1
            assert "incomplete" not in plain(chart._head.value)
            assert (chart.plot.sheet.first, chart.plot.sheet.last) == span
            assert chart._reads.value == "Reading the series …"
            # Given up in the middle, it is not taken for the whole.
            go.clear()
            chart.view.bbox = [20, 0, 80, 60]
            await until(lambda: len(chart.lines[0].values) == 24)
            chart._cancel(None)
            assert "incomplete: reading it was given up" in plain(chart._head.value)
            go.set()

    asyncio.run(long())


# Points, areas, units


def test_the_point_s_value_names_its_cell(sea: Watched) -> None:
    readout = PointReadout(sea, View(point=(43, -26)))
    text = plain(readout._text.value)
    cell = fields.value(40, -25, 39)
    assert f"{number(float(np.float32(cell)))} °C" in text
    assert "25°S 40°E" in text
    assert "km away" in text
    readout._clear.click()
    assert readout._text.value == ""


def test_a_field_without_times_tells_its_value_at_the_point_and_why_it_has_no_series() -> None:
    service = LocalService(fields.no_time())
    view = View(point=(43, -26))
    readout, chart = PointReadout(service, view), TimeseriesChart(service, view)
    text = plain(readout._text.value)
    assert number(float(np.float32(fields.value(40, -25, 0)))) in text
    assert "cell of 25°S 40°E" in text
    assert readout.desk.cell == (40, -25)
    assert "no time axis" in plain(chart._empty.value)
    assert "dv-has-error" not in chart._dom_classes


def test_the_point_s_flag_is_told_by_its_meaning() -> None:
    readout = PointReadout(LocalService(fields.flags()), View(point=(43, -26)))
    assert "land (2)" in plain(readout._text.value)


def test_four_numbers_are_the_area(sea: Watched) -> None:
    area = AreaFields(sea)
    for name, text in (("west", "170"), ("south", "-10"), ("east", "-170°")):
        area.fields[name].value = text
    assert area.view.bbox is None
    area.fields["north"].value = "−5"
    assert area.view.bbox == BBox(170, -10, -170, -5)
    area.fields["north"].value = "<b>"
    assert area.view.bbox == BBox(170, -10, -170, -5)
    assert "number of degrees" in area.strip.value
    assert "<b>" not in area.strip.value
    area.clear.click()
    assert area.view.bbox is None
    assert [field.value for field in area.fields.values()] == [""] * 4


@pytest.mark.parametrize(
    ("info", "aggregate", "units"),
    [
        (VariableInfo("tas", "Near-Surface Air Temperature", "K", "air_temperature"), "avg", "°C"),
        (VariableInfo("analysed_sst", "analysed sea surface temperature", "kelvin"), "max", "°C"),
        (VariableInfo("tas", "Near-Surface Air Temperature", "K", "air_temperature"), "std", "K"),
        (VariableInfo("tas", "Near-Surface Air Temperature", "K", "air_temperature"), "count", "values"),
        (VariableInfo("a", "temperature anomaly", "K", kind="anomaly"), "avg", "K"),
        (VariableInfo("a", "sea surface temperature anomaly", "K"), "avg", "K"),
        (VariableInfo("d", "air-sea temperature difference", "K"), "avg", "K"),
        (VariableInfo("e", "estimated error of sea_surface_temperature", "K"), "avg", "K"),
        (VariableInfo("t", "temperature trend", "K"), "avg", "K"),
        (VariableInfo("tb", "brightness temperature", "K"), "avg", "K"),
        (VariableInfo("x", "noise", "K"), "avg", "K"),
        (VariableInfo("t", "temperature", "degC"), "avg", "°C"),
    ],
)
def test_kelvin_is_celsius_for_levels_alone(info: VariableInfo, aggregate: str, units: str) -> None:
    scale = scale_of(info, aggregate)
    assert scale.units == units
    assert float(scale.shown(300.0)) == pytest.approx(26.85 if units == "°C" and info.units != "degC" else 300.0)
    assert scale.native(float(scale.shown(3.0))) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        ("m s-1", "m s⁻¹"),
        ("kg m**-3", "kg m⁻³"),
        ("W/m^2", "W/m²"),
        ("degrees_C", "°C"),
        ("C", "°C"),
        ("K", "K"),
        ("1", ""),
        ("1e-3", "1e-3"),
        ("mg m-3", "mg m⁻³"),
        ("s", "s"),
        ("degree", "°"),
    ],
)
def test_units_are_typeset(units: str, shown: str) -> None:
    assert pretty(units) == shown


def test_longitudes_and_numbers_are_written_as_on_charts() -> None:
    assert [longitude(v) for v in (-27.5, 332.5, 0, 180, 12.25)] == ["27.5°W", "27.5°W", "0°", "180°", "12.25°E"]
    assert [number(v) for v in (0.0, -0.00001, 12345.678, 1e9)] == ["0", "−1e−5", "12346", "1e9"]


def test_ticks_are_round() -> None:
    assert ticks(0.03, 0.21) == ([pytest.approx(v) for v in (0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2)], 3)
    first, last = (int(np.datetime64(day, "ms").astype(int)) for day in ("2010-01-05", "2020-07-01"))
    dates, form = time_ticks(first, last)
    assert form == "%Y"
    assert dates.astype("M8[Y]").astype(str).tolist() == [str(y) for y in range(2011, 2021)]


# The whole


def hostile() -> xr.Dataset:
    dataset = fields.with_depth()
    dataset["sst"].attrs = {"long_name": HOSTILE, "units": HOSTILE}
    dataset.attrs["title"] = HOSTILE
    dataset["depth"].attrs["units"] = HOSTILE
    return dataset


def test_text_from_files_is_text_everywhere() -> None:
    explorer = Explorer(LocalService(hostile()), View(bbox=[20, 10, 80, 60], point=(30, 20)))
    explorer.view.bbox = [30, 10, 80, 60]
    texts = list(spoken(explorer))
    assert sum("&lt;img" in text for text in texts) >= 4  # it is shown
    assert not any("<img" in text for text in texts)  # and is no element


def test_explore_takes_the_view_s_words_and_refuses_others(sea: Watched) -> None:
    explorer = explore(sea, bbox="20,10,80,60", groupby="yyyy-MM", date="2012-05")
    assert explorer.view.date == Date("20120515000000")
    assert len(explorer.chart.lines) == 1
    with pytest.raises(UnknownKeyword, match="did you mean 'bbox'"):
        explore(sea, bobx="global")
    with pytest.raises(InvalidValue, match="aggregate"):
        explore(sea, aggregate="mean")


def test_the_sample_says_that_it_is_synthetic_and_others_do_not(sea: Watched, sample_catalog: Path) -> None:
    assert not any("synthetic" in text for text in spoken(Explorer(sea)))
    texts = [plain(text) for text in spoken(Explorer(LocalService(sample_catalog)))]
    assert any(text.lower().startswith("synthetic data") and "datavore explore PATH" in text for text in texts)


@pytest.mark.parametrize(
    "kind",
    [
        *(DatavoreMap, DateSlider, IndexPicker, ColormapPicker, ColorBar, TimeseriesChart),
        *(AreaFields, PointReadout, SeriesPicker, TruthLine),
    ],
)
def test_each_widget_is_useful_alone(sea: Watched, kind: type[Panel]) -> None:
    widget = kind(sea)
    assert widget.view.varname == "sst"
    assert f"dv-{kind.name}" in widget._dom_classes
    assert widget.desk.sheet in widget.children


def test_a_view_has_one_client(sea: Watched) -> None:
    view = View()
    one = DatavoreMap(sea, view)
    assert DateSlider(sea, view).desk is one.desk
    assert DateSlider(None, view).desk is one.desk
    with pytest.raises(InvalidValue, match="another client"):
        DateSlider(LocalService(fields.one_time()), view)


def test_an_empty_catalogue_is_refused() -> None:
    class Bare:
        def answer(self, query: Any, job: Any = None) -> Any:
            return Catalog({})

    with pytest.raises(InvalidValue, match="nothing to show"):
        DatavoreMap(Bare())


def test_closing_leaves_nothing_behind(sea: Watched) -> None:
    from ipywidgets.widgets.widget import _instances

    def once() -> None:
        explorer = Explorer(sea, View(bbox=[20, 10, 80, 60], point=(30, 20)))
        explorer.view.basemap = "ocean"
        explorer.close()

    once()  # what is made once for all
    before = len(_instances)
    for _ in range(3):
        once()
    assert len(_instances) == before


def test_a_closed_explorer_shows_no_late_picture(sea: Watched) -> None:
    async def late() -> None:
        explorer = Explorer(sea)
        await until(lambda: explorer.map.pump.is_idle)
        sea.open.clear()
        explorer.view.vmin = 3
        explorer.close()
        shown = explorer.desk.picture
        sea.open.set()
        await asyncio.sleep(0.05)
        assert explorer.desk.picture is shown

    asyncio.run(late())


def test_a_logarithmic_scale_is_chosen_and_taken_back() -> None:
    data = fields.field()
    data["chl"] = (10.0 ** (data["sst"] / 10 - 2)).assign_attrs(long_name="chlorophyll concentration", units="mg m-3")
    view = View(varname="chl")
    shown, picker = DatavoreMap(LocalService(data), view), ColormapPicker(None, view)
    assert shown.desk.picture.image.scale == "log"
    assert picker.logarithmic.value
    assert 0 < picker.low.value < picker.high.value
    assert view.scale is None
    picker.logarithmic.value = False
    assert shown.desk.picture.image.scale == view.scale == "linear"
    picker.logarithmic.value = True
    picker.auto.click()
    assert 0 < view.vmin < view.vmax
    view.varname = "sst"
    assert (view.scale, view.vmin, shown.desk.picture.image.scale) == (None, None, "linear")


def test_limits_of_a_deviation_are_no_temperatures() -> None:
    kelvin = fields.field(times=12)
    kelvin["sst"] = (kelvin["sst"] + 273.15).assign_attrs(fields.field()["sst"].attrs, units="K")
    view = View()
    DatavoreMap(LocalService(kelvin), view)
    picker = ColormapPicker(None, view)
    view.set(lapse="2012,2012", aggregate="std")
    assert 0 <= picker.low.value < picker.high.value < 10
    assert picker.auto.disabled


def test_a_long_record_is_on_the_chart_as_a_whole() -> None:
    old = fields.field(times=12, start="1866-01")
    view = View(bbox=[20, 10, 80, 60])
    chart = TimeseriesChart(LocalService(old), view)
    assert chart.lines[0].labels.size == 12
    view.datelaps = "1866-03,1866-05"
    assert chart.lines[0].labels.size == 3


def test_wide_ticks_leave_room_for_the_label_beside_them() -> None:
    plot = TimePlot()
    labels = np.array([20200101000000000, 20200102000000000])
    plot.draw([(Curve(labels, np.array([101_300.25, 101_300.75]), np.array([1, 1])), "pressure", "Pa")], "Pa")
    wide = plot.figure.fig_margin["left"]
    plot.draw([(Curve(labels, np.array([1.0, 2.0]), np.array([1, 1])), "speed", "m/s")], "m/s")
    assert plot.figure.fig_margin["left"] < wide
    # The sheet lies over the plot, which keeps room for half of its largest mark at either end.
    inner = np.subtract(plot.sheet.margin, list(plot.figure.fig_margin.values()))
    assert np.allclose(inner, [0, 0, 4.16, 4.16], atol=0.01)
    assert not plot.trends[0].visible


def test_what_stands_for_a_widget_in_text_does_not_name_all_that_is_in_it(sea: Watched) -> None:
    explorer = Explorer(sea)
    assert repr(explorer) == "Explorer()"
    assert repr(explorer.map) == "DatavoreMap()"
    explorer.close()
