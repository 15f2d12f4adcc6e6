"""Datalaps: time series, extracts and maps of a lapse of time, by the documented names."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from datavore_widgets.client import export
from datavore_widgets.client.base import exact_keywords, root_of, time_index, window_from
from datavore_widgets.connect import connect
from datavore_widgets.errors import InvalidValue, NotSupported, UnknownKeyword, UnknownName, did_you_mean
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.door import Service
from datavore_widgets.protocol.geometry import parse_bbox, parse_coord
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.payloads import catalog_config
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    ExtractQuery,
    LapsCatalogQuery,
    LapseMapQuery,
    Query,
    SeriesQuery,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse, TimeAxis
from datavore_widgets.protocol.wire import number_option, parse_base

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Datalaps"]


class Datalaps:
    """Time series, extracts and maps over a lapse of time.

    Parameters
    ----------
    datavoreService, datalapsService : None, str, Path, list, xarray.Dataset or service
        Who answers maps, and who answers series and extracts; one that is not given takes the other's. See
        `datavore_widgets.connect`.

    Attributes
    ----------
    service : Service
        Who answers series and extracts.
    """

    def __init__(self, datavoreService: Any = None, datalapsService: Any = None) -> None:
        maps: Service | None = None if datavoreService is None else connect(datavoreService)
        self.service = maps if maps is not None and datalapsService is None else connect(datalapsService)
        self._maps = self.service if maps is None else maps

    def __repr__(self) -> str:
        return f"Datalaps({self.datavoreService!r}, {self.datalapsService!r})"

    @property
    def datavoreService(self) -> str:
        """The root that maps are asked of: a URL, or `datavore:/name` for a service in this process."""
        return root_of(self._maps)

    @property
    def datalapsService(self) -> str:
        """The root that series and extracts are asked of."""
        return root_of(self.service)

    def answer(self, query: Query, job: Job | None = None) -> Any:
        """The answer to a query, of whichever service is asked such things: a client is a service too."""
        laps = isinstance(query, SeriesQuery | ExtractQuery | LapsCatalogQuery)
        return (self.service if laps else self._maps).answer(query, job)

    @exact_keywords
    def getImage(
        self,
        index: str,
        varname: str,
        bbox: Any,
        datelaps: Any = "19500917, 21000917",
        aggregate: str = "avg",
        *,
        filters: Any = {},
        subtract: str | None = None,
        job: Job | None = None,
    ) -> bytes:
        """A map of the values aggregated over a lapse of time, as a PNG.

        Parameters
        ----------
        index, varname : str
            Of the catalogue; see `getIndexes`.
        bbox : str or list of float
            `[west, south, east, north]` in degrees, the same as text, or `"global"`.
        datelaps : str, or list of two dates
            First and last time, both included; a prefix at the end reaches to its last moment.
        aggregate : str
            `avg`, `max`, `min`, `count` (of valid values) or `std` (population deviation); of those of
            `getTimeserie` also `area_avg` (times by their length), `geo_avg`, percentiles and fractions of flags.
        filters : mapping
            What further dimensions and companion variables must be.
        subtract : str
            A companion variable that is taken off the values, such as `"sses_bias"`.
        job : Job, optional
            To cancel with, and to follow.
        """
        canvas = Canvas(parse_bbox(bbox))
        query = LapseMapQuery(
            str(index),
            varname,
            canvas,
            Lapse.parse(datelaps),
            aggregate,
            parse_filters(filters),
            subtract=subtract or "",
        )
        return self._maps.answer(query, job).png

    @exact_keywords
    def getTimeserie(
        self,
        index: str,
        varname: str,
        coord: Any,
        datelaps: Any = "19500917, 21000917",
        groupby: str | None = None,
        aggregate: str = "avg",
        *,
        filters: Any = {},
        subtract: str | None = None,
        anomaly: str | None = None,
        base: Any = None,
        trend: bool = False,
        reach: float | None = None,
        window: float | None = None,
        overlap: str = "mean",
        job: Job | None = None,
    ) -> pd.DataFrame:
        """A time series at a position or over a box.

        Parameters
        ----------
        coord : str or list of float
            `[lon, lat]` takes the cell that contains it; `[west, south, east, north]` the cells whose centres lie
            inside.
        groupby : {None, 'yyyy', 'yyyy-MM', 'yyyy-MM-dd', 'yyyy-season', 'season', 'MM', 'MM-dd'}
            One value for each time, year, month, day or season; groups are stamped with their start. Seasons are DJF,
            MAM, JJA and SON; DJF is of January's year. The last three are climatologies: one value for each season,
            month or day of the year, over the base period; DJF has the Decembers of its years.
        aggregate : str
            `avg`, `max`, `min`, `count`, `std`: over all valid values of box and group, pooled. `area_avg`: cells by
            the area that the box covers of them, then times by their length; `area_std` and `time_std`: the
            deviation from it in space and time, and in time alone; `geo_avg`: the geometric mean. `median`, `p1` to
            `p99`: percentiles. `fraction:ice`: of the area and time, where a flag is that.
        anomaly : {None, 'season', 'MM', 'MM-dd'}
            Take the climatology of each cell off its values first.
        base : (int, int), optional
            First and last year of the base period: by default 1991 to 2020 where the data have all of it, else all
            of their complete years.
        trend : bool
            Fit a line to the deseasonalised series: with the means of its months, or seasons, at once, so that a
            steady rise is found as it is. The interval heeds how neighbours are alike.
        reach : float, optional
            For a position whose cell has no values: how many metres away the nearest one that has may be, to be taken
            instead.
        window : float
            Without `groupby`: each value is of all times of so many seconds that end with its time. 86400 makes a
            running day of swaths.
        overlap : {'mean', 'latest'}
            What a window gives: the `aggregate` of all values in it; or, at a position, the newest.
        index, varname, datelaps, filters, subtract, job
            See `getImage`.

        Returns
        -------
        pandas.DataFrame
            One column `{index}_{varname}`, missing as NaN, indexed by `time` (naive UTC; a `CFTimeIndex` where the
            data's calendar has a date that the Gregorian does not). At a position in a swath it is when the samples
            were taken, where the data tell. Its `attrs` say what the numbers are: units, aggregate and weighting, the
            cells, the base period, the trend, and a note. Counts, bounds and which groups are whole are in the data
            set of `to_xarray`.
        """
        added = (anomaly, base, trend, reach, window_from(window, overlap))
        series = self._series(index, varname, coord, datelaps, groupby, aggregate, filters, subtract, added, job=job)
        times = time_index(TimeAxis(series.labels, series.calendar))
        frame = pd.DataFrame({f"{index}_{varname}": series.values}, index=times)
        frame.attrs.update(_facts(series))
        return frame

    @exact_keywords
    def getTimeserieRaw(
        self,
        index: str,
        varname: str,
        coord: Any,
        datelaps: Any = "19500917, 21000917",
        groupby: str | None = None,
        aggregate: str = "avg",
        *,
        filters: Any = {},
        subtract: str | None = None,
        anomaly: str | None = None,
        base: Any = None,
        trend: bool = False,
        reach: float | None = None,
        window: float | None = None,
        overlap: str = "mean",
        job: Job | None = None,
    ) -> list[list[Any]]:
        """The series of `getTimeserie` as a list of `[milliseconds since 1970-01-01 UTC, value]`, missing as None."""
        added = (anomaly, base, trend, reach, window_from(window, overlap))
        series = self._series(index, varname, coord, datelaps, groupby, aggregate, filters, subtract, added, job=job)
        values = series.values.tolist()
        return [
            [millis, None if value != value else value]  # NaN alone differs from itself
            for millis, value in zip(series.millis.tolist(), values, strict=True)
        ]

    @exact_keywords
    def to_xarray(
        self,
        index: str,
        varname: str,
        coord: Any,
        datelaps: Any = "19500917, 21000917",
        groupby: str | None = None,
        aggregate: str = "avg",
        *,
        filters: Any = {},
        subtract: str | None = None,
        anomaly: str | None = None,
        base: Any = None,
        trend: bool = False,
        reach: float | None = None,
        window: float | None = None,
        overlap: str = "mean",
        job: Job | None = None,
    ) -> xr.Dataset:
        """The series of `getTimeserie` as a data set by the CF conventions, with what was asked and what was used.

        Its `to_netcdf` writes it to a file; see `datavore_widgets.client.export` for CSV. The parameters are those of
        `getTimeserie`.

        Returns
        -------
        xarray.Dataset
            The variable along `time`, with the counts behind each value, `cell_methods`, the bounds of groups; the
            facts are attributes `datavore_…`.
        """
        added = (anomaly, base, trend, reach, window_from(window, overlap))
        query = _series_query(index, varname, coord, datelaps, groupby, aggregate, filters, subtract, added)
        return export.exported(self.service, query, job)

    def _series(self, *asked: Any, job: Job | None) -> Series:
        return self.service.answer(_series_query(*asked), job)

    @exact_keywords
    def mergeTimeserie(self, pandas: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Join several series into one table, with every time that any of them has.

        Parameters
        ----------
        pandas : list of pandas.DataFrame
            With columns of different names.
        """
        frames = list(pandas)
        if not frames or not all(isinstance(frame, pd.DataFrame) for frame in frames):
            raise InvalidValue("mergeTimeserie takes a list of one or more series of getTimeserie")
        names = [str(name) for frame in frames for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidValue(f"the column {twice[0]!r} is there more than once; rename one of the series")
        return functools.reduce(lambda left, right: left.join(right, how="outer"), frames)

    @exact_keywords
    def getMergedTimeserie(
        self,
        indexTuples: Iterable[Sequence[str]],
        coord: Any,
        datelaps: Any = "19500917, 21000917",
        groupby: str | None = None,
        aggregate: str = "avg",
        *,
        filters: Any = {},
        subtract: str | None = None,
        anomaly: str | None = None,
        base: Any = None,
        reach: float | None = None,
        window: float | None = None,
        overlap: str = "mean",
        job: Job | None = None,
    ) -> pd.DataFrame:
        """The series of several (index, variable) pairs in one table; see `getTimeserie`.

        Parameters
        ----------
        indexTuples : list of (str, str)
            Index and variable of each.
        """
        pairs = [tuple(pair) for pair in indexTuples]
        if not all(len(pair) == 2 for pair in pairs):
            raise InvalidValue(f"indexTuples is a list of (index, variable), not {pairs!r}")
        return self.mergeTimeserie(
            [
                self.getTimeserie(
                    index,
                    varname,
                    coord,
                    datelaps,
                    groupby=groupby,
                    aggregate=aggregate,
                    filters=filters,
                    subtract=subtract,
                    anomaly=anomaly,
                    base=base,
                    reach=reach,
                    window=window,
                    overlap=overlap,
                    job=job,
                )
                for index, varname in pairs
            ]
        )

    @exact_keywords
    def getUrl(
        self,
        urlFormat: str,
        index: str,
        varname: str,
        coord: Any,
        datelaps: Any = "19500917, 21000917",
        groupby: str | None = None,
        aggregate: str = "avg",
        *,
        other_params: Mapping[str, Any] = {},
    ) -> str:
        """A URL in a format of one's own.

        Parameters
        ----------
        urlFormat : str
            Text with any of `{self.datavoreService}`, `{self.datalapsService}`, `{index}`, `{varname}`, `{coord}`,
            `{datelaps}`, `{groupby}` (`groupby=…&` or empty), `{aggregate}`, and the names in `other_params`.
            Nothing else is filled in: a format does not reach attributes.
        other_params : mapping
            Further names and their values.

        Examples
        --------
        >>> from datavore_widgets.client.http import HttpService
        >>> laps = Datalaps(HttpService("https://example.org/datavore"))
        >>> laps.getUrl("{self.datalapsService}/{index}/{varname}/{coord}/{datelaps}/ts?{groupby}sm={aggregate}",
        ...             "2000", "SULHF", [-27.42, 19.97], groupby="yyyy")
        'https://example.org/datavore/2000/SULHF/-27.42,19.97/19500917,21000917/ts?groupby=yyyy&sm=avg'
        """
        query = _series_query(index, varname, coord, datelaps, groupby, aggregate, {})
        fields = {name: _escaped(value) for name, value in other_params.items()}
        fields |= {
            "self.datavoreService": self.datavoreService,
            "self.datalapsService": self.datalapsService,
            "index": quote(str(index), safe="/"),
            "varname": quote(varname, safe=""),
            "coord": query.coord.to_text(),
            "datelaps": query.lapse.to_text(),
            "groupby": "" if query.groupby is None else f"groupby={query.groupby}&",
            "aggregate": query.aggregate,
        }
        return _fill(urlFormat, fields)

    @exact_keywords
    def getData(
        self,
        index: str,
        varnames: str | Sequence[str],
        date: Any,
        bbox: Any,
        filters: Any = "",
        output_format: str = "csv",
        other_params: Mapping[str, Any] = {},
        time_index: bool = True,
        *,
        subtract: str | None = None,
        job: Job | None = None,
    ) -> pd.DataFrame:
        """Every value of some variables at a position or in a box, over a lapse of time: one row a cell and time.

        Parameters
        ----------
        varnames : str or list of str
            Variables, comma-joined or in a list.
        date : str, int, datetime, or list of two dates
            The lapse, see `getImage`; or one date: that time, and a prefix such as `"20120815"` the whole of it.
        bbox : str or list of float
            A position or a box; see `getTimeserie`.
        filters : mapping or str
            What further dimensions and companion variables must be.
        output_format : str
            Only `"csv"`: how it is sent; a table is returned anyway.
        other_params : mapping
            Further options of the request; none are known today, and an unknown one is refused by name.
        time_index : bool
            Index the table by `time`; otherwise its column `TS` has milliseconds since 1970-01-01 UTC. It is the time
            of each sample where the data tell that.
        subtract : str
            See `getImage`.

        Returns
        -------
        pandas.DataFrame
            Columns `lon`, `lat` and the variables, missing as NaN.
        """
        if output_format != "csv":
            raise NotSupported(f"output_format is 'csv', not {output_format!r}")
        for name in other_params:
            message, near = did_you_mean("option of an extract:", name, ("filters", "output_format"))
            raise UnknownKeyword(message, suggestions=near)
        names = varnames.split(",") if isinstance(varnames, str) else varnames
        query = ExtractQuery(
            str(index),
            tuple(name.strip() for name in names),
            parse_coord(bbox),
            _lapse_of(date),
            parse_filters(filters),
            subtract or "",
        )
        extract = self.service.answer(query, job)
        axis = TimeAxis(extract.labels, extract.calendar)
        table = pd.DataFrame({"lon": extract.lon, "lat": extract.lat, **extract.columns})
        if time_index:
            return table.set_index(_time_index(axis))
        table.insert(0, "TS", axis.millis)
        return table

    def getIndexes(self) -> dict[str, dict[str, Any]]:
        """The indexes available with their configuration; see `Datavore.getIndexes`."""
        return catalog_config(self._maps.answer(CatalogQuery()))

    def getConfig(self) -> list[dict[str, Any]]:
        """Datalaps' own list of indexes: objects with at least `index` (the id) and `name`."""
        return [dict(entry) for entry in self.service.answer(LapsCatalogQuery()).entries]

    @exact_keywords
    def searchIndexes(
        self,
        pattern: str,
        search_field: str = "name",
        return_name_only: bool = False,
        return_id_only: bool = False,
        return_all: bool = False,
    ) -> list[Any]:
        """The indexes of `getConfig` that match a pattern.

        Parameters
        ----------
        pattern : str
            A regular expression, found anywhere in the field, whatever the case.
        search_field : str
            What is searched: `name`, `index`, or another field of the configuration.
        return_name_only, return_id_only, return_all : bool
            Return names, ids, or (id, name, configuration); (id, name) otherwise.
        """
        try:
            wanted = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise InvalidValue(f"the pattern {pattern!r} is no regular expression: {error}") from None
        config = self.getConfig()
        fields = {name for entry in config for name in entry}
        if config and search_field not in fields:
            message, near = did_you_mean("field of the configuration:", search_field, fields)
            raise UnknownName(message, suggestions=near)
        found = [entry for entry in config if wanted.search(str(entry.get(search_field, "")))]
        if return_name_only:
            return [entry["name"] for entry in found]
        if return_id_only:
            return [entry["index"] for entry in found]
        if return_all:
            return [(entry["index"], entry["name"], entry) for entry in found]
        return [(entry["index"], entry["name"]) for entry in found]


_time_index = time_index  # the documented `time_index` hides it in getData


def _lapse_of(date: Any) -> Lapse:
    """A lapse in any spelling, one date being a lapse of its own."""
    if isinstance(date, Lapse) or (isinstance(date, str) and "," in date) or isinstance(date, list | tuple):
        return Lapse.parse(date)
    one = Date.parse(date)
    return Lapse(one, one)


def _series_query(
    index: Any,
    varname: str,
    coord: Any,
    datelaps: Any,
    groupby: str | None,
    aggregate: str,
    filters: Any,
    subtract: str | None = None,
    added: tuple[Any, Any, Any, Any, Window | None] = (None, None, False, None, None),
) -> SeriesQuery:
    anomaly, base, trend, reach, window = added
    return SeriesQuery(
        index=str(index),
        varname=varname,
        coord=parse_coord(coord),
        lapse=Lapse.parse(datelaps),
        groupby=groupby or None,
        aggregate=aggregate,
        filters=parse_filters(filters),
        subtract=subtract or "",
        anomaly=anomaly or None,
        base=parse_base(base),
        trend=bool(trend),
        reach=number_option("reach", reach),
        window=window,
    )


_TOLD = (
    *("units", "long_name", "aggregate", "groupby", "anomaly", "base", "weighting", "time_method", "calendar"),
    *("cell", "distance", "total", "note"),
)


def _facts(series: Series) -> dict[str, Any]:
    """What is true of a whole series, in plain values, without what was not told."""
    facts: dict[str, Any] = {name: getattr(series, name) for name in _TOLD}
    facts |= {"dims": dict(series.dims), "trend": None if series.trend is None else asdict(series.trend)}
    return {name: value for name, value in facts.items() if value not in (None, "", {})}


def _escaped(value: Any) -> str:
    return quote(value if isinstance(value, str) else str(value), safe=",")


def _fill(template: str, fields: Mapping[str, str]) -> str:
    """A format filled in, with exactly these fields: no attribute, no index, no conversion, no format of a value."""
    filled = []
    try:
        for text, name, spec, conversion in string.Formatter().parse(template):
            filled.append(text)
            if name is None:
                continue
            if name not in fields or spec or conversion:
                message, near = did_you_mean("field of the URL's format:", name, fields)
                raise InvalidValue(message, suggestions=near)
            filled.append(fields[name])
    except ValueError as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"the URL's format {template!r} is not whole: {error}") from None
    return "".join(filled)
