"""A view travels: as a link, as Python, as a sheet to be saved; and the map shows the aggregate over a lapse."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets import Datavore, explore
from datavore_widgets.connect import OPENED
from datavore_widgets.errors import InvalidValue, UnknownName
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import LapseMapQuery, MapQuery
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.link import query_of, traits_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.map_sheet import sheet_of
from datavore_widgets.widgets.python_code import code_of
from datavore_widgets.widgets.saving import map_file
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View

HOSTILE = "<img src=x onerror=alert(1)>\"'&"

edges = st.tuples(st.floats(-179, 179), st.floats(-80, 0), st.floats(-179, 179), st.floats(1, 80))
views = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from(["sea", "a/b c", "ü&=#"]),
        "varname": st.sampled_from(["sst", "x%20y"]),
        "date": st.sampled_from(["2012", "20120815120000"]),
        "lapse": st.sampled_from(["2010,2011", "201002,20110315"]),
        "bbox": edges.filter(lambda e: abs(e[0] - e[2]) > 1),
        "point": st.tuples(st.floats(-180, 180), st.floats(-90, 90)),
        "groupby": st.sampled_from(["yyyy", "yyyy-MM"]),
        "aggregate": st.sampled_from(["std", "count"]),
        "filters": st.sampled_from([{"depth": 0.5}, {"quality": [4, 5], "wind": {"max": 15}}, {"name": HOSTILE}]),
        "cmap": st.sampled_from(["balance_r", "jet"]),
        "vmin": st.floats(-1e6, 0),
        "vmax": st.floats(1e-3, 1e6),
        "basemap": st.just("ocean"),
    },
)


def sea(times: int = 40) -> LocalService:
    return LocalService({"sea": fields.field(times=times), "deep": fields.with_depth()})


@given(views)
def test_a_link_leads_back_to_the_view(wanted: dict[str, Any]) -> None:
    view = View(**wanted)
    back = View(**traits_of(query_of(view)))
    for name in wanted:
        there, here = getattr(back, name), getattr(view, name)
        if name == "bbox":
            assert there.to_tuple() == pytest.approx(here.to_tuple(), abs=1e-4)
        else:
            assert there == here


def test_a_link_is_one_of_the_published_page_too() -> None:
    service = sea()
    view = View(index="sea", varname="sst", date="20120315")
    shown = DatavoreMap(service, view)
    shown.view.viewport = BBox(-20, -20, 40, 40)
    png = Datavore(service).getImageFromUrl(f"http://nowhere.example/?{query_of(view)}")
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_words_that_are_not_ours_are_left_alone_and_what_is_wrong_is_refused() -> None:
    assert traits_of("?theme=dark&token=x&__class__=y&catalog=z&desk=q&points=1") == {}
    with pytest.raises(InvalidValue, match="twice"):
        traits_of("v=a&v=b")
    with pytest.raises(InvalidValue, match="4000"):
        traits_of("v=" + "a" * 4000)


def test_a_link_turns_the_explorer_as_a_whole() -> None:
    explorer = Explorer(sea())
    query = "d=deep&v=sst&dt=2012-03-01&bbox=0,-40,80,40&filters=%7B%22depth%22%3A10%7D&vmin=3&vmax=9&cmap=jet"
    explorer.visit(query + "&theme=dark")
    view = explorer.view
    assert (view.index, view.cmap, view.vmin, view.vmax) == ("deep", "jet", 3, 9)
    assert view.date == Date("20120315000000")  # the nearest there is, and it is said
    assert "2012-03-01" in explorer.date_slider.bar.note
    assert explorer.desk.picture.image.dims == {"depth": 10.0}
    assert explorer.chart.lines
    assert explorer._message.value == ""


@pytest.mark.parametrize(
    "query",
    [
        f"d={HOSTILE}",
        "d=sea&v=nothing",
        "bbox=1,2,3",
        "bbox=0,-999,10,10",
        "dt=20121399",
        "vmin=nan",
        "vmin=9&vmax=1",
        "cmap=__import__",
        "filters=%7B%22a%22%3A%5B%5D%7D",
        "aggregate=exec",
        "basemap=https://evil.example/{z}/{x}/{y}.png",
        "r=0,0,0,0",
        "v=" + "x" * 9999,
    ],
)
def test_a_link_that_cannot_be_followed_is_told_and_changes_nothing(query: str) -> None:
    explorer = Explorer(sea())
    before = {name: getattr(explorer.view, name) for name in explorer.view.trait_names()}
    explorer.visit(query + "&point=3,4" if "x" * 99 not in query else query)
    assert "could not be followed" in explorer._message.value
    assert "<img" not in explorer._message.value
    assert {name: getattr(explorer.view, name) for name in explorer.view.trait_names()} == before


def test_the_map_goes_where_a_link_says() -> None:
    shown = DatavoreMap(sea())
    frame = {"west": -180.0, "south": -60.0, "east": 180.0, "north": 60.0}
    shown.map.set_state({"left": 0.0, "top": 0.0, "right": 900.0, "bottom": 450.0, **frame})
    shown.view.viewport = BBox(100, -30, 140, -10)
    lat, lon = shown.map.center
    assert lon == pytest.approx(120)
    assert -30 < lat < -10
    assert shown.map.zoom > 3


# Python


def test_the_code_opens_the_same_view_and_has_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "it's {a} sea.nc"
    fields.field(times=12).to_netcdf(path)
    box = [20, 10, 80, 60]
    explorer = explore(str(path), bbox=box, groupby="yyyy", aggregate="avg", cmap="jet", vmin=3, date="2012-05")
    told: dict[str, Any] = {}
    exec(code_of(explorer.desk), told)  # what is tested: it is Python
    again = told["explorer"].view
    for name in ("index", "varname", "date", "bbox", "groupby", "cmap", "vmin"):
        assert getattr(again, name) == getattr(explorer.view, name)
    data = fields.field(times=12)["sst"].sel(lon=slice(20, 80), lat=slice(10, 60))
    np.testing.assert_array_equal(told["field"]["data"], data[4].values)
    assert float(told["series"].iloc[0, 0]) == pytest.approx(float(data.astype("f8").mean()))


def test_the_code_and_the_link_have_the_window_that_moves_on(tmp_path: Path) -> None:
    path = tmp_path / "sea.nc"
    fields.field(times=12).to_netcdf(path)
    explorer = explore(str(path), bbox=[20, 10, 80, 60], aggregate="avg", running=100 * 86400)
    told: dict[str, Any] = {}
    exec(code_of(explorer.desk), told)
    assert told["explorer"].view.running == 100 * 86400
    (series,) = explorer.chart.lines
    np.testing.assert_array_equal(told["series"].iloc[:, 0], series.values)
    assert "259" not in series.weighting
    assert "all of the 8.64e+06 s" in series.weighting
    assert View(**traits_of(query_of(explorer.view))).running == 100 * 86400


def test_names_from_files_are_text_in_the_code() -> None:
    name = "x'); import os; os.abort(('"
    data = fields.field().rename(sst=name)
    told: dict[str, Any] = {}
    code = code_of(Explorer(LocalService(data)).desk).replace("explore(data", "explore(service")
    exec(code.replace("Datavore(data", "Datavore(service"), {"service": LocalService(data)}, told)
    assert told["explorer"].view.varname == name


def test_the_app_s_code_names_what_was_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "sea.nc"
    fields.field().to_netcdf(path)
    monkeypatch.setenv("DATAVORE_SERVICE", str(path))
    monkeypatch.setenv(OPENED, f'["{path}"]')
    assert f"explore({str(path)!r}, " in code_of(Explorer().desk)
    monkeypatch.setenv(OPENED, "[]")
    assert "explore(index=" in code_of(Explorer().desk)


# The sheet


def test_the_sheet_has_what_is_in_view_with_its_bar_and_its_facts() -> None:
    view = View(bbox=[20, 10, 80, 60], point=(30, 20), vmin=5, vmax=30, cmap="viridis", date="2012-03")
    shown = DatavoreMap(sea(), view)
    view.viewport = BBox(0, -20, 120, 70)
    words, buffers = sheet_of(shown.desk)
    picture = np.asarray(Image.open(io.BytesIO(buffers[0])).convert("RGBA"))
    assert picture.shape[:2] == (words["height"], words["width"])
    assert len(buffers) == 1 + words["coast"] + words["box"]
    # The colour in the middle of the box, at the place that the outline of the box says.
    ring = np.frombuffer(buffers[-1], "<f4").reshape(-1, 2)
    assert (ring[:, 0].min(), ring[:, 0].max()) == pytest.approx((20 / 120, 80 / 120))
    column, row = (0.5 * (ring.min(axis=0) + ring.max(axis=0)) * picture.shape[1::-1]).astype(int)
    lat = 39.5  # the middle of 10 and 60 in Web-Mercator lies in the row of cells at 35
    expected = palette("viridis")[Norm(5, 30).indices(np.float32(fields.value(50, np.floor(lat / 10) * 10 + 5, 2)))]
    assert picture[row, column].tolist() == expected.tolist()
    assert words["title"] == "Sea surface temperature (°C)"
    assert "2012-03-15" in words["subtitle"]
    assert any("cells of 10°" in line for line in words["caption"])
    assert any("20°E to 80°E" in line for line in words["caption"])
    assert {text for _, text in words["across"]} >= {"0°", "60°E"}
    assert [text for _, text in words["ticks"]][:2] == ["5.0", "7.5"]
    assert words["name"] == "sea_sst.png"


# A lapse


def test_a_drag_on_the_chart_is_a_lapse_and_the_map_shows_its_aggregate() -> None:
    view = View(index="sea", bbox=[20, 10, 80, 60])
    service = sea()
    chart, shown = TimeseriesChart(service, view), DatavoreMap(None, view)
    millis = [float(np.datetime64(day, "ms").astype(int)) for day in ("2013-02-01", "2012-06-01")]
    chart._heard(None, {"lapse": millis}, [])
    assert view.lapse == Lapse(Date("20120615000000"), Date("20130115000000"))
    image = shown.desk.picture.image
    assert (image.aggregate, image.steps) == ("area_avg", 8)
    assert "Mean of 8 times, 2012-06-15 00:00 Z to 2013-01-15 00:00 Z" in shown._title.value
    assert chart.plot.sheet.band == [np.datetime64(d, "ms").astype(float) for d in ("2012-06-15", "2013-01-15")]
    assert chart.plot.sheet.shown is None
    assert shown._back.layout.display is None
    chart._heard(None, {"back": True}, [])
    assert view.lapse is None
    assert shown.desk.picture.image.aggregate is None
    assert chart.plot.sheet.band == []
    assert shown._back.layout.display == "none"


def test_a_lapse_of_groups_has_each_of_them_whole() -> None:
    view = View(index="sea", bbox=[20, 10, 80, 60], groupby="yyyy")
    chart, shown = TimeseriesChart(sea(), view), DatavoreMap(None, view)
    millis = [float(np.datetime64(day, "ms").astype(int)) for day in ("2012-12-01", "2013-06-01")]
    chart._heard(None, {"lapse": millis}, [])
    assert view.lapse == Lapse(Date("2013"), Date("2013"))
    assert shown.desk.picture.image.steps == 12
    chart._heard(None, {"millis": millis[0]}, [])  # a click is one date again
    assert view.lapse is None


def test_a_deviation_on_the_map_has_limits_of_its_own() -> None:
    view = View(index="sea", vmin=15, vmax=25)
    service = sea()
    shown = DatavoreMap(service, view)
    view.set(lapse="2012,2013", aggregate="std")
    assert isinstance(shown.desk.picture.query, LapseMapQuery)
    assert (view.vmin, view.vmax) == (None, None)
    assert shown.desk.picture.image.vmax < 10
    view.set(vmin=0, vmax=3)
    view.lapse = None
    assert (view.vmin, view.vmax) == (None, None)
    assert isinstance(shown.desk.picture.query, MapQuery)


@pytest.mark.parametrize(
    "forged", [{"lapse": "x"}, {"lapse": [1]}, {"lapse": [1, "2"]}, {"lapse": [1e300, 2]}, {"lapse": [True, 2]}, {}]
)
def test_forged_lapses_are_ignored(forged: Any) -> None:
    chart = TimeseriesChart(sea(), View(index="sea", bbox=[20, 10, 80, 60]))
    chart._heard(None, forged, [])
    assert chart.view.lapse is None


def test_without_times_there_is_no_lapse() -> None:
    view = View(lapse="2012,2013")
    shown = DatavoreMap(LocalService(fields.no_time()), view)
    assert view.lapse is None
    assert isinstance(shown.desk.picture.query, MapQuery)
    with pytest.raises(UnknownName):
        shown.desk.turn_to({"index": "nowhere"})


def test_the_cells_in_view_are_saved_as_they_are() -> None:
    view = View(index="sea", date="2012-03")
    shown = DatavoreMap(sea(), view)
    view.viewport = BBox(20, 10, 80, 60)
    name, content = map_file(shown.desk)
    assert name.endswith("_sst_2012-03-15T000000Z.nc")
    read = xr.open_dataset(io.BytesIO(content), engine="scipy")
    wanted = fields.field(times=40)["sst"].sel(lon=slice(20, 80), lat=slice(10, 60))[2]
    np.testing.assert_array_equal(read["sst"].values, wanted.values)
    assert read.attrs["datavore_cells_total"] == wanted.size
    view.set(lapse="2012,2013", aggregate="max")
    name, content = map_file(shown.desk)
    assert name.endswith("_sst_max_2012-01-15_2013-12-15.nc")
    read = xr.open_dataset(io.BytesIO(content), engine="scipy")
    assert read["sst"].attrs["cell_methods"] == "time: maximum"
    of_lapse = fields.field(times=40)["sst"].sel(lon=slice(20, 80), lat=slice(10, 60))[:24]
    np.testing.assert_array_equal(read["sst"].values, of_lapse.max("time").values)
