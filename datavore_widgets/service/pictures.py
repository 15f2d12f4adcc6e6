"""Pictures of one time: which cells, which colours, and what is true of them."""

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
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.queries import Canvas, MapQuery, Style
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.codes import Coded
from datavore_widgets.service.render import Picture, render
from datavore_widgets.service.resample import canvas_size, picture_bbox, window_of
from datavore_widgets.service.select import (
    Selection,
    period_of,
    select,
    shifted,
    stamp_of,
    step_of,
    steps_until,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Store

__all__ = ["completed", "drawn", "joined", "map_image", "told_of", "view_of"]


def map_image(store: Store, query: MapQuery, job: Job) -> MapImage:
    """The picture of one time, or of a window of time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters, source.subtract)
    variable = selection.variable
    if query.window is not None and source.date is not None and variable.has_time:
        steps = steps_until(variable, source.date, query.window.seconds)
        aggregate = "latest" if query.window.overlap == "latest" else "avg"
        # Here, not at the top: the first picture waits for every import.
        from datavore_widgets.service.lapses import over_time

        return over_time(store, query, selection, steps, aggregate, source.offset, job)
    step = step_of(variable, source.date, source.nearest)
    grid = variable.grid_at(step)
    cells, canvas = view_of(store, selection, grid, query.canvas, query.style, step)

    def draw(job: Job) -> MapImage:
        field = store.shown(selection, step, cells, job)
        values = field.plus(source.offset) if isinstance(field, Coded) else shifted(field, source.offset)
        style = completed(variable.info, query.style, lambda: store.limits(selection, source.offset, job))
        picture = drawn(store, selection, grid, cells, values, canvas, style, variable.info)
        return picture if step is None else replace(picture, **_when(variable, step))

    return store.pictures.get((query, selection.state(step)), draw, job)


def _when(variable: Variable, step: int) -> dict[str, Any]:
    """The time of a picture, and the period that it stands for."""
    when: dict[str, Any] = {"time": stamp_of(variable, step), "time_method": variable.info.time_method}
    return {**when, "period": period_of(variable, step, step)}


def view_of(
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


def completed(info: VariableInfo, style: Style, limits: Callable[[], tuple[float, float]]) -> Style:
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


def drawn(
    store: Store,
    selection: Selection,
    grid: Grid,
    cells: Cells,
    values: NDArray[Any] | Coded,
    canvas: Canvas,
    style: Style,
    info: VariableInfo,
) -> MapImage:
    """The picture of some cells, with their numbers."""
    touching = cells.among(grid.touching(picture_bbox(canvas)))
    picture = render(grid.part(cells), values, canvas, style, info.kind, info.flags)
    if isinstance(values, Coded):
        codes = values.codes[touching]
        total, missing = codes.size, 0 if values.missing is None else np.count_nonzero(codes == values.missing)
    else:
        gaps = missing_of(values)[touching]
        total, missing = gaps.size, np.count_nonzero(gaps)
    counts = (int(total - missing), total) if cells.count else (0, 0)
    told = told_of(store, selection, grid, picture, counts, style, info)
    if canvas.resample and not grid.is_smooth and info.kind in ("continuous", "anomaly"):
        told = replace(
            told, note=joined(told.note, "drawn cell by cell, as grids with two-dimensional coordinates are")
        )
    return told


def told_of(
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
        note = joined(note, f"nothing of it lies in this box: the data cover {area(grid.bbox)}")
    level = selection.variable.pieces[0].found.level
    if level is not None and level not in selection.conditions:
        note = joined(note, f"samples of all depths lie over one another; choose by a filter on {level!r}")
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


def joined(note: str, more: str) -> str:
    """A note with more behind it."""
    return f"{note}; {more}" if note else more
