"""The area of the series as four numbers."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.text import escape
from datavore_widgets.widgets.view import View

__all__ = ["AreaFields"]

_EDGES = (
    ("W", "west", "West edge in degrees; west greater than east crosses the antimeridian"),
    ("S", "south", "South edge in degrees"),
    ("E", "east", "East edge in degrees"),
    ("N", "north", "North edge in degrees"),
)


class AreaFields(Panel):
    """West, south, east and north of the view's box, and × to clear it. The box is set when all four are numbers.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "area"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.fields: dict[str, ipywidgets.Text] = {}
        for letter, name, tooltip in _EDGES:
            field = ipywidgets.Text(description=letter, placeholder="–", continuous_update=False, tooltip=tooltip)
            field.style.description_width = "12px"
            field.add_class(f"dv-area-{name}")
            self.fields[name] = field
        self.clear = ipywidgets.Button(icon="times", tooltip="Clear the area")
        self.clear.add_class("dv-icon-button")
        self.clear.on_click(lambda _button: setattr(self.view, "bbox", None))
        self.strip = ipywidgets.HTML()
        self.strip.add_class("dv-hint")
        label = ipywidgets.Label("Area")
        grid = ipywidgets.Box([label, *self.fields.values(), self.clear])
        grid.add_class("dv-area-grid")
        self._quiet = False
        self.fill([grid, self.strip])
        for field in self.fields.values():
            self.watch(field, "value", self._typed)
        self.watch(self.view, "bbox", self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        box = self.view.bbox
        self._quiet = True
        for name, field in self.fields.items():
            field.value = "" if box is None else f"{getattr(box, name):.6f}".rstrip("0").rstrip(".")
        self._quiet = False
        self.strip.value = ""
        self.clear.disabled = box is None

    def _typed(self, _change: Any) -> None:
        if self._quiet:
            return
        texts = [field.value.strip().replace("−", "-").removesuffix("°") for field in self.fields.values()]
        if not all(texts):
            self.strip.value = "" if not any(texts) else "All four edges are needed."
            return
        try:
            self.view.bbox = BBox(*texts)
        except DatavoreError as error:
            self.strip.value = f"<div role='alert'>{escape(sentence(error))}</div>"
        else:
            self._show()
