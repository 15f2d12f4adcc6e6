"""What lies below the picture."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.basemaps import BASEMAPS
from datavore_widgets.widgets.panel import Panel, labelled
from datavore_widgets.widgets.view import View

__all__ = ["BasemapPicker"]


class BasemapPicker(Panel):
    """A drop-down of base maps; those of the web are fetched when they are chosen and not before.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "basemap-picker"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.choice = ipywidgets.Dropdown(options=[(base.label, name) for name, base in BASEMAPS.items()])
        self.choice.add_class("dv-basemap")
        labelled("Base map", self.choice, tooltip="What lies below the picture; all but the coastline need a network")
        self.fill([self.choice])
        self.watch(self.choice, "value", lambda change: setattr(self.view, "basemap", change["new"]))
        self.watch(self.view, "basemap", lambda change: setattr(self.choice, "value", change["new"]))
        self.choice.value = self.view.basemap
