"""The points of a query on a map: one picture over it, and what its colours mean."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import Any

import ipyleaflet
import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import Categories, default_cmap, palette
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.color_bar import bar
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.point_picture import Points, draw
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.units import Scale
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame

__all__ = ["POINTS_PANE", "PointsLayer"]

log = logging.getLogger(__name__)

POINTS_PANE = {"dv-points": {"zIndex": 430, "pointerEvents": "none"}}
"""Above the coast, below the box and the chosen point."""

_CLASSES = "tab20"


@dataclass(frozen=True, slots=True)
class _Wish:
    points: Points
    box: BBox
    resolution: int
    turn: float
    cmap: str


@dataclass(frozen=True)
class _Drawn:
    url: str
    box: BBox
    count: int


class PointsLayer:
    """Draws the view's points for what a map shows, as often as it is moved.

    Parameters
    ----------
    leaflet : ipyleaflet.Map
        It has the pane `POINTS_PANE`.
    view : View
        Whose `points` are drawn, with the colour map that the map has.
    """

    def __init__(self, leaflet: ipyleaflet.Map, view: View) -> None:
        self._map = leaflet
        self._view = view
        self._frame: Frame | None = None
        self.overlay = ipyleaflet.ImageOverlay(name="Points", url="", bounds=((-1, -1), (1, 1)), pane="dv-points")
        self.legend = ipywidgets.HTML()
        self.legend.add_class("dv-points-legend")
        self.pump: Pump[_Wish, _Drawn] = Pump(self._work, show=self._show, fail=self._fail)
        view.observe(self._wish, ["points", "cmap"])

    def look(self, frame: Frame) -> None:
        """Draw what is in view now."""
        self._frame = frame
        self._wish()

    def recolour(self, _change: Any = None) -> None:
        """The map has other colours."""
        self._wish()

    def _wish(self, _change: Any = None) -> None:
        points, frame = self._view.points, self._frame
        if points is None:
            self.pump.cancel()
            self.legend.value = ""
            if self.overlay in self._map.layers:
                self._map.remove(self.overlay)
        elif frame is not None:
            self.pump.submit(_Wish(points, *frame.request(), self._cmap(points)))

    def _cmap(self, points: Points) -> str:
        """The map's own colours; for classes, those of classes."""
        if points.flags:
            return _CLASSES
        desk = self._view.desk
        picture = None if desk is None else desk.picture
        used = None if picture is None else picture.image.cmap
        return self._view.cmap or used or default_cmap(VariableInfo(points.name))

    def _work(self, wish: _Wish, _job: Job) -> _Drawn:
        png, box, count = draw(wish.points, wish.box, wish.resolution, wish.cmap)
        return _Drawn("data:image/png;base64," + base64.b64encode(png).decode("ascii"), box, count)

    def _show(self, wish: _Wish, drawn: _Drawn) -> None:
        if wish.points is not self._view.points:
            return
        (south, west), (north, east) = drawn.box.to_leaflet()
        with self.overlay.hold_sync():
            self.overlay.url = drawn.url
            self.overlay.bounds = ((south, west + wish.turn), (north, east + wish.turn))
        if self.overlay not in self._map.layers:
            self._map.add(self.overlay)
        self.legend.value = _legend(wish.points, wish.cmap, drawn.count)

    def _fail(self, _wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the points could not be drawn", exc_info=error)
        self.legend.value = f"<div role='alert'>{escape(sentence(error))}</div>"

    def close(self) -> None:
        """Draw no more, and take the points off the map."""
        self.pump.close()
        self._view.unobserve(self._wish, ["points", "cmap"])
        close_whole(self.overlay)


def _legend(points: Points, cmap: str, count: int) -> str:
    total = points.lon.size
    told = (
        f"{thousands(count)} points" if count == total else f"{thousands(count)} of {thousands(total)} points in view"
    )
    head = f"<figcaption>{escape(points.name)} <span class='dv-muted'>{told}</span></figcaption>"
    norm = points.norm
    colours = ""
    if isinstance(norm, Categories):
        rows = zip(norm.values, palette(cmap, norm.levels)[1:, :3], strict=True)
        items = (
            f"<li><i style='background:rgb({r} {g} {b})'></i>{escape(points.flags[value])}</li>"
            for value, (r, g, b) in rows
        )
        colours = f"<ul class='dv-flags'>{''.join(items)}</ul>"
    elif norm is not None and points.are_times:
        ends = (str(np.datetime64(round(v), "ms").astype("M8[m]")).replace("T", " ") for v in (norm.vmin, norm.vmax))
        labels = "".join(f"<span>{end} Z</span>" for end in ends)
        colours = (
            f"<div class='dv-bar-of-times'>{bar(norm, Scale(''), cmap)}<div class='dv-bar-ends'>{labels}</div></div>"
        )
    elif norm is not None:
        colours = bar(norm, Scale(""), cmap, width=240)
    return f"<figure class='dv-bar-figure'>{head}{colours}</figure>"
