"""Variables whose samples have a place and a time each: tracks and profiles, of one file or of many."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.times import TimeAxis
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Variable, concatenated
from datavore_widgets.service.pieces import Piece, Pieces
from datavore_widgets.service.points import Points

__all__ = ["Track"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Track(Variable):
    """A variable of samples, which are the columns of one row, in the order of time.

    Made by `of`. Its times are those of the samples, each once.

    Parameters
    ----------
    points : Points
        Where all the samples are.
    sample_piece, sample_place : ndarray of int64, shape (n,)
        For each sample, the piece that holds it and its place along the rows there.
    starts : ndarray of int64, shape (times + 1,)
        The first sample of each time.
    """

    points: Points
    sample_piece: IntArray
    sample_place: IntArray
    starts: IntArray

    @classmethod
    def of(cls, name: str, info: VariableInfo, pieces: Pieces) -> Track:
        """The samples of some files that have a place and a time."""
        first = pieces[0].found
        listed = []
        for number, piece in enumerate(pieces):
            grid, labels = piece.found.grid, piece.found.labels
            lon, lat = (place.reshape(-1) for place in grid.coordinates(Cells.whole(grid.shape)))
            there = np.flatnonzero((labels >= 0) & np.isfinite(lon) & np.isfinite(lat))
            listed.append((labels[there], lon[there], lat[there], np.full(there.size, number), there))
        labels, lon, lat, piece_of, place_of = (np.concatenate(parts) for parts in zip(*listed, strict=True))
        order = np.argsort(labels, kind="stable")
        times, starts = np.unique(labels[order], return_index=True)
        return cls(
            name=name,
            info=info,
            axis=TimeAxis(times, first.calendar),
            dtype=np.result_type(*(piece.found.dtype for piece in pieces)),
            dims=first.dims,
            pieces=pieces,
            piece_of=piece_of[order][starts],
            place_of=place_of[order][starts],
            points=Points.of(lon[order][None], lat[order][None]),
            sample_piece=piece_of[order],
            sample_place=place_of[order],
            starts=np.append(starts, order.size),
        )

    @property
    def grid(self) -> Grid:
        """Where all its samples are."""
        return self.points

    def grid_at(self, step: int | None) -> Grid:  # noqa: ARG002  the samples of a step are some of its cells
        """Where all its samples are, those of a step among them (see `during`)."""
        return self.points

    @property
    def moves(self) -> bool:
        """False: the samples of all times are cells of one grid."""
        return False

    @property
    def cells_key(self) -> Hashable:
        """Equal for variables of the same samples."""
        return self.points.key

    @property
    def bbox(self) -> BBox:
        """The box around all its samples."""
        return self.points.bbox

    def during(self, cells: Cells, steps: slice | int | None) -> Cells:
        """Those of some cells whose samples were taken at some steps."""
        if steps is None or cells.count == 0:
            return cells
        low, high = (steps, steps + 1) if isinstance(steps, int | np.integer) else (steps.start, steps.stop)
        first, stop = int(self.starts[low]), int(self.starts[high])
        start, last = int(cells.columns[0]), int(cells.columns[-1]) + 1
        first, stop = max(first, start), min(stop, last)
        if first >= stop:
            return Cells.none()
        mask = None if cells.mask is None else cells.mask[:, first - start : stop - start]
        return replace(cells, columns=np.arange(first, stop), mask=mask)

    def steps_of(self, cells: Cells) -> IntArray:
        """Positions on the axis of the times of the samples that are meant."""
        return np.asarray(np.searchsorted(self.starts, cells.flat(cells.read_columns[None]), side="right") - 1)

    def read(
        self,
        steps: slice | int | None,
        at: tuple[int, ...],
        rows: slice,  # noqa: ARG002  there is one
        columns: IntArray,
        job: Job | None = None,
    ) -> NDArray[Any]:
        """Decoded values of some samples, whatever the step; for the parameters see `Variable.read`."""
        if not columns.size:
            return np.empty((1, 1, 0) if isinstance(steps, slice) else (1, 0), dtype=self.dtype)
        piece_of = self.sample_piece[columns]
        # File by file: there may be ten thousand of them.
        order = np.argsort(piece_of, kind="stable")
        parts = []
        for mine in np.split(order, np.flatnonzero(np.diff(piece_of[order])) + 1):
            if job is not None:
                job.check()
            piece = self.pieces[int(piece_of[mine[0]])]
            parts.append(self._read_samples(piece, at, self.sample_place[columns[mine]]))
        values = concatenated(parts, axis=0)
        values = values[np.argsort(order, kind="stable")].astype(self.dtype, copy=False)
        return values[None, None] if isinstance(steps, slice) else values[None]

    def _read_samples(self, piece: Piece, at: tuple[int, ...], places: IntArray) -> NDArray[Any]:
        ny, nx = piece.found.grid.shape
        rows, columns = np.divmod(places, nx)
        low, high = int(rows.min()), int(rows.max()) + 1
        left, right = (int(columns.min()), int(columns.max()) + 1) if ny == 1 else (0, nx)
        slab = self._read_piece(piece, np.zeros(1, dtype=np.int64), at, slice(low, high), np.arange(left, right))
        values: NDArray[Any] = slab[0][rows - low, columns - left]
        return values

    def fingerprints(self, steps: slice | int | None) -> tuple[Hashable, ...]:
        """What changes when a file that the samples of some steps are read from does."""
        low, high = 0, len(self.axis)
        if steps is not None:
            low, high = (steps, steps + 1) if isinstance(steps, int | np.integer) else (steps.start, steps.stop)
        numbers = np.unique(self.sample_piece[self.starts[low] : self.starts[high]])
        return tuple(self.pieces[number].source.fingerprint() for number in numbers.tolist())

    def pieces_with(self, cells: Cells) -> Iterator[Piece]:
        """The files that hold some samples, in the order of time."""
        numbers = self.sample_piece[cells.flat(cells.read_columns[None])]
        yield from (self.pieces[number] for number in dict.fromkeys(numbers.tolist()))
