"""Queries as URLs and back: the only place that knows how the protocol spells them.

`write` makes the path and the options of a query; `read` takes them apart again, in every spelling that published
clients send. A path is read from its right end, so that an id of an index may hold `/`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from datavore_widgets.errors import InvalidValue, NotSupported, UnknownKeyword, UnknownName, did_you_mean
from datavore_widgets.protocol.aggregates import AGGREGATES
from datavore_widgets.protocol.geometry import BBox, parse_bbox, parse_coord
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    Canvas,
    CatalogQuery,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    Filters,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    Query,
    QuicklookQuery,
    SeriesQuery,
    Source,
    SpectrumQuery,
    Style,
    TimesQuery,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import GROUP_NAMES, Date, Lapse

__all__ = [
    "PATHS",
    "Request",
    "filters_to_json",
    "number_option",
    "parse_base",
    "parse_plot_options",
    "read",
    "whole_option",
    "write",
]

PATHS = {
    "map": "/{index}/{varname}/{bbox}/{date}/map/",
    "data": "/{index}/{varname}/{bbox}/{date}/data/",
    "filelist": "/{index}/{varname}/{bbox}/{startdate},{stopdate}/filelist/",
    "times": "/{index}/{varname}/times/",
    "doctor": "/{index}/{varname}/doctor/",
    "prepare": "/{index}/{varname}/prepare/",
    "ts": "/{index}/{varname}/{coord}/{datelaps}/ts",
    "extract": "/{index}/{varnames}/{coord}/{datelaps}/extract/",
    "quicklook": "/{index}/{varname}/{bbox}/{date}/quicklook/",
    "acquisitions": "/{index}/{bbox}/{datelaps}/acquisitions/",
    "spectrum": "/{index}/{bbox}/{date}/spectrum/",
    "config": "/config/",
    "config_vertx": "/config_vertx/",
}
"""Every path below a root, by its last word."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server.

    Parameters
    ----------
    path : str
        Below the service's root, percent-encoded, from `/` on.
    options : tuple of (str, str)
        Names and values, not encoded.
    """

    path: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        """Path and options as they are written after the root."""
        return self.path + ("?" + urlencode(self.options, quote_via=quote, safe=",") if self.options else "")


# --- writing -------------------------------------------------------------------------------------------------------


def write(query: Query, *, plain: bool = False) -> Request:
    """The request that asks `query`.

    Parameters
    ----------
    plain : bool
        Keep to what published servers know: what we added is left out where it only changes how things look.

    Raises
    ------
    NotSupported
        When `plain` cannot express something that changes the numbers.

    Examples
    --------
    >>> from datavore_widgets.protocol.geometry import Point
    >>> write(SeriesQuery("2000", "SULHF", Point(-27.42, 19.97), groupby="yyyy")).target
    '/2000/SULHF/-27.42,19.97/19500917,21000917/ts?groupby=yyyy&sm=avg'
    """
    match query:
        case MapQuery(source, canvas, style, window):
            options = _source_options(source, plain) + _style_options(style, plain) + _canvas_options(canvas, plain)
            options += _window_options(window, plain)
            return Request(_source_path(source, canvas.bbox, "map"), options)
        case DataQuery(source, bbox, resolution, as_list, window):
            options = _source_options(source, plain) + _window_options(window, plain)
            options += (("resolution", str(resolution)),) if resolution is not None else ()
            options += (("list", "true"),) if as_list else ()
            return Request(_source_path(source, bbox, "data"), options)
        case LapseMapQuery(index, varname, canvas, lapse, aggregate, filters, style):
            _check_plain(plain, aggregate)
            options = (("sm", aggregate), ("mapper_id", "DVORTSMAPS"), *_added_filters(filters, plain))
            options += _subtract_option(query.subtract, plain)
            if not plain:
                options += _style_options(style, plain) + _canvas_options(canvas, plain)
            return Request(
                _path(*index.split("/"), varname, canvas.bbox.to_text(), lapse.to_text(), "map", ""), options
            )
        case LapseDataQuery(index, varname, bbox, lapse, aggregate, filters, subtract, resolution):
            if plain:
                raise NotSupported("this server has no numbers of a lapse in each cell; it has pictures and series")
            options = (("sm", aggregate), *_added_filters(filters, plain), *_subtract_option(subtract, plain))
            options += (("resolution", str(resolution)),) if resolution is not None else ()
            return Request(_path(_arrow_id(index), varname, bbox.to_text(), lapse.to_text(), "data", ""), options)
        case SeriesQuery(index, varname, coord, lapse, groupby, aggregate, filters):
            options = (("groupby", groupby),) if groupby is not None else ()
            added = _added_of_series(query)
            _check_plain(plain, aggregate, groupby, *(name for name, _ in added))
            options += (
                ("sm", aggregate),
                *_added_filters(filters, plain),
                *_subtract_option(query.subtract, plain),
                *added,
            )
            return Request(_path(*index.split("/"), varname, coord.to_text(), lapse.to_text(), "ts"), options)
        case ExtractQuery(index, varnames, coord, lapse, filters):
            options = (("filters", filters_to_json(filters) if filters else ""), ("format", "csv"))
            options += _subtract_option(query.subtract, plain)
            names = ",".join(quote(name, safe="") for name in varnames)
            head, tail = _path(*index.split("/")), _path(coord.to_text(), lapse.to_text(), "extract", "")
            return Request(f"{head}/{names}{tail}", options)
        case FilesQuery(index, varname, bbox, lapse, filters, footprints):
            options = (("dl", "0"), ("inv", "null"), ("filters", filters_to_json(filters) if filters else "null"))
            options += (("footprints", "true"),) if footprints and not plain else ()
            return Request(_path(_arrow_id(index), varname, bbox.to_text(), lapse.to_text(), "filelist", ""), options)
        case DoctorQuery(index, varname, limit):
            if plain:
                raise NotSupported("this server does not tell what its files are")
            return Request(_path(_arrow_id(index), varname, "doctor", ""), (("limit", str(limit)),))
        case PrepareQuery(index, varname, start):
            if plain:
                raise NotSupported("this server prepares nothing")
            return Request(_path(_arrow_id(index), varname, "prepare", ""), (("start", "true"),) if start else ())
        case TimesQuery(index, varname):
            return Request(_path(_arrow_id(index), varname, "times", ""))
        case QuicklookQuery(index, varname, date, bbox):
            return Request(_path(*index.split("/"), varname, bbox.to_text(), date.digits, "quicklook", ""))
        case AcquisitionsQuery() | SpectrumQuery() if plain:
            raise NotSupported("this server tells no acquisitions; it has pictures of them, and lists of files")
        case AcquisitionsQuery(index, bbox, lapse, limit):
            options = (("limit", str(limit)),) if limit is not None else ()
            return Request(_path(_arrow_id(index), bbox.to_text(), lapse.to_text(), "acquisitions", ""), options)
        case SpectrumQuery(index, date, bbox):
            return Request(_path(_arrow_id(index), bbox.to_text(), date.digits, "spectrum", ""))
        case CatalogQuery():
            return Request("/config/")
        case LapsCatalogQuery():
            return Request("/config_vertx/")


def _path(*segments: str) -> str:
    # Datalaps' paths write an id as it is: one segment for each of its parts.
    return "".join("/" + quote(segment, safe=",") for segment in segments)


def _arrow_id(index: str) -> str:
    """An id as Datavore's paths write it: one segment."""
    return index.replace("/", ">")


def _source_path(source: Source, bbox: BBox, word: str) -> str:
    date = "null" if source.date is None else source.date.digits
    return _path(_arrow_id(source.index), source.varname, bbox.to_text(), date, word, "")


def _json(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, separators=(",", ":"))


def _given(*options: tuple[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value if isinstance(value, str) else _json(value)) for name, value in options if value != "")


def _source_options(source: Source, plain: bool) -> tuple[tuple[str, str], ...]:
    options = _given(("nearest", source.nearest)) if source.nearest is not None else ()
    options += (("filters", filters_to_json(source.filters)),)
    options += _given(("offset", source.offset)) if source.offset else ()
    return options + _subtract_option(source.subtract, plain)


def _subtract_option(subtract: str, plain: bool) -> tuple[tuple[str, str], ...]:
    if subtract and plain:
        raise NotSupported("this server subtracts nothing from the values; leave `subtract` out")
    return (("subtract", subtract),) if subtract else ()


def _window_options(window: Window | None, plain: bool) -> tuple[tuple[str, str], ...]:
    if window is None:
        return ()
    if plain:
        raise NotSupported("this server knows single times, and no window of time; leave `window` out")
    return _given(("window", window.seconds), ("overlap", window.overlap))


def _style_options(style: Style, plain: bool) -> tuple[tuple[str, str], ...]:
    named = (
        ("vMin", style.vmin),
        ("vMax", style.vmax),
        ("cmap", style.cmap),
        ("scale", None if plain else style.scale),
    )
    return _given(*((name, value) for name, value in named if value is not None))


def _canvas_options(canvas: Canvas, plain: bool) -> tuple[tuple[str, str], ...]:
    options = (("resolution", str(canvas.resolution)),) if canvas.resolution is not None else ()
    known = Canvas(canvas.bbox)
    names = [*_PLOT_OPTIONS] if not plain else [name for name in _PLOT_OPTIONS if name != "reduce"]
    if all(getattr(canvas, name) == getattr(known, name) for name in names):
        return options
    chosen = {name: getattr(canvas, name) for name in names if name != "reduce" or canvas.reduce != known.reduce}
    return (*options, ("paramsPlot", _json(chosen)))


def _added_of_series(query: SeriesQuery) -> tuple[tuple[str, str], ...]:
    base = None if query.base is None else ",".join(map(str, query.base))
    added = (("anomaly", query.anomaly), ("base", base), ("trend", query.trend or None), ("reach", query.reach))
    return _given(*((name, value) for name, value in added if value is not None)) + _window_options(query.window, False)


def _check_plain(plain: bool, aggregate: str, groupby: str | None = None, *added: str) -> None:
    """Refuse what a server that knows the documented words alone would take for something else."""
    if not plain:
        return
    if aggregate not in AGGREGATES:
        raise NotSupported(f"this server does not know the aggregate {aggregate!r}; it has {', '.join(AGGREGATES)}")
    if groupby is not None and groupby not in GROUP_NAMES:
        raise NotSupported(f"this server does not know the groupby {groupby!r}; it has {', '.join(GROUP_NAMES)}")
    if added:
        raise NotSupported(f"this server has no {added[0]!r} for series; leave it out")


def _added_filters(filters: Filters, plain: bool) -> tuple[tuple[str, str], ...]:
    if filters and plain:
        raise NotSupported("this server knows no filters for series and lapses; leave `filters` out")
    return (("filters", filters_to_json(filters)),) if filters else ()


def filters_to_json(filters: Filters) -> str:
    """The JSON object of some filters, as `parse_filters` reads it.

    Examples
    --------
    >>> filters_to_json(parse_filters({"wind_speed": {"max": 15}, "depth": 0.5}))
    '{"depth":0.5,"wind_speed":{"max":15.0}}'
    """
    coded: dict[str, Any] = {}
    for condition in filters:
        if condition.values:
            coded[condition.name] = condition.values[0] if len(condition.values) == 1 else list(condition.values)
        else:
            ends = {"min": condition.minimum, "max": condition.maximum}
            coded[condition.name] = {end: limit for end, limit in ends.items() if limit is not None}
    return _json(coded)


# --- reading -------------------------------------------------------------------------------------------------------


class _Options:
    """The options of one request: each is taken once, what is left over at the end is refused by name."""

    def __init__(self, pairs: Sequence[tuple[str, str]], known: Sequence[str]) -> None:
        for name, _ in pairs:
            if name not in known:
                message, near = did_you_mean("option", name, known)
                raise UnknownKeyword(message, suggestions=near)
        self._values = dict(pairs)

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        return None if value in (None, "", "null", "default") else value

    def number(self, name: str) -> float | None:
        return number_option(name, self.text(name))

    def whole(self, name: str) -> int | None:
        return whole_option(name, self.text(name))

    def flag(self, name: str) -> bool:
        value = (self.text(name) or "false").lower()
        if value not in _FLAGS:
            raise InvalidValue(f"{name} is true or false, not {self.text(name)!r}")
        return _FLAGS[value]

    def filters(self) -> Filters:
        return parse_filters(self.text("filters"))


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def number_option(name: str, value: Any) -> float | None:
    """An option that is a number; None, `"default"` and `"null"` are none.

    Raises
    ------
    InvalidValue
        When it is something else.
    """
    if value is None or value in ("default", "null", ""):
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise InvalidValue(f"{name} is a number or 'default', not {value!r}") from None


def whole_option(name: str, value: Any) -> int | None:
    """An option that is a whole number; see `number_option`."""
    number = number_option(name, value)
    if number is not None and not number.is_integer():
        raise InvalidValue(f"{name} is a whole number or 'default', not {value!r}")
    return None if number is None else int(number)


_LONGEST_LITERAL = 1000  # characters: five short options have a quarter of that


def parse_plot_options(value: Any) -> dict[str, Any]:
    """`paramsPlot` in any spelling, as keywords of `Canvas`: a mapping, its text in JSON or Python, or `"default"`.

    Raises
    ------
    UnknownKeyword
        For a key that is none of its own.
    InvalidValue
        When it is no mapping, or a value is of the wrong type.
    """
    if value is None or value in ("default", "null", ""):
        return {}
    loaded = _literal(value) if isinstance(value, str) else value
    if not isinstance(loaded, Mapping):
        said = value[:200] if isinstance(value, str) else value
        raise InvalidValue(f'paramsPlot is a mapping such as {{"projection": "mercator"}} or "default", not {said!r}')
    for name in loaded:
        if name not in _PLOT_OPTIONS:
            message, near = did_you_mean("key of paramsPlot:", name, _PLOT_OPTIONS)
            raise UnknownKeyword(message, suggestions=near)
    return {name: _PLOT_OPTIONS[name](name, given) for name, given in loaded.items()}


def _literal(text: str) -> Any:
    """What a short text says in JSON, or as the documentation's example does, with Python's `None` and `True`."""
    for read in (json.loads, ast.literal_eval) if len(text) <= _LONGEST_LITERAL else ():
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # the last two: deeply nested
            continue
    return None


def _a_word(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{name} in paramsPlot is a word, not {value!r}")
    return value


def _a_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"{name} in paramsPlot is true or false, not {value!r}")
    return value


_PLOT_OPTIONS: dict[str, Callable[[str, Any], Any]] = {
    "projection": _a_word,
    "radius": number_option,
    "plot_method": _a_word,
    "resample": _a_flag,
    "reduce": _a_word,
}

_SOURCE = ("nearest", "filters", "offset", "subtract")
_STYLE = ("vMin", "vMax", "cmap", "scale")
_CANVAS = ("resolution", "paramsPlot")
_WINDOW = ("window", "overlap")


def read(path: str, query_string: str = "") -> Query:
    """The query that a request asks.

    Parameters
    ----------
    path : str
        Below the service's root, still percent-encoded.
    query_string : str
        What follows the `?`.

    Raises
    ------
    UnknownName
        When the path is none of the protocol's.
    UnknownKeyword
        For an option that this path does not have.
    InvalidValue
        When a part is spelled wrong.

    Examples
    --------
    >>> read("/2000/SULHF/-27.42,19.97/19500917,21000917/ts", "groupby=yyyy&sm=avg").groupby
    'yyyy'
    """
    segments = path.strip("/").split("/")
    word = unquote(segments[-1])
    pairs = parse_qsl(query_string, keep_blank_values=True)
    known = _READERS.get(word)
    if known is None:
        message, near = did_you_mean("last word of the path:", word, _READERS)
        raise UnknownName(f"{message} (paths: {', '.join(PATHS.values())})", suggestions=near)
    count, options, make = known
    index_parts = len(segments) - 1 - count
    if (index_parts < 1) if count else (index_parts != 0):
        raise UnknownName(f"the path {unquote(path)!r} is not {PATHS[word]}", suggestions=(PATHS[word],))
    if word in _OF_LAPSES and "," in unquote(segments[-2]):
        options, make = _OF_LAPSES[word]
    index = "/".join(unquote(part) for part in segments[:index_parts])
    return make(index, segments[index_parts:-1], _Options(pairs, options))


def _date(segment: str) -> Date | None:
    text = unquote(segment).strip()
    return None if text in ("null", "") else Date.parse(text)


def _source(index: str, varname: str, date: str, options: _Options) -> Source:
    nearest, offset = options.number("nearest"), options.number("offset")
    return Source(
        index, unquote(varname), _date(date), nearest, options.filters(), offset or 0.0, options.text("subtract") or ""
    )


def _style(options: _Options) -> Style:
    return Style(options.text("cmap"), options.number("vMin"), options.number("vMax"), options.text("scale"))


def _canvas(bbox: str, options: _Options) -> Canvas:
    return Canvas(
        parse_bbox(unquote(bbox)), options.whole("resolution"), **parse_plot_options(options.text("paramsPlot"))
    )


def _lapse(segment: str) -> Lapse:
    return Lapse.parse(unquote(segment))


def _read_map(index: str, parts: list[str], options: _Options) -> Query:
    varname, bbox, date = parts
    source = _source(index, varname, date, options)
    return MapQuery(source, _canvas(bbox, options), _style(options), _window(options))


def _window(options: _Options, overlap: str = "latest") -> Window | None:
    seconds = options.number("window")
    return None if seconds is None else Window(seconds, options.text("overlap") or overlap)


def _read_lapse_map(index: str, parts: list[str], options: _Options) -> Query:
    varname, bbox, lapse = parts
    canvas, aggregate = _canvas(bbox, options), options.text("sm") or "avg"
    return LapseMapQuery(
        index,
        unquote(varname),
        canvas,
        _lapse(lapse),
        aggregate,
        options.filters(),
        _style(options),
        subtract=options.text("subtract") or "",
    )


def _read_data(index: str, parts: list[str], options: _Options) -> Query:
    varname, bbox, date = parts
    source = _source(index, varname, date, options)
    box, window = parse_bbox(unquote(bbox)), _window(options)
    return DataQuery(source, box, options.whole("resolution"), options.flag("list"), window)


def _read_lapse_data(index: str, parts: list[str], options: _Options) -> Query:
    varname, bbox, lapse = parts
    return LapseDataQuery(
        index,
        unquote(varname),
        parse_bbox(unquote(bbox)),
        _lapse(lapse),
        options.text("sm") or "avg",
        options.filters(),
        options.text("subtract") or "",
        options.whole("resolution"),
    )


def _read_files(index: str, parts: list[str], options: _Options) -> Query:
    varname, bbox, lapse = parts
    box, wanted = parse_bbox(unquote(bbox)), options.flag("footprints")
    return FilesQuery(index, unquote(varname), box, _lapse(lapse), options.filters(), wanted)


def _read_doctor(index: str, parts: list[str], options: _Options) -> Query:
    return DoctorQuery(index, unquote(parts[0]), options.whole("limit") or 20)


def _read_prepare(index: str, parts: list[str], options: _Options) -> Query:
    return PrepareQuery(index, unquote(parts[0]), options.flag("start"))


def _read_times(index: str, parts: list[str], options: _Options) -> Query:  # noqa: ARG001  # it has no options
    return TimesQuery(index, unquote(parts[0]))


def _read_series(index: str, parts: list[str], options: _Options) -> Query:
    varname, coord, lapse = parts
    groupby, aggregate = options.text("groupby"), options.text("sm") or "avg"
    return SeriesQuery(
        index,
        unquote(varname),
        parse_coord(unquote(coord)),
        _lapse(lapse),
        groupby,
        aggregate,
        options.filters(),
        anomaly=options.text("anomaly"),
        base=parse_base(options.text("base")),
        trend=options.flag("trend"),
        reach=options.number("reach"),
        subtract=options.text("subtract") or "",
        window=_window(options, "mean"),
    )


def parse_base(value: Any) -> tuple[int, int] | None:
    """A base period in any spelling: `"1991,2020"`, two years, or None.

    Raises
    ------
    InvalidValue
        When it is not two years.

    Examples
    --------
    >>> parse_base("1991,2020")
    (1991, 2020)
    """
    if value is None:
        return None
    try:
        first, last = value.split(",") if isinstance(value, str) else value
        return int(first), int(last)
    except (TypeError, ValueError):
        raise InvalidValue(f"base is a first and a last year such as '1991,2020', not {value!r}") from None


def _read_extract(index: str, parts: list[str], options: _Options) -> Query:
    varnames, coord, lapse = parts
    wanted = options.text("format") or "csv"
    if wanted != "csv":
        raise NotSupported(f"an extract is written as 'csv', not {wanted!r}")
    names = tuple(unquote(name) for name in varnames.replace("%2C", ",").replace("%2c", ",").split(","))
    subtract = options.text("subtract") or ""
    return ExtractQuery(index, names, parse_coord(unquote(coord)), _lapse(lapse), options.filters(), subtract)


def _read_quicklook(index: str, parts: list[str], options: _Options) -> Query:  # noqa: ARG001  # it has no options
    varname, bbox, date = parts
    return QuicklookQuery(index, unquote(varname), Date.parse(unquote(date)), parse_bbox(unquote(bbox)))


def _read_acquisitions(index: str, parts: list[str], options: _Options) -> Query:
    bbox, lapse = parts
    return AcquisitionsQuery(index, parse_bbox(unquote(bbox)), _lapse(lapse), options.whole("limit"))


def _read_spectrum(index: str, parts: list[str], options: _Options) -> Query:  # noqa: ARG001  # it has no options
    bbox, date = parts
    return SpectrumQuery(index, Date.parse(unquote(date)), parse_bbox(unquote(bbox)))


# Last word of a path → how many segments lie between the id and the word (0: the whole path is the word), the options
# that it has, and who makes the query.
_Reader = Callable[[str, list[str], _Options], Query]
_READERS: dict[str, tuple[int, tuple[str, ...], _Reader]] = {
    "map": (3, (*_SOURCE, *_STYLE, *_CANVAS, *_WINDOW), _read_map),
    # `vMin`, `vMax`, `cmap` and `paramsPlot` are documented for data too, and change nothing there.
    "data": (3, (*_SOURCE, *_STYLE, *_CANVAS, "list", *_WINDOW), _read_data),
    "filelist": (3, ("dl", "inv", "filters", "footprints"), _read_files),
    "times": (1, (), _read_times),
    "doctor": (1, ("limit",), _read_doctor),
    "prepare": (1, ("start",), _read_prepare),
    "ts": (3, ("groupby", "sm", "filters", "subtract", "anomaly", "base", "trend", "reach", *_WINDOW), _read_series),
    "extract": (3, ("filters", "format", "subtract"), _read_extract),
    "quicklook": (3, (), _read_quicklook),
    "acquisitions": (2, ("limit",), _read_acquisitions),
    "spectrum": (2, (), _read_spectrum),
    "config": (0, (), lambda *_: CatalogQuery()),
    "config_vertx": (0, (), lambda *_: LapsCatalogQuery()),
}
# The same words with a lapse where a date would be.
_OF_LAPSES: dict[str, tuple[tuple[str, ...], _Reader]] = {
    "map": (("sm", "mapper_id", "filters", "subtract", *_STYLE, *_CANVAS), _read_lapse_map),
    "data": (("sm", "filters", "subtract", "resolution"), _read_lapse_data),
}
