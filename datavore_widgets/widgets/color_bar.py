"""The colours of the picture, with their values."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import ipywidgets

from datavore_widgets.protocol.colormap import Categories, LogNorm, Norm, default_cmap, palette, scale
from datavore_widgets.widgets.desk import Scene
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.text import escape, heading, number
from datavore_widgets.widgets.ticks import log_ticks, ticks
from datavore_widgets.widgets.units import Scale
from datavore_widgets.widgets.view import View

__all__ = ["ColorBar", "bar", "bar_ticks", "flag_colors", "shades"]

_MOST_TICKS = 8
_DIGIT = 6.6  # pixels of a digit of the ticks
_APART = 8  # pixels between the texts of two ticks
_BESIDE = 8  # pixels that a text may reach over an end of the bar


class ColorBar(Panel):
    """A bar drawn from the same table and the same levels as the pixels, with name and units.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "color-bar"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self._html = ipywidgets.HTML()
        self.fill([self._html])
        self.watch(self.desk, ["scene", "picture"], self._draw)
        self.watch(self.view, ["cmap", "vmin", "vmax"], self._draw)
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        picture, scene = self.desk.picture, self.desk.scene
        if scene is not None and scene.is_nowhere:
            self._html.value = ""  # nothing is coloured
            return
        if picture is not None:
            # What the pixels were really drawn with.
            image = picture.image
            self._html.value = _markup(
                picture.scene, picture.name, picture.scale, image.cmap, image.vmin, image.vmax, image.scale
            )
        elif scene is not None:
            view, own = self.view, scene.variable.limits or (None, None)
            low, high = (
                mine if mine is not None else its for mine, its in zip((view.vmin, view.vmax), own, strict=True)
            )
            cmap = view.cmap or default_cmap(scene.variable)
            how = scene.variable.scale if low is not None and low > 0 else "linear"
            self._html.value = _markup(scene, scene.variable.label, scene.scale(), cmap, low, high, how)


def _markup(
    scene: Scene, name: str, to: Scale, cmap: str | None, vmin: float | None, vmax: float | None, how: str
) -> str:
    title = f"{escape(heading(name))}{f' ({escape(to.units)})' if to.units else ''}"
    drawn = ""
    if cmap is not None and vmin is not None and vmax is not None and vmin < vmax:
        levels = scale(scene.variable.kind, vmin, vmax, scene.variable.flags, how)
        drawn = _flags(scene, levels, cmap) if isinstance(levels, Categories) else bar(levels, to, cmap)
    return f"<figure class='dv-bar-figure'><figcaption>{title}</figcaption>{drawn}</figure>"


def bar(norm: Norm, to: Scale, cmap: str, *, width: int = 400) -> str:
    """The colours of a scale from left to right, with round values below, as many as a width in pixels has room for."""
    stops = ",".join(shades(norm, cmap))
    low, high = (float(v) for v in to.shown([norm.vmin, norm.vmax]))
    drawn = []
    for part, text in _clear_ticks(norm, to, width):
        side = _side(part, text, width)
        edge = " dv-tick-first" if side < 0 else " dv-tick-last" if side > 0 else ""
        drawn.append(f"<span class='dv-tick{edge}' style='left:{100 * part:.2f}%'>{text}</span>")
    words = f"{number(low)} to {number(high)} {to.units}".strip()
    return (
        f"<div class='dv-bar-colors' role='img' aria-label='{escape(words)}' "
        f"data-cmap='{escape(cmap)}' data-vmin='{low:.6g}' data-vmax='{high:.6g}' "
        f"style='background:linear-gradient(to right,{stops})'></div><div class='dv-ticks'>{''.join(drawn)}</div>"
    )


def shades(norm: Norm, cmap: str) -> list[str]:
    """Colours of CSS along a scale, as many as can be told apart."""
    colors = palette(cmap, norm.levels)[1:, :3]
    return [f"rgb({r} {g} {b})" for r, g, b in colors[:: max(1, len(colors) // 64)]]


def bar_ticks(norm: Norm, to: Scale, most: int = 8) -> list[tuple[float, str]]:
    """Up to so many round values of a scale: the part of the bar that each is at, and how it is written."""
    low, high = (float(v) for v in to.shown([norm.vmin, norm.vmax]))
    if isinstance(norm, LogNorm) and low > 0:
        span = math.log(high / low)
        return [(math.log(value / low) / span, f"{value:g}") for value in log_ticks(low, high, most)]
    values, decimals = ticks(low, high, most)
    return [((value - low) / (high - low), _tick(value, decimals)) for value in values]


def _clear_ticks(norm: Norm, to: Scale, width: int) -> list[tuple[float, str]]:
    """The most ticks that do not touch one another."""
    found: list[tuple[float, str]] = []
    for most in range(_MOST_TICKS, 0, -1):
        found = bar_ticks(norm, to, most)
        spans = [_span(part, text, width) for part, text in found]
        if all(one[1] + _APART <= other[0] for one, other in pairwise(spans)):
            break
    return found


def _span(part: float, text: str, width: int) -> tuple[float, float]:
    """First and last pixel of a tick's text."""
    size = _DIGIT * len(text)
    left = part * width - size * (1 + _side(part, text, width)) / 2
    return left, left + size


def _side(part: float, text: str, width: int) -> int:
    """Where the text of a tick stands: -1 after it and 1 before it, at an end over which it would reach; else 0."""
    over = _DIGIT * len(text) / 2 - _BESIDE
    return -1 if part * width < over else 1 if (1 - part) * width < over else 0


def flag_colors(scene: Scene, levels: Categories, cmap: str) -> list[tuple[str, str]]:
    """The colour of CSS and the meaning of each flag."""
    return [
        (f"rgb({r} {g} {b})", scene.variable.flags.get(value, str(value)))
        for value, (r, g, b) in zip(levels.values, palette(cmap, levels.levels)[1:, :3], strict=True)
    ]


def _flags(scene: Scene, levels: Categories, cmap: str) -> str:
    items = "".join(
        f"<li><i style='background:{color}'></i>{escape(meaning)}</li>"
        for color, meaning in flag_colors(scene, levels, cmap)
    )
    return f"<ul class='dv-flags'>{items}</ul>"


def _tick(value: float, decimals: int) -> str:
    if value and not 1e-4 <= abs(value) < 1e6:
        return number(value, 3)
    text = f"{value:.{decimals}f}"
    return ("0" if float(text) == 0 else text).replace("-", "−")
