"""A field and a style to a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import Categories, Norm, as_floating, palette, scale
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.directions import mean_direction, unit_vectors
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.laps.codes import Coded, Codes
from datavore_widgets.service.pixels import Plan, Table
from datavore_widgets.service.resample import plan

__all__ = ["Picture", "levels_of_pixels", "painted", "render", "turned"]


_MANY = 1 << 16
"""Codes from which on a table of all there can be is made sooner than their values."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and where it lies.

    Parameters
    ----------
    png : bytes
        Transparent where there is no cell or no value.
    width, height : int
        Pixels.
    bbox : BBox
        Its true edges: in Web-Mercator the box asked for is cut at 85.0511 degrees.
    projection : str
        `pc_world` or `mercator`.
    """

    png: bytes = field(repr=False)
    width: int
    height: int
    bbox: BBox
    projection: str


def render(
    grid: Grid,
    values: NDArray[Any] | Coded,
    canvas: Canvas,
    style: Style,
    kind: str = "continuous",
    flags: Iterable[int] = (),
) -> Picture:
    """Draw a field.

    Parameters
    ----------
    grid : Grid
        Where the values lie: the whole grid, or the part of it that `resample.window_of` tells.
    values : ndarray, masked array or Coded, shape (ny, nx)
        NaN and masked are missing; infinite values are beyond the limits, with the first or the last colour.
    canvas : Canvas
        Where the pixels lie.
    style : Style
        Colour map and both limits.
    kind : {'continuous', 'anomaly', 'flags', 'direction'}
        Directions are degrees: they are averaged on the circle, and turned into vmin … vmin + 360 before colouring.
    flags : iterable of int
        The values of flags; each has a colour of its own (see `protocol.colormap.scale`).

    Raises
    ------
    InvalidValue
        When the style lacks something, the shapes disagree, or nothing of the box is in the projection.
    TooLarge
        When there would be too many pixels.
    """
    if style.cmap is None or style.vmin is None or style.vmax is None:
        raise InvalidValue(f"a picture needs a colour map and both limits, not {style}")
    if values.shape != grid.shape:
        raise InvalidValue(f"values of shape {values.shape} do not fit a grid of {grid.shape} (rows, columns)")
    levels_of = scale(kind, style.vmin, style.vmax, flags, style.scale or "linear")
    how = plan(grid, canvas, kind)
    return painted(levels_of_pixels(how, values, levels_of, kind), how.bbox, canvas, style.cmap, levels_of)


def painted(levels: NDArray[np.uint8], bbox: BBox, canvas: Canvas, cmap: str, levels_of: Norm | Categories) -> Picture:
    """The picture of levels, shape (height, width), 0 for missing."""
    height, width = levels.shape
    colours = palette(cmap, levels_of.levels)
    return Picture(png.encode(levels, colours), width, height, bbox, canvas.projection)


def levels_of_pixels(
    how: Plan, values: NDArray[Any] | Coded, levels_of: Norm | Categories, kind: str
) -> NDArray[np.uint8]:
    """The level of each pixel by a plan, shape (height, width), 0 for missing; for the parameters see `render`."""
    if values.size == 0:
        return np.zeros((how.height, how.width), dtype=np.uint8)
    if isinstance(values, Coded):
        if (levels := _of_codes(how, values, levels_of, kind)) is not None:
            return levels
        values = values.values()
    numbers = as_floating(values)
    if isinstance(levels_of, Categories):
        if how.method == "blocks":
            return how.modes(levels_of.indices(numbers))
        return how.nearest(numbers, levels_of.indices)
    if kind == "direction":
        if how.method == "blocks":
            numbers = mean_direction(*map(how.means, unit_vectors(numbers)))
            return levels_of.indices(turned(numbers, levels_of.vmin))
        return how.nearest(turned(numbers, levels_of.vmin), levels_of.indices)
    return how.continuous(numbers, levels_of.indices)


def _of_codes(how: Plan, values: Coded, levels_of: Norm | Categories, kind: str) -> NDArray[np.uint8] | None:
    """The same of codes themselves; None where it takes the values."""
    if values.size < _MANY:
        return None
    if how.method == "blocks" and isinstance(levels_of, Norm):
        # Sums of integers are exact, whoever sums them.
        means = None if kind == "direction" else how.means(values.codes, values.missing)
        return None if means is None else levels_of.indices(values.level(means))
    if how.method == "bilinear":
        return None
    table = _table(values.meaning, values.dtype, values.offset, levels_of, kind)
    if how.method == "blocks":
        return how.modes(table(values.codes))
    return how.nearest(values.codes, table)


@lru_cache(maxsize=64)
def _table(meaning: Codes, dtype: np.dtype[Any], offset: float, levels_of: Norm | Categories, kind: str) -> Table:
    """The level of every code there can be."""
    numbers = as_floating(Coded(np.empty(0, meaning.dtype), meaning, dtype, offset).table())
    if kind == "direction" and isinstance(levels_of, Norm):
        numbers = turned(numbers, levels_of.vmin)
    return Table(levels_of.indices(numbers))


def turned(degrees: NDArray[np.floating[Any]], start: float) -> NDArray[np.floating[Any]]:
    """The same directions in start … start + 360."""
    with np.errstate(invalid="ignore"):
        return np.asarray((degrees - start) % 360.0 + start)
