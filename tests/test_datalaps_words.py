"""The further words of `Datalaps`, as people write them, over both carriers, against xarray."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from datavore_widgets import Datalaps, errors
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService

WORLD = "-180,-90,180,90"
LAND = [150.0, 40.0]
"""A place whose cell has no values; the nearest that has is one row on."""


def sea() -> xr.Dataset:
    """Thirty-five years of months on a coarse globe, with land, and the bias of its sensor."""
    rng = np.random.default_rng(5)
    time = pd.date_range("1986-01-01", "2020-12-01", freq="MS")
    lat, lon = np.arange(-80.0, 81, 20), np.arange(10.0, 360, 20)
    month = time.month.to_numpy()[:, None, None]
    values = 285 + 4 * np.sin(month / 6 * np.pi) + rng.normal(0, 1, (time.size, lat.size, lon.size))
    values = values + 0.02 * np.arange(time.size)[:, None, None] / 12
    values[:, 6, 7] = np.nan
    dims = "time", "lat", "lon"
    return xr.Dataset(
        {
            "sst": (dims, values, {"units": "K", "standard_name": "sea_surface_temperature"}),
            "sses_bias": (dims, np.broadcast_to(0.01 * month, values.shape).copy(), {"units": "K"}),
        },
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return sea()


@pytest.fixture(scope="module")
def both(data):
    with LocalService({"sea": data}) as service, serve_background(build_app(service)) as server:
        yield {"embedded": Datalaps(service), "http": Datalaps(server.url)}


@pytest.fixture(params=["embedded", "http"])
def laps(request, both) -> Datalaps:
    return both[request.param]


def by_area(field: xr.DataArray) -> xr.DataArray:
    """Means by the area of cells of 20 degrees that reach to the poles."""
    low, high = np.clip(field.lat - 10, -90, 90), np.clip(field.lat + 10, -90, 90)
    return field.weighted(np.sin(np.radians(high)) - np.sin(np.radians(low))).mean(("lat", "lon"))


def base_of(field: xr.DataArray, first: int = 1991, last: int = 2020) -> xr.DataArray:
    return field.sel(time=slice(str(first), str(last)))


def close(frame: pd.DataFrame, wanted) -> None:
    np.testing.assert_allclose(frame["sea_sst"].to_numpy(), np.asarray(wanted), rtol=1e-9, atol=1e-9)  # another order


def test_seasons_are_weighted_by_days(laps, data) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, groupby="yyyy-season", aggregate="area_avg")
    mean, days = by_area(data.sst), data.time.dt.days_in_month
    winter = slice("1990-12", "1991-02")
    wanted = np.average(mean.sel(time=winter), weights=days.sel(time=winter))
    assert frame["sea_sst"].loc["1990-12-01"] == pytest.approx(wanted, rel=1e-12)
    assert "DJF is of January's year" in frame.attrs["weighting"]
    assert frame.attrs["groupby"] == "yyyy-season"
    assert frame.attrs["total"] == 9 * 18


@pytest.mark.parametrize(
    ("base", "years"), [(None, (1991, 2020)), ((1991, 2000), (1991, 2000)), ("1991,2000", (1991, 2000))]
)
def test_climatologies_have_the_base_period_that_is_asked_for(laps, data, base, years) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, groupby="MM", aggregate="area_avg", base=base)
    close(frame, by_area(base_of(data.sst, *years)).groupby("time.month").mean())
    assert tuple(frame.attrs["base"]) == years
    raw = laps.getTimeserieRaw("sea", "sst", WORLD, groupby="MM", aggregate="area_avg", base=base)
    assert [value for _, value in raw] == frame["sea_sst"].tolist()


@pytest.mark.parametrize("base", [None, (1986, 1995)])
def test_anomalies(laps, data, base) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, aggregate="area_avg", anomaly="MM", base=base)
    mean = base_of(data.sst, *(base or (1991, 2020))).groupby("time.month").mean("time")
    close(frame, by_area(data.sst.groupby("time.month") - mean))
    assert frame.attrs["anomaly"] == "MM"
    assert tuple(frame.attrs["base"]) == (base or (1991, 2020))


def test_a_trend_with_its_interval(laps) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, groupby="yyyy-MM", aggregate="area_avg", trend=True)
    trend = frame.attrs["trend"]
    assert trend["low"] < 0.02 < trend["high"]
    assert trend["n"] == 420
    assert trend["method"] == "least squares of a line and the means of the months at once"
    assert "trend" not in laps.getTimeserie("sea", "sst", WORLD, groupby="yyyy-MM", aggregate="area_avg").attrs


def test_the_nearest_sea_for_a_place_on_land(laps, data) -> None:
    assert laps.getTimeserie("sea", "sst", LAND)["sea_sst"].isna().all()
    frame = laps.getTimeserie("sea", "sst", LAND, reach=2.5e6)
    assert np.hypot(frame.attrs["cell"][0] - 150, frame.attrs["cell"][1] - 40) == pytest.approx(20)
    assert 0 < frame.attrs["distance"] < 2.5e6
    lon, lat = frame.attrs["cell"]
    close(frame, data.sst.sel(lon=lon, lat=lat, method="nearest"))
    with pytest.raises(errors.NoData, match="within"):
        laps.getTimeserie("sea", "sst", LAND, reach=1000)


def test_a_bias_is_taken_off(laps, data) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, aggregate="area_avg", subtract="sses_bias")
    close(frame, by_area(data.sst) - 0.01 * data.time.dt.month)


@pytest.mark.parametrize(("word", "percent"), [("median", 50), ("p10", 10)])
def test_percentiles(laps, data, word: str, percent: int) -> None:
    frame = laps.getTimeserie("sea", "sst", WORLD, groupby="yyyy", aggregate=word)
    close(frame, [np.nanpercentile(field, percent) for _, field in data.sst.groupby("time.year")])


def test_the_joined_table_and_the_data_set_take_them_too(laps, data) -> None:
    joined = laps.getMergedTimeserie(
        [("sea", "sst"), ("sea", "sses_bias")], WORLD, aggregate="area_avg", anomaly="MM", base=(1991, 2020)
    )
    assert list(joined.columns) == ["sea_sst", "sea_sses_bias"]
    np.testing.assert_allclose(joined["sea_sses_bias"], 0.0, atol=1e-12)  # every year has the same
    opened = laps.to_xarray("sea", "sst", WORLD, groupby="yyyy", aggregate="area_avg", anomaly="MM", trend=True)
    plain = laps.getTimeserie("sea", "sst", WORLD, groupby="yyyy", aggregate="area_avg", anomaly="MM")
    np.testing.assert_array_equal(opened["sst"].values, plain["sea_sst"].to_numpy())
    assert any("trend" in name for name in opened.attrs)
    moved = laps.to_xarray("sea", "sst", LAND, reach=2.5e6)
    assert np.isfinite(moved["sst"].values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"anomaly": "MMM"},
        {"groupby": "monthly"},
        {"aggregate": "p100"},
        {"aggregate": "area_mean"},
        {"base": (1991, 2020)},
        {"base": "soon", "anomaly": "MM"},
        {"groupby": "MM", "trend": True},
        {"reach": -1},
        {"subtract": "bias"},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_alike(both, wrong) -> None:
    told = []
    for laps in both.values():
        with pytest.raises(errors.DatavoreError) as raised:
            laps.getTimeserie("sea", "sst", WORLD, **wrong)
        told.append((type(raised.value), str(raised.value)))
    assert told[0] == told[1]


def test_maps_of_a_lapse_are_the_same_picture(both) -> None:
    pictures = {
        word: [laps.getImage("sea", "sst", WORLD, "2000,2004", word) for laps in both.values()]
        for word in ("avg", "area_avg", "median", "p90", "time_std")
    }
    for word, (embedded, carried) in pictures.items():
        assert embedded == carried, word
    assert len({embedded for embedded, _ in pictures.values()}) == len(pictures)
