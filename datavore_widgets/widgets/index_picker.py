"""Which data set, which variable, and where on its further dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets

from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.text import number
from datavore_widgets.widgets.units import pretty
from datavore_widgets.widgets.view import View

__all__ = ["IndexPicker"]


class IndexPicker(Panel):
    """Drop-downs for the index, its variable, and one for each further dimension (a depth, a level, a member).

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "index-picker"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.index = ipywidgets.Dropdown()
        self.index.add_class("dv-index")
        self.variable = ipywidgets.Dropdown()
        self.variable.add_class("dv-variable")
        self.dims = ipywidgets.VBox()
        labelled("Data set", self.index, tooltip="The data set")
        labelled("Variable", self.variable, tooltip="The quantity that is shown")
        self._quiet = False
        self.fill([self.index, self.variable, self.dims])
        self.watch(self.index, "value", self._chose_index)
        self.watch(self.variable, "value", self._chose_variable)
        self.watch(self.desk, "scene", self._refresh)
        self.watch(self.view, ["index", "varname", "filters"], self._refresh)
        self._refresh()

    def _refresh(self, _change: Any = None) -> None:
        """Show the view, without taking what is shown for a choice."""
        info = self.desk.catalog.index(self.view.index)
        self._quiet = True
        try:
            indexes = [(i.title or i.name, i.index) for i in self.desk.catalog.grids]
            _offer(self.index, indexes, info.index)
            _offer(self.variable, [(v.label, v.name) for v in info.variables.values()], self.view.varname)
        finally:
            self._quiet = False
        self._refresh_dims()

    def _refresh_dims(self) -> None:
        scene = self.desk.scene
        dims: Mapping[str, Mapping[str, Any]] = {} if scene is None else scene.variable.dims
        if [control.dim for control in self.dims.children] != list(dims):
            for control in self.dims.children:
                control.close()
            self.dims.children = [self._dim_control(name) for name in dims]
        conditions = () if scene is None else scene.filters(self.view.filters)
        for control in self.dims.children:
            dim = dims[control.dim]
            chosen = next((c.values[0] for c in conditions if c.name == control.dim and c.values), None)
            units = pretty(str(dim.get("units") or ""))
            own = dim.get("default")
            options = [
                (_value_text(value, units) + (" (default)" if value == own else ""), position)
                for position, value in enumerate(dim["values"])
            ]
            wanted = dim.get("default") if chosen is None else chosen
            position = next((i for i, value in enumerate(dim["values"]) if value == wanted), 0)
            self._quiet = True
            _offer(control, options, position)
            self._quiet = False

    def _dim_control(self, name: str) -> ipywidgets.Dropdown:
        control = ipywidgets.Dropdown()
        control.dim = name
        labelled(name.replace("_", " ").capitalize(), control, tooltip=f"The value of {name} that is shown")
        control.observe(lambda change: self._chose_dim(name, change["new"]), "value")
        return control

    def _chose_index(self, change: Any) -> None:
        if not self._quiet and change["new"] is not None:
            self.view.index = change["new"]

    def _chose_variable(self, change: Any) -> None:
        if not self._quiet and change["new"] is not None:
            self.view.varname = change["new"]

    def _chose_dim(self, name: str, position: int | None) -> None:
        scene = self.desk.scene
        if self._quiet or position is None or scene is None or name not in scene.variable.dims:
            return
        self.desk.choose(name, scene.variable.dims[name]["values"][position])


def _offer(control: ipywidgets.Dropdown, options: list[tuple[str, Any]], value: Any) -> None:
    """Set options and value in one message, and only what changed."""
    with control.hold_sync():
        if list(control.options) != options:
            control.options = options
        if control.value != value and any(option[1] == value for option in options):
            control.value = value


def _value_text(value: Any, units: str) -> str:
    text = number(float(value), 6) if isinstance(value, int | float) else str(value)
    return f"{text} {units}".strip()
