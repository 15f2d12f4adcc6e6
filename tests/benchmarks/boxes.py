"""Time series over boxes, five aggregates each: prepared data beside xarray and dask, on the same values.

Each round asks all for a box that none was asked before, one after the other, and compares what they say. The peer
works in float64: on Zarr chunks that hold all times of 48 by 48 cells, which is its best layout, and on the NetCDF file
with a step in one piece, as people have them. It needs dask, which is the extra of the same name. The compiled loops,
which a process loads after its first box, are there before anything is timed; how long that took is told. What both
read is in the system's memory.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from pathlib import Path

import numpy as np
import xarray as xr

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import AGGREGATES, SeriesQuery
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.service.compiled import wait
from datavore_widgets.service.laps.blocks import EDGES
from datavore_widgets.service.laps.loops import KERNELS
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
from tests.benchmarks.data import Warmth, copied, forget, make_cube
from tests.benchmarks.table import Run, interleaved, say, timed

__all__ = ["boxes"]

BEST, SINGLE = "xarray + dask, chunks of time", "xarray + dask, single steps"
WANTED = {(10, 10): 40, (100, 100): 60, (400, 800): 200}
SLOW_ROUNDS = 2
"""Of the peer that takes up to a quarter of a minute each time."""

Shape = tuple[int, int, int]


def boxes(run: Run) -> None:
    """Preparing, the size of the store, boxes of three sizes, and months."""
    shape = (120, 90, 180) if run.quick else (1460, 720, 1440)
    cube, laps = run.folder / "cube.nc", run.folder / "laps"
    say(f"  making {'×'.join(map(str, shape))} values of two bytes")
    make_cube(cube, *shape)
    loaded = timed(lambda: wait(KERNELS, "i2"))
    say(f"  the compiled loops were loaded in {loaded / 1e3:.2f} s")
    _preparing(run, cube, laps, shape)
    if importlib.util.find_spec("dask") is None:
        run.left_out.append("dask is not installed here: pip install 'datavore_widgets[dask]'")
        return
    peers = {BEST: Peer.on_chunks_of_time(cube, run.folder / "peer.zarr"), SINGLE: Peer.on_single_steps(cube)}
    warmth = Warmth(*laps.rglob("*.laps"), run.folder / "peer.zarr", cube)
    with LocalService(cube, laps=laps) as service:
        costs = [_boxes(run, service, peers, shape, size, warmth) for size in WANTED]
        run.number("400×800 over 10² cells: cost", (costs[-1][0] / costs[0][0], costs[-1][1] / costs[0][1]), most=70)
        _months(run, service, peers[BEST], shape)


def _preparing(run: Run, cube: Path, laps: Path, shape: Shape) -> None:
    """Beside a copy of the same file, both from the disk and until the disk has them."""
    seconds = copied(cube, run.folder / "copy.nc")
    forget(cube)
    start = time.perf_counter()
    [done] = prepare(cube, folder=laps, fields=True)
    took = time.perf_counter() - start
    size = cube.stat().st_size
    say(f"  preparing {size / took / 1e6:.0f} MB/s, cp with fsync {size / seconds / 1e6:.0f} MB/s")
    run.number("preparing, both layouts: cp's time over ours", seconds / took, least=0.4)
    run.number("size of the store, both layouts, over the values'", done.nbytes / (2 * np.prod(shape)), most=2.3)


def _boxes(
    run: Run, service: LocalService, peers: dict[str, Peer], shape: Shape, size: tuple[int, int], warmth: Warmth
) -> tuple[float, float]:
    """Boxes of one size; median and minimum of ours in milliseconds."""
    high, wide = size[0] * shape[1] // 720, size[1] * shape[2] // 1440
    rng = np.random.default_rng(size[0])
    asked = [_box(rng, shape[1:], (max(high, 2), max(wide, 2))) for _ in range(run.rounds + 1)]
    said: dict[int, dict[str, np.ndarray]] = {}
    worked: dict[str, list[float]] = {"ours": [], BEST: []}

    def ours(number: int) -> float:
        warmth.keep()
        start, before = time.perf_counter(), time.process_time()
        said[number] = five(service, asked[number][2])
        worked["ours"].append((time.process_time() - before) * 1e3)
        return (time.perf_counter() - start) * 1e3

    def theirs(number: int) -> float:
        start, before = time.perf_counter(), time.process_time()
        reference = peers[BEST].five(*asked[number][:2])
        worked[BEST].append((time.process_time() - before) * 1e3)
        took = (time.perf_counter() - start) * 1e3
        check(said[number], reference)
        return took

    def slowly(number: int) -> float:
        # The first rounds alone: it has nothing to warm up.
        return timed(lambda: peers[SINGLE].five(*asked[number][:2])) if number <= SLOW_ROUNDS else float("nan")

    found = interleaved({"ours": ours, BEST: theirs, SINGLE: slowly}, run.rounds)
    found[SINGLE] = [took for took in found[SINGLE] if took == took]
    label = f"{size[0]}×{size[1]}"
    run.counts[f"{label}: bytes gone over"] = _gone_over(service, asked[-1][2])
    run.counts[f"{label}: bytes of edges and blocks"] = _needed(*asked[-1][:2], shape[0])
    name = f"series over {label} cells, five aggregates, prepared"
    run.beside(name, "ours", found, {BEST: WANTED[size], SINGLE: 1000})
    # On a busy machine a millisecond waits for others as long as a second does; this is what both take by themselves.
    run.beside("… time of the processor, all threads", "ours", {way: took[1:] for way, took in worked.items()})
    return statistics.median(found["ours"]), min(found["ours"])


def _gone_over(service: LocalService, box: BBox) -> int:
    """Bytes of prepared data behind all aggregates of a box, which was not asked for before over this lapse."""
    segments = [segment for entry in service._store.shelf._known.values() if entry for segment in entry._segments]
    before = sum(segment.touched for segment in segments)
    lapse = Lapse.parse("2000-01-02,2100")
    for name in AGGREGATES:
        service.answer(SeriesQuery("cube", "sst", box, aggregate=name, lapse=lapse))
    return sum(segment.touched for segment in segments) - before


def _needed(rows: slice, columns: slice, times: int) -> int:
    """Bytes of a frame of cells, each two, as wide as the smallest blocks, and of the records of all blocks inside."""
    high, wide = rows.stop - rows.start, columns.stop - columns.start
    frame = high * wide - max(high - 2 * EDGES[0], 0) * max(wide - 2 * EDGES[0], 0)
    return times * (2 * frame + 17 * (high // EDGES[0]) * (wide // EDGES[0]))


def five(service: LocalService, box: BBox) -> dict[str, np.ndarray]:
    """All aggregates of a box, each asked for by itself."""
    return {name: service.answer(SeriesQuery("cube", "sst", box, aggregate=name)).values for name in AGGREGATES}


def check(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Equal counts, and the rest to 1e-6 of the value or of the field's deviation, which is above 10."""
    np.testing.assert_array_equal(mine["count"], theirs["count"])
    for name in ("avg", "std", "min", "max"):
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6, atol=1e-5)


def _box(rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice, BBox]:
    """A random box of some cells: its rows, its columns, and the box itself."""
    (ny, nx), (high, wide) = shape, size
    row, column = int(rng.integers(0, ny - high + 1)), int(rng.integers(0, nx - wide + 1))
    south, north = (row + 0.2) * 180 / ny - 90, (row + high - 0.2) * 180 / ny - 90
    west, east = (column + 0.2) * 360 / nx - 180, (column + wide - 0.2) * 360 / nx - 180
    return slice(row, row + high), slice(column, column + wide), BBox(west, south, east, north)


def _months(run: Run, service: LocalService, peer: Peer, shape: Shape) -> None:
    """The monthly means of a box: the values of the peer are in memory already."""
    rng = np.random.default_rng(5)
    size = 100 * shape[1] // 720, 100 * shape[2] // 1440
    asked = [_box(rng, shape[1:], size) for _ in range(run.rounds + 1)]
    against = "xarray resample, values in memory"

    def ours(number: int) -> float:
        query = SeriesQuery("cube", "sst", asked[number][2], groupby="yyyy-MM", lapse=Lapse.parse("2000,2100"))
        return timed(lambda: service.answer(query))

    def theirs(number: int) -> float:
        rows, columns, _ = asked[number]
        loaded = peer.sst.isel(lat=rows, lon=columns).load()
        return timed(lambda: loaded.resample(time="MS").mean().mean(("lat", "lon")).values)

    found = interleaved({"ours": ours, against: theirs}, run.rounds)
    run.beside("means by month of a 100² box, prepared", "ours", found, {against: 4})


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
        """All aggregates of a box, in one go."""
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
