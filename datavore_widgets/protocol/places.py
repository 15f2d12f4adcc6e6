"""Places and boxes as people read them: degrees with a point of the compass."""

from __future__ import annotations

import math

from datavore_widgets.protocol.geometry import BBox, Point, wrap180

__all__ = ["area", "degrees", "latitude", "longitude", "place"]


def degrees(value: float, decimals: int = 2) -> str:
    """Degrees without trailing zeros."""
    text = f"{abs(value):.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "°"


def longitude(value: float, decimals: int = 2) -> str:
    """A meridian, such as `27.5°W`."""
    turned = wrap180(value)
    half = abs(turned) in (0.0, 180.0)
    return degrees(turned, decimals) + ("" if half else "E" if turned > 0 else "W")


def latitude(value: float, decimals: int = 2) -> str:
    """A parallel, such as `12.25°S`."""
    return degrees(value, decimals) + ("" if value == 0 else "N" if value > 0 else "S")


def place(point: Point, decimals: int = 2) -> str:
    """A point: latitude, then longitude, as charts write it."""
    return f"{latitude(point.lat, decimals)} {longitude(point.lon, decimals)}"


def area(box: BBox) -> str:
    """A box: its meridians, then its parallels, with the decimals that tell its edges apart.

    Examples
    --------
    >>> area(BBox(-60, 3, -22.25, 27)), area(BBox(10.0012, 0, 10.0016, 1))
    ('60°W to 22.25°W, 3°N to 27°N', '10.0012°E to 10.0016°E, 0° to 1°N')
    """
    sides = [side for side in (box.width, box.height) if side > 0]
    decimals = max(2, math.ceil(-math.log10(min(sides)))) if sides else 4
    parallels = f"{latitude(box.south, decimals)} to {latitude(box.north, decimals)}"
    if box.is_whole_turn:
        return f"all longitudes, {parallels}"
    return f"{longitude(box.west, decimals)} to {longitude(box.east, decimals)}, {parallels}"
