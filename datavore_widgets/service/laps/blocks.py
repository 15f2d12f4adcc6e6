"""Blocks of cells, and blocks of blocks: a box is the few largest that fill it, and the cells left at its edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.laps.codes import Codes
from datavore_widgets.service.laps.sums import Sums, sums_of

__all__ = ["AT_ONCE", "EDGES", "Part", "across", "coarser", "covering", "over_cells", "over_steps"]

EDGES = (8, 32, 128)
"""Rows and columns of a block, level by level. Small ones keep the edges of a box short, and take 13 % of the space;
the others next to nothing."""

_FEW = 256
"""Items of one level that are summed faster one by one than by way of the next level."""

AT_ONCE = 1 << 17
"""Codes that are summed at a time: as float64, one MiB, they stay in the processor's own memory."""


class Part(NamedTuple):
    """A rectangle of cells (level 0) or of blocks (from level 1), in units of these."""

    level: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def tiles(self) -> Part:
        """The tiles that hold a rectangle of cells: these are as large as the smallest blocks."""
        edge = EDGES[0]
        return Part(0, self.top // edge, -(-self.bottom // edge), self.left // edge, -(-self.right // edge))


def covering(top: int, bottom: int, left: int, right: int, shape: tuple[int, int]) -> Iterator[Part]:
    """Rectangles of cells and blocks that fill a box of cells, each cell once.

    Parameters
    ----------
    top, bottom, left, right : int
        The box: rows and columns from the first to before the last.
    shape : (ny, nx)
        Of the grid; the blocks at its far edges may be cut off.
    """
    if bottom <= top or right <= left:
        return
    units = shape
    for level, edge in enumerate((1, *EDGES)):
        if edge == EDGES[-1] or (bottom - top) * (right - left) <= _FEW:
            yield Part(level, top, bottom, left, right)
            return
        factor = EDGES[level] // edge
        ny, nx = (-(-size // factor) for size in units)
        up, down = -(-top // factor), ny if bottom == units[0] else bottom // factor
        west, east = -(-left // factor), nx if right == units[1] else right // factor
        if down <= up or east <= west:
            yield Part(level, top, bottom, left, right)
            return
        inner_top, inner_bottom = up * factor, min(down * factor, units[0])
        inner_left, inner_right = west * factor, min(east * factor, units[1])
        strips = (
            Part(level, top, inner_top, left, right),
            Part(level, inner_bottom, bottom, left, right),
            Part(level, inner_top, inner_bottom, left, inner_left),
            Part(level, inner_top, inner_bottom, inner_right, right),
        )
        yield from (strip for strip in strips if strip.bottom > strip.top and strip.right > strip.left)
        top, bottom, left, right, units = up, down, west, east, (ny, nx)


def over_cells(boxes: Sequence[NDArray[Any]], codes: Codes, origin: float) -> Sums:
    """Sums of each step over all cells of some boxes, each of shape (i, j, rows, columns, t): shape (t,)."""
    times = boxes[0].shape[-1]
    samples = np.empty((max(AT_ONCE // times, 1), times), dtype=codes.dtype)
    sums: list[Sums] = []
    filled = 0
    for tiles in _pieces(boxes, len(samples)):
        cells = tiles.size // times
        if filled + cells > len(samples):
            sums.append(sums_of(samples[:filled], 0, codes, origin))
            filled = 0
        samples[filled : filled + cells].reshape(tiles.shape)[...] = tiles
        filled += cells
    sums.append(sums_of(samples[:filled], 0, codes, origin))
    return reduce(add, sums)


def _pieces(boxes: Sequence[NDArray[Any]], most: int) -> Iterator[NDArray[Any]]:
    """The boxes, cut into pieces of at most `most` cells, of at least a quarter of it where they are large."""
    for box in boxes:
        down, right, ny, nx, _ = box.shape
        high = max(most // (4 * right * ny * nx), 1)
        wide = right if high > 1 else max(most // (4 * ny * nx), 1)
        for i in range(0, down, high):
            for j in range(0, right, wide):
                yield box[i : i + high, j : j + wide]


def over_steps(fields: NDArray[Any], codes: Codes, origin: float) -> Sums:
    """Sums of each cell over some steps, of shape (t, ny, nx): shape (ny, nx)."""
    times, ny, nx = fields.shape
    wide = max(AT_ONCE // times, 1)
    rows = [
        [sums_of(fields[:, row, first : first + wide], 0, codes, origin) for first in range(0, nx, wide)]
        for row in range(ny)
    ]
    return Sums.join([part for row in rows for part in row]).reshaped((ny, nx))


def across(band: NDArray[Any], codes: Codes, origin: float) -> Sums:
    """Sums of each step over the blocks of one row of them, of shape (up to 8, nx, t): shape (blocks, t)."""
    ny, nx, times = band.shape
    edge = EDGES[0]
    whole = nx // edge
    many = max(AT_ONCE // (ny * edge * times), 1)
    parts = []
    for first in range(0, whole, many):
        last = min(first + many, whole)
        tile = band[:, first * edge : last * edge].reshape(ny, last - first, edge, times)
        samples = np.ascontiguousarray(tile.transpose(1, 0, 2, 3)).reshape(last - first, ny * edge, times)
        parts.append(sums_of(samples, 1, codes, origin))
    if nx % edge:
        samples = band[:, whole * edge :].reshape(1, -1, times)
        parts.append(sums_of(samples, 1, codes, origin))
    return Sums.join(parts)


def coarser(sums: Sums, factor: int) -> Sums:
    """Blocks of blocks: of shape (rows, columns, t), every `factor` of both in one."""
    rows, columns = sums.count.shape[:2]
    down, right = np.arange(0, rows, factor), np.arange(0, columns, factor)

    def reduced(ufunc: np.ufunc, values: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
        return np.asarray(ufunc.reduceat(ufunc.reduceat(values, down, axis=0, dtype=dtype), right, axis=1, dtype=dtype))

    wide = np.int64 if sums.total.dtype.kind == "i" else np.float64
    return Sums(
        reduced(np.add, sums.count, np.int64),
        reduced(np.add, sums.total, wide),
        reduced(np.add, sums.squares, wide),
        reduced(np.minimum, sums.low),
        reduced(np.maximum, sums.high),
    )
