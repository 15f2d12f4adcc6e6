"""Making one segment: its steps are turned so that time is innermost, and summed block by block."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.job import Job
from datavore_widgets.service.laps.blocks import EDGES, across, coarser, over_steps
from datavore_widgets.service.laps.loops import loops_for
from datavore_widgets.service.laps.reader import Reader, Stack
from datavore_widgets.service.laps.segment import SPAN, SegmentWriter
from datavore_widgets.service.laps.sums import Sums

__all__ = ["build_segment"]

_WRITTEN = 8 * 2**20
"""Bytes that are written at a time where all is at hand: others get at the processor in between."""

_THREADS = 2
"""Numpy leaves the interpreter to others while it sums; more threads would only wait for the disk."""


def build_segment(
    reader: Reader,
    path: Path,
    fields: Path | None,
    about: Mapping[str, Any],
    job: Job,
    tell: Callable[[int], None],
) -> None:
    """Write the reader's next segment, and flush it to the disk.

    Parameters
    ----------
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
    staged = fields or path.with_suffix(".staged")
    stack = reader.take(staged, lambda read: tell(read // 2))
    tell(len(stack.fields) // 2)
    with ThreadPoolExecutor(2, thread_name_prefix="disk") as disk:
        kept = disk.submit(_keep, stack, fields.open("rb+" if stack.staged else "wb")) if fields is not None else None
        _Making(stack, job, tell).write(path, about, disk)
        if kept is not None:
            kept.result()
    if stack.staged is not None and fields is None:
        staged.unlink()


def _keep(stack: Stack, file: BinaryIO) -> None:
    """See that the disk has the copy in the order of time; what was staged is in its file already."""
    with file:
        if stack.staged is None:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, stack.fields.nbytes)
            data = stack.fields.data.cast("B")
            for first in range(0, len(data), _WRITTEN):
                file.write(data[first : first + _WRITTEN])
            file.flush()
        os.fsync(file.fileno())


class _Making:
    """Writes one segment."""

    def __init__(self, stack: Stack, job: Job, tell: Callable[[int], None]) -> None:
        self.stack, self.codes = stack, stack.codes
        self.job, self.tell = job, tell
        self.times = len(stack.fields)
        self.shape = stack.fields.shape[1:]
        self.origin = self._origin(stack.fields)

    def write(self, path: Path, about: Mapping[str, Any], disk: ThreadPoolExecutor) -> None:
        """Turn, sum, write; the disk takes what is written while more is worked out."""
        writer = SegmentWriter(path, self.codes, self.origin, self.shape, self.times, about)
        whole = False
        try:
            self._turn(self.stack.fields, writer, disk)
            whole = True
        finally:
            writer.close(whole=whole)

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
                del parts
                for level in range(1, len(EDGES) + 1):
                    writer.blocks(level, top // EDGES[level - 1], sums)
                    if level < len(EDGES):
                        sums = coarser(sums, EDGES[level] // EDGES[level - 1])
                self.stack.forget()
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
