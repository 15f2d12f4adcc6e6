"""The picture of the surface beside a measurement: sea surface roughness, turned north up.

Level-2 products hold no picture of the surface. It is looked for beside the measurement, under its name with
`-roughness` before the suffix: a NetCDF file with one variable over two dimensions and the places of its pixels as
2-D `lon` and `lat` (found by CF's standard names or units).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import EARTH_RADIUS
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.service.files import FileSource, OpenFiles, read_variable
from datavore_widgets.service.waves.filenames import ROUGHNESS

__all__ = ["roughness_beside"]

_MOST_PIXELS = 16_000_000
_MOST_SHOWN = 1024
_LEAST_STEP = 1e-3
"""Metres between two pixels, below which rounding is all that parts them."""


def roughness_beside(path: str, found: WaveSpectrum, files: OpenFiles) -> tuple[NDArray[np.float32] | None, float, str]:
    """The surface of an acquisition north up, metres between its pixels, and what there is to say of it.

    Parameters
    ----------
    path : str
        Of the measurement; empty where it is no file.
    """
    beside = Path(path).with_name(Path(path).stem + ROUGHNESS + Path(path).suffix) if path else None
    if beside is None or not beside.is_file():
        return None, math.nan, "there is no roughness file beside it"
    try:
        with FileSource(beside, files).contents() as contents:
            values, lon, lat = _parts(beside.name, contents.variables)
        picture, spacing = _north_up(values, lon, lat, found.lon, found.lat)
    except Unreadable as error:
        return None, math.nan, f"the roughness file beside it cannot be read: {error}"
    return picture, spacing, ""


def _parts(name: str, variables: Any) -> tuple[Any, Any, Any]:
    found: dict[str, Any] = {}
    for key, variable in variables.items():
        if variable.ndim != 2 or math.prod(variable.shape) > _MOST_PIXELS or min(variable.shape) < 2:
            continue
        words = f"{variable.attrs.get('standard_name', '')} {variable.attrs.get('units', '')} {key}".lower()
        part = "lon" if "longitude" in words or "degrees_east" in words else "values"
        part = "lat" if "latitude" in words or "degrees_north" in words else part
        found.setdefault(part, variable)
    if set(found) != {"lon", "lat", "values"} or len({part.shape for part in found.values()}) > 1:
        raise Unreadable(f"{name!r} does not hold a picture with 2-D longitudes and latitudes")
    decoded = []
    for part in ("values", "lon", "lat"):
        raw = read_variable(found[part], {})
        decoded.append(np.ma.filled(np.ma.asarray(raw.packing.decode(raw.values), dtype=np.float64), np.nan))
    values, lon, lat = decoded
    return values, lon, lat


def _north_up(
    values: NDArray[np.float64], lon: NDArray[np.float64], lat: NDArray[np.float64], lon0: float, lat0: float
) -> tuple[NDArray[np.float32], float]:
    """The picture on a plane that touches the sphere, rows from north to south; the nearest pixel is taken.

    Pixels lie at equal steps along two lines in 20 km, so their places are those of an affine map, fitted to all.

    Raises
    ------
    Unreadable
        When the places of the pixels span no plane, as where they are missing.
    """
    degree = math.radians(1) * EARTH_RADIUS
    east = (np.mod(lon - lon0 + 180.0, 360.0) - 180.0) * math.cos(math.radians(lat0)) * degree
    north = (lat - lat0) * degree
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    known = np.isfinite(east) & np.isfinite(north)
    terms = np.column_stack([np.ones(int(known.sum())), rows[known], columns[known]])
    (x0, x_row, x_column), (y0, y_row, y_column) = np.linalg.lstsq(
        terms, np.column_stack([east[known], north[known]]), rcond=None
    )[0].T
    across = x_row * y_column - x_column * y_row
    step = math.sqrt(abs(across))
    if not step > _LEAST_STEP:
        raise Unreadable("the places of its pixels are missing, or all on one line")
    reach_east = (abs(x_row) * values.shape[0] + abs(x_column) * values.shape[1]) / 2
    reach_north = (abs(y_row) * values.shape[0] + abs(y_column) * values.shape[1]) / 2
    reach = max(reach_east, reach_north)
    spacing = max(step, 2 * reach / _MOST_SHOWN)
    half = math.floor(reach / spacing)
    center_row, center_column = (values.shape[0] - 1) / 2, (values.shape[1] - 1) / 2
    x_middle = x0 + x_row * center_row + x_column * center_column
    y_middle = y0 + y_row * center_row + y_column * center_column
    x = x_middle + spacing * np.arange(-half, half + 1)
    y = y_middle - spacing * np.arange(-half, half + 1)
    xs, ys = np.meshgrid(x, y)
    row = ((xs - x0) * y_column - (ys - y0) * x_column) / across
    column = ((ys - y0) * x_row - (xs - x0) * y_row) / across
    row, column = np.rint(row).astype(int), np.rint(column).astype(int)
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    picture = np.full(xs.shape, np.nan, np.float32)
    picture[inside] = values[row[inside], column[inside]]
    return picture, spacing
