"""The arrows of a vector on a map, for what it shows, and what their length means."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import ipyleaflet
import ipywidgets
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import DatavoreError, NotSupported
from datavore_widgets.protocol.answers import Field, MapImage
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DataQuery, LapseDataQuery
from datavore_widgets.widgets.arrow_picture import drawing, key_of, sample, thinned
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.desk import Desk, Scene, sentence
from datavore_widgets.widgets.flows import Flow, flow_of
from datavore_widgets.widgets.footprints import Paper
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, number
from datavore_widgets.widgets.units import pretty
from datavore_widgets.widgets.viewport import Frame
from datavore_widgets.widgets.words import aggregate_word

__all__ = ["ARROWS_PANE", "ArrowsLayer"]

log = logging.getLogger(__name__)

_PANE = "dv-arrows"
ARROWS_PANE = {_PANE: {"zIndex": 422, "pointerEvents": "none"}}
"""Above the picture and the coast, below all that somebody has chosen."""

_PER_CELL = 9.0  # pixels between two cells that are asked for: of four of them one has an arrow
_MEANS = ("avg", "area_avg")  # of a lapse: other aggregates of the parts of a vector make no vector
_NEAREST = 86_400.0  # seconds from the time of the picture to that of the arrows, at most
_WAITING = 0.4  # opacity of arrows that are not yet those of the picture
_FOLLOWED = ["arrows", "date", "lapse", "filters", "window", "overlap", "aggregate"]


@dataclass(frozen=True, slots=True)
class _Wish:
    """The parts of a vector, where the map looks; `key` is that of the arrows so far."""

    flow: Flow
    parts: tuple[DataQuery | LapseDataQuery, ...]
    paper: Paper
    turn: float
    key: float


@dataclass(frozen=True)
class _Drawn:
    url: str
    key: float
    field: Field


class ArrowsLayer:
    """Draws the vector that the view names, as often as the map, the date or what counts of the data changes.

    Parameters
    ----------
    leaflet : ipyleaflet.Map
        It has the pane `ARROWS_PANE`.
    desk : Desk
        Whose view and data they are of; it is told what is true of them.
    """

    def __init__(self, leaflet: ipyleaflet.Map, desk: Desk) -> None:
        self._map = leaflet
        self._desk = desk
        self._frame: Frame | None = None
        self._key = 0.0
        self.overlay = ipyleaflet.ImageOverlay(name="Arrows", url="", bounds=((-1, -1), (1, 1)), pane=_PANE)
        self.legend = ipywidgets.HTML()
        self.legend.add_class("dv-arrows-key")
        self.pump: Pump[_Wish, _Drawn] = Pump(self._work, show=self._show, fail=self._fail, busy=self._wait)
        self._shown: tuple[Flow, Field] | None = None
        self._watched = [
            (desk.view, self._wish, _FOLLOWED),
            (desk, self._wish, ["scene"]),
            (desk, self._tell, ["picture"]),
        ]
        for thing, do, names in self._watched:
            thing.observe(do, names)

    def look(self, frame: Frame) -> None:
        """Draw what is in view now."""
        self._frame = frame
        self._wish()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def _wish(self, _change: Any = None) -> None:
        desk, frame, scene = self._desk, self._frame, self._desk.scene
        if scene is None or not scene.is_of(desk.view):
            return  # the scene is on its way
        flow = flow_of(scene.info, desk.view.arrows)
        if flow is None:
            self.pump.cancel()
            self._take_off()
        elif frame is not None:
            box, resolution, turn = frame.request()
            try:
                parts = tuple(self._query(scene, name, box, resolution) for name in (flow.east, flow.north))
            except DatavoreError as error:
                self.pump.cancel()
                self._take_off(_none(sentence(error)))
                return
            self.pump.submit(_Wish(flow, parts, Paper.of(box, resolution), turn, self._key))

    def _query(self, scene: Scene, name: str, box: BBox, resolution: int) -> DataQuery | LapseDataQuery:
        view, aggregate = self._desk.view, self._desk.aggregate
        part = replace(scene, variable=scene.info.variable(name))
        source, cells = part.source(view), max(1, round(resolution / _PER_CELL))
        if view.lapse is None or source.date is None:
            source = source if source.date is None else replace(source, nearest=_NEAREST)
            return DataQuery(source, box, cells, window=part.window(view))
        if aggregate not in _MEANS:
            word = aggregate_word(aggregate).partition(" (")[0].lower()
            raise NotSupported(f"the {word} of the parts of a vector is no vector; choose a mean")
        return LapseDataQuery(*(source.index, name, box, view.lapse, aggregate, source.filters, source.subtract, cells))

    def _work(self, wish: _Wish, job: Job) -> _Drawn:
        east, north = (self._desk.client.answer(query, job) for query in wish.parts)
        arrows = thinned(wish.paper, east.lon, east.lat, _floats(east.data), _floats(north.data))
        key = key_of(arrows, wish.key)
        return _Drawn(drawing(arrows, wish.paper, key), key, east)

    def _show(self, wish: _Wish, drawn: _Drawn) -> None:
        scene = self._desk.scene
        if scene is None or flow_of(scene.info, self._desk.view.arrows) != wish.flow:
            return  # another vector has been chosen meanwhile, or none
        (south, west), (north, east) = wish.paper.box.to_leaflet()
        with self.overlay.hold_sync():
            self.overlay.url = drawn.url
            self.overlay.bounds = ((south, west + wish.turn), (north, east + wish.turn))
            self.overlay.opacity = 1.0
        if self.overlay not in self._map.layers:
            self._map.add(self.overlay)
        self._key = drawn.key
        self.legend.value = _legend(wish.flow, drawn.key)
        self._shown = wish.flow, drawn.field
        self._tell()

    def _tell(self, _change: Any = None) -> None:
        if self._shown is not None:
            picture = self._desk.picture
            self._desk.arrows = _facts(*self._shown, None if picture is None else picture.image)

    def _fail(self, wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", wish.parts, exc_info=error)
        self._take_off(_none(sentence(error)))

    def _wait(self, on: bool) -> None:
        if on:
            self.overlay.opacity = _WAITING

    def _take_off(self, why: str = "") -> None:
        if self.overlay in self._map.layers:
            self._map.remove(self.overlay)
        self.legend.value = ""
        self._shown = None
        self._desk.arrows = why

    def close(self) -> None:
        """Draw no more, and take the arrows off the map."""
        self.pump.close()
        for thing, do, names in self._watched:
            thing.unobserve(do, names)
        close_whole(self.overlay)


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan))


def _none(why: str) -> str:
    return f"no arrows: {why}"


def _facts(flow: Flow, field: Field, picture: MapImage | None) -> str:
    """What is true of the arrows, in a few words; of what they share with the picture, nothing."""
    is_mean = field.aggregate in _MEANS
    when = ""
    if field.time is not None and (picture is None or picture.time != field.time):
        when = f" at {field.time.text}"
    dims = {} if picture is None else picture.dims
    where = "".join(
        f" at {name} {number(value, 6) if isinstance(value, int | float) else value}"
        for name, value in field.dims.items()
        if dims.get(name) != value
    )
    of = ("the mean of " if is_mean else "") + ", ".join(flow.components)
    return f"arrows of {of}{when}{where} {flow.convention}, each of one cell"


def _legend(flow: Flow, key: float) -> str:
    speed = f"{number(key)} {pretty(flow.units)}".strip() if key > 0 else "nothing moves here"
    arrow = sample() if key > 0 else ""
    return (
        f"<figure class='dv-arrow-figure'><figcaption>{escape(flow.label)}</figcaption>"
        f"<div>{arrow}<span>{escape(speed)}</span></div></figure>"
    )
