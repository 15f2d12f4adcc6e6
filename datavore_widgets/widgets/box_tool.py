"""Drawing a box over the map with the mouse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anywidget
from traitlets import Bool

from datavore_widgets.widgets.style import STATIC

__all__ = ["BoxTool"]

_MOST = 100_000  # pixels: no window is larger


class BoxTool(anywidget.AnyWidget):
    """A clear sheet over the map that, while it is active, turns a drag or two clicks into a box. Escape gives up.

    Parameters
    ----------
    drawn : callable
        `drawn((left, top, right, bottom), (width, height))`: the corners as parts of the map's width and height, from
        the upper left corner, and its pixels.
    """

    _esm = STATIC / "box_tool.js"
    active = Bool(False).tag(sync=True)

    def __init__(self, drawn: Callable[[tuple[float, float, float, float], tuple[float, float]], None]) -> None:
        super().__init__()
        self._drawn = drawn
        self.on_msg(self._heard)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        corners, size = _numbers(content.get("box"), 4, 1), _numbers(content.get("size"), 2, _MOST)
        if corners is None or size is None:
            return
        left, top, right, bottom = corners
        self.active = False
        if right > left and bottom > top and min(size) > 0:
            self._drawn((left, top, right, bottom), (size[0], size[1]))


def _numbers(value: Any, count: int, most: float) -> list[float] | None:
    """A list of so many numbers from 0 to the most; None for anything else."""
    if not (isinstance(value, list) and len(value) == count):
        return None
    if not all(isinstance(v, int | float) and math.isfinite(v) and 0 <= v <= most for v in value):
        return None
    return value
