"""Weighted sums over the cells of prepared data, without decoding them: weights are of cells, so blocks are no help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.laps.blocks import AT_ONCE
from datavore_widgets.service.laps.codes import Codes
from datavore_widgets.service.laps.segment import Segment
from datavore_widgets.service.laps.shelf import Ready
from datavore_widgets.service.weighted import Weighted

__all__ = ["prepared_weighted"]

FloatArray = NDArray[np.float64]
Read = Callable[[slice, Job], Weighted]
"""Reads some steps from the files."""


def prepared_weighted(ready: Ready, steps: slice, cells: Cells, weights: FloatArray, read: Read, job: Job) -> Weighted:
    """Weighted statistics of each step over cells without a mask, of prepared data; what is not prepared is read.

    Parameters
    ----------
    weights : ndarray of float64, shape (ny, nx)
        Of the cells.
    """
    parts: list[Weighted] = []
    done, total = 0, steps.stop - steps.start
    runs = ready.runs(steps)
    # What is read tells its own progress; next to that the rest takes no time.
    is_told = any(run.segment is None for run in runs)
    for run in runs:
        if run.segment is None:
            parts.append(read(run.steps, job.turning(partial(_behind, tuple(parts)))))
        else:
            parts.append(_of_segment(run.segment, run.inside, cells, weights, job))
        done += run.steps.stop - run.steps.start
        if not is_told:
            job.progress(done, total)
    return Weighted.join(parts)


def _behind(before: tuple[Weighted, ...], part: Weighted) -> Weighted:
    return Weighted.join([*before, part])


def _of_segment(segment: Segment, steps: slice, cells: Cells, weights: FloatArray, job: Job) -> Weighted:
    codes, size = segment.codes, steps.stop - steps.start
    count, weight = np.zeros(size, dtype=np.int64), np.zeros(size)
    first, second = np.zeros(size), np.zeros(size)
    about: float | None = None
    # One buffer for all pieces: the system gives memory in pages, which takes as long as the sums.
    work = np.empty((max(AT_ONCE // size, 1), size))
    for samples, own in _pieces(segment, steps, cells, weights, len(work)):
        job.check()
        missing = _missing(codes, samples)
        if about is None:
            # About a value that there is, so that squares are small and large means cost no digits.
            there = samples if missing is None else samples[~missing]
            about = float(there[0, 0] if missing is None else there[0]) if there.size else None
        values = np.subtract(samples, about or 0.0, out=work[: len(samples)], dtype=np.float64)
        count += np.count_nonzero(own > 0)
        weight += own.sum()
        if missing is not None:
            values[missing] = 0.0
            count -= np.count_nonzero(missing[own > 0], axis=0)
            weight -= own @ missing
        first += own @ values
        np.multiply(values, values, out=values)
        second += own @ values
    weight[count == 0] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = codes.level((about or 0.0) + first / np.where(count > 0, weight, np.nan))
        m2 = np.where(count > 0, np.maximum(second - first * (first / weight), 0.0), 0.0) * codes.slope**2
    return Weighted(count, weight, mean[None], m2[None])


def _missing(codes: Codes, samples: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Which codes are missing; None where none is."""
    if not codes.is_whole:
        missing = np.isnan(samples)
    elif codes.gaps:
        missing = samples == codes.missing
    else:
        return None
    return missing if missing.any() else None


def _pieces(
    segment: Segment, steps: slice, cells: Cells, weights: FloatArray, most: int
) -> Iterator[tuple[NDArray[np.generic], FloatArray]]:
    """Codes of the cells, (cells, steps), at most so many at a time, with their weights; each cell once."""
    order = np.argsort(cells.columns, kind="stable")
    # A box over the seam of a grid is two runs of columns.
    runs = np.split(order, np.flatnonzero(np.diff(cells.columns[order]) != 1) + 1)
    for row, across in zip(range(cells.rows.start, cells.rows.stop), weights, strict=True):
        for run in runs:
            line = segment.line(row, int(cells.columns[run[0]]), int(cells.columns[run[-1]]) + 1, steps)
            own = across[run]
            for start in range(0, own.size, most):
                yield line[start : start + most], own[start : start + most]
