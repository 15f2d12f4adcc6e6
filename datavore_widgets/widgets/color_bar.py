"""The colours of the picture, with their values."""

from __future__ import annotations

import math
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


def bar(norm: Norm, to: Scale, cmap: str, *, marks: int = 8) -> str:
    """The colours of a scale from left to right, with up to so many round values below."""
    stops = ",".join(shades(norm, cmap))
    low, high = (float(v) for v in to.shown([norm.vmin, norm.vmax]))
    drawn = []
    for part, text in bar_ticks(norm, to, marks):
        edge = " dv-tick-first" if part < 0.03 else " dv-tick-last" if part > 0.97 else ""
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
