"""Which vector of the data set has arrows on the map."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.flows import flow_of, flows_of
from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.view import View

__all__ = ["ArrowPicker"]


class ArrowPicker(Panel):
    """A drop-down of the vectors of the data set; hidden where it has none.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "arrow-picker"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.choice = ipywidgets.Dropdown()
        self.choice.add_class("dv-arrow-choice")
        labelled("Arrows", self.choice, tooltip="Arrows of a vector above the picture, one for a few cells")
        self._quiet = False
        self.fill([self.choice])
        self.watch(self.choice, "value", self._chose)
        self.watch(self.view, "arrows", self._show)
        self.watch(self.desk, "scene", self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is None:
            return
        flows, chosen = flows_of(scene.info), flow_of(scene.info, self.view.arrows)
        self.mark("dv-hidden", not flows)
        self._quiet = True
        try:
            self.choice.options = [("None", ""), *((flow.label, flow.east) for flow in flows)]
            self.choice.value = "" if chosen is None else chosen.east
        finally:
            self._quiet = False

    def _chose(self, change: Any) -> None:
        if not self._quiet and change["new"] is not None:
            self.view.arrows = change["new"]
