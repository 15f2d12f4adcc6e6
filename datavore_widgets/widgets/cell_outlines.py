"""The cells that a small box takes, and the one that a point takes, outlined on the map."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ipyleaflet
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.aggregates import is_by_area
from datavore_widgets.protocol.answers import Field
from datavore_widgets.protocol.geometry import BBox, wrap180
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DataQuery
from datavore_widgets.widgets.desk import Desk
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.viewport import Frame

__all__ = ["CELLS_PANE", "CellOutlines", "corners_of"]

log = logging.getLogger(__name__)

_PANE = "dv-cells"
CELLS_PANE = {_PANE: {"zIndex": 435, "pointerEvents": "none"}}

_MOST = 400  # cells: of more, outlines would hide what they outline
_LEAST_PIXELS = 10.0
_SLIVER = 1e-3  # of a cell: less in a box is rounding, and seen by nobody
_ROOM = 1.6  # cells around a box: the neighbours that the edges of its outermost cells lie between

Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class _Wish:
    """A box and the cells around it; a centre, when only the cell that has it is wanted.

    `touching` are the cells that the box touches, else those whose centres it holds.
    """

    query: DataQuery
    box: BBox
    centre: tuple[float, float] | None
    touching: bool


class CellOutlines:
    """Lines around the cells that the view's aggregate takes in its box, where they are few, and around the point's.

    Aggregates by area take every cell that the box touches, the others those whose centres it holds.

    Parameters
    ----------
    leaflet : ipyleaflet.Map
        Where they are drawn; it has `CELLS_PANE`.
    desk : Desk
        Whose view and data they are of.
    """

    def __init__(self, leaflet: ipyleaflet.Map, desk: Desk) -> None:
        self._desk = desk
        self._frame: Frame | None = None
        self._rings: dict[str, list[Ring]] = {"box": [], "point": []}
        self.lines = ipyleaflet.Polyline(name="Cells", locations=[], fill=False, weight=1, pane=_PANE)
        leaflet.add(self.lines)
        self._pumps = {part: self._pump(part) for part in self._rings}
        self._watched = [(desk.view, ["bbox", "date", "aggregate"]), (desk, ["scene", "picture", "cell", "is_plain"])]
        for thing, names in self._watched:
            thing.observe(self._wish, names)
        self._wish()

    def _pump(self, part: str) -> Pump[_Wish, Field]:
        return Pump(self._work, show=lambda wish, field: self._show(part, wish, field), fail=self._fail)

    def look(self, frame: Frame) -> None:
        """Draw them on the copy of the world that is looked at."""
        self._frame = frame
        self._draw()

    def _wish(self, _change: Any = None) -> None:
        desk, view = self._desk, self._desk.view
        box = self._small(view.bbox)
        cell = desk.cell
        around = None if cell is None else self._small(BBox(cell[0], cell[1], cell[0], cell[1]))
        for part, found, centre in (("box", box, None), ("point", around, cell)):
            if found is None or desk.scene is None:
                self._pumps[part].cancel()
                self._rings[part] = []
            else:
                source = desk.scene.source(view, conditions=False)
                touching = part == "box" and is_by_area(desk.aggregate)
                self._pumps[part].submit(_Wish(DataQuery(source, self._wider(found)), found, centre, touching))
        self._draw()

    def _small(self, box: BBox | None) -> BBox | None:
        """The box, if the cells in it are few, known in size, and cells at all."""
        size, scene = self._size, self._desk.scene
        if box is None or size is None or scene is None or not scene.is_of(self._desk.view):
            return None
        if scene.variable.geometry not in ("grid", "swath"):
            return None
        return box if (box.width / size[0] + 1) * (box.height / size[1] + 1) <= _MOST else None

    @property
    def _size(self) -> tuple[float, float] | None:
        picture = self._desk.picture
        return picture.image.cell if picture is not None and picture.scene is self._desk.scene else None

    def _wider(self, box: BBox) -> BBox:
        lon, lat = (_ROOM * size for size in self._size or (0.0, 0.0))
        west = wrap180(box.west - lon)
        return BBox(
            west, max(-90.0, box.south - lat), west + min(360.0, box.width + 2 * lon), min(90.0, box.north + lat)
        )

    def _work(self, wish: _Wish, job: Job) -> Field:
        field: Field = self._desk.client.answer(wish.query, job)
        return field

    def _show(self, part: str, wish: _Wish, field: Field) -> None:
        lon, lat = field.lon, field.lat
        if lon.ndim == 1:
            lon, lat = np.meshgrid(lon, lat)
        middle = wish.box.west + wish.box.width / 2
        x, y = corners_of(middle + (lon - middle + 180) % 360 - 180, lat)
        if wish.touching:
            taken = _touched(x, y, wish.box)
        elif wish.centre is None:
            taken = wish.box.contains(lon, lat)
        else:
            away = np.hypot(((lon - wish.centre[0] + 180) % 360 - 180) * np.cos(np.radians(lat)), lat - wish.centre[1])
            taken = away == np.nanmin(away) if np.isfinite(away).any() else np.zeros(away.shape, np.bool_)
        self._rings[part] = [
            [(float(y[row, column]), float(x[row, column])) for row, column in _around(*cell)]
            for cell in np.argwhere(taken).tolist()
        ]
        self._draw()

    def _fail(self, wish: _Wish, error: Exception) -> None:
        """Outlines are a help: where they cannot be had, map and chart say why."""
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", wish.query, exc_info=error)
        self._rings["box" if wish.centre is None else "point"] = []
        self._draw()

    def _draw(self) -> None:
        found = [*(self._rings["box"] if self._are_seen else []), *self._rings["point"]]
        rings = [ring for ring in found if np.isfinite(ring).all()]
        drawn: list[Ring] = []
        for ring in rings:
            middle = (ring[0][1] + ring[2][1]) / 2
            turn = self._frame.near(middle) - middle if self._frame is not None else 0.0
            drawn.append([(lat, lon + turn) for lat, lon in ring])
        if self.lines.locations != drawn:
            self.lines.locations = drawn

    @property
    def is_idle(self) -> bool:
        """Whether nothing that they have asked for is still to come."""
        return all(pump.is_idle for pump in self._pumps.values())

    @property
    def _are_seen(self) -> bool:
        """Whether a cell is so large on the screen that lines do not cover it."""
        frame, size = self._frame, self._size
        return frame is None or size is None or frame.width * size[0] / (frame.east - frame.west) >= _LEAST_PIXELS

    def close(self) -> None:
        """Cancel what is under way, and look at nothing any more."""
        for pump in self._pumps.values():
            pump.close()
        for thing, names in self._watched:
            thing.unobserve(self._wish, names)


def _touched(x: NDArray[np.float64], y: NDArray[np.float64], box: BBox) -> NDArray[np.bool_]:
    """Which cells have a part in a box, of their corners (ny + 1, nx + 1): no line parts them from it."""
    corners = [
        np.stack([side[:-1, :-1], side[:-1, 1:], side[1:, 1:], side[1:, :-1]]) for side in (x - box.west, y - box.south)
    ]
    ends = np.array([[0.0, box.width, box.width, 0.0], [0.0, 0.0, box.height, box.height]])[..., None, None]
    sides = [np.roll(corner, -1, axis=0) - corner for corner in corners]
    touched = np.ones(corners[0].shape[1:], dtype=bool)
    for across, up in [(1.0, 0.0), (0.0, 1.0), *zip(-sides[1], sides[0], strict=True)]:
        cell, whole = corners[0] * across + corners[1] * up, ends[0] * across + ends[1] * up
        with np.errstate(invalid="ignore"):
            slack = _SLIVER * np.ptp(cell, axis=0)
            touched &= (cell.max(axis=0) > whole.min(axis=0) + slack) & (whole.max(axis=0) > cell.min(axis=0) + slack)
    return np.asarray(touched)


def _around(row: int, column: int) -> list[tuple[int, int]]:
    """Positions of the corners of a cell, the first one again at the end."""
    return [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column), (row, column)]


def corners_of(lon: NDArray[Any], lat: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners between centres, half a cell beyond the outermost: of shape (ny, nx) → (ny + 1, nx + 1).

    Parameters
    ----------
    lon, lat : ndarray, shape (ny, nx)
        Degrees, longitudes without a jump.
    """
    x, y = _corners(np.asarray(lon, np.float64)), _corners(np.asarray(lat, np.float64))
    return x, np.clip(y, -90.0, 90.0)


def _corners(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in (0, 1):
        if centres.shape[axis] == 1:
            return np.full((centres.shape[0] + 1, centres.shape[1] + 1), np.nan)  # no neighbour tells its size
        first, second = centres.take([0], axis), centres.take([1], axis)
        last, before = centres.take([-1], axis), centres.take([-2], axis)
        wide = np.concatenate([2 * first - second, centres, 2 * last - before], axis)
        count = wide.shape[axis]
        centres = (wide.take(range(count - 1), axis) + wide.take(range(1, count), axis)) / 2
    return centres
