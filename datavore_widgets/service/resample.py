"""Where the pixels of a picture lie, and which cells of a grid each of them shows.

This is found once for a grid and a canvas and remembered; a picture is then a few passes over the values (see
`service.pixels`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import TooLarge
from datavore_widgets.protocol.geometry import BBox, latitude_from_mercator, mercator_from_latitude
from datavore_widgets.protocol.queries import Canvas
from datavore_widgets.service.grid import TOLERANCE, RectilinearGrid
from datavore_widgets.service.pixels import Axis, Plan

__all__ = ["DEFAULT_RESOLUTION", "MAX_PIXELS", "canvas_size", "picture_bbox", "plan", "window_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_PIXELS = 4 * 2**20
"""Most pixels of a picture."""

DEFAULT_RESOLUTION = 1024
"""Most pixels of the longer side where no resolution was asked for."""

_MANY = 2.0 * (1 + 1e-6)
"""Cells to a pixel above which pixels stand for several cells."""


def picture_bbox(canvas: Canvas) -> BBox:
    """The true edges of a picture: those asked for, in Web-Mercator as far as it reaches.

    Raises
    ------
    InvalidValue
        When nothing of the box can be shown in Web-Mercator.
    """
    return canvas.bbox.clip_to_mercator() if canvas.projection == "mercator" else canvas.bbox


def canvas_size(grid: RectilinearGrid, canvas: Canvas) -> tuple[int, int]:
    """Width and height of a picture in pixels.

    Pixels are square in the projection. `canvas.resolution` counts those of the longer side; where it is None, they
    are as small as the cells of the grid, at most 1024, so that every cell gets a pixel.

    Raises
    ------
    TooLarge
        When there would be more than `MAX_PIXELS`.
    """
    bbox = picture_bbox(canvas)
    wide, high = bbox.width, _height(bbox, canvas.projection)
    longer = max(wide, high)
    resolution = canvas.resolution or min(_native_resolution(grid, canvas, longer), DEFAULT_RESOLUTION)
    width, height = (max(1, round(resolution * side / longer)) for side in (wide, high))
    if width * height > MAX_PIXELS:
        raise TooLarge(
            f"a picture of {width} by {height} pixels is more than {MAX_PIXELS}; ask for a resolution "
            f"of at most {math.isqrt(MAX_PIXELS)}"
        )
    return width, height


def _height(bbox: BBox, projection: str) -> float:
    """Height of a box in the unit that makes a degree of longitude one."""
    if projection == "mercator":
        south, north = mercator_from_latitude([bbox.south, bbox.north])
        return math.degrees(float(north - south))
    return bbox.height


def _native_resolution(grid: RectilinearGrid, canvas: Canvas, longer: float) -> int:
    """Pixels of the longer side that give each cell at least one, in both directions."""
    bbox = picture_bbox(canvas)
    rows, columns = grid.rows_touching(bbox), grid.columns_touching(bbox)
    if columns.size == 0 or rows.start == rows.stop:
        return 1
    dlon, dlat = grid.cell_size
    # Beyond the grid pixels have the same size.
    across = columns.size + math.floor(_bare_longitudes(grid.window(rows, columns), bbox) / dlon + 1e-6)
    south, north = max(bbox.south, grid.bbox.south), min(bbox.north, grid.bbox.north)
    high, covered = (
        _height(BBox(bbox.west, low, bbox.east, top), canvas.projection)
        for low, top in ((bbox.south, bbox.north), (south, north))
    )
    down = int(rows.stop - rows.start)
    if canvas.projection == "mercator":
        # A row is lowest where it is nearest to the equator: there it needs its pixel.
        nearest = 0.0 if south <= 0 <= north else min(abs(south), abs(north))
        dlat /= math.cos(math.radians(nearest))
        down = max(down, math.ceil(covered / dlat - 1e-6))
    down += math.floor((high - covered) / dlat + 1e-6)
    # A whole number of pixels on the shorter side too.
    return math.ceil(max(across * longer / bbox.width, down * longer / high) - 1e-6)


def _bare_longitudes(window: RectilinearGrid, bbox: BBox) -> float:
    """Degrees of longitude of a box that no cell of the window touching it covers."""
    if window.is_cyclic:
        return 0.0
    ends = (window.lon_edges[0] - bbox.west, bbox.west + bbox.width - window.lon_edges[-1])
    bare = sum(end for end in (float(end % 360.0) for end in ends) if end < bbox.width)
    return bare + (window.hole[1] - window.hole[0] if window.hole is not None else 0.0)


def window_of(grid: RectilinearGrid, canvas: Canvas) -> tuple[slice, IntArray]:
    """Rows and columns of a grid that a picture needs: the cells that touch it, and their neighbours for bilinear.

    Returns
    -------
    (rows, columns)
        As `RectilinearGrid.window` takes them.
    """
    bbox = picture_bbox(canvas)
    rows, columns = grid.rows_touching(bbox), grid.columns_touching(bbox)
    if not canvas.resample or columns.size == 0 or rows.start == rows.stop:
        return rows, columns
    ny, nx = grid.shape
    rows = slice(max(rows.start - 1, 0), min(rows.stop + 1, ny))
    step = 1 if grid.lon_edges[-1] > grid.lon_edges[0] else -1
    west, east = int(columns[0]) - step, int(columns[-1]) + step
    if grid.is_cyclic:
        west, east = west % nx, east % nx
    for column, before in ((west, True), (east, False)):
        if 0 <= column < nx and column not in columns:
            columns = np.r_[column, columns] if before else np.r_[columns, column]
    return rows, columns


class _SameGrid:
    """A grid whose equality is that of its cells: windows are made anew for each picture."""

    def __init__(self, grid: RectilinearGrid) -> None:
        self.grid = grid
        arrays = (grid.lon, grid.lat, grid.lon_edges, grid.lat_edges)
        self._key = (grid.is_cyclic, grid.hole, *(array.tobytes() for array in arrays))
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameGrid) and self._key == other._key


def plan(grid: RectilinearGrid, canvas: Canvas, kind: str = "continuous") -> Plan:
    """How a picture of a grid is made; the last ones are remembered.

    With more than two cells to a pixel in either direction pixels stand for all the cells whose centres they hold,
    unless `canvas.reduce` says to keep strides. Else they show the nearest cell, or mix the nearest ones if
    `canvas.resample` and the kind allow it: flags and directions have nothing in between.

    Parameters
    ----------
    grid : RectilinearGrid
        The whole grid, or a window that holds the cells of `window_of`.

    Raises
    ------
    TooLarge, InvalidValue
        As `canvas_size` and `picture_bbox`.
    """
    return _plan(_SameGrid(grid), canvas, kind in ("flags", "direction"))


@lru_cache(maxsize=64)
def _plan(same: _SameGrid, canvas: Canvas, discrete: bool) -> Plan:
    grid = same.grid
    bbox = picture_bbox(canvas)
    width, height = canvas_size(grid, canvas)
    lon_edges = bbox.west + bbox.width * np.arange(width + 1) / width
    lons = bbox.west + bbox.width * (np.arange(width) + 0.5) / width
    if canvas.projection == "mercator":
        south, north = mercator_from_latitude([bbox.south, bbox.north])
        lat_edges = latitude_from_mercator(north - (north - south) * np.arange(height + 1) / height)
        lats = latitude_from_mercator(north - (north - south) * (np.arange(height) + 0.5) / height)
    else:
        lat_edges = bbox.north - bbox.height * np.arange(height + 1) / height
        lats = bbox.north - bbox.height * (np.arange(height) + 0.5) / height
    dlon, dlat = grid.cell_size
    crowded = bbox.width / width > _MANY * dlon or float(-np.diff(lat_edges).min(initial=0)) > _MANY * dlat
    method: Literal["nearest", "bilinear", "blocks"] = "nearest"
    if crowded and canvas.reduce == "mean":
        method = "blocks"
    elif canvas.resample and not crowded and not discrete:
        method = "bilinear"
    return Plan(width, height, bbox, method, _rows(grid, lat_edges, lats), _columns(grid, bbox, lon_edges, lons))


def _columns(grid: RectilinearGrid, bbox: BBox, edges: FloatArray, lons: FloatArray) -> Axis:
    size = grid.lon.size
    step = 1 if grid.lon_edges[-1] > grid.lon_edges[0] else -1
    nearest = _every_cell_shown(grid.columns_at, edges, lons, step, size if grid.is_cyclic else 0)
    away = _half_turn(lons - grid.lon[nearest])
    other = nearest + step * np.sign(away).astype(np.int64)
    if grid.is_cyclic:
        other %= size
    other = np.where((other >= 0) & (other < size) & (nearest >= 0), other, nearest)
    if grid.hole is not None:
        # Nothing is mixed across the hole between the two ends of a regional grid.
        beyond = grid.lon > sum(grid.hole) / 2
        other = np.where(beyond[other] == beyond[nearest], other, nearest)
    apart = _half_turn(grid.lon[other] - grid.lon[nearest])
    middle = bbox.west + bbox.width / 2
    return _axis(nearest, other, away, apart, _half_turn(grid.lon - middle), edges - middle)


def _rows(grid: RectilinearGrid, edges: FloatArray, lats: FloatArray) -> Axis:
    step = 1 if grid.lat_edges[-1] > grid.lat_edges[0] else -1
    nearest = _every_cell_shown(grid.rows_at, edges, lats, -step, 0)
    away = lats - grid.lat[nearest]
    other = nearest + step * np.sign(away).astype(np.int64)
    other = np.where((other >= 0) & (other < grid.lat.size) & (nearest >= 0), other, nearest)
    return _axis(nearest, other, away, grid.lat[other] - grid.lat[nearest], -grid.lat, -edges)


def _half_turn(degrees: FloatArray) -> FloatArray:
    """The same angles in [-180, 180)."""
    return np.asarray((degrees + 180.0) % 360.0 - 180.0)


def _axis(
    nearest: IntArray, other: IntArray, away: FloatArray, apart: FloatArray, centers: FloatArray, edges: FloatArray
) -> Axis:
    """An axis from the cells' centres and the pixels' edges along one coordinate that grows with the pixels."""
    weight = np.zeros(nearest.size)
    np.divide(away, apart, out=weight, where=other != nearest)
    order = np.argsort(centers, kind="stable")
    bounds = np.searchsorted(centers[order], edges)
    # A centre on the last edge is inside.
    bounds[-1] = np.searchsorted(centers[order], edges[-1], side="right")
    start, count = bounds[:-1], np.diff(bounds)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    empty = count == 0
    start = np.where(empty, place[nearest], start)
    count = np.where(empty, nearest >= 0, count)
    forward = np.arange(order.size)
    run: slice | IntArray = order
    if np.array_equal(order, forward):
        run = slice(None)
    elif np.array_equal(order, forward[::-1]):
        run = slice(None, None, -1)
    return Axis(nearest, other, np.clip(weight, 0.0, 1.0).astype(np.float32), run, start, count)


def _every_cell_shown(
    cells_at: Callable[[FloatArray], IntArray], edges: FloatArray, centers: FloatArray, step: int, turn: int
) -> IntArray:
    """The cell that each pixel shows: the one under its centre, but none that touches the picture is left out.

    A cell that reaches into the picture by less than half a pixel holds no pixel's centre: the pixel at the edge is
    given to it. So is a pixel that a regional grid ends in. No border between cells moves by more than a pixel, and
    none where cells are smaller than pixels.

    Parameters
    ----------
    cells_at : callable
        The cells that hold some places, -1 for none.
    edges, centers : ndarray of float64, shape (n + 1,) and (n,)
        Places of the pixels.
    step : {1, -1}
        Whether cells are numbered along with the pixels or against them.
    turn : int
        Cells of a whole turn, 0 if the axis has no seam.
    """
    # Just inside, so that a cell that shares no more than an edge does not count.
    inset = np.clip(np.diff(edges) / 2, -3 * TOLERANCE, 3 * TOLERANCE)
    starts, stops = cells_at(edges[:-1] + inset), cells_at(edges[1:] - inset)
    shown = cells_at(centers)
    shown = np.where(shown >= 0, shown, np.maximum(starts, stops))
    breaks = np.flatnonzero(np.diff(shown < 0)) + 1
    for run in np.split(np.arange(shown.size), breaks):
        cells = shown[run]
        if cells[0] < 0:
            continue
        first, last = starts[run[0]], stops[run[-1]]
        first, last = (first if first >= 0 else cells[0]), (last if last >= 0 else cells[-1])
        # Numbered from the first cell on, in the direction of the pixels.
        steps = step * np.diff(np.r_[first, cells, last])
        steps = steps % turn if turn else steps
        needed = int(steps.sum()) + 1
        if (steps < 0).any() or needed > run.size or (turn and needed > turn):
            # Too many cells for the pixels; or first and last are one cell, on both sides of a picture of the world.
            continue
        places, number = np.cumsum(steps)[:-1], np.arange(run.size)
        filled = np.maximum(places, needed - run.size + number)
        filled[0] = 0
        filled = np.minimum.accumulate(filled - number) + number
        if np.abs(filled - places).max() <= 1:
            shown[run] = (first + step * filled) % turn if turn else first + step * filled
    return shown
