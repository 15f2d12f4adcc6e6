"""The chosen swell over a pass: its height and its peak period."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.widgets.curves import Curve
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.plot import COLORS, TimePlot
from datavore_widgets.widgets.text import escape
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.wave_desk import Flock, WaveDesk

__all__ = ["PassChart"]

_TICKS = 4
_DATES = 3
_RULE = "It is followed from one imagette to the next by its direction (±30°) and its wavelength (±30 %)"
_WHOLE = "#7a7f87"  # of what is no swell: readable on white and on black


class PassChart(ViewPanel):
    """Two plots over the times of the pass; a click chooses the acquisition.

    Parameters
    ----------
    desk : WaveDesk
        Whose chosen swell is shown.
    """

    name = "pass-chart"

    def __init__(self, desk: WaveDesk, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self.add_class("dv-chart")
        self._desk = desk
        self.height, self.period = TimePlot(_TICKS, _DATES), TimePlot(_TICKS, _DATES)
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-pass-head")
        stages = []
        for plot in (self.height, self.period):
            plot.sheet.on_msg(self._heard)
            stage = ipywidgets.Box([plot.figure, plot.sheet])
            stage.add_class("dv-chart-stage")
            stages.append(stage)
        pair = ipywidgets.HBox(stages)
        pair.add_class("dv-pass-pair")
        self.fill([self._head, pair])
        self.watch(desk, ["chosen", "spectrum", "partition", "flock"], self._draw)
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        flock, chosen = self._desk.flock, self._desk.chosen
        if not 0 <= chosen < len(flock):
            self._clear("Choose an imagette on the map, and its pass appears here")
            return
        here = float(flock.millis[chosen])
        swell, number = self._desk.swell(), self._desk.partition
        positions = flock.pass_of(chosen)
        whole = flock.column("hs")[positions].astype(np.float64)
        heights: list[tuple[Curve, str, str]] = []
        colors: list[str] = []
        if swell is not None and np.isfinite(swell.hs).any():
            color = COLORS[number % len(COLORS)]
            heights.append((_curve(flock, positions, swell.hs), f"swell {number + 1}", "m"))
            colors.append(color)
            periods = _curve(flock, positions, swell.peak_period)
            self.period.draw([(periods, f"swell {number + 1}", "s")], "Tp, s", colors=[color])
        if np.isfinite(whole).any():
            heights.append((_curve(flock, positions, whole), "whole spectrum", "m"))
            colors.append(_WHOLE)
        self.height.draw(heights, "Hs, m", colors=colors)
        if not colors or colors == [_WHOLE]:
            self.period.draw([])
        found = 0 if swell is None else int(np.isfinite(swell.hs).sum())
        name = f"Swell {number + 1} in {found} of {positions.size} imagettes of the pass" if found else "Pass"
        self._head.value = (
            f"<div title='{_RULE}'><b>{name}</b> <span class='dv-muted'>· grey: the whole spectrum</span></div>"
        )
        for plot in (self.height, self.period):
            plot.sheet.shown = here
        self.mark("dv-is-empty", not colors)

    def _clear(self, text: str) -> None:
        self.height.draw([])
        self.period.draw([])
        self.mark("dv-is-empty", True)
        self._head.value = f"<div class='dv-muted'>{escape(text)}</div>"

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """A click on a plot: the acquisition of that time."""
        millis = content.get("millis") if isinstance(content, dict) else None
        flock, chosen = self._desk.flock, self._desk.chosen
        if isinstance(millis, bool) or not isinstance(millis, int | float) or not abs(millis) < 1e15:
            return
        if 0 <= chosen < len(flock):
            positions = flock.pass_of(chosen)
            self._desk.chosen = int(positions[np.abs(flock.millis[positions] - int(millis)).argmin()])


def _curve(flock: Flock, positions: NDArray[np.int64], values: NDArray[np.float64]) -> Curve:
    return Curve(flock.labels[positions], values, np.full(positions.size, -1, np.int64))
