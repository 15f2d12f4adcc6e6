"""Series made ready for a screen: gaps as gaps, and no more points than can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.times import GROUP_DIGITS, millis_from_label, parts_from_label
from datavore_widgets.widgets.text import thousands

__all__ = ["MOST_POINTS", "Curve", "curve_of"]

MOST_POINTS = 2000
"""What a chart of a screen's width can tell apart; bqplot takes a second for 100,000."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a line; a NaN in `values` parts it.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Times; those of the partings are of no meaning.
    values : ndarray of float64, shape (n,)
        As shown.
    counts : ndarray of int64, shape (n,)
        Valid values behind each; -1 where that is not known.
    texts : tuple of str
        What each is of, such as `2012-08 (mean)`; empty: its time.
    notes : tuple of str
        What else is to be told of each.
    complete : ndarray of bool, shape (n,), optional
        Whether each is of a whole group.
    """

    labels: IntArray
    values: FloatArray
    counts: IntArray
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    complete: NDArray[np.bool_] | None = None

    @property
    def millis(self) -> IntArray:
        """Milliseconds since 1970-01-01 of the labels."""
        return millis_from_label(self.labels)

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Valid points between two gaps: a line would not show them."""
        valid = np.isfinite(self.values)
        before = np.r_[False, valid[:-1]]
        after = np.r_[valid[1:], False]
        return np.asarray(valid & ~before & ~after)


def curve_of(series: Series, offset: float = 0.0, groupby: str | None = None, most: int = MOST_POINTS) -> Curve:
    """What is drawn of a series.

    Groups that a service leaves out for want of values part the line, as missing values do.
    """
    values = series.values + offset
    counts = np.full(values.size, -1, np.int64) if series.counts is None else series.counts.astype(np.int64)
    rows = np.arange(values.size, dtype=np.int64)
    jumps = _jumps(series.labels, groupby)
    labels = np.insert(series.labels, jumps, series.labels[jumps])
    values, counts = np.insert(values, jumps, np.nan), np.insert(counts, jumps, 0)
    rows = np.insert(rows, jumps, -1)
    chosen = _decimated(millis_from_label(labels), values, most)
    rows = rows[chosen]
    told = _told_of(series, rows)
    complete = None if series.complete is None else (rows < 0) | series.complete[rows]
    return Curve(labels[chosen], values[chosen], counts[chosen], *told, complete)


def _told_of(series: Series, rows: IntArray) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What some rows of a series are of, and what else is to be told of them; nothing of row -1."""
    there = rows[rows >= 0]
    bounds = None if series.bounds is None else series.bounds[there]
    texts = iter(replace(series, labels=series.labels[there], bounds=bounds).texts)
    found, notes = [], []
    for row in rows.tolist():
        found.append("" if row < 0 else next(texts))
        notes.append("" if row < 0 else " · ".join(_notes(series, row)))
    return tuple(found), tuple(notes)


def _notes(series: Series, row: int) -> Iterator[str]:
    if series.counts is not None and series.counts[row] >= 0:
        yield f"n = {thousands(int(series.counts[row]))}"
    if series.steps is not None and series.groupby is not None:
        yield f"{thousands(int(series.steps[row]))} time{'' if series.steps[row] == 1 else 's'}"
    if series.years is not None:
        yield f"{int(series.years[row])} year{'' if series.years[row] == 1 else 's'}"
    if series.complete is not None and not series.complete[row]:
        yield "incomplete"


def _jumps(labels: IntArray, groupby: str | None) -> IntArray:
    """Positions before which a year, a month or a day is left out between two groups."""
    if groupby not in GROUP_DIGITS or labels.size < 2:
        return np.zeros(0, np.int64)
    year, month = parts_from_label(labels)[:2]
    if groupby == "yyyy":
        number = year
    elif groupby == "yyyy-MM":
        number = year * 12 + month
    else:
        # By the Gregorian count, in which 1 March may follow 28 February by two days in a calendar without the 29th.
        number = millis_from_label(labels) // 86_400_000
    apart = np.diff(number)
    return np.asarray(np.flatnonzero(apart > (2 if groupby == "yyyy-MM-dd" else 1)) + 1)


def _decimated(millis: IntArray, values: FloatArray, most: int) -> IntArray:
    """Positions to draw: extremes are kept, and so is one missing value in each gap."""
    if values.size <= most:
        return np.arange(values.size, dtype=np.int64)
    valid = np.flatnonzero(np.isfinite(values))
    if valid.size > most:
        from tsdownsample import MinMaxLTTBDownsampler  # compiled; only long series need it

        picked = MinMaxLTTBDownsampler().downsample(
            np.ascontiguousarray(millis[valid]), np.ascontiguousarray(values[valid]), n_out=most
        )
        valid = valid[np.unique(picked.astype(np.int64))]
    missing_before = np.r_[0, np.cumsum(~np.isfinite(values))]
    gap = missing_before[valid[1:]] > missing_before[valid[:-1]]
    # A gap that the picked points jump over keeps its place: the first missing value after the point before it.
    holes = np.flatnonzero(~np.isfinite(values))
    marks = holes[np.searchsorted(holes, valid[:-1][gap])] if holes.size else np.zeros(0, np.int64)
    return np.asarray(np.sort(np.r_[valid, marks]), dtype=np.int64)
