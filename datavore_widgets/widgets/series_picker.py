"""How the series is made: the aggregate, the grouping, and what is kept."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.words import AGGREGATE_WORDS, GROUP_WORDS

__all__ = ["SeriesPicker"]


class SeriesPicker(Panel):
    """Drop-downs for aggregate and grouping; buttons that keep a series on the chart and drop it.

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
        self.aggregate = ipywidgets.Dropdown(options=[(word, name) for name, word in AGGREGATE_WORDS.items()])
        # No None among the values: to a drop-down that is "nothing chosen".
        self.groupby = ipywidgets.Dropdown(
            options=[(word.capitalize(), name or "") for name, word in GROUP_WORDS.items()]
        )
        self.aggregate.add_class("dv-aggregate")
        self.groupby.add_class("dv-groupby")
        labelled("Value", self.aggregate, tooltip="What becomes of the values of a box and a period")
        labelled("Times", self.groupby, tooltip="One value for every time, day, month or year")
        controls: list[ipywidgets.Widget] = [self.aggregate, self.groupby]
        if chart is not None:
            add = ipywidgets.Button(description="Add", tooltip="Keep this series on the chart and compare")
            add.on_click(lambda _button: chart.keep())
            drop = ipywidgets.Button(description="Clear", tooltip="Take the kept series off the chart")
            drop.on_click(lambda _button: chart.forget())
            buttons = ipywidgets.HBox([add, drop])
            buttons.add_class("dv-buttons")
            controls.append(buttons)
        self.fill(controls)
        self.watch(self.aggregate, "value", lambda change: setattr(self.view, "aggregate", change["new"]))
        self.watch(self.groupby, "value", lambda change: setattr(self.view, "groupby", change["new"] or None))
        self.watch(self.view, ["aggregate", "groupby"], self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        self.aggregate.value = self.view.aggregate
        self.groupby.value = self.view.groupby or ""
