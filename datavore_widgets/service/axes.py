"""Which coordinate is which: longitude, latitude, time, or a further dimension.

Coordinates are found by their CF or COARDS units, then by standard name, by axis, and by common names, in this order.
The look-ups are our own few lines: the library made for them costs 0.4 s to import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.service.advice import SAMPLE_TIMES
from datavore_widgets.service.decode import is_time_unit

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "FEATURES",
    "Horizontal",
    "angle_unit",
    "coordinate_names",
    "horizontal",
    "in_degrees",
    "is_swath",
    "is_vertical",
    "kind_of",
    "text_of",
]

_LON_UNITS = frozenset({"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"})
_LAT_UNITS = frozenset({"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"})
_STAGGER = r"(_(rho|psi|[cftuvw]|grid_[tuvwf]))?"
_LON_NAME = re.compile(
    rf"(nav_lon|lon|lons|long|longitude|longitudes|xlong|glon|[tuvpq]long?|geolon|xc|grid_lont?){_STAGGER}|"
    r"glam[tuvf]|x[tu]_ocean|etopo\d+x"
)
_LAT_NAME = re.compile(
    rf"(nav_lat|lat|lats|latitude|latitudes|xlat|glat|[tuvpq]lat|geolat|yc|grid_latt?){_STAGGER}|"
    r"gphi[tuvf]|y[tu]_ocean|etopo\d+y"
)
_RADIANS, _MINUTES, _SECONDS = "radians", "arc minutes", "arc seconds"
_ANGLES = {
    **dict.fromkeys(("rad", "radian"), _RADIANS),
    **dict.fromkeys(("arc_minute", "arcminute", "angular_minute", "arcmin", "arc_min"), _MINUTES),
    **dict.fromkeys(("arc_second", "arcsecond", "angular_second", "arcsec", "arc_sec"), _SECONDS),
}
"""Units of angles other than degrees, as UDUNITS knows them."""
_OF_A_DEGREE = {_MINUTES: 60.0, _SECONDS: 3600.0}
_TIME_NAMES = frozenset({"time", "times", "time_counter", "ocean_time"})
_OTHER_FRAMES = ("grid_", "projection_")
"""Standard names of rotated and projected coordinates begin so; they are no longitudes, whatever else they say."""
_FRAME_X = ("grid_longitude", "projection_x_coordinate", "projection_x_angular_coordinate")
_FRAME_Y = ("grid_latitude", "projection_y_coordinate", "projection_y_angular_coordinate")
_NAMES_X, _NAMES_Y = ("x", "xc", "xgrid", "easting", "rlon", "i"), ("y", "yc", "ygrid", "northing", "rlat", "j")
FEATURES = ("point", "timeseries", "trajectory", "profile", "timeseriesprofile", "trajectoryprofile")
"""Discrete sampling geometries of CF 9.1: places that are listed, whatever the shape of the list."""


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
    is_angle = units in ("", "degree", "degrees", "deg")
    known = name.lower()
    for kind, word, names in (("lon", "X", _LON_NAME), ("lat", "Y", _LAT_NAME)):
        if (is_angle and axis == word) or ((is_angle or angle_unit(units)) and names.fullmatch(known)):
            return kind
    if axis == "T" or name.lower() in _TIME_NAMES:
        return "time"
    return None


def angle_unit(units: Any) -> str:
    """What angles are in that are not in degrees, in words; empty for all other units.

    Examples
    --------
    >>> angle_unit("arcmin"), angle_unit("arc_seconds"), angle_unit("rad"), angle_unit("degrees_east")
    ('arc minutes', 'arc seconds', 'radians', '')
    """
    text = str(units or "").strip().lower()
    return _ANGLES.get(text) or _ANGLES.get(text.removesuffix("s"), "")


def in_degrees(values: NDArray[Any], units: Any) -> NDArray[Any]:
    """Longitudes or latitudes in degrees, whatever unit of angles they are in, as those of ICON are in radians."""
    word = angle_unit(units)
    if not word:
        return values
    angles = values.astype(np.float64)
    return np.degrees(angles) if word == _RADIANS else angles / _OF_A_DEGREE[word]


def _holds_dates(variable: xr.Variable) -> bool:
    if variable.dtype.kind == "M":
        return True
    if variable.dtype.kind != "O" or variable.size == 0:
        return False
    first = variable[(0,) * variable.ndim].values.item()
    return hasattr(first, "calendar") and hasattr(first, "year")


def text_of(variable: xr.Variable, word: str) -> str:
    """A text that a variable tells, decoded by xarray or not; several texts as one, and what is no text as none."""
    for told in (variable.attrs.get(word), variable.encoding.get(word)):
        words = np.ravel(np.asarray(told, dtype=object)).tolist()
        text = " ".join(word for word in words if isinstance(word, str)).strip()
        if text:
            return text
    return ""


def coordinate_names(variable: xr.Variable) -> list[str]:
    """Names in the `coordinates` attribute of a variable, decoded by xarray or not."""
    return text_of(variable, "coordinates").split()


@dataclass(frozen=True)
class Horizontal:
    """Where a variable has its places.

    Parameters
    ----------
    lon, lat : str
        Names of the coordinates; of a grid in another frame, its x and y; of the cells of a mesh, those of its nodes.
        Empty where there is no place.
    columns, rows : str
        Dimensions of the variable; empty where it has none such.
    kind : {'axes', 'fields', 'frame', 'points', 'cells', 'mesh', 'nowhere'}
        Whether the coordinates have one dimension each, or both have two, or are those of another frame; or places are
        listed, as those of tracks and stations; or cells are, with their corners or with their nodes; or there is none.
    mapping : str
        For a frame: the variable that tells it; for a mesh: its topology; for ragged samples: the variable that tells
        how many samples each track, profile or station has, or which of these each sample is of.
    """

    lon: str
    lat: str
    columns: str
    rows: str
    kind: Literal["axes", "fields", "frame", "points", "cells", "mesh", "nowhere"] = "axes"
    mapping: str = ""


def horizontal(
    stored: Mapping[str, xr.Variable],
    kinds: Mapping[str, str | None],
    variable: xr.Variable,
    attrs: Mapping[str, Any],
) -> Horizontal:
    """The longitude and the latitude of a variable.

    Two-dimensional coordinates that the variable itself names win over the axes of its dimensions; where there are
    neither, two-dimensional coordinates on its dimensions are taken, then a grid mapping, then the places of the
    tracks, profiles or stations that its samples are of, then a single place.

    Parameters
    ----------
    stored : mapping of str to xarray.Variable
        All variables of the file.
    kinds : mapping of str to str or None
        What they are, by `kind_of`.
    attrs : mapping
        Of the file.

    Raises
    ------
    InvalidValue
        When there are none; it says why.
    """
    if (mesh := _mesh(stored, variable)) is not None:
        return mesh
    named = [name for name in coordinate_names(variable) if name in stored]
    if (pair := _pair(stored, kinds, variable, named)) is not None:
        return _checked_pair(stored, kinds, pair, attrs)
    found: dict[str, str] = {}
    for dim in variable.dims:
        # The axis of the dimension's own name comes first, then what the variable names, then any other.
        for name in map(str, [dim, *named, *stored]):
            kind = kinds.get(name)
            if kind in ("lon", "lat") and stored[name].dims == (dim,):
                found.setdefault(kind, name)
    lon, lat = found.get("lon"), found.get("lat")
    if lon is not None and lat is not None:
        columns, rows = (str(stored[name].dims[0]) for name in (lon, lat))
        if columns != rows:
            return Horizontal(lon, lat, columns, rows)
        levels = _levels(stored, variable, columns)
        return Horizontal(lon, lat, levels or columns, columns if levels else "", "points")
    if (pair := _pair(stored, kinds, variable, list(stored))) is not None:
        return _checked_pair(stored, kinds, pair, attrs)
    if (frame := _frame(stored, variable)) is not None:
        return frame
    if (ragged := _ragged(stored, kinds, variable)) is not None:
        return ragged
    single = [name for name in [*named, *stored] if stored[name].ndim == 0]
    lon = lon or next((name for name in single if kinds.get(name) == "lon"), None)
    lat = lat or next((name for name in single if kinds.get(name) == "lat"), None)
    if lon is not None and lat is not None:
        # At least one of them is the same for all.
        columns = next((str(dim) for name in (lon, lat) for dim in stored[name].dims), "")
        return Horizontal(lon, lat, columns, "", "points")
    if lon is None and lat is None and _is_a_series(stored, kinds, variable):
        return Horizontal("", "", "", "", "nowhere")
    if lon is None and lat is None and not any(_has_times(stored, kinds, str(dim)) for dim in variable.dims):
        raise InvalidValue(
            f"its dimensions ({', '.join(map(str, variable.dims))}) have no longitude and latitude, and no times: "
            f"nothing tells where or when its {variable.size} values are"
        )
    missing = " and ".join(word for word, name in (("longitude", lon), ("latitude", lat)) if name is None)
    raise InvalidValue(f"its dimensions ({', '.join(map(str, variable.dims))}) have no {missing}")


def _pair(
    stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], variable: xr.Variable, names: list[str]
) -> Horizontal | None:
    """The first longitude and latitude among some names that have the same two dimensions of the variable."""
    flat = [name for name in names if stored[name].ndim == 2 and set(stored[name].dims) <= set(variable.dims)]
    for lon in flat:
        for lat in flat:
            if kinds.get(lon) == "lon" and kinds.get(lat) == "lat" and set(stored[lon].dims) == set(stored[lat].dims):
                rows, columns = map(str, stored[lon].dims)
                return Horizontal(lon, lat, columns, rows, "fields")
    return None


def _checked_pair(
    stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], pair: Horizontal, attrs: Mapping[str, Any]
) -> Horizontal:
    """Two-dimensional coordinates: of a grid or a swath, or of stations and tracks, which have them too."""
    listed = str(attrs.get("featureType", "")).lower() in FEATURES or any(
        str(other.attrs.get("cf_role", "")).endswith("_id") and set(map(str, other.dims)) & {pair.rows, pair.columns}
        for other in stored.values()
    )
    moving = any(kinds.get(dim) == "time" and stored[dim].dims == (dim,) for dim in (pair.rows, pair.columns))
    return replace(pair, kind="points") if listed or (moving and not _says_swath(attrs)) else pair


def _levels(stored: Mapping[str, xr.Variable], variable: xr.Variable, profiles: str) -> str | None:
    """The dimension along which each profile has depths of its own, as those of Argo floats (CF H.3.1)."""
    found = (
        str(dim)
        for coordinate in stored.values()
        for dim in coordinate.dims
        if coordinate.ndim == 2
        and set(coordinate.dims) == {profiles, dim}
        and dim != profiles
        and dim in variable.dims
        and is_vertical(coordinate)
    )
    return next(found, None)


def is_vertical(variable: xr.Variable) -> bool:
    """Whether a coordinate tells depths, heights or pressures."""
    attrs = variable.attrs
    standard = str(attrs.get("standard_name", "")).lower()
    return (
        str(attrs.get("axis", "")).upper() == "Z"
        or "positive" in attrs
        or standard in ("depth", "height", "altitude", "sea_water_pressure", "air_pressure")
    )


def _ragged(
    stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], variable: xr.Variable
) -> Horizontal | None:
    """The places of the tracks, profiles or stations that samples are of (CF 9.3.3 and 9.3.4), told once for each."""
    for name, other in stored.items():
        # Contiguous: the lengths of the runs of samples. Indexed: for each sample what it is of.
        samples, instances = text_of(other, "sample_dimension"), text_of(other, "instance_dimension")
        if samples and other.ndim == 1:
            instances = str(other.dims[0])
        elif instances and other.ndim == 1:
            samples = str(other.dims[0])
        if samples not in variable.dims:
            continue
        found = {
            str(kinds.get(place)): place
            for place, coordinate in stored.items()
            if kinds.get(place) in ("lon", "lat") and coordinate.dims == (instances,)
        }
        if len(found) == 2:
            return Horizontal(found["lon"], found["lat"], samples, "", "points", name)
    return None


def _mesh(stored: Mapping[str, xr.Variable], variable: xr.Variable) -> Horizontal | None:
    """The nodes of the faces of an unstructured mesh (UGRID 1.0) that a variable lies on."""
    mesh = stored.get(str(variable.attrs.get("mesh", "")))
    if mesh is None or text_of(variable, "location") != "face":
        return None
    nodes = str(mesh.attrs.get("node_coordinates", "")).split()
    faces = stored.get(str(mesh.attrs.get("face_node_connectivity", "")))
    if len(nodes) != 2 or faces is None or any(name not in stored for name in nodes):
        return None
    along = next((str(dim) for dim in faces.dims if dim in variable.dims), None)
    lon, lat = nodes if kind_of(nodes[0], stored[nodes[0]]) != "lat" else nodes[::-1]
    return None if along is None else Horizontal(lon, lat, along, "", "mesh", str(variable.attrs["mesh"]))


def _is_a_series(stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], variable: xr.Variable) -> bool:
    """Whether a variable has times, and further dimensions that are told and not those of an unknown map."""
    rest = [str(dim) for dim in variable.dims if not _has_times(stored, kinds, str(dim))]
    told = [stored[dim] for dim in rest if dim in stored and stored[dim].dims == (dim,)]
    flat = any(_side(str(axis.dims[0]), axis) is not None for axis in told)
    return len(rest) < variable.ndim and len(told) == len(rest) and not flat


def _side(dim: str, axis: xr.Variable) -> str | None:
    """`x` or `y`: which side of a map an axis in another frame is, by standard name, axis, or name."""
    standard = str(axis.attrs.get("standard_name", "")).lower()
    word = str(axis.attrs.get("axis", "")).upper()
    for side, standards, names in (("x", _FRAME_X, _NAMES_X), ("y", _FRAME_Y, _NAMES_Y)):
        if standard in standards or (not standard and (word == side.upper() or (not word and dim.lower() in names))):
            return side
    return None


def _has_times(stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], dim: str) -> bool:
    """Whether a dimension has times."""
    return any(kinds.get(name) == "time" and other.dims == (dim,) for name, other in stored.items())


def is_swath(
    stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None], pair: Horizontal, attrs: Mapping[str, Any]
) -> bool:
    """Whether two-dimensional coordinates are the samples of an instrument.

    The file says so (`cdm_data_type`, `featureType`, a `processing_level` of 2), or has a time for each sample or
    each line of them.
    """
    if _says_swath(attrs):
        return True
    over = {pair.rows, pair.columns}
    return any(
        (kinds.get(name) == "time" and other.ndim > 0 and set(map(str, other.dims)) <= over)
        or (name in SAMPLE_TIMES and over <= set(map(str, other.dims)))
        for name, other in stored.items()
    )


def _says_swath(attrs: Mapping[str, Any]) -> bool:
    if any(str(attrs.get(key, "")).strip().lower() == "swath" for key in ("cdm_data_type", "featureType")):
        return True
    return str(attrs.get("processing_level", "")).strip().upper().lstrip("LEV ").startswith("2")


def _frame(stored: Mapping[str, xr.Variable], variable: xr.Variable) -> Horizontal | None:
    """The x and y of a grid in another frame, and the grid mapping that tells which."""
    mapping = next(iter(text_of(variable, "grid_mapping").replace(":", " ").split()), "")
    if mapping not in stored:
        return None
    axes: dict[str, str] = {}
    for dim in map(str, variable.dims):
        if dim in stored and stored[dim].dims == (dim,) and (side := _side(dim, stored[dim])) is not None:
            axes[side] = dim
    if len(axes) < 2:
        return None
    return Horizontal(axes["x"], axes["y"], axes["x"], axes["y"], "frame", mapping)
