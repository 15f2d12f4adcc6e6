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

__all__ = ["compiling", "moments", "sum_box", "turn"]

_STRIP = 32
"""Columns of cells that are turned together: a whole number of blocks."""

_AT_ONCE = 64
"""Cells that are summed together: of 256 steps of two bytes, 32 KiB."""

_MOST = 2**32 - 1
"""What 32 bits hold."""

_OFTEN = 1023
"""Times that many of which 32 bits, one of them the sign, hold the sum, whatever the codes."""


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
    some = values[place:]  # so that a place can't be one from the end: the compiler would look at each
    for t in range(out.size):
        out[t] += some[t]


@compiled
def _lower(values: Any, place: Any, out: Any) -> None:
    some = values[place:]
    for t in range(out.size):
        out[t] = some[t] if some[t] < out[t] else out[t]


@compiled
def _raise(values: Any, place: Any, out: Any) -> None:
    some = values[place:]
    for t in range(out.size):
        out[t] = some[t] if some[t] > out[t] else out[t]


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
def _widen(codes: Any, places: Any, low: Any, high: Any) -> None:
    """Widen some extremes by the cells that begin at some places, four at a time; what is missing counts as it is."""
    first = 0
    while first + 4 <= places.size:
        a, b = codes[places[first] :], codes[places[first + 1] :]
        c, d = codes[places[first + 2] :], codes[places[first + 3] :]
        for t in range(low.size):
            low[t] = min(low[t], min(min(a[t], b[t]), min(c[t], d[t])))
            high[t] = max(high[t], max(max(a[t], b[t]), max(c[t], d[t])))
        first += 4
    for place in places[first:]:
        _lower(codes, place, low)
        _raise(codes, place, high)


@compiled
def _leave_out(codes: Any, places: Any, least: Any, most: Any, missed: Any, low: Any) -> None:
    """Count what is missing in the cells that begin at some places, and find the smallest of the others."""
    low[:] = most
    first = 0
    while first + 4 <= places.size:
        a, b = codes[places[first] :], codes[places[first + 1] :]
        c, d = codes[places[first + 2] :], codes[places[first + 3] :]
        for t in range(low.size):
            w = most if a[t] == least else a[t]
            x = most if b[t] == least else b[t]
            y = most if c[t] == least else c[t]
            z = most if d[t] == least else d[t]
            low[t] = min(low[t], min(min(w, x), min(y, z)))
        for t in range(low.size):
            missed[t] += (
                np.int32(a[t] == least) + np.int32(b[t] == least) + np.int32(c[t] == least) + np.int32(d[t] == least)
            )
        first += 4
    for place in places[first:]:
        cell = codes[place:]
        for t in range(low.size):
            low[t] = min(low[t], most if cell[t] == least else cell[t])
            missed[t] += np.int32(cell[t] == least)


@compiled
def _add_four(codes: Any, at: Any, gaps: Any, least: Any, total: Any, squares: Any) -> None:
    """Add four cells of whole codes, and their squares, in 32 bits: as many at a time as the processor takes."""
    a, b, c, d = codes[at[0] :], codes[at[1] :], codes[at[2] :], codes[at[3] :]
    for t in range(total.size):
        w = np.int32(0) if gaps and a[t] == least else np.int32(a[t])
        x = np.int32(0) if gaps and b[t] == least else np.int32(b[t])
        y = np.int32(0) if gaps and c[t] == least else np.int32(c[t])
        z = np.int32(0) if gaps and d[t] == least else np.int32(d[t])
        total[t] = np.int32(total[t] + np.int32(np.int32(w + x) + np.int32(y + z)))
        one, other = np.uint32(np.uint32(w * w) + np.uint32(x * x)), np.uint32(np.uint32(y * y) + np.uint32(z * z))
        squares[t] = np.uint32(squares[t] + np.uint32(one + other))


@compiled
def _add_one(codes: Any, place: Any, gaps: Any, least: Any, total: Any, squares: Any) -> None:
    """Add one cell of whole codes."""
    cell = codes[place:]
    for t in range(total.size):
        value = np.int64(0) if gaps and cell[t] == least else np.int64(cell[t])
        total[t] += value
        squares[t] += value * value


@compiled
def _sum_whole(
    codes: Any, places: Any, gaps: Any, least: Any, most: Any, count: Any, total: Any, squares: Any, low: Any, high: Any
) -> None:
    """Sums over the cells that begin at some places, of whole codes.

    Some cells at a time, which the processor's memory holds: their extremes first, which tell whether any is missing
    and how many squares 32 bits hold.
    """
    size = count.size
    missed, bottom, top = np.zeros(size, dtype=np.int32), np.empty_like(low), np.empty_like(high)
    several, squared = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.uint32)
    held: Any = 0
    for first in range(0, places.size, _AT_ONCE):
        if first // _AT_ONCE % _OFTEN == 0:
            # Here, not at the end, which cells without any value never come to.
            _add(several, 0, total)
            several[:] = 0
        some = places[first : first + _AT_ONCE]
        bottom[:] = most
        top[:] = least
        _widen(codes, some, bottom, top)
        if gaps and top.max() == least:
            missed += some.size
            continue
        has_gaps = gaps and bottom.min() == least
        if has_gaps:
            _leave_out(codes, some, least, most, missed, bottom)
        _lower(bottom, 0, low)
        _raise(top, 0, high)
        bound = max(-np.int64(bottom.min()), np.int64(top.max()))
        number = 0
        while number + 4 <= some.size and 4 * bound * bound <= _MOST:
            if held + 4 * bound * bound > _MOST:
                _add(squared, 0, squares)
                squared[:] = 0
                held = 0
            _add_four(codes, some[number : number + 4], has_gaps, least, several, squared)
            held += 4 * bound * bound
            number += 4
        for place in some[number:]:
            _add_one(codes, place, has_gaps, least, total, squares)
    count[:] = places.size
    for t in range(size):
        count[t] -= missed[t]
    _add(several, 0, total)
    _add(squared, 0, squares)


@compiled
def _sum_floats(
    codes: Any, places: Any, origin: Any, count: Any, total: Any, squares: Any, low: Any, high: Any
) -> None:
    """Sums over the cells that begin at some places, of floats about an origin: cell by cell, as numpy adds them."""
    size = count.size
    for place in places:
        cell = codes[place:]
        for t in range(size):
            value = np.float64(cell[t]) - origin if cell[t] == cell[t] else 0.0
            total[t] += value
            squares[t] += value * value
        for t in range(size):
            count[t] += np.int64(cell[t] == cell[t])
        _lower(codes, place, low)
        _raise(codes, place, high)


@compiled
def _sum_cells(
    codes: Any,
    places: Any,
    origin: Any,
    gaps: Any,
    least: Any,
    most: Any,
    count: Any,
    total: Any,
    squares: Any,
    low: Any,
    high: Any,
) -> None:
    """Sums over the cells that begin at some places: at each item of the arrays that follows there."""
    count[:] = 0
    total[:] = 0
    squares[:] = 0
    low[:] = most
    high[:] = least
    if origin is None:  # the compiler knows, and leaves the other out
        _sum_whole(codes, places, gaps, least, most, count, total, squares, low, high)
    else:
        _sum_floats(codes, places, origin, count, total, squares, low, high)


@compiled
def sum_box(
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
    first: Any,
    stop: Any,
    origin: Any,
    gaps: Any,
    least: Any,
    most: Any,
    all_count: Any,
    all_total: Any,
    all_squares: Any,
    all_low: Any,
    all_high: Any,
) -> Any:
    """Sums of each step over rectangles of cells and blocks.

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
    first, stop : int
        Where the wanted steps are in what is found.
    origin : float, optional
        What is taken off floats before they are summed; None where codes are whole.
    gaps : bool
        Whether the lowest whole code means "missing".
    least, most
        The lowest and the highest code there can be.
    all_count, all_total, all_squares, all_low, all_high : ndarray
        What is found: of the wanted steps, and of others, which stay as they are.

    Returns
    -------
    int
        Bytes that were gone over.
    """
    out_count, out_total, out_squares = all_count[first:stop], all_total[first:stop], all_squares[first:stop]
    out_low, out_high = all_low[first:stop], all_high[first:stop]
    tiles, inner = _cells(parts, edge, layout[0, 1], layout[0, 2])
    places = (layout[0, 0] + tiles) // codes.itemsize + inner * times + start
    _sum_cells(codes, places, origin, gaps, least, most, out_count, out_total, out_squares, out_low, out_high)
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
    return nbytes + places.size * out_count.size * codes.itemsize


@compiled
def moments(
    count: Any,
    total: Any,
    squares: Any,
    low: Any,
    high: Any,
    table: Any,
    shift: Any,
    divisor: Any,
    slope: Any,
    start: Any,
    mean: Any,
    m2: Any,
    least: Any,
    most: Any,
) -> None:
    """Mean, squared deviations, and the smallest and the largest value, of sums of whole codes, as `Sums.moments`.

    Parameters
    ----------
    table : ndarray of float64
        The value of each code.
    shift, divisor, slope, start
        The value of a mean of codes is (code - shift) / divisor · slope + start.
    """
    square = (slope / divisor) ** 2
    for t in range(count.size):
        number = count[t]
        if number == 0:
            mean[t] = least[t] = most[t] = np.nan
            m2[t] = 0.0
            continue
        # About a whole number near the mean: all that is large cancels in integers, so without loss. It is found among
        # floats, since processors divide integers slowly.
        about = np.int64(np.floor(total[t] / number))
        rest = total[t] - number * about
        apart = squares[t] - about * (total[t] + rest)
        mean[t] = (about + rest / number - shift) / divisor * slope + start
        m2[t] = max(apart - rest * (rest / number), 0.0) * square
        # By the codes without their signs: negative ones are the upper half of the table.
        one, other = table[low[t]], table[high[t]]
        least[t], most[t] = (one, other) if slope > 0 else (other, one)


@compiled
def turn(
    stack: Any,
    row: Any,
    origin: Any,
    gaps: Any,
    least: Any,
    most: Any,
    span: Any,
    tiles: Any,
    span_count: Any,
    span_total: Any,
    span_squares: Any,
    span_low: Any,
    span_high: Any,
    out_count: Any,
    out_total: Any,
    out_squares: Any,
    out_low: Any,
    out_high: Any,
) -> None:
    """Turn one row of blocks so that time is innermost, and sum it over spans of steps and over blocks.

    Parameters
    ----------
    stack : ndarray, shape (t, ny, nx)
        The codes, one field behind the other.
    row : int
        The first row of the blocks.
    origin, gaps, least, most
        As for `sum_box`.
    span : int
        Steps that the sums of each cell are kept for.
    tiles : ndarray, shape (columns of blocks, edge, edge, t)
        The cells; those beyond the far edges stay as they are.
    span_count, span_total, span_squares, span_low, span_high : ndarray, shape (spans, rows, nx)
        Sums of each cell.
    out_count, out_total, out_squares, out_low, out_high : ndarray, shape (columns of blocks, t)
        Sums of each block.
    """
    times, nx = stack.shape[0], stack.shape[2]
    rows, edge = span_count.shape[1], tiles.shape[1]
    strips = (nx + _STRIP - 1) // _STRIP
    # What is read lies one behind the other, a few rows of each field; a strip of it stays in the processor's memory.
    bands = np.zeros((strips, times, rows * _STRIP), dtype=stack.dtype)
    for t in range(times):
        for r in range(rows):
            line = stack[t, row + r]
            for strip in range(nx // _STRIP):
                for c in range(_STRIP):
                    bands[strip, t, r * _STRIP + c] = line[strip * _STRIP + c]
            for column in range(nx // _STRIP * _STRIP, nx):
                bands[strips - 1, t, r * _STRIP + column % _STRIP] = line[column]
    size = rows * _STRIP
    count, low, high = (
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=stack.dtype),
        np.empty(size, dtype=stack.dtype),
    )
    total, squares = np.empty(size, dtype=span_total.dtype), np.empty(size, dtype=span_squares.dtype)
    for strip in range(strips):
        band, left = bands[strip], strip * _STRIP
        width = min(_STRIP, nx - left)
        for number in range(span_count.shape[0]):
            places = np.arange(number * span, min((number + 1) * span, times)) * size
            _sum_cells(band.reshape(-1), places, origin, gaps, least, most, count, total, squares, low, high)
            for r in range(rows):
                first, last = r * _STRIP, r * _STRIP + width
                span_count[number, r, left : left + width] = count[first:last]
                span_total[number, r, left : left + width] = total[first:last]
                span_squares[number, r, left : left + width] = squares[first:last]
                span_low[number, r, left : left + width] = low[first:last]
                span_high[number, r, left : left + width] = high[first:last]
        for inner in range(0, width, edge):
            block, columns = (left + inner) // edge, min(edge, width - inner)
            tile = tiles[block]
            places = np.empty(rows * columns, dtype=np.int64)
            for number in range(places.size):
                places[number] = (number // columns * edge + number % columns) * times
            for early in range(0, times, 32):
                for r in range(rows):
                    for c in range(columns):
                        cell, place = tile[r, c], r * _STRIP + inner + c
                        for t in range(early, min(early + 32, times)):
                            cell[t] = band[t, place]
            _sum_cells(
                tile.reshape(-1),
                places,
                origin,
                gaps,
                least,
                most,
                out_count[block],
                out_total[block],
                out_squares[block],
                out_low[block],
                out_high[block],
            )


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
    found = [np.zeros((1, 1), dtype=dtype) for dtype in (np.dtype("i8"), wide, wide, codes, codes)]
    how = None if whole else 0.0, True, codes.type(0), codes.type(0)
    where = [np.zeros((4, 3), dtype=np.int64), np.zeros((1, 5), dtype=np.int64), 8, 1, 0, 0, 1]
    # With arguments of the types that they are asked with: those of any other would be compiled while one waits.
    kernel: Any = sum_box
    kernel(*views, *where, *how, *(array[0] for array in found))
    yield
    if whole:
        kernel = moments
        kernel(*(array[0] for array in found), np.zeros(256), 0, 1.0, 1.0, 0.0, *(np.zeros(1) for _ in range(4)))
        yield
    kernel = turn
    stack, tiles = views[0][:1].reshape(1, 1, 1), np.zeros((1, 8, 8, 1), dtype=codes)
    kernel(stack, 0, *how, 128, tiles, *(array[None] for array in found), *found)
    yield
