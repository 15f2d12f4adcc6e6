"""Answers as bytes and back.

Pictures are PNG, with what is true of them as JSON in one header; arrays are msgpack; extracts are CSV; the rest is
JSON, in which a missing value is null and never NaN. `decode` believes nothing: what disagrees with itself or is cut
short is a `BadReply`, and what a server does not tell is None.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import BadReply, DatavoreError, InvalidValue
from datavore_widgets.protocol import arrays, checks, wave_payloads
from datavore_widgets.protocol.answers import (
    Catalog,
    CellList,
    Extract,
    Field,
    FileList,
    IndexInfo,
    LapsCatalog,
    MapImage,
    Series,
    Times,
    Trend,
    VariableInfo,
)
from datavore_widgets.protocol.diagnosis import Checkup, Diagnosis, VariableDiagnosis
from datavore_widgets.protocol.door import Answer
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.job import Estimate
from datavore_widgets.protocol.png import check_png
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    Query,
    QuicklookQuery,
    SeriesQuery,
    SpectrumQuery,
    TimesQuery,
)
from datavore_widgets.protocol.times import (
    Date,
    Stamp,
    TimeAxis,
    label_from_millis,
    millis_from_label,
)
from datavore_widgets.protocol.waves import Acquisitions, Quicklook, WaveSpectrum

__all__ = [
    "EXTRACT_HEADER",
    "GROWTH_HEADER",
    "PICTURE_HEADER",
    "Payload",
    "Progress",
    "catalog_config",
    "decode",
    "decode_progress",
    "encode",
    "encode_progress",
    "excerpt",
]

PICTURE_HEADER = "Datavore-Picture"
"""JSON of everything in `MapImage` or `Quicklook` but the pixels."""

GROWTH_HEADER = "Datavore-Growth"
"""JSON: how many of the files are listed, where the list is still growing."""

EXTRACT_HEADER = "Datavore-Extract"
"""JSON `{"calendar": …}` where the calendar of an extract is not the standard one.

An extract whose milliseconds do not tell its times has a last column `label`: as its own calendar writes them.
"""

_LONGEST_TEXT = 2000  # of a name or a note in a header: HTTP clients refuse lines of 64 kB


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of a reply, its type and our headers."""

    media_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# --- writing -------------------------------------------------------------------------------------------------------


def encode(answer: Answer) -> Payload:
    """An answer as the body and the headers of a reply."""
    payload = _encoded(answer)
    growth = getattr(answer, "growth", None)
    if growth is not None:
        payload = replace(payload, headers={**payload.headers, GROWTH_HEADER: _json(asdict(growth))})
    return payload


def _encoded(answer: Answer) -> Payload:
    match answer:
        case MapImage():
            return Payload("image/png", answer.png, {PICTURE_HEADER: _json(_picture_facts(answer))})
        case Quicklook():
            return Payload("image/png", answer.png, {PICTURE_HEADER: _json(wave_payloads.quicklook_facts(answer))})
        case Acquisitions():
            return Payload("application/msgpack", arrays.pack(wave_payloads.acquisitions_map(answer)))
        case WaveSpectrum():
            return Payload("application/msgpack", arrays.pack(wave_payloads.spectrum_map(answer)))
        case Field():
            return Payload("application/msgpack", arrays.pack(_field_map(answer)))
        case CellList(cells):
            return Payload("application/msgpack", arrays.pack([list(cell) for cell in cells]))
        case Extract():
            return _encode_extract(answer)
        case Series():
            return _json_payload(_series_object(answer))
        case FileList(files, footprints):
            return _json_payload(files if footprints is None else {"files": files, "footprints": footprints})
        case Preparation():
            return _json_payload(asdict(answer))
        case Checkup():
            return _json_payload(asdict(answer))
        case Times(axis, exact):
            told = {"labels": _spell(axis.labels), "milliseconds": axis.millis.tolist()}
            return _json_payload({**told, "calendar": axis.calendar, "exact": exact})
        case Catalog():
            return _json_payload(catalog_config(answer))
        case LapsCatalog(entries):
            return _json_payload([dict(entry) for entry in entries])


class Progress(NamedTuple):
    """How far a question is.

    Parameters
    ----------
    done, total : int
        Steps; a total of 0 is told before anything is known.
    estimate : Estimate, optional
        What it reads.
    parts : int
        Partial answers that there were so far.
    """

    done: int
    total: int
    estimate: Estimate | None = None
    parts: int = 0


def encode_progress(progress: Progress) -> Payload:
    """How far a question is."""
    estimate = progress.estimate
    told: dict[str, Any] = {"done": progress.done, "total": progress.total, "parts": progress.parts}
    if estimate is not None:
        told["estimate"] = {"bytes": estimate.nbytes, "chunks": estimate.chunks, "seconds": estimate.seconds}
    return _json_payload(told)


def decode_progress(body: bytes) -> Progress:
    """How far a question is.

    Raises
    ------
    BadReply
        When it is something else.
    """
    told = checks.typed(_load(body), dict, "progress")
    done, total, parts = (checks.whole(told.get(name, 0), "progress") for name in ("done", "total", "parts"))
    estimate = checks.maybe(_estimate, told, "estimate")
    return Progress(done, total, estimate, parts)


def _estimate(value: Any, what: str) -> Estimate:
    told = checks.typed(value, dict, what)
    seconds = checks.maybe(checks.number, told, "seconds")
    return Estimate(checks.whole(told.get("bytes"), what), checks.whole(told.get("chunks"), what), seconds)


def _json(value: Any) -> str:
    return json.dumps(_clean(value), separators=(",", ":"), allow_nan=False)


def _json_payload(value: Any) -> Payload:
    return Payload("application/json", _json(value).encode("ascii"))


def _clean(value: Any) -> Any:
    """Plain JSON values: what is not finite becomes null, numpy's scalars and arrays Python's."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _clean(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable):
        return [_clean(item) for item in value]
    return str(value)


def _spell(labels: NDArray[np.int64]) -> list[str]:
    """`YYYYMMDDhhmmss`, with milliseconds only where there are any."""
    return [Date.from_label(label).digits for label in labels.tolist()]


def _need_labels(labels: NDArray[np.int64], calendar: str) -> bool:
    """Whether milliseconds alone do not tell the times: always in another calendar, so that readers can rely on it."""
    axis = TimeAxis(labels, calendar)
    return not axis.is_gregorian or not np.array_equal(label_from_millis(axis.millis), labels)


def _told_time(stamp: Stamp | None) -> str | None:
    return None if stamp is None else stamp.iso


def _picture_facts(image: MapImage) -> dict[str, Any]:
    calendar = image.time.calendar if image.time else image.first_time.calendar if image.first_time else None
    return {
        "bbox": image.bbox.to_tuple(),
        "projection": image.projection,
        "width": image.width,
        "height": image.height,
        "time": _told_time(image.time),
        "first_time": _told_time(image.first_time),
        "calendar": calendar,
        "units": image.units[:_LONGEST_TEXT],
        "long_name": image.long_name[:_LONGEST_TEXT],
        "cmap": image.cmap,
        "vmin": image.vmin,
        "vmax": image.vmax,
        "scale": image.scale,
        "valid": image.valid,
        "total": image.total,
        "steps": image.steps,
        "cell": image.cell,
        "aggregate": image.aggregate,
        "weighting": image.weighting,
        "period": None if image.period is None else [stamp.iso for stamp in image.period],
        "time_method": image.time_method,
        "dims": image.dims,
        "note": image.note[:_LONGEST_TEXT],
    }


def _field_map(answer: Field) -> dict[str, Any]:
    data = answer.data
    coded: dict[str, Any] = {
        "lon": answer.lon,
        "lat": answer.lat,
        "time": _told_time(answer.time),
        "calendar": answer.time.calendar if answer.time else None,
        "units": answer.units,
        "long_name": answer.long_name,
        "bbox": list(answer.bbox.to_tuple()),
        "dims": _clean(answer.dims),
    }
    if answer.sample_time is not None:
        coded["sample_time"] = answer.sample_time
    if answer.period is not None:
        coded["period"] = [stamp.iso for stamp in answer.period]
    if answer.is_climatology:
        coded["is_climatology"] = True
    if answer.aggregate is not None:
        coded |= {"aggregate": answer.aggregate, "steps": answer.steps, "weighting": answer.weighting}
    if isinstance(data, np.ma.MaskedArray):
        # A reader that does not know of `mask` sees a value that no measurement takes.
        coded["mask"] = np.ma.getmaskarray(data)
        data = data.filled(_fill_value(data.dtype))
    return {**coded, "data": data}


def _fill_value(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min if dtype.kind == "i" else limits.max
    return {"b": False, "f": np.nan}.get(dtype.kind)


def _series_object(series: Series) -> dict[str, Any]:
    millis = series.millis
    values = [value if math.isfinite(value) else None for value in series.values.tolist()]
    coded: dict[str, Any] = {"res": list(zip(millis.tolist(), values, strict=True))}
    if _need_labels(series.labels, series.calendar):
        coded["labels"] = _spell(series.labels)
    return {
        **coded,
        "calendar": series.calendar,
        "units": series.units,
        "long_name": series.long_name,
        "counts": series.counts,
        "total": series.total,
        "cell": series.cell,
        "distance": series.distance,
        "dims": series.dims,
        "steps": series.steps,
        "complete": series.complete,
        "years": series.years,
        "bounds": None if series.bounds is None else [_spell(pair) for pair in series.bounds],
        "is_moved": series.is_moved,
        "aggregate": series.aggregate,
        "groupby": series.groupby,
        "weighting": series.weighting,
        "time_method": series.time_method,
        "anomaly": series.anomaly,
        "base": series.base,
        "trend": None if series.trend is None else asdict(series.trend),
        "note": series.note,
        "granules": None if series.granules is None else _spell(series.granules),
        **({"is_prepared": True} if series.is_prepared else {}),
        **({"is_partial": True} if series.is_partial else {}),
    }


def catalog_config(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """The configuration of every index by its id, in plain values of JSON."""
    return {index: _clean(_index_config(info)) for index, info in catalog.indexes.items()}


def _index_config(info: IndexInfo) -> dict[str, Any]:
    times = {"first": info.first, "last": info.last, "count": info.count, "calendar": info.calendar}
    return {
        **info.extra,
        "name": info.name,
        "title": info.title,
        "bbox": None if info.bbox is None else info.bbox.to_tuple(),
        "times": times if info.count else None,
        "variables": {name: _variable_config(variable) for name, variable in info.variables.items()},
        "note": info.note,
        "kind": info.kind,
    }


def _variable_config(variable: VariableInfo) -> dict[str, Any]:
    return {
        "long_name": variable.long_name,
        "units": variable.units,
        "standard_name": variable.standard_name,
        "dims": variable.dims,
        "cmap": variable.cmap,
        "limits": variable.limits,
        "kind": variable.kind,
        "flags": variable.flags,
        "geometry": variable.geometry,
        "scale": variable.scale,
        "start_filters": variable.start_filters,
        "corrections": variable.corrections,
        "masks": variable.masks,
        "derived": variable.derived,
        "time_method": variable.time_method,
        "vector": variable.vector,
    }


def _encode_extract(extract: Extract) -> Payload:
    millis = millis_from_label(extract.labels)
    names, columns = ["TS", "lon", "lat", *extract.columns], [extract.lon, extract.lat, *extract.columns.values()]
    cells: list[Sequence[Any]] = [millis.tolist(), *(_numbers(column) for column in columns)]
    headers = {}
    if _need_labels(extract.labels, extract.calendar):
        names.append("label")
        cells.append(_spell(extract.labels))
    if extract.calendar != "standard":
        headers[EXTRACT_HEADER] = _json({"calendar": extract.calendar})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*cells, strict=True))
    return Payload("text/csv", text.getvalue().encode("utf-8"), headers)


def _numbers(column: NDArray[np.float64]) -> list[float | str]:
    return [value if math.isfinite(value) else "" for value in column.tolist()]


# --- reading -------------------------------------------------------------------------------------------------------

_OTHER = ("application/octet-stream", "")
_PICTURE_TYPES = ("image/png", *_OTHER)
_ARRAY_TYPES = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack", *_OTHER)
_JSON_TYPES = ("application/json", "text/json", "text/javascript", "text/plain", *_OTHER)
_TABLE_TYPES = ("text/csv", "application/csv", "text/plain", *_OTHER)


def decode(query: Query, media_type: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer to `query` that a reply holds.

    Parameters
    ----------
    media_type : str
        The reply's `Content-Type`; empty when there is none.
    headers : mapping
        The reply's headers, found whatever their case.

    Raises
    ------
    BadReply
        When the reply is not of the type it should be, is not whole, or disagrees with itself.
    """
    allowed, read = _DECODERS[type(query)]
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in allowed:
        raise BadReply(f"the server answered with {kind!r} instead of {allowed[0]!r}: {excerpt(body)}")
    try:
        answer = read(query, headers, body)
        if isinstance(answer, Catalog | FileList | Acquisitions) and GROWTH_HEADER in headers:
            answer = replace(answer, growth=_decode_growth(headers[GROWTH_HEADER]))
        return answer
    except BadReply as error:
        raise BadReply(f"{error} ({allowed[0]!r} was due; it starts with {excerpt(body, 40)})") from error
    except (InvalidValue, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        detail = str(error) if isinstance(error, DatavoreError) else type(error).__name__
        raise BadReply(f"the reply does not hold what it should: {detail}") from error


def excerpt(body: bytes, length: int = 200) -> str:
    """The beginning of a body, with every sign that could do harm escaped."""
    text = ascii(body[:length].decode("utf-8", "replace"))
    return text + (" …" if len(body) > length else "")


def _load(body: bytes) -> Any:
    def missing(_: str) -> None:
        return None

    try:
        # NaN and Infinity are no JSON; where a server writes them, they mean that there is nothing.
        return json.loads(body.decode("utf-8"), parse_constant=missing)
    except UnicodeDecodeError:
        raise BadReply("the reply is not UTF-8") from None
    except ValueError as error:
        raise BadReply(f"the reply is not one whole JSON value ({error})") from None


def _decode_picture(query: Any, headers: Mapping[str, str], body: bytes) -> MapImage:
    width, height = check_png(body)
    told = checks.typed(json.loads(headers.get(PICTURE_HEADER, "{}")), dict, PICTURE_HEADER)
    if not told:
        # A server that tells nothing draws what was asked, in the projection that all of them have.
        return MapImage(body, query.canvas.bbox, "pc_world", width, height)
    if (told.get("width"), told.get("height")) != (width, height):
        checks.wrong("size")
    return MapImage(
        png=body,
        bbox=checks.bbox(told.get("bbox"), "bbox"),
        projection=checks.text(told, "projection") or "pc_world",
        width=width,
        height=height,
        time=checks.stamp(told, "time"),
        first_time=checks.stamp(told, "first_time"),
        units=checks.text(told, "units"),
        long_name=checks.text(told, "long_name"),
        cmap=checks.maybe(_word, told, "cmap"),
        vmin=checks.maybe(checks.number, told, "vmin"),
        vmax=checks.maybe(checks.number, told, "vmax"),
        valid=checks.maybe(checks.whole, told, "valid"),
        total=checks.maybe(checks.whole, told, "total"),
        steps=checks.maybe(checks.whole, told, "steps"),
        cell=checks.maybe(checks.pair, told, "cell"),
        aggregate=checks.maybe(_word, told, "aggregate"),
        dims=checks.dims(told),
        note=checks.text(told, "note"),
        scale=checks.text(told, "scale") or "linear",
        weighting=checks.text(told, "weighting"),
        period=_period(told),
        time_method=checks.text(told, "time_method"),
    )


def _word(value: Any, what: str) -> str:
    return checks.typed(value, str, what)


def _period(told: Mapping[str, Any]) -> tuple[Stamp, Stamp] | None:
    if told.get("period") is None:
        return None
    low, high = (checks.label(text, "period") for text in checks.typed(told["period"], list, "period"))
    calendar = checks.calendar(told)
    return Stamp(low, calendar), Stamp(high, calendar)


def _decode_quicklook(_query: Any, headers: Mapping[str, str], body: bytes) -> Quicklook:
    told = checks.typed(json.loads(headers.get(PICTURE_HEADER, "{}")), dict, PICTURE_HEADER)
    return wave_payloads.read_quicklook(body, check_png(body), told)


def _decode_acquisitions(_query: Any, _headers: Mapping[str, str], body: bytes) -> Acquisitions:
    return wave_payloads.read_acquisitions(checks.typed(arrays.unpack(body), dict, "acquisitions"))


def _decode_spectrum(_query: Any, _headers: Mapping[str, str], body: bytes) -> WaveSpectrum:
    return wave_payloads.read_spectrum(checks.typed(arrays.unpack(body), dict, "spectrum"))


def _decode_data(query: Any, _headers: Mapping[str, str], body: bytes) -> Field | CellList:
    told = arrays.unpack(body)
    if isinstance(query, DataQuery) and query.as_list:
        cells = checks.typed(told.tolist() if isinstance(told, np.ndarray) else told, list, "list of cells")
        return CellList([_cell(cell) for cell in cells])
    told = checks.typed(told, dict, "field")
    lon, lat, data = (np.asarray(checks.typed(told.get(name), np.ndarray, name)) for name in ("lon", "lat", "data"))
    if data.dtype.kind not in "biufmM" or lon.dtype.kind not in "iuf" or lat.dtype.kind not in "iuf":
        checks.wrong("type of numbers")
    square = lon.shape == lat.shape == data.shape and data.ndim == 2
    if not square and not (lon.ndim == lat.ndim == 1 and data.shape == (lat.size, lon.size)):
        raise BadReply(f"the shapes disagree: lon {lon.shape}, lat {lat.shape}, data {data.shape}; (lat, lon) was due")
    mask = told.get("mask")
    if mask is not None:
        if checks.typed(mask, np.ndarray, "mask").shape != data.shape or mask.dtype != bool:
            checks.wrong("mask")
        data = np.ma.MaskedArray(data, mask)
    bbox = query.bbox if told.get("bbox") is None else _told_bbox(told["bbox"])
    time = _field_time(told)
    moments = told.get("sample_time")
    if moments is not None:
        moments = checks.typed(moments, np.ndarray, "sample_time")
        if moments.shape != data.shape or moments.dtype.kind != "M":
            checks.wrong("sample_time")
    units, long_name = checks.text(told, "units"), checks.text(told, "long_name")
    return Field(
        lon,
        lat,
        data,
        bbox,
        time,
        units,
        long_name,
        checks.dims(told),
        moments,
        aggregate=checks.maybe(_word, told, "aggregate"),
        steps=checks.maybe(checks.whole, told, "steps"),
        period=_period(told),
        weighting=checks.text(told, "weighting"),
        is_climatology=told.get("is_climatology") is True,
    )


def _told_bbox(value: Any) -> BBox:
    return checks.bbox(value.tolist() if isinstance(value, np.ndarray) else value, "bbox")


def _field_time(told: Mapping[str, Any]) -> Stamp | None:
    time = told.get("time")
    if time is None:
        return None
    if isinstance(time, np.ndarray) and time.size == 1:
        time = time.reshape(())[()]
    date = Date.parse(time)
    return Stamp(date.low, checks.calendar(told))


def _cell(cell: Any) -> tuple[float, float, float]:
    lon, lat, value = checks.typed(cell, list, "list of cells")
    for number in (lon, lat, value):
        checks.number(number, "list of cells")
    return lon, lat, value


def _decode_series(_query: Any, _headers: Mapping[str, str], body: bytes) -> Series:
    told = checks.typed(_load(body), dict, "series")
    pairs = checks.typed(told.get("res"), list, "res")
    millis = np.array([checks.whole(checks.typed(pair, list, "res")[0], "res") for pair in pairs], dtype=np.int64)
    values = np.array(
        [math.nan if value is None else checks.number(value, "res") for _, value in pairs], dtype=np.float64
    )
    labels = label_from_millis(millis) if told.get("labels") is None else checks.labels(told["labels"], "labels")
    if len(labels) != len(values):
        checks.wrong("length")

    def beside(what: str, read: Callable[[Any, str], Any], dtype: Any, *inner: int) -> NDArray[Any] | None:
        """An array with one entry for each value."""
        if told.get(what) is None:
            return None
        listed = [read(item, what) for item in checks.typed(told[what], list, what)]
        array = np.array(listed, dtype=dtype).reshape(len(listed), *inner)
        return array if len(array) == len(values) else checks.wrong("length")

    return Series(
        labels=labels,
        values=values,
        counts=beside("counts", checks.whole, np.int64),
        calendar=checks.calendar(told),
        units=checks.text(told, "units"),
        long_name=checks.text(told, "long_name"),
        total=checks.maybe(checks.whole, told, "total"),
        cell=checks.maybe(checks.pair, told, "cell"),
        distance=checks.maybe(checks.number, told, "distance"),
        dims=checks.dims(told),
        steps=beside("steps", checks.whole, np.int64),
        complete=beside("complete", lambda value, what: checks.typed(value, bool, what), np.bool_),
        years=beside("years", checks.whole, np.int64),
        bounds=beside("bounds", checks.labels, np.int64, 2),
        is_moved=checks.typed(told.get("is_moved", False), bool, "is_moved"),
        aggregate=checks.maybe(_word, told, "aggregate"),
        groupby=checks.maybe(_word, told, "groupby"),
        weighting=checks.text(told, "weighting"),
        time_method=checks.text(told, "time_method"),
        anomaly=checks.maybe(_word, told, "anomaly"),
        base=checks.maybe(_years, told, "base"),
        trend=checks.maybe(_trend, told, "trend"),
        note=checks.text(told, "note"),
        is_prepared=checks.typed(told.get("is_prepared", False), bool, "is_prepared"),
        is_partial=checks.typed(told.get("is_partial", False), bool, "is_partial"),
        granules=beside("granules", _label, np.int64),
    )


def _label(value: Any, what: str) -> int:
    return int(checks.labels([value], what)[0])


def _years(value: Any, what: str) -> tuple[int, int]:
    first, last = checks.typed(value, list, what)
    return checks.whole(first, what), checks.whole(last, what)


def _trend(value: Any, what: str) -> Trend:
    told = checks.typed(value, dict, what)
    return Trend(
        slope=checks.number(told.get("slope"), what),
        low=checks.maybe(checks.number, told, "low"),
        high=checks.maybe(checks.number, told, "high"),
        level=checks.number(told.get("level"), what),
        n=checks.whole(told.get("n"), what),
        r1=checks.maybe(checks.number, told, "r1"),
        n_eff=checks.number(told.get("n_eff"), what),
        method=checks.text(told, "method"),
    )


def _decode_extract(query: Any, headers: Mapping[str, str], body: bytes) -> Extract:
    rows = list(csv.reader(io.StringIO(body.decode("utf-8"), newline="")))
    told = checks.typed(json.loads(headers.get(EXTRACT_HEADER, "{}")), dict, EXTRACT_HEADER)
    names = rows.pop(0) if rows else []
    if "TS" not in names or len(set(names)) != len(names) or any(len(row) != len(names) for row in rows):
        checks.wrong("table")
    columns: dict[str, Any] = (
        dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    )
    millis = np.array([int(float(text)) for text in columns.pop("TS")], dtype=np.int64)
    # A variable may be called so too; then it was asked for.
    labelled = "label" in columns and "label" not in query.varnames
    labels = checks.labels(list(columns.pop("label")), "label") if labelled else label_from_millis(millis)
    read = {name: np.array([float(text) if text else math.nan for text in texts]) for name, texts in columns.items()}
    missing = np.full(len(millis), math.nan)
    lon, lat = read.pop("lon", missing), read.pop("lat", missing)
    absent = [name for name in query.varnames if name not in read]
    if absent:
        raise BadReply(f"the table has no column {absent[0]!r}; it has {', '.join(map(repr, names))}")
    return Extract(labels, lon, lat, read, checks.calendar(told))


def _decode_growth(text: str) -> Growth:
    told = checks.typed(json.loads(text), dict, GROWTH_HEADER)
    listed, done, total = (checks.whole(told.get(name), GROWTH_HEADER) for name in ("listed", "done", "total"))
    return Growth(listed, done, total, checks.number(told.get("rate"), GROWTH_HEADER))


def _decode_files(_query: Any, _headers: Mapping[str, str], body: bytes) -> FileList:
    told, rings = _load(body), None
    if isinstance(told, dict):
        rings = tuple(_ring(ring) for ring in checks.typed(told.get("footprints"), list, "footprints"))
        told = told.get("files")
    files = tuple(checks.typed(name, str, "file list") for name in checks.typed(told, list, "file list"))
    if rings is not None and len(rings) != len(files):
        checks.wrong("footprints")
    return FileList(files, rings)


def _ring(value: Any) -> tuple[tuple[float, float], ...]:
    return tuple(checks.pair(corner, "footprints") for corner in checks.typed(value, list, "footprints"))


def _decode_preparation(_query: Any, _headers: Mapping[str, str], body: bytes) -> Preparation:
    told = checks.typed(_load(body), dict, "preparation")
    times, ready, reads, takes = (checks.whole(told.get(name), name) for name in ("times", "ready", "reads", "takes"))
    changed = checks.typed(told.get("changed", False), bool, "changed")
    return Preparation(times, ready, changed, reads, takes, checks.text(told, "hindrance"))


def _decode_checkup(_query: Any, _headers: Mapping[str, str], body: bytes) -> Checkup:
    told = checks.typed(_load(body), dict, "checkup")
    files = tuple(_diagnosis(each) for each in checks.typed(told.get("files"), list, "files"))
    return Checkup(files, checks.whole(told.get("total"), "total"), _texts(told, "problems"))


def _diagnosis(value: Any) -> Diagnosis:
    told = dict(checks.typed(value, dict, "diagnosis"))
    texts: dict[str, Any] = {name: checks.text(told, name) for name in ("path", "state", "format", "title", "calendar")}
    ends: dict[str, Any] = {name: checks.text(told, name) or None for name in ("first", "last")}
    return Diagnosis(
        **texts,
        **ends,
        size=checks.whole(told.get("size"), "size"),
        times=checks.whole(told.get("times"), "times"),
        extent=checks.maybe(_four, told, "extent"),
        variables=tuple(_looked_at(each) for each in checks.typed(told.get("variables"), list, "variables")),
        mended=_sentences(told, "mended"),
        doubtful=_sentences(told, "doubtful"),
        refused=_texts(told, "refused"),
    )


def _looked_at(value: Any) -> VariableDiagnosis:
    told = checks.typed(value, dict, "variables")
    words = ("name", "label", "units", "kind", "grid", "packing", "dims")
    return VariableDiagnosis(
        **{name: checks.text(told, name) for name in words},
        times=checks.whole(told.get("times"), "times"),
        low=checks.maybe(checks.number, told, "low"),
        high=checks.maybe(checks.number, told, "high"),
    )


def _four(value: Any, what: str) -> tuple[float, float, float, float]:
    west, south, east, north = (checks.number(edge, what) for edge in checks.typed(value, list, what))
    return west, south, east, north


def _sentences(told: Mapping[str, Any], what: str) -> tuple[str, ...]:
    return tuple(checks.typed(each, str, what) for each in checks.typed(told.get(what), list, what))


def _texts(told: Mapping[str, Any], what: str) -> dict[str, str]:
    table = checks.typed(told.get(what), dict, what)
    return {name: checks.typed(text, str, what) for name, text in table.items()}


def _decode_times(_query: Any, _headers: Mapping[str, str], body: bytes) -> Times:
    told = checks.typed(_load(body), dict, "times")
    labels = checks.labels(told.get("labels"), "labels")
    if np.any(labels[1:] < labels[:-1]):
        checks.wrong("order of times")
    return Times(TimeAxis(labels, checks.calendar(told)), checks.typed(told.get("exact", True), bool, "exact"))


def _decode_catalog(_query: Any, _headers: Mapping[str, str], body: bytes) -> Catalog:
    told = checks.typed(_load(body), dict, "configuration")
    return Catalog({index: _index_info(index, config) for index, config in told.items()})


def _index_info(index: str, config: Any) -> IndexInfo:
    """What a server's configuration tells of an index; what it leaves out, or spells in its own way, is not known."""
    told = dict(config) if isinstance(config, dict) else {}
    times = told.pop("times", None)
    times = times if isinstance(times, dict) else {}
    try:
        bbox = checks.maybe(checks.bbox, told, "bbox")
    except (BadReply, InvalidValue, ValueError):
        bbox = None
    variables = told.pop("variables", None)
    variables = variables if isinstance(variables, dict) else {variable: {} for variable in _names(variables)}
    known = {name: str(told.pop(name, None) or "") for name in ("name", "title", "note", "kind")}
    told.pop("bbox", None)
    return IndexInfo(
        index=index,
        name=known["name"] or index,
        title=known["title"],
        bbox=bbox,
        first=times.get("first"),
        last=times.get("last"),
        count=checks.whole(times.get("count") or 0, "count"),
        calendar=checks.calendar(times),
        variables={name: _variable_info(name, variable) for name, variable in variables.items()},
        note=known["note"],
        extra=told,
        kind=known["kind"] or "grid",
    )


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _vector(value: Any) -> tuple[str, ...]:
    names = _names(value)
    return tuple(names) if len(names) == 2 else ()


def _masks(value: Any) -> dict[str, tuple[int, int]]:
    told = value if isinstance(value, dict) else {}
    pairs = {name: checks.pair(bits, "masks") for name, bits in told.items()}
    return {name: (int(mask), int(wanted)) for name, (mask, wanted) in pairs.items()}


def _variable_info(name: str, config: Any) -> VariableInfo:
    told = config if isinstance(config, dict) else {}
    dims = told.get("dims")
    flags, start = told.get("flags"), told.get("start_filters")
    corrections = told.get("corrections")
    return VariableInfo(
        name=name,
        long_name=checks.text(told, "long_name"),
        units=checks.text(told, "units"),
        standard_name=checks.text(told, "standard_name"),
        dims={dim: about for dim, about in dims.items() if isinstance(about, dict)} if isinstance(dims, dict) else {},
        cmap=checks.maybe(_word, told, "cmap"),
        limits=checks.maybe(checks.pair, told, "limits"),
        kind=checks.text(told, "kind") or "continuous",
        flags={int(value): str(meaning) for value, meaning in flags.items()} if isinstance(flags, dict) else {},
        geometry=checks.text(told, "geometry") or "grid",
        scale=checks.text(told, "scale") or "linear",
        start_filters=start if isinstance(start, dict) else {},
        corrections=tuple(_names(corrections)),
        masks=_masks(told.get("masks")),
        derived=checks.text(told, "derived"),
        time_method=checks.text(told, "time_method"),
        vector=_vector(told.get("vector")),
    )


def _decode_laps_catalog(_query: Any, _headers: Mapping[str, str], body: bytes) -> LapsCatalog:
    entries = checks.typed(_load(body), list, "list of indexes")
    for entry in entries:
        if not {"index", "name"} <= set(checks.typed(entry, dict, "list of indexes")):
            checks.wrong("list of indexes")
    return LapsCatalog(tuple(entries))


_Decoder = Callable[[Any, Mapping[str, str], bytes], Answer]
_DECODERS: dict[type, tuple[tuple[str, ...], _Decoder]] = {
    MapQuery: (_PICTURE_TYPES, _decode_picture),
    LapseMapQuery: (_PICTURE_TYPES, _decode_picture),
    DataQuery: (_ARRAY_TYPES, _decode_data),
    LapseDataQuery: (_ARRAY_TYPES, _decode_data),
    SeriesQuery: (_JSON_TYPES, _decode_series),
    ExtractQuery: (_TABLE_TYPES, _decode_extract),
    FilesQuery: (_JSON_TYPES, _decode_files),
    TimesQuery: (_JSON_TYPES, _decode_times),
    DoctorQuery: (_JSON_TYPES, _decode_checkup),
    PrepareQuery: (_JSON_TYPES, _decode_preparation),
    CatalogQuery: (_JSON_TYPES, _decode_catalog),
    LapsCatalogQuery: (_JSON_TYPES, _decode_laps_catalog),
    QuicklookQuery: (_PICTURE_TYPES, _decode_quicklook),
    AcquisitionsQuery: (_ARRAY_TYPES, _decode_acquisitions),
    SpectrumQuery: (_ARRAY_TYPES, _decode_spectrum),
}
