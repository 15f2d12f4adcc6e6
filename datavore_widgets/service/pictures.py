"""Pictures of one time and of aggregates over many: which cells, which colours, and what is true of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol.aggregates import AGGREGATES, flag_of
from datavore_widgets.protocol.answers import MapImage, VariableInfo
from datavore_widgets.protocol.colormap import check_name, default_cmap, scale
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.queries import Canvas, LapseMapQuery, MapQuery, Style
from datavore_widgets.service.cells import Cells
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
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.codes import Coded
from datavore_widgets.service.limits import limits_of
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.render import Picture, painted, render
from datavore_widgets.service.resample import canvas_size, picture_bbox, plan, window_of
from datavore_widgets.service.select import (
    Selection,
    aggregate_info,
    period_of,
    select,
    shifted,
    stamp_of,
    step_of,
    steps_of,
    steps_until,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Composite, Layer, Store
from datavore_widgets.service.summary import check_words, lapse_values, weighting_of
from datavore_widgets.service.track import Track
from datavore_widgets.service.vectors import Vector

__all__ = ["lapse_map_image", "map_image"]

_NO_LEVELS = ("count", "std", "area_std", "time_std")
"""Aggregates that an offset does not move, and that the limits of the variable do not fit."""


def map_image(store: Store, query: MapQuery, job: Job) -> MapImage:
    """The picture of one time, or of a window of time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters, source.subtract)
    variable = selection.variable
    if query.window is not None and source.date is not None and variable.has_time:
        steps = steps_until(variable, source.date, query.window.seconds)
        aggregate = "latest" if query.window.overlap == "latest" else "avg"
        return _over_time(store, query, selection, steps, aggregate, source.offset, job)
    step = step_of(variable, source.date, source.nearest)
    grid = variable.grid_at(step)
    cells, canvas = _view(store, selection, grid, query.canvas, query.style, step)

    def draw(job: Job) -> MapImage:
        field = store.shown(selection, step, cells, job)
        values = field.plus(source.offset) if isinstance(field, Coded) else shifted(field, source.offset)
        style = _completed(variable.info, query.style, lambda: store.limits(selection, source.offset, job))
        picture = _drawn(store, selection, grid, cells, values, canvas, style, variable.info)
        return picture if step is None else replace(picture, **_when(variable, step))

    return store.pictures.get((query, selection.state(step)), draw, job)


def _when(variable: Variable, step: int) -> dict[str, Any]:
    """The time of a picture, and the period that it stands for."""
    when: dict[str, Any] = {"time": stamp_of(variable, step), "time_method": variable.info.time_method}
    return {**when, "period": period_of(variable, step, step)}


def lapse_map_image(store: Store, query: LapseMapQuery, job: Job) -> MapImage:
    """The picture of an aggregate over a lapse."""
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    info = selection.variable.info
    check_words(info, query.aggregate)
    if query.aggregate not in AGGREGATES and (selection.variable.moves or isinstance(selection.variable, Track)):
        raise NotSupported(f"cells that lie elsewhere at each time have no {query.aggregate}; ask for avg")
    steps = steps_of(selection.variable, query.lapse)
    return _over_time(store, query, selection, steps, query.aggregate, 0.0, job)


def _over_time(
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
            style = _completed(info, query.style, lambda: limits(values, job))
            picture = _drawn(store, selection, variable.grid, cells, values, canvas, style, info)
        return replace(
            picture,
            note=_and(picture.note, told) if told else picture.note,
            first_time=stamp_of(variable, steps.start),
            time=stamp_of(variable, steps.stop - 1),
            steps=steps.stop - steps.start,
            aggregate=aggregate,
            weighting=weighting_of(store, variable, steps, aggregate),
        )

    if not moves:
        cells, canvas = _view(store, selection, variable.grid, query.canvas, query.style)
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
        cells, _ = _view(store, selection, grid, canvas, query.style, steps)
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
    style = _completed(info, query.style, lambda: limits(found.values[np.isfinite(found.values)], job))
    levels_of = scale(info.kind, *_ends(style), info.flags, style.scale or "linear")
    levels = levels_of_values(found.values, levels_of, info.kind)
    picture = painted(levels, bbox, canvas, str(style.cmap), levels_of)
    return _told(store, selection, grid, picture, (found.valid, found.total), style, info)


def _ends(style: Style) -> tuple[float, float]:
    """Both limits of a style that is complete."""
    if style.vmin is None or style.vmax is None:
        raise InvalidValue(f"a picture needs both limits, not {style}")
    return style.vmin, style.vmax


def _view(
    store: Store, selection: Selection, grid: Grid, canvas: Canvas, style: Style, steps: slice | int | None = None
) -> tuple[Cells, Canvas]:
    """The cells that a picture is drawn from, and the canvas with its size settled: all that can be refused is, here.

    Cells are thinned where there are far more than pixels, or more than memory is meant for.
    """
    variable = selection.variable
    if variable.info.geometry == "none":
        raise NotSupported(f"{variable.name!r} has no place, so that there is no map of it; ask for its series")
    if style.cmap is not None:
        check_name(style.cmap)
    # Before thinning, which would make the cells larger and so the picture smaller.
    width, height = canvas_size(grid, canvas)
    cells = variable.during(window_of(grid, canvas), steps)
    if cells.count == 0:
        # Some cell elsewhere: it is not seen, so the picture is empty, and true.
        cells = Cells(slice(0, 1), np.zeros(1, dtype=np.int64), mask=np.zeros((1, 1), dtype=bool))
    every = max(math.ceil(math.sqrt(cells.count * variable.dtype.itemsize / store.caps.array_bytes)), 1)
    row_step = column_step = every
    if canvas.reduce == "stride":
        row_step, column_step = (max(step, every) for step in grid.strides(cells, (height, width)))
    cells = cells.every(row_step, column_step)
    store.caps.check_touched(selection, cells)
    return cells, replace(canvas, resolution=max(width, height))


def _completed(info: VariableInfo, style: Style, limits: Callable[[], tuple[float, float]]) -> Style:
    """The colours asked for, completed by the defaults, which are looked for only if they are needed."""
    vmin, vmax = style.vmin, style.vmax
    if vmin is None or vmax is None:
        low, high = limits()
        vmin, vmax = low if vmin is None else vmin, high if vmax is None else vmax
        if not vmin < vmax:
            raise InvalidValue(
                f"vmin ({vmin:g}) must be below vmax ({vmax:g}); the default limits of {info.name!r} are {low:g} and "
                f"{high:g}: give both"
            )
    # The variable's own scale where the limits allow it; what was asked for is refused if they do not.
    how = style.scale or (info.scale if vmin > 0 else "linear")
    return Style(style.cmap or default_cmap(info), vmin, vmax, how)


def _drawn(
    store: Store,
    selection: Selection,
    grid: Grid,
    cells: Cells,
    values: NDArray[Any] | Coded,
    canvas: Canvas,
    style: Style,
    info: VariableInfo,
) -> MapImage:
    touching = cells.among(grid.touching(picture_bbox(canvas)))
    picture = render(grid.part(cells), values, canvas, style, info.kind, info.flags)
    if isinstance(values, Coded):
        codes = values.codes[touching]
        total, missing = codes.size, 0 if values.missing is None else np.count_nonzero(codes == values.missing)
    else:
        gaps = missing_of(values)[touching]
        total, missing = gaps.size, np.count_nonzero(gaps)
    counts = (int(total - missing), total) if cells.count else (0, 0)
    told = _told(store, selection, grid, picture, counts, style, info)
    if canvas.resample and not grid.is_smooth and info.kind in ("continuous", "anomaly"):
        told = replace(told, note=_and(told.note, "drawn cell by cell, as grids with two-dimensional coordinates are"))
    return told


def _told(
    store: Store,
    selection: Selection,
    grid: Grid,
    picture: Picture,
    counts: tuple[int, int],
    style: Style,
    info: VariableInfo,
) -> MapImage:
    """A picture and what is true of it; `counts` are those of the cells that touch it, with a value and all."""
    note = selection.index.info.note
    if counts[1] == 0:
        note = _and(note, f"nothing of it lies in this box: the data cover {area(grid.bbox)}")
    level = selection.variable.pieces[0].found.level
    if level is not None and level not in selection.conditions:
        note = _and(note, f"samples of all depths lie over one another; choose by a filter on {level!r}")
    store.stats.add(pictures=1)
    return MapImage(
        png=picture.png,
        bbox=picture.bbox,
        projection=picture.projection,
        width=picture.width,
        height=picture.height,
        units=info.units,
        long_name=info.label,
        cmap=style.cmap,
        vmin=style.vmin,
        vmax=style.vmax,
        valid=counts[0],
        total=counts[1],
        cell=grid.cell_size,
        dims=selection.dims,
        note=note,
        scale=style.scale or "linear",
    )


def _and(note: str, more: str) -> str:
    return f"{note}; {more}" if note else more
