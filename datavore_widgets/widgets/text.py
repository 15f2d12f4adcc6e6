"""How numbers, places and foreign text are written on the screen.

Titles, units and names come from files and are hostile until proven otherwise: whatever goes into an `HTML` widget
goes through `escape`, here and nowhere else.
"""

from __future__ import annotations

import html
import math

__all__ = ["about", "amount", "duration", "escape", "heading", "number", "thousands", "tick_decimals"]


def escape(text: object) -> str:
    """Text that is safe inside HTML, in elements and in quoted attributes."""
    return html.escape(str(text), quote=True)


def heading(label: str) -> str:
    """A name as a heading begins; one that is a symbol stays as it is.

    Examples
    --------
    >>> heading("sea surface temperature"), heading("fCO2 recommended"), heading("u")
    ('Sea surface temperature', 'fCO2 recommended', 'u')
    """
    first = label.split(" ", 1)[0]
    return label[:1].upper() + label[1:] if first.isalpha() and first.islower() and len(first) > 1 else label


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


def amount(nbytes: float) -> str:
    """Bytes in the largest unit of which there is one.

    Examples
    --------
    >>> amount(900), amount(1_240_000), amount(3e9)
    ('900 B', '1.24 MB', '3 GB')
    """
    power = 0
    while nbytes >= 999.5 and power < 4:
        nbytes, power = nbytes / 1000, power + 1
    return f"{number(nbytes, 3)} {['B', 'kB', 'MB', 'GB', 'TB'][power]}"


def about(seconds: float) -> str:
    """A length of time that is only estimated.

    Examples
    --------
    >>> about(0.3), about(42), about(200), about(7300)
    ('a second', '40 s', '3 min', '2 h')
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{round(seconds, -1 if seconds >= 10 else 0):.0f} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


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
