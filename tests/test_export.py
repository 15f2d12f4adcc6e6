"""What is exported reads back to the same values, and says what was asked and what was used."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from datavore_widgets.client import export
from datavore_widgets.client.datalaps import Datalaps
from datavore_widgets.client.datavore import Datavore
from datavore_widgets.errors import InvalidValue, NotSupported, UnknownKeyword
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    DataQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.local import LocalService

ALWAYS = Lapse(Date("0000"), Date("9999"))


@pytest.fixture(scope="module")
def service():
    """Three years of a 360-day calendar; integers with a gap; a curvilinear grid; a depth."""
    rng = np.random.default_rng(3)
    dates = [cftime.Datetime360Day(2000 + n // 12, n % 12 + 1, 30) for n in range(36)]
    lon, lat = np.arange(181.0, 200.0, 2.0), np.arange(10.0, -10.0, -1.0)
    sst = rng.normal(290, 5, (36, 2, lat.size, lon.size))
    sst[:, :, 3:5, 2] = np.nan
    flags = rng.integers(-128, 127, (36, lat.size, lon.size)).astype(np.int8)
    flags[0, 0, 0] = -128
    flags[1:][flags[1:] == -128] = 0
    flags[:, 5, 4] = 5
    attrs = {"long_name": "=cmd|'/c calc'!A1", "units": "K", "standard_name": "sea_surface_temperature"}
    x, y = np.meshgrid(np.arange(-10.0, 10.0), np.arange(30.0, 50.0))
    axes = {"lon": ("lon", lon, {"units": "degrees_east"}), "lat": ("lat", lat, {"units": "degrees_north"})}
    regular = xr.Dataset(
        {
            "sst": (("time", "depth", "lat", "lon"), sst, attrs),
            "quality": (("time", "lat", "lon"), flags, {"_FillValue": np.int8(5)}),
            "time": ("time", dates),
        },
        {**axes, "depth": ("depth", [0.5, 10.0], {"units": "m"})},
    )
    height = rng.normal(0, 1, x.shape).astype(np.float32)
    height[9, 9] = np.nan
    curved = xr.Dataset(
        {"h": (("j", "i"), height)},
        {
            "lon": (("j", "i"), x + 0.3 * (y - 40), {"units": "degrees_east"}),
            "lat": (("j", "i"), y + 0.1 * x, {"units": "degrees_north"}),
        },
    )
    with LocalService({"regular": regular, "curved": curved}) as opened:
        yield opened


def read_back(data: bytes) -> xr.Dataset:
    return xr.open_dataset(io.BytesIO(data), engine="scipy")


BOX = BBox(184.5, -6, 193, 8)
FIELDS = {
    "floats": DataQuery(Source("regular", "sst", Date("20010230")), BOX),
    "integers": DataQuery(Source("regular", "quality", Date("20010230")), BOX),
    "curved": DataQuery(Source("curved", "h", None), BBox(-3, 33, 6, 44)),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_reads_back_to_the_same_values(service, name):
    query = FIELDS[name]
    field = service.answer(query)
    file, data = export.save(service, query, "nc")
    back = read_back(data)
    stored = xr.open_dataset(io.BytesIO(data), engine="scipy", mask_and_scale=False, decode_times=False)
    varname = query.source.varname
    missing = np.ma.getmaskarray(field.data) | np.isnan(np.ma.filled(field.data.astype(float), np.nan))
    assert missing.any()
    assert np.array_equal(np.isnan(back[varname].values), missing)
    assert np.array_equal(stored[varname].values[~missing], np.ma.getdata(field.data)[~missing])
    assert stored[varname].dtype == field.data.dtype
    for axis in ("lon", "lat"):
        assert np.array_equal(back[axis].values, getattr(field, axis))  # as sampled: 185..193, not -175
        assert back[axis].attrs["units"] == {"lon": "degrees_east", "lat": "degrees_north"}[axis]
    assert back.attrs["Conventions"] == "CF-1.11"
    assert back.attrs["datavore_cells_valid"] == np.count_nonzero(~missing)
    assert varname in back.attrs["history"]
    assert file.endswith(".nc")
    assert back.identical(export.exported(service, query).assign_attrs(history=back.attrs["history"]))


def test_a_field_says_what_was_asked_and_what_was_used(service):
    query = FIELDS["floats"]
    back = read_back(export.save(service, query)[1])
    assert back["sst"].attrs == {
        "long_name": "=cmd|'/c calc'!A1",
        "standard_name": "sea_surface_temperature",
        "units": "K",
    }
    assert back["time"].item() == cftime.Datetime360Day(2001, 2, 30)
    assert float(back["depth"]) == 0.5
    told = {name: value for name, value in back.attrs.items() if name.startswith("datavore_")}
    assert told == {
        "datavore_index": "regular",
        "datavore_variable": "sst",
        "datavore_time_asked": "20010230",
        "datavore_bbox_asked": BOX.to_text(),
        "datavore_time_used": "2001-02-30T00:00:00Z",
        "datavore_calendar": "360_day",
        "datavore_units": "K",
        "datavore_long_name": "=cmd|'/c calc'!A1",
        "datavore_dim_depth": 0.5,
        "datavore_cells_valid": 73,
        "datavore_cells_total": 75,
    }


def test_integers_of_every_value_keep_them(service):
    """-128, which would be the fill value, is in the data: the type gives way, no value does."""
    query = DataQuery(Source("regular", "quality", Date("200001")))
    field = service.answer(query)
    assert field.data.min() == -128
    stored = xr.open_dataset(io.BytesIO(export.to_netcdf(query, field)), engine="scipy")
    assert np.array_equal(stored["quality"].values, np.ma.filled(field.data.astype(float), np.nan), equal_nan=True)


SERIES = {
    "every time, a box": SeriesQuery("regular", "sst", BOX, ALWAYS),
    "months, a box": SeriesQuery("regular", "sst", BOX, ALWAYS, groupby="yyyy-MM", aggregate="std"),
    "years, a point": SeriesQuery("regular", "sst", Point(-175.2, 0.1), ALWAYS, groupby="yyyy", aggregate="max"),
    "days, counted": SeriesQuery("regular", "sst", BOX, ALWAYS, groupby="yyyy-MM-dd", aggregate="count"),
}
METHODS = {
    "every time, a box": "area: mean",
    "months, a box": "time: area: standard_deviation",
    "years, a point": "time: maximum",
    "days, counted": "",
}


@pytest.mark.parametrize("name", SERIES)
def test_a_series_reads_back_to_the_same_values(service, name):
    query = SERIES[name]
    series = service.answer(query)
    back = read_back(export.save(service, query)[1])
    assert np.array_equal(back["sst"].values, series.values, equal_nan=True)
    assert np.array_equal(back["counts"].values, series.counts)
    labels = [f"{t.year:04d}{t.month:02d}{t.day:02d}" for t in back["time"].values]
    assert labels == [f"{label:017d}"[:8] for label in series.labels.tolist()]
    assert back["time"].encoding["calendar"] == "360_day"
    assert back["sst"].attrs.get("cell_methods", "").startswith(METHODS[name])
    assert ("cell_methods" in back["sst"].attrs) == bool(METHODS[name])
    assert back.identical(export.exported(service, query).assign_attrs(history=back.attrs["history"]))


def test_groups_have_bounds_that_meet(service):
    for groupby, ends in (("yyyy", (2003, 1, 1)), ("yyyy-MM", (2003, 1, 1)), ("yyyy-MM-dd", (2003, 1, 1))):
        query = SeriesQuery("regular", "sst", BOX, ALWAYS, groupby=groupby)
        bounds = read_back(export.save(service, query)[1])["time_bnds"].values
        assert bounds[-1, 1] == cftime.Datetime360Day(*ends)
        if groupby != "yyyy-MM-dd":
            assert (bounds[1:, 0] == bounds[:-1, 1]).all()
    day = read_back(export.save(service, SeriesQuery("regular", "sst", BOX, ALWAYS, groupby="yyyy-MM-dd"))[1])
    assert tuple(day["time_bnds"].values[1]) == (cftime.Datetime360Day(2000, 2, 30), cftime.Datetime360Day(2000, 3, 1))


def test_a_point_says_which_cell_was_used(service):
    back = read_back(export.save(service, SERIES["years, a point"])[1])
    assert (float(back["lon"]), float(back["lat"])) == (185.0, 0.0)
    assert back.attrs["datavore_point_asked"] == "-175.2,0.1"
    assert back.attrs["datavore_distance_m"] == pytest.approx(24_900, rel=0.01)


def test_csv_has_a_column_for_every_fact(service):
    query = SERIES["months, a box"]
    series = service.answer(query)
    text = export.to_csv(query, series)
    table = pd.read_csv(io.StringIO(text))
    assert np.array_equal(table["sst"], series.values, equal_nan=True)
    assert table["time"].tolist()[1] == "2000-02-01T00:00:00Z"
    assert np.array_equal(table["counts"], series.counts)
    for name, value in export.facts(query, series).items():
        assert (table[name] == value).all() or name == "long_name"
    assert {"aggregate", "groupby", "units", "bbox_asked", "lapse_asked", "cells_total", "dim_depth"} <= {*table}


def test_csv_of_a_field_lists_the_cells_with_a_value(service):
    query = FIELDS["curved"]
    field = service.answer(query)
    rows = list(csv.DictReader(io.StringIO(export.to_csv(query, field))))
    there = ~np.isnan(field.data)
    assert len(rows) == there.sum() == int(rows[0]["cells_valid"])
    for axis in ("lon", "lat"):
        assert np.array_equal([float(row[axis]) for row in rows], getattr(field, axis)[there])
    assert np.array_equal(np.float32([row["h"] for row in rows]), field.data[there])


def test_no_text_of_a_data_set_is_a_formula(service):
    query = SERIES["every time, a box"]
    for row in csv.reader(io.StringIO(export.to_csv(query, service.answer(query)))):
        assert not any(cell.startswith(("=", "@", "+")) for cell in row)
        assert "'=cmd|'/c calc'!A1" in row or "long_name" in row


def test_a_picture_is_exported_as_the_cells_in_its_box(service):
    source = FIELDS["floats"].source
    picture = MapQuery(source, Canvas(BOX, 64, "mercator"))
    assert export.export_query(picture) == FIELDS["floats"]
    assert export.save(service, picture, "csv")[1] == export.save(service, FIELDS["floats"], "csv")[1]
    with pytest.raises(NotSupported, match="CatalogQuery"):
        export.save(service, CatalogQuery())
    with pytest.raises(InvalidValue, match="nc or csv"):
        export.save(service, picture, "xls")


@pytest.mark.parametrize(
    ("aggregate", "method"),
    [
        ("avg", "time: mean (comment: every value alike)"),
        ("max", "time: maximum"),
        ("std", "time: standard_deviation (comment: every value alike)"),
        ("count", None),
        ("p90", None),
    ],
)
def test_a_picture_of_a_lapse_is_exported_as_the_aggregate_of_its_cells(service, aggregate, method):
    lapse = Lapse(Date("200003"), Date("200105"))
    picture = LapseMapQuery("regular", "sst", Canvas(BOX, 64), lapse, aggregate, parse_filters({"depth": 10}))
    cells = export.export_query(picture)
    assert cells == LapseDataQuery("regular", "sst", BOX, lapse, aggregate, parse_filters({"depth": 10}))
    name, data = export.save(service, picture)
    assert name == f"regular_sst_{aggregate}_2000-03-30_2001-05-30.nc"
    back = read_back(data)
    own = np.array([service.answer(DataQuery(Source("regular", "sst", Date(f"{2000 + n // 12}{n % 12 + 1:02d}"),
        filters=parse_filters({"depth": 10})), BOX)).data for n in range(2, 17)])  # fmt: skip
    there = np.isfinite(own)
    assert not there.all()
    reckoned = {
        "avg": lambda: np.nanmean(own, axis=0),
        "max": lambda: np.nanmax(own, axis=0),
        "std": lambda: np.nanstd(own, axis=0),
        "count": lambda: there.sum(axis=0),
        "p90": lambda: np.nanpercentile(own, 90, axis=0),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # cells of land
        np.testing.assert_allclose(back["sst"], reckoned[aggregate](), rtol=1e-12)
    assert back["sst"].attrs.get("cell_methods") == method
    told = {"count": "number_of_observations", "std": None, "p90": None}.get(aggregate, "sea_surface_temperature")
    assert back["sst"].attrs.get("standard_name") == told
    assert back["sst"].attrs["units"] == ("1" if aggregate == "count" else "K")
    # 14 months of 30 days lie between; the time is in the middle of its bounds.
    assert [str(bound) for bound in back["time_bnds"].values] == ["2000-03-30 00:00:00", "2001-05-30 00:00:00"]
    assert back["time"].attrs["bounds"] == "time_bnds"
    assert str(back["time"].item()) == "2000-10-30 00:00:00"
    facts = {name: back.attrs[f"datavore_{name}"] for name in ("lapse_asked", "lapse_used", "steps", "aggregate")}
    assert facts == {
        "lapse_asked": "200003,200105",
        "lapse_used": "2000-03-30T00:00:00Z/2001-05-30T00:00:00Z",
        "steps": 15,
        "aggregate": aggregate,
    }
    assert float(back["depth"]) == 10
    rows = list(csv.DictReader(io.StringIO(export.save(service, picture, "csv")[1].decode())))
    assert rows[0]["lapse_used"] == facts["lapse_used"]
    assert {row["aggregate"] for row in rows} == {aggregate}


def test_a_climatology_is_exported_as_one(tmp_path):
    """CF 7.4: January and February of each of thirty years, of which the bounds tell the first and the last."""
    methods = "time: mean within years time: mean over years"
    days = np.array([[0.0, 29 * 365 + 31], [31.0, 29 * 365 + 59]])
    time = {"units": "days since 1991-01-01", "calendar": "noleap", "climatology": "climatology_bnds"}
    xr.Dataset(
        {
            "t": (("time", "lat", "lon"), np.ones((2, 3, 4)), {"cell_methods": methods}),
            "climatology_bnds": (("time", "nv"), days),
        },
        {
            "time": ("time", [15.0, 45.0], time),
            "lat": ("lat", [0.0, 1.0, 2.0], {"units": "degrees_north"}),
            "lon": ("lon", [0.0, 1.0, 2.0, 3.0], {"units": "degrees_east"}),
        },
    ).to_netcdf(tmp_path / "clim.nc", engine="scipy")
    with LocalService(tmp_path / "clim.nc") as service:
        data = export.save(service, DataQuery(Source("clim", "t", Date("199101"))))[1]
    stored = xr.open_dataset(io.BytesIO(data), engine="scipy", decode_times=False)
    assert stored["time"].attrs["climatology"] == "climatology_bnds"
    assert np.diff(stored["climatology_bnds"].values)[0] == (29 * 365 + 31) * 86400
    assert stored["t"].attrs["cell_methods"] == methods


def test_means_over_periods_are_exported_with_the_ends_of_these(shared_data):
    """OSTIA's months have bounds: a lapse of them ends with the last month, not in its middle."""
    with LocalService(shared_data / "ostia_monthly.nc") as months:
        (index,) = months.answer(CatalogQuery()).indexes
        lapse = Lapse(Date("2007"), Date("2008"))
        query = LapseMapQuery(index, "surface_temperature", Canvas(BBox(-40, -3, -10, 3)), lapse, "area_avg")
        back = read_back(export.save(months, query)[1])
    assert back["time_bnds"].values.astype("M8[D]").astype(str).tolist() == ["2007-01-01", "2009-01-01"]
    told = "time: mean (comment: times by the length of their bounds)"
    assert back["surface_temperature"].attrs["cell_methods"] == told
    with xr.open_dataset(shared_data / "ostia_monthly.nc") as data:
        some = data["surface_temperature"].sel(time=slice("2007", "2008")).astype("f8")
        lon = (some.longitude + 180) % 360 - 180
        some = some.isel(longitude=np.flatnonzero((lon >= -40) & (lon <= -10))).sel(latitude=slice(-3, 3))
        days = np.diff(data["time_bnds"].sel(time=slice("2007", "2008")).values, axis=1)[:, 0] / np.timedelta64(1, "D")
        wanted = some.weighted(xr.DataArray(days, dims="time")).mean("time")
    np.testing.assert_allclose(np.asarray(back["surface_temperature"]), wanted.values, rtol=1e-9)


def test_the_clients_give_data_sets(service):
    cells = Datavore(service).to_xarray("regular", "sst", "20010230", BOX, filters={"depth": 10})
    assert float(cells["depth"]) == 10
    assert cells.attrs["datavore_filters"] == '{"depth":10.0}'
    series = Datalaps(service).to_xarray("regular", "sst", BOX, ALWAYS, groupby="yyyy")
    assert series["sst"].sizes == {"time": 3}
    with pytest.raises(UnknownKeyword, match="groupby"):
        Datalaps(service).to_xarray("regular", "sst", BOX, groupBy="yyyy")


@pytest.mark.parametrize(("varname", "written"), [("température", "temperature"), ("σ0", "_0")])
def test_names_in_any_letters_are_exported(varname, written):
    values = np.arange(24.0).reshape(2, 3, 4)
    dims = {"Tiefe λ": [1.5, 2.0], "lat": [0.0, 1.0, 2.0], "lon": [0.0, 1.0, 2.0, 3.0]}
    dataset = xr.Dataset({varname: (tuple(dims), values, {"units": "µm"})}, dims)
    with LocalService({"a": dataset}) as service:
        query = DataQuery(Source("a", varname, None), BBox(-1, -1, 5, 5))
        _, data = export.save(service, query)
        _, table = export.save(service, query, "csv")
    with xr.open_dataset(io.BytesIO(data), engine="scipy") as read:
        assert np.array_equal(read[written].values, values[0])
        assert (read[written].units, read.attrs["datavore_variable"]) == ("µm", varname)
        assert read["Tiefe__"] == read.attrs["datavore_dim_Tiefe__"] == 1.5
    assert table.decode().splitlines()[0].startswith(f"lon,lat,{varname}")


def test_file_names_are_names():
    query = SeriesQuery("../../etc/pass wd".replace("..", "a"), "x/y:z", BOX)
    answer = Series(np.zeros(0, dtype=np.int64), np.zeros(0))
    name = export.file_name(query, answer, "nc")
    assert Path(name).name == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz_.-")


def test_an_export_to_a_file_by_xarray_is_the_same(service, tmp_path):
    data = Datalaps(service).to_xarray("regular", "sst", BOX, ALWAYS, groupby="yyyy-MM")
    data.to_netcdf(tmp_path / "a.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "a.nc", engine="scipy") as back:
        xr.testing.assert_identical(back.load(), data)


def test_further_words_are_told_as_cf_has_them():
    """A climatology: its bounds, its years, its weights and its trend are all there, in both files."""
    labels = np.array([19910101000000000, 19910201000000000])
    bounds = np.column_stack([labels, [20200201000000000, 20200301000000000]])
    series = Series(
        labels,
        np.array([1.5, np.nan]),
        counts=np.array([9, 0]),
        years=np.array([30, 0]),
        complete=np.array([True, False]),
        bounds=bounds,
        weighting="cells by area",
        aggregate="area_avg",
        groupby="MM",
        base=(1991, 2020),
        units="K",
    )
    query = SeriesQuery("i", "v", BOX, groupby="MM", aggregate="area_avg")
    back = read_back(export.to_netcdf(query, series))
    assert back["time"].attrs["climatology"] == "climatology_bnds"
    assert back["climatology_bnds"].values[0].tolist() == [
        (np.datetime64(day) - np.datetime64("1970-01-01")) / np.timedelta64(1, "s")
        for day in ("1991-01-01", "2020-02-01")
    ]
    assert (
        back["v"].attrs["cell_methods"]
        == "area: mean time: mean within years time: mean over years (comment: cells by area)"
    )
    assert back["years"].values.tolist() == [30, 0]
    assert back["complete"].values.tolist() == [1, 0]
    assert back.attrs["datavore_base"] == "[1991, 2020]"
    table = pd.read_csv(io.StringIO(export.to_csv(query, series)))
    assert table["first_after"].tolist() == ["2020-02-01T00:00:00Z", "2020-03-01T00:00:00Z"]
    assert table["complete"].tolist() == [True, False]
    assert set(table["weighting"]) == {"cells by area"}
