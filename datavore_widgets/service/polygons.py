"""Cells as convex polygons on the sphere, which of them hold a place, and which of them each pixel shows.

A place lies in a convex polygon where it lies on the inner side of the great circle of each edge: where n·p ≥ 0 for
the edge's normal n. Along a pixel's column cos λ and sin λ are the same, along its row tan φ, so that n·p / cos φ =
(nx cos λ + ny sin λ) + nz tan φ is a number for the column plus a number for the row, in every projection whose
meridians and parallels are straight. Poles and the antimeridian need no care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.sphere import cross

__all__ = ["Boxes", "Edges", "Pixels", "edges_of", "paint"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SLACK = 1e-8
"""Radians (6 cm) by which polygons are larger, so that rounding opens no gap between two that share an edge."""
_DEGENERATE = 1e-14
_AT_ONCE = 1 << 16
"""Pairs of a polygon and a pixel that are tried at a time: what stays in a processor's cache."""
_EXACT_SIZES = 8


@dataclass(frozen=True, eq=False)
class Edges:
    """The half-spaces whose intersection each polygon is.

    Parameters
    ----------
    normals : ndarray of float64, shape (3, k, n)
        A place p is inside where n·p ≥ `offset` for all k.
    offset : ndarray of float64, shape (k, 1) or (k, n)
    owner : ndarray of int64, shape (n,)
        Which of the cells each polygon is part of.
    """

    normals: FloatArray
    offset: FloatArray
    owner: IntArray

    def hold(self, place: FloatArray) -> NDArray[np.bool_]:
        """Which polygons hold one place, a unit vector of shape (3,)."""
        return np.asarray((np.tensordot(place, self.normals, axes=1) >= self.offset).all(axis=0))

    def within(self, centers: FloatArray, angle: float) -> Edges:
        """The parts of the polygons that lie within some radians of places, one for each, of shape (3, n)."""
        offset = np.broadcast_to(self.offset, self.normals.shape[1:])
        caps = np.full((1, self.owner.size), np.cos(angle))
        return Edges(
            np.concatenate([self.normals, centers[:, None]], axis=1), np.concatenate([offset, caps]), self.owner
        )

    def take(self, places: IntArray) -> Edges:
        """Some polygons, in any order."""
        offset = self.offset if self.offset.shape[1] == 1 else self.offset[:, places]
        return Edges(self.normals[:, :, places], offset, self.owner[places])

    @classmethod
    def discs(cls, centers: FloatArray, angle: float, cells: IntArray) -> Edges:
        """Discs of some radians around the centres of cells, of shape (3, n)."""
        return cls(centers[:, None], np.full((1, 1), np.cos(angle)), cells)


def edges_of(corners: FloatArray, cells: IntArray) -> Edges:
    """The edges of cells; those that are not convex are cut in triangles.

    Parameters
    ----------
    corners : ndarray of float64, shape (3, 4 or more, n)
        Around each cell, in either direction; corners may coincide.
    cells : ndarray of int64, shape (n,)
        What the cells are called. Cells without an area are left out.
    """
    normals = cross(corners, np.roll(corners, -1, axis=1))
    # Which side each corner lies on of the edge before last: all on one side of a convex cell.
    turns = (normals * np.roll(corners, -2, axis=1)).sum(axis=0)
    turning = np.sign(turns.sum(axis=0))
    folded = (turns * turning).min(axis=0) < -_DEGENERATE
    area = np.abs(turns).max(axis=0)
    whole = np.flatnonzero(~folded & (area > _DEGENERATE))
    owner = [whole]
    parts = [normals[:, :, whole] * turning[whole]]
    cut = np.flatnonzero(folded & (area > _DEGENERATE))
    if cut.size:
        # The diagonal from a corner that points inwards, or in a crossed cell any.
        start = np.argmin(turns[:, cut] * turning[cut], axis=0)
        many = corners.shape[1]
        for step in range(1, many - 1):
            picked = [corners[:, (start + 1 + k) % many, cut] for k in (0, step, step + 1)]
            triangle = np.stack([picked[0], picked[1]] + [picked[2]] * (many - 2), axis=1)
            sides = cross(triangle, np.roll(triangle, -1, axis=1))
            way = (sides[:, 0] * picked[2]).sum(axis=0)
            solid = np.abs(way) > _DEGENERATE
            parts.append((sides * np.sign(way))[:, :, solid])
            owner.append(cut[solid])
    joined = np.concatenate(parts, axis=2)
    length = np.sqrt((joined**2).sum(axis=0))
    joined /= np.where(length > 0, length, 1.0)
    return Edges(joined, np.full((corners.shape[1], 1), -_SLACK), cells[np.concatenate(owner)])


class Pixels:
    """The centres of the pixels of a picture.

    Parameters
    ----------
    lons, lats : ndarray of float64, shape (width,) and (height,)
        From the west, without a jump, and from the north.
    """

    def __init__(self, lons: FloatArray, lats: FloatArray) -> None:
        self.lons, self.lats = lons, lats
        self.cos, self.sin = np.cos(np.radians(lons)), np.sin(np.radians(lons))
        self.up, self.across = np.sin(np.radians(lats)), np.cos(np.radians(lats))
        self.tan, self.secant = self.up / self.across, 1.0 / self.across

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.lats.size, self.lons.size

    def vectors(self, pixels: IntArray) -> FloatArray:
        """Unit vectors of some pixels by flat number, shape (3, n)."""
        rows, columns = np.divmod(pixels, self.lons.size)
        across = self.across[rows]
        return np.stack([across * self.cos[columns], across * self.sin[columns], self.up[rows]])

    def columns_between(self, west: FloatArray, east: FloatArray) -> tuple[IntArray, IntArray]:
        """First and last (included) of the columns between some longitudes, in the convention of `lons`."""
        size = self.lons.size
        step = (self.lons[-1] - self.lons[0]) / (size - 1) if size > 1 else 1.0
        first = np.ceil((west - self.lons[0]) / step - 1e-6).astype(np.int64)
        last = np.floor((east - self.lons[0]) / step + 1e-6).astype(np.int64)
        return np.maximum(first, 0), np.minimum(last, size - 1)

    def rows_between(self, south: FloatArray, north: FloatArray) -> tuple[IntArray, IntArray]:
        """First and last (included) of the rows between some latitudes."""
        rising = -self.lats
        first = np.searchsorted(rising, -north - 1e-9)
        last = np.searchsorted(rising, -south + 1e-9, side="right") - 1
        return first, last


@dataclass(frozen=True, eq=False)
class Boxes:
    """The pixels to try for each polygon: first and last column, first and last row; none where last < first."""

    left: IntArray
    right: IntArray
    top: IntArray
    bottom: IntArray

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which polygons have pixels to try."""
        return (self.left <= self.right) & (self.top <= self.bottom)

    def take(self, places: IntArray | NDArray[np.bool_]) -> Boxes:
        """Those of some polygons."""
        return Boxes(self.left[places], self.right[places], self.top[places], self.bottom[places])


def paint(
    pixels: Pixels, edges: Edges, boxes: Boxes, centers_of: Callable[[IntArray], FloatArray], shown: NDArray[np.int32]
) -> None:
    """Note for every pixel the cell that holds its centre; of several the one whose centre is nearest.

    Parameters
    ----------
    boxes : Boxes
        For each polygon; all of them have pixels to try.
    centers_of : callable
        Unit vectors of the centres of some cells, shape (3, n).
    shown : ndarray of int32, shape (height, width)
        The cell of each pixel, -1 where none is noted yet; written to.
    """
    height, width = pixels.shape
    wide = _rounded(boxes.right - boxes.left + 1, width)
    high = _rounded(boxes.bottom - boxes.top + 1, height)
    # Boxes of one size are tried together. They may be larger than needed: what counts is the trial.
    sizes = wide * (height + 1) + high
    order = np.argsort(sizes, kind="stable")
    edges, boxes, sizes = edges.take(order), boxes.take(order), sizes[order]
    ends = [*(np.flatnonzero(np.diff(sizes)) + 1).tolist(), sizes.size]
    start = 0
    for end in ends if sizes.size else []:
        w, h = divmod(int(sizes[start]), height + 1)
        many = max(1, _AT_ONCE // (w * h))
        while start < end:
            some = slice(start, min(start + many, end))
            left, top = np.minimum(boxes.left[some], width - w), np.minimum(boxes.top[some], height - h)
            place, y, x = _inside(pixels, edges, some, left, top, w, h)
            _note(pixels, shown, (top[place] + y) * width + left[place] + x, edges.owner[some][place], centers_of)
            start = some.stop


def _inside(
    pixels: Pixels, edges: Edges, some: slice, left: IntArray, top: IntArray, w: int, h: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Which pixels of boxes of one size lie in their polygons: number of the box, row and column in there."""
    # The longest axis comes last, where numpy works fastest.
    boxes_last = left.size > w
    columns, rows = np.add.outer(np.arange(w), left), np.add.outer(np.arange(h), top)
    cos, sin = pixels.cos[columns], pixels.sin[columns]
    tan, secant = pixels.tan[rows], pixels.secant[rows]
    inside: NDArray[np.bool_] | None = None
    for edge in range(edges.normals.shape[1]):
        nx, ny, nz = edges.normals[:, edge, some]
        offset = edges.offset[edge, some if edges.offset.shape[1] > 1 else slice(None)]
        across, along = nx * cos + ny * sin, offset * secant - nz * tan
        if boxes_last:
            here = across >= along[:, None, :]
        else:
            here = np.ascontiguousarray(across.T)[:, None, :] >= np.ascontiguousarray(along.T)[:, :, None]
        inside = here if inside is None else np.logical_and(inside, here, out=inside)
    found = np.nonzero(inside)  # type: ignore[arg-type]
    return (found[2], found[0], found[1]) if boxes_last else (found[0], found[1], found[2])


def _note(
    pixels: Pixels,
    shown: NDArray[np.int32],
    places: IntArray,
    cells: IntArray,
    centers_of: Callable[[IntArray], FloatArray],
) -> None:
    flat = shown.reshape(-1)
    before = flat[places]
    flat[places] = cells
    # Pixels that were taken before, or by two of these at once.
    taken = (before >= 0) & (before != cells)
    contested = np.flatnonzero(taken | (flat[places] != cells))
    if contested.size == 0:
        return
    rivals = [(places[contested], cells[contested].astype(np.int64))]
    old = np.flatnonzero(taken)
    rivals.append((places[old], before[old].astype(np.int64)))
    rivals.append((places[contested], flat[places[contested]].astype(np.int64)))
    where, who = (np.concatenate(part) for part in zip(*rivals, strict=True))
    near = (pixels.vectors(where) * centers_of(who)).sum(axis=0)
    # The nearest of each pixel comes last, and so stays; of equally near ones the first cell.
    best = np.lexsort((-who, near))
    flat[where[best]] = who[best]


def _rounded(lengths: IntArray, most: int) -> IntArray:
    """Lengths, large ones rounded up by at most a quarter, so that there are few different ones."""
    grain = 2 ** np.maximum(0, np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64) - 2)
    grain = np.where(lengths <= _EXACT_SIZES, 1, grain)
    return np.asarray(np.minimum(-(-lengths // grain) * grain, most))
