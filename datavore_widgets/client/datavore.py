"""Datavore: maps, values and files, by the documented names."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from datavore_widgets.client import export
from datavore_widgets.client.base import Client, exact_keywords, field_arrays, source_from, window_from
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import CellList, FileList
from datavore_widgets.protocol.geometry import parse_bbox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.payloads import catalog_config
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    DataQuery,
    FilesQuery,
    MapQuery,
    Style,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse, label_from_millis
from datavore_widgets.protocol.wire import number_option, parse_plot_options, whole_option

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Datavore"]

_PAGE_NEAREST = 3600
"""Seconds: how far from the page's date its image is looked for, as the published client does."""


class Datavore(Client):
    """Maps, values and files of a service.

    Parameters
    ----------
    service : None, str, Path, list, xarray.Dataset or service
        A server's URL, files, or a service; None is what `$DATAVORE_SERVICE` names, else the built-in sample. See
        `datavore_widgets.connect`.

    Attributes
    ----------
    service : Service
        Who answers.
    """

    @exact_keywords
    def getImage(
        self,
        index: str,
        varname: str,
        date: Any,
        bbox: Any = "global",
        vMin: Any = "default",
        vMax: Any = "default",
        cmap: str = "default",
        nearest: float | None = None,
        offset: Any = "default",
        resolution: Any = "default",
        filters: Any = {},
        paramsPlot: Any = "default",
        *,
        scale: str | None = None,
        subtract: str | None = None,
        window: float | None = None,
        overlap: str = "latest",
        job: Job | None = None,
    ) -> bytes:
        """A map of one time as a PNG without axes or margins: its edges are those of the bbox.

        Parameters
        ----------
        index, varname : str
            Of the catalogue; see `getIndexes`.
        date : str, int, datetime or None
            `YYYYMMDDhhmmss`, UTC, or a prefix that names one time; None where there is no time axis.
        bbox : str or list of float
            `[west, south, east, north]` in degrees, the same as text, or `"global"`.
        vMin, vMax : float
            Ends of the colour scale, in the data's units. By default the 2nd to the 98th percentile of the variable
            over its times, the same for all dates.
        cmap : str
            Name of a colour map; with `_r` at its end it is reversed.
        nearest : float
            How far from `date` a time may be, in seconds; None is exactly that time.
        offset : float
            Added to the values before they are coloured.
        resolution : int
            Pixels of the longer side; by default the grid's own, at most 1024.
        filters : mapping
            What further dimensions and companion variables must be: `{"depth": 0.5}`.
        paramsPlot : mapping or str
            `projection` (`"pc_world"` or `"mercator"`), `resample` (True: bilinear), `reduce` (`"mean"` or
            `"stride"`: what becomes of several cells in a pixel); for swaths `radius` (metres that a sample reaches at
            most) and `plot_method` (`"pcolormesh"`: cells, `"scatter"`: discs).
        scale : str
            `"linear"` or `"log"`; by default logarithmic for what spreads over orders of magnitude: chlorophyll.
        subtract : str
            A companion variable that is taken off the values, such as `"sses_bias"`.
        window : float
            Draw all the times of so many seconds that end with the last moment of `date`: 86400 with the date
            `"20190821"` is that day. For swaths and tracks, which lie elsewhere at each time.
        overlap : str
            What a window shows where values lie over one another: `"latest"` or `"mean"`.
        job : Job, optional
            To cancel with.

        Returns
        -------
        bytes
            The PNG.

        Raises
        ------
        DatavoreError
            `NoData` when there is no such time (it names the closest), `UnknownName`, `InvalidValue` and others.
        """
        query = MapQuery(
            source_from(index, varname, date, nearest, filters, offset, subtract),
            Canvas(parse_bbox(bbox), whole_option("resolution", resolution), **parse_plot_options(paramsPlot)),
            Style(
                None if cmap is None or cmap == "default" else cmap,
                number_option("vMin", vMin),
                number_option("vMax", vMax),
                scale,
            ),
            window_from(window, overlap),
        )
        return self.service.answer(query, job).png

    @exact_keywords
    def getData(
        self,
        index: str,
        varname: str,
        date: Any,
        bbox: Any = "global",
        vMin: Any = "default",  # noqa: ARG002
        vMax: Any = "default",  # noqa: ARG002
        cmap: str = "default",  # noqa: ARG002
        nearest: float | None = None,
        offset: Any = "default",
        resolution: Any = "default",
        filters: Any = {},
        paramsPlot: Any = "default",
        liste: bool = False,
        *,
        subtract: str | None = None,
        window: float | None = None,
        overlap: str = "latest",
        job: Job | None = None,
    ) -> dict[str, Any] | list[tuple[float, float, float]]:
        """The native cells whose centres lie inside the bbox.

        The parameters are those of `getImage`. `vMin`, `vMax`, `cmap` and `paramsPlot` have no effect; `resolution` is
        the most cells wanted along the longer side, and strides are taken to stay within it. Of a `window` of swaths or
        tracks, whose samples lie elsewhere at each time, all samples are given whatever `overlap` is, as one row.

        Parameters
        ----------
        liste : bool
            Return the valid cells as a list.

        Returns
        -------
        dict or list of (lon, lat, value)
            `lon` (nx,) and `lat` (ny,), or both 2-D on curvilinear grids; `data` (ny, nx), missing as NaN or masked
            for integers; `time` (`datetime64`, ISO 8601 text where no Gregorian date is meant, or None); `units`,
            `long_name`; `bbox`; `sample_time` (ny, nx) where the data tell when each sample was taken, and for the
            newest values of a window. Of a window also `aggregate` (`latest`, `avg` or `samples`) and `steps`: times.
        """
        parse_plot_options(paramsPlot)
        query = DataQuery(
            source_from(index, varname, date, nearest, filters, offset, subtract),
            parse_bbox(bbox),
            whole_option("resolution", resolution),
            bool(liste),
            window_from(window, overlap),
        )
        answer = self.service.answer(query, job)
        return answer.cells if isinstance(answer, CellList) else field_arrays(answer)

    @exact_keywords
    def to_xarray(
        self,
        index: str,
        varname: str,
        date: Any,
        bbox: Any = "global",
        *,
        nearest: float | None = None,
        offset: Any = "default",
        resolution: Any = "default",
        filters: Any = {},
        subtract: str | None = None,
        window: float | None = None,
        overlap: str = "latest",
        job: Job | None = None,
    ) -> xr.Dataset:
        """The cells of `getData` as a data set by the CF conventions, with what was asked and what was used.

        Its `to_netcdf` writes it to a file; see `datavore_widgets.client.export` for CSV. The parameters are those of
        `getData`.

        Returns
        -------
        xarray.Dataset
            The variable on `lat` and `lon` as sampled, or on `y` and `x` with two-dimensional ones; the facts are
            attributes `datavore_…`.
        """
        query = DataQuery(
            source_from(index, varname, date, nearest, filters, offset, subtract),
            parse_bbox(bbox),
            whole_option("resolution", resolution),
            window=window_from(window, overlap),
        )
        return export.exported(self.service, query, job)

    @exact_keywords
    def getImageFromUrl(self, url: str) -> bytes:
        """The image that a web page of Datavore shows, asked of *this* service: the URL's host is never asked.

        Parameters
        ----------
        url : str
            The page's address, which keeps `d` (index), `r` (bbox), `v` (variable) and `dt` (date) after `?` or `#`.

        Returns
        -------
        bytes
            The PNG, of the time at most an hour from the page's.
        """
        state = _page_state(url)
        return self.getImage(state["d"], state["v"], _page_date(state["dt"]), bbox=state["r"], nearest=_PAGE_NEAREST)

    @exact_keywords
    def getFileList(
        self,
        index: str,
        varname: str,
        bbox: Any = "global",
        startdate: Any = "19500917",
        stopdate: Any = "21000917",
        dl: int = 0,  # noqa: ARG002
        inv: Any = "null",  # noqa: ARG002
        filters: Any = "null",
        *,
        job: Job | None = None,
    ) -> list[str]:
        """The files that the data in a bbox and between two dates come from, in the order of time.

        Parameters
        ----------
        bbox : str or list of float
            See `getImage`.
        startdate, stopdate : str, int or datetime
            Both included; a prefix at the end reaches to its last moment.
        dl, inv
            Accepted, as published clients send them; they have no effect.
        filters : mapping or str
            See `getImage`.
        """
        lapse = Lapse(Date.parse(startdate), Date.parse(stopdate))
        query = FilesQuery(str(index), varname, parse_bbox(bbox), lapse, parse_filters(filters))
        found: FileList = self.service.answer(query, job)
        if found.growth is not None:
            warnings.warn(found.growth.text, UserWarning, stacklevel=2)
        return list(found.files)

    def getIndexes(self) -> dict[str, dict[str, Any]]:
        """The indexes available with their configuration: name, title, bbox, times and variables by id."""
        return catalog_config(self.service.answer(CatalogQuery()))

    def getListIndexes(self) -> list[str]:
        """The ids of the indexes available."""
        return list(self.service.answer(CatalogQuery()).indexes)

    def printListIndexes(self) -> None:
        """Print the ids of the indexes available, one a line."""
        for index in self.getListIndexes():
            print(index)  # noqa: T201  # it is what the method is for


def _page_state(url: str) -> Mapping[str, str]:
    """What a page's URL keeps, whether after `?` or `#`, percent-encoded or not."""
    if not isinstance(url, str):
        raise InvalidValue(f"the URL of a page is text, not {url!r}")
    for text in (url, unquote(url)):
        pairs = (part.partition("=") for part in re.split(r"[?#&]", text)[1:])
        state = {name.strip("/!"): unquote(value).strip() for name, _, value in pairs}
        missing = [name for name in ("d", "r", "v", "dt") if not state.get(name)]
        if not missing:
            return state
    raise InvalidValue(
        f"the URL of a page holds d=index&r=x1,y1,x2,y2&v=variable&dt=date after its ? or #; {', '.join(missing)} "
        "is missing"
    )


def _page_date(text: str) -> Date:
    """A date in any spelling that a web page uses."""
    spelled = re.sub(r"^(\d{4}-\d{2}-\d{2})\+", r"\1 ", text)  # a form writes a blank as +
    if re.fullmatch(r"-?\d{13}", spelled):
        return Date.from_label(int(label_from_millis(int(spelled))))
    try:
        return Date.parse(spelled)
    except InvalidValue:
        return Date.parse(_written_out(spelled.replace("+", " ")) or spelled)


def _written_out(text: str) -> dt.datetime | None:
    """`Wed, 15 Aug 2012 12:00:00 GMT`, and `Wed Aug 15 2012 12:00:00 GMT+0200 (CEST)` as browsers write it."""
    browser = re.match(r"\w{3} (\w{3}) (\d{1,2}) (\d{4}) (\d\d:\d\d:\d\d)(?: (?:GMT|UTC))?[ +]?(-?\d{4})?", text)
    if browser:
        month, day, year, clock, zone = browser.groups()
        text = f"{day} {month} {year} {clock} {zone if zone and zone[0] == '-' else '+' + (zone or '0000')}"
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
