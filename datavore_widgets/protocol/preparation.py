"""What is prepared of a variable, and what preparing it would take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Preparation"]


@dataclass(frozen=True)
class Preparation:
    """How far a variable is prepared.

    Parameters
    ----------
    times, ready : int
        Its times, and those of them that are prepared and still true.
    changed : bool
        Whether the others are missing because files changed after they were prepared.
    reads : int
        Bytes of values that are read to prepare all of it.
    takes : int
        Bytes that it takes on the disk at most, about.
    hindrance : str
        Why it cannot be prepared from here; empty if it can.
    """

    times: int
    ready: int
    changed: bool = False
    reads: int = 0
    takes: int = 0
    hindrance: str = ""
