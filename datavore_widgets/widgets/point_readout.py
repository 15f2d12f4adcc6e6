"""The value at the point that was clicked, with the cell it comes from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import CellList, Series
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import place
from datavore_widgets.protocol.queries import DataQuery, SeriesQuery
from datavore_widgets.protocol.times import Stamp
from datavore_widgets.widgets.desk import Scene, sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, number, thousands
from datavore_widgets.widgets.units import Scale
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.words import aggregate_word

__all__ = ["PointReadout"]

log = logging.getLogger(__name__)


class PointReadout(Panel):
    """The value of the cell that holds the view's point, at the view's time.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "point-readout"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self._text = ipywidgets.HTML()
        self._clear = ipywidgets.Button(icon="times", tooltip="Take the point off the map")
        self._clear.add_class("dv-icon-button")
        self._clear.on_click(lambda _button: setattr(self.view, "point", None))
        self.fill([self._text, self._clear])
        self.pump: Pump[SeriesQuery | DataQuery, Series | CellList] = Pump(self._work, show=self._show, fail=self._fail)
        self.watch(
            self.view,
            ["point", "date", "lapse", "filters", "subtract", "window", "overlap", "aggregate", "reach"],
            self._wish,
        )
        self.watch(self.desk, "scene", self._wish)
        self._wish()

    def _wish(self, _change: Any = None) -> None:
        scene, point = self.desk.scene, self.view.point
        self.mark("dv-hidden", point is None)
        if point is None:
            self.pump.cancel()
            self._text.value = ""
            self.desk.cell = None
            return
        if scene is None or not scene.is_of(self.view):
            return
        source, view = scene.source(self.view), self.view
        if source.date is None:
            # What has no times has no series: its cell is asked for as data.
            spot = BBox(point.lon, point.lat, point.lon, point.lat)
            self.pump.submit(DataQuery(source, spot, as_list=True))
            return
        self.pump.submit(
            SeriesQuery(
                source.index,
                source.varname,
                point,
                view.lapse or scene.reach(view),
                filters=source.filters,
                subtract=source.subtract,
                reach=view.reach,
            )
        )

    def _work(self, query: SeriesQuery | DataQuery, job: Job) -> Series | CellList:
        answer: Series | CellList = self.desk.client.answer(query, job)
        return answer

    def _show(self, query: SeriesQuery | DataQuery, answer: Series | CellList) -> None:
        scene = self.desk.scene
        if scene is None:
            return
        if isinstance(query, SeriesQuery) and isinstance(answer, Series):
            self._show_series(scene, query, answer)
        elif isinstance(answer, CellList):
            found = next(iter(answer.cells), None)
            self.desk.cell = None if found is None else found[:2]
            if found is None:
                self._say(_point(query), "<strong>no valid value here</strong>", "")
            else:
                self._say(
                    _point(query), self._value(scene, scene.scale(), found[2]), f"cell of {place(Point(*found[:2]))}"
                )

    def _show_series(self, scene: Scene, query: SeriesQuery, series: Series) -> None:
        self.desk.cell = series.cell
        valid = np.flatnonzero(np.isfinite(series.values))
        if not valid.size:
            self._say(_point(query), "<strong>no valid value here</strong>", _cell_text(series))
            return
        lapse, overlap = self.view.lapse is not None, self.view.overlap
        wanted = self.desk.aggregate if lapse else "latest" if overlap == "latest" else "avg"
        aggregate = wanted if wanted in _ONE_CELL else "avg"
        scale = scene.scale(aggregate, series.units)
        value = float(_ONE_CELL[aggregate](series.values[valid]))
        facts = [_cell_text(series)]
        if lapse or (valid.size > 1 and aggregate == "avg"):
            facts.append(f"{aggregate_word(aggregate).lower()} of {thousands(valid.size)} times")
        elif query.lapse.first != query.lapse.last:
            facts.append(Stamp(int(series.labels[valid[-1]]), series.calendar).text)
        self._say(_point(query), self._value(scene, scale, value), " · ".join(filter(None, facts)))

    def _value(self, scene: Scene, scale: Scale, value: float) -> str:
        """A value with its units, or what a flag means."""
        meaning = scene.variable.flags.get(int(value)) if scene.variable.kind == "flags" and value % 1 == 0 else None
        text = f"{number(float(scale.shown(value)))} {scale.units}".strip()
        return f"<strong>{escape(text if meaning is None else f'{meaning} ({text})')}</strong>"

    def _fail(self, query: SeriesQuery | DataQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", query, exc_info=error)
        self.desk.cell = None
        self._say(_point(query), escape(sentence(error)), "")

    def _say(self, point: Point, what: str, cell: str) -> None:
        self._text.value = f"<div>{escape(place(point))}: {what}</div><div class='dv-muted'>{escape(cell)}</div>"

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()


def _point(query: SeriesQuery | DataQuery) -> Point:
    """Where a query is about."""
    where = query.coord if isinstance(query, SeriesQuery) else query.bbox
    return where if isinstance(where, Point) else Point(where.west, where.south)


_ONE_CELL: dict[str, Callable[[NDArray[np.float64]], Any]] = {
    "avg": np.mean,
    "max": np.max,
    "min": np.min,
    "std": np.std,
    "count": np.size,
    "latest": lambda values: values[-1],
}
"""Aggregates of one cell over valid values in the order of time."""


def _cell_text(series: Series) -> str:
    if series.cell is None:
        return ""
    what = "no value here; nearest cell with one:" if series.is_moved else "cell of"
    text = f"{what} {place(Point(*series.cell))}"
    if series.distance is not None:
        text += f", {_distance(series.distance)} away"
    return text


def _distance(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.3g} km"
