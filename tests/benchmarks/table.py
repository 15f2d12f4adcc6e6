"""What a run of the benchmarks is told to do, and the rows that it finds."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Row", "Run", "interleaved", "say", "timed"]


def say(line: str) -> None:
    """A line of progress, or of a table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def interleaved(ways: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each way, round by round in turn, so that what else the machine does falls on all alike.

    Parameters
    ----------
    ways : mapping of str to callable
        Each is called with the number of the round, 0 for one that is not counted, and returns milliseconds.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = way(number)
            if number:
                found[name].append(took)
    return found


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    work, against : str
        What was done, and who did it beside us.
    ours, theirs : list of float
        Milliseconds, round by round; for a row that is no time, one number each, or none.
    ratio : (float, float), optional
        Of the medians and of the minima; None where nobody is beside us.
    wanted : float, optional
        What the ratio shall be: at least, or at most where `most`; None for small data, of which it says nothing.
    """

    work: str
    against: str
    ours: Sequence[float]
    theirs: Sequence[float]
    ratio: tuple[float, float] | None
    wanted: float | None
    most: bool
    command: str

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio of the medians is as wanted."""
        if self.wanted is None or self.ratio is None:
            return None
        return self.ratio[0] <= self.wanted if self.most else self.ratio[0] >= self.wanted

    def cells(self) -> list[str]:
        """As text, column by column."""
        times = [f"{statistics.median(t):.2f} / {min(t):.2f}" if t else "" for t in (self.ours, self.theirs)]
        wanted = "" if self.wanted is None else f"{'≤' if self.most else '≥'} {self.wanted:g}"
        met = {None: "", True: "yes", False: "NO"}[self.is_met]
        ratio = "" if self.ratio is None else " / ".join(f"{number:.3g}" for number in self.ratio)
        return [self.work, self.against, *times, ratio, wanted, met, self.command]


@dataclass
class Run:
    """One run: what it may use, and what it found.

    Parameters
    ----------
    folder : Path
        For what the benchmarks make; removed by who made the run.
    quick : bool
        Small data and few rounds: it shows that everything works, not how fast.
    rounds : int
        Times that each thing is done.
    with_peers : bool
        Whether peers may be installed and started.
    """

    folder: Path
    quick: bool = False
    rounds: int = 9
    with_peers: bool = True
    name: str = ""
    rows: list[Row] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """What was counted, by name: bytes that were read, and the like."""
    left_out: list[str] = field(default_factory=list)
    """What could not be had, with the reason."""

    @property
    def command(self) -> str:
        """What makes the rows of the benchmark that runs."""
        return f"python -m tests.benchmarks {self.name}{' --quick' if self.quick else ''}"

    def beside(
        self, work: str, ours: str, found: Mapping[str, list[float]], wanted: Mapping[str, float | None] | None = None
    ) -> None:
        """A row for each of the others, with how many times as long as ours it takes."""
        mine = found[ours]
        for name, theirs in found.items():
            if name != ours:
                ratio = statistics.median(theirs) / statistics.median(mine), min(theirs) / min(mine)
                least = None if self.quick else (wanted or {}).get(name)
                self._add(Row(work, name, mine, theirs, ratio, least, False, self.command))

    def number(
        self, work: str, value: tuple[float, float] | float, *, most: float | None = None, least: float | None = None
    ) -> None:
        """A row that is a number, of medians and of minima or only one, and what it shall be at most or at least."""
        both = value if isinstance(value, tuple) else (value, value)
        wanted = None if self.quick else most if most is not None else least
        self._add(Row(work, "", [], [], both, wanted, most is not None, self.command))

    def alone(self, found: Mapping[str, list[float]]) -> None:
        """Rows that are beside nobody."""
        for name, mine in found.items():
            self._add(Row(name, "", mine, [], None, None, False, self.command))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        say("  " + " | ".join(cell for cell in row.cells()[:-1] if cell))

    def noise(self) -> None:
        """How evenly the machine works: the same sum, again and again."""
        values = np.ones(2_000_000)
        took = [timed(values.sum) for _ in range(50)]
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        say(
            f"noise of the machine: median {statistics.median(took) / min(took):.2f} and maximum "
            f"{max(took) / min(took):.2f} of the minimum of 50 equal sums; load {load:.2f} on {os.cpu_count()} cores"
        )

    def table(self) -> str:
        """All rows, as a table of Markdown."""
        head = ["work", "against", "ours, ms: median / min", "theirs", "ratio of medians / of minima", "wanted", "met"]
        rows: list[Any] = [[*head, "command"], ["---"] * (len(head) + 1), *(row.cells() for row in self.rows)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
