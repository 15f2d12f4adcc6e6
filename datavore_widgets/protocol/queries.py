"""Everything that can be asked: frozen values, whose equality is the key of every cache."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datavore_widgets.errors import InvalidValue, did_you_mean
from datavore_widgets.protocol.aggregates import AGGREGATES, check_aggregate
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.times import CLIMATOLOGIES, GROUPINGS, WHOLE_LAPSE, Date, Lapse

__all__ = [
    "AGGREGATES",
    "OVERLAPS",
    "PLOT_METHODS",
    "PROJECTIONS",
    "REDUCERS",
    "SCALES",
    "AcquisitionsQuery",
    "Canvas",
    "CatalogQuery",
    "Condition",
    "DataQuery",
    "DoctorQuery",
    "ExtractQuery",
    "FilesQuery",
    "Filters",
    "LapsCatalogQuery",
    "LapseDataQuery",
    "LapseMapQuery",
    "MapQuery",
    "PrepareQuery",
    "Query",
    "QuicklookQuery",
    "SeriesQuery",
    "Source",
    "SpectrumQuery",
    "Style",
    "TimesQuery",
    "Window",
    "parse_filters",
]

PROJECTIONS = ("pc_world", "mercator")
OVERLAPS = ("latest", "mean")
SCALES = ("linear", "log")
REDUCERS = ("mean", "stride")
PLOT_METHODS = ("pcolormesh", "scatter")


def _one_of(what: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        message, near = did_you_mean(what, given, allowed)
        raise InvalidValue(f"{message} (allowed: {', '.join(allowed)})", suggestions=near)


def _tell_index(query: Any) -> None:
    """Check the id of the index, and spell it with `/`: `>` and `/` in ids are equal, so equal queries are equal."""
    index = query.index
    spelled = index.replace(">", "/") if isinstance(index, str) else ""
    if any(part in ("", ".", "..") for part in spelled.split("/")):
        raise InvalidValue(f"an index is a name such as 'ISAS13/v3', not {index!r}")
    object.__setattr__(query, "index", spelled)


def _check_cells(resolution: int | None) -> None:
    if resolution is not None and not resolution >= 1:
        raise InvalidValue(f"resolution is a number of cells from 1 on, not {resolution!r}")


def _check_varname(varname: Any) -> None:
    if not isinstance(varname, str) or varname in ("", ".", ".."):
        raise InvalidValue(f"a variable is a name such as 'PSAL', not {varname!r}")


def _check_date(date: Any) -> None:
    if not isinstance(date, Date):
        raise InvalidValue(f"an acquisition is found by its date, such as 20150701120000, not by {date!r}")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a further dimension or a companion variable must be.

    Either `values` (one of them) or a range, open where an end is None.
    """

    name: str
    values: tuple[float | str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


Filters = tuple[Condition, ...]
"""Conditions sorted by name; the empty tuple is no filter."""


def parse_filters(value: Any) -> Filters:
    """Filters in any spelling: a mapping, its JSON text, `{}`, `"null"`, `""` or None.

    Raises
    ------
    InvalidValue
        When it is no mapping from names to a value, a list of values or `{"min": …, "max": …}`.

    Examples
    --------
    >>> parse_filters({"depth": 0.5})
    (Condition(name='depth', values=(0.5,), minimum=None, maximum=None),)
    """
    if isinstance(value, tuple) and all(isinstance(item, Condition) for item in value):
        return value
    loaded = value
    if isinstance(value, str):
        if value.strip() in ("", "null", "{}"):
            return ()
        try:
            loaded = json.loads(value)
        except (ValueError, RecursionError):  # also a number of thousands of digits, and what is nested without end
            raise InvalidValue(f'filters is a JSON object such as {{"depth": 0.5}}, not {value[:200]!r}') from None
    if loaded is None:
        return ()
    if not isinstance(loaded, Mapping):
        raise InvalidValue(f"filters is a mapping from a name to what it must be, not {value!r}")
    return tuple(_condition(str(name), wanted) for name, wanted in sorted(loaded.items()))


def _condition(name: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        wrong = set(wanted) - {"min", "max"}
        if wrong or not wanted:
            raise InvalidValue(f"the filter on {name!r} is a value, a list, or has 'min' and 'max', not {wanted!r}")
        return Condition(name, (), _bound(name, wanted.get("min")), _bound(name, wanted.get("max")))
    listed = wanted if isinstance(wanted, list | tuple) else [wanted]
    if not listed:
        raise InvalidValue(f"the filter on {name!r} allows nothing: {wanted!r}")
    return Condition(name, tuple(_value(name, item) for item in listed))


def _bound(name: str, value: Any) -> float | None:
    if value is None:
        return None
    number = _value(name, value)
    if isinstance(number, str):
        raise InvalidValue(f"the range of the filter on {name!r} has numbers, not {value!r}")
    return number


def _value(name: str, value: Any) -> float | str:
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidValue(f"the filter on {name!r} has numbers or words, not {value!r}") from None
    if not math.isfinite(number):
        raise InvalidValue(f"the filter on {name!r} has finite numbers, not {value!r}")
    return number


@dataclass(frozen=True, slots=True)
class Source:
    """What decides the numbers of a field: the index, the variable, the time, the conditions.

    `date` is None where there is no time axis; `nearest` is in seconds; `offset` is added to the values; `subtract` is
    a companion variable that is taken off them, such as `sses_bias`.
    """

    index: str
    varname: str
    date: Date | None
    nearest: float | None = None
    filters: Filters = ()
    offset: float = 0.0
    subtract: str = ""

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        if self.nearest is not None and not self.nearest >= 0:
            raise InvalidValue(f"nearest is a number of seconds from 0 on, or None, not {self.nearest!r}")
        if not math.isfinite(self.offset):
            raise InvalidValue(f"offset is a finite number, not {self.offset!r}")


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the pixels of a picture lie.

    Parameters
    ----------
    bbox : BBox
        The picture's edges.
    resolution : int, optional
        Pixels of the longer side; None is the grid's own, at most 1024.
    projection : {'pc_world', 'mercator'}
        Plate carrée or Web-Mercator.
    resample : bool
        Bilinear, or else nearest.
    reduce : {'mean', 'stride'}
        What becomes of several cells in one pixel.
    radius : float, optional
        Metres that a sample of a swath or a track reaches from its centre at most; without effect on grids.
    plot_method : {'pcolormesh', 'scatter'}
        How samples are painted: as cells, which meet their neighbours, or as discs of `radius`, which is half the
        diagonal of a typical cell if it is not given. Grids have cells.
    """

    bbox: BBox
    resolution: int | None = None
    projection: str = "pc_world"
    resample: bool = False
    reduce: str = "mean"
    radius: float | None = None
    plot_method: str = "pcolormesh"

    def __post_init__(self) -> None:
        _one_of("projection", self.projection, PROJECTIONS)
        _one_of("reduce", self.reduce, REDUCERS)
        _one_of("plot_method", self.plot_method, PLOT_METHODS)
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise InvalidValue(f"radius is a number of metres above 0, or None, not {self.radius!r}")
        if self.resolution is not None and not self.resolution >= 1:
            raise InvalidValue(f"resolution is a number of pixels from 1 on, not {self.resolution!r}")
        if not (self.bbox.width > 0 and self.bbox.height > 0):
            raise InvalidValue(f"a picture needs a box with an area, not {self.bbox.to_text()}")


@dataclass(frozen=True, slots=True)
class Style:
    """What decides the colours; None is the index's own choice for the variable.

    `scale` is `linear` or `log`: how colours follow the values.
    """

    cmap: str | None = None
    vmin: float | None = None
    vmax: float | None = None
    scale: str | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            _one_of("scale", self.scale, SCALES)
        for name in ("vmin", "vmax"):
            limit = getattr(self, name)
            if limit is not None and not math.isfinite(limit):
                raise InvalidValue(f"{name} is a finite number, not {limit!r}")
        if self.vmin is not None and self.vmax is not None and not self.vmin < self.vmax:
            raise InvalidValue(f"vmin ({self.vmin:g}) must be below vmax ({self.vmax:g})")


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time, and what becomes of values that lie over one another.

    Parameters
    ----------
    seconds : float
        Its length. It ends with the last moment that the date of a picture or of data names: 86400 up to the date
        `20190821` is that day. In series there is one for each time, which it ends with.
    overlap : {'latest', 'mean'}
        The newest valid value on top, or the mean of all.
    """

    seconds: float = 86400.0
    overlap: str = "latest"

    def __post_init__(self) -> None:
        _one_of("overlap", self.overlap, OVERLAPS)
        if not 0 < self.seconds < math.inf:
            raise InvalidValue(f"window is a number of seconds above 0, or None, not {self.seconds!r}")


@dataclass(frozen=True, slots=True)
class MapQuery:
    """A picture of one time, or of a window of time. Answer: `MapImage`."""

    source: Source
    canvas: Canvas
    style: Style = field(default_factory=Style)
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.source.date is None:
            raise InvalidValue("a window of time ends with a date: give one")


@dataclass(frozen=True, slots=True)
class LapseMapQuery:
    """A picture of an aggregate over a lapse of time. Answer: `MapImage`."""

    index: str
    varname: str
    canvas: Canvas
    lapse: Lapse = WHOLE_LAPSE
    aggregate: str = "avg"
    filters: Filters = ()
    style: Style = field(default_factory=Style)
    subtract: str = ""

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        check_aggregate(self.aggregate)


@dataclass(frozen=True, slots=True)
class DataQuery:
    """The native cells inside a box. Answer: `Field`, or `CellList` when `as_list`.

    A box without extent is a place: the cell that holds it.
    `resolution` is the most cells wanted along the longer side; strides are taken to stay within it. Of a window of
    time cells that lie elsewhere at each time do not lie over one another: all of them are given.
    """

    source: Source
    bbox: BBox = GLOBAL
    resolution: int | None = None
    as_list: bool = False
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.source.date is None:
            raise InvalidValue("a window of time ends with a date: give one")
        _check_cells(self.resolution)


@dataclass(frozen=True, slots=True)
class LapseDataQuery:
    """An aggregate over a lapse of time of the native cells inside a box. Answer: `Field`.

    `resolution` is as that of `DataQuery`.
    """

    index: str
    varname: str
    bbox: BBox = GLOBAL
    lapse: Lapse = WHOLE_LAPSE
    aggregate: str = "avg"
    filters: Filters = ()
    subtract: str = ""
    resolution: int | None = None

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        check_aggregate(self.aggregate)
        _check_cells(self.resolution)


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A time series at a position or over a box. Answer: `Series`.

    Parameters
    ----------
    groupby : str, optional
        One of `GROUPINGS`; None is one value for each time.
    aggregate : str
        See `protocol.aggregates`.
    anomaly : str, optional
        One of `CLIMATOLOGIES`: the mean of each cell over the base period, group by group, is taken off its values
        before anything else.
    base : (int, int), optional
        First and last year of the base period of anomalies and climatologies; None is 1991 to 2020 where the data
        have all of it, else all of their complete years.
    trend : bool
        Fit a line to the deseasonalised series.
    reach : float, optional
        For a position whose cell has no values: how many metres away a cell that has some may be, to be taken instead.
    window : Window, optional
        Each value is of all the times of the window that its time ends: pooled for `mean`; `latest` is for a position.
    """

    index: str
    varname: str
    coord: BBox | Point
    lapse: Lapse = WHOLE_LAPSE
    groupby: str | None = None
    aggregate: str = "avg"
    filters: Filters = ()
    subtract: str = ""
    anomaly: str | None = None
    base: tuple[int, int] | None = None
    trend: bool = False
    reach: float | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        check_aggregate(self.aggregate)
        if self.groupby is not None:
            _one_of("groupby", self.groupby, GROUPINGS)
        if self.anomaly is not None:
            _one_of("anomaly", self.anomaly, CLIMATOLOGIES)
        if self.base is not None and not (0 <= self.base[0] <= self.base[1] <= 9999):
            raise InvalidValue(f"base is a first and a last year such as (1991, 2020), not {self.base!r}")
        if self.base is not None and self.anomaly is None and self.groupby not in CLIMATOLOGIES:
            raise InvalidValue(f"base goes with `anomaly`, or with a groupby of {', '.join(CLIMATOLOGIES)}")
        if self.trend and self.groupby in CLIMATOLOGIES:
            raise InvalidValue(f"a climatology such as {self.groupby!r} has no trend; group by yyyy-MM or yyyy instead")
        if self.reach is not None and not 0 <= self.reach < math.inf:
            raise InvalidValue(f"reach is a number of metres from 0 on, or None, not {self.reach!r}")
        if self.window is not None:
            others = {"groupby": self.groupby, "anomaly": self.anomaly, "trend": self.trend}
            if taken := [name for name, value in others.items() if value]:
                raise InvalidValue(f"values of moving windows of time are no groups: leave {taken[0]} or window out")
            if self.aggregate not in AGGREGATES:
                raise InvalidValue(
                    f"moving windows of time have no {self.aggregate}; choose one of {', '.join(AGGREGATES)}"
                )
            if self.window.overlap == "latest" and isinstance(self.coord, BBox):
                raise InvalidValue("which value is the latest is said of a position; over a box ask for overlap='mean'")


@dataclass(frozen=True, slots=True)
class ExtractQuery:
    """Every value of some variables at a position or in a box, over a lapse. Answer: `Extract`."""

    index: str
    varnames: tuple[str, ...]
    coord: BBox | Point
    lapse: Lapse = WHOLE_LAPSE
    filters: Filters = ()
    subtract: str = ""

    def __post_init__(self) -> None:
        _tell_index(self)
        if not self.varnames:
            raise InvalidValue("name at least one variable to extract")
        for varname in self.varnames:
            _check_varname(varname)


@dataclass(frozen=True, slots=True)
class FilesQuery:
    """The files that the data in a box and a lapse come from, with their footprints if asked. Answer: `FileList`."""

    index: str
    varname: str
    bbox: BBox = GLOBAL
    lapse: Lapse = WHOLE_LAPSE
    filters: Filters = ()
    footprints: bool = False

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)


@dataclass(frozen=True, slots=True)
class PrepareQuery:
    """How far a variable is prepared; with `start`, after it was prepared. Answer: `Preparation`."""

    index: str
    varname: str
    start: bool = False

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)


@dataclass(frozen=True, slots=True)
class DoctorQuery:
    """What the files behind a variable are, the first `limit` of them. Answer: `Checkup`."""

    index: str
    varname: str
    limit: int = 20

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        if not 1 <= self.limit <= 1000:
            raise InvalidValue(f"limit is a number of files from 1 to 1000, not {self.limit!r}")


@dataclass(frozen=True, slots=True)
class TimesQuery:
    """The times of a variable. Answer: `Times`."""

    index: str
    varname: str

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """The indexes with their configuration. Answer: `Catalog`."""


@dataclass(frozen=True, slots=True)
class LapsCatalogQuery:
    """Datalaps' own list of indexes. Answer: `LapsCatalog`."""


@dataclass(frozen=True, slots=True)
class QuicklookQuery:
    """A labelled picture of the acquisition of a wave mode nearest to a date. Answer: `Quicklook`."""

    index: str
    varname: str
    date: Date
    bbox: BBox = GLOBAL

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_varname(self.varname)
        _check_date(self.date)


@dataclass(frozen=True, slots=True)
class AcquisitionsQuery:
    """The acquisitions of a wave mode in a box and a lapse, in the order of time. Answer: `Acquisitions`.

    Parameters
    ----------
    limit : int, optional
        The most that are wanted; where there are more, they are thinned evenly.
    """

    index: str
    bbox: BBox = GLOBAL
    lapse: Lapse = WHOLE_LAPSE
    limit: int | None = None

    def __post_init__(self) -> None:
        _tell_index(self)
        if self.limit is not None and not self.limit >= 1:
            raise InvalidValue(f"limit is a number of acquisitions from 1 on, or None, not {self.limit!r}")


@dataclass(frozen=True, slots=True)
class SpectrumQuery:
    """All that is known of the acquisition of a wave mode nearest to a date. Answer: `WaveSpectrum`."""

    index: str
    date: Date
    bbox: BBox = GLOBAL

    def __post_init__(self) -> None:
        _tell_index(self)
        _check_date(self.date)


Query = (
    MapQuery
    | LapseMapQuery
    | DataQuery
    | LapseDataQuery
    | SeriesQuery
    | ExtractQuery
    | FilesQuery
    | TimesQuery
    | DoctorQuery
    | PrepareQuery
    | CatalogQuery
    | LapsCatalogQuery
    | QuicklookQuery
    | AcquisitionsQuery
    | SpectrumQuery
)
