"""How long the first picture of a model grid or a swath takes: `python -m tests.benchmarks.bench_mosaic [ROUNDS]`.

Rows are timed in turn, round by round, on grids made anew, by the processor time of this thread.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.render import render
from datavore_widgets.service.resample import frame_of

WORLD = BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)
STYLE = Style("thermal", -30.0, 30.0)


def tripolar(ny: int = 330, nx: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """A grid of the size of ORCA1 whose rows bend around two poles in the north."""
    y, x = np.mgrid[:ny, :nx] + 0.5
    lat, lon = -85 + 174 * y / ny, -180 + 360 * x / nx
    bend = np.clip((lat - 20) / 70, 0, 1) ** 2
    return lon + 40 * bend * np.sin(np.radians(2 * lon)), lat - 18 * bend * (1 - np.abs(np.cos(np.radians(lon))))


def orbit(lines: int, samples: int, step: float, start: float) -> tuple[np.ndarray, np.ndarray]:
    """A swath along an orbit that is inclined by 98 degrees."""
    along = np.radians(start + step * np.arange(lines))[:, None]
    across = np.radians(step * (np.arange(samples) - samples / 2))
    tilt = np.radians(98)
    x, y, z = np.cos(across) * np.cos(along), np.cos(across) * np.sin(along), np.sin(across) * np.ones_like(along)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(np.clip(z, -1, 1)))


def main(rounds: int) -> None:
    """Print the table."""
    cases = {
        "330x360 tripolar": (tripolar(), WORLD, False),
        "1632x42 orbit": (orbit(1632, 42, 0.22, 0.0), WORLD, True),
        "1233x455 granule": (orbit(1233, 455, 0.01, 30.0), BBox(-13, 26, 3, 46), True),
    }
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, ((lon, lat), box, is_swath) in cases.items():
            canvas = Canvas(box, 1024, "mercator")
            grid = CurvilinearGrid(lon, lat, np.isfinite(lon), object(), is_swath)

            def timed(what: str, work: Callable[[], object], name: str = name) -> None:
                start = time.thread_time()
                work()
                times.setdefault(f"{name}: {what}", []).append((time.thread_time() - start) * 1e3)

            timed("corners", lambda grid=grid: grid.corners)
            timed("extents", lambda grid=grid: grid.cell_size)
            timed("mosaic", lambda grid=grid, canvas=canvas: Mosaic.of(grid, frame_of(grid, canvas), canvas))
            render(grid, lat, canvas, STYLE)
            timed("picture, known cells", lambda grid=grid, canvas=canvas, lat=lat: render(grid, lat, canvas, STYLE))
    write = sys.stdout.write
    write(f"{'ms, 1024 pixels Web-Mercator':45}{'median':>9}{'minimum':>10}\n")
    for name, found in times.items():
        write(f"{name:45}{statistics.median(found):9.1f}{min(found):10.1f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
