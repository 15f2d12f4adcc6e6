"""What a long answer needs from the one who asked: cancelling, an estimate, progress, and what is there so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datavore_widgets.errors import Cancelled

__all__ = ["Estimate", "Job"]


@dataclass(frozen=True)
class Estimate:
    """What an answer is going to read from the files.

    Parameters
    ----------
    nbytes : int
        Of the values, unpacked; chunks count whole.
    chunks : int
        Chunks as they are stored; where there are none, fields of one time.
    seconds : float, optional
        By the rate at which these data were read before; None before anything was.
    """

    nbytes: int
    chunks: int
    seconds: float | None = None


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
    on_estimate : callable, optional
        Called from the working thread as `on_estimate(estimate)` before it begins to read, and again when it knows
        better.
    on_partial : callable, optional
        Called from the working thread as `on_partial(answer)`, with an answer of the same kind to as much as is there.
    every : float
        Seconds between two of these at least (0.25); the first comes as soon as it can.
    done, total : int
        The progress.
    estimate : Estimate, optional
        The last one.
    """

    ahead = False
    every = 0.25

    def __init__(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        self._cancelled = False
        self._on_progress = on_progress
        self.on_estimate: Callable[[Estimate], None] | None = None
        self.on_partial: Callable[[Any], None] | None = None
        self._percent = -1
        self._next_part = 0.0
        self.done = 0
        self.total = 0
        self.estimate: Estimate | None = None

    def cancel(self) -> None:
        """Ask the worker to give up; it does at its next `check`."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def check(self) -> None:
        """Give up here if so asked.

        Raises
        ------
        Cancelled
            When `cancel` was called.
        """
        if self.cancelled:
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

    def expect(self, estimate: Estimate) -> None:
        """Tell what is going to be read."""
        self.estimate = estimate
        if self.on_estimate is not None:
            self.on_estimate(estimate)

    @property
    def wants_parts(self) -> bool:
        """Whether somebody looks at what is there so far."""
        return self.on_partial is not None

    def partial(self, make: Callable[[], Any]) -> None:
        """Show what is there so far; it is made only if somebody looks, and not too often."""
        if self.on_partial is None or time.monotonic() < self._next_part:
            return
        self.on_partial(make())
        # Counted from the end: what takes long to make or to show is made less often.
        self._next_part = time.monotonic() + self.every

    def turning(self, turn: Callable[[Any], Any]) -> Job:
        """The same job for one of its works, whose partial results `turn` makes into partial answers."""
        return _Turning(self, turn)


class _Turning(Job):
    """A job as one of its works sees it."""

    def __init__(self, job: Job, turn: Callable[[Any], Any]) -> None:
        super().__init__()
        self._job, self._turn = job, turn

    @property
    def cancelled(self) -> bool:
        return self._job.cancelled

    def cancel(self) -> None:
        self._job.cancel()

    def progress(self, done: int, total: int) -> None:
        self._job.progress(done, total)

    def expect(self, estimate: Estimate) -> None:
        self._job.expect(estimate)

    @property
    def wants_parts(self) -> bool:
        return self._job.wants_parts

    def partial(self, make: Callable[[], Any]) -> None:
        self._job.partial(lambda: self._turn(make()))
