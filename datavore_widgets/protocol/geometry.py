"""Boxes and points in degrees, and the Web-Mercator plane.

Longitude comes before latitude, always. `west > east` crosses the antimeridian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue

__all__ = [
    "EARTH_RADIUS",
    "GLOBAL",
    "MERCATOR_LIMIT",
    "BBox",
    "Point",
    "latitude_from_mercator",
    "mercator_from_latitude",
    "parse_bbox",
    "parse_coord",
    "wrap180",
]

EARTH_RADIUS = 6_371_008.8
"""Mean radius of the earth in metres, R1 of the IUGG (Moritz 2000)."""

MERCATOR_LIMIT = 85.0511287798066
"""Latitude in degrees at which the Web-Mercator world is a square (atan(sinh(pi)))."""

_LONGITUDES = (-360.0, 720.0)
_EDGE = 1e-9  # degrees, a tenth of a millimetre


def wrap180(longitude: float) -> float:
    """The same meridian in [-180, 180)."""
    return (longitude + 180.0) % 360.0 - 180.0


def mercator_from_latitude(latitude: ArrayLike) -> NDArray[np.float64]:
    """Web-Mercator northing in radians: y = asinh(tan(latitude)) (EPSG:3857 over the sphere's radius)."""
    return np.asarray(np.arcsinh(np.tan(np.radians(np.asarray(latitude, dtype=np.float64)))))


def latitude_from_mercator(y: ArrayLike) -> NDArray[np.float64]:
    """Inverse of `mercator_from_latitude`: latitude in degrees of a northing in radians."""
    return np.asarray(np.degrees(np.arctan(np.sinh(np.asarray(y, dtype=np.float64)))))


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidValue(f"{what} is a number of degrees, not {value!r}") from None
    if not math.isfinite(number):
        raise InvalidValue(f"{what} is a finite number of degrees, not {value!r}")
    return number


def _text(number: float) -> str:
    """Shortest decimal spelling that reads back as the same number."""
    return repr(int(number)) if number == int(number) else repr(number)


def _check_longitude(value: float, what: str) -> None:
    low, high = _LONGITUDES
    if not low <= value <= high:
        raise InvalidValue(f"{what} is between {low:g} and {high:g} degrees, not {value!r}")


def _check_latitude(value: float, what: str) -> None:
    if not -90.0 <= value <= 90.0:
        hint = "; the order is west, south, east, north" if abs(value) <= 360 else ""
        raise InvalidValue(f"{what} is between -90 and 90 degrees, not {value!r}{hint}")


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the earth, degrees east and north."""

    lon: float
    lat: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "lon", _number(self.lon, "a longitude"))
        object.__setattr__(self, "lat", _number(self.lat, "a latitude"))
        _check_longitude(self.lon, "a longitude")
        _check_latitude(self.lat, "a latitude")

    def to_text(self) -> str:
        """As in a URL: `lon,lat`."""
        return f"{_text(self.lon)},{_text(self.lat)}"

    def to_leaflet(self) -> tuple[float, float]:
        """(lat, lon), the order of Leaflet."""
        return self.lat, self.lon


@dataclass(frozen=True, slots=True)
class BBox:
    """A box in degrees: (west, south, east, north), edges included.

    `west > east` crosses the antimeridian; longitudes up to 360 are accepted, so (190, 0, 210, 10) is the same
    place as (-170, 0, -150, 10). A width of 360 or more is a whole turn.

    Raises
    ------
    InvalidValue
        When an edge is no finite number, lies out of range, or south is north of north.
    """

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        for name in ("west", "south", "east", "north"):
            object.__setattr__(self, name, _number(getattr(self, name), name))
        _check_longitude(self.west, "west")
        _check_longitude(self.east, "east")
        _check_latitude(self.south, "south")
        _check_latitude(self.north, "north")
        if self.south > self.north:
            raise InvalidValue(
                f"south ({self.south:g}) is above north ({self.north:g}) in the box "
                f"{self.to_text()}; the order is west, south, east, north"
            )

    @property
    def width(self) -> float:
        """Degrees from west to east, going east: 0 to 360."""
        span = self.east - self.west
        if span >= 360.0:
            return 360.0
        if span >= 0.0:
            return span
        return span % 360.0

    @property
    def height(self) -> float:
        """Degrees from south to north."""
        return self.north - self.south

    @property
    def is_whole_turn(self) -> bool:
        """Whether every longitude lies inside."""
        return self.width >= 360.0

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether the meridian of 180 degrees lies strictly between the west and the east edge."""
        return wrap180(self.west) + self.width > 180.0

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """Whether places lie inside, edges included.

        Parameters
        ----------
        lon, lat : array_like
            Degrees, in any convention of longitude; broadcast together.
        """
        lons = np.asarray(lon, dtype=np.float64)
        lats = np.asarray(lat, dtype=np.float64)
        inside = (lats >= self.south) & (lats <= self.north)
        return np.asarray(inside & self.contains_longitude(lons))

    def contains_longitude(self, lon: ArrayLike) -> NDArray[np.bool_]:
        """Whether meridians lie between west and east, edges included."""
        lons = np.asarray(lon, dtype=np.float64)
        if self.is_whole_turn:
            return np.isfinite(lons)
        # Turning a longitude rounds it by some 1e-14: an edge is still an edge after that.
        turned = (lons - self.west) % 360.0
        return np.asarray((turned <= self.width + _EDGE) | (turned >= 360.0 - _EDGE))

    def to_tuple(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) as given."""
        return self.west, self.south, self.east, self.north

    def to_text(self) -> str:
        """As in a URL: `west,south,east,north`."""
        return ",".join(_text(edge) for edge in self.to_tuple())

    def to_leaflet(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """((south, west), (north, east)), with east east of west even across the antimeridian."""
        return (self.south, self.west), (self.north, self.west + self.width)

    def to_extent(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top), the order of matplotlib's `extent`."""
        return self.west, self.west + self.width, self.south, self.north

    def clip_to_mercator(self) -> BBox:
        """The part of the box that Web-Mercator can show.

        Raises
        ------
        InvalidValue
            When nothing of it lies within 85.0511 degrees of the equator.
        """
        if self.south >= MERCATOR_LIMIT or self.north <= -MERCATOR_LIMIT:
            raise InvalidValue(
                f"Web-Mercator ends at {MERCATOR_LIMIT:.4f} degrees of latitude; nothing of {self.to_text()} is inside"
            )
        south = max(self.south, -MERCATOR_LIMIT)
        north = min(self.north, MERCATOR_LIMIT)
        return BBox(self.west, south, self.east, north)


GLOBAL = BBox(-180.0, -90.0, 180.0, 90.0)
"""What the word `global` means."""


def _parts(value: Any, what: str) -> list[Any]:
    if isinstance(value, str):
        text = value.replace(" ", "").replace("[", "").replace("]", "").replace("(", "").replace(")", "")
        return text.split(",")
    if isinstance(value, Sequence | np.ndarray):
        return list(value)
    raise InvalidValue(f"{what} is 'west,south,east,north', four numbers or 'global', not {value!r}")


def parse_bbox(value: Any) -> BBox:
    """A box in any spelling of the documentation.

    Parameters
    ----------
    value : str, sequence of four numbers, or BBox
        `[x1, y1, x2, y2]`, `"x1, y1, x2, y2"`, or `"global"`.

    Raises
    ------
    InvalidValue
        When it is none of these.

    Examples
    --------
    >>> parse_bbox("[-60, 3, -22, 27]")
    BBox(west=-60.0, south=3.0, east=-22.0, north=27.0)
    """
    if isinstance(value, BBox):
        return value
    if isinstance(value, str) and value.strip().lower() == "global":
        return GLOBAL
    parts = _parts(value, "a bbox")
    if len(parts) != 4:
        raise InvalidValue(f"a bbox has four numbers (west, south, east, north) or is 'global', not {value!r}")
    return BBox(*parts)


def parse_coord(value: Any) -> BBox | Point:
    """A position or a box: two numbers are a `Point`, four a `BBox`.

    Raises
    ------
    InvalidValue
        When it is neither.
    """
    if isinstance(value, BBox | Point):
        return value
    if isinstance(value, str) and value.strip().lower() == "global":
        return GLOBAL
    parts = _parts(value, "a coord")
    if len(parts) == 2:
        return Point(*parts)
    if len(parts) == 4:
        return BBox(*parts)
    raise InvalidValue(f"a coord is a position (lon, lat) or a box (west, south, east, north), not {value!r}")
