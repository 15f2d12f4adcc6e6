"""Which samples count: conditions on companion variables, and corrections that are subtracted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.queries import Condition
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.condition_text import SPELLINGS, condition_from, words_of
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.text import escape
from datavore_widgets.widgets.view import View

__all__ = ["Conditions"]


class _Row(ipywidgets.HBox):
    """One condition: on what, and what is allowed."""

    def __init__(self, names: list[str], name: str, words: str, changed: Callable[[], None], drop: Any) -> None:
        self.on = ipywidgets.Dropdown(tooltip="The variable that decides")
        self.allowed = ipywidgets.Text(
            placeholder="≥ 4", continuous_update=False, tooltip=f"What it may be: {SPELLINGS}"
        )
        self.show(names, name, words)
        self.drop = ipywidgets.Button(icon="times", tooltip="Take this condition away")
        self.drop.add_class("dv-icon-button")
        super().__init__([self.on, self.allowed, self.drop])
        self.add_class("dv-condition")
        self.on.observe(lambda _change: changed(), "value")
        self.allowed.observe(lambda _change: changed(), "value")
        self.drop.on_click(lambda _button: drop(self))

    def show(self, names: list[str], name: str, words: str) -> None:
        """Be about another condition, or the same in other words."""
        listed = tuple(names if name in names else [name, *names])
        if self.on.options != listed:
            self.on.options = listed
        self.on.value, self.allowed.value = name, words


class Conditions(Panel):
    """Rows of conditions, the recommended ones at first. Shown where a data set has companions to decide by.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "conditions"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.rows = ipywidgets.VBox()
        self.add = ipywidgets.Button(
            description="Only where …", icon="filter", tooltip="Leave out samples by another variable of the data set"
        )
        self.add.add_class("dv-add-condition")
        self.advice = ipywidgets.Button(
            description="Recommended", tooltip="The conditions that the data set's own conventions advise"
        )
        self.advice.add_class("dv-advice")
        self.correction = ipywidgets.Checkbox(indent=False)
        self.correction.add_class("dv-correction")
        self._hint = ipywidgets.HTML()
        self._hint.add_class("dv-hint")
        buttons = ipywidgets.HBox([self.add, self.advice])
        buttons.add_class("dv-buttons")
        self.fill([self.rows, buttons, self.correction, self._hint])
        self._quiet = False
        self.add.on_click(self._added)
        self.advice.on_click(lambda _button: setattr(self.view, "filters", None))
        self.watch(self.correction, "value", self._corrected)
        self.watch(self.view, ["filters", "subtract"], self._show)
        self.watch(self.desk, "scene", self._show)
        self._show()

    def _show(self, _change: Any = None) -> None:
        """Show the view, without taking what is shown for a choice."""
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return
        dims, advised = scene.variable.dims, scene.advice
        names = scene.companions
        self.mark("dv-hidden", not names)
        chosen = [c for c in scene.filters(self.view.filters) if c.name not in dims]
        self.advice.layout.display = None if advised and chosen != list(advised) else "none"
        corrections = scene.variable.corrections
        self.correction.layout.display = None if corrections else "none"
        self._quiet = True
        try:
            if corrections:
                self.correction.description = f"Subtract {corrections[0]}"
                self.correction.tooltip = "Take the known bias of the sensor off the values"
            self.correction.value = bool(scene.subtract(self.view))
            if [(row.on.value, row.allowed.value) for row in self.rows.children] != [
                (c.name, words_of(c)) for c in chosen
            ]:
                self._lay(names, chosen)
        finally:
            self._quiet = False
        self._hint.value = ""

    def _lay(self, names: list[str], chosen: list[Condition]) -> None:
        """Show the conditions, in the rows that are there as far as they go.

        A row in which a button is being pressed must stay until it is let go, or the click would be lost.
        """
        rows = self.rows.children
        kept, gone = rows[: len(chosen)], rows[len(chosen) :]
        for row, c in zip(kept, chosen, strict=False):
            row.show(names, c.name, words_of(c))
        new = [self._row(names, c.name, words_of(c)) for c in chosen[len(kept) :]]
        if new or gone:
            self.rows.children = (*kept, *new)
        for row in gone:
            close_whole(row)

    def _row(self, names: list[str], name: str, words: str) -> _Row:
        return _Row(names, name, words, self._changed, self._dropped)

    def _added(self, _button: Any) -> None:
        scene = self.desk.scene
        if scene is None:
            return
        used = {row.on.value for row in self.rows.children}
        free = [name for name in scene.companions if name not in used]
        if free:
            self.rows.children = (*self.rows.children, self._row(scene.companions, free[0], ""))

    def _dropped(self, row: _Row) -> None:
        self.rows.children = tuple(other for other in self.rows.children if other is not row)
        close_whole(row)
        self._changed()

    def _changed(self) -> None:
        scene = self.desk.scene
        if self._quiet or scene is None:
            return
        try:
            wanted = {
                row.on.value: condition_from(row.on.value, row.allowed.value)
                for row in self.rows.children
                if row.allowed.value.strip()
            }
        except DatavoreError as error:
            self._hint.value = f"<div role='alert'>{escape(sentence(error))}</div>"
            return
        self._hint.value = ""
        kept = [c for c in scene.filters(self.view.filters) if c.name in scene.variable.dims]
        self.view.filters = tuple(sorted((*kept, *wanted.values()), key=lambda c: c.name))

    def _corrected(self, change: Any) -> None:
        scene = self.desk.scene
        if not self._quiet and scene is not None and scene.variable.corrections:
            self.view.subtract = scene.variable.corrections[0] if change["new"] else ""
