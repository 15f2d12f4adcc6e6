"""Some cells of a grid: rows, columns, and which of the cells there are meant."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.masks import is_masked

__all__ = ["Cells"]


@dataclass(frozen=True, eq=False)
class Cells:
    """Some rows and columns of a grid.

    Parameters
    ----------
    rows : slice
        In the order of the data.
    columns : ndarray of int64
        In the order wanted: one run, which may be wrapped.
    row_step, column_step : int
        Every n-th of them is taken.
    mask : ndarray of bool, shape (ny, nx) of `rows` and `columns` before thinning, optional
        The cells that are meant, where they are not all of these.
    """

    rows: slice
    columns: NDArray[np.int64]
    row_step: int = 1
    column_step: int = 1
    mask: NDArray[np.bool_] | None = None

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Cells:
        """Every cell of a grid."""
        return cls(slice(0, shape[0]), np.arange(shape[1]))

    @classmethod
    def none(cls) -> Cells:
        """No cell."""
        return cls(slice(0, 0), np.zeros(0, dtype=np.int64))

    @cached_property
    def key(self) -> Hashable:
        """What tells these cells from others of the same grid."""
        first = int(self.columns[0]) if self.columns.size else 0
        last = int(self.columns[-1]) if self.columns.size else -1
        mask = None if self.mask is None else hashlib.blake2b(np.packbits(self.mask).tobytes(), digest_size=16).digest()
        return self.rows.start, self.rows.stop, first, last, self.columns.size, self.row_step, self.column_step, mask

    @property
    def count(self) -> int:
        """Number of cells that are meant."""
        if (kept := self.kept) is not None:
            return int(np.count_nonzero(kept))
        ny, nx = self.shape
        return ny * nx

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of what is read."""
        rows = self.rows.stop - self.rows.start
        return -(-rows // self.row_step), -(-self.columns.size // self.column_step)

    @property
    def kept(self) -> NDArray[np.bool_] | None:
        """Which of the cells read are meant, shape `shape`; None for all of them."""
        return None if self.mask is None else self.mask[:: self.row_step, :: self.column_step]

    @property
    def read_rows(self) -> slice:
        """The rows to read."""
        return slice(self.rows.start, self.rows.stop, self.row_step)

    @property
    def read_columns(self) -> NDArray[np.int64]:
        """The columns to read."""
        return self.columns[:: self.column_step]

    def every(self, row_step: int, column_step: int) -> Cells:
        """Every n-th row and column of these."""
        return replace(self, row_step=row_step, column_step=column_step)

    def band(self, rows: slice, columns: slice = slice(None)) -> Cells:
        """Those of some rows and columns, which lie within these and start at one that is read.

        Parameters
        ----------
        rows : slice
            In the order of the data.
        columns : slice
            Places in `columns`.
        """
        mask = self.mask
        if mask is not None:
            mask = mask[rows.start - self.rows.start : rows.stop - self.rows.start, columns]
        return replace(self, rows=rows, columns=self.columns[columns], mask=mask)

    def inside(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Where the cells that `band` takes are in an array of shape `shape`."""
        first = self.rows.start
        return (
            slice((rows.start - first) // self.row_step, -(-(rows.stop - first) // self.row_step)),
            slice(columns.start // self.column_step, -(-columns.stop // self.column_step)),
        )

    def among(self, others: Cells) -> tuple[Any, ...] | NDArray[np.bool_]:
        """Which of the cells read are among others of the same grid, as what an array of shape `shape` is taken by."""
        rows, columns = np.arange(self.rows.start, self.rows.stop, self.row_step), self.read_columns
        row_inside = (rows >= others.rows.start) & (rows < others.rows.stop)
        column_inside = np.isin(columns, others.columns)
        if others.mask is None:
            # Slices where both are runs: nothing is copied then.
            runs = _run_of(row_inside), _run_of(column_inside)
            return runs if None not in runs else np.ix_(row_inside, column_inside)
        place = np.zeros(max(int(columns.max(initial=0)), int(others.columns.max(initial=0))) + 1, dtype=np.int64)
        place[others.columns] = np.arange(others.columns.size)
        among = np.zeros(self.shape, dtype=bool)
        meant = others.mask[np.ix_(rows[row_inside] - others.rows.start, place[columns[column_inside]])]
        among[np.ix_(row_inside, column_inside)] = meant
        return among

    def hide(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values with those missing that are not meant.

        Parameters
        ----------
        values : ndarray, shape (…, ny, nx)
            Of the cells read.

        Returns
        -------
        ndarray
            The same one where every cell is meant; else floats with NaN, or integers with a mask.
        """
        if (kept := self.kept) is None or kept.all():
            return values
        hidden = np.broadcast_to(~kept, values.shape)
        if values.dtype.kind == "f" and not is_masked(values):
            return np.where(hidden, np.asarray(np.nan, dtype=values.dtype), values)
        return np.asanyarray(np.ma.array(values, mask=np.ma.getmaskarray(values) | hidden))

    def flat(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the cells that are meant, one behind the other, shape (…, count)."""
        if (kept := self.kept) is None:
            return values.reshape(*values.shape[:-2], -1)
        return values[..., kept]


def _run_of(inside: NDArray[np.bool_]) -> slice | None:
    """The slice of a mask that is one run; None for several."""
    places = np.flatnonzero(inside)
    if places.size == 0:
        return slice(0, 0)
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first == places.size - 1 else None
