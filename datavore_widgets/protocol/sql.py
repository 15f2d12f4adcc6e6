"""What is asked of a service that speaks HiveQL, and what it gives back."""

from __future__ import annotations

import datetime as dt
import decimal
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, overload

import numpy as np

from datavore_widgets.errors import InvalidValue, did_you_mean
from datavore_widgets.protocol.job import Job

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Column",
    "Schema",
    "SchemaQuery",
    "SqlJob",
    "SqlQuery",
    "SqlService",
    "Table",
    "Value",
    "check_identifier",
    "parse_parameters",
    "replace_parameters",
]

log = logging.getLogger(__name__)

Value = bool | int | float | decimal.Decimal | str | bytes | dt.date | dt.datetime | None
"""What a parameter may be."""

Parameters = tuple[tuple[str, Value], ...]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# What the text is cut into to find `:name`. Words come first, so that neither `a:b` nor `::` holds one.
_TOKEN = re.compile(
    r"""
      (?P<raw> \b[rR](?='|") )
    | (?P<text> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` )
    | (?P<line> --[^\n]* )
    | (?P<block> /\*.*?\*/ )
    | (?P<open> ['"`] | /\* )
    | ::
    | (?<![\w\])'"`}]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def check_identifier(what: str, name: Any) -> str:
    """A name of a database, table or column as it may be put into a query.

    Raises
    ------
    InvalidValue
        When it is not letters, digits and `_`.
    """
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        raise InvalidValue(f"the name of a {what} is letters, digits and _, not {name!r}")
    return name


def parse_parameters(values: Mapping[str, Any] | None) -> Parameters:
    """Parameters by name, with values of the types that a query may be given; numpy's scalars become Python's.

    Raises
    ------
    InvalidValue
        When a name or a value is of another kind.

    Examples
    --------
    >>> parse_parameters({"lowest": 3})
    (('lowest', 3),)
    """
    if values is None:
        return ()
    if not isinstance(values, Mapping):
        raise InvalidValue(f"parameters is a mapping from a name to a value, not {values!r}")
    return tuple((check_identifier("parameter", name), _value(name, given)) for name, given in sorted(values.items()))


def _value(name: str, given: Any) -> Value:
    value = given
    if isinstance(value, np.datetime64):
        value = None if np.isnat(value) else value.astype("M8[us]").item()
        if value is not None and np.datetime64(value) != given:
            raise InvalidValue(f"the parameter {name!r} is {given!r}: times have microseconds at most")
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dt.datetime) and value != value:  # pandas' NaT is a datetime
        return None
    if getattr(value, "nanosecond", 0):
        raise InvalidValue(f"the parameter {name!r} is {given!r}: times have microseconds at most")
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(dt.UTC).replace(tzinfo=None)
        return dt.datetime(*value.timetuple()[:6], value.microsecond)
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InvalidValue(f"the parameter {name!r} is not text: it holds half a character")
        return str(value)
    if isinstance(value, bool | float | bytes | dt.date) or value is None:
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidValue(f"the parameter {name!r} is {value}: whole numbers have 64 bits; give a Decimal or text")
        return int(value)
    if isinstance(value, decimal.Decimal):
        exponent = value.as_tuple().exponent
        digits = len(value.as_tuple().digits)
        if not isinstance(exponent, int) or max(digits, -exponent, digits + exponent) > 38:
            raise InvalidValue(f"the parameter {name!r} is {value}: decimals have 38 digits and are finite")
        return value
    raise InvalidValue(
        f"the parameter {name!r} is {given!r}; it may be text, bytes, a number, a bool, a date, a datetime or None"
    )


def replace_parameters(text: str, known: Mapping[str, Any], render: Callable[[str], str]) -> str:
    """The query with every `:name` that is neither in a literal, a quoted name nor a comment replaced.

    Parameters
    ----------
    known : mapping
        The parameters given; every one must occur, and no other.
    render : callable
        What stands for the parameter of that name.

    Raises
    ------
    InvalidValue
        When a name is not known or does not occur; when a literal or a comment has no end, or is of a kind that the
        engines disagree on, so that nobody could say what is inside of it.
    """
    if not known and ":" not in text:
        return text
    pieces: list[str] = []
    used: set[str] = set()
    end = 0
    for match in _TOKEN.finditer(text):
        name = match["name"]
        if name is not None:
            if name not in known:
                message, near = did_you_mean("parameter", name, known)
                raise InvalidValue(f"{message} (a name after a colon in the query is one)", suggestions=near)
            used.add(name)
            pieces += [text[end : match.start()], render(name)]
            end = match.end()
        elif known:
            _check_unambiguous(match)
    unused = sorted(set(known) - used)
    if unused:
        raise InvalidValue(
            f"the query has no :{unused[0]} outside of literals and comments, but a parameter of that name"
        )
    return "".join([*pieces, text[end:]])


def _check_unambiguous(match: re.Match[str]) -> None:
    where = f"at character {match.start() + 1} of the query"
    if match["open"]:
        raise InvalidValue(f"the literal or comment {where} has no end")
    if match["raw"]:
        raise InvalidValue(f"there is a raw literal {where}: write it without the r to use parameters")
    if match["block"] and "/*" in match["block"][2:]:
        raise InvalidValue(f"there is a comment inside a comment {where}: take it out to use parameters")


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A statement in HiveQL. Answer: `Table`.

    Parameters
    ----------
    text : str
        One statement; a `;` at its end is allowed.
    parameters : tuple of (name, value)
        What stands for `:name` in the text (see `parse_parameters`).
    database : str
        That table names without one belong to.
    queue : str, optional
        Of the cluster; without effect on files.
    batch_rows : int
        As many rows are fetched at a time.
    deadline : float, optional
        Seconds from the question to the last row.
    """

    text: str
    parameters: Parameters = ()
    database: str = "default"
    queue: str | None = None
    batch_rows: int = 50_000
    deadline: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip(" \t\r\n;"):
            raise InvalidValue(f"a query is text such as 'SELECT 1', not {self.text!r}")
        check_identifier("database", self.database)
        if self.queue is not None and not re.fullmatch(r"[\w.\-]{1,256}", self.queue):
            raise InvalidValue(f"a queue is a name such as 'root.users', not {self.queue!r}")
        if (
            isinstance(self.batch_rows, bool)
            or not isinstance(self.batch_rows, int)
            or not 1 <= self.batch_rows < 2**31
        ):
            raise InvalidValue(f"batch_rows is a number of rows from 1 on, not {self.batch_rows!r}")
        if self.deadline is not None and not self.deadline > 0:
            raise InvalidValue(f"deadline is a number of seconds above 0, or None, not {self.deadline!r}")


@dataclass(frozen=True, slots=True)
class SchemaQuery:
    """The tables of a database with their columns. Answer: `Schema`."""

    database: str = "default"

    def __post_init__(self) -> None:
        check_identifier("database", self.database)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, and its type in Hive's words, such as `bigint` or `array<string>`."""

    name: str
    type: str


@dataclass(frozen=True)
class Schema:
    """Columns by table, in the order of the names."""

    tables: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)


class Table:
    """The rows of an answer, which come in batches of columns and are read once.

    A loss of the connection is an error of the loop over it: a loop that ends has seen every row.

    Parameters
    ----------
    columns : tuple of Column
        Empty for a statement that gives no rows.
    batches : iterator of pyarrow.RecordBatch
        Arrays, maps and structs are Arrow's, or text as the server writes them: then the field's metadata hold
        `b"nested"`, which is `b"hive"` or `b"spark"`.
    close : callable
        Ends the statement; called once, also when the rows are not read to their end.
    """

    def __init__(
        self, columns: tuple[Column, ...], batches: Iterator[pa.RecordBatch], close: Callable[[], None] = lambda: None
    ) -> None:
        self.columns = columns
        self._batches = batches
        self._close: Callable[[], None] | None = close

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        finally:
            self.close()

    def close(self) -> None:
        """Give up what was not read."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class SqlJob(Job):
    """A job that also hears what the server says meanwhile.

    Parameters
    ----------
    on_progress : callable, optional
        See `Job`; in thousandths, where the engine tells at all.
    on_line : callable, optional
        Called with every line of the operation's log.

    Attributes
    ----------
    rows : int
        Rows that came so far.
    """

    def __init__(
        self,
        on_progress: Callable[[int, int], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(on_progress)
        self._on_line = on_line
        self.rows = 0

    def tell(self, line: str) -> None:
        """Pass a line of the log on."""
        if self._on_line is not None:
            self._on_line(line)


class SqlService(Protocol):
    """Whoever can answer HiveQL: a HiveServer2, or an engine over files."""

    @overload
    def answer(self, query: SqlQuery, job: Job | None = None) -> Table: ...
    @overload
    def answer(self, query: SchemaQuery, job: Job | None = None) -> Schema: ...
