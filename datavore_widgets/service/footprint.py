"""Where the samples of a swath lie, small enough to be remembered: boxes, a lattice of degrees, and an outline."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.sphere import half_turn

__all__ = ["Footprint", "Ring", "ring_of_box"]

Ring = tuple[tuple[float, float], ...]
"""Corners (lon, lat) of an outline; longitudes run on beyond 180 where it crosses the antimeridian."""

_SHAPE = (180, 360)
_CLOSE = 1e-6
"""Degrees that an edge may be off by rounding."""
_WIDE = 20.0
"""Degrees from which on a footprint is told by several boxes."""
_BANDS = 8
_RUNS = 3
"""Bands of latitude, and boxes in each of them, at most."""
_OUTLINE = 24
"""Corners of an outline on each of its two long sides."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """Which degrees of the earth the samples of a swath touch.

    Parameters
    ----------
    touched, held : bytes
        Bits of a lattice of 180 × 360 degrees, packed: where any cell reaches, and where any centre lies.
    outline : Ring
        For a map; for nothing else.
    """

    touched: bytes
    held: bytes
    outline: Ring

    @classmethod
    def of(cls, grid: CurvilinearGrid) -> Footprint:
        """That of a grid."""
        cells = np.flatnonzero(grid.valid)
        lon, lat = grid.lon.ravel()[cells], grid.lat.ravel()[cells]
        west, east, south, north = grid.extents(cells)
        first, last = _row(south - _CLOSE), _row(north + _CLOSE)
        left = np.floor(lon + west - _CLOSE).astype(np.int64)
        width = np.minimum(np.floor(lon + east + _CLOSE).astype(np.int64) - left, _SHAPE[1] - 1)
        touched = _covered(first, last, left % _SHAPE[1], width)
        held = np.zeros(_SHAPE, dtype=bool)
        held[_row(lat), np.floor(lon).astype(np.int64) % _SHAPE[1]] = True
        return cls(_packed(touched), _packed(held), _outline(grid))

    def meets(self, bbox: BBox) -> bool | None:
        """Whether any cell shares more than an edge with a box; None where the lattice is too coarse to tell."""
        whole = bbox.is_whole_turn
        south, north = _row(bbox.south - _CLOSE), _row(bbox.north + _CLOSE)
        west, east = bbox.west, bbox.west + bbox.width
        columns = np.arange(_SHAPE[1]) if whole else np.arange(np.floor(west - _CLOSE), np.floor(east + _CLOSE) + 1)
        if not self._touched[south : north + 1, columns.astype(np.int64) % _SHAPE[1]].any():
            return False
        inside = np.arange(_SHAPE[1]) if whole else np.arange(np.ceil(west), np.floor(east))
        low, high = int(np.ceil(bbox.south)) + 90, int(np.floor(bbox.north)) + 90
        return True if self._held[low:high, inside.astype(np.int64) % _SHAPE[1]].any() else None

    @cached_property
    def _touched(self) -> NDArray[np.bool_]:
        return _unpacked(self.touched)

    @cached_property
    def _held(self) -> NDArray[np.bool_]:
        return _unpacked(self.held)

    def boxes(self, around: BBox) -> tuple[BBox, ...]:
        """Boxes that hold every cell: the one around it, or several where that would be mostly empty."""
        if around.width <= _WIDE and around.height <= _WIDE:
            return (around,)
        rows = np.flatnonzero(self._touched.any(axis=1))
        boxes: list[BBox] = []
        for band in np.array_split(rows, min(_BANDS, rows.size)):
            south, north = float(band[0] - 90), float(band[-1] - 89)
            for west, width in _runs(np.asarray(self._touched[band].any(axis=0))):
                east = west + width
                boxes.append(BBox(-180, south, 180, north) if width >= 360 else BBox(west, south, east, north))
        return tuple(boxes)


def ring_of_box(box: BBox) -> Ring:
    """The outline of a box."""
    east = box.west + box.width
    return (box.west, box.south), (east, box.south), (east, box.north), (box.west, box.north)


def _row(lat: NDArray[np.float64] | float) -> NDArray[np.int64]:
    return np.clip(np.floor(np.asarray(lat) + 90.0), 0, _SHAPE[0] - 1).astype(np.int64)


def _covered(
    first: NDArray[np.int64], last: NDArray[np.int64], left: NDArray[np.int64], width: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The degrees that any of some rectangles of the lattice covers, ends included.

    Each is noted at its four corners, and the sums of these are how many cover a degree: one pass over the cells,
    however far those near a pole reach around.
    """
    rows, columns = _SHAPE[0] + 1, 2 * _SHAPE[1] + 1
    changes = np.zeros(rows * columns, dtype=np.int64)
    for sign, row, column in (
        (1, first, left),
        (-1, first, left + width + 1),
        (-1, last + 1, left),
        (1, last + 1, left + width + 1),
    ):
        changes += sign * np.bincount(row * columns + column, minlength=changes.size)
    covered = changes.reshape(rows, columns).cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
    return np.asarray(covered[:, : _SHAPE[1]] | covered[:, _SHAPE[1] :])


def _packed(lattice: NDArray[np.bool_]) -> bytes:
    return zlib.compress(np.packbits(lattice).tobytes(), 9)


def _unpacked(data: bytes) -> NDArray[np.bool_]:
    bits = np.frombuffer(zlib.decompress(data), dtype=np.uint8)
    return np.unpackbits(bits, count=_SHAPE[0] * _SHAPE[1]).reshape(_SHAPE).astype(bool)


def _runs(columns: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """West edges (0 to 359) and widths of the runs of columns, round the earth; the narrowest gaps are bridged."""
    places = np.flatnonzero(columns)
    gaps = np.diff(np.append(places, places[0] + _SHAPE[1]))
    cuts = np.flatnonzero(gaps > 1)
    cuts = np.sort(cuts[np.argsort(-gaps[cuts], kind="stable")][:_RUNS])
    if cuts.size == 0:
        return [(0.0, 360.0)]
    starts = np.roll(places, -1)[cuts]
    ends = np.roll(places[cuts], -1)
    return [(float(start), float((end - start) % _SHAPE[1] + 1)) for start, end in zip(starts, ends, strict=True)]


def _outline(grid: CurvilinearGrid) -> Ring:
    """Down one side of the swath and up the other, through the outermost samples of some lines."""
    rows = np.flatnonzero(grid.valid.any(axis=1))
    rows = rows[np.unique(np.linspace(0, rows.size - 1, _OUTLINE).round().astype(np.int64))]
    valid = grid.valid[rows]
    first = valid.argmax(axis=1)
    last = valid.shape[1] - 1 - valid[:, ::-1].argmax(axis=1)
    numbers = np.concatenate([rows, rows[::-1]]), np.concatenate([first, last[::-1]])
    lon, lat = grid.lon[numbers], grid.lat[numbers]
    steps = half_turn(np.diff(lon))
    lon = half_turn(lon[0]) + np.concatenate([[0.0], np.cumsum(steps)])
    return tuple(zip(lon.round(3).tolist(), lat.round(3).tolist(), strict=True))
