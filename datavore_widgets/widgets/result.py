"""The rows that a query gave, kept in the kernel: a piece at a time for a table, columns for a map and a chart."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from datavore_widgets.client import frames
from datavore_widgets.protocol.sql import Column, Table

__all__ = ["Result", "collect"]

_LONGITUDES = ("lon", "longitude", "lng", "long", "nav_lon")
_LATITUDES = ("lat", "latitude", "nav_lat")
_LONGEST_CELL = 400  # characters: more are in the exports
_LEAST_WIDTH, _MOST_WIDTH = 6, 36  # characters of a column
_LOOKED_AT = 200  # rows that the widths are taken from

FloatArray = NDArray[np.float64]


class Result:
    """Columns and rows.

    Parameters
    ----------
    columns : tuple of Column
        Empty for a statement that gives no rows.
    table : pyarrow.Table
        The rows.
    is_whole : bool
        False where the query has more rows than were fetched.
    """

    def __init__(self, columns: tuple[Column, ...] = (), table: pa.Table | None = None, is_whole: bool = True) -> None:
        self.columns = columns
        self.table: pa.Table = pa.table({}) if table is None else table
        self.is_whole = is_whole

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @functools.cached_property
    def lon(self) -> int | None:
        """The column of longitudes, by its name."""
        return self._named(_LONGITUDES)

    @functools.cached_property
    def lat(self) -> int | None:
        """The column of latitudes, by its name."""
        return self._named(_LATITUDES)

    @property
    def has_places(self) -> bool:
        """Whether its rows have places on the map."""
        return self.lon is not None and self.lat is not None and len(self) > 0

    @functools.cached_property
    def times(self) -> tuple[int, ...]:
        """The columns of timestamps and dates."""
        kinds = self.table.schema.types
        return tuple(n for n, kind in enumerate(kinds) if pa.types.is_timestamp(kind) or pa.types.is_date(kind))

    @functools.cached_property
    def quantities(self) -> tuple[int, ...]:
        """The columns of numbers that are no places."""
        apart = {self.lon, self.lat}
        return tuple(n for n, kind in enumerate(self.table.schema.types) if _is_number(kind) and n not in apart)

    @property
    def main(self) -> int | None:
        """The quantity to show first: one with a fraction rather than a count or a key."""
        kinds = self.table.schema.types
        real = [n for n in self.quantities if pa.types.is_floating(kinds[n]) or pa.types.is_decimal(kinds[n])]
        return next(iter(real or self.quantities), None)

    def _named(self, names: tuple[str, ...]) -> int | None:
        for wanted in names:
            for number, column in enumerate(self.columns):
                own = column.name.rpartition(".")[2].lower()
                if own == wanted and _is_number(self.table.schema.types[number]):
                    return number
        return None

    def is_number(self, number: int) -> bool:
        """Whether a column is written to the right."""
        return _is_number(self.table.schema.types[number])

    def numbers(self, number: int) -> FloatArray:
        """A column of numbers as float64, missing as NaN; times as milliseconds since 1970."""
        column = self.table.column(number)
        if number in self.times:
            column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)

    @functools.cached_property
    def colours(self) -> tuple[int, ...]:
        """The columns that can colour points: numbers, times, text, booleans."""
        kinds = self.table.schema.types
        apart = {self.lon, self.lat}
        fields = self.table.schema
        return tuple(
            n
            for n, kind in enumerate(kinds)
            if n not in apart
            and (_is_number(kind) or n in self.times or pa.types.is_boolean(kind) or pa.types.is_string(kind))
            and fields.field(n).metadata is None
        )

    def words(self, number: int) -> tuple[NDArray[np.int64], list[str]]:
        """A column as numbers of its different values, -1 for NULL, and the values as text, the most frequent first."""
        encoded = self.table.column(number).cast(pa.string()).combine_chunks().dictionary_encode()
        codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
        values = encoded.dictionary.to_pylist()
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")
        rank = np.full(len(values) + 1, -1, np.int64)  # the last one is that of NULL, at -1
        rank[order] = np.arange(len(values))
        return rank[codes], [values[n] for n in order]

    def rows(self, start: int, stop: int) -> list[list[str | None]]:
        """Rows as they are written in a table; None is NULL."""
        part = self.table.slice(start, max(0, stop - start))
        texts = [self._texts(number, column) for number, column in enumerate(part.columns)]
        return [list(row) for row in zip(*texts, strict=True)]

    @functools.cached_property
    def widths(self) -> list[int]:
        """Characters that each column needs, by its name, its type and its first rows."""
        widths = [max(len(column.name) + 2, len(column.type)) for column in self.columns]
        for row in self.rows(0, _LOOKED_AT):
            widths = [max(width, len(cell or "NULL")) for width, cell in zip(widths, row, strict=True)]
        return [max(_LEAST_WIDTH, min(_MOST_WIDTH, width)) for width in widths]

    def _texts(self, number: int, column: pa.ChunkedArray) -> list[str | None]:
        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return [None if value is None else _moment(value) for value in column.cast(pa.string()).to_pylist()]
        values = frames.objects(self.table.schema.field(number), column)
        return [None if value is None else _text(value) for value in values]

    def csv(self) -> bytes:
        """All rows as UTF-8 text: times as ISO 8601, what is nested as JSON, binary in hexadecimal digits."""
        import pyarrow.csv as pa_csv

        columns = [self._plain(number) for number in range(len(self.columns))]
        out = io.BytesIO()
        pa_csv.write_csv(pa.table(columns, names=[column.name for column in self.columns]), out)
        return out.getvalue()

    def _plain(self, number: int) -> pa.ChunkedArray | pa.Array:
        field, column = self.table.schema.field(number), self.table.column(number)
        if field.metadata is not None or pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            values = frames.objects(field, column)
            return pa.array([None if value is None else _whole_text(value) for value in values], pa.string())
        if pa.types.is_null(field.type):
            return column.cast(pa.string())
        return column

    def parquet(self) -> bytes:
        """All rows as a Parquet file."""
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(self.table, out, compression="zstd")
        return out.getvalue()

    def frame(self) -> pd.DataFrame:
        """All rows as a DataFrame, with the types of `Datahive.executeQuery`."""
        return frames.frame(Table(self.columns, iter(self.table.to_batches())))


def collect(table: Table, most_rows: int, tell: Any = lambda _rows: None) -> Result:
    """Fetch the rows of an answer, up to a number of them.

    Parameters
    ----------
    tell : callable
        `tell(rows)` after every batch.
    """
    batches: list[pa.RecordBatch] = []
    rows = 0
    with table:
        for batch in table:
            batches.append(batch.slice(0, most_rows - rows))
            rows += batch.num_rows
            tell(min(rows, most_rows))
            if rows > most_rows:
                break
    if not table.columns:
        return Result()
    return Result(table.columns, frames.joined(batches), rows <= most_rows)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _moment(text: str) -> str:
    """A time without the fraction that it has not."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[: _LONGEST_CELL // 2].hex()
    text = _whole_text(value)
    return text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"


def _whole_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_whole_text)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
