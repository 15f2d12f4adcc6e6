"""What the pixels of a picture take from the cells of a field on a rectilinear grid, in a few passes.

Everything is separable: `Axis` says what a row of pixels takes from the rows of cells, or a column from the columns.
Values become levels where the fewest numbers have to be touched, and in bands that stay in the processor's cache.
Many cells are gone over by the loops of `pixel_kernels` once these are compiled, to the same bits; and in two threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.compiled import kernels

__all__ = ["Axis", "Frame", "Plan", "Separable", "Table"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LevelArray = NDArray[np.uint8]
ValueArray = NDArray[Any]
ToLevels = Callable[[ValueArray], LevelArray]
"""Values of any shape to places in the palette, 0 for missing; one value does not depend on another."""

_BLOCK = 1 << 17
"""Numbers worked on at a time: what stays in a processor's cache through several passes."""

KERNELS = "datavore_widgets.service.pixel_kernels"
"""The compiled loops, which are loaded late."""

_LOOPS = 1 << 18
"""Cells from which on compiled loops gain more than calling them costs, and are worth loading."""

_SHARED = 1 << 20
"""Numbers from which on two threads share the work: below, handing over costs as much as it gains."""

_POOL = ThreadPoolExecutor(1, thread_name_prefix="pixels")

_SUMS = {"f4": np.float32, "f8": np.float64, "i1": np.int32, "i2": np.int32}
"""What the compiled loops sum cells of a type in."""

_BEYOND = np.iinfo(np.int64).max
"""A place behind all cells, which is cut to the last."""

_BEYOND_CODES = 1 << 16
"""No integer of two bytes."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The pixels of a picture.

    Parameters
    ----------
    bbox : BBox
        Its edges.
    lon_edges, lat_edges : ndarray of float64, shape (width + 1,) and (height + 1,)
        Between the pixels, in degrees: from the west, without a jump, and from the north.
    lons, lats : ndarray of float64, shape (width,) and (height,)
        Centres of the pixels.
    """

    bbox: BBox
    lon_edges: FloatArray
    lat_edges: FloatArray
    lons: FloatArray
    lats: FloatArray

    @property
    def width(self) -> int:
        """Pixels from west to east."""
        return self.lons.size

    @property
    def height(self) -> int:
        """Pixels from north to south."""
        return self.lats.size


class Plan(Protocol):
    """How a picture is made: what each of its pixels takes from the cells of a grid."""

    @property
    def bbox(self) -> BBox:
        """The edges of the picture."""
        ...

    @property
    def width(self) -> int:
        """Pixels from west to east."""
        ...

    @property
    def height(self) -> int:
        """Pixels from north to south."""
        ...

    @property
    def method(self) -> Literal["nearest", "bilinear", "blocks"]:
        """Whether pixels show a cell, mix some, or stand for all that lie in them (`means`, `modes`)."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps."""
        ...

    def continuous(self, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> LevelArray:
        """Levels of values that can be averaged, by the method of the plan.

        Parameters
        ----------
        values : ndarray of float32 or float64, shape (ny, nx)
            As many as the grid has cells; NaN is missing.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            Levels; 0 where there is no cell or no value.
        """
        ...

    def nearest(self, values: ValueArray, to_levels: ToLevels) -> LevelArray:
        """Each pixel shows one cell; for values and levels see `continuous`."""
        ...

    def means(self, values: ValueArray, missing: int | None = None) -> NDArray[np.floating[Any]]:
        """Mean of the valid cells of each pixel, shape (height, width), NaN where there are none.

        Of floats NaN is missing; of integers `missing` is, and their means are float64.
        """
        ...

    def modes(self, levels: LevelArray) -> LevelArray:
        """Most frequent level of the valid cells of each pixel, the lowest of equally frequent ones."""
        ...


@dataclass(frozen=True, eq=False)
class Table:
    """Levels of integers of one or two bytes, found in a table.

    Parameters
    ----------
    levels : ndarray of uint8, shape (256,) or (65536,)
        By the integer without its sign.
    """

    levels: LevelArray

    def __call__(self, codes: ValueArray) -> LevelArray:
        """The level of each of some integers."""
        return self.levels.take(codes.view(f"u{codes.dtype.itemsize}"))


@dataclass(frozen=True, eq=False)
class Axis:
    """What the pixels along one axis take from the cells along it, n pixels from the west or from the north.

    Parameters
    ----------
    nearest : ndarray of int64, shape (n,)
        The cell that each pixel shows, -1 for none.
    other : ndarray of int64, shape (n,)
        The neighbour to mix in; the same cell where there is none.
    weight : ndarray of float32, shape (n,)
        Of the neighbour, 0 to 1; it falls to 0 at the cell's centre.
    order : slice or ndarray of int64
        The cells from west to east or from north to south.
    start, count : ndarray of int64, shape (n,)
        The run of cells, in that order, that have their centres in each pixel; the cell that holds the pixel where
        there are none.
    """

    nearest: IntArray
    other: IntArray
    weight: NDArray[np.float32]
    order: slice | IntArray
    start: IntArray
    count: IntArray

    @cached_property
    def parts(self) -> list[IntArray | None]:
        """Where the parts of the runs begin: of one cell, two, four …, as the bits of a run's length say.

        For each length a place for every pixel, beyond the last cell for one that has no such part; None where no
        pixel has.
        """
        parts: list[IntArray | None] = []
        place = self.start.copy()
        for bit in range(int(self.count.max(initial=0)).bit_length()):
            having = (self.count >> bit & 1).astype(bool)
            parts.append(np.where(having, place, _BEYOND) if having.any() else None)
            place[having] += 1 << bit
        return parts

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """Pixels with no cell, None if every pixel has one."""
        outside = self.nearest < 0
        return outside if outside.any() else None


@dataclass(frozen=True, eq=False)
class Separable:
    """How a picture of a rectilinear grid is made: its size, its place, and where each pixel comes from.

    Parameters
    ----------
    method : {'nearest', 'bilinear', 'blocks'}
        The method to call; for `blocks`, `means` or `modes`.
    """

    width: int
    height: int
    bbox: BBox
    method: Literal["nearest", "bilinear", "blocks"]
    rows: Axis
    columns: Axis

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps: some tens for each pixel along an axis."""
        return 64 * (self.width + self.height)

    def continuous(self, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> LevelArray:
        """Levels of values that can be averaged, by the method of the plan."""
        if self.method == "blocks":
            return to_levels(self.means(values))
        if self.method == "bilinear":
            return self.bilinear(values, to_levels)
        return self.nearest(values, to_levels)

    def nearest(self, values: ValueArray, to_levels: ToLevels) -> LevelArray:
        """Each pixel shows one cell.

        Parameters
        ----------
        values : ndarray, shape (ny, nx)
            As many as the grid has cells.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            Levels; 0 where there is no cell or no value.
        """
        if isinstance(to_levels, Table) and (loops := _loops(values)) is not None:
            levels = np.empty((self.height, self.width), dtype=np.uint8)
            codes = _given(values.view(f"u{values.dtype.itemsize}"))
            loops.look_up(codes, _given(to_levels.levels), self.rows.nearest, self.columns.nearest, levels)
            return self._without_outside(levels)
        # Whole rows are cheap to move, single values are not: rows are dropped first and doubled last.
        fewer_rows = self.height < values.shape[0]
        if fewer_rows:
            values = values.take(self.rows.nearest, axis=0, mode="clip")
        if self.width < values.shape[1]:
            levels = to_levels(values.take(self.columns.nearest, axis=1, mode="clip"))
        else:
            levels = to_levels(values).take(self.columns.nearest, axis=1, mode="clip")
        if not fewer_rows:
            levels = levels.take(self.rows.nearest, axis=0, mode="clip")
        return self._without_outside(levels)

    def _without_outside(self, levels: LevelArray) -> LevelArray:
        if (outside := self.rows.outside) is not None:
            levels[outside] = 0
        if (outside := self.columns.outside) is not None:
            levels[:, outside] = 0
        return levels

    def bilinear(self, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> LevelArray:
        """Each pixel mixes the four cells around it, those that have a value; it is missing where its own cell is.

        Parameters and the return value are those of `nearest`; NaN is missing.
        """
        across, down = self.columns, self.rows
        mixed = np.empty((values.shape[0], self.width), dtype=values.dtype)
        levels = np.empty((self.height, self.width), dtype=np.uint8)
        weight = down.weight[:, None]

        def across_columns(band: slice) -> None:
            own = values[band].take(across.nearest, axis=1, mode="clip")
            other = values[band].take(across.other, axis=1, mode="clip")
            with np.errstate(invalid="ignore", over="ignore"):
                other -= own
                other *= across.weight
                np.add(own, other, out=mixed[band])

        def across_rows(band: slice) -> None:
            own = mixed.take(down.nearest[band], axis=0, mode="clip")
            other = mixed.take(down.other[band], axis=0, mode="clip")
            with np.errstate(invalid="ignore", over="ignore"):
                other -= own
                other *= weight[band]
                own += other
            levels[band] = to_levels(own)

        _each(across_columns, _bands(values.shape[0], self.width), levels.size)
        _each(across_rows, _bands(self.height, self.width), levels.size)
        if not np.isfinite(values).all():
            self._mend(levels, values, to_levels)
        return self._without_outside(levels)

    def _mend(self, levels: LevelArray, values: NDArray[np.floating[Any]], to_levels: ToLevels) -> None:
        """Give the pixels that have a value of their own but a neighbour without one what the others make."""
        across, down = self.columns, self.rows
        valid = ~np.isnan(values)
        own = valid.take(across.nearest, axis=1, mode="clip").take(down.nearest, axis=0, mode="clip")
        y, x = np.divmod(np.flatnonzero((levels == 0) & own), self.width)
        total, weights = np.zeros((2, y.size))
        with np.errstate(invalid="ignore"):
            for row, wy in ((down.nearest, 1.0 - down.weight), (down.other, down.weight)):
                for column, wx in ((across.nearest, 1.0 - across.weight), (across.other, across.weight)):
                    here = row[y], column[x]
                    weight = wy[y].astype(np.float64) * wx[x]
                    used = valid[here]
                    total[used] += values[here][used] * weight[used]
                    weights[used] += weight[used]
            mended = to_levels(total / weights)
        # Infinities that cancel out: then the pixel shows its own cell.
        undecided = mended == 0
        mended[undecided] = to_levels(values[down.nearest[y[undecided]], across.nearest[x[undecided]]])
        levels[y, x] = mended

    def means(self, values: ValueArray, missing: int | None = None) -> NDArray[np.floating[Any]]:
        """Mean of the valid cells of each pixel.

        Parameters
        ----------
        values : ndarray of float32, float64, int8 or int16, shape (ny, nx)
            NaN is missing.
        missing : int, optional
            The integer that is.

        Returns
        -------
        ndarray, shape (height, width)
            NaN where a pixel has no valid cell; of integers float64.
        """
        down, across = self.rows, self.columns
        kind = self._summing(values.dtype)
        means = np.empty((self.height, self.width), dtype=kind if kind is np.float32 else np.float64)
        if kind is _SUMS.get(values.dtype.str[1:]) and (loops := _loops(values)) is not None:
            self._fill(means, loops, values, missing, kind)
            return means
        ordered = _ordered(values, down, across)
        with np.errstate(invalid="ignore", over="ignore"):
            for band in self._bands_over(ordered):
                cells, start = _cells_of(ordered, down, band)
                count = down.count[band]
                valid = cells == cells if missing is None else cells != missing
                if valid.all():
                    counts = (count[:, None] * across.count).astype(means.dtype)
                else:
                    counts = _box_sums(valid.view(np.uint8), start, count, across, self._counting).astype(means.dtype)
                    cells = _without_missing(cells, valid)
                np.divide(_box_sums(cells, start, count, across, kind), counts, out=means[band])
        return means

    def _fill(
        self, means: FloatArray, loops: ModuleType, values: ValueArray, missing: int | None, kind: type[np.number[Any]]
    ) -> None:
        """The same by compiled loops."""
        down, across = self.rows, self.columns
        (ny, nx), whole = values.shape, values.dtype.kind == "i"
        nowhere = _BEYOND_CODES if missing is None else missing
        given = (
            _given(values),
            np.int32(nowhere) if whole else values.dtype.type(np.nan),
            np.ascontiguousarray(np.arange(ny)[down.order]),
            np.arange(0) if _is_plain(across.order) else np.ascontiguousarray(np.arange(nx)[across.order]),
            *(np.ascontiguousarray(run) for axis in (down, across) for run in (axis.start, axis.count)),
        )

        def fill(band: slice) -> None:
            loops.means(*given, np.empty(nx, dtype=kind), band.start, band.stop, means)

        middle = self.height // 2
        _each(fill, [slice(0, middle), slice(middle, self.height)], values.size)

    def _summing(self, dtype: np.dtype[Any]) -> type[np.number[Any]]:
        """What holds the sum of the cells of a pixel."""
        if dtype.kind == "i":
            return (
                np.int32
                if int(self.rows.count.max(initial=0) * self.columns.count.max(initial=0)) < 2**16
                else np.int64
            )
        # Sums of many in float32 would show: from here on float64.
        return np.float32 if dtype == np.float32 and self.rows.count.max(initial=0) <= 32 else np.float64

    def modes(self, levels: LevelArray) -> LevelArray:
        """Most frequent level of the valid cells of each pixel, the lowest of equally frequent ones.

        Parameters
        ----------
        levels : ndarray of uint8, shape (ny, nx)
            0 is missing.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            0 where a pixel has no valid cell.
        """
        down, across = self.rows, self.columns
        ordered = _ordered(levels, down, across)
        counting = self._counting
        modes = np.zeros((self.height, self.width), dtype=np.uint8)
        for band in self._bands_over(ordered):
            cells, start = _cells_of(ordered, down, band)
            most = np.zeros(modes[band].shape, dtype=counting)
            for level in np.flatnonzero(np.bincount(cells.ravel(), minlength=1)):
                if level == 0:
                    continue
                counts = _box_sums((cells == level).view(np.uint8), start, down.count[band], across, counting)
                better = counts > most
                most[better] = counts[better]
                modes[band][better] = level
        return modes

    @property
    def _counting(self) -> type[np.unsignedinteger[Any]]:
        """What holds the number of cells in a pixel."""
        most = int(self.rows.count.max(initial=0) * self.columns.count.max(initial=0))
        return np.uint8 if most < 2**8 else np.uint32

    def _bands_over(self, ordered: ValueArray) -> list[slice]:
        """Bands of pixel rows whose cells fit the processor's cache."""
        return _bands(self.height, ordered.shape[1] * math.ceil(self.rows.count.mean()))


def _loops(values: ValueArray) -> ModuleType | None:
    """The compiled loops, where they gain and are there."""
    return None if values.size < _LOOPS else kernels(KERNELS, values.dtype.str[1:])


def _is_plain(order: slice | IntArray) -> bool:
    """Whether cells lie as they are wanted."""
    return isinstance(order, slice) and order == slice(None)


def _given(array: ValueArray) -> ValueArray:
    """An array of the one kind that loops are compiled for: in one piece, not to be written to."""
    given = np.require(array, requirements=["C", "A"]).view()
    given.flags.writeable = False
    return given


def _each(work: Callable[[slice], None], bands: list[slice], size: int) -> None:
    """Do some work for each of some bands, in two threads where it goes over many numbers."""

    def do(some: list[slice]) -> None:
        for band in some:
            work(band)

    if size < _SHARED:
        do(bands)
        return
    middle = len(bands) // 2
    other = _POOL.submit(do, bands[middle:])
    do(bands[:middle])
    if other.cancel():
        # Nobody has begun it: whoever would is busy with another picture.
        do(bands[middle:])
    else:
        other.result()


def _bands(rows: int, width: int) -> list[slice]:
    """Bands of rows with about `_BLOCK` numbers each."""
    height = max(1, _BLOCK // max(width, 1))
    return [slice(first, min(first + height, rows)) for first in range(0, rows, height)]


def _ordered(values: ValueArray, down: Axis, across: Axis) -> ValueArray:
    """The same cells from north to south and from west to east; a view where that is possible."""
    return values[down.order][:, across.order]


def _cells_of(ordered: ValueArray, down: Axis, band: slice) -> tuple[ValueArray, IntArray]:
    """The rows of cells behind a band of pixel rows, and where each pixel row starts in them."""
    start, stop = down.start[band], down.start[band] + down.count[band]
    first = int(start.min())
    return ordered[first : int(stop.max())], start - first


def _without_missing(cells: ValueArray, valid: NDArray[np.bool_]) -> ValueArray:
    """The same values with 0 for missing: their bits times 1 or 0, three times as fast as choosing."""
    bits = valid.view(np.int8).astype(f"i{cells.dtype.itemsize}")
    bits *= cells.view(bits.dtype)
    return bits.view(cells.dtype)


def _box_sums(cells: ValueArray, start: IntArray, count: IntArray, across: Axis, kind: type[Any]) -> ValueArray:
    """Sum of the run of rows and the run of columns behind each pixel, shape (rows, width)."""
    # One column more, of noughts.
    rows = np.zeros((start.size, cells.shape[1] + 1), dtype=kind)
    for row, first, many in zip(rows[:, :-1], start.tolist(), count.tolist(), strict=True):
        if many < 2:
            row[:] = cells[first : first + many].sum(axis=0, dtype=kind)
            continue
        # A few rows are added sooner by themselves than by `reduce`.
        np.add(cells[first], cells[first + 1], out=row, dtype=kind)
        for more in range(first + 2, first + many):
            np.add(row, cells[more], out=row)
    return _run_sums(rows, across)


def _run_sums(rows: ValueArray, across: Axis) -> ValueArray:
    """Sum of the run of columns of each pixel, pairwise, so exact enough.

    Four times as fast as `np.add.reduceat`, which has no empty or overlapping runs either.

    Parameters
    ----------
    rows : ndarray, shape (n, columns + 1)
        The last column is nought: it is what a pixel takes that has no part of some length.
    """
    sums: ValueArray | None = None
    for bit, places in enumerate(across.parts):
        if bit:
            half = 1 << bit - 1
            pairs = np.empty((rows.shape[0], rows.shape[1] - half), dtype=rows.dtype)
            np.add(rows[:, : -half - 1], rows[:, half:-1], out=pairs[:, :-1])
            pairs[:, -1] = 0
            rows = pairs
        if places is not None:
            taken = rows.take(places, axis=1, mode="clip")
            sums = taken if sums is None else np.add(sums, taken, out=sums)
    return np.zeros((rows.shape[0], across.start.size), dtype=rows.dtype) if sums is None else sums
