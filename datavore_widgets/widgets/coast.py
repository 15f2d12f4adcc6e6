"""Land and coastline for the map, with no network."""

from __future__ import annotations

from functools import cache

import ipyleaflet
import numpy as np

from datavore_widgets.protocol.coastline import land_polygons

__all__ = ["COAST_PANE", "LAND_PANE", "coast_layer", "land_layer", "shores"]

LAND_PANE = "dv-land"
COAST_PANE = "dv-coast"

_COPIES = (-360.0, 0.0, 360.0)  # worlds side by side, so that panning over the antimeridian meets a coast
_DECIMALS = 2  # the map is drawn at 1:110 million: a kilometre is finer than it knows


Line = list[tuple[float, float]]


@cache
def _rings() -> tuple[tuple[Line, ...], ...]:
    """The polygons as (lat, lon), the order of Leaflet."""
    return tuple(
        tuple([(round(float(y), _DECIMALS), round(float(x), _DECIMALS)) for x, y in ring] for ring in polygon)
        for polygon in land_polygons()
    )


def _moved(line: Line, degrees: float) -> Line:
    return [(lat, round(lon + degrees, _DECIMALS)) for lat, lon in line]


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


@cache
def _coast_lines() -> list[Line]:
    return [_moved(line, turn) for turn in _COPIES for line in shores()]


@cache
def _land() -> list[list[Line]]:
    return [[_moved(ring, turn) for ring in polygon] for turn in _COPIES for polygon in _rings()]


def coast_layer() -> ipyleaflet.Polyline:
    """Thin lines for above the picture; they hide nothing, on land or at sea."""
    return ipyleaflet.Polyline(
        name="Coastline",
        locations=_coast_lines(),
        fill=False,
        weight=1,
        pane=COAST_PANE,
        pointer_events="none",
    )


def land_layer() -> ipyleaflet.Polygon:
    """A quiet surface for below the picture, where no base map of the web is chosen."""
    return ipyleaflet.Polygon(
        name="Land",
        locations=_land(),
        stroke=False,
        pane=LAND_PANE,
        pointer_events="none",
    )
