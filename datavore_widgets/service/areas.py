"""Which part of each cell's area a box covers: what cells weigh in area means.

On regular grids the area between two meridians and two parallels is exact, (λ₂ - λ₁)(sin φ₂ - sin φ₁) on the unit
sphere. Elsewhere a cell is the spherical polygon of its corners (Van Oosterom & Strackee 1983, eq. 8, for each of two
triangles). Of one that an edge of the box cuts, the part is exact as well: along a great circle sin φ has an integral
over longitude. Where the data tell the areas of cells whose corners they do not tell, these weigh, by the same parts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.places import area
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import TOLERANCE, Grid, RectilinearGrid
from datavore_widgets.service.measures import Areas
from datavore_widgets.service.select import outside
from datavore_widgets.service.sphere import cross

__all__ = ["area_weights", "weighed_by"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def area_weights(grid: Grid, bbox: BBox, lent: Areas | None = None) -> tuple[Cells, FloatArray]:
    """The cells that a box touches, and the area that it covers of each; of a box without an area, their whole area.

    Parameters
    ----------
    lent : Areas, optional
        What another file tells of the cells (see `service.lenders`).

    Returns
    -------
    cells : Cells
    weights : ndarray of float64, shape `cells.shape`
        Steradians; 0 for cells that are not meant.

    Raises
    ------
    NoData
        When there is no cell.
    """
    cells = grid.touching(bbox)
    if not cells.count:
        raise outside(grid, f"the box {area(bbox)}")
    whole = bbox.width <= 2 * TOLERANCE or bbox.height <= 2 * TOLERANCE
    if isinstance(grid, RectilinearGrid):
        return cells, _regular(grid, cells, None if whole else bbox)
    if isinstance(grid, CurvilinearGrid):
        weights = np.zeros(cells.shape)
        kept = np.ones(cells.shape, dtype=bool) if cells.kept is None else cells.kept
        rows, columns = np.nonzero(kept)
        numbers = (cells.rows.start + rows) * grid.shape[1] + cells.columns[columns]
        weights[kept] = _of_polygons(grid, numbers, None if whole else bbox, grid.areas or lent)
        return cells, weights
    return cells, np.ones(cells.shape) if cells.kept is None else cells.kept.astype(np.float64)


def weighed_by(grid: Grid, lent: Areas | None = None) -> str:
    """What the areas of cells are told by, in words; empty where longitudes and latitudes are enough."""
    if not isinstance(grid, CurvilinearGrid):
        return ""
    if (areas := grid.areas or lent) is not None:
        return areas.source
    return "corners of the file" if grid.corners_are_told else "corners half-way between the centres"


def _regular(grid: RectilinearGrid, cells: Cells, bbox: BBox | None) -> FloatArray:
    rows, columns = np.arange(cells.rows.start, cells.rows.stop), cells.columns
    south = np.minimum(grid.lat_edges[rows], grid.lat_edges[rows + 1])
    north = np.maximum(grid.lat_edges[rows], grid.lat_edges[rows + 1])
    west = np.minimum(grid.lon_edges[columns], grid.lon_edges[columns + 1])
    width = np.abs(grid.lon_edges[columns + 1] - grid.lon_edges[columns])
    if bbox is not None:
        south, north = np.maximum(south, bbox.south), np.minimum(north, bbox.north)
        if not bbox.is_whole_turn:
            start = (west - bbox.west) % 360.0
            # A cell may reach into the box from the east, and again from the west.
            turned = np.stack([start - 360.0, start])
            inside = np.minimum(turned + width, bbox.width) - np.maximum(turned, 0.0)
            width = np.clip(inside, 0.0, None).sum(axis=0)
    high = np.clip(np.sin(np.radians(north)) - np.sin(np.radians(south)), 0.0, None)
    return np.asarray(high[:, None] * np.radians(width))


def _of_polygons(grid: CurvilinearGrid, numbers: IntArray, bbox: BBox | None, areas: Areas | None) -> FloatArray:
    corners = grid.corners.vectors(numbers)
    corners = corners / np.sqrt((corners**2).sum(axis=0))
    whole = np.zeros(numbers.size)
    for k in range(1, corners.shape[1] - 1):
        whole += np.abs(_triangle(corners[:, 0], corners[:, k], corners[:, k + 1]))
    area = whole.copy()
    if areas is not None:
        told = areas.steradians.ravel()[numbers]
        np.copyto(area, told, where=np.isfinite(told))
    if bbox is None:
        return area
    west, east, south, north = grid.extents(numbers)
    inside = (south >= bbox.south) & (north <= bbox.north)
    if not bbox.is_whole_turn:
        start = (grid.lon.ravel()[numbers] + west - bbox.west) % 360.0
        inside &= start + (east - west) <= bbox.width
    cut = np.flatnonzero(~inside)
    if cut.size:
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.nan_to_num(_area_inside(corners[:, :, cut], bbox) / whole[cut])
        area[cut] *= np.minimum(part, 1.0)
    return area


def _triangle(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Solid angles of triangles of unit vectors, each of shape (3, n)."""
    volume = (a * cross(b, c)).sum(axis=0)
    below = 1.0 + (a * b).sum(axis=0) + (b * c).sum(axis=0) + (c * a).sum(axis=0)
    return np.asarray(2.0 * np.arctan2(volume, below))


def _area_inside(corners: FloatArray, bbox: BBox) -> FloatArray:
    """Areas that some cells have in a box; corners as unit vectors of shape (3, corners, n).

    In the plane of longitude λ and sin φ, where areas are true, the area of what lies in the box is ∮ sin φ dλ round
    the cell, with sin φ held between the box's parallels and λ between its meridians.
    """
    longitude, edges = np.arctan2(corners[1], corners[0]), _Edges.of(corners)
    # Radians from the middle of the box, without a jump around the cell.
    first = _half_turn(longitude[0] - math.radians(bbox.west + bbox.width / 2))
    x = first + np.concatenate([np.zeros((1, first.size)), np.cumsum(edges.width, axis=0)])
    low, high = math.sin(math.radians(bbox.south)), math.sin(math.radians(bbox.north))
    half = math.pi if bbox.is_whole_turn else math.radians(bbox.width / 2)
    # A ring that goes round a pole is closed along it.
    turn = np.where(np.abs(x[-1] - x[0]) > math.pi, x[-1] - x[0], 0.0)
    pole = np.clip(np.sign(corners[2].sum(axis=0)), low, high)
    total, shift = np.zeros(first.size), longitude - x[:-1]
    for around in (-2 * math.pi, 0.0, 2 * math.pi):
        ends = around - half, around + half
        inside = np.clip(x, *ends)
        total += edges.integral(inside[:-1] + shift, inside[1:] + shift, low, high).sum(axis=0)
        total -= pole * (np.clip(first + turn, *ends) - np.clip(first, *ends))
    return np.abs(total)


class _Edges(NamedTuple):
    """Great circles through neighbouring corners: tan φ = -side (h / up) cos v, so ∫ sin φ dv = -side arcsin(h sin v).

    Parameters
    ----------
    h, up : ndarray, shape (edges, n)
        Lengths of the equatorial and of the polar part of the unit normal.
    side : ndarray
        The sign of the polar part, 1 or -1.
    facing : ndarray
        Longitude of the normal; v is the longitude from there.
    width : ndarray
        Of each edge in longitude, from corner to corner, the way that it goes.
    """

    h: FloatArray
    up: FloatArray
    side: FloatArray
    facing: FloatArray
    width: FloatArray

    @classmethod
    def of(cls, corners: FloatArray) -> _Edges:
        """Those of some rings, shape (3, corners, n)."""
        after = np.roll(corners, -1, axis=1)
        normal = cross(corners, after)
        length = np.sqrt((normal**2).sum(axis=0))
        normal /= np.where(length > 0, length, 1.0)
        longitude, facing = np.arctan2(corners[1], corners[0]), np.arctan2(normal[1], normal[0])
        width = _half_turn(np.roll(longitude, -1, axis=0) - longitude)
        # Half a turn, by a pole, is as far both ways: it goes east where the normal points north.
        back = (width * normal[2] < 0) & (np.abs(width) > math.pi / 2)
        width = np.where(back, width - 2 * math.pi * np.sign(width), width)
        # Right over a pole it goes to the one that is near.
        over = -np.sign((corners[2] + after[2]) * np.cos(longitude + width / 2 - facing))
        side = np.where(normal[2] == 0, over, np.sign(normal[2]))
        return cls(np.hypot(normal[0], normal[1]), np.abs(normal[2]), side, facing, width)

    def integral(self, start: FloatArray, stop: FloatArray, low: float, high: float) -> FloatArray:
        """∫ sin φ dλ between two longitudes, sin φ held between two ends."""
        begin, end = np.minimum(start, stop) - self.facing, np.maximum(start, stop) - self.facing
        middle = (begin + end) / 2
        cuts = [begin, end]
        for level in (low, high):
            with np.errstate(divide="ignore", invalid="ignore"):
                cosine = -self.side * self.up / self.h * (level / math.sqrt(max(1 - level**2, 1e-300)))
            angle = np.arccos(np.clip(np.nan_to_num(cosine), -1.0, 1.0))
            cuts += [np.clip(middle + _half_turn(way * angle - middle), begin, end) for way in (1, -1)]
        v = np.sort(np.stack(cuts), axis=0)
        between = (v[1:] + v[:-1]) / 2
        rise = -self.side * self.h * np.cos(between)
        sine = rise / np.maximum(np.hypot(self.up, rise), 1e-300)
        own = -self.side * np.diff(np.arcsin(np.clip(self.h * np.sin(v), -1.0, 1.0)), axis=0)
        held = np.clip(sine, low, high) * np.diff(v, axis=0)
        parts = np.where((sine > low) & (sine < high), own, held)
        return np.asarray(parts.sum(axis=0) * np.sign(stop - start))


def _half_turn(angle: FloatArray) -> FloatArray:
    """The same angles in [-π, π)."""
    return np.asarray((angle + math.pi) % (2 * math.pi) - math.pi)
