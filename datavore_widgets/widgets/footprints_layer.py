"""The acquisitions on a map, the one that is looked at, and the ways of its swell."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ipyleaflet
import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.color_bar import bar
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.footprints import Paper, footprints, ways
from datavore_widgets.widgets.plot import COLORS
from datavore_widgets.widgets.point_picture import Points
from datavore_widgets.widgets.points_layer import POINTS_PANE
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.units import Scale
from datavore_widgets.widgets.viewport import Frame
from datavore_widgets.widgets.wave_desk import COLOURS, Colour, Flock, WaveDesk

__all__ = ["FootprintsLayer"]

log = logging.getLogger(__name__)

_PANE = next(iter(POINTS_PANE))
_ABOVE = "dv-marks"
_NEAR = 14.0  # pixels from an acquisition that a click may be


@dataclass(frozen=True, eq=False)
class _Coloured:
    """Acquisitions with what colours them."""

    flock: Flock
    colour: Colour
    points: Points


@dataclass(frozen=True, slots=True)
class _Wish:
    marks: _Coloured
    box: BBox
    resolution: int
    turn: float


@dataclass(frozen=True)
class _Drawn:
    url: str
    count: int


class FootprintsLayer:
    """Draws the acquisitions for what a map shows, as often as it is moved.

    Parameters
    ----------
    leaflet : ipyleaflet.Map
        It has the pane of points.
    desk : WaveDesk
        Whose acquisitions are drawn.
    """

    def __init__(self, leaflet: ipyleaflet.Map, desk: WaveDesk) -> None:
        self._map = leaflet
        self._desk = desk
        self._frame: Frame | None = None
        self._marks: _Coloured | None = None
        self._visible = True
        self.overlay = ipyleaflet.ImageOverlay(name="Footprints", url="", bounds=((-1, -1), (1, 1)), pane=_PANE)
        self.ways = ipyleaflet.ImageOverlay(name="Swell", url="", bounds=((-1, -1), (1, 1)), pane=_ABOVE)
        self.legend = ipywidgets.HTML()
        self.legend.add_class("dv-points-legend")
        self.pump: Pump[_Wish, _Drawn] = Pump(self._work, show=self._show, fail=self._fail)
        leaflet.observe(self._moved, "bounds")
        desk.observe(self._recolour, ["flock", "colour"])
        desk.observe(self._draw_ways, ["chosen", "spectrum", "partition", "days"])
        self._moved()
        self._recolour()

    @property
    def visible(self) -> bool:
        """Whether it is on the map."""
        return self._visible

    @visible.setter
    def visible(self, on: bool) -> None:
        self._visible = on
        self._wish()
        self._draw_ways()

    def reach(self) -> float:
        """Degrees that a click may be off an acquisition."""
        frame = self._frame
        return 1.0 if frame is None else _NEAR * (frame.east - frame.west) / frame.width

    def _moved(self, _change: Any = None) -> None:
        frame = Frame.of(self._map)
        if frame is not None:
            self._frame = frame
            self._wish()
            self._draw_ways()

    def _recolour(self, _change: Any = None) -> None:
        desk = self._desk
        colour, flock = COLOURS[desk.colour], desk.flock
        if not len(flock):
            self._marks = None
        else:
            values = flock.column(colour.name).astype(np.float64)
            self._marks = _Coloured(flock, colour, Points(flock.lon, flock.lat, values, colour.label))
        self._wish()

    def _wish(self) -> None:
        marks, frame = self._marks, self._frame
        if marks is None or not self._visible:
            self.pump.cancel()
            self.legend.value = ""
            self._put(self.overlay, on=False)
        elif frame is not None:
            self.pump.submit(_Wish(marks, *frame.request()))

    def _work(self, wish: _Wish, _job: Job) -> _Drawn:
        marks = wish.marks
        paper = Paper.of(wish.box, wish.resolution)
        return _Drawn(*footprints(marks.points, marks.flock.heading, paper, wish.resolution, marks.colour.cmap))

    def _show(self, wish: _Wish, drawn: _Drawn) -> None:
        if wish.marks is not self._marks or not self._visible:
            return
        _lay(self.overlay, drawn.url, wish.box, wish.turn)
        self._put(self.overlay, on=True)
        self.legend.value = _legend(wish.marks, drawn.count)

    def _fail(self, _wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the acquisitions could not be drawn", exc_info=error)
        self.legend.value = f"<div role='alert'>{escape(sentence(error))}</div>"

    def _draw_ways(self, _change: Any = None) -> None:
        desk, frame = self._desk, self._frame
        flock, chosen = desk.flock, desk.chosen
        if frame is None or not self._visible or not 0 <= chosen < len(flock):
            self._put(self.ways, on=False)
            return
        box, resolution, turn = frame.request()
        along = flock.pass_of(chosen)
        url = ways(
            Paper.of(box, resolution),
            (float(flock.lon[chosen]), float(flock.lat[chosen]), float(flock.heading[chosen])),
            (flock.lon[along], flock.lat[along]),
            desk.paths() or (),
            int(flock.millis[chosen]),
            COLORS[max(0, desk.partition) % len(COLORS)],
        )
        _lay(self.ways, url, box, turn)
        self._put(self.ways, on=True)

    def _put(self, layer: ipyleaflet.ImageOverlay, *, on: bool) -> None:
        """On the map, or off it."""
        there = layer in self._map.layers
        if on and not there:
            self._map.add(layer)
        elif there and not on:
            self._map.remove(layer)

    def close(self) -> None:
        """Draw no more, and take everything off the map."""
        self.pump.close()
        self._map.unobserve(self._moved, "bounds")
        self._desk.unobserve(self._recolour, ["flock", "colour"])
        self._desk.unobserve(self._draw_ways, ["chosen", "spectrum", "partition", "days"])
        for layer in (self.overlay, self.ways):
            if self._map.comm is not None:  # else the map was closed with all that was on it
                self._put(layer, on=False)
            close_whole(layer)


def _lay(layer: ipyleaflet.ImageOverlay, url: str, box: BBox, turn: float) -> None:
    (south, west), (north, east) = box.to_leaflet()
    with layer.hold_sync():
        layer.url = url
        layer.bounds = ((south, west + turn), (north, east + turn))


def _legend(marks: _Coloured, count: int) -> str:
    total = len(marks.flock)
    told = (
        f"{thousands(count)} imagettes"
        if count == total
        else f"{thousands(count)} of {thousands(total)} imagettes in view"
    )
    colour, norm = marks.colour, marks.points.norm
    head = f"<figcaption>{escape(colour.label)} ({escape(colour.units)})</figcaption>"
    drawn = "" if norm is None else bar(norm, Scale(colour.units), colour.cmap, width=240)  # type: ignore[arg-type]
    return f"<figure class='dv-bar-figure'>{head}{drawn}<div class='dv-muted'>{told}</div></figure>"
