"""What the benchmarks work on: made from seeds, in the folder of the run, and removed with it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import h5netcdf
import numpy as np
import xarray as xr

from datavore_widgets.service.grid import RectilinearGrid

__all__ = ["Warmth", "copied", "field", "forget", "make_cube", "make_huge", "make_steps"]

FILL = np.int16(-32768)

_WARM = 2.0
"""Seconds after which files are read again: a peer that takes gigabytes of memory may have taken theirs."""


def field(rows: int, columns: int) -> tuple[RectilinearGrid, np.ndarray]:
    """A smooth field with waves, a little noise and 30 % of land, float32, from the north."""
    lat = 90 - (np.arange(rows) + 0.5) * 180 / rows
    lon = -180 + (np.arange(columns) + 0.5) * 360 / columns
    y, x = np.radians(lat)[:, None], np.radians(lon)
    values = 15 + 12 * np.cos(y) + 3 * np.sin(3 * x) * np.cos(5 * y) + np.sin(40 * x + 9 * y) * np.cos(33 * y)
    values += np.random.default_rng(0).normal(0, 0.02, values.shape)
    values[np.sin(2 * x) + np.cos(3 * y) > 0.62] = np.nan
    return RectilinearGrid.from_centers(lon, lat), values.astype(np.float32)


def make_steps(path: Path, values: np.ndarray, times: int) -> None:
    """A Zarr store of daily fields, each a little warmer than the one before and a chunk of its own."""
    ny, nx = values.shape
    days = np.datetime64("2000-01-01T12", "ns") + np.arange(times) * np.timedelta64(1, "D")
    lat, lon = 90 - (np.arange(ny) + 0.5) * 180 / ny, -180 + (np.arange(nx) + 0.5) * 360 / nx
    data = np.stack([values + np.float32(0.01 * step) for step in range(times)])
    coords = {
        "time": days,
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    steps = xr.Dataset({"sst": (("time", "lat", "lon"), data, {"units": "degree_Celsius"})}, coords)
    steps.to_zarr(path, consolidated=False, encoding={"sst": {"chunks": (1, ny, nx)}})


def make_cube(path: Path, times: int, ny: int, nx: int) -> None:
    """A field of packed two-byte integers with land, seasons and weather; not compressed, chunks of one step."""
    rng = np.random.default_rng(20)
    lon, lat = (np.arange(nx) + 0.5) * 360 / nx - 180, (np.arange(ny) + 0.5) * 180 / ny - 90
    x, y = np.radians(lon)[None], np.radians(lat)[:, None]
    mean = 2800 * np.cos(y) ** 2 - 180 + 300 * np.sin(3 * x) * np.cos(y)
    land = np.sin(2 * x) * np.cos(3 * y) + 0.3 * np.sin(7 * x + 5 * y) > 0.6
    weather = rng.normal(0, 60, (8, ny, nx))
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": times, "lat": ny, "lon": nx}
        axes = (("time", np.arange(times) + 0.5, "days since 2000-01-01"), ("lat", lat, "degrees_north"))
        for name, values, units in (*axes, ("lon", lon, "degrees_east")):
            file.create_variable(name, (name,), np.float64, data=values).attrs["units"] = units
        sst = file.create_variable("sst", ("time", "lat", "lon"), np.int16, fillvalue=FILL, chunks=(1, ny, nx))
        sst.attrs.update({"scale_factor": 0.01, "add_offset": 0.0, "units": "degree_Celsius"})
        for step in range(times):
            stored = mean + 500 * np.sin(2 * np.pi * step / 365) * np.sin(y) + weather[step % 8]
            sst[step] = np.where(land, FILL, np.rint(stored)).astype(np.int16)


def make_huge(path: Path, ny: int, nx: int) -> None:
    """Two times of a large field of packed two-byte integers, in chunks of 500 by 500."""
    lon, lat = (np.arange(nx) + 0.5) * 360 / nx - 180, (np.arange(ny) + 0.5) * 180 / ny - 90
    x, y = np.radians(lon, dtype=np.float32)[None], np.radians(lat, dtype=np.float32)[:, None]
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": 2, "lat": ny, "lon": nx}
        axes = (("time", np.arange(2) + 0.5, "days since 2000-01-01"), ("lat", lat, "degrees_north"))
        for name, values, units in (*axes, ("lon", lon, "degrees_east")):
            file.create_variable(name, (name,), np.float64, data=values).attrs["units"] = units
        sst = file.create_variable(
            "sst", ("time", "lat", "lon"), np.int16, fillvalue=FILL, chunks=(1, min(ny, 500), min(nx, 500))
        )
        sst.attrs.update({"scale_factor": 0.01, "add_offset": 0.0, "units": "degree_Celsius"})
        for row in range(0, ny, 500):
            rows = slice(row, row + 500)
            sst[:, rows] = np.rint(1500 + 1200 * np.cos(y[rows]) * np.sin(5 * x)).astype(np.int16)


def copied(source: Path, target: Path) -> float:
    """Seconds to copy a file that is not in memory, until the disk has it."""
    forget(source)
    start = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


class Warmth:
    """Sees that the system has files in memory: some drop what was not asked for within a minute.

    Parameters
    ----------
    paths : Path
        Files, or folders of them.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = -_WARM

    def keep(self) -> None:
        """Read all of them, if that was not done lately: beside the work itself, it has the processor's memory too."""
        if time.monotonic() - self._seen < _WARM:
            return
        room = bytearray(1 << 20)
        for path in self._paths:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    with file.open("rb", buffering=0) as opened:
                        while opened.readinto(room):
                            pass
        self._seen = time.monotonic()


def forget(path: Path) -> None:
    """Have the system drop a file from memory."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
