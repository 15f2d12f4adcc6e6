"""Columns as HiveServer2 sends them, made into Arrow's without a look at single rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from datavore_widgets.client.rowset import SentColumn
from datavore_widgets.errors import BadReply
from datavore_widgets.protocol.sql import Column

__all__ = ["ColumnReader", "has_nested", "read_batch", "readers"]


def _number(arrow: pa.DataType) -> Callable[[SentColumn], pa.Array]:
    return lambda sent: pa.array(sent.values, type=arrow)


def _float(sent: SentColumn) -> pa.Array:
    return pa.array(sent.values.astype(np.float32))


def _bytes(arrow: pa.DataType) -> Callable[[SentColumn], pa.Array]:
    return lambda sent: pa.Array.from_buffers(
        arrow, len(sent), [None, pa.py_buffer(sent.offsets), pa.py_buffer(sent.values)]
    )


_TEXT = _bytes(pa.string())
_AS_TEXT = 7

# Hive's number of the type → its word, which of TColumn's kinds carries it, and how that becomes Arrow.
_PLAIN: dict[int, tuple[str, int, Callable[[SentColumn], pa.Array]]] = {
    0: ("boolean", 1, _number(pa.bool_())),
    1: ("tinyint", 2, _number(pa.int8())),
    2: ("smallint", 3, _number(pa.int16())),
    3: ("int", 4, _number(pa.int32())),
    4: ("bigint", 5, _number(pa.int64())),
    5: ("float", 6, _float),
    6: ("double", 6, _number(pa.float64())),
    7: ("string", _AS_TEXT, _TEXT),
    8: ("timestamp", _AS_TEXT, _TEXT),
    9: ("binary", 8, _bytes(pa.binary())),
    10: ("array", _AS_TEXT, _TEXT),
    11: ("map", _AS_TEXT, _TEXT),
    12: ("struct", _AS_TEXT, _TEXT),
    13: ("uniontype", _AS_TEXT, _TEXT),
    15: ("decimal", _AS_TEXT, _TEXT),
    16: ("void", _AS_TEXT, lambda sent: pa.nulls(len(sent))),
    17: ("date", _AS_TEXT, _TEXT),
    18: ("varchar", _AS_TEXT, _TEXT),
    19: ("char", _AS_TEXT, _TEXT),
    20: ("interval_year_month", _AS_TEXT, _TEXT),
    21: ("interval_day_time", _AS_TEXT, _TEXT),
    22: ("timestamp with local time zone", _AS_TEXT, _TEXT),
}
_NESTED = frozenset({10, 11, 12, 13})


@dataclass(frozen=True)
class ColumnReader:
    """How one column of a result is read."""

    column: Column
    member: int
    make: Callable[[SentColumn], pa.Array]
    cast: pa.DataType | None
    metadata: dict[bytes, bytes] | None

    def read(self, sent: SentColumn) -> tuple[pa.Field, pa.Array]:
        """The field and its values.

        Raises
        ------
        BadReply
            When they are not what the type says.
        """
        if sent.member != self.member:
            raise BadReply(f"the server sent no {self.column.type} for the column {self.column.name!r}")
        try:
            array = _with_nulls(self.make(sent), sent.nulls)
            if self.cast is not None:
                array = _cast(array, self.cast)  # takes digits and a few signs, and no other byte
            else:
                array.validate(full=True)  # that text is UTF-8
        except (pa.ArrowException, ValueError) as error:
            excerpt = str(error).splitlines()[0][:200]
            raise BadReply(
                f"the column {self.column.name!r} cannot be read as {self.column.type} ({excerpt}); "
                "cast it to string (or, if it is not text in UTF-8, to binary) in the query"
            ) from error
        return pa.field(self.column.name, array.type, metadata=self.metadata), array


def _with_nulls(array: pa.Array, nulls: bytes) -> pa.Array:
    """Put the server's null bitmap (a set bit is a NULL; zeros at the end may be missing) under the values."""
    bits = np.zeros((len(array) + 7) // 8, dtype=np.uint8)
    sent = np.frombuffer(nulls, dtype=np.uint8)[: bits.size]
    if not sent.any() or pa.types.is_null(array.type):
        return array
    bits[: sent.size] = sent
    buffers = array.buffers()
    buffers[0] = pa.py_buffer(np.bitwise_not(bits).tobytes())
    return pa.Array.from_buffers(array.type, len(array), buffers)


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if not pa.types.is_timestamp(wanted):
        return array.cast(wanted)
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid:  # more than six digits of a second
        return array.cast(pa.timestamp("ns"))


def has_nested(described: Sequence[Any]) -> bool:
    """Whether there is an array, a map or a struct, which come as text."""
    return any(column.typeDesc.types[0].primitiveEntry.type in _NESTED for column in described)


def readers(described: Sequence[Any], nested: str = "hive") -> tuple[ColumnReader, ...]:
    """The readers of a result, by its `TColumnDesc`s.

    Parameters
    ----------
    nested : {'hive', 'spark'}
        How the server writes what is nested: Hive writes JSON, Spark the like with nothing in texts escaped.

    Raises
    ------
    BadReply
        When a type is one that nothing here knows.
    """
    return tuple(_reader(column, nested) for column in described)


def _reader(described: Any, nested: str) -> ColumnReader:
    entry = described.typeDesc.types[0].primitiveEntry
    name, code = described.columnName, entry.type
    if code not in _PLAIN:
        raise BadReply(f"the column {name!r} is of the unknown type {code}; cast it to string in the query")
    word, member, make = _PLAIN[code]
    cast: pa.DataType | None = None
    if word == "decimal":
        qualifiers = entry.typeQualifiers.qualifiers
        precision, scale = qualifiers["precision"].i32Value, qualifiers["scale"].i32Value
        word, cast = f"decimal({precision},{scale})", pa.decimal128(precision, scale)
    elif word == "timestamp":
        cast = pa.timestamp("us")
    elif word == "date":
        cast = pa.date32()
    return ColumnReader(
        Column(name, word), member, make, cast, {b"nested": nested.encode()} if code in _NESTED else None
    )


def read_batch(columns: Sequence[ColumnReader], sent: Sequence[SentColumn]) -> pa.RecordBatch:
    """The rows of one reply.

    Raises
    ------
    BadReply
        When the columns are not those announced, or not of one length.
    """
    if len(sent) != len(columns):
        raise BadReply(f"the server announced {len(columns)} columns and sent {len(sent)}")
    read = [column.read(part) for column, part in zip(columns, sent, strict=True)]
    if len({len(array) for _, array in read}) > 1:
        raise BadReply("the server sent columns of different lengths")
    return pa.RecordBatch.from_arrays([array for _, array in read], schema=pa.schema([field for field, _ in read]))
