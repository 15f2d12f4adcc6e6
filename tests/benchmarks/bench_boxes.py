"""Time series over boxes, five aggregates each: prepared data beside xarray and dask, on the same file.

    python tests/benchmarks/bench_boxes.py            # a cube of 380 MB
    python tests/benchmarks/bench_boxes.py --full     # 1460 daily global steps of a quarter degree

The cube is made from a seed and removed afterwards. Each round asks all for a box that none was asked before, one
after the other, and compares what they say. The peer works in float64: on Zarr chunks that hold all times of 48 by 48
cells, which is its best layout, and on the NetCDF file with a step in one piece, as people have them. It needs dask;
nothing else does. `--folder` says where the cube and the prepared data go.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5netcdf
import numpy as np
import xarray as xr

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import AGGREGATES, SeriesQuery
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService

FILL = np.int16(-32768)


def say(line: str) -> None:
    """A line of the table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


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
        sst = file.create_variable("sst", ("time", "lat", "lon"), np.int16, fillvalue=FILL)
        sst.attrs.update({"scale_factor": 0.01, "add_offset": 0.0, "units": "degree_Celsius"})
        for step in range(times):
            field = mean + 500 * np.sin(2 * np.pi * step / 365) * np.sin(y) + weather[step % 8]
            sst[step] = np.where(land, FILL, np.rint(field)).astype(np.int16)


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


def forget(path: Path) -> None:
    """Have the system drop a file from memory."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


class Peer:
    """xarray and dask."""

    def __init__(self, sst: xr.DataArray) -> None:
        self.sst = sst.astype("float64")

    @classmethod
    def on_chunks_of_time(cls, cube: Path, store: Path) -> Peer:
        """On a copy in its best layout."""
        # As stored, so that nothing is decoded and encoded again.
        with _opened(cube, {"time": -1, "lat": 48, "lon": -1}, mask_and_scale=False) as data:
            chunks = (data.sizes["time"], 48, 48)
            data["sst"].encoding.clear()
            data.chunk({"lon": 48}).to_zarr(store, encoding={"sst": {"chunks": chunks}}, consolidated=False)
        return cls(xr.open_zarr(store, consolidated=False)["sst"])

    @classmethod
    def on_single_steps(cls, cube: Path) -> Peer:
        """On the file as it is."""
        return cls(_opened(cube, {"time": 64, "lat": -1, "lon": -1})["sst"])

    def five(self, rows: slice, columns: slice) -> dict[str, np.ndarray]:
        box = self.sst.isel(lat=rows, lon=columns)
        over = ("lat", "lon")
        wanted = {
            "avg": box.mean(over),
            "std": box.std(over),
            "min": box.min(over),
            "max": box.max(over),
            "count": box.count(over),
        }
        return {name: array.values for name, array in xr.Dataset(wanted).compute().data_vars.items()}


def _opened(cube: Path, chunks: dict[str, int], **how: bool) -> xr.Dataset:
    return xr.open_dataset(cube, engine="h5netcdf", chunks=chunks, driver_kwds={"locking": False}, **how)


def boxes(rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice, BBox]:
    """A random box of some cells: its rows, its columns, and the box itself."""
    (ny, nx), (high, wide) = shape, size
    row, column = int(rng.integers(0, ny - high + 1)), int(rng.integers(0, nx - wide + 1))
    south, north = (row + 0.2) * 180 / ny - 90, (row + high - 0.2) * 180 / ny - 90
    west, east = (column + 0.2) * 360 / nx - 180, (column + wide - 0.2) * 360 / nx - 180
    return slice(row, row + high), slice(column, column + wide), BBox(west, south, east, north)


def check(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Equal counts, and the rest to 1e-6 of the field's deviation."""
    np.testing.assert_array_equal(mine["count"], theirs["count"])
    for name in ("avg", "std", "min", "max"):
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6, atol=1e-5)


def run(folder: Path, times: int, ny: int, nx: int, rounds: int) -> None:
    cube = folder / "cube.nc"
    make_cube(cube, times, ny, nx)
    size = cube.stat().st_size
    seconds = copied(cube, folder / "copy.nc")
    forget(cube)
    start = time.perf_counter()
    [done] = prepare(cube, folder=folder / "laps", fields=True)
    took = time.perf_counter() - start
    share = f"{size / took / 1e6:.0f} MB/s; cp {size / seconds / 1e6:.0f} MB/s; ratio {seconds / took:.2f}"
    say(f"cube: {times} x {ny} x {nx}, int16, {size / 1e9:.2f} GB")
    say(f"preparing, both layouts: {share}")
    say(f"size of the store: {done.nbytes / (2 * times * ny * nx):.2f} of the values'")
    service = LocalService(cube, laps=folder / "laps")
    peer, plain = Peer.on_chunks_of_time(cube, folder / "peer.zarr"), Peer.on_single_steps(cube)
    rng = np.random.default_rng(7)
    say(f"{'':>10} {'ours':>16} {'xarray, best layout':>28} {'xarray, single steps':>28}")
    say(f"{'box':>10} {'ms':>8} {'min':>7} {'ms':>8} {'min':>8} {'x':>5} {'of min':>6} {'ms':>8} {'x':>6}")
    costs = {}
    for wide in ((10, 10), (100, 100), (400 * ny // 720, 800 * nx // 1440)):
        ours, theirs, slowly = [], [], []
        for number in range(rounds + 1):
            rows, columns, bbox = boxes(rng, (ny, nx), wide)
            start = time.perf_counter()
            mine = {
                name: service.answer(SeriesQuery("cube", "sst", bbox, aggregate=name)).values for name in AGGREGATES
            }
            middle = time.perf_counter()
            reference = peer.five(rows, columns)
            end = time.perf_counter()
            check(mine, reference)
            if number:  # the first one opens files
                ours.append((middle - start) * 1e3)
                theirs.append((end - middle) * 1e3)
            if number in (1, 2):
                slowly.append(timed(lambda rows=rows, columns=columns: plain.five(rows, columns)))
        costs[wide] = statistics.median(ours), min(ours)
        median, peers = statistics.median(ours), statistics.median(theirs)
        say(
            f"{wide[0]:>5}x{wide[1]:<4} {median:8.2f} {min(ours):7.2f} {peers:8.1f} {min(theirs):8.1f} "
            f"{peers / median:5.0f} {min(theirs) / min(ours):6.0f} {min(slowly):8.0f} {min(slowly) / median:6.0f}"
        )
    small, *_, large = costs.values()
    say(f"largest over smallest box: {large[0] / small[0]:.0f} (of minima {large[1] / small[1]:.0f})")
    group_by_month(service, peer, rng, (ny, nx), rounds)


def group_by_month(
    service: LocalService, peer: Peer, rng: np.random.Generator, shape: tuple[int, int], rounds: int
) -> None:
    """The monthly means of a box of 100 by 100: the values of the peer are in memory already."""
    ours, theirs = [], []
    for _ in range(rounds):
        rows, columns, bbox = boxes(rng, shape, (100, 100))
        query = SeriesQuery("cube", "sst", bbox, groupby="yyyy-MM", lapse=Lapse.parse("2000,2100"))
        loaded = peer.sst.isel(lat=rows, lon=columns).load()
        ours.append(timed(lambda query=query: service.answer(query)))
        theirs.append(timed(lambda loaded=loaded: loaded.resample(time="MS").mean().mean(("lat", "lon")).values))
    say(
        f"by month   {statistics.median(ours):9.2f} {min(ours):9.2f} {statistics.median(theirs):9.1f} "
        f"{min(theirs):9.1f} {statistics.median(theirs) / statistics.median(ours):7.1f} {min(theirs) / min(ours):7.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="1460 daily global steps of a quarter degree, 3 GB")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where the cube goes; default: the system's temporary folder")
    chosen = parser.parse_args()
    shape = (1460, 720, 1440) if chosen.full else (730, 360, 720)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        noise = [timed(lambda: np.ones(2_000_000).sum()) for _ in range(50)]
        say(f"noise of the machine: median {statistics.median(noise) / min(noise):.2f} of the minimum")
        run(Path(scratch), *shape, chosen.rounds)


if __name__ == "__main__":
    sys.exit(main())
