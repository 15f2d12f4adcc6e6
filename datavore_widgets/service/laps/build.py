"""Making one segment: its steps are read once, turned so that time is innermost, and summed block by block."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.blocks import EDGES, across, coarser, over_steps
from datavore_widgets.service.laps.codes import Codes, Unfit, candidates
from datavore_widgets.service.laps.loops import loops_for
from datavore_widgets.service.laps.segment import SPAN, SegmentWriter
from datavore_widgets.service.laps.sums import Sums

__all__ = ["build_segment"]

_HELD = 1100 * 2**20
"""Bytes of a segment that are held in memory; of a larger one, the steps are first written out one after another."""

_READ = 32 * 2**20
"""Bytes of the steps that are read at a time."""

_THREADS = 2
"""Numpy leaves the interpreter to others while it sums; more threads would only wait for the disk."""


def build_segment(
    variable: Variable,
    at: tuple[int, ...],
    steps: slice,
    path: Path,
    fields: Path | None,
    about: Mapping[str, Any],
    job: Job,
    tell: Callable[[int], None],
) -> None:
    """Write a segment, and flush it to the disk.

    Parameters
    ----------
    steps : slice
        Positions on the variable's axis.
    path : Path
        Of the segment.
    fields : Path, optional
        Of the copy in the order of time, for pictures; None for none.
    about : mapping
        What the footer tells besides.
    tell : callable
        Called with the number of steps that are done, of those of the segment; reading them is half of it.

    Raises
    ------
    NotSupported
        When the values cannot be kept without loss.
    Cancelled, Unreadable, OSError
        What was written so far is of no use then.
    """
    for codes in candidates(*_some(variable, at, steps)):
        with suppress(Unfit):
            _Making(variable, at, steps, codes, job, tell).write(path, fields, about)
            return
    raise NotSupported(f"{variable.name!r} cannot be prepared: some of its values are infinite, or whole beyond 2**53")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _some(variable: Variable, at: tuple[int, ...], steps: slice) -> tuple[Any, NDArray[Any]]:
    """The packing of a segment's first step, and its stored values."""
    raw, packing = next(variable.stored(slice(steps.start, steps.start + 1), at))
    return packing, raw


class _Making:
    """One try to make a segment with some codes."""

    def __init__(
        self,
        variable: Variable,
        at: tuple[int, ...],
        steps: slice,
        codes: Codes,
        job: Job,
        tell: Callable[[int], None],
    ) -> None:
        self.variable, self.at, self.steps, self.codes = variable, at, steps, codes
        self.job, self.tell = job, tell
        self.times = steps.stop - steps.start
        self.shape = variable.grid.shape
        self.origin = 0.0
        self._staged: mmap.mmap | None = None

    def write(self, path: Path, fields: Path | None, about: Mapping[str, Any]) -> None:
        """Read, turn, sum, write; the disk takes what is written while more is worked out."""
        with ThreadPoolExecutor(1, thread_name_prefix="disk") as disk:
            stack, staged = self._stack(path, fields)
            taken = disk.submit(_flush, fields) if fields is not None else None
            self._write(stack, staged if staged != fields else None, path, about, disk)
            if taken is not None:
                taken.result()

    def _write(
        self, stack: NDArray[Any], staged: Path | None, path: Path, about: Mapping[str, Any], disk: ThreadPoolExecutor
    ) -> None:
        self.origin = self._origin(stack)
        writer = SegmentWriter(path, self.codes, self.origin, self.shape, self.times, about)
        whole = False
        try:
            self._turn(stack, writer, disk)
            whole = True
        finally:
            writer.close(whole=whole)
            if staged is not None:
                staged.unlink()

    def _stack(self, path: Path, fields: Path | None) -> tuple[NDArray[Any], Path | None]:
        """The codes of all steps, (t, ny, nx): in memory, or where they are too many or wanted anyhow, in a file."""
        shape = (self.times, *self.shape)
        nbytes = int(np.prod(shape, dtype=np.int64)) * self.codes.dtype.itemsize
        if fields is None and nbytes <= _HELD:
            stack = np.empty(shape, dtype=self.codes.dtype)
            for place, codes in self._read():
                stack[place] = codes
            stack.flags.writeable = False
            return stack, None
        staged = fields or path.with_suffix(".staged")
        with staged.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, nbytes)
            for _, codes in self._read():
                file.write(np.ascontiguousarray(codes).data.cast("B"))
        with staged.open("rb") as file:
            self._staged = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._staged, dtype=self.codes.dtype).reshape(shape), staged

    def _read(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        ny, nx = self.shape
        size = max(1, _READ // (ny * nx * 8))
        chunk = self.variable.pieces[0].found.layout.chunk[0]
        size = max(size // chunk, 1) * chunk
        done = 0
        while done < self.times:
            first = self.steps.start + done
            # Runs end where chunks do, so that no chunk is decoded twice.
            last = min((first // chunk) * chunk + size, self.steps.stop)
            for raw, packing in self.variable.stored(slice(first, last), self.at, self.job):
                codes = self.codes.encode(raw, packing)
                yield slice(done, done + len(codes)), codes
                done += len(codes)
            self.tell(done // 2)

    def _origin(self, stack: NDArray[Any]) -> float:
        """A usual value of floats: sums of squares about it lose no digits."""
        if self.codes.is_whole:
            return 0.0
        for field in (stack[0], stack[-1], stack[len(stack) // 2]):
            there = field[np.isfinite(field)]
            if there.size:
                return float(np.median(there))
        return 0.0

    def _turn(self, stack: NDArray[Any], writer: SegmentWriter, disk: ThreadPoolExecutor) -> None:
        """Band by band, as high as the largest blocks; the rows of small blocks of a band side by side in threads."""
        ny = self.shape[0]
        taken: Future[None] | None = None
        with ThreadPoolExecutor(_THREADS) as pool:
            for top in range(0, ny, EDGES[-1]):
                self.job.check()
                rows = range(top, min(top + EDGES[-1], ny), EDGES[0])
                parts = list(pool.map(lambda row: self._row_of_blocks(stack, writer, row), rows))
                sums = Sums(*(np.stack(arrays) for arrays in zip(*(part.arrays for part in parts), strict=True)))
                for level in range(1, len(EDGES) + 1):
                    writer.blocks(level, top // EDGES[level - 1], sums)
                    if level < len(EDGES):
                        sums = coarser(sums, EDGES[level] // EDGES[level - 1])
                if self._staged is not None and hasattr(mmap, "MADV_DONTNEED"):
                    # What was turned is not needed again: the file may be larger than memory.
                    self._staged.madvise(mmap.MADV_DONTNEED)
                if taken is None or taken.done():
                    if taken is not None:
                        taken.result()
                    taken = disk.submit(writer.flush)
                self.tell(self.times // 2 + self.times * min(top + EDGES[-1], ny) // (2 * ny))
        if taken is not None:
            # An error of the disk is told once, to whoever waits for it.
            taken.result()

    def _row_of_blocks(self, stack: NDArray[Any], writer: SegmentWriter, row: int) -> Sums:
        height = min(EDGES[0], self.shape[0] - row)
        loops = loops_for(self.codes, soon=True)
        if loops is not None:
            return self._turned(loops, stack, writer, row, height)
        band = np.empty((height, self.shape[1], self.times), dtype=self.codes.dtype)
        for inner in range(height):
            # By way of a copy of its own, a row is turned three times as fast.
            band[inner] = np.ascontiguousarray(stack[:, row + inner]).T
        writer.cells(row // EDGES[0], band)
        for number, first in enumerate(range(0, self.times, SPAN)):
            part = stack[first : first + SPAN, row : row + height]
            writer.span(number, row, over_steps(part, self.codes, self.origin))
        return across(band, self.codes, self.origin)

    def _turned(self, loops: ModuleType, stack: NDArray[Any], writer: SegmentWriter, row: int, height: int) -> Sums:
        """The same, compiled: a value is looked at once, and all is done with it."""
        nx, edge = self.shape[1], EDGES[0]
        tiles = np.zeros((-(-nx // edge), edge, edge, self.times), dtype=self.codes.dtype)
        spans = Sums.room((-(-self.times // SPAN), height, nx), self.codes)
        blocks = Sums.room((len(tiles), self.times), self.codes)
        loops.turn(stack, row, *self.codes.how(self.origin), SPAN, tiles, *spans.arrays, *blocks.arrays)
        writer.tiles(row // edge, tiles)
        for number in range(len(spans.count)):
            writer.span(number, row, spans.at(number))
        return blocks
