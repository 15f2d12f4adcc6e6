"""Where the corners of cells lie whose centres alone are known, and corners that a file tells.

Corners lie half-way between neighbouring centres, in three dimensions, so that the antimeridian and the poles need
no care. Cells that are much farther apart than their neighbours are (the gap of a swath, the seam of a stacked grid),
or lie back where others lie on (overlapping scans), or whose neighbour has no place are not joined: their sides are as
far out as the opposite ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.sphere import cross, degrees_of, vectors_of

__all__ = ["Corners", "EstimatedCorners", "ToldCorners"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_GAP = 3.0
"""Times the step before or after that a step between neighbours is a gap."""
_SIDES = ((-1, -1), (-1, 1), (1, 1), (1, -1))
"""Rows and columns towards the four corners, around the cell."""


class Corners(Protocol):
    """The four corners of every cell of a grid, around each cell."""

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        ...

    def vectors(self, cells: IntArray) -> FloatArray:
        """Unit vectors (as good as) of the corners of some cells by flat number, shape (3, 4, n)."""
        ...

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells, each of shape (4, n)."""
        ...


@dataclass(frozen=True, eq=False)
class ToldCorners:
    """Corners as a file has them (CF 7.1).

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (4, n)
        Degrees; n cells, numbered along the rows.
    """

    lon: FloatArray
    lat: FloatArray

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.lon.nbytes + self.lat.nbytes

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
        ny, nx = lon.shape
        self._shape = ny, nx
        padded = np.full((3, ny + 2, nx + 2), np.nan)
        padded[:, 1:-1, 1:-1] = vectors_of(lon, lat)
        if wrap is not None:
            padded[:, 1:-1, 0] = padded[:, 1:-1, nx - wrap]
            padded[:, 1:-1, -1] = padded[:, 1:-1, 1 + wrap]
        links = _Links(padded)
        # One lattice for the corners that four joined cells share, and a list of all the others.
        across, down = links.across, links.down
        shared = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]
        pairs = padded[:, :, :-1] + padded[:, :, 1:]
        lattice = pairs[:, :-1] + pairs[:, 1:]
        lattice /= 4
        self._lattice = lattice
        self._lattice_lon, self._lattice_lat = degrees_of(lattice)
        valid = np.isfinite(padded[0, 1:-1, 1:-1])
        others, places = [], []
        for number, (down_side, right_side) in enumerate(_SIDES):
            own = shared[max(down_side, 0) :, max(right_side, 0) :][:ny, :nx]
            rows, columns = np.nonzero(valid & ~own)
            others.append(number * ny * nx + rows * nx + columns)
            places.append(links.corner(rows + 1, columns + 1, down_side, right_side))
        listed = np.concatenate(others)
        # For each corner of each cell its place in the list, -1 for those of the lattice.
        self._others = np.full(4 * ny * nx, -1, dtype=np.int32)
        self._others[listed] = np.arange(listed.size)
        self._vectors = np.concatenate(places, axis=1)
        self._degrees = degrees_of(self._vectors)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        kept = (self._lattice, self._lattice_lon, self._lattice_lat, self._others, self._vectors)
        return sum(array.nbytes for array in kept)

    def vectors(self, cells: IntArray) -> FloatArray:
        """Vectors of the corners of some cells, as good as of unit length."""
        take = self._take(cells)
        return np.stack([take(*pair) for pair in zip(self._lattice, self._vectors, strict=True)])

    def degrees(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        """Longitudes and latitudes of the corners of some cells."""
        take, (lon, lat) = self._take(cells), self._degrees
        return take(self._lattice_lon, lon), take(self._lattice_lat, lat)

    def _take(self, cells: IntArray) -> Callable[[FloatArray, FloatArray], FloatArray]:
        """What picks the corners of some cells, shape (4, n), from numbers on the lattice and those listed."""
        ny, nx = self._shape
        first = cells + cells // nx
        places = first + np.array([[max(down, 0) * (nx + 1) + max(right, 0)] for down, right in _SIDES])
        listed = self._others[cells + np.arange(4)[:, None] * (ny * nx)]
        which = np.nonzero(listed >= 0)
        listed = listed[which]

        def take(lattice: FloatArray, others: FloatArray) -> FloatArray:
            taken = lattice.ravel().take(places)
            taken[which] = others[listed]
            return np.asarray(taken)

        return take


class _Links:
    """Which neighbours are joined, and how far it is to them.

    Parameters
    ----------
    padded : ndarray of float64, shape (3, ny + 2, nx + 2)
        Unit vectors of the centres with a rim of NaN or of what lies beyond a seam.
    """

    def __init__(self, padded: FloatArray) -> None:
        self.places = padded
        self.across, wide = _joined(padded, axis=2)
        self.down, high = _joined(padded, axis=1)
        self._typical = float(np.nanmedian(np.concatenate([wide, high]))) if wide.size + high.size else 0.0
        self._typical = self._typical if np.isfinite(self._typical) and self._typical > 0 else np.radians(0.1)

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


def _joined(places: FloatArray, axis: int) -> tuple[BoolArray, FloatArray]:
    """Which neighbours along an axis are joined, and a sample of the lengths between those that are.

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
    sample = length[:: max(1, length.shape[0] // 64), :: max(1, length.shape[1] // 64)]
    sample = sample[np.isfinite(sample)]
    typical = float(np.median(sample)) if sample.size else 0.0
    near = np.where(np.isfinite(near), np.maximum(near, typical / 4), length)
    with np.errstate(invalid="ignore"):
        back = (np.concatenate([edge, turn], axis=along) < 0) & (np.concatenate([turn, edge], axis=along) < 0)
        return (length <= _GAP * near) & ~back, sample
