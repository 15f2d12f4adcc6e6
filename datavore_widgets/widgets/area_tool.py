"""The view's box on a map: drawn with the mouse, shown where one looks; and clicks, which are the view's point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipyleaflet
import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.geometry import Point, wrap180
from datavore_widgets.widgets.box_tool import BoxTool
from datavore_widgets.widgets.ground import MARK_PANE
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame

__all__ = ["AreaTool"]


class AreaTool:
    """Joins a map to the view's box and point. Its `sheet` is to lie over the map.

    Parameters
    ----------
    leaflet : ipyleaflet.Map
        Gets the box, and the button that draws one, below the zoom.
    view : View
        Whose box and point they are.
    what : str
        What the box is the area of, in the button's tooltip.
    beside : sequence of Widget
        Further buttons below it.
    """

    def __init__(
        self, leaflet: ipyleaflet.Map, view: View, what: str, beside: Sequence[ipywidgets.Widget] = ()
    ) -> None:
        self.view = view
        self._frame: Frame | None = None
        self.sheet = BoxTool(self._drew)
        self.box = ipyleaflet.Polygon(name="Area", locations=[], fill=False, weight=2, pane=MARK_PANE)
        self.button = ipywidgets.ToggleButton(
            icon="object-group",
            tooltip=f"Draw the area of {what}: drag over the map, or click two corners; Escape gives up",
        )
        self.button.add_class("dv-draw")
        ipywidgets.link((self.button, "value"), (self.sheet, "active"))
        buttons = ipywidgets.VBox([self.button, *beside]) if beside else self.button
        leaflet.add(self.box)
        leaflet.add(ipyleaflet.WidgetControl(widget=buttons, position="topleft", transparent_bg=True))
        leaflet.on_interaction(self.touched)

    def look(self, frame: Frame) -> None:
        """Follow the map."""
        self._frame = frame
        self.place()

    def place(self, _change: Any = None) -> None:
        """Draw the box on the copy of the world that is looked at."""
        box, ring = self.view.bbox, []
        if box is not None:
            (south, west), (north, east) = box.to_leaflet()
            middle = (west + east) / 2
            turn = self._frame.near(middle) - middle if self._frame else 0.0
            ring = [(south, west + turn), (north, west + turn), (north, east + turn), (south, east + turn)]
        if self.box.locations != ring:
            self.box.locations = ring

    def _drew(self, corners: tuple[float, float, float, float], size: tuple[float, float]) -> None:
        if self._frame is not None:
            self.view.bbox = self._frame.drawn(corners, size)

    def touched(self, **event: Any) -> None:
        """What Leaflet tells of the mouse: a click is the view's point, but not while a box is being drawn."""
        if event.get("type") != "click" or self.sheet.active:
            return
        try:
            lat, lon = (float(v) for v in event["coordinates"])
            self.view.point = Point(round(wrap180(lon), 4), round(lat, 4))
        except (DatavoreError, KeyError, TypeError, ValueError):
            return  # beyond a pole, or no place at all
