"""Newest wish wins: how a widget asks without ever blocking.

One request is in flight, one wish waits, and a newer wish takes the waiting one's place. Every finished result is
shown, so that a drag shows pictures while it lasts; the last one shown is that of the last wish.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from datavore_widgets.errors import Cancelled
from datavore_widgets.protocol.job import Estimate, Job

__all__ = ["BUSY_AFTER", "Pump", "somebody_waits"]

log = logging.getLogger(__name__)

BUSY_AFTER = 0.2
"""Seconds after which a request counts as one that is waited for."""

Wish = TypeVar("Wish")
Result = TypeVar("Result")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def somebody_waits() -> bool:
    """Whether a pump of the running loop works on what somebody waits for: then nothing is to be made in advance."""
    loop = _running_loop()
    return any(pump.is_of(loop) for pump in _at_work)


class _Flight(Generic[Wish]):
    """A request under way."""

    job: Job

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.began = time.monotonic()


class Pump(Generic[Wish, Result]):
    """Takes wishes, has them worked on in a thread, and shows the results on the loop it was made on.

    Where no loop runs (a plain script), `submit` works and shows before it returns.

    Parameters
    ----------
    work : callable
        `work(wish, job) -> result`; runs in a thread of its own and touches no widget.
    show : callable
        `show(wish, result)`; on the loop.
    fail : callable
        `fail(wish, error)`; on the loop. The error of a wish that a newer one has overtaken is dropped.
    busy : callable, optional
        `busy(True)` when a request takes longer than `BUSY_AFTER`, `busy(False)` when nothing is under way.
    progress : callable, optional
        `progress(done, total)`; on the loop.
    expect : callable, optional
        `expect(estimate)`: what is going to be read; on the loop.
    part : callable, optional
        `part(wish, result)`: what is there of a result; on the loop.
    patience : float, optional
        Seconds after which a request that a newer wish waits for is cancelled; None: it may finish.
    job : callable
        `job(on_progress) -> Job`, for a work that tells more than its progress.
    idle : callable, optional
        `idle()`; on the loop, when a request has ended and none waits; if `ahead`, also when nobody waits any more for
        what other pumps do.
    ahead : bool
        Whether nobody waits for the results: `somebody_waits` leaves this pump out.

    Attributes
    ----------
    submitted, started, finished : int
        Wishes taken (equal ones in a row count once), requests begun, requests ended.
    elapsed : float
        Seconds the last finished request took.
    """

    def __init__(
        self,
        work: Callable[[Wish, Job], Result],
        *,
        show: Callable[[Wish, Result], None],
        fail: Callable[[Wish, Exception], None],
        busy: Callable[[bool], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
        expect: Callable[[Estimate], None] | None = None,
        part: Callable[[Wish, Result], None] | None = None,
        patience: float | None = None,
        job: Callable[[Callable[[int, int], None]], Job] = Job,
        idle: Callable[[], None] | None = None,
        ahead: bool = False,
    ) -> None:
        self._work = work
        self._show = show
        self._fail = fail
        self._busy = busy or (lambda _on: None)
        self._progress = progress
        self._expect = expect
        self._part = part
        self._patience = patience
        self._job = job
        self._idle = idle or (lambda: None)
        self._ahead = ahead
        if ahead:
            _ahead.add(self)
        self._home = _running_loop()
        self._newest: Wish | None = None
        self._waiting: Wish | None = None
        self._flight: _Flight[Wish] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._is_busy = False
        self._closed = False
        self.submitted = self.started = self.finished = 0
        self.elapsed = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return self._flight is None and self._waiting is None

    @property
    def under_way(self) -> Wish | None:
        """The wish that is worked on."""
        return None if self._flight is None else self._flight.wish

    def is_of(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Whether its results are shown on that loop."""
        return self._home is loop

    def submit(self, wish: Wish) -> None:
        """Wish for a result; returns at once. A wish equal to the newest one ends here."""
        loop = self._loop()
        if loop is None or loop is _running_loop():
            self._take(wish, loop)
        else:
            loop.call_soon_threadsafe(self._take, wish, loop)

    def cancel(self) -> None:
        """Give up what is under way and what waits; a late result is not shown."""
        flight, self._flight, self._waiting, self._newest = self._flight, None, None, None
        if flight is not None:
            flight.job.cancel()
        self._rest()

    def forget(self) -> None:
        """Let the next wish be asked even if it equals the last one."""
        self._newest = None

    def close(self) -> None:
        """Cancel, and take no more wishes."""
        self._closed = True
        self.cancel()

    def _loop(self) -> asyncio.AbstractEventLoop | None:
        if self._home is None or not self._home.is_running():
            self._home = _running_loop()
        return self._home

    def _take(self, wish: Wish, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._closed or wish == self._newest:
            return
        self._newest = wish
        self.submitted += 1
        flight = self._flight
        if flight is None:
            self._start(wish, loop)
        elif flight.wish == wish and not flight.job.cancelled:
            self._waiting = None
        else:
            self._waiting = wish
            if loop is not None and self._patience is not None:
                rest = max(0.0, flight.began + self._patience - time.monotonic())
                self._timers.append(loop.call_later(rest, self._overtake, flight))

    def _overtake(self, flight: _Flight[Wish]) -> None:
        if flight is self._flight and self._waiting is not None:
            flight.job.cancel()

    def _start(self, wish: Wish, loop: asyncio.AbstractEventLoop | None) -> None:
        self._waiting = None
        flight = self._flight = _Flight(wish)
        flight.job = self._job(lambda *told: self._report(flight, loop, self._progress, *told))
        if self._expect is not None:
            flight.job.on_estimate = lambda estimate: self._report(flight, loop, self._expect, estimate)
        if self._part is not None:
            flight.job.on_partial = lambda part: self._report(flight, loop, self._part, wish, part)
        self.started += 1
        if not self._ahead:
            _at_work.add(self)
        if loop is None:
            self._land(flight, *self._outcome(flight), loop)
            return
        if not self._is_busy:
            self._timers.append(loop.call_later(BUSY_AFTER, self._late, flight))
        # A thread a request: nothing is kept between requests, and a process that ends does not wait for it.
        threading.Thread(target=self._fly, args=(flight, loop), name="datavore-pump", daemon=True).start()

    def _report(
        self, flight: _Flight[Wish], loop: asyncio.AbstractEventLoop | None, do: Callable[..., None] | None, *told: Any
    ) -> None:
        """From the working thread, or from the caller's where no loop runs."""
        if loop is None:
            self._reported(flight, do, *told)
        else:
            loop.call_soon_threadsafe(self._reported, flight, do, *told)

    def _reported(self, flight: _Flight[Wish], do: Callable[..., None] | None, *told: Any) -> None:
        if flight is self._flight and do is not None:
            do(*told)

    def _outcome(self, flight: _Flight[Wish]) -> tuple[Result | None, Exception | None]:
        try:
            return self._work(flight.wish, flight.job), None
        except Exception as error:
            return None, error

    def _fly(self, flight: _Flight[Wish], loop: asyncio.AbstractEventLoop) -> None:
        outcome = self._outcome(flight)
        try:
            loop.call_soon_threadsafe(self._land, flight, *outcome, loop)
        except RuntimeError:
            log.debug("the loop ended before %r was answered", flight.wish)

    def _land(self, flight: _Flight[Wish], result: Any, error: Exception | None, loop: Any) -> None:
        if flight is not self._flight:
            return
        self.finished += 1
        self.elapsed = time.monotonic() - flight.began
        if error is None:
            try:
                self._show(flight.wish, result)
            except Exception as trouble:
                log.exception("a result could not be shown")
                error = trouble
        if error is not None:
            if self._newest == flight.wish:
                self._newest = None  # wished again, it is tried again
            if self._waiting is None and not isinstance(error, Cancelled):
                self._fail(flight.wish, error)
        if flight is not self._flight:
            return  # showing it has closed or cancelled this pump
        self._flight = None
        if self._waiting is not None:
            self._start(self._waiting, loop)
        else:
            self._rest()
            self._idle()

    def _late(self, flight: _Flight[Wish]) -> None:
        if flight is self._flight or not self.is_idle:
            self._is_busy = True
            self._busy(True)

    def _rest(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._is_busy:
            self._is_busy = False
            self._busy(False)
        if self in _at_work:
            _at_work.discard(self)
            if self._home is not None and self._home.is_running() and not somebody_waits():
                for pump in _ahead:
                    if pump.is_of(self._home):
                        self._home.call_soon(pump._when_nobody_waits)

    def _when_nobody_waits(self) -> None:
        if self.is_idle and not self._closed and not somebody_waits():
            self._idle()


_at_work: weakref.WeakSet[Pump[Any, Any]] = weakref.WeakSet()
"""Those that work on what somebody waits for. One whose loop has ended may stay: it is of no loop that runs."""

_ahead: weakref.WeakSet[Pump[Any, Any]] = weakref.WeakSet()
