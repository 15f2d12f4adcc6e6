"""The rows of a result over time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.times import Date, label_from_millis
from datavore_widgets.widgets.curves import MOST_POINTS, Curve, curve_of
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.plot import TimePlot
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.result import Result
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.view import View

__all__ = ["ResultChart"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Wish:
    result: Result
    time: int
    value: int


@dataclass(frozen=True, eq=False)
class _Drawing:
    curve: Curve
    is_line: bool
    rows: int


class ResultChart(ViewPanel):
    """A column of numbers over a column of times; a click puts that time on the map.

    Parameters
    ----------
    view : View
        Whose date a click sets.
    """

    name = "result-chart"

    def __init__(self, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self.add_class("dv-chart")
        self.plot = TimePlot()
        self.plot.figure.layout.height = "100%"
        self.plot.sheet.on_msg(self._heard)
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-result-head")
        self._empty = ipywidgets.HTML()
        self._empty.add_class("dv-chart-empty")
        stage = ipywidgets.Box([self.plot.figure, self.plot.sheet, self._empty])
        stage.add_class("dv-chart-stage")
        self.fill([self._head, stage])
        self._result = Result()
        self.pump: Pump[_Wish, _Drawing] = Pump(_work, show=self._show, fail=self._fail)

    def show(self, result: Result, value: int | None) -> None:
        """Draw a column of numbers of a result over its first column of times."""
        self._result = result
        if value is None or not result.times:
            self.pump.cancel()
            self._say("A chart needs a column of times and one of numbers")
        else:
            self.pump.submit(_Wish(result, result.times[0], value))

    def _show(self, wish: _Wish, drawing: _Drawing) -> None:
        if wish.result is not self._result:
            return
        name = wish.result.columns[wish.value].name
        time = wish.result.columns[wish.time].name
        if not np.isfinite(drawing.curve.values).any():
            self._say(f"{name} has no value at any {time}")
            return
        self.plot.draw([(drawing.curve, name, "")], lines=drawing.is_line)
        drawn = drawing.curve.labels.size
        told = f"{thousands(drawing.rows)} rows"
        if drawn < drawing.rows:
            how = "the extremes among them" if drawing.is_line else "taken at random"
            told = f"{thousands(drawn)} of {told} drawn, {how}"
        self._head.value = f"<b>{escape(name)}</b> over {escape(time)} <span class='dv-muted'>{told}</span>"
        self._say("")

    def _say(self, text: str) -> None:
        self._empty.value = f"<div>{escape(text)}</div>" if text else ""
        self.mark("dv-has-message", bool(text))
        self.mark("dv-is-empty", bool(text))
        if text:
            self._head.value = ""

    def _fail(self, _wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the result could not be drawn over time", exc_info=error)
        self._say(sentence(error))

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """A click on the chart: the time on the map."""
        millis = content.get("millis") if isinstance(content, dict) else None
        if isinstance(millis, bool) or not isinstance(millis, int | float) or not abs(millis) < 1e15:
            return
        date = Date.from_label(int(label_from_millis(int(millis))))
        desk = self.view.desk
        scene = None if desk is None else desk.scene
        position = None if scene is None else scene.position(date)
        self.view.date = date if scene is None or position is None else scene.stamp(position).date

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()


def _work(wish: _Wish, _job: Job) -> _Drawing:
    millis = wish.result.numbers(wish.time)
    values = wish.result.numbers(wish.value)
    here = np.flatnonzero(np.isfinite(millis))
    order = here[np.argsort(millis[here], kind="stable")]
    rows = order.size
    is_line = bool((np.diff(millis[order]) > 0).all())
    if not is_line:
        # Many values a time: the extremes of all would look like two lines.
        order = order[np.isfinite(values[order])]
        if order.size > MOST_POINTS:
            order = order[np.sort(np.random.default_rng(0).choice(order.size, MOST_POINTS, replace=False))]
    times = millis[order].astype(np.int64)
    return _Drawing(curve_of(Series(label_from_millis(times), values[order])), is_line, rows)
