"""Trends: the slope of a line fitted with the seasons' means, and an interval that holds as often as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from datavore_widgets import errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.trend import LEVEL, trend_of

ALL = Lapse(Date("1800"), Date("2200"))
BOX = BBox(-1, -1, 2, 2)


def monthly(years: int) -> tuple[NDArray, NDArray]:
    """Times in years, and the month of each."""
    return 2000 + np.arange(12 * years) / 12, np.arange(12 * years) % 12


def fitted(x: NDArray, y: NDArray, part: NDArray) -> float:
    """The slope of a fit of a line and a mean for each part, by numpy."""
    there = np.isfinite(y)
    design = np.column_stack([x - x.mean(), *(part == one for one in np.unique(part[there]))])[there].astype(float)
    return float(np.linalg.lstsq(design, y[there], rcond=None)[0][0])


@pytest.mark.parametrize("years", [2, 3, 10, 40])
def test_a_steady_rise_is_found_as_it_is_where_deseasonalising_values_alone_takes_a_part(years: int) -> None:
    x, month = monthly(years)
    y = 0.03 * x + 5 * np.sin(month)
    found = trend_of(x, y, month, "months")
    assert found is not None
    assert found.slope == pytest.approx(0.03, abs=1e-10)
    means = np.array([y[month == one].mean() for one in range(12)])
    alone = np.polyfit(x - x.mean(), y - means[month], 1)[0]
    assert alone == pytest.approx(0.03 * (1 - 1 / years**2), rel=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_the_slope_is_that_of_the_fit_of_line_and_means_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, month = monthly(int(rng.integers(2, 30)))
    y = 280 + rng.normal(0, 1, x.size) + 3 * np.cos(month) + rng.normal(0, 0.1) * x
    y[rng.random(x.size) < 0.3] = np.nan
    found = trend_of(x, y, month)
    assert found is not None
    assert found.slope == pytest.approx(fitted(x, y, month), rel=1e-8)
    assert found.n == np.isfinite(y).sum()


@pytest.mark.parametrize(("years", "memory"), [(4, 0.0), (30, 0.0), (30, 0.6)])
def test_the_interval_holds_the_true_slope_as_often_as_it_says(years: int, memory: float) -> None:
    rng = np.random.default_rng(17)
    x, month = monthly(years)
    held = 0
    runs = 600
    for _ in range(runs):
        noise = rng.normal(0, 1, x.size)
        for step in range(1, x.size):
            noise[step] += memory * noise[step - 1]
        found = trend_of(x, 0.02 * x + 4 * np.sin(month) + noise, month)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.02 <= found.high
    # Four deviations of a share of so many runs; r1 of a finite series is a little small, which costs some more.
    least = LEVEL - 4 * np.sqrt(LEVEL * (1 - LEVEL) / runs) - (0.02 if memory else 0.0)
    assert least <= held / runs <= 0.985


def test_without_memory_the_interval_is_that_of_the_fit() -> None:
    """Student's t of n - 13 values: one for the line, twelve for the months; r1 below 0 gives no more than n."""
    rng = np.random.default_rng(1)
    x, month = monthly(20)
    y = 0.05 * x + np.sin(month) + rng.normal(0, 1, x.size)
    noisy = y + 0.4 * (-1.0) ** np.arange(x.size)
    found = trend_of(x, noisy, month)
    assert found is not None
    assert found.r1 is not None
    assert found.r1 < 0
    assert found.n_eff == found.n == 240
    design = np.column_stack([x - x.mean(), *(month == one for one in range(12))]).astype(float)
    _, square, *_ = np.linalg.lstsq(design, noisy, rcond=None)
    error = np.sqrt(square[0] / (240 - 13) * np.linalg.inv(design.T @ design)[0, 0])
    assert found.high is not None
    assert found.high - found.slope == pytest.approx(1.9705 * error, rel=1e-4)  # t of 227 at 0.975, from a table


def test_what_is_too_short_has_no_interval_or_no_trend() -> None:
    x, month = monthly(2)
    assert trend_of(x[:2], x[:2], month[:2]) is None
    assert trend_of(x[:12], x[:12] ** 2, month[:12]) is None, "each month has one value: a line has none left"
    rng = np.random.default_rng(0)
    found = trend_of(x[:13], rng.normal(0, 1, 13), month[:13])
    assert found is not None
    assert found.low is None


def data() -> xr.Dataset:
    rng = np.random.default_rng(3)
    time = pd.date_range("1990-01-01", periods=240, freq="MS")
    line = 0.03 * np.arange(240) / 12 + 3 * np.sin(time.month.to_numpy() / 2) + rng.normal(0, 0.1, 240)
    values = np.broadcast_to(line[:, None, None], (240, 2, 2)).copy()
    attrs = {"units": "degree", "standard_name": "wind_from_direction"}
    dims = "time", "lat", "lon"
    coords = {"time": time, "lat": [0.0, 1.0], "lon": [0.0, 1.0]}
    return xr.Dataset({"t": (dims, values, {"units": "K"}), "wdir": (dims, values % 360, attrs)}, coords)


def test_the_answer_says_what_was_fitted_over_both_carriers() -> None:
    with LocalService({"m": data()}) as service:
        with serve_background(build_app(service)) as server, HttpService(server.url) as remote:
            for groupby, of in (
                (None, "months"),
                ("yyyy-MM", "months"),
                ("yyyy-season", "seasons"),
                ("yyyy", ""),
            ):
                query = SeriesQuery("m", "t", BOX, ALL, groupby, "area_avg", trend=True)
                trend = service.answer(query).trend
                assert trend == remote.answer(query).trend
                assert trend.slope == pytest.approx(0.03, abs=0.005)
                method = "least squares of a line" + (f" and the means of the {of} at once" if of else "")
                at_ends = "; groups at the ends that are not whole left out: 2" if of == "seasons" else ""
                assert trend.method == method + at_ends
        with pytest.raises(errors.InvalidValue, match="no trend"):
            service.answer(SeriesQuery("m", "wdir", BOX, ALL, "yyyy", "avg", trend=True))
        assert service.answer(SeriesQuery("m", "wdir", BOX, ALL, "yyyy", "count", trend=True)).trend is not None


def test_a_year_that_is_cut_off_is_no_part_of_the_trend_of_years() -> None:
    """Its mean is that of some months alone, far from the others'."""
    whole, cut = data(), data().isel(time=slice(0, 240 - 7))
    with LocalService({"whole": whole.isel(time=slice(0, 228)), "cut": cut}) as service:
        wanted, found = (
            service.answer(SeriesQuery(index, "t", BOX, ALL, "yyyy", "area_avg", trend=True))
            for index in ("whole", "cut")
        )
    assert found.values.size == wanted.values.size + 1
    assert found.complete.tolist() == [True] * 19 + [False]
    assert found.trend.slope == pytest.approx(wanted.trend.slope, rel=1e-12)
    assert found.trend.n == 19
    assert found.trend.method.endswith("left out: 1")
