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
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable

__all__ = ["Polygon", "land_polygons"]

Polygon = tuple[NDArray[np.float64], ...]
"""An outer ring and its holes, each closed, shape (n, 2): longitude, latitude."""


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
