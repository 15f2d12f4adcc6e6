"""The outlines of land, from the world map (Natural Earth, 1:110 million) that bqplot brings along.

bqplot itself is not imported: it would load the widgets.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import Unreadable

__all__ = ["Polygon", "land_polygons", "on_land"]

Polygon = tuple[NDArray[np.float64], ...]
"""An outer ring and its holes, each closed, shape (n, 2): longitude, latitude."""

_RIM = -85.6
"""Latitude at which the map ends in the south."""


@functools.cache
def land_polygons() -> tuple[Polygon, ...]:
    """The land of the Earth as polygons in degrees.

    Longitudes are in [-180, 180]: a continent that crosses the antimeridian is cut there. Antarctica ends at 85.6°S,
    below the edge of Web-Mercator; what lies south of it is land too.

    Returns
    -------
    tuple of Polygon
        Each a tuple of rings, the outer one first; the arrays are read-only.

    Raises
    ------
    Unreadable
        When the map is not where bqplot keeps it.

    Examples
    --------
    >>> [len(rings) - 1 for rings in land_polygons() if len(rings) > 1]  # the Caspian is the only hole
    [1]
    """
    topology = _topology()
    # https://github.com/topojson/topojson-specification: arcs are differences of integers
    scale = np.asarray(topology["transform"]["scale"])
    translate = np.asarray(topology["transform"]["translate"])
    arcs = [np.cumsum(np.asarray(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    land = topology["objects"]["land"]["arcs"]
    return tuple(tuple(_ring(numbers, arcs) for numbers in polygon) for polygon in land)


@functools.cache
def _fences() -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """Every ring with its box: (west, south, east, north)."""
    rings = [ring for polygon in land_polygons() for ring in polygon]
    return tuple((ring, np.concatenate([ring.min(axis=0), ring.max(axis=0)])) for ring in rings)


def on_land(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Whether places lie on land, as far as outlines at 1:110 million know: small islands are sea.

    Parameters
    ----------
    lon, lat : array_like, shape (n,)
        Degrees, in any convention of longitude.

    Notes
    -----
    A place is inside when a line from it to the east meets the rings an odd number of times (Shimrat 1962). South of
    the map's rim all is Antarctica.
    """
    lons, lats = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (lon, lat))
    lons = (lons + 180.0) % 360.0 - 180.0
    inside = lats < _RIM
    for ring, (west, south, east, north) in _fences():
        near = np.flatnonzero((lats >= south) & (lats <= north) & (lons >= west) & (lons <= east))
        if not near.size:
            continue
        (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
        y = lats[near, None]
        spans = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        inside[near] ^= np.count_nonzero(spans & (lons[near, None] < crossing), axis=1) % 2 == 1
    return inside


def _topology() -> dict[str, Any]:
    spec = importlib.util.find_spec("bqplot")  # looks, and runs nothing of it
    if spec is None or spec.origin is None:
        raise Unreadable("the coastline comes with bqplot, which is not installed; run: pip install bqplot")
    path = Path(spec.origin).parent / "map_data" / "WorldMap.json"
    try:
        topology: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Unreadable(f"the coastline cannot be read from {path}; reinstall bqplot") from error
    return topology


def _ring(numbers: list[int], arcs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Arcs put end to end; ~n is arc n backwards. The point that two arcs share is kept once."""
    parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
    ring = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
    ring.flags.writeable = False
    return ring
