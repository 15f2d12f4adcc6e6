"""Tells a job what is going to be read, how far it is, and how long it takes by the pace that is measured."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import replace

from datavore_widgets.protocol.job import Estimate, Job

__all__ = ["Meter", "Paces"]

_TELLING = 2**20
"""Bytes from which on the time that they took tells of a pace, and not of opening files."""

_MOST = 10_000
"""Paces that are remembered."""


class Paces:
    """Seconds for a byte of what was read before, by what it was."""

    def __init__(self) -> None:
        self._known: dict[Hashable, float] = {}

    def of(self, key: Hashable) -> float | None:
        """The last one that was measured; None before."""
        return self._known.get(key)

    def learn(self, key: Hashable, seconds: float, nbytes: int) -> None:
        """Remember what was measured."""
        if nbytes >= _TELLING:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = seconds / nbytes


class Meter:
    """Of one reading.

    Parameters
    ----------
    estimate : Estimate
        With the pace that is known so far.
    steps, read : int
        How many there are, and how many of them have to be read from files.
    paces, key
        Where the pace is remembered.
    """

    def __init__(self, estimate: Estimate, steps: int, read: int, paces: Paces, key: Hashable, job: Job) -> None:
        self._estimate, self._paces, self._key, self._job = estimate, paces, key, job
        self._steps, self._to_read = steps, max(read, 1)
        self._began = time.monotonic()
        self._done, self._read = 0.0, 0.0
        self._is_measured = False
        if estimate.nbytes:
            job.expect(estimate)
        job.progress(0, steps)

    def did(self, steps: float, is_read: bool) -> None:
        """So many more steps are done; whether they had to be read from files."""
        self._done += steps
        if is_read:
            self._read += steps
            self._measure()
        # Parts of a step add up to it but for rounding.
        self._job.progress(int(self._done + 1e-6), self._steps)

    def _measure(self) -> None:
        share = self._read / self._to_read
        nbytes, seconds = int(share * self._estimate.nbytes), time.monotonic() - self._began
        self._paces.learn(self._key, seconds, nbytes)
        if not self._is_measured and nbytes >= _TELLING:
            self._is_measured = True
            self._job.expect(replace(self._estimate, seconds=seconds / share))
