"""Where the pixels of a picture lie, and which cells of a grid each of them shows.

This is found once for a grid and a canvas and remembered; a picture is then a few passes over the values (see
`service.pixels` and, for grids with two-dimensional coordinates, `service.mosaic`).

A new kind of grid is drawn by two functions registered here: `_native_resolution` and `_planned`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import TooLarge
from datavore_widgets.protocol.geometry import EARTH_RADIUS, BBox, latitude_from_mercator, mercator_from_latitude
from datavore_widgets.protocol.queries import Canvas
from datavore_widgets.service.cache import Memo
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import TOLERANCE, Grid, RectilinearGrid
from datavore_widgets.service.pixels import Axis, Frame, Plan, Separable
from datavore_widgets.service.points import Points
from datavore_widgets.service.sphere import half_turn

__all__ = ["DEFAULT_RESOLUTION", "MAX_PIXELS", "canvas_size", "picture_bbox", "plan", "window_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_PIXELS = 4 * 2**20
"""Most pixels of a picture."""

DEFAULT_RESOLUTION = 1024
"""Most pixels of the longer side where no resolution was asked for."""

_PLAN_BYTES = 64 * 2**20
"""Memory for plans: 16 or more of the largest usual pictures, each of which takes a few MB on a curvilinear grid."""

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


def canvas_size(grid: Grid, canvas: Canvas) -> tuple[int, int]:
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
    resolution = canvas.resolution or min(_native_resolution(grid, bbox, canvas.projection, longer), DEFAULT_RESOLUTION)
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


@singledispatch
def _native_resolution(grid: Grid, bbox: BBox, projection: str, longer: float) -> int:
    """Pixels of the longer side that give each cell at least one, in both directions."""
    raise NotImplementedError(type(grid).__name__)


@_native_resolution.register
def _(grid: Points, bbox: BBox, projection: str, longer: float) -> int:  # noqa: ARG001  points have no size
    return DEFAULT_RESOLUTION


@_native_resolution.register
def _(grid: CurvilinearGrid, bbox: BBox, projection: str, longer: float) -> int:
    side = math.degrees(grid.spacing)
    if projection == "mercator":
        # Where a cell is nearest to the equator it is smallest in the picture.
        south, north = max(bbox.south, grid.bbox.south), min(bbox.north, grid.bbox.north)
        side /= math.cos(math.radians(0.0 if south <= 0 <= north else min(abs(south), abs(north))))
    return math.ceil(longer / side)


@_native_resolution.register
def _(grid: RectilinearGrid, bbox: BBox, projection: str, longer: float) -> int:
    rows, columns = grid.rows_touching(bbox), grid.columns_touching(bbox)
    if columns.size == 0 or rows.start == rows.stop:
        return 1
    dlon, dlat = grid.cell_size
    # Beyond the grid pixels have the same size.
    across = columns.size + math.floor(_bare_longitudes(grid.window(rows, columns), bbox) / dlon + 1e-6)
    south, north = max(bbox.south, grid.bbox.south), min(bbox.north, grid.bbox.north)
    high, covered = (
        _height(BBox(bbox.west, low, bbox.east, top), projection)
        for low, top in ((bbox.south, bbox.north), (south, north))
    )
    down = int(rows.stop - rows.start)
    if projection == "mercator":
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


def window_of(grid: Grid, canvas: Canvas) -> Cells:
    """The rows and columns that a picture needs: cells that touch it or reach it, and for bilinear their neighbours."""
    bbox = picture_bbox(canvas)
    if grid.is_swath and canvas.radius is not None:
        bbox = _wider(bbox, math.degrees(canvas.radius / EARTH_RADIUS))
    elif isinstance(grid, Points):
        pixel = max(bbox.width, bbox.height) / (canvas.resolution or DEFAULT_RESOLUTION)
        from datavore_widgets.service.mosaic import DOT

        bbox = _wider(bbox, (DOT + 1) * pixel)
    return grid.around(bbox, margin=canvas.resample)


def _wider(bbox: BBox, degrees: float) -> BBox:
    """A box with all places that are within some degrees of arc of it."""
    south, north = max(bbox.south - degrees, -90.0), min(bbox.north + degrees, 90.0)
    aside = degrees / max(math.cos(math.radians(max(abs(south), abs(north)))), 1e-9)
    if bbox.width + 2 * aside >= 360.0:
        return BBox(-180.0, south, 180.0, north)
    west, east = bbox.west - aside, bbox.west + bbox.width + aside
    return BBox(float(half_turn(west)), south, float(half_turn(east)), north)


class _SameGrid:
    """A grid whose equality is that of its cells: windows are made anew for each picture."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._hash = hash(grid.key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameGrid) and self.grid.key == other.grid.key


def plan(grid: Grid, canvas: Canvas, kind: str = "continuous") -> Plan:
    """How a picture of a grid is made; the last ones are remembered.

    With more than two cells to a pixel in either direction pixels stand for all the cells whose centres they hold,
    unless `canvas.reduce` says to keep strides. Else they show the nearest cell, or mix the nearest ones if
    `canvas.resample` and the kind allow it: flags and directions have nothing in between.

    Parameters
    ----------
    grid : Grid
        The whole grid, or the part of it that `window_of` tells.

    Raises
    ------
    TooLarge, InvalidValue
        As `canvas_size` and `picture_bbox`.
    """
    discrete = kind in ("flags", "direction")
    return _plans.get((_SameGrid(grid), canvas, discrete), lambda _: _planned(grid, canvas, discrete))


_plans: Memo[Plan] = Memo(_PLAN_BYTES, lambda plan: plan.nbytes)


def frame_of(grid: Grid, canvas: Canvas) -> Frame:
    """The pixels of a picture."""
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
    return Frame(bbox, lon_edges, lat_edges, lons, lats)


@singledispatch
def _planned(grid: Grid, canvas: Canvas, discrete: bool) -> Plan:
    """How a picture is made, found anew."""
    raise NotImplementedError(type(grid).__name__)


@_planned.register
def _(grid: CurvilinearGrid, canvas: Canvas, discrete: bool) -> Plan:  # noqa: ARG001  nothing is mixed anyway
    # Here, not at the top: pictures of regular grids, the first of a process among them, need no polygons.
    from datavore_widgets.service.mosaic import Mosaic

    return Mosaic.of(grid, frame_of(grid, canvas), canvas)


@_planned.register
def _(grid: RectilinearGrid, canvas: Canvas, discrete: bool) -> Plan:
    frame = frame_of(grid, canvas)
    dlon, dlat = grid.cell_size
    crowded = (
        frame.bbox.width / frame.width > _MANY * dlon or float(-np.diff(frame.lat_edges).min(initial=0)) > _MANY * dlat
    )
    method: Literal["nearest", "bilinear", "blocks"] = "nearest"
    if crowded and canvas.reduce == "mean":
        method = "blocks"
    elif canvas.resample and not crowded and not discrete:
        method = "bilinear"
    rows = _rows(grid, frame.lat_edges, frame.lats)
    columns = _columns(grid, frame.bbox, frame.lon_edges, frame.lons)
    return Separable(frame.width, frame.height, frame.bbox, method, rows, columns)


def _columns(grid: RectilinearGrid, bbox: BBox, edges: FloatArray, lons: FloatArray) -> Axis:
    size = grid.lon.size
    step = 1 if grid.lon_edges[-1] > grid.lon_edges[0] else -1
    nearest = _every_cell_shown(grid.columns_at, edges, lons, step, size if grid.is_cyclic else 0)
    away = half_turn(lons - grid.lon[nearest])
    other = nearest + step * np.sign(away).astype(np.int64)
    if grid.is_cyclic:
        other %= size
    other = np.where((other >= 0) & (other < size) & (nearest >= 0), other, nearest)
    if grid.hole is not None:
        # Nothing is mixed across the hole between the two ends of a regional grid.
        beyond = grid.lon > sum(grid.hole) / 2
        other = np.where(beyond[other] == beyond[nearest], other, nearest)
    apart = half_turn(grid.lon[other] - grid.lon[nearest])
    middle = bbox.west + bbox.width / 2
    return _axis(nearest, other, away, apart, half_turn(grid.lon - middle), edges - middle)


def _rows(grid: RectilinearGrid, edges: FloatArray, lats: FloatArray) -> Axis:
    step = 1 if grid.lat_edges[-1] > grid.lat_edges[0] else -1
    nearest = _every_cell_shown(grid.rows_at, edges, lats, -step, 0)
    away = lats - grid.lat[nearest]
    other = nearest + step * np.sign(away).astype(np.int64)
    other = np.where((other >= 0) & (other < grid.lat.size) & (nearest >= 0), other, nearest)
    return _axis(nearest, other, away, grid.lat[other] - grid.lat[nearest], -grid.lat, -edges)


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
