"""A view as a few lines of Python that anybody can run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from datavore_widgets.connect import OPENED
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.queries import Condition
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse
from datavore_widgets.protocol.wire import filters_to_json
from datavore_widgets.widgets.desk import Desk

__all__ = ["code_of"]

_SHOWN = (
    *("index", "varname", "date", "lapse", "viewport", "bbox", "point", "datelaps", "groupby", "aggregate"),
    *("anomaly", "base", "trend", "reach", "running"),
    *("filters", "subtract", "window", "overlap", "cmap", "vmin", "vmax", "scale", "basemap", "arrows"),
)


def code_of(desk: Desk) -> str:
    """The explorer on the same view, and the numbers behind it: the field on the map and the series on the chart."""
    view, spec = desk.view, _spec(desk)
    words = [spec] if spec else []
    words += [
        f"{name}={_literal(value)}"
        for name in _SHOWN
        if (value := getattr(view, name)) != view.traits()[name].default_value
    ]
    lines = [
        "from datavore_widgets import Datalaps, Datavore, explore",
        f"explorer = explore({', '.join(words)})",
    ]
    filters = _conditions(desk)
    named = f"{view.index!r}, {view.varname!r}"
    box = f", bbox={_literal(view.bbox)}" if view.bbox is not None else ""
    lines.append(f"field = Datavore({spec}).getData({named}, {_literal(view.date)}{box}{filters})")
    place = view.bbox if view.bbox is not None else view.point
    if place is not None:
        lines.append(
            f"series = Datalaps({spec}).getTimeserie({named}, {_literal(place)}{_series_words(desk, place)}{filters})"
        )
    return "\n".join([*lines, "explorer", ""])


def _conditions(desk: Desk) -> str:
    """What counts, in the words of the clients, which filter by nothing that they are not told."""
    scene = desk.scene
    filters = () if scene is None else scene.filters(desk.view.filters)
    subtract = "" if scene is None else scene.subtract(desk.view)
    words = f", filters={_literal(filters)}" if filters else ""
    return words + (f", subtract={subtract!r}" if subtract else "")


def _series_words(desk: Desk, place: BBox | Point) -> str:
    view = desk.view
    lapse = view.datelaps if desk.scene is None else desk.scene.lapse(view)
    words = f", datelaps={_literal(lapse)}" if lapse != WHOLE_LAPSE else ""
    words += f", groupby={view.groupby!r}" if view.groupby is not None else ""
    words += f", aggregate={desk.aggregate!r}"
    for name in ("anomaly", "base", "trend", "reach"):
        value = getattr(view, name)
        if value not in (None, False) and (name != "reach" or isinstance(place, Point)):
            words += f", {name}={value!r}"
    window = None if desk.scene is None else desk.scene.running(view, desk.aggregate)
    return words if window is None else f"{words}, window={window.seconds!r}"


def _spec(desk: Desk) -> str:
    """What to give `explore` so that it opens the same: nothing for the sample, else paths or a URL."""
    opened = os.environ.get(OPENED)
    spec = desk.spec if desk.spec is not None or opened is None else json.loads(opened)
    url = str(getattr(getattr(desk.client, "service", desk.client), "root", ""))
    if spec is desk.spec and url.startswith("http"):
        return repr(url)  # and not as it was given, which may hold a password
    if isinstance(spec, str | Path):
        return repr(str(spec))
    if isinstance(spec, list | tuple) and all(isinstance(item, str | Path) for item in spec):
        names = [str(item) for item in spec]
        return repr(names[0] if len(names) == 1 else names) if names else ""
    return "" if spec is None else "data"


def _literal(value: Any) -> str:
    """What the view reads back as the same value, shortest first."""
    if isinstance(value, Date):
        return repr(value.digits)
    if isinstance(value, BBox):
        return f"[{BBox(*(round(edge, 4) for edge in value.to_tuple())).to_text().replace(',', ', ')}]"
    if isinstance(value, Point):
        return f"[{value.to_text().replace(',', ', ')}]"
    if isinstance(value, Lapse):
        return repr(value.to_text())
    if isinstance(value, tuple) and all(isinstance(part, Condition) for part in value):
        return repr(json.loads(filters_to_json(value)))
    return repr(value)
