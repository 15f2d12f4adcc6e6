"""A map for points, where there is none of a field to put them on."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.coast import land_layer
from datavore_widgets.widgets.ground import leaflet_map
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.points_layer import PointsLayer
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame, fit

__all__ = ["PointsMap"]


class PointsMap(ViewPanel):
    """A map with a coast and the points, for a view that has no other map. It tells the view what it shows.

    Parameters
    ----------
    view : View
        Whose points are shown.
    """

    name = "points-map"

    def __init__(self, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self._land = land_layer()
        self.map = leaflet_map(self._land)
        self.layer = PointsLayer(self.map, view)
        caption = ipywidgets.VBox([self.layer.legend])
        caption.add_class("dv-map-caption")
        self.add_class("dv-map")
        self.fill([self.map, caption])
        self._frame: Frame | None = None
        self._is_new = True
        self.watch(self.map, "bounds", self._moved)
        self.watch(view, "points", self._came)

    def _moved(self, _change: Any = None) -> None:
        frame = Frame.of(self.map)
        if frame is None:
            return
        self._frame = frame
        if self.map.min_zoom != frame.least_zoom:
            self.map.min_zoom = frame.least_zoom
        if self._is_new and self.view.points is not None:
            self._is_new = False
            self._fly(frame)
        self.view.viewport = frame.box
        self.layer.look(frame)

    def _came(self, _change: Any = None) -> None:
        """The first points are flown to; later ones are looked at from where one is."""
        if self._is_new and self._frame is not None and self.view.points is not None:
            self._is_new = False
            self._fly(self._frame)

    def _fly(self, frame: Frame) -> None:
        points = self.view.points
        if points is None or points.box is None:
            return
        centre, zoom = fit(points.box, frame)
        with self.map.hold_sync():
            self.map.center, self.map.zoom = centre, zoom

    def release(self) -> None:
        """Draw no more."""
        self.layer.close()
        close_whole(self._land)
