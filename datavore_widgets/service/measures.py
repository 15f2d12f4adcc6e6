"""Areas of cells that a file tells: by `cell_measures` (CF 7.2), as a `cell_area`, as metrics of NEMO or of ROMS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import EARTH_RADIUS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Areas", "areas_of", "tells_areas"]

_MEASURE = re.compile(r"\barea:\s*(\S+)")
_POINTS = re.compile(r"(?:nav_lon|nav_lon_grid_?|nav_lon_|glam|longitude_|lon_)([tuvf])", re.IGNORECASE)
_METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "": 1.0, "km": 1000.0}
_PER_METRE = ("m-1", "meter-1", "metre-1", "meters-1", "metres-1", "1/m", "m^-1", "m**-1")
_SQUARE = re.compile(r"(m|km)\s*(?:\^|\*\*)?\s*2")


class Areas(NamedTuple):
    """Areas that a file tells of its cells.

    Parameters
    ----------
    steradians : ndarray of float64, shape (ny, nx)
        On a sphere of the mean radius; NaN where there is none.
    source : str
        What tells them: the names of variables.
    """

    steradians: NDArray[np.float64]
    source: str


def areas_of(stored: Mapping[str, xr.Variable], lon: str, read: Callable[[str], NDArray[Any]]) -> Areas | None:
    """The areas of the cells whose longitudes a variable has; None where the file tells none that can be used.

    Parameters
    ----------
    stored : mapping of str to Variable
        All variables of the file.
    lon : str
        One of two dimensions.
    read : callable
        The values of a variable, missing as NaN.
    """
    dims = stored[lon].dims
    for names, factor, power in _told(stored, lon):
        product: NDArray[np.float64] | float = 1.0
        for name in names:
            values = _on(stored[name], dims, read(name))
            if values is None:
                break
            product = product * values
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                areas = np.where(product > 0, factor * product**power / EARTH_RADIUS**2, np.nan)
            # A part of the sphere: what is larger has other units than it says.
            if 0 < np.nansum(areas) <= 2 * 4 * np.pi:
                source = " x ".join(names)
                return Areas(areas, source if power > 0 else f"1 / ({source})")
    return None


def tells_areas(name: str, standard_name: str) -> bool:
    """Whether a variable may be one that tells the areas of cells, for other files too."""
    return standard_name == "cell_area" or name in ("areacello", "areacella", "e1t", "e1u", "e1v", "e1f", "pm")


def _told(stored: Mapping[str, xr.Variable], lon: str) -> Iterator[tuple[tuple[str, ...], float, int]]:
    """Names of variables whose product, or its inverse (power -1), is the area, and the square metres that it is in."""
    dims = set(stored[lon].dims)
    for variable in stored.values():
        if dims <= set(variable.dims) and (match := _MEASURE.search(str(variable.attrs.get("cell_measures", "")))):
            units = _SQUARE.fullmatch(_units(stored, match[1]))
            if units is not None:
                yield (match[1],), _METRES[units[1]] ** 2, 1
    for name, variable in stored.items():
        units = _SQUARE.fullmatch(_units(stored, name))
        if units is not None and tells_areas(name, str(variable.attrs.get("standard_name", ""))):
            yield (name,), _METRES[units[1]] ** 2, 1
    point = _POINTS.fullmatch(lon)
    names = tuple(f"{scale}{point[1].lower() if point else 't'}" for scale in ("e1", "e2"))
    if all(name in stored and _units(stored, name) in _METRES for name in names):
        yield names, float(np.prod([_METRES[_units(stored, name)] for name in names])), 1
    # ROMS: the inverse of the cells' sides, at the middle of the cells alone.
    if all(_units(stored, name) in _PER_METRE for name in ("pm", "pn")):
        yield ("pm", "pn"), 1.0, -1


def _units(stored: Mapping[str, xr.Variable], name: str) -> str:
    return str(stored[name].attrs.get("units", "")).strip() if name in stored else "there is no such variable"


def _on(variable: xr.Variable, dims: tuple[Any, ...], values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Values along two dimensions, in their order; None where there are others that are longer than 1."""
    further = [place for place, dim in enumerate(variable.dims) if dim not in dims]
    if not set(dims) <= set(variable.dims) or any(variable.shape[place] != 1 for place in further):
        return None
    kept = [dim for dim in variable.dims if dim in dims]
    return np.asarray(values, dtype=np.float64).squeeze(tuple(further)).transpose([kept.index(dim) for dim in dims])
