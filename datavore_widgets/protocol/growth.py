"""How far a list of files is that is still being made."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Growth", "duration"]


@dataclass(frozen=True, slots=True)
class Growth:
    """A list that grows while it is asked for: an answer that has it was made of some of the files.

    Parameters
    ----------
    listed : int
        Files that the answer was made of.
    done : int
        Files that were looked into, or were known: they are listed soon.
    total : int
        All files.
    rate : float
        Files looked into a second; 0 before that is known.

    Examples
    --------
    >>> print(Growth(30_000, 48_000, 120_000, 400.0).text)
    the list is still growing: 48,000 of 120,000 files were looked into, 400 a second, 3 min left
    """

    listed: int
    done: int
    total: int
    rate: float = 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the list is complete; None before that can be told."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    @property
    def progress(self) -> str:
        """What was done, how quickly, and what is left, in words."""
        told = f"{self.done:,} of {self.total:,} files were looked into"
        if self.left is None:
            return told
        rate = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.1f}"
        return f"{told}, {rate} a second, {duration(self.left)} left"

    @property
    def text(self) -> str:
        """What an answer says of it."""
        return f"the list is still growing: {self.progress}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours in words, rounded upwards.

    Examples
    --------
    >>> duration(9.2), duration(61), duration(180), duration(7_300)
    ('10 s', '2 min', '3 min', '2 h 2 min')
    """
    if seconds <= 60:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
