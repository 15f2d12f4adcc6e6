"""Indexes: variables over one or many files, read by step, row and column."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NoData
from datavore_widgets.protocol.answers import IndexInfo, VariableInfo
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.protocol.times import TimeAxis
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.decode import Packing
from datavore_widgets.service.files import Raw
from datavore_widgets.service.grid import Grid, median
from datavore_widgets.service.pieces import Piece, Pieces
from datavore_widgets.service.scan import Dim, Layout
from datavore_widgets.service.sphere import meet

__all__ = ["Index", "Variable", "concatenated"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable of an index.

    Parameters
    ----------
    name : str
        As in the files.
    info : VariableInfo
        What the catalogue tells of it.
    axis : TimeAxis
        Its times, ascending; empty where it has none.
    dtype : dtype
        Of decoded values.
    dims : tuple of Dim
        Its further dimensions.
    pieces : Pieces
        The files that hold it.
    piece_of, place_of : ndarray of int64, shape (n,)
        For each time, the piece that holds it and the position in there.
    bounds : ndarray of int64, shape (n, 2), optional
        Labels of the bounds of each time, where all files have them.
    is_climatology : bool
        Whether the bounds are those of a climatology: the first moment of many years, and the last.
    """

    name: str
    info: VariableInfo
    axis: TimeAxis
    dtype: np.dtype[Any]
    dims: tuple[Dim, ...]
    pieces: Pieces
    piece_of: IntArray
    place_of: IntArray
    bounds: IntArray | None = field(default=None, kw_only=True)
    is_climatology: bool = field(default=False, kw_only=True)

    @property
    def grid(self) -> Grid:
        """Where its cells lie; of a variable that `moves`, where those of its first file do."""
        return self.pieces[0].found.grid

    def grid_at(self, step: int | None) -> Grid:
        """Where its cells lie at a step."""
        return self._piece(step).found.grid

    @property
    def moves(self) -> bool:
        """Whether its cells lie elsewhere in each file, as those of a swath do."""
        return self.pieces.moves

    @property
    def cells_key(self) -> Hashable:
        """Equal for variables on the same cells, at all times."""
        return self.pieces.keys

    @property
    def bbox(self) -> BBox:
        """The box around its cells at all times."""
        return self.pieces.bbox

    def runs(self, steps: slice) -> Iterator[tuple[slice, Grid]]:
        """Steps one after another whose cells lie at the same places, and where: all of them unless it `moves`."""
        for run in self.stretches(steps):
            yield run, self.grid_at(run.start)

    def stretches(self, steps: slice, bbox: BBox | None = None) -> Iterator[slice]:
        """The steps of `runs`, without looking where they are.

        Of one that moves those alone whose extent meets a box, if it is given.
        """
        if not self.moves:
            yield steps
            return
        for first, stop in _runs(self.piece_of[steps]):
            run = slice(steps.start + first, steps.start + stop)
            if bbox is None or meet(self._piece(run.start).found.place.bbox, bbox):
                yield run

    @property
    def has_time(self) -> bool:
        """Whether it has times."""
        return len(self.axis) > 0

    def file_of(self, step: int | None) -> str:
        """The file that holds a step; empty for a data set in memory."""
        return self.pieces.file(int(self.piece_of[step]) if step is not None and self.has_time else 0)

    def fingerprint(self, step: int | None) -> Hashable:
        """What changes when the file behind a step changes.

        Raises
        ------
        Unreadable
            When the file is gone.
        """
        return self._piece(step).source.fingerprint()

    def fingerprints(self, steps: slice | int | None) -> tuple[Hashable, ...]:
        """What changes when a file that some steps are read from does.

        Raises
        ------
        Unreadable
            When a file is gone.
        """
        if isinstance(steps, int):
            return (self._piece(steps).source.fingerprint(),)
        numbers = np.unique(self.piece_of[steps]).tolist() if self.has_time else [0]
        return tuple(self.pieces[number].source.fingerprint() for number in numbers)

    def during(self, cells: Cells, steps: slice | int | None) -> Cells:  # noqa: ARG002  it has all of them always
        """Those of some cells that it has at some steps."""
        return cells

    def _piece(self, step: int | None) -> Piece:
        return self.pieces[int(self.piece_of[step])] if step is not None and self.has_time else self.pieces[0]

    @property
    def parts(self) -> tuple[Variable, ...]:
        """The variables that are read for its values: itself, if it is stored."""
        return (self,)

    def read(
        self,
        steps: slice | int | None,
        at: tuple[int, ...],
        rows: slice,
        columns: IntArray,
        job: Job | None = None,
    ) -> NDArray[Any]:
        """Decoded values of a window.

        Parameters
        ----------
        steps : slice, int or None
            Times; None for a variable that has none.
        at : tuple of int
            A position on every further dimension.
        rows : slice
            In the order of the data.
        columns : ndarray of int64
            In any order; a run that wraps over the seam is read as two slabs.
        job : Job, optional
            Checked between files.

        Returns
        -------
        ndarray, shape (nt, ny, nx), or (ny, nx) for one step or none
            Floats with NaN for missing; integers with a mask where any value may be missing.

        Raises
        ------
        Unreadable
            When a file cannot be read, or was changed since it was opened; it is named.
        """
        if not self.has_time:
            values = self._read_piece(self.pieces[0], np.zeros(1, dtype=np.int64), at, rows, columns)
            return values if isinstance(steps, slice) else values[0]
        if steps is None:
            raise NoData(f"{self.name!r} has {len(self.axis)} times: one of them has to be chosen")
        wanted = np.arange(len(self.axis))[steps].reshape(-1)
        parts = [self._read_piece(piece, places, at, rows, columns) for piece, places in self._runs_of(wanted, job)]
        if not parts:
            return np.empty((0, *self._nothing(0, rows).shape[1:2], columns.size), dtype=self.dtype)
        joined = concatenated(parts, axis=0)
        return joined if isinstance(steps, slice) else joined[0]

    @property
    def tells_sample_times(self) -> bool:
        """Whether the data tell when each sample was taken."""
        return any(piece.found.sample_time is not None for piece in self.pieces)

    def sample_times(self, step: int, cells: Cells) -> tuple[str, Raw, Layout] | None:
        """The variable that tells when each sample of a step was taken, what is stored for the rows of cells, and how.

        Raises
        ------
        Unreadable
            As `read`.
        """
        piece = self._piece(step)
        name, layout = piece.found.sample_time, piece.found.layout
        if name is None:
            return None
        keys: dict[str, int | slice] = {} if layout.lat is None else {layout.lat: cells.read_rows}
        if layout.time:
            keys[layout.time] = int(self.place_of[step])
        raw = piece.source.read(name, keys)
        piece.check(self.name, raw.fingerprint)
        return name, raw, layout

    def _runs_of(self, wanted: IntArray, job: Job | None) -> Iterator[tuple[Piece, IntArray]]:
        """The files that hold some steps, one after another, with the places of the steps in there."""
        for start, stop in _runs(self.piece_of[wanted]):
            if job is not None:
                job.check()
            run = wanted[start:stop]
            yield self.pieces[int(self.piece_of[run[0]])], self.place_of[run]

    def stored(
        self, steps: slice, at: tuple[int, ...], job: Job | None = None
    ) -> Iterator[tuple[NDArray[Any], Packing]]:
        """Whole fields of some steps as they are stored, not decoded, each (nt, ny, nx) with its packing.

        Raises
        ------
        Unreadable
            As `read`.
        """
        ny, nx = self.grid.shape
        for piece, places in self._runs_of(np.arange(len(self.axis))[steps], job):
            for raws in self._raws(piece, places, at, slice(0, ny), [slice(0, nx)]):
                yield from ((_ordered(raw, piece.found.layout), raw.packing) for raw in raws)

    def _raws(
        self, piece: Piece, places: IntArray, at: tuple[int, ...], rows: slice, columns: Sequence[slice]
    ) -> Iterator[list[Raw]]:
        """For each run of steps that lie one behind the other in a file, what is stored in each run of columns."""
        layout = piece.found.layout
        keys: dict[str, int | slice] = dict(zip(layout.others, (int(i) for i in at), strict=True))
        if layout.lat is not None:
            keys[layout.lat] = rows
        for first, last in _runs(places - np.arange(places.size)) if layout.time else [(0, 1)]:
            if layout.time:
                keys[layout.time] = slice(int(places[first]), int(places[last - 1]) + 1)
            raws = []
            for run in columns:
                if layout.lon is not None:
                    keys[layout.lon] = run
                raws.append(piece.source.read(self.name, keys))
                piece.check(self.name, raws[-1].fingerprint)
            yield raws

    def _read_piece(
        self, piece: Piece, places: IntArray, at: tuple[int, ...], rows: slice, columns: IntArray
    ) -> NDArray[Any]:
        start, stop, step = rows.indices(piece.found.place.shape[0])
        layout, runs = piece.found.layout, _monotonic_runs(columns)
        if len(runs) > 1 and layout.is_chunked:
            # The two ends of a box that goes around, in one chunk: it holds all between them, and is decoded once.
            chunks = np.concatenate([np.unique(run // layout.chunk[2]) for run in runs])
            runs = runs if np.unique(chunks).size == chunks.size else [columns]
        if not runs:
            return self._nothing(places.size if piece.found.layout.time else 1, rows)
        wanted = [slice(int(run.min()), int(run.max()) + 1) for run in runs]
        slabs = []
        for raws in self._raws(piece, places, at, slice(start, max(start, stop), step), wanted):
            across = [
                raw.packing.decode(_ordered(raw, piece.found.layout))[..., _as_slice(run - run.min())]
                for raw, run in zip(raws, runs, strict=True)
            ]
            slabs.append(concatenated(across, axis=-1))
        return concatenated(slabs, axis=0).astype(self.dtype, copy=False)

    def _nothing(self, steps: int, rows: slice) -> NDArray[Any]:
        return np.empty((steps, len(range(*rows.indices(self.grid.shape[0]))), 0), dtype=self.dtype)


@dataclass(frozen=True, eq=False)
class Index:
    """A data set of the catalogue.

    Parameters
    ----------
    id : str
        As it is asked for.
    info : IndexInfo
        What the catalogue tells of it.
    variables : mapping of str to Variable
        Those that can be shown.
    refused : mapping of str to str
        The others, each with the reason.
    files : tuple of str
        The files behind it; empty for a data set in memory.
    """

    id: str
    info: IndexInfo
    variables: Mapping[str, Variable]
    refused: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def _ordered(raw: Raw, layout: Layout) -> NDArray[Any]:
    """Stored values as (time, row, column)."""
    names = (layout.time, layout.lat, layout.lon)
    values = raw.values.transpose([raw.dims.index(name) for name in names if name is not None])
    missing = [place for place, name in enumerate(names) if name is None]
    return np.expand_dims(values, missing) if missing else values


def _runs(keys: IntArray) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of equal keys."""
    if keys.size:
        cuts = np.flatnonzero(np.diff(keys)) + 1
        yield from zip([0, *cuts.tolist()], [*cuts.tolist(), keys.size], strict=True)


def _monotonic_runs(columns: IntArray) -> list[IntArray]:
    """The columns cut where their direction turns: a wrapped run gives two parts."""
    if columns.size < 2:
        return [columns] if columns.size else []
    steps = np.diff(columns)
    direction = np.sign(median(np.sign(steps))) or np.sign(steps[0])
    return [part for part in np.split(columns, np.flatnonzero(np.sign(steps) != direction) + 1) if part.size]


def _as_slice(places: IntArray) -> Any:
    """A slice where the places are evenly spaced: it copies nothing."""
    if places.size == 1:
        return slice(int(places[0]), int(places[0]) + 1)
    step = int(places[1] - places[0])
    if step == 0 or (np.diff(places) != step).any():
        return places
    stop = int(places[-1]) + step
    return slice(int(places[0]), stop if stop >= 0 else None, step)


def concatenated(parts: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
    """Arrays one behind the other, masked where any of them is."""
    if len(parts) == 1:
        return parts[0]
    if any(is_masked(part) for part in parts):
        return np.asanyarray(np.ma.concatenate(parts, axis=axis))  # type: ignore[no-untyped-call]
    return np.concatenate(parts, axis=axis)
