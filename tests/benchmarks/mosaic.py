"""The first picture of a model grid or a swath, on grids made anew, by the processor time of this thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.render import render
from datavore_widgets.service.resample import frame_of
from tests.benchmarks.table import Run, interleaved

__all__ = ["mosaic"]

WORLD = BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)
STYLE = Style("thermal", -30.0, 30.0)
ROUNDS = 5


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


def mosaic(run: Run) -> None:
    """Corners, extents, the mosaic of cells, and the picture when these are known."""
    cases = {
        "330×360 tripolar": (tripolar(), WORLD, False),
        "1632×42 orbit": (orbit(1632, 42, 0.22, 0.0), WORLD, True),
        "1233×455 granule": (orbit(1233, 455, 0.01, 30.0), BBox(-13, 26, 3, 46), True),
    }
    ways: dict[str, Callable[[int], float]] = {}
    for name, ((lon, lat), box, is_swath) in cases.items():
        ways |= _stages(name, lon, lat, box, is_swath)
    run.alone(interleaved(ways, min(run.rounds, ROUNDS)))


def _stages(
    name: str, lon: np.ndarray, lat: np.ndarray, box: BBox, is_swath: bool
) -> dict[str, Callable[[int], float]]:
    """One after the other on one grid; the first of a round makes it."""
    canvas = Canvas(box, 1024, "mercator")
    grids: list[CurvilinearGrid] = []

    def corners(_: int) -> float:
        grids[:] = [CurvilinearGrid(lon, lat, np.isfinite(lon), object(), is_swath)]
        return _worked(lambda: grids[0].corners.degrees(np.arange(lon.size)))

    def picture(_: int) -> float:
        render(grids[0], lat, canvas, STYLE)
        return _worked(lambda: render(grids[0], lat, canvas, STYLE))

    return {
        f"{name}: corners": corners,
        f"{name}: extents": lambda _: _worked(lambda: grids[0].extents(np.arange(lon.size))),
        f"{name}: mosaic": lambda _: _worked(lambda: Mosaic.of(grids[0], frame_of(grids[0], canvas), canvas)),
        f"{name}: picture, known cells": picture,
    }


def _worked(call: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    start = time.thread_time()
    call()
    return (time.thread_time() - start) * 1e3
