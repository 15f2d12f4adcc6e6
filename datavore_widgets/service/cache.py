"""Memories: what was made once is kept within a number of bytes, and made once for all who ask at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar, cast

from datavore_widgets.errors import Cancelled
from datavore_widgets.protocol.job import Estimate, Job

__all__ = ["Memo"]

T = TypeVar("T")

_LOOK_AROUND = 0.05
"""Seconds after which one who waits for another's work looks whether its own job was cancelled."""


class _Together(Job):
    """The job of all who wait for one result: cancelled only when every one of them is."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Job | None] = []

    def take(self, job: Job | None) -> None:
        """One more waits."""
        self.waiting.append(job)
        if job is not None and self.estimate is not None:
            job.expect(self.estimate)

    @property
    def _jobs(self) -> list[Job]:
        return [job for job in tuple(self.waiting) if job is not None]

    @property
    def cancelled(self) -> bool:
        return all(job is not None and job.cancelled for job in tuple(self.waiting))

    def progress(self, done: int, total: int) -> None:
        self.check()
        for job in self._jobs:
            # One who gave up does not stop the others.
            with suppress(Cancelled):
                job.progress(done, total)

    def expect(self, estimate: Estimate) -> None:
        self.estimate = estimate
        for job in self._jobs:
            job.expect(estimate)

    @property
    def wants_parts(self) -> bool:
        return any(job.wants_parts for job in self._jobs)

    def partial(self, make: Callable[[], object]) -> None:
        for job in self._jobs:
            if not job.cancelled:
                job.partial(make)


class _Flight(Generic[T]):
    """One result in the making.

    Attributes
    ----------
    over : threading.Event, optional
        Set when there is a result, or an error; made by the first who waits: mostly nobody does.
    """

    def __init__(self) -> None:
        self.job = _Together()
        self.over: threading.Event | None = None
        self.error: BaseException | None = None
        self.value: T | None = None


class Memo(Generic[T]):
    """A least-recently-used memory, bounded by bytes; equal keys in the making at the same time are made once.

    Parameters
    ----------
    limit : int
        Bytes kept; what is larger by itself is handed out and not kept.
    size : callable
        Bytes of a value.

    Notes
    -----
    Safe to use from several threads. Errors are not remembered: the next who asks tries again.
    """

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        self._limit = limit
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._used = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def used(self) -> int:
        """Bytes kept now."""
        return self._used

    def get(self, key: Hashable, make: Callable[[Job], T], job: Job | None = None) -> T:
        """The value of a key: remembered, awaited from another thread that is making it, or made here.

        Parameters
        ----------
        make : callable
            Called as `make(job)`, with a job that stands for all who wait: it is cancelled when each of them is, and
            its progress is told to each.

        Raises
        ------
        Cancelled
            When `job` is cancelled, at once for one who only waits.
        """
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight()
                elif flight.over is None:
                    flight.over = threading.Event()
                flight.job.take(job)
            if leads:
                value = self._make(key, make, flight)
                if job is not None:
                    job.check()
                return value
            try:
                return _awaited(flight, job)
            except Cancelled:
                if job is not None:
                    job.check()
                # The others gave up just as this one came: it makes the value itself.

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._used = 0

    def _make(self, key: Hashable, make: Callable[[Job], T], flight: _Flight[T]) -> T:
        try:
            value = make(flight.job)
        except BaseException as error:
            flight.error = error
            with self._lock:
                del self._flights[key]
            if flight.over is not None:
                flight.over.set()
            raise
        flight.value = value
        with self._lock:
            # Kept before the flight ends, so that nobody finds neither.
            self._keep(key, value)
            del self._flights[key]
        if flight.over is not None:
            flight.over.set()
        return value

    def _keep(self, key: Hashable, value: T) -> None:
        size = self._size(value)
        if size > self._limit:
            return
        self._kept[key] = value
        self._used += size
        while self._used > self._limit:
            _, old = self._kept.popitem(last=False)
            self._used -= self._size(old)


def _awaited(flight: _Flight[T], job: Job | None) -> T:
    """What another thread makes, when it is there."""
    while flight.over is not None and not flight.over.wait(_LOOK_AROUND):
        if job is not None:
            job.check()
    if flight.error is not None:
        raise flight.error
    return cast(T, flight.value)
