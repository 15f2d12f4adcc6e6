"""Where the cells of a field lie, and which of them a place, a box or a pixel means.

A grid keeps its coordinates as the data have them (any orientation, any convention of longitude) and answers in
column and row numbers, so nothing that reads or draws needs to know the convention. `Grid` is what all grids can be
asked; `RectilinearGrid` is here, grids with two-dimensional coordinates are in `service.curvilinear`. How each is
drawn is in `service.resample`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox, wrap180
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.sphere import box_around

__all__ = ["TOLERANCE", "Grid", "RectilinearGrid", "median"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TOLERANCE = 1e-6
"""Degrees (0.1 m) within which two places are the same: what float32 coordinates lose near the equator."""

_WHOLE = 360.0
_BOXES = 64
"""Boxes whose cells are remembered: of one box several aggregates are asked for, and date after date."""
_SEAM = 0.1
"""Part of a cell that may be missing or too much at the seam of a grid that still goes round the earth."""


class Grid(Protocol):
    """Where the cells of a variable lie: whatever its coordinates are like."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        ...

    @property
    def key(self) -> Hashable:
        """Equal for grids of the same cells."""
        ...

    @property
    def is_swath(self) -> bool:
        """Whether the cells are samples of an instrument, whose reach can be chosen."""
        ...

    @property
    def is_smooth(self) -> bool:
        """Whether a pixel can be mixed from the cells around it; else it shows the one that holds it."""
        ...

    @property
    def cell_size(self) -> tuple[float, float]:
        """Typical width and height of a cell in degrees."""
        ...

    @property
    def bbox(self) -> BBox:
        """Extent of the cells, between -180 and 180; `west > east` where it crosses the antimeridian."""
        ...

    def inside(self, bbox: BBox) -> Cells:
        """The cells whose centres lie inside a box, edges included; possibly none."""
        ...

    def touching(self, bbox: BBox) -> Cells:
        """The cells that share more than an edge with a box; possibly none."""
        ...

    def around(self, bbox: BBox, margin: bool = False) -> Cells:
        """The rows and columns that hold all cells touching a box, and with a margin their neighbours."""
        ...

    def strides(self, cells: Cells, pixels: tuple[int, int]) -> tuple[int, int]:
        """Every how many rows and columns suffice for a picture of (height, width) that shows single cells."""
        ...

    def at(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Row and column of the cell that holds a place."""
        ...

    def coordinates(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes as the data have them: of the columns and the rows read, or of all cells read."""
        ...

    def listed(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude of each of the cells that are meant, along the rows."""
        ...

    def part(self, cells: Cells) -> Grid:
        """The grid of the rows and columns that are read; if thinned, with larger cells."""
        ...


@dataclass(frozen=True, eq=False)
class RectilinearGrid:
    """A grid whose longitudes depend on the column alone and latitudes on the row alone.

    Made by `from_centers`; the constructor takes what is already checked.

    Parameters
    ----------
    lon : ndarray of float64, shape (nx,)
        Centres in degrees east, in the order and convention of the data.
    lat : ndarray of float64, shape (ny,)
        Centres in degrees north, in the order of the data.
    lon_edges : ndarray of float64, shape (nx + 1,)
        Edges of the cells, ascending or descending like `lon`, without a jump.
    lat_edges : ndarray of float64, shape (ny + 1,)
        Edges of the cells, within ±90 degrees.
    is_cyclic : bool
        Whether the cells go round the earth; the outer edges are then 360 degrees apart.
    hole : (float, float), optional
        Longitudes between `lon_edges` that no cell covers: in a window over both ends of a regional grid.
    """

    lon: FloatArray
    lat: FloatArray
    lon_edges: FloatArray
    lat_edges: FloatArray
    is_cyclic: bool = False
    hole: tuple[float, float] | None = None
    _boxes: dict[BBox, Cells] = field(default_factory=dict, init=False, repr=False)
    is_swath = False
    is_smooth = True

    @classmethod
    def from_centers(
        cls,
        lon: ArrayLike,
        lat: ArrayLike,
        lon_bounds: ArrayLike | None = None,
        lat_bounds: ArrayLike | None = None,
    ) -> RectilinearGrid:
        """Grid of cells around centres.

        Columns that repeat the first ones after a whole turn (0 … 360) are left out at the end, so that no place is
        counted twice.

        Parameters
        ----------
        lon, lat : array_like, shape (nx,) and (ny,)
            Centres in degrees.
        lon_bounds, lat_bounds : array_like, shape (nx, 2) and (ny, 2), optional
            CF bounds; taken if the cells are contiguous and hold their centres, else edges lie half-way between
            the centres.

        Raises
        ------
        InvalidValue
            When the coordinates are no monotonic degrees.
        """
        lons = _continuous_longitudes(_checked(lon, "longitude", _WHOLE * 2))
        lats = _checked(lat, "latitude", 90.0 + 1e-3)
        if not _is_monotonic(lats):
            raise InvalidValue("the latitudes neither rise nor fall all the way")
        lats = np.clip(lats, -90.0, 90.0)
        columns = int(np.count_nonzero(np.abs(lons - lons[0]) < _WHOLE - TOLERANCE * 10))
        lons = lons[:columns]
        # A lone row or column has the width of the other axis's cells.
        dlon, dlat = _spacing(lons), _spacing(lats)
        lon_edges = _edges_from_bounds(lons, lon_bounds, turn=True)
        if lon_edges is None:
            lon_edges = _edges_between(lons, dlon or dlat or 1.0)
        lat_edges = _edges_from_bounds(lats, lat_bounds, turn=False)
        if lat_edges is None:
            lat_edges = _edges_between(lats, dlat or dlon or 1.0)
        lon_edges, is_cyclic = _closed(lons, lon_edges)
        native = np.array(np.asarray(lon, dtype=np.float64)[:columns])
        return cls(native, lats, lon_edges, np.clip(lat_edges, -90.0, 90.0), is_cyclic)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.lat.size, self.lon.size

    @cached_property
    def cell_size(self) -> tuple[float, float]:
        """Typical width and height of a cell in degrees: the medians."""
        return (
            median(np.abs(np.diff(self.lon_edges))),
            median(np.abs(np.diff(self.lat_edges))),
        )

    @cached_property
    def bbox(self) -> BBox:
        """Extent of the cells, between -180 and 180; `west > east` where it crosses the antimeridian."""
        south, north = sorted((float(self.lat_edges[0]), float(self.lat_edges[-1])))
        span = _WHOLE if self.is_cyclic else float(abs(self.lon_edges[-1] - self.lon_edges[0]))
        return box_around(wrap180(float(self.lon_edges.min())), span, south, north)

    @cached_property
    def key(self) -> Hashable:
        """Equal for grids of the same cells."""
        arrays = (self.lon, self.lat, self.lon_edges, self.lat_edges)
        return self.is_cyclic, self.hole, *(array.tobytes() for array in arrays)

    @cached_property
    def _columns(self) -> IntArray:
        """Columns from west to east."""
        columns = np.arange(self.lon.size)
        return columns if self.lon_edges[-1] > self.lon_edges[0] else columns[::-1]

    @cached_property
    def _rows(self) -> IntArray:
        """Rows from south to north."""
        rows = np.arange(self.lat.size)
        return rows if self.lat_edges[-1] > self.lat_edges[0] else rows[::-1]

    @cached_property
    def _turned_lon(self) -> FloatArray:
        """Centres without a jump, each within its edges, in the order of the data."""
        low = np.minimum(self.lon_edges[:-1], self.lon_edges[1:])
        return np.asarray(low + (self.lon - low + TOLERANCE) % _WHOLE - TOLERANCE)

    @cached_property
    def _from_west(self) -> list[float]:
        """Centres without a jump, from west to east."""
        found: list[float] = self._turned_lon[self._columns].tolist()
        return found

    @cached_property
    def _from_south(self) -> list[float]:
        """Centres from south to north."""
        found: list[float] = self.lat[self._rows].tolist()
        return found

    @cached_property
    def _west_to_east(self) -> tuple[FloatArray, FloatArray]:
        """West and east edge of every cell, from west to east."""
        edges = np.sort(self.lon_edges)
        west, east = edges[:-1].copy(), edges[1:].copy()
        if self.hole is not None:
            first, last = self.hole
            west[(west > first) & (west < last)] = last
            east[(east > first) & (east < last)] = first
        return west, east

    @cached_property
    def _south_to_north(self) -> FloatArray:
        return np.sort(self.lat_edges)

    def columns_at(self, lons: ArrayLike) -> IntArray:
        """Column of the cell that holds each longitude, -1 where there is none.

        A meridian between two cells belongs to the eastern one, the last edge of a regional grid to the last cell.

        Parameters
        ----------
        lons : array_like
            Degrees, in any convention; NaN and infinity are nowhere.
        """
        west, east = self._west_to_east
        with np.errstate(invalid="ignore"):
            offset = (np.asarray(lons, dtype=np.float64) - west[0]) % _WHOLE
        span = east[-1] - west[0]
        if not self.is_cyclic:
            # Just west of the first edge by rounding alone is on it.
            offset = np.where(offset > max(_WHOLE - TOLERANCE, span + TOLERANCE), 0.0, offset)
        place = np.searchsorted(west, west[0] + offset, side="right") - 1
        place = np.clip(place, 0, west.size - 1)
        inside = west[0] + offset <= east[place] + TOLERANCE
        return np.where(inside, self._columns[place], -1)

    def rows_at(self, lats: ArrayLike) -> IntArray:
        """Row of the cell that holds each latitude, -1 where there is none.

        A parallel between two cells belongs to the northern one, the last edge to the last cell.

        Parameters
        ----------
        lats : array_like
            Degrees; NaN is nowhere.
        """
        edges = self._south_to_north
        values = np.asarray(lats, dtype=np.float64)
        place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)
        inside = (values >= edges[0] - TOLERANCE) & (values <= edges[-1] + TOLERANCE)
        return np.where(inside, self._rows[place], -1)

    def columns_in(self, bbox: BBox) -> IntArray:
        """Columns whose centres lie inside a box, edges included, from west to east.

        A box over the seam of the data gives one run, wrapped: `[358, 359, 0, 1]`. A whole turn gives every column
        once, from the box's west on.
        """
        centers = self._from_west
        west = centers[0] + (bbox.west - centers[0]) % _WHOLE
        first = bisect_left(centers, west - TOLERANCE)
        # Those east of the box's west, and those before it a turn on.
        stop, over = len(centers), first
        if not bbox.is_whole_turn:
            east = west + bbox.width + TOLERANCE
            stop, over = bisect_right(centers, east), min(bisect_right(centers, east - _WHOLE), first)
        run = self._columns[first:stop]
        return np.concatenate([run, self._columns[:over]]) if over else run

    def rows_in(self, bbox: BBox) -> slice:
        """Rows whose centres lie inside a box, edges included, in the order of the data."""
        centers = self._from_south
        first, stop = bisect_left(centers, bbox.south - TOLERANCE), bisect_right(centers, bbox.north + TOLERANCE)
        if stop <= first:
            return slice(0, 0)
        return slice(first, stop) if self._rows[-1] else slice(len(centers) - stop, len(centers) - first)

    def columns_touching(self, bbox: BBox) -> IntArray:
        """Columns whose cells share more than an edge with a box, from west to east.

        A box without width touches the cell that holds it. A whole turn gives every column once, from the box's
        west on.
        """
        if bbox.width <= 2 * TOLERANCE:
            column = self.columns_at([bbox.west])
            return column[column >= 0]
        west, east = self._west_to_east
        start = _east_of(west, bbox.west)
        over_west = start + (east - west) > _WHOLE + TOLERANCE
        inside = np.flatnonzero(over_west | (start < bbox.width - TOLERANCE))
        order = np.where(over_west, start - _WHOLE, start)[inside]
        return self._columns[inside[np.argsort(order, kind="stable")]]

    def rows_touching(self, bbox: BBox) -> slice:
        """Rows whose cells share more than an edge with a box, in the order of the data.

        A box without height touches the row that holds it.
        """
        if bbox.height <= 2 * TOLERANCE:
            row = int(self.rows_at(bbox.south))
            return slice(row, row + 1) if row >= 0 else slice(0, 0)
        low = np.minimum(self.lat_edges[:-1], self.lat_edges[1:])
        high = np.maximum(self.lat_edges[:-1], self.lat_edges[1:])
        return _run((low < bbox.north - TOLERANCE) & (high > bbox.south + TOLERANCE))

    def inside(self, bbox: BBox) -> Cells:
        """The cells whose centres lie inside a box, edges included; possibly none."""
        cells = self._boxes.get(bbox)
        if cells is None:
            if len(self._boxes) >= _BOXES:
                self._boxes.clear()
            cells = self._boxes[bbox] = Cells(self.rows_in(bbox), self.columns_in(bbox))
        return cells

    def touching(self, bbox: BBox) -> Cells:
        """The cells that share more than an edge with a box; possibly none."""
        return Cells(self.rows_touching(bbox), self.columns_touching(bbox))

    def around(self, bbox: BBox, margin: bool = False) -> Cells:
        """The cells touching a box, and with a margin their neighbours."""
        cells = self.touching(bbox)
        if not margin or cells.count == 0:
            return cells
        rows, columns = cells.rows, cells.columns
        ny, nx = self.shape
        rows = slice(max(rows.start - 1, 0), min(rows.stop + 1, ny))
        step = 1 if self.lon_edges[-1] > self.lon_edges[0] else -1
        west, east = int(columns[0]) - step, int(columns[-1]) + step
        if self.is_cyclic:
            west, east = west % nx, east % nx
        for column, before in ((west, True), (east, False)):
            if 0 <= column < nx and column not in columns:
                columns = np.r_[column, columns] if before else np.r_[columns, column]
        if columns.size == nx and not self.is_cyclic:
            # A box that starts and ends inside a regional grid: cut there, two neighbours would be none any more.
            columns = self._columns
        return Cells(rows, columns)

    def strides(self, cells: Cells, pixels: tuple[int, int]) -> tuple[int, int]:
        """Every how many rows and columns suffice for a picture of (height, width) that shows single cells."""
        return max(cells.shape[0] // pixels[0], 1), max(cells.shape[1] // pixels[1], 1)

    def at(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Row and column of the cell that holds a place; None where there is none."""
        row, column = int(self.rows_at(lat)), int(self.columns_at(lon))
        return (row, column) if row >= 0 and column >= 0 else None

    def coordinates(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitudes of the columns read and latitudes of the rows read, as the data have them."""
        return self.lon[cells.read_columns], self.lat[cells.read_rows].copy()

    def listed(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude of each cell read, along the rows."""
        lon, lat = self.coordinates(cells)
        return np.tile(lon, lat.size), np.repeat(lat, lon.size)

    def part(self, cells: Cells) -> RectilinearGrid:
        """The grid of the rows and columns that are read; its longitudes rise without a jump."""
        window = self.window(cells.rows, cells.columns)
        if cells.row_step == cells.column_step == 1:
            return window
        return window.coarsen(cells.row_step, cells.column_step)

    def window(self, rows: slice, columns: IntArray) -> RectilinearGrid:
        """The grid of some rows and of a run of columns.

        Parameters
        ----------
        rows : slice
            In the order of the data, without a step.
        columns : ndarray of int64
            From west to east, as `columns_in` and `columns_touching` give them. The longitudes of the window rise
            without a jump.
        """
        place = np.empty_like(self._columns)
        place[self._columns] = np.arange(place.size)
        order = place[columns]
        west, east = (edge[order] for edge in self._west_to_east)
        turns = np.r_[0, np.cumsum(np.diff(west) < 0)] * _WHOLE if order.size else np.zeros(0)
        west, east, lon = west + turns, east + turns, self._turned_lon[columns] + turns
        edges, hole = np.append(west, east[-1:]), None
        gaps = np.flatnonzero(west[1:] - east[:-1] > TOLERANCE)
        if gaps.size:
            hole = float(east[gaps[0]]), float(west[gaps[0] + 1])
            edges[gaps[0] + 1] = sum(hole) / 2
        span = edges[-1] - edges[0] if edges.size else 0.0
        is_cyclic = self.is_cyclic and hole is None and bool(abs(span - _WHOLE) < TOLERANCE)
        start, stop, _ = rows.indices(self.lat.size)
        lat_edges = self.lat_edges[start : max(stop, start) + 1]
        return RectilinearGrid(lon, self.lat[start:stop], edges, lat_edges, is_cyclic, hole)

    def coarsen(self, row_step: int, column_step: int) -> RectilinearGrid:
        """The grid of every n-th row and column, counted from the first.

        Each cell reaches half-way to its neighbours, so what is drawn stays in its place; the outer edges stay.
        """
        return RectilinearGrid(
            self.lon[::column_step],
            self.lat[::row_step],
            _thinned_edges(self.lon_edges, column_step),
            _thinned_edges(self.lat_edges, row_step),
            self.is_cyclic,
            self.hole,
        )


def _checked(values: ArrayLike, what: str, limit: float) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InvalidValue(f"the {what}s are not one row of numbers: their shape is {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidValue(f"some {what}s of the axis are missing")
    if np.abs(array).max() > limit:
        worst = array[np.abs(array).argmax()]
        raise InvalidValue(f"the {what} {worst:g} is no {what} in degrees")
    return array


def _is_monotonic(values: FloatArray) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _continuous_longitudes(lons: FloatArray) -> FloatArray:
    """Longitudes without the jump of a turn: 179, -179 becomes 179, 181."""
    if not _is_monotonic(lons):
        lons = np.unwrap(lons, period=_WHOLE)
        if not _is_monotonic(lons):
            raise InvalidValue("the longitudes neither rise nor fall all the way")
    return lons


def median(values: NDArray[Any]) -> float:
    """`np.median` of numbers in a row, without `numpy.ma`, which numpy's own loads (see `protocol.masks`).

    Examples
    --------
    >>> median(np.array([3.0, 1.0, 2.0, 10.0]))
    2.5
    """
    ordered = np.sort(values)
    half = ordered.size // 2
    if np.isnan(ordered[-1]):
        return float("nan")
    return float(ordered[half] if ordered.size % 2 else (ordered[half - 1] + ordered[half]) / 2)


def _spacing(centers: FloatArray) -> float:
    return median(np.abs(np.diff(centers))) if centers.size > 1 else 0.0


def _edges_between(centers: FloatArray, spacing: float) -> FloatArray:
    """Edges half-way between the centres, the outer ones as far out as the next is in."""
    if centers.size == 1:
        return np.array([centers[0] - spacing / 2, centers[0] + spacing / 2])
    middles = (centers[:-1] + centers[1:]) / 2
    return np.concatenate([[2 * centers[0] - middles[0]], middles, [2 * centers[-1] - middles[-1]]])


def _edges_from_bounds(centers: FloatArray, bounds: ArrayLike | None, turn: bool) -> FloatArray | None:
    """Edges of CF bounds, or None where they are no contiguous cells around the centres."""
    if bounds is None:
        return None
    pairs = np.array(bounds, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[0] < centers.size or pairs.shape[1] != 2:
        return None
    pairs = pairs[: centers.size]
    if not np.isfinite(pairs).all():
        return None
    if turn:
        away = (pairs - centers[:, None] + _WHOLE / 2) % _WHOLE - _WHOLE / 2
        # A cell of half a turn and more has no nearest spelling; such bounds are taken as written.
        pairs = centers[:, None] + away if np.ptp(pairs, axis=1).max() < _WHOLE / 2 or centers.size > 2 else pairs
    pairs.sort(axis=1)
    if centers.size > 1 and centers[1] < centers[0]:
        pairs = pairs[:, ::-1]
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    width = median(high - low)
    slack = max(1e-3 * width, TOLERANCE)
    holds = (low <= centers + slack) & (centers <= high + slack)
    edges = np.append(pairs[:, 0], pairs[-1, 1])
    contiguous = np.abs(pairs[1:, 0] - pairs[:-1, 1]) <= slack
    if width <= 0 or not holds.all() or not contiguous.all() or not _is_monotonic(edges):
        return None
    return edges


def _closed(centers: FloatArray, edges: FloatArray) -> tuple[FloatArray, bool]:
    """Edges exactly a turn apart if the cells go round the earth, and whether they do."""
    span = abs(float(edges[-1] - edges[0]))
    cell = median(np.abs(np.diff(edges)))
    if span < _WHOLE - _SEAM * cell - TOLERANCE:
        return edges, False
    closed = edges.copy()
    sign = 1.0 if edges[-1] > edges[0] else -1.0
    if abs(span - _WHOLE) > TOLERANCE and centers.size > 1:
        # The seam lies half-way between the last centre and the first one a turn on.
        closed[0] = (centers[0] + centers[-1] - sign * _WHOLE) / 2
    closed[-1] = closed[0] + sign * _WHOLE
    return closed, True


def _east_of(lons: FloatArray, west: float) -> FloatArray:
    """Degrees to go east from `west`: from 0 (or less by rounding alone) to 360."""
    offset = (lons - west) % _WHOLE
    return np.where(offset > _WHOLE - TOLERANCE, offset - _WHOLE, offset)


def _run(inside: NDArray[np.bool_]) -> slice:
    """The slice of a mask that is one run."""
    places = np.flatnonzero(inside)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def _thinned_edges(edges: FloatArray, step: int) -> FloatArray:
    size = edges.size - 1
    between = np.arange((step + 1) / 2, size, step)[: (size - 1) // step]
    places = np.concatenate([[0.0], between, [float(size)]])
    return np.asarray(np.interp(places, np.arange(size + 1), edges))
