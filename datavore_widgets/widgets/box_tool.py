"""Drawing a box over the map with the mouse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anywidget
from traitlets import Bool

from datavore_widgets.widgets.style import STATIC

__all__ = ["BoxTool"]


class BoxTool(anywidget.AnyWidget):
    """A clear sheet over the map that, while it is active, turns a drag or two clicks into a box. Escape gives up.

    Parameters
    ----------
    drawn : callable
        `drawn(left, top, right, bottom)`, as parts of the map's width and height, from the upper left corner.
    """

    _esm = STATIC / "box_tool.js"
    active = Bool(False).tag(sync=True)

    def __init__(self, drawn: Callable[[float, float, float, float], None]) -> None:
        super().__init__()
        self._drawn = drawn
        self.on_msg(self._heard)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        corners = content.get("box") if isinstance(content, dict) else None
        if not (isinstance(corners, list) and len(corners) == 4):
            return
        if not all(isinstance(c, int | float) and math.isfinite(c) and 0 <= c <= 1 for c in corners):
            return
        left, top, right, bottom = corners
        self.active = False
        if right > left and bottom > top:
            self._drawn(left, top, right, bottom)
