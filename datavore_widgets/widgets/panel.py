"""What every widget of this package is: a box of controls on a view, most of them at a desk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from datavore_widgets.widgets import style
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.desk import Desk
from datavore_widgets.widgets.view import View

__all__ = ["Panel", "ViewPanel", "labelled"]


class ViewPanel(ipywidgets.Box):
    """A box of widgets that belongs to a view.

    Parameters
    ----------
    view : View
        What is looked at.
    sheet : ipywidgets.HTML, optional
        The style sheet that is shared with others; None: one of its own.
    """

    name = "panel"
    _is_open = False

    def __init__(self, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__()
        self.view = view
        self._shared_sheet = sheet
        self._sheet = style.element() if sheet is None else sheet
        self._watched: list[tuple[Any, Callable[[Any], None], list[str]]] = []
        self.add_class("dv")
        self.add_class(f"dv-{self.name}")
        self._is_open = True

    def fill(self, children: Sequence[ipywidgets.Widget]) -> None:
        """Put the widgets in; the style sheet comes along, so that each widget looks right alone."""
        self.children = (self._sheet, *children)

    def __repr__(self) -> str:
        # That of ipywidgets names every widget inside, which takes a twentieth of a second and is cut off after a line.
        return f"{type(self).__name__}()"

    def watch(self, thing: Any, names: str | list[str], do: Callable[[Any], None]) -> None:
        """Observe traits until this widget is closed."""
        listed = [names] if isinstance(names, str) else names
        thing.observe(do, listed)
        self._watched.append((thing, do, listed))

    def mark(self, name: str, on: bool) -> None:
        """Set or take off a CSS class."""
        if on:
            self.add_class(name)
        else:
            self.remove_class(name)

    @property
    def is_facing(self) -> bool:
        """Whether it is not behind others in a deck."""
        return "dv-hidden" not in self._dom_classes

    def face(self, on: bool) -> None:
        """Come to the front of a deck, or go behind others."""
        self.mark("dv-hidden", not on)

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return True

    def release(self) -> None:
        """Cancel what is under way; called once, by `close`."""

    def close(self) -> None:
        """Cancel what is under way, stop observing, take the widgets off the page and forget them."""
        if not self._is_open:
            return  # closed already, or never made: Python closes once more what it throws away
        self._is_open = False
        self.release()
        for thing, do, names in self._watched:
            thing.unobserve(do, names)
        self._watched.clear()
        close_whole(self, keep=[] if self._shared_sheet is None else [self._shared_sheet])


class Panel(ViewPanel):
    """A box of widgets that belongs to a client and a view.

    Parameters
    ----------
    client : optional
        Anything with `answer` (`Datavore`, `Datalaps`, a service), or what `connect` takes; None: the view's own
        client, else the sample data.
    view : View, optional
        What is looked at; None: a new one.
    """

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        desk = Desk.of(client, view)
        super().__init__(desk.view, desk.sheet)
        self.desk = desk


def labelled(text: str, control: ipywidgets.Widget, *, tooltip: str = "") -> ipywidgets.Widget:
    """Give a control its label and tooltip, the same way everywhere."""
    control.description = text
    control.style.description_width = "68px"
    control.layout.width = "auto"
    if tooltip:
        control.tooltip = tooltip
        control.description_allow_html = False
    return control
