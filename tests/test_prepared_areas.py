"""Means by area from prepared data are those of the files, and read what the box touches and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService

ALL = Lapse(Date("1800"), Date("2200"))
WORLD = BBox(-180, -90, 180, 90)
PACKINGS = {
    "int16 with gaps": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 285.0, "_FillValue": np.int16(-32768)},
    "int16 downwards": {"dtype": "i2", "scale_factor": -0.01, "add_offset": 285.0, "_FillValue": np.int16(32767)},
    "int8": {"dtype": "i1", "scale_factor": 0.25, "add_offset": 285.0, "_FillValue": np.int8(-128)},
    "float32": {"dtype": "f4"},
    "float64": {"dtype": "f8"},
}


def field(rng: np.random.Generator, times: int = 70, start: int = 0, *, gaps: bool = True) -> xr.Dataset:
    """A globe of any orientation and convention, with land, gaps that move and a time without values."""
    ny, nx = int(rng.integers(9, 40)), int(rng.integers(10, 60))
    lat = np.linspace(-87, 87, ny)[:: int(rng.choice([-1, 1]))]
    lon = rng.uniform(-180, 180) + np.arange(nx) * 360 / nx
    lon = lon % 360 if rng.random() < 0.5 else (lon + 180) % 360 - 180
    values = 285 + 12 * np.cos(np.radians(lat))[None, :, None] + rng.normal(0, 2, (times, ny, nx))
    if gaps:
        values[rng.random(values.shape) < 0.1] = np.nan
        values[:, 2:5, 3:7] = np.nan
        values[7] = np.nan
    order = np.argsort(lon)
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": ("time", np.arange(start, start + times), {"units": "days since 2001-01-01"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon[order], {"units": "degrees_east"}),
        },
    )


def box_of(rng: np.random.Generator) -> BBox:
    if rng.random() < 0.2:
        return WORLD
    south, north = np.sort(rng.uniform(-90, 90, 2))
    west = rng.uniform(-180, 180)
    return BBox(west, south, (west + rng.uniform(1, 350) + 180) % 360 - 180, north)


def close(one: np.ndarray, other: np.ndarray, deviation: float) -> None:
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    limit = 1e-6 * np.maximum(np.abs(other), deviation)
    assert (np.abs(one - other) <= limit)[~np.isnan(other)].all(), np.nanmax(np.abs(one - other))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("seed", range(4))
def test_prepared_data_have_the_same_means_and_spreads(tmp_path: Path, packing: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *packing.encode()])
    path = tmp_path / "m.nc"
    field(rng, gaps=seed > 0).to_netcdf(path, encoding={"t": PACKINGS[packing]})
    prepare(path, folder=tmp_path / "laps")
    with LocalService(path, laps=tmp_path / "none") as plain, LocalService(path, laps=tmp_path / "laps") as ready:
        for _ in range(5):
            box = box_of(rng)
            for word in ("area_avg", "area_std", "time_std"):
                for groupby in (None, "yyyy-MM"):
                    query = SeriesQuery("m", "t", box, ALL, groupby, word)
                    wanted, found = plain.answer(query), ready.answer(query)
                    close(found.values, wanted.values, 2.0)
                    np.testing.assert_array_equal(found.counts, wanted.counts)
                    np.testing.assert_array_equal(found.steps, wanted.steps)
        assert ready.stats.blocks == 0
        assert plain.stats.blocks > 0


def test_no_more_is_gone_over_than_the_tiles_that_the_box_touches(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lat, lon = np.arange(-59.5, 60), np.arange(0.5, 160)
    values = rng.normal(285, 2, (50, lat.size, lon.size))
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), values)},
        {"time": ("time", np.arange(50), {"units": "days since 2001-01-01"}), "lat": lat, "lon": lon},
    )
    path = tmp_path / "m.nc"
    data.to_netcdf(path, encoding={"t": PACKINGS["int16 with gaps"]})
    prepare(path, folder=tmp_path / "laps")
    with LocalService(path, laps=tmp_path / "laps") as service:
        service.answer(SeriesQuery("m", "t", BBox(20.2, -10.5, 39.8, 9.5), ALL, None, "area_avg"))
        (index,) = service._store.library.indexes.values()
        ready = service._store.shelf.look(index.variables["t"], ())
        (segment,) = ready.segments
        # 21 rows of the 20 columns from 20 on: of each row the tiles of eight columns from 16 to 40.
        assert segment.touched == 21 * 24 * 50 * segment.codes.dtype.itemsize


def test_times_that_were_added_are_read_beside_those_that_are_prepared(tmp_path: Path) -> None:
    whole = field(np.random.default_rng(9), 90)
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        whole.isel(time=slice(30 * number, 30 * number + 30)).to_netcdf(folder / f"{number}.nc")
    catalog = tmp_path / "c.toml"
    catalog.write_text('[index.m]\nfiles = ["data/*.nc"]\n')
    prepare(catalog, folder=tmp_path / "laps")
    whole.isel(time=slice(60, 90)).to_netcdf(folder / "2.nc")
    query = SeriesQuery("m", "t", BBox(-100.2, -50, 120, 71), ALL, None, "area_avg")
    with LocalService(catalog, laps=tmp_path / "none") as plain, LocalService(catalog, laps=tmp_path / "laps") as some:
        seen: list[float] = []
        found = some.answer(query, Job(on_progress=lambda done, total: seen.append(done / total)))
        close(found.values, plain.answer(query).values, 2.0)
        assert "30 of 90 times are read from the files" in found.note
        assert 0 < some.stats.bytes == plain.stats.bytes / 3
        assert seen == sorted(seen)
        assert seen[-1] == 1
    prepare(catalog, folder=tmp_path / "laps")
    with LocalService(catalog, laps=tmp_path / "laps") as all_of_it:
        told: list[int] = []
        again = all_of_it.answer(query, Job(on_progress=lambda done, total: told.append(done)))
        close(again.values, found.values, 2.0)
        assert told == [90]
        assert all_of_it.stats.bytes == 0
