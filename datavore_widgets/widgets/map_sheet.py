"""The map as a sheet of its own, to be saved: picture, coast, box, degrees, colour bar and a caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NoData
from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.colormap import Categories, scale
from datavore_widgets.protocol.geometry import BBox, mercator_from_latitude
from datavore_widgets.protocol.places import area, latitude, longitude, place
from datavore_widgets.protocol.times import Date
from datavore_widgets.widgets.coast import shores
from datavore_widgets.widgets.color_bar import bar_ticks, flag_colors, shades
from datavore_widgets.widgets.desk import Desk, Picture
from datavore_widgets.widgets.ticks import ticks
from datavore_widgets.widgets.truth_line import facts_of

__all__ = ["sheet_of"]

_PIXELS = 1600  # of the longer side
_DEGREES = 7  # marks on a side, at most


def sheet_of(desk: Desk) -> tuple[dict[str, Any], list[bytes]]:
    """What a browser draws: (words and numbers, buffers).

    Places are parts of the picture's width and height from its upper left corner. The first buffer is the picture's
    PNG, the others are outlines, float32, shape (n, 2): the coast's, and the box's if there is one.

    Raises
    ------
    NoData
        Before there is a picture.
    """
    picture, view = desk.picture, desk.view
    if picture is None:
        raise NoData("there is no picture yet")
    canvas = picture.query.canvas
    canvas = replace(canvas, bbox=(view.viewport or canvas.bbox).clip_to_mercator(), resolution=_PIXELS)
    query = replace(picture.query, canvas=canvas)
    image: MapImage = desk.client.answer(query)
    drawn = Picture(image, picture.scene, query)
    frame = _Frame(image.bbox)
    coast = [part for line in shores() for part in frame.lines(np.asarray(line)[:, ::-1])]
    box = [] if view.bbox is None else frame.lines(_corners(view.bbox))
    marks = [] if view.point is None else frame.lines(np.array([[view.point.lon, view.point.lat]]))
    info = picture.scene.info
    words: dict[str, Any] = {
        "name": f"{_safe(info.index)}_{_safe(picture.scene.variable.name)}.png",
        "width": image.width,
        "height": image.height,
        "title": f"{drawn.name} ({drawn.scale.units})" if drawn.scale.units else drawn.name,
        "subtitle": f"{drawn.when} · {info.title or info.name}",
        "caption": _caption(drawn, desk, view.date),
        "across": frame.marks(image.bbox.west, image.bbox.west + image.bbox.width, frame.x, longitude),
        "up": frame.marks(image.bbox.south, image.bbox.north, frame.y, latitude),
        "coast": len(coast),
        "box": len(box),
        "points": [[float(v) for v in part[0]] for part in marks],
        **_colors(drawn),
    }
    return words, [image.png, *(outline.astype("<f4").tobytes() for outline in [*coast, *box])]


def _caption(drawn: Picture, desk: Desk, asked: Date | None) -> list[str]:
    view = desk.view
    lines = [" · ".join(facts_of(drawn, asked))]
    if view.bbox is not None:
        lines.append(f"Box: {area(view.bbox)}")
    if view.point is not None:
        lines.append(f"Point: {place(view.point)}")
    return [*lines, f"Data: {drawn.scene.info.index}, variable {drawn.scene.variable.name}"]


def _colors(drawn: Picture) -> dict[str, Any]:
    image, variable = drawn.image, drawn.scene.variable
    if image.cmap is None or image.vmin is None or image.vmax is None:
        return {}
    levels = scale(variable.kind, image.vmin, image.vmax, variable.flags, image.scale)
    if isinstance(levels, Categories):
        return {"flags": flag_colors(drawn.scene, levels, image.cmap)}
    return {"colors": shades(levels, image.cmap), "ticks": bar_ticks(levels, drawn.scale, 12)}


class _Frame:
    """From degrees to parts of a Web-Mercator picture."""

    def __init__(self, box: BBox) -> None:
        self._west, self._width = box.west, box.width
        self._south, self._north = (float(v) for v in mercator_from_latitude([box.south, box.north]))

    def x(self, lon: NDArray[np.float64]) -> NDArray[np.float64]:
        return (lon - self._west) / self._width

    def y(self, lat: NDArray[np.float64]) -> NDArray[np.float64]:
        high = np.clip(lat, -89.9, 89.9)
        return (self._north - mercator_from_latitude(high)) / (self._north - self._south)

    def lines(self, ring: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """A ring in parts of the picture, on each turn of the world on which it touches it."""
        found = []
        for turn in (-720.0, -360.0, 0.0, 360.0, 720.0):
            x, y = self.x(ring[:, 0] + turn), self.y(ring[:, 1])
            if x.max() >= 0 and x.min() <= 1 and y.max() >= 0 and y.min() <= 1:
                found.append(np.stack([x, y], axis=1))
        return found

    @staticmethod
    def marks(
        low: float, high: float, part: Callable[[NDArray[np.float64]], NDArray[np.float64]], text: Callable[..., str]
    ) -> list[tuple[float, str]]:
        values, decimals = ticks(low, high, _DEGREES)
        return [(float(part(np.asarray(value))), text(value, decimals)) for value in values]


def _corners(box: BBox) -> NDArray[np.float64]:
    (south, west), (north, east) = box.to_leaflet()
    return np.array([[west, south], [west, north], [east, north], [east, south], [west, south]])


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text)
