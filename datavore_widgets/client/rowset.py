"""The reply to FetchResults, read from the wire into numpy.

Thrift's own reader makes a Python object of every value. In Thrift's binary protocol a list of numbers is their bytes
in big-endian order, so that numpy can take it whole; of a list of texts only the lengths need looking at.
The layout is that of `TFetchResultsResp` in HiveServer2's published interface (TCLIService.thrift).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import BadReply

__all__ = ["FetchReply", "SentColumn", "read_fetch_reply"]

_BOOL, _BYTE, _DOUBLE, _I16, _I32, _I64, _STRING, _STRUCT, _MAP, _SET, _LIST = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
_SIZES = {_BOOL: 1, _BYTE: 1, _DOUBLE: 8, _I16: 2, _I32: 4, _I64: 8}
_NUMBERS = {_BOOL: "?", _BYTE: "i1", _DOUBLE: ">f8", _I16: ">i2", _I32: ">i4", _I64: ">i8"}
_STRICT = 0x80010000
_REPLY = 2


@dataclass(frozen=True)
class SentColumn:
    """A column as it was sent.

    Parameters
    ----------
    member : int
        Which of `TColumn`'s kinds: 1 bool, 2 byte, 3 i16, 4 i32, 5 i64, 6 double, 7 string, 8 binary.
    values : ndarray
        Numbers; or the bytes of all texts, one after the other, as uint8.
    offsets : ndarray of int32, optional
        For texts: where each starts, and where the last ends.
    nulls : bytes
        A set bit is a NULL, the lowest bit first; zeros at the end may be missing.
    """

    member: int
    values: NDArray[Any]
    offsets: NDArray[np.int32] | None
    nulls: bytes

    def __len__(self) -> int:
        return self.values.size if self.offsets is None else self.offsets.size - 1


@dataclass(frozen=True)
class FetchReply:
    """What a server answers to FetchResults."""

    status: int
    message: str | None
    state: str | None
    has_more: bool
    columns: tuple[SentColumn, ...]


def read_fetch_reply(transport: Any) -> FetchReply:
    """The next message of a Thrift transport (one with the interface `CReadableTransport`).

    Raises
    ------
    BadReply
        When it is not the reply to FetchResults.
    """
    wire = _Wire(transport)
    version = wire.u32()
    if version != _STRICT | _REPLY:
        raise BadReply("the server's reply to FetchResults is of another kind")
    wire.text()  # the name of the call
    wire.u32()  # its number
    reply = FetchReply(0, None, None, False, ())
    for kind, number in wire.fields():
        if kind == _STRUCT and number == 0:
            reply = _reply(wire)
        else:
            wire.skip(kind)
    wire.end()
    return reply


def _reply(wire: _Wire) -> FetchReply:
    status, message, state, has_more = 0, None, None, False
    columns: tuple[SentColumn, ...] = ()
    for kind, number in wire.fields():
        if kind == _STRUCT and number == 1:
            for inner, place in wire.fields():
                if inner == _I32 and place == 1:
                    status = wire.u32()
                elif inner == _STRING and place == 3:
                    state = wire.text()
                elif inner == _STRING and place == 5:
                    message = wire.text()
                else:
                    wire.skip(inner)
        elif kind == _BOOL and number == 2:
            has_more = wire.take(1)[0] != 0
        elif kind == _STRUCT and number == 3:
            for inner, place in wire.fields():
                if inner == _LIST and place == 3:
                    columns = tuple(_column(wire) for _ in range(wire.list_of(_STRUCT)))
                else:
                    wire.skip(inner)
        else:
            wire.skip(kind)
    return FetchReply(status, message, state, has_more, columns)


def _column(wire: _Wire) -> SentColumn:
    found: SentColumn | None = None
    for kind, member in wire.fields():
        if kind != _STRUCT:
            raise BadReply("a column of the server's reply is of an unknown kind")
        values: NDArray[Any] = np.zeros(0)
        offsets: NDArray[np.int32] | None = None
        nulls = b""
        for inner, place in wire.fields():
            if inner == _LIST and place == 1:
                element, count = wire.list_head()
                if element == _STRING:
                    values, offsets = wire.texts(count)
                elif element in _NUMBERS:
                    values = wire.numbers(element, count)
                else:
                    raise BadReply("a column of the server's reply is of an unknown kind")
            elif inner == _STRING and place == 2:
                nulls = bytes(wire.take(wire.length()))
            else:
                wire.skip(inner)
        found = SentColumn(member, values, offsets, nulls)
    if found is None:
        raise BadReply("a column of the server's reply is empty")
    return found


class _Wire:
    """Bytes of a transport, as far as they are there, and how many were read."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._use(transport.cstringio_buf, transport.cstringio_buf.tell())

    def _use(self, buffer: Any, at: int) -> None:
        self._buffer, self._data, self._at = buffer, buffer.getvalue(), at

    def end(self) -> None:
        """Leave what follows to the next reader."""
        self._buffer.seek(self._at)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes; waits for them."""
        if self._at + count > len(self._data):
            self._use(self._transport.cstringio_refill(self._data[self._at :], count), 0)
        part = memoryview(self._data)[self._at : self._at + count]
        self._at += count
        return part

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def length(self) -> int:
        length = self.u32()
        if length >= 2**31:
            raise BadReply("the server's reply has a part of negative length")
        return length

    def text(self) -> str:
        return bytes(self.take(self.length())).decode("utf-8", "replace")

    def fields(self) -> Iterator[tuple[int, int]]:
        """Type and number of each field of a struct; whoever asks reads the value before the next."""
        while True:
            kind = self.take(1)[0]
            if kind == 0:
                return
            yield kind, int.from_bytes(self.take(2), "big", signed=True)

    def list_head(self) -> tuple[int, int]:
        return self.take(1)[0], self.length()

    def list_of(self, expected: int) -> int:
        element, count = self.list_head()
        if count and element != expected:
            raise BadReply("a list of the server's reply is of an unknown kind")
        return count

    def skip(self, kind: int) -> None:
        """Read over a value."""
        if kind in _SIZES:
            self.take(_SIZES[kind])
        elif kind == _STRING:
            self.take(self.length())
        elif kind == _STRUCT:
            for inner, _ in self.fields():
                self.skip(inner)
        elif kind in (_LIST, _SET):
            element, count = self.list_head()
            for _ in range(count):
                self.skip(element)
        elif kind == _MAP:
            keys, values = self.take(2)
            for _ in range(self.length()):
                self.skip(keys)
                self.skip(values)
        else:
            raise BadReply("a part of the server's reply is of an unknown kind")

    def numbers(self, element: int, count: int) -> NDArray[Any]:
        dtype = np.dtype(_NUMBERS[element])
        return np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype).astype(dtype.newbyteorder("="))

    def texts(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """The bytes of all texts, and where each starts; every text is sent behind its length."""
        if count == 0:
            return np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int32)
        return self._even_texts(count) or self._uneven_texts(count)

    def _even_texts(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]] | None:
        """As `texts`, where all are of one length, as times mostly are; None where they are not."""
        size = self.length()
        start = self._at = self._at - 4
        if start + count * (4 + size) > len(self._data):
            return None
        table = np.frombuffer(self._data, dtype=np.uint8, count=count * (4 + size), offset=start)
        table = table.reshape(count, 4 + size)
        if not (table[:, :4] == table[0, :4]).all():
            return None
        self._at += table.size
        return np.ascontiguousarray(table[:, 4:]).ravel(), np.arange(count + 1, dtype=np.int32) * np.int32(size)

    def _uneven_texts(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        lengths = np.empty(count, dtype=np.int64)
        start, at, data, unpack = self._at, self._at, self._data, struct.Struct(">i").unpack_from
        place = 0
        try:
            for place in range(count):
                (length,) = unpack(data, at)
                lengths[place] = length
                at += 4 + length
        except struct.error:  # not everything is there yet
            at = len(data) + 1
        if at > len(data):
            return self._slow_texts(count)
        if lengths.min() < 0:
            raise BadReply("the server's reply has a text of negative length")
        self._at = at
        whole = np.frombuffer(data, dtype=np.uint8, count=at - start, offset=start)
        ends = np.cumsum(lengths)
        heads = ends - lengths + 4 * np.arange(count)  # where each length is written
        kept = np.ones(whole.size, dtype=bool)
        for byte in range(4):
            kept[heads + byte] = False
        return whole[kept], np.concatenate([[0], ends]).astype(np.int32)

    def _slow_texts(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """As `texts`, where they arrive in parts."""
        parts = [bytes(self.take(self.length())) for _ in range(count)]
        ends = np.cumsum([0, *map(len, parts)])
        return np.frombuffer(b"".join(parts), dtype=np.uint8), ends.astype(np.int32)
