"""Numbers are what they say: area means, climatologies, anomalies, percentiles and trends against numpy and xarray."""

from __future__ import annotations

from pathlib import Path

import fields
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from datavore_widgets import errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.queries import Canvas, DataQuery, LapseMapQuery, SeriesQuery, Source
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.areas import area_weights
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ALL = Lapse(Date("1800"), Date("2200"))
BOX = BBox(-33, -41, 47, 52.5)


def close(one, other, spread) -> None:
    one, other = np.asarray(one), np.asarray(other)
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    limit = 1e-6 * np.maximum(np.abs(other), spread)
    assert (np.abs(one - other) <= limit)[~np.isnan(other)].all(), np.nanmax(np.abs(one - other))


@pytest.fixture(scope="module")
def monthly() -> xr.Dataset:
    """Forty years of months from 1985 on, with gaps that move, 0..360, descending."""
    rng = np.random.default_rng(7)
    time = pd.date_range("1985-01-01", "2024-12-01", freq="MS")
    lat, lon = np.arange(77.5, -80, -10.0), np.arange(2.5, 360, 15.0)
    month = time.month.to_numpy()
    values = 280 + 9 * np.cos(np.radians(lat))[None, :, None] + 3 * np.sin(month / 6 * np.pi)[:, None, None]
    values = (
        values + 0.02 * np.arange(time.size)[:, None, None] / 12 + rng.normal(0, 1, (time.size, lat.size, lon.size))
    )
    values[rng.random(values.shape) < 0.15] = np.nan
    values[:, 3:6, 10:14] = np.nan
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K", "standard_name": "sea_surface_temperature"})},
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


@pytest.fixture(scope="module")
def service(monthly):
    with LocalService({"m": monthly}) as service:
        yield service


def covered(data: xr.Dataset, box: BBox) -> np.ndarray:
    """Area of each cell in a box, by a million points of equal area."""
    lat, lon = data.lat.values, data.lon.values
    dlat, dlon = abs(lat[1] - lat[0]) / 2, abs(lon[1] - lon[0]) / 2
    high = np.clip(
        np.sin(np.radians(np.minimum(lat + dlat, box.north))) - np.sin(np.radians(np.maximum(lat - dlat, box.south))),
        0,
        None,
    )
    wide = []
    for middle in lon:
        places = np.linspace(middle - dlon, middle + dlon, 30001)[:-1] + dlon / 30000
        wide.append(np.mean((places - box.west) % 360 <= box.width))
    return high[:, None] * np.array(wide)


def area_means(data, box):
    weights = covered(data, box)
    values = data.t.values
    there = np.isfinite(values)
    total = (there * weights).sum(axis=(1, 2))
    mean = (np.where(there, values, 0) * weights).sum(axis=(1, 2)) / total
    square = (np.where(there, values - mean[:, None, None], 0) ** 2 * weights).sum(axis=(1, 2)) / total
    return mean, square


@pytest.mark.parametrize("box", [BOX, BBox(170, -20, -100, 60), BBox(-180, -90, 180, 90), BBox(352, 11, 8, 26)])
def test_area_means_weigh_what_the_box_covers_and_months_by_their_days(service, monthly, box):
    mean, square = area_means(monthly, box)
    answer = service.answer(SeriesQuery("m", "t", box, ALL, None, "area_avg"))
    np.testing.assert_allclose(answer.values, mean, rtol=2e-5 / 280)
    days = monthly.time.dt.days_in_month.values
    year = monthly.time.dt.year.values
    yearly = service.answer(SeriesQuery("m", "t", box, ALL, "yyyy", "area_avg"))
    wanted = [np.average(mean[year == y], weights=days[year == y]) for y in np.unique(year)]
    np.testing.assert_allclose(yearly.values, wanted, rtol=2e-5 / 280)
    both = service.answer(SeriesQuery("m", "t", box, ALL, "yyyy", "area_std"))
    spread = [
        np.average(square[year == y] + (mean[year == y] - w) ** 2, weights=days[year == y]) ** 0.5
        for y, w in zip(np.unique(year), wanted, strict=True)
    ]
    np.testing.assert_allclose(both.values, spread, rtol=1e-3)
    in_time = service.answer(SeriesQuery("m", "t", box, ALL, "yyyy", "time_std"))
    spread = [
        np.average((mean[year == y] - w) ** 2, weights=days[year == y]) ** 0.5
        for y, w in zip(np.unique(year), wanted, strict=True)
    ]
    np.testing.assert_allclose(in_time.values, spread, rtol=1e-3)
    assert "months by their days" in yearly.weighting
    assert yearly.complete.all()
    assert (yearly.steps == 12).all()


def test_weeks_that_lie_across_the_ends_of_months_leave_no_month_of_a_climatology_incomplete():
    times = pd.date_range("2010-01-03 12:00", "2019-12-31", freq="7D")
    values = np.arange(times.size * 4.0).reshape(-1, 2, 2)
    coords = {"time": times, "lat": ("lat", [0.0, 1.0], fields.LAT), "lon": ("lon", [0.0, 1.0], fields.LON)}
    weekly = xr.Dataset({"t": (("time", "lat", "lon"), values)}, coords)
    lapse = Lapse.parse("20100101,20191231")
    with LocalService({"m": weekly}) as service:
        answer = service.answer(SeriesQuery("m", "t", BBox(-1, -1, 2, 2), lapse, "MM", base=(2010, 2019)))
        assert answer.complete.all()
    lost = (times.year == 2014) & (times.month == 6)
    with LocalService({"m": weekly.where(xr.DataArray(~lost, dims="time"))}) as service:
        answer = service.answer(SeriesQuery("m", "t", BBox(-1, -1, 2, 2), lapse, "MM", base=(2010, 2019)))
        assert answer.complete.tolist() == [month != 6 for month in range(1, 13)]


def test_a_climatology_is_that_of_xarray_over_the_base_period_it_names(service, monthly):
    answer = service.answer(SeriesQuery("m", "t", BBox(-180, -90, 180, 90), ALL, "MM", "area_avg"))
    weights = xr.DataArray(np.cos(np.radians(monthly.lat)), dims="lat")
    field = monthly.t.sel(time=slice("1991", "2020"))
    wanted = field.weighted(weights).mean(("lat", "lon")).groupby("time.month").mean()
    assert answer.base == (1991, 2020)
    assert (answer.years == 30).all()
    assert answer.complete.all()
    close(answer.values, wanted.values, 1.0)
    assert answer.texts[1] == "February 1991-2020 (mean)"
    season = service.answer(SeriesQuery("m", "t", BBox(-180, -90, 180, 90), ALL, "season", "area_avg"))
    assert season.texts[0] == "DJF 1991-2020 (mean)"
    assert season.values.size == 4
    pooled = service.answer(SeriesQuery("m", "t", BOX, ALL, "MM", "max"))
    inside = (field.lat > BOX.south) & (field.lat < BOX.north), ((field.lon - BOX.west) % 360) < BOX.width
    picked = field.isel(lat=np.flatnonzero(inside[0]), lon=np.flatnonzero(inside[1]))
    np.testing.assert_array_equal(pooled.values, picked.max(("lat", "lon")).groupby("time.month").max().values)


def test_anomalies_are_taken_in_each_cell_before_the_box_is_averaged(service, monthly):
    world = BBox(-180, -90, 180, 90)
    answer = service.answer(SeriesQuery("m", "t", world, ALL, None, "area_avg", anomaly="MM"))
    mean = monthly.t.sel(time=slice("1991", "2020")).groupby("time.month").mean("time")
    anomalies = monthly.t.groupby("time.month") - mean
    weights = xr.DataArray(np.cos(np.radians(monthly.lat)), dims="lat")
    wanted = anomalies.weighted(weights).mean(("lat", "lon")).transpose("time")
    close(answer.values, wanted.values, 1.0)
    assert answer.base == (1991, 2020)
    assert answer.years.max() <= 30
    other = service.answer(SeriesQuery("m", "t", world, ALL, None, "avg", anomaly="MM", base=(2001, 2010)))
    mean = monthly.t.sel(time=slice("2001", "2010")).groupby("time.month").mean("time")
    close(other.values, (monthly.t.groupby("time.month") - mean).mean(("lat", "lon")).values, 1.0)


@pytest.mark.parametrize(("word", "percent"), [("median", 50), ("p5", 5), ("p99", 99)])
@pytest.mark.parametrize("groupby", [None, "yyyy", "MM"])
def test_percentiles_are_those_of_all_values(service, monthly, word, percent, groupby):
    answer = service.answer(SeriesQuery("m", "t", BBox(-180, -90, 180, 90), ALL, groupby, word))
    field = monthly.t if groupby != "MM" else monthly.t.sel(time=slice("1991", "2020"))
    keys = {None: field.time.values, "yyyy": field.time.dt.year.values, "MM": field.time.dt.month.values}[groupby]
    wanted = [np.nanpercentile(field.values[keys == key], percent) for key in np.unique(keys)]
    close(answer.values, wanted, 1.0)


def test_a_trend_finds_the_slope_and_its_interval_heeds_the_memory_of_the_series(tmp_path):
    rng = np.random.default_rng(3)
    time = pd.date_range("1980-01-01", "2019-12-01", freq="MS")
    noise = np.zeros(time.size)
    for i in range(1, time.size):
        noise[i] = 0.8 * noise[i - 1] + rng.normal(0, 0.1)
    years = time.year + (time.day_of_year - 1) / np.where(time.is_leap_year, 366, 365)
    made = {}
    for name, extra in (("clean", 0.0), ("noisy", noise)):
        line = 0.03 * years + 5 * np.sin(2 * np.pi * time.month / 12) + extra
        made[name] = (("time", "lat", "lon"), np.broadcast_to(line.to_numpy()[:, None, None], (time.size, 2, 2)).copy())
    data = xr.Dataset(made, {"time": time, "lat": [0.0, 1.0], "lon": [0.0, 1.0]})
    with LocalService({"m": data}) as service:
        ask = [
            service.answer(SeriesQuery("m", name, BBox(-1, -1, 2, 2), ALL, "yyyy-MM", "area_avg", trend=True)).trend
            for name in made
        ]
    assert ask[0].slope == pytest.approx(0.03, abs=1e-9)
    assert ask[1].n == 480
    assert ask[1].r1 == pytest.approx(0.8, abs=0.1)
    assert ask[1].n_eff == pytest.approx(480 * (1 - ask[1].r1) / (1 + ask[1].r1))
    assert ask[1].low < 0.03 < ask[1].high


def test_directions_go_round_and_flags_have_fractions():
    time = pd.date_range("2000-01-01", periods=4, freq="D")
    degrees = np.array([350.0, 10.0, 355.0, 5.0])[:, None, None] * np.ones((4, 2, 2))
    flags = np.array([[1, 2], [2, 2]], dtype="i1") * np.ones((4, 1, 1), dtype="i1")
    data = xr.Dataset(
        {
            "d": (("time", "lat", "lon"), degrees, {"units": "degree", "standard_name": "wind_from_direction"}),
            "f": (("time", "lat", "lon"), flags, {"flag_values": np.array([1, 2], "i1"), "flag_meanings": "sea ice"}),
        },
        {"time": time, "lat": [0.0, 1.0], "lon": [0.0, 1.0]},
    )
    box = BBox(-0.5, -0.5, 1.5, 1.5)
    with LocalService({"m": data}) as service:
        for word in ("avg", "area_avg"):
            answer = service.answer(SeriesQuery("m", "d", box, ALL, "yyyy", word))
            assert min(answer.values[0], 360 - answer.values[0]) < 1e-9
            assert "unit vectors" in answer.weighting
        with pytest.raises(errors.InvalidValue, match="directions"):
            service.answer(SeriesQuery("m", "d", box, ALL, "yyyy", "median"))
        fraction = service.answer(SeriesQuery("m", "f", box, ALL, None, "fraction:ice"))
        np.testing.assert_allclose(fraction.values, 0.75, rtol=1e-4)
        with pytest.raises(errors.InvalidValue, match="ice"):
            service.answer(SeriesQuery("m", "f", box, ALL, None, "fraction:icy"))
        with pytest.raises(errors.InvalidValue, match="nan"):
            service.answer(SeriesQuery("m", "f", box, ALL, None, "fraction:nan"))


def test_a_position_without_values_takes_the_nearest_cell_that_has_some_if_asked(service):
    hole = Point(160, 45)
    assert np.isnan(service.answer(SeriesQuery("m", "t", hole, ALL)).values).all()
    answer = service.answer(SeriesQuery("m", "t", hole, ALL, reach=3e6))
    assert answer.is_moved
    assert answer.distance <= 3e6
    assert np.isfinite(answer.values).any()
    with pytest.raises(errors.NoData, match="within"):
        service.answer(SeriesQuery("m", "t", hole, ALL, reach=10.0))
    assert not service.answer(SeriesQuery("m", "t", Point(10, 0), ALL, reach=1e5)).is_moved


def test_the_nearest_cell_may_lie_beyond_the_pole():
    lat, lon = np.arange(-89.5, 90.0), np.arange(0.5, 360.0)
    values = np.full((lat.size, lon.size), np.nan)
    values[-1, 180] = 7.0
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), values[None])},
        {"time": [np.datetime64("2001-01-01", "ns")], "lat": lat, "lon": lon},
    )
    with LocalService({"m": data}) as service:
        answer = service.answer(SeriesQuery("m", "t", Point(0.5, 89.9), ALL, reach=1e5))
    assert (answer.cell, answer.values.tolist()) == ((180.5, 89.5), [7.0])
    assert answer.distance == pytest.approx(0.6 * 111_195, rel=1e-3)


@pytest.mark.parametrize(("kind", "low", "high"), [(np.uint8, 0, 120), (np.int8, -100, 100), (np.uint64, 0, 2**40)])
def test_whole_numbers_are_subtracted_without_going_round(kind, low, high):
    values = {"low": np.array([[low, 1]]), "high": np.array([[high, 0]])}
    data = xr.Dataset(
        {name: (("lat", "lon"), numbers.astype(kind)) for name, numbers in values.items()},
        {"lat": [0.0], "lon": [0.0, 1.0]},
    )
    with LocalService({"m": data}) as service:
        field = service.answer(DataQuery(Source("m", "low", None, subtract="high"), BBox(-1, -1, 2, 1)))
    assert field.data.tolist() == [[low - high, 1]]


@pytest.mark.parametrize("word", ["avg", "area_avg"])
def test_an_infinite_value_spoils_no_other_time(word):
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), [[[np.inf, 1.0]], [[3.0, 3.0]]])},
        {"time": pd.date_range("2001-01-01", periods=2), "lat": [0.0], "lon": [0.0, 1.0]},
    )
    with LocalService({"m": data}) as service:
        answer = service.answer(SeriesQuery("m", "t", BBox(-0.5, -0.5, 1.5, 0.5), ALL, None, word))
    assert np.isfinite(answer.values).tolist() == [False, True]


@pytest.mark.parametrize("west", [-180, -15, 5, 90, 175])
@pytest.mark.parametrize("first", [-175.0, 5.0, 90.0])
@pytest.mark.parametrize("way", [10.0, -10.0])
def test_every_cell_of_a_box_over_the_seam_is_its_own(west, first, way):
    lon = first + way * np.arange(36)
    data = xr.Dataset({"t": (("lat", "lon"), np.tile(lon, (3, 1)))}, {"lat": [0.0, 10.0, 20.0], "lon": lon})
    with LocalService({"m": data}) as service:
        for width in (20, 180, 190, 200, 340, 360):
            east = west + width
            box = BBox(west, -5, east if east <= 180 or width == 360 else east - 360, 25)
            field = service.answer(DataQuery(Source("m", "t", None), box))
            assert field.data.tolist() == np.tile(field.lon, (3, 1)).tolist()
            assert sorted(field.lon) == sorted(lon[box.contains_longitude(lon)])


def test_http_and_prepared_data_answer_the_same(tmp_path, monthly):
    path = tmp_path / "m.nc"
    monthly.to_netcdf(path)
    queries = [
        SeriesQuery("m", "t", BOX, ALL, group, word, anomaly=anomaly, trend=group == "yyyy-MM")
        for group, word, anomaly in (
            (None, "area_avg", None),
            ("yyyy-MM", "area_std", None),
            ("yyyy", "geo_avg", None),
            ("season", "median", None),
            ("MM", "area_avg", None),
            ("yyyy-season", "avg", "MM"),
            ("yyyy-MM", "area_avg", "season"),
        )
    ]
    with LocalService(path, laps=tmp_path / "none") as plain:
        wanted = [plain.answer(query) for query in queries]
        picture = plain.answer(LapseMapQuery("m", "t", Canvas(BOX), ALL, "median"))
        assert "area" not in picture.weighting
        assert "days" in plain.answer(LapseMapQuery("m", "t", Canvas(BOX), ALL, "area_avg")).weighting
        with serve_background(build_app(plain)) as server, HttpService(server.url) as remote:
            for query, answer in zip(queries, wanted, strict=True):
                got = remote.answer(query)
                np.testing.assert_array_equal(got.values, answer.values)
                assert (got.weighting, got.base, got.trend) == (answer.weighting, answer.base, answer.trend)
                assert got.texts == answer.texts
    prepare(path, folder=tmp_path / "laps")
    with LocalService(path, laps=tmp_path / "laps") as ready:
        for query, answer in zip(queries, wanted, strict=True):
            close(ready.answer(query).values, answer.values, 1e-3)
        assert ready.stats.blocks == 0


@pytest.mark.parametrize("seed", range(12))
def test_area_weights_of_random_grids_are_what_points_find(seed):
    """Grids of every orientation and convention: the share of random points of the sphere that fall in box and cell."""
    rng = np.random.default_rng(seed)
    ny, nx = rng.integers(3, 9), rng.integers(4, 12)
    lat = np.sort(rng.uniform(-88, 88, ny))
    lon = rng.uniform(-180, 180) + np.cumsum(rng.uniform(2, 300 / nx, nx))
    if rng.random() < 0.5:
        lat = lat[::-1]
    if rng.random() < 0.5:
        lon = lon[::-1]
    lon = lon % 360 if rng.random() < 0.5 else (lon + 180) % 360 - 180
    south, north = np.sort(rng.uniform(-90, 90, 2))
    box = BBox(rng.uniform(-180, 180), south, rng.uniform(-180, 180), north)
    if seed % 4 == 0:
        box = BBox(-180, -90, 180, 90)
    regular = RectilinearGrid.from_centers(lon, lat)
    points = rng.uniform(0, 360, 200_000) - 180, np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))
    inside = (
        (points[1] >= box.south)
        & (points[1] <= box.north)
        & (box.is_whole_turn | ((points[0] - box.west) % 360 <= box.width))
    )
    rows, columns = regular.rows_at(points[1]), regular.columns_at(points[0])
    inside &= (rows >= 0) & (columns >= 0)
    found = np.zeros(regular.shape)
    np.add.at(found, (rows[inside], columns[inside]), 4 * np.pi / 200_000)
    try:
        cells, weights = area_weights(regular, box)
    except errors.NoData:
        assert found.sum() == 0
        return
    there = np.zeros(regular.shape)
    there[np.ix_(np.arange(cells.rows.start, cells.rows.stop), cells.columns)] = weights
    error = 5 * np.sqrt(4 * np.pi / 200_000 * (found + 1e-3))
    assert (np.abs(there - found) <= error).all()
    # The same cells as corners of a curvilinear grid, each row of columns small enough that a chord is as good.
    curved = CurvilinearGrid.from_centers(*np.meshgrid(np.linspace(0, 40, 41), np.linspace(-30, 50, 81)))
    one = BBox(3.3, -12.2, 17.9, 44.4)
    _, polygon = area_weights(curved, one)
    flat = np.radians(17.9 - 3.3) * (np.sin(np.radians(44.4)) - np.sin(np.radians(-12.2)))
    assert polygon.sum() == pytest.approx(flat, rel=1e-4)


@pytest.mark.skipif(not DATA.exists(), reason="the real files are not here")
def test_real_files():
    with LocalService(str(DATA / "nemo_1m_20150101-20150201_grid-T.nc")) as service:
        index = next(iter(service._store.library.indexes.values()))
        grid = index.variables["tos"].grid
        _, weights = area_weights(grid, BBox(-180, -90, 180, 90))
        # ORCA covers the globe north of 85.6° S once: its wrapped columns and folded row are not counted again.
        assert weights.sum() == pytest.approx(2 * np.pi * (1 + np.sin(np.radians(86))), rel=0.01)
        answer = service.answer(SeriesQuery(index.id, "tos", BBox(-60, 20, -20, 50), ALL, None, "area_avg"))
        assert answer.texts == ["2015-01 (mean)"]
    for name, variable, text in (
        ("tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc", "tas", "2006-12"),
        ("ostia_monthly.nc", "surface_temperature", "2006-04"),
    ):
        with LocalService(str(DATA / name)) as service:
            (index,) = service._store.library.indexes
            answer = service.answer(SeriesQuery(index, variable, BBox(-180, -4, 180, 4), ALL, None, "area_avg"))
            assert answer.texts[0].startswith(text), answer.texts[0]
            data = xr.open_dataset(DATA / name, decode_times=False)[variable].astype("f8")
            assert np.isfinite(answer.values).all()
            assert data.min() < answer.values.min() < answer.values.max() < data.max()
