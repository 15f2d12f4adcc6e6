"""Where a query is written: the editor, with the tables beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
from traitlets import Dict, Int, List, TraitError, Unicode, validate

from datavore_widgets.protocol.sql import Schema
from datavore_widgets.widgets.query_text import FUNCTIONS, KEYWORDS, PLACEHOLDERS
from datavore_widgets.widgets.style import STATIC

__all__ = ["QueryEditor"]

_LONGEST = 100_000  # characters; the page takes no more


class QueryEditor(anywidget.AnyWidget):
    """Line numbers, colours, completion of names, errors underlined; Ctrl-Enter runs.

    A click on a name of the tables puts it into the text.

    Parameters
    ----------
    run : callable
        `run()`, when Ctrl-Enter is pressed.

    Attributes
    ----------
    text : str
        What is written.
    error : (int, int) or ()
        The characters from … to that are underlined.
    """

    _esm = STATIC / "query_editor.js"
    text = Unicode().tag(sync=True)
    heard = Int(0).tag(sync=True)  # the number of the page's last word that the text answers
    tables: Any = List().tag(sync=True)
    words: Any = Dict().tag(sync=True)
    error: Any = List().tag(sync=True)
    note = Unicode().tag(sync=True)

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(
            words={"keyword": list(KEYWORDS), "function": list(FUNCTIONS), "parameter": dict(PLACEHOLDERS)}
        )
        self._run = run
        self.on_msg(self._heard)

    @validate("text")
    def _short(self, proposal: Any) -> str:
        text = str(proposal["value"])
        if len(text) > _LONGEST:
            raise TraitError(f"a query has {_LONGEST} characters at most")
        return text

    def write(self, text: str) -> None:
        """Put a text in the place of what is written, also of what was typed and has not been told yet."""
        self.text = text
        self.send({"text": text})

    def list_tables(self, schema: Schema) -> None:
        """Show these tables, and complete their names."""
        self.tables = [
            {"name": name, "columns": [{"name": column.name, "type": column.type} for column in columns]}
            for name, columns in schema.tables.items()
        ]

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if content == "run":
            self._run()
            return
        text, number = (content.get("text"), content.get("number")) if isinstance(content, dict) else (None, None)
        if isinstance(text, str) and len(text) <= _LONGEST and isinstance(number, int) and 0 < number < 2**53:
            with self.hold_sync():
                self.text, self.heard = text, number

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set; what is typed comes as a message."""
