"""Dates one after the other, as a hand that scrubs wants them: pictures a second, in the kernel alone."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import palette
from datavore_widgets.protocol.geometry import GLOBAL
from datavore_widgets.protocol.queries import Canvas, MapQuery, Source
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
from tests.benchmarks.data import make_cube
from tests.benchmarks.pictures import MERCATOR, STYLE, WORLD, warm
from tests.benchmarks.table import Run

__all__ = ["frames"]

LEAST = 250
"""Pictures a second that two threads shall draw."""


def frames(run: Run) -> None:
    """Prepared dates in order, none remembered: pictures a second of two warm threads, beside their PNG alone."""
    warm("i2")
    times, ny, nx = (8, 90, 180) if run.quick else (120, 720, 1440)
    make_cube(run.folder / "cube.nc", times, ny, nx)
    prepare(run.folder / "cube.nc", folder=run.folder / "laps", fields=True)
    run.counts["dates"] = times
    sizes = {"1024²": MERCATOR, "1024×512": Canvas(GLOBAL, 1024, "pc_world"), "512²": Canvas(WORLD, 512, "mercator")}
    for name, canvas in sizes.items():
        with LocalService(run.folder / "cube.nc", laps=run.folder / "laps") as service, ThreadPoolExecutor(2) as pool:
            queries = [
                MapQuery(Source("cube", "sst", Date.parse(str(np.datetime64("2000-01-01") + step))), canvas, STYLE)
                for step in range(times)
            ]
            colours = palette(STYLE.cmap or "")
            drawn = [service.answer(query).png for query in queries]
            levels = [np.asarray(Image.open(io.BytesIO(picture))) for picture in drawn]

            def draw(service: LocalService = service, queries: list[MapQuery] = queries) -> None:
                list(pool.map(service.answer, queries))

            def encode(levels: list[np.ndarray] = levels, colours: np.ndarray = colours) -> None:
                list(pool.map(lambda level: png.encode(level, colours), levels))

            ours, floor = [], []
            for _ in range(min(run.rounds, 5)):
                service.close()  # it remembers nothing; the system's own memory of the file stays
                service.answer(queries[0])
                before = service.stats.pictures
                ours.append(_measured(draw, times))
                run.counts[f"pictures drawn of {name}"] = service.stats.pictures - before + 1
                floor.append(_measured(encode, times))
        work = f"{ny}×{nx} prepared → {name}, two threads"
        least = LEAST if name == "1024²" else None
        run.number(f"{work}: pictures a second", _told(ours, 0, max), least=least)
        run.number("… milliseconds of processor for each", _told(ours, 1, min))
        run.number("… processors that they had at a time", _told(ours, 2, max))
        run.number("… PNG alone of the same: pictures a second", _told(floor, 0, max))
        run.number("… … milliseconds of processor for each", _told(floor, 1, min))


def _measured(work: Callable[[], object], many: int) -> tuple[float, ...]:
    """Pictures a second, milliseconds of processor for each, and how many processors were had at a time."""
    began, used = time.perf_counter(), time.process_time()
    work()
    took, used = time.perf_counter() - began, time.process_time() - used
    return many / took, 1e3 * used / many, used / took


def _told(found: list[tuple[float, ...]], column: int, best: Callable[[list[float]], float]) -> tuple[float, float]:
    values = [row[column] for row in found]
    return statistics.median(values), best(values)
