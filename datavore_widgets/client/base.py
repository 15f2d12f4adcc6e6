"""What the documented classes share: how what people write becomes queries, and answers what is promised."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from datavore_widgets.connect import connect
from datavore_widgets.errors import UnknownKeyword, did_you_mean
from datavore_widgets.protocol.answers import Field
from datavore_widgets.protocol.door import Service
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import Query, Source, Window, parse_filters
from datavore_widgets.protocol.times import (
    Date,
    Stamp,
    TimeAxis,
    label_from_millis,
    millis_from_label,
    parts_from_label,
)
from datavore_widgets.protocol.wire import number_option

__all__ = ["Client", "exact_keywords", "field_arrays", "root_of", "source_from", "time_index", "window_from"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def exact_keywords(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Refuse an unknown keyword of a method by name, with the nearest right one."""
    known = [name for name in inspect.signature(method).parameters if name != "self"]

    @functools.wraps(method)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name not in known:
                message, near = did_you_mean(f"keyword of {method.__name__}:", name, known)
                raise UnknownKeyword(f"{message} (allowed: {', '.join(known)})", suggestions=near)
        return method(*args, **kwargs)

    return checked


class Client:
    """Asks one service: what the documented classes derive from."""

    def __init__(self, service: Any = None) -> None:
        self.service = connect(service)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.datavoreService!r})"

    @property
    def datavoreService(self) -> str:
        """The root that is asked: a URL, or `datavore:/name` for a service in this process."""
        return root_of(self.service)

    def answer(self, query: Query, job: Job | None = None) -> Any:
        """The answer to a query: a client is a service too."""
        return self.service.answer(query, job)


def root_of(service: Service) -> str:
    """Where a service is, as text; that of a client is its service's."""
    return str(getattr(service, "root", None) or getattr(service, "datavoreService", None) or "datavore:/service")


def source_from(
    index: Any, varname: Any, date: Any, nearest: Any, filters: Any, offset: Any, subtract: str | None = None
) -> Source:
    """A source in the documentation's spelling; the date None or `"null"` is none."""
    return Source(
        index=str(index),
        varname=varname,
        date=None if date is None or date == "null" else Date.parse(date),
        nearest=number_option("nearest", nearest),
        filters=parse_filters(filters),
        offset=number_option("offset", offset) or 0.0,
        subtract=subtract or "",
    )


def window_from(window: Any, overlap: str) -> Window | None:
    """A window of time in the documentation's spelling; None is none."""
    seconds = number_option("window", window)
    return None if seconds is None else Window(seconds, overlap)


def field_arrays(field: Field) -> dict[str, Any]:
    """The dict that `getData` returns."""
    return {
        "lon": field.lon,
        "lat": field.lat,
        "data": field.data,
        "time": None if field.time is None else _timestamp(field.time),
        "units": field.units,
        "long_name": field.long_name,
        "bbox": np.array(field.bbox.to_tuple()),
        **({} if field.sample_time is None else {"sample_time": field.sample_time}),
        **({} if field.aggregate is None else {"aggregate": field.aggregate, "steps": field.steps}),
    }


def _timestamp(stamp: Stamp) -> np.datetime64 | str:
    """A `datetime64`, or ISO 8601 text where no Gregorian date has that label."""
    millis = millis_from_label(stamp.label)
    if int(label_from_millis(millis)) != stamp.label:
        return stamp.iso
    return np.datetime64(int(millis), "ms")


def time_index(axis: TimeAxis) -> pd.Index[Any]:
    """Times as pandas has them: naive UTC, or a `CFTimeIndex` where a label is no Gregorian date."""
    millis = axis.millis
    if np.array_equal(label_from_millis(millis), axis.labels):
        return pd.DatetimeIndex(millis.astype("M8[ms]"), name="time")
    # Late: few files have such dates, and these two take a second to load.
    import cftime
    import xarray as xr

    dates = [
        cftime.datetime(*parts[:6], parts[6] * 1000, calendar=axis.calendar, has_year_zero=True)
        for parts in zip(*(part.tolist() for part in parts_from_label(axis.labels)), strict=True)
    ]
    index: pd.Index[Any] = xr.CFTimeIndex(dates, name="time")  # type: ignore[no-untyped-call]
    return index
