"""Default colour limits: the same for all dates of a variable, from a small sample of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import GROUPS, default_cmap
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.times import TimeAxis, parts_from_label
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.select import Selection, advised, chunk_steps
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.track import Track

__all__ = ["default_limits", "limits_of", "sample", "sample_steps"]

Read = Callable[[Selection, int | None, Cells, Job | None], NDArray[Any]]

TIMES = 16
CELLS = 100_000
PERCENTILES = (2.0, 98.0)

_MOST_BYTES = 128 * 2**20
"""Decoded bytes that finding the limits may go over, however large the data are."""

_TELLING = 1e-12
"""Relative distance of two limits between which 255 colours can still be told apart in float64."""

_BANDS = 8
"""Bands of rows that are read where whole fields would be too much: enough to meet every climate zone."""


def default_limits(selection: Selection, job: Job | None = None, read: Read = Selection.read) -> tuple[float, float]:
    """Colour limits of a variable at one position of its further dimensions.

    The 2nd to 98th percentile over at most 16 times, spread over the seasons and over the whole span, and 100,000
    cells, of good quality where the files say what that is; symmetric about zero for anomalies and where
    the variable's own colours part there; all values for flags.

    Parameters
    ----------
    read : callable
        Gives the same values as `Selection.read`, perhaps sooner.
    """
    info = selection.variable.info
    if info.kind == "flags" and info.flags:
        return _apart(float(min(info.flags)), float(max(info.flags)))
    if info.kind == "direction":
        return 0.0, 360.0
    return limits_of(sample(selection, job, read), info)


def limits_of(values: NDArray[np.float64], info: VariableInfo) -> tuple[float, float]:
    """Limits for valid values, vmin below vmax whatever they are."""
    finite = values[np.isfinite(values)]
    if info.scale == "log" and (finite > 0).any():
        finite = finite[finite > 0]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(finite, PERCENTILES))
    if info.kind == "flags" or low == high:
        low, high = float(finite.min()), float(finite.max())
    if info.kind == "anomaly" or (low < 0 < high and default_cmap(info) in GROUPS["diverging"]):
        # The middle of a diverging map is zero: still water, no wind, the shore.
        high = max(abs(low), abs(high))
        low = -high
    return _apart(low, high)


def sample(selection: Selection, job: Job | None = None, read: Read = Selection.read) -> NDArray[np.float64]:
    """The valid values of a small sample, shape (n,): always the same one, n at most 100,000.

    Conditions and corrections that are asked for are left out: a stricter one must not change the colours. Those that
    the variable's makers advise are kept, where they leave anything: values known to be wrong have no colours to set.
    """
    good = _sampled(advised(selection), job, read)
    return good if good.size else _sampled(replace(selection, masks=(), subtracted=None), job, read)


def _sampled(selection: Selection, job: Job | None, read: Read) -> NDArray[np.float64]:
    variable = selection.variable
    steps: list[int | None] = [None]
    if variable.has_time and not isinstance(variable, Track):
        steps = [*sample_steps(variable.axis)]
    found = []
    for step in steps:
        rows, columns = variable.grid_at(step).shape
        # A chunk is decoded as a whole, whichever of its steps is wanted.
        row_bytes = columns * variable.dtype.itemsize * len(steps) * chunk_steps(variable)
        bands = _bands(rows, max(_MOST_BYTES // row_bytes, _BANDS))
        every = math.ceil(math.sqrt(len(steps) * sum(band.stop - band.start for band in bands) * columns / CELLS))
        for band in bands:
            cells = Cells(band, np.arange(columns), every, every)
            values = read(selection, step, cells, job)
            found.append(np.ma.getdata(values)[~missing_of(values)].astype(np.float64))
    return np.concatenate(found)


def sample_steps(axis: TimeAxis) -> list[int]:
    """At most 16 positions: one in each sixteenth of the span, each in another season."""
    size = len(axis)
    if size <= TIMES:
        return list(range(size))
    _, month, day = parts_from_label(axis.labels)[:3]
    season = (month - 1 + (day - 1) / 31) / 12
    chosen = []
    for part in range(TIMES):
        first, stop = size * part // TIMES, size * (part + 1) // TIMES
        # 5 and 16 have no common divisor: the sixteen seasons come in turn, neighbours far apart.
        away = np.abs((season[first:stop] - part * 5 % TIMES / TIMES + 0.5) % 1.0 - 0.5)
        chosen.append(first + int(np.argmin(away)))
    return chosen


def _bands(rows: int, most: int) -> list[slice]:
    """All rows, or some bands of them, evenly spread, with `most` rows together."""
    if rows <= most:
        return [slice(0, rows)]
    height = most // _BANDS
    firsts = [(rows - height) * band // (_BANDS - 1) for band in range(_BANDS)]
    return [slice(first, first + height) for first in firsts]


def _apart(low: float, high: float) -> tuple[float, float]:
    """The same limits, or where they are equal two around them."""
    if high - low > _TELLING * max(abs(low), abs(high)):
        return low, high
    pad = abs(low) / 10 or 1.0
    return low - pad, high + pad
