"""From files to indexes: formats, coordinates, times, values, joining, and files that must not be read."""

from __future__ import annotations

import contextlib
import shutil
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fields
import h5py
import numpy as np
import psutil
import pytest
import xarray as xr
from real import SHARED_DATA

from datavore_widgets.errors import Cancelled, InvalidValue, NoData, Unreadable
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.decode import Packing, labels_from_times
from datavore_widgets.service.files import FileSource, OpenFiles

needs_real = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason=f"the real data files are not at {SHARED_DATA}")

SHAPES = {
    build.__name__: build
    for build in (
        fields.field,
        fields.descending,
        fields.around_greenwich,
        fields.odd_convention,
        fields.over_antimeridian,
        fields.regional,
        fields.one_time,
        fields.no_time,
        fields.with_depth,
        fields.packed,
    )
}
FORMATS = ("memory", "undecoded", "netcdf4", "netcdf3", "zarr2", "zarr3")


def write(dataset: xr.Dataset, folder: Path, kind: str, name: str = "data"):
    """A data set in one of the formats: what `open_catalog` is given."""
    if kind == "memory":
        with warnings.catch_warnings():
            # It warns of two fill values in one variable, which is what is tried.
            warnings.simplefilter("ignore", xr.SerializationWarning)
            return xr.decode_cf(dataset).load()
    if kind == "undecoded":
        path = write(dataset, folder, "netcdf4")
        with xr.open_dataset(path, decode_cf=False, engine="h5netcdf") as raw:
            return raw.load()
    if kind.startswith("zarr"):
        path = folder / f"{name}.zarr"
        with warnings.catch_warnings():
            # Zarr 3 has no rule for consolidated metadata yet, and says so.
            warnings.simplefilter("ignore")
            dataset.to_zarr(path, zarr_format=int(kind[-1]))
        return path
    path = folder / f"{name}.nc"
    if kind == "netcdf3":
        dataset.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
    else:
        dataset.to_netcdf(path, engine="h5netcdf")
    return path


def only(library):
    (index,) = library.indexes.values()
    (variable,) = index.variables.values()
    return variable


def everything(variable, step=0, at=None):
    ny, nx = variable.grid.shape
    places = (0,) * len(variable.dims) if at is None else at
    return variable.read(step if variable.has_time else None, places, slice(0, ny), np.arange(nx))


# --- what is read is what was written --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_cell_has_its_value_in_every_format(shape, kind, tmp_path):
    with open_catalog(write(SHAPES[shape](), tmp_path, kind)) as library:
        variable = only(library)
        assert variable.name == "sst"
        assert variable.info.units == "degree_Celsius"
        grid = variable.grid
        steps = range(len(variable.axis)) if variable.has_time else [0]
        for step in steps:
            values = everything(variable, step)
            expected = fields.value(grid.lon[None, :], grid.lat[:, None], step)
            valid = ~np.isnan(values)
            assert 0.5 < valid.mean() < 1.0
            assert np.allclose(values[valid], expected[valid], atol=0.006 if shape == "packed" else 1e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_wrapped_box_over_several_steps_reads_as_two_slabs(kind, tmp_path):
    with open_catalog(write(fields.descending(), tmp_path, kind)) as library:
        variable = only(library)
        bbox = BBox(-30, -30, 30, 30)
        rows, columns = variable.grid.rows_in(bbox), variable.grid.columns_in(bbox)
        assert columns.tolist() == [33, 34, 35, 0, 1, 2, 3]
        values = variable.read(slice(1, 3), (), rows, columns)
        window = variable.grid.window(rows, columns)
        expected = fields.value(window.lon[None, None], window.lat[None, :, None], np.array([1, 2])[:, None, None])
        assert values.shape == (2, 6, 7)
        assert np.allclose(values, expected, atol=1e-5)
        backwards = variable.read(1, (), slice(2, 12, 3), columns[::-2])
        whole = everything(variable, 1)
        assert np.array_equal(backwards, whole[2:12:3][:, columns[::-2]], equal_nan=True)


def test_nothing_is_read_of_an_empty_choice():
    variable = only(open_catalog(fields.field()))
    assert variable.read(slice(0, 2), (), slice(0, 0), np.arange(3)).shape == (2, 0, 3)
    assert variable.read(slice(0, 2), (), slice(0, 4), np.arange(0)).shape == (2, 4, 0)
    assert variable.read(slice(2, 2), (), slice(0, 4), np.arange(3)).shape == (0, 4, 3)


def test_a_further_dimension_is_chosen_by_position_and_named():
    index = open_catalog(fields.with_depth()).indexes["dataset"]
    variable = index.variables["sst"]
    assert variable.dims[0].name == "depth"
    assert variable.dims[0].values == (0.5, 10.0, 100.0)
    assert dict(variable.info.dims["depth"]) == {"values": [0.5, 10.0, 100.0], "default": 0.5, "units": "m"}
    difference = everything(variable, 0, (0,)) - everything(variable, 0, (2,))
    assert np.allclose(difference[~np.isnan(difference)], 2.0, atol=1e-5)


def test_an_axis_without_units_is_a_further_dimension():
    dataset = fields.field(times=2).rename(time="month").assign_coords(month=[1, 7])
    variable = only(open_catalog(dataset))
    assert not variable.has_time
    assert variable.dims[0].values == (1.0, 7.0)


def test_a_time_has_to_be_chosen():
    variable = only(open_catalog(fields.field()))
    with pytest.raises(NoData, match="3 times"):
        variable.read(None, (), slice(0, 2), np.arange(2))


def test_scalar_coordinates_are_no_dimensions_and_a_scalar_time_is_a_time(tmp_path):
    dataset = fields.one_time().isel(time=0).assign_coords(height=2.0)
    with open_catalog(write(dataset, tmp_path, "netcdf4")) as library:
        variable = only(library)
        assert variable.dims == ()
        assert variable.axis.labels.tolist() == [20120115_000000_000]
        assert everything(variable).shape == (18, 36)


def test_a_scalar_time_that_nothing_names_is_that_of_its_file(tmp_path):
    for day in range(3):
        dataset = fields.field(times=1).isel(time=0, drop=True)
        dataset["time"] = ((), day, {"units": "days since 2020-05-01"})
        dataset["forecast_reference_time"] = (
            (),
            -2,
            {"units": "days since 2020-05-01", "standard_name": "forecast_reference_time"},
        )
        dataset.reset_coords().to_netcdf(tmp_path / f"{day}.nc", engine="h5netcdf")
    info = open_catalog(tmp_path).info()
    (index,) = info.indexes.values()
    assert (index.first, index.last, index.count) == ("2020-05-01T00:00:00Z", "2020-05-03T00:00:00Z", 3)


def test_kinds_of_variables():
    anomaly = only(open_catalog(fields.anomaly()))
    assert anomaly.info.kind == "anomaly"
    flags = only(open_catalog(fields.flags()))
    assert flags.info.kind == "flags"
    assert flags.info.flags == {1: "sea", 2: "land", 4: "ice"}
    wind = fields.field(attrs={"standard_name": "wind_from_direction", "units": "degree"})
    assert only(open_catalog(wind)).info.kind == "direction"
    assert only(open_catalog(fields.field())).info.kind == "continuous"


def test_coordinates_are_found_by_units_whatever_their_names():
    dataset = fields.regional().rename(lon="ETOPO60X", lat="rows")
    dataset["ETOPO60X"].attrs = {"units": "degree_E"}
    dataset["rows"].attrs = {"units": "degreesN"}
    variable = only(open_catalog(dataset))
    assert variable.grid.shape == (9, 22)


def test_rotated_longitudes_are_no_longitudes():
    dataset = fields.regional()
    dataset["lon"].attrs = {"units": "degrees", "standard_name": "grid_longitude", "axis": "X"}
    with pytest.raises(Unreadable, match="no longitude"):
        open_catalog(dataset)


# --- decoding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", ["i1", "u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("scale", [None, np.float32(0.01), np.float64(-0.01), np.float32(0.5)])
@pytest.mark.parametrize("offset", [None, np.float32(12.5), np.float64(273.15), np.int16(3)])
def test_values_are_those_of_xarray(stored, scale, offset):
    rng = np.random.default_rng(7)
    raw = (rng.normal(size=200) * 50).astype(stored)
    raw[::7] = raw[0] = 2  # a fill value that every type holds exactly
    attrs = {"scale_factor": scale, "add_offset": offset, "_FillValue": raw[0]}
    attrs = {key: value for key, value in attrs.items() if value is not None}
    ours = Packing.of(raw.dtype, attrs).decode(raw)
    theirs = xr.decode_cf(xr.Dataset({"v": ("x", raw, attrs)}))["v"].values
    if scale is None and offset is None and raw.dtype.kind != "f":
        assert ours.dtype == raw.dtype
        assert np.array_equal(ours.mask, np.isnan(theirs))
        assert np.array_equal(ours.compressed(), theirs[~np.isnan(theirs)])
    else:
        assert ours.dtype == theirs.dtype
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        np.testing.assert_array_max_ulp(ours[~np.isnan(ours)], theirs[~np.isnan(theirs)], 1)


def test_several_missing_values_and_the_valid_range_are_missing():
    raw = np.array([-99, -98, 0, 5, 50, 101], dtype=np.int16)
    attrs = {"_FillValue": np.int16(-99), "missing_value": np.array([-98, 5], dtype=np.int16)}
    values = Packing.of(raw.dtype, {**attrs, "valid_range": np.array([0, 100], dtype=np.int16)}).decode(raw)
    assert values.mask.tolist() == [True, True, False, True, False, True]
    scaled = Packing.of(raw.dtype, {"valid_min": np.int16(0), "valid_max": np.int16(100), "scale_factor": 0.1}).decode(
        raw
    )
    assert np.isnan(scaled).tolist() == [True, True, False, False, False, True]
    as_values = Packing.of(raw.dtype, {"valid_max": np.float64(5.0), "scale_factor": 0.1}).decode(raw)
    assert np.isnan(as_values).tolist() == [False, False, False, False, False, True]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scale", "offset", "low", "high"),
    [(0.01, 273.15, 271.15, 318.15), (0.001, 20.0, -2.0, 45.0), (-0.1, 5.0, 0.0, 9.9)],
)
def test_both_ends_of_a_valid_range_that_is_told_as_values_are_valid(kind, scale, offset, low, high):
    stored = np.sort(np.rint((np.array([low, high]) - offset) / scale).astype(np.int32))
    raw = np.array([stored[0] - 1, *stored, stored[1] + 1], dtype=np.int32)
    attrs = {"scale_factor": kind(scale), "add_offset": kind(offset), "valid_min": kind(low), "valid_max": kind(high)}
    assert np.isnan(Packing.of(raw.dtype, attrs).decode(raw)).tolist() == [True, False, False, True]
    only_low = {key: value for key, value in attrs.items() if key != "valid_max"}
    beyond = [False, False, False, True] if scale < 0 else [True, False, False, False]
    assert np.isnan(Packing.of(raw.dtype, only_low).decode(raw)).tolist() == beyond
    # What xarray has decoded has the same ends, although its values were rounded.
    told = {key: value for key, value in attrs.items() if key.startswith("valid")}
    for ends in (told, {"valid_range": stored}):
        dataset = xr.decode_cf(xr.Dataset({"v": ("x", raw, {**attrs, **ends})}))["v"]
        values = Packing.of(dataset.dtype, dataset.attrs, dataset.encoding).decode(dataset.values)
        assert np.isnan(values).tolist() == [True, False, False, True]


def test_the_ends_of_a_valid_range_are_as_exact_as_the_values():
    raw = np.array([0.04, 0.05, 0.1, 0.11], dtype=np.float32)
    values = Packing.of(raw.dtype, {"valid_min": np.float64(0.05), "valid_max": np.float64(0.1)}).decode(raw)
    assert np.isnan(values).tolist() == [True, False, False, True]


def test_a_valid_range_has_the_sign_that_values_are_meant_to_have():
    raw = np.array([100, 156, 157], dtype=np.uint8)
    values = Packing.of(raw.dtype, {"_Unsigned": "false", "valid_min": np.uint8(157)}).decode(raw)
    assert values.tolist() == [100, None, -99]


def test_a_fill_value_that_no_stored_value_can_equal_hides_nothing():
    raw = np.array([-1, 0, 1], dtype=np.int8)
    assert not Packing.of(raw.dtype, {"_FillValue": np.float32(np.nan)}).can_miss
    assert not Packing.of(raw.dtype, {"_FillValue": 9.97e36}).can_miss
    assert not Packing.of(raw.dtype, {"missing_value": "none"}).can_miss


def test_bytes_told_to_be_unsigned_are():
    raw = np.array([-1, -2, 5], dtype=np.int8)
    values = Packing.of(raw.dtype, {"_Unsigned": "true", "_FillValue": np.int8(-1)}).decode(raw)
    assert values.dtype == np.uint8
    assert values.tolist() == [None, 254, 5]


@pytest.mark.parametrize("kind", ["undecoded", "netcdf4", "netcdf3", "zarr2", "zarr3"])
def test_integers_stay_integers_and_are_masked(kind, tmp_path):
    with open_catalog(write(fields.flags(), tmp_path, kind)) as library:
        variable = only(library)
        values = everything(variable)
        assert variable.dtype == values.dtype == np.int8
        assert values.mask[0].all()
        assert not values.mask[1:].any()
        assert set(np.unique(values.compressed())) == {1, 2, 4}


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "calendar", ["standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "360_day", "julian"]
)
@pytest.mark.parametrize(
    "units",
    [
        "days since 1950-01-01",
        "hours since 1900-01-01 00:00:0.0",
        "seconds since 1981-01-01T00:00:00Z",
        "days since 0001-01-01",
        "minutes since 2000-02-28 12:30:15",
        "hours since 1990-1-1 6:0",
        "days since 1500-03-01",
        "milliseconds since 1970-01-01",
    ],
)
def test_times_are_those_of_cftime(units, calendar):
    import cftime

    span = {"d": 400_000, "h": 900_000, "s": 4_000_000_000, "min": 4_000_000, "mil": 4e12}
    top = span[next(key for key in ("min", "mil", "d", "h", "s") if units.startswith(key))]
    numbers = np.sort(np.round(np.random.default_rng(3).uniform(0, top, 50) * 8) / 8)
    numbers = np.round(numbers) if units.startswith("milli") else numbers
    labels, found = labels_from_times(numbers, {"units": units, "calendar": calendar})
    dates = cftime.num2date(numbers, units, calendar=calendar)
    expected = [
        int(f"{d.year:04d}{d.month:02d}{d.day:02d}{d.hour:02d}{d.minute:02d}{d.second:02d}{d.microsecond // 1000:03d}")
        for d in dates
    ]
    assert found == {"gregorian": "standard", "365_day": "noleap"}.get(calendar, calendar)
    assert labels.tolist() == expected


def test_a_zone_in_the_units_is_taken_off():
    labels, _ = labels_from_times(np.array([0]), {"units": "hours since 2012-08-15 02:00:00 +02:00"})
    assert labels.tolist() == [20120815_000000_000]
    labels, _ = labels_from_times(np.array([0]), {"units": "hours since 2012-08-14 20:00 -4"})
    assert labels.tolist() == [20120815_000000_000]


def test_times_are_rounded_to_the_millisecond_not_cut():
    third = np.array([1 / 3, 2 / 3])
    labels, _ = labels_from_times(third, {"units": "days since 2000-01-01"})
    assert labels.tolist() == [20000101_080000_000, 20000101_160000_000]
    almost = np.array([0.99999999999])
    assert labels_from_times(almost, {"units": "days since 2000-01-01"})[0].tolist() == [20000102_000000_000]
    assert labels_from_times(almost, {"units": "days since 2000-02-30", "calendar": "360_day"})[0].tolist() == [
        20000301_000000_000
    ]
    stamps = np.array(["2000-01-01T23:59:59.999999999"], dtype="M8[ns]")
    assert labels_from_times(stamps, {})[0].tolist() == [20000102_000000_000]


def test_year_zero_is_a_year():
    labels, _ = labels_from_times(np.array([0.0, 24.0]), {"units": "hours since 0000-01-01 00:00:00"})
    assert labels.tolist() == [101_000000_000, 102_000000_000]


def test_thirty_days_in_february_stay(tmp_path):
    with open_catalog(write(fields.days_360(), tmp_path, "netcdf4")) as library:
        axis = only(library).axis
        assert axis.calendar == "360_day"
        assert axis.labels.tolist() == [
            20000228_000000_000, 20000229_000000_000, 20000230_000000_000, 20000301_000000_000,
        ]  # fmt: skip
    decoded = xr.decode_cf(fields.days_360())
    assert np.array_equal(only(open_catalog(decoded)).axis.labels, axis.labels)


@pytest.mark.parametrize(
    ("units", "calendar", "word"),
    [
        (None, None, "units None"),
        ("fortnights since 2000-01-01", "standard", "cannot be"),
        ("months since 2000-01-31", "standard", "not every month has"),
        ("days since the flood", "standard", "cannot be"),
        ("days since 2000-01-01", "mayan", "mayan"),
        ("days since 2000-01-01", "none", "none"),
    ],
)
def test_a_time_axis_that_cannot_be_decoded_is_listed_with_its_numbers(units, calendar, word):
    dataset = fields.field().drop_vars("time")
    attrs = (
        {"standard_name": "time"} | ({"units": units} if units else {}) | ({"calendar": calendar} if calendar else {})
    )
    dataset = dataset.assign_coords(time=("time", np.array([0.0, 10.0, 25.0]), attrs))
    library = open_catalog(dataset)
    variable = only(library)
    assert not variable.has_time
    assert variable.info.dims == {"time": {"values": [0.0, 10.0, 25.0], "default": 0.0, "units": units or ""}}
    (reason,) = library.problems.values()
    assert word in reason
    second = variable.read(None, (1,), slice(None), np.arange(36))
    assert np.array_equal(second, fields.field()["sst"].values[1], equal_nan=True)


@pytest.mark.parametrize(
    ("units", "calendar", "numbers", "first", "last"),
    [
        ("days since 0000-01-01", "standard", [0, 31], "0000-01-01", "0000-02-01"),
        ("hour since 0000-01-01 00:00:00", "standard", [0, 24], "0000-01-01", "0000-01-02"),
        ("days since 2000", "standard", [0, 1], "2000-01-01", "2000-01-02"),
        ("days since 2000-02", "noleap", [0, 28], "2000-02-01", "2000-03-01"),
        ("months since 1960-01-01", "360", [0, 13], "1960-01-01", "1961-02-01"),
        ("months since 1960-01-01", "standard", [0, 1], "1960-01-01", "1960-02-01"),
        ("years since 1900-07-16", "noleap", [0, 100], "1900-07-16", "2000-07-16"),
        ("microseconds since 1970-01-01", "standard", [0, 86_400_000_001], "1970-01-01", "1970-01-02"),
        ("day as %Y%m%d.%f", "360_day", [20000230.0, 20000301.0], "2000-02-30", "2000-03-01"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_times_in_unusual_units_are_dated(units, calendar, numbers, first, last, dtype):
    dataset = fields.field(times=2).drop_vars("time")
    attrs = {"units": units, "calendar": calendar}
    info = open_catalog({"a": dataset.assign_coords(time=("time", np.array(numbers, dtype), attrs))}).info().index("a")
    assert (info.first, info.last) == (f"{first}T00:00:00Z", f"{last}T00:00:00Z")


@pytest.mark.parametrize(
    "names", ["nav_lon nav_lat", "lon_u lat_u", "xc yc", "ETOPO60X ETOPO60Y", "glamt gphit", "TLONG TLAT"]
)
def test_common_names_are_enough(names):
    lon, lat = names.split()
    dataset = fields.no_time().rename(lon=lon, lat=lat)
    for name in (lon, lat):
        dataset[name].attrs = {}
    assert only(open_catalog(dataset)).grid.shape == (18, 36)
    dataset[lon].attrs = {"units": "m"}
    with pytest.raises(Unreadable, match="no longitude"):
        open_catalog(dataset)


@pytest.mark.parametrize("attrs", [{"standard_name": "projection_x_coordinate", "units": "m"}, {"units": "m"}, {}])
def test_a_grid_mapping_is_enough_for_axes_called_x_and_y(attrs):
    mapping = {
        "grid_mapping_name": "polar_stereographic",
        "straight_vertical_longitude_from_pole": -45.0,
        "latitude_of_projection_origin": 90.0,
        "standard_parallel": 70.0,
    }
    axis = np.arange(-2e6, 2.1e6, 5e5)
    other = {**attrs, **({"standard_name": "projection_y_coordinate"} if "standard_name" in attrs else {})}
    dataset = xr.Dataset(
        {
            "sic": (("y", "x"), np.zeros((9, 9)), {"grid_mapping": "crs"}),
            "crs": ((), 0, mapping),
            "x": ("x", axis, attrs),
            "y": ("y", axis[::-1], other),
        }
    )
    grid = only(open_catalog(dataset)).grid
    lon, lat = grid.coordinates(Cells.whole(grid.shape))
    assert lat[4, 4] == pytest.approx(90.0)
    # Straight down from the pole in the picture is the meridian of 45 W.
    assert lon[8, 4] == pytest.approx(-45.0)
    assert lon[4, 8] == pytest.approx(45.0)


def test_times_of_which_some_are_missing_are_positions():
    dataset = fields.field().drop_vars("time")
    dataset = dataset.assign_coords(time=("time", np.array([0.0, np.nan, 2.0]), {"units": "days since 2000-01-01"}))
    library = open_catalog(dataset)
    assert list(only(library).info.dims["time"]["values"]) == [0.0, 1.0, 2.0]
    (reason,) = library.problems.values()
    assert "some of its times are missing" in reason


def test_unsorted_times_are_sorted_and_each_keeps_its_values():
    shuffled = fields.field(times=5).isel(time=[3, 0, 4, 1, 2])
    variable = only(open_catalog(shuffled))
    assert (np.diff(variable.axis.labels) > 0).all()
    assert np.array_equal(
        variable.read(slice(None), (), slice(None), np.arange(36)), fields.field(times=5)["sst"].values, equal_nan=True
    )


# --- several files ---------------------------------------------------------------------------------------------------


def months(folder: Path, count: int = 4, kind: str = "netcdf4") -> xr.Dataset:
    """A year cut into files of one month, written in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = fields.field(times=count)
    for step in reversed(range(count)):
        write(whole.isel(time=[step]), folder, kind, f"sst_{step:02d}")
    return whole


@pytest.mark.parametrize("kind", ["netcdf4", "netcdf3", "zarr2"])
@pytest.mark.parametrize("spelling", ["folder", "glob", "list"])
def test_files_of_different_times_are_one_index(spelling, kind, tmp_path):
    whole = months(tmp_path / "isas", kind=kind)
    folder = tmp_path / "isas"
    spec = {"folder": folder, "glob": str(folder / "*"), "list": sorted(folder.iterdir(), reverse=True)}[spelling]
    with open_catalog(spec) as library:
        assert list(library.indexes) == ["isas"]
        index = library.indexes["isas"]
        assert len(index.files) == 4
        assert (index.info.count, index.info.first) == (4, "2012-01-15T00:00:00Z")
        variable = index.variables["sst"]
        values = variable.read(slice(None), (), slice(None), np.arange(36))
        assert np.array_equal(values, whole["sst"].values, equal_nan=True)
        assert [Path(variable.file_of(step)).stem for step in range(4)] == ["sst_00", "sst_01", "sst_02", "sst_03"]
        assert len({variable.fingerprint(step) for step in range(4)}) == 4


def test_files_that_differ_are_indexes_of_their_own(tmp_path):
    write(fields.field(), tmp_path, "netcdf4", "a")
    write(fields.regional(), tmp_path, "netcdf4", "b")
    write(fields.no_time(), tmp_path, "netcdf4", "c")
    write(fields.no_time(), tmp_path, "netcdf4", "d")
    with open_catalog(tmp_path) as library:
        assert list(library.indexes) == ["a", "b", "c", "d"]


def test_another_run_with_the_same_times_stays_apart(tmp_path):
    write(fields.field(), tmp_path, "netcdf4", "rcp45")
    write(fields.field() + 1, tmp_path, "netcdf4", "rcp85")
    with open_catalog(tmp_path) as library:
        assert list(library.indexes) == ["rcp45", "rcp85"]


def test_clashing_names_are_numbered(tmp_path):
    for folder, dataset in (("x", fields.field()), ("y", fields.regional())):
        (tmp_path / folder).mkdir()
        write(dataset, tmp_path / folder, "netcdf4", "sst")
    with open_catalog([tmp_path / "x" / "sst.nc", tmp_path / "y" / "sst.nc"]) as library:
        assert list(library.indexes) == ["sst", "sst-2"]
        assert library.indexes["sst-2"].variables["sst"].grid.shape == (9, 22)


def test_of_equal_times_the_first_is_shown_and_the_other_is_told(tmp_path, caplog):
    whole = months(tmp_path)
    write(whole.isel(time=[1]) + 50, tmp_path, "netcdf4", "sst_01_again")
    with open_catalog(tmp_path) as library:
        variable = only(library)
        assert len(variable.axis) == 4
        assert np.nanmax(everything(variable, 1)) < 40
        (reason,) = library.problems.values()
        assert "2012-02-15T00:00:00Z again" in reason
        assert reason in caplog.text


def test_packing_may_differ_from_file_to_file(tmp_path):
    whole = fields.field(times=2)
    for step, scale in enumerate((0.01, 0.002)):
        encoding = {"sst": {"dtype": "i2", "scale_factor": scale, "add_offset": 20.0, "_FillValue": -32768}}
        whole.isel(time=[step]).to_netcdf(tmp_path / f"{step}.nc", engine="h5netcdf", encoding=encoding)
    with open_catalog(tmp_path) as library:
        values = only(library).read(slice(None), (), slice(None), np.arange(36))
        assert np.allclose(values, whole["sst"].values, atol=0.006, equal_nan=True)


def test_a_mapping_names_its_indexes():
    library = open_catalog({"warm/er": fields.field(), "small": fields.regional()})
    assert list(library.indexes) == ["warm/er", "small"]
    assert library.info().index("warm>er").title == "Synthetic sea"


def test_reading_many_files_keeps_few_open_and_can_be_cancelled(tmp_path):
    whole = months(tmp_path, count=90, kind="netcdf3")
    me = psutil.Process()
    before = me.num_fds()
    with open_catalog(tmp_path) as library:
        variable = only(library)
        values = variable.read(slice(None), (), slice(4, 6), np.arange(36))
        assert np.array_equal(values, whole["sst"].values[:, 4:6], equal_nan=True)
        assert me.num_fds() - before <= 140  # two for each: the file and its memory map
        job = Job()
        job.cancel()
        with pytest.raises(Cancelled):
            variable.read(slice(None), (), slice(4, 6), np.arange(36), job)
    assert me.num_fds() - before <= 5


def test_many_threads_read_many_formats_with_few_files_open(tmp_path):
    whole = fields.field(times=4)
    files = OpenFiles(limit=2)
    sources = [
        FileSource(write(whole.isel(time=[step]), tmp_path, kind, str(step)), files)
        for step, kind in enumerate(("netcdf4", "netcdf3", "zarr2", "zarr3"))
    ]

    def read(number):
        raw = sources[number % 4].read("sst", {"time": 0, "lat": slice(number % 5, 9)})
        return np.array_equal(raw.values, whole["sst"].values[number % 4, number % 5 : 9], equal_nan=True)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read, range(200)))
    files.close()


# --- catalogue files -------------------------------------------------------------------------------------------------


def test_a_catalogue_names_indexes_and_what_their_files_do_not_tell(tmp_path):
    months(tmp_path / "isas")
    write(fields.regional(), tmp_path, "netcdf4", "med")
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(
        """
        [index."ISAS13/v3"]
        title = "In situ analysis"
        files = ["isas/*.nc"]
        note = "monthly"
        [index."ISAS13/v3".variables.sst]
        cmap = "thermal"
        limits = [-2, 30]
        long_name = "Temperature"
        kind = "anomaly"
        [index."a.b<c"]
        files = "med.nc"
        """
    )
    with open_catalog(catalogue) as library:
        assert list(library.indexes) == ["ISAS13/v3", "a.b<c"]
        info = library.indexes["ISAS13/v3"].info
        assert (info.title, info.note, info.count) == ("In situ analysis", "monthly", 4)
        sst = info.variables["sst"]
        assert (sst.cmap, sst.limits, sst.long_name, sst.kind) == ("thermal", (-2.0, 30.0), "Temperature", "anomaly")
        assert library.indexes["ISAS13/v3"].variables["sst"].info is sst


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("indexes = 1", "did you mean 'index'"),
        ('[index.a]\nfile = "med.nc"', "did you mean 'files'"),
        ("[index.a]\ntitle = 'x'", "needs `files`"),
        ('[index.a]\nfiles = "med.nc"\n[index.a.variables.sst]\nlimit = [0, 1]', "did you mean 'limits'"),
        ('[index.a]\nfiles = "med.nc"\n[index.a.variables.sst]\nlimits = [1, 0]', "the lower first"),
        ('[index.a]\nfiles = "med.nc"\n[index.a.variables.sst]\nkind = "flag"', "did you mean 'flags'"),
        ('[index.a]\nfiles = "med.nc"\n[index.a.variables.ssst]\ncmap = "jet"', "did you mean 'sst'"),
        ("[index", "cannot be read"),
    ],
)
def test_a_catalogue_that_is_spelled_wrong_is_refused(text, word, tmp_path):
    write(fields.regional(), tmp_path, "netcdf4", "med")
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(text)
    with pytest.raises(InvalidValue, match=word):
        open_catalog(catalogue)


# --- files that must not be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"lon lat value\n1 2 3\n", "text"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"GRIB\x00\x00\x00\x02" + b"\x00" * 64, "GRIB"),
        (b"PK\x03\x04" + b"\x00" * 64, "zip"),
        (bytes(range(256)) * 9, "first bytes are unknown"),
        (b"CDF\x01\x00\x00", "damaged"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 100, "damaged"),
    ],
)
def test_what_is_no_data_is_told_and_the_rest_is_served(content, word, tmp_path):
    bad = tmp_path / "bad.nc"
    bad.write_bytes(content)
    with pytest.raises(Unreadable, match=word):
        open_catalog(bad)
    write(fields.field(), tmp_path, "netcdf4", "good")
    with open_catalog(tmp_path) as library:
        assert list(library.indexes) == ["good"]
        assert word in library.problems[str(bad)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.nc", "good.nc"]


@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_classic_file_that_was_cut_is_never_read(part, tmp_path):
    path = write(fields.field(), tmp_path, "netcdf3")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(Unreadable, match=r"cut short|damaged"):
        open_catalog(path)


@pytest.mark.parametrize("length", [2**31, 2**40, 2**62])
def test_a_header_that_asks_for_more_memory_than_there_is_spoils_no_other_file(length, tmp_path):
    tag, one, none = (10).to_bytes(4, "big"), (1).to_bytes(8, "big"), bytes(8)
    (tmp_path / "bad.nc").write_bytes(b"CDF\x05" + none + tag + one + length.to_bytes(8, "big") + b"lat ")
    write(fields.field(), tmp_path, "netcdf4", "good")
    with open_catalog(tmp_path) as library:
        assert list(library.indexes) == ["good"]
        assert "damaged" in library.problems[str(tmp_path / "bad.nc")]


@pytest.mark.parametrize("unlimited", [[], ["time"]])
@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_the_size_of_a_whole_classic_file_is_known_to_the_byte(kind, unlimited, tmp_path):
    path = tmp_path / "a.nc"
    dataset = fields.field().drop_attrs().assign(extra=(("time",), np.arange(3, dtype=np.int16)))
    dataset.to_netcdf(path, format=kind, engine="scipy", unlimited_dims=unlimited)
    open_catalog(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(Unreadable, match="cut short"):
        open_catalog(path)


def test_a_64_bit_data_file_is_read_by_netcdf4_and_checked_too(tmp_path):
    path = tmp_path / "a.nc"
    fields.field().to_netcdf(path, format="NETCDF3_64BIT", engine="netcdf4")
    netCDF4 = pytest.importorskip("netCDF4")
    five = tmp_path / "five.nc"
    with netCDF4.Dataset(path) as source, netCDF4.Dataset(five, "w", format="NETCDF3_64BIT_DATA") as target:
        source.set_auto_mask(False)
        for name, dim in source.dimensions.items():
            target.createDimension(name, dim.size)
        for name, variable in source.variables.items():
            copy = target.createVariable(name, variable.dtype, variable.dimensions)
            copy.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
            copy[:] = variable[:]
    assert five.read_bytes()[:4] == b"CDF\x05"
    with open_catalog(five) as library:
        assert np.nanmax(everything(only(library))) < 40
    five.write_bytes(five.read_bytes()[:-400])
    with pytest.raises(Unreadable, match="cut short"):
        open_catalog(five)


def test_a_truncated_hdf5_file_is_told(tmp_path):
    path = write(fields.field(), tmp_path, "netcdf4")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(Unreadable, match="damaged"):
        open_catalog(path)


def _hostile(folder: Path, trick: str) -> Path:
    path = write(fields.field(), folder, "netcdf4", "hostile")
    secret = folder / "secret.bin"
    secret.write_bytes(b"\x00" * 4096)
    with h5py.File(path, "a") as file:
        if trick == "external storage":
            file.create_dataset("leak", (512,), "f8", external=[(str(secret), 0, 4096)])
        elif trick == "virtual":
            layout = h5py.VirtualLayout((10,), "f8")
            layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (10,))
            file.create_virtual_dataset("leak", layout)
        elif trick == "external link":
            file["leak"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")
        else:
            file.create_group("a/b/c")["leak"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")
    return path


@pytest.mark.parametrize("trick", ["external storage", "virtual", "external link", "deep external link"])
def test_a_file_that_names_other_files_is_not_opened(trick, tmp_path):
    with pytest.raises(Unreadable, match=r"is not opened: .*'leak'"):
        open_catalog(_hostile(tmp_path, trick))


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_whose_codec_could_run_code_is_not_opened(version, tmp_path):
    path = write(fields.field(), tmp_path, f"zarr{version}")
    for name in (".zmetadata", "zarr.json", "sst/.zarray", "sst/zarr.json"):
        file = path / name
        if file.is_file():
            text = file.read_text()
            file.write_text(text.replace('"zstd"', '"pickle"').replace('"blosc"', '"pickle"'))
            assert file.read_text() != text or name == "zarr.json"
    with pytest.raises(Unreadable, match="codec 'pickle'"):
        open_catalog(path)


def test_a_file_whose_groups_hold_each_other_is_looked_at_once(tmp_path):
    path = write(fields.field(), tmp_path, "netcdf4")
    with h5py.File(path, "a") as file:
        inner = file.create_group("a/b")
        inner["up"] = file["a"]
    with open_catalog(path) as library:
        assert only(library).grid.shape == (18, 36)


def test_a_store_without_consolidated_metadata_is_opened(tmp_path):
    path = write(fields.field(), tmp_path, "zarr2")
    (path / ".zmetadata").unlink()
    with open_catalog(path) as library:
        assert only(library).grid.shape == (18, 36)


@pytest.mark.parametrize(
    "spec",
    ["http://127.0.0.1:1/a.nc", "https://127.0.0.1:1/a.nc#mode=bytes", "s3://bucket/a.zarr", "file:///etc/passwd"],
)
def test_addresses_are_not_opened(spec):
    with pytest.raises(InvalidValue, match="local paths"):
        open_catalog(spec)


@pytest.mark.parametrize("spec", ["{}/none.nc", "{}/none*.nc", "{}", "{}/a.nc#mode=bytes", []])
def test_what_is_not_there_is_told(spec, tmp_path):
    with pytest.raises((Unreadable, InvalidValue)):
        open_catalog(spec.format(tmp_path) if isinstance(spec, str) else spec)


def test_many_reasons_are_listed_as_far_as_one_can_read(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.nc").write_bytes(b"")
    with pytest.raises(Unreadable, match=r"none of 30 files .* and 22 more"):
        open_catalog(tmp_path)


@pytest.mark.parametrize(
    "word",
    ["coordinates", "bounds", "climatology", "grid_mapping", "standard_name", "calendar", "missing_value", "location"],
)
@pytest.mark.parametrize("told", [[[1, 2], [3, 4]], ["a", "b"], -7777, [], b"", " "])
@pytest.mark.parametrize("of", ["sst", "time", "lat"])
def test_an_attribute_of_a_strange_type_makes_no_file_unreadable(word, told, of, tmp_path):
    dataset = xr.decode_cf(fields.field()).drop_encoding()
    dataset[of].attrs[word] = np.array(told) if isinstance(told, list) else told
    with open_catalog({"a": dataset}) as library:
        values = everything(only(library))
    assert np.isfinite(values).any()


def test_coordinates_may_be_named_one_by_one():
    dataset = fields.curvilinear()
    name = next(iter(dataset.data_vars))
    dataset[name].attrs["coordinates"] = np.array(["lon", "lat"])
    assert only(open_catalog(dataset)).grid.shape == dataset[name].shape[-2:]


def test_a_large_fill_value_is_missing_without_a_word():
    raw = np.array([1.0, 9.969209968386869e36], dtype=np.float32)
    values = Packing.of(raw.dtype, {"_FillValue": raw[1], "scale_factor": np.float32(100)}).decode(raw)
    assert np.array_equal(values, np.array([100, np.nan], dtype=np.float32), equal_nan=True)


@pytest.mark.parametrize("empty", ["time", "depth", "lat"])
def test_a_file_that_has_no_values_yet_says_so_beside_those_that_have(empty, tmp_path):
    full = fields.with_depth()
    full.to_netcdf(tmp_path / "full.nc")
    full.isel({empty: slice(0, 0)}).to_netcdf(tmp_path / "new.nc", unlimited_dims=["time"])
    reason = f"it has no values yet: its dimension '{empty}' has no positions"
    with pytest.raises(Unreadable, match=reason):
        open_catalog(tmp_path / "new.nc")
    with open_catalog(tmp_path) as library:
        assert [Path(file).name for index in library.indexes.values() for file in index.files] == ["full.nc"]
        assert [Path(file).name for file, why in library.problems.items() if reason in why] == ["new.nc"]


def test_a_small_file_that_declares_a_huge_axis_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "bomb.nc"
    with h5py.File(path, "w") as file:
        for name, size, units in (("lon", 2**40, "degrees_east"), ("lat", 4, "degrees_north")):
            axis = file.create_dataset(name, (size,), "f4", chunks=(min(size, 2**16),))
            axis.make_scale(name)
            axis.attrs["units"] = units
        data = file.create_dataset("sst", (4, 2**40), "f4", chunks=(1, 2**16))
        data.dims[0].attach_scale(file["lat"])
        data.dims[1].attach_scale(file["lon"])
    with pytest.raises(Unreadable, match="too many"):
        open_catalog(path)


def test_attributes_are_kept_as_they_are_and_bounded():
    text = "<script>alert(1)</script>" * 100
    info = only(open_catalog(fields.field(attrs={"long_name": text}))).info
    assert info.long_name.startswith("<script>")
    assert len(info.long_name) <= 300


# --- files that change -----------------------------------------------------------------------------------------------


def test_a_file_replaced_by_one_with_the_same_cells_is_read_anew(tmp_path):
    path = write(fields.field(), tmp_path, "netcdf4")
    with open_catalog(path) as library:
        variable = only(library)
        before, stamp = everything(variable), variable.fingerprint(0)
        fresh = write(fields.field() + 1, tmp_path, "netcdf4", "fresh")
        fresh.replace(path)
        assert variable.fingerprint(0) != stamp
        assert np.nanmax(np.abs(everything(variable) - before - 1)) < 1e-4


def test_a_file_replaced_by_one_with_other_times_is_an_error(tmp_path):
    path = write(fields.field(), tmp_path, "netcdf4")
    with open_catalog(path) as library:
        variable = only(library)
        write(fields.field(start="1999-01-15"), tmp_path, "netcdf4", "fresh").replace(path)
        with pytest.raises(Unreadable, match="was changed"):
            everything(variable)


@pytest.mark.parametrize("kind", ["netcdf4", "netcdf3", "zarr2"])
def test_a_file_replaced_in_the_middle_of_a_read_is_an_error(kind, tmp_path):
    path = write(fields.field(), tmp_path, kind)
    other = write(fields.field() + 1, tmp_path, kind, "other")

    def read_and_replace(library):
        with library.files.borrow(path) as opened:
            assert opened.contents.variables["sst"].values.size
            if path.is_dir():
                shutil.rmtree(path)
            other.replace(path)

    with open_catalog(path) as library, pytest.raises(Unreadable, match="replaced while it was read"):
        read_and_replace(library)


def test_a_file_that_vanished_is_an_error(tmp_path):
    path = write(fields.field(), tmp_path, "netcdf4")
    with open_catalog(path) as library:
        variable = only(library)
        path.unlink()
        with pytest.raises(Unreadable, match="gone"):
            everything(variable)


def test_a_damaged_chunk_is_an_error_and_not_missing(tmp_path):
    path = tmp_path / "a.nc"
    encoding = {"sst": {"zlib": True, "shuffle": True, "chunksizes": (1, 18, 36)}}
    dataset = fields.field()
    dataset["sst"] = dataset["sst"] + np.random.default_rng(0).normal(size=dataset["sst"].shape).astype("f4")
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    with h5py.File(path) as file:
        place = file["sst"].id.get_chunk_info(1).byte_offset
    data = bytearray(path.read_bytes())
    data[place : place + 200] = struct.pack("200B", *([255] * 200))
    path.write_bytes(data)
    with open_catalog(path) as library:
        variable = only(library)
        assert np.isfinite(everything(variable, 0)).any()
        with pytest.raises(Unreadable, match=r"a\.nc.* cannot be read"):
            everything(variable, 1)


# --- real files ------------------------------------------------------------------------------------------------------


@needs_real
@pytest.mark.parametrize(
    ("name", "varname", "count", "last"),
    [
        ("ostia_monthly.nc", "surface_temperature", 54, "2010-09-16T00:00:00Z"),
        ("tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc", "tas", 12, "2007-11-16T00:00:00Z"),
        ("A1B_north_america.nc", "air_temperature", 240, "2099-06-01T00:00:00Z"),
        ("eraint_uvz.nc", "u", 0, None),
        ("psl_ERA5_mon_194001-202212.nc", "psl", 996, "2022-12-01T00:00:00Z"),
        ("etopo60.cdf", "ROSE", 0, None),
    ],
)
def test_real_files_have_the_values_and_times_of_xarray(name, varname, count, last):
    with warnings.catch_warnings():
        # It warns of fill values that do not conform, which is what is tried.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        theirs = xr.load_dataset(SHARED_DATA / name)
    with open_catalog(SHARED_DATA / name) as library:
        variable = library.indexes[Path(name).stem].variables[varname]
        assert len(variable.axis) == count
        assert library.indexes[Path(name).stem].info.last == last
        lon, lat = theirs[varname].dims[-2:][::-1] if name[:3] != "psl" else ("lon", "lat")
        data = theirs[varname].transpose(..., lat, lon)
        expected = data.values if count else data.values[(0,) * len(variable.dims)]
        ny, nx = variable.grid.shape
        values = variable.read(slice(None) if count else None, (0,) * len(variable.dims), slice(0, ny), np.arange(nx))
        assert values.dtype == expected.dtype
        np.testing.assert_array_max_ulp(values, expected, 1)
        assert np.array_equal(variable.grid.lon, theirs[lon].values.astype("f8"))
        if count:
            stamps = [
                int(f"{t.year:04d}{t.month:02d}{t.day:02d}{t.hour:02d}{t.minute:02d}{t.second:02d}000")
                for t in (theirs.indexes["time"])
            ]
            assert variable.axis.labels.tolist() == stamps


@needs_real
def test_no_real_file_breaks_the_opening():
    paths = sorted(SHARED_DATA.iterdir())
    assert len(paths) >= 28
    opened = set()
    for path in paths:
        # Whatever is no refusal with a reason fails the test.
        with contextlib.suppress(Unreadable), open_catalog(path) as library:
            assert all(index.variables for index in library.indexes.values())
            opened.add(path.name)
    assert len(opened) >= 9
    with open_catalog(SHARED_DATA) as library:
        assert {"ostia_monthly", "etopo60", "basin_mask"} <= set(library.indexes)


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_a_file_that_a_notebook_has_open_is_no_damaged_one(tmp_path, engine, first):
    """HDF5 refuses a file that is open in the same process with other locking."""
    path = tmp_path / "sea.nc"
    fields.one_time().to_netcdf(path, engine="h5netcdf")
    with contextlib.ExitStack() as stack:
        if first == "theirs":
            stack.enter_context(xr.open_dataset(path, engine=engine))["sst"].load()
        library = stack.enter_context(open_catalog(path))
        variable = library.indexes["sea"].variables["sst"]
        assert variable.read(0, (), slice(0, 1), np.arange(1)).shape == (1, 1)
        if first == "ours":
            stack.enter_context(xr.open_dataset(path, engine=engine))["sst"].load()
