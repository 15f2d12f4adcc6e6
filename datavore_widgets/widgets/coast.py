"""Land and coastline for the map, with no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import anywidget
import ipyleaflet
import ipywidgets
import numpy as np
from traitlets import Bytes, Instance, Int, Unicode

from datavore_widgets.protocol.coastline import land_polygons
from datavore_widgets.widgets.style import STATIC

__all__ = ["COAST_PANE", "LAND_PANE", "coast_layer", "land_layer", "shores"]

LAND_PANE = "dv-land"
COAST_PANE = "dv-coast"

_DECIMALS = 2  # the map is drawn at 1:110 million: a kilometre is finer than it knows


Line = list[tuple[float, float]]


@cache
def _rings() -> tuple[tuple[Line, ...], ...]:
    """The polygons as (lat, lon), the order of Leaflet."""
    return tuple(
        tuple([(round(float(y), _DECIMALS), round(float(x), _DECIMALS)) for x, y in ring] for ring in polygon)
        for polygon in land_polygons()
    )


def _shores(ring: Line) -> list[Line]:
    """A ring without the edges that are no shore: the cut at 180 degrees and the rim of the map in the south."""
    lat, lon = np.asarray(ring).T
    on_cut = np.abs(lon) > 179.98
    on_rim = lat < -85.0
    seam = (on_cut[1:] & on_cut[:-1]) | (on_rim[1:] & on_rim[:-1])
    lines: list[Line] = [[]]
    for position, point in enumerate(ring):
        lines[-1].append(point)
        if position < seam.size and seam[position]:
            lines.append([])
    return [line for line in lines if len(line) > 1]


@cache
def shores() -> list[Line]:
    """The coasts of the world as lines of (lat, lon)."""
    return [line for polygon in _rings() for ring in polygon for line in _shores(ring)]


class Outlines(anywidget.AnyWidget):
    """Lines of a layer, given to it in the browser on every copy of the world. It has no look of its own.

    As JSON, for each copy, land and coast would be more than half of what the page is told to begin with.

    Parameters
    ----------
    layer : ipyleaflet.Layer
        One with `locations`, which are set in the browser alone.
    polygons : sequence of sequence of lines
        Lines of (lat, lon), polygon by polygon.
    are_rings : bool
        Whether the lines are the rings of polygons; else which polygon they are of says nothing.
    """

    _esm = STATIC / "outlines.js"
    layer = Unicode().tag(sync=True)
    points = Bytes().tag(sync=True)  # int16, little-endian: hundredths of a degree
    lengths = Bytes().tag(sync=True)  # int32, as `groups`
    groups = Bytes().tag(sync=True)
    per_degree = Int(10**_DECIMALS).tag(sync=True)

    def __init__(self, layer: ipyleaflet.Layer, polygons: Sequence[Sequence[Line]], *, are_rings: bool) -> None:
        lines = [line for polygon in polygons for line in polygon]
        places = np.rint(np.concatenate(lines) * 10.0**_DECIMALS)
        super().__init__(
            layer=layer.model_id,
            points=places.astype("<i2").tobytes(),
            lengths=np.array([len(line) for line in lines], "<i4").tobytes(),
            groups=np.array([len(polygon) for polygon in polygons if are_rings], "<i4").tobytes(),
        )

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""


class _Outlined(ipyleaflet.Path):
    """A layer whose lines are held beside it: closed whole, it takes them along."""

    outlines = Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)


class _Coast(_Outlined, ipyleaflet.Polyline):
    pass


class _Land(_Outlined, ipyleaflet.Polygon):
    pass


def coast_layer() -> ipyleaflet.Polyline:
    """Thin lines for above the picture; they hide nothing, on land or at sea."""
    layer = _Coast(name="Coastline", fill=False, weight=1, pane=COAST_PANE, pointer_events="none")
    layer.outlines = Outlines(layer, [shores()], are_rings=False)
    return layer


def land_layer() -> ipyleaflet.Polygon:
    """A quiet surface for below the picture, where no base map of the web is chosen."""
    layer = _Land(name="Land", stroke=False, pane=LAND_PANE, pointer_events="none")
    layer.outlines = Outlines(layer, _rings(), are_rings=True)
    return layer
