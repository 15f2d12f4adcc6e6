"""Dates, lapses and time axes, in UTC and in any CF calendar.

A time is kept as its *label*: the integer `YYYYMMDDhhmmssmmm` that its own calendar writes, 30 February included.
Labels sort as times do, a shorter spelling of a date is an interval of labels, and a year, a month or a day is a
label cut short, so asking and grouping need no calendar arithmetic. Only distances do, and they are counted in the
calendar's own days.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue, NoData

__all__ = [
    "CLIMATOLOGIES",
    "GROUPINGS",
    "GROUP_DIGITS",
    "GROUP_NAMES",
    "WHOLE_LAPSE",
    "Date",
    "Lapse",
    "Stamp",
    "TimeAxis",
    "canonical_calendar",
    "date_of_day",
    "day_number",
    "display",
    "elapsed",
    "iso",
    "label_from_millis",
    "label_from_parts",
    "millis_from_label",
    "parts_from_label",
    "period_text",
]

LABEL_DIGITS = 17
_DATE_DIGITS = (4, 6, 8, 10, 12, 14, 17)
_DAY_MS = 86_400_000

GROUP_NAMES = ("yyyy", "yyyy-MM", "yyyy-MM-dd")
GROUP_DIGITS = {"yyyy": 4, "yyyy-MM": 6, "yyyy-MM-dd": 8}
"""How many leading digits of a label make its group."""

CLIMATOLOGIES = ("season", "MM", "MM-dd")
"""One value for each season, month or day of the year, over all years: never the same word as a series."""

GROUPINGS = (*GROUP_NAMES, "yyyy-season", *CLIMATOLOGIES)
"""The documented ones; one value a season; climatologies. Seasons are DJF, MAM, JJA, SON; DJF is of January's year."""

_CALENDAR_NAMES = {
    "gregorian": "standard",
    "standard": "standard",
    "proleptic_gregorian": "proleptic_gregorian",
    "noleap": "noleap",
    "365_day": "noleap",
    "all_leap": "all_leap",
    "366_day": "all_leap",
    "360_day": "360_day",
    "360": "360_day",
    "julian": "julian",
}

_MONTH_STARTS = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.int64)
_MONTH_STARTS_LEAP = _MONTH_STARTS + np.array([0, 0] + [1] * 10, dtype=np.int64)
_MONTH_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


def canonical_calendar(name: str) -> str:
    """The CF name that this package uses for a calendar (`365_day` is `noleap`, `gregorian` is `standard`).

    Raises
    ------
    InvalidValue
        When CF does not know the name.
    """
    try:
        return _CALENDAR_NAMES[name.strip().lower()]
    except KeyError:
        known = ", ".join(sorted(_CALENDAR_NAMES))
        raise InvalidValue(f"unknown calendar {name!r}; CF has {known}") from None


def label_from_parts(
    year: ArrayLike,
    month: ArrayLike = 1,
    day: ArrayLike = 1,
    hour: ArrayLike = 0,
    minute: ArrayLike = 0,
    second: ArrayLike = 0,
    milli: ArrayLike = 0,
) -> NDArray[np.int64]:
    """Labels of times given by their components."""
    label: NDArray[np.int64] = np.asarray(year, dtype=np.int64)
    for part, scale in ((month, 100), (day, 100), (hour, 100), (minute, 100), (second, 100), (milli, 1000)):
        label = label * scale + np.asarray(part, dtype=np.int64)
    return label


def parts_from_label(label: ArrayLike) -> tuple[NDArray[np.int64], ...]:
    """(year, month, day, hour, minute, second, millisecond) of labels."""
    rest: NDArray[np.int64] = np.asarray(label, dtype=np.int64)
    parts: list[NDArray[np.int64]] = []
    for scale in (1000, 100, 100, 100, 100, 100):
        parts.append(np.asarray(rest % scale))
        rest = rest // scale
    parts.append(rest)
    return tuple(reversed(parts))


def _gregorian_days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970-01-01 in the proleptic Gregorian calendar (years that start in March, so leap days end them)."""
    y = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return np.asarray(365 * y + y // 4 - y // 100 + y // 400 + day_of_year - 719_468, dtype=np.int64)


def _julian_days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970-01-01 (Gregorian) of a date of the Julian calendar."""
    y = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return np.asarray(365 * y + y // 4 + day_of_year - 719_470, dtype=np.int64)


def day_number(year: ArrayLike, month: ArrayLike, day: ArrayLike, calendar: str) -> NDArray[np.int64]:
    """Days on the calendar's own count, for distances within it; its zero has no meaning."""
    y, m, d = (np.asarray(part, dtype=np.int64) for part in (year, month, day))
    if calendar == "360_day":
        return np.asarray(y * 360 + (m - 1) * 30 + d - 1)
    if calendar == "noleap":
        return np.asarray(y * 365 + _MONTH_STARTS[m - 1] + d - 1)
    if calendar == "all_leap":
        return np.asarray(y * 366 + _MONTH_STARTS_LEAP[m - 1] + d - 1)
    if calendar == "julian":
        return _julian_days(y, m, d)
    gregorian = _gregorian_days(y, m, d)
    if calendar == "standard":
        # CF's standard calendar is Julian up to 4 October 1582, the day before 15 October.
        before = y * 10_000 + m * 100 + d < 1582_10_15
        return np.where(before, _julian_days(y, m, d), gregorian)
    return gregorian


def date_of_day(number: ArrayLike, calendar: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(year, month, day) of a `day_number`."""
    days = np.asarray(number, dtype=np.int64)
    if calendar == "360_day":
        return days // 360, days % 360 // 30 + 1, days % 30 + 1
    if calendar in ("noleap", "all_leap"):
        starts, length = (_MONTH_STARTS, 365) if calendar == "noleap" else (_MONTH_STARTS_LEAP, 366)
        month = np.searchsorted(starts, days % length, side="right")
        return days // length, month, days % length - starts[month - 1] + 1
    # Years that start in March: 1461 days are four of them, 146097 four centuries (the inverse of the counts above).
    is_julian = np.full(days.shape, calendar == "julian")
    if calendar == "standard":
        is_julian = days < day_number(1582, 10, 15, "proleptic_gregorian")
    since = np.where(is_julian, days + 719_470, days + 719_468)
    century = np.where(is_julian, 0, (4 * since + 3) // 146_097)
    within = since - 146_097 * century // 4
    y = (4 * within + 3) // 1461
    day_of_year = within - 1461 * y // 4
    from_march = (5 * day_of_year + 2) // 153
    month = (from_march + 2) % 12 + 1
    return y + 100 * century + (month <= 2), month, day_of_year - (153 * from_march + 2) // 5 + 1


def _milli_of_day(label: NDArray[np.int64]) -> NDArray[np.int64]:
    hour, minute, second, milli = parts_from_label(label)[3:]
    return ((hour * 60 + minute) * 60 + second) * 1000 + milli


def elapsed(label: ArrayLike, calendar: str) -> NDArray[np.int64]:
    """Milliseconds of labels on the calendar's own count, whose zero has no meaning."""
    labels = np.asarray(label, dtype=np.int64)
    year, month, day = parts_from_label(labels)[:3]
    return day_number(year, month, day, calendar) * _DAY_MS + _milli_of_day(labels)


def millis_from_label(label: ArrayLike) -> NDArray[np.int64]:
    """Milliseconds since 1970-01-01 of the same label read in the (proleptic) Gregorian calendar.

    A day that calendar has not (29 or 30 February) is read as its month's last day: the milliseconds alone cannot
    say it, the label can.
    """
    labels = np.asarray(label, dtype=np.int64)
    year, month, day = parts_from_label(labels)[:3]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = _MONTH_LENGTHS[month - 1] + (leap & (month == 2))
    return _gregorian_days(year, month, np.minimum(day, length)) * _DAY_MS + _milli_of_day(labels)


def label_from_millis(millis: ArrayLike) -> NDArray[np.int64]:
    """Labels, in the Gregorian calendar, of milliseconds since 1970-01-01."""
    stamps = np.asarray(millis, dtype=np.int64).astype("M8[ms]")
    days = stamps.astype("M8[D]")
    months = stamps.astype("M8[M]")
    year = stamps.astype("M8[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months.astype("M8[D]")).astype(np.int64) + 1
    rest = (stamps - days.astype("M8[ms]")).astype(np.int64)
    return label_from_parts(year, month, day, rest // 3_600_000, rest // 60_000 % 60, rest // 1000 % 60, rest % 1000)


def iso(label: int) -> str:
    """`2012-08-15T12:00:00Z`, with milliseconds only where there are any."""
    year, month, day, hour, minute, second, milli = (int(p) for p in parts_from_label(label))
    fraction = f".{milli:03d}" if milli else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"


def display(label: int) -> str:
    """`2012-08-15 12:00 Z`, as on the screen; seconds only where there are any."""
    year, month, day, hour, minute, second, milli = (int(p) for p in parts_from_label(label))
    text = f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}"
    if second or milli:
        text += f":{second:02d}" + (f".{milli:03d}" if milli else "")
    return text + " Z"


def period_text(low: int, high: int, calendar: str = "standard") -> str:
    """A period as on the screen, as short as its ends allow: a year, a month, a day, or first and last of these.

    Parameters
    ----------
    low, high : int
        Labels of its first moment and of the first after it.

    Examples
    --------
    >>> period_text(20120801000000000, 20120901000000000), period_text(20111201000000000, 20120301000000000)
    ('2012-08', '2011-12/2012-02')
    """
    day = 10**9
    if low % day or high % day:
        return f"{display(low)}/{display(high)}"
    year, month, last = (int(part) for part in parts_from_label(high)[:3])
    ends = date_of_day(int(day_number(year, month, last, calendar)) - 1, calendar)
    first, final = f"{low:017d}"[:8], f"{int(ends[0]):04d}{int(ends[1]):02d}{int(ends[2]):02d}"
    digits = 8
    if first.endswith("01") and last == 1:
        digits = 4 if first[4:6] == "01" and month == 1 else 6
    texts = ["-".join(filter(None, (end[:4], end[4:6], end[6:8]))) for end in (first[:digits], final[:digits])]
    return texts[0] if texts[0] == texts[1] else "/".join(texts)


_SPELLING = re.compile(
    r"(?P<year>\d{4})"
    r"(?:[-/](?P<month>\d{1,2})"
    r"(?:[-/](?P<day>\d{1,2})"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Date:
    """A date as it is asked for: the digits `YYYYMMDDhhmmss`, or a shorter prefix that names an interval.

    Parameters
    ----------
    digits : str
        4, 6, 8, 10, 12, 14 or (with milliseconds) 17 digits.

    Raises
    ------
    InvalidValue
        When they are no date of any calendar.
    """

    digits: str

    def __post_init__(self) -> None:
        digits = self.digits
        if not (digits.isascii() and digits.isdigit() and len(digits) in _DATE_DIGITS):
            raise InvalidValue(
                f"a date is YYYYMMDDhhmmss or a shorter prefix such as 20120815, a datetime or ISO 8601, not {digits!r}"
            )
        for start, low, high, what in (
            (4, 1, 12, "month"),
            (6, 1, 31, "day"),
            (8, 0, 23, "hour"),
            (10, 0, 59, "minute"),
            (12, 0, 59, "second"),
        ):
            part = digits[start : start + 2]
            if part and not low <= int(part) <= high:
                raise InvalidValue(f"the date {digits!r} has the {what} {part}; it is between {low:02d} and {high:02d}")

    @classmethod
    def parse(cls, value: Any) -> Date:
        """A date in any spelling: digits, int, ISO 8601, `datetime`, `date`, `numpy.datetime64`.

        Times with a zone are turned into UTC; those without are UTC.

        Raises
        ------
        InvalidValue
            When it is none of these.

        Examples
        --------
        >>> Date.parse("2012-08-15T12:00Z")
        Date(digits='20120815120000')
        >>> Date.parse(201208)
        Date(digits='201208')
        """
        if isinstance(value, Date):
            return value
        if isinstance(value, bool):
            raise InvalidValue(f"a date is digits, a datetime or ISO 8601, not {value!r}")
        if isinstance(value, int | np.integer):
            return cls(str(int(value)))
        if isinstance(value, np.datetime64):
            if np.isnat(value):
                raise InvalidValue("a date is needed, not NaT")
            return cls.from_label(int(label_from_millis(value.astype("M8[ms]").astype(np.int64))))
        if isinstance(value, dt.datetime):
            if value.tzinfo is not None:
                value = value.astimezone(dt.UTC)
            return cls(f"{value.year:04d}" + value.strftime("%m%d%H%M%S"))
        if isinstance(value, dt.date):
            return cls(f"{value.year:04d}" + value.strftime("%m%d") + "000000")
        if all(hasattr(value, name) for name in ("year", "month", "day", "hour", "calendar")):
            return cls(
                f"{value.year:04d}{value.month:02d}{value.day:02d}{value.hour:02d}{value.minute:02d}{value.second:02d}"
            )
        if isinstance(value, str):
            return cls._from_text(value)
        raise InvalidValue(f"a date is YYYYMMDDhhmmss, a datetime or ISO 8601, not {value!r}")

    @classmethod
    def _from_text(cls, value: str) -> Date:
        text = value.strip()
        if text.isdigit():
            return cls(text)
        match = _SPELLING.match(text)
        if match is None:
            raise InvalidValue(
                f"a date is YYYYMMDDhhmmss (20120815125959), a prefix of it, a datetime or ISO 8601, not {value!r}"
            )
        found = match.groupdict()
        digits = found["year"]
        for name in ("month", "day", "hour", "minute"):
            if found[name] is None:
                break
            digits += found[name].zfill(2)
        else:
            digits += (found["second"] or "00").zfill(2)
            milli = ((found["fraction"] or "") + "000")[:3]
            if milli != "000":
                digits += milli
        zone = (found["zone"] or "Z").upper()
        if zone in ("Z", "UTC") or len(digits) < 14:
            return cls(digits)
        sign = -1 if zone[0] == "-" else 1
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        date = cls(digits)
        millis = int(millis_from_label(date.low)) - sign * minutes * 60_000
        return cls.from_label(int(label_from_millis(millis)))

    @classmethod
    def from_label(cls, label: int) -> Date:
        """The date of one exact time."""
        digits = f"{label:0{LABEL_DIGITS}d}"
        return cls(digits[:14] if digits.endswith("000") else digits)

    @property
    def low(self) -> int:
        """First label of the interval; months and days that are not given are the first ones."""
        return int((self.digits + "00000101000000000"[len(self.digits) :])[:LABEL_DIGITS])

    @property
    def high(self) -> int:
        """First label after the interval, in the order of labels."""
        scale: int = 10 ** (LABEL_DIGITS - len(self.digits))
        return (int(self.digits) + 1) * scale

    @property
    def is_prefix(self) -> bool:
        """Whether it names an interval longer than a second."""
        return len(self.digits) < 14


@dataclass(frozen=True, slots=True)
class Lapse:
    """A lapse of time, both ends included; a prefix at the end reaches to its last moment.

    Raises
    ------
    InvalidValue
        When the first date lies after the last.
    """

    first: Date
    last: Date

    def __post_init__(self) -> None:
        if self.first.low >= self.last.high:
            raise InvalidValue(f"the lapse starts at {self.first.digits}, after its end at {self.last.digits}")

    @classmethod
    def parse(cls, value: Any) -> Lapse:
        """A lapse in any spelling: `"first,last"`, or two dates of any kind.

        Raises
        ------
        InvalidValue
            When it is not two dates in order.

        Examples
        --------
        >>> Lapse.parse("19500917, 21000917").to_text()
        '19500917,21000917'
        """
        if isinstance(value, Lapse):
            return value
        parts: list[Any]
        if isinstance(value, str):
            parts = [part.strip(" []()'\"") for part in value.split(",")]
        elif isinstance(value, Sequence | np.ndarray):
            parts = list(value)
        else:
            parts = []
        if len(parts) != 2:
            raise InvalidValue(f"a lapse is two dates such as '19500917,21000917', not {value!r}")
        return cls(Date.parse(parts[0]), Date.parse(parts[1]))

    def to_text(self) -> str:
        """As in a URL: `first,last`."""
        return f"{self.first.digits},{self.last.digits}"


WHOLE_LAPSE = Lapse(Date("19500917"), Date("21000917"))
"""The documented default."""


_LONG = {8: _DAY_MS, 10: 3_600_000, 12: 60_000, 14: 1000, 17: 1}
"""Milliseconds that a date of so many digits names."""


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """The times of an index, ascending.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        `YYYYMMDDhhmmssmmm`, sorted.
    calendar : str
        The CF name of the calendar that the labels are written in.
    """

    labels: NDArray[np.int64]
    calendar: str = "standard"

    def __post_init__(self) -> None:
        labels = np.ascontiguousarray(self.labels, dtype=np.int64)
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return int(self.labels.size)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TimeAxis)
            and self.calendar == other.calendar
            and np.array_equal(self.labels, other.labels)
        )

    __hash__ = None  # type: ignore[assignment]  # holds an array; hash what identifies the index instead

    @property
    def is_gregorian(self) -> bool:
        """Whether every label is a date of the Gregorian calendar too."""
        return self.calendar in ("standard", "proleptic_gregorian")

    @cached_property
    def millis(self) -> NDArray[np.int64]:
        """Milliseconds since 1970-01-01 of the labels (see `millis_from_label`)."""
        return millis_from_label(self.labels)

    @cached_property
    def _elapsed(self) -> NDArray[np.int64]:
        """Milliseconds on the calendar's own count."""
        return self._count(self.labels)

    def _count(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        return elapsed(labels, self.calendar)

    def closest(self, date: Date, count: int = 4) -> list[int]:
        """Positions of the `count` times nearest to the start of `date`, in order of time."""
        asked = int(self._count(np.asarray(date.low, dtype=np.int64)))
        here = int(np.searchsorted(self._elapsed, asked))
        window = range(max(0, here - count), min(len(self), here + count))
        best = sorted(window, key=lambda i: (abs(int(self._elapsed[i]) - asked), i))[:count]
        return sorted(best)

    def find(self, date: Date, nearest: float | None = None) -> int:
        """Position of the time that `date` means.

        Exactly one time in the interval that the date names is that one. Otherwise `nearest` decides: the time
        closest to the interval's start and at most `nearest` seconds from it, the earlier of two as close.

        Raises
        ------
        NoData
            When there is no such time; it names the closest ones.
        InvalidValue
            When several times lie in the interval and no `nearest` was given; it lists as many as 20.
        """
        first, stop = (int(i) for i in np.searchsorted(self.labels, [date.low, date.high]))
        if stop - first == 1:
            return first
        if nearest is None:
            if stop > first:
                listed = [display(int(label)) for label in self.labels[first : min(stop, first + 20)]]
                more = f" and {stop - first - 20} more" if stop - first > 20 else ""
                raise InvalidValue(
                    f"{stop - first} times lie in {date.digits}: {', '.join(listed)}{more}; "
                    "give one of them in full, or `nearest` in seconds",
                    suggestions=listed,
                )
            raise self._miss(date, "no time is exactly")
        if len(self) == 0:
            raise self._miss(date, "no time is near")
        asked = int(self._count(np.asarray(date.low, dtype=np.int64)))
        here = int(np.searchsorted(self._elapsed, asked))
        # The earlier of two equal distances; the first of equal times.
        candidates = [i for i in (here - 1, here) if 0 <= i < len(self)]
        best = min(candidates, key=lambda i: abs(int(self._elapsed[i]) - asked))
        best = int(np.searchsorted(self._elapsed, self._elapsed[best]))
        if abs(int(self._elapsed[best]) - asked) > nearest * 1000:
            raise self._miss(date, f"no time is within {nearest:g} s of")
        return best

    def _miss(self, date: Date, what: str) -> NoData:
        close = [display(int(self.labels[i])) for i in self.closest(date)]
        there = f"the closest are {', '.join(close)}" if close else "there are no times"
        return NoData(f"{what} {date.digits}; {there}", suggestions=close)

    def within(self, lapse: Lapse) -> slice:
        """Positions of the times in a lapse, ends included."""
        first, stop = self.labels.searchsorted([lapse.first.low, lapse.last.high]).tolist()
        return slice(first, stop)

    def until(self, date: Date, seconds: float) -> slice:
        """Positions of the times in a window of some seconds that ends with the last moment a date names.

        Examples
        --------
        >>> axis = TimeAxis(np.array([20190820235959000, 20190821000000000, 20190821235959000]))
        >>> axis.until(Date("20190821"), 86400)
        slice(1, 3, None)
        """
        length = len(date.digits)
        if length in _LONG:
            end = int(self._count(np.asarray(date.low, dtype=np.int64))) + _LONG[length]
        else:
            year, month = int(date.digits[:4]), int(date.digits[4:] or 12)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
            end = int(day_number(year, month, 1, self.calendar)) * _DAY_MS
        first, stop = np.searchsorted(self._elapsed, [end - seconds * 1000, end])
        return slice(int(first), int(stop))

    def windows(self, steps: slice, seconds: float) -> NDArray[np.int64]:
        """Position of the first time in each window of some seconds that ends with one of the times of a slice.

        Examples
        --------
        >>> TimeAxis(np.array([20190820000000000, 20190821000000000, 20190821235959000])).windows(slice(1, 3), 86400)
        array([1, 1])
        """
        return np.searchsorted(self._elapsed, self._elapsed[steps] + 1 - seconds * 1000).astype(np.int64)

    def group(self, groupby: str | None, within: slice = slice(None)) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Group the times of a slice by year, month or day.

        Returns
        -------
        (starts, labels)
            Position, within the slice, of each group's first time, and the label that stamps the group: its start.

        Raises
        ------
        InvalidValue
            When `groupby` is not one of `GROUP_NAMES` or None.
        """
        labels = self.labels[within]
        if groupby is None:
            return np.arange(labels.size, dtype=np.int64), labels
        if groupby not in GROUP_DIGITS:
            raise InvalidValue(f"groupby is one of {', '.join(GROUP_NAMES)} or None, not {groupby!r}")
        digits = GROUP_DIGITS[groupby]
        keys = labels // 10 ** (LABEL_DIGITS - digits)
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if labels.size else np.zeros(0, dtype=np.int64)
        stamps = [Date(f"{int(key):0{digits}d}").low for key in keys[starts]]
        return starts.astype(np.int64), np.array(stamps, dtype=np.int64)


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """One exact time: a label and the calendar that wrote it."""

    label: int
    calendar: str = "standard"

    @property
    def iso(self) -> str:
        """ISO 8601 in UTC."""
        return iso(self.label)

    @property
    def text(self) -> str:
        """As on the screen: `2012-08-15 12:00 Z`."""
        return display(self.label)

    @property
    def date(self) -> Date:
        """The date that asks for exactly this time."""
        return Date.from_label(self.label)
