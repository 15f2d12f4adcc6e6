"""Columns as a server sends them, made into Arrow and pandas: NULLs, types, damage. No server is needed."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impala._thrift_gen.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from datavore_widgets.client.columns import read_batch, readers
from datavore_widgets.client.frames import frame, frames, rows
from datavore_widgets.client.hive import log_fraction
from datavore_widgets.client.hive_connection import sql_error
from datavore_widgets.client.rowset import read_fetch_reply
from datavore_widgets.errors import BadReply, InvalidSql, ServerError
from datavore_widgets.protocol.sql import Table

TTypeId = ttypes.TTypeId
MEMBERS: dict[int, tuple[str, type]] = {
    TTypeId.BOOLEAN_TYPE: ("boolVal", ttypes.TBoolColumn),
    TTypeId.TINYINT_TYPE: ("byteVal", ttypes.TByteColumn),
    TTypeId.SMALLINT_TYPE: ("i16Val", ttypes.TI16Column),
    TTypeId.INT_TYPE: ("i32Val", ttypes.TI32Column),
    TTypeId.BIGINT_TYPE: ("i64Val", ttypes.TI64Column),
    TTypeId.FLOAT_TYPE: ("doubleVal", ttypes.TDoubleColumn),
    TTypeId.DOUBLE_TYPE: ("doubleVal", ttypes.TDoubleColumn),
    TTypeId.BINARY_TYPE: ("binaryVal", ttypes.TBinaryColumn),
}
TEXT = ("stringVal", ttypes.TStringColumn)


def _described(name: str, code: int, precision: int = 10, scale: int = 2) -> Any:
    qualifiers = {"precision": SimpleNamespace(i32Value=precision), "scale": SimpleNamespace(i32Value=scale)}
    entry = SimpleNamespace(type=code, typeQualifiers=SimpleNamespace(qualifiers=qualifiers))
    return SimpleNamespace(columnName=name, typeDesc=SimpleNamespace(types=[SimpleNamespace(primitiveEntry=entry)]))


def _column(code: int, values: list[Any], cut_nulls: bool = False) -> Any:
    """A column as Thrift's own classes have it."""
    nulls = np.packbits(np.array([value is None for value in values], dtype=bool), bitorder="little").tobytes()
    if cut_nulls:  # servers leave zeros at the end out
        nulls = nulls.rstrip(b"\0")
    member, kind = MEMBERS.get(code, TEXT)
    fillers: dict[str, Any] = {"stringVal": b"", "binaryVal": b"", "boolVal": False, "doubleVal": 0.0}
    plain = [fillers.get(member, 0) if value is None else value for value in values]
    return ttypes.TColumn(**{member: kind(values=plain, nulls=nulls)})


def _bytes_of(columns: list[Any], status: int = 0) -> bytes:
    """A reply as a server sends it, written by Thrift's own code."""
    rows = ttypes.TRowSet(startRowOffset=0, rows=[], columns=columns)
    told = ttypes.TStatus(statusCode=status, infoMessages=["a", "b"], sqlState="42000", errorCode=1, errorMessage="é")
    reply = ttypes.TFetchResultsResp(status=told, hasMoreRows=False, results=rows)
    memory = TMemoryBuffer()
    protocol = TBinaryProtocol(memory)
    protocol.writeMessageBegin("FetchResults", TMessageType.REPLY, 0)
    TCLIService.FetchResults_result(success=reply).write(protocol)
    protocol.writeMessageEnd()
    return bytes(memory.getvalue())


class Dripping:
    """A transport that hands over a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._left, self._step = io.BytesIO(data), step
        self.cstringio_buf = io.BytesIO()

    def cstringio_refill(self, prefix: bytes, needed: int) -> io.BytesIO:
        while len(prefix) < needed:
            more = self._left.read(self._step)
            if not more:
                raise EOFError
            prefix += more
        self.cstringio_buf = io.BytesIO(prefix)
        return self.cstringio_buf


def _sent(columns: list[Any], step: int = 10**9) -> Any:
    return read_fetch_reply(Dripping(_bytes_of(columns), step)).columns


def _table(columns: list[tuple[str, int, list[Any]]], nested: str = "spark", cut_nulls: bool = False) -> Table:
    made = readers([_described(name, code) for name, code, _ in columns], nested)
    batch = read_batch(made, _sent([_column(code, values, cut_nulls) for _, code, values in columns]))
    return Table(tuple(column.column for column in made), iter([batch]))


@settings(deadline=None)
@given(st.lists(st.none() | st.binary(max_size=12), max_size=30), st.integers(1, 60))
def test_texts_of_any_length_in_parts_of_any_size(values: list[bytes | None], step: int) -> None:
    made = readers([_described("a", TTypeId.BINARY_TYPE), _described("n", TTypeId.INT_TYPE)])
    numbers = list(range(len(values)))
    columns = [_column(TTypeId.BINARY_TYPE, values), _column(TTypeId.INT_TYPE, numbers)]
    batch = read_batch(made, _sent(columns, step))
    assert batch.column(0).to_pylist() == values
    assert batch.column(1).to_pylist() == numbers


def test_what_follows_is_left_alone() -> None:
    """Two replies in one buffer: the second is read as well."""
    data = _bytes_of([_column(TTypeId.INT_TYPE, [1, 2])]) + _bytes_of([_column(TTypeId.STRING_TYPE, [b"x"])], 3)
    transport = Dripping(data, 10**9)
    first, second = read_fetch_reply(transport), read_fetch_reply(transport)
    assert first.columns[0].values.tolist() == [1, 2]
    assert (second.status, second.state, second.message) == (3, "42000", "é")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_replies_are_errors(data: st.DataObject) -> None:
    whole = bytearray(_bytes_of([_column(TTypeId.INT_TYPE, [1, 2]), _column(TTypeId.STRING_TYPE, [b"ab", b"c"])]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(BadReply, EOFError):
        read_fetch_reply(Dripping(bytes(whole[:cut]), 10**9))


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=40), st.booleans())
def test_nulls_of_any_number(values: list[int | None], cut_nulls: bool) -> None:
    table = _table([("n", TTypeId.BIGINT_TYPE, values)], cut_nulls=cut_nulls)
    assert [row[0] for part in rows(table) for row in part] == values


def test_every_type() -> None:
    columns = [
        ("flag", TTypeId.BOOLEAN_TYPE, [True, None]),
        ("whole", TTypeId.BOOLEAN_TYPE, [True, False]),
        ("tiny", TTypeId.TINYINT_TYPE, [1, None]),
        ("small", TTypeId.SMALLINT_TYPE, [1, 2]),
        ("big", TTypeId.BIGINT_TYPE, [2**53 + 1, None]),
        ("float", TTypeId.FLOAT_TYPE, [1.100000023841858, None]),
        ("text", TTypeId.STRING_TYPE, ["Île 🐟".encode(), None]),
        ("time", TTypeId.TIMESTAMP_TYPE, [b"2012-08-15 12:34:56.789", None]),
        ("old", TTypeId.TIMESTAMP_TYPE, [b"0001-01-01 00:00:00.0", b"9999-12-31 23:59:59.999999"]),
        ("day", TTypeId.DATE_TYPE, [b"2012-08-15", None]),
        ("price", TTypeId.DECIMAL_TYPE, [b"12.50", None]),
        ("raw", TTypeId.BINARY_TYPE, [b"\x00\xff", None]),
        ("list", TTypeId.ARRAY_TYPE, [b'["a","b\\c",null]', None]),
        ("map", TTypeId.MAP_TYPE, [b'{1:"x",2:null}', b"{}"]),
        ("struct", TTypeId.STRUCT_TYPE, [b'{"d":2012-01-01,"t":2012-01-01 01:02:03.5,"n":-1.5}', None]),
        ("nothing", TTypeId.NULL_TYPE, [None, None]),
        ("span", 21, [b"1 00:00:00.000000000", None]),
    ]
    made = frame(_table(columns))
    kinds = {name: str(kind) for name, kind in made.dtypes.items()}
    assert kinds == {
        "flag": "boolean",
        "whole": "bool",
        "tiny": "Int8",
        "small": "int16",
        "big": "Int64",
        "float": "float32",
        "text": str(pd.Series(["x"]).dtype),
        "time": "datetime64[us]",
        "old": "datetime64[us]",
        "day": "datetime64[s]",
        "price": "object",
        "raw": "object",
        "list": "object",
        "map": "object",
        "struct": "object",
        "nothing": "object",
        "span": str(pd.Series(["x"]).dtype),
    }
    first = made.iloc[0]
    assert first["big"] == 2**53 + 1
    assert first["price"] == Decimal("12.50")
    assert first["raw"] == b"\x00\xff"
    assert first["list"] == ["a", "b\\c", None]
    assert first["map"] == {1: "x", 2: None}
    assert first["struct"] == {"d": "2012-01-01", "t": "2012-01-01 01:02:03.5", "n": -1.5}
    assert made["old"].dt.year.tolist() == [1, 9999]
    (listed,) = rows(_table(columns))
    assert listed[0][7:10] == (dt.datetime(2012, 8, 15, 12, 34, 56, 789000), dt.datetime(1, 1, 1), dt.date(2012, 8, 15))
    assert [value for value in listed[1] if value is not None] == [
        False,
        2,
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        {},
    ]


def test_nanoseconds_are_kept() -> None:
    one = _table([("t", TTypeId.TIMESTAMP_TYPE, [b"2012-08-15 12:34:56.123456789"])])
    other = _table([("t", TTypeId.TIMESTAMP_TYPE, [b"2012-08-15 12:34:56.5"])])
    both = frame(Table(one.columns, iter([*other, *one])))
    assert both["t"].tolist()[1] == pd.Timestamp("2012-08-15 12:34:56.123456789")
    assert str(both["t"].dtype) == "datetime64[ns]"


def test_batches_have_one_type_and_one_index() -> None:
    parts = [next(iter(_table([("n", TTypeId.INT_TYPE, values)]))) for values in ([1, 2], [None, 4], [5])]
    table = Table(_table([("n", TTypeId.INT_TYPE, [1])]).columns, iter(parts))
    made = list(frames(table))
    assert [str(part["n"].dtype) for part in made] == ["Int32"] * 3
    assert [list(part.index) for part in made] == [[0, 1], [2, 3], [4]]


def test_columns_of_one_name() -> None:
    made = frame(_table([("a", TTypeId.INT_TYPE, [1]), ("a", TTypeId.STRING_TYPE, [b"x"])]))
    assert list(made.columns) == ["a", "a"]
    assert made.iloc[0].tolist() == [1, "x"]


@pytest.mark.parametrize(
    ("nested", "text", "value"),
    [
        ("hive", b'["a\\nb","say \\"hi\\""]', ["a\nb", 'say "hi"']),
        ("spark", b'["a\\nb","say "hi""]', ["a\\nb", 'say "hi"']),
        ("spark", b"[[1,2],[]]", [[1, 2], []]),
        ("spark", b'{"a":{"b":[true,null]}}', {"a": {"b": [True, None]}}),
        ("spark", b"[NaN,1.0E10]", ["NaN", 1e10]),
    ],
)
def test_nested_text(nested: str, text: bytes, value: Any) -> None:
    made = frame(_table([("a", TTypeId.ARRAY_TYPE, [text])], nested))["a"][0]
    assert made == value or repr(made) == "[nan, 10000000000.0]"


@pytest.mark.parametrize("text", [b"[1,2", b'["a', b"{1}", b"[1]]", b"", b'{"a":1,"a":"b"x}'])
def test_what_cannot_be_read_is_an_error(text: bytes) -> None:
    with pytest.raises(BadReply, match=r"to_json\(a\)"):
        frame(_table([("a", TTypeId.MAP_TYPE, [text])]))


@pytest.mark.parametrize(
    ("code", "value", "what"),
    [
        (TTypeId.TIMESTAMP_TYPE, b"yesterday", "timestamp"),
        (TTypeId.DATE_TYPE, b"2012-13-01", "date"),
        (TTypeId.DECIMAL_TYPE, b"x", "decimal"),
        (TTypeId.STRING_TYPE, b"\xff\xfe", "binary"),
        (99, b"x", "unknown type 99"),
    ],
)
def test_damage_is_an_error(code: int, value: Any, what: str) -> None:
    with pytest.raises(BadReply, match=what):
        _table([("a", code, [value])])


def test_columns_that_do_not_fit() -> None:
    made = readers([_described("a", TTypeId.INT_TYPE), _described("b", TTypeId.INT_TYPE)])
    short = _sent([_column(TTypeId.INT_TYPE, [1, 2]), _column(TTypeId.INT_TYPE, [1])])
    with pytest.raises(BadReply, match="different lengths"):
        read_batch(made, short)
    with pytest.raises(BadReply, match="2 columns and sent 1"):
        read_batch(made, short[:1])
    with pytest.raises(BadReply, match="no int for the column 'a'"):
        read_batch(made, _sent([_column(TTypeId.STRING_TYPE, [b"x"])] * 2))


def test_a_table_is_closed_once() -> None:
    closed: list[int] = []
    batch = pa.RecordBatch.from_pydict({"a": [1]})
    table = Table((), iter([batch, batch]), lambda: closed.append(1))
    for _ in table:
        break
    table.close()
    del table
    assert closed == [1]


@pytest.mark.parametrize(
    ("message", "state", "kind", "place", "shown"),
    [
        (
            "Error while compiling statement: FAILED: ParseException line 1:7 cannot recognize input near 'x'",
            "42000",
            InvalidSql,
            (1, 8),
            "cannot recognize",
        ),
        (
            "Error while compiling statement: SemanticException [Error 10001]: Line 2:14 Table not found 'nope'",
            "42S02",
            InvalidSql,
            (2, 15),
            "Table not found",
        ),
        (
            "Error while processing statement: return code 2",
            "08S01",
            ServerError,
            None,
            "code 2",
        ),
        (None, None, ServerError, None, "no reason"),
    ],
)
def test_hives_own_messages(message: str | None, state: str | None, kind: type, place: Any, shown: str) -> None:
    error = sql_error(message, state)
    assert type(error) is kind
    assert shown in str(error)
    if isinstance(error, InvalidSql):
        assert (error.line, error.column) == place


@pytest.mark.parametrize(
    ("line", "fraction"),
    [
        ("INFO  : Stage-1 map = 100%,  reduce = 33%, Cumulative CPU 2.4 sec", 0.665),
        ("INFO  : Map 1: 0(+2)/8\tMap 4: 4/4\tReducer 2: 0/4", 0.25),
        ("INFO  : Map 1: -/-\tReducer 2: 0/4", 0.0),
        ("INFO  : Completed executing command", None),
    ],
)
def test_fraction_in_the_log(line: str, fraction: float | None) -> None:
    assert log_fraction(line) == pytest.approx(fraction) if fraction is not None else log_fraction(line) is None
