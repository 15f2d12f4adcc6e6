"""A button that puts text into the clipboard of whoever presses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
from traitlets import Bool, Unicode

from datavore_widgets.widgets.style import STATIC

__all__ = ["CopyButton"]


class CopyButton(anywidget.AnyWidget):
    """Asks for the text when it is pressed, so that nothing is sent before.

    Parameters
    ----------
    label, hint : str
        What stands on it, and its tooltip.
    text : callable
        `text() -> str`; quick, since it runs on the loop.
    is_link : bool
        The text is the query of a link to the page: what stands before it only the browser knows. Such a button shows
        itself in the app alone; the address of a notebook opens no view.
    """

    _esm = STATIC / "copy_button.js"
    label = Unicode().tag(sync=True)
    hint = Unicode().tag(sync=True)
    is_link = Bool(False).tag(sync=True)

    def __init__(self, label: str, hint: str, text: Callable[[], str], *, is_link: bool = False) -> None:
        super().__init__(label=label, hint=hint, is_link=is_link)
        self._text = text
        self.on_msg(self._asked)

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if content == "copy":
            self.send({"text": self._text()})

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""
