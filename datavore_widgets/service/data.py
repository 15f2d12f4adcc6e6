"""The native cells of a box, at one time or in a window of time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, NotSupported
from datavore_widgets.protocol.answers import CellList, Field
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.queries import DataQuery, LapseDataQuery, Window
from datavore_widgets.protocol.times import Stamp, millis_from_label
from datavore_widgets.service import summary
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.composite import latest
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Variable, concatenated
from datavore_widgets.service.sampletimes import labels_of_samples, times_of_samples
from datavore_widgets.service.select import (
    Selection,
    aggregate_info,
    cells_inside,
    period_of,
    select,
    shifted,
    stamp_of,
    step_of,
    steps_of,
    steps_until,
)
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.store import Caps, Store
from datavore_widgets.service.track import Track

__all__ = ["data", "lapse_data"]


def data(store: Store, query: DataQuery, job: Job) -> Field | CellList:
    """The native cells inside a box, at one time."""
    source = query.source
    selection = select(store.library, source.index, source.varname, source.filters, source.subtract)
    variable = selection.variable
    if query.window is not None and source.date is not None and variable.has_time:
        return _data_over_time(store, query, query.window, selection, job)
    step = step_of(variable, source.date, source.nearest)
    grid = variable.grid_at(step)
    cells = variable.during(cells_inside(grid, query.bbox), step)
    if cells.count == 0:
        raise NoData(f"no sample of {variable.name!r} at that time lies inside the box {area(query.bbox)}")
    cells = _thinned(store, query, selection, cells)
    # A copy: what is remembered is not for others to write to.
    values = shifted(store.field(selection, step, cells, job), source.offset).copy()
    if query.as_list:
        return _cell_list(grid.listed(cells), cells, values, store.caps)
    lon, lat = grid.coordinates(cells)
    return Field(
        lon=lon,
        lat=lat,
        data=values,
        bbox=query.bbox,
        time=None if step is None else stamp_of(variable, step),
        period=None if step is None else period_of(variable, step, step),
        is_climatology=step is not None and variable.is_climatology,
        units=variable.info.units,
        long_name=variable.info.label,
        dims=selection.dims,
        sample_time=None if step is None else times_of_samples(variable, step, cells),
    )


def lapse_data(store: Store, query: LapseDataQuery, job: Job) -> Field:
    """An aggregate over a lapse of each of the native cells inside a box."""
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    variable = selection.variable
    summary.check_words(variable.info, query.aggregate)
    if variable.moves or isinstance(variable, Track):
        raise NotSupported(
            f"{variable.name!r} lies elsewhere at each of its times, so no cell has its {query.aggregate}; "
            "ask for one time, or for a series"
        )
    steps = steps_of(variable, query.lapse)
    cells = _thinned(store, query, selection, cells_inside(variable.grid, query.bbox))
    values = summary.lapse_values(store, selection, steps, cells, query.aggregate, job).copy()
    lon, lat = variable.grid.coordinates(cells)
    info = aggregate_info(variable.info, query.aggregate)
    return Field(
        lon=lon,
        lat=lat,
        data=values,
        bbox=query.bbox,
        time=stamp_of(variable, steps.stop - 1),
        units=info.units,
        long_name=info.label,
        dims=selection.dims,
        aggregate=query.aggregate,
        steps=steps.stop - steps.start,
        period=_period(variable, steps),
        is_climatology=variable.is_climatology,
        weighting=summary.weighting_of(store, variable, steps, query.aggregate),
    )


def _thinned(store: Store, query: DataQuery | LapseDataQuery, selection: Selection, cells: Cells) -> Cells:
    """The cells that an answer has of some: as many as are wanted.

    Raises
    ------
    TooLarge
        When they are too many for one answer.
    """
    if query.resolution is not None:
        every = math.ceil(max(cells.shape) / query.resolution)
        cells = cells.every(every, every)
    store.caps.check_array(selection, cells)
    store.caps.check_touched(selection, cells)
    return cells


def _data_over_time(store: Store, query: DataQuery, window: Window, selection: Selection, job: Job) -> Field | CellList:
    """The native cells inside a box, of a window of time: of each the newest or the mean value.

    Of cells that lie elsewhere at each time all are given, in the order of time, as one row.
    """
    source, variable = query.source, selection.variable
    if source.date is None:
        raise InvalidValue("a window of time ends with a date: give one")
    steps = steps_until(variable, source.date, window.seconds)
    times: NDArray[np.datetime64] | None = None
    if variable.moves or isinstance(variable, Track):
        aggregate = "samples"
        lon, lat, values, times = _samples_over_time(store, query, selection, steps, job)
        whole = Cells.whole(values.shape)
    else:
        whole = _thinned(store, query, selection, cells_inside(variable.grid, query.bbox))
        lon, lat = variable.grid.coordinates(whole)
        if window.overlap == "latest":
            aggregate = "latest"
            values, of_step = latest(store, selection, steps, whole, job)
            times = _times_of_steps(variable, whole, np.where(missing_of(values), -1, of_step))
        else:
            aggregate = "avg"
            values = summary.lapse_values(store, selection, steps, whole, aggregate, job)
    values = shifted(values, source.offset)
    if query.as_list:
        places = variable.grid.listed(whole) if lon.ndim == 1 else (whole.flat(lon), whole.flat(lat))
        return _cell_list(places, whole, values, store.caps)
    return Field(
        lon=lon,
        lat=lat,
        data=values.copy(),
        bbox=query.bbox,
        time=stamp_of(variable, steps.stop - 1),
        units=variable.info.units,
        long_name=variable.info.label,
        dims=selection.dims,
        sample_time=times,
        aggregate=aggregate,
        steps=steps.stop - steps.start,
        period=_period(variable, steps),
        is_climatology=variable.is_climatology,
        weighting="" if aggregate != "avg" else summary.weighting_of(store, variable, steps, aggregate),
    )


def _period(variable: Variable, steps: slice) -> tuple[Stamp, Stamp]:
    """First moment of some steps and the first after them, by the bounds of their times; else first and last time."""
    first, last = steps.start, steps.stop - 1
    return period_of(variable, first, last) or (stamp_of(variable, first), stamp_of(variable, last))


def _times_of_steps(variable: Variable, cells: Cells, of_step: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    """When cells were measured that have values of several steps, -1 for none; None in calendars unknown to numpy."""
    if not variable.axis.is_gregorian:
        return None
    times = np.full(of_step.shape, np.datetime64("NaT", "ms"))
    for step in np.unique(of_step[of_step >= 0]).tolist():
        here = of_step == step
        own = times_of_samples(variable, step, cells)
        label = variable.axis.millis[step].astype("M8[ms]")
        times[here] = label if own is None else np.where(np.isnat(own[here]), label, own[here])
    return times


def _samples_over_time(
    store: Store, query: DataQuery, selection: Selection, steps: slice, job: Job
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[np.datetime64] | None]:
    """Longitudes, latitudes, values and times of all samples in a box, of some steps; each of shape (1, n).

    Raises
    ------
    NoData
        When there are none.
    TooLarge
        When they are too many for one answer.
    """
    variable = selection.variable
    found: list[tuple[slice, Grid, Cells]] = []
    for run in variable.stretches(steps, query.bbox):
        grid = variable.grid_at(run.start)
        cells = variable.during(grid.inside(query.bbox), run)
        if cells.count:
            found.append((run, grid, _thinned(store, query, selection, cells)))
    if not found:
        raise NoData(f"no sample of {variable.name!r} in that window of time lies inside the box {area(query.bbox)}")
    is_track = isinstance(variable, Track)
    counts = [cells.count * (1 if is_track else run.stop - run.start) for run, _, cells in found]
    store.caps.check_rows(sum(counts), "samples")
    lons, lats, values, labels = [], [], [], []
    for done, (run, grid, cells) in enumerate(found):
        job.progress(done, len(found))
        lon, lat = grid.listed(cells)
        for step in [run.start] if is_track else range(run.start, run.stop):
            lons.append(lon)
            lats.append(lat)
            values.append(cells.flat(store.field(selection, step, cells, job)))
            if isinstance(variable, Track):
                labels.append(variable.axis.labels[variable.steps_of(cells)])
            else:
                labels.append(labels_of_samples(variable, slice(step, step + 1), cells))
    times = None
    if variable.axis.is_gregorian:
        times = millis_from_label(np.concatenate(labels)).astype("M8[ms]")[None]
    return np.concatenate(lons)[None], np.concatenate(lats)[None], concatenated(values, axis=0)[None], times


def _cell_list(
    places: tuple[NDArray[np.float64], NDArray[np.float64]], cells: Cells, values: NDArray[Any], caps: Caps
) -> CellList:
    there = ~cells.flat(missing_of(values))
    caps.check_rows(int(np.count_nonzero(there)), "cells")
    lon, lat = places
    listed = cells.flat(np.ma.getdata(values))[there].astype(np.float64)
    return CellList(list(zip(lon[there].tolist(), lat[there].tolist(), listed.tolist(), strict=True)))
