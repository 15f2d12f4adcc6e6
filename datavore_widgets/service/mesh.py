"""Cells of unstructured meshes, each with its nodes around it: triangles and quadrangles."""

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
        When faces have more than four nodes, or nodes that are not there.
    """
    packing = Packing.of(faces.dtype, faces.attrs, faces.encoding)
    numbers = np.ma.masked_invalid(packing.decode(np.moveaxis(faces.values, faces.dims.index(along), 0)))
    nodes = np.ma.filled(numbers.astype(np.float64), -np.inf) - float(faces.attrs.get("start_index", 0))
    there = nodes >= 0
    if there.any() and nodes.max() >= lon.size:
        raise InvalidValue(f"its mesh names the node {nodes.max():g}, and there are {lon.size}")
    places = np.where(there, nodes, 0).astype(np.int64)
    corners = [np.where(there, axis.astype(np.float64)[places], np.nan) for axis in (lon, lat)]
    return cells_of_corners(corners[0], corners[1])


def cells_of_corners(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> CurvilinearGrid:
    """The grid, of one row, of cells with three or four corners each, shape (n, 3 or 4 or more); missing as NaN.

    Raises
    ------
    InvalidValue
        When cells have more corners.
    """
    corners = int(np.isfinite(lon).sum(axis=1).max(initial=0))
    if not 3 <= corners <= 4:
        raise InvalidValue(f"its cells have {corners} corners, as on an unstructured mesh; those of 3 and 4 are drawn")
    lon, lat = lon[:, :4], lat[:, :4]
    if lon.shape[1] == 3:
        lon, lat = (np.concatenate([axis, axis[:, 2:]], axis=1) for axis in (lon, lat))
    # A triangle among quadrangles has its third corner twice.
    lon, lat = (np.where(np.isfinite(axis), axis, axis[:, 2:3]) for axis in (lon, lat))
    centers = degrees_of(vectors_of(lon, lat).mean(axis=2))
    return CurvilinearGrid.from_centers(centers[0][None], centers[1][None], lon[None], lat[None], is_mesh=True)
