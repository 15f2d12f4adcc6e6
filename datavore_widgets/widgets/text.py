"""How numbers, places and foreign text are written on the screen.

Titles, units and names come from files and are hostile until proven otherwise: whatever goes into an `HTML` widget
goes through `escape`, here and nowhere else.
"""

from __future__ import annotations

import html
import math

from datavore_widgets.protocol.geometry import BBox, Point, wrap180

__all__ = [
    "area",
    "degrees",
    "duration",
    "escape",
    "latitude",
    "longitude",
    "number",
    "place",
    "thousands",
    "tick_decimals",
]


def escape(text: object) -> str:
    """Text that is safe inside HTML, in elements and in quoted attributes."""
    return html.escape(str(text), quote=True)


def tick_decimals(step: float) -> int:
    """Decimals that tell multiples of `step` apart."""
    if not (math.isfinite(step) and step > 0):
        return 0
    decimals = max(0, -math.floor(math.log10(step)))
    # 0.25 needs one decimal more than 0.2
    return decimals + (abs(round(step, decimals) - step) > 1e-9 * step)


def number(value: float, digits: int = 4) -> str:
    """A value with so many significant digits, no trailing zeros and a true minus sign.

    Examples
    --------
    >>> number(-1.500001), number(1.23e-7), number(float("nan"))
    ('−1.5', '1.23e−7', '–')
    """
    if not math.isfinite(value):
        return "–"
    magnitude = abs(value)
    if magnitude and not 1e-4 <= magnitude < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    decimals = max(0, digits - 1 - (math.floor(math.log10(magnitude)) if magnitude else 0))
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return ("0" if text == "-0" else text).replace("-", "−")


def thousands(count: int) -> str:
    """A count with thin spaces between its thousands."""
    return f"{count:,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """A length of time in its largest whole unit.

    Examples
    --------
    >>> duration(86400), duration(10800), duration(90)
    ('1 day', '3 hours', '90 seconds')
    """
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{number(seconds)} seconds"


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


def place(point: Point) -> str:
    """A point: latitude, then longitude, as charts write it."""
    return f"{latitude(point.lat)} {longitude(point.lon)}"


def area(box: BBox) -> str:
    """A box: its meridians, then its parallels."""
    return (
        f"{longitude(box.west)} to {longitude(box.east)}, {latitude(box.south)} to {latitude(box.north)}"
        if not box.is_whole_turn
        else f"all longitudes, {latitude(box.south)} to {latitude(box.north)}"
    )
