"""Buttons that save a file where the browser is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
from traitlets import Bool, Unicode

from datavore_widgets.errors import DatavoreError
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.style import STATIC

__all__ = ["DownloadButton", "PictureButton"]

log = logging.getLogger(__name__)

_Parts = tuple[dict[str, Any], list[bytes]]


class _SaveButton(anywidget.AnyWidget):
    """Asks for what is to be saved when it is pressed, and hands it to the browser: no port, no path on the server.

    Parameters
    ----------
    label, hint : str
        What stands on it, and its tooltip.
    content : callable
        `content() -> (words, buffers)` for the front end; runs in a thread, since a file may be large.
    """

    _esm = STATIC / "save_button.js"
    label = Unicode().tag(sync=True)
    hint = Unicode().tag(sync=True)
    disabled = Bool(False).tag(sync=True)
    paints = Bool(False).tag(sync=True)  # whether the browser draws what it gets

    def __init__(self, label: str, hint: str, content: Callable[[], _Parts]) -> None:
        super().__init__(label=label, hint=hint)
        self._hint = hint
        self._pump: Pump[int, _Parts] = Pump(
            lambda _number, _job: content(), show=self._hand_over, fail=self._fail, busy=self._busy
        )
        self._presses = 0
        self.on_msg(self._asked)

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if content == "save" and not self.disabled:
            self._presses += 1
            self._pump.submit(self._presses)

    def _hand_over(self, _number: int, parts: _Parts) -> None:
        self.hint = self._hint
        self.send(*parts)

    def _fail(self, _number: int, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the file of %r could not be made", self.label, exc_info=error)
        self.hint = f"It could not be saved: {error}"
        self.send({"problem": str(error)[:400]})

    def _busy(self, on: bool) -> None:
        self.disabled = on

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""


class DownloadButton(_SaveButton):
    """Saves a file that the kernel makes.

    Parameters
    ----------
    label, hint : str
        What stands on it, and its tooltip.
    content : callable
        `content() -> (file name, bytes)`; runs in a thread, since a file may be large.
    """

    def __init__(self, label: str, hint: str, content: Callable[[], tuple[str, bytes]]) -> None:
        def parts() -> _Parts:
            name, data = content()
            return {"name": name}, [data]

        super().__init__(label, hint, parts)


class PictureButton(_SaveButton):
    """Saves a sheet (see `map_sheet.sheet_of`) that the browser draws, which has letters for every unit."""

    paints = Bool(True).tag(sync=True)
