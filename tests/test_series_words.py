"""What stands beside a series: what each value is of, its weights, its base period, its trend."""

from __future__ import annotations

import re
import warnings
from typing import Any

import fields
import numpy as np
import pytest

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol.aggregates import AGGREGATES
from datavore_widgets.protocol.answers import Series, Trend, VariableInfo
from datavore_widgets.protocol.queries import LapseMapQuery, SeriesQuery
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.curves import curve_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.series_picker import SeriesPicker
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.words import GROUP_WORDS, aggregate_word, aggregates_of, default_aggregate


class Scripted:
    """A real service, but for series, which are what a test says."""

    def __init__(self, make: Any) -> None:
        self.service = LocalService(fields.field(times=24))
        self.make = make
        self.asked: list[SeriesQuery] = []

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, SeriesQuery):
            self.asked.append(query)
            return self.make(query)
        return self.service.answer(query, job)


class Old(Scripted):
    """A server that knows the documented words alone."""

    def __init__(self) -> None:
        super().__init__(None)

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, SeriesQuery | LapseMapQuery):
            self.asked.append(query)
            if query.aggregate not in AGGREGATES:
                raise NotSupported("unknown word")
        return self.service.answer(query, job)


def months(query: SeriesQuery, count: int = 24, **more: Any) -> Series:
    labels = np.array([(2010 + n // 12) * 10000 + (n % 12 + 1) * 100 + 1 for n in range(count)], np.int64) * 10**9
    ends = np.append(labels[1:], 20120101 * 10**9)
    told: dict[str, Any] = {
        "counts": np.full(count, 54, np.int64),
        "bounds": np.column_stack([labels, ends]),
        "complete": np.arange(count) != 3,
        "units": "K",
        "aggregate": query.aggregate,
        "groupby": query.groupby,
        "weighting": "cells weighted by their area in the box",
        **more,
    }
    return Series(labels, 290.0 + np.arange(count) / 12, **told)


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def test_values_say_what_they_are_of_and_whether_it_is_whole() -> None:
    curve = curve_of(months(SeriesQuery("a", "b", fields_box(), groupby="yyyy-MM")), groupby="yyyy-MM")
    assert curve.texts[0] == "2010-01 (mean)"
    assert curve.notes[3] == "n = 54 · incomplete"
    assert curve.complete is not None
    assert curve.complete.tolist().index(False) == 3


def fields_box() -> Any:
    return View(bbox=[0, -30, 60, 30]).bbox


def test_gaps_keep_texts_and_values_together() -> None:
    series = months(SeriesQuery("a", "b", fields_box(), groupby="yyyy-MM"))
    kept = np.delete(np.arange(24), [5, 6])
    holed = Series(
        series.labels[kept], series.values[kept], bounds=series.bounds[kept], aggregate="area_avg", groupby="yyyy-MM"
    )
    curve = curve_of(holed, groupby="yyyy-MM")
    assert np.isnan(curve.values).sum() == 1
    for text, value in zip(curve.texts, curve.values, strict=True):
        if np.isfinite(value):
            month = round((value - 290.0) * 12)
            assert text == f"{2010 + month // 12}-{month % 12 + 1:02d} (mean)"


def test_a_monthly_series_by_area_is_named_so_with_its_incomplete_months() -> None:
    service = Scripted(months)
    view = View(bbox=[0, -30, 60, 30], groupby="yyyy-MM")
    chart = TimeseriesChart(service, view)
    assert service.asked[0].aggregate == "area_avg"
    words = plain(chart._head.value)
    assert "mean in 0° to 60°E" in words
    assert "monthly series, 24 values" in words
    assert "1 incomplete (○)" in words
    assert "cells weighted by their area in the box" in words
    assert chart.plot.rings[0].visible
    assert len(chart.plot.rings[0].x) == 1


def test_a_trend_is_drawn_and_told_with_its_interval() -> None:
    trend = Trend(slope=0.02, low=0.015, high=0.025, level=0.95, n=24, r1=0.4, n_eff=10.3, method="least squares")
    service = Scripted(lambda query: months(query, trend=trend if query.trend else None))
    view = View(bbox=[0, -30, 60, 30], groupby="yyyy-MM")
    chart, picker = TimeseriesChart(service, view), SeriesPicker(None, view)
    assert not chart.plot.trends[0].visible
    picker.trend.value = True
    assert view.trend
    assert "trend 0.2 K a decade (95 %: 0.15 to 0.25; n_eff = 10)" in plain(chart._head.value)
    assert plain(chart._head.value).endswith("trend by least squares")
    line = chart.plot.trends[0]
    assert line.visible
    years = (np.asarray(line.x)[1] - np.asarray(line.x)[0]) / np.timedelta64(1, "D") / 365.2425
    assert (np.asarray(line.y)[1] - np.asarray(line.y)[0]) / years == pytest.approx(0.02)


def test_a_climatology_is_no_series_and_has_its_base_period() -> None:
    service = Scripted(lambda query: months(query, 12, base=(1991, 2020), years=np.full(12, 30, np.int64)))
    view = View(bbox=[0, -30, 60, 30])
    chart, picker = TimeseriesChart(service, view), SeriesPicker(None, view)
    assert picker.base.layout.display == "none"
    picker.groupby.value = "MM"
    assert picker.base.layout.display is None
    assert picker.trend.disabled
    words = plain(chart._head.value)
    assert "climatology: months of the year" in words
    assert "base 1991–2020" in words
    assert "series" not in words
    assert chart.plot._x_axis.tick_format == "%b"
    assert not chart.plot.sheet.can_span  # a month of all years is no lapse
    assert chart.plot.sheet.lines[0]["texts"][4] == "May 1991-2020 (mean)"
    assert "30 years" in chart.plot.sheet.lines[0]["notes"][4]
    picker.base.value = "1981-2010"
    assert view.base == (1981, 2010)
    assert service.asked[-1].base == (1981, 2010)
    picker.base.value = "soon"
    assert "two years" in picker._hint.value
    assert view.base == (1981, 2010)


def test_anomalies_of_kelvin_are_no_temperatures() -> None:
    service = Scripted(lambda query: months(query, anomaly=query.anomaly, base=(1991, 2020)))
    view = View(bbox=[0, -30, 60, 30])
    chart, picker = TimeseriesChart(service, view), SeriesPicker(None, view)
    assert chart.plot.sheet.lines[0]["units"] == "°C"
    picker.anomaly.value = "MM"
    assert service.asked[-1].anomaly == "MM"
    assert chart.plot.sheet.lines[0]["units"] == "K"
    assert "anomalies from the climatology of months · base 1991–2020" in plain(chart._head.value)


def test_who_knows_the_documented_words_alone_is_asked_for_the_plain_mean_and_named_so() -> None:
    service = Old()
    view = View(bbox=[0, -30, 60, 30])
    chart, picker, shown = TimeseriesChart(service, view), SeriesPicker(None, view), DatavoreMap(None, view)
    assert [query.aggregate for query in service.asked] == ["area_avg", "avg"]
    assert picker.aggregate.value == "avg"
    assert {name for _, name in picker.aggregate.options} <= set(AGGREGATES)
    assert "by area" not in plain(chart._head.value)
    view.bbox = [0, -20, 60, 30]
    assert [query.aggregate for query in service.asked[2:]] == ["avg"]  # it is not asked twice
    view.lapse = "2012,2013"
    assert shown.desk.picture.image.aggregate == "avg"
    view.aggregate = "median"  # chosen, so nothing else will do
    assert "unknown word" in chart._empty.value


def test_the_words_tell_climatologies_and_series_apart() -> None:
    assert all(("climatology" in word) != ("series" in word) for name, word in GROUP_WORDS.items() if name)
    assert aggregate_word("p51") == "51st percentile"
    assert aggregate_word("p12") == "12th percentile"


@pytest.mark.parametrize(
    ("variable", "first", "has"),
    [
        (VariableInfo("sst"), "area_avg", "median"),
        (VariableInfo("chl", scale="log"), "area_avg", "geo_avg"),
        (VariableInfo("sla", kind="anomaly"), "area_avg", "time_std"),
        (VariableInfo("dir", kind="direction"), "avg", "count"),
        (VariableInfo("sst", geometry="track"), "avg", "p95"),
    ],
)
def test_the_menu_suits_the_variable(variable: VariableInfo, first: str, has: str) -> None:
    assert default_aggregate(variable) == first
    assert has in aggregates_of(variable)


def test_flags_have_parts_and_no_mean() -> None:
    names = aggregates_of(VariableInfo("ice", kind="flags", flags={1: "water", 2: "ice"}))
    assert names[:2] == ["fraction:water", "fraction:ice"]
    assert "avg" not in names


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("base", "1991"),
        ("base", (2020, 1991)),
        ("trend", "maybe"),
        ("reach", -1),
        ("anomaly", "yyyy"),
        ("groupby", "mm"),
    ],
)
def test_what_is_wrong_is_refused(name: str, given: Any) -> None:
    with pytest.raises(InvalidValue):
        View(**{name: given})
