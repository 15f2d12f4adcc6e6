"""One segment of time in one file: the cells with time innermost, the sums of their blocks, and a footer in JSON.

The arrays come first, as they lie in memory (little-endian, each at a whole number of pages):

- the cells, in tiles as large as the smallest blocks: (tile rows, tile columns, 8, 8, t), padded at the far edges;
- for each level of blocks a record for each block, (block rows, block columns): the squares, totals, lows, highs and
  counts of all steps, one behind the other, so that a row of blocks is one piece of the file;
- the sums of each cell over 128 steps at a time, (spans, ny, nx) each.

The footer comes last, so that a file that was not finished has none. A segment is never changed once it has its name.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.service.laps.blocks import EDGES, Part, over_cells, over_steps
from datavore_widgets.service.laps.codes import Coded, Codes
from datavore_widgets.service.laps.sums import Sums

__all__ = ["SPAN", "Segment", "SegmentWriter"]

SPAN = 128
"""Steps that the sums of each cell are kept for: maps of long lapses are made of these."""

_MAGIC = b"DVLAPS01"
_TAIL = struct.Struct("<Q8s")
_PAGE = 4096
_SUMS = ("count", "total", "squares", "low", "high")
_EDGE = EDGES[0]
_WIDE = 8
"""Columns of blocks that are asked of the disk together."""
_PROBES = 64
"""Places of a file that are looked at to see whether the system has it in memory."""

Runs = tuple[slice, ...]


@dataclass(frozen=True)
class _Section:
    """One part of the file: records of equal size, in rows and columns."""

    offset: int
    shape: tuple[int, ...]
    fields: Mapping[str, tuple[int, np.dtype[Any], tuple[int, ...]]]
    """Of a record: for each array its place in there, its type and its shape."""
    record: int
    """Bytes of a record."""

    @property
    def end(self) -> int:
        return self.offset + int(np.prod(self.shape, dtype=np.int64)) * self.record

    def array(self, name: str, buffer: Any, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """One array of the records of a buffer, without a copy."""
        place, dtype, inner = self.fields[name]
        strides = np.cumprod((self.record, *shape[:0:-1]))[::-1].tolist()
        steps = np.cumprod((dtype.itemsize, *inner[:0:-1]))[::-1].tolist() if inner else []
        return np.ndarray((*shape, *inner), dtype, buffer, offset + place, (*strides, *steps))

    def place(self, *position: int) -> int:
        """Where the record at the start of a row is."""
        number = 0
        for size, index in zip(self.shape, (*position, 0), strict=True):
            number = number * size + index
        return self.offset + number * self.record


def _layout(codes: Codes, shape: tuple[int, int], times: int) -> dict[str, _Section]:
    """Where everything lies."""
    ny, nx = shape
    plain: dict[str, tuple[tuple[int, ...], dict[str, np.dtype[Any]], tuple[int, ...]]] = {
        "cells": ((-(-ny // _EDGE), -(-nx // _EDGE)), {"cells": codes.dtype}, (_EDGE, _EDGE, times))
    }
    for level, edge in enumerate(EDGES, 1):
        plain[f"blocks{level}"] = (-(-ny // edge), -(-nx // edge)), _types(codes, edge * edge), (times,)
    for name, dtype in _types(codes, SPAN).items():
        plain[f"{name}_span"] = (-(-times // SPAN), ny, nx), {name: dtype}, ()
    sections, offset = {}, 0
    for part, (extent, types, inner) in plain.items():
        fields, size = {}, 0
        for name, dtype in types.items():
            fields[name] = size, dtype.newbyteorder("<"), inner
            size += int(np.prod(inner, dtype=np.int64)) * dtype.itemsize
        # Records start where the widest of their numbers may.
        align = max(dtype.itemsize for dtype in types.values())
        sections[part] = _Section(offset, extent, fields, -(-size // align) * align)
        offset = -(-sections[part].end // _PAGE) * _PAGE
    return sections


def _types(codes: Codes, samples: int) -> dict[str, np.dtype[Any]]:
    """The smallest types that hold the sums of some codes without loss, the widest first."""
    narrow = codes.dtype.itemsize == 1
    whole = codes.is_whole
    return {
        "squares": np.dtype(("i4" if narrow else "i8") if whole else "f8"),
        "total": np.dtype("i4" if whole else "f8"),
        "low": codes.dtype,
        "high": codes.dtype,
        "count": np.min_scalar_type(samples),
    }


class SegmentWriter:
    """Writes a segment, row by row, under a name that is not yet its own.

    Parameters
    ----------
    path : Path
        Where to write; replaced if it is there.
    about : mapping
        What the footer tells besides, as JSON.

    Raises
    ------
    OSError
        When the disk is full, before anything is worked out.
    """

    def __init__(
        self, path: Path, codes: Codes, origin: float, shape: tuple[int, int], times: int, about: Mapping[str, Any]
    ) -> None:
        self._sections = _layout(codes, shape, times)
        self._footer = json.dumps(
            {"codes": codes.to_json(), "origin": origin, "shape": shape, "times": times, **about}
        ).encode()
        self._end = -(-max(section.end for section in self._sections.values()) // _PAGE) * _PAGE
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._fd, 0, self._end + len(self._footer) + _TAIL.size)
        except OSError:
            os.close(self._fd)
            raise

    def tiles(self, row: int, tiles: NDArray[Any]) -> None:
        """A row of tiles, (tile columns, 8, 8, t)."""
        section = self._sections["cells"]
        self._put(section.place(row), np.ascontiguousarray(tiles, dtype=section.fields["cells"][1]))

    def cells(self, row: int, band: NDArray[Any]) -> None:
        """A row of tiles, of shape (up to 8, nx, t)."""
        section = self._sections["cells"]
        ny, nx, times = band.shape
        padded = section.shape[1] * _EDGE
        if (ny, nx) != (_EDGE, padded):
            # What is there is never asked for.
            band = np.pad(band, ((0, _EDGE - ny), (0, padded - nx), (0, 0)))
        self.tiles(row, band.reshape(_EDGE, -1, _EDGE, times).swapaxes(0, 1))

    def blocks(self, level: int, row: int, sums: Sums) -> None:
        """Rows of the sums of blocks: (rows, columns, t)."""
        section = self._sections[f"blocks{level}"]
        shape = sums.count.shape[:2]
        records = np.zeros((*shape, section.record), dtype=np.uint8)
        for name in section.fields:
            section.array(name, records, 0, shape)[...] = getattr(sums, name)
        self._put(section.place(row), records)

    def span(self, number: int, row: int, sums: Sums) -> None:
        """Rows of the sums of cells over some steps: (rows, nx)."""
        for name in _SUMS:
            section = self._sections[f"{name}_span"]
            self._put(section.place(number, row), np.ascontiguousarray(getattr(sums, name), section.fields[name][1]))

    def _put(self, offset: int, values: NDArray[Any]) -> None:
        data = values.data.cast("B")
        while data:
            written = os.pwrite(self._fd, data, offset)
            data, offset = data[written:], offset + written

    def flush(self) -> None:
        """See that the disk has what was written until now; more may be written meanwhile."""
        os.fsync(self._fd)

    def close(self, *, whole: bool) -> None:
        """Write the footer if all the rest is there, and see that the disk has it."""
        try:
            if whole:
                os.pwrite(self._fd, self._footer + _TAIL.pack(len(self._footer), _MAGIC), self._end)
                os.fsync(self._fd)
        finally:
            os.close(self._fd)


class Segment:
    """A segment that can be asked.

    Parameters
    ----------
    path : Path
        Of its file.

    Attributes
    ----------
    about : dict
        What its footer tells.
    touched : int
        Bytes gone over since `forget`.

    Raises
    ------
    Unreadable
        When the file is none, or not whole.
    FileNotFoundError
        When it is gone: a newer one has taken its place.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
            self._is_warm = _in_memory(file.fileno(), size)
        self.path = path
        self.about = self._read_footer(size)
        self.codes = Codes.from_json(self.about["codes"])
        self.origin: float = self.about["origin"]
        ny, nx = self.about["shape"]
        self.shape: tuple[int, int] = ny, nx
        self.times: int = self.about["times"]
        self._sections = _layout(self.codes, self.shape, self.times)
        if max(section.end for section in self._sections.values()) > size:
            raise Unreadable(f"{str(path)!r} is not whole; prepare the data again")
        self._tiles = self._array("cells", "cells")
        self._levels = [
            Sums(*(self._array(f"blocks{level}", name) for name in _SUMS)) for level in range(1, len(EDGES) + 1)
        ]
        self._spans = Sums(*(self._array(f"{name}_span", name) for name in _SUMS))
        self._asked = [
            np.zeros(units.shape[:2], dtype=bool) for units in (self._tiles, *(s.count for s in self._levels))
        ]
        self._flat, self._table = self._whole(size)
        self._lock = threading.Lock()
        self._stack: NDArray[Any] | None = None
        self.touched = 0

    def _read_footer(self, size: int) -> dict[str, Any]:
        if self._map is not None and size > _TAIL.size:
            length, magic = _TAIL.unpack(self._map[-_TAIL.size :])
            if magic == _MAGIC and length < size - _TAIL.size:
                footer: dict[str, Any] = json.loads(self._map[size - _TAIL.size - length : size - _TAIL.size])
                return footer
        raise Unreadable(f"{str(self.path)!r} is no segment of prepared data, or not whole; prepare the data again")

    def _array(self, section: str, name: str) -> NDArray[Any]:
        found = self._sections[section]
        return found.array(name, self._map, found.offset, found.shape)

    def _whole(self, size: int) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        """The file as flat arrays of each type, and where its records are, as the compiled loops take them."""
        types = _types(self.codes, 1)
        dtypes = [self.codes.dtype, types["total"], types["squares"], np.dtype("u1"), np.dtype("u2")]
        found = [self._sections[name] for name in ("cells", *(f"blocks{n}" for n in range(1, len(EDGES) + 1)))]
        table = np.array([(part.offset, part.shape[1], part.record) for part in found])
        return [np.frombuffer(self._map, dtype, size // dtype.itemsize) for dtype in dtypes], table  # type: ignore[arg-type]

    def per_step(self, steps: slice, parts: NDArray[np.int64], out: Sums, first: int, loops: ModuleType | None) -> None:
        """Write the sums of each step over rectangles of cells and blocks.

        Parameters
        ----------
        parts : ndarray of int64, shape (parts, 5)
            Each as in `Part`.
        out : Sums
            Of these steps from `first` on, and of others, which stay as they are.
        loops : module, optional
            The compiled ones, if they are there.
        """
        if loops is None or not self._is_warm:
            several = [Part(*part) for part in parts.tolist()]
        if loops is None:
            boxes = [box for part in several if part.level == 0 for box in self._boxes(part, steps)]
            sums = [over_cells(boxes, self.codes, self.origin)] if boxes else []
            found = reduce(add, [*sums, *(self._blocks(part, steps) for part in several if part.level)])
            for mine, array in zip(out.arrays, found.arrays, strict=True):
                mine[first : first + array.size] = array
            return
        if not self._is_warm:
            for part in several:
                self._ask(part if part.level else part.tiles)
        where = parts, _EDGE, self.times, steps.start, first, first + steps.stop - steps.start
        self.touched += loops.sum_box(*self._flat, self._table, *where, *self.codes.how(self.origin), *out.arrays)

    def gather(self, steps: slice, rows: slice, runs: Runs, out: NDArray[Any]) -> None:
        """Copy the codes of the cells of some rows and runs of columns, in no order, into an array (cells, steps)."""
        place = 0
        for run in runs:
            for box in self._boxes(Part(0, rows.start, rows.stop, run.start, run.stop), steps):
                cells = box.size // box.shape[-1]
                out[place : place + cells].reshape(box.shape)[...] = box
                place += cells

    def window(self, steps: slice, rows: slice, columns: NDArray[np.int64]) -> NDArray[Any]:
        """Decoded values of some rows and columns in the order wanted, shape (steps, ny, nx)."""
        left, right = int(columns.min()), int(columns.max()) + 1
        self._ask(Part(0, rows.start // _EDGE, -(-rows.stop // _EDGE), left // _EDGE, -(-right // _EDGE)))
        codes = np.empty((rows.stop - rows.start, right - left, steps.stop - steps.start), dtype=self.codes.dtype)
        for row in range(rows.start, rows.stop):
            codes[row - rows.start] = self.line(row, left, right, steps)
        taken = codes if (np.diff(columns) == 1).all() else codes[:, columns - left]
        return self.codes.decode(taken).transpose(2, 0, 1)

    def line(self, row: int, left: int, right: int, steps: slice) -> NDArray[Any]:
        """Codes of the cells of a row, from a column to before another, shape (cells, steps)."""
        first, last = left // _EDGE, -(-right // _EDGE)
        self._ask(Part(0, row // _EDGE, row // _EDGE + 1, first, last))
        tiles = self._tiles[row // _EDGE, first:last, row % _EDGE, :, steps]
        self.touched += tiles.nbytes
        return tiles.reshape(-1, tiles.shape[-1])[left % _EDGE : left % _EDGE + right - left]

    def _boxes(self, part: Part, steps: slice) -> list[NDArray[Any]]:
        """The cells of a rectangle, as parts of tiles: (tile rows, tile columns, rows, columns, t) each."""
        down, right = _in_tiles(part.top, part.bottom), _in_tiles(part.left, part.right)
        self._ask(part.tiles)
        boxes = [self._tiles[i, j, r, c, steps] for i, r in down for j, c in right]
        self.touched += sum(box.nbytes for box in boxes)
        return boxes

    def _blocks(self, part: Part, steps: slice) -> Sums:
        self._ask(part)
        sums = self._levels[part.level - 1].at((slice(part.top, part.bottom), slice(part.left, part.right), steps))
        self.touched += sums.nbytes
        cells = (part.bottom - part.top) * (part.right - part.left) * EDGES[part.level - 1] ** 2
        return sums.pooled((0, 1), cells)

    def per_cell(self, steps: slice, rows: slice, columns: slice) -> Sums:
        """Sums of each cell over some steps; rows and columns may be every n-th: shape (ny, nx)."""
        first, stop = -(-steps.start // SPAN), steps.stop // SPAN if steps.stop < self.times else -(-self.times // SPAN)
        if first >= stop:
            return self._over_steps(steps, rows, columns)
        sums = self._spans.at((slice(first, stop), rows, columns))
        self.touched += sums.nbytes
        whole = sums.pooled(0, self.times)
        for rest in (slice(steps.start, first * SPAN), slice(min(stop * SPAN, self.times), steps.stop)):
            if rest.stop > rest.start:
                whole = whole + self._over_steps(rest, rows, columns)
        return whole

    def field(self, place: int, rows: slice, columns: NDArray[np.int64]) -> Coded | None:
        """Some cells at one step, of the copy in the order of time; None where there is none.

        Only the pages that hold these cells are gone over.
        """
        fields = self._fields()
        if fields is None:
            return None
        first, last = int(columns.min(initial=0)), int(columns.max(initial=-1))
        field = fields[place, rows]
        if columns.size == last - first + 1 and (columns[1:] > columns[:-1]).all():
            return Coded(field[:, first : last + 1], self.codes, self.codes.value)
        return Coded(field.take(columns, axis=1), self.codes, self.codes.value)

    def _fields(self) -> NDArray[Any] | None:
        """The copy in the order of time, (t, ny, nx), mapped once; None where there is none, or not the whole of it."""
        with self._lock:
            if self._stack is None:
                wanted = self.times * self.shape[0] * self.shape[1] * self.codes.dtype.itemsize
                try:
                    with self.path.with_suffix(".fields").open("rb") as file:
                        if os.fstat(file.fileno()).st_size < wanted:
                            return None
                        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except FileNotFoundError:
                    return None
                self._stack = np.ndarray((self.times, *self.shape), self.codes.dtype, mapped)
            return self._stack

    def _over_steps(self, steps: slice, rows: slice, columns: slice) -> Sums:
        """Of one row of tiles at a time."""
        parts = []
        left = columns.start // _EDGE
        across = slice(left, (columns.stop - 1) // _EDGE + 1)
        inside = slice(columns.start - left * _EDGE, columns.stop - left * _EDGE, columns.step)
        every = rows.step or 1
        row = rows.start
        while row < rows.stop:
            tile = row // _EDGE
            bottom = min((tile + 1) * _EDGE, rows.stop)
            self._ask(Part(0, tile, tile + 1, across.start, across.stop))
            tiles = self._tiles[tile, across, row % _EDGE : bottom - tile * _EDGE : every, :, steps]
            self.touched += tiles.nbytes
            band = tiles.swapaxes(0, 1).reshape(tiles.shape[1], -1, tiles.shape[3])[:, inside]
            parts.append(over_steps(band.transpose(2, 0, 1), self.codes, self.origin))
            row += tiles.shape[1] * every
        return Sums.join(parts)

    def _ask(self, part: Part) -> None:
        """Ask the disk for all of a rectangle at once; memory mapped without that waits for it page by page."""
        if self._is_warm:
            return
        level, top, bottom, left, right = part
        if level:
            left, right = left // _WIDE * _WIDE, -(-right // _WIDE) * _WIDE
        asked = self._asked[level][top:bottom, left:right]
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED") or asked.all():
            return
        section = self._sections[f"blocks{level}" if level else "cells"]
        nbytes = (min(right, section.shape[1]) - left) * section.record
        row_bytes = section.shape[1] * section.record
        first = section.offset + top * row_bytes + left * section.record
        for start in range(first, first + (bottom - top) * row_bytes, row_bytes):
            page = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, start + nbytes - page)
        asked[...] = True

    def forget(self) -> None:
        """Give back the memory of what was gone over; the system's own cache of the file keeps it."""
        with self._lock:
            self.touched = 0
            with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
                self._is_warm = _in_memory(file.fileno(), os.fstat(file.fileno()).st_size)
            for asked in self._asked:
                asked[...] = False
            self._stack = None  # mapped again when it is needed
            if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
                self._map.madvise(mmap.MADV_DONTNEED)

    @classmethod
    def peek(cls, path: Path) -> Self | None:
        """The segment of a file, if it is there and whole."""
        try:
            return cls(path)
        except (FileNotFoundError, Unreadable):
            return None


def _in_memory(fd: int, size: int) -> bool:
    """Whether the system seems to hold a file but for a tenth: it is asked at some places, and waits for no disk.

    It then need not be asked for each rectangle, which takes as long as the sums of a small one. Where this is wrong,
    pages come one by one.
    """
    if not hasattr(os, "RWF_NOWAIT") or size == 0:
        return False
    page, missing = bytearray(1), 0
    for place in range(_PROBES):
        try:
            os.preadv(fd, [page], size * place // _PROBES, os.RWF_NOWAIT)
        except OSError:
            # Not there (EAGAIN), or a file system that cannot tell.
            missing += 1
            if missing > _PROBES // 10:
                return False
    return True


def _in_tiles(first: int, last: int) -> list[tuple[slice, slice]]:
    """Rows or columns as tiles, and which of the rows or columns of these: a part of one, whole ones, a part of one."""
    low, high = -(-first // _EDGE), last // _EDGE
    if high < low:
        return [(slice(high, low), slice(first - high * _EDGE, last - high * _EDGE))]
    found = []
    if first < low * _EDGE:
        found.append((slice(low - 1, low), slice(first - (low - 1) * _EDGE, _EDGE)))
    if low < high:
        found.append((slice(low, high), slice(0, _EDGE)))
    if last > high * _EDGE:
        found.append((slice(high, high + 1), slice(0, last - high * _EDGE)))
    return found
