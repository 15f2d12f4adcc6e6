"""Which part of each cell's area a box covers: what cells weigh in area means.

On regular grids the area between two meridians and two parallels is exact, (λ₂ - λ₁)(sin φ₂ - sin φ₁) on the unit
sphere. Elsewhere a cell is the spherical polygon of its corners (Van Oosterom & Strackee 1983, eq. 8, for each of two
triangles); of one that an edge of the box cuts, the part is found in the plane of longitude and sin φ, where areas are
true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.places import area
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import TOLERANCE, Grid, RectilinearGrid
from datavore_widgets.service.select import outside
from datavore_widgets.service.sphere import half_turn

__all__ = ["area_weights"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_POINTS = 8
"""Pieces that an edge is cut into where a box cuts its cell: great circles are no straight lines there."""

_ALL_AROUND = 300.0
"""Degrees of longitude from which on a cell goes round a pole."""


def area_weights(grid: Grid, bbox: BBox) -> tuple[Cells, FloatArray]:
    """The cells that a box touches, and the area that it covers of each; of a box without an area, their whole area.

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
        weights[kept] = _of_polygons(grid, numbers, None if whole else bbox)
        return cells, weights
    return cells, np.ones(cells.shape) if cells.kept is None else cells.kept.astype(np.float64)


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


def _of_polygons(grid: CurvilinearGrid, numbers: IntArray, bbox: BBox | None) -> FloatArray:
    corners = grid.corners.vectors(numbers)
    corners = corners / np.sqrt((corners**2).sum(axis=0))
    area = np.abs(_triangle(corners[:, 0], corners[:, 1], corners[:, 2])) + np.abs(
        _triangle(corners[:, 0], corners[:, 2], corners[:, 3])
    )
    if bbox is None:
        return area
    west, east, south, north = grid.extents(numbers)
    inside = (south >= bbox.south) & (north <= bbox.north)
    if not bbox.is_whole_turn:
        start = (grid.lon.ravel()[numbers] + west - bbox.west) % 360.0
        inside &= start + (east - west) <= bbox.width
    cut = np.flatnonzero(~inside)
    if cut.size:
        area[cut] *= _part_inside(corners[:, :, cut], grid.lon.ravel()[numbers[cut]], bbox)
    return area


def _triangle(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Solid angles of triangles of unit vectors, each of shape (3, n)."""
    volume = (a * np.cross(b, c, axis=0)).sum(axis=0)
    below = 1.0 + (a * b).sum(axis=0) + (b * c).sum(axis=0) + (c * a).sum(axis=0)
    return np.asarray(2.0 * np.arctan2(volume, below))


def _part_inside(corners: FloatArray, center: FloatArray, bbox: BBox) -> FloatArray:
    """Which part of some cells lies in a box, from 0 to 1; corners as unit vectors of shape (3, 4, n)."""
    along = np.linspace(0.0, 1.0, _POINTS, endpoint=False)[None, None, :, None]
    edges = corners[:, :, None] * (1.0 - along) + np.roll(corners, -1, axis=1)[:, :, None] * along
    points = edges.reshape(3, -1, corners.shape[-1])
    points = points / np.sqrt((points**2).sum(axis=0))
    x = np.degrees(np.arctan2(points[1], points[0]))
    # Around the cell without a jump, in degrees from the middle of the box.
    x = x[:1] + np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(half_turn(np.diff(x, axis=0)), axis=0)])
    x += half_turn(center - (bbox.west + bbox.width / 2)) + half_turn(x[0] - center) - x[0]
    x, y = _around_poles(x, points[2])
    whole = _shoelace(x, y)
    half = 180.0 if bbox.is_whole_turn else bbox.width / 2
    low, high = np.sin(np.radians([bbox.south, bbox.north]))
    y, x = _clamped(y, x, low, high)
    if bbox.is_whole_turn:
        part = _shoelace(x, y)
    else:
        turned = [_shoelace(*_clamped(x + turn, y, -half, half)) for turn in (-360.0, 0.0, 360.0)]
        part = np.sum(turned, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(whole > 0, part / whole, 0.0), 0.0, 1.0)


def _around_poles(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rings that go round a pole, closed by way of it; all rings with two more points, which the others have twice."""
    turn = x[-1] + half_turn(x[0] - x[-1]) - x[0]
    polar = np.abs(turn) > _ALL_AROUND
    pole = np.where(y.mean(axis=0) > 0, 1.0, -1.0)
    end = np.where(polar, x[0] + turn, x[0])
    x = np.concatenate([x, end[None], end[None], x[:1]])
    y = np.concatenate([y, y[:1], np.where(polar, pole, y[0])[None], np.where(polar, pole, y[0])[None]])
    return x, y


def _clamped(x: FloatArray, y: FloatArray, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Rings of points (k, n) with x held between two ends, the places where they cross these among their points.

    What lies outside is pushed onto the ends and has no area there.
    """
    dx, dy = np.roll(x, -1, axis=0) - x, np.roll(y, -1, axis=0) - y
    with np.errstate(invalid="ignore", divide="ignore"):
        crossings = np.stack([np.where(dx != 0, (end - x) / dx, 0.0) for end in (low, high)])
    crossings = np.sort(np.clip(crossings, 0.0, 1.0), axis=0)
    x = np.stack([x, *(x + dx * part for part in crossings)], axis=1).reshape(-1, x.shape[1])
    y = np.stack([y, *(y + dy * part for part in crossings)], axis=1).reshape(-1, y.shape[1])
    return np.clip(x, low, high), y


def _shoelace(x: FloatArray, y: FloatArray) -> FloatArray:
    """Areas of rings of points, (k, n)."""
    return np.asarray(np.abs((x * np.roll(y, -1, axis=0) - np.roll(x, -1, axis=0) * y).sum(axis=0)) / 2)
