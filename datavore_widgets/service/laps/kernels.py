"""Loops over prepared data, compiled: what numpy does in many passes over copies, in one and where the data lie.

A file comes as flat views of all of it, one for each type that is in there: places are numbers of items of these. Sums
of whole codes are integers, so they are numpy's to the last digit. The inner loops are short, each with few arrays, and
over the steps, which lie one behind the other: so the compiler turns them into instructions for many steps at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from datavore_widgets.service.compiled import compiled

__all__ = ["compiling", "sum_floats", "sum_whole"]


@compiled
def _cells(parts: Any, edge: Any, across: Any, record: Any) -> Any:
    """Where the cells of the rectangles of level 0 are: the bytes of their tiles, and their numbers in there."""
    number = 0
    for level, top, bottom, left, right in parts:
        if level == 0:
            number += (bottom - top) * (right - left)
    tiles, inner = np.empty(number, dtype=np.int64), np.empty(number, dtype=np.int64)
    found = 0
    for level, top, bottom, left, right in parts:
        if level == 0:
            for row in range(top, bottom):
                for column in range(left, right):
                    tiles[found] = (row // edge * across + column // edge) * record
                    inner[found] = row % edge * edge + column % edge
                    found += 1
    return tiles, inner


@compiled
def _add(values: Any, place: Any, out: Any) -> None:
    for t in range(out.size):
        out[t] += values[place + t]


@compiled
def _lower(values: Any, place: Any, out: Any) -> None:
    for t in range(out.size):
        value = values[place + t]
        out[t] = value if value < out[t] else out[t]


@compiled
def _raise(values: Any, place: Any, out: Any) -> None:
    for t in range(out.size):
        value = values[place + t]
        out[t] = value if value > out[t] else out[t]


@compiled
def _add_blocks(
    codes: Any,
    totals: Any,
    squares: Any,
    octets: Any,
    words: Any,
    layout: Any,
    parts: Any,
    times: Any,
    start: Any,
    out_count: Any,
    out_total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> Any:
    """Add the records of blocks; bytes of these."""
    nbytes = 0
    for level, top, bottom, left, right in parts:
        if level == 0:
            continue
        offset, across, record = layout[level, 0], layout[level, 1], layout[level, 2]
        each = squares.itemsize + totals.itemsize + 2 * codes.itemsize + (1 if level == 1 else 2)
        nbytes += (bottom - top) * (right - left) * each * out_count.size
        for row in range(top, bottom):
            for column in range(left, right):
                place = offset + (row * across + column) * record
                _add(squares, place // squares.itemsize + start, out_squares)
                place += times * squares.itemsize
                _add(totals, place // totals.itemsize + start, out_total)
                place += times * totals.itemsize
                _lower(codes, place // codes.itemsize + start, out_low)
                place += times * codes.itemsize
                _raise(codes, place // codes.itemsize + start, out_high)
                place += times * codes.itemsize
                if level == 1:
                    _add(octets, place + start, out_count)
                else:
                    _add(words, place // 2 + start, out_count)
    return nbytes


@compiled
def _add_four(
    codes: Any,
    at: Any,
    gaps: Any,
    least: Any,
    most: Any,
    count: Any,
    total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> None:
    """Add four cells of whole codes: of four, neither sums nor squares of two bytes overflow 32 bits, two by two."""
    size = count.size
    a, b, c, d = codes[at[0] :], codes[at[1] :], codes[at[2] :], codes[at[3] :]
    for t in range(size):
        w = np.int32(0) if gaps and a[t] == least else np.int32(a[t])
        x = np.int32(0) if gaps and b[t] == least else np.int32(b[t])
        y = np.int32(0) if gaps and c[t] == least else np.int32(c[t])
        z = np.int32(0) if gaps and d[t] == least else np.int32(d[t])
        total[t] = np.int32(total[t] + np.int32(np.int32(w + x) + np.int32(y + z)))
    for t in range(size):
        w = np.int32(0) if gaps and a[t] == least else np.int32(a[t])
        x = np.int32(0) if gaps and b[t] == least else np.int32(b[t])
        y = np.int32(0) if gaps and c[t] == least else np.int32(c[t])
        z = np.int32(0) if gaps and d[t] == least else np.int32(d[t])
        one, other = np.uint32(np.uint32(w * w) + np.uint32(x * x)), np.uint32(np.uint32(y * y) + np.uint32(z * z))
        out_squares[t] += np.int64(one) + np.int64(other)
    for t in range(size):
        w = most if gaps and a[t] == least else a[t]
        x = most if gaps and b[t] == least else b[t]
        y = most if gaps and c[t] == least else c[t]
        z = most if gaps and d[t] == least else d[t]
        out_low[t] = min(out_low[t], min(min(w, x), min(y, z)))
        out_high[t] = max(out_high[t], max(max(a[t], b[t]), max(c[t], d[t])))
    if gaps:
        for t in range(size):
            count[t] -= (a[t] == least) + (b[t] == least) + (c[t] == least) + (d[t] == least)


@compiled
def _add_one(
    codes: Any,
    place: Any,
    gaps: Any,
    least: Any,
    most: Any,
    count: Any,
    total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> None:
    """Add one cell of whole codes."""
    for t in range(count.size):
        code = codes[place + t]
        gone = gaps and code == least
        value = np.int64(0) if gone else np.int64(code)
        count[t] -= gone
        total[t] += value
        out_squares[t] += value * value
        out_low[t] = min(out_low[t], most if gone else code)
        out_high[t] = max(out_high[t], code)


@compiled
def sum_whole(
    codes: Any,
    totals: Any,
    squares: Any,
    octets: Any,
    words: Any,
    layout: Any,
    parts: Any,
    edge: Any,
    times: Any,
    start: Any,
    gaps: Any,
    least: Any,
    most: Any,
    out_count: Any,
    out_total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> Any:
    """Sums of each step over the whole codes of rectangles of cells and blocks.

    Parameters
    ----------
    codes, totals, squares, octets, words : ndarray
        The file, as what its parts are made of.
    layout : ndarray of int64, shape (levels, 3)
        Of the cells and each level of blocks: the offset of the first record, records in a row, bytes of a record.
    parts : ndarray of int64, shape (parts, 5)
        The rectangles: level, top, bottom, left, right.
    edge : int
        Rows and columns of a tile.
    times, start : int
        Steps of the segment, and the first that is wanted.
    gaps : bool
        Whether codes may be missing: the lowest is, then.
    least, most : int
        The lowest and the highest code.
    out_count, out_total, out_squares, out_low, out_high : ndarray, shape (steps,)
        What is found.

    Returns
    -------
    int
        Bytes that were gone over.
    """
    size = out_count.size
    tiles, inner = _cells(parts, edge, layout[0, 1], layout[0, 2])
    places = (layout[0, 0] + tiles) // codes.itemsize + inner * times + start
    out_count[:] = places.size
    out_total[:] = 0
    out_squares[:] = 0
    out_low[:] = most
    out_high[:] = least
    missed, total = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int32)
    first = 0
    while first + 4 <= places.size:
        _add_four(codes, places[first : first + 4], gaps, least, most, missed, total, out_squares, out_low, out_high)
        first += 4
        if first % 65536 == 0:
            # Before 32 bits overflow.
            _add(total, 0, out_total)
            total[:] = 0
    for place in places[first:]:
        _add_one(codes, place, gaps, least, most, out_count, out_total, out_squares, out_low, out_high)
    _add(total, 0, out_total)
    _add(missed, 0, out_count)
    nbytes = _add_blocks(
        codes,
        totals,
        squares,
        octets,
        words,
        layout,
        parts,
        times,
        start,
        out_count,
        out_total,
        out_squares,
        out_low,
        out_high,
    )
    return nbytes + places.size * size * codes.itemsize


@compiled
def sum_floats(
    codes: Any,
    totals: Any,
    squares: Any,
    octets: Any,
    words: Any,
    layout: Any,
    parts: Any,
    edge: Any,
    times: Any,
    start: Any,
    origin: Any,
    out_count: Any,
    out_total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> Any:
    """The same of floats, about an origin: NaN is missing."""
    tiles, inner = _cells(parts, edge, layout[0, 1], layout[0, 2])
    places = (layout[0, 0] + tiles) // codes.itemsize + inner * times + start
    size = out_count.size
    out_count[:] = 0
    out_total[:] = 0
    out_squares[:] = 0
    out_low[:] = np.inf
    out_high[:] = -np.inf
    for place in places:
        for t in range(size):
            code = codes[place + t]
            value = np.float64(code) - origin if code == code else 0.0
            out_total[t] += value
            out_squares[t] += value * value
        for t in range(size):
            code = codes[place + t]
            out_count[t] += code == code
        _lower(codes, place, out_low)
        _raise(codes, place, out_high)
    nbytes = _add_blocks(
        codes,
        totals,
        squares,
        octets,
        words,
        layout,
        parts,
        times,
        start,
        out_count,
        out_total,
        out_squares,
        out_low,
        out_high,
    )
    return nbytes + places.size * size * codes.itemsize


def compiling(kind: str) -> Iterator[None]:
    """Compile them for codes of a type, one a turn."""
    codes = np.dtype(kind)
    whole = codes.kind == "i"
    file = np.zeros(8, dtype=np.int64)
    file.flags.writeable = False
    total = np.dtype("i4" if whole else "f8")
    square = np.dtype(("i4" if codes.itemsize == 1 else "i8") if whole else "f8")
    views = [file.view(dtype) for dtype in (codes, total, square, np.dtype("u1"), np.dtype("u2"))]
    wide = np.dtype("i8" if whole else "f8")
    found = [np.zeros(1, dtype=dtype) for dtype in (np.dtype("i8"), wide, wide, codes, codes)]
    where = [np.zeros((4, 3), dtype=np.int64), np.zeros((1, 5), dtype=np.int64), 8, 1, 0]
    if whole:
        ends = np.iinfo(codes)
        asked = [*views, *where, True, codes.type(ends.min), codes.type(ends.max), *found]
    else:
        asked = [*views, *where, 0.0, *found]
    kernel: Any = sum_whole if whole else sum_floats
    kernel(*asked)
    yield
