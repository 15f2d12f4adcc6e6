"""Which period each time of a variable stands for, how long it is, and the groups that times make.

A time with bounds stands for what lies between them. Without, the times of a monthly axis stand for their months and
those of a yearly one for their years; those of an even axis for as long as its step; others are alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NoData
from datavore_widgets.protocol.times import (
    CLIMATOLOGIES,
    date_of_day,
    day_number,
    elapsed,
    label_from_parts,
    parts_from_label,
)

if TYPE_CHECKING:
    from datavore_widgets.service.index import Variable

__all__ = ["NORMAL", "Groups", "Periods"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NORMAL = 1991, 2020
"""The base period where the data have all of it (WMO-No. 1203)."""

_DAY = 86_400_000
_EVEN = 0.9
"""Part of an axis's distances that are its step, for it to be even."""
_FEBRUARY = {"noleap": 28.0, "all_leap": 29.0, "360_day": 30.0, "julian": 28.25}
_DAYS = np.array([31.0, 28.2425, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each step belongs to.

    Parameters
    ----------
    of : ndarray of int64, shape (steps,)
        -1 for none.
    labels : ndarray of int64, shape (groups,)
        Starts of the groups.
    bounds : ndarray of int64, shape (groups, 2), optional
        Labels of the first moment, and of the first after it; None where that is not known.
    spans : ndarray of float64, shape (groups,) or (groups, years)
        Milliseconds that a whole group takes, of a climatology in each year of its base period; 0 where there is none.
    years : ndarray of int64, optional
        Those of the base period.
    """

    of: IntArray
    labels: IntArray
    bounds: IntArray | None
    spans: FloatArray
    years: IntArray | None = None

    @property
    def size(self) -> int:
        """Number of groups."""
        return self.labels.size

    @cached_property
    def runs(self) -> tuple[IntArray, IntArray]:
        """The steps that are in a group, group by group, and where each group begins among them."""
        order = np.argsort(self.of, kind="stable")[np.count_nonzero(self.of < 0) :]
        return order, np.searchsorted(self.of[order], np.arange(self.size)).astype(np.int64)

    @cached_property
    def is_each(self) -> bool:
        """Whether each step is a group by itself."""
        return self.size == self.of.size and bool((self.of == np.arange(self.size)).all())


@dataclass(frozen=True, eq=False)
class Periods:
    """The periods of some steps of a variable.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Its times.
    calendar : str
        Theirs.
    bounds : ndarray of int64, shape (n, 2), optional
        Labels of their bounds.
    is_climatology : bool
        Whether these are of the first and the last of several years.
    """

    labels: IntArray
    calendar: str
    bounds: IntArray | None = None
    is_climatology: bool = False
    _groups: dict[str | None, Groups] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, variable: Variable, steps: slice) -> Periods:
        """Those of some steps."""
        bounds = variable.bounds
        return cls(
            variable.axis.labels[steps],
            variable.axis.calendar,
            None if bounds is None else bounds[steps],
            variable.is_climatology,
        )

    @cached_property
    def _ends(self) -> tuple[IntArray, IntArray] | None:
        """Milliseconds of the bounds, where these are of single periods."""
        if self.bounds is None or self.is_climatology:
            return None
        low, high = elapsed(self.bounds, self.calendar).T
        return low, high

    @cached_property
    def dates(self) -> tuple[IntArray, IntArray, IntArray]:
        """Year, month and day of the times, and of the middle of those that have bounds."""
        if self._ends is None:
            year, month, day = parts_from_label(self.labels)[:3]
            return year, month, day
        low, high = self._ends
        return date_of_day((low + (high - low) // 2) // _DAY, self.calendar)

    @cached_property
    def kind(self) -> str:
        """What the times stand for: `bounds`, `month`, `year`, `step`, or nothing that is known."""
        if self._ends is not None:
            return "bounds"
        if self.labels.size < 2:
            return ""
        year, month, _ = self.dates
        apart = np.diff(year * 12 + month)
        if apart.min() >= 1:
            if (apart % 12 == 0).all():
                return "year"
            if np.median(apart) == 1:
                return "month"
        gaps = np.diff(elapsed(self.labels, self.calendar))
        step = np.median(gaps)
        return "step" if np.mean(np.abs(gaps - step) <= 0.01 * step) >= _EVEN else ""

    @cached_property
    def lengths(self) -> FloatArray:
        """Milliseconds that each time stands for; alike where that is not known."""
        if self._ends is not None:
            low, high = self._ends
            return (high - low).astype(np.float64)
        year, month, _ = self.dates
        if self.kind == "month":
            return (_month(year, month + 1, self.calendar) - _month(year, month, self.calendar)).astype(np.float64)
        if self.kind == "year":
            return (_month(year + 1, 1, self.calendar) - _month(year, 1, self.calendar)).astype(np.float64)
        if self.kind == "step":
            return np.full(self.labels.size, float(np.median(np.diff(elapsed(self.labels, self.calendar)))))
        return np.ones(self.labels.size)

    @cached_property
    def usual_lengths(self) -> FloatArray:
        """The same for means over years: a month weighs alike in each, by its days in the mean year, and years do."""
        year, month, _ = self.dates
        lengths = self.lengths.copy()
        month_long = _month(year, month + 1, self.calendar) - _month(year, month, self.calendar)
        year_long = _month(year + 1, 1, self.calendar) - _month(year, 1, self.calendar)
        days = _DAYS.copy()
        days[1] = _FEBRUARY.get(self.calendar, days[1])
        if self.calendar == "360_day":
            days[:] = 30.0
        if self.kind in ("bounds", "month"):
            lengths = np.where(lengths == month_long, days[month - 1] * _DAY, lengths)
        if self.kind in ("bounds", "year"):
            lengths = np.where(lengths == year_long, 365.0 * _DAY, lengths)
        return lengths

    @property
    def weighting(self) -> str:
        """How times weigh, in words."""
        return {
            "bounds": "times by the length of their bounds",
            "month": "months by their days",
            "year": "years by their days",
        }.get(self.kind, "times alike")

    # --- groups ---

    def group(self, groupby: str | None, years: IntArray | None = None) -> Groups:
        """The groups of the steps.

        Parameters
        ----------
        groupby : str, optional
            One of `GROUPINGS`; None is a group for each step.
        years : ndarray of int64, optional
            Of a climatology: the years of its base period.
        """
        if years is not None:
            return self._grouped(groupby, years)
        if groupby not in self._groups:
            groups = self._grouped(groupby)
            # They are in several answers.
            for array in (groups.of, groups.labels, groups.bounds):
                if array is not None:
                    array.setflags(write=False)
            self._groups[groupby] = groups
        return self._groups[groupby]

    def _grouped(self, groupby: str | None, years: IntArray | None = None) -> Groups:
        if groupby is None:
            return Groups(np.arange(self.labels.size), self.labels, self.bounds, self.lengths)
        if groupby in CLIMATOLOGIES:
            return self._climatology(groupby, np.unique(self.dates[0]) if years is None else years)
        year, month, day = self.dates
        first: tuple[IntArray, IntArray | int, IntArray | int]
        last: tuple[IntArray, IntArray | int, IntArray | int]
        if groupby == "yyyy":
            keys, first, last = year, (year, 1, 1), (year + 1, 1, 1)
        elif groupby == "yyyy-MM":
            keys, first, last = year * 12 + month, (year, month, 1), (year, month + 1, 1)
        elif groupby == "yyyy-season":
            season_year, season = year + (month == 12), month % 12 // 3
            keys = season_year * 4 + season
            first = np.where(season == 0, season_year - 1, season_year), np.where(season == 0, 12, season * 3), 1
            last = season_year, season * 3 + 3, 1
        else:
            keys, first, last = day_number(year, month, day, self.calendar), (year, month, day), (year, month, day + 1)
        _, place, of = np.unique(keys, return_index=True, return_inverse=True)
        ends = []
        for parts in (first, last):
            y, m, d = (np.broadcast_to(part, keys.shape)[place] for part in parts)
            ends.append(_start(y, m, d, self.calendar))
        labels = [_label(end, self.calendar) for end in ends]
        return Groups(of.reshape(-1), labels[0], np.stack(labels, axis=1), (ends[1] - ends[0]).astype(np.float64))

    def _climatology(self, groupby: str, years: IntArray) -> Groups:
        """Groups over the years of a base period: December is of the season DJF of its own year there."""
        year, month, day = self.dates
        keys = {"season": month % 12 // 3, "MM": month, "MM-dd": month * 100 + day}[groupby]
        meant = np.isin(year, years)
        there, of_meant = np.unique(keys[meant], return_inverse=True)
        of = np.full(keys.size, -1)
        of[meant] = of_meant.reshape(-1)
        if groupby == "MM-dd":
            return Groups(of, *self._days_of_year(there // 100, there % 100, years), years)
        first, last = int(years.min()), int(years.max())
        if groupby == "season":
            low = _month(
                np.where(there == 0, max(first - 1, 0), first), np.where(there == 0, 12, there * 3), self.calendar
            )
            high = _month(np.full(there.size, last), there * 3 + 3, self.calendar)
            months = (there[:, None] * 3 + np.array([11, 0, 1])) % 12 + 1
        else:
            low = _month(np.full(there.size, first), there, self.calendar)
            high = _month(np.full(there.size, last), there + 1, self.calendar)
            months = there[:, None]
        each = np.broadcast_to(years, (*months.shape, years.size))
        spans = _month(each, months[..., None] + 1, self.calendar) - _month(each, months[..., None], self.calendar)
        bounds = np.stack([_label(low, self.calendar), _label(high, self.calendar)], axis=1)
        return Groups(of, bounds[:, 0], bounds, spans.sum(axis=1).astype(np.float64), years)

    def _days_of_year(self, month: IntArray, day: IntArray, years: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Labels, bounds and spans of days: stamped in one year with all of them, bounded by those that have each."""
        there = _has(years[:, None], month, day, self.calendar)
        first, last = years[there.argmax(axis=0)], years[::-1][there[::-1].argmax(axis=0)]
        # Leap years are eight years apart at most.
        near = int(years.min()) + np.arange(9)
        stamps = np.broadcast_to(near[_has(near[:, None], month, day, self.calendar).all(axis=1).argmax()], month.shape)
        ends = [_start(first, month, day, self.calendar), _start(last, month, day + 1, self.calendar)]
        bounds = np.stack([_label(end, self.calendar) for end in ends], axis=1)
        return (
            _label(_start(stamps, month, day, self.calendar), self.calendar),
            bounds,
            np.asarray(there.T * float(_DAY)),
        )

    def complete(self, groups: Groups, used: BoolArray) -> BoolArray | None:
        """Whether the steps that are used fill their groups, but for less than half a step; None if it is not known.

        A climatology is complete where it is in each of its years: weeks lie across the ends of months every time.
        """
        if not self.kind:
            return None
        lengths = self.lengths
        inside = used & (groups.of >= 0)
        covered = np.zeros_like(groups.spans)
        part: tuple[IntArray, ...] = (groups.of[inside],)
        if groups.years is not None:
            part = (*part, np.searchsorted(groups.years, self.dates[0][inside]).astype(np.int64))
        np.add.at(covered, part, lengths[inside])
        whole = covered >= groups.spans - 0.5 * float(lengths.min(initial=np.inf))
        return np.asarray(whole if groups.years is None else whole.all(axis=1))

    def base_years(self, base: tuple[int, int] | None) -> IntArray:
        """The years of a base period: those asked for; else 1991 to 2020 if all are complete; else all that are.

        Raises
        ------
        NoData
            When there are none.
        """
        year = self.dates[0]
        if base is not None:
            years = np.unique(year[(year >= base[0]) & (year <= base[1])])
            if years.size == 0:
                raise NoData(f"no times lie in the base period {base[0]}-{base[1]}; {self._span}")
            return years
        groups = self.group("yyyy")
        complete = self.complete(groups, np.ones(year.size, dtype=bool))
        years = parts_from_label(groups.labels)[0]
        years = years if complete is None else years[complete]
        if years.size == 0:
            raise NoData(f"no year is complete, so there is no base period: {self._span}; give `base`, two years")
        normal = np.arange(NORMAL[0], NORMAL[1] + 1)
        return normal if np.isin(normal, years).all() else years

    @property
    def _span(self) -> str:
        year = self.dates[0]
        return f"the times are of {year.min()} to {year.max()}" if year.size else "there are no times"


def _month(year: IntArray, month: IntArray | int, calendar: str) -> IntArray:
    """Milliseconds of the start of months; 13 is January of the year after."""
    months = np.asarray(month)
    return day_number(year + (months - 1) // 12, (months - 1) % 12 + 1, 1, calendar) * _DAY


def _start(year: IntArray, month: IntArray | int, day: IntArray | int, calendar: str) -> IntArray:
    """Milliseconds of the start of days; a day too many is the next."""
    days = np.asarray(day)
    return np.asarray(_month(year, month, calendar) + (days - 1) * _DAY)


def _label(millis: IntArray, calendar: str) -> IntArray:
    return label_from_parts(*date_of_day(millis // _DAY, calendar))


def _has(year: IntArray, month: IntArray, day: IntArray, calendar: str) -> BoolArray:
    """Whether years have some days."""
    found = date_of_day(_start(year, month, day, calendar) // _DAY, calendar)
    return np.asarray(found[1] == month)
