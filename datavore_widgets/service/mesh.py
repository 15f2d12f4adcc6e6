"""Cells of unstructured meshes, each with its nodes around it: triangles, quadrangles, hexagons and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.decode import Packing
from datavore_widgets.service.sphere import degrees_of, vectors_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cells_of_corners", "grid_of_mesh"]

_MOST_CORNERS = 16
"""Corners that a cell may have: more than those of any model's, whose pictures take longer with each."""


def grid_of_mesh(lon: NDArray[Any], lat: NDArray[Any], faces: xr.Variable, along: str) -> CurvilinearGrid:
    """The grid, of one row, of the faces of a mesh by the conventions UGRID 1.0.

    Parameters
    ----------
    lon, lat : ndarray, shape (nodes,)
        Of the nodes, in degrees.
    faces : xarray.Variable
        The nodes around each face, counted from its `start_index`; missing behind the last.
    along : str
        Its dimension along the faces.

    Raises
    ------
    InvalidValue
        When faces have too many nodes, or nodes that are not there.
    """
    packing = Packing.of(faces.dtype, faces.attrs, faces.encoding)
    numbers = np.ma.masked_invalid(packing.decode(np.moveaxis(faces.values, faces.dims.index(along), 0)))
    first = np.ravel(faces.attrs.get("start_index", 0))
    if first.size != 1 or first.dtype.kind not in "iuf":
        raise InvalidValue(f"its mesh counts its nodes from {first.tolist()!r}: `start_index` is a number")
    nodes = np.ma.filled(numbers.astype(np.float64), -np.inf) - float(first[0])
    there = nodes >= 0
    if there.any() and nodes.max() >= lon.size:
        raise InvalidValue(f"its mesh names the node {nodes.max():g}, and there are {lon.size}")
    places = np.where(there, nodes, 0).astype(np.int64)
    corners = [np.where(there, axis.astype(np.float64)[places], np.nan) for axis in (lon, lat)]
    return cells_of_corners(corners[0], corners[1])


def cells_of_corners(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> CurvilinearGrid:
    """The grid, of one row, of cells with three corners or more each, shape (n, most corners).

    Behind the last corner of a cell that has fewer than others there is NaN, or the last again.

    Raises
    ------
    InvalidValue
        When cells have too few corners, or too many.
    """
    there = np.isfinite(lon) & np.isfinite(lat)
    corners = int(there.sum(axis=1).max(initial=0))
    if not 3 <= corners <= _MOST_CORNERS:
        raise InvalidValue(f"its cells have {corners} corners, and those of 3 to {_MOST_CORNERS} are drawn")
    last = np.maximum.accumulate(np.where(there, np.arange(lon.shape[1]), 0), axis=1)[:, : max(corners, 4)]
    if corners == 3:
        last = np.concatenate([last[:, :3], last[:, 2:3]], axis=1)
    lon, lat = (np.take_along_axis(axis, last, axis=1) for axis in (lon, lat))
    # Each corner counts once in the centre.
    own = (lon != np.roll(lon, -1, axis=1)) | (lat != np.roll(lat, -1, axis=1))
    centers = degrees_of((vectors_of(lon, lat) * own).sum(axis=2))
    return CurvilinearGrid.from_centers(centers[0][None], centers[1][None], lon[None], lat[None], is_mesh=True)
