"""What is given back: pictures, fields, series, lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import UnknownName, did_you_mean
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.times import (
    CLIMATOLOGIES,
    Stamp,
    TimeAxis,
    display,
    millis_from_label,
    period_text,
)

__all__ = [
    "Catalog",
    "CellList",
    "Extract",
    "Field",
    "FileList",
    "IndexInfo",
    "LapsCatalog",
    "MapImage",
    "Series",
    "Times",
    "Trend",
    "VariableInfo",
]


@dataclass(frozen=True)
class MapImage:
    """A picture without axes or margins, and what is true of it.

    What a server does not tell is None.

    Parameters
    ----------
    png : bytes
        The picture; its edges are those of `bbox`.
    bbox : BBox
        Where it lies.
    projection : str
        Of the pixels: `pc_world` or `mercator`.
    width, height : int
        Pixels.
    time : Stamp, optional
        The time shown; the last of the lapse for an aggregate.
    first_time : Stamp, optional
        The first time of the lapse, for an aggregate.
    units, long_name : str
        Of the values.
    cmap, vmin, vmax
        The colours really used.
    scale : str
        How they follow the values: `linear` or `log`.
    valid, total : int, optional
        Cells with a value, and all cells, that touch the box.
    steps : int, optional
        Times that went into an aggregate.
    cell : (float, float), optional
        Size of a cell in degrees: longitude, latitude.
    aggregate : str, optional
        For a lapse or a window of time: which; `latest` is the newest valid value.
    dims : mapping of str to float or str
        The value chosen on every further dimension, the defaults too.
    note : str
        Such as "synthetic data"; empty if there is nothing to say.
    weighting : str
        How the values of an aggregate weigh, in words.
    period : (Stamp, Stamp), optional
        First moment of what `time` is the mean of (or whatever `time_method` says), and the first after it: the
        bounds of its time. None where the file has none.
    time_method : str
        What the values are of their period, as CF calls it: `mean`, `maximum`, `sum` …; empty where it is not told.
    """

    png: bytes = field(repr=False)
    bbox: BBox
    projection: str
    width: int
    height: int
    time: Stamp | None = None
    first_time: Stamp | None = None
    units: str = ""
    long_name: str = ""
    cmap: str | None = None
    vmin: float | None = None
    vmax: float | None = None
    valid: int | None = None
    total: int | None = None
    steps: int | None = None
    cell: tuple[float, float] | None = None
    aggregate: str | None = None
    dims: Mapping[str, float | str] = field(default_factory=dict)
    note: str = ""
    scale: str = "linear"
    weighting: str = ""
    period: tuple[Stamp, Stamp] | None = None
    time_method: str = ""

    @property
    def time_text(self) -> str:
        """The time as on the screen: `2012-08 (mean)` where it has bounds, else the instant; empty without any."""
        if self.period is not None:
            low, high = self.period
            return _told_how(period_text(low.label, high.label, low.calendar), self.time_method)
        return "" if self.time is None else self.time.text


@dataclass(frozen=True, eq=False)
class Field:
    """The native cells inside a box.

    Parameters
    ----------
    lon, lat : ndarray
        Centres in degrees, as the data have them: 1-D (nx,) and (ny,), or 2-D like `data`.
    data : ndarray or masked array, shape (ny, nx)
        Decoded values; missing is NaN, or masked for integers.
    time : Stamp, optional
        The time of the values; the last of the lapse for an aggregate.
    sample_time : ndarray of datetime64[ms], shape (ny, nx), optional
        When each sample was taken, UTC, where the data tell: of a swath `time` is the granule's. For the newest values
        of a window the time of each. NaT is unknown.
    aggregate : str, optional
        For a lapse or a window of time: which; `latest` is the newest valid value, `samples` all of them, one behind
        the other.
    steps : int, optional
        Times that went into an aggregate.
    period : (Stamp, Stamp), optional
        First moment and the first after it, by the bounds of the time, of the lapse or of the window; of a lapse or a
        window without bounds the first and the last time.
    weighting : str
        How the times of an aggregate weigh, in words.
    is_climatology : bool
        Whether the period is that of a climatology, of which each year has a part alone (CF 7.4).
    """

    lon: NDArray[np.floating[Any]]
    lat: NDArray[np.floating[Any]]
    data: NDArray[Any]
    bbox: BBox
    time: Stamp | None = None
    units: str = ""
    long_name: str = ""
    dims: Mapping[str, float | str] = field(default_factory=dict)
    sample_time: NDArray[np.datetime64] | None = None
    aggregate: str | None = None
    steps: int | None = None
    period: tuple[Stamp, Stamp] | None = None
    weighting: str = ""
    is_climatology: bool = False


@dataclass(frozen=True)
class CellList:
    """The valid cells inside a box, as (lon, lat, value)."""

    cells: list[tuple[float, float, float]]


@dataclass(frozen=True)
class Trend:
    """The linear trend of a deseasonalised series, by least squares.

    Parameters
    ----------
    slope : float
        Units a year.
    low, high : float, optional
        Its interval at `level`; None where there are too few independent values.
    level : float
        Such as 0.95.
    n : int
        Values of the series that it is of.
    r1 : float, optional
        Correlation of neighbouring residuals.
    n_eff : float
        Independent values among them: n (1 - r1) / (1 + r1), at most n.
    method : str
        What was fitted, in words; empty where a server does not tell.
    """

    slope: float
    low: float | None
    high: float | None
    level: float
    n: int
    r1: float | None
    n_eff: float
    method: str = ""


@dataclass(frozen=True, eq=False)
class Series:
    """A time series, or a climatology.

    What a server does not tell is None, or empty.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Times, or the starts of the groups (see `protocol.times`).
    values : ndarray of float64, shape (n,)
        NaN where there is no valid value.
    counts : ndarray of int64, shape (n,), optional
        Valid values behind each.
    steps : ndarray of int64, shape (n,), optional
        Times behind each that have any valid value.
    complete : ndarray of bool, shape (n,), optional
        Whether these fill the whole of the group; None where that cannot be said, or without groups.
    years : ndarray of int64, shape (n,), optional
        Of a climatology: the years behind each; of anomalies: the years of the base period behind the climatology, in
        the cell that has the fewest.
    bounds : ndarray of int64, shape (n, 2), optional
        Labels of the first moment of each group, or of the period that a value is the mean of, and of the first after
        it. Of a climatology from the first year to the last.
    total : int, optional
        Cells of the box, for one time.
    cell : (float, float), optional
        Centre (lon, lat) of the cell used, for a position.
    distance : float, optional
        Metres from the position asked to that centre.
    is_moved : bool
        Whether the cell that holds the position has no values, so that the nearest that has is used.
    aggregate, groupby : str, optional
        As asked; a `groupby` of None is one value for each time.
    weighting : str
        How the values weigh, in words.
    time_method : str
        What a value in the data is of its period, as CF calls it: `mean`, `maximum`, `sum` …
    anomaly : str, optional
        The climatology that was taken off each cell.
    base : (int, int), optional
        First and last year of the base period, of a climatology or of what anomalies are from.
    trend : Trend, optional
        Where it was asked for, and there are values enough.
    note : str
        What else has to be known, such as that prepared data are no longer true and the files were read instead.
    granules : ndarray of int64, shape (n,), optional
        At a position in a swath: times of the granules, where `labels` are when the samples themselves were taken.
    is_prepared : bool
        Whether all of it came from prepared data.
    is_partial : bool
        Whether more is still being read: it is of the first times alone.
    """

    labels: NDArray[np.int64]
    values: NDArray[np.float64]
    counts: NDArray[np.int64] | None = None
    calendar: str = "standard"
    units: str = ""
    long_name: str = ""
    total: int | None = None
    cell: tuple[float, float] | None = None
    distance: float | None = None
    dims: Mapping[str, float | str] = field(default_factory=dict)
    steps: NDArray[np.int64] | None = None
    complete: NDArray[np.bool_] | None = None
    years: NDArray[np.int64] | None = None
    bounds: NDArray[np.int64] | None = None
    is_moved: bool = False
    aggregate: str | None = None
    groupby: str | None = None
    weighting: str = ""
    time_method: str = ""
    anomaly: str | None = None
    base: tuple[int, int] | None = None
    trend: Trend | None = None
    note: str = ""
    is_prepared: bool = False
    is_partial: bool = False
    granules: NDArray[np.int64] | None = None

    @property
    def millis(self) -> NDArray[np.int64]:
        """Milliseconds since 1970-01-01 UTC of the labels."""
        return millis_from_label(self.labels)

    @property
    def texts(self) -> list[str]:
        """What each value is of, as on the screen: `2012-08-15 12:00 Z`, `2012-08 (mean)`, `May 1991-2020 (mean)`."""
        labels = self.labels.tolist()
        if self.bounds is None:
            return [display(label) for label in labels]
        how = self.time_method if self.groupby is None else _WORDS.get(self.aggregate or "", self.aggregate or "")
        if self.groupby in CLIMATOLOGIES and self.base is not None:
            years = f"{self.base[0]}-{self.base[1]}"
            return [_told_how(f"{_part_of_year(self.groupby, label)} {years}", how) for label in labels]
        if self.groupby == "yyyy-season":
            periods = [_season(low, high) for low, high in self.bounds.tolist()]
        else:
            periods = [period_text(low, high, self.calendar) for low, high in self.bounds.tolist()]
        return [_told_how(period, how) for period in periods]


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SEASONS = {12: "DJF", 3: "MAM", 6: "JJA", 9: "SON"}
_WORDS = {
    "avg": "mean",
    "area_avg": "mean",
    "geo_avg": "geometric mean",
    "max": "maximum",
    "min": "minimum",
    "std": "deviation",
    "area_std": "deviation",
    "time_std": "deviation in time",
}


def _part_of_year(climatology: str, label: int) -> str:
    """The season, month or day that starts at a label, in words."""
    digits = f"{label:017d}"
    month = int(digits[4:6])
    if climatology == "season":
        return _SEASONS[month]
    return _MONTHS[month - 1] if climatology == "MM" else f"{digits[4:6]}-{digits[6:8]}"


def _season(low: int, high: int) -> str:
    """A season of a year, such as `JJA 1998`; one over the turn of the year has both years, `DJF 1997/98`."""
    first, last = low // 10**13, high // 10**13
    return f"{_part_of_year('season', low)} {first}" + (f"/{last % 100:02d}" if last > first else "")


def _told_how(period: str, how: str) -> str:
    return f"{period} ({how})" if how else period


@dataclass(frozen=True, eq=False)
class Extract:
    """A table of values: one row for each cell and time.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Times: of the samples where the data tell them, else of the steps.
    lon, lat : ndarray of float64, shape (n,)
        Centres of the cells.
    columns : mapping of str to ndarray of float64
        By variable; missing is NaN.
    """

    labels: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]]
    calendar: str = "standard"


@dataclass(frozen=True)
class FileList:
    """Paths or names of files, in the order of time.

    Parameters
    ----------
    footprints : tuple, optional
        For each file the corners (lon, lat) of its outline, if asked; longitudes run on beyond 180 where it crosses
        the antimeridian. Made for a map: what touches a box is decided by the cells themselves.
    growth : Growth, optional
        Where the files are still looked into, and there will be more.
    """

    files: tuple[str, ...]
    footprints: tuple[tuple[tuple[float, float], ...], ...] | None = None
    growth: Growth | None = None


@dataclass(frozen=True)
class Times:
    """The times of a variable; empty where it has none.

    `exact` is False where a server tells only the first, the last and how many: then they are evenly spread, and
    pictures are to be asked with `nearest`.
    """

    axis: TimeAxis
    exact: bool = True


_COMPANION = re.compile(
    r"\b(?:quality|flags?|errors?|uncertainty|bias|number|count|nobs|index|d?time|depth|probability|prob|parameter|model)\b"
)


@dataclass(frozen=True)
class VariableInfo:
    """What the catalogue knows of a variable.

    Parameters
    ----------
    dims : mapping
        Further dimensions: name → `{"values": [...], "default": …, "units": "…"}`.
    cmap, limits
        The catalogue's own choice of colours, where there is one.
    kind : {'continuous', 'anomaly', 'flags', 'direction'}
        Decides how it is coloured and averaged.
    flags : mapping of int to str
        Meanings, for `kind='flags'`; of bits that do not exclude one another every combination, if they are few.
    masks : mapping of str to (int, int)
        Of flags that share bits: by meaning, the bits and what they are then. A filter may name them.
    geometry : {'grid', 'swath', 'track', 'station', 'none'}
        Where its values lie: in the cells of a grid; in the samples of an instrument, elsewhere at each time; in
        samples with a time each (trajectories, profiles); at places that stay; or nowhere, which has no map.
        Pictures of swaths and tracks are best asked of a window of time (see `queries.Window`).
    scale : {'linear', 'log'}
        How colours follow the values, where nothing else is asked.
    start_filters : mapping
        Conditions that a view best starts with, as `filters` spells them; nothing else heeds them.
    corrections : tuple of str
        Companion variables that are meant to be subtracted if asked (`subtract`), such as the bias of a sensor.
    derived : str
        How it is made of stored variables; empty where it is stored itself.
    time_method : str
        What its values are of the periods of its times, where these have bounds: `mean`, `maximum`, `sum` … (CF 7.3).
    vector : tuple of str
        Names of the parts to the east and to the north, on the same cells, of the vector that it belongs to; empty
        where it belongs to none.
    """

    name: str
    long_name: str = ""
    units: str = ""
    standard_name: str = ""
    dims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cmap: str | None = None
    limits: tuple[float, float] | None = None
    kind: str = "continuous"
    flags: Mapping[int, str] = field(default_factory=dict)
    geometry: str = "grid"
    scale: str = "linear"
    start_filters: Mapping[str, Any] = field(default_factory=dict)
    corrections: tuple[str, ...] = ()
    masks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    derived: str = ""
    time_method: str = ""
    vector: tuple[str, ...] = ()

    @property
    def is_companion(self) -> bool:
        """Whether it seems to tell of another one: its quality, its error, its time or depth, its number of values."""
        words = re.sub(r"[\W_]+", " ", f"{self.name} {self.long_name}").lower()
        return self.kind == "flags" or _COMPANION.search(words) is not None

    @property
    def label(self) -> str:
        """A name to show: the long name, else the standard name, else the name; words apart."""
        name = self.long_name or self.standard_name
        return (name if " " in name else name.replace("_", " ")) or self.name


@dataclass(frozen=True)
class IndexInfo:
    """What the catalogue knows of an index.

    Parameters
    ----------
    bbox : BBox, optional
        Extent of the data.
    first, last : str, optional
        ISO 8601; None without a time axis.
    count : int
        Number of times.
    note : str
        Such as "synthetic data".
    extra : mapping
        Whatever else a server's configuration holds.
    kind : str
        `grid` is shown on a map; `wave` is a satellite's wave mode, asked for pictures and spectra of acquisitions.
    """

    index: str
    name: str
    title: str = ""
    bbox: BBox | None = None
    first: str | None = None
    last: str | None = None
    count: int = 0
    calendar: str = "standard"
    variables: Mapping[str, VariableInfo] = field(default_factory=dict)
    note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "grid"

    @property
    def leading(self) -> str:
        """The variable that a view begins with: the first one that is measured, not said of another; empty without any.

        Examples
        --------
        >>> names = {"wvc_index": "cell number", "model_speed": "model wind speed", "wind_speed": "wind speed"}
        >>> IndexInfo("a", "a", variables={n: VariableInfo(n, text) for n, text in names.items()}).leading
        'wind_speed'
        """
        return min(self.variables, key=lambda name: self.variables[name].is_companion, default="")

    def variable(self, varname: str) -> VariableInfo:
        """The variable of that name.

        Raises
        ------
        UnknownName
            When there is none; it offers the nearest names.
        """
        try:
            return self.variables[varname]
        except KeyError:
            message, near = did_you_mean(f"variable of {self.index!r}:", varname, self.variables)
            raise UnknownName(message, suggestions=near) from None


@dataclass(frozen=True)
class Catalog:
    """The indexes of a service, by id.

    Parameters
    ----------
    growth : Growth, optional
        Where the files are still looked into, and there will be more in them.
    """

    indexes: Mapping[str, IndexInfo]
    growth: Growth | None = None

    @property
    def grids(self) -> list[IndexInfo]:
        """Those with variables that a map can show."""
        return [info for info in self.indexes.values() if info.kind == "grid" and info.variables]

    @property
    def waves(self) -> list[IndexInfo]:
        """Those with the acquisitions of a wave mode."""
        return [info for info in self.indexes.values() if info.kind == "wave"]

    def index(self, index: str) -> IndexInfo:
        """The index of that id; `/` and `>` are equal in ids.

        Raises
        ------
        UnknownName
            When there is none; it offers the nearest names.
        """
        folded = index.replace(">", "/")
        for known, info in self.indexes.items():
            if known.replace(">", "/") == folded:
                return info
        message, near = did_you_mean("index", index, self.indexes)
        raise UnknownName(message, suggestions=near)


@dataclass(frozen=True)
class LapsCatalog:
    """Datalaps' list of indexes: objects with at least `index` and `name`."""

    entries: tuple[Mapping[str, Any], ...]
