"""Answers as files: an xarray data set, NetCDF by the CF conventions, CSV; each says what was asked and what was used.

A picture is exported as the native cells inside its box, that of a lapse as their aggregate over it, a chart as its
series. What an answer knows is written out
whole: its numbers and texts as attributes and columns, its arrays along time as variables and columns of their own.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets import __version__
from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol import wire
from datavore_widgets.protocol.answers import Field, Series, VariableInfo
from datavore_widgets.protocol.door import Service
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    CatalogQuery,
    DataQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    Query,
    SeriesQuery,
)
from datavore_widgets.protocol.times import (
    CLIMATOLOGIES,
    GROUP_DIGITS,
    Stamp,
    date_of_day,
    day_number,
    iso,
    parts_from_label,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "FORMATS",
    "answered",
    "export_query",
    "exported",
    "facts",
    "file_name",
    "save",
    "to_csv",
    "to_netcdf",
    "to_xarray",
]

FORMATS = {"nc": "NetCDF", "csv": "CSV"}
"""What `save` writes, by the ending of the file."""

_Exported = Field | Series
_Asked = DataQuery | LapseDataQuery | SeriesQuery
_METHODS = {
    "avg": "mean",
    "area_avg": "mean",
    "max": "maximum",
    "min": "minimum",
    "std": "standard_deviation",
    "area_std": "standard_deviation",
    "time_std": "standard_deviation",
    "median": "median",
}
"""Aggregates by their names in CF (appendix E: cell methods)."""
_TAKEN = (
    "lon",
    "lat",
    "time",
    "time_bnds",
    "climatology_bnds",
    "bnds",
    "x",
    "y",
    "counts",
    "steps",
    "complete",
    "years",
    "sample_time",
    "granule_time",
)
_EPOCH = 1970
_TIME = {
    "standard_name": "time",
    "long_name": "time",
    "units": f"seconds since {_EPOCH}-01-01 00:00:00",
    "calendar": "standard",
}
_NUMBERS = re.compile(r"[-+0-9.,]*")


def export_query(query: Query) -> DataQuery | LapseDataQuery | SeriesQuery:
    """The question whose answer is what a picture or a chart shows: the native cells in its box, or its series.

    Raises
    ------
    NotSupported
        When it has none.
    """
    if isinstance(query, MapQuery):
        return DataQuery(query.source, query.canvas.bbox, window=query.window)
    if isinstance(query, LapseMapQuery):
        return LapseDataQuery(
            query.index, query.varname, query.canvas.bbox, query.lapse, query.aggregate, query.filters, query.subtract
        )
    if isinstance(query, SeriesQuery | LapseDataQuery) or (isinstance(query, DataQuery) and not query.as_list):
        return query
    raise NotSupported(f"pictures, values and series are exported, not the answer to a {type(query).__name__}")


def save(service: Service, query: Query, ending: str = "nc", job: Job | None = None) -> tuple[str, bytes]:
    """What a query shows, as a file.

    Parameters
    ----------
    service : Service
        Who is asked; a client is one.
    query : MapQuery, LapseMapQuery, DataQuery, LapseDataQuery or SeriesQuery
        What is on screen.
    ending : {'nc', 'csv'}
        NetCDF or CSV.

    Returns
    -------
    (str, bytes)
        A name for the file, and what is in it.

    Raises
    ------
    InvalidValue
        For another ending.
    DatavoreError
        Whatever the service has to say.
    """
    if ending not in FORMATS:
        raise InvalidValue(f"exports are written as {' or '.join(FORMATS)}, not {ending!r}")
    asked, answer, info = answered(service, query, job)
    data = to_netcdf(asked, answer, info) if ending == "nc" else to_csv(asked, answer).encode("utf-8")
    return file_name(asked, answer, ending), data


def exported(service: Service, query: Query, job: Job | None = None) -> xr.Dataset:
    """What a query shows, as a data set: see `save` and `to_xarray`."""
    return to_xarray(*answered(service, query, job))


def answered(service: Service, query: Query, job: Job | None = None) -> tuple[_Asked, _Exported, VariableInfo | None]:
    """What is asked for a file (see `export_query`), the answer, and what the catalogue knows of the variable."""
    asked = export_query(query)
    info = service.answer(CatalogQuery()).index(_index(asked)).variables.get(_varname(asked))
    answer: Any = service.answer(asked, job)
    return asked, answer, info


def facts(query: _Asked, answer: _Exported) -> dict[str, str | float | int]:
    """What was asked and what was used, by name: the numbers and texts beside the values of an answer."""
    told: dict[str, Any] = {"index": _index(query), "variable": _varname(query)}
    if isinstance(query, DataQuery):
        source = query.source
        told["time_asked"] = source.date and source.date.digits
        told["nearest_s"] = source.nearest
        told["bbox_asked"] = query.bbox.to_text()
        told["offset"] = source.offset or None
        filters = source.filters
    elif isinstance(query, LapseDataQuery):
        told["bbox_asked"], told["lapse_asked"] = query.bbox.to_text(), query.lapse.to_text()
        filters = query.filters
    else:
        told["bbox_asked" if isinstance(query.coord, BBox) else "point_asked"] = query.coord.to_text()
        told["lapse_asked"] = query.lapse.to_text()
        told["groupby"] = query.groupby or "every time"
        told["aggregate"] = query.aggregate
        filters = query.filters
    if not isinstance(query, LapseDataQuery) and query.window is not None:
        told |= {"window_s": query.window.seconds, "overlap": query.window.overlap}
    told["filters"] = wire.filters_to_json(filters) if filters else None
    for field in dataclasses.fields(answer):
        value = getattr(answer, field.name)
        if field.name == "time" and isinstance(query, LapseDataQuery):
            continue  # the last one; the lapse tells it
        if field.name == "is_climatology" and not value:
            continue
        if value is not None and not isinstance(value, np.ndarray) and field.name not in ("bbox", "dims"):
            word = _NAMES.get(field.name, field.name)
            if field.name == "period":
                word = "period_used" if isinstance(answer, Field) and answer.aggregate is None else "lapse_used"
            told |= _spelled(word, value)
    told |= {f"dim_{name}": value for name, value in answer.dims.items()}
    if isinstance(answer, Field):
        told["cells_valid"], told["cells_total"] = _counted(answer)
    return {name: value for name, value in told.items() if value not in (None, "")}


_NAMES = {"time": "time_used", "cell": "cell_used", "distance": "distance_m", "total": "cells_total"}


def _spelled(name: str, value: Any) -> dict[str, Any]:
    """A fact as text or number."""
    if isinstance(value, Stamp):
        return {name: value.iso, "calendar": value.calendar}
    if name in ("period_used", "lapse_used") and value is not None:
        first, last = value
        return {name: f"{first.iso}/{last.iso}", "calendar": first.calendar}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f"{name}_{key}": item for key, item in dataclasses.asdict(value).items()}
    if name == "cell_used" and value is not None:
        return {f"{name}_lon": value[0], f"{name}_lat": value[1]}
    if isinstance(value, Mapping | list | tuple):
        return {name: json.dumps(value, default=str)} if value else {}
    return {name: int(value) if isinstance(value, bool) else value}


def _counted(field: Field) -> tuple[int, int]:
    """Cells with a value, and all whose centres lie in the box asked."""
    valid = int(np.count_nonzero(_there(field.data)))
    if field.lon.ndim == 1:
        return valid, field.data.size
    return valid, int(np.count_nonzero(field.bbox.contains(field.lon, field.lat)))


def _there(values: NDArray[Any]) -> NDArray[np.bool_]:
    there = ~np.ma.getmaskarray(values)
    if values.dtype.kind == "f":
        there &= ~np.isnan(np.ma.getdata(values))
    return np.asarray(there)


def file_name(query: _Asked, answer: _Exported, ending: str) -> str:
    """A name for a file: index, variable and time, in letters, digits, dots and dashes alone."""
    parts = [_index(query), _varname(query)]
    if isinstance(answer, Series):
        ends = [iso(int(label))[:10] for label in answer.labels[[0, -1]]] if answer.labels.size else []
        parts += ["series", *ends]
    elif answer.aggregate is not None and answer.period is not None:
        parts += [answer.aggregate, *(stamp.iso[:10] for stamp in answer.period)]
    elif answer.time is not None:
        parts.append(answer.time.iso)
    text = re.sub(r"[^A-Za-z0-9.-]+", "_", "_".join(parts).replace(":", ""))
    return f"{text.strip('._')[:120] or 'data'}.{ending}"


# --- CSV -----------------------------------------------------------------------------------------------------------


def to_csv(query: _Asked, answer: _Exported) -> str:
    """A table with a header: a row for each time of a series, or for each cell with a value; every fact is a column.

    Times are ISO 8601 in UTC, as their own calendar writes them; missing values are empty.
    """
    names, columns = _table(query, answer)
    told = facts(query, answer)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([*map(_harmless, names), *told])
    same = io.StringIO(newline="")
    csv.writer(same, lineterminator="\n").writerow([_harmless(value) for value in told.values()])
    tail = "," + same.getvalue()
    text.writelines(",".join(row) + tail for row in zip(*map(_written, columns), strict=True))
    return text.getvalue()


def _table(query: _Asked, answer: _Exported) -> tuple[list[str], list[Any]]:
    if isinstance(answer, Series):
        arrays = dict(_along_time(answer))
        times = {"time": answer.labels}
        if answer.granules is not None:
            times |= {"granule_time": answer.granules}
        if answer.bounds is not None:
            times |= {"first_moment": answer.bounds[:, 0], "first_after": answer.bounds[:, 1]}
        dates = [[iso(label) for label in labels.tolist()] for labels in times.values()]
        return [*times, _varname(query), *arrays], [*dates, answer.values, *arrays.values()]
    there = _there(answer.data)
    lon, lat = (answer.lon, answer.lat) if answer.lon.ndim == 2 else np.meshgrid(answer.lon, answer.lat)
    names, columns = ["lon", "lat", _varname(query)], [lon[there], lat[there], np.ma.getdata(answer.data)[there]]
    if answer.sample_time is not None:
        moments = answer.sample_time.astype("M8[ms]")[there]
        names.append("sample_time")
        columns.append(["" if np.isnat(moment) else f"{moment}Z" for moment in moments])
    return names, columns


def _along_time(series: Series) -> Iterator[tuple[str, NDArray[Any]]]:
    """The other arrays of a series that have a value for each of its times."""
    for field in dataclasses.fields(series):
        value = getattr(series, field.name)
        if isinstance(value, np.ndarray) and field.name not in ("labels", "values", "bounds", "granules"):
            yield field.name, value


def _written(column: Any) -> Iterator[str]:
    if isinstance(column, np.ndarray):
        return ("" if value != value else repr(value) for value in column.tolist())  # NaN alone differs from itself
    return iter(column)


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    starts = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if starts and not _NUMBERS.fullmatch(value) else value


# --- NetCDF ----------------------------------------------------------------------------------------------------------


def to_netcdf(query: _Asked, answer: _Exported, info: VariableInfo | None = None) -> bytes:
    """A NetCDF file (CF-1.11): coordinates as sampled, units, cell methods, and every fact as an attribute.

    It is a classic one (64-bit offset): every tool reads it, and it is written without a library that another thread
    may be reading with.

    Parameters
    ----------
    info : VariableInfo, optional
        What the catalogue knows: the standard name, and the meanings of flags.
    """
    return bytes(_encoded(query, answer, info).to_netcdf(engine="scipy", format="NETCDF3_64BIT"))


def to_xarray(query: _Asked, answer: _Exported, info: VariableInfo | None = None) -> xr.Dataset:
    """The data set that `to_netcdf` writes, as xarray reads it back."""
    import xarray as xr

    return xr.decode_cf(_encoded(query, answer, info))


def _encoded(query: _Asked, answer: _Exported, info: VariableInfo | None) -> xr.Dataset:
    """The data set as it is stored: nothing left for xarray to encode."""
    import xarray as xr

    name = _plain(_varname(query)) or "data"
    name = f"{name}_values" if name in _TAKEN else name
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = facts(query, answer)
    attrs = {
        "Conventions": "CF-1.11",
        "title": f"{answer.long_name or name} of {_index(query)}",
        "source": f"{_index(query)} {_varname(query)}",
        "history": f"{now} datavore_widgets {__version__}: {wire.write(query).target}",
        **{f"datavore_{_plain(key)}": value for key, value in told.items()},
    }
    own = _variable_attrs(answer, info)
    if isinstance(answer, Field):
        coords, variables = _of_field(answer, name, own, "" if info is None else info.time_method)
    else:
        coords, variables = _of_series(query, answer, name, own)
    dataset = xr.Dataset(variables, coords, attrs)
    # These come with no fill value but the one that they have.
    for variable in dataset.variables.values():
        variable.encoding.setdefault("_FillValue", None)
        if "_FillValue" in variable.attrs:
            del variable.encoding["_FillValue"]
    return dataset


def _plain(name: str) -> str:
    """A name as classic files have it: in ASCII, which alone all that read them take for the same; without accents."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9_.+@-]", "_", bare)


def _variable_attrs(answer: _Exported, info: VariableInfo | None) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if answer.long_name:
        attrs["long_name"] = answer.long_name
    if info is not None and info.standard_name:
        attrs["standard_name"] = info.standard_name
    attrs["units"] = answer.units or "1"
    return attrs


def _of_field(
    field: Field, name: str, attrs: dict[str, Any], time_method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    flat = field.lon.ndim == 1
    dims = ("lat", "lon") if flat else ("y", "x")
    coords: dict[str, Any] = {
        axis: ((axis,) if flat else dims, *_place(values, axis))
        for axis, values in (("lon", field.lon), ("lat", field.lat))
    }
    variables: dict[str, Any] = {}
    if field.period is not None:
        # In the middle of its bounds, as means are.
        bounds, told = _times(np.array([stamp.label for stamp in field.period]), field.period[0].calendar)
        if bounds[0] < bounds[1]:
            word, of_bounds = ("climatology", "climatology_bnds") if field.is_climatology else ("bounds", "time_bnds")
            told[word], variables[of_bounds] = of_bounds, (("bnds",), bounds)
        coords["time"] = ((), bounds.mean(), told)
    if field.aggregate is None and field.time is not None:
        seconds, own = _times(np.array([field.time.label]), field.time.calendar)
        # Its own time, with the bounds if it has any.
        coords["time"] = ((), seconds[0], {**(coords["time"][2] if "time" in coords else {}), **own})
        if field.period is not None and time_method:
            over = f" within years time: {time_method} over years" if field.is_climatology else ""
            attrs = {**attrs, "cell_methods": f"time: {time_method}{over}"}
    if field.aggregate is not None:
        attrs = _as_aggregated(attrs, field.aggregate)
        if method := _METHODS.get(field.aggregate):
            attrs["cell_methods"] = f"time: {method}" + (f" (comment: {field.weighting})" if field.weighting else "")
    coords = _dims(field) | coords
    values, fill = _stored(field.data)
    variables[name] = (dims, values, {**attrs, **fill})
    if field.sample_time is not None:
        # Milliseconds as whole numbers do not fit in a classic file; NaT is NaN.
        moments = field.sample_time.astype("M8[ms]")
        seconds = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e3)
        variables["sample_time"] = (dims, *_with_fill(seconds, {**_TIME, "long_name": "time of the sample"}))
        variables[name][2]["ancillary_variables"] = "sample_time"
    return coords, variables


def _as_aggregated(attrs: dict[str, Any], aggregate: str) -> dict[str, Any]:
    """The attributes of a variable for an aggregate of it: a count is another quantity, a spread has no level."""
    if aggregate == "count":
        return {**attrs, "standard_name": "number_of_observations", "units": "1"}
    return {
        key: value
        for key, value in attrs.items()
        if key != "standard_name" or aggregate in ("avg", "area_avg", "max", "min", "median", "latest", "samples")
    }


def _of_series(query: Any, series: Series, name: str, attrs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    seconds, told = _times(series.labels, series.calendar)
    coords: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    attrs = _as_aggregated(attrs, query.aggregate)
    if query.anomaly is not None:
        # A difference has not the standard name of a level.
        attrs.pop("standard_name", None)
        attrs["long_name"] = f"{attrs.get('long_name', name)} anomaly"
    if methods := _cell_methods(query, series):
        attrs["cell_methods"] = methods
    bounds = series.bounds
    if bounds is None and query.groupby in GROUP_DIGITS:
        bounds = np.column_stack([series.labels, _ends(series.labels, query.groupby, series.calendar)])
    if bounds is not None:
        word = "climatology" if query.groupby in CLIMATOLOGIES else "bounds"
        told[word] = "climatology_bnds" if query.groupby in CLIMATOLOGIES else "time_bnds"
        variables[told[word]] = (("time", "bnds"), _times(bounds, series.calendar)[0])
    coords["time"] = (("time",), seconds, told)
    if series.granules is not None:
        granules, granules_told = _times(series.granules, series.calendar)
        variables["granule_time"] = (("time",), granules, {**granules_told, "long_name": "time of the granule"})
    if series.cell is not None:
        for axis, value in zip(("lon", "lat"), series.cell, strict=True):
            coords[axis] = ((), *_place(np.array(value), axis))
    coords = _dims(series) | coords
    arrays = {key: _stored(values) for key, values in _along_time(series)}
    if arrays:
        attrs["ancillary_variables"] = " ".join(arrays)
    variables[name] = (("time",), *_with_fill(series.values, attrs))
    for key, (values, fill) in arrays.items():
        counts = {"standard_name": "number_of_observations", "units": "1"} if key == "counts" else {}
        variables[key] = (("time",), values, {**counts, **fill})
    return coords, variables


def _dims(answer: _Exported) -> dict[str, Any]:
    """The values taken on further dimensions, as scalar coordinates."""
    return {
        re.sub(r"\W", "_", _plain(dim)): ((), value if isinstance(value, str) else float(value))
        for dim, value in answer.dims.items()
    }


def _cell_methods(query: SeriesQuery, series: Series) -> str:
    """How values were made (CF 7.3), with the weights in words; empty where CF has no word for it."""
    method = _METHODS.get(query.aggregate)
    if method is None:
        return ""
    area = isinstance(query.coord, BBox)
    over_time = bool(query.groupby)
    if not area and not over_time:
        return f"time: {series.time_method}" if series.time_method else ""
    comment = f" (comment: {series.weighting or 'of all valid values, pooled'})"
    if query.groupby in CLIMATOLOGIES:
        return ("area: mean " if area else "") + f"time: {method} within years time: {method} over years{comment}"
    if query.aggregate == "time_std":
        return ("area: mean " if area else "") + f"time: {method}{comment}"
    if query.aggregate == "area_avg" and area and over_time:
        # One after the other; plain means are of both at once.
        return f"area: mean time: mean{comment}"
    return ("time: " if over_time else "") + ("area: " if area else "") + method + comment


def _place(values: NDArray[Any], axis: str) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """A longitude or latitude with its attributes."""
    word, direction = ("longitude", "east") if axis == "lon" else ("latitude", "north")
    attrs = {"standard_name": word, "long_name": word, "units": f"degrees_{direction}"}
    return _with_fill(np.asarray(values, dtype=np.float64), attrs)


def _with_fill(values: NDArray[Any], attrs: dict[str, Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    stored, fill = _stored(values)
    return stored, {**attrs, **fill}


def _stored(values: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Values in a type that a classic file has, and the fill value of missing ones, if there are any."""
    data = np.ma.getdata(values)
    kinds: dict[str, Any] = {"b1": np.int8, "u1": np.int16, "u2": np.int32}
    dtype: np.dtype[Any] = np.dtype(kinds.get(data.dtype.str[1:], data.dtype))
    if dtype.kind in "iu" and dtype.itemsize * (2 if dtype.kind == "u" else 1) > 4:
        there = data[_there(values)]
        fits = np.iinfo(np.int32)
        dtype = np.dtype(
            np.int32 if there.size == 0 or fits.min < there.min() <= there.max() <= fits.max else np.float64
        )
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    there = _there(values)
    if there.all():
        return np.asarray(data.astype(dtype)), {}
    if dtype.kind == "f":
        fill: Any = dtype.type(np.nan)
    else:
        low = np.iinfo(dtype).min
        if (data[there] == low).any():
            return _stored(np.ma.array(data, dtype=np.float64, mask=~there))
        fill = dtype.type(low)
    return np.where(there, data.astype(dtype, copy=False), fill), {"_FillValue": fill}


def _times(labels: NDArray[np.int64], calendar: str) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Seconds on the calendar's own count; float64 holds milliseconds over a hundred thousand years."""
    year, month, day, hour, minute, second, milli = parts_from_label(labels)
    days = day_number(year, month, day, calendar) - day_number(_EPOCH, 1, 1, calendar)
    seconds = days * 86400.0 + hour * 3600.0 + minute * 60.0 + second + milli / 1000.0
    return np.asarray(seconds, dtype=np.float64), {**_TIME, "calendar": calendar}


def _ends(labels: NDArray[np.int64], groupby: str, calendar: str) -> NDArray[np.int64]:
    """The labels at which years, months or days end that begin at some labels."""
    year, month, day = parts_from_label(labels)[:3]
    if groupby == "yyyy":
        year, month, day = year + 1, np.ones_like(month), np.ones_like(day)
    elif groupby == "yyyy-MM":
        year, month, day = year + month // 12, month % 12 + 1, np.ones_like(day)
    else:
        year, month, day = date_of_day(day_number(year, month, day, calendar) + 1, calendar)
    return ((year * 100 + month) * 100 + day) * 10**9


def _index(query: _Asked) -> str:
    return query.source.index if isinstance(query, DataQuery) else query.index


def _varname(query: _Asked) -> str:
    return query.source.varname if isinstance(query, DataQuery) else query.varname
