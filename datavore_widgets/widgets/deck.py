"""Panels that share one place on the page, and the buttons that choose among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets

from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.view import View

__all__ = ["Deck", "Tab"]


@dataclass(frozen=True)
class Tab:
    """A panel by its word: what stands on the button, its tooltip, and how the panel is made."""

    word: str
    tooltip: str
    make: Callable[[], ViewPanel]


class Deck(ViewPanel):
    """Shows one panel of several; a panel is made when it is first chosen, so that what nobody looks at asks nothing.

    Parameters
    ----------
    view : View
        What is looked at.
    tabs : sequence of Tab
        The first one is shown first.
    sheet : ipywidgets.HTML, optional
        See `ViewPanel`.

    Attributes
    ----------
    buttons : ipywidgets.ToggleButtons
        To be put where they look best; their value is the word of the tab that is shown.
    panels : dict of str to ViewPanel
        Those made so far.
    """

    name = "deck"

    def __init__(self, view: View, tabs: Sequence[Tab], sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self._tabs = {tab.word: tab for tab in tabs}
        self.panels: dict[str, ViewPanel] = {}
        self.buttons = ipywidgets.ToggleButtons(options=list(self._tabs), tooltips=[tab.tooltip for tab in tabs])
        self.buttons.add_class("dv-tabs")
        self.watch(self.buttons, "value", self._turn)
        self._turn()

    def _turn(self, _change: Any = None) -> None:
        chosen = self.buttons.value
        if chosen not in self.panels:
            self.panels[chosen] = self._tabs[chosen].make()
            self.fill(list(self.panels.values()))
        for word, panel in self.panels.items():
            panel.face(word == chosen)

    def release(self) -> None:
        """Close the panels, and the buttons wherever they are."""
        for panel in self.panels.values():
            panel.close()
        close_whole(self.buttons)
