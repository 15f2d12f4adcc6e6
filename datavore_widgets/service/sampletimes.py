"""When each sample was taken, where the data tell it for itself: a granule has one time, its samples have many."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.times import label_from_millis, millis_from_label
from datavore_widgets.service.advice import SAMPLE_TIMES
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.decode import labels_from_times, millis_of_unit
from datavore_widgets.service.files import Raw
from datavore_widgets.service.index import Variable

__all__ = ["labels_of_samples", "precision_of_samples", "times_of_samples"]

_NOT = np.datetime64("NaT", "ms")


def times_of_samples(variable: Variable, step: int, cells: Cells) -> NDArray[np.datetime64] | None:
    """The times of some cells at a step.

    Returns
    -------
    ndarray of datetime64[ms], shape `cells.shape`
        UTC; NaT where it is not told. None where the data tell no times of samples, or count them in a calendar that
        numpy does not know.

    Raises
    ------
    Unreadable, InvalidValue
        When they cannot be read or decoded.
    """
    told = variable.sample_times(step, cells) if variable.axis.is_gregorian else None
    if told is None:
        return None
    name, raw, layout = told
    values = raw.values.transpose([raw.dims.index(dim) for dim in (layout.lat, layout.lon) if dim in raw.dims])
    if layout.lat not in raw.dims:
        values = values[np.newaxis]
    # A time for each line is that of all its samples.
    values = values[:, cells.read_columns] if layout.lon in raw.dims else values[:, np.newaxis]
    times = _after(values, raw, variable.axis.labels[step]) if name in SAMPLE_TIMES else _dated(values, raw)
    return np.broadcast_to(times, cells.shape).copy()


def labels_of_samples(variable: Variable, steps: slice, cells: Cells) -> NDArray[np.int64]:
    """Labels of the cells that are meant at some steps, one behind the other: of the steps where nothing else is told.

    Raises
    ------
    Unreadable, InvalidValue
        As `times_of_samples`.
    """
    own = variable.axis.labels[steps]
    if not variable.tells_sample_times:
        return np.repeat(own, cells.count)
    listed = []
    for step, label in zip(range(steps.start, steps.stop), own, strict=True):
        labels = np.full(cells.count, label)
        times = times_of_samples(variable, step, cells)
        if times is not None:
            flat = cells.flat(times)
            there = ~np.isnat(flat)
            labels[there] = label_from_millis(flat[there].astype(np.int64))
        listed.append(labels)
    return np.concatenate(listed)


def precision_of_samples(variable: Variable, step: int, cells: Cells) -> str:
    """To what the times of the samples of a step are told, in words: to a second, for whole numbers of seconds.

    Raises
    ------
    Unreadable, InvalidValue
        As `times_of_samples`.
    """
    told = variable.sample_times(step, cells)
    if told is None:
        return ""
    name, raw, _ = told
    if raw.values.dtype.kind not in "iu":
        return f"{name}, as stored"
    unit = str(raw.attrs.get("units") or "s").split(" since ")[0]
    seconds = millis_of_unit(unit) * abs(float(1.0 if raw.packing.scale is None else raw.packing.scale)) / 1000.0
    return f"{name}, to {seconds:g} s"


def _after(values: NDArray[Any], raw: Raw, label: np.int64) -> NDArray[np.datetime64]:
    """Times of what is counted from the time of a granule."""
    if values.dtype.kind == "m":
        elapsed = values.astype("m8[ms]")
    else:
        numbers = np.ma.filled(raw.packing.decode(values).astype(np.float64), np.nan)
        there = np.isfinite(numbers)
        elapsed = np.full(numbers.shape, np.timedelta64("NaT", "ms"))
        elapsed[there] = np.rint(numbers[there] * millis_of_unit(raw.attrs.get("units"))).astype("m8[ms]")
    return np.asarray(millis_from_label(label).astype("M8[ms]") + elapsed)


def _dated(values: NDArray[Any], raw: Raw) -> NDArray[np.datetime64]:
    """Times of what tells them by itself."""
    if values.dtype.kind == "M":
        return values.astype("M8[ms]")
    decoded = raw.packing.decode(values)
    there = ~np.ma.getmaskarray(decoded) & np.isfinite(np.ma.getdata(decoded))
    times = np.full(values.shape, _NOT)
    if there.any():
        labels, _ = labels_from_times(values[there], raw.attrs)
        times[there] = millis_from_label(labels).astype("M8[ms]")
    return times
