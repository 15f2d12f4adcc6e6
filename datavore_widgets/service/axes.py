"""Which coordinate is which: longitude, latitude, time, or a further dimension.

Coordinates are found by their CF or COARDS units, then by standard name, by axis, and by common names, in this order.
The look-ups are our own few lines: the library made for them costs 0.4 s to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datavore_widgets.service.decode import is_time_unit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["coordinate_names", "horizontal_names", "kind_of"]

_LON_UNITS = frozenset({"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"})
_LAT_UNITS = frozenset({"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"})
_LON_NAMES = frozenset({"lon", "longitude", "long", "nav_lon", "lons", "longitudes", "xlong", "glon"})
_LAT_NAMES = frozenset({"lat", "latitude", "nav_lat", "lats", "latitudes", "xlat", "glat"})
_TIME_NAMES = frozenset({"time", "times", "time_counter", "ocean_time"})
_OTHER_FRAMES = ("grid_", "projection_")
"""Standard names of rotated and projected coordinates begin so; they are no longitudes, whatever else they say."""


def kind_of(name: str, variable: xr.Variable) -> str | None:
    """`lon`, `lat`, `time` or None: what a coordinate variable says of itself."""
    attrs = variable.attrs
    units = str(attrs.get("units", "")).strip().lower()
    standard = str(attrs.get("standard_name", "")).strip().lower()
    axis = str(attrs.get("axis", "")).strip().upper()
    if is_time_unit(attrs.get("units")) or _holds_dates(variable):
        return "time"
    if variable.dtype.kind not in "iuf" or standard.startswith(_OTHER_FRAMES):
        return None
    if units in _LON_UNITS or standard == "longitude":
        return "lon"
    if units in _LAT_UNITS or standard == "latitude":
        return "lat"
    if standard == "time":
        return "time"
    in_degrees = units in ("", "degree", "degrees", "deg")
    if in_degrees and (axis == "X" or name.lower() in _LON_NAMES):
        return "lon"
    if in_degrees and (axis == "Y" or name.lower() in _LAT_NAMES):
        return "lat"
    if axis == "T" or name.lower() in _TIME_NAMES:
        return "time"
    return None


def _holds_dates(variable: xr.Variable) -> bool:
    if variable.dtype.kind == "M":
        return True
    if variable.dtype.kind != "O" or variable.size == 0:
        return False
    first = variable[(0,) * variable.ndim].values.item()
    return hasattr(first, "calendar") and hasattr(first, "year")


def coordinate_names(variable: xr.Variable) -> list[str]:
    """Names in the `coordinates` attribute of a variable, decoded by xarray or not."""
    text = variable.attrs.get("coordinates") or variable.encoding.get("coordinates") or ""
    return str(text).split()


def horizontal_names(
    stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], variable: xr.Variable
) -> tuple[Any, ...]:
    """Names of the longitude and the latitude of a variable, or the reason why there are none.

    Two-dimensional coordinates that the variable itself names win over the axes of its dimensions.

    Returns
    -------
    (lon, lat, reason)
        Either two names and None, or two None and the reason.
    """
    named = [name for name in coordinate_names(variable) if name in stored]
    for name in named:
        if kinds.get(name) in ("lon", "lat") and stored[name].ndim == 2:
            return None, None, f"it lies on the two-dimensional coordinates {name!r}: only rectilinear grids are drawn"
    found: dict[str, str] = {}
    for dim in variable.dims:
        # The axis of the dimension's own name comes first, then what the variable names, then any other.
        for name in map(str, [dim, *named, *stored]):
            kind = kinds.get(name)
            if kind in ("lon", "lat") and stored[name].dims == (dim,):
                found.setdefault(kind, name)
    lon, lat = found.get("lon"), found.get("lat")
    if lon is not None and lat is not None:
        if stored[lon].dims == stored[lat].dims:
            dim = stored[lon].dims[0]
            return None, None, f"its places are listed along {dim!r}, as on a track or a mesh: only grids are drawn"
        return lon, lat, None
    flat = [
        str(name)
        for name, other in stored.items()
        if kinds.get(str(name)) in ("lon", "lat") and other.ndim == 2 and set(other.dims) <= set(variable.dims)
    ]
    if flat:
        return None, None, f"it lies on the two-dimensional coordinates {flat[0]!r}: only rectilinear grids are drawn"
    missing = " and ".join(word for word, name in (("longitude", lon), ("latitude", lat)) if name is None)
    return None, None, f"its dimensions ({', '.join(map(str, variable.dims))}) have no {missing}"
