"""A library that is asked while its files are still looked into."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from datavore_widgets.errors import Cancelled, DatavoreError, Unreadable
from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.catalog import Library, open_catalog

__all__ = ["Growing"]

_log = logging.getLogger(__name__)

_PATIENCE = 3.0
"""Seconds that whoever opens data waits for all of them; of what takes longer, what is known by then comes first."""

_MORE = 1.5
"""How many times as many files as are listed must be known before they are listed anew: that takes time as well."""

_LATELY = 15
"""Seconds by which the rate is told."""

_STOP_WITHIN = 5.0


class Growing:
    """The opening of a library of many files: first of what is known of them, in the end of all.

    Parameters
    ----------
    spec
        What `open_catalog` takes.
    show : callable
        A method, called from another thread as `show(library)` whenever there is a fuller one. Where its object is
        gone, the opening ends.
    """

    def __init__(self, spec: Any, show: Callable[[Library], None]) -> None:
        self._spec = spec
        self._show = weakref.WeakMethod(show)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._listed = self._done = self._total = 0
        self._lately: deque[tuple[float, int]] = deque(maxlen=_LATELY)
        self._grows = False

    @property
    def growth(self) -> Growth | None:
        """How far it is; None when the library is whole."""
        return Growth(self._listed, self._done, self._total, self._rate) if self._grows else None

    @property
    def _rate(self) -> float:
        if not (lately := tuple(self._lately)):
            return 0.0
        seconds = time.monotonic() - lately[0][0]
        return (self._done - lately[0][1]) / seconds if seconds > 0 else 0.0

    def first(self) -> Library:
        """The library, if it can be opened in a few seconds; else the part of it that is known by then.

        Raises
        ------
        DatavoreError
            Of the kinds that `open_catalog` raises.
        """
        patience = _PATIENCE
        while True:
            try:
                return open_catalog(self._spec, _Watched(self, partial(self._is_too_long, time.monotonic() + patience)))
            except Cancelled:
                pass
            try:
                library = open_catalog(self._spec, known_only=True)
            except Unreadable:
                patience *= 2  # nothing that can be shown has come yet
            else:
                self._listed, self._grows = self._done, True
                return library

    def start(self) -> None:
        """Go on in a thread, if anything is left."""
        if self._grows:
            self._thread = threading.Thread(target=self._go_on, name="datavore-growing", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until the library is whole."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Give up; what was learned is kept."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_WITHIN)

    def note(self, done: int, total: int) -> None:
        """Hear of the progress of one of the stages of an opening."""
        if total != self._total or done < self._done:
            self._lately.clear()
            self._total, self._listed = total, min(self._listed, done)
        if not self._lately or time.monotonic() - self._lately[-1][0] > 1:
            self._lately.append((time.monotonic(), done))
        self._done = done

    def _is_too_long(self, until: float) -> bool:
        left = (self._total - self._done) / self._rate if self._rate > 0 else float("inf")
        return time.monotonic() > until and left > _PATIENCE

    def _go_on(self) -> None:
        # Where it does not come to its end, the list is not whole, and says so.
        try:
            self._take(open_catalog(self._spec, _Watched(self, self._listing)))
            self._grows = False
        except Cancelled:
            pass
        except DatavoreError as error:
            _log.warning("not all files could be listed: %s", error)

    def _listing(self) -> bool:
        """List anew what is enough more; whether to end."""
        if self._done >= _MORE * max(self._listed, 1) and self._done < self._total:
            self._list_anew()
        return self._stopped.is_set() or self._show() is None

    def _list_anew(self) -> None:
        done = self._done
        try:
            self._take(open_catalog(self._spec, known_only=True))
        except DatavoreError as error:  # a file that was replaced meanwhile, say: the next list has it
            _log.info("the list did not grow: %s", error)
        self._listed = done

    def _take(self, library: Library) -> None:
        show = self._show()
        if show is None or self._stopped.is_set():
            library.close()
            raise Cancelled("nobody asks for these files any more")
        show(library)


class _Watched(Job):
    """The job of an opening that ends when it is told to."""

    def __init__(self, growing: Growing, ends: Callable[[], bool]) -> None:
        super().__init__()
        self._growing = growing
        self._ends = ends

    def progress(self, done: int, total: int) -> None:
        self._growing.note(done, total)
        if self._ends():
            self.cancel()
        super().progress(done, total)
