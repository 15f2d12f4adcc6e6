"""Pictures of many times: of an aggregate over a lapse, and of a window of time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol.aggregates import AGGREGATES, flag_of
from datavore_widgets.protocol.answers import MapImage, VariableInfo
from datavore_widgets.protocol.colormap import scale
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import LapseMapQuery, MapQuery, Style
from datavore_widgets.service.composite import (
    check_pooled,
    laid_over,
    latest,
    layer_of,
    levels_of_values,
    pooled,
)
from datavore_widgets.service.directions import go_round
from datavore_widgets.service.filelist import perhaps_touching
from datavore_widgets.service.limits import limits_of
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.pictures import completed, drawn, joined, told_of, view_of
from datavore_widgets.service.render import painted
from datavore_widgets.service.resample import canvas_size, picture_bbox, plan
from datavore_widgets.service.select import (
    Selection,
    aggregate_info,
    select,
    shifted,
    stamp_of,
    steps_of,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Composite, Layer, Store
from datavore_widgets.service.summary import check_words, lapse_values, weighting_of
from datavore_widgets.service.track import Track
from datavore_widgets.service.vectors import Vector

__all__ = ["lapse_map_image", "over_time"]

_NO_LEVELS = ("count", "std", "area_std", "time_std")
"""Aggregates that an offset does not move, and that the limits of the variable do not fit."""


def lapse_map_image(store: Store, query: LapseMapQuery, job: Job) -> MapImage:
    """The picture of an aggregate over a lapse."""
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    info = selection.variable.info
    check_words(info, query.aggregate)
    if query.aggregate not in AGGREGATES and (selection.variable.moves or isinstance(selection.variable, Track)):
        raise NotSupported(f"cells that lie elsewhere at each time have no {query.aggregate}; ask for avg")
    steps = steps_of(selection.variable, query.lapse)
    return over_time(store, query, selection, steps, query.aggregate, 0.0, job)


def over_time(
    store: Store,
    query: MapQuery | LapseMapQuery,
    selection: Selection,
    steps: slice,
    aggregate: str,
    offset: float,
    job: Job,
) -> MapImage:
    """The picture of many times: of the cells' own aggregate, or where cells lie elsewhere each time of the pixels'."""
    variable = selection.variable
    info = aggregate_info(variable.info, aggregate)
    moves = variable.moves or isinstance(variable, Track)
    told = store.told(selection, steps)

    def limits(values: NDArray[np.float64], job: Job) -> tuple[float, float]:
        if aggregate == "count":
            return 0.0, limits_of(values, info)[1]
        if flag_of(aggregate):
            return 0.0, 1.0
        return limits_of(values, info) if aggregate in _NO_LEVELS else store.limits(selection, offset, job)

    def draw(job: Job) -> MapImage:
        if moves:
            picture = _composed(store, query, selection, steps, aggregate, offset, info, limits, job)
        else:
            if aggregate == "latest":
                values = latest(store, selection, steps, cells, job)[0]
            else:
                values = lapse_values(store, selection, steps, cells, aggregate, job)
            values = values if aggregate in _NO_LEVELS or flag_of(aggregate) else shifted(values, offset)
            style = completed(info, query.style, lambda: limits(values, job))
            picture = drawn(store, selection, variable.grid, cells, values, canvas, style, info)
        return replace(
            picture,
            note=joined(picture.note, told) if told else picture.note,
            first_time=stamp_of(variable, steps.start),
            time=stamp_of(variable, steps.stop - 1),
            steps=steps.stop - steps.start,
            aggregate=aggregate,
            weighting=weighting_of(store, variable, steps, aggregate),
        )

    if not moves:
        cells, canvas = view_of(store, selection, variable.grid, query.canvas, query.style)
    return store.pictures.get((query, selection.fingerprint(steps), told), draw, job)


def _composed(
    store: Store,
    query: MapQuery | LapseMapQuery,
    selection: Selection,
    steps: slice,
    aggregate: str,
    offset: float,
    info: VariableInfo,
    limits: Callable[[NDArray[np.float64], Job], tuple[float, float]],
    job: Job,
) -> MapImage:
    """The picture of cells that lie elsewhere each time: laid over one another, or pooled pixel by pixel."""
    bbox = picture_bbox(query.canvas)
    variable = selection.variable
    runs = list(variable.stretches(steps, bbox))
    if not isinstance(variable, Track | Vector) and query.canvas.radius is None:
        # An orbit has the whole earth around it, and most of it lies elsewhere.
        there = perhaps_touching(store, variable, bbox, {int(variable.piece_of[run.start]) for run in runs})
        runs = [run for run in runs if int(variable.piece_of[run.start]) in there]
    runs = runs or list(itertools.islice(variable.stretches(steps), 1))
    grid = variable.grid_at(runs[-1].start)
    width, height = canvas_size(grid, query.canvas)
    canvas = replace(query.canvas, resolution=max(width, height))
    check_pooled(aggregate)
    kind = "latest" if aggregate == "latest" else "round" if go_round(variable.info, aggregate) else "pooled"
    # The samples of a track are those of all its steps at once.
    times = [step for run in runs for step in ([run] if isinstance(variable, Track) else range(run.start, run.stop))]

    def layer(steps: slice | int, job: Job) -> Layer:
        grid = variable.grid_at(steps.start if isinstance(steps, slice) else steps)
        cells, _ = view_of(store, selection, grid, canvas, query.style, steps)
        how = plan(grid.part(cells), canvas, info.kind)
        if not isinstance(how, Mosaic):
            raise NotSupported("only samples that lie anywhere are put together pixel by pixel")
        values = shifted(store.field(selection, steps.start if isinstance(steps, slice) else steps, cells, job), offset)
        present = ~missing_of(values)[cells.among(grid.touching(bbox))]
        counts = (int(np.count_nonzero(present)), present.size) if cells.count else (0, 0)
        return layer_of(how, values, aggregate, variable.info, *counts)

    def compose(job: Job) -> Composite:
        counts = np.zeros(2, dtype=np.int64)

        def layers() -> Iterator[Layer]:
            """One time after another, the newest first; what was found of each is remembered, not what was read."""
            for done, steps in enumerate(reversed(times)):
                job.check()
                job.progress(done, len(times))
                span = (steps.start, steps.stop) if isinstance(steps, slice) else steps
                key = selection.key, selection.fingerprint(steps), span, canvas, kind, offset
                found = store.layers.get(key, lambda job, steps=steps: layer(steps, job), job)  # type: ignore[misc]
                np.add(counts, (found.valid, found.total), out=counts)
                yield found

        if aggregate == "latest":
            values = laid_over(layers(), (height, width))
        else:
            values = pooled(layers(), aggregate, variable.info, (height, width))
        return Composite(values, int(counts[0]), int(counts[1]))

    key = (selection.key, selection.fingerprint(steps), steps.start, steps.stop, canvas, aggregate, offset)
    found = store.composites.get(key, compose, job)
    style = completed(info, query.style, lambda: limits(found.values[np.isfinite(found.values)], job))
    levels_of = scale(info.kind, *_ends(style), info.flags, style.scale or "linear")
    levels = levels_of_values(found.values, levels_of, info.kind)
    picture = painted(levels, bbox, canvas, str(style.cmap), levels_of)
    return told_of(store, selection, grid, picture, (found.valid, found.total), style, info)


def _ends(style: Style) -> tuple[float, float]:
    """Both limits of a style that is complete."""
    if style.vmin is None or style.vmax is None:
        raise InvalidValue(f"a picture needs both limits, not {style}")
    return style.vmin, style.vmax
