"""A map for acquisitions, where there is none of a field to put them on."""

from __future__ import annotations

from typing import Any

import ipyleaflet
import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.geometry import BBox, Point, wrap180
from datavore_widgets.widgets.box_tool import BoxTool
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.coast import COAST_PANE, LAND_PANE, coast_layer, land_layer
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.points_layer import POINTS_PANE
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame, fit

__all__ = ["WaveMap"]

_MARK_PANE = "dv-marks"
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
        self._box = ipyleaflet.Polygon(name="Area", locations=[], fill=False, weight=2, pane=_MARK_PANE)
        self.map = ipyleaflet.Map(
            layers=(self._land, coast_layer(), self._box),
            panes={
                LAND_PANE: {"zIndex": 150, "pointerEvents": "none"},
                COAST_PANE: {"zIndex": 420, "pointerEvents": "none"},
                **POINTS_PANE,
                _MARK_PANE: {"zIndex": 440, "pointerEvents": "none"},
            },
            crs=ipyleaflet.projections.EPSG3857,
            center=(0.0, 0.0),
            zoom=1,
            zoom_snap=0.25,
            zoom_delta=0.5,
            max_zoom=12,
            scroll_wheel_zoom=True,
            box_zoom=False,
            layout=ipywidgets.Layout(width="100%", height="100%"),
        )
        self._frame: Frame | None = None
        self._tool = BoxTool(self._drew)
        self._draw = ipywidgets.ToggleButton(
            icon="object-group",
            tooltip="Draw the area of the imagettes: drag over the map, or click two corners; Escape gives up",
        )
        self._draw.add_class("dv-draw")
        ipywidgets.link((self._draw, "value"), (self._tool, "active"))
        self._clear = ipywidgets.Button(icon="times", tooltip="Take the area off: imagettes of all the world")
        self._clear.add_class("dv-draw")
        self._clear.on_click(lambda _button: setattr(self.view, "bbox", None))
        buttons = ipywidgets.VBox([self._draw, self._clear])
        self.map.add(ipyleaflet.WidgetControl(widget=buttons, position="topleft", transparent_bg=True))
        self.caption = ipywidgets.VBox([])
        self.caption.add_class("dv-map-caption")
        self.fill([self.map, self._tool, self.caption])
        self.watch(self.map, "bounds", self._moved)
        self.map.on_interaction(self._touched)
        self.watch(view, "bbox", self._place_box)
        self._place_box()

    def _moved(self, _change: Any = None) -> None:
        frame = Frame.of(self.map)
        if frame is None:
            return
        first, self._frame = self._frame is None, frame
        if self.map.min_zoom != frame.least_zoom:
            self.map.min_zoom = frame.least_zoom
        if first:  # one world, as large as the map allows
            centre, zoom = fit(self.view.viewport or self.view.bbox or _WORLD, frame)
            if (centre, zoom) != (tuple(self.map.center), self.map.zoom):
                with self.map.hold_sync():
                    self.map.center, self.map.zoom = centre, zoom
                return
        self.view.viewport = frame.box
        self._place_box()

    def _place_box(self, _change: Any = None) -> None:
        """Draw the box on the copy of the world that is looked at."""
        box, ring = self.view.bbox, []
        if box is not None:
            (south, west), (north, east) = box.to_leaflet()
            middle = (west + east) / 2
            turn = self._frame.near(middle) - middle if self._frame else 0.0
            ring = [(south, west + turn), (north, west + turn), (north, east + turn), (south, east + turn)]
        if self._box.locations != ring:
            self._box.locations = ring
        self._clear.disabled = box is None

    def _drew(self, corners: tuple[float, float, float, float], size: tuple[float, float]) -> None:
        if self._frame is not None:
            self.view.bbox = self._frame.drawn(corners, size)

    def _touched(self, **event: Any) -> None:
        if event.get("type") != "click" or self._tool.active:
            return
        try:
            lat, lon = (float(v) for v in event["coordinates"])
            self.view.point = Point(round(wrap180(lon), 4), round(lat, 4))
        except (DatavoreError, KeyError, TypeError, ValueError):
            return  # beyond a pole, or no place at all

    def release(self) -> None:
        """Take the land along: it lies on no map once another base is laid."""
        close_whole(self._land)
