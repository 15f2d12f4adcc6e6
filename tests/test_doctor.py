"""The doctor: what is awkward in a file is said, what is well is left in peace, and nothing is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.client.export import exported
from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.diagnosis import Diagnosis, as_text
from datavore_widgets.protocol.queries import CatalogQuery, DataQuery, DoctorQuery, Source
from datavore_widgets.protocol.times import Date
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.doctor import examine
from datavore_widgets.service.local import LocalService


def data(**changes) -> xr.Dataset:
    """A file that is well; tests make it awkward."""
    rng = np.random.default_rng(1)
    return xr.Dataset(
        {"sst": (("time", "lat", "lon"), rng.normal(15, 2, (4, 5, 6)), {"units": "degC", "long_name": "temperature"})},
        {
            "time": ("time", [0.0, 1.0, 2.0, 3.0], {"units": "days since 2010-01-01"}),
            "lat": ("lat", np.arange(5.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(6.0), {"units": "degrees_east"}),
        },
    ).assign(changes)


def looked_at(folder: Path, dataset: xr.Dataset, name: str = "a.nc") -> Diagnosis:
    dataset.to_netcdf(folder / name, engine="scipy")
    (found,) = examine(folder / name)
    return found


def test_what_is_well_is_told_in_full(tmp_path):
    found = looked_at(tmp_path, data())
    assert (found.state, found.format, found.calendar, found.times) == ("well", "NetCDF 3", "standard", 4)
    assert (found.first, found.last) == ("2010-01-01T00:00:00Z", "2010-01-04T00:00:00Z")
    assert found.extent == (-0.5, -0.5, 5.5, 4.5)
    assert not found.mended
    assert not found.doubtful
    (sst,) = found.variables
    assert (sst.name, sst.label, sst.units, sst.packing) == ("sst", "temperature", "degC", "float64")
    assert sst.grid == "regular, 5 × 6 cells of 1° × 1°"
    assert 8 < sst.low < sst.high < 22


def one_fill(dataset: xr.Dataset, value: float) -> xr.Dataset:
    dataset["sst"].values[:, 0, 0] = value
    return dataset


def curved(dataset: xr.Dataset) -> xr.Dataset:
    lon, lat = np.meshgrid(np.linspace(10, 20, 6), np.linspace(40, 50, 5))
    dataset = dataset.assign_coords(
        tlon=(("lat", "lon"), lon, {"units": "degrees_east"}), tlat=(("lat", "lon"), lat, {"units": "degrees_north"})
    )
    dataset["sst"].encoding["coordinates"] = "tlon tlat"
    return dataset


def bounded(dataset: xr.Dataset) -> xr.Dataset:
    dataset["lat"].attrs["bounds"] = "lat_bnds"
    return dataset.assign(lat_bnds=(("lat", "bnds"), np.array([[n - 0.5, n + 0.5] for n in range(5)]) + 3))


def times(dataset: xr.Dataset, days: list[float]) -> xr.Dataset:
    return dataset.assign_coords(time=("time", days, {"units": "days since 2010-01-01"}))


AWKWARD = {
    "no units": (lambda d: d.assign(sst=(d.sst.dims, d.sst.values)), "doubtful", "sst has no units"),
    "a fill value that leaks": (lambda d: one_fill(d, -9999.0), "doubtful", r"-9999 4 times, like a fill value"),
    "netCDF's own default": (lambda d: one_fill(d, 9.969209968386869e36), "doubtful", "9.96921e.36 4 times"),
    "times back": (lambda d: times(d, [0, 2, 1, 3]), "mended", r"not in order \(1 steps back\)"),
    "times again": (lambda d: times(d, [0, 1, 1, 3]), "doubtful", "1 times are there more than once"),
    "axes beside coordinates": (curved, "doubtful", "two-dimensional ones are used"),
    "wrong bounds": (bounded, "doubtful", "5 values of lat lie outside their own bounds"),
    "no bounds": (
        lambda d: d.assign_coords(lon=d.lon.assign_attrs(bounds="nowhere")),
        "doubtful",
        "lon names the bounds 'nowhere', which are not there",
    ),
    "descending": (lambda d: d.isel(lat=slice(None, None, -1)), "mended", "latitudes descend"),
    "beyond 180": (
        lambda d: d.assign_coords(lon=("lon", d.lon.values + 200, d.lon.attrs)),
        "mended",
        "run from 200 to 205",
    ),
    "arc minutes": (
        lambda d: d.assign_coords({n: (n, d[n].values * 60, {"units": "arcmin"}) for n in ("lon", "lat")}),
        "mended",
        "lon, lat are in arc minutes: they are turned into degrees",
    ),
    "a value that is far, but of the data": (lambda d: one_fill(d, -500.0), "", ""),
    "a typical number among others": (lambda d: d.assign(sst=d["sst"] - 9999.0 - d["sst"].min()), "", "like a fill"),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_what_is_awkward_is_said(name, tmp_path):
    change, where, text = AWKWARD[name]
    found = looked_at(tmp_path, change(data()))
    if not where:
        assert not text or not any(text in doubt for doubt in found.doubtful)
        return
    (said,) = getattr(found, where)
    assert re.search(text, said)
    assert found.state == ("doubtful" if where == "doubtful" else "well")
    assert any(said in line for _, line in as_text(found))


def monthly(methods: str) -> xr.Dataset:
    """Four months with their bounds, of which a method is told."""
    dataset = times(data(), [15, 45, 75, 105])
    dataset["sst"].attrs["cell_methods"] = methods
    dataset["time"].attrs["bounds"] = "time_bnds"
    return dataset.assign(time_bnds=(("time", "bnds"), np.array([[n, n + 30.0] for n in range(0, 120, 30)])))


@pytest.mark.parametrize(
    ("methods", "method", "is_said"),
    [
        ("month: year: mean", "mean", True),
        ("area: mean season: season_year: maximum (interval: 1 day)", "maximum", True),
        ("time: mean", "mean", False),
        ("month: mean", "", False),  # over years, perhaps
        ("month: year: realization: mean", "", False),
        ("area: mean", "", False),
        ("mean", "", False),
    ],
)
def test_a_method_that_names_parts_of_dates_is_taken_for_one_of_times_and_that_is_said(
    tmp_path, methods, method, is_said
):
    found = looked_at(tmp_path, monthly(methods))
    assert found.state == "well"
    said = f"sst: its cell_methods {methods!r} names parts of dates: it is taken for {method} over time"
    assert found.mended == ((said,) if is_said else ())
    with LocalService(tmp_path) as service:
        (index,) = service.answer(CatalogQuery()).indexes.values()
        assert index.variables["sst"].time_method == method
        back = exported(service, DataQuery(Source(index.index, "sst", Date("20100116"))))
    assert back["sst"].attrs.get("cell_methods", "") == (f"time: {method}" if method else "")


def test_names_that_tell_other_dates(tmp_path):
    assert "2010-02 to 2010-03" in looked_at(tmp_path, data(), "sst_201002-201003.nc").doubtful[0]
    assert not looked_at(tmp_path, data(), "sst_20100101-20100104.nc").doubtful
    assert not looked_at(tmp_path, data(), "sst_20100101.nc").doubtful


def test_what_cannot_be_shown_or_read_is_said_with_the_reason(tmp_path):
    xr.Dataset({"x": ("n", [1, 2])}).to_netcdf(tmp_path / "b.nc", engine="scipy")
    (tmp_path / "c.nc").write_bytes((tmp_path / "b.nc").read_bytes()[:40])
    data().to_netcdf(tmp_path / "a.nc", engine="scipy")
    found = {Path(one.path).name: one for one in examine([tmp_path, tmp_path / "nothing"])}
    assert {name: one.state for name, one in found.items()} == {
        "a.nc": "well",
        "b.nc": "refused",
        "c.nc": "unreadable",
        "nothing": "unreadable",
    }
    assert "no longitude and latitude" in found["b.nc"].refused["x"]
    assert "damaged" in found["c.nc"].refused[""]
    with pytest.raises(InvalidValue):
        list(examine("https://example.org/a.nc"))


def test_the_files_of_a_catalogue_are_looked_at(tmp_path):
    for name in ("a.nc", "b_20100101.nc", "c.nc"):
        data().to_netcdf(tmp_path / name, engine="scipy")
    catalogue = tmp_path / "all.toml"
    catalogue.write_text('[index.x]\nfiles = ["a.nc", "b_%Y%m%d.nc"]\n[index.y]\nfiles = ["a.nc", "none.nc"]\n')
    found = list(examine([catalogue, tmp_path / "a.nc"]))
    assert [Path(one.path).name for one in found] == ["a.nc", "b_20100101.nc", "none.nc"]
    assert [one.state for one in found] == ["well", "well", "unreadable"]


def test_the_command_says_it_and_writes_nothing(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    one_fill(data(), -9999.0).to_netcdf(folder / "a.nc", engine="scipy")
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.iterdir()]}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "datavore_widgets.cli", "doctor", str(folder), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    told = run()
    assert told.returncode == 0, told.stderr
    assert "doubtful: sst has the value -9999 4 times" in told.stdout
    assert told.stdout.rstrip().endswith("1 doubtful")
    (line,) = run("--json").stdout.splitlines()
    assert Diagnosis(**json.loads(line)).doubtful[0].startswith("sst has the value -9999")
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.iterdir()]} == before
    (folder / "b.nc").write_bytes(b"CDF\x01")
    assert run().returncode == 1


def test_every_real_file_is_told(shared_data):
    found = {Path(one.path).name: one for one in examine(shared_data)}
    assert len(found) >= 26
    assert "unreadable" not in {one.state for one in found.values()}
    assert "its name speaks of 2007-01" in found["tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc"].doubtful[0]
    assert any(text.startswith("z, u, v: packed with a negative") for text in found["eraint_uvz.nc"].mended)
    assert any("37% of the cells have no place" in text for text in found["SS_MODIS_A-JPL-L2P-v2014.0.nc"].mended)
    json.dumps([one.as_dict() for one in found.values()], allow_nan=False)


def test_a_panel_hears_the_same_over_http(tmp_path):
    one_fill(data(), -9999.0).to_netcdf(tmp_path / "a.nc", engine="scipy")
    times(data(), [5.0, 6.0, 7.0, 8.0]).to_netcdf(tmp_path / "b.nc", engine="scipy")
    (tmp_path / "c.nc").write_bytes(b"CDF\x01")
    with LocalService(tmp_path) as service, serve_background(build_app(service)) as server:
        (index,) = service._store.library.indexes
        told = service.answer(DoctorQuery(index, "sst"))
        assert HttpService(server.url).answer(DoctorQuery(index, "sst")) == told
        assert told.total == 2
        assert list(told.files) == list(examine([tmp_path / "a.nc", tmp_path / "b.nc"]))
        assert [path for path in told.problems if "c.nc" in path]
        assert len(HttpService(server.url).answer(DoctorQuery(index, "sst", 1)).files) == 1
