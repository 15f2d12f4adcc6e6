"""Preparing: whether boxes of the variable are answered from prepared data, and the button that prepares it."""

from __future__ import annotations

import logging
import time
from typing import Any

import ipywidgets

from datavore_widgets.errors import DatavoreError, NotSupported
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import PrepareQuery
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import about, amount, escape, thousands
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View

__all__ = ["PrepareRow"]

log = logging.getLogger(__name__)

_TELLING = 2.0
"""Seconds from which on what is done tells how long the rest takes."""


class PrepareRow(Panel):
    """Says how far the variable is prepared, and prepares it: with its progress, and to be cancelled.

    Parameters
    ----------
    client, view
        See `Panel`.
    chart : TimeseriesChart, optional
        The chart that asks again when it is done; None: none does.
    """

    name = "prepare"

    def __init__(self, client: Any = None, view: View | None = None, chart: TimeseriesChart | None = None) -> None:
        super().__init__(client, view)
        self._chart = chart
        self._said = ipywidgets.HTML()
        self._said.add_class("dv-prepare-said")
        self.start = ipywidgets.Button(
            description="Prepare",
            tooltip="Boxes are read from the files: make, once, in the cache folder, what answers them in milliseconds",
        )
        self.start.on_click(self._begin)
        self.stop = ipywidgets.Button(description="Cancel", tooltip="What is made so far is kept, for the next time")
        self.stop.on_click(self._cancel)
        self.bar = ipywidgets.IntProgress(max=100, layout=ipywidgets.Layout(width="100%"))
        self._buttons = ipywidgets.HBox([self.start, self.stop])
        self._buttons.add_class("dv-buttons")
        line = ipywidgets.HBox([self._said, self._buttons])
        line.add_class("dv-prepare-line")
        self.fill([line, self.bar])
        self._began = 0.0
        self.pump: Pump[PrepareQuery, Preparation] = Pump(
            self._work, show=self._show, fail=self._fail, progress=self._report
        )
        self._rest()
        self.watch(self.desk, "scene", self._wish)
        self._wish()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def _query(self, *, start: bool) -> PrepareQuery | None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return None
        return PrepareQuery(scene.info.index, scene.variable.name, start)

    def _wish(self, _change: Any = None) -> None:
        query = self._query(start=False)
        if query is not None:
            # Another variable: what was being prepared is given up, and goes on when it is asked for again.
            self.pump.cancel()
            self._rest()
            self.pump.submit(query)

    def _begin(self, _button: Any) -> None:
        query = self._query(start=True)
        if query is not None:
            self._began = time.monotonic()
            self.bar.value = 0
            self._turn(is_at_work=True)
            self._say("Preparing …")
            self.pump.submit(query)

    def _cancel(self, _button: Any) -> None:
        self.pump.cancel()
        self._wish()

    def _work(self, query: PrepareQuery, job: Job) -> Preparation:
        found: Preparation = self.desk.client.answer(query, job)
        return found

    def _report(self, done: int, total: int) -> None:
        if not self._began or not total:
            return
        self.bar.value = 100 * done // total
        spent = time.monotonic() - self._began
        rest = f", about {about(spent * (total - done) / done)} more" if done and spent > _TELLING else ""
        self._say(f"Preparing: {thousands(done)} of {thousands(total)} times{rest}")

    def _show(self, query: PrepareQuery, found: Preparation) -> None:
        self._rest()
        missing = found.times - found.ready
        self.start.disabled = bool(found.hindrance)
        self._buttons.layout.display = "none" if found.hindrance or not missing else ""
        if not found.times:
            self._say("")
        elif not missing:
            self._say("Boxes are answered from prepared data")
        elif found.ready:
            why = "files changed" if found.changed else "files were added"
            self._say(f"{thousands(missing)} of {thousands(found.times)} times are not prepared: {why}")
        elif found.hindrance:
            self._say("")
        else:
            self._say(f"Not prepared: reads {amount(found.reads)}, takes up to {amount(found.takes)}")
        if query.start and self._chart is not None:
            self._chart.again()

    def _fail(self, query: PrepareQuery, error: Exception) -> None:
        self._rest()
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", query, exc_info=error)
        # A server that knows nothing of it has nothing to offer.
        is_unknown = isinstance(error, NotSupported)
        self._buttons.layout.display = "none" if is_unknown else ""
        silent = is_unknown and not query.start
        self._said.value = "" if silent else f"<div role='alert'>{escape(sentence(error))}</div>"

    def _rest(self) -> None:
        self._began = 0.0
        self._turn(is_at_work=False)

    def _turn(self, *, is_at_work: bool) -> None:
        self.bar.layout.display = self.stop.layout.display = "" if is_at_work else "none"
        self.start.layout.display = "none" if is_at_work else ""

    def _say(self, text: str) -> None:
        self._said.value = f"<div role='status'>{escape(text)}</div>" if text else ""

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()
