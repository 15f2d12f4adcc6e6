"""Pictures of one time and of aggregates over many: which cells, which colours, and what is true of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NotSupported
from datavore_widgets.protocol.answers import MapImage, VariableInfo
from datavore_widgets.protocol.colormap import check_name, default_cmap
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import Canvas, LapseMapQuery, MapQuery, Style
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.limits import limits_of
from datavore_widgets.service.render import render
from datavore_widgets.service.resample import canvas_size, picture_bbox, window_of
from datavore_widgets.service.select import (
    Selection,
    aggregate_info,
    select,
    shifted,
    stamp_of,
    step_of,
    steps_of,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Store

__all__ = ["lapse_map_image", "map_image"]


def map_image(store: Store, query: MapQuery, job: Job) -> MapImage:
    """The picture of one time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters, source.subtract)
    variable = selection.variable
    step = step_of(variable, source.date, source.nearest)
    grid = variable.grid_at(step)
    cells, canvas = _view(store, selection, grid, query.canvas, query.style)

    def draw(job: Job) -> MapImage:
        values = shifted(store.field(selection, step, cells, job), source.offset)
        style = _completed(variable.info, query.style, lambda: store.limits(selection, source.offset, job))
        picture = _drawn(store, selection, grid, cells, values, canvas, style, variable.info)
        return picture if step is None else replace(picture, time=stamp_of(variable, step))

    return store.pictures.get((query, selection.fingerprint(step)), draw, job)


def lapse_map_image(store: Store, query: LapseMapQuery, job: Job) -> MapImage:
    """The picture of an aggregate over a lapse."""
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    variable = selection.variable
    steps = steps_of(variable, query.lapse)
    (_, grid), *others = variable.runs(steps)
    if others:
        raise NotSupported(
            f"{variable.name!r} lies elsewhere at each of its times, so that its cells have no {query.aggregate} over "
            "them; ask for the map of one time, or for a series"
        )
    cells, canvas = _view(store, selection, grid, query.canvas, query.style)

    def draw(job: Job) -> MapImage:
        info = aggregate_info(variable.info, query.aggregate)
        values = store.per_cell(selection, steps, cells, job).aggregate(query.aggregate)

        def limits() -> tuple[float, float]:
            if query.aggregate == "count":
                return 0.0, limits_of(values, info)[1]
            return limits_of(values, info) if query.aggregate == "std" else store.limits(selection, 0.0, job)

        style = _completed(info, query.style, limits)
        return replace(
            _drawn(store, selection, grid, cells, values, canvas, style, info),
            first_time=stamp_of(variable, steps.start),
            time=stamp_of(variable, steps.stop - 1),
            steps=steps.stop - steps.start,
            aggregate=query.aggregate,
        )

    return store.pictures.get((query, selection.fingerprint(steps)), draw, job)


def _view(store: Store, selection: Selection, grid: Grid, canvas: Canvas, style: Style) -> tuple[Cells, Canvas]:
    """The cells that a picture is drawn from, and the canvas with its size settled: all that can be refused is, here.

    Cells are thinned where there are far more than pixels, or more than memory is meant for.
    """
    variable = selection.variable
    if style.cmap is not None:
        check_name(style.cmap)
    # Before thinning, which would make the cells larger and so the picture smaller.
    width, height = canvas_size(grid, canvas)
    cells = window_of(grid, canvas)
    if cells.count == 0:
        # Some cell elsewhere: it is not seen, so the picture is empty, and true.
        cells = Cells(slice(0, 1), np.zeros(1, dtype=np.int64))
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
    return Style(style.cmap or default_cmap(info), vmin, vmax)


def _drawn(
    store: Store,
    selection: Selection,
    grid: Grid,
    cells: Cells,
    values: NDArray[Any],
    canvas: Canvas,
    style: Style,
    info: VariableInfo,
) -> MapImage:
    note = selection.index.info.note
    present = ~missing_of(values)[cells.among(grid.touching(picture_bbox(canvas)))]
    if present.size == 0:
        outside = f"nothing of it lies in this box: the data cover {grid.bbox.to_text()}"
        note = f"{note}; {outside}" if note else outside
    if canvas.resample and not grid.is_smooth and info.kind in ("continuous", "anomaly"):
        plain = "drawn cell by cell, as grids with two-dimensional coordinates are"
        note = f"{note}; {plain}" if note else plain
    picture = render(grid.part(cells), values, canvas, style, info.kind, info.flags)
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
        valid=int(np.count_nonzero(present)),
        total=int(present.size),
        cell=grid.cell_size,
        dims=selection.dims,
        note=note,
    )
