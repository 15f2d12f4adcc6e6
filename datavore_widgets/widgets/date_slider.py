"""The times of the variable, on a bar: drag, step, play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
from traitlets import Bool, Bytes, Int, TraitError, Unicode, validate

from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.style import STATIC
from datavore_widgets.widgets.view import View

__all__ = ["DateSlider", "TimeBar"]


class TimeBar(anywidget.AnyWidget):
    """The front end: draws the bar, plays, and tells the position. Every other trait is Python's alone."""

    _esm = STATIC / "date_slider.js"
    labels = Bytes().tag(sync=True)  # int64, little-endian: a label has 17 digits, more than a number of JavaScript
    position = Int().tag(sync=True)
    shown = Int().tag(sync=True)
    playing = Bool(False).tag(sync=True)
    film = Unicode().tag(sync=True)  # the model of the pictures that the browser keeps; empty if there is no map
    note = Unicode().tag(sync=True)

    @validate("position", "shown")
    def _inside(self, proposal: Any) -> int:
        count = len(self.labels) // 8
        return max(0, min(int(proposal["value"]), count - 1))

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: only the position, and whether it plays, are its to set."""
        position = sync_data.get("position")
        if "position" in sync_data and (isinstance(position, bool) or not isinstance(position, int)):
            raise TraitError(f"position is a whole number, not {position!r}")
        super().set_state({name: value for name, value in sync_data.items() if name in ("position", "playing")})


class DateSlider(Panel):
    """The index's real times. Arrow keys go one step, Page Up and Page Down ten, Home and End to the ends.

    Play goes on when the picture of a step is in the browser, so it is as fast as pictures come and never faster than
    asked. Pictures that the browser keeps are shown without a word of the kernel, which is told the time after.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "date-slider"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.bar = TimeBar()
        self.bar.layout.flex = "1 1 auto"
        self.fill([self.bar])
        self.watch(self.bar, "position", self._dragged)
        self.watch(self.view, "date", self._follow)
        self.watch(self.view, "window", self._new_scene)
        self.watch(self.desk, "scene", self._new_scene)
        self.watch(self.desk, "settled", self._landed)
        self.watch(self.desk, "film", self._join)
        self.watch(self.bar, "playing", lambda change: setattr(self.desk, "playing", change["new"]))
        self.watch(self.desk, "notice", self._note)
        self.watch(self.view, "lapse", self._note)
        self._join()
        self._new_scene()

    def _join(self, _change: Any = None) -> None:
        film = self.desk.film
        self.bar.film = "" if film is None else film.model_id

    def _new_scene(self, _change: Any = None) -> None:
        scene = self.desk.scene
        self._stops = np.zeros(0, np.int64) if scene is None else scene.stops(self.view)
        labels = self._stops if scene is None else scene.times.axis.labels[self._stops]
        with self.bar.hold_sync():
            self.bar.labels = labels.astype("<i8").tobytes()
            self._follow()
            self._note()
            self.bar.shown = self.bar.position

    def _follow(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return
        stop = scene.stop(self.view.date, self._stops)
        self.bar.position = stop
        if self.desk.film is None:
            self.bar.shown = stop

    def _dragged(self, change: Any) -> None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view) or not len(scene.times.axis):
            return
        if scene.stop(self.view.date, self._stops) != change["new"]:
            self.desk.notice = ""
            self.view.set(date=scene.stamp(int(self._stops[change["new"]])).date, lapse=None)

    def _landed(self, _change: Any) -> None:
        """The map has finished a request: what is shown is the picture's time, or an error that says there is none."""
        scene = self.desk.scene
        if scene is not None and self.desk.settled is not None:
            self.bar.shown = scene.stop(self.desk.settled, self._stops)

    def _note(self, _change: Any = None) -> None:
        scene = self.desk.scene
        self.bar.note = self.desk.notice or ("" if self.view.lapse is None else "The map shows a lapse, not this date.")
        if scene is not None and not self.bar.note and not scene.times.exact:
            self.bar.note = "The server tells only the first and the last time; pictures are of the nearest one."
