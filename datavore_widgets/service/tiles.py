"""How many values are gone over: in tiles of whole chunks, so that each chunk is read and decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.job import Estimate
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.index import Variable

__all__ = ["Tile", "bands_of", "cuts", "estimate_of", "tiles_of"]

IntArray = NDArray[np.int64]

READ_BYTES = 32 * 2**20
"""Of the values of a tile, in float64: big enough to hide the cost of a call, small enough to be cancelled."""

MOST_BYTES = 256 * 2**20
"""Of the values of one chunk; a larger one is cut, and decoded again for each part of it."""


class Tile(NamedTuple):
    """What is read at a time: a run of steps, a band of the rows, and a part of the columns asked for."""

    steps: slice
    rows: slice
    """In the order of the data."""
    columns: slice
    """Among the columns of the cells, before they are thinned."""


def tiles_of(variable: Variable, steps: slice, cells: Cells, most: int | None = None) -> list[list[Tile]]:
    """Runs of steps, each cut into tiles of about `most` bytes (32 MiB), but of a whole chunk at least."""
    layout = _Layout.of(variable, steps)
    times = layout.time_edges(steps)
    rows = _edges(cells.rows.start + _starts(np.arange(cells.rows.start, cells.rows.stop) // layout.down), cells.rows)
    columns = _edges(_starts(cells.columns // layout.across), slice(0, cells.columns.size))
    room = (most or READ_BYTES) // max(8, variable.dtype.itemsize)
    if _widest(times) * _thinned(rows, cells.row_step) * _thinned(columns, cells.column_step) > MOST_BYTES // 8:
        times = np.arange(steps.start, steps.stop + 1)
        if _thinned(rows, cells.row_step) * _thinned(columns, cells.column_step) > MOST_BYTES // 8:
            rows = np.arange(cells.rows.start, cells.rows.stop + 1)
    deep, high = _widest(times), _thinned(rows, cells.row_step)
    # Parts begin at a row and at a column that is read.
    columns = _on_step(columns, 0, cells.column_step)
    parts = list(cuts(columns, max(room // max(deep * high, 1), 1) * cells.column_step))
    wide = max(1, *(-(-(part.stop - part.start) // cells.column_step) for part in parts))
    rows = _on_step(rows, cells.rows.start, cells.row_step)
    bands = list(cuts(rows, max(room // (deep * wide), 1) * cells.row_step))
    high = max(1, *(-(-(band.stop - band.start) // cells.row_step) for band in bands))
    runs = cuts(times, max(room // (high * wide), 1))
    return [[Tile(run, band, part) for band in bands for part in parts] for run in runs]


def bands_of(steps: slice, cells: Cells, most: int = 2 * READ_BYTES) -> list[Tile]:
    """Tiles of all of some steps and columns whose values take about `most` bytes: where steps lie side by side."""
    room = most // (8 * max((steps.stop - steps.start) * cells.shape[1], 1))
    rows = _on_step(np.arange(cells.rows.start, cells.rows.stop + 1), cells.rows.start, cells.row_step)
    return [Tile(steps, band, slice(0, cells.columns.size)) for band in cuts(rows, max(room, 1) * cells.row_step)]


def estimate_of(
    variables: Iterable[Variable], runs: Sequence[slice], cells: Cells, pace: float | None = None
) -> Estimate:
    """What reading some runs of steps of some cells takes.

    Parameters
    ----------
    pace : float, optional
        Seconds for a byte.
    """
    chunks = nbytes = 0
    for part in (part for variable in variables for part in variable.parts):
        if runs:
            high, wide, across = _Layout.of(part, runs[0]).window(cells, part.grid_at(runs[0].start).shape)
        # A chunk that two runs share is read for each of them.
        for run in runs:
            count, steps = _Layout.of(part, run).time_chunks(run)
            chunks += count * across
            nbytes += steps * high * wide * part.dtype.itemsize
    return Estimate(nbytes, chunks, None if pace is None else pace * nbytes)


def cuts(edges: IntArray, most: int) -> Iterator[slice]:
    """Runs from edge to edge, as long as they can be within `most`; one that is longer stays whole."""
    first = 0
    while first < edges.size - 1:
        last = max(int(np.searchsorted(edges, edges[first] + most, side="right")) - 1, first + 1)
        yield slice(int(edges[first]), int(edges[last]))
        first = last


@dataclass(frozen=True)
class _Layout:
    """What of a variable is stored together, from some step on.

    Parameters
    ----------
    deep, down, across : int
        Steps, rows and columns.
    """

    variable: Variable
    deep: int
    down: int
    across: int
    is_chunked: bool

    @classmethod
    def of(cls, variable: Variable, steps: slice) -> _Layout:
        piece = variable.pieces[int(variable.piece_of[steps.start])]
        layout = piece.found.layout
        # What is not chunked can be cut anywhere.
        down, across = layout.chunk[1:] if layout.is_chunked else (1, 1)
        return cls(variable, layout.chunk[0], down, across, layout.is_chunked)

    def window(self, cells: Cells, shape: tuple[int, int]) -> tuple[int, int, int]:
        """Rows and columns of the chunks that hold some cells, and the number of these chunks at one time."""
        if not self.is_chunked:
            return *cells.shape, 1
        rows = np.unique(np.arange(cells.rows.start, cells.rows.stop, cells.row_step) // self.down)
        columns = np.unique(cells.read_columns // self.across)
        high = np.minimum(self.down, shape[0] - rows * self.down).sum()
        wide = np.minimum(self.across, shape[1] - columns * self.across).sum()
        return int(high), int(wide), rows.size * columns.size

    def time_edges(self, steps: slice) -> IntArray:
        """Where a chunk begins among some steps, and the end of these."""
        piece, chunk = self.variable.piece_of[steps], self.variable.place_of[steps] // self.deep
        new = (np.diff(piece) != 0) | (np.diff(chunk) != 0)
        return np.concatenate([[steps.start], steps.start + 1 + np.flatnonzero(new), [steps.stop]])

    def time_chunks(self, steps: slice) -> tuple[int, int]:
        """Chunks that hold some steps, one behind the other, and the steps in all of these."""
        firsts = self.time_edges(steps)[:-1]
        inside = self.variable.piece_of[firsts]
        length = np.bincount(self.variable.piece_of)[inside]
        begin = self.variable.place_of[firsts] // self.deep * self.deep
        return firsts.size, int(np.clip(length - begin, 1, self.deep).sum())


def _starts(chunks: IntArray) -> IntArray:
    """Where another chunk begins."""
    return np.flatnonzero(np.diff(chunks)) + 1


def _edges(inner: IntArray, whole: slice) -> IntArray:
    return np.concatenate([[whole.start], inner, [whole.stop]])


def _on_step(edges: IntArray, first: int, step: int) -> IntArray:
    """Edges moved on to the next place that is a multiple of `step` from the first; the last one stays."""
    moved = first + -(-(edges - first) // step) * step
    moved = np.append(moved[moved < edges[-1]], edges[-1])
    return np.unique(moved)


def _widest(edges: IntArray) -> int:
    return int(np.diff(edges).max(initial=1))


def _thinned(edges: IntArray, step: int) -> int:
    return -(-_widest(edges) // step)
