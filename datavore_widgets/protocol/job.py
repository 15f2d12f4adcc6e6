"""What a long answer needs from the one who asked: cancelling and progress."""

from __future__ import annotations

import threading
from collections.abc import Callable

from datavore_widgets.errors import Cancelled

__all__ = ["Job"]


class Job:
    """A handle on one answer in the making, shared between the asking and the working thread.

    Parameters
    ----------
    on_progress : callable, optional
        Called as `on_progress(done, total)` from the working thread, at most once for each whole percent.

    Attributes
    ----------
    ahead : bool
        Whether nobody waits for the answer yet: a server that is busy is then left alone.
    """

    ahead = False

    def __init__(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        self._cancelled = threading.Event()
        self._on_progress = on_progress
        self._percent = -1
        self.done = 0
        self.total = 0

    def cancel(self) -> None:
        """Ask the worker to give up; it does at its next `check`."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Give up here if so asked.

        Raises
        ------
        Cancelled
            When `cancel` was called.
        """
        if self._cancelled.is_set():
            raise Cancelled("the request was cancelled")

    def progress(self, done: int, total: int) -> None:
        """Tell how much is done, and give up here if so asked.

        Raises
        ------
        Cancelled
            When `cancel` was called.
        """
        self.check()
        self.done, self.total = done, total
        percent = 100 * done // total if total else 100
        if self._on_progress is not None and percent != self._percent:
            self._percent = percent
            self._on_progress(done, total)
