"""Numbers: the cells of a box at one time, series, and tables of everything."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, NotSupported
from datavore_widgets.protocol.aggregates import AGGREGATES
from datavore_widgets.protocol.answers import CellList, Extract, Field, Series
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.queries import DataQuery, ExtractQuery, SeriesQuery
from datavore_widgets.protocol.times import GROUP_NAMES
from datavore_widgets.service.catalog import Variable
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.sampletimes import labels_of_samples, times_of_samples
from datavore_widgets.service.select import (
    Selection,
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
from datavore_widgets.service.series import Moments, missing_of
from datavore_widgets.service.store import Caps, Store
from datavore_widgets.service.track import Track

__all__ = ["data", "extract", "series"]


def data(store: Store, query: DataQuery, job: Job) -> Field | CellList:
    """The native cells inside a box, at one time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters, source.subtract)
    variable = selection.variable
    step = step_of(variable, source.date, source.nearest)
    grid = variable.grid_at(step)
    cells = variable.during(cells_inside(grid, query.bbox), step)
    if cells.count == 0:
        raise NoData(f"no sample of {variable.name!r} at that time lies inside the box {area(query.bbox)}")
    if query.resolution is not None:
        every = math.ceil(max(cells.shape) / query.resolution)
        cells = cells.every(every, every)
    store.caps.check_array(selection, cells)
    store.caps.check_touched(selection, cells)
    # A copy: what is remembered is not for others to write to.
    values = shifted(store.field(selection, step, cells, job), source.offset).copy()
    if query.as_list:
        return _cell_list(grid, cells, values, store.caps)
    lon, lat = grid.coordinates(cells)
    return Field(
        lon=lon,
        lat=lat,
        data=values,
        bbox=query.bbox,
        time=None if step is None else stamp_of(variable, step),
        units=variable.info.units,
        long_name=variable.info.label,
        dims=selection.dims,
        sample_time=None if step is None else times_of_samples(variable, step, cells),
    )


def _cell_list(grid: Grid, cells: Cells, values: NDArray[Any], caps: Caps) -> CellList:
    there = ~cells.flat(missing_of(values))
    caps.check_rows(int(np.count_nonzero(there)), "cells")
    lon, lat = grid.listed(cells)
    listed = cells.flat(np.ma.getdata(values))[there].astype(np.float64)
    return CellList(list(zip(lon[there].tolist(), lat[there].tolist(), listed.tolist(), strict=True)))


def series(store: Store, query: SeriesQuery, job: Job) -> Series:
    """An aggregate over a box, or the value of a cell, for each time or group of times."""
    _check_known(query)
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    variable = selection.variable
    steps = steps_of(variable, query.lapse)
    store.caps.check_points(steps)
    starts, labels = variable.axis.group(query.groupby, steps)
    places = _places(variable, query.coord, steps)
    pooled = Moments.join(
        [
            Moments.none(run.stop - run.start) if place is None else store.per_step(selection, run, place.cells, job)
            for run, place in places
        ]
    ).pooled(starts)
    place = places[0][1] if len(places) == 1 else None
    if isinstance(variable, Track) and place is not None:
        # Times at which no sample was taken there are none of this series.
        taken = variable.steps_of(variable.during(place.cells, steps)) - steps.start
        kept = np.unique(np.searchsorted(starts, taken, side="right") - 1)
        labels, pooled = labels[kept], pooled.take(kept)
    return Series(
        labels=labels,
        values=pooled.aggregate(query.aggregate).copy(),
        counts=pooled.count.copy(),
        calendar=variable.axis.calendar,
        units=aggregate_info(variable.info, query.aggregate).units,
        long_name=variable.info.label,
        total=None if place is None else place.cells.count,
        cell=None if place is None else place.center,
        distance=None if place is None else place.distance,
        dims=selection.dims,
        aggregate=query.aggregate,
        groupby=query.groupby,
        weighting="every value alike",
        note=store.told(selection, steps),
    )


def _check_known(query: SeriesQuery) -> None:
    words = (query.anomaly, query.base, query.reach, query.trend or None)
    if (
        query.aggregate not in AGGREGATES
        or query.groupby not in (None, *GROUP_NAMES)
        or any(w is not None for w in words)
    ):
        raise NotSupported("the embedded service has the documented aggregates and groupings alone")


def extract(store: Store, query: ExtractQuery, job: Job) -> Extract:
    """Every value of some variables: by time, then by row, then by column."""
    selections = [select(store.library, query.index, name, query.filters, query.subtract) for name in query.varnames]
    first: Variable = selections[0].variable
    for other in (selection.variable for selection in selections[1:]):
        if not same_cells(first, other) or first.axis != other.axis:
            raise InvalidValue(
                f"{first.name!r} and {other.name!r} lie on different cells or times; extract them one by one"
            )
    steps = steps_of(first, query.lapse)
    places = [(run, place) for run, place in _places(first, query.coord, steps) if place is not None]
    if isinstance(first, Track):
        return _extract_of_samples(store, selections, first, first.during(places[0][1].cells, steps), job)
    total = sum((run.stop - run.start) * place.cells.count for run, place in places)
    store.caps.check_rows(total, "rows")
    columns = {}
    done, total = 0, total * len(selections)
    job.progress(done, total)
    for selection in selections:
        blocks = []
        for run, place in places:
            for block in store.blocks(selection, run, place.cells, job):
                blocks.append(np.ma.filled(block.astype(np.float64), np.nan).reshape(-1))
                done += block.size
                job.progress(done, total)
        columns[selection.variable.name] = np.concatenate(blocks)
    listed = [(run, *place.grid.listed(place.cells)) for run, place in places]
    return Extract(
        labels=np.concatenate([labels_of_samples(first, run, place.cells) for run, place in places]),
        lon=np.concatenate([np.tile(lon, run.stop - run.start) for run, lon, _ in listed]),
        lat=np.concatenate([np.tile(lat, run.stop - run.start) for run, _, lat in listed]),
        columns=columns,
        calendar=first.axis.calendar,
    )


def _extract_of_samples(store: Store, selections: list[Selection], track: Track, cells: Cells, job: Job) -> Extract:
    """Every value of some samples, by time."""
    store.caps.check_rows(cells.count, "rows")
    lon, lat = track.points.listed(cells)
    columns = {}
    for done, selection in enumerate(selections):
        job.progress(done, len(selections))
        values = store.samples(selection, cells, job)
        columns[selection.variable.name] = np.ma.filled(values.astype(np.float64), np.nan)
    return Extract(track.axis.labels[track.steps_of(cells)], lon, lat, columns, track.axis.calendar)


class _Place(NamedTuple):
    """The cells of a box, or the one of a position with its centre and the metres to it."""

    grid: Grid
    cells: Cells
    center: tuple[float, float] | None = None
    distance: float | None = None


def _places(variable: Variable, coord: BBox | Point, steps: slice) -> list[tuple[slice, _Place | None]]:
    """The cells of a box or a position, for each run of steps whose cells lie at the same places; None for no cell.

    Raises
    ------
    NoData
        When there are none at any step; it says why.
    """
    found: list[tuple[slice, _Place | None]] = []
    reason: NoData | None = None
    for run, grid in variable.runs(steps):
        try:
            if isinstance(coord, Point):
                found.append((run, _Place(grid, *cell_at(grid, coord))))
            else:
                found.append((run, _Place(grid, cells_inside(grid, coord))))
        except NoData as error:
            reason = reason or error
            found.append((run, None))
    if reason is not None and all(place is None for _, place in found):
        raise reason
    return found
