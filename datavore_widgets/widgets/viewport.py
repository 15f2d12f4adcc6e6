"""Leaflet's numbers (bounds, pixels, zoom) and ours (boxes): the border between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from datavore_widgets.protocol.geometry import (
    MERCATOR_LIMIT,
    BBox,
    latitude_from_mercator,
    mercator_from_latitude,
    wrap180,
)

__all__ = ["DEEPEST", "SNAP", "Frame", "fit", "outlook"]

SNAP = 0.25
"""Zoom levels are multiples of this."""

DEEPEST = 12
"""The largest zoom level."""

_TILE = 256.0  # pixels of the world at zoom 0
_MOST_PIXELS = 2048
_PAD = 0.08  # of the view, on each side: a short pan shows no edge
_POLAR = 80.0  # degrees: beyond, Mercator gives the little that is there as much of the map as a continent
_OPEN = 60.0  # degrees: what reaches nearer to the equator than this is seen without its polar end
_AROUND = 1.0  # degrees on each side of a single place: enough to see a coast


@dataclass(frozen=True, slots=True)
class Frame:
    """The visible part of a Leaflet map.

    Parameters
    ----------
    west, south, east, north : float
        Degrees; longitudes go on beyond 180 when the map was panned around the world.
    width, height : float
        Pixels on the screen.
    """

    west: float
    south: float
    east: float
    north: float
    width: float
    height: float

    @classmethod
    def of(cls, leaflet: Any) -> Frame | None:
        """What an `ipyleaflet.Map` shows; None before it is laid out, and where it was panned beyond a pole."""
        if not leaflet.bounds:
            return None
        (south, west), (north, east) = leaflet.bounds
        width, height = leaflet.right - leaflet.left, leaflet.bottom - leaflet.top
        if not (east > west and north > south and width > 0 and height > 0):
            return None
        frame = cls(west, south, east, north, width, height)
        return frame if frame.has_map else None

    @property
    def centre(self) -> float:
        """The meridian in the middle, in Leaflet's own count."""
        return (self.west + self.east) / 2

    @property
    def has_map(self) -> bool:
        """Whether some of the Web-Mercator world is in view."""
        return self._clip(self.north) - self._clip(self.south) > 1e-9

    @property
    def box(self) -> BBox:
        """What is visible, as a box."""
        return _box(self.west, self.south, self.east, self.north)[0]

    def request(self) -> tuple[BBox, int, float]:
        """What to ask for: (box, pixels of its longer side, turn).

        The box is a little larger than the view; `turn` is a multiple of 360 to be added to the longitudes of the
        answer so that it lies where the map is looking.
        """
        span, rise = self.east - self.west, self._rise(self.south, self.north)
        south = float(latitude_from_mercator(mercator_from_latitude(self._clip(self.south)) - _PAD * rise))
        north = float(latitude_from_mercator(mercator_from_latitude(self._clip(self.north)) + _PAD * rise))
        wide = min(360.0, span * (1 + 2 * _PAD))
        box, turn = _box(self.centre - wide / 2, south, self.centre + wide / 2, north)
        across = self.width * wide / span
        up = self.height * self._rise(box.south, box.north) / max(rise, 1e-12)
        return box, int(min(_MOST_PIXELS, max(1, math.ceil(max(across, up))))), turn

    def at(self, left: float, top: float) -> tuple[float, float]:
        """(lon, lat) of a place given in parts of the width and height, from the upper left corner."""
        high, low = (float(mercator_from_latitude(v)) for v in (self.north, self.south))
        return (
            self.west + left * (self.east - self.west),
            self._clip(float(latitude_from_mercator(high - top * (high - low)))),
        )

    def resized(self, width: float, height: float) -> Frame:
        """The same map in a window of another size: Leaflet keeps its centre and its scale."""
        high, low = (float(mercator_from_latitude(v)) for v in (self.north, self.south))
        middle, rise = (high + low) / 2, (high - low) * height / self.height
        south, north = (float(latitude_from_mercator(middle + half)) for half in (-rise / 2, rise / 2))
        span = (self.east - self.west) * width / self.width
        return Frame(self.centre - span / 2, south, self.centre + span / 2, north, width, height)

    def drawn(
        self, corners: tuple[float, float, float, float], size: tuple[float, float]
    ) -> tuple[float, float, float, float]:
        """(west, south, east, north) of a box drawn on the map, with no more digits than the mouse can mean.

        Parameters
        ----------
        corners : (left, top, right, bottom)
            Parts of the width and height, from the upper left corner.
        size : (width, height)
            Pixels of the map when it was drawn: Leaflet tells those of a map just resized a while later.
        """
        frame = self.resized(*size)
        left, top, right, bottom = corners
        west, north = frame.at(left, top)
        east, south = frame.at(right, bottom)
        home = wrap180(west)
        far = home + (east - west)
        if 180.0 < far < home + 360.0:
            far -= 360.0
        digits = max(0, math.ceil(-math.log10((frame.east - frame.west) / frame.width)))
        west, south, east, north = (round(edge, digits) for edge in (home, south, far, north))
        return west, south, east, north

    def near(self, lon: float) -> float:
        """The copy of a meridian that lies nearest to the middle of the map."""
        return lon + 360.0 * round((self.centre - lon) / 360.0)

    @property
    def least_zoom(self) -> float:
        """The zoom at which one world is just as wide as the map: below it there would be a second picture to ask."""
        return math.ceil(math.log2(max(self.width, 1.0) / _TILE) / SNAP) * SNAP

    @staticmethod
    def _clip(latitude: float) -> float:
        return max(-MERCATOR_LIMIT, min(MERCATOR_LIMIT, latitude))

    @classmethod
    def _rise(cls, south: float, north: float) -> float:
        """Northing between two parallels, in radians."""
        low, high = (float(mercator_from_latitude(cls._clip(v))) for v in (south, north))
        return high - low


def _box(west: float, south: float, east: float, north: float) -> tuple[BBox, float]:
    """A box of Leaflet's unbounded longitudes, brought home, and the turn that leads back."""
    home = wrap180(west)
    width = min(360.0, east - west)
    box = BBox(home, max(south, -MERCATOR_LIMIT), home + width, min(north, MERCATOR_LIMIT))
    return box, west - home


def outlook(extent: BBox) -> BBox:
    """Where to look for data of this extent: without what Mercator blows up at the poles, and never at a point alone.

    Examples
    --------
    >>> outlook(BBox(-77, -89.4, 6, 0)), outlook(BBox(5, 50, 5, 50))
    (BBox(west=-77.0, south=-80.0, east=6.0, north=0.0), BBox(west=4.0, south=49.0, east=6.0, north=51.0))
    """
    west, south, east, north = extent.to_tuple()
    if extent.width == 0 and extent.height == 0:
        return BBox(west - _AROUND, max(south - _AROUND, -90.0), west + _AROUND, min(north + _AROUND, 90.0))
    low = max(south, -_POLAR) if north > -_OPEN else south
    high = min(north, _POLAR) if south < _OPEN else north
    return BBox(west, low, east, high)


def fit(box: BBox, frame: Frame, *, room: float = 0.05) -> tuple[tuple[float, float], float]:
    """(centre (lat, lon), zoom) that shows a box as large as the map allows, with so many levels of zoom to spare.

    With some to spare it is an extent of data, seen by its `outlook`; else the box is what is to be seen.
    """
    clipped = (box if room < 0 else outlook(box)).clip_to_mercator()
    low, high = (float(mercator_from_latitude(v)) for v in (clipped.south, clipped.north))
    across = math.log2(frame.width * 360.0 / (_TILE * max(box.width, 1e-6)))
    up = math.log2(frame.height * 2 * math.pi / (_TILE * max(high - low, 1e-9)))
    zoom = math.floor((min(across, up) - room) / SNAP) * SNAP
    zoom = min(DEEPEST, max(zoom, frame.least_zoom))
    lat = float(latitude_from_mercator((low + high) / 2))
    lon = 0.0 if box.is_whole_turn else box.west + box.width / 2
    return (lat, frame.near(lon)), zoom
