"""Grids with two-dimensional coordinates, and swaths: each cell has a place and corners of its own.

Cells are convex polygons on the sphere (see `service.polygons`): a place, a pixel and a box find the same cell. The
coordinates stay as the data have them; a cell whose coordinates are missing or no degrees is none, and of cells that
lie at the same place (the repeated columns and the folded row of ORCA grids) one alone counts.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.corners import Corners, EstimatedCorners, ToldCorners
from datavore_widgets.service.grid import TOLERANCE
from datavore_widgets.service.measures import Areas
from datavore_widgets.service.sphere import box_around, half_turn, longitudes_around, reach_of, vectors_of

__all__ = ["CurvilinearGrid"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BAND = 1 << 18
"""Cells whose corners are looked at at a time: it bounds the memory that this takes beside the result."""

_LARGEST_LONGITUDE = 720.0

_SAME = 1e-8
"""Radians (6 cm) within which two centres are the same: what float32 coordinates lose is 10 times as much, but equal
places are written equally."""

_SAMPLED = 16, 256
"""Rows, and cells in each of them, that what is typical of a grid is found from."""

_ROUND = 1e-6
"""Degrees by which reach is larger, for rounding."""

_REMEMBERED = 8
"""Boxes for which the cells touching them are remembered."""

_BENT = 75.0
"""Degrees of latitude beyond which sides are not as good as straight in longitude and latitude."""

_FAR = 8.0
"""Times the typical cell that a told corner may be away before it is estimated instead."""


@dataclass(frozen=True, eq=False)
class CurvilinearGrid:
    """A grid whose longitudes and latitudes depend on row and column.

    Made by `from_centers`; the constructor takes what is already checked.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (ny, nx)
        Centres in degrees, in the order and convention of the data; NaN where a cell has no place.
    valid : ndarray of bool, shape (ny, nx)
        The cells that count: those with a place that is not another's.
    key : hashable
        Equal for grids of the same cells.
    is_swath : bool
        Whether the cells are samples along the track of an instrument, whose reach can be chosen.
    wrap : int, optional
        For a grid that goes round the earth: how many columns at the end repeat the first ones. None: it does not.
    known_reach : float, optional
        Its `reach`, where that was found out before.
    areas : Areas, optional
        Those that the data tell; corners decide where cells are, and which part of one lies in a box.
    is_mesh : bool
        Whether cells are listed in any order, of any size, each with its corners.
    """

    lon: FloatArray
    lat: FloatArray
    valid: BoolArray
    key: Hashable
    is_swath: bool = False
    wrap: int | None = None
    known_reach: float | None = None
    is_smooth = False
    areas: Areas | None = None
    is_mesh: bool = False
    _told: tuple[FloatArray, FloatArray] | None = None
    _within: tuple[CurvilinearGrid, IntArray] | None = None
    _touching: dict[BBox, Cells] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def from_centers(
        cls,
        lon: ArrayLike,
        lat: ArrayLike,
        lon_bounds: ArrayLike | None = None,
        lat_bounds: ArrayLike | None = None,
        *,
        is_swath: bool = False,
        is_mesh: bool = False,
        reach: float | None = None,
        areas: Areas | None = None,
    ) -> CurvilinearGrid:
        """Grid of cells around centres.

        Parameters
        ----------
        lon, lat : array_like, shape (ny, nx)
            Centres in degrees.
        lon_bounds, lat_bounds : array_like, shape (ny, nx, 4), of a mesh (ny, nx, 4 or more), optional
            CF bounds: the corners around each cell. Where they are missing or far from the cell, and if they are not
            given at all, corners lie half-way between the centres.
        is_swath : bool
            Whether these are samples along a track: then cells at the same place are different samples.
        is_mesh : bool
            Whether cells are listed in any order: their neighbours in the arrays are not those on the earth.
        reach : float, optional
            Its `reach`, where that was found out before.
        areas : Areas, optional
            Those that the data tell.

        Raises
        ------
        InvalidValue
            When the coordinates are no two arrays of degrees of one shape.
        """
        lons, lats = np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64)
        if lons.ndim != 2 or lons.shape != lats.shape or lons.size == 0:
            raise InvalidValue(f"the longitudes have the shape {lons.shape}, the latitudes {lats.shape}")
        with np.errstate(invalid="ignore"):
            bad = ~((np.abs(lons) <= _LARGEST_LONGITUDE) & (np.abs(lats) <= 90.0 + 1e-3))
        if bad.all():
            raise InvalidValue("none of its cells has a place in degrees")
        lons[bad] = lats[bad] = np.nan
        np.clip(lats, -90.0, 90.0, out=lats)
        told = None
        if lon_bounds is not None and lat_bounds is not None:
            told = np.asarray(lon_bounds, dtype=np.float64), np.asarray(lat_bounds, dtype=np.float64)
            told = told if all(pair.shape == (*lons.shape, 4) or is_mesh for pair in told) else None
        digest = hashlib.blake2b(digest_size=16)
        for array in (lons, lats, *(told or ()), *(() if areas is None else (areas.steradians,))):
            digest.update(np.ascontiguousarray(array).data)
        key = digest.digest(), lons.shape, is_swath, is_mesh, "" if areas is None else areas.source
        if (known := _known.get(key)) is not None:
            return known
        valid, wrap = ~bad, None
        if not (is_swath or is_mesh):
            valid &= ~_repeated(lons, lats)
            wrap = _wrapped_columns(lons, lats)
        grid = cls(lons, lats, valid, key, is_swath, wrap, reach, areas, is_mesh, told)
        _known[key] = grid
        return grid

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        ny, nx = self.lon.shape
        return ny, nx

    @property
    def corners_are_told(self) -> bool:
        """Whether the data tell the corners of its cells."""
        return self._told is not None

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps, or will when it has been drawn; corners are remembered elsewhere."""
        told = 0 if self._told is None else 4 * self._told[0].nbytes
        return (2 if self.areas is None else 3) * self.lon.nbytes + (1 + _REMEMBERED // 2) * self.lon.size + told

    @cached_property
    def corners(self) -> Corners:
        """The corners of all cells, valid or not: those without a place have NaN."""
        with self._lock:
            if self._within is not None:
                parent, cells = self._within
                return _Part(parent.corners, cells)
            if self._told is None:
                return self._estimated()
            # Cells of a mesh are of any size, and their neighbours are not known: what is told counts.
            estimate = None if self.is_mesh else self._estimated
            return _mended(self.lon.ravel(), self.lat.ravel(), self._told, estimate)

    def _estimated(self) -> Corners:
        return EstimatedCorners(self.lon, self.lat, self.wrap)

    @cached_property
    def reach(self) -> float:
        """Radians within which all of a cell lies from its centre; that of the whole for a part."""
        if self._within is not None:
            return self._within[0].reach
        return self.corners.reach if self.known_reach is None else self.known_reach

    def extents(self, cells: IntArray) -> FloatArray:
        """West and east edge of some cells as degrees from their centres, south and north edge; shape (4, n).

        A cell that holds a pole, or reaches more than a quarter of a turn to a side, reaches all around.
        """
        extents = np.empty((4, cells.size))
        for first in range(0, cells.size, _BAND):
            some = slice(first, first + _BAND)
            extents[:, some] = self._extents_of(cells[some])
        return extents

    def _extents_of(self, cells: IntArray) -> FloatArray:
        lon, lat = self.lon.ravel()[cells], self.lat.ravel()[cells]
        corner_lon, corner_lat = self.corners.degrees(cells)
        away = half_turn(corner_lon - lon)
        west, east = away.min(axis=0), away.max(axis=0)
        # A great circle between two places of one latitude bulges to tan φ' = tan φ / cos(Δλ / 2) half-way.
        half = np.cos(np.radians(np.minimum(east - west, 179.0) / 2))
        south, north = corner_lat.min(axis=0), corner_lat.max(axis=0)
        for edge, bent in ((south, south < 0), (north, north > 0)):
            edge[bent] = np.degrees(np.arctan(np.tan(np.radians(edge[bent])) / half[bent]))
        around = np.flatnonzero(np.maximum(-west, east) > 90.0)
        west[around], east[around] = -180.0, 180.0
        polar = around[np.abs(lat[around]) > 45.0]
        north[polar[lat[polar] > 0]] = 90.0
        south[polar[lat[polar] < 0]] = -90.0
        return np.stack([west, east, south, north])

    @cached_property
    def cell_size(self) -> tuple[float, float]:
        """Typical width and height of a cell in degrees: the medians."""
        west, east, south, north = np.concatenate([self.extents(run) for run in self._some], axis=1)
        return float(np.median(east - west)), float(np.median(north - south))

    @cached_property
    def spacing(self) -> float:
        """Typical side of a cell in radians; that of the whole for a part, so that it is the same in every view."""
        if self._within is not None:
            return self._within[0].spacing
        corners = np.concatenate([self.corners.vectors(run) for run in self._some], axis=2)
        sides = corners - np.roll(corners, -1, axis=1)
        return float(np.median(np.sqrt((sides**2).sum(axis=0))))

    @cached_property
    def _some(self) -> list[IntArray]:
        """A sample of the valid cells, row by row."""
        rows = np.flatnonzero(self.valid.any(axis=1))
        rows = rows[np.unique(np.linspace(0, rows.size - 1, _SAMPLED[0]).round().astype(np.int64))]
        runs = [np.flatnonzero(self.valid[row]) + row * self.shape[1] for row in rows]
        return [run[:: max(1, run.size // (_SAMPLED[1] if rows.size > 1 else 4096))] for run in runs]

    @cached_property
    def bbox(self) -> BBox:
        """Extent of the cells, between -180 and 180; `west > east` where it crosses the antimeridian.

        With a pole inside it is a whole turn.
        """
        cells = np.flatnonzero(self.valid)
        west, east, south, north = self.extents(cells)
        lon = self.lon.ravel()[cells]
        low, high = max(float(south.min()), -90.0), min(float(north.max()), 90.0)
        start, width = longitudes_around(lon + west, lon + east)
        return box_around(start, width, low, high)

    def centers(self, cells: IntArray) -> FloatArray:
        """Unit vectors of the centres of some cells by flat number, shape (3, n)."""
        return vectors_of(self.lon.ravel()[cells], self.lat.ravel()[cells])

    def at(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Row and column of the cell that holds a place; of several the one whose centre is nearest."""
        from datavore_widgets.service.polygons import edges_of

        around = self.near(BBox(lon, lat, lon, lat))
        edges = edges_of(self.corners.vectors(around), around)
        place = vectors_of(lon, lat)
        found = np.unique(edges.owner[edges.hold(place)])
        if found.size == 0:
            return None
        row, column = divmod(int(found[np.argmax(place @ self.centers(found))]), self.shape[1])
        return row, column

    def near(self, bbox: BBox) -> IntArray:
        """The valid cells, by flat number, that may share more than an edge with a box: those within reach of it."""
        up = np.degrees(self.reach) + _ROUND
        with np.errstate(invalid="ignore"):
            near = np.flatnonzero(self.valid & (self.lat >= bbox.south - up) & (self.lat <= bbox.north + up))
        if bbox.is_whole_turn:
            return near
        _, aside = reach_of(self.lat.ravel()[near], self.reach)
        offset = (self.lon.ravel()[near] - bbox.west) % 360.0
        return near[(offset <= bbox.width + aside + _ROUND) | (offset >= 360.0 - aside - _ROUND)]

    def inside(self, bbox: BBox) -> Cells:
        """The cells whose centres lie inside a box, edges included."""
        return self._cells(self._holds_center(bbox))

    def _holds_center(self, bbox: BBox) -> BoolArray:
        with np.errstate(invalid="ignore"):
            inside = self.valid & (self.lat >= bbox.south - TOLERANCE) & (self.lat <= bbox.north + TOLERANCE)
            if not bbox.is_whole_turn:
                offset = (self.lon - bbox.west) % 360.0
                inside &= (offset <= bbox.width + TOLERANCE) | (offset >= 360.0 - TOLERANCE)
        return inside

    def touching(self, bbox: BBox) -> Cells:
        """The cells that share more than an edge with a box. A box without an area touches the cell that holds it.

        The last answers are remembered: a picture asks for the same box in every colour.
        """
        with self._lock:
            if (known := self._touching.get(bbox)) is None:
                while len(self._touching) >= _REMEMBERED:
                    del self._touching[next(iter(self._touching))]
                known = self._touching[bbox] = self._found_touching(bbox)
            return known

    def _found_touching(self, bbox: BBox) -> Cells:
        touching = self._holds_center(bbox).ravel()
        near = self.near(bbox)
        near = near[~touching[near]]
        west, east, south, north = self.extents(near)
        met = (south < bbox.north + TOLERANCE) & (north > bbox.south - TOLERANCE)
        start = (self.lon.ravel()[near] + west - bbox.west) % 360.0
        met &= (start < bbox.width + TOLERANCE) | (start + east - west > 360.0 - TOLERANCE) | bbox.is_whole_turn
        near = near[met]
        touching[near[self._share(near, bbox)]] = True
        return self._cells(touching.reshape(self.shape))

    def around(self, bbox: BBox, margin: bool = False) -> Cells:  # noqa: ARG002  nothing is mixed from neighbours
        """The rows and columns around the cells touching a box."""
        return replace(self.touching(bbox), mask=None)

    def strides(self, cells: Cells, pixels: tuple[int, int]) -> tuple[int, int]:  # noqa: ARG002
        """Every row and column: a pixel shows the cell that holds it, wherever rows and columns lead."""
        return 1, 1

    def _share(self, cells: IntArray, bbox: BBox) -> BoolArray:
        """Which of some cells whose extents meet a box meet it themselves.

        They do not where an edge of theirs lies between: the sides taken as straight in longitude and latitude, which
        a cell that does not reach around is as good as, away from the poles.
        """
        lon, lat = self.corners.degrees(cells)
        center = self.lon.ravel()[cells]
        x = half_turn(lon - center)
        # Near a pole the sides bend: such a cell is taken by its extent.
        around = (np.maximum(-x.min(axis=0), x.max(axis=0)) > 90.0) | (np.abs(lat).max(axis=0) > _BENT)
        # The box in degrees from the cell's centre, on the side where the cell is.
        left = half_turn(bbox.west + bbox.width / 2 - center) - bbox.width / 2
        box_x = np.stack([left, left + bbox.width, left + bbox.width, left])
        box_y = np.array([bbox.south, bbox.south, bbox.north, bbox.north])
        next_x, next_lat = np.roll(x, -1, axis=0), np.roll(lat, -1, axis=0)
        turn = (x * next_lat - next_x * lat).sum(axis=0)
        apart = np.zeros(cells.size, dtype=bool)
        for k in range(len(x)):
            dx, dy = next_x[k] - x[k], next_lat[k] - lat[k]
            side = dx * (box_y[:, None] - lat[k]) - dy * (box_x - x[k])
            corner_side = dx * (lat - lat[k]) - dy * (x - x[k])
            sign = np.sign(turn)
            length = np.hypot(dx, dy)
            # Only where the whole cell lies on the inner side of this edge does the edge part them.
            convex = (corner_side * sign).min(axis=0) >= -TOLERANCE * length
            apart |= convex & ((side * sign).max(axis=0) <= TOLERANCE * length) & (length > 0)
        if bbox.width + 180.0 > 360.0:
            # Such a box may meet a cell from both sides.
            apart[:] = False
        return np.asarray(around | ~apart)

    def _cells(self, meant: BoolArray) -> Cells:
        """Some cells: the rows and columns around them, and which they are there."""
        rows, columns = np.flatnonzero(meant.any(axis=1)), np.flatnonzero(meant.any(axis=0))
        if rows.size == 0:
            return Cells.none()
        run = np.arange(columns[0], columns[-1] + 1)
        if self.wrap is not None:
            size = self.shape[1]
            gaps = np.diff(np.append(columns, columns[0] + size))
            cut = int(np.argmax(gaps))
            if cut < columns.size - 1:
                # Over the seam: one run, wrapped.
                run = np.arange(columns[cut + 1], columns[cut] + size + 1) % size
        span = slice(int(rows[0]), int(rows[-1]) + 1)
        mask = meant[span][:, run]
        return Cells(span, run, mask=None if mask.all() else mask)

    def coordinates(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of some cells as the data have them, each of the shape of `cells`."""
        lon, lat = (array[cells.read_rows].take(cells.read_columns, axis=1) for array in (self.lon, self.lat))
        return lon, lat

    def listed(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the cells that are meant, one behind the other."""
        lon, lat = self.coordinates(cells)
        return cells.flat(lon), cells.flat(lat)

    def part(self, cells: Cells) -> CurvilinearGrid:
        """The grid of some rows and columns; of every n-th of them with larger cells, half-way to each other."""
        if cells.shape == self.shape and cells.columns[0] == 0:
            return self
        lon, lat = self.coordinates(cells)
        rows, columns = np.arange(self.shape[0])[cells.read_rows], cells.read_columns
        key = self.key, cells.rows.start, cells.rows.stop, cells.row_step, cells.column_step, columns.tobytes()
        valid = self.valid[np.ix_(rows, columns)]
        if cells.row_step > 1 or cells.column_step > 1:
            return CurvilinearGrid(lon, lat, valid, key, self.is_swath)
        flat = (rows[:, None] * self.shape[1] + columns).ravel()
        return CurvilinearGrid(lon, lat, valid, key, self.is_swath, _within=(self, flat))


# Files of one model have the same grid: what is found out about it is found out once.
_known: weakref.WeakValueDictionary[Hashable, CurvilinearGrid] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class _Part:
    """The corners of some cells of a larger grid."""

    whole: Corners
    cells: IntArray

    @property
    def reach(self) -> float:
        return self.whole.reach

    def vectors(self, cells: IntArray) -> FloatArray:
        return self.whole.vectors(self.cells[cells])

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        return self.whole.degrees(self.cells[cells])


def _mended(
    lon: FloatArray, lat: FloatArray, told: tuple[FloatArray, FloatArray], estimate: Callable[[], Corners] | None
) -> ToldCorners:
    """The told corners, with estimated ones (if any) for the cells whose told ones are missing or far away."""
    corner_lon, corner_lat = (np.ascontiguousarray(pair.reshape(-1, pair.shape[-1]).T) for pair in told)
    with np.errstate(invalid="ignore"):
        center = vectors_of(lon, lat)
        away = np.abs(corner_lat - lat).max(axis=0)
        middle = vectors_of(corner_lon, corner_lat)
        reach = np.sqrt(((middle - center[:, None]) ** 2).sum(axis=0)).max(axis=0)
        off = np.sqrt(((middle.mean(axis=1) - center) ** 2).sum(axis=0))
        typical = np.nanmedian(reach)
        # A cell is about its centre: no more than its own size away.
        good = np.isfinite(reach) & (away <= 90.0) & (reach <= _FAR * typical) & (off <= reach * 0.75)
    if estimate is None:
        good = np.isfinite(reach)
    bad = np.flatnonzero(~good & np.isfinite(lon))
    chord = float(reach.max(initial=0.0, where=good))
    angle = float(2.0 * np.arcsin(min(chord / 2.0, 1.0)))
    if bad.size and estimate is not None:
        estimated = estimate()
        corner_lon[:, bad], corner_lat[:, bad] = estimated.degrees(bad)
        angle = max(angle, estimated.reach)
    return ToldCorners(corner_lon, corner_lat, angle)


def _repeated(lon: FloatArray, lat: FloatArray) -> BoolArray:
    """The cells that have their centre where another has that counts instead.

    That is the one farther from the sides and the end of the array, where models keep copies, often without values;
    else the first. Places are sorted along a direction in space: equal ones come together there.
    """
    places = vectors_of(lon.ravel(), lat.ravel())
    along = np.array([0.5403023, 0.7316889, 0.4157322]) @ places
    # Cells at the pole of a grid of meridians share their centre and are not the same.
    along[np.abs(lat.ravel()) > 90.0 - TOLERANCE] = np.nan
    order = np.argsort(along, kind="stable")[: np.count_nonzero(np.isfinite(along))]
    ny, nx = lon.shape
    columns, rows = np.arange(nx), np.arange(ny)[:, None]
    inward = np.minimum(np.minimum(columns, nx - 1 - columns), ny - 1 - rows).ravel()
    repeated = np.zeros(lon.size, dtype=bool)
    for apart in (1, 2, 3):
        one, other = order[:-apart], order[apart:]
        near = np.flatnonzero(along[other] - along[one] <= _SAME)
        one, other = one[near], other[near]
        same = np.abs(places[:, one] - places[:, other]).max(axis=0) <= _SAME
        one, other = np.minimum(one[same], other[same]), np.maximum(one[same], other[same])
        repeated[np.where(inward[one] >= inward[other], other, one)] = True
    return repeated.reshape(lon.shape)


def _wrapped_columns(lon: FloatArray, lat: FloatArray) -> int | None:
    """How many columns at the end repeat the first ones, if the rows go round the earth; None where they do not."""
    ny, nx = lon.shape
    if nx < 4:
        return None
    rows = np.arange(0, ny, max(1, ny // 64))
    places = vectors_of(lon[rows], lat[rows])

    def length(one: int, other: int) -> FloatArray:
        return np.asarray(np.sqrt(((places[:, :, one] - places[:, :, other]) ** 2).sum(axis=0)))

    with np.errstate(invalid="ignore"):
        step = length(0, 1)
        for repeats in (1, 2):
            if np.mean(length(0, nx - repeats) <= _SAME) > 0.9:
                return repeats
        if np.mean(length(0, nx - 1) <= 2.0 * step) > 0.9:
            return 0
    return None
