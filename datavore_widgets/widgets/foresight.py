"""Pictures made before anybody asks for them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from datavore_widgets.protocol.job import Job
from datavore_widgets.widgets.pump import Pump

__all__ = ["Foresight", "Placed"]

_AT_ONCE = 2
"""Requests under way: one is read while another is drawn; more would be in the way of what the hand asks next."""


class Placed(Protocol):
    """A wish for the picture of a place on the bar of dates."""

    @property
    def place(self) -> int:
        """Which place."""
        ...


Wish = TypeVar("Wish", bound=Placed)
Result = TypeVar("Result")


class Foresight(Generic[Wish, Result]):
    """Makes pictures that may be wanted.

    After one that could not be had it rests until `resume`: a server that is busy or gone is not asked on and on.

    Parameters
    ----------
    work, keep
        As `work` and `show` of a `Pump`.
    fail : callable
        `fail(wish, error)`.
    go_on : callable
        Called when another one may be made.
    """

    def __init__(
        self,
        work: Callable[[Wish, Job], Result],
        *,
        keep: Callable[[Wish, Result], None],
        fail: Callable[[Wish, Exception], None],
        go_on: Callable[[], None],
    ) -> None:
        self._fail = fail
        self._rests = False
        self._pumps: list[Pump[Wish, Result]] = [
            Pump(work, show=keep, fail=self._failed, idle=go_on, ahead=True) for _ in range(_AT_ONCE)
        ]

    @property
    def places(self) -> set[int]:
        """Of the pictures in the making."""
        return {wish.place for pump in self._pumps if (wish := pump.under_way) is not None}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the making."""
        return all(pump.is_idle for pump in self._pumps)

    @property
    def has_room(self) -> bool:
        """Whether one more may be made."""
        return not self._rests and any(pump.is_idle for pump in self._pumps)

    @property
    def pace(self) -> float:
        """Seconds that the last ones took; none yet: 0."""
        return max(pump.elapsed for pump in self._pumps)

    def make(self, wish: Wish) -> None:
        """Make one; only where `has_room`."""
        next(pump for pump in self._pumps if pump.is_idle).submit(wish)

    def resume(self) -> None:
        """Make what may be wanted again, after one that could not be had."""
        self._rests = False

    def cancel(self) -> None:
        """Give up what is in the making."""
        for pump in self._pumps:
            pump.cancel()

    def close(self) -> None:
        """Cancel, and make no more."""
        for pump in self._pumps:
            pump.close()

    def _failed(self, wish: Wish, error: Exception) -> None:
        self._rests = True
        self._fail(wish, error)
