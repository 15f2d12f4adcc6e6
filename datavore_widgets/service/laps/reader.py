"""Reading segments, each while the one before is turned and written: their codes, one step behind the other."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.codes import Codes, Unfit, candidates

__all__ = ["Reader", "Stack"]

_HELD = 1024 * 2**20
"""Bytes of segments that are held in memory; the steps of a larger one are written out one after another."""

_READ = 32 * 2**20
"""Bytes of the steps that are read at a time."""

_LOOK = 0.1
"""Seconds between two looks how far reading is, and whether it is still wanted."""


S = TypeVar("S")


class _TooLarge(Exception):
    """More than memory has room for."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The codes of all steps of a segment.

    Parameters
    ----------
    codes : Codes
        What they mean.
    fields : ndarray, shape (t, ny, nx)
        Not to be written to.
    staged : mmap, optional
        Of the file that they are in; None where they are in memory.
    """

    codes: Codes
    fields: NDArray[Any]
    staged: mmap.mmap | None = None

    def forget(self) -> None:
        """Give back the memory of what was gone over: the file may be larger than memory."""
        if self.staged is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.staged.madvise(mmap.MADV_DONTNEED)


class Reader:
    """Reads some segments of a variable in their order, by a thread of its own.

    As soon as one was taken, the next one is read, if memory has room for both.

    Parameters
    ----------
    at : tuple of int
        Position on each further dimension.
    segments : sequence of slice
        Positions on the variable's axis.
    """

    def __init__(self, variable: Variable, at: tuple[int, ...], segments: Sequence[slice]) -> None:
        self._variable, self._at = variable, at
        self._left = iter(segments)
        self._next = next(self._left, None)
        self._ahead: Future[Stack | None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read")
        self._job = Job()
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Read no further."""
        self._job.cancel()
        self._pool.shutdown()

    def take(self, staged: Path, tell: Callable[[int], None]) -> Stack:
        """The next segment.

        Parameters
        ----------
        staged : Path
            File for its steps, one behind the other, if they are more than memory should hold.
        tell : callable
            Called with the number of steps that are read, now and then while they are waited for.

        Raises
        ------
        NotSupported
            When the values cannot be kept without loss.
        Unreadable, OSError
            As `Variable.stored`, and when the file cannot be written.
        """
        steps = self._next
        if steps is None:
            raise LookupError("all segments were taken")
        stack = self._waited(self._ahead, tell) if self._ahead is not None else None
        if stack is None:
            self._done = 0
            stack = self._waited(self._pool.submit(self._read, steps, _HELD, staged), tell)
        self._next, self._ahead, self._done = next(self._left, None), None, 0
        if self._next is not None:
            # What is mapped from a file takes memory too while it is gone over.
            held = _HELD if stack.staged is not None else stack.fields.nbytes
            self._ahead = self._pool.submit(self._read_ahead, self._next, _HELD - held)
        return stack

    def _waited(self, reading: Future[S], tell: Callable[[int], None]) -> S:
        # All is told by the thread that waits: whoever listens is called by no other.
        while not reading.done():
            wait([reading], _LOOK)
            tell(self._done)
        return reading.result()

    def _read_ahead(self, steps: slice, most: int) -> Stack | None:
        """The steps; None if they take more memory than they may."""
        with suppress(_TooLarge):
            return self._read(steps, most, None)
        return None

    def _read(self, steps: slice, most: int, staged: Path | None) -> Stack:
        """The steps, in the smallest codes; in a file if they are more than `most` bytes."""
        raw, packing = next(self._variable.stored(slice(steps.start, steps.start + 1), self._at))
        for codes in candidates(packing, raw):
            shape = (steps.stop - steps.start, *self._variable.grid.shape)
            nbytes = int(np.prod(shape, dtype=np.int64)) * codes.dtype.itemsize
            with suppress(Unfit):
                if nbytes <= most:
                    return self._in_memory(steps, codes, shape)
                if staged is None:
                    raise _TooLarge
                return self._in_file(steps, codes, shape, nbytes, staged)
        raise NotSupported(
            f"{self._variable.name!r} cannot be prepared: some of its values are infinite, or whole beyond 2**53"
        )

    def _in_memory(self, steps: slice, codes: Codes, shape: tuple[int, ...]) -> Stack:
        fields = np.empty(shape, dtype=codes.dtype)
        for place, found in self._encoded(steps, codes):
            fields[place] = found
        fields.flags.writeable = False
        return Stack(codes, fields)

    def _in_file(self, steps: slice, codes: Codes, shape: tuple[int, ...], nbytes: int, path: Path) -> Stack:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, nbytes)
            for _, found in self._encoded(steps, codes):
                file.write(np.ascontiguousarray(found).data.cast("B"))
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return Stack(codes, np.frombuffer(mapped, dtype=codes.dtype).reshape(shape), mapped)

    def _encoded(self, steps: slice, codes: Codes) -> Iterator[tuple[slice, NDArray[Any]]]:
        ny, nx = self._variable.grid.shape
        size = max(1, _READ // (ny * nx * 8))
        chunk = self._variable.pieces[0].found.layout.chunk[0]
        size = max(size // chunk, 1) * chunk
        self._done = done = 0
        while steps.start + done < steps.stop:
            first = steps.start + done
            # Runs end where chunks do, so that no chunk is decoded twice.
            last = min((first // chunk) * chunk + size, steps.stop)
            for raw, packing in self._variable.stored(slice(first, last), self._at, self._job):
                found = codes.encode(raw, packing)
                yield slice(done, done + len(found)), found
                done += len(found)
            self._done = done
