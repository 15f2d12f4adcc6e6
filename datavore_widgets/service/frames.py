"""Grids whose axes are those of another frame (a rotated pole, a map projection), told by a CF grid mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.service.curvilinear import CurvilinearGrid

__all__ = ["grid_of_frame"]

FloatArray = NDArray[np.float64]

_LENGTHS = {"": 1.0, "m": 1.0, "meter": 1.0, "metre": 1.0, "meters": 1.0, "metres": 1.0, "km": 1e3, "kilometer": 1e3,
            "kilometre": 1e3, "kilometers": 1e3, "kilometres": 1e3}  # fmt: skip


def grid_of_frame(x: FloatArray, y: FloatArray, units: tuple[str, str], mapping: Mapping[str, Any]) -> CurvilinearGrid:
    """The grid of axes in another frame; its cells are those of the frame, so that they meet without a gap.

    Parameters
    ----------
    x, y : ndarray of float64, shape (nx,) and (ny,)
        Centres along the axes.
    units : (str, str)
        Of both.
    mapping : mapping
        Attributes of the grid mapping variable (CF 5.6, appendix F).

    Raises
    ------
    InvalidValue
        When the mapping or the units are not known, or the axes are no axes.
    """
    # Late: it costs 0.1 s, and few files need it.
    import pyproj
    from pyproj.exceptions import ProjError

    name = str(mapping.get("grid_mapping_name", "its attributes"))
    try:
        frame = pyproj.CRS.from_cf(dict(mapping))
        # A rotated pole is geodetic itself; what it is derived from has the earth's own pole.
        base = frame.source_crs or frame.geodetic_crs
        if base is None:
            raise InvalidValue(f"its grid mapping {name!r} is not tied to the earth")
        to_degrees = pyproj.Transformer.from_crs(frame, base, always_xy=True)
    except (ProjError, KeyError, ValueError, TypeError) as error:
        raise InvalidValue(f"its grid mapping {name!r} is not known: {error}") from error
    scales = [_scale(unit, mapping) for unit in units]
    edges = [_edges(axis * scale, what) for axis, scale, what in zip((x, y), scales, "xy", strict=True)]

    def degrees(xs: FloatArray, ys: FloatArray) -> tuple[FloatArray, FloatArray]:
        lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
        # What is not on the earth comes back as infinity: no cell.
        nowhere = ~(np.isfinite(lon) & np.isfinite(lat))
        lon[nowhere] = lat[nowhere] = np.nan
        return lon, lat

    lon, lat = degrees(x * scales[0], y * scales[1])
    corners = [_around(corner) for corner in degrees(*edges)]
    return CurvilinearGrid.from_centers(lon, lat, *corners)


def _scale(unit: str, mapping: Mapping[str, Any]) -> float:
    unit = unit.strip().lower()
    if not unit:
        # Not told: as the frame counts.
        return 1.0
    if unit in _LENGTHS:
        return _LENGTHS[unit]
    if unit.startswith("degree"):
        return 1.0
    if unit in ("rad", "radian", "radians") and "perspective_point_height" in mapping:
        # The angles of a geostationary view: PROJ wants them times the height.
        return float(mapping["perspective_point_height"])
    raise InvalidValue(f"its axes are in {unit!r}: they are in degrees, metres or kilometres")


def _edges(centers: FloatArray, what: str) -> FloatArray:
    steps = np.diff(centers)
    if centers.size < 2 or not np.isfinite(centers).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise InvalidValue(f"its axis {what} neither rises nor falls all the way")
    middles = (centers[:-1] + centers[1:]) / 2
    return np.concatenate([[2 * centers[0] - middles[0]], middles, [2 * centers[-1] - middles[-1]]])


def _around(lattice: FloatArray) -> FloatArray:
    """The four corners around each cell of a lattice, shape (ny, nx, 4)."""
    return np.stack([lattice[:-1, :-1], lattice[:-1, 1:], lattice[1:, 1:], lattice[1:, :-1]], axis=-1)
