"""A query as it is typed, made into one that a service answers: what is bound to the view, and in which order."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from datavore_widgets.errors import InvalidSql, InvalidValue, NotSupported, did_you_mean
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.sql import Value, parse_parameters
from datavore_widgets.protocol.times import Date, Stamp, label_from_millis, millis_from_label, parts_from_label
from datavore_widgets.widgets.view import View

__all__ = ["FUNCTIONS", "KEYWORDS", "PLACEHOLDERS", "Bound", "bind", "is_bound", "ordered", "span_of_error"]

KEYWORDS = tuple(
    """
    SELECT DISTINCT FROM WHERE AND OR NOT IN IS NULL LIKE RLIKE BETWEEN EXISTS CASE WHEN THEN ELSE END AS ON JOIN
    INNER LEFT RIGHT FULL OUTER CROSS SEMI UNION ALL GROUP BY HAVING ORDER ASC DESC NULLS FIRST LAST LIMIT OFFSET WITH
    OVER PARTITION ROWS LATERAL VIEW EXPLODE INTERVAL DAYS HOURS CAST TRUE FALSE BIGINT INT DOUBLE FLOAT STRING
    TIMESTAMP DATE DECIMAL BOOLEAN SHOW TABLES DESCRIBE EXPLAIN
    """.split()  # noqa: SIM905
)
FUNCTIONS = tuple(
    """
    abs acos asin atan avg cbrt ceil coalesce collect_list collect_set concat concat_ws corr cos count covar_pop
    datediff date_add date_format date_sub day degrees dense_rank exp first_value floor from_unixtime greatest hour if
    instr lag last_value lead least length ln log10 lower lpad ltrim max min minute month nvl percentile pmod pow
    quarter radians rank regexp_extract regexp_replace round row_number rpad rtrim second sign sin size split sqrt
    stddev stddev_pop stddev_samp substr sum tan to_date trim unix_timestamp upper var_pop var_samp variance
    weekofyear year
    """.split()  # noqa: SIM905
)
PLACEHOLDERS = {
    "bbox": "lon and lat inside the box, or in view; $bbox(x, y) for columns of other names",
    "datelaps": "time within the lapse; $datelaps(t) for a column of another name",
    "date": "the time on the map",
    "west": "edges of the box, in degrees",
    "south": "edges of the box, in degrees",
    "east": "edges of the box, in degrees; below $west over the antimeridian",
    "north": "edges of the box, in degrees",
    "start": "first moment of the lapse",
    "end": "the moment after the lapse",
}
"""What a query may be bound to, by the word after the `$`."""

_COLUMN = r"(?:`[^`]+`|[A-Za-z_]\w*)(?:\.(?:`[^`]+`|[A-Za-z_]\w*))?"
_TOKEN = re.compile(
    rf"""
      (?P<quoted> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/ )
    | \$(?P<name>[A-Za-z_]\w*) (?:\(\s*(?P<columns>{_COLUMN}(?:\s*,\s*{_COLUMN})*)\s*\))?
    | (?P<word>[A-Za-z_]\w*)
    | (?P<bracket>[()])
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME = "view_"  # of the parameters: `:view_west` is no word of SQL


@dataclass(frozen=True)
class Bound:
    """A query whose `$` words have become parameters.

    Parameters
    ----------
    text : str
        As a `SqlQuery` takes it.
    parameters : tuple of (name, value)
        Typed; none of them is text of the query.
    meaning : tuple of (word, text)
        What the words stand for now, for people.
    """

    text: str
    parameters: tuple[tuple[str, Value], ...] = ()
    meaning: tuple[tuple[str, str], ...] = ()
    replaced: tuple[tuple[int, int, int, int], ...] = ()
    """(start, end) in the text that is sent, and (start, end) of the same in what was typed."""

    def typed(self, offset: int) -> int:
        """The place in what was typed, of a place in `text`."""
        shift = 0
        for start, end, was, until in self.replaced:
            if offset < start:
                break
            if offset < end:
                return was
            shift = until - end
        return offset + shift


def bind(text: str, view: View) -> Bound:
    """The query with its `$` words bound to a view, outside of literals, quoted names and comments.

    `$bbox` and `$datelaps` become conditions on columns, the others values. A box over the antimeridian is one
    condition, right for longitudes of any convention: that `lon`, or `lon` a turn further, lies between the edges.

    Raises
    ------
    InvalidSql
        For a `$` word that there is not, with its place.
    InvalidValue
        When no date is chosen, or one that SQL does not have.

    Examples
    --------
    >>> bind("SELECT * FROM fleet WHERE lat > $south", View(bbox=[0, 10, 5, 20])).text
    'SELECT * FROM fleet WHERE lat > :view_south'
    """
    pieces: list[str] = []
    values: dict[str, Value] = {}
    meaning: dict[str, str] = {}
    replaced: list[tuple[int, int, int, int]] = []
    end = length = 0
    for match in _TOKEN.finditer(text):
        name = match["name"]
        if name is None:
            continue
        word = name.lower()
        if word not in PLACEHOLDERS:
            line, column = place_of(text, match.start())
            message, near = did_you_mean("parameter", f"${name}", [f"${known}" for known in PLACEHOLDERS])
            raise InvalidSql(
                f"{message} (a word after $ is bound to the view)", suggestions=near, line=line, column=column
            )
        sql, used, told = _WORDS[word](view, _columns(match, word, text))
        values.update(used)
        meaning[f"${word}"] = told
        before = text[end : match.start()]
        length += len(before)
        pieces += [before, sql]
        replaced.append((length, length + len(sql), match.start(), match.end()))
        length += len(sql)
        end = match.end()
    whole = "".join([*pieces, text[end:]])
    return Bound(whole, parse_parameters(values), tuple(meaning.items()), tuple(replaced))


def is_bound(text: str) -> bool:
    """Whether a query has words that are bound to a view."""
    return any(match["name"] is not None for match in _TOKEN.finditer(text))


def _columns(match: re.Match[str], word: str, text: str) -> tuple[str, ...]:
    usual = {"bbox": ("lon", "lat"), "datelaps": ("time",)}.get(word, ())
    if match["columns"] is None:
        return usual
    given = tuple(part.strip() for part in match["columns"].split(","))
    if len(given) != len(usual):
        line, column = place_of(text, match.start())
        form = f"${word}({', '.join(usual)})" if usual else f"${word}, a value"
        raise InvalidSql(f"write {form}, not {match.group()}", line=line, column=column)
    return given


_Word = tuple[str, dict[str, Value], str]


def _box(view: View) -> tuple[BBox, str]:
    """The box, else what the map shows, else the world; and which it is."""
    if view.bbox is not None:
        return view.bbox, area(view.bbox)
    if view.viewport is not None:
        return view.viewport, f"{area(view.viewport)} (what the map shows)"
    return GLOBAL, "everywhere (there is no box and no map)"


def _inside_box(view: View, columns: tuple[str, ...]) -> _Word:
    box, told = _box(view)
    lon, lat = columns
    values: dict[str, Value] = {f"{_NAME}south": box.south, f"{_NAME}north": box.north}
    latitudes = f"{lat} BETWEEN :{_NAME}south AND :{_NAME}north"
    if box.is_whole_turn:
        return f"({latitudes})", values, told
    turns = []
    for number, turn in enumerate((0.0, -360.0, 360.0)):
        values[f"{_NAME}west{number}"] = box.west + turn
        values[f"{_NAME}east{number}"] = box.west + box.width + turn
        turns.append(f"{lon} BETWEEN :{_NAME}west{number} AND :{_NAME}east{number}")
    return f"({latitudes} AND ({' OR '.join(turns)}))", values, told


def _edge(name: str) -> Callable[[View, tuple[str, ...]], _Word]:
    def edge(view: View, _columns: tuple[str, ...]) -> _Word:
        box, told = _box(view)
        return f":{_NAME}{name}", {f"{_NAME}{name}": float(getattr(box, name))}, told

    return edge


def _moment(label: int) -> dt.datetime:
    millis = millis_from_label(label)
    if int(label_from_millis(millis)) != label:
        raise InvalidValue(f"{Stamp(label).text} is a date of another calendar, which SQL does not have")
    return dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=int(millis))


def _date(view: View, _columns: tuple[str, ...]) -> _Word:
    date: Date | None = view.date
    if date is None:
        raise InvalidValue("the query names $date, but no date is chosen: move the slider, or set view.date")
    return f":{_NAME}date", {f"{_NAME}date": _moment(date.low)}, Stamp(date.low).text


def _start(view: View, _columns: tuple[str, ...]) -> _Word:
    low = view.datelaps.first.low
    return f":{_NAME}start", {f"{_NAME}start": _moment(low)}, Stamp(low).text


def _end(view: View, _columns: tuple[str, ...]) -> _Word:
    moment = _after(view)
    return f":{_NAME}end", {f"{_NAME}end": moment}, f"{moment:%Y-%m-%d %H:%M} Z"


def _after(view: View) -> dt.datetime:
    """The first moment after the lapse, whose last date may be a whole year, month or day."""
    last: Date = view.datelaps.last
    year, month = (int(part) for part in parts_from_label(last.low)[:2])
    if len(last.digits) <= 6:
        months = 12 if len(last.digits) == 4 else 1
        year, month = divmod(12 * year + month - 1 + months, 12)
        return dt.datetime(year, month + 1, 1)
    unit = {8: "days", 10: "hours", 12: "minutes", 14: "seconds", 17: "milliseconds"}[len(last.digits)]
    return _moment(last.low) + dt.timedelta(**{unit: 1})


def _within_lapse(view: View, columns: tuple[str, ...]) -> _Word:
    (time,) = columns
    start, first, told = _start(view, ())
    end, last, until = _end(view, ())
    return f"({time} >= {start} AND {time} < {end})", {**first, **last}, f"{told} to {until}"


_WORDS: dict[str, Callable[[View, tuple[str, ...]], _Word]] = {
    "bbox": _inside_box,
    "datelaps": _within_lapse,
    "date": _date,
    "start": _start,
    "end": _end,
    **{name: _edge(name) for name in ("west", "south", "east", "north")},
}


def ordered(text: str, column: str, descending: bool) -> str:
    """The query put in the order of one of its columns, by the engine.

    Raises
    ------
    NotSupported
        When it is no SELECT.

    Examples
    --------
    >>> print(ordered("SELECT id FROM fleet;", "id", True))
    SELECT * FROM (
    SELECT id FROM fleet
    ) dv_result
    ORDER BY `id` DESC
    """
    body = text.strip().rstrip("; \t\r\n")
    name = column.rpartition(".")[2].replace("`", "``")  # Hive calls the columns of SELECT * by their table too
    last = f"ORDER BY `{name}`{' DESC' if descending else ''}"
    words = [(m["word"].upper(), m.start()) for m in _at_top(body)]
    first = words[0][0] if words else ""
    if first == "WITH":
        # Hive has no WITH inside of brackets: the query becomes one more of those that it names.
        at = next((start for word, start in words[1:] if word == "SELECT"), None)
        if at is not None:
            return f"{body[:at].rstrip()}, dv_result AS (\n{body[at:]}\n)\nSELECT * FROM dv_result\n{last}"
    if first == "SELECT" or body.startswith("("):
        return f"SELECT * FROM (\n{body}\n) dv_result\n{last}"  # noqa: S608 - the text is a query itself
    raise NotSupported(f"only the rows of a SELECT can be put in order, not those of {first or 'nothing'}")


def _at_top(text: str) -> list[re.Match[str]]:
    """The words that are in no brackets."""
    depth = 0
    found = []
    for match in _TOKEN.finditer(text):
        if match["bracket"]:
            depth += 1 if match["bracket"] == "(" else -1
        elif match["word"] and depth == 0:
            found.append(match)
    return found


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1 on, of a place in a text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def offset_of(text: str, line: int, column: int) -> int:
    """The place in a text of a line and a column, from 1 on; within the text in any case."""
    lines = text.split("\n")
    line = max(1, min(line, len(lines)))
    start = sum(len(before) + 1 for before in lines[: line - 1])
    return start + max(0, min(column - 1, len(lines[line - 1])))


def span_of_error(bound: Bound, typed: str, error: Exception) -> tuple[int, int] | None:
    """(start, end) in what was typed, of what an error is about.

    By the line and the column that the engine tells; else by a name that it quotes, where that stands in the text.
    """
    line, column = getattr(error, "line", None), getattr(error, "column", None)
    if line is not None and column is not None:
        at = bound.typed(offset_of(bound.text, line, column))
        word = re.compile(r"\$?\w+|\S|$").search(typed, at)
        return (word.start(), max(word.end(), word.start() + 1)) if word else (at, at + 1)
    for name in re.findall(r"[\"'`]([A-Za-z_]\w*)[\"'`]|function (\w+)", str(error)):
        wanted = (name[0] or name[1]).lower()
        for match in _TOKEN.finditer(typed):
            if match["word"] and match["word"].lower() == wanted:
                return match.span("word")
    return None
