"""Pictures of cells that have places of their own: which of them each pixel shows, and which it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import EARTH_RADIUS, BBox
from datavore_widgets.protocol.queries import Canvas
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.pixels import Frame, LevelArray, ToLevels, ValueArray
from datavore_widgets.service.points import Points
from datavore_widgets.service.polygons import Boxes, Edges, Pixels, edges_of, paint
from datavore_widgets.service.sphere import reach_of

__all__ = ["DOT", "Mosaic"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DOT = 2
"""Pixels that a point reaches where no radius is asked for."""

_MANY = 100_000
"""Points in a picture above which each is one pixel."""

_CROWDED = 2.0
"""Cells to a pixel, on average, above which pixels stand for several cells."""
_BAND = 1 << 17
"""Cells whose corners are worked on at a time."""
_NEAR = 4
"""Pixels that cells reach, above which all of them are tried."""
_ROUND = 1e-6


@dataclass(frozen=True, eq=False)
class Mosaic:
    """How a picture is made of cells that lie anywhere.

    Parameters
    ----------
    shown : ndarray of int32, shape (height, width)
        The cell that each pixel shows, numbered along the rows; -1 for none. Of
        blocks it is any of those whose centres lie in the pixel, if there are any.
    members, places : ndarray of int32, shape (n,)
        For blocks: cells, and the pixels that stand for them. A pixel stands for the cells that have their centres
        in it, or if there are none for the one it shows.
    """

    bbox: BBox
    method: Literal["nearest", "blocks"]
    shown: NDArray[np.int32]
    members: NDArray[np.int32]
    places: NDArray[np.int32]

    @classmethod
    def of(cls, grid: CurvilinearGrid, frame: Frame, canvas: Canvas) -> Mosaic:
        """The mosaic of a grid on the pixels of a picture.

        Samples of a swath reach as the canvas says: `pcolormesh` paints cells, no farther than `radius` from their
        centres; `scatter` paints discs of `radius`, or of half a typical cell's diagonal. Points are discs of `radius`,
        or dots of the same few pixels in every view. Other grids have cells.
        """
        pixels = Pixels(frame.lons, frame.lats)
        shown = np.full(pixels.shape, -1, dtype=np.int32)
        angle = canvas.radius / EARTH_RADIUS if canvas.radius is not None and grid.is_swath else None
        discs = canvas.plot_method == "scatter" and grid.is_swath
        if isinstance(grid, Points):
            if angle is None:
                return Dots.at(grid, frame)
            _paint_discs(grid, pixels, angle, shown)
        elif discs:
            _paint_discs(grid, pixels, angle or grid.spacing / np.sqrt(2.0), shown)
        elif angle is None and canvas.reduce == "mean" and (crowd := cls._of_crowd(grid, frame, pixels)) is not None:
            return crowd
        else:
            _paint_cells(grid, pixels, angle, shown, grid.near(frame.bbox))
        cells, columns, rows = _seen(grid, frame)
        none = np.zeros(0, dtype=np.int32)
        if canvas.reduce != "mean" or cells.size <= _CROWDED * np.count_nonzero(shown >= 0):
            return cls(frame.bbox, "nearest", shown, none, none)
        return cls._of_blocks(frame, shown, cells, rows * frame.width + columns)

    @classmethod
    def _of_crowd(cls, grid: CurvilinearGrid, frame: Frame, pixels: Pixels) -> Mosaic | None:
        """The mosaic where pixels stand for several cells; None where they do not.

        It is the same as any other. Only the cells that may hold a pixel in which no centre lies are looked at: at
        the sides of a swath, and where pixels become small towards a pole.
        """
        cells, columns, rows = _seen(grid, frame)
        places = rows * frame.width + columns
        stands = np.zeros(frame.height * frame.width, dtype=bool)
        stands[places] = True
        held = np.count_nonzero(stands)
        if cells.size <= _CROWDED * held:
            return None
        shown = np.full(pixels.shape, -1, dtype=np.int32)
        # A cell beyond the picture is tried on its edge.
        tried = np.zeros(grid.lon.size, dtype=bool)
        tried[grid.near(frame.bbox)] = True
        tried[cells] = _next_to_bare(grid, frame, stands.reshape(shown.shape))[rows, columns]
        _paint_cells(grid, pixels, None, shown, np.flatnonzero(tried))
        shown.reshape(-1)[places] = cells
        if cells.size <= _CROWDED * np.count_nonzero(shown >= 0):
            return None
        return cls._of_blocks(frame, shown, cells, places)

    @classmethod
    def _of_blocks(cls, frame: Frame, shown: NDArray[np.int32], cells: IntArray, places: IntArray) -> Mosaic:
        stands = np.zeros(shown.size, dtype=bool)
        stands[places] = True
        alone = np.flatnonzero(~stands & (shown.ravel() >= 0))
        members = np.concatenate([cells, shown.ravel()[alone]]).astype(np.int32)
        return cls(frame.bbox, "blocks", shown, members, np.concatenate([places, alone]).astype(np.int32))

    @property
    def width(self) -> int:
        """Pixels from west to east."""
        return int(self.shown.shape[1])

    @property
    def height(self) -> int:
        """Pixels from north to south."""
        return int(self.shown.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.shown.nbytes + self.members.nbytes + self.places.nbytes

    @property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """Cells, and the pixels that they are shown in or stand for, by flat number."""
        if self.method == "blocks":
            return self.members.astype(np.int64), self.places.astype(np.int64)
        places = np.flatnonzero(self.shown >= 0)
        return self.shown.reshape(-1)[places].astype(np.int64), places

    def nearest(self, values: ValueArray, to_levels: ToLevels) -> LevelArray:
        """Each pixel shows one cell (see `pixels.Plan`)."""
        # -1, no cell, takes the last one: missing.
        levels = np.append(to_levels(values).reshape(-1), np.uint8(0))
        return levels[self.shown]

    def own(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The value that each pixel shows, NaN for none; shape (height, width)."""
        return np.append(values.reshape(-1), values.dtype.type(np.nan))[self.shown]

    def continuous(self, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> LevelArray:
        """Levels of values that can be averaged."""
        if self.method == "blocks":
            return to_levels(self.means(values))
        return self.nearest(values, to_levels)

    def means(self, values: ValueArray, missing: int | None = None) -> NDArray[np.floating[Any]]:
        """Mean of the valid cells that each pixel stands for, NaN where there are none; shape (height, width)."""
        taken = values.reshape(-1)[self.members]
        valid = taken == taken if missing is None else taken != missing
        places, size = self.places[valid], self.shown.size
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.bincount(places, weights=taken[valid], minlength=size)
            return np.asarray((sums / np.bincount(places, minlength=size)).reshape(self.shown.shape))

    def modes(self, levels: LevelArray) -> LevelArray:
        """Most frequent level of the valid cells that each pixel stands for, the lowest of equally frequent ones."""
        taken, size = levels.reshape(-1)[self.members], self.shown.size
        modes, most = np.zeros(size, dtype=np.uint8), np.zeros(size, dtype=np.int64)
        for level in np.unique(taken[taken > 0]):
            counts = np.bincount(self.places[taken == level], minlength=size)
            better = counts > most
            most[better] = counts[better]
            modes[better] = level
        return modes.reshape(self.shown.shape)


@dataclass(frozen=True, eq=False)
class Dots(Mosaic):
    """How a picture is made of points: each is a dot of the same 21 pixels, the last one with a value on top.

    Parameters
    ----------
    members, places : ndarray of int32, shape (n,)
        Points, and the pixels that their dots take.
    """

    @classmethod
    def at(cls, grid: Points, frame: Frame) -> Dots:
        """The dots of some points."""
        cells = np.flatnonzero(grid.valid)
        lon, lat = grid.lon.ravel()[cells], grid.lat.ravel()[cells]
        # Degrees from the west edge, negative just beyond it.
        beyond = 180.0 - frame.bbox.width / 2
        per_degree = frame.width / frame.bbox.width
        columns = np.floor(((lon - frame.bbox.west + beyond) % 360.0 - beyond) * per_degree).astype(np.int64)
        rows = np.searchsorted(-frame.lat_edges, -lat, side="right") - 1
        rows[lat == frame.lat_edges[-1]] = frame.height - 1
        inside = (rows >= 0) & (rows < frame.height)
        turn = round(360.0 * per_degree)
        # Where they are many they lie close together: a pixel each is seen.
        reach = DOT if np.count_nonzero(inside & (columns >= -DOT) & (columns < frame.width + DOT)) <= _MANY else 0
        members, places = [], []
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                if down * down + right * right > reach * reach + 1:
                    continue
                y = rows + down
                # What lies over the edge of a picture of the world is on both of its sides.
                for x in (columns + right, columns + right + turn, columns + right - turn):
                    seen = np.flatnonzero(inside & (y >= 0) & (y < frame.height) & (x >= 0) & (x < frame.width))
                    members.append(cells[seen].astype(np.int32))
                    places.append((y[seen] * frame.width + x[seen]).astype(np.int32))
        shown = np.full((frame.height, frame.width), -1, dtype=np.int32)
        found, pixels = np.concatenate(members), np.concatenate(places)
        np.maximum.at(shown.reshape(-1), pixels, found)
        return cls(frame.bbox, "nearest", shown, found, pixels)

    @property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """Points, and the pixels that their dots take."""
        return self.members.astype(np.int64), self.places.astype(np.int64)

    def nearest(self, values: ValueArray, to_levels: ToLevels) -> LevelArray:
        """Each pixel shows the last point there that has a value (see `pixels.Plan`)."""
        levels = np.append(to_levels(values).reshape(-1), np.uint8(0))
        return levels[self._shown_of(levels[:-1] > 0)]

    def own(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The value of the last point in each pixel that has one."""
        flat = np.append(values.reshape(-1), values.dtype.type(np.nan))
        return flat[self._shown_of(~np.isnan(flat[:-1]))]

    def _shown_of(self, valid: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The last of some of the points in each pixel."""
        if valid.all():
            return self.shown
        seen = np.flatnonzero(valid[self.members])
        shown = np.full(self.shown.shape, -1, dtype=np.int32)
        np.maximum.at(shown.reshape(-1), self.places[seen], self.members[seen])
        return shown


def _seen(grid: CurvilinearGrid, frame: Frame) -> tuple[IntArray, IntArray, IntArray]:
    """The cells whose centres lie in a picture, and the pixels that hold them: columns and rows."""
    cells = np.flatnonzero(grid.valid)
    lon, lat = grid.lon.ravel()[cells], grid.lat.ravel()[cells]
    columns = np.floor((lon - frame.bbox.west) % 360.0 / (frame.bbox.width / frame.width)).astype(np.int64)
    rows = np.searchsorted(-frame.lat_edges, -lat, side="right") - 1
    # A centre on the last edge is inside.
    rows[lat == frame.lat_edges[-1]] = frame.height - 1
    inside = (columns < frame.width) & (rows >= 0) & (rows < frame.height)
    return cells[inside], columns[inside], rows[inside]


def _next_to_bare(grid: CurvilinearGrid, frame: Frame, stands: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels whose cells may hold the centre of a pixel that no centre of a cell lies in; shape (height, width).

    A cell holds none but that of its own pixel if it reaches less than half a pixel, and of those next to it if it
    reaches less than one and a half.

    Parameters
    ----------
    stands : ndarray of bool, shape (height, width)
        The pixels that have the centre of a cell.
    """
    edges = np.abs(frame.lat_edges)
    up, aside = reach_of(np.maximum(edges[:-1], edges[1:]), grid.reach)
    high = -np.diff(frame.lat_edges)
    high = np.minimum(high, np.minimum(np.append(high[1:], high[-1]), np.append(high[0], high[:-1])))
    reach = np.floor(np.maximum(up / high, aside * frame.width / frame.bbox.width) + 0.5 + _ROUND)
    bare, near = ~stands, np.zeros_like(stands)
    for far in range(1, _NEAR + 1):
        for axis in (0, 1):
            # The sides of a picture of the world are next to each other; elsewhere a few cells are tried in vain.
            bare = bare | np.roll(bare, 1, axis) | np.roll(bare, -1, axis)
        near |= bare & (reach == far)[:, None]
    return np.asarray(near | (reach > _NEAR)[:, None])


def _paint_cells(
    grid: CurvilinearGrid, pixels: Pixels, angle: float | None, shown: NDArray[np.int32], cells: IntArray
) -> None:
    for first in range(0, cells.size, _BAND):
        some = cells[first : first + _BAND]
        west, east, south, north = grid.extents(some)
        lon, lat = grid.lon.ravel()[some], grid.lat.ravel()[some]
        if angle is not None:
            reach, aside = reach_of(lat, angle)
            west, east = np.maximum(west, -aside), np.minimum(east, aside)
            south, north = np.maximum(south, lat - reach), np.minimum(north, lat + reach)
        for boxes, places in _boxes(pixels, lon + west, lon + east, south, north):
            edges = edges_of(grid.corners.vectors(some[places]), places)
            # By now `owner` counts in `some`, as the boxes do.
            order = np.searchsorted(places, edges.owner)
            if angle is not None:
                edges = edges.within(grid.centers(some[edges.owner]), angle)
            edges = Edges(edges.normals, edges.offset, some[edges.owner])
            paint(pixels, edges, boxes.take(order), grid.centers, shown)


def _paint_discs(grid: CurvilinearGrid, pixels: Pixels, angle: float, shown: NDArray[np.int32]) -> None:
    cells = np.flatnonzero(grid.valid)
    lon, lat = grid.lon.ravel()[cells], grid.lat.ravel()[cells]
    reach, aside = reach_of(lat, angle)
    for boxes, places in _boxes(pixels, lon - aside, lon + aside, lat - reach, lat + reach):
        some = cells[places]
        paint(pixels, Edges.discs(grid.centers(some), angle, some), boxes, grid.centers, shown)


def _boxes(
    pixels: Pixels, west: FloatArray, east: FloatArray, south: FloatArray, north: FloatArray
) -> list[tuple[Boxes, IntArray]]:
    """The pixels between some longitudes and latitudes, and for which of these there are any.

    What lies over the edge of a picture of the world is on both of its sides.
    """
    top, bottom = pixels.rows_between(south, north)
    start = pixels.lons[0] + (west - pixels.lons[0]) % 360.0
    found = []
    for turn in (0.0, -360.0):
        left, right = pixels.columns_between(start + turn, start + turn + (east - west))
        boxes = Boxes(left, right, top, bottom)
        places = np.flatnonzero(boxes.seen)
        if places.size:
            found.append((boxes.take(places), places))
    return found
