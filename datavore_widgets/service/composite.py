"""Pictures of many times: the newest value of each cell, and pixels made of cells that lie elsewhere each time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import Categories, Norm, as_floating, scale
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.directions import go_round, mean_direction, of_vectors, unit_vectors
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.render import levels_of_pixels, turned
from datavore_widgets.service.select import Selection
from datavore_widgets.service.series import Moments, missing_of
from datavore_widgets.service.store import Layer, Store

__all__ = ["check_pooled", "laid_over", "latest", "layer_of", "levels_of_values", "pooled"]

FloatArray = NDArray[np.float64]

_POOLED = ("avg", "std", "min", "max", "count")


def latest(
    store: Store, selection: Selection, steps: slice, cells: Cells, job: Job
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The newest valid value of each cell in some steps, and the step that it is of.

    Older ones are read only while any cell has none.
    """
    newest: NDArray[Any] | None = None
    of_step = np.full(cells.shape, steps.stop - 1)
    size = steps.stop - steps.start
    for done, step in enumerate(reversed(range(steps.start, steps.stop))):
        job.check()
        job.progress(done, size)
        values = store.field(selection, step, cells, job)
        if newest is not None:
            of_step[missing_of(newest) & ~missing_of(values)] = step
        newest = values if newest is None else _filled(newest, values)
        if not missing_of(newest).any():
            break
    if newest is None:
        raise ValueError(steps)
    return newest, of_step


def _filled(values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Values, and others where they are missing."""
    gaps = missing_of(values)
    if is_masked(values) or is_masked(others):
        data = np.where(gaps, np.ma.getdata(others), np.ma.getdata(values))
        return np.asanyarray(np.ma.MaskedArray(data, gaps & missing_of(others)))
    return np.where(gaps, others, values)


def layer_of(how: Mosaic, values: NDArray[Any], aggregate: str, info: VariableInfo, valid: int, total: int) -> Layer:
    """The layer of one time.

    Parameters
    ----------
    how : Mosaic
        How pixels are made of its cells.
    values : ndarray, shape (ny, nx)
        Of the cells.
    aggregate : str
        `latest`, or one that is pooled.
    info : VariableInfo
        Of the variable itself.
    """
    if aggregate == "latest":
        seen = _seen(how, values, info).reshape(-1)
        pixels = np.flatnonzero(~np.isnan(seen))
        return Layer(pixels.astype(np.int32), seen[pixels], (), valid, total)
    cells, places = how.pairs
    taken = as_floating(values).reshape(-1)[cells].astype(np.float64)
    there = ~np.isnan(taken)
    pixels, groups = np.unique(places[there], return_inverse=True)
    taken = taken[there]
    turns = unit_vectors(taken) if go_round(info, aggregate) else taken[None]
    moments = tuple(Moments.grouped(turn, groups, pixels.size) for turn in turns)
    return Layer(pixels.astype(np.int32), taken[:0], moments, valid, total)


def laid_over(layers: Iterable[Layer], shape: tuple[int, int]) -> NDArray[np.floating[Any]]:
    """Values of pixels, each of the first layer that has one there; NaN for none."""
    laid: NDArray[np.floating[Any]] | None = None
    for layer in layers:
        if laid is None:
            laid = np.full(shape, np.nan, dtype=layer.values.dtype)
        flat = laid.reshape(-1)
        bare = np.isnan(flat[layer.pixels])
        flat[layer.pixels[bare]] = layer.values[bare]
    if laid is None:
        raise ValueError("there is no layer to lay over another")
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


def check_pooled(aggregate: str) -> None:
    """Refuse aggregates that cells which lie elsewhere at each time do not have.

    Raises
    ------
    NotSupported
        It names those that they have.
    """
    if aggregate not in ("latest", *_POOLED):
        raise NotSupported(
            f"cells that lie elsewhere at each time have no {aggregate}; choose one of {', '.join(_POOLED)}"
        )


def pooled(layers: Iterable[Layer], aggregate: str, info: VariableInfo, shape: tuple[int, int]) -> FloatArray:
    """An aggregate of all the samples that each pixel shows or stands for; NaN for none.

    Directions have the mean and the spread of their unit vectors.
    """
    sums: list[Moments] = []
    size = shape[0] * shape[1]
    for layer in layers:
        sums = sums or [Moments.none(size) for _ in layer.moments]
        for whole, own in zip(sums, layer.moments, strict=True):
            whole.put(layer.pixels.astype(np.int64), whole.take(layer.pixels.astype(np.int64)) + own)
    if go_round(info, aggregate):
        return of_vectors(aggregate, sums[0].mean, sums[1].mean).reshape(shape)
    return sums[0].aggregate(aggregate).reshape(shape)


def levels_of_values(values: NDArray[np.floating[Any]], levels_of: Norm | Categories, kind: str) -> NDArray[np.uint8]:
    """Levels of values that pixels have already."""
    if kind == "direction" and isinstance(levels_of, Norm):
        return levels_of.indices(turned(values, levels_of.vmin))
    return levels_of.indices(values)
