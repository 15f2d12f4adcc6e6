"""Maps of a lapse: each cell has the aggregate that numpy finds of its values, and the picture shows it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, LapseDataQuery, LapseMapQuery, SeriesQuery, Style
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.directions import mean_direction
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
from tests import fields

WORLD = BBox(-180, -90, 180, 90)
LAPSE = Lapse(Date("200001"), Date("200208"))
MASKS = {"sea": (1, 1), "ice": (2, 2), "first year": (12, 4), "old": (12, 8)}
"""Flags that share a byte: the bits of each, and what they are then (CF 3.5, example 3.5)."""


@pytest.fixture(scope="module")
def monthly() -> xr.Dataset:
    """Three years of months with gaps: positive numbers, directions about north, flags of values and of bits."""
    rng = np.random.default_rng(21)
    time = pd.date_range("2000-01-01", periods=36, freq="MS")
    lat, lon = np.arange(-50.0, 60, 20), np.arange(0.0, 360, 40)
    shape = time.size, lat.size, lon.size
    values = rng.lognormal(0, 1, shape)
    values[rng.random(shape) < 0.2] = np.nan
    values[:, 1, 2] = np.nan
    degrees = rng.normal(0, 30, shape) % 360
    degrees[rng.random(shape) < 0.2] = np.nan
    dims = "time", "lat", "lon"
    bits = rng.integers(0, 16, shape).astype("i1")
    classes = rng.integers(1, 4, shape).astype("i1")
    hole = np.where(rng.random(shape) < 0.1, np.int8(-1), classes)
    return xr.Dataset(
        {
            "chl": (dims, values, {"units": "mg m-3"}),
            "wdir": (dims, degrees, {"units": "degree", "standard_name": "wind_from_direction"}),
            "bits": (
                dims,
                bits,
                {
                    "flag_masks": np.array([mask for mask, _ in MASKS.values()], "i1"),
                    "flag_values": np.array([value for _, value in MASKS.values()], "i1"),
                    "flag_meanings": " ".join(word.replace(" ", "_") for word in MASKS),
                },
            ),
            "kind": (
                dims,
                hole,
                {
                    "flag_values": np.array([1, 2, 3], "i1"),
                    "flag_meanings": "water ice land",
                    "_FillValue": np.int8(-1),
                },
            ),
        },
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


@pytest.fixture(scope="module", params=["read", "prepared"])
def service(request, monthly, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lapse")
    path = folder / "m.nc"
    monthly.to_netcdf(path)
    if request.param == "prepared":
        prepare(path, folder=folder / "laps")
    with LocalService(path, laps=folder / "laps") as service:
        yield service


def found(service: LocalService, varname: str, word: str, lapse: Lapse = LAPSE) -> NDArray:
    answer = service.answer(LapseDataQuery("m", varname, WORLD, lapse, word))
    # From the west edge of the box on; the cells of the file begin at 0.
    order = np.argsort(answer.lon % 360)
    return np.asarray(np.ma.filled(answer.data, np.nan))[:, order]


def of_time(monthly: xr.Dataset, varname: str) -> tuple[NDArray, NDArray]:
    """Values of the lapse in float64, and the days of its months."""
    field = monthly[varname].sel(time=slice("2000-01", "2002-08"))
    values = field.values.astype(np.float64)
    if varname == "kind":
        values[values < 0] = np.nan
    return values, np.asarray(field.time.dt.days_in_month, dtype=np.float64)


def mean(values: NDArray, days: NDArray) -> NDArray:
    weight = np.where(np.isfinite(values), days[:, None, None], 0.0)
    with np.errstate(invalid="ignore"):
        return np.nansum(values * weight, axis=0) / weight.sum(axis=0)


def deviation(values: NDArray, days: NDArray) -> NDArray:
    return np.sqrt(mean((values - mean(values, days)) ** 2, days))


def percentile(percent: int) -> Callable[[NDArray, NDArray], NDArray]:
    return lambda values, _days: np.nanpercentile(values, percent, axis=0)


def vector(values: NDArray, days: NDArray) -> NDArray:
    return mean(np.exp(1j * np.radians(values)), days)


def pointing(values: NDArray, days: NDArray) -> NDArray:
    return np.degrees(np.angle(vector(values, days))) % 360


def spread(values: NDArray, days: NDArray) -> NDArray:
    return np.degrees(np.sqrt(-2 * np.log(np.abs(vector(values, days)))))


def alike(how: Callable[[NDArray, NDArray], NDArray]) -> Callable[[NDArray, NDArray], NDArray]:
    return lambda values, days: how(values, np.ones_like(days))


def part(is_it: Callable[[NDArray], NDArray]) -> Callable[[NDArray, NDArray], NDArray]:
    return lambda values, days: mean(np.where(np.isfinite(values), is_it(values), np.nan), days)


def bits(word: str) -> Callable[[NDArray], NDArray]:
    mask, value = MASKS[word]
    return lambda values: (np.nan_to_num(values).astype(int) & mask) == value


CASES = [
    ("chl", "area_avg", mean),
    ("chl", "area_std", deviation),
    ("chl", "time_std", deviation),
    ("chl", "geo_avg", lambda values, days: np.exp(mean(np.log(values), days))),
    ("chl", "median", percentile(50)),
    ("chl", "p5", percentile(5)),
    ("chl", "p95", percentile(95)),
    ("wdir", "avg", alike(pointing)),
    ("wdir", "std", alike(spread)),
    ("wdir", "area_avg", pointing),
    ("wdir", "area_std", spread),
    ("kind", "fraction:ice", part(lambda values: values == 2)),
    ("kind", "fraction:3", part(lambda values: values == 3)),
    ("bits", "fraction:ice", part(bits("ice"))),
    ("bits", "fraction:first_year", part(bits("first year"))),
    ("bits", "fraction:old", part(bits("old"))),
]


@pytest.mark.filterwarnings(
    "ignore:All-NaN slice:RuntimeWarning"
)  # the cell without a value, in numpy's own percentile
@pytest.mark.parametrize(("varname", "word", "expected"), CASES, ids=lambda value: value if type(value) is str else "")
def test_each_cell_has_what_numpy_finds(request, service, monthly, varname: str, word: str, expected) -> None:
    how = request.node.callspec.params["service"]
    values, days = of_time(monthly, varname)
    wanted = expected(values, days)
    read = service.stats.blocks
    ours = found(service, varname, word)
    assert (service.stats.blocks > read) == (how == "read"), "prepared data are taken where there are any"
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(wanted))
    away = ours - wanted
    if varname == "wdir" and word.endswith("avg"):
        away = (away + 180) % 360 - 180
        assert (ours[np.isfinite(ours)] >= 0).all()
        assert (ours[np.isfinite(ours)] < 360).all()
    # Prepared values are kept with fewer digits than float64 has, but never fewer than this.
    limit = 1e-6 * np.maximum(np.abs(wanted), np.nanstd(values))
    assert (np.abs(away) <= limit)[np.isfinite(wanted)].all(), np.nanmax(np.abs(away))
    low, high = (0.0, 360.0) if varname == "wdir" and word.endswith("avg") else (0.0, float(np.nanmax(wanted)))
    query = LapseMapQuery(
        "m", varname, Canvas(BBox(-20, -60, 340, 60), 18), LAPSE, word, style=Style("gray", low, high)
    )
    image = service.answer(query)
    drawn = np.asarray(Image.open(io.BytesIO(image.png)).convert("RGBA"))[::-1, ::2].astype(int)
    np.testing.assert_array_equal(drawn[..., 3] > 0, np.isfinite(wanted))
    shades = 255 * (np.nan_to_num(wanted) - low) / (high - low)
    assert np.abs(drawn[..., 0] - shades)[np.isfinite(wanted)].max() <= 2
    assert (image.aggregate, image.steps) == (word, 32)
    weighed = "area" in word or word.startswith(("geo", "fraction", "time"))
    assert ("months by their days" in image.weighting) == weighed
    assert ("unit vectors" in image.weighting) == (varname == "wdir")


@pytest.mark.parametrize("word", ["fraction:ice", "fraction:old", "fraction:first_year"])
def test_fractions_of_bits_over_a_box_weigh_areas_and_days(service, monthly, word: str) -> None:
    values, days = of_time(monthly, "bits")
    wanted = bits(word.removeprefix("fraction:").replace("_", " "))(values).astype(float)
    edges = np.radians(monthly.lat.values)[:, None] + np.radians([-10, 10])
    area = np.diff(np.sin(edges))
    share = (wanted * area).sum(axis=(1, 2)) / (area.sum() * 9)
    answer = service.answer(SeriesQuery("m", "bits", WORLD, LAPSE, None, word))
    np.testing.assert_allclose(answer.values, share, rtol=1e-9)  # sums in another order
    yearly = service.answer(SeriesQuery("m", "bits", WORLD, LAPSE, "yyyy", word))
    np.testing.assert_allclose(yearly.values[0], np.average(share[:12], weights=days[:12]), rtol=1e-9)
    assert answer.units == "1"


@pytest.mark.parametrize("word", ["max", "min", "median", "p90", "geo_avg", "time_std", "fraction:90"])
def test_series_and_maps_refuse_the_same_of_directions(service, word: str) -> None:
    told = []
    for query in (
        SeriesQuery("m", "wdir", WORLD, LAPSE, "yyyy", word),
        LapseMapQuery("m", "wdir", Canvas(WORLD), LAPSE, word),
    ):
        with pytest.raises(InvalidValue, match="go round") as raised:
            service.answer(query)
        told.append(str(raised.value))
    assert told[0] == told[1]


def test_series_of_directions_are_those_of_maps(service, monthly) -> None:
    """Of one cell and one year both are the same number, in one convention."""
    year = Lapse(Date("2001"), Date("2001"))
    west, south = float(monthly.lon[3]) - 20, float(monthly.lat[2]) - 10
    cell = BBox(west, south, west + 40, south + 20)
    for word in ("avg", "std", "area_avg", "area_std"):
        answer = service.answer(SeriesQuery("m", "wdir", cell, year, "yyyy", word))
        assert 0 <= answer.values[0] < 360
        assert answer.values[0] == pytest.approx(found(service, "wdir", word, year)[2, 3], rel=1e-12)


def test_directions_that_are_north_but_for_the_last_bit_are_0_and_not_360() -> None:
    assert mean_direction(np.array([-1e-20, 0.0, -1e-3]), np.array([1.0, 1.0, 1.0])).tolist()[:2] == [0.0, 0.0]


def test_a_fraction_of_what_is_no_flag_names_the_flags(service) -> None:
    for query in (
        SeriesQuery("m", "bits", WORLD, LAPSE, "yyyy", "fraction:icy"),
        LapseMapQuery("m", "bits", Canvas(WORLD), LAPSE, "fraction:icy"),
    ):
        with pytest.raises(InvalidValue, match="ice"):
            service.answer(query)


def test_swaths_have_the_mean_and_the_spread_of_directions_and_refuse_the_same(tmp_path) -> None:
    """Three passes over the same samples, from 350, 20 and 20 degrees."""
    for number, degrees in enumerate((350.0, 20.0, 20.0)):
        dataset = fields.swath()
        values = np.full(dataset["sst"].shape, degrees)
        attrs = {"units": "degree", "standard_name": "wind_from_direction", "coordinates": "lon lat"}
        dataset = dataset.assign(wdir=(dataset["sst"].dims, values, attrs))
        shift = dataset["lon"] + 0.001 * number
        dataset = dataset.assign(lon=shift.assign_attrs(dataset["lon"].attrs))
        dataset["time"] = dataset["time"] + 6000.0 * number
        dataset["time"].attrs = fields.swath()["time"].attrs
        dataset.to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    box = BBox(171, -4, 173, 0)
    turn = np.exp(1j * np.radians([350.0, 20.0, 20.0])).mean()
    with LocalService(tmp_path) as service:
        (index,) = service._store.library.indexes
        assert service._store.library.indexes[index].variables["wdir"].moves
        for word, wanted in (
            ("avg", np.degrees(np.angle(turn)) % 360),
            ("std", np.degrees(np.sqrt(-2 * np.log(abs(turn))))),
        ):
            query = LapseMapQuery(index, "wdir", Canvas(box, 20), aggregate=word, style=Style("gray", 0.0, 60.0))
            if word == "avg":
                query = replace(query, style=Style("gray", 0.0, 360.0))
            image = service.answer(query)
            drawn = np.asarray(Image.open(io.BytesIO(image.png)).convert("RGBA")).astype(int)
            seen = drawn[..., 0][drawn[..., 3] > 0]
            assert seen.size > 50
            assert np.abs(seen - 255 * wanted / (360 if word == "avg" else 60)).max() <= 2
        with pytest.raises(InvalidValue, match="go round"):
            service.answer(LapseMapQuery(index, "wdir", Canvas(box, 20), aggregate="max"))
        with pytest.raises(NotSupported, match="lie elsewhere at each time"):
            service.answer(LapseMapQuery(index, "sst", Canvas(box, 20), aggregate="p90"))
