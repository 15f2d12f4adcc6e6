"""Names of files that tell dates: patterns as `sst/%Y/%m/sst_%Y%m%d.nc`, and the times that such names stand for."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgpack
import numpy as np

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.times import Date, date_of_day, day_number

__all__ = ["Dated", "DatedPattern", "NamedTimes"]

_DIGITS = {"Y": 4, "m": 2, "d": 2, "j": 3, "H": 2, "M": 2, "S": 2}
"""Directives of strftime, and how many digits each stands for."""

_WILD = {"*": r"[^/]*", "?": r"[^/]"}

_ENOUGH = 2
"""Files that have to tell their times by their names alike, before others are believed by name."""

_LAST_DAY = 28
"""Of a month that every month of every calendar has."""


class Dated(NamedTuple):
    """The date in the name of a file.

    Parameters
    ----------
    date : Date
        As precise as the name is.
    pattern : str
        By which it was found: files of one pattern tell their times alike.
    """

    date: Date
    pattern: str


@dataclass(frozen=True)
class DatedPattern:
    """A path with directives of strftime (%Y %m %d %j %H %M %S), and with the wildcards of a glob if need be.

    Examples
    --------
    >>> pattern = DatedPattern("/data/%Y/sst_%Y%m%d_v*.nc")
    >>> pattern.date(Path("/data/2012/sst_20120815_v2.nc"))
    Date(digits='20120815')
    >>> pattern.date(Path("/data/2011/sst_20120815_v2.nc")) is None
    True
    """

    text: str

    @classmethod
    def of(cls, path: Path) -> DatedPattern | None:
        """The pattern that a path is, None if it has no directive.

        Raises
        ------
        InvalidValue
            When its directives make no date.
        """
        text = str(path)
        found = re.findall(r"%([A-Za-z])", text.replace("%%", ""))
        if not found:
            return None
        for directive in found:
            if directive not in _DIGITS:
                known = " ".join(f"%{name}" for name in _DIGITS)
                raise InvalidValue(f"{text!r} has %{directive}; names tell dates by {known}, and %% is a percent sign")
        there = set(found)
        order = ["Y", "j" if "j" in there else "m", "H", "M", "S"]
        if "j" not in there:
            order.insert(2, "d")
        if there != set(order[: len(there)]):
            raise InvalidValue(
                f"the date in {text!r} has a gap: it is %Y, then %m and %d (or %j for both), %H, %M, %S, none left out"
            )
        return cls(text)

    def files(self) -> Iterator[tuple[Path, Date | None]]:
        """The files there are, in the order of their paths, each with the date in its name; None if that is no date."""
        wild = "".join("[0-9]" * _DIGITS[name] if name else part for part, name in self._parts())
        for match in sorted(glob.glob(wild, recursive=True)):  # noqa: PTH207  absolute
            yield Path(match), self.date(Path(match))

    def date(self, path: Path) -> Date | None:
        """The date in the name of a file, None if it has none or several that differ."""
        seen: set[str] = set()
        expression = ""
        for part, name in self._parts():
            if not name:
                expression += _as_expression(part)
            elif name in seen:
                expression += f"(?P={name})"
            else:
                seen.add(name)
                expression += f"(?P<{name}>[0-9]{{{_DIGITS[name]}}})"
        told = re.fullmatch(expression, str(path))
        if told is None:
            return None
        parts = told.groupdict()
        if "j" in parts:
            # Days are counted in the standard calendar; a file of another one tells its own time when it is opened.
            first = day_number(int(parts["Y"]), 1, 1, "standard")
            year, month, day = (int(part) for part in date_of_day(first + int(parts["j"]) - 1, "standard"))
            if year != int(parts["Y"]):
                return None
            parts |= {"m": f"{month:02d}", "d": f"{day:02d}"}
        try:
            return Date("".join(parts[name] for name in "YmdHMS" if name in parts))
        except InvalidValue:
            return None

    def _parts(self) -> Iterator[tuple[str, str]]:
        """The pattern piece by piece: (text, ""), or ("", directive)."""
        for part in re.split(r"(%[A-Za-z%])", self.text):
            if re.fullmatch("%[A-Za-z]", part):
                yield "", part[1]
            else:
                yield ("%" if part == "%%" else part), ""


def _as_expression(wild: str) -> str:
    """A regular expression of a part of a glob."""
    parts = re.split(r"(\*\*/|[*?]|\[[^]]+\])", wild)
    return "".join(
        "(?:.*/)?" if part == "**/" else part if part.startswith("[") else _WILD.get(part, re.escape(part))
        for part in parts
    )


class NamedTimes:
    """How the names of the files of one pattern tell their times, learned from those that were looked into.

    Each has one time, on the same cells; the name tells the first part of it (the day, say), and the rest of it (noon,
    say) is the same in all. Where one has it otherwise, none is believed by its name.
    """

    def __init__(self) -> None:
        self._count = 0
        self._rests: set[int | None] = set()
        self._common: set[tuple[object, ...]] = set()

    def learn(self, date: Date, own: bytes) -> None:
        """Take a file into account: the date in its name, and what is its own (see `recall.Template.own`)."""
        key, labels, places, bounds = msgpack.unpackb(own, use_list=False)
        single = len(labels) == 1 and len(labels[0]) == 8 and not any(places) and not any(bounds)
        label = int(np.frombuffer(labels[0], dtype=np.int64)[0]) if single else -1
        # Labels are digits: what the name does not tell is the rest of them.
        self._rests.add(label - date.low if single and date.low <= label < date.high else None)
        self._common.add((key, places, bounds))
        self._count += 1

    def own(self, date: Date) -> bytes:
        """What is a file's own, by the date in its name; empty if that cannot be told."""
        if self._count < _ENOUGH or len(self._common) > 1 or len(self._rests) > 1:
            return b""
        [rest], [(key, places, bounds)] = self._rests, self._common
        if rest is None or (len(date.digits) < 8 and rest // 10**9 % 100 >= _LAST_DAY):
            return b""
        label = np.array([date.low + rest], dtype=np.int64)
        coded: bytes = msgpack.packb([key, [label.tobytes()], places, bounds])
        return coded
