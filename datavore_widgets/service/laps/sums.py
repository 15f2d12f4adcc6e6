"""Sums over codes: what pools without loss, and becomes moments at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.laps.codes import Codes
from datavore_widgets.service.series import Moments

__all__ = ["Sums", "sums_of"]


@dataclass(frozen=True, eq=False)
class Sums:
    """Counts, sums and extremes of codes, of any number of samples side by side.

    Parameters
    ----------
    count : ndarray of int64
        Codes that are not missing; all five arrays have one shape.
    total, squares : ndarray of int64 or float64
        Sum of the codes, and of their squares; of floats, those of their distances from an origin. Whole codes give
        exact sums.
    low, high : ndarray
        Smallest and largest code; `Codes.highest` and `Codes.lowest` where there is none.
    """

    count: NDArray[Any]
    total: NDArray[Any]
    squares: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]

    @classmethod
    def room(cls, shape: int | tuple[int, ...], codes: Codes) -> Self:
        """Arrays that are still to be written to."""
        wide = np.int64 if codes.is_whole else np.float64
        return cls(*(np.empty(shape, dtype) for dtype in (np.int64, wide, wide, codes.dtype, codes.dtype)))

    @classmethod
    def join(cls, parts: Sequence[Sums], axis: int = 0) -> Self:
        """Samples one behind the other, along an axis."""
        return cls(
            *(np.concatenate(arrays, axis=axis) for arrays in zip(*(part.arrays for part in parts), strict=True))
        )

    def __add__(self, other: Sums) -> Sums:
        """Samples pooled one by one."""
        return Sums(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def pooled(self, axis: int | tuple[int, ...], most: int) -> Sums:
        """All samples along some axes in one.

        Parameters
        ----------
        most : int
            Codes that are in one sum at most.
        """
        whole = self.total.dtype.kind == "i"
        wide = np.dtype(np.int64 if whole else np.float64)
        # In no wider a type than they need: numpy adds what it does not have to convert three times as fast.
        few = whole and most * -int(np.iinfo(self.low.dtype).min) < 2**31
        count, total = np.min_scalar_type(most), np.dtype(np.int32) if few else wide
        return Sums(
            np.add.reduce(self.count, axis=axis, dtype=count).astype(np.int64),
            np.add.reduce(self.total, axis=axis, dtype=total).astype(wide, copy=False),
            np.add.reduce(self.squares, axis=axis, dtype=wide),
            np.minimum.reduce(self.low, axis=axis),
            np.maximum.reduce(self.high, axis=axis),
        )

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All five arrays."""
        return self.count, self.total, self.squares, self.low, self.high

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays)

    def at(self, key: Any) -> Sums:
        """Some of the samples."""
        return Sums(*(array[key] for array in self.arrays))

    def reshaped(self, shape: tuple[int, ...]) -> Sums:
        """The same samples, in another shape."""
        return Sums(*(array.reshape(shape) for array in self.arrays))

    def moments(self, codes: Codes, origin: float, loops: ModuleType | None = None) -> Moments:
        """What the aggregates need, of the values.

        Parameters
        ----------
        origin : float
            What was taken off floats before they were summed.
        loops : module, optional
            The compiled ones, if they are there.
        """
        if loops is not None and codes.is_whole:
            found = [np.empty(self.count.shape) for _ in range(4)]
            loops.moments(*self.arrays, codes.table, *codes.line, *found)
            return Moments(self.count, *found)
        there = self.count > 0
        count = np.maximum(self.count, 1)
        if codes.is_whole:
            # About the nearest whole number to the mean: all that is large cancels in integers, so without loss.
            about = self.total // count
            total = self.total - self.count * about
            squares = self.squares - about * (self.total + total)
            mean = about + total / count
        else:
            total, squares = self.total, self.squares
            mean = origin + total / count
        m2 = np.maximum(squares - total * (total / count), 0.0) * codes.slope**2
        low, high = (_values(end, there, codes) for end in (self.low, self.high))
        if codes.slope < 0:
            low, high = high, low
        return Moments(self.count, np.where(there, codes.level(mean), np.nan), np.where(there, m2, 0.0), low, high)


def _values(ends: NDArray[Any], there: NDArray[np.bool_], codes: Codes) -> NDArray[np.float64]:
    """Smallest or largest values, of the codes."""
    if codes.is_whole:
        return np.where(there, codes.table[ends.view(f"u{codes.dtype.itemsize}")], np.nan)
    values = codes.decode(np.where(there, ends, codes.dtype.type(np.nan)))
    return np.where(there, np.ma.getdata(values).astype(np.float64), np.nan)


def sums_of(samples: NDArray[Any], axis: int, codes: Codes, origin: float) -> Sums:
    """Sums along one axis of codes.

    Parameters
    ----------
    samples : ndarray
        Codes, as many as the processor's own memory holds; at most 65,535 along the axis.
    """
    low = np.minimum.reduce(samples, axis=axis)
    high = np.maximum.reduce(samples, axis=axis)
    if codes.is_whole:
        return _sums_of_whole(samples, axis, codes, low, high)
    count = np.full(low.shape, samples.shape[axis], dtype=np.int64)
    work = samples.astype(np.float64)
    work -= origin
    if np.isnan(low).any():
        missing = np.isnan(samples)
        count -= _counted(missing, axis)
        work[missing] = 0.0
        low = np.minimum.reduce(np.where(missing, codes.highest, samples), axis=axis)
        high = np.maximum.reduce(np.where(missing, codes.lowest, samples), axis=axis)
    total = np.add.reduce(work, axis=axis)
    np.multiply(work, work, out=work)
    return Sums(count, total, np.add.reduce(work, axis=axis), low, high)


def _sums_of_whole(samples: NDArray[Any], axis: int, codes: Codes, low: NDArray[Any], high: NDArray[Any]) -> Sums:
    size = samples.shape[axis]
    count = np.full(low.shape, size, dtype=np.int64)
    gone: NDArray[np.int64] | None = None
    if codes.gaps and low.min(initial=0) == codes.missing:
        gone = _counted(samples == codes.missing, axis)
        count -= gone
        # One down, the lowest becomes the highest; all others keep their order.
        unsigned = np.dtype(f"u{codes.dtype.itemsize}")
        half = unsigned.type(np.iinfo(codes.dtype).max)
        turned = np.minimum.reduce(samples.view(unsigned) + half, axis=axis)
        low = np.where(count > 0, (turned - half).view(codes.dtype), codes.highest)
    first, last = int(low.min()), int(high.max())
    # About the middle, so that the squares are small.
    middle = (first + last) // 2 if first <= last else 0
    # In 32 bits where they suffice: twice as fast. Else float64 adds whole numbers below 2**53, also without loss.
    narrow = size * max(last - middle, middle - first) ** 2 < 2**32
    work: NDArray[Any] = samples.astype(np.int32 if narrow else np.float64)
    np.subtract(work, middle, out=work)
    total = np.add.reduce(work, axis=axis, dtype=work.dtype).astype(np.int64)
    np.multiply(work, work, out=work)
    # Squares have no sign, so one bit more.
    work = work.view(np.uint32) if narrow else work
    squares = np.add.reduce(work, axis=axis, dtype=work.dtype).astype(np.int64)
    if gone is not None:
        # What is missing was added like the rest, and is taken off again: cheaper than looking at each code. Where 32
        # bits overflowed they overflow back.
        apart = codes.missing - middle
        total -= gone * apart
        squares -= gone * apart**2
        if narrow:
            total, squares = (
                ends.astype(kind).astype(np.int64) for ends, kind in ((total, np.int32), (squares, np.uint32))
            )
    if middle:
        squares += middle * (2 * total + count * middle)
        total += count * middle
    return Sums(count, total, squares, low, high)


def _counted(marks: NDArray[np.bool_], axis: int) -> NDArray[np.int64]:
    """How many are true, many at a time in the narrowest type that does not overflow."""
    narrow = np.min_scalar_type(marks.shape[axis])
    counted: NDArray[np.int64] = np.add.reduce(marks.view(np.uint8), axis=axis, dtype=narrow).astype(np.int64)
    return counted
