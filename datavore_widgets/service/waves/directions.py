"""Directions in one convention: waves by where they go towards, winds by where they come from, clockwise from north.

Files differ, so each one's own words are obeyed; where they say nothing, what is taken is told in a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["angle_between", "compass", "range_azimuth", "turned", "wave_towards", "wind_from"]

_FROM = re.compile(r"\bfrom\b(?! (?:north|range))|coming|\bmeteorological\b", re.IGNORECASE)
_TOWARDS = re.compile(r"\bto\b|towards?|going|propagat|\boceanographic\b", re.IGNORECASE)
_OF_RANGE = re.compile(r"from (?:the )?range|from look", re.IGNORECASE)
_POINTS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")

_LOOKS_RIGHT = 90.0  # degrees from the flight to the beam: Sentinel-1 looks to the right (ESA, SAR user guide)


def turned(degrees: ArrayLike) -> NDArray[np.float64]:
    """Directions within 0 … 360 (360 left out); NaN stays.

    Examples
    --------
    >>> turned([-10, 370, 360]).tolist()
    [350.0, 10.0, 0.0]
    """
    within = np.mod(np.asarray(degrees, dtype=np.float64), 360.0)
    return np.where(within == 360.0, 0.0, within)  # a tiny negative number is turned to 360 itself


def angle_between(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """The smaller angle between two directions, 0 … 180 degrees.

    Examples
    --------
    >>> angle_between(350, 10).item()
    20.0
    """
    return np.abs(turned(np.asarray(one) - np.asarray(other) + 180.0) - 180.0)


def compass(degrees: float) -> str:
    """The nearest of the sixteen points of the compass.

    Examples
    --------
    >>> compass(157.0)
    'SSE'
    """
    return _POINTS[round(float(degrees) / 22.5) % 16]


def range_azimuth(heading: float) -> float:
    """Where the beam looks to, clockwise from north, for a heading: to the right of the flight."""
    return float(turned(heading + _LOOKS_RIGHT))


def _words(attrs: Mapping[str, Any]) -> str:
    """What a variable says of its directions."""
    return " ".join(str(attrs.get(name, "")) for name in ("standard_name", "long_name", "units")).replace("_", " ")


def wave_towards(degrees: ArrayLike, attrs: Mapping[str, Any]) -> tuple[NDArray[np.float64], str]:
    """Directions of waves, towards; and a note where the file does not say.

    Parameters
    ----------
    degrees : array_like
        As they are in the file.
    attrs : mapping
        Of the variable: its `standard_name`, `long_name` and `units` are heeded. `sea_surface_wave_to_direction` and
        `sea_surface_wave_from_direction` are CF's standard names for the two.

    Notes
    -----
    `oswDirmet` is "dominant wave direction for each partition", in "degrees clockwise from north": it does not say to
    or from. It lies on the axis of `oswPhi` ("degrees respect to North", ESA's technical guide), on which a SAR's
    spectrum is where waves go towards: so a public reader of these files has it (WASP: "going to", no turning), and the
    partition's own peak is compared with it (see `ocn`).
    """
    words = _words(attrs)
    if _FROM.search(words) and not _TOWARDS.search(words):
        return turned(np.asarray(degrees) + 180.0), ""
    note = "" if _TOWARDS.search(words) else "the file does not say whether wave directions are to or from: taken as to"
    return turned(degrees), note


def wind_from(degrees: float, attrs: Mapping[str, Any], heading: float) -> tuple[float, str]:
    """Where a wind comes from, and a note where the file does not say.

    Parameters
    ----------
    degrees : float
        As it is in the file.
    attrs : mapping
        Of the variable. Products of 2014 write `degree clockwise from range`: then the heading is needed. Later ones
        write `degrees clockwise from north` and "meteorological convention", or "where the wind comes from".
    heading : float
        Of the satellite, degrees clockwise from north.
    """
    words = _words(attrs)
    value, note = degrees, ""
    if _OF_RANGE.search(words):
        value += range_azimuth(heading)
    if re.search(r"\bwind to direction\b|going to|blows? to", words, re.IGNORECASE):
        value += 180.0
    elif not _FROM.search(words):
        note = "the file does not say whether the wind direction is to or from: taken as from"
    return float(turned(value)), note
