"""Batches of columns made into pandas, or into tuples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from datavore_widgets.errors import BadReply
from datavore_widgets.protocol.sql import Table

__all__ = ["frame", "frames", "joined", "objects", "rows"]

_NULLABLE: dict[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def frame(table: Table) -> pd.DataFrame:
    """All rows as one DataFrame.

    Integers are numpy's, and pandas' nullable ones where there are NULLs; booleans likewise. Floats have NaN for NULL.
    Timestamps are datetime64 of microseconds (of nanoseconds where the data have them), dates datetime64 of seconds.
    Text is pandas' own; decimals are `decimal.Decimal`, binary is bytes, arrays and maps and structs are lists and
    dicts, all with None for NULL.
    """
    batches = list(table)
    if not table.columns:
        return pd.DataFrame()
    return _frame(joined(batches), nullable=False)


def frames(table: Table) -> Iterator[pd.DataFrame]:
    """The rows as one DataFrame a batch, whose index runs on; at least one, so that the columns can be seen.

    As in `frame`, but integers and booleans are always the nullable ones: no batch knows what is in the next.
    """
    start = 0
    for batch in table:
        made = _frame(pa.Table.from_batches([batch]), nullable=True)
        made.index = pd.RangeIndex(start, start + len(made))
        start += len(made)
        yield made


def rows(table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """The rows as one list of tuples a batch, with None for NULL."""
    for batch in table:
        columns = [objects(field, column) for field, column in zip(batch.schema, batch.columns, strict=True)]
        yield list(zip(*columns, strict=True)) if columns else []


def joined(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """One table of all batches; one of them may have nanoseconds where another has microseconds."""
    if all(batch.schema == batches[0].schema for batch in batches):
        return pa.Table.from_batches(batches)
    names = batches[0].schema.names  # may be there twice, which cannot be promoted
    places = [str(place) for place in range(len(names))]
    tables = [pa.Table.from_batches([batch.rename_columns(places)]) for batch in batches]
    return pa.concat_tables(tables, promote_options="permissive").rename_columns(names)


def _frame(joined: pa.Table, nullable: bool) -> pd.DataFrame:
    made: list[pd.Series[Any]] = []
    for index, field in enumerate(joined.schema):
        made.append(_series(field, joined.column(index), nullable))
    result = pd.concat(made, axis=1) if made else pd.DataFrame(index=range(joined.num_rows))
    result.columns = pd.Index(joined.schema.names)
    return result


def _series(field: pa.Field, column: pa.ChunkedArray, nullable: bool) -> pd.Series[Any]:
    kind = field.type
    if field.metadata is not None or pa.types.is_nested(kind):
        return pd.Series(objects(field, column), dtype=object)
    if kind in _NULLABLE and (nullable or column.null_count):
        return pd.Series(_NULLABLE[kind].__from_arrow__(column))  # type: ignore[attr-defined]
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    if pa.types.is_null(kind):
        return pd.Series([None] * len(column), dtype=object)
    return column.to_pandas()  # type: ignore[no-any-return]


def objects(field: pa.Field, column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python's, with None for NULL; what is nested as lists and dicts."""
    if field.metadata is None:
        return column.to_pylist(maps_as_pydicts="strict")  # type: ignore[no-any-return]
    escaped = field.metadata[b"nested"] == b"hive"
    return [None if text is None else _nested(field.name, text, escaped) for text in column.to_pylist()]


def _nested(name: str, text: str, escaped: bool) -> Any:
    if escaped or "\\" not in text:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            pass
    return _HiveText(name, text).read()


_CLOSING = re.compile(r'"(?=[,:\]}]|$)')  # a quote before anything else is one of the text itself
_BARE = re.compile(r"[^,:\[\]{}\"]+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_STAMP = re.compile(r"\d{4,}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?")


class _HiveText:
    """Reads an array, map or struct as Spark writes it: like JSON, with bare keys and dates, and without escapes.

    What cannot be told apart is an error, as far as it can be seen: a text that holds `","` looks like two.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text, self._at = name, text, 0

    def read(self) -> Any:
        value = self._value()
        if self._at != len(self._text):
            raise self._error()
        return value

    def _error(self) -> BadReply:
        return BadReply(
            f"the column {self._name!r} holds {self._text[:120]!r}, which can be read in more ways than one, "
            f"or in none; ask for to_json({self._name}) instead"
        )

    def _next(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += 1
            return True
        return False

    def _value(self) -> Any:
        if self._next("["):
            return self._until("]", self._value)
        if self._next("{"):
            pairs = self._until("}", self._pair)
            if len(dict(pairs)) != len(pairs):
                raise self._error()
            return dict(pairs)
        return self._scalar()

    def _until(self, end: str, item: Any) -> list[Any]:
        items: list[Any] = []
        if self._next(end):
            return items
        while True:
            items.append(item())
            if self._next(end):
                return items
            if not self._next(","):
                raise self._error()

    def _pair(self) -> tuple[Any, Any]:
        key = self._scalar()
        if not self._next(":"):
            raise self._error()
        return key, self._value()

    def _scalar(self) -> Any:
        if self._next('"'):
            closing = _CLOSING.search(self._text, self._at)
            if closing is None:
                raise self._error()
            text, self._at = self._text[self._at : closing.start()], closing.end()
            return text
        stamp = _STAMP.match(self._text, self._at)
        bare = stamp or _BARE.match(self._text, self._at)
        if bare is None:
            raise self._error()
        self._at = bare.end()
        word = bare.group()
        if word in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[word]
        if _NUMBER.fullmatch(word):
            return json.loads(word)
        return word
