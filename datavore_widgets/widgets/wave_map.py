"""A map for acquisitions, where there is none of a field to put them on."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.widgets.area_tool import AreaTool
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.coast import land_layer
from datavore_widgets.widgets.ground import leaflet_map
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame, fit

__all__ = ["WaveMap"]

_WORLD = BBox(-180.0, -60.0, 180.0, 60.0)


class WaveMap(ViewPanel):
    """Land, coast, the view's box; a box can be drawn, and a click sets the view's point.

    Parameters
    ----------
    view : View
        What is looked at.
    """

    name = "wave-map"

    def __init__(self, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self.add_class("dv-map")
        self._land = land_layer()
        self.map = leaflet_map(self._land)
        self._frame: Frame | None = None
        self._clear = ipywidgets.Button(icon="times", tooltip="Take the area off: imagettes of all the world")
        self._clear.add_class("dv-draw")
        self._clear.on_click(lambda _button: setattr(self.view, "bbox", None))
        self._area = AreaTool(self.map, view, "the imagettes", [self._clear])
        self.caption = ipywidgets.VBox([])
        self.caption.add_class("dv-map-caption")
        self.fill([self.map, self._area.sheet, self.caption])
        self.watch(self.map, "bounds", self._moved)
        self.watch(view, "bbox", self._place_box)
        self._place_box()

    def _moved(self, _change: Any = None) -> None:
        frame = Frame.of(self.map)
        if frame is None:
            return
        first, self._frame = self._frame is None, frame
        self._area.look(frame)
        if self.map.min_zoom != frame.least_zoom:
            self.map.min_zoom = frame.least_zoom
        if first:  # one world, as large as the map allows
            centre, zoom = fit(self.view.viewport or self.view.bbox or _WORLD, frame)
            if (centre, zoom) != (tuple(self.map.center), self.map.zoom):
                with self.map.hold_sync():
                    self.map.center, self.map.zoom = centre, zoom
                return
        self.view.viewport = frame.box

    def _place_box(self, _change: Any = None) -> None:
        self._area.place()
        self._clear.disabled = self.view.bbox is None

    def release(self) -> None:
        """Take the land along: it lies on no map once another base is laid."""
        close_whole(self._land)
