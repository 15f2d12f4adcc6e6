"""How much of the past one picture of swaths and tracks shows, and what lies on top."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.text import duration
from datavore_widgets.widgets.view import View

__all__ = ["LENGTHS", "WindowPicker"]

_HOUR = 3600.0
LENGTHS = (3 * _HOUR, 12 * _HOUR, 24 * _HOUR, 3 * 24 * _HOUR, 7 * 24 * _HOUR, 30 * 24 * _HOUR)
"""Seconds of the windows of time that are offered."""
_OVERLAPS = {"latest": "Newest on top", "mean": "Mean of all"}


class WindowPicker(Panel):
    """Drop-downs for the window of time and for the rule of overlap; shown for what lies elsewhere at each time.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "window-picker"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.length = ipywidgets.Dropdown()
        self.overlap = ipywidgets.Dropdown(options=[(word, name) for name, word in _OVERLAPS.items()])
        self.length.add_class("dv-window")
        self.overlap.add_class("dv-overlap")
        labelled("Window", self.length, tooltip="The samples of so long a time up to the date are on the map together")
        labelled("Overlap", self.overlap, tooltip="What is shown where samples of several times lie over one another")
        self._quiet = False
        self.fill([self.length, self.overlap])
        self.watch(self.length, "value", self._chose_length)
        self.watch(self.overlap, "value", self._chose_overlap)
        self.watch(self.view, ["window", "overlap"], self._show)
        self.watch(self.desk, "scene", self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is None:
            return
        self.mark("dv-hidden", not scene.moves)
        window = scene.window(self.view)
        seconds = 0.0 if window is None else window.seconds
        self._quiet = True
        try:
            self.length.options = [
                (duration(length) if length else "One time", length) for length in sorted({0.0, *LENGTHS, seconds})
            ]
            self.length.value = seconds
            self.overlap.value = self.view.overlap
            self.overlap.disabled = window is None
        finally:
            self._quiet = False

    def _chose_length(self, change: Any) -> None:
        if not self._quiet and change["new"] is not None:
            self.view.window = change["new"]

    def _chose_overlap(self, change: Any) -> None:
        if not self._quiet:
            self.view.overlap = change["new"]
