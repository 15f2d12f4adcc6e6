"""Series of real files are those that xarray finds in float64, by areas, lengths and calendars of its own reading."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from datavore_widgets.client import export
from datavore_widgets.errors import NoData
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, MapQuery, SeriesQuery, Source
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.local import LocalService
from tests.real import SHARED_DATA

pytestmark = pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real files are not here")

ALL = Lapse(Date("1800"), Date("2200"))
WORLD = BBox(-180, -90, 180, 90)
DAYS = np.array([31, 28.2425, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Of the months in the mean year of the Gregorian calendar."""


@dataclass(frozen=True)
class File:
    """A file, and what its makers or our words say of it.

    `base` is the base period that the rule gives (1991-2020 if it is covered, else the complete years), or None where
    there is no complete year.
    """

    name: str
    varname: str
    boxes: tuple[BBox, ...]
    base: tuple[int, int] | None
    bounded: bool = False
    days: tuple[float, ...] = tuple(DAYS)


FILES = (
    File(
        "tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc",
        "tas",
        (WORLD, BBox(-33, -41.7, 47.1, 52.5), BBox(168.2, -90, -100.9, -61.3)),
        None,
        bounded=True,
        days=(31, 28, *DAYS[2:]),
    ),
    File("ostia_monthly.nc", "surface_temperature", (BBox(-9.7, -3.1, 12.2, 4.4), BBox(160, -5, -90, 5)), (2007, 2009)),
    File(
        "psl_ERA5_mon_194001-202212.nc",
        "psl",
        (WORLD, BBox(-71, 11, 44, 90), BBox(101, -80, -101, 40)),
        (1991, 2020),
    ),
    # Means of years that begin in December: each is of the year that its middle lies in.
    File("A1B_north_america.nc", "air_temperature", (BBox(-120, 20.3, -66, 57),), (1991, 2020), days=(30.0,) * 12),
)


def named(value: File | BBox) -> str:
    return value.varname if isinstance(value, File) else value.to_text()


CASES = [(file, box) for file in FILES for box in file.boxes]


def _edges(centers: NDArray, *, turn: bool) -> NDArray:
    """Edges half-way between centres, as pairs; the outer ones meet if that is a turn, and no place is beyond 90."""
    middles = (centers[1:] + centers[:-1]) / 2
    ends = 2 * centers[0] - middles[0], 2 * centers[-1] - middles[-1]
    if turn and ends[1] - ends[0] > 359.9:
        seam = (centers[0] + centers[-1] - 360) / 2
        ends = seam, seam + 360
    edges = np.concatenate([[ends[0]], middles, [ends[1]]])
    edges = edges if turn else np.clip(edges, -90, 90)
    return np.stack([edges[:-1], edges[1:]], axis=1)


@cache
def opened(file: File) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, NDArray, NDArray]:
    """Values in float64, year and month of the middle of each period, and the edges of the cells."""
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with warnings.catch_warnings():
        # xarray tells of the two fill values of ERA5.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        with xr.open_dataset(SHARED_DATA / file.name, decode_times=coder) as data:
            data = data.load()
    renamed = {"latitude": "lat", "longitude": "lon"}
    field = data[file.varname].astype("f8")
    field = field.rename({old: new for old, new in renamed.items() if old in field.dims})
    low, high = data["time_bnds"].values.T
    middle = low + (high - low) / 2
    field = field.assign_coords(
        year=("time", [date.year for date in middle]),
        month=("time", [date.month for date in middle]),
        length=("time", [(last - first).total_seconds() for first, last in zip(low, high, strict=True)]),
    )
    if file.bounded:
        return field, field.year, field.month, data["lat_bnds"].values, data["lon_bnds"].values
    lat, lon = (field[name].values.astype("f8") for name in ("lat", "lon"))
    return field, field.year, field.month, _edges(lat, turn=False), _edges(lon, turn=True)


def areas(file: File, box: BBox) -> xr.DataArray:
    """The part of each cell that lies in a box, in steradians: (λ₂ - λ₁)(sin φ₂ - sin φ₁)."""
    field, _, _, lat, lon = opened(file)
    high = np.sin(np.radians(np.minimum(lat[:, 1], box.north))) - np.sin(np.radians(np.maximum(lat[:, 0], box.south)))
    wide = np.zeros(len(lon))
    west, east = (-180.0, 180.0) if box.is_whole_turn else (box.west, box.west + box.width)
    for turn in (-720, -360, 0, 360, 720):
        if box.is_whole_turn:
            wide = lon[:, 1] - lon[:, 0]
            break
        wide += np.clip(np.minimum(lon[:, 1] + turn, east) - np.maximum(lon[:, 0] + turn, west), 0, None)
    weights = np.clip(high, 0, None)[:, None] * np.radians(wide)
    return xr.DataArray(weights, {"lat": field.lat, "lon": field.lon}, ("lat", "lon"))


def inside(file: File, box: BBox) -> xr.DataArray:
    """1 for the cells whose centres lie in a box, else 0."""
    field = opened(file)[0]
    lon = box.is_whole_turn | ((field.lon.astype("f8") - box.west) % 360 <= box.width)
    return (lon & (field.lat >= box.south) & (field.lat <= box.north)).astype("f8").transpose("lat", "lon")


def key_of(file: File, groupby: str | None) -> xr.DataArray:
    field, year, month, _, _ = opened(file)
    season = month % 12 // 3
    keys = {
        None: xr.zeros_like(year) + np.arange(field.sizes["time"]),
        "yyyy": year,
        "yyyy-MM": year * 12 + month,
        "yyyy-season": (year + (month == 12)) * 4 + season,
        "season": season,
        "MM": month,
    }
    return keys[groupby].rename("key")


def weighted_groups(values: xr.DataArray, weights: xr.DataArray, key: xr.DataArray) -> NDArray:
    """Means of groups, weighted."""
    weights = weights.where(values.notnull(), 0.0).broadcast_like(values)
    total = (values.fillna(0.0) * weights).groupby(key).sum(...)
    return (total / weights.groupby(key).sum(...)).values


def lengths_of(file: File, groupby: str | None) -> xr.DataArray:
    """What times weigh: their length; of climatologies of monthly means the days of that month in the mean year."""
    field, _, month, _, _ = opened(file)
    if groupby in ("season", "MM") and (field.length < 40 * 86400).all():
        return xr.zeros_like(field.length) + np.array(file.days)[month.values - 1]
    return field.length


def close(one: NDArray, other: NDArray, deviation: float) -> None:
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    limit = 1e-6 * np.maximum(np.abs(other), deviation)
    assert (np.abs(one - other) <= limit)[~np.isnan(other)].all(), np.nanmax(np.abs(one - other))


@pytest.fixture(scope="module")
def services():
    made = {file.name: LocalService(SHARED_DATA / file.name, laps=None) for file in FILES}
    yield made
    for service in made.values():
        service.close()


def asked(services, file: File, box: BBox, aggregate: str, **more) -> Series:
    service = services[file.name]
    (index,) = service._store.library.indexes
    return service.answer(SeriesQuery(index, file.varname, box, ALL, aggregate=aggregate, **more))


@pytest.mark.parametrize("groupby", [None, "yyyy", "yyyy-MM", "yyyy-season", "season", "MM"])
@pytest.mark.parametrize(("file", "box"), CASES, ids=named)
def test_means_by_area_and_plain_ones(services, file: File, box: BBox, groupby: str | None) -> None:
    field, year, _, _, _ = opened(file)
    base = None
    if groupby in ("season", "MM"):
        base = file.base
        if base is None:
            with pytest.raises(NoData, match="no year is complete"):
                asked(services, file, box, "avg", groupby=groupby)
            base = (int(year.min()), int(year.max()))
        field = field.where((year >= base[0]) & (year <= base[1]), drop=True)
    given = base if file.base is None else None
    key = key_of(file, groupby).sel(time=field.time)
    deviation = float(field.std())
    steps = field.weighted(areas(file, box)).mean(("lat", "lon"))
    lengths = lengths_of(file, groupby).sel(time=field.time)
    answer = asked(services, file, box, "area_avg", groupby=groupby, base=given)
    close(answer.values, weighted_groups(steps, lengths, key), deviation)
    assert answer.base == base
    plain = asked(services, file, box, "avg", groupby=groupby, base=given)
    close(plain.values, weighted_groups(field, inside(file, box), key), deviation)
    there = field.notnull() & (inside(file, box) > 0)
    np.testing.assert_array_equal(plain.counts, there.groupby(key).sum(...).values)


@pytest.mark.parametrize("by", ["MM", "season"])
@pytest.mark.parametrize(("file", "box"), CASES, ids=named)
def test_anomalies_of_each_cell(services, file: File, box: BBox, by: str) -> None:
    field, year, _, _, _ = opened(file)
    base = file.base or (int(year.min()), int(year.max()))
    meant = field.where((year >= base[0]) & (year <= base[1]), drop=True)
    key, lengths = key_of(file, by), lengths_of(file, by)
    weight = lengths.sel(time=meant.time) * meant.notnull()
    clim = (meant.fillna(0) * weight).groupby(key.sel(time=meant.time)).sum("time")
    clim = clim / weight.groupby(key.sel(time=meant.time)).sum("time")
    anomalies = field.groupby(key) - clim
    deviation = float(anomalies.std())
    for groupby in (None, "yyyy"):
        group = key_of(file, groupby)
        more = {"groupby": groupby, "anomaly": by, "base": None if file.base else base}
        answer = asked(services, file, box, "area_avg", **more)
        steps = anomalies.weighted(areas(file, box)).mean(("lat", "lon"))
        close(answer.values, weighted_groups(steps, field.length, group), deviation)
        assert answer.base == base
        plain = asked(services, file, box, "avg", **more)
        close(plain.values, weighted_groups(anomalies, inside(file, box), group), deviation)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.varname)
def test_the_spread_in_space_and_time_and_in_time_alone(services, file: File) -> None:
    box = file.boxes[-1]
    field = opened(file)[0]
    weights, key = areas(file, box), key_of(file, "yyyy")
    both = weights * field.length
    mean = weighted_groups(field, both, key)
    place = {value: number for number, value in enumerate(np.unique(key))}
    around = xr.DataArray([mean[place[value]] for value in key.values], {"time": field.time}, ("time",))
    deviation = float(field.std())
    spread = asked(services, file, box, "area_std", groupby="yyyy")
    close(spread.values, np.sqrt(weighted_groups((field - around) ** 2, both, key)), deviation)
    steps = field.weighted(weights).mean(("lat", "lon"))
    in_time = asked(services, file, box, "time_std", groupby="yyyy")
    close(in_time.values, np.sqrt(weighted_groups((steps - around) ** 2, field.length, key)), deviation)


def test_exports_say_what_their_numbers_are(services) -> None:
    """A monthly mean has the bounds of its month; means by area and then time say so; anomalies are no levels."""
    file = FILES[1]
    service = services[file.name]
    (index,) = service._store.library.indexes
    box = BBox(160, -5, -90, 5)
    picture = MapQuery(Source(index, file.varname, Date("200702")), Canvas(box, 64))
    month = export.exported(service, picture)
    assert month["time"].attrs["bounds"] == "time_bnds"
    assert np.datetime_as_string(month["time_bnds"].values, "D").tolist() == ["2007-02-01", "2007-03-01"]
    assert np.datetime_as_string(month["time"].values, "D") == "2007-02-15"
    assert month.attrs["datavore_period_used"] == "2007-02-01T00:00:00Z/2007-03-01T00:00:00Z"
    assert month[file.varname].attrs["standard_name"] == "surface_temperature"
    for groupby, aggregate, more, methods in (
        ("yyyy", "area_avg", {}, "area: mean time: mean ("),
        ("yyyy", "avg", {}, "time: area: mean ("),
        (None, "area_avg", {}, "area: mean ("),
        ("MM", "area_avg", {}, "area: mean time: mean within years time: mean over years ("),
        ("yyyy", "area_avg", {"anomaly": "MM"}, "area: mean time: mean ("),
    ):
        query = SeriesQuery(index, file.varname, box, ALL, groupby, aggregate, **more)
        attrs = export.exported(service, query)[file.varname].attrs
        assert attrs["cell_methods"].startswith(methods)
        assert attrs.get("standard_name") == (None if more else "surface_temperature")
        assert attrs["long_name"].endswith("anomaly") == bool(more)
