"""Loops from the cells of a grid to the pixels of a picture, compiled: what numpy does in many passes, in one.

They give the same numbers as the methods of `pixels.Separable`, to the last bit: floats are added in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from datavore_widgets.service.compiled import compiled

__all__ = ["compiling", "look_up", "means"]


@compiled
def _add_row(values: Any, missing: Any, total: Any, count: Any) -> None:
    """Add a row of cells to those before it; short, so that the compiler adds many cells at once."""
    kind = total.dtype.type
    for j in range(values.size):
        value = values[j]
        there = (value == value) & (value != missing)
        total[j] += kind(value) if there else kind(0)
        count[j] += np.int32(1) if there else np.int32(0)


@compiled
def _pairwise(row: Any, first: Any, part: Any, scratch: Any) -> Any:
    """The sum of two to some power of numbers."""
    for i in range(part):
        scratch[i] = row[first + i]
    while part > 1:
        part //= 2
        for i in range(part):
            scratch[i] = scratch[2 * i] + scratch[2 * i + 1]
    return scratch[0]


@compiled
def _divide_runs(row: Any, valid: Any, start: Any, count: Any, scratch: Any, out: Any) -> None:
    """Means of runs: sums are those of parts of one, two, four …, each of them pairwise."""
    kind = out.dtype.type
    for x in range(out.size):
        # Without a sign, so that no place is taken to count from the end: a third less time.
        place, many = np.int64(np.uint32(start[x])), count[x]
        total, there = row.dtype.type(0), 0
        if many & 1:
            total += row[place]
            there += valid[place]
            place += 1
        if many & 2:
            total += row[place] + row[place + 1]
            there += valid[place] + valid[place + 1]
            place += 2
        if many & 4:
            total += (row[place] + row[place + 1]) + (row[place + 2] + row[place + 3])
            there += (valid[place] + valid[place + 1]) + (valid[place + 2] + valid[place + 3])
            place += 4
        part = 8
        while part <= many:
            if many & part:
                total += _pairwise(row, place, part, scratch)
                for i in range(place, place + part):
                    there += valid[i]
                place += part
            part *= 2
        out[x] = kind(total) / kind(there) if there else kind(np.nan)


@compiled
def means(
    values: Any,
    missing: Any,
    rows: Any,
    columns: Any,
    start_down: Any,
    count_down: Any,
    start_across: Any,
    count_across: Any,
    total: Any,
    first: Any,
    last: Any,
    out: Any,
) -> None:
    """Means of the valid cells of some rows of pixels.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        NaN is missing.
    missing : scalar
        Besides it.
    rows : ndarray of int64, shape (ny,)
        The rows of cells from north to south.
    columns : ndarray of int64, shape (nx,) or (0,)
        The columns from west to east; none where they lie so.
    start_down, count_down, start_across, count_across : ndarray of int64
        See `pixels.Axis`.
    total : ndarray, shape (nx,)
        Worked in: sums have its type.
    first, last : int
        Rows of pixels.
    out : ndarray, shape (height, width)
    """
    valid = np.empty(values.shape[1], dtype=np.int32)
    ordered, counted = np.empty_like(total), np.empty_like(valid)
    scratch = np.empty_like(total)
    for y in range(first, last):
        total[:] = 0
        valid[:] = 0
        for row in range(start_down[y], start_down[y] + count_down[y]):
            _add_row(values[rows[row]], missing, total, valid)
        if columns.size:
            for j in range(columns.size):
                ordered[j] = total[columns[j]]
                counted[j] = valid[columns[j]]
            _divide_runs(ordered, counted, start_across, count_across, scratch, out[y])
        else:
            _divide_runs(total, valid, start_across, count_across, scratch, out[y])


@compiled
def look_up(codes: Any, levels: Any, nearest_down: Any, nearest_across: Any, out: Any) -> None:
    """The levels of the cells that pixels show; codes have no sign, and -1 is any cell."""
    for y in range(out.shape[0]):
        if y and nearest_down[y] == nearest_down[y - 1]:
            out[y] = out[y - 1]
            continue
        row = codes[max(nearest_down[y], 0)]
        for x in range(out.shape[1]):
            out[y, x] = levels[row[max(nearest_across[x], 0)]]


def compiling(kind: str) -> Iterator[None]:
    """Compile those for cells of a type, one a turn."""
    cells = np.zeros((1, 1), dtype=kind)
    cells.flags.writeable = False
    places = np.zeros(1, dtype=np.int64)
    runs = places, places, places, places, places, places
    whole = cells.dtype.kind == "i"
    if whole:
        codes = cells.view(f"u{cells.itemsize}")
        table = np.zeros(2 ** (8 * cells.itemsize), dtype=np.uint8)
        table.flags.writeable = False
        look_up(codes, table, places, places, np.zeros((1, 1), dtype=np.uint8))
        yield
    total, missing = (np.int32, np.int32(0)) if whole else (cells.dtype.type, cells.dtype.type(np.nan))
    out = np.zeros((1, 1), dtype=np.float64 if whole else kind)
    means(cells, missing, *runs, np.zeros(1, dtype=total), 0, 1, out)
    yield
