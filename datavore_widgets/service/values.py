"""Numbers: the cells of a box at one time, series, and tables of everything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import CellList, Extract, Field, Series
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DataQuery, ExtractQuery, SeriesQuery
from datavore_widgets.service.catalog import Variable
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.select import (
    Cells,
    aggregate_info,
    cell_at,
    cells_inside,
    same_cells,
    select,
    shifted,
    stamp_of,
    step_of,
    steps_of,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Caps, Store

__all__ = ["data", "extract", "series"]


def data(store: Store, query: DataQuery, job: Job) -> Field | CellList:
    """The native cells inside a box, at one time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters)
    variable = selection.variable
    step = step_of(variable, source.date, source.nearest)
    cells = cells_inside(variable.grid, query.bbox)
    if query.resolution is not None:
        every = math.ceil(max(cells.shape) / query.resolution)
        cells = cells.every(every, every)
    store.caps.check_array(selection, cells)
    store.caps.check_touched(selection, cells)
    # A copy: what is remembered is not for others to write to.
    values = shifted(store.field(selection, step, cells, job), source.offset).copy()
    lon = variable.grid.lon[cells.columns[:: cells.column_step]]
    lat = variable.grid.lat[cells.rows][:: cells.row_step].copy()
    if query.as_list:
        return _cell_list(lon, lat, values, store.caps)
    return Field(
        lon=lon,
        lat=lat,
        data=values,
        bbox=query.bbox,
        time=None if step is None else stamp_of(variable, step),
        units=variable.info.units,
        long_name=variable.info.label,
        dims=selection.dims,
    )


def _cell_list(lon: NDArray[Any], lat: NDArray[Any], values: NDArray[Any], caps: Caps) -> CellList:
    rows, columns = np.nonzero(~missing_of(values))
    caps.check_rows(rows.size, "cells")
    listed = np.ma.getdata(values)[rows, columns].astype(np.float64).tolist()
    return CellList(list(zip(lon[columns].tolist(), lat[rows].tolist(), listed, strict=True)))


def series(store: Store, query: SeriesQuery, job: Job) -> Series:
    """An aggregate over a box, or the value of a cell, for each time or group of times."""
    selection = select(store.library, query.index, query.varname, query.filters)
    variable = selection.variable
    cells, cell, metres = _cells_of(variable.grid, query.coord)
    steps = steps_of(variable, query.lapse)
    store.caps.check_points(steps)
    starts, labels = variable.axis.group(query.groupby, steps)
    pooled = store.per_step(selection, steps, cells, job).pooled(starts)
    return Series(
        labels=labels,
        values=pooled.aggregate(query.aggregate).copy(),
        counts=pooled.count.copy(),
        calendar=variable.axis.calendar,
        units=aggregate_info(variable.info, query.aggregate).units,
        long_name=variable.info.label,
        total=cells.count,
        cell=cell,
        distance=metres,
        dims=selection.dims,
    )


def extract(store: Store, query: ExtractQuery, job: Job) -> Extract:
    """Every value of some variables: by time, then by row, then by column."""
    selections = [select(store.library, query.index, name, query.filters) for name in query.varnames]
    first: Variable = selections[0].variable
    for other in (selection.variable for selection in selections[1:]):
        if not same_cells(first, other) or first.axis != other.axis:
            raise InvalidValue(
                f"{first.name!r} and {other.name!r} lie on different cells or times; extract them one by one"
            )
    cells = _cells_of(first.grid, query.coord)[0]
    steps = steps_of(first, query.lapse)
    times, (ny, nx) = steps.stop - steps.start, cells.shape
    store.caps.check_rows(times * cells.count, "rows")
    columns = {}
    done, total = 0, times * cells.count * len(selections)
    job.progress(done, total)
    for selection in selections:
        blocks = []
        for block in store.blocks(selection, steps, cells, job):
            blocks.append(np.ma.filled(block.astype(np.float64), np.nan).reshape(-1))
            done += block.size
            job.progress(done, total)
        columns[selection.variable.name] = np.concatenate(blocks)
    return Extract(
        labels=np.repeat(first.axis.labels[steps], cells.count),
        lon=np.tile(first.grid.lon[cells.columns], times * ny),
        lat=np.tile(np.repeat(first.grid.lat[cells.rows], nx), times),
        columns=columns,
        calendar=first.axis.calendar,
    )


def _cells_of(grid: RectilinearGrid, coord: BBox | Point) -> tuple[Cells, tuple[float, float] | None, float | None]:
    """The cells of a box, or the one of a position with its centre and the metres to it."""
    if isinstance(coord, Point):
        return cell_at(grid, coord)
    return cells_inside(grid, coord), None, None
