"""Arrows of a vector above the picture: where, how many, how long, which way, and what is said of them."""

from __future__ import annotations

import base64
import re
import warnings
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import CatalogQuery, DataQuery, LapseDataQuery
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.arrow_picker import ArrowPicker
from datavore_widgets.widgets.arrow_picture import APART, LONGEST, Arrows, drawing, key_of, thinned
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.flows import flow_of, flows_of
from datavore_widgets.widgets.footprints import Paper
from datavore_widgets.widgets.link import query_of, traits_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.truth_line import TruthLine
from datavore_widgets.widgets.view import View
from tests.test_vectors import nemo, on_one_grid, roms, tilted
from tests.test_widgets import HOSTILE, Watched, lay_out, plain, spoken


def look(shown: DatavoreMap, west: float, south: float, east: float, north: float, size: Any = (900, 450)) -> None:
    """Look at a box; first at another one, since a map that was just laid out flies to the data on its own."""
    lay_out(shown, west - 1, south, east - 1, north, size)
    lay_out(shown, west, south, east, north, size)


def drawn(shown: DatavoreMap) -> np.ndarray:
    """(n, 4): longitude and latitude of the middle of each arrow, pixels to the right and downwards to its head."""
    layer = shown.arrows.overlay
    assert layer in shown.map.layers
    text = base64.b64decode(layer.url.partition(",")[2]).decode()
    width, height = (float(part) for part in re.search(r"viewBox='0 0 (\d+) (\d+)'", text).groups())
    (south, west), (north, east) = layer.bounds
    low, high = np.arctanh(np.sin(np.radians([south, north])))
    found = []
    for x, y, right, down in re.findall(r"M(\S+) (\S+)l(\S+) ([^m]+)m", text):
        px, py = float(x) + float(right) / 2, float(y) + float(down) / 2
        lat = np.degrees(np.arcsin(np.tanh(high - py / height * (high - low))))
        found.append((west + px / width * (east - west), lat, float(right), float(down)))
    return np.array(found).reshape(-1, 4)


def test_arrows_point_where_it_goes_and_none_is_on_land() -> None:
    shown = DatavoreMap(LocalService(fields.currents()), View(varname="sst", arrows="uo"))
    look(shown, -60, -40, 60, 40, (1200, 800))
    lon, lat, right, down = drawn(shown).T
    assert lon.size > 300
    assert not ((lon > 20.5) & (lon < 39.5)).any()
    assert ((lon < 20) & (lon > -60)).sum() > 100
    # Each in the middle of a cell; to the right and up.
    assert np.abs(lon - np.rint(lon)).max() < 0.02
    assert np.abs(lat - np.rint(lat)).max() < 0.02
    assert (right > 0).all()
    assert np.abs(right + down).max() < 0.11
    assert np.hypot(right, down) == pytest.approx(LONGEST * np.hypot(0.5, 0.5), rel=0.02)
    assert plain(shown.arrows.legend.value) == "Current: uo, vo 1 m s⁻¹"


def test_they_follow_date_lapse_and_map_and_lengths_keep_their_key_while_it_serves() -> None:
    shown = DatavoreMap(LocalService(fields.currents()), View(varname="sst", arrows="speed_of_uo_vo", date="20120115"))
    look(shown, -60, -40, 60, 40, (1200, 800))
    slow = drawn(shown)
    shown.view.date = "20120215"
    fast = drawn(shown)
    assert np.hypot(*fast[:, 2:].T) == pytest.approx(1.5 * np.hypot(*slow[:, 2:].T), rel=0.02)
    assert plain(shown.arrows.legend.value).endswith(" 1 m s⁻¹")
    truth = TruthLine(None, shown.view)
    (text,) = (plain(value) for value in spoken(truth) if "dv-facts-words" in value and "<style" not in value)
    assert "arrows of uo, vo point where the current goes to, each of one cell" in text
    shown.view.lapse = "201201,201202"
    assert np.hypot(*drawn(shown)[:, 2:].T) == pytest.approx(LONGEST * np.hypot(0.625, 0.625), rel=0.02)
    assert "arrows of the mean of uo, vo point" in shown.desk.arrows
    shown.view.aggregate = "max"
    assert shown.arrows.overlay not in shown.map.layers
    assert shown.desk.arrows == "no arrows: the maximum of the parts of a vector is no vector; choose a mean"
    shown.view.set(lapse=None, aggregate=None)
    assert len(drawn(shown)) == len(fast)
    shown.view.arrows = ""
    assert shown.arrows.overlay not in shown.map.layers
    assert shown.desk.arrows == shown.arrows.legend.value == ""


def test_a_window_of_time_is_that_of_the_arrows() -> None:
    service = Watched(fields.currents())
    view = View(varname="sst", arrows="uo", date="20120215", window=40 * 86400, overlap="mean")
    shown = DatavoreMap(service, view)
    look(shown, -60, -40, 60, 40, (1200, 800))
    assert np.hypot(*drawn(shown)[:, 2:].T) == pytest.approx(LONGEST * np.hypot(0.625, 0.625), rel=0.02)
    assert all(query.window.overlap == "mean" for query in service.of(DataQuery) if query.source.varname == "uo")
    assert "arrows of the mean of uo, vo" in shown.desk.arrows


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_over_the_antimeridian_they_lie_where_the_map_looks(turn: int) -> None:
    shown = DatavoreMap(LocalService(fields.currents()), View(varname="sst", arrows="uo"))
    look(shown, 140 + turn, -30, 220 + turn, 30, (1000, 750))
    lon = drawn(shown)[:, 0] - turn
    assert lon.min() < 145
    assert lon.max() > 215
    columns = np.unique(np.rint(lon))
    assert np.unique(np.diff(columns)).size == 1  # no seam


def test_a_short_pan_leaves_every_arrow_on_its_cell() -> None:
    service = LocalService(fields.currents())
    shown = DatavoreMap(service, View(varname="sst", arrows="uo"))
    look(shown, -40, -30, 10, 30, (600, 720))
    before = {tuple(place) for place in np.rint(drawn(shown)[:, :2]).tolist()}
    low, high = np.arctanh(np.sin(np.radians([-30.0, 30.0]))) + np.radians(3.0)
    look(shown, -33, *np.degrees(np.arcsin(np.tanh([low]))), 17, *np.degrees(np.arcsin(np.tanh([high]))), (600, 720))
    after = {tuple(place) for place in np.rint(drawn(shown)[:, :2]).tolist()}
    both = {(lon, lat) for lon, lat in before | after if -33 <= lon <= 10 and -27 <= lat <= 30}
    assert len(both) > 80
    assert both <= before
    assert both <= after


@pytest.mark.parametrize("phase", [0.0, 0.5])
def test_rows_and_columns_of_a_grid_are_evenly_apart(phase: float) -> None:
    """Also where centres lie at half steps, and where Mercator spreads the rows."""
    lon, lat = np.arange(-40.0, 40.0) + phase, np.arange(20.0, 75.0) + phase
    u = np.ones((lat.size, lon.size))
    paper = Paper.of(BBox(-40, 20, 40, 75), 1040)
    found = thinned(paper, lon, lat, u, u)
    across, up = np.diff(np.unique(paper.x(found.lon))), np.diff(np.unique(paper.y(found.lat)))
    assert np.ptp(across) < 0.01
    cells = np.abs(np.diff(paper.y(lat)))
    # No nearer than two thirds, no farther than it takes where cells are large.
    assert up.min() > 0.66 * APART
    assert up.max() < max(1.4 * APART, 1.01 * cells.max())
    nearer = thinned(Paper.of(BBox(-20, 40, 60, 75), 1040), lon[20:], lat[20:], u[20:, 20:], u[20:, 20:])
    columns = set(found.lon.tolist()) & set(range(-20, 40))
    assert columns == set(nearer.lon.tolist()) & set(range(-20, 40))


@pytest.mark.parametrize("step", [0.25, 1.0, 4.0, 15.0])
def test_arrows_are_apart_at_every_scale_and_few_cells_are_asked_for(step: float) -> None:
    service = Watched(fields.currents(step))
    shown = DatavoreMap(service, View(varname="sst", arrows="uo"))
    look(shown, -60, -50, 60, 50, (1200, 1200))
    lon, lat = drawn(shown)[:, :2].T
    across = np.diff(np.unique(np.round(lon, 1))) * 10
    up = np.diff(np.unique(np.round(np.degrees(np.arctanh(np.sin(np.radians(lat)))), 1))) * 10
    across = across[across < 300]  # but for the land
    assert across.min() >= min(0.6 * APART, 10 * step)
    assert up.min() >= min(0.6 * APART, 10 * step)
    assert np.median(across) <= max(1.5 * APART, 11 * step)
    for query in service.of(DataQuery):
        field = service.service.answer(query)
        assert max(field.data.shape) <= query.resolution <= 160


@pytest.mark.parametrize(("make", "name"), [(on_one_grid, "u"), (roms, "u"), (nemo, "vozocrtx")])
def test_on_model_grids_they_are_turned_to_east_and_north(make: Any, name: str) -> None:
    service = LocalService(make())
    shown = DatavoreMap(service, View(arrows=name))
    flow = flow_of(shown.desk.scene.info, name)
    assert (flow.east.split("_")[0], flow.north.split("_")[0]) == ("eastward", "northward")
    x, y = tilted(*np.meshgrid(np.arange(-15.0, 15.0), np.arange(-9.0, 9.0)))
    west, south = float(np.floor(x.min())), float(np.floor(y.min()))
    look(shown, west, max(south, 20), west + 60, 75, (1200, 900))
    lon, lat, right, down = drawn(shown).T
    assert lon.size > 40
    east, north = 5 + np.cos(np.radians(lon)), 2 * np.sin(np.radians(2 * lat)) + 1
    inner = np.hypot(right, down) > 10
    away = (np.degrees(np.arctan2(right, -down) - np.arctan2(east, north)) + 180) % 360 - 180
    assert np.abs(away[inner]).max() < 2.5  # of strokes that are told to a tenth of a pixel


def test_staggered_components_of_a_regular_grid_have_parts_on_the_same_cells() -> None:
    lon, lat = np.arange(0.0, 20.0), np.arange(-5.0, 6.0)
    named = {"units": "m s-1"}
    dataset = xr.Dataset(
        {
            "u": (("lat", "lon_u"), np.full((11, 20), 2.0), named),
            "v": (("lat_v", "lon"), np.full((11, 20), -1.0), named),
            "lon": ("lon", lon, fields.LON),
            "lat": ("lat", lat, fields.LAT),
            "lon_u": ("lon_u", lon + 0.5, fields.LON),
            "lat_v": ("lat_v", lat + 0.5, fields.LAT),
        }
    )
    shown = DatavoreMap(LocalService(dataset), View(arrows="u"))
    look(shown, 0, -6, 20, 6, (800, 480))
    lon, _, right, down = drawn(shown).T
    assert right.size > 30
    assert np.abs(lon - np.rint(lon)).max() < 0.05  # between the sides that the first component is given on
    assert np.abs(right - 2 * down).max() < 0.2  # to the right, and half as far down


def test_where_they_come_from_is_told_of_winds_and_nothing_of_what_is_not_known() -> None:
    with LocalService({"a": fields.wind(), "b": on_one_grid()}) as service:
        catalog = service.answer(CatalogQuery())
    (wind,), (other,) = flows_of(catalog.index("a")), flows_of(catalog.index("b"))
    assert wind.label == "Wind: u10, v10"
    assert "blows to (its direction: where it comes from)" in wind.convention
    assert other.label == "u, v"
    assert other.convention == "point where it goes to"


def test_the_catalogue_tells_them_over_the_wire_too() -> None:
    with LocalService(fields.currents()) as service, serve_background(build_app(service)) as server:
        there = HttpService(server.url).answer(CatalogQuery())
        here = service.answer(CatalogQuery())
    (index,) = there.indexes.values()
    assert index.variable("speed_of_uo_vo").vector == ("uo", "vo")
    assert index.variable("sst").vector == ()
    assert there == here


def test_the_control_is_there_only_where_there_is_a_vector() -> None:
    service = LocalService({"sea": fields.currents(), "air": fields.wind(), "plain": fields.field()})
    view = View(index="sea", varname="sst")
    picker = ArrowPicker(service, view)
    assert [label for label, _ in picker.choice.options] == ["None", "Current: uo, vo"]
    picker.choice.value = "uo"
    assert view.arrows == "uo"
    view.arrows = "speed_of_uo_vo"
    assert picker.choice.value == "uo"
    view.index = "plain"
    assert view.arrows == ""
    assert "dv-hidden" in picker._dom_classes
    view.index = "air"
    assert "dv-hidden" not in picker._dom_classes
    assert picker.choice.value == ""


def test_a_name_that_is_no_vector_is_refused_with_those_that_are() -> None:
    service = LocalService({"sea": fields.currents(), "plain": fields.field()})
    with pytest.raises(InvalidValue, match=r"of it are uo, vo, speed_of_uo_vo"):
        DatavoreMap(service, View(index="sea", arrows="sst"))
    shown = DatavoreMap(service, View(index="sea", arrows="uo"))
    with pytest.raises(InvalidValue, match="it has no vector"):
        shown.view.set(index="plain", arrows="vo")
    assert shown.view.arrows == "uo"


def test_a_link_and_the_explorer_have_them() -> None:
    service = LocalService(fields.currents())
    explorer = Explorer(service, View(varname="sst"))
    explorer.visit("?arrows=vo")
    assert explorer.view.arrows == "vo"
    assert explorer.arrow_picker.choice.value == "uo"
    assert traits_of(query_of(explorer.view))["arrows"] == "vo"
    explorer.visit("?arrows=sst")
    assert "could not be followed" in explorer._message.value
    assert explorer.view.arrows == "vo"


def test_what_fails_is_told_and_takes_the_old_ones_off() -> None:
    service = Watched(fields.currents())
    shown = DatavoreMap(service, View(varname="sst", arrows="uo"))
    look(shown, -60, -40, 60, 40)
    assert len(drawn(shown))
    service.trouble = InvalidValue(HOSTILE)
    shown.view.date = "20120215"
    assert shown.arrows.overlay not in shown.map.layers
    assert shown.desk.arrows.startswith("no arrows: ")
    service.trouble = None
    shown.view.date = "20120315"
    assert len(drawn(shown))


def test_closed_they_ask_nothing() -> None:
    service = Watched(fields.currents())
    shown = DatavoreMap(service, View(varname="sst", arrows="uo"))
    look(shown, -60, -40, 60, 40)
    asked = len(service.of(DataQuery))
    shown.arrows.close()
    shown.view.date = "20120215"
    assert len([q for q in service.of(DataQuery) if q.source.varname in ("uo", "vo")]) == asked
    assert not service.of(LapseDataQuery)


def test_the_key_is_a_round_number_that_fast_arrows_come_near_to() -> None:
    rng = np.random.default_rng(7)
    for power in (-6, -2, 0, 3):
        speed = rng.weibull(2, 500) * 10.0**power * rng.uniform(1, 10)
        arrows = Arrows(speed, speed, speed, np.zeros(500))
        key = key_of(arrows)
        top = np.quantile(speed, 0.98)
        assert 0.49 <= top / key <= 1.26
        assert f"{key:e}"[0] in "125"
        assert key_of(arrows, before=key * 1.1) == key * 1.1
        assert key_of(arrows, before=key * 10) == key
    nothing = Arrows(*np.zeros((4, 3)))
    assert key_of(nothing) == 0
    assert (
        "h.1" in base64.b64decode(drawing(nothing, Paper(BBox(-10, -10, 10, 10), 50, 50), 0).partition(",")[2]).decode()
    )


def test_samples_at_any_places_are_thinned_by_the_squares_of_the_picture() -> None:
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(170, 190, (40, 100)), rng.uniform(-9, 9, (40, 100))
    u = np.where(rng.random((40, 100)) < 0.3, np.nan, 1.0)
    lon[0, :5], lat[1, :3] = np.nan, 89.9
    box = BBox(170, -9, 190, 9)
    paper = Paper.of(box, 720)
    found = thinned(paper, (lon + 180) % 360 - 180, lat, u, u)
    squares = np.stack(
        [
            np.floor(paper.x(found.lon) / APART),
            np.floor(-np.degrees(np.arctanh(np.sin(np.radians(found.lat)))) * paper.per_degree / APART),
        ]
    )
    assert np.unique(np.round(squares), axis=1).shape[1] >= 0.95 * found.lon.size
    assert 300 < found.lon.size < 460
    assert np.isfinite(found.u).all()
    assert thinned(paper, lon[:1, :1], lat[:1, :1], np.full((1, 1), np.nan), u[:1, :1]).lon.size == 0
