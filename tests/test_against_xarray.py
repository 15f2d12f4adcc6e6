"""What is read is what xarray and cftime read, on random files of every packing, orientation and calendar."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import cftime
import numpy as np
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from datavore_widgets.client.datavore import Datavore
from datavore_widgets.errors import NoData
from datavore_widgets.protocol.times import TimeAxis, parts_from_label
from datavore_widgets.service.decode import labels_from_times
from datavore_widgets.service.local import LocalService
from tests import fields

PACKED = ("i1", "u1", "i2", "u2", "i4")
CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


@st.composite
def axes(draw: st.DrawFn) -> tuple[NDArray, NDArray]:
    """Longitudes and latitudes in any order and convention, of the world or a part of it."""
    nx, ny = draw(st.integers(2, 9)), draw(st.integers(2, 7))
    step = draw(st.sampled_from([0.25, 2.5, 360.0 / nx]))
    start = draw(st.sampled_from([-280.0, -180.0, 0.0, 20.0, 175.0])) + draw(st.integers(0, 8)) * 0.25
    lon = start + step * np.arange(nx)
    if draw(st.booleans()):
        lon = (lon + 180.0) % 360.0 - 180.0
    lat = draw(st.integers(-80, 50)) + draw(st.sampled_from([0.5, 4.0])) * np.arange(ny)
    return lon[:: draw(st.sampled_from([1, -1]))], lat[:: draw(st.sampled_from([1, -1]))]


@st.composite
def packed(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[NDArray, dict[str, object]]:
    """Stored values, and attributes that pack them."""
    name = draw(st.sampled_from([*PACKED, "f4", "f8"]))
    dtype = np.dtype(name)
    attrs: dict[str, object] = {}
    if dtype.kind == "f":
        stored = draw(arrays(dtype, shape, elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan)))
        number = st.sampled_from([dtype.type(-9999.0), dtype.type(1e20)])
    else:
        info = np.iinfo(dtype)
        stored = draw(arrays(dtype, shape, elements=st.integers(info.min, info.max)))
        number = st.integers(info.min, info.max).map(dtype.type)
        kind = draw(st.sampled_from([np.float32, np.float64]))
        if draw(st.booleans()):
            attrs["scale_factor"] = kind(draw(st.sampled_from([0.01, -0.002, 1.0, 3e-5, -10.0])))
        if draw(st.booleans()):
            attrs["add_offset"] = kind(draw(st.sampled_from([0.0, 273.15, -20.0])))
    if draw(st.booleans()):
        attrs["_FillValue"] = draw(number)
    if draw(st.booleans()):
        attrs["missing_value"] = draw(number)
    for key in ("_FillValue", "missing_value"):
        if key in attrs and draw(st.booleans()):
            stored.flat[draw(st.integers(0, stored.size - 1))] = attrs[key]
    return stored, attrs


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_data_of_a_box_are_those_of_xarray_to_the_last_place(data: st.DataObject) -> None:
    lon, lat = data.draw(axes())
    stored, attrs = data.draw(packed((2, lat.size, lon.size)))
    dataset = xr.Dataset(
        {"v": (("time", "lat", "lon"), stored, attrs)},
        {
            "time": ("time", [0.0, 1.0], {"units": "days since 2000-01-01"}),
            "lat": ("lat", lat, fields.LAT),
            "lon": ("lon", lon, fields.LON),
        },
    )
    west = data.draw(st.integers(-720, 1440)) / 4 + 0.1
    width = data.draw(st.integers(1, 1439)) / 4
    south, north = sorted(data.draw(st.lists(st.integers(-90, 90), min_size=2, max_size=2, unique=True)))
    west = (west + 180.0) % 360.0 - 180.0
    east = (west + width + 180.0) % 360.0 - 180.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # xarray tells of two fill values, and of those that are not of the values' type.
        warnings.simplefilter("ignore")
        path = Path(folder) / "a.nc"
        dataset.to_netcdf(
            path, engine=data.draw(st.sampled_from(["h5netcdf", "scipy"])) if _is_classic(stored) else "h5netcdf"
        )
        with xr.open_dataset(path) as opened:
            theirs = opened["v"].isel(time=1).load()
        # Columns that come back to the first one after a whole turn are the same cells.
        assume(np.unique(np.round(lon % 360, 6)).size == lon.size)
        inside = np.flatnonzero((lon - west) % 360 <= (east - west) % 360)
        rows = np.flatnonzero((lat >= south) & (lat <= north))
        with LocalService(path) as service:
            ask = Datavore(service)
            try:
                ours = ask.getData("a", "v", "20000102", [west, south, east, north])
            except NoData:
                assert inside.size == 0 or rows.size == 0
                return
    columns = inside[np.argsort((lon[inside] - west) % 360, kind="stable")]
    assert isinstance(ours, dict)
    assert np.array_equal(ours["lon"], lon[columns])
    assert np.array_equal(ours["lat"], lat[rows])
    expected = theirs.values[np.ix_(rows, columns)]
    found = ours["data"]
    missing = np.ma.getmaskarray(found) | (np.isnan(np.ma.getdata(found)) if found.dtype.kind == "f" else False)
    assert np.array_equal(missing, np.isnan(expected) if expected.dtype.kind == "f" else np.zeros(expected.shape, bool))
    ours_there, theirs_there = np.ma.getdata(found)[~missing].astype(np.float64), expected[~missing].astype(np.float64)
    if found.dtype.kind == "f":
        ulp = np.spacing(np.abs(theirs_there).astype(found.dtype)).astype(np.float64)
        # Where a sum of scaled value and offset nearly cancels out, the place of its larger part counts.
        ulp = np.maximum(ulp, float(np.spacing(found.dtype.type(abs(float(attrs.get("add_offset", 0.0)))))))  # type: ignore[arg-type]
        assert (np.abs(ours_there - theirs_there) <= ulp).all()
    else:
        assert np.array_equal(ours_there, theirs_there)


def _is_classic(stored: NDArray) -> bool:
    """Whether the classic format has such values."""
    return stored.dtype.kind == "f" or stored.dtype.str[1:] in ("i1", "i2", "i4")


@settings(max_examples=300, deadline=None)
@given(
    calendar=st.sampled_from(CALENDARS),
    unit=st.sampled_from(sorted(SECONDS)),
    year=st.integers(1, 2400),
    month=st.integers(1, 12),
    day=st.integers(1, 28),
    hour=st.integers(0, 23),
    numbers=st.lists(st.integers(0, 200_000), min_size=1, max_size=8),
)
def test_times_are_those_of_cftime_in_every_calendar(
    calendar: str, unit: str, year: int, month: int, day: int, hour: int, numbers: list[int]
) -> None:
    if calendar == "standard":
        assume((year, month) != (1582, 10))
    units = f"{unit} since {year:04d}-{month:02d}-{day:02d} {hour:02d}:00:00"
    dates = cftime.num2date(numbers, units, calendar)
    labels, told = labels_from_times(np.array(numbers), {"units": units, "calendar": calendar})
    assert told == calendar
    for label, date in zip(labels, dates, strict=True):
        parts = tuple(int(part) for part in parts_from_label(label))
        assert parts == (date.year, date.month, date.day, date.hour, date.minute, date.second, 0)
    # Objects of cftime come to the same labels, and sorted ones to an axis that counts the same distances.
    again, _ = labels_from_times(np.asarray(dates), {})
    assert np.array_equal(again, labels)
    axis = TimeAxis(np.sort(labels), calendar)
    assert np.array_equal(np.diff(axis._elapsed), np.diff(np.sort(numbers)) * SECONDS[unit] * 1000)
