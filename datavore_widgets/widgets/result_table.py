"""The rows of a result as a table that asks for what it shows, so that a million rows are as quick as ten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
from traitlets import Int, List, Unicode

from datavore_widgets.widgets.result import Result
from datavore_widgets.widgets.style import STATIC

__all__ = ["ResultTable"]

_MOST_AT_ONCE = 400  # rows of a message


class ResultTable(anywidget.AnyWidget):
    """Only the rows in view are sent, as text, when the browser asks for them.

    Parameters
    ----------
    sort : callable
        `sort(column)`, when the head of a column is pressed: the order is the query's work.
    """

    _esm = STATIC / "result_table.js"
    columns: Any = List().tag(sync=True)
    count = Int().tag(sync=True)
    version = Int().tag(sync=True)
    order: Any = List().tag(sync=True)
    note = Unicode().tag(sync=True)

    def __init__(self, sort: Callable[[int], None]) -> None:
        super().__init__()
        self._sort = sort
        self._result = Result()
        self.on_msg(self._heard)

    def show(self, result: Result, order: tuple[int, bool] | None) -> None:
        """Show the rows of another result, from the first one.

        Parameters
        ----------
        order : (int, bool), optional
            The column that they are in the order of, and whether the largest comes first.
        """
        self._result = result
        with self.hold_sync():
            self.columns = [
                {"name": column.name, "type": column.type, "width": width, "right": result.is_number(number)}
                for number, (column, width) in enumerate(zip(result.columns, result.widths, strict=True))
            ]
            self.count = len(result)
            self.order = [] if order is None else list(order)
            self.version += 1

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """What a browser asks: rows of this result, or another order."""
        if not isinstance(content, dict):
            return
        asked = content.get("rows")
        if isinstance(asked, list) and len(asked) == 3 and all(type(v) is int for v in asked):
            version, start, stop = asked
            if version == self.version and 0 <= start < stop <= start + _MOST_AT_ONCE:
                self.send({"version": version, "start": start, "rows": self._result.rows(start, stop)})
        column = content.get("sort")
        if type(column) is int and 0 <= column < len(self._result.columns):
            self._sort(column)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""
