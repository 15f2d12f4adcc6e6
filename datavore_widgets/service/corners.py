"""Where the corners of cells lie whose centres alone are known, and corners that a file tells.

Corners lie half-way between neighbouring centres, in three dimensions, so that the antimeridian and the poles need
no care. Cells that are much farther apart than their neighbours are (the gap of a swath, the seam of a stacked grid),
or lie back where others lie on (overlapping scans), or whose neighbour has no place are not joined: their sides are as
far out as the opposite ones. They are worked out band by band of rows, where they are asked for: a view of a part of
a long swath works out no others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.cache import Memo
from datavore_widgets.service.sphere import cross, degrees_of, vectors_of

__all__ = ["Corners", "EstimatedCorners", "ToldCorners"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_GAP = 3.0
"""Times the step before or after that a step between neighbours is a gap."""
_SIDES = ((-1, -1), (-1, 1), (1, 1), (1, -1))
"""Rows and columns towards the four corners, around the cell."""
_BAND = 1 << 16
"""Cells, about, whose corners are worked out together."""
_BEYOND = 2
"""Rows beyond a band that its corners depend on: those of the neighbours, and whether these are joined."""
_FEW = 8
"""One in so many rows of a band asked for, or fewer, are worked out by themselves, and not remembered."""
_KEPT = 128 * 2**20
"""Bytes of corners that are remembered."""


class Corners(Protocol):
    """The corners of every cell of a grid, around each cell: four, of a mesh as many as any cell has."""

    @property
    def reach(self) -> float:
        """Radians within which all corners of a cell lie from its centre."""
        ...

    def vectors(self, cells: IntArray) -> FloatArray:
        """Unit vectors (as good as) of the corners of some cells by flat number, shape (3, corners, n)."""
        ...

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells, each of shape (corners, n)."""
        ...


@dataclass(frozen=True, eq=False)
class ToldCorners:
    """Corners as a file has them (CF 7.1).

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (corners, n)
        Degrees; n cells, numbered along the rows.
    reach : float
        Radians within which all corners of a cell lie from its centre.
    """

    lon: FloatArray
    lat: FloatArray
    reach: float

    def vectors(self, cells: IntArray) -> FloatArray:
        """Unit vectors of the corners of some cells."""
        return vectors_of(self.lon[:, cells], self.lat[:, cells])

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells."""
        return self.lon[:, cells], self.lat[:, cells]


class EstimatedCorners:
    """Corners half-way between centres.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (ny, nx)
        Centres in degrees, NaN where there is none.
    wrap : int, optional
        For a grid that goes round the earth: how many columns at the end repeat the first ones. None: it does not.
    """

    def __init__(self, lon: FloatArray, lat: FloatArray, wrap: int | None = None) -> None:
        self._lon, self._lat, self._wrap = lon, lat, wrap
        self._height = max(_BAND // lon.shape[1], 1)
        # What tells its bands from those of others: it is equal to itself alone.
        self._owner: Hashable = object()

    @cached_property
    def reach(self) -> float:
        """Radians within which all corners of a cell lie from its centre: the longest step between joined cells."""
        ny = self._lon.shape[0]
        chord = max(self._band(number).reach for number in range(-(-ny // self._height)))
        return float(2.0 * np.arcsin(min(chord / 2.0, 1.0)))

    def vectors(self, cells: IntArray) -> FloatArray:
        """Vectors of the corners of some cells, as good as of unit length."""
        found = np.empty((3, 4, cells.size))
        for band, some in self._bands_of(cells):
            found[:, :, some] = band.vectors(cells[some])
        return found

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells."""
        lon, lat = np.empty((4, cells.size)), np.empty((4, cells.size))
        for band, some in self._bands_of(cells):
            lon[:, some], lat[:, some] = band.degrees(cells[some])
        return lon, lat

    @cached_property
    def _typical(self) -> tuple[float, float]:
        """Typical steps across and down, of a sample; the same whichever band is worked out."""
        ny, nx = self._lon.shape
        rows, columns = np.arange(0, ny, max(1, ny // 64)), np.arange(0, nx, max(1, nx // 64))

        def typical(down: int, right: int) -> float:
            at = rows[rows < ny - down], columns[columns < nx - right]
            ends = [
                vectors_of(axis_lon, axis_lat)
                for axis_lon, axis_lat in (
                    (array[np.ix_(at[0] + one * down, at[1] + one * right)] for array in (self._lon, self._lat))
                    for one in (0, 1)
                )
            ]
            lengths = np.sqrt(((ends[1] - ends[0]) ** 2).sum(axis=0))
            lengths = lengths[np.isfinite(lengths)]
            return float(np.median(lengths)) if lengths.size else 0.0

        return typical(0, 1), typical(1, 0)

    def _bands_of(self, cells: IntArray) -> Iterator[tuple[_Band, IntArray | slice]]:
        """The bands that hold some cells, and which of the cells each of them holds."""
        if cells.size == 0:
            return
        rows = cells // self._lon.shape[1]
        numbers = rows // self._height
        order: IntArray | None = None
        if (np.diff(numbers) < 0).any():
            order = np.argsort(numbers, kind="stable")
            rows, numbers = rows[order], numbers[order]
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        for first, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), cells.size], strict=True):
            low, high = int(rows[first:stop].min()), int(rows[first:stop].max()) + 1
            few = (high - low) * _FEW <= self._height
            band = self._made(low, high) if few else self._band(int(numbers[first]))
            yield band, slice(first, stop) if order is None else order[first:stop]

    def _band(self, number: int) -> _Band:
        first = number * self._height
        stop = min(first + self._height, self._lon.shape[0])
        return _bands.get((self._owner, number), lambda _: self._made(first, stop))

    def _made(self, first: int, stop: int) -> _Band:
        low = max(first - _BEYOND, 0)
        part = slice(low, stop + _BEYOND)
        return _Band(self._lon[part], self._lat[part], self._wrap, self._typical, low, first, stop)


class _Band:
    """The corners of some rows.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (rows, nx)
        Centres of these rows, and of `_BEYOND` more on each side as far as there are any.
    typical : (float, float)
        Typical steps across and down.
    low, first, stop : int
        The first row that is given, the first that is meant, and the one after the last.
    """

    def __init__(
        self,
        lon: FloatArray,
        lat: FloatArray,
        wrap: int | None,
        typical: tuple[float, float],
        low: int,
        first: int,
        stop: int,
    ) -> None:
        given, nx = lon.shape
        self._first, self._nx = first, nx
        padded = np.full((3, given + 2, nx + 2), np.nan)
        padded[:, 1:-1, 1:-1] = vectors_of(lon, lat)
        if wrap is not None:
            padded[:, 1:-1, 0] = padded[:, 1:-1, nx - wrap]
            padded[:, 1:-1, -1] = padded[:, 1:-1, 1 + wrap]
        links = _Links(padded, typical)
        self.reach = links.longest
        # One lattice for the corners that four joined cells share, and a list of all the others.
        ny, top = stop - first, first - low
        rim = slice(top, top + ny + 2)
        across, down = links.across[rim], links.down[top : top + ny + 1]
        shared = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]
        pairs = padded[:, rim, :-1] + padded[:, rim, 1:]
        self._lattice = (pairs[:, :-1] + pairs[:, 1:]) / 4
        valid = np.isfinite(padded[0, top + 1 : top + 1 + ny, 1:-1])
        others, places = [], []
        for number, (down_side, right_side) in enumerate(_SIDES):
            own = shared[max(down_side, 0) :, max(right_side, 0) :][:ny, :nx]
            rows, columns = np.nonzero(valid & ~own)
            others.append(number * ny * nx + rows * nx + columns)
            places.append(links.corner(rows + top + 1, columns + 1, down_side, right_side))
        listed = np.concatenate(others)
        # For each corner of each cell its place in the list, -1 for those of the lattice.
        self._others = np.full(4 * ny * nx, -1, dtype=np.int32)
        self._others[listed] = np.arange(listed.size)
        self._vectors = np.concatenate(places, axis=1)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, or will be when they are asked for in degrees."""
        return int(self._lattice.nbytes * 5 // 3 + self._others.nbytes + self._vectors.nbytes * 5 // 3)

    def vectors(self, cells: IntArray) -> FloatArray:
        """Vectors of the corners of some cells of these rows, by flat number in the grid."""
        take = self._take(cells)
        return np.stack([take(*pair) for pair in zip(self._lattice, self._vectors, strict=True)])

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells of these rows."""
        take, (lattice_lon, lattice_lat), (lon, lat) = self._take(cells), self._lattice_degrees, self._degrees
        return take(lattice_lon, lon), take(lattice_lat, lat)

    @cached_property
    def _lattice_degrees(self) -> tuple[FloatArray, FloatArray]:
        return degrees_of(self._lattice)

    @cached_property
    def _degrees(self) -> tuple[FloatArray, FloatArray]:
        return degrees_of(self._vectors)

    def _take(self, cells: IntArray) -> Callable[[FloatArray, FloatArray], FloatArray]:
        """What picks the corners of some cells, shape (4, n), from numbers on the lattice and those listed."""
        nx = self._nx
        own = cells - self._first * nx
        first = own + own // nx
        places = first + np.array([[max(down, 0) * (nx + 1) + max(right, 0)] for down, right in _SIDES])
        listed = self._others[own + np.arange(4)[:, None] * (self._others.size // 4)]
        which = np.nonzero(listed >= 0)
        listed = listed[which]

        def take(lattice: FloatArray, others: FloatArray) -> FloatArray:
            taken = lattice.ravel().take(places)
            taken[which] = others[listed]
            return np.asarray(taken)

        return take


_bands: Memo[_Band] = Memo(_KEPT, lambda band: band.nbytes)


class _Links:
    """Which neighbours are joined, and how far it is to them.

    Parameters
    ----------
    padded : ndarray of float64, shape (3, ny + 2, nx + 2)
        Unit vectors of the centres with a rim of NaN or of what lies beyond a seam.
    typical : (float, float)
        Typical steps across and down.
    """

    def __init__(self, padded: FloatArray, typical: tuple[float, float]) -> None:
        self.places = padded
        self.across, widest = _joined(padded, 2, typical[0])
        self.down, highest = _joined(padded, 1, typical[1])
        told = [step for step in typical if step > 0]
        self._typical = sum(told) / len(told) if told else float(np.radians(0.1))
        self.longest = max(widest, highest, self._typical)

    def step(self, rows: IntArray, columns: IntArray, down: int, right: int) -> FloatArray:
        """From some cells to their neighbours, NaN where these are not joined; shape (3, n)."""
        last_row, last_column = self.places.shape[1] - 1, self.places.shape[2] - 1
        to_row, to_column = np.clip(rows + down, 0, last_row), np.clip(columns + right, 0, last_column)
        if right:
            there = self.across[rows, np.clip(np.minimum(columns, to_column), 0, last_column - 1)]
            there = there & (to_column != columns)
        else:
            there = self.down[np.clip(np.minimum(rows, to_row), 0, last_row - 1), columns]
            there = there & (to_row != rows)
        return np.where(there, self.places[:, to_row, to_column] - self.places[:, rows, columns], np.nan)

    def corner(self, rows: IntArray, columns: IntArray, down: int, right: int) -> FloatArray:
        """A corner of some cells that are not joined with all the three others around it, shape (3, n).

        Half a step to the side and half a step down, each the mean of the cell's own and that of the neighbour in
        the other direction, so that joined cells still share their corners.
        """
        own = self.places[:, rows, columns]
        aside, below = self.step(rows, columns, 0, right), self.step(rows, columns, down, 0)
        has_aside, has_below = np.isfinite(aside[0]), np.isfinite(below[0])
        near_rows, near_columns = np.where(has_below, rows + down, rows), np.where(has_aside, columns + right, columns)
        aside, other_aside = self._sides(aside, has_below, rows, columns, near_rows, columns, 0, right)
        below, other_below = self._sides(below, has_aside, rows, columns, rows, near_columns, down, 0)
        length = np.sqrt((below**2).sum(axis=0))
        lost = ~np.isfinite(aside[0])
        # Without any neighbour to a side a cell is as wide as high; without any at all it is like the others.
        square = cross(below, own) * (right * down)
        east = np.stack([-own[1], own[0] + 1e-12, np.zeros_like(own[0])])
        east *= self._typical / np.sqrt((east**2).sum(axis=0))
        aside = np.where(lost, np.where(np.isfinite(length), square, east * right), aside)
        other_aside = np.where(np.isfinite(other_aside[0]), other_aside, aside)
        lost = ~np.isfinite(below[0])
        below = np.where(lost, cross(aside, own) * (-right * down), below)
        other_below = np.where(np.isfinite(other_below[0]), other_below, below)
        return np.asarray(own + (aside + other_aside + below + other_below) / 4)

    def _sides(
        self,
        step: FloatArray,
        has_other: BoolArray,
        rows: IntArray,
        columns: IntArray,
        other_rows: IntArray,
        other_columns: IntArray,
        down: int,
        right: int,
    ) -> tuple[FloatArray, FloatArray]:
        """A step of a cell and of its neighbour across, each as the other or as that behind where it is missing."""
        other = np.where(has_other, self.step(other_rows, other_columns, down, right), np.nan)
        first, second = np.where(np.isfinite(step[0]), step, other), np.where(np.isfinite(other[0]), other, step)
        behind = -self.step(rows, columns, -down, -right)
        other_behind = np.where(has_other, -self.step(other_rows, other_columns, -down, -right), np.nan)
        first = np.where(np.isfinite(first[0]), first, np.where(np.isfinite(behind[0]), behind, other_behind))
        second = np.where(np.isfinite(second[0]), second, np.where(np.isfinite(other_behind[0]), other_behind, behind))
        return first, np.where(has_other, second, first)


def _joined(places: FloatArray, axis: int, typical: float) -> tuple[BoolArray, float]:
    """Which neighbours along an axis are joined, and the longest step between those that are.

    They are where the step is not much longer than the one before or after, and does not lead back: where the scans of
    an instrument overlap, each has sides of its own.
    """
    steps = np.diff(places, axis=axis)
    length = np.sqrt(np.einsum("kji,kji->ji", steps, steps))
    along = axis - 1
    edge = np.full_like(length.take([0], axis=along), np.nan)
    first, last = (slice(None),) * along + (slice(None, -1),), (slice(None),) * along + (slice(1, None),)
    before = np.concatenate([edge, length[first]], axis=along)
    after = np.concatenate([length[last], edge], axis=along)
    turn = np.einsum("kji,kji->ji", steps[:, *first], steps[:, *last])
    near = np.fmin(before, after)
    near = np.where(np.isfinite(near), np.maximum(near, typical / 4), length)
    with np.errstate(invalid="ignore"):
        back = (np.concatenate([edge, turn], axis=along) < 0) & (np.concatenate([turn, edge], axis=along) < 0)
        joined = (length <= _GAP * near) & ~back
    return joined, float(length.max(initial=0.0, where=joined))
