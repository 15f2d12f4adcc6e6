"""From the cells of a grid to the pixels of a picture.

Everything is separable: what a row of pixels takes from the rows of cells and what a column takes from the columns
is found once, for one axis at a time, and remembered; a picture is then a few passes of numpy. Each of the three
ways (`Nearest`, `Bilinear`, `Blocks`) turns values into levels where the fewest numbers have to be touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import TooLarge
from datavore_widgets.protocol.geometry import BBox, latitude_from_mercator, mercator_from_latitude
from datavore_widgets.protocol.queries import Canvas
from datavore_widgets.service.grid import TOLERANCE, RectilinearGrid

__all__ = ["DEFAULT_RESOLUTION", "MAX_PIXELS", "Plan", "canvas_size", "picture_bbox", "plan", "window_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LevelArray = NDArray[np.uint8]
ValueArray = NDArray[Any]
ToLevels = Callable[[ValueArray], LevelArray]
"""Values of any shape to places in the palette, 0 for missing; one value does not depend on another."""

MAX_PIXELS = 4 * 2**20
"""Most pixels of a picture."""

DEFAULT_RESOLUTION = 1024
"""Most pixels of the longer side where no resolution was asked for."""

_MANY = 2.0 * (1 + 1e-6)
"""Cells to a pixel above which pixels stand for several cells."""

_BLOCK = 1 << 17
"""Numbers worked on at a time: what stays in a processor's cache through several passes."""


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
    dlon, dlat = grid.cell_size
    touched = grid.rows_touching(bbox)
    columns = grid.columns_touching(bbox).size
    if canvas.projection == "mercator":
        # A row is lowest where it is nearest to the equator.
        nearest = 0.0 if bbox.south <= 0 <= bbox.north else min(abs(bbox.south), abs(bbox.north))
        dlat /= math.cos(math.radians(nearest))
    wide, high = bbox.width, _height(bbox, canvas.projection)
    # The part beyond the grid has pixels of the same size.
    across = max(columns, math.ceil(wide / dlon - 1e-6), 1) * longer / wide
    down: float = max(touched.stop - touched.start, math.ceil(high / dlat - 1e-6), 1) * longer / high
    # A whole number of pixels on the shorter side too.
    return math.ceil(max(across, down) - 1e-6)


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


@dataclass(frozen=True, eq=False)
class Axis:
    """What the pixels along one axis take from the cells along it, n pixels from the west or from the north.

    Parameters
    ----------
    nearest : ndarray of int64, shape (n,)
        The cell that each pixel shows, -1 for none.
    other : ndarray of int64, shape (n,)
        The neighbour to mix in; the same cell where there is none.
    weight : ndarray of float32, shape (n,)
        Of the neighbour, 0 to 1; it falls to 0 at the cell's centre.
    order : slice or ndarray of int64
        The cells from west to east or from north to south.
    start, count : ndarray of int64, shape (n,)
        The run of cells, in that order, that have their centres in each pixel; the cell that holds the pixel where
        there are none.
    """

    nearest: IntArray
    other: IntArray
    weight: NDArray[np.float32]
    order: slice | IntArray
    start: IntArray
    count: IntArray

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.nearest.size

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels with no cell, None if every pixel has one."""
        outside = self.nearest < 0
        return outside if outside.any() else None


@dataclass(frozen=True, eq=False)
class Plan:
    """How a picture is made: its size, its place, and where each pixel comes from."""

    width: int
    height: int
    bbox: BBox
    method: Literal["nearest", "bilinear", "blocks"]
    rows: Axis
    columns: Axis

    def nearest(self, values: ValueArray, to_levels: ToLevels) -> LevelArray:
        """Each pixel shows one cell.

        Parameters
        ----------
        values : ndarray, shape (ny, nx)
            As many as the grid has cells.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            Levels; 0 where there is no cell or no value.
        """
        # Whole rows are cheap to move, single values are not: rows are dropped first and doubled last.
        fewer_rows = self.height < values.shape[0]
        if fewer_rows:
            values = values.take(self.rows.nearest, axis=0, mode="clip")
        if self.width < values.shape[1]:
            levels = to_levels(values.take(self.columns.nearest, axis=1, mode="clip"))
        else:
            levels = to_levels(values).take(self.columns.nearest, axis=1, mode="clip")
        if not fewer_rows:
            levels = levels.take(self.rows.nearest, axis=0, mode="clip")
        return self._without_outside(levels)

    def _without_outside(self, levels: LevelArray) -> LevelArray:
        if (outside := self.rows.outside) is not None:
            levels[outside] = 0
        if (outside := self.columns.outside) is not None:
            levels[:, outside] = 0
        return levels

    def bilinear(self, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> LevelArray:
        """Each pixel mixes the four cells around it, those that have a value; it is missing where its own cell is.

        Parameters and the return value are those of `nearest`; NaN is missing.
        """
        across, down = self.columns, self.rows
        valid = values == values
        mixed = np.empty((values.shape[0], self.width), dtype=values.dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            for band in _bands(values.shape[0], self.width):
                own = values[band].take(across.nearest, axis=1, mode="clip")
                other = values[band].take(across.other, axis=1, mode="clip")
                other -= own
                other *= across.weight
                np.add(own, other, out=mixed[band])
            levels = np.empty((self.height, self.width), dtype=np.uint8)
            weight = down.weight[:, None]
            for band in _bands(self.height, self.width):
                own = mixed.take(down.nearest[band], axis=0, mode="clip")
                other = mixed.take(down.other[band], axis=0, mode="clip")
                other -= own
                other *= weight[band]
                own += other
                levels[band] = to_levels(own)
        if not valid.all():
            self._mend(levels, values, valid, to_levels)
        return self._without_outside(levels)

    def _mend(
        self,
        levels: LevelArray,
        values: NDArray[np.floating[Any]],
        valid: NDArray[np.bool_],
        to_levels: ToLevels,
    ) -> None:
        """Give the pixels that have a value of their own but a neighbour without one what the others make."""
        across, down = self.columns, self.rows
        own = valid.take(across.nearest, axis=1, mode="clip").take(down.nearest, axis=0, mode="clip")
        y, x = np.divmod(np.flatnonzero((levels == 0) & own), self.width)
        total, weights = np.zeros((2, y.size))
        with np.errstate(invalid="ignore"):
            for row, wy in ((down.nearest, 1.0 - down.weight), (down.other, down.weight)):
                for column, wx in ((across.nearest, 1.0 - across.weight), (across.other, across.weight)):
                    here = row[y], column[x]
                    weight = wy[y].astype(np.float64) * wx[x]
                    used = valid[here] & (weight > 0)
                    total[used] += values[here][used] * weight[used]
                    weights[used] += weight[used]
            mended = to_levels(total / weights)
        # Infinities of both signs cancel out: then the pixel shows its own cell.
        undecided = mended == 0
        mended[undecided] = to_levels(values[down.nearest[y[undecided]], across.nearest[x[undecided]]])
        levels[y, x] = mended

    def means(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Mean of the valid cells of each pixel.

        Parameters
        ----------
        values : ndarray of float32 or float64, shape (ny, nx)
            NaN is missing.

        Returns
        -------
        ndarray, shape (height, width)
            NaN where a pixel has no valid cell.
        """
        down, across = self.rows, self.columns
        ordered = _ordered(values, down, across)
        # Sums of many in float32 would show: from here on float64.
        kind = np.float32 if values.dtype == np.float32 and down.count.max(initial=0) <= 32 else np.float64
        means = np.empty((self.height, self.width), dtype=kind)
        whole = (down.count[:, None] * across.count).astype(kind)
        with np.errstate(invalid="ignore", over="ignore"):
            for band in self._bands_over(ordered):
                cells, start = _cells_of(ordered, down, band)
                valid = cells == cells
                if valid.all():
                    sums, counts = cells, whole[band]
                else:
                    nought = np.zeros_like(cells)
                    # A missing value becomes 0; twice as fast as choosing.
                    sums = np.fmax(cells, nought) + np.fmin(cells, nought)
                    counts = _box_sums(valid.view(np.uint8), start, down.count[band], across, self._counting)
                    counts = counts.astype(kind)
                sums = _box_sums(sums, start, down.count[band], across, kind)
                np.divide(sums, counts, out=means[band])
        return means

    def modes(self, levels: LevelArray) -> LevelArray:
        """Most frequent level of the valid cells of each pixel, the lowest of equally frequent ones.

        Parameters
        ----------
        levels : ndarray of uint8, shape (ny, nx)
            0 is missing.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            0 where a pixel has no valid cell.
        """
        down, across = self.rows, self.columns
        ordered = _ordered(levels, down, across)
        counting = self._counting
        modes = np.zeros((self.height, self.width), dtype=np.uint8)
        for band in self._bands_over(ordered):
            cells, start = _cells_of(ordered, down, band)
            most = np.zeros(modes[band].shape, dtype=counting)
            for level in np.flatnonzero(np.bincount(cells.ravel(), minlength=1)):
                if level == 0:
                    continue
                counts = _box_sums((cells == level).view(np.uint8), start, down.count[band], across, counting)
                better = counts > most
                most[better] = counts[better]
                modes[band][better] = level
        return modes

    @property
    def _counting(self) -> type[np.unsignedinteger[Any]]:
        """What holds the number of cells in a pixel."""
        most = int(self.rows.count.max(initial=0) * self.columns.count.max(initial=0))
        return np.uint8 if most < 2**8 else np.uint32

    def _bands_over(self, ordered: ValueArray) -> list[slice]:
        """Bands of pixel rows whose cells fit the processor's cache."""
        return _bands(self.height, ordered.shape[1] * math.ceil(self.rows.count.mean()))


def _bands(rows: int, width: int) -> list[slice]:
    """Bands of rows with about `_BLOCK` numbers each."""
    height = max(1, _BLOCK // max(width, 1))
    return [slice(first, min(first + height, rows)) for first in range(0, rows, height)]


def _ordered(values: ValueArray, down: Axis, across: Axis) -> ValueArray:
    """The same cells from north to south and from west to east; a view where that is possible."""
    return values[down.order][:, across.order]


def _cells_of(ordered: ValueArray, down: Axis, band: slice) -> tuple[ValueArray, IntArray]:
    """The rows of cells behind a band of pixel rows, and where each pixel row starts in them."""
    start, stop = down.start[band], down.start[band] + down.count[band]
    first = int(start.min())
    return ordered[first : int(stop.max())], start - first


def _box_sums(cells: ValueArray, start: IntArray, count: IntArray, across: Axis, kind: type[Any]) -> ValueArray:
    """Sum of the run of rows and the run of columns behind each pixel, shape (rows, width)."""
    rows = np.empty((start.size, cells.shape[1]), dtype=kind)
    for row, first, many in zip(rows, start.tolist(), count.tolist(), strict=True):
        np.add.reduce(cells[first : first + many], axis=0, dtype=kind, out=row)
    return _run_sums(rows, across.start, across.count)


def _run_sums(rows: ValueArray, start: IntArray, count: IntArray) -> ValueArray:
    """Sum of a run of columns for each pixel: sums of 1, 2, 4 … columns, as the bits of the run's length say.

    Twice as fast as `np.add.reduceat`, which has no empty or overlapping runs either; and pairwise, so exact enough.
    """
    sums = np.zeros((rows.shape[0], start.size), dtype=rows.dtype)
    place, length, longest = start.copy(), 1, int(count.max(initial=0))
    while True:
        having = np.flatnonzero(count & length)
        if having.size == start.size:
            sums += rows.take(place, axis=1, mode="clip")
            place += length
        elif having.size:
            sums[:, having] += rows.take(place[having], axis=1, mode="clip")
            place[having] += length
        length *= 2
        if length > longest:
            return sums
        rows = rows[:, : -length // 2] + rows[:, length // 2 :]


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
    inset = min(3 * TOLERANCE, lons[0] - edges[0])
    under = (grid.columns_at(places) for places in (edges[:-1] + inset, lons, edges[1:] - inset))
    nearest = _every_cell_shown(*under, step, size if grid.is_cyclic else 0)
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
    inset = min(3 * TOLERANCE, float(np.abs(np.diff(edges)).min()) / 2)
    under = (grid.rows_at(places) for places in (edges[:-1] - inset, lats, edges[1:] + inset))
    nearest = _every_cell_shown(*under, -step, 0)
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


def _every_cell_shown(starts: IntArray, centers: IntArray, stops: IntArray, step: int, turn: int) -> IntArray:
    """The cell that each pixel shows: the one under its centre, but none that touches the picture is left out.

    A cell that reaches into the picture by less than half a pixel holds no pixel's centre: the pixel at the edge is
    given to it. So is a pixel that a regional grid ends in. No border between cells moves by more than a pixel, and
    none where cells are smaller than pixels.

    Parameters
    ----------
    starts, centers, stops : ndarray of int64, shape (n,)
        The cells under each pixel's first edge, centre and last edge, -1 for none.
    step : {1, -1}
        Whether cells are numbered along with the pixels or against them.
    turn : int
        Cells of a whole turn, 0 if the axis has no seam.
    """
    shown = np.where(centers >= 0, centers, np.maximum(starts, stops))
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
