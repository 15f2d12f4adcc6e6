"""Pictures of many times: the newest value of each cell, and pixels made of cells that lie elsewhere each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import Categories, Norm, as_floating, scale
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.directions import go_round, mean_direction, of_vectors, unit_vectors
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.render import levels_of_pixels, turned
from datavore_widgets.service.select import Selection
from datavore_widgets.service.series import Moments, missing_of
from datavore_widgets.service.store import Store

__all__ = ["Part", "laid_over", "latest", "levels_of_values", "pooled"]

FloatArray = NDArray[np.float64]

_POOLED = ("avg", "std", "min", "max", "count")


class Part(NamedTuple):
    """What is seen of one time: how pixels are made of it, and the values."""

    plan: Mosaic
    values: NDArray[Any]


def latest(store: Store, selection: Selection, steps: slice, cells: Cells, job: Job) -> NDArray[Any]:
    """The newest valid value of each cell in some steps; older ones are read only while any cell has none."""
    newest: NDArray[Any] | None = None
    size = steps.stop - steps.start
    for done, step in enumerate(reversed(range(steps.start, steps.stop))):
        job.check()
        job.progress(done, size)
        values = store.field(selection, step, cells, job)
        newest = values if newest is None else _filled(newest, values)
        if not missing_of(newest).any():
            break
    if newest is None:
        raise ValueError(steps)
    return newest


def _filled(values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Values, and others where they are missing."""
    gaps = missing_of(values)
    if np.ma.isMA(values) or np.ma.isMA(others):
        data = np.where(gaps, np.ma.getdata(others), np.ma.getdata(values))
        return np.asanyarray(np.ma.MaskedArray(data, gaps & missing_of(others)))
    return np.where(gaps, others, values)


def laid_over(parts: Iterator[Part], info: VariableInfo) -> FloatArray:
    """Values of pixels, each of the first part that has one there; shape (height, width), NaN for none."""
    laid: NDArray[Any] | None = None
    for how, values in parts:
        own = _seen(how, values, info)
        laid = own if laid is None else np.where(np.isnan(laid), own, laid)
    if laid is None:
        raise ValueError("there is no part to lay over another")
    return laid


def _seen(how: Mosaic, values: NDArray[Any], info: VariableInfo) -> NDArray[np.floating[Any]]:
    """The value of each pixel: of the cell that it shows, or of all that it stands for."""
    numbers = as_floating(values)
    flags = scale(info.kind, 0.0, 1.0, info.flags)
    if isinstance(flags, Categories):
        levels = levels_of_pixels(how, values, flags, info.kind)
        return np.array([np.nan, *flags.values])[levels]
    if how.method == "nearest":
        return how.own(numbers)
    if info.kind != "direction":
        return how.means(numbers)
    return mean_direction(*map(how.means, unit_vectors(numbers)))


def pooled(parts: Iterator[Part], aggregate: str, info: VariableInfo) -> FloatArray:
    """An aggregate of all the samples that each pixel shows or stands for; shape (height, width), NaN for none.

    Directions have the mean and the spread of their unit vectors.

    Raises
    ------
    NotSupported
        When it cannot be pooled.
    """
    if aggregate not in _POOLED:
        raise NotSupported(
            f"cells that lie elsewhere at each time have no {aggregate}; choose one of {', '.join(_POOLED)}"
        )
    around = go_round(info, aggregate)
    sums: list[Moments] = []
    shape = (0, 0)
    for how, values in parts:
        shape = how.height, how.width
        cells, pixels = how.pairs
        taken = as_floating(values).reshape(-1)[cells].astype(np.float64)
        turns = unit_vectors(taken) if around else taken[None]
        own = [Moments.grouped(turn, pixels, how.height * how.width) for turn in turns]
        sums = [one + other for one, other in zip(sums, own, strict=True)] if sums else own
    if around:
        return of_vectors(aggregate, sums[0].mean, sums[1].mean).reshape(shape)
    return sums[0].aggregate(aggregate).reshape(shape)


def levels_of_values(values: NDArray[np.floating[Any]], levels_of: Norm | Categories, kind: str) -> NDArray[np.uint8]:
    """Levels of values that pixels have already."""
    if kind == "direction" and isinstance(levels_of, Norm):
        return levels_of.indices(turned(values, levels_of.vmin))
    return levels_of.indices(values)
