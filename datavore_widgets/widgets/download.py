"""A button that saves a file where the browser is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
from traitlets import Bool, Unicode

from datavore_widgets.widgets.style import STATIC

__all__ = ["DownloadButton"]


class DownloadButton(anywidget.AnyWidget):
    """Asks for the file when it is pressed, and hands it to the browser: no port, no path on the server.

    Parameters
    ----------
    label, hint : str
        What stands on it, and its tooltip.
    content : callable
        `content() -> (file name, bytes)`.
    """

    _esm = STATIC / "download.js"
    label = Unicode().tag(sync=True)
    hint = Unicode().tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, label: str, hint: str, content: Callable[[], tuple[str, bytes]]) -> None:
        super().__init__(label=label, hint=hint)
        self._content = content
        self.on_msg(self._asked)

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if content == "save" and not self.disabled:
            name, data = self._content()
            self.send({"name": name}, [data])

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""
