"""One query from a few words, as a command line has them: what is left out is what there is, or has to be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datavore_widgets.client.export import FORMATS, answered, facts, to_csv, to_netcdf
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import IndexInfo, MapImage
from datavore_widgets.protocol.door import Service
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point, parse_bbox, parse_coord
from datavore_widgets.protocol.png import with_texts
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    TimesQuery,
    parse_filters,
)
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse

__all__ = ["chosen", "saved"]

_LISTED = 12


def chosen(
    service: Service,
    *,
    index: str | None = None,
    variable: str | None = None,
    date: str | None = None,
    lapse: str | None = None,
    box: str | None = None,
    point: str | None = None,
    series: bool = False,
    groupby: str | None = None,
    aggregate: str = "avg",
    filters: str | None = None,
    subtract: str = "",
    width: int | None = None,
    projection: str = "pc_world",
    style: Style | None = None,
) -> MapQuery | LapseMapQuery | SeriesQuery:
    """The query that some words mean: a picture of a date or of a lapse, or with a point, a group or `series` a series.

    Parameters
    ----------
    service : Service
        Who will be asked; it is asked what there is.
    index, variable : str, optional
        Needed where there are several.
    date, lapse : str, optional
        A date in any spelling, or two with a comma; without either a picture is of the last time, a series of all.
    box, point : str, optional
        Four or two numbers; without either all of the data.
    filters : str, optional
        JSON.
    subtract : str
        A companion variable that is taken off the values.

    Raises
    ------
    InvalidValue
        For words that do not go together, and where there are several of what was left out.
    """
    indexes = service.answer(CatalogQuery())
    info = indexes.index(_only("index", index, indexes.indexes))
    varname = info.variable(_only("variable", variable, info.variables)).name
    if box is not None and point is not None:
        raise InvalidValue("either a box or a point, not both")
    if date is not None and lapse is not None:
        raise InvalidValue("either a date or a lapse, not both")
    bbox = (info.bbox or GLOBAL) if box is None else parse_bbox(box)
    conditions = parse_filters(filters)
    span = None if lapse is None else Lapse.parse(lapse)
    if series or point is not None or groupby is not None:
        if date is not None:
            raise InvalidValue("a series is of a lapse: give that instead of the date")
        place = bbox if point is None else parse_coord(point)
        if point is not None and not isinstance(place, Point):
            raise InvalidValue(f"a point is a longitude and a latitude, not {point!r}")
        return SeriesQuery(info.index, varname, place, span or WHOLE_LAPSE, groupby, aggregate, conditions, subtract)
    canvas = Canvas(_drawable(bbox), width, projection)
    style = style or Style()
    if span is not None:
        return LapseMapQuery(info.index, varname, canvas, span, aggregate, conditions, style, subtract)
    when = _last(service, info, varname) if date is None else Date.parse(date)
    return MapQuery(Source(info.index, varname, when, filters=conditions, subtract=subtract), canvas, style)


def saved(
    service: Service, query: MapQuery | LapseMapQuery | SeriesQuery, ending: str
) -> tuple[bytes, Mapping[str, str | float | int]]:
    """What a file of a query holds, and what was asked and used, which is in there too: the texts of a picture.

    Parameters
    ----------
    ending : {'png', 'nc', 'csv'}
        The picture, or the numbers behind it or of the series.

    Raises
    ------
    InvalidValue
        For another ending, and for the picture of a series.
    """
    if ending in FORMATS:
        asked, answer, info = answered(service, query)
        data = to_netcdf(asked, answer, info) if ending == "nc" else to_csv(asked, answer).encode()
        return data, facts(asked, answer)
    if ending != "png" or isinstance(query, SeriesQuery):
        what = "a series is saved" if isinstance(query, SeriesQuery) else "a picture is saved as png, its numbers"
        raise InvalidValue(f"{what} as nc or csv, not {ending or 'a name without an ending'!r}")
    image = service.answer(query)
    told = _true_of(query, image)
    return with_texts(image.png, {f"datavore_{name}": str(value) for name, value in told.items()}), told


def _true_of(query: MapQuery | LapseMapQuery, image: MapImage) -> dict[str, Any]:
    """What is true of a picture, by name."""
    source = query.source if isinstance(query, MapQuery) else query
    told: dict[str, Any] = {"index": source.index, "variable": source.varname, "bbox": image.bbox.to_text()}
    told["projection"] = image.projection
    if image.first_time is not None and image.time is not None:
        told["lapse"] = f"{image.first_time.iso}/{image.time.iso}"
        told |= {"aggregate": image.aggregate, "steps": image.steps, "weighting": image.weighting}
    elif image.time is not None:
        told["time"] = image.time.iso
        if image.period is not None:
            told["period"] = "/".join(end.iso for end in image.period)
    told |= {"units": image.units, "cmap": image.cmap, "vmin": image.vmin, "vmax": image.vmax, "scale": image.scale}
    told |= {"cells_valid": image.valid, "cells_total": image.total, **image.dims, "note": image.note}
    return {name: value for name, value in told.items() if value not in (None, "")}


def _only(what: str, given: str | None, there: Iterable[str]) -> str:
    """What was given, else the only one there is."""
    if given is not None:
        return given
    names = list(there)
    if len(names) != 1:
        listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
        raise InvalidValue(f"which {what}? There are {listed}" if names else f"there is no {what}")
    return names[0]


def _drawable(bbox: BBox) -> BBox:
    """A box with an area: what lies in one place has a degree around it."""
    if bbox.width > 0 and bbox.height > 0:
        return bbox
    return BBox(bbox.west - 0.5, max(bbox.south - 0.5, -90.0), bbox.east + 0.5, min(bbox.north + 0.5, 90.0))


def _last(service: Service, info: IndexInfo, varname: str) -> Date | None:
    labels = service.answer(TimesQuery(info.index, varname)).axis.labels
    return Date.from_label(int(labels[-1])) if labels.size else None
