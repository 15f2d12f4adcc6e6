"""The built-in sample: small, quick to make, the same everywhere, whole or not there, and worth looking at."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.errors import Unreadable
from datavore_widgets.service import sample
from datavore_widgets.service.synthetic import SyntheticOcean, land_mask

MAKE = "from datavore_widgets.service.sample import catalog_path; print(catalog_path())"


@pytest.fixture(scope="module")
def copy(sample_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample once more: HDF5 wants all who have a file open in one process to agree on locking, and a service that
    an earlier test has left to the garbage collector may still have the first."""
    return Path(shutil.copytree(sample_catalog.parent, tmp_path_factory.mktemp("copy") / "sample"))


@pytest.fixture(scope="module")
def ocean(copy: Path) -> Iterator[xr.Dataset]:
    with xr.open_dataset(copy / "ocean.nc", engine="h5netcdf") as data:
        yield data


@pytest.fixture(scope="module")
def climate(copy: Path) -> Iterator[xr.Dataset]:
    with xr.open_dataset(copy / "climate.nc", engine="h5netcdf") as data:
        yield data


def test_it_is_small_and_long(sample_catalog: Path, ocean: xr.Dataset, climate: xr.Dataset) -> None:
    assert sum(file.stat().st_size for file in sample_catalog.parent.iterdir()) < 60e6
    for data in (ocean, climate):
        assert data.time[-1] - data.time[0] > np.timedelta64(3650, "D")
        assert len(data.data_vars) == 2


def test_every_place_says_that_it_is_synthetic(sample_catalog: Path, ocean: xr.Dataset, climate: xr.Dataset) -> None:
    from datavore_widgets.protocol.queries import CatalogQuery
    from datavore_widgets.service.local import LocalService

    for data in (ocean, climate):
        assert "ynthetic" in data.attrs["title"]
        assert "not measured" in data.attrs["comment"]
    with LocalService(sample_catalog) as service:
        indexes = service.answer(CatalogQuery()).indexes
    assert list(indexes) == ["sample/ocean", "sample/climate", "S1AWV.v3<", "S1BWV.v3<"]
    for info in indexes.values():
        assert "Synthetic" in info.title or info.kind == "wave"  # which is named by its satellite
        assert info.note == sample.NOTE


def test_the_ocean_is_warm_where_it_should_be(ocean: xr.Dataset) -> None:
    sst = ocean.sea_surface_temperature

    def at(lon: float, lat: float) -> xr.DataArray:
        return sst.sel(lon=lon, lat=lat, method="nearest")

    assert 26 < at(160, 2).mean() < 31, "the western Pacific is the warm pool"
    assert at(160, 2).mean() - at(-95, -1).mean() > 2, "the eastern one is the cold tongue"
    assert at(-60, -65).mean() < 2
    assert float(sst.min()) == pytest.approx(-1.8)
    assert float(sst.max()) < 36
    months = at(-40, 40).groupby("time.month").mean()
    assert int(np.argmax(months.values)) + 1 in (8, 9)
    assert int(np.argmax(at(-20, -35).groupby("time.month").mean().values)) + 1 in (2, 3)
    # The Gulf Stream is a front: steeper than the basin's mean slope, several times.
    north_south = sst.sel(lon=-60, method="nearest").isel(time=0).sel(lat=slice(25, 45))
    steepest = float(np.abs(north_south.diff("lat")).max())
    assert steepest > 2 * abs(float(north_south.max() - north_south.min())) / north_south.size


def test_land_is_land(ocean: xr.Dataset) -> None:
    sea = ocean.sea_surface_temperature.isel(time=0).notnull()
    for lon, lat, expected in (
        (20, 20, False),  # Sahara
        (135, -25, False),  # Australia
        (-60, -10, False),  # Amazon
        (0, -89, False),  # Antarctica, south of where the world map ends
        (51, 42, True),  # the Caspian: a hole in Asia
        (-30, 0, True),
        (0, 89, True),
    ):
        assert bool(sea.sel(lon=lon, lat=lat, method="nearest")) is expected, (lon, lat)
    area = np.cos(np.radians(ocean.lat))
    assert 0.68 < float((sea * area).sum() / (area.sum() * ocean.lon.size)) < 0.74, "71 % of the Earth is sea"
    assert (ocean.sla.isel(time=-1).notnull() == sea).all()


def test_the_land_mask_obeys_any_grid() -> None:
    fine = land_mask(np.arange(-179.75, 180, 0.5), np.arange(-89.75, 90, 0.5))
    coarse = land_mask(np.arange(-178.75, 180, 2.5), np.arange(-88.75, 90, 2.5))
    # Cell 2 of every 5 has the same centre.
    np.testing.assert_array_equal(fine[2::5, 2::5], coarse)


def test_the_sea_is_alive(ocean: xr.Dataset, climate: xr.Dataset) -> None:
    east = climate.sst_anomaly.sel(lon=slice(-170, -120), lat=slice(-5, 5)).mean(("lon", "lat"))
    assert 0.4 < float(east.std()) < 2.0
    ups = np.flatnonzero(np.diff(np.signbit(east.rolling(time=5).mean().dropna("time"))))
    assert 8 <= ups.size <= 40, "El Niños come and go every few years"
    yearly = ocean.sla.mean(("lon", "lat")).groupby("time.year").mean()
    trend = np.polyfit(yearly.year, yearly, 1)[0]
    assert 0.002 < trend < 0.005, "the sea rises by three millimetres a year"
    # Eddies drift west: at mid latitudes the field of a few weeks later matches best when it is moved to the east.
    box = ocean.sla.sel(lat=slice(-28, -18), lon=slice(60, 105))
    box = box - box.mean("lon") - box.mean("time")
    shifts = range(-6, 7)
    match = [float((box[:-8].values[:, :, 8:-8] * box[8:].shift(lon=s).values[:, :, 8:-8]).mean()) for s in shifts]
    assert shifts[int(np.argmax(match))] > 0
    assert float(ocean.sla.sel(lon=slice(-70, -50), lat=slice(35, 43)).std()) > 0.08, "the Gulf Stream sheds eddies"


def test_the_same_seed_gives_the_same_sea() -> None:
    lon, lat, days = np.arange(-177.5, 180, 5), np.arange(-87.5, 90, 5), np.array([0.0, 100.0])
    first, second = (SyntheticOcean(lon, lat, 0, 100).fields(days) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    other_sea = SyntheticOcean(lon, lat, 0, 100, seed=5).fields(days)
    assert not np.array_equal(first.sea_level_anomaly, other_sea.sea_level_anomaly, equal_nan=True)


def test_a_block_does_not_depend_on_the_others() -> None:
    lon, lat, days = np.arange(-177.5, 180, 5), np.arange(-87.5, 90, 5), np.arange(0.0, 100.0, 25.0)
    sea = SyntheticOcean(lon, lat, 0, 100)
    np.testing.assert_array_equal(sea.fields(days).temperature[2:], sea.fields(days[2:]).temperature)


def test_killed_while_it_is_made_there_is_none(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    cache = tmp_path / "datavore_widgets"
    with subprocess.Popen([sys.executable, "-c", MAKE], env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list(cache.rglob("ocean.nc")):  # it is being written
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (cache / sample._VERSION).exists()


def test_two_at_once_end_with_one_copy(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", MAKE], env=environment, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    assert [folder.name for folder in (tmp_path / "datavore_widgets").iterdir()] == [sample._VERSION]
    with xr.open_dataset(Path(said[0]).parent / "climate.nc", engine="h5netcdf") as data:
        assert data.sizes["time"] == 360


def test_a_cache_that_cannot_be_written_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Unreadable, match="XDG_CACHE_HOME"):
        sample.catalog_path.__wrapped__()
