"""The map itself: land and coast with no network, what lies above what, and how it zooms."""

from __future__ import annotations

import ipyleaflet
import ipywidgets

from datavore_widgets.widgets.arrows_layer import ARROWS_PANE
from datavore_widgets.widgets.cell_outlines import CELLS_PANE
from datavore_widgets.widgets.coast import COAST_PANE, LAND_PANE, coast_layer
from datavore_widgets.widgets.points_layer import POINTS_PANE
from datavore_widgets.widgets.viewport import DEEPEST, SNAP

__all__ = ["MARK_PANE", "leaflet_map"]

MARK_PANE = "dv-marks"

_PANES = {
    LAND_PANE: {"zIndex": 150, "pointerEvents": "none"},  # below the tiles (200) and the picture (400)
    COAST_PANE: {"zIndex": 420, "pointerEvents": "none"},
    **ARROWS_PANE,
    **POINTS_PANE,
    "dv-footprints": {"zIndex": 425, "pointerEvents": "none"},
    **CELLS_PANE,
    MARK_PANE: {"zIndex": 440, "pointerEvents": "none"},
}


def leaflet_map(*below: ipyleaflet.Layer, zoom: int = 1) -> ipyleaflet.Map:
    """A map of the world in Web-Mercator with a coast above these layers, of which the first is the base."""
    return ipyleaflet.Map(
        layers=(*below, coast_layer()),
        panes=_PANES,
        crs=ipyleaflet.projections.EPSG3857,
        center=(0.0, 0.0),
        zoom=zoom,
        zoom_snap=SNAP,
        zoom_delta=0.5,
        max_zoom=DEEPEST,
        scroll_wheel_zoom=True,
        box_zoom=False,
        layout=ipywidgets.Layout(width="100%", height="100%"),
    )
