"""Where a swell came from and when it arrives: deep-water waves along great circles.

A swell that has left its storm loses little and turns hardly at all: crests of one wavelength travel along a great
circle at the group velocity of deep water (Barber & Ursell 1948; Munk, Miller, Snodgrass & Barber 1963; from
spaceborne radar: Collard, Ardhuin & Chapron 2009, "Monitoring and analysis of ocean swell fields from space", JGR 114).
Currents, the earth's flattening and the width of the spectrum are left out: days are right to some hours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.coastline import on_land
from datavore_widgets.protocol.geometry import EARTH_RADIUS, Point, wrap180

__all__ = ["GRAVITY", "SwellPath", "great_circle", "group_velocity", "period", "trace"]

FloatArray = NDArray[np.float64]

GRAVITY = 9.80665
"""Standard gravity in m s-2 (ISO 80000-3)."""

_STEP = 20_000.0  # metres between two places of a path: half a pixel of a map of the whole earth
_FREE = 60_000.0  # metres from the start that are not asked for land: the outlines are that coarse
_FARTHEST = 0.98 * math.pi * EARTH_RADIUS  # beyond the antipode a path would come back


def period(wavelength: ArrayLike) -> FloatArray:
    """Seconds of deep-water waves of a wavelength in metres: T = √(2πλ/g), from ω² = gk.

    Examples
    --------
    >>> round(float(period(200.0)), 2)
    11.32
    """
    return np.asarray(np.sqrt(2 * np.pi * np.asarray(wavelength, dtype=np.float64) / GRAVITY))


def group_velocity(wavelength: ArrayLike) -> FloatArray:
    """Metres a second at which the energy of deep-water waves travels: dω/dk = gT/4π, half the phase velocity.

    Examples
    --------
    >>> round(float(group_velocity(200.0)), 2)
    8.83
    """
    return GRAVITY * period(wavelength) / (4 * np.pi)


def great_circle(lon: float, lat: float, bearing: float, metres: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Places at some distances along a great circle on a sphere of the mean radius.

    Parameters
    ----------
    lon, lat : float
        Where it starts, degrees.
    bearing : float
        Degrees clockwise from north, at the start.
    metres : array_like, shape (n,)
        Distances; negative ones lie behind.

    Returns
    -------
    lon, lat : ndarray of float64, shape (n,)
        Degrees. Longitudes go on beyond 180 rather than jump, from the first place on.

    Notes
    -----
    The direct problem of spherical trigonometry (Snyder 1987, "Map projections", USGS 1395, eqs. 5-5 and 5-6).
    """
    angle = np.asarray(metres, dtype=np.float64) / EARTH_RADIUS
    phi, azimuth = math.radians(lat), math.radians(bearing)
    sine = math.sin(phi) * np.cos(angle) + math.cos(phi) * np.sin(angle) * math.cos(azimuth)
    east = np.sin(angle) * math.sin(azimuth)
    north = math.cos(phi) * np.cos(angle) - math.sin(phi) * np.sin(angle) * math.cos(azimuth)
    turned = np.degrees(np.unwrap(np.arctan2(east, north)))
    return lon + turned, np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


@dataclass(frozen=True, eq=False)
class SwellPath:
    """One way of a swell, from where it was seen.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (n,)
        Degrees, the place where it was seen first; longitudes do not jump.
    hours : ndarray of float64, shape (n,)
        From the moment that it was seen: negative on the way back.
    metres : ndarray of float64, shape (n,)
        From that place, negative on the way back.
    meets_land : bool
        Whether it ends at a coast; else the time asked for is over.
    """

    lon: FloatArray
    lat: FloatArray
    hours: FloatArray
    metres: FloatArray
    meets_land: bool

    @property
    def end(self) -> Point:
        """The last place."""
        return Point(wrap180(float(self.lon[-1])), float(self.lat[-1]))

    def at(self, hours: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Places at some hours; NaN beyond its ends."""
        asked = np.abs(np.asarray(hours, dtype=np.float64))
        along = np.abs(self.hours)
        return (
            np.interp(asked, along, self.lon, right=np.nan),
            np.interp(asked, along, self.lat, right=np.nan),
        )


def trace(
    lon: float,
    lat: float,
    towards: float,
    wavelength: float,
    hours: float,
    is_land: Callable[[FloatArray, FloatArray], NDArray[np.bool_]] = on_land,
) -> SwellPath:
    """The way of a swell for some hours, forward or (negative) back, as far as the sea reaches.

    Parameters
    ----------
    towards : float
        Degrees clockwise from north that it travels to.
    wavelength : float
        Metres.
    hours : float
        How long: positive onwards, negative back to where it came from.
    is_land : callable
        `is_land(lon, lat)`, by default of the outlines at 1:110 million.

    Raises
    ------
    InvalidValue
        When the place, the direction, the wavelength or the hours are no numbers that make sense.
    """
    if not all(math.isfinite(v) for v in (lon, lat, towards, wavelength, hours)) or wavelength <= 0 or hours == 0:
        raise InvalidValue(
            f"a swell has a place, a direction and a wavelength above 0 m, and a time to travel, not "
            f"({lon!r}, {lat!r}), {towards!r} degrees, {wavelength!r} m and {hours!r} h"
        )
    speed = float(group_velocity(wavelength))
    length = min(abs(hours) * 3600.0 * speed, _FARTHEST)
    metres = np.append(np.arange(0.0, length, _STEP), length)
    bearing = towards if hours > 0 else towards + 180.0
    lons, lats = great_circle(lon, lat, bearing, metres)
    dry = is_land(lons, lats) & (metres > _FREE)
    meets = bool(dry.any())
    stop = int(dry.argmax()) + 1 if meets else metres.size
    sign = math.copysign(1.0, hours)
    kept = slice(0, stop)
    return SwellPath(
        lons[kept], lats[kept], sign * metres[kept] / speed / 3600.0, sign * metres[kept], meets_land=meets
    )
