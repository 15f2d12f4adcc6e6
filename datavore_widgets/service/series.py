"""Statistics of values with gaps, found run by run: for series over boxes and for maps over lapses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.service.tiles import Tile

__all__ = ["PER_CELL", "PER_STEP", "Block", "Fold", "Moments", "missing_of"]


Block = tuple[Tile, NDArray[Any]]
"""A tile and what is in there: (nt, ny, nx), missing as NaN or masked."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Moments:
    """Everything that the aggregates need, of any number of samples side by side.

    Parameters
    ----------
    count : ndarray of int64
        Valid values of each sample; all five arrays have one shape.
    mean, m2, low, high : ndarray of float64
        Mean, sum of squared deviations from it, minimum, maximum. NaN (`m2`: 0) where `count` is 0.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[Any], axis: int) -> Moments:
        """Moments along one axis, in float64 and two passes: deviations from the mean, not squares, are summed."""
        missing = missing_of(values)
        # A copy of our own, worked on in place: a block is as large as memory allows.
        work = np.array(np.ma.getdata(values), dtype=np.float64)
        gaps = bool(missing.any())
        if gaps:
            np.copyto(work, np.nan, where=missing)
        low = np.fmin.reduce(work, axis=axis)
        high = np.fmax.reduce(work, axis=axis)
        count = np.asarray(work.shape[axis] - np.count_nonzero(missing, axis=axis))
        with np.errstate(invalid="ignore", divide="ignore"):
            if gaps:
                np.copyto(work, 0.0, where=missing)
            mean = work.sum(axis=axis) / count
            work -= np.expand_dims(mean, axis)
            if gaps:
                np.copyto(work, 0.0, where=missing)
            work *= work
        return cls(count, mean, work.sum(axis=axis), low, high)

    @classmethod
    def grouped(cls, values: NDArray[Any], groups: NDArray[np.int64], size: int) -> Moments:
        """Moments of values by the group that each is of, in float64 and two passes.

        Parameters
        ----------
        values, groups : ndarray, shape (n,)
            Missing as NaN or masked; groups are numbered from 0, in any order.
        size : int
            Number of groups.
        """
        valid = ~missing_of(values)
        groups = groups[valid]
        order = np.argsort(groups, kind="stable")
        groups, work = groups[order], np.ma.getdata(values)[valid][order].astype(np.float64)
        whole = cls.none(size)
        if groups.size == 0:
            return whole
        starts = np.flatnonzero(np.r_[True, np.diff(groups) > 0])
        there, lengths = groups[starts], np.diff(np.append(starts, groups.size))
        whole.count[there] = lengths
        mean, m2 = np.full(size, np.nan), np.zeros(size)
        low, high = np.full(size, np.nan), np.full(size, np.nan)
        low[there], high[there] = np.minimum.reduceat(work, starts), np.maximum.reduceat(work, starts)
        with np.errstate(invalid="ignore"):
            # About the first value of each group rather than zero, so that large means cost no digits.
            work -= np.repeat(work[starts], lengths)
            apart = np.add.reduceat(work, starts) / lengths
            first = np.ma.getdata(values)[valid][order][starts].astype(np.float64)
            mean[there] = first + apart
            work -= np.repeat(apart, lengths)
            m2[there] = np.add.reduceat(work * work, starts)
        return cls(whole.count, mean, m2, low, high)

    @classmethod
    def none(cls, samples: int) -> Moments:
        """Samples without any value."""
        mean, low, high = (np.full(samples, np.nan) for _ in range(3))
        return cls(np.zeros(samples, dtype=np.int64), mean, np.zeros(samples), low, high)

    @classmethod
    def join(cls, parts: Sequence[Moments], axis: int = 0) -> Moments:
        """Samples one behind the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts], axis=axis) for f in fields(cls)))

    def __add__(self, other: Moments) -> Moments:
        """Moments of the samples pooled one by one (Chan, Golub, LeVeque 1983, eq. 2.1)."""
        count = self.count + other.count
        with np.errstate(invalid="ignore"):
            delta = other.mean - self.mean
            share = other.count / np.maximum(count, 1)
            both = (self.count > 0) & (other.count > 0)
            mean = np.where(both, self.mean + delta * share, np.where(self.count > 0, self.mean, other.mean))
            m2 = self.m2 + other.m2 + np.where(both, delta * delta * self.count * share, 0.0)
        return Moments(count, mean, m2, np.fmin(self.low, other.low), np.fmax(self.high, other.high))

    def take(self, samples: NDArray[np.int64]) -> Moments:
        """Some of the samples."""
        return Moments(*(getattr(self, f.name)[samples] for f in fields(self)))

    def put(self, samples: NDArray[np.int64], others: Moments) -> None:
        """Replace some of the samples, in place."""
        for f in fields(self):
            getattr(self, f.name)[samples] = getattr(others, f.name)

    def windowed(self, starts: NDArray[np.int64], overlap: str) -> tuple[Moments, NDArray[np.int64]]:
        """Moments of windows that end with each of the last samples; and how many samples with values are in each.

        Parameters
        ----------
        starts : ndarray of int64, shape (windows,)
            The first sample of each; the last window ends with the last sample, the one before with that before.
        overlap : {'mean', 'latest'}
            Pooled, or the last sample that has values alone.
        """
        ends = np.arange(self.count.size - starts.size, self.count.size)
        there = self.count > 0
        before = np.concatenate([[0], np.cumsum(there)])
        if overlap == "latest":
            last = np.maximum.accumulate(np.where(there, np.arange(there.size), -1))[ends]
            found = np.flatnonzero(last >= starts)
            whole = Moments.none(starts.size)
            whole.put(found, self.take(last[found]))
        else:
            whole = self.take(ends)
            for back in range(1, int((ends - starts).max(initial=0)) + 1):
                some = np.flatnonzero(ends - back >= starts)
                whole.put(some, whole.take(some) + self.take(ends[some] - back))
        return whole, before[ends + 1] - before[starts]

    def pooled(self, starts: NDArray[np.int64]) -> Moments:
        """Moments of runs of samples, each pooled into one.

        Parameters
        ----------
        starts : ndarray of int64, shape (groups,)
            Where each run begins along the only axis; ascending, the first is 0.
        """
        if starts.size == self.count.size:
            return self
        groups = np.repeat(np.arange(starts.size), np.diff(np.append(starts, self.count.size)))
        there = self.count > 0
        count = np.add.reduceat(self.count, starts)
        with np.errstate(invalid="ignore", divide="ignore"):
            # About the group's first mean rather than zero, so that large means cost no digits.
            about = np.where(there, self.mean, np.nan)
            about = np.fmin.reduceat(about, starts)
            shifted = np.where(there, self.count * (self.mean - about[groups]), 0.0)
            mean = about + np.add.reduceat(shifted, starts) / count
            apart = np.where(there, self.count * (self.mean - mean[groups]) ** 2, 0.0)
        m2 = np.add.reduceat(self.m2 + apart, starts)
        return Moments(count, mean, m2, np.fmin.reduceat(self.low, starts), np.fmax.reduceat(self.high, starts))

    def aggregate(self, name: str) -> NDArray[np.float64]:
        """One of `avg`, `std` (of the population), `min`, `max`: NaN where there is no value; or `count`."""
        if name == "avg":
            return self.mean
        if name == "min":
            return self.low
        if name == "max":
            return self.high
        if name == "count":
            return self.count.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(self.m2 / self.count))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.count.nbytes + self.mean.nbytes + self.m2.nbytes + self.low.nbytes + self.high.nbytes


def missing_of(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value is missing: masked, or NaN."""
    if not is_masked(values):
        return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    mask = np.ma.getmaskarray(values)
    return np.asarray(np.isnan(np.ma.getdata(values)) | mask if values.dtype.kind == "f" else mask)


@dataclass(frozen=True, eq=False)
class Fold(Generic[T]):
    """What is made of many values, run by run of their steps.

    Parameters
    ----------
    name : str
        Which.
    of_run : callable
        Makes a result of the blocks of a run, which all have the same steps; wherever that run is.
    join : callable
        Puts the results of the runs together, in their order.
    pools : bool
        Whether all runs are of the same samples: what is put together is as large as each.
    """

    name: str
    of_run: Callable[[Iterable[Block]], T]
    join: Callable[[Sequence[T]], T]
    pools: bool = False


def _steps_of_run(blocks: Iterable[Block]) -> Moments:
    parts = (Moments.of(values.reshape(len(values), -1), axis=1) for _, values in blocks)
    return reduce(add, parts)


def _cells_of_run(blocks: Iterable[Block]) -> Moments:
    bands: dict[int, list[Moments]] = {}
    for tile, values in blocks:
        bands.setdefault(tile.rows.start, []).append(Moments.of(values, axis=0))
    return Moments.join([Moments.join(parts, axis=1) for parts in bands.values()])


def _added(parts: Sequence[Moments]) -> Moments:
    return reduce(add, parts)


PER_STEP = Fold("per step", _steps_of_run, Moments.join)
"""Moments of each step over its cells, shape (steps,)."""

PER_CELL = Fold("per cell", _cells_of_run, _added, pools=True)
"""Moments of each cell over the steps, shape (ny, nx)."""
