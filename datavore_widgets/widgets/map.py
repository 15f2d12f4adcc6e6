"""The map: a picture of one time, where the data say; a box and a point to ask for series."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import ipyleaflet
import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import Canvas, LapseMapQuery, MapQuery, Style
from datavore_widgets.widgets.area_tool import AreaTool
from datavore_widgets.widgets.arrows_layer import ArrowsLayer
from datavore_widgets.widgets.basemaps import BASEMAPS
from datavore_widgets.widgets.cell_outlines import CellOutlines
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.coast import land_layer
from datavore_widgets.widgets.desk import Picture, Scene, sentence
from datavore_widgets.widgets.film import Film, Still
from datavore_widgets.widgets.foresight import Foresight
from datavore_widgets.widgets.ground import MARK_PANE, leaflet_map
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.point_readout import PointReadout
from datavore_widgets.widgets.points_layer import PointsLayer
from datavore_widgets.widgets.pump import Pump, somebody_waits
from datavore_widgets.widgets.text import escape, heading
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import DEEPEST, Frame, fit

__all__ = ["DatavoreMap"]

log = logging.getLogger(__name__)

_NOTHING = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
_DIMMED = 0.45
_PICTURED = [
    "date",
    "lapse",
    "filters",
    "subtract",
    "window",
    "overlap",
    "cmap",
    "vmin",
    "vmax",
    "scale",
]  # of a picture
_EXACTLY = -0.02  # levels of zoom: a view that was rounded on its way is the same view
_NEAR = 8  # times on both sides that are made in advance while nobody plays
_FAR = 32  # times in the direction of the last step, where pictures are made quickly
_QUICK = 0.2  # seconds for a picture
_PLAYED = 90  # times that are made in advance while it plays: three seconds at the fastest
_UNSEEN = 768  # pixels of the first picture, asked before the browser has told the map's size


@dataclass(frozen=True, slots=True)
class _Wish:
    """A picture and where it belongs.

    Parameters
    ----------
    turn : float
        Degrees of the turn of the world that it is wanted on.
    place : int
        Its stop on the bar of dates.
    or_plainly : bool
        See `Desk.ask`.
    ahead : bool
        Whether nobody waits for it yet.
    """

    query: MapQuery | LapseMapQuery
    turn: float
    scene: Scene
    place: int
    or_plainly: bool
    ahead: bool = False

    @property
    def shot(self) -> tuple[Any, ...]:
        """What pictures have in common that differ in time alone."""
        query: Any = self.query
        if isinstance(query, MapQuery):
            query = replace(query.source, date=None), query.canvas, query.style, query.window
        return query, self.turn, self.scene

    def at(self, place: int, position: int, style: Style, ahead: bool) -> _Wish:
        """The same at another time, in colours that are settled."""
        query = self.query
        if isinstance(query, MapQuery):
            query = replace(query, source=replace(query.source, date=self.scene.stamp(position).date), style=style)
        return replace(self, query=query, place=place, ahead=ahead)


@dataclass(frozen=True)
class _Shown:
    query: MapQuery | LapseMapQuery
    image: MapImage


class DatavoreMap(Panel):
    """A picture of the variable at the view's time.

    Panning and zooming ask for the picture anew at the map's resolution; the old one stays in its place meanwhile.
    Pictures of the times around the one shown are made when there is nothing else to do, and kept in the browser.
    The button below the zoom draws a box (a drag, or two clicks); a click on the map chooses a point.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "map"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.overlay = ipyleaflet.ImageOverlay(name="Picture", url=_NOTHING, bounds=((-1, -1), (1, 1)))
        self.film = Film(self.overlay, self._foresee)
        self.desk.film = self.film
        self._ring = ipyleaflet.CircleMarker(name="Point", location=(0, 0), radius=6, weight=2, pane=MARK_PANE)
        self._land = land_layer()
        self.map = leaflet_map(self._land, self.overlay, zoom=2)
        self._area = AreaTool(self.map, self.view, "the series")
        self._title = ipywidgets.HTML()
        self._title.add_class("dv-map-title")
        self._back = ipywidgets.Button(
            description="Back to one date", icon="times", tooltip="Show the picture of one time again"
        )
        self._back.add_class("dv-back")
        self._back.on_click(lambda _button: setattr(self.view, "lapse", None))
        self._readout = PointReadout(self.desk.client, self.view)
        self._strip = ipywidgets.HTML()
        self._strip.add_class("dv-strip")
        self._progress = ipywidgets.HTML("<div role='progressbar' aria-label='Picture under way'></div>")
        self._progress.add_class("dv-busy")
        self.arrows = ArrowsLayer(self.map, self.desk)
        self.points = PointsLayer(self.map, self.view)
        self.cells = CellOutlines(self.map, self.desk)
        self.caption = ipywidgets.VBox([self._title, self.arrows.legend, self._back, self._readout, self.points.legend])
        self.caption.add_class("dv-map-caption")
        self.corner = ipywidgets.Box()
        self.corner.add_class("dv-map-corner")
        self.fill([self.map, self.film, self._area.sheet, self.caption, self.corner, self._strip, self._progress])
        self.layout.height = "420px"

        self._frame: Frame | None = None
        self._opening = self.view.viewport
        self._last: _Wish | None = None
        self._stops = np.zeros(0, np.int64)
        self._forward = True
        self.pump: Pump[_Wish, _Shown] = Pump(self._work, show=self._show, fail=self._fail, busy=self._busy)
        self.foresight: Foresight[_Wish, _Shown] = Foresight(
            self._work, keep=self._keep, fail=self._unforeseen, go_on=self._foresee
        )
        self.watch(self.map, "bounds", self._moved)
        self.watch(self.view, _PICTURED, self._wish)
        self.watch(self.view, "aggregate", self._reaggregate)
        self.watch(self.view, "lapse", self._offer_way_back)
        self.watch(self.view, "bbox", self._area.place)
        self.watch(self.view, "point", self._place_point)
        self.watch(self.view, "basemap", self._lay_base)
        self.watch(self.view, "viewport", self._sent)
        self.watch(self.desk, "scene", self._new_scene)
        self.watch(self.desk, "playing", self._foresee)
        self.watch(self.desk, "picture", self.points.recolour)
        self.watch(self.desk, "problem", lambda change: self._complain(change["new"]))
        self._offer_way_back()
        self._lay_base()
        self._new_scene()
        self._area.place()
        self._place_point()

    # What is asked

    def _wish(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return
        view = self.view
        if scene.is_nowhere:
            self._show_nothing(scene)
            return
        if self._frame is not None:
            box, resolution, turn = self._frame.request()
        else:
            box, resolution, turn = (scene.info.bbox or GLOBAL).clip_to_mercator(), _UNSEEN, 0.0
        try:
            query = scene.map_query(view, Canvas(box, resolution, "mercator"), self.desk.aggregate)
        except DatavoreError as error:
            self._complain(sentence(error))
            return
        self._stops = scene.stops(view)
        self.foresight.resume()
        wish = _Wish(query, turn, scene, scene.stop(view.date, self._stops), view.aggregate is None)
        is_here = isinstance(query, MapQuery) and self._is_of_this_shot(wish)
        kept = self.film.kept(wish.place) if is_here else None
        if kept is None:
            self.foresight.cancel()
            self.pump.submit(wish)
        else:
            self.pump.cancel()
            self._present(wish, kept, query)

    def _is_of_this_shot(self, wish: _Wish) -> bool:
        return self._last is not None and self._last.shot == wish.shot

    def _reaggregate(self, _change: Any) -> None:
        if self.view.lapse is not None:
            self._wish()

    def _offer_way_back(self, _change: Any = None) -> None:
        self._back.layout.display = None if self.view.lapse is not None else "none"

    def _work(self, wish: _Wish, job: Job) -> _Shown:
        query: MapQuery | LapseMapQuery = wish.query
        job.ahead = wish.ahead
        if isinstance(query, LapseMapQuery):
            query, image = self.desk.ask(query, job, or_plainly=wish.or_plainly)
        else:
            image = self.desk.client.answer(query, job)
        return _Shown(query, image)

    def _show(self, wish: _Wish, shown: _Shown) -> None:
        if wish.scene is not self.desk.scene:
            return  # another variable has been chosen meanwhile
        self.desk.is_plain |= shown.query != wish.query
        if not self._is_of_this_shot(wish):
            self.film.begin()
        self._present(wish, _placed(wish, shown.image), shown.query)
        self.desk.status = f"ready · {1000 * self.pump.elapsed:.0f} ms"

    def _present(self, wish: _Wish, still: Still, query: MapQuery | LapseMapQuery) -> None:
        if self._last is not None and wish.place != self._last.place:
            self._forward = wish.place > self._last.place
        self._last = wish
        self.film.show(wish.place, still)
        self.overlay.opacity = 1.0
        self._complain("")
        self.desk.picture = Picture(still.image, wish.scene, query)
        self._entitle(self.desk.picture)
        self._settle(wish)

    def _show_nothing(self, scene: Scene) -> None:
        """A series without a place has no picture: the map says so and stays as it is."""
        self.pump.cancel()
        self.foresight.cancel()
        self._last = None
        self.overlay.opacity = 0.0
        self._complain("")
        self.desk.picture = None
        self._title.value = (
            f"<div class='dv-name'>{escape(heading(scene.variable.label))}</div>"
            f"<div class='dv-when'>a series without a place · {escape(scene.info.title or scene.info.name)}</div>"
        )
        self.desk.status = "ready"

    def _fail(self, wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", wish.query, exc_info=error)
        self.overlay.opacity = _DIMMED
        self._complain(sentence(error))
        self._settle(wish)
        self.desk.status = "the picture could not be had"

    def _settle(self, wish: _Wish) -> None:
        if isinstance(wish.query, MapQuery):
            self.desk.settled = wish.query.source.date

    def _busy(self, on: bool) -> None:
        self.mark("dv-is-busy", on)
        if on:
            self.desk.status = "asking for the picture …"

    def _complain(self, text: str) -> None:
        self._strip.value = f"<div role='alert'>{escape(text)}</div>" if text else ""

    def _entitle(self, picture: Picture) -> None:
        units, info = picture.scale.units, picture.scene.info
        unit = f" <span class='dv-unit'>{escape(units)}</span>" if units else ""
        when = f"<span class='dv-time'>{escape(picture.when)}</span>"
        self._title.value = (
            f"<div class='dv-name'>{escape(heading(picture.name))}{unit}</div>"
            f"<div class='dv-when'>{when} · {escape(info.title or info.name)}</div>"
        )

    # What may be asked next

    def _foresee(self, _change: Any = None) -> None:
        """Make the next pictures that may be wanted, as long as there is nothing better to do and room for them."""
        wish, film = self._last, self.film
        if wish is None or not self.pump.is_idle or wish.scene is not self.desk.scene or not wish.scene.times.exact:
            return
        shown = film.shown
        if not isinstance(wish.query, MapQuery) or wish.query.source.date is None or shown is None:
            return
        # The limits of the picture that is shown are those of its neighbours: colours do not jump from date to date.
        image = shown.image
        style = replace(wish.query.style, cmap=image.cmap, vmin=image.vmin, vmax=image.vmax)
        making = self.foresight.places
        for place in self._neighbours(wish.place, self._stops.size):
            if film.room <= 0 or film.room < len(making) or not self.foresight.has_room:
                return
            if film.kept(place) is None and place not in making:
                is_next = self.desk.playing and place == wish.place + 1
                if somebody_waits() and not is_next:
                    return
                self.foresight.make(wish.at(place, int(self._stops[place]), style, ahead=not is_next))
                making.add(place)

    def _neighbours(self, place: int, count: int) -> Iterator[int]:
        """Places in the order in which they are likely to be wanted, as many as the browser may keep."""
        most = self.film.reach // 2
        if self.desk.playing:
            yield from range(place + 1, min(place + min(most, _PLAYED), count - 1) + 1)
            return
        for distance in range(1, min(_FAR if self.foresight.pace < _QUICK else _NEAR, most) + 1):
            on = distance if self._forward else -distance
            for step in (on, -on) if distance <= _NEAR else (on,):
                if 0 <= place + step < count:
                    yield place + step

    def _keep(self, wish: _Wish, shown: _Shown) -> None:
        last = self._last
        if last is not None and replace(wish, query=replace(wish.query, style=last.query.style)).shot == last.shot:
            self.film.keep(wish.place, _placed(wish, shown.image))

    def _unforeseen(self, wish: _Wish, error: Exception) -> None:
        """What could not be foreseen is asked when it is wanted, and its error is told then."""
        log.debug("%r was not to be had in advance: %s", wish.query, error)

    # Where it is looked at

    def _moved(self, _change: Any = None) -> None:
        leaflet = self.map
        frame = Frame.of(leaflet)
        if frame is None:
            return
        first, self._frame = self._frame is None, frame
        self._area.look(frame)
        if leaflet.min_zoom != frame.least_zoom:
            leaflet.min_zoom = frame.least_zoom
        if first:
            opening = self._opening
            if self._fly(self._extent()) if opening is None else self._fly(opening, room=_EXACTLY):
                return
        self.view.viewport = frame.box
        self.arrows.look(frame)
        self.points.look(frame)
        self.cells.look(frame)
        self._place_point()
        self._wish()

    def _extent(self) -> BBox | None:
        scene = self.desk.scene
        return None if scene is None else scene.info.bbox

    def _new_scene(self, _change: Any = None) -> None:
        extent, frame = self._extent(), self._frame
        if extent is not None and frame is not None and not _overlap(extent, frame.box):
            self._fly(extent)
        self._wish()

    def _sent(self, _change: Any) -> None:
        """Somebody else says what the map shows."""
        box, frame = self.view.viewport, self._frame
        if frame is None:
            self._opening = box
        elif box is not None and box != frame.box:
            self._fly(box, room=_EXACTLY)

    def _fly(self, box: BBox | None, **how: float) -> bool:
        """Go to a box; whether the map moves."""
        if box is None or self._frame is None:
            return False
        centre, zoom = fit(box, self._frame, **how)
        if zoom == self.map.zoom and centre == tuple(self.map.center):
            return False
        with self.map.hold_sync():
            self.map.center, self.map.zoom = centre, zoom
        return True

    def _lay_base(self, _change: Any = None) -> None:
        base = BASEMAPS[self.view.basemap]
        below: ipyleaflet.Layer = self._land
        if base.url:
            below = ipyleaflet.TileLayer(
                url=base.url,
                name=base.label,
                attribution=base.attribution,
                max_native_zoom=base.max_native_zoom,
                max_zoom=DEEPEST,
                base=True,
            )
        before, *above = self.map.layers
        self.map.layers = (below, *above)
        if before is not below and before is not self._land:
            close_whole(before)

    # What is chosen on it

    def _place_point(self, _change: Any = None) -> None:
        """Draw the point on the copy of the world that is looked at."""
        frame, point = self._frame, self.view.point
        shown = self._ring in self.map.layers
        if point is None:
            if shown:
                self.map.remove(self._ring)
            return
        self._ring.location = (point.lat, frame.near(point.lon) if frame else point.lon)
        if not shown:
            self.map.add(self._ring)

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle and self._readout.is_idle and self.cells.is_idle and self.arrows.is_idle

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()
        self.foresight.close()
        self.arrows.close()
        self.points.close()
        self.cells.close()
        self._readout.close()
        close_whole(self._land)
        self.desk.film = None


def _placed(wish: _Wish, image: MapImage) -> Still:
    """A picture where the map is looking: the answer's longitudes may be in another convention than the question's."""
    (south, west), (north, east) = image.bbox.to_leaflet()
    turn = wish.turn + 360.0 * round((wish.query.canvas.bbox.west - west) / 360.0)
    return Still(image, ((south, west + turn), (north, east + turn)))


def _overlap(one: BBox, other: BBox) -> bool:
    if one.south > other.north or one.north < other.south:
        return False
    return bool(one.contains_longitude(other.west)) or bool(other.contains_longitude(one.west))
