"""Answers from prepared data, step by step beside what has to be read from the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from itertools import groupby, pairwise
from operator import add

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.laps.blocks import AT_ONCE, covering
from datavore_widgets.service.laps.codes import Codes
from datavore_widgets.service.laps.loops import loops_for
from datavore_widgets.service.laps.segment import Segment
from datavore_widgets.service.laps.shelf import Ready, Run
from datavore_widgets.service.laps.sums import Sums, sums_of
from datavore_widgets.service.series import PER_STEP, Fold, Moments

__all__ = ["prepared"]

IntArray = NDArray[np.int64]
Read = Callable[[slice, Job], Moments]
"""Reads some steps from the files."""

_FEW = 32
"""Cells up to which values are decoded before they are summed: of so few, the rounding of 32-bit floats shows."""

_SOME = 256
"""Cells up to which there are no blocks among them: all segments are then summed together."""

_MANY = 100_000
"""Cells from which on segments are summed side by side: below, handing over costs as much as it gains."""

_ENOUGH = 5_000
"""The same of the compiled loops, which have no need of the interpreter."""

_POOL = ThreadPoolExecutor(2, thread_name_prefix="laps")


def prepared(fold: Fold[Moments], ready: Ready, steps: slice, cells: Cells, read: Read, job: Job) -> Moments:
    """Moments over a box or over a lapse, of prepared data; what is not prepared is read.

    Parameters
    ----------
    fold : Fold
        `PER_STEP` or `PER_CELL`: which of the two.
    """
    runs = ready.runs(steps)
    return _per_step(runs, cells, read, job) if fold is PER_STEP else _per_cell(runs, cells, read, job)


def _per_step(runs: Sequence[Run], cells: Cells, read: Read, job: Job) -> Moments:
    """Moments of each step over the cells, shape (steps,)."""
    columns = _slices(cells.columns)
    parts: list[Moments] = []
    # Runs whose codes mean the same become moments together.
    for meaning, group in groupby(runs, _meaning):
        if meaning is None:
            parts += [read(run.steps, job.turning(partial(_behind, tuple(parts)))) for run in group]
        else:
            parts.append(_of_segments(list(group), cells, columns, *meaning, job))
    return Moments.join(parts)


def _of_segments(
    runs: list[Run], cells: Cells, columns: tuple[slice, ...], codes: Codes, origin: float, job: Job
) -> Moments:
    """Moments of each step over the cells, of segments whose codes mean the same."""
    loops = loops_for(codes)
    if cells.count <= (_FEW if loops else _SOME):
        return _of_few(runs, cells, columns, codes, origin)
    shape = next(run.segment.shape for run in runs if run.segment)
    edges = cells.rows.start, cells.rows.stop
    parts = np.array([part for run in columns for part in covering(*edges, run.start, run.stop, shape)], dtype=np.int64)
    first = runs[0].steps.start
    sums = Sums.room(runs[-1].steps.stop - first, codes)

    def fill(run: Run) -> None:
        job.check()
        if run.segment:
            run.segment.per_step(run.inside, parts, sums, run.steps.start - first, loops)

    side_by_side = cells.count >= (_MANY if loops is None else _ENOUGH) and len(runs) > 1
    for _ in (_POOL.map if side_by_side else map)(fill, runs):
        pass
    return sums.moments(codes, origin, loops)


def _behind(before: Sequence[Moments], part: Moments) -> Moments:
    return Moments.join([*before, part])


def _of_few(runs: list[Run], cells: Cells, columns: tuple[slice, ...], codes: Codes, origin: float) -> Moments:
    """Moments of each step over few cells, of segments whose codes mean the same."""
    samples = np.empty((cells.count, sum(run.steps.stop - run.steps.start for run in runs)), dtype=codes.dtype)
    first = runs[0].steps.start
    for run in runs:
        if run.segment is not None:
            out = samples[:, run.steps.start - first : run.steps.stop - first]
            run.segment.gather(run.inside, cells.rows, columns, out)
    if cells.count <= _FEW:
        return Moments.of(codes.decode(samples), axis=0)
    wide = max(AT_ONCE // cells.count, 1)
    parts = [sums_of(samples[:, start : start + wide], 0, codes, origin) for start in range(0, samples.shape[1], wide)]
    return Sums.join(parts).moments(codes, origin)


def _meaning(run: Run) -> tuple[Codes, float] | None:
    return (run.segment.codes, run.segment.origin) if run.segment else None


def _per_cell(runs: Sequence[Run], cells: Cells, read: Read, job: Job) -> Moments:
    """Moments of each cell over the steps, shape (ny, nx)."""
    parts = []
    done, total = 0, sum(run.steps.stop - run.steps.start for run in runs)
    for run in runs:
        if run.segment is None:
            parts.append(read(run.steps, job))
        else:
            sums = _of_cells(run.segment, run.inside, cells.read_rows, cells.read_columns)
            parts.append(sums.moments(run.segment.codes, run.segment.origin))
        done += run.steps.stop - run.steps.start
        job.progress(done, total)
    return reduce(add, parts)


def _of_cells(segment: Segment, inside: slice, rows: slice, columns: IntArray) -> Sums:
    """Sums of each cell, the columns in the order wanted."""
    parts = []
    for first, last in _even_runs(columns):
        run = columns[first:last]
        low, high, step = int(run.min()), int(run.max()), abs(int(run[1] - run[0])) if run.size > 1 else 1
        sums = segment.per_cell(inside, rows, slice(low, high + 1, step))
        parts.append(sums if run[0] <= run[-1] else sums.at((slice(None), slice(None, None, -1))))
    return parts[0] if len(parts) == 1 else Sums.join(parts, axis=1)


def _slices(columns: IntArray) -> tuple[slice, ...]:
    """Runs of neighbouring columns, whichever way they go."""
    low, high = int(columns[0]), int(columns[-1])
    if high - low + 1 == columns.size and bool((columns[1:] > columns[:-1]).all()):
        return (slice(low, high + 1),)
    cuts = np.flatnonzero(np.abs(np.diff(columns)) != 1) + 1
    runs = pairwise([0, *cuts.tolist(), columns.size])
    ends = [(int(columns[first]), int(columns[last - 1])) for first, last in runs]
    return tuple(slice(min(pair), max(pair) + 1) for pair in ends)


def _even_runs(columns: IntArray) -> list[tuple[int, int]]:
    """Start and stop of runs of evenly spaced columns."""
    steps = np.diff(columns)
    cuts = np.flatnonzero(steps != np.median(steps)) + 1 if steps.size else steps
    return list(pairwise([0, *cuts.tolist(), columns.size]))
