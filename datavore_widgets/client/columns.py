"""Columns as HiveServer2 sends them, made into Arrow's without a look at single rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from datavore_widgets.errors import BadReply
from datavore_widgets.protocol.sql import Column

__all__ = ["ColumnReader", "has_nested", "read_batch", "readers"]


def _numbers(arrow: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    return lambda values: pa.array(values, type=arrow)


def _floats(values: list[Any]) -> pa.Array:
    return pa.array(np.array(values, dtype=np.float32))


def _text(values: list[Any]) -> pa.Array:
    return pa.array(values, type=pa.string())


# Hive's number of the type → its word, what carries it in a TColumn, and how that becomes Arrow.
_PLAIN: dict[int, tuple[str, str, Callable[[list[Any]], pa.Array]]] = {
    0: ("boolean", "boolVal", _numbers(pa.bool_())),
    1: ("tinyint", "byteVal", _numbers(pa.int8())),
    2: ("smallint", "i16Val", _numbers(pa.int16())),
    3: ("int", "i32Val", _numbers(pa.int32())),
    4: ("bigint", "i64Val", _numbers(pa.int64())),
    5: ("float", "doubleVal", _floats),
    6: ("double", "doubleVal", _numbers(pa.float64())),
    7: ("string", "stringVal", _text),
    8: ("timestamp", "stringVal", _text),
    9: ("binary", "binaryVal", _numbers(pa.binary())),
    10: ("array", "stringVal", _text),
    11: ("map", "stringVal", _text),
    12: ("struct", "stringVal", _text),
    13: ("uniontype", "stringVal", _text),
    15: ("decimal", "stringVal", _text),
    16: ("void", "stringVal", lambda values: pa.nulls(len(values))),
    17: ("date", "stringVal", _text),
    18: ("varchar", "stringVal", _text),
    19: ("char", "stringVal", _text),
    20: ("interval_year_month", "stringVal", _text),
    21: ("interval_day_time", "stringVal", _text),
    22: ("timestamp with local time zone", "stringVal", _text),
}
_NESTED = frozenset({10, 11, 12, 13})


@dataclass(frozen=True)
class ColumnReader:
    """How one column of a result is read."""

    column: Column
    member: str
    make: Callable[[list[Any]], pa.Array]
    cast: pa.DataType | None
    metadata: dict[bytes, bytes] | None

    def read(self, sent: Any) -> tuple[pa.Field, pa.Array]:
        """The field and its values.

        Raises
        ------
        BadReply
            When they are not what the type says.
        """
        part = getattr(sent, self.member)
        if part is None:
            raise BadReply(f"the server sent no {self.column.type} for the column {self.column.name!r}")
        try:
            array = _with_nulls(self.make(part.values), part.nulls)
            if self.cast is not None:
                array = _cast(array, self.cast)
        except (pa.ArrowException, UnicodeDecodeError, ValueError, OverflowError) as error:
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


def read_batch(columns: Sequence[ColumnReader], rows: Any) -> pa.RecordBatch:
    """The rows of one `TRowSet`.

    Raises
    ------
    BadReply
        When the columns are not those announced, or not of one length.
    """
    sent = rows.columns or []
    if len(sent) != len(columns):
        raise BadReply(f"the server announced {len(columns)} columns and sent {len(sent)}")
    read = [column.read(part) for column, part in zip(columns, sent, strict=True)]
    if len({len(array) for _, array in read}) > 1:
        raise BadReply("the server sent columns of different lengths")
    return pa.RecordBatch.from_arrays([array for _, array in read], schema=pa.schema([field for field, _ in read]))
