"""Which samples count, and how much of the past is on the map: as advised, as somebody chose, and as it is told."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import fields
import ipywidgets
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.queries import Condition, SeriesQuery, Window
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.condition_text import condition_from, words_of
from datavore_widgets.widgets.conditions import Conditions
from datavore_widgets.widgets.date_slider import DateSlider
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.link import query_of, traits_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.point_readout import PointReadout
from datavore_widgets.widgets.python_code import code_of
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.truth_line import TruthLine
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.window_picker import WindowPicker
from tests.test_swaths import granule

GOOD = Condition("quality_level", (), 4.0, None)


def graded() -> xr.Dataset:
    """A GHRSST L3 field: quality rises with longitude, and a bias."""
    dataset = fields.field(hole=False)
    level = np.broadcast_to((np.arange(36) // 6).astype(np.int8), dataset["sst"].shape)
    bias = np.full(dataset["sst"].shape, 0.5, np.float32)
    return dataset.assign(
        quality_level=(dataset["sst"].dims, level, {"long_name": "quality"}),
        sses_bias=(dataset["sst"].dims, bias, {"units": dataset["sst"].attrs["units"]}),
    ).assign_attrs(processing_level="L3C", title="GHRSST")


def plain(html: ipywidgets.HTML) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.value)).strip()


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService({"graded": graded(), "deep": fields.with_depth()}) as local:
        yield local


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.one_of(st.tuples(numbers, st.none()), st.tuples(st.none(), numbers), st.tuples(numbers, numbers).map(sorted)))
def test_ranges_are_read_as_they_are_written(ends: tuple[float | None, float | None]) -> None:
    written = Condition("x", (), *ends)
    read = condition_from("x", words_of(written))
    for got, wanted in ((read.minimum, written.minimum), (read.maximum, written.maximum)):
        assert got == (None if wanted is None else pytest.approx(wanted, rel=1e-5))


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (">=4", GOOD),
        (" ≥ 4 ", GOOD),
        ("4, 5", Condition("quality_level", (4.0, 5.0))),
        ("0 to .15", Condition("quality_level", (), 0.0, 0.15)),
        ("−2..−1", Condition("quality_level", (), -2.0, -1.0)),
        ("≤ 1e3", Condition("quality_level", (), None, 1000.0)),
    ],
)
def test_conditions_are_typed_in_many_ways(typed: str, means: Condition) -> None:
    assert condition_from("quality_level", typed) == means


@pytest.mark.parametrize("typed", ["", "good", "> 4", "5 to 4", "4,", ">= x", "1 to 2 to 3", "__import__"])
def test_what_is_no_condition_is_refused(typed: str) -> None:
    with pytest.raises(InvalidValue):
        condition_from("quality_level", typed)


def test_a_view_starts_with_good_samples_and_says_so(service: LocalService) -> None:
    view = View(index="graded", varname="sst", bbox=[0, -60, 355, 60])
    shown, truth, chart = DatavoreMap(service, view), TruthLine(None, view), TimeseriesChart(None, view)
    rows = Conditions(None, view)
    picture = shown.desk.picture.image
    assert (picture.valid, picture.total) == (12 * 18, 36 * 18)
    assert "only where quality_level ≥ 4 (recommended)" in plain(truth._html)
    assert chart.lines[0].counts[0] == 12 * 12
    assert [(row.on.value, row.allowed.value) for row in rows.rows.children] == [("quality_level", "≥ 4")]
    assert view.filters is None
    assert rows.advice.layout.display == "none"


def test_they_are_changed_dropped_and_recommended_again(service: LocalService) -> None:
    view = View(index="graded", varname="sst", bbox=[0, -60, 355, 60])
    shown, truth, rows = DatavoreMap(service, view), TruthLine(None, view), Conditions(None, view)
    (row,) = rows.rows.children
    row.allowed.value = "2, 3"
    assert view.filters == (Condition("quality_level", (2.0, 3.0)),)
    assert "only where quality_level 2, 3" in plain(truth._html)
    row.allowed.value = "rather good"
    assert "is written as" in rows._hint.value
    assert view.filters == (Condition("quality_level", (2.0, 3.0)),)
    rows.rows.children[0].drop.click()
    assert view.filters == ()
    assert shown.desk.picture.image.valid == 36 * 18
    assert "samples of every quality" in plain(truth._html)
    assert rows.advice.layout.display is None
    rows.add.click()
    assert view.filters == ()  # nothing typed, nothing asked
    rows.rows.children[0].allowed.value = "≤ 3"
    assert view.filters == (Condition("quality_level", (), None, 3.0),)
    rows.advice.click()
    assert view.filters is None
    assert [(row.on.value, row.allowed.value) for row in rows.rows.children] == [("quality_level", "≥ 4")]


def test_a_row_stays_while_its_words_are_put_right(service: LocalService) -> None:
    # Leaving the text by pressing the button beside it commits the text: the button must be there when it is let go.
    view = View(index="graded", varname="sst")
    conditions = Conditions(service, view)
    (row,) = conditions.rows.children
    row.allowed.value = ">=3"
    assert conditions.rows.children == (row,)
    assert row.allowed.value == "≥ 3"
    row.drop.click()
    assert conditions.rows.children == ()
    assert view.filters == ()


def test_a_bias_is_subtracted_where_it_is_asked(service: LocalService) -> None:
    view = View(index="graded", varname="sst", bbox=[300, -60, 355, 60])
    chart, rows, truth = TimeseriesChart(service, view), Conditions(None, view), TruthLine(None, view)
    DatavoreMap(None, view)
    before = chart.lines[0].values
    assert rows.correction.description == "Subtract sses_bias"
    rows.correction.value = True
    assert view.subtract == "sses_bias"
    np.testing.assert_allclose(chart.lines[0].values, before - 0.5, rtol=1e-6)
    assert "less sses_bias" in plain(truth._html)
    assert "subtract='sses_bias'" in code_of(chart.desk)
    view.varname = "quality_level"
    assert rows.correction.layout.display == "none"


def test_another_data_set_starts_with_its_own_advice(service: LocalService) -> None:
    view = View(index="graded", varname="sst", filters={})
    shown = DatavoreMap(service, view)
    assert shown.desk.picture.image.valid == 36 * 18
    view.index = "deep"
    shown.desk.choose("depth", 10.0)
    assert view.filters == (Condition("depth", (10.0,)),)
    view.index = "graded"
    assert view.filters is None
    assert shown.desk.picture.image.valid == 12 * 18


def test_links_and_code_keep_what_counts(service: LocalService) -> None:
    view = View(index="graded", varname="sst", bbox=[0, -60, 355, 60])
    desk = DatavoreMap(service, view).desk
    assert "filters" not in query_of(view)
    assert code_of(desk).count("filters={'quality_level': {'min': 4.0}}") == 2  # the clients take no advice
    view.filters = {}
    assert traits_of(query_of(view))["filters"] == "{}"
    assert View(**traits_of(query_of(view))).filters == ()


# Windows of time


@pytest.fixture(scope="module")
def orbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    folder: Path = tmp_path_factory.mktemp("orbit")
    for number in range(3):
        granule(number).to_netcdf(folder / f"{number}.nc", engine="h5netcdf")
    with LocalService(folder) as local:
        yield local


def test_swaths_start_with_a_day_and_the_picture_says_what_is_on_top(orbit: LocalService) -> None:
    view = View(varname="sst")
    shown, truth, picker = DatavoreMap(orbit, view), TruthLine(None, view), WindowPicker(None, view)
    assert shown.desk.picture.query.window == Window(86400.0, "latest")
    words = plain(truth._html)
    assert words.startswith("Newest of 3 times, 2019-08-21 12:00 Z to 2019-08-21 15:20 Z")
    assert "window of 1 day, newest on top" in words
    three = shown.desk.picture.image.valid
    picker.length.value = 0.0
    assert view.window == 0
    assert shown.desk.picture.query.window is None
    assert 0 < shown.desk.picture.image.valid < three
    picker.length.value = 3 * 3600.0
    picker.overlap.value = "mean"
    assert "window of 3 hours, mean of all" in plain(truth._html)
    assert "dv-hidden" not in picker._dom_classes


def test_grids_have_no_window_unless_asked(service: LocalService) -> None:
    view = View(index="deep")
    shown, picker = DatavoreMap(service, view), WindowPicker(None, view)
    assert shown.desk.picture.query.window is None
    assert "dv-hidden" in picker._dom_classes


def test_a_point_reads_the_newest_value_of_the_window(orbit: LocalService) -> None:
    view = View(varname="sst")
    readout = PointReadout(orbit, view)
    lon, lat = (float(xr.decode_cf(granule(0))[name][15, 5]) for name in ("lon", "lat"))
    view.point = (lon, lat)
    series = orbit.answer(SeriesQuery(view.index, "sst", view.point))
    valid = np.flatnonzero(np.isfinite(series.values))
    assert f"−{273.15 - series.values[valid[-1]]:.1f} °C" in plain(readout._text)  # it calls itself kelvin
    assert "2019-08-21" in plain(readout._text)


def test_a_slider_stops_once_a_window_on_a_track(orbit: LocalService) -> None:
    view = View(varname="sst")
    slider = DateSlider(orbit, view)
    scene = slider.desk.scene
    assert scene.stops(view).tolist() == [0, 1, 2]  # of a swath each granule is worth a look
    object.__setattr__(scene.variable, "geometry", "track")
    assert scene.stops(view).tolist() == [2]
    view.window = 5000.0
    assert scene.stops(view).tolist() == [0, 1, 2]
    view.window = 2 * 3600.0
    assert scene.stops(view).tolist() == [1, 2]
    assert len(slider.bar.labels) == 16
    slider.bar.set_state({"position": 0})
    assert view.date == Date("20190821134000")
    object.__setattr__(scene.variable, "geometry", "swath")


def test_the_explorer_shows_it_all(service: LocalService) -> None:
    explorer = Explorer(service, View(index="graded", varname="sst"))
    assert "dv-hidden" not in explorer.conditions._dom_classes
    assert "dv-hidden" in explorer.window_picker._dom_classes
    explorer.view.index = "deep"
    assert "dv-hidden" in explorer.conditions._dom_classes  # it has no companion
    explorer.close()


def test_points_are_told_as_samples_which_have_no_size(shared_data: Path) -> None:
    with LocalService(shared_data / "dsg_trajectory_example.nc") as track:
        view = View()
        shown, truth = DatavoreMap(track, view), TruthLine(None, view)
        assert shown.desk.picture is not None
        words = plain(truth._html)
        assert "9 of 10 samples in the picture have a value" in words
        assert "cells" not in words
