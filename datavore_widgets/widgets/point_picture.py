"""Many points as one picture: what the renderer of fields is to fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import Categories, Norm, palette
from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox, mercator_from_latitude

__all__ = ["LEVELS", "PERCENTILES", "Points", "draw"]

FloatArray = NDArray[np.float64]

LEVELS = 253
"""Colours of a scale: of 256, one is clear, one the rims' and one that of a missing value."""

PERCENTILES = (2.0, 98.0)
"""Between which the colours run."""

_CLEAR, _RIM, _MISSING, _FIRST = range(4)
_INK = ((0, 0, 0, 0), (20, 20, 24, 150), (150, 150, 150, 255))
_ONE_COLOUR = (230, 60, 20, 255)
_LARGEST = 5  # pixels of a radius
_CROWDED = 0.1  # part of the picture that points may cover, side by side; more are smaller
_RIMLESS = 0.3  # part that points with rims cover: beyond it there would be little but rims


@dataclass(frozen=True, eq=False)
class Points:
    """Places with a value each.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (n,)
        Degrees, in any convention; NaN is no place.
    values : ndarray of float64, shape (n,), optional
        What colours them; NaN is missing. None: all have one colour.
    name : str
        Of the values.
    flags : mapping of int to str
        Where the values are codes: what they mean.
    are_times : bool
        Whether the values are milliseconds since 1970.
    """

    lon: FloatArray
    lat: FloatArray
    values: FloatArray | None = None
    name: str = ""
    flags: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    are_times: bool = False

    @cached_property
    def norm(self) -> Norm | Categories | None:
        """The scale of the colours: from the 2nd to the 98th percentile of all values."""
        if self.values is None:
            return None
        if self.flags:
            return Categories(tuple(sorted(self.flags)))
        valid = self.values[np.isfinite(self.values)]
        if not valid.size:
            return None
        low, high = (float(v) for v in np.percentile(valid, PERCENTILES))
        room = 1e-6 * max(1.0, abs(low), abs(high))
        if high - low < room:  # all are equal, or as good as that
            low, high = low - 0.5 * max(1.0, abs(low)), high + 0.5 * max(1.0, abs(high))
        return Norm(low, high, LEVELS)

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """Places in the palette of `draw`."""
        norm = self.norm
        if norm is None or self.values is None:
            return np.full(self.lon.size, _FIRST if self.values is None else _MISSING, np.uint8)
        return np.asarray(norm.indices(self.values) + np.uint8(_MISSING), dtype=np.uint8)

    @cached_property
    def northing(self) -> FloatArray:
        """Web-Mercator's y in radians; NaN beyond its ends."""
        inside = np.abs(self.lat) <= MERCATOR_LIMIT
        return mercator_from_latitude(np.where(inside, self.lat, np.nan))

    @cached_property
    def box(self) -> BBox | None:
        """What holds all of them, across the antimeridian where that is narrower; None without any."""
        here = np.isfinite(self.lon) & np.isfinite(self.northing)
        if not here.any():
            return None
        lon = np.unique(np.round(self.lon[here] % 360.0, 6))
        gaps = np.diff(np.r_[lon, lon[0] + 360.0])
        widest = int(gaps.argmax())
        west = float(lon[(widest + 1) % lon.size])
        width = 360.0 - float(gaps[widest])
        pad = max(0.5, 0.05 * width)
        west, width = west - pad, min(360.0, width + 2 * pad)
        west = west - 360.0 if west >= 180.0 else west
        south, north = float(self.lat[here].min()), float(self.lat[here].max())
        pad = max(0.5, 0.05 * (north - south))
        return BBox(west, max(-85.0, south - pad), west + width, min(85.0, north + pad))


def _radius(density: float) -> int:
    """Pixels of a point's radius, at so many points a pixel."""
    return next((radius for radius in range(_LARGEST, 1, -1) if density * (2 * radius + 1) ** 2 <= _CROWDED), 1)


def draw(points: Points, box: BBox, resolution: int, cmap: str) -> tuple[bytes, BBox, int]:
    """A PNG in Web-Mercator: (png, its box, how many points are on it).

    Parameters
    ----------
    box : BBox
        What is wanted, within Web-Mercator's ends.
    resolution : int
        Pixels of the longer side.
    cmap : str
        A colour map's name.

    Notes
    -----
    Later points lie above earlier ones, and all of them above all rims, so that a track is one ribbon with one rim.
    """
    low, high = (float(v) for v in mercator_from_latitude([box.south, box.north]))
    across, up = math.radians(box.width), high - low
    scale = resolution / max(across, up)
    width, height = max(1, round(across * scale)), max(1, round(up * scale))
    with np.errstate(invalid="ignore"):
        x = (points.lon - box.west) % 360.0 * (width / box.width)
        y = (high - points.northing) * (height / up)
        inside = np.flatnonzero((x < width) & (y >= 0) & (y < height))
    place = y[inside].astype(np.int64) * width + x[inside].astype(np.int64)
    # One point a pixel is enough: the last one, in the order of the rows.
    last = np.full(width * height, -1, np.int64)
    last[place] = inside
    order = np.sort(last[last >= 0])
    rows, columns = y[order].astype(np.int64), x[order].astype(np.int64)

    radius = _radius(order.size / (width * height))
    rim = radius + 2
    canvas = np.zeros((height + 2 * rim, width + 2 * rim), np.uint8)
    for dy, dx in _disc(radius + 1):
        canvas[rows + (rim + dy), columns + (rim + dx)] = _RIM
    if np.count_nonzero(canvas) > _RIMLESS * width * height:
        canvas[:] = _CLEAR
    levels = points.levels[order]
    for dy, dx in _disc(radius):
        canvas[rows + (rim + dy), columns + (rim + dx)] = levels
    picture = np.ascontiguousarray(canvas[rim:-rim, rim:-rim])
    return png.encode(picture, _palette(points, cmap)), box, int(inside.size)


def _disc(radius: int) -> list[tuple[int, int]]:
    reach = range(-radius, radius + 1)
    return [(dy, dx) for dy in reach for dx in reach if dy * dy + dx * dx <= radius * radius + radius * 0.5]


def _palette(points: Points, cmap: str) -> NDArray[np.uint8]:
    norm = points.norm
    colors = np.array([_ONE_COLOUR], np.uint8) if norm is None else palette(cmap, norm.levels)[1:]
    return np.vstack([np.array(_INK, np.uint8), colors])
