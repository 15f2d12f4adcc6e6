"""What is true of the picture: the time used, the cells, how many of them hold a value."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.places import degrees
from datavore_widgets.protocol.queries import MapQuery
from datavore_widgets.protocol.times import Date, Stamp
from datavore_widgets.widgets.condition_text import words_of
from datavore_widgets.widgets.desk import Picture
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.text import duration, escape, number, thousands
from datavore_widgets.widgets.units import pretty
from datavore_widgets.widgets.view import View

__all__ = ["TruthLine", "facts_of"]

_OVERLAP = {"latest": "newest on top", "mean": "mean of all"}


class TruthLine(Panel):
    """One line under the map, always.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "truth"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self._html = ipywidgets.HTML()
        self.fill([self._html])
        self.watch(self.desk, ["picture", "arrows"], self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        picture = self.desk.picture
        if picture is None:
            self._html.value = ""
            return
        parts = [*facts_of(picture, self.view.date), *([self.desk.arrows] if self.desk.arrows else [])]
        words = " <span aria-hidden='true'>·</span> ".join(f"<span>{escape(part)}</span>" for part in parts)
        self._html.value = f"<div class='dv-facts-words' title='{escape(' · '.join(parts))}'>{words}</div>"


def facts_of(shown: Picture, asked: Date | None) -> list[str]:
    """What is true of a picture, in a few words each."""
    picture = shown.image
    facts = [shown.when if picture.aggregate is not None else _time(picture, asked)]
    if picture.weighting:
        facts.append(picture.weighting)
    window = shown.query.window if isinstance(shown.query, MapQuery) else None
    if window is not None:
        facts.append(f"window of {duration(window.seconds)}, {_OVERLAP[window.overlap]}")
    are_points = picture.cell == (0.0, 0.0)
    if picture.cell is not None and not are_points:
        lon, lat = (degrees(size, 3) for size in picture.cell)
        facts.append(f"cells of {lon}" if lon == lat else f"cells of {lon} × {lat}")
    if picture.valid is not None and picture.total is not None:
        what = "samples" if are_points else "cells"
        facts.append(f"{thousands(picture.valid)} of {thousands(picture.total)} {what} in the picture have a value")
    facts.extend(_place_on(shown, name, value) for name, value in picture.dims.items())
    facts.extend(_conditions(shown))
    note = picture.note or shown.scene.info.note
    return [*facts, note] if note else facts


def _place_on(shown: Picture, name: str, value: float | str) -> str:
    """A value on a further dimension, in its units."""
    units = pretty(str(shown.scene.variable.dims.get(name, {}).get("units") or ""))
    return f"{name} {number(value, 6) if isinstance(value, int | float) else value} {units}".rstrip()


def _conditions(shown: Picture) -> list[str]:
    """Which samples count, and what was taken off them."""
    scene, query = shown.scene, shown.query
    source = query.source if isinstance(query, MapQuery) else query
    advised = scene.advice
    facts = [
        f"only where {c.name} {words_of(c)}" + (" (recommended)" if c in advised else "")
        for c in source.filters
        if c.name not in scene.variable.dims
    ]
    if advised and not facts:
        facts.append("samples of every quality")
    return [*facts, *([f"less {source.subtract}"] if source.subtract else [])]


def _time(picture: MapImage, asked: Date | None) -> str:
    if picture.time is None:
        return "no time axis"
    used = picture.time.text if picture.period is None else f"{picture.time_text}, at {picture.time.text}"
    if asked is None or asked.low <= picture.time.label < asked.high:
        return used
    return f"{used} (asked: {Stamp(asked.low).text})"
