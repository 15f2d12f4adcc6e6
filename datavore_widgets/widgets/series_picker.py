"""How the series is made: the aggregate, the groups or the moving window, what is taken off, and what is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.aggregates import AGGREGATES
from datavore_widgets.protocol.times import CLIMATOLOGIES
from datavore_widgets.widgets.desk import Scene, sentence
from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.text import escape
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.window_picker import LENGTHS
from datavore_widgets.widgets.words import (
    ANOMALY_WORDS,
    GROUP_WORDS,
    aggregate_word,
    aggregates_of,
    default_aggregate,
    running_word,
)

__all__ = ["SeriesPicker"]

_REACHES = {"Say so": 0.0, "Nearest sea within 50 km": 50_000.0, "Nearest sea within 200 km": 200_000.0}


class SeriesPicker(Panel):
    """Drop-downs for aggregate, grouping and anomalies; a trend; buttons that keep a series on the chart and drop it.

    Parameters
    ----------
    client, view
        See `Panel`.
    chart : TimeseriesChart, optional
        The chart that the buttons are for; None: no buttons.
    """

    name = "series-picker"

    def __init__(self, client: Any = None, view: View | None = None, chart: TimeseriesChart | None = None) -> None:
        super().__init__(client, view)
        self.aggregate = ipywidgets.Dropdown()
        # No None among the values: to a drop-down that is "nothing chosen".
        self.groupby = ipywidgets.Dropdown()
        self.anomaly = ipywidgets.Dropdown(options=[(word, name or "") for name, word in ANOMALY_WORDS.items()])
        self.reach = ipywidgets.Dropdown(options=list(_REACHES.items()))
        self.base = ipywidgets.Text(placeholder="1991–2020 or all", continuous_update=False)
        for control, word in (
            *((self.aggregate, "aggregate"), (self.groupby, "groupby"), (self.anomaly, "anomaly")),
            *((self.reach, "reach"), (self.base, "base")),
        ):
            control.add_class(f"dv-{word}")
        labelled("Value", self.aggregate, tooltip="What becomes of the values of a box and a period")
        labelled(
            "Times",
            self.groupby,
            tooltip="A series has one value a period, or of the time up to each; a climatology one for all years",
        )
        labelled("Show", self.anomaly, tooltip="The mean of each cell over the base period can be taken off first")
        labelled("On land", self.reach, tooltip="What stands for a point that has no values")
        labelled(
            "Base",
            self.base,
            tooltip="First and last year; empty: 1991–2020 if the data have them, else all whole years",
        )
        self.trend = ipywidgets.ToggleButton(
            description="Trend", tooltip="A straight line through the series without its seasons, with its interval"
        )
        self._hint = ipywidgets.HTML()
        self._hint.add_class("dv-hint")
        tools: list[ipywidgets.Widget] = [self.trend]
        if chart is not None:
            add = ipywidgets.Button(description="Add", tooltip="Keep this series on the chart and compare")
            add.on_click(lambda _button: chart.keep())
            drop = ipywidgets.Button(description="Clear", tooltip="Take the kept series off the chart")
            drop.on_click(lambda _button: chart.forget())
            tools += [add, drop]
        buttons = ipywidgets.HBox(tools)
        buttons.add_class("dv-buttons")
        self._quiet = False
        self.fill([self.aggregate, self.groupby, self.anomaly, self.base, self.reach, self._hint, buttons])
        for control, name in (
            *((self.aggregate, "aggregate"), (self.groupby, "groupby"), (self.anomaly, "anomaly")),
            *((self.reach, "reach"), (self.base, "base"), (self.trend, "trend")),
        ):
            self.watch(control, "value", partial(self._changed, name))
        names = ["aggregate", "groupby", "running", "anomaly", "base", "trend", "reach", "point"]
        self.watch(self.view, names, self._show)
        self.watch(self.desk, ["scene", "is_plain"], self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        """Show the view, without taking what is shown for a choice."""
        view, scene = self.view, self.desk.scene
        if scene is None:
            return
        chosen, offered = self.desk.aggregate, aggregates_of(scene.variable)
        running = scene.running(view, chosen)
        if self.desk.is_plain:
            offered = [name for name in offered if name in AGGREGATES]
        names = list(dict.fromkeys([*offered, chosen]))
        self._quiet = True
        try:
            self.aggregate.options = [(aggregate_word(name), name) for name in names]
            self.aggregate.value = chosen
            self.groupby.options = [
                *((word.capitalize(), name or "") for name, word in GROUP_WORDS.items()),
                *((running_word(seconds).capitalize(), seconds) for seconds in self._lengths(scene)),
            ]
            self.groupby.value = view.groupby or (0 if running is None else running.seconds) or ""
            self.anomaly.value = view.anomaly or ""
            self.base.value = "" if view.base is None else f"{view.base[0]}–{view.base[1]}"
            self.reach.options = [*_REACHES.items(), *self._further_reach()]
            self.reach.value = view.reach or 0.0
            self.trend.value = view.trend
        finally:
            self._quiet = False
        cycle = view.groupby in CLIMATOLOGIES
        self.base.layout.display = None if cycle or view.anomaly is not None else "none"
        self.reach.layout.display = None if view.point is not None else "none"
        # Values that share their samples with their neighbours have no anomalies, and no trend with an interval.
        self.anomaly.disabled = running is not None
        self.trend.disabled = cycle or running is not None or scene.variable.kind == "direction"
        self._hint.value = ""

    def _lengths(self, scene: Scene) -> list[float]:
        """Seconds of the windows that hold more than one time and not all of them, and of the one that is chosen."""
        if not scene.may_run(self.desk.aggregate):
            return []
        millis = scene.times.axis.millis
        step, span = float(np.median(np.diff(millis))) / 1000.0, float(millis[-1] - millis[0]) / 1000.0
        offered = {seconds for seconds in LENGTHS if step < seconds < span}
        return sorted(offered | ({self.view.running} if self.view.running else set()))

    def _further_reach(self) -> list[tuple[str, float]]:
        reach = self.view.reach
        return [] if not reach or reach in _REACHES.values() else [(f"Nearest sea within {reach / 1000:g} km", reach)]

    def _changed(self, name: str, change: Any) -> None:
        self._chose(name, change["new"])

    def _chose(self, name: str, value: Any) -> None:
        scene = self.desk.scene
        if self._quiet or scene is None or value is None:
            return
        if name == "groupby" and isinstance(value, float):
            self.view.set(groupby=None, running=value, anomaly=None, trend=False)
            return
        if name == "groupby":
            self.view.set(groupby=value or None, running=None)
            return
        if name == "base":
            value = value.replace("–", ",").replace("-", ",").strip() or None
        elif name == "aggregate":
            default = "avg" if self.desk.is_plain else default_aggregate(scene.variable)
            value = None if value == default else value
        elif name != "trend":
            value = value or None
        try:
            setattr(self.view, name, value)
        except DatavoreError as error:
            self._hint.value = f"<div role='alert'>{escape(sentence(error))}</div>"
